//! A node that was asked for.
//!
//! ## ca-scale-up-in-progress
//! **You see.** A pod is Pending; an event says `TriggeredScaleUp`, or Karpenter's `Nominated … nodeclaim/x`.
//! **Why.** No node has room, and the autoscaler has asked for one. A machine takes minutes to come up.
//! **How kokpit knows.** The newest such event is younger than ten minutes, and nothing says that it failed.
//! **Looks alike.** `ca-scale-up-failed` (longer ago, or refused by the cloud), `ca-no-scale-up` (no node will come).
//! **Mend it.** Wait. What keeps the pod from the nodes there are stands below it.
//!
//! ## ca-scale-up-failed
//! **You see.** A pod stays Pending although the autoscaler asked for a node.
//! **Why.** The cloud refused (quota, no such machines left, a broken template), or the machine came up and never
//! became a Ready node.
//! **How kokpit knows.** `TriggeredScaleUp` or `Nominated` is older than ten minutes and no node has become Ready since; or
//! the autoscaler's `FailedToScaleUpGroup` names the group; or a condition of the NodeClaim is False.
//! **Looks alike.** A new node that came and does not fit either is no failure; `ca-no-scale-up` never tried.
//! **Mend it.** The cloud's quota or another machine type. Git: the node group's or NodePool's definition.

use super::{is_unplaced, node_ref, placement};
use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::{CONFIGMAPS, NODECLAIMS, NODES};
use crate::diagnose::pods::{condition, is_true};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, name, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::Value;

causes! { "scale_up.rs";
    "ca-scale-up-in-progress" "a new node is on its way" Nuisance ["Pod"] in_progress;
    "ca-scale-up-failed" "the autoscaler asked for a node that does not come" Outage ["Pod"] failed;
}

/// A machine that is not a Ready node by then does not come.
const PATIENCE_S: i64 = 600;

/// The autoscaler's word that it asked for a node.
struct Asked<'a> {
    event: Event<'a>,
    /// Node groups of the cluster autoscaler.
    groups: Vec<&'a str>,
    /// Karpenter's NodeClaim.
    claim: Option<&'a str>,
}

impl Asked<'_> {
    fn whom(&self) -> String {
        match self.claim {
            Some(claim) => format!("NodeClaim {}", clean(claim)),
            None if self.groups.is_empty() => "a node group".to_owned(),
            None => format!("node group {}", clean(&self.groups.join(", "))),
        }
    }
}

/// `pod triggered scale-up: [{pool-a 3->4 (max: 10)}]` → `pool-a`
fn groups(message: &str) -> Vec<&str> {
    let opened = message.split('{').skip(1);
    opened.filter_map(|group| group.split_whitespace().next()).map(|g| g.trim_end_matches('}')).collect()
}

fn asked<'a>(case: &Case<'a>, suspect: &Suspect<'_>) -> Fact<Option<Asked<'a>>> {
    let events = case.events_of(suspect.object)?;
    Ok(events.into_iter().find_map(|event| match event.reason {
        "TriggeredScaleUp" => Some(Asked { event, groups: groups(event.message), claim: None }),
        "Nominated" if event.source.contains("karpenter") => {
            let claim = event.message.split("nodeclaim/").nth(1)?.split([',', ' ']).next();
            Some(Asked { event, groups: vec![], claim })
        }
        _ => None,
    }))
}

/// What went wrong with a node that was asked for: where it is said, and the words.
struct Failure {
    at: ObjectRef,
    path: &'static str,
    text: String,
}

fn failure(case: &Case<'_>, asked: &Asked<'_>) -> Fact<Option<Failure>> {
    let Some(claim) = asked.claim else { return group_failure(case, asked) };
    let at = NODECLAIMS.at("", claim);
    let object = case.get(&at).known()?.flatten();
    let broken = object.and_then(|claim| {
        ["Launched", "Registered", "Initialized"].iter().find_map(|kind| {
            let said = condition(claim, kind).filter(|c| str_at(c, "/status") == "False")?;
            Some(format!("{kind} is False: {}", str_at(said, "/message")))
        })
    });
    Ok(broken.map(|text| Failure { at, path: "status.conditions", text }))
}

/// The autoscaler writes about its groups on a ConfigMap of its own.
fn group_failure(case: &Case<'_>, asked: &Asked<'_>) -> Fact<Option<Failure>> {
    let at = CONFIGMAPS.at("kube-system", "cluster-autoscaler-status");
    let events = case.events(&at, "")?;
    let about = |e: &Event<'_>| asked.groups.is_empty() || asked.groups.iter().any(|g| e.message.contains(g));
    let said =
        events.into_iter().find(|e| e.reason == "FailedToScaleUpGroup" && e.last >= asked.event.first && about(e));
    Ok(said.map(|event| Failure { at, path: "", text: event.message.to_owned() }))
}

/// Nodes that were made since a time.
fn nodes_since<'a>(case: &Case<'a>, since: Time) -> Fact<Vec<&'a Value>> {
    let all = case.list(NODES, None).known()?.unwrap_or_default();
    let made = |n: &&Value| Time::parse(str_at(n, "/metadata/creationTimestamp")).is_some_and(|t| t >= since);
    Ok(all.into_iter().filter(made).collect())
}

fn in_progress(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !is_unplaced(suspect.object) || placement(case, suspect)?.is_none() {
        return Ok(vec![]);
    }
    let Some(asked) = asked(case, suspect)? else { return Ok(vec![]) };
    let age = asked.event.last.age(case.now());
    if age > PATIENCE_S || failure(case, &asked)?.is_some() {
        return Ok(vec![]);
    }
    let left = human(PATIENCE_S - age);
    let text = format!("A node for it was asked for {} ago from {}.", human(age), asked.whom());
    let found = Match::on(&suspect.at, text)
        .evidence_aged(&suspect.at, "", asked.event.reason, Some(age), asked.event.message)
        .confidence(Confidence::High);
    Ok(vec![found.fix(Fix {
        summary: format!("wait; if no node is Ready within {left}, it has failed"),
        live: "kubectl get nodes --watch".into(),
        ..Fix::default()
    })])
}

fn failed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !is_unplaced(suspect.object) || placement(case, suspect)?.is_none() {
        return Ok(vec![]);
    }
    let Some(asked) = asked(case, suspect)? else { return Ok(vec![]) };
    let age = asked.event.last.age(case.now());
    let failure = failure(case, &asked)?;
    if failure.is_none() && age <= PATIENCE_S {
        return Ok(vec![]);
    }
    let new = nodes_since(case, asked.event.first)?;
    if new.iter().any(|node| is_true(node, "Ready")) {
        return Ok(vec![]);
    }
    let text = format!("A node was asked for {} ago from {}, and none has become Ready.", human(age), asked.whom());
    let mut found = Match::on(&suspect.at, text)
        .evidence_aged(&suspect.at, "", asked.event.reason, Some(age), asked.event.message)
        .confidence(Confidence::High);
    if let Some(Failure { at, path, text }) = &failure {
        found = found.evidence(at, path, text, format!("{}: {text}", at.name));
    }
    for node in &new {
        let ready = condition(node, "Ready").map_or("", |c| str_at(c, "/message"));
        let taints: Vec<&str> = list_at(node, "/spec/taints").iter().map(|t| str_at(t, "/key")).collect();
        let text = format!("{} joined and is not Ready: {ready} {}", name(node), taints.join(", "));
        found = found.evidence(&node_ref(name(node)), "status.conditions[Ready]", "", text.trim_end());
        found = found.because(node_ref(name(node)));
    }
    let summary = match asked.claim {
        Some(claim) => format!("look at NodeClaim {} and the cloud's quota and machine types", clean(claim)),
        None => "look at the group's quota and machine type at the cloud provider".into(),
    };
    let live = asked.claim.map_or(String::new(), |claim| format!("kubectl describe nodeclaim {}", clean(claim)));
    Ok(vec![found.fix(Fix { summary, live, ..Fix::default() })])
}
