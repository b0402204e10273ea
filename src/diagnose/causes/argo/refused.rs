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
//! ## argo-sync-ssa-conflict
//! **You see.** OutOfSync, last sync Failed.
//! **Why.** Server-side apply refuses the object: another field manager owns a field, or a list holds the same key twice.
//! **How kokpit knows.** `Apply failed with … conflicts`, `duplicate entries for key` in the object's message.
//! **Looks alike.** `argo-drift-unknown-field` (`field not declared in schema`), `argo-sync-admission-denied`.
//! **Mend it.** Git: remove the duplicate (an environment variable or port that stands twice). A conflict: take the
//! field out of git, or take it away from the other manager.
//!
//! ## argo-sync-failed
//! **You see.** Last sync Failed or Error.
//! **Why.** Argo CD says it in words that kokpit does not know.
//! **How kokpit knows.** `operationState.phase` and its message.
//! **Looks alike.** The more telling causes of this family win when the message has their words.
//! **Mend it.** By the message.

use super::{at_synced_revision, in_git, operation, project, reference, short, sync_command};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect, shorten};
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use serde_json::Value;

causes! { "refused.rs";
    "argo-sync-admission-denied" "admission refuses an object of the sync" Outage ["Application"] sync_failed, id;
    "argo-sync-immutable" "the sync changes a field that cannot be changed" Outage ["Application"] sync_failed, id;
    "argo-sync-rbac" "Argo CD may not write an object" Outage ["Application"] sync_failed, id;
    "argo-sync-namespace-missing" "the destination namespace does not exist" Degraded ["Application"] sync_failed, id;
    "argo-missing-crd" "the cluster does not know a kind of the sync" Outage ["Application"] sync_failed, id;
    "argo-sync-too-large" "an object is too large for client-side apply" Outage ["Application"] sync_failed, id;
    "argo-sync-ssa-conflict" "server-side apply refuses an object" Degraded ["Application"] sync_failed, id;
    "argo-hook-failed" "a hook of the sync failed" Outage ["Application"] sync_failed, id;
    "argo-sync-failed" "the last sync failed" Outage ["Application"] sync_failed, id;
}

/// Words of a refused object's message, the cause they speak for; first match wins.
const REFUSALS: &[(&str, &[&str])] = &[
    ("argo-project-denied-resource", &["is not permitted in project"]),
    ("argo-shared-resource", &["shared resource found"]),
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
    ("argo-drift-unknown-field", &["field not declared in schema"]),
    (
        "argo-sync-ssa-conflict",
        &["apply failed with", "failed to create typed patch object", "duplicate entries for key"],
    ),
    ("argo-sync-namespace-missing", &["namespaces \""]),
];

fn refusal_of(message: &str) -> &'static str {
    let lower = message.to_lowercase();
    REFUSALS.iter().find(|(_, words)| words.iter().any(|w| lower.contains(w))).map_or("argo-sync-failed", |(id, _)| id)
}

/// Why an entry of a sync result failed. `status` says Synced also where a hook or a wave's workload failed.
fn class_of(entry: &Value) -> &'static str {
    match str_at(entry, "/hookType") {
        "" => refusal_of(str_at(entry, "/message")),
        _ => "argo-hook-failed",
    }
}

/// The entries that made the last sync fail, with what was said of each.
fn failures(app: &Value) -> Vec<&Value> {
    let bad =
        |r: &&Value| str_at(r, "/status") == "SyncFailed" || matches!(str_at(r, "/hookPhase"), "Failed" | "Error");
    list_at(operation(app), "/syncResult/resources").iter().filter(bad).collect()
}

/// Matches of one kind of refusal at a failed sync; other files use it for the kinds that belong to them.
pub fn sync_failed(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let state = operation(app);
    let phase = str_at(state, "/phase");
    if !matches!(phase, "Failed" | "Error") {
        return Ok(Vec::new());
    }
    let failed = failures(app);
    let commit = short(str_at(state, "/operation/sync/revision"));
    let message = tidy(str_at(state, "/message"));
    let age = case.age(str_at(state, "/finishedAt"));
    if failed.is_empty() {
        if refusal_of(&message) != id {
            return Ok(Vec::new());
        }
        let m = Match::on(&suspect.at, format!("The sync of commit {commit} failed: {}", shorten(&message, 240)))
            .evidence_aged(&suspect.at, "status.operationState.message", &message, age, &message);
        return Ok(vec![m.fix(cure(case, app, &suspect.at, id)?)]);
    }
    let mut found = Vec::new();
    for entry in failed.into_iter().filter(|r| class_of(r) == id) {
        let at = reference(entry);
        let said = tidy(str_at(entry, "/message"));
        let mut m = Match::on(&at, format!("The sync of commit {commit} fails at {at}: {}", shorten(&said, 240)))
            .evidence_aged(
                &suspect.at,
                "status.operationState.syncResult.resources[]",
                &said,
                age,
                format!("{at}: {said}"),
            )
            .evidence(
                &suspect.at,
                "status.operationState.phase",
                phase,
                format!("commit {commit}, phase {phase}, {} retries", int_at(state, "/retryCount").unwrap_or_default()),
            );
        if !str_at(entry, "/hookPhase").is_empty() && matches!(id, "argo-hook-failed" | "argo-sync-failed") {
            m = m.because(at.clone());
        }
        if id == "argo-project-denied-resource" {
            m = project::allowed(case, app, m)?;
        }
        if !at_synced_revision(app) {
            m = m.evidence(&suspect.at, "status.sync.revision", "", "a newer commit is compared by now");
        }
        found.push(m.fix(cure(case, app, &at, id)?));
    }
    Ok(found)
}

/// What mends a refusal.
fn cure(case: &Case<'_>, app: &Value, at: &ObjectRef, id: &str) -> Fact<Fix> {
    let target = |verb: &str, flags: &str| {
        let ns = if at.namespace.is_empty() { String::new() } else { format!(" -n {}", at.namespace) };
        format!("kubectl{ns} {verb} {}/{}{flags}", at.kind.to_lowercase(), at.name)
    };
    let (what, field, live) = match id {
        "argo-project-denied-resource" => return project::permit(case, app, at),
        "argo-sync-immutable" if matches!(at.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "Job") => {
            let flags = if at.kind == "Job" { "" } else { " --cascade=orphan" };
            (
                "delete the object so that the sync makes it anew (its pods stay), or give it a new name",
                "",
                target("delete", flags),
            )
        }
        "argo-sync-immutable" => {
            ("take the change back, or give the object a new name; deleting it may lose data", "", String::new())
        }
        "argo-missing-crd" => (
            "install the CRD in an earlier wave or Application, or write the version that is installed",
            "apiVersion",
            String::new(),
        ),
        "argo-sync-too-large" => (
            "let this object be applied on the server: ServerSideApply=true",
            "metadata.annotations[argocd.argoproj.io/sync-options]",
            String::new(),
        ),
        "argo-sync-namespace-missing" => (
            "let the sync make the namespace: CreateNamespace=true",
            "spec.syncPolicy.syncOptions",
            format!("kubectl create namespace {}", str_at(app, "/spec/destination/namespace")),
        ),
        "argo-sync-rbac" => ("grant the account that the message names the right that it lacks", "", String::new()),
        "argo-sync-ssa-conflict" => ("remove the duplicate, or the field that another manager owns", "", String::new()),
        "argo-hook-failed" => ("mend the hook, then sync again", "", sync_command(app)),
        _ => ("mend what the message names in git; a new commit starts a new attempt", "", String::new()),
    };
    Ok(in_git(app, what, field, &live))
}

/// Without the name of the temporary file, which changes with every try.
fn tidy(message: &str) -> String {
    let mut text = message.to_owned();
    while let Some(start) = text.find("\"/dev/shm/") {
        let Some(end) = text.get(start + 1..).and_then(|rest| rest.find('"')) else { break };
        text.replace_range(start..start + end + 2, "it");
    }
    text.replace("error when patching it: ", "")
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
            ("resource :Namespace is not permitted in project shop", "argo-project-denied-resource"),
            (
                "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replcas: field not declared in schema",
                "argo-drift-unknown-field",
            ),
            (
                "failed to create typed patch object (…): .spec.template.spec.containers[name=\"app\"].env: duplicate entries for key [name=\"X\"]",
                "argo-sync-ssa-conflict",
            ),
            (
                "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\": .spec.replicas",
                "argo-sync-ssa-conflict",
            ),
            ("something new", "argo-sync-failed"),
        ] {
            assert_eq!(refusal_of(message), id, "{message}");
        }
    }

    #[test]
    fn the_temporary_file_is_left_out() {
        let said = "one or more objects failed to apply, reason: error when patching \"/dev/shm/906954101\": Deployment.apps \"web\" is invalid";
        assert_eq!(tidy(said), "one or more objects failed to apply, reason: Deployment.apps \"web\" is invalid");
        assert_eq!(tidy("name \"/dev/shm/1"), "name \"/dev/shm/1");
    }
}
