//! Nodes with a trouble that the kubelet itself does not name.
//!
//! ## node-cert-expired
//! **You see.** A node (or all nodes of one age) becomes `NotReady` for good, though the machine runs; or the node is
//! Ready, and `kubectl logs` and `exec` fail with a TLS error.
//! **Why.** The kubelet's client certificate has expired, so the API server refuses it; its renewal was never approved or
//! issued. For a serving certificate the same breaks only what the API server asks of the kubelet.
//! **How kokpit knows.** A CertificateSigningRequest of the node is pending, denied or failed; an event of the node speaks
//! of x509; or exactly the nodes that joined on one day are lost while others report.
//! **Looks alike.** `node-unreachable` without such a sign; `node-clock-skew` (a certificate that is "not yet valid").
//! **Mend it.** Live: `kubectl certificate approve`; for nodes that are locked out already, a new bootstrap on the machine.
//!
//! ## node-clock-skew
//! **You see.** Tokens and certificates are "not yet valid" or "expired" on one node; odd times in its logs.
//! **Why.** The machine's clock is wrong.
//! **How kokpit knows.** The kubelet writes the time into its Lease by its own clock, the API server writes the time of
//! that update into managedFields by its own; they differ by more than a minute. Or node-problem-detector says NTPProblem.
//! **Looks alike.** `node-cert-expired`. A wrong clock does not by itself make a node NotReady.
//! **Mend it.** chrony or ntpd on the machine.
//!
//! ## node-npd-condition
//! **You see.** A node that is Ready and misbehaves.
//! **Why.** node-problem-detector found a trouble in the kernel's or the runtime's log.
//! **How kokpit knows.** One of its conditions (KernelDeadlock, ReadonlyFilesystem, FrequentKubeletRestart …) is True,
//! which with these means trouble.
//! **Looks alike.** The kubelet's own pressure conditions.
//! **Mend it.** Drain the node and repair or replace the machine.
//!
//! ## node-mass-notready
//! **You see.** Many nodes become `NotReady` within moments.
//! **Why.** Machines do not die together: what they share has failed, the network to the control plane, its load balancer
//! or certificate, or an API server that does not keep up.
//! **How kokpit knows.** At least three nodes, and half of the zone's or of all nodes, became Unknown within five minutes.
//! **Looks alike.** `node-unreachable` for each of them. That no pod is evicted then is on purpose: the controller stops
//! evicting when a whole zone seems lost.
//! **Mend it.** Look at the API server's load balancer, certificates and load, and at the zone's network first.
//!
//! ## node-kube-proxy-down
//! **You see.** From one node Services time out and DNS fails; the same pods elsewhere are fine.
//! **Why.** The agent that programs Services on that node (kube-proxy, Cilium, …) does not run.
//! **How kokpit knows.** Its DaemonSet's pod on the node is not Ready while the node is; what is wrong with the pod becomes
//! the reason.
//! **Looks alike.** `node-network`: there the node itself is not Ready.
//! **Mend it.** Live: delete the agent's pod, so that it is made anew; then mend what its logs name.

use super::lost;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::{CSRS, LEASES, NODES};
use crate::diagnose::pods::{self, Stand, condition, is_true};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, controller, name, namespace, str_at};
use crate::world::time::{Time, human};
use crate::world::writers::{Path, writers};
use serde_json::Value;

causes! { "sick.rs";
    "node-cert-expired" "the kubelet's certificate is not renewed" Outage ["Node"] certificate;
    "node-clock-skew" "the node's clock is wrong" Degraded ["Node"] clock;
    "node-npd-condition" "node-problem-detector reports trouble" Degraded ["Node"] problem;
    "node-mass-notready" "many nodes were lost at once" Outage ["Node"] mass;
    "node-kube-proxy-down" "the agent that programs Services is not ready on the node" Outage ["Node"] proxy;
}

const CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const SERVING: &str = "kubernetes.io/kubelet-serving";
/// A request for a certificate is answered within moments.
const APPROVAL_S: i64 = 120;
const DAY_S: i64 = 24 * 3600;

fn certificate(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let node = suspect.object;
    let gone = lost(node).is_some();
    if !suspect.exists() || !(gone || (suspect.asked && is_true(node, "Ready"))) {
        return Ok(Vec::new());
    }
    let signer = if gone { CLIENT } else { SERVING };
    let user = format!("system:node:{}", suspect.at.name);
    let requests = case.list(CSRS, None).known()?.unwrap_or_default();
    let mine = requests.into_iter().filter(|r| str_at(r, "/spec/signerName") == signer);
    let open = mine.filter(|r| str_at(r, "/spec/username") == user && case.age_of(r) > APPROVAL_S);
    let open: Vec<&Value> = open.filter(|r| str_at(r, "/status/certificate").is_empty()).collect();
    if let Some(newest) = open.iter().min_by_key(|r| case.age_of(r)) {
        return Ok(vec![of_request(case, suspect, newest, open.len(), gone)]);
    }
    if !gone {
        return Ok(Vec::new());
    }
    let spoken =
        case.events(&suspect.at, "")?.into_iter().find(|e| e.message.contains("x509: certificate has expired"));
    if let Some(event) = spoken {
        let summary = format!("The kubelet of {} is locked out: its certificate has expired.", suspect.at.name);
        let age = event.last.age(case.now());
        let m = Match::on(&suspect.at, summary).confidence(Confidence::High);
        return Ok(vec![m.evidence_aged(&suspect.at, "", event.reason, Some(age), event.message).fix(renew(suspect))]);
    }
    same_age(case, suspect)
}

fn of_request(case: &Case<'_>, suspect: &Suspect<'_>, request: &Value, all: usize, gone: bool) -> Match {
    let (at, id, node) = (ObjectRef::of(request), name(request), &suspect.at.name);
    let verdict = ["Denied", "Failed", "Approved"].into_iter().find(|kind| is_true(request, kind));
    let state = match verdict {
        Some("Approved") => "is approved, but no certificate was issued",
        Some("Denied") => "was denied",
        Some(_) => "failed",
        None => "waits for approval",
    };
    let summary = match gone {
        true => format!("The kubelet of {node} is silent, and its request for a new certificate {state}."),
        false => format!("kubectl logs and exec cannot reach {node}: its request for a serving certificate {state}."),
    };
    let age = case.age_of(request);
    let text = format!("CertificateSigningRequest {id} {state}, {all} such requests are open");
    let m = Match::on(&suspect.at, summary)
        .confidence(if gone { Confidence::High } else { Confidence::Medium })
        .evidence_aged(&at, "status.conditions", verdict.unwrap_or("Pending"), Some(age), text);
    match verdict {
        None => m.fix(Fix {
            summary: "approve it, after a look at who asks for what".into(),
            live: format!("kubectl certificate approve {id}"),
            ..Fix::default()
        }),
        Some("Approved") => m.fix(Fix {
            summary: "bring the signer back: kube-controller-manager with the cluster's signing key".into(),
            ..Fix::default()
        }),
        Some(_) => m.fix(renew(suspect)),
    }
}

fn renew(suspect: &Suspect<'_>) -> Fix {
    Fix {
        summary: format!("on {}: remove the old client certificate and bootstrap the kubelet anew", suspect.at.name),
        ..Fix::default()
    }
}

/// Exactly the nodes that joined within a day of this one are lost, and others are not.
fn same_age(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let nodes = case.list(NODES, None).known()?.unwrap_or_default();
    let own = case.age_of(suspect.object);
    let (twins, others): (Vec<&Value>, Vec<&Value>) =
        nodes.into_iter().partition(|node| (case.age_of(node) - own).abs() < DAY_S);
    let all_lost = twins.len() > 1 && twins.iter().all(|node| lost(node).is_some());
    // A certificate lives for months; younger nodes have other troubles in common.
    if !all_lost || others.is_empty() || others.iter().any(|node| lost(node).is_some()) || own < 30 * DAY_S {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = twins.iter().map(|node| name(node)).collect();
    let summary =
        format!("Exactly the nodes that joined {} ago are lost: their certificates may have expired.", human(own));
    let text = format!("lost: {}; the {} nodes of other ages report", names.join(" "), others.len());
    let m = Match::on(&suspect.at, summary).confidence(Confidence::Medium);
    Ok(vec![m.evidence(&suspect.at, "metadata.creationTimestamp", "", text).fix(renew(suspect))])
}

/// Two clocks that differ by more are wrong.
const SKEW_S: i64 = 60;

fn clock(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let at = &suspect.at;
    let unsynced = condition(suspect.object, "NTPProblem").filter(|c| str_at(c, "/status") == "True");
    let wanted = suspect.exists() && (suspect.asked || lost(suspect.object).is_some() || unsynced.is_some());
    if !wanted {
        return Ok(Vec::new());
    }
    let lease = LEASES.at("kube-node-lease", &at.name);
    let skew = case.get(&lease).known()?.flatten().and_then(skew);
    let skew = skew.filter(|seconds| seconds.abs() > SKEW_S);
    if skew.is_none() && unsynced.is_none() {
        return Ok(Vec::new());
    }
    let by = skew.map_or(String::new(), |s| {
        format!(" by {}, {}", human(s.abs()), if s > 0 { "it is ahead" } else { "it is behind" })
    });
    let mut m = Match::on(at, format!("The clock of {} is wrong{by}.", at.name)).confidence(Confidence::Medium);
    if let Some(seconds) = skew {
        let text =
            format!("the lease was renewed at a time that is {seconds:+} s off the API server's own record of it");
        m = m.evidence(&lease, "spec.renewTime", &seconds.to_string(), text);
    }
    if let Some(said) = unsynced {
        let age = case.age(str_at(said, "/lastTransitionTime"));
        m = m.evidence_aged(at, "status.conditions[NTPProblem]", "True", age, str_at(said, "/message"));
    }
    Ok(vec![m.fix(Fix { summary: format!("mend the time service on {}", at.name), ..Fix::default() })])
}

/// Seconds by which the clock of the kubelet that renewed a lease is ahead of the API server's: `spec.renewTime` is the
/// kubelet's, the time of its entry in managedFields (which every changed value renews) the API server's.
fn skew(lease: &Value) -> Option<i64> {
    let renewed = Time::parse(str_at(lease, "/spec/renewTime"))?;
    let field = Path::keys(&["spec", "renewTime"]);
    let writer = writers(lease).find(|writer| writer.owns(&field))?;
    Some(renewed.0 - writer.time?.0)
}

/// Conditions of node-problem-detector (its `config/` folder); `True` means trouble.
const PROBLEMS: &[&str] = &[
    "KernelDeadlock",
    "ReadonlyFilesystem",
    "XfsShutdown",
    "DiskBadBlock",
    "CorruptDockerOverlay2",
    "FrequentKubeletRestart",
    "FrequentDockerRestart",
    "FrequentContainerdRestart",
    "FrequentUnregisterNetDevice",
    "ContainerRuntimeUnhealthy",
    "KubeletUnhealthy",
    "KubeProxyUnhealthy",
    "NTPProblem",
];
/// Its events that tell of the kernel's troubles.
const EVENTS: &[&str] = &["TaskHung", "Ext4Error", "IOError", "KernelOops", "OOMKilling"];

fn problem(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (at, node) = (&suspect.at, suspect.object);
    let said: Vec<&str> = PROBLEMS.iter().copied().filter(|kind| is_true(node, kind)).collect();
    if said.is_empty() {
        return Ok(Vec::new());
    }
    let mut m = Match::on(at, format!("node-problem-detector says of {}: {}.", at.name, said.join(", ")))
        .confidence(Confidence::High)
        .because_cause("node-clock-skew");
    for kind in said {
        let Some(condition) = condition(node, kind) else { continue };
        let age = case.age(str_at(condition, "/lastTransitionTime"));
        let text = format!("{kind}: {}", str_at(condition, "/message"));
        m = m.evidence_aged(at, &format!("status.conditions[{kind}]"), "True", age, text);
    }
    for event in case.events(at, "")?.iter().filter(|e| EVENTS.contains(&e.reason)).take(3) {
        let text = format!("{}: {}", event.reason, event.message);
        m = m.evidence_aged(at, "", event.reason, Some(event.last.age(case.now())), text);
    }
    Ok(vec![m.fix(Fix {
        summary: "keep new pods off it; drain it, then repair or replace the machine".into(),
        live: format!("kokpit drain {} --reason \"…\"", at.name),
        ..Fix::default()
    })])
}

/// How close together nodes must be lost to be lost at once.
const AT_ONCE_S: i64 = 300;
/// Fewer may be a coincidence.
const MANY: usize = 3;

fn mass(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(since) = lost(suspect.object).and_then(|c| case.age(str_at(c, "/lastTransitionTime"))) else {
        return Ok(Vec::new());
    };
    let nodes = case.list(NODES, None).known()?.unwrap_or_default();
    let together = |node: &&&Value| {
        let age = lost(node).and_then(|c| case.age(str_at(c, "/lastTransitionTime")));
        age.is_some_and(|age| (age - since).abs() <= AT_ONCE_S)
    };
    let zone = str_at(suspect.object, "/metadata/labels/topology.kubernetes.io~1zone");
    let in_zone = |node: &&&Value| str_at(node, "/metadata/labels/topology.kubernetes.io~1zone") == zone;
    let (all, gone) = (nodes.len(), nodes.iter().filter(together).count());
    let zone_all = nodes.iter().filter(in_zone).count();
    let zone_gone = nodes.iter().filter(in_zone).filter(together).count();
    let where_ = match () {
        _ if gone >= MANY && 2 * gone >= all => format!("{gone} of {all} nodes"),
        _ if !zone.is_empty() && zone_gone >= MANY && 2 * zone_gone >= zone_all => {
            format!("{zone_gone} of {zone_all} nodes of zone {zone}")
        }
        _ => return Ok(Vec::new()),
    };
    let names: Vec<&str> = nodes.iter().filter(together).map(|node| name(node)).collect();
    let more = names.len().saturating_sub(12);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let listed = names.iter().take(12).copied().collect::<Vec<_>>().join(" ");
    let m = Match::on(
        &suspect.at,
        format!("{where_} were lost at once, {} ago: what they share has failed.", human(since)),
    )
    .confidence(Confidence::High)
    .evidence_aged(
        &suspect.at,
        "status.conditions[Ready]",
        "Unknown",
        Some(since),
        format!("lost together: {listed}{more}"),
    )
    .evidence(&suspect.at, "", "", "while a whole zone is lost, pods are not evicted: that is on purpose");
    Ok(vec![m.fix(Fix {
        summary: "look at the API server's load balancer, certificates and load, and at the network between".into(),
        live: "kubectl get --raw /readyz?verbose".into(),
        ..Fix::default()
    })])
}

/// DaemonSets that program Services on their node.
const AGENTS: &[&str] = &["kube-proxy", "cilium", "kube-router", "antrea-agent", "ovnkube-node"];

fn proxy(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !suspect.asked || !is_true(suspect.object, "Ready") {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for (agent, pod) in ill_agents(case, &suspect.at.name, AGENTS)? {
        let (at, ns, node) = (ObjectRef::of(pod), namespace(pod), &suspect.at.name);
        let restarts: i64 = pods::containers(pod).iter().map(pods::Container::restarts).sum();
        let summary = format!("{agent} on {node} is not ready: Services cannot be reached from there.");
        let text = format!("{ns}/{} is not ready, {restarts} restarts", name(pod));
        found.push(
            Match::on(&suspect.at, summary)
                .confidence(Confidence::Medium)
                .evidence(&at, "status.conditions[Ready]", "False", text)
                .because(at)
                .fix(Fix {
                    summary: "let it be made anew; then mend what its log names".into(),
                    live: format!("kubectl -n {ns} delete pod {}", name(pod)),
                    ..Fix::default()
                }),
        );
    }
    Ok(found)
}

/// The pods of these DaemonSets on a node that are in trouble, with the DaemonSet's name.
fn ill_agents<'a>(case: &Case<'a>, node: &str, agents: &[&str]) -> Fact<Vec<(&'a str, &'a Value)>> {
    let agent = |pod: &'a Value| {
        let (_, kind, owner) = controller(pod)?;
        (kind == "DaemonSet" && agents.contains(&owner)).then_some((owner, pod))
    };
    let ill = |(_, pod): &(&str, &Value)| pods::stand(pod, case.now()) == Stand::Ill;
    Ok(case.pods_on(node)?.into_iter().filter_map(agent).filter(ill).collect())
}
