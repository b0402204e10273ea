//! Descriptions of whole objects: what a person needs is there, and nothing that must not be.

use super::*;
use serde_json::json;

fn now() -> Time {
    Time::parse("2026-11-21T10:00:00Z").unwrap()
}

fn text(object: &Value, events: &[Value]) -> String {
    lines(object, events, now()).into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
}

fn crashing_pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-1", "namespace": "shop", "creationTimestamp": "2026-11-21T09:00:00Z", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:1",
            "env": [{"name": "A", "value": "b"}, {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}}],
            "volumeMounts": [{"name": "conf", "mountPath": "/etc/conf", "readOnly": true}]}],
            "volumes": [{"name": "conf", "configMap": {"name": "app-config"}}],
            "tolerations": [{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]},
        "status": {"phase": "Running", "qosClass": "BestEffort",
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": "2026-11-21T09:30:00Z"}],
            "containerStatuses": [{"name": "app", "ready": false, "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-21T09:57:00Z", "finishedAt": "2026-11-21T09:57:04Z"}}}]}})
}

#[test]
fn a_pod() {
    let events = [
        json!({"type": "Warning", "reason": "BackOff", "message": "new", "count": 9, "firstTimestamp": "2026-11-21T09:10:00Z", "lastTimestamp": "2026-11-21T09:59:00Z", "source": {"component": "kubelet"}}),
        json!({"type": "Normal", "reason": "Pulled", "message": "old", "count": 1, "lastTimestamp": "2026-11-21T09:05:00Z"}),
    ];
    insta::assert_snapshot!(text(&crashing_pod(), &events), @r"
    Name:           web-1
    Namespace:      shop
    Kind:           Pod (v1)
    Created:        2026-11-21T09:00:00Z (60m ago)
    Labels:         app=web
    Controlled by:  ReplicaSet/web
    Status:         Running
    Node:           n1
    IP:             none
    QoS class:      BestEffort

    Containers
      app
        State:        Waiting: CrashLoopBackOff
                      back-off 5m0s
        Last state:   Terminated: OOMKilled, exit code 137, 2m56s ago after 4s
        Ready:        No
        Restarts:     4
        Image:        web:1
        Environment:  A=b
                      PW=<key pw of secret db>
        Mounts:       /etc/conf from conf (read-only)

    Conditions
      TYPE   STATUS  SINCE  REASON              MESSAGE
      Ready  False   30m    ContainersNotReady

    Volumes
      conf:  configmap app-config

    Placement
      Node selector:  none
      Tolerations:    dedicated=db:NoSchedule

    Events
      AGE                TYPE     REASON   FROM     MESSAGE
      55m                Normal   Pulled   -        old
      60s (x9 over 50m)  Warning  BackOff  kubelet  new
    ");
}

#[test]
fn trouble_is_marked() {
    let marked: Vec<String> =
        lines(&crashing_pod(), &[], now()).into_iter().filter(|line| line.mark == Mark::Bad).map(|l| l.text).collect();
    assert_eq!(marked.len(), 2, "{marked:?}");
    assert!(marked[0].contains("CrashLoopBackOff") && marked[1].contains("OOMKilled"));
}

#[test]
fn a_node() {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}], "capacity": {"cpu": "4"}, "allocatable": {"cpu": "3800m"},
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "True", "reason": "Full"}], "nodeInfo": {"kubeletVersion": "v1.36.2"}}});
    let out = text(&node, &[]);
    for part in [
        "worker",
        "Yes (cordoned)",
        "node.kubernetes.io/unschedulable:NoSchedule",
        "10.0.0.1 (InternalIP)",
        "cpu       4         3800m",
        "v1.36.2",
    ] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
    let marked = lines(&node, &[], now()).into_iter().filter(|line| line.mark == Mark::Warn);
    assert!(marked.clone().any(|line| line.text.contains("DiskPressure")), "pressure is trouble when True");
    assert!(!marked.clone().any(|line| line.text.contains("Ready ")), "Ready is good when True");
}

#[test]
fn a_selector_reads_like_kubectl_writes_it() {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a", "b"]}, {"key": "x", "operator": "Exists"}]}}});
    let out = text(&object, &[]);
    assert!(out.contains("app=web,tier notin (a,b),x"), "{out}");
    assert!(out.contains("3 wanted, 0 updated, 0 total, 0 available, 0 unavailable"), "{out}");
}

#[test]
fn an_application() {
    let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"project": "default", "destination": {"name": "in-cluster", "namespace": "shop"}, "source": {"repoURL": "https://git/fleet", "path": "shop", "targetRevision": "main"},
            "syncPolicy": {"automated": {"prune": true}}},
        "status": {"sync": {"status": "OutOfSync", "revision": "4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2"}, "health": {"status": "Degraded"},
            "conditions": [{"type": "SyncError", "message": "no"}],
            "operationState": {"phase": "Failed", "message": "one or more objects failed", "syncResult": {"resources": [{"kind": "Service", "name": "web", "status": "SyncFailed", "message": "denied"}]}},
            "resources": [{"kind": "Deployment", "name": "web", "namespace": "shop", "status": "OutOfSync", "health": {"status": "Degraded"}}]}});
    let out = text(&app, &[]);
    for part in [
        "OutOfSync 4f1c2ab\n",
        "Degraded",
        "https://git/fleet path shop at main",
        "automated, prune",
        "SyncFailed denied",
        "Deployment  shop       web",
    ] {
        assert!(out.contains(part), "{part} is missing in\n{out}");
    }
}

#[test]
fn other_kinds_show_their_fields() {
    let out = text(
        &json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3, "parts": ["a"]}, "status": {"phase": "Up"}}),
        &[],
    );
    assert!(out.contains("Spec\n  parts:\n  - a\n  size: 3\n\nStatus\n  phase: Up"), "{out}");
}

#[test]
fn secret_values_never_appear() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "annotations": {yaml::LAST_APPLIED: "{\"data\":{\"pw\":\"aHVudGVyMg==\"}}"}}, "data": {"pw": "aHVudGVyMg=="}});
    let out = text(&secret, &[]);
    assert!(out.contains("pw: ••• 7 bytes") && !out.contains("aHVudGVyMg"), "{out}");
}

#[test]
fn broken_objects_are_described_as_far_as_they_go() {
    for kind in ["Pod", "Node", "Service", "PersistentVolumeClaim", "Event"] {
        for spec in [
            json!(null),
            json!([]),
            json!("x"),
            json!({"containers": "no", "volumes": [1], "ports": [null], "taints": {}}),
        ] {
            lines(
                &json!({"apiVersion": "v1", "kind": kind, "metadata": null, "spec": spec, "status": spec}),
                &[json!(1)],
                now(),
            );
        }
    }
    let evil = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a\u{1b}]0;x\u{7}\nb"}, "status": {"message": "\u{1b}[2J"}});
    assert!(lines(&evil, &[], now()).iter().all(|line| !line.text.chars().any(char::is_control)));
}

#[test]
fn an_application_says_what_its_renderers_are_told() {
    let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"sources": [
            {"repoURL": "https://charts/x", "chart": "redis", "targetRevision": "7.*", "helm": {"releaseName": "cache",
                "valueFiles": ["$values/redis.yaml"], "parameters": [{"name": "replicas", "value": "3", "forceString": true}],
                "valuesObject": {"auth": {"enabled": false}}}},
            {"repoURL": "https://git/x", "path": "over", "kustomize": {"images": ["web=r.io/web:2"], "namePrefix": "eu-",
                "replicas": [{"name": "web", "count": 4}], "patches": [{"target": {"kind": "Deployment", "name": "web"}, "patch": "- op: remove"}]}},
            {"repoURL": "https://git/x", "path": "plain", "directory": {"recurse": true, "exclude": "*.test.yaml"}},
            {"repoURL": "https://git/x", "ref": "values"}],
            "syncPolicy": {"retry": {"limit": 3, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}}}},
        "status": {"sync": {"status": "Synced", "revisions": ["7.1.0", "b".repeat(40)]},
            "history": [{"id": 4, "revisions": ["7.0.0", "c".repeat(40)], "deployedAt": "2026-11-21T09:00:00Z",
                "initiatedBy": {"username": "ada"}, "source": {"repoURL": ""}, "sources": [{"chart": "redis"}, {"path": "over"}]}]}});
    let text = text(&app, &[]);
    for line in [
        "https://charts/x chart redis at 7.*",
        "https://git/x as $values at HEAD",
        "Synced 7.1.0 bbbbbbb",
        "3 times, after 5s, 2 times as long each, 3m at most",
        "Helm:         release cache",
        "$values/redis.yaml",
        "replicas=3 (as text)",
        "    enabled: false",
        "prefix eu-",
        "web=r.io/web:2",
        "web: 4",
        "Patch to Deployment web",
        "- op: remove",
        "with those below, without *.test.yaml",
        "4   60m  7.0.0 ccccccc  ada  redis over",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn an_application_says_what_is_asked_of_argo_cd() {
    let operation = json!({"initiatedBy": {"username": "ada"}, "info": [{"name": "kokpit.dev/op", "value": "01JD"}],
        "sync": {"prune": true, "syncStrategy": {"apply": {"force": true}}, "syncOptions": ["Replace=true"],
            "resources": [{"kind": "ConfigMap", "name": "c"}]}});
    let app = |status: Value| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "argocd"},
            "spec": {}, "operation": operation, "status": status})
    };
    let how = ["prune, without hooks, force, Replace=true", "ConfigMap c", "kokpit.dev/op=01JD", "ada"];
    let waiting = text(&app(json!({})), &[]);
    assert!(waiting.contains("asked for, not taken up yet") && how.iter().all(|w| waiting.contains(w)), "{waiting}");
    let running =
        text(&app(json!({"operationState": {"phase": "Running", "message": "waiting", "operation": operation}})), &[]);
    assert!(running.contains("Running") && how.iter().all(|w| running.contains(w)), "{running}");
}

#[test]
fn an_application_says_what_the_windows_of_its_project_let_through() {
    let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop", "namespace": "team"},
        "spec": {"project": "web", "destination": {"namespace": "shop"}}, "status": {"controllerNamespace": "argocd"}});
    let (resource, home, project) = beside(&app).unwrap();
    assert_eq!((resource.plural.as_str(), home.as_str(), project.as_str()), ("appprojects", "argocd", "web"));
    assert!(beside(&json!({"kind": "Pod"})).is_none());
    let text = |windows: Value| {
        let project = Ok(json!({"metadata": {"name": "web"}, "spec": {"syncWindows": windows}}));
        lines_with(&app, &[], now(), Known { beside: Some(&project), ..Known::default() })
            .into_iter()
            .map(|l| l.text)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(!text(json!([])).contains("Sync windows"));
    // It is ten o'clock.
    let deny = text(
        json!([{"kind": "deny", "schedule": "0 9 * * *", "duration": "2h", "applications": ["shop"], "manualSync": true},
        {"kind": "allow", "schedule": "0 6 * * *", "duration": "12h", "namespaces": ["shop"]}]),
    );
    for line in [
        "Sync windows of project web",
        "Automated syncs:  blocked until 2026-11-21T11:00:00Z (in 60m), denied by the deny window 0 9 * * * for 2h (UTC)",
        "Syncs by hand:    allowed until 2026-11-21T18:00:00Z (in 8h)",
        "deny   0 9 * * *  2h        UTC   active  ends 2026-11-21T11:00:00Z (in 60m)",
        "namespaces shop",
    ] {
        assert!(deny.contains(line), "{line}\n{deny}");
    }
    let outside = text(json!([{"kind": "allow", "schedule": "0 22 * * *", "duration": "1h", "applications": ["*"]}]));
    assert!(outside.contains("blocked until 2026-11-21T22:00:00Z (in 12h), outside of the allow window"), "{outside}");
    let broken = text(json!([{"kind": "allow", "schedule": "often", "duration": "1h", "applications": ["*"]}]));
    assert!(broken.contains("Argo CD syncs nothing: cannot parse schedule 'often'"), "{broken}");
    let why = Err("you may not".into());
    let unread = lines_with(&app, &[], now(), Known { beside: Some(&why), ..Known::default() });
    assert!(unread.iter().any(|l| l.text.contains("the project cannot be read: you may not")));
}
