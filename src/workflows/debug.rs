//! Debugging: a container added to a running pod, or a pod of ours on a node, as `kubectl debug` makes them.
//!
//! An ephemeral container cannot be taken back: it ends with its shell and goes with the pod. A pod on a node can, and
//! is: the operation stays open while somebody is in it, and finishing it deletes the pod. So one that was left behind by
//! a crash is found at the next start.

use super::machine::{Facts, Run};
use super::{Effect, Event, Line, Mark, Occasion, Part, Plan, Step, annotation};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::time::{Time, human};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is used where neither the person nor the configuration names an image.
pub const IMAGE: &str = "busybox";
/// Seconds that the image gets to be pulled and started.
const TIMEOUT_S: i64 = 120;
/// Pause between two looks, in milliseconds.
const LOOK_MS: u64 = 500;

/// What is made for debugging, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DebugPlan {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod: the one that is looked into, or ours.
    pub pod: String,
    /// The container to go into.
    pub container: String,
    /// What is made.
    pub make: Make,
    /// The operation, written on what is made.
    pub op: String,
    /// Seconds until it must run.
    pub timeout_s: i64,
}

/// What is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "make", rename_all = "lowercase")]
pub enum Make {
    /// An ephemeral container in a pod of this UID.
    Ephemeral {
        /// The pod's UID.
        uid: String,
        /// The container.
        container: Value,
    },
    /// A pod.
    Pod {
        /// Its manifest.
        manifest: Value,
    },
}

impl DebugPlan {
    /// The pod's path on the API server.
    pub fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.pod)
    }

    fn goes_away(&self) -> bool {
        matches!(self.make, Make::Pod { .. })
    }
}

/// Plans an ephemeral container beside the container `seen` of a pod.
pub fn pod(on: &Occasion<'_>, pod: &Value, seen: &str, image: &str) -> Plan {
    let object = ObjectRef::of(pod);
    let container = format!("debugger-{}", suffix(&on.id));
    // Profile `general` of kubectl (`kubectl/pkg/cmd/debug/profiles.go`).
    let spec = json!({"name": container, "image": image, "imagePullPolicy": "IfNotPresent", "stdin": true, "tty": true,
        "targetContainerName": seen, "terminationMessagePolicy": "File",
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}});
    let mut blocked = vec![];
    if str_at(pod, "/status/phase") != "Running" {
        blocked.push(format!("the pod does not run (it is {})", str_at(pod, "/status/phase")));
    }
    let annotations = pod.pointer("/metadata/annotations/kubernetes.io~1config.mirror");
    if annotations.is_some() {
        blocked.push("a static pod takes no ephemeral containers: debug its node".into());
    }
    let lines = vec![
        Line::new(
            "live",
            format!("add the container {container} (image {image}) to pod {}/{}", object.namespace, object.name),
        ),
        Line::new(
            "sees",
            format!("the processes of container {seen} and the pod's network; it may trace (SYS_PTRACE)"),
        ),
        Line::new("git", "nothing: ephemeral containers stand in no manifest, and Argo CD does not compare them"),
        Line::new("undo", "it cannot be removed from the pod; it ends with its shell, and goes with the pod"),
    ];
    let plan = DebugPlan {
        namespace: object.namespace.clone(),
        pod: object.name.clone(),
        container,
        make: Make::Ephemeral { uid: str_at(pod, "/metadata/uid").into(), container: spec },
        op: on.id.clone(),
        timeout_s: TIMEOUT_S,
    };
    planned(on, "debug", format!("debug {} on {}", object.name, on.cluster), plan, lines, blocked)
}

/// Plans a privileged pod on a node, with the node's disk under /host.
pub fn node(on: &Occasion<'_>, node: &Value, in_namespace: &str, image: &str) -> Plan {
    let on_node = name(node);
    let mut pod: String = format!("node-debugger-{on_node}");
    // Room for the suffix in what may become a host name.
    pod.truncate(56);
    let pod = format!("{}-{}", pod.trim_end_matches(['-', '.']), suffix(&on.id));
    let manifest = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": pod, "namespace": in_namespace, "labels": {"app.kubernetes.io/managed-by": "kokpit"},
                     "annotations": {annotation::OP: on.id}},
        "spec": {"nodeName": on_node, "hostPID": true, "hostNetwork": true, "hostIPC": true, "restartPolicy": "Never",
            // Whatever keeps other pods away is what one wants to look into.
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "debugger", "image": image, "imagePullPolicy": "IfNotPresent", "stdin": true, "tty": true,
                "terminationMessagePolicy": "File", "securityContext": {"privileged": true},
                "volumeMounts": [{"name": "host-root", "mountPath": "/host"}]}],
            "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}]}});
    let lines = vec![
        Line::new("live", format!("create pod {in_namespace}/{pod} (image {image}) on node {on_node}")),
        Line::warning(format!(
            "privileged: whoever is in it is root on {on_node}; its disk is under /host (chroot /host)"
        )),
        Line::new("git", "nothing: no repository holds this pod"),
        Line::new(
            "undo",
            "the pod is deleted when you leave it; after a crash the operation stays open, and finishing it deletes the pod",
        ),
    ];
    let plan = DebugPlan {
        namespace: in_namespace.into(),
        pod,
        container: "debugger".into(),
        make: Make::Pod { manifest },
        op: on.id.clone(),
        timeout_s: TIMEOUT_S,
    };
    planned(on, "debug-node", format!("debug node {on_node} on {}", on.cluster), plan, lines, vec![])
}

fn planned(
    on: &Occasion<'_>,
    kind: &str,
    title: String,
    plan: DebugPlan,
    lines: Vec<Line>,
    blocked: Vec<String>,
) -> Plan {
    Plan { parts: vec![Part::Debug(plan)], lines, blocked, ..on.draft(kind, title) }
}

/// The end of an Op-Id, as names may hold it.
fn suffix(id: &str) -> String {
    let id = id.to_lowercase();
    id.get(id.len().saturating_sub(5)..).unwrap_or_default().to_string()
}

/// How a container stands that was asked to start: it runs, it will not, or why it does not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One can go into it.
    Runs,
    /// It has ended, or cannot run; in words.
    Over(String),
    /// Not yet; in words, may be empty.
    Not(String),
}

/// Reads that from the pod.
pub fn standing(pod: &Value, container: &str) -> Standing {
    let lists = ["/status/ephemeralContainerStatuses", "/status/containerStatuses"];
    let mut all = lists.iter().flat_map(|list| list_at(pod, list));
    let Some(status) = all.find(|status| str_at(status, "/name") == container) else {
        let pending = list_at(pod, "/status/conditions").iter().find(|c| str_at(c, "/status") == "False");
        return Standing::Not(pending.map_or("", |c| str_at(c, "/message")).into());
    };
    if status.pointer("/state/running").is_some() {
        return Standing::Runs;
    }
    if let Some(ended) = status.pointer("/state/terminated") {
        let (reason, code) = (str_at(ended, "/reason"), ended["exitCode"].as_i64().unwrap_or_default());
        return Standing::Over(format!("it ended at once: {reason}, exit code {code}"));
    }
    let (reason, message) = (str_at(status, "/state/waiting/reason"), str_at(status, "/state/waiting/message"));
    Standing::Not([reason, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": "))
}

/// Where a pod was made for us, as a check before it is deleted.
pub fn is_ours(pod: &Value, plan: &DebugPlan) -> bool {
    let op = format!("/metadata/annotations/{}", annotation::OP.replace('/', "~1"));
    str_at(pod, &op) == plan.op && name(pod) == plan.pod && namespace(pod) == plan.namespace
}

/// The part that makes it, waits until it runs, and takes it away again where that can be.
#[derive(Debug)]
pub(super) struct Debug {
    plan: DebugPlan,
    made: bool,
    tried: bool,
    runs: bool,
    removed: bool,
    released: bool,
    rested: bool,
    since: Option<Time>,
    why: String,
    at: [Time; 3],
}

impl Debug {
    pub fn new(plan: DebugPlan) -> Self {
        Self {
            plan,
            made: false,
            tried: false,
            runs: false,
            removed: false,
            released: false,
            rested: true,
            since: None,
            why: String::new(),
            at: [Time::NEVER; 3],
        }
    }

    /// Only takes away what was made.
    pub fn removing(plan: DebugPlan) -> Self {
        Self { made: true, runs: true, released: true, ..Self::new(plan) }
    }
}

impl Run for Debug {
    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        match event {
            Event::Debugging => (self.made, self.at[0]) = (true, now),
            Event::Standing { runs: true, .. } => (self.runs, self.at[1]) = (true, now),
            Event::Standing { why, .. } => self.why.clone_from(why),
            Event::Removed => (self.removed, self.at[2]) = (true, now),
            Event::Waited => self.rested = true,
            _ => {}
        }
    }

    fn attempted(&mut self, effect: &Effect) {
        if matches!(effect, Effect::Debug(_)) {
            self.tried = true;
        }
    }

    fn release(&mut self) {
        self.released = true;
    }

    fn decide(&mut self, _: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        if self.released && self.plan.goes_away() && (self.made || self.tried) {
            return Ok(vec![Effect::Remove(self.plan.clone())]);
        }
        if !self.made {
            return Ok(vec![Effect::Debug(self.plan.clone())]);
        }
        if self.runs {
            // Somebody is in it: what comes next, comes when they have left.
            return Ok(vec![]);
        }
        let since = *self.since.get_or_insert(now);
        if since.age(now) >= self.plan.timeout_s {
            let limit = human(self.plan.timeout_s);
            return Err(format!("{} does not run after {limit}: {}", self.plan.container, self.why));
        }
        self.rested = !self.rested;
        Ok(vec![if self.rested { Effect::Wait { ms: LOOK_MS } } else { Effect::Stand(self.plan.clone()) }])
    }

    fn done(&self) -> bool {
        if self.plan.goes_away() { self.removed } else { self.runs }
    }

    fn touched(&self) -> bool {
        self.plan.goes_away() && (self.made || self.tried) && !self.removed
    }

    fn steps(&self) -> Vec<Step> {
        let mark = |done: bool| if done { Mark::Done } else { Mark::Waiting };
        let place = format!("{}/{}", self.plan.namespace, self.plan.pod);
        let made = match self.plan.goes_away() {
            true => format!("create pod {place}"),
            false => format!("add container {} to {place}", self.plan.container),
        };
        let mut steps = vec![
            Step { text: made, mark: mark(self.made), at: self.at[0] },
            Step { text: "it runs".into(), mark: mark(self.runs), at: self.at[1] },
        ];
        if self.plan.goes_away() {
            steps.push(Step { text: format!("delete pod {place}"), mark: mark(self.removed), at: self.at[2] });
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflows::machine::Machine;

    fn on() -> Occasion<'static> {
        Occasion {
            id: "01JABCDEFGHJKMNPQRSTVWXYZ0".into(),
            cluster: "dev",
            identity: None,
            protected: false,
            now: Time(0),
            reason: "",
        }
    }

    fn web() -> Value {
        json!({"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop", "uid": "u"},
               "spec": {"containers": [{"name": "app"}]}, "status": {"phase": "Running"}})
    }

    #[test]
    fn a_container_is_added_and_waited_for() {
        let plan = pod(&on(), &web(), "app", "busybox");
        assert!(plan.blocked.is_empty() && plan.lines.iter().any(|l| l.text.contains("debugger-wxyz0")));
        let mut machine = Machine::new(&plan);
        let effects = machine.step(None, Time(0));
        let [Effect::Debug(made)] = effects.as_slice() else { panic!("{effects:?}") };
        assert!(matches!(&made.make, Make::Ephemeral { container, .. } if container["targetContainerName"] == "app"));
        let effects = machine.step(Some(Event::Debugging), Time(1));
        assert!(matches!(effects.as_slice(), [Effect::Stand(_)]), "{effects:?}");
        let not = Event::Standing { runs: false, why: "pulling".into() };
        assert_eq!(machine.step(Some(not.clone()), Time(2)), [Effect::Wait { ms: LOOK_MS }]);
        assert!(matches!(machine.step(Some(Event::Waited), Time(3)).as_slice(), [Effect::Stand(_)]));
        assert!(machine.step(Some(not), Time(200)).is_empty());
        assert!(machine.failure().unwrap().contains("pulling") && !machine.touched(), "nothing can be taken back");
        let mut stopped = web();
        stopped["status"]["phase"] = json!("Pending");
        assert!(!pod(&on(), &stopped, "app", "busybox").blocked.is_empty());
    }

    #[test]
    fn a_pod_on_a_node_stays_open_until_it_is_left() {
        let plan = node(&on(), &json!({"metadata": {"name": "n1"}}), "default", "busybox");
        let Part::Debug(made) = &plan.parts[0] else { panic!("{plan:?}") };
        assert_eq!(made.pod, "node-debugger-n1-wxyz0");
        let mut machine = Machine::new(&plan);
        machine.step(None, Time(0));
        machine.step(Some(Event::Debugging), Time(1));
        assert!(machine.step(Some(Event::Standing { runs: true, why: String::new() }), Time(2)).is_empty());
        assert!(!machine.finished() && machine.failure().is_none() && machine.touched());
        // After a crash the journal knows only what was made; finishing takes it away.
        let mut machine = Machine::new(&plan);
        machine.attempted(&Effect::Debug(made.clone()));
        machine.release();
        assert!(matches!(machine.step(None, Time(9)).as_slice(), [Effect::Remove(_)]));
        machine.step(Some(Event::Removed), Time(10));
        assert!(machine.finished() && !machine.touched());
        // And so does undoing.
        let mut begun = Machine::new(&plan);
        begun.absorb(&Event::Debugging, Time(1));
        let (_, mut undo) = begun.undo(&plan);
        assert!(matches!(undo.step(None, Time(2)).as_slice(), [Effect::Remove(_)]));
    }

    #[test]
    fn how_a_container_stands() {
        let of = |state: Value| {
            standing(&json!({"status": {"ephemeralContainerStatuses": [{"name": "d", "state": state}]}}), "d")
        };
        assert_eq!(of(json!({"running": {}})), Standing::Runs);
        assert_eq!(
            of(json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}})),
            Standing::Not("ErrImagePull: no such image".into())
        );
        assert!(
            matches!(of(json!({"terminated": {"reason": "Error", "exitCode": 1}})), Standing::Over(why) if why.contains("exit code 1"))
        );
        assert_eq!(standing(&json!({}), "d"), Standing::Not(String::new()));
    }
}
