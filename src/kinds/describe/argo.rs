//! An Argo CD Application (`argoproj.io/v1alpha1`): where it comes from, whether the cluster agrees, the last sync.

use super::page::Page;
use super::{Mark, dash, joined};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

/// Past syncs that are shown; Argo keeps ten.
const HISTORY: usize = 5;

/// The part of a description that is special to an Application.
pub fn application(page: &mut Page, app: &Value) {
    let (sync, health) = (str_at(app, "/status/sync/status"), str_at(app, "/status/health/status"));
    page.marked(sync_mark(sync), "Sync", [sync, &short(str_at(app, "/status/sync/revision"))].join(" ").trim());
    page.marked(health_mark(health), "Health", dash(health));
    page.at("", app, "/status/health/message");
    page.at("Project", app, "/spec/project");
    let cluster = match str_at(app, "/spec/destination/name") {
        "" => str_at(app, "/spec/destination/server"),
        name => name,
    };
    page.field("Destination", format!("{cluster}, namespace {}", dash(str_at(app, "/spec/destination/namespace"))));
    let single = app.pointer("/spec/source").into_iter();
    page.list("Source", single.chain(list_at(app, "/spec/sources")).map(source), "none");
    page.field("Sync policy", policy(app));
    page.some("Ignored differences", differences(list_at(app, "/spec/ignoreDifferences")));
    page.some("URLs", joined(app, "/status/summary/externalURLs"));
    page.when("Compared", str_at(app, "/status/reconciledAt"));
    conditions(page, app);
    operation(page, app);
    resources(page, app);
    history(page, app);
}

fn sync_mark(status: &str) -> Mark {
    if status == "Synced" { Mark::Plain } else { Mark::Warn }
}

fn health_mark(status: &str) -> Mark {
    match status {
        "Healthy" | "" => Mark::Plain,
        "Degraded" | "Missing" => Mark::Bad,
        _ => Mark::Warn,
    }
}

/// A commit in seven characters, anything else as it is.
fn short(revision: &str) -> String {
    let hash = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    if hash { revision.chars().take(7).collect() } else { revision.to_string() }
}

/// `https://… path shop at main`
fn source(source: &Value) -> String {
    let what = match (str_at(source, "/chart"), str_at(source, "/path"), str_at(source, "/ref")) {
        ("", "", name) => format!("as ${name}"),
        ("", path, _) => format!("path {path}"),
        (chart, ..) => format!("chart {chart}"),
    };
    let at = match str_at(source, "/targetRevision") {
        "" => "HEAD",
        revision => revision,
    };
    format!("{} {what} at {at}", str_at(source, "/repoURL"))
}

/// `automated, prune, self-heal; CreateNamespace=true`
fn policy(app: &Value) -> String {
    let mut words = vec![];
    match app.pointer("/spec/syncPolicy/automated") {
        None | Some(Value::Null) => words.push("by hand"),
        Some(automated) if automated.get("enabled") == Some(&Value::Bool(false)) => {
            words.push("by hand (switched off)")
        }
        Some(automated) => {
            words.push("automated");
            for (key, word) in [("/prune", "prune"), ("/selfHeal", "self-heal"), ("/allowEmpty", "allow empty")] {
                if bool_at(automated, key) {
                    words.push(word);
                }
            }
        }
    }
    let options = joined(app, "/spec/syncPolicy/syncOptions");
    if options.is_empty() { words.join(", ") } else { format!("{}; {options}", words.join(", ")) }
}

fn differences(list: &[Value]) -> String {
    let texts = list.iter().map(|ignored| {
        let pointers = joined(ignored, "/jsonPointers");
        let managers = joined(ignored, "/managedFieldsManagers");
        let paths = joined(ignored, "/jqPathExpressions");
        let what: Vec<String> = [pointers, paths, managers].into_iter().filter(|text| !text.is_empty()).collect();
        format!("{} {}: {}", str_at(ignored, "/kind"), str_at(ignored, "/name"), what.join(", "))
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Conditions of an Application have a type, a message and a time, but no status.
fn conditions(page: &mut Page, app: &Value) {
    let list = list_at(app, "/status/conditions");
    if list.is_empty() {
        return;
    }
    page.section("Conditions");
    let rows = list.iter().map(|condition| {
        let kind = str_at(condition, "/type");
        let since = Time::parse(str_at(condition, "/lastTransitionTime"));
        let since = since.map_or("-".into(), |time| human(time.age(page.now())));
        // `ApplicationCondition.IsError` (pkg/apis/application/v1alpha1/types.go) goes by this ending.
        let mark = if kind.ends_with("Error") { Mark::Bad } else { Mark::Warn };
        (mark, vec![kind.to_string(), since, str_at(condition, "/message").to_string()])
    });
    let rows = rows.collect();
    page.table(&["TYPE", "SINCE", "MESSAGE"], rows);
}

/// The sync that runs or ran last.
fn operation(page: &mut Page, app: &Value) {
    let Some(state) = app.pointer("/status/operationState") else { return };
    let phase = str_at(state, "/phase");
    let mark = match phase {
        "Succeeded" => Mark::Plain,
        "Running" | "Terminating" => Mark::Warn,
        _ => Mark::Bad,
    };
    page.section("Last operation");
    page.marked(mark, "Phase", phase);
    page.at("Message", state, "/message");
    page.some("Revision", short(str_at(state, "/syncResult/revision")));
    page.when("Started", str_at(state, "/startedAt"));
    page.when("Finished", str_at(state, "/finishedAt"));
    let by = match str_at(state, "/operation/initiatedBy/username") {
        "" if bool_at(state, "/operation/initiatedBy/automated") => "automated sync",
        name => name,
    };
    page.some("Started by", by);
    if let Some(retries) = int_at(state, "/retryCount").filter(|retries| *retries > 0) {
        page.warn("Retries", retries.to_string());
    }
    let troubled = list_at(state, "/syncResult/resources").iter().filter(|r| {
        !matches!(str_at(r, "/status"), "Synced" | "Pruned" | "")
            || matches!(str_at(r, "/hookPhase"), "Failed" | "Error")
    });
    for resource in troubled {
        let name = format!("{}/{}", str_at(resource, "/kind"), str_at(resource, "/name"));
        page.marked(Mark::Bad, &name, format!("{} {}", str_at(resource, "/status"), str_at(resource, "/message")));
    }
}

fn resources(page: &mut Page, app: &Value) {
    let list = list_at(app, "/status/resources");
    if list.is_empty() {
        return;
    }
    page.section("Resources");
    let rows = list.iter().map(|resource| {
        let (sync, health) = (str_at(resource, "/status"), str_at(resource, "/health/status"));
        let worst = if health_mark(health) == Mark::Plain { sync_mark(sync) } else { health_mark(health) };
        let cells = vec![
            str_at(resource, "/kind").to_string(),
            dash(str_at(resource, "/namespace")),
            str_at(resource, "/name").to_string(),
            dash(sync),
            dash(health),
            str_at(resource, "/health/message").to_string(),
        ];
        (if sync.is_empty() && health.is_empty() { Mark::Plain } else { worst }, cells)
    });
    page.table(&["KIND", "NAMESPACE", "NAME", "SYNC", "HEALTH", "MESSAGE"], rows.collect());
}

/// The last syncs, newest first.
fn history(page: &mut Page, app: &Value) {
    let list = list_at(app, "/status/history");
    if list.is_empty() {
        return;
    }
    page.section("History");
    let rows = list.iter().rev().take(HISTORY).map(|entry| {
        let deployed = Time::parse(str_at(entry, "/deployedAt"));
        let id = int_at(entry, "/id").map_or("-".into(), |id| id.to_string());
        let ago = deployed.map_or("-".into(), |time| human(time.age(page.now())));
        (Mark::Plain, vec![id, ago, short(str_at(entry, "/revision")), str_at(entry, "/source/path").to_string()])
    });
    let rows = rows.collect();
    page.table(&["ID", "AGE", "REVISION", "PATH"], rows);
}
