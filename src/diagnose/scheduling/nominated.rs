//! Pods that displaced others and wait for their node: their room is theirs.
//!
//! Source: `pkg/scheduler/framework/runtime/framework.go` (RunFilterPluginsWithNominatedPods). A node that pods of the
//! same or a higher priority are nominated to is asked twice, with them on it and without; both must pass.

use super::pod::Pod;
use super::snapshot::Snapshot;
use super::{Failing, check_node};
use crate::diagnose::pods::is_finished;
use crate::world::object::{int_at, name, namespace, str_at};
use serde_json::Value;

/// A pod with `status.nominatedNodeName`.
#[derive(Clone, Debug)]
pub struct Nominated {
    /// The node.
    pub node: String,
    /// `spec.priority`
    pub priority: i64,
    /// The pod itself.
    pub raw: Value,
}

impl Nominated {
    /// Reads a pod that has no node yet; `None` where it is not nominated, or has ended.
    pub fn of(raw: &Value) -> Option<Self> {
        let node = str_at(raw, "/status/nominatedNodeName");
        let waits = str_at(raw, "/spec/nodeName").is_empty() && !is_finished(raw);
        (waits && !node.is_empty()).then(|| Self {
            node: node.to_owned(),
            priority: int_at(raw, "/spec/priority").unwrap_or_default(),
            raw: raw.clone(),
        })
    }

    /// Whether its room is closed to a pod.
    fn comes_before(&self, pod: &Pod<'_>) -> bool {
        let same = match str_at(pod.raw, "/metadata/uid") {
            "" => namespace(&self.raw) == pod.namespace && name(&self.raw) == pod.name,
            uid => uid == str_at(&self.raw, "/metadata/uid"),
        };
        !same && self.priority >= int_at(pod.raw, "/spec/priority").unwrap_or_default()
    }
}

/// The pods nominated to a node whose room is closed to a pod.
pub fn before<'w>(world: &'w Snapshot, pod: &Pod<'_>, node: &str) -> Vec<&'w Value> {
    let here = world.rest.nominated.iter().filter(|n| n.node == node && n.comes_before(pod));
    here.map(|n| &n.raw).collect()
}

/// The cluster with those pods on their nodes: what is left there for a pod. `None` where nobody comes before it.
pub fn seen_by(world: &Snapshot, pod: &Pod<'_>) -> Option<Snapshot> {
    let mut seen = None;
    for waiting in world.rest.nominated.iter().filter(|n| n.comes_before(pod)) {
        if let Some(at) = world.position(&waiting.node) {
            seen = Some(seen.as_ref().unwrap_or(world).with_pods(at, &[&waiting.raw]));
        }
    }
    seen
}

/// For each node that such pods are nominated to: what fails there with them on it.
pub fn failing(world: &Snapshot, pod: &Pod<'_>) -> Vec<(usize, Failing)> {
    let mut nodes: Vec<usize> =
        (world.rest.nominated.iter()).filter(|n| n.comes_before(pod)).filter_map(|n| world.position(&n.node)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.into_iter().map(|at| (at, failing_on(world, pod, at))).collect()
}

/// The same for one node; empty where nobody is nominated to it.
pub fn failing_on(world: &Snapshot, pod: &Pod<'_>, at: usize) -> Failing {
    let Some(node) = world.nodes.get(at) else { return Failing::new() };
    let pods = before(world, pod, &node.name);
    if pods.is_empty() {
        return Failing::new();
    }
    check_node(&world.with_pods(at, &pods), pod, at).unwrap_or_default()
}
