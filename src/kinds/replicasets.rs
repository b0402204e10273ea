//! ReplicaSets (`printers.go`, printReplicaSet).

use super::cells::{containers, count_at, images, map_at, replicas_tone};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::int_at;
use crate::world::row::Cell;

/// ReplicaSets.
pub static KIND: Kind = Kind {
    group: "apps",
    plural: "replicasets",
    kind: "ReplicaSet",
    short: &["rs"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("DESIRED", Source::Object(|rs| Cell::Int(int_at(rs, "/spec/replicas").unwrap_or(1)))).right(),
        Column::new("CURRENT", Source::Object(|rs| count_at(rs, "/status/replicas"))).right(),
        Column::new("READY", Source::Object(|rs| count_at(rs, "/status/readyReplicas"))).right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("CONTAINERS", Source::Object(containers)).wide(),
        Column::new("IMAGES", Source::Object(images)).wide(),
        Column::new("SELECTOR", Source::Object(|rs| map_at(rs, "/spec/selector/matchLabels"))).wide(),
    ],
    tone: |rs| {
        let wanted = int_at(rs, "/spec/replicas").unwrap_or(1);
        replicas_tone(wanted, int_at(rs, "/status/readyReplicas").unwrap_or_default(), wanted)
    },
    can: &[Can::Logs, Can::Scale, Can::Why, Can::Forward],
    opens: Opens::Pods,
};
