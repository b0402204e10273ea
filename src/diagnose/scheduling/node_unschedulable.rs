//! NodeUnschedulable: a cordoned node takes only pods that tolerate `node.kubernetes.io/unschedulable:NoSchedule`.
//!
//! Source: `pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go`.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node::Node;
use super::pod::{Pod, Taint};
use super::snapshot::Snapshot;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) were unschedulable";
/// The taint that a cordon adds.
pub const TAINT: &str = "node.kubernetes.io/unschedulable";

struct NodeUnschedulable {
    tolerated: bool,
}

/// Looks at the pod's tolerations once.
pub fn prepare<'a>(_: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let taint = Taint { key: TAINT.into(), value: String::new(), effect: "NoSchedule".into() };
    let tolerated = pod.tolerations.iter().any(|t| t.tolerates(&taint));
    Ok(Some(Box::new(NodeUnschedulable { tolerated })))
}

impl Filter for NodeUnschedulable {
    fn check(&self, node: &Node) -> Reasons {
        fail_unless(!node.unschedulable || self.tolerated, REASON)
    }
}
