//! ReplicaSet: as many pods as `spec.replicas` says (`pkg/controller/replicaset`).

use super::template::pod_from;
use crate::sim::controllers::meta::{controlled_by, deleting, is_ready, is_terminal, set, time_at};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{int_at, list_at, name, namespace, str_at};
use serde_json::{Value, json};
use std::sync::Arc;

const REPORTER: &str = "replicaset-controller";

/// Makes and deletes pods, writes the status.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for set in s.of("replicasets").iter().filter(|r| !deleting(r)) {
        one(s, set, &mut plan);
    }
    plan
}

fn one(s: &Snapshot, owner: &Arc<Value>, plan: &mut Plan) {
    let owned: Vec<&Value> =
        s.within("pods", namespace(owner)).filter(|p| controlled_by(p, owner) && !is_terminal(p)).collect();
    let mut active: Vec<&Value> = owned.iter().copied().filter(|p| !deleting(p)).collect();
    let want = int_at(owner, "/spec/replicas").unwrap_or(1).max(0);
    let have = active.len() as i64;
    for i in have..want {
        let pod = pod_from(owner, &format!("{}-{}", name(owner), s.suffix(&format!("{}{i}", name(owner)))), &[]);
        let message = format!("Created pod: {}", name(&pod));
        let mut pod = pod;
        set(&mut pod, "metadata.generateName", json!(format!("{}-", name(owner))));
        plan.push(Write::Create(pod));
        plan.event(REPORTER, owner, false, "SuccessfulCreate", message);
    }
    active.sort_by_key(|p| worth(p));
    for pod in active.iter().take((have - want).max(0) as usize) {
        plan.push(Write::Delete((*pod).clone()));
        plan.event(REPORTER, owner, false, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
    }
    status(owner, &active, owned.len() - active.len(), plan);
}

/// What goes first when there are too many: unscheduled, then pending, then not ready, then the youngest
/// (`controller_utils.go`, ActivePods).
fn worth(pod: &Value) -> (bool, bool, bool, std::cmp::Reverse<i64>) {
    (
        !str_at(pod, "/spec/nodeName").is_empty(),
        str_at(pod, "/status/phase") == "Running",
        is_ready(pod),
        std::cmp::Reverse(time_at(pod, "/metadata/creationTimestamp").0),
    )
}

fn status(owner: &Value, active: &[&Value], terminating: usize, plan: &mut Plan) {
    let ready = active.iter().filter(|p| is_ready(p)).count();
    let mut new = owner.clone();
    let mut status = json!({
        "replicas": active.len(), "fullyLabeledReplicas": active.len(), "terminatingReplicas": terminating,
        "observedGeneration": int_at(owner, "/metadata/generation").unwrap_or(1),
    });
    if ready > 0 {
        set(&mut status, "readyReplicas", json!(ready));
        set(&mut status, "availableReplicas", json!(ready));
    }
    if !list_at(owner, "/status/conditions").is_empty() {
        set(&mut status, "conditions", json!(list_at(owner, "/status/conditions")));
    }
    set(&mut new, "status", status);
    plan.status_if_changed(owner, new);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(replicas: i64, pods: Vec<Value>) -> Snapshot {
        let mut s = Snapshot::new(crate::world::time::Time(0), 7);
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "rs"}, "spec": {"replicas": replicas, "template": {"spec": {"containers": []}}}});
        s.put("replicasets", vec![Arc::new(owner)]);
        s.put("pods", pods.into_iter().map(Arc::new).collect());
        s
    }

    fn pod(name: &str, ready: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"name": name, "namespace": "shop", "ownerReferences": [{"uid": "rs", "controller": true}]},
            "spec": {"nodeName": "n1"}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}})
    }

    #[test]
    fn missing_pods_are_made_with_names_of_their_own() {
        let plan = reconcile(&world(3, vec![pod("a", "True")]));
        let names: Vec<_> =
            plan.writes.iter().filter_map(|w| if let Write::Create(p) = w { Some(name(p)) } else { None }).collect();
        assert_eq!(names.len(), 2);
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn the_least_useful_pod_goes_first() {
        let plan = reconcile(&world(1, vec![pod("good", "True"), pod("bad", "False")]));
        let gone: Vec<_> =
            plan.writes.iter().filter_map(|w| if let Write::Delete(p) = w { Some(name(p)) } else { None }).collect();
        assert_eq!(gone, ["bad"]);
    }
}
