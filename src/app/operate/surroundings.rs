//! What a drain is planned from: the node's pods, the budgets, and the rest of the cluster, as the scheduler sees it.

use super::Site;
use super::gather::{PlanError, list};
use crate::cluster::api::{ApiError, encode};
use crate::diagnose::scheduling::Objects;
use crate::diagnose::scheduling::pod::claims;
use crate::workflows::drain::{self, Facts};
use crate::workflows::{Line, Plan};
use crate::world::object::{Resource, ResourceId, name};
use serde_json::Value;

/// Group, version, plural, kind, namespaced.
type Kind = (&'static str, &'static str, &'static str, &'static str, bool);

/// Lists that the filters of volumes read.
const STORAGE: [Kind; 7] = [
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true),
    ("", "v1", "persistentvolumes", "PersistentVolume", false),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", false),
    ("storage.k8s.io", "v1", "csinodes", "CSINode", false),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false),
    ("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", true),
    ("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", false),
];

/// Makes a drain of the cordon of a node. Without the node's pods there is no plan; what else cannot be read is said.
pub(super) async fn drain(
    site: &Site,
    cordon: Plan,
    node: &Value,
    options: &drain::Options,
) -> Result<Plan, PlanError> {
    let query = format!("fieldSelector={}", encode(&format!("spec.nodeName={}", name(node))));
    let pods = list(site, "", "v1", "Pod", None, &query)
        .await
        .map_err(|e| PlanError::Refused(format!("the pods of {} cannot be read: {e}", site.cluster)))?;
    let mut unread = vec![];
    let budgets = list(site, "policy", "v1", "PodDisruptionBudget", None, "").await.unwrap_or_else(|e| {
        if e.code() != 404 {
            unread
                .push(Line::warning(format!("PodDisruptionBudgets cannot be read, so what blocks is not known: {e}")));
        }
        vec![]
    });
    let nodes = all(site, ("", "v1", "nodes", "Node", false)).await.unwrap_or_default();
    let running = encode("status.phase!=Succeeded,status.phase!=Failed");
    let others = site
        .api
        .list_lean(&resource(("", "v1", "pods", "Pod", true)), None, &format!("fieldSelector={running}"), lean)
        .await;
    let mut storage: [Option<Vec<Value>>; 7] = Default::default();
    if pods.iter().any(|pod| !claims(pod).is_empty()) {
        for (slot, kind) in storage.iter_mut().zip(STORAGE) {
            *slot = all(site, kind).await.ok();
        }
    }
    let namespaces = all(site, ("", "v1", "namespaces", "Namespace", false)).await.ok();
    let cluster = match &others {
        Ok(others) if !nodes.is_empty() => Some(objects(&nodes, others, &storage, &namespaces)),
        Ok(_) => None,
        Err(e) => {
            unread.push(Line::warning(format!(
                "the pods of other nodes cannot be read, so whether there is room is not known: {e}"
            )));
            None
        }
    };
    let facts = Facts { node, pods: &pods, budgets: &budgets, nodes: &nodes, cluster };
    let mut plan = drain::plan(cordon, &facts, options);
    plan.lines.extend(unread);
    Ok(plan)
}

fn objects<'a>(
    nodes: &'a [Value],
    pods: &'a [Value],
    storage: &'a [Option<Vec<Value>>; 7],
    namespaces: &'a Option<Vec<Value>>,
) -> Objects<'a> {
    let refs = |list: &'a Option<Vec<Value>>| list.as_ref().map(|list| list.iter().collect());
    let [claims, volumes, classes, csinodes, csidrivers, capacities, attachments] = storage;
    Objects {
        nodes: nodes.iter().collect(),
        pods: pods.iter().collect(),
        claims: refs(claims),
        volumes: refs(volumes),
        classes: refs(classes),
        csinodes: refs(csinodes),
        csidrivers: refs(csidrivers),
        capacities: refs(capacities),
        attachments: refs(attachments),
        namespaces: refs(namespaces),
        ..Objects::default()
    }
}

/// Fields of a container that filters and the judgement of its pod read.
const KEPT: [&str; 7] = ["name", "image", "resources", "ports", "restartPolicy", "readinessProbe", "startupProbe"];

/// Drops what no filter reads, page by page: a cluster of many thousand pods is not kept whole.
fn lean(pod: &mut Value) {
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("annotations");
    }
    for list in ["containers", "initContainers"] {
        let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            container.retain(|field, _| KEPT.contains(&field.as_str()));
        }
    }
}

async fn all(site: &Site, kind: Kind) -> Result<Vec<Value>, ApiError> {
    site.api.list(&resource(kind), None, "").await
}

fn resource((group, version, plural, kind, namespaced): Kind) -> Resource {
    Resource {
        id: ResourceId::new(group, plural),
        version: version.into(),
        kind: kind.into(),
        singular: kind.to_lowercase(),
        namespaced,
        short_names: vec![],
        verbs: vec![],
    }
}
