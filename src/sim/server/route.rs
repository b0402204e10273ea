//! From a path and a method to a kind, an object and a verb (`apiserver/pkg/endpoints/request/requestinfo.go`).

use super::Call;
use crate::sim::http::decode;
use crate::sim::metrics;
use crate::sim::store::{Failure, Store};
use crate::world::object::{Resource, ResourceId};
use http::Method;

/// What a request is about.
#[derive(Clone, Debug)]
pub struct Target {
    /// The kind.
    pub kind: Resource,
    /// The namespace named in the path, `""` for none.
    pub namespace: String,
    /// The object named in the path, `""` for the whole collection.
    pub name: String,
    /// `status`, `scale`, `log`, … or `""`.
    pub sub: String,
}

impl Target {
    /// The resource as RBAC names it: `pods`, `pods/log`.
    pub fn resource(&self) -> String {
        match self.sub.as_str() {
            "" => self.kind.id.plural.clone(),
            sub => format!("{}/{sub}", self.kind.id.plural),
        }
    }

    /// The same for counting and denying: what is measured has the same plurals as what is measured of.
    pub fn counted(&self) -> String {
        counted(&self.kind, &self.resource())
    }

    /// The namespace to list: `None` for all.
    pub fn scope(&self) -> Option<&str> {
        Some(self.namespace.as_str()).filter(|ns| !ns.is_empty())
    }
}

/// `pods`, and `pods.metrics.k8s.io`.
pub fn counted(kind: &Resource, resource: &str) -> String {
    match kind.id.group == metrics::GROUP {
        true => format!("{resource}.{}", metrics::GROUP),
        false => resource.into(),
    }
}

/// Finds what a path names.
///
/// # Errors
/// 404 for anything that is not served.
pub fn resolve(store: &Store, path: &str) -> Result<Target, Failure> {
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Failure::no_such_path()),
    };
    let (namespace, rest) = match rest {
        // `/namespaces/NAME/status` is about the namespace itself, `/namespaces/NAME/pods` about what is in it.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] => (*namespace, rest),
        _ => ("", rest),
    };
    let (plural, name, sub) = match rest {
        [plural] => (*plural, "", String::new()),
        [plural, name] => (*plural, *name, String::new()),
        [plural, name, sub @ ..] => (*plural, *name, sub.join("/")),
        [] => return Err(Failure::no_such_path()),
    };
    let kind = store.kind(&ResourceId::new(group, plural)).ok_or_else(Failure::no_such_path)?;
    let scope_fits = kind.namespaced || namespace.is_empty();
    if kind.version != version || !scope_fits || (kind.namespaced && namespace.is_empty() && !name.is_empty()) {
        return Err(Failure::no_such_path());
    }
    Ok(Target { kind, namespace: namespace.into(), name: name.into(), sub })
}

/// The verb as RBAC names it.
///
/// # Errors
/// 405 for a method that the target does not have.
pub fn verb(call: &Call, target: &Target) -> Result<&'static str, Failure> {
    let whole = target.name.is_empty();
    let verb = match call.method {
        Method::GET | Method::HEAD if whole && call.query.flag("watch") => "watch",
        Method::GET | Method::HEAD if whole => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST if whole || !target.sub.is_empty() => "create",
        Method::PUT if !whole => "update",
        Method::PATCH if !whole => "patch",
        Method::DELETE if whole => "deletecollection",
        Method::DELETE => "delete",
        _ => return Err(Failure::method_not_allowed()),
    };
    if target.sub.is_empty() && !target.kind.can(verb) {
        return Err(Failure::method_not_allowed());
    }
    Ok(verb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::store::builtin_kinds;

    fn resolved(path: &str) -> Option<(String, String, String, String)> {
        let target = resolve(&Store::new(builtin_kinds()), path).ok()?;
        Some((target.kind.id.to_string(), target.namespace, target.name, target.sub))
    }

    #[test]
    fn paths_name_what_they_are_about() {
        let found = |path| {
            let (kind, ns, name, sub) = resolved(path).unwrap();
            format!("{kind} {ns} {name} {sub}")
        };
        assert_eq!(found("/api/v1/pods"), "pods   ");
        assert_eq!(found("/api/v1/namespaces/shop/pods/web/log"), "pods shop web log");
        assert_eq!(found("/api/v1/namespaces/shop"), "namespaces  shop ");
        assert_eq!(found("/api/v1/namespaces/shop/status"), "namespaces  shop status");
        assert_eq!(found("/apis/apps/v1/namespaces/shop/deployments/web/scale"), "deployments.apps shop web scale");
        assert_eq!(found("/api/v1/nodes/n%311"), "nodes  n11 ");
        for wrong in ["/api/v2/pods", "/apis/apps/v1/nothing", "/api/v1/pods/web", "/", "/api/v1/namespaces/a/nodes"] {
            assert!(resolved(wrong).is_none(), "{wrong}");
        }
    }
}
