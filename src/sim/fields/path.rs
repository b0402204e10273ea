//! Paths of fields, sets of them, and their `FieldsV1` form (`structured-merge-diff/fieldpath/serialize.go`).

use crate::world::object::str_at;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A field: `f:name`.
    Field(String),
    /// An item of a keyed list, by its keys as JSON text: `k:{"name":"web"}`.
    Key(String),
    /// An item of a set, by its value as JSON text: `v:"example.com/hold"`.
    Item(String),
}

/// A set of paths to leaves.
pub type Set = BTreeSet<Vec<Step>>;

/// The keys of a list by the names of the fields that lead to it; `None` where a list is replaced as a whole.
pub fn keys(at: &[String]) -> Option<&'static [&'static str]> {
    let parent = at.len().checked_sub(2).and_then(|n| at.get(n)).map(String::as_str).unwrap_or_default();
    Some(match at.last()?.as_str() {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "conditions" | "addresses" => &["type"],
        "ownerReferences" => &["uid"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "hostAliases" => &["ip"],
        "podIPs" | "hostIPs" => &["ip"],
        "ports" if parent == "containers" || parent == "initContainers" => &["containerPort", "protocol"],
        "ports" if parent == "spec" => &["port", "protocol"],
        _ => return None,
    })
}

/// Whether an object is replaced as a whole: selectors and node selectors (`x-kubernetes-map-type: atomic`).
pub fn is_atomic(at: &[String], object: &Value) -> bool {
    let last = at.last().map(String::as_str).unwrap_or_default();
    matches!(
        last,
        "selector"
            | "nodeSelector"
            | "labelSelector"
            | "namespaceSelector"
            | "podSelector"
            | "configMapKeyRef"
            | "secretKeyRef"
            | "fieldRef"
            | "resourceFieldRef"
            | "claimRef"
            | "involvedObject"
            | "scaleTargetRef"
    ) || object.as_object().is_some_and(Map::is_empty)
}

/// The keys of one item of a keyed list, as JSON text; protocol is TCP where it is not given.
pub fn item_key(at: &[String], item: &Value) -> Option<String> {
    let pairs = keys(at)?.iter().map(|key| {
        let missing = if *key == "protocol" { json!("TCP") } else { Value::Null };
        (key.to_string(), item.get(key).cloned().unwrap_or(missing))
    });
    Some(Value::Object(pairs.collect()).to_string())
}

/// Every leaf of an object that a manager can own, with its value: not `status` of nobody, but neither the type nor the
/// fields that only the server writes.
pub fn leaves(object: &Value) -> BTreeMap<Vec<Step>, Value> {
    let mut found = BTreeMap::new();
    let mut walk = Walk { found: &mut found, names: Vec::new(), path: Vec::new() };
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => walk.metadata(value),
            _ => walk.field(key, value),
        }
    }
    found
}

struct Walk<'a> {
    found: &'a mut BTreeMap<Vec<Step>, Value>,
    names: Vec<String>,
    path: Vec<Step>,
}

impl Walk<'_> {
    fn metadata(&mut self, meta: &Value) {
        self.names.push("metadata".into());
        self.path.push(Step::Field("metadata".into()));
        for (key, value) in meta.as_object().into_iter().flatten() {
            if matches!(key.as_str(), "labels" | "annotations" | "finalizers" | "ownerReferences" | "generateName") {
                self.field(key, value);
            }
        }
        self.path.pop();
        self.names.pop();
    }

    fn field(&mut self, key: &str, value: &Value) {
        self.names.push(key.into());
        self.path.push(Step::Field(key.into()));
        self.value(value);
        self.path.pop();
        self.names.pop();
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(map) if !is_atomic(&self.names, value) => {
                map.iter().for_each(|(key, value)| self.field(key, value))
            }
            Value::Array(items) if keys(&self.names).is_some() => {
                for item in items {
                    self.path.push(Step::Key(item_key(&self.names, item).unwrap_or_default()));
                    match item.as_object() {
                        Some(map) => map.iter().for_each(|(key, value)| self.field(key, value)),
                        None => self.leaf(item),
                    }
                    self.path.pop();
                }
            }
            Value::Array(items) if self.names.last().is_some_and(|name| name == "finalizers") => {
                for item in items {
                    self.path.push(Step::Item(item.to_string()));
                    self.leaf(item);
                    self.path.pop();
                }
            }
            _ => self.leaf(value),
        }
    }

    fn leaf(&mut self, value: &Value) {
        self.found.insert(self.path.clone(), value.clone());
    }
}

/// The `FieldsV1` form. Items of keyed lists carry the mark of their own (`.`), as the server writes them.
pub fn to_fields(set: &Set) -> Value {
    let mut root = json!({});
    for path in set {
        let mut at = &mut root;
        for step in path {
            let name = match step {
                Step::Field(name) => format!("f:{name}"),
                Step::Key(keys) => format!("k:{keys}"),
                Step::Item(value) => format!("v:{value}"),
            };
            let Some(map) = at.as_object_mut() else { break };
            let fresh = if matches!(step, Step::Key(_)) { json!({".": {}}) } else { json!({}) };
            at = map.entry(name).or_insert(fresh);
        }
    }
    root
}

/// Reads the `FieldsV1` form.
pub fn from_fields(fields: &Value) -> Set {
    let mut set = Set::new();
    collect(fields, &mut Vec::new(), &mut set);
    set
}

fn collect(fields: &Value, path: &mut Vec<Step>, set: &mut Set) {
    let children = fields.as_object().into_iter().flatten().filter(|(name, _)| name.as_str() != ".");
    let mut leaf = true;
    for (name, inner) in children {
        let step = match name.split_once(':') {
            Some(("f", name)) => Step::Field(name.into()),
            Some(("k", keys)) => Step::Key(keys.into()),
            Some(("v", value)) => Step::Item(value.into()),
            _ => continue,
        };
        leaf = false;
        path.push(step);
        collect(inner, path, set);
        path.pop();
    }
    if leaf && !path.is_empty() {
        set.insert(path.clone());
    }
}

/// As conflicts name a path: `.spec.template.spec.containers[name="web"].image`.
pub fn show(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Field(name) => out.push_str(&format!(".{name}")),
            Step::Key(keys) => {
                let keys: Value = serde_json::from_str(keys).unwrap_or_default();
                let pairs: Vec<String> =
                    keys.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
                out.push_str(&format!("[{}]", pairs.join(",")));
            }
            Step::Item(value) => out.push_str(&format!("[={value}]")),
        }
    }
    out
}

/// Removes the field at a path, and what is left empty by that (not the object's own top level).
pub fn remove(object: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    match (object, step) {
        (Value::Object(map), Step::Field(name)) => {
            if rest.is_empty() {
                map.shift_remove(name);
            } else if let Some(inner) = map.get_mut(name) {
                remove(inner, rest);
                let empty = inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty);
                if empty && name != "metadata" {
                    map.shift_remove(name);
                }
            }
        }
        (Value::Array(items), Step::Key(keys)) => {
            let wanted: Value = serde_json::from_str(keys).unwrap_or_default();
            let fits = |item: &Value| {
                wanted.as_object().into_iter().flatten().all(|(key, value)| {
                    item.get(key)
                        .map_or(key == "protocol" && str_at(&wanted, "/protocol") == "TCP", |have| have == value)
                })
            };
            let Some(at) = items.iter().position(fits) else { return };
            if rest.is_empty() {
                items.remove(at);
                return;
            }
            if let Some(item) = items.get_mut(at) {
                remove(item, rest);
            }
            // An item whose last field but its keys is gone is gone itself.
            let bare = items.get(at).and_then(Value::as_object).is_some_and(|item| {
                item.keys().all(|key| wanted.get(key).is_some() && rest.len() == 1)
                    && rest.first().is_some_and(|step| matches!(step, Step::Field(name) if wanted.get(name).is_some()))
                    || item.is_empty()
            });
            if bare {
                items.remove(at);
            }
        }
        (Value::Array(items), Step::Item(value)) => items.retain(|item| &item.to_string() != value),
        _ => {}
    }
}
