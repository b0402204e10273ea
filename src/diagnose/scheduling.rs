//! The scheduler's filters, evaluated by us: every filter of the default profile for every node.
//!
//! The scheduler stops at the first filter that fails on a node, so what it prints is only the first obstacle of each.
//! [`evaluate`] asks all of them. Build a [`Snapshot`] once, ask it about any number of pods.
//! The rules are those of Kubernetes 1.36; each filter's file names its source. tests/it/scheduler.rs holds them
//! against what the real scheduler said.

pub mod changes;
pub mod devices;
pub mod dynamic_resources;
pub mod filter;
pub mod inter_pod_affinity;
pub mod labels;
pub mod matrix;
pub mod message;
pub mod migration;
pub mod node;
pub mod node_affinity;
pub mod node_declared_features;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_selector;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod nominated;
pub mod pod;
pub mod pod_topology_spread;
pub mod preemption;
mod rejudge;
pub mod relocation;
pub mod requests;
pub mod snapshot;
pub mod storage;
pub mod taint_toleration;
pub mod volume_binding;
pub mod volume_restrictions;
pub mod volume_zone;

pub use changes::{Change, ChangeKind, smallest_changes};
pub use node::Node;
pub use pod::Pod;
pub use snapshot::{Objects, Snapshot};

use super::verdict::Scheduling;
use filter::{PLUGINS, Reasons};
use serde_json::Value;

/// The filters that fail on one node, as (index in [`PLUGINS`], reasons), in order.
pub type Failing = Vec<(usize, Reasons)>;

/// What all filters say about one pod.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Plugins that refuse the pod before any node is looked at, in order: (index in [`PLUGINS`], text).
    pub refused: Vec<(usize, String)>,
    /// For each node of the snapshot, in its order, what fails there.
    pub nodes: Vec<Failing>,
}

impl Judgement {
    /// Names of the nodes that pass every filter; none when a plugin refuses the pod.
    pub fn fits(&self, world: &Snapshot) -> Vec<String> {
        let passing = world.nodes.iter().zip(&self.nodes).filter(|(_, failing)| failing.is_empty());
        if self.refused.is_empty() { passing.map(|(node, _)| node.name.clone()).collect() } else { vec![] }
    }

    /// Indices of the nodes that the filters of places leave: where its owner wants the pod, and its volumes are.
    pub fn nodes_left(&self) -> Vec<usize> {
        let left = |failing: &Failing| failing.iter().all(|(at, _)| !is_place(PLUGINS[*at].name));
        (0..self.nodes.len()).filter(|at| left(&self.nodes[*at])).collect()
    }

    /// Whether any node takes the pod.
    pub fn any_fits(&self) -> bool {
        self.refused.is_empty() && self.nodes.iter().any(Vec::is_empty)
    }
}

/// Whether a filter says where a pod may go at all, rather than what is in its way there. VolumeZone does not: it lets
/// every node without a zone pass.
pub fn is_place(plugin: &str) -> bool {
    ["NodeName", "NodeAffinity", "VolumeBinding"].contains(&plugin)
}

/// Asks every filter about every node. A plugin that refuses the pod says nothing about single nodes.
pub fn judge(world: &Snapshot, pod: &Pod<'_>) -> Judgement {
    let mut judgement = Judgement { refused: vec![], nodes: vec![Failing::new(); world.nodes.len()] };
    for (at, plugin) in PLUGINS.iter().enumerate() {
        let filter = match (plugin.prepare)(world, pod) {
            Ok(Some(filter)) => filter,
            Ok(None) => continue,
            Err(text) => {
                judgement.refused.push((at, text));
                continue;
            }
        };
        for (node, failing) in world.nodes.iter().zip(&mut judgement.nodes) {
            let reasons = filter.check(node);
            if !reasons.is_empty() {
                failing.push((at, reasons));
            }
        }
    }
    for (at, with_nominated) in nominated::failing(world, pod) {
        if let Some(failing) = judgement.nodes.get_mut(at) {
            add_failing(failing, with_nominated);
        }
    }
    judgement
}

/// Adds what fails to what failed already, in the order of the filters.
fn add_failing(failing: &mut Failing, more: Failing) {
    for (at, reasons) in more {
        match failing.binary_search_by_key(&at, |(plugin, _)| *plugin) {
            Ok(there) => failing[there].1 = reasons,
            Err(place) => failing.insert(place, (at, reasons)),
        }
    }
}

/// What fails on one node, pods that are nominated to it left aside; `None` where a plugin refuses the pod.
fn check_node(world: &Snapshot, pod: &Pod<'_>, at: usize) -> Option<Failing> {
    let node = world.nodes.get(at)?;
    let mut failing = Failing::new();
    for (plugin, row) in PLUGINS.iter().enumerate() {
        let reasons = match (row.prepare)(world, pod) {
            Ok(Some(filter)) => filter.check(node),
            Ok(None) => continue,
            Err(_) => return None,
        };
        if !reasons.is_empty() {
            failing.push((plugin, reasons));
        }
    }
    Some(failing)
}

/// Evaluates every filter for every node and says it as the verdict carries it.
pub fn evaluate(world: &Snapshot, pod: &Value) -> Scheduling {
    let pod = Pod::new(pod);
    let judgement = judge(world, &pod);
    report(world, &pod, &judgement)
}

/// A judgement as the verdict carries it.
pub fn report(world: &Snapshot, pod: &Pod<'_>, judgement: &Judgement) -> Scheduling {
    let owned = |reasons: &Reasons| reasons.iter().map(|r| r.clone().into_owned()).collect();
    let failing = |f: &Failing| f.iter().map(|(at, reasons)| (PLUGINS[*at].name.to_owned(), owned(reasons))).collect();
    let nodes = world.nodes.iter().zip(&judgement.nodes).filter(|(_, f)| !f.is_empty());
    Scheduling {
        fits: judgement.fits(world),
        prefilter: judgement.refused.iter().map(|(at, text)| (PLUGINS[*at].name.to_owned(), text.clone())).collect(),
        nodes: nodes.map(|(node, f)| (node.name.clone(), failing(f))).collect(),
        message: message::of(judgement),
        matrix: matrix::rows(world, pod, judgement),
    }
}
