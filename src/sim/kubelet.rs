//! The kubelets of all nodes: pods start, run, crash and stop, as their own specs say.
//!
//! What a container does is read from the pod itself ([`behaviour`]); whether it can start, from what it refers to
//! ([`needs`]); one container's life is a small state machine ([`container`]); what it prints is computed when asked
//! for ([`logs`]). The words are those of a real kubelet 1.36 with containerd.

pub mod behaviour;
pub mod container;
pub mod logs;
pub mod needs;

use crate::sim::controllers::meta::{deleting, is_terminal, is_true, new_condition, set, set_condition, time_at, uid};
use crate::sim::controllers::plan::{EventNote, Plan, Snapshot, Write};
use crate::world::object::{bool_at, int_at, list_at, name, str_at};
use crate::world::time::Time;
use container::{Life, Step};
use serde_json::{Value, json};

/// Seconds between a pod's arrival on a node and its sandbox.
const SANDBOX: i64 = 1;
/// Seconds a container takes to stop when it is asked to.
const STOPPING: i64 = 2;

/// Moves every pod that is on a ready node one step on.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for pod in s.of("pods") {
        let Some(node) = s.get("nodes", "", str_at(pod, "/spec/nodeName")) else { continue };
        if !is_true(node, "Ready") {
            continue;
        }
        match deleting(pod) {
            true => stop(s, pod, &mut plan),
            false if !is_terminal(pod) => Kubelet { s, pod, node, plan: &mut plan }.sync(),
            false => {}
        }
    }
    plan
}

/// A pod that is being deleted: its containers get a moment, then the object goes.
fn stop(s: &Snapshot, pod: &Value, plan: &mut Plan) {
    let grace = int_at(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(30);
    let asked = time_at(pod, "/metadata/deletionTimestamp").0.saturating_sub(grace);
    let gone = Time(asked + STOPPING.min(grace));
    for status in list_at(pod, "/status/containerStatuses").iter().filter(|c| c.pointer("/state/running").is_some()) {
        let text = format!("Stopping container {}", str_at(status, "/name"));
        plan.note(event(pod, false, "Killing", text, str_at(status, "/name"), i64::MAX));
    }
    if s.now < gone {
        plan.wake_at(gone);
    } else if list_at(pod, "/metadata/finalizers").is_empty() {
        plan.push(Write::Remove(pod.clone()));
    }
}

/// An event of the kubelet of the pod's node; `container` is empty for events about the pod.
fn event(pod: &Value, warning: bool, reason: &'static str, message: String, container: &str, every: i64) -> EventNote {
    let init = list_at(pod, "/spec/initContainers").iter().any(|c| name_of(c) == container);
    let list = if init { "initContainers" } else { "containers" };
    EventNote {
        about: pod.clone(),
        warning,
        reason,
        message,
        reporter: "kubelet",
        host: str_at(pod, "/spec/nodeName").into(),
        field: if container.is_empty() { String::new() } else { format!("spec.{list}{{{container}}}") },
        every,
    }
}

fn name_of(container: &Value) -> &str {
    str_at(container, "/name")
}

struct Kubelet<'a> {
    s: &'a Snapshot,
    pod: &'a Value,
    node: &'a Value,
    plan: &'a mut Plan,
}

impl Kubelet<'_> {
    fn sync(mut self) {
        let started = time_at(self.pod, "/status/startTime");
        if !started.is_set() {
            return self.accept();
        }
        let ready_at = Time(started.0 + SANDBOX);
        if self.s.now < ready_at {
            return self.plan.wake_at(ready_at);
        }
        if let Some(missing) = needs::missing_volume(self.s, self.pod) {
            self.plan.note(event(self.pod, true, "FailedMount", missing, "", 60));
            return;
        }
        self.run();
    }

    /// The pod has arrived: everything is still to be made.
    fn accept(&mut self) {
        let mut new = self.pod.clone();
        set(&mut new, "status.phase", json!("Pending"));
        set(&mut new, "status.startTime", json!(self.s.now.rfc3339()));
        let host = self.host_ip();
        set(&mut new, "status.hostIP", json!(host));
        set(&mut new, "status.hostIPs", json!([{"ip": host}]));
        let init = list_at(self.pod, "/spec/initContainers");
        let waiting = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        let fresh = |list: &[Value], reason: &str| {
            json!(list.iter().map(|c| container::waiting(c, reason, "")).collect::<Vec<_>>())
        };
        if !init.is_empty() {
            set(&mut new, "status.initContainerStatuses", fresh(init, "PodInitializing"));
        }
        set(&mut new, "status.containerStatuses", fresh(list_at(self.pod, "/spec/containers"), waiting));
        self.conditions(&mut new, false);
        self.plan.push(Write::Status(new));
        self.plan.wake_at(Time(self.s.now.0 + SANDBOX));
    }

    /// Init containers in order, then all others.
    fn run(&mut self) {
        let mut new = self.pod.clone();
        if str_at(&new, "/status/podIP").is_empty() {
            let ip = self.pod_ip();
            set(&mut new, "status.podIP", json!(ip));
            set(&mut new, "status.podIPs", json!([{"ip": ip}]));
        }
        let initialized = self.run_init(&mut new);
        if initialized {
            self.run_all("containers", "containerStatuses", &mut new);
            if !list_at(self.pod, "/spec/ephemeralContainers").is_empty() {
                self.run_all("ephemeralContainers", "ephemeralContainerStatuses", &mut new);
            }
        }
        self.conditions(&mut new, initialized);
        let phase = phase(&new);
        set(&mut new, "status.phase", json!(phase));
        self.plan.status_if_changed(self.pod, new);
    }

    /// True once every init container has done its part (sidecars: runs).
    fn run_init(&mut self, new: &mut Value) -> bool {
        for (i, spec) in list_at(self.pod, "/spec/initContainers").iter().enumerate() {
            let sidecar = str_at(spec, "/restartPolicy") == "Always";
            let policy = if sidecar || str_at(self.pod, "/spec/restartPolicy") == "Always" {
                "OnFailure"
            } else {
                str_at(self.pod, "/spec/restartPolicy")
            };
            let old = new.pointer(&format!("/status/initContainerStatuses/{i}")).cloned().unwrap_or_default();
            let status = self.step(spec, &old, if sidecar { "Always" } else { policy }, sidecar);
            let done = match sidecar {
                true => status.pointer("/state/running").is_some(),
                false => int_at(&status, "/state/terminated/exitCode") == Some(0),
            };
            if let Some(slot) = new.pointer_mut(&format!("/status/initContainerStatuses/{i}")) {
                *slot = status;
            }
            if !done {
                return false;
            }
        }
        true
    }

    fn run_all(&mut self, specs: &str, statuses: &str, new: &mut Value) {
        let policy = str_at(self.pod, "/spec/restartPolicy").to_string();
        let list = list_at(self.pod, &format!("/spec/{specs}"));
        let all: Vec<Value> = list
            .iter()
            .map(|spec| {
                let old = list_at(new, &format!("/status/{statuses}")).iter().find(|c| name_of(c) == name_of(spec));
                self.step(spec, &old.cloned().unwrap_or_default(), &policy, true)
            })
            .collect();
        set(new, &format!("status.{statuses}"), Value::Array(all));
    }

    /// One container, one step; its events and its next moment go into the plan.
    fn step(&mut self, spec: &Value, old: &Value, policy: &str, main: bool) -> Value {
        let life = Life { s: self.s, pod: self.pod, spec, policy, main };
        let Step { status, events, wake } = life.step(old);
        for (warning, reason, message, every) in events {
            self.plan.note(event(self.pod, warning, reason, message, name_of(spec), every));
        }
        if let Some(at) = wake {
            self.plan.wake_at(at);
        }
        status
    }

    /// The five conditions (`pkg/kubelet/status/generate.go`).
    fn conditions(&self, pod: &mut Value, initialized: bool) {
        let now = self.s.now;
        let sandbox = !str_at(pod, "/status/podIP").is_empty();
        let statuses = list_at(pod, "/status/containerStatuses").to_vec();
        let unready: Vec<&str> = statuses.iter().filter(|c| !bool_at(c, "/ready")).map(name_of).collect();
        let done = !statuses.is_empty()
            && statuses.iter().all(|c| int_at(c, "/state/terminated/exitCode") == Some(0))
            && str_at(pod, "/spec/restartPolicy") != "Always";
        let incomplete: Vec<String> = list_at(pod, "/status/initContainerStatuses")
            .iter()
            .filter(|c| !bool_at(c, "/ready"))
            .map(|c| name_of(c).to_string())
            .collect();
        set_condition(pod, new_condition("PodReadyToStartContainers", sandbox, "", ""), now);
        let no_init = list_at(pod, "/spec/initContainers").is_empty();
        let init = match initialized || no_init {
            true => new_condition("Initialized", true, "", ""),
            false => {
                let text = format!("containers with incomplete status: [{}]", incomplete.join(" "));
                new_condition("Initialized", false, "ContainersNotInitialized", &text)
            }
        };
        set_condition(pod, init, now);
        for kind in ["Ready", "ContainersReady"] {
            let verdict = match () {
                () if done => new_condition(kind, false, "PodCompleted", ""),
                () if statuses.is_empty() || !unready.is_empty() => {
                    let text = format!("containers with unready status: [{}]", unready.join(" "));
                    new_condition(kind, false, "ContainersNotReady", &text)
                }
                () => new_condition(kind, true, "", ""),
            };
            set_condition(pod, verdict, now);
        }
        set_condition(pod, new_condition("PodScheduled", true, "", ""), now);
    }

    fn host_ip(&self) -> String {
        let addresses = list_at(self.node, "/status/addresses");
        addresses
            .iter()
            .find(|a| str_at(a, "/type") == "InternalIP")
            .map_or_else(String::new, |a| str_at(a, "/address").into())
    }

    /// The lowest free address of the node's /24 under 10.244.0.0/16; the node's own with `hostNetwork`.
    fn pod_ip(&self) -> String {
        if bool_at(self.pod, "/spec/hostNetwork") {
            return self.host_ip();
        }
        let subnet = self.s.of("nodes").iter().position(|n| name(n) == name(self.node)).unwrap_or(0);
        let taken = |ip: &str| self.s.of("pods").iter().any(|p| str_at(p, "/status/podIP") == ip);
        // Pods that get an address in the same run are told apart by their place in the list.
        let rank = self
            .s
            .of("pods")
            .iter()
            .filter(|p| str_at(p, "/spec/nodeName") == name(self.node) && str_at(p, "/status/podIP").is_empty())
            .position(|p| uid(p) == uid(self.pod))
            .unwrap_or(0);
        (2..254).map(|n| format!("10.244.{subnet}.{n}")).filter(|ip| !taken(ip)).nth(rank).unwrap_or_default()
    }
}

/// `status.phase` (`kubelet_pods.go`, getPhase).
fn phase(pod: &Value) -> &'static str {
    let statuses = list_at(pod, "/status/containerStatuses");
    let restarts = str_at(pod, "/spec/restartPolicy");
    let state = |c: &Value, s: &str| c.pointer(&format!("/state/{s}")).is_some();
    let ended: Vec<i64> = statuses.iter().filter_map(|c| int_at(c, "/state/terminated/exitCode")).collect();
    let init_failed = restarts == "Never"
        && list_at(pod, "/status/initContainerStatuses")
            .iter()
            .any(|c| int_at(c, "/state/terminated/exitCode").is_some_and(|code| code != 0));
    if init_failed {
        return "Failed";
    }
    let never_started = |c: &Value| state(c, "waiting") && c.pointer("/lastState/terminated").is_none();
    if statuses.is_empty() || statuses.iter().any(never_started) {
        return "Pending";
    }
    if ended.len() == statuses.len() && restarts != "Always" {
        return match ended.iter().all(|code| *code == 0) {
            true => "Succeeded",
            false if restarts == "Never" => "Failed",
            false => "Running",
        };
    }
    "Running"
}

#[cfg(test)]
mod tests;
