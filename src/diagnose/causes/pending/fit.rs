//! Requests that no node has room for.
//!
//! ## fit-insufficient-resource
//! **You see.** A pod stays Pending; the scheduler says `Insufficient cpu`, `Insufficient memory` or the like.
//! **Why.** The pod requests more than any node that it may use has left. What counts are *requests* of the pods on a
//! node against its allocatable amount; how busy the node is plays no part. Four cases: the request is larger than any
//! node (it can never fit), the cluster is full, there is enough in sum but on no single node (fragmentation), or the
//! nodes with room are closed to the pod by another rule.
//! **How kokpit knows.** Every node's allocatable amount minus the requests of its pods (terminating ones included) is
//! compared with the pod's effective request, as the scheduler does.
//! **Looks alike.** `fit-extended-resource-absent` (nobody offers the device), `fit-request-inflated` (an init container
//! or overhead makes the request larger than it looks), memory pressure (a taint), an OOM kill (after the start).
//! **Mend it.** Live: lower the request to what fits, scale something down, add a node. Git: the container's
//! `resources.requests`, the node pool's maximum, or a `priorityClassName` that may displace others.
//!
//! ## fit-too-many-pods
//! **You see.** A pod stays Pending; the scheduler says `Too many pods`.
//! **Why.** Each node runs at most `status.allocatable.pods` pods (110 unless configured, fewer where every pod needs an
//! address of the machine's network card). The node may be idle and still be full.
//! **How kokpit knows.** The pods on each node that are not finished are counted, terminating ones included.
//! **Looks alike.** Running out of pod addresses happens after scheduling (`sandbox-ip-exhausted`).
//! **Mend it.** Live: remove pods or add a node. Git: kubelet `maxPods`, prefix delegation of the network plugin.
//!
//! ## fit-request-inflated
//! **You see.** `Insufficient cpu` or `memory`, although the containers ask for little.
//! **Why.** The effective request is more than the sum of the containers: the largest init container counts, sidecars
//! add up, `spec.resources` of the pod replaces the sum, a RuntimeClass adds overhead.
//! **How kokpit knows.** The parts are added up as the scheduler does; the main containers alone would fit.
//! **Looks alike.** `fit-insufficient-resource` with a large container.
//! **Mend it.** Git: the init container's or sidecar's `resources.requests`, the RuntimeClass's `overhead.podFixed`.
//!
//! ## fit-extended-resource-absent
//! **You see.** `Insufficient nvidia.com/gpu` (or another device) on every node.
//! **Why.** No node offers the resource at all, or offers 0: the device plugin does not run there, the nodes with the
//! device are gone, or the name is wrong.
//! **How kokpit knows.** No node has it in `status.allocatable` with more than 0.
//! **Looks alike.** All devices in use is `fit-insufficient-resource`.
//! **Mend it.** Live: bring the device plugin's pods back. Git: its DaemonSet's tolerations and nodeSelector, or the
//! resource's name in the pod.

use super::super::workload::daemonset::advertisers;
use super::{Placement, count, names, node_ref, placement, pods_on};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::pods;
use crate::diagnose::scheduling::requests::{self, human};
use crate::diagnose::scheduling::{Node, Pod, judge, nominated};
use crate::world::object::{ObjectRef, list_at, str_at};
use serde_json::Value;

const PLUGIN: &str = "NodeResourcesFit";

causes! { "fit.rs";
    "fit-insufficient-resource" "no node that the pod may use has enough cpu, memory or another resource left" Outage ["Pod"] insufficient;
    "fit-too-many-pods" "the nodes run as many pods as they may" Degraded ["Pod"] too_many_pods;
    "fit-request-inflated" "an init container, sidecar or overhead makes the request larger than any node has" Outage ["Pod"] inflated;
    "fit-extended-resource-absent" "no node offers the device or extended resource" Outage ["Pod"] absent;
}

/// A resource that nodes are short of, with those nodes: the ones that lack nothing else, or else all.
struct Short<'p> {
    resource: String,
    need: i64,
    nodes: Vec<&'p Node>,
    /// Whether other filters leave these nodes over.
    eligible: bool,
}

fn offered(node: &Node, resource: &str) -> i64 {
    node.allocatable.get(resource)
}

fn is_extended(resource: &str) -> bool {
    resource.contains('/')
}

/// Resources that nodes are short of, the most widespread first.
fn shortages<'p>(placement: &'p Placement, pod: &Pod) -> Vec<Short<'p>> {
    let failing = placement.failing(PLUGIN);
    let eligible = failing.iter().any(|(_, only)| *only);
    let nodes: Vec<&Node> = failing.iter().filter(|(_, only)| *only || !eligible).map(|(node, _)| *node).collect();
    let mut all: Vec<Short> = (pod.requests.names())
        .map(|resource| {
            let need = pod.requests.get(resource);
            let nodes = nodes.iter().copied().filter(|n| need > n.free(resource)).collect();
            Short { resource: resource.to_owned(), need, nodes, eligible }
        })
        .filter(|short| !short.nodes.is_empty())
        .collect();
    all.sort_by_key(|short| std::cmp::Reverse(short.nodes.len()));
    all
}

fn nowhere(placement: &Placement, resource: &str) -> bool {
    is_extended(resource) && placement.world.nodes.iter().all(|n| offered(n, resource) <= 0)
}

fn insufficient(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let short: Vec<Short> =
        shortages(&placement, &pod).into_iter().filter(|s| !nowhere(&placement, &s.resource)).collect();
    let Some(first) = short.first() else { return Ok(vec![]) };
    let mut found = Match::on(&suspect.at, sentence(&placement, first))
        .because_cause("fit-request-inflated")
        .because_cause("no-single-node-fits");
    for short in &short {
        found = amounts(suspect, short, found);
    }
    found = requesters(case, first, found)?;
    found = containers_ask(suspect, &first.resource, found);
    found = kept(&placement, &pod, first, found);
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}

/// What is wrong, in one sentence.
fn sentence(placement: &Placement, short: &Short) -> String {
    let Short { resource, need, nodes, eligible } = short;
    let amount = human(resource, *need);
    let largest = placement.world.nodes.iter().map(|n| offered(n, resource)).max().unwrap_or(0);
    let best = nodes.iter().max_by_key(|n| n.free(resource));
    let most = best.map_or(String::new(), |n| format!(" (most: {} on {})", human(resource, n.free(resource)), n.name));
    let others = placement.world.nodes.len() - nodes.len();
    match () {
        _ if *need > largest => {
            format!(
                "It requests {amount} {resource}, more than any node has ({}): it can never fit.",
                human(resource, largest)
            )
        }
        _ if *eligible && others > 0 => format!(
            "It requests {amount} {resource}; {} it may use {} not have that free{most}, and {} closed to it by other rules.",
            match nodes.len() {
                1 => "the only node".to_owned(),
                n => format!("the {n} nodes"),
            },
            if nodes.len() == 1 { "does" } else { "do" },
            if others == 1 { "1 node is".to_owned() } else { format!("{others} nodes are") },
        ),
        _ => format!("It requests {amount} {resource}, and no node has that free{most}."),
    }
}

/// Free amounts per node, the sum, and the numbers behind the nearest ones.
fn amounts(suspect: &Suspect<'_>, short: &Short, mut found: Match) -> Match {
    let Short { resource, need, nodes, .. } = short;
    let mut sorted = nodes.clone();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let free: Vec<String> =
        sorted.iter().take(super::NAMED).map(|n| format!("{} {}", n.name, human(resource, n.free(resource)))).collect();
    let need_text = human(resource, *need);
    let more = nodes.len().saturating_sub(super::NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    found = found.evidence(
        &suspect.at,
        &format!("spec.containers[].resources.requests.{resource}"),
        &need_text,
        format!("needs {need_text} {resource}; free {resource} per node: {}{more}", free.join(", ")),
    );
    let sum: i64 = nodes.iter().map(|n| n.free(resource).max(0)).sum();
    if sum >= *need && nodes.len() > 1 {
        let text = format!("sum free {} but no single node (fragmentation)", human(resource, sum));
        found = found.evidence(&suspect.at, "", "", text);
    }
    sorted.sort_by_key(|n| std::cmp::Reverse(n.free(resource)));
    for node in sorted.iter().take(3) {
        let text = format!(
            "{}: {resource} allocatable {}, requested {} by {}",
            node.name,
            human(resource, offered(node, resource)),
            human(resource, node.requested.get(resource)),
            count(usize::try_from(node.pods).unwrap_or(0), "pod"),
        );
        found = found.evidence(&node_ref(&node.name), &format!("status.allocatable.{resource}"), "", text);
    }
    found
}

/// The largest requesters on the nearest node, and pods there that are on their way out.
fn requesters(case: &Case<'_>, short: &Short, mut found: Match) -> Fact<Match> {
    let Some(node) = short.nodes.iter().max_by_key(|n| n.free(&short.resource)) else { return Ok(found) };
    let here = pods_on(case, &node.name)?.into_iter();
    let mut asking: Vec<(i64, &Value)> =
        here.map(|p| (requests::of_running_pod(p).get(&short.resource), p)).filter(|(n, _)| *n > 0).collect();
    asking.sort_by_key(|(amount, pod)| (std::cmp::Reverse(*amount), pods::path(pod)));
    let largest: Vec<String> = (asking.iter().take(3))
        .map(|(amount, pod)| format!("{} {}", pods::path(pod), human(&short.resource, *amount)))
        .collect();
    if !largest.is_empty() {
        let text = format!("largest {} requests on {}: {}", short.resource, node.name, largest.join(", "));
        found = found.evidence(&node_ref(&node.name), "", "", text);
    }
    let leaving = asking.iter().filter(|(_, p)| !str_at(p, "/metadata/deletionTimestamp").is_empty()).count();
    if leaving > 0 {
        let text = format!("{} on {} still holding room while terminating", count(leaving, "pod"), node.name);
        found = found.evidence(&node_ref(&node.name), "", "", text);
    }
    Ok(found)
}

/// Room that is kept for pods that displaced others.
fn kept(placement: &Placement, pod: &Pod, short: &Short, mut found: Match) -> Match {
    for node in &short.nodes {
        for waiting in nominated::before(&placement.world, pod, &node.name).into_iter().take(3) {
            let amount = requests::of_new_pod(waiting).get(&short.resource);
            let text = format!(
                "{} on {} is kept for {}, which is nominated there",
                human(&short.resource, amount),
                node.name,
                pods::path(waiting)
            );
            found = found.evidence(&ObjectRef::of(waiting), "status.nominatedNodeName", &node.name, text);
        }
    }
    found
}

/// Where the request comes from, when admission filled it in.
fn containers_ask(suspect: &Suspect<'_>, resource: &str, found: Match) -> Match {
    let note = str_at(suspect.object, "/metadata/annotations/kubernetes.io~1limit-ranger");
    match note.contains(resource) {
        true => found.evidence(
            &suspect.at,
            "metadata.annotations[kubernetes.io/limit-ranger]",
            note,
            format!("not in the manifest: {note}"),
        ),
        false => found,
    }
}

fn too_many_pods(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let full: Vec<&Node> = placement.with_reason("Too many pods");
    if full.is_empty() {
        return Ok(vec![]);
    }
    let text = format!(
        "{} as many pods as may: {}.",
        if full.len() == 1 { "1 node runs" } else { "Nodes run" },
        names(full.iter().copied())
    );
    let mut found = Match::on(&suspect.at, text);
    for node in full.iter().take(super::NAMED) {
        let text = format!("{}: {} of {} pods", node.name, node.pods, node.allocatable.pods);
        found =
            found.evidence(&node_ref(&node.name), "status.allocatable.pods", &node.allocatable.pods.to_string(), text);
    }
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}

/// Matches where the main containers alone would fit.
fn inflated(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let short = shortages(&placement, &pod);
    let Some(first) = short.first() else { return Ok(vec![]) };
    let mut stripped = suspect.object.clone();
    if let Some(spec) = stripped.get_mut("spec").and_then(Value::as_object_mut) {
        ["initContainers", "overhead", "resources"].into_iter().for_each(|key| drop(spec.shift_remove(key)));
    }
    let mut smaller = pod.clone();
    smaller.requests = requests::of_new_pod(&stripped);
    let bare = smaller.requests.get(&first.resource);
    if bare >= first.need || !judge(&placement.world, &smaller).any_fits() {
        return Ok(vec![]);
    }
    let (resource, need) = (&first.resource, human(&first.resource, first.need));
    let mut found = Match::on(
        &suspect.at,
        format!(
            "Its containers request {} {resource}, which would fit; with init containers, sidecars and overhead it is {need}.",
            human(resource, bare)
        ),
    );
    for (list, word) in [("containers", "container"), ("initContainers", "init container")] {
        for container in list_at(suspect.object, &format!("/spec/{list}")) {
            let Some(amount) = container.pointer("/resources/requests").and_then(|r| r.get(resource)) else { continue };
            let word = if list == "initContainers" && requests::is_sidecar(container) { "sidecar" } else { word };
            let amount = amount.as_str().unwrap_or_default();
            let text = format!("{word} {} requests {amount}", str_at(container, "/name"));
            found = found.evidence(&suspect.at, &format!("spec.{list}[].resources.requests.{resource}"), amount, text);
        }
    }
    for (pointer, path) in
        [("/spec/resources/requests", "spec.resources.requests"), ("/spec/overhead", "spec.overhead")]
    {
        if let Some(amount) = suspect.object.pointer(pointer).and_then(|m| m.get(resource)).and_then(Value::as_str) {
            found = found.evidence(&suspect.at, &format!("{path}.{resource}"), amount, format!("{path} {amount}"));
        }
    }
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}

fn absent(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let Some(short) = shortages(&placement, &pod).into_iter().find(|s| nowhere(&placement, &s.resource)) else {
        return Ok(vec![]);
    };
    let resource = &short.resource;
    let zero: Vec<&Node> = (placement.world.nodes.iter().map(AsRef::as_ref))
        .filter(|n: &&Node| n.allocatable.scalar.iter().any(|(name, _)| **name == **resource))
        .collect();
    let text = match zero.is_empty() {
        true => format!("no node has the key {resource} in status.allocatable"),
        false => format!("{} have {resource}, but 0 of it: its devices are not healthy", names(zero)),
    };
    let found = Match::on(&suspect.at, format!("It requests {resource}, which no node offers."))
        .because_all(advertisers(case, resource)?)
        .evidence(
            &suspect.at,
            "spec.containers[].resources.requests",
            resource,
            format!("requests {} {resource}", short.need),
        )
        .evidence(&suspect.at, "", "", text);
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}
