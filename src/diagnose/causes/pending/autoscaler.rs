//! Why no node is added for a pod that fits nowhere.
//!
//! ## ca-no-scale-up
//! **You see.** An event `NotTriggerScaleUp` beside the scheduler's `FailedScheduling`.
//! **Why.** The cluster autoscaler looked at the pod and will not add a node: a group is at its maximum, in back-off,
//! or a new node of the group would not take the pod either.
//! **How kokpit knows.** The newest such event, its reasons sorted. It explains why the trouble does not heal by itself;
//! the reason is what keeps the pod from the nodes there are.
//! **Looks alike.** No event proves nothing: none is written while another scale-up is under way.
//! **Mend it.** The group's maximum, or the labels and taints of its template.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::verdict::{Confidence, Fix};

causes! { "autoscaler.rs";
    "ca-no-scale-up" "the autoscaler adds no node for it" Nuisance ["Pod"] judge;
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if super::placement(case, suspect)?.is_none() {
        return Ok(vec![]);
    }
    let Some(event) = case.event_with(suspect.object, &["NotTriggerScaleUp"], "didn't trigger scale-up")? else {
        return Ok(vec![]);
    };
    let reasons = event.message.split_once("scale-up: ").map_or(event.message, |(_, reasons)| reasons);
    let age = Some(event.last.age(case.now()));
    let found = Match::on(&suspect.at, format!("The autoscaler adds no node: {reasons}."))
        .evidence_aged(&suspect.at, "", event.reason, age, event.message)
        .confidence(Confidence::High)
        // It follows from whatever keeps the pod away.
        .because_cause("");
    let at_maximum = reasons.contains("max node group size reached") || reasons.contains("max total nodes");
    let fix = Fix { summary: "raise the node group's maximum".into(), ..Fix::default() };
    Ok(vec![if at_maximum { found.fix(fix) } else { found }])
}
