//! Which key does what, on which screen: a shipped map (keymaps/*.toml), overlaid by the user's files.
//!
//! A section is a screen (`table`, `logs` …), a kind by its plural (`nodes`), or `global`. A key, or several in a row
//! (`g g`), leads to an action, to a list of actions of which the first that applies is taken, or to a `:` command;
//! `""` unbinds it.

mod chord;
mod key;
mod read;

pub use chord::{Chord, written};
pub use key::Key;

use std::collections::BTreeMap;

/// The shipped maps.
pub const SHIPPED: &[(&str, &str)] = &[
    ("default", include_str!("../keymaps/default.toml")),
    ("vim", include_str!("../keymaps/vim.toml")),
    ("emacs", include_str!("../keymaps/emacs.toml")),
];

/// Sections that are screens; every other name must look like a kind's plural.
pub const SECTIONS: &[&str] = &[
    "global",
    "table",
    "tree",
    "list",
    "fleet",
    "columns",
    "containers",
    "text",
    "describe",
    "yaml",
    "why",
    "decoded",
    "tour",
    "logs",
    "operation",
];

/// A checked keymap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    sections: BTreeMap<String, Vec<(Chord, Vec<String>)>>,
}

/// What keys lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This action, or this command with its `:`.
    Runs(&'a str),
    /// Nothing yet: more keys may follow.
    Waits,
    /// Nothing.
    Nothing,
}

impl Keymap {
    /// The default map, overlaid by the text of the user's file, with what is wrong in that file:
    /// sentences that name the line. A mistake costs its own line only.
    pub fn load(user: Option<&str>) -> (Self, Vec<String>) {
        Self::named("default", &|_| None, user)
    }

    /// The map of this name, overlaid by the text of keymap.toml. `own` gives the text of the user's file of a name; it
    /// wins over a shipped map, and may inherit from the one that it replaces.
    pub fn named(name: &str, own: &dyn Fn(&str) -> Option<String>, overlay: Option<&str>) -> (Self, Vec<String>) {
        read::named(name, own, overlay)
    }

    /// Lets keys of a section lead somewhere from here on, whatever they did before.
    pub fn bind(&mut self, section: &str, chord: &Chord, name: &str) {
        let bound = self.sections.entry(section.into()).or_default();
        bound.retain(|(known, _)| !known.meets(chord));
        bound.push((chord.clone(), vec![name.into()]));
    }

    /// What keys lead to on a screen: the most special section that has something for them decides.
    pub fn resolve(&self, sections: &[String], keys: &[Key], applies: impl Fn(&str) -> bool) -> Found<'_> {
        for section in sections {
            let bound = || self.sections.get(section).into_iter().flatten();
            if let Some((_, names)) = bound().find(|(chord, _)| chord.keys() == keys) {
                if names.is_empty() {
                    return Found::Nothing;
                }
                if let Some(name) = names.iter().find(|name| applies(name)) {
                    return Found::Runs(name);
                }
            }
            if bound().any(|(chord, names)| chord.goes_on(keys) && names.iter().any(|name| applies(name))) {
                return Found::Waits;
            }
        }
        Found::Nothing
    }

    /// What may follow these keys: the rest of the keys, and what they run.
    pub fn follow(&self, sections: &[String], keys: &[Key], applies: impl Fn(&str) -> bool) -> Vec<(String, &str)> {
        let mut seen: Vec<&Chord> = vec![];
        let mut out = vec![];
        for (chord, names) in sections.iter().filter_map(|section| self.sections.get(section)).flatten() {
            if chord.goes_on(keys)
                && !seen.contains(&chord)
                && let Found::Runs(name) = self.resolve(sections, chord.keys(), &applies)
            {
                seen.push(chord);
                if names.iter().any(|known| known == name) {
                    out.push((chord.rest(keys), name));
                }
            }
        }
        out
    }

    /// The keys for an action on a screen, as people write them; only such that lead to it, given what else applies.
    pub fn key_for(&self, sections: &[String], action: &str, mine: impl Fn(&str) -> bool) -> Option<String> {
        for (n, section) in sections.iter().enumerate() {
            for (chord, names) in self.sections.get(section).into_iter().flatten() {
                let Some(at) = names.iter().position(|name| name == action) else { continue };
                let hidden = sections[..n].iter().any(|above| {
                    let above = self.sections.get(above).into_iter().flatten();
                    let mut same = above.filter(|(known, _)| known.meets(chord));
                    same.any(|(_, names)| names.is_empty() || names.iter().any(|n| !mine(n)))
                });
                if !hidden && names[..at].iter().all(|name| mine(name)) {
                    return Some(chord.to_string());
                }
            }
        }
        None
    }

    /// Every key of these sections with what it leads to, hidden ones left out, in the order of the files.
    pub fn bindings(&self, sections: &[String]) -> Vec<(String, Vec<String>)> {
        let mut seen: Vec<&Chord> = vec![];
        let mut out = vec![];
        for section in sections {
            let above = seen.len();
            for (chord, names) in self.sections.get(section).into_iter().flatten() {
                if seen[..above].iter().any(|known| known.meets(chord)) {
                    continue;
                }
                seen.push(chord);
                if !names.is_empty() {
                    out.push((chord.to_string(), names.clone()));
                }
            }
        }
        out
    }

    /// Every section with its keys, for docs/keys.md.
    pub fn sections(&self) -> impl Iterator<Item = (&str, Vec<(String, Vec<String>)>)> {
        self.sections.iter().map(|(section, keys)| {
            (section.as_str(), keys.iter().map(|(chord, names)| (chord.to_string(), names.clone())).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| n.to_string()).collect()
    }

    fn keys(text: &str) -> Vec<Key> {
        Chord::parse(text).unwrap().keys().to_vec()
    }

    /// What keys run on a screen where everything applies.
    fn runs<'a>(map: &'a Keymap, on: &[&str], text: &str) -> &'a str {
        match map.resolve(&sections(on), &keys(text), |_| true) {
            Found::Runs(name) => name,
            Found::Waits => "(waits)",
            Found::Nothing => "",
        }
    }

    const SCREENS: &[&[&str]] = &[
        &["pods", "table", "global"],
        &["nodes", "table", "global"],
        &["list", "global"],
        &["fleet", "list", "global"],
        &["describe", "text", "global"],
        &["yaml", "text", "global"],
        &["logs", "global"],
    ];

    #[test]
    fn the_shipped_maps_are_without_fault() {
        for (name, _) in SHIPPED {
            let (map, wrong) = Keymap::named(name, &|_| None, None);
            assert_eq!(wrong, Vec::<String>::new(), "{name}");
            for screen in SCREENS {
                assert_eq!(runs(&map, screen, "down"), "row-down", "{name} {screen:?}");
                assert_eq!(runs(&map, screen, ":"), "command", "{name} {screen:?}");
                assert_eq!(runs(&map, screen, "esc"), "back", "{name} {screen:?}");
            }
        }
    }

    #[test]
    fn no_chord_of_a_shipped_map_is_hidden_by_a_key_of_a_screen() {
        for (name, _) in SHIPPED {
            let (map, _) = Keymap::named(name, &|_| None, None);
            for screen in SCREENS {
                let chords = screen.iter().filter_map(|section| map.sections.get(*section)).flatten();
                for (chord, names) in chords.filter(|(chord, names)| chord.keys().len() > 1 && !names.is_empty()) {
                    let begun = map.resolve(&sections(screen), &chord.keys()[..1], |_| true);
                    assert_eq!(begun, Found::Waits, "{name} {screen:?} {chord} {names:?}");
                }
            }
        }
    }

    #[test]
    fn vim_and_emacs_have_their_keys_on_every_screen() {
        let vim = [
            ("g g", "row-first"),
            ("shift-g", "row-last"),
            ("ctrl-d", "half-page-down"),
            ("ctrl-u", "half-page-up"),
            ("ctrl-f", "page-down"),
            ("ctrl-b", "page-up"),
            ("h", "scroll-left"),
            ("j", "row-down"),
            ("k", "row-up"),
            ("l", "scroll-right"),
            ("/", "filter"),
            ("shift-z shift-z", "quit"),
            ("y y", "copy"),
            ("g", "(waits)"),
        ];
        let emacs = [
            ("ctrl-n", "row-down"),
            ("ctrl-p", "row-up"),
            ("ctrl-v", "page-down"),
            ("alt-v", "page-up"),
            ("alt-<", "row-first"),
            ("alt->", "row-last"),
            ("alt-x", "command"),
            ("ctrl-g", "back"),
            ("ctrl-x ctrl-c", "quit"),
            ("ctrl-x k", "back"),
            ("alt-w", "copy"),
            ("ctrl-x", "(waits)"),
        ];
        for (name, wanted) in [("vim", &vim[..]), ("emacs", &emacs[..])] {
            let (map, _) = Keymap::named(name, &|_| None, None);
            for screen in SCREENS {
                for (keys, action) in wanted {
                    assert_eq!(runs(&map, screen, keys), *action, "{name} {screen:?} {keys}");
                }
            }
        }
    }

    #[test]
    fn mistakes_cost_their_own_line_and_are_named_with_it() {
        let user =
            "[table]\n\"j\" = \"row-dwon\"\n\"hyper-x\" = \"quit\"\n\"z\" = \"wide\"\n[tabel]\n\"a\" = \"quit\"\n";
        let (map, wrong) = Keymap::load(Some(user));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let said = |start: &str, part: &str| wrong.iter().any(|w| w.starts_with(start) && w.contains(part));
        assert!(said("keymap.toml:2: ", "did you mean `row-down`"), "{wrong:?}");
        assert!(said("keymap.toml:3: ", "hyper"), "{wrong:?}");
        assert!(said("keymap.toml:5: ", "[table]"), "{wrong:?}");
        let table = ["table", "global"];
        assert_eq!(runs(&map, &table, "z"), "wide");
        assert_eq!(runs(&map, &table, "j"), "row-down");
    }

    #[test]
    fn a_broken_file_leaves_the_shipped_map() {
        let (map, wrong) = Keymap::load(Some("\n[table\n"));
        assert_eq!(map, Keymap::load(None).0);
        assert!(wrong[0].starts_with("keymap.toml:2: "), "{wrong:?}");
    }

    #[test]
    fn an_empty_name_unbinds_and_a_special_section_wins() {
        let (map, _) = Keymap::load(Some("[nodes]\n\"j\" = \"\"\n\"c\" = [\"cordon\", \"copy\"]\n\"x\" = \":pods\"\n"));
        let nodes = sections(&["nodes", "table", "global"]);
        assert_eq!(map.resolve(&nodes, &keys("j"), |_| true), Found::Nothing);
        assert_eq!(map.resolve(&nodes, &keys("c"), |name| name == "copy"), Found::Runs("copy"));
        assert_eq!(map.resolve(&nodes, &keys("x"), |_| true), Found::Runs(":pods"));
    }

    #[test]
    fn a_key_that_is_whole_and_the_start_of_others_is_a_conflict_in_one_file_only() {
        let (map, wrong) = Keymap::load(Some("[logs]\n\"z\" = \"wrap\"\n\"z t\" = \"timestamps\"\n\"z\" = \"wrap\"\n"));
        assert!(wrong.iter().all(|w| w.contains("keymap.toml:")), "{wrong:?}");
        let (map_of, wrong) = Keymap::load(Some("[logs]\n\"z\" = \"wrap\"\n\"z t\" = \"timestamps\"\n"));
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with("keymap.toml:3: `z t` cannot be typed"), "{wrong:?}");
        assert_eq!(runs(&map_of, &["logs", "global"], "z"), "wrap");
        drop(map);
        // Over another file the newer one wins, whichever way round.
        let (map, wrong) = Keymap::load(Some("[global]\n\"g g\" = \"row-first\"\n\"g e\" = \"row-last\"\n"));
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(runs(&map, &["logs", "global"], "g"), "(waits)");
        let (map, wrong) = Keymap::named("vim", &|_| None, Some("[global]\n\"g\" = \"row-first\"\n"));
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(runs(&map, &["logs", "global"], "g"), "row-first");
        assert_eq!(runs(&map, &["logs", "global"], "g g"), "");
    }

    #[test]
    fn maps_inherit_and_unknown_ones_are_named() {
        let own =
            |name: &str| (name == "mine").then(|| "inherits = \"vim\"\n[global]\n\"f5\" = \"refresh\"\n".to_string());
        let (map, wrong) = Keymap::named("mine", &own, None);
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(runs(&map, &["logs", "global"], "f5"), "refresh");
        assert_eq!(runs(&map, &["logs", "global"], "g g"), "row-first");
        let (map, wrong) = Keymap::named("vmi", &|_| None, None);
        assert_eq!(map, Keymap::load(None).0);
        assert!(wrong[0].contains("did you mean `vim`"), "{wrong:?}");
        let circle = |name: &str| (name == "vim").then(|| "inherits = \"vim\"\n".to_string());
        let (map, wrong) = Keymap::named("vim", &circle, None);
        assert_eq!((map, wrong), Keymap::named("vim", &|_| None, None), "the shipped one may be built on");
    }

    #[test]
    fn what_may_follow_is_told() {
        let (map, _) = Keymap::named("emacs", &|_| None, None);
        let on = sections(&["logs", "global"]);
        let follow = map.follow(&on, &keys("ctrl-x"), |_| true);
        assert!(follow.contains(&("Ctrl-C".into(), "quit")), "{follow:?}");
        assert!(follow.contains(&("k".into(), "back")), "{follow:?}");
        assert!(!map.follow(&on, &keys("ctrl-x"), |name| name != "quit").iter().any(|(_, name)| *name == "quit"));
    }
}
