//! What the pods of an object use of other objects: ConfigMaps, Secrets, claims, a ServiceAccount.

use crate::world::object::{ObjectRef, bool_at, list_at, str_at};
use serde_json::Value;

/// One object that a pod uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// `ConfigMap`, `Secret`, `PersistentVolumeClaim` or `ServiceAccount`; all are of the core group and of the pod's
    /// namespace.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// How, in the order of the spec: `env LOG_LEVEL`, `envFrom`, `volume config`.
    pub how: Vec<String>,
    /// The pod starts without it too.
    pub optional: bool,
    /// Added to every pod by the API server (its token volume), not by a person.
    pub automatic: bool,
}

impl Use {
    /// The object in a namespace.
    pub fn object(&self, namespace: &str) -> ObjectRef {
        ObjectRef::new("", self.kind, namespace, &self.name)
    }

    /// How, in a few words.
    pub fn how(&self) -> String {
        match self.how.as_slice() {
            [first, second, _, ..] => format!("{first}, {second} and {} more", self.how.len() - 2),
            few => few.join(", "),
        }
    }
}

/// The pod spec in an object: of a pod itself, or the template of a workload.
pub fn pod_spec(object: &Value) -> Option<&Value> {
    let template = || object.pointer("/spec/template/spec");
    let job = || object.pointer("/spec/jobTemplate/spec/template/spec");
    let own = || object.pointer("/spec").filter(|spec| spec.get("containers").is_some());
    job().or_else(template).or_else(own)
}

/// What a pod spec uses; `pod` is the pod's name (empty in a template), from which the claims of ephemeral volumes are
/// named.
pub fn uses(spec: &Value, pod: &str) -> Vec<Use> {
    let mut found = Found(vec![]);
    let kinds = ["/initContainers", "/containers", "/ephemeralContainers"];
    for container in kinds.iter().flat_map(|list| list_at(spec, list)) {
        container_uses(&mut found, container);
    }
    for volume in list_at(spec, "/volumes") {
        volume_uses(&mut found, volume, pod);
    }
    for secret in list_at(spec, "/imagePullSecrets") {
        found.add("Secret", str_at(secret, "/name"), "imagePullSecrets".into(), false, false);
    }
    let account = match str_at(spec, "/serviceAccountName") {
        "" => str_at(spec, "/serviceAccount"),
        name => name,
    };
    found.add("ServiceAccount", account, "serviceAccountName".into(), false, false);
    found.0
}

fn container_uses(found: &mut Found, container: &Value) {
    for from in list_at(container, "/envFrom") {
        for (field, kind) in [("/configMapRef", "ConfigMap"), ("/secretRef", "Secret")] {
            let Some(source) = from.pointer(field) else { continue };
            found.add(kind, str_at(source, "/name"), "envFrom".into(), bool_at(source, "/optional"), false);
        }
    }
    for env in list_at(container, "/env") {
        for (field, kind) in [("/valueFrom/configMapKeyRef", "ConfigMap"), ("/valueFrom/secretKeyRef", "Secret")] {
            let Some(source) = env.pointer(field) else { continue };
            let how = format!("env {}", str_at(env, "/name"));
            found.add(kind, str_at(source, "/name"), how, bool_at(source, "/optional"), false);
        }
    }
}

fn volume_uses(found: &mut Found, volume: &Value, pod: &str) {
    let name = str_at(volume, "/name");
    let how = format!("volume {name}");
    let optional = |source: &str| bool_at(volume, &format!("{source}/optional"));
    found.add("ConfigMap", str_at(volume, "/configMap/name"), how.clone(), optional("/configMap"), false);
    found.add("Secret", str_at(volume, "/secret/secretName"), how.clone(), optional("/secret"), false);
    // (`core/v1` volume sources that take a Secret for their credentials.)
    let credentials =
        ["cephfs", "rbd", "iscsi", "flexVolume", "scaleIO", "storageos"].map(|kind| format!("/{kind}/secretRef/name"));
    let others = ["/csi/nodePublishSecretRef/name".to_string(), "/azureFile/secretName".into()];
    for pointer in credentials.iter().chain(&others) {
        found.add("Secret", str_at(volume, pointer), how.clone(), false, false);
    }
    found.add("PersistentVolumeClaim", str_at(volume, "/persistentVolumeClaim/claimName"), how.clone(), false, false);
    if volume.get("ephemeral").is_some() && !pod.is_empty() {
        found.add("PersistentVolumeClaim", &format!("{pod}-{name}"), how.clone(), false, false);
    }
    let automatic = name.starts_with("kube-api-access-");
    for source in list_at(volume, "/projected/sources") {
        for (field, kind) in [("/configMap", "ConfigMap"), ("/secret", "Secret")] {
            let Some(source) = source.pointer(field) else { continue };
            found.add(kind, str_at(source, "/name"), how.clone(), bool_at(source, "/optional"), automatic);
        }
    }
}

/// Uses, one for each object.
struct Found(Vec<Use>);

impl Found {
    fn add(&mut self, kind: &'static str, name: &str, how: String, optional: bool, automatic: bool) {
        if name.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|known| known.kind == kind && known.name == name) {
            Some(known) => {
                if !known.how.contains(&how) {
                    known.how.push(how);
                }
                known.optional &= optional;
                known.automatic &= automatic;
            }
            None => self.0.push(Use { kind, name: name.into(), how: vec![how], optional, automatic }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_use_an_object_is_found_once() {
        let spec = json!({
            "serviceAccountName": "web", "imagePullSecrets": [{"name": "registry"}],
            "initContainers": [{"name": "init", "envFrom": [{"secretRef": {"name": "seed", "optional": true}}]}],
            "containers": [{"name": "app",
                "envFrom": [{"configMapRef": {"name": "config"}}],
                "env": [
                    {"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "level", "optional": true}}},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "t"}}},
                    {"name": "PLAIN", "value": "x"}]}],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "tls", "secret": {"secretName": "tls"}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "more"}}, {"secret": {"name": "token"}}]}},
                {"name": "kube-api-access-x", "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}},
                {"name": "shares", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "share"}}}],
        });
        let found = uses(&spec, "web-0");
        let told: Vec<String> = found.iter().map(|u| format!("{} {}: {}", u.kind, u.name, u.how())).collect();
        assert_eq!(
            told,
            [
                "Secret seed: envFrom",
                "ConfigMap config: envFrom, env LEVEL",
                "Secret token: env TOKEN, volume all",
                "PersistentVolumeClaim data-0: volume data",
                "PersistentVolumeClaim web-0-scratch: volume scratch",
                "Secret tls: volume tls",
                "ConfigMap more: volume all",
                "ConfigMap kube-root-ca.crt: volume kube-api-access-x",
                "Secret share: volume shares",
                "Secret registry: imagePullSecrets",
                "ServiceAccount web: serviceAccountName",
            ]
        );
        let is = |name: &str, test: fn(&Use) -> bool| found.iter().any(|u| u.name == name && test(u));
        assert!(is("seed", |u| u.optional) && is("config", |u| !u.optional));
        assert!(is("kube-root-ca.crt", |u| u.automatic) && is("token", |u| !u.automatic));
    }

    #[test]
    fn a_spec_is_found_in_every_workload() {
        let containers = json!({"containers": []});
        for object in [
            json!({"spec": containers}),
            json!({"spec": {"template": {"spec": containers}}}),
            json!({"spec": {"jobTemplate": {"spec": {"template": {"spec": containers}}}}}),
        ] {
            assert_eq!(pod_spec(&object), Some(&containers));
        }
        assert_eq!(pod_spec(&json!({"spec": {"type": "ClusterIP"}})), None);
    }
}
