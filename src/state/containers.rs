//! The containers of a pod: how they stand, and what they use where the cluster says it.

use super::State;
use super::grid;
use super::list::{ListRow, Listing};
use crate::world::fleet::ClusterId;
use crate::world::metrics::{Reading, Usage, percent};
use crate::world::object::{ResourceId, list_at, str_at};
use crate::world::pod::{ContainerRow, Role};
use crate::world::quantity::Quantity;
use crate::world::row::{Body, Cell};
use crate::world::sparkline::sparkline;
use crate::world::time::Time;
use serde_json::Value;

/// Columns of the terminal from which everything about use is shown; below it the percents of limits.
const ROOMY: u16 = 120;
/// Columns of the trend.
const TREND: usize = 12;

type Columns = &'static [(&'static str, bool)];

const PLAIN: Columns = &[
    ("NAME", false),
    ("TYPE", false),
    ("READY", false),
    ("STATE", false),
    ("RESTARTS", true),
    ("LAST RUN", false),
    ("IMAGE", false),
];
const WITH_USE: Columns = &[
    ("NAME", false),
    ("TYPE", false),
    ("READY", false),
    ("STATE", false),
    ("RESTARTS", true),
    ("CPU", true),
    ("%CPU/L", true),
    ("MEM", true),
    ("%MEM/L", true),
    ("LAST RUN", false),
    ("IMAGE", false),
];
const WITH_ALL: Columns = &[
    ("NAME", false),
    ("TYPE", false),
    ("READY", false),
    ("STATE", false),
    ("RESTARTS", true),
    ("CPU", true),
    ("%CPU/R", true),
    ("%CPU/L", true),
    ("CPU TREND", false),
    ("MEM", true),
    ("%MEM/R", true),
    ("%MEM/L", true),
    ("LAST RUN", false),
    ("IMAGE", false),
];

/// The list of them, from the row of the pod; requests and limits from the whole object.
pub fn listing(state: &State, cluster: ClusterId, namespace: &str, pod: &str) -> Listing {
    let shard = state.fleet.shard(cluster);
    let row = shard.table(&ResourceId::core("pods")).and_then(|table| table.find(namespace, pod));
    let containers = match row.map(|row| &row.body) {
        Some(Body::Pod(pod)) => &pod.containers[..],
        _ => &[],
    };
    let all = state.size.0 >= ROOMY;
    let columns = match (shard.serves_metrics(), all) {
        (false, _) => PLAIN,
        (true, false) => WITH_USE,
        (true, true) => WITH_ALL,
    };
    let object = row.filter(|_| shard.serves_metrics()).and_then(|row| row.raw.value()).unwrap_or_default();
    let reading = row.and_then(|row| shard.metrics.of_row(row));
    let rows = containers.iter().map(|container| {
        let mut cells = vec![
            container.name.to_string(),
            match container.role {
                Role::Init => "init",
                Role::Main => "",
                Role::Ephemeral => "ephemeral",
            }
            .into(),
            if container.ready { "yes" } else { "no" }.into(),
            container.state.to_string(),
            container.restarts.to_string(),
        ];
        if shard.serves_metrics() {
            cells.extend(used(container, reading.as_ref(), &object, all));
        }
        cells.extend([last_run(container), container.image.to_string()]);
        ListRow::new(&*container.name, cells).tone(container.tone())
    });
    Listing { columns, rows: rows.collect(), empty: "the pod is gone", ..Listing::default() }
}

fn last_run(container: &ContainerRow) -> String {
    let reason = if container.last_reason.is_empty() { "–" } else { &*container.last_reason };
    container.last_exit.map_or("–".into(), |code| format!("{reason} (exit {code})"))
}

/// The cells about use; `n/a` where nothing is known.
fn used(container: &ContainerRow, reading: Option<&Reading>, pod: &Value, all: bool) -> Vec<String> {
    let none = || "n/a".to_string();
    let trend = reading.and_then(|reading| reading.trend(&container.name));
    let now = trend.and_then(|trend| trend.last());
    let (requests, limits) = amounts(pod, &container.name);
    let share = |of: fn(&Usage) -> i64, whole: &Usage| {
        now.and_then(|now| percent(of(&now), of(whole))).map_or_else(none, |percent| percent.to_string())
    };
    let cpu: fn(&Usage) -> i64 = |usage| usage.cpu;
    let memory: fn(&Usage) -> i64 = |usage| usage.memory;
    let write = |cell: Option<Cell>| cell.map_or_else(none, |cell| grid::text(&cell, Time(0)));
    let values = trend.map(|trend| trend.samples().map(|usage| usage.cpu).collect::<Vec<_>>()).unwrap_or_default();
    let mut cells = vec![write(now.map(|now| Cell::Cpu(now.cpu)))];
    cells.extend(all.then(|| share(cpu, &requests)));
    cells.push(share(cpu, &limits));
    cells.extend(all.then(|| sparkline(&values, TREND)));
    cells.push(write(now.map(|now| Cell::Bytes(now.memory))));
    cells.extend(all.then(|| share(memory, &requests)));
    cells.push(share(memory, &limits));
    cells
}

/// What a container requests, and what it may use; nothing said is zero.
fn amounts(pod: &Value, container: &str) -> (Usage, Usage) {
    let lists = ["/spec/containers", "/spec/initContainers"];
    let found = lists.into_iter().flat_map(|list| list_at(pod, list)).find(|c| str_at(c, "/name") == container);
    let of = |what: &str| {
        let amount = |resource: &str| {
            Quantity::parse(str_at(found.unwrap_or(&Value::Null), &format!("/resources/{what}/{resource}")))
        };
        Usage { cpu: amount("cpu").map_or(0, Quantity::milli), memory: amount("memory").map_or(0, Quantity::units) }
    };
    (of("requests"), of("limits"))
}
