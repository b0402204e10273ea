//! What a person may or may not do, as Kubernetes names it: a verb on a resource in a namespace.

use std::fmt;

/// A verb on a resource: what a `SelfSubjectAccessReview` is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Access {
    /// `get`, `patch`, `create` …
    pub verb: String,
    /// API group; empty: core.
    pub group: String,
    /// `deployments`, with its part where one is meant: `pods/eviction`.
    pub resource: String,
    /// Namespace; empty for what has none.
    pub namespace: String,
}

impl Access {
    /// A verb on a resource.
    pub fn new(verb: &str, group: &str, resource: &str, namespace: &str) -> Self {
        Self { verb: verb.into(), group: group.into(), resource: resource.into(), namespace: namespace.into() }
    }

    /// A verb on what stands at a path of an API server; `None` where that is no path of a resource.
    /// (`/api/v1/nodes/n1`, `/apis/apps/v1/namespaces/shop/deployments/web`, with or without the name.)
    pub fn at(verb: &str, path: &str) -> Option<Self> {
        let mut parts = path.split('?').next()?.trim_start_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let _version = parts.next()?;
        let rest: Vec<&str> = parts.collect();
        match rest.as_slice() {
            // The namespace itself, and its own parts.
            ["namespaces"] | ["namespaces", _] => Some(Self::new(verb, group, "namespaces", "")),
            ["namespaces", namespace, resource] | ["namespaces", namespace, resource, _] => {
                Some(Self::new(verb, group, resource, namespace))
            }
            ["namespaces", namespace, resource, _, part] => {
                Some(Self::new(verb, group, &format!("{resource}/{part}"), namespace))
            }
            [resource] | [resource, _] => Some(Self::new(verb, group, resource, "")),
            [resource, _, part] => Some(Self::new(verb, group, &format!("{resource}/{part}"), "")),
            _ => None,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb, self.resource)?;
        if self.namespace.is_empty() { Ok(()) } else { write!(f, " in {}", self.namespace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_is_needed() {
        let said = |path: &str| Access::at("patch", path).map(|access| access.to_string());
        assert_eq!(said("/api/v1/nodes/n1").as_deref(), Some("patch on nodes"));
        assert_eq!(
            said("/apis/apps/v1/namespaces/shop/deployments/web").as_deref(),
            Some("patch on deployments in shop")
        );
        assert_eq!(said("/apis/batch/v1/namespaces/shop/jobs?x=1").as_deref(), Some("patch on jobs in shop"));
        assert_eq!(said("/api/v1/namespaces/shop").as_deref(), Some("patch on namespaces"));
        assert_eq!(said("/api/v1/namespaces/shop/pods/a/eviction").as_deref(), Some("patch on pods/eviction in shop"));
        assert_eq!(Access::at("get", "/apis/apps/v1/namespaces/shop/deployments/web").unwrap().group, "apps");
        assert_eq!(said("/version"), None);
    }
}
