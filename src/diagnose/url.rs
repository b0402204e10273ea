//! The way of a URL: DNS, load balancer, route, controller, Service, endpoints, pods, policies.
//!
//! | file | what stands there |
//! |---|---|
//! | [`route`] | routes of every kind as rules, and which one a request meets |
//! | [`flavor`], [`control`] | who serves a rule: controllers, their pods and entrances |
//! | [`backend`] | ports, endpoints and pods of a Service |
//! | [`policy`], [`cilium`] | may these pods reach that one? |
//! | [`access`] | what the controller's log says about a backend |
//! | [`code`] | which status code a controller gives for a fault |
//! | [`chain`] | the hops, for people |

pub mod access;
pub mod backend;
pub mod chain;
pub mod cilium;
pub mod code;
pub mod control;
pub mod flavor;
pub mod policy;
pub mod route;

use super::facts::{Case, Fact};
use super::finding::{Lead, Suspect};
use crate::world::object::{ObjectRef, list_at, str_at};
use control::Control;
use flavor::Flavor;
use route::{Backend, Met, Request, Rule};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// URLs of one route object that are looked at when the route itself is asked about.
const MOST_URLS: usize = 20;

/// Where a request goes.
#[derive(Debug)]
pub struct Way {
    /// The request.
    pub request: Request,
    /// The rule it meets.
    pub met: Met,
}

impl Way {
    /// The rule, if one is met.
    pub fn rule(&self) -> Option<&Rule> {
        match &self.met {
            Met::Rule { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// The rule, if a controller takes it and it leads to a Service.
    pub fn open_rule(&self) -> Option<&Rule> {
        self.rule().filter(|rule| rule.leads_on())
    }
}

/// The way of a URL; computed once.
pub fn way(case: &Case<'_>, url: &str) -> Fact<Arc<Way>> {
    case.memo(url, || {
        let request = Request::parse(url);
        let rules = case.memo("", || route::rules(case))?;
        Ok(Way { met: route::meet(&rules, &request), request })
    })
}

/// What a request arrives at: controller, Service, port and pods, all of which exist.
pub struct Arrival<'a> {
    /// The rule.
    pub rule: Rule,
    /// Who serves it.
    pub control: Control<'a>,
    /// The Service behind it.
    pub service: &'a Value,
    /// The port of the Service.
    pub port: &'a Value,
    /// Pods that the Service selects.
    pub pods: Vec<&'a Value>,
    /// The ready ones.
    pub ready: Vec<&'a Value>,
}

impl Arrival<'_> {
    /// The number that the Service's port leads to in a ready pod.
    pub fn target(&self) -> Option<i64> {
        backend::target(self.port, self.ready.first()?)
    }

    /// The reference of the Service.
    pub fn at(&self) -> ObjectRef {
        ObjectRef::of(self.service)
    }
}

/// What a URL arrives at; `None` where its way ends before.
pub fn arrival<'a>(case: &Case<'a>, url: &str) -> Fact<Option<Arrival<'a>>> {
    let way = way(case, url)?;
    let Some(rule) = way.open_rule() else { return Ok(None) };
    let control = control::of_rule(case, rule);
    let lead = backend_lead(case, rule.flavor, &rule.backend)?;
    let Some(service) = case.get(&lead.at)? else { return Ok(None) };
    let Some(port) = backend::port(service, &lead.focus, false) else { return Ok(None) };
    let Some((pods, ready)) = backend::pods(case, service)? else { return Ok(None) };
    Ok(Some(Arrival { rule: rule.clone(), control: control?, service, port, pods, ready }))
}

/// The lead to a rule's backend. What ingress-nginx takes leniently (a target port for a Service port) is put right.
pub fn backend_lead(case: &Case<'_>, flavor: Flavor, to: &Backend) -> Fact<Lead> {
    let at = to.service();
    let service = case.get(&at)?;
    let lenient = flavor == Flavor::Nginx;
    let meant = service.and_then(|s| backend::port(s, &to.port, lenient)).and_then(|p| p.get("port"));
    Ok(Lead::to_port(at, &meant.map_or(to.port.clone(), ToString::to_string)))
}

/// Endpoints that a flavour would use behind a backend.
pub fn usable(case: &Case<'_>, flavor: Flavor, to: &Backend) -> Fact<usize> {
    let Some(service) = case.get(&to.service())? else { return Ok(0) };
    let Some(port) = backend::port(service, &to.port, flavor == Flavor::Nginx) else { return Ok(0) };
    let ends = backend::endpoints(case, service, Some(port))?;
    Ok(if flavor == Flavor::Traefik { ends.serving } else { ends.ready })
}

/// The objects a URL's trouble may come from: the route (only the rule that is met), its Gateway, the way in, and the
/// backend.
pub fn leads(case: &Case<'_>, url: &str) -> Fact<Vec<Lead>> {
    let way = way(case, url)?;
    let Some(rule) = way.rule() else { return Ok(Vec::new()) };
    let mut leads = vec![Lead { focus: rule.index.to_string(), ..Lead::to(rule.at.clone()) }];
    leads.extend(rule.gateway.iter().flat_map(|lead| [route::no_listener(lead.at.clone()), lead.clone()]));
    if !rule.unclaimed.is_empty() {
        return Ok(leads);
    }
    // Both are asked for before the first `?`: every round saved is a round trip to the cluster saved.
    let backend = rule.leads_on().then(|| backend_lead(case, rule.flavor, &rule.backend));
    let control = control::of_rule(case, rule)?;
    leads.extend(ways_in(case, rule, &control)?.into_iter().map(|service| Lead::to(ObjectRef::of(service))));
    leads.extend(backend.transpose()?);
    Ok(leads)
}

/// The LoadBalancer Services that have an address; all of them where none has one and the route announces no other
/// address either. Before them those that are meant for the controller and lead past it.
pub fn ways_in<'a>(case: &Case<'a>, rule: &Rule, control: &Control<'_>) -> Fact<Vec<&'a Value>> {
    let mut all = control::entrances(case, control)?;
    let has_address = |s: &&Value| !control::addresses(s).is_empty();
    if !rule.addresses.is_empty() || all.iter().any(has_address) {
        all.retain(has_address);
    }
    all.splice(0..0, control::strays(case, control, &rule.addresses)?);
    Ok(all)
}

/// The objects a Service's trouble may come from: the ill pods that it selects, when none of them serves; the Service
/// whose name it stands for.
pub fn service_leads(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    if backend::is_external(suspect.object) {
        let meant = backend::in_cluster(backend::external_name(suspect.object));
        let exists = meant.as_ref().map(|at| case.get(at)).transpose()?.flatten().is_some();
        return Ok(meant.filter(|_| exists).map(Lead::to).into_iter().collect());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    Ok(if ready.is_empty() { super::kin::ill_pods(case, &pods) } else { Vec::new() })
}

/// The URLs of a route object that was asked about itself: its trouble is theirs.
pub fn route_leads(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    if !suspect.asked {
        return Ok(Vec::new());
    }
    let rules = case.memo("", || route::rules(case))?;
    let own = rules.iter().filter(|r| r.at == suspect.at && !r.partial);
    let urls: BTreeSet<String> = own.filter_map(|r| r.url(over_tls(suspect.object, r))).take(MOST_URLS).collect();
    Ok(urls.iter().map(|url| Lead::to(ObjectRef::new("", "URL", "", url))).collect())
}

/// Whether a route is meant for TLS, as far as it says.
fn over_tls(route: &Value, rule: &Rule) -> bool {
    let points = list_at(route, "/spec/entryPoints");
    match rule.at.kind.as_str() {
        "IngressRoute" => rule.tls == Some(true) || !(points.is_empty() || points.iter().any(|p| p == "web")),
        "Ingress" => !list_at(route, "/spec/tls").is_empty(),
        _ => rule.tls.unwrap_or(true),
    }
}

/// Ready endpoints (with a usable port) and all endpoints of a Service.
pub fn endpoint_count(case: &Case<'_>, service: &Value) -> Fact<(usize, usize)> {
    let sum = backend::endpoints(case, service, list_at(service, "/spec/ports").first())?;
    Ok((sum.ready, sum.all))
}

/// An annotation of an object.
pub fn annotation<'a>(object: &'a Value, name: &str) -> &'a str {
    object.pointer("/metadata/annotations").and_then(|a| a.get(name)).and_then(Value::as_str).unwrap_or_default()
}

/// A reference in words that a status line may carry: `shop/web`.
pub fn short(object: &Value) -> String {
    format!("{}/{}", str_at(object, "/metadata/namespace"), str_at(object, "/metadata/name"))
}
