//! Pods that the scheduler refuses for what cannot be seen from here.
//!
//! ## scheduler-refuses
//! **You see.** A pod stays Pending; the scheduler says `FailedScheduling`.
//! **Why.** The scheduler takes no node. Either the nodes may not be read here, so that its words are all there is; or
//! nothing of what kokpit evaluates stands in the way: it has not looked again since the cluster changed, or something
//! of its own (a plugin, an extender) keeps the pod away.
//! **How kokpit knows.** The condition PodScheduled; it is quoted, not checked, so *medium* at most.
//! **Looks alike.** Every other cause of a pod without a node: they name the obstacle and were evaluated.
//! **Mend it.** Ask again with an account that may list nodes; or wait for the scheduler's next look (five minutes at
//! most) and then look into its log.

use super::{evaluated, is_unplaced, said};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::CLAIMS;
use crate::diagnose::pods::condition;
use crate::diagnose::scheduling::Pod;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::str_at;

causes! { "refused.rs";
    "scheduler-refuses" "the scheduler refuses it for what is not seen here" Outage ["Pod"] judge;
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let Some(refusal) = condition(pod, "PodScheduled").filter(|c| str_at(c, "/reason") == "Unschedulable") else {
        return Ok(vec![]);
    };
    if !is_unplaced(pod) {
        return Ok(vec![]);
    }
    let placement = evaluated(case, pod).known()?;
    let words = said(pod);
    let reasons = reasons(&words);
    let (summary, advice) = match &placement {
        None => (
            format!("The scheduler refuses it: {reasons}"),
            "ask with an account that may list nodes and pods of the whole cluster: then every node is judged",
        ),
        Some(placement) if placement.judgement.any_fits() => (
            format!(
                "The scheduler refused it, yet nothing that is evaluated here keeps it from {}.",
                placement.judgement.fits(&placement.world).join(" ")
            ),
            "wait for the scheduler's next look; if it refuses again, its log names the plugin",
        ),
        Some(_) => return Ok(vec![]),
    };
    let age = case.age(str_at(refusal, "/lastTransitionTime"));
    let mut found = Match::on(&suspect.at, summary)
        .evidence_aged(&suspect.at, "status.conditions[PodScheduled].message", &words, age, format!("it said: {words}"))
        .confidence(Confidence::Medium)
        .because_cause("dra-")
        .because_cause("gang-")
        .fix(Fix { summary: advice.into(), ..Fix::default() });
    for used in &Pod::new(pod).claims {
        found = found.because(CLAIMS.at(&suspect.at.namespace, &used.claim));
    }
    if let Some(placement) = placement {
        found = found.scheduling(placement.scheduling.clone());
    }
    Ok(vec![found])
}

/// The scheduler's sentence without what it says of preemption.
fn reasons(words: &str) -> String {
    words.split_once(". ").map_or(words.to_owned(), |(reasons, _)| format!("{reasons}."))
}
