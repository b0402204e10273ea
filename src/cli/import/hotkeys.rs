//! `hotkeys.yaml`: a key for a command.

use super::{Found, Source, aliases, text};
use crate::keymap::{Chord, Found as Bound, Keymap};
use serde_json::Value;

/// What Shift makes of the digits, which is what a terminal sends (the US layout, as k9s has it).
const DIGITS: [char; 10] = [')', '!', '@', '#', '$', '%', '^', '&', '*', '('];

pub fn read(source: &Source, found: &mut Found, keymap: &Keymap) {
    for (name, value) in source.entries("hotKeys") {
        match hotkey(&value, keymap) {
            Ok((sections, key, line)) => {
                found.keys.extend(sections.into_iter().map(|section| (section.to_string(), key.clone(), line.clone())));
            }
            Err(why) => found.left.push(source.left(&name, &why)),
        }
    }
}

type Binding = (Vec<&'static str>, String, String);

fn hotkey(value: &Value, keymap: &Keymap) -> Result<Binding, String> {
    let key = key(text(value, "shortCut").ok_or("it has no shortCut")?)?;
    let line = aliases::command(text(value, "command").ok_or("it has no command")?)?;
    let chord = Chord::parse(&key)?;
    let mut sections = vec!["global"];
    for (section, around) in [("table", vec!["table", "global"]), ("list", vec!["list", "global"])] {
        let here: Vec<String> = around.into_iter().map(String::from).collect();
        match keymap.resolve(&here, chord.keys(), |_| true) {
            Bound::Nothing => {}
            // What is bound on the screen itself wins over everywhere.
            _ if value.get("override").and_then(Value::as_bool) == Some(true) => sections.push(section),
            Bound::Runs(action) => return Err(format!("{chord} is {action} here; choose another key in keymap.toml")),
            Bound::Waits => return Err(format!("{chord} begins other keys here; choose another in keymap.toml")),
        }
    }
    Ok((sections, key, format!(":{line}")))
}

/// A key of k9s as a keymap writes it.
pub fn key(text: &str) -> Result<String, String> {
    let lower = text.trim().to_lowercase();
    let digit = lower.strip_prefix("shift-").and_then(|rest| rest.parse::<usize>().ok());
    let key = match digit.and_then(|digit| DIGITS.get(digit)) {
        Some(symbol) => symbol.to_string(),
        None => lower,
    };
    Chord::parse(&key).map(|_| key).map_err(|why| format!("its key is none here: {why}"))
}
