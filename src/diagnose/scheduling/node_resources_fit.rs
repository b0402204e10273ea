//! NodeResourcesFit: the pod's requests must fit into what the node can give minus what its pods request.
//!
//! Source: `pkg/scheduler/framework/plugins/noderesources/fit.go` (fitsRequest). Usage plays no part. It is the one
//! filter that names several reasons for a node.

use super::filter::{Filter, Prepared, Reasons, pass};
use super::node::Node;
use super::pod::Pod;
use super::requests::Resources;
use super::snapshot::Snapshot;
use std::borrow::Cow;

/// The reason the scheduler gives when the node runs as many pods as it may.
pub const TOO_MANY_PODS: &str = "Too many pods";

struct NodeResourcesFit<'a>(&'a Resources);

/// Takes the pod's requests.
pub fn prepare<'a>(_: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    Ok(Some(Box::new(NodeResourcesFit(&pod.requests))))
}

impl Filter for NodeResourcesFit<'_> {
    fn check(&self, node: &Node) -> Reasons {
        let mut reasons = pass();
        if node.pods + 1 > node.allocatable.pods {
            reasons.push(TOO_MANY_PODS.into());
        }
        let short = self.0.names().filter(|name| self.0.get(name) > node.free(name));
        reasons.extend(short.map(insufficient));
        reasons
    }
}

/// The reason for one resource; those that every pod asks for are said all the time.
fn insufficient(resource: &str) -> Cow<'static, str> {
    match resource {
        "cpu" => "Insufficient cpu".into(),
        "memory" => "Insufficient memory".into(),
        "ephemeral-storage" => "Insufficient ephemeral-storage".into(),
        other => format!("Insufficient {other}").into(),
    }
}
