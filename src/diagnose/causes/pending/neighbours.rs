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

use super::{Placement, count, names, node_ref, placement};
use crate::diagnose::causes::{Cause, Severity};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::PODS;
use crate::diagnose::pods;
use crate::diagnose::scheduling::inter_pod_affinity::{self, means, repels};
use crate::diagnose::scheduling::node_selector::describe;
use crate::diagnose::scheduling::pod::{self, AffinityTerm, HostPort};
use crate::diagnose::scheduling::snapshot::{Group, counts};
use crate::diagnose::scheduling::{Node, Pod, node_ports};
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, name, namespace, str_at};
use serde_json::Value;

const FILE: &str = include_str!("neighbours.rs");
const PLUGIN: &str = "InterPodAffinity";

macro_rules! row {
    ($id:literal, $title:literal, $severity:ident, $judge:expr) => {
        Cause { id: $id, title: $title, severity: Severity::$severity, kinds: &["Pod"], file: FILE, judge: $judge }
    };
}

/// The family's rows.
pub const CAUSES: &[Cause] = &[
    row!("pod-anti-affinity-self", "every usable domain has a pod that this one must keep away from", Outage, anti),
    row!("existing-anti-affinity", "another pod's anti-affinity keeps this one away", Outage, existing),
    row!("pod-affinity-unmatched", "no pod that it must be near is in a usable domain", Outage, unmatched),
    row!("host-port-conflict", "the host port is taken on every usable node", Degraded, ports),
];

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

/// For a node: the placed pods of its domain for which a test holds on the domain's label.
fn blockers<'a>(
    placement: &Placement,
    node: &Node,
    placed: &[(&'a Value, Group)],
    key: &str,
    test: impl Fn(&Group) -> bool,
) -> Vec<&'a Value> {
    let Some(domain) = node.labels.get(key) else { return vec![] };
    let in_domain = |pod: &Value| {
        let host = placement.world.node(str_at(pod, "/spec/nodeName"));
        host.and_then(|n| n.labels.get(key)) == Some(domain)
    };
    placed.iter().filter(|(pod, group)| in_domain(pod) && test(group)).map(|(pod, _)| *pod).collect()
}

fn placed<'a>(case: &Case<'a>) -> Fact<Vec<(&'a Value, Group)>> {
    let all = case.list(PODS, None).known()?.unwrap_or_default();
    Ok(all.into_iter().filter(|p| counts(p)).map(|p| (p, group_of(p))).collect())
}

fn anti(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(inter_pod_affinity::ANTI_AFFINITY);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let others = placed(case)?;
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
        for node in nodes.iter().take(super::NAMED) {
            let test = |group: &Group| means(&placement.world.rest, term, group);
            let blocking = blockers(&placement, node, &others, &term.topology_key, test);
            if let Some(first) = blocking.first() {
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
    let mut found = None;
    for (other, group) in placed(case)? {
        for term in group.anti_affinity.iter().filter(|term| repels(&placement.world.rest, term, &pod)) {
            let at = ObjectRef::of(other);
            let text = format!(
                "The anti-affinity of {} keeps it away from {}.",
                pods::path(other),
                names(nodes.iter().copied())
            );
            let m = found.take().unwrap_or_else(|| Match::on(&suspect.at, text));
            let path = "spec.affinity.podAntiAffinity";
            found =
                Some(m.evidence(&at, path, "", format!("{} keeps away from {}", pods::path(other), in_words(term))));
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
    let others = placed(case)?;
    let terms: Vec<String> = pod.affinity.iter().map(in_words).collect();
    let text =
        format!("It must run near {}, and on {} there is none.", terms.join(" and "), names(nodes.iter().copied()));
    let mut found = Match::on(&suspect.at, text);
    for (i, term) in pod.affinity.iter().enumerate() {
        let path = format!("spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[{i}]");
        let matching: Vec<&Value> =
            others.iter().filter(|(_, group)| means(&placement.world.rest, term, group)).map(|(p, _)| *p).collect();
        let text = match matching.first() {
            None => format!("no pod matches {} in {}", in_words(term), term.namespaces.join(", ")),
            Some(first) => {
                format!("{} match {}, for one {}", count(matching.len(), "pod"), in_words(term), pods::path(first))
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
    let all = case.list(PODS, None).known()?.unwrap_or_default();
    let mut same_owner = None;
    for node in nodes.iter().take(super::NAMED) {
        let holds = |p: &&Value| {
            counts(p)
                && str_at(p, "/spec/nodeName") == node.name
                && pod::host_ports(p).iter().any(|used| pod.ports.iter().any(|w| w.conflicts(used)))
        };
        if let Some(holder) = all.iter().copied().find(holds) {
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
