//! The graph of what matched: edges from cause to consequence, and which match is the reason.

use super::causes::{self, Severity};
use super::finding::{Because, Lead, Match};
use super::verdict::{Finding, Scheduling};
use crate::world::object::ObjectRef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Identity of a suspect: the object and what is looked at in particular.
type Key = (ObjectRef, String);

fn key(lead: &Lead) -> Key {
    (lead.at.clone(), lead.focus.clone())
}

/// What was found at every visited object.
pub struct Graph {
    root: Key,
    nodes: Vec<Node>,
    /// The matches found while looking at an object.
    at: BTreeMap<Key, Vec<usize>>,
    /// The objects whose trouble is this object's trouble.
    leads: BTreeMap<Key, Vec<Key>>,
    /// What an object's trouble may come from could not be read somewhere, so "nothing found" is no news.
    pub blind: bool,
}

struct Node {
    found: Match,
    suspect: Key,
    alike: usize,
}

/// The graph, told as a verdict tells it.
#[derive(Default)]
pub struct Sorted {
    /// The reason.
    pub primary: Option<Finding>,
    /// What follows from it.
    pub contributing: Vec<Finding>,
    /// The rest.
    pub also_true: Vec<Finding>,
    /// The matrix, from the first match that carries one.
    pub scheduling: Option<Arc<Scheduling>>,
}

impl Graph {
    /// An empty graph around a subject.
    pub fn new(root: Lead) -> Self {
        Self { root: key(&root), nodes: Vec::new(), at: BTreeMap::new(), leads: BTreeMap::new(), blind: false }
    }

    /// Adds what was found at one object.
    pub fn add(&mut self, lead: &Lead, matches: Vec<Match>, leads: Vec<Lead>) {
        let suspect = key(lead);
        for found in matches {
            let slot = self.nodes.len();
            self.at.entry(suspect.clone()).or_default().push(slot);
            self.nodes.push(Node { found, suspect: suspect.clone(), alike: lead.alike.0 });
        }
        self.leads.entry(suspect).or_default().extend(leads.iter().map(key));
    }

    /// The matches that make up the trouble of an object: its own, and those of the objects it leads to.
    fn trouble(&self, of: &Key) -> BTreeSet<usize> {
        let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![of.clone()]);
        while let Some(next) = open.pop() {
            if seen.insert(next.clone()) {
                let own = self.at.get(&next).into_iter().flatten().copied();
                found.extend(own.filter(|slot| !self.nodes[*slot].found.aside));
                open.extend(self.leads.get(&next).into_iter().flatten().cloned());
            }
        }
        found
    }

    /// For every match, the matches directly upstream of it.
    fn upstream(&self) -> Vec<BTreeSet<usize>> {
        let mut up = vec![BTreeSet::new(); self.nodes.len()];
        for (slot, node) in self.nodes.iter().enumerate() {
            for because in &node.found.because {
                match because {
                    Because::Object(lead) => up[slot].extend(self.trouble(&key(lead))),
                    Because::Cause(prefix) => up[slot].extend(self.same_suspect(&node.suspect, prefix)),
                }
            }
            for lead in &node.found.explains {
                for below in self.trouble(&key(lead)) {
                    up[below].insert(slot);
                }
            }
        }
        for (slot, set) in up.iter_mut().enumerate() {
            set.remove(&slot);
        }
        up
    }

    fn same_suspect(&self, suspect: &Key, prefix: &str) -> Vec<usize> {
        let own = self.at.get(suspect).into_iter().flatten().copied();
        own.filter(|slot| !self.nodes[*slot].found.aside && self.nodes[*slot].found.finding.cause.starts_with(prefix))
            .collect()
    }

    /// Picks the reason and sorts the rest around it. `all_read` says that nothing was left out: only then a match that is
    /// the reason where nothing else is wrong ([`Match::alone`]) can be it.
    pub fn sort(self, all_read: bool) -> Sorted {
        let up = self.upstream();
        let mut trouble = self.trouble(&self.root);
        if trouble.is_empty() && all_read {
            trouble = (0..self.nodes.len()).filter(|slot| self.nodes[*slot].found.alone).collect();
        }
        let reachable = closure(trouble, &up);
        let sources: Vec<usize> =
            reachable.iter().copied().filter(|slot| up[*slot].iter().all(|u| !reachable.contains(u))).collect();
        let candidates = if sources.is_empty() { reachable.iter().copied().collect() } else { sources };
        let primary = candidates.into_iter().max_by_key(|slot| (self.weight(*slot), std::cmp::Reverse(*slot)));
        let follows: BTreeSet<usize> = primary.map_or_else(BTreeSet::new, |primary| {
            (0..self.nodes.len())
                .filter(|slot| *slot != primary && closure(BTreeSet::from([*slot]), &up).contains(&primary))
                .collect()
        });
        self.told(primary, &follows)
    }

    /// Worse before better, surer before less sure, more objects before fewer.
    fn weight(&self, slot: usize) -> (Severity, super::verdict::Confidence, usize) {
        let node = &self.nodes[slot];
        let severity = causes::find(&node.found.finding.cause).map_or(Severity::Nuisance, |cause| cause.severity);
        (severity, node.found.finding.confidence, node.alike)
    }

    fn told(self, primary: Option<usize>, follows: &BTreeSet<usize>) -> Sorted {
        let mut sorted = Sorted::default();
        let mut told = BTreeSet::new();
        let order = primary.into_iter().chain(0..self.nodes.len());
        let mut nodes: Vec<Option<Node>> = self.nodes.into_iter().map(Some).collect();
        for slot in order {
            let Some(node) = nodes.get_mut(slot).and_then(Option::take) else { continue };
            let Match { finding, scheduling, beside, .. } = node.found;
            if sorted.scheduling.is_none() {
                sorted.scheduling = scheduling;
            }
            if !told.insert((finding.cause.clone(), finding.object.clone(), finding.cluster.clone())) {
                continue;
            }
            match () {
                _ if Some(slot) == primary => sorted.primary = Some(finding),
                _ if follows.contains(&slot) && !beside => sorted.contributing.push(finding),
                _ => sorted.also_true.push(finding),
            }
        }
        sorted
    }
}

/// Everything upstream of a set, the set included.
fn closure(start: BTreeSet<usize>, up: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let (mut all, mut open) = (start.clone(), Vec::from_iter(start));
    while let Some(slot) = open.pop() {
        for above in &up[slot] {
            if all.insert(*above) {
                open.push(*above);
            }
        }
    }
    all
}
