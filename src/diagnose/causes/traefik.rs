//! Traefik: routers that it drops.
//!
//! ## traefik-middleware-missing
//! **You see.** 404, although route and backend are fine.
//! **Why.** The route names a Middleware that does not exist (or stands in another namespace that may not be used), or one
//! whose Secret is missing, so Traefik drops the whole router.
//! **How kokpit knows.** Every middleware of the route that is met is looked up, with the Secret of `basicAuth` and
//! `digestAuth`; for an Ingress, those of the annotation `router.middlewares` (`NAMESPACE-NAME@kubernetescrd`).
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
//!
//! ## traefik-entrypoint-mismatch
//! **You see.** 404 by one scheme (often https), although route and backend are fine.
//! **Why.** The route's `entryPoints` names one that Traefik does not have, or the request comes in by TLS and the route is
//! not for TLS (no `tls`, and none by default on its entry points), or the other way round.
//! **How kokpit knows.** Entry points are read from Traefik's arguments and compared with the route; where they stand in a
//! file or the environment nothing is said.
//! **Looks alike.** `traefik-middleware-missing`, `ingress-host-mismatch`.
//! **Mend it.** Git: `spec.entryPoints` and `spec.tls` of the IngressRoute.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::{annotation, backend, backend_lead, control, way};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::Value;

causes! { "traefik.rs";
    "traefik-middleware-missing" "the route names a Middleware that does not exist, so Traefik drops it" Outage ["IngressRoute", "Ingress"] middleware;
    "traefik-service-error" "Traefik drops the route because of its Service" Outage ["URL"] service;
    "traefik-entrypoint-mismatch" "the request comes in by an entry point that the route is not on" Degraded ["URL"] entry_point;
}

fn middleware(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if suspect.at.kind == "Ingress" {
        return of_annotation(case, suspect);
    }
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
            let field = format!("spec.routes[{index}].middlewares[{n}].name");
            if let Some(there) = case.get(&at)? {
                found.extend(without_secret(case, suspect, there, &field)?);
                continue;
            }
            let others = case.list(MIDDLEWARES, Some(ns)).known()?.unwrap_or_default();
            let near: Vec<&str> = others.iter().map(|o| name(o)).collect();
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

/// A Middleware whose Secret of users is missing counts as invalid.
fn without_secret(case: &Case<'_>, suspect: &Suspect<'_>, middleware: &Value, field: &str) -> Fact<Option<Match>> {
    for kind in ["basicAuth", "digestAuth"] {
        let secret = str_at(middleware, &format!("/spec/{kind}/secret"));
        let at = SECRETS.at(namespace(middleware), secret);
        if secret.is_empty() || case.get(&at).known()?.is_none_or(|found| found.is_some()) {
            continue;
        }
        let middleware = ObjectRef::of(middleware);
        let text = format!("{middleware} needs {at} ({kind}), which does not exist");
        return Ok(Some(
            Match::on(&suspect.at, format!("{text}, so Traefik drops the route and answers 404."))
                .evidence(&suspect.at, field, &middleware.name, format!("{} names {middleware}", suspect.at))
                .evidence(&middleware, &format!("spec.{kind}.secret"), secret, text)
                .because_all(super::config::producers(case, &at)?),
        ));
    }
    Ok(None)
}

/// The middlewares of an Ingress that Traefik serves: `NAMESPACE-NAME@kubernetescrd`, separated by commas.
fn of_annotation(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const KEY: &str = "traefik.ingress.kubernetes.io/router.middlewares";
    let named: Vec<&str> =
        annotation(suspect.object, KEY).split(',').filter_map(|m| m.trim().strip_suffix("@kubernetescrd")).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let all = case.list(MIDDLEWARES, None)?;
    let field = format!("metadata.annotations[{KEY}]");
    let mut found = Vec::new();
    for wanted in named {
        if let Some(there) = all.iter().find(|m| format!("{}-{}", namespace(m), name(m)) == wanted) {
            found.extend(without_secret(case, suspect, there, &field)?);
            continue;
        }
        let known: Vec<String> = all.iter().map(|m| format!("{}-{}", namespace(m), name(m))).take(10).collect();
        found.push(
            Match::on(
                &suspect.at,
                format!("Middleware {wanted} does not exist, so Traefik drops the route and answers 404."),
            )
            .evidence(&suspect.at, &field, wanted, format!("there are: {}", known.join(", ")))
            .fix(case.fix(
                suspect.object,
                &field,
                "name a Middleware that exists, as NAMESPACE-NAME@kubernetescrd",
                "",
            )?),
        );
    }
    Ok(found)
}

/// Evidence: the route's backend, which is not at fault.
fn healthy_backend(case: &Case<'_>, suspect: &Suspect<'_>, route: &Value, m: Match) -> Fact<Match> {
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
    let Some(rule) = way.open_rule().filter(|r| r.flavor == Flavor::Traefik) else {
        return Ok(Vec::new());
    };
    let at = rule.backend.service();
    let lead = backend_lead(case, rule.flavor, &rule.backend)?;
    let why = match case.get(&at)? {
        None => format!("{at} does not exist"),
        Some(service) => match backend::port(service, &rule.backend.port, false) {
            None => format!("{at} has no port {}", rule.backend.port),
            Some(port) => {
                let allow_empty = control::of_rule(case, rule)?.allows_empty();
                if backend::endpoints(case, service, Some(port))?.serving > 0 || allow_empty {
                    return Ok(Vec::new());
                }
                format!("{at} has no endpoints, and allowEmptyServices is not set")
            }
        },
    };
    Ok(vec![
        Match::on(&rule.at, format!("Traefik drops the route and answers 404: {why}."))
            .evidence(&rule.at, "spec.routes[].services[]", &rule.backend.name, why)
            .because_all([lead]),
    ])
}

/// An entry point of Traefik's static configuration.
#[derive(Debug, PartialEq)]
struct EntryPoint {
    name: String,
    /// Whether routers on it are for TLS unless they say otherwise.
    tls: bool,
    /// The entry point that plain requests are sent on to.
    redirects_to: String,
}

/// The entry points in Traefik's arguments (`--entryPoints.NAME.…`).
fn entry_points<'a>(arguments: impl Iterator<Item = &'a str>) -> Vec<EntryPoint> {
    let mut all: Vec<EntryPoint> = Vec::new();
    for argument in arguments {
        let lower = argument.trim_start_matches('-').to_lowercase();
        let Some((name, field)) = lower.strip_prefix("entrypoints.").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let (field, value) = field.split_once('=').unwrap_or((field, "true"));
        let slot = all.iter().position(|e| e.name == name).unwrap_or_else(|| {
            all.push(EntryPoint { name: name.to_owned(), tls: false, redirects_to: String::new() });
            all.len() - 1
        });
        let Some(entry) = all.get_mut(slot) else { continue };
        match field {
            "http.tls" => entry.tls = value == "true",
            field if field.starts_with("http.tls.") => entry.tls = true,
            "http.redirections.entrypoint.to" => entry.redirects_to = value.trim_start_matches(':').to_owned(),
            _ => {}
        }
    }
    all
}

fn entry_point(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Some(rule) = way.open_rule().filter(|r| r.at.kind == "IngressRoute") else { return Ok(Vec::new()) };
    let Some(route) = case.get(&rule.at)? else { return Ok(Vec::new()) };
    let control = control::of_rule(case, rule)?;
    let known = entry_points(control.arguments());
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<String> =
        list_at(route, "/spec/entryPoints").iter().filter_map(Value::as_str).map(str::to_lowercase).collect();
    let mine: Vec<&EntryPoint> = known.iter().filter(|e| wanted.is_empty() || wanted.contains(&e.name)).collect();
    let names = known.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ");
    let tls = way.request.tls();
    let own = route.pointer("/spec/tls").is_some_and(|t| !t.is_null());
    let serves = |e: &&EntryPoint| match tls {
        true => own || e.tls,
        // A redirect takes a plain request on to the entry point for TLS.
        false => (!own && !e.tls) || known.iter().any(|from| from.redirects_to == e.name),
    };
    let (field, why) = match () {
        () if mine.is_empty() => {
            ("spec.entryPoints", format!("Traefik has no entry point {} (it has {names})", wanted.join(", ")))
        }
        () if mine.iter().any(serves) => return Ok(Vec::new()),
        () if tls => ("spec.tls", format!("the request comes by TLS, and the route has no tls on {}", on(&mine))),
        () => ("spec.tls", format!("the request is plain, and the route is for TLS only on {}", on(&mine))),
    };
    Ok(vec![
        Match::on(&rule.at, format!("Traefik does not take this request to {}: {why}.", rule.at))
            .confidence(Confidence::Medium)
            .evidence(&rule.at, field, &wanted.join(", "), why)
            .evidence(
                &rule.at,
                "spec.entryPoints",
                &wanted.join(", "),
                format!("entry points in Traefik's arguments: {names}"),
            )
            .fix(case.fix(
                route,
                field,
                "name an entry point that Traefik has, and set tls where the request comes by TLS",
                "",
            )?),
    ])
}

fn on(points: &[&EntryPoint]) -> String {
    points.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_points_are_read_from_arguments() {
        let arguments = [
            "--entryPoints.web.address=:8000/tcp",
            "--entrypoints.websecure.http.tls=true",
            "--providers.kubernetescrd",
            "--entrypoints.web.http.redirections.entryPoint.to=websecure",
        ];
        let found = entry_points(arguments.into_iter());
        let of = |name: &str, tls: bool, to: &str| EntryPoint { name: name.into(), tls, redirects_to: to.into() };
        assert_eq!(found, [of("web", false, "websecure"), of("websecure", true, "")]);
    }
}
