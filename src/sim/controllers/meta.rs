//! Small things every controller needs of raw objects: owners, conditions, hashes, writing at a pointer.

use crate::world::object::{bool_at, list_at, namespace, str_at};
use crate::world::time::Time;
use serde_json::{Map, Value, json};

/// Sets a field, creating the maps on the way. `path` is dotted, for keys without dots: `spec.replicas`.
/// A value that is no map where one is needed is replaced by one.
pub fn set(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for key in path.split('.') {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry(key).or_insert(Value::Null);
    }
    *at = value;
}

/// Sets one key of a map found at a dotted path; the key itself may hold dots and slashes.
pub fn set_key(object: &mut Value, path: &str, key: &str, value: Value) {
    let mut map = object.pointer(&format!("/{}", path.replace('.', "/"))).cloned().unwrap_or_default();
    if !map.is_object() {
        map = Value::Object(Map::new());
    }
    if let Some(entries) = map.as_object_mut() {
        entries.insert(key.into(), value);
    }
    set(object, path, map);
}

/// Removes one key of the map at a dotted path.
pub fn remove_key(object: &mut Value, path: &str, key: &str) {
    let pointer = format!("/{}", path.replace('.', "/"));
    if let Some(map) = object.pointer_mut(&pointer).and_then(Value::as_object_mut) {
        map.remove(key);
    }
}

/// `metadata.annotations[key]`, empty where there is none.
pub fn annotation<'a>(object: &'a Value, key: &str) -> &'a str {
    entry(object, "/metadata/annotations", key)
}

/// `metadata.labels[key]`, empty where there is none.
pub fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    entry(object, "/metadata/labels", key)
}

fn entry<'a>(object: &'a Value, map: &str, key: &str) -> &'a str {
    object.pointer(map).and_then(|m| m.get(key)).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata.uid`
pub fn uid(object: &Value) -> &str {
    str_at(object, "/metadata/uid")
}

/// Whether the object is on its way out.
pub fn deleting(object: &Value) -> bool {
    !str_at(object, "/metadata/deletionTimestamp").is_empty()
}

/// The point in time at a pointer, [`Time::NEVER`] where there is none.
pub fn time_at(object: &Value, pointer: &str) -> Time {
    Time::parse(str_at(object, pointer)).unwrap_or(Time::NEVER)
}

/// An owner reference that makes `owner` the controller.
pub fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": str_at(owner, "/apiVersion"), "kind": str_at(owner, "/kind"),
        "name": str_at(owner, "/metadata/name"), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether `owner` is the controller of the object.
pub fn controlled_by(object: &Value, owner: &Value) -> bool {
    list_at(object, "/metadata/ownerReferences")
        .iter()
        .any(|r| bool_at(r, "/controller") && str_at(r, "/uid") == uid(owner))
}

/// A new object of a kind, in the namespace of its owner and controlled by it.
pub fn child(owner: &Value, api_version: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": name, "namespace": namespace(owner), "ownerReferences": [owner_reference(owner)]},
    })
}

/// The condition of a type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(object, "/status/conditions").iter().find(|c| str_at(c, "/type") == kind)
}

/// Whether a condition is `True`.
pub fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| str_at(c, "/status") == "True")
}

/// A condition as the controllers write it; `lastTransitionTime` is kept by [`set_condition`] while the status stays.
pub fn new_condition(kind: &str, status: bool, reason: &str, message: &str) -> Value {
    let mut condition = json!({"type": kind, "status": if status { "True" } else { "False" }});
    if !reason.is_empty() {
        set(&mut condition, "reason", json!(reason));
    }
    if !message.is_empty() {
        set(&mut condition, "message", json!(message));
    }
    condition
}

/// Puts a condition into `status.conditions`, in place of the one of its type.
/// `lastTransitionTime` moves only when the status does, as everywhere in Kubernetes.
pub fn set_condition(object: &mut Value, mut new: Value, now: Time) {
    let kind = str_at(&new, "/type").to_string();
    let same = condition(object, &kind).filter(|old| str_at(old, "/status") == str_at(&new, "/status"));
    let since = same.map(|old| str_at(old, "/lastTransitionTime").to_string()).filter(|t| !t.is_empty());
    set(&mut new, "lastTransitionTime", json!(since.unwrap_or_else(|| now.rfc3339())));
    let mut all = list_at(object, "/status/conditions").to_vec();
    match all.iter_mut().find(|c| str_at(c, "/type") == kind) {
        Some(old) => *old = new,
        None => all.push(new),
    }
    set(object, "status.conditions", Value::Array(all));
}

/// Whether a pod counts for nothing any more: Succeeded or Failed.
pub fn is_terminal(pod: &Value) -> bool {
    matches!(str_at(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod's `Ready` condition is true.
pub fn is_ready(pod: &Value) -> bool {
    is_true(pod, "Ready")
}

/// A number or a percentage of a whole (`IntOrString`), rounded up or down.
pub fn int_or_percent(value: Option<&Value>, whole: i64, up: bool) -> Option<i64> {
    let value = value?;
    if let Some(n) = value.as_i64() {
        return Some(n);
    }
    let percent: i64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let product = whole * percent;
    Some(if up { (product + 99).div_euclid(100) } else { product.div_euclid(100) })
}

/// FNV-1a, 64 bits: names need a hash that is the same in every run.
pub fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// A number in the alphabet of generated names (`apimachinery/pkg/util/rand`: no vowels, nothing that looks alike).
pub fn safe_name(mut number: u64, len: usize) -> String {
    const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..len)
        .map(|_| {
            let c = ALPHABET[(number % 27) as usize];
            number /= 27;
            c as char
        })
        .collect()
}

/// The hash of a value whatever the order of its keys: `pod-template-hash` and the like.
pub fn hash_of(value: &Value) -> String {
    safe_name(fnv(&canonical(value)), 10)
}

fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(k, _)| k.as_str());
            let body: Vec<_> = keys.into_iter().map(|(k, v)| format!("{k:?}:{}", canonical(v))).collect();
            format!("{{{}}}", body.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_ignore_the_order_of_keys() {
        let a = json!({"a": 1, "b": {"c": [1, 2], "d": "x"}});
        let b = json!({"b": {"d": "x", "c": [1, 2]}, "a": 1});
        assert_eq!(hash_of(&a), hash_of(&b));
        assert_ne!(hash_of(&a), hash_of(&json!({"a": 1, "b": {"c": [2, 1], "d": "x"}})));
    }

    #[test]
    fn conditions_keep_their_time_while_the_status_stays() {
        let mut o = json!({});
        set_condition(&mut o, new_condition("Ready", false, "A", "a"), Time(0));
        set_condition(&mut o, new_condition("Ready", false, "B", "b"), Time(9));
        assert_eq!(condition(&o, "Ready").unwrap()["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(condition(&o, "Ready").unwrap()["reason"], "B");
        set_condition(&mut o, new_condition("Ready", true, "", ""), Time(9));
        assert_eq!(condition(&o, "Ready").unwrap()["lastTransitionTime"], "1970-01-01T00:00:09Z");
    }

    #[test]
    fn percentages_round_as_asked() {
        assert_eq!(int_or_percent(Some(&json!("25%")), 3, true), Some(1));
        assert_eq!(int_or_percent(Some(&json!("25%")), 3, false), Some(0));
        assert_eq!(int_or_percent(Some(&json!(2)), 3, false), Some(2));
        assert_eq!(int_or_percent(Some(&json!("x")), 3, false), None);
    }

    #[test]
    fn setting_makes_the_way() {
        let mut o = json!({"spec": null});
        set(&mut o, "spec.a.b", json!(1));
        set_key(&mut o, "metadata.annotations", "x.io/y", json!("z"));
        assert_eq!(o, json!({"spec": {"a": {"b": 1}}, "metadata": {"annotations": {"x.io/y": "z"}}}));
        remove_key(&mut o, "metadata.annotations", "x.io/y");
        assert_eq!(annotation(&o, "x.io/y"), "");
    }
}
