//! NetworkPolicy: may this pod reach that one? (networking.k8s.io/v1; causes C.3)
//!
//! A pod is isolated in a direction when a policy of its namespace selects it and speaks of that direction; what then
//! is allowed is the union over those policies, Cilium's included. Ports are the *pod's* ports. Both ends must allow.
//! Traffic from the pod's own node is always allowed, so a policy never explains a pod that is not ready.

use super::cilium;
use super::flavor::Flavor;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::kinds::{NAMESPACES, NETWORKPOLICIES};
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;
use std::net::IpAddr;

/// One end's view of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the receiving pod lets in.
    Ingress,
    /// What the sending pod lets out.
    Egress,
}

impl Direction {
    /// The word in `policyTypes`.
    fn word(self) -> &'static str {
        match self {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        }
    }

    /// The list of rules, and the list of peers inside a rule.
    fn fields(self) -> (&'static str, &'static str) {
        match self {
            Direction::Ingress => ("/spec/ingress", "/from"),
            Direction::Egress => ("/spec/egress", "/to"),
        }
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A pod.
    Pod(&'a Value),
    /// Cilium's own Envoy: the entity `ingress`, which no pod selector meets.
    CiliumEnvoy,
}

/// A connection from somebody to a pod's port.
#[derive(Clone, Copy, Debug)]
pub struct Flow<'a> {
    /// Who sends.
    pub from: Source<'a>,
    /// The pod that receives.
    pub to: &'a Value,
    /// The pod's port.
    pub port: i64,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: &'static str,
}

/// Why a flow is refused.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// The policies that decide: the one that comes nearest to allowing it first.
    pub policies: Vec<ObjectRef>,
    /// Why each of their rules misses.
    pub misses: Vec<String>,
    /// Label of the peer's namespace that a rule could select.
    pub namespace_label: String,
}

impl Refusal {
    /// The policies' names.
    pub fn names(&self) -> String {
        self.policies.iter().map(|at| at.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// The flows from a controller to a pod.
pub fn flows<'a>(flavor: Flavor, controller: &[&'a Value], to: &'a Value, port: i64) -> Vec<Flow<'a>> {
    let flow = |from| Flow { from, to, port, protocol: "TCP" };
    match flavor {
        Flavor::Cilium => vec![flow(Source::CiliumEnvoy)],
        _ => controller.iter().map(|pod| flow(Source::Pod(pod))).collect(),
    }
}

/// More pods than this are not tried at either end: policies select by labels and nodes, and few differ in those.
const MOST_ENDS: usize = 30;

/// The first flow from a controller to one of these pods that is refused, at which end, and why. One pod may be refused
/// where another is not: it may carry another label, or run on the controller's own node.
pub fn first_refused<'a>(
    case: &Case<'a>,
    flavor: Flavor,
    controller: &[&'a Value],
    ready: &[&'a Value],
    port: &Value,
) -> Fact<Option<(Flow<'a>, Direction, Refusal)>> {
    let controller = &controller[..controller.len().min(MOST_ENDS)];
    for to in ready.iter().copied().take(MOST_ENDS) {
        let Some(number) = super::backend::target(port, to) else { continue };
        for flow in flows(flavor, controller, to, number) {
            if let Some((direction, refusal)) = refused(case, &flow)? {
                return Ok(Some((flow, direction, refusal)));
            }
        }
    }
    Ok(None)
}

/// Which end refuses a flow, and why; `None` when both let it pass.
pub fn refused(case: &Case<'_>, flow: &Flow<'_>) -> Fact<Option<(Direction, Refusal)>> {
    for direction in [Direction::Ingress, Direction::Egress] {
        if let Some(refusal) = refuses(case, flow, direction)? {
            return Ok(Some((direction, refusal)));
        }
    }
    Ok(None)
}

/// Why one end refuses a flow; `None` when it does not.
pub fn refuses(case: &Case<'_>, flow: &Flow<'_>, direction: Direction) -> Fact<Option<Refusal>> {
    let standard = by_network_policies(case, flow, direction)?;
    let cilium = cilium::judge(case, flow, direction)?;
    Ok(match (standard, cilium) {
        // A deny rule wins over everything; what one kind of policy allows, the other cannot refuse.
        (_, cilium::Ruling::Denied(refusal)) => Some(refusal),
        (Ruling::Allowed, _) | (_, cilium::Ruling::Allowed) => None,
        (Ruling::Refused(refusal), _) | (Ruling::Open, cilium::Ruling::Refused(refusal)) => Some(refusal),
        (Ruling::Open, cilium::Ruling::Open) => None,
    })
}

/// What the standard policies say.
enum Ruling {
    /// No policy isolates the pod.
    Open,
    /// A rule allows it.
    Allowed,
    /// The pod is isolated, and no rule allows it.
    Refused(Refusal),
}

fn by_network_policies(case: &Case<'_>, flow: &Flow<'_>, direction: Direction) -> Fact<Ruling> {
    let sender = match flow.from {
        Source::Pod(pod) => Some(pod),
        Source::CiliumEnvoy => None,
    };
    let (subject, peer) = match (direction, sender) {
        (Direction::Ingress, from) => (flow.to, from),
        (Direction::Egress, Some(from)) => (from, Some(flow.to)),
        (Direction::Egress, None) => return Ok(Ruling::Open),
    };
    // Policies do not meet pods on the host network.
    if bool_at(subject, "/spec/hostNetwork") {
        return Ok(Ruling::Open);
    }
    if peer.is_some_and(|peer| is_own_node(peer, subject)) {
        return Ok(Ruling::Open);
    }
    let policies = case.list(NETWORKPOLICIES, Some(namespace(subject)))?;
    let mine: Vec<&Value> = policies.into_iter().filter(|p| affects(p, direction) && selects(p, subject)).collect();
    if mine.is_empty() {
        return Ok(Ruling::Open);
    }
    let home = match peer {
        Some(pod) => case.one(NAMESPACES, "", namespace(pod))?.and_then(|n| n.pointer("/metadata/labels")),
        None => None,
    };
    let label = peer.map_or("", |p| namespace(p));
    let mut refusal = Refusal { namespace_label: format!("kubernetes.io/metadata.name={label}"), ..Refusal::default() };
    let (mut with_rules, mut without) = (Vec::new(), Vec::new());
    let (list, peers) = direction.fields();
    for policy in mine {
        let rules = list_at(policy, list);
        for rule in rules {
            let (who, open) = (peer_misses(rule, peers, policy, peer, home), port_misses(rule, flow));
            if who.is_none() && open.is_none() {
                return Ok(Ruling::Allowed);
            }
            let both = if who.is_some() && open.is_some() { " (both faults: label and port)" } else { "" };
            let why: Vec<String> = who.into_iter().chain(open).collect();
            refusal.misses.push(format!("{}: {}{both}", name(policy), why.join("; ")));
        }
        if rules.is_empty() { &mut without } else { &mut with_rules }.push(ObjectRef::of(policy));
    }
    refusal.misses.extend(without.iter().map(|p| format!("{}: allows nothing (default deny)", p.name)));
    refusal.policies = with_rules.into_iter().chain(without).collect();
    Ok(Ruling::Refused(refusal))
}

/// Whether a pod on the host network stands for the node that the other one runs on: that traffic is always allowed.
fn is_own_node(host: &Value, pod: &Value) -> bool {
    let node = str_at(pod, "/spec/nodeName");
    bool_at(host, "/spec/hostNetwork") && !node.is_empty() && node == str_at(host, "/spec/nodeName")
}

/// Without policyTypes a policy is for ingress, and for egress too when it has an egress section.
fn affects(policy: &Value, direction: Direction) -> bool {
    match list_at(policy, "/spec/policyTypes") {
        [] => direction == Direction::Ingress || policy.pointer("/spec/egress").is_some_and(|e| !e.is_null()),
        types => types.iter().any(|t| t == direction.word()),
    }
}

/// An empty podSelector selects every pod of the namespace.
fn selects(policy: &Value, pod: &Value) -> bool {
    policy.pointer("/spec/podSelector").is_none_or(|s| Selector::from_value(s).matches(pod.pointer("/metadata/labels")))
}

/// Why no peer of a rule is the other end; `None` when one is. Both selectors in one element are an AND, two elements
/// an OR.
fn peer_misses(
    rule: &Value,
    peers: &str,
    policy: &Value,
    other: Option<&Value>,
    home: Option<&Value>,
) -> Option<String> {
    let peers = list_at(rule, peers);
    if peers.is_empty() {
        return None;
    }
    let Some(other) = other else { return Some("its peers are pods, and Cilium's Envoy is none".to_owned()) };
    let mut why = Vec::new();
    for peer in peers {
        let (pods, namespaces) = (peer.get("podSelector"), peer.get("namespaceSelector"));
        if pods.is_none() && namespaces.is_none() {
            match block_misses(peer, other) {
                None => return None,
                Some(text) => why.push(text),
            }
            continue;
        }
        // A pod on the host network comes with its node's address: selectors never meet it.
        let host = bool_at(other, "/spec/hostNetwork");
        let ns_ok = match namespaces {
            Some(selector) => Selector::from_value(selector).matches(home),
            None => namespace(policy) == namespace(other),
        };
        let pod_ok = pods.is_none_or(|s| Selector::from_value(s).matches(other.pointer("/metadata/labels")));
        match (host, ns_ok, pod_ok) {
            (false, true, true) => return None,
            (true, ..) => why.push("the other end runs on the host network, which selectors do not meet".to_owned()),
            (_, false, _) => why.push(match namespaces {
                Some(s) => format!(
                    "namespaceSelector {} does not match namespace {} ({})",
                    wanted(s),
                    namespace(other),
                    super::backend::labels(home)
                ),
                None => format!("it admits pods of namespace {} only", namespace(policy)),
            }),
            _ => {
                let selector = pods.map(wanted).unwrap_or_default();
                why.push(format!("podSelector {selector} does not match {}", name(other)));
            }
        }
    }
    Some(why.join(", "))
}

/// Why an ipBlock does not hold a pod's address. Plugins other than Cilium compare pod addresses too.
fn block_misses(peer: &Value, pod: &Value) -> Option<String> {
    let cidr = str_at(peer, "/ipBlock/cidr");
    let address = str_at(pod, "/status/podIP");
    let except = list_at(peer, "/ipBlock/except").iter().filter_map(Value::as_str).any(|e| contains(e, address));
    (!contains(cidr, address) || except).then(|| format!("ipBlock {cidr} does not hold {address}"))
}

/// Whether a block of addresses holds an address.
fn contains(cidr: &str, address: &str) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let Some((net, length)) = cidr.split_once('/') else { return false };
    let (Ok(net), Ok(ip), Ok(length)) = (net.parse::<IpAddr>(), address.parse::<IpAddr>(), length.parse::<u32>())
    else {
        return false;
    };
    let ((net, width), (ip, other)) = (bits(net), bits(ip));
    let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or_default();
    width == other && length <= width && net & mask == ip & mask
}

/// A selector in words.
pub(super) fn wanted(selector: &Value) -> String {
    let labels = super::backend::labels(selector.get("matchLabels"));
    let exprs = list_at(selector, "/matchExpressions");
    let exprs: Vec<String> =
        exprs.iter().map(|e| format!("{} {}", str_at(e, "/key"), str_at(e, "/operator"))).collect();
    [labels, exprs.join(",")].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(",")
}

/// Why no port of a rule is the pod's port; `None` when one is.
fn port_misses(rule: &Value, flow: &Flow<'_>) -> Option<String> {
    let ports = list_at(rule, "/ports");
    if ports.is_empty() || ports.iter().any(|p| opens(p, flow)) {
        return None;
    }
    Some(format!(
        "it opens port {}, the pod's port is {} (policies speak of pod ports, not Service ports)",
        in_words(ports),
        flow.port
    ))
}

/// Whether a `{protocol, port, endPort}` opens the port of a flow.
pub(super) fn opens(port: &Value, flow: &Flow<'_>) -> bool {
    let protocol = match str_at(port, "/protocol") {
        "" => "TCP",
        protocol => protocol,
    };
    let number = match port.get("port") {
        None => return protocol == flow.protocol,
        Some(Value::String(text)) => text.parse().ok().or_else(|| super::backend::named_port(flow.to, text)),
        Some(number) => number.as_i64(),
    };
    let end = int_at(port, "/endPort").or(number);
    let within = number.is_some_and(|n| n <= flow.port) && end.is_some_and(|end| flow.port <= end);
    (protocol == flow.protocol || protocol == "ANY") && within
}

/// `80, http`
pub(super) fn in_words(ports: &[Value]) -> String {
    let all: Vec<String> = ports.iter().filter_map(|p| p.get("port")).map(|p| p.to_string().replace('"', "")).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn peer(rule: Value, home: Value) -> bool {
        let policy = json!({"metadata": {"namespace": "shop"}});
        let from = json!({"metadata": {"namespace": "edge", "name": "c", "labels": {"app": "nginx"}},
            "status": {"podIP": "10.1.2.3"}});
        peer_misses(&rule, "/from", &policy, Some(&from), Some(&home)).is_none()
    }

    #[test]
    fn one_element_is_an_and_and_two_are_an_or() {
        let home = json!({"kubernetes.io/metadata.name": "edge"});
        let ns = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}});
        let both = json!({"from": [{"namespaceSelector": ns["namespaceSelector"], "podSelector": {"matchLabels": {"app": "x"}}}]});
        let either = json!({"from": [ns, {"podSelector": {"matchLabels": {"app": "x"}}}]});
        assert!(!peer(both, home.clone()));
        assert!(peer(either, home.clone()));
        assert!(!peer(json!({"from": [{"podSelector": {}}]}), home.clone()), "pods of its own namespace only");
        assert!(peer(json!({}), home));
    }

    #[test]
    fn blocks_hold_addresses() {
        assert!(
            contains("10.0.0.0/8", "10.1.2.3") && contains("0.0.0.0/0", "10.1.2.3") && contains("fd00::/8", "fd01::1")
        );
        assert!(!contains("10.0.0.0/16", "10.1.2.3") && !contains("::/0", "10.1.2.3") && !contains("10.0.0.0/99", "x"));
        let rule = |except: Value| json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": except}}]});
        assert!(peer(rule(json!([])), json!({})));
        assert!(!peer(rule(json!(["10.1.0.0/16"])), json!({})));
    }

    #[test]
    fn ports_are_the_pods() {
        let pod = json!({"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}});
        let flow = Flow { from: Source::CiliumEnvoy, to: &pod, port: 8080, protocol: "TCP" };
        let misses = |ports: Value| port_misses(&json!({ "ports": ports }), &flow).is_some();
        assert!(misses(json!([{"port": 80}])));
        assert!(!misses(json!([{"port": "http"}])));
        assert!(!misses(json!([{"port": 8000, "endPort": 9000}])));
        assert!(misses(json!([{"port": 8080, "protocol": "UDP"}])));
    }

    #[test]
    fn an_egress_section_is_enough_without_types() {
        let policy = |spec: Value| json!({ "spec": spec });
        assert!(!affects(&policy(json!({})), Direction::Egress) && affects(&policy(json!({})), Direction::Ingress));
        assert!(affects(&policy(json!({"egress": [{}]})), Direction::Egress));
        assert!(!affects(&policy(json!({"policyTypes": ["Egress"]})), Direction::Ingress));
    }
}
