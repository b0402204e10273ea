//! Probes: containers that the kubelet kills, and containers that run but are not ready.
//!
//! | file | causes |
//! |---|---|
//! | [`kill`] | a failing liveness or startup probe ends the container |
//! | [`ready`] | a failing readiness probe or a readiness gate keeps traffic away |
//! | [`wrong`] | the probe itself asks in the wrong way |
//! | [`init`] | an init container waits |

use crate::diagnose::crash::without_time;
use crate::diagnose::dependency;
use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Because, Match, Suspect};
use crate::diagnose::pods::{BACKOFF_RESET_S, Container, Stand, containers, log_lines, stand};
use crate::world::object::{int_at, str_at};
use serde_json::Value;

pub(super) mod init;
pub(super) mod kill;
pub(super) mod ready;
pub(super) mod wrong;

/// The probe in a line: `GET :8080/healthz every 10 s, 3 failures`.
fn in_words(probe: &Value) -> String {
    let n = |field: &str, default: i64| int_at(probe, field).unwrap_or(default);
    let port = |v: &Value| v.get("port").map(|p| p.to_string().replace('"', "")).unwrap_or_default();
    let what = match probe {
        p if p.get("httpGet").is_some() => format!("GET :{}{}", port(&p["httpGet"]), str_at(p, "/httpGet/path")),
        p if p.get("tcpSocket").is_some() => format!("TCP :{}", port(&p["tcpSocket"])),
        p if p.get("grpc").is_some() => format!("gRPC :{}", port(&p["grpc"])),
        _ => "exec".to_owned(),
    };
    format!(
        "{what} after {} s, every {} s, timeout {} s, failureThreshold {}",
        n("/initialDelaySeconds", 0),
        n("/periodSeconds", 10),
        n("/timeoutSeconds", 1),
        n("/failureThreshold", 3)
    )
}

/// Seconds from a container's start after which a probe that never passes has failed for the last time: the first
/// probe runs after the initial delay, the others a period apart (kubelet, `prober/worker.go`).
fn gives_up_after(probe: &Value) -> i64 {
    let n = |field: &str, default: i64| int_at(probe, field).unwrap_or(default);
    n("/initialDelaySeconds", 0)
        + (n("/failureThreshold", 3) - 1).max(0) * n("/periodSeconds", 10)
        + n("/timeoutSeconds", 1)
}

/// The newest output of a failing probe, with its event; `kind` is `Readiness`, `Liveness` or `Startup`. What failed
/// longer ago than the kubelet remembers a back-off says nothing about now.
fn output<'a>(case: &Case<'a>, pod: &Value, kind: &str) -> Fact<Option<Event<'a>>> {
    let event = case.event_with(pod, &["Unhealthy"], &format!("{kind} probe failed"))?;
    Ok(event.filter(|e| e.last.age(case.now()) < BACKOFF_RESET_S))
}

/// Whether a probe's output says that the answer came too late (or never).
fn timed_out(output: &str) -> bool {
    let lower = output.to_lowercase();
    ["deadline exceeded", "timeout", "timed out"].iter().any(|words| lower.contains(words))
}

fn with_probe(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    container: &Container<'_>,
    kind: &str,
    mut m: Match,
) -> Fact<Match> {
    let field = format!("{}Probe", kind.to_lowercase());
    if let Some(probe) = container.spec.get(&field) {
        let text = format!("{kind} probe: {}", in_words(probe));
        m = m.evidence(&suspect.at, &format!("{}.{field}", container.path), "", text);
    }
    let wanted = format!("{kind} probe failed");
    if let Some(event) = case.event_with(suspect.object, &["Unhealthy"], &wanted)? {
        let text = format!("{} ({} times)", event.message, event.count);
        m = m.evidence_aged(&suspect.at, "", event.reason, Some(event.last.age(case.now())), text);
    }
    Ok(m)
}

/// Containers that run, are not ready, and have had their time.
fn unready<'a>(case: &Case<'_>, suspect: &Suspect<'a>) -> Vec<Container<'a>> {
    if stand(suspect.object, case.now()) != Stand::Ill {
        return Vec::new();
    }
    containers(suspect.object).into_iter().filter(|c| !c.init && !c.ready() && c.running_since().is_some()).collect()
}

/// Follows a host that the current log complains about.
fn follow_log(case: &Case<'_>, suspect: &Suspect<'_>, container: &str, mut m: Match) -> Fact<Match> {
    let text = case.log(suspect.object, container, false).known()?.unwrap_or_default();
    let lines: Vec<String> = log_lines(text).iter().map(|l| without_time(l).to_owned()).collect();
    if let Some(found) = dependency::named_in(case, suspect.object, &lines)? {
        m = m.evidence(&suspect.at, "log", &found.host, format!("log: {}", found.line));
        if let Some((lead, _)) = found.service {
            m.because.push(Because::Object(lead));
        }
    }
    Ok(m)
}

/// `http 8080`, or the number alone.
pub(super) fn port_in_words(port: &Value) -> String {
    let number = int_at(port, "/containerPort").or_else(|| int_at(port, "/port")).unwrap_or_default();
    match str_at(port, "/name") {
        "" => number.to_string(),
        name => format!("{name} {number}"),
    }
}
