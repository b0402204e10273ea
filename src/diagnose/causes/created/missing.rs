//! Pods that name what is not there, and pods refused for a reason of their own.
//!
//! ## rs-failed-create-sa
//! **You see.** `0/3` and no pods.
//! **Why.** The ServiceAccount does not exist.
//! **How kokpit knows.** `error looking up service account`.
//! **Looks alike.** A sync wave that brings it later.
//! **Mend it.** Git: add it, or correct `serviceAccountName`.
//!
//! ## rs-failed-create-class
//! **You see.** `0/3` and no pods.
//! **Why.** The PriorityClass or RuntimeClass that the pod names does not exist.
//! **How kokpit knows.** `no PriorityClass with name … was found`, `RuntimeClass "…" not found`; the classes that exist
//! are listed.
//! **Looks alike.** A sync wave that brings the class later: the controller tries again by itself.
//! **Mend it.** Git: add the class, or correct `priorityClassName` or `runtimeClassName`.
//!
//! ## rs-failed-create-ns-terminating
//! **You see.** Nothing can be created in a namespace; workloads in it get no pods.
//! **Why.** The namespace is being deleted, and something keeps that from ending.
//! **How kokpit knows.** `because it is being terminated`; the namespace's conditions say what is left and which finalizers
//! or API services hold it.
//! **Looks alike.** Other refusals name a quota or a policy.
//! **Mend it.** Let the controller that owns the finalizers finish, or bring back the API service that cannot be listed;
//! then make the namespace anew.
//!
//! ## rs-failed-create-invalid
//! **You see.** `0/3` and no pods.
//! **Why.** The API server refuses the pods as invalid, or for a reason that has no page of its own.
//! **How kokpit knows.** The API server's words.
//! **Looks alike.** The more telling causes of this family win when the message has their words.
//! **Mend it.** By the message.

use super::{WORKLOADS, refusal};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, name, str_at};
use crate::world::time::human;

causes! { "missing.rs";
    "rs-failed-create-sa" "the ServiceAccount does not exist" Degraded WORKLOADS account;
    "rs-failed-create-class" "the PriorityClass or RuntimeClass does not exist" Degraded WORKLOADS class;
    "rs-failed-create-ns-terminating" "the namespace is being deleted and takes nothing new" Outage WORKLOADS terminating;
    "rs-failed-create-invalid" "the API server refuses the pods" Outage WORKLOADS invalid;
}

fn account(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-sa")? else { return Ok(Vec::new()) };
    let wanted = refusal.between("serviceaccount \"", "\"").unwrap_or_default();
    let at = SERVICEACCOUNTS.at(&suspect.at.namespace, wanted);
    let m = there_by_now(case, &at, refusal.found(suspect, &suspect.at))?;
    let live = format!("kubectl -n {} create serviceaccount {wanted}", at.namespace);
    let field = "spec.template.spec.serviceAccountName";
    Ok(vec![m.fix(case.fix(suspect.object, field, format!("create {at}, or name one that exists"), live)?)])
}

/// Evidence on an object that the refusal misses: it is still not there, or has come since.
fn there_by_now(case: &Case<'_>, at: &ObjectRef, m: Match) -> Fact<Match> {
    Ok(match case.get(at).known()? {
        Some(Some(object)) => {
            let text =
                format!("{at} exists since {}; the controller tries again by itself", human(case.age_of(object)));
            m.confidence(Confidence::Medium).evidence(at, "metadata.creationTimestamp", "", text)
        }
        Some(None) => m.evidence(at, "", "", format!("{at} does not exist")),
        None => m,
    })
}

fn class(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-class")? else { return Ok(Vec::new()) };
    let (kind, wanted, field) = match refusal.between("no PriorityClass with name ", " was found") {
        Some(wanted) => (PRIORITYCLASSES, wanted, "spec.template.spec.priorityClassName"),
        None => {
            let wanted = refusal.between("RuntimeClass \"", "\"").unwrap_or_default();
            (RUNTIMECLASSES, wanted, "spec.template.spec.runtimeClassName")
        }
    };
    let at = kind.at("", wanted);
    let mut m = there_by_now(case, &at, refusal.found(suspect, &suspect.at))?;
    let all = case.list(kind, None).known()?.unwrap_or_default();
    let mut others: Vec<&str> =
        all.into_iter().map(name).filter(|n| *n != wanted && !n.starts_with("system-")).collect();
    others.sort_unstable();
    if !others.is_empty() {
        m = m.evidence(&suspect.at, "", "", format!("{} that exist: {}", kind.plural, others.join(", ")));
    }
    Ok(vec![m.fix(case.fix(suspect.object, field, format!("create {at}, or name one that exists"), "")?)])
}

fn terminating(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-ns-terminating")? else { return Ok(Vec::new()) };
    let at = NAMESPACES.at("", &suspect.at.namespace);
    let mut m = refusal.found(suspect, &at);
    let Some(object) = case.get(&at).known()?.flatten() else { return Ok(vec![m]) };
    if let Some(age) = case.age(str_at(object, "/metadata/deletionTimestamp")) {
        m = m.evidence_aged(&at, "metadata.deletionTimestamp", "", Some(age), format!("deleted {} ago", human(age)));
    }
    // What holds a namespace stands in conditions that are True (kubernetes `pkg/controller/namespace/deletion`).
    for c in list_at(object, "/status/conditions").iter().filter(|c| str_at(c, "/status") == "True") {
        let (kind, message) = (str_at(c, "/type"), str_at(c, "/message"));
        m = m.evidence(&at, &format!("status.conditions[{kind}]"), str_at(c, "/reason"), format!("{kind}: {message}"));
    }
    Ok(vec![m.fix(case.fix(
        object,
        "metadata",
        "let the controllers finish that own the finalizers named, then make the namespace anew",
        format!("kubectl get namespace {} -o jsonpath='{{.status.conditions}}'", at.name),
    )?)])
}

fn invalid(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(refusal) = refusal(case, suspect, "rs-failed-create-invalid")? else { return Ok(Vec::new()) };
    let m = refusal.found(suspect, &suspect.at);
    Ok(vec![m.fix(case.fix(suspect.object, "spec.template", "mend what the message names in the pod template", "")?)])
}
