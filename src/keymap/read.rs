//! Reading keymap files, line by line, the inherited ones first.

use super::{Chord, Keymap, SECTIONS, SHIPPED};
use crate::actions;
use crate::world::text::closest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file to lay over what is there.
struct File {
    /// As it stands in messages.
    name: String,
    text: String,
}

/// See [`Keymap::named`].
pub fn named(name: &str, own: &dyn Fn(&str) -> Option<String>, overlay: Option<&str>) -> (Keymap, Vec<String>) {
    let (mut files, mut wrong) = (vec![], vec![]);
    collect(name, own, &mut files, &mut wrong);
    let mut map = Keymap::default();
    for file in files.iter().rev() {
        lay_over(&mut map, file, &mut wrong);
    }
    if let Some(text) = overlay {
        lay_over(&mut map, &File { name: "keymap.toml".into(), text: text.into() }, &mut wrong);
    }
    (map, wrong)
}

/// A map and those it inherits from, the most special first. Every map but the default one builds on it.
fn collect(name: &str, own: &dyn Fn(&str) -> Option<String>, files: &mut Vec<File>, wrong: &mut Vec<String>) {
    let file = format!("keymaps/{name}.toml");
    let shown = format!("the keymap {name}");
    let used = |files: &[File], name: &str| files.iter().any(|file| file.name == name);
    let shipped = SHIPPED.iter().find(|(known, _)| *known == name);
    let found = match (own(name).filter(|_| !used(files, &file)), shipped) {
        (Some(text), _) => File { name: file, text },
        (None, Some((_, text))) if !used(files, &shown) => File { name: shown, text: (*text).into() },
        (None, Some(_)) => return,
        (None, None) => {
            if used(files, &file) {
                wrong.push(format!("{file}:1: the keymap inherits from itself; using default"));
            } else {
                let known = SHIPPED.iter().map(|(known, _)| *known);
                wrong.push(format!("there is no keymap `{name}`{}; using default", did_you_mean(name, known)));
            }
            return collect("default", own, files, wrong);
        }
    };
    let (root, _) = DeTable::parse_recoverable(&found.text);
    let parent = root.get_ref().get("inherits").and_then(|value| value.get_ref().as_str()).map(String::from);
    let whole = found.name == "the keymap default";
    files.push(found);
    if !whole {
        collect(parent.as_deref().unwrap_or("default"), own, files, wrong);
    }
}

fn lay_over(map: &mut Keymap, file: &File, wrong: &mut Vec<String>) {
    let line = |byte: usize| file.text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count() + 1;
    let mut say = |byte: usize, what: String| wrong.push(format!("{}:{}: {what}", file.name, line(byte)));
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    if let Some(error) = errors.first() {
        let at = error.span().map_or(0, |span| span.start);
        return say(at, format!("is not TOML: {} (the file is not used)", error.message().trim()));
    }
    for (section, value) in root.get_ref() {
        let (at, section) = (section.span().start, section.get_ref().as_ref());
        let keys = match value.get_ref() {
            DeValue::Table(keys) => keys,
            DeValue::String(_) if section == "inherits" => continue,
            _ => {
                say(at, format!("`{section}` is not a section; write [{section}]"));
                continue;
            }
        };
        if let Some(near) = closest(section, SECTIONS.iter().copied()).filter(|near| *near != section) {
            say(at, format!("no screen [{section}]; did you mean [{near}]?"));
            continue;
        }
        let mut mine: Vec<Chord> = vec![];
        for (key, value) in keys {
            let at = key.span().start;
            match read(key.get_ref(), value) {
                Err(error) => say(at, error),
                Ok((chord, names)) => match mine.iter().find(|other| other.meets(&chord)) {
                    Some(other) => say(at, format!("`{chord}` cannot be typed beside `{other}`: keep one of them")),
                    None => {
                        mine.push(chord.clone());
                        let bound = map.sections.entry(section.into()).or_default();
                        bound.retain(|(known, _)| !known.meets(&chord));
                        bound.extend(Some((chord, names)).filter(|(_, names)| keeps(section, names)));
                    }
                },
            }
        }
    }
}

/// What is unbound must be remembered where it hides something in a more general section.
fn keeps(section: &str, names: &[String]) -> bool {
    !names.is_empty() || section != "global"
}

type Value<'i> = Spanned<DeValue<'i>>;

/// One line: the keys, and the names they lead to.
fn read(key: &str, value: &Value<'_>) -> Result<(Chord, Vec<String>), String> {
    let chord = Chord::parse(key)?;
    let names: Vec<String> = match value.get_ref() {
        DeValue::String(name) => vec![name.to_string()],
        DeValue::Array(list) => {
            let name = |item: &Value<'_>| item.get_ref().as_str().map(String::from);
            let names: Option<Vec<String>> = list.iter().map(name).collect();
            names.ok_or_else(|| format!("`{key}`: write the names of actions in quotes"))?
        }
        other => return Err(format!("`{key}` leads to a value of type {}, which is no action", other.type_str())),
    };
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    for name in names.iter().filter(|name| !name.starts_with(':')) {
        if actions::find(name).is_none() {
            let near = did_you_mean(name, actions::TABLE.iter().map(|action| action.name));
            return Err(format!("`{key}`: there is no action `{name}`{near}"));
        }
    }
    Ok((chord, names))
}

fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
