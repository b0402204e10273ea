use super::*;
use std::sync::Arc;

/// Runs the kubelet over one pod for some seconds; returns the pod at the end and what was said.
fn live(mut pod: Value, objects: Vec<(&'static str, Value)>, seconds: i64) -> (Value, Vec<(String, String)>) {
    let node = json!({"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}});
    let mut said = Vec::new();
    for t in 0..seconds {
        let mut s = Snapshot::new(Time(1_000 + t), t as u64);
        s.put("nodes", vec![Arc::new(node.clone())]);
        s.put("pods", vec![Arc::new(pod.clone())]);
        for (plural, object) in &objects {
            s.put(plural, vec![Arc::new(object.clone())]);
        }
        for write in reconcile(&s).writes {
            match write {
                Write::Status(new) => pod = new,
                Write::Event(e) => said.push((e.reason.to_string(), e.message)),
                other => panic!("unexpected {other:?}"),
            }
        }
    }
    (pod, said)
}

fn pod(container: Value) -> Value {
    let mut c = json!({"name": "c", "image": "r.io/c:1"});
    json_patch::merge(&mut c, &container);
    json!({"metadata": {"name": "p", "namespace": "x", "uid": "u"}, "spec": {"nodeName": "n1", "restartPolicy": "Always", "containers": [c]}, "status": {"phase": "Pending"}})
}

#[test]
fn a_plain_pod_becomes_ready() {
    let (pod, said) = live(pod(json!({})), vec![], 3);
    assert_eq!(str_at(&pod, "/status/phase"), "Running");
    assert!(is_true(&pod, "Ready"));
    assert_eq!(str_at(&pod, "/status/podIP"), "10.244.0.2");
    assert_eq!(said.iter().map(|(r, _)| r.as_str()).collect::<Vec<_>>(), ["Pulled", "Created", "Started"]);
}

#[test]
fn a_crash_loop_waits_longer_each_time() {
    let (pod, said) = live(pod(json!({"command": ["sh", "-c", "exit 3"]})), vec![], 60);
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(int_at(status, "/lastState/terminated/exitCode"), Some(3));
    assert_eq!(int_at(status, "/restartCount"), Some(3));
    assert_eq!(str_at(status, "/state/waiting/message"), "back-off 40s restarting failed container=c pod=p_x(u)");
    assert!(said.contains(&("BackOff".into(), "Back-off restarting failed container c in pod p_x(u)".into())));
    assert_eq!(str_at(&pod, "/status/phase"), "Running", "as long as it comes back");
}

#[test]
fn a_missing_config_map_holds_the_container_until_it_is_there() {
    let wants = pod(json!({"envFrom": [{"configMapRef": {"name": "cfg"}}]}));
    let (held, _) = live(wants, vec![], 5);
    let state = &held["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(
        (str_at(state, "/reason"), str_at(state, "/message")),
        ("CreateContainerConfigError", "configmap \"cfg\" not found")
    );
    assert_eq!(str_at(&held, "/status/phase"), "Pending");
    let (freed, _) = live(held, vec![("configmaps", json!({"metadata": {"name": "cfg", "namespace": "x"}}))], 2);
    assert!(is_true(&freed, "Ready"));
}

#[test]
fn an_image_that_is_not_there() {
    let (pod, _) = live(pod(json!({"image": "r.io/c:missing"})), vec![], 10);
    let state = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    assert_eq!(str_at(state, "/reason"), "ImagePullBackOff");
    assert!(
        str_at(state, "/message")
            .starts_with("Back-off pulling image \"r.io/c:missing\": ErrImagePull: rpc error: code = NotFound")
    );
}

#[test]
fn a_job_pod_ends_and_init_containers_come_first() {
    let mut job = pod(json!({"command": ["sh", "-c", "sleep 2"]}));
    job["spec"]["restartPolicy"] = json!("Never");
    job["spec"]["initContainers"] = json!([{"name": "first", "image": "r.io/c:1", "command": ["true"]}]);
    let (half, _) = live(job.clone(), vec![], 2);
    assert_eq!(str_at(&half, "/status/phase"), "Pending");
    assert_eq!(str_at(&half, "/status/containerStatuses/0/state/waiting/reason"), "PodInitializing");
    let (done, _) = live(job, vec![], 9);
    assert_eq!(str_at(&done, "/status/phase"), "Succeeded");
}

#[test]
fn a_probe_on_a_wrong_port_keeps_the_pod_unready() {
    let spec =
        json!({"ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8081}}});
    let (pod, said) = live(pod(spec), vec![], 5);
    assert!(!is_true(&pod, "Ready"));
    assert!(
        said.iter()
            .any(|(r, m)| r == "Unhealthy" && m.ends_with("dial tcp 10.244.0.2:8081: connect: connection refused")),
        "{said:?}"
    );
}
