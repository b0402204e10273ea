//! A pod: where it runs, its containers with their states, conditions, volumes, and what decides where it may run.

use super::page::Page;
use super::{Mark, conditions, container, joined, template};
use crate::world::object::{int_at, list_at, str_at};
use serde_json::Value;

/// The part of a description that is special to a pod.
pub fn describe(page: &mut Page, pod: &Value) {
    standing(page, pod);
    container::all(page, pod.pointer("/spec").unwrap_or(&Value::Null), pod.pointer("/status"));
    conditions(page, pod, good);
    template::volumes(page, list_at(pod, "/spec/volumes"));
    template::placement(page, pod.pointer("/spec").unwrap_or(&Value::Null));
}

/// `DisruptionTarget` announces an end (`pkg/apis/core/types.go`); every other condition of a pod is good when True.
fn good(kind: &str) -> &'static str {
    if matches!(kind, "DisruptionTarget" | "PodResizePending" | "PodResizeInProgress") { "False" } else { "True" }
}

fn standing(page: &mut Page, pod: &Value) {
    let phase = str_at(pod, "/status/phase");
    let mark = match phase {
        "Failed" | "Unknown" => Mark::Bad,
        "Pending" => Mark::Warn,
        _ => Mark::Plain,
    };
    page.marked(mark, "Status", phase);
    page.at("Reason", pod, "/status/reason");
    page.at("Message", pod, "/status/message");
    match (str_at(pod, "/spec/nodeName"), str_at(pod, "/status/hostIP")) {
        ("", _) => page.warn("Node", "none"),
        (node, "") => page.field("Node", node),
        (node, ip) => page.field("Node", format!("{node} ({ip})")),
    }
    page.at("Nominated node", pod, "/status/nominatedNodeName");
    page.when("Started", str_at(pod, "/status/startTime"));
    let ips: Vec<&str> = list_at(pod, "/status/podIPs").iter().map(|ip| str_at(ip, "/ip")).collect();
    page.field("IP", if ips.is_empty() { "none".into() } else { ips.join(", ") });
    page.at("Service account", pod, "/spec/serviceAccountName");
    match (int_at(pod, "/spec/priority"), str_at(pod, "/spec/priorityClassName")) {
        (Some(priority), "") => page.field("Priority", priority.to_string()),
        (Some(priority), class) => page.field("Priority", format!("{priority} ({class})")),
        (None, class) => page.some("Priority class", class),
    }
    page.at("Runtime class", pod, "/spec/runtimeClassName");
    page.at("QoS class", pod, "/status/qosClass");
    let gates: Vec<&str> = list_at(pod, "/spec/schedulingGates").iter().map(|gate| str_at(gate, "/name")).collect();
    if !gates.is_empty() {
        page.warn("Scheduling gates", gates.join(", "));
    }
    page.some("Image pull secrets", names(list_at(pod, "/spec/imagePullSecrets")));
    page.some("Host aliases", joined(pod, "/spec/hostAliases"));
}

fn names(list: &[Value]) -> String {
    let names: Vec<&str> = list.iter().map(|entry| str_at(entry, "/name")).collect();
    names.join(", ")
}
