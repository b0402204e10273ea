//! Refusing what a real server refuses: values of the wrong type, unknown fields, bad names, missing and immutable
//! fields. The basics, not all of `pkg/apis/*/validation`.

use crate::sim::store::{Cause, Failure, is_custom};
use crate::world::object::{Resource, list_at, name, str_at};
use crate::world::quantity::Quantity;
use crate::world::selector::Selector;
use k8s_openapi::api::{apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch, core::v1 as core};
use k8s_openapi::api::{
    discovery::v1 as discovery, networking::v1 as networking, policy::v1 as policy, storage::v1 as storage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                     with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/// Reads an object as its type, drops the fields that the type does not have, and names them.
///
/// # Errors
/// 400 where a value has the wrong type.
pub fn decode(kind: &Resource, object: &mut Value) -> Result<Vec<String>, Failure> {
    let typed = match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "configmaps") => through::<core::ConfigMap>(object),
        ("", "namespaces") => through::<core::Namespace>(object),
        ("", "nodes") => through::<core::Node>(object),
        ("", "persistentvolumeclaims") => through::<core::PersistentVolumeClaim>(object),
        ("", "persistentvolumes") => through::<core::PersistentVolume>(object),
        ("", "pods") => through::<core::Pod>(object),
        ("", "secrets") => through::<core::Secret>(object),
        ("", "services") => through::<core::Service>(object),
        ("apps", "daemonsets") => through::<apps::DaemonSet>(object),
        ("apps", "deployments") => through::<apps::Deployment>(object),
        ("apps", "replicasets") => through::<apps::ReplicaSet>(object),
        ("apps", "statefulsets") => through::<apps::StatefulSet>(object),
        ("autoscaling", "horizontalpodautoscalers") => through::<autoscaling::HorizontalPodAutoscaler>(object),
        ("batch", "cronjobs") => through::<batch::CronJob>(object),
        ("batch", "jobs") => through::<batch::Job>(object),
        ("discovery.k8s.io", "endpointslices") => through::<discovery::EndpointSlice>(object),
        ("networking.k8s.io", "ingresses") => through::<networking::Ingress>(object),
        ("policy", "poddisruptionbudgets") => through::<policy::PodDisruptionBudget>(object),
        ("storage.k8s.io", "storageclasses") => through::<storage::StorageClass>(object),
        _ => return Ok(vec![]),
    };
    let typed = typed.map_err(|why| {
        Failure::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {why}",
            kind.kind, kind.version, kind.kind
        ))
    })?;
    let mut unknown = Vec::new();
    prune(object, &typed, "", &mut unknown);
    Ok(unknown)
}

fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, String> {
    // A type's own name is checked elsewhere; a body may leave it out.
    let typed = T::deserialize(object).map_err(|e| e.to_string())?;
    serde_json::to_value(typed).map_err(|e| e.to_string())
}

/// Removes what did not survive the way through the type. Values stay as the client wrote them.
fn prune(object: &mut Value, typed: &Value, path: &str, unknown: &mut Vec<String>) {
    match (object, typed) {
        (Value::Object(have), Value::Object(known)) => have.retain(|key, value| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match known.get(key) {
                Some(typed) => prune(value, typed, &path, unknown),
                None if holds_nothing(value) || path == "metadata.creationTimestamp" => {}
                None => {
                    unknown.push(path);
                    return false;
                }
            }
            true
        }),
        (Value::Array(have), Value::Array(known)) => {
            for (n, (value, typed)) in have.iter_mut().zip(known).enumerate() {
                prune(value, typed, &format!("{path}[{n}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Empty values do not survive the way through a type, known or not.
fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn is_label(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63 && text.starts_with(fine) && text.ends_with(fine) && text.chars().all(|c| fine(c) || c == '-')
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| is_label(part) || (part.len() > 63 && is_label(&part[part.len() - 63..])))
}

/// Checks a new object.
///
/// # Errors
/// 422 with every field that is wrong.
pub fn create(kind: &Resource, object: &Value) -> Result<(), Failure> {
    let mut causes = Vec::new();
    let named = name(object);
    let strict = matches!((kind.id.group.as_str(), kind.id.plural.as_str()), ("", "namespaces" | "services"));
    let free = kind.id.group == "rbac.authorization.k8s.io";
    if named.is_empty() && str_at(object, "/metadata/generateName").is_empty() {
        let why = "Required value: name or generateName is required".to_string();
        causes.push(Cause { message: why, ..Cause::required("metadata.name") });
    } else if !named.is_empty() && !free {
        if strict && !is_label(named) {
            causes.push(Cause::invalid("metadata.name", &json!(named), LABEL));
        } else if !is_subdomain(named) {
            causes.push(Cause::invalid("metadata.name", &json!(named), SUBDOMAIN));
        }
    }
    body(kind, object, &mut causes);
    refuse(kind, named, causes)
}

fn refuse(kind: &Resource, name: &str, causes: Vec<Cause>) -> Result<(), Failure> {
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &causes)) }
}

fn body(kind: &Resource, object: &Value, causes: &mut Vec<Cause>) {
    match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "pods") => pod_spec("spec", object, causes),
        ("", "services") => service(object, causes),
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => workload(object, causes),
        ("batch", "jobs") => pod_spec("spec.template.spec", object, causes),
        _ => {}
    }
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    object.pointer(&format!("/{}", path.replace('.', "/"))).filter(|value| !value.is_null())
}

fn pod_spec(path: &str, object: &Value, causes: &mut Vec<Cause>) {
    let containers = at(object, &format!("{path}.containers")).and_then(Value::as_array);
    let Some(containers) = containers.filter(|list| !list.is_empty()) else {
        causes.push(Cause::required(&format!("{path}.containers")));
        return;
    };
    for (n, container) in containers.iter().enumerate() {
        let here = format!("{path}.containers[{n}]");
        let name = str_at(container, "/name");
        if name.is_empty() {
            causes.push(Cause::required(&format!("{here}.name")));
        } else if !is_label(name) {
            causes.push(Cause::invalid(&format!("{here}.name"), &json!(name), LABEL));
        }
        if containers[..n].iter().any(|other| !name.is_empty() && str_at(other, "/name") == name) {
            let message = format!("Duplicate value: {}", json!(name));
            causes.push(Cause { reason: "FieldValueDuplicate", message, field: format!("{here}.name") });
        }
        // A template may leave the image to something that fills it in; a pod may not.
        if str_at(container, "/image").is_empty() && path != "spec" {
            causes.push(Cause::required(&format!("{here}.image")));
        }
        resources(&here, container, causes);
    }
}

fn resources(here: &str, container: &Value, causes: &mut Vec<Cause>) {
    let amount = |side: &str, what: &str| {
        let value = container.pointer(&format!("/resources/{side}/{what}"))?;
        Quantity::parse(&value.as_str().map_or_else(|| value.to_string(), Into::into))
    };
    for what in ["cpu", "memory"] {
        if let (Some(request), Some(limit)) = (amount("requests", what), amount("limits", what))
            && request > limit
        {
            let shown = container.pointer(&format!("/resources/requests/{what}")).cloned().unwrap_or_default();
            let why = format!(
                "must be less than or equal to {what} limit of {}",
                str_at(container, &format!("/resources/limits/{what}"))
            );
            causes.push(Cause::invalid(&format!("{here}.resources.requests"), &shown, &why));
        }
    }
}

fn workload(object: &Value, causes: &mut Vec<Cause>) {
    if let Some(replicas) = object.pointer("/spec/replicas").and_then(Value::as_i64).filter(|n| *n < 0) {
        causes.push(Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0"));
    }
    let Some(selector) = at(object, "spec.selector") else {
        causes.push(Cause::required("spec.selector"));
        return;
    };
    let labels = object.pointer("/spec/template/metadata/labels");
    if !Selector::from_value(selector).matches(labels) {
        let shown = labels.cloned().unwrap_or(Value::Null);
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            &shown,
            "`selector` does not match template `labels`",
        ));
    }
    pod_spec("spec.template.spec", object, causes);
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let external = str_at(object, "/spec/type") == "ExternalName";
    let headless = str_at(object, "/spec/clusterIP") == "None";
    if list_at(object, "/spec/ports").is_empty() && !external && !headless {
        causes.push(Cause::required("spec.ports"));
    }
}

/// Checks a changed object.
///
/// # Errors
/// 422 with every field that is wrong or must not change.
pub fn update(kind: &Resource, new: &Value, old: &Value) -> Result<(), Failure> {
    let mut causes = Vec::new();
    if !is_custom(&kind.id) {
        body(kind, new, &mut causes);
        immutable(kind, new, old, &mut causes);
    }
    refuse(kind, name(old), causes)
}

fn immutable(kind: &Resource, new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let mut fixed = |path: &str| {
        let (was, is) = (at(old, path), at(new, path));
        if was.is_some() && was != is {
            causes.push(Cause::invalid(path, is.unwrap_or(&Value::Null), "field is immutable"));
        }
    };
    match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("apps", "deployments" | "replicasets" | "daemonsets") => fixed("spec.selector"),
        ("apps", "statefulsets") => {
            for path in ["spec.selector", "spec.serviceName", "spec.volumeClaimTemplates", "spec.podManagementPolicy"] {
                fixed(path);
            }
        }
        ("batch", "jobs") => {
            fixed("spec.selector");
            fixed("spec.template");
        }
        ("", "nodes") => fixed("spec.providerID"),
        ("", "persistentvolumeclaims") => {
            fixed("spec.storageClassName");
            fixed("spec.accessModes");
        }
        ("storage.k8s.io", "storageclasses") => fixed("provisioner"),
        ("", "secrets") => fixed("type"),
        ("", "pods") if pod_fixed(new) != pod_fixed(old) => {
            let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                       `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                       `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
            causes.push(Cause::forbidden("spec", why));
        }
        _ => {}
    }
    let frozen = old.get("immutable") == Some(&Value::Bool(true));
    if frozen && matches!(kind.id.plural.as_str(), "configmaps" | "secrets") && old.get("data") != new.get("data") {
        causes.push(Cause::forbidden("data", "field is immutable when `immutable` is set"));
    }
}

/// What of a pod's spec must stay as it is.
fn pod_fixed(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or(Value::Null);
    if let Some(map) = spec.as_object_mut() {
        for free in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "nodeName",
            "schedulingGates",
            "ephemeralContainers",
        ] {
            map.shift_remove(free);
        }
        for list in ["containers", "initContainers"] {
            for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                container.as_object_mut().map(|container| container.shift_remove("image"));
            }
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::store::builtin_kinds;

    fn kind(plural: &str) -> Resource {
        builtin_kinds().into_iter().find(|kind| kind.id.plural == plural).unwrap()
    }

    #[test]
    fn unknown_fields_are_dropped_and_named() {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"a": "b"}},
            "spec": {"contaners": [], "containers": [{"name": "c", "imge": "x", "env": []}]}});
        assert_eq!(decode(&kind("pods"), &mut pod).unwrap(), ["spec.containers[0].imge"]);
        assert!(pod.pointer("/spec/containers/0/imge").is_none() && pod.pointer("/metadata/labels/a").is_some());
        let mut wrong = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": "none"}});
        assert_eq!(decode(&kind("pods"), &mut wrong).unwrap_err().code, 400);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let refused =
            create(&kind("pods"), &json!({"metadata": {"name": "Bad_Name"}, "spec": {"containers": []}})).unwrap_err();
        let fields: Vec<&str> = list_at(&refused.details, "/causes").iter().map(|c| str_at(c, "/field")).collect();
        assert_eq!((refused.code, fields), (422, vec!["metadata.name", "spec.containers"]));

        let deployment = json!({"metadata": {"name": "web"}, "spec": {"replicas": -1, "selector": {"matchLabels": {"app": "a"}},
            "template": {"metadata": {"labels": {"app": "b"}}, "spec": {"containers": [{"name": "c", "image": "i",
                "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]}}}});
        let refused = create(&kind("deployments"), &deployment).unwrap_err();
        assert_eq!(list_at(&refused.details, "/causes").len(), 3, "{}", refused.message);
        assert!(refused.message.starts_with("Deployment.apps \"web\" is invalid: ["));
    }

    #[test]
    fn what_is_immutable_stays() {
        let pod = |image: &str, env: &str| json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "c", "image": image, "env": [{"name": env}]}]}});
        assert!(update(&kind("pods"), &pod("b", "x"), &pod("a", "x")).is_ok());
        assert_eq!(update(&kind("pods"), &pod("a", "y"), &pod("a", "x")).unwrap_err().code, 422);
    }
}
