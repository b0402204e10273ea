//! Pods that a rule refuses: a webhook, an admission policy, Pod Security, a LimitRange.
//!
//! ## rs-failed-create-webhook-down
//! **You see.** No new pods in many namespaces.
//! **Why.** An admission webhook with `failurePolicy: Fail` does not answer.
//! **How kokpit knows.** `failed calling webhook "…"`; the webhook's Service is looked at next and its trouble is the reason.
//! **Looks alike.** `rs-failed-create-webhook-denied`: it answers, and says no.
//! **Mend it.** Bring the webhook's backend back; in need set `failurePolicy: Ignore`.
//!
//! ## rs-failed-create-webhook-denied
//! **You see.** `0/3` and no pods.
//! **Why.** An admission webhook (a policy engine, mostly) refuses the pod.
//! **How kokpit knows.** `admission webhook "…" denied the request`, with the policy's own words.
//! **Looks alike.** `rs-failed-create-webhook-down`: it does not answer at all. `rs-failed-create-vap`.
//! **Mend it.** Git: the field that the message names, or an exception of the policy.
//!
//! ## rs-failed-create-vap
//! **You see.** `0/3` and no pods.
//! **Why.** A ValidatingAdmissionPolicy refuses the pod.
//! **How kokpit knows.** `ValidatingAdmissionPolicy '…' with binding '…' denied request`; its rule is looked up.
//! **Looks alike.** `rs-failed-create-webhook-denied`: a program outside the API server said no.
//! **Mend it.** Git: what the policy's message names; or the binding's `matchResources`.
//!
//! ## rs-failed-create-psa
//! **You see.** `0/3` and no pods.
//! **Why.** The namespace enforces a Pod Security level that the pod does not meet.
//! **How kokpit knows.** `violates PodSecurity`; the message names every field.
//! **Looks alike.** `config-run-as-nonroot` (the kubelet refuses, the pod exists).
//! **Mend it.** Git: the security context, or the namespace's label.
//!
//! ## rs-failed-create-limitrange
//! **You see.** `0/3` and no pods.
//! **Why.** A LimitRange of the namespace sets a minimum, a maximum or a ratio that the pod's resources break.
//! **How kokpit knows.** The API server's words name bound and value; the LimitRange that holds this bound is looked up.
//! **Looks alike.** `rs-failed-create-quota` counts the whole namespace, a LimitRange one container or pod.
//! **Mend it.** Git: `resources` of the container, or the LimitRange's `max`, `min` or `maxLimitRequestRatio`.

use super::{Refusal, WORKLOADS, refusal};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use crate::world::quantity::Quantity;
use crate::world::selector::Selector;
use serde_json::Value;

causes! { "policy.rs";
    "rs-failed-create-webhook-down" "an admission webhook that must answer does not" Outage WORKLOADS webhook_down;
    "rs-failed-create-webhook-denied" "an admission webhook refuses the pods" Outage WORKLOADS denied;
    "rs-failed-create-vap" "an admission policy of the API server refuses the pods" Outage WORKLOADS policy;
    "rs-failed-create-psa" "Pod Security refuses the pods" Outage WORKLOADS pod_security;
    "rs-failed-create-limitrange" "a LimitRange refuses the pods" Degraded WORKLOADS limit_range;
}

/// The refusal with the fix that all of these share: what the message names, in the template.
fn mended(case: &Case<'_>, suspect: &Suspect<'_>, m: Match, what: &str) -> Fact<Vec<Match>> {
    Ok(vec![m.fix(case.fix(suspect.object, "spec.template", what, "")?)])
}

fn webhook_down(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-webhook-down")? else { return Ok(Vec::new()) };
    let m = webhook(case, &refusal, refusal.found(suspect, &suspect.at))?;
    Ok(vec![m.fix(case.fix(suspect.object, "", "bring the webhook's backend back", "")?)])
}

/// The webhook's Service, whose trouble is the reason.
fn webhook(case: &Case<'_>, refusal: &Refusal, mut m: Match) -> Fact<Match> {
    let wanted = refusal.between("failed calling webhook \"", "\"").unwrap_or_default();
    for kind in [MUTATINGWEBHOOKS, VALIDATINGWEBHOOKS] {
        for configuration in case.list(kind, None).known()?.unwrap_or_default() {
            for hook in list_at(configuration, "/webhooks").iter().filter(|h| str_at(h, "/name") == wanted) {
                let service = SERVICES
                    .at(str_at(hook, "/clientConfig/service/namespace"), str_at(hook, "/clientConfig/service/name"));
                let port = hook.pointer("/clientConfig/service/port").map_or("443".to_owned(), ToString::to_string);
                m = m.evidence(
                    &ObjectRef::of(configuration),
                    "webhooks[].clientConfig.service",
                    &service.name,
                    format!(
                        "webhook {wanted} is answered by {service}, failurePolicy {}",
                        str_at(hook, "/failurePolicy")
                    ),
                );
                if let Some(Some(object)) = case.get(&service).known()? {
                    m = backends(case, object, m)?;
                }
                m = m.because_all([Lead::to_port(service, &port)]);
            }
        }
    }
    Ok(m)
}

/// Evidence: the workloads behind the webhook's Service.
fn backends(case: &Case<'_>, service: &Value, mut m: Match) -> Fact<Match> {
    let selector = Selector::from_map(service.pointer("/spec/selector").unwrap_or(&Value::Null));
    for workload in kin::workloads(case, namespace(service))? {
        if selector.matches(workload.pointer("/spec/template/metadata/labels")) {
            let ready = int_at(workload, "/status/readyReplicas").unwrap_or_default();
            let text = format!("{} {ready}/{}", name(workload), kin::replicas(workload).unwrap_or_default());
            m = m.evidence(&ObjectRef::of(workload), "status.readyReplicas", &ready.to_string(), text);
        }
    }
    Ok(m)
}

fn denied(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-webhook-denied")? else { return Ok(Vec::new()) };
    let m = refusal.found(suspect, &suspect.at);
    mended(case, suspect, m, "mend what the message names in the pod template, or add an exception to the policy")
}

fn policy(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-vap")? else { return Ok(Vec::new()) };
    let mut m = refusal.found(suspect, &suspect.at);
    let wanted = refusal.between("ValidatingAdmissionPolicy '", "'").unwrap_or_default();
    let at = ADMISSIONPOLICIES.at("", wanted);
    match case.get(&at).known()? {
        Some(Some(object)) => {
            for rule in list_at(object, "/spec/validations") {
                let expression = str_at(rule, "/expression");
                m = m.evidence(
                    &at,
                    "spec.validations[].expression",
                    expression,
                    format!("{wanted} demands: {expression}"),
                );
            }
        }
        Some(None) => {
            let text = format!("{at} does not exist any more; the controller tries again by itself");
            m = m.confidence(Confidence::Medium).evidence(&at, "", "", text);
        }
        None => {}
    }
    mended(case, suspect, m, "mend what the policy demands in the pod template, or exempt it in the policy's binding")
}

fn pod_security(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-psa")? else { return Ok(Vec::new()) };
    let mut m = refusal.found(suspect, &suspect.at);
    let at = NAMESPACES.at("", &suspect.at.namespace);
    if let Some(object) = case.get(&at).known()?.flatten() {
        let level = str_at(object, "/metadata/labels/pod-security.kubernetes.io~1enforce");
        let text = match level {
            "" => "the namespace has no label pod-security.kubernetes.io/enforce: the cluster's default applies"
                .to_owned(),
            level => format!("the namespace enforces {level}"),
        };
        m = m.evidence(&at, "metadata.labels[pod-security.kubernetes.io/enforce]", level, text);
    }
    mended(case, suspect, m, "set the fields that the message names in the pod template's security contexts")
}

fn limit_range(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-limitrange")? else { return Ok(Vec::new()) };
    let mut m = refusal.found(suspect, &suspect.at);
    let ranges = case.list(LIMITRANGES, Some(namespace(suspect.object))).known()?;
    let mut holds = false;
    for bound in bounds(refusal.why()) {
        for range in ranges.iter().flatten() {
            let Some(value) = held_by(range, &bound) else { continue };
            let at = ObjectRef::of(range);
            let text = format!("{at} sets {} {} per {} to {value}", bound.field, bound.resource, bound.kind);
            m = m.evidence(&at, &format!("spec.limits[].{}.{}", bound.field, bound.resource), value, text);
            holds = true;
        }
    }
    if ranges.is_some() && !holds {
        let text = "no LimitRange of the namespace sets that any more; the controller tries again by itself";
        m = m.confidence(Confidence::Medium).evidence(&suspect.at, "", "", text);
    }
    let what = "keep the container's resources within the bound, or change the LimitRange";
    Ok(vec![m.fix(case.fix(suspect.object, "spec.template.spec.containers[].resources", what, "")?)])
}

/// A bound that was broken: field of the LimitRange's item, resource, type, and the value where the message has one.
#[derive(Debug, PartialEq, Eq)]
struct Bound<'m> {
    field: &'static str,
    resource: &'m str,
    kind: &'m str,
    value: &'m str,
}

/// Reads `maximum cpu usage per Container is 1, but limit is 2` and its kin, several of them joined in brackets
/// (kubernetes `plugin/pkg/admission/limitranger/admission.go`).
fn bounds(text: &str) -> Vec<Bound<'_>> {
    let parts = text.trim_start_matches('[').trim_end_matches(']');
    let sentence = |part: &'_ str| part.split_once(" per ").is_some();
    parts.split(", ").filter(|part| sentence(part)).filter_map(bound).collect()
}

fn bound(text: &str) -> Option<Bound<'_>> {
    let (what, rest) = text.split_once(" per ")?;
    let (kind, value) = rest.split_once(" is ")?;
    let value = value.trim_end_matches('.').split(['.', ' ']).next().unwrap_or_default();
    let (field, resource) = match what.split_once(" usage") {
        Some((what, _)) => match what.split_once(' ')? {
            ("maximum", resource) => ("max", resource),
            ("minimum", resource) => ("min", resource),
            _ => return None,
        },
        None => ("maxLimitRequestRatio", what.strip_suffix(" max limit to request ratio")?),
    };
    Some(Bound { field, resource, kind, value })
}

/// The value of a LimitRange that is this bound.
fn held_by<'a>(range: &'a Value, bound: &Bound<'_>) -> Option<&'a str> {
    let items = list_at(range, "/spec/limits").iter().filter(|item| str_at(item, "/type") == bound.kind);
    let values = items.filter_map(|item| item.get(bound.field)?.get(bound.resource)?.as_str());
    values.into_iter().find(|value| Quantity::parse(value) == Quantity::parse(bound.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_rangers_sentences_are_read() {
        let of = |field, resource, kind, value| Bound { field, resource, kind, value };
        assert_eq!(
            bounds(
                "[maximum cpu usage per Container is 1, but limit is 2, minimum memory usage per Pod is 1Gi, but request is 128Mi]"
            ),
            [of("max", "cpu", "Container", "1"), of("min", "memory", "Pod", "1Gi")]
        );
        assert_eq!(
            bounds("minimum memory usage per Container is 64Mi.  No request is specified"),
            [of("min", "memory", "Container", "64Mi")]
        );
        assert_eq!(
            bounds("cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000"),
            [of("maxLimitRequestRatio", "cpu", "Container", "2")]
        );
    }
}
