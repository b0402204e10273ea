//! What containers use now, as the metrics API says (`metrics.k8s.io`, served by metrics-server or another adapter).
//! A cluster need not have it: without it there is simply nothing to say.

use super::facts::{Case, Fact};
use super::kinds::POD_METRICS;
use crate::world::object::{list_at, name, namespace, str_at};
use crate::world::quantity::Quantity;
use serde_json::Value;

/// What a container uses, averaged over the metrics' window (about 15 to 60 s).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Thousandths of a CPU.
    pub cpu_milli: i64,
    /// Bytes of working set: what counts against the limit and cannot be given back at once.
    pub memory: i64,
}

/// What one container of a pod uses; `None` where no metrics are to be had.
pub fn usage(case: &Case<'_>, pod: &Value, container: &str) -> Fact<Option<Usage>> {
    let metrics = case.optional(&POD_METRICS.at(namespace(pod), name(pod)))?;
    let of_container = metrics.and_then(|m| list_at(m, "/containers").iter().find(|c| str_at(c, "/name") == container));
    Ok(of_container.and_then(|c| {
        Some(Usage {
            cpu_milli: Quantity::parse(str_at(c, "/usage/cpu"))?.milli(),
            memory: Quantity::parse(str_at(c, "/usage/memory"))?.units(),
        })
    }))
}
