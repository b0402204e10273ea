//! Why Karpenter makes no node for a pod that fits nowhere.
//!
//! ## karpenter-incompatible
//! **You see.** A second `FailedScheduling` event, written by Karpenter: `Failed to schedule pod, incompatible with
//! nodepool …`.
//! **Why.** No NodePool may make a node that would take the pod: its requirements, taints or machine types do not match,
//! or its limits are used up.
//! **How kokpit knows.** The newest such event whose source is Karpenter, not the scheduler; limits are compared with
//! what the NodePool has in use. It explains why the trouble does not heal by itself; the reason is what keeps the pod
//! from the nodes there are.
//! **Looks alike.** The scheduler's own `FailedScheduling`; `ca-no-scale-up` (the other autoscaler).
//! **Mend it.** Git: the NodePool's requirements, taints or `spec.limits`, or the pod's selector.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::NODEPOOLS;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, name};
use crate::world::quantity::Quantity;
use crate::world::text::clean;
use serde_json::Value;

causes! { "karpenter.rs";
    "karpenter-incompatible" "Karpenter makes no node for it" Nuisance ["Pod"] judge;
}

const OPENING: &str = "Failed to schedule pod, ";

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if super::placement(case, suspect)?.is_none() {
        return Ok(vec![]);
    }
    let events = case.events_of(suspect.object)?;
    let said = events.into_iter().find(|e| e.reason == "FailedScheduling" && e.source.contains("karpenter"));
    let Some(event) = said else { return Ok(vec![]) };
    let reasons = event.message.strip_prefix(OPENING).unwrap_or(event.message);
    let age = Some(event.last.age(case.now()));
    let mut found =
        Match::on(&suspect.at, format!("Karpenter makes no node for it: {}.", reasons.trim_end_matches('.')))
            .evidence_aged(&suspect.at, "", event.reason, age, format!("Karpenter: {}", event.message))
            .confidence(Confidence::High)
            // It follows from whatever keeps the pod away.
            .because_cause("");
    for pool in case.list(NODEPOOLS, None).known()?.unwrap_or_default() {
        for (resource, limit, used) in exhausted(pool) {
            let at = ObjectRef::of(pool);
            let text = format!("NodePool {}: {used} of {limit} {resource} in use", name(pool));
            found = found.evidence(&at, &format!("spec.limits.{resource}"), &limit, text);
            let summary = format!("raise spec.limits.{resource} of NodePool {}", name(pool));
            found = found.fix(case.fix(pool, &format!("spec.limits.{resource}"), summary, "")?);
        }
    }
    if found.finding.fixes.is_empty() {
        let summary = "let a NodePool make nodes that the pod accepts: requirements, taints, machine types";
        found =
            found.fix(Fix { summary: summary.into(), live: "kubectl get nodepools -o wide".into(), ..Fix::default() });
    }
    Ok(vec![found])
}

/// Resources of a NodePool of which no more than a tenth of the limit is left: (resource, limit, used).
fn exhausted(pool: &Value) -> Vec<(String, String, String)> {
    let limits = pool.pointer("/spec/limits").and_then(Value::as_object).into_iter().flatten();
    limits
        .filter_map(|(resource, limit)| {
            let limit = text(limit);
            let used = pool.pointer("/status/resources").and_then(|r| r.get(resource)).map(text)?;
            let (most, now) = (Quantity::parse(&limit)?.0, Quantity::parse(&used)?.0);
            (now.saturating_mul(10) >= most.saturating_mul(9))
                .then(|| (clean(resource).into_owned(), clean(&limit).into_owned(), clean(&used).into_owned()))
        })
        .collect()
}

fn text(quantity: &Value) -> String {
    quantity.as_str().map_or_else(|| quantity.to_string(), Into::into)
}
