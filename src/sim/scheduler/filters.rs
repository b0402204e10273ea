//! The filters, in the order of the real scheduler; the first that refuses a node ends its round.

use super::resources::Room;
use super::volumes::Claims;
use crate::sim::controllers::plan::Snapshot;
use crate::world::object::{bool_at, list_at, name, str_at};
use crate::world::selector::{Op, Requirement, Selector};
use serde_json::Value;

/// Why a node is not for a pod.
#[derive(Debug)]
pub struct Refusal {
    /// In the scheduler's words; several only for resources.
    pub reasons: Vec<String>,
    /// Whether evicting other pods could help (`Unschedulable`, not `UnschedulableAndUnresolvable`).
    pub resolvable: bool,
}

impl Refusal {
    /// One reason that no eviction cures.
    pub fn hard(reason: &str) -> Self {
        Self { reasons: vec![reason.into()], resolvable: false }
    }

    /// One reason that an eviction may cure.
    pub fn soft(reason: &str) -> Self {
        Self { reasons: vec![reason.into()], resolvable: true }
    }
}

/// Whether a node takes a pod.
pub fn run(s: &Snapshot, pod: &Value, node: &Value, room: &Room, claims: &Claims<'_>) -> Result<(), Refusal> {
    unschedulable(pod, node)?;
    if untolerated(pod, node).is_some() {
        return Err(Refusal::hard("node(s) had untolerated taint(s)"));
    }
    if !matches_affinity(pod, node) {
        return Err(Refusal::hard("node(s) didn't match Pod's node affinity/selector"));
    }
    room.ports_free(pod)?;
    room.fits(pod)?;
    claims.on(node)?;
    anti_affinity(s, pod, node)
}

fn unschedulable(pod: &Value, node: &Value) -> Result<(), Refusal> {
    let taint = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    match bool_at(node, "/spec/unschedulable") && !tolerated(pod, &taint) {
        true => Err(Refusal::hard("node(s) were unschedulable")),
        false => Ok(()),
    }
}

/// The first taint with effect `NoSchedule` or `NoExecute` that the pod does not tolerate.
pub fn untolerated<'a>(pod: &Value, node: &'a Value) -> Option<&'a Value> {
    list_at(node, "/spec/taints")
        .iter()
        .filter(|t| matches!(str_at(t, "/effect"), "NoSchedule" | "NoExecute"))
        .find(|t| !tolerated(pod, t))
}

/// `api/core/v1/toleration.go`, ToleratesTaint.
fn tolerated(pod: &Value, taint: &Value) -> bool {
    list_at(pod, "/spec/tolerations").iter().any(|t| {
        let (key, effect) = (str_at(t, "/key"), str_at(t, "/effect"));
        let value = match str_at(t, "/operator") {
            "Exists" => true,
            "" | "Equal" => !key.is_empty() && str_at(t, "/value") == str_at(taint, "/value"),
            _ => false,
        };
        value
            && (effect.is_empty() || effect == str_at(taint, "/effect"))
            && (key.is_empty() || key == str_at(taint, "/key"))
    })
}

/// `spec.nodeSelector` and the required node affinity (`component-helpers/scheduling/corev1/nodeaffinity`).
pub fn matches_affinity(pod: &Value, node: &Value) -> bool {
    let labels = node.pointer("/metadata/labels");
    let selector = pod.pointer("/spec/nodeSelector").map(Selector::from_map).unwrap_or_default();
    let required = pod.pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    let terms = required.map(|r| list_at(r, "/nodeSelectorTerms"));
    selector.matches(labels) && terms.is_none_or(|terms| terms.iter().any(|t| matches_term(t, node)))
}

/// Whether a node satisfies one `nodeSelectorTerm`; an empty term matches nothing.
pub fn matches_term(term: &Value, node: &Value) -> bool {
    let (labels, fields) = (list_at(term, "/matchExpressions"), list_at(term, "/matchFields"));
    let label = |key: &str| node.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
    let by_label = |e: &Value| {
        let requirement = Requirement::from_value(e);
        requirement.matches(label(&requirement.key))
    };
    let by_field = |e: &Value| {
        let requirement = Requirement::from_value(e);
        requirement.key == "metadata.name"
            && matches!(requirement.op, Op::In(_) | Op::NotIn(_))
            && requirement.matches(Some(name(node)))
    };
    !(labels.is_empty() && fields.is_empty()) && labels.iter().all(by_label) && fields.iter().all(by_field)
}

/// Required pod anti-affinity of the pod itself, within its own namespace.
fn anti_affinity(s: &Snapshot, pod: &Value, node: &Value) -> Result<(), Refusal> {
    let terms = list_at(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    for term in terms {
        let key = str_at(term, "/topologyKey");
        let Some(domain) = topology(node, key) else { continue };
        let selector = term.pointer("/labelSelector").map(Selector::from_value);
        let blocked = s.within("pods", str_at(pod, "/metadata/namespace")).any(|other| {
            let there = s.get("nodes", "", str_at(other, "/spec/nodeName"));
            selector.as_ref().is_some_and(|sel| sel.matches(other.pointer("/metadata/labels")))
                && there.and_then(|n| topology(n, key)) == Some(domain)
        });
        if blocked {
            return Err(Refusal::soft("node(s) didn't match pod anti-affinity rules"));
        }
    }
    Ok(())
}

fn topology<'a>(node: &'a Value, key: &str) -> Option<&'a str> {
    node.pointer("/metadata/labels")?.get(key)?.as_str()
}
