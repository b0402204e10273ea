//! Services (`printers.go`, printService).

use super::cells::{joined, map_at, text, text_at};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// Services.
pub static KIND: Kind = Kind {
    group: "",
    plural: "services",
    kind: "Service",
    short: &["svc"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("TYPE", Source::Object(|service| text_at(service, "/spec/type"))),
        Column::new("CLUSTER-IP", Source::Object(|service| or_none(text_at(service, "/spec/clusterIP")))),
        Column::new("EXTERNAL-IP", Source::Object(external)),
        Column::new("PORT(S)", Source::Object(ports)),
        Column::new("AGE", Source::Age).right(),
        Column::new("SELECTOR", Source::Object(|service| or_none(map_at(service, "/spec/selector")))).wide(),
    ],
    tone: |service| if is_pending(service) { Tone::Busy } else { Tone::Ok },
    can: &[Can::Logs, Can::Why, Can::Forward],
    opens: Opens::Pods,
};

fn or_none(cell: Cell) -> Cell {
    if cell == Cell::Empty { text("<none>") } else { cell }
}

fn addresses(service: &Value) -> impl Iterator<Item = &str> {
    list_at(service, "/status/loadBalancer/ingress").iter().map(|i| match str_at(i, "/ip") {
        "" => str_at(i, "/hostname"),
        ip => ip,
    })
}

fn is_pending(service: &Value) -> bool {
    str_at(service, "/spec/type") == "LoadBalancer"
        && addresses(service).next().is_none()
        && list_at(service, "/spec/externalIPs").is_empty()
}

fn external(service: &Value) -> Cell {
    let ips = list_at(service, "/spec/externalIPs").iter().filter_map(Value::as_str);
    match str_at(service, "/spec/type") {
        "ExternalName" => text_at(service, "/spec/externalName"),
        _ if is_pending(service) => text("<pending>"),
        "LoadBalancer" => joined(addresses(service).chain(ips)),
        _ => or_none(joined(ips)),
    }
}

fn ports(service: &Value) -> Cell {
    let ports = list_at(service, "/spec/ports").iter().map(|port| {
        let protocol = match str_at(port, "/protocol") {
            "" => "TCP",
            protocol => protocol,
        };
        let number = int_at(port, "/port").unwrap_or_default();
        match int_at(port, "/nodePort").filter(|n| *n > 0) {
            Some(node) => format!("{number}:{node}/{protocol}"),
            None => format!("{number}/{protocol}"),
        }
    });
    or_none(text(ports.collect::<Vec<_>>().join(",")))
}
