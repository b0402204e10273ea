//! Kinds other than pods, from the whole object; asked only of rows whose tone says that something is missing.

use super::Symptom;
use crate::diagnose::pods::condition;
use crate::world::object::{ObjectRef, bool_at, int_at, str_at};
use crate::world::row::{Row, Tone};
use crate::world::time::Time;
use serde_json::Value;

/// How long a workload may take to make the pods it wants.
const MAKING_S: i64 = 60;
/// How long a claim may take to be bound (causes: WaitForFirstConsumer and provisioning).
const BINDING_S: i64 = 60;
/// How long an Application may be on its way, and how long after a sync it may still be compared.
const PROGRESSING_S: i64 = 600;
const COMPARING_S: i64 = 20;

fn begin(row: &Row) -> Option<(Value, ObjectRef)> {
    let value = row.raw.value()?;
    let at = ObjectRef::of(&value);
    Some((value, at))
}

fn when(object: &Value, pointer: &str) -> Time {
    Time::parse(str_at(object, pointer)).unwrap_or(Time::NEVER)
}

/// The time of a condition's last transition, where it has this status.
fn since(object: &Value, kind: &str, status: &str) -> Option<Time> {
    condition(object, kind).filter(|c| str_at(c, "/status") == status).map(|c| when(c, "/lastTransitionTime"))
}

/// Not Ready, under pressure, or closed for new pods.
pub(super) fn node(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    let ready = condition(&value, "Ready");
    if ready.is_none_or(|c| str_at(c, "/status") != "True") {
        let since = ready.map_or(row.meta.created, |c| when(c, "/lastTransitionTime"));
        return Some(Symptom::new(at, row, "NotReady", since));
    }
    for kind in ["DiskPressure", "MemoryPressure", "PIDPressure", "NetworkUnavailable"] {
        if let Some(since) = since(&value, kind, "True") {
            return Some(Symptom::new(at, row, kind, since));
        }
    }
    bool_at(&value, "/spec/unschedulable").then(|| Symptom::new(at, row, CORDONED, Time::NEVER))
}

/// The word for a node that somebody closed for new pods: no fault, and nothing to diagnose.
pub const CORDONED: &str = "cordoned";

/// Not bound.
pub(super) fn claim(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    match (row.meta.deleting, str_at(&value, "/status/phase")) {
        (true, _) | (_, "Bound") => None,
        (_, "Lost") => Some(Symptom::new(at, row, "Lost", Time::NEVER)),
        _ => Some(Symptom::new(at, row, "Pending", row.meta.created).after(BINDING_S)),
    }
}

/// Out of sync, not healthy, or a sync that failed.
pub(super) fn application(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    let (sync, health) = (str_at(&value, "/status/sync/status"), str_at(&value, "/status/health/status"));
    let operation = str_at(&value, "/status/operationState/phase");
    let health_since = when(&value, "/status/health/lastTransitionTime");
    let finished = when(&value, "/status/operationState/finishedAt");
    let found = |word: &str, since: Time| Symptom::new(at.clone(), row, word, since);
    let mut symptom = match (health, sync) {
        ("Progressing", _) => found(health, health_since).after(PROGRESSING_S),
        ("Degraded" | "Missing" | "Unknown", _) => found(health, health_since),
        _ if matches!(operation, "Failed" | "Error") => found("sync failed", finished),
        ("", "") => found("not compared yet", row.meta.created).after(PROGRESSING_S),
        (_, "OutOfSync") => {
            let compared = Symptom { since: Time::NEVER, ..found(sync, finished).after(COMPARING_S) };
            Symptom { from: if finished.is_set() { compared.from } else { Time::NEVER }, ..compared }
        }
        (_, "Synced") => return None,
        (_, sync) => found(if sync.is_empty() { "Unknown" } else { sync }, Time::NEVER),
    };
    if operation == "Running" {
        // What it changes is on its way.
        let started = when(&value, "/status/operationState/startedAt");
        symptom.from = symptom.from.max(Time(started.0.saturating_add(PROGRESSING_S)));
    }
    symptom.shape = format!("{sync} {health} {operation} {}", str_at(&value, "/status/sync/revision"));
    Some(symptom)
}

/// Pods that are wanted and do not exist, or a rollout that was given up. Pods that exist speak for themselves.
pub(super) fn deployment(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    if let Some(since) = since(&value, "ReplicaFailure", "True") {
        return Some(Symptom::new(at, row, "cannot create pods", since).tone(Tone::Bad));
    }
    if let Some(since) = since(&value, "Progressing", "False") {
        return Some(Symptom::new(at, row, "rollout stuck", since).tone(Tone::Bad));
    }
    let wanted = int_at(&value, "/spec/replicas").unwrap_or(1);
    let last = condition(&value, "Progressing").map_or(Time::NEVER, |c| when(c, "/lastUpdateTime"));
    missing(row, at, wanted, int_at(&value, "/status/replicas"), last)
}

pub(super) fn stateful_set(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    let wanted = int_at(&value, "/spec/replicas").unwrap_or(1);
    missing(row, at, wanted, int_at(&value, "/status/replicas"), Time::NEVER)
}

pub(super) fn daemon_set(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    let wanted = int_at(&value, "/status/desiredNumberScheduled").unwrap_or_default();
    missing(row, at, wanted, int_at(&value, "/status/currentNumberScheduled"), Time::NEVER)
}

fn missing(row: &Row, at: ObjectRef, wanted: i64, exist: Option<i64>, last: Time) -> Option<Symptom> {
    let exist = exist.unwrap_or_default();
    if exist >= wanted {
        return None;
    }
    let word = format!("has {exist} of {wanted} pods");
    Some(Symptom::new(at, row, word, last.max(row.meta.created)).after(MAKING_S))
}

/// Failed for good.
pub(super) fn job(row: &Row) -> Option<Symptom> {
    let (value, at) = begin(row)?;
    let since = since(&value, "Failed", "True")?;
    let found = Symptom::new(at, row, "Failed", since);
    let owner = crate::diagnose::kin::controller_ref(&value);
    Some(Symptom { owner: owner.unwrap_or_else(|| found.object.clone()), ..found })
}
