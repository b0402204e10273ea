//! Workloads: scaled away, stuck rollouts, pods that are never created.
//!
//! ## workload-scaled-to-zero
//! **You see.** No pods, no endpoints, and nothing that fails.
//! **Why.** `spec.replicas` is 0: by hand, by an autoscaler, or in git.
//! **How kokpit knows.** The field, and who set it last. A `kubectl scale` to 0 leaves no owner of the field, which is
//! itself a hint.
//! **Looks alike.** `rs-failed-create-quota` and its kin: pods are wanted, but refused.
//! **Mend it.** Live: `kubectl scale`. Git: `spec.replicas`, or the autoscaler's minimum.
//!
//! ## rollout-deadline
//! **You see.** `kubectl rollout status` fails; old pods still serve.
//! **Why.** New pods did not become available within `progressDeadlineSeconds`.
//! **How kokpit knows.** Condition Progressing is False with reason ProgressDeadlineExceeded. Why the new pods fail is
//! looked at next and becomes the reason.
//! **Looks alike.** A rollout that is merely slow is still Progressing=True.
//! **Mend it.** Mend the new pods, or `kubectl rollout undo`.

use super::{Cause, Severity};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::condition;
use crate::world::object::{list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

const FILE: &str = include_str!("workload.rs");

/// The family's rows.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "workload-scaled-to-zero",
        title: "the workload is scaled to zero",
        severity: Severity::Outage,
        kinds: &["Deployment", "StatefulSet", "Rollout"],
        file: FILE,
        judge: scaled_to_zero,
    },
    Cause {
        id: "rollout-deadline",
        title: "the rollout did not get its new pods available in time",
        severity: Severity::Degraded,
        kinds: &["Deployment"],
        file: FILE,
        judge: deadline,
    },
];

/// Who set a field last, by managedFields: `manager, when`.
pub(super) fn writer(object: &Value, path: &[&str]) -> Option<(String, String)> {
    list_at(object, "/metadata/managedFields")
        .iter()
        .filter(|entry| {
            let mut at = entry.get("fieldsV1");
            for step in path {
                at = at.and_then(|v| v.get(format!("f:{step}")));
            }
            at.is_some()
        })
        .max_by_key(|entry| str_at(entry, "/time"))
        .map(|entry| (str_at(entry, "/manager").to_owned(), str_at(entry, "/time").to_owned()))
}

fn scaled_to_zero(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let object = suspect.object;
    if kin::replicas(object) != Some(0) || !suspect.exists() {
        return Ok(Vec::new());
    }
    let at = &suspect.at;
    let who = match writer(object, &["spec", "replicas"]) {
        Some((manager, time)) => {
            let ago = case.age(&time).map_or(String::new(), |s| format!(" {} ago", human(s)));
            format!("spec.replicas was set by {manager}{ago}")
        }
        None => "nobody owns spec.replicas, as after `kubectl scale --replicas=0`".to_owned(),
    };
    let (kind, ns, name) = (at.kind.to_lowercase(), &at.namespace, &at.name);
    let live = format!("kubectl -n {ns} scale {kind}/{name} --replicas=1");
    Ok(vec![
        Match::on(at, format!("{at} is scaled to 0, so it has no pods."))
            .evidence(at, "spec.replicas", "0", format!("{at} replicas 0"))
            .evidence(at, "metadata.managedFields", "", who)
            .fix(case.fix(object, "spec.replicas", "scale it up", live)?),
    ])
}

fn deadline(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(progress) = condition(suspect.object, "Progressing")
        .filter(|c| str_at(c, "/status") == "False" && str_at(c, "/reason") == "ProgressDeadlineExceeded")
    else {
        return Ok(Vec::new());
    };
    let age = case.age(str_at(progress, "/lastTransitionTime"));
    let pods = kin::pods_of(case, suspect.object)?;
    let (ns, name) = (&suspect.at.namespace, &suspect.at.name);
    Ok(vec![
        Match::on(
            &suspect.at,
            format!("The rollout of {} is stuck: its new pods did not become available in time.", suspect.at),
        )
        .evidence_aged(
            &suspect.at,
            "status.conditions[Progressing]",
            "ProgressDeadlineExceeded",
            age,
            str_at(progress, "/message"),
        )
        .because_all(kin::ill_pods(case, &pods))
        .because_cause("rs-failed-create")
        .fix(case.fix(
            suspect.object,
            "spec.template",
            "mend the new pods, or go back a revision",
            format!("kubectl -n {ns} rollout undo deployment/{name}"),
        )?),
    ])
}
