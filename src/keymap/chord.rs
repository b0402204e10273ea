//! One key, or several typed one after the other: `j`, `g g`, `ctrl-x ctrl-c`.

use super::Key;
use std::fmt;

/// Keys in a row; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chord(Vec<Key>);

impl Chord {
    /// Reads keys as written, separated by spaces.
    ///
    /// # Errors
    /// A sentence that names what is no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        // A blank alone is the key that people mean by it.
        let words: Vec<&str> = if text == " " { vec![text] } else { text.split_whitespace().collect() };
        if words.is_empty() {
            return Err(format!("`{text}` is no key"));
        }
        words.into_iter().map(Key::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Its keys.
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// Whether it begins with these keys and goes on.
    pub fn goes_on(&self, keys: &[Key]) -> bool {
        self.0.len() > keys.len() && self.0.starts_with(keys)
    }

    /// Whether only one of the two can be typed: they are the same, or one is the start of the other.
    pub fn meets(&self, other: &Self) -> bool {
        let n = self.0.len().min(other.0.len());
        self.0[..n] == other.0[..n]
    }

    /// What follows after these keys, as people read it.
    pub fn rest(&self, keys: &[Key]) -> String {
        written(self.0.get(keys.len()..).unwrap_or_default())
    }
}

/// Keys as people read them.
pub fn written(keys: &[Key]) -> String {
    keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

/// As people read it: `g g`, `Ctrl-X Ctrl-C`.
impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_a_row_are_read_and_printed() {
        for text in ["g g", "Ctrl-X Ctrl-C", "Space", "Ctrl-X Space", "j"] {
            assert_eq!(Chord::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Chord::parse(" ").unwrap(), Chord::parse("space").unwrap());
        for text in ["", "   ", "g hyper-x"] {
            assert!(Chord::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn chords_meet_where_one_begins_the_other() {
        let chord = |text| Chord::parse(text).unwrap();
        assert!(chord("g").meets(&chord("g g")) && chord("g g").meets(&chord("g")) && chord("g").meets(&chord("g")));
        assert!(!chord("g g").meets(&chord("g e")));
        assert!(chord("g g").goes_on(chord("g").keys()) && !chord("g").goes_on(chord("g").keys()));
        assert_eq!(chord("ctrl-x ctrl-c").rest(chord("ctrl-x").keys()), "Ctrl-C");
    }
}
