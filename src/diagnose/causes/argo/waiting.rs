//! Argo CD: syncs that run and wait.
//!
//! ## argo-sync-wave-health
//! **You see.** A sync runs for ever; later objects are missing.
//! **Why.** A wave waits until its objects are healthy before the next one is applied. If the object waits for something
//! of a later wave, that is a deadlock, and it blocks the very commit that would mend it.
//! **How kokpit knows.** `waiting for healthy state of …`; what the object lacks is looked up among later waves.
//! **Looks alike.** A slow start.
//! **Mend it.** Git: `argocd.argoproj.io/sync-wave`; terminate the running sync so that the new commit starts.

use super::{in_git, reference};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "waiting.rs";
    "argo-sync-wave-health" "a wave waits for an object to become healthy" Degraded ["Application"] wave;
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
