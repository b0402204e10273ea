//! Argo CD: the project refuses the Application.
//!
//! ## argo-invalid-project
//! **You see.** Sync and health Unknown; nothing is deployed.
//! **Why.** The Application's project does not exist, or does not allow its repository or destination.
//! **How kokpit knows.** Condition InvalidSpecError; the project's destinations and repositories are shown.
//! **Looks alike.** `argo-cluster-unreachable`: other Applications of the cluster tell them apart.
//! **Mend it.** Git: `spec.destinations` or `sourceRepos` of the AppProject, or the Application's own spec.
//!
//! ## argo-project-denied-resource
//! **You see.** Last sync Failed: tasks are not valid.
//! **Why.** The project does not permit an object's kind, or the namespace that the object names.
//! **How kokpit knows.** `is not permitted in project` in the object's message; the project's lists are shown.
//! **Looks alike.** `argo-sync-rbac` (the API server refuses), `argo-invalid-project` (the Application as a whole).
//! **Mend it.** Git: `clusterResourceWhitelist`, `namespaceResourceWhitelist`, `namespaceResourceBlacklist` or
//! `destinations` of the AppProject; or take the object out.

use super::refused::sync_failed;
use super::{condition, project_of, reference};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use serde_json::Value;

causes! { "project.rs";
    "argo-invalid-project" "the project does not allow the Application's source or destination" Outage ["Application"] invalid_project;
    "argo-project-denied-resource" "the project does not permit an object of the sync" Outage ["Application"] sync_failed, id;
}

fn invalid_project(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(bad) = condition(app, "InvalidSpecError").filter(|c| str_at(c, "/message").contains("project")) else {
        return Ok(Vec::new());
    };
    let message = str_at(bad, "/message");
    let project = project_of(app);
    let wanted = str_at(app, "/spec/destination/namespace");
    let mut m = Match::on(&suspect.at, format!("Project {} does not allow it: {message}.", project.name))
        .evidence_aged(
            &suspect.at,
            "status.conditions[InvalidSpecError]",
            message,
            case.age(str_at(bad, "/lastTransitionTime")),
            format!("InvalidSpecError: {message}"),
        )
        .evidence(
            &suspect.at,
            "spec.destination",
            wanted,
            format!("destination namespace {wanted}, project {}", project.name),
        );
    if let Some(Some(object)) = case.get(&project).known()? {
        let allowed: Vec<&str> =
            list_at(object, "/spec/destinations").iter().map(|d| str_at(d, "/namespace")).collect();
        m = m.evidence(
            &project,
            "spec.destinations",
            &allowed.join(", "),
            format!("project {}: allowed: {}", project.name, allowed.join(", ")),
        );
    }
    if list_at(app, "/status/resources").is_empty() {
        m = m.evidence(&suspect.at, "status.resources", "", "nothing has been deployed");
    }
    let server = str_at(app, "/spec/destination/server");
    let apps = case.list(APPLICATIONS, Some(namespace(app))).known()?.unwrap_or_default();
    let sister = apps.into_iter().find(|a| {
        name(a) != name(app)
            && str_at(a, "/spec/destination/server") == server
            && str_at(a, "/status/sync/status") == "Synced"
    });
    if let Some(sister) = sister {
        m = m.evidence(
            &ObjectRef::of(sister),
            "status.sync.status",
            "Synced",
            format!(
                "its sister app {} ({}) on the same cluster is Synced/{}, so the cluster is reachable",
                name(sister),
                str_at(sister, "/spec/destination/namespace"),
                str_at(sister, "/status/health/status")
            ),
        );
    }
    let object = case.get(&project).known()?.flatten().unwrap_or(app);
    Ok(vec![m.fix(case.fix(
        object,
        "spec.destinations",
        format!("add {{server: {server}, namespace: {wanted}}} to spec.destinations of AppProject {}", project.name),
        "",
    )?)])
}

/// Adds the lists of the project that may refuse an object.
pub fn allowed(case: &Case<'_>, app: &Value, m: Match) -> Fact<Match> {
    let at = project_of(app);
    let Some(Some(project)) = case.get(&at).known()? else { return Ok(m) };
    let mut m = m;
    for list in ["clusterResourceWhitelist", "namespaceResourceWhitelist", "namespaceResourceBlacklist", "destinations"]
    {
        let entries = list_at(project, &format!("/spec/{list}"));
        if entries.is_empty() && list != "clusterResourceWhitelist" {
            continue;
        }
        let words: Vec<String> = entries.iter().map(|e| entry_in_words(list, e)).collect();
        let words = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        m = m.evidence(&at, &format!("spec.{list}"), &words, format!("project {}: {list}: {words}", at.name));
    }
    Ok(m)
}

/// `apps/Deployment`, or `shop in https://…` for destinations.
fn entry_in_words(list: &str, entry: &Value) -> String {
    let at = |field: &str| str_at(entry, field);
    match list {
        "destinations" if at("/server").is_empty() => format!("{} in {}", at("/namespace"), at("/name")),
        "destinations" => format!("{} in {}", at("/namespace"), at("/server")),
        _ => format!("{}/{}", at("/group"), at("/kind")),
    }
}

/// How the project would permit an object.
pub fn permit(case: &Case<'_>, app: &Value, object: &ObjectRef) -> Fact<Fix> {
    let at = project_of(app);
    let said = list_at(app, "/status/operationState/syncResult/resources");
    let said = said.iter().find(|r| reference(r) == *object).map_or("", |r| str_at(r, "/message"));
    let (field, what) = match said.starts_with("namespace ") {
        true => ("spec.destinations", format!("add namespace {} to spec.destinations", object.namespace)),
        false if object.namespace.is_empty() => (
            "spec.clusterResourceWhitelist",
            format!("add {{group: \"{}\", kind: {}}} to spec.clusterResourceWhitelist", object.group, object.kind),
        ),
        false => (
            "spec.namespaceResourceWhitelist",
            format!("permit {{group: \"{}\", kind: {}}} in the namespaceResource lists", object.group, object.kind),
        ),
    };
    let what = format!("{what} of AppProject {}, or take the object out of git", at.name);
    match case.get(&at).known()?.flatten() {
        Some(project) => case.fix(project, field, what, ""),
        None => Ok(Fix { summary: what, ..Fix::default() }),
    }
}
