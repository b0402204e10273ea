//! Between controller and application: every hop works, and yet requests fail.
//!
//! ## upstream-timeout
//! **You see.** 504 although the pods are Ready and no policy stands in the way.
//! **Why.** The application takes longer than the controller waits (60 s in ingress-nginx), or the pod's node does not
//! answer while its pods still count as Ready.
//! **How kokpit knows.** The controller's log: `upstream timed out`, Envoy's flag `UT`; the nodes of the pods are looked at.
//! **Looks alike.** `netpol-deny-ingress`: the policies are evaluated first.
//! **Mend it.** Find out what the application waits for. Git: `proxy-read-timeout`, or the route's timeout.
//!
//! ## upstream-reset
//! **You see.** 502 (503 with Envoy) now and then.
//! **Why.** The application hangs up: it closes idle connections earlier than the controller, or a worker dies.
//! **How kokpit knows.** The controller's log: `upstream prematurely closed connection`, `Connection reset by peer`, Envoy's
//! flag `UC`.
//! **Looks alike.** `backend-protocol-mismatch`: then every request fails. `rollout-window`: only during a rollout.
//! **Mend it.** Let the application keep connections longer than the controller does.
//!
//! ## app-5xx
//! **You see.** 500, 503 or another 5xx, with the application's own page.
//! **Why.** The application itself answers so.
//! **How kokpit knows.** The controller's access log has the application's own status; the application's log is shown.
//! **Looks alike.** `svc-selector-no-pods`, `eps-not-ready-only`: then the controller answers, and the application never.
//! **Mend it.** As the application's log says.
//!
//! ## canary-backend-dead
//! **You see.** A share of the requests fails, the others are fine.
//! **Why.** The route shares its requests among several Services (a canary Ingress, weights), and one of them has no usable
//! endpoint.
//! **How kokpit knows.** Weights and endpoints of every Service of the route.
//! **Looks alike.** `upstream-reset`, `svc-selector-foreign-pods`.
//! **Mend it.** Mend that Service, or give it weight 0.
//!
//! ## rollout-window
//! **You see.** 503 or 502 for seconds to minutes, at every rollout.
//! **Why.** The old pods go before the new ones serve: `strategy: Recreate`, `maxUnavailable`, no readiness probe, no
//! `preStop` while endpoints are still being removed.
//! **How kokpit knows.** A rollout of the Deployment behind the Service is under way, and its template and strategy leave
//! such a gap. It is the reason while no endpoint is ready.
//! **Looks alike.** `eps-not-ready-only`: the new pods do not become ready at all.
//! **Mend it.** Git: a readiness probe, `maxUnavailable: 0`, `lifecycle.preStop.sleep`.

use crate::diagnose::dependency;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{Stand, condition, containers, log_lines, stand};
use crate::diagnose::url::access::{self, Heard, Said};
use crate::diagnose::url::flavor::Flavor;
use crate::diagnose::url::route::{Backend, Met};
use crate::diagnose::url::{Arrival, annotation, arrival, backend, backend_lead, usable, way};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use serde_json::Value;

causes! { "upstream.rs";
    "upstream-timeout" "the application takes longer than the controller waits" Degraded ["URL"] timeout;
    "upstream-reset" "the application hangs up on the controller" Degraded ["URL"] reset;
    "app-5xx" "the application itself answers with an error" Outage ["URL"] application;
    "canary-backend-dead" "a Service that gets a share of the requests has no usable endpoint" Degraded ["URL"] canary;
    "rollout-window" "a rollout takes pods away before others serve" Degraded ["Service"] rollout;
}

/// The newest line of the controller's log that says one of these things.
fn heard<'a>(
    case: &Case<'a>,
    suspect: &Suspect<'_>,
    wanted: impl Fn(Said) -> bool,
) -> Fact<Option<(Arrival<'a>, Heard)>> {
    let Some(arrival) = arrival(case, &suspect.at.name)? else { return Ok(None) };
    let host = way(case, &suspect.at.name)?.request.host.clone();
    let line = access::heard(case, &arrival, &host)?.into_iter().rev().find(|h| wanted(h.said));
    Ok(line.map(|line| (arrival, line)))
}

/// A finding on the Service that the log speaks of.
fn told(arrival: &Arrival<'_>, heard: &Heard, summary: String) -> Match {
    Match::on(&arrival.at(), summary)
        .confidence(Confidence::Medium)
        .evidence(&heard.pod, "log", &heard.line, format!("log of {}: {}", heard.pod.name, heard.line))
        .evidence(
            &arrival.at(),
            "",
            "",
            format!(
                "{} of {} pods are Ready, and no policy stands in the way",
                arrival.ready.len(),
                arrival.pods.len()
            ),
        )
}

fn timeout(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some((arrival, line)) = heard(case, suspect, |s| matches!(s, Said::Slow | Said::Unreachable))? else {
        return Ok(Vec::new());
    };
    let summary = match line.said {
        Said::Slow => format!("The pods of {} do not answer in time.", arrival.at()),
        _ => format!("The pods of {} cannot be connected to in time, though they are Ready.", arrival.at()),
    };
    let mut m = told(&arrival, &line, summary);
    let nodes = arrival.ready.iter().map(|p| str_at(p, "/spec/nodeName")).filter(|n| !n.is_empty());
    if line.said == Said::Unreachable {
        m = m.because_all(nodes.map(|node| Lead::to(NODES.at("", node))));
    }
    let Some(route) = case.get(&arrival.rule.at)? else { return Ok(vec![m]) };
    let (field, set) = match arrival.rule.flavor {
        Flavor::Nginx => {
            let key = "nginx.ingress.kubernetes.io/proxy-read-timeout";
            (format!("metadata.annotations[{key}]"), annotation(route, key))
        }
        Flavor::NginxInc => {
            let key = "nginx.org/proxy-read-timeout";
            (format!("metadata.annotations[{key}]"), annotation(route, key))
        }
        _ => (format!("spec.rules[{}].timeouts", arrival.rule.index), ""),
    };
    let text = if set.is_empty() { "the default of the controller".to_owned() } else { format!("{set} seconds") };
    m = m.evidence(&arrival.rule.at, &field, set, format!("timeout: {text}"));
    let what = "find out what the application waits for; in need let the route wait longer";
    Ok(vec![m.fix(case.fix(route, &field, what, "")?)])
}

fn reset(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some((arrival, line)) = heard(case, suspect, |s| s == Said::Reset)? else { return Ok(Vec::new()) };
    let mut m =
        told(&arrival, &line, format!("The pods of {} hang up on {}.", arrival.at(), arrival.rule.flavor.name()));
    let restarts: i64 = arrival.pods.iter().flat_map(|p| containers(p)).map(|c| c.restarts()).sum();
    if restarts > 0 {
        m = m.evidence(&arrival.at(), "", &restarts.to_string(), format!("its pods have restarted {restarts} times"));
    }
    Ok(vec![m.because_cause("backend-protocol-mismatch").fix(Fix {
        summary:
            "let the application keep idle connections longer than the controller does (60 s in ingress-nginx)".into(),
        ..Fix::default()
    })])
}

fn application(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const WORDS: &[&str] = &["error", "exception", "panic", "fatal", "traceback"];
    let Some((arrival, line)) = heard(case, suspect, |s| matches!(s, Said::Failed(_)))? else { return Ok(Vec::new()) };
    let Said::Failed(code) = line.said else { return Ok(Vec::new()) };
    let mut m = told(&arrival, &line, format!("The application behind {} answers {code} itself.", arrival.at()));
    let Some(pod) = arrival.ready.first() else { return Ok(vec![m]) };
    let at = ObjectRef::of(pod);
    for container in containers(pod).iter().filter(|c| !c.init) {
        let lines = log_lines(case.log(pod, container.name, false).known()?.unwrap_or_default());
        let bad = lines.iter().rev().find(|l| WORDS.iter().any(|w| l.to_lowercase().contains(w)));
        if let Some(bad) = bad {
            m = m.evidence(&at, "log", bad, format!("log of {}: {bad}", container.name));
        }
        if let Some((lead, _)) = dependency::named_in(case, pod, &lines)?.and_then(|d| d.service) {
            m = m.because_all([lead]);
        }
    }
    let live = format!("kubectl -n {} logs {} --tail=100", at.namespace, at.name);
    Ok(vec![m.fix(Fix { summary: "read the application's log".into(), live, ..Fix::default() })])
}

fn canary(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let way = way(case, &suspect.at.name)?;
    let Met::Rule { rule, canaries, .. } = &way.met else { return Ok(Vec::new()) };
    if !rule.leads_on()
        || (rule.shares.is_empty() && canaries.is_empty())
        || usable(case, rule.flavor, &rule.backend)? == 0
    {
        return Ok(Vec::new());
    }
    let total: i64 = rule.backend.weight + rule.shares.iter().map(|b| b.weight).sum::<i64>();
    let weighted = rule.shares.iter().filter(|b| b.weight > 0 && !b.name.is_empty());
    let mut shares: Vec<(ObjectRef, &Backend, String)> =
        weighted.map(|b| (rule.at.clone(), b, format!("{} of {total} parts of the requests", b.weight))).collect();
    for canary in canaries.iter().filter(|c| !c.backend.name.is_empty()) {
        let Some(route) = case.get(&canary.at)? else { continue };
        let own = |key: &str| annotation(route, &format!("nginx.ingress.kubernetes.io/canary-{key}"));
        let text = match (own("weight"), own("by-header"), own("by-cookie")) {
            ("" | "0", "", "") => continue,
            ("" | "0", "", cookie) => format!("the requests with cookie {cookie}"),
            ("" | "0", header, _) => format!("the requests with header {header}"),
            (weight, ..) => format!("{weight}% of the requests"),
        };
        shares.push((canary.at.clone(), &canary.backend, text));
    }
    let mut found = Vec::new();
    for (route, share, text) in shares {
        if usable(case, rule.flavor, share)? > 0 {
            continue;
        }
        let at = share.service();
        let object = case.get(&route)?.unwrap_or(&crate::diagnose::facts::NOTHING);
        let m = Match::on(&route, format!("{route} sends {text} to {at}, which has no usable endpoint."))
            .evidence(&route, "spec.rules", &share.name, format!("{at} gets {text}"))
            .evidence(&at, "", "0", format!("{at} has no usable endpoint, {} has", rule.backend.service()))
            .because_all([backend_lead(case, rule.flavor, share)?]);
        let what = format!("give {at} no share until it serves");
        found.push(m.fix(case.fix(object, "spec.rules", what, "")?));
    }
    Ok(found)
}

fn rollout(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.exists() || backend::is_external(suspect.object) {
        return Ok(Vec::new());
    }
    let Some((pods, ready)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    let Some(moving) = pods.iter().find(|p| stand(p, case.now()) == Stand::Starting) else { return Ok(Vec::new()) };
    let owner = kin::top_owner(case, moving)?;
    if str_at(owner, "/kind") != "Deployment" || !rolling(owner) {
        return Ok(Vec::new());
    }
    let gaps = gaps(owner);
    let at = ObjectRef::of(owner);
    let ends = backend::endpoints(case, suspect.object, backend::port(suspect.object, &suspect.focus, false))?;
    if gaps.is_empty() {
        return Ok(Vec::new());
    }
    let mut m = Match::on(&at, format!("{at} is being rolled out, and its old pods go before the new ones serve."))
        .confidence(Confidence::Medium)
        .evidence(
            &suspect.at,
            "",
            &ready.len().to_string(),
            format!("{} of {} pods are Ready, the rollout is under way", ready.len(), pods.len()),
        );
    for (field, text) in &gaps {
        m = m.evidence(&at, field, "", text);
    }
    let field = gaps.first().map_or("spec.strategy", |(field, _)| field);
    let m = m.fix(case.fix(owner, field, "wait for the rollout; for the next one close the gap", "")?);
    Ok(vec![if ends.ready == 0 { m } else { m.aside() }])
}

/// Whether a rollout is under way and on time.
fn rolling(deployment: &Value) -> bool {
    let n = |pointer: &str| int_at(deployment, pointer).unwrap_or_default();
    let wanted = int_at(deployment, "/spec/replicas").unwrap_or(1);
    let progressing = condition(deployment, "Progressing").is_none_or(|c| str_at(c, "/status") != "False");
    progressing
        && (n("/status/updatedReplicas") < wanted
            || n("/status/availableReplicas") < wanted
            || n("/status/replicas") > wanted)
}

/// What in a Deployment leaves a gap between old and new pods: the field, and why.
fn gaps(deployment: &Value) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let wanted = int_at(deployment, "/spec/replicas").unwrap_or(1);
    if str_at(deployment, "/spec/strategy/type") == "Recreate" {
        all.push((
            "spec.strategy.type",
            "strategy Recreate: every old pod goes before the first new one starts".to_owned(),
        ));
    }
    let most = unavailable(deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable"), wanted);
    if most >= wanted && wanted > 0 && str_at(deployment, "/spec/strategy/type") != "Recreate" {
        all.push((
            "spec.strategy.rollingUpdate.maxUnavailable",
            format!("maxUnavailable lets all {wanted} pods go at once"),
        ));
    }
    let template = list_at(deployment, "/spec/template/spec/containers");
    if template.iter().all(|c| c.get("readinessProbe").is_none()) {
        let text = "no readiness probe: a new pod counts as Ready before it serves";
        all.push(("spec.template.spec.containers[].readinessProbe", text.to_owned()));
    }
    if let Some(first) = template.first().filter(|_| template.iter().all(|c| c.pointer("/lifecycle/preStop").is_none()))
    {
        let text = format!(
            "container {} has no preStop: it may end while requests are still sent to it",
            str_at(first, "/name")
        );
        all.push(("spec.template.spec.containers[].lifecycle.preStop", text));
    }
    all
}

/// Pods that may be missing: a share is rounded down (Deployment controller), 25% where nothing is said.
fn unavailable(field: Option<&Value>, wanted: i64) -> i64 {
    match field {
        Some(Value::Number(n)) => n.as_i64().unwrap_or_default(),
        Some(Value::String(text)) => text.trim_end_matches('%').parse::<i64>().unwrap_or_default() * wanted / 100,
        _ => wanted * 25 / 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(unavailable(None, 3), 0);
        assert_eq!(unavailable(Some(&json!("50%")), 3), 1);
        assert_eq!(unavailable(Some(&json!(2)), 3), 2);
    }

    #[test]
    fn a_careful_deployment_leaves_no_gap() {
        let with = |strategy: Value, container: Value| {
            gaps(&json!({"spec": {"replicas": 2, "strategy": strategy,
            "template": {"spec": {"containers": [container]}}}}))
            .len()
        };
        let careful = json!({"name": "app", "readinessProbe": {}, "lifecycle": {"preStop": {}}});
        assert_eq!(with(json!({"rollingUpdate": {"maxUnavailable": 0}}), careful.clone()), 0);
        assert_eq!(with(json!({"type": "Recreate"}), careful.clone()), 1);
        assert_eq!(with(json!({}), json!({"name": "app"})), 2);
    }
}
