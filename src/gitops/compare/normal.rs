//! Objects brought into the form in which they are compared and shown.

use crate::gitops::locate::TRACKING_ID;
use crate::kinds::yaml::{LAST_APPLIED, is_secret};
use crate::world::merge::is_built_in;
use crate::world::object::ObjectRef;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

/// Fields of `metadata` that only the cluster writes.
const BOOKKEEPING: [&str; 7] =
    ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "namespace"];
/// Labels by which Argo CD may track.
const INSTANCE: [&str; 2] = ["app.kubernetes.io/instance", "argocd.argoproj.io/instance"];
const INSTALLATION: &str = "argocd.argoproj.io/installation-id";

/// What git says, without what it cannot wish for; a Secret's plain values as the cluster keeps them.
pub fn wanted(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        map.shift_remove("status");
    }
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        BOOKKEEPING.iter().filter(|key| **key != "namespace").for_each(|key| drop(meta.shift_remove(*key)));
        if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.shift_remove(LAST_APPLIED);
        }
    }
    if !is_secret(object) {
        return;
    }
    let plain = object.as_object_mut().and_then(|map| map.shift_remove("stringData"));
    let Some(Value::Object(plain)) = plain else { return };
    let encoded = plain.into_iter().map(|(key, value)| match value.as_str() {
        Some(text) => (key, json!(BASE64_STANDARD.encode(text))),
        None => (key, value),
    });
    let encoded: Vec<(String, Value)> = encoded.collect();
    if let Some(map) = object.as_object_mut() {
        let data = map.entry("data").or_insert_with(|| json!({}));
        if let Some(data) = data.as_object_mut() {
            data.extend(encoded);
        }
    }
}

/// What Argo CD adds to everything that it applies is wanted too: the marks by which it tracks.
pub fn keep_marks(live: &Value, wanted: &mut Value, application: &str) {
    let mut keep = |of: &str, key: &str, fits: &dyn Fn(&str) -> bool| {
        let at = format!("/metadata/{of}");
        let there = live.pointer(&at).and_then(|map| map.get(key)).and_then(Value::as_str).filter(|value| fits(value));
        let absent = wanted.pointer(&at).is_none_or(|map| map.get(key).is_none());
        let meta = wanted.get_mut("metadata").and_then(Value::as_object_mut);
        if let (Some(value), true, Some(meta)) = (there, absent, meta) {
            let map = meta.entry(of).or_insert_with(|| json!({}));
            if !map.is_object() {
                *map = json!({});
            }
            map[key] = json!(value);
        }
    };
    keep("annotations", TRACKING_ID, &|_| true);
    keep("annotations", INSTALLATION, &|_| true);
    INSTANCE.iter().for_each(|key| keep("labels", key, &|value| value == application));
}

/// Takes out of what was predicted what is empty and does not live: read as its type, an object of a built-in kind says
/// the same without it.
pub fn drop_empty(live: &Value, after: &mut Value) {
    if is_built_in(&ObjectRef::of(live).group) {
        drop_empty_in(live, after);
    }
}

/// What is new as a whole is left as it is.
fn drop_empty_in(live: &Value, after: &mut Value) {
    match after {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                live.get(key).into_iter().for_each(|live| drop_empty_in(live, value));
            }
            map.retain(|key, value| !is_empty(value) || live.get(key).is_some());
        }
        Value::Array(items) => {
            let lived = items.iter_mut().enumerate().filter_map(|(n, item)| Some((live.get(n)?, item)));
            lived.for_each(|(live, item)| drop_empty_in(live, item));
        }
        _ => {}
    }
}

/// Values that Go leaves out when it writes an object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(n) => n.as_f64() == Some(0.0),
    }
}

/// Takes out what is nobody's wish, on both sides.
pub fn both(before: &mut Value, after: &mut Value) {
    for object in [before, after] {
        if let Some(map) = object.as_object_mut() {
            map.shift_remove("status");
        }
        let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
        BOOKKEEPING.iter().for_each(|key| drop(meta.shift_remove(*key)));
        forget(meta, "annotations", &[LAST_APPLIED, TRACKING_ID, INSTALLATION]);
    }
}

fn forget(meta: &mut Map<String, Value>, of: &str, keys: &[&str]) {
    let Some(map) = meta.get_mut(of).and_then(Value::as_object_mut) else { return };
    keys.iter().for_each(|key| drop(map.shift_remove(*key)));
    if map.is_empty() {
        meta.shift_remove(of);
    }
}

/// Masks the values of a Secret so that one sees which differ, and nothing else.
pub fn mask(before: &mut Value, after: Option<&mut Value>) {
    if !is_secret(before) {
        return;
    }
    let mut none = Value::Null;
    let after = after.unwrap_or(&mut none);
    for field in ["data", "stringData"] {
        let was = before.get(field).cloned().unwrap_or_default();
        let values = before.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten();
        values.for_each(|(_, value)| *value = json!("•••"));
        let values = after.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten();
        for (key, value) in values {
            let text =
                if was.get(key).is_none_or(|old| old == value) { "•••" } else { "••• another value" };
            *value = json!(text);
        }
    }
}
