//! Argo CD Applications: unknown, refused, stuck, drifted, degraded, stale.
//!
//! ## argo-invalid-project
//! **You see.** Sync and health Unknown; nothing is deployed.
//! **Why.** The Application's project does not exist, or does not allow its repository or destination.
//! **How kokpit knows.** Condition InvalidSpecError; the project's destinations and repositories are shown.
//! **Looks alike.** `argo-cluster-unreachable`: other Applications of the cluster tell them apart.
//! **Mend it.** Git: `spec.destinations` or `sourceRepos` of the AppProject, or the Application's own spec.
//!
//! ## argo-repo-auth
//! **You see.** Sync Unknown, health as it was.
//! **Why.** Argo CD may not read the repository.
//! **How kokpit knows.** Condition ComparisonError with words of a refused login. The first minutes are hidden.
//! **Looks alike.** `argo-repo-path`, `argo-repo-revision`.
//! **Mend it.** The repository's Secret in Argo CD's namespace.
//!
//! ## argo-repo-path
//! **You see.** Sync Unknown.
//! **Why.** The directory does not exist at that revision.
//! **How kokpit knows.** ComparisonError `app path does not exist`.
//! **Looks alike.** `argo-repo-revision`.
//! **Mend it.** Git: `spec.source.path`; keep a file in a directory that may become empty.
//!
//! ## argo-repo-revision
//! **You see.** Sync Unknown.
//! **Why.** Branch, tag or chart version does not exist.
//! **How kokpit knows.** ComparisonError `unable to resolve … to a commit SHA`.
//! **Looks alike.** `argo-repo-auth`.
//! **Mend it.** Git: `spec.source.targetRevision`.
//!
//! ## argo-render-error
//! **You see.** Sync Unknown.
//! **Why.** Helm, kustomize or a plugin fails on the manifests.
//! **How kokpit knows.** ComparisonError with the tool's words.
//! **Looks alike.** `argo-repo-path`.
//! **Mend it.** Git: what the message names; a cached failure needs a hard refresh.
//!
//! ## argo-reposerver-down
//! **You see.** Sync Unknown for many Applications at once.
//! **Why.** Argo CD's repo-server does not answer.
//! **How kokpit knows.** ComparisonError with `code = Unavailable`, refused connections or time-outs.
//! **Looks alike.** `argo-repo-auth`.
//! **Mend it.** Look at the repo-server's pods.
//!
//! ## argo-cluster-unreachable
//! **You see.** Sync Unknown for every Application of one cluster.
//! **Why.** Argo CD cannot reach the destination cluster, or does not know it.
//! **How kokpit knows.** `Failed to load live state`, `there are no clusters with this name`.
//! **Looks alike.** `argo-invalid-project`.
//! **Mend it.** The cluster's Secret, its token, the network.
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
//!
//! ## argo-sync-wave-health
//! **You see.** A sync runs for ever; later objects are missing.
//! **Why.** A wave waits until its objects are healthy before the next one is applied. If the object waits for something
//! of a later wave, that is a deadlock, and it blocks the very commit that would mend it.
//! **How kokpit knows.** `waiting for healthy state of …`; what the object lacks is looked up among later waves.
//! **Looks alike.** A slow start.
//! **Mend it.** Git: `argocd.argoproj.io/sync-wave`; terminate the running sync so that the new commit starts.
//!
//! ## argo-drift-defaulted-fields
//! **You see.** OutOfSync for good; every sync succeeds.
//! **Why.** With ServerSideApply the defaults that a CRD fills in inside a list count as a difference.
//! **How kokpit knows.** Last sync Succeeded at this revision, `ServerSideApply=true`, and only objects of custom kinds
//! known for defaults in lists differ, without a later writer.
//! **Looks alike.** `argo-drift-selfheal-off` (somebody changed it live).
//! **Mend it.** Git: write the defaults, or `argocd.argoproj.io/compare-options: ServerSideDiff=true`.
//!
//! ## argo-drift-hpa-replicas
//! **You see.** A Deployment is OutOfSync, or its replicas flap.
//! **Why.** An autoscaler and git both set `spec.replicas`.
//! **How kokpit knows.** An HPA targets the object that differs.
//! **Looks alike.** `argo-drift-selfheal-off`.
//! **Mend it.** Git: ignoreDifferences on `/spec/replicas` with `RespectIgnoreDifferences=true`. Merely removing the
//! field drops the workload to one replica under client-side apply.
//!
//! ## argo-drift-selfheal-off
//! **You see.** OutOfSync at the revision that was synced.
//! **Why.** Somebody changed an object live, and self-heal is off.
//! **How kokpit knows.** managedFields: a writer other than Argo CD, later than the last sync.
//! **Looks alike.** `argo-drift-defaulted-fields`, `argo-drift-hpa-replicas`.
//! **Mend it.** Commit the change, or sync it away.
//!
//! ## argo-prune-disabled
//! **You see.** OutOfSync, and all that is left over is to be deleted.
//! **Why.** Objects that left git are not pruned.
//! **How kokpit knows.** Every OutOfSync entry has `requiresPruning: true`.
//! **Looks alike.** `argo-autosync-off`.
//! **Mend it.** Sync with prune, `automated.prune: true`, or delete them.
//!
//! ## argo-health-degraded-child
//! **You see.** Degraded, or Progressing that does not end.
//! **Why.** One of its workloads is in trouble.
//! **How kokpit knows.** The workloads of `status.resources` are looked at themselves, and their cause is the reason.
//! **Looks alike.** `argo-controller-stale`: the status is old.
//! **Mend it.** Mend the workload.
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
//!
//! ## argo-orphaned
//! **You see.** A warning with a number.
//! **Why.** The namespace holds objects that no Application manages.
//! **How kokpit knows.** Condition OrphanedResourceWarning.
//! **Looks alike.** It never is the reason of anything.
//! **Mend it.** Nothing.

use super::{Cause, Severity};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect, shorten};
use crate::diagnose::git::{field_of, self_heals};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, name, namespace, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

const FILE: &str = include_str!("argo.rs");

macro_rules! rows {
    ($($id:literal $title:literal $severity:ident $judge:expr;)*) => {
        /// The family's rows.
        pub const CAUSES: &[Cause] = &[
            $(Cause { id: $id, title: $title, severity: Severity::$severity, kinds: &["Application"], file: FILE, judge: $judge },)*
        ];
    };
}

rows! {
    "argo-invalid-project" "the project does not allow the Application's source or destination" Outage invalid_project;
    "argo-repo-auth" "Argo CD may not read the repository" Outage |c, s| comparison(c, s, "argo-repo-auth");
    "argo-repo-path" "the directory does not exist in the repository" Outage |c, s| comparison(c, s, "argo-repo-path");
    "argo-repo-revision" "the branch, tag or version does not exist" Outage |c, s| comparison(c, s, "argo-repo-revision");
    "argo-render-error" "the manifests cannot be rendered" Outage |c, s| comparison(c, s, "argo-render-error");
    "argo-reposerver-down" "Argo CD's repo-server does not answer" Outage |c, s| comparison(c, s, "argo-reposerver-down");
    "argo-cluster-unreachable" "Argo CD cannot reach the destination cluster" Outage |c, s| comparison(c, s, "argo-cluster-unreachable");
    "argo-sync-admission-denied" "admission refuses an object of the sync" Outage |c, s| sync_failed(c, s, "argo-sync-admission-denied");
    "argo-sync-immutable" "the sync changes a field that cannot be changed" Outage |c, s| sync_failed(c, s, "argo-sync-immutable");
    "argo-sync-rbac" "Argo CD may not write an object" Outage |c, s| sync_failed(c, s, "argo-sync-rbac");
    "argo-sync-namespace-missing" "the destination namespace does not exist" Degraded |c, s| sync_failed(c, s, "argo-sync-namespace-missing");
    "argo-missing-crd" "the cluster does not know a kind of the sync" Outage |c, s| sync_failed(c, s, "argo-missing-crd");
    "argo-sync-too-large" "an object is too large for client-side apply" Outage |c, s| sync_failed(c, s, "argo-sync-too-large");
    "argo-hook-failed" "a hook of the sync failed" Outage |c, s| sync_failed(c, s, "argo-hook-failed");
    "argo-sync-failed" "the last sync failed" Outage |c, s| sync_failed(c, s, "argo-sync-failed");
    "argo-autosync-gave-up" "Argo CD does not try this commit again" Degraded gave_up;
    "argo-autosync-off" "nothing syncs by itself" Nuisance autosync_off;
    "argo-sync-wave-health" "a wave waits for an object to become healthy" Degraded wave;
    "argo-drift-defaulted-fields" "defaults that the API fills in count as a difference" Nuisance |c, s| drift(c, s, "argo-drift-defaulted-fields");
    "argo-drift-hpa-replicas" "an autoscaler and git both set the replicas" Nuisance |c, s| drift(c, s, "argo-drift-hpa-replicas");
    "argo-drift-selfheal-off" "somebody changed an object live, and self-heal is off" Degraded |c, s| drift(c, s, "argo-drift-selfheal-off");
    "argo-prune-disabled" "objects that left git are not pruned" Nuisance prune;
    "argo-health-degraded-child" "one of the Application's workloads is in trouble" Outage degraded;
    "argo-controller-stale" "Argo CD's controller does not reconcile" Outage stale;
    "argo-refresh-pending" "a refresh was asked for and nobody does it" Degraded refresh_pending;
    "argo-orphaned" "the namespace holds objects that no Application manages" Nuisance orphaned;
}

/// A condition of the Application by its type.
fn condition<'a>(app: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(app, "/status/conditions").iter().find(|c| str_at(c, "/type") == kind)
}

fn reference(resource: &Value) -> ObjectRef {
    let at = |field: &str| str_at(resource, field);
    ObjectRef::new(at("/group"), at("/kind"), at("/namespace"), at("/name"))
}

fn out_of_sync(app: &Value) -> Vec<&Value> {
    list_at(app, "/status/resources").iter().filter(|r| str_at(r, "/status") == "OutOfSync").collect()
}

/// A fix in the repository that the Application deploys from.
fn in_git(app: &Value, summary: impl Into<String>, field: &str, live: &str) -> Fix {
    Fix { summary: summary.into(), live: live.into(), git: Some(field_of(app, field)), verified: false }
}

fn invalid_project(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(bad) = condition(app, "InvalidSpecError").filter(|c| str_at(c, "/message").contains("project")) else {
        return Ok(Vec::new());
    };
    let message = str_at(bad, "/message");
    let project = APPPROJECTS.at(namespace(app), str_at(app, "/spec/project"));
    let wanted = str_at(app, "/spec/destination/namespace");
    let mut m = Match::on(&suspect.at, format!("Project {} does not allow it: {message}.", project.name))
        .evidence_aged(
            &suspect.at,
            "status.conditions[InvalidSpecError]",
            message,
            case.age(str_at(bad, "/lastTransitionTime")),
            format!("InvalidSpecError: {message}"),
        )
        .evidence(
            &suspect.at,
            "spec.destination",
            wanted,
            format!("destination namespace {wanted}, project {}", project.name),
        );
    if let Some(Some(object)) = case.get(&project).known()? {
        let allowed: Vec<&str> =
            list_at(object, "/spec/destinations").iter().map(|d| str_at(d, "/namespace")).collect();
        m = m.evidence(
            &project,
            "spec.destinations",
            &allowed.join(", "),
            format!("project {}: allowed: {}", project.name, allowed.join(", ")),
        );
    }
    if list_at(app, "/status/resources").is_empty() {
        m = m.evidence(&suspect.at, "status.resources", "", "nothing has been deployed");
    }
    let server = str_at(app, "/spec/destination/server");
    let apps = case.list(APPLICATIONS, Some(namespace(app))).known()?.unwrap_or_default();
    let sister = apps.into_iter().find(|a| {
        name(a) != name(app)
            && str_at(a, "/spec/destination/server") == server
            && str_at(a, "/status/sync/status") == "Synced"
    });
    if let Some(sister) = sister {
        m = m.evidence(
            &ObjectRef::of(sister),
            "status.sync.status",
            "Synced",
            format!("{} on the same cluster is Synced, so the cluster is reachable", name(sister)),
        );
    }
    let object = case.get(&project).known()?.flatten().unwrap_or(app);
    Ok(vec![m.fix(case.fix(
        object,
        "spec.destinations",
        format!("add {{server: {server}, namespace: {wanted}}} to spec.destinations of AppProject {}", project.name),
        "",
    )?)])
}

/// Words of a ComparisonError, the cause they speak for; first match wins.
const COMPARISON: &[(&str, &[&str])] = &[
    (
        "argo-cluster-unreachable",
        &[
            "failed to load live state",
            "there are no clusters with this name",
            "failed to get cluster",
            "cluster \"http",
        ],
    ),
    ("argo-repo-path", &["app path does not exist", "no such file or directory"]),
    ("argo-repo-revision", &["unable to resolve", "revision not found", "chart version", "no matching version"]),
    (
        "argo-repo-auth",
        &[
            "authentication required",
            "repository not found",
            "handshake failed",
            "could not read username",
            "401",
            "403",
            "x509",
            "permission denied",
        ],
    ),
    (
        "argo-reposerver-down",
        &["code = unavailable", "connection refused", "deadline exceeded", "resourceexhausted", "connection error"],
    ),
];

fn comparison(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let bad =
        ["ComparisonError", "InvalidSpecError", "UnknownError"].iter().find_map(|kind| condition(suspect.object, kind));
    let Some(bad) =
        bad.filter(|c| !(str_at(c, "/type") == "InvalidSpecError" && str_at(c, "/message").contains("project")))
    else {
        return Ok(Vec::new());
    };
    let message = str_at(bad, "/message");
    let lower = message.to_lowercase();
    let said = COMPARISON
        .iter()
        .find(|(_, words)| words.iter().any(|w| lower.contains(w)))
        .map_or("argo-render-error", |(id, _)| id);
    if said != id {
        return Ok(Vec::new());
    }
    let tail = message.rsplit("desc = ").next().unwrap_or(message);
    let m = Match::on(&suspect.at, format!("Argo CD cannot compare it: {}", shorten(tail, 240))).evidence_aged(
        &suspect.at,
        &format!("status.conditions[{}]", str_at(bad, "/type")),
        message,
        case.age(str_at(bad, "/lastTransitionTime")),
        format!("{}: {message}", str_at(bad, "/type")),
    );
    let (what, field) = match id {
        "argo-repo-path" => ("name a directory that exists", "spec.source.path"),
        "argo-repo-revision" => ("name a revision that exists", "spec.source.targetRevision"),
        "argo-repo-auth" => ("give Argo CD credentials that may read the repository", ""),
        "argo-cluster-unreachable" => ("renew the cluster's Secret, or mend the way to it", ""),
        "argo-reposerver-down" => ("look at the repo-server's pods", ""),
        _ => ("mend what the message names", ""),
    };
    let m = m.fix(in_git(suspect.object, what, field, ""));
    Ok(vec![if id == "argo-reposerver-down" {
        m.because_all(component(case, suspect.object, "repo-server")?)
    } else {
        m
    }])
}

/// The workload of an Argo CD component in the Application's namespace.
fn component(case: &Case<'_>, app: &Value, which: &str) -> Fact<Vec<Lead>> {
    let home = match str_at(app, "/status/controllerNamespace") {
        "" => namespace(app),
        ns => ns,
    };
    let all = kin::workloads(case, home)?;
    Ok(all.into_iter().filter(|w| name(w).ends_with(which)).map(|w| Lead::to(ObjectRef::of(w))).collect())
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

fn wave(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let operation = app.pointer("/status/operationState").unwrap_or(&Value::Null);
    let message = str_at(operation, "/message");
    let Some(rest) =
        message.split_once("waiting for healthy state of ").filter(|_| str_at(operation, "/phase") == "Running")
    else {
        return Ok(Vec::new());
    };
    let first = rest.1.split_whitespace().next().unwrap_or_default();
    let parts: Vec<&str> = first.split('/').collect();
    let (kind, wanted) = match parts.as_slice() {
        [.., kind, wanted] => (*kind, *wanted),
        _ => return Ok(Vec::new()),
    };
    let resources = list_at(app, "/status/resources");
    let wave = |r: &Value| int_at(r, "/syncWave").unwrap_or_default();
    let Some(object) = resources.iter().find(|r| str_at(r, "/kind") == kind && str_at(r, "/name") == wanted) else {
        return Ok(Vec::new());
    };
    let at = reference(object);
    let age = case.age(str_at(operation, "/startedAt"));
    let mut m = Match::on(
        &suspect.at,
        format!(
            "The sync waits for {at} to become healthy{}.",
            age.map_or(String::new(), |s| format!(" since {}", human(s)))
        ),
    )
    .evidence_aged(&suspect.at, "status.operationState.message", message, age, message);
    let mut deadlock = false;
    for later in resources.iter().filter(|r| wave(r) > wave(object) && str_at(r, "/status") == "OutOfSync") {
        let needed = reference(later);
        if needs(case, &at, &needed)? {
            deadlock = true;
            m = m.evidence(
                &needed,
                "argocd.argoproj.io/sync-wave",
                &wave(later).to_string(),
                format!(
                    "{} {} is in wave {}, {kind} {wanted} in wave {}: a deadlock",
                    needed.kind,
                    needed.name,
                    wave(later),
                    wave(object)
                ),
            );
        }
    }
    let terminate = format!(
        "kubectl -n {} patch app {} --type merge -p '{{\"status\":{{\"operationState\":{{\"phase\":\"Terminating\"}}}}}}'",
        suspect.at.namespace, suspect.at.name
    );
    m = m.fix(in_git(
        app,
        "give what it needs an earlier sync-wave; terminate the running sync so that the new commit starts",
        "metadata.annotations[argocd.argoproj.io/sync-wave]",
        &terminate,
    ));
    Ok(vec![if deadlock { m.explains(at) } else { m.because(at) }])
}

/// Whether a workload's pod template refers to a ConfigMap or Secret.
fn needs(case: &Case<'_>, workload: &ObjectRef, needed: &ObjectRef) -> Fact<bool> {
    let Some(Some(object)) = case.get(workload).known()? else { return Ok(false) };
    let text = object.pointer("/spec/template/spec").map(ToString::to_string).unwrap_or_default();
    let kinds = matches!(needed.kind.as_str(), "ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim");
    Ok(kinds && text.contains(&format!("\"{}\"", needed.name)))
}

/// Custom kinds with defaults inside lists (argo-cd#22151, external-secrets#6398), and the fields.
const DEFAULTED: &[(&str, &str)] = &[
    ("ExternalSecret", "spec.data[].remoteRef conversionStrategy, decodingStrategy, metadataPolicy, nullBytePolicy"),
    ("ClusterExternalSecret", "spec.externalSecretSpec.data[].remoteRef"),
    ("HTTPRoute", "parentRefs[] group, kind and backendRefs[] group, kind, weight"),
    ("GRPCRoute", "parentRefs[] group, kind and backendRefs[] group, kind, weight"),
];

fn drift(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let operation = app.pointer("/status/operationState").unwrap_or(&Value::Null);
    let same = str_at(operation, "/syncResult/revision") == str_at(app, "/status/sync/revision");
    if str_at(operation, "/phase") != "Succeeded" || !same {
        return Ok(Vec::new());
    }
    let finished = Time::parse(str_at(operation, "/finishedAt")).unwrap_or(Time::NEVER);
    let options = list_at(app, "/spec/syncPolicy/syncOptions");
    let ssa = options.iter().any(|o| o == "ServerSideApply=true");
    let mut found = Vec::new();
    let bad = out_of_sync(app);
    for resource in bad.iter().filter(|r| !bool_at(r, "/requiresPruning")) {
        let at = reference(resource);
        let Some(object) = case.get(&at)? else { continue };
        let hpa = scaler(case, &at)?;
        let late = late_writer(object, finished);
        let defaulted = DEFAULTED.iter().find(|(kind, _)| *kind == at.kind).map(|(_, fields)| *fields).filter(|_| ssa);
        let is = match (&hpa, &late, defaulted) {
            (Some(_), ..) => "argo-drift-hpa-replicas",
            (_, Some(_), _) => "argo-drift-selfheal-off",
            (_, _, Some(_)) => "argo-drift-defaulted-fields",
            _ => continue,
        };
        if is != id {
            continue;
        }
        let only = if bad.len() == 1 { "only " } else { "" };
        let mut m = Match::on(
            &at,
            match id {
                "argo-drift-hpa-replicas" => format!("{at} differs: its autoscaler and git both set spec.replicas."),
                "argo-drift-selfheal-off" => format!(
                    "{at} was changed live by {}, and self-heal is off.",
                    late.as_ref().map_or("somebody", |l| l.0.as_str())
                ),
                _ => format!("{at} differs only by defaults that its CRD fills in inside lists."),
            },
        )
        .confidence(Confidence::High)
        .evidence(
            &suspect.at,
            "status.resources[]",
            "OutOfSync",
            format!("{only}{at} is OutOfSync; the last sync Succeeded at the same revision"),
        );
        if let Some(hpa) = hpa {
            m = m.evidence(&hpa, "spec.scaleTargetRef", "", format!("{hpa} targets it"));
        }
        if let Some((manager, time)) = late.filter(|_| id == "argo-drift-selfheal-off") {
            m = m.evidence_aged(
                &at,
                "metadata.managedFields",
                &manager,
                case.age(&time),
                format!("{manager} wrote after the last sync"),
            );
        }
        if id == "argo-drift-defaulted-fields" {
            m = m
                .evidence(
                    &suspect.at,
                    "spec.syncPolicy.syncOptions",
                    "ServerSideApply=true",
                    "ServerSideApply=true: lists are compared whole",
                )
                .evidence(&at, "spec", "", format!("defaulted: {}", defaulted.unwrap_or_default()));
        }
        if str_at(app, "/status/health/status") == "Healthy" {
            m = m.evidence(&suspect.at, "status.health.status", "Healthy", "the Application is healthy");
        }
        let what = match id {
            "argo-drift-hpa-replicas" => "ignoreDifferences on /spec/replicas with RespectIgnoreDifferences=true",
            "argo-drift-selfheal-off" => "commit the change, or sync it away",
            _ => "write the defaults into git, or compare-options: ServerSideDiff=true",
        };
        found.push(m.fix(in_git(app, what, "", "")));
    }
    Ok(found)
}

/// The autoscaler of an object.
fn scaler(case: &Case<'_>, at: &ObjectRef) -> Fact<Option<ObjectRef>> {
    if !matches!(at.kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet" | "Rollout") {
        return Ok(None);
    }
    let all = case.list(HPAS, Some(&at.namespace)).known()?.unwrap_or_default();
    let mine = |h: &&Value| {
        str_at(h, "/spec/scaleTargetRef/kind") == at.kind && str_at(h, "/spec/scaleTargetRef/name") == at.name
    };
    Ok(all.into_iter().find(mine).map(ObjectRef::of))
}

/// A person's or another tool's write to an object after a time: manager and when. Controllers that write status only
/// do not count.
fn late_writer(object: &Value, after: Time) -> Option<(String, String)> {
    list_at(object, "/metadata/managedFields")
        .iter()
        .filter(|e| !str_at(e, "/manager").contains("argocd") && str_at(e, "/subresource") != "status")
        .filter(|e| e.pointer("/fieldsV1/f:spec").is_some() || e.pointer("/fieldsV1/f:data").is_some())
        .find(|e| Time::parse(str_at(e, "/time")).is_some_and(|t| t > after))
        .map(|e| (str_at(e, "/manager").to_owned(), str_at(e, "/time").to_owned()))
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
