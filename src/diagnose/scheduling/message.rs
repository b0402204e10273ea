//! The scheduler's own sentence, rebuilt from our verdicts.
//!
//! Source: `pkg/scheduler/framework/types.go` (FitError.Error). Each node gives the reasons of the first filter that
//! fails there; equal reasons are counted; the counted reasons are sorted as text. What preemption adds is left out.

use super::Judgement;
use super::filter::Reasons;
use super::node_affinity::LEFT_OUT;
use std::collections::BTreeMap;

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`; empty when a node fits.
pub fn of(judgement: &Judgement) -> String {
    let nodes = judgement.nodes.len();
    if nodes == 0 {
        return "no nodes available to schedule pods".into();
    }
    if let Some((_, refusal)) = judgement.refused.first() {
        return format!("0/{nodes} nodes are available: {refusal}.");
    }
    if judgement.nodes.iter().any(Vec::is_empty) {
        return String::new();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in judgement.nodes.iter().flat_map(|failing| first(failing)) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<String> = counts.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
    reasons.sort();
    format!("0/{nodes} nodes are available: {}.", reasons.join(", "))
}

/// The reasons that the scheduler would give for a node.
fn first(failing: &[(usize, Reasons)]) -> impl Iterator<Item = &str> {
    let left_out = failing.iter().find(|(_, reasons)| reasons.iter().any(|r| r == LEFT_OUT));
    left_out.or(failing.first()).into_iter().flat_map(|(_, reasons)| reasons.iter().map(AsRef::as_ref))
}
