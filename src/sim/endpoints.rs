//! EndpointSlices from Services, cluster addresses, and what an ingress controller reports.

use crate::sim::controllers::meta::{
    child, controlled_by, deleting, fnv, is_ready, is_terminal, label, safe_name, set,
};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Writes slices, allocates addresses, fills in Ingress status.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for service in s.of("services").iter().filter(|v| !deleting(v)) {
        address(s, service, &mut plan);
        if service.pointer("/spec/selector").and_then(Value::as_object).is_some_and(|m| !m.is_empty()) {
            slices(s, service, &mut plan);
        }
    }
    ingresses(s, &mut plan);
    plan
}

/// The API server's allocator: a free address of 10.96.0.0/16 for a Service that has none.
fn address(s: &Snapshot, service: &Value, plan: &mut Plan) {
    if !str_at(service, "/spec/clusterIP").is_empty() || str_at(service, "/spec/type") == "ExternalName" {
        return;
    }
    let taken = |ip: &str| s.of("services").iter().any(|o| str_at(o, "/spec/clusterIP") == ip);
    let start = fnv(&format!("{}/{}", namespace(service), name(service)));
    let ip = (0..65_000u64)
        .map(|i| (start.wrapping_add(i)) % 65_000 + 10)
        .map(|n| format!("10.96.{}.{}", n / 256, n % 256))
        .find(|ip| !taken(ip));
    if let Some(ip) = ip {
        let mut new = service.clone();
        set(&mut new, "spec.clusterIP", json!(ip));
        set(&mut new, "spec.clusterIPs", json!([ip]));
        plan.push(Write::Update(new));
    }
}

/// Pods are grouped by what the Service's ports mean on them: one slice per group, one empty slice if there are none
/// (`staging/src/k8s.io/endpointslice/reconciler.go`).
fn slices(s: &Snapshot, service: &Value, plan: &mut Plan) {
    let selector = service.pointer("/spec/selector").map(Selector::from_map).unwrap_or_default();
    let mut groups: BTreeMap<String, (Value, Vec<Value>)> = BTreeMap::new();
    for pod in s.within("pods", namespace(service)) {
        let there = !is_terminal(pod) && !str_at(pod, "/status/podIP").is_empty();
        if there && selector.matches(pod.pointer("/metadata/labels")) {
            let ports = ports(service, pod);
            let group = groups.entry(ports.to_string()).or_insert_with(|| (ports, Vec::new()));
            group.1.push(endpoint(s, service, pod));
        }
    }
    if groups.is_empty() {
        groups.insert(String::new(), (Value::Null, Vec::new()));
    }
    let mine = |o: &&Value| label(o, "kubernetes.io/service-name") == name(service) && controlled_by(o, service);
    let old: Vec<&Value> = s.within("endpointslices", namespace(service)).filter(mine).collect();
    // Slices keep their names while their number does; the contents move.
    for (i, (ports, endpoints)) in groups.values().enumerate() {
        let endpoints = if endpoints.is_empty() { Value::Null } else { json!(endpoints) };
        match old.get(i) {
            Some(slice) if slice["ports"] == *ports && slice["endpoints"] == endpoints => {}
            Some(slice) => {
                let mut new = (*slice).clone();
                new["ports"] = ports.clone();
                new["endpoints"] = endpoints;
                plan.push(Write::Update(new));
            }
            None => plan.push(Write::Create(new_slice(s, service, i, ports, endpoints))),
        }
    }
    old.iter().skip(groups.len()).for_each(|slice| plan.push(Write::Delete((*slice).clone())));
}

fn new_slice(s: &Snapshot, service: &Value, i: usize, ports: &Value, endpoints: Value) -> Value {
    let suffix = safe_name(fnv(&s.suffix(&format!("{}{i}", name(service)))), 5);
    let mut slice = child(service, "discovery.k8s.io/v1", "EndpointSlice", &format!("{}-{suffix}", name(service)));
    set(&mut slice, "metadata.generateName", json!(format!("{}-", name(service))));
    slice["metadata"]["labels"] = json!({
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": name(service),
    });
    set(&mut slice, "addressType", json!("IPv4"));
    set(&mut slice, "endpoints", endpoints);
    set(&mut slice, "ports", ports.clone());
    slice
}

fn endpoint(s: &Snapshot, service: &Value, pod: &Value) -> Value {
    let (ready, terminating) = (is_ready(pod), deleting(pod));
    let publish = service.pointer("/spec/publishNotReadyAddresses") == Some(&json!(true));
    let node = str_at(pod, "/spec/nodeName");
    let mut endpoint = json!({
        "addresses": [str_at(pod, "/status/podIP")],
        "conditions": {"ready": publish || (ready && !terminating), "serving": ready, "terminating": terminating},
        "nodeName": node,
        "targetRef": {"kind": "Pod", "name": name(pod), "namespace": namespace(pod), "uid": str_at(pod, "/metadata/uid")},
    });
    if let Some(zone) =
        s.get("nodes", "", node).map(|n| label(n, "topology.kubernetes.io/zone")).filter(|z| !z.is_empty())
    {
        set(&mut endpoint, "zone", json!(zone));
    }
    endpoint
}

/// The Service's ports as numbers on this pod; a name that no container has is left out, and none left is `null`.
fn ports(service: &Value, pod: &Value) -> Value {
    let found: Vec<Value> = list_at(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = target_port(port, pod)?;
            let protocol = if str_at(port, "/protocol").is_empty() { "TCP" } else { str_at(port, "/protocol") };
            Some(json!({"name": str_at(port, "/name"), "port": number, "protocol": protocol}))
        })
        .collect();
    if found.is_empty() { Value::Null } else { json!(found) }
}

fn target_port(port: &Value, pod: &Value) -> Option<i64> {
    match port.get("targetPort") {
        None | Some(Value::Null) => int_at(port, "/port"),
        Some(Value::String(wanted)) => list_at(pod, "/spec/containers")
            .iter()
            .flat_map(|c| list_at(c, "/ports"))
            .find(|p| str_at(p, "/name") == wanted)
            .and_then(|p| int_at(p, "/containerPort")),
        Some(number) => number.as_i64(),
    }
}

/// An ingress controller that runs takes up the Ingresses of its class and publishes its address.
fn ingresses(s: &Snapshot, plan: &mut Plan) {
    for ingress in s.of("ingresses").iter().filter(|i| !deleting(i)) {
        let class = str_at(ingress, "/spec/ingressClassName");
        let claimed =
            s.get("ingressclasses", "", class).map(|c| str_at(c, "/spec/controller")) == Some("k8s.io/ingress-nginx");
        let front = s.of("services").iter().find(|v| {
            label(v, "app.kubernetes.io/name") == "ingress-nginx" && str_at(v, "/spec/type") == "LoadBalancer"
        });
        let published = front.map(|v| list_at(v, "/status/loadBalancer/ingress")).unwrap_or_default();
        if claimed && !published.is_empty() && list_at(ingress, "/status/loadBalancer/ingress") != published {
            let mut new = (**ingress).clone();
            set(&mut new, "status.loadBalancer.ingress", json!(published));
            plan.push(Write::Status(new));
            plan.event("nginx-ingress-controller", ingress, false, "Sync", "Scheduled for sync".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::time::Time;
    use std::sync::Arc;

    fn slice_for(target: Value, selector: Value) -> Value {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "x", "uid": "s"},
            "spec": {"clusterIP": "10.96.0.9", "selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": target}]}});
        let pod = |name: &str, ready: &str| {
            Arc::new(
                json!({"kind": "Pod", "metadata": {"name": name, "namespace": "x", "uid": name, "labels": {"app": "web"}},
                "spec": {"nodeName": "n1", "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
                "status": {"podIP": "10.1.1.1", "conditions": [{"type": "Ready", "status": ready}]}}),
            )
        };
        let mut s = Snapshot::new(Time(0), 1);
        s.put("services", vec![Arc::new(service)]);
        s.put("pods", vec![pod("a", "True"), pod("b", "False")]);
        let plan = reconcile(&s);
        let Some(Write::Create(slice)) = plan.writes.into_iter().next() else { panic!("no slice") };
        slice
    }

    #[test]
    fn named_ports_become_numbers_and_unready_pods_are_listed() {
        let slice = slice_for(json!("http"), json!({"app": "web"}));
        assert_eq!(slice["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
        let ready: Vec<_> = list_at(&slice, "/endpoints").iter().map(|e| e["conditions"]["ready"].clone()).collect();
        assert_eq!(ready, [json!(true), json!(false)]);
    }

    #[test]
    fn a_port_that_no_container_has_leaves_endpoints_without_ports() {
        let slice = slice_for(json!("web"), json!({"app": "web"}));
        assert_eq!((slice["ports"].clone(), list_at(&slice, "/endpoints").len()), (Value::Null, 2));
        let nothing = slice_for(json!("http"), json!({"app": "other"}));
        assert_eq!((nothing["ports"].clone(), nothing["endpoints"].clone()), (Value::Null, Value::Null));
    }
}
