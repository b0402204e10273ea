//! Pods: their cells come from the lean row, their status from `world::pod`.

use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::row::{Cell, Tone};

/// Pods.
pub static KIND: Kind = Kind {
    group: "",
    plural: "pods",
    kind: "Pod",
    short: &["po"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("READY", Source::Pod(|_, pod| Cell::Ratio(pod.ready.into(), pod.total.into()))).right(),
        Column::new("STATUS", Source::Pod(|_, pod| Cell::Shared(pod.status.clone()))),
        Column::new(
            "RESTARTS",
            Source::Pod(|_, pod| Cell::Count(pod.restarts.into(), Some(pod.last_restart).filter(|t| t.is_set()))),
        )
        .right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("NODE", Source::Pod(|_, pod| Cell::Shared(pod.node.clone()))),
        Column::new("IP", Source::Pod(|_, pod| Cell::Text(pod.ip.clone()))).wide(),
        Column::new("CPU", Source::Pod(|_, pod| Cell::Cpu(pod.cpu))).right().wide(),
        Column::new("MEMORY", Source::Pod(|_, pod| Cell::Bytes(pod.memory))).right().wide(),
        Column::new("QOS", Source::Pod(|_, pod| Cell::Shared(pod.qos.clone()))).wide(),
    ],
    tone: |_| Tone::Ok,
    can: &[Can::Logs, Can::Exec, Can::Image, Can::Why, Can::Forward],
    opens: Opens::Containers,
};
