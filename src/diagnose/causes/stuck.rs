//! Pods that neither start nor end, because nobody on their node acts.
//!
//! ## node-not-ready-pod-stuck
//! **You see.** A pod is Pending though it has a node; it has no containers and no events of the kubelet.
//! **Why.** The kubelet of its node does not work: the node is not ready or unreachable.
//! **How kokpit knows.** The kubelet has reported nothing about the pod, and the node is not Ready or its Lease is stale.
//! **Looks alike.** `volume-*` and `sandbox-*`: there the kubelet works and says so. A node that does not exist at all.
//! **Mend it.** Repair the node; or delete the pod, so that it comes up on another one.
//!
//! ## pod-stuck-terminating
//! **You see.** `Terminating` long after the grace period.
//! **Why.** The node cannot confirm that the pod has ended (unreachable, gone), a finalizer keeps the object, or the
//! kubelet cannot end a container or unmount a volume.
//! **How kokpit knows.** The deletion timestamp is past (it includes the grace period). The finalizers, the node's
//! state, containers that still run, and events such as `FailedKillPod` are shown.
//! **Looks alike.** A pod within its `terminationGracePeriodSeconds`: it is allowed to take that long.
//! **Mend it.** Repair or remove the node; bring back the controller that owns the finalizer. By force only if the pod
//! surely no longer runs: `kubectl delete pod --force --grace-period=0` (a StatefulSet would start it twice).

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::{LEASES, NODES};
use crate::diagnose::pods::{self, START_GATE_S, containers, is_true};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "stuck.rs";
    "node-not-ready-pod-stuck" "the kubelet of the pod's node does not work" Outage ["Pod"] unattended;
    "pod-stuck-terminating" "the pod does not end" Degraded ["Pod"] terminating;
}

/// A Lease is renewed every ten seconds; the controller calls a node unreachable after 40 s or 50 s
/// (`--node-monitor-grace-period`).
const LEASE_STALE_S: i64 = 60;

fn unattended(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let node = str_at(pod, "/spec/nodeName");
    let reported = !list_at(pod, "/status/containerStatuses").is_empty() || !str_at(pod, "/status/hostIP").is_empty();
    let leaves = !str_at(pod, "/metadata/deletionTimestamp").is_empty();
    if str_at(pod, "/status/phase") != "Pending"
        || node.is_empty()
        || reported
        || leaves
        || case.age_of(pod) < START_GATE_S
    {
        return Ok(vec![]);
    }
    let at = NODES.at("", node);
    let Some(object) = case.get(&at)? else { return Ok(vec![]) };
    let lease_at = LEASES.at("kube-node-lease", node);
    let lease = case.get(&lease_at).known()?.flatten().and_then(|l| case.age(str_at(l, "/spec/renewTime")));
    let (ready, stale) = (is_true(object, "Ready"), lease.is_some_and(|age| age > LEASE_STALE_S));
    if (ready && !stale) || case.events_of(pod)?.iter().any(|e| e.source == "kubelet") {
        return Ok(vec![]);
    }
    let mut m =
        Match::on(&suspect.at, format!("The kubelet of node {node} has not taken the pod: the node is not ready."))
            .evidence(&suspect.at, "status.containerStatuses", "", "no container status and no event of the kubelet")
            .because(at.clone());
    if !ready {
        m = m.evidence(&at, "status.conditions[Ready]", "", format!("node {node} is not Ready"));
    }
    if let Some(age) = lease {
        m = m.evidence_aged(&lease_at, "spec.renewTime", "", Some(age), format!("its lease is {} old", human(age)));
    }
    Ok(vec![m.fix(Fix {
        summary: format!("repair node {node}; or delete the pod, so that it comes up elsewhere"),
        live: format!("kubectl -n {} delete pod {}", suspect.at.namespace, suspect.at.name),
        ..Fix::default()
    })])
}

/// What keeps a deleted pod.
enum Keeper<'a> {
    /// Its node is gone, or not ready.
    Node(&'static str),
    /// The kubelet cannot end it, in its own words.
    Kubelet(&'a str),
    /// Nothing runs any more, but finalizers keep the object.
    Finalizers(Vec<&'a str>),
    /// Its containers still run.
    Unknown,
}

fn terminating(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const TROUBLE: &[&str] = &["FailedKillPod", "ExceededGracePeriod", "FailedPreStopHook"];
    let pod = suspect.object;
    let since = case.age(str_at(pod, "/metadata/deletionTimestamp"));
    let Some(late) = since.filter(|_| pods::is_ill(case, suspect)) else { return Ok(vec![]) };
    let node = str_at(pod, "/spec/nodeName");
    let events = case.events_of(pod)?;
    let trouble = events.iter().find(|e| TROUBLE.contains(&e.reason));
    let finalizers: Vec<&str> = list_at(pod, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    let runs = containers(pod).iter().any(|c| c.running_since().is_some());
    let keeper = match (node_state(case, node)?, trouble) {
        (Some(state), _) if runs || finalizers.is_empty() => Keeper::Node(state),
        _ if !runs && !finalizers.is_empty() => Keeper::Finalizers(finalizers),
        (_, Some(event)) => Keeper::Kubelet(event.message),
        _ => Keeper::Unknown,
    };
    let mut m =
        state(suspect, late, runs, Match::on(&suspect.at, sentence(&keeper, node)).confidence(Confidence::High));
    if let Some(event) = trouble {
        let age = Some(event.last.age(case.now()));
        m = m.evidence_aged(&suspect.at, "", event.reason, age, format!("{}: {}", event.reason, event.message));
    }
    if let Keeper::Node(state) = keeper {
        let at = NODES.at("", node);
        m = m.evidence(&at, "status.conditions[Ready]", "", format!("node {node} {state}")).because(at);
    }
    Ok(vec![cures(suspect, &keeper, node).into_iter().fold(m, Match::fix)])
}

/// Evidence: how late the pod is, whether anything of it runs, and its finalizers.
fn state(suspect: &Suspect<'_>, late: i64, runs: bool, m: Match) -> Match {
    let pod = suspect.object;
    let grace = int_at(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(30);
    let since = format!("should have ended {} ago, after a grace period of {grace} s", human(late));
    let running = match runs {
        true => "containers still run, as far as the API knows",
        false => "no container runs any more",
    };
    let m = m.evidence_aged(&suspect.at, "metadata.deletionTimestamp", "", Some(late), since).evidence(
        &suspect.at,
        "status.containerStatuses",
        "",
        running,
    );
    let finalizers: Vec<&str> = list_at(pod, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    match finalizers.join(", ") {
        none if none.is_empty() => m,
        all => m.evidence(&suspect.at, "metadata.finalizers", &all, format!("finalizers: {all}")),
    }
}

/// How a node is that cannot confirm anything; `None` for one that works or cannot be read.
fn node_state(case: &Case<'_>, node: &str) -> Fact<Option<&'static str>> {
    if node.is_empty() {
        return Ok(None);
    }
    Ok(match case.get(&NODES.at("", node)).known()? {
        Some(None) => Some("does not exist any more"),
        Some(Some(object)) if !is_true(object, "Ready") => Some("is not Ready"),
        _ => None,
    })
}

fn sentence(keeper: &Keeper<'_>, node: &str) -> String {
    match keeper {
        Keeper::Node(state) => format!("The pod does not end: node {node} {state}, so nobody confirms that it has."),
        Keeper::Kubelet(words) => format!("The pod does not end: the kubelet of {node} cannot end it: {words}"),
        Keeper::Finalizers(all) => format!("The pod has ended, but its finalizers keep it: {}.", all.join(", ")),
        Keeper::Unknown => format!("The pod does not end, and nobody says why; look at node {node}."),
    }
}

/// What helps, smallest first. Force comes last: it lets a StatefulSet start the same pod twice.
fn cures(suspect: &Suspect<'_>, keeper: &Keeper<'_>, node: &str) -> Vec<Fix> {
    let (ns, name) = (&suspect.at.namespace, &suspect.at.name);
    let fix = |summary: String, live: String| Fix { summary, live, ..Fix::default() };
    let twice = match kin::controller_ref(suspect.object).is_some_and(|o| o.kind == "StatefulSet") {
        true => " (its StatefulSet starts it anew: if it still runs, it then runs twice)",
        false => "",
    };
    let force = fix(
        format!("only if it surely does not run any more: delete it by force{twice}"),
        format!("kubectl -n {ns} delete pod {name} --force --grace-period=0"),
    );
    match keeper {
        Keeper::Node(_) => vec![
            fix(format!("bring node {node} back, or delete the Node if its machine is gone"), String::new()),
            force,
        ],
        Keeper::Finalizers(all) => vec![
            fix(format!("bring back the controller that owns {}", all.join(", ")), String::new()),
            fix(
                "if that controller is gone for good: remove the finalizers".to_owned(),
                format!("kubectl -n {ns} patch pod {name} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'"),
            ),
        ],
        Keeper::Kubelet(_) | Keeper::Unknown => {
            vec![fix(format!("look at kubelet and runtime of {node}"), format!("kubectl cordon {node}")), force]
        }
    }
}
