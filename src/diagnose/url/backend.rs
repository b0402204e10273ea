//! A Service behind a route: its port, the pods it selects, the endpoints that can really be used (causes C.3).

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::kin;
use crate::diagnose::kinds::{SERVICES, SLICES};
use crate::diagnose::pods::{is_finished, is_true};
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, name, namespace, str_at};
use serde_json::Value;

/// The port of a Service that a route means, by number or name; the target port too where `lenient` (ingress-nginx).
pub fn port<'a>(service: &'a Value, wanted: &str, lenient: bool) -> Option<&'a Value> {
    let ports = list_at(service, "/spec/ports");
    let text = |p: &Value, field: &str| p.get(field).map(|v| v.to_string().replace('"', "")).unwrap_or_default();
    if wanted.is_empty() {
        return ports.first();
    }
    ports
        .iter()
        .find(|p| str_at(p, "/name") == wanted || text(p, "port") == wanted)
        .or_else(|| ports.iter().find(|p| lenient && text(p, "targetPort") == wanted))
}

/// The number that a Service port leads to in a pod: the target port itself, or the container port of that name.
pub fn target(port: &Value, pod: &Value) -> Option<i64> {
    match port.get("targetPort") {
        Some(Value::String(wanted)) => named_port(pod, wanted),
        Some(number) => number.as_i64(),
        None => int_at(port, "/port"),
    }
}

/// The container port of a name; sidecars are looked at too.
pub fn named_port(pod: &Value, wanted: &str) -> Option<i64> {
    let all = list_at(pod, "/spec/containers")
        .iter()
        .chain(list_at(pod, "/spec/initContainers").iter().filter(|c| str_at(c, "/restartPolicy") == "Always"));
    all.flat_map(|c| list_at(c, "/ports"))
        .find(|p| str_at(p, "/name") == wanted)
        .and_then(|p| int_at(p, "/containerPort"))
}

/// How a Service's endpoints stand for one of its ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Listed.
    pub all: usize,
    /// Ready, with a usable port: "ready" alone is no proof of a backend.
    pub ready: usize,
    /// Serving (ready or not terminating), with a usable port: what Traefik looks at.
    pub serving: usize,
    /// Listed as ready, though their slice has no such port.
    pub portless: usize,
    /// Terminating.
    pub terminating: usize,
}

/// The endpoints of a Service for a port (of its spec), from its EndpointSlices.
pub fn endpoints(case: &Case<'_>, service: &Value, port: Option<&Value>) -> Fact<Endpoints> {
    let mut sum = Endpoints::default();
    let wanted = port.map_or("", |p| str_at(p, "/name"));
    for slice in slices(case, service)? {
        let usable = list_at(slice, "/ports").iter().any(|p| port.is_none() || str_at(p, "/name") == wanted);
        for endpoint in list_at(slice, "/endpoints") {
            let said = |field: &str, default: bool| {
                endpoint.pointer(&format!("/conditions/{field}")).and_then(Value::as_bool).unwrap_or(default)
            };
            let ready = said("ready", true);
            sum.all += 1;
            sum.ready += usize::from(ready && usable);
            sum.serving += usize::from(said("serving", ready) && usable);
            sum.portless += usize::from(ready && !usable);
            sum.terminating += usize::from(said("terminating", false));
        }
    }
    Ok(sum)
}

/// Pods that a Service selects and the ready ones among them; `None` without a selector.
pub fn pods<'a>(case: &Case<'a>, service: &Value) -> Fact<Option<(Vec<&'a Value>, Vec<&'a Value>)>> {
    let Some(all) = kin::selected(case, service)? else { return Ok(None) };
    let live: Vec<&Value> = all.into_iter().filter(|p| !is_finished(p)).collect();
    let ready = live.iter().copied().filter(|p| is_true(p, "Ready")).collect();
    Ok(Some((live, ready)))
}

/// Whether a Service only stands for a DNS name.
pub fn is_external(service: &Value) -> bool {
    str_at(service, "/spec/type") == "ExternalName"
}

/// The DNS name that an ExternalName Service stands for.
pub fn external_name(service: &Value) -> &str {
    str_at(service, "/spec/externalName")
}

/// The Service that a name of the cluster's own domain means: `db.shop.svc`, `db.shop.svc.cluster.local`.
pub fn in_cluster(host: &str) -> Option<ObjectRef> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    match labels.as_slice() {
        [name, ns, "svc"] | [name, ns, "svc", "cluster", "local"] => Some(SERVICES.at(ns, name)),
        _ => None,
    }
}

/// The EndpointSlices of a Service.
pub fn slices<'a>(case: &Case<'a>, service: &Value) -> Fact<Vec<&'a Value>> {
    let all = case.list(SLICES, Some(namespace(service)))?;
    let mine = |s: &&Value| str_at(s, "/metadata/labels/kubernetes.io~1service-name") == name(service);
    Ok(all.into_iter().filter(mine).collect())
}

/// `app=shop,tier=web`
pub fn labels(map: Option<&Value>) -> String {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect::<Vec<_>>().join(",")
}

/// Whether not-ready pods are published too.
pub fn publishes_unready(service: &Value) -> bool {
    bool_at(service, "/spec/publishNotReadyAddresses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_cluster_mean_services() {
        assert_eq!(
            in_cluster("db.shop.svc.cluster.local").map(|at| at.to_string()).as_deref(),
            Some("Service shop/db")
        );
        assert_eq!(in_cluster("db.shop.svc.").map(|at| at.to_string()).as_deref(), Some("Service shop/db"));
        assert!(in_cluster("db.example.com").is_none());
    }
}
