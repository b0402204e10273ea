//! A cluster as the scheduler's filters see it, built once and asked many times.
//!
//! Pods that filters cannot tell apart (same namespace, labels, deletion and anti-affinity) are one [`Group`], so that
//! selectors are evaluated once per group and not once per pod.
//!
//! Which pods count: every pod with a node whose phase is not `Succeeded` or `Failed`, terminating ones included
//! (`pkg/scheduler/scheduler.go` newPodInformer). Pods on nodes that do not exist are not seen.

use super::devices::Devices;
use super::labels::Labels;
use super::migration;
use super::node::{Attachable, Node, inline_volumes};
use super::nominated::Nominated;
use super::pod::{self, AffinityTerm};
use super::storage::{Capacity, Claim, Class, Volume};
use crate::diagnose::pods::is_finished;
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
    /// ResourceSlices.
    pub resource_slices: Option<Vec<&'a Value>>,
    /// DeviceClasses.
    pub device_classes: Option<Vec<&'a Value>>,
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
    /// Places of the nodes it was built with.
    index: Arc<HashMap<String, usize>>,
    /// Names of the nodes it was built with and their places, by name.
    by_name: ByName,
}

/// Names of nodes with their places, by name.
pub type ByName = Arc<[(Arc<str>, usize)]>;

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
    /// Devices and their claims; `None` where claims could not be read.
    pub devices: Option<Devices>,
    /// Pods that wait for the node they are nominated to.
    pub nominated: Vec<Nominated>,
    /// Groups by what makes them one.
    known_groups: HashMap<String, u32>,
}

impl Snapshot {
    /// Builds the snapshot from raw lists.
    pub fn build(objects: &Objects) -> Self {
        let mut rest = Rest::new(objects);
        let mut nodes: Vec<Node> = objects.nodes.iter().map(|raw| Node::new(raw)).collect();
        let index: HashMap<String, usize> = nodes.iter().map(|node| node.name.clone()).zip(0..).collect();
        for csinode in each(&objects.csinodes) {
            if let Some(&at) = index.get(object::name(csinode)) {
                nodes[at].volume_limits = volume_limits(csinode);
                nodes[at].migrated = migration::migrated(csinode);
            }
        }
        for raw in &objects.pods {
            if counts(raw)
                && let Some(&at) = index.get(str_at(raw, "/spec/nodeName"))
            {
                rest.place(raw, &mut nodes[at]);
            }
            rest.nominated.extend(Nominated::of(raw));
        }
        for attachment in each(&objects.attachments) {
            if let Some(&at) = index.get(str_at(attachment, "/spec/nodeName")) {
                let volume = rest.attached_volume(attachment).filter(|v| v.counts_on(&nodes[at]));
                nodes[at].attached.extend(volume.map(|v| v.volume));
            }
        }
        let nodes: Vec<Arc<Node>> = nodes.into_iter().map(Arc::new).collect();
        Self { by_name: by_name(&nodes), nodes, rest: Arc::new(rest), index: Arc::new(index) }
    }

    /// Names and places of all nodes, by name. No change renames a node, but one may have been added.
    pub fn by_name(&self) -> ByName {
        if self.by_name.len() == self.nodes.len() { self.by_name.clone() } else { by_name(&self.nodes) }
    }

    /// The place of a node by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        let added = || self.nodes.iter().skip(self.index.len()).position(|n| n.name == name);
        self.index.get(name).copied().or_else(|| added().map(|at| at + self.index.len()))
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(self.position(name)?).map(Arc::as_ref)
    }

    /// The same cluster with one node changed.
    pub fn with_node(&self, name: &str, change: impl FnOnce(&mut Node)) -> Self {
        let mut changed = self.clone();
        if let Some(node) = self.position(name).and_then(|at| changed.nodes.get_mut(at)) {
            change(Arc::make_mut(node));
        }
        changed
    }

    /// The same cluster with more pods on a node.
    pub fn with_pods(&self, at: usize, pods: &[&Value]) -> Self {
        let mut changed = self.clone();
        if let Some(node) = changed.nodes.get_mut(at).map(Arc::make_mut) {
            pods.iter().for_each(|raw| place_shared(&mut changed.rest, raw, node));
        }
        changed
    }

    /// The same cluster without some pods of a node. Volumes that they alone have attached stay counted.
    pub fn without_pods(&self, at: usize, pods: &[&Value]) -> Self {
        let mut changed = self.clone();
        if let Some(node) = changed.nodes.get_mut(at).map(Arc::make_mut) {
            pods.iter().for_each(|raw| node.remove(raw, self.rest.known_groups.get(&group_key(raw)).copied()));
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
            devices: objects.resource_claims.as_ref().map(|claims| {
                Devices::new(claims, objects.resource_slices.as_deref(), objects.device_classes.as_deref())
            }),
            nominated: vec![],
            known_groups: HashMap::new(),
        }
    }

    /// Puts a pod on a node.
    fn place(&mut self, raw: &Value, node: &mut Node) {
        let key = group_key(raw);
        let group = match self.known_groups.get(&key) {
            Some(group) => *group,
            None => {
                let group = self.add_group(raw);
                self.known_groups.insert(key, group);
                group
            }
        };
        node.place(raw, group);
        self.note_claims(raw, node);
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
        let inline = inline_volumes(raw).filter(|v| v.counts_on(node)).map(|v| v.volume);
        node.attached.extend(inline.collect::<Vec<_>>());
        for used in pod::claims(raw) {
            let key = (namespace.to_owned(), used.claim);
            let claim = self.claims.as_ref().and_then(|c| c.get(&key));
            let owned = |c: &&Claim| !used.ephemeral || c.controller.as_deref() == Some(str_at(raw, "/metadata/uid"));
            let volume = claim.filter(owned).and_then(|c| self.attachable(c)).filter(|v| v.counts_on(node));
            node.attached.extend(volume.map(|v| v.volume));
            if !used.ephemeral {
                self.used_claims.insert(key);
            }
        }
    }

    /// Driver and handle behind a claim; for one without a volume its class's driver and a handle of its own
    /// (`plugins/nodevolumelimits/csi.go` getCSIDriverInfo).
    pub fn attachable(&self, claim: &Claim) -> Option<Attachable> {
        if let Some(volume) = self.volumes.as_ref().and_then(|v| v.get(&claim.volume)) {
            return volume.attachable();
        }
        let provisioner = &self.classes.as_ref()?.get(&claim.class)?.provisioner;
        let handle = format!("\0{}/{}", claim.namespace, claim.name);
        match migration::of_provisioner(provisioner) {
            Some(plugin) if !plugin.counted => None,
            Some(plugin) => Some(Attachable { volume: (plugin.driver.into(), handle), in_tree: Some(plugin.name) }),
            None => Some(Attachable { volume: (provisioner.clone(), handle), in_tree: None }),
        }
    }

    fn attached_volume(&self, attachment: &Value) -> Option<Attachable> {
        let attacher = str_at(attachment, "/spec/attacher");
        let volume = self.volumes.as_ref()?.get(str_at(attachment, "/spec/source/persistentVolumeName"))?;
        let mut found = volume.attachable().filter(|_| !attacher.is_empty())?;
        found.volume.0 = attacher.into();
        Some(found)
    }

    /// A claim by namespace and name.
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&Claim> {
        self.claims.as_ref()?.get(&(namespace.to_owned(), name.to_owned()))
    }
}

fn by_name(nodes: &[Arc<Node>]) -> ByName {
    let mut all: Vec<(Arc<str>, usize)> = nodes.iter().map(|node| Arc::from(node.name.as_str())).zip(0..).collect();
    all.sort();
    all.into()
}

/// Puts a pod on a node; what is shared is copied only where the pod brings something new to it.
fn place_shared(rest: &mut Arc<Rest>, raw: &Value, node: &mut Node) {
    match rest.known_groups.get(&group_key(raw)) {
        Some(group) if pod::claims(raw).is_empty() && inline_volumes(raw).next().is_none() => node.place(raw, *group),
        _ => Arc::make_mut(rest).place(raw, node),
    }
}

/// The items of a list that may not have been read.
fn each<'a>(list: &'a Option<Vec<&'a Value>>) -> impl Iterator<Item = &'a Value> {
    list.iter().flatten().copied()
}

/// Whether a pod takes room on its node.
pub fn counts(pod: &Value) -> bool {
    !str_at(pod, "/spec/nodeName").is_empty() && !is_finished(pod)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nodes_are_listed_by_name_an_added_one_too() {
        let nodes = ["b", "a"].map(|name| json!({"metadata": {"name": name}}));
        let world = Snapshot::build(&Objects { nodes: nodes.iter().collect(), ..Objects::default() });
        let named =
            |world: &Snapshot| world.by_name().iter().map(|(name, at)| (name.to_string(), *at)).collect::<Vec<_>>();
        assert_eq!(named(&world), [("a".to_owned(), 1), ("b".to_owned(), 0)]);
        let more = world.with_new_node(Node { name: "aa".into(), ..Node::default() });
        assert_eq!(named(&more), [("a".to_owned(), 1), ("aa".to_owned(), 2), ("b".to_owned(), 0)]);
    }
}
