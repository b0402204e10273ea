//! The lean row of a pod, and the one place where a pod's status is judged (as `kubectl get pods` prints it:
//! `pkg/printers/internalversion/printers.go`, printPod).

use super::row::{Str, Tone};
use super::time::Time;
use super::wire::{Condition, Container, ContainerState, ContainerStatus, Pod, Terminated};
use compact_str::{CompactString, ToCompactString, format_compact};
use std::borrow::Cow;

/// What tables and screening need of every pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRow {
    /// `spec.nodeName`, empty while unscheduled.
    pub node: Str,
    /// What `kubectl` prints as STATUS: `Running`, `CrashLoopBackOff`, `Init:0/2`, `Terminating` …
    pub status: Str,
    /// `status.podIP`, empty while there is none.
    pub ip: CompactString,
    /// Ready containers (sidecars included).
    pub ready: u16,
    /// Containers (sidecars included).
    pub total: u16,
    /// Restarts of all containers.
    pub restarts: u32,
    /// End of the last run that was restarted; [`Time::NEVER`] where there is none.
    pub last_restart: Time,
    /// Since when the pod is not Ready (`PodScheduled=False` or `Ready=False` transition); [`Time::NEVER`] when Ready.
    pub unready_since: Time,
    /// `status.qosClass`
    pub qos: Str,
    /// Requested CPU of all containers (sidecars included), in thousandths.
    pub cpu: i64,
    /// Requested memory of all containers (sidecars included), in bytes.
    pub memory: i64,
    /// The CPU that all containers together may use, in thousandths; 0: one of them has no limit.
    pub cpu_limit: i64,
    /// The memory that all containers together may use, in bytes; 0: one of them has no limit.
    pub memory_limit: i64,
    /// The containers: init containers first, then those of the application, then ephemeral ones.
    pub containers: Box<[ContainerRow]>,
}

/// What tables need of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerRow {
    /// Its name.
    pub name: Str,
    /// Its image as written in the spec.
    pub image: Str,
    /// What it is there for.
    pub role: Role,
    /// Whether it is ready.
    pub ready: bool,
    /// Restarts.
    pub restarts: u32,
    /// `Running`, the waiting or terminated reason, or `ExitCode:n`.
    pub state: Str,
    /// Exit code of the last run, if one ended.
    pub last_exit: Option<i32>,
    /// Reason the last run ended with, empty where there is none.
    pub last_reason: Str,
}

/// What a container is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It prepares the pod, or stays beside the others (sidecars).
    Init,
    /// The application.
    Main,
    /// It was added to the running pod, to debug it. It is never ready.
    Ephemeral,
}

impl ContainerRow {
    /// How it stands.
    pub fn tone(&self) -> Tone {
        match (self.ready, &*self.state) {
            (true, _) => Tone::Ok,
            (false, "Running") if self.role == Role::Ephemeral => Tone::Ok,
            (false, "Completed") => Tone::Done,
            // Whoever debugs leaves with any exit code.
            (false, "Error") if self.role == Role::Ephemeral => Tone::Done,
            (false, "Running" | "ContainerCreating" | "PodInitializing") => Tone::Busy,
            _ => Tone::Bad,
        }
    }
}

/// A pod's standing, as `kubectl get pods` counts and names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged<'a> {
    /// STATUS.
    pub status: Cow<'a, str>,
    /// Ready containers (sidecars included).
    pub ready: u16,
    /// Containers (sidecars included).
    pub total: u16,
    /// Restarts: of init containers while initializing, of containers and sidecars afterwards.
    pub restarts: u32,
    /// End of the last of those runs; [`Time::NEVER`] where there is none.
    pub last_restart: Time,
    /// How it stands.
    pub tone: Tone,
    /// Since when it is not Ready; [`Time::NEVER`] when it is, or has finished.
    pub unready_since: Time,
}

/// Judges a pod.
pub fn judge<'a>(pod: &'a Pod<'_>) -> Judged<'a> {
    let status = &pod.status;
    let sidecars = pod.spec.init_containers.iter().filter(|c| is_sidecar(c)).count();
    let mut judged = Judged {
        status: Cow::Borrowed(if status.reason.is_empty() { &status.phase } else { &status.reason }),
        ready: 0,
        total: (pod.spec.containers.len() + sidecars).min(usize::from(u16::MAX)) as u16,
        restarts: 0,
        last_restart: Time::NEVER,
        tone: Tone::Ok,
        unready_since: Time::NEVER,
    };
    if status.conditions.iter().any(|c| &*c.kind == "PodScheduled" && &*c.reason == "SchedulingGated") {
        judged.status = Cow::Borrowed("SchedulingGated");
    }
    let initializing = initialize(pod, &mut judged);
    if !initializing || is_true(&status.conditions, "Initialized") {
        run(pod, &mut judged);
    }
    let finished = matches!(&*status.phase, "Succeeded" | "Failed");
    if !pod.metadata.deletion_timestamp.is_empty() {
        if &*status.reason == "NodeLost" {
            judged.status = Cow::Borrowed("Unknown");
        } else if !finished {
            judged.status = Cow::Borrowed("Terminating");
        }
    }
    if judged.status.is_empty() {
        judged.status = Cow::Borrowed("Unknown");
    }
    judged.tone = tone(pod, &judged);
    judged.unready_since = if finished { Time::NEVER } else { unready_since(&status.conditions) };
    judged
}

/// The init containers, in order, up to the first that has not done its part. Whether there is one.
fn initialize<'a>(pod: &'a Pod<'_>, judged: &mut Judged<'a>) -> bool {
    let specs = &pod.spec.init_containers;
    for (i, container) in pod.status.init_container_statuses.iter().enumerate() {
        count(container, judged);
        let sidecar = specs.iter().any(|spec| spec.name == container.name && is_sidecar(spec));
        let state = &container.state;
        match (&state.terminated, &state.waiting) {
            (Some(ended), _) if ended.exit_code == 0 => continue,
            _ if sidecar && container.started => {
                judged.ready += u16::from(container.ready);
                continue;
            }
            (Some(ended), _) => judged.status = format!("Init:{}", ending(ended)).into(),
            (None, Some(waiting)) if !matches!(&*waiting.reason, "" | "PodInitializing") => {
                judged.status = format!("Init:{}", &*waiting.reason).into();
            }
            _ => judged.status = format!("Init:{i}/{}", specs.len()).into(),
        }
        return true;
    }
    false
}

/// The containers: the first one that has something to say gives the status.
fn run<'a>(pod: &'a Pod<'_>, judged: &mut Judged<'a>) {
    (judged.restarts, judged.last_restart) = (0, Time::NEVER);
    for container in &pod.status.init_container_statuses {
        if pod.spec.init_containers.iter().any(|spec| spec.name == container.name && is_sidecar(spec)) {
            count(container, judged);
        }
    }
    let mut running = false;
    for container in pod.status.container_statuses.iter().rev() {
        count(container, judged);
        let state = &container.state;
        match (&state.waiting, &state.terminated) {
            (Some(waiting), _) if !waiting.reason.is_empty() => judged.status = Cow::Borrowed(&waiting.reason),
            (_, Some(ended)) => judged.status = ending(ended),
            _ if container.ready && state.running.is_some() => {
                running = true;
                judged.ready += 1;
            }
            _ => {}
        }
    }
    if judged.status == "Completed" && running {
        let ready = is_true(&pod.status.conditions, "Ready");
        judged.status = Cow::Borrowed(if ready { "Running" } else { "NotReady" });
    }
}

fn count(container: &ContainerStatus, judged: &mut Judged) {
    judged.restarts = judged.restarts.saturating_add(restarts(container));
    if let Some(ended) = &container.last_state.terminated {
        judged.last_restart = judged.last_restart.max(Time::parse(&ended.finished_at).unwrap_or(Time::NEVER));
    }
}

/// Restarts of one container.
pub fn restarts(container: &ContainerStatus) -> u32 {
    container.restart_count.clamp(0, i64::from(u32::MAX)) as u32
}

fn ending<'a>(ended: &'a Terminated<'_>) -> Cow<'a, str> {
    match (&*ended.reason, ended.signal) {
        ("", 0) => format!("ExitCode:{}", ended.exit_code).into(),
        ("", signal) => format!("Signal:{signal}").into(),
        (reason, _) => Cow::Borrowed(reason),
    }
}

/// Whether an init container stays beside the others (`restartPolicy: Always`).
pub fn is_sidecar(container: &Container) -> bool {
    &*container.restart_policy == "Always"
}

fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|c| &*c.kind == kind && &*c.status == "True")
}

/// The earliest transition of the conditions that keep a pod from being Ready.
fn unready_since(conditions: &[Condition]) -> Time {
    conditions
        .iter()
        .filter(|c| matches!(&*c.kind, "PodScheduled" | "Ready") && &*c.status == "False")
        .filter_map(|c| Time::parse(&c.last_transition_time))
        .min()
        .unwrap_or(Time::NEVER)
}

/// Words of STATUS that pass by themselves.
const BUSY: &[&str] =
    &["Pending", "ContainerCreating", "PodInitializing", "Terminating", "SchedulingGated", "NotReady"];

fn tone(pod: &Pod, judged: &Judged) -> Tone {
    let unschedulable = pod
        .status
        .conditions
        .iter()
        .any(|c| &*c.kind == "PodScheduled" && &*c.status == "False" && &*c.reason == "Unschedulable");
    match &*judged.status {
        "Succeeded" | "Completed" => Tone::Done,
        "Terminating" => Tone::Busy,
        _ if unschedulable => Tone::Bad,
        "Running" if judged.ready >= judged.total => Tone::Ok,
        "Running" => Tone::Warn,
        word if BUSY.contains(&word) => Tone::Busy,
        // `Init:1/2` is under way, `Init:Error` is not.
        word => match word.strip_prefix("Init:").map(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'/')) {
            Some(true) => Tone::Busy,
            _ => Tone::Bad,
        },
    }
}

/// What a container does, in a word: `Running`, the reason it waits or ended with, `ExitCode:n`.
pub fn state_word<'a>(state: &'a ContainerState<'_>) -> Cow<'a, str> {
    match (&state.waiting, &state.running, &state.terminated) {
        (_, Some(_), _) => Cow::Borrowed("Running"),
        (_, _, Some(ended)) => ending(ended),
        (Some(waiting), ..) if !waiting.reason.is_empty() => Cow::Borrowed(&waiting.reason),
        _ => Cow::Borrowed("Waiting"),
    }
}

/// `3`, or `3 (5m ago)` as `kubectl` prints RESTARTS.
pub fn restarts_text(restarts: u32, last: Time, now: Time) -> CompactString {
    match restarts {
        1.. if last.is_set() => format_compact!("{restarts} ({} ago)", super::time::human(last.age(now))),
        _ => restarts.to_compact_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn judged(pod: Value) -> (String, String, u32, Tone) {
        let text = pod.to_string();
        let pod: Pod = serde_json::from_str(&text).unwrap();
        let j = judge(&pod);
        (j.status.to_string(), format!("{}/{}", j.ready, j.total), j.restarts, j.tone)
    }

    fn expect(pod: Value, status: &str, ready: &str, restarts: u32, tone: Tone) {
        assert_eq!(judged(pod), (status.into(), ready.into(), restarts, tone));
    }

    fn running(name: &str, ready: bool, restarts: u32) -> Value {
        json!({"name": name, "ready": ready, "started": true, "restartCount": restarts, "state": {"running": {}}})
    }

    #[test]
    fn plain_pods() {
        let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        let status = json!({"phase": "Running", "containerStatuses": [running("a", true, 2), running("b", false, 1)]});
        expect(json!({"spec": spec, "status": status}), "Running", "1/2", 3, Tone::Warn);
        expect(json!({"spec": spec, "status": {"phase": "Pending"}}), "Pending", "0/2", 0, Tone::Busy);
        expect(json!({"spec": spec}), "Unknown", "0/2", 0, Tone::Bad);
        let evicted = json!({"phase": "Failed", "reason": "Evicted"});
        expect(json!({"spec": spec, "status": evicted}), "Evicted", "0/2", 0, Tone::Bad);
        let unschedulable = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": "2026-11-21T10:00:00Z"}]});
        expect(json!({"spec": spec, "status": unschedulable}), "Pending", "0/2", 0, Tone::Bad);
    }

    #[test]
    fn waiting_and_ended_containers_name_the_status() {
        let pod = |states: Value| json!({"spec": {"containers": [{}, {}]}, "status": {"phase": "Running", "containerStatuses": states}});
        let crash = json!({"restartCount": 7, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-11-21T10:00:00Z"}}});
        expect(pod(json!([crash, running("b", true, 0)])), "CrashLoopBackOff", "1/2", 7, Tone::Bad);
        let ended = |reason: &str, code: i32, signal: i32| json!({"state": {"terminated": {"reason": reason, "exitCode": code, "signal": signal}}});
        expect(pod(json!([ended("Error", 1, 0), running("b", true, 0)])), "Error", "1/2", 0, Tone::Bad);
        expect(pod(json!([ended("", 3, 0)])), "ExitCode:3", "0/2", 0, Tone::Bad);
        expect(pod(json!([ended("", 0, 9)])), "Signal:9", "0/2", 0, Tone::Bad);
        expect(pod(json!([ended("Completed", 0, 0), running("b", true, 0)])), "NotReady", "1/2", 0, Tone::Busy);
        let mut done = pod(json!([ended("Completed", 0, 0)]));
        done["status"]["phase"] = "Succeeded".into();
        expect(done, "Completed", "0/2", 0, Tone::Done);
    }

    #[test]
    fn init_containers_and_sidecars() {
        let spec = json!({"containers": [{"name": "a"}], "initContainers": [{"name": "one"}, {"name": "side", "restartPolicy": "Always"}, {"name": "two"}]});
        let done = json!({"name": "one", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let pod = |inits: Value, containers: Value| json!({"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": inits, "containerStatuses": containers}});
        let waiting = json!({"name": "two", "restartCount": 4, "state": {"waiting": {"reason": "PodInitializing"}}});
        expect(pod(json!([done, running("side", true, 1), waiting]), json!([])), "Init:2/3", "1/2", 5, Tone::Busy);
        let failed =
            json!({"name": "two", "restartCount": 4, "state": {"terminated": {"exitCode": 2, "reason": "Error"}}});
        expect(pod(json!([done, running("side", true, 1), failed]), json!([])), "Init:Error", "1/2", 5, Tone::Bad);
        let two = json!({"name": "two", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}});
        let mut up = pod(json!([done, running("side", true, 1), two]), json!([running("a", true, 0)]));
        up["status"]["phase"] = "Running".into();
        expect(up.clone(), "Running", "2/2", 1, Tone::Ok);
        up["metadata"] = json!({"deletionTimestamp": "2026-11-21T10:00:00Z"});
        expect(up, "Terminating", "2/2", 1, Tone::Busy);
    }

    #[test]
    fn restarts_carry_the_time_of_the_last() {
        let now = Time(1_000_000);
        assert_eq!(restarts_text(14, Time(1_000_000 - 125), now), "14 (2m5s ago)");
        assert_eq!(restarts_text(0, Time(5), now), "0");
    }
}
