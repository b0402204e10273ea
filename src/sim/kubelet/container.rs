//! The life of one container: a state machine over its own `containerStatus` and the clock.

use super::behaviour::{End, end, probe_failure};
use super::needs::{image_error, missing_config};
use crate::sim::controllers::meta::{fnv, set, time_at, uid};
use crate::sim::controllers::plan::Snapshot;
use crate::world::object::{bool_at, int_at, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

/// (warning, reason, message, seconds before an equal one counts again)
pub type Said = (bool, &'static str, String, i64);

/// What a step gives.
pub struct Step {
    /// The new `containerStatus`.
    pub status: Value,
    /// What the kubelet says about it.
    pub events: Vec<Said>,
    /// When the next step is due.
    pub wake: Option<Time>,
}

/// One container and what surrounds it.
pub struct Life<'a> {
    /// The cluster.
    pub s: &'a Snapshot,
    /// The pod.
    pub pod: &'a Value,
    /// The container's spec.
    pub spec: &'a Value,
    /// The restart policy that holds for it.
    pub policy: &'a str,
    /// Whether it is meant to run on (no init container).
    pub main: bool,
}

/// A status of a container that has not run.
pub fn waiting(spec: &Value, reason: &str, message: &str) -> Value {
    let mut state = json!({"reason": reason});
    if !message.is_empty() {
        set(&mut state, "message", json!(message));
    }
    json!({
        "name": str_at(spec, "/name"), "image": str_at(spec, "/image"), "imageID": "", "ready": false, "started": false,
        "restartCount": 0, "state": {"waiting": state}, "lastState": {},
    })
}

/// The wait before restart number `restarts + 1`: 10 s, doubled, at most 5 min.
pub fn back_off(restarts: i64) -> i64 {
    10i64.saturating_mul(1 << (restarts - 1).clamp(0, 10)).min(300)
}

impl Life<'_> {
    /// Moves on by what is due now.
    pub fn step(&self, old: &Value) -> Step {
        let mut step = Step { status: old.clone(), events: Vec::new(), wake: None };
        if old.pointer("/state/running").is_some() {
            self.running(&mut step);
        } else if old.pointer("/state/terminated").is_some() {
            self.terminated(&mut step);
        } else {
            self.waiting(&mut step);
        }
        step
    }

    fn waiting(&self, step: &mut Step) {
        let restarts = int_at(&step.status, "/restartCount").unwrap_or(0);
        match str_at(&step.status, "/state/waiting/reason") {
            "CrashLoopBackOff" => {
                let due = Time(time_at(&step.status, "/lastState/terminated/finishedAt").0 + back_off(restarts));
                if self.s.now < due {
                    step.wake = Some(due);
                } else {
                    self.start(step, restarts + 1);
                }
            }
            "ErrImagePull" | "ImagePullBackOff" => self.pull_again(step),
            "CreateContainerConfigError" if missing_config(self.s, self.pod, self.spec).is_some() => {
                self.config_error(step);
            }
            _ => self.start(step, restarts),
        }
    }

    fn start(&self, step: &mut Step, restarts: i64) {
        let image = str_at(self.spec, "/image");
        let old = std::mem::take(&mut step.status);
        step.status = waiting(self.spec, "ContainerCreating", "");
        set(&mut step.status, "restartCount", json!(restarts));
        if let Some(last) = old.get("lastState").filter(|l| l.is_object()) {
            set(&mut step.status, "lastState", last.clone());
        }
        if let Some(error) = image_error(image) {
            step.events.push((false, "Pulling", format!("Pulling image \"{image}\""), 0));
            step.events.push((true, "Failed", format!("Failed to pull image \"{image}\": {error}"), 0));
            step.events.push((true, "Failed", "Error: ErrImagePull".into(), 0));
            set(&mut step.status, "state.waiting", json!({"reason": "ErrImagePull", "message": error}));
            step.wake = Some(Time(self.s.now.0 + 3));
            return;
        }
        let present = format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
        step.events.push((false, "Pulled", present, 0));
        if missing_config(self.s, self.pod, self.spec).is_some() {
            return self.config_error(step);
        }
        step.events.push((false, "Created", "Container created".into(), 0));
        step.events.push((false, "Started", "Container started".into(), 0));
        self.set_running(&mut step.status, restarts);
        self.running(step);
    }

    fn set_running(&self, status: &mut Value, restarts: i64) {
        let id = fnv(&format!("{}/{}/{restarts}", uid(self.pod), str_at(self.spec, "/name")));
        let image = fnv(str_at(self.spec, "/image"));
        set(status, "containerID", json!(format!("containerd://{}", hex(id))));
        set(status, "imageID", json!(format!("sha256:{}", hex(image))));
        set(status, "state", json!({"running": {"startedAt": self.s.now.rfc3339()}}));
        set(status, "started", json!(true));
        set(status, "ready", json!(false));
    }

    fn config_error(&self, step: &mut Step) {
        let why = missing_config(self.s, self.pod, self.spec).unwrap_or_default();
        // The real one tries again every ten seconds or so, and says so each time.
        step.events.push((true, "Failed", format!("Error: {why}"), 12));
        set(&mut step.status, "state", json!({"waiting": {"reason": "CreateContainerConfigError", "message": why}}));
    }

    /// `ErrImagePull` becomes `ImagePullBackOff`, which stays until the image can be had.
    fn pull_again(&self, step: &mut Step) {
        let image = str_at(self.spec, "/image");
        let Some(error) = image_error(image) else { return self.start(step, 0) };
        let text = format!("Back-off pulling image \"{image}\"");
        if str_at(&step.status, "/state/waiting/reason") == "ErrImagePull" {
            step.events.push((true, "Failed", "Error: ImagePullBackOff".into(), 0));
        }
        step.events.push((false, "BackOff", text.clone(), 15));
        let message = format!("{text}: ErrImagePull: {error}");
        set(&mut step.status, "state", json!({"waiting": {"reason": "ImagePullBackOff", "message": message}}));
    }

    fn running(&self, step: &mut Step) {
        let since = time_at(&step.status, "/state/running/startedAt");
        if let Some(End { after, code, reason }) = end(self.pod, self.spec, self.main) {
            let due = Time(since.0 + after);
            if self.s.now >= due {
                let run = json!({
                    "exitCode": code, "reason": reason, "startedAt": since.rfc3339(), "finishedAt": due.rfc3339(),
                    "containerID": str_at(&step.status, "/containerID"),
                });
                set(&mut step.status, "state", json!({"terminated": run}));
                set(&mut step.status, "ready", json!(!self.main && code == 0));
                set(&mut step.status, "started", json!(false));
                return self.terminated(step);
            }
            step.wake = Some(due);
        }
        self.probe(step, since);
    }

    fn probe(&self, step: &mut Step, since: Time) {
        let Some(probe) = self.spec.get("readinessProbe") else {
            return set(&mut step.status, "ready", json!(self.main));
        };
        let first = Time(since.0 + int_at(probe, "/initialDelaySeconds").unwrap_or(0).max(1));
        if self.s.now < first {
            step.wake = Some(step.wake.map_or(first, |w| w.min(first)));
            return;
        }
        let failure = probe_failure(self.pod, probe, str_at(self.pod, "/status/podIP"));
        set(&mut step.status, "ready", json!(failure.is_none()));
        if let Some(why) = failure {
            let period = int_at(probe, "/periodSeconds").unwrap_or(10).max(1);
            step.events.push((true, "Unhealthy", format!("Readiness probe failed: {why}"), period));
        }
    }

    fn terminated(&self, step: &mut Step) {
        let code = int_at(&step.status, "/state/terminated/exitCode").unwrap_or(0);
        let again = match self.policy {
            "Always" => true,
            "OnFailure" => code != 0,
            _ => false,
        };
        if !again {
            return;
        }
        let restarts = int_at(&step.status, "/restartCount").unwrap_or(0);
        let last = step.status.pointer("/state/terminated").cloned().unwrap_or_default();
        let finished = time_at(&last, "/finishedAt");
        set(&mut step.status, "lastState", json!({"terminated": last}));
        set(&mut step.status, "ready", json!(false));
        if restarts == 0 {
            // The first restart waits for nothing.
            return self.start(step, 1);
        }
        let c = str_at(self.spec, "/name");
        let pod = format!("{}_{}({})", name(self.pod), namespace(self.pod), uid(self.pod));
        let wait = back_off(restarts);
        let text = format!("back-off {} restarting failed container={c} pod={pod}", minutes(wait));
        set(&mut step.status, "state", json!({"waiting": {"reason": "CrashLoopBackOff", "message": text}}));
        step.events.push((true, "BackOff", format!("Back-off restarting failed container {c} in pod {pod}"), 0));
        step.wake = Some(Time(finished.0 + wait));
        debug_assert!(!bool_at(&step.status, "/ready"));
    }
}

/// A duration as Go prints it: `10s`, `1m20s`, `5m0s`.
fn minutes(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

fn hex(seed: u64) -> String {
    (0..4u64).map(|i| format!("{:016x}", fnv(&format!("{seed}/{i}")))).collect()
}
