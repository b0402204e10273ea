//! Pods that are placed all together or not at all.
//!
//! ## gang-waiting
//! **You see.** Pods of a job stay Pending although nodes have room.
//! **Why.** They belong to a group that is only placed when so many of its pods can be (coscheduling, Volcano, the
//! scheduler's own gang scheduling), and the group is not complete.
//! **How kokpit knows.** The pod names its group; the group's minimum is compared with the pods of it that there are,
//! and those that have a node.
//! **Looks alike.** A pod of a complete group that fits nowhere has the causes of every Pending pod;
//! `scheduling-gated` waits for a queue.
//! **Mend it.** Create the missing pods, make room for all of them at once, or lower the group's minimum.

use super::{evaluated, is_unplaced};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::PODS;
use crate::diagnose::pods::is_finished;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, int_at, list_at, namespace, str_at};
use crate::world::text::clean;
use serde_json::Value;

causes! { "gang.rs";
    "gang-waiting" "its group is placed all together, and is not complete" Nuisance ["Pod"] judge;
}

/// Where a pod names its group, and the kind that the group then is.
const MEMBERSHIP: &[(&str, &str, &str)] = &[
    ("/spec/schedulingGroup/podGroupName", "scheduling.k8s.io", "PodGroup"),
    ("/spec/workloadRef/name", "scheduling.k8s.io", "Workload"),
    ("/metadata/labels/scheduling.x-k8s.io~1pod-group", "scheduling.x-k8s.io", "PodGroup"),
    ("/metadata/labels/pod-group.scheduling.sigs.k8s.io", "scheduling.sigs.k8s.io", "PodGroup"),
    ("/metadata/annotations/scheduling.k8s.io~1group-name", "scheduling.volcano.sh", "PodGroup"),
];

/// The group that a pod names: where it is named, and the object.
fn group_of(pod: &Value) -> Option<(&'static str, ObjectRef)> {
    MEMBERSHIP.iter().find_map(|(pointer, group, kind)| {
        let name = Some(str_at(pod, pointer)).filter(|name| !name.is_empty())?;
        Some((*pointer, ObjectRef::new(group, kind, namespace(pod), name)))
    })
}

/// How many pods must be placed at once.
fn minimum(group: &Value, pod: &Value) -> Option<i64> {
    let own = str_at(pod, "/spec/workloadRef/podGroup");
    let templates = list_at(group, "/spec/podGroups").iter();
    let template = templates.filter(|t| own.is_empty() || str_at(t, "/name") == own);
    let gang = |v: &Value| int_at(v, "/schedulingPolicy/gang/minCount").or_else(|| int_at(v, "/policy/gang/minCount"));
    int_at(group, "/spec/minMember")
        .or_else(|| gang(group.get("spec").unwrap_or(&Value::Null)))
        .or_else(|| template.filter_map(gang).next())
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !is_unplaced(suspect.object) {
        return Ok(vec![]);
    }
    let Some((pointer, at)) = group_of(suspect.object) else { return Ok(vec![]) };
    let Some(group) = case.get(&at).known()?.flatten() else { return Ok(vec![]) };
    let Some(minimum) = minimum(group, suspect.object) else { return Ok(vec![]) };
    let members: Vec<&Value> = (case.list(PODS, Some(&at.namespace))?.into_iter())
        .filter(|p| str_at(p, pointer) == at.name && !is_finished(p))
        .collect();
    let placed = members.iter().filter(|p| !str_at(p, "/spec/nodeName").is_empty()).count();
    let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
    let missing = count < minimum;
    // A complete group whose pod fits nowhere has another reason.
    if i64::try_from(placed).unwrap_or(i64::MAX) >= minimum
        || (!missing && !evaluated(case, suspect.object)?.judgement.any_fits())
    {
        return Ok(vec![]);
    }
    let name = clean(&at.name);
    let text = match missing {
        true => format!("Its group {name} needs {minimum} pods at once, and there are {count}."),
        false => format!("Its group {name} needs room for {minimum} pods at once; {placed} of {count} have a node."),
    };
    let phase = str_at(group, "/status/phase");
    let mut found = Match::on(&suspect.at, text)
        .evidence(&at, "spec", &minimum.to_string(), format!("{} {name}: at least {minimum} pods at once", at.kind))
        .evidence(&suspect.at, "", "", format!("{count} pods of the group, {placed} with a node"))
        .confidence(Confidence::Medium);
    if !phase.is_empty() {
        found = found.evidence(&at, "status.phase", phase, format!("phase {}", clean(phase)));
    }
    let summary = match missing {
        true => format!(
            "create the missing {} of the group, or lower its minimum",
            super::count(usize::try_from(minimum - count).unwrap_or(0), "pod")
        ),
        false => "make room for the whole group, or lower its minimum".to_owned(),
    };
    Ok(vec![found.fix(Fix { summary, ..Fix::default() })])
}
