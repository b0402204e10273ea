//! Changes of claims, of nodes and of the cluster.

use super::super::filter::PLUGINS;
use super::super::inter_pod_affinity::repels;
use super::super::matrix::other_taint;
use super::super::node::Node;
use super::super::node_unschedulable;
use super::super::pod::{AffinityTerm, Pod};
use super::super::snapshot::Snapshot;
use super::super::{Failing, Judgement};
use super::of_pod::is_reserved;
use super::{Candidate, ChangeKind};
use crate::world::selector::Op;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Candidates are made for at most this many of the nearest nodes.
const NEAREST: usize = 20;
/// How the change begins that adds a node.
pub const ONE_MORE: &str = "one more node like";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Every candidate for a pod that fits nowhere.
pub fn candidates(world: &Snapshot, pod: &Pod, judgement: &Judgement) -> Vec<Candidate> {
    let mut near: Vec<(&Node, &Failing)> = world.nodes.iter().map(AsRef::as_ref).zip(judgement.nodes()).collect();
    near.sort_by_key(|(_, failing)| failing.len());
    near.truncate(NEAREST);
    let mut all = claims(world, pod);
    all.extend(neighbours(world, pod));
    for (node, _) in &near {
        all.extend(uncordon(node));
        all.extend(untaint(node, pod));
        all.extend(labels(node, pod));
    }
    all.extend(more_nodes(&near, pod));
    all
}

/// Claims: another class, or no node chosen beforehand.
fn claims(world: &Snapshot, pod: &Pod) -> Vec<Candidate> {
    let mut all = vec![];
    for claim in pod.claims.iter().filter_map(|used| world.rest.claim(pod.namespace, &used.claim)) {
        let key = (claim.namespace.clone(), claim.name.clone());
        if let Some(node) = claim.selected_node.clone().filter(|_| !claim.bound) {
            let (ns, name) = key.clone();
            let text = format!("claim {name} without the annotation selected-node={node}");
            let free = move |world: &Snapshot| with_claim(world, &key, |c| c.selected_node = None);
            all.push(
                Candidate::world("VolumeBinding", 5, text, free)
                    .kind(ChangeKind::Claim)
                    .live(format!("kubectl -n {ns} annotate pvc {name} volume.kubernetes.io/selected-node-")),
            );
            continue;
        }
        let known = world.rest.classes.iter().flatten().filter(|(name, class)| {
            **name != claim.class && class.provisions() && class.waits && claim.volume.is_empty() && !claim.bound
        });
        let mut classes: Vec<&String> = known.map(|(class, _)| class).collect();
        classes.sort();
        for class in classes.into_iter().take(4) {
            let (key, class) = (key.clone(), class.clone());
            let text = format!("claim {} made anew with class {class}", claim.name);
            let edit = move |world: &Snapshot| with_claim(world, &key, |c| c.class.clone_from(&class));
            let candidate = Candidate::world("VolumeBinding", 13, text, edit).kind(ChangeKind::Claim);
            all.push(candidate.field("spec.storageClassName".into()));
        }
    }
    all
}

fn with_claim(
    world: &Snapshot,
    key: &(String, String),
    edit: impl FnOnce(&mut super::super::storage::Claim),
) -> Snapshot {
    let mut changed = world.clone();
    let rest = Arc::make_mut(&mut changed.rest);
    if let Some(claim) = rest.claims.as_mut().and_then(|claims| claims.get_mut(key)) {
        edit(claim);
    }
    changed
}

/// Pods on nodes that keep away from this one, no longer meaning it: one candidate for each kind of them.
fn neighbours(world: &Snapshot, pod: &Pod) -> Vec<Candidate> {
    let rest = &world.rest;
    let mut kinds: BTreeMap<(String, String), Vec<(usize, AffinityTerm)>> = BTreeMap::new();
    for (at, group) in rest.groups.iter().enumerate() {
        for term in group.anti_affinity.iter().filter(|term| repels(rest, term, pod)) {
            let told_apart = group.labels.iter().filter(|(key, _)| *key != "pod-template-hash");
            let labels: Vec<String> = told_apart.map(|(k, v)| format!("{k}={v}")).collect();
            kinds.entry((group.namespace.clone(), labels.join(","))).or_default().push((at, term.clone()));
        }
    }
    let narrowed = |((ns, labels), terms): ((String, String), Vec<(usize, AffinityTerm)>)| {
        let text = format!("podAntiAffinity of the pods {labels} in {ns} that does not mean it");
        let edit = move |world: &Snapshot| {
            let mut changed = world.clone();
            let rest = Arc::make_mut(&mut changed.rest);
            for (at, term) in &terms {
                rest.groups.iter_mut().skip(*at).take(1).for_each(|g| g.anti_affinity.retain(|t| t != term));
            }
            changed
        };
        Candidate::world("InterPodAffinity", 34, text, edit).kind(ChangeKind::Cluster)
    };
    kinds.into_iter().take(3).map(narrowed).collect()
}

fn uncordon(node: &Node) -> Option<Candidate> {
    let name = node.name.clone();
    let edit = move |world: &Snapshot| {
        world.with_node(&name, |node| {
            node.unschedulable = false;
            node.taints.retain(|t| t.key != node_unschedulable::TAINT);
        })
    };
    let candidate = Candidate::world("NodeUnschedulable", 12, format!("uncordon {}", node.name), edit);
    node.unschedulable.then(|| candidate.live(format!("kubectl uncordon {}", node.name)))
}

/// The taint that keeps the pod away, removed; taints that speak of the node's health go by themselves.
fn untaint(node: &Node, pod: &Pod) -> Option<Candidate> {
    let taint = other_taint(node, pod).filter(|t| is_reserved(t))?.clone();
    let (name, text) = (node.name.clone(), taint.to_string());
    let taint_of_role = taint.key.starts_with("node-role.kubernetes.io/");
    let edit = move |world: &Snapshot| world.with_node(&name, |node| node.taints.retain(|t| *t != taint));
    let candidate = Candidate::world(
        "TaintToleration",
        if taint_of_role { 60 } else { 36 },
        format!("taint {text} removed from {}", node.name),
        edit,
    );
    Some(candidate.live(format!("kubectl taint node {} {text}-", node.name)))
}

/// The labels that `nodeSelector` asks for and the node lacks.
fn labels(node: &Node, pod: &Pod) -> Option<Candidate> {
    let missing = |key: &str, values: &[String]| values.first().filter(|v| node.labels.get(key) != Some(v)).cloned();
    let wanted: Vec<(String, String)> = (pod.required_node.selector.0.iter())
        .filter_map(|r| match &r.op {
            Op::In(values) => Some((r.key.clone(), missing(&r.key, values)?)),
            _ => None,
        })
        .collect();
    // Labels that describe what a node is cannot be wished onto it.
    if wanted.is_empty() || wanted.iter().any(|(key, _)| key.contains("kubernetes.io/") && !key.contains("node-role")) {
        return None;
    }
    let text = wanted.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
    let name = node.name.clone();
    let edit =
        move |world: &Snapshot| world.with_node(&name, |node| wanted.iter().for_each(|(k, v)| node.labels.set(k, v)));
    let candidate = Candidate::world("NodeAffinity", 32, format!("label {text} on {}", node.name), edit);
    Some(candidate.live(format!("kubectl label node {} {text} --overwrite", node.name)))
}

/// One more node like one of these, for every kind of node that is in order.
fn more_nodes(near: &[(&Node, &Failing)], pod: &Pod) -> Vec<Candidate> {
    let mut seen = BTreeSet::new();
    let well = near.iter().filter(|(node, _)| other_taint(node, pod).is_none_or(is_reserved));
    let kinds = well.filter(|(node, _)| seen.insert(shape(node)));
    let missed = |failing: &Failing| failing.first().map_or("NodeResourcesFit", |(at, _)| PLUGINS[*at].name);
    kinds.take(5).map(|(node, failing)| one_more(node, missed(failing))).collect()
}

/// What nodes of one kind have in common: everything but their own name.
fn shape(node: &Node) -> String {
    let labels = node.labels.iter().filter(|(k, _)| *k != HOSTNAME).map(|(k, v)| format!("{k}={v}"));
    format!("{:?} {:?} {:?}", node.allocatable, node.taints, labels.collect::<Vec<_>>())
}

fn one_more(like: &Node, plugin: &'static str) -> Candidate {
    let mut new = Node {
        name: format!("a new node like {}", like.name),
        labels: like.labels.clone(),
        taints: like.taints.iter().filter(|t| t.key != node_unschedulable::TAINT).cloned().collect(),
        allocatable: like.allocatable.clone(),
        volume_limits: like.volume_limits.clone(),
        ..Node::default()
    };
    if new.labels.get(HOSTNAME).is_some() {
        let name = new.name.clone();
        new.labels.set(HOSTNAME, &name);
    }
    let text = format!("{ONE_MORE} {}", like.name);
    Candidate::world(plugin, 45, text, move |world| world.with_new_node(new.clone())).kind(ChangeKind::Cluster)
}
