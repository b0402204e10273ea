//! Jobs that have given up.
//!
//! ## job-backoff-exceeded
//! **You see.** A Job is Failed.
//! **Why.** Its pods failed more often than `backoffLimit` allows, it ran longer than `activeDeadlineSeconds`, or its
//! `podFailurePolicy` ended it.
//! **How kokpit knows.** Condition Failed is True with the controller's reason. Why the pods failed is looked at next and
//! becomes the reason, as long as a pod is left.
//! **Looks alike.** A Job that is still trying has no such condition.
//! **Mend it.** Mend what failed, delete the Job and make it anew: its template cannot be changed.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::condition;
use crate::world::object::{int_at, str_at};

causes! { "job.rs";
    "job-backoff-exceeded" "the Job has given up" Degraded ["Job"] given_up;
}

fn given_up(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (job, at) = (suspect.object, &suspect.at);
    let Some(failed) = condition(job, "Failed").filter(|c| str_at(c, "/status") == "True") else {
        return Ok(Vec::new());
    };
    let (reason, message) = (str_at(failed, "/reason"), str_at(failed, "/message"));
    let count = int_at(job, "/status/failed").unwrap_or_default();
    let times = if count == 1 { "1 pod".to_owned() } else { format!("{count} pods") };
    let (text, field) = match reason {
        "DeadlineExceeded" => {
            let limit = int_at(job, "/spec/activeDeadlineSeconds").unwrap_or_default();
            (format!("{at} ran longer than the {limit} s it may run."), "spec.activeDeadlineSeconds")
        }
        "PodFailurePolicy" => (format!("{at} was ended by its podFailurePolicy."), "spec.podFailurePolicy"),
        "MaxFailedIndexesExceeded" | "FailedIndexes" => {
            (format!("{at} has more failed indexes than it may have."), "spec.maxFailedIndexes")
        }
        // BackoffLimitExceeded, and reasons of releases to come.
        _ => {
            let limit = int_at(job, "/spec/backoffLimit").unwrap_or(6);
            (format!("{at} has given up: {times} failed (backoffLimit {limit})."), "spec.backoffLimit")
        }
    };
    let pods = kin::pods_of(case, job)?;
    let mut m = Match::on(at, text)
        .evidence_aged(
            at,
            "status.conditions[Failed]",
            reason,
            case.age(str_at(failed, "/lastTransitionTime")),
            format!("{reason}: {message}"),
        )
        .evidence(at, "status.failed", &count.to_string(), format!("{times} failed"))
        .because_all(kin::ill_pods(case, &pods))
        .because_cause("rs-failed-create");
    if pods.is_empty() {
        m = m.evidence(at, "", "", "no pod of it is left: what it said is gone with its log");
    }
    let next = match kin::controller_ref(job).filter(|owner| owner.kind == "CronJob") {
        Some(cron) => format!("; {cron} makes the next one at its time"),
        None => String::new(),
    };
    let what = format!("mend what failed, delete the Job and make it anew{next}");
    Ok(vec![m.fix(case.fix(job, field, what, format!("kubectl -n {} delete job {}", at.namespace, at.name))?)])
}
