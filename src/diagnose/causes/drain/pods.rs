//! Pods that hold up the emptying of their node by what they are, not by a budget.
//!
//! ## drain-unmanaged
//! **You see.** `kubectl drain` refuses: `cannot delete Pods that declare no controller (use --force to override)`, and
//! evicts nothing on that node.
//! **Why.** Nothing would make the pod again: it was created by hand, or its owner is gone.
//! **How kokpit knows.** The pod has no owner reference with `controller: true`. It is the reason only when nothing else
//! is left on the node; else it is said beside the reason.
//! **Looks alike.** Static pods of the kubelet have no controller either; drain leaves them alone.
//! **Mend it.** `--force`, which ends the pod for good. Git: let a Deployment or Job own it.
//!
//! ## drain-emptydir
//! **You see.** `kubectl drain` refuses: `cannot delete Pods with local storage (use --delete-emptydir-data to
//! override)`, and evicts nothing on that node.
//! **Why.** The pod has an `emptyDir` volume, whose data goes with the pod, be it on disk or in memory.
//! **How kokpit knows.** From `spec.volumes`. hostPath and local volumes do not count. It is the reason only when nothing
//! else is left on the node.
//! **Looks alike.** `drain-unmanaged`.
//! **Mend it.** `--delete-emptydir-data`, when what is in it may be lost (most often it is a cache).
//!
//! ## drain-daemonset
//! **You see.** `kubectl drain` refuses: `cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)`.
//! **Why.** A DaemonSet tolerates the cordon and would make its pod again at once.
//! **How kokpit knows.** The pod's controller is a DaemonSet. Said beside the reason, while other pods are left; when only
//! DaemonSet pods are left, the node is empty.
//! **Looks alike.** Every drained node keeps its DaemonSet pods: that is no fault.
//! **Mend it.** `--ignore-daemonsets`; `kokpit drain` always leaves them where they are.
//!
//! ## drain-stuck-terminating
//! **You see.** A drain waits; a pod of the node stays `Terminating`.
//! **Why.** The pod was evicted, and its end does not come: a finalizer, a kubelet that does not answer, a volume that
//! cannot be let go.
//! **How kokpit knows.** The pod's grace (`deletionTimestamp`) is over for more than a minute. What is wrong with the pod
//! or the node becomes the reason.
//! **Looks alike.** `drain-long-grace`: there the grace is not over yet.
//! **Mend it.** Mend what holds it. `kubectl delete pod --force` only when the machine is surely off.
//!
//! ## drain-webhook-denied
//! **You see.** A drain fails at once with `admission webhook … denied the request`, or `failed calling webhook`.
//! **Why.** An admission webhook is asked about evictions (`pods/eviction`): storage systems and policies use that to keep
//! a pod where it is. It said no, or it does not answer and its failurePolicy is Fail.
//! **How kokpit knows.** The rules of the validating webhooks are matched; an event on a pod that is left tells of the
//! denial, or the webhook's Service has no endpoint. A webhook that merely could deny is said beside the reason.
//! **Looks alike.** `karpenter.sh/do-not-disrupt` and `cluster-autoscaler.kubernetes.io/safe-to-evict: "false"` hold back
//! only the autoscalers, never kubectl or kokpit.
//! **Mend it.** By the webhook's text; bring its backend back; an exception in the policy.
//!
//! ## drain-long-grace
//! **You see.** A drain waits for a pod that takes many minutes to end.
//! **Why.** Its `terminationGracePeriodSeconds` allows ten minutes or more, and it (or its preStop hook) uses them.
//! **How kokpit knows.** From the grace of the pod that is ending; the time that is left is shown.
//! **Looks alike.** `drain-stuck-terminating`: there the grace is over.
//! **Mend it.** Wait, or `--grace-period`. Git: `terminationGracePeriodSeconds`.

use super::{Flag, Left, count, ending, left};
use crate::diagnose::eviction::{self, Hold, Stays, called};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::{NAMESPACES, SERVICES, VALIDATINGWEBHOOKS};
use crate::diagnose::url::endpoint_count;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use crate::world::time::human;
use serde_json::Value;
use std::collections::BTreeSet;

causes! { "pods.rs";
    "drain-unmanaged" "pods without a controller keep the node from being emptied" Nuisance ["Node"] unmanaged;
    "drain-emptydir" "pods with emptyDir volumes keep the node from being emptied" Nuisance ["Node"] empty_dir;
    "drain-daemonset" "DaemonSet pods stop a drain without --ignore-daemonsets" Nuisance ["Node"] daemons;
    "drain-stuck-terminating" "evicted pods of the node do not end" Degraded ["Node"] stuck;
    "drain-webhook-denied" "an admission webhook refuses evictions" Degraded ["Node"] webhook;
    "drain-long-grace" "pods of the node may take ten minutes or more to end" Nuisance ["Node"] long_grace;
}

/// A pod whose grace is over for so long will not end by itself.
const STUCK_S: i64 = 60;
/// A grace that people notice.
const LONG_GRACE_S: i64 = 600;

fn unmanaged(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let left = left(case, suspect)?;
    let (what, flag) = ("has no controller: nothing would make it again", "--force");
    Ok(flagged(suspect, &left, |f| matches!(f, Flag::Unmanaged), what, flag).into_iter().collect())
}

fn empty_dir(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let left = left(case, suspect)?;
    let (what, flag) = ("has an emptyDir, whose data goes with it", "--delete-emptydir-data");
    Ok(flagged(suspect, &left, |f| matches!(f, Flag::EmptyDir(_)), what, flag).into_iter().collect())
}

/// A match on the pods that need a flag; the reason only where nothing else is left on the node.
fn flagged(
    suspect: &Suspect<'_>,
    left: &[Left<'_>],
    wanted: impl Fn(&Flag<'_>) -> bool,
    what: &str,
    flag: &str,
) -> Option<Match> {
    let pods: Vec<&Left<'_>> = left.iter().filter(|one| one.flag.as_ref().is_some_and(&wanted)).collect();
    if pods.is_empty() {
        return None;
    }
    let node = &suspect.at.name;
    let summary =
        format!("{} of node {node} {} {flag}.", count(pods.len()), if pods.len() == 1 { "needs" } else { "need" });
    let mut m = Match::on(&suspect.at, summary);
    for one in pods.iter().take(8) {
        let volumes = match &one.flag {
            Some(Flag::EmptyDir(volumes)) => format!(" ({})", volumes.join(", ")),
            _ => String::new(),
        };
        m = m.evidence(&ObjectRef::of(one.pod), "", "", format!("{} {what}{volumes}", called(one.pod)));
    }
    if pods.len() > 8 {
        m = m.evidence(&suspect.at, "", "", format!("and {} more", pods.len() - 8));
    }
    m = m.evidence(&suspect.at, "", "", "kubectl drain without it evicts nothing on the node");
    m = m.fix(Fix {
        summary: format!("drain with {flag}, when that may be lost"),
        live: format!("kokpit drain {node} {flag} --reason \"…\""),
        ..Fix::default()
    });
    let only_they = left.iter().all(|one| one.stays.is_some() || one.flag.is_some());
    Some(if only_they { m } else { m.aside() })
}

fn daemons(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let left = left(case, suspect)?;
    let daemons: Vec<&Left<'_>> = left.iter().filter(|one| one.stays == Some(Stays::Daemon)).collect();
    if daemons.is_empty() || daemons.len() == left.iter().filter(|one| one.stays != Some(Stays::Static)).count() {
        return Ok(Vec::new());
    }
    let node = &suspect.at.name;
    let mut m = Match::on(
        &suspect.at,
        format!("{} of DaemonSets: kubectl drain {node} needs --ignore-daemonsets.", count(daemons.len())),
    )
    .aside();
    for one in daemons.iter().take(8) {
        m = m.evidence(&ObjectRef::of(one.pod), "metadata.ownerReferences", "DaemonSet", called(one.pod));
    }
    Ok(vec![m.fix(Fix {
        summary: "leave them where they are".into(),
        live: format!("kubectl drain {node} --ignore-daemonsets"),
        ..Fix::default()
    })])
}

fn stuck(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let over = |pod: &Value| case.age(str_at(pod, "/metadata/deletionTimestamp")).unwrap_or_default();
    let left = left(case, suspect)?;
    let stuck: Vec<&Value> =
        left.iter().filter(|one| one.stays.is_none()).map(|one| one.pod).filter(|pod| over(pod) > STUCK_S).collect();
    let Some(first) = stuck.first() else { return Ok(Vec::new()) };
    let who = if stuck.len() == 1 { called(first) } else { count(stuck.len()) };
    let summary = format!("{who} on node {} should have ended and did not.", suspect.at.name);
    let mut m = Match::on(&suspect.at, summary).because_cause("node-unreachable").because_cause("node-not");
    for pod in stuck.iter().take(8) {
        let finalizers: Vec<&str> = list_at(pod, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
        let held = match finalizers.is_empty() {
            true => String::new(),
            false => format!(", finalizers {}", finalizers.join(", ")),
        };
        let text = format!("{} {}{held}", called(pod), ending(case, pod));
        let value = str_at(pod, "/metadata/deletionTimestamp");
        m = m.evidence(&ObjectRef::of(pod), "metadata.deletionTimestamp", value, text);
    }
    let leads = kin::ill_pods(case, &stuck);
    let (ns, pod) = (namespace(first), name(first));
    Ok(vec![m.because_all(leads).fix(Fix {
        summary: "mend what holds it: the finalizer's controller, the kubelet, the volume".into(),
        live: format!("kubectl -n {ns} describe pod {pod}"),
        ..Fix::default()
    })])
}

fn long_grace(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let grace = |pod: &Value| {
        int_at(pod, "/metadata/deletionGracePeriodSeconds")
            .or_else(|| int_at(pod, "/spec/terminationGracePeriodSeconds"))
            .unwrap_or(30)
    };
    let over = |pod: &Value| case.age(str_at(pod, "/metadata/deletionTimestamp")).unwrap_or_default() > STUCK_S;
    let left = left(case, suspect)?;
    let slow: Vec<&Value> = left
        .iter()
        .filter(|one| one.stays.is_none() && grace(one.pod) >= LONG_GRACE_S && !over(one.pod))
        .map(|one| one.pod)
        .collect();
    let Some(first) = slow.first() else { return Ok(Vec::new()) };
    let ends = slow.iter().any(|pod| eviction::is_ending(pod));
    let who = if slow.len() == 1 { called(first) } else { count(slow.len()) };
    let most = human(slow.iter().map(|pod| grace(pod)).max().unwrap_or_default());
    let mut m = Match::on(&suspect.at, format!("{who} on node {} may take {most} to end.", suspect.at.name));
    for pod in slow.iter().take(8) {
        let hook = list_at(pod, "/spec/containers").iter().any(|c| c.pointer("/lifecycle/preStop").is_some());
        let hook = if hook { ", a preStop hook runs first" } else { "" };
        let state = if eviction::is_ending(pod) { ending(case, pod) } else { "is not ending yet".into() };
        let text = format!("{} {state}; terminationGracePeriodSeconds {}{hook}", called(pod), grace(pod));
        m = m.evidence(&ObjectRef::of(pod), "spec.terminationGracePeriodSeconds", &grace(pod).to_string(), text);
    }
    let top = kin::top_owner(case, first)?;
    let field = template_field(top, "spec.terminationGracePeriodSeconds");
    let live = format!("kubectl drain {} --ignore-daemonsets --grace-period=60", suspect.at.name);
    m = m.fix(case.fix(top, &field, "wait, or give it less time to end", live)?);
    Ok(vec![if ends { m } else { m.aside() }])
}

fn webhook(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let left = left(case, suspect)?;
    let free: Vec<&Value> =
        left.iter().filter(|one| one.stays.is_none() && one.hold == Hold::Free).map(|one| one.pod).collect();
    let free: Vec<&Value> = free.into_iter().filter(|pod| !eviction::is_ending(pod)).collect();
    if free.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for configuration in case.list(VALIDATINGWEBHOOKS, None)? {
        for hook in list_at(configuration, "/webhooks").iter().filter(|hook| is_asked_about_evictions(hook)) {
            let pods = covered(case, hook, &free)?;
            if !pods.is_empty() {
                found.push(denies(case, suspect, configuration, hook, &pods)?);
            }
        }
    }
    Ok(found)
}

/// Whether a webhook's rules cover the creation of `pods/eviction`. `*` means every resource, but no subresource
/// (`k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules`).
fn is_asked_about_evictions(hook: &Value) -> bool {
    list_at(hook, "/rules").iter().any(|rule| {
        let has = |field: &str, wanted: &[&str]| {
            list_at(rule, field).iter().filter_map(Value::as_str).any(|entry| wanted.contains(&entry))
        };
        has("/operations", &["CREATE", "*"])
            && has("/apiGroups", &["", "*"])
            && has("/resources", &["pods/eviction", "pods/*", "*/eviction", "*/*"])
    })
}

/// The pods in whose namespaces a webhook is asked.
fn covered<'a>(case: &Case<'a>, hook: &Value, pods: &[&'a Value]) -> Fact<Vec<&'a Value>> {
    let Some(selector) = hook.get("namespaceSelector").filter(|s| s.as_object().is_some_and(|m| !m.is_empty())) else {
        return Ok(pods.to_vec());
    };
    let selector = Selector::from_value(selector);
    let mut asked = BTreeSet::new();
    for ns in pods.iter().map(|pod| namespace(pod)).collect::<BTreeSet<_>>() {
        let labels = case.one(NAMESPACES, "", ns).known()?.flatten().and_then(|n| n.pointer("/metadata/labels"));
        if selector.matches(labels) {
            asked.insert(ns);
        }
    }
    Ok(pods.iter().copied().filter(|pod| asked.contains(namespace(pod))).collect())
}

fn denies(case: &Case<'_>, suspect: &Suspect<'_>, configuration: &Value, hook: &Value, pods: &[&Value]) -> Fact<Match> {
    let (at, who) = (ObjectRef::of(configuration), str_at(hook, "/name"));
    let fails = str_at(hook, "/failurePolicy") != "Ignore";
    let service =
        SERVICES.at(str_at(hook, "/clientConfig/service/namespace"), str_at(hook, "/clientConfig/service/name"));
    let answers = match case.get(&service).known()?.flatten() {
        Some(object) => endpoint_count(case, object)?.0 > 0,
        None => service.name.is_empty(),
    };
    let mut said = None;
    for pod in pods.iter().take(5) {
        let events = case.events_of(pod)?;
        let denial = |message: &str| message.contains(who) || message.contains("denied") || message.contains("blocked");
        said = said.or(events.into_iter().find(|e| denial(e.message) && e.message.to_lowercase().contains("evict")));
    }
    let summary = match (&said, answers || !fails) {
        (Some(_), _) => format!("Webhook {who} refuses to let pods of node {} be evicted.", suspect.at.name),
        (None, false) => format!("Webhook {who} must agree to every eviction, and does not answer."),
        (None, true) => format!("Webhook {who} is asked about every eviction and may refuse it."),
    };
    let text = format!("webhook {who} covers pods/eviction, failurePolicy {}", if fails { "Fail" } else { "Ignore" });
    let mut m = Match::on(&at, summary).evidence(&at, "webhooks[].rules", who, text);
    if let Some(event) = &said {
        m = m.evidence_aged(&at, "", event.reason, Some(event.last.age(case.now())), event.message);
    }
    m = m.evidence(&suspect.at, "", "", format!("{} left on it would be asked for", count(pods.len())));
    let broken = fails && !answers;
    if broken {
        let port = hook.pointer("/clientConfig/service/port").map_or("443".to_owned(), ToString::to_string);
        m = m.because_all([Lead::to_port(service, &port)]);
    }
    let what = if broken { "bring the webhook's backend back" } else { "see why it refuses, or make an exception" };
    m = m.fix(case.fix(configuration, "webhooks[].rules", what, "")?);
    Ok(match (said.is_some(), broken) {
        (true, _) => m.confidence(Confidence::High),
        (false, true) => m.confidence(Confidence::High),
        (false, false) => m.confidence(Confidence::Medium).aside(),
    })
}
