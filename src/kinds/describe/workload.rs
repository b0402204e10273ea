//! Deployments, ReplicaSets, StatefulSets and DaemonSets: wanted against there, how they roll out, their pod template.

use super::page::Page;
use super::{Mark, conditions, scalar, template};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::selector::Selector;
use serde_json::Value;

/// The part of a description that is special to a Deployment.
pub fn deployment(page: &mut Page, object: &Value) {
    selector(page, object);
    let wanted = int_at(object, "/spec/replicas").unwrap_or(1);
    replicas(
        page,
        object,
        wanted,
        "/status/availableReplicas",
        &[
            ("updated", "/status/updatedReplicas"),
            ("total", "/status/replicas"),
            ("available", "/status/availableReplicas"),
            ("unavailable", "/status/unavailableReplicas"),
        ],
    );
    if bool_at(object, "/spec/paused") {
        page.warn("Paused", "Yes");
    }
    page.some("Strategy", strategy(object, "/spec/strategy"));
    page.at("Min ready seconds", object, "/spec/minReadySeconds");
    page.at("Progress deadline", object, "/spec/progressDeadlineSeconds");
    conditions(page, object, |kind| if kind == "ReplicaFailure" { "False" } else { "True" });
    pods(page, object);
}

/// The part of a description that is special to a ReplicaSet.
pub fn replica_set(page: &mut Page, object: &Value) {
    selector(page, object);
    let wanted = int_at(object, "/spec/replicas").unwrap_or(1);
    replicas(
        page,
        object,
        wanted,
        "/status/readyReplicas",
        &[
            ("current", "/status/replicas"),
            ("ready", "/status/readyReplicas"),
            ("available", "/status/availableReplicas"),
        ],
    );
    conditions(page, object, |_| "False");
    pods(page, object);
}

/// The part of a description that is special to a StatefulSet.
pub fn stateful_set(page: &mut Page, object: &Value) {
    selector(page, object);
    let wanted = int_at(object, "/spec/replicas").unwrap_or(1);
    replicas(
        page,
        object,
        wanted,
        "/status/readyReplicas",
        &[
            ("current", "/status/currentReplicas"),
            ("updated", "/status/updatedReplicas"),
            ("total", "/status/replicas"),
            ("ready", "/status/readyReplicas"),
        ],
    );
    page.at("Service", object, "/spec/serviceName");
    page.some("Strategy", strategy(object, "/spec/updateStrategy"));
    page.at("Pod management", object, "/spec/podManagementPolicy");
    page.list("Volume claims", list_at(object, "/spec/volumeClaimTemplates").iter().map(claim), "");
    conditions(page, object, |_| "True");
    pods(page, object);
}

/// The part of a description that is special to a DaemonSet.
pub fn daemon_set(page: &mut Page, object: &Value) {
    selector(page, object);
    let wanted = int_at(object, "/status/desiredNumberScheduled").unwrap_or(0);
    replicas(
        page,
        object,
        wanted,
        "/status/numberReady",
        &[
            ("current", "/status/currentNumberScheduled"),
            ("updated", "/status/updatedNumberScheduled"),
            ("ready", "/status/numberReady"),
            ("available", "/status/numberAvailable"),
            ("misscheduled", "/status/numberMisscheduled"),
        ],
    );
    page.some("Strategy", strategy(object, "/spec/updateStrategy"));
    conditions(page, object, |_| "True");
    pods(page, object);
}

/// `spec.selector` the way kubectl writes it.
pub fn selector(page: &mut Page, object: &Value) {
    if let Some(value) = object.pointer("/spec/selector") {
        page.field("Selector", selector_text(value));
    }
}

/// A label selector as text; the object itself where it cannot be read.
fn selector_text(value: &Value) -> String {
    let text = Selector::from_value(value).to_string();
    if text.is_empty() { value.to_string() } else { text }
}

/// `3 wanted, 2 updated, 3 total`; worth a look when fewer are up than wanted.
fn replicas(page: &mut Page, object: &Value, wanted: i64, up: &str, counts: &[(&str, &str)]) {
    let n = |pointer: &str| int_at(object, pointer).unwrap_or(0);
    let parts = counts.iter().map(|(word, pointer)| format!("{} {word}", n(pointer)));
    let text = std::iter::once(format!("{wanted} wanted")).chain(parts).collect::<Vec<_>>().join(", ");
    page.marked(if n(up) < wanted { Mark::Warn } else { Mark::Plain }, "Replicas", text);
}

/// `RollingUpdate, maxSurge 25%, maxUnavailable 25%`
fn strategy(object: &Value, pointer: &str) -> String {
    let Some(strategy) = object.pointer(pointer) else { return String::new() };
    let rolling = strategy.get("rollingUpdate").and_then(Value::as_object).into_iter().flatten();
    let facts = rolling.map(|(key, value)| format!("{key} {}", scalar(value)));
    std::iter::once(str_at(strategy, "/type").to_string()).chain(facts).collect::<Vec<_>>().join(", ")
}

fn claim(template: &Value) -> String {
    let size = str_at(template, "/spec/resources/requests/storage");
    let class = match str_at(template, "/spec/storageClassName") {
        "" => "the default class",
        class => class,
    };
    format!("{}: {size} of {class}", str_at(template, "/metadata/name"))
}

fn pods(page: &mut Page, object: &Value) {
    if let Some(pods) = object.pointer("/spec/template") {
        template::describe(page, pods);
    }
}
