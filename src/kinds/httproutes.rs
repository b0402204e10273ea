//! HTTPRoutes of the Gateway API (`apis/v1/httproute_types.go`: the printed column is HOSTNAMES), with what their
//! controllers say of them.

use super::cells::{joined, text};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, namespace, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// HTTPRoutes.
pub static KIND: Kind = Kind {
    group: "gateway.networking.k8s.io",
    plural: "httproutes",
    kind: "HTTPRoute",
    short: &[],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("HOSTNAMES", Source::Object(hostnames)),
        Column::new("PARENTS", Source::Object(parents)),
        Column::new("STATUS", Source::Object(status)),
        Column::new("AGE", Source::Age).right(),
    ],
    tone: |route| match refused(route) {
        Some(_) => Tone::Bad,
        None if list_at(route, "/status/parents").is_empty() => Tone::Busy,
        None => Tone::Ok,
    },
    can: &[Can::Why],
    opens: Opens::Describe,
};

fn hostnames(route: &Value) -> Cell {
    match joined(list_at(route, "/spec/hostnames").iter().filter_map(Value::as_str)) {
        Cell::Empty => text("*"),
        hosts => hosts,
    }
}

fn parents(route: &Value) -> Cell {
    let parents = list_at(route, "/spec/parentRefs").iter().map(|parent| match str_at(parent, "/namespace") {
        ns if ns.is_empty() || ns == namespace(route) => str_at(parent, "/name").to_owned(),
        ns => format!("{ns}/{}", str_at(parent, "/name")),
    });
    text(parents.collect::<Vec<_>>().join(","))
}

/// The first condition of any parent that is false.
fn refused(route: &Value) -> Option<&Value> {
    let said = list_at(route, "/status/parents").iter().flat_map(|parent| list_at(parent, "/conditions"));
    said.filter(|c| matches!(str_at(c, "/type"), "Accepted" | "ResolvedRefs")).find(|c| str_at(c, "/status") == "False")
}

fn status(route: &Value) -> Cell {
    match refused(route) {
        Some(condition) => text(str_at(condition, "/reason")),
        None if list_at(route, "/status/parents").is_empty() => Cell::Empty,
        None => text("Accepted"),
    }
}
