//! Services, EndpointSlices and Ingresses: who answers where.

use super::page::Page;
use super::{Mark, dash, joined, scalar};
use crate::world::object::{bool_at, list_at, str_at};
use serde_json::Value;

/// The part of a description that is special to a Service.
pub fn service(page: &mut Page, service: &Value) {
    page.at("Type", service, "/spec/type");
    page.list("Selector", map_entries(service.pointer("/spec/selector")), "none (its endpoints are made elsewhere)");
    let ips = joined(service, "/spec/clusterIPs");
    page.some("Cluster IP", if ips.is_empty() { str_at(service, "/spec/clusterIP").to_string() } else { ips });
    page.at("External name", service, "/spec/externalName");
    page.some("External IPs", joined(service, "/spec/externalIPs"));
    let balancer = addresses(service);
    if str_at(service, "/spec/type") == "LoadBalancer" && balancer.is_empty() {
        page.warn("Load balancer", "no address yet");
    }
    page.some("Load balancer", balancer);
    page.at("Session affinity", service, "/spec/sessionAffinity");
    page.at("External traffic", service, "/spec/externalTrafficPolicy");
    page.at("Internal traffic", service, "/spec/internalTrafficPolicy");
    page.at("Families", service, "/spec/ipFamilyPolicy");
    let ports = list_at(service, "/spec/ports");
    if !ports.is_empty() {
        page.section("Ports");
        let rows = ports.iter().map(|port| {
            let text = |key: &str| dash(&port.get(key).map(scalar).unwrap_or_default());
            (Mark::Plain, ["name", "port", "protocol", "targetPort", "nodePort", "appProtocol"].map(text).to_vec())
        });
        page.table(&["NAME", "PORT", "PROTOCOL", "TARGET", "NODE PORT", "APP"], rows.collect());
    }
}

/// The addresses of `status.loadBalancer.ingress`.
fn addresses(object: &Value) -> String {
    let list = list_at(object, "/status/loadBalancer/ingress").iter();
    let texts = list.map(|entry| match str_at(entry, "/ip") {
        "" => str_at(entry, "/hostname"),
        ip => ip,
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn map_entries(map: Option<&Value>) -> impl Iterator<Item = String> + '_ {
    map.and_then(Value::as_object).into_iter().flatten().map(|(key, value)| format!("{key}={}", scalar(value)))
}

/// The part of a description that is special to an EndpointSlice.
pub fn endpoint_slice(page: &mut Page, slice: &Value) {
    page.at("Address type", slice, "/addressType");
    let ports = list_at(slice, "/ports").iter().map(|port| {
        let name = str_at(port, "/name");
        let number = port.get("port").map(scalar).unwrap_or("every port".into());
        let name = if name.is_empty() { String::new() } else { format!(" ({name})") };
        format!("{number}/{}{name}", str_at(port, "/protocol"))
    });
    page.list("Ports", ports, "none");
    page.section("Endpoints");
    let endpoints = list_at(slice, "/endpoints");
    if endpoints.is_empty() {
        page.text(Mark::Warn, "none");
        return;
    }
    page.table(
        &["ADDRESS", "READY", "SERVING", "TERMINATING", "TARGET", "NODE", "ZONE"],
        endpoints.iter().map(endpoint).collect(),
    );
}

/// A missing `ready` means ready (`discovery/v1/types.go`, EndpointConditions).
fn endpoint(endpoint: &Value) -> (Mark, Vec<String>) {
    let ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
    let serving = endpoint.pointer("/conditions/serving").and_then(Value::as_bool).unwrap_or(ready);
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_string();
    let target = match str_at(endpoint, "/targetRef/name") {
        "" => "-".to_string(),
        name => format!("{}/{name}", str_at(endpoint, "/targetRef/kind")),
    };
    let cells = vec![
        joined(endpoint, "/addresses"),
        word(ready),
        word(serving),
        word(bool_at(endpoint, "/conditions/terminating")),
        target,
        dash(str_at(endpoint, "/nodeName")),
        dash(str_at(endpoint, "/zone")),
    ];
    (if ready { Mark::Plain } else { Mark::Warn }, cells)
}

/// The part of a description that is special to an Ingress.
pub fn ingress(page: &mut Page, ingress: &Value) {
    match str_at(ingress, "/spec/ingressClassName") {
        "" => page.field("Class", "none named (the default class, if there is one)"),
        class => page.field("Class", class),
    }
    match addresses(ingress) {
        none if none.is_empty() => page.warn("Address", "none (no controller has taken it up)"),
        some => page.field("Address", some),
    }
    if let Some(default) = ingress.pointer("/spec/defaultBackend") {
        page.field("Default backend", backend(default));
    }
    let tls = list_at(ingress, "/spec/tls").iter().map(|tls| {
        let secret = str_at(tls, "/secretName");
        let hosts = joined(tls, "/hosts");
        format!(
            "{} for {}",
            if secret.is_empty() { "the controller's certificate".into() } else { format!("secret {secret}") },
            if hosts.is_empty() { "every host" } else { &hosts }
        )
    });
    page.list("TLS", tls, "");
    page.section("Rules");
    let rows = list_at(ingress, "/spec/rules").iter().flat_map(|rule| {
        let host = match str_at(rule, "/host") {
            "" => "*",
            host => host,
        };
        list_at(rule, "/http/paths").iter().map(move |path| {
            let at = str_at(path, "/path");
            let cells = vec![
                host.to_string(),
                if at.is_empty() { "/".into() } else { at.into() },
                str_at(path, "/pathType").to_string(),
                path.get("backend").map(backend).unwrap_or("-".into()),
            ];
            (Mark::Plain, cells)
        })
    });
    page.table(&["HOST", "PATH", "TYPE", "BACKEND"], rows.collect());
}

/// `service cart:http` or `StorageBucket icons`.
fn backend(backend: &Value) -> String {
    if backend.get("service").is_some() {
        let port = ["/service/port/name", "/service/port/number"].iter().find_map(|at| backend.pointer(at));
        return format!("service {}:{}", str_at(backend, "/service/name"), port.map(scalar).unwrap_or_default());
    }
    format!("{} {}", str_at(backend, "/resource/kind"), str_at(backend, "/resource/name"))
}
