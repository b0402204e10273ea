//! Argo CD: which objects belong to an Application.
//!
//! ## argo-prune-disabled
//! **You see.** OutOfSync, and all that is left over is to be deleted.
//! **Why.** Objects that left git are not pruned: automated sync may not prune, or the objects say `Prune=false`.
//! **How kokpit knows.** Every OutOfSync entry has `requiresPruning: true`; the last sync says `PruneSkipped`.
//! **Looks alike.** `argo-autosync-off`, `argo-prune-confirm`, `argo-autosync-empty-guard`.
//! **Mend it.** Sync with prune, `automated.prune: true`, or delete them.
//!
//! ## argo-shared-resource
//! **You see.** Two Applications take turns in being OutOfSync; or a sync fails with `Shared resource found`.
//! **Why.** Both have the same object in git. The one that syncs last owns it.
//! **How kokpit knows.** Condition SharedResourceWarning, which stands only on the Application that has lost the object;
//! the object's tracking id names the other one.
//! **Looks alike.** `argo-tracking-lost` (nobody owns it), `argo-repeated-resource` (twice in one Application).
//! **Mend it.** Git: take the object out of one of the two.
//!
//! ## argo-repeated-resource
//! **You see.** A warning; a change in git does not arrive.
//! **Why.** The same object stands twice in the manifests. The last one counts.
//! **How kokpit knows.** Condition RepeatedResourceWarning.
//! **Looks alike.** `argo-shared-resource` (two Applications).
//! **Mend it.** Git: remove one of the two.
//!
//! ## argo-excluded-resource
//! **You see.** A warning; an object of git is never made, and the Application is Synced all the same.
//! **Why.** Argo CD's settings exclude its kind. By default these are kinds that controllers make: Endpoints,
//! EndpointSlice, Lease, CertificateRequest and the like.
//! **How kokpit knows.** Condition ExcludedResourceWarning; the exclusions of `argocd-cm` are named.
//! **Looks alike.** `argo-project-denied-resource` (there the sync fails).
//! **Mend it.** `resource.exclusions` in the ConfigMap `argocd-cm`; or take the object out of git.
//!
//! ## argo-tracking-lost
//! **You see.** An object exists and its Application counts it as OutOfSync or Missing.
//! **Why.** The object does not say that it belongs to this Application: its tracking id was removed, was copied from
//! another object, names an Application that is gone, or was stamped by another Argo CD.
//! **How kokpit knows.** The annotation `argocd.argoproj.io/tracking-id` (or the label, by `argocd-cm`) against the object.
//! **Looks alike.** `argo-shared-resource` (another Application does own it), `argo-drift-selfheal-off`.
//! **Mend it.** A sync stamps it anew. Do not prune before.
//!
//! ## argo-orphaned
//! **You see.** A warning with a number.
//! **Why.** The namespace holds objects that no Application manages.
//! **How kokpit knows.** Condition OrphanedResourceWarning. Pods and ReplicaSets count too.
//! **Looks alike.** It never is the reason of anything.
//! **Mend it.** Nothing.

use super::{
    at_synced_revision, condition, elsewhere, home, in_git, is_deleted, operation, out_of_sync, reference, settings,
    sync_command,
};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::{TRACKING_ID, claim};
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, bool_at, list_at, name, str_at};
use serde_json::Value;

causes! { "ownership.rs";
    "argo-prune-disabled" "objects that left git are not pruned" Nuisance ["Application"] prune;
    "argo-shared-resource" "two Applications have the same object" Degraded ["Application"] shared;
    "argo-repeated-resource" "the manifests hold the same object twice" Nuisance ["Application"] repeated;
    "argo-excluded-resource" "Argo CD's settings exclude an object of git" Nuisance ["Application"] excluded;
    "argo-tracking-lost" "an object does not say that it belongs to the Application" Degraded ["Application"] tracking_lost;
    "argo-orphaned" "the namespace holds objects that no Application manages" Nuisance ["Application"] orphaned;
}

/// Objects that are looked at; a request each.
const MOST: usize = 10;

fn prune(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let bad = out_of_sync(app);
    if bad.is_empty() || !bad.iter().all(|r| bool_at(r, "/requiresPruning")) {
        return Ok(Vec::new());
    }
    let all: Vec<String> = bad.iter().map(|r| reference(r).to_string()).take(5).collect();
    let kept =
        list_at(operation(app), "/syncResult/resources").iter().any(|r| str_at(r, "/message") == "ignored (no prune)");
    let mut m = Match::on(&suspect.at, format!("{} objects left git and are not pruned.", bad.len())).evidence(
        &suspect.at,
        "status.resources[].requiresPruning",
        "true",
        format!("to be pruned: {}", all.join(", ")),
    );
    if kept {
        let path = "status.operationState.syncResult.resources[].message";
        m = m.evidence(&suspect.at, path, "ignored (no prune)", "the objects say Prune=false: no sync prunes them");
    }
    let (what, field) = match kept {
        true => ("delete the objects, or bring them back to git: they say Prune=false", ""),
        false => ("sync with prune, or set automated.prune: true", "spec.syncPolicy.automated.prune"),
    };
    Ok(vec![
        m.because_cause("argo-prune-confirm")
            .because_cause("argo-autosync-empty-guard")
            .fix(in_git(app, what, field, "")),
    ])
}

/// The conditions of a type: there is one for each object.
fn warnings<'a>(app: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a str> {
    list_at(app, "/status/conditions").iter().filter(move |c| str_at(c, "/type") == kind).map(|c| str_at(c, "/message"))
}

/// The object that a message names by kind and name.
fn named(app: &Value, kind: &str, wanted: &str) -> ObjectRef {
    let all = list_at(app, "/status/resources");
    let found = all.iter().find(|r| str_at(r, "/kind") == kind && str_at(r, "/name") == wanted);
    found.map_or_else(|| ObjectRef::new("", kind, str_at(app, "/spec/destination/namespace"), wanted), reference)
}

fn shared(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let mut found = Vec::new();
    for message in warnings(app, "SharedResourceWarning").take(MOST) {
        let Some((object, apps)) = message.split_once(" is part of applications ") else { continue };
        let (Some((kind, wanted)), Some((mine, other))) = (object.split_once('/'), apps.split_once(" and ")) else {
            continue;
        };
        let (at, far) = (named(app, kind, wanted), elsewhere(app));
        let on = if far.is_some() { &suspect.at } else { &at };
        let mut m = Match::on(on, format!("{at} belongs to two Applications, {mine} and {other}; {other} has it now."))
            .evidence(&suspect.at, "status.conditions[SharedResourceWarning]", message, message);
        if let Some(Some(object)) = case.get_in(far, &at).known()? {
            let id = tracking_id(object);
            m = m.evidence(&at, "metadata.annotations[argocd.argoproj.io/tracking-id]", id, format!("{at} says: {id}"));
        }
        let said = str_at(operation(app), "/message");
        if said.starts_with("Shared resource found") {
            m = m.evidence(&suspect.at, "status.operationState.message", said, said);
        }
        found.push(m.fix(in_git(app, format!("take it out of {mine} or of {other}"), "", "")));
    }
    Ok(found)
}

fn tracking_id(object: &Value) -> &str {
    object.pointer("/metadata/annotations").and_then(|a| a.get(TRACKING_ID)).and_then(Value::as_str).unwrap_or_default()
}

fn repeated(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let found = warnings(app, "RepeatedResourceWarning").take(MOST).map(|message| {
        let key = message.strip_prefix("Resource ").and_then(|m| m.split_once(" appeared ")).map_or("", |(key, _)| key);
        Match::on(&suspect.at, format!("{key} stands more than once in its manifests; the last one counts."))
            .evidence(&suspect.at, "status.conditions[RepeatedResourceWarning]", message, message)
            .fix(in_git(app, format!("keep one manifest of {key}"), "", ""))
    });
    Ok(found.collect())
}

fn excluded(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let all: Vec<&str> = warnings(app, "ExcludedResourceWarning").take(MOST).collect();
    let Some(first) = all.first() else { return Ok(Vec::new()) };
    let of = |message: &str| {
        message
            .strip_prefix("Resource ")
            .and_then(|m| m.strip_suffix(" is excluded in the settings"))
            .unwrap_or(message)
            .to_owned()
    };
    let what = all.iter().map(|message| of(message)).collect::<Vec<_>>().join(", ");
    let map = CONFIGMAPS.at(home(app), "argocd-cm");
    let rules = settings(case, app).known()?.map_or("", |data| str_at(data, "/resource.exclusions"));
    let mut m = Match::on(&suspect.at, format!("Argo CD never applies {what}: its settings exclude the kind."))
        .evidence(&suspect.at, "status.conditions[ExcludedResourceWarning]", first, all.join("; "));
    m = match rules {
        "" => m.evidence(
            &map,
            "data[resource.exclusions]",
            "",
            "resource.exclusions is not set: the built-in list counts",
        ),
        rules => m.evidence(&map, "data[resource.exclusions]", rules, format!("resource.exclusions: {rules}")),
    };
    Ok(vec![m.fix(in_git(
        app,
        "take the object out of git, or the kind out of resource.exclusions in argocd-cm",
        "",
        "",
    ))])
}

fn tracking_lost(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    if str_at(operation(app), "/phase") != "Succeeded" || !at_synced_revision(app) || is_deleted(app) {
        return Ok(Vec::new());
    }
    let far = elsewhere(app);
    let shared: Vec<&str> = warnings(app, "SharedResourceWarning").collect();
    let untold = |at: &ObjectRef| !shared.iter().any(|m| m.starts_with(&format!("{}/{} ", at.kind, at.name)));
    let entries = out_of_sync(app).into_iter().filter(|r| !bool_at(r, "/requiresPruning") && !bool_at(r, "/hook"));
    let mut found = Vec::new();
    for at in entries.map(reference).filter(|at| at.kind != "CustomResourceDefinition").filter(untold).take(MOST) {
        let Some(Some(object)) = case.get_in(far, &at).known()? else { continue };
        let Some(why) = lost(case, app, object)? else { continue };
        let on = if far.is_some() { &suspect.at } else { &at };
        let id = tracking_id(object);
        found.push(
            Match::on(on, format!("{at} does not count as the Application's: {why}."))
                .evidence(
                    &at,
                    "metadata.annotations[argocd.argoproj.io/tracking-id]",
                    id,
                    if id.is_empty() { "no tracking id".to_owned() } else { format!("tracking id {id}") },
                )
                .evidence(&suspect.at, "status.resources[]", "OutOfSync", format!("{at} is OutOfSync and exists"))
                .fix(Fix {
                    summary: "sync without prune: it is stamped anew".into(),
                    live: sync_command(app),
                    ..Fix::default()
                }),
        );
    }
    Ok(found)
}

/// Why an object does not count as an Application's; `None` where it does.
fn lost(case: &Case<'_>, app: &Value, object: &Value) -> Fact<Option<String>> {
    let Some(claim) = claim(object) else {
        // The label is what counts where the settings say so; they are read only here.
        let data = settings(case, app)?;
        let label = match str_at(data, "/application.instanceLabelKey") {
            "" => "app.kubernetes.io/instance",
            key => key,
        };
        let labelled = object.pointer("/metadata/labels").and_then(|l| l.get(label)).and_then(Value::as_str);
        let by_label = str_at(data, "/application.resourceTrackingMethod") == "label";
        return Ok(match by_label && labelled == Some(name(app)) {
            true => None,
            false if by_label => Some(format!("its label {label} does not name it")),
            false => Some("its tracking id is gone".to_owned()),
        });
    };
    if !claim.proven {
        return Ok(Some("its tracking id was copied from another object, so Argo CD ignores it".to_owned()));
    }
    if !claim.is(app) {
        let all = case.list(APPLICATIONS, None)?;
        let there = all.into_iter().any(|other| claim.is(other));
        return Ok(
            (!there).then(|| format!("its tracking id names Application {}, which is not there", claim.application))
        );
    }
    let stamp = str_at(object, "/metadata/annotations/argocd.argoproj.io~1installation-id");
    if stamp.is_empty() {
        return Ok(None);
    }
    let mine = str_at(settings(case, app)?, "/installationID");
    Ok((stamp != mine).then(|| format!("another Argo CD installation ({stamp}) has stamped it")))
}

fn orphaned(_: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let found = condition(suspect.object, "OrphanedResourceWarning").map(|c| {
        let message = str_at(c, "/message").replace("Application has ", "");
        Match::on(&suspect.at, format!("{message} are informational."))
            .evidence(
                &suspect.at,
                "status.conditions[OrphanedResourceWarning]",
                str_at(c, "/message"),
                format!("{message} are informational"),
            )
            .aside()
    });
    Ok(found.into_iter().collect())
}
