//! Containers that are kept from starting by something else than their image or configuration.
//!
//! ## create-container-error
//! **You see.** `CreateContainerError`, or `ContainerCreating` with `Failed to create pod sandbox`.
//! **Why.** The runtime cannot make the container: its disk or the runtime itself is overloaded, an earlier attempt still
//! hangs, the image has no command, the source of a mount is gone.
//! **How kokpit knows.** The runtime's own words, at the container or in `FailedCreatePodSandBox`; what they mean is a guess.
//! **Looks alike.** `config-missing-secret` and its kin (`CreateContainerConfigError`); `run-container-error`: made, but
//! not started; `sandbox-*` when the words speak of the network.
//! **Mend it.** By the words. Live: delete the pod; drain a node on which this happens to many pods.
//!
//! ## hook-poststart-failed
//! **You see.** Restarts; an event says `FailedPostStartHook`.
//! **Why.** The container's `postStart` hook fails, and the kubelet kills the container for it.
//! **How kokpit knows.** The kubelet's event, or the waiting reason `PostStartHookError`.
//! **Looks alike.** `crash-*` and `kill-*`: the container's end looks like theirs; its log may be fine.
//! **Mend it.** Git: `lifecycle.postStart`.
//!
//! ## sidecar-not-started
//! **You see.** The pod stays in `Init:1/2` or `PodInitializing`.
//! **Why.** A sidecar (an init container with `restartPolicy: Always`) has not started: what comes after it waits until it
//! runs and its startup probe has passed.
//! **How kokpit knows.** The first container in the row that is not done is a sidecar, and its `started` is not true.
//! **Looks alike.** `init-running-long`, `init-crashloop`: an init container that has to finish.
//! **Mend it.** Mend the sidecar: its image, its command, its startup probe.

use super::sandbox;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::NODES;
use crate::diagnose::pods::{self, BACKOFF_RESET_S, Container, containers};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "start.rs";
    "create-container-error" "the runtime cannot make the container" Outage ["Pod"] not_created;
    "hook-poststart-failed" "the container's postStart hook fails" Degraded ["Pod"] post_start;
    "sidecar-not-started" "a sidecar has not started, so nothing after it does" Outage ["Pod"] sidecar;
}

/// Words of the runtime, what they mean, what to do, and whether the node is to blame; first match wins.
const WORDS: &[(&str, &str, &str, bool)] = &[
    ("is reserved for", "an earlier attempt still hangs", "delete the pod; look at the node's disk and runtime", true),
    ("deadline exceeded", "the runtime does not answer in time", "look at the node's disk and runtime", true),
    ("no space left on device", "the node's disk is full", "free the node's disk", true),
    ("no command specified", "the image names no command", "set the container's command", false),
    ("failed to generate", "the runtime refuses the container's spec", "mend what the runtime names", false),
    ("no such file or directory", "something that it mounts is not there", "correct the mount", false),
];

fn not_created(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let waiting = containers(suspect.object).into_iter().find(|c| c.waiting() == "CreateContainerError");
    if let Some(c) = waiting {
        let (path, said) = ("status.containerStatuses[].state.waiting.message", c.waiting_message());
        let m = Match::on(&suspect.at, format!("Container {} cannot be made{}.", c.name, meaning(said).0));
        let m = m.evidence(&suspect.at, path, said, format!("CreateContainerError: {said}"));
        return Ok(vec![cure(case, suspect, said, &c.path, m)?]);
    }
    let refused = sandbox::refused(case, suspect.object)?.filter(|r| r.cause == "create-container-error");
    let Some(event) = refused.map(|r| r.event) else { return Ok(vec![]) };
    let m = Match::on(&suspect.at, format!("The pod's sandbox cannot be made{}.", meaning(event.message).0));
    let age = Some(event.last.age(case.now()));
    let m = m.evidence_aged(&suspect.at, "", event.reason, age, format!("{}: {}", event.reason, event.message));
    Ok(vec![cure(case, suspect, event.message, "spec", m)?])
}

/// `: what the words mean`, and what to do about it.
fn meaning(said: &str) -> (String, &'static str, bool) {
    let known = WORDS.iter().find(|(words, ..)| said.contains(words));
    known.map_or((String::new(), "mend what the runtime says", false), |(_, means, what, node)| {
        (format!(": {means}"), what, *node)
    })
}

fn cure(case: &Case<'_>, suspect: &Suspect<'_>, said: &str, path: &str, m: Match) -> Fact<Match> {
    let (_, what, node) = meaning(said);
    let mut m = m.confidence(Confidence::Medium);
    if node {
        m = m.because(NODES.at("", str_at(suspect.object, "/spec/nodeName")));
    }
    let top = kin::top_owner(case, suspect.object)?;
    let live = format!("kubectl -n {} delete pod {}", suspect.at.namespace, suspect.at.name);
    Ok(m.fix(case.fix(top, &template_field(top, path), what, live)?))
}

fn post_start(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let hooked = |c: &Container<'_>| c.spec.pointer("/lifecycle/postStart").is_some_and(Value::is_object);
    let hooked: Vec<Container<'_>> = containers(suspect.object).into_iter().filter(hooked).collect();
    if hooked.is_empty() || !pods::is_ill(case, suspect) {
        return Ok(vec![]);
    }
    let events = case.events_of(suspect.object)?;
    let mut found = vec![];
    for c in hooked {
        let event = events.iter().find(|e| {
            let own = e.container == c.name || e.container.is_empty();
            e.reason == "FailedPostStartHook" && own && e.last.age(case.now()) < BACKOFF_RESET_S
        });
        if event.is_none() && c.waiting() != "PostStartHookError" {
            continue;
        }
        let path = format!("{}.lifecycle.postStart", c.path);
        let mut m = Match::on(&suspect.at, format!("Container {} is killed because its postStart hook fails.", c.name))
            .evidence(&suspect.at, &path, "", format!("postStart: {}", handler(c.spec)));
        if let Some(event) = event {
            let age = Some(event.last.age(case.now()));
            m = m.evidence_aged(&suspect.at, "", event.reason, age, format!("{}: {}", event.reason, event.message));
        }
        if c.waiting() == "PostStartHookError" {
            let said = c.waiting_message();
            let path = "status.containerStatuses[].state.waiting.message";
            m = m.evidence(&suspect.at, path, said, format!("PostStartHookError: {said}"));
        }
        let top = kin::top_owner(case, suspect.object)?;
        found.push(m.fix(case.fix(top, &template_field(top, &path), "mend the hook, or take it out", "")?));
    }
    Ok(found)
}

/// What a container's postStart hook does: `sh -c …`, `GET :8080/warm`.
fn handler(container: &Value) -> String {
    let at = |pointer: &str| container.pointer(&format!("/lifecycle/postStart{pointer}"));
    let words: Vec<&str> =
        list_at(container, "/lifecycle/postStart/exec/command").iter().filter_map(Value::as_str).collect();
    match (words.is_empty(), at("/httpGet/port")) {
        (false, _) => words.join(" "),
        (true, Some(port)) => format!("GET :{port}{}", at("/httpGet/path").and_then(Value::as_str).unwrap_or_default()),
        (true, None) => "of another kind".to_owned(),
    }
}

fn sidecar(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !pods::is_ill(case, suspect) || str_at(suspect.object, "/spec/nodeName").is_empty() {
        return Ok(vec![]);
    }
    let all = containers(suspect.object);
    let Some(c) = holding_up(&all) else { return Ok(vec![]) };
    let running = c.running_since().map(|since| since.age(case.now()));
    if running.is_some_and(|age| age <= startup_budget(c.spec)) {
        return Ok(vec![]);
    }
    let state = match running {
        Some(age) => format!("runs for {}, its startup probe has not passed", human(age)),
        None if c.waiting().is_empty() => "does not run".to_owned(),
        None => format!("waits: {}", c.waiting()),
    };
    let text = format!("Sidecar {} has not started, so nothing after it starts.", c.name);
    let mut m = Match::on(&suspect.at, text)
        .evidence(&suspect.at, &format!("{}.restartPolicy", c.path), "Always", format!("{} is a sidecar", c.name))
        .evidence(&suspect.at, "status.initContainerStatuses[].started", "false", format!("{} {state}", c.name));
    for upstream in ["image-", "config-", "crash-", "kill-", "run-container-error", "create-container-error", "hook-"] {
        m = m.because_cause(upstream);
    }
    let events = case.events_of(suspect.object)?;
    if let Some(event) = events.iter().find(|e| e.reason == "Unhealthy" && e.container == c.name) {
        m = m.evidence_aged(&suspect.at, "", event.reason, Some(event.last.age(case.now())), event.message);
    }
    let top = kin::top_owner(case, suspect.object)?;
    let what = format!("mend sidecar {}: its image, its command or its startup probe", c.name);
    Ok(vec![m.fix(case.fix(top, &template_field(top, &c.path), what, "")?)])
}

/// The sidecar that the containers after it wait for: the first in the row of init containers that is not done, if it is
/// a sidecar and nothing after it has ever started.
fn holding_up<'c, 'a>(all: &'c [Container<'a>]) -> Option<&'c Container<'a>> {
    let done = |c: &Container<'_>| match c.init {
        true => c.ended().is_some_and(|e| e.current && e.code == 0),
        false => bool_at(c.status, "/started"),
    };
    let at = all.iter().position(|c| !done(c))?;
    let (first, after) = (all.get(at)?, all.get(at + 1..)?);
    let is_sidecar = !first.init && first.path.starts_with("spec.initContainers");
    let waits = |c: &Container<'_>| c.running_since().is_none() && c.ended().is_none();
    (is_sidecar && !after.is_empty() && after.iter().all(waits)).then_some(first)
}

/// How long a container may take until its startup probe gives up (kubelet `prober/worker.go`: delay + failures × period).
fn startup_budget(container: &Value) -> i64 {
    let n = |field: &str, default: i64| int_at(container, &format!("/startupProbe/{field}")).unwrap_or(default);
    n("initialDelaySeconds", 0) + n("failureThreshold", 3) * n("periodSeconds", 10)
}
