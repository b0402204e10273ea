//! Pods whose sandbox (the pod's network namespace and pause container) cannot be made.
//!
//! ## sandbox-cni-not-ready
//! **You see.** New pods of a node stay in `ContainerCreating`; pods on the host network still start.
//! **Why.** The node's network plugin is not set up: its agent does not run there, or has not written its configuration.
//! **How kokpit knows.** The kubelet's event `NetworkNotReady`, or `cni plugin not initialized` in
//! `FailedCreatePodSandBox`. The node's condition and the plugin's pod on that node are looked at next.
//! **Looks alike.** `sandbox-cni-plugin-error`: the plugin is set up and fails. `volume-*`: the pod waits for a volume.
//! **Mend it.** Live: restart the plugin's pod on the node. Git: the plugin's tolerations, so that it runs there.
//!
//! ## sandbox-ip-exhausted
//! **You see.** New pods of a node stay in `ContainerCreating`, while older ones run.
//! **Why.** No address is left: the node's range or the subnet is used up, or addresses of pods long gone leaked.
//! **How kokpit knows.** The network plugin's own words in `FailedCreatePodSandBox`. The size of the node's `podCIDR` is
//! set against the pods that the node may run.
//! **Looks alike.** `fit-too-many-pods`: there the scheduler refuses, the pod has no node.
//! **Mend it.** Free leaked addresses on the node, a larger range or subnet, fewer pods per node (`maxPods`).
//!
//! ## sandbox-cni-plugin-error
//! **You see.** Pods stay in `ContainerCreating`; an event says `failed to setup network for sandbox`.
//! **Why.** The network plugin was called and failed: its agent is down, its token has expired, its configuration is wrong.
//! **How kokpit knows.** `FailedCreatePodSandBox` names the plugin (`plugin type="…" failed (add)`); its agent on the
//! pod's node is looked at next. Other pods that fail alike on the same node only make it certain.
//! **Looks alike.** `sandbox-ip-exhausted` (no address left), `sandbox-cni-not-ready` (nothing set up yet).
//! **Mend it.** Live: restart the plugin's pod on the node. Git: the plugin's resources or configuration.
//!
//! ## sandbox-runtime-handler
//! **You see.** A pod with a `runtimeClassName` stays in `ContainerCreating`.
//! **Why.** The handler of its RuntimeClass (gVisor, Kata, NVIDIA …) is not configured on the node.
//! **How kokpit knows.** The runtime says that it has no runtime of that name; the RuntimeClass is shown.
//! **Looks alike.** A RuntimeClass that does not exist: then the pod cannot even be made.
//! **Mend it.** Git: another `runtimeClassName`, or `scheduling.nodeSelector` in the RuntimeClass, so that only nodes with
//! the handler are chosen.
//!
//! ## sandbox-recreated
//! **You see.** All containers of a pod restarted at the same moment.
//! **Why.** The pod's sandbox was gone and was made anew: the node rebooted, or its runtime restarted.
//! **How kokpit knows.** The event `SandboxChanged`, and every container's last run ended around it.
//! **Looks alike.** A sandbox that cannot be made gives the same event again and again: see the other causes here.
//! **Mend it.** Nothing; the containers run again. Look at the node if it repeats.

use crate::diagnose::agents;
use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{self, containers, is_true};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "sandbox.rs";
    "sandbox-cni-not-ready" "the node's network plugin is not set up" Outage ["Pod"] judge, id;
    "sandbox-ip-exhausted" "no address is left for the pod" Outage ["Pod"] judge, id;
    "sandbox-cni-plugin-error" "the node's network plugin fails" Outage ["Pod"] judge, id;
    "sandbox-runtime-handler" "the node lacks the runtime of the pod's RuntimeClass" Degraded ["Pod"] judge, id;
    "sandbox-recreated" "the pod's sandbox was lost and made anew" Nuisance ["Pod"] recreated;
}

/// The kubelet tries again at least every few minutes; an older event speaks of a trouble that is over.
const STALE_S: i64 = 600;
/// The kubelet sees the lost sandbox this long after the containers' end at most (its relist and sync periods).
const TOGETHER_S: i64 = 120;

/// Words of the error, the cause they speak for; first match wins. Of the kubelet, containerd and CRI-O
/// (`server/sandbox_run`), host-local, the Amazon VPC plugin and Calico.
const WORDS: &[(&str, &[&str])] = &[
    (
        "sandbox-ip-exhausted",
        &[
            "no ip addresses available in range set",
            "failed to assign an ip address to container",
            "assigned 0 out of 1 requested ipv4 addresses",
        ],
    ),
    ("sandbox-cni-not-ready", &["networkpluginnotready", "cni plugin not initialized", "network is not ready"]),
    ("sandbox-runtime-handler", &["no runtime for ", "failed to find runtime handler"]),
    (
        "sandbox-cni-plugin-error",
        &["plugin type=\"", "failed to setup network for sandbox", "failed to create pod network sandbox"],
    ),
];

/// A sandbox that cannot be made: why, in the runtime's words.
pub(super) struct Refused<'a> {
    /// The event.
    pub event: Event<'a>,
    /// The cause that the words speak for; `create-container-error` where they are new.
    pub cause: &'static str,
}

/// What keeps a pod's sandbox from being made, if that is what the pod waits for.
pub(super) fn refused<'a>(case: &Case<'a>, pod: &Value) -> Fact<Option<Refused<'a>>> {
    if !pods::waits_for_sandbox(pod) || pods::stand(pod, case.now()) != pods::Stand::Ill {
        return Ok(None);
    }
    let events = case.events_of(pod)?;
    let newest = events.into_iter().find(|e| matches!(e.reason, "FailedCreatePodSandBox" | "NetworkNotReady"));
    Ok(newest
        .filter(|event| event.last.age(case.now()) < STALE_S)
        .map(|event| Refused { event, cause: class_of(event.message) }))
}

fn class_of(message: &str) -> &'static str {
    let text = message.to_lowercase();
    let said = WORDS.iter().find(|(_, words)| words.iter().any(|w| text.contains(w)));
    said.map_or("create-container-error", |(cause, _)| cause)
}

/// Other pods of the namespace that fail alike, on this node and on others.
fn alike(case: &Case<'_>, suspect: &Suspect<'_>, cause: &str) -> Fact<(usize, usize)> {
    let (pod, mut here, mut elsewhere) = (suspect.object, 0, 0);
    for other in case.list(PODS, Some(namespace(pod))).known()?.unwrap_or_default() {
        let same = str_at(other, "/metadata/uid") == str_at(pod, "/metadata/uid");
        if same || refused(case, other)?.is_none_or(|r| r.cause != cause) {
            continue;
        }
        match str_at(other, "/spec/nodeName") == str_at(pod, "/spec/nodeName") {
            true => here += 1,
            false => elsewhere += 1,
        }
    }
    Ok((here, elsewhere))
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let Some(refused) = refused(case, pod)?.filter(|r| r.cause == id) else { return Ok(vec![]) };
    let (node, event) = (str_at(pod, "/spec/nodeName"), refused.event);
    let (here, elsewhere) = alike(case, suspect, id)?;
    let plugin = between(event.message, "plugin type=\"", "\"");
    let sure = if here > 0 && elsewhere == 0 { Confidence::Certain } else { Confidence::High };
    let mut m = Match::on(&suspect.at, sentence(id, node, plugin)).confidence(sure).evidence_aged(
        &suspect.at,
        "",
        event.reason,
        Some(event.last.age(case.now())),
        format!("{}: {}", event.reason, event.message),
    );
    if here + elsewhere > 0 {
        let text = format!("{here} more pods of {} on {node} fail alike, {elsewhere} on other nodes", namespace(pod));
        m = m.evidence(&NODES.at("", node), "", "", text);
    }
    let m = match id {
        "sandbox-cni-not-ready" | "sandbox-cni-plugin-error" => {
            let m = node_in_trouble(case, node)?.into_iter().fold(m, Match::because);
            agents::follow(case, &agents::network(case, node)?, node, m)
                .fix(Fix { summary: plugin_advice(event.message).into(), ..Fix::default() })
        }
        "sandbox-ip-exhausted" => addresses(case, node, m)?,
        _ => handler(case, suspect, m)?,
    };
    Ok(vec![m])
}

/// The node, if its network's trouble is its own: it is not Ready, or has no routes. A full disk is another matter.
fn node_in_trouble(case: &Case<'_>, node: &str) -> Fact<Option<ObjectRef>> {
    let at = NODES.at("", node);
    let object = case.get(&at).known()?.flatten();
    Ok(object.filter(|o| !is_true(o, "Ready") || is_true(o, "NetworkUnavailable")).map(|_| at))
}

fn sentence(id: &str, node: &str, plugin: Option<&str>) -> String {
    let plugin = plugin.map_or("the network plugin".to_owned(), |p| format!("network plugin {p}"));
    match id {
        "sandbox-cni-not-ready" => {
            format!("The network plugin of node {node} is not set up, so no pod gets a network.")
        }
        "sandbox-ip-exhausted" => format!("Node {node} has no address left for the pod ({plugin})."),
        "sandbox-runtime-handler" => {
            format!("Node {node} does not have the runtime that the pod's RuntimeClass names.")
        }
        _ => format!("On node {node} {plugin} fails to connect the pod."),
    }
}

/// What to do about a plugin that fails, by its words.
fn plugin_advice(message: &str) -> &'static str {
    let text = message.to_lowercase();
    match () {
        _ if text.contains("unauthorized") => "renew the plugin's token (a restart of its agent writes a new one)",
        _ if text.contains("connection refused") => "bring the plugin's agent on this node back",
        _ => "mend what the plugin says; cordon the node until then",
    }
}

/// The text between two others.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// Evidence and fix for a node without addresses: its range, and how many pods it may run.
fn addresses(case: &Case<'_>, node: &str, mut m: Match) -> Fact<Match> {
    let at = NODES.at("", node);
    if let Some(object) = case.get(&at).known()?.flatten() {
        let (range, most) = (str_at(object, "/spec/podCIDR"), str_at(object, "/status/allocatable/pods"));
        if let Some(size) = addresses_of(range) {
            let text = format!("{node} has {range}, {size} addresses, and may run {most} pods");
            m = m.evidence(&at, "spec.podCIDR", range, text);
        }
    }
    Ok(m.fix(Fix {
        summary: format!("free leaked addresses on {node}, or give it a larger range or a lower maxPods"),
        live: format!("kubectl cordon {node}"),
        ..Fix::default()
    }))
}

/// How many addresses an IPv4 range holds for pods (host-local keeps network, gateway and broadcast address).
fn addresses_of(range: &str) -> Option<u64> {
    let (address, bits) = range.split_once('/')?;
    address.parse::<std::net::Ipv4Addr>().ok()?;
    let host = 32u32.checked_sub(bits.parse().ok()?)?;
    Some((1u64 << host).saturating_sub(3))
}

fn handler(case: &Case<'_>, suspect: &Suspect<'_>, mut m: Match) -> Fact<Match> {
    let class = str_at(suspect.object, "/spec/runtimeClassName");
    let at = RUNTIMECLASSES.at("", class);
    m = m.evidence(&suspect.at, "spec.runtimeClassName", class, format!("runtimeClassName {class}"));
    if let Some(object) = case.get(&at).known()?.flatten() {
        let handler = str_at(object, "/handler");
        m = m.evidence(&at, "handler", handler, format!("RuntimeClass {class} has the handler {handler}"));
        let chosen = object.pointer("/scheduling/nodeSelector").filter(|s| !s.is_null());
        let text = chosen.map_or("it is not bound to any nodes".to_owned(), |s| format!("it selects nodes with {s}"));
        m = m.evidence(&at, "scheduling.nodeSelector", "", text);
    }
    let top = kin::top_owner(case, suspect.object)?;
    let field = template_field(top, "spec.runtimeClassName");
    let what = "use a RuntimeClass that the node has, or let the class select the nodes that have its handler";
    Ok(m.fix(case.fix(top, &field, what, "")?))
}

fn recreated(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let all = containers(pod);
    let ends: Vec<_> = all.iter().filter(|c| !c.init).filter_map(|c| Some(c.ended()?.finished)).collect();
    // Restarts come first: only then is an event worth reading.
    let restarted = all.iter().filter(|c| !c.init).all(|c| c.ended().is_some());
    if !suspect.exists() || ends.is_empty() || !restarted || pods::waits_for_sandbox(pod) {
        return Ok(vec![]);
    }
    let Some(event) = case.event_with(pod, &["SandboxChanged"], "")? else { return Ok(vec![]) };
    if !ends.iter().all(|end| end.is_set() && (event.last.0 - end.0).abs() <= TOGETHER_S) {
        return Ok(vec![]);
    }
    let (node, age) = (str_at(pod, "/spec/nodeName"), event.last.age(case.now()));
    let m = Match::on(
        &suspect.at,
        format!("The pod's sandbox was made anew {} ago, so all its containers restarted.", human(age)),
    )
    .confidence(Confidence::High)
    .evidence_aged(&suspect.at, "", event.reason, Some(age), format!("{}: {}", event.reason, event.message))
    .evidence(&suspect.at, "status.containerStatuses[].lastState", "", "every container's last run ended then")
    .because(NODES.at("", node));
    // A pod that is well again has no trouble left to explain.
    Ok(vec![if pods::is_ill(case, suspect) { m } else { m.aside() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_one_class() {
        for (error, cause) in [
            (
                r#"plugin type="calico" failed (add): failed to request IPv4 addresses: Assigned 0 out of 1 requested IPv4 addresses"#,
                "sandbox-ip-exhausted",
            ),
            (r#"plugin type="cilium-cni" failed (add): unable to connect to Cilium agent"#, "sandbox-cni-plugin-error"),
            ("failed to get sandbox runtime: no runtime for \"kata\" is configured", "sandbox-runtime-handler"),
            ("failed to get sandbox image \"registry.k8s.io/pause:3.10\"", "create-container-error"),
        ] {
            assert_eq!(class_of(error), cause, "{error}");
        }
    }

    #[test]
    fn a_range_holds_so_many_addresses() {
        assert_eq!(addresses_of("10.0.1.0/26"), Some(61));
        assert_eq!(addresses_of("fd00::/64"), None);
        assert_eq!(addresses_of("10.0.1.0/40"), None);
        assert_eq!(addresses_of(""), None);
    }
}
