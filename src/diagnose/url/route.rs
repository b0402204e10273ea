//! Routes of every flavour as one list of rules, and which of them a request meets (causes C.2).

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::*;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::Value;
use std::cmp::Reverse;

/// A request, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `https` or `http`.
    pub scheme: String,
    /// Host, lower case, without port.
    pub host: String,
    /// Path, at least `/`, without query.
    pub path: String,
}

impl Request {
    /// Reads a URL; without a scheme `https` is meant.
    pub fn parse(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = authority.split(':').next().unwrap_or_default().to_lowercase();
        Self { scheme: scheme.to_lowercase(), host, path: format!("/{path}") }
    }
}

/// Who serves a route; decides about matching and status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// ingress-nginx.
    Nginx,
    /// Traefik, for Ingress and IngressRoute.
    Traefik,
    /// HAProxy ingress controllers.
    HaProxy,
    /// Contour.
    Contour,
    /// Envoy Gateway.
    EnvoyGateway,
    /// Istio.
    Istio,
    /// Any other.
    Other,
}

impl Flavor {
    /// From a class' or gateway class' controller name.
    pub fn of_controller(controller: &str) -> Self {
        match controller {
            c if c.contains("nginx") => Flavor::Nginx,
            c if c.contains("traefik") => Flavor::Traefik,
            c if c.contains("haproxy") => Flavor::HaProxy,
            c if c.contains("contour") => Flavor::Contour,
            c if c.contains("envoyproxy") => Flavor::EnvoyGateway,
            c if c.contains("istio") => Flavor::Istio,
            _ => Flavor::Other,
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Flavor::Nginx => "ingress-nginx",
            Flavor::Traefik => "Traefik",
            Flavor::HaProxy => "HAProxy",
            Flavor::Contour => "Contour",
            Flavor::EnvoyGateway => "Envoy Gateway",
            Flavor::Istio => "Istio",
            Flavor::Other => "the controller",
        }
    }
}

/// How a rule's path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// The whole path.
    Exact,
    /// Element by element: `/foo` matches `/foo/bar`, not `/foobar`.
    Prefix,
    /// As text: `/foo` matches `/foobar` too.
    Text,
}

/// One rule: host and path to a backend.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The route object.
    pub at: ObjectRef,
    /// Which rule of it.
    pub index: usize,
    /// Who serves it.
    pub flavor: Flavor,
    /// Host, `*.x`, or empty for any.
    pub host: String,
    /// Path.
    pub path: String,
    /// How it is compared.
    pub kind: PathKind,
    /// Namespace, name and port (number or name) of the backend Service.
    pub backend: (String, String, String),
    /// Name of the class or gateway.
    pub class: String,
    /// Why no controller takes the route; empty when one does.
    pub unclaimed: String,
    /// Creation time of the route object.
    pub created: Time,
    /// Addresses in its status.
    pub addresses: Vec<String>,
    /// Explicit priority (Traefik), or the length of the rule.
    pub priority: i64,
    /// The rule is meant as a canary or a header match and does not stand for all requests.
    pub partial: bool,
}

/// Which rule a request meets.
#[derive(Clone, Debug)]
pub enum Met {
    /// This one; the others claim the same host and path.
    Rule { rule: Box<Rule>, others: Vec<Rule> },
    /// Rules exist for the host, none for the path.
    NoPath { rules: Vec<Rule> },
    /// No rule for the host; the hosts there are.
    NoHost { rules: Vec<Rule> },
}

/// Every rule of the cluster.
pub fn rules(case: &Case<'_>) -> Fact<Vec<Rule>> {
    let mut all = Vec::new();
    let classes = case.list(INGRESSCLASSES, None).known();
    let ingresses = case.list(INGRESSES, None);
    let routes = case.list(INGRESSROUTES, None).known();
    let http = case.list(HTTPROUTES, None).known();
    let gateways = case.list(GATEWAYS, None).known();
    let gateway_classes = case.list(GATEWAYCLASSES, None).known();
    let classes = classes?.unwrap_or_default();
    for ingress in ingresses? {
        of_ingress(ingress, &classes, &mut all);
    }
    for route in routes?.unwrap_or_default() {
        of_ingress_route(route, &mut all);
    }
    let (gateways, gateway_classes) = (gateways?.unwrap_or_default(), gateway_classes?.unwrap_or_default());
    for route in http?.unwrap_or_default() {
        of_http_route(route, &gateways, &gateway_classes, &mut all);
    }
    Ok(all)
}

/// The class of an Ingress: its name, its controller, and why nobody takes the Ingress (empty when somebody does).
pub fn class_of(ingress: &Value, classes: &[&Value]) -> (String, String, String) {
    const LEGACY: &str = "/metadata/annotations/kubernetes.io~1ingress.class";
    let controller =
        |wanted: &str| classes.iter().find(|c| name(c) == wanted).map(|c| str_at(c, "/spec/controller").to_owned());
    match (str_at(ingress, "/spec/ingressClassName"), str_at(ingress, LEGACY)) {
        ("", "") => {
            let default = classes
                .iter()
                .find(|c| str_at(c, "/metadata/annotations/ingressclass.kubernetes.io~1is-default-class") == "true");
            let why = match default {
                Some(class) => format!(
                    "it names no class, and class {} became the default only after the Ingress was created (a default is given at creation)",
                    name(class)
                ),
                None => "it names no class, and there is no default class".to_owned(),
            };
            (String::new(), String::new(), why)
        }
        ("", legacy) => (legacy.to_owned(), controller(legacy).unwrap_or_else(|| legacy.to_owned()), String::new()),
        (class, _) => match controller(class) {
            Some(controller) => (class.to_owned(), controller, String::new()),
            None => {
                let known: Vec<&str> = classes.iter().map(|c| name(c)).collect();
                (
                    class.to_owned(),
                    String::new(),
                    format!("IngressClass {class} does not exist (there are: {})", known.join(", ")),
                )
            }
        },
    }
}

fn of_ingress(ingress: &Value, classes: &[&Value], all: &mut Vec<Rule>) {
    let (class, controller, unclaimed) = class_of(ingress, classes);
    let flavor = Flavor::of_controller(&controller);
    let addresses: Vec<String> = list_at(ingress, "/status/loadBalancer/ingress")
        .iter()
        .map(|a| [str_at(a, "/ip"), str_at(a, "/hostname")].concat())
        .collect();
    let canary = str_at(ingress, "/metadata/annotations/nginx.ingress.kubernetes.io~1canary") == "true";
    let mut add = |host: &str, path: &str, kind: &str, backend: &Value, index: usize| {
        let port = backend.pointer("/service/port");
        let port = port.map(|p| p.get("number").or(p.get("name")).unwrap_or(&Value::Null).to_string().replace('"', ""));
        all.push(Rule {
            at: ObjectRef::of(ingress),
            index,
            flavor,
            host: host.to_lowercase(),
            path: if path.is_empty() { "/".into() } else { path.into() },
            kind: match (kind, flavor) {
                ("Exact", _) => PathKind::Exact,
                ("Prefix", _) => PathKind::Prefix,
                _ => PathKind::Text,
            },
            backend: (namespace(ingress).into(), str_at(backend, "/service/name").into(), port.unwrap_or_default()),
            class: class.clone(),
            unclaimed: unclaimed.clone(),
            created: created(ingress),
            addresses: addresses.clone(),
            priority: 0,
            partial: canary,
        });
    };
    let mut index = 0;
    for rule in list_at(ingress, "/spec/rules") {
        for path in list_at(rule, "/http/paths") {
            let backend = path.get("backend").unwrap_or(&Value::Null);
            add(str_at(rule, "/host"), str_at(path, "/path"), str_at(path, "/pathType"), backend, index);
            index += 1;
        }
    }
    if let Some(backend) = ingress.pointer("/spec/defaultBackend") {
        add("", "/", "Prefix", backend, index);
    }
}

fn created(object: &Value) -> Time {
    Time::parse(str_at(object, "/metadata/creationTimestamp")).unwrap_or(Time::NEVER)
}

/// `Host(...)`, `PathPrefix(...)`, `Path(...)` of a Traefik rule; alternatives (`||`) become rules of their own.
fn of_ingress_route(route: &Value, all: &mut Vec<Rule>) {
    for (index, entry) in list_at(route, "/spec/routes").iter().enumerate() {
        let text = str_at(entry, "/match");
        let service = list_at(entry, "/services").first().unwrap_or(&Value::Null);
        let port = service.get("port").map(|p| p.to_string().replace('"', "")).unwrap_or_default();
        let ns = match str_at(service, "/namespace") {
            "" => namespace(route),
            ns => ns,
        };
        let priority = crate::world::object::int_at(entry, "/priority").filter(|p| *p > 0).unwrap_or(text.len() as i64);
        for part in text.split("||") {
            let hosts = arguments(part, "Host(");
            let prefixes = arguments(part, "PathPrefix(");
            let exact = arguments(part, "Path(");
            let paths = match (prefixes.is_empty(), exact.is_empty()) {
                (false, _) => prefixes.into_iter().map(|p| (p, PathKind::Text)).collect(),
                (true, false) => exact.into_iter().map(|p| (p, PathKind::Exact)).collect(),
                (true, true) => vec![("/".to_owned(), PathKind::Text)],
            };
            let hosts = if hosts.is_empty() { vec![String::new()] } else { hosts };
            for (host, (path, kind)) in hosts.iter().flat_map(|h| paths.iter().map(move |p| (h, p.clone()))) {
                all.push(Rule {
                    at: ObjectRef::of(route),
                    index,
                    flavor: Flavor::Traefik,
                    host: host.to_lowercase(),
                    path,
                    kind,
                    backend: (ns.into(), str_at(service, "/name").into(), port.clone()),
                    class: "traefik".into(),
                    unclaimed: String::new(),
                    created: created(route),
                    addresses: Vec::new(),
                    priority,
                    partial: ["Header(", "Headers(", "Query(", "Method(", "ClientIP("].iter().any(|m| part.contains(m)),
                });
            }
        }
    }
}

/// The back-quoted arguments of one matcher. `Path(` must not be found inside `PathPrefix(`: the name ends there.
fn arguments(rule: &str, matcher: &str) -> Vec<String> {
    let mut rest = rule;
    while let Some(at) = rest.find(matcher) {
        let before = rest[..at].chars().last();
        let inner = &rest[at + matcher.len()..];
        if before.is_none_or(|c| !c.is_alphanumeric()) {
            let inner = inner.split(')').next().unwrap_or_default();
            return inner
                .split(',')
                .map(|a| a.trim().trim_matches(['`', '"', '\'']).to_owned())
                .filter(|a| !a.is_empty())
                .collect();
        }
        rest = inner;
    }
    Vec::new()
}

fn of_http_route(route: &Value, gateways: &[&Value], classes: &[&Value], all: &mut Vec<Rule>) {
    let parent = list_at(route, "/spec/parentRefs").first().unwrap_or(&Value::Null);
    let ns = match str_at(parent, "/namespace") {
        "" => namespace(route),
        ns => ns,
    };
    let gateway = gateways.iter().find(|g| name(g) == str_at(parent, "/name") && namespace(g) == ns);
    let class = gateway.map_or("", |g| str_at(g, "/spec/gatewayClassName"));
    let controller = classes.iter().find(|c| name(c) == class).map_or("", |c| str_at(c, "/spec/controllerName"));
    let addresses: Vec<String> = gateway
        .map(|g| list_at(g, "/status/addresses").iter().map(|a| str_at(a, "/value").to_owned()).collect())
        .unwrap_or_default();
    let hosts: Vec<&str> = match list_at(route, "/spec/hostnames") {
        [] => vec![""],
        hosts => hosts.iter().filter_map(Value::as_str).collect(),
    };
    for (index, rule) in list_at(route, "/spec/rules").iter().enumerate() {
        let backend = list_at(rule, "/backendRefs").first().unwrap_or(&Value::Null);
        let backend_ns = match str_at(backend, "/namespace") {
            "" => namespace(route),
            ns => ns,
        };
        let port = backend.get("port").map(ToString::to_string).unwrap_or_default();
        let matches = match list_at(rule, "/matches") {
            [] => vec![&Value::Null],
            some => some.iter().collect(),
        };
        for (host, found) in hosts.iter().flat_map(|h| matches.iter().map(move |m| (h, m))) {
            all.push(Rule {
                at: ObjectRef::of(route),
                index,
                flavor: Flavor::of_controller(controller),
                host: host.to_lowercase(),
                path: Some(str_at(found, "/path/value")).filter(|p| !p.is_empty()).unwrap_or("/").into(),
                kind: if str_at(found, "/path/type") == "Exact" { PathKind::Exact } else { PathKind::Prefix },
                backend: (backend_ns.into(), str_at(backend, "/name").into(), port.clone()),
                class: class.into(),
                unclaimed: String::new(),
                created: created(route),
                addresses: addresses.clone(),
                priority: 0,
                partial: found.get("headers").is_some()
                    || found.get("method").is_some()
                    || found.get("queryParams").is_some(),
            });
        }
    }
}

/// How well a rule's host matches: 3 exact, 2 wildcard, 1 any, `None` not at all. An Ingress' wildcard stands for one
/// label, a Gateway's for one or more.
pub fn host_rank(rule: &Rule, host: &str) -> Option<u8> {
    match rule.host.strip_prefix("*.") {
        _ if rule.host.is_empty() => Some(1),
        _ if rule.host == host => Some(3),
        Some(base) => {
            let label = host.strip_suffix(base)?.strip_suffix('.')?;
            let several = rule.at.kind == "HTTPRoute";
            (!label.is_empty() && (several || !label.contains('.'))).then_some(2)
        }
        None => None,
    }
}

/// Whether a rule's path matches.
pub fn path_matches(rule: &Rule, path: &str) -> bool {
    match rule.kind {
        PathKind::Exact => rule.path == path,
        PathKind::Text => path.starts_with(&rule.path),
        PathKind::Prefix => {
            let base = rule.path.trim_end_matches('/');
            path == base || path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')) || base.is_empty()
        }
    }
}

/// The rule that a request meets. Rules that a controller takes come before those that nobody takes.
pub fn meet(rules: &[Rule], request: &Request) -> Met {
    for claimed in [true, false] {
        let all = || rules.iter().filter(|r| r.unclaimed.is_empty() == claimed && !r.partial);
        let Some(best) = all().filter_map(|r| host_rank(r, &request.host)).max() else { continue };
        let of_host: Vec<&Rule> = all().filter(|r| host_rank(r, &request.host) == Some(best)).collect();
        // A server for the very host hides wildcards and catch-alls; a mere catch-all is no sign of the host.
        let mut fitting: Vec<&Rule> = of_host.iter().copied().filter(|r| path_matches(r, &request.path)).collect();
        fitting.sort_by_key(|r| {
            (r.kind != PathKind::Exact, Reverse(r.path.len()), Reverse(r.priority), r.created, r.at.clone())
        });
        let Some((first, rest)) = fitting.split_first() else {
            return Met::NoPath { rules: of_host.into_iter().cloned().collect() };
        };
        let same =
            |r: &&&Rule| r.path == first.path && r.kind == first.kind && r.at != first.at && r.at.kind == first.at.kind;
        let others = rest.iter().filter(same).map(|r| (*r).clone()).collect();
        return Met::Rule { rule: Box::new((*first).clone()), others };
    }
    Met::NoHost { rules: rules.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(host: &str, path: &str, kind: PathKind) -> Rule {
        Rule {
            at: ObjectRef::new("networking.k8s.io", "Ingress", "shop", &format!("{host}{path}")),
            index: 0,
            flavor: Flavor::Nginx,
            host: host.into(),
            path: path.into(),
            kind,
            backend: Default::default(),
            class: "nginx".into(),
            unclaimed: String::new(),
            created: Time(0),
            addresses: Vec::new(),
            priority: 0,
            partial: false,
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let request = Request::parse("https://Shop.example.com:8443/cart/1?x=y");
        assert_eq!((request.host.as_str(), request.path.as_str()), ("shop.example.com", "/cart/1"));
        assert_eq!(Request::parse("shop.example.com").path, "/");
    }

    #[test]
    fn prefixes_are_compared_by_element() {
        let foo = rule("a", "/foo", PathKind::Prefix);
        assert!(path_matches(&foo, "/foo") && path_matches(&foo, "/foo/") && path_matches(&foo, "/foo/bar"));
        assert!(!path_matches(&foo, "/foobar"));
        assert!(path_matches(&rule("a", "/foo", PathKind::Text), "/foobar"));
        assert!(path_matches(&rule("a", "/", PathKind::Prefix), "/anything"));
    }

    #[test]
    fn wildcards_stand_for_one_label() {
        let wild = rule("*.example.com", "/", PathKind::Prefix);
        assert_eq!(host_rank(&wild, "a.example.com"), Some(2));
        assert_eq!(host_rank(&wild, "a.b.example.com"), None);
        assert_eq!(host_rank(&wild, "example.com"), None);
        assert_eq!(host_rank(&rule("", "/", PathKind::Prefix), "a"), Some(1));
    }

    #[test]
    fn exact_before_longest_prefix_and_the_oldest_wins() {
        let mut old = rule("a", "/", PathKind::Prefix);
        old.created = Time(-5);
        let rules =
            [rule("a", "/", PathKind::Prefix), rule("a", "/x", PathKind::Exact), rule("a", "/x/y", PathKind::Prefix)];
        let met = |path: &str| match meet(&rules, &Request::parse(&format!("http://a{path}"))) {
            Met::Rule { rule, .. } => rule.path.clone(),
            _ => "none".into(),
        };
        assert_eq!((met("/x"), met("/x/y/z"), met("/q")), ("/x".into(), "/x/y".into(), "/".into()));
        old.at.name = "old".into();
        match meet(&[rules[0].clone(), old], &Request::parse("http://a/")) {
            Met::Rule { rule, others } => assert_eq!((rule.at.name.as_str(), others.len()), ("old", 1)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn traefik_rules_are_read() {
        let mut all = Vec::new();
        let route = json!({"kind": "IngressRoute", "metadata": {"name": "r", "namespace": "n"}, "spec": {"routes": [
            {"match": "Host(`a.b`, `c.d`) && PathPrefix(`/x`)", "services": [{"name": "s", "port": 80}]}]}});
        of_ingress_route(&route, &mut all);
        let seen: Vec<(&str, &str)> = all.iter().map(|r| (r.host.as_str(), r.path.as_str())).collect();
        assert_eq!(seen, [("a.b", "/x"), ("c.d", "/x")]);
        assert_eq!(all[0].backend, ("n".into(), "s".into(), "80".into()));
        assert!(arguments("PathPrefix(`/x`)", "Path(").is_empty());
    }
}
