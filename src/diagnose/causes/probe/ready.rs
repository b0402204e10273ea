//! Containers that run and are not ready.
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
//! ## readiness-gate-unmet
//! **You see.** Every container is ready, the pod is not.
//! **Why.** A readiness gate of the pod waits for a condition that some controller must set.
//! **How kokpit knows.** Condition Ready is False with reason `ReadinessGatesNotReady`. The controller of known gates is
//! looked up, and whatever is wrong with it becomes the reason.
//! **Looks alike.** `readiness-failing`.
//! **Mend it.** Mend the controller or the target group; no change of the pod helps.

use super::{follow_log, unready, with_probe};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{condition, is_true};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};

causes! { "ready.rs";
    "readiness-failing" "the container runs, but its readiness probe fails" Outage ["Pod"] readiness;
    "readiness-gate-unmet" "the containers are ready, a readiness gate is not" Outage ["Pod"] gate;
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
            .because_cause("probe-")
            .because_cause("cpu-throttled")
            .because_cause("memory-thrash-at-limit")
            .because_cause("stale-config");
        m = with_probe(case, suspect, &container, "Readiness", m)?;
        let node = str_at(suspect.object, "/spec/nodeName");
        if let Some(Some(true)) = case.one(NODES, "", node).known()?.map(|n| n.map(|n| !is_true(n, "Ready"))) {
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
        if is_true(suspect.object, gate) {
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
