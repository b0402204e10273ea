//! What the plans of refresh, terminate and rollback show.

use super::{Facts, called, policy_words, state, sync};
use crate::gitops::Refusal;
use crate::workflows::{Line, Occasion, short};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::Value;

fn line(label: &str, text: String) -> Line {
    Line::new(label, clean(&text).into_owned())
}

/// Of a refresh.
pub fn refresh(lines: &mut Vec<Line>, facts: &Facts, hard: bool) {
    let app = &facts.application;
    let first = lines.is_empty();
    lines.push(line(if first { "live" } else { "" }, format!("{}  {}", called(app), state(app))));
    if first {
        let how = if hard { "the manifests are rendered anew, and" } else { "" };
        let text = format!("{how} git is compared with what lives; the answer is waited for");
        lines.push(Line::new("order", text.trim_start().to_string()));
        lines.push(Line::new("undo", "nothing to undo: nothing is deployed, unless it syncs by itself"));
    }
}

/// Of a termination.
///
/// # Errors
/// Nothing runs.
pub fn terminate(lines: &mut Vec<Line>, on: &Occasion<'_>, facts: &Facts) -> Result<(), Refusal> {
    let app = &facts.application;
    let operation = app.pointer("/status/operationState").unwrap_or(&Value::Null);
    let open = app.get("operation").is_some_and(Value::is_object);
    match str_at(operation, "/phase") {
        "Running" if open => {}
        "Terminating" => return Err(Refusal(format!("the operation of {} is being terminated already", called(app)))),
        _ if open => {
            return Err(Refusal(format!(
                "{} is asked for an operation that Argo CD has not taken up yet: there is nothing to terminate",
                called(app)
            )));
        }
        _ => return Err(Refusal(format!("no operation of {} runs: there is nothing to terminate", called(app)))),
    }
    let age = Time::parse(str_at(operation, "/startedAt"))
        .map_or(String::new(), |t| format!(" for {}", human(t.age(on.now))));
    lines.push(line("live", format!("Application {}: status.operationState.phase: Terminating", called(app))));
    lines.push(line(
        "runs",
        format!("{}{age}: {}", short(str_at(operation, "/operation/sync/revision")), str_at(operation, "/message")),
    ));
    if str_at(operation, "/message").starts_with("Sync operation blocked by sync window") {
        lines.push(Line::warning(
            "a sync window holds it back, and Argo CD does not even terminate it before the window lets it through",
        ));
    }
    lines.push(Line::new("after", "what was applied stays; hooks that run are deleted"));
    lines.push(line("policy", policy_words(app)));
    lines.push(Line::new("undo", "nothing; sync again"));
    Ok(())
}

/// Of a rollback.
pub fn rollback(
    lines: &mut Vec<Line>,
    on: &Occasion<'_>,
    facts: &Facts,
    entry: &Value,
    (prune, auto_sync_off): (bool, bool),
) {
    let app = &facts.application;
    let switches = auto_sync_off && super::automated(app);
    if switches {
        let text =
            format!("Application {}: spec.syncPolicy.automated goes: it does not sync by itself any more", called(app));
        lines.push(line("first", text));
    }
    let prunes = if prune { ", prune" } else { "" };
    lines.push(line(
        "live",
        format!("Application {}: operation sync to {}{prunes}", called(app), short(revision_of(entry))),
    ));
    for (n, one) in list_at(app, "/status/history").iter().rev().enumerate() {
        let age = Time::parse(str_at(one, "/deployedAt")).map_or("-".into(), |t| human(t.age(on.now)));
        let mark = if int_at(one, "/id") == int_at(entry, "/id") { "→" } else { " " };
        let id = int_at(one, "/id").unwrap_or_default();
        let by = str_at(one, "/initiatedBy/username");
        let text =
            format!("{mark} {id:>4}  {age:>5}  {}  {}  {by}", short(revision_of(one)), str_at(one, "/source/path"));
        lines.push(Line {
            text: clean(text.trim_end()).into_owned(),
            ..Line::new(if n == 0 { "history" } else { "" }, "")
        });
    }
    if entry.get("source") != app.pointer("/spec/source") && entry.get("source").is_some() {
        lines.push(Line::warning(
            "that entry was deployed from another source (path, chart or parameters) than the one of today",
        ));
    }
    lines.push(line("policy", policy_words(app)));
    lines.push(Line::new("after", "OutOfSync: git still says what it says. Revert the commit to stay there"));
    if super::automated(app)
        && let Some(owner) = sync::owner(app)
    {
        lines.push(Line::warning(clean(&format!("{owner}, and would switch auto-sync on again")).into_owned()));
    }
    let on_again = if switches { format!(", then kokpit auto-sync {} on", called(app)) } else { String::new() };
    lines.push(line("undo", format!("kokpit sync {}{on_again}", called(app))));
}

fn revision_of(entry: &Value) -> &str {
    match str_at(entry, "/revision") {
        "" => list_at(entry, "/revisions").first().and_then(Value::as_str).unwrap_or_default(),
        one => one,
    }
}
