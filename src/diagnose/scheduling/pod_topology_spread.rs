//! PodTopologySpread: pods of a kind may not pile up in one domain (`whenUnsatisfiable: DoNotSchedule`).
//!
//! Source: `pkg/scheduler/framework/plugins/podtopologyspread/{filtering,common}.go`:
//! `count(domain) + (the pod counts itself ? 1 : 0) − min over domains ≤ maxSkew`. Only nodes with all keys of all
//! constraints form domains; terminating pods and pods of other namespaces do not count; an empty selector counts
//! nobody but the pod itself.

use super::filter::{Filter, Prepared, Reasons, fail, pass};
use super::node::Node;
use super::pod::{Pod, untolerated};
use super::snapshot::Snapshot;
use crate::world::object::{int_at, list_at, str_at};
use crate::world::selector::{Op, Requirement, Selector};
use serde_json::Value;
use std::collections::BTreeMap;

/// The reason the scheduler gives when the skew would be too large.
pub const SKEW: &str = "node(s) didn't match pod topology spread constraints";
/// The reason the scheduler gives when the node lacks the label.
pub const NO_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// One constraint with the counts of its domains.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Index in `spec.topologySpreadConstraints`.
    pub index: usize,
    /// The node label whose values are the domains.
    pub key: String,
    /// `maxSkew`
    pub max_skew: i64,
    /// `minDomains`
    pub min_domains: i64,
    /// Whether nodes with taints that the pod does not tolerate are left out (`nodeTaintsPolicy: Honor`).
    pub honors_taints: bool,
    /// Pods counted in each domain.
    pub counts: BTreeMap<String, i64>,
    /// 1 where the pod itself matches, else 0.
    pub own: i64,
    honors_affinity: bool,
    selector: Option<Selector>,
}

impl Spread {
    /// What the fullest domain is compared with.
    pub fn min(&self) -> i64 {
        let few = i64::try_from(self.counts.len()).unwrap_or(i64::MAX) < self.min_domains;
        if few { 0 } else { self.counts.values().copied().min().unwrap_or(0) }
    }

    /// The skew if the pod were put into a domain.
    pub fn skew(&self, domain: &str) -> i64 {
        self.counts.get(domain).copied().unwrap_or(0) + self.own - self.min()
    }

    fn from_value(index: usize, raw: &Value, pod: &Pod) -> Self {
        let mut selector = raw.get("labelSelector").filter(|s| !s.is_null()).map(Selector::from_value);
        // Since 1.34 the API server merges these into the selector; older servers leave it to the scheduler.
        for key in list_at(raw, "/matchLabelKeys").iter().filter_map(Value::as_str) {
            let wanted = pod.labels.get(key).map(|v| Requirement { key: key.into(), op: Op::In(vec![v.into()]) });
            selector.get_or_insert_default().0.extend(wanted);
        }
        Self {
            index,
            key: str_at(raw, "/topologyKey").into(),
            max_skew: int_at(raw, "/maxSkew").unwrap_or(1),
            min_domains: int_at(raw, "/minDomains").unwrap_or(1),
            honors_taints: str_at(raw, "/nodeTaintsPolicy") == "Honor",
            honors_affinity: str_at(raw, "/nodeAffinityPolicy") != "Ignore",
            own: i64::from(selector.as_ref().is_some_and(|s| pod.labels.matched_by(s))),
            selector,
            counts: BTreeMap::new(),
        }
    }

    /// Whether a node's domain is one of this constraint's.
    fn counts_node(&self, node: &Node, pod: &Pod) -> bool {
        (!self.honors_affinity || pod.required_node.matches(&node.name, &node.labels))
            && (!self.honors_taints || untolerated(&node.taints, &pod.tolerations).is_none())
    }

    fn count(&mut self, world: &Snapshot, pod: &Pod, nodes: &[&Node]) {
        let selector = self.selector.as_ref().filter(|s| !s.0.is_empty());
        let counted: Vec<bool> = (world.rest.groups.iter())
            .map(|g| !g.terminating && g.namespace == pod.namespace && selector.is_some_and(|s| g.labels.matched_by(s)))
            .collect();
        for node in nodes {
            let Some(domain) = node.labels.get(&self.key).filter(|_| self.counts_node(node, pod)) else { continue };
            let matching = node.groups.iter().filter(|(g, _)| counted.get(*g as usize).is_some_and(|c| *c));
            let pods: i64 = matching.map(|(_, n)| i64::from(*n)).sum();
            match self.counts.get_mut(domain) {
                Some(count) => *count += pods,
                None => drop(self.counts.insert(domain.into(), pods)),
            }
        }
    }
}

/// The pod's hard constraints with their counts.
pub fn constraints(world: &Snapshot, pod: &Pod) -> Vec<Spread> {
    let raw = list_at(pod.raw, "/spec/topologySpreadConstraints").iter().enumerate();
    let hard = raw.filter(|(_, c)| str_at(c, "/whenUnsatisfiable") != "ScheduleAnyway");
    let mut all: Vec<Spread> = hard.map(|(index, c)| Spread::from_value(index, c, pod)).collect();
    let nodes: Vec<&Node> = (world.nodes.iter().map(AsRef::as_ref))
        .filter(|node: &&Node| all.iter().all(|c| node.labels.get(&c.key).is_some()))
        .collect();
    all.iter_mut().for_each(|c| c.count(world, pod, &nodes));
    all
}

struct PodTopologySpread(Vec<(Spread, i64)>);

/// Counts the pods of every domain.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let all: Vec<_> = constraints(world, pod).into_iter().map(|c| (c.min(), c)).map(|(min, c)| (c, min)).collect();
    Ok((!all.is_empty()).then(|| Box::new(PodTopologySpread(all)) as _))
}

impl Filter for PodTopologySpread {
    fn check(&self, node: &Node) -> Reasons {
        for (spread, min) in &self.0 {
            let Some(domain) = node.labels.get(&spread.key) else { return fail(NO_LABEL) };
            let count = spread.counts.get(domain).copied().unwrap_or(0);
            if count + spread.own - min > spread.max_skew {
                return fail(SKEW);
            }
        }
        pass()
    }
}
