//! Argo CD: whether and when Argo CD syncs by itself.
//!
//! ## argo-autosync-gave-up
//! **You see.** OutOfSync although automated sync is on.
//! **Why.** Argo CD does not try the same commit again once its retries are used up.
//! **How kokpit knows.** Condition SyncError `Failed last sync attempt to [sha]`. Why that failed is the reason.
//! **Looks alike.** `argo-autosync-off`, `argo-controller-stale`.
//! **Mend it.** A new commit, or a sync by hand after an outside cure.
//!
//! ## argo-autosync-off
//! **You see.** OutOfSync, no error.
//! **Why.** Nobody syncs by itself here: `syncPolicy.automated` is not set.
//! **How kokpit knows.** The field.
//! **Looks alike.** `argo-autosync-gave-up`.
//! **Mend it.** Sync; or set `syncPolicy.automated`.

use super::{condition, in_git, out_of_sync, reference};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::self_heals;
use crate::world::object::str_at;
use serde_json::Value;

causes! { "automation.rs";
    "argo-autosync-gave-up" "Argo CD does not try this commit again" Degraded ["Application"] gave_up;
    "argo-autosync-off" "nothing syncs by itself" Nuisance ["Application"] autosync_off;
}

fn gave_up(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(bad) = condition(suspect.object, "SyncError") else { return Ok(Vec::new()) };
    let message = str_at(bad, "/message");
    let sha = message.split(['[', ']']).nth(1).unwrap_or_default();
    let short = sha.get(..7).unwrap_or(sha);
    let heals = if self_heals(suspect.object) { "automated selfHeal is on" } else { "automated sync is on" };
    let sync = format!(
        "kubectl -n {} patch app {} --type merge -p '{{\"operation\":{{\"sync\":{{}}}}}}'",
        suspect.at.namespace, suspect.at.name
    );
    Ok(vec![
        Match::on(&suspect.at, format!("Argo CD will not retry this commit ({short}); {heals}."))
            .evidence_aged(
                &suspect.at,
                "status.conditions[SyncError]",
                message,
                case.age(str_at(bad, "/lastTransitionTime")),
                message,
            )
            .because_cause("argo-sync-")
            .because_cause("argo-hook-")
            .because_cause("argo-missing-crd")
            .fix(in_git(suspect.object, "commit the cure, or sync by hand after one outside git", "", &sync)),
    ])
}

fn autosync_off(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let automated = app.pointer("/spec/syncPolicy/automated").filter(|a| !a.is_null());
    let off = automated.is_none_or(|a| a.get("enabled") == Some(&Value::Bool(false)));
    if !off || str_at(app, "/status/sync/status") != "OutOfSync" {
        return Ok(Vec::new());
    }
    let all: Vec<String> = out_of_sync(app).iter().map(|r| reference(r).to_string()).take(5).collect();
    Ok(vec![
        Match::on(&suspect.at, "It is OutOfSync and waits to be synced by hand: automated sync is off.")
            .evidence(
                &suspect.at,
                "spec.syncPolicy.automated",
                "",
                format!("syncPolicy.automated is not set; OutOfSync: {}", all.join(", ")),
            )
            .because_cause("argo-sync-")
            .because_cause("argo-drift-")
            .because_cause("argo-prune-")
            .fix(in_git(app, "sync it, or set syncPolicy.automated", "spec.syncPolicy.automated", "")),
    ])
}
