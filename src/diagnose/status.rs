//! How the subject stands, in a word or two, as a table would show it.

use super::facts::{Case, Fact};
use super::finding::Suspect;
use super::kin;
use super::pods::{self, Stand, condition, is_true};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::pod::judge;
use crate::world::text::clean;
use crate::world::time::human;
use crate::world::wire;
use serde::Deserialize;
use serde_json::Value;

/// The headline of an object that is not there.
pub const NOT_FOUND: &str = "not found";

/// A subject's condition.
#[derive(Clone, Debug)]
pub struct Standing {
    /// `Pending 41m`, `2/3 ready`, `NotReady 9m`.
    pub headline: String,
    /// Whether it looks well on the face of it; `None` when that cannot be said.
    pub well: Option<bool>,
    /// Whether it is on its way: well so far, and not yet what it is to be.
    pub underway: bool,
}

impl Standing {
    fn new(headline: impl AsRef<str>, well: Option<bool>) -> Self {
        Self { headline: clean(headline.as_ref()).into_owned(), well, underway: false }
    }

    fn underway(headline: impl AsRef<str>) -> Self {
        Self { underway: true, ..Self::new(headline, Some(true)) }
    }

    /// Of an object that is not there.
    pub fn absent() -> Self {
        Self::new(NOT_FOUND, None)
    }

    /// Of an object that could not be read.
    pub fn unreadable() -> Self {
        Self::new("could not be read", None)
    }
}

/// How a suspect stands.
pub fn of(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Standing> {
    let object = suspect.object;
    Ok(match suspect.at.kind.as_str() {
        "URL" => Standing::new("", Some(true)),
        "Pod" => pod(case, object),
        "Node" => node(case, object),
        "Application" => application(object),
        "PersistentVolumeClaim" => claim(case, object)?,
        "ApplicationSet" => application_set(object),
        "Job" => job(object),
        "Service" => service(case, object)?,
        kind if kin::WORKLOADS.contains(&kind) => workload(object),
        _ => by_conditions(object),
    })
}

fn pod(case: &Case<'_>, object: &Value) -> Standing {
    // The deletion's time stands at the end of the grace period; how long the pod took to start is of no matter now.
    if let Some(over) = case.age(str_at(object, "/metadata/deletionTimestamp")) {
        let since = over + int_at(object, "/metadata/deletionGracePeriodSeconds").unwrap_or_default();
        let well = pods::stand(object, case.now()) != Stand::Ill;
        return Standing::new(format!("{} {}", pod_status(object), human(since)), Some(well));
    }
    let since = condition(object, "Ready")
        .or_else(|| condition(object, "PodScheduled"))
        .filter(|c| str_at(c, "/status") != "True")
        .and_then(|c| case.age(str_at(c, "/lastTransitionTime")))
        .unwrap_or_else(|| case.age_of(object));
    let text = format!("{} {}", pod_status(object), human(since));
    match pods::stand(object, case.now()) {
        Stand::Well => Standing::new(text, Some(true)),
        Stand::Ill => Standing::new(text, Some(false)),
        Stand::Starting => {
            let left = (pods::start_budget(object) - since).max(0);
            Standing::underway(format!("{text}, in progress, up to {} more are normal", human(left)))
        }
    }
}

/// STATUS as `kubectl get pods` prints it, by the one rule that the tables use too; the phase where the object has a
/// shape that the rule cannot read.
fn pod_status(pod: &Value) -> String {
    wire::Pod::deserialize(pod)
        .map_or_else(|_| str_at(pod, "/status/phase").to_owned(), |pod| judge(&pod).status.into_owned())
}

fn node(case: &Case<'_>, object: &Value) -> Standing {
    let ready = condition(object, "Ready");
    let word = match ready.map(|c| str_at(c, "/status")) {
        Some("True") => "Ready",
        Some("False") => "NotReady",
        _ => "Unknown",
    };
    let since = ready.and_then(|c| case.age(str_at(c, "/lastTransitionTime"))).unwrap_or_default();
    let cordoned = bool_at(object, "/spec/unschedulable");
    let tail = if cordoned { ", cordoned" } else { "" };
    Standing::new(format!("{word} {}{tail}", human(since)), Some(word == "Ready"))
}

fn claim(case: &Case<'_>, object: &Value) -> Fact<Standing> {
    let (phase, age) = (str_at(object, "/status/phase"), human(case.age_of(object)));
    if phase == "Pending" && kin::waits_for_pod(case, object)? {
        return Ok(Standing::new(format!("{phase} {age}, waits for its first pod"), Some(true)));
    }
    Ok(Standing::new(format!("{phase} {age}"), Some(phase == "Bound")))
}

fn application(object: &Value) -> Standing {
    let word = |pointer: &str| {
        match str_at(object, pointer) {
            "" => "Unknown",
            word => word,
        }
        .to_owned()
    };
    let (sync, health) = (word("/status/sync/status"), word("/status/health/status"));
    let well = sync == "Synced" && matches!(health.as_str(), "Healthy" | "Suspended");
    Standing::new(format!("{sync} {health}"), Some(well))
}

/// What its conditions say, else how its Applications stand as far as it lists them.
fn application_set(object: &Value) -> Standing {
    let bad = |c: &&Value| match str_at(c, "/type") {
        "ErrorOccurred" => str_at(c, "/status") == "True",
        "ParametersGenerated" => str_at(c, "/status") == "False",
        _ => false,
    };
    if let Some(c) = list_at(object, "/status/conditions").iter().find(bad) {
        return Standing::new(format!("{}: {}", str_at(c, "/reason"), str_at(c, "/message")), Some(false));
    }
    let all = list_at(object, "/status/resources");
    let well = |r: &&Value| {
        str_at(r, "/status") == "Synced" && matches!(str_at(r, "/health/status"), "" | "Healthy" | "Suspended")
    };
    let ill = all.len() - all.iter().filter(well).count();
    match ill {
        0 => Standing::new(format!("{} applications", all.len()), Some(true)),
        ill => Standing::new(format!("{} applications, {ill} not well", all.len()), Some(false)),
    }
}

fn job(object: &Value) -> Standing {
    match () {
        _ if is_true(object, "Complete") => Standing::new("Complete", Some(true)),
        _ if is_true(object, "Failed") => Standing::new("Failed", Some(false)),
        _ if bool_at(object, "/spec/suspend") => Standing::new("Suspended", Some(true)),
        _ => Standing::new("Running", Some(int_at(object, "/status/failed").unwrap_or_default() == 0)),
    }
}

fn workload(object: &Value) -> Standing {
    let n = |pointer: &str| int_at(object, pointer).unwrap_or_default();
    if str_at(object, "/kind") == "CronJob" {
        return Standing::new(if bool_at(object, "/spec/suspend") { "Suspended" } else { "Scheduled" }, Some(true));
    }
    let (ready, wanted) = match kin::replicas(object) {
        Some(wanted) => (n("/status/readyReplicas"), wanted),
        None => (n("/status/numberReady"), n("/status/desiredNumberScheduled")),
    };
    let stuck = condition(object, "Progressing").is_some_and(|c| str_at(c, "/status") == "False");
    let rolling =
        !stuck && condition(object, "Progressing").is_some_and(|c| str_at(c, "/reason") == "ReplicaSetUpdated");
    let (text, well) = match () {
        _ if ready >= wanted && !stuck => (format!("{ready}/{wanted} ready"), true),
        _ if rolling => return Standing::underway(format!("{ready}/{wanted} ready, rollout in progress")),
        _ if stuck => (format!("{ready}/{wanted} ready, rollout stuck"), false),
        _ => (format!("{ready}/{wanted} ready"), false),
    };
    Standing::new(text, Some(well))
}

fn service(case: &Case<'_>, object: &Value) -> Fact<Standing> {
    let (ready, all) = super::url::endpoint_count(case, object)?;
    Ok(Standing::new(format!("{ready} of {all} endpoints ready"), Some(ready > 0 || all == 0)))
}

/// Any other kind: the first condition that says no.
fn by_conditions(object: &Value) -> Standing {
    const GOOD_WHEN_TRUE: &[&str] =
        &["Ready", "Available", "Established", "Programmed", "Accepted", "Synced", "Healthy"];
    let bad = list_at(object, "/status/conditions").iter().find(|c| {
        let kind = str_at(c, "/type");
        (GOOD_WHEN_TRUE.contains(&kind) && str_at(c, "/status") == "False")
            || (kind == "Failed" && str_at(c, "/status") == "True")
    });
    match bad {
        Some(c) => Standing::new(
            format!("{} {}: {}", str_at(c, "/type"), str_at(c, "/status"), str_at(c, "/message")),
            Some(false),
        ),
        None => Standing::new("no condition says otherwise", Some(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rollout_is_well_so_far_and_not_done() {
        let rolling = |ready: i64| {
            let said = json!([{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}]);
            workload(&json!({"kind": "Deployment", "spec": {"replicas": 1},
                "status": {"readyReplicas": ready, "conditions": said}}))
        };
        assert_eq!((rolling(0).well, rolling(0).underway), (Some(true), true));
        assert_eq!((rolling(1).well, rolling(1).underway), (Some(true), false));
    }

    #[test]
    fn a_pod_is_called_what_the_tables_call_it() {
        let crashing = json!({"spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Running", "conditions": null,
            "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}});
        assert_eq!(pod_status(&crashing), "CrashLoopBackOff");
        let init = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}, {"name": "j"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"name": "j", "state": {"running": {}}}]}});
        assert_eq!(pod_status(&init), "Init:1/2");
        let leaving =
            json!({"metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}, "status": {"phase": "Running"}});
        assert_eq!(pod_status(&leaving), "Terminating");
        assert_eq!(pod_status(&json!({"status": {"phase": "Pending", "containerStatuses": "odd"}})), "Pending");
    }
}
