//! Rules of HTTPRoutes and GRPCRoutes: a rule for every listener of a Gateway that the route attaches to.
//!
//! Sources: gateway-api `apis/v1/httproute_types.go`, `grpcroute_types.go`, `gateway_types.go`.

use super::{Backend, PathKind, Rule};
use crate::diagnose::finding::Lead;
use crate::diagnose::kinds::GATEWAYS;
use crate::diagnose::url::flavor::Flavor;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use serde_json::Value;

/// Focus on a Gateway as such and on none of its listeners; no listener can be called so.
pub const NO_LISTENER: &str = "(none)";

/// To a Gateway as such: its class, not its listeners.
pub fn no_listener(gateway: ObjectRef) -> Lead {
    Lead { focus: NO_LISTENER.into(), ..Lead::to(gateway) }
}

/// The status that controllers gave a route for one of its parents.
pub fn parent_status<'a>(route: &'a Value, parent: &Value) -> Option<&'a Value> {
    let key = |r: &Value| {
        let ns = str_at(r, "/namespace");
        let home = if ns.is_empty() { namespace(route) } else { ns };
        (home.to_owned(), str_at(r, "/name").to_owned(), str_at(r, "/sectionName").to_owned(), int_at(r, "/port"))
    };
    list_at(route, "/status/parents").iter().find(|p| p.get("parentRef").is_some_and(|r| key(r) == key(parent)))
}

/// The listeners of a Gateway that a parent reference means: by section name and port, or all.
pub fn listeners<'a>(gateway: &'a Value, parent: &Value) -> Vec<&'a Value> {
    let section = str_at(parent, "/sectionName");
    let port = int_at(parent, "/port");
    list_at(gateway, "/spec/listeners")
        .iter()
        .filter(|l| section.is_empty() || str_at(l, "/name") == section)
        .filter(|l| port.is_none() || int_at(l, "/port") == port)
        .collect()
}

/// The hosts that both a route's hostname and a listener's are for; an empty one stands for any. `None` without any.
pub fn common(route: &str, listener: &str) -> Option<String> {
    let covers = |wide: &str, narrow: &str| {
        wide.strip_prefix('*').is_some_and(|base| narrow.len() > base.len() && narrow.ends_with(base))
    };
    match (route, listener) {
        ("", any) | (any, "") => Some(any.to_owned()),
        (a, b) if a == b || covers(b, a) => Some(a.to_owned()),
        (a, b) if covers(a, b) => Some(b.to_owned()),
        _ => None,
    }
}

/// Adds the rules of a route.
pub fn read(route: &Value, gateways: &[&Value], classes: &[&Value], all: &mut Vec<Rule>) {
    let hostnames: Vec<String> = match list_at(route, "/spec/hostnames") {
        [] => vec![String::new()],
        some => some.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
    };
    for parent in list_at(route, "/spec/parentRefs").iter().filter(|p| matches!(str_at(p, "/kind"), "" | "Gateway")) {
        let ns = match str_at(parent, "/namespace") {
            "" => namespace(route),
            ns => ns,
        };
        let gateway = gateways.iter().find(|g| name(g) == str_at(parent, "/name") && namespace(g) == ns).copied();
        let place = Place::of(gateway, ns, classes);
        let refusal = refusal(route, parent, gateway);
        let mut attached = false;
        for listener in gateway.map(|g| listeners(g, parent)).unwrap_or_default() {
            let wanted = str_at(listener, "/hostname").to_lowercase();
            for host in hostnames.iter().filter_map(|h| common(h, &wanted)) {
                attached = true;
                add(route, &host, Some(listener), &place, &refusal, all);
            }
        }
        if !attached {
            let why = if refusal.is_empty() {
                format!("no listener of {} is for its hostnames", place.words)
            } else {
                refusal
            };
            hostnames.iter().for_each(|host| add(route, host, None, &place, &why, all));
        }
    }
}

/// A parent Gateway, as far as it is known.
struct Place<'a> {
    words: String,
    gateway: Option<&'a Value>,
    class: &'a str,
    flavor: Flavor,
}

impl<'a> Place<'a> {
    fn of(gateway: Option<&'a Value>, ns: &str, classes: &[&Value]) -> Self {
        let class = gateway.map_or("", |g| str_at(g, "/spec/gatewayClassName"));
        let controller = classes.iter().find(|c| name(c) == class).map_or("", |c| str_at(c, "/spec/controllerName"));
        let words = gateway.map_or(ns.to_owned(), |g| GATEWAYS.at(ns, name(g)).to_string());
        Self { words, gateway, class, flavor: Flavor::of_controller(controller) }
    }
}

/// Why no controller takes the route at a parent; empty when one does, or where nobody has said anything against it.
fn refusal(route: &Value, parent: &Value, gateway: Option<&Value>) -> String {
    if gateway.is_none() {
        return format!("its Gateway {} does not exist", str_at(parent, "/name"));
    }
    let Some(status) = parent_status(route, parent) else { return "no controller took the route".to_owned() };
    let refused = list_at(status, "/conditions")
        .iter()
        .find(|c| str_at(c, "/type") == "Accepted" && str_at(c, "/status") == "False");
    refused.map_or(String::new(), |c| format!("{}: {}", str_at(c, "/reason"), str_at(c, "/message")))
}

fn add(route: &Value, host: &str, listener: Option<&Value>, place: &Place<'_>, unclaimed: &str, all: &mut Vec<Rule>) {
    let addresses: Vec<String> = place
        .gateway
        .map(|g| list_at(g, "/status/addresses").iter().map(|a| str_at(a, "/value").to_owned()).collect())
        .unwrap_or_default();
    // Without a listener the Gateway itself is meant, and none of its listeners.
    let focus = listener.map_or(NO_LISTENER, |l| str_at(l, "/name"));
    for (index, rule) in list_at(route, "/spec/rules").iter().enumerate() {
        // What gets no share of the requests does not matter beside what gets one.
        let counts = |entry: &&Value| starves(rule) || weight(entry) != 0;
        let refs = list_at(rule, "/backendRefs").iter().filter(counts);
        let backends: Vec<Backend> = refs.filter_map(|b| backend(route, b)).collect();
        let matches = match list_at(rule, "/matches") {
            [] => vec![&Value::Null],
            some => some.iter().collect(),
        };
        for found in matches {
            let (path, kind) = path_of(found);
            all.push(Rule {
                host: host.to_owned(),
                path,
                kind,
                class: place.class.into(),
                unclaimed: unclaimed.to_owned(),
                addresses: addresses.clone(),
                partial: ["headers", "queryParams"].iter().any(|f| found.get(f).is_some())
                    || found.get("method").is_some_and(Value::is_string),
                gateway: place
                    .gateway
                    .map(|g| Lead { focus: focus.into(), ..Lead::to(GATEWAYS.at(namespace(g), name(g))) }),
                tls: listener.map(|l| matches!(str_at(l, "/protocol"), "HTTPS" | "TLS")),
                ..Rule::of(route, index, place.flavor).with_backends(backends.clone())
            });
        }
    }
}

fn weight(entry: &Value) -> i64 {
    int_at(entry, "/weight").unwrap_or(1)
}

/// Whether a rule has backends, and none gets a request: a weight of 0 means none, and where every weight is 0 the answer
/// is an error (Gateway API, `BackendRef.weight`).
pub fn starves(rule: &Value) -> bool {
    let refs = list_at(rule, "/backendRefs");
    !refs.is_empty() && refs.iter().all(|entry| weight(entry) == 0)
}

/// A backend that is a Service.
fn backend(route: &Value, entry: &Value) -> Option<Backend> {
    matches!(str_at(entry, "/kind"), "" | "Service").then(|| Backend {
        namespace: match str_at(entry, "/namespace") {
            "" => namespace(route).into(),
            ns => ns.into(),
        },
        name: str_at(entry, "/name").into(),
        port: entry.get("port").map(ToString::to_string).unwrap_or_default(),
        weight: weight(entry),
    })
}

/// Path and comparison of a match; a gRPC method is the path `/service/method`.
fn path_of(found: &Value) -> (String, PathKind) {
    let (service, method) = (str_at(found, "/method/service"), str_at(found, "/method/method"));
    match (service, method) {
        ("", "") => {}
        (service, "") => return (format!("/{service}"), PathKind::Prefix),
        ("", _) => return ("/".into(), PathKind::Prefix),
        (service, method) => return (format!("/{service}/{method}"), PathKind::Exact),
    }
    let path = Some(str_at(found, "/path/value")).filter(|p| !p.is_empty()).unwrap_or("/");
    match str_at(found, "/path/type") {
        "Exact" => (path.into(), PathKind::Exact),
        "RegularExpression" => (format!("^(?:{path})$"), PathKind::Regex),
        _ => (path.into(), PathKind::Prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hostnames_meet_listeners() {
        assert_eq!(common("a.x.org", "*.x.org").as_deref(), Some("a.x.org"));
        assert_eq!(common("*.x.org", "a.x.org").as_deref(), Some("a.x.org"));
        assert_eq!(common("", "*.x.org").as_deref(), Some("*.x.org"));
        assert_eq!(common("x.org", "*.x.org"), None, "a wildcard is never the domain itself");
        assert_eq!(common("a.y.org", "*.x.org"), None);
    }

    #[test]
    fn a_method_is_a_path() {
        let of = |found: Value| path_of(&found);
        assert_eq!(
            of(json!({"method": {"service": "shop.Cart", "method": "Add"}})),
            ("/shop.Cart/Add".into(), PathKind::Exact)
        );
        assert_eq!(of(json!({"method": {"service": "shop.Cart"}})), ("/shop.Cart".into(), PathKind::Prefix));
        assert_eq!(of(json!({"method": "GET", "path": {"value": "/x"}})), ("/x".into(), PathKind::Prefix));
    }
}
