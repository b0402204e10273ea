//! Changes of the pod's template.

use super::super::matrix::other_taint;
use super::super::node::Node;
use super::super::node_selector::describe;
use super::super::pod::{Pod, Taint};
use super::super::requests::human;
use super::super::snapshot::Snapshot;
use super::super::{Failing, Judgement, filter::PLUGINS};
use super::{Candidate, Template};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::quantity::Quantity;
use crate::world::selector::Requirement;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Candidates are made for at most this many of the nearest nodes.
const NEAREST: usize = 40;

/// At most this many requests are lowered.
const MOST_REQUESTS: usize = 40;

/// Every candidate of a pod that fits nowhere.
pub fn candidates(world: &Snapshot, pod: &Pod, judgement: &Judgement) -> Vec<Candidate> {
    let template = Template::of(pod.raw);
    let mut near: Vec<(&Node, &Failing)> = world.nodes.iter().map(AsRef::as_ref).zip(judgement.nodes()).collect();
    near.sort_by_key(|(_, failing)| failing.len());
    near.truncate(NEAREST);
    let fails = |plugin: &str| near.iter().any(|(_, f)| f.iter().any(|(at, _)| PLUGINS[*at].name == plugin));
    let mut all = tolerations(&near, pod, &template);
    all.extend(requests(&near, pod, &template));
    if fails("NodeAffinity") {
        all.extend(node_selector(&near, pod, &template));
        all.extend(node_affinity(pod, &template));
    }
    if fails("PodTopologySpread") {
        all.extend(spread(pod, &template));
    }
    if fails("InterPodAffinity") {
        all.extend(pod_affinity(pod, &template));
    }
    if fails("NodePorts") {
        all.extend(host_ports(pod, &template));
    }
    all
}

/// Taints that say the node is not well; tolerating them would hide that.
fn speaks_of_health(taint: &Taint) -> bool {
    let key = taint.key.as_str();
    key.starts_with("node.kubernetes.io/")
        || key.starts_with("node.cloudprovider.kubernetes.io/")
        || key.starts_with("ToBeDeleted")
        || key.starts_with("DeletionCandidate")
        || key == "karpenter.sh/disrupted"
        || key.ends_with("/agent-not-ready")
}

/// Whether a taint was set by people, to keep a node for something.
pub fn is_reserved(taint: &Taint) -> bool {
    !speaks_of_health(taint)
}

fn tolerations(near: &[(&Node, &Failing)], pod: &Pod, template: &Template) -> Vec<Candidate> {
    let mut seen = BTreeSet::new();
    let taints = near.iter().filter_map(|(node, _)| other_taint(node, pod)).filter(|t| is_reserved(t));
    let fresh = taints.filter(|t| seen.insert(t.to_string()));
    fresh.map(|taint| toleration(taint, pod, template)).collect()
}

fn toleration(taint: &Taint, pod: &Pod, template: &Template) -> Candidate {
    let control_plane = taint.key.starts_with("node-role.kubernetes.io/");
    let mut entry = json!({"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect});
    if taint.value.is_empty() {
        entry = json!({"key": taint.key, "operator": "Exists", "effect": taint.effect});
    }
    // A patch replaces the whole list; what admission added by itself is not repeated.
    let by_admission = |t: &&Value| {
        int_at(t, "/tolerationSeconds") == Some(300) && str_at(t, "/key").starts_with("node.kubernetes.io/")
    };
    let kept = list_at(pod.raw, "/spec/tolerations").iter().filter(|t| !by_admission(t)).cloned();
    let list: Vec<Value> = kept.chain([entry.clone()]).collect();
    Candidate::pod(
        "TaintToleration",
        if control_plane { 50 } else { 10 },
        format!("toleration for {taint}"),
        move |pod| {
            push(pod, "/spec", "tolerations", entry.clone());
        },
    )
    .live(template.patch(json!({"tolerations": list})))
    .field(template.field("spec.tolerations"))
}

/// A request lowered to what the nearest nodes have left.
fn requests(near: &[(&Node, &Failing)], pod: &Pod, template: &Template) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = vec![];
    let mut seen = BTreeSet::new();
    for (node, _) in near {
        let short: Vec<&str> = pod.requests.names().filter(|r| pod.requests.get(r) > node.free(r)).collect();
        for resource in short {
            let over = pod.requests.get(resource) - node.free(resource);
            for (list, index, container) in containers(pod.raw) {
                let Some(now) = requested(container, resource) else { continue };
                let then = round_down(resource, now - over);
                let wanted = then > 0 && seen.len() < MOST_REQUESTS;
                if wanted && seen.insert((list, index, resource.to_owned(), then)) {
                    all.push(lower(pod, template, (list, index, container), resource, (now, then)));
                }
            }
            let now = pod.raw.get("spec").and_then(|spec| requested(spec, resource)).unwrap_or_default();
            let then = round_down(resource, now - over);
            if then > 0 && seen.insert(("pod", 0, resource.to_owned(), then)) {
                all.push(lower_whole(template, resource, (now, then)));
            }
        }
    }
    all
}

/// The request of the pod as a whole (`spec.resources`), which replaces the sum of its containers.
fn lower_whole(template: &Template, resource: &str, (now, then): (i64, i64)) -> Candidate {
    let amount = human_exact(resource, then);
    let share = u32::try_from((now - then).saturating_mul(40) / now.max(1)).unwrap_or(40);
    let text = format!("{resource} request of the pod {} → {amount}", human(resource, now));
    let (key, value) = (resource.to_owned(), json!(amount));
    let live = template.patch(json!({"resources": {"requests": {resource: amount}}}));
    Candidate::pod("NodeResourcesFit", 18 + share, text, move |pod| {
        if let Some(requests) = pod.pointer_mut("/spec/resources/requests").and_then(Value::as_object_mut) {
            requests.insert(key.clone(), value.clone());
        }
    })
    .live(live)
    .field(template.field(&format!("spec.resources.requests.{resource}")))
}

fn lower(
    pod: &Pod,
    template: &Template,
    (list, index, container): (&'static str, usize, &Value),
    resource: &str,
    (now, then): (i64, i64),
) -> Candidate {
    let name = str_at(container, "/name");
    let amount = human_exact(resource, then);
    let share = u32::try_from((now - then).saturating_mul(40) / now.max(1)).unwrap_or(40);
    let cost = 18 + share + if pod_limits(pod.raw, resource) { 10 } else { 0 };
    let pointer = format!("/spec/{list}/{index}/resources/requests");
    let (key, value) = (resource.to_owned(), json!(amount));
    Candidate::pod(
        "NodeResourcesFit",
        cost,
        format!("{resource} request of {name} {} → {amount}", human(resource, now)),
        move |pod| {
            if let Some(requests) = pod.pointer_mut(&pointer).and_then(Value::as_object_mut) {
                requests.insert(key.clone(), value.clone());
            }
        },
    )
    .live(template.set_request(name, resource, &amount))
    .field(template.field(&format!("spec.{list}[{index}].resources.requests.{resource}")))
}

/// Whether the pod as a whole sets this request; lowering a container's then changes nothing.
fn pod_limits(pod: &Value, resource: &str) -> bool {
    pod.pointer("/spec/resources/requests").is_some_and(|r| r.get(resource).is_some())
}

fn containers(pod: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    ["containers", "initContainers"].into_iter().flat_map(move |list| {
        let all = list_at(pod, &format!("/spec/{list}"));
        all.iter().enumerate().map(move |(index, container)| (list, index, container))
    })
}

fn requested(container: &Value, resource: &str) -> Option<i64> {
    let text = container.pointer("/resources/requests")?.get(resource)?.as_str()?;
    let quantity = Quantity::parse(text)?;
    Some(if resource == "cpu" { quantity.milli() } else { quantity.units() })
}

/// Down to something that people would write: 10m, 1Mi.
fn round_down(resource: &str, amount: i64) -> i64 {
    let step = match resource {
        "cpu" if amount >= 100 => 10,
        "memory" | "ephemeral-storage" if amount >= 1 << 20 => 1 << 20,
        _ => 1,
    };
    amount - amount.rem_euclid(step)
}

/// An amount that reads back as exactly itself.
fn human_exact(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" if amount % 1_000 != 0 => format!("{amount}m"),
        "cpu" => (amount / 1_000).to_string(),
        "memory" | "ephemeral-storage" if amount % (1 << 30) == 0 => format!("{}Gi", amount >> 30),
        "memory" | "ephemeral-storage" if amount % (1 << 20) == 0 => format!("{}Mi", amount >> 20),
        _ => amount.to_string(),
    }
}

/// Each entry of `nodeSelector`: another value that nodes have, or none at all.
fn node_selector(near: &[(&Node, &Failing)], pod: &Pod, template: &Template) -> Vec<Candidate> {
    let Some(selector) = pod.raw.pointer("/spec/nodeSelector").and_then(Value::as_object) else { return vec![] };
    let mut all = vec![];
    for (key, value) in selector {
        let wanted = value.as_str().unwrap_or_default();
        let values: BTreeSet<&str> =
            near.iter().filter_map(|(n, _)| n.labels.get(key)).filter(|v| *v != wanted).collect();
        all.extend(values.iter().take(4).map(|v| select(template, key, wanted, Some(v))));
        all.push(select(template, key, wanted, None));
    }
    all
}

fn select(template: &Template, key: &str, wanted: &str, value: Option<&str>) -> Candidate {
    let (cost, summary) = match value {
        Some(value) => (14, format!("nodeSelector {key}={wanted} → {value}")),
        None => (22, format!("nodeSelector without {key}={wanted}")),
    };
    let (label, new) = (key.to_owned(), value.map(|v| json!(v)));
    let patch = json!({"nodeSelector": {key: new.clone().unwrap_or(Value::Null)}});
    Candidate::pod("NodeAffinity", cost, summary, move |pod| {
        if let Some(map) = pod.pointer_mut("/spec/nodeSelector").and_then(Value::as_object_mut) {
            map.shift_remove(&label);
            map.extend(new.clone().map(|v| (label.clone(), v)));
        }
    })
    .live(template.patch(patch))
    .field(template.field(&format!("spec.nodeSelector[{key}]")))
}

const NODE_TERMS: &str = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

/// Each condition of required node affinity, dropped.
fn node_affinity(pod: &Pod, template: &Template) -> Vec<Candidate> {
    let mut all = vec![];
    for (t, term) in list_at(pod.raw, &format!("/spec{NODE_TERMS}")).iter().enumerate() {
        let several = list_at(term, "/matchExpressions").len() + list_at(term, "/matchFields").len() > 1;
        for list in ["matchExpressions", "matchFields"] {
            for (e, condition) in list_at(term, &format!("/{list}")).iter().enumerate() {
                let text = describe(&Requirement::from_value(condition));
                all.push(if several {
                    let path = format!("{NODE_TERMS}/{t}/{list}/{e}");
                    without("NodeAffinity", 24, template, format!("node affinity without {text}"), path)
                } else {
                    let path = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution".to_owned();
                    without("NodeAffinity", 26, template, format!("no required node affinity ({text})"), path)
                });
            }
        }
    }
    all
}

/// The pod without a list item or field of its spec.
fn without(plugin: &'static str, cost: u32, template: &Template, summary: String, path: String) -> Candidate {
    let live = template.json_patch("remove", &path, None);
    let field = template.field(&dotted(&format!("/spec{path}")));
    Candidate::pod(plugin, cost, summary, move |pod| remove(pod, &format!("/spec{path}"))).live(live).field(field)
}

/// Spread constraints: leave tainted nodes out of the count, allow more skew, or only prefer.
fn spread(pod: &Pod, template: &Template) -> Vec<Candidate> {
    let mut all = vec![];
    for (i, c) in list_at(pod.raw, "/spec/topologySpreadConstraints").iter().enumerate() {
        if str_at(c, "/whenUnsatisfiable") == "ScheduleAnyway" {
            continue;
        }
        let key = str_at(c, "/topologyKey");
        let skew = int_at(c, "/maxSkew").unwrap_or(1);
        let mut set = |cost, summary: String, name: &'static str, value: Value| {
            let path = format!("/topologySpreadConstraints/{i}/{name}");
            let live = template.json_patch("add", &path, Some(value.clone()));
            let edit = move |pod: &mut Value| {
                if let Some(c) = pod.pointer_mut(&format!("/spec/topologySpreadConstraints/{i}")) {
                    c[name] = value.clone();
                }
            };
            let field = template.field(&format!("spec.topologySpreadConstraints[{i}].{name}"));
            all.push(Candidate::pod("PodTopologySpread", cost, summary, edit).live(live).field(field));
        };
        if str_at(c, "/nodeTaintsPolicy") != "Honor" {
            let text = format!("nodeTaintsPolicy: Honor for the spread over {key}");
            set(8, text, "nodeTaintsPolicy", json!("Honor"));
        }
        let hash = "pod-template-hash";
        let keys = list_at(c, "/matchLabelKeys");
        if pod.labels.get(hash).is_some() && !keys.iter().any(|k| k == hash) {
            let text = format!("matchLabelKeys: [{hash}] for the spread over {key}, so that old pods do not count");
            let more: Vec<Value> = keys.iter().cloned().chain([json!(hash)]).collect();
            set(16, text, "matchLabelKeys", json!(more));
        }
        set(17, format!("maxSkew {skew} → {} for the spread over {key}", skew + 1), "maxSkew", json!(skew + 1));
        let text = format!("whenUnsatisfiable: ScheduleAnyway for the spread over {key}");
        set(20, text, "whenUnsatisfiable", json!("ScheduleAnyway"));
    }
    all
}

/// Each required term between pods, dropped (or made preferred).
fn pod_affinity(pod: &Pod, template: &Template) -> Vec<Candidate> {
    let mut all = vec![];
    for (kind, word) in [("podAntiAffinity", "anti-affinity"), ("podAffinity", "affinity")] {
        let path = format!("/affinity/{kind}/requiredDuringSchedulingIgnoredDuringExecution");
        for (i, term) in list_at(pod.raw, &format!("/spec{path}")).iter().enumerate() {
            let key = str_at(term, "/topologyKey");
            let text = format!("{word} per {key} preferred instead of required");
            all.push(without("InterPodAffinity", 26, template, text, format!("{path}/{i}")));
        }
    }
    all
}

/// The pod without its host ports.
fn host_ports(pod: &Pod, template: &Template) -> Vec<Candidate> {
    let mut all = vec![];
    for (list, index, container) in containers(pod.raw) {
        for (p, port) in list_at(container, "/ports").iter().enumerate() {
            if let Some(number) = int_at(port, "/hostPort").filter(|n| *n > 0) {
                all.push(without(
                    "NodePorts",
                    30,
                    template,
                    format!("no hostPort {number}"),
                    format!("/{list}/{index}/ports/{p}/hostPort"),
                ));
            }
        }
    }
    all
}

fn push(object: &mut Value, parent: &str, key: &str, item: Value) {
    let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    let list = parent.entry(key).or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    list.as_array_mut().into_iter().for_each(|l| l.push(item.clone()));
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(Map::shift_remove(map, last)),
        Some(Value::Array(list)) => {
            if let Ok(at) = last.parse::<usize>()
                && at < list.len()
            {
                list.remove(at);
            }
        }
        _ => {}
    }
}

/// `/spec/affinity/x/0` as `spec.affinity.x[0]`.
fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        match part.parse::<usize>() {
            Ok(index) => out.push_str(&format!("[{index}]")),
            Err(_) if out.is_empty() => out.push_str(part),
            Err(_) => out.push_str(&format!(".{part}")),
        }
    }
    out
}
