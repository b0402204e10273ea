//! The table of kinds: one file each, plus server-side `Table` for every other kind and CRD.
//!
//! A kind adds what is special about it (columns, tone, what can be done); everything generic works for all.

pub mod describe;
pub mod yaml;

use crate::world::column::Column;
use crate::world::object::ResourceId;
use crate::world::row::Tone;
use serde_json::Value;

/// What can be done to objects of a kind; actions are enabled by this, never by a match on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Can {
    /// Has containers with logs, or owns pods that have.
    Logs,
    /// A shell can be opened.
    Exec,
    /// Has a scale subresource.
    Scale,
    /// Resource requests and limits of its pod template can be changed.
    Resources,
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
pub static TABLE: &[&Kind] = &[];

/// The kind with rows of its own for a resource, if there is one.
pub fn of(id: &ResourceId) -> Option<&'static Kind> {
    TABLE.iter().copied().find(|kind| kind.group == id.group && kind.plural == id.plural)
}
