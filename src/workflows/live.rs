//! Patching live objects: only from the state that was planned from, with the version as a precondition.

use super::machine::{Facts, Run};
use super::{Effect, Event, Mark, Patch, Step};
use crate::gitops::change::show;
use crate::gitops::field::{FieldPath, Segment};
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use serde_json::{Value, json};

/// What to do with an object as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is as intended.
    Already,
    /// Send this JSON merge patch; it carries the `resourceVersion` it was decided on.
    Send(Value),
    /// Somebody changed a field since; the sentence says which and who.
    Changed(String),
}

/// Compares a live object with the patch.
pub fn decide(live: &Value, patch: &Patch) -> Decision {
    let found = |path: &FieldPath| path.get(live).filter(|v| !v.is_null()).cloned();
    let mut body = json!({});
    let mut nothing = true;
    for field in &patch.fields {
        let now = found(&field.path);
        if same(&field.path, &now, &field.after) {
            continue;
        }
        if !same(&field.path, &now, &field.before) {
            let who = writer(live, &field.path).map_or(String::new(), |who| format!(" (by {who})"));
            return Decision::Changed(
                clean(&format!(
                    "{} has {} {} by now, not {}{who}: somebody changed it since; nothing was overwritten",
                    patch.object,
                    field.path,
                    show(&now),
                    show(&field.before)
                ))
                .into_owned(),
            );
        }
        match field.path.merge_patch(field.after.clone().unwrap_or(Value::Null)) {
            Some(part) => merge(&mut body, part),
            None => return Decision::Changed(format!("{} cannot be patched live: it is in a list", field.path)),
        }
        nothing = false;
    }
    if nothing {
        return Decision::Already;
    }
    merge(&mut body, json!({"metadata": {"resourceVersion": str_at(live, "/metadata/resourceVersion")}}));
    Decision::Send(body)
}

/// What of the intent a live object does not show; `None`: nothing.
pub fn differs(live: &Value, patch: &Patch) -> Option<String> {
    let different = patch.fields.iter().find_map(|field| {
        let now = field.path.get(live).filter(|v| !v.is_null()).cloned();
        let same = same(&field.path, &now, &field.after) || equal_quantities(&now, &field.after);
        (!same).then(|| format!("{} is {}, not {}", field.path, show(&now), show(&field.after)))
    });
    different.map(|text| clean(&format!("{}: {text}", patch.object)).into_owned())
}

/// Whether two values mean the same. Absent, null and `false` do to `spec.unschedulable` of a node; elsewhere an absent
/// field may well mean `true` (`automountServiceAccountToken`).
fn same(path: &FieldPath, a: &Option<Value>, b: &Option<Value>) -> bool {
    let off = |value: &Option<Value>| matches!(value, None | Some(Value::Null | Value::Bool(false)));
    a == b || (*path == FieldPath::keys(["spec", "unschedulable"]) && off(a) && off(b))
}

/// The API server writes quantities in its own way: `1000m` becomes `1`.
fn equal_quantities(a: &Option<Value>, b: &Option<Value>) -> bool {
    let parse = |v: &Option<Value>| match v {
        Some(Value::String(text)) => crate::world::quantity::Quantity::parse(text),
        Some(Value::Number(n)) => crate::world::quantity::Quantity::parse(&n.to_string()),
        _ => None,
    };
    matches!((parse(a), parse(b)), (Some(a), Some(b)) if a == b)
}

/// Who last wrote a field, from `metadata.managedFields`: `kubectl-edit at 2026-11-21T10:00:00Z`.
pub fn writer(live: &Value, path: &FieldPath) -> Option<String> {
    let owns = |entry: &&Value| {
        let mut at = entry.get("fieldsV1");
        for segment in &path.0 {
            at = at.and_then(|at| match segment {
                Segment::Key(key) => at.get(format!("f:{key}")),
                Segment::Item { name } => at.get(format!("k:{{\"name\":\"{name}\"}}")),
                Segment::Index(_) => None,
            });
        }
        at.is_some()
    };
    let mut owners: Vec<&Value> = list_at(live, "/metadata/managedFields").iter().filter(owns).collect();
    owners.sort_by_key(|entry| str_at(entry, "/time"));
    let last = owners.last()?;
    let at = str_at(last, "/time");
    let manager = str_at(last, "/manager");
    Some(if at.is_empty() { manager.into() } else { format!("{manager} at {at}") })
}

/// Deep merge of objects; others are replaced.
pub(super) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The part that patches.
#[derive(Debug)]
pub(super) struct Live {
    patches: Vec<Patch>,
    done: Vec<(ObjectRef, bool)>,
    attempted: Vec<ObjectRef>,
    at: Time,
}

impl Live {
    pub fn new(patches: Vec<Patch>) -> Self {
        Self { patches, done: vec![], attempted: vec![], at: Time::NEVER }
    }
}

impl Run for Live {
    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        if let Event::Patched { object, already } = event
            && !self.done.iter().any(|(o, _)| o == object)
        {
            // An earlier run had begun: what is so already, it did.
            let already = *already && !self.attempted.contains(object);
            self.done.push((object.clone(), already));
            self.at = now;
        }
    }

    fn attempted(&mut self, effect: &Effect) {
        if let Effect::Patch(patch) = effect {
            self.attempted.push(patch.object.clone());
        }
    }

    fn decide(&mut self, _: &Facts, _: Time) -> Result<Vec<Effect>, String> {
        let open = self.patches.iter().find(|p| !self.done.iter().any(|(o, _)| *o == p.object));
        Ok(open.map(|p| Effect::Patch(p.clone())).into_iter().collect())
    }

    fn done(&self) -> bool {
        self.patches.iter().all(|p| self.done.iter().any(|(o, _)| *o == p.object))
    }

    fn touched(&self) -> bool {
        let unknown = |object: &ObjectRef| !self.done.iter().any(|(o, _)| o == object);
        self.done.iter().any(|(_, already)| !already) || self.attempted.iter().any(unknown)
    }

    fn steps(&self) -> Vec<Step> {
        let already = self.done() && !self.touched();
        let mark = if already {
            Mark::Skipped
        } else if self.done() {
            Mark::Done
        } else {
            Mark::Waiting
        };
        let names: Vec<&str> = self.patches.iter().map(|p| p.object.name.as_str()).collect();
        let text = format!("live: {}{}", names.join(" "), if already { " (was so already)" } else { "" });
        vec![Step { text, mark, at: self.at }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gitops::change::FieldChange;

    fn patch() -> Patch {
        Patch {
            object: ObjectRef::new("", "Node", "", "n4"),
            path: "/api/v1/nodes/n4".into(),
            fields: vec![
                FieldChange::new(FieldPath::keys(["spec", "unschedulable"]), None, Some(json!(true))),
                FieldChange::new(FieldPath::annotation("kokpit.dev/op"), None, Some(json!("01"))),
            ],
        }
    }

    fn node(spec: Value, annotations: Value) -> Value {
        json!({"metadata": {"name": "n4", "resourceVersion": "7", "annotations": annotations,
            "managedFields": [
                {"manager": "kubelet", "time": "2026-11-21T09:00:00Z", "fieldsV1": {"f:status": {}}},
                {"manager": "kubectl-edit", "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:metadata": {"f:annotations": {"f:kokpit.dev/op": {}}}}},
            ]}, "spec": spec})
    }

    #[test]
    fn the_patch_carries_what_is_missing_and_the_version() {
        let sent = decide(&node(json!({"unschedulable": true}), json!({})), &patch());
        let body = json!({"metadata": {"annotations": {"kokpit.dev/op": "01"}, "resourceVersion": "7"}});
        assert_eq!(sent, Decision::Send(body));
        let back = decide(&node(json!({"unschedulable": true}), json!({"kokpit.dev/op": "01"})), &patch().reversed());
        let body = json!({"spec": {"unschedulable": null},
            "metadata": {"annotations": {"kokpit.dev/op": null}, "resourceVersion": "7"}});
        assert_eq!(back, Decision::Send(body), "null removes the field");
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        let live = node(json!({"unschedulable": true}), json!({"kokpit.dev/op": "01"}));
        assert_eq!(decide(&live, &patch()), Decision::Already);
        assert_eq!(decide(&node(json!({"unschedulable": false}), json!({})), &patch().reversed()), Decision::Already);
    }

    #[test]
    fn an_absent_field_is_false_on_nodes_only() {
        let path = FieldPath::keys(["automountServiceAccountToken"]);
        let patch = Patch { fields: vec![FieldChange::new(path, None, Some(json!(false)))], ..patch() };
        let live = json!({"metadata": {"resourceVersion": "7"}});
        let body = json!({"automountServiceAccountToken": false, "metadata": {"resourceVersion": "7"}});
        assert_eq!(decide(&live, &patch), Decision::Send(body));
        assert!(differs(&live, &patch).is_some());
    }

    #[test]
    fn somebody_elses_change_stops_it_and_is_named() {
        let live = node(json!({}), json!({"kokpit.dev/op": "99"}));
        let Decision::Changed(why) = decide(&live, &patch()) else { panic!("must stop") };
        assert!(why.contains("\"99\" by now") && why.contains("kubectl-edit at 2026-11-21T10:00:00Z"), "{why}");
    }

    #[test]
    fn quantities_are_compared_by_value() {
        let path = FieldPath::keys(["spec", "cpu"]);
        let patch = Patch { fields: vec![FieldChange::new(path, None, Some(json!("1000m")))], ..patch() };
        assert_eq!(differs(&json!({"spec": {"cpu": "1"}}), &patch), None);
        assert!(differs(&json!({"spec": {"cpu": "2"}}), &patch).unwrap().contains("spec.cpu is \"2\", not \"1000m\""));
    }
}
