//! `metrics.k8s.io`: what nodes and pods use, as metrics-server answers it. Nothing is measured: the figures follow from
//! the pods themselves (name, requests, limits) and the time, so that they look alive and are the same for all who ask.
//!
//! * a container uses a part of what it requests, up to its limit, more or less as time goes by;
//! * the annotations [`CPU`] and [`WORKING_SET`] say how much instead;
//! * a node uses what its pods use, and some for itself; one that is not ready is not measured, nor are its pods.

use crate::sim::controllers::meta::annotation;
use crate::sim::http::{self as web, Body, Form};
use crate::sim::kubelet::behaviour::WORKING_SET;
use crate::sim::server::select::Select;
use crate::sim::server::{Call, Cluster, Target};
use crate::sim::store::{Failure, Store};
use crate::world::object::{Resource, ResourceId, list_at, name, namespace, str_at};
use crate::world::quantity::Quantity;
use crate::world::time::Time;
use http::Response;
use serde_json::{Value, json};
use std::collections::HashMap;

/// The group.
pub const GROUP: &str = "metrics.k8s.io";
/// What a container uses of CPU, as a quantity. With `.<container>` appended it is meant for that container.
pub const CPU: &str = "sim.kokpit.dev/cpu";

/// Seconds between two looks at everything, as metrics-server has it (`--metric-resolution`).
const EVERY: i64 = 15;

/// CPU in thousandths, memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    cpu: i64,
    memory: i64,
}

/// The kinds of the group: they can be read, and neither watched nor changed.
pub fn kinds() -> Vec<Resource> {
    let kind = |plural: &str, kind: &str, namespaced| Resource {
        id: ResourceId::new(GROUP, plural),
        version: "v1beta1".into(),
        kind: kind.into(),
        singular: String::new(),
        namespaced,
        short_names: vec![],
        verbs: vec!["get".into(), "list".into()],
    };
    vec![kind("nodes", "NodeMetrics", false), kind("pods", "PodMetrics", true)]
}

/// Answers a read of the group.
///
/// # Errors
/// 404 for an object that is not there or not measured, 400 for selectors that cannot be read.
pub fn answer(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let (store, kind) = (&cluster.store, &target.kind);
    let select = Select::parse(&call.query, kind, &target.name)?;
    let all = if kind.namespaced { pods(store, target.scope()) } else { nodes(store) };
    let mut found: Vec<Value> = all.into_iter().filter(|object| select.matches_value(object)).collect();
    if call.form == Form::Table {
        let with_columns = table(&found, kind.namespaced);
        return match (target.name.is_empty(), found.is_empty()) {
            (false, true) => Err(Failure::not_found(kind, &target.name)),
            _ => Ok(web::json(200, &with_columns)),
        };
    }
    if target.name.is_empty() {
        let list = json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": {}, "items": found});
        return Ok(web::large("application/json", list.to_string().into_bytes(), call.gzip));
    }
    let mut one = found.pop().ok_or_else(|| Failure::not_found(kind, &target.name))?;
    (one["kind"], one["apiVersion"]) = (kind.kind.clone().into(), kind.api_version().into());
    Ok(web::json(200, &one))
}

/// `PodMetrics` of the pods of a namespace, or of all.
fn pods(store: &Store, namespace: Option<&str>) -> Vec<Value> {
    let (now, ready) = (store.now(), ready_nodes(store));
    let pods = store.list(&ResourceId::core("pods"), namespace);
    let measured = pods.iter().filter(|pod| ready.contains_key(str_at(pod, "/spec/nodeName")));
    measured.filter_map(|pod| pod_metrics(pod, now)).collect()
}

fn pod_metrics(pod: &Value, now: Time) -> Option<Value> {
    let containers: Vec<Value> = running(pod)
        .map(|container| json!({"name": str_at(container, "/name"), "usage": usage(of_container(pod, container, now), &[name(pod), str_at(container, "/name")], now)}))
        .collect();
    let meta = json!({"name": name(pod), "namespace": namespace(pod)});
    (!containers.is_empty()).then(|| measured(pod, meta, now, ("containers", containers.into())))
}

/// `NodeMetrics` of the nodes that are ready.
fn nodes(store: &Store) -> Vec<Value> {
    let now = store.now();
    let mut nodes = ready_nodes(store);
    for pod in store.list(&ResourceId::core("pods"), None) {
        let Some((_, used)) = nodes.get_mut(str_at(&pod, "/spec/nodeName")) else { continue };
        for container in running(&pod) {
            let more = of_container(&pod, container, now);
            (used.cpu, used.memory) = (used.cpu + more.cpu, used.memory + more.memory);
        }
    }
    let mut nodes: Vec<_> = nodes.into_iter().collect();
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    let one = |(own, (node, used)): (String, (Value, Used))| {
        measured(&node, json!({"name": own}), now, ("usage", usage(used, &[&own], now)))
    };
    nodes.into_iter().map(one).collect()
}

/// The nodes that are measured, each with what it uses for itself.
fn ready_nodes(store: &Store) -> HashMap<String, (Value, Used)> {
    let is_ready = |node: &Value| {
        let conditions = list_at(node, "/status/conditions");
        conditions.iter().any(|c| str_at(c, "/type") == "Ready" && str_at(c, "/status") == "True")
    };
    let nodes = store.list(&ResourceId::core("nodes"), None).into_iter().filter(|node| is_ready(node));
    let own = |node: &Value| {
        let hash = hash(&[str_at(node, "/metadata/uid"), name(node)]);
        Used { cpu: 90 + (hash % 80) as i64, memory: (420 + (hash % 300) as i64) << 20 }
    };
    nodes.map(|node| (name(&node).to_string(), ((*node).clone(), own(&node)))).collect()
}

/// The containers that run, sidecars included.
fn running(pod: &Value) -> impl Iterator<Item = &Value> {
    let runs = |statuses: &'static str, own: &str| {
        let status = list_at(pod, statuses).iter().find(|status| str_at(status, "/name") == own);
        status.is_some_and(|status| status.pointer("/state/running").is_some())
    };
    let lists =
        [("/spec/initContainers", "/status/initContainerStatuses"), ("/spec/containers", "/status/containerStatuses")];
    lists.into_iter().flat_map(move |(containers, statuses)| {
        list_at(pod, containers).iter().filter(move |container| runs(statuses, str_at(container, "/name")))
    })
}

fn of_container(pod: &Value, container: &Value, now: Time) -> Used {
    let own = str_at(container, "/name");
    let hash = hash(&[str_at(pod, "/metadata/uid"), namespace(pod), name(pod), own]);
    let amount = |pointer: &str| Quantity::parse(str_at(container, pointer));
    let said = |key: &str| {
        let special = annotation(pod, &format!("{key}.{own}"));
        Quantity::parse(if special.is_empty() { annotation(pod, key) } else { special })
    };
    let cpu = match (said(CPU), amount("/resources/requests/cpu")) {
        (Some(said), _) => said.milli(),
        (None, Some(request)) => swung(request.milli() * (15 + (hash % 70) as i64) / 100, 30, hash, now),
        (None, None) => swung(3 + (hash % 40) as i64, 40, hash, now),
    };
    let memory = match (said(WORKING_SET), amount("/resources/requests/memory")) {
        (Some(said), _) => said.units(),
        (None, Some(request)) => swung(request.units() / 100 * (40 + (hash >> 8) as i64 % 45), 8, hash >> 16, now),
        (None, None) => swung((20 + (hash >> 8) as i64 % 100) << 20, 8, hash >> 16, now),
    };
    let within = |value: i64, limit: Option<i64>| limit.map_or(value, |limit| value.min(limit)).max(1);
    Used {
        cpu: within(cpu, amount("/resources/limits/cpu").map(Quantity::milli)),
        memory: within(memory, amount("/resources/limits/memory").map(Quantity::units)),
    }
}

/// A value that goes up and down by so many percent, in some minutes, a little uneven.
fn swung(value: i64, percent: i64, hash: u64, now: Time) -> i64 {
    let tick = now.0.div_euclid(EVERY);
    let period = 16 + (hash % 24) as i64;
    let at = (tick + (hash >> 8) as i64 % period).rem_euclid(period);
    // From -period to period and back.
    let wave = (4 * at - 2 * period).abs() - period;
    let uneven = (spread(hash ^ tick as u64) % 41) as i64 - 20;
    value + value * percent * (5 * wave + period * uneven / 10) / (period * 700)
}

/// `usage`, in the units that metrics-server has: billionths of a CPU, and Ki.
fn usage(used: Used, of: &[&str], now: Time) -> Value {
    let below = spread(hash(of) ^ now.0.div_euclid(EVERY) as u64) % 1_000_000;
    let cpu = (used.cpu - 1).max(0) * 1_000_000 + below as i64;
    json!({"cpu": format!("{cpu}n"), "memory": format!("{}Ki", used.memory >> 10)})
}

/// What is common to both kinds; times are those of the last look.
fn measured(of: &Value, mut meta: Value, now: Time, (field, value): (&str, Value)) -> Value {
    let at = Time(now.0.div_euclid(EVERY) * EVERY);
    meta["creationTimestamp"] = now.rfc3339().into();
    if let Some(labels) = of.pointer("/metadata/labels") {
        meta["labels"] = labels.clone();
    }
    json!({"metadata": meta, "timestamp": at.rfc3339(), "window": "15s", field: value})
}

/// As `kubectl get` prints them (`metrics-server/pkg/api/table.go`).
fn table(objects: &[Value], of_pods: bool) -> Value {
    let column = |name: &str, format: &str| json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0});
    let columns = [("Name", "name"), ("cpu", "quantity"), ("memory", "quantity"), ("Window", "duration")];
    let rows = objects.iter().map(|object| {
        let sum = |resource: &str| {
            let each = match of_pods {
                true => {
                    list_at(object, "/containers").iter().map(|c| str_at(c, &format!("/usage/{resource}"))).collect()
                }
                false => vec![str_at(object, &format!("/usage/{resource}"))],
            };
            Quantity(each.into_iter().filter_map(Quantity::parse).map(|quantity| quantity.0).sum())
        };
        let cells = json!([
            name(object),
            format!("{}n", sum("cpu").0),
            format!("{}Ki", sum("memory").units() >> 10),
            object["window"]
        ]);
        let along =
            json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
        json!({"cells": cells, "object": along})
    });
    let rows: Vec<Value> = rows.collect();
    let columns: Vec<Value> = columns.iter().map(|(name, format)| column(name, format)).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows})
}

/// FNV-1a, the same in every process.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([b'/']));
    spread(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// Neighbours become strangers (the last steps of splitmix64).
fn spread(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_255_200);

    fn pod(annotations: Value) -> Value {
        json!({"metadata": {"name": "web-1", "namespace": "shop", "annotations": annotations, "labels": {"app": "web"}},
            "spec": {"nodeName": "n1", "containers": [{"name": "app", "resources": {
                "requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "600m", "memory": "512Mi"}}}, {"name": "late"}]},
            "status": {"containerStatuses": [{"name": "app", "state": {"running": {}}}, {"name": "late", "state": {"waiting": {}}}]}})
    }

    #[test]
    fn what_is_used_stays_within_requests_and_limits_and_moves() {
        let pod = pod(json!({}));
        let container = running(&pod).next().unwrap();
        let samples: Vec<Used> = (0..40).map(|n| of_container(&pod, container, Time(NOW.0 + n * EVERY))).collect();
        assert!(samples.iter().all(|used| (1..=600).contains(&used.cpu) && used.memory > 64 << 20));
        assert!(samples.iter().all(|used| used.memory <= 512 << 20));
        let different: std::collections::BTreeSet<i64> = samples.iter().map(|used| used.cpu).collect();
        assert!(different.len() > 10, "{different:?}");
        assert_eq!(of_container(&pod, container, NOW), of_container(&pod, container, Time(NOW.0 + EVERY - 1)));
    }

    #[test]
    fn only_what_runs_is_measured_and_annotations_are_taken_at_their_word() {
        let found = pod_metrics(&pod(json!({CPU: "580m", "sim.kokpit.dev/working-set.app": "500Mi"})), NOW).unwrap();
        assert_eq!(list_at(&found, "/containers").len(), 1);
        let cpu = Quantity::parse(str_at(&found, "/containers/0/usage/cpu")).unwrap();
        assert_eq!((cpu.milli(), str_at(&found, "/containers/0/usage/memory")), (580, "512000Ki"));
        assert_eq!(str_at(&found, "/metadata/labels/app"), "web");
        assert!(str_at(&found, "/containers/0/usage/cpu").ends_with('n'));
    }
}
