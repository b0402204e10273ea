//! Strategic merge patch (`apimachinery/pkg/util/strategicpatch/patch.go`): lists with a merge key are merged by it,
//! `$patch`, `$deleteFromPrimitiveList`, `$retainKeys` and `$setElementOrder` are honoured.

use crate::sim::store::Failure;
use serde_json::{Map, Value};

/// The merge key of a list, by its name and that of the object it stands in (`patchMergeKey` in `k8s.io/api`);
/// `None` where a list is replaced as a whole.
fn merge_key(list: &str, parent: &str) -> Option<&'static str> {
    Some(match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "conditions" | "addresses" => "type",
        "taints" => "key",
        "hostAliases" => "ip",
        "podIPs" | "hostIPs" => "ip",
        "ownerReferences" => "uid",
        "topologySpreadConstraints" => "topologyKey",
        // Of a container; those of a service merge by another key.
        "ports" if parent == "container" => "containerPort",
        "ports" => "port",
        _ => return None,
    })
}

/// Lists of plain values that are merged as sets (`patchStrategy: merge`).
fn is_set(list: &str) -> bool {
    matches!(list, "finalizers")
}

/// Merges a patch into an object.
///
/// # Errors
/// 400 for an unknown directive, or an item without its merge key.
pub fn merge(object: &mut Value, patch: &Value) -> Result<(), Failure> {
    merge_object(object, patch, "")
}

fn directive(patch: &Map<String, Value>) -> Result<&str, Failure> {
    match patch.get("$patch").map(|value| value.as_str().unwrap_or_default()) {
        None => Ok(""),
        Some(known @ ("replace" | "delete" | "merge")) => Ok(known),
        Some(other) => Err(Failure::bad_request(format!("invalid strategic merge patch: Unknown patch type: {other}"))),
    }
}

fn merge_object(target: &mut Value, patch: &Value, parent: &str) -> Result<(), Failure> {
    let Some(wanted) = patch.as_object() else {
        *target = patch.clone();
        return Ok(());
    };
    match directive(wanted)? {
        "replace" => {
            *target = Value::Object(plain(wanted));
            return Ok(());
        }
        "delete" => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        _ => {}
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(have) = target.as_object_mut() else { return Ok(()) };
    if let Some(retained) = wanted.get("$retainKeys").and_then(Value::as_array) {
        have.retain(|key, _| retained.iter().any(|name| name == key.as_str()));
    }
    for (key, value) in wanted {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            delete_values(have, list, value);
        } else if !key.starts_with('$') {
            merge_field(have, key, value, parent)?;
        }
    }
    for (key, order) in wanted {
        if let Some(list) = key.strip_prefix("$setElementOrder/") {
            order_list(have, list, order, parent);
        }
    }
    Ok(())
}

fn merge_field(have: &mut Map<String, Value>, key: &str, value: &Value, parent: &str) -> Result<(), Failure> {
    if value.is_null() {
        have.shift_remove(key);
        return Ok(());
    }
    let current = have.entry(key.to_string()).or_insert(Value::Null);
    match value {
        Value::Object(_) => merge_object(current, value, key),
        Value::Array(items) => match merge_key(key, parent) {
            Some(by) if items.iter().all(Value::is_object) => merge_list(current, items, key, by),
            _ if is_set(key) => {
                let mut all = current.as_array().cloned().unwrap_or_default();
                let new: Vec<Value> = items.iter().filter(|item| !all.contains(item)).cloned().collect();
                all.extend(new);
                *current = all.into();
                Ok(())
            }
            _ => {
                *current = value.clone();
                Ok(())
            }
        },
        _ => {
            *current = value.clone();
            Ok(())
        }
    }
}

fn merge_list(current: &mut Value, patch: &[Value], list: &str, by: &str) -> Result<(), Failure> {
    let replace = patch.iter().any(|item| item.get("$patch").is_some_and(|p| p == "replace") && item.get(by).is_none());
    if replace || !current.is_array() {
        *current = Value::Array(Vec::new());
    }
    let Some(have) = current.as_array_mut() else { return Ok(()) };
    let inside = if list.to_lowercase().ends_with("containers") { "container" } else { list };
    for item in patch {
        let Some(map) = item.as_object() else { continue };
        let Some(key) = map.get(by) else {
            if map.contains_key("$patch") {
                continue;
            }
            return Err(Failure::bad_request(format!("map: {item} does not contain declared merge key: {by}")));
        };
        let at = have.iter().position(|old| old.get(by) == Some(key));
        match (directive(map)?, at) {
            ("delete", Some(at)) => {
                have.remove(at);
            }
            ("delete", None) => {}
            (_, Some(at)) => {
                if let Some(old) = have.get_mut(at) {
                    merge_object(old, item, inside)?;
                }
            }
            (_, None) => {
                let mut new = Value::Object(Map::new());
                merge_object(&mut new, item, inside)?;
                have.push(new);
            }
        }
    }
    Ok(())
}

fn delete_values(have: &mut Map<String, Value>, list: &str, gone: &Value) {
    let gone = gone.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(items) = have.get_mut(list).and_then(Value::as_array_mut) {
        items.retain(|item| !gone.contains(item));
    }
}

/// Items that the order names come in that order; the others keep their places behind the item they followed.
fn order_list(have: &mut Map<String, Value>, list: &str, order: &Value, parent: &str) {
    let Some(items) = have.get_mut(list).and_then(Value::as_array_mut) else { return };
    let by = merge_key(list, parent);
    let wanted = order.as_array().map(Vec::as_slice).unwrap_or_default();
    let rank = |item: &Value| {
        wanted.iter().position(|named| match by {
            Some(by) => named.get(by).is_some() && named.get(by) == item.get(by),
            None => named == item,
        })
    };
    let mut last = 0;
    let mut ranked: Vec<(usize, usize, Value)> = items
        .drain(..)
        .enumerate()
        .map(|(n, item)| {
            last = rank(&item).unwrap_or(last);
            (last, n, item)
        })
        .collect();
    ranked.sort_by_key(|(rank, n, _)| (*rank, *n));
    items.extend(ranked.into_iter().map(|(_, _, item)| item));
}

/// Without directives.
fn plain(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter().filter(|(key, _)| !key.starts_with('$')).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(mut object: Value, patch: Value) -> Value {
        merge(&mut object, &patch).unwrap();
        object
    }

    #[test]
    fn keyed_lists_merge_and_others_are_replaced() {
        let pod = json!({"spec": {"containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}, {"name": "b"}],
                                  "tolerations": [{"key": "x"}]}});
        let patch = json!({"spec": {"containers": [{"name": "a", "image": "2", "ports": [{"containerPort": 81}]}],
                                    "tolerations": [{"key": "y"}]}});
        let new = merged(pod, patch);
        assert_eq!(
            new["spec"]["containers"][0],
            json!({"name": "a", "image": "2", "ports": [{"containerPort": 80}, {"containerPort": 81}]})
        );
        assert_eq!(new["spec"]["containers"][1]["name"], "b");
        assert_eq!(new["spec"]["tolerations"], json!([{"key": "y"}]));
    }

    #[test]
    fn directives_delete_replace_and_order() {
        let node = json!({"spec": {"taints": [{"key": "a"}, {"key": "b"}], "unschedulable": true}});
        let new = merged(node, json!({"spec": {"taints": [{"$patch": "delete", "key": "a"}], "unschedulable": null}}));
        assert_eq!(new, json!({"spec": {"taints": [{"key": "b"}]}}));
        let env = json!({"containers": [{"name": "c", "env": [{"name": "A"}, {"name": "B"}]}]});
        let patch = json!({"containers": [{"name": "c", "$setElementOrder/env": [{"name": "B"}, {"name": "A"}]}]});
        assert_eq!(merged(env, patch)["containers"][0]["env"], json!([{"name": "B"}, {"name": "A"}]));
        let new = merged(
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        );
        assert_eq!(new["metadata"]["finalizers"], json!(["b"]));
        let new = merged(
            json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}}),
            json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}),
        );
        assert_eq!(new, json!({"strategy": {"type": "Recreate"}}));
        assert_eq!(merge(&mut json!({}), &json!({"spec": {"$patch": "twist"}})).unwrap_err().code, 400);
        assert_eq!(merge(&mut json!({}), &json!({"containers": [{"image": "x"}]})).unwrap_err().code, 400);
    }
}
