//! One key with its modifiers, as written in a keymap: `j`, `G`, `ctrl-d`, `shift-left`, `space`, `f5`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::fmt;

/// A key with its modifiers. A letter typed with Shift is the upper-case letter, without Shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
    alt: bool,
    shift: bool,
}

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

impl Key {
    /// Reads a key as written.
    ///
    /// # Errors
    /// A sentence that names the part that is no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut key = Key { code: KeyCode::Null, ctrl: false, alt: false, shift: false };
        let mut rest = text;
        loop {
            let lower = rest.to_lowercase();
            match () {
                _ if lower.len() > 5 && lower.starts_with("ctrl-") => (key.ctrl, rest) = (true, &rest[5..]),
                _ if lower.len() > 4 && lower.starts_with("alt-") => (key.alt, rest) = (true, &rest[4..]),
                _ if lower.len() > 6 && lower.starts_with("shift-") => (key.shift, rest) = (true, &rest[6..]),
                _ => break,
            }
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(one), None) => KeyCode::Char(one),
            _ => {
                named(rest).ok_or_else(|| format!("`{text}` is no key (`{rest}` is neither a character nor a name)"))?
            }
        };
        Ok(key.normal())
    }

    /// The key of a terminal event.
    pub fn of(event: &KeyEvent) -> Self {
        let has = |modifier| event.modifiers.contains(modifier);
        let key = Key {
            code: event.code,
            ctrl: has(KeyModifiers::CONTROL),
            alt: has(KeyModifiers::ALT),
            shift: has(KeyModifiers::SHIFT),
        };
        key.normal()
    }

    /// One spelling for what terminals send in several ways.
    fn normal(mut self) -> Self {
        match self.code {
            KeyCode::BackTab => (self.code, self.shift) = (KeyCode::Tab, true),
            KeyCode::Char(c) if self.ctrl => {
                // Terminals send Ctrl-\ as Ctrl-4, and Ctrl with a letter without its case.
                let c = if c == '4' { '\\' } else { c.to_ascii_lowercase() };
                (self.code, self.shift) = (KeyCode::Char(c), false);
            }
            KeyCode::Char(c) if self.shift => {
                let upper = if c.is_alphabetic() { c.to_uppercase().next().unwrap_or(c) } else { c };
                (self.code, self.shift) = (KeyCode::Char(upper), c == ' ');
            }
            _ => {}
        }
        self
    }
}

fn named(name: &str) -> Option<KeyCode> {
    let name = name.to_lowercase();
    if let Some((_, code)) = NAMED.iter().find(|(known, _)| *known == name) {
        return Some(*code);
    }
    let number = name.strip_prefix('f')?.parse().ok()?;
    (1..=12).contains(&number).then_some(KeyCode::F(number))
}

/// As people read it: `Ctrl-D`, `⏎`, `Shift-N`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("Ctrl-")?;
        }
        if self.alt {
            f.write_str("Alt-")?;
        }
        if self.shift {
            f.write_str("Shift-")?;
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.ctrl => write!(f, "{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) if c.is_uppercase() => write!(f, "Shift-{c}"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Enter => f.write_str("Enter"),
            KeyCode::F(n) => write!(f, "F{n}"),
            code => {
                let name = NAMED.iter().find(|(_, known)| *known == code).map_or("?", |(name, _)| name);
                let mut chars = name.chars();
                let first = chars.next().map(|c| c.to_ascii_uppercase()).into_iter();
                write!(f, "{}", first.chain(chars).collect::<String>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: KeyCode, modifiers: KeyModifiers) -> Key {
        Key::of(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn spellings_meet_what_terminals_send() {
        for (text, code, modifiers) in [
            ("j", KeyCode::Char('j'), KeyModifiers::NONE),
            ("G", KeyCode::Char('G'), KeyModifiers::SHIFT),
            ("shift-g", KeyCode::Char('G'), KeyModifiers::NONE),
            ("shift-g", KeyCode::Char('g'), KeyModifiers::SHIFT),
            ("ctrl-d", KeyCode::Char('d'), KeyModifiers::CONTROL),
            ("ctrl-\\", KeyCode::Char('4'), KeyModifiers::CONTROL),
            ("shift-tab", KeyCode::BackTab, KeyModifiers::SHIFT),
            ("shift-left", KeyCode::Left, KeyModifiers::SHIFT),
            ("space", KeyCode::Char(' '), KeyModifiers::NONE),
            ("-", KeyCode::Char('-'), KeyModifiers::NONE),
            ("?", KeyCode::Char('?'), KeyModifiers::SHIFT),
            ("f5", KeyCode::F(5), KeyModifiers::NONE),
        ] {
            assert_eq!(Key::parse(text).unwrap(), event(code, modifiers), "{text}");
        }
        for text in ["", "hyper-x", "ctrl-", "f13", "ab"] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_print_as_people_read_them_and_parse_back() {
        for text in ["Ctrl-D", "Shift-G", "Space", "Enter", "Shift-Left", "F5", "/", "Ctrl-\\", "Esc", "Pageup"] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
    }
}
