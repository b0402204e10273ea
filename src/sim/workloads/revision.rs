//! ControllerRevisions: the pod templates of StatefulSets and DaemonSets, kept to go back to (`pkg/controller/history`).

use crate::sim::controllers::meta::{child, controlled_by, deleting, hash_of, label, set, set_key};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{int_at, name, namespace};
use serde_json::{Value, json};

const HASH: &str = "controller.kubernetes.io/hash";

/// Keeps the template of every set as its newest revision, and forgets the oldest that no pod is of.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for plural in ["statefulsets", "daemonsets"] {
        s.of(plural).iter().filter(|set| !deleting(set)).for_each(|set| one(s, set, &mut plan));
    }
    plan
}

fn one(s: &Snapshot, owner: &Value, plan: &mut Plan) {
    let hash = hash_of(owner.pointer("/spec/template").unwrap_or(&Value::Null));
    let mut kept: Vec<&Value> =
        s.within("controllerrevisions", namespace(owner)).filter(|r| controlled_by(r, owner)).collect();
    kept.sort_by_key(|revision| number(revision));
    let newest = kept.last().map_or(0, |revision| number(revision));
    match kept.iter().find(|revision| label(revision, HASH) == hash) {
        None => plan.push(Write::Create(revision_of(owner, &hash, newest + 1))),
        // One that is gone back to becomes the newest.
        Some(known) if number(known) < newest => {
            let mut again = (*known).clone();
            set(&mut again, "revision", json!(newest + 1));
            plan.push(Write::Update(again));
        }
        Some(_) => {}
    }
    let limit = int_at(owner, "/spec/revisionHistoryLimit").unwrap_or(10).max(0);
    let pods: Vec<&Value> = s.within("pods", namespace(owner)).filter(|p| controlled_by(p, owner)).collect();
    let in_use = |revision: &Value| {
        let own = label(revision, HASH);
        own == hash || pods.iter().any(|pod| label(pod, "controller-revision-hash").ends_with(own))
    };
    let old: Vec<&Value> = kept.into_iter().filter(|revision| !in_use(revision)).collect();
    let too_many = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    old.into_iter().take(too_many).for_each(|revision| plan.push(Write::Delete(revision.clone())));
}

fn number(revision: &Value) -> i64 {
    int_at(revision, "/revision").unwrap_or(0)
}

/// The template as the patch that brings it back.
fn revision_of(owner: &Value, hash: &str, number: i64) -> Value {
    let mut template = owner.pointer("/spec/template").cloned().unwrap_or_default();
    set(&mut template, "$patch", json!("replace"));
    let mut made = child(owner, "apps/v1", "ControllerRevision", &format!("{}-{hash}", name(owner)));
    set(&mut made, "metadata.labels", owner.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default());
    set_key(&mut made, "metadata.labels", HASH, json!(hash));
    if let Some(annotations) = owner.pointer("/metadata/annotations") {
        set(&mut made, "metadata.annotations", annotations.clone());
    }
    set(&mut made, "data", json!({"spec": {"template": template}}));
    set(&mut made, "revision", json!(number));
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::object::{list_at, str_at};
    use crate::world::time::Time;
    use std::sync::Arc;

    fn set_of(image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "log", "namespace": "ops", "uid": "d"},
            "spec": {"revisionHistoryLimit": 1, "template": {"metadata": {"labels": {"app": "log"}},
                "spec": {"containers": [{"name": "log", "image": image}]}}}})
    }

    /// Runs on a set with what is kept so far; gives what is kept then, by number.
    fn after(image: &str, kept: &[Value]) -> Vec<Value> {
        let mut s = Snapshot::new(Time(0), 1);
        s.put("daemonsets", vec![Arc::new(set_of(image))]);
        s.put("controllerrevisions", kept.iter().cloned().map(Arc::new).collect());
        let mut now = kept.to_vec();
        for write in reconcile(&s).writes {
            match write {
                Write::Create(object) => now.push(object),
                Write::Update(object) => {
                    now.iter_mut().filter(|o| name(o) == name(&object)).for_each(|o| *o = object.clone())
                }
                Write::Delete(object) => now.retain(|o| name(o) != name(&object)),
                other => panic!("{other:?}"),
            }
        }
        now.sort_by_key(number);
        now
    }

    #[test]
    fn templates_are_kept_taken_up_again_and_forgotten() {
        let first = after("log:1", &[]);
        assert_eq!(
            (first.len(), number(&first[0]), str_at(&first[0], "/data/spec/template/$patch")),
            (1, 1, "replace")
        );
        assert!(after("log:1", &first) == first, "nothing changed");
        let second = after("log:2", &first);
        let images = |kept: &[Value]| -> Vec<String> {
            let image = |r: &Value| str_at(r, "/data/spec/template/spec/containers/0/image").to_string();
            kept.iter().map(image).collect()
        };
        assert_eq!(images(&second), ["log:1", "log:2"]);
        let back = after("log:1", &second);
        assert_eq!((images(&back), number(&back[1])), (vec!["log:2".into(), "log:1".into()], 3));
        // The limit counts those that nothing is of.
        let third = after("log:3", &back);
        let fourth = after("log:3", &third);
        assert_eq!(images(&fourth), ["log:1", "log:3"]);
        assert_eq!(list_at(&fourth[0], "/metadata/ownerReferences").len(), 1);
    }
}
