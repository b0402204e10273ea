//! A pod judged again after a small change: only what the change can alter is asked.
//!
//! A filter reads some fields of the pod and of the cluster. Where those are the same as before its verdict is too, so
//! a node that another filter keeps closed need not be looked at. The answer is that of judging anew
//! (`changes/tests.rs` holds the two against each other).

use super::filter::{Filter, PLUGINS};
use super::node::Node;
use super::pod::Pod;
use super::snapshot::Snapshot;
use super::{Failing, Judgement, nominated};
use crate::world::object::str_at;
use std::sync::Arc;

/// A set of filters, by their places in [`PLUGINS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filters(u32);

impl Filters {
    /// Filters by name.
    pub fn named(names: &[&str]) -> Self {
        let places = PLUGINS.iter().enumerate().filter(|(_, p)| names.contains(&p.name));
        Self(places.map(|(at, _)| 1 << at).sum())
    }

    /// The filters that fail on a node.
    pub fn failing(failing: &Failing) -> Self {
        Self(failing.iter().fold(0, |all, (at, _)| all | 1 << at))
    }

    /// Both sets together.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of these are among the others.
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }
}

/// What a change can alter.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Filters whose verdict may differ on any node.
    pub filters: Filters,
    /// Nodes that were changed or added, by their place.
    pub nodes: Vec<usize>,
}

impl Reach {
    /// Compares a pod and its cluster before and after a change.
    pub fn between(old: (&Snapshot, &Pod<'_>), new: (&Snapshot, &Pod<'_>)) -> Self {
        let mut reach = Self { filters: of_pod(old.1, new.1), nodes: vec![] };
        if !Arc::ptr_eq(&old.0.rest, &new.0.rest) {
            reach.filters = reach.filters.and(Filters::named(&[
                "VolumeRestrictions",
                "NodeVolumeLimits",
                "VolumeBinding",
                "VolumeZone",
                "PodTopologySpread",
                "InterPodAffinity",
                "DynamicResources",
            ]));
        }
        let nodes = if std::ptr::eq(old.0, new.0) { &[][..] } else { &new.0.nodes[..] };
        for (at, node) in nodes.iter().enumerate() {
            let before = old.0.nodes.get(at);
            if before.is_none_or(|before| !Arc::ptr_eq(before, node)) {
                reach.nodes.push(at);
                reach.filters = reach.filters.and(of_node(before.map(AsRef::as_ref), node));
            }
        }
        reach
    }

    /// Both changes together.
    pub fn and(&self, other: &Self) -> Self {
        let mut nodes = [self.nodes.as_slice(), other.nodes.as_slice()].concat();
        nodes.sort_unstable();
        nodes.dedup();
        Self { filters: self.filters.and(other.filters), nodes }
    }
}

/// The filters that read what differs between two versions of a pod.
fn of_pod(old: &Pod<'_>, new: &Pod<'_>) -> Filters {
    let field = |path: &str| old.raw.pointer(path) != new.raw.pointer(path);
    let when = |differs: bool, names: &[&str]| if differs { Filters::named(names) } else { Filters::default() };
    [
        when(str_at(old.raw, "/spec/nodeName") != str_at(new.raw, "/spec/nodeName"), &["NodeName"]),
        when(old.tolerations != new.tolerations, &["NodeUnschedulable", "TaintToleration", "PodTopologySpread"]),
        when(old.required_node != new.required_node, &["NodeAffinity", "PodTopologySpread"]),
        when(old.ports != new.ports, &["NodePorts"]),
        when(old.requests != new.requests, &["NodeResourcesFit"]),
        when(field("/spec/volumes"), &["VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"]),
        when(field("/spec/topologySpreadConstraints"), &["PodTopologySpread"]),
        when(old.labels != new.labels, &["PodTopologySpread", "InterPodAffinity"]),
        when(old.affinity != new.affinity || old.anti_affinity != new.anti_affinity, &["InterPodAffinity"]),
        when(field("/spec/resourceClaims"), &["DynamicResources"]),
        when(
            field("/spec/hostUsers") || field("/spec/hostNetwork") || field("/spec/containers"),
            &["NodeDeclaredFeatures"],
        ),
        when(field("/spec/priority"), &["NodePorts", "NodeResourcesFit", "PodTopologySpread", "InterPodAffinity"]),
    ]
    .into_iter()
    .fold(Filters::default(), Filters::and)
}

/// The filters that count over all nodes and read what differs on one of them.
fn of_node(old: Option<&Node>, new: &Node) -> Filters {
    let same = |test: fn(&Node, &Node) -> bool| old.is_some_and(|old| test(old, new));
    let labels = same(|a, b| a.labels == b.labels) && same(|a, b| a.groups == b.groups);
    let taints = same(|a, b| a.taints == b.taints);
    let features = same(|a, b| a.features == b.features);
    let counted = if labels { Filters::default() } else { Filters::named(&["PodTopologySpread", "InterPodAffinity"]) };
    let counted = if taints { counted } else { counted.and(Filters::named(&["PodTopologySpread"])) };
    if features { counted } else { counted.and(Filters::named(&["NodeDeclaredFeatures"])) }
}

/// Names of the nodes that take a pod after a change, in the cluster's order, and how many filters were asked about how
/// many nodes. `before` is the judgement without the change, `reach` what the change can alter.
pub fn fits(before: &Judgement, reach: &Reach, world: &Snapshot, pod: &Pod<'_>) -> (Vec<String>, usize) {
    if before.refused.iter().any(|(at, _)| !reach.filters.has(*at)) {
        return (vec![], 1);
    }
    let reached: Vec<bool> = before.kinds().iter().map(|f| Filters::failing(f).within(reach.filters)).collect();
    let open = |at: &usize| match before.kind_of(*at) {
        Some(kind) => reached.get(kind) == Some(&true) || reach.nodes.contains(at),
        None => true,
    };
    let candidates: Vec<usize> = (0..world.nodes.len()).filter(open).collect();
    let mut work = 1;
    if candidates.is_empty() {
        return (vec![], work);
    }
    let mut filters: Vec<(usize, Box<dyn Filter + '_>)> = vec![];
    for (at, plugin) in PLUGINS.iter().enumerate().filter(|(at, _)| reach.filters.has(*at) || !reach.nodes.is_empty()) {
        match (plugin.prepare)(world, pod) {
            Ok(Some(filter)) => filters.push((at, filter)),
            Ok(None) => {}
            Err(_) => return (vec![], work),
        }
        work += world.nodes.len() / 8;
    }
    let passes = |at: &usize| {
        let (changed, node) = (reach.nodes.contains(at), world.nodes.get(*at));
        let asked = filters.iter().filter(|(plugin, _)| changed || reach.filters.has(*plugin));
        node.is_some_and(|node| asked.map(|(_, f)| f.check(node)).all(|reasons| reasons.is_empty()))
            && nominated::failing_on(world, pod, *at).is_empty()
    };
    work += candidates.len();
    let fits = candidates.iter().filter(|at| passes(at)).filter_map(|at| world.nodes.get(*at));
    (fits.map(|node| node.name.clone()).collect(), work)
}
