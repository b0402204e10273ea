//! Routes of every flavour as one list of rules, and which of them a request meets (causes C.2).

pub mod foreign;
mod gateway;
mod ingress;
mod traefik;

pub use gateway::{NO_LISTENER, common, listeners, no_listener, parent_status, starves};
pub use ingress::{class_of, is_tls_for};
pub use traefik::matched as matched_by_traefik;

use super::flavor::Flavor;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::Lead;
use crate::diagnose::kinds::*;
use crate::world::object::{ObjectRef, str_at};
use crate::world::time::Time;
use regex::Regex;
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
        let host = match authority.split_once(']') {
            Some((address, _)) => address.trim_start_matches('['),
            // A name's last dot says only that it is whole.
            None => authority.split(':').next().unwrap_or_default().trim_end_matches('.'),
        };
        let host = host.to_lowercase();
        Self { scheme: scheme.to_lowercase(), host, path: format!("/{path}") }
    }

    /// Whether it comes over TLS.
    pub fn tls(&self) -> bool {
        self.scheme != "http"
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
    /// As a regular expression, anchored as its controller does it.
    Regex,
}

/// A Service behind a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// Its namespace.
    pub namespace: String,
    /// Its name; empty where the rule has no Service (a redirect, a bucket, a custom backend).
    pub name: String,
    /// Number or name of the port; empty for the only one.
    pub port: String,
    /// Its share of the requests, in proportion to the others'.
    pub weight: i64,
}

impl Backend {
    /// The reference of the Service.
    pub fn service(&self) -> ObjectRef {
        SERVICES.at(&self.namespace, &self.name)
    }
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
    /// Host, `*.x`, `~` and a regular expression, or empty for any.
    pub host: String,
    /// Path.
    pub path: String,
    /// How it is compared.
    pub kind: PathKind,
    /// The Service that gets the most of it.
    pub backend: Backend,
    /// The other Services that share in it.
    pub shares: Vec<Backend>,
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
    /// The rule is for some requests only (a header, a method), and does not stand for all.
    pub partial: bool,
    /// The rule takes a share of another rule's requests (ingress-nginx).
    pub canary: bool,
    /// The Gateway, with the listener as focus.
    pub gateway: Option<Lead>,
    /// Whether it is for TLS only or for plain requests only; `None` for both.
    pub tls: Option<bool>,
}

impl Rule {
    /// A rule for everything, to be narrowed.
    fn of(route: &Value, index: usize, flavor: Flavor) -> Self {
        Self {
            at: ObjectRef::of(route),
            index,
            flavor,
            host: String::new(),
            path: "/".into(),
            kind: PathKind::Prefix,
            backend: Backend::default(),
            shares: Vec::new(),
            class: String::new(),
            unclaimed: String::new(),
            created: Time::parse(str_at(route, "/metadata/creationTimestamp")).unwrap_or(Time::NEVER),
            addresses: Vec::new(),
            priority: 0,
            partial: false,
            canary: false,
            gateway: None,
            tls: None,
        }
    }

    /// Takes the heaviest backend as the one that stands for the rule.
    fn with_backends(mut self, mut all: Vec<Backend>) -> Self {
        let heaviest = (0..all.len()).max_by_key(|n| (all[*n].weight, Reverse(*n)));
        if let Some(n) = heaviest {
            self.backend = all.remove(n);
            self.shares = all;
        }
        self
    }

    /// Whether a controller takes it and it leads to a Service.
    pub fn leads_on(&self) -> bool {
        self.unclaimed.is_empty() && !self.backend.name.is_empty() && !self.starves()
    }

    /// Whether its host was given to another Ingress: see [`give_hosts`](ingress::give_hosts).
    pub fn lost_its_host(&self) -> bool {
        self.flavor == Flavor::NginxInc && !self.unclaimed.is_empty()
    }

    /// Whether it is one of the Gateway API none of whose Services gets a request: see [`starves`].
    pub fn starves(&self) -> bool {
        let of_gateway = matches!(self.at.kind.as_str(), "HTTPRoute" | "GRPCRoute");
        of_gateway && !self.backend.name.is_empty() && self.backend.weight == 0
    }

    /// A URL that it is for; a wildcard stands for itself. `None` where only a pattern says what it is for.
    pub fn url(&self, tls: bool) -> Option<String> {
        let path = match self.kind {
            PathKind::Regex => literal(&self.path),
            _ => &self.path,
        };
        let meant = !self.host.starts_with('~') && path.starts_with('/') && path_matches(self, path);
        meant.then(|| format!("{}://{}{path}", if tls { "https" } else { "http" }, self.host))
    }
}

/// The beginning of a pattern that stands for itself.
fn literal(pattern: &str) -> &str {
    let bare = pattern.trim_start_matches("(?i)").trim_start_matches('^').trim_start_matches("(?:");
    let end = bare.find(|c: char| "()[]{}.*+?|^$\\".contains(c)).unwrap_or(bare.len());
    &bare[..end]
}

/// Which rule a request meets.
#[derive(Clone, Debug)]
pub enum Met {
    /// This one.
    Rule {
        /// The rule.
        rule: Box<Rule>,
        /// Rules that claim the same host and path and lose.
        others: Vec<Rule>,
        /// Rules that take a share of its requests.
        canaries: Vec<Rule>,
    },
    /// Rules exist for the host, none for the path.
    NoPath {
        /// The rules of the host.
        rules: Vec<Rule>,
    },
    /// No rule for the host.
    NoHost {
        /// Every rule there is.
        rules: Vec<Rule>,
    },
}

/// Every rule of the cluster.
pub fn rules(case: &Case<'_>) -> Fact<Vec<Rule>> {
    let mut all = Vec::new();
    // Everything is asked for at once, before the first `?`.
    let classes = case.list(INGRESSCLASSES, None).known();
    let ingresses = case.list(INGRESSES, None);
    let traefik = case.list(INGRESSROUTES, None).known();
    let http = case.list(HTTPROUTES, None).known();
    let grpc = case.list(GRPCROUTES, None).known();
    let gateways = case.list(GATEWAYS, None).known();
    let gateway_classes = case.list(GATEWAYCLASSES, None).known();
    let classes = classes?.unwrap_or_default();
    let mut one_for_each_host = Vec::new();
    for ingress in ingresses? {
        if ingress::read(case, ingress, &classes, &mut all)? == Some(Flavor::NginxInc) {
            one_for_each_host.push(ingress);
        }
    }
    ingress::give_hosts(&one_for_each_host, &mut all);
    for route in traefik?.unwrap_or_default() {
        traefik::read(case, route, &mut all)?;
    }
    let (gateways, gateway_classes) = (gateways?.unwrap_or_default(), gateway_classes?.unwrap_or_default());
    for route in http?.unwrap_or_default().into_iter().chain(grpc?.unwrap_or_default()) {
        gateway::read(route, &gateways, &gateway_classes, &mut all);
    }
    Ok(all)
}

/// The rank of a rule for any host.
const CATCH_ALL: u8 = 1;

/// How well a rule's host matches: 3 exact, 2 wildcard or pattern, 1 any, `None` not at all. An Ingress' wildcard stands
/// for one label, a Gateway's for one or more.
pub fn host_rank(rule: &Rule, host: &str) -> Option<u8> {
    if let Some(pattern) = rule.host.strip_prefix('~') {
        return Regex::new(pattern).is_ok_and(|r| r.is_match(host)).then_some(2);
    }
    match rule.host.strip_prefix("*.") {
        _ if rule.host.is_empty() => Some(CATCH_ALL),
        _ if rule.host == host => Some(3),
        Some(base) => {
            let label = host.strip_suffix(base)?.strip_suffix('.')?;
            let several = matches!(rule.at.kind.as_str(), "HTTPRoute" | "GRPCRoute");
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
        PathKind::Regex => Regex::new(&rule.path).is_ok_and(|r| r.is_match(path)),
        PathKind::Prefix => {
            let base = rule.path.trim_end_matches('/');
            path == base || path.strip_prefix(base).is_some_and(|rest| rest.starts_with('/')) || base.is_empty()
        }
    }
}

/// How long the rule is that Traefik makes of a host and a path of an Ingress: its priority.
pub fn traefik_priority(host: &str, path: &str) -> i64 {
    let part = |matcher: &str, text: &str| if text.is_empty() { 0 } else { matcher.len() + text.len() + 4 };
    let both = if host.is_empty() || path.is_empty() { 0 } else { " && ".len() };
    i64::try_from(part("Host", host) + both + part("PathPrefix", path)).unwrap_or(i64::MAX)
}

/// Orders routes that were made in the same second: ingress-nginx lets the name that sorts last win (its
/// `sortIngressSlice`), the others the one that sorts first.
fn tie(rule: &Rule) -> (Option<Reverse<String>>, ObjectRef) {
    let nginx = rule.flavor == Flavor::Nginx;
    (nginx.then(|| Reverse(format!("{}/{}", rule.at.namespace, rule.at.name))), rule.at.clone())
}

/// The rule that a request meets. Rules that a controller takes come before those that nobody takes, rules for the
/// request's scheme before others.
pub fn meet(rules: &[Rule], request: &Request) -> Met {
    for claimed in [true, false] {
        let all = || rules.iter().filter(|r| r.unclaimed.is_empty() == claimed && !r.partial && !r.canary);
        let Some(best) = all().filter_map(|r| host_rank(r, &request.host)).max() else { continue };
        if !claimed && best == CATCH_ALL && rules.iter().any(|r| r.unclaimed.is_empty()) {
            // Who mistypes a host is not helped by a rule for every host that nobody takes.
            continue;
        }
        let of_host: Vec<&Rule> = all().filter(|r| host_rank(r, &request.host) == Some(best)).collect();
        // A server for the very host hides wildcards and catch-alls; a mere catch-all is no sign of the host.
        let mut fitting: Vec<&Rule> = of_host.iter().copied().filter(|r| path_matches(r, &request.path)).collect();
        if of_host.iter().any(|r| r.flavor == Flavor::Traefik) {
            // Traefik asks its routers in the order of their priority, whatever they say of the host.
            let met = |r: &&Rule| host_rank(r, &request.host).is_some() && path_matches(r, &request.path);
            let beside = all().filter(|r| r.flavor == Flavor::Traefik && host_rank(r, &request.host) != Some(best));
            fitting.extend(beside.filter(met));
        }
        fitting.sort_by_key(|r| {
            let other_scheme = r.tls.is_some_and(|tls| tls != request.tls());
            let traefik = r.flavor == Flavor::Traefik;
            (
                other_scheme,
                Reverse(traefik.then_some(r.priority)),
                r.kind != PathKind::Exact,
                Reverse(r.path.len()),
                Reverse(r.priority),
                r.created,
                tie(r),
            )
        });
        let lost = || rules.iter().filter(|r| claimed && r.lost_its_host() && path_matches(r, &request.path));
        let Some((first, rest)) = fitting.split_first() else {
            if let Some(lost) = lost().find(|r| host_rank(r, &request.host) == Some(best)) {
                return Met::Rule { rule: Box::new(lost.clone()), others: Vec::new(), canaries: Vec::new() };
            }
            return Met::NoPath { rules: of_host.into_iter().cloned().collect() };
        };
        let twin = |r: &Rule| r.host == first.host && r.path == first.path && r.kind == first.kind;
        let others =
            rest.iter().copied().chain(lost()).filter(|r| twin(r) && r.at != first.at && r.at.kind == first.at.kind);
        let canaries = rules.iter().filter(|r| r.canary && r.unclaimed.is_empty() && twin(r));
        return Met::Rule {
            rule: Box::new((*first).clone()),
            others: others.cloned().collect(),
            canaries: canaries.cloned().collect(),
        };
    }
    Met::NoHost { rules: rules.to_vec() }
}

#[cfg(test)]
mod tests;
