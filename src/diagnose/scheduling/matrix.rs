//! The node × filter matrix for people: a row per node, nearest miss first, amounts instead of yes and no.
//!
//! It is made column by column: what many nodes have in common is worded once, and a column in which all pass with
//! nothing to say is not made at all.

use super::filter::{PLUGINS, Reasons};
use super::judgement::{Failing, Judgement};
use super::node::Node;
use super::pod::{Pod, untolerated};
use super::requests::human;
use super::snapshot::Snapshot;
use super::{node_affinity, node_ports, volume_binding, volume_restrictions};
use crate::diagnose::verdict::NodeRow;
use std::collections::HashMap;
use std::sync::Arc;

/// A text and whether the node passes.
type Said = (Arc<str>, bool);

/// A title and what is said of each node, in the cluster's order.
struct Column {
    title: Arc<str>,
    nodes: Vec<Said>,
}

/// The columns that a filter's reason is the text of, with the filters.
const WORDS: [(&str, &[&str]); 6] = [
    ("affinity", &["NodeAffinity", "NodeName"]),
    ("volumes", &["VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"]),
    ("spread", &["PodTopologySpread"]),
    ("other pods", &["InterPodAffinity"]),
    ("devices", &["DynamicResources"]),
    ("features", &["NodeDeclaredFeatures"]),
];

/// Rows for every node: fewest obstacles first, then those that lack least.
pub fn rows(world: &Snapshot, pod: &Pod, judgement: &Judgement) -> Vec<NodeRow> {
    let columns = columns(world, pod, judgement);
    let needs = needs(pod);
    let mut ranked: Vec<(usize, u64, usize, Arc<str>)> = vec![];
    for (name, at) in world.by_name().iter() {
        if let (Some(node), Some(failing)) = (world.nodes.get(*at), judgement.at(*at)) {
            ranked.push((away(node, pod, failing), shortage(node, &needs), *at, name.clone()));
        }
    }
    ranked.sort_by_key(|(away, short, ..)| (*away, *short));
    let cells = |at: usize| {
        let mut cells = Vec::with_capacity(columns.len());
        let said = columns.iter().filter_map(|column| Some((&column.title, column.nodes.get(at)?)));
        cells.extend(said.map(|(title, (text, passes))| (title.clone(), text.clone(), *passes)));
        cells
    };
    ranked.into_iter().map(|(away, _, at, node)| NodeRow { node, cells: cells(at), away }).collect()
}

/// What the pod asks for, by name.
fn needs<'p>(pod: &'p Pod) -> Vec<(&'p str, i64)> {
    pod.requests.names().map(|name| (name, pod.requests.get(name))).collect()
}

/// What a node lacks of the requests, in thousandths of each, added up.
fn shortage(node: &Node, needs: &[(&str, i64)]) -> u64 {
    let lacking = |(resource, need): &(&str, i64)| {
        let missing = i128::from(*need) - i128::from(node.free(resource)).max(0);
        match missing {
            ..=0 => 0,
            _ => u64::try_from(missing * 1_000 / i128::from(*need).max(1)).unwrap_or(u64::MAX),
        }
    };
    needs.iter().map(lacking).fold(0, u64::saturating_add)
}

/// The columns in which some node fails or has something to say.
fn columns(world: &Snapshot, pod: &Pod, judgement: &Judgement) -> Vec<Column> {
    let nodes = || world.nodes.iter().map(AsRef::as_ref);
    let ok: Said = ("ok".into(), true);
    let mut all: Vec<Column> = needs(pod).into_iter().map(|(name, need)| amounts(nodes(), name, need)).collect();
    let full = |node: &Node| node.pods + 1 > node.allocatable.pods;
    let count = |node: &Node| (format!("{}/{}", node.pods, node.allocatable.pods).into(), false);
    all.extend(column("pods", &ok, nodes().map(|node| full(node).then(|| count(node)))));
    let judged = nodes().zip(judgement.nodes());
    all.extend(column(
        "taint",
        &ok,
        judged.map(|(node, failing)| taint(node, pod, failed(failing, "NodeUnschedulable").is_some())),
    ));
    for (title, plugins) in WORDS {
        let reason = |failing: &Failing| plugins.iter().find_map(|p| failed(failing, p)?.first().cloned());
        let texts: Vec<Option<Said>> =
            judgement.kinds().iter().map(|f| reason(f).map(|reason| (short(&reason).into(), false))).collect();
        if texts.iter().any(Option::is_some) {
            let of_node = (0..judgement.len()).map(|at| texts.get(judgement.kind_of(at)?)?.clone());
            all.extend(column(title, &ok, of_node));
        }
    }
    let taken = |node: &Node| node_ports::taken(&pod.ports, node).map(|p| (format!("{} taken", p.port).into(), false));
    all.extend(column("ports", &ok, nodes().map(taken)));
    all
}

/// A column, unless nothing is said of any node.
fn column(title: &str, ok: &Said, said: impl Iterator<Item = Option<Said>>) -> Option<Column> {
    let mut loud = false;
    let nodes = said.inspect(|said| loud |= said.is_some()).map(|said| said.unwrap_or_else(|| ok.clone())).collect();
    loud.then(|| Column { title: title.into(), nodes })
}

/// What is free or short of a resource.
fn amounts<'n>(nodes: impl Iterator<Item = &'n Node>, resource: &str, need: i64) -> Column {
    let mut worded: HashMap<i64, Said> = HashMap::new();
    let mut said = |node: &Node| {
        let free = node.free(resource);
        worded.entry(free).or_insert_with(|| amount(resource, need, free)).clone()
    };
    Column { title: resource.into(), nodes: nodes.map(&mut said).collect() }
}

fn amount(resource: &str, need: i64, free: i64) -> Said {
    let text = match need > free {
        true if free < 0 => format!("-{} (over-committed)", human(resource, need - free)),
        true => format!("-{}", human(resource, need - free)),
        false => format!("ok ({})", human(resource, free)),
    };
    (text.into(), need <= free)
}

/// The reasons of a filter, where it fails.
fn failed<'f>(failing: &'f Failing, plugin: &str) -> Option<&'f Reasons> {
    failing.iter().find(|(at, _)| PLUGINS[*at].name == plugin).map(|(_, reasons)| reasons)
}

/// How many filters fail. A cordon fails two (the flag and the taint it adds) and counts once, as people see it.
fn away(node: &Node, pod: &Pod, failing: &Failing) -> usize {
    let cordon = failed(failing, "NodeUnschedulable").is_some();
    let twice = cordon && failed(failing, "TaintToleration").is_some() && other_taint(node, pod).is_none();
    failing.len() - usize::from(twice)
}

/// The first untolerated taint that is not the cordon's own.
pub fn other_taint<'n>(node: &'n Node, pod: &Pod) -> Option<&'n super::pod::Taint> {
    node.taints.iter().find(|t| {
        t.key != super::node_unschedulable::TAINT && untolerated(std::slice::from_ref(*t), &pod.tolerations).is_some()
    })
}

/// The taint that keeps the pod away, or that the node is cordoned.
fn taint(node: &Node, pod: &Pod, cordoned: bool) -> Option<Said> {
    let taint = other_taint(node, pod).map(|t| match t.value.as_str() {
        "" => t.key.clone(),
        value => format!("{}={value}", t.key),
    });
    let text = match (cordoned, taint) {
        (true, Some(taint)) => format!("cordoned, {taint}"),
        (true, None) => "cordoned".into(),
        (false, Some(taint)) => taint,
        (false, None) => untolerated(&node.taints, &pod.tolerations)?.key.clone(),
    };
    Some((text.into(), false))
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

#[cfg(test)]
mod tests {
    use super::super::{Objects, judge};
    use super::*;
    use serde_json::{Value, json};

    fn node(name: &str, cpu: &str, taints: Value) -> Value {
        json!({"metadata": {"name": name}, "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}})
    }

    #[test]
    fn the_nearest_node_comes_first_and_quiet_columns_are_left_out() {
        let taint = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
        let nodes = [
            node("n3", "2", json!([])),
            node("n2", "1", taint),
            node("n1", "1", json!([])),
            node("n0", "1", json!([])),
        ];
        let world = Snapshot::build(&Objects { nodes: nodes.iter().collect(), ..Objects::default() });
        let raw = json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "3"}}}]}});
        let pod = Pod::new(&raw);
        let said = |row: &NodeRow| {
            let cells = row.cells.iter().map(|(title, text, ok)| format!("{title} {text} {ok}"));
            format!("{} {}: {}", row.node, row.away, cells.collect::<Vec<_>>().join(", "))
        };
        let rows: Vec<String> = rows(&world, &pod, &judge(&world, &pod)).iter().map(said).collect();
        assert_eq!(
            rows,
            [
                "n3 1: cpu -1 false, taint ok true",
                "n0 1: cpu -2 false, taint ok true",
                "n1 1: cpu -2 false, taint ok true",
                "n2 2: cpu -2 false, taint dedicated=db false",
            ]
        );
    }
}
