//! The disruption controller: what a PodDisruptionBudget still allows (`pkg/controller/disruption`).

use crate::sim::controllers::meta::{deleting, int_or_percent, is_ready, new_condition, set, set_condition};
use crate::sim::controllers::plan::{Plan, Snapshot};
use crate::world::object::{controller, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use crate::world::time::Time;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Seconds after which an eviction that was granted but never happened counts no more (`DeletionTimeout`).
const GRANTED_FOR: i64 = 120;

/// Writes `status` of every budget.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for budget in s.of("poddisruptionbudgets").iter().filter(|b| !deleting(b)) {
        one(s, budget, &mut plan);
    }
    plan
}

fn one(s: &Snapshot, budget: &Value, plan: &mut Plan) {
    let selector = budget.pointer("/spec/selector").map(Selector::from_value).unwrap_or_default();
    let pods: Vec<&Value> = s
        .within("pods", namespace(budget))
        .filter(|p| selector.matches(p.pointer("/metadata/labels")))
        .filter(|p| str_at(p, "/status/phase") != "Succeeded" && str_at(p, "/status/phase") != "Failed")
        .collect();
    let expected = expected_pods(s, &pods);
    let desired = desired_healthy(budget, &pods, expected);
    let granted = still_granted(s.now, budget, &pods, plan);
    let healthy = pods.iter().filter(|p| is_ready(p) && !deleting(p) && !granted.contains_key(name(p))).count() as i64;
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    let mut status = json!({
        "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed, "expectedPods": expected,
        "observedGeneration": int_at(budget, "/metadata/generation").unwrap_or(1),
        "conditions": list_at(budget, "/status/conditions"),
    });
    if !granted.is_empty() {
        set(&mut status, "disruptedPods", Value::Object(granted));
    }
    let mut new = budget.clone();
    set(&mut new, "status", status);
    let mut verdict = match allowed {
        0 => new_condition("DisruptionAllowed", false, "InsufficientPods", ""),
        _ => new_condition("DisruptionAllowed", true, "SufficientPods", ""),
    };
    set(&mut verdict, "message", json!(""));
    set(&mut verdict, "observedGeneration", json!(int_at(budget, "/metadata/generation").unwrap_or(1)));
    set_condition(&mut new, verdict, s.now);
    plan.status_if_changed(budget, new);
}

/// The sum of `spec.replicas` over the controllers of the pods; a pod without one counts itself.
fn expected_pods(s: &Snapshot, pods: &[&Value]) -> i64 {
    let owners: BTreeSet<(&str, &str, &str)> = pods
        .iter()
        .map(|p| controller(p).map_or(("", name(p), ""), |(_, kind, owner)| (kind, owner, namespace(p))))
        .collect();
    let scale = |plural: &str, ns: &str, owner: &str| {
        s.get(plural, ns, owner).map(|o| (int_at(o, "/spec/replicas").unwrap_or(1), o))
    };
    let mut deployments = BTreeSet::new();
    let mut sum = 0;
    for (kind, owner, ns) in owners {
        sum += match kind {
            "ReplicaSet" => match scale("replicasets", ns, owner) {
                // During a roll-out several ReplicaSets stand for one Deployment.
                Some((n, set)) => match controller(set) {
                    Some((_, "Deployment", d)) if deployments.insert(d.to_string()) => {
                        scale("deployments", ns, d).map_or(n, |(n, _)| n)
                    }
                    Some((_, "Deployment", _)) => 0,
                    _ => n,
                },
                None => 0,
            },
            "StatefulSet" => scale("statefulsets", ns, owner).map_or(0, |(n, _)| n),
            _ => 1,
        };
    }
    sum
}

fn desired_healthy(budget: &Value, pods: &[&Value], expected: i64) -> i64 {
    if let Some(max) = int_or_percent(budget.pointer("/spec/maxUnavailable"), expected, true) {
        return (expected - max).max(0);
    }
    let minimum = budget.pointer("/spec/minAvailable");
    match minimum.and_then(Value::as_i64) {
        // A plain number is not tied to any controller.
        Some(n) => n,
        None => int_or_percent(minimum, expected.max(pods.len() as i64), true).unwrap_or(1),
    }
}

/// Evictions that were granted and whose pods have not gone yet.
fn still_granted(now: Time, budget: &Value, pods: &[&Value], plan: &mut Plan) -> serde_json::Map<String, Value> {
    let granted = budget.pointer("/status/disruptedPods").and_then(Value::as_object).cloned().unwrap_or_default();
    granted
        .into_iter()
        .filter(|(pod, at)| {
            let there = pods.iter().any(|p| name(p) == pod && !deleting(p));
            let until = at.as_str().and_then(Time::parse).unwrap_or(now).0 + GRANTED_FOR;
            if there && until > now.0 {
                plan.wake_at(Time(until));
            }
            there && until > now.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::controllers::plan::Write;
    use std::sync::Arc;

    fn status(budget: Value, ready: usize, replicas: i64) -> Value {
        let mut s = Snapshot::new(Time(0), 1);
        let budget = json!({"metadata": {"name": "b", "namespace": "x"}, "spec": budget});
        s.put("poddisruptionbudgets", vec![Arc::new(budget)]);
        s.put(
            "replicasets",
            vec![Arc::new(json!({"metadata": {"name": "r", "namespace": "x"}, "spec": {"replicas": replicas}}))],
        );
        let pods = (0..replicas as usize).map(|i| {
            let ready = if i < ready { "True" } else { "False" };
            Arc::new(json!({"metadata": {"name": format!("p{i}"), "namespace": "x", "labels": {"a": "b"}, "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "controller": true}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}}))
        });
        s.put("pods", pods.collect());
        let plan = reconcile(&s);
        let Some(Write::Status(o)) = plan.writes.into_iter().next() else { panic!("no status") };
        o["status"].clone()
    }

    #[test]
    fn numbers_and_percentages() {
        let selector = json!({"matchLabels": {"a": "b"}});
        let s = status(json!({"selector": selector, "maxUnavailable": 1}), 3, 3);
        assert_eq!((&s["disruptionsAllowed"], &s["desiredHealthy"]), (&json!(1), &json!(2)));
        let s = status(json!({"selector": selector, "minAvailable": "50%"}), 2, 3);
        assert_eq!((&s["disruptionsAllowed"], &s["desiredHealthy"]), (&json!(0), &json!(2)));
        assert_eq!(s["conditions"][0]["reason"], "InsufficientPods");
    }
}
