//! The controller and the application speak different protocols.
//!
//! ## backend-protocol-mismatch
//! **You see.** 502 or 400 (`Client sent an HTTP request to an HTTPS server`), 503 with Envoy, for every request.
//! **Why.** The application serves TLS or gRPC on that port and the route speaks plain HTTP/1.1 to it, or the other way round.
//! **How kokpit knows.** What the kubelet's probe speaks on the port and is answered, `appProtocol`, the port's name and
//! number, against what the route is told: ingress-nginx' `backend-protocol`, Traefik's `scheme` (https by itself for port 443
//! and names that begin with https), a BackendTLSPolicy, HAProxy's `server-ssl`.
//! **Looks alike.** `upstream-reset`: only some requests fail. `svc-targetport-wrong`: nobody listens.
//! **Mend it.** Git: the annotation or field that names the protocol.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::containers;
use crate::diagnose::url::access::{self, Said};
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::{Arrival, annotation, arrival, backend, way};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use serde_json::Value;

causes! { "protocol.rs";
    "backend-protocol-mismatch" "the route and the application speak different protocols" Outage ["URL"] mismatch;
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    /// HTTP/1.1 without TLS.
    Plain,
    /// TLS.
    Tls,
    /// HTTP/2 without TLS, as gRPC has it.
    Grpc,
}

impl Speech {
    fn words(self) -> &'static str {
        match self {
            Speech::Plain => "plain HTTP",
            Speech::Tls => "TLS",
            Speech::Grpc => "gRPC (HTTP/2 without TLS)",
        }
    }
}

/// What an application speaks on a port, how that is known, and whether it is proven.
#[derive(Debug, PartialEq)]
struct Spoken {
    speech: Speech,
    how: String,
    proven: bool,
}

/// By the kubelet's probes, which are answered when the pod is Ready; else by what the Service says.
fn spoken(pod: &Value, port: &Value, number: i64) -> Option<Spoken> {
    let probes = containers(pod);
    let probes =
        probes.iter().flat_map(|c| ["readinessProbe", "livenessProbe"].into_iter().filter_map(|p| c.spec.get(p)));
    for probe in probes {
        let port = |at: &str| match probe.pointer(at) {
            Some(Value::String(named)) => backend::named_port(pod, named),
            other => other.and_then(Value::as_i64),
        };
        let speech = match () {
            () if port("/grpc/port") == Some(number) => Speech::Grpc,
            () if port("/httpGet/port") != Some(number) => continue,
            () if str_at(probe, "/httpGet/scheme") == "HTTPS" => Speech::Tls,
            () => Speech::Plain,
        };
        let how = format!("the kubelet's probe speaks {} on port {number}, and is answered", speech.words());
        return Some(Spoken { speech, how, proven: true });
    }
    let hint = |speech, how: String| Some(Spoken { speech, how, proven: false });
    let (app, called) = (str_at(port, "/appProtocol"), str_at(port, "/name"));
    match app {
        "https" => return hint(Speech::Tls, "appProtocol https".into()),
        "kubernetes.io/h2c" | "grpc" => return hint(Speech::Grpc, format!("appProtocol {app}")),
        "http" => return hint(Speech::Plain, "appProtocol http".into()),
        _ => {}
    }
    match () {
        () if called.starts_with("https") => hint(Speech::Tls, format!("the port is called {called}")),
        () if called.starts_with("grpc") => hint(Speech::Grpc, format!("the port is called {called}")),
        () if called.starts_with("http") => hint(Speech::Plain, format!("the port is called {called}")),
        () if matches!(number, 443 | 8443) => hint(Speech::Tls, format!("the pods' port is {number}")),
        () => None,
    }
}

/// What the route is told to speak, and the field that says so. `None` where that cannot be told.
fn told(case: &Case<'_>, arrival: &Arrival<'_>, route: &Value) -> Fact<Option<(Speech, String)>> {
    let port = int_at(arrival.port, "/port").unwrap_or_default();
    let by = |word: &str| match word.to_uppercase().as_str() {
        "" | "HTTP" => Some(Speech::Plain),
        "HTTPS" | "GRPCS" => Some(Speech::Tls),
        "GRPC" | "H2C" => Some(Speech::Grpc),
        _ => None,
    };
    let as_field = |key: &str| format!("metadata.annotations[{key}]");
    Ok(match arrival.rule.flavor {
        Flavor::Nginx => {
            let key = "nginx.ingress.kubernetes.io/backend-protocol";
            by(annotation(route, key)).map(|speech| (speech, as_field(key)))
        }
        Flavor::NginxInc => {
            let listed = |key: &str| annotation(route, key).split(',').any(|s| s.trim() == name(arrival.service));
            let (tls, grpc) = ("nginx.org/ssl-services", "nginx.org/grpc-services");
            Some(match () {
                () if listed(tls) => (Speech::Tls, as_field(tls)),
                () if listed(grpc) => (Speech::Grpc, as_field(grpc)),
                () => (Speech::Plain, as_field(tls)),
            })
        }
        Flavor::HaProxy => {
            let key = "haproxy.org/server-ssl";
            let ssl = annotation(route, key) == "true" || annotation(arrival.service, key) == "true";
            Some((if ssl { Speech::Tls } else { Speech::Plain }, as_field(key)))
        }
        Flavor::Traefik => {
            let own = list_at(route, &format!("/spec/routes/{}/services", arrival.rule.index));
            let set =
                own.iter().find(|s| str_at(s, "/name") == name(arrival.service)).map_or("", |s| str_at(s, "/scheme"));
            let key = "traefik.ingress.kubernetes.io/service.serversscheme";
            let set = if set.is_empty() { annotation(arrival.service, key) } else { set };
            let tls = set.is_empty() && (port == 443 || str_at(arrival.port, "/name").starts_with("https"));
            let speech = if tls { Some(Speech::Tls) } else { by(set) };
            speech.map(|speech| (speech, format!("spec.routes[{}].services[].scheme", arrival.rule.index)))
        }
        Flavor::EnvoyGateway | Flavor::Cilium => {
            let grpc =
                arrival.rule.at.kind == "GRPCRoute" || str_at(arrival.port, "/appProtocol") == "kubernetes.io/h2c";
            match tls_policy(case, arrival.service)? {
                None => None,
                Some(true) => Some((Speech::Tls, "a BackendTLSPolicy".into())),
                Some(false) if grpc => Some((Speech::Grpc, "spec.rules[].backendRefs[]".into())),
                Some(false) => Some((Speech::Plain, "spec.rules[].backendRefs[] (no BackendTLSPolicy)".into())),
            }
        }
        _ => None,
    })
}

/// Whether a BackendTLSPolicy is for a Service; `None` where they may not be read.
fn tls_policy(case: &Case<'_>, service: &Value) -> Fact<Option<bool>> {
    let all = case.list(BACKENDTLSPOLICIES, Some(namespace(service))).known()?;
    let targets = |p: &Value| {
        list_at(p, "/spec/targetRefs")
            .iter()
            .any(|t| str_at(t, "/kind") == "Service" && str_at(t, "/name") == name(service))
    };
    Ok(all.map(|all| all.into_iter().any(targets)))
}

fn mismatch(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(arrival) = arrival(case, &suspect.at.name)? else { return Ok(Vec::new()) };
    let (Some(pod), Some(number)) = (arrival.ready.first(), arrival.target()) else { return Ok(Vec::new()) };
    let Some(spoken) = spoken(pod, arrival.port, number) else { return Ok(Vec::new()) };
    let Some(route) = case.get(&arrival.rule.at)? else { return Ok(Vec::new()) };
    let Some((speech, field)) = told(case, &arrival, route)? else { return Ok(Vec::new()) };
    // A mere name says nothing against a route that was told otherwise on purpose.
    let on_purpose = !spoken.proven && speech != Speech::Plain;
    if spoken.speech == speech || on_purpose {
        return Ok(Vec::new());
    }
    let host = way(case, &suspect.at.name)?.request.host.clone();
    let garbled =
        access::heard(case, &arrival, &host)?.into_iter().rev().find(|h| matches!(h.said, Said::Garbled | Said::Reset));
    let sure = spoken.proven || garbled.is_some();
    let who = arrival.rule.flavor.name();
    let (theirs, ours) = (spoken.speech.words(), speech.words());
    let mut m = Match::on(&arrival.rule.at, format!("{who} speaks {ours} to {}, which speaks {theirs}.", arrival.at()))
        .confidence(if sure { Confidence::High } else { Confidence::Medium })
        .evidence(&ObjectRef::of(pod), "spec.containers[]", theirs, &spoken.how)
        .evidence(&arrival.rule.at, &field, ours, format!("{field}: {who} speaks {ours}"));
    if let Some(heard) = garbled {
        m = m.evidence(&heard.pod, "log", &heard.line, format!("log of {}: {}", heard.pod.name, heard.line));
    }
    Ok(vec![m.fix(case.fix(route, &field, format!("let the route speak {theirs}"), "")?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_probe_proves_and_a_name_hints() {
        let pod = |probe: Value| json!({"spec": {"containers": [{"readinessProbe": probe}]}});
        let of =
            |probe: Value, port: Value, number: i64| spoken(&pod(probe), &port, number).map(|s| (s.speech, s.proven));
        assert_eq!(
            of(json!({"httpGet": {"port": 8443, "scheme": "HTTPS"}}), json!({}), 8443),
            Some((Speech::Tls, true))
        );
        assert_eq!(of(json!({"httpGet": {"port": 8443}}), json!({"name": "https"}), 8443), Some((Speech::Plain, true)));
        assert_eq!(of(json!({"httpGet": {"port": 9000}}), json!({"name": "https"}), 8080), Some((Speech::Tls, false)));
        assert_eq!(of(json!({}), json!({}), 8443), Some((Speech::Tls, false)));
        assert_eq!(of(json!({"grpc": {"port": 50051}}), json!({}), 50051), Some((Speech::Grpc, true)));
        assert_eq!(of(json!({}), json!({}), 8080), None);
    }
}
