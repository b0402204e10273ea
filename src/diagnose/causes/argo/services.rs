//! Argo CD: Services that lead nowhere. A Service has no health of its own, so the Application stays Healthy.
//!
//! ## argo-service-no-pods
//! **You see.** Synced and Healthy, and yet nobody reaches one of the Application's Services.
//! **Why.** No pod carries the labels that the Service selects. For Argo CD a Service without pods is Healthy.
//! **How kokpit knows.** The Services of `status.resources` are looked at: the selector fits no pod and no workload's
//! template of the namespace, and nobody made an endpoint by hand. Services whose workload is scaled to zero fit it still;
//! those that Argo Rollouts looks after, and the headless ones by which the control plane's metrics are read, are left out.
//! It is the reason where nothing else is wrong.
//! **Looks alike.** `svc-selector-no-pods`: the Service itself, or a URL that leads there, was asked about.
//! **Mend it.** Git: `spec.selector` of the Service, or the labels of the pod template.

use super::{elsewhere, is_deleted, operation, reference};
use crate::diagnose::causes::service::selects_nothing;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::SERVICES;
use crate::world::object::{list_at, namespace, str_at};
use serde_json::Value;

causes! { "services.rs";
    "argo-service-no-pods" "a Service of the Application selects no pod" Degraded ["Application"] no_pods;
}

/// Services of one Application that are looked at.
const MOST: usize = 20;

fn no_pods(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    // In the middle of a sync the pods may come with the next wave; what lives in another cluster is not listed from here.
    if is_deleted(app) || elsewhere(app).is_some() || str_at(operation(app), "/phase") == "Running" {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let all = list_at(app, "/status/resources").iter().map(reference);
    for at in all.filter(|at| SERVICES.is(at)).take(MOST) {
        let Some(service) = case.get(&at).known()?.flatten().filter(|service| !is_left_out(service)) else { continue };
        let Some(m) = selects_nothing(case, service)? else { continue };
        let text = format!("{} manages {at}; Argo CD looks at no Service's pods", suspect.at);
        found.push(m.evidence(&suspect.at, "status.resources", "", text).aside_unless_alone());
    }
    Ok(found)
}

/// Whether a Service may well be without pods: Argo Rollouts points it at one revision or another, or it is there for
/// metrics of a control plane whose pods a managed cluster does not show.
fn is_left_out(service: &Value) -> bool {
    let of_rollout = service.pointer("/spec/selector").is_some_and(|s| s.get("rollouts-pod-template-hash").is_some());
    of_rollout || (namespace(service) == "kube-system" && str_at(service, "/spec/clusterIP") == "None")
}
