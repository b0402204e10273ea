//! Argo CD: the health of an Application.
//!
//! ## argo-health-degraded-child
//! **You see.** Degraded, or Progressing that does not end.
//! **Why.** One of its workloads is in trouble.
//! **How kokpit knows.** The workloads of `status.resources` are looked at themselves, and their cause is the reason.
//! **Looks alike.** `argo-controller-stale`: the status is old. `argo-health-progressing-forever`.
//! **Mend it.** Mend the workload.
//!
//! ## argo-health-progressing-forever
//! **You see.** Progressing for good although everything works.
//! **Why.** An object never reports what Argo CD waits for: an Ingress or a LoadBalancer without an address, a claim that
//! is not bound, a Job that runs, a StatefulSet whose update stalls.
//! **How kokpit knows.** Argo CD's health rules, evaluated for those objects.
//! **Looks alike.** `argo-health-degraded-child`. A site that is down has another reason than a missing address.
//! **Mend it.** Ingress: let the controller publish its address (Traefik: `publishedService`). Else a health override in
//! `argocd-cm`, or `argocd.argoproj.io/ignore-healthcheck: "true"` on the object.
//!
//! ## argo-health-unknown
//! **You see.** Health Unknown.
//! **Why.** The health of an object cannot be computed (a health script fails), or the Application's spec is invalid.
//! **How kokpit knows.** ComparisonError `error setting app health`, an object with health Unknown, or the reason that
//! stands beside it.
//! **Looks alike.** `argo-invalid-project`, `argo-cluster-unreachable`: there it follows from them.
//! **Mend it.** The script in `argocd-cm` (`resource.customizations.health.…`), or the spec.
//!
//! ## argo-app-of-apps-no-wait
//! **You see.** Child Applications start at once although they are in waves; the later one fails for want of the earlier.
//! **Why.** Applications have no health check of their own by default: a parent's wave does not wait for its children.
//! **How kokpit knows.** Children in several waves, an earlier and a later one in trouble, and no health check for
//! Application in `argocd-cm`.
//! **Looks alike.** `argo-sync-wave-health` (there the wave does wait).
//! **Mend it.** `resource.customizations.health.argoproj.io_Application` in `argocd-cm`.

use super::{condition, elsewhere, home, in_git, operation, reference, settings};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::git::application_of;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, str_at};
use serde_json::Value;

causes! { "health.rs";
    "argo-health-degraded-child" "one of the Application's workloads is in trouble" Outage ["Application"] degraded;
    "argo-health-progressing-forever" "an object never reports what Argo CD waits for" Nuisance ["Application"] progressing;
    "argo-health-unknown" "the health cannot be computed" Degraded ["Application"] unknown;
    "argo-app-of-apps-no-wait" "waves do not wait for child Applications" Degraded ["Application"] no_wait;
}

fn degraded(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let health = str_at(app, "/status/health/status");
    if !matches!(health, "Degraded" | "Progressing" | "Missing") {
        return Ok(Vec::new());
    }
    let far = elsewhere(app);
    let mut leads = Vec::new();
    let mut unseen = 0;
    let mut m = Match::on(&suspect.at, format!("Its health is {health}: a workload of it is in trouble."));
    for resource in list_at(app, "/status/resources") {
        let at = reference(resource);
        if !kin::WORKLOADS.contains(&at.kind.as_str()) {
            continue;
        }
        let object = match case.get_in(far, &at).known()? {
            None => {
                unseen += 1;
                continue;
            }
            Some(None) => {
                m = m.evidence(&at, "", "", format!("{at} does not exist"));
                continue;
            }
            Some(Some(object)) => object,
        };
        let ready = int_at(object, "/status/readyReplicas").unwrap_or_default();
        if let Some(wanted) = kin::replicas(object).filter(|wanted| ready < *wanted) {
            m = m.evidence(&at, "status.readyReplicas", &ready.to_string(), format!("{at}: {ready} of {wanted} ready"));
            leads.push(Lead::across(far, at));
        }
    }
    if leads.is_empty() && health != "Degraded" {
        return Ok(Vec::new());
    }
    let message = str_at(app, "/status/health/message");
    let since = case.age(str_at(app, "/status/health/lastTransitionTime"));
    m = m.evidence_aged(&suspect.at, "status.health", health, since, format!("{health} {message}"));
    if let Some(cluster) = far {
        let which = if unseen > 0 { "could not be read" } else { "were read there" };
        m = m.evidence(
            &suspect.at,
            "spec.destination",
            cluster,
            format!("its workloads live in cluster {cluster} and {which}"),
        );
        m = m.fix(Fix { summary: format!("ask in cluster {cluster} why they are not ready"), ..Fix::default() });
    }
    Ok(vec![m.because_all(leads).because_cause("argo-sync-").because_cause("argo-hook-")])
}

/// Seconds for which an Application may be Progressing.
const PATIENCE_S: i64 = 600;
/// Objects that are looked at; a request each.
const MOST: usize = 20;

fn progressing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let since = case.age(str_at(app, "/status/health/lastTransitionTime"));
    if str_at(app, "/status/health/status") != "Progressing" || since.is_some_and(|s| s < PATIENCE_S) {
        return Ok(Vec::new());
    }
    let far = elsewhere(app);
    let known = |r: &&Value| !matches!(str_at(r, "/health/status"), "Healthy" | "Suspended") && !bool_at(r, "/hook");
    let mut found = Vec::new();
    let waits = |kind: &str| matches!(kind, "Ingress" | "Service" | "PersistentVolumeClaim" | "Job" | "StatefulSet");
    let entries = list_at(app, "/status/resources").iter().filter(known).filter(|r| waits(str_at(r, "/kind")));
    for at in entries.map(reference).take(MOST) {
        let Some(Some(object)) = case.get_in(far, &at).known()? else { continue };
        let Some((path, lacks)) = never_healthy(object) else { continue };
        let on = if far.is_some() { &suspect.at } else { &at };
        let m = Match::on(on, format!("The Application stays Progressing because {at} {lacks}."))
            .evidence_aged(&suspect.at, "status.health.status", "Progressing", since, "Progressing")
            .evidence(&at, path, "", format!("{at} {lacks}"))
            .fix(in_git(
                app,
                "let its controller report it; or a health override in argocd-cm, or ignore-healthcheck on the object",
                "metadata.annotations[argocd.argoproj.io/ignore-healthcheck]",
                "",
            ));
        let deeper = matches!(at.kind.as_str(), "PersistentVolumeClaim" | "Job" | "StatefulSet");
        found.push(if deeper { m.because_all([Lead::across(far, at)]) } else { m });
    }
    Ok(found)
}

/// What an object lacks to be Healthy, by Argo CD's rules (gitops-engine/pkg/health); the field and words for it.
fn never_healthy(object: &Value) -> Option<(&'static str, &'static str)> {
    let no_address = list_at(object, "/status/loadBalancer/ingress").is_empty();
    match str_at(object, "/kind") {
        "Ingress" if no_address => Some(("status.loadBalancer.ingress", "has no address in its status")),
        "Service" if str_at(object, "/spec/type") == "LoadBalancer" && no_address => {
            Some(("status.loadBalancer.ingress", "has no load balancer"))
        }
        "PersistentVolumeClaim" if str_at(object, "/status/phase") == "Pending" => {
            Some(("status.phase", "is not bound"))
        }
        "Job" if int_at(object, "/status/active").unwrap_or_default() > 0 => Some(("status.active", "still runs")),
        "StatefulSet" if updating(object) => Some(("status.updatedReplicas", "has not finished its update")),
        _ => None,
    }
}

/// A StatefulSet whose update is not through, as far as its partition lets it.
fn updating(object: &Value) -> bool {
    let n = |pointer: &str| int_at(object, pointer).unwrap_or_default();
    let partition = n("/spec/updateStrategy/rollingUpdate/partition");
    match str_at(object, "/spec/updateStrategy/type") {
        "OnDelete" => false,
        _ if partition > 0 => n("/status/updatedReplicas") < n("/spec/replicas") - partition,
        _ => str_at(object, "/status/updateRevision") != str_at(object, "/status/currentRevision"),
    }
}

fn unknown(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let failed =
        condition(app, "ComparisonError").filter(|c| str_at(c, "/message").contains("error setting app health"));
    if str_at(app, "/status/health/status") != "Unknown" && failed.is_none() {
        return Ok(Vec::new());
    }
    let since = case.age(str_at(app, "/status/health/lastTransitionTime"));
    let said = str_at(app, "/status/health/message");
    let mut m = Match::on(&suspect.at, "Its health is Unknown: it could not be computed.").evidence_aged(
        &suspect.at,
        "status.health",
        "Unknown",
        since,
        format!("health Unknown {said}"),
    );
    if let Some(failed) = failed {
        let message = str_at(failed, "/message");
        m = m.evidence(&suspect.at, "status.conditions[ComparisonError]", message, message);
    }
    for entry in list_at(app, "/status/resources").iter().filter(|r| str_at(r, "/health/status") == "Unknown").take(5) {
        let at = reference(entry);
        let said = str_at(entry, "/health/message");
        m = m.evidence(&at, "health", "Unknown", format!("{at}: health Unknown {said}"));
    }
    for cause in
        ["argo-invalid-project", "argo-repo-", "argo-render-error", "argo-multisource-ref", "argo-cluster-unreachable"]
    {
        m = m.because_cause(cause);
    }
    Ok(vec![m.because_cause("argo-reposerver-down").fix(Fix {
        summary: "correct the health script in argocd-cm, or the Application's spec".into(),
        ..Fix::default()
    })])
}

fn no_wait(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let own = waves(app);
    let parent = match () {
        _ if suspect.asked && several(&own) => app,
        _ if in_trouble(app) => match application_of(case, app)? {
            Some(parent) => parent,
            None => return Ok(Vec::new()),
        },
        _ => return Ok(Vec::new()),
    };
    let children = waves(parent);
    if !several(&children) || elsewhere(parent).is_some() {
        return Ok(Vec::new());
    }
    let mut ill = Vec::new();
    for (wave, at) in children {
        if case.get(&at).known()?.flatten().is_some_and(in_trouble) {
            ill.push((wave, at));
        }
    }
    let later =
        |own: &(i64, ObjectRef), first: i64| own.0 > first && (std::ptr::eq(parent, app) || own.1 == suspect.at);
    let Some((first, cause)) = ill.iter().min_by_key(|(wave, _)| *wave).cloned() else { return Ok(Vec::new()) };
    let waiting: Vec<_> = ill.iter().filter(|one| later(one, first)).collect();
    if waiting.is_empty() || checks_applications(settings(case, parent)?) {
        return Ok(Vec::new());
    }
    let at = ObjectRef::of(parent);
    let mut m = Match::on(&at, format!("Its waves do not wait for {cause}: Applications have no health check here."))
        .confidence(Confidence::High)
        .evidence(
            &cause,
            "argocd.argoproj.io/sync-wave",
            &first.to_string(),
            format!("{cause} is in wave {first} and in trouble"),
        );
    for (wave, child) in &waiting {
        m = m.evidence(
            child,
            "argocd.argoproj.io/sync-wave",
            &wave.to_string(),
            format!("{child} is in wave {wave} and was started all the same"),
        );
    }
    let map = CONFIGMAPS.at(home(parent), "argocd-cm");
    m = m
        .evidence(&map, "data", "", "argocd-cm has no resource.customizations.health.argoproj.io_Application")
        .because(cause)
        .fix(Fix {
            summary:
                "give Applications a health check: resource.customizations.health.argoproj.io_Application in argocd-cm"
                    .into(),
            ..Fix::default()
        });
    Ok(vec![waiting.into_iter().fold(m, |m, (_, child)| m.explains(child.clone()))])
}

/// The child Applications of an Application with their waves.
fn waves(app: &Value) -> Vec<(i64, ObjectRef)> {
    let all = list_at(app, "/status/resources").iter().filter(|r| str_at(r, "/kind") == "Application");
    all.map(|r| (int_at(r, "/syncWave").unwrap_or_default(), reference(r)))
        .filter(|(_, at)| APPLICATIONS.is(at))
        .take(MOST)
        .collect()
}

fn several(waves: &[(i64, ObjectRef)]) -> bool {
    waves.iter().any(|(wave, _)| waves.first().is_some_and(|(first, _)| wave != first))
}

fn in_trouble(app: &Value) -> bool {
    matches!(str_at(app, "/status/health/status"), "Degraded" | "Missing" | "Unknown" | "Progressing")
        || matches!(str_at(operation(app), "/phase"), "Failed" | "Error")
}

/// Whether the settings hold a health check for Applications, in the one form or the other.
fn checks_applications(settings: &Value) -> bool {
    let old = str_at(settings, "/resource.customizations");
    settings.get("resource.customizations.health.argoproj.io_Application").is_some()
        || old.contains("argoproj.io/Application") && old.contains("health.lua")
}
