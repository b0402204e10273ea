use super::*;
use crate::world::time::Time;
use serde_json::json;
use std::sync::Arc;

fn node(name: &str, memory: &str, extra: Value) -> Value {
    let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": memory, "pods": "110"}}});
    json_patch::merge(&mut node, &extra);
    node
}

fn pod(spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "x", "uid": "u"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}}]}, "status": {"phase": "Pending"}});
    json_patch::merge(&mut pod, &json!({ "spec": spec }));
    pod
}

fn world(nodes: Vec<Value>, pod: Value) -> Snapshot {
    let mut s = Snapshot::new(Time(0), 1);
    s.put("nodes", nodes.into_iter().map(Arc::new).collect());
    s.put("pods", vec![Arc::new(pod)]);
    s
}

fn verdict(s: &Snapshot) -> String {
    let plan = reconcile(s);
    plan.writes
        .iter()
        .find_map(|w| match w {
            Write::Bind(_, node) => Some(node.clone()),
            Write::Status(p) => Some(str_at(p, "/status/conditions/0/message").to_string()),
            _ => None,
        })
        .unwrap_or_default()
}

#[test]
fn the_first_obstacle_of_each_node_is_counted() {
    let tainted = json!({"spec": {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]}});
    let cordoned = json!({"spec": {"unschedulable": true}});
    let nodes = vec![
        node("n1", "1Gi", json!({})),
        node("n2", "1Gi", json!({})),
        node("n3", "8Gi", tainted),
        node("n4", "8Gi", cordoned),
    ];
    assert_eq!(
        verdict(&world(nodes, pod(json!({})))),
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, 2 Insufficient memory. \
         no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling."
    );
}

#[test]
fn a_full_node_is_told_from_a_small_one() {
    let mut s = world(vec![node("n1", "3Gi", json!({}))], pod(json!({})));
    let mut other = pod(json!({"nodeName": "n1"}));
    other["metadata"]["name"] = json!("q");
    let mut pods = s.of("pods").to_vec();
    pods.push(Arc::new(other));
    s.put("pods", pods);
    assert!(verdict(&s).ends_with("1 No preemption victims found for incoming pod."), "{}", verdict(&s));
}

#[test]
fn tolerations_selectors_and_affinity_open_nodes() {
    let tainted = json!({"metadata": {"labels": {"pool": "db"}}, "spec": {"taints": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]}});
    let nodes = || vec![node("n1", "8Gi", json!({})), node("n2", "8Gi", tainted.clone())];
    let tolerant = json!({"nodeSelector": {"pool": "db"}, "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "db"}]});
    assert_eq!(verdict(&world(nodes(), pod(tolerant))), "n2");
    let wrong = json!({"nodeSelector": {"disktype": "nvme"}});
    assert!(verdict(&world(nodes(), pod(wrong))).contains("1 node(s) didn't match Pod's node affinity/selector"));
    let named = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}}}});
    assert_eq!(verdict(&world(nodes(), pod(named))), "n1");
}

#[test]
fn claims_are_judged_before_nodes() {
    let volume = json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]});
    let mut s = world(vec![node("n1", "8Gi", json!({}))], pod(volume));
    assert_eq!(verdict(&s), "0/1 nodes are available: persistentvolumeclaim \"data\" not found. not found");
    let claim = json!({"metadata": {"name": "data", "namespace": "x"}, "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}});
    s.put("persistentvolumeclaims", vec![Arc::new(claim)]);
    assert_eq!(verdict(&s), "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found");
    let class = json!({"metadata": {"name": "fast"}, "provisioner": "csi.example.com", "volumeBindingMode": "WaitForFirstConsumer"});
    s.put("storageclasses", vec![Arc::new(class)]);
    let plan = reconcile(&s);
    let Some(Write::Update(claim)) = plan.writes.first() else { panic!("nothing written") };
    assert_eq!(claim["metadata"]["annotations"]["volume.kubernetes.io/selected-node"], "n1");
}

#[test]
fn host_ports_collide() {
    let port = json!({"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]});
    let mut s = world(vec![node("n1", "8Gi", json!({}))], pod(port.clone()));
    assert_eq!(verdict(&s), "n1");
    let mut holder = pod(port);
    holder["spec"]["nodeName"] = json!("n1");
    holder["metadata"]["name"] = json!("holder");
    let mut pods = s.of("pods").to_vec();
    pods.push(Arc::new(holder));
    s.put("pods", pods);
    assert!(verdict(&s).contains("1 node(s) didn't have free ports for the requested pod ports"));
}
