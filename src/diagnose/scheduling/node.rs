//! A node as the scheduler's filters see it, with everything on it.

use super::labels::Labels;
use super::migration;
use super::pod::{self, HostPort, Taint};
use super::requests::{self, Resources};
use super::storage::Disk;
use crate::world::object::{self, bool_at, list_at};
use serde_json::Value;
use std::collections::HashSet;

/// A node with everything on it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// `metadata.name`
    pub name: String,
    /// `metadata.labels`
    pub labels: Labels,
    /// `spec.taints`
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`
    pub unschedulable: bool,
    /// `status.allocatable`
    pub allocatable: Resources,
    /// Sum of the requests of the pods on it.
    pub requested: Resources,
    /// How many pods are on it.
    pub pods: i64,
    /// How many pods of which group are on it.
    pub groups: Vec<(u32, u32)>,
    /// Host ports in use.
    pub ports: Vec<HostPort>,
    /// In-tree disks in use.
    pub disks: Vec<Disk>,
    /// CSI volumes attached or about to be, as (driver, handle).
    pub attached: HashSet<(String, String)>,
    /// How many volumes each CSI driver can attach.
    pub volume_limits: Vec<(String, i64)>,
    /// In-tree volume plugins that CSI drivers took over here.
    pub migrated: Vec<&'static str>,
    /// `status.declaredFeatures`
    pub features: Vec<Box<str>>,
}

impl Node {
    /// Reads a node object; nothing runs on it yet.
    pub fn new(raw: &Value) -> Self {
        Self {
            name: object::name(raw).to_owned(),
            labels: Labels::from_value(raw.pointer("/metadata/labels")),
            taints: list_at(raw, "/spec/taints").iter().map(Taint::from_value).collect(),
            unschedulable: bool_at(raw, "/spec/unschedulable"),
            allocatable: Resources::from_value(raw.pointer("/status/allocatable")),
            features: list_at(raw, "/status/declaredFeatures")
                .iter()
                .filter_map(|f| Some(f.as_str()?.into()))
                .collect(),
            ..Self::default()
        }
    }

    /// Puts a pod of a group on it.
    pub(super) fn place(&mut self, raw: &Value, group: u32) {
        self.requested.add(&requests::of_running_pod(raw));
        self.pods += 1;
        match self.groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, count)) => *count += 1,
            None => self.groups.push((group, 1)),
        }
        self.ports.extend(pod::host_ports(raw));
        self.disks.extend(Disk::of_pod(raw));
    }

    /// Takes a pod away again.
    pub(super) fn remove(&mut self, raw: &Value, group: Option<u32>) {
        self.requested.subtract(&requests::of_running_pod(raw));
        self.pods -= 1;
        if let Some((_, count)) = self.groups.iter_mut().find(|(g, _)| Some(*g) == group) {
            *count = count.saturating_sub(1);
        }
        self.groups.retain(|(_, count)| *count > 0);
        for port in pod::host_ports(raw) {
            if let Some(at) = self.ports.iter().position(|p| *p == port) {
                self.ports.swap_remove(at);
            }
        }
        for disk in Disk::of_pod(raw) {
            if let Some(at) = self.disks.iter().position(|d| *d == disk) {
                self.disks.swap_remove(at);
            }
        }
    }

    /// What is left of a resource; negative where the node is over-committed.
    pub fn free(&self, resource: &str) -> i64 {
        match resource {
            "pods" => self.allocatable.pods - self.pods,
            _ => self.allocatable.get(resource).saturating_sub(self.requested.get(resource)),
        }
    }
}

/// A volume as attach limits count it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attachable {
    /// CSI driver and handle.
    pub volume: (String, String),
    /// The in-tree plugin it was made with; it counts only where that plugin was taken over.
    pub in_tree: Option<&'static str>,
}

impl Attachable {
    /// Whether it counts on a node.
    pub fn counts_on(&self, node: &Node) -> bool {
        self.in_tree.is_none_or(|plugin| node.migrated.contains(&plugin))
    }
}

/// The in-tree volumes that stand in a pod itself, as their CSI drivers count them.
pub fn inline_volumes(pod: &Value) -> impl Iterator<Item = Attachable> + '_ {
    list_at(pod, "/spec/volumes")
        .iter()
        .filter_map(migration::of_source)
        .filter(|(p, _)| p.counted)
        .map(|(plugin, id)| Attachable { volume: (plugin.driver.into(), id), in_tree: Some(plugin.name) })
}
