//! Pods that are never created: the API server refuses them to their controller.
//!
//! | file | who refuses |
//! |---|---|
//! | [`quota`] | a ResourceQuota |
//! | [`policy`] | a webhook, an admission policy, Pod Security, a LimitRange |
//! | [`missing`] | nothing refuses: what the pod names is not there, or the namespace goes |
//!
//! The refusal stands in the ReplicaSet's condition ReplicaFailure (copied to its Deployment), for other controllers in
//! an event `FailedCreate` (kubernetes `pkg/controller/controller_utils.go`, `statefulset/stateful_pod_control.go`).

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::index::By;
use crate::diagnose::kin;
use crate::diagnose::kinds::REPLICASETS;
use crate::diagnose::pods::condition;
use crate::world::object::{ObjectRef, str_at};
use crate::world::time::Time;
use serde_json::Value;

pub(super) mod missing;
pub(super) mod policy;
pub(super) mod quota;

/// Kinds whose pods an API server refuses.
const WORKLOADS: [&str; 6] = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Rollout"];

/// Words of the API server's error, the cause they speak for; first match wins. Anything else is
/// `rs-failed-create-invalid`. The words are those of apiserver and of the admission plugins in `plugin/pkg/admission`.
const WORDS: &[(&str, &[&str])] = &[
    ("rs-failed-create-ns-terminating", &["because it is being terminated"]),
    ("rs-failed-create-webhook-down", &["failed calling webhook"]),
    ("rs-failed-create-vap", &["ValidatingAdmissionPolicy '"]),
    ("rs-failed-create-webhook-denied", &["denied the request", "denied request"]),
    ("rs-failed-create-quota", &["exceeded quota"]),
    ("rs-failed-create-quota-unset", &["failed quota"]),
    ("rs-failed-create-quota-scope", &["insufficient quota to", "status unknown for quota"]),
    ("rs-failed-create-psa", &["violates PodSecurity"]),
    ("rs-failed-create-sa", &["error looking up service account"]),
    ("rs-failed-create-class", &["no PriorityClass with name", "RuntimeClass \""]),
    (
        "rs-failed-create-limitrange",
        &[
            " usage per Container is ",
            " usage per Pod is ",
            " usage per PersistentVolumeClaim is ",
            "limit to request ratio per ",
        ],
    ),
];

/// A refusal: the server's words, their age in seconds, and the part of them that says why.
struct Refusal {
    message: String,
    age: Option<i64>,
}

impl Refusal {
    /// What follows `is forbidden:`, or the whole.
    fn why(&self) -> &str {
        self.message.split_once(" is forbidden: ").map_or(&self.message, |(_, why)| why)
    }

    /// The text between two marks.
    fn between(&self, before: &str, after: &str) -> Option<&str> {
        self.message.split_once(before)?.1.split_once(after).map(|(found, _)| found)
    }

    /// A match with the server's words as evidence.
    fn found(&self, suspect: &Suspect<'_>, at: &ObjectRef) -> Match {
        Match::on(at, format!("The API server refuses the pods of {}: {}", suspect.at, self.why())).evidence_aged(
            &suspect.at,
            "status.conditions[ReplicaFailure]",
            &self.message,
            self.age,
            &self.message,
        )
    }
}

/// The refusal of a workload's pods, if it is of this class.
fn refusal(case: &Case<'_>, suspect: &Suspect<'_>, id: &str) -> Fact<Option<Refusal>> {
    let Some(refusal) = latest(case, suspect.object)? else { return Ok(None) };
    let said = WORDS.iter().find(|(_, words)| words.iter().any(|w| refusal.message.contains(w)));
    Ok((said.map_or("rs-failed-create-invalid", |(id, _)| id) == id).then_some(refusal))
}

/// The controller's latest error: the condition, else its event.
fn latest(case: &Case<'_>, object: &Value) -> Fact<Option<Refusal>> {
    if let Some(refusal) = condition_of(case, object) {
        return Ok(Some(refusal));
    }
    match str_at(object, "/kind") {
        "Deployment" | "ReplicaSet" => Ok(None),
        // A Rollout has no such condition, its ReplicaSets have.
        "Rollout" => {
            let (ns, uid) = (str_at(object, "/metadata/namespace"), str_at(object, "/metadata/uid"));
            let own = case.list_by(REPLICASETS, Some(ns), By::Owner, uid).known()?.unwrap_or_default();
            Ok(own.into_iter().find_map(|rs| condition_of(case, rs)))
        }
        _ => event_of(case, object),
    }
}

fn condition_of(case: &Case<'_>, object: &Value) -> Option<Refusal> {
    let c = condition(object, "ReplicaFailure").filter(|c| str_at(c, "/status") == "True")?;
    Some(Refusal { message: str_at(c, "/message").to_owned(), age: case.age(str_at(c, "/lastTransitionTime")) })
}

/// Controllers try again at the latest after about a quarter of an hour; an older event is over.
const RETRY_S: i64 = 1_000;

/// The newest `FailedCreate`, unless a pod has been made since.
fn event_of(case: &Case<'_>, object: &Value) -> Fact<Option<Refusal>> {
    let Some(event) = case.event_with(object, &["FailedCreate"], "")? else { return Ok(None) };
    let age = event.last.age(case.now());
    let pods = kin::pods_of(case, object).known()?.unwrap_or_default();
    let made = |pod: &&Value| Time::parse(str_at(pod, "/metadata/creationTimestamp")).is_some_and(|t| t > event.last);
    let over = age > RETRY_S || pods.iter().any(made);
    Ok((!over).then(|| Refusal { message: event.message.to_owned(), age: Some(age) }))
}
