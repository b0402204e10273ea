//! Subresources: scale, eviction, binding, log, exec, attach and portforward. (`status` is a write like any other.)

mod archive;
pub mod disk;
mod eviction;
pub mod exec;
pub mod logs;
mod portforward;
mod shell;
mod socket;

use crate::sim::http::{self as web, Body};
use crate::sim::server::{Call, Cluster, Target, commit_patch, parse_body};
use crate::sim::store::Failure;
use crate::world::object::{ResourceId, list_at, str_at};
use crate::world::selector::{Op, Selector};
use http::{Method, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers a request for a subresource.
///
/// # Errors
/// 404 for one that is not served, 405 for a method it does not have, and those of each.
pub async fn answer(cluster: Arc<Cluster>, call: Call, target: Target) -> Result<Response<Body>, Failure> {
    let pods = target.kind.id == ResourceId::core("pods");
    match (target.sub.as_str(), call.method.clone()) {
        ("scale", method) if has_scale(&target.kind.id) => scale(&cluster, &call, &target, &method),
        ("eviction", Method::POST) if pods => eviction::answer(&cluster, &call, &target),
        ("binding", Method::POST) if pods => bind(&cluster, &call, &target),
        ("log", Method::GET) if pods => logs::answer(cluster, &call, &target),
        ("exec", Method::GET | Method::POST) if pods => exec::answer(cluster, call, &target),
        ("ephemeralcontainers", method) if pods => ephemeral(&cluster, &call, &target, &method),
        ("attach", Method::GET | Method::POST) if pods => exec::attach(cluster, call, &target),
        ("portforward", Method::GET | Method::POST) if pods => portforward::answer(cluster, call, &target),
        ("scale" | "eviction" | "binding" | "log" | "exec" | "attach" | "portforward", _)
            if pods || has_scale(&target.kind.id) =>
        {
            Err(Failure::method_not_allowed())
        }
        _ => Err(Failure::no_such_path()),
    }
}

fn has_scale(id: &ResourceId) -> bool {
    matches!(
        (id.group.as_str(), id.plural.as_str()),
        ("", "replicationcontrollers") | ("apps", "deployments" | "replicasets" | "statefulsets")
    )
}

fn pod(cluster: &Cluster, target: &Target) -> Result<Arc<Value>, Failure> {
    let found = cluster.store.get(&target.kind.id, &target.namespace, &target.name);
    found.ok_or_else(|| Failure::not_found(&target.kind, &target.name))
}

fn scale(cluster: &Cluster, call: &Call, target: &Target, method: &Method) -> Result<Response<Body>, Failure> {
    let object = match *method {
        Method::GET => pod(cluster, target)?,
        Method::PATCH => commit_patch(cluster, call, target, &scale_of, &scaled)?.0,
        Method::PUT => {
            let wanted = parse_body(call)?;
            if !wanted["metadata"].is_object() {
                return Err(Failure::bad_request("the name of the object must be given in metadata"));
            }
            commit_patch(cluster, &as_merge(call), target, &scale_of, &scaled)?.0
        }
        _ => return Err(Failure::method_not_allowed()),
    };
    Ok(web::json(200, &scale_of(&object)))
}

/// The ephemeral containers of a pod: the pod itself, of which nothing else can be changed this way, and none of them
/// goes away again (`pkg/registry/core/pod/strategy.go`, podEphemeralContainersStrategy).
fn ephemeral(cluster: &Cluster, call: &Call, target: &Target, method: &Method) -> Result<Response<Body>, Failure> {
    let before = pod(cluster, target)?;
    let put;
    let call = match *method {
        Method::GET => return Ok(web::json(200, &before)),
        Method::PATCH => call,
        Method::PUT => {
            put = as_merge(call);
            &put
        }
        _ => return Err(Failure::method_not_allowed()),
    };
    let added = |patched: Value, old: &Value| {
        let mut object = old.clone();
        if object["spec"].is_object() {
            object["spec"]["ephemeralContainers"] = patched["spec"]["ephemeralContainers"].clone();
        }
        object
    };
    let object = commit_patch(cluster, call, target, &Value::clone, &added)?.0;
    let names = |pod: &Value| -> Vec<String> {
        list_at(pod, "/spec/ephemeralContainers").iter().map(|c| str_at(c, "/name").to_string()).collect()
    };
    let (old, new) = (names(&before), names(&object));
    match old.iter().all(|name| new.contains(name)) {
        true => Ok(web::json(200, &object)),
        false => Err(Failure::bad_request("existing ephemeral containers may not be removed")),
    }
}

/// A whole scale put over the present one is a merge of it.
fn as_merge(call: &Call) -> Call {
    Call {
        method: call.method.clone(),
        path: call.path.clone(),
        query: call.query.clone(),
        form: call.form,
        gzip: call.gzip,
        media: "application/merge-patch+json".into(),
        headers: call.headers.clone(),
        user: call.user.clone(),
        body: call.body.clone(),
        upgrade: None,
    }
}

/// The `Scale` of a workload (`autoscaling/v1`).
fn scale_of(object: &Value) -> Value {
    let meta = |field: &str| object["metadata"][field].clone();
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata[field] = meta(field);
    }
    let replicas = |at: &str| object.pointer(at).and_then(Value::as_i64).unwrap_or(0);
    let spec = match replicas("/spec/replicas") {
        0 => json!({}),
        n => json!({"replicas": n}),
    };
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
           "status": {"replicas": replicas("/status/replicas"), "selector": selector_text(&object["spec"]["selector"])}})
}

/// The workload with the replicas of a scale.
fn scaled(scale: Value, old: &Value) -> Value {
    let mut object = old.clone();
    if object["spec"].is_object() {
        object["spec"]["replicas"] = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0).into();
    }
    let version = scale.pointer("/metadata/resourceVersion").cloned().unwrap_or(Value::Null);
    object["metadata"]["resourceVersion"] = version;
    object
}

/// A selector as `-l` takes it.
fn selector_text(selector: &Value) -> String {
    let plain = selector.get("matchLabels").is_none() && selector.get("matchExpressions").is_none();
    let selector = if plain { Selector::from_map(selector) } else { Selector::from_value(selector) };
    let parts = selector.0.iter().map(|r| match &r.op {
        Op::In(values) if values.len() == 1 => format!("{}={}", r.key, values.concat()),
        Op::In(values) => format!("{} in ({})", r.key, values.join(",")),
        Op::NotIn(values) => format!("{} notin ({})", r.key, values.join(",")),
        Op::Exists => r.key.clone(),
        _ => format!("!{}", r.key),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Binds a pod to a node, once.
fn bind(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let node = str_at(&parse_body(call)?, "/target/name").to_string();
    if node.is_empty() {
        return Err(Failure::bad_request("target.name: Required value"));
    }
    let bound = pod(cluster, target)?;
    let on = str_at(&bound, "/spec/nodeName");
    if !on.is_empty() {
        let sentence = format!(
            "Operation cannot be fulfilled on pods/binding \"{0}\": pod {0} is already assigned to node \"{on}\"",
            target.name
        );
        let mut failure = Failure::new(409, "Conflict", sentence);
        failure.details = json!({"name": target.name, "kind": "pods/binding"}).into();
        return Err(failure);
    }
    if !call.dry_run() {
        let now = cluster.store.now().rfc3339();
        cluster.store.modify(&target.kind.id, &target.namespace, &target.name, |pod| {
            if pod["spec"].is_object() {
                pod["spec"]["nodeName"] = node.clone().into();
            }
            let scheduled =
                json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
            let others =
                list_at(pod, "/status/conditions").iter().filter(|c| str_at(c, "/type") != "PodScheduled").cloned();
            let conditions: Vec<Value> = others.chain([scheduled]).collect();
            if !pod["status"].is_object() {
                pod["status"] = json!({"phase": "Pending"});
            }
            pod["status"]["conditions"] = conditions.into();
        })?;
    }
    Ok(web::json(201, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})))
}
