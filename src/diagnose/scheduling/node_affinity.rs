//! NodeAffinity: `nodeSelector` and required node affinity, both.
//!
//! Source: `pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go`. Where every term names nodes by
//! `metadata.name`, all other nodes are left out before any filter is asked.

use super::filter::{Filter, Prepared, Reasons, fail, fail_unless};
use super::node::Node;
use super::node_selector::RequiredNode;
use super::pod::Pod;
use super::snapshot::Snapshot;
use std::collections::HashSet;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) didn't match Pod's node affinity/selector";
/// Said of nodes that the terms' `metadata.name` left out beforehand; it comes before every other filter's reason.
pub const LEFT_OUT: &str = "node(s) didn't satisfy plugin(s) [NodeAffinity]";
/// Said of a pod whose terms contradict each other.
pub const CONFLICT: &str = "pod affinity terms conflict";

struct NodeAffinity<'a> {
    required: &'a RequiredNode,
    names: Option<HashSet<&'a str>>,
}

/// Reads which nodes the pod names, if it does.
pub fn prepare<'a>(_: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let required = &pod.required_node;
    if required.is_empty() {
        return Ok(None);
    }
    let names = required.terms.as_ref().and_then(|t| t.names());
    if names.as_ref().is_some_and(Vec::is_empty) {
        return Err(CONFLICT.into());
    }
    Ok(Some(Box::new(NodeAffinity { required, names: names.map(|n| n.into_iter().collect()) })))
}

impl Filter for NodeAffinity<'_> {
    fn check(&self, node: &Node) -> Reasons {
        if self.names.as_ref().is_some_and(|names| !names.contains(node.name.as_str())) {
            return fail(LEFT_OUT);
        }
        fail_unless(self.required.matches(&node.name, &node.labels), REASON)
    }
}
