//! The kinds an embedded cluster serves without any definition, as discovery of Kubernetes 1.36 lists them, and the
//! kinds that CustomResourceDefinitions add.

use crate::world::object::{Resource, ResourceId, bool_at, list_at, str_at};
use serde_json::Value;

/// group, version, plural, kind, namespaced, short names
type Line = (&'static str, &'static str, &'static str, &'static str, bool, &'static [&'static str]);

const BUILTIN: &[Line] = &[
    ("", "v1", "configmaps", "ConfigMap", true, &["cm"]),
    ("", "v1", "endpoints", "Endpoints", true, &["ep"]),
    ("", "v1", "events", "Event", true, &["ev"]),
    ("", "v1", "limitranges", "LimitRange", true, &["limits"]),
    ("", "v1", "namespaces", "Namespace", false, &["ns"]),
    ("", "v1", "nodes", "Node", false, &["no"]),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, &["pvc"]),
    ("", "v1", "persistentvolumes", "PersistentVolume", false, &["pv"]),
    ("", "v1", "pods", "Pod", true, &["po"]),
    ("", "v1", "podtemplates", "PodTemplate", true, &[]),
    ("", "v1", "replicationcontrollers", "ReplicationController", true, &["rc"]),
    ("", "v1", "resourcequotas", "ResourceQuota", true, &["quota"]),
    ("", "v1", "secrets", "Secret", true, &[]),
    ("", "v1", "serviceaccounts", "ServiceAccount", true, &["sa"]),
    ("", "v1", "services", "Service", true, &["svc"]),
    ("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false, &[]),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        &[],
    ),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false, &["crd", "crds"]),
    ("apps", "v1", "controllerrevisions", "ControllerRevision", true, &[]),
    ("apps", "v1", "daemonsets", "DaemonSet", true, &["ds"]),
    ("apps", "v1", "deployments", "Deployment", true, &["deploy"]),
    ("apps", "v1", "replicasets", "ReplicaSet", true, &["rs"]),
    ("apps", "v1", "statefulsets", "StatefulSet", true, &["sts"]),
    ("argoproj.io", "v1alpha1", "applications", "Application", true, &["app", "apps"]),
    ("argoproj.io", "v1alpha1", "applicationsets", "ApplicationSet", true, &["appset", "appsets"]),
    ("argoproj.io", "v1alpha1", "appprojects", "AppProject", true, &["appproj", "appprojs"]),
    ("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true, &["hpa"]),
    ("batch", "v1", "cronjobs", "CronJob", true, &["cj"]),
    ("batch", "v1", "jobs", "Job", true, &[]),
    ("coordination.k8s.io", "v1", "leases", "Lease", true, &[]),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true, &[]),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false, &[]),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", true, &["ing"]),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, &["netpol"]),
    ("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false, &[]),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, &["pdb"]),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false, &[]),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false, &[]),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true, &[]),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", true, &[]),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false, &["pc"]),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false, &[]),
    ("storage.k8s.io", "v1", "csinodes", "CSINode", false, &[]),
    ("storage.k8s.io", "v1", "csistoragecapacities", "CSIStorageCapacity", true, &[]),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", false, &["sc"]),
    ("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", false, &[]),
];

/// The verbs of every kind here, in the order of discovery.
pub const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Every kind an embedded cluster has from the start: those of Kubernetes 1.36 that people look at, and Argo CD's.
pub fn builtin_kinds() -> Vec<Resource> {
    BUILTIN
        .iter()
        .map(|&(group, version, plural, kind, namespaced, short)| Resource {
            id: ResourceId::new(group, plural),
            version: version.into(),
            kind: kind.into(),
            singular: kind.to_lowercase(),
            namespaced,
            short_names: short.iter().map(|s| s.to_string()).collect(),
            verbs: verbs(plural),
        })
        .collect()
}

/// Namespaces are deleted one by one.
fn verbs(plural: &str) -> Vec<String> {
    let missing = |verb: &&&str| plural == "namespaces" && **verb == "deletecollection";
    VERBS.iter().filter(|verb| !missing(verb)).map(|verb| verb.to_string()).collect()
}

/// Whether a built-in kind has a status subresource. Argo CD's Applications have none; other custom kinds say so in
/// their definition.
pub fn has_status(id: &ResourceId) -> bool {
    matches!(
        (id.group.as_str(), id.plural.as_str()),
        (
            "",
            "namespaces"
                | "nodes"
                | "persistentvolumeclaims"
                | "persistentvolumes"
                | "pods"
                | "replicationcontrollers"
                | "resourcequotas"
                | "services"
        ) | ("apiextensions.k8s.io", "customresourcedefinitions")
            | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
            | ("autoscaling", "horizontalpodautoscalers")
            | ("batch", "cronjobs" | "jobs")
            | ("networking.k8s.io", "ingresses")
            | ("policy", "poddisruptionbudgets")
            | ("storage.k8s.io", "volumeattachments")
    )
}

/// Whether a kind comes from a definition: items of its lists carry `apiVersion` and `kind`, and it knows no strategic
/// merge patch.
pub fn is_custom(id: &ResourceId) -> bool {
    id.group == "argoproj.io" || !BUILTIN.iter().any(|line| line.0 == id.group && line.2 == id.plural)
}

/// Whether objects of a kind carry `metadata.generation`.
pub fn has_generation(id: &ResourceId) -> bool {
    match id.group.as_str() {
        "" => matches!(id.plural.as_str(), "pods" | "replicationcontrollers"),
        "rbac.authorization.k8s.io" | "storage.k8s.io" | "coordination.k8s.io" => false,
        _ => true,
    }
}

/// The kind that a CustomResourceDefinition adds, in its storage version or the first one served, and whether it has a
/// status subresource.
pub fn of_definition(definition: &Value) -> Option<(Resource, bool)> {
    let versions = list_at(definition, "/spec/versions");
    let served = |v: &&Value| bool_at(v, "/served");
    let version = versions.iter().filter(served).find(|v| bool_at(v, "/storage")).or(versions.iter().find(served))?;
    let plural = str_at(definition, "/spec/names/plural");
    let kind = str_at(definition, "/spec/names/kind");
    if plural.is_empty() || kind.is_empty() {
        return None;
    }
    let singular = match str_at(definition, "/spec/names/singular") {
        "" => kind.to_lowercase(),
        named => named.to_string(),
    };
    let kind = Resource {
        id: ResourceId::new(str_at(definition, "/spec/group"), plural),
        version: str_at(version, "/name").into(),
        kind: kind.into(),
        singular,
        namespaced: str_at(definition, "/spec/scope") == "Namespaced",
        short_names: list_at(definition, "/spec/names/shortNames")
            .iter()
            .filter_map(Value::as_str)
            .map(Into::into)
            .collect(),
        verbs: VERBS.iter().map(|v| v.to_string()).collect(),
    };
    Some((kind, version.pointer("/subresources/status").is_some()))
}
