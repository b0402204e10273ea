//! InterPodAffinity: required affinity and anti-affinity between pods, in both directions.
//!
//! Source: `pkg/scheduler/framework/plugins/interpodaffinity/filtering.go`. Affinity wants one pod that matches all
//! terms; the first of a group that wants its own kind may go anywhere. Anti-affinity of pods that are there already
//! counts against the new one. Terminating pods count.

use super::filter::{Filter, Prepared, Reasons, fail, pass};
use super::labels::Labels;
use super::node::Node;
use super::pod::{AffinityTerm, Pod};
use super::snapshot::{Group, Rest, Snapshot};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

/// No pod matches the affinity in the node's domain.
pub const AFFINITY: &str = "node(s) didn't match pod affinity rules";
/// A pod in the node's domain is one that this pod keeps away from.
pub const ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
/// A pod in the node's domain keeps away from this pod.
pub const EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

/// Domains, as (label, value).
type Domains<'a> = HashSet<(&'a str, &'a str)>;

struct InterPodAffinity<'a> {
    pod: &'a Pod<'a>,
    wanted: Domains<'a>,
    avoided: Domains<'a>,
    /// Values of each label where a pod keeps away from this one.
    repelled: HashMap<&'a str, HashSet<&'a str>>,
    first_of_its_kind: bool,
}

/// What a group of placed pods means to the new pod.
#[derive(Default)]
struct Meaning<'a> {
    wanted: bool,
    avoided: Vec<&'a str>,
    repels: Vec<&'a str>,
}

impl Meaning<'_> {
    fn is_empty(&self) -> bool {
        !self.wanted && self.avoided.is_empty() && self.repels.is_empty()
    }
}

/// Whether a required term of a pod means pods of a group.
/// Selectors of namespaces see only namespaces that exist (the scheduler lists them first).
pub fn means(rest: &Rest, term: &AffinityTerm, group: &Group) -> bool {
    let named = OnceCell::new();
    let labels = || match &rest.namespaces {
        Some(known) => known.get(&group.namespace),
        None => Some(named.get_or_init(|| name_label(&group.namespace))),
    };
    term.matches(&group.namespace, labels, &group.labels)
}

/// Whether the anti-affinity of placed pods means the new pod.
pub fn repels(rest: &Rest, term: &AffinityTerm, pod: &Pod) -> bool {
    let fallback = OnceCell::new();
    let labels = || match &rest.namespaces {
        Some(known) => known.get(pod.namespace).unwrap_or_else(|| fallback.get_or_init(Labels::default)),
        None => fallback.get_or_init(|| name_label(pod.namespace)),
    };
    term.matches(pod.namespace, || Some(labels()), &pod.labels)
}

/// The one label that every namespace is known to have.
fn name_label(namespace: &str) -> Labels {
    Labels::from_pairs([("kubernetes.io/metadata.name", namespace)])
}

fn meaning<'a>(rest: &'a Rest, pod: &'a Pod<'a>, group: &'a Group) -> Meaning<'a> {
    let key = |term: &'a AffinityTerm| term.topology_key.as_str();
    Meaning {
        wanted: !pod.affinity.is_empty() && pod.affinity.iter().all(|term| means(rest, term, group)),
        avoided: pod.anti_affinity.iter().filter(|term| means(rest, term, group)).map(key).collect(),
        repels: group.anti_affinity.iter().filter(|term| repels(rest, term, pod)).map(key).collect(),
    }
}

/// Finds the domains that matter.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let rest = &*world.rest;
    let meanings: Vec<Meaning> = rest.groups.iter().map(|group| meaning(rest, pod, group)).collect();
    if pod.affinity.is_empty() && meanings.iter().all(Meaning::is_empty) {
        return Ok(None);
    }
    let mut filter = InterPodAffinity {
        pod,
        wanted: Domains::new(),
        avoided: Domains::new(),
        repelled: HashMap::new(),
        first_of_its_kind: false,
    };
    for node in &world.nodes {
        for (group, _) in &node.groups {
            if let Some(meaning) = meanings.get(*group as usize) {
                filter.note(node, meaning);
            }
        }
    }
    filter.first_of_its_kind = filter.wanted.is_empty() && matches_itself(rest, pod);
    Ok(Some(Box::new(filter)))
}

fn matches_itself(rest: &Rest, pod: &Pod) -> bool {
    let itself = Group {
        namespace: pod.namespace.into(),
        labels: pod.labels.clone(),
        terminating: false,
        anti_affinity: vec![],
    };
    pod.affinity.iter().all(|term| means(rest, term, &itself))
}

impl<'a> InterPodAffinity<'a> {
    fn note(&mut self, node: &'a Node, meaning: &Meaning<'a>) {
        let domain = |key: &'a str| node.labels.get(key).map(|value| (key, value));
        if meaning.wanted {
            self.wanted.extend(self.pod.affinity.iter().filter_map(|term| domain(&term.topology_key)));
        }
        self.avoided.extend(meaning.avoided.iter().filter_map(|key| domain(key)));
        for (key, value) in meaning.repels.iter().filter_map(|key| domain(key)) {
            self.repelled.entry(key).or_default().insert(value);
        }
    }

    fn affinity_holds(&self, node: &Node) -> bool {
        let mut all_there = true;
        for term in &self.pod.affinity {
            let Some(value) = node.labels.get(&term.topology_key) else { return false };
            all_there &= self.wanted.contains(&(term.topology_key.as_str(), value));
        }
        all_there || self.first_of_its_kind
    }
}

impl Filter for InterPodAffinity<'_> {
    fn check(&self, node: &Node) -> Reasons {
        let avoided = |term: &AffinityTerm| {
            let key = term.topology_key.as_str();
            node.labels.get(key).is_some_and(|value| self.avoided.contains(&(key, value)))
        };
        let repelled =
            |(key, values): (&&str, &HashSet<&str>)| node.labels.get(key).is_some_and(|v| values.contains(v));
        if !self.affinity_holds(node) {
            fail(AFFINITY)
        } else if self.pod.anti_affinity.iter().any(avoided) {
            fail(ANTI_AFFINITY)
        } else if self.repelled.iter().any(repelled) {
            fail(EXISTING)
        } else {
            pass()
        }
    }
}
