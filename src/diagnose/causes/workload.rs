//! Workloads: what keeps them from having the pods they should have.
//!
//! | file | causes |
//! |---|---|
//! | [`replicas`] | nothing is wanted: scaled to zero, paused, suspended |
//! | [`rollout`] | Deployments that do not get their new pods, or have none in between |
//! | [`statefulset`], [`daemonset`], [`job`] | the rules of these controllers |
//! | [`autoscaler`] | HorizontalPodAutoscalers that cannot scale |

use crate::diagnose::facts::Case;
use crate::world::time::human;
use crate::world::writers::{Path, writers};
use serde_json::Value;

pub(super) mod autoscaler;
pub(super) mod daemonset;
pub(super) mod job;
pub(super) mod replicas;
pub(super) mod rollout;
pub(super) mod statefulset;

/// `spec.paused was set by kubectl 5m ago`, or `None` where nobody owns the field.
fn set_by(case: &Case<'_>, object: &Value, path: &[&str]) -> Option<String> {
    let field = Path::keys(path);
    let writer = writers(object).filter(|w| w.owns(&field)).max_by_key(|w| w.time)?;
    let ago = writer.time.map_or(String::new(), |time| format!(" {} ago", human(time.age(case.now()))));
    Some(format!("{field} was set by {}{ago}", writer.manager))
}
