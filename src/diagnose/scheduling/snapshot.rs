//! A cluster as the scheduler's filters see it, built once and asked many times.
//!
//! Pods that filters cannot tell apart (same namespace, labels, deletion and anti-affinity) are one [`Group`], so that
//! selectors are evaluated once per group and not once per pod.
//!
//! Which pods count: every pod with a node whose phase is not `Succeeded` or `Failed`, terminating ones included
//! (`pkg/scheduler/scheduler.go` newPodInformer). Pods on nodes that do not exist are not seen.

use super::labels::Labels;
use super::pod::{self, AffinityTerm, HostPort, Taint};
use super::requests::{self, Resources};
use super::storage::{Capacity, Claim, Class, Disk, Volume};
use crate::world::object::{self, bool_at, int_at, list_at, str_at};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The raw lists. `None` means "could not be read", which is not the same as "there are none".
#[derive(Clone, Debug, Default)]
pub struct Objects<'a> {
    /// Nodes.
    pub nodes: Vec<&'a Value>,
    /// Pods of all namespaces.
    pub pods: Vec<&'a Value>,
    /// PersistentVolumeClaims of all namespaces.
    pub claims: Option<Vec<&'a Value>>,
    /// PersistentVolumes.
    pub volumes: Option<Vec<&'a Value>>,
    /// StorageClasses.
    pub classes: Option<Vec<&'a Value>>,
    /// CSINodes.
    pub csinodes: Option<Vec<&'a Value>>,
    /// CSIDrivers.
    pub csidrivers: Option<Vec<&'a Value>>,
    /// CSIStorageCapacities of all namespaces.
    pub capacities: Option<Vec<&'a Value>>,
    /// VolumeAttachments.
    pub attachments: Option<Vec<&'a Value>>,
    /// Namespaces.
    pub namespaces: Option<Vec<&'a Value>>,
    /// ResourceClaims of all namespaces (`resource.k8s.io`).
    pub resource_claims: Option<Vec<&'a Value>>,
}

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
}

/// Pods that no selector can tell apart.
#[derive(Clone, Debug)]
pub struct Group {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.labels`
    pub labels: Labels,
    /// Being deleted.
    pub terminating: bool,
    /// Required anti-affinity.
    pub anti_affinity: Vec<AffinityTerm>,
}

/// The cluster. Cheap to clone: nodes and the rest are shared until changed.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every node, in the order given.
    pub nodes: Vec<Arc<Node>>,
    /// Everything else.
    pub rest: Arc<Rest>,
}

/// What is not a node.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Kinds of pods on nodes.
    pub groups: Vec<Group>,
    /// Claims by (namespace, name); `None` where they could not be read.
    pub claims: Option<HashMap<(String, String), Claim>>,
    /// Volumes by name.
    pub volumes: Option<HashMap<String, Volume>>,
    /// Volumes of each class, by name.
    pub volumes_of_class: HashMap<String, Vec<String>>,
    /// Classes by name.
    pub classes: Option<HashMap<String, Class>>,
    /// CSI drivers that publish storage capacity.
    pub capacity_drivers: HashSet<String>,
    /// What they published.
    pub capacities: Option<Vec<Capacity>>,
    /// Labels of namespaces; `None` where they could not be read.
    pub namespaces: Option<HashMap<String, Labels>>,
    /// Claims that pods on nodes use, by (namespace, name).
    pub used_claims: HashSet<(String, String)>,
    /// ResourceClaims by (namespace, name).
    pub resource_claims: Option<HashMap<(String, String), Value>>,
}

impl Snapshot {
    /// Builds the snapshot from raw lists.
    pub fn build(objects: &Objects) -> Self {
        let mut rest = Rest::new(objects);
        let mut nodes: Vec<Node> = objects.nodes.iter().map(|raw| Node::new(raw)).collect();
        let index: HashMap<&str, usize> = objects.nodes.iter().map(|raw| object::name(raw)).zip(0..).collect();
        let mut known = HashMap::new();
        for raw in objects.pods.iter().filter(|p| counts(p)) {
            if let Some(&at) = index.get(str_at(raw, "/spec/nodeName")) {
                let group = *known.entry(group_key(raw)).or_insert_with(|| rest.add_group(raw));
                nodes[at].place(raw, group);
                rest.note_claims(raw, &mut nodes[at]);
            }
        }
        for csinode in each(&objects.csinodes) {
            if let Some(&at) = index.get(object::name(csinode)) {
                nodes[at].volume_limits = volume_limits(csinode);
            }
        }
        for attachment in each(&objects.attachments) {
            if let Some(&at) = index.get(str_at(attachment, "/spec/nodeName")) {
                nodes[at].attached.extend(rest.attached_volume(attachment));
            }
        }
        Self { nodes: nodes.into_iter().map(Arc::new).collect(), rest: Arc::new(rest) }
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name).map(Arc::as_ref)
    }

    /// The same cluster with one node changed.
    pub fn with_node(&self, name: &str, change: impl FnOnce(&mut Node)) -> Self {
        let mut changed = self.clone();
        if let Some(node) = changed.nodes.iter_mut().find(|n| n.name == name) {
            change(Arc::make_mut(node));
        }
        changed
    }

    /// The same cluster with one more node.
    pub fn with_new_node(&self, node: Node) -> Self {
        let mut changed = self.clone();
        changed.nodes.push(Arc::new(node));
        changed
    }
}

impl Rest {
    fn new(objects: &Objects) -> Self {
        let key = |raw: &Value| (object::namespace(raw).to_owned(), object::name(raw).to_owned());
        let named = |raw: &Value| object::name(raw).to_owned();
        let volumes: Option<HashMap<_, _>> =
            objects.volumes.as_ref().map(|list| list.iter().map(|raw| (named(raw), Volume::new(raw))).collect());
        let mut volumes_of_class: HashMap<String, Vec<String>> = HashMap::new();
        for raw in each(&objects.volumes) {
            let volume = Volume::new(raw);
            volumes_of_class.entry(volume.class).or_default().push(volume.name);
        }
        let publishes = |raw: &&Value| bool_at(raw, "/spec/storageCapacity");
        Self {
            groups: vec![],
            claims: objects.claims.as_ref().map(|list| list.iter().map(|raw| (key(raw), Claim::new(raw))).collect()),
            volumes,
            volumes_of_class,
            classes: objects
                .classes
                .as_ref()
                .map(|list| list.iter().map(|raw| (named(raw), Class::new(raw))).collect()),
            capacity_drivers: each(&objects.csidrivers).filter(publishes).map(named).collect(),
            capacities: objects.capacities.as_ref().map(|list| list.iter().map(|raw| Capacity::new(raw)).collect()),
            namespaces: objects.namespaces.as_ref().map(|list| {
                list.iter().map(|raw| (named(raw), Labels::from_value(raw.pointer("/metadata/labels")))).collect()
            }),
            used_claims: HashSet::new(),
            resource_claims: objects
                .resource_claims
                .as_ref()
                .map(|list| list.iter().map(|raw| (key(raw), (*raw).clone())).collect()),
        }
    }

    fn add_group(&mut self, raw: &Value) -> u32 {
        let namespace = object::namespace(raw);
        self.groups.push(Group {
            namespace: namespace.into(),
            labels: Labels::from_value(raw.pointer("/metadata/labels")),
            terminating: is_terminating(raw),
            anti_affinity: pod::terms(raw, "/spec/affinity/podAntiAffinity", namespace),
        });
        u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
    }

    fn note_claims(&mut self, raw: &Value, node: &mut Node) {
        let namespace = object::namespace(raw);
        for used in pod::claims(raw) {
            let key = (namespace.to_owned(), used.claim);
            let claim = self.claims.as_ref().and_then(|c| c.get(&key));
            let owned = |c: &&Claim| !used.ephemeral || c.controller.as_deref() == Some(str_at(raw, "/metadata/uid"));
            node.attached.extend(claim.filter(owned).and_then(|c| self.csi_volume(c)));
            if !used.ephemeral {
                self.used_claims.insert(key);
            }
        }
    }

    /// Driver and handle behind a claim; for one without a volume its class's driver and a handle of its own
    /// (`plugins/nodevolumelimits/csi.go` getCSIDriverInfo). In-tree volumes migrated to CSI are not translated.
    pub fn csi_volume(&self, claim: &Claim) -> Option<(String, String)> {
        match self.volumes.as_ref().and_then(|v| v.get(&claim.volume)) {
            Some(volume) => volume.csi.clone(),
            None => {
                let class = self.classes.as_ref()?.get(&claim.class)?;
                Some((class.provisioner.clone(), format!("\0{}/{}", claim.namespace, claim.name)))
            }
        }
    }

    fn attached_volume(&self, attachment: &Value) -> Option<(String, String)> {
        let attacher = str_at(attachment, "/spec/attacher");
        let volume = self.volumes.as_ref()?.get(str_at(attachment, "/spec/source/persistentVolumeName"))?;
        volume.csi.as_ref().filter(|_| !attacher.is_empty()).map(|(_, handle)| (attacher.into(), handle.clone()))
    }

    /// A claim by namespace and name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Claim> {
        self.claims.as_ref()?.get(&(namespace.to_owned(), name.to_owned()))
    }
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
            ..Self::default()
        }
    }

    fn place(&mut self, raw: &Value, group: u32) {
        self.requested.add(&requests::of_running_pod(raw));
        self.pods += 1;
        match self.groups.iter_mut().find(|(g, _)| *g == group) {
            Some((_, count)) => *count += 1,
            None => self.groups.push((group, 1)),
        }
        self.ports.extend(pod::host_ports(raw));
        self.disks.extend(Disk::of_pod(raw));
    }

    /// What is left of a resource; negative where the node is over-committed.
    pub fn free(&self, resource: &str) -> i64 {
        match resource {
            "pods" => self.allocatable.pods - self.pods,
            _ => self.allocatable.get(resource).saturating_sub(self.requested.get(resource)),
        }
    }
}

/// The items of a list that may not have been read.
fn each<'a>(list: &'a Option<Vec<&'a Value>>) -> impl Iterator<Item = &'a Value> {
    list.iter().flatten().copied()
}

/// Whether a pod takes room on its node.
pub fn counts(pod: &Value) -> bool {
    !str_at(pod, "/spec/nodeName").is_empty() && !matches!(str_at(pod, "/status/phase"), "Succeeded" | "Failed")
}

fn is_terminating(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some_and(|t| !t.is_null())
}

/// What filters compare of a placed pod, as text.
fn group_key(pod: &Value) -> String {
    let text = |pointer| pod.pointer(pointer).map(Value::to_string).unwrap_or_default();
    let anti = "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    format!("{}\n{}\n{}\n{}", object::namespace(pod), is_terminating(pod), text("/metadata/labels"), text(anti))
}

fn volume_limits(csinode: &Value) -> Vec<(String, i64)> {
    list_at(csinode, "/spec/drivers")
        .iter()
        .filter_map(|d| Some((str_at(d, "/name").to_owned(), int_at(d, "/allocatable/count")?)))
        .collect()
}
