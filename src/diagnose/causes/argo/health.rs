//! Argo CD: the health of an Application.
//!
//! ## argo-health-degraded-child
//! **You see.** Degraded, or Progressing that does not end.
//! **Why.** One of its workloads is in trouble.
//! **How kokpit knows.** The workloads of `status.resources` are looked at themselves, and their cause is the reason.
//! **Looks alike.** `argo-controller-stale`: the status is old.
//! **Mend it.** Mend the workload.

use super::reference;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::world::object::{int_at, list_at, str_at};

causes! { "health.rs";
    "argo-health-degraded-child" "one of the Application's workloads is in trouble" Outage ["Application"] degraded;
}

fn degraded(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let health = str_at(suspect.object, "/status/health/status");
    if !matches!(health, "Degraded" | "Progressing" | "Missing") {
        return Ok(Vec::new());
    }
    let mut leads = Vec::new();
    let mut m = Match::on(&suspect.at, format!("Its health is {health}: a workload of it is in trouble."));
    for resource in list_at(suspect.object, "/status/resources") {
        let at = reference(resource);
        if !kin::WORKLOADS.contains(&at.kind.as_str()) {
            continue;
        }
        let Some(object) = case.get(&at)? else {
            m = m.evidence(&at, "", "", format!("{at} does not exist"));
            continue;
        };
        let ready = int_at(object, "/status/readyReplicas").unwrap_or_default();
        if kin::replicas(object).is_some_and(|wanted| ready < wanted) {
            let wanted = kin::replicas(object).unwrap_or_default();
            m = m.evidence(&at, "status.readyReplicas", &ready.to_string(), format!("{at}: {ready} of {wanted} ready"));
            leads.push(Lead::to(at));
        }
    }
    let message = str_at(suspect.object, "/status/health/message");
    let since = case.age(str_at(suspect.object, "/status/health/lastTransitionTime"));
    if leads.is_empty() && (health != "Degraded") {
        return Ok(Vec::new());
    }
    m = m.evidence_aged(&suspect.at, "status.health", health, since, format!("{health} {message}"));
    Ok(vec![m.because_all(leads).because_cause("argo-sync-").because_cause("argo-hook-")])
}
