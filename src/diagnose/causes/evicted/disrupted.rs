//! Pods that the control plane ended: for a taint, by the eviction API, for a more important pod.
//!
//! ## evicted-by-taint
//! **You see.** Pods of a node are Terminating, or gone and made anew elsewhere.
//! **Why.** The node got a NoExecute taint that the pod does not tolerate, or tolerated only for `tolerationSeconds` (300
//! for `not-ready` and `unreachable`, unless the pod says otherwise).
//! **How kokpit knows.** Condition DisruptionTarget with reason DeletionByTaintManager, or the event TaintManagerEviction.
//! What is wrong with the node is looked at next and becomes the reason.
//! **Looks alike.** `evicted-by-api`: somebody asked for it. `evicted-node-pressure`: the kubelet did it.
//! **Mend it.** Mend the node. Git: `tolerations[].tolerationSeconds`, to wait longer or shorter.
//!
//! ## evicted-by-api
//! **You see.** A pod is Terminating although nobody deleted it.
//! **Why.** Something evicted it: a drain, the cluster autoscaler, Karpenter, the descheduler, the vertical autoscaler.
//! **How kokpit knows.** Condition DisruptionTarget with reason EvictionByEvictionAPI; managedFields tell who wrote it.
//! **Looks alike.** `evicted-by-taint`, `preempted-by-scheduler`.
//! **Mend it.** Nothing, if its workload is complete again; a PodDisruptionBudget limits how many may go at once.
//!
//! ## preempted-by-scheduler
//! **You see.** A pod is Terminating or gone, and its successor is Pending.
//! **Why.** The scheduler needed its room for a pod of higher priority.
//! **How kokpit knows.** Condition DisruptionTarget with reason PreemptionByScheduler, or the event Preempted; the other pod
//! and both priorities are shown.
//! **Looks alike.** `evicted-by-api`; `evicted-node-pressure` also looks at priorities, but is the kubelet's.
//! **Mend it.** More room, or a `priorityClassName` that says what matters more.

use super::impact;
use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::index::By;
use crate::diagnose::kin;
use crate::diagnose::kinds::{NODES, PODS};
use crate::diagnose::pods::condition;
use crate::diagnose::scheduling::pod::{Taint, Toleration};
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use crate::world::time::human;
use crate::world::writers::{Path, writers};
use serde_json::{Value, json};

causes! { "disrupted.rs";
    "evicted-by-taint" "a taint of the node ended the pod" Degraded ["Pod"] by_taint;
    "evicted-by-api" "somebody evicted the pod" Nuisance ["Pod"] by_api;
    "preempted-by-scheduler" "the scheduler ended the pod for a more important one" Degraded ["Pod"] preempted;
}

/// The condition that tells why a pod is being ended (`DisruptionTarget`), if it has this reason.
fn target<'a>(pod: &'a Value, reason: &str) -> Option<&'a Value> {
    condition(pod, "DisruptionTarget").filter(|c| str_at(c, "/status") == "True" && str_at(c, "/reason") == reason)
}

/// The newest event of a pod that is on its way out or gone. A pod that was made anew under its name has another uid
/// and nothing to do with it.
fn event<'a>(case: &Case<'a>, suspect: &Suspect<'_>, reason: &str) -> Fact<Option<Event<'a>>> {
    let leaving = !str_at(suspect.object, "/metadata/deletionTimestamp").is_empty();
    if !leaving && (suspect.exists() || !suspect.asked) {
        return Ok(None);
    }
    let events = case.events(&suspect.at, str_at(suspect.object, "/metadata/uid"))?;
    Ok(events.into_iter().find(|e| e.reason == reason))
}

/// How it was found out: the condition or the event, as a line of evidence.
fn told(case: &Case<'_>, suspect: &Suspect<'_>, c: Option<&Value>, e: Option<&Event<'_>>, m: Match) -> Match {
    match (c, e) {
        (Some(c), _) => {
            let (reason, message) = (str_at(c, "/reason"), str_at(c, "/message"));
            let age = case.age(str_at(c, "/lastTransitionTime"));
            m.evidence_aged(
                &suspect.at,
                "status.conditions[DisruptionTarget]",
                reason,
                age,
                format!("{reason}: {message}"),
            )
        }
        (None, Some(e)) => {
            let age = e.last.age(case.now());
            m.evidence_aged(
                &suspect.at,
                "",
                e.reason,
                Some(age),
                format!("{} {} ago: {}", e.reason, human(age), e.message),
            )
        }
        (None, None) => m,
    }
}

fn by_taint(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let c = target(suspect.object, "DeletionByTaintManager");
    let e = match c {
        Some(_) => None,
        None => event(case, suspect, "TaintManagerEviction")?.filter(|e| e.message.starts_with("Marking for deletion")),
    };
    if c.is_none() && e.is_none() {
        return Ok(Vec::new());
    }
    let node = str_at(suspect.object, "/spec/nodeName");
    let text = match node {
        "" => "It was ended because its node got a taint that it does not tolerate.".to_owned(),
        node => format!("It was ended because node {node} got a taint that it does not tolerate (any longer)."),
    };
    let mut m = told(case, suspect, c, e.as_ref(), Match::on(&suspect.at, text));
    if !suspect.exists() {
        return Ok(vec![m]);
    }
    let at = NODES.at("", node);
    m = match case.get(&at).known()? {
        Some(Some(object)) => taints(suspect.object, &at, object, m),
        Some(None) => m.evidence(&at, "", "", format!("node {node} is gone")),
        None => m,
    };
    let top = kin::top_owner(case, suspect.object)?;
    let field = template_field(top, "spec.tolerations[].tolerationSeconds");
    let what = "mend the node; tolerationSeconds says how long a pod waits for that";
    Ok(vec![impact(case, top, m.because(at))?.fix(case.fix(top, &field, what, "")?)])
}

/// Evidence: the NoExecute taints of the node, and for how long the pod bears each.
fn taints(pod: &Value, at: &ObjectRef, node: &Value, mut m: Match) -> Match {
    for taint in list_at(node, "/spec/taints").iter().map(Taint::from_value).filter(|t| t.effect == "NoExecute") {
        let bears = match tolerated_for(pod, &taint) {
            Some(None) => "which it tolerates".to_owned(),
            Some(Some(seconds)) => format!("which it tolerates for {seconds} s"),
            None => "which it does not tolerate".to_owned(),
        };
        m = m.evidence(at, "spec.taints", &taint.to_string(), format!("{} has taint {taint}, {bears}", at.name));
    }
    m
}

/// For how long a pod tolerates a taint: `None` not at all, `Some(None)` for ever; of several tolerations the shortest
/// time counts (kubernetes `pkg/controller/tainteviction`, getMinTolerationTime).
fn tolerated_for(pod: &Value, taint: &Taint) -> Option<Option<i64>> {
    let all: Vec<Option<i64>> = list_at(pod, "/spec/tolerations")
        .iter()
        .filter(|t| Toleration::from_value(t).tolerates(taint))
        .map(|t| int_at(t, "/tolerationSeconds"))
        .collect();
    (!all.is_empty()).then(|| all.into_iter().flatten().min())
}

fn by_api(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(c) = target(suspect.object, "EvictionByEvictionAPI") else { return Ok(Vec::new()) };
    let who = writer_of_target(suspect.object);
    let by = who.map_or(String::new(), |who| format!(" by {who}"));
    let mut m = told(case, suspect, Some(c), None, Match::on(&suspect.at, format!("It was evicted{by}.")));
    if let Some(who) = who {
        m = m.evidence(&suspect.at, "metadata.managedFields", who, format!("the eviction was asked for by {who}"));
    }
    let node = NODES.at("", str_at(suspect.object, "/spec/nodeName"));
    if let Some(object) = case.get(&node).known()?.flatten()
        && crate::world::object::bool_at(object, "/spec/unschedulable")
    {
        m = m.evidence(
            &node,
            "spec.unschedulable",
            "true",
            format!("node {} is cordoned: it is being drained", node.name),
        );
    }
    let top = kin::top_owner(case, suspect.object)?;
    Ok(vec![impact(case, top, m)?])
}

/// Who wrote the condition DisruptionTarget: the user agent of whoever asked for the eviction.
fn writer_of_target(pod: &Value) -> Option<&str> {
    let wanted = Path::keys(&["status", "conditions"]).item(0, &json!({"type": "DisruptionTarget"}));
    writers(pod).find(|writer| writer.owns(&wanted)).map(|writer| writer.manager)
}

fn preempted(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let c = target(suspect.object, "PreemptionByScheduler");
    let e = match suspect.exists() && c.is_none() {
        true => None,
        false => event(case, suspect, "Preempted")?,
    };
    if c.is_none() && e.is_none() {
        return Ok(Vec::new());
    }
    let mut m = Match::on(&suspect.at, "The scheduler ended it to make room for a pod of higher priority.");
    m = told(case, suspect, c, e.as_ref(), m);
    if let Some(e) = &e {
        if c.is_some() {
            m = m.evidence(&suspect.at, "", e.reason, e.message);
        }
        m = preemptor(case, e.message, m)?;
    }
    if !suspect.exists() {
        return Ok(vec![m]);
    }
    let own = int_at(suspect.object, "/spec/priority").unwrap_or_default();
    m = m.evidence(&suspect.at, "spec.priority", &own.to_string(), format!("its own priority is {own}"));
    let top = kin::top_owner(case, suspect.object)?;
    let field = template_field(top, "spec.priorityClassName");
    let what = "make room for both, or give it a priorityClassName that says how much it matters";
    Ok(vec![impact(case, top, m)?.fix(case.fix(top, &field, what, "")?)])
}

/// Evidence: the pod that took the room. The event names it by its uid: `Preempted by pod <uid> on node n1`.
fn preemptor(case: &Case<'_>, message: &str, m: Match) -> Fact<Match> {
    let uid = message.split_once("Preempted by pod ").and_then(|(_, rest)| rest.split(' ').next());
    let Some(uid) = uid.filter(|uid| !uid.is_empty()) else { return Ok(m) };
    let of_uid = case.list_by(PODS, None, By::Uid, uid).known()?.unwrap_or_default();
    let Some(pod) = of_uid.into_iter().next() else { return Ok(m) };
    let (at, priority) = (ObjectRef::of(pod), int_at(pod, "/spec/priority").unwrap_or_default());
    let text = format!("{at} took the room; its priority is {priority}");
    Ok(m.evidence(&at, "spec.priority", &priority.to_string(), text))
}
