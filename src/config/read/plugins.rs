//! `[[plugin]]`: programs of the user's own.

use super::{Reader, Table};
use crate::config::{Input, InputKind, Plugin};
use crate::world::text::split;
use std::ops::Range;

/// The keys of an entry.
const KEYS: &[&str] = &[
    "name",
    "key",
    "kinds",
    "command",
    "args",
    "pipes",
    "inputs",
    "doc",
    "changes",
    "confirm",
    "background",
    "wait",
    "override",
];
/// The keys of what one asks for.
const INPUT_KEYS: &[&str] = &["name", "label", "type", "required", "default", "options"];

impl Reader<'_> {
    pub(super) fn plugins(&mut self, root: &Table<'_>) -> Vec<Plugin> {
        let mut plugins: Vec<Plugin> = vec![];
        for (table, span) in self.tables(root, "plugin") {
            let Some(plugin) = self.plugin(table, span.clone()) else { continue };
            match plugins.iter().any(|known| known.name == plugin.name) {
                true => self.problem(span, format!("a second [[plugin]] is named {:?}: rename it", plugin.name)),
                false => plugins.push(plugin),
            }
        }
        plugins
    }

    fn plugin(&mut self, table: &Table<'_>, span: Range<usize>) -> Option<Plugin> {
        self.only("[[plugin]]", table, KEYS);
        let name = self.required("[[plugin]]", table, "name", &span)?;
        if !self.is_word("[[plugin]]", &name, span.clone()) {
            return None;
        }
        let command = self.required("[[plugin]]", table, "command", &span)?;
        let background = self.boolean(table, "background").unwrap_or_default();
        if background && self.boolean(table, "wait") == Some(true) {
            self.problem(span.clone(), format!("{name} waits for nothing: it runs in the background"));
        }
        let pipes = self.strings(table, "pipes");
        if pipes.iter().any(|pipe| split(pipe).is_empty()) {
            self.problem(span.clone(), format!("{name} has a pipe without a program: write pipes = [\"jq .spec\"]"));
            return None;
        }
        Some(Plugin {
            inputs: self.inputs(table)?,
            pipes,
            doc: self.string(table, "doc").unwrap_or_else(|| format!("Run {command}.")),
            key: self.string(table, "key"),
            kinds: self.strings(table, "kinds"),
            args: self.strings(table, "args"),
            changes: self.boolean(table, "changes").unwrap_or(true),
            confirm: self.boolean(table, "confirm"),
            background,
            wait: self.boolean(table, "wait").unwrap_or_default(),
            replaces: self.boolean(table, "override").unwrap_or_default(),
            line: self.line(&span),
            name,
            command,
        })
    }

    /// What it asks for; `None` where one of them cannot be asked: without its answer nothing may run.
    fn inputs(&mut self, plugin: &Table<'_>) -> Option<Vec<Input>> {
        let mut inputs: Vec<Input> = vec![];
        for (table, span) in self.tables(plugin, "inputs") {
            let input = self.input(table, &span)?;
            if inputs.iter().any(|known| known.variable() == input.variable()) {
                self.problem(span, format!("a second input is named {:?}: rename it", input.name));
                return None;
            }
            inputs.push(input);
        }
        Some(inputs)
    }

    fn input(&mut self, table: &Table<'_>, span: &Range<usize>) -> Option<Input> {
        const PLACE: &str = "[[plugin.inputs]]";
        self.only(PLACE, table, INPUT_KEYS);
        let name = self.required(PLACE, table, "name", span)?;
        let options = self.strings(table, "options");
        let kind = match self.one_of(table, "type", InputKind::WORDS).as_deref() {
            Some("number") => InputKind::Number,
            Some("bool") => InputKind::Flag,
            Some("dropdown") => InputKind::Choice(options),
            _ => InputKind::Text,
        };
        let input = Input {
            label: self.string(table, "label").unwrap_or_default(),
            required: self.boolean(table, "required").unwrap_or_default(),
            default: self.scalar(table, "default").unwrap_or_default(),
            kind,
            name,
        };
        if let Err(why) = input.check() {
            self.problem(span.clone(), why);
            return None;
        }
        Some(input)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn plugins_are_read_and_change_things_unless_they_say_otherwise() {
        let text = "[[plugin]]\nname = \"dive\"\nkey = \"shift-i\"\nkinds = [\"pods\"]\ncommand = \"dive\"\n\
                    args = [\"$COL-IMAGE\"]\nchanges = false\n\n[[plugin]]\nname = \"bump\"\ncommand = \"./bump\"\nconfirm = false\n";
        let loaded = parse("c.toml", text);
        assert_eq!(loaded.problems, vec![]);
        let [dive, bump] = loaded.config.plugins.as_slice() else { panic!("two plugins") };
        assert_eq!((dive.changes, dive.asks(), dive.line), (false, false, 1));
        assert_eq!((bump.changes, bump.asks(), bump.doc.as_str()), (true, false, "Run ./bump."));
    }

    #[test]
    fn inputs_and_pipes_are_read_and_an_input_that_cannot_be_asked_leaves_the_plugin_out() {
        let head = "[[plugin]]\nname = \"a\"\ncommand = \"x\"\npipes = [\"jq -r '.a b'\"]\n";
        let inputs = "[[plugin.inputs]]\nname = \"n\"\ntype = \"number\"\ndefault = 3\nrequired = true\n\
                      [[plugin.inputs]]\nname = \"how\"\ntype = \"dropdown\"\noptions = [\"a\", \"b\"]\nlabel = \"How\"\n";
        let loaded = parse("c.toml", &format!("{head}{inputs}"));
        assert_eq!(loaded.problems, vec![]);
        let plugin = &loaded.config.plugins[0];
        assert_eq!(plugin.pipes, ["jq -r '.a b'"]);
        let asked: Vec<_> = plugin.inputs.iter().map(|input| (input.variable(), input.question())).collect();
        let wanted = [("INPUT_N", "n (a number): "), ("INPUT_HOW", "How (a, b, may be empty): ")];
        assert_eq!(asked, wanted.map(|(name, question)| (name.to_string(), question.to_string())));
        assert_eq!(plugin.inputs[0].default, "3");
        for (inputs, said) in [
            ("inputs = [{type = \"string\"}]", "c.toml:5: [[plugin.inputs]] needs name"),
            ("inputs = [{name = \"a b\"}]", "c.toml:5: the input \"a b\" is no name of a variable"),
            ("inputs = [{name = \"a\", type = \"dropdown\"}]", "c.toml:5: the input a has nothing to choose from"),
            ("inputs = [{name = \"a\"}, {name = \"A\"}]", "c.toml:5: a second input is named \"A\""),
            (
                "inputs = [{name = \"a\", type = \"number\", default = \"x\"}]",
                "c.toml:5: the default of the input a: `x` is not a number",
            ),
        ] {
            let loaded = parse("c.toml", &format!("{head}{inputs}\n"));
            let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
            assert!(problems.iter().any(|p| p.starts_with(said)), "{said}\n{problems:?}");
            assert_eq!(loaded.config.plugins, vec![], "{said}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let text = "[[plugin]]\nname = \"a\"\n[[plugin]]\nname = \"b c\"\ncommand = \"x\"\n[[plugin]]\nname = \"d\"\n\
                    command = \"x\"\nkind = [\"pods\"]\n[[plugin]]\nname = \"d\"\ncommand = \"y\"\n";
        let said: Vec<String> = parse("c.toml", text).problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|p| p.starts_with("c.toml:1: [[plugin]] needs command")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:3: \"b c\"")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:9: ") && p.contains("did you mean \"kinds\"?")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:10: a second [[plugin]] is named \"d\"")), "{said:?}");
    }
}
