//! Gateway API: classes and listeners that are not ready.
//!
//! ## gw-class-not-accepted
//! **You see.** No answer; the Gateway has no address, its routes no status.
//! **Why.** The Gateway's class does not exist, or no controller has accepted it.
//! **How kokpit knows.** `gatewayClassName` is looked up; the class' condition Accepted is read.
//! **Looks alike.** `gw-listener-not-ready`: the controller is there and refuses a listener.
//! **Mend it.** Install the controller of the class. Git: `gatewayClassName`.
//!
//! ## gw-listener-not-ready
//! **You see.** Connection refused or reset, or a failed TLS handshake.
//! **Why.** The listener is not programmed: its certificate is missing, invalid or may not be referred to, its port or
//! protocol is in conflict, or the Gateway has no address.
//! **How kokpit knows.** The conditions of the listener that the route is attached to, and of the Gateway.
//! **Looks alike.** `gw-route-not-attached`; another listener of the same Gateway may be broken without mattering.
//! **Mend it.** Create the certificate, or give the listener another port. Git: `listeners[].tls.certificateRefs`.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::condition;
use crate::diagnose::url::route::{NO_LISTENER, no_listener};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use serde_json::Value;

causes! { "gateway_listener.rs";
    "gw-class-not-accepted" "no controller has accepted the Gateway's class" Outage ["Gateway"] class;
    "gw-listener-not-ready" "the Gateway's listener is not ready" Outage ["Gateway"] listener;
}

/// A controller answers for a new object within this time.
const GATE_S: i64 = 60;

fn class(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let wanted = str_at(suspect.object, "/spec/gatewayClassName");
    if suspect.focus != NO_LISTENER || wanted.is_empty() || case.age_of(suspect.object) < GATE_S {
        return Ok(Vec::new());
    }
    let at = GATEWAYCLASSES.at("", wanted);
    let field = "spec.gatewayClassName";
    let Some(class) = case.get(&at)? else {
        let all = case.list(GATEWAYCLASSES, None).known()?.unwrap_or_default();
        let known = all.iter().map(|c| name(c)).collect::<Vec<_>>().join(", ");
        return Ok(vec![
            Match::on(&suspect.at, format!("{at} of {} does not exist.", suspect.at))
                .evidence(&suspect.at, field, wanted, format!("gatewayClassName {wanted}; there are: {known}"))
                .fix(case.fix(suspect.object, field, "name a class that exists, or install its controller", "")?),
        ]);
    };
    let accepted = condition(class, "Accepted");
    if accepted.is_some_and(|c| str_at(c, "/status") == "True") {
        return Ok(Vec::new());
    }
    let controller = str_at(class, "/spec/controllerName");
    let (reason, message) = accepted.map_or(("", ""), |c| (str_at(c, "/reason"), str_at(c, "/message")));
    let text = match reason {
        "" => format!("no controller called {controller} has spoken of it"),
        reason => format!("Accepted is not True: {reason}: {message}"),
    };
    Ok(vec![
        Match::on(&at, format!("{at} is not accepted, so {} is not served.", suspect.at))
            .evidence(&at, "status.conditions[Accepted]", reason, text)
            .evidence(&suspect.at, field, wanted, format!("{} is of this class", suspect.at))
            .fix(Fix { summary: format!("install or mend the controller {controller}"), ..Fix::default() }),
    ])
}

/// A condition that says that something is wrong: its type, reason and message.
fn complaint(conditions: &[Value]) -> Option<(&str, &str, &str)> {
    // In the order in which one leads to the next.
    [("Accepted", "False"), ("Conflicted", "True"), ("ResolvedRefs", "False"), ("Programmed", "False")].iter().find_map(
        |(kind, bad)| {
            let c = conditions.iter().find(|c| str_at(c, "/type") == *kind && str_at(c, "/status") == *bad)?;
            Some((str_at(c, "/type"), str_at(c, "/reason"), str_at(c, "/message")))
        },
    )
}

fn listener(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.exists() || suspect.focus == NO_LISTENER || case.age_of(suspect.object) < GATE_S {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for status in list_at(suspect.object, "/status/listeners") {
        let this = str_at(status, "/name");
        if !suspect.focus.is_empty() && suspect.focus != this {
            continue;
        }
        let Some((kind, reason, message)) = complaint(list_at(status, "/conditions")) else { continue };
        let spec = list_at(suspect.object, "/spec/listeners").iter().find(|l| str_at(l, "/name") == this);
        found.push(listener_match(case, suspect, this, spec.unwrap_or(&Value::Null), (kind, reason, message))?);
    }
    if found.is_empty()
        && let Some((kind, reason, message)) = complaint(list_at(suspect.object, "/status/conditions"))
        // A Gateway says no as soon as one listener does, whether it matters here or not.
        && reason != "ListenersNotValid"
    {
        found.push(
            Match::on(&suspect.at, format!("{} is not ready: {reason}: {message}", suspect.at))
                .evidence(
                    &suspect.at,
                    &format!("status.conditions[{kind}]"),
                    reason,
                    format!("{kind}: {reason}: {message}"),
                )
                .because_all([no_listener(suspect.at.clone())]),
        );
    }
    Ok(found)
}

fn listener_match(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    this: &str,
    spec: &Value,
    (kind, reason, message): (&str, &str, &str),
) -> Fact<Match> {
    let (port, host) = (int_at(spec, "/port").unwrap_or_default(), str_at(spec, "/hostname"));
    let path = format!("status.listeners[{this}].conditions[{kind}]");
    let mut m = Match::on(&suspect.at, format!("Listener {this} of {} is not ready: {reason}.", suspect.at))
        .confidence(Confidence::Certain)
        .evidence(&suspect.at, &path, reason, format!("{kind}: {reason}: {message}"))
        .evidence(
            &suspect.at,
            &format!("spec.listeners[{this}]"),
            "",
            format!("listener {this}: port {port}, hostname {host}"),
        )
        .because_all([no_listener(suspect.at.clone())]);
    let mut what = "give the listener what its condition asks for".to_owned();
    for reference in list_at(spec, "/tls/certificateRefs") {
        let home = namespace(suspect.object);
        let ns = Some(str_at(reference, "/namespace")).filter(|ns| !ns.is_empty()).unwrap_or(home);
        let at = SECRETS.at(ns, str_at(reference, "/name"));
        if let Some(None) = case.get(&at).known()? {
            m = m
                .evidence(&at, "", "", format!("{at} does not exist"))
                .because_all(super::config::producers(case, &at)?);
            what = format!("create {at}, or name a certificate that exists");
        }
        if reason == "RefNotPermitted" && ns != home {
            what = format!(
                "create a ReferenceGrant in namespace {ns}: from {{gateway.networking.k8s.io, Gateway, {home}}} to {{Secret, {}}}",
                at.name
            );
        }
    }
    if matches!(reason, "PortUnavailable" | "ProtocolConflict" | "HostnameConflict") {
        let rivals = rivals(case, suspect, port)?;
        if !rivals.is_empty() {
            m = m.evidence(
                &suspect.at,
                "spec.listeners[].port",
                &port.to_string(),
                format!("port {port} is asked for by {rivals} too"),
            );
        }
        what = "give one of the listeners another port or hostname".into();
    }
    Ok(m.fix(case.fix(suspect.object, &format!("spec.listeners[{this}]"), what, "")?))
}

/// Other Gateways of the same class that ask for a port.
fn rivals(case: &Case<'_>, suspect: &Suspect<'_>, port: i64) -> Fact<String> {
    let class = str_at(suspect.object, "/spec/gatewayClassName");
    let all = case.list(GATEWAYS, None).known()?.unwrap_or_default();
    let asks = |g: &&Value| {
        ObjectRef::of(g) != suspect.at
            && str_at(g, "/spec/gatewayClassName") == class
            && list_at(g, "/spec/listeners").iter().any(|l| int_at(l, "/port") == Some(port))
    };
    Ok(all.into_iter().filter(asks).map(|g| ObjectRef::of(g).to_string()).collect::<Vec<_>>().join(", "))
}
