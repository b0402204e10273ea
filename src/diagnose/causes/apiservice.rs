//! API groups that are served by somebody else than the API server.
//!
//! ## apiservice-unavailable
//! **You see.** `kubectl top` fails, an autoscaler has no metrics, a namespace stays Terminating, discovery is slow or
//! incomplete.
//! **Why.** The backend of an aggregated API (metrics-server, an adapter) does not answer, so the group it serves is not
//! there. A namespace cannot be deleted while a group cannot be listed.
//! **How kokpit knows.** Condition Available of the APIService is False; its Service is followed to what is wrong behind
//! it. Autoscalers and namespaces lead here only when their own conditions speak of it.
//! **Looks alike.** A namespace held by finalizers of objects in it. An autoscaler whose pods have no requests.
//! **Mend it.** Bring the backend back; delete the APIService, if its backend was removed for good.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kinds::{APISERVICES, SERVICES};
use crate::diagnose::pods::{condition, is_true};
use crate::world::object::{ObjectRef, int_at, str_at};
use serde_json::Value;

causes! { "apiservice.rs";
    "apiservice-unavailable" "the backend of an aggregated API does not answer" Degraded
        ["APIService", "Namespace", "HorizontalPodAutoscaler"] unavailable;
}

fn unavailable(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let services: Vec<&Value> = match suspect.at.kind.as_str() {
        "APIService" => vec![suspect.object],
        // Listing its objects failed for some group, so the namespace cannot be emptied.
        "Namespace" if is_true(suspect.object, "NamespaceDeletionDiscoveryFailure") => case.list(APISERVICES, None)?,
        "HorizontalPodAutoscaler" => match wanted(suspect.object) {
            Some(api) => case.one(APISERVICES, "", api)?.into_iter().collect(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let broken = services.into_iter().filter_map(|s| Some((s, broken(s)?)));
    broken.map(|(service, said)| describe(case, suspect, service, said)).collect()
}

/// The API that an autoscaler misses, by the reason of its condition ScalingActive (`pkg/controller/podautoscaler`).
fn wanted(autoscaler: &Value) -> Option<&'static str> {
    let reason = condition(autoscaler, "ScalingActive")
        .filter(|c| str_at(c, "/status") == "False")
        .map_or("", |c| str_at(c, "/reason"));
    match reason {
        "FailedGetResourceMetric" | "FailedGetContainerResourceMetric" => Some("v1beta1.metrics.k8s.io"),
        "FailedGetPodsMetric" | "FailedGetObjectMetric" => Some("v1beta1.custom.metrics.k8s.io"),
        "FailedGetExternalMetric" => Some("v1beta1.external.metrics.k8s.io"),
        _ => None,
    }
}

fn broken(service: &Value) -> Option<&Value> {
    condition(service, "Available").filter(|c| str_at(c, "/status") == "False")
}

fn describe(case: &Case<'_>, suspect: &Suspect<'_>, service: &Value, said: &Value) -> Fact<Match> {
    let (at, age) = (ObjectRef::of(service), case.age(str_at(said, "/lastTransitionTime")));
    let (reason, message) = (str_at(said, "/reason"), str_at(said, "/message"));
    let mut m = Match::on(&at, format!("The API {} is not available: {reason}.", at.name)).evidence_aged(
        &at,
        "status.conditions[Available]",
        reason,
        age,
        format!("{reason}: {message}"),
    );
    if suspect.at != at {
        let kind = if suspect.at.kind == "Namespace" { "NamespaceDeletionDiscoveryFailure" } else { "ScalingActive" };
        let own = condition(suspect.object, kind).map_or("", |c| str_at(c, "/message"));
        m = m.evidence(&suspect.at, &format!("status.conditions[{kind}]"), "", own).explains(suspect.at.clone());
    }
    let (ns, backend) = (str_at(service, "/spec/service/namespace"), str_at(service, "/spec/service/name"));
    if !backend.is_empty() {
        let port = int_at(service, "/spec/service/port").unwrap_or(443).to_string();
        m = m.because_all([Lead::to_port(SERVICES.at(ns, backend), &port)]);
    }
    let group = str_at(service, "/spec/group");
    let live = format!("kubectl delete apiservice {}", at.name);
    m = m.fix(case.fix(service, "", "bring its backend back", "")?);
    Ok(m.fix(case.fix(service, "", format!("or, if nothing serves {group} any more, delete the APIService"), live)?))
}
