//! What an Application's status says.

use super::applications;
use super::compare::{Comparison, Item};
use crate::sim::controllers::meta::{set, time_at};
use crate::sim::controllers::record;
use crate::sim::store::Store;
use crate::world::object::{ObjectRef, list_at, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

/// `status.reconciledAt`
pub fn reconciled_at(app: &Value) -> Time {
    time_at(app, "/status/reconciledAt")
}

/// Writes what a comparison found (or why there is none) into `new`, which goes into the store if it differs from
/// `old` or is to be `touched`. The answer is the Application as it is now.
pub fn report(
    store: &Store,
    old: &Value,
    mut new: Value,
    comparison: &Result<Comparison, String>,
    touched: bool,
) -> Value {
    let now = store.now();
    let source = new.pointer("/spec/source").cloned().unwrap_or_default();
    let compared_to = json!({"source": source, "destination": new.pointer("/spec/destination")});
    set(&mut new, "status.sync.comparedTo", compared_to);
    set(&mut new, "status.controllerNamespace", json!(str_at(old, "/metadata/namespace")));
    match comparison {
        Ok(found) => {
            set(&mut new, "status.sync.status", json!(if found.synced() { "Synced" } else { "OutOfSync" }));
            set(&mut new, "status.sync.revision", json!(found.sha));
            set(&mut new, "status.resources", Value::Array(found.items.iter().map(resource).collect()));
            set(&mut new, "status.sourceType", json!("Directory"));
            set(&mut new, "status.summary", json!({ "images": found.images }));
            set_health(&mut new, found.health().as_str(), now);
        }
        Err(_) => {
            set(&mut new, "status.sync.status", json!("Unknown"));
            set(&mut new, "status.sync.revision", json!(str_at(&source, "/targetRevision")));
            if str_at(&new, "/status/health/status").is_empty() {
                set_health(&mut new, "Healthy", now);
            }
        }
    }
    conditions(&mut new, comparison.as_ref().err().map(String::as_str), now);
    if new == *old && !touched {
        return new;
    }
    set(&mut new, "status.reconciledAt", json!(now.rfc3339()));
    said(store, old, &new);
    match store.update(&applications(), new.clone()) {
        Ok(stored) => (*stored).clone(),
        // Somebody wrote in between; the change wakes the next pass.
        Err(_) => new,
    }
}

fn resource(item: &Item) -> Value {
    let object = &item.object;
    let reference = ObjectRef::of(object);
    let version = str_at(object, "/apiVersion").rsplit('/').next().unwrap_or_default();
    let mut entry = json!({"version": version, "kind": reference.kind, "name": reference.name});
    for (key, value) in [("group", &reference.group), ("namespace", &reference.namespace)] {
        if !value.is_empty() {
            set(&mut entry, key, json!(value));
        }
    }
    set(&mut entry, "status", json!(if item.synced { "Synced" } else { "OutOfSync" }));
    if let Some(health) = item.health {
        set(&mut entry, "health", json!({"status": health.as_str()}));
    }
    if item.superfluous {
        set(&mut entry, "requiresPruning", json!(true));
    }
    entry
}

fn set_health(app: &mut Value, status: &str, now: Time) {
    if str_at(app, "/status/health/status") != status {
        set(app, "status.health", json!({"status": status, "lastTransitionTime": now.rfc3339()}));
    }
}

/// `ComparisonError` while nothing can be compared, `SyncError` while the last automated sync of this revision failed.
fn conditions(app: &mut Value, error: Option<&str>, now: Time) {
    let mut wanted = Vec::new();
    if let Some(error) = error {
        wanted.push(("ComparisonError", error.to_string()));
    }
    let operation = app.pointer("/status/operationState").cloned().unwrap_or_default();
    let revision = str_at(&operation, "/operation/sync/revision");
    let failed = matches!(str_at(&operation, "/phase"), "Failed" | "Error");
    if failed && revision == str_at(app, "/status/sync/revision") && app.pointer("/spec/syncPolicy/automated").is_some()
    {
        let text = format!("Failed last sync attempt to [{revision}]: {}", str_at(&operation, "/message"));
        wanted.push(("SyncError", text));
    }
    let old = list_at(app, "/status/conditions").to_vec();
    let all: Vec<Value> = wanted
        .into_iter()
        .map(|(kind, message)| {
            let same = old.iter().find(|c| str_at(c, "/type") == kind && str_at(c, "/message") == message);
            let since = same.map_or_else(|| now.rfc3339(), |c| str_at(c, "/lastTransitionTime").to_string());
            json!({"type": kind, "message": message, "lastTransitionTime": since})
        })
        .collect();
    match all.is_empty() {
        true => crate::sim::controllers::meta::remove_key(app, "status", "conditions"),
        false => set(app, "status.conditions", Value::Array(all)),
    }
}

/// The events `ResourceUpdated`.
fn said(store: &Store, old: &Value, new: &Value) {
    for (at, what) in [("/status/sync/status", "sync"), ("/status/health/status", "health")] {
        let (from, to) = (str_at(old, at), str_at(new, at));
        if from != to {
            event(store, new, false, "ResourceUpdated", format!("Updated {what} status: {from} -> {to}"));
        }
    }
}

/// An event of the application controller.
pub fn event(store: &Store, app: &Value, warning: bool, reason: &'static str, message: String) {
    record(store, "argocd-application-controller", app, warning, reason, message);
}
