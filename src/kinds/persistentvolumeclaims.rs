//! PersistentVolumeClaims (`printers.go`, printPersistentVolumeClaim).

use super::cells::{joined, text, text_at};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, str_at};
use crate::world::quantity::Quantity;
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// PersistentVolumeClaims.
pub static KIND: Kind = Kind {
    group: "",
    plural: "persistentvolumeclaims",
    kind: "PersistentVolumeClaim",
    short: &["pvc"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("STATUS", Source::Object(|claim| text(status(claim)))),
        Column::new("VOLUME", Source::Object(|claim| text_at(claim, "/spec/volumeName"))),
        Column::new("CAPACITY", Source::Object(capacity)).right(),
        Column::new("ACCESS MODES", Source::Object(modes)),
        Column::new("STORAGECLASS", Source::Object(|claim| text_at(claim, "/spec/storageClassName"))),
        Column::new("AGE", Source::Age).right(),
        Column::new("VOLUMEMODE", Source::Object(|claim| text_at(claim, "/spec/volumeMode"))).wide(),
    ],
    tone: |claim| match status(claim) {
        "Bound" => Tone::Ok,
        "Lost" => Tone::Bad,
        "Terminating" => Tone::Busy,
        _ => Tone::Warn,
    },
    can: &[Can::Why],
    opens: Opens::Describe,
};

fn status(claim: &Value) -> &str {
    match (str_at(claim, "/metadata/deletionTimestamp"), str_at(claim, "/status/phase")) {
        ("", "") => "Pending",
        ("", phase) => phase,
        _ => "Terminating",
    }
}

fn capacity(claim: &Value) -> Cell {
    Quantity::parse(str_at(claim, "/status/capacity/storage")).map_or(Cell::Empty, |q| Cell::Bytes(q.units()))
}

fn modes(claim: &Value) -> Cell {
    joined(list_at(claim, "/status/accessModes").iter().filter_map(Value::as_str).map(|mode| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    }))
}
