//! Pods that a ResourceQuota refuses.
//!
//! ## rs-failed-create-quota
//! **You see.** `0/3` and no pods; or a rollout whose new pods never come.
//! **Why.** A ResourceQuota of the namespace is used up.
//! **How kokpit knows.** Condition ReplicaFailure (or the controller's event) says `exceeded quota`; what is asked, used
//! and allowed now is compared again, and who uses most is shown.
//! **Looks alike.** `workload-scaled-to-zero`: no pods are wanted. `rs-failed-create-quota-unset`: there is room, but the
//! pods do not say how much they need.
//! **Mend it.** Raise the quota, scale something down, lower the requests; `maxSurge: 0` if only the rollout needs room.
//!
//! ## rs-failed-create-quota-unset
//! **You see.** `0/3` and no pods.
//! **Why.** A ResourceQuota limits a resource, so every container, init containers included, must say how much of it it
//! wants; one does not.
//! **How kokpit knows.** `failed quota: … must specify … for: …` names resource and containers. A named container that
//! the template does not have was put in by a webhook.
//! **Looks alike.** `rs-failed-create-quota`: the amounts are given, and too much.
//! **Mend it.** Git: the container's `resources`; or a LimitRange with defaults for the namespace.
//!
//! ## rs-failed-create-quota-scope
//! **You see.** `0/3` and no pods.
//! **Why.** The cluster allows pods of this kind (mostly: of this priority class; GKE does so with `system-node-critical`)
//! only where a quota covers them, and none in the namespace does; or a quota's status has not been counted yet.
//! **How kokpit knows.** `insufficient quota to match these scopes`, `insufficient quota to consume` or `status unknown
//! for quota`.
//! **Looks alike.** `rs-failed-create-quota`: a quota covers them and is used up.
//! **Mend it.** A ResourceQuota with a matching `scopeSelector` in the namespace, or another `priorityClassName`.

use super::{WORKLOADS, refusal};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::scheduling::requests;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::quantity::{Quantity, human_cpu};
use serde_json::Value;

causes! { "quota.rs";
    "rs-failed-create-quota" "a ResourceQuota refuses the pods" Outage WORKLOADS used_up;
    "rs-failed-create-quota-unset" "a ResourceQuota wants amounts that a container does not give" Outage WORKLOADS unset;
    "rs-failed-create-quota-scope" "no ResourceQuota covers pods of this kind" Outage WORKLOADS out_of_scope;
}

/// A resource in a refusal: what was requested, used and allowed, in the server's words.
struct Share<'m> {
    resource: &'m str,
    requested: &'m str,
    used: &'m str,
    limit: &'m str,
}

/// Reads `exceeded quota: q, requested: a=1,b=2, used: a=3,b=4, limited: a=3,b=5` (apiserver
/// `pkg/admission/plugin/resourcequota/controller.go`): the quota, and every resource that does not fit.
fn exceeded(message: &str) -> Option<(&str, Vec<Share<'_>>)> {
    let rest = message.split_once("exceeded quota: ")?.1;
    let (quota, rest) = rest.split_once(", requested: ")?;
    let (requested, rest) = rest.split_once(", used: ")?;
    let (used, limited) = rest.split_once(", limited: ")?;
    let shares = requested.split(',').filter_map(|pair| {
        let (resource, requested) = pair.trim().split_once('=')?;
        Some(Share { resource, requested, used: amount(used, resource)?, limit: amount(limited, resource)? })
    });
    Some((quota, shares.collect()))
}

/// The amount of a resource in `a=1,b=2`.
fn amount<'m>(list: &'m str, resource: &str) -> Option<&'m str> {
    list.split(',').filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == resource).map(|(_, n)| n)
}

fn used_up(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-quota")? else { return Ok(Vec::new()) };
    let Some((quota, shares)) = exceeded(&refusal.message) else {
        return Ok(vec![refusal.found(suspect, &suspect.at)]);
    };
    let at = QUOTAS.at(&suspect.at.namespace, quota);
    let mut m = refusal.found(suspect, &at);
    for share in &shares {
        let Share { resource, requested, used, limit } = share;
        let text = format!("{resource}: requested {requested}, used {used} of {limit}");
        m = m.evidence(&at, &format!("status.used[{resource}]"), used, text);
    }
    let object = case.get(&at).known()?.flatten();
    if let Some(why) = room_by_now(object, &shares) {
        let (kind, ns, name) = (suspect.at.kind.to_lowercase(), &suspect.at.namespace, &suspect.at.name);
        m = m.confidence(Confidence::Medium).evidence(&at, "status", "", why);
        m = m.fix(Fix {
            summary: "wait for the controller's next try, or start one".into(),
            live: match suspect.at.kind.as_str() {
                "Deployment" | "StatefulSet" | "DaemonSet" => {
                    format!("kubectl -n {ns} rollout restart {kind}/{name}")
                }
                _ => String::new(),
            },
            ..Fix::default()
        });
    }
    if let Some(share) = shares.first() {
        m = top_consumer(case, &at, share.resource, m)?;
    }
    let live = format!("kubectl -n {} edit resourcequota {quota}", at.namespace);
    let what = "raise the quota, scale something down, or lower the requests";
    Ok(vec![m.fix(case.fix(object.unwrap_or(suspect.object), "spec.hard", what, live)?)])
}

/// Why the refusal may be over: the quota is gone, or has room for what was requested.
fn room_by_now(quota: Option<&Value>, shares: &[Share<'_>]) -> Option<&'static str> {
    let Some(quota) = quota else {
        return Some("the quota does not exist any more; the controller tries again by itself");
    };
    let of = |field: &str, resource: &str| {
        let amount = quota.pointer(&format!("/status/{field}")).and_then(|map| map.get(resource));
        amount.and_then(Value::as_str).and_then(Quantity::parse)
    };
    let fits = |share: &Share<'_>| {
        let (used, hard) = (of("used", share.resource)?, of("hard", share.resource)?);
        Some(used.0 + Quantity::parse(share.requested)?.0 <= hard.0)
    };
    let all = !shares.is_empty() && shares.iter().all(|share| fits(share) == Some(true));
    all.then_some(
        "the quota has room for them by now; the controller tries again by itself, at the latest after minutes",
    )
}

/// Evidence: the workload of the namespace that asks for most of a resource.
fn top_consumer(case: &Case<'_>, at: &ObjectRef, resource: &str, m: Match) -> Fact<Match> {
    let resource = resource.strip_prefix("requests.").unwrap_or(resource);
    if !matches!(resource, "cpu" | "memory" | "ephemeral-storage" | "pods") {
        return Ok(m);
    }
    let mut most: Vec<(i64, usize, i64, &str)> = Vec::new();
    for workload in kin::workloads(case, &at.namespace)? {
        let each = match resource {
            "pods" => 1,
            _ => workload.pointer("/spec/template").map_or(0, |t| requests::of_new_pod(t).get(resource)),
        };
        let pods = kin::pods_of(case, workload)?.len();
        most.push((each.saturating_mul(i64::try_from(pods).unwrap_or(0)), pods, each, name(workload)));
    }
    let Some((total, pods, each, who)) = most.into_iter().max().filter(|(total, ..)| *total > 0) else { return Ok(m) };
    let human = |amount| match resource {
        // Thousandths, so that the parts are seen to make the sum.
        "cpu" => format!("{amount}m"),
        other => requests::human(other, amount),
    };
    let total = if resource == "cpu" { human_cpu(total) } else { human(total) };
    Ok(m.evidence(at, "", who, format!("top consumer {who} {total} ({pods} x {})", human(each))))
}

fn unset(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-quota-unset")? else { return Ok(Vec::new()) };
    let mut m = refusal.found(suspect, &suspect.at);
    let quota = refusal.between("failed quota: ", ":").unwrap_or_default();
    let wanted = refusal.message.split_once("must specify ").map_or("", |(_, list)| list);
    for part in wanted.split("; ") {
        let Some((resource, containers)) = part.split_once(" for: ") else { continue };
        for container in containers.split(',').map(str::trim) {
            let text = match template_has(suspect.object, container) {
                true => format!("container {container} does not set {resource}, which quota {quota} limits"),
                false => format!(
                    "container {container} does not set {resource}; the template does not have it: a webhook puts it in"
                ),
            };
            m = m.evidence(&suspect.at, "spec.template.spec.containers[].resources", resource, text);
        }
    }
    let what = "set requests and limits of the containers named, or give the namespace a LimitRange with defaults";
    Ok(vec![m.fix(case.fix(suspect.object, "spec.template.spec.containers[].resources", what, "")?)])
}

fn template_has(workload: &Value, container: &str) -> bool {
    ["containers", "initContainers"].iter().any(|list| {
        list_at(workload, &format!("/spec/template/spec/{list}")).iter().any(|c| str_at(c, "/name") == container)
    })
}

fn out_of_scope(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-quota-scope")? else { return Ok(Vec::new()) };
    let class = match str_at(suspect.object, "/spec/template/spec/priorityClassName") {
        "" => "no priorityClassName".to_owned(),
        class => format!("priorityClassName {class}"),
    };
    let mut m = refusal.found(suspect, &suspect.at).evidence(
        &suspect.at,
        "spec.template.spec.priorityClassName",
        &class,
        format!("the pod template has {class}"),
    );
    for quota in case.list(QUOTAS, Some(namespace(suspect.object))).known()?.unwrap_or_default() {
        let at = ObjectRef::of(quota);
        let scopes: Vec<String> =
            list_at(quota, "/spec/scopeSelector/matchExpressions").iter().map(scope_in_words).collect();
        let text = if scopes.is_empty() { "all pods".to_owned() } else { scopes.join(", ") };
        m = m.evidence(&at, "spec.scopeSelector", &text, format!("{at} covers {text}"));
    }
    let what = "add a ResourceQuota whose scopeSelector covers these pods, or change their priorityClassName";
    Ok(vec![m.fix(case.fix(suspect.object, "spec.template.spec.priorityClassName", what, "")?)])
}

/// `PriorityClass In high, low`.
fn scope_in_words(expression: &Value) -> String {
    let values: Vec<&str> = list_at(expression, "/values").iter().filter_map(Value::as_str).collect();
    format!("{} {} {}", str_at(expression, "/scopeName"), str_at(expression, "/operator"), values.join(", "))
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_of_a_refusal_is_read() {
        let text = "pods \"web-1\" is forbidden: exceeded quota: team, requested: limits.memory=1Gi,requests.cpu=500m, \
                    used: limits.memory=3Gi,requests.cpu=2, limited: limits.memory=4Gi,requests.cpu=2";
        let (quota, shares) = exceeded(text).expect("it is one");
        let shares: Vec<_> = shares.iter().map(|s| (s.resource, s.requested, s.used, s.limit)).collect();
        assert_eq!(quota, "team");
        assert_eq!(shares, [("limits.memory", "1Gi", "3Gi", "4Gi"), ("requests.cpu", "500m", "2", "2")]);
        assert!(exceeded("pods \"web-1\" is forbidden: exceeded quota").is_none());
    }
}
