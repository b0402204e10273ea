//! Who owns which field: `metadata.managedFields` of updates, and server-side apply with its conflicts.
//!
//! Semantics: <https://kubernetes.io/docs/reference/using-api/server-side-apply/> and
//! `sigs.k8s.io/structured-merge-diff`. Which lists are keyed is a table by field name ([`path`]), not a schema.

mod path;

use crate::sim::store::Failure;
use crate::world::object::str_at;
use crate::world::time::Time;
use path::{Set, Step, from_fields, item_key, leaves, to_fields};
use serde_json::{Value, json};

/// Who writes, and when.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Field manager.
    pub manager: String,
    /// `apiVersion` of what was written.
    pub api_version: String,
    /// When.
    pub time: Time,
    /// `status`, `scale`, … or `""`.
    pub subresource: String,
}

/// One entry of `managedFields`.
struct Entry {
    rest: Value,
    fields: Set,
}

impl Entry {
    fn is(&self, stamp: &Stamp, operation: &str) -> bool {
        let text = |name: &str| str_at(&self.rest, name).to_string();
        text("/manager") == stamp.manager
            && text("/operation") == operation
            && text("/subresource") == stamp.subresource
    }

    fn new(stamp: &Stamp, operation: &str) -> Self {
        let mut rest = json!({"manager": stamp.manager, "operation": operation, "apiVersion": stamp.api_version,
                              "time": stamp.time.rfc3339(), "fieldsType": "FieldsV1", "fieldsV1": {}});
        if !stamp.subresource.is_empty() {
            rest["subresource"] = stamp.subresource.clone().into();
        }
        Self { rest, fields: Set::new() }
    }
}

fn entries(object: &Value) -> Vec<Entry> {
    let list = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let read = |entry: &Value| Entry { fields: from_fields(&entry["fieldsV1"]), rest: entry.clone() };
    list.into_iter().flatten().map(read).collect()
}

fn write_entries(object: &mut Value, entries: Vec<Entry>) {
    let written = entries.into_iter().filter(|entry| !entry.fields.is_empty()).map(|mut entry| {
        entry.rest["fieldsV1"] = to_fields(&entry.fields);
        entry.rest
    });
    let list: Vec<Value> = written.collect();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        match list.is_empty() {
            true => meta.shift_remove("managedFields"),
            false => meta.insert("managedFields".into(), list.into()),
        };
    }
}

/// After an update: whoever wrote owns every field that it changed, and nobody else does.
pub fn record_update(old: &Value, new: &mut Value, stamp: &Stamp) {
    let (before, after) = (leaves(old), leaves(new));
    let changed: Set =
        after.iter().filter(|(path, value)| before.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
    let gone: Set = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
    let mut all = entries(old);
    if changed.is_empty() && gone.is_empty() {
        write_entries(new, all);
        return;
    }
    for entry in &mut all {
        let own = entry.is(stamp, "Update");
        entry.fields.retain(|path| !gone.contains(path) && (own || !changed.contains(path)));
    }
    if !changed.is_empty() {
        let found = all.iter().position(|entry| entry.is(stamp, "Update"));
        let at = found.unwrap_or_else(|| {
            all.push(Entry::new(stamp, "Update"));
            all.len() - 1
        });
        if let Some(entry) = all.get_mut(at) {
            entry.rest["time"] = stamp.time.rfc3339().into();
            entry.fields.extend(changed);
        }
    }
    write_entries(new, all);
}

/// What a configuration says: its fields without those that only name the object.
fn configured(config: &Value) -> Set {
    leaves(config).into_keys().collect()
}

/// After an apply that created the object: the applier owns what its configuration says.
pub fn record_apply(object: &mut Value, config: &Value, stamp: &Stamp) {
    let mut entry = Entry::new(stamp, "Apply");
    entry.fields = configured(config);
    write_entries(object, vec![entry]);
}

/// Merges an applied configuration into an object.
///
/// # Errors
/// 409 with one cause for every field that somebody else owns with another value, unless `force`.
pub fn apply(old: &Value, config: &Value, stamp: &Stamp, force: bool) -> Result<Value, Failure> {
    let (live, wanted) = (leaves(old), leaves(config));
    let set: Set = wanted.keys().cloned().collect();
    let mut all = entries(old);
    let differs: Set = wanted
        .iter()
        .filter(|(path, value)| live.get(*path).is_some_and(|live| &live != value))
        .map(|(path, _)| path.clone())
        .collect();
    let conflicts = conflicts(&all, &differs, stamp);
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    let mut new = old.clone();
    let mut dropped = Set::new();
    for entry in all.iter_mut().filter(|entry| entry.is(stamp, "Apply")) {
        dropped = entry.fields.difference(&set).cloned().collect();
        entry.fields.clear();
    }
    let owned_elsewhere = |path: &Vec<Step>| all.iter().any(|entry| entry.fields.contains(path));
    for path in dropped.iter().filter(|path| !owned_elsewhere(path)) {
        path::remove(&mut new, path);
    }
    merge(&mut new, config, &mut Vec::new());
    for entry in &mut all {
        entry.fields.retain(|path| !differs.contains(path));
    }
    all.retain(|entry| !entry.is(stamp, "Apply"));
    let mut mine = Entry::new(stamp, "Apply");
    mine.fields = set;
    // The time moves only when something changed, so that applying twice writes nothing.
    if leaves(&new) == live
        && let Some(before) = entries(old).into_iter().find(|entry| entry.is(stamp, "Apply"))
        && before.fields == mine.fields
    {
        mine.rest = before.rest;
    }
    all.insert(0, mine);
    write_entries(&mut new, all);
    Ok(new)
}

/// (manager, path) of every field that another manager owns and that would change.
fn conflicts(all: &[Entry], differs: &Set, stamp: &Stamp) -> Vec<(String, String)> {
    let others = all.iter().filter(|entry| !entry.is(stamp, "Apply"));
    let each = others.flat_map(|entry| {
        let text = |name: &str| str_at(&entry.rest, name);
        let mut who = format!("\"{}\"", text("/manager"));
        if !text("/subresource").is_empty() {
            who = format!("{who} with subresource \"{}\"", text("/subresource"));
        }
        if text("/operation") == "Update" {
            who = format!("{who} using {}", text("/apiVersion"));
        }
        entry.fields.intersection(differs).map(move |path| (who.clone(), path::show(path)))
    });
    each.collect()
}

fn conflict(conflicts: &[(String, String)]) -> Failure {
    let mut managers: Vec<&str> = conflicts.iter().map(|(manager, _)| manager.as_str()).collect();
    managers.dedup();
    let told = managers.iter().map(|manager| {
        let fields: Vec<&str> = conflicts.iter().filter(|(m, _)| m == manager).map(|(_, path)| path.as_str()).collect();
        match fields.as_slice() {
            [one] => format!("conflict with {manager}: {one}"),
            many => format!("conflicts with {manager}:\n- {}", many.join("\n- ")),
        }
    });
    let told: Vec<String> = told.collect();
    let plural = if conflicts.len() == 1 { "" } else { "s" };
    let causes = conflicts.iter().map(|(manager, path)| {
        json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
    });
    let message = format!("Apply failed with {} conflict{plural}: {}", conflicts.len(), told.join("\n"));
    let mut failure = Failure::new(409, "Conflict", message);
    failure.details = json!({"causes": causes.collect::<Vec<Value>>()}).into();
    failure
}

/// Puts a configuration over an object: maps and keyed lists are merged, everything else is replaced.
fn merge(target: &mut Value, config: &Value, at: &mut Vec<String>) {
    match (target, config) {
        (Value::Object(have), Value::Object(wanted)) if !path::is_atomic(at, config) => {
            for (key, value) in wanted {
                if at.is_empty() && matches!(key.as_str(), "apiVersion" | "kind") {
                    continue;
                }
                at.push(key.clone());
                merge(have.entry(key.clone()).or_insert(Value::Null), value, at);
                at.pop();
            }
        }
        (Value::Array(have), Value::Array(wanted)) if path::keys(at).is_some() => {
            for value in wanted {
                let key = item_key(at, value);
                match have.iter_mut().find(|item| item_key(at, item) == key) {
                    Some(item) => merge(item, value, at),
                    None => have.push(value.clone()),
                }
            }
        }
        (target, config) => *target = config.clone(),
    }
}

#[cfg(test)]
mod tests;
