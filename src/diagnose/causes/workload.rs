//! Workloads: what keeps them from having the pods they should have.
//!
//! | file | causes |
//! |---|---|
//! | [`replicas`] | nothing is wanted: scaled to zero, paused, suspended |
//! | [`rollout`] | Deployments that do not get their new pods, or have none in between |
//! | [`statefulset`], [`daemonset`], [`job`] | the rules of these controllers |
//! | [`autoscaler`] | HorizontalPodAutoscalers that cannot scale |

use crate::diagnose::facts::Case;
use crate::world::object::{list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

pub(super) mod autoscaler;
pub(super) mod daemonset;
pub(super) mod job;
pub(super) mod replicas;
pub(super) mod rollout;
pub(super) mod statefulset;

/// Who set a field last, by managedFields: `manager, when`.
pub(super) fn writer(object: &Value, path: &[&str]) -> Option<(String, String)> {
    list_at(object, "/metadata/managedFields")
        .iter()
        .filter(|entry| {
            let mut at = entry.get("fieldsV1");
            for step in path {
                at = at.and_then(|v| v.get(format!("f:{step}")));
            }
            at.is_some()
        })
        .max_by_key(|entry| str_at(entry, "/time"))
        .map(|entry| (str_at(entry, "/manager").to_owned(), str_at(entry, "/time").to_owned()))
}

/// `spec.paused was set by kubectl 5m ago`, or `None` where nobody owns the field.
fn set_by(case: &Case<'_>, object: &Value, path: &[&str]) -> Option<String> {
    let (manager, time) = writer(object, path)?;
    let ago = case.age(&time).map_or(String::new(), |s| format!(" {} ago", human(s)));
    Some(format!("{} was set by {manager}{ago}", path.join(".")))
}
