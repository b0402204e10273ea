//! Pods that are never created: the API server refuses them to their controller.
//!
//! ## rs-failed-create-quota
//! **You see.** `0/3` and no pods.
//! **Why.** A ResourceQuota of the namespace is used up.
//! **How kokpit knows.** Condition ReplicaFailure (or the controller's event) says `exceeded quota`; what is used, what
//! is allowed and who uses most is shown.
//! **Looks alike.** `workload-scaled-to-zero`: no pods are wanted.
//! **Mend it.** Raise the quota, scale something down, lower the requests; `maxSurge: 0` if only the rollout needs room.
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
//! **Why.** An admission webhook or a policy refuses the pod.
//! **How kokpit knows.** `admission webhook "…" denied the request` or `ValidatingAdmissionPolicy '…' … denied request`.
//! **Looks alike.** `rs-failed-create-webhook-down`.
//! **Mend it.** Git: the field that the message names, or an exception of the policy.
//!
//! ## rs-failed-create-psa
//! **You see.** `0/3` and no pods.
//! **Why.** The namespace enforces a Pod Security level that the pod does not meet.
//! **How kokpit knows.** `violates PodSecurity`; the message names every field.
//! **Looks alike.** `config-run-as-nonroot` (the kubelet refuses, the pod exists).
//! **Mend it.** Git: the security context, or the namespace's label.
//!
//! ## rs-failed-create-sa
//! **You see.** `0/3` and no pods.
//! **Why.** The ServiceAccount does not exist.
//! **How kokpit knows.** `error looking up service account`.
//! **Looks alike.** A sync wave that brings it later.
//! **Mend it.** Git: add it, or correct `serviceAccountName`.
//!
//! ## rs-failed-create-invalid
//! **You see.** `0/3` and no pods.
//! **Why.** The API server refuses the pods for another reason: limits, classes, an invalid template.
//! **How kokpit knows.** The API server's words.
//! **Looks alike.** The more telling causes of this family win when the message has their words.
//! **Mend it.** By the message.

use super::{Cause, Severity};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::condition;
use crate::world::object::{ObjectRef, list_at, name, str_at};
use crate::world::quantity::{Quantity, human_cpu};
use serde_json::Value;

const FILE: &str = include_str!("created.rs");

macro_rules! rows {
    ($($id:literal $title:literal;)*) => {
        /// The family's rows.
        pub const CAUSES: &[Cause] = &[
            $(Cause {
                id: $id,
                title: $title,
                severity: Severity::Outage,
                kinds: &["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"],
                file: FILE,
                judge: |case, suspect| refused(case, suspect, $id),
            },)*
        ];
    };
}

rows! {
    "rs-failed-create-quota" "a ResourceQuota refuses the pods";
    "rs-failed-create-webhook-down" "an admission webhook that must answer does not";
    "rs-failed-create-webhook-denied" "an admission webhook or policy refuses the pods";
    "rs-failed-create-psa" "Pod Security refuses the pods";
    "rs-failed-create-sa" "the ServiceAccount does not exist";
    "rs-failed-create-invalid" "the API server refuses the pods";
}

/// Words of the API server's error, the cause they speak for; first match wins.
const WORDS: &[(&str, &[&str])] = &[
    ("rs-failed-create-webhook-down", &["failed calling webhook"]),
    ("rs-failed-create-webhook-denied", &["denied the request", "denied request"]),
    ("rs-failed-create-quota", &["exceeded quota", "failed quota", "insufficient quota"]),
    ("rs-failed-create-psa", &["violates PodSecurity"]),
    ("rs-failed-create-sa", &["error looking up service account"]),
];

/// The controller's latest error and its age: the condition, else its event.
fn error(case: &Case<'_>, object: &Value) -> Fact<Option<(String, Option<i64>)>> {
    if let Some(c) = condition(object, "ReplicaFailure").filter(|c| str_at(c, "/status") == "True") {
        return Ok(Some((str_at(c, "/message").to_owned(), case.age(str_at(c, "/lastTransitionTime")))));
    }
    if matches!(str_at(object, "/kind"), "Deployment" | "ReplicaSet") {
        return Ok(None);
    }
    let event = case.event_with(object, &["FailedCreate"], "")?;
    // An event that is older than the last pod made since proves nothing.
    Ok(event.filter(|e| e.last.age(case.now()) < 900).map(|e| (e.message.to_owned(), Some(e.last.age(case.now())))))
}

fn refused(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let Some((message, age)) = error(case, suspect.object)? else { return Ok(Vec::new()) };
    let said = WORDS.iter().find(|(_, words)| words.iter().any(|w| message.contains(w)));
    if said.map_or("rs-failed-create-invalid", |(id, _)| id) != id {
        return Ok(Vec::new());
    }
    let quota = message.split_once("quota: ").and_then(|(_, rest)| rest.split([',', ':']).next());
    let at = match (id, quota) {
        ("rs-failed-create-quota", Some(quota)) => QUOTAS.at(&suspect.at.namespace, quota.trim()),
        _ => suspect.at.clone(),
    };
    let cause = message.split_once(" is forbidden: ").map_or(message.as_str(), |(_, rest)| rest);
    let mut m = Match::on(&at, format!("The API server refuses the pods of {}: {cause}", suspect.at)).evidence_aged(
        &suspect.at,
        "status.conditions[ReplicaFailure]",
        &message,
        age,
        &message,
    );
    match id {
        "rs-failed-create-quota" => m = usage(case, &at, &message, m)?,
        "rs-failed-create-webhook-down" => m = webhook(case, &message, m)?,
        _ => {}
    }
    let (what, live, field) = match id {
        "rs-failed-create-quota" => (
            "raise the quota, scale something down, or lower the requests",
            format!("kubectl -n {} edit resourcequota {}", at.namespace, at.name),
            "spec.hard",
        ),
        "rs-failed-create-webhook-down" => ("bring the webhook's backend back", String::new(), ""),
        _ => ("mend what the message names in the pod template", String::new(), "spec.template"),
    };
    let object = case.get(&at).known()?.flatten().unwrap_or(suspect.object);
    Ok(vec![m.fix(case.fix(object, field, what, live)?)])
}

/// Evidence: what is requested and used of the quota, and the workload that uses most.
fn usage(case: &Case<'_>, at: &ObjectRef, message: &str, mut m: Match) -> Fact<Match> {
    let part = |word: &str| {
        let rest = message.split_once(&format!("{word}: ")).map_or("", |(_, rest)| rest);
        rest.split(": ")
            .next()
            .unwrap_or_default()
            .split(", ")
            .next()
            .unwrap_or_default()
            .split('=')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (requested, used, limited) = (part("requested"), part("used"), part("limited"));
    let ([resource, wants], [_, used], [_, limit]) = (requested.as_slice(), used.as_slice(), limited.as_slice()) else {
        return Ok(m);
    };
    m = m.evidence(
        at,
        &format!("status.used[{resource}]"),
        used,
        format!("{resource}: requested {wants}, used {used} of {limit}"),
    );
    let Some(key) = resource.strip_prefix("requests.") else { return Ok(m) };
    let mut most: Vec<(i64, usize, i64, &str)> = Vec::new();
    for workload in kin::workloads(case, &at.namespace)? {
        let each: i64 = list_at(workload, "/spec/template/spec/containers")
            .iter()
            .filter_map(|c| Quantity::parse(str_at(c, &format!("/resources/requests/{key}"))))
            .map(Quantity::milli)
            .sum();
        let pods = kin::pods_of(case, workload)?.len();
        most.push((each * i64::try_from(pods).unwrap_or(0), pods, each, name(workload)));
    }
    if let Some((total, pods, each, who)) = most.into_iter().max().filter(|(total, ..)| *total > 0 && key == "cpu") {
        let text = format!("top consumer {who} {} ({pods} x {each}m)", human_cpu(total));
        m = m.evidence(at, "", who, text);
    }
    Ok(m)
}

/// The webhook's Service, whose trouble is the reason.
fn webhook(case: &Case<'_>, message: &str, mut m: Match) -> Fact<Match> {
    let wanted = message
        .split_once("failed calling webhook \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or_default();
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
    let selector =
        crate::world::selector::Selector::from_map(service.pointer("/spec/selector").unwrap_or(&Value::Null));
    for workload in kin::workloads(case, crate::world::object::namespace(service))? {
        if selector.matches(workload.pointer("/spec/template/metadata/labels")) {
            let ready = crate::world::object::int_at(workload, "/status/readyReplicas").unwrap_or_default();
            let text = format!("{} {ready}/{}", name(workload), kin::replicas(workload).unwrap_or_default());
            m = m.evidence(&ObjectRef::of(workload), "status.readyReplicas", &ready.to_string(), text);
        }
    }
    Ok(m)
}
