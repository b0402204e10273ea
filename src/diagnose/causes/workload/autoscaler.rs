//! HorizontalPodAutoscalers that cannot scale.
//!
//! ## hpa-no-metrics
//! **You see.** `<unknown>` as target; the workload is not scaled.
//! **Why.** The autoscaler gets no metrics: no metrics server or adapter answers, or a container has no request for the
//! resource whose use it should compare with it.
//! **How kokpit knows.** Condition ScalingActive (or AbleToScale) is False with a reason such as FailedGetResourceMetric,
//! and its message.
//! **Looks alike.** ScalingLimited says that the minimum or maximum was reached; ScalingDisabled that replicas is 0.
//! **Mend it.** Bring the metrics API back, or give every container the request. Git: `resources.requests`.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::condition;
use crate::world::object::{ObjectRef, list_at, str_at};
use serde_json::Value;

causes! { "autoscaler.rs";
    "hpa-no-metrics" "the autoscaler gets no metrics, so it does not scale" Degraded ["HorizontalPodAutoscaler", "Deployment", "StatefulSet"] no_metrics;
}

fn no_metrics(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let own = suspect.at.kind == "HorizontalPodAutoscaler";
    let hpa = match own {
        true => Some(suspect.object),
        // Of a workload it is only true beside its other troubles; nobody but who asked about it wants to know.
        false if suspect.asked && suspect.exists() => kin::autoscaler_of(case, suspect.object).known()?.flatten(),
        false => None,
    };
    let Some(hpa) = hpa else { return Ok(Vec::new()) };
    let Some(c) = failing(hpa) else { return Ok(Vec::new()) };
    let at = ObjectRef::of(hpa);
    let (kind, reason, message) = (str_at(c, "/type"), str_at(c, "/reason"), str_at(c, "/message"));
    let target = format!("{} {}", str_at(hpa, "/spec/scaleTargetRef/kind"), str_at(hpa, "/spec/scaleTargetRef/name"));
    let mut m = Match::on(&at, format!("{at} does not scale {target}: {message}")).evidence_aged(
        &at,
        &format!("status.conditions[{kind}]"),
        reason,
        case.age(str_at(c, "/lastTransitionTime")),
        format!("{kind} False, {reason}: {message}"),
    );
    for metric in list_at(hpa, "/spec/metrics") {
        m = m.evidence(&at, "status.currentMetrics", "", target_in_words(metric));
    }
    if let Some(api) = api_of(reason, message) {
        m = m.because(ObjectRef::new("apiregistration.k8s.io", "APIService", "", api));
    }
    let (what, live) = match message.contains("missing request for") {
        true => ("give every container of the pods a request for that resource", ""),
        false => (
            "bring back what serves the metrics (metrics-server or another adapter)",
            "kubectl get apiservices | grep metrics",
        ),
    };
    let m = m.fix(case.fix(hpa, "spec.metrics", what, live)?);
    Ok(vec![if own { m } else { m.aside() }])
}

/// The condition that says that there are no metrics (kubernetes `pkg/controller/podautoscaler/horizontal.go`).
/// ScalingDisabled, with replicas at 0, is no failure.
fn failing(hpa: &Value) -> Option<&Value> {
    let says_no = |kind| condition(hpa, kind).filter(|c| str_at(c, "/status") == "False");
    says_no("AbleToScale")
        .filter(|c| str_at(c, "/reason").starts_with("FailedGet"))
        .or_else(|| says_no("ScalingActive").filter(|c| str_at(c, "/reason") != "ScalingDisabled"))
}

/// `cpu <unknown> of 80 %`.
fn target_in_words(metric: &Value) -> String {
    let kind = str_at(metric, "/type");
    let source = metric
        .as_object()
        .into_iter()
        .flatten()
        .find_map(|(key, value)| (key != "type").then_some(value))
        .unwrap_or(&Value::Null);
    let what = [str_at(source, "/name"), str_at(source, "/metric/name")].into_iter().find(|n| !n.is_empty());
    let wanted = match source.pointer("/target/averageUtilization").and_then(Value::as_i64) {
        Some(percent) => format!("{percent} %"),
        None => [str_at(source, "/target/averageValue"), str_at(source, "/target/value")].concat(),
    };
    format!("{kind} {}: <unknown> of {wanted}", what.unwrap_or("metric"))
}

/// The API that did not answer, where the message speaks of one.
fn api_of(reason: &str, message: &str) -> Option<&'static str> {
    let silent = ["unable to handle the request", "could not find the requested resource", "no metrics returned"];
    if !silent.iter().any(|words| message.contains(words)) {
        return None;
    }
    Some(match reason {
        "FailedGetExternalMetric" => "v1beta1.external.metrics.k8s.io",
        "FailedGetPodsMetric" | "FailedGetObjectMetric" => "v1beta1.custom.metrics.k8s.io",
        _ => "v1beta1.metrics.k8s.io",
    })
}
