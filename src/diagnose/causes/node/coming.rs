//! Nodes that have not become part of the cluster yet.
//!
//! ## node-never-joined
//! **You see.** A Node that is `NotReady` since it exists, or a NodeClaim that never becomes Ready; pods wait for it.
//! **Why.** The machine's kubelet has never reported: it did not boot, its user data is wrong, it cannot reach the API
//! server, or it may not register.
//! **How kokpit knows.** Ready is Unknown with the reason `NodeStatusNeverUpdated`, or the NodeClaim's condition
//! Registered is not True long after it was launched.
//! **Looks alike.** `node-unreachable`: that kubelet has reported once. A Node object that Argo CD made from a manifest,
//! without any machine, looks the same and is named as such.
//! **Mend it.** Look at the machine's console and the kubelet's log there; the network's rules; the node template.
//!
//! ## node-cloud-uninitialized
//! **You see.** New nodes are Ready and take no pods.
//! **Why.** The kubelet runs with an external cloud provider and waits for the cloud controller manager, which has not
//! taken the taint `node.cloudprovider.kubernetes.io/uninitialized` away.
//! **How kokpit knows.** The taint is still there minutes after the node came; the cloud controller manager's workloads
//! in kube-system are looked at, and what is wrong with them becomes the reason.
//! **Looks alike.** `taint-untolerated` is the consequence for the pods. A node a minute old is on its way.
//! **Mend it.** Mend the cloud controller manager (it must tolerate this taint itself), or `--cloud-provider`.

use crate::diagnose::causes::drain::count;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::TRACKING_ID;
use crate::diagnose::kin;
use crate::diagnose::pods::{condition, is_true};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, int_at, list_at, name, str_at};
use crate::world::time::human;

causes! { "coming.rs";
    "node-never-joined" "the node's kubelet has never reported" Degraded ["Node", "NodeClaim"] never_joined;
    "node-cloud-uninitialized" "the cloud controller has not initialized the node" Outage ["Node"] uninitialized;
}

/// Reason of Ready for a node whose kubelet has never posted (`pkg/controller/nodelifecycle`).
pub const NEVER: &str = "NodeStatusNeverUpdated";
/// Booting and registering takes a few minutes.
const BOOT_S: i64 = 300;
/// The cloud controller manager needs some seconds.
const CLOUD_S: i64 = 120;

fn never_joined(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, object, age) = (&suspect.at, suspect.object, case.age_of(suspect.object));
    if at.kind == "NodeClaim" {
        return Ok(unregistered(case, suspect, age).into_iter().collect());
    }
    let Some(ready) = condition(object, "Ready").filter(|c| str_at(c, "/reason") == NEVER) else {
        return Ok(Vec::new());
    };
    let mut m =
        Match::on(at, format!("Node {} exists for {}, but its kubelet has never reported.", at.name, human(age)))
            .confidence(Confidence::High)
            .evidence_aged(at, "status.conditions[Ready]", NEVER, Some(age), str_at(ready, "/message"));
    let made_by_argo = object.pointer("/metadata/annotations").is_some_and(|a| a.get(TRACKING_ID).is_some());
    if made_by_argo {
        let text = "Argo CD applies a manifest of it: a Node made from git has no machine behind it";
        m = m.evidence(at, "metadata.annotations", TRACKING_ID, text);
    }
    let what = match made_by_argo {
        true => "take its manifest out of git and delete the Node, if no machine of that name is meant to be there",
        false => "look at the machine's console and its kubelet's log; delete the Node if the machine is gone",
    };
    Ok(vec![m.fix(Fix { summary: what.into(), live: format!("kubectl delete node {}", at.name), ..Fix::default() })])
}

fn unregistered(case: &Case<'_>, suspect: &Suspect<'_>, age: i64) -> Option<Match> {
    let (at, claim) = (&suspect.at, suspect.object);
    if !suspect.exists() || is_true(claim, "Registered") || age <= BOOT_S {
        return None;
    }
    let summary = format!("NodeClaim {} asked for a node {} ago, and none has registered.", at.name, human(age));
    let mut m = Match::on(at, summary).confidence(Confidence::High);
    for kind in ["Launched", "Registered", "Initialized"] {
        let Some(said) = condition(claim, kind) else { continue };
        let (status, reason, message) = (str_at(said, "/status"), str_at(said, "/reason"), str_at(said, "/message"));
        let since = case.age(str_at(said, "/lastTransitionTime"));
        let text = [reason, message].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(", ");
        m = m.evidence_aged(
            at,
            &format!("status.conditions[{kind}]"),
            status,
            since,
            format!("{kind} {status}: {text}"),
        );
    }
    Some(m.fix(Fix {
        summary: "look at the machine's console; check user data, security groups and the node's role".into(),
        live: format!("kubectl describe nodeclaim {}", at.name),
        ..Fix::default()
    }))
}

/// The taint of a kubelet that was started with an external cloud provider.
const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

fn uninitialized(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, node, age) = (&suspect.at, suspect.object, case.age_of(suspect.object));
    let tainted = list_at(node, "/spec/taints").iter().any(|t| str_at(t, "/key") == UNINITIALIZED);
    if !tainted || age <= CLOUD_S {
        return Ok(Vec::new());
    }
    let summary = format!("Node {} waits for the cloud controller manager since {}.", at.name, human(age));
    let mut m = Match::on(at, summary).evidence_aged(
        at,
        "spec.taints",
        UNINITIALIZED,
        Some(age),
        format!("taint {UNINITIALIZED}:NoSchedule"),
    );
    let managers: Vec<_> = kin::workloads(case, "kube-system")?
        .into_iter()
        .filter(|w| name(w).contains("cloud-controller") || name(w).contains("cloud-node"))
        .collect();
    if managers.is_empty() {
        let text = "kube-system has no cloud controller manager; is --cloud-provider=external meant?";
        m = m.evidence(at, "", "", text).confidence(Confidence::High);
    }
    for manager in managers {
        let who = ObjectRef::of(manager);
        let ready = int_at(manager, "/status/readyReplicas").or_else(|| int_at(manager, "/status/numberReady"));
        let ready = ready.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        m = m.evidence(&who, "status", &ready.to_string(), format!("{who}: {} ready", count(ready))).because(who);
    }
    Ok(vec![m.fix(Fix {
        summary: "bring the cloud controller manager back; it takes the taint away itself".into(),
        live: "kubectl -n kube-system get pods -o wide".into(),
        ..Fix::default()
    })])
}
