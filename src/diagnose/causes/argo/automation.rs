//! Argo CD: whether and when it syncs by itself.
//!
//! ## argo-autosync-gave-up
//! **You see.** OutOfSync although automated sync is on.
//! **Why.** Argo CD does not try the same commit again once its retries are used up.
//! **How kokpit knows.** Condition SyncError `Failed last sync attempt to [sha]`. Why that failed is the reason.
//! **Looks alike.** `argo-autosync-off`, `argo-sync-window`, `argo-controller-stale`.
//! **Mend it.** A new commit, or a sync by hand after an outside cure.
//!
//! ## argo-autosync-empty-guard
//! **You see.** OutOfSync although automated sync is on; everything is to be pruned.
//! **Why.** The path renders nothing any more. Argo CD refuses to delete every object of an Application by itself.
//! **How kokpit knows.** Condition SyncError `auto-sync will wipe out all resources`.
//! **Looks alike.** `argo-prune-disabled` (some objects left git), `argo-repo-path` (the directory itself is gone).
//! **Mend it.** Git: `spec.source.path`, or bring the manifests back. Where the end is meant: delete the Application, or
//! `syncPolicy.automated.allowEmpty: true`.
//!
//! ## argo-autosync-off
//! **You see.** OutOfSync, no error.
//! **Why.** Nobody syncs by itself here: `syncPolicy.automated` is not set, or `enabled: false`.
//! **How kokpit knows.** The field.
//! **Looks alike.** `argo-autosync-gave-up`, `argo-sync-window`.
//! **Mend it.** Sync; or set `syncPolicy.automated`.

use super::{at_synced_revision, condition, in_git, operation, out_of_sync, reference, short, sync_command};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::self_heals;
use crate::world::object::{bool_at, int_at, str_at};
use crate::world::time::Time;
use serde_json::Value;

causes! { "automation.rs";
    "argo-autosync-gave-up" "Argo CD does not try this commit again" Degraded ["Application"] gave_up;
    "argo-autosync-empty-guard" "Argo CD refuses to delete every object by itself" Degraded ["Application"] empty_guard;
    "argo-autosync-off" "nothing syncs by itself" Nuisance ["Application"] autosync_off;
}

/// What automated sync does about an Application (`autoSync` in Argo CD's controller/appcontroller.go).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Nothing: automated sync is off.
    Off,
    /// Nothing: the Application is not OutOfSync, or an operation is under way.
    Rest,
    /// Nothing: all that is left is to prune, and it may not.
    PruneOnly,
    /// Nothing: this revision was tried and failed.
    GivenUp,
    /// Nothing: this revision was synced already, and self-heal is off.
    Done,
    /// A sync of a new revision.
    Sync,
    /// A sync of what differs, after the back-off.
    Heal,
}

/// See [`Move`].
pub fn next_move(app: &Value) -> Move {
    if is_off(app) {
        return Move::Off;
    }
    let phase = str_at(operation(app), "/phase");
    if str_at(app, "/status/sync/status") != "OutOfSync" || phase == "Running" {
        return Move::Rest;
    }
    let bad = out_of_sync(app);
    if !bool_at(app, "/spec/syncPolicy/automated/prune") && bad.iter().all(|r| bool_at(r, "/requiresPruning")) {
        return Move::PruneOnly;
    }
    match (at_synced_revision(app), phase, self_heals(app)) {
        (false, ..) => Move::Sync,
        (true, "Failed" | "Error", _) => Move::GivenUp,
        (true, _, true) => Move::Heal,
        (true, _, false) => Move::Done,
    }
}

/// Seconds that self-heal waits after its first, second … attempt at a revision, counted from the end of the attempt
/// (`--self-heal-backoff-*`: 2 s, times 3, at most 300 s). The count starts anew with a new revision only.
const BACKOFF_S: &[i64] = &[0, 2, 6, 18, 54, 162, 300];

/// How often self-heal has synced this revision.
pub fn heals(app: &Value) -> usize {
    let count = int_at(operation(app), "/operation/sync/autoHealAttemptsCount").unwrap_or_default();
    usize::try_from(count).unwrap_or_default()
}

/// When self-heal puts back what differs now; in the past where it is due.
pub fn heals_at(app: &Value) -> Option<Time> {
    let finished = Time::parse(str_at(operation(app), "/finishedAt"))?;
    let wait = BACKOFF_S.get(heals(app)).or(BACKOFF_S.last())?;
    (next_move(app) == Move::Heal).then_some(Time(finished.0 + wait))
}

/// Whether nothing syncs by itself.
fn is_off(app: &Value) -> bool {
    let automated = app.pointer("/spec/syncPolicy/automated").filter(|a| !a.is_null());
    automated.is_none_or(|a| a.get("enabled") == Some(&Value::Bool(false)))
}

/// The SyncError of an Application whose message has these words, with the commit it speaks of.
fn sync_error<'a>(app: &'a Value, words: &str) -> Option<(&'a Value, &'a str)> {
    let bad = condition(app, "SyncError").filter(|c| str_at(c, "/message").contains(words))?;
    let commit = str_at(bad, "/message").split(['[', ']']).nth(1).unwrap_or_default();
    Some((bad, short(commit)))
}

fn gave_up(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some((bad, commit)) = sync_error(app, "Failed last sync attempt") else { return Ok(Vec::new()) };
    let message = str_at(bad, "/message");
    let heals = if self_heals(app) { "automated selfHeal is on" } else { "automated sync is on" };
    Ok(vec![
        Match::on(&suspect.at, format!("Argo CD will not retry this commit ({commit}); {heals}."))
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
            .because_cause("argo-project-denied-resource")
            .because_cause("argo-shared-resource")
            .because_cause("argo-drift-unknown-field")
            .fix(in_git(app, "commit the cure, or sync by hand after one outside git", "", &sync_command(app))),
    ])
}

fn empty_guard(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some((bad, commit)) = sync_error(app, "auto-sync will wipe out all resources") else { return Ok(Vec::new()) };
    let count = out_of_sync(app).len();
    let path = match str_at(app, "/spec/source/path") {
        "" => "its source".to_owned(),
        path => format!("path {path}"),
    };
    Ok(vec![
        Match::on(
            &suspect.at,
            format!("At commit {commit} {path} renders nothing: a sync would delete every object, so Argo CD refuses."),
        )
        .evidence_aged(
            &suspect.at,
            "status.conditions[SyncError]",
            str_at(bad, "/message"),
            case.age(str_at(bad, "/lastTransitionTime")),
            str_at(bad, "/message"),
        )
        .evidence(
            &suspect.at,
            "status.resources[].requiresPruning",
            "true",
            format!("{count} objects are to be pruned, none is in git"),
        )
        .fix(in_git(app, "bring the manifests back, or correct the path", "spec.source.path", ""))
        .fix(in_git(
            app,
            "where the end is meant: allow it, and every object is deleted",
            "spec.syncPolicy.automated.allowEmpty",
            "",
        )),
    ])
}

fn autosync_off(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    if !is_off(app) || str_at(app, "/status/sync/status") != "OutOfSync" {
        return Ok(Vec::new());
    }
    let all: Vec<String> = out_of_sync(app).iter().map(|r| reference(r).to_string()).take(5).collect();
    let how = match app.pointer("/spec/syncPolicy/automated/enabled") {
        Some(Value::Bool(false)) => "syncPolicy.automated.enabled is false",
        _ => "syncPolicy.automated is not set",
    };
    Ok(vec![
        Match::on(&suspect.at, "It is OutOfSync and waits to be synced by hand: automated sync is off.")
            .evidence(&suspect.at, "spec.syncPolicy.automated", "", format!("{how}; OutOfSync: {}", all.join(", ")))
            .because_cause("argo-sync-")
            .because_cause("argo-drift-")
            .because_cause("argo-prune-")
            .because_cause("argo-shared-resource")
            .because_cause("argo-tracking-lost")
            .because_cause("argo-appset-error")
            .fix(in_git(app, "sync it, or set syncPolicy.automated", "spec.syncPolicy.automated", &sync_command(app))),
    ])
}
