//! NodeName: a pod that names its node fits no other.
//!
//! Source: `pkg/scheduler/framework/plugins/nodename/node_name.go`.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node::Node;
use super::pod::Pod;
use super::snapshot::Snapshot;
use crate::world::object::str_at;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) didn't match the requested node name";

struct NodeName<'a>(&'a str);

/// Reads `spec.nodeName`.
pub fn prepare<'a>(_: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let name = str_at(pod.raw, "/spec/nodeName");
    Ok((!name.is_empty()).then(|| Box::new(NodeName(name)) as _))
}

impl Filter for NodeName<'_> {
    fn check(&self, node: &Node) -> Reasons {
        fail_unless(node.name == self.0, REASON)
    }
}
