//! Nodes.
//!
//! ## node-unreachable
//! **You see.** Node `NotReady` (Ready Unknown), its pods Terminating or not ready.
//! **Why.** The kubelet stopped reporting: machine gone, kubelet dead, network cut, certificate expired.
//! **How kokpit knows.** Ready is Unknown; the age of the node's Lease is shown beside it.
//! **Looks alike.** `node-notready-runtime` and its kin: there the kubelet reports and says what is wrong. Half of the
//! nodes at once: rather the way between nodes and API server.
//! **Mend it.** Bring the machine or its kubelet back, or delete the Node; do not take its taints off by hand.
//!
//! ## node-notready-runtime
//! **You see.** Node `NotReady`.
//! **Why.** The container runtime is down.
//! **How kokpit knows.** Ready is False and its message says so.
//! **Looks alike.** `node-network`.
//! **Mend it.** Restart the runtime on the node.
//!
//! ## node-notready-pleg
//! **You see.** Node `NotReady`, flapping.
//! **Why.** The kubelet cannot go through its pods in time: an overloaded runtime or disk.
//! **How kokpit knows.** `PLEG is not healthy` in the message of Ready.
//! **Looks alike.** `node-disk-pressure`.
//! **Mend it.** Fewer pods, a faster disk, restart the runtime.
//!
//! ## node-network
//! **You see.** Node `NotReady`; new pods stay in ContainerCreating.
//! **Why.** The network plugin is not ready on the node.
//! **How kokpit knows.** `NetworkPluginNotReady` in the message of Ready.
//! The network plugin's pod on the node is looked at, and what is wrong with it becomes the reason.
//! **Looks alike.** `node-notready-runtime`.
//! **Mend it.** Mend the network plugin's pod on that node.
//!
//! ## node-not-ready
//! **You see.** Node `NotReady`.
//! **Why.** The kubelet says that it is not ready, in words of its own.
//! **How kokpit knows.** Ready is False; its message is shown.
//! **Looks alike.** The more telling causes of this family win when the message has their words.
//! **Mend it.** By the message.
//!
//! ## node-memory-pressure
//! **You see.** Evicted pods; new ones without requests are refused.
//! **Why.** The node is short of memory.
//! **How kokpit knows.** Condition MemoryPressure is True. It may outlive the shortage by five minutes.
//! **Looks alike.** `crash-oom-container`: one container over its own limit.
//! **Mend it.** Move pods away; requests that match the use.
//!
//! ## node-disk-pressure
//! **You see.** Evicted pods; no new ones are admitted.
//! **Why.** The node is short of disk or inodes.
//! **How kokpit knows.** Condition DiskPressure is True.
//! **Looks alike.** `volume-full`.
//! **Mend it.** Prune images and logs, grow the disk; limits for ephemeral storage.
//!
//! ## node-pid-pressure
//! **You see.** No new pods are admitted.
//! **Why.** The node is short of process ids.
//! **How kokpit knows.** Condition PIDPressure is True.
//! **Looks alike.** `node-memory-pressure`.
//! **Mend it.** Find the pod that forks without end; `podPidsLimit`.
//!
//! ## node-network-unavailable
//! **You see.** Pods on the node cannot be reached from others.
//! **Why.** The cloud or the network plugin has not set up the node's routes.
//! **How kokpit knows.** Condition NetworkUnavailable is True.
//! **Looks alike.** `node-network`.
//! **Mend it.** The cloud controller or network plugin.
//!
//! ## node-rebooted
//! **You see.** All containers of a node restarted at once; refused or lost pods.
//! **Why.** The node rebooted.
//! **How kokpit knows.** The kubelet's event `Rebooted`, which lives for an hour.
//! **Looks alike.** `container-status-unknown` is its consequence.
//! **Mend it.** Nothing; delete leftovers.

use crate::diagnose::agents;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::condition;
use crate::diagnose::verdict::Fix;
use crate::world::object::{list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

pub mod coming;
pub mod cordon;
pub mod going;
pub mod sick;

causes! { "node.rs";
    "node-unreachable" "the node's kubelet stopped reporting" Outage ["Node"] unreachable;
    "node-notready-runtime" "the node's container runtime is down" Outage ["Node"] not_ready, id;
    "node-notready-pleg" "the node's kubelet cannot keep up with its pods" Outage ["Node"] not_ready, id;
    "node-network" "the node's network plugin is not ready" Outage ["Node"] not_ready, id;
    "node-not-ready" "the node's kubelet says it is not ready" Outage ["Node"] not_ready, id;
    "node-memory-pressure" "the node is short of memory" Degraded ["Node"] |c, s| pressure(c, s, "MemoryPressure");
    "node-disk-pressure" "the node is short of disk" Outage ["Node"] |c, s| pressure(c, s, "DiskPressure");
    "node-pid-pressure" "the node is short of process ids" Degraded ["Node"] |c, s| pressure(c, s, "PIDPressure");
    "node-network-unavailable" "the node's routes are not set up" Outage ["Node"] |c, s| pressure(c, s, "NetworkUnavailable");
    "node-rebooted" "the node rebooted" Nuisance ["Node"] rebooted;
}

/// The condition Ready of a node whose kubelet stopped reporting.
pub fn lost(node: &Value) -> Option<&Value> {
    let unknown = |c: &&Value| str_at(c, "/status") == "Unknown" && str_at(c, "/reason") != coming::NEVER;
    condition(node, "Ready").filter(unknown)
}

/// A lease that is younger is renewed as it should be (`leaseDurationSeconds`).
const LEASE_S: i64 = 40;

fn unreachable(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(ready) = lost(suspect.object) else { return Ok(Vec::new()) };
    let node = &suspect.at.name;
    let age = case.age(str_at(ready, "/lastTransitionTime"));
    let since = age.map_or(String::new(), |s| format!(" for {}", human(s)));
    let mut m = Match::on(&suspect.at, format!("Node {node} is unreachable{since}: its kubelet stopped reporting."))
        .evidence_aged(
            &suspect.at,
            "status.conditions[Ready]",
            "Unknown",
            age,
            format!("{node}: Ready Unknown, {}", str_at(ready, "/message")),
        );
    let lease = LEASES.at("kube-node-lease", node);
    if let Some(Some(object)) = case.get(&lease).known()? {
        let age = case.age(str_at(object, "/spec/renewTime"));
        let fresh = age.is_some_and(|s| s < LEASE_S);
        let also = if fresh { ": the kubelet lives, only its status does not get through" } else { "" };
        let text = format!("lease {} old{also}", age.map_or("of unknown age".to_owned(), human));
        m = m.evidence_aged(&lease, "spec.renewTime", str_at(object, "/spec/renewTime"), age, text);
    }
    m = taints(suspect, "node.kubernetes.io/unreachable", m);
    m = taints(suspect, "node.cloudprovider.kubernetes.io/shutdown", m);
    let nodes = case.list(NODES, None).known()?.unwrap_or_default();
    let lost: Vec<&str> = nodes.iter().filter(|n| lost(n).is_some()).map(|n| crate::world::object::name(n)).collect();
    if lost.len() > 1 {
        m = m.evidence(
            &suspect.at,
            "",
            "",
            format!("{} of {} nodes are unreachable: {}", lost.len(), nodes.len(), lost.join(" ")),
        );
    }
    for upstream in ["node-mass-notready", "node-cert-expired", "node-npd-condition"] {
        m = m.because_cause(upstream);
    }
    Ok(vec![m.fix(Fix {
        summary: format!("bring the machine of {node} or its kubelet back; do not take its taints off by hand"),
        ..Default::default()
    })])
}

/// Evidence: the node's taints of a key.
fn taints(suspect: &Suspect<'_>, key: &str, mut m: Match) -> Match {
    for taint in list_at(suspect.object, "/spec/taints").iter().filter(|t| str_at(t, "/key") == key) {
        let text = format!("{key}:{}", str_at(taint, "/effect"));
        m = m.evidence(&suspect.at, "spec.taints", &text, format!("taint {text}"));
    }
    m
}

/// Words of Ready's message, and the cause they speak for; anything else is `node-not-ready`.
const WORDS: &[(&str, &[&str])] = &[
    ("node-shutdown-graceful", &[going::SHUTTING_DOWN]),
    ("node-network", &["NetworkPluginNotReady", "cni plugin not initialized", "cni config"]),
    ("node-notready-pleg", &["PLEG is not healthy"]),
    ("node-notready-runtime", &["container runtime is down", "containerd.sock", "container runtime status check"]),
];

fn not_ready(case: &Case<'_>, suspect: &Suspect<'_>, id: &str) -> Fact<Vec<Match>> {
    let Some(ready) = condition(suspect.object, "Ready").filter(|c| str_at(c, "/status") == "False") else {
        return Ok(Vec::new());
    };
    let message = str_at(ready, "/message");
    let said = WORDS
        .iter()
        .find(|(_, words)| words.iter().any(|w| message.contains(w)))
        .map_or("node-not-ready", |(id, _)| id);
    if said != id {
        return Ok(Vec::new());
    }
    let age = case.age(str_at(ready, "/lastTransitionTime"));
    let m = Match::on(&suspect.at, format!("Node {} is not ready: {message}", suspect.at.name)).evidence_aged(
        &suspect.at,
        "status.conditions[Ready]",
        "False",
        age,
        format!("{}: {message}", str_at(ready, "/reason")),
    );
    let m = match id {
        "node-network" => agents::follow(case, &agents::network(case, &suspect.at.name)?, &suspect.at.name, m),
        _ => m,
    };
    Ok(vec![m.fix(Fix { summary: "mend what the message names, on the node".into(), ..Default::default() })])
}

fn pressure(case: &Case<'_>, suspect: &Suspect<'_>, kind: &str) -> Fact<Vec<Match>> {
    let Some(c) = condition(suspect.object, kind).filter(|c| str_at(c, "/status") == "True") else {
        return Ok(Vec::new());
    };
    let age = case.age(str_at(c, "/lastTransitionTime"));
    Ok(vec![
        Match::on(&suspect.at, format!("Node {} has {kind}: {}", suspect.at.name, str_at(c, "/message")))
            .evidence_aged(
                &suspect.at,
                &format!("status.conditions[{kind}]"),
                "True",
                age,
                format!("{}: {}", str_at(c, "/reason"), str_at(c, "/message")),
            )
            .fix(Fix {
                summary: "relieve the node; cordon it until then".into(),
                live: format!("kubectl cordon {}", suspect.at.name),
                ..Default::default()
            }),
    ])
}

fn rebooted(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let events = case.events(&suspect.at, "")?;
    let Some(event) = events.iter().find(|e| e.reason == "Rebooted") else { return Ok(Vec::new()) };
    let age = event.last.age(case.now());
    let m = Match::on(&suspect.at, format!("Node {} rebooted {} ago.", suspect.at.name, human(age))).evidence_aged(
        &suspect.at,
        "",
        "Rebooted",
        Some(age),
        format!("Rebooted: {}", event.message),
    );
    // Asked about the node itself, a reboot that is over is no trouble.
    Ok(vec![if suspect.asked { m.aside() } else { m }])
}
