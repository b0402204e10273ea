//! IngressRoutes of Traefik. Its CRD prints a name and an age only; what people look for is what they match.

use super::cells::{joined, text};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// IngressRoutes.
pub static KIND: Kind = Kind {
    group: "traefik.io",
    plural: "ingressroutes",
    kind: "IngressRoute",
    short: &[],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("MATCH", Source::Object(matches)),
        Column::new("SERVICES", Source::Object(services)),
        Column::new(
            "ENTRYPOINTS",
            Source::Object(|route| joined(list_at(route, "/spec/entryPoints").iter().filter_map(Value::as_str))),
        ),
        Column::new("AGE", Source::Age).right(),
    ],
    tone: |_| Tone::Ok,
    can: &[Can::Why],
    opens: Opens::Describe,
};

fn matches(route: &Value) -> Cell {
    let rules: Vec<&str> = list_at(route, "/spec/routes").iter().map(|rule| str_at(rule, "/match")).collect();
    text(rules.join("; "))
}

fn services(route: &Value) -> Cell {
    let mut names: Vec<&str> = list_at(route, "/spec/routes")
        .iter()
        .flat_map(|rule| list_at(rule, "/services"))
        .map(|service| str_at(service, "/name"))
        .collect();
    names.dedup();
    joined(names)
}
