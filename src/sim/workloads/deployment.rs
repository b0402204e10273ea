//! Deployment: one ReplicaSet per pod template, rolled from old to new (`pkg/controller/deployment`).

use super::rolling::{Bounds, Share, scale_down, scale_up};
use crate::sim::controllers::meta::{
    annotation, child, condition, controlled_by, deleting, hash_of, int_or_percent, new_condition, set, set_condition,
    set_key, time_at,
};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{bool_at, int_at, list_at, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

const REPORTER: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Makes, scales and removes ReplicaSets, writes the status.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for deployment in s.of("deployments").iter().filter(|d| !deleting(d)) {
        one(s, deployment, &mut plan);
    }
    plan
}

fn one(s: &Snapshot, d: &Value, plan: &mut Plan) {
    let hash = hash_of(d.pointer("/spec/template").unwrap_or(&Value::Null));
    let wanted = format!("{}-{hash}", name(d));
    let mut sets: Vec<&Value> = s.within("replicasets", namespace(d)).filter(|r| controlled_by(r, d)).collect();
    sets.sort_by_key(|r| revision(r));
    let current = sets.iter().copied().find(|r| name(r) == wanted);
    let old: Vec<&Value> = sets.iter().copied().filter(|r| name(r) != wanted).collect();
    if !bool_at(d, "/spec/paused") {
        match current {
            None => plan.push(Write::Create(new_set(d, &wanted, &hash, next_revision(&sets)))),
            Some(new) => roll(s, d, new, &old, plan),
        }
        let newest = current
            .map_or(next_revision(&sets), |r| revision(r).max(old.iter().map(|o| revision(o)).max().unwrap_or(0) + 1));
        annotate(d, current, newest, plan);
        forget_history(d, &old, plan);
    } else if let Some(new) = current.filter(|_| sets.iter().filter(|r| size(r) > 0).count() <= 1) {
        resize(d, new, replicas(d), plan);
    }
    status(s, d, current, &sets, plan);
}

fn revision(set: &Value) -> i64 {
    annotation(set, REVISION).parse().unwrap_or(0)
}

fn next_revision(sets: &[&Value]) -> i64 {
    sets.iter().map(|r| revision(r)).max().unwrap_or(0) + 1
}

fn replicas(d: &Value) -> i64 {
    int_at(d, "/spec/replicas").unwrap_or(1).max(0)
}

fn size(set: &Value) -> i64 {
    int_at(set, "/spec/replicas").unwrap_or(1)
}

fn bounds(d: &Value) -> Bounds {
    let replicas = replicas(d);
    let quarter = json!("25%");
    let of = |key: &str| d.pointer(&format!("/spec/strategy/rollingUpdate/{key}")).unwrap_or(&quarter).clone();
    let surge = int_or_percent(Some(&of("maxSurge")), replicas, true).unwrap_or(0);
    let mut unavailable = int_or_percent(Some(&of("maxUnavailable")), replicas, false).unwrap_or(0);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    Bounds { replicas, surge, unavailable: unavailable.min(replicas) }
}

fn share(set: &Value) -> Share {
    Share { wanted: size(set), available: int_at(set, "/status/availableReplicas").unwrap_or(0) }
}

fn roll(s: &Snapshot, d: &Value, new: &Value, old: &[&Value], plan: &mut Plan) {
    let shares: Vec<Share> = old.iter().map(|r| share(r)).collect();
    if str_at(d, "/spec/strategy/type") == "Recreate" {
        old.iter().filter(|r| size(r) > 0).for_each(|r| resize(d, r, 0, plan));
        let pods_left = s.within("pods", namespace(d)).any(|p| old.iter().any(|r| controlled_by(p, r)));
        if !pods_left {
            resize(d, new, replicas(d), plan);
        }
        return;
    }
    let up = scale_up(bounds(d), share(new), &shares);
    if up != size(new) {
        // One step at a time: the next run sees what this one did.
        return resize(d, new, up, plan);
    }
    for (set, to) in old.iter().zip(scale_down(bounds(d), share(new), &shares)) {
        resize(d, set, to, plan);
    }
}

fn resize(d: &Value, target: &Value, to: i64, plan: &mut Plan) {
    let from = size(target);
    if from == to {
        return;
    }
    let mut new = target.clone();
    set(&mut new, "spec.replicas", json!(to));
    set_key(
        &mut new,
        "metadata.annotations",
        "deployment.kubernetes.io/desired-replicas",
        json!(replicas(d).to_string()),
    );
    plan.push(Write::Update(new));
    let direction = if to > from { "up" } else { "down" };
    let message = format!("Scaled {direction} replica set {} from {from} to {to}", name(target));
    plan.event(REPORTER, d, false, "ScalingReplicaSet", message);
}

fn new_set(d: &Value, wanted: &str, hash: &str, revision: i64) -> Value {
    let mut set_ = child(d, "apps/v1", "ReplicaSet", wanted);
    let mut template = d.pointer("/spec/template").cloned().unwrap_or_default();
    set_key(&mut template, "metadata.labels", "pod-template-hash", json!(hash));
    let mut selector = d.pointer("/spec/selector").cloned().unwrap_or_default();
    set_key(&mut selector, "matchLabels", "pod-template-hash", json!(hash));
    set(&mut set_, "metadata.labels", template.pointer("/metadata/labels").cloned().unwrap_or_default());
    let limits = bounds(d);
    set(
        &mut set_,
        "metadata.annotations",
        json!({
            "deployment.kubernetes.io/desired-replicas": limits.replicas.to_string(),
            "deployment.kubernetes.io/max-replicas": (limits.replicas + limits.surge).to_string(),
            REVISION: revision.to_string(),
        }),
    );
    set(&mut set_, "spec", json!({"replicas": 0, "selector": selector, "template": template}));
    set(&mut set_, "status", json!({"replicas": 0}));
    set_
}

/// The revision stands on the Deployment and on its newest ReplicaSet; an old one that is taken up again becomes newest.
fn annotate(d: &Value, current: Option<&Value>, newest: i64, plan: &mut Plan) {
    for object in std::iter::once(d).chain(current) {
        if annotation(object, REVISION) != newest.to_string() {
            let mut new = object.clone();
            set_key(&mut new, "metadata.annotations", REVISION, json!(newest.to_string()));
            plan.push(Write::Update(new));
        }
    }
}

fn forget_history(d: &Value, old: &[&Value], plan: &mut Plan) {
    let limit = int_at(d, "/spec/revisionHistoryLimit").unwrap_or(10).max(0) as usize;
    let empty: Vec<_> =
        old.iter().filter(|r| size(r) == 0 && int_at(r, "/status/replicas").unwrap_or(0) == 0).collect();
    for set in empty.iter().take(empty.len().saturating_sub(limit)) {
        plan.push(Write::Delete((**set).clone()));
    }
}

fn status(s: &Snapshot, d: &Value, current: Option<&Value>, sets: &[&Value], plan: &mut Plan) {
    let sum = |key: &str| -> i64 { sets.iter().map(|r| int_at(r, &format!("/status/{key}")).unwrap_or(0)).sum() };
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let updated = current.and_then(|r| int_at(r, "/status/replicas")).unwrap_or(0);
    let unavailable = (sets.iter().map(|r| size(r)).sum::<i64>() - available).max(0);
    let mut new = d.clone();
    let mut status = json!({"observedGeneration": int_at(d, "/metadata/generation").unwrap_or(1)});
    let counts = [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", unavailable),
    ];
    for (key, n) in counts.into_iter().filter(|(_, n)| *n > 0) {
        set(&mut status, key, json!(n));
    }
    set(&mut status, "terminatingReplicas", json!(sum("terminatingReplicas")));
    set(&mut status, "conditions", json!(list_at(d, "/status/conditions")));
    set(&mut new, "status", status);
    let enough = available >= replicas(d) - bounds(d).unavailable;
    let available_condition = match enough {
        true => new_condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability."),
        false => new_condition(
            "Available",
            false,
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        ),
    };
    put(&mut new, available_condition, s.now);
    let done = updated == replicas(d) && total == updated && available == updated;
    let progress = progressing(s.now, d, current, done, (updated, available), plan);
    put(&mut new, progress, s.now);
    plan.status_if_changed(d, new);
}

/// The `Progressing` condition. A Deployment that makes no progress for `progressDeadlineSeconds` says so; the clock
/// starts at the last update of the condition, which moves with every step forward.
fn progressing(
    now: Time,
    d: &Value,
    current: Option<&Value>,
    done: bool,
    (updated, available): (i64, i64),
    plan: &mut Plan,
) -> Value {
    let name = current.map_or("", name);
    if done {
        let text = format!("ReplicaSet \"{name}\" has successfully progressed.");
        return new_condition("Progressing", true, "NewReplicaSetAvailable", &text);
    }
    let deadline = int_at(d, "/spec/progressDeadlineSeconds").unwrap_or(600);
    let old = condition(d, "Progressing");
    let since = old.map_or(now, |c| time_at(c, "/lastUpdateTime"));
    let was = |key: &str| int_at(d, &format!("/status/{key}")).unwrap_or(0);
    let moved = updated > was("updatedReplicas")
        || available > was("availableReplicas")
        || old.is_some_and(|c| str_at(c, "/reason") == "NewReplicaSetAvailable");
    if !moved && now.0 >= since.0.saturating_add(deadline) {
        let text = format!("ReplicaSet \"{name}\" has timed out progressing.");
        return new_condition("Progressing", false, "ProgressDeadlineExceeded", &text);
    }
    plan.wake_at(Time(since.0.saturating_add(deadline).max(now.0 + 1)));
    let mut text =
        new_condition("Progressing", true, "ReplicaSetUpdated", &format!("ReplicaSet \"{name}\" is progressing."));
    if moved {
        set(&mut text, "lastUpdateTime", json!(now.rfc3339()));
    }
    text
}

/// Sets a condition with `lastUpdateTime`, which moves when reason or status do.
fn put(d: &mut Value, mut new: Value, now: Time) {
    let kind = str_at(&new, "/type").to_string();
    let same = condition(d, &kind)
        .filter(|old| {
            str_at(old, "/reason") == str_at(&new, "/reason") && str_at(old, "/status") == str_at(&new, "/status")
        })
        .map(|old| str_at(old, "/lastUpdateTime").to_string());
    if new.get("lastUpdateTime").is_none() {
        set(&mut new, "lastUpdateTime", json!(same.unwrap_or_else(|| now.rfc3339())));
    }
    set_condition(d, new, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn deployment(image: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d", "generation": 3},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "w", "image": image}]}}}})
    }

    fn created(plan: &Plan) -> Value {
        plan.writes.iter().find_map(|w| if let Write::Create(o) = w { Some(o.clone()) } else { None }).unwrap()
    }

    #[test]
    fn a_template_gets_a_replica_set_of_its_own() {
        let mut s = Snapshot::new(Time(0), 1);
        s.put("deployments", vec![Arc::new(deployment("w:1"))]);
        let first = created(&reconcile(&s));
        let hash = str_at(&first, "/metadata/labels/pod-template-hash").to_string();
        assert_eq!(name(&first), format!("web-{hash}"));
        assert_eq!(str_at(&first, "/spec/selector/matchLabels/pod-template-hash"), hash);
        s.put("replicasets", vec![Arc::new(first)]);
        s.put("deployments", vec![Arc::new(deployment("w:2"))]);
        let second = created(&reconcile(&s));
        assert_eq!(annotation(&second, REVISION), "2");
    }

    #[test]
    fn the_status_counts_and_judges() {
        let mut s = Snapshot::new(Time(100), 1);
        s.put("deployments", vec![Arc::new(deployment("w:1"))]);
        let mut set_ = created(&reconcile(&s));
        set(&mut set_, "spec.replicas", json!(3));
        set(&mut set_, "status", json!({"replicas": 3, "readyReplicas": 2, "availableReplicas": 2}));
        s.put("replicasets", vec![Arc::new(set_)]);
        let plan = reconcile(&s);
        let status =
            plan.writes.iter().find_map(|w| if let Write::Status(o) = w { Some(o.clone()) } else { None }).unwrap();
        assert_eq!(int_at(&status, "/status/unavailableReplicas"), Some(1));
        assert_eq!(str_at(condition(&status, "Available").unwrap(), "/reason"), "MinimumReplicasUnavailable");
        assert_eq!(str_at(condition(&status, "Progressing").unwrap(), "/reason"), "ReplicaSetUpdated");
        assert_eq!(plan.wake, Some(Time(700)), "the deadline");
    }
}
