//! Rows of pods: readiness, status and restarts as `printPod` counts them.

use super::cells::{age, name, since, text_or};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::time::Time;
use serde_json::Value;

pub const COLUMNS: &[&str] =
    &["Name", "Ready", "Status", "Restarts", "Age", "*IP", "*Node", "*Nominated Node", "*Readiness Gates"];

pub fn print(pod: &Value, now: Time) -> Vec<Value> {
    let sum = Summary::of(pod);
    let restarts = match &sum.last_restart {
        Some(at) if sum.restarts > 0 => format!("{} ({} ago)", sum.restarts, since(at, now)),
        _ => sum.restarts.to_string(),
    };
    vec![
        name(pod),
        format!("{}/{}", sum.ready, sum.total).into(),
        sum.reason.into(),
        restarts.into(),
        age(pod, now),
        match list_at(pod, "/status/podIPs").first() {
            Some(ip) => text_or(ip, "/ip", "<none>"),
            None => text_or(pod, "/status/podIP", "<none>"),
        },
        text_or(pod, "/spec/nodeName", "<none>"),
        text_or(pod, "/status/nominatedNodeName", "<none>"),
        gates(pod),
    ]
}

fn gates(pod: &Value) -> Value {
    let gates = list_at(pod, "/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let met = gates
        .iter()
        .filter(|gate| condition(pod, str_at(gate, "/conditionType")).is_some_and(|c| str_at(c, "/status") == "True"));
    format!("{}/{}", met.count(), gates.len()).into()
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(pod, "/status/conditions").iter().find(|condition| str_at(condition, "/type") == kind)
}

struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    last_restart: Option<String>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let phase = str_at(pod, "/status/phase");
        let mut sum = Summary {
            ready: 0,
            total: list_at(pod, "/spec/containers").len() + sidecars(pod).count(),
            reason: [str_at(pod, "/status/reason"), phase]
                .iter()
                .find(|text| !text.is_empty())
                .unwrap_or(&"")
                .to_string(),
            restarts: 0,
            last_restart: None,
        };
        if condition(pod, "PodScheduled").is_some_and(|c| str_at(c, "/reason") == "SchedulingGated") {
            sum.reason = "SchedulingGated".into();
        }
        let initializing = sum.init_containers(pod);
        if !initializing || condition(pod, "Initialized").is_some_and(|c| str_at(c, "/status") == "True") {
            sum.containers(pod);
        }
        if !str_at(pod, "/metadata/deletionTimestamp").is_empty() {
            match phase {
                _ if str_at(pod, "/status/reason") == "NodeLost" => sum.reason = "Unknown".into(),
                "Succeeded" | "Failed" => {}
                _ => sum.reason = "Terminating".into(),
            }
        }
        sum
    }

    fn restarted(&mut self, status: &Value) {
        self.restarts += int_at(status, "/restartCount").unwrap_or(0);
        let at = str_at(status, "/lastState/terminated/finishedAt");
        if !at.is_empty() && self.last_restart.as_deref().is_none_or(|last| last < at) {
            self.last_restart = Some(at.into());
        }
    }

    /// Whether an init container is still at work.
    fn init_containers(&mut self, pod: &Value) -> bool {
        let of = list_at(pod, "/spec/initContainers").len();
        for (n, status) in list_at(pod, "/status/initContainerStatuses").iter().enumerate() {
            self.restarted(status);
            let terminated = status.pointer("/state/terminated");
            let waiting = str_at(status, "/state/waiting/reason");
            if terminated.is_some_and(|state| int_at(state, "/exitCode") == Some(0)) {
                continue;
            }
            if sidecars(pod).any(|side| side == str_at(status, "/name")) && bool_at(status, "/started") {
                self.ready += usize::from(bool_at(status, "/ready"));
                continue;
            }
            self.reason = match terminated {
                Some(state) => format!("Init:{}", ended(state)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{n}/{of}"),
            };
            return true;
        }
        false
    }

    fn containers(&mut self, pod: &Value) {
        (self.restarts, self.last_restart) = (0, None);
        for status in list_at(pod, "/status/initContainerStatuses") {
            if sidecars(pod).any(|side| side == str_at(status, "/name")) {
                self.restarted(status);
            }
        }
        let mut running = false;
        for status in list_at(pod, "/status/containerStatuses").iter().rev() {
            self.restarted(status);
            let waiting = str_at(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                self.reason = waiting.into();
            } else if let Some(state) = status.pointer("/state/terminated").filter(|state| state.is_object()) {
                self.reason = ended(state);
            } else if bool_at(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = condition(pod, "Ready").is_some_and(|c| str_at(c, "/status") == "True");
            self.reason = if ready { "Running".into() } else { "NotReady".into() };
        }
    }
}

/// Init containers that keep running beside the others.
fn sidecars(pod: &Value) -> impl Iterator<Item = &str> {
    let always = |container: &&Value| str_at(container, "/restartPolicy") == "Always";
    list_at(pod, "/spec/initContainers").iter().filter(always).map(|container| str_at(container, "/name"))
}

/// How a container ended, in a word.
fn ended(state: &Value) -> String {
    match (str_at(state, "/reason"), int_at(state, "/signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", int_at(state, "/exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.into(),
    }
}
