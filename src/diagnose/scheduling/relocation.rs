//! Where the pods of a node would go when it is emptied: every filter again, on the cluster with that node cordoned.
//!
//! Pods are placed one after the other, the more important first (`spec.priority`), each on the node that is least
//! filled of those that take it, so that the next one finds less room. The scheduler scores nodes by more than that, and
//! may preempt; so a pod that fits here may still wait, and the other way round. It is said as an estimate.

use super::pod::Taint;
use super::{Node, Objects, Pod, Snapshot, judge, report};
use crate::world::object::{int_at, list_at};
use serde_json::Value;

/// What becomes of a pod that has to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move<'a> {
    /// The pod as it is now.
    pub pod: &'a Value,
    /// The node that would take its replacement.
    pub to: Option<String>,
    /// What the scheduler would say where none does: `0/3 nodes are available: …`
    pub message: String,
    /// The other node that lacks least, and what: `n3: memory -1.7Gi`. Empty where one fits, or there is no other.
    pub nearest: String,
}

/// Places the replacements of the pods that leave a node, most important first. `leaving` must be among `objects.pods`
/// to give their room back; the node itself stays in the cluster, cordoned, as the scheduler will see it.
pub fn relocate<'a>(objects: &Objects<'_>, node: &str, leaving: &[&'a Value]) -> Vec<Move<'a>> {
    let mut rest = objects.clone();
    let leaves = |pod: &Value| uid(pod).is_some() && leaving.iter().any(|one| uid(one) == uid(pod));
    rest.pods.retain(|pod| !leaves(pod));
    let mut world = Snapshot::build(&rest).with_node(node, cordon);
    let mut queue: Vec<&Value> = leaving.to_vec();
    queue.sort_by_key(|pod| std::cmp::Reverse(int_at(pod, "/spec/priority").unwrap_or_default()));
    queue.into_iter().map(|pod| place(&mut world, node, pod)).collect()
}

fn uid(pod: &Value) -> Option<&Value> {
    pod.pointer("/metadata/uid")
}

fn cordon(node: &mut Node) {
    let taint =
        Taint { key: "node.kubernetes.io/unschedulable".into(), value: String::new(), effect: "NoSchedule".into() };
    node.unschedulable = true;
    if !node.taints.contains(&taint) {
        node.taints.push(taint);
    }
}

fn place<'a>(world: &mut Snapshot, emptied: &str, pod: &'a Value) -> Move<'a> {
    let fresh = replacement(pod);
    let wanted = Pod::new(&fresh);
    let judgement = judge(world, &wanted);
    let fits = judgement.fits(world);
    let emptiest = fits.iter().filter_map(|name| world.node(name)).min_by_key(|node| fill(node));
    if let Some(to) = emptiest.map(|node| node.name.clone()) {
        if let Some(at) = world.nodes.iter().position(|node| node.name == to) {
            *world = world.with_pods(at, &[&fresh]);
        }
        return Move { pod, to: Some(to), message: String::new(), nearest: String::new() };
    }
    let said = report(world, &wanted, &judgement);
    let lacks = |row: &crate::diagnose::verdict::NodeRow| {
        let cells = row.cells.iter().filter(|(.., passes)| !passes);
        let lacks: Vec<String> = cells.map(|(column, text, _)| format!("{column} {text}")).collect();
        format!("{}: {}", row.node, lacks.join(", "))
    };
    let nearest = said.matrix.iter().find(|row| *row.node != *emptied).map(lacks).unwrap_or_default();
    Move { pod, to: None, message: said.message, nearest }
}

/// The pod that its owner will make: no node, no status. Claims that are made for each pod anew are left out.
fn replacement(pod: &Value) -> Value {
    let mut fresh = pod.clone();
    if let Some(map) = fresh.as_object_mut() {
        map.remove("status");
    }
    for (part, field) in [("metadata", "uid"), ("metadata", "deletionTimestamp"), ("spec", "nodeName")] {
        if let Some(map) = fresh.get_mut(part).and_then(Value::as_object_mut) {
            map.remove(field);
        }
    }
    let kept: Vec<Value> =
        list_at(pod, "/spec/volumes").iter().filter(|v| v.get("ephemeral").is_none()).cloned().collect();
    if let Some(spec) = fresh.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("volumes".into(), Value::Array(kept));
    }
    fresh
}

/// How full a node is, in thousandths of what is scarcest.
fn fill(node: &Node) -> i64 {
    let share = |used: i64, all: i64| if all > 0 { used.saturating_mul(1000) / all } else { 1000 };
    let (used, all) = (&node.requested, &node.allocatable);
    share(used.cpu, all.cpu).max(share(used.memory / 1024, all.memory / 1024)).max(share(node.pods, all.pods))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, cpu: &str) -> Value {
        json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}})
    }

    fn pod(name: &str, node: &str, cpu: &str, priority: i64) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name, "uid": name},
            "spec": {"nodeName": node, "priority": priority, "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
            "status": {"phase": "Running"}})
    }

    #[test]
    fn each_pod_finds_the_room_that_is_left_by_the_one_before() {
        let nodes = [node("n1", "4"), node("n2", "2"), node("n3", "2")];
        let pods =
            [pod("a", "n1", "1500m", 0), pod("b", "n1", "1", 9), pod("c", "n1", "1", 0), pod("d", "n2", "500m", 0)];
        let objects = Objects { nodes: nodes.iter().collect(), pods: pods.iter().collect(), ..Objects::default() };
        let moves = relocate(&objects, "n1", &[&pods[0], &pods[1], &pods[2]]);
        let told: Vec<(&str, Option<&str>)> =
            moves.iter().map(|m| (m.pod["metadata"]["name"].as_str().unwrap_or(""), m.to.as_deref())).collect();
        assert_eq!(
            told,
            [("b", Some("n3")), ("a", Some("n2")), ("c", Some("n3"))],
            "important first, emptiest node first"
        );
        let one_more = [pod("a", "n1", "1500m", 0), pod("e", "n1", "1500m", 0), pod("f", "n1", "1500m", 0)];
        let objects = Objects { nodes: nodes.iter().collect(), pods: one_more.iter().collect(), ..Objects::default() };
        let moves = relocate(&objects, "n1", &one_more.iter().collect::<Vec<_>>());
        let left = moves.iter().find(|m| m.to.is_none()).expect("the third has no room");
        assert!(left.message.starts_with("0/3 nodes are available: "), "{}", left.message);
        assert!(left.message.contains("2 Insufficient cpu") && left.message.contains("1 node(s) were unschedulable"));
        assert!(left.nearest.contains("cpu"), "{}", left.nearest);
    }
}
