//! Routes of kinds that are not followed: they are known by their hosts only, so that nobody is told that no route is
//! for a host that one of them names.

use super::{PathKind, Rule, host_rank};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::{HTTPPROXIES, Known, OPENSHIFTROUTES, TLSROUTES, VIRTUALSERVERS, VIRTUALSERVICES};
use crate::diagnose::url::flavor::Flavor;
use crate::world::object::{ObjectRef, list_at, str_at};
use serde_json::Value;

/// Kinds, and where they name their hosts: Contour's, Istio's, NGINX Ingress Controller's, the Gateway API's for
/// TLS, OpenShift's.
const KINDS: &[(Known, &str)] = &[
    (HTTPPROXIES, "/spec/virtualhost/fqdn"),
    (VIRTUALSERVICES, "/spec/hosts"),
    (VIRTUALSERVERS, "/spec/host"),
    (TLSROUTES, "/spec/hostnames"),
    (OPENSHIFTROUTES, "/spec/host"),
];

/// The first route of such a kind that is for a host.
pub fn of_host(case: &Case<'_>, host: &str) -> Fact<Option<ObjectRef>> {
    // All are asked for before the first answer is waited for.
    let asked: Vec<_> = KINDS.iter().map(|(kind, path)| (case.list(*kind, None).known(), path)).collect();
    for (routes, path) in asked {
        let routes = routes?.unwrap_or_default();
        if let Some(route) = routes.into_iter().find(|route| names(route, path, host)) {
            return Ok(Some(ObjectRef::of(route)));
        }
    }
    Ok(None)
}

/// Whether a route names a host at a path of its own, itself or by a wildcard.
fn names(route: &Value, path: &str, host: &str) -> bool {
    let one = Some(str_at(route, path)).filter(|text| !text.is_empty());
    let all = list_at(route, path).iter().filter_map(Value::as_str).chain(one);
    all.map(str::to_lowercase).any(|named| {
        let rule = Rule { host: named, kind: PathKind::Prefix, ..Rule::of(route, 0, Flavor::Other) };
        host_rank(&rule, host).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_are_found_in_lists_and_alone() {
        let spec = |spec: Value| json!({"kind": "X", "metadata": {"name": "x"}, "spec": spec});
        assert!(names(&spec(json!({"virtualhost": {"fqdn": "A.b"}})), "/spec/virtualhost/fqdn", "a.b"));
        assert!(names(&spec(json!({"hosts": ["x.y", "*.b"]})), "/spec/hosts", "a.b"));
        assert!(!names(&spec(json!({"hosts": ["x.y"]})), "/spec/hosts", "a.b"));
        assert!(!names(&spec(json!({})), "/spec/hosts", "a.b"), "an included HTTPProxy has no host of its own");
    }
}
