//! Which pods of lower priority would have to go for a pod to be placed.
//!
//! Source: `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go` (SelectVictimsOnNode) and
//! `pkg/scheduler/framework/preemption/preemption.go` (pickOneNodeForPreemption): on a node all pods of lower priority
//! go, and as many come back as the pod leaves room for, those that a PodDisruptionBudget protects first.

use super::pod::Pod;
use super::rejudge::Filters;
use super::snapshot::{Snapshot, counts};
use super::{Judgement, check_node};
use crate::world::object::{int_at, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::HashMap;

/// At most this many nodes are looked at.
const MOST_NODES: usize = 8;

/// Pods that would make room on a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Victims {
    /// The node.
    pub node: String,
    /// The pods, the most important first, as (namespace, name, priority).
    pub pods: Vec<(String, String, i64)>,
    /// How many of them a PodDisruptionBudget would keep from a voluntary eviction.
    pub protected: usize,
}

/// `spec.priority`, 0 where it is not set.
pub fn priority(pod: &Value) -> i64 {
    int_at(pod, "/spec/priority").unwrap_or_default()
}

/// The pods on nodes that a pod of some priority may displace: those of lower priority, as places in a list, by node.
/// The same for all pods of that priority.
pub struct Lower(HashMap<String, Vec<usize>>);

impl Lower {
    /// The pods of lower priority than this.
    pub fn than(priority: i64, pods: &[&Value]) -> Self {
        let mut on: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, pod) in pods.iter().enumerate() {
            if counts(pod) && self::priority(pod) < priority {
                on.entry(str_at(pod, "/spec/nodeName").to_owned()).or_default().push(place);
            }
        }
        Self(on)
    }
}

/// The pods that would go where the least is lost; `None` where preemption helps nowhere.
/// `lower` are those of `pods` whose priority is lower, `budgets` the PodDisruptionBudgets.
pub fn cheapest(
    world: &Snapshot,
    pod: &Pod<'_>,
    judgement: &Judgement,
    pods: &[&Value],
    lower: &Lower,
    budgets: &[&Value],
) -> Option<Victims> {
    let helpful = Filters::named(&[
        "NodePorts",
        "NodeResourcesFit",
        "VolumeRestrictions",
        "NodeVolumeLimits",
        "PodTopologySpread",
        "InterPodAffinity",
    ]);
    if !judgement.refused.is_empty() {
        return None;
    }
    let open = |at: &usize| judgement.at(*at).is_some_and(|f| Filters::failing(f).within(helpful));
    let standing = lower.0.iter().filter_map(|(node, places)| Some((world.position(node).filter(open)?, places)));
    let mut nodes: Vec<(usize, &Vec<usize>)> = standing.collect();
    nodes.sort_by_key(|(at, places)| (judgement.at(*at).map(Vec::len), places.len(), *at));
    let found = nodes.into_iter().take(MOST_NODES).filter_map(|(at, places)| {
        let here = places.iter().filter_map(|place| pods.get(*place).copied()).collect();
        on_node(world, pod, at, here, budgets)
    });
    found.min_by_key(|v| {
        let highest = v.pods.iter().map(|(_, _, p)| *p).max();
        (v.protected, highest, v.pods.iter().map(|(_, _, p)| *p).sum::<i64>(), v.pods.len())
    })
}

fn on_node(world: &Snapshot, pod: &Pod<'_>, at: usize, here: Vec<&Value>, budgets: &[&Value]) -> Option<Victims> {
    let passes = |gone: &[&Value]| check_node(&world.without_pods(at, gone), pod, at).is_some_and(|f| f.is_empty());
    if !passes(&here) {
        return None;
    }
    let mut order: Vec<(bool, &Value)> = guarded(&here, budgets);
    order.sort_by_key(|(guarded, p)| (!guarded, Reverse(priority(p)), str_at(p, "/status/startTime").to_owned()));
    let mut gone: Vec<&Value> = here;
    let mut protected = 0;
    for (guarded, back) in order {
        let rest: Vec<&Value> = gone.iter().copied().filter(|p| !std::ptr::eq(*p, back)).collect();
        if passes(&rest) {
            gone = rest;
        } else {
            protected += usize::from(guarded);
        }
    }
    gone.sort_by_key(|p| Reverse(priority(p)));
    let named = |p: &&Value| (namespace(p).to_owned(), crate::world::object::name(p).to_owned(), priority(p));
    Some(Victims { node: world.nodes.get(at)?.name.clone(), pods: gone.iter().map(named).collect(), protected })
}

/// Each pod with whether evicting it, after those before it, would break a budget.
fn guarded<'p>(pods: &[&'p Value], budgets: &[&Value]) -> Vec<(bool, &'p Value)> {
    let mut left: Vec<(&str, Selector, i64)> = (budgets.iter())
        .filter_map(|b| {
            let selector = b.pointer("/spec/selector").filter(|s| !s.is_null()).map(Selector::from_value)?;
            Some((namespace(b), selector, int_at(b, "/status/disruptionsAllowed").unwrap_or_default()))
        })
        .collect();
    let mut ordered = pods.to_vec();
    ordered.sort_by_key(|p| Reverse(priority(p)));
    let mut broken = |pod: &Value| {
        let mut broken = false;
        for (ns, selector, allowed) in &mut left {
            if *ns == namespace(pod) && selector.matches(pod.pointer("/metadata/labels")) {
                *allowed -= 1;
                broken |= *allowed < 0;
            }
        }
        broken
    };
    ordered.into_iter().map(|p| (broken(p), p)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Objects, judge};
    use super::*;
    use serde_json::json;

    fn pod(name: &str, node: &str, priority: i64, cpu: &str) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name, "labels": {"app": name}}, "status": {"phase": "Running"},
            "spec": {"nodeName": node, "priority": priority,
                "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}})
    }

    fn victims(pods: &[Value], budgets: &[Value], wants: &Value) -> Option<Victims> {
        let node = |n: &str| json!({"metadata": {"name": n}, "status": {"allocatable": {"cpu": "2", "pods": "10"}}});
        let nodes = [node("n1"), node("n2")];
        let pods: Vec<&Value> = pods.iter().collect();
        let world =
            Snapshot::build(&Objects { nodes: nodes.iter().collect(), pods: pods.clone(), ..Objects::default() });
        let parsed = Pod::new(wants);
        let judgement = judge(&world, &parsed);
        let lower = Lower::than(priority(wants), &pods);
        cheapest(&world, &parsed, &judgement, &pods, &lower, &budgets.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_least_important_pods_go_and_no_more_than_needed() {
        let pods =
            [pod("a", "n1", 5, "1"), pod("b", "n1", 1, "1"), pod("c", "n2", 8, "1500m"), pod("d", "n2", 1, "500m")];
        let found = victims(&pods, &[], &pod("new", "", 10, "1")).unwrap();
        assert_eq!((found.node.as_str(), found.protected), ("n1", 0));
        assert_eq!(found.pods, [("shop".to_owned(), "b".to_owned(), 1)]);
    }

    #[test]
    fn a_budget_moves_the_choice_to_another_node() {
        let pods = [pod("a", "n1", 1, "2"), pod("c", "n2", 1, "2")];
        let budget = json!({"metadata": {"namespace": "shop", "name": "a"},
            "spec": {"selector": {"matchLabels": {"app": "a"}}}, "status": {"disruptionsAllowed": 0}});
        let found = victims(&pods, &[budget], &pod("new", "", 10, "1")).unwrap();
        assert_eq!((found.node.as_str(), found.protected), ("n2", 0));
    }

    #[test]
    fn pods_of_the_same_priority_stay() {
        assert_eq!(victims(&[pod("a", "n1", 10, "2"), pod("c", "n2", 10, "2")], &[], &pod("new", "", 10, "1")), None);
    }
}
