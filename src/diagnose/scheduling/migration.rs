//! In-tree volumes as the CSI drivers that took them over see them.
//!
//! Source: `k8s.io/csi-translation-lib/plugins` (names, topology keys, TranslateInTreePVToCSI) and
//! `pkg/scheduler/framework/plugins/nodevolumelimits/utils.go` (isCSIMigrationOn). A node says in an annotation of its
//! CSINode which plugins were taken over there; elsewhere the volume stays what it is.

use super::node_selector::NodeTerms;
use crate::world::object::{list_at, str_at};
use serde_json::{Value, json};

/// An in-tree volume plugin that a CSI driver took over.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct InTree {
    /// `kubernetes.io/aws-ebs`, as StorageClasses and the annotation of CSINodes name it.
    pub name: &'static str,
    /// The CSI driver.
    pub driver: &'static str,
    /// Whether the scheduler counts its volumes against the driver's limit.
    pub counted: bool,
    /// The node label that the driver has zones in; empty where it has none.
    zone: &'static str,
    /// The field of a volume's source.
    source: &'static str,
    /// The field of the source that tells volumes apart.
    id: &'static str,
}

macro_rules! in_tree {
    ($($name:literal $driver:literal $counted:literal $zone:literal $source:literal $id:literal;)*) => {
        &[$(InTree { name: $name, driver: $driver, counted: $counted, zone: $zone, source: $source, id: $id }),*]
    };
}

const PLUGINS: &[InTree] = in_tree! {
    "kubernetes.io/aws-ebs" "ebs.csi.aws.com" true "topology.ebs.csi.aws.com/zone" "awsElasticBlockStore" "volumeID";
    "kubernetes.io/gce-pd" "pd.csi.storage.gke.io" true "topology.gke.io/zone" "gcePersistentDisk" "pdName";
    "kubernetes.io/azure-disk" "disk.csi.azure.com" true "topology.disk.csi.azure.com/zone" "azureDisk" "diskURI";
    "kubernetes.io/cinder" "cinder.csi.openstack.org" true "topology.cinder.csi.openstack.org/zone" "cinder" "volumeID";
    "kubernetes.io/portworx-volume" "pxd.portworx.com" true "" "portworxVolume" "volumeID";
    "kubernetes.io/vsphere-volume" "csi.vsphere.vmware.com" false "topology.csi.vmware.com/zone" "vsphereVolume" "volumePath";
};

/// Annotation of a CSINode with the plugins taken over on its node, joined by commas.
const MIGRATED: &str = "/metadata/annotations/storage.alpha.kubernetes.io~1migrated-plugins";

const GA: (&str, &str) = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region");
const BETA: (&str, &str) = ("failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region");

/// The plugin of a volume's source (`spec` of a PersistentVolume, or an entry of a pod's volumes), and its volume's id.
pub fn of_source(source: &Value) -> Option<(&'static InTree, String)> {
    let plugin = PLUGINS.iter().find(|p| source.get(p.source).is_some_and(|s| !s.is_null()))?;
    let id = source.get(plugin.source).and_then(|s| s.get(plugin.id)).and_then(Value::as_str).unwrap_or_default();
    // `aws://eu-1a/vol-1` and `vol-1` are one disk.
    let id = if plugin.source == "awsElasticBlockStore" { id.rsplit('/').next().unwrap_or(id) } else { id };
    Some((plugin, id.to_owned()))
}

/// The plugin of a StorageClass's provisioner.
pub fn of_provisioner(name: &str) -> Option<&'static InTree> {
    PLUGINS.iter().find(|p| p.name == name)
}

/// The plugins that a CSINode says were taken over.
pub fn migrated(csinode: &Value) -> Vec<&'static str> {
    let listed = str_at(csinode, MIGRATED);
    PLUGINS.iter().map(|p| p.name).filter(|name| listed.split(',').any(|l| l == *name)).collect()
}

/// The node affinity of an in-tree PersistentVolume in the labels of its CSI driver
/// (translateTopologyFromInTreeToCSI): the zone's key becomes the driver's; without one, the volume's own label speaks.
pub fn affinity(pv: &Value, plugin: &InTree) -> Option<NodeTerms> {
    let mut required = pv.pointer("/spec/nodeAffinity/required").filter(|a| !a.is_null()).cloned().unwrap_or(json!({}));
    if !plugin.zone.is_empty() {
        let label = |key: &str| pv.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
        let named = [GA, BETA].into_iter().find(|(zone, _)| names(&required, zone));
        let labelled = || [GA, BETA].into_iter().find(|(zone, _)| label(zone).is_some());
        let (zone, region) = named.or_else(labelled).unwrap_or(GA);
        if named.is_some() {
            rename(&mut required, zone, plugin.zone);
        } else if let Some(zones) = label(zone) {
            let zones: Vec<&str> = zones.split("__").map(str::trim).filter(|z| !z.is_empty()).collect();
            demand(&mut required, json!({"key": plugin.zone, "operator": "In", "values": zones}));
        }
        if region == BETA.1 {
            rename(&mut required, BETA.1, GA.1);
        }
    }
    (!list_at(&required, "/nodeSelectorTerms").is_empty()).then(|| NodeTerms::from_value(&required))
}

fn names(required: &Value, key: &str) -> bool {
    let terms = list_at(required, "/nodeSelectorTerms").iter();
    terms.flat_map(|t| list_at(t, "/matchExpressions")).any(|e| str_at(e, "/key") == key)
}

fn terms_mut(required: &mut Value) -> impl Iterator<Item = &mut Value> {
    required.get_mut("nodeSelectorTerms").and_then(Value::as_array_mut).into_iter().flatten()
}

fn rename(required: &mut Value, old: &str, new: &str) {
    for term in terms_mut(required) {
        let expressions = term.get_mut("matchExpressions").and_then(Value::as_array_mut).into_iter().flatten();
        expressions.filter(|e| str_at(e, "/key") == old).for_each(|e| e["key"] = json!(new));
    }
}

/// Adds a condition to every term, or makes it the only term.
fn demand(required: &mut Value, condition: Value) {
    if list_at(required, "/nodeSelectorTerms").is_empty() {
        required["nodeSelectorTerms"] = json!([{}]);
    }
    for term in terms_mut(required).filter(|t| t.is_object()) {
        match term.get_mut("matchExpressions").and_then(Value::as_array_mut) {
            Some(list) => list.push(condition.clone()),
            None => term["matchExpressions"] = json!([condition]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::labels::Labels;
    use super::*;

    fn reaches(pv: &Value, node: &[(&str, &str)]) -> bool {
        let (plugin, _) = of_source(&pv["spec"]).unwrap();
        affinity(pv, plugin).is_none_or(|terms| terms.matches("", &Labels::from_pairs(node.iter().copied())))
    }

    #[test]
    fn the_zone_is_the_drivers_own_label() {
        let term = |key: &str| json!([{"matchExpressions": [{"key": key, "operator": "In", "values": ["a"]}]}]);
        for key in [GA.0, BETA.0] {
            let pv = json!({"spec": {"awsElasticBlockStore": {"volumeID": "aws://a/vol-1"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": term(key)}}}});
            assert_eq!(of_source(&pv["spec"]).unwrap().1, "vol-1");
            assert!(reaches(&pv, &[("topology.ebs.csi.aws.com/zone", "a")]), "{key}");
            assert!(!reaches(&pv, &[("topology.ebs.csi.aws.com/zone", "b"), (GA.0, "a")]), "{key}");
        }
    }

    #[test]
    fn without_affinity_the_volumes_label_speaks() {
        let pv = json!({"metadata": {"labels": {GA.0: "a__b"}}, "spec": {"gcePersistentDisk": {"pdName": "d"}}});
        assert!(reaches(&pv, &[("topology.gke.io/zone", "b")]));
        assert!(!reaches(&pv, &[("topology.gke.io/zone", "c")]));
        let free = json!({"spec": {"gcePersistentDisk": {"pdName": "d"}}});
        assert!(reaches(&free, &[]));
    }

    #[test]
    fn a_node_names_what_was_taken_over() {
        let csinode = json!({"metadata": {"annotations":
            {"storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/aws-ebs,kubernetes.io/cinder"}}});
        assert_eq!(migrated(&csinode), ["kubernetes.io/aws-ebs", "kubernetes.io/cinder"]);
        assert!(migrated(&json!({})).is_empty());
    }
}
