//! The table of kinds: one file each, plus server-side `Table` for every other kind and CRD.
//!
//! A kind adds what is special about it (columns, tone, what can be done); everything generic works for all.

pub mod applications;
mod cells;
pub mod console;
pub mod cronjobs;
pub mod daemonsets;
pub mod deployments;
pub mod describe;
pub mod endpointslices;
pub mod events;
pub mod gateways;
pub mod httproutes;
pub mod ingresses;
pub mod ingressroutes;
pub mod jobs;
pub mod networkpolicies;
pub mod nodes;
pub mod persistentvolumeclaims;
pub mod pods;
pub mod ports;
pub mod redact;
pub mod relations;
pub mod replicasets;
pub mod resolve;
pub mod secret;
pub mod services;
pub mod statefulsets;
pub mod uses;
pub mod yaml;

pub use resolve::{Resolved, resolve};

use crate::world::column::Column;
use crate::world::object::{Resource, ResourceId};
use crate::world::row::Tone;
use serde_json::Value;
use std::sync::Arc;

/// What can be done to objects of a kind; actions are enabled by this, never by a match on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Can {
    /// Has containers with logs, or owns pods that have.
    Logs,
    /// A shell can be opened.
    Exec,
    /// Ports can be forwarded to it or to one of its pods.
    Forward,
    /// Has a scale subresource.
    Scale,
    /// Resource requests and limits of its pod template can be changed.
    Resources,
    /// Its pods can be replaced a few at a time, and it keeps earlier templates.
    Roll,
    /// Has containers whose image can be changed.
    Image,
    /// A run can be started by hand.
    Trigger,
    /// Can be held back (`spec.suspend`).
    Suspend,
    /// Can be cordoned and drained.
    Cordon,
    /// Diagnosis knows what to say about it.
    Why,
}

/// Where Enter leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opens {
    /// Its description.
    Describe,
    /// The pods it owns or selects.
    Pods,
    /// The pods on it.
    PodsOnNode,
    /// Its containers.
    Containers,
    /// Its resources (Argo CD Application).
    Resources,
}

/// A kind with rows of its own.
#[derive(Debug)]
pub struct Kind {
    /// Group.
    pub group: &'static str,
    /// Plural.
    pub plural: &'static str,
    /// Kind in CamelCase.
    pub kind: &'static str,
    /// Names it answers to beside those of discovery.
    pub short: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Its columns, NAMESPACE and CLUSTER left out (the table adds them).
    pub columns: &'static [Column],
    /// How an object stands; pods are judged in `world::pod` instead.
    pub tone: fn(&Value) -> Tone,
    /// What can be done.
    pub can: &'static [Can],
    /// Where Enter leads.
    pub opens: Opens,
}

impl Kind {
    /// Group and plural.
    pub fn id(&self) -> ResourceId {
        ResourceId::new(self.group, self.plural)
    }
}

/// Every kind with a file of its own, in display order.
pub static TABLE: &[&Kind] = &[
    &pods::KIND,
    &deployments::KIND,
    &statefulsets::KIND,
    &daemonsets::KIND,
    &replicasets::KIND,
    &jobs::KIND,
    &cronjobs::KIND,
    &services::KIND,
    &ingresses::KIND,
    &httproutes::KIND,
    &ingressroutes::KIND,
    &gateways::KIND,
    &endpointslices::KIND,
    &networkpolicies::KIND,
    &persistentvolumeclaims::KIND,
    &nodes::KIND,
    &events::KIND,
    &applications::KIND,
];

/// The kind with rows of its own for a resource, if there is one.
pub fn of(id: &ResourceId) -> Option<&'static Kind> {
    TABLE.iter().copied().find(|kind| kind.group == id.group && kind.plural == id.plural)
}

/// The kinds to try where a cluster forbids discovery.
pub fn well_known() -> Arc<[Resource]> {
    let more = [
        ("", "namespaces", "Namespace", false),
        ("", "configmaps", "ConfigMap", true),
        ("", "secrets", "Secret", true),
    ];
    let own = TABLE.iter().map(|kind| (kind.group, kind.plural, kind.kind, kind.namespaced));
    own.chain(more)
        .map(|(group, plural, kind, namespaced)| Resource {
            id: ResourceId::new(group, plural),
            version: if [applications::KIND.group, ingressroutes::KIND.group].contains(&group) {
                "v1alpha1"
            } else {
                "v1"
            }
            .into(),
            kind: kind.into(),
            singular: kind.to_lowercase(),
            namespaced,
            short_names: vec![],
            verbs: ["get", "list", "watch", "patch"].map(String::from).into(),
        })
        .collect()
}
