//! Argo CD: the project refuses the Application.
//!
//! ## argo-invalid-project
//! **You see.** Sync and health Unknown; nothing is deployed.
//! **Why.** The Application's project does not exist, or does not allow its repository or destination.
//! **How kokpit knows.** Condition InvalidSpecError; the project's destinations and repositories are shown.
//! **Looks alike.** `argo-cluster-unreachable`: other Applications of the cluster tell them apart.
//! **Mend it.** Git: `spec.destinations` or `sourceRepos` of the AppProject, or the Application's own spec.

use super::condition;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};

causes! { "project.rs";
    "argo-invalid-project" "the project does not allow the Application's source or destination" Outage ["Application"] invalid_project;
}

fn invalid_project(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(bad) = condition(app, "InvalidSpecError").filter(|c| str_at(c, "/message").contains("project")) else {
        return Ok(Vec::new());
    };
    let message = str_at(bad, "/message");
    let project = APPPROJECTS.at(namespace(app), str_at(app, "/spec/project"));
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
            format!("{} on the same cluster is Synced, so the cluster is reachable", name(sister)),
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
