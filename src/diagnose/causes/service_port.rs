//! Ports of a Service: the one that a route names, and the one at which the pods listen.
//!
//! ## svc-port-mismatch
//! **You see.** 503 (404 with Traefik and HAProxy, 500 with Envoy Gateway).
//! **Why.** The route names a port that the Service does not have.
//! **How kokpit knows.** Number and name are compared with `spec.ports[]`. ingress-nginx also takes a target port.
//! **Looks alike.** `svc-targetport-name-missing`: the Service has the port, the pods do not.
//! **Mend it.** Git: `backend.service.port` of the route, or `spec.ports[]` of the Service.
//!
//! ## svc-targetport-name-missing
//! **You see.** 503 although every pod is Ready.
//! **Why.** `targetPort` is a name, and the pods have no container port of that name (often since a rollout).
//! **How kokpit knows.** The name is looked up in every selected pod. The EndpointSlice lists ready endpoints, but no port.
//! **Looks alike.** `eps-not-ready-only`.
//! **Mend it.** Git: the container port's `name`, or a number in `targetPort`.
//!
//! ## svc-targetport-wrong
//! **You see.** 502 (503 with Envoy) although every pod is Ready.
//! **Why.** `targetPort` is a number at which the application does not listen.
//! **How kokpit knows.** No container declares that port, and the readiness probe asks another one; a "listening on"
//! line of the log is shown. Declarations are only hints, so this is never certain.
//! **Looks alike.** `pod-listens-localhost`: the port is right, the address is 127.0.0.1.
//! **Mend it.** Git: `spec.ports[].targetPort`.
//!
//! ## pod-listens-localhost
//! **You see.** 502 (503 with Envoy) although every pod is Ready and the port is right.
//! **Why.** The application listens on 127.0.0.1 and takes connections from inside its pod only.
//! **How kokpit knows.** Its log says so, and no probe of the kubelet ever asked the port: `exec` probes run inside the pod.
//! **Looks alike.** `svc-targetport-wrong`: the port is another one.
//! **Mend it.** Git: let it listen on 0.0.0.0 (an argument or variable of the application).

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::{containers, log_lines};
use crate::diagnose::url::backend;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use crate::world::text::count;
use serde_json::Value;

causes! { "service_port.rs";
    "svc-port-mismatch" "the Service has no such port" Outage ["Service"] port_mismatch;
    "svc-targetport-name-missing" "the pods have no port of the name that the Service's targetPort gives" Outage ["Service"] port_name_missing;
    "svc-targetport-wrong" "the Service sends to a port at which nobody listens" Outage ["Service"] port_wrong;
    "pod-listens-localhost" "the application listens on 127.0.0.1 only" Outage ["Service"] localhost;
}

/// The port looked at: the focus of the route, or every port when the Service itself was asked about.
fn ports<'a>(suspect: &Suspect<'a>) -> Vec<&'a Value> {
    match suspect.focus.as_str() {
        "" => list_at(suspect.object, "/spec/ports").iter().collect(),
        focus => backend::port(suspect.object, focus, false).into_iter().collect(),
    }
}

fn external(suspect: &Suspect<'_>) -> bool {
    !suspect.exists() || backend::is_external(suspect.object)
}

fn port_mismatch(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) || suspect.focus.is_empty() || !ports(suspect).is_empty() {
        return Ok(Vec::new());
    }
    let has: Vec<String> = list_at(suspect.object, "/spec/ports").iter().map(super::probe::port_in_words).collect();
    let wanted = &suspect.focus;
    Ok(vec![
        Match::on(&suspect.at, format!("{} has no port {wanted}.", suspect.at))
            .evidence(
                &suspect.at,
                "spec.ports",
                &has.join(", "),
                format!("asked for port {wanted}; it has {}", has.join(", ")),
            )
            .fix(case.fix(
                suspect.object,
                "spec.ports",
                "name a port that the Service has, or give it this one",
                "",
            )?),
    ])
}

fn port_name_missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for port in ports(suspect) {
        let Some(wanted) = port.get("targetPort").and_then(Value::as_str) else { continue };
        let without: Vec<&&Value> = pods.iter().filter(|p| backend::named_port(p, wanted).is_none()).collect();
        let Some(first) = without.first() else { continue };
        let has: Vec<String> =
            containers(first).iter().flat_map(|c| list_at(c.spec, "/ports")).map(super::probe::port_in_words).collect();
        let (n, all) = (without.len(), pods.len());
        let named: Vec<&str> = containers(first)
            .iter()
            .flat_map(|c| list_at(c.spec, "/ports"))
            .map(|p| str_at(p, "/name"))
            .filter(|n| !n.is_empty())
            .collect();
        let mut m = Match::on(
            &suspect.at,
            format!(
                "{} sends to the port named {wanted}, which {} not have.",
                suspect.at,
                match (n, all) {
                    (1, 1) => "its pod does".to_owned(),
                    (n, all) if n == all => format!("its {all} pods do"),
                    (n, all) => format!("{n} of its {} do", count(all, "pod")),
                }
            ),
        )
        .evidence(&suspect.at, "spec.ports[].targetPort", wanted, format!("targetPort {wanted} is a name"))
        .evidence(
            &ObjectRef::of(first),
            "spec.containers[].ports",
            &has.join(", "),
            format!("the pods call their ports: {}", has.join(", ")),
        )
        .evidence(
            &suspect.at,
            "",
            "",
            format!("{} of {all} pods are Ready, but no endpoint has the port", ready.len()),
        );
        if let Some(rs) = kin::controller_ref(first).filter(|o| o.kind == "ReplicaSet")
            && let Some(owner) = case.get(&rs).known()?.flatten()
        {
            let text = format!("so it is since revision {} ({})", kin::revision(owner), rs.name);
            m = m.evidence(&rs, "metadata.annotations", "", text);
        }
        let index = list_at(suspect.object, "/spec/ports").iter().position(|p| p == port).unwrap_or_default();
        let live = named.first().map_or(String::new(), |name| {
            format!(
                "kubectl -n {} patch svc {} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/spec/ports/{index}/targetPort\",\"value\":\"{name}\"}}]'",
                suspect.at.namespace, suspect.at.name
            )
        });
        let field = format!("spec.ports[{index}].targetPort");
        found.push(m.fix(case.fix(
            suspect.object,
            &field,
            "let targetPort name a port of the pods, or name the container port so",
            live,
        )?));
    }
    Ok(found)
}

fn port_wrong(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((_, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let Some(pod) = ready.first() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for port in ports(suspect) {
        let Some(number) = port
            .get("targetPort")
            .and_then(Value::as_i64)
            .or_else(|| int_at(port, "/port").filter(|_| port.get("targetPort").is_none()))
        else {
            continue;
        };
        let all = containers(pod);
        let declared: Vec<i64> =
            all.iter().flat_map(|c| list_at(c.spec, "/ports")).filter_map(|p| int_at(p, "/containerPort")).collect();
        let probed: Vec<i64> = all
            .iter()
            .filter_map(|c| {
                let probe = c.spec.get("readinessProbe")?;
                ["/httpGet/port", "/tcpSocket/port", "/grpc/port"].iter().find_map(|p| match probe.pointer(p)? {
                    Value::String(named) => backend::named_port(pod, named),
                    number => number.as_i64(),
                })
            })
            .collect();
        if declared.is_empty() && probed.is_empty() || declared.contains(&number) || probed.contains(&number) {
            continue;
        }
        let heard = listening(case, pod)?;
        if heard.as_ref().is_some_and(|(_, port)| *port == Some(number)) {
            continue;
        }
        let instead = declared.first().or(probed.first()).copied().unwrap_or_default();
        let proof = !probed.is_empty() || heard.is_some();
        let mut m = Match::on(
            &suspect.at,
            format!("{} sends to port {number}, the application listens on {instead}.", suspect.at),
        )
        .confidence(if proof { Confidence::High } else { Confidence::Medium })
        .evidence(&suspect.at, "spec.ports[].targetPort", &number.to_string(), format!("targetPort {number}"))
        .evidence(
            &ObjectRef::of(pod),
            "spec.containers[].ports",
            &instead.to_string(),
            format!("the container declares {instead}; {} ready endpoints", ready.len()),
        );
        if let Some((line, _)) = heard {
            m = m.evidence(&ObjectRef::of(pod), "log", &line, format!("log: {line}"));
        }
        let index = list_at(suspect.object, "/spec/ports").iter().position(|p| p == port).unwrap_or_default();
        let live = format!(
            "kubectl -n {} patch svc {} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/spec/ports/{index}/targetPort\",\"value\":{instead}}}]'",
            suspect.at.namespace, suspect.at.name
        );
        found.push(m.fix(case.fix(
            suspect.object,
            &format!("spec.ports[{index}].targetPort"),
            format!("send to {instead}"),
            live,
        )?));
    }
    Ok(found)
}

/// A log line that tells where the application listens, and the port in it.
fn listening(case: &Case<'_>, pod: &Value) -> Fact<Option<(String, Option<i64>)>> {
    for container in containers(pod).iter().filter(|c| !c.init) {
        let log = case.log(pod, container.name, false).known()?.unwrap_or_default();
        let lines = log_lines(log);
        if let Some(line) = lines.iter().rev().find(|l| l.to_lowercase().contains("listening on")) {
            let line = crate::diagnose::crash::without_time(line).to_owned();
            let port = line.rsplit_once(':').and_then(|(_, rest)| {
                rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok())
            });
            return Ok(Some((line, port)));
        }
    }
    Ok(None)
}

/// Probes that the kubelet makes over the network: kinds and where their port stands.
const NETWORK_PROBES: &[&str] = &["/httpGet/port", "/tcpSocket/port", "/grpc/port"];

/// Whether the kubelet's own probes reach a port by the pod's address.
fn is_probed(pod: &Value, port: i64) -> bool {
    containers(pod).iter().any(|c| {
        ["readinessProbe", "livenessProbe", "startupProbe"].iter().filter_map(|p| c.spec.get(p)).any(|probe| {
            let asked = NETWORK_PROBES.iter().find_map(|p| match probe.pointer(p)? {
                Value::String(named) => backend::named_port(pod, named),
                number => number.as_i64(),
            });
            asked == Some(port)
        })
    })
}

/// An address of the pod's own loopback, with the port after it.
fn loopback(line: &str) -> Option<Option<i64>> {
    let (_, rest) = ["127.0.0.1", "localhost", "[::1]"].iter().find_map(|name| line.split_once(name))?;
    let digits =
        rest.strip_prefix(':').map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    Some(digits.and_then(|d| d.parse().ok()))
}

fn localhost(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const WORDS: &[&str] =
        &["listening", "running on", "serving on", "server on", "server at", "started on", "bound to"];
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((_, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let Some(pod) = ready.first() else { return Ok(Vec::new()) };
    let at = ObjectRef::of(pod);
    for port in ports(suspect) {
        let Some(number) = backend::target(port, pod).filter(|n| !is_probed(pod, *n)) else { continue };
        for container in containers(pod).iter().filter(|c| !c.init) {
            let lines = log_lines(case.log(pod, container.name, false).known()?.unwrap_or_default());
            let here = |line: &&String| {
                let lower = line.to_lowercase();
                let said = WORDS.iter().any(|w| lower.contains(w));
                said && loopback(&lower).is_some_and(|port| port.is_none_or(|p| p == number))
            };
            let Some(line) = lines.iter().rev().find(here) else { continue };
            let line = crate::diagnose::crash::without_time(line);
            let top = kin::top_owner(case, pod)?;
            let field = crate::diagnose::git::template_field(top, &container.path);
            return Ok(vec![
                Match::on(
                    &suspect.at,
                    format!(
                        "The pods of {} listen on 127.0.0.1 only, so nobody else reaches port {number}.",
                        suspect.at
                    ),
                )
                .confidence(Confidence::Medium)
                .evidence(&at, "log", line, format!("log: {line}"))
                .evidence(
                    &at,
                    &container.path,
                    "",
                    format!("no probe of the kubelet asks port {number}; {} ready endpoints", ready.len()),
                )
                .fix(case.fix(top, &field, "let the application listen on 0.0.0.0", "")?),
            ]);
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn loopback_addresses_are_found_with_their_port() {
        assert_eq!(loopback("listening on 127.0.0.1:8080"), Some(Some(8080)));
        assert_eq!(loopback("running on http://localhost:3000/ (press ctrl+c)"), Some(Some(3000)));
        assert_eq!(loopback("listening on localhost"), Some(None));
        assert_eq!(loopback("listening on 0.0.0.0:8080"), None);
    }

    #[test]
    fn only_a_probe_over_the_network_proves_a_port() {
        let pod = |probe: Value| json!({"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 80}], "readinessProbe": probe}]}});
        assert!(
            is_probed(&pod(json!({"httpGet": {"port": "http"}})), 80)
                && is_probed(&pod(json!({"tcpSocket": {"port": 80}})), 80)
        );
        assert!(
            !is_probed(&pod(json!({"exec": {"command": ["true"]}})), 80)
                && !is_probed(&pod(json!({"httpGet": {"port": 81}})), 80)
        );
    }
}
