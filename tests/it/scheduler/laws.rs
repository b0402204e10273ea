//! Laws that hold in any world, held against random ones.

use kokpit::diagnose::scheduling::{Objects, Snapshot, evaluate, smallest_changes};
use kokpit::diagnose::verdict::Scheduling;
use kokpit::world::object::{name, str_at};
use proptest::prelude::*;
use serde_json::{Value, json};

const ZONES: [&str; 3] = ["a", "b", "c"];

fn a_taint() -> impl Strategy<Value = Value> {
    let effects = prop::sample::select(vec!["NoSchedule", "NoExecute", "PreferNoSchedule"]);
    (prop::sample::select(vec!["dedicated", "spot", "gpu"]), prop::sample::select(vec!["x", "y", ""]), effects)
        .prop_map(|(key, value, effect)| json!({"key": key, "value": value, "effect": effect}))
}

fn a_node(at: usize) -> impl Strategy<Value = Value> {
    let taints = prop::collection::vec(a_taint(), 0..2);
    (0..3usize, 1..9i64, 1..6i64, any::<bool>(), taints).prop_map(move |(zone, cpu, pods, cordoned, taints)| {
        let name = format!("n{at}");
        json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"zone": ZONES[zone], "kubernetes.io/hostname": name}},
            "spec": {"unschedulable": cordoned && at.is_multiple_of(3), "taints": taints},
            "status": {"allocatable": {"cpu": cpu.to_string(), "memory": "8Gi", "pods": pods.to_string()}}})
    })
}

fn a_pod(node: &str, at: usize) -> impl Strategy<Value = Value> + use<> {
    let node = node.to_owned();
    let tolerated = prop::option::of(prop::sample::select(vec!["dedicated", "spot"]));
    let port = prop::option::of(prop::sample::select(vec![80, 443]));
    (0..3usize, 1..40i64, tolerated, port, prop::option::of(0..3usize), any::<bool>(), any::<bool>()).prop_map(
        move |(app, cpu, tolerated, port, zone, anti, spread)| {
            let app = ["web", "db", "job"][app];
            let selector = json!({"matchLabels": {"app": app}});
            let mut spec =
                json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": format!("{cpu}00m")}}}]});
            spec["tolerations"] = tolerated.map_or(json!([]), |key| json!([{"key": key, "operator": "Exists"}]));
            if let Some(port) = port {
                spec["containers"][0]["ports"] = json!([{"containerPort": port, "hostPort": port, "protocol": "TCP"}]);
            }
            if let Some(zone) = zone {
                spec["nodeSelector"] = json!({"zone": ZONES[zone]});
            }
            if anti {
                spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                    [{"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}]}});
            }
            if spread {
                spec["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": "zone",
                    "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]);
            }
            if !node.is_empty() {
                spec["nodeName"] = json!(node);
            }
            let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d", "controller": true}]);
            json!({"apiVersion": "v1", "kind": "Pod", "spec": spec, "status": {"phase": "Pending"},
                "metadata": {"name": format!("p{at}"), "namespace": "shop", "ownerReferences": owner,
                    "labels": {"app": app, "pod-template-hash": "5d"}}})
        },
    )
}

/// Up to six nodes, up to ten pods on them, and one that wants a place.
fn a_world() -> impl Strategy<Value = (Vec<Value>, Vec<Value>, Value)> {
    (1..6usize).prop_flat_map(|count| {
        let nodes: Vec<_> = (0..count).map(a_node).collect();
        let placed = prop::collection::vec((0..count).prop_flat_map(|n| a_pod(&format!("n{n}"), n)), 0..10);
        (nodes, placed, a_pod("", 99))
    })
}

fn ask(nodes: &[Value], pods: &[Value], pod: &Value) -> Scheduling {
    let objects = Objects { nodes: nodes.iter().collect(), pods: pods.iter().collect(), ..Objects::default() };
    evaluate(&Snapshot::build(&objects), pod)
}

fn fails(said: &Scheduling, node: &str, plugin: &str) -> bool {
    said.nodes.get(node).is_some_and(|failing| failing.contains_key(plugin))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_taint_that_is_not_tolerated_closes_its_node_and_opens_none((nodes, pods, pod) in a_world(), at in 0..5usize) {
        let before = ask(&nodes, &pods, &pod);
        let (mut changed, at) = (nodes.clone(), at % nodes.len());
        changed[at]["spec"]["taints"].as_array_mut().unwrap().push(json!({"key": "new", "effect": "NoSchedule"}));
        let after = ask(&changed, &pods, &pod);
        let closed = name(&nodes[at]);
        let expected: Vec<&String> = before.fits.iter().filter(|n| *n != closed).collect();
        prop_assert_eq!(after.fits.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn taking_a_filters_cause_away_makes_its_node_pass((nodes, pods, pod) in a_world(), at in 0..5usize) {
        let at = at % nodes.len();
        let node = name(&nodes[at]).to_owned();
        let with_node = |path: &str, value: Value| {
            let mut nodes = nodes.clone();
            *nodes[at].pointer_mut(path).unwrap() = value;
            ask(&nodes, &pods, &pod)
        };
        prop_assert!(!fails(&with_node("/spec/taints", json!([])), &node, "TaintToleration"));
        prop_assert!(!fails(&with_node("/spec/unschedulable", json!(false)), &node, "NodeUnschedulable"));
        let plenty = json!({"cpu": "1000", "memory": "1Ti", "pods": "1000"});
        prop_assert!(!fails(&with_node("/status/allocatable", plenty), &node, "NodeResourcesFit"));
        let without = |keys: &[&str]| {
            let mut pod = pod.clone();
            keys.iter().for_each(|key| drop(pod["spec"].as_object_mut().unwrap().remove(*key)));
            ask(&nodes, &pods, &pod)
        };
        prop_assert!(!fails(&without(&["nodeSelector"]), &node, "NodeAffinity"));
        prop_assert!(!fails(&without(&["topologySpreadConstraints"]), &node, "PodTopologySpread"));
        let alone = ask(&nodes, &[], &pod);
        for plugin in ["InterPodAffinity", "NodePorts"] {
            prop_assert!(!fails(&alone, &node, plugin), "{plugin} without any other pod");
        }
    }

    #[test]
    fn asking_for_less_never_loses_a_node((nodes, pods, pod) in a_world()) {
        let before = ask(&nodes, &pods, &pod);
        let mut less = pod.clone();
        less["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!("50m");
        let after = ask(&nodes, &pods, &less);
        prop_assert!(before.fits.iter().all(|n| after.fits.contains(n)), "{:?} then {:?}", before.fits, after.fits);
    }

    #[test]
    fn finished_pods_and_pods_on_unknown_nodes_change_nothing((nodes, pods, pod) in a_world()) {
        let before = ask(&nodes, &pods, &pod);
        let mut more = pods.clone();
        for old in &pods {
            let mut done = old.clone();
            done["status"]["phase"] = json!("Succeeded");
            let mut lost = old.clone();
            lost["spec"]["nodeName"] = json!("nowhere");
            more.extend([done, lost]);
        }
        prop_assert_eq!(before, ask(&nodes, &more, &pod));
    }

    #[test]
    fn the_message_and_the_matrix_agree_with_the_filters((nodes, pods, pod) in a_world()) {
        let said = ask(&nodes, &pods, &pod);
        prop_assert_eq!(said.message.is_empty(), !said.fits.is_empty());
        prop_assert_eq!(said.matrix.len(), nodes.len());
        for row in &said.matrix {
            prop_assert_eq!(row.away == 0, said.fits.iter().any(|n| **n == *row.node), "{:?}", row);
            prop_assert_eq!(row.away == 0, row.cells.iter().all(|(_, _, ok)| *ok), "{:?}", row);
        }
        prop_assert!(said.matrix.windows(2).all(|pair| pair[0].away <= pair[1].away), "nearest miss first");
        let columns = |at: usize| said.matrix[at].cells.iter().map(|(column, _, _)| column).collect::<Vec<_>>();
        prop_assert!((1..nodes.len()).all(|at| columns(at) == columns(0)), "the same columns in every row");
    }

    #[test]
    fn taking_a_pod_away_closes_no_node((nodes, pods, mut pod) in a_world(), at in 0..10usize) {
        // Fewer pods in one domain can close the others to a pod that is spread.
        pod["spec"].as_object_mut().unwrap().remove("topologySpreadConstraints");
        prop_assume!(!pods.is_empty());
        let before = ask(&nodes, &pods, &pod);
        let mut fewer = pods.clone();
        fewer.remove(at % pods.len());
        let after = ask(&nodes, &fewer, &pod);
        prop_assert!(before.fits.iter().all(|n| after.fits.contains(n)), "{:?} then {:?}", before.fits, after.fits);
    }

    #[test]
    fn one_more_node_closes_none_of_the_others((nodes, pods, mut pod) in a_world(), more in a_node(9)) {
        pod["spec"].as_object_mut().unwrap().remove("topologySpreadConstraints");
        let before = ask(&nodes, &pods, &pod);
        let mut all = nodes.clone();
        all.push(more);
        let mut after = ask(&all, &pods, &pod);
        after.fits.retain(|n| n != "n9");
        prop_assert_eq!(after.fits, before.fits);
    }

    #[test]
    fn room_is_kept_for_a_nominated_pod_of_the_same_priority((nodes, pods, pod) in a_world(), at in 0..5usize) {
        let node = name(&nodes[at % nodes.len()]).to_owned();
        let mut waiting = pod.clone();
        waiting["metadata"]["name"] = json!("first");
        waiting["status"] = json!({"phase": "Pending", "nominatedNodeName": node});
        let mut placed = waiting.clone();
        placed["spec"]["nodeName"] = json!(node);
        let with = |more: &Value| ask(&nodes, &[pods.as_slice(), std::slice::from_ref(more)].concat(), &pod);
        let (before, after, there) = (ask(&nodes, &pods, &pod), with(&waiting), with(&placed));
        let others = |said: &Scheduling| said.fits.iter().filter(|n| **n != node).cloned().collect::<Vec<_>>();
        prop_assert_eq!(others(&before), others(&after), "it counts on its own node only");
        let fits = |said: &Scheduling| said.fits.contains(&node);
        prop_assert_eq!(fits(&after), fits(&before) && fits(&there));
        waiting["spec"]["priority"] = json!(-1);
        prop_assert_eq!(with(&waiting).fits, before.fits, "a pod of lower priority keeps nothing");
    }

    #[test]
    fn the_commands_that_are_printed_make_the_named_nodes_fit((nodes, pods, pod) in a_world()) {
        let objects = Objects { nodes: nodes.iter().collect(), pods: pods.iter().collect(), ..Objects::default() };
        for change in smallest_changes(&Snapshot::build(&objects), &pod) {
            let (mut nodes, mut changed) = (nodes.clone(), pod.clone());
            if change.summary.contains("podAntiAffinity of the pods") {
                continue; // Another workload's template: there is no command for it.
            }
            let steps: Vec<&str> = change.summary.split(" and ").collect();
            let added = steps.iter().filter_map(|step| step.strip_prefix("one more node like "));
            for like in added.collect::<Vec<_>>() {
                nodes.push(copy_of(&nodes, like));
            }
            change.live.split(" && ").filter(|c| !c.is_empty()).for_each(|c| run(c, &mut nodes, &mut changed));
            prop_assert_eq!(ask(&nodes, &pods, &changed).fits, change.fits.clone(), "{:?}", change);
        }
    }
}

/// An empty node like another, under a name of its own.
fn copy_of(nodes: &[Value], like: &str) -> Value {
    let mut copy = nodes.iter().find(|n| name(n) == like).expect("a node of this world").clone();
    let new = json!(format!("a new node like {like}"));
    copy["metadata"]["labels"]["kubernetes.io/hostname"] = new.clone();
    copy["metadata"]["name"] = new;
    copy["spec"]["unschedulable"] = json!(false);
    copy
}

/// Does what a kubectl command would do to the nodes, or to the template that the pod is made from.
fn run(command: &str, nodes: &mut [Value], pod: &mut Value) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut node = |wanted: &str| {
        let at = nodes.iter().position(|n| name(n) == wanted).expect("a node of this world");
        std::mem::take(&mut nodes[at])
    };
    let mut changed = match words[..] {
        ["kubectl", "uncordon", n] => {
            let mut node = node(n);
            node["spec"]["unschedulable"] = json!(false);
            node
        }
        ["kubectl", "taint", "node", n, taint] => {
            let mut node = node(n);
            let text = |t: &Value| match str_at(t, "/value") {
                "" => format!("{}:{}-", str_at(t, "/key"), str_at(t, "/effect")),
                value => format!("{}={value}:{}-", str_at(t, "/key"), str_at(t, "/effect")),
            };
            node["spec"]["taints"].as_array_mut().expect("taints").retain(|t| text(t) != taint);
            node
        }
        ["kubectl", "label", "node", n, label, "--overwrite"] => {
            let mut node = node(n);
            let (key, value) = label.split_once('=').expect("key=value");
            node["metadata"]["labels"][key] = json!(value);
            node
        }
        ["kubectl", "-n", "shop", "set", "resources", "deployment/web", "-c", "c", requests] => {
            let (resource, amount) =
                requests.strip_prefix("--requests=").and_then(|r| r.split_once('=')).expect("resource=amount");
            pod["spec"]["containers"][0]["resources"]["requests"][resource] = json!(amount);
            return;
        }
        ["kubectl", "-n", "shop", "patch", "deployment", "web", kind, "-p", ..] => {
            let patch = command.split_once(" -p '").and_then(|(_, p)| p.strip_suffix('\'')).expect("a quoted patch");
            let patch: Value = serde_json::from_str(patch).expect("JSON");
            let mut template = json!({"spec": {"template": {"spec": pod["spec"]}}});
            match kind {
                "--type=json" => {
                    let steps: json_patch::Patch = serde_json::from_value(patch).expect("a JSON patch");
                    json_patch::patch(&mut template, &steps).expect("the paths are there");
                }
                // What differs from a merge patch (lists of containers) does not occur here.
                _ => json_patch::merge(&mut template, &patch),
            }
            pod["spec"] = template["spec"]["template"]["spec"].take();
            return;
        }
        _ => panic!("what does `{command}` do?"),
    };
    let slot = nodes.iter_mut().find(|n| n.is_null()).expect("the place it was taken from");
    *slot = changed.take();
}
