//! What a filter is, and the table of the default profile's filters.

use super::node::Node;
use super::pod::Pod;
use super::snapshot::Snapshot;
use super::{
    dynamic_resources, inter_pod_affinity, node_affinity, node_declared_features, node_name, node_ports,
    node_resources_fit, node_unschedulable, node_volume_limits, pod_topology_spread, taint_toleration, volume_binding,
    volume_restrictions, volume_zone,
};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Why a node does not pass, in the scheduler's words; empty when it does.
pub type Reasons = SmallVec<[Cow<'static, str>; 1]>;

/// No reason: the node passes.
pub fn pass() -> Reasons {
    SmallVec::new()
}

/// One reason.
pub fn fail(reason: &'static str) -> Reasons {
    SmallVec::from_iter([Cow::Borrowed(reason)])
}

/// Fails with a reason unless a condition holds.
pub fn fail_unless(holds: bool, reason: &'static str) -> Reasons {
    if holds { pass() } else { fail(reason) }
}

/// A plugin's filter, prepared for one pod.
pub trait Filter {
    /// Why the node does not pass.
    fn check(&self, node: &Node) -> Reasons;
}

/// What preparing (the scheduler's PreFilter) gives: a filter, or nothing to look at (`None`), or a refusal of the pod
/// before any node is looked at.
pub type Prepared<'a> = Result<Option<Box<dyn Filter + 'a>>, String>;

/// A filter plugin of the scheduler.
pub struct Plugin {
    /// Its name in the scheduler's configuration.
    pub name: &'static str,
    /// Looks at the pod and the cluster once.
    pub prepare: for<'a> fn(&'a Snapshot, &'a Pod<'a>) -> Prepared<'a>,
}

/// The filters of the default profile, in the order in which they are asked
/// (`pkg/scheduler/apis/config/v1/default_plugins.go`).
pub const PLUGINS: [Plugin; 14] = [
    Plugin { name: "NodeUnschedulable", prepare: node_unschedulable::prepare },
    Plugin { name: "NodeName", prepare: node_name::prepare },
    Plugin { name: "TaintToleration", prepare: taint_toleration::prepare },
    Plugin { name: "NodeAffinity", prepare: node_affinity::prepare },
    Plugin { name: "NodePorts", prepare: node_ports::prepare },
    Plugin { name: "NodeResourcesFit", prepare: node_resources_fit::prepare },
    Plugin { name: "VolumeRestrictions", prepare: volume_restrictions::prepare },
    Plugin { name: "NodeVolumeLimits", prepare: node_volume_limits::prepare },
    Plugin { name: "VolumeBinding", prepare: volume_binding::prepare },
    Plugin { name: "VolumeZone", prepare: volume_zone::prepare },
    Plugin { name: "PodTopologySpread", prepare: pod_topology_spread::prepare },
    Plugin { name: "InterPodAffinity", prepare: inter_pod_affinity::prepare },
    Plugin { name: "DynamicResources", prepare: dynamic_resources::prepare },
    Plugin { name: "NodeDeclaredFeatures", prepare: node_declared_features::prepare },
];
