//! Deployments that do not get their new pods, or have too few in between.
//!
//! ## rollout-deadline
//! **You see.** `kubectl rollout status` fails; old pods still serve.
//! **Why.** New pods did not become available within `progressDeadlineSeconds`.
//! **How kokpit knows.** Condition Progressing is False with reason ProgressDeadlineExceeded. Why the new pods fail is
//! looked at next and becomes the reason.
//! **Looks alike.** A rollout that is merely slow is still Progressing=True.
//! **Mend it.** Mend the new pods, or `kubectl rollout undo`.
//!
//! ## rollout-unavailable-window
//! **You see.** Fewer pods than wanted, or none, while a rollout is under way; a burst of 502 and 503.
//! **Why.** The Deployment's strategy allows it: Recreate ends all old pods first, `maxUnavailable` (25 % unless set,
//! rounded down) lets some go before new ones are ready.
//! **How kokpit knows.** The rollout is not complete, it is within its deadline, its new pods are not in trouble, and what
//! is missing is no more than the strategy allows. Where no pod serves at all, this is the reason for the outage.
//! **Looks alike.** `rollout-deadline`: the new pods never become available.
//! **Mend it.** Git: `strategy.type: RollingUpdate` with `maxUnavailable: 0`, a readinessProbe, and a `preStop` pause.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::index::By;
use crate::diagnose::kin;
use crate::diagnose::kinds::REPLICASETS;
use crate::diagnose::pods::condition;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{int_at, list_at, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "rollout.rs";
    "rollout-deadline" "the rollout did not get its new pods available in time" Degraded ["Deployment"] deadline;
    "rollout-unavailable-window" "the rollout under way leaves fewer pods than wanted" Degraded ["Deployment"] window;
}

/// `2 of 3 pods available` and the strategy.
fn standing(deployment: &Value) -> String {
    let n = |field: &str| int_at(deployment, field).unwrap_or_default();
    let wanted = kin::replicas(deployment).unwrap_or_default();
    format!(
        "{} of {wanted} pods available, {} of the new revision",
        n("/status/availableReplicas"),
        n("/status/updatedReplicas")
    )
}

fn deadline(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(progress) = condition(suspect.object, "Progressing")
        .filter(|c| str_at(c, "/status") == "False" && str_at(c, "/reason") == "ProgressDeadlineExceeded")
    else {
        return Ok(Vec::new());
    };
    let age = case.age(str_at(progress, "/lastTransitionTime"));
    let pods = kin::pods_of(case, suspect.object)?;
    let undo = kin::undo(case, suspect.object)?;
    let text = format!("The rollout of {} is stuck: its new pods did not become available in time.", suspect.at);
    Ok(vec![
        Match::on(&suspect.at, text)
            .evidence_aged(
                &suspect.at,
                "status.conditions[Progressing]",
                "ProgressDeadlineExceeded",
                age,
                str_at(progress, "/message"),
            )
            .evidence(&suspect.at, "status.availableReplicas", "", standing(suspect.object))
            .because_all(kin::ill_pods(case, &pods))
            .because_cause("rs-failed-create")
            .fix(case.fix(
                suspect.object,
                "spec.template",
                if undo.is_empty() { "mend the new pods" } else { "mend the new pods, or go back a revision" },
                undo,
            )?),
    ])
}

/// Pods that a Deployment may lack during a rollout (kubernetes `pkg/controller/deployment/util`, ResolveFenceposts):
/// `maxUnavailable` in percent rounds down, `maxSurge` up, and both cannot be 0. Recreate may lack all.
fn may_lack(deployment: &Value, wanted: i64) -> i64 {
    if str_at(deployment, "/spec/strategy/type") == "Recreate" {
        return wanted;
    }
    let of = |field: &str, up: bool| {
        let value = deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
        match value {
            Some(Value::Number(n)) => n.as_i64().unwrap_or_default(),
            Some(Value::String(text)) => percent(text, wanted, up),
            _ => percent("25%", wanted, up),
        }
    };
    match (of("maxUnavailable", false), of("maxSurge", true)) {
        (0, 0) => 1,
        (lack, _) => lack,
    }
}

fn percent(text: &str, of: i64, up: bool) -> i64 {
    let part = text.trim_end_matches('%').parse::<i64>().unwrap_or_default().saturating_mul(of);
    part.saturating_add(if up { 99 } else { 0 }) / 100
}

/// Whether a Deployment without old pods is between two revisions: it ends them first, and its newest ReplicaSet is
/// new. A first rollout replaces nothing, and scaling up is no rollout.
fn recreated(case: &Case<'_>, deployment: &Value) -> Fact<bool> {
    let revision = kin::revision(deployment);
    if str_at(deployment, "/spec/strategy/type") != "Recreate" || revision <= 1 {
        return Ok(false);
    }
    let owner = str_at(deployment, "/metadata/uid");
    let sets = case.list_by(REPLICASETS, Some(namespace(deployment)), By::Owner, owner)?;
    let newest = sets.into_iter().find(|rs| kin::revision(rs) == revision);
    let deadline = int_at(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    Ok(newest.is_some_and(|rs| case.age_of(rs) < deadline))
}

fn window(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (object, at) = (suspect.object, &suspect.at);
    let n = |field: &str| int_at(object, field).unwrap_or_default();
    let Some(progress) = condition(object, "Progressing").filter(|c| {
        str_at(c, "/status") == "True"
            && matches!(str_at(c, "/reason"), "ReplicaSetUpdated" | "NewReplicaSetCreated" | "FoundNewReplicaSet")
    }) else {
        return Ok(Vec::new());
    };
    let wanted = kin::replicas(object).unwrap_or_default();
    let (available, old) = (n("/status/availableReplicas"), n("/status/replicas") - n("/status/updatedReplicas"));
    let lacks = wanted - available;
    if lacks <= 0 || lacks > may_lack(object, wanted) || (old <= 0 && !recreated(case, object)?) {
        return Ok(Vec::new());
    }
    let pods = kin::pods_of(case, object)?;
    if !kin::ill_pods(case, &pods).is_empty() {
        return Ok(Vec::new());
    }
    let strategy = match str_at(object, "/spec/strategy/type") {
        "Recreate" => "Recreate ends all old pods before it starts new ones".to_owned(),
        _ => format!("RollingUpdate lets {} of {wanted} pods be missing", may_lack(object, wanted)),
    };
    let text = match available {
        0 => format!("No pod of {at} serves while it is rolled out."),
        _ => format!("{at} lacks {lacks} of {wanted} pods while it is rolled out."),
    };
    let mut m = Match::on(at, text)
        .confidence(Confidence::Medium)
        .evidence(at, "spec.strategy", str_at(object, "/spec/strategy/type"), strategy)
        .evidence(at, "status.availableReplicas", &available.to_string(), standing(object));
    let deadline = int_at(object, "/spec/progressDeadlineSeconds").unwrap_or(600);
    if let Some(age) = case.age(str_at(progress, "/lastUpdateTime")) {
        let left = human((deadline - age).max(0));
        let text = format!("last progress {} ago; Kubernetes calls it stuck in {left}", human(age));
        m = m.evidence_aged(at, "status.conditions[Progressing]", str_at(progress, "/reason"), Some(age), text);
    }
    for container in
        list_at(object, "/spec/template/spec/containers").iter().filter(|c| c.get("readinessProbe").is_none())
    {
        let text =
            format!("container {} has no readinessProbe: it counts as ready at once", str_at(container, "/name"));
        m = m.evidence(at, "spec.template.spec.containers[].readinessProbe", "", text);
    }
    let what = "in progress, wait for it; for the next time let no pod go before its successor is ready";
    let m = m.fix(case.fix(object, "spec.strategy.rollingUpdate.maxUnavailable", what, "")?);
    // Where others still serve, this is how a rollout looks.
    Ok(vec![if available == 0 { m } else { m.aside() }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_rollout_may_lack() {
        let with = |update: Value| json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": update}}});
        assert_eq!(may_lack(&json!({"spec": {"strategy": {"type": "Recreate"}}}), 3), 3);
        assert_eq!(may_lack(&json!({}), 3), 0, "25 % of 3, rounded down");
        assert_eq!(may_lack(&json!({}), 8), 2);
        assert_eq!(may_lack(&with(json!({"maxUnavailable": "0%", "maxSurge": 0})), 3), 1, "both 0: forced to 1");
        assert_eq!(may_lack(&with(json!({"maxUnavailable": 2})), 3), 2);
    }
}
