//! Traefik: routers that it drops.
//!
//! ## traefik-middleware-missing
//! **You see.** 404, although route and backend are fine.
//! **Why.** The route names a Middleware that does not exist (or stands in another namespace that may not be used), so
//! Traefik drops the whole router.
//! **How kokpit knows.** Every middleware of the route that is met is looked up.
//! **Looks alike.** `ingress-host-mismatch`.
//! **Mend it.** Git: create the Middleware, or correct `middlewares[].name` and `namespace`.
//!
//! ## traefik-service-error
//! **You see.** 404 instead of the 503 one expects.
//! **Why.** Traefik drops a router whose Service is missing, lacks the port, or (unless `allowEmptyServices` is set) has
//! no endpoints.
//! **How kokpit knows.** The Service of the route that is met; what is wrong with it becomes the reason.
//! **Looks alike.** `ingress-path-mismatch`.
//! **Mend it.** Mend the Service or its pods.

use super::{Cause, Severity};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::route::Flavor;
use crate::diagnose::url::{backend, backend_lead, control, service_of, way};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};

const FILE: &str = include_str!("traefik.rs");

/// The family's rows.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "traefik-middleware-missing",
        title: "the route names a Middleware that does not exist, so Traefik drops it",
        severity: Severity::Outage,
        kinds: &["IngressRoute"],
        file: FILE,
        judge: middleware,
    },
    Cause {
        id: "traefik-service-error",
        title: "Traefik drops the route because of its Service",
        severity: Severity::Outage,
        kinds: &["URL"],
        file: FILE,
        judge: service,
    },
];

fn middleware(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for (index, route) in list_at(suspect.object, "/spec/routes").iter().enumerate() {
        if !suspect.focus.is_empty() && suspect.focus != index.to_string() {
            continue;
        }
        for (n, entry) in list_at(route, "/middlewares").iter().enumerate() {
            let ns = match str_at(entry, "/namespace") {
                "" => namespace(suspect.object),
                ns => ns,
            };
            let at = MIDDLEWARES.at(ns, str_at(entry, "/name"));
            if case.get(&at)?.is_some() {
                continue;
            }
            let others = case.list(MIDDLEWARES, Some(ns)).known()?.unwrap_or_default();
            let near: Vec<&str> = others.iter().map(|o| name(o)).collect();
            let field = format!("spec.routes[{index}].middlewares[{n}].name");
            let mut m =
                Match::on(&suspect.at, format!("{at} does not exist, so Traefik drops the route and answers 404."))
                    .evidence(
                        &suspect.at,
                        &field,
                        &at.name,
                        format!("{} names {at}, which does not exist", suspect.at),
                    );
            if !near.is_empty() {
                m = m.evidence(&at, "", "", format!("Middlewares in namespace {ns}: {}", near.join(", ")));
            }
            m = healthy_backend(case, suspect, route, m)?;
            let instead = near.first().map_or("one that exists".to_owned(), |n| (*n).to_owned());
            found.push(m.fix(case.fix(suspect.object, &field, format!("name {instead}, or create {at}"), "")?));
        }
    }
    Ok(found)
}

/// Evidence: the route's backend, which is not at fault.
fn healthy_backend(case: &Case<'_>, suspect: &Suspect<'_>, route: &serde_json::Value, m: Match) -> Fact<Match> {
    let Some(service) = list_at(route, "/services").first() else { return Ok(m) };
    let ns = match str_at(service, "/namespace") {
        "" => namespace(suspect.object),
        ns => ns,
    };
    let at = SERVICES.at(ns, str_at(service, "/name"));
    let Some(Some(object)) = case.get(&at).known()? else { return Ok(m) };
    let ready = crate::diagnose::url::endpoint_count(case, object)?.0;
    Ok(m.evidence(
        &ObjectRef::of(object),
        "",
        &ready.to_string(),
        format!("{at} has {ready} ready endpoints (backend is healthy)"),
    ))
}

fn service(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.rule().filter(|r| r.flavor == Flavor::Traefik && r.unclaimed.is_empty()) else {
        return Ok(Vec::new());
    };
    let at = service_of(rule);
    let lead = backend_lead(case, rule)?;
    let why = match case.get(&at)? {
        None => format!("{at} does not exist"),
        Some(service) => match backend::port(service, &rule.backend.2, false) {
            None => format!("{at} has no port {}", rule.backend.2),
            Some(port) => {
                let allow_empty = control(case, Flavor::Traefik)?.allow_empty;
                if backend::endpoints(case, service, Some(port))?.serving > 0 || allow_empty {
                    return Ok(Vec::new());
                }
                format!("{at} has no endpoints, and allowEmptyServices is not set")
            }
        },
    };
    Ok(vec![
        Match::on(&rule.at, format!("Traefik drops the route and answers 404: {why}."))
            .evidence(&rule.at, "spec.routes[].services[]", &rule.backend.1, why)
            .because_all([lead]),
    ])
}
