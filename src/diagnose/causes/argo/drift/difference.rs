//! What differs between an object and what Argo CD last applied of it. Client-side apply keeps that in the annotation
//! `kubectl.kubernetes.io/last-applied-configuration`: after a sync of a revision it is what git says at that revision.

use crate::diagnose::facts::Case;
use crate::diagnose::finding::Match;
use crate::world::merge::is_built_in;
use crate::world::object::{ObjectRef, str_at};
use crate::world::quantity::Quantity;
use crate::world::time::seconds;
use crate::world::writers::{By, Path, Writer, by, writer_of};
use serde_json::Value;

const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// A field that is not as git has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where it stands.
    pub path: Path,
    /// The value in git.
    pub wanted: Value,
    /// The live value; `None` where the field is not there.
    pub live: Option<Value>,
}

/// What a difference is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Git holds what only the cluster may set.
    LiveState,
    /// The API server dropped the field.
    Dropped,
    /// The same amount in other words.
    Amount,
    /// Another value.
    Value,
}

/// What differs; `None` without the annotation, and for Secrets, whose values are nobody's business.
pub fn differences(object: &Value) -> Option<Vec<Difference>> {
    if str_at(object, "/kind") == "Secret" {
        return None;
    }
    let applied: Value = serde_json::from_str(str_at(object, LAST_APPLIED)).ok()?;
    let group = str_at(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let built_in = is_built_in(group);
    let mut found = Vec::new();
    for (key, wanted) in applied.as_object()? {
        if !matches!(key.as_str(), "apiVersion" | "kind") {
            compare(&Path::default().key(key), wanted, object.get(key), built_in, &mut found);
        }
    }
    Some(found)
}

/// Only what git mentions is compared: a field that is live only is kept and is no difference.
fn compare(path: &Path, wanted: &Value, live: Option<&Value>, built_in: bool, out: &mut Vec<Difference>) {
    match (wanted, live) {
        (_, Some(live)) if wanted == live => {}
        (_, None) if is_empty(wanted) => {}
        (Value::Null, _) => {}
        // Argo CD brings amounts of the built-in kinds into one form before it compares.
        (_, Some(live)) if built_in && same_amount(wanted, live) => {}
        (Value::Object(fields), Some(Value::Object(there))) => {
            for (key, value) in fields {
                compare(&path.key(key), value, there.get(key), built_in, out);
            }
        }
        (Value::Array(items), Some(Value::Array(there))) if built_in && items.iter().all(has_name) => {
            for (n, item) in items.iter().enumerate() {
                let same = there.iter().find(|other| other.get("name") == item.get("name"));
                compare(&path.item(n, item), item, same, built_in, out);
            }
        }
        (Value::Array(items), Some(Value::Array(there))) if items.len() == there.len() => {
            for (n, (item, other)) in items.iter().zip(there).enumerate() {
                compare(&path.item(n, item), item, Some(other), built_in, out);
            }
        }
        _ => out.push(Difference { path: path.clone(), wanted: wanted.clone(), live: live.cloned() }),
    }
}

fn has_name(item: &Value) -> bool {
    item.get("name").is_some_and(Value::is_string)
}

/// Values that are left out when an object is served.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

/// `1000m` and `1`, `1024Mi` and `1Gi`, `60s` and `1m`, `"80"` and `80`.
fn same_amount(a: &Value, b: &Value) -> bool {
    let text = |v: &Value| match v {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    };
    let (Some(a), Some(b)) = (text(a), text(b)) else { return false };
    let quantity = || Some(Quantity::parse(&a)?.0 == Quantity::parse(&b)?.0);
    let duration = || Some(seconds(&a)? == seconds(&b)?);
    a == b || quantity().unwrap_or_else(|| duration().unwrap_or(false))
}

/// Fields that only the cluster sets.
const LIVE_STATE: &[&[&str]] = &[
    &["status"],
    &["metadata", "resourceVersion"],
    &["metadata", "uid"],
    &["metadata", "creationTimestamp"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "selfLink"],
    &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    &["spec", "clusterIP"],
    &["spec", "clusterIPs"],
    &["spec", "healthCheckNodePort"],
    &["spec", "volumeName"],
    &["spec", "nodeName"],
];

impl Difference {
    /// What it is made of.
    pub fn shape(&self) -> Shape {
        let cluster_sets =
            LIVE_STATE.iter().any(|keys| self.path.starts_with(keys)) || self.path.last_key() == "nodePort";
        match &self.live {
            _ if cluster_sets => Shape::LiveState,
            None => Shape::Dropped,
            Some(live) if same_amount(&self.wanted, live) => Shape::Amount,
            Some(_) => Shape::Value,
        }
    }

    /// Who wrote the live value, if it was not Argo CD.
    pub fn other_writer<'a>(&self, object: &'a Value) -> Option<Writer<'a>> {
        writer_of(object, &self.path).filter(|w| by(w.manager) != By::Argo)
    }

    /// Adds it as a line of evidence, with who wrote the live value and when.
    pub fn show(&self, case: &Case<'_>, object: &Value, m: Match) -> Match {
        let writer = self.other_writer(object);
        let age = writer.and_then(|w| w.time).map(|t| t.age(case.now()));
        let who = writer.map_or(String::new(), |w| format!(", written by {}", w.in_words()));
        m.evidence_aged(&ObjectRef::of(object), &self.path.to_string(), "", age, format!("{}{who}", self.in_words()))
    }

    /// `spec.replicas: git has 2, live is 5`; values that may be passwords are not shown.
    pub fn in_words(&self) -> String {
        let path = self.path.to_string();
        if path.contains(".env[") && path.ends_with(".value") {
            return format!("{path} differs (values not shown)");
        }
        let live =
            self.live.as_ref().map_or_else(|| "live it is not there".to_owned(), |v| format!("live is {}", brief(v)));
        format!("{path}: git has {}, {live}", brief(&self.wanted))
    }
}

fn brief(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    crate::diagnose::finding::shorten(&text, 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(api: &str, applied: Value, live: Value) -> Vec<(String, Shape)> {
        let mut object = live;
        object["apiVersion"] = json!(api);
        object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!(applied.to_string());
        let all = differences(&object).unwrap();
        all.iter().map(|d| (d.in_words(), d.shape())).collect()
    }

    #[test]
    fn only_what_git_mentions_differs() {
        let applied = json!({"spec": {"replicas": 2, "paused": false, "template": {"spec": {"containers": [{"name": "app", "image": "a:1",
            "resources": {"limits": {"cpu": "1000m"}}}]}}}});
        let live = json!({"spec": {"replicas": 5, "strategy": {"type": "RollingUpdate"}, "template": {"spec": {"containers": [
            {"name": "proxy", "image": "p"}, {"name": "app", "image": "a:1", "env": [], "resources": {"limits": {"cpu": "1"}}}]}}}});
        assert_eq!(found("apps/v1", applied, live), [("spec.replicas: git has 2, live is 5".into(), Shape::Value)]);
    }

    #[test]
    fn differences_have_a_shape() {
        let shape = |applied: Value, live: Value| {
            found("example.com/v1", json!({"spec": applied}), json!({"spec": live}))
                .into_iter()
                .map(|(_, s)| s)
                .collect::<Vec<_>>()
        };
        assert_eq!(shape(json!({"cpu": "1000m"}), json!({"cpu": "1"})), [Shape::Amount]);
        assert_eq!(shape(json!({"wait": "60s"}), json!({"wait": "1m0s"})), [Shape::Amount]);
        assert_eq!(shape(json!({"port": "80"}), json!({"port": 80})), [Shape::Amount]);
        assert_eq!(shape(json!({"replcas": 3}), json!({})), [Shape::Dropped]);
        assert_eq!(shape(json!({"clusterIP": "10.0.0.1"}), json!({"clusterIP": "10.0.0.2"})), [Shape::LiveState]);
        assert_eq!(shape(json!({"ports": [{"nodePort": 1}]}), json!({"ports": [{"nodePort": 2}]})), [Shape::LiveState]);
        assert_eq!(
            shape(json!({"hosts": ["a"]}), json!({"hosts": ["a", "b"]})),
            [Shape::Value],
            "lists of CRDs are whole"
        );
    }

    #[test]
    fn secrets_and_passwords_stay_unseen() {
        let mut secret = json!({"kind": "Secret", "metadata": {"annotations": {}}});
        secret["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!("{\"data\":{\"a\":\"x\"}}");
        assert_eq!(differences(&secret), None);
        let applied = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "PW", "value": "hunter2"}]}]}}}});
        let live = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "PW", "value": "other"}]}]}}}});
        let all = found("apps/v1", applied, live);
        assert_eq!(all[0].0, "spec.template.spec.containers[app].env[PW].value differs (values not shown)");
    }
}
