//! A small scheduler: filters every node for every waiting pod, binds, or says why not in the words of the real one
//! (`pkg/scheduler/schedule_one.go`, `framework/types.go`).

pub mod filters;
pub mod resources;
pub mod volumes;

use crate::sim::controllers::meta::{deleting, is_terminal, new_condition, set_condition};
use crate::sim::controllers::plan::{EventNote, Plan, Snapshot, Write};
use crate::world::object::{controller, int_at, list_at, name, namespace, str_at};
use filters::Refusal;
use resources::Room;
use serde_json::Value;
use std::collections::BTreeMap;
use volumes::Claims;

/// Its name in pods and events.
pub const NAME: &str = "default-scheduler";

/// Binds what fits, explains what does not.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    let mut rooms: BTreeMap<String, Room> = s.of("nodes").iter().map(|n| (name(n).to_string(), Room::of(n))).collect();
    for pod in s.of("pods").iter().filter(|p| !is_terminal(p)) {
        if let Some(room) = rooms.get_mut(str_at(pod, "/spec/nodeName")) {
            room.take(pod);
        }
    }
    let mut waiting: Vec<&Value> = s.of("pods").iter().map(AsRef::as_ref).filter(|p| waits(p)).collect();
    // `queuesort`: priority first, then age.
    waiting.sort_by_key(|p| {
        (-int_at(p, "/spec/priority").unwrap_or(0), str_at(p, "/metadata/creationTimestamp").to_string())
    });
    for pod in waiting {
        schedule(s, pod, &mut rooms, &mut plan);
    }
    plan
}

fn waits(pod: &Value) -> bool {
    str_at(pod, "/spec/nodeName").is_empty()
        && matches!(str_at(pod, "/spec/schedulerName"), "" | NAME)
        && list_at(pod, "/spec/schedulingGates").is_empty()
        && !is_terminal(pod)
        && !deleting(pod)
}

fn schedule(s: &Snapshot, pod: &Value, rooms: &mut BTreeMap<String, Room>, plan: &mut Plan) {
    if rooms.is_empty() {
        return refuse(s, pod, "no nodes available to schedule pods".into(), plan);
    }
    let claims = match Claims::of(s, pod) {
        Ok(claims) => claims,
        Err(why) => {
            let text = format!("0/{} nodes are available: {why}. not found", rooms.len());
            return refuse(s, pod, text, plan);
        }
    };
    let mut fitting = Vec::new();
    let mut refusals = Vec::new();
    for node in s.of("nodes") {
        let Some(room) = rooms.get(name(node)) else { continue };
        match filters::run(s, pod, node, room, &claims) {
            Ok(()) => fitting.push((node.as_ref(), score(s, pod, node, room))),
            Err(refusal) => refusals.push(refusal),
        }
    }
    // The best score; of equals the first by name, so that two runs agree.
    let Some((node, _)) = fitting.into_iter().max_by(|(a, x), (b, y)| x.cmp(y).then_with(|| name(b).cmp(name(a))))
    else {
        return refuse(s, pod, message(rooms.len(), &refusals), plan);
    };
    // `PreBind` of VolumeBinding: claims that wait for their first consumer are bound before the pod is.
    if claims.wait_for(node, plan) {
        return;
    }
    if let Some(room) = rooms.get_mut(name(node)) {
        room.take(pod);
    }
    bind(pod, node, plan);
}

/// Higher is better: few siblings on the node first, then much room left (`PodTopologySpread` and `LeastAllocated`).
fn score(s: &Snapshot, pod: &Value, node: &Value, room: &Room) -> (i64, i64) {
    let owner = controller(pod).map(|(_, kind, name)| (kind, name));
    let sibling =
        |p: &&Value| str_at(p, "/spec/nodeName") == name(node) && controller(p).map(|(_, k, n)| (k, n)) == owner;
    let siblings = if owner.is_some() { s.within("pods", namespace(pod)).filter(sibling).count() } else { 0 };
    (-(siblings as i64), room.left_percent(pod))
}

fn bind(pod: &Value, node: &Value, plan: &mut Plan) {
    plan.push(Write::Bind(pod.clone(), name(node).into()));
    let text = format!("Successfully assigned {}/{} to {}", namespace(pod), name(pod), name(node));
    note(pod, false, "Scheduled", text, plan);
}

/// Writes the `PodScheduled` condition; the event is repeated only when the verdict changes.
fn refuse(s: &Snapshot, pod: &Value, text: String, plan: &mut Plan) {
    let old = crate::sim::controllers::meta::condition(pod, "PodScheduled");
    if old.is_some_and(|c| str_at(c, "/message") == text) {
        return;
    }
    let mut new = pod.clone();
    set_condition(&mut new, new_condition("PodScheduled", false, "Unschedulable", &text), s.now);
    plan.push(Write::Status(new));
    note(pod, true, "FailedScheduling", text, plan);
}

fn note(pod: &Value, warning: bool, reason: &'static str, message: String, plan: &mut Plan) {
    plan.note(EventNote {
        about: pod.clone(),
        warning,
        reason,
        message,
        reporter: NAME,
        host: String::new(),
        field: String::new(),
        every: 0,
    });
}

/// The sentence: the histogram of first obstacles, then what preemption could do about it.
fn message(nodes: usize, refusals: &[Refusal]) -> String {
    let reasons = histogram(refusals.iter().flat_map(|r| r.reasons.iter().map(String::as_str)));
    let preemption = histogram(refusals.iter().map(|r| match r.resolvable {
        true => "No preemption victims found for incoming pod",
        false => "Preemption is not helpful for scheduling",
    }));
    format!(
        "0/{nodes} nodes are available: {reasons}. no new claims to deallocate, preemption: 0/{nodes} nodes are available: {preemption}."
    )
}

/// `1 …, 3 …`, sorted as strings, as the real one does.
fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    reasons.for_each(|r| *counts.entry(r).or_default() += 1);
    let mut lines: Vec<String> = counts.into_iter().map(|(r, n)| format!("{n} {r}")).collect();
    lines.sort();
    lines.join(", ")
}

#[cfg(test)]
mod tests;
