//! Pods that are displacing others.
//!
//! ## preemption-in-progress
//! **You see.** A pod is Pending and already has a `NOMINATED NODE` (`kubectl get pods -o wide`); pods there are
//! Terminating.
//! **Why.** The scheduler has evicted pods of lower priority to make room, and waits until they are gone: their grace
//! period, or a finalizer that nobody clears.
//! **How kokpit knows.** `status.nominatedNodeName` is set, and pods on that node are being deleted with the condition
//! DisruptionTarget, reason `PreemptionByScheduler`.
//! **Looks alike.** A nomination without such pods is left over: something else keeps the pod away now.
//! **Mend it.** Wait for the grace period. Live: find out why a pod that is overdue does not end.

use super::{NAMED, is_unplaced};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::index::By;
use crate::diagnose::kinds::PODS;
use crate::diagnose::pods::{self, condition};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::Value;

causes! { "preempting.rs";
    "preemption-in-progress" "pods of lower priority are making room for it" Nuisance ["Pod"] judge;
}

/// So long after the end of its grace period a pod counts as stuck.
const OVERDUE_S: i64 = 60;

fn is_victim(pod: &Value) -> bool {
    !str_at(pod, "/metadata/deletionTimestamp").is_empty()
        && condition(pod, "DisruptionTarget").is_some_and(|c| str_at(c, "/reason") == "PreemptionByScheduler")
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let node = str_at(suspect.object, "/status/nominatedNodeName");
    if !is_unplaced(suspect.object) || node.is_empty() {
        return Ok(vec![]);
    }
    let there = case.list_by(PODS, None, By::Node, node).known()?.unwrap_or_default();
    let victims: Vec<&Value> = there.into_iter().filter(|p| is_victim(p)).collect();
    if victims.is_empty() {
        return Ok(vec![]);
    }
    let text =
        format!("It waits for {} that it displaced on {} to end.", super::count(victims.len(), "pod"), clean(node));
    let mut found = Match::on(&suspect.at, text)
        .evidence(&suspect.at, "status.nominatedNodeName", node, format!("nominated to {}", clean(node)))
        .confidence(Confidence::High);
    let mut last = 0;
    for victim in victims.iter().take(NAMED) {
        // The deletion timestamp is the time at which the grace period ends.
        let end = Time::parse(str_at(victim, "/metadata/deletionTimestamp"));
        let over = end.map_or(0, |end| case.now().0 - end.0);
        let path = pods::path(victim);
        let text = match over {
            over if over > OVERDUE_S => format!("{path} should have ended {} ago{}", human(over), finalizers(victim)),
            over if over > 0 => format!("{path} is at the end of its grace period"),
            over => format!("{path} is given {} more", human(-over)),
        };
        last = last.max(-over);
        found = found.evidence(&ObjectRef::of(victim), "metadata.deletionTimestamp", "", text);
        if over > OVERDUE_S {
            found = found.because(ObjectRef::of(victim)).fix(Fix {
                summary: format!("find out why {path} does not end (its node, its finalizers)"),
                live: format!(
                    "kubectl -n {} describe pod {}",
                    str_at(victim, "/metadata/namespace"),
                    str_at(victim, "/metadata/name")
                ),
                ..Fix::default()
            });
        }
    }
    if found.finding.fixes.is_empty() {
        let summary = format!("wait: the last of them ends within {}", human(last.max(1)));
        found = found.fix(Fix { summary, ..Fix::default() });
    }
    Ok(vec![found])
}

fn finalizers(pod: &Value) -> String {
    let all: Vec<&str> = list_at(pod, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    if all.is_empty() { String::new() } else { format!("; finalizers {}", clean(&all.join(", "))) }
}
