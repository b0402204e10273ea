//! NodePorts: a host port must be free on the node.
//!
//! Source: `pkg/scheduler/framework/plugins/nodeports/node_ports.go`.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node::Node;
use super::pod::{HostPort, Pod};
use super::snapshot::Snapshot;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

struct NodePorts<'a>(&'a [HostPort]);

/// Takes the pod's host ports.
pub fn prepare<'a>(_: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    Ok((!pod.ports.is_empty()).then(|| Box::new(NodePorts(&pod.ports)) as _))
}

/// The first wanted port that is taken on the node.
pub fn taken<'p>(wanted: &'p [HostPort], node: &Node) -> Option<&'p HostPort> {
    wanted.iter().find(|port| node.ports.iter().any(|used| used.conflicts(port)))
}

impl Filter for NodePorts<'_> {
    fn check(&self, node: &Node) -> Reasons {
        fail_unless(taken(self.0, node).is_none(), REASON)
    }
}
