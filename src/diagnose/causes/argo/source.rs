//! Argo CD: manifests that cannot be fetched, rendered or compared.
//!
//! ## argo-repo-auth
//! **You see.** Sync Unknown, health as it was.
//! **Why.** Argo CD may not read the repository.
//! **How kokpit knows.** Condition ComparisonError with words of a refused login. The first minutes are hidden.
//! **Looks alike.** `argo-repo-path`, `argo-repo-revision`.
//! **Mend it.** The repository's Secret in Argo CD's namespace.
//!
//! ## argo-repo-path
//! **You see.** Sync Unknown.
//! **Why.** The directory does not exist at that revision.
//! **How kokpit knows.** ComparisonError `app path does not exist`.
//! **Looks alike.** `argo-repo-revision`.
//! **Mend it.** Git: `spec.source.path`; keep a file in a directory that may become empty.
//!
//! ## argo-repo-revision
//! **You see.** Sync Unknown.
//! **Why.** Branch, tag or chart version does not exist.
//! **How kokpit knows.** ComparisonError `unable to resolve … to a commit SHA`.
//! **Looks alike.** `argo-repo-auth`.
//! **Mend it.** Git: `spec.source.targetRevision`.
//!
//! ## argo-render-error
//! **You see.** Sync Unknown.
//! **Why.** Helm, kustomize or a plugin fails on the manifests.
//! **How kokpit knows.** ComparisonError with the tool's words.
//! **Looks alike.** `argo-repo-path`.
//! **Mend it.** Git: what the message names; a cached failure needs a hard refresh.
//!
//! ## argo-reposerver-down
//! **You see.** Sync Unknown for many Applications at once.
//! **Why.** Argo CD's repo-server does not answer.
//! **How kokpit knows.** ComparisonError with `code = Unavailable`, refused connections or time-outs.
//! **Looks alike.** `argo-repo-auth`.
//! **Mend it.** Look at the repo-server's pods.
//!
//! ## argo-cluster-unreachable
//! **You see.** Sync Unknown for every Application of one cluster.
//! **Why.** Argo CD cannot reach the destination cluster, or does not know it.
//! **How kokpit knows.** `Failed to load live state`, `there are no clusters with this name`.
//! **Looks alike.** `argo-invalid-project`.
//! **Mend it.** The cluster's Secret, its token, the network.

use super::{component, condition, in_git};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect, shorten};
use crate::world::object::str_at;

causes! { "source.rs";
    "argo-repo-auth" "Argo CD may not read the repository" Outage ["Application"] |c, s| comparison(c, s, "argo-repo-auth");
    "argo-repo-path" "the directory does not exist in the repository" Outage ["Application"] |c, s| comparison(c, s, "argo-repo-path");
    "argo-repo-revision" "the branch, tag or version does not exist" Outage ["Application"] |c, s| comparison(c, s, "argo-repo-revision");
    "argo-render-error" "the manifests cannot be rendered" Outage ["Application"] |c, s| comparison(c, s, "argo-render-error");
    "argo-reposerver-down" "Argo CD's repo-server does not answer" Outage ["Application"] |c, s| comparison(c, s, "argo-reposerver-down");
    "argo-cluster-unreachable" "Argo CD cannot reach the destination cluster" Outage ["Application"] |c, s| comparison(c, s, "argo-cluster-unreachable");
}

/// Words of a ComparisonError, the cause they speak for; first match wins.
const COMPARISON: &[(&str, &[&str])] = &[
    (
        "argo-cluster-unreachable",
        &[
            "failed to load live state",
            "there are no clusters with this name",
            "failed to get cluster",
            "cluster \"http",
        ],
    ),
    ("argo-repo-path", &["app path does not exist", "no such file or directory"]),
    ("argo-repo-revision", &["unable to resolve", "revision not found", "chart version", "no matching version"]),
    (
        "argo-repo-auth",
        &[
            "authentication required",
            "repository not found",
            "handshake failed",
            "could not read username",
            "401",
            "403",
            "x509",
            "permission denied",
        ],
    ),
    (
        "argo-reposerver-down",
        &["code = unavailable", "connection refused", "deadline exceeded", "resourceexhausted", "connection error"],
    ),
];

fn comparison(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let bad =
        ["ComparisonError", "InvalidSpecError", "UnknownError"].iter().find_map(|kind| condition(suspect.object, kind));
    let Some(bad) =
        bad.filter(|c| !(str_at(c, "/type") == "InvalidSpecError" && str_at(c, "/message").contains("project")))
    else {
        return Ok(Vec::new());
    };
    let message = str_at(bad, "/message");
    let lower = message.to_lowercase();
    let said = COMPARISON
        .iter()
        .find(|(_, words)| words.iter().any(|w| lower.contains(w)))
        .map_or("argo-render-error", |(id, _)| id);
    if said != id {
        return Ok(Vec::new());
    }
    let tail = message.rsplit("desc = ").next().unwrap_or(message);
    let m = Match::on(&suspect.at, format!("Argo CD cannot compare it: {}", shorten(tail, 240))).evidence_aged(
        &suspect.at,
        &format!("status.conditions[{}]", str_at(bad, "/type")),
        message,
        case.age(str_at(bad, "/lastTransitionTime")),
        format!("{}: {message}", str_at(bad, "/type")),
    );
    let (what, field) = match id {
        "argo-repo-path" => ("name a directory that exists", "spec.source.path"),
        "argo-repo-revision" => ("name a revision that exists", "spec.source.targetRevision"),
        "argo-repo-auth" => ("give Argo CD credentials that may read the repository", ""),
        "argo-cluster-unreachable" => ("renew the cluster's Secret, or mend the way to it", ""),
        "argo-reposerver-down" => ("look at the repo-server's pods", ""),
        _ => ("mend what the message names", ""),
    };
    let m = m.fix(in_git(suspect.object, what, field, ""));
    Ok(vec![if id == "argo-reposerver-down" {
        m.because_all(component(case, suspect.object, "repo-server")?)
    } else {
        m
    }])
}
