//! Argo CD: syncs that failed because an object was refused.
//!
//! ## argo-sync-admission-denied
//! **You see.** OutOfSync, last sync Failed.
//! **Why.** An admission webhook, policy or quota refuses an object.
//! **How kokpit knows.** The refused object's message in `operationState.syncResult`.
//! **Looks alike.** `argo-sync-rbac`: there Argo CD itself may not.
//! **Mend it.** Git: the field that the policy names. A new commit starts a new attempt.
//!
//! ## argo-sync-immutable
//! **You see.** OutOfSync, last sync Failed.
//! **Why.** A field is changed that cannot be changed.
//! **How kokpit knows.** `field is immutable`, `updates to statefulset spec … are forbidden` in the object's message.
//! **Looks alike.** `argo-sync-admission-denied`.
//! **Mend it.** Delete and create anew (data!), or a new name.
//!
//! ## argo-sync-rbac
//! **You see.** OutOfSync, last sync Failed.
//! **Why.** Argo CD's account may not write the object.
//! **How kokpit knows.** `is forbidden: User "system:serviceaccount:…" cannot …`.
//! **Looks alike.** `argo-sync-admission-denied`.
//! **Mend it.** Grant the role, or the project's destination service account.
//!
//! ## argo-sync-namespace-missing
//! **You see.** OutOfSync, last sync Failed.
//! **Why.** The destination namespace does not exist.
//! **How kokpit knows.** `namespaces "x" not found`.
//! **Looks alike.** `argo-invalid-project`.
//! **Mend it.** Git: `CreateNamespace=true`, or the namespace's manifest.
//!
//! ## argo-missing-crd
//! **You see.** OutOfSync, last sync Failed, nothing applied.
//! **Why.** The cluster does not know a kind or version.
//! **How kokpit knows.** `The Kubernetes API could not find …` in the object's message.
//! **Looks alike.** `argo-sync-rbac`.
//! **Mend it.** Install the CRD first, `SkipDryRunOnMissingResource=true`, or the version that exists.
//!
//! ## argo-sync-too-large
//! **You see.** OutOfSync, last sync Failed.
//! **Why.** The object does not fit into the last-applied annotation.
//! **How kokpit knows.** `metadata.annotations: Too long`.
//! **Looks alike.** `argo-sync-admission-denied`.
//! **Mend it.** Git: `ServerSideApply=true` on the object.
//!
//! ## argo-hook-failed
//! **You see.** Last sync Failed, without a reason.
//! **Why.** A hook failed.
//! **How kokpit knows.** `hookPhase: Failed` of a hook (its status still says Synced).
//! **Looks alike.** A wave whose workload passed its deadline.
//! **Mend it.** Mend the hook's Job and sync again.
//!
//! ## argo-sync-failed
//! **You see.** Last sync Failed or Error.
//! **Why.** Argo CD says it in words that kokpit does not know.
//! **How kokpit knows.** `operationState.phase` and its message.
//! **Looks alike.** The more telling causes of this family win when the message has their words.
//! **Mend it.** By the message.

use super::{in_git, reference};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect, shorten};
use crate::world::object::{int_at, list_at, str_at};
use serde_json::Value;

causes! { "refused.rs";
    "argo-sync-admission-denied" "admission refuses an object of the sync" Outage ["Application"] |c, s| sync_failed(c, s, "argo-sync-admission-denied");
    "argo-sync-immutable" "the sync changes a field that cannot be changed" Outage ["Application"] |c, s| sync_failed(c, s, "argo-sync-immutable");
    "argo-sync-rbac" "Argo CD may not write an object" Outage ["Application"] |c, s| sync_failed(c, s, "argo-sync-rbac");
    "argo-sync-namespace-missing" "the destination namespace does not exist" Degraded ["Application"] |c, s| sync_failed(c, s, "argo-sync-namespace-missing");
    "argo-missing-crd" "the cluster does not know a kind of the sync" Outage ["Application"] |c, s| sync_failed(c, s, "argo-missing-crd");
    "argo-sync-too-large" "an object is too large for client-side apply" Outage ["Application"] |c, s| sync_failed(c, s, "argo-sync-too-large");
    "argo-hook-failed" "a hook of the sync failed" Outage ["Application"] |c, s| sync_failed(c, s, "argo-hook-failed");
    "argo-sync-failed" "the last sync failed" Outage ["Application"] |c, s| sync_failed(c, s, "argo-sync-failed");
}

/// Words of a refused object's message, the cause they speak for; first match wins.
const REFUSALS: &[(&str, &[&str])] = &[
    (
        "argo-missing-crd",
        &["the kubernetes api could not find", "no matches for kind", "failed to discover server resources"],
    ),
    (
        "argo-sync-rbac",
        &[
            "cannot patch resource",
            "cannot create resource",
            "cannot update resource",
            "cannot delete resource",
            "cannot get resource",
            "no matching service account found",
        ],
    ),
    (
        "argo-sync-admission-denied",
        &[
            "denied the request",
            "denied request",
            "exceeded quota",
            "violates podsecurity",
            "failed calling webhook",
            "failed quota",
            "usage per ",
        ],
    ),
    (
        "argo-sync-immutable",
        &[
            "field is immutable",
            "updates to statefulset spec",
            "is immutable after creation",
            "may not change once set",
        ],
    ),
    ("argo-sync-too-large", &["too long: must have at most", "request is too large"]),
    ("argo-sync-namespace-missing", &["namespaces \""]),
];

fn refusal_of(message: &str) -> &'static str {
    let lower = message.to_lowercase();
    REFUSALS.iter().find(|(_, words)| words.iter().any(|w| lower.contains(w))).map_or("argo-sync-failed", |(id, _)| id)
}

fn sync_failed(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let operation = app.pointer("/status/operationState").unwrap_or(&Value::Null);
    if !matches!(str_at(operation, "/phase"), "Failed" | "Error") {
        return Ok(Vec::new());
    }
    let failed: Vec<&Value> = list_at(operation, "/syncResult/resources")
        .iter()
        .filter(|r| str_at(r, "/status") == "SyncFailed" || matches!(str_at(r, "/hookPhase"), "Failed" | "Error"))
        .collect();
    let class = |r: &Value| match (str_at(r, "/hookType"), refusal_of(str_at(r, "/message"))) {
        (hook, _) if !hook.is_empty() => "argo-hook-failed",
        (_, class) => class,
    };
    let revision = str_at(operation, "/operation/sync/revision");
    let short = revision.get(..7).unwrap_or(revision);
    let message = str_at(operation, "/message");
    let age = case.age(str_at(operation, "/finishedAt"));
    if failed.is_empty() {
        if refusal_of(message) != id {
            return Ok(Vec::new());
        }
        let m = Match::on(&suspect.at, format!("The sync of commit {short} failed: {}", shorten(message, 240)))
            .evidence_aged(&suspect.at, "status.operationState.message", message, age, message);
        return Ok(vec![m.fix(in_git(app, "mend what the message names; a new commit starts a new attempt", "", ""))]);
    }
    Ok(failed
        .into_iter()
        .filter(|r| class(r) == id)
        .map(|r| {
            let at = reference(r);
            let said = str_at(r, "/message");
            let m = Match::on(&at, format!("The sync of commit {short} fails at {at}: {}", shorten(said, 240)))
                .evidence_aged(
                    &suspect.at,
                    "status.operationState.syncResult.resources[]",
                    said,
                    age,
                    format!("{at}: {said}"),
                )
                .evidence(
                    &suspect.at,
                    "status.operationState.phase",
                    str_at(operation, "/phase"),
                    format!(
                        "commit {short}, phase {}, {} retries",
                        str_at(operation, "/phase"),
                        int_at(operation, "/retryCount").unwrap_or_default()
                    ),
                );
            let m = if id == "argo-hook-failed" { m.because(at) } else { m };
            m.fix(in_git(app, "mend what the message names in git; a new commit starts a new attempt", "", ""))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_a_class() {
        for (message, id) in [
            ("admission webhook \"x\" denied the request: label team missing", "argo-sync-admission-denied"),
            ("configmaps \"cfg\" is forbidden: exceeded quota: team-quota", "argo-sync-admission-denied"),
            (
                "Deployment.apps \"web\" is invalid: spec.selector: Invalid value: field is immutable",
                "argo-sync-immutable",
            ),
            ("namespaces \"not-there\" not found", "argo-sync-namespace-missing"),
            (
                "The Kubernetes API could not find cert-manager.io/Certificate for requested resource",
                "argo-missing-crd",
            ),
            ("x is forbidden: User \"system:serviceaccount:argocd:c\" cannot patch resource", "argo-sync-rbac"),
            ("something new", "argo-sync-failed"),
        ] {
            assert_eq!(refusal_of(message), id, "{message}");
        }
    }
}
