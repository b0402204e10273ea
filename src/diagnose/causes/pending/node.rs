//! Nodes that the pod does not ask for, and nodes that are closed.
//!
//! ## node-cordoned
//! **You see.** A pod stays Pending; the scheduler says `node(s) were unschedulable`. The node shows
//! `SchedulingDisabled`.
//! **Why.** Somebody cordoned the node (or an autoscaler or upgrade did, before draining it). Pods that run there stay;
//! new ones are not put there, and pods whose volume or rules tie them to this node wait.
//! **How kokpit knows.** `spec.unschedulable` is true, the pod does not tolerate it, and every other rule was evaluated:
//! named as the reason only where an uncordon was seen to let the pod be placed.
//! **Looks alike.** The taint `node.kubernetes.io/unschedulable` comes with the cordon and goes with it.
//! **Mend it.** Live: `kubectl uncordon N` when the work on the node is done. Git: where a ledger of nodes is kept, the
//! same change there. Look for the reason first: an autoscaler's taint means the node is about to go.
//!
//! ## node-selector-mismatch
//! **You see.** A pod stays Pending; the scheduler says `node(s) didn't match Pod's node affinity/selector`.
//! **Why.** `nodeSelector` wants labels that no usable node has, all of them at once.
//! **How kokpit knows.** The selector is matched with every node's labels; the keys that no node has, and the values
//! that nodes do have, are printed.
//! **Looks alike.** `node-affinity-mismatch` (the rule stands under `affinity`), `pv-node-affinity-conflict` (the volume
//! asks for a place, not the pod).
//! **Mend it.** Git: `spec.template.spec.nodeSelector`. Live: `kubectl label node N key=value`, when the node really is
//! what the label says.
//!
//! ## node-affinity-mismatch
//! **You see.** A pod stays Pending; the scheduler says `node(s) didn't match Pod's node affinity/selector`.
//! **Why.** Required node affinity is a list of alternatives; within one every condition must hold. No usable node
//! satisfies any. An empty alternative matches nothing; `NotIn` matches nodes without the label.
//! **How kokpit knows.** Every alternative is matched with every node.
//! **Looks alike.** `node-selector-mismatch`; preferred affinity never keeps a pod away.
//! **Mend it.** Git: `affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`. Live: label the node.
//!
//! ## node-affinity-conflict
//! **You see.** A pod stays Pending; the scheduler says `pod affinity terms conflict`.
//! **Why.** Every alternative of the node affinity names nodes by `metadata.name`, and contradicts itself.
//! **How kokpit knows.** The names of each alternative have nothing in common.
//! **Looks alike.** `node-affinity-mismatch`.
//! **Mend it.** Git: the `matchFields` of the node affinity.
//!
//! ## no-nodes-registered
//! **You see.** Every new pod stays Pending; the scheduler says `no nodes available to schedule pods`.
//! **Why.** The cluster has no Node object.
//! **How kokpit knows.** The list of nodes is empty.
//! **Looks alike.** Nodes that are there but NotReady have taints (`taint-untolerated`).
//! **Mend it.** Live: bring the node group back.

use super::{EACH_ITS_OWN, Placement, node_ref, placement};
use crate::diagnose::causes::node::cordon;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::NODES;
use crate::diagnose::scheduling::node_selector::describe;
use crate::diagnose::scheduling::{Node, Pod, node_affinity};
use crate::world::object::list_at;
use crate::world::selector::Requirement;
use serde_json::Value;
use std::collections::BTreeMap;

causes! { "node.rs";
    "node-cordoned" "the node is cordoned" Degraded ["Pod", "Node"] cordoned;
    "node-selector-mismatch" "no usable node has the labels that nodeSelector asks for" Outage ["Pod"] |case, suspect| mismatch(case, suspect, true);
    "node-affinity-mismatch" "no usable node satisfies the required node affinity" Outage ["Pod"] |case, suspect| mismatch(case, suspect, false);
    "node-affinity-conflict" "the node affinity contradicts itself" Degraded ["Pod"] conflict;
    "no-nodes-registered" "the cluster has no nodes" Outage ["Pod"] no_nodes;
}

fn cordoned(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if suspect.at.kind == "Node" {
        return cordon::cordoned(case, suspect);
    }
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let failing = placement.failing("NodeUnschedulable");
    let Some(target) = deciding_node(&placement).or(failing.first().map(|(node, _)| *node)) else { return Ok(vec![]) };
    let raw = case.listed(NODES, "", &target.name).known()?.flatten();
    let mut found = Match::on(&node_ref(&target.name), sentence(&placement, target, failing.len()));
    if let Some(node) = raw {
        found = cordon::who(case, node, found);
    }
    if failing.len() > 1 {
        let text = format!("cordoned: {}", super::names(failing.iter().map(|(node, _)| *node)));
        found = found.evidence(&suspect.at, "", "", text);
    }
    if !["NodeUnschedulable", EACH_ITS_OWN].contains(&placement.deciding()) {
        found = found.aside();
    }
    Ok(vec![placement.finish(case, suspect, "NodeUnschedulable", found)?])
}

/// The node whose uncordon was seen to help.
fn deciding_node(placement: &Placement) -> Option<&Node> {
    let change = placement.changes.found.iter().find(|c| c.plugin == "NodeUnschedulable")?;
    placement.world.node(change.fits.first()?)
}

fn sentence(placement: &Placement, node: &Node, cordoned: usize) -> String {
    let others = cordoned.saturating_sub(1);
    match () {
        _ if placement.deciding() != "NodeUnschedulable" => {
            format!(
                "{} cordoned.",
                if cordoned == 1 { format!("{} is", node.name) } else { format!("{cordoned} nodes are") }
            )
        }
        _ if others == 0 => format!("{} would take it, but is cordoned.", node.name),
        _ => format!("{} would take it, but is cordoned, as {others} more are.", node.name),
    }
}

/// One of the two mismatch causes: of `nodeSelector`, or of the affinity where nodeSelector leaves nodes over.
fn mismatch(case: &Case<'_>, suspect: &Suspect<'_>, by_selector: bool) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let failing = placement.failing("NodeAffinity");
    let blocked_by_selector = failing.iter().filter(|(n, _)| !pod.required_node.selector_matches(&n.labels)).count();
    let selector_first = blocked_by_selector > 0 && blocked_by_selector == failing.len();
    if failing.is_empty() || selector_first != by_selector {
        return Ok(vec![]);
    }
    let found = if by_selector { of_selector(suspect, &placement, &pod) } else { of_affinity(suspect, &placement) };
    Ok(vec![placement.finish(case, suspect, "NodeAffinity", found)?])
}

fn of_selector(suspect: &Suspect<'_>, placement: &Placement, pod: &Pod) -> Match {
    let wanted: Vec<String> = pod.required_node.selector.0.iter().map(describe).collect();
    let failing = placement.failing("NodeAffinity").len();
    let all = placement.world.nodes.len();
    let how_many =
        if failing == all { "No node has".to_owned() } else { format!("{failing} of {all} nodes do not have") };
    let mut found =
        Match::on(&suspect.at, format!("{how_many} the labels of its nodeSelector: {}.", wanted.join(" and ")));
    for requirement in &pod.required_node.selector.0 {
        found = values(suspect, placement, requirement, &format!("spec.nodeSelector[{}]", requirement.key), found);
    }
    found
}

fn of_affinity(suspect: &Suspect<'_>, placement: &Placement) -> Match {
    let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = list_at(suspect.object, terms);
    let conditions = |term: &Value| -> Vec<Requirement> {
        let both = ["/matchExpressions", "/matchFields"];
        both.iter().flat_map(|list| list_at(term, list)).map(Requirement::from_value).collect()
    };
    let in_words = |term: &Value| match &conditions(term)[..] {
        [] => "a term without conditions, which matches nothing".into(),
        some => some.iter().map(describe).collect::<Vec<_>>().join(" and "),
    };
    let text: Vec<String> = terms.iter().map(in_words).collect();
    let failing = placement.failing("NodeAffinity").len();
    let all = placement.world.nodes.len();
    let how_many = if failing == all {
        "No node satisfies".to_owned()
    } else {
        format!("{failing} of {all} nodes do not satisfy")
    };
    let mut found = Match::on(&suspect.at, format!("{how_many} its required node affinity: {}.", text.join(", or ")));
    for (i, term) in terms.iter().enumerate() {
        for requirement in conditions(term).iter().filter(|r| r.key != "metadata.name") {
            let path = format!(
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{i}]"
            );
            found = values(suspect, placement, requirement, &path, found);
        }
    }
    found
}

/// `wants zone=eu-1c; nodes have eu-1a (3), eu-1b (3)`
fn values(suspect: &Suspect<'_>, placement: &Placement, wanted: &Requirement, path: &str, found: Match) -> Match {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut without = 0;
    for node in &placement.world.nodes {
        match node.labels.get(&wanted.key) {
            Some(value) => *counts.entry(value).or_default() += 1,
            None => without += 1,
        }
    }
    let mut have: Vec<String> = counts.iter().take(super::NAMED).map(|(v, n)| format!("{v} ({n})")).collect();
    if without > 0 {
        have.push(format!("no such label ({without})"));
    }
    let text = format!("wants {}; nodes have {}", describe(wanted), have.join(", "));
    found.evidence(&suspect.at, path, &describe(wanted), text)
}

fn conflict(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    if placement.refusal("NodeAffinity") != Some(node_affinity::CONFLICT) {
        return Ok(vec![]);
    }
    let found = Match::on(&suspect.at, "Its node affinity names nodes that exclude each other.");
    let path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    let found =
        found.evidence(&suspect.at, path, "", "every alternative's metadata.name conditions have no name in common");
    Ok(vec![placement.finish(case, suspect, "NodeAffinity", found)?])
}

fn no_nodes(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let none = placement.world.nodes.is_empty();
    Ok(if none { vec![Match::on(&suspect.at, "The cluster has no nodes.")] } else { vec![] })
}
