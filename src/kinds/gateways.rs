//! Gateways of the Gateway API (`apis/v1/gateway_types.go`, its printed columns).

use super::cells::{condition, joined, text, text_at};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, str_at};
use crate::world::row::Tone;

/// Gateways.
pub static KIND: Kind = Kind {
    group: "gateway.networking.k8s.io",
    plural: "gateways",
    kind: "Gateway",
    short: &["gtw"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("CLASS", Source::Object(|gateway| text_at(gateway, "/spec/gatewayClassName"))),
        Column::new(
            "ADDRESS",
            Source::Object(|gateway| {
                joined(list_at(gateway, "/status/addresses").iter().map(|address| str_at(address, "/value")))
            }),
        ),
        Column::new("PROGRAMMED", Source::Object(|gateway| text(condition(gateway, "Programmed")))),
        Column::new("AGE", Source::Age).right(),
    ],
    tone: |gateway| match condition(gateway, "Programmed") {
        "True" => Tone::Ok,
        "False" => Tone::Bad,
        _ => Tone::Busy,
    },
    can: &[Can::Why],
    opens: Opens::Describe,
};
