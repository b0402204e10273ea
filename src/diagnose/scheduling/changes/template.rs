//! The object whose template makes the pod: where a change must be made to last, and the commands for it.

use crate::world::object::{controller, name, namespace, str_at};
use serde_json::{Value, json};

/// Where the pod comes from, as far as the pod itself tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// `deployment`, `statefulset`, …; `pod` for a pod that nobody made.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Template {
    /// From the pod's owner. A ReplicaSet's name is its Deployment's plus the pod-template hash.
    pub fn of(pod: &Value) -> Self {
        let hash = str_at(pod, "/metadata/labels/pod-template-hash");
        let (kind, owner) = match controller(pod) {
            None => ("pod".to_owned(), name(pod)),
            Some((_, "ReplicaSet", owner)) => match owner.strip_suffix(hash).and_then(|o| o.strip_suffix('-')) {
                Some(deployment) if !hash.is_empty() => ("deployment".to_owned(), deployment),
                _ => ("replicaset".to_owned(), owner),
            },
            Some((_, kind, owner)) => (kind.to_lowercase(), owner),
        };
        Self { kind, name: owner.to_owned(), namespace: namespace(pod).to_owned() }
    }

    /// A field of the pod as the owner's manifest has it.
    pub fn field(&self, pod_field: &str) -> String {
        match self.kind.as_str() {
            "pod" => pod_field.to_owned(),
            _ => format!("spec.template.{pod_field}"),
        }
    }

    /// `kubectl … set resources`
    pub fn set_request(&self, container: &str, resource: &str, amount: &str) -> String {
        match self.kind.as_str() {
            "deployment" | "statefulset" | "daemonset" | "replicaset" => format!(
                "kubectl -n {} set resources {}/{} -c {container} --requests={resource}={amount}",
                self.namespace, self.kind, self.name
            ),
            _ => String::new(),
        }
    }

    /// A merge patch of the pod's spec, where its owner can be patched (a bare pod must be made anew).
    pub fn patch(&self, spec: Value) -> String {
        self.patched("strategic", json!({"spec": {"template": {"spec": spec}}}))
    }

    /// A JSON patch below the pod's spec: operation, path, value.
    pub fn json_patch(&self, op: &str, path: &str, value: Option<Value>) -> String {
        let mut step = json!({"op": op, "path": format!("/spec/template/spec{path}")});
        if let Some(value) = value {
            step["value"] = value;
        }
        self.patched("json", json!([step]))
    }

    fn patched(&self, kind: &str, patch: Value) -> String {
        match self.kind.as_str() {
            "deployment" | "statefulset" | "daemonset" | "replicaset" => format!(
                "kubectl -n {} patch {} {} --type={kind} -p '{}'",
                self.namespace,
                self.kind,
                self.name,
                patch.to_string().replace('\'', "'\\''")
            ),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_set_leads_to_its_deployment() {
        let owner =
            |kind: &str, name: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}]);
        let pod = json!({"metadata": {"name": "web-1-a", "namespace": "shop", "labels": {"pod-template-hash": "1"}, "ownerReferences": owner("ReplicaSet", "web-1")}});
        assert_eq!((Template::of(&pod).kind, Template::of(&pod).name), ("deployment".into(), "web".into()));
        let pod =
            json!({"metadata": {"name": "db-0", "namespace": "shop", "ownerReferences": owner("StatefulSet", "db")}});
        assert_eq!(Template::of(&pod).field("spec.tolerations"), "spec.template.spec.tolerations");
        let bare = json!({"metadata": {"name": "job", "namespace": "shop"}});
        assert_eq!(Template::of(&bare).field("spec.tolerations"), "spec.tolerations");
        assert_eq!(Template::of(&bare).patch(json!({})), "");
    }
}
