//! Argo CD: which objects belong to an Application.
//!
//! ## argo-prune-disabled
//! **You see.** OutOfSync, and all that is left over is to be deleted.
//! **Why.** Objects that left git are not pruned.
//! **How kokpit knows.** Every OutOfSync entry has `requiresPruning: true`.
//! **Looks alike.** `argo-autosync-off`.
//! **Mend it.** Sync with prune, `automated.prune: true`, or delete them.
//!
//! ## argo-orphaned
//! **You see.** A warning with a number.
//! **Why.** The namespace holds objects that no Application manages.
//! **How kokpit knows.** Condition OrphanedResourceWarning.
//! **Looks alike.** It never is the reason of anything.
//! **Mend it.** Nothing.

use super::{condition, in_git, out_of_sync, reference};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::world::object::{bool_at, str_at};

causes! { "ownership.rs";
    "argo-prune-disabled" "objects that left git are not pruned" Nuisance ["Application"] prune;
    "argo-orphaned" "the namespace holds objects that no Application manages" Nuisance ["Application"] orphaned;
}

fn prune(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let bad = out_of_sync(suspect.object);
    if bad.is_empty() || !bad.iter().all(|r| bool_at(r, "/requiresPruning")) {
        return Ok(Vec::new());
    }
    let all: Vec<String> = bad.iter().map(|r| reference(r).to_string()).take(5).collect();
    Ok(vec![
        Match::on(&suspect.at, format!("{} objects left git and are not pruned.", bad.len()))
            .evidence(
                &suspect.at,
                "status.resources[].requiresPruning",
                "true",
                format!("to be pruned: {}", all.join(", ")),
            )
            .fix(in_git(
                suspect.object,
                "sync with prune, or set automated.prune: true",
                "spec.syncPolicy.automated.prune",
                "",
            )),
    ])
}

fn orphaned(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let found = condition(suspect.object, "OrphanedResourceWarning").map(|c| {
        let message = str_at(c, "/message").replace("Application has ", "");
        Match::on(&suspect.at, format!("{message} are informational."))
            .evidence(
                &suspect.at,
                "status.conditions[OrphanedResourceWarning]",
                str_at(c, "/message"),
                format!("{message} are informational"),
            )
            .aside()
    });
    Ok(found.into_iter().collect())
}
