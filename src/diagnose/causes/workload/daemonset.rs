//! The nodes that a DaemonSet targets.
//!
//! ## daemonset-not-targeting
//! **You see.** A node has no pod of a DaemonSet; what that pod should bring (a device, a volume driver) is missing there.
//! **Why.** The DaemonSet's nodeSelector or node affinity does not match the node, or it does not tolerate a taint. The
//! controller then makes no pod at all, so nothing fails.
//! **How kokpit knows.** The controller's rule is evaluated for every node. A DaemonSet that leaves out some nodes is
//! merely true; one that targets no node is a finding.
//! **Looks alike.** Its pods exist and crash, or are Pending.
//! **Mend it.** Live: label the nodes. Git: `spec.template.spec.nodeSelector` or `tolerations` of the DaemonSet.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::kinds::{DAEMONSETS, NODES};
use crate::diagnose::scheduling::labels::Labels;
use crate::diagnose::scheduling::node_selector::{RequiredNode, describe};
use crate::diagnose::scheduling::pod::{Taint, Toleration, untolerated};
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, name, str_at};
use serde_json::{Value, json};
use std::collections::BTreeMap;

causes! { "daemonset.rs";
    "daemonset-not-targeting" "the DaemonSet makes no pods for nodes that would need one" Nuisance ["DaemonSet"] not_targeting;
}

/// Names of nodes that a line of evidence shows.
const NAMED: usize = 8;

fn not_targeting(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (set, at) = (suspect.object, &suspect.at);
    // Whoever looks for what the pods bring says so by the focus; nobody else minds a node without a pod.
    let wanted = suspect.asked || !suspect.focus.is_empty();
    if !suspect.exists() || !wanted {
        return Ok(Vec::new());
    }
    let rule = Rule::of(set);
    let nodes = case.list(NODES, None)?;
    let left_out: Vec<(&Value, String)> = nodes.iter().filter_map(|n| Some((*n, rule.against(n)?))).collect();
    if left_out.is_empty() {
        return Ok(Vec::new());
    }
    let desired = int_at(set, "/status/desiredNumberScheduled").unwrap_or_default();
    let none = left_out.len() == nodes.len();
    let text = match none {
        true => format!("{at} targets none of the {} nodes, so it has no pods.", nodes.len()),
        false => format!("{at} leaves out {} of {} nodes.", left_out.len(), nodes.len()),
    };
    let mut m = Match::on(at, text).evidence(
        at,
        "status.desiredNumberScheduled",
        &desired.to_string(),
        format!("desired {desired}, nodes {}", nodes.len()),
    );
    for (why, names) in grouped(&rule, &left_out) {
        m = m.evidence(&NODES.at("", names.first().map_or("", |n| *n)), "", &why, format!("{}: {why}", listed(&names)));
    }
    let selector: Vec<String> = rule.required.selector.0.iter().map(describe).collect();
    let meant: Vec<&str> = left_out.iter().filter(|(n, _)| rule.is_meant_for(n)).map(|(n, _)| name(n)).collect();
    let (live, what) = match (selector.is_empty(), meant.is_empty()) {
        (true, _) => (String::new(), "let its nodeSelector, affinity and tolerations match the nodes that need it"),
        (false, true) => (format!("kubectl label node NODE {}", selector.join(" ")), "label the nodes that need it"),
        (false, false) => {
            (format!("kubectl label node {} {}", meant.join(" "), selector.join(" ")), "label the nodes that need it")
        }
    };
    let m = m.fix(case.fix(set, "spec.template.spec.nodeSelector", what, live)?);
    Ok(vec![if none { m } else { m.aside() }])
}

/// Nodes by what keeps the DaemonSet off them; those that it seems to be meant for come first.
fn grouped<'a>(rule: &Rule, left_out: &[(&'a Value, String)]) -> Vec<(String, Vec<&'a str>)> {
    let mut groups: BTreeMap<(bool, String), Vec<&str>> = BTreeMap::new();
    for (node, why) in left_out {
        let meant = rule.is_meant_for(node);
        let why =
            if meant { format!("{why} (it tolerates their taint, so it is meant for them)") } else { why.clone() };
        groups.entry((!meant, why)).or_default().push(name(node));
    }
    groups.into_iter().map(|((_, why), names)| (why, names)).collect()
}

fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", "))
}

/// What a DaemonSet demands of a node (kubernetes `pkg/controller/daemon`, NodeShouldRunDaemonPod): its name, its
/// labels, and that its taints are tolerated.
struct Rule {
    node_name: String,
    required: RequiredNode,
    tolerations: Vec<Toleration>,
    /// Keys of the taints that the template names.
    tolerated: Vec<String>,
}

impl Rule {
    fn of(set: &Value) -> Self {
        let template = set.pointer("/spec/template").unwrap_or(&Value::Null);
        let own = list_at(template, "/spec/tolerations");
        Self {
            node_name: str_at(template, "/spec/nodeName").to_owned(),
            required: RequiredNode::from_pod(template),
            tolerations: own.iter().chain(&added(template)).map(Toleration::from_value).collect(),
            tolerated: own.iter().map(|t| str_at(t, "/key").to_owned()).filter(|key| !key.is_empty()).collect(),
        }
    }

    /// Why a node gets no pod; `None` for nodes that get one.
    fn against(&self, node: &Value) -> Option<String> {
        let labels = Labels::from_value(node.pointer("/metadata/labels"));
        if !self.node_name.is_empty() && self.node_name != name(node) {
            return Some(format!("the template names node {}", self.node_name));
        }
        if !self.required.matches(name(node), &labels) {
            let missing: Vec<String> =
                self.required.selector.0.iter().filter(|r| !r.matches(labels.get(&r.key))).map(describe).collect();
            return Some(match missing.is_empty() {
                true => "its node affinity does not match".to_owned(),
                false => format!("no label {}, as its nodeSelector demands", missing.join(", ")),
            });
        }
        let taints: Vec<Taint> = list_at(node, "/spec/taints").iter().map(Taint::from_value).collect();
        untolerated(&taints, &self.tolerations).map(|taint| format!("it does not tolerate taint {taint}"))
    }

    /// Whether the template names a taint of the node.
    fn is_meant_for(&self, node: &Value) -> bool {
        list_at(node, "/spec/taints").iter().any(|taint| self.tolerated.iter().any(|key| key == str_at(taint, "/key")))
    }
}

/// Tolerations that the controller adds (`pkg/controller/daemon/util`, AddOrUpdateDaemonPodTolerations).
fn added(template: &Value) -> Vec<Value> {
    let exists = |key: &str, effect: &str| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
    let mut all = vec![exists("not-ready", "NoExecute"), exists("unreachable", "NoExecute")];
    all.extend(
        ["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"].map(|key| exists(key, "NoSchedule")),
    );
    if bool_at(template, "/spec/hostNetwork") {
        all.push(exists("network-unavailable", "NoSchedule"));
    }
    all
}

/// DaemonSets that should bring an extended resource to the nodes: device plugins of its vendor. A device plugin is
/// told by its name, its image or the kubelet's socket directory that it mounts; whose devices it serves, by the
/// resource's domain (`nvidia.com/gpu` is nvidia's) in its name, image or arguments.
pub(crate) fn advertisers(case: &Case<'_>, resource: &str) -> Fact<Vec<Lead>> {
    let Some((domain, _)) = resource.split_once('/') else { return Ok(Vec::new()) };
    let mut labels = domain.rsplit('.');
    let vendor = labels.nth(1).unwrap_or(domain).to_lowercase();
    let all = case.list(DAEMONSETS, None).known()?.unwrap_or_default();
    let serves = |set: &&Value| {
        let words = words_of(set);
        is_device_plugin(set, &words) && (words.contains(&vendor) || words.contains(resource))
    };
    let lead = |set: &Value| Lead { at: ObjectRef::of(set), focus: resource.to_owned(), alike: (1, 1) };
    Ok(all.into_iter().filter(serves).map(lead).collect())
}

/// Where the kubelet listens for device plugins (kubernetes `pkg/kubelet/apis/deviceplugin`).
const SOCKETS: &str = "/var/lib/kubelet/device-plugins";

fn is_device_plugin(set: &Value, words: &str) -> bool {
    let mounts = list_at(set, "/spec/template/spec/volumes");
    words.contains("device-plugin")
        || words.contains("deviceplugin")
        || mounts.iter().any(|v| str_at(v, "/hostPath/path").starts_with(SOCKETS))
}

/// Name, images, commands and arguments of a DaemonSet, in lower case.
fn words_of(set: &Value) -> String {
    let mut words = vec![name(set)];
    for container in list_at(set, "/spec/template/spec/containers") {
        words.push(str_at(container, "/image"));
        words.extend(["/command", "/args"].iter().flat_map(|f| list_at(container, f)).filter_map(Value::as_str));
    }
    words.join(" ").to_lowercase()
}
