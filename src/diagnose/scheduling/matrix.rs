//! The node × filter matrix for people: a row per node, nearest miss first, amounts instead of yes and no.

use super::filter::PLUGINS;
use super::node::Node;
use super::pod::{Pod, untolerated};
use super::requests::human;
use super::snapshot::Snapshot;
use super::{Judgement, node_affinity, node_ports, volume_binding, volume_restrictions};
use crate::diagnose::verdict::NodeRow;

/// A cell: column, text, whether it passes.
type Cell = (String, String, bool);

/// Rows for every node: fewest obstacles first, then those that lack least.
pub fn rows(world: &Snapshot, pod: &Pod, judgement: &Judgement) -> Vec<NodeRow> {
    let nodes = world.nodes.iter().zip(&judgement.nodes);
    let mut ranked: Vec<(u64, NodeRow)> =
        nodes.map(|(node, failing)| (shortage(node, pod), row(node, pod, failing))).collect();
    ranked.sort_by(|(short, a), (other, b)| (a.away, short, &a.node).cmp(&(b.away, other, &b.node)));
    let mut rows: Vec<NodeRow> = ranked.into_iter().map(|(_, row)| row).collect();
    drop_quiet_columns(&mut rows);
    rows
}

/// What a node lacks of the requests, in thousandths of each, added up.
fn shortage(node: &Node, pod: &Pod) -> u64 {
    let lacking = |resource: &str| {
        let need = i128::from(pod.requests.get(resource));
        let missing = need - i128::from(node.free(resource)).max(0);
        u64::try_from(missing.max(0) * 1_000 / need.max(1)).unwrap_or(u64::MAX)
    };
    pod.requests.names().map(lacking).fold(0, u64::saturating_add)
}

fn row(node: &Node, pod: &Pod, failing: &super::Failing) -> NodeRow {
    let failed = |plugin: &str| failing.iter().find(|(at, _)| PLUGINS[*at].name == plugin).map(|(_, reasons)| reasons);
    let reason = |plugin: &str| failed(plugin).and_then(|r| r.first()).map(AsRef::as_ref);
    let mut cells = amounts(node, pod);
    cells.push(taint_cell(node, pod, failed("NodeUnschedulable").is_some()));
    let mut words = |column: &str, plugins: &[&str]| {
        let text = plugins.iter().find_map(|p| reason(p)).map(short);
        cells.push((column.into(), text.unwrap_or("ok").into(), text.is_none()));
    };
    words("affinity", &["NodeAffinity", "NodeName"]);
    words("volumes", &["VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"]);
    words("spread", &["PodTopologySpread"]);
    words("other pods", &["InterPodAffinity"]);
    words("devices", &["DynamicResources"]);
    words("features", &["NodeDeclaredFeatures"]);
    let taken = node_ports::taken(&pod.ports, node);
    let port = taken.map_or("ok".into(), |p| format!("{} taken", p.port));
    cells.push(("ports".into(), port, taken.is_none()));
    NodeRow { node: node.name.clone(), away: away(node, pod, failing), cells }
}

/// How many filters fail. A cordon fails two (the flag and the taint it adds) and counts once, as people see it.
fn away(node: &Node, pod: &Pod, failing: &super::Failing) -> usize {
    let cordon = failing.iter().any(|(at, _)| PLUGINS[*at].name == "NodeUnschedulable");
    let only_its_taint = cordon && other_taint(node, pod).is_none();
    let counted = failing.iter().filter(|(at, _)| !(only_its_taint && PLUGINS[*at].name == "TaintToleration"));
    counted.count()
}

/// The first untolerated taint that is not the cordon's own.
pub fn other_taint<'n>(node: &'n Node, pod: &Pod) -> Option<&'n super::pod::Taint> {
    node.taints.iter().find(|t| {
        t.key != super::node_unschedulable::TAINT && untolerated(std::slice::from_ref(*t), &pod.tolerations).is_some()
    })
}

/// What is free or short of every resource that the pod asks for, and the number of pods.
fn amounts(node: &Node, pod: &Pod) -> Vec<Cell> {
    let cell = |resource: &str| {
        let (need, free) = (pod.requests.get(resource), node.free(resource));
        let text = match need > free {
            true if free < 0 => format!("-{} (over-committed)", human(resource, need - free)),
            true => format!("-{}", human(resource, need - free)),
            false => format!("ok ({})", human(resource, free)),
        };
        (resource.to_owned(), text, need <= free)
    };
    let mut cells: Vec<Cell> = pod.requests.names().map(cell).collect();
    let full = node.pods + 1 > node.allocatable.pods;
    let text = if full { format!("{}/{}", node.pods, node.allocatable.pods) } else { "ok".into() };
    cells.push(("pods".into(), text, !full));
    cells
}

fn taint_cell(node: &Node, pod: &Pod, cordoned: bool) -> Cell {
    let taint = other_taint(node, pod).map(|t| match t.value.as_str() {
        "" => t.key.clone(),
        value => format!("{}={value}", t.key),
    });
    let text = match (cordoned, taint) {
        (true, Some(taint)) => format!("cordoned, {taint}"),
        (true, None) => "cordoned".into(),
        (false, Some(taint)) => taint,
        (false, None) => match untolerated(&node.taints, &pod.tolerations) {
            Some(taint) => taint.key.clone(),
            None => return ("taint".into(), "ok".into(), true),
        },
    };
    ("taint".into(), text, false)
}

/// A reason in two or three words.
fn short(reason: &str) -> &str {
    match reason {
        node_affinity::REASON => "no match",
        node_affinity::LEFT_OUT | super::node_name::REASON => "other node named",
        volume_binding::NODE_CONFLICT => "volume elsewhere",
        volume_binding::NO_VOLUME => "no volume",
        volume_binding::NO_SPACE => "no space",
        volume_binding::VOLUME_GONE => "volume gone",
        volume_restrictions::DISK => "disk in use",
        volume_restrictions::ONE_POD => "claim in use",
        super::node_volume_limits::REASON => "too many",
        super::volume_zone::REASON => "other zone",
        super::pod_topology_spread::SKEW => "skew",
        super::pod_topology_spread::NO_LABEL => "no label",
        super::inter_pod_affinity::AFFINITY => "none near",
        super::inter_pod_affinity::ANTI_AFFINITY => "keeps away",
        super::inter_pod_affinity::EXISTING => "kept away",
        super::dynamic_resources::ELSEWHERE => "elsewhere",
        super::dynamic_resources::NONE_FREE => "none free",
        super::node_declared_features::REASON => "missing",
        other => other,
    }
}

/// Leaves out columns where every node passes and has nothing to say.
fn drop_quiet_columns(rows: &mut [NodeRow]) {
    let columns = rows.iter().map(|r| r.cells.len()).max().unwrap_or(0);
    let loud: Vec<bool> = (0..columns)
        .map(|i| rows.iter().any(|r| r.cells.get(i).is_some_and(|(_, text, ok)| !ok || text != "ok")))
        .collect();
    for row in rows {
        let mut at = 0;
        row.cells.retain(|_| {
            at += 1;
            loud.get(at - 1).copied().unwrap_or(false)
        });
    }
}
