//! What a server fills in where a manifest says nothing (`pkg/apis/*/v1/defaults.go`): the fields that people see in
//! tables and descriptions, and that controllers count on.

use crate::world::object::{Resource, list_at, str_at};
use crate::world::quantity::Quantity;
use serde_json::{Map, Value, json};

/// Fills in an object that is created or replaced.
pub fn fill(kind: &Resource, object: &mut Value) {
    match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "pods") => {
            pod_spec(object.get_mut("spec"));
            tolerate(object.get_mut("spec"));
        }
        ("", "services") => service(object.get_mut("spec")),
        ("", "secrets") => secret(object),
        ("", "persistentvolumeclaims") => with(object.get_mut("spec"), &[("volumeMode", json!("Filesystem"))]),
        ("", "persistentvolumes") => {
            with(
                object.get_mut("spec"),
                &[("volumeMode", json!("Filesystem")), ("persistentVolumeReclaimPolicy", json!("Retain"))],
            );
        }
        ("", "namespaces") => namespace(object),
        ("apps", "deployments") => deployment(object.get_mut("spec")),
        ("apps", "replicasets") | ("", "replicationcontrollers") => {
            with(object.get_mut("spec"), &[("replicas", json!(1))]);
            template(object.get_mut("spec"));
        }
        ("apps", "statefulsets") => stateful_set(object.get_mut("spec")),
        ("apps", "daemonsets") => {
            let update = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}});
            with(object.get_mut("spec"), &[("updateStrategy", update), ("revisionHistoryLimit", json!(10))]);
            template(object.get_mut("spec"));
        }
        ("batch", "jobs") => job(object.get_mut("spec")),
        ("batch", "cronjobs") => cron_job(object.get_mut("spec")),
        ("networking.k8s.io", "ingresses") => ingress(object),
        ("storage.k8s.io", "storageclasses") => {
            with(Some(object), &[("reclaimPolicy", json!("Delete")), ("volumeBindingMode", json!("Immediate"))]);
        }
        ("scheduling.k8s.io", "priorityclasses") => {
            with(Some(object), &[("preemptionPolicy", json!("PreemptLowerPriority"))])
        }
        _ => {}
    }
}

/// What a new object starts with in its status.
pub fn first_status(kind: &Resource, object: &mut Value) {
    let status = match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "pods") => json!({"phase": "Pending", "qosClass": qos(object)}),
        ("", "namespaces") => json!({"phase": "Active"}),
        ("", "persistentvolumeclaims" | "persistentvolumes") => json!({"phase": "Pending"}),
        ("", "services") | ("networking.k8s.io", "ingresses") => json!({"loadBalancer": {}}),
        _ => return,
    };
    let Some(map) = object.as_object_mut() else { return };
    match map.get_mut("status") {
        Some(Value::Object(have)) => {
            for (key, value) in status.as_object().into_iter().flatten() {
                have.entry(key.clone()).or_insert(value.clone());
            }
        }
        _ => {
            map.insert("status".into(), status);
        }
    }
}

fn with(object: Option<&mut Value>, defaults: &[(&str, Value)]) {
    let Some(map) = object.and_then(Value::as_object_mut) else { return };
    for (key, value) in defaults {
        set(map, key, value);
    }
}

fn set(map: &mut Map<String, Value>, key: &str, value: &Value) {
    if map.get(key).is_none_or(Value::is_null) {
        map.insert(key.into(), value.clone());
    }
}

fn template(spec: Option<&mut Value>) {
    pod_spec(spec.and_then(|spec| spec.pointer_mut("/template/spec")));
}

fn pod_spec(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fill_container(container);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            with(volume.get_mut(source), &[("defaultMode", json!(420))]);
        }
    }
    let defaults = [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ];
    with(Some(spec), &defaults);
}

fn fill_container(container: &mut Value) {
    let image = str_at(container, "/image").to_string();
    let tag = image.rsplit('/').next().unwrap_or_default().split_once(':').map_or("latest", |(_, tag)| tag);
    let pull = if tag == "latest" && !image.contains('@') { "Always" } else { "IfNotPresent" };
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        with(Some(port), &[("protocol", json!("TCP"))]);
    }
    let defaults = [
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("imagePullPolicy", json!(pull)),
    ];
    with(Some(container), &defaults);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let defaults = [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)];
        with(container.get_mut(probe), &defaults.map(|(key, value)| (key, json!(value))));
        let get = container.get_mut(probe).and_then(|probe| probe.get_mut("httpGet"));
        with(get, &[("path", json!("/")), ("scheme", json!("HTTP"))]);
    }
    // A limit without a request is the request too.
    let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut)
        && !limits.is_empty()
        && let Some(requests) = resources.entry("requests").or_insert_with(|| json!({})).as_object_mut()
    {
        for (resource, limit) in limits {
            requests.entry(resource).or_insert(limit);
        }
    }
}

/// What admission adds to every pod: it stays five minutes on a node that is not ready
/// (`plugin/pkg/admission/defaulttolerationseconds`), runs as some account, and has a priority.
fn tolerate(spec: Option<&mut Value>) {
    let Some(spec) = spec.and_then(Value::as_object_mut) else { return };
    let defaults = [
        ("serviceAccountName", json!("default")),
        ("serviceAccount", json!("default")),
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
    ];
    for (key, value) in &defaults {
        set(spec, key, value);
    }
    if !spec.contains_key("priorityClassName") {
        set(spec, "priority", &json!(0));
    }
    let Some(list) = spec.entry("tolerations").or_insert_with(|| json!([])).as_array_mut() else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |t: &Value| {
            (str_at(t, "/key") == key || (str_at(t, "/key").is_empty() && str_at(t, "/operator") == "Exists"))
                && matches!(str_at(t, "/effect"), "" | "NoExecute")
        };
        if !list.iter().any(covers) {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}

/// `pkg/apis/core/v1/helper/qos`: what the requests and limits of all containers amount to.
fn qos(pod: &Value) -> &'static str {
    let containers: Vec<&Value> =
        ["/spec/containers", "/spec/initContainers"].iter().flat_map(|list| list_at(pod, list)).collect();
    let amount = |container: &Value, side: &str, what: &str| {
        let value = container.pointer(&format!("/resources/{side}/{what}"))?;
        Quantity::parse(&value.as_str().map_or_else(|| value.to_string(), Into::into)).filter(|q| q.0 > 0)
    };
    let set = |c: &&Value| {
        ["requests", "limits"].iter().any(|side| ["cpu", "memory"].iter().any(|what| amount(c, side, what).is_some()))
    };
    let full = |c: &Value| {
        ["cpu", "memory"].iter().all(|what| {
            let limit = amount(c, "limits", what);
            limit.is_some() && amount(c, "requests", what).is_none_or(|request| Some(request) == limit)
        })
    };
    match () {
        _ if !containers.iter().any(set) => "BestEffort",
        _ if containers.iter().all(|c| full(c)) => "Guaranteed",
        _ => "Burstable",
    }
}

fn deployment(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    let defaults = [
        ("replicas", json!(1)),
        ("strategy", json!({"type": "RollingUpdate"})),
        ("revisionHistoryLimit", json!(10)),
        ("progressDeadlineSeconds", json!(600)),
    ];
    with(Some(spec), &defaults);
    with(spec.get_mut("strategy"), &[("type", json!("RollingUpdate"))]);
    if str_at(spec, "/strategy/type") == "RollingUpdate" {
        with(spec.get_mut("strategy"), &[("rollingUpdate", json!({}))]);
        let quarter = json!("25%");
        with(
            spec.pointer_mut("/strategy/rollingUpdate"),
            &[("maxUnavailable", quarter.clone()), ("maxSurge", quarter)],
        );
    }
    template(Some(spec));
}

fn stateful_set(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    let defaults = [
        ("replicas", json!(1)),
        ("podManagementPolicy", json!("OrderedReady")),
        ("updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
        ("revisionHistoryLimit", json!(10)),
        ("persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Retain", "whenScaled": "Retain"})),
    ];
    with(Some(spec), &defaults);
    template(Some(spec));
}

fn job(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        with(Some(spec), &[("completions", json!(1))]);
    }
    let defaults = [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("suspend", json!(false)),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
    ];
    with(Some(spec), &defaults);
    template(Some(spec));
}

fn cron_job(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    let defaults = [
        ("concurrencyPolicy", json!("Allow")),
        ("suspend", json!(false)),
        ("successfulJobsHistoryLimit", json!(3)),
        ("failedJobsHistoryLimit", json!(1)),
    ];
    with(Some(spec), &defaults);
    template(spec.pointer_mut("/jobTemplate/spec"));
}

fn service(spec: Option<&mut Value>) {
    let Some(spec) = spec else { return };
    with(Some(spec), &[("type", json!("ClusterIP")), ("sessionAffinity", json!("None"))]);
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = port.get("port").cloned().unwrap_or(Value::Null);
        with(Some(port), &[("protocol", json!("TCP")), ("targetPort", same)]);
    }
    if str_at(spec, "/type") == "ExternalName" {
        return;
    }
    let defaults = [
        ("ipFamilies", json!(["IPv4"])),
        ("ipFamilyPolicy", json!("SingleStack")),
        ("internalTrafficPolicy", json!("Cluster")),
    ];
    with(Some(spec), &defaults);
    let address = str_at(spec, "/clusterIP").to_string();
    if !address.is_empty() {
        with(Some(spec), &[("clusterIPs", json!([address]))]);
    }
}

/// `stringData` is for writing only.
fn secret(object: &mut Value) {
    use base64::Engine;
    with(Some(object), &[("type", json!("Opaque"))]);
    let Some(map) = object.as_object_mut() else { return };
    let Some(Value::Object(plain)) = map.shift_remove("stringData") else { return };
    if let Some(data) = map.entry("data").or_insert_with(|| json!({})).as_object_mut() {
        for (key, value) in plain {
            let text = value.as_str().unwrap_or_default();
            data.insert(key, base64::engine::general_purpose::STANDARD.encode(text).into());
        }
    }
}

fn namespace(object: &mut Value) {
    let name = object.pointer("/metadata/name").cloned().unwrap_or(Value::Null);
    let meta = object.get_mut("metadata");
    with(meta, &[("labels", json!({}))]);
    with(object.pointer_mut("/metadata/labels"), &[("kubernetes.io/metadata.name", name)]);
}

fn ingress(object: &mut Value) {
    for rule in object.pointer_mut("/spec/rules").and_then(Value::as_array_mut).into_iter().flatten() {
        for path in rule.pointer_mut("/http/paths").and_then(Value::as_array_mut).into_iter().flatten() {
            with(Some(path), &[("pathType", json!("ImplementationSpecific"))]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::store::builtin_kinds;

    fn filled(plural: &str, mut object: Value) -> Value {
        let kind = builtin_kinds().into_iter().find(|kind| kind.id.plural == plural).unwrap();
        fill(&kind, &mut object);
        first_status(&kind, &mut object);
        let once = object.clone();
        fill(&kind, &mut object);
        assert_eq!(object, once, "filling in twice changes nothing");
        object
    }

    #[test]
    fn a_pod_gets_what_it_does_not_say() {
        let pod = filled(
            "pods",
            json!({"spec": {"containers": [{"name": "c", "image": "reg:5000/app", "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}], "tolerations": [{"operator": "Exists"}]}}),
        );
        assert_eq!(pod["spec"]["restartPolicy"], "Always");
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "Always", "a port of the registry is no tag");
        assert_eq!(pod["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
        assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 1, "everything is tolerated already");
        assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "Guaranteed"}));
        assert_eq!(
            filled("pods", json!({"spec": {"containers": [{"name": "c"}]}}))["status"]["qosClass"],
            "BestEffort"
        );
    }

    #[test]
    fn a_secret_is_encoded_and_a_deployment_rolls() {
        let secret = filled("secrets", json!({"stringData": {"key": "value"}}));
        assert_eq!(secret, json!({"type": "Opaque", "data": {"key": "dmFsdWU="}}));
        let deployment = filled("deployments", json!({"spec": {"template": {"spec": {"containers": []}}}}));
        assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"], "25%");
        assert_eq!(deployment["spec"]["template"]["spec"]["dnsPolicy"], "ClusterFirst");
        let recreate = filled("deployments", json!({"spec": {"strategy": {"type": "Recreate"}}}));
        assert!(recreate["spec"]["strategy"].get("rollingUpdate").is_none());
    }
}
