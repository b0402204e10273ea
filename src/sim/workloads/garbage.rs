//! The garbage collector: dependents go when their owners are gone (`pkg/controller/garbagecollector`), pods of nodes
//! that are gone (`podgc`), events after an hour.

use crate::sim::controllers::meta::{deleting, time_at, uid};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{list_at, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Kinds that can be owned, and those that own.
const KINDS: [&str; 12] = [
    "deployments",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "replicasets",
    "controllerrevisions",
    "pods",
    "services",
    "endpointslices",
    "nodes",
    "leases",
];

/// How long an event is kept (`--event-ttl`), in seconds.
const EVENT_TTL: i64 = 3_600;

/// Seconds that a pod is left alone on a node that is not there (`podgc`'s `quarantineTime`): the node may be about to
/// register, and a ReplicaSet whose template names a node that never was must not be kept making pods.
const QUARANTINE: i64 = 40;

/// Deletes what nobody owns any more and lets go of owners that wait for their dependents.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    let alive: HashSet<&str> = KINDS.iter().flat_map(|k| s.of(k)).map(|o| uid(o)).collect();
    for object in KINDS.iter().flat_map(|k| s.of(k)) {
        if orphaned(object, &alive) && !deleting(object) {
            plan.push(Write::Delete((**object).clone()));
        } else if deleting(object) {
            finalize(s, object, &mut plan);
        }
    }
    let nodes: HashSet<&str> = s.of("nodes").iter().map(|n| str_at(n, "/metadata/name")).collect();
    for pod in s.of("pods") {
        let node = str_at(pod, "/spec/nodeName");
        if node.is_empty() || nodes.contains(node) {
            continue;
        }
        let due = time_at(pod, "/metadata/creationTimestamp").0.saturating_add(QUARANTINE);
        if due <= s.now.0 {
            plan.push(Write::Remove((**pod).clone()));
        } else {
            plan.wake_at(Time(due));
        }
    }
    for event in s.of("events").iter().filter(|e| last_seen(e) + EVENT_TTL < s.now.0) {
        plan.push(Write::Delete((**event).clone()));
    }
    plan
}

fn last_seen(event: &Value) -> i64 {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .iter()
        .map(|at| time_at(event, at))
        .find(|t| t.is_set())
        .map_or(i64::MAX - EVENT_TTL, |t| t.0)
}

fn orphaned(object: &Value, alive: &HashSet<&str>) -> bool {
    let owners = list_at(object, "/metadata/ownerReferences");
    // An owner of a kind that is not looked at here cannot be judged.
    let known = |o: &Value| {
        matches!(
            str_at(o, "/kind"),
            "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" | "ReplicaSet" | "Pod" | "Service" | "Node"
        )
    };
    !owners.is_empty() && owners.iter().all(|o| known(o) && !alive.contains(str_at(o, "/uid")))
}

/// The finalizers `foregroundDeletion` and `orphan`.
fn finalize(s: &Snapshot, owner: &Value, plan: &mut Plan) {
    let finalizers = list_at(owner, "/metadata/finalizers");
    let Some(which) =
        finalizers.iter().filter_map(Value::as_str).find(|f| matches!(*f, "foregroundDeletion" | "orphan"))
    else {
        return;
    };
    let owns = |o: &&Value| list_at(o, "/metadata/ownerReferences").iter().any(|r| str_at(r, "/uid") == uid(owner));
    let dependents: Vec<&Value> = KINDS.iter().flat_map(|k| s.of(k)).map(AsRef::as_ref).filter(owns).collect();
    for dependent in &dependents {
        if which == "orphan" {
            let mut free = (*dependent).clone();
            let mut owners = list_at(&free, "/metadata/ownerReferences").to_vec();
            owners.retain(|r| str_at(r, "/uid") != uid(owner));
            free["metadata"]["ownerReferences"] = Value::Array(owners);
            plan.push(Write::Update(free));
        } else if !deleting(dependent) {
            plan.push(Write::Delete((*dependent).clone()));
        }
    }
    if dependents.is_empty() || which == "orphan" {
        let mut done = owner.clone();
        let left: Vec<_> = finalizers.iter().filter(|f| f.as_str() != Some(which)).cloned().collect();
        done["metadata"]["finalizers"] = json!(left);
        plan.push(Write::Update(done));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn only_objects_without_any_living_owner_go() {
        let pod = |name: &str, owner: &str| {
            Arc::new(
                json!({"kind": "Pod", "metadata": {"name": name, "namespace": "x", "uid": name, "ownerReferences": [{"kind": "ReplicaSet", "uid": owner}]}}),
            )
        };
        let mut s = Snapshot::new(Time(0), 1);
        s.put(
            "replicasets",
            vec![Arc::new(json!({"kind": "ReplicaSet", "metadata": {"name": "r", "namespace": "x", "uid": "r"}}))],
        );
        s.put(
            "pods",
            vec![pod("kept", "r"), pod("gone", "old"), Arc::new(json!({"metadata": {"name": "free", "uid": "f"}}))],
        );
        let plan = reconcile(&s);
        assert!(matches!(&plan.writes[..], [Write::Delete(o)] if str_at(o, "/metadata/name") == "gone"));
    }

    #[test]
    fn pods_of_a_node_that_never_was_are_left_for_a_while() {
        let made = Time::parse("2026-11-21T10:00:00Z").unwrap();
        let at = |seconds: i64| {
            let pod = json!({"kind": "Pod", "metadata": {"name": "lost", "uid": "l", "creationTimestamp": made.rfc3339()},
                "spec": {"nodeName": "n99"}});
            let mut s = Snapshot::new(Time(made.0 + seconds), 1);
            s.put("pods", vec![Arc::new(pod)]);
            reconcile(&s)
        };
        let early = at(1);
        assert!(early.writes.is_empty());
        assert_eq!(early.wake, Some(Time(made.0 + QUARANTINE)));
        assert!(matches!(&at(QUARANTINE).writes[..], [Write::Remove(_)]));
    }
}
