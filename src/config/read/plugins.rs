//! `[[plugin]]`: programs of the user's own.

use super::{Reader, Table};
use crate::config::Plugin;
use std::ops::Range;

/// The keys of an entry.
const KEYS: &[&str] =
    &["name", "key", "kinds", "command", "args", "doc", "changes", "confirm", "background", "wait", "override"];

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
        Some(Plugin {
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
