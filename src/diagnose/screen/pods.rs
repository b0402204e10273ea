//! Pods, from their lean rows; the whole object is looked at only where a probe's budget or a deletion decides.

use super::Symptom;
use crate::diagnose::pods::{BACKOFF_RESET_S, START_GATE_S, start_budget};
use crate::world::object::{ObjectRef, str_at};
use crate::world::pod::{PodRow, Role};
use crate::world::row::{Body, Row, Tone};
use crate::world::time::Time;
use std::fmt::Write;

/// How long a pod that no node takes may wait: another one may just be leaving.
const UNSCHEDULED_S: i64 = 10;
/// How long the scheduler may take to say anything.
const UNSEEN_S: i64 = 30;
/// How long after a run that failed for the first time: it may have been a matter of order.
const FIRST_FAILURE_S: i64 = 20;
/// How long a pod may take to leave beyond its grace period.
const LEAVING_S: i64 = 60;
/// Fewer restarts are no loop.
const LOOP: u32 = 2;

pub(super) fn symptom(row: &Row, now: Time) -> Option<Symptom> {
    let Body::Pod(pod) = &row.body else { return None };
    let since = if pod.unready_since.is_set() { pod.unready_since } else { row.meta.created };
    let found = match row.tone {
        _ if row.meta.deleting => leaving(row)?,
        Tone::Done => return None,
        Tone::Ok => return looping(row, pod, now),
        Tone::Bad if &*pod.status == "Pending" => of(row, pod, since).after(UNSCHEDULED_S),
        Tone::Bad if &*pod.status == "Error" && pod.restarts == 0 && pod.unready_since.is_set() => {
            of(row, pod, since).after(FIRST_FAILURE_S)
        }
        Tone::Bad => of(row, pod, since),
        Tone::Warn => {
            let budget = row.raw.value().map_or(START_GATE_S, |value| start_budget(&value));
            of(row, pod, since).after(budget)
        }
        Tone::Busy if pod.node.is_empty() => of(row, pod, since).after(UNSEEN_S).tone(Tone::Warn),
        Tone::Busy => of(row, pod, since).after(START_GATE_S).tone(Tone::Warn),
    };
    Some(found)
}

fn of(row: &Row, pod: &PodRow, since: Time) -> Symptom {
    let mut found = Symptom::new(reference(row), row, &*pod.status, since);
    found.owner = workload(row).unwrap_or(found.owner);
    found.shape = shape(pod);
    found
}

/// A pod that is up now and was not a moment ago, again and again.
fn looping(row: &Row, pod: &PodRow, now: Time) -> Option<Symptom> {
    let recent = pod.last_restart.is_set() && pod.last_restart.age(now) < BACKOFF_RESET_S;
    if pod.restarts < LOOP || !recent {
        return None;
    }
    let mut found = of(row, pod, pod.last_restart).tone(Tone::Warn);
    found.word = format!("restarted {} times", pod.restarts);
    found.until = Time(pod.last_restart.0.saturating_add(BACKOFF_RESET_S));
    Some(found)
}

fn leaving(row: &Row) -> Option<Symptom> {
    let value = row.raw.value()?;
    let due = Time::parse(str_at(&value, "/metadata/deletionTimestamp"))?;
    let found = Symptom::new(reference(row), row, "Terminating", due).after(LEAVING_S);
    Some(Symptom { owner: workload(row).unwrap_or_else(|| reference(row)), ..found })
}

fn reference(row: &Row) -> ObjectRef {
    ObjectRef::new("", "Pod", &row.meta.namespace, &row.meta.name)
}

/// What a pod belongs to. The name of a ReplicaSet of a Deployment ends in the hash that its pods carry as a label.
pub fn workload(row: &Row) -> Option<ObjectRef> {
    let owner = row.meta.owner.as_ref()?;
    let hash = row.meta.label("pod-template-hash").map(|hash| format!("-{hash}"));
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(&hash)).filter(|_| &*owner.kind == "ReplicaSet");
    let (group, kind, name) = match (deployment, &*owner.kind) {
        (Some(name), _) => ("apps", "Deployment", name),
        (None, kind @ ("Job" | "CronJob")) => ("batch", kind, &*owner.name),
        (None, kind @ ("ReplicaSet" | "StatefulSet" | "DaemonSet")) => ("apps", kind, &*owner.name),
        (None, kind) => ("", kind, &*owner.name),
    };
    let namespace = if kind == "Node" { "" } else { &*row.meta.namespace };
    Some(ObjectRef::new(group, kind, namespace, name))
}

/// What is alike in pods that stand alike. A container that keeps dying is either dead, waiting, or up for a moment:
/// how its last run ended is what stays the same.
fn shape(pod: &PodRow) -> String {
    let mut text = String::new();
    if pod.node.is_empty() {
        text.push_str(&pod.status);
    }
    let own = pod.containers.iter().filter(|c| c.role != Role::Ephemeral);
    for c in own.filter(|c| !c.ready || c.last_exit.is_some()) {
        let _ = match (c.last_exit, &*c.state) {
            (Some(code), "Running" | "CrashLoopBackOff" | "Error" | "Waiting" | "OOMKilled" | "Completed") => {
                write!(text, "|{} {} ended {code} {}", c.name, c.image, c.last_reason)
            }
            (_, state) => write!(text, "|{} {} {state}", c.name, c.image),
        };
    }
    text
}
