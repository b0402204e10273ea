//! `plugins.yaml`, and one file each or several in `plugins/`.

use super::{Found, Source, hotkeys, text};
use crate::config::Plugin;
use crate::keymap::Keymap;
use serde_json::Value;

pub fn read(source: &Source, found: &mut Found, _: &Keymap) {
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
            Ok((plugin, notes)) => {
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
    if !list("inputs").is_empty() {
        return Err("it asks for inputs, which plugins cannot do here".into());
    }
    if !list("pipes").is_empty() {
        return Err("it has pipes: write the whole as a script of `sh -c`".into());
    }
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
    let args = list("args").iter().map(|arg| arg.as_str().map_or_else(|| arg.to_string(), String::from)).collect();
    let kinds: Vec<String> = list("scopes").iter().filter_map(|scope| Some(scope.as_str()?.to_lowercase())).collect();
    let plugin = Plugin {
        name: name.split_whitespace().collect::<Vec<_>>().join("-"),
        key,
        kinds: if kinds.iter().any(|kind| kind == "all") { vec![] } else { kinds },
        command: text(value, "command").ok_or("it has no command")?.into(),
        args,
        doc: sentence(text(value, "description").unwrap_or(name)),
        // k9s allows in its read-only mode what does not say that it is dangerous; only what says so itself is believed.
        changes: flag("dangerous") != Some(false),
        confirm: flag("confirm"),
        background: flag("background").unwrap_or_default(),
        wait: false,
        replaces: flag("override").unwrap_or_default(),
        line: 0,
    };
    Ok((plugin, notes))
}

fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) { text.into() } else { format!("{text}.") }
}
