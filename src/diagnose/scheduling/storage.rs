//! Claims, volumes, classes and drivers in the form that the volume filters read.

use super::labels::Labels;
use super::migration::{self, InTree};
use super::node::{Attachable, Node};
use super::node_selector::NodeTerms;
use crate::world::object::{self, bool_at, list_at, str_at};
use crate::world::quantity::Quantity;
use crate::world::selector::Selector;
use serde_json::Value;

const CLASS_ANNOTATION: &str = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class";
const BIND_COMPLETED: &str = "/metadata/annotations/pv.kubernetes.io~1bind-completed";
const SELECTED_NODE: &str = "/metadata/annotations/volume.kubernetes.io~1selected-node";

/// A PersistentVolumeClaim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `status.phase` is `Lost`.
    pub lost: bool,
    /// Has a deletion timestamp.
    pub deleting: bool,
    /// `spec.volumeName`; empty when it names none.
    pub volume: String,
    /// Bound in full: names a volume and carries the annotation `pv.kubernetes.io/bind-completed`.
    pub bound: bool,
    /// The class, from the old annotation or the spec; empty when it names none.
    pub class: String,
    /// `spec.accessModes`
    pub access_modes: Vec<String>,
    /// `Block` or `Filesystem`.
    pub block: bool,
    /// Storage asked for.
    pub request: Option<Quantity>,
    /// `spec.selector`
    pub selector: Option<Selector>,
    /// `spec.volumeAttributesClassName`
    pub attributes_class: String,
    /// The node that a scheduler chose for provisioning.
    pub selected_node: Option<String>,
    /// UID of the controlling owner.
    pub controller: Option<String>,
}

impl Claim {
    /// Reads a claim object.
    pub fn new(raw: &Value) -> Self {
        let text = |pointer| str_at(raw, pointer).to_owned();
        let volume = text("/spec/volumeName");
        let owner = list_at(raw, "/metadata/ownerReferences").iter().find(|o| bool_at(o, "/controller"));
        Self {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            lost: str_at(raw, "/status/phase") == "Lost",
            deleting: !str_at(raw, "/metadata/deletionTimestamp").is_empty(),
            bound: !volume.is_empty() && raw.pointer(BIND_COMPLETED).is_some(),
            volume,
            class: class_of(raw),
            access_modes: strings(raw, "/spec/accessModes"),
            block: str_at(raw, "/spec/volumeMode") == "Block",
            request: quantity(raw, "/spec/resources/requests/storage"),
            selector: raw.pointer("/spec/selector").filter(|s| !s.is_null()).map(Selector::from_value),
            attributes_class: text("/spec/volumeAttributesClassName"),
            selected_node: raw.pointer(SELECTED_NODE).and_then(Value::as_str).map(Into::into),
            controller: owner.map(|o| str_at(o, "/uid").to_owned()),
        }
    }

    /// Whether only one pod of the cluster may use it.
    pub fn one_pod_only(&self) -> bool {
        self.access_modes.iter().any(|m| m == "ReadWriteOncePod")
    }
}

/// A PersistentVolume.
#[derive(Clone, Debug)]
pub struct Volume {
    /// `metadata.name`
    pub name: String,
    /// `metadata.labels`
    pub labels: Labels,
    /// Namespace, name and UID (may be empty) of the claim it is meant for.
    pub claim: Option<(String, String, String)>,
    /// `spec.capacity.storage`
    pub capacity: Quantity,
    /// `Block` or `Filesystem`.
    pub block: bool,
    /// `spec.volumeAttributesClassName`
    pub attributes_class: String,
    /// Has a deletion timestamp.
    pub deleting: bool,
    /// `status.phase` is `Available`.
    pub available: bool,
    /// The class, from the old annotation or the spec.
    pub class: String,
    /// `spec.accessModes`
    pub access_modes: Vec<String>,
    /// Nodes that can reach it; `None` where all can.
    pub affinity: Option<NodeTerms>,
    /// CSI driver and handle.
    pub csi: Option<(String, String)>,
    /// For an in-tree volume: its plugin, its id, and its affinity in the labels of the CSI driver.
    in_tree: Option<(&'static InTree, String, Option<NodeTerms>)>,
}

impl Volume {
    /// Reads a volume object.
    pub fn new(raw: &Value) -> Self {
        let text = |pointer| str_at(raw, pointer).to_owned();
        let claim = raw.pointer("/spec/claimRef").filter(|c| !c.is_null());
        let csi = raw.pointer("/spec/csi").filter(|c| !c.is_null());
        let affinity = raw.pointer("/spec/nodeAffinity/required").filter(|a| !a.is_null());
        let part = |v: &Value, pointer| str_at(v, pointer).to_owned();
        Self {
            name: text("/metadata/name"),
            labels: Labels::from_value(raw.pointer("/metadata/labels")),
            claim: claim.map(|c| (part(c, "/namespace"), part(c, "/name"), part(c, "/uid"))),
            capacity: quantity(raw, "/spec/capacity/storage").unwrap_or_default(),
            block: str_at(raw, "/spec/volumeMode") == "Block",
            attributes_class: text("/spec/volumeAttributesClassName"),
            deleting: !str_at(raw, "/metadata/deletionTimestamp").is_empty(),
            available: str_at(raw, "/status/phase") == "Available",
            class: class_of(raw),
            access_modes: strings(raw, "/spec/accessModes"),
            affinity: affinity.map(NodeTerms::from_value),
            csi: csi.map(|c| (part(c, "/driver"), part(c, "/volumeHandle"))),
            in_tree: raw
                .get("spec")
                .and_then(migration::of_source)
                .map(|(plugin, id)| (plugin, id, migration::affinity(raw, plugin))),
        }
    }

    /// How attach limits count it; `None` where they do not.
    pub fn attachable(&self) -> Option<Attachable> {
        let native = self.csi.clone().map(|volume| Attachable { volume, in_tree: None });
        native.or_else(|| {
            let (plugin, id, _) = self.in_tree.as_ref().filter(|(plugin, ..)| plugin.counted)?;
            Some(Attachable { volume: (plugin.driver.into(), id.clone()), in_tree: Some(plugin.name) })
        })
    }

    /// Whether a node can reach it: where its in-tree plugin was taken over, by the driver's labels
    /// (`plugins/volumebinding/binder.go` tryTranslatePVToCSI).
    pub fn reachable_on(&self, node: &Node) -> bool {
        match &self.in_tree {
            Some((plugin, _, affinity)) if node.migrated.contains(&plugin.name) => {
                affinity.as_ref().is_none_or(|terms| terms.matches("", &node.labels))
            }
            _ => self.reachable_from(&node.labels),
        }
    }

    /// Whether `claimRef` means this claim (`component-helpers/storage/volume` IsVolumeBoundToClaim).
    pub fn is_for(&self, claim: &Claim) -> bool {
        self.claim.as_ref().is_some_and(|(ns, name, uid)| {
            *ns == claim.namespace && *name == claim.name && (uid.is_empty() || *uid == claim.uid)
        })
    }

    /// Whether a node with these labels can reach it. Terms by node name match nothing here, as in the scheduler.
    pub fn reachable_from(&self, labels: &Labels) -> bool {
        self.affinity.as_ref().is_none_or(|terms| terms.matches("", labels))
    }
}

/// A StorageClass.
#[derive(Clone, Debug)]
pub struct Class {
    /// `metadata.name`
    pub name: String,
    /// Empty or `kubernetes.io/no-provisioner` for volumes made by hand.
    pub provisioner: String,
    /// `volumeBindingMode` is `WaitForFirstConsumer`.
    pub waits: bool,
    /// `allowedTopologies`: alternatives of (key, allowed values), empty for no restriction.
    pub topologies: Vec<Vec<(String, Vec<String>)>>,
}

impl Class {
    /// Reads a class object.
    pub fn new(raw: &Value) -> Self {
        let expressions = |term: &Value| {
            list_at(term, "/matchLabelExpressions")
                .iter()
                .map(|e| (str_at(e, "/key").to_owned(), strings(e, "/values")))
                .collect()
        };
        Self {
            name: object::name(raw).to_owned(),
            provisioner: str_at(raw, "/provisioner").to_owned(),
            waits: str_at(raw, "/volumeBindingMode") == "WaitForFirstConsumer",
            topologies: list_at(raw, "/allowedTopologies").iter().map(expressions).collect(),
        }
    }

    /// Whether it can make volumes at all.
    pub fn provisions(&self) -> bool {
        !matches!(self.provisioner.as_str(), "" | "kubernetes.io/no-provisioner")
    }

    /// Whether it may make volumes for a node with these labels (`MatchTopologySelectorTerms`).
    pub fn allows(&self, labels: &Labels) -> bool {
        let has =
            |(key, values): &(String, Vec<String>)| labels.get(key).is_some_and(|v| values.iter().any(|x| x == v));
        self.topologies.is_empty() || self.topologies.iter().any(|term| !term.is_empty() && term.iter().all(has))
    }
}

/// A CSIStorageCapacity.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// `storageClassName`
    pub class: String,
    /// The largest volume that can be made, in bytes, where the driver says.
    pub limit: Option<i64>,
    /// Nodes it speaks of; `None` for none.
    pub topology: Option<Selector>,
}

impl Capacity {
    /// Reads a capacity object.
    pub fn new(raw: &Value) -> Self {
        let limit = quantity(raw, "/maximumVolumeSize").or_else(|| quantity(raw, "/capacity"));
        Self {
            class: str_at(raw, "/storageClassName").to_owned(),
            limit: limit.map(Quantity::units),
            topology: raw.pointer("/nodeTopology").filter(|t| !t.is_null()).map(Selector::from_value),
        }
    }
}

/// An in-tree disk that pods on one node cannot share (`plugins/volumerestrictions`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// `gcePersistentDisk`: name, read-only.
    Gce(String, bool),
    /// `awsElasticBlockStore`: volume id.
    Aws(String),
    /// `iscsi`: qualified name, read-only.
    Iscsi(String, bool),
    /// `rbd`: monitors, pool, image, read-only.
    Rbd(Vec<String>, String, String, bool),
}

impl Disk {
    /// The disks of a pod's volumes.
    pub fn of_pod(pod: &Value) -> Vec<Disk> {
        list_at(pod, "/spec/volumes").iter().flat_map(Disk::of_volume).collect()
    }

    fn of_volume(volume: &Value) -> Vec<Disk> {
        let text = |pointer| str_at(volume, pointer).to_owned();
        let has = |key: &str| volume.get(key).is_some_and(|v| !v.is_null());
        let mut disks = vec![];
        if has("gcePersistentDisk") {
            disks.push(Disk::Gce(text("/gcePersistentDisk/pdName"), bool_at(volume, "/gcePersistentDisk/readOnly")));
        }
        if has("awsElasticBlockStore") {
            disks.push(Disk::Aws(text("/awsElasticBlockStore/volumeID")));
        }
        if has("iscsi") {
            disks.push(Disk::Iscsi(text("/iscsi/iqn"), bool_at(volume, "/iscsi/readOnly")));
        }
        if has("rbd") {
            let (pool, image) = (text("/rbd/pool"), text("/rbd/image"));
            disks.push(Disk::Rbd(strings(volume, "/rbd/monitors"), pool, image, bool_at(volume, "/rbd/readOnly")));
        }
        disks
    }

    /// Whether two pods on one node cannot both use these.
    pub fn conflicts(&self, other: &Disk) -> bool {
        match (self, other) {
            (Disk::Gce(a, ro), Disk::Gce(b, other_ro)) | (Disk::Iscsi(a, ro), Disk::Iscsi(b, other_ro)) => {
                a == b && !(*ro && *other_ro)
            }
            (Disk::Aws(a), Disk::Aws(b)) => a == b,
            (Disk::Rbd(mons, pool, image, ro), Disk::Rbd(other_mons, other_pool, other_image, other_ro)) => {
                let shared = mons.iter().any(|m| other_mons.contains(m));
                shared && pool == other_pool && image == other_image && !(*ro && *other_ro)
            }
            _ => false,
        }
    }
}

/// The class that a claim or a volume names: the old annotation first, then the spec.
fn class_of(raw: &Value) -> String {
    match raw.pointer(CLASS_ANNOTATION).and_then(Value::as_str) {
        Some(class) => class.to_owned(),
        None => str_at(raw, "/spec/storageClassName").to_owned(),
    }
}

fn strings(raw: &Value, pointer: &str) -> Vec<String> {
    list_at(raw, pointer).iter().filter_map(Value::as_str).map(Into::into).collect()
}

fn quantity(raw: &Value, pointer: &str) -> Option<Quantity> {
    raw.pointer(pointer).and_then(Value::as_str).and_then(Quantity::parse)
}
