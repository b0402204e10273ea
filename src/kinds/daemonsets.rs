//! DaemonSets (`printers.go`, printDaemonSet).

use super::cells::{containers, count_at, images, map_at, replicas_tone};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::int_at;

/// DaemonSets.
pub static KIND: Kind = Kind {
    group: "apps",
    plural: "daemonsets",
    kind: "DaemonSet",
    short: &["ds"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("DESIRED", Source::Object(|d| count_at(d, "/status/desiredNumberScheduled"))).right(),
        Column::new("CURRENT", Source::Object(|d| count_at(d, "/status/currentNumberScheduled"))).right(),
        Column::new("READY", Source::Object(|d| count_at(d, "/status/numberReady"))).right(),
        Column::new("UP-TO-DATE", Source::Object(|d| count_at(d, "/status/updatedNumberScheduled"))).right(),
        Column::new("AVAILABLE", Source::Object(|d| count_at(d, "/status/numberAvailable"))).right(),
        Column::new("NODE SELECTOR", Source::Object(|d| map_at(d, "/spec/template/spec/nodeSelector"))),
        Column::new("AGE", Source::Age).right(),
        Column::new("CONTAINERS", Source::Object(containers)).wide(),
        Column::new("IMAGES", Source::Object(images)).wide(),
    ],
    tone: |d| {
        let count = |field: &str| int_at(d, &format!("/status/{field}")).unwrap_or_default();
        replicas_tone(count("desiredNumberScheduled"), count("numberReady"), count("updatedNumberScheduled"))
    },
    can: &[Can::Logs, Can::Resources, Can::Roll, Can::Image, Can::Why, Can::Forward],
    opens: Opens::Pods,
};
