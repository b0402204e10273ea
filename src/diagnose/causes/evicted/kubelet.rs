//! Pods that the kubelet ended or refused.
//!
//! ## evicted-node-pressure
//! **You see.** Pods with status `Evicted`.
//! **Why.** Their node ran low on memory, disk, inodes or process ids, and the kubelet ended those that used more than
//! they had asked for.
//! **How kokpit knows.** `status.reason: Evicted` and the message `The node was low on resource: …`. Whether the node
//! still has that pressure, and whether the workload is complete again, is said.
//! **Looks alike.** `evicted-ephemeral-limit` (the pod's own limit). Old Evicted pods of a complete workload are leftovers.
//! **Mend it.** Requests that match the use, limits for ephemeral storage; delete the leftovers.
//!
//! ## evicted-ephemeral-limit
//! **You see.** Pods with status `Evicted`, or `Error` 137 with reason Evicted.
//! **Why.** A container, the pod, or an emptyDir used more local disk than its own limit.
//! **How kokpit knows.** The message names the limit.
//! **Looks alike.** `evicted-node-pressure`: there the node was short of it.
//! **Mend it.** Git: `limits.ephemeral-storage`, `emptyDir.sizeLimit`.
//!
//! ## kubelet-admission-rejected
//! **You see.** Pods with status `OutOfcpu`, `OutOfmemory`, `NodeAffinity`, `UnexpectedAdmissionError` …
//! **Why.** The kubelet refused a pod that was bound to its node: after a restart it admits the pods anew, labels or
//! devices changed, or the pod named the node itself.
//! **How kokpit knows.** Phase Failed with such a reason, and the kubelet's message.
//! **Looks alike.** `fit-insufficient-resource` (the scheduler refused; the pod is Pending). Failed pods of a complete
//! workload are leftovers.
//! **Mend it.** Delete the leftovers; if a node rebooted, see `node-rebooted`.

use super::{ended, impact, leftovers};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::condition;
use crate::world::object::str_at;

causes! { "kubelet.rs";
    "evicted-node-pressure" "the node ran low on a resource and ended the pod" Degraded ["Pod"] |c, s| evicted(c, s, true);
    "evicted-ephemeral-limit" "the pod used more local disk than its own limit" Degraded ["Pod"] |c, s| evicted(c, s, false);
    "kubelet-admission-rejected" "the kubelet refused to run the pod on its node" Degraded ["Pod"] rejected;
}

fn evicted(case: &Case<'_>, suspect: &Suspect<'_>, by_node: bool) -> Fact<Vec<Match>> {
    let (pod, message) = (suspect.object, str_at(suspect.object, "/status/message"));
    let pressure = message.contains("The node was low on resource") || message.contains("The node had condition");
    if str_at(pod, "/status/reason") != "Evicted" || pressure != by_node {
        return Ok(Vec::new());
    }
    let node = str_at(pod, "/spec/nodeName");
    let what = message
        .split_once("low on resource: ")
        .and_then(|(_, rest)| rest.split(['.', ' ']).next())
        .unwrap_or("a resource");
    let summary = match by_node {
        true => format!("Evicted: node {node} ran low on {what}."),
        false => format!("Evicted over a limit of its own: {message}"),
    };
    let top = kin::top_owner(case, pod)?;
    let mut m = ended(case, suspect, Match::on(&suspect.at, summary));
    if by_node {
        m = m.because(NODES.at("", node));
        m = node_now(case, node, what, m)?;
    }
    m = impact(case, top, m)?;
    let field = template_field(top, "spec.containers[].resources.limits.ephemeral-storage");
    m = m.fix(leftovers(pod));
    Ok(vec![m.fix(case.fix(top, &field, "set requests and limits that match what it uses", "")?)])
}

/// Evidence: whether the node has that pressure now.
fn node_now(case: &Case<'_>, node: &str, what: &str, m: Match) -> Fact<Match> {
    let kind = match what {
        w if w.contains("memory") => "MemoryPressure",
        w if w.contains("pid") => "PIDPressure",
        _ => "DiskPressure",
    };
    let at = NODES.at("", node);
    Ok(match case.get(&at).known()?.flatten().map(|n| condition(n, kind).map_or("", |c| str_at(c, "/status"))) {
        Some(status) => m.evidence(
            &at,
            &format!("status.conditions[{kind}]"),
            status,
            format!("{kind} of node {node} is {status} now: {kind} {status}"),
        ),
        None => m.evidence(&at, "", "", format!("node {node} is gone")),
    })
}

fn rejected(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (pod, reason) = (suspect.object, str_at(suspect.object, "/status/reason"));
    const REASONS: &[&str] = &[
        "NodeAffinity",
        "TaintToleration",
        "NodePorts",
        "NodeName",
        "NodeUnschedulable",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "UnexpectedAdmissionError",
        "TopologyAffinityError",
        "NodeShutdown",
    ];
    if str_at(pod, "/status/phase") != "Failed" || !(reason.starts_with("OutOf") || REASONS.contains(&reason)) {
        return Ok(Vec::new());
    }
    let node = str_at(pod, "/spec/nodeName");
    let (count, _) = suspect.alike;
    let who = if count > 1 { format!("{count} pods Failed {reason}") } else { format!("The pod is Failed {reason}") };
    let top = kin::top_owner(case, pod)?;
    let m =
        Match::on(&suspect.at, format!("{who}: the kubelet of node {node} refused it.")).because(NODES.at("", node));
    let m = impact(case, top, ended(case, suspect, m))?;
    Ok(vec![m.fix(leftovers(pod))])
}
