//! Pods: their cells come from the lean row, their status from `world::pod`.

use super::cells::{cpu_trend, memory_trend};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source, Text};
use crate::world::metrics::percent;
use crate::world::pod::PodRow;
use crate::world::row::{Body, Cell, Row, Tone};

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
        Column::new("STATUS", Source::PodText(|pod| Text::Shared(&pod.status))),
        Column::new(
            "RESTARTS",
            Source::Pod(|_, pod| Cell::Count(pod.restarts.into(), Some(pod.last_restart).filter(|t| t.is_set()))),
        )
        .right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("NODE", Source::PodText(|pod| Text::Shared(&pod.node))),
        Column::new("IP", Source::PodText(|pod| Text::Own(&pod.ip))).wide(),
        Column::new("CPU", Source::Used(|_, used| Cell::Cpu(used.now().cpu))).right().yielding(),
        Column::new("%CPU/R", Source::Used(|row, used| share(row, used.now().cpu, |pod| pod.cpu))).right().wide(),
        Column::new("%CPU/L", Source::Used(|row, used| share(row, used.now().cpu, |pod| pod.cpu_limit))).right().wide(),
        Column::new("MEM", Source::Used(|_, used| Cell::Bytes(used.now().memory))).right().yielding(),
        Column::new("%MEM/R", Source::Used(|row, used| share(row, used.now().memory, |pod| pod.memory))).right().wide(),
        Column::new("%MEM/L", Source::Used(|row, used| share(row, used.now().memory, |pod| pod.memory_limit)))
            .right()
            .wide(),
        Column::new("QOS", Source::PodText(|pod| Text::Shared(&pod.qos))).wide(),
        Column::new("CPU/R", Source::Pod(|_, pod| some(pod.cpu, Cell::Cpu))).right().wide(),
        Column::new("CPU/L", Source::Pod(|_, pod| some(pod.cpu_limit, Cell::Cpu))).right().wide(),
        Column::new("MEM/R", Source::Pod(|_, pod| some(pod.memory, Cell::Bytes))).right().wide(),
        Column::new("MEM/L", Source::Pod(|_, pod| some(pod.memory_limit, Cell::Bytes))).right().wide(),
        Column::new("CPU TREND", Source::Used(cpu_trend)).wide(),
        Column::new("MEM TREND", Source::Used(memory_trend)).wide(),
    ],
    tone: |_| Tone::Ok,
    can: &[Can::Logs, Can::Exec, Can::Image, Can::Why, Can::Forward],
    opens: Opens::Containers,
};

/// What is used of what the pod has of it, in percent; nothing of nothing.
fn share(row: &Row, used: i64, of: fn(&PodRow) -> i64) -> Cell {
    match &row.body {
        Body::Pod(pod) => percent(used, of(pod)).map_or(Cell::Empty, Cell::Int),
        Body::Cells(_) => Cell::Empty,
    }
}

/// An amount; none is no cell.
fn some(amount: i64, cell: fn(i64) -> Cell) -> Cell {
    if amount > 0 { cell(amount) } else { Cell::Empty }
}
