//! Evictions: deletions that disruption budgets may refuse (`pkg/registry/core/pod/storage/eviction.go`).

use super::pod;
use crate::sim::http::{self as web, Body};
use crate::sim::server::{Call, Cluster, Target, parse_body};
use crate::sim::store::{DeleteOptions, Failure};
use crate::world::object::{ResourceId, int_at, list_at, name, str_at};
use crate::world::selector::Selector;
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Evicts a pod.
///
/// # Errors
/// 429 when a budget does not allow it, 500 when several budgets cover the pod, and those of a deletion.
pub fn answer(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let eviction = parse_body(call)?;
    let mut options = options(&eviction);
    options.dry_run |= call.dry_run();
    let pod = pod(cluster, target)?;
    if needs_a_budget(&pod) {
        ask_budgets(cluster, target, &pod, options.dry_run)?;
    }
    if !options.dry_run {
        check_uid(target, &pod, &options)?;
        mark(cluster, target)?;
    }
    cluster.store.delete(&target.kind.id, &target.namespace, &target.name, &options)?;
    Ok(web::json(201, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})))
}

fn options(eviction: &Value) -> DeleteOptions {
    let some = |at: &str| Some(str_at(eviction, at).to_string()).filter(|text| !text.is_empty());
    DeleteOptions {
        grace: int_at(eviction, "/deleteOptions/gracePeriodSeconds"),
        uid: some("/deleteOptions/preconditions/uid"),
        version: some("/deleteOptions/preconditions/resourceVersion"),
        dry_run: list_at(eviction, "/deleteOptions/dryRun").iter().any(|entry| entry == "All"),
        ..DeleteOptions::default()
    }
}

/// Pods that have not started, have ended or are already going are no loss to anybody's budget.
fn needs_a_budget(pod: &Value) -> bool {
    let over = matches!(str_at(pod, "/status/phase"), "Succeeded" | "Failed" | "Pending");
    !over && str_at(pod, "/metadata/deletionTimestamp").is_empty()
}

fn check_uid(target: &Target, pod: &Value, options: &DeleteOptions) -> Result<(), Failure> {
    let have = str_at(pod, "/metadata/uid");
    match &options.uid {
        Some(wanted) if wanted != have => {
            let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {have}");
            Err(Failure::conflict(&target.kind, &target.name, &why))
        }
        _ => Ok(()),
    }
}

/// Tells the pod why it goes.
fn mark(cluster: &Cluster, target: &Target) -> Result<(), Failure> {
    let now = cluster.store.now().rfc3339();
    let condition = json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null, "lastTransitionTime": now,
                           "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"});
    cluster.store.modify(&target.kind.id, &target.namespace, &target.name, |pod| {
        let others =
            list_at(pod, "/status/conditions").iter().filter(|c| str_at(c, "/type") != "DisruptionTarget").cloned();
        let conditions: Vec<Value> = others.chain([condition]).collect();
        if pod["status"].is_object() {
            pod["status"]["conditions"] = conditions.into();
        }
    })?;
    Ok(())
}

fn ask_budgets(cluster: &Cluster, target: &Target, pod: &Value, dry: bool) -> Result<(), Failure> {
    let budgets = ResourceId::new("policy", "poddisruptionbudgets");
    let covers = |budget: &Arc<Value>| {
        let selector = budget.pointer("/spec/selector").filter(|selector| selector.is_object());
        selector.is_some_and(|selector| Selector::from_value(selector).matches(pod.pointer("/metadata/labels")))
    };
    let all = cluster.store.list(&budgets, Some(&target.namespace));
    let covering: Vec<Arc<Value>> = all.into_iter().filter(covers).collect();
    match covering.as_slice() {
        [] => Ok(()),
        [budget] if unhealthy_may_go(budget, pod) => Ok(()),
        [budget] => spend(cluster, &budgets, budget, pod, dry),
        _ => {
            let sentence =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            Err(Failure::new(500, "InternalError", sentence))
        }
    }
}

/// A pod that is not ready spends nothing where the policy says so.
fn unhealthy_may_go(budget: &Value, pod: &Value) -> bool {
    let ready = list_at(pod, "/status/conditions")
        .iter()
        .any(|c| str_at(c, "/type") == "Ready" && str_at(c, "/status") == "True");
    let count = |at: &str| int_at(budget, at).unwrap_or(0);
    let healthy =
        count("/status/currentHealthy") >= count("/status/desiredHealthy") && count("/status/desiredHealthy") > 0;
    !ready && (str_at(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow" || healthy)
}

/// Takes one disruption from a budget, or says why there is none.
fn spend(cluster: &Cluster, id: &ResourceId, budget: &Value, pod: &Value, dry: bool) -> Result<(), Failure> {
    let count = |at: &str| int_at(budget, at).unwrap_or(0);
    if count("/status/observedGeneration") < count("/metadata/generation") {
        return Err(refused(format!("The disruption budget {} is still being processed by the server.", name(budget))));
    }
    if count("/status/disruptionsAllowed") <= 0 {
        return Err(refused(format!(
            "The disruption budget {} needs {} healthy pods and has {} currently",
            name(budget),
            count("/status/desiredHealthy"),
            count("/status/currentHealthy")
        )));
    }
    if dry {
        return Ok(());
    }
    let (now, gone) = (cluster.store.now().rfc3339(), name(pod).to_string());
    cluster.store.modify(id, str_at(budget, "/metadata/namespace"), name(budget), |budget| {
        let left = int_at(budget, "/status/disruptionsAllowed").unwrap_or(0) - 1;
        if let Some(status) = budget.get_mut("status").and_then(Value::as_object_mut) {
            status.insert("disruptionsAllowed".into(), left.max(0).into());
            if let Some(pods) = status.entry("disruptedPods").or_insert_with(|| json!({})).as_object_mut() {
                pods.insert(gone, now.into());
            }
        }
    })?;
    Ok(())
}

fn refused(cause: String) -> Failure {
    let sentence = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut failure = Failure::new(429, "TooManyRequests", sentence);
    failure.details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]}).into();
    failure
}
