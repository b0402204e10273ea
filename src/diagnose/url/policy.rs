//! NetworkPolicy: may these pods reach that one? (networking.k8s.io/v1; causes C.3)
//!
//! A pod is isolated when a policy of its namespace selects it and speaks of ingress; what then is allowed is the
//! union over those policies. Ports are the *pod's* ports. Traffic from the pod's own node is always allowed, so a
//! policy never explains a pod that is not ready.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::kinds::{NAMESPACES, NETWORKPOLICIES};
use crate::world::object::{int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::Value;

/// Why traffic is refused.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// The policies that select the pod: the one that comes nearest to allowing it first.
    pub policies: Vec<String>,
    /// Why each of their rules misses.
    pub misses: Vec<String>,
    /// Label of the source's namespace that a rule could select.
    pub namespace_label: String,
}

/// Whether ingress from a pod to a pod's port is refused; `None` when it is allowed.
pub fn refuses(case: &Case<'_>, from: &Value, to: &Value, port: i64) -> Fact<Option<Refusal>> {
    let policies = case.list(NETWORKPOLICIES, Some(namespace(to)))?;
    let mine: Vec<&Value> = policies.into_iter().filter(|p| affects_ingress(p) && selects(p, to)).collect();
    if mine.is_empty() {
        return Ok(None);
    }
    let home = case.one(NAMESPACES, "", namespace(from))?;
    let labels = home.and_then(|n| n.pointer("/metadata/labels"));
    let mut refusal =
        Refusal { namespace_label: format!("kubernetes.io/metadata.name={}", namespace(from)), ..Refusal::default() };
    let mut with_rules = Vec::new();
    let mut without = Vec::new();
    for policy in mine {
        let rules = list_at(policy, "/spec/ingress");
        for rule in rules {
            let (peer, open) = (peer_misses(rule, policy, from, labels), port_misses(rule, to, port));
            if peer.is_none() && open.is_none() {
                return Ok(None);
            }
            let both = peer.is_some() && open.is_some();
            let why: Vec<String> = peer.into_iter().chain(open).collect();
            let tail = if both { " (both faults: label and port)" } else { "" };
            refusal.misses.push(format!("{}: {}{tail}", name(policy), why.join("; ")));
        }
        if rules.is_empty() { &mut without } else { &mut with_rules }.push(name(policy).to_owned());
    }
    refusal.misses.extend(without.iter().map(|p| format!("{p}: allows nothing (default deny)")));
    refusal.policies = with_rules.into_iter().chain(without).collect();
    Ok(Some(refusal))
}

fn affects_ingress(policy: &Value) -> bool {
    match list_at(policy, "/spec/policyTypes") {
        [] => true,
        types => types.iter().any(|t| t == "Ingress"),
    }
}

/// An empty podSelector selects every pod of the namespace.
fn selects(policy: &Value, pod: &Value) -> bool {
    policy.pointer("/spec/podSelector").is_none_or(|s| Selector::from_value(s).matches(pod.pointer("/metadata/labels")))
}

/// Why no peer of a rule is the source; `None` when one is. Both selectors in one element are an AND, two elements an OR.
fn peer_misses(rule: &Value, policy: &Value, from: &Value, home: Option<&Value>) -> Option<String> {
    let peers = list_at(rule, "/from");
    if peers.is_empty() {
        return None;
    }
    let mut why = Vec::new();
    for peer in peers {
        let (pods, namespaces) = (peer.get("podSelector"), peer.get("namespaceSelector"));
        if pods.is_none() && namespaces.is_none() {
            why.push(format!("ipBlock {} speaks of addresses outside the cluster", str_at(peer, "/ipBlock/cidr")));
            continue;
        }
        // A pod on the host network comes with its node's address: selectors never meet it.
        let host = crate::world::object::bool_at(from, "/spec/hostNetwork");
        let ns_ok = match namespaces {
            Some(selector) => Selector::from_value(selector).matches(home),
            None => namespace(policy) == namespace(from),
        };
        let pod_ok = pods.is_none_or(|s| Selector::from_value(s).matches(from.pointer("/metadata/labels")));
        match (host, ns_ok, pod_ok) {
            (false, true, true) => return None,
            (true, ..) => why.push("the source runs on the host network, which selectors do not meet".to_owned()),
            (_, false, _) => why.push(match namespaces {
                Some(s) => format!(
                    "namespaceSelector {} does not match namespace {} ({})",
                    wanted(s),
                    namespace(from),
                    super::backend::labels(home)
                ),
                None => format!("it admits pods of namespace {} only", namespace(policy)),
            }),
            _ => {
                why.push(format!("podSelector {} does not match {}", pods.map(wanted).unwrap_or_default(), name(from)))
            }
        }
    }
    Some(why.join(", "))
}

/// A selector in words.
fn wanted(selector: &Value) -> String {
    let labels = super::backend::labels(selector.get("matchLabels"));
    let exprs = list_at(selector, "/matchExpressions");
    let exprs: Vec<String> =
        exprs.iter().map(|e| format!("{} {}", str_at(e, "/key"), str_at(e, "/operator"))).collect();
    [labels, exprs.join(",")].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(",")
}

/// Why no port of a rule is the pod's port; `None` when one is.
fn port_misses(rule: &Value, to: &Value, wanted: i64) -> Option<String> {
    let ports = list_at(rule, "/ports");
    if ports.is_empty() {
        return None;
    }
    let opens = |p: &Value| {
        let tcp = matches!(str_at(p, "/protocol"), "" | "TCP");
        let end = int_at(p, "/endPort");
        tcp && match p.get("port") {
            None => true,
            Some(Value::String(named)) => super::backend::named_port(to, named) == Some(wanted),
            Some(number) => {
                number.as_i64().is_some_and(|n| n == wanted || end.is_some_and(|end| (n..=end).contains(&wanted)))
            }
        }
    };
    if ports.iter().any(opens) {
        return None;
    }
    let open: Vec<String> =
        ports.iter().filter_map(|p| p.get("port")).map(|p| p.to_string().replace('"', "")).collect();
    Some(format!(
        "it opens port {}, the pod's port is {wanted} (policies speak of pod ports, not Service ports)",
        open.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn peer(rule: Value, home: Value) -> bool {
        let policy = json!({"metadata": {"namespace": "shop"}});
        let from = json!({"metadata": {"namespace": "edge", "name": "c", "labels": {"app": "nginx"}}});
        peer_misses(&rule, &policy, &from, Some(&home)).is_none()
    }

    #[test]
    fn one_element_is_an_and_two_are_an_or() {
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
    fn ports_are_the_pods() {
        let pod = json!({"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}});
        assert!(port_misses(&json!({"ports": [{"port": 80}]}), &pod, 8080).is_some());
        assert!(port_misses(&json!({"ports": [{"port": "http"}]}), &pod, 8080).is_none());
        assert!(port_misses(&json!({"ports": [{"port": 8000, "endPort": 9000}]}), &pod, 8080).is_none());
        assert!(port_misses(&json!({"ports": [{"port": 8080, "protocol": "UDP"}]}), &pod, 8080).is_some());
    }
}
