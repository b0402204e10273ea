//! Nodes (`printers.go`, printNode).

use super::cells::{condition, cpu_trend, memory_trend, text, text_at};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::metrics::{Usage, percent};
use crate::world::object::{bool_at, list_at, str_at};
use crate::world::quantity::Quantity;
use crate::world::row::{Body, Cell, Row, Tone};
use serde_json::Value;

/// Nodes.
pub static KIND: Kind = Kind {
    group: "",
    plural: "nodes",
    kind: "Node",
    short: &["no"],
    namespaced: false,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("STATUS", Source::Object(|node| text(status(node)))),
        Column::new("ROLES", Source::Object(roles)),
        Column::new("TAINTS", Source::Object(|node| Cell::Int(list_at(node, "/spec/taints").len() as i64))).right(),
        Column::new("VERSION", Source::Object(|node| text_at(node, "/status/nodeInfo/kubeletVersion"))),
        Column::new("CPU", Source::Used(|_, used| Cell::Cpu(used.now().cpu))).right().yielding(),
        Column::new("%CPU", Source::Used(|row, used| share(used.now().cpu, can_give(row).cpu))).right().yielding(),
        Column::new("CPU/A", Source::Object(|node| Cell::Cpu(allocatable(node, "cpu").milli()))).right(),
        Column::new("MEM", Source::Used(|_, used| Cell::Bytes(used.now().memory))).right().yielding(),
        Column::new("%MEM", Source::Used(|row, used| share(used.now().memory, can_give(row).memory)))
            .right()
            .yielding(),
        Column::new("MEM/A", Source::Object(|node| Cell::Bytes(allocatable(node, "memory").units()))).right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("CPU TREND", Source::Used(cpu_trend)).wide(),
        Column::new("MEM TREND", Source::Used(memory_trend)).wide(),
        Column::new("INTERNAL-IP", Source::Object(|node| address(node, "InternalIP"))).wide(),
        Column::new("EXTERNAL-IP", Source::Object(|node| address(node, "ExternalIP"))).wide(),
        Column::new("OS-IMAGE", Source::Object(|node| text_at(node, "/status/nodeInfo/osImage"))).wide(),
        Column::new("KERNEL-VERSION", Source::Object(|node| text_at(node, "/status/nodeInfo/kernelVersion"))).wide(),
        Column::new(
            "CONTAINER-RUNTIME",
            Source::Object(|node| text_at(node, "/status/nodeInfo/containerRuntimeVersion")),
        )
        .wide(),
    ],
    tone,
    can: &[Can::Cordon, Can::Why],
    opens: Opens::PodsOnNode,
};

/// `Ready`, `NotReady`, `Unknown`, each with `,SchedulingDisabled` when cordoned.
fn status(node: &Value) -> String {
    let ready = match condition(node, "Ready") {
        "True" => "Ready",
        "" => "Unknown",
        _ => "NotReady",
    };
    format!("{ready}{}", if bool_at(node, "/spec/unschedulable") { ",SchedulingDisabled" } else { "" })
}

fn roles(node: &Value) -> Cell {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let mut roles: Vec<&str> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            None if key == "kubernetes.io/role" => value.as_str(),
            role => role,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    text(if roles.is_empty() { "<none>".into() } else { roles.join(",") })
}

fn allocatable(node: &Value, resource: &str) -> Quantity {
    Quantity::parse(str_at(node, &format!("/status/allocatable/{resource}"))).unwrap_or(Quantity::whole(0))
}

/// What a node has for pods, from its cells CPU/A and MEM/A.
pub fn can_give(row: &Row) -> Usage {
    let Body::Cells(cells) = &row.body else { return Usage::default() };
    let cpu = cells.iter().find_map(|cell| if let Cell::Cpu(milli) = cell { Some(*milli) } else { None });
    let memory = cells.iter().find_map(|cell| if let Cell::Bytes(bytes) = cell { Some(*bytes) } else { None });
    Usage { cpu: cpu.unwrap_or(0), memory: memory.unwrap_or(0) }
}

fn share(used: i64, of: i64) -> Cell {
    percent(used, of).map_or(Cell::Empty, Cell::Int)
}

fn address(node: &Value, kind: &str) -> Cell {
    let addresses = list_at(node, "/status/addresses");
    text(addresses.iter().find(|a| str_at(a, "/type") == kind).map_or("<none>", |a| str_at(a, "/address")))
}

fn tone(node: &Value) -> Tone {
    let pressed = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];
    match condition(node, "Ready") {
        "True" if pressed.iter().any(|kind| condition(node, kind) == "True") => Tone::Warn,
        "True" if bool_at(node, "/spec/unschedulable") => Tone::Warn,
        "True" => Tone::Ok,
        _ => Tone::Bad,
    }
}
