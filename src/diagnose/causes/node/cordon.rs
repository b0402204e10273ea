//! Nodes that are closed to new pods, and stay so. (How a cordon keeps a pod Pending: `node-cordoned` in
//! `causes/pending/node.rs`; here is what it says about the node itself.)
//!
//! ## node-cordon-forgotten
//! **You see.** A node shows `Ready,SchedulingDisabled` for hours or days; the others carry its load.
//! **Why.** Somebody cordoned it, for a drain that is long over or was never begun, and did not uncordon it.
//! **How kokpit knows.** `spec.unschedulable` is set for more than an hour (its owner in managedFields, or the time of
//! the taint), no pod of the node is leaving, no autoscaler is about to remove it, no budget counts a pod of it as
//! evicted. The longer, the surer; a reason that was recorded with the cordon speaks against it.
//! **Looks alike.** `node-cordoned`: the same, but young, or pods wait for it. A drain that a budget holds up: then the
//! budget is the reason.
//! **Mend it.** Live: `kubectl uncordon N`, when nobody works on it any more. Git: where a ledger of nodes is kept, there.

use crate::diagnose::causes::drain::{self, LEAVING, Left, count};
use crate::diagnose::causes::pending;
use crate::diagnose::eviction::{self, Hold};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::{NODES, PDBS};
use crate::diagnose::pods::condition;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, bool_at, list_at, name, namespace, str_at};
use crate::world::text::clean;
use crate::world::time::human;
use crate::world::writers::{Path, Writer, writers};
use serde_json::Value;

causes! { "cordon.rs";
    "node-cordon-forgotten" "the node was cordoned long ago and nothing happens on it" Nuisance ["Node"] forgotten;
}

/// A cordon that is younger needs no reminder.
const FORGOTTEN_S: i64 = 3600;
/// After this long somebody would remember, if there was a plan.
const LONG_S: i64 = 24 * 3600;

/// What a cordon says about the node itself (the row of `node-cordoned` asks here): who did it, and pod by pod what is
/// left. Asked about something else, a cordon is true and produces nothing: pods that run stay.
pub fn cordoned(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !bool_at(suspect.object, "/spec/unschedulable") {
        return Ok(vec![]);
    }
    let node = &suspect.at.name;
    let left = drain::left(case, suspect)?;
    let mut found = who(case, suspect.object, Match::on(&suspect.at, sentence(node, &left)));
    found = drain::pod_by_pod(case, &left, found);
    let waiting = waiting(case, suspect)?;
    for pod in &waiting {
        let text = format!("{} is Pending and would fit on it", eviction::called(pod));
        found = found.evidence(&ObjectRef::of(pod), "", "", text);
    }
    if waiting.is_empty() {
        found = found.because_cause("node-cordon-forgotten");
    }
    let text = format!("uncordon {node}, when the work on it is done");
    let fix = case.fix(suspect.object, "spec.unschedulable", text, format!("kubectl uncordon {node}"))?;
    let found = found.because_cause("drain-").because_cause("node-stuck-deleting").fix(fix);
    Ok(vec![if suspect.asked { found } else { found.aside() }])
}

fn sentence(node: &str, left: &[Left<'_>]) -> String {
    let go: Vec<&Left<'_>> = left.iter().filter(|one| one.stays.is_none()).collect();
    let held = go.iter().filter(|one| one.hold != Hold::Free).count();
    match (left.len(), go.len(), held) {
        (0, ..) => format!("Node {node} is cordoned."),
        (_, 0, _) => format!("Node {node} is cordoned, and empty but for pods that stay."),
        (_, n, 0) => format!("Node {node} is cordoned; {} left.", are(n)),
        (_, n, held) => format!("Node {node} is cordoned; {} left, {held} of them held by budgets.", are(n)),
    }
}

fn are(n: usize) -> String {
    if n == 1 { "1 pod is".into() } else { format!("{n} pods are") }
}

/// Pods that wait for a node and would be placed on this one, if it were uncordoned. Evaluated only for pods to which
/// the scheduler said that nodes were unschedulable, and only for the first few.
fn waiting<'a>(case: &Case<'a>, suspect: &Suspect<'_>) -> Fact<Vec<&'a Value>> {
    if !suspect.asked {
        return Ok(Vec::new());
    }
    let unplaced = case.pods_on("").known()?.unwrap_or_default();
    let said = |pod: &Value| condition(pod, "PodScheduled").map_or("", |c| str_at(c, "/message")).to_owned();
    let candidates =
        unplaced.into_iter().filter(|pod| pending::is_unplaced(pod) && said(pod).contains("unschedulable"));
    let mut found = Vec::new();
    for pod in candidates.take(3) {
        let Some(placement) = pending::evaluated(case, pod).known()? else { continue };
        let mut changes = placement.changes.found.iter().filter(|c| c.plugin == "NodeUnschedulable");
        if changes.any(|change| change.fits.contains(&suspect.at.name)) {
            found.push(pod);
        }
    }
    Ok(found)
}

fn forgotten(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let node = suspect.object;
    let Some(age) = since(case, node).filter(|age| suspect.asked && *age > FORGOTTEN_S) else { return Ok(vec![]) };
    let marked = list_at(node, "/spec/taints").iter().any(|t| LEAVING.contains(&str_at(t, "/key")));
    if !bool_at(node, "/spec/unschedulable") || marked || eviction::is_ending(node) || is_drained(case, suspect)? {
        return Ok(vec![]);
    }
    let recorded = !str_at(node, "/metadata/annotations/kokpit.dev~1reason").is_empty();
    let sure = match (recorded, age) {
        (true, ..LONG_S) => return Ok(vec![]),
        (true, age) if age < 7 * LONG_S => Confidence::Low,
        (true, _) | (false, ..LONG_S) => Confidence::Medium,
        (false, _) => Confidence::High,
    };
    let name = &suspect.at.name;
    let go = drain::left(case, suspect)?.iter().filter(|one| one.stays.is_none()).count();
    let summary = format!("Node {name} is cordoned for {}, and nobody seems to work on it.", human(age));
    let text = format!("{} on it, none of them leaving", count(go));
    let mut m = who(case, node, Match::on(&suspect.at, summary)).evidence(&suspect.at, "", "", text);
    m = m.confidence(sure).because_cause("drain-").because_cause("node-stuck-deleting");
    let fix = format!("uncordon {name}, when nobody works on it any more");
    m = m.fix(case.fix(node, "spec.unschedulable", fix, format!("kubectl uncordon {name}"))?);
    Ok(vec![if waiting(case, suspect)?.is_empty() { m } else { m.aside() }])
}

/// Whether pods of the node are leaving now, or a budget counts one of them as evicted.
fn is_drained(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<bool> {
    let left = drain::left(case, suspect)?;
    let go: Vec<&Value> = left.iter().filter(|one| one.stays.is_none()).map(|one| one.pod).collect();
    if go.iter().any(|pod| eviction::is_ending(pod)) {
        return Ok(true);
    }
    let budgets = if go.is_empty() { Vec::new() } else { case.list(PDBS, None).known()?.unwrap_or_default() };
    let counted = |pod: &Value, budget: &Value| {
        namespace(pod) == namespace(budget)
            && budget.pointer("/status/disruptedPods").is_some_and(|pods| pods.get(name(pod)).is_some())
    };
    Ok(go.iter().any(|pod| budgets.iter().any(|budget| counted(pod, budget))))
}

/// Who owns `spec.unschedulable`.
fn owner(node: &Value) -> Option<Writer<'_>> {
    let field = Path::keys(&["spec", "unschedulable"]);
    writers(node).find(|writer| writer.owns(&field))
}

/// Seconds since a node was cordoned, as far as managedFields or the taint tell.
pub fn since(case: &Case<'_>, node: &Value) -> Option<i64> {
    let added = list_at(node, "/spec/taints").iter().find(|t| str_at(t, "/key") == "node.kubernetes.io/unschedulable");
    owner(node)
        .and_then(|writer| Some(writer.time?.age(case.now())))
        .or_else(|| added.and_then(|t| case.age(str_at(t, "/timeAdded"))))
}

/// Evidence: who cordoned a node and when, as far as managedFields tell, and signs that it is about to go.
pub fn who(case: &Case<'_>, node: &Value, mut found: Match) -> Match {
    let at = NODES.at("", name(node));
    let age = since(case, node);
    let by = owner(node).map_or(String::new(), |m| format!(" by {}", clean(m.manager)));
    let since = age.map_or(String::new(), |s| format!(" {} ago", human(s)));
    let text = format!("{} is cordoned{by}{since}", at.name);
    found = found.evidence_aged(&at, "spec.unschedulable", "true", age, text);
    found = recorded(node, &at, found);
    let zone = str_at(node, "/metadata/labels/topology.kubernetes.io~1zone");
    if !zone.is_empty() {
        found = found.evidence(&at, "metadata.labels", zone, format!("{} is in zone {zone}", at.name));
    }
    for taint in list_at(node, "/spec/taints").iter().filter(|t| LEAVING.contains(&str_at(t, "/key"))) {
        let key = str_at(taint, "/key");
        found =
            found.evidence(&at, "spec.taints", key, format!("taint {key}: an autoscaler is about to remove the node"));
    }
    found
}

/// What an operation of ours wrote on the node beside the cordon: why, and who.
fn recorded(node: &Value, at: &ObjectRef, found: Match) -> Match {
    let note = |key: &str| clean(str_at(node, &format!("/metadata/annotations/kokpit.dev~1{key}"))).into_owned();
    let (reason, by, op) = (note("reason"), note("by"), note("op"));
    if reason.is_empty() {
        return found;
    }
    let who = if by.is_empty() { String::new() } else { format!(", {by}") };
    let id = if op.is_empty() { String::new() } else { format!(" (op {op})") };
    found.evidence(
        at,
        "metadata.annotations[kokpit.dev/reason]",
        &reason,
        format!("the reason given: {reason}{who}{id}"),
    )
}
