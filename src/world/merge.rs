//! The three-way merge of a client-side apply: what git says now, what was applied last, what lives
//! (`strategicpatch.CreateThreeWayMergePatch`, on the object instead of through a patch).

use super::quantity::Quantity;
use serde_json::{Map, Value};

/// Whether a group is one of Kubernetes itself, whose lists have keys; lists of other groups are replaced as a whole.
pub fn is_built_in(group: &str) -> bool {
    !group.contains('.') || (group.ends_with(".k8s.io") && !group.starts_with("gateway."))
}

/// Puts `wanted` over `live`; what `last` had and `wanted` has not goes. What neither mentions stays.
pub fn three_way(live: &mut Value, last: Option<&Value>, wanted: &Value) {
    let api = wanted.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let keyed = is_built_in(api.split_once('/').map_or("", |(group, _)| group));
    merge(live, last, wanted, &mut At { fields: Vec::new(), keyed });
}

/// Where one is: the names of the fields on the way, and whether lists may have keys.
struct At {
    fields: Vec<String>,
    keyed: bool,
}

fn merge(live: &mut Value, last: Option<&Value>, wanted: &Value, at: &mut At) {
    match wanted {
        Value::Object(fields) => merge_map(live, last, fields, at),
        Value::Array(items) => merge_list(live, last, items, at),
        scalar if same_quantity(live, scalar, &at.fields) => {}
        scalar => *live = scalar.clone(),
    }
}

fn merge_map(live: &mut Value, last: Option<&Value>, fields: &Map<String, Value>, at: &mut At) {
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    let Some(have) = live.as_object_mut() else { return };
    for key in last.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key) {
        if !fields.contains_key(key) {
            have.remove(key);
        }
    }
    for (key, value) in fields {
        if value.is_null() {
            have.remove(key);
            continue;
        }
        at.fields.push(key.clone());
        merge(have.entry(key.clone()).or_insert(Value::Null), last.and_then(|l| l.get(key)), value, at);
        at.fields.pop();
    }
}

/// What identifies an item of a list, by the names of the fields that lead to it.
fn identity(at: &At) -> Option<&'static [&'static str]> {
    let fields = at.keyed.then_some(&at.fields)?;
    let parent = fields.len().checked_sub(2).and_then(|i| fields.get(i)).map_or("", String::as_str);
    Some(match fields.last()?.as_str() {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => &["name"],
        "webhooks" | "matchConditions" | "resourceClaims" | "schedulingGates" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "hostAliases" => &["ip"],
        "taints" if parent == "spec" => &["key", "effect"],
        "ports" if parent == "containers" || parent == "initContainers" => &["containerPort"],
        "ports" if parent == "spec" => &["port"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        _ => return None,
    })
}

fn merge_list(live: &mut Value, last: Option<&Value>, items: &[Value], at: &mut At) {
    let Some(keys) = identity(at) else {
        // Replaced as a whole, unless what lives only has defaults on top.
        let covered = live
            .as_array()
            .is_some_and(|have| have.len() == items.len() && have.iter().zip(items).all(|(h, w)| covers(h, w)));
        if !covered {
            *live = Value::Array(items.to_vec());
        }
        return;
    };
    if !live.is_array() {
        *live = Value::Array(Vec::new());
    }
    let Some(have) = live.as_array_mut() else { return };
    let same = |a: &Value, b: &Value| keys.iter().all(|k| a.get(k) == b.get(k));
    let before = last.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    have.retain(|h| items.iter().any(|w| same(h, w)) || !before.iter().any(|l| same(h, l)));
    for wanted in items {
        let old = before.iter().find(|l| same(l, wanted));
        match have.iter_mut().find(|h| same(h, wanted)) {
            Some(item) => merge(item, old, wanted, at),
            None => have.push(wanted.clone()),
        }
    }
}

/// Whether `have` says everything `wanted` says.
fn covers(have: &Value, wanted: &Value) -> bool {
    match (have, wanted) {
        (Value::Object(h), Value::Object(w)) => w.iter().all(|(k, v)| h.get(k).is_some_and(|x| covers(x, v))),
        (Value::Array(h), Value::Array(w)) => h.len() == w.len() && h.iter().zip(w).all(|(a, b)| covers(a, b)),
        (h, w) => h == w,
    }
}

/// `1000m` and `1` are the same cpu; `"512Mi"` and `536870912` the same memory.
fn same_quantity(live: &Value, wanted: &Value, at: &[String]) -> bool {
    let amount = |v: &Value| match v {
        Value::String(s) => Quantity::parse(s),
        Value::Number(n) => Quantity::parse(&n.to_string()),
        _ => None,
    };
    let resources = at.iter().any(|f| matches!(f.as_str(), "resources" | "capacity" | "hard"));
    resources && amount(live).is_some_and(|l| amount(wanted) == Some(l))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(live: Value, last: Value, wanted: Value) -> Value {
        let mut live = live;
        three_way(&mut live, Some(&last), &wanted);
        live
    }

    #[test]
    fn what_git_does_not_mention_stays_and_what_it_took_back_goes() {
        let live = json!({"spec": {"replicas": 5, "paused": true, "old": 1}, "metadata": {"annotations": {"restartedAt": "x"}}});
        let out = merged(live, json!({"spec": {"replicas": 2, "old": 1}}), json!({"spec": {"replicas": 2}}));
        assert_eq!(
            out,
            json!({"spec": {"replicas": 2, "paused": true}, "metadata": {"annotations": {"restartedAt": "x"}}})
        );
    }

    #[test]
    fn containers_are_found_by_their_names() {
        let live = json!({"spec": {"containers": [{"name": "app", "image": "a:1", "pull": "x"}, {"name": "sidecar"}]}});
        let out = merged(live, json!({}), json!({"spec": {"containers": [{"name": "app", "image": "a:2"}]}}));
        assert_eq!(
            out,
            json!({"spec": {"containers": [{"name": "app", "image": "a:2", "pull": "x"}, {"name": "sidecar"}]}})
        );
        let last = json!({"spec": {"containers": [{"name": "sidecar"}, {"name": "app"}]}});
        let out = merged(out, last, json!({"spec": {"containers": [{"name": "app"}]}}));
        assert_eq!(out["spec"]["containers"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn equal_amounts_are_no_change() {
        let live = json!({"resources": {"limits": {"cpu": "1", "memory": "512Mi"}}});
        let wanted = json!({"resources": {"limits": {"cpu": "1000m", "memory": 536_870_912}}});
        assert_eq!(merged(live.clone(), json!({}), wanted), live);
    }

    #[test]
    fn lists_without_keys_are_replaced_unless_only_defaults_were_added() {
        let live = json!({"rules": [{"host": "a", "pathType": "Prefix"}]});
        assert_eq!(merged(live.clone(), json!({}), json!({"rules": [{"host": "a"}]})), live);
        assert_eq!(merged(live, json!({}), json!({"rules": [{"host": "b"}]})), json!({"rules": [{"host": "b"}]}));
    }
}
