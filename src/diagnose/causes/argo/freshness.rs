//! Argo CD: a status that is old.
//!
//! ## argo-controller-stale
//! **You see.** Synced, and the commit is not there.
//! **Why.** Argo CD's application-controller is down or cannot keep up; every status is old.
//! **How kokpit knows.** Most Applications were last reconciled longer ago than twice the interval. Its pods are looked
//! at next.
//! **Looks alike.** `argo-autosync-off`. Under InvalidSpecError the time does not move either.
//! **Mend it.** Mend the controller's pods.
//!
//! ## argo-refresh-pending
//! **You see.** A refresh was asked for and nothing happens.
//! **Why.** Nobody handles the annotation.
//! **How kokpit knows.** `argocd.argoproj.io/refresh` is still there.
//! **Looks alike.** It is a consequence of `argo-controller-stale`.
//! **Mend it.** See there.

use super::{component, condition};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "freshness.rs";
    "argo-controller-stale" "Argo CD's controller does not reconcile" Outage ["Application"] stale;
    "argo-refresh-pending" "a refresh was asked for and nobody does it" Degraded ["Application"] refresh_pending;
}

/// Shipped `timeout.reconciliation` with its jitter; twice this is stale.
const RECONCILE_S: i64 = 180;

fn stale(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let age = |app: &Value| case.age(str_at(app, "/status/reconciledAt"));
    let Some(mine) = age(suspect.object).filter(|s| *s > 2 * RECONCILE_S) else { return Ok(Vec::new()) };
    if condition(suspect.object, "InvalidSpecError").is_some() {
        return Ok(Vec::new());
    }
    let apps = case.list(APPLICATIONS, Some(namespace(suspect.object)))?;
    // Under InvalidSpecError the time is absent or frozen; those prove nothing.
    let timed: Vec<i64> =
        apps.iter().filter(|a| condition(a, "InvalidSpecError").is_none()).filter_map(|a| age(a)).collect();
    let old = timed.iter().filter(|s| **s > 2 * RECONCILE_S).count();
    let running = str_at(suspect.object, "/status/operationState/phase") == "Running";
    if old * 2 < timed.len().max(1) || running {
        return Ok(Vec::new());
    }
    let least = timed.iter().filter(|s| **s > 2 * RECONCILE_S).min().copied().unwrap_or(mine);
    let leads = component(case, suspect.object, "application-controller")?;
    if leads.is_empty() && timed.len() < 2 {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(&suspect.at, format!("Argo CD has not looked at it for {}: its status is old.", human(mine)))
            .confidence(Confidence::High)
            .evidence_aged(
                &suspect.at,
                "status.reconciledAt",
                str_at(suspect.object, "/status/reconciledAt"),
                Some(mine),
                "last reconciled",
            )
            .evidence(&suspect.at, "", "", format!("{old} applications not reconciled for over {} minutes", least / 60))
            .because_all(leads),
    ])
}

fn refresh_pending(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let wanted = str_at(suspect.object, "/metadata/annotations/argocd.argoproj.io~1refresh");
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(&suspect.at, "A refresh was asked for and is still pending.")
            .confidence(Confidence::Medium)
            .evidence(
                &suspect.at,
                "metadata.annotations[argocd.argoproj.io/refresh]",
                wanted,
                "refresh annotation pending",
            )
            .because_cause("argo-controller-stale"),
    ])
}
