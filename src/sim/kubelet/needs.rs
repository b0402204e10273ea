//! What a pod needs before a container can start: ConfigMaps, Secrets, claims, images.

use crate::sim::controllers::plan::Snapshot;
use crate::sim::controllers::volumes::is_bound;
use crate::world::object::{bool_at, list_at, namespace, str_at};
use serde_json::Value;

/// The message of `FailedMount` for the first volume that cannot be set up.
pub fn missing_volume(s: &Snapshot, pod: &Value) -> Option<String> {
    let ns = namespace(pod);
    for volume in list_at(pod, "/spec/volumes") {
        let failed =
            |why: String| Some(format!("MountVolume.SetUp failed for volume \"{}\" : {why}", str_at(volume, "/name")));
        for (kind, field, plural) in [("configMap", "name", "configmaps"), ("secret", "secretName", "secrets")] {
            let Some(source) = volume.get(kind) else { continue };
            let wanted = str_at(source, &format!("/{field}"));
            let optional = bool_at(source, "/optional");
            let lower = kind.to_lowercase();
            match s.get(plural, ns, wanted) {
                None if !optional => return failed(format!("{lower} \"{wanted}\" not found")),
                Some(object) => {
                    let missing = list_at(source, "/items").iter().find(|i| !has_key(object, str_at(i, "/key")));
                    if missing.is_some() && !optional {
                        return failed(format!(
                            "{lower} references non-existent {} key: {}",
                            if lower == "secret" { "secret" } else { "config" },
                            str_at(missing?, "/key")
                        ));
                    }
                }
                None => {}
            }
        }
        let claim = str_at(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() && !s.get("persistentvolumeclaims", ns, claim).is_some_and(is_bound) {
            return failed(format!("persistentvolumeclaim \"{claim}\" not bound"));
        }
    }
    None
}

fn has_key(object: &Value, key: &str) -> bool {
    ["data", "binaryData", "stringData"].iter().any(|map| object.get(*map).and_then(|m| m.get(key)).is_some())
}

/// The message of `CreateContainerConfigError`, if the environment refers to something that is not there
/// (`pkg/kubelet/kubelet_pods.go`, makeEnvironmentVariables).
pub fn missing_config(s: &Snapshot, pod: &Value, container: &Value) -> Option<String> {
    let ns = namespace(pod);
    let kinds = [("configMap", "configmaps", "ConfigMap"), ("secret", "secrets", "Secret")];
    for from in list_at(container, "/envFrom") {
        for (prefix, plural, _) in kinds {
            let Some(source) = from.get(format!("{prefix}Ref")) else { continue };
            if !bool_at(source, "/optional") && s.get(plural, ns, str_at(source, "/name")).is_none() {
                return Some(format!("{} \"{}\" not found", prefix.to_lowercase(), str_at(source, "/name")));
            }
        }
    }
    for env in list_at(container, "/env") {
        for (prefix, plural, kind) in kinds {
            let Some(source) = env.pointer(&format!("/valueFrom/{prefix}KeyRef")) else { continue };
            let (wanted, key) = (str_at(source, "/name"), str_at(source, "/key"));
            if bool_at(source, "/optional") {
                continue;
            }
            match s.get(plural, ns, wanted) {
                None => return Some(format!("{} \"{wanted}\" not found", prefix.to_lowercase())),
                Some(object) if !has_key(object, key) => {
                    return Some(format!("couldn't find key {key} in {kind} {ns}/{wanted}"));
                }
                Some(_) => {}
            }
        }
    }
    None
}

/// What the runtime says about an image it cannot get, `None` for every other image: a tag that begins with `missing`
/// does not exist, a registry under `.invalid` (RFC 2606) has no address.
pub fn image_error(image: &str) -> Option<String> {
    let host = image.split('/').next().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map_or("", |(_, tag)| tag);
    let opening = format!("failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\"");
    if host.ends_with(".invalid") {
        let path = image.strip_prefix(host).unwrap_or_default().split(':').next().unwrap_or_default();
        let version = if tag.is_empty() { "latest" } else { tag };
        return Some(format!(
            "{opening}: failed to do request: Head \"https://{host}/v2{path}/manifests/{version}\": dial tcp: lookup {host}: no such host"
        ));
    }
    tag.starts_with("missing").then(|| format!("rpc error: code = NotFound desc = {opening}: {image}: not found"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::time::Time;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn missing_references_are_named_as_the_kubelet_does() {
        let mut s = Snapshot::new(Time(0), 1);
        s.put("configmaps", vec![Arc::new(json!({"metadata": {"name": "cfg", "namespace": "x"}, "data": {"A": "1"}}))]);
        let pod = json!({"metadata": {"name": "p", "namespace": "x"}});
        let env = |kind: &str, name: &str, key: &str| json!({"env": [{"name": "E", "valueFrom": {kind: {"name": name, "key": key}}}]});
        assert_eq!(missing_config(&s, &pod, &env("configMapKeyRef", "cfg", "A")), None);
        assert_eq!(
            missing_config(&s, &pod, &env("configMapKeyRef", "cfg", "B")).unwrap(),
            "couldn't find key B in ConfigMap x/cfg"
        );
        assert_eq!(missing_config(&s, &pod, &env("secretKeyRef", "s", "B")).unwrap(), "secret \"s\" not found");
        let all = json!({"envFrom": [{"configMapRef": {"name": "nope"}}]});
        assert_eq!(missing_config(&s, &pod, &all).unwrap(), "configmap \"nope\" not found");
    }

    #[test]
    fn images_that_cannot_be_had() {
        assert_eq!(image_error("r.io/web:1"), None);
        assert!(image_error("r.io/web:missing-1").unwrap().ends_with("r.io/web:missing-1: not found"));
        assert!(
            image_error("r.invalid/a/web:1")
                .unwrap()
                .ends_with("Head \"https://r.invalid/v2/a/web/manifests/1\": dial tcp: lookup r.invalid: no such host")
        );
    }
}
