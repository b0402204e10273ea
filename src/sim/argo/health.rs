//! Health of objects as Argo CD judges it (`gitops-engine/pkg/health`).

use crate::sim::controllers::meta::{condition, is_true};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use serde_json::Value;

/// From best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// As it should be.
    Healthy,
    /// Paused on purpose.
    Suspended,
    /// On its way.
    Progressing,
    /// Not there.
    Missing,
    /// Failed, or not on its way any more.
    Degraded,
}

impl Health {
    /// As written in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Healthy => "Healthy",
            Health::Suspended => "Suspended",
            Health::Progressing => "Progressing",
            Health::Missing => "Missing",
            Health::Degraded => "Degraded",
        }
    }
}

/// The health of a live object; `None` for kinds that have none (ConfigMaps, …).
pub fn of(object: &Value) -> Option<Health> {
    let n = |at: &str| int_at(object, at).unwrap_or(0);
    let stale = n("/status/observedGeneration") < n("/metadata/generation");
    let wanted = int_at(object, "/spec/replicas").unwrap_or(1);
    let progressing = |yes: bool| if yes { Health::Progressing } else { Health::Healthy };
    let no_address = list_at(object, "/status/loadBalancer/ingress").is_empty();
    Some(match str_at(object, "/kind") {
        "Deployment" if bool_at(object, "/spec/paused") => Health::Suspended,
        "Deployment" => match condition(object, "Progressing").map(|c| str_at(c, "/reason")) {
            Some("ProgressDeadlineExceeded") if !stale => Health::Degraded,
            _ => {
                let (updated, available) = (n("/status/updatedReplicas"), n("/status/availableReplicas"));
                progressing(stale || updated < wanted || n("/status/replicas") > updated || available < updated)
            }
        },
        "StatefulSet" => {
            let rolled = str_at(object, "/status/currentRevision") == str_at(object, "/status/updateRevision");
            progressing(stale || n("/status/readyReplicas") < wanted || !rolled)
        }
        "DaemonSet" => {
            let desired = n("/status/desiredNumberScheduled");
            let short = n("/status/updatedNumberScheduled") < desired || n("/status/numberAvailable") < desired;
            progressing(stale || short)
        }
        "Job" if is_true(object, "Failed") => Health::Degraded,
        "Job" => progressing(!is_true(object, "Complete")),
        "Pod" => match str_at(object, "/status/phase") {
            "Failed" => Health::Degraded,
            "Succeeded" => Health::Healthy,
            _ => progressing(!is_true(object, "Ready")),
        },
        "PersistentVolumeClaim" => match str_at(object, "/status/phase") {
            "Bound" => Health::Healthy,
            "Lost" => Health::Degraded,
            _ => Health::Progressing,
        },
        "Ingress" => progressing(no_address),
        "Service" => progressing(str_at(object, "/spec/type") == "LoadBalancer" && no_address),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_is_judged_by_its_numbers_and_its_deadline() {
        let mut d = json!({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2},
            "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}});
        assert_eq!(of(&d), Some(Health::Healthy));
        d["status"]["availableReplicas"] = json!(1);
        assert_eq!(of(&d), Some(Health::Progressing));
        d["status"]["conditions"] =
            json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
        assert_eq!(of(&d), Some(Health::Degraded));
        assert_eq!(of(&json!({"kind": "ConfigMap"})), None);
    }
}
