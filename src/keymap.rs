//! Which key does what, on which screen: the shipped map (keymaps/default.toml), overlaid by the user's file.
//!
//! A section is a screen (`table`, `logs` …), a kind by its plural (`nodes`), or `global`. A key leads to an action,
//! to a list of actions of which the first that applies is taken, or to a `:` command; `""` unbinds it.

mod key;

pub use key::Key;

use crate::actions;
use crate::world::text::closest;
use std::collections::BTreeMap;

/// The shipped map.
const DEFAULT: &str = include_str!("../keymaps/default.toml");

/// Sections that are screens; every other name must look like a kind's plural.
pub const SECTIONS: &[&str] =
    &["global", "table", "tree", "list", "fleet", "containers", "text", "describe", "yaml", "why", "logs", "operation"];

/// A checked keymap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    sections: BTreeMap<String, Vec<(Key, Vec<String>)>>,
}

impl Keymap {
    /// The shipped map, overlaid by the text of the user's file, with what is wrong in that file:
    /// sentences that name the line. A mistake costs its own line only.
    pub fn load(user: Option<&str>) -> (Self, Vec<String>) {
        let mut map = Self::default();
        let mut wrong = vec![];
        map.overlay(DEFAULT, "keymaps/default.toml", &mut wrong);
        if let Some(text) = user {
            map.overlay(text, "keymap", &mut wrong);
        }
        (map, wrong)
    }

    fn overlay(&mut self, text: &str, file: &str, wrong: &mut Vec<String>) {
        let table: toml::Table = match toml::from_str(text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(text, span.start));
                wrong.push(format!("{file}, line {line}: {} (the file is not used)", error.message().trim()));
                return;
            }
        };
        for (section, keys) in &table {
            let line = || find_line(text, section, None);
            let Some(keys) = keys.as_table() else {
                wrong.push(format!("{file}, line {}: `{section}` is not a section; write [{section}]", line()));
                continue;
            };
            if let Some(near) = closest(section, SECTIONS.iter().copied()).filter(|near| near != section) {
                wrong.push(format!("{file}, line {}: no screen [{section}]; did you mean [{near}]?", line()));
                continue;
            }
            for (key, value) in keys {
                if let Err(error) = self.bind(section, key, value) {
                    let line = find_line(text, section, Some(key));
                    wrong.push(format!("{file}, line {line}: {error}"));
                }
            }
        }
    }

    fn bind(&mut self, section: &str, key: &str, value: &toml::Value) -> Result<(), String> {
        let parsed = Key::parse(key)?;
        let names: Vec<String> = match value {
            toml::Value::String(name) => vec![name.clone()],
            toml::Value::Array(list) => list
                .iter()
                .map(|item| item.as_str().map(String::from).ok_or(format!("`{key}`: `{item}` is not a name")))
                .collect::<Result<_, _>>()?,
            other => return Err(format!("`{key}` leads to `{other}`, which is no action")),
        };
        let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
        for name in names.iter().filter(|name| !name.starts_with(':')) {
            if actions::find(name).is_none() {
                let near = closest(name, actions::TABLE.iter().map(|action| action.name));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(format!("`{key}`: there is no action `{name}`{near}"));
            }
        }
        let keys = self.sections.entry(section.into()).or_default();
        keys.retain(|(known, _)| *known != parsed);
        keys.push((parsed, names));
        Ok(())
    }

    /// What a key does on a screen: the first action that applies, in the most special section that has the key.
    pub fn resolve(&self, sections: &[String], key: Key, applies: impl Fn(&str) -> bool) -> Option<&str> {
        for section in sections {
            let bound = self.sections.get(section).and_then(|keys| keys.iter().find(|(known, _)| *known == key));
            let Some((_, names)) = bound else { continue };
            if names.is_empty() {
                return None;
            }
            if let Some(name) = names.iter().find(|name| applies(name)) {
                return Some(name);
            }
        }
        None
    }

    /// The key for an action on a screen, as people write it; only one that leads to it, given what else applies.
    pub fn key_for(&self, sections: &[String], action: &str, mine: impl Fn(&str) -> bool) -> Option<String> {
        for (n, section) in sections.iter().enumerate() {
            for (key, names) in self.sections.get(section).into_iter().flatten() {
                let Some(at) = names.iter().position(|name| name == action) else { continue };
                let hidden = sections[..n].iter().any(|above| {
                    let keys = self.sections.get(above).into_iter().flatten();
                    keys.filter(|(known, _)| known == key)
                        .any(|(_, names)| names.is_empty() || names.iter().any(|n| !mine(n)))
                });
                if !hidden && names[..at].iter().all(|name| mine(name)) {
                    return Some(key.to_string());
                }
            }
        }
        None
    }

    /// Every key of these sections with what it leads to, hidden ones left out, in the order of the files.
    pub fn bindings(&self, sections: &[String]) -> Vec<(String, Vec<String>)> {
        let mut seen: Vec<Key> = vec![];
        let mut out = vec![];
        for section in sections {
            for (key, names) in self.sections.get(section).into_iter().flatten() {
                if seen.contains(key) {
                    continue;
                }
                seen.push(*key);
                if !names.is_empty() {
                    out.push((key.to_string(), names.clone()));
                }
            }
        }
        out
    }

    /// Every section with its keys, for docs/keys.md.
    pub fn sections(&self) -> impl Iterator<Item = (&str, Vec<(String, Vec<String>)>)> {
        self.sections.iter().map(|(section, keys)| {
            (section.as_str(), keys.iter().map(|(key, names)| (key.to_string(), names.clone())).collect())
        })
    }
}

/// Line number of a byte, counted from 1.
fn line_of(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count() + 1
}

/// Line of a section's head, or of a key in it; 1 where it is written in another way.
fn find_line(text: &str, section: &str, key: Option<&str>) -> usize {
    let head = format!("[{section}]");
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.trim() != head);
    let at = match key {
        None => lines.next(),
        Some(key) => lines.skip(1).find(|(_, line)| {
            let left = line.split('=').next().unwrap_or_default().trim();
            left.trim_matches(['"', '\'']).replace("\\\\", "\\") == key || left == "\"=\"" && key == "="
        }),
    };
    at.map_or(1, |(n, _)| n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| n.to_string()).collect()
    }

    #[test]
    fn the_shipped_map_is_without_fault() {
        let (map, wrong) = Keymap::load(None);
        assert_eq!(wrong, Vec::<String>::new());
        let down = map.resolve(&sections(&["pods", "table", "global"]), Key::parse("j").unwrap(), |_| true);
        assert_eq!(down, Some("row-down"));
    }

    #[test]
    fn mistakes_cost_their_own_line_and_are_named_with_it() {
        let user =
            "[table]\n\"j\" = \"row-dwon\"\n\"hyper-x\" = \"quit\"\n\"z\" = \"wide\"\n[tabel]\n\"a\" = \"quit\"\n";
        let (map, wrong) = Keymap::load(Some(user));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("line 2") && w.contains("did you mean `row-down`")), "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("line 3") && w.contains("hyper")), "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("line 5") && w.contains("[table]")), "{wrong:?}");
        let table = sections(&["table", "global"]);
        assert_eq!(map.resolve(&table, Key::parse("z").unwrap(), |_| true), Some("wide"));
        assert_eq!(map.resolve(&table, Key::parse("j").unwrap(), |_| true), Some("row-down"));
    }

    #[test]
    fn a_broken_file_leaves_the_shipped_map() {
        let (map, wrong) = Keymap::load(Some("[table\n"));
        assert_eq!(map, Keymap::load(None).0);
        assert!(wrong[0].contains("line 1"), "{wrong:?}");
    }

    #[test]
    fn an_empty_name_unbinds_and_a_special_section_wins() {
        let (map, _) = Keymap::load(Some("[nodes]\n\"j\" = \"\"\n\"c\" = [\"cordon\", \"copy\"]\n\"x\" = \":pods\"\n"));
        let nodes = sections(&["nodes", "table", "global"]);
        assert_eq!(map.resolve(&nodes, Key::parse("j").unwrap(), |_| true), None);
        assert_eq!(map.resolve(&nodes, Key::parse("c").unwrap(), |name| name == "copy"), Some("copy"));
        assert_eq!(map.resolve(&nodes, Key::parse("x").unwrap(), |_| true), Some(":pods"));
    }
}
