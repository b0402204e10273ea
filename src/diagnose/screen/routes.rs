//! What the routes of a cluster say, as far as screening looks: which URLs they answer, and by which Services.
//!
//! Ingresses, HTTPRoutes of the Gateway API and Traefik's IngressRoutes. A URL is one that can be asked for: a pattern,
//! a wildcard, and a rule for some requests only (a header, a method) name none.

use crate::diagnose::kinds::{GATEWAYS, HTTPROUTES, INGRESSES, INGRESSROUTES};
use crate::diagnose::url::route::{common, is_tls_for, matched_by_traefik};
use crate::world::object::{ObjectRef, ResourceId, int_at, list_at, namespace, str_at};
use crate::world::time::Time;
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Namespace and name of an object.
pub type Place = (String, String);

/// A route object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// It.
    pub at: ObjectRef,
    /// When it was made.
    pub created: Time,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// The Gateways it hangs on, with the name of a listener where it names one.
    pub parents: Vec<(Place, String)>,
    /// Another one when it says anything else, or anything else is said of it; times do not count.
    pub state: u64,
}

/// One rule: where it is heard, and who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Host, empty for any.
    pub host: String,
    /// Path, empty where only a pattern says which.
    pub path: String,
    /// Whether it is for TLS; `None` where its Gateway says so.
    pub tls: Option<bool>,
    /// The Services that share in it; none for a redirect.
    pub services: Vec<Place>,
}

/// A Gateway's listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    listeners: Vec<Listener>,
    /// As [`Route::state`].
    pub state: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listener {
    name: String,
    host: String,
    tls: bool,
}

/// Gateways by namespace and name.
pub type Gates = HashMap<Place, Gate>;

/// Whether a kind is one of routes.
pub fn is_route(kind: &ResourceId) -> bool {
    [INGRESSES, HTTPROUTES, INGRESSROUTES].iter().any(|known| known.group == kind.group && known.plural == kind.plural)
}

/// What an object of one of these kinds says.
pub fn read(kind: &ResourceId, object: &Value) -> Route {
    let (rules, parents) = match kind.plural.as_str() {
        "ingresses" => (of_ingress(object), vec![]),
        "httproutes" => of_http_route(object),
        _ => (of_ingress_route(object), vec![]),
    };
    Route {
        at: ObjectRef::of(object),
        created: Time::parse(str_at(object, "/metadata/creationTimestamp")).unwrap_or(Time::NEVER),
        rules,
        parents,
        state: state(object, &["/status/parents"]),
    }
}

/// What a Gateway says.
pub fn gate(gateway: &Value) -> Gate {
    let listener = |l: &Value| Listener {
        name: str_at(l, "/name").into(),
        host: str_at(l, "/hostname").to_lowercase(),
        tls: matches!(str_at(l, "/protocol"), "HTTPS" | "TLS"),
    };
    Gate {
        listeners: list_at(gateway, "/spec/listeners").iter().map(listener).collect(),
        state: state(gateway, &["/status", "/status/listeners"]),
    }
}

/// A number that changes with what an object wants, its annotations, and the conditions of these parts of its status
/// (what is true of it, and why; not since when).
pub fn state(object: &Value, conditions: &[&str]) -> u64 {
    let mut hash = DefaultHasher::new();
    let part = |pointer: &str| object.pointer(pointer).map(Value::to_string).unwrap_or_default();
    (part("/spec"), part("/metadata/annotations")).hash(&mut hash);
    for pointer in conditions {
        let parts = match object.pointer(pointer) {
            Some(Value::Array(parts)) => parts.iter().collect(),
            Some(part) => vec![part],
            None => vec![],
        };
        for condition in parts.into_iter().flat_map(|part| list_at(part, "/conditions")) {
            ["/type", "/status", "/reason"].map(|field| str_at(condition, field)).hash(&mut hash);
        }
    }
    hash.finish()
}

impl Route {
    /// Every URL with the Services behind it; a rule without a single one has an empty URL.
    pub fn urls<'a>(&'a self, gates: &'a Gates) -> impl Iterator<Item = (String, &'a [Place])> {
        self.rules.iter().map(|rule| (self.url(rule, gates), rule.services.as_slice()))
    }

    fn url(&self, rule: &Rule, gates: &Gates) -> String {
        let heard = match rule.tls {
            Some(tls) => Some((rule.host.clone(), tls)),
            None => self.heard(&rule.host, gates),
        };
        match heard {
            Some((host, tls)) if !host.is_empty() && !host.contains('*') && is_plain(&rule.path) => {
                format!("{}://{host}{}", if tls { "https" } else { "http" }, rule.path)
            }
            _ => String::new(),
        }
    }

    /// The host as a listener has it, and whether that is one for TLS, which comes first. Where no listener is for it
    /// the route hangs in the air, and its own host is asked for.
    fn heard(&self, host: &str, gates: &Gates) -> Option<(String, bool)> {
        let listeners = self.parents.iter().flat_map(|(gateway, section)| {
            let all = gates.get(gateway).into_iter().flat_map(|gate| &gate.listeners);
            all.filter(move |l| section.is_empty() || l.name == *section)
        });
        let heard = listeners.filter_map(|l| Some((common(host, &l.host)?, l.tls)));
        heard.max_by_key(|(host, tls)| (!host.is_empty(), *tls)).or_else(|| Some((host.to_owned(), true)))
    }
}

/// A path that can be asked for as it stands. That of ingress-nginx may be a regular expression.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && path.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.~%".contains(c))
}

fn slash(path: &str) -> String {
    if path.is_empty() { "/".into() } else { path.into() }
}

fn of_ingress(ingress: &Value) -> Vec<Rule> {
    let secure = |host: &str| list_at(ingress, "/spec/tls").iter().any(|tls| is_tls_for(tls, host));
    let service = |backend: &Value| match str_at(backend, "/service/name") {
        "" => vec![],
        name => vec![(namespace(ingress).to_owned(), name.to_owned())],
    };
    let mut found = Vec::new();
    for rule in list_at(ingress, "/spec/rules") {
        let host = str_at(rule, "/host");
        for path in list_at(rule, "/http/paths") {
            found.push(Rule {
                host: host.to_lowercase(),
                path: slash(str_at(path, "/path")),
                tls: Some(secure(host)),
                services: path.get("backend").map(service).unwrap_or_default(),
            });
        }
    }
    if let Some(backend) = ingress.pointer("/spec/defaultBackend") {
        found.push(Rule { host: String::new(), path: String::new(), tls: Some(false), services: service(backend) });
    }
    found
}

fn of_http_route(route: &Value) -> (Vec<Rule>, Vec<(Place, String)>) {
    let home = |at: &Value| match str_at(at, "/namespace") {
        "" => namespace(route).to_owned(),
        ns => ns.to_owned(),
    };
    let is = |at: &Value, kind: &str| matches!(str_at(at, "/kind"), "") || str_at(at, "/kind") == kind;
    let hosts: Vec<String> = match list_at(route, "/spec/hostnames") {
        [] => vec![String::new()],
        some => some.iter().filter_map(Value::as_str).map(str::to_lowercase).collect(),
    };
    let mut rules = Vec::new();
    for rule in list_at(route, "/spec/rules") {
        // What gets no share of the requests may well be without an endpoint.
        let served = |b: &&Value| is(b, "Service") && int_at(b, "/weight") != Some(0);
        let backends = list_at(rule, "/backendRefs").iter().filter(served);
        let services: Vec<Place> = backends.map(|b| (home(b), str_at(b, "/name").to_owned())).collect();
        let paths: Vec<String> = match list_at(rule, "/matches") {
            [] => vec!["/".into()],
            some => some.iter().map(http_path).collect(),
        };
        for path in paths {
            rules.extend(hosts.iter().map(|host| Rule {
                host: host.clone(),
                path: path.clone(),
                tls: None,
                services: services.clone(),
            }));
        }
    }
    let parents = list_at(route, "/spec/parentRefs").iter().filter(|parent| is(parent, GATEWAYS.kind));
    let parents = parents.map(|p| ((home(p), str_at(p, "/name").to_owned()), str_at(p, "/sectionName").to_owned()));
    (rules, parents.collect())
}

/// The path of a match; empty where it is not for every request.
fn http_path(found: &Value) -> String {
    let partial = ["headers", "queryParams", "method"].iter().any(|field| found.get(*field).is_some());
    match str_at(found, "/path/type") {
        _ if partial => String::new(),
        "RegularExpression" => String::new(),
        _ => slash(str_at(found, "/path/value")),
    }
}

fn of_ingress_route(route: &Value) -> Vec<Rule> {
    let points = list_at(route, "/spec/entryPoints");
    let secure = route.pointer("/spec/tls").is_some_and(|tls| !tls.is_null())
        || !(points.is_empty() || points.iter().any(|point| point == "web"));
    let mut rules = Vec::new();
    for entry in list_at(route, "/spec/routes") {
        let own = list_at(entry, "/services").iter().filter(|s| str_at(s, "/kind") != "TraefikService");
        let services: Vec<Place> = own
            .filter(|service| int_at(service, "/weight") != Some(0))
            .map(|service| match str_at(service, "/namespace") {
                "" => (namespace(route).to_owned(), str_at(service, "/name").to_owned()),
                ns => (ns.to_owned(), str_at(service, "/name").to_owned()),
            })
            .collect();
        for (host, path) in matched_by_traefik(str_at(entry, "/match")) {
            rules.push(Rule { host, path, tls: Some(secure), services: services.clone() });
        }
    }
    rules
}
