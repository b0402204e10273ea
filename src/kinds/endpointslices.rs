//! EndpointSlices (`printers.go`, printEndpointSlice), with the ready endpoints counted.

use super::cells::{joined, text, text_at};
use super::{Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// EndpointSlices.
pub static KIND: Kind = Kind {
    group: "discovery.k8s.io",
    plural: "endpointslices",
    kind: "EndpointSlice",
    short: &["eps"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("READY", Source::Object(ready)).right(),
        Column::new("PORTS", Source::Object(ports)),
        Column::new("ENDPOINTS", Source::Object(endpoints)),
        Column::new("SERVICE", Source::Object(|slice| text_at(slice, "/metadata/labels/kubernetes.io~1service-name"))),
        Column::new("AGE", Source::Age).right(),
        Column::new("ADDRESSTYPE", Source::Object(|slice| text_at(slice, "/addressType"))).wide(),
    ],
    tone: |slice| if usable(slice) { Tone::Ok } else { Tone::Warn },
    can: &[],
    opens: Opens::Describe,
};

/// An endpoint without a `ready` condition counts as ready (`discovery/v1` EndpointConditions).
fn is_ready(endpoint: &Value) -> bool {
    endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true)
}

/// A ready endpoint alone is no backend: a named port that no container has leaves `ports` empty.
fn usable(slice: &Value) -> bool {
    list_at(slice, "/endpoints").iter().any(is_ready) && !list_at(slice, "/ports").is_empty()
}

fn ready(slice: &Value) -> Cell {
    let endpoints = list_at(slice, "/endpoints");
    Cell::Ratio(endpoints.iter().filter(|e| is_ready(e)).count() as u32, endpoints.len() as u32)
}

fn ports(slice: &Value) -> Cell {
    let ports = list_at(slice, "/ports").iter().map(|p| int_at(p, "/port").map_or("*".into(), |n| n.to_string()));
    let ports: Vec<String> = ports.collect();
    text(if ports.is_empty() { "<unset>".into() } else { ports.join(",") })
}

fn endpoints(slice: &Value) -> Cell {
    let all = list_at(slice, "/endpoints");
    let addresses = all.iter().filter_map(|e| list_at(e, "/addresses").first().and_then(Value::as_str));
    match all.len() {
        0 => text("<unset>"),
        1..=3 => joined(addresses),
        n => text(format!("{} + {} more", addresses.take(3).collect::<Vec<_>>().join(","), n - 3)),
    }
}

/// The name of the Service a slice belongs to.
pub fn service(slice: &Value) -> &str {
    str_at(slice, "/metadata/labels/kubernetes.io~1service-name")
}
