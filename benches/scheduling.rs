//! `cargo bench --bench scheduling`: how long the scheduler's filters take in a cluster of 5,000 nodes, 150,000 pods on
//! them and 10,000 that wait.

#[allow(dead_code, reason = "the other figures are those of a process")]
#[path = "spine/measure.rs"]
mod measure;

use kokpit::diagnose::case::{Answer, CaseFile, Need, Subject};
use kokpit::diagnose::scheduling::{Objects, Pod, Snapshot, changes, judge, pod, report};
use kokpit::diagnose::{Outcome, explain};
use kokpit::world::object::{ObjectRef, ResourceId};
use kokpit::world::time::Time;
use measure::{ms, percentile};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NODES: usize = 5_000;
const PODS: usize = 150_000;
const PENDING: usize = 10_000;
/// Workloads that the waiting pods belong to.
const WORKLOADS: usize = 400;
/// Verdicts that are written in full.
const VERDICTS: usize = 500;
const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";

fn main() {
    // `cargo test --benches` runs this as well; only `cargo bench` passes the word.
    if std::env::args().any(|arg| arg == "--bench") {
        bench();
    }
}

fn node(i: usize) -> Value {
    let zone = ["a", "b", "c"][i % 3];
    let dedicated = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("n{i}"), "labels": {HOSTNAME: format!("n{i}"), ZONE: zone,
            "kubernetes.io/os": "linux", "pool": format!("p{}", i % 7)}},
        "spec": {"unschedulable": i.is_multiple_of(97), "taints": if i.is_multiple_of(10) { dedicated } else { json!([]) }},
        "status": {"allocatable": {"cpu": "32", "memory": "128Gi", "pods": "110"}}})
}

/// A pod of one of many applications, which keeps its replicas apart.
fn placed(i: usize) -> Value {
    let app = format!("app{}", i % 900);
    let selector = json!({"matchLabels": {"app": app}});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{i}"), "namespace": format!("ns{}", i % 60),
            "labels": {"app": app, "pod-template-hash": "x"}},
        "spec": {"nodeName": format!("n{}", i % NODES),
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "1100m", "memory": "1Gi"}}}],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                [{"labelSelector": selector, "topologyKey": HOSTNAME}]}}},
        "status": {"phase": "Running"}})
}

/// A pod that fits nowhere, in one of several ways.
fn waiting(i: usize) -> Value {
    let workload = i % WORKLOADS;
    let app = format!("new{workload}");
    let selector = json!({"matchLabels": {"app": app}});
    let mut spec = json!({"containers": [{"name": "c", "resources":
        {"requests": {"cpu": format!("{}00m", 20 + workload % 40), "memory": "2Gi"}}}]});
    match workload % 4 {
        0 => spec["nodeSelector"] = json!({"pool": format!("p{}", workload % 9)}),
        1 => {
            spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": ZONE,
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]);
        }
        2 => {
            spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                [{"labelSelector": selector, "topologyKey": HOSTNAME}]}});
        }
        _ => spec["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]),
    }
    let message = "0/5000 nodes are available: 5000 Insufficient cpu.";
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("{app}-{i}"), "namespace": format!("ns{}", workload % 60), "uid": format!("u{i}"),
            "creationTimestamp": "2026-03-01T11:00:00Z", "labels": {"app": app, "pod-template-hash": "y"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-y"),
                "controller": true, "uid": app}]},
        "spec": spec,
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": message}]}})
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed(), result)
}

/// The median of seven runs.
fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..7).map(|_| timed(&mut work).0).collect();
    percentile(&mut times, 0.5)
}

fn line(what: &str, time: Duration) {
    println!("{what:<62} {:>12}", ms(time));
}

/// A line with a target in milliseconds.
fn judged(what: &str, time: Duration, most: u64) {
    let verdict = if time <= Duration::from_millis(most) { "met" } else { "missed" };
    println!("{what:<62} {:>12}   <= {most} ms  {verdict}", ms(time));
}

fn bench() {
    let nodes: Vec<Value> = (0..NODES).map(node).collect();
    let mut pods: Vec<Value> = (0..PODS).map(placed).collect();
    pods.extend((0..PENDING).map(waiting));
    println!("{NODES} nodes, {PODS} pods on them, {PENDING} pods of {WORKLOADS} workloads wait");
    println!("{:<62} {:>12}   target", "", "measured");
    let objects = Objects { nodes: nodes.iter().collect(), pods: pods.iter().collect(), ..Objects::default() };
    let (time, world) = timed(|| Snapshot::build(&objects));
    line("snapshot built", time);
    for (kind, name) in ["selector", "spread", "anti-affinity", "toleration"].into_iter().enumerate() {
        one_pod(&world, &pods[PODS + kind], name);
    }
    all_shapes(&world, &pods[PODS..]);
    verdicts(nodes, pods);
}

fn one_pod(world: &Snapshot, raw: &Value, kind: &str) {
    let matrix = || {
        let parsed = Pod::new(raw);
        let judgement = judge(world, &parsed);
        report(world, &parsed, &judgement).matrix.len()
    };
    assert_eq!(matrix(), NODES);
    judged(&format!("one pod's matrix ({kind}), the snapshot given"), median(|| assert_eq!(matrix(), NODES)), 50);
    let judgement = judge(world, &Pod::new(raw));
    line("  its smallest changes", median(|| drop(changes::search(world, raw, &judgement))));
}

fn all_shapes(world: &Snapshot, waiting: &[Value]) {
    let (time, shapes) = timed(|| {
        let mut shapes: HashMap<String, &Value> = HashMap::new();
        for raw in waiting {
            shapes.entry(pod::shape(raw)).or_insert(raw);
        }
        shapes
    });
    line(&format!("{} shapes told apart", shapes.len()), time);
    let (judging, judgements) = timed(|| {
        let each = |raw: &&Value| {
            let parsed = Pod::new(raw);
            let judgement = judge(world, &parsed);
            let said = report(world, &parsed, &judgement);
            (judgement, said.matrix.len())
        };
        shapes.values().map(each).collect::<Vec<_>>()
    });
    judged("  each judged once, with its matrix", time + judging, 2_000);
    let (changing, helped) = timed(|| {
        let found =
            shapes.values().zip(&judgements).map(|(raw, (judgement, _))| changes::search(world, raw, judgement));
        found.filter(|changes| !changes.found.is_empty()).count()
    });
    line(&format!("  their smallest changes ({helped} have any)"), changing);
}

/// What `kokpit why --pending` does once the lists are there.
fn verdicts(nodes: Vec<Value>, pods: Vec<Value>) {
    let subjects: Vec<ObjectRef> = pods[PODS..PODS + VERDICTS].iter().map(ObjectRef::of).collect();
    let mut case =
        CaseFile::new(Subject::Url(String::new()), Time::parse("2026-03-01T12:00:00Z").unwrap_or(Time::NEVER));
    for (kind, items) in [("nodes", nodes), ("pods", pods)] {
        let need = Need::List { resource: ResourceId::core(kind), namespace: None };
        case.put(need, Answer::List(Arc::new(items)));
    }
    let mut first = None;
    let begun = Instant::now();
    for at in subjects {
        case.turn_to(Subject::Object(at));
        let verdict = loop {
            let needs = match explain(&case) {
                Outcome::Verdict(verdict) => break verdict,
                Outcome::Needs(needs) => needs,
            };
            needs.into_iter().for_each(|need| case.put(need, Answer::Absent));
        };
        assert!(verdict.scheduling.is_some_and(|said| said.matrix.len() == NODES), "a verdict with its matrix");
        first.get_or_insert_with(|| begun.elapsed());
    }
    line("the first verdict in full, the snapshot included", first.unwrap_or_default());
    line(&format!("  {VERDICTS} verdicts, of as many pods in {WORKLOADS} shapes"), begun.elapsed());
}
