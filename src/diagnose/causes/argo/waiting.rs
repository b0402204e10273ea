//! Argo CD: syncs that run and wait.
//!
//! ## argo-sync-wave-health
//! **You see.** A sync runs for ever; later objects are missing.
//! **Why.** A wave waits until its objects are healthy before the next one is applied. If the object waits for something
//! of a later wave, that is a deadlock, and it blocks the very commit that would mend it.
//! **How kokpit knows.** `waiting for healthy state of …`; what the object lacks is looked up among later waves.
//! **Looks alike.** A slow start; `argo-hook-stuck`.
//! **Mend it.** Git: `argocd.argoproj.io/sync-wave`; terminate the running sync so that the new commit starts.
//!
//! ## argo-hook-stuck
//! **You see.** A sync runs for ever; objects of later phases are missing.
//! **Why.** A hook (a Job, mostly) does not end: its pod cannot start, or the hook is being deleted and its finalizer
//! `argocd.argoproj.io/hook-finalizer` stays.
//! **How kokpit knows.** `waiting for completion of hook …` or `waiting for deletion of hook …`; the hook and its pods are
//! looked at. A hook whose pods run is given ten minutes.
//! **Looks alike.** `argo-hook-failed` (it ended, badly), `argo-sync-wave-health`.
//! **Mend it.** Terminate the sync, mend the hook, sync again.
//!
//! ## argo-prune-confirm
//! **You see.** A sync runs and waits; objects that left git are still there.
//! **Why.** They carry `Prune=confirm`: Argo CD deletes them only when somebody agrees.
//! **How kokpit knows.** `waiting for pruning confirmation of …`; the objects with `requiresDeletionConfirmation`.
//! **Looks alike.** `argo-prune-disabled` (nobody is asked), `argo-deletion-stuck`.
//! **Mend it.** Live: the annotation `argocd.argoproj.io/deletion-approved` with the present time on the Application. Or
//! bring the objects back to git.

use super::{
    at_synced_revision, elsewhere, in_git, operation, out_of_sync, patch_command, reference, revisions, short,
    sync_command, terminate_command,
};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, str_at};
use crate::world::time::human;
use serde_json::{Value, json};

causes! { "waiting.rs";
    "argo-sync-wave-health" "a wave waits for an object to become healthy" Degraded ["Application"] wave;
    "argo-hook-stuck" "a hook of the sync does not end" Outage ["Application"] hook;
    "argo-prune-confirm" "pruning waits for somebody to agree" Nuisance ["Application"] prune_confirm;
}

/// Seconds for which a sync may wait for an object that starts.
const PATIENCE_S: i64 = 120;
/// Seconds for which a hook whose pods run may take.
const HOOK_S: i64 = 600;

/// A running operation that waits for an object.
struct Waiting<'a> {
    message: &'a str,
    /// The kind and name that the message names.
    kind: &'a str,
    name: &'a str,
    /// Seconds since the operation began.
    since: i64,
}

/// The running sync, if it waits so: `waiting for <what> <group>/<Kind>/<name>[ and N more resources]`.
fn waiting<'a>(case: &Case<'_>, app: &'a Value, what: &str) -> Option<Waiting<'a>> {
    let state = operation(app);
    let message = str_at(state, "/message");
    let rest = message.split_once(&format!("waiting for {what} ")).filter(|_| str_at(state, "/phase") == "Running")?.1;
    let mut parts = rest.split_whitespace().next()?.rsplit('/');
    let (name, kind) = (parts.next()?, parts.next()?);
    Some(Waiting { message, kind, name, since: case.age(str_at(state, "/startedAt")).unwrap_or_default() })
}

impl Waiting<'_> {
    /// The entry of the object among some resources.
    fn entry<'r>(&self, resources: &'r [Value]) -> Option<&'r Value> {
        resources.iter().find(|r| str_at(r, "/kind") == self.kind && str_at(r, "/name") == self.name)
    }

    fn found(&self, at: &ObjectRef, summary: String) -> Match {
        Match::on(at, summary).evidence_aged(
            at,
            "status.operationState.message",
            self.message,
            Some(self.since),
            self.message,
        )
    }
}

/// A newer commit cannot start while the sync waits.
fn behind(app: &Value, at: &ObjectRef, m: Match) -> Match {
    let newer = app.pointer("/status/sync").map(revisions).unwrap_or_default().join(", ");
    match at_synced_revision(app) || newer.is_empty() {
        true => m,
        false => m.evidence(
            at,
            "status.sync.revision",
            &newer,
            format!("commit {} is compared already and waits behind this sync: terminate it", short(&newer)),
        ),
    }
}

fn wave(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(waiting) = waiting(case, app, "healthy state of") else { return Ok(Vec::new()) };
    let resources = list_at(app, "/status/resources");
    let Some(object) = waiting.entry(resources) else { return Ok(Vec::new()) };
    let wave = |r: &Value| int_at(r, "/syncWave").unwrap_or_default();
    let at = reference(object);
    let mut m = waiting
        .found(&suspect.at, format!("The sync waits for {at} to become healthy since {}.", human(waiting.since)));
    let mut deadlock = false;
    let far = elsewhere(app);
    for later in resources.iter().filter(|r| wave(r) > wave(object) && str_at(r, "/status") == "OutOfSync") {
        let needed = reference(later);
        if needs(case, far, &at, &needed)? {
            deadlock = true;
            m = m.evidence(
                &needed,
                "argocd.argoproj.io/sync-wave",
                &wave(later).to_string(),
                format!(
                    "{} {} is in wave {}, {} {} in wave {}: a deadlock",
                    needed.kind,
                    needed.name,
                    wave(later),
                    at.kind,
                    at.name,
                    wave(object)
                ),
            );
        }
    }
    m = behind(app, &suspect.at, m).fix(in_git(
        app,
        "give what it needs an earlier sync-wave; terminate the running sync so that the new commit starts",
        "metadata.annotations[argocd.argoproj.io/sync-wave]",
        &terminate_command(app),
    ));
    Ok(vec![match (deadlock, far) {
        (true, None) => m.explains(at),
        (true, Some(_)) => m,
        (false, _) if waiting.since < PATIENCE_S => m.aside(),
        (false, None) => m.because(at),
        (false, Some(cluster)) => m
            .evidence(&at, "", cluster, format!("{at} lives in cluster {cluster}"))
            .because_all([Lead::across(far, at)]),
    }])
}

/// Whether a workload's pod template refers to a ConfigMap or Secret.
fn needs(case: &Case<'_>, cluster: Option<&str>, workload: &ObjectRef, needed: &ObjectRef) -> Fact<bool> {
    let kinds = matches!(needed.kind.as_str(), "ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim");
    if !kinds {
        return Ok(false);
    }
    let Some(Some(object)) = case.get_in(cluster, workload).known()? else { return Ok(false) };
    let text = object.pointer("/spec/template/spec").map(ToString::to_string).unwrap_or_default();
    Ok(text.contains(&format!("\"{}\"", needed.name)))
}

fn hook(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let found = ["completion of hook", "deletion of hook"].iter().find_map(|what| waiting(case, app, what));
    let Some(waiting) = found else { return Ok(Vec::new()) };
    let results = list_at(operation(app), "/syncResult/resources");
    let entry = waiting.entry(results).or_else(|| waiting.entry(list_at(app, "/status/resources")));
    let at = entry.map(reference).unwrap_or_else(|| {
        let group = if waiting.kind == "Job" { "batch" } else { "" };
        ObjectRef::new(group, waiting.kind, str_at(app, "/spec/destination/namespace"), waiting.name)
    });
    let mut m = waiting.found(&suspect.at, format!("The sync waits for its hook {at} since {}.", human(waiting.since)));
    if let Some(kind) = entry.map(|e| str_at(e, "/hookType")).filter(|kind| !kind.is_empty()) {
        m = m.evidence(
            &suspect.at,
            "status.operationState.syncResult.resources[].hookType",
            kind,
            format!("a {kind} hook"),
        );
    }
    let far = elsewhere(app);
    let object = case.get_in(far, &at).known()?;
    let stuck = match object {
        None => false,
        Some(None) => {
            m = m.evidence(&at, "", "", format!("{at} does not exist any more"));
            true
        }
        Some(Some(hook)) if !str_at(hook, "/metadata/deletionTimestamp").is_empty() => {
            let left: Vec<&str> = list_at(hook, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
            m = m.evidence_aged(
                &at,
                "metadata.finalizers",
                &left.join(", "),
                case.age(str_at(hook, "/metadata/deletionTimestamp")),
                format!("{at} is being deleted and keeps its finalizers {}", left.join(", ")),
            );
            waiting.since > PATIENCE_S
        }
        Some(Some(hook)) if far.is_none() && at.kind == "Job" => {
            let pods = kin::pods_of(case, hook)?;
            if pods.is_empty() {
                m = m.evidence(&at, "status", "", format!("{at} has no pod"));
            }
            pods.is_empty() && waiting.since > PATIENCE_S || !kin::ill_pods(case, &pods).is_empty()
        }
        Some(Some(_)) => false,
    };
    m = behind(app, &suspect.at, m)
        .fix(Fix {
            summary: "terminate the sync; Argo CD deletes the hook".into(),
            live: terminate_command(app),
            ..Fix::default()
        })
        .fix(in_git(app, "mend the hook; then sync again", "", &sync_command(app)));
    if !stuck && waiting.since < HOOK_S {
        return Ok(vec![m.aside()]);
    }
    Ok(vec![m.because_all([Lead::across(far, at)])])
}

fn prune_confirm(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(waiting) = waiting(case, app, "pruning confirmation of") else { return Ok(Vec::new()) };
    let asked: Vec<String> = out_of_sync(app)
        .into_iter()
        .filter(|r| bool_at(r, "/requiresDeletionConfirmation"))
        .map(|r| reference(r).to_string())
        .take(5)
        .collect();
    let what = match asked.is_empty() {
        true => format!("{} {}", waiting.kind, waiting.name),
        false => asked.join(", "),
    };
    let approve = json!({"metadata": {"annotations": {"argocd.argoproj.io/deletion-approved": case.now().rfc3339()}}});
    let m = waiting.found(&suspect.at, format!("The sync waits until somebody agrees to delete {what}.")).evidence(
        &suspect.at,
        "status.resources[].requiresDeletionConfirmation",
        "true",
        format!("to be confirmed: {what}"),
    );
    Ok(vec![
        behind(app, &suspect.at, m)
            .fix(Fix {
                summary: "agree: the objects are deleted, with what they hold".into(),
                live: patch_command(app, &approve),
                ..Fix::default()
            })
            .fix(in_git(app, "or bring the objects back to git, and terminate the sync", "", &terminate_command(app))),
    ])
}
