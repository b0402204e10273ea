//! Generated documentation is up to date. `UPDATE_DOCS=1 cargo test --test it docs` writes it anew.

use kokpit::actions::TABLE;
use kokpit::diagnose::causes;
use kokpit::keymap::Keymap;
use std::fmt::Write;
use std::path::Path;

/// Compares a file of docs/ with what it should be, or writes it.
fn hold(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap_or(&path)).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "docs/{name} is out of date: run UPDATE_DOCS=1 cargo test --test it docs");
}

#[test]
fn the_configuration_has_a_schema() {
    hold("config.schema.json", &format!("{:#}\n", kokpit::config::keys::schema()));
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn actions_are_documented() {
    let mut text = String::from(
        "# Actions\n\nEverything that a key, the `:` line or the help screen can do. `read` looks and changes nothing; `write` and\n`destructive` show their plan first and are refused with `--readonly`.\n(Made from the table of actions in `src/actions.rs`.)\n\n| action | risk | what it does |\n|---|---|---|\n",
    );
    for action in TABLE {
        writeln!(text, "| `{}` | {} | {} |", action.name, action.risk.word(), cell(action.doc)).unwrap();
    }
    hold("actions.md", &text);
}

#[test]
fn keys_are_documented() {
    let map = |name: &str| {
        let (keymap, wrong) = Keymap::named(name, &|_| None, None);
        assert_eq!(wrong, Vec::<String>::new());
        keymap
    };
    let keymap = map("default");
    let mut text = String::from(
        "# Keys\n\nThree maps are shipped, [default](#default) (the fingers of k9s), [vim](#vim) and [emacs](#emacs): `keymap = \"vim\"` under\n`[ui]` in config.toml. Your own `keymaps/NAME.toml` in the configuration directory is one more; `inherits = \"vim\"` at its\ntop names what it builds on. `keymap.toml` there is laid over whichever is in use.\n\n```toml\n[global]               # everywhere; [table], [logs] … on that screen; [pods], [nodes] … on tables of that kind\n\"g e\" = \"row-last\"     # keys in a row: the bottom line shows what may follow\n\"ctrl-y\" = \":pods shop\" # a command\n\"f5\" = [\"logs\", \"describe\"]  # the first that applies to what is under the cursor\n\"q\" = \"\"               # nothing\n```\n\nA key cannot lead somewhere and begin others in one file; over another file the newer one wins. What is wrong is said\nwith its line. Esc takes back keys that wait for more. In every prompt Esc, Ctrl-C and Ctrl-G leave it.\n(Made from the maps themselves; [actions.md](actions.md) has every action.)\n\n# default\n",
    );
    let write = |text: &mut String, section: &str, keys: &[(String, Vec<String>)]| {
        writeln!(text, "\n## {section}\n\n| key | action |\n|---|---|").unwrap();
        for (key, names) in keys {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let names = if names.is_empty() { "nothing".to_string() } else { names.join(", else ") };
            writeln!(text, "| `{}` | {names} |", cell(key)).unwrap();
        }
    };
    for (section, keys) in keymap.sections() {
        write(&mut text, section, &keys);
    }
    for name in ["vim", "emacs"] {
        write!(text, "\n# {name}\n\nWhere it differs from default:\n").unwrap();
        let known: Vec<_> = keymap.sections().collect();
        for (section, keys) in map(name).sections() {
            let same = known.iter().find(|(other, _)| *other == section).map_or(&[][..], |(_, keys)| keys);
            let new: Vec<_> = keys.into_iter().filter(|key| !same.contains(key)).collect();
            if !new.is_empty() {
                write(&mut text, &format!("{section} ({name})"), &new);
            }
        }
    }
    hold("keys.md", &text);
}

#[test]
fn every_action_has_a_sentence_and_a_name_of_its_own() {
    for (n, action) in TABLE.iter().enumerate() {
        assert!(
            action.doc.ends_with('.') && action.doc.chars().next().is_some_and(char::is_uppercase),
            "{}",
            action.name
        );
        assert!(
            action.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            action.name
        );
        assert!(!TABLE[..n].iter().any(|other| other.name == action.name), "{} is there twice", action.name);
        assert!(!action.label.is_empty(), "{}", action.name);
    }
}

/// One page per cause, an index, and nothing else in docs/causes.
#[test]
fn causes_are_documented() {
    let mut index = String::from(
        "# Causes\n\nEverything that `kokpit why` can name, with what one sees, why it happens, how kokpit knows, what looks alike, and\nhow to mend it. `kokpit explain CAUSE` prints the same page.\n(Made from the headers of `src/diagnose/causes/`.)\n\n| cause | severity | |\n|---|---|---|\n",
    );
    let mut pages = vec!["README.md".to_string()];
    let mut all: Vec<_> = causes::table().collect();
    all.sort_by_key(|cause| cause.id);
    for cause in all {
        let page = causes::explain_cause(cause.id).unwrap_or_default();
        let severity = match cause.severity {
            causes::Severity::Outage => "outage",
            causes::Severity::Degraded => "degraded",
            causes::Severity::Nuisance => "nuisance",
        };
        writeln!(index, "| [{0}]({0}.md) | {severity} | {1} |", cause.id, cell(cause.title)).unwrap();
        hold(&format!("causes/{}.md", cause.id), &format!("# {}\n\n{}\n\n{page}\n", cause.id, sentence(cause.title)));
        pages.push(format!("{}.md", cause.id));
    }
    hold("causes/README.md", &index);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/causes");
    for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(pages.contains(&name), "docs/causes/{name} is the page of no cause: remove it");
    }
}

fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
