//! Argo CD Applications: unknown, refused, stuck, drifted, degraded, stale.
//!
//! | file | which part of it |
//! |---|---|
//! | [`project`] | the project refuses the Application |
//! | [`source`] | manifests that cannot be fetched, rendered or compared |
//! | [`refused`] | syncs that failed because an object was refused |
//! | [`automation`] | whether and when Argo CD syncs by itself |
//! | [`sync_window`] | the times at which a project lets nothing be synced |
//! | [`waiting`] | syncs that run and wait |
//! | [`drift`] | objects that differ from git although the last sync succeeded |
//! | [`fight`] | somebody writes against self-heal |
//! | [`ownership`] | which objects belong to an Application |
//! | [`health`] | the health of an Application |
//! | [`services`] | Services of an Application that lead nowhere, which no health says |
//! | [`freshness`] | a status that is old |
//! | [`lifecycle`] | Applications that are to be deleted and stay |
//! | [`generated`] | Applications that something else makes |

use super::Cause;
use crate::diagnose::facts::{Case, Fact, NOTHING};
use crate::diagnose::finding::Lead;
use crate::diagnose::git::field_of;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::{Value, json};

mod automation;
mod drift;
mod fight;
mod freshness;
mod generated;
mod health;
mod lifecycle;
mod ownership;
mod project;
mod refused;
mod services;
mod source;
mod sync_window;
mod waiting;

/// The families of this folder.
pub static FAMILIES: &[&[Cause]] = &[
    project::CAUSES,
    source::CAUSES,
    refused::CAUSES,
    automation::CAUSES,
    sync_window::CAUSES,
    waiting::CAUSES,
    drift::CAUSES,
    fight::CAUSES,
    ownership::CAUSES,
    health::CAUSES,
    services::CAUSES,
    freshness::CAUSES,
    lifecycle::CAUSES,
    generated::CAUSES,
];

/// A condition of the Application by its type.
fn condition<'a>(app: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(app, "/status/conditions").iter().find(|c| str_at(c, "/type") == kind)
}

/// The object of an entry of `status.resources` or of a sync result.
fn reference(resource: &Value) -> ObjectRef {
    let at = |field: &str| str_at(resource, field);
    ObjectRef::new(at("/group"), at("/kind"), at("/namespace"), at("/name"))
}

fn out_of_sync(app: &Value) -> Vec<&Value> {
    list_at(app, "/status/resources").iter().filter(|r| str_at(r, "/status") == "OutOfSync").collect()
}

/// The running or last operation, null where there was none.
fn operation(app: &Value) -> &Value {
    app.pointer("/status/operationState").unwrap_or(&Value::Null)
}

/// The revisions of a `status.sync` or a sync result: one, or one for each source.
fn revisions(of: &Value) -> Vec<&str> {
    match list_at(of, "/revisions") {
        [] => vec![str_at(of, "/revision")],
        many => many.iter().filter_map(Value::as_str).collect(),
    }
}

/// Whether the last operation was a sync of the very revision that the status compares with.
fn at_synced_revision(app: &Value) -> bool {
    let compared = app.pointer("/status/sync").map(revisions).unwrap_or_default();
    let synced = operation(app).pointer("/syncResult").map(revisions).unwrap_or_default();
    !compared.is_empty() && compared == synced
}

/// Whether an Application is being deleted.
fn is_deleted(app: &Value) -> bool {
    !str_at(app, "/metadata/deletionTimestamp").is_empty()
}

/// The first seven characters of a commit, anything else as it is.
fn short(revision: &str) -> &str {
    revision.get(..7).unwrap_or(revision)
}

/// The namespace of the Argo CD that looks after an Application: with Applications in any namespace it is another one
/// than the Application's own.
fn home(app: &Value) -> &str {
    match str_at(app, "/status/controllerNamespace") {
        "" => namespace(app),
        ns => ns,
    }
}

/// The project of an Application.
fn project_of(app: &Value) -> ObjectRef {
    let project = match str_at(app, "/spec/project") {
        "" => "default",
        project => project,
    };
    APPPROJECTS.at(home(app), project)
}

/// The cluster that an Application deploys to, as Argo CD calls it; `None` where that is the one it lives in.
fn elsewhere(app: &Value) -> Option<&str> {
    let (server, name) = (str_at(app, "/spec/destination/server"), str_at(app, "/spec/destination/name"));
    let plain = server.trim_end_matches('/').trim_end_matches(":443");
    match (plain, name) {
        ("", "" | "in-cluster") | ("https://kubernetes.default.svc" | "https://kubernetes.default", _) => None,
        ("", name) => Some(name),
        _ => Some(server),
    }
}

/// The settings of the Argo CD that looks after an Application, its ConfigMap `argocd-cm`; null where there is none.
fn settings<'a>(case: &Case<'a>, app: &Value) -> Fact<&'a Value> {
    Ok(case.one(CONFIGMAPS, home(app), "argocd-cm")?.and_then(|map| map.get("data")).unwrap_or(&NOTHING))
}

/// A fix in the repository that the Application deploys from.
fn in_git(app: &Value, summary: impl Into<String>, field: &str, live: &str) -> Fix {
    Fix { summary: summary.into(), live: live.into(), git: Some(field_of(app, field)), verified: false }
}

/// A command that patches an Application.
fn patch_command(app: &Value, patch: &Value) -> String {
    let quoted = patch.to_string().replace('\'', r"'\''");
    format!("kubectl -n {} patch applications.argoproj.io {} --type merge -p '{quoted}'", namespace(app), name(app))
}

/// A command that ends the running sync of an Application.
fn terminate_command(app: &Value) -> String {
    patch_command(app, &json!({"status": {"operationState": {"phase": "Terminating"}}}))
}

/// A command that syncs an Application. The options of its policy are repeated: an operation does not inherit them,
/// and without `RespectIgnoreDifferences` it would reset what the user protects.
fn sync_command(app: &Value) -> String {
    if !list_at(app, "/spec/sources").is_empty() {
        return format!("argocd app sync {}/{}", namespace(app), name(app));
    }
    let options = list_at(app, "/spec/syncPolicy/syncOptions");
    let sync = if options.is_empty() { json!({}) } else { json!({"syncOptions": options}) };
    patch_command(app, &json!({"operation": {"initiatedBy": {"username": "kokpit"}, "sync": sync}}))
}

/// The workload of an Argo CD component beside the controller of an Application.
fn component(case: &Case<'_>, app: &Value, which: &str) -> Fact<Vec<Lead>> {
    let all = kin::workloads(case, home(app))?;
    Ok(all.into_iter().filter(|w| name(w).ends_with(which)).map(|w| Lead::to(ObjectRef::of(w))).collect())
}
