//! Reading a pod: its containers, the run that died, and whether it is in trouble at all.

use super::facts::Case;
use super::finding::Suspect;
use crate::world::object::{bool_at, int_at, list_at, name, str_at};
use crate::world::time::Time;
use serde_json::Value;

/// A container that ran for this long has its back-off forgotten (kubelet, `MaxContainerBackOff` reset).
pub const BACKOFF_RESET_S: i64 = 600;
/// How long a pod may take to pull images and start before it counts as stuck (engine rule 5).
pub const START_GATE_S: i64 = 120;

/// A container with its spec and status.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// Its name.
    pub name: &'a str,
    /// From the pod's spec.
    pub spec: &'a Value,
    /// From the pod's status; null while there is none.
    pub status: &'a Value,
    /// Whether it is an init container that must finish (sidecars are not).
    pub init: bool,
    /// Field path of the spec, `spec.containers[0]`.
    pub path: String,
}

/// How a run of a container ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// `Error`, `OOMKilled`, `Completed`, `ContainerStatusUnknown` …
    pub reason: &'a str,
    /// Exit code.
    pub code: i64,
    /// Termination message.
    pub message: &'a str,
    /// Begin of the run.
    pub started: Time,
    /// End of the run.
    pub finished: Time,
    /// Whether it is the current state (no restart yet), so that its log is the *current* one.
    pub current: bool,
}

impl Ended<'_> {
    /// Length of the run in seconds, where both times are known.
    pub fn seconds(&self) -> Option<i64> {
        (self.started.is_set() && self.finished.is_set()).then(|| self.started.age(self.finished))
    }
}

/// Every container of a pod, init containers first.
pub fn containers(pod: &Value) -> Vec<Container<'_>> {
    let of = |specs: &str, statuses: &str, init: bool| {
        let statuses = list_at(pod, statuses);
        let list = specs.trim_start_matches('/').replace('/', ".");
        list_at(pod, specs)
            .iter()
            .enumerate()
            .map(|(n, spec)| {
                let name = str_at(spec, "/name");
                Container {
                    name,
                    spec,
                    status: statuses.iter().find(|s| str_at(s, "/name") == name).unwrap_or(&super::facts::NOTHING),
                    init: init && str_at(spec, "/restartPolicy") != "Always",
                    path: format!("{list}[{n}]"),
                }
            })
            .collect::<Vec<_>>()
    };
    let mut all = of("/spec/initContainers", "/status/initContainerStatuses", true);
    all.extend(of("/spec/containers", "/status/containerStatuses", false));
    all
}

impl<'a> Container<'a> {
    /// `state.waiting.reason`, empty when it does not wait.
    pub fn waiting(&self) -> &'a str {
        str_at(self.status, "/state/waiting/reason")
    }

    /// `state.waiting.message`
    pub fn waiting_message(&self) -> &'a str {
        str_at(self.status, "/state/waiting/message")
    }

    /// Restarts so far.
    pub fn restarts(&self) -> i64 {
        int_at(self.status, "/restartCount").unwrap_or_default()
    }

    /// Since when it runs, if it does.
    pub fn running_since(&self) -> Option<Time> {
        Time::parse(str_at(self.status, "/state/running/startedAt"))
    }

    /// Whether it is ready.
    pub fn ready(&self) -> bool {
        bool_at(self.status, "/ready")
    }

    /// The image as the spec has it.
    pub fn image(&self) -> &'a str {
        str_at(self.spec, "/image")
    }

    /// How the last run that ended did so: the current state when it is `terminated` (during the back-off it often
    /// still is), else `lastState`.
    pub fn ended(&self) -> Option<Ended<'a>> {
        let read = |pointer: &str, current: bool| {
            let state: &'a Value = self.status.pointer(pointer)?;
            Some(Ended {
                reason: str_at(state, "/reason"),
                code: int_at(state, "/exitCode")?,
                message: str_at(state, "/message"),
                started: Time::parse(str_at(state, "/startedAt")).unwrap_or(Time::NEVER),
                finished: Time::parse(str_at(state, "/finishedAt")).unwrap_or(Time::NEVER),
                current,
            })
        };
        read("/state/terminated", true).or_else(|| read("/lastState/terminated", false))
    }

    /// Whether it keeps dying: waiting for its back-off, ended and to be restarted, or restarted within the time
    /// after which the kubelet would have forgotten its back-off.
    pub fn crashes(&self, pod: &Value, now: Time) -> bool {
        // What ends in a pod that is being deleted is meant to.
        if !str_at(pod, "/metadata/deletionTimestamp").is_empty() {
            return false;
        }
        let Some(ended) = self.ended() else { return self.waiting() == "CrashLoopBackOff" };
        if self.init && ended.current && ended.code == 0 {
            return false;
        }
        // A sidecar (and, since 1.34, any container) may have a policy of its own.
        let own = str_at(self.spec, "/restartPolicy");
        let policy = if own.is_empty() { str_at(pod, "/spec/restartPolicy") } else { own };
        let restarted = match policy {
            "Never" => false,
            "OnFailure" => ended.code != 0,
            _ => true,
        };
        let failed_for_good = str_at(pod, "/status/phase") == "Failed" && ended.code != 0;
        let recent = ended.finished.is_set() && ended.finished.age(now) < BACKOFF_RESET_S;
        match self.waiting() {
            "CrashLoopBackOff" => true,
            "" if ended.current => restarted || failed_for_good,
            "" => self.restarts() > 0 && recent,
            _ => false,
        }
    }
}

/// The log of the run that died: the current log while the state is still `terminated`, else the previous one.
/// The runtime's own "unable to retrieve container logs" is not the application's word and counts as nothing.
pub fn crash_log<'a>(
    case: &Case<'a>,
    pod: &Value,
    container: &Container<'_>,
    ended: &Ended<'_>,
) -> super::facts::Fact<Vec<String>> {
    use super::facts::Knowable;
    let first = case.log(pod, container.name, !ended.current).known()?.unwrap_or_default();
    let lines = log_lines(first);
    if !lines.is_empty() || ended.current {
        return Ok(lines);
    }
    let waiting = container.running_since().is_none();
    let second = if waiting { case.log(pod, container.name, false).known()?.unwrap_or_default() } else { "" };
    Ok(log_lines(second))
}

/// The last twenty lines of a log, cleaned, without empty ones.
pub fn log_lines(text: &str) -> Vec<String> {
    if text.starts_with("unable to retrieve container logs") {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(20);
    lines[from..].iter().map(|line| crate::world::text::clean_log_line(line)).collect()
}

/// The condition of a type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(object, "/status/conditions").iter().find(|c| str_at(c, "/type") == kind)
}

/// Whether the condition of a type is `True`.
pub fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| str_at(c, "/status") == "True")
}

/// Whether a pod has ended.
pub fn is_finished(pod: &Value) -> bool {
    matches!(str_at(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod is on a node and none of its containers has been made yet: it waits for its volumes or its sandbox
/// (kubelet, condition `PodReadyToStartContainers`; kubelets that do not set it give no pod IP before the sandbox).
pub fn waits_for_sandbox(pod: &Value) -> bool {
    let started = |c: &Container<'_>| !is_patient(c.waiting()) || c.running_since().is_some() || c.ended().is_some();
    let on_node = !str_at(pod, "/spec/nodeName").is_empty();
    let leaves = !str_at(pod, "/metadata/deletionTimestamp").is_empty();
    if !on_node || is_finished(pod) || leaves {
        return false;
    }
    match condition(pod, "PodReadyToStartContainers") {
        Some(c) => str_at(c, "/status") == "False",
        None => {
            let addressed = !str_at(pod, "/status/podIP").is_empty() && !bool_at(pod, "/spec/hostNetwork");
            !addressed && !containers(pod).iter().any(started)
        }
    }
}

/// How a pod stands, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Ready, or finished as it should.
    Well,
    /// On its way, within the time that takes.
    Starting,
    /// Something is wrong.
    Ill,
}

/// Waiting reasons that are no fault by themselves.
fn is_patient(reason: &str) -> bool {
    matches!(reason, "" | "ContainerCreating" | "PodInitializing")
}

/// Whether a pod is well, still starting, or ill.
pub fn stand(pod: &Value, now: Time) -> Stand {
    let age = |time: &str| Time::parse(time).map(|t| t.age(now));
    let all = containers(pod);
    if let Some(gone) = age(str_at(pod, "/metadata/deletionTimestamp")) {
        return if gone > 60 { Stand::Ill } else { Stand::Starting };
    }
    match str_at(pod, "/status/phase") {
        "Succeeded" => return Stand::Well,
        "Failed" => return Stand::Ill,
        _ => {}
    }
    if all.iter().any(|c| c.crashes(pod, now) || !is_patient(c.waiting())) {
        return Stand::Ill;
    }
    if is_true(pod, "Ready") {
        return Stand::Well;
    }
    if str_at(pod, "/spec/nodeName").is_empty() {
        let refused = condition(pod, "PodScheduled").is_some_and(|c| str_at(c, "/status") == "False");
        let young = age(str_at(pod, "/metadata/creationTimestamp")).is_none_or(|s| s < 30);
        return if refused || !young { Stand::Ill } else { Stand::Starting };
    }
    let ready = condition(pod, "Ready");
    let made = || age(str_at(pod, "/metadata/creationTimestamp"));
    let since = ready.and_then(|c| age(str_at(c, "/lastTransitionTime"))).or_else(made).unwrap_or_default();
    // Nothing of the pod's own is still starting when only a readiness gate is missing.
    if ready.is_some_and(|c| str_at(c, "/reason") == "ReadinessGatesNotReady") && since >= 10 {
        return Stand::Ill;
    }
    if since < start_budget(pod) { Stand::Starting } else { Stand::Ill }
}

/// How long a pod may take until it is Ready: images, then the probes' own budgets (B.0).
pub fn start_budget(pod: &Value) -> i64 {
    let of = |probe: &Value| {
        let n = |field: &str, default: i64| int_at(probe, field).unwrap_or(default);
        n("/initialDelaySeconds", 0) + n("/failureThreshold", 3) * n("/periodSeconds", 10)
    };
    let slowest = containers(pod)
        .iter()
        .map(|c| ["/startupProbe", "/readinessProbe"].iter().filter_map(|p| c.spec.pointer(p)).map(of).sum::<i64>())
        .max();
    match (containers(pod).iter().all(|c| c.running_since().is_some() || c.init), slowest) {
        // A pod's own probes say when it must be ready; ten seconds for their answers to reach us.
        (true, Some(own)) if own > 0 => own.max(10),
        (true, _) => 30,
        (false, _) => START_GATE_S,
    }
}

/// What is alike in pods that stand alike: owner, phase, reasons and images, not names, nodes or times.
pub fn shape(pod: &Value) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "{}|{}|{}",
        list_at(pod, "/metadata/ownerReferences").first().map_or("", |o| str_at(o, "/uid")),
        str_at(pod, "/status/phase"),
        str_at(pod, "/status/reason"),
    );
    for c in containers(pod) {
        let end = c.ended().map(|e| (e.reason, e.code));
        let _ = write!(text, "|{}:{}:{}:{:?}:{}", c.name, c.image(), c.waiting(), end, c.ready());
    }
    text
}

/// Whether a suspect is a pod that is in trouble.
pub fn is_ill(case: &Case<'_>, suspect: &Suspect<'_>) -> bool {
    suspect.exists() && stand(suspect.object, case.now()) == Stand::Ill
}

/// `shop/web-1`, for commands and texts.
pub fn path(object: &Value) -> String {
    format!("{}/{}", crate::world::object::namespace(object), name(object))
}
