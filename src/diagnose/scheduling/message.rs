//! The scheduler's own sentence, rebuilt from our verdicts.
//!
//! Source: `pkg/scheduler/framework/types.go` (FitError.Error). Each node gives the reasons of the first filter that
//! fails there; equal reasons are counted; the counted reasons are sorted as text. What preemption adds is left out.

use super::filter::Reasons;
use super::node_affinity::LEFT_OUT;
use super::{Judgement, taint_toleration};
use std::collections::BTreeMap;

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`; empty when a node fits.
pub fn of(judgement: &Judgement) -> String {
    let nodes = judgement.len();
    if nodes == 0 {
        return "no nodes available to schedule pods".into();
    }
    if let Some((_, refusal)) = judgement.refused.first() {
        return format!("0/{nodes} nodes are available: {refusal}.");
    }
    if judgement.kinds().iter().any(Vec::is_empty) {
        return String::new();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (failing, nodes) in judgement.counted() {
        first(failing).for_each(|reason| *counts.entry(reason).or_default() += nodes);
    }
    format!("0/{nodes} nodes are available: {}.", counted(&counts))
}

/// `1 Insufficient cpu, 2 node(s) were unschedulable`
fn counted(counts: &BTreeMap<&str, usize>) -> String {
    let mut reasons: Vec<String> = counts.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
    reasons.sort();
    reasons.join(", ")
}

/// Whether the scheduler's sentence begins with ours; an empty one of ours (a node fits) agrees with nothing.
pub fn agrees(ours: &str, said: &str) -> bool {
    !ours.is_empty() && (said.starts_with(ours) || in_new_words(said).is_some_and(|said| said.starts_with(ours)))
}

/// How releases before 1.34 begin the reason of a taint, which they name: `node(s) had untolerated taint {key: value}`.
const NAMED_TAINT: &str = "node(s) had untolerated taint {";

/// A sentence with the taints that it names counted as one reason; `None` where it names none.
fn in_new_words(said: &str) -> Option<String> {
    let (head, reasons) = said.split_once(": ").filter(|_| said.contains(NAMED_TAINT))?;
    let (reasons, tail) = reasons.split_once(". ").unwrap_or((reasons.strip_suffix('.')?, ""));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons.split(", ") {
        let (n, reason) = reason.split_once(' ')?;
        let reason = if reason.starts_with(NAMED_TAINT) { taint_toleration::REASON } else { reason };
        *counts.entry(reason).or_default() += n.parse::<usize>().ok()?;
    }
    Some(format!("{head}: {}. {tail}", counted(&counts)))
}

/// The reasons that the scheduler would give for a node.
fn first(failing: &[(usize, Reasons)]) -> impl Iterator<Item = &str> {
    let left_out = failing.iter().find(|(_, reasons)| reasons.iter().any(|r| r == LEFT_OUT));
    left_out.or(failing.first()).into_iter().flat_map(|(_, reasons)| reasons.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_schedulers_name_each_taint() {
        let ours = "0/5 nodes are available: 1 Insufficient cpu, 4 node(s) had untolerated taint(s).";
        let tail = " preemption: 0/5 nodes are available: 1 No preemption victims found for incoming pod, 4 Preemption is not helpful for scheduling.";
        let old = "0/5 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {dedicated: db}, 3 node(s) had untolerated taint {gpu: }.";
        for said in [ours.into(), format!("{ours}{tail}"), old.into(), format!("{old}{tail}")] {
            assert!(agrees(ours, &said), "{said}");
        }
        let other = old.replace("1 Insufficient cpu, ", "1 node(s) were unschedulable, ");
        for said in [&other, "", "0/5 nodes are available: 5 node(s) had untolerated taint {gpu: }", "rubbish: {, 1"] {
            assert!(!agrees(ours, said), "{said}");
        }
    }

    #[test]
    fn nothing_agrees_with_a_pod_that_fits() {
        assert!(!agrees("", "0/1 nodes are available: 1 Insufficient cpu."));
        assert!(!agrees("", ""));
    }
}
