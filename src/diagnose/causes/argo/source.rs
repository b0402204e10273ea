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
//! ## argo-multisource-ref
//! **You see.** Sync Unknown of an Application with several sources.
//! **Why.** A value file `$name/…` points at a source that is not declared (`ref: name`), or at a file that it lacks.
//! **How kokpit knows.** ComparisonError `source referenced …`, or a missing file while a value file of the failing
//! source starts with `$`.
//! **Looks alike.** `argo-render-error` (the chart itself fails), `argo-repo-revision`.
//! **Mend it.** Git: `spec.sources[].ref`, the path in `spec.sources[].helm.valueFiles`, or the file.
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
use crate::diagnose::git::field_of_source;
use crate::diagnose::verdict::Fix;
use crate::world::object::{list_at, str_at};
use serde_json::Value;

causes! { "source.rs";
    "argo-repo-auth" "Argo CD may not read the repository" Outage ["Application"] comparison, id;
    "argo-repo-path" "the directory does not exist in the repository" Outage ["Application"] comparison, id;
    "argo-repo-revision" "the branch, tag or version does not exist" Outage ["Application"] comparison, id;
    "argo-multisource-ref" "a source refers to another one that is not there" Degraded ["Application"] comparison, id;
    "argo-render-error" "the manifests cannot be rendered" Outage ["Application"] comparison, id;
    "argo-reposerver-down" "Argo CD's repo-server does not answer" Outage ["Application"] comparison, id;
    "argo-cluster-unreachable" "Argo CD cannot reach the destination cluster" Outage ["Application"] comparison, id;
}

/// Words of a ComparisonError, the cause they speak for; first match wins. A number counts as a whole word only.
const COMPARISON: &[(&str, &[&str])] = &[
    ("argo-health-unknown", &["error setting app health"]),
    (
        "argo-cluster-unreachable",
        &[
            "failed to load live state",
            "there are no clusters with this name",
            "failed to get cluster",
            "cluster \"http",
        ],
    ),
    ("argo-multisource-ref", &["but no source has a 'ref' field defined", "which is not one of the available sources"]),
    ("argo-repo-path", &["app path does not exist"]),
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

fn class_of(app: &Value, message: &str) -> &'static str {
    let lower = message.to_lowercase();
    let has = |word: &&str| match word.bytes().all(|b| b.is_ascii_digit()) {
        true => lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == *word),
        false => lower.contains(*word),
    };
    let said = COMPARISON.iter().find(|(_, words)| words.iter().any(has)).map_or("argo-render-error", |(id, _)| id);
    let refers = |source: &Value| {
        list_at(source, "/helm/valueFiles").iter().any(|f| f.as_str().is_some_and(|f| f.starts_with('$')))
    };
    let missing = lower.contains("no such file or directory");
    if said == "argo-render-error" && missing && failing_source(app, message).is_some_and(|(_, source)| refers(source))
    {
        return "argo-multisource-ref";
    }
    said
}

/// The source that a message speaks of: `failed to generate manifest for source 2 of 3` is index 1 of `spec.sources`.
fn failing_source<'a>(app: &'a Value, message: &str) -> Option<(usize, &'a Value)> {
    let number = message.split_once("for source ")?.1.split_once(" of ")?.0;
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    Some((index, list_at(app, "/spec/sources").get(index)?))
}

fn comparison(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let bad = ["ComparisonError", "InvalidSpecError", "UnknownError"].iter().find_map(|kind| condition(app, kind));
    let Some(bad) =
        bad.filter(|c| !(str_at(c, "/type") == "InvalidSpecError" && str_at(c, "/message").contains("project")))
    else {
        return Ok(Vec::new());
    };
    let message = str_at(bad, "/message");
    if class_of(app, message) != id {
        return Ok(Vec::new());
    }
    let tail = message.rsplit("desc = ").next().unwrap_or(message);
    let mut m = Match::on(&suspect.at, format!("Argo CD cannot compare it: {}", shorten(tail, 240))).evidence_aged(
        &suspect.at,
        &format!("status.conditions[{}]", str_at(bad, "/type")),
        message,
        case.age(str_at(bad, "/lastTransitionTime")),
        format!("{}: {message}", str_at(bad, "/type")),
    );
    m = with_source(m, suspect, message);
    if message.contains("(cached)") {
        m = m.evidence(&suspect.at, "", "", "the failure is cached: after the cure ask for a hard refresh");
    }
    if id == "argo-reposerver-down" {
        m = m.because_all(component(case, app, "repo-server")?);
    }
    Ok(vec![m.fix(cure(app, message, id))])
}

/// Adds where the failing manifests come from.
fn with_source(m: Match, suspect: &Suspect<'_>, message: &str) -> Match {
    let app = suspect.object;
    let (path, source) = match failing_source(app, message) {
        Some((index, source)) => (format!("spec.sources[{index}]"), source),
        None => match app.pointer("/spec/source") {
            Some(source) => ("spec.source".to_owned(), source),
            None => return m,
        },
    };
    let at = |field: &str| str_at(source, field);
    let what =
        if at("/chart").is_empty() { format!("path {}", at("/path")) } else { format!("chart {}", at("/chart")) };
    let revision = if at("/targetRevision").is_empty() { "HEAD" } else { at("/targetRevision") };
    let line = format!("{path}: {} {what} at {revision}", at("/repoURL"));
    m.evidence(&suspect.at, &path, at("/repoURL"), line)
}

fn cure(app: &Value, message: &str, id: &str) -> Fix {
    let (what, field) = match id {
        "argo-repo-path" => ("name a directory that exists; keep a file in one that may become empty", "path"),
        "argo-repo-revision" => ("name a revision that exists", "targetRevision"),
        "argo-multisource-ref" => {
            ("declare the source with `ref`, or correct the path of the value file", "helm.valueFiles")
        }
        "argo-repo-auth" => ("give Argo CD credentials that may read the repository", ""),
        "argo-cluster-unreachable" => ("renew the cluster's Secret, or mend the way to it", ""),
        "argo-reposerver-down" => ("look at the repo-server's pods", ""),
        _ => ("mend what the message names", ""),
    };
    match (failing_source(app, message), field) {
        (_, "") => in_git(app, what, "", ""),
        (Some((index, _)), _) => Fix {
            summary: what.into(),
            git: Some(field_of_source(app, index, &format!("spec.sources[{index}].{field}"))),
            ..Fix::default()
        },
        (None, _) => in_git(app, what, &format!("spec.source.{field}"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comparison_errors_have_a_class() {
        const PREFIX: &str = "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = ";
        for (tail, id) in [
            ("e5/none: app path does not exist", "argo-repo-path"),
            ("unable to resolve 'release-9' to a commit SHA: revision not found", "argo-repo-revision"),
            ("failed to list refs: repository not found", "argo-repo-auth"),
            ("unexpected response: 403 Forbidden", "argo-repo-auth"),
            ("chart 14031 cannot be parsed", "argo-render-error"),
            (
                "`kustomize build x` failed exit status 1: evalsymlink failure: lstat missing.yaml: no such file or directory",
                "argo-render-error",
            ),
            ("source referenced \"$values\", but no source has a 'ref' field defined", "argo-multisource-ref"),
        ] {
            assert_eq!(class_of(&json!({}), &format!("{PREFIX}{tail}")), id, "{tail}");
        }
        let app = json!({"spec": {"sources": [{"ref": "values"}, {"chart": "x", "helm": {"valueFiles": ["$values/prod.yaml"]}}]}});
        let said = "failed to generate manifest for source 2 of 2: open /tmp/x/prod.yaml: no such file or directory";
        assert_eq!(class_of(&app, said), "argo-multisource-ref");
        assert_eq!(class_of(&app, &said.replace("source 2", "source 1")), "argo-render-error");
    }
}
