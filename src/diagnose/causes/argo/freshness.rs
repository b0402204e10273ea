//! Argo CD: a status that is old.
//!
//! ## argo-controller-stale
//! **You see.** Synced, and the commit is not there.
//! **Why.** Argo CD's application-controller is down or cannot keep up; every status is old.
//! **How kokpit knows.** Most Applications were last reconciled longer ago than twice the interval. Its pods are looked
//! at next. A repository that the configuration names says which commits it does not know yet.
//! **Looks alike.** `argo-autosync-off`. Under InvalidSpecError the time does not move either.
//! **Mend it.** Mend the controller's pods.
//!
//! ## argo-refresh-pending
//! **You see.** A refresh was asked for and nothing happens.
//! **Why.** Nobody handles the annotation.
//! **How kokpit knows.** `argocd.argoproj.io/refresh` is still there.
//! **Looks alike.** It is a consequence of `argo-controller-stale`.
//! **Mend it.** See there.
//!
//! ## argo-skip-reconcile
//! **You see.** Nothing moves: no comparison, no sync, a status that does not change.
//! **Why.** The annotation `argocd.argoproj.io/skip-reconcile: "true"` stops Argo CD for this Application.
//! **How kokpit knows.** The annotation, and who set it when.
//! **Looks alike.** `argo-controller-stale` (all Applications), `argo-autosync-off` (the status does move).
//! **Mend it.** Remove the annotation.
//!
//! ## argo-webhook-missing-delay
//! **You see.** Synced, and a commit that was just pushed is not there.
//! **Why.** Argo CD asks the repository every two to three minutes unless a webhook tells it.
//! **How kokpit knows.** The repository, where it is configured, has a newer commit for its directory; or another
//! Application of the same repository and revision was compared later, with another commit.
//! **Looks alike.** `argo-controller-stale` (longer than that).
//! **Mend it.** Wait, or ask for a refresh; a webhook of the repository makes it immediate.

use super::{component, condition, in_git, operation, patch_command, revisions, short};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::field_of;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::time::{Time, human};
use crate::world::writers::{Path, Writer, writer_of};
use serde_json::{Value, json};

causes! { "freshness.rs";
    "argo-controller-stale" "Argo CD's controller does not reconcile" Outage ["Application"] stale;
    "argo-refresh-pending" "a refresh was asked for and nobody does it" Degraded ["Application"] refresh_pending;
    "argo-skip-reconcile" "Argo CD is told to skip the Application" Degraded ["Application"] skip_reconcile;
    "argo-webhook-missing-delay" "a newer commit is not compared yet" Nuisance ["Application"] not_compared_yet;
}

/// Shipped `timeout.reconciliation` with its jitter; twice this is stale.
const RECONCILE_S: i64 = 180;

fn stale(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let age = |app: &Value| case.age(str_at(app, "/status/reconciledAt"));
    let Some(mine) = age(suspect.object).filter(|s| *s > 2 * RECONCILE_S) else { return Ok(Vec::new()) };
    if condition(suspect.object, "InvalidSpecError").is_some() || skips(suspect.object) {
        return Ok(Vec::new());
    }
    let apps = case.list(APPLICATIONS, Some(namespace(suspect.object)))?;
    // Under InvalidSpecError the time is absent or frozen; those prove nothing.
    let timed: Vec<i64> =
        apps.iter().filter(|a| condition(a, "InvalidSpecError").is_none()).filter_map(|a| age(a)).collect();
    let old = timed.iter().filter(|s| **s > 2 * RECONCILE_S).count();
    let running = str_at(suspect.object, "/status/operationState/phase") == "Running";
    if old * 2 < timed.len().max(1) || running {
        return Ok(Vec::new());
    }
    let least = timed.iter().filter(|s| **s > 2 * RECONCILE_S).min().copied().unwrap_or(mine);
    let leads = component(case, suspect.object, "application-controller")?;
    if leads.is_empty() && timed.len() < 2 {
        return Ok(Vec::new());
    }
    let sync = suspect.object.pointer("/status/sync").map(revisions).unwrap_or_default();
    let word = str_at(suspect.object, "/status/sync/status");
    Ok(vec![
        Match::on(&suspect.at, format!("Argo CD has not looked at it for {}: its status is old.", human(mine)))
            .confidence(Confidence::High)
            .evidence_aged(
                &suspect.at,
                "status.reconciledAt",
                str_at(suspect.object, "/status/reconciledAt"),
                Some(mine),
                "last reconciled",
            )
            .evidence(&suspect.at, "", "", format!("{old} applications not reconciled for over {} minutes", least / 60))
            .evidence(
                &suspect.at,
                "status.sync.revision",
                sync.first().copied().unwrap_or_default(),
                format!("{word} is old: it speaks of {}", spoken_of(case, suspect.object, &sync)?),
            )
            .because_all(leads),
    ])
}

/// `fleet.git at c4638de, before commit 322ad7e by Mara: payments-api 4.3.0`; of which commits a status speaks, and which
/// is the first that it does not know, where a repository could say.
fn spoken_of(case: &Case<'_>, app: &Value, compared: &[&str]) -> Fact<String> {
    let repo = field_of(app, "").repo;
    let repo = repo.rsplit('/').next().unwrap_or_default();
    let known: Vec<&str> = compared.iter().map(|revision| short(revision)).collect();
    let known = known.join(", ");
    let unseen = match commit(app) {
        Some(commit) => case.commits_after(app, commit)?,
        None => &[],
    };
    Ok(match unseen.last() {
        None => format!("{repo} at {known}, and of no later commit"),
        Some(next) => {
            let more = match unseen.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            let (age, id) = (human(next.time.age(case.now())), next.short());
            format!("{repo} before commit {id} (by {}, {age} ago: {}){more}, at {known}", next.author, next.subject)
        }
    })
}

/// Seconds after which a refresh should have been done.
const REFRESH_S: i64 = 60;

/// Who set an annotation of Argo CD.
fn annotated<'a>(app: &'a Value, annotation: &str) -> Option<Writer<'a>> {
    writer_of(app, &Path::default().key("metadata").key("annotations").key(annotation))
}

fn refresh_pending(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let wanted = str_at(suspect.object, "/metadata/annotations/argocd.argoproj.io~1refresh");
    let age = annotated(suspect.object, "argocd.argoproj.io/refresh").and_then(|w| w.time).map(|t| t.age(case.now()));
    if wanted.is_empty() || age.is_some_and(|age| age < REFRESH_S) {
        return Ok(Vec::new());
    }
    Ok(vec![
        Match::on(&suspect.at, "A refresh was asked for and is still pending.")
            .confidence(if age.is_some() { Confidence::High } else { Confidence::Medium })
            .evidence_aged(
                &suspect.at,
                "metadata.annotations[argocd.argoproj.io/refresh]",
                wanted,
                age,
                "refresh annotation pending",
            )
            .because_cause("argo-controller-stale")
            .because_cause("argo-skip-reconcile"),
    ])
}

/// Whether Argo CD is told to skip an Application; any spelling that Go's `strconv.ParseBool` takes for true.
fn skips(app: &Value) -> bool {
    let value = str_at(app, "/metadata/annotations/argocd.argoproj.io~1skip-reconcile");
    matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True")
}

fn skip_reconcile(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const ANNOTATION: &str = "argocd.argoproj.io/skip-reconcile";
    let app = suspect.object;
    if !skips(app) {
        return Ok(Vec::new());
    }
    let writer = annotated(app, ANNOTATION);
    let age = writer.and_then(|w| w.time).map(|t| t.age(case.now()));
    let who = writer.map_or(String::new(), |w| format!(", set by {}", w.in_words()));
    let compared = str_at(app, "/status/reconciledAt");
    let remove = json!({"metadata": {"annotations": {ANNOTATION: null}}});
    Ok(vec![
        Match::on(&suspect.at, "Argo CD is told to skip it: it neither compares nor syncs, and its status is frozen.")
            .evidence_aged(
                &suspect.at,
                "metadata.annotations[argocd.argoproj.io/skip-reconcile]",
                "true",
                age,
                format!("skip-reconcile: true{who}"),
            )
            .evidence_aged(&suspect.at, "status.reconciledAt", compared, case.age(compared), "last compared")
            .fix(in_git(
                app,
                "remove the annotation, also where git has it",
                "metadata.annotations[argocd.argoproj.io/skip-reconcile]",
                &patch_command(app, &remove),
            )),
    ])
}

fn not_compared_yet(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(compared) = Time::parse(str_at(app, "/status/reconciledAt")) else { return Ok(Vec::new()) };
    let age = compared.age(case.now());
    let quiet = suspect.asked
        && str_at(app, "/status/sync/status") == "Synced"
        && str_at(operation(app), "/phase") != "Running";
    // The first seconds after a comparison say nothing new, and after three minutes the delay has another reason.
    if !quiet || !(15..RECONCILE_S).contains(&age) || skips(app) {
        return Ok(Vec::new());
    }
    let Some(mine) = commit(app) else { return Ok(Vec::new()) };
    let refresh = json!({"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}});
    let wait = |newer: &str| {
        let (mine, rest) = (short(mine), human(RECONCILE_S - age));
        Match::on(
            &suspect.at,
            format!("It was compared with commit {mine}; {newer} is newer and will be looked at within {rest}."),
        )
        .evidence_aged(
            &suspect.at,
            "status.reconciledAt",
            str_at(app, "/status/reconciledAt"),
            Some(age),
            "last compared",
        )
        .fix(Fix {
            summary: "ask for a refresh; a webhook makes it immediate".into(),
            live: patch_command(app, &refresh),
            ..Fix::default()
        })
        .aside()
    };
    if let Some(next) = case.commits_after(app, mine)?.last() {
        let (id, since) = (next.short(), next.time.age(case.now()));
        let said = format!("commit {id} by {}: {}", next.author, next.subject);
        return Ok(vec![wait(id).evidence_aged(&suspect.at, "spec.source", &next.id, Some(since), said)]);
    }
    let apps = case.list(APPLICATIONS, Some(namespace(app)))?;
    let later = apps.into_iter().find(|other| {
        same_branch(app, other)
            && commit(other).is_some_and(|commit| commit != mine)
            && Time::parse(str_at(other, "/status/reconciledAt")).is_some_and(|t| t > compared)
    });
    let Some((other, newer)) = later.and_then(|other| Some((other, commit(other)?))) else { return Ok(Vec::new()) };
    let said = format!("{} of the same repository was compared later, with commit {}", name(other), short(newer));
    Ok(vec![wait(short(newer)).confidence(Confidence::Medium).evidence(
        &ObjectRef::of(other),
        "status.sync.revision",
        newer,
        said,
    )])
}

/// The commit that a single-source Application was compared with; a branch's name stands there while rendering fails.
fn commit(app: &Value) -> Option<&str> {
    let all = app.pointer("/status/sync").map(revisions)?;
    let [only] = all.as_slice() else { return None };
    (only.len() == 40 && only.bytes().all(|b| b.is_ascii_hexdigit())).then_some(*only)
}

/// Whether two Applications follow the same branch of the same repository.
fn same_branch(a: &Value, b: &Value) -> bool {
    let same = |field: &str| str_at(a, field) == str_at(b, field);
    list_at(a, "/spec/sources").is_empty() && same("/spec/source/repoURL") && same("/spec/source/targetRevision")
}
