//! Gateway API: routes that do not attach, and references that are not allowed.
//!
//! ## gw-route-hostname-mismatch
//! **You see.** 404 (or no answer over TLS) for a host that the route names.
//! **Why.** No listener that the route refers to is for any of the route's hostnames.
//! **How kokpit knows.** The route's hostnames are compared with those of every listener its `parentRefs` mean; the
//! controller says `NoMatchingListenerHostname`.
//! **Looks alike.** `gw-route-not-attached`: the hosts fit, but the listener admits no routes of that namespace.
//! **Mend it.** Git: `hostnames` of the route, or `listeners[].hostname` of the Gateway.
//!
//! ## gw-route-not-attached
//! **You see.** 404; no answer of the application.
//! **Why.** The Gateway does not let the route attach: its listeners allow routes of their own namespace only (the
//! default), the section name or host does not match, or no controller took the route at all.
//! **How kokpit knows.** `status.parents[]` of the route has Accepted=False, or is empty; the listener's
//! `allowedRoutes` is shown.
//! **Looks alike.** `gw-listener-not-ready`: another listener of the same Gateway may be broken without mattering.
//! **Mend it.** Git: `listeners[].allowedRoutes.namespaces` of the Gateway, or the route's `parentRefs`.
//!
//! ## gw-ref-not-permitted
//! **You see.** 500.
//! **Why.** The route points to a Service in another namespace, and no ReferenceGrant there admits it.
//! **How kokpit knows.** Condition ResolvedRefs=False with reason RefNotPermitted, and the grants are evaluated.
//! **Looks alike.** `gw-backend-not-found`, `app-5xx`.
//! **Mend it.** Git: a ReferenceGrant in the *target* namespace.
//!
//! ## gw-backend-not-found
//! **You see.** 500.
//! **Why.** The route's backend Service or its port does not exist.
//! **How kokpit knows.** Condition ResolvedRefs=False with reason BackendNotFound or PortNotFound.
//! **Looks alike.** `gw-ref-not-permitted`.
//! **Mend it.** Git: `backendRefs[]` of the route, or the Service.
//!
//! ## gw-weights-zero
//! **You see.** 500 (UNAVAILABLE for gRPC), although every Service of the route works.
//! **Why.** Every backend of the rule has weight 0. That means no request at all, not equal shares.
//! **How kokpit knows.** `backendRefs[].weight` of the rule that is met.
//! **Looks alike.** `gw-backend-not-found`; a single backend of weight 0 beside another one is no fault.
//! **Mend it.** Git: `backendRefs[].weight` of the route.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::route;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::Value;

causes! { "gateway.rs";
    "gw-route-not-attached" "the Gateway does not let the route attach" Outage ["HTTPRoute", "GRPCRoute"] not_attached;
    "gw-route-hostname-mismatch" "no listener of the Gateway is for the route's hostnames" Outage ["HTTPRoute", "GRPCRoute"] hostname;
    "gw-ref-not-permitted" "the route may not point into the other namespace" Outage ["HTTPRoute", "GRPCRoute"] |case, s| refs(case, s, "RefNotPermitted");
    "gw-backend-not-found" "the route's backend does not exist" Outage ["HTTPRoute", "GRPCRoute"] |case, s| refs(case, s, "NotFound");
    "gw-weights-zero" "every backend of the route's rule has weight 0" Outage ["HTTPRoute", "GRPCRoute"] weights;
}

/// The conditions of a type of every parent that say no, with the parent.
fn refused<'a>(route: &'a Value, kind: &str) -> Vec<(&'a Value, &'a Value)> {
    list_at(route, "/status/parents")
        .iter()
        .flat_map(|parent| list_at(parent, "/conditions").iter().map(move |c| (parent, c)))
        .filter(|(_, c)| str_at(c, "/type") == kind && str_at(c, "/status") == "False")
        .collect()
}

/// The reason of a controller that finds no listener for a route's hosts.
const NO_HOSTNAME: &str = "NoMatchingListenerHostname";

/// The Gateways that a route refers to.
fn parents(route: &Value) -> impl Iterator<Item = (&Value, ObjectRef)> {
    list_at(route, "/spec/parentRefs").iter().filter(|p| matches!(str_at(p, "/kind"), "" | "Gateway")).map(|p| {
        let ns = Some(str_at(p, "/namespace")).filter(|ns| !ns.is_empty()).unwrap_or(namespace(route));
        (p, GATEWAYS.at(ns, str_at(p, "/name")))
    })
}

fn hostname(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let hosts: Vec<&str> = list_at(suspect.object, "/spec/hostnames").iter().filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    for (parent, at) in parents(suspect.object) {
        let Some(gateway) = case.get(&at)? else { continue };
        let listeners = route::listeners(gateway, parent);
        let meets = |l: &&Value| {
            let wanted = str_at(l, "/hostname");
            hosts.is_empty() || hosts.iter().any(|h| route::common(h, wanted).is_some())
        };
        if listeners.is_empty() || listeners.iter().any(meets) {
            continue;
        }
        let said = route::parent_status(suspect.object, parent)
            .and_then(|status| list_at(status, "/conditions").iter().find(|c| str_at(c, "/reason") == NO_HOSTNAME));
        let (route_hosts, theirs) =
            (hosts.join(", "), listeners.iter().map(|l| str_at(l, "/hostname")).collect::<Vec<_>>().join(", "));
        let mut m = Match::on(&suspect.at, format!("No listener of {at} is for {route_hosts}."))
            .confidence(if said.is_some() { Confidence::Certain } else { Confidence::High })
            .evidence(&suspect.at, "spec.hostnames", &route_hosts, format!("the route is for {route_hosts}"))
            .evidence(&at, "spec.listeners[].hostname", &theirs, format!("its listeners are for {theirs}"));
        if let Some(condition) = said {
            let text = format!("{NO_HOSTNAME}: {}", str_at(condition, "/message"));
            m = m.evidence(&suspect.at, "status.parents[].conditions[Accepted]", NO_HOSTNAME, text);
        }
        let what = "let a hostname of the route and one of the listeners meet";
        found.push(m.fix(case.fix(suspect.object, "spec.hostnames", what, "")?));
    }
    Ok(found)
}

fn not_attached(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    if list_at(suspect.object, "/status/parents").is_empty() {
        found.push(
            Match::on(&suspect.at, format!("No controller took {}: its status has no parents.", suspect.at))
                .evidence(
                    &suspect.at,
                    "status.parents",
                    "",
                    "status.parents is empty: wrong gateway name, namespace or class",
                )
                .because_all(parents(suspect.object).map(|(_, gateway)| route::no_listener(gateway))),
        );
    }
    for (parent, condition) in refused(suspect.object, "Accepted") {
        if str_at(condition, "/reason") == NO_HOSTNAME {
            continue;
        }
        let reference = parent.get("parentRef").unwrap_or(&Value::Null);
        let ns = match str_at(reference, "/namespace") {
            "" => namespace(suspect.object),
            ns => ns,
        };
        let gateway = GATEWAYS.at(ns, str_at(reference, "/name"));
        let section = str_at(reference, "/sectionName");
        let (reason, message) = (str_at(condition, "/reason"), str_at(condition, "/message"));
        let mut m = Match::on(&suspect.at, format!("{gateway} does not let {} attach: {reason}.", suspect.at))
            .evidence(&suspect.at, "status.parents[].conditions[Accepted]", reason, format!("{reason}: {message}"));
        if let Some(Some(object)) = case.get(&gateway).known()? {
            m = listeners(object, &gateway, section, namespace(suspect.object), m);
            m = m.fix(if route::listeners(object, reference).is_empty() {
                let all: Vec<&str> = list_at(object, "/spec/listeners").iter().map(|l| str_at(l, "/name")).collect();
                let what = format!("let the route name a listener that {gateway} has: {}", all.join(", "));
                case.fix(suspect.object, "spec.parentRefs", what, "")?
            } else {
                let listener = if section.is_empty() { "a listener".into() } else { format!("listener {section}") };
                let what = format!("let {listener} of {gateway} admit namespace {}", namespace(suspect.object));
                case.fix(object, "spec.listeners[].allowedRoutes.namespaces", what, "")?
            });
        }
        found.push(m);
    }
    Ok(found)
}

/// Evidence: whom the listeners admit.
fn listeners(gateway: &Value, at: &ObjectRef, section: &str, from: &str, mut m: Match) -> Match {
    for listener in list_at(gateway, "/spec/listeners") {
        let this = str_at(listener, "/name");
        let path = format!("spec.listeners[{this}].allowedRoutes");
        if !section.is_empty() && this != section {
            let host = str_at(listener, "/hostname");
            m = m.evidence(at, &path, "", format!("{this} / {host} is a different listener"));
            continue;
        }
        let (allowed, default) = match str_at(listener, "/allowedRoutes/namespaces/from") {
            "" => ("Same", " (the default; allowedRoutes is unset)"),
            from => (from, ""),
        };
        m = m.evidence(
            at,
            &path,
            allowed,
            format!("listener {this} of {at} has from: {allowed}{default}; the route is in namespace {from}"),
        );
    }
    m
}

fn refs(case: &Case<'_>, suspect: &Suspect<'_>, wanted: &str) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for (_, condition) in refused(suspect.object, "ResolvedRefs") {
        let (reason, message) = (str_at(condition, "/reason"), str_at(condition, "/message"));
        if !reason.ends_with(wanted) {
            continue;
        }
        for (index, rule) in list_at(suspect.object, "/spec/rules").iter().enumerate() {
            if !suspect.focus.is_empty() && suspect.focus != index.to_string() {
                continue;
            }
            for backend in list_at(rule, "/backendRefs") {
                let (home, ns) = (namespace(suspect.object), str_at(backend, "/namespace"));
                let target = SERVICES.at(if ns.is_empty() { home } else { ns }, str_at(backend, "/name"));
                let (grants, granted) = grants(case, &suspect.at.kind, home, &target)?;
                let crossing = target.namespace != home && !granted;
                let exists = case.get(&target)?.is_some();
                if (wanted == "RefNotPermitted") != crossing
                    || (wanted == "NotFound" && exists && reason == "BackendNotFound")
                {
                    continue;
                }
                let m = Match::on(
                    &suspect.at,
                    match crossing {
                        true => format!(
                            "{} may not point to {target}: no ReferenceGrant in namespace {} admits it.",
                            suspect.at, target.namespace
                        ),
                        false => format!("{} points to {target}: {message}", suspect.at),
                    },
                )
                .evidence(
                    &suspect.at,
                    "status.parents[].conditions[ResolvedRefs]",
                    reason,
                    format!("{reason}: {message}"),
                );
                let port = backend.get("port").map(ToString::to_string).unwrap_or_default();
                found.push(match crossing {
                    true => grant_wanted(case, suspect, &target, home, grants, m)?,
                    false => m.because_all([Lead::to_port(target, &port)]),
                });
            }
        }
    }
    Ok(found)
}

fn weights(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let answer = if suspect.at.kind == "GRPCRoute" { "UNAVAILABLE" } else { "500" };
    let mut found = Vec::new();
    for (index, rule) in list_at(suspect.object, "/spec/rules").iter().enumerate() {
        let meant = suspect.focus.is_empty() || suspect.focus == index.to_string();
        if !meant || !route::starves(rule) {
            continue;
        }
        let names: Vec<&str> = list_at(rule, "/backendRefs").iter().map(|b| str_at(b, "/name")).collect();
        let field = format!("spec.rules[{index}].backendRefs[].weight");
        let text = format!("weight 0, and so no request, for {}", names.join(", "));
        found.push(
            Match::on(&suspect.at, format!("Every backend of {} has weight 0, so the answer is {answer}.", suspect.at))
                .evidence(&suspect.at, &field, "0", text)
                .fix(case.fix(suspect.object, &field, "give a backend a weight above 0", "")?),
        );
    }
    Ok(found)
}

/// The grants of the target's namespace in words, and whether one admits routes of this namespace to the target.
fn grants(case: &Case<'_>, kind: &str, home: &str, target: &ObjectRef) -> Fact<(Vec<String>, bool)> {
    let all = case.list(REFERENCEGRANTS, Some(&target.namespace))?;
    let from = |grant: &Value| {
        list_at(grant, "/spec/from").iter().any(|f| str_at(f, "/kind") == kind && str_at(f, "/namespace") == home)
    };
    let to = |grant: &Value| {
        list_at(grant, "/spec/to")
            .iter()
            .any(|t| str_at(t, "/kind") == "Service" && ["", target.name.as_str()].contains(&str_at(t, "/name")))
    };
    let words = all
        .iter()
        .map(|g| {
            let who: Vec<&str> = list_at(g, "/spec/from").iter().map(|f| str_at(f, "/namespace")).collect();
            format!("existing grant {} only admits {}", name(g), who.join(", "))
        })
        .collect();
    Ok((words, all.iter().any(|g| from(g) && to(g))))
}

fn grant_wanted(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    target: &ObjectRef,
    home: &str,
    grants: Vec<String>,
    mut m: Match,
) -> Fact<Match> {
    m = m.evidence(
        &suspect.at,
        "spec.rules[].backendRefs[]",
        &target.name,
        format!(
            "a ReferenceGrant in namespace {} must admit {}s from namespace {home} to {target}",
            target.namespace, suspect.at.kind
        ),
    );
    for text in grants {
        m = m.evidence(&REFERENCEGRANTS.at(&target.namespace, ""), "spec.from", "", text);
    }
    if let Some(Some(service)) = case.get(target).known()? {
        let ready = crate::diagnose::url::endpoint_count(case, service)?.0;
        m = m.evidence(target, "", &ready.to_string(), format!("{target} itself has {ready} ready endpoints"));
    }
    Ok(m.fix(case.fix(
        suspect.object,
        "",
        format!(
            "create a ReferenceGrant in namespace {}: from {{gateway.networking.k8s.io, {}, {home}}} to {{Service, {}}}",
            target.namespace, suspect.at.kind, target.name
        ),
        "",
    )?))
}
