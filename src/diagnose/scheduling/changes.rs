//! The smallest change that lets a pod be placed.

use super::snapshot::Snapshot;
use serde_json::Value;

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The pod's template.
    Pod,
    /// A node.
    Node,
    /// The cluster.
    Cluster,
}

/// A change that was checked by evaluating the changed world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it does: `toleration for dedicated=db`.
    pub summary: String,
    /// Nodes that take the pod then.
    pub fits: Vec<String>,
    /// The live command.
    pub live: String,
    /// Field path in the owner's template; empty where there is none.
    pub field: String,
    /// What is changed.
    pub kind: ChangeKind,
}

/// Changes that make at least one node fit, smallest and safest first.
pub fn smallest_changes(_world: &Snapshot, _pod: &Value) -> Vec<Change> {
    vec![]
}
