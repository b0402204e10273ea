//! Nodes that leave or have left the cluster.
//!
//! ## node-shutdown-graceful
//! **You see.** Pods with status `Terminated` or `NodeShutdown`; node `NotReady`.
//! **Why.** The machine was shut down in order (reboot, spot interruption, maintenance): its kubelet ended the pods first
//! and refuses new ones.
//! **How kokpit knows.** Ready is False with `node is shutting down`; a pod's message speaks of `imminent node shutdown`;
//! or the pod was refused with the reason `NodeShutdown`.
//! **Looks alike.** `node-unreachable`: there the kubelet went without a word. `evicted-node-pressure`.
//! **Mend it.** Nothing; delete the leftovers. Against the next time: replicas on several nodes, a PodDisruptionBudget.
//!
//! ## node-removed
//! **You see.** Pods vanish, or stay Terminating or Failed on a node that `kubectl get nodes` does not list.
//! **Why.** The Node object is gone: an autoscaler scaled down, somebody deleted it, the cloud reported the machine gone.
//! Its pods are garbage-collected.
//! **How kokpit knows.** The node that the pod ran on does not exist; events of the node tell who removed it, while they
//! last (an hour).
//! **Looks alike.** A pod that names a node which never existed has not been started.
//! **Mend it.** Nothing: workloads make their pods anew. What was on local volumes is lost.
//!
//! ## node-stuck-deleting
//! **You see.** A node is being deleted and stays.
//! **Why.** A finalizer waits for the node to be drained (`karpenter.sh/termination`) or for its machine to end.
//! **How kokpit knows.** `deletionTimestamp` is minutes old and `finalizers` is not empty; every pod that is left is
//! judged as in a drain, and what holds it becomes the reason.
//! **Looks alike.** `node-cordoned`: nobody deletes that node.
//! **Mend it.** Mend what blocks the drain. Taking the finalizer away leaves a machine behind that nobody counts.

use crate::diagnose::causes::drain;
use crate::diagnose::events::Event;
use crate::diagnose::eviction::called;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::NODES;
use crate::diagnose::pods::{self, Stand, condition};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "going.rs";
    "node-shutdown-graceful" "the node was shut down in order" Degraded ["Node", "Pod"] shutdown;
    "node-removed" "the node is gone" Degraded ["Node", "Pod"] removed;
    "node-stuck-deleting" "the node is being deleted and a finalizer waits" Degraded ["Node"] deleting;
}

/// The words of a kubelet whose machine is going down; in the message of Ready.
pub const SHUTTING_DOWN: &str = "node is shutting down";
/// A node that is being deleted is drained first; that takes some minutes.
const DELETING_S: i64 = 300;

fn shutdown(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    match suspect.at.kind.as_str() {
        "Pod" => shutdown_of_pod(case, suspect),
        _ => shutdown_of_node(case, suspect),
    }
}

fn shutdown_of_node(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, node) = (&suspect.at, suspect.object);
    let Some(ready) = condition(node, "Ready").filter(|c| str_at(c, "/message").contains(SHUTTING_DOWN)) else {
        return Ok(Vec::new());
    };
    let since = case.age(str_at(ready, "/lastTransitionTime"));
    let m = Match::on(at, format!("Node {} is shutting down.", at.name)).evidence_aged(
        at,
        "status.conditions[Ready]",
        str_at(ready, "/status"),
        since,
        str_at(ready, "/message"),
    );
    let m = newest(case, at, &case.events(at, "")?, m);
    Ok(vec![
        notice(suspect, m)
            .fix(Fix { summary: "wait for it to come back, or for its replacement".into(), ..Fix::default() }),
    ])
}

/// Evidence: taints by which the cloud's agents announce the end of a machine.
fn notice(suspect: &Suspect<'_>, mut m: Match) -> Match {
    for taint in list_at(suspect.object, "/spec/taints") {
        let key = str_at(taint, "/key");
        if ["termination", "interruption", "shutdown"].iter().any(|word| key.contains(word)) {
            m = m.evidence(&suspect.at, "spec.taints", key, format!("taint {key}"));
        }
    }
    m
}

fn shutdown_of_pod(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, pod) = (&suspect.at, suspect.object);
    let (reason, message) = (str_at(pod, "/status/reason"), str_at(pod, "/status/message"));
    let ended = reason == "Terminated" && message.contains("imminent node shutdown");
    if !ended && reason != "NodeShutdown" {
        return Ok(Vec::new());
    }
    let node = str_at(pod, "/spec/nodeName");
    let age = condition(pod, "DisruptionTarget").and_then(|c| case.age(str_at(c, "/lastTransitionTime")));
    let did = if ended { "ended" } else { "refused" };
    let m =
        Match::on(&NODES.at("", node), format!("Node {node} was shut down in order, and its kubelet {did} the pod."))
            .evidence_aged(at, "status.message", message, age, format!("{reason}: {message}"))
            .explains(at.clone())
            .because(NODES.at("", node));
    let (ns, leftovers) = (namespace(pod), "delete the leftovers");
    Ok(vec![m.fix(Fix {
        summary: leftovers.into(),
        live: format!("kubectl -n {ns} delete pods --field-selector=status.phase=Failed"),
        ..Fix::default()
    })])
}

fn removed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    match suspect.at.kind.as_str() {
        "Pod" => removed_under_pod(case, suspect),
        _ if suspect.exists() => Ok(Vec::new()),
        _ => removed_itself(case, suspect),
    }
}

/// A node that is not there, when its events still tell that it was.
fn removed_itself(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let at = &suspect.at;
    let events = case.events(at, "")?;
    if !events.iter().any(|e| tells_of_removal(e)) {
        return Ok(Vec::new());
    }
    let m = Match::on(at, format!("Node {} is gone.", at.name)).confidence(Confidence::High);
    Ok(vec![newest(case, at, &events, m)])
}

/// Events of the node lifecycle and cloud controllers and of the cluster autoscaler about a node that goes.
fn tells_of_removal(event: &Event<'_>) -> bool {
    ["RemovingNode", "DeletingNode", "ScaleDown"].contains(&event.reason)
}

fn removed_under_pod(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, pod) = (&suspect.at, suspect.object);
    let node = str_at(pod, "/spec/nodeName");
    // One that was never started may name a node that never was.
    let started = !str_at(pod, "/status/startTime").is_empty();
    let collected = condition(pod, "DisruptionTarget").is_some_and(|c| str_at(c, "/reason") == "DeletionByPodGC");
    let well = pods::stand(pod, case.now()) == Stand::Well && !suspect.asked;
    if node.is_empty() || !started || str_at(pod, "/status/phase") == "Succeeded" || (well && !collected) {
        return Ok(Vec::new());
    }
    let gone = NODES.at("", node);
    if case.get(&gone)?.is_some() {
        return Ok(Vec::new());
    }
    let mut m = Match::on(&gone, format!("Node {node}, on which the pod ran, is gone."))
        .evidence(at, "spec.nodeName", node, format!("{} is bound to {node}, which does not exist", called(pod)))
        .explains(at.clone());
    if let Some(said) = condition(pod, "DisruptionTarget") {
        let age = case.age(str_at(said, "/lastTransitionTime"));
        let text = format!("{}: {}", str_at(said, "/reason"), str_at(said, "/message"));
        m = m.evidence_aged(at, "status.conditions[DisruptionTarget]", str_at(said, "/reason"), age, text);
    }
    m = newest(case, &gone, &case.events(&gone, "")?, m);
    Ok(vec![m.fix(Fix {
        summary: "nothing: its pods are garbage-collected, and workloads make theirs anew".into(),
        ..Fix::default()
    })])
}

/// Evidence: the newest events of a node.
fn newest(case: &Case<'_>, at: &ObjectRef, events: &[Event<'_>], mut m: Match) -> Match {
    for event in events.iter().take(3) {
        let text = format!("{}: {}", event.reason, event.message);
        m = m.evidence_aged(at, "", event.reason, Some(event.last.age(case.now())), text);
    }
    m
}

fn deleting(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, node) = (&suspect.at, suspect.object);
    let finalizers: Vec<&str> = list_at(node, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    let since = case.age(str_at(node, "/metadata/deletionTimestamp"));
    let Some(age) = since.filter(|age| *age > DELETING_S && !finalizers.is_empty()) else { return Ok(Vec::new()) };
    let waits = finalizers.join(", ");
    let summary = format!("Node {} is being deleted since {}; finalizer {waits} waits.", at.name, human(age));
    let mut m = Match::on(at, summary).evidence_aged(
        at,
        "metadata.finalizers",
        &waits,
        Some(age),
        format!("finalizers {waits}"),
    );
    let left = drain::left(case, suspect)?;
    for one in left.iter().filter(|one| keeps_karpenter_off(one.pod) && one.stays.is_none()).take(6) {
        let text = format!("{} has karpenter.sh/do-not-disrupt, which Karpenter respects", called(one.pod));
        m = m.evidence(&ObjectRef::of(one.pod), "metadata.annotations", "true", text);
    }
    m = drain::pod_by_pod(case, &left, m);
    let empty = left.iter().all(|one| one.stays.is_some() || pods::is_finished(one.pod));
    let what = match empty {
        true => "no pod is left: look at the controller that owns the finalizer, and at the machine",
        false => "unblock the drain of the pods that are left",
    };
    m = m.because_cause("drain-").fix(Fix {
        summary: what.into(),
        live: format!("kubectl get pods -A --field-selector spec.nodeName={}", at.name),
        ..Fix::default()
    });
    Ok(vec![m])
}

fn keeps_karpenter_off(pod: &Value) -> bool {
    str_at(pod, "/metadata/annotations/karpenter.sh~1do-not-disrupt") == "true"
}
