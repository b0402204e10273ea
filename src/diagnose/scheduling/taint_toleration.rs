//! TaintToleration: every `NoSchedule` and `NoExecute` taint of a node must be tolerated.
//!
//! Source: `pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go`. Since 1.34 the reason no longer names
//! the taint (`message` reads the older words too).

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node::Node;
use super::pod::{Pod, Toleration, untolerated};
use super::snapshot::Snapshot;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) had untolerated taint(s)";

struct TaintToleration<'a>(&'a [Toleration]);

/// Takes the pod's tolerations.
pub fn prepare<'a>(_: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    Ok(Some(Box::new(TaintToleration(&pod.tolerations))))
}

impl Filter for TaintToleration<'_> {
    fn check(&self, node: &Node) -> Reasons {
        fail_unless(untolerated(&node.taints, self.0).is_none(), REASON)
    }
}
