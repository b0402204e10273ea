//! The way of a URL: DNS, route, controller, Service, endpoints, pods, policies.

pub mod backend;
pub mod code;
pub mod policy;
pub mod route;

use super::facts::{Case, Fact, Knowable};
use super::finding::{Lead, Suspect};
use super::kinds::*;
use super::pods::{is_true, stand};
use super::verdict::{Hop, Mark, Verdict};
use crate::world::object::{ObjectRef, list_at, namespace, str_at};
use code::{Fault, fault_of, predicted};
use route::{Flavor, Met, PathKind, Request, Rule};
use serde_json::Value;
use std::sync::Arc;

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
}

/// The way of a URL; computed once.
pub fn way(case: &Case<'_>, url: &str) -> Fact<Arc<Way>> {
    case.memo(url, || {
        let request = Request::parse(url);
        Ok(Way { met: route::meet(&route::rules(case)?, &request), request })
    })
}

/// The reference of a rule's backend.
pub fn service_of(rule: &Rule) -> ObjectRef {
    SERVICES.at(&rule.backend.0, &rule.backend.1)
}

/// The lead to a rule's backend. What ingress-nginx takes leniently (a target port for a Service port) is put right.
pub fn backend_lead(case: &Case<'_>, rule: &Rule) -> Fact<Lead> {
    let at = service_of(rule);
    let wanted = rule.backend.2.as_str();
    let service = case.get(&at)?;
    let lenient = rule.flavor == Flavor::Nginx;
    let meant =
        service.and_then(|s| backend::port(s, wanted, lenient)).and_then(|p| p.get("port")).map(ToString::to_string);
    Ok(Lead::to_port(at, meant.as_deref().unwrap_or(wanted)))
}

/// The objects a URL's trouble may come from: the route (only the rule that is met) and its backend.
pub fn leads(case: &Case<'_>, url: &str) -> Fact<Vec<Lead>> {
    let way = way(case, url)?;
    let Some(rule) = way.rule() else { return Ok(Vec::new()) };
    let route = Lead { at: rule.at.clone(), focus: rule.index.to_string(), alike: (1, 1) };
    if !rule.unclaimed.is_empty() || rule.backend.1.is_empty() {
        return Ok(vec![route]);
    }
    Ok(vec![route, backend_lead(case, rule)?])
}

/// The objects a Service's trouble may come from: the ill pods that it selects, when none of them serves.
pub fn service_leads(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    Ok(if ready.is_empty() { super::kin::ill_pods(case, &pods) } else { Vec::new() })
}

/// The objects an Ingress' trouble may come from: its backends, when it was asked about itself.
pub fn ingress_leads(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    if !suspect.asked {
        return Ok(Vec::new());
    }
    let rules = route::rules(case)?;
    rules.iter().filter(|r| r.at == suspect.at && !r.backend.1.is_empty()).map(|r| backend_lead(case, r)).collect()
}

/// Ready endpoints (with a usable port) and all endpoints of a Service.
pub fn endpoint_count(case: &Case<'_>, service: &Value) -> Fact<(usize, usize)> {
    let sum = backend::endpoints(case, service, list_at(service, "/spec/ports").first())?;
    Ok((sum.ready, sum.all))
}

/// The pods of a controller.
#[derive(Debug, Default)]
pub struct Control<'a> {
    /// All.
    pub pods: Vec<&'a Value>,
    /// The ready ones.
    pub ready: Vec<&'a Value>,
    /// Traefik's `allowEmptyServices`.
    pub allow_empty: bool,
}

/// The pods that serve a flavour, found by image, arguments and labels.
pub fn control<'a>(case: &Case<'a>, flavor: Flavor) -> Fact<Control<'a>> {
    let pods: Vec<&Value> = case.list(PODS, None)?.into_iter().filter(|p| serves(p, flavor)).collect();
    let ready = pods.iter().copied().filter(|p| is_true(p, "Ready")).collect();
    let arguments = |p: &Value| {
        let all = list_at(p, "/spec/containers")
            .iter()
            .flat_map(|c| list_at(c, "/args").iter().chain(list_at(c, "/command")));
        all.filter_map(Value::as_str).any(|a| a.to_lowercase().contains("allowemptyservices=true"))
    };
    Ok(Control { allow_empty: pods.iter().any(|p| arguments(p)), ready, pods })
}

fn serves(pod: &Value, flavor: Flavor) -> bool {
    let label = |key: &str| pod.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
    let image = |words: &[&str]| {
        list_at(pod, "/spec/containers").iter().any(|c| words.iter().any(|w| str_at(c, "/image").contains(w)))
    };
    match flavor {
        Flavor::Nginx => {
            let named = label("app.kubernetes.io/name") == Some("ingress-nginx");
            image(&["ingress-nginx/controller", "nginx-ingress-controller"])
                || (named && label("app.kubernetes.io/component") == Some("controller"))
        }
        Flavor::Traefik => {
            image(&["traefik:", "/traefik@", "/traefik/traefik"]) || label("app.kubernetes.io/name") == Some("traefik")
        }
        Flavor::HaProxy => image(&["haproxytech/kubernetes-ingress", "haproxy-ingress"]),
        Flavor::Contour => image(&["projectcontour/"]),
        Flavor::EnvoyGateway => label("gateway.envoyproxy.io/owning-gateway-name").is_some(),
        Flavor::Istio => {
            label("istio") == Some("ingressgateway") || label("gateway.networking.k8s.io/gateway-name").is_some()
        }
        Flavor::Other => false,
    }
}

/// A hop before its mark is known.
struct Raw {
    name: &'static str,
    text: String,
    object: Option<ObjectRef>,
    /// `None`: could not be said.
    good: Option<bool>,
}

fn raw(name: &'static str, good: Option<bool>, object: Option<ObjectRef>, text: impl Into<String>) -> Raw {
    Raw { name, text: text.into(), object, good }
}

/// The hops of a URL and its headline, marked by what the verdict found.
pub fn chain(case: &Case<'_>, url: &str, verdict: &Verdict) -> Fact<(Vec<Hop>, String)> {
    let way = way(case, url)?;
    let (mut hops, mut allow_empty) = (Vec::new(), false);
    let flavor = way.rule().map_or(Flavor::Other, |r| r.flavor);
    match &way.met {
        Met::Rule { rule, others } => {
            let control = control(case, flavor).known()?.unwrap_or_default();
            allow_empty = control.allow_empty;
            hops.push(dns_hop(case, &way.request, rule, &control)?);
            hops.push(route_hop(rule, others));
            hops.push(control_hop(rule, &control));
            backend_hops(case, rule, &control, &mut hops)?;
        }
        Met::NoPath { rules } => {
            let paths: Vec<&str> = rules.iter().map(|r| r.path.as_str()).collect();
            let at = rules.first().map(|r| r.at.clone());
            hops.push(raw("DNS", None, None, format!("{} (not asked)", way.request.host)));
            hops.push(raw(
                "Ingress",
                Some(false),
                at,
                format!("no rule for path {} (there are: {})", way.request.path, paths.join(" ")),
            ));
        }
        Met::NoHost { .. } => {
            hops.push(raw("DNS", None, None, format!("{} (not asked)", way.request.host)));
            hops.push(raw("Ingress", Some(false), None, format!("no route for host {}", way.request.host)));
        }
    }
    let fault = verdict.primary.iter().chain(&verdict.contributing).find_map(|f| fault_of(&f.cause));
    let fault = fault.or_else(|| verdict.primary.as_ref().map(|_| Fault::NoEndpoints));
    let code = fault.map(|f| predicted(flavor, f, allow_empty));
    let headline = match code {
        Some(code) => format!("{url} → {code} (predicted for {})", flavor.name()),
        None if hops.iter().any(|h| h.good == Some(false)) => format!("{url} → does not work"),
        None => format!("{url} → every hop works"),
    };
    Ok((marked(hops, verdict), headline))
}

/// Puts the marks: the hop of the reason is broken, what is bad beside it follows.
fn marked(hops: Vec<Raw>, verdict: &Verdict) -> Vec<Hop> {
    let primary = verdict.primary.as_ref().map(|p| hop_of(&p.cause));
    let blamed = primary.and_then(|name| hops.iter().position(|h| h.name == name));
    let broken = blamed.or_else(|| hops.iter().position(|h| h.good == Some(false)));
    let bad_before = |n: usize| broken.is_some_and(|b| n > b);
    hops.into_iter()
        .enumerate()
        .map(|(n, hop)| {
            let mark = match hop.good {
                _ if Some(n) == broken => Mark::Broken,
                Some(true) => Mark::Ok,
                Some(false) => Mark::Follows,
                None if bad_before(n) => Mark::Follows,
                None => Mark::Unknown,
            };
            Hop { name: hop.name.into(), mark, text: hop.text, object: hop.object }
        })
        .collect()
}

/// The hop that a cause belongs to.
fn hop_of(cause: &str) -> &'static str {
    match cause {
        "ingress-controller-down" => "Controller",
        c if c.starts_with("ingress-") || c.starts_with("traefik-") || c.starts_with("gw-") => "Ingress",
        c if c.starts_with("svc-") => "Service",
        c if c.starts_with("eps-") => "Endpoints",
        c if c.starts_with("netpol-") => "NetworkPolicy",
        _ => "Pods",
    }
}

/// Addresses that the route's or the controller's status announces; names are not asked for.
fn dns_hop(case: &Case<'_>, request: &Request, rule: &Rule, control: &Control<'_>) -> Fact<Raw> {
    let mut addresses = rule.addresses.clone();
    if let Some(pod) = control.pods.first().filter(|_| addresses.is_empty()) {
        for service in case.list(SERVICES, Some(namespace(pod))).known()?.unwrap_or_default() {
            let selector = service.pointer("/spec/selector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty()));
            let mine = selector.is_some_and(|s| {
                crate::world::selector::Selector::from_map(s).matches(pod.pointer("/metadata/labels"))
            });
            if mine {
                let announced = list_at(service, "/status/loadBalancer/ingress").iter();
                addresses.extend(announced.map(|a| [str_at(a, "/ip"), str_at(a, "/hostname")].concat()));
            }
        }
    }
    Ok(match addresses.first() {
        Some(address) => raw(
            "DNS",
            Some(true),
            None,
            format!("{} → {address} (from the status; the name itself is not asked)", request.host),
        ),
        None => raw(
            "DNS",
            None,
            None,
            format!("{}: no address in the route's status; the name itself is not asked", request.host),
        ),
    })
}

fn route_hop(rule: &Rule, others: &[Rule]) -> Raw {
    let kind = match rule.kind {
        PathKind::Exact => "exactly ",
        PathKind::Prefix | PathKind::Text => "",
    };
    let (ns, service, port) = &rule.backend;
    let host = if rule.host.is_empty() { "any host" } else { &rule.host };
    let mut text =
        format!("{}  class {}, rule {host} {kind}{} → service {ns}/{service}:{port}", rule.at, rule.class, rule.path);
    if !rule.unclaimed.is_empty() {
        text = format!("{}: {}", rule.at, rule.unclaimed);
    }
    for other in others {
        text.push_str(&format!("; {} claims the same and loses", other.at));
    }
    raw("Ingress", Some(rule.unclaimed.is_empty()), Some(rule.at.clone()), text)
}

fn control_hop(rule: &Rule, control: &Control<'_>) -> Raw {
    let (ready, all) = (control.ready.len(), control.pods.len());
    let at = control.pods.first().map(|p| ObjectRef::of(p));
    match all {
        _ if !rule.unclaimed.is_empty() => raw("Controller", None, None, "no controller takes the route"),
        0 => raw("Controller", None, None, format!("no pods found that look like {}", rule.flavor.name())),
        _ => raw("Controller", Some(ready > 0), at, format!("{} {ready}/{all} ready", rule.flavor.name())),
    }
}

fn backend_hops(case: &Case<'_>, rule: &Rule, control: &Control<'_>, hops: &mut Vec<Raw>) -> Fact<()> {
    let at = service_of(rule);
    let lead = backend_lead(case, rule)?;
    let Some(service) = case.get(&at)? else {
        hops.push(raw("Service", Some(false), Some(at.clone()), format!("{at} does not exist")));
        hops.push(raw("Endpoints", Some(false), None, "none, follows from above"));
        return Ok(());
    };
    let port = backend::port(service, &lead.focus, false);
    let pods = backend::pods(case, service)?;
    let selector = backend::labels(service.pointer("/spec/selector"));
    let target = port.and_then(|p| p.get("targetPort").or(p.get("port"))).map(|t| t.to_string().replace('"', ""));
    let (good, text) = match (&pods, port) {
        (_, None) => (Some(false), format!("{at}: no port {}", lead.focus)),
        (None, _) => (Some(true), format!("{at}: no selector, its endpoints are made by hand")),
        (Some((all, _)), _) => (
            Some(!all.is_empty()),
            format!(
                "{at}: port {} → targetPort {}, selector {selector} matches {} pods",
                lead.focus,
                target.unwrap_or_default(),
                all.len()
            ),
        ),
    };
    hops.push(raw("Service", good, Some(at.clone()), text));
    let ends = backend::endpoints(case, service, port)?;
    let usable = if rule.flavor == Flavor::Traefik { ends.serving } else { ends.ready };
    let extra = match ends.portless {
        0 => String::new(),
        n => format!(", {n} ready ones without the port"),
    };
    let text = match ends.all {
        0 => "0 endpoints".to_owned(),
        all => format!("{usable} of {all} endpoints ready with the port{extra}"),
    };
    hops.push(raw("Endpoints", Some(usable > 0), Some(at), text));
    if let Some((all, ready)) = pods {
        let ill = all.iter().find(|p| stand(p, case.now()) == super::pods::Stand::Ill);
        let shown = ill.or(all.first()).map(|p| ObjectRef::of(p));
        let text = match all.len() {
            0 => "none".to_owned(),
            n => format!("{} of {n} Ready ({n} pods)", ready.len()),
        };
        hops.push(raw("Pods", Some(!ready.is_empty()), shown, text));
        hops.push(policy_hop(case, control, &ready, port)?);
    }
    Ok(())
}

fn policy_hop(case: &Case<'_>, control: &Control<'_>, ready: &[&Value], port: Option<&Value>) -> Fact<Raw> {
    let (Some(from), Some(to)) = (control.pods.first(), ready.first()) else {
        return Ok(raw("NetworkPolicy", None, None, "not looked at: no pod on one of its ends"));
    };
    let Some(number) = port.and_then(|p| backend::target(p, to)) else {
        return Ok(raw("NetworkPolicy", None, None, "not looked at: the port leads nowhere"));
    };
    Ok(match policy::refuses(case, from, to, number)? {
        None => raw("NetworkPolicy", Some(true), None, format!("the controller may reach the pods on port {number}")),
        Some(refusal) => {
            let at = refusal.policies.first().map(|p| NETWORKPOLICIES.at(namespace(to), p));
            raw(
                "NetworkPolicy",
                Some(false),
                at,
                format!("{} refuses the controller on port {number}", refusal.policies.join(", ")),
            )
        }
    })
}
