//! Events of the core group (`printers.go`, printEvent).

use super::cells::{since_at, text, text_at};
use super::{Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{int_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// Events.
pub static KIND: Kind = Kind {
    group: "",
    plural: "events",
    kind: "Event",
    short: &["ev"],
    namespaced: true,
    columns: &[
        Column::new("LAST SEEN", Source::Object(last_seen)).right(),
        Column::new("TYPE", Source::Object(|event| text_at(event, "/type"))),
        Column::new("REASON", Source::Object(|event| text_at(event, "/reason"))),
        Column::new("OBJECT", Source::Object(object)),
        Column::new("COUNT", Source::Object(count)).right(),
        Column::new("MESSAGE", Source::Object(|event| text(str_at(event, "/message").trim()))),
        Column::new("SOURCE", Source::Object(source)).wide(),
        Column::new("FIRST SEEN", Source::Object(first_seen)).right().wide(),
        Column::new("NAME", Source::Name).wide(),
    ],
    tone: |event| if str_at(event, "/type") == "Warning" { Tone::Warn } else { Tone::Ok },
    can: &[],
    opens: Opens::Describe,
};

fn first_seen(event: &Value) -> Cell {
    match since_at(event, "/firstTimestamp") {
        Cell::Empty => since_at(event, "/eventTime"),
        seen => seen,
    }
}

fn last_seen(event: &Value) -> Cell {
    let seen = ["/series/lastObservedTime", "/lastTimestamp"].map(|pointer| since_at(event, pointer));
    seen.into_iter().find(|cell| *cell != Cell::Empty).unwrap_or_else(|| first_seen(event))
}

fn count(event: &Value) -> Cell {
    Cell::Int(int_at(event, "/series/count").or(int_at(event, "/count")).unwrap_or(1).max(1))
}

fn object(event: &Value) -> Cell {
    let kind = str_at(event, "/involvedObject/kind").to_lowercase();
    text(format!("{kind}/{}", str_at(event, "/involvedObject/name")))
}

fn source(event: &Value) -> Cell {
    match (str_at(event, "/source/component"), str_at(event, "/source/host")) {
        ("", _) => text_at(event, "/reportingComponent"),
        (component, "") => text(component),
        (component, host) => text(format!("{component}, {host}")),
    }
}
