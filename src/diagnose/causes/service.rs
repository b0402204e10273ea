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
use crate::diagnose::finding::{Match, Suspect};
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
    if external(suspect) {
        return Ok(Vec::new());
    }
    let Some((pods, _)) = backend::pods(case, suspect.object)? else { return Ok(Vec::new()) };
    if !pods.is_empty() {
        return Ok(Vec::new());
    }
    let ns = namespace(suspect.object);
    let map = suspect.object.pointer("/spec/selector").unwrap_or(&Value::Null);
    let selector = backend::labels(Some(map));
    let all = case.list(PODS, Some(ns))?.len();
    let mut m = Match::on(&suspect.at, format!("{} selects {selector}, which matches no pod.", suspect.at))
        .evidence(
            &suspect.at,
            "spec.selector",
            &selector,
            format!("selector {selector} matches 0 of {all} pods in {ns}"),
        )
        .evidence(&suspect.at, "", "0", format!("{} has 0 endpoints", suspect.at));
    let workloads = kin::workloads(case, ns)?;
    let template = |w: &'_ Value| w.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default();
    let fitting: Vec<&Value> =
        workloads.iter().copied().filter(|w| Selector::from_map(map).matches(Some(&template(w)))).collect();
    if !fitting.is_empty() {
        // The labels fit: whoever should run these pods has none.
        return Ok(vec![m.because_all(fitting.iter().map(|w| crate::diagnose::finding::Lead::to(ObjectRef::of(w))))]);
    }
    if let Some((near, differing)) = nearest(map, &workloads, &suspect.at.name) {
        let at = ObjectRef::of(near);
        let has = differing.join(",");
        let ready = int_at(near, "/status/readyReplicas").and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        let text = format!("{at} runs {} with {has}", count(ready, "Ready pod"));
        m = m.evidence(&at, "spec.template.metadata.labels", &has, text);
        for pod in kin::pods_of(case, near)?.into_iter().take(1).filter(|p| crate::diagnose::pods::is_true(p, "Ready"))
        {
            m = m.evidence(
                &ObjectRef::of(pod),
                "metadata.labels",
                &has,
                format!("{} is Ready and carries {has}", name(pod)),
            );
        }
        let patch: Vec<String> = differing
            .iter()
            .filter_map(|l| l.split_once('='))
            .map(|(k, v)| if v.is_empty() { format!("\"{k}\":null") } else { format!("\"{k}\":\"{v}\"") })
            .collect();
        let live = format!(
            "kubectl -n {ns} patch svc {} -p '{{\"spec\":{{\"selector\":{{{}}}}}}}'",
            suspect.at.name,
            patch.join(",")
        );
        m = m.fix(case.fix(
            suspect.object,
            "spec.selector",
            format!("let the selector say {has}, as {at} labels its pods"),
            live,
        )?);
    }
    Ok(vec![m])
}

/// The workload whose labels come nearest to a selector, with the labels it has instead: the one that shares most
/// labels, else the one whose name or label value is like the wanted one.
fn nearest<'a>(selector: &Value, workloads: &[&'a Value], service: &str) -> Option<(&'a Value, Vec<String>)> {
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
    let near = workloads.iter().copied().filter_map(|w| Some((score(w)?, w))).max_by_key(|(score, _)| *score)?.1;
    let labels = near.pointer("/spec/template/metadata/labels")?.as_object()?;
    let differing = wanted
        .iter()
        .filter(|(k, v)| labels.get(*k) != Some(*v))
        .map(|(k, _)| format!("{k}={}", labels.get(k).and_then(Value::as_str).unwrap_or_default()))
        .collect();
    Some((near, differing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_nearest_workload_is_the_one_that_shares_labels_or_spelling() {
        let workload = |name: &str, labels: Value| json!({"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": labels}}}});
        let (web, cart) = (workload("shop-web", json!({"app": "shop-web"})), workload("cart", json!({"app": "cart"})));
        let (near, differing) = nearest(&json!({"app": "shop"}), &[&cart, &web], "shop").unwrap();
        assert_eq!((name(near), differing), ("shop-web", vec!["app=shop-web".to_owned()]));
        assert!(nearest(&json!({"app": "ledger"}), &[&cart], "ledger").is_none(), "nothing is like it");
    }
}
