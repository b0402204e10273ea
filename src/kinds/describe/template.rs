//! What a pod and a pod template share beside containers: volumes, and what decides where they may run.

use super::page::Page;
use super::{Mark, container, joined, scalar};
use crate::world::object::{int_at, list_at, str_at};
use serde_json::Value;

/// The pod template of a workload (`spec.template`).
pub fn describe(page: &mut Page, template: &Value) {
    let spec = template.pointer("/spec").unwrap_or(&Value::Null);
    page.section("Pod template");
    page.pairs("Labels", template.pointer("/metadata/labels"), "=");
    page.pairs("Annotations", template.pointer("/metadata/annotations"), ": ");
    page.at("Service account", spec, "/serviceAccountName");
    page.at("Priority class", spec, "/priorityClassName");
    container::all(page, spec, None);
    volumes(page, list_at(spec, "/volumes"));
    placement(page, spec);
}

/// The volumes of a pod spec.
pub fn volumes(page: &mut Page, volumes: &[Value]) {
    if volumes.is_empty() {
        return;
    }
    page.section("Volumes");
    for volume in volumes {
        page.field(str_at(volume, "/name"), source(volume));
    }
}

/// `configmap app-config (optional)`, `claim data`, `projected: token, configmap kube-root-ca.crt`.
fn source(volume: &Value) -> String {
    let entry = volume.as_object().and_then(|map| map.iter().find(|(key, _)| *key != "name"));
    let Some((kind, from)) = entry else { return "empty directory".into() };
    let optional = if from.get("optional") == Some(&Value::Bool(true)) { " (optional)" } else { "" };
    let mut text = match kind.as_str() {
        "configMap" => format!("configmap {}{optional}", str_at(from, "/name")),
        "secret" => format!("secret {}{optional}", str_at(from, "/secretName")),
        "persistentVolumeClaim" => format!("claim {}", str_at(from, "/claimName")),
        "emptyDir" => {
            let facts = [str_at(from, "/medium").to_string(), from.get("sizeLimit").map(scalar).unwrap_or_default()];
            let facts: Vec<String> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
            format!("empty directory {}", facts.join(", ")).trim_end().to_string()
        }
        "hostPath" => format!("host path {}", str_at(from, "/path")),
        "projected" => format!("projected: {}", projected(list_at(from, "/sources"))),
        "downwardAPI" => "fields of the pod".into(),
        "nfs" => format!("nfs {}:{}", str_at(from, "/server"), str_at(from, "/path")),
        "csi" => format!("csi {}", str_at(from, "/driver")),
        "ephemeral" => {
            format!("a claim of its own, class {}", str_at(from, "/volumeClaimTemplate/spec/storageClassName"))
        }
        "image" => format!("image {}", str_at(from, "/reference")),
        other => format!("{other} {from}"),
    };
    let keys: Vec<&str> = list_at(from, "/items").iter().map(|item| str_at(item, "/key")).collect();
    if !keys.is_empty() {
        text.push_str(&format!(", keys {}", keys.join(" ")));
    }
    text
}

fn projected(sources: &[Value]) -> String {
    let texts = sources.iter().map(|entry| match entry.as_object().and_then(|map| map.iter().next()) {
        Some((kind, from)) => match kind.as_str() {
            "serviceAccountToken" => "service account token".into(),
            "configMap" => format!("configmap {}", str_at(from, "/name")),
            "secret" => format!("secret {}", str_at(from, "/name")),
            "downwardAPI" => "fields of the pod".into(),
            other => other.to_string(),
        },
        None => String::new(),
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// Node selector, affinity, spread and tolerations of a pod spec.
pub fn placement(page: &mut Page, spec: &Value) {
    page.section("Placement");
    let selector = spec.pointer("/nodeSelector").and_then(Value::as_object).into_iter().flatten();
    page.list("Node selector", selector.map(|(key, value)| format!("{key}={}", scalar(value))), "none");
    page.list("Tolerations", list_at(spec, "/tolerations").iter().map(toleration), "none");
    page.list("Topology spread", list_at(spec, "/topologySpreadConstraints").iter().map(spread), "");
    if let Some(affinity) = spec.get("affinity").filter(|a| a.as_object().is_some_and(|map| !map.is_empty())) {
        page.nested(Mark::Plain, "Affinity:", |page| page.yaml(affinity));
    }
}

/// `dedicated=db:NoSchedule for 300s`; an empty key with Exists tolerates everything.
fn toleration(toleration: &Value) -> String {
    let (key, value) = (str_at(toleration, "/key"), str_at(toleration, "/value"));
    let effect = str_at(toleration, "/effect");
    let mut text = match (key, str_at(toleration, "/operator")) {
        ("", "Exists") => "every taint".into(),
        (key, "Exists") => key.to_string(),
        (key, "Lt") => format!("{key}<{value}"),
        (key, "Gt") => format!("{key}>{value}"),
        (key, _) => format!("{key}={value}"),
    };
    if !effect.is_empty() {
        text.push_str(&format!(":{effect}"));
    }
    if let Some(seconds) = int_at(toleration, "/tolerationSeconds") {
        text.push_str(&format!(" for {seconds}s"));
    }
    text
}

fn spread(constraint: &Value) -> String {
    let labels = constraint.pointer("/labelSelector/matchLabels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={}", scalar(value))).collect();
    let keys = joined(constraint, "/matchLabelKeys");
    format!(
        "{} at most {} apart, {}, pods {}",
        str_at(constraint, "/topologyKey"),
        int_at(constraint, "/maxSkew").unwrap_or(1),
        str_at(constraint, "/whenUnsatisfiable"),
        [labels.join(","), keys].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" by ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_read_like_taints() {
        assert_eq!(toleration(&json!({"operator": "Exists"})), "every taint");
        assert_eq!(
            toleration(&json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})),
            "a:NoExecute for 300s"
        );
        assert_eq!(toleration(&json!({"key": "a", "value": "b", "effect": "NoSchedule"})), "a=b:NoSchedule");
    }

    #[test]
    fn volumes_say_where_they_come_from() {
        assert_eq!(
            source(&json!({"name": "a", "configMap": {"name": "c", "optional": true, "items": [{"key": "k"}]}})),
            "configmap c (optional), keys k"
        );
        assert_eq!(
            source(&json!({"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}})),
            "empty directory Memory, 1Gi"
        );
        assert_eq!(source(&json!({"name": "a"})), "empty directory");
    }
}
