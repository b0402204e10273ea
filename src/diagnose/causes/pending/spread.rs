//! Topology spread constraints.
//!
//! ## spread-maxskew
//! **You see.** A pod stays Pending; the scheduler says `didn't match pod topology spread constraints`.
//! **Why.** Putting the pod there would make one domain (zone, node) hold too many more pods than the emptiest one:
//! pods in the domain + this one − pods in the emptiest domain > `maxSkew`.
//! **How kokpit knows.** The pods that the constraint's selector matches are counted per domain, terminating ones not.
//! **Looks alike.** `spread-ghost-domain` (the emptiest domain is closed to the pod), `spread-missing-label`. In a rolling
//! update the old pods count too, unless `matchLabelKeys: [pod-template-hash]` is set.
//! **Mend it.** Git: `maxSkew`, `whenUnsatisfiable: ScheduleAnyway`, `matchLabelKeys`, `minDomains`.
//!
//! ## spread-ghost-domain
//! **You see.** As `spread-maxskew`, although the domains that pods can use are even.
//! **Why.** The emptiest domain has only nodes that the pod can never use: tainted, cordoned, full. With
//! `nodeTaintsPolicy: Ignore`, the default, they count as a domain with no pods all the same.
//! **How kokpit knows.** Every node of the emptiest domain fails another filter.
//! **Looks alike.** `spread-maxskew` where the emptiest domain could take the pod.
//! **Mend it.** Git: `topologySpreadConstraints[].nodeTaintsPolicy: Honor`.
//!
//! ## spread-missing-label
//! **You see.** The scheduler adds `(missing required label)`.
//! **Why.** The node lacks the label that the constraint spreads over.
//! **How kokpit knows.** The labels of every node are looked at.
//! **Looks alike.** `spread-maxskew`.
//! **Mend it.** Live: label the node. Git: `topologySpreadConstraints[].topologyKey`.

use super::{Placement, names, node_ref, placement};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::scheduling::pod_topology_spread::{self, Spread, constraints};
use crate::diagnose::scheduling::{Node, Pod};

const PLUGIN: &str = "PodTopologySpread";

causes! { "spread.rs";
    "spread-maxskew" "one domain would hold too many more pods than the emptiest" Outage ["Pod"] max_skew;
    "spread-ghost-domain" "the emptiest domain is one that the pod can never use" Outage ["Pod"] ghost;
    "spread-missing-label" "nodes lack the label that the pods are spread over" Degraded ["Pod"] missing_label;
}

/// Constraints that keep some node away, with those nodes.
fn violated<'p>(placement: &'p Placement, pod: &Pod<'_>) -> Vec<(Spread, Vec<&'p Node>)> {
    if placement.with_reason(pod_topology_spread::SKEW).is_empty() {
        return vec![];
    }
    let too_much = |spread: &Spread, node: &Node| {
        node.labels.get(&spread.key).is_some_and(|domain| spread.skew(domain) > spread.max_skew)
    };
    (constraints(&placement.world, pod).into_iter())
        .map(|spread| {
            let nodes = placement.world.nodes.iter().map(AsRef::as_ref).filter(|n| too_much(&spread, n)).collect();
            (spread, nodes)
        })
        .filter(|(_, nodes): &(_, Vec<&Node>)| !nodes.is_empty())
        .collect()
}

/// The emptiest domains, when no node of them passes the other filters.
fn ghosts(placement: &Placement, spread: &Spread) -> Vec<(String, Vec<String>)> {
    let min = spread.min();
    let emptiest = spread.counts.iter().filter(|(_, n)| **n == min).map(|(domain, _)| domain);
    let closed = |domain: &String| -> Option<(String, Vec<String>)> {
        let nodes = placement.world.nodes.iter().filter(|n| n.labels.get(&spread.key) == Some(domain));
        let nodes: Vec<String> = nodes.map(|n| n.name.clone()).collect();
        let fails = |node: &String| {
            placement.scheduling.nodes.get(node.as_str()).is_some_and(|f| f.keys().any(|plugin| plugin != PLUGIN))
        };
        nodes.iter().all(fails).then(|| (domain.clone(), nodes))
    };
    // One open domain among the emptiest is enough: the pod can go there.
    emptiest.map(closed).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// `eu-1a: 2, eu-1b: 2, eu-1c: 0`
fn counts(spread: &Spread) -> String {
    spread.counts.iter().map(|(domain, n)| format!("{domain}: {n}")).collect::<Vec<_>>().join(", ")
}

/// The counts and the sum that is too large.
fn arithmetic(suspect: &Suspect<'_>, spread: &Spread, nodes: &[&Node], mut found: Match) -> Match {
    let path = format!("spec.topologySpreadConstraints[{}]", spread.index);
    found = found.evidence(&suspect.at, &path, "", format!("pods per {}: {}", spread.key, counts(spread)));
    let mut domains: Vec<&str> = nodes.iter().filter_map(|n| n.labels.get(&spread.key)).collect();
    domains.sort_unstable();
    domains.dedup();
    for domain in domains.into_iter().take(super::NAMED) {
        let n = spread.counts.get(domain).copied().unwrap_or(0);
        let (own, min, skew, max) = (spread.own, spread.min(), spread.skew(domain), spread.max_skew);
        let text = format!("{domain}: {n} + {own} - {min} = {skew} > maxSkew {max}");
        found = found.evidence(&suspect.at, &format!("{path}.maxSkew"), &max.to_string(), text);
    }
    found
}

fn max_skew(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let all = violated(&placement, &pod);
    let Some((first, nodes)) = all.first() else { return Ok(vec![]) };
    let text =
        format!("On {} it would be one too many per {} ({}).", names(nodes.iter().copied()), first.key, counts(first));
    let mut found = Match::on(&suspect.at, text).because_cause("spread-ghost-domain");
    for (spread, nodes) in &all {
        found = arithmetic(suspect, spread, nodes, found);
    }
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}

fn ghost(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let mut all = vec![];
    for (spread, nodes) in violated(&placement, &pod) {
        let ghosts = ghosts(&placement, &spread);
        let Some((domain, members)) = ghosts.first() else { continue };
        let text = format!(
            "{domain} counts as the emptiest {}, but its nodes ({}) never take this pod; so the others may hold no more.",
            spread.key,
            members.join(", "),
        );
        let mut found = arithmetic(suspect, &spread, &nodes, Match::on(&suspect.at, text));
        for node in ghosts.iter().flat_map(|(_, nodes)| nodes).take(super::NAMED) {
            let taints: Vec<String> =
                placement.world.node(node).into_iter().flat_map(|n| &n.taints).map(ToString::to_string).collect();
            let failing = placement.scheduling.nodes.get(node.as_str()).into_iter().flat_map(|f| f.iter());
            let reasons: Vec<&str> =
                failing.filter(|(p, _)| *p != PLUGIN).flat_map(|(_, r)| r).map(String::as_str).collect();
            let taints = if taints.is_empty() { String::new() } else { format!(" ({})", taints.join(", ")) };
            found =
                found.evidence(&node_ref(node), "spec.taints", "", format!("{node}: {}{taints}", reasons.join(", ")));
        }
        if !spread.honors_taints {
            let path = format!("spec.topologySpreadConstraints[{}].nodeTaintsPolicy", spread.index);
            let text = "nodeTaintsPolicy is Ignore: tainted nodes make domains too";
            found = found.evidence(&suspect.at, &path, "Ignore", text);
        }
        all.push(placement.finish(case, suspect, PLUGIN, found)?);
    }
    Ok(all)
}

fn missing_label(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(pod_topology_spread::NO_LABEL);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let keys: Vec<String> = (constraints(&placement.world, &pod).into_iter().map(|s| s.key))
        .filter(|key| nodes.iter().any(|n| n.labels.get(key).is_none()))
        .collect();
    let text =
        format!("{} have no label {}, which it is spread over.", names(nodes.iter().copied()), keys.join(" or "));
    let found = Match::on(&suspect.at, text).evidence(
        &suspect.at,
        "spec.topologySpreadConstraints[].topologyKey",
        &keys.join(", "),
        format!("without {}: {}", keys.join(" or "), names(nodes)),
    );
    Ok(vec![placement.finish(case, suspect, PLUGIN, found)?])
}
