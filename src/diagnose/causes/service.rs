//! Services that lead nowhere: not there, or without a pod.
//!
//! ## svc-missing
//! **You see.** 503 (404 with Traefik and HAProxy, 500 with Envoy Gateway).
//! **Why.** The Service that a route or an application names does not exist in that namespace.
//! **How kokpit knows.** A look-up. Services of that name in other namespaces are shown.
//! **Looks alike.** `svc-selector-no-pods`: it exists and is empty.
//! **Mend it.** Create (sync) the Service, or correct the name; an Ingress cannot point into another namespace.
//!
//! ## svc-selector-no-pods
//! **You see.** 503; the Service has no endpoints.
//! **Why.** No pod carries the labels of the Service's selector.
//! **How kokpit knows.** The selector is matched against every pod of the namespace; the nearest workload is shown with
//! the labels that differ.
//! **Looks alike.** `workload-scaled-to-zero` (the labels fit, there are no pods), `eps-not-ready-only`.
//! **Mend it.** Live: `kubectl patch svc`. Git: `spec.selector` of the Service, or the labels of the pod template.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::url::backend;
use crate::world::object::{ObjectRef, int_at, name, namespace, str_at};
use crate::world::selector::Selector;
use crate::world::text::count;
use serde_json::Value;

causes! { "service.rs";
    "svc-missing" "the Service does not exist" Outage ["Service"] missing;
    "svc-selector-no-pods" "the Service's selector matches no pod" Outage ["Service"] no_pods;
}

fn missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if suspect.exists() {
        return Ok(Vec::new());
    }
    let all = case.list(SERVICES, None).known()?.unwrap_or_default();
    let elsewhere: Vec<&str> = all.iter().filter(|s| name(s) == suspect.at.name).map(|s| namespace(s)).collect();
    let near: Vec<&str> = all
        .iter()
        .filter(|s| namespace(s) == suspect.at.namespace && super::config::is_near(name(s), &suspect.at.name))
        .map(|s| name(s))
        .collect();
    let mut m = Match::on(&suspect.at, format!("{} does not exist.", suspect.at))
        .evidence(&suspect.at, "", "", format!("{} is not there", suspect.at))
        .because_all(super::config::applications_listing(case, &suspect.at)?);
    if !elsewhere.is_empty() {
        m = m.evidence(&suspect.at, "", "", format!("a Service of that name exists in {}", elsewhere.join(", ")));
    }
    if !near.is_empty() {
        m = m.evidence(&suspect.at, "", "", format!("Services with a similar name: {}", near.join(", ")));
    }
    Ok(vec![m.fix(crate::diagnose::verdict::Fix {
        summary: format!("create {}, or correct the name", suspect.at),
        ..Default::default()
    })])
}

fn external(suspect: &Suspect<'_>) -> bool {
    !suspect.exists() || str_at(suspect.object, "/spec/type") == "ExternalName"
}

fn no_pods(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if external(suspect) || backend::pods(case, suspect.object)?.is_none_or(|(pods, _)| !pods.is_empty()) {
        return Ok(Vec::new());
    }
    let m = nothing(case, suspect.object)?;
    let fitting = fitting(case, suspect.object)?;
    if !fitting.is_empty() {
        // The labels fit: whoever should run these pods has none.
        return Ok(vec![m.because_all(fitting.iter().map(|w| Lead::to(ObjectRef::of(w))))]);
    }
    Ok(vec![compared(case, m, suspect.object)?])
}

/// That a Service selects nothing, with the workload that comes nearest; `None` where a pod carries its labels, where a
/// workload's pods would (it is scaled down, or its own trouble), and where no pods are meant.
pub fn selects_nothing(case: &Case<'_>, service: &Value) -> Fact<Option<Match>> {
    if backend::is_external(service) || backend::pods(case, service)?.is_none_or(|(pods, _)| !pods.is_empty()) {
        return Ok(None);
    }
    let by_hand = backend::endpoints(case, service, None)?.all > 0;
    if by_hand || !fitting(case, service)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(compared(case, nothing(case, service)?, service)?))
}

fn selector_of(service: &Value) -> &Value {
    service.pointer("/spec/selector").unwrap_or(&Value::Null)
}

fn nothing(case: &Case<'_>, service: &Value) -> Fact<Match> {
    let (at, ns) = (ObjectRef::of(service), namespace(service));
    let selector = backend::labels(Some(selector_of(service)));
    let all = case.list(PODS, Some(ns))?.len();
    Ok(Match::on(&at, format!("{at} selects {selector}, which matches no pod."))
        .evidence(&at, "spec.selector", &selector, format!("selector {selector} matches 0 of {all} pods in {ns}"))
        .evidence(&at, "", "0", format!("{at} has 0 endpoints")))
}

/// The workloads whose pods a Service would select.
fn fitting<'a>(case: &Case<'a>, service: &Value) -> Fact<Vec<&'a Value>> {
    let selector = Selector::from_map(selector_of(service));
    let workloads = kin::workloads(case, namespace(service))?;
    Ok(workloads.into_iter().filter(|w| selector.matches(w.pointer("/spec/template/metadata/labels"))).collect())
}

/// Evidence of the workload that a Service may mean, and the cure.
fn compared(case: &Case<'_>, mut m: Match, service: &Value) -> Fact<Match> {
    let workloads = kin::workloads(case, namespace(service))?;
    let Some(near) = nearest(selector_of(service), &workloads, name(service)) else { return Ok(m) };
    m = labelled(case, m, service, near)?;
    let has = differing(selector_of(service), near).join(",");
    for pod in kin::pods_of(case, near)?.into_iter().take(1).filter(|p| crate::diagnose::pods::is_true(p, "Ready")) {
        let text = format!("{} is Ready and carries {has}", name(pod));
        m = m.evidence(&ObjectRef::of(pod), "metadata.labels", &has, text);
    }
    Ok(m)
}

/// Evidence of the labels that a workload gives its pods where a Service selects others, and the cure.
pub fn labelled(case: &Case<'_>, m: Match, service: &Value, workload: &Value) -> Fact<Match> {
    let at = ObjectRef::of(workload);
    let differing = differing(selector_of(service), workload);
    let has = differing.join(",");
    let ready = int_at(workload, "/status/readyReplicas").and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    let text = format!("{at} runs {} with {has}", count(ready, "Ready pod"));
    let patch: Vec<String> = differing
        .iter()
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| if v.is_empty() { format!("\"{k}\":null") } else { format!("\"{k}\":\"{v}\"") })
        .collect();
    let live = format!(
        "kubectl -n {} patch svc {} -p '{{\"spec\":{{\"selector\":{{{}}}}}}}'",
        namespace(service),
        name(service),
        patch.join(",")
    );
    let what = format!("let the selector say {has}, as {at} labels its pods");
    Ok(m.evidence(&at, "spec.template.metadata.labels", &has, text).fix(case.fix(
        service,
        "spec.selector",
        what,
        live,
    )?))
}

/// The labels of a workload's pods that are others than a selector wants: `app=web`, `tier=` where there is none.
fn differing(selector: &Value, workload: &Value) -> Vec<String> {
    let labels = workload.pointer("/spec/template/metadata/labels");
    let of = |key: &str| labels.and_then(|l| l.get(key));
    let wanted = selector.as_object().into_iter().flatten().filter(|(k, v)| of(k) != Some(*v));
    wanted.map(|(k, _)| format!("{k}={}", of(k).and_then(Value::as_str).unwrap_or_default())).collect()
}

/// The workload whose labels come nearest to a selector: the one that shares most labels, else the one whose name or
/// label value is like the wanted one.
fn nearest<'a>(selector: &Value, workloads: &[&'a Value], service: &str) -> Option<&'a Value> {
    let wanted = selector.as_object()?;
    let score = |w: &Value| {
        let labels = w.pointer("/spec/template/metadata/labels")?.as_object()?;
        let equal = wanted.iter().filter(|(k, v)| labels.get(*k) == Some(*v)).count();
        let alike = wanted
            .iter()
            .filter(|(k, v)| match (labels.get(*k).and_then(Value::as_str), v.as_str()) {
                (Some(has), Some(want)) if has != want => {
                    has.contains(want) || want.contains(has) || super::config::distance(has, want) <= 2
                }
                _ => false,
            })
            .count();
        let named = usize::from(name(w) == service || name(w).starts_with(&format!("{service}-")));
        let total = equal * 3 + alike * 2 + named * 2;
        let shares = wanted.keys().any(|k| labels.contains_key(k));
        (total > 0 && shares).then_some(total)
    };
    let scored = workloads.iter().copied().filter_map(|w| Some((score(w)?, w)));
    scored.max_by_key(|(score, _)| *score).map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_workload_is_the_one_that_shares_labels_or_spelling() {
        let workload = |name: &str, labels: Value| json!({"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": labels}}}});
        let (web, cart) = (workload("shop-web", json!({"app": "shop-web"})), workload("cart", json!({"app": "cart"})));
        let wanted = json!({"app": "shop"});
        let near = nearest(&wanted, &[&cart, &web], "shop").unwrap();
        assert_eq!((name(near), differing(&wanted, near)), ("shop-web", vec!["app=shop-web".to_owned()]));
        assert!(nearest(&json!({"app": "ledger"}), &[&cart], "ledger").is_none(), "nothing is like it");
    }
}
