//! Ingresses (`printers.go`, printIngress).

use super::cells::{joined, text};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// Ingresses.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    plural: "ingresses",
    kind: "Ingress",
    short: &["ing"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("CLASS", Source::Object(class)),
        Column::new("HOSTS", Source::Object(hosts)),
        Column::new("ADDRESS", Source::Object(address)),
        Column::new(
            "PORTS",
            Source::Object(|ingress| text(if list_at(ingress, "/spec/tls").is_empty() { "80" } else { "80, 443" })),
        ),
        Column::new("AGE", Source::Age).right(),
    ],
    tone: |ingress| if address(ingress) == Cell::Empty { Tone::Busy } else { Tone::Ok },
    can: &[Can::Why],
    opens: Opens::Describe,
};

fn class(ingress: &Value) -> Cell {
    let annotation = str_at(ingress, "/metadata/annotations/kubernetes.io~1ingress.class");
    match str_at(ingress, "/spec/ingressClassName") {
        "" => text(if annotation.is_empty() { "<none>" } else { annotation }),
        class => text(class),
    }
}

fn hosts(ingress: &Value) -> Cell {
    let hosts = list_at(ingress, "/spec/rules").iter().map(|rule| match str_at(rule, "/host") {
        "" => "*",
        host => host,
    });
    match joined(hosts) {
        Cell::Empty => text("*"),
        hosts => hosts,
    }
}

fn address(ingress: &Value) -> Cell {
    joined(list_at(ingress, "/status/loadBalancer/ingress").iter().map(|i| match str_at(i, "/ip") {
        "" => str_at(i, "/hostname"),
        ip => ip,
    }))
}
