//! An object edited as text: what the person changed, as fields, and the plan for an object that no repository holds.
//!
//! Where Argo CD tracks the object, the same fields go through git (see [`super::field`]); a live write would be taken
//! back.

use super::{Line, Occasion, Part, Patch, Plan};
use crate::gitops::change::{FieldChange, diff};
use crate::gitops::field::{FieldPath, Segment};
use crate::gitops::{Refusal, yaml};
use crate::world::object::{ObjectRef, controller, name, namespace, str_at};
use crate::world::text::clean;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Parts of `metadata` that the API server writes by itself (`ObjectMeta` in the API reference: read-only).
const SERVERS: [&str; 6] = ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// The object without what nobody can edit: the status, and what the server writes into `metadata`.
pub fn editable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.shift_remove("status");
    }
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        SERVERS.iter().for_each(|key| drop(meta.shift_remove(*key)));
    }
    object
}

/// Reads what came out of the editor. `before` is what went in. `None`: nothing changed (or everything was deleted,
/// which means the same, as in `kubectl edit`).
///
/// # Errors
/// Not YAML, several documents, another object than before, a field that the server owns.
pub fn read(before: &Value, text: &str) -> Result<Option<Value>, Refusal> {
    let mut documents = yaml::documents(text)?;
    let Some(after) = documents.pop() else { return Ok(None) };
    if !documents.is_empty() {
        return Err(Refusal("holds several documents: one object is edited at a time".into()));
    }
    if !after.is_object() {
        return Err(Refusal("is not the manifest of an object".into()));
    }
    let (was, is) = (ObjectRef::of(before), ObjectRef::of(&after));
    if was != is || str_at(before, "/apiVersion") != str_at(&after, "/apiVersion") {
        return Err(Refusal(format!(
            "is about {} {is} by now, not {} {was}: kind, name, namespace and apiVersion cannot be edited",
            str_at(&after, "/apiVersion"),
            str_at(before, "/apiVersion"),
        )));
    }
    let owned = ["status"].iter().map(|key| FieldPath::keys([*key]));
    let owned = owned.chain(SERVERS.iter().map(|key| FieldPath::keys(["metadata", *key])));
    if let Some(path) = owned.into_iter().find(|path| path.get(&after).is_some()) {
        return Err(Refusal(format!("sets {path}, which only the cluster writes")));
    }
    Ok((!live_fields(before, &after).is_empty()).then_some(after))
}

/// The differences as a merge patch can express them: lists as a whole.
pub fn live_fields(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut fields = vec![];
    // (Lists are never looked into, so nothing can be refused.)
    let _ = compare(&FieldPath::default(), Some(before), Some(after), false, &mut fields);
    fields
}

/// The differences field by field, as a manifest is edited: single values, through lists by the items' names.
///
/// # Errors
/// A list got or lost items.
pub fn git_fields(before: &Value, after: &Value) -> Result<Vec<FieldChange>, Refusal> {
    let mut fields = vec![];
    compare(&FieldPath::default(), Some(before), Some(after), true, &mut fields)?;
    Ok(fields)
}

/// `leaves`: go on to single values, also where a whole mapping came or went.
fn compare(
    path: &FieldPath,
    before: Option<&Value>,
    after: Option<&Value>,
    leaves: bool,
    fields: &mut Vec<FieldChange>,
) -> Result<(), Refusal> {
    let (before, after) = (before.filter(|v| !v.is_null()), after.filter(|v| !v.is_null()));
    let empty = Map::new();
    let inside = |value: Option<&'_ Value>| value.and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    match (before, after) {
        _ if before == after => Ok(()),
        (Some(Value::Object(a)), Some(Value::Object(b))) => each(path, a, b, leaves, fields),
        (None, Some(Value::Object(b))) if leaves && inside(after) => each(path, &empty, b, leaves, fields),
        (Some(Value::Object(a)), None) if leaves && inside(before) => each(path, a, &empty, leaves, fields),
        (Some(Value::Array(a)), Some(Value::Array(b))) if leaves => {
            for ((segment, a), b) in segments(path, a, b)?.into_iter().zip(a).zip(b) {
                let mut path = path.clone();
                path.0.push(segment);
                compare(&path, Some(a), Some(b), leaves, fields)?;
            }
            Ok(())
        }
        (a, b) if leaves && (a.is_some_and(Value::is_array) || b.is_some_and(Value::is_array)) => Err(structure(path)),
        (a, b) => {
            fields.push(FieldChange::new(path.clone(), a.cloned(), b.map(without_nulls)));
            Ok(())
        }
    }
}

fn each(
    path: &FieldPath,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    leaves: bool,
    fields: &mut Vec<FieldChange>,
) -> Result<(), Refusal> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .try_for_each(|key| compare(&path.clone().key(key), before.get(key), after.get(key), leaves, fields))
}

/// How the items of a list are addressed: by name where all have one, else by position.
fn segments(path: &FieldPath, before: &[Value], after: &[Value]) -> Result<Vec<Segment>, Refusal> {
    let names = |list: &[Value]| -> Option<Vec<String>> {
        let names: Option<Vec<String>> = list.iter().map(|item| item.get("name")?.as_str().map(String::from)).collect();
        names.filter(|all| all.iter().collect::<BTreeSet<_>>().len() == all.len())
    };
    match (names(before), names(after)) {
        (Some(a), Some(b)) if a == b => Ok(a.into_iter().map(|name| Segment::Item { name }).collect()),
        (Some(_), Some(_)) => Err(structure(path)),
        _ if before.len() == after.len() => Ok((0..before.len()).map(Segment::Index).collect()),
        _ => Err(structure(path)),
    }
}

fn structure(path: &FieldPath) -> Refusal {
    Refusal(format!(
        "the list {path} has other items than before; in a repository only single values are edited: change the file by hand"
    ))
}

/// A merge patch reads null as "take it away"; in a new mapping there is nothing to take away.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, v)| !v.is_null());
            Value::Object(kept.map(|(k, v)| (k.clone(), without_nulls(v))).collect())
        }
        other => other.clone(),
    }
}

/// A JSON merge patch of fields that do not go through lists ([`live_fields`]).
pub fn merge_patch(fields: &[FieldChange]) -> Value {
    let mut body = json!({});
    for field in fields {
        if let Some(part) = field.path.merge_patch(field.after.clone().unwrap_or(Value::Null)) {
            super::live::merge(&mut body, part);
        }
    }
    body
}

/// The fields with the values that the server would store, as its dry run answered: defaults filled in, quantities
/// written its way. Compared with these, an operation that was cut off finds its own work again.
pub fn as_stored(fields: Vec<FieldChange>, stored: &Value) -> Vec<FieldChange> {
    let stored = |field: FieldChange| FieldChange {
        after: match field.after {
            Some(typed) => Some(field.path.get(stored).cloned().unwrap_or(typed)),
            None => None,
        },
        ..field
    };
    fields.into_iter().map(stored).collect()
}

/// What is known of an object that is edited live.
#[derive(Clone, Debug)]
pub struct EditFacts {
    /// The live object, as it is now.
    pub object: Value,
    /// Its path on the API server.
    pub path: String,
    /// The fields.
    pub fields: Vec<FieldChange>,
    /// Why it is not edited in a repository.
    pub untracked: String,
    /// The object as text, before.
    pub before: String,
    /// The same, after.
    pub after: String,
}

/// Plans a live edit.
///
/// # Errors
/// Somebody changed one of the fields since.
pub fn plan(on: &Occasion<'_>, facts: &EditFacts) -> Result<Plan, Refusal> {
    let me = ObjectRef::of(&facts.object);
    unchanged(&facts.object, &facts.fields)?;
    let full = match namespace(&facts.object) {
        "" => name(&facts.object).to_string(),
        ns => format!("{ns}/{}", name(&facts.object)),
    };
    let patch = Patch { object: me.clone(), path: facts.path.clone(), fields: facts.fields.clone() };
    let mut lines = vec![Line::new("live", format!("{} {full}", me.kind))];
    lines.extend(Line::diff(diff(&facts.before, &facts.after)));
    lines.push(Line::new("order", "live only, if nobody changes these fields meanwhile"));
    lines.push(Line::new("undo", format!("kokpit ops {} --undo", on.id)));
    lines.push(Line::warning(clean(&format!("nothing is committed: {}", facts.untracked)).into_owned()));
    if let Some((_, kind, owner)) = controller(&facts.object) {
        let text = format!("{kind} {owner} made it: what it makes next will be as before");
        lines.push(Line::warning(clean(&text).into_owned()));
    }
    Ok(Plan {
        parts: vec![Part::Live { patches: vec![patch] }],
        lines,
        ..on.draft("edit", format!("edit {}/{full} on {}", me.kind.to_lowercase(), on.cluster))
    })
}

/// Refuses when a field is not any more what the person saw in the editor.
pub fn unchanged(object: &Value, fields: &[FieldChange]) -> Result<(), Refusal> {
    let found = |path: &FieldPath| path.get(object).filter(|v| !v.is_null());
    match fields.iter().find(|field| found(&field.path) != field.before.as_ref()) {
        None => Ok(()),
        Some(field) => {
            let who = super::live::writer(object, &field.path).map_or(String::new(), |who| format!(" (by {who})"));
            Err(Refusal(format!("{} was changed{who} while it was being edited: edit it again", field.path)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::time::Time;

    fn web() -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 2, "paused": true, "template": {"spec": {"containers": [
                {"name": "app", "image": "a:1", "args": ["-v", "-q"]}, {"name": "side", "image": "s:1"}]}}}})
    }

    fn edited(change: impl Fn(&mut Value)) -> Value {
        let mut after = web();
        change(&mut after);
        after
    }

    fn paths(fields: &[FieldChange]) -> Vec<String> {
        let one = |f: &FieldChange| {
            let show = crate::gitops::change::show;
            format!("{} {} {}", f.path, show(&f.before), show(&f.after))
        };
        fields.iter().map(one).collect()
    }

    #[test]
    fn what_the_cluster_writes_is_not_offered() {
        let mut live = web();
        live["status"] = json!({"replicas": 2});
        live["metadata"]["managedFields"] = json!([]);
        live["metadata"]["resourceVersion"] = json!("7");
        assert_eq!(editable(&live), web());
    }

    #[test]
    fn the_text_is_read_back() {
        let before = web();
        let text = |v: &Value| format!("# header\n{}", serde_json::to_string(v).unwrap());
        assert_eq!(read(&before, &text(&before)), Ok(None));
        assert_eq!(read(&before, "# all gone\n"), Ok(None));
        let nulled = edited(|v| v["spec"]["selector"] = Value::Null);
        assert_eq!(read(&before, &text(&nulled)), Ok(None), "null where nothing was");
        let scaled = edited(|v| v["spec"]["replicas"] = json!(3));
        assert_eq!(read(&before, &text(&scaled)), Ok(Some(scaled)));
    }

    #[test]
    fn what_is_no_edit_of_this_object_is_refused() {
        let refused = |text: &str| read(&web(), text).expect_err(text).0;
        assert!(refused("a: [").contains("not YAML"));
        assert!(refused("a: 1\n---\nb: 2\n").contains("several documents"));
        assert!(refused("just text").contains("not the manifest"));
        for (pointer, value) in [
            ("/kind", "StatefulSet"),
            ("/metadata/name", "other"),
            ("/metadata/namespace", "else"),
            ("/apiVersion", "apps/v2"),
        ] {
            let other = edited(|v| *v.pointer_mut(pointer).unwrap() = json!(value));
            assert!(refused(&other.to_string()).contains("cannot be edited"), "{pointer}");
        }
        let status = edited(|v| v["status"] = json!({"replicas": 9}));
        assert!(refused(&status.to_string()).contains("sets status, which only the cluster writes"));
    }

    #[test]
    fn in_git_single_values_change_through_lists_by_name() {
        let after = edited(|v| {
            v["spec"]["replicas"] = json!(3);
            v["spec"].as_object_mut().unwrap().remove("paused");
            v["spec"]["template"]["spec"]["containers"][1]["image"] = json!("s:2");
            v["spec"]["template"]["spec"]["containers"][0]["args"][1] = json!("-vv");
            v["spec"]["template"]["spec"]["securityContext"] = json!({"runAsUser": 7, "sysctls": null});
        });
        let fields = git_fields(&web(), &after).unwrap();
        assert_eq!(
            paths(&fields),
            [
                "spec.paused true unset",
                "spec.replicas 2 3",
                "spec.template.spec.containers[app].args[1] \"-q\" \"-vv\"",
                "spec.template.spec.containers[side].image \"s:1\" \"s:2\"",
                "spec.template.spec.securityContext.runAsUser unset 7",
            ]
        );
        let grown = edited(|v| v["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["-v"]));
        let why = git_fields(&web(), &grown).unwrap_err().0;
        assert!(why.contains("spec.template.spec.containers[app].args has other items"), "{why}");
        let renamed = edited(|v| v["spec"]["template"]["spec"]["containers"][1]["name"] = json!("car"));
        assert!(git_fields(&web(), &renamed).unwrap_err().0.contains("other items"));
        let new = edited(|v| v["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v"}]));
        assert!(git_fields(&web(), &new).unwrap_err().0.contains("volumes has other items"));
    }

    #[test]
    fn live_lists_change_as_a_whole() {
        let after = edited(|v| {
            v["spec"]["template"]["spec"]["containers"] = json!([{"name": "app", "image": "a:2"}]);
            v["spec"].as_object_mut().unwrap().remove("paused");
            v["metadata"]["labels"] = json!({"team": "shop"});
        });
        let fields = live_fields(&web(), &after);
        assert_eq!(
            merge_patch(&fields),
            json!({"metadata": {"labels": {"team": "shop"}}, "spec": {"paused": null,
                "template": {"spec": {"containers": [{"name": "app", "image": "a:2"}]}}}})
        );
        let stored = edited(|v| {
            v["spec"]["template"]["spec"]["containers"] =
                json!([{"name": "app", "image": "a:2", "imagePullPolicy": "IfNotPresent"}]);
            v["metadata"]["labels"] = json!({"team": "shop"});
        });
        let fields = as_stored(fields, &stored);
        let list = fields.iter().find(|f| f.path.to_string().ends_with("containers")).unwrap();
        assert_eq!(list.after.as_ref().unwrap()[0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(fields.iter().find(|f| f.path.to_string() == "spec.paused").unwrap().after, None);
    }

    #[test]
    fn a_live_plan_patches_once_and_refuses_what_changed_meanwhile() {
        let on =
            Occasion { id: "01".into(), cluster: "prod", identity: None, protected: false, now: Time(0), reason: "" };
        let fields = live_fields(&web(), &edited(|v| v["spec"]["replicas"] = json!(3)));
        let mut facts = EditFacts {
            object: web(),
            path: "/x".into(),
            fields,
            untracked: "Deployment web is not tracked by Argo CD".into(),
            before: "replicas: 2\n".into(),
            after: "replicas: 3\n".into(),
        };
        let plan = super::plan(&on, &facts).unwrap();
        assert!(matches!(&plan.parts[..], [Part::Live { patches }] if patches[0].fields.len() == 1));
        assert!(plan.lines.iter().any(|l| l.text.contains("nothing is committed")), "{:?}", plan.lines);
        assert_eq!(plan.title, "edit deployment/shop/web on prod");
        facts.object["spec"]["replicas"] = json!(5);
        assert!(super::plan(&on, &facts).unwrap_err().0.contains("spec.replicas was changed"));
    }
}
