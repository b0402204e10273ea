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
pub mod judgement;
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
pub use judgement::{Failing, Judgement};
pub use node::Node;
pub use pod::Pod;
pub use snapshot::{Objects, Snapshot};

use super::verdict::{FailingFilters, Scheduling};
use filter::{PLUGINS, Reasons};
use serde_json::Value;
use std::sync::Arc;

/// Asks every filter about every node. A plugin that refuses the pod says nothing about single nodes.
pub fn judge(world: &Snapshot, pod: &Pod<'_>) -> Judgement {
    let (mut judgement, mut filters) = (Judgement::default(), vec![]);
    for (at, plugin) in PLUGINS.iter().enumerate() {
        match (plugin.prepare)(world, pod) {
            Ok(Some(filter)) => filters.push((at, filter)),
            Ok(None) => {}
            Err(text) => judgement.refused.push((at, text)),
        }
    }
    let mut with_nominated = nominated::failing(world, pod).into_iter().peekable();
    let mut failing = Failing::new();
    for (at, node) in world.nodes.iter().enumerate() {
        let asked = filters.iter().map(|(plugin, filter)| (*plugin, filter.check(node)));
        failing.extend(asked.filter(|(_, reasons)| !reasons.is_empty()));
        if let Some((_, more)) = with_nominated.next_if(|(there, _)| *there == at) {
            add_failing(&mut failing, more);
        }
        judgement.push(&failing);
        failing.clear();
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
    let named = |f: &Failing| f.iter().map(|(at, reasons)| (PLUGINS[*at].name.to_owned(), owned(reasons))).collect();
    let kinds: Vec<Arc<FailingFilters>> = judgement.kinds().iter().map(|f| Arc::new(named(f))).collect();
    let failing = |at: usize| kinds.get(judgement.kind_of(at)?).filter(|filters| !filters.is_empty()).cloned();
    let by_name = world.by_name();
    Scheduling {
        fits: judgement.fits(world),
        prefilter: judgement.refused.iter().map(|(at, text)| (PLUGINS[*at].name.to_owned(), text.clone())).collect(),
        nodes: by_name.iter().filter_map(|(name, at)| Some((name.clone(), failing(*at)?))).collect(),
        message: message::of(judgement),
        matrix: matrix::rows(world, pod, judgement),
    }
}
