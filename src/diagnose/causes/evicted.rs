//! Pods that were ended by somebody else than themselves.
//!
//! | file | by whom |
//! |---|---|
//! | [`kubelet`] | the kubelet: the node or the pod ran out of something, or the node does not take the pod |
//! | [`disrupted`] | the control plane: a taint, the eviction API, the scheduler |

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::condition;
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, int_at, list_at, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

pub(super) mod disrupted;
pub(super) mod kubelet;

/// Evidence: reason, message and age of the end.
fn ended(case: &Case<'_>, suspect: &Suspect<'_>, m: Match) -> Match {
    let pod = suspect.object;
    let end = list_at(pod, "/status/containerStatuses")
        .iter()
        .map(|c| str_at(c, "/state/terminated/finishedAt"))
        .chain(condition(pod, "DisruptionTarget").map(|c| str_at(c, "/lastTransitionTime")))
        .filter_map(|t| case.age(t))
        .min();
    let age = end.unwrap_or_else(|| case.age_of(pod));
    let (reason, message) = (str_at(pod, "/status/reason"), str_at(pod, "/status/message"));
    // The kubelet counts CPU in thousandths of a core there, and does not say so.
    let unit = if reason == "OutOfcpu" { " (cpu in milli)" } else { "" };
    m.evidence_aged(
        &suspect.at,
        "status.message",
        message,
        Some(age),
        format!("{reason} {} ago: {message}{unit}", human(age)),
    )
}

/// Evidence: whether the workload is complete without the pod.
fn impact(case: &Case<'_>, top: &Value, m: Match) -> Fact<Match> {
    let Some(wanted) = kin::replicas(top) else { return Ok(m) };
    let ready = int_at(top, "/status/readyReplicas").unwrap_or_default();
    let failed = kin::pods_of(case, top).known()?.unwrap_or_default();
    let failed = failed.iter().filter(|p| str_at(p, "/status/phase") == "Failed").count();
    let says = if ready >= wanted { "app is not broken, no current impact" } else { "pods are missing" };
    let left = match failed {
        0 => String::new(),
        1 => "; 1 pod Failed".to_owned(),
        n => format!("; {n} pods Failed"),
    };
    let at = ObjectRef::of(top);
    Ok(m.evidence(
        &at,
        "status.readyReplicas",
        &ready.to_string(),
        format!("{at} {ready}/{wanted} ready, {says}{left}"),
    ))
}

fn leftovers(pod: &Value) -> Fix {
    Fix {
        summary: "delete the leftovers".into(),
        live: format!("kubectl -n {} delete pods --field-selector=status.phase=Failed", namespace(pod)),
        git: None,
        verified: false,
    }
}
