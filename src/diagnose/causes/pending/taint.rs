//! Taints that the pod does not tolerate.
//!
//! ## taint-untolerated
//! **You see.** A pod stays Pending; the scheduler says `node(s) had untolerated taint(s)` and, since Kubernetes 1.36,
//! no longer which.
//! **Why.** Every `NoSchedule` or `NoExecute` taint of a node must be tolerated; `PreferNoSchedule` keeps nobody away.
//! Some taints reserve nodes (`dedicated=db`, the control plane), others say that a node is not well
//! (`node.kubernetes.io/unreachable`, `…/disk-pressure`): those go by themselves when the node recovers.
//! **How kokpit knows.** The taints of every node are compared with the pod's tolerations. The tolerations that every
//! pod gets by itself (`not-ready`, `unreachable` for 300 s) are for `NoExecute` only: the `NoSchedule` twin of the
//! taint still keeps new pods away.
//! **Looks alike.** A cordon sets a taint too, but is named as `node-cordoned`.
//! **Mend it.** Git: `spec.template.spec.tolerations`, with a matching nodeSelector where the nodes are meant for this
//! workload. Live: `kubectl taint node N key-` only when the taint is wrong; a health taint is mended at the node.

use super::{node_ref, placement};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::NODES;
use crate::diagnose::scheduling::matrix::other_taint;
use crate::diagnose::scheduling::pod::Taint;
use crate::diagnose::scheduling::{Node, Pod};
use crate::world::object::{list_at, str_at};
use crate::world::time::human;
use serde_json::Value;
use std::collections::BTreeMap;

causes! { "taint.rs";
    "taint-untolerated" "nodes have taints that the pod does not tolerate" Outage ["Pod"] judge;
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let failing = placement.failing("TaintToleration");
    // Where the pod is refused before any node is looked at, more than a taint keeps it from all of them.
    let refused = !placement.judgement.refused.is_empty();
    let tainted: Vec<(&Node, &Taint, bool)> = (failing.iter())
        .filter_map(|(node, only)| Some((*node, other_taint(node, &pod)?, *only && !refused)))
        .collect();
    if tainted.is_empty() {
        return Ok(vec![]);
    }
    let mut found = Match::on(&suspect.at, sentence(&tainted));
    let mut raw: BTreeMap<&str, &Value> = BTreeMap::new();
    for (node, _, _) in &tainted {
        raw.extend(case.listed(NODES, "", &node.name).known()?.flatten().map(|object| (node.name.as_str(), object)));
    }
    let mut by_taint: BTreeMap<String, Vec<&Node>> = BTreeMap::new();
    for (node, taint, _) in &tainted {
        by_taint.entry(taint.to_string()).or_default().push(node);
    }
    for (taint, nodes) in &by_taint {
        let set = nodes.iter().filter_map(|n| raw.get(n.name.as_str())).find_map(|r| {
            let added = list_at(r, "/spec/taints").iter().find(|t| Taint::from_value(t).to_string() == *taint);
            added.and_then(|t| case.age(str_at(t, "/timeAdded")))
        });
        let since = set.map_or(String::new(), |s| format!(", set {} ago", human(s)));
        let text = format!("{taint} on {}{since}", super::names(nodes.iter().copied()));
        found = found.evidence_aged(&node_ref(&nodes[0].name), "spec.taints", taint, set, text);
    }
    found = tolerations(suspect, &tainted, found);
    for (node, taint, _) in tainted.iter().filter(|(_, taint, _)| is_health(taint)) {
        let _ = taint;
        found = found.because(node_ref(&node.name));
    }
    Ok(vec![placement.finish(case, suspect, "TaintToleration", found)?])
}

/// Taints that the node lifecycle controller sets and takes away.
fn is_health(taint: &Taint) -> bool {
    taint.key.starts_with("node.kubernetes.io/")
}

fn sentence(tainted: &[(&Node, &Taint, bool)]) -> String {
    let nearest: Vec<&(&Node, &Taint, bool)> = tainted.iter().filter(|(_, _, only)| *only).collect();
    let mut taints: Vec<String> = match nearest.is_empty() {
        true => tainted.iter().map(|(_, taint, _)| taint.to_string()).collect(),
        false => nearest.iter().map(|(_, taint, _)| taint.to_string()).collect(),
    };
    taints.sort();
    taints.dedup();
    let more = taints.len().saturating_sub(3);
    let taints = taints.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match nearest.is_empty() {
        true => format!("{} that it does not tolerate: {taints}{more}.", nodes_have(tainted.len())),
        false => {
            let names = super::names(nearest.iter().map(|(node, _, _)| *node));
            format!("Nothing but a taint keeps it from {names}: {taints}{more} is not tolerated.")
        }
    }
}

fn nodes_have(n: usize) -> String {
    if n == 1 { "1 node has taints".into() } else { format!("{n} nodes have taints") }
}

fn tolerations(suspect: &Suspect<'_>, tainted: &[(&Node, &Taint, bool)], mut found: Match) -> Match {
    let all = list_at(suspect.object, "/spec/tolerations");
    let shown: Vec<String> = all
        .iter()
        .map(|t| {
            let key = match str_at(t, "/key") {
                "" => "every taint",
                key => key,
            };
            let value = str_at(t, "/value");
            let effect = str_at(t, "/effect");
            let value = if value.is_empty() { String::new() } else { format!("={value}") };
            if effect.is_empty() { format!("{key}{value}") } else { format!("{key}{value}:{effect}") }
        })
        .collect();
    let text = if shown.is_empty() { "tolerates nothing".into() } else { format!("tolerates {}", shown.join(", ")) };
    found = found.evidence(&suspect.at, "spec.tolerations", &shown.join(", "), text);
    let twin = |t: &Taint| {
        t.effect == "NoSchedule"
            && all.iter().any(|x| str_at(x, "/key") == t.key && str_at(x, "/effect") == "NoExecute")
    };
    if tainted.iter().any(|(_, taint, _)| twin(taint)) {
        let text = "the default 300s tolerations are NoExecute only: the NoSchedule twin still keeps new pods away";
        found = found.evidence(&suspect.at, "spec.tolerations", "", text);
    }
    found
}
