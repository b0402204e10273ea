//! How the subject stands, in a word or two, as a table would show it.

use super::facts::{Case, Fact};
use super::finding::Suspect;
use super::kin;
use super::pods::{self, Stand, condition, containers, is_true};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::human;
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
}

impl Standing {
    fn new(headline: impl AsRef<str>, well: Option<bool>) -> Self {
        Self { headline: clean(headline.as_ref()).into_owned(), well }
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
        "PersistentVolumeClaim" => {
            let phase = str_at(object, "/status/phase");
            Standing::new(format!("{phase} {}", human(case.age_of(object))), Some(phase == "Bound"))
        }
        "Job" => job(object),
        "Service" => service(case, object)?,
        kind if kin::WORKLOADS.contains(&kind) => workload(object),
        _ => by_conditions(object),
    })
}

fn pod(case: &Case<'_>, object: &Value) -> Standing {
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
            Standing::new(format!("{text}, in progress, up to {} more are normal", human(left)), Some(true))
        }
    }
}

/// STATUS as `kubectl get pods` prints it (`pkg/printers/internalversion/printers.go`, printPod).
pub fn pod_status(pod: &Value) -> String {
    let mut status = match str_at(pod, "/status/reason") {
        "" => str_at(pod, "/status/phase").to_owned(),
        reason => reason.to_owned(),
    };
    let all = containers(pod);
    let inits = list_at(pod, "/spec/initContainers").len();
    let mut initializing = false;
    for (n, c) in all.iter().take(inits).enumerate() {
        let sidecar_runs = !c.init && bool_at(c.status, "/started");
        let end = c.status.pointer("/state/terminated");
        if sidecar_runs || end.is_some_and(|e| int_at(e, "/exitCode") == Some(0)) {
            continue;
        }
        initializing = true;
        status = match (end, c.waiting()) {
            (Some(end), _) => format!("Init:{}", ended_word(end)),
            (None, "" | "PodInitializing") => format!("Init:{n}/{inits}"),
            (None, reason) => format!("Init:{reason}"),
        };
        break;
    }
    if !initializing {
        let mut running = false;
        for c in all.iter().skip(inits).rev() {
            match (c.waiting(), c.status.pointer("/state/terminated")) {
                ("", Some(end)) => status = ended_word(end),
                ("", None) => running |= c.ready() && c.running_since().is_some(),
                (reason, _) => status = reason.to_owned(),
            }
        }
        if status == "Completed" && running {
            status = if is_true(pod, "Ready") { "Running" } else { "NotReady" }.to_owned();
        }
    }
    match str_at(pod, "/metadata/deletionTimestamp") {
        "" => status,
        _ if str_at(pod, "/status/reason") == "NodeLost" => "Unknown".to_owned(),
        _ => "Terminating".to_owned(),
    }
}

fn ended_word(end: &Value) -> String {
    match (str_at(end, "/reason"), int_at(end, "/signal"), int_at(end, "/exitCode")) {
        ("", Some(signal), _) if signal != 0 => format!("Signal:{signal}"),
        ("", _, code) => format!("ExitCode:{}", code.unwrap_or_default()),
        (reason, ..) => reason.to_owned(),
    }
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
        _ if rolling => (format!("{ready}/{wanted} ready, rollout in progress"), true),
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
