//! What lies around crashes.
//!
//! ## init-crashloop
//! **You see.** `Init:CrashLoopBackOff` or `Init:Error`; the main containers never start.
//! **Why.** An init container fails.
//! **How kokpit knows.** The crash is of an init container; its own reason is analysed like any other's.
//! **Looks alike.** `init-running-long`: it does not fail, it waits.
//! **Mend it.** See the crash of the init container.
//!
//! ## backoff-stale
//! **You see.** `CrashLoopBackOff`, or `CreateContainerConfigError`, although what was missing is there now.
//! **Why.** The kubelet waits up to five minutes between tries; the cure came after the last one.
//! **How kokpit knows.** The ConfigMap or Secret that the container refers to was created after its last run ended, or
//! the Service it could not reach has ready endpoints since.
//! **Looks alike.** `crash-bad-config`, `config-missing-secret` while the object is still missing.
//! **Mend it.** Wait for the next try, or delete the pod to have it at once.
//!
//! ## restart-storm-shared-cause
//! **You see.** Pods that have nothing to do with each other restarted at the same moment.
//! **Why.** Something they share did it: their node (its runtime restarted, its memory ran out, it rebooted).
//! **How kokpit knows.** Containers of three or more workloads on one node, each of which had run for minutes, ended
//! within two minutes of each other. If something is known of the node, that is the reason.
//! **Looks alike.** Several broken workloads that crash again and again, each by itself: their runs are short. Pods that
//! share a dependency blame it in their logs, and `crash-missing-dependency` leads there.
//! **Mend it.** Look at the node around that time: kubelet, runtime and kernel log.

use super::ran;
use crate::diagnose::crash::crashes;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::index::By;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{BACKOFF_RESET_S, Container, condition, containers, is_ill, is_true};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;
use std::collections::BTreeSet;

causes! { "restarts.rs";
    "init-crashloop" "an init container fails, so the main containers never start" Outage ["Pod"] init_crashloop;
    "backoff-stale" "what was missing is there now, the kubelet has not tried again yet" Nuisance ["Pod"] backoff_stale;
    "restart-storm-shared-cause" "unrelated workloads of one node restarted at the same moment" Degraded ["Pod"] storm;
}

fn init_crashloop(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let all = crashes(case, suspect.object)?;
    Ok(all
        .iter()
        .filter(|crash| crash.init)
        .map(|crash| {
            let text = format!("Init container {} fails, the containers after it never start.", crash.container);
            ran(case, suspect, crash, Match::on(&suspect.at, text))
                .because_cause("crash-")
                .because_cause("volume-full")
                .because_cause("run-container")
        })
        .collect())
}

fn backoff_stale(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let mut found = Vec::new();
    for container in containers(pod) {
        let waits = matches!(container.waiting(), "CrashLoopBackOff" | "CreateContainerConfigError");
        let Some(last) =
            container.ended().map(|e| e.finished).filter(|_| waits).or_else(|| config_wait(pod, &container))
        else {
            continue;
        };
        let m = if let Some((at, age)) = made_after(case, pod, container.spec, last)? {
            let text = format!("{at} was created after the last crash; the kubelet retries by itself.");
            let line = format!("{at} created {} ago, after the last crash", human(age));
            Match::on(&suspect.at, text).evidence_aged(&at, "metadata.creationTimestamp", "", Some(age), line)
        } else if let Some(service) = back_again(case, pod, container.name, last)? {
            let text =
                format!("{service} has ready endpoints again since the last crash; the kubelet retries by itself.");
            Match::on(&suspect.at, text)
        } else {
            continue;
        };
        found.push(kubelets_words(suspect, &container, m.confidence(Confidence::High)).fix(retry(pod)));
    }
    Ok(found)
}

/// A container that never ran waits since the pod was scheduled.
fn config_wait(pod: &Value, container: &Container<'_>) -> Option<Time> {
    let since = condition(pod, "PodScheduled").map(|c| str_at(c, "/lastTransitionTime"))?;
    (container.waiting() == "CreateContainerConfigError").then(|| Time::parse(since))?
}

/// Evidence: the kubelet's own words, where it has any.
fn kubelets_words(suspect: &Suspect<'_>, container: &Container<'_>, m: Match) -> Match {
    let path = "status.containerStatuses[].state.waiting.message";
    match container.waiting_message() {
        "" => m,
        message => m.evidence(&suspect.at, path, message, message),
    }
}

fn retry(pod: &Value) -> Fix {
    Fix {
        summary: "wait for the next try, or delete the pod to have it at once".into(),
        live: format!("kubectl -n {} delete pod {}", namespace(pod), name(pod)),
        git: None,
        verified: false,
    }
}

/// A ConfigMap or Secret of the container's environment that is younger than the end of its last run.
fn made_after(case: &Case<'_>, pod: &Value, container: &Value, last: Time) -> Fact<Option<(ObjectRef, i64)>> {
    let env = list_at(container, "/env").iter().flat_map(|e| {
        [
            (SECRETS, str_at(e, "/valueFrom/secretKeyRef/name")),
            (CONFIGMAPS, str_at(e, "/valueFrom/configMapKeyRef/name")),
        ]
    });
    let from = list_at(container, "/envFrom")
        .iter()
        .flat_map(|e| [(SECRETS, str_at(e, "/secretRef/name")), (CONFIGMAPS, str_at(e, "/configMapRef/name"))]);
    for (kind, wanted) in env.chain(from).filter(|(_, wanted)| !wanted.is_empty()) {
        let at = kind.at(namespace(pod), wanted);
        let Some(object) = case.get(&at).known()?.flatten() else { continue };
        let made = Time::parse(str_at(object, "/metadata/creationTimestamp"));
        if let Some(made) = made.filter(|made| *made > last) {
            return Ok(Some((at, made.age(case.now()))));
        }
    }
    Ok(None)
}

/// The Service whose absence the crash blamed, if all its pods became ready after that crash.
fn back_again(case: &Case<'_>, pod: &Value, container: &str, last: Time) -> Fact<Option<ObjectRef>> {
    let all = crashes(case, pod)?;
    let Some((lead, true)) =
        all.iter().find(|c| c.container == container).and_then(|c| c.dependency.as_ref()?.service.clone())
    else {
        return Ok(None);
    };
    let Some(service) = case.get(&lead.at)? else { return Ok(None) };
    let pods = kin::selected(case, service)?.unwrap_or_default();
    let since = |p: &Value| condition(p, "Ready").and_then(|c| Time::parse(str_at(c, "/lastTransitionTime")));
    let ready: Vec<&&Value> = pods.iter().filter(|p| is_true(p, "Ready")).collect();
    let all_new = !ready.is_empty() && ready.iter().all(|p| since(p).is_some_and(|t| t > last));
    Ok(all_new.then_some(lead.at))
}

/// Workloads that must have restarted together to be called a storm.
const STORM: usize = 3;
/// How far apart their ends may lie.
const TOGETHER_S: i64 = 120;
/// A run that lasted this long did not end for a reason of its own start.
const GOOD_RUN_S: i64 = 300;

/// When a container's last good run ended, if that was not long ago.
fn ended_lately(container: &Container<'_>, now: Time) -> Option<Time> {
    let ended = container.ended().filter(|e| e.seconds().is_some_and(|s| s >= GOOD_RUN_S))?;
    (ended.finished.age(now) < BACKOFF_RESET_S).then_some(ended.finished)
}

fn storm(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (pod, now) = (suspect.object, case.now());
    let node = str_at(pod, "/spec/nodeName");
    let own = containers(pod).iter().filter(|c| !c.init && c.restarts() > 0).find_map(|c| ended_lately(c, now));
    let Some(own) = own.filter(|_| !node.is_empty()) else { return Ok(Vec::new()) };
    let there = case.list_by(PODS, None, By::Node, node).known()?.unwrap_or_default();
    let with_it = |p: &&Value| {
        let together = |c: &Container<'_>| ended_lately(c, now).is_some_and(|t| (t.0 - own.0).abs() <= TOGETHER_S);
        containers(p).iter().any(together)
    };
    let workloads: BTreeSet<String> = there.into_iter().filter(with_it).map(workload_name).collect();
    if workloads.len() < STORM {
        return Ok(Vec::new());
    }
    let (at, age) = (NODES.at("", node), own.age(now));
    let text = format!("{} workloads on node {node} restarted within two minutes of each other.", workloads.len());
    let names: Vec<&str> = workloads.iter().take(8).map(String::as_str).collect();
    let m = Match::on(&at, text)
        .confidence(Confidence::Medium)
        .evidence_aged(&at, "", "", Some(age), format!("restarted {} ago: {}", human(age), names.join(", ")))
        .because(at.clone())
        .explains_lead(Lead { at: suspect.at.clone(), focus: suspect.focus.clone(), alike: suspect.alike });
    Ok(vec![if is_ill(case, suspect) { m } else { m.aside() }])
}

/// `shop/web` for a pod of that Deployment: the owner's name, without the hash that a ReplicaSet's carries.
fn workload_name(pod: &Value) -> String {
    let ns = namespace(pod);
    match kin::controller_ref(pod) {
        Some(owner) if owner.kind == "ReplicaSet" => {
            format!("{ns}/{}", owner.name.rsplit_once('-').map_or(owner.name.as_str(), |(stem, _)| stem))
        }
        Some(owner) => format!("{ns}/{}", owner.name),
        None => format!("{ns}/{}", name(pod)),
    }
}
