//! The smallest change that lets a pod be placed.
//!
//! Candidates are made from what fails: a request lowered to what fits, a toleration, a selector, a spread rule, a
//! claim; an uncordon, a taint or label of a node; one more node. Each is applied to a copy of the pod or the cluster
//! and every filter is asked again: only what was seen to work is named. When no single change helps, pairs are tried.

mod of_cluster;
mod of_pod;
mod template;

pub use template::Template;

use super::pod::Pod;
use super::snapshot::Snapshot;
use super::{Judgement, is_place, judge};
use serde_json::Value;
use std::rc::Rc;

/// At most this many changes are given.
const MOST_GIVEN: usize = 6;
/// What it costs more to put a pod where its owner did not want it, while nodes are left that it wanted.
const ELSEWHERE: u32 = 40;
/// At most this many (node, candidate) pairs are evaluated, so that a large cluster does not make anybody wait.
const MOST_EVALUATED: usize = 400_000;

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

    /// Nodes that take the pod after these changes.
    fn fits(changes: &[&Candidate], world: &Snapshot, pod: &Value) -> Vec<String> {
        let (mut world, mut pod) = (world.clone(), pod.clone());
        for change in changes {
            match &change.apply {
                Apply::Pod(edit) => edit(&mut pod),
                Apply::World(edit) => world = edit(&world),
            }
        }
        judge(&world, &Pod::new(&pod)).fits(&world)
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
    let mut candidates = of_pod::candidates(world, &parsed, judgement);
    candidates.extend(of_cluster::candidates(world, &parsed, judgement));
    // The controller makes a pod for each node: another place, or one more node, is no help to this one.
    if Template::of(pod).kind == "daemonset" {
        candidates.retain(|c| c.plugin != "NodeAffinity" && c.kind != ChangeKind::Cluster);
    }
    // As long as the places where the owner wants the pod leave nodes, another place is the last thing to try.
    if !judgement.nodes_left().is_empty() {
        candidates.iter_mut().filter(|c| is_place(c.plugin)).for_each(|c| c.cost += ELSEWHERE);
    }
    candidates.sort_by_key(|c| c.cost);
    let mut budget = MOST_EVALUATED / world.nodes.len().max(1);
    let single = try_each(candidates.iter().map(|c| vec![c]), world, pod, &mut budget);
    if !single.is_empty() {
        return Changes { found: ranked(single), pairs: false };
    }
    let mut pairs: Vec<Vec<&Candidate>> = vec![];
    for (at, a) in candidates.iter().enumerate() {
        pairs.extend(candidates[at + 1..].iter().map(|b| vec![a, b]));
    }
    pairs.sort_by_key(|pair| pair.iter().map(|c| c.cost).sum::<u32>());
    let double = try_each(pairs.into_iter(), world, pod, &mut budget);
    Changes { pairs: !double.is_empty(), found: ranked(double) }
}

/// Evaluates candidates in order until enough were found or the budget is spent.
fn try_each<'c>(
    all: impl Iterator<Item = Vec<&'c Candidate>>,
    world: &Snapshot,
    pod: &Value,
    budget: &mut usize,
) -> Vec<(u32, Change)> {
    let mut found = vec![];
    for changes in all {
        if *budget == 0 || found.len() >= 2 * MOST_GIVEN {
            break;
        }
        *budget -= 1;
        let fits = Candidate::fits(&changes, world, pod);
        if fits.is_empty() {
            continue;
        }
        found.push(match changes[..] {
            [a, b] => a.with(b, fits),
            _ => changes[0].done(fits),
        });
    }
    found
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
mod tests {
    use super::super::snapshot::Objects;
    use super::*;
    use serde_json::json;

    fn node(name: &str, cpu: &str, spec: Value) -> Value {
        json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "disk": "ssd"}}, "spec": spec,
            "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "10"}}})
    }

    fn pod(spec: Value) -> Value {
        let mut pod = json!({"metadata": {"name": "web-66c8-x", "namespace": "shop", "labels": {"pod-template-hash": "66c8"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-66c8", "controller": true}]},
            "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "500m"}}}]}});
        for (key, value) in spec.as_object().into_iter().flatten() {
            pod["spec"][key] = value.clone();
        }
        pod
    }

    fn changes(nodes: &[Value], pod: &Value) -> Vec<Change> {
        let world = Snapshot::build(&Objects { nodes: nodes.iter().collect(), ..Objects::default() });
        smallest_changes(&world, pod)
    }

    #[test]
    fn a_toleration_comes_before_taking_the_taint_away() {
        let taint = json!({"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]});
        let found = changes(&[node("n1", "2", taint)], &pod(json!({})));
        assert_eq!(found[0].summary, "toleration for dedicated=db:NoSchedule");
        assert_eq!(found[0].field, "spec.template.spec.tolerations");
        assert!(found[0].live.starts_with("kubectl -n shop patch deployment web "), "{}", found[0].live);
        assert!(found.iter().any(|c| c.live == "kubectl taint node n1 dedicated=db:NoSchedule-"), "{found:?}");
    }

    #[test]
    fn a_request_is_lowered_to_what_fits() {
        let found = changes(&[node("n1", "300m", json!({})), node("n2", "400m", json!({}))], &pod(json!({})));
        assert_eq!(found[0].summary, "cpu request of app 500m → 400m");
        assert_eq!(found[0].fits, ["n2"]);
        assert_eq!(found[0].live, "kubectl -n shop set resources deployment/web -c app --requests=cpu=400m");
    }

    #[test]
    fn a_selector_takes_a_value_that_nodes_have() {
        let found = changes(&[node("n1", "2", json!({}))], &pod(json!({"nodeSelector": {"disk": "sdd"}})));
        assert_eq!(found[0].summary, "nodeSelector disk=sdd → ssd");
    }

    #[test]
    fn two_changes_are_tried_when_one_does_not_help() {
        let taint = json!({"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]});
        let found = changes(&[node("n1", "100m", taint)], &pod(json!({})));
        assert!(found[0].summary.contains("toleration") && found[0].summary.contains("cpu request"), "{found:?}");
    }

    #[test]
    fn the_place_is_changed_last_while_it_leaves_nodes() {
        let nodes = [node("n1", "300m", json!({})), node("n2", "2", json!({}))];
        let here = json!({"nodeSelector": {"kubernetes.io/hostname": "n1"}});
        let found = changes(&nodes, &pod(here));
        assert_eq!(found[0].summary, "cpu request of app 500m → 300m", "{found:?}");
        assert!(found.iter().any(|c| c.plugin == "NodeAffinity" && c.fits == ["n2"]), "it is still named: {found:?}");
    }

    #[test]
    fn a_pod_of_a_daemon_set_is_never_sent_elsewhere() {
        let nodes = [node("n1", "300m", json!({})), node("n2", "2", json!({}))];
        let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]});
        let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}});
        let mut pod = pod(json!({"affinity": {"nodeAffinity": required}}));
        pod["metadata"]["ownerReferences"][0] =
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "controller": true});
        let found = changes(&nodes, &pod);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].summary, "cpu request of app 500m → 300m");
    }

    #[test]
    fn a_pod_that_fits_needs_no_change() {
        assert!(changes(&[node("n1", "2", json!({}))], &pod(json!({}))).is_empty());
    }
}
