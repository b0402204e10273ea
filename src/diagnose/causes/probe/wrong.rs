//! Probes that ask in the wrong way.
//!
//! ## probe-port-mismatch
//! **You see.** Probes fail with connection refused, with words of TLS, or the kubelet cannot resolve the port's name.
//! **Why.** The probe asks a port that the container does not declare while it declares another, or speaks HTTPS to a
//! port that speaks HTTP (or the other way round).
//! **How kokpit knows.** The probe's port (number or name) is not among `containers[].ports` and nothing answers there; or
//! the probe's output says that the other side speaks the other protocol.
//! **Looks alike.** Declared ports are only a hint: a port that answers with a status code is served, declared or not.
//! **Mend it.** Git: `httpGet.port` or `httpGet.scheme`, or declare the port.
//!
//! ## probe-too-tight
//! **You see.** A pod that works turns unready for moments, or is killed by its liveness probe after a long good run.
//! **Why.** The probe allows its answer a second or so (`timeoutSeconds` is 1 unless set), and under load, garbage
//! collection or CPU throttling the answer takes longer.
//! **How kokpit knows.** The newest output of the probe is a timeout, `timeoutSeconds` is 5 or less, and the probe has
//! passed since the container started: it was ready, or it lived longer than a probe that never passes allows.
//! **Looks alike.** A probe that has never passed: the application hangs, or the probe asks in the wrong place. Timeouts
//! just before an OOM kill are a side effect of that.
//! **Mend it.** Git: `timeoutSeconds`; a CPU limit that fits (see `cpu-throttled`).

use super::{gives_up_after, in_words, output, port_in_words, timed_out};
use crate::diagnose::crash::{Crash, crashes};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::pods::{Container, Stand, condition, containers, is_true, stand};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{int_at, list_at, str_at};
use crate::world::time::Time;
use serde_json::Value;

causes! { "wrong.rs";
    "probe-port-mismatch" "a probe asks a port or speaks a protocol that the container has not" Outage ["Pod"] mismatch;
    "probe-too-tight" "a probe waits a shorter time than the answer sometimes takes" Degraded ["Pod"] too_tight;
}

/// The longest `timeoutSeconds` that counts as tight.
const TIGHT_S: i64 = 5;

/// A probe that fails: its container, its kind (`Readiness`, `Liveness`, `Startup`) and its spec.
struct Failing<'a> {
    container: Container<'a>,
    kind: &'static str,
    probe: &'a Value,
    /// The run that the probe ended, where it ended one.
    killed: Option<Crash>,
}

impl Failing<'_> {
    fn field(&self) -> String {
        format!("{}.{}Probe", self.container.path, self.kind.to_lowercase())
    }
}

/// The probes of a pod that keep a container unready or have killed it. A container that dies of something else has no
/// probe to blame: what its probes said just before is a side effect.
fn failing<'a>(case: &Case<'_>, suspect: &Suspect<'a>) -> Fact<Vec<Failing<'a>>> {
    let deaths = crashes(case, suspect.object)?;
    let mut found = Vec::new();
    for container in containers(suspect.object).into_iter().filter(|c| !c.init) {
        let death = deaths.iter().find(|d| d.container == container.name);
        let unready = !container.ready() && container.running_since().is_some();
        for (kind, killer) in [("Readiness", ""), ("Startup", "kill-startup"), ("Liveness", "kill-liveness")] {
            let Some(probe) = container.spec.get(format!("{}Probe", kind.to_lowercase())) else { continue };
            let killed = death.filter(|d| d.cause == killer).cloned();
            let holds = death.is_none() && unready && kind != "Liveness";
            if killed.is_some() || holds {
                found.push(Failing { container: container.clone(), kind, probe, killed });
            }
        }
    }
    Ok(found)
}

fn mismatch(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if stand(suspect.object, case.now()) != Stand::Ill {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for failing in failing(case, suspect)? {
        let said = output(case, suspect.object, failing.kind)?.map_or("", |e| e.message);
        let (kind, c) = (failing.kind.to_lowercase(), failing.container.name);
        let (text, value, line, what) = if let Some((probe, port)) = other_protocol(said) {
            (
                format!("The {kind} probe of container {c} speaks {probe}, the port speaks {port}."),
                probe.to_owned(),
                said.to_owned(),
                "set httpGet.scheme to what the port speaks",
            )
        } else if let Some((port, declared)) = undeclared(&failing).filter(|_| !said.contains("statuscode")) {
            (
                format!("The {kind} probe of container {c} asks port {port}, which it does not declare."),
                port.clone(),
                format!("{kind}Probe asks port {port}; declared: {declared}"),
                "let the probe ask the declared port",
            )
        } else {
            continue;
        };
        let top = kin::top_owner(case, suspect.object)?;
        let m = Match::on(&suspect.at, text).confidence(Confidence::High).evidence(
            &suspect.at,
            &failing.field(),
            &value,
            line,
        );
        found.push(m.fix(case.fix(top, &template_field(top, &failing.field()), what, "")?));
    }
    Ok(found)
}

/// What the probe and the port speak, where the output says that they differ.
fn other_protocol(said: &str) -> Option<(&'static str, &'static str)> {
    if said.contains("server gave HTTP response to HTTPS client") {
        return Some(("HTTPS", "HTTP"));
    }
    said.contains("Client sent an HTTP request to an HTTPS server").then_some(("HTTP", "HTTPS"))
}

/// The probe's port and the declared ones, where it is not among them.
fn undeclared(failing: &Failing<'_>) -> Option<(String, String)> {
    let port = ["httpGet", "tcpSocket"].iter().find_map(|how| failing.probe.pointer(&format!("/{how}/port")))?;
    let declared = list_at(failing.container.spec, "/ports");
    let known = declared.iter().any(|p| match port {
        Value::String(wanted) => str_at(p, "/name") == wanted,
        other => p.get("containerPort") == Some(other),
    });
    // Without any declared port a number may be served; a name can then mean nothing.
    if known || (declared.is_empty() && !port.is_string()) {
        return None;
    }
    let declared: Vec<String> = declared.iter().map(port_in_words).collect();
    let declared = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
    Some((port.to_string().replace('"', ""), declared))
}

fn too_tight(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for failing in failing(case, suspect)? {
        let timeout = int_at(failing.probe, "/timeoutSeconds").unwrap_or(1);
        if timeout > TIGHT_S || !has_passed(&failing, suspect.object) {
            continue;
        }
        let Some(event) = output(case, suspect.object, failing.kind)?.filter(|e| timed_out(e.message)) else {
            continue;
        };
        let (kind, c) = (failing.kind.to_lowercase(), failing.container.name);
        let text =
            format!("The {kind} probe of container {c} waits {timeout} s, and sometimes the answer takes longer.");
        let m = Match::on(&suspect.at, text)
            .confidence(Confidence::Medium)
            .because_cause("cpu-throttled")
            .because_cause("memory-thrash-at-limit")
            .evidence(
                &suspect.at,
                &format!("{}.timeoutSeconds", failing.field()),
                &timeout.to_string(),
                format!("{} probe: {}", failing.kind, in_words(failing.probe)),
            )
            .evidence_aged(
                &suspect.at,
                "",
                event.reason,
                Some(event.last.age(case.now())),
                format!("{} ({} times), and it has passed in between", event.message, event.count),
            );
        let top = kin::top_owner(case, suspect.object)?;
        let field = template_field(top, &format!("{}.timeoutSeconds", failing.field()));
        let live = kin::edit(top);
        found.push(m.fix(case.fix(
            top,
            &field,
            "raise timeoutSeconds, and give the container the CPU it needs",
            live,
        )?));
    }
    Ok(found)
}

/// Whether the probe has passed since the container started: the pod was ready since then, or the container lived
/// longer than a probe that never passes allows.
fn has_passed(failing: &Failing<'_>, pod: &Value) -> bool {
    match (&failing.killed, failing.kind) {
        (Some(crash), "Liveness") => {
            let period = int_at(failing.probe, "/periodSeconds").unwrap_or(10);
            crash.seconds.is_some_and(|lived| lived > gives_up_after(failing.probe) + period)
        }
        (None, "Readiness") => {
            let turned = condition(pod, "Ready").and_then(|c| Time::parse(str_at(c, "/lastTransitionTime")));
            is_true(pod, "Ready") || turned > failing.container.running_since()
        }
        _ => false,
    }
}
