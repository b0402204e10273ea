//! A node: how it stands, what keeps pods away, what it has to give, what it runs on.

use super::page::Page;
use super::{Mark, conditions, scalar};
use crate::world::object::{bool_at, list_at, str_at};
use serde_json::Value;

/// The prefix of role labels (`pkg/printers/internalversion/printers.go`).
const ROLE: &str = "node-role.kubernetes.io/";

/// The part of a description that is special to a node.
pub fn describe(page: &mut Page, node: &Value) {
    page.field("Roles", roles(node));
    let cordoned = bool_at(node, "/spec/unschedulable");
    page.marked(
        if cordoned { Mark::Warn } else { Mark::Plain },
        "Unschedulable",
        if cordoned { "Yes (cordoned)" } else { "No" },
    );
    page.list("Taints", list_at(node, "/spec/taints").iter().map(taint), "none");
    page.list("Addresses", list_at(node, "/status/addresses").iter().map(address), "none");
    page.list("Pod CIDRs", list_at(node, "/spec/podCIDRs").iter().map(scalar), "");
    page.at("Provider ID", node, "/spec/providerID");
    conditions(page, node, |kind| if kind == "Ready" { "True" } else { "False" });
    resources(page, node);
    page.section("System");
    for (label, key) in [
        ("Kubelet", "kubeletVersion"),
        ("Container runtime", "containerRuntimeVersion"),
        ("Kernel", "kernelVersion"),
        ("OS image", "osImage"),
        ("OS", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Boot ID", "bootID"),
        ("Machine ID", "machineID"),
    ] {
        page.at(label, node, &format!("/status/nodeInfo/{key}"));
    }
    page.field("Images", list_at(node, "/status/images").len().to_string());
    page.list(
        "Volumes attached",
        list_at(node, "/status/volumesAttached").iter().map(|v| str_at(v, "/name").into()),
        "",
    );
}

fn roles(node: &Value) -> String {
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let mut roles: Vec<&str> = labels.filter_map(|(key, _)| key.strip_prefix(ROLE)).filter(|r| !r.is_empty()).collect();
    roles.sort_unstable();
    if roles.is_empty() { "none".into() } else { roles.join(", ") }
}

/// `dedicated=db:NoSchedule`
fn taint(taint: &Value) -> String {
    let value = str_at(taint, "/value");
    let value = if value.is_empty() { String::new() } else { format!("={value}") };
    format!("{}{value}:{}", str_at(taint, "/key"), str_at(taint, "/effect"))
}

fn address(address: &Value) -> String {
    format!("{} ({})", str_at(address, "/address"), str_at(address, "/type"))
}

/// Capacity and allocatable side by side.
fn resources(page: &mut Page, node: &Value) {
    let Some(capacity) = node.pointer("/status/capacity").and_then(Value::as_object) else { return };
    page.section("Resources");
    let rows = capacity.iter().map(|(name, amount)| {
        let allocatable = node.pointer("/status/allocatable").and_then(|map| map.get(name)).map(scalar);
        (Mark::Plain, vec![name.clone(), scalar(amount), allocatable.unwrap_or("-".into())])
    });
    page.table(&["RESOURCE", "CAPACITY", "ALLOCATABLE"], rows.collect());
}
