//! DaemonSet: one pod on every node that fits, pinned by name (`pkg/controller/daemon`).

use super::template::pod_from;
use crate::sim::controllers::meta::{controlled_by, deleting, hash_of, is_ready, is_terminal, label, set};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::sim::scheduler::filters::{matches_affinity, untolerated};
use crate::world::object::{int_at, list_at, name, namespace, str_at};
use serde_json::{Value, json};

const REPORTER: &str = "daemonset-controller";

/// What every daemon pod tolerates (`daemonset_util.go`, AddOrUpdateDaemonPodTolerations).
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Makes and deletes pods, writes the status.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for set in s.of("daemonsets").iter().filter(|o| !deleting(o)) {
        one(s, set, &mut plan);
    }
    plan
}

fn one(s: &Snapshot, owner: &Value, plan: &mut Plan) {
    let revision = hash_of(owner.pointer("/spec/template").unwrap_or(&Value::Null));
    let pods: Vec<&Value> = s.within("pods", namespace(owner)).filter(|p| controlled_by(p, owner)).collect();
    let probe = daemon_pod(owner, "probe", "", &revision);
    let nodes: Vec<&str> = s.of("nodes").iter().filter(|n| fits(&probe, n)).map(|n| name(n)).collect();
    for node in &nodes {
        if !pods.iter().any(|p| target(p) == *node) {
            let pod_name = format!("{}-{}", name(owner), s.suffix(&format!("{}/{node}", name(owner))));
            plan.push(Write::Create(daemon_pod(owner, &pod_name, node, &revision)));
            plan.event(REPORTER, owner, false, "SuccessfulCreate", format!("Created pod: {pod_name}"));
        }
    }
    let superfluous = pods.iter().filter(|p| !deleting(p) && (!nodes.contains(&target(p)) || is_terminal(p)));
    superfluous.for_each(|p| remove(owner, p, plan));
    replace_one(owner, &revision, &pods, plan);
    status(owner, &revision, &nodes, &pods, plan);
}

fn daemon_pod(owner: &Value, pod_name: &str, node: &str, revision: &str) -> Value {
    let mut pod = pod_from(owner, pod_name, &[("controller-revision-hash", revision)]);
    let mut tolerations = list_at(owner, "/spec/template/spec/tolerations").to_vec();
    for (key, effect) in TOLERATED {
        tolerations.push(json!({"key": key, "operator": "Exists", "effect": effect}));
    }
    set(&mut pod, "spec.tolerations", Value::Array(tolerations));
    if !node.is_empty() {
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]});
        let path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
        set(&mut pod, path, json!({"nodeSelectorTerms": [term]}));
    }
    pod
}

fn fits(probe: &Value, node: &Value) -> bool {
    matches_affinity(probe, node) && untolerated(probe, node).is_none()
}

/// The node a daemon pod is for: from its affinity, it may not be bound yet.
fn target(pod: &Value) -> &str {
    str_at(
        pod,
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0",
    )
}

/// `RollingUpdate` with `maxUnavailable: 1`: the next outdated pod goes when all others are ready.
fn replace_one(owner: &Value, revision: &str, pods: &[&Value], plan: &mut Plan) {
    if str_at(owner, "/spec/updateStrategy/type") == "OnDelete" {
        return;
    }
    let outdated = |p: &&&Value| label(p, "controller-revision-hash") != revision && !deleting(p);
    let next = pods.iter().filter(outdated).min_by_key(|p| is_ready(p));
    if let Some(pod) = next {
        let others_ready = pods.iter().filter(|p| name(p) != name(pod)).all(|p| is_ready(p) && !deleting(p));
        if others_ready || !is_ready(pod) {
            remove(owner, pod, plan);
        }
    }
}

fn remove(owner: &Value, pod: &Value, plan: &mut Plan) {
    plan.push(Write::Delete(pod.clone()));
    plan.event(REPORTER, owner, false, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
}

fn status(owner: &Value, revision: &str, nodes: &[&str], pods: &[&Value], plan: &mut Plan) {
    let live: Vec<_> = pods.iter().filter(|p| !deleting(p) && nodes.contains(&target(p))).collect();
    let ready = live.iter().filter(|p| is_ready(p)).count();
    let mut status = json!({
        "currentNumberScheduled": live.len(), "desiredNumberScheduled": nodes.len(), "numberMisscheduled": 0,
        "numberReady": ready, "observedGeneration": int_at(owner, "/metadata/generation").unwrap_or(1),
        "updatedNumberScheduled": live.iter().filter(|p| label(p, "controller-revision-hash") == revision).count(),
    });
    let missing = nodes.len().saturating_sub(ready);
    for (key, n) in [("numberAvailable", ready), ("numberUnavailable", missing)].into_iter().filter(|(_, n)| *n > 0) {
        set(&mut status, key, json!(n));
    }
    let mut new = owner.clone();
    set(&mut new, "status", status);
    plan.status_if_changed(owner, new);
}
