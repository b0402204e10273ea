//! Changes that are offered, and that judging again says what judging anew says.

use super::super::snapshot::Objects;
use super::*;
use crate::world::object::{list_at, str_at};
use flate2::read::GzDecoder;
use serde_json::json;
use std::io::{BufRead, BufReader};

fn node(name: &str, cpu: &str, spec: Value) -> Value {
    json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "disk": "ssd"}}, "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "10"}}})
}

fn pod(spec: Value) -> Value {
    let mut pod = json!({"metadata": {"name": "web-66c8-x", "namespace": "shop", "labels": {"pod-template-hash": "66c8"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-66c8", "controller": true}]},
        "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "500m"}}}]}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

fn changes(nodes: &[Value], pod: &Value) -> Vec<Change> {
    let world = Snapshot::build(&Objects { nodes: nodes.iter().collect(), ..Objects::default() });
    smallest_changes(&world, pod)
}

#[test]
fn a_toleration_comes_before_taking_the_taint_away() {
    let taint = json!({"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]});
    let found = changes(&[node("n1", "2", taint)], &pod(json!({})));
    assert_eq!(found[0].summary, "toleration for dedicated=db:NoSchedule");
    assert_eq!(found[0].field, "spec.template.spec.tolerations");
    assert!(found[0].live.starts_with("kubectl -n shop patch deployment web "), "{}", found[0].live);
    assert!(found.iter().any(|c| c.live == "kubectl taint node n1 dedicated=db:NoSchedule-"), "{found:?}");
}

#[test]
fn a_request_is_lowered_to_what_fits() {
    let found = changes(&[node("n1", "300m", json!({})), node("n2", "400m", json!({}))], &pod(json!({})));
    assert_eq!(found[0].summary, "cpu request of app 500m → 400m");
    assert_eq!(found[0].fits, ["n2"]);
    assert_eq!(found[0].live, "kubectl -n shop set resources deployment/web -c app --requests=cpu=400m");
}

#[test]
fn a_selector_takes_a_value_that_nodes_have() {
    let found = changes(&[node("n1", "2", json!({}))], &pod(json!({"nodeSelector": {"disk": "sdd"}})));
    assert_eq!(found[0].summary, "nodeSelector disk=sdd → ssd");
}

#[test]
fn two_changes_are_tried_when_one_does_not_help() {
    let taint = json!({"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]});
    let found = changes(&[node("n1", "100m", taint)], &pod(json!({})));
    assert!(found[0].summary.contains("toleration") && found[0].summary.contains("cpu request"), "{found:?}");
}

#[test]
fn the_place_is_changed_last_while_it_leaves_nodes() {
    let nodes = [node("n1", "300m", json!({})), node("n2", "2", json!({}))];
    let here = json!({"nodeSelector": {"kubernetes.io/hostname": "n1"}});
    let found = changes(&nodes, &pod(here));
    assert_eq!(found[0].summary, "cpu request of app 500m → 300m", "{found:?}");
    assert!(found.iter().any(|c| c.plugin == "NodeAffinity" && c.fits == ["n2"]), "it is still named: {found:?}");
}

#[test]
fn a_pod_of_a_daemon_set_is_never_sent_elsewhere() {
    let nodes = [node("n1", "300m", json!({})), node("n2", "2", json!({}))];
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]});
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}});
    let mut pod = pod(json!({"affinity": {"nodeAffinity": required}}));
    pod["metadata"]["ownerReferences"][0] =
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "controller": true});
    let found = changes(&nodes, &pod);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].summary, "cpu request of app 500m → 300m");
}

#[test]
fn a_pod_that_fits_needs_no_change() {
    assert!(changes(&[node("n1", "2", json!({}))], &pod(json!({}))).is_empty());
}

/// Worlds that the real scheduler was asked about, with every kind of object that filters read.
fn recorded() -> impl Iterator<Item = Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/scheduler/worlds.jsonl.gz");
    let file = std::fs::File::open(path).expect("the recorded worlds are part of the tests");
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str(&line.expect("gzip text")).expect("one JSON object a line"))
}

#[test]
fn judging_again_says_what_judging_anew_says() {
    let (mut checked, mut helped) = (0, 0);
    for recorded in recorded().step_by(3) {
        let list = |plural: &str| list_at(&recorded, &format!("/objects/{plural}")).iter().collect::<Vec<_>>();
        let world = Snapshot::build(&Objects {
            nodes: list("nodes"),
            pods: list("pods"),
            claims: Some(list("persistentvolumeclaims")),
            volumes: Some(list("persistentvolumes")),
            classes: Some(list("storageclasses")),
            csinodes: Some(list("csinodes")),
            csidrivers: Some(list("csidrivers")),
            capacities: Some(list("csistoragecapacities")),
            namespaces: Some(list("namespaces")),
            ..Objects::default()
        });
        for raw in list("pods").into_iter().filter(|p| str_at(p, "/spec/nodeName").is_empty()) {
            let pod = Pod::new(raw);
            let judgement = judge(&world, &pod);
            let all = candidates(&world, &pod, &judgement);
            let mut search = Search { world: &world, pod: &pod, judgement: &judgement, work: MOST_WORK };
            let singles = all.iter().map(|c| vec![c]);
            let pairs = all.windows(2).map(|pair| pair.iter().collect());
            for changes in singles.chain(pairs) {
                let (_, again) = search.apply(&changes);
                let (changed, other) = search.changed(&changes);
                let anew = judge(&changed, &Pod::new(other.as_ref().unwrap_or(raw))).fits(&changed);
                let what: Vec<&str> = changes.iter().map(|c| c.summary.as_str()).collect();
                assert_eq!(again, anew, "{} {}: {what:?}", str_at(&recorded, "/name"), pod.name);
                (checked, helped) = (checked + 1, helped + usize::from(!anew.is_empty()));
            }
        }
    }
    assert!(checked > 3_000 && helped > 300, "{checked} changes were tried, {helped} of them help");
}
