//! What a server-side apply takes back: fields that Argo CD applied, that git does not mention any more, and that nobody
//! else wrote (`metadata.managedFields`, structured-merge-diff).

use crate::world::object::{list_at, str_at};
use crate::world::writers::{By, Path, Writer, by, writers};
use serde_json::Value;

/// Takes them out of what is predicted.
pub fn take_back(live: &Value, wanted: &Value, after: &mut Value) {
    let applied = list_at(live, "/metadata/managedFields")
        .iter()
        .filter(|entry| str_at(entry, "/operation") == "Apply" && by(str_at(entry, "/manager")) == By::Argo);
    let others: Vec<Writer<'_>> = writers(live).filter(|w| by(w.manager) != By::Argo).collect();
    let mine: Vec<&Value> = applied.filter_map(|entry| entry.get("fieldsV1")).collect();
    for fields in mine {
        take(fields, Some(wanted), after, &Path::default(), &others);
    }
}

/// `fields` is the part of the field set that belongs to `after`.
fn take(fields: &Value, wanted: Option<&Value>, after: &mut Value, path: &Path, others: &[Writer<'_>]) {
    for (key, below) in fields.as_object().into_iter().flatten() {
        match (key.split_once(':'), &mut *after) {
            (Some(("f", name)), Value::Object(map)) => {
                let Some(child) = map.get_mut(name) else { continue };
                let (path, wanted) = (path.key(name), wanted.and_then(|w| w.get(name)));
                take(below, wanted, child, &path, others);
                let leaf = below.as_object().is_none_or(|fields| fields.is_empty());
                if wanted.is_none() && (leaf || is_empty(child)) && !others.iter().any(|w| w.owns(&path)) {
                    map.shift_remove(name);
                }
            }
            (Some(("k", keys)), Value::Array(items)) => {
                let Ok(keys) = serde_json::from_str::<Value>(keys) else { continue };
                let Some(at) = items.iter().position(|item| has(item, &keys)) else { continue };
                let path = path.item(at, &items[at]);
                let same = wanted.and_then(Value::as_array).and_then(|all| all.iter().find(|item| has(item, &keys)));
                match same {
                    Some(_) => take(below, same, &mut items[at], &path, others),
                    None if !others.iter().any(|w| w.owns(&path)) => drop(items.remove(at)),
                    None => {}
                }
            }
            (Some(("v", value)), Value::Array(items)) => {
                let Ok(value) = serde_json::from_str::<Value>(value) else { continue };
                let wished = wanted.and_then(Value::as_array).is_some_and(|all| all.contains(&value));
                if let Some(at) = items.iter().position(|item| *item == value).filter(|_| !wished)
                    && !others.iter().any(|w| w.owns(&path.item(at, &value)))
                {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }
}

/// Whether an item of a list is the one that these keys name.
fn has(item: &Value, keys: &Value) -> bool {
    keys.as_object().is_some_and(|keys| keys.iter().all(|(key, value)| item.get(key) == Some(value)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
