//! Nodes that are each closed for a reason of their own.
//!
//! ## no-single-node-fits
//! **You see.** A pod stays Pending; the scheduler lists several reasons, and none of them for all nodes.
//! **Why.** Every node lacks something else: one has the cpu and not the memory, another a taint, a third is cordoned. In
//! sum there is enough, on no single node.
//! **How kokpit knows.** Every rule is evaluated for every node, and every change of one step: no rule closes all nodes,
//! and no single change opens one. Or: one resource is short here and another there, and both are enough in sum.
//! **Looks alike.** Where one change opens a node, the rule that it changes is named as the reason; the same resource
//! short everywhere is `fit-insufficient-resource`.
//! **Mend it.** The cheapest pair of changes that was seen to help, or one more node.

use super::{EACH_ITS_OWN, NAMED, Placement, count, node_ref, placement};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::scheduling::filter::PLUGINS;
use crate::diagnose::scheduling::requests::human;
use crate::diagnose::scheduling::{Node, Pod};
use std::collections::BTreeMap;

causes! { "mixed.rs";
    "no-single-node-fits" "every node is closed to it for a reason of its own" Outage ["Pod"] judge;
}

const FIT: &str = "NodeResourcesFit";

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    match placement.deciding() {
        EACH_ITS_OWN => Ok(vec![placement.finish(case, suspect, EACH_ITS_OWN, by_rule(&placement, suspect))?]),
        FIT => match scattered(&placement, suspect) {
            Some(found) => Ok(vec![placement.finish(case, suspect, FIT, found)?]),
            None => Ok(vec![]),
        },
        _ => Ok(vec![]),
    }
}

/// Nothing in common, and no single change helps.
fn by_rule(placement: &Placement, suspect: &Suspect<'_>) -> Match {
    let rules = PLUGINS.iter().filter(|p| !placement.failing(p.name).is_empty()).count();
    let all = placement.world.nodes.len();
    let text = format!(
        "Each of the {all} nodes is closed to it by a rule of its own ({rules} rules), and no single change opens one."
    );
    let mut found = Match::on(&suspect.at, text);
    for row in placement.scheduling.matrix.iter().take(NAMED) {
        let closed: Vec<String> =
            row.cells.iter().filter(|(_, _, ok)| !ok).map(|(column, text, _)| format!("{column} {text}")).collect();
        let text = format!("{}: {} ({} away)", row.node, closed.join(", "), row.away);
        found = found.evidence(&node_ref(&row.node), "", "", text);
    }
    found
}

/// Two resources, short on different nodes, enough of each in sum: among the nodes that only lack room.
fn scattered(placement: &Placement, suspect: &Suspect<'_>) -> Option<Match> {
    let pod = Pod::new(suspect.object);
    let nodes: Vec<&Node> = placement.failing(FIT).into_iter().filter(|(_, only)| *only).map(|(n, _)| n).collect();
    let lacking = |n: &Node, resource: &str| pod.requests.get(resource) > n.free(resource);
    let mut short: BTreeMap<&str, usize> = BTreeMap::new();
    for resource in pod.requests.names() {
        let on = nodes.iter().filter(|n| lacking(n, resource)).count();
        let sum: i64 = nodes.iter().map(|n| n.free(resource).max(0)).fold(0, i64::saturating_add);
        if on == nodes.len() || sum < pod.requests.get(resource) {
            return None;
        }
        if on > 0 {
            short.insert(resource, on);
        }
    }
    if short.len() < 2 {
        return None;
    }
    let parts: Vec<String> = short.iter().map(|(r, n)| format!("{r} on {}", count(*n, "node"))).collect();
    let names: Vec<&str> = short.keys().copied().collect();
    let text =
        format!("Enough {} is free in sum, and on no single node: short of {}.", names.join(" and "), parts.join(", "));
    let mut found = Match::on(&suspect.at, text);
    for node in nodes.iter().take(NAMED) {
        let free: Vec<String> = (names.iter())
            .map(|r| format!("{r} {}{}", human(r, node.free(r)), if lacking(node, r) { " (short)" } else { "" }))
            .collect();
        found = found.evidence(
            &node_ref(&node.name),
            "status.allocatable",
            "",
            format!("{} has free: {}", node.name, free.join(", ")),
        );
    }
    Some(found)
}
