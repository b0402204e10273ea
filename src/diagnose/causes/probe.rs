//! Probes: containers that the kubelet kills, and containers that run but are not ready.
//!
//! ## kill-liveness
//! **You see.** Restarts, often exit 137 or 143, while the application thinks nothing happened.
//! **Why.** The liveness probe failed `failureThreshold` times in a row, so the kubelet killed the container.
//! **How kokpit knows.** The kubelet's event `Killing … failed liveness probe` around the end of the run. The probe and
//! its last output are shown.
//! **Looks alike.** `crash-oom-container` is 137 too. A dependency checked inside the liveness probe restarts every
//! replica when the dependency is down: then `crash-missing-dependency` is the reason.
//! **Mend it.** Git: a startupProbe, a longer `timeoutSeconds`, the right path and port; never check others in liveness.
//!
//! ## kill-startup
//! **You see.** Restarts before the container was ever ready.
//! **Why.** The startup probe's budget, `failureThreshold × periodSeconds`, is shorter than the start takes.
//! **How kokpit knows.** The event `Killing … failed startup probe`.
//! **Looks alike.** `kill-liveness`.
//! **Mend it.** Git: `startupProbe.failureThreshold`.
//!
//! ## readiness-failing
//! **You see.** `0/1 Running`; the Service has no endpoint for the pod.
//! **Why.** The readiness probe fails: the application is not ready, or the probe asks at the wrong place.
//! **How kokpit knows.** The container runs and is not ready past its probe's budget; the newest `Unhealthy` event
//! gives the output. A host that the log names is followed to its Service.
//! **Looks alike.** `readiness-gate-unmet` (containers are ready, the pod is not). A NetworkPolicy never is the reason:
//! traffic from the pod's own node is always allowed.
//! **Mend it.** By the output: connection refused → port or still starting; 404 → path; 401/403 → auth on the health
//! path; 5xx → the application's own dependency; timeout → `timeoutSeconds`, CPU.
//!
//! ## probe-port-mismatch
//! **You see.** Probes fail with connection refused, or kubelet cannot resolve the port's name.
//! **Why.** The probe asks a port that the container does not declare, while it declares another.
//! **How kokpit knows.** The probe's port (number or name) is not among `containers[].ports`.
//! **Looks alike.** Declared ports are only a hint: an undeclared port may be served.
//! **Mend it.** Git: `httpGet.port`, or declare the port.
//!
//! ## readiness-gate-unmet
//! **You see.** Every container is ready, the pod is not.
//! **Why.** A readiness gate of the pod waits for a condition that some controller must set.
//! **How kokpit knows.** Condition Ready is False with reason `ReadinessGatesNotReady`. The controller of known gates is
//! looked up, and whatever is wrong with it becomes the reason.
//! **Looks alike.** `readiness-failing`.
//! **Mend it.** Mend the controller or the target group; no change of the pod helps.
//!
//! ## init-running-long
//! **You see.** `Init:0/1` for a long time; nothing fails.
//! **Why.** An init container waits for something that does not come.
//! **How kokpit knows.** It runs since longer than two minutes; its last log line names a host, which is followed to
//! its Service.
//! **Looks alike.** `init-crashloop` (it fails), `sidecar-not-started`.
//! **Mend it.** Mend what it waits for.

use super::{Cause, Severity};
use crate::diagnose::crash::{crashes, without_time};
use crate::diagnose::dependency;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Because, Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{self, Container, Stand, condition, containers, log_lines, stand};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

const FILE: &str = include_str!("probe.rs");

/// The family's rows.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "kill-liveness",
        title: "the liveness probe fails, so the kubelet kills the container",
        severity: Severity::Outage,
        kinds: &["Pod"],
        file: FILE,
        judge: |case, suspect| killed(case, suspect, "kill-liveness", "Liveness"),
    },
    Cause {
        id: "kill-startup",
        title: "the container does not start within its startup probe's budget",
        severity: Severity::Outage,
        kinds: &["Pod"],
        file: FILE,
        judge: |case, suspect| killed(case, suspect, "kill-startup", "Startup"),
    },
    Cause {
        id: "readiness-failing",
        title: "the container runs, but its readiness probe fails",
        severity: Severity::Outage,
        kinds: &["Pod"],
        file: FILE,
        judge: readiness,
    },
    Cause {
        id: "probe-port-mismatch",
        title: "a probe asks a port that the container does not declare",
        severity: Severity::Outage,
        kinds: &["Pod"],
        file: FILE,
        judge: port_mismatch,
    },
    Cause {
        id: "readiness-gate-unmet",
        title: "the containers are ready, a readiness gate is not",
        severity: Severity::Outage,
        kinds: &["Pod"],
        file: FILE,
        judge: gate,
    },
    Cause {
        id: "init-running-long",
        title: "an init container waits for something that does not come",
        severity: Severity::Degraded,
        kinds: &["Pod"],
        file: FILE,
        judge: init_waits,
    },
];

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

fn killed(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str, kind: &str) -> Fact<Vec<Match>> {
    let all = crashes(case, suspect.object)?;
    let mut found = Vec::new();
    for crash in all.iter().filter(|c| c.cause == id) {
        let Some(container) = containers(suspect.object).into_iter().find(|c| c.name == crash.container) else {
            continue;
        };
        let top = kin::top_owner(case, suspect.object)?;
        let field = format!("{}.{}Probe", crash.path, kind.to_lowercase());
        let ran = crash.seconds.map_or(String::new(), |s| format!(" after about {s} s"));
        let m = Match::on(
            &suspect.at,
            format!("The kubelet kills container {}: its {} probe fails.", crash.container, kind.to_lowercase()),
        )
        .evidence(
            &suspect.at,
            "",
            "Killing",
            format!("Container {} failed {} probe, will be restarted", crash.container, kind.to_lowercase()),
        )
        .evidence_aged(
            &suspect.at,
            "status.containerStatuses[].lastState.terminated",
            &crash.code.to_string(),
            Some(crash.finished.age(case.now())),
            format!("{}{ran}, {} restarts", crate::diagnose::crash::code_in_words(crash.code), crash.restarts),
        )
        .because_cause("crash-missing-dependency");
        let m = with_probe(case, suspect, &container, kind, m)?;
        found.push(m.fix(case.fix(
            top,
            &template_field(top, &field),
            "let the probe ask the right place, wait longer, and depend on nothing but the container itself",
            format!("kubectl -n {} edit {}/{}", namespace(top), str_at(top, "/kind").to_lowercase(), name(top)),
        )?));
    }
    Ok(found)
}

/// Containers that run, are not ready, and have had their time.
fn unready<'a>(case: &Case<'_>, suspect: &Suspect<'a>) -> Vec<Container<'a>> {
    if stand(suspect.object, case.now()) != Stand::Ill {
        return Vec::new();
    }
    containers(suspect.object).into_iter().filter(|c| !c.init && !c.ready() && c.running_since().is_some()).collect()
}

fn readiness(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in unready(case, suspect).into_iter().filter(|c| c.spec.get("readinessProbe").is_some()) {
        let output =
            case.event_with(suspect.object, &["Unhealthy"], "Readiness probe failed")?.map_or("", |e| e.message);
        let (class, advice) = class_of(output);
        let top = kin::top_owner(case, suspect.object)?;
        let mut m = Match::on(&suspect.at, format!("Container {} runs but is not ready: {class}.", container.name))
            .confidence(Confidence::High)
            .because_cause("kill-")
            .because_cause("crash-")
            .because_cause("probe-port-mismatch");
        m = with_probe(case, suspect, &container, "Readiness", m)?;
        let node = str_at(suspect.object, "/spec/nodeName");
        if let Some(Some(true)) = case.one(NODES, "", node).known()?.map(|n| n.map(|n| !pods::is_true(n, "Ready"))) {
            m = m.because(NODES.at("", node));
        }
        m = follow_log(case, suspect, container.name, m)?;
        found.push(m.fix(case.fix(
            top,
            &template_field(top, &format!("{}.readinessProbe", container.path)),
            advice,
            format!("kubectl -n {} logs {} -c {}", namespace(suspect.object), name(suspect.object), container.name),
        )?));
    }
    Ok(found)
}

/// What a probe's output means, and what to do about it.
fn class_of(output: &str) -> (String, &'static str) {
    let lower = output.to_lowercase();
    let code = lower.split_once("statuscode: ").and_then(|(_, rest)| rest.get(..3)).unwrap_or_default();
    let (class, advice) = match code {
        "404" => ("the probe's path does not exist (404)", "correct the probe's path"),
        "401" | "403" => ("the probe's path wants credentials", "let the health path answer without credentials"),
        c if c.starts_with('5') => ("the application says it is not ready", "look for what the application waits for"),
        _ if lower.contains("connection refused") => {
            ("nothing listens at the probe's port", "correct the probe's port, or look why it does not listen")
        }
        _ if lower.contains("deadline exceeded") || lower.contains("timeout") => {
            ("the probe gets no answer in time", "raise timeoutSeconds or the CPU limit")
        }
        _ => ("its readiness probe fails", "look at the probe's output and the log"),
    };
    match code {
        c if c.starts_with('5') => (format!("{class} (statuscode: {c})"), advice),
        _ => (class.to_owned(), advice),
    }
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

fn port_mismatch(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in unready(case, suspect) {
        let declared = list_at(container.spec, "/ports");
        for kind in ["readinessProbe", "startupProbe"] {
            let Some(port) =
                ["httpGet", "tcpSocket"].iter().find_map(|how| container.spec.pointer(&format!("/{kind}/{how}/port")))
            else {
                continue;
            };
            let known = declared.iter().any(|p| match port {
                Value::String(wanted) => str_at(p, "/name") == wanted,
                other => p.get("containerPort") == Some(other),
            });
            if known || declared.is_empty() {
                continue;
            }
            let has: Vec<String> = declared.iter().map(port_in_words).collect();
            let top = kin::top_owner(case, suspect.object)?;
            let field = format!("{}.{kind}", container.path);
            let port = port.to_string().replace('"', "");
            found.push(
                Match::on(
                    &suspect.at,
                    format!("The {kind} of container {} asks port {port}, which it does not declare.", container.name),
                )
                .confidence(Confidence::High)
                .evidence(&suspect.at, &field, &port, format!("{kind} asks port {port}; declared: {}", has.join(", ")))
                .fix(case.fix(
                    top,
                    &template_field(top, &field),
                    "let the probe ask the declared port",
                    "",
                )?),
            );
        }
    }
    Ok(found)
}

/// `http 8080`, or the number alone.
pub(super) fn port_in_words(port: &Value) -> String {
    let number = int_at(port, "/containerPort").or_else(|| int_at(port, "/port")).unwrap_or_default();
    match str_at(port, "/name") {
        "" => number.to_string(),
        name => format!("{name} {number}"),
    }
}

/// Gates whose controller is known by the name of its Deployment.
const GATES: &[(&str, &str)] = &[
    ("target-health.elbv2.k8s.aws/", "aws-load-balancer-controller"),
    ("target-health.alb.ingress.k8s.aws/", "aws-load-balancer-controller"),
    ("kubevirt.io/", "virt-controller"),
];

fn gate(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(ready) = condition(suspect.object, "Ready").filter(|c| str_at(c, "/reason") == "ReadinessGatesNotReady")
    else {
        return Ok(Vec::new());
    };
    let since = case.age(str_at(ready, "/lastTransitionTime")).unwrap_or_default();
    let mut found = Vec::new();
    for gate in list_at(suspect.object, "/spec/readinessGates").iter().map(|g| str_at(g, "/conditionType")) {
        if pods::is_true(suspect.object, gate) {
            continue;
        }
        let mut m = Match::on(&suspect.at, format!("The containers are ready, the readiness gate {gate} is not."))
            .evidence_aged(
                &suspect.at,
                "status.conditions[Ready]",
                str_at(ready, "/reason"),
                Some(since),
                str_at(ready, "/message"),
            )
            .evidence(&suspect.at, "spec.readinessGates", gate, "containers are ready, the gate is not");
        if let Some((_, controller)) = GATES.iter().find(|(prefix, _)| gate.starts_with(prefix)) {
            let all = case.list(DEPLOYMENTS, None).known()?.unwrap_or_default();
            if let Some(deployment) = all.into_iter().find(|d| name(d) == *controller) {
                let at = ObjectRef::of(deployment);
                let ready = int_at(deployment, "/status/readyReplicas").unwrap_or_default();
                let wanted = kin::replicas(deployment).unwrap_or_default();
                let text = format!("{controller} sets it: {ready}/{wanted} ready");
                m = m.evidence(&at, "status.readyReplicas", &ready.to_string(), text).because(at);
            }
        }
        found.push(m);
    }
    Ok(found)
}

fn init_waits(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in containers(suspect.object).into_iter().filter(|c| c.init) {
        let Some(age) = container.running_since().map(|t| t.age(case.now())).filter(|age| *age > pods::START_GATE_S)
        else {
            continue;
        };
        let m =
            Match::on(&suspect.at, format!("Init container {} has been waiting for {}.", container.name, human(age)))
                .confidence(Confidence::Medium)
                .evidence_aged(
                    &suspect.at,
                    "status.initContainerStatuses[].state.running.startedAt",
                    "",
                    Some(age),
                    format!("init container {} runs since {}", container.name, human(age)),
                );
        found.push(follow_log(case, suspect, container.name, m)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_have_a_meaning() {
        assert!(
            class_of("Readiness probe failed: HTTP probe failed with statuscode: 500").0.contains("statuscode: 500")
        );
        assert!(class_of("dial tcp 10.1.2.3:8080: connect: connection refused").0.contains("nothing listens"));
        assert!(class_of("").0.contains("readiness probe fails"));
    }
}
