//! Other pods on the node: affinity, anti-affinity and host ports.
//!
//! ## pod-anti-affinity-self
//! **You see.** A pod stays Pending; the scheduler says `didn't match pod anti-affinity rules`. Often the last replica.
//! **Why.** The pod must not share a domain (usually the node) with pods that its required anti-affinity selects, mostly
//! its own kind, and every usable domain has one already. A rolling update that starts new pods first needs one more
//! domain than replicas.
//! **How kokpit knows.** The terms are matched with the pods of every node; the pod that blocks each domain is named.
//! **Looks alike.** `existing-anti-affinity` (the *other* pod's rule), `fit-insufficient-resource`.
//! **Mend it.** Live: fewer replicas, or one more node. Git: preferred instead of required, or `maxSurge: 0` with
//! `maxUnavailable: 1`.
//!
//! ## existing-anti-affinity
//! **You see.** A pod stays Pending; the scheduler says `didn't satisfy existing pods anti-affinity rules`. The pod may
//! have no affinity of its own.
//! **Why.** Another pod's required anti-affinity selects this one.
//! **How kokpit knows.** The anti-affinity of every pod is matched with this pod and its namespace.
//! **Looks alike.** `pod-anti-affinity-self`.
//! **Mend it.** Git: narrow the selector of the *other* workload's `podAntiAffinity`.
//!
//! ## pod-affinity-unmatched
//! **You see.** A pod stays Pending; the scheduler says `didn't match pod affinity rules`.
//! **Why.** The pod must be near a pod that matches all terms of its required affinity, and there is none in the domains
//! that it may use.
//! **How kokpit knows.** The terms are matched with the pods of every node, in the namespaces that they name.
//! **Looks alike.** A wrong namespace: without `namespaces` only the pod's own counts.
//! **Mend it.** Git: the selector, namespaces or topologyKey of `podAffinity`, or preferred instead of required.
//!
//! ## host-port-conflict
//! **You see.** A pod stays Pending; the scheduler says `didn't have free ports`.
//! **Why.** The pod wants a port of the node itself (`hostPort`, or any port with `hostNetwork`), and another pod has it
//! on every usable node. A rolling update waits for itself when the old pod holds the port.
//! **How kokpit knows.** The host ports of the pods on every node are compared by address, protocol and number.
//! **Looks alike.** A port taken by a process outside Kubernetes fails after the start.
//! **Mend it.** Git: no hostPort, or `maxSurge: 0` with `maxUnavailable: 1`. Live: delete the old pod.

use super::{Placement, count, names, node_ref, placement, pods_on};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods;
use crate::diagnose::scheduling::inter_pod_affinity::{self, means, repels};
use crate::diagnose::scheduling::node_selector::describe;
use crate::diagnose::scheduling::pod::{self, AffinityTerm, HostPort};
use crate::diagnose::scheduling::snapshot::Group;
use crate::diagnose::scheduling::{Node, Pod, node_ports};
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, name, namespace, str_at};
use serde_json::Value;

const PLUGIN: &str = "InterPodAffinity";

causes! { "neighbours.rs";
    "pod-anti-affinity-self" "every usable domain has a pod that this one must keep away from" Outage ["Pod"] anti;
    "existing-anti-affinity" "another pod's anti-affinity keeps this one away" Outage ["Pod"] existing;
    "pod-affinity-unmatched" "no pod that it must be near is in a usable domain" Outage ["Pod"] unmatched;
    "host-port-conflict" "the host port is taken on every usable node" Degraded ["Pod"] ports;
}

/// A term in words: `app=web per kubernetes.io/hostname`.
fn in_words(term: &AffinityTerm) -> String {
    let selector = term.selector.iter().flat_map(|s| &s.0).map(describe).collect::<Vec<_>>().join(" and ");
    format!("{} per {}", if selector.is_empty() { "every pod" } else { &selector }, term.topology_key)
}

/// A placed pod as selectors see it.
fn group_of(pod: &Value) -> Group {
    let read = Pod::new(pod);
    Group {
        namespace: read.namespace.into(),
        labels: read.labels,
        terminating: false,
        anti_affinity: read.anti_affinity,
    }
}

/// The groups of placed pods for which a test holds.
fn groups(placement: &Placement, test: impl Fn(&Group) -> bool) -> Vec<bool> {
    placement.world.rest.groups.iter().map(test).collect()
}

/// How many pods of these groups are on a node.
fn members(node: &Node, groups: &[bool]) -> u32 {
    let meant = node.groups.iter().filter(|(g, _)| groups.get(*g as usize).is_some_and(|meant| *meant));
    meant.map(|(_, count)| *count).sum()
}

/// A pod of these groups on one of some nodes.
fn example<'a, 'n>(
    case: &Case<'a>,
    mut nodes: impl Iterator<Item = &'n Node>,
    groups: &[bool],
    test: impl Fn(&Group) -> bool,
) -> Fact<Option<&'a Value>> {
    let Some(host) = nodes.find(|n| members(n, groups) > 0) else { return Ok(None) };
    Ok(pods_on(case, &host.name)?.into_iter().find(|pod| test(&group_of(pod))))
}

/// The nodes of a node's domain.
fn domain<'p>(placement: &'p Placement, node: &Node, key: &str) -> impl Iterator<Item = &'p Node> {
    let value = node.labels.get(key).map(str::to_owned);
    let key = key.to_owned();
    let nodes = placement.world.nodes.iter().map(AsRef::as_ref);
    nodes.filter(move |n: &&Node| value.is_some() && n.labels.get(&key) == value.as_deref())
}

fn anti(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(inter_pod_affinity::ANTI_AFFINITY);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let terms: Vec<String> = pod.anti_affinity.iter().map(in_words).collect();
    let on = names(nodes.iter().copied());
    let text = format!(
        "It must not run beside {}, and {on} already {} one.",
        terms.join(" or "),
        if nodes.len() == 1 { "runs" } else { "run" }
    );
    let mut found = Match::on(&suspect.at, text);
    found = replicas(case, suspect, &placement, found)?;
    for (i, term) in pod.anti_affinity.iter().enumerate() {
        let path = format!("spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[{i}]");
        found = found.evidence(&suspect.at, &path, "", format!("keeps away from {}", in_words(term)));
        let test = |group: &Group| means(&placement.world.rest, term, group);
        let groups = groups(&placement, test);
        for node in nodes.iter().take(super::NAMED) {
            let here = domain(&placement, node, &term.topology_key);
            if let Some(first) = example(case, here, &groups, test)? {
                let text = format!("{}: {}", node.name, pods::path(first));
                found = found.evidence(&ObjectRef::of(first), "spec.nodeName", &node.name, text);
            }
        }
    }
    let kind = kin::top_owner(case, suspect.object)?;
    found = found.evidence(&suspect.at, "", "", format!("each of {on} already runs a {} pod", name(kind)));
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}

/// How many replicas there are to be on how many nodes, and the smaller number as a way out.
fn replicas<'a>(case: &Case<'a>, suspect: &Suspect<'a>, placement: &Placement, found: Match) -> Fact<Match> {
    let top = kin::top_owner(case, suspect.object)?;
    let Some(wanted) = kin::replicas(top) else { return Ok(found) };
    let at = ObjectRef::of(top);
    let nodes = placement.world.nodes.len();
    let text = format!("{}, {}", count(usize::try_from(wanted).unwrap_or(0), "replica"), count(nodes, "node"));
    let found = found.evidence(&at, "spec.replicas", &wanted.to_string(), text);
    let pods = kin::pods_of(case, top)?;
    let running = pods.iter().filter(|p| !str_at(p, "/spec/nodeName").is_empty()).count();
    if running == 0 || i64::try_from(running).unwrap_or(wanted) >= wanted {
        return Ok(found);
    }
    let (ns, kind) = (namespace(top), at.kind.to_lowercase());
    let live = format!("kubectl -n {ns} scale {kind} {} --replicas={running}", at.name);
    Ok(found.fix(case.fix(top, "spec.replicas", format!("{running} replicas, one per domain"), live)?))
}

fn existing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(inter_pod_affinity::EXISTING);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let rest = &placement.world.rest;
    let mut found: Option<Match> = None;
    for (at, group) in rest.groups.iter().enumerate() {
        for term in group.anti_affinity.iter().filter(|term| repels(rest, term, &pod)).take(1) {
            let mut only = vec![false; rest.groups.len()];
            only[at] = true;
            let same = |g: &Group| g.namespace == group.namespace && g.labels == group.labels;
            let hosts = placement.world.nodes.iter().map(AsRef::as_ref);
            let Some(other) = example(case, hosts, &only, same)? else { continue };
            let (kept, away) = (pods::path(other), names(nodes.iter().copied()));
            let m = found.take().unwrap_or_else(|| {
                Match::on(&suspect.at, format!("The anti-affinity of {kept} keeps it away from {away}."))
            });
            let text = format!("{kept} keeps away from {}", in_words(term));
            found = Some(m.evidence(&ObjectRef::of(other), "spec.affinity.podAntiAffinity", "", text));
        }
        if found.as_ref().is_some_and(|m| m.finding.evidence.len() >= super::NAMED) {
            break;
        }
    }
    found.map(|m| placement.finish(case, suspect, PLUGIN, m)).into_iter().collect()
}

fn unmatched(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(inter_pod_affinity::AFFINITY);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let terms: Vec<String> = pod.affinity.iter().map(in_words).collect();
    let text =
        format!("It must run near {}, and on {} there is none.", terms.join(" and "), names(nodes.iter().copied()));
    let mut found = Match::on(&suspect.at, text);
    for (i, term) in pod.affinity.iter().enumerate() {
        let path = format!("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[{i}]");
        let test = |group: &Group| means(&placement.world.rest, term, group);
        let groups = groups(&placement, test);
        let hosts = || placement.world.nodes.iter().map(AsRef::as_ref);
        let matching: u32 = hosts().map(|node| members(node, &groups)).sum();
        let text = match example(case, hosts(), &groups, test)? {
            None => format!("no pod matches {} in {}", in_words(term), term.namespaces.join(", ")),
            Some(first) => {
                let matching = count(usize::try_from(matching).unwrap_or(usize::MAX), "pod");
                format!("{matching} match {}, for one {}", in_words(term), pods::path(first))
            }
        };
        found = found.evidence(&suspect.at, &path, "", text);
    }
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}

fn ports(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(node_ports::REASON);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let taken: Vec<&HostPort> = nodes.iter().filter_map(|n| node_ports::taken(&pod.ports, n)).collect();
    let port = taken.first().map_or(0, |p| p.port);
    let mut found = Match::on(&suspect.at, format!("Host port {port} is taken on {}.", names(nodes.iter().copied())));
    let mut same_owner = None;
    for node in nodes.iter().take(super::NAMED) {
        let holds = |p: &&Value| pod::host_ports(p).iter().any(|used| pod.ports.iter().any(|w| w.conflicts(used)));
        if let Some(holder) = pods_on(case, &node.name)?.into_iter().find(holds) {
            let text = format!("{}: {} has port {port}", node.name, pods::path(holder));
            found = found.evidence(&node_ref(&node.name), "", "", text);
            if pods::shape(holder).split('|').next() == pods::shape(suspect.object).split('|').next() {
                same_owner = Some(holder);
            }
        }
    }
    found = placement.finish(case, suspect, "NodePorts", found)?;
    if let Some(holder) = same_owner {
        found = found.fix(Fix {
            summary: "delete a pod of the same workload that holds the port".into(),
            live: format!("kubectl -n {} delete pod {}", namespace(holder), name(holder)),
            ..Fix::default()
        });
    }
    Ok(vec![found])
}
