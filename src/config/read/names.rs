//! `[groups]`, `[aliases]`, `[namespaces]`.

use super::{DeValue, Reader, Table};
use crate::config::Names;
use std::ops::Range;
use toml::Spanned;

/// Words that always mean what they mean: a person must be able to leave and to find help.
const KEPT: &[&str] = &["q", "q!", "quit", "exit", "help", "?"];
/// Keys 1 to 9.
const KEYS: usize = 9;

impl Reader<'_> {
    pub(super) fn names(&mut self, root: &Table<'_>) -> Names {
        Names { groups: self.groups(root), aliases: self.aliases(root), favourites: self.favourites(root) }
    }

    fn groups(&mut self, root: &Table<'_>) -> Vec<(String, Vec<String>)> {
        let mut groups = vec![];
        for (table, key, span) in self.entries(root, "groups", "prod = [\"prod-*\"]") {
            if !self.is_word("groups", &key, span.clone()) {
                continue;
            }
            // One pattern needs no list.
            let patterns = match table.get(key.as_str()).and_then(|value| value.get_ref().as_str()) {
                Some(one) => vec![one.to_string()],
                None => self.strings(table, &key),
            };
            match patterns.is_empty() || patterns.iter().any(|p| p.trim().is_empty()) {
                true => self.problem(span, format!("the group {key} needs names of contexts: {key} = [\"prod-*\"]")),
                false => groups.push((key, patterns)),
            }
        }
        groups
    }

    fn aliases(&mut self, root: &Table<'_>) -> Vec<(String, String)> {
        let mut aliases = vec![];
        for (table, key, span) in self.entries(root, "aliases", "dp = \"deployments\"") {
            if KEPT.contains(&key.as_str()) {
                self.problem(span, format!("the alias {key} would hide :{key}; choose another word"));
                continue;
            }
            if !self.is_word("aliases", &key, span.clone()) {
                continue;
            }
            let Some(line) = self.string(table, &key) else { continue };
            let line = line.trim().trim_start_matches(':').trim().to_string();
            match line.is_empty() {
                true => self.problem(span, format!("the alias {key} stands for nothing: {key} = \"pods -A\"")),
                false => aliases.push((key, line)),
            }
        }
        aliases
    }

    fn favourites(&mut self, root: &Table<'_>) -> Vec<String> {
        let Some(value) = root.get("namespaces") else { return vec![] };
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span(), "namespaces must be a table: write [namespaces]".into());
            return vec![];
        };
        self.only("[namespaces]", table, &["favourites"]);
        let mut names = self.strings(table, "favourites");
        if names.len() > KEYS {
            let span = table.get("favourites").map_or(0..0, Spanned::span);
            let text =
                format!("favourites names {} namespaces; there are keys for {KEYS}, the rest has none", names.len());
            self.problem(span, text);
            names.truncate(KEYS);
        }
        names
    }

    /// The entries of a table whose keys a person chooses, with the place of each key.
    pub(super) fn entries<'t, 'i>(
        &mut self,
        root: &'t Table<'i>,
        section: &str,
        such_as: &str,
    ) -> Vec<(&'t Table<'i>, String, Range<usize>)> {
        let Some(value) = root.get(section) else { return vec![] };
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span(), format!("{section} must be a table: write [{section}] and below it {such_as}"));
            return vec![];
        };
        table.keys().map(|key| (table, key.get_ref().to_string(), key.span())).collect()
    }

    /// Whether a key can be typed as one word that means nothing else.
    pub(super) fn is_word(&mut self, section: &str, key: &str, span: Range<usize>) -> bool {
        let fits = !key.is_empty()
            && !key.contains([' ', '\t', ',', '=', '\'', '"'])
            && !key.starts_with(['@', '/', '-', ':']);
        if !fits {
            let place = if section.starts_with('[') { section.to_string() } else { format!("[{section}]") };
            let text = format!("{key:?} in {place} cannot be typed as one word: use letters, digits, - and _");
            self.problem(span, text);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn names_are_read_in_the_order_of_their_keys() {
        let loaded = parse(
            "c.toml",
            "[groups]\nprod = [\"prod-*\", \"edge\"]\nlab = \"lab-?\"\n[aliases]\ncrash = \":pods -A /CrashLoop\"\n\
             [namespaces]\nfavourites = [\"shop\", \"team-*\"]\n",
        );
        assert_eq!(loaded.problems, vec![]);
        let names = loaded.config.names;
        assert_eq!(names.group("prod").map(<[_]>::len), Some(2));
        assert_eq!(names.alias("crash"), Some("pods -A /CrashLoop"));
        assert_eq!(names.favourites, ["shop", "team-*"]);
        let all = ["prod-eu", "prod-us", "edge", "lab-1"].map(String::from);
        assert_eq!(names.contexts("@prod", &all).unwrap().unwrap(), ["prod-eu", "prod-us", "edge"]);
        assert_eq!(names.contexts("*-1", &all).unwrap().unwrap(), ["lab-1"]);
        assert!(names.contexts("edge", &all).is_none());
        assert!(names.contexts("@prd", &all).unwrap().unwrap_err().contains("did you mean @prod?"));
        assert!(names.contexts("x*", &all).unwrap().is_err());
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line() {
        let text = "[groups]\nprod = []\n\"a b\" = [\"x\"]\nn = 3\n[aliases]\nq = \"pods\"\nempty = \" \"\n[namespaces]\nfavorites = []\n";
        let said: Vec<String> = parse("c.toml", text).problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|p| p.starts_with("c.toml:2: the group prod needs")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:3: \"a b\" in [groups]")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:4: n must be a list")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:6: the alias q would hide")), "{said:?}");
        assert!(said.iter().any(|p| p.starts_with("c.toml:7: the alias empty stands for nothing")), "{said:?}");
        assert!(said.iter().any(|p| p.contains("did you mean \"favourites\"?")), "{said:?}");
    }
}
