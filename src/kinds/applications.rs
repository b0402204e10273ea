//! Argo CD Applications.

use super::cells::{text, text_at};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// Applications.
pub static KIND: Kind = Kind {
    group: "argoproj.io",
    plural: "applications",
    kind: "Application",
    short: &["app", "apps"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("SYNC", Source::Object(|app| text(sync(app)))),
        Column::new("HEALTH", Source::Object(|app| text(health(app)))),
        Column::new("OPERATION", Source::Object(|app| text_at(app, "/status/operationState/phase"))),
        Column::new("REVISION", Source::Object(revision)),
        Column::new("DESTINATION", Source::Object(destination)),
        Column::new("AGE", Source::Age).right(),
        Column::new("PROJECT", Source::Object(|app| text_at(app, "/spec/project"))).wide(),
        Column::new("REPOSITORY", Source::Object(|app| text(source(app, "/repoURL")))).wide(),
        Column::new("PATH", Source::Object(|app| text(source(app, "/path")))).wide(),
        Column::new("TARGET", Source::Object(|app| text(source(app, "/targetRevision")))).wide(),
    ],
    tone,
    can: &[Can::Logs, Can::Why],
    opens: Opens::Resources,
};

fn sync(app: &Value) -> &str {
    word(str_at(app, "/status/sync/status"))
}

fn health(app: &Value) -> &str {
    word(str_at(app, "/status/health/status"))
}

fn word(text: &str) -> &str {
    if text.is_empty() { "Unknown" } else { text }
}

/// A field of the source, of the first one where there are several.
fn source<'a>(app: &'a Value, field: &str) -> &'a str {
    match str_at(app, &format!("/spec/source{field}")) {
        "" => list_at(app, "/spec/sources").first().map_or("", |first| str_at(first, field)),
        value => value,
    }
}

/// The revision that was last compared; a commit is cut to 7 characters.
fn revision(app: &Value) -> Cell {
    let revision = match str_at(app, "/status/sync/revision") {
        "" => list_at(app, "/status/sync/revisions").first().and_then(Value::as_str).unwrap_or_default(),
        one => one,
    };
    let commit = revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
    text(if commit { &revision[..7] } else { revision })
}

fn destination(app: &Value) -> Cell {
    let cluster = match (str_at(app, "/spec/destination/name"), str_at(app, "/spec/destination/server")) {
        ("", "https://kubernetes.default.svc") => "in-cluster",
        ("", server) => server,
        (name, _) => name,
    };
    text(format!("{cluster}/{}", str_at(app, "/spec/destination/namespace")))
}

fn tone(app: &Value) -> Tone {
    let failed = matches!(str_at(app, "/status/operationState/phase"), "Failed" | "Error");
    match (health(app), sync(app)) {
        ("Degraded" | "Missing", _) => Tone::Bad,
        _ if failed => Tone::Bad,
        ("Progressing", _) => Tone::Busy,
        ("Healthy", "Synced") => Tone::Ok,
        _ => Tone::Warn,
    }
}
