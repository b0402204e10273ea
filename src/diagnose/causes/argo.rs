//! Argo CD Applications: unknown, refused, stuck, drifted, degraded, stale.
//!
//! | file | which part of it |
//! |---|---|
//! | [`project`] | the project refuses the Application |
//! | [`source`] | manifests that cannot be fetched, rendered or compared |
//! | [`refused`] | syncs that failed because an object was refused |
//! | [`automation`] | whether and when Argo CD syncs by itself |
//! | [`waiting`] | syncs that run and wait |
//! | [`drift`] | objects that differ from git although the last sync succeeded |
//! | [`ownership`] | which objects belong to an Application |
//! | [`health`] | the health of an Application |
//! | [`freshness`] | a status that is old |

use super::Cause;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::Lead;
use crate::diagnose::git::field_of;
use crate::diagnose::kin;
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::Value;

mod automation;
mod drift;
mod freshness;
mod health;
mod ownership;
mod project;
mod refused;
mod source;
mod waiting;

/// The families of this folder.
pub static FAMILIES: &[&[Cause]] = &[
    project::CAUSES,
    source::CAUSES,
    refused::CAUSES,
    automation::CAUSES,
    waiting::CAUSES,
    drift::CAUSES,
    ownership::CAUSES,
    health::CAUSES,
    freshness::CAUSES,
];

/// A condition of the Application by its type.
fn condition<'a>(app: &'a Value, kind: &str) -> Option<&'a Value> {
    list_at(app, "/status/conditions").iter().find(|c| str_at(c, "/type") == kind)
}

fn reference(resource: &Value) -> ObjectRef {
    let at = |field: &str| str_at(resource, field);
    ObjectRef::new(at("/group"), at("/kind"), at("/namespace"), at("/name"))
}

fn out_of_sync(app: &Value) -> Vec<&Value> {
    list_at(app, "/status/resources").iter().filter(|r| str_at(r, "/status") == "OutOfSync").collect()
}

/// A fix in the repository that the Application deploys from.
fn in_git(app: &Value, summary: impl Into<String>, field: &str, live: &str) -> Fix {
    Fix { summary: summary.into(), live: live.into(), git: Some(field_of(app, field)), verified: false }
}

/// The workload of an Argo CD component in the Application's namespace.
fn component(case: &Case<'_>, app: &Value, which: &str) -> Fact<Vec<Lead>> {
    let home = match str_at(app, "/status/controllerNamespace") {
        "" => namespace(app),
        ns => ns,
    };
    let all = kin::workloads(case, home)?;
    Ok(all.into_iter().filter(|w| name(w).ends_with(which)).map(|w| Lead::to(ObjectRef::of(w))).collect())
}
