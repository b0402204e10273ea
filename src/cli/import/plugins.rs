//! `plugins.yaml`, and one file each or several in `plugins/`.

use super::{Found, Source, hotkeys, text};
use crate::config::{Input, InputKind, Plugin};
use crate::keymap::{Chord, Found as Bound, Keymap};
use crate::kinds;
use serde_json::Value;

pub fn read(source: &Source, found: &mut Found, keymap: &Keymap) {
    let entries = match (source.value.get("plugins"), source.value.get("shortCut")) {
        (Some(_), _) => source.entries("plugins"),
        // One plugin, named as its file.
        (None, Some(_)) => {
            let file = source.name.rsplit('/').next().unwrap_or(&source.name);
            let name = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            [(name.to_string(), source.value.clone())].into_iter().collect()
        }
        (None, None) => source.value.as_object().cloned().unwrap_or_default(),
    };
    for (name, value) in entries {
        match plugin(&name, &value) {
            Ok((plugin, _)) if found.plugins.iter().any(|known| known.name == plugin.name) => {
                found.left.push(source.left(&name, "a plugin of that name is there already"));
            }
            Ok((mut plugin, mut notes)) => {
                if let Some(taken) = taken(&plugin, keymap) {
                    notes.push(format!("{taken}; it is taken over without"));
                    plugin.key = None;
                }
                found.left.extend(notes.iter().map(|note| source.left(&name, note)));
                found.plugins.push(plugin);
            }
            Err(why) => found.left.push(source.left(&name, &why)),
        }
    }
}

/// The plugin, and what of it is lost.
fn plugin(name: &str, value: &Value) -> Result<(Plugin, Vec<String>), String> {
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    let inputs = list("inputs").iter().map(input).collect::<Result<Vec<_>, _>>()?;
    let mut notes = vec![];
    let key = match text(value, "shortCut").map(hotkeys::key) {
        Some(Ok(key)) => Some(key),
        Some(Err(why)) => {
            notes.push(format!("{why}; it is taken over without"));
            None
        }
        None => None,
    };
    if flag("overwriteOutput") == Some(true) {
        notes.push("overwriteOutput: the last line that it prints is said".into());
    }
    let words = |key: &str| list(key).iter().map(scalar).collect();
    let kinds: Vec<String> = list("scopes").iter().filter_map(|scope| Some(scope.as_str()?.to_lowercase())).collect();
    let plugin = Plugin {
        name: name.split_whitespace().collect::<Vec<_>>().join("-"),
        key,
        kinds: if kinds.iter().any(|kind| kind == "all") { vec![] } else { kinds },
        command: text(value, "command").ok_or("it has no command")?.into(),
        args: words("args"),
        pipes: words("pipes"),
        inputs,
        doc: sentence(text(value, "description").unwrap_or(name)),
        // k9s allows in its read-only mode what does not say that it is dangerous; only what says so itself is believed.
        changes: flag("dangerous") != Some(false),
        // (What is asked for is always shown first there, unless it says otherwise.)
        confirm: flag("confirm").or((!list("inputs").is_empty()).then_some(true)),
        background: flag("background").unwrap_or_default(),
        wait: false,
        replaces: flag("override").unwrap_or_default(),
        line: 0,
    };
    Ok((plugin, notes))
}

/// One of its questions.
fn input(value: &Value) -> Result<Input, String> {
    let name = text(value, "name").ok_or("one of its inputs has no name")?.to_string();
    let options = value.get("options").and_then(Value::as_array).map_or(vec![], |all| all.iter().map(scalar).collect());
    let kind = match text(value, "type") {
        Some("number") => InputKind::Number,
        Some("bool") => InputKind::Flag,
        Some("dropdown") => InputKind::Choice(options),
        _ => InputKind::Text,
    };
    let input = Input {
        label: text(value, "label").unwrap_or_default().into(),
        required: value.get("required").and_then(Value::as_bool).unwrap_or_default(),
        default: value.get("default").map(scalar).unwrap_or_default(),
        name,
        kind,
    };
    input.check()?;
    Ok(input)
}

/// A text; anything else as it is written.
fn scalar(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

/// What its key does here already, in a sentence.
fn taken(plugin: &Plugin, keymap: &Keymap) -> Option<String> {
    let chord = Chord::parse(plugin.key.as_ref().filter(|_| !plugin.replaces)?).ok()?;
    let section = |word: &String| {
        let known = kinds::TABLE.iter().find(|kind| {
            kind.plural == word || kind.kind.eq_ignore_ascii_case(word) || kind.short.contains(&word.as_str())
        });
        known.map_or_else(|| word.clone(), |kind| kind.plural.into())
    };
    let everything = ["table".to_string()];
    let sections: Vec<String> = plugin.kinds.iter().map(section).collect();
    let sections = if sections.is_empty() { everything.as_slice() } else { &sections };
    sections.iter().find_map(|section| {
        let inside = section.starts_with("container");
        let own = if inside { "containers" } else { section };
        let here = [own, if inside { "list" } else { "table" }, "global"].map(String::from);
        match keymap.resolve(&here, chord.keys(), |_| true) {
            Bound::Nothing => None,
            Bound::Waits => Some(format!("its key {chord} begins other keys on {own} here")),
            Bound::Runs(action) => Some(format!("its key {chord} is {action} on {own} here")),
        }
    })
}

fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) { text.into() } else { format!("{text}.") }
}
