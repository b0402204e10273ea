//! The hops of a URL for people, top to bottom, and the status code that the reason leads to.

use super::control::{self, Control};
use super::flavor::Flavor;
use super::route::{Met, PathKind, Request, Rule, foreign};
use super::{Way, backend, backend_lead, code, policy, short, way, ways_in};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::NETWORKPOLICIES;
use crate::diagnose::pods::{Stand, stand};
use crate::diagnose::verdict::{Hop, Mark, Verdict};
use crate::world::object::{ObjectRef, namespace};
use crate::world::text::count;
use serde_json::Value;

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
    let mut allow_empty = false;
    let flavor = way.rule().map_or_else(|| of_strangers(&way.met), |r| r.flavor);
    let foreign = match &way.met {
        Met::Rule { .. } => None,
        _ => foreign::of_host(case, &way.request.host)?,
    };
    let not_asked = || raw("DNS", None, None, format!("{} (not asked)", way.request.host));
    let hops = match &way.met {
        _ if foreign.is_some() => {
            let words = foreign.as_ref().map(ToString::to_string).unwrap_or_default();
            let text = format!("{words} names the host; routes of its kind are not followed");
            vec![not_asked(), raw("Ingress", None, foreign.clone(), text)]
        }
        Met::Rule { rule, others, canaries } => {
            let control = control::of_rule(case, rule).known()?.unwrap_or_default();
            allow_empty = control.allows_empty();
            let entrances = ways_in(case, rule, &control)?;
            let resolved = case.addresses(&way.request.host)?;
            let mut hops = vec![dns_hop(resolved, &way.request, rule, &entrances)];
            hops.extend(entrance_hop(&entrances, rule, &control));
            hops.push(route_hop(rule, others, canaries));
            hops.push(control_hop(rule, &control));
            backend_hops(case, rule, &control, &mut hops)?;
            hops
        }
        Met::NoPath { rules } => {
            let paths: Vec<&str> = rules.iter().map(|r| r.path.as_str()).collect();
            let at = rules.first().map(|r| r.at.clone());
            let text = format!("no rule for path {} (there are: {})", way.request.path, paths.join(" "));
            vec![not_asked(), raw("Ingress", Some(false), at, text)]
        }
        Met::NoHost { .. } => {
            let text = format!("no route for host {}", way.request.host);
            vec![not_asked(), raw("Ingress", Some(false), None, text)]
        }
    };
    let fault = verdict.primary.iter().chain(&verdict.contributing).find_map(|f| code::fault_of(&f.cause));
    // A certificate that clients refuse is no answer with a status code.
    let mut blamed = verdict.primary.iter().chain(&verdict.contributing);
    let certificate = blamed.any(|f| f.cause == "ingress-tls-secret-missing");
    let fault = fault.or_else(|| verdict.primary.as_ref().filter(|_| !certificate).map(|_| code::Fault::NoEndpoints));
    let code = match fault {
        Some(code::Fault::NotMatched) if refuses_strangers(case, &way, flavor)? => Some(REFUSED_HANDSHAKE),
        fault => fault.map(|f| code::predicted(flavor, f, allow_empty)),
    };
    let headline = match code {
        Some(code) if shares_only(verdict) => {
            format!("{url} → {code} for a share of the requests (predicted for {})", flavor.name())
        }
        Some(code) => format!("{url} → {code} (predicted for {})", flavor.name()),
        None if certificate && flavor == Flavor::NginxInc => format!("{url} → {REFUSED_HANDSHAKE}"),
        None if certificate => format!("{url} → a certificate that clients refuse"),
        None if foreign.is_some() => format!("{url} → could not be followed"),
        None if hops.iter().any(|h| h.good == Some(false)) => format!("{url} → does not work"),
        None => format!("{url} → every hop works"),
    };
    Ok((marked(hops, verdict), headline))
}

const REFUSED_HANDSHAKE: &str = "a refused TLS handshake";

/// Who answers what no rule is for, where that makes a difference: NGINX Ingress Controller, if nobody else is there.
fn of_strangers(met: &Met) -> Flavor {
    let (Met::NoHost { rules } | Met::NoPath { rules }) = met else { return Flavor::Other };
    let mut claimed = rules.iter().filter(|r| r.unclaimed.is_empty()).peekable();
    match claimed.peek().is_some() && claimed.all(|r| r.flavor == Flavor::NginxInc) {
        true => Flavor::NginxInc,
        false => Flavor::Other,
    }
}

/// Whether the handshake for a host that no route is for is refused: NGINX Ingress Controller does so unless it was given a
/// certificate for its default server (its documentation of `-default-server-tls-secret`).
fn refuses_strangers(case: &Case<'_>, way: &Way, flavor: Flavor) -> Fact<bool> {
    if flavor != Flavor::NginxInc || !way.request.tls() || !matches!(way.met, Met::NoHost { .. }) {
        return Ok(false);
    }
    let control = control::control(case, flavor, "").known()?.unwrap_or_default();
    Ok(!control.workloads.is_empty() && control.flag("default-server-tls-secret").is_none())
}

/// Whether what is wrong meets a share of the requests only: the backend that the hops show is not the broken one.
fn shares_only(verdict: &Verdict) -> bool {
    verdict.primary.iter().chain(&verdict.contributing).any(|f| f.cause == "canary-backend-dead")
}

/// Puts the marks: the hop of the reason is broken, and so is one that is bad for a reason of its own; what else is bad
/// follows.
fn marked(hops: Vec<Raw>, verdict: &Verdict) -> Vec<Hop> {
    let primary = verdict.primary.as_ref().map(|p| if shares_only(verdict) { "Ingress" } else { hop_of(&p.cause) });
    let blamed = primary.and_then(|name| hops.iter().position(|h| h.name == name));
    let broken = blamed.or_else(|| hops.iter().position(|h| h.good == Some(false)));
    let second = |name: &str| verdict.also_true.iter().any(|f| hop_of(&f.cause) == name);
    hops.into_iter()
        .enumerate()
        .map(|(n, hop)| {
            let mark = match hop.good {
                _ if Some(n) == broken => Mark::Broken,
                Some(true) => Mark::Ok,
                Some(false) if second(hop.name) || broken.is_some_and(|b| n < b) => Mark::Broken,
                Some(false) => Mark::Follows,
                None if broken.is_some_and(|b| n > b) => Mark::Follows,
                None => Mark::Unknown,
            };
            Hop { name: hop.name.into(), mark, text: hop.text, object: hop.object }
        })
        .collect()
}

/// The hop that a cause belongs to.
fn hop_of(cause: &str) -> &'static str {
    match cause {
        "dns-no-record" => "DNS",
        "ingress-controller-down" | "ingress-config-reload-failed" => "Controller",
        "canary-backend-dead" | "ratelimit-503" => "Ingress",
        c if c.starts_with("lb-") => "LoadBalancer",
        c if c.starts_with("ingress-") || c.starts_with("traefik-") || c.starts_with("gw-") => "Ingress",
        c if c.starts_with("svc-") => "Service",
        c if c.starts_with("eps-") => "Endpoints",
        c if c.starts_with("netpol-") || c.starts_with("cilium-") => "NetworkPolicy",
        _ => "Pods",
    }
}

/// What the name resolves to, and the addresses that the route's or the controller's status announces.
fn dns_hop(resolved: Option<&[String]>, request: &Request, rule: &Rule, entrances: &[&Value]) -> Raw {
    let announced = entrances.iter().flat_map(|service| control::addresses(service));
    let announced: Vec<String> = rule.addresses.iter().cloned().chain(announced).collect();
    let host = &request.host;
    let (good, text) = match (resolved, announced.first()) {
        (Some([]), _) => (Some(false), format!("{host} does not resolve")),
        (Some(found), Some(_)) if found.iter().any(|a| announced.contains(a)) => {
            (Some(true), format!("{host} → {}", found.join(", ")))
        }
        // A name of the load balancer's, or a proxy in front, is no fault.
        (Some(found), Some(address)) => {
            (None, format!("{host} → {}; the cluster announces {address}", found.join(", ")))
        }
        (Some(found), None) => (Some(true), format!("{host} → {}", found.join(", "))),
        (None, Some(address)) => (None, format!("{host}: the name is not asked; the cluster announces {address}")),
        (None, None) => (None, format!("{host}: no address in the route's status; the name is not asked")),
    };
    raw("DNS", good, None, text)
}

/// The LoadBalancer Service, where the controller has one.
fn entrance_hop(entrances: &[&Value], rule: &Rule, control: &Control<'_>) -> Option<Raw> {
    let first = entrances.first()?;
    let addresses = control::addresses(first);
    let at = ObjectRef::of(first);
    let leads = control.is_led_to_by(first);
    let mut text = match addresses.is_empty() {
        true => format!("{at} has no address"),
        false => format!("{at} at {}", addresses.join(", ")),
    };
    if !leads {
        text.push_str(&format!("; its selector matches no pod of {}", rule.flavor.name()));
    }
    Some(raw("LoadBalancer", Some(leads && !addresses.is_empty()), Some(at), text))
}

fn route_hop(rule: &Rule, others: &[Rule], canaries: &[Rule]) -> Raw {
    let kind = if rule.kind == PathKind::Exact { "exactly " } else { "" };
    let to = &rule.backend;
    let host = if rule.host.is_empty() { "any host" } else { &rule.host };
    let to = match to.name.as_str() {
        "" => "no Service (a redirect, or an answer of its own)".to_owned(),
        name => format!("service {}/{name}:{}", to.namespace, to.port),
    };
    let mut text = format!("{}  class {}, rule {host} {kind}{} → {to}", rule.at, rule.class, rule.path);
    if !rule.unclaimed.is_empty() {
        text = format!("{}: {}", rule.at, rule.unclaimed);
    }
    for other in others {
        text.push_str(&format!("; {} claims the same and loses", other.at));
    }
    for share in &rule.shares {
        text.push_str(&format!("; {} shares in it", share.service()));
    }
    for canary in canaries {
        text.push_str(&format!("; {} takes a share for {}", canary.at, canary.backend.service()));
    }
    raw("Ingress", Some(rule.unclaimed.is_empty()), Some(rule.at.clone()), text)
}

fn control_hop(rule: &Rule, control: &Control<'_>) -> Raw {
    let (ready, all) = (control.ready.len(), control.pods.len());
    let at = control.pods.first().or(control.workloads.first()).map(|p| ObjectRef::of(p));
    match all {
        _ if !rule.unclaimed.is_empty() => raw("Controller", None, None, "no controller takes the route"),
        0 if control.workloads.is_empty() => {
            raw("Controller", None, None, format!("no pods found that look like {}", rule.flavor.name()))
        }
        _ => raw("Controller", Some(ready > 0), at, format!("{} {ready}/{all} ready", rule.flavor.name())),
    }
}

fn backend_hops<'a>(case: &Case<'a>, rule: &Rule, control: &Control<'a>, hops: &mut Vec<Raw>) -> Fact<()> {
    if rule.starves() {
        hops.push(raw("Service", Some(false), None, "no Service gets a request: every weight is 0"));
        return Ok(());
    }
    if rule.backend.name.is_empty() {
        hops.push(raw("Service", None, None, "the rule leads to no Service"));
        return Ok(());
    }
    let lead = backend_lead(case, rule.flavor, &rule.backend)?;
    let at = lead.at;
    let Some(service) = case.get(&at)? else {
        hops.push(raw("Service", Some(false), Some(at.clone()), format!("{at} does not exist")));
        hops.push(raw("Endpoints", Some(false), None, "none, follows from above"));
        return Ok(());
    };
    let port = backend::port(service, &lead.focus, false);
    let pods = backend::pods(case, service)?;
    hops.push(service_hop(&at, service, port, &lead.focus, pods.as_ref().map(|(all, _)| all.len())));
    if backend::is_external(service) {
        return Ok(());
    }
    hops.push(endpoints_hop(case, rule, &at, service, port)?);
    if let Some((all, ready)) = pods {
        let ill = all.iter().find(|p| stand(p, case.now()) == Stand::Ill);
        let shown = ill.or(all.first()).map(|p| ObjectRef::of(p));
        let text = match all.len() {
            0 => "none".to_owned(),
            n => format!("{} of {} Ready", ready.len(), count(n, "pod")),
        };
        hops.push(raw("Pods", Some(!ready.is_empty()), shown, text));
        hops.push(policy_hop(case, rule, control, &ready, port)?);
    }
    Ok(())
}

fn service_hop(at: &ObjectRef, service: &Value, port: Option<&Value>, wanted: &str, pods: Option<usize>) -> Raw {
    let selector = backend::labels(service.pointer("/spec/selector"));
    let target = port.and_then(|p| p.get("targetPort").or(p.get("port"))).map(|t| t.to_string().replace('"', ""));
    let (good, text) = match (pods, port) {
        _ if backend::is_external(service) => (None, format!("{at}: {}", backend::external_name(service))),
        (_, None) => (Some(false), format!("{at}: no port {wanted}")),
        (None, _) => (Some(true), format!("{at}: no selector, its endpoints are made by hand")),
        (Some(n), _) => (
            Some(n > 0),
            format!(
                "{at}: port {wanted} → targetPort {}, selector {selector} matches {}",
                target.unwrap_or_default(),
                count(n, "pod")
            ),
        ),
    };
    raw("Service", good, Some(at.clone()), text)
}

fn endpoints_hop(case: &Case<'_>, rule: &Rule, at: &ObjectRef, service: &Value, port: Option<&Value>) -> Fact<Raw> {
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
    Ok(raw("Endpoints", Some(usable > 0), Some(at.clone()), text))
}

fn policy_hop<'a>(
    case: &Case<'a>,
    rule: &Rule,
    control: &Control<'a>,
    ready: &[&'a Value],
    port: Option<&Value>,
) -> Fact<Raw> {
    let Some(to) = ready.first() else {
        return Ok(raw("NetworkPolicy", None, None, "not looked at: no pod is ready"));
    };
    let Some(number) = port.and_then(|p| backend::target(p, to)) else {
        return Ok(raw("NetworkPolicy", None, None, "not looked at: the port leads nowhere"));
    };
    if policy::flows(rule.flavor, &control.pods, to, number).is_empty() {
        return Ok(raw("NetworkPolicy", None, None, "not looked at: no pod of the controller"));
    }
    let refused = port.map(|port| policy::first_refused(case, rule.flavor, &control.pods, ready, port));
    if let Some((flow, _, refusal)) = refused.transpose()?.flatten() {
        let at = refusal.policies.first().cloned().unwrap_or(NETWORKPOLICIES.at(namespace(flow.to), ""));
        let text = format!("{} refuses port {} of {} to the controller", refusal.names(), flow.port, short(flow.to));
        return Ok(raw("NetworkPolicy", Some(false), Some(at), text));
    }
    let text = format!("the controller may reach the pods on port {number}");
    Ok(raw("NetworkPolicy", Some(true), None, text))
}
