//! THE TABLE OF KEYS of config.toml: what `kokpit config init` writes, and the schema that editors read, are made from
//! it. The reader is held to it by the tests: a key that it takes stands here.

use super::InputKind;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A part of the file.
#[derive(Debug)]
pub struct Section {
    /// Its name; empty: the top of the file.
    pub name: &'static str,
    /// How often it may stand there, and who chooses its keys.
    pub shape: Shape,
    /// One sentence.
    pub doc: &'static str,
    /// What it holds.
    pub keys: &'static [Key],
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Keys before the first table.
    Top,
    /// `[name]`
    Table,
    /// `[[name]]`, any number of them.
    List,
    /// `[name]`, with keys that a person chooses; ours are examples.
    Free(Kind),
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// A value, as TOML.
    pub example: &'static str,
    /// A few words.
    pub doc: &'static str,
    /// Without it the entry is left out.
    pub needed: bool,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// true or false.
    Flag,
    /// A list of texts.
    Texts,
    /// A text or a list of them.
    TextOrTexts,
}

const fn key(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Key {
    Key { name, kind, example, doc, needed: false }
}

const fn needed(name: &'static str, example: &'static str, doc: &'static str) -> Key {
    Key { needed: true, ..key(name, Kind::Text, example, doc) }
}

/// Every section, in the order of the file that `kokpit config init` writes.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "",
        shape: Shape::Top,
        doc: "",
        keys: &[key(
            "readonly",
            Kind::Texts,
            "[\"prod-*\"]",
            "contexts where kokpit changes nothing, neither live nor in git; * and ? as in a shell",
        )],
    },
    Section {
        name: "ui",
        shape: Shape::Table,
        doc: "How the screen looks and reacts.",
        keys: &[
            key("theme", Kind::Text, "\"dark\"", "`kokpit theme list`, or themes/NAME.toml beside this file"),
            key(
                "colours",
                Kind::OneOf(&["none", "16", "256", "truecolor"]),
                "\"256\"",
                "without it the environment says how many there are",
            ),
            key("ascii", Kind::Flag, "true", "nothing but ASCII: no lines, arrows or marks"),
            key("mouse", Kind::Flag, "true", "clicks and the wheel from the start"),
            key("title", Kind::Flag, "false", "leave the terminal's title alone"),
            key(
                "notify",
                Kind::OneOf(&["auto", "osc9", "osc99", "bell", "off"]),
                "\"auto\"",
                "how the desktop hears that an operation has ended",
            ),
            key(
                "links",
                Kind::OneOf(&["auto", "on", "off"]),
                "\"auto\"",
                "URLs that the terminal opens (OSC 8), where it is known to",
            ),
            key("keymap", Kind::Text, "\"vim\"", "default, vim, emacs, or keymaps/NAME.toml beside this file"),
        ],
    },
    Section {
        name: "debug",
        shape: Shape::Table,
        doc: "What pods and nodes are debugged with.",
        keys: &[
            key("image", Kind::Text, "\"busybox\"", "image of debug containers"),
            key("namespace", Kind::Text, "\"default\"", "where pods on nodes are made"),
        ],
    },
    Section {
        name: "repository",
        shape: Shape::List,
        doc: "A git repository that kokpit commits to.",
        keys: &[
            needed("name", "\"fleet\"", "what [[cluster]] calls it"),
            needed("url", "\"git@git.example.com:ops/fleet.git\"", "where `git push` goes"),
            key("branch", Kind::Text, "\"main\"", "branch to commit to"),
            key(
                "argo_urls",
                Kind::Texts,
                "[\"https://git.example.com/ops/fleet.git\"]",
                "how Argo CD writes the same repository",
            ),
            key("author", Kind::Text, "\"Mara Test <mara@example.com>\"", "instead of git's user.name and user.email"),
        ],
    },
    Section {
        name: "cluster",
        shape: Shape::List,
        doc: "Contexts whose name matches. Of every field, the first match wins.",
        keys: &[
            needed("context", "\"prod-*\"", "* and ? as in a shell"),
            key("repository", Kind::Text, "\"fleet\"", "the [[repository]] that their state is kept in"),
            key("protected", Kind::Flag, "true", "every write asks for the cluster's name to be typed"),
            key("nodes", Kind::Text, "\"clusters/{cluster}/nodes\"", "one manifest per node"),
            key(
                "ledger",
                Kind::Text,
                "\"clusters/{cluster}/ops/ledger\"",
                "records of nodes that something else manages",
            ),
            key("metrics", Kind::Flag, "false", "never ask what CPU and memory are used: docs/metrics.md"),
            key("accent", Kind::Text, "\"red\"", "frame of confirmations: a colour or #rrggbb"),
        ],
    },
    Section {
        name: "groups",
        shape: Shape::Free(Kind::TextOrTexts),
        doc: "Sets of contexts: `:pods @prod`, `kokpit --group prod`.",
        keys: &[key("prod", Kind::Texts, "[\"prod-*\"]", "a name of your own, and patterns of contexts")],
    },
    Section {
        name: "aliases",
        shape: Shape::Free(Kind::Text),
        doc: "A word for a whole `:` line.",
        keys: &[key("crash", Kind::Text, "\"pods -A /CrashLoop\"", "what is typed behind it is added")],
    },
    Section {
        name: "namespaces",
        shape: Shape::Table,
        doc: "Namespaces looked at most.",
        keys: &[key("favourites", Kind::Texts, "[\"shop\", \"team-*\"]", "behind the keys 1 to 9, in this order")],
    },
    Section {
        name: "columns",
        shape: Shape::Free(Kind::Texts),
        doc: "The columns of tables, by kind: titles, labels.KEY, annotations.KEY, paths of the object with `as TITLE`.",
        keys: &[key(
            "pods",
            Kind::Texts,
            "[\"NAMESPACE\", \"NAME\", \"STATUS\", \"labels.app\", \".spec.nodeName as NODE\"]",
            "a kind, `pods` or `rollouts.argoproj.io`",
        )],
    },
    Section {
        name: "sort",
        shape: Shape::Free(Kind::Text),
        doc: "The column that tables are sorted by at first, by kind.",
        keys: &[key("pods", Kind::Text, "\"AGE desc\"", "`asc`, which is what is meant without, or `desc`")],
    },
    Section {
        name: "widths",
        shape: Shape::Free(Kind::Texts),
        doc: "Widths of columns, by kind; the mouse drags them too.",
        keys: &[key("pods", Kind::Texts, "[\"NAME 40\"]", "titles with columns of the terminal")],
    },
    Section {
        name: "secrets",
        shape: Shape::Table,
        doc: "Values of Secrets, which are shown for nothing but x on the Secret.",
        keys: &[key(
            "decode",
            Kind::OneOf(&["always", "unprotected", "never"]),
            "\"unprotected\"",
            "unprotected: neither in protected nor in read-only contexts",
        )],
    },
    Section {
        name: "plugin",
        shape: Shape::List,
        doc: "A program of your own, run on the object under the cursor: docs/plugins.md.",
        keys: &[
            needed("name", "\"stern\"", "`:stern` runs it"),
            needed("command", "\"stern\"", "the program; no shell is between"),
            key(
                "args",
                Kind::Texts,
                "[\"--context\", \"$CONTEXT\", \"-n\", \"$NAMESPACE\", \"$NAME\"]",
                "as k9s writes them",
            ),
            key("pipes", Kind::Texts, "[\"grep -v DEBUG\"]", "each reads what the one before it prints"),
            key("key", Kind::Text, "\"shift-i\"", "as in keymap.toml"),
            key("kinds", Kind::Texts, "[\"pods\"]", "without it every kind; also containers"),
            key("doc", Kind::Text, "\"Follow the logs with stern.\"", "for help"),
            key(
                "changes",
                Kind::Flag,
                "false",
                "it only looks: not recorded, and allowed where nothing may be changed",
            ),
            key("confirm", Kind::Flag, "true", "shown first; without it what changes something is"),
            key("background", Kind::Flag, "false", "it needs no terminal"),
            key("wait", Kind::Flag, "true", "what it printed stays until Enter"),
            key("override", Kind::Flag, "false", "its key may take the place of one that there is"),
        ],
    },
    Section {
        name: "plugin.inputs",
        shape: Shape::List,
        doc: "What the plugin above asks for before it runs.",
        keys: &[
            needed("name", "\"since\"", "$INPUT_SINCE stands for the answer"),
            key("label", Kind::Text, "\"how far back\"", "what the prompt says"),
            key("type", Kind::OneOf(InputKind::WORDS), "\"string\"", "what is an answer"),
            key("required", Kind::Flag, "true", "an empty answer is none"),
            key("default", Kind::Text, "\"1h\"", "what stands in the prompt already"),
            key("options", Kind::Texts, "[\"1h\", \"1d\"]", "of a dropdown"),
        ],
    },
];

/// The file that `kokpit config init` writes: everything explained, nothing set. A line that sets something begins with
/// `#` and no space, a line that explains with `# `.
pub fn template() -> String {
    let mut text = String::from(
        "# Configuration of kokpit. Everything here is optional: take the # away from the lines that you want, also from\n\
         # the [section] above them. `kokpit config check` says what could not be used, with the line.\n",
    );
    for section in SECTIONS {
        text.push('\n');
        if !section.doc.is_empty() {
            let _ = writeln!(text, "# {}", section.doc);
        }
        match section.shape {
            Shape::Top => {}
            Shape::List => drop(writeln!(text, "#[[{}]]", section.name)),
            Shape::Table | Shape::Free(_) => drop(writeln!(text, "#[{}]", section.name)),
        }
        for key in section.keys {
            let setting = format!("#{} = {}", key.name, key.example);
            let _ = writeln!(text, "{setting:<44} # {}", key.doc);
        }
    }
    text
}

/// A JSON schema (draft 7, which editors of TOML understand) of the file.
pub fn schema() -> Value {
    let mut top = Map::new();
    for section in SECTIONS {
        let (properties, needed) = properties(section);
        let mut object = json!({"type": "object", "description": section.doc, "additionalProperties": false,
            "properties": properties});
        if !needed.is_empty() {
            object["required"] = json!(needed);
        }
        match section.shape {
            Shape::Top => top.extend(properties),
            Shape::Table => drop(top.insert(section.name.into(), object)),
            Shape::List => {
                let list = json!({"type": "array", "items": object});
                match section.name.split_once('.') {
                    Some((outer, inner)) => top[outer]["items"]["properties"][inner] = list,
                    None => drop(top.insert(section.name.into(), list)),
                }
            }
            Shape::Free(kind) => {
                let any = json!({"type": "object", "description": section.doc,
                    "additionalProperties": value_schema(kind)});
                top.insert(section.name.into(), any);
            }
        }
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "config.toml of kokpit",
        "type": "object",
        "additionalProperties": false,
        "properties": top,
    })
}

fn properties(section: &Section) -> (Map<String, Value>, Vec<&'static str>) {
    let property = |key: &Key| {
        let mut value = value_schema(key.kind);
        value["description"] = key.doc.into();
        (key.name.to_string(), value)
    };
    let needed = section.keys.iter().filter(|key| key.needed).map(|key| key.name).collect();
    (section.keys.iter().map(property).collect(), needed)
}

fn value_schema(kind: Kind) -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    match kind {
        Kind::Text => text,
        Kind::OneOf(words) => json!({"type": "string", "enum": words}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Texts => texts,
        Kind::TextOrTexts => json!({"anyOf": [text, texts]}),
    }
}

/// Whether the table knows a key, at a place as the reader names it: `the file`, `[ui]`, `[[cluster]]`.
#[cfg(test)]
pub(super) fn knows(place: &str, key: &str) -> bool {
    let name = if place == "the file" { "" } else { place.trim_matches(['[', ']']) };
    let section = SECTIONS.iter().find(|section| section.name == name);
    let inner = |section: &Section| section.name.split_once('.') == Some((name, key));
    section.is_some_and(|section| section.keys.iter().any(|known| known.name == key))
        || SECTIONS.iter().any(inner)
        || name.is_empty() && SECTIONS.iter().any(|section| section.name == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, parse};

    #[test]
    fn what_init_writes_sets_nothing() {
        let loaded = parse("c.toml", &template());
        assert_eq!((loaded.config, loaded.problems), (Config::default(), vec![]));
    }

    /// Every example is one that the reader takes: with the marks taken away there is nothing to complain about.
    #[test]
    fn every_example_is_understood() {
        let set = |line: &str| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        };
        let text: String = template().lines().map(set).collect();
        let loaded = parse("c.toml", &text);
        assert_eq!(loaded.problems, vec![], "{text}");
        let config = loaded.config;
        assert_eq!(config.readonly, ["prod-*"]);
        assert_eq!((config.clusters.len(), config.repositories.len(), config.plugins.len()), (1, 1, 1));
        assert_eq!(config.names.group("prod").map(<[_]>::len), Some(1));
    }

    #[test]
    fn the_schema_refuses_what_the_reader_refuses() {
        let schema = schema();
        assert_eq!(schema["properties"]["cluster"]["items"]["required"], json!(["context"]));
        assert_eq!(schema["properties"]["cluster"]["items"]["additionalProperties"], false);
        assert_eq!(schema["properties"]["readonly"]["type"], "array");
        let plugin = &schema["properties"]["plugin"]["items"]["properties"];
        assert_eq!(plugin["inputs"]["items"]["required"], json!(["name"]));
        assert_eq!(schema["properties"]["aliases"]["additionalProperties"]["type"], "string");
    }
}
