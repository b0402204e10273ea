//! NodeDeclaredFeatures: what a pod needs of the kubelet must be among what the node declares.
//!
//! Source: `pkg/scheduler/framework/plugins/nodedeclaredfeatures/nodedeclaredfeatures.go` and
//! `k8s.io/component-helpers/nodedeclaredfeatures/features` (InferForScheduling). The plugin works behind a feature
//! gate; a cluster in which no node declares anything is taken to have it off.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node::Node;
use super::pod::Pod;
use super::snapshot::Snapshot;
use crate::world::object::{bool_at, list_at, str_at};
use serde_json::Value;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) didn't match Pod's required features";

struct NodeDeclaredFeatures(Vec<&'static str>);

/// The features that a pod's spec asks of the kubelet, with the field that asks.
pub fn needed(pod: &Value) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![];
    let restarts = |c: &Value| {
        list_at(c, "/restartPolicyRules").iter().any(|rule| str_at(rule, "/action") == "RestartAllContainers")
    };
    if ["/spec/containers", "/spec/initContainers"].iter().any(|list| list_at(pod, list).iter().any(restarts)) {
        all.push(("RestartAllContainersOnContainerExits", "spec.containers[].restartPolicyRules"));
    }
    let own_users = pod.pointer("/spec/hostUsers") == Some(&Value::Bool(false));
    if bool_at(pod, "/spec/hostNetwork") && own_users {
        all.push(("UserNamespacesHostNetworkSupport", "spec.hostUsers"));
    }
    all
}

/// Reads what the pod needs, where nodes declare features at all.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let needed: Vec<&str> = needed(pod.raw).into_iter().map(|(feature, _)| feature).collect();
    let declared = || world.nodes.iter().any(|node| !node.features.is_empty());
    Ok((!needed.is_empty() && declared()).then(|| Box::new(NodeDeclaredFeatures(needed)) as _))
}

impl Filter for NodeDeclaredFeatures {
    fn check(&self, node: &Node) -> Reasons {
        fail_unless(self.0.iter().all(|needed| node.features.iter().any(|f| **f == **needed)), REASON)
    }
}
