//! Rows that look wrong, and look-alikes that do not.

use super::backends::Backends;
use super::*;
use crate::world::pod::{ContainerRow, PodRow, Role};
use crate::world::row::{Body, Meta, Owner, Raw};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: Time = Time(1_000_000);

fn ago(seconds: i64) -> Time {
    Time(NOW.0 - seconds)
}

fn at(seconds_ago: i64) -> String {
    ago(seconds_ago).rfc3339()
}

fn raw(value: &Value) -> Raw {
    Raw::alone(value.to_string().as_bytes())
}

fn row(value: &Value, tone: Tone, body: Body) -> Row {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let meta = Meta {
        uid: Uid::of_name(text("/metadata/namespace"), text("/metadata/name")),
        name: text("/metadata/name").into(),
        namespace: text("/metadata/namespace").into(),
        created: Time::parse(text("/metadata/creationTimestamp")).unwrap_or(ago(86_400)),
        deleting: !text("/metadata/deletionTimestamp").is_empty(),
        labels: labels.map(|(k, v)| (k.as_str().into(), v.as_str().unwrap_or_default().into())).collect(),
        owner: None,
    };
    Row { meta, body, tone, raw: raw(value) }
}

/// A row of a kind other than pods.
fn object(value: Value, tone: Tone) -> Row {
    row(&value, tone, Body::Cells([].into()))
}

/// A pod of ReplicaSet `web-6c8` with one container; `unready` seconds not Ready.
fn pod(status: &str, tone: Tone, unready: i64, change: impl FnOnce(&mut PodRow)) -> Row {
    let value = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-6c8-x", "namespace": "shop", "labels": {"pod-template-hash": "6c8"}},
        "spec": {"containers": [{"name": "app", "readinessProbe": {"initialDelaySeconds": 60, "periodSeconds": 10}}]},
        "status": {"containerStatuses": [{"name": "app", "state": {"running": {"startedAt": at(20)}}}]}});
    let mut body = PodRow {
        node: "n1".into(),
        status: status.into(),
        ip: "".into(),
        ready: u16::from(tone == Tone::Ok),
        total: 1,
        restarts: 0,
        last_restart: Time::NEVER,
        unready_since: if tone == Tone::Ok { Time::NEVER } else { ago(unready) },
        qos: "".into(),
        cpu: 0,
        memory: 0,
        cpu_limit: 500,
        memory_limit: 512 << 20,
        containers: [ContainerRow {
            name: "app".into(),
            image: "web:1".into(),
            role: Role::Main,
            ready: tone == Tone::Ok,
            restarts: 0,
            state: status.into(),
            last_exit: None,
            last_reason: "".into(),
        }]
        .into(),
    };
    change(&mut body);
    let mut row = row(&value, tone, Body::Pod(body.into()));
    row.meta.owner = Some(Arc::new(Owner { kind: "ReplicaSet".into(), name: "web-6c8".into() }));
    row
}

fn screened(row: &Row, group: &str, plural: &str) -> Option<Symptom> {
    symptom(&ResourceId::new(group, plural), row, NOW)
}

fn due(row: &Row) -> bool {
    screened(row, "", "pods").is_some_and(|symptom| symptom.is_due(NOW))
}

#[test]
fn pods_that_are_well_finished_or_on_their_way_are_no_matter() {
    let calm = |_: &mut PodRow| {};
    assert!(screened(&pod("Running", Tone::Ok, 0, calm), "", "pods").is_none());
    assert!(screened(&pod("Completed", Tone::Done, 0, calm), "", "pods").is_none());
    assert!(!due(&pod("ContainerCreating", Tone::Busy, 60, calm)), "images may take two minutes");
    assert!(!due(&pod("Running", Tone::Warn, 60, calm)), "its probe begins after a minute");
    assert!(!due(&pod("Pending", Tone::Busy, 10, |p| p.node = "".into())));
    assert!(!due(&pod("Pending", Tone::Bad, 5, |p| p.node = "".into())), "another pod may be leaving");
    assert!(!due(&pod("Error", Tone::Bad, 5, calm)), "it may only have been too early");
}

#[test]
fn pods_that_stay_ill_are() {
    let calm = |_: &mut PodRow| {};
    for (row, word) in [
        (pod("ContainerCreating", Tone::Busy, 130, calm), "ContainerCreating"),
        (pod("Running", Tone::Warn, 100, calm), "Running"),
        (pod("Pending", Tone::Bad, 30, |p| p.node = "".into()), "Pending"),
        (pod("ImagePullBackOff", Tone::Bad, 1, calm), "ImagePullBackOff"),
        (pod("CrashLoopBackOff", Tone::Bad, 1, calm), "CrashLoopBackOff"),
    ] {
        let found = screened(&row, "", "pods").unwrap();
        assert!(found.is_due(NOW), "{found:?}");
        assert_eq!(found.word, word);
        assert_eq!(found.owner, ObjectRef::new("apps", "Deployment", "shop", "web"), "the hash is not its name");
    }
}

#[test]
fn a_pod_that_crashes_keeps_its_shape_while_it_is_up_for_a_moment() {
    let crash = |state: &'static str| {
        move |p: &mut PodRow| {
            (p.restarts, p.last_restart) = (7, ago(30));
            let c = &mut p.containers[0];
            (c.restarts, c.state, c.last_exit, c.last_reason) = (7, state.into(), Some(1), "Error".into());
        }
    };
    let waiting = screened(&pod("CrashLoopBackOff", Tone::Bad, 60, crash("CrashLoopBackOff")), "", "pods").unwrap();
    let up = screened(&pod("Running", Tone::Ok, 0, crash("Running")), "", "pods").unwrap();
    assert_eq!(waiting.shape, up.shape);
    assert!(up.is_due(NOW) && !up.is_due(Time(NOW.0 + 600)), "ten minutes without a restart, and it is well");
    let once = |p: &mut PodRow| (p.restarts, p.last_restart) = (1, ago(30));
    assert!(screened(&pod("Running", Tone::Ok, 0, once), "", "pods").is_none(), "one restart is no loop");
}

#[test]
fn pods_of_one_workload_have_another_shape_when_they_fail_otherwise() {
    let image = |image: &'static str| move |p: &mut PodRow| p.containers[0].image = image.into();
    let shape = |image_of: &'static str| {
        screened(&pod("ImagePullBackOff", Tone::Bad, 60, image(image_of)), "", "pods").unwrap().shape
    };
    assert_eq!(shape("web:1"), shape("web:1"));
    assert_ne!(shape("web:1"), shape("web:2"));
}

#[test]
fn nodes_claims_and_workloads() {
    let condition =
        |kind: &str, status: &str, since: i64| json!({"type": kind, "status": status, "lastTransitionTime": at(since)});
    let node = |conditions: Value, cordoned: bool| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": cordoned}, "status": {"conditions": conditions}});
    let word = |value: Value, group: &str, plural: &str| {
        let found = screened(&object(value, Tone::Bad), group, plural);
        found.filter(|symptom| symptom.is_due(NOW)).map(|symptom| symptom.word).unwrap_or_default()
    };
    assert_eq!(word(node(json!([condition("Ready", "Unknown", 5)]), false), "", "nodes"), "NotReady");
    let pressed = json!([condition("Ready", "True", 900), condition("MemoryPressure", "True", 5)]);
    assert_eq!(word(node(pressed, false), "", "nodes"), "MemoryPressure");
    assert_eq!(word(node(json!([condition("Ready", "True", 900)]), true), "", "nodes"), CORDONED);

    let claim = |age: i64| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "db", "creationTimestamp": at(age)}, "status": {"phase": "Pending"}});
    assert_eq!(word(claim(30), "", "persistentvolumeclaims"), "");
    assert_eq!(word(claim(90), "", "persistentvolumeclaims"), "Pending");

    let deployment = |have: i64, conditions: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": 3}, "status": {"replicas": have, "conditions": conditions}});
    let progressing = |since: i64| json!([{"type": "Progressing", "status": "True", "lastUpdateTime": at(since)}]);
    assert_eq!(word(deployment(3, progressing(900)), "apps", "deployments"), "", "its pods speak for themselves");
    assert_eq!(word(deployment(1, progressing(20)), "apps", "deployments"), "", "it is making them");
    assert_eq!(word(deployment(1, progressing(90)), "apps", "deployments"), "has 1 of 3 pods");
    let refused = json!([condition("ReplicaFailure", "True", 1)]);
    assert_eq!(word(deployment(1, refused), "apps", "deployments"), "cannot create pods");
}

#[test]
fn applications_are_given_time_after_a_sync() {
    let app = |sync: &str, health: &str, phase: &str, finished: i64| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"},
        "status": {"sync": {"status": sync}, "health": {"status": health, "lastTransitionTime": at(finished)},
            "operationState": {"phase": phase, "startedAt": at(finished), "finishedAt": at(finished)}}})
    };
    let is_due = |value: Value| {
        screened(&object(value, Tone::Warn), "argoproj.io", "applications").is_some_and(|symptom| symptom.is_due(NOW))
    };
    assert!(is_due(app("OutOfSync", "Healthy", "Succeeded", 300)));
    assert!(!is_due(app("OutOfSync", "Healthy", "Succeeded", 5)), "it was synced a moment ago");
    assert!(!is_due(app("OutOfSync", "Missing", "Running", 5)), "it is being synced");
    assert!(!is_due(app("Synced", "Progressing", "Succeeded", 60)));
    assert!(is_due(app("Synced", "Progressing", "Succeeded", 900)));
    assert!(is_due(app("Synced", "Degraded", "Succeeded", 5)));
}

fn ingress(host: &str, path: &str, service: &str) -> Row {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    let rule = json!({"host": host, "http": {"paths": [{"path": path, "backend": backend}]}});
    let name = format!("{service}-{}", path.len());
    object(
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "shop"}, "spec": {"rules": [rule]}}),
        Tone::Ok,
    )
}

fn slice(service: &str, usable: bool) -> Row {
    let labels = json!({"kubernetes.io/service-name": service});
    let value = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": format!("{service}-1"), "namespace": "shop", "labels": labels}});
    object(value, if usable { Tone::Ok } else { Tone::Warn })
}

#[test]
fn a_backend_without_endpoints_is_named_by_the_url_that_leads_there() {
    let (ingresses, slices) =
        (ResourceId::new("networking.k8s.io", "ingresses"), ResourceId::new("discovery.k8s.io", "endpointslices"));
    let mut backends = Backends::default();
    backends.hear(&ingresses, &ingress("shop.example.com", "/cart", "cart"));
    backends.hear(&ingresses, &ingress("shop.example.com", "/", "web"));
    backends.hear(&ingresses, &ingress("*.example.com", "/api(/|$)(.*)", "api"));
    backends.hear(&slices, &slice("web", true));
    backends.hear(&slices, &slice("cart", false));
    let told = |backends: &Backends| {
        let dead = backends.dead().into_iter().map(|dead| format!("{} {}", dead.service.name, dead.url));
        dead.collect::<Vec<_>>()
    };
    assert_eq!(told(&backends), ["api ", "cart http://shop.example.com/cart"], "a pattern is no URL");
    assert!(backends.take_dirty() && !backends.take_dirty());
    backends.hear(&slices, &slice("cart", true));
    assert!(backends.take_dirty());
    assert_eq!(told(&backends), ["api "]);
    let outside = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "shop"}, "spec": {"type": "ExternalName"}});
    backends.hear(&ResourceId::core("services"), &object(outside, Tone::Ok));
    assert!(backends.dead().is_empty(), "what lies outside has no endpoints here");
    let gone = slice("web", true).meta.uid;
    backends.forget(&slices, |uid| *uid == gone);
    assert_eq!(told(&backends), ["web http://shop.example.com/"]);
}

fn other(kind: &str, namespace: &str, name: &str, spec: Value) -> Row {
    let group = if kind == "IngressRoute" { "traefik.io/v1alpha1" } else { "gateway.networking.k8s.io/v1" };
    let meta = json!({"name": name, "namespace": namespace});
    object(json!({"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}), Tone::Ok)
}

/// What is asked about, kind by kind.
fn asked(backends: &Backends) -> Vec<String> {
    backends.stops().into_keys().collect()
}

#[test]
fn routes_of_the_gateway_api_are_read_with_their_listeners() {
    let kind = |plural: &str| ResourceId::new("gateway.networking.k8s.io", plural);
    let mut backends = Backends::default();
    let listener =
        |name: &str, protocol: &str, host: &str| json!({"name": name, "protocol": protocol, "hostname": host});
    let listeners = json!([
        listener("web", "HTTP", ""),
        listener("tls", "HTTPS", "*.example.com"),
        listener("api", "HTTPS", "api.example.com")
    ]);
    backends.hear(&kind("gateways"), &other("Gateway", "infra", "gw", json!({ "listeners": listeners })));
    let route = |name: &str, section: &str, hosts: Value, backend: Value| {
        let parent = json!({"name": "gw", "namespace": "infra", "sectionName": section});
        let rule =
            json!({"matches": [{"path": {"value": "/x"}}, {"headers": [{"name": "a"}]}], "backendRefs": [backend]});
        other("HTTPRoute", "shop", name, json!({"parentRefs": [parent], "hostnames": hosts, "rules": [rule]}))
    };
    let to = |name: &str, weight: i64| json!({"name": name, "port": 80, "weight": weight});
    backends.hear(&kind("httproutes"), &route("a", "", json!(["a.example.com"]), to("dead", 1)));
    backends.hear(&kind("httproutes"), &route("b", "web", json!(["a.example.com"]), to("idle", 0)));
    backends.hear(&kind("httproutes"), &route("c", "api", json!([]), to("web", 1)));
    backends.hear(&kind("httproutes"), &route("d", "tls", json!(["*.example.com"]), to("web", 1)));
    backends.hear(&ResourceId::new("discovery.k8s.io", "endpointslices"), &slice("web", true));
    let names = ["HTTPRoute shop/d", "http://a.example.com/x", "https://a.example.com/x", "https://api.example.com/x"];
    assert_eq!(asked(&backends), names, "a route without a single URL is asked about itself");
    let dead = backends.dead();
    assert_eq!(dead.len(), 1, "what gets no share need not answer: {dead:?}");
    assert_eq!((dead[0].service.name.as_str(), dead[0].url.as_str()), ("dead", "https://a.example.com/x"));
}

#[test]
fn routes_of_traefik_are_read() {
    let kind = ResourceId::new("traefik.io", "ingressroutes");
    let mut backends = Backends::default();
    let rule = |matched: &str, service: &str| json!({"match": matched, "services": [{"name": service, "port": 80}]});
    let inside =
        json!({"match": "Host(`t.example.com`)", "services": [{"name": "api@internal", "kind": "TraefikService"}]});
    let rules = json!([
        rule("Host(`a.example.com`) && PathPrefix(`/x`)", "a"),
        rule("Host(`a.example.com`) && Header(`b`, `c`)", "b"),
        rule("HostRegexp(`^.*$`)", "c"),
        inside
    ]);
    backends.hear(&kind, &other("IngressRoute", "shop", "web", json!({"routes": rules, "tls": {}})));
    assert_eq!(asked(&backends), ["https://a.example.com/x", "https://t.example.com/"]);
    let dead: Vec<(String, String)> = backends.dead().into_iter().map(|d| (d.service.name, d.url)).collect();
    let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(dead, [text("a", "https://a.example.com/x"), text("b", ""), text("c", "")]);
    backends.forget(&ResourceId::new("networking.k8s.io", "ingresses"), |_| true);
    assert!(!backends.dead().is_empty(), "another kind of routes");
    backends.forget(&kind, |_| true);
    assert!(backends.dead().is_empty() && asked(&backends).is_empty());
}
