//! The smallest change that lets a pod be placed.
//!
//! Candidates are made from what fails: a request lowered to what fits, a toleration, a selector, a spread rule, a
//! claim; an uncordon, a taint or label of a node; one more node. Each is applied to a copy of the pod or the cluster
//! and what it can alter is asked again ([`rejudge`](super::rejudge)): only what was seen to work is named. When no
//! single change helps, pairs are tried.

mod of_cluster;
mod of_pod;
mod template;

pub use template::Template;

use super::judgement::is_place;
use super::pod::Pod;
use super::rejudge::{self, Filters, Reach};
use super::snapshot::Snapshot;
use super::{Judgement, judge};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

/// At most this many changes are given.
const MOST_GIVEN: usize = 6;
/// What it costs more to put a pod where its owner did not want it, while nodes are left that it wanted.
const ELSEWHERE: u32 = 40;
/// Work that a search may take, in nodes looked at, so that a large cluster does not make anybody wait.
const MOST_WORK: usize = 400_000;
/// At most this many pairs are tried, the cheapest.
const MOST_PAIRS: usize = 1_000;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The pod's template.
    Pod,
    /// A claim.
    Claim,
    /// A node.
    Node,
    /// The cluster.
    Cluster,
    /// Two of these.
    Several,
}

/// A change that was checked by evaluating the changed world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it does: `toleration for dedicated=db`.
    pub summary: String,
    /// Nodes that take the pod then, in the cluster's order.
    pub fits: Vec<String>,
    /// The live command; empty where there is none.
    pub live: String,
    /// Field path in the owner's template; empty where git has no such field.
    pub field: String,
    /// What is changed.
    pub kind: ChangeKind,
    /// The filter that it is meant for.
    pub plugin: &'static str,
}

impl Change {
    /// `toleration for dedicated=db → fits n4, n5`
    pub fn in_words(&self) -> String {
        const SHOWN: usize = 4;
        let more = self.fits.len().saturating_sub(SHOWN);
        let names = self.fits.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{} → fits {names}{more}", self.summary)
    }
}

/// A candidate: what it would change, and how much that is.
#[derive(Clone)]
struct Candidate {
    summary: String,
    live: String,
    field: String,
    kind: ChangeKind,
    plugin: &'static str,
    /// How large and how risky, from 0; only for ranking.
    cost: u32,
    apply: Apply,
}

#[derive(Clone)]
enum Apply {
    Pod(Rc<dyn Fn(&mut Value)>),
    World(Rc<dyn Fn(&Snapshot) -> Snapshot>),
}

impl Candidate {
    /// A change of the pod, meant for a filter.
    fn pod(plugin: &'static str, cost: u32, summary: String, edit: impl Fn(&mut Value) + 'static) -> Self {
        let apply = Apply::Pod(Rc::new(edit));
        Self { summary, live: String::new(), field: String::new(), kind: ChangeKind::Pod, plugin, cost, apply }
    }

    /// A change of the cluster, meant for a filter.
    fn world(plugin: &'static str, cost: u32, summary: String, edit: impl Fn(&Snapshot) -> Snapshot + 'static) -> Self {
        let apply = Apply::World(Rc::new(edit));
        Self { summary, live: String::new(), field: String::new(), kind: ChangeKind::Node, plugin, cost, apply }
    }

    fn kind(mut self, kind: ChangeKind) -> Self {
        self.kind = kind;
        self
    }

    fn live(mut self, live: String) -> Self {
        self.live = live;
        self
    }

    fn field(mut self, field: String) -> Self {
        self.field = field;
        self
    }

    fn done(&self, fits: Vec<String>) -> (u32, Change) {
        let change = Change {
            summary: self.summary.clone(),
            fits,
            live: self.live.clone(),
            field: self.field.clone(),
            kind: self.kind,
            plugin: self.plugin,
        };
        (self.cost, change)
    }

    fn with(&self, other: &Candidate, fits: Vec<String>) -> (u32, Change) {
        let joined = |a: &str, b: &str, by: &str| match (a.is_empty(), b.is_empty()) {
            (false, false) => format!("{a}{by}{b}"),
            _ => format!("{a}{b}"),
        };
        let change = Change {
            summary: format!("{} and {}", self.summary, other.summary),
            fits,
            live: joined(&self.live, &other.live, " && "),
            field: joined(&self.field, &other.field, ", "),
            kind: if self.kind == other.kind { self.kind } else { ChangeKind::Several },
            plugin: self.plugin,
        };
        (self.cost + other.cost + 10, change)
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Smallest and safest first.
    pub found: Vec<Change>,
    /// Whether it takes two changes at once.
    pub pairs: bool,
}

/// Changes that make at least one node fit, smallest and safest first; empty when the pod fits as it is, or when
/// neither one nor two changes of the kinds tried help.
pub fn smallest_changes(world: &Snapshot, pod: &Value) -> Vec<Change> {
    let parsed = Pod::new(pod);
    search(world, pod, &judge(world, &parsed)).found
}

/// As [`smallest_changes`], for a pod that was judged already.
pub fn search(world: &Snapshot, pod: &Value, judgement: &Judgement) -> Changes {
    if judgement.any_fits() {
        return Changes::default();
    }
    let parsed = Pod::new(pod);
    let candidates = candidates(world, &parsed, judgement);
    let mut search = Search { world, pod: &parsed, judgement, work: MOST_WORK };
    let (mut found, mut reaches) = (vec![], vec![]);
    for candidate in &candidates {
        if found.len() >= 2 * MOST_GIVEN || search.work == 0 {
            break;
        }
        let (reach, fits) = search.apply(&[candidate]);
        reaches.push(reach);
        if !fits.is_empty() {
            found.push(candidate.done(fits));
        }
    }
    if !found.is_empty() {
        return Changes { found: ranked(found), pairs: false };
    }
    let double = search.pairs(&candidates, &reaches);
    Changes { pairs: !double.is_empty(), found: ranked(double) }
}

/// Every candidate, cheapest first.
fn candidates(world: &Snapshot, pod: &Pod<'_>, judgement: &Judgement) -> Vec<Candidate> {
    let mut all = of_pod::candidates(world, pod, judgement);
    all.extend(of_cluster::candidates(world, pod, judgement));
    // The controller makes a pod for each node: another place, or one more node, is no help to this one.
    if Template::of(pod.raw).kind == "daemonset" {
        all.retain(|c| c.plugin != "NodeAffinity" && !c.summary.starts_with(of_cluster::ONE_MORE));
    }
    // As long as the places where the owner wants the pod leave nodes, another place is the last thing to try.
    if judgement.leaves_nodes() {
        all.iter_mut().filter(|c| is_place(c.plugin)).for_each(|c| c.cost += ELSEWHERE);
    }
    all.sort_by_key(|c| c.cost);
    all
}

/// A search under way.
struct Search<'s> {
    world: &'s Snapshot,
    pod: &'s Pod<'s>,
    judgement: &'s Judgement,
    /// What is left of the work that it may take.
    work: usize,
}

impl Search<'_> {
    /// What some changes together can alter, and the nodes that take the pod then.
    fn apply(&mut self, changes: &[&Candidate]) -> (Reach, Vec<String>) {
        let (world, raw) = self.changed(changes);
        let changed = raw.as_ref().map(Pod::new);
        let pod = changed.as_ref().unwrap_or(self.pod);
        let reach = Reach::between((self.world, self.pod), (&*world, pod));
        let (fits, work) = rejudge::fits(self.judgement, &reach, &world, pod);
        self.work = self.work.saturating_sub(work);
        (reach, fits)
    }

    /// The cluster after some changes, and the pod where it is another.
    fn changed(&self, changes: &[&Candidate]) -> (Cow<'_, Snapshot>, Option<Value>) {
        let (mut world, mut raw) = (Cow::Borrowed(self.world), None);
        for change in changes {
            match &change.apply {
                Apply::Pod(edit) => edit(raw.get_or_insert_with(|| self.pod.raw.clone())),
                Apply::World(edit) => world = Cow::Owned(edit(&world)),
            }
        }
        (world, raw)
    }

    /// Pairs that help, among those that together reach every filter that fails on some node.
    fn pairs(&mut self, candidates: &[Candidate], reaches: &[Reach]) -> Vec<(u32, Change)> {
        let obstacles: BTreeSet<Filters> = self.judgement.kinds().iter().map(Filters::failing).collect();
        let refused =
            Filters::failing(&self.judgement.refused.iter().map(|(at, _)| (*at, Default::default())).collect());
        let enough = |reach: &Reach| {
            refused.within(reach.filters)
                && (!reach.nodes.is_empty() || obstacles.iter().any(|o| o.within(reach.filters)))
        };
        let tried: Vec<(&Candidate, &Reach)> = candidates.iter().zip(reaches).collect();
        let mut pairs: Vec<[&Candidate; 2]> = vec![];
        for (at, (a, reach)) in tried.iter().enumerate() {
            let rest = tried[at + 1..].iter().filter(|(_, other)| enough(&reach.and(other)));
            pairs.extend(rest.map(|(b, _)| [*a, *b]));
        }
        pairs.sort_by_key(|[a, b]| a.cost + b.cost);
        let mut found = vec![];
        for [a, b] in pairs.into_iter().take(MOST_PAIRS) {
            if found.len() >= 2 * MOST_GIVEN || self.work == 0 {
                break;
            }
            let (_, fits) = self.apply(&[a, b]);
            if !fits.is_empty() {
                found.push(a.with(b, fits));
            }
        }
        found
    }
}

/// Cheapest first; of equal price the one that opens more nodes. A field is changed in at most two ways.
fn ranked(mut found: Vec<(u32, Change)>) -> Vec<Change> {
    const WAYS: usize = 2;
    found.sort_by(|(a, x), (b, y)| (a, y.fits.len()).cmp(&(b, x.fits.len())));
    let mut kept: Vec<Change> = vec![];
    for (_, change) in found {
        let ways = kept.iter().filter(|k| !k.field.is_empty() && k.field == change.field).count();
        if ways < WAYS && kept.len() < MOST_GIVEN {
            kept.push(change);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
