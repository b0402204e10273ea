//! From a pod template to a pod, with the defaults the API server fills in
//! (`pkg/apis/core/v1/defaults.go`, and the admission plugin DefaultTolerationSeconds).

use crate::sim::controllers::meta::{child, set};
use crate::world::object::{list_at, str_at};
use serde_json::{Value, json};

/// A pod named `name`, made from `owner`'s `spec.template`, with further labels.
pub fn pod_from(owner: &Value, name: &str, labels: &[(&str, &str)]) -> Value {
    let template = owner.pointer("/spec/template").cloned().unwrap_or_default();
    let mut pod = child(owner, "v1", "Pod", name);
    for key in ["labels", "annotations"] {
        if let Some(map) = template.pointer(&format!("/metadata/{key}")).filter(|m| m.is_object()) {
            set(&mut pod, &format!("metadata.{key}"), map.clone());
        }
    }
    for (key, value) in labels {
        crate::sim::controllers::meta::set_key(&mut pod, "metadata.labels", key, json!(value));
    }
    set(&mut pod, "spec", template.get("spec").cloned().unwrap_or_default());
    defaults(&mut pod);
    let qos = qos_class(&pod);
    set(&mut pod, "status", json!({"phase": "Pending", "qosClass": qos}));
    pod
}

/// Fills in what a pod gets when nobody says anything else.
fn defaults(pod: &mut Value) {
    for (key, value) in [
        ("restartPolicy", json!("Always")),
        ("schedulerName", json!("default-scheduler")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("serviceAccountName", json!("default")),
        ("securityContext", json!({})),
        ("enableServiceLinks", json!(true)),
        ("priority", json!(0)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
    ] {
        if pod.pointer(&format!("/spec/{key}")).is_none() {
            set(pod, &format!("spec.{key}"), value);
        }
    }
    default_tolerations(pod);
    for list in ["initContainers", "containers"] {
        let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(container_defaults);
    }
}

fn default_tolerations(pod: &mut Value) {
    let mut all = list_at(pod, "/spec/tolerations").to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let there = all.iter().any(|t| {
            let (has, effect) = (str_at(t, "/key"), str_at(t, "/effect"));
            (has == key || has.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if !there {
            all.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
    set(pod, "spec.tolerations", Value::Array(all));
}

fn container_defaults(container: &mut Value) {
    let latest = !str_at(container, "/image").rsplit('/').next().unwrap_or_default().contains(':');
    for (key, value) in [
        ("imagePullPolicy", json!(if latest { "Always" } else { "IfNotPresent" })),
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
    ] {
        if container.get(key).is_none() {
            set(container, key, value);
        }
    }
    // A limit without a request is a request too (`SetDefaults_Pod`).
    for resource in ["cpu", "memory"] {
        let limit = container.pointer(&format!("/resources/limits/{resource}")).cloned();
        if let Some(limit) = limit.filter(|_| container.pointer(&format!("/resources/requests/{resource}")).is_none()) {
            set(container, &format!("resources.requests.{resource}"), limit);
        }
    }
    for port in container.pointer_mut("/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if port.get("protocol").is_none() {
            set(port, "protocol", json!("TCP"));
        }
    }
}

/// `status.qosClass` (`pkg/apis/core/v1/helper/qos`).
pub fn qos_class(pod: &Value) -> &'static str {
    let containers = list_at(pod, "/spec/containers");
    let has = |c: &Value, kind: &str, r: &str| c.pointer(&format!("/resources/{kind}/{r}")).is_some();
    let any = containers.iter().any(|c| ["requests", "limits"].iter().any(|k| has(c, k, "cpu") || has(c, k, "memory")));
    let equal = containers.iter().all(|c| {
        ["cpu", "memory"].iter().all(|r| {
            has(c, "limits", r)
                && c.pointer(&format!("/resources/limits/{r}")) == c.pointer(&format!("/resources/requests/{r}"))
        })
    });
    match (any, equal) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_what_the_api_server_would_fill_in() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "w", "namespace": "shop", "uid": "u"},
            "spec": {"template": {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [
                {"name": "w", "image": "r.io/w:1", "ports": [{"containerPort": 80}], "resources": {"limits": {"memory": "1Gi"}}}]}}}});
        let pod = pod_from(&owner, "w-1", &[("pod-template-hash", "x")]);
        assert_eq!(pod.pointer("/metadata/labels"), Some(&json!({"app": "w", "pod-template-hash": "x"})));
        assert_eq!(pod.pointer("/spec/containers/0/resources/requests/memory"), Some(&json!("1Gi")));
        assert_eq!(list_at(&pod, "/spec/tolerations").len(), 2);
        assert_eq!(str_at(&pod, "/status/qosClass"), "Burstable");
        assert_eq!(str_at(&pod, "/spec/containers/0/ports/0/protocol"), "TCP");
    }
}
