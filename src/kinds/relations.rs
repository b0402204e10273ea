//! Which pods belong to an object: what Enter on a workload, a Service or a node leads to.

use super::{endpointslices, of};
use crate::world::object::{ResourceId, name, namespace};
use crate::world::row::{Body, Row};
use crate::world::selector::Selector;
use serde_json::Value;

/// A test for pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pods {
    /// Those in a namespace whose labels match.
    Selected {
        /// The namespace.
        namespace: String,
        /// The selector.
        selector: Selector,
    },
    /// Those in a namespace that a controller owns.
    OwnedBy {
        /// The namespace.
        namespace: String,
        /// The controller's kind.
        kind: String,
        /// The controller's name.
        name: String,
    },
    /// Those on a node.
    OnNode(String),
}

impl Pods {
    /// The pods of an object; `None` where its kind has none, or where it selects nothing
    /// (a Service without a selector).
    pub fn of(resource: &ResourceId, object: &Value) -> Option<Self> {
        let home = namespace(object).to_string();
        let kind = of(resource).map_or("", |kind| kind.kind);
        match (resource.group.as_str(), resource.plural.as_str()) {
            ("", "nodes") => Some(Pods::OnNode(name(object).into())),
            // A Deployment's pods belong to its ReplicaSets: the selector finds those of every revision.
            ("apps", "deployments") => {
                let selector = Selector::from_value(object.pointer("/spec/selector")?);
                Some(Pods::Selected { namespace: home, selector })
            }
            ("", "services") => {
                let selector = Selector::from_map(object.pointer("/spec/selector").filter(|s| !s.is_null())?);
                (!selector.0.is_empty()).then_some(Pods::Selected { namespace: home, selector })
            }
            ("apps", "replicasets" | "statefulsets" | "daemonsets") | ("batch", "jobs") => {
                Some(Pods::OwnedBy { namespace: home, kind: kind.into(), name: name(object).into() })
            }
            _ => None,
        }
    }

    /// Whether a pod's row is one of them.
    pub fn has(&self, row: &Row) -> bool {
        match self {
            Pods::Selected { namespace, selector } => {
                *row.meta.namespace == **namespace && selector.matches_with(|key| row.meta.label(key))
            }
            Pods::OwnedBy { namespace, kind, name } => {
                let owner = row.meta.owner.as_ref();
                *row.meta.namespace == **namespace && owner.is_some_and(|o| *o.kind == **kind && *o.name == **name)
            }
            Pods::OnNode(node) => matches!(&row.body, Body::Pod(pod) if *pod.node == **node),
        }
    }
}

/// The Service behind an EndpointSlice, `(namespace, name)`.
pub fn service_of_slice(slice: &Value) -> (&str, &str) {
    (namespace(slice), endpointslices::service(slice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn services_without_a_selector_have_no_pods() {
        let services = ResourceId::core("services");
        assert_eq!(Pods::of(&services, &json!({"spec": {"selector": null}})), None);
        assert_eq!(Pods::of(&services, &json!({"spec": {"selector": {}}})), None);
        assert!(Pods::of(&services, &json!({"spec": {"selector": {"app": "web"}}})).is_some());
    }
}
