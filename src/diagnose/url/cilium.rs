//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2; docs "Layer 3", "Layer 4", "Layer 7", "Deny").
//!
//! * Any selecting rule with a section for a direction isolates the pod, unless `enableDefaultDeny` says no.
//! * A deny rule wins over every allow rule, and over NetworkPolicies.
//! * A rule without peers and ports allows nothing; with ports only it allows everybody.
//! * `fromEndpoints` without a namespace label means the policy's own namespace (not in clusterwide ones).
//! * Blocks of addresses never meet pods or nodes.

use super::policy::{Direction, Flow, Refusal, Source, in_words, opens, wanted};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::kinds::{CILIUMCLUSTERPOLICIES, CILIUMPOLICIES, NAMESPACES};
use crate::world::object::{ObjectRef, bool_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use regex::Regex;
use serde_json::{Map, Value};

/// What Cilium's policies say of a flow.
pub enum Ruling {
    /// None isolates the pod.
    Open,
    /// A rule allows it.
    Allowed,
    /// The pod is isolated, and no rule allows it.
    Refused(Refusal),
    /// A deny rule forbids it.
    Denied(Refusal),
}

/// Label with a pod's namespace in Cilium's identities.
const NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// What Cilium's policies say of one end of a flow.
pub fn judge(case: &Case<'_>, flow: &Flow<'_>, direction: Direction) -> Fact<Ruling> {
    let (subject, peer) = match (direction, flow.from) {
        (Direction::Ingress, Source::Pod(from)) => (flow.to, Some(from)),
        (Direction::Ingress, Source::CiliumEnvoy) => (flow.to, None),
        (Direction::Egress, Source::Pod(from)) => (from, Some(flow.to)),
        (Direction::Egress, Source::CiliumEnvoy) => return Ok(Ruling::Open),
    };
    if bool_at(subject, "/spec/hostNetwork") {
        return Ok(Ruling::Open);
    }
    let policies = policies(case, namespace(subject))?;
    if policies.is_empty() {
        return Ok(Ruling::Open);
    }
    let own = identity(case, subject)?;
    let peer = match peer {
        Some(pod) => {
            Peer { labels: identity(case, pod)?, entities: entities(pod, subject), name: name(pod).to_owned() }
        }
        None => Peer {
            labels: Value::Object(Map::from_iter([("reserved:ingress".to_owned(), "".into())])),
            entities: &["ingress", "all", "cluster"],
            name: "Cilium's Envoy (entity ingress)".to_owned(),
        },
    };
    let (mut isolated, mut allowed) = (Refusal::default(), false);
    let (section, deny) = match direction {
        Direction::Ingress => ("ingress", "ingressDeny"),
        Direction::Egress => ("egress", "egressDeny"),
    };
    for (policy, rule) in policies.iter().flat_map(|p| rules_of(p).into_iter().map(move |r| (*p, r))) {
        let home = namespace(policy);
        let mine = rule.get("endpointSelector").is_some_and(|s| matches(s, &own, ""));
        if !mine || (!home.is_empty() && home != namespace(subject)) {
            continue;
        }
        let at = ObjectRef::of(policy);
        for forbidden in list_at(rule, &format!("/{deny}")) {
            if misses(forbidden, direction, flow, &peer, home).is_none() {
                let text = format!("{}: {deny} forbids {} on port {}", at.name, peer.name, flow.port);
                return Ok(Ruling::Denied(Refusal { policies: vec![at], misses: vec![text], ..Refusal::default() }));
            }
        }
        let entries = list_at(rule, &format!("/{section}"));
        let denies = rule.pointer(&format!("/enableDefaultDeny/{section}")) != Some(&Value::Bool(false));
        if entries.is_empty() && list_at(rule, &format!("/{deny}")).is_empty() || !denies {
            continue;
        }
        for entry in entries {
            match misses(entry, direction, flow, &peer, home) {
                None => allowed = true,
                Some(why) => isolated.misses.push(format!("{}: {why}", at.name)),
            }
        }
        isolated.policies.push(at);
    }
    Ok(match () {
        () if allowed => Ruling::Allowed,
        () if isolated.policies.is_empty() => Ruling::Open,
        () => Ruling::Refused(isolated),
    })
}

/// The policies that may select pods of a namespace.
fn policies<'a>(case: &Case<'a>, ns: &str) -> Fact<Vec<&'a Value>> {
    let (own, wide) = (case.list(CILIUMPOLICIES, Some(ns)).known(), case.list(CILIUMCLUSTERPOLICIES, None).known());
    Ok(own?.unwrap_or_default().into_iter().chain(wide?.unwrap_or_default()).collect())
}

/// The rules of a policy: its `spec`, and each of its `specs`.
fn rules_of(policy: &Value) -> Vec<&Value> {
    policy.get("spec").into_iter().chain(list_at(policy, "/specs")).collect()
}

/// The other end of a flow.
struct Peer {
    labels: Value,
    entities: &'static [&'static str],
    name: String,
}

/// The labels that Cilium gives a pod, without their source (`k8s:`).
fn identity(case: &Case<'_>, pod: &Value) -> Fact<Value> {
    let mut labels = pod.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.insert(NAMESPACE.into(), namespace(pod).into());
    labels.insert("io.cilium.k8s.policy.serviceaccount".into(), str_at(pod, "/spec/serviceAccountName").into());
    let home = case.one(NAMESPACES, "", namespace(pod)).known()?.flatten();
    for (key, value) in
        home.and_then(|n| n.pointer("/metadata/labels")).and_then(Value::as_object).into_iter().flatten()
    {
        labels.insert(format!("io.cilium.k8s.namespace.labels.{key}"), value.clone());
    }
    Ok(Value::Object(labels))
}

/// The entities that a pod belongs to, as another pod sees it.
fn entities(pod: &Value, seen_by: &Value) -> &'static [&'static str] {
    let node = str_at(pod, "/spec/nodeName");
    match bool_at(pod, "/spec/hostNetwork") {
        false => &["all", "cluster"],
        true if node == str_at(seen_by, "/spec/nodeName") => &["host", "all", "cluster"],
        true => &["remote-node", "all", "cluster"],
    }
}

/// Whether a selector of Cilium's matches labels; `home` is the namespace that is meant where it names none.
fn matches(selector: &Value, labels: &Value, home: &str) -> bool {
    let bare = |key: &str| ["k8s:", "any:"].iter().find_map(|p| key.strip_prefix(p)).unwrap_or(key).to_owned();
    let mut plain = selector.clone();
    let mut names_namespace = false;
    if let Some(map) = plain.get_mut("matchLabels").and_then(Value::as_object_mut) {
        *map = std::mem::take(map).into_iter().map(|(key, value)| (bare(&key), value)).collect();
        names_namespace = map.keys().any(|k| k.contains("namespace"));
    }
    for expr in plain.get_mut("matchExpressions").and_then(Value::as_array_mut).into_iter().flatten() {
        let key = bare(str_at(expr, "/key"));
        names_namespace |= key.contains("namespace");
        expr["key"] = key.into();
    }
    let at_home = home.is_empty() || names_namespace || str_at(labels, &format!("/{NAMESPACE}")) == home;
    at_home && Selector::from_value(&plain).matches(Some(labels))
}

/// Why a rule does not speak of a flow; `None` when it does.
fn misses(rule: &Value, direction: Direction, flow: &Flow<'_>, peer: &Peer, home: &str) -> Option<String> {
    let word = if direction == Direction::Ingress { "from" } else { "to" };
    let lists = ["Endpoints", "Entities", "CIDR", "CIDRSet", "Nodes", "Groups", "FQDNs", "Services", "Requires"];
    let named = lists.iter().any(|list| rule.get(format!("{word}{list}")).is_some_and(Value::is_array));
    let ports = list_at(rule, "/toPorts");
    if !named && ports.is_empty() {
        return Some("an empty rule allows nothing".to_owned());
    }
    let endpoints = list_at(rule, &format!("/{word}Endpoints"));
    let host = peer.entities.iter().any(|e| matches!(*e, "host" | "remote-node"));
    let by_label = !host && endpoints.iter().any(|s| matches(s, &peer.labels, home));
    let entities: Vec<&str> = list_at(rule, &format!("/{word}Entities")).iter().filter_map(Value::as_str).collect();
    let by_entity = entities.iter().any(|e| peer.entities.contains(e));
    if named && !by_label && !by_entity {
        let selectors: Vec<String> = endpoints.iter().map(wanted).collect();
        let whom = [selectors.join(" or "), entities.join(", ")].into_iter().filter(|t| !t.is_empty());
        return Some(format!("it admits {}, which is not {}", whom.collect::<Vec<_>>().join(", "), peer.name));
    }
    let all: Vec<Value> = ports.iter().flat_map(|p| list_at(p, "/ports")).cloned().collect();
    if !all.is_empty() && !all.iter().any(|p| str_at(p, "/port") == "0" || opens(p, flow)) {
        return Some(format!("it opens port {}, the pod's port is {}", in_words(&all), flow.port));
    }
    None
}

/// The HTTP rules that a request must meet (layer 7), from the policies that select a pod: the policy, and the paths
/// that it lets pass. A request that meets none of them is answered with 403.
pub fn refused_path(case: &Case<'_>, pod: &Value, port: i64, path: &str) -> Fact<Option<(ObjectRef, String)>> {
    let own = identity(case, pod)?;
    let flow = Flow { from: Source::CiliumEnvoy, to: pod, port, protocol: "TCP" };
    let mut found = None;
    for policy in policies(case, namespace(pod))? {
        for rule in
            rules_of(policy).into_iter().filter(|r| r.get("endpointSelector").is_some_and(|s| matches(s, &own, "")))
        {
            for part in list_at(rule, "/ingress").iter().flat_map(|i| list_at(i, "/toPorts")) {
                let http = list_at(part, "/rules/http");
                let here = list_at(part, "/ports").iter().any(|p| opens(p, &flow));
                if !here {
                    continue;
                }
                let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|r| r.is_match(path));
                let passes = |rule: &Value| rule.get("path").and_then(Value::as_str).is_none_or(whole);
                if http.is_empty() || http.iter().any(passes) {
                    return Ok(None);
                }
                let paths: Vec<&str> = http.iter().map(|rule| str_at(rule, "/path")).collect();
                found = Some((ObjectRef::of(policy), paths.join(", ")));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_stay_in_their_namespace_unless_they_name_one() {
        let pod = json!({"app": "nginx", NAMESPACE: "edge"});
        assert!(matches(&json!({"matchLabels": {"k8s:app": "nginx"}}), &pod, ""));
        assert!(!matches(&json!({"matchLabels": {"app": "nginx"}}), &pod, "shop"));
        assert!(matches(
            &json!({"matchLabels": {"any:app": "nginx", "k8s:io.kubernetes.pod.namespace": "edge"}}),
            &pod,
            "shop"
        ));
        assert!(matches(&json!({}), &pod, "edge") && !matches(&json!({}), &pod, "shop"));
    }

    #[test]
    fn empty_rules_allow_nothing_and_ports_alone_allow_everybody() {
        let pod = json!({"spec": {"containers": []}});
        let flow = Flow { from: Source::CiliumEnvoy, to: &pod, port: 8080, protocol: "TCP" };
        let peer = Peer { labels: json!({}), entities: &["ingress", "all"], name: "x".into() };
        let told = |rule: Value| misses(&rule, Direction::Ingress, &flow, &peer, "shop").is_none();
        assert!(!told(json!({})));
        assert!(told(json!({"toPorts": [{"ports": [{"port": "8080", "protocol": "TCP"}]}]})));
        assert!(told(json!({"fromEntities": ["ingress"]})) && !told(json!({"fromEntities": ["world"]})));
        assert!(!told(json!({"fromCIDR": ["0.0.0.0/0"]})), "blocks never meet pods");
    }
}
