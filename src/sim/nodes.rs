//! What nodes do by themselves: leases, the taint that goes with a cordon, heartbeats; and the leases of the control plane.

use crate::sim::controllers::meta::{set, time_at};
use crate::sim::controllers::plan::{EventNote, Plan, Snapshot, Write};
use crate::world::object::{bool_at, list_at, name, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

const TAINT: &str = "node.kubernetes.io/unschedulable";
/// Seconds between two renewals of a lease (`nodeLeaseRenewIntervalFraction` of 40 s).
const RENEW: i64 = 10;
/// Seconds between two reports of a node that has nothing new to say (`nodeStatusReportFrequency`).
const REPORT: i64 = 300;

/// Keeps taints, leases and heartbeats.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for node in s.of("nodes") {
        cordon_taint(s, node, &mut plan);
        lease(s, "kube-node-lease", name(node), 40, Some(node), &mut plan);
        heartbeat(s, node, &mut plan);
    }
    for component in ["kube-scheduler", "kube-controller-manager"] {
        lease(s, "kube-system", component, 15, None, &mut plan);
    }
    plan
}

/// `spec.unschedulable` carries a taint with it (`pkg/controller/nodelifecycle`), and the kubelet says so.
fn cordon_taint(s: &Snapshot, node: &Value, plan: &mut Plan) {
    let cordoned = bool_at(node, "/spec/unschedulable");
    let taints = list_at(node, "/spec/taints");
    let tainted = taints.iter().any(|t| str_at(t, "/key") == TAINT);
    if cordoned == tainted {
        return;
    }
    let mut new = node.clone();
    let mut kept: Vec<Value> = taints.iter().filter(|t| str_at(t, "/key") != TAINT).cloned().collect();
    if cordoned {
        kept.push(json!({"key": TAINT, "effect": "NoSchedule", "timeAdded": s.now.rfc3339()}));
    }
    match kept.is_empty() {
        true => crate::sim::controllers::meta::remove_key(&mut new, "spec", "taints"),
        false => set(&mut new, "spec.taints", Value::Array(kept)),
    }
    plan.push(Write::Update(new));
    let reason = if cordoned { "NodeNotSchedulable" } else { "NodeSchedulable" };
    plan.note(EventNote {
        about: node.clone(),
        warning: false,
        reason,
        message: format!("Node {} status is now: {reason}", name(node)),
        reporter: "kubelet",
        host: name(node).into(),
        field: String::new(),
        every: 0,
    });
}

fn lease(s: &Snapshot, ns: &str, holder: &str, duration: i64, owner: Option<&Value>, plan: &mut Plan) {
    let renewed = json!(micro(s.now));
    match s.get("leases", ns, holder) {
        None => {
            let mut new = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": holder, "namespace": ns},
                "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": renewed},
            });
            if let Some(node) = owner {
                let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": name(node), "uid": str_at(node, "/metadata/uid")}]);
                set(&mut new, "metadata.ownerReferences", owner);
            }
            plan.push(Write::Create(new));
            plan.wake_at(Time(s.now.0 + RENEW));
        }
        Some(old) => {
            let due = Time(time_at(old, "/spec/renewTime").0.saturating_add(RENEW));
            if s.now < due {
                return plan.wake_at(due);
            }
            let mut new = old.clone();
            set(&mut new, "spec.renewTime", renewed);
            plan.push(Write::Update(new));
            plan.wake_at(Time(s.now.0 + RENEW));
        }
    }
}

fn heartbeat(s: &Snapshot, node: &Value, plan: &mut Plan) {
    let last = list_at(node, "/status/conditions").iter().map(|c| time_at(c, "/lastHeartbeatTime")).max();
    if last.is_none_or(|t| s.now.0 < t.0.saturating_add(REPORT)) {
        return;
    }
    let mut new = node.clone();
    let conditions = new.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        set(condition, "lastHeartbeatTime", json!(s.now.rfc3339()));
    }
    plan.push(Write::Status(new));
}

/// A `MicroTime`: always six digits.
pub fn micro(time: Time) -> String {
    time.rfc3339().replace('Z', ".000000Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_cordon_brings_its_taint_and_takes_it_away() {
        let tainted = |node: Value| {
            let mut s = Snapshot::new(Time(0), 1);
            s.put("nodes", vec![Arc::new(node)]);
            reconcile(&s).writes.into_iter().find_map(|w| if let Write::Update(n) = w { Some(n) } else { None })
        };
        let other = json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"});
        let cordoned =
            tainted(json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true, "taints": [other]}})).unwrap();
        assert_eq!(list_at(&cordoned, "/spec/taints").len(), 2);
        let mut open = cordoned.clone();
        crate::sim::controllers::meta::remove_key(&mut open, "spec", "unschedulable");
        assert_eq!(tainted(open).unwrap()["spec"]["taints"], json!([other]));
    }
}
