//! StatefulSet: pods with names and claims of their own, one after the other (`pkg/controller/statefulset`).

use super::template::pod_from;
use crate::sim::controllers::meta::{
    child, controlled_by, deleting, hash_of, is_ready, is_terminal, label, set, set_key,
};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{int_at, list_at, name, namespace, str_at};
use serde_json::{Value, json};

const REPORTER: &str = "statefulset-controller";

/// Makes, replaces and deletes pods and claims, writes the status.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for set in s.of("statefulsets").iter().filter(|o| !deleting(o)) {
        one(s, set, &mut plan);
    }
    plan
}

fn one(s: &Snapshot, owner: &Value, plan: &mut Plan) {
    let revision = format!("{}-{}", name(owner), hash_of(owner.pointer("/spec/template").unwrap_or(&Value::Null)));
    let want = int_at(owner, "/spec/replicas").unwrap_or(1).max(0);
    let mut pods: Vec<(i64, &Value)> = s
        .within("pods", namespace(owner))
        .filter(|p| controlled_by(p, owner))
        .filter_map(|p| Some((name(p).strip_prefix(name(owner))?.strip_prefix('-')?.parse().ok()?, p)))
        .collect();
    pods.sort_by_key(|(ordinal, _)| *ordinal);
    if !step_up(s, owner, want, &revision, &pods, plan) {
        step_down(owner, want, &revision, &pods, plan);
    }
    status(owner, &revision, &pods, plan);
}

/// Makes the first pod that is missing; with `OrderedReady` (the default) only once those before it are ready.
/// True when something is under way, so that nothing may be taken down.
fn step_up(s: &Snapshot, owner: &Value, want: i64, revision: &str, pods: &[(i64, &Value)], plan: &mut Plan) -> bool {
    let parallel = str_at(owner, "/spec/podManagementPolicy") == "Parallel";
    for ordinal in 0..want {
        match pods.iter().find(|(o, _)| *o == ordinal).map(|(_, p)| *p) {
            Some(pod) if is_terminal(pod) && !deleting(pod) => {
                plan.push(Write::Delete(pod.clone()));
                return true;
            }
            // A pod of an old revision that is not ready is replaced rather than waited for.
            Some(pod) if !parallel && !is_ready(pod) => {
                return label(pod, "controller-revision-hash") == revision || deleting(pod);
            }
            Some(_) => {}
            None => {
                create(s, owner, ordinal, revision, plan);
                if !parallel {
                    return true;
                }
            }
        }
    }
    false
}

fn create(s: &Snapshot, owner: &Value, ordinal: i64, revision: &str, plan: &mut Plan) {
    let pod_name = format!("{}-{ordinal}", name(owner));
    let labels = [
        ("controller-revision-hash", revision),
        ("statefulset.kubernetes.io/pod-name", pod_name.as_str()),
        ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
    ];
    let mut pod = pod_from(owner, &pod_name, &labels);
    set(&mut pod, "spec.hostname", json!(pod_name));
    set(&mut pod, "spec.subdomain", json!(str_at(owner, "/spec/serviceName")));
    let mut volumes = list_at(&pod, "/spec/volumes").to_vec();
    for template in list_at(owner, "/spec/volumeClaimTemplates") {
        let claim = format!("{}-{pod_name}", name(template));
        volumes.push(json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}}));
        if s.get("persistentvolumeclaims", namespace(owner), &claim).is_none() {
            plan.push(Write::Create(claim_from(owner, template, &claim)));
            let text = format!("Create Claim {claim} Pod {pod_name} in StatefulSet {} success", name(owner));
            plan.event(REPORTER, owner, false, "SuccessfulCreate", text);
        }
    }
    set(&mut pod, "spec.volumes", Value::Array(volumes));
    plan.push(Write::Create(pod));
    let text = format!("Create Pod {pod_name} in StatefulSet {} successful", name(owner));
    plan.event(REPORTER, owner, false, "SuccessfulCreate", text);
}

fn claim_from(owner: &Value, template: &Value, claim_name: &str) -> Value {
    let mut claim = child(owner, "v1", "PersistentVolumeClaim", claim_name);
    // Claims outlive their set (persistentVolumeClaimRetentionPolicy: Retain).
    crate::sim::controllers::meta::remove_key(&mut claim, "metadata", "ownerReferences");
    for (key, value) in owner.pointer("/spec/selector/matchLabels").and_then(Value::as_object).into_iter().flatten() {
        set_key(&mut claim, "metadata.labels", key, value.clone());
    }
    set(&mut claim, "spec", template.get("spec").cloned().unwrap_or_default());
    set(&mut claim, "spec.volumeMode", json!("Filesystem"));
    set(&mut claim, "status", json!({"phase": "Pending"}));
    claim
}

/// Takes away the highest pod that is too many, else replaces the highest of an old revision, one at a time.
fn step_down(owner: &Value, want: i64, revision: &str, pods: &[(i64, &Value)], plan: &mut Plan) {
    if pods.iter().any(|(_, p)| deleting(p)) {
        return;
    }
    let too_many = pods.iter().rev().find(|(ordinal, _)| *ordinal >= want);
    let partition = int_at(owner, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    let rolling = str_at(owner, "/spec/updateStrategy/type") != "OnDelete";
    let outdated = pods
        .iter()
        .rev()
        .find(|(ordinal, p)| rolling && *ordinal >= partition && label(p, "controller-revision-hash") != revision);
    if let Some((_, pod)) = too_many.or(outdated) {
        plan.push(Write::Delete((*pod).clone()));
        let text = format!("Delete Pod {} in StatefulSet {} successful", name(pod), name(owner));
        plan.event(REPORTER, owner, false, "SuccessfulDelete", text);
    }
}

fn status(owner: &Value, revision: &str, pods: &[(i64, &Value)], plan: &mut Plan) {
    let live: Vec<&Value> = pods.iter().map(|(_, p)| *p).filter(|p| !deleting(p)).collect();
    let ready = live.iter().filter(|p| is_ready(p)).count();
    let updated = live.iter().filter(|p| label(p, "controller-revision-hash") == revision).count();
    let finished = updated == live.len();
    let old = str_at(owner, "/status/currentRevision");
    let current = if finished || old.is_empty() { revision } else { old };
    let on_current = live.iter().filter(|p| label(p, "controller-revision-hash") == current).count();
    let mut status = json!({
        "replicas": live.len(), "availableReplicas": ready, "updatedReplicas": updated, "collisionCount": 0,
        "currentRevision": current, "updateRevision": revision, "currentReplicas": on_current,
        "observedGeneration": int_at(owner, "/metadata/generation").unwrap_or(1),
    });
    if ready > 0 {
        set(&mut status, "readyReplicas", json!(ready));
    }
    let mut new = owner.clone();
    set(&mut new, "status", status);
    plan.status_if_changed(owner, new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::time::Time;
    use std::sync::Arc;

    #[test]
    fn the_second_pod_waits_for_the_first_and_claims_are_made() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "pg", "namespace": "db", "uid": "s"},
            "spec": {"replicas": 2, "serviceName": "pg", "selector": {"matchLabels": {"app": "pg"}},
                "template": {"metadata": {"labels": {"app": "pg"}}, "spec": {"containers": [{"name": "pg"}]}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]}});
        let mut s = Snapshot::new(Time(0), 1);
        s.put("statefulsets", vec![Arc::new(owner)]);
        let made = |plan: &Plan| -> Vec<Value> {
            plan.writes.iter().filter_map(|w| if let Write::Create(o) = w { Some(o.clone()) } else { None }).collect()
        };
        let first = made(&reconcile(&s));
        assert_eq!(first.iter().map(name).collect::<Vec<_>>(), ["data-pg-0", "pg-0"]);
        assert_eq!(str_at(&first[1], "/spec/volumes/0/persistentVolumeClaim/claimName"), "data-pg-0");
        let mut pod = first[1].clone();
        s.put("pods", vec![Arc::new(pod.clone())]);
        assert!(made(&reconcile(&s)).is_empty(), "pg-0 is not ready");
        set(&mut pod, "status.conditions", json!([{"type": "Ready", "status": "True"}]));
        s.put("pods", vec![Arc::new(pod)]);
        assert_eq!(made(&reconcile(&s)).iter().map(name).collect::<Vec<_>>(), ["data-pg-1", "pg-1"]);
    }
}
