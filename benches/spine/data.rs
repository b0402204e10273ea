//! The pods of the benchmark: 50,000 of about 9 KB, the same bytes in every run.
//!
//! Their shape is that of pods on clusters with an injected sidecar or two: seven labels, six annotations, an owner,
//! managed fields of two writers (a third of the bytes), probes, projected tokens, affinity, five conditions.

use serde_json::{Value, json};

/// Pods of one Deployment.
const REPLICAS: usize = 12;

/// splitmix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}{:016x}{:016x}{:016x}", self.next(), self.next(), self.next(), self.next());
        text[..digits].to_string()
    }
}

/// What the server needs of one pod.
pub struct Pod {
    /// The JSON text without `apiVersion` and `kind`, as lists carry it; `resourceVersion` is [`VERSION`].
    pub text: Vec<u8>,
}

/// Stands in every pod and is replaced, digit by digit, when the pod changes.
pub const VERSION: &str = "1000000000";

/// The pod with this number.
pub fn pod(number: usize) -> Pod {
    successor(number, 0)
}

/// The pod that stands in the place of the one with this number after it was replaced so many times: of the same
/// workload, with another name.
pub fn successor(number: usize, replaced: u64) -> Pod {
    let workload = number / REPLICAS;
    let mut shared = Random(workload as u64);
    let mut own = Random((number as u64) ^ 0xdead_beef ^ (replaced << 32));
    let (team, stage) = (shared.below(200), ["dev", "test", "prod"][shared.below(3) as usize]);
    let namespace = format!("team-{team:03}-{stage}");
    let app =
        format!("{}-{workload:04}", ["cart", "search", "payments", "mail", "stock", "front"][shared.below(6) as usize]);
    let containers = match shared.below(10) {
        0..=6 => 1,
        7 | 8 => 2,
        _ => 3,
    };
    let template = shared.hex(10);
    let name = format!("{app}-{template}-{}", own.hex(5));
    let uid = format!("{}-{}-4{}-8{}-{}", own.hex(8), own.hex(4), own.hex(3), own.hex(3), own.hex(12));
    let crashing = number.is_multiple_of(97);
    let names: Vec<&str> = ["app", "proxy", "agent"][..containers].to_vec();
    let object = json!({
        "metadata": {
            "name": name, "generateName": format!("{app}-{template}-"), "namespace": namespace, "uid": uid,
            "resourceVersion": VERSION, "generation": 1, "creationTimestamp": "2026-11-20T08:15:30Z",
            "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": format!("team-{team}"), "app.kubernetes.io/version": format!("1.{}.{}", shared.below(40), shared.below(9)),
                "app.kubernetes.io/managed-by": "argocd", "pod-template-hash": template, "stage": stage, "team": format!("team-{team:03}")},
            "annotations": {"checksum/config": shared.hex(64), "kubectl.kubernetes.io/restartedAt": "2026-11-19T10:00:00Z", "prometheus.io/scrape": "true",
                "prometheus.io/port": "9090", "sidecar.example.com/inject": "true", "owner.example.com/mail": format!("team-{team:03}@example.com")},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-{template}"), "uid": uid, "controller": true, "blockOwnerDeletion": true}],
            "managedFields": managed_fields(&names, &uid),
        },
        "spec": spec(&names, &app, &mut shared, &mut own),
        "status": status(&names, crashing, &mut own),
    });
    Pod { text: object.to_string().into_bytes() }
}

fn spec(names: &[&str], app: &str, shared: &mut Random, own: &mut Random) -> Value {
    let containers: Vec<Value> = names.iter().map(|name| container(name, app, shared)).collect();
    json!({
        "volumes": [
            {"name": "config", "configMap": {"name": format!("{app}-config"), "defaultMode": 420}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}], "defaultMode": 420}}],
        "containers": containers,
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "serviceAccountName": app, "serviceAccount": app, "nodeName": format!("node-{:04}", own.below(1_000)),
        "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm":
            {"labelSelector": {"matchLabels": {"app.kubernetes.io/name": app}}, "topologyKey": "kubernetes.io/hostname"}}]}},
        "schedulerName": "default-scheduler",
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        "priority": 0, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
    })
}

fn container(name: &str, app: &str, shared: &mut Random) -> Value {
    let env: Vec<Value> = (0..4 + shared.below(3))
        .map(|i| match i {
            0 => json!({"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": format!("{app}-db"), "key": "password"}}}),
            1 => json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}),
            i => json!({"name": format!("SETTING_{i}"), "value": format!("value-{}", shared.below(100_000))}),
        })
        .collect();
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http", "scheme": "HTTP"}, "initialDelaySeconds": 5, "timeoutSeconds": 2, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3});
    json!({
        "name": name, "image": format!("registry.example.com/{app}/{name}:1.{}.{}", shared.below(40), shared.below(9)),
        "args": ["--listen=:8080", "--log-level=info"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
        "env": env,
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": format!("{}m", 50 + 50 * shared.below(10)), "memory": "256Mi"}},
        "volumeMounts": [{"name": "config", "readOnly": true, "mountPath": "/etc/config"}, {"name": "scratch", "mountPath": "/tmp"},
            {"name": "kube-api-access", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
        "livenessProbe": probe("/healthz"), "readinessProbe": probe("/ready"),
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
        "securityContext": {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false},
    })
}

fn status(names: &[&str], crashing: bool, own: &mut Random) -> Value {
    let ready = if crashing { "False" } else { "True" };
    let condition = |kind: &str, status: &str| json!({"type": kind, "observedGeneration": 1, "status": status, "lastProbeTime": null, "lastTransitionTime": "2026-11-20T08:15:34Z"});
    let ip = format!("10.{}.{}.{}", own.below(256), own.below(256), own.below(256));
    let statuses: Vec<Value> = names.iter().map(|name| {
        let state = if crashing {
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": format!("back-off 5m0s restarting failed container={name}")}})
        } else {
            json!({"running": {"startedAt": "2026-11-20T08:15:33Z"}})
        };
        let last = if crashing {
            json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-21T09:00:00Z", "finishedAt": "2026-11-21T09:00:40Z", "containerID": format!("containerd://{}", own.hex(64))}})
        } else {
            json!({})
        };
        json!({"name": name, "state": state, "lastState": last, "ready": !crashing, "restartCount": if crashing { 41 } else { 0 },
            "image": format!("registry.example.com/{name}:1"), "imageID": format!("registry.example.com/{name}@sha256:{}", own.hex(64)),
            "containerID": format!("containerd://{}", own.hex(64)), "started": !crashing})
    }).collect();
    json!({
        "observedGeneration": 1, "phase": "Running",
        "conditions": [condition("PodReadyToStartContainers", "True"), condition("Initialized", "True"), condition("Ready", ready), condition("ContainersReady", ready), condition("PodScheduled", "True")],
        "hostIP": format!("192.168.{}.{}", own.below(256), own.below(256)), "podIP": ip, "podIPs": [{"ip": ip}],
        "startTime": "2026-11-20T08:15:30Z", "containerStatuses": statuses, "qosClass": "Burstable",
    })
}

/// What the controller manager and the kubelet own, spelled out field by field as API servers do.
fn managed_fields(names: &[&str], owner: &str) -> Value {
    let mut containers = serde_json::Map::new();
    for name in names {
        let env =
            |name: &str, from: &str| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}, from: {}}));
        let environment: serde_json::Map<String, Value> = [
            env("DATABASE_PASSWORD", "f:valueFrom"),
            env("POD_IP", "f:valueFrom"),
            env("SETTING_2", "f:value"),
            env("SETTING_3", "f:value"),
        ]
        .into_iter()
        .collect();
        let probe = json!({".": {}, "f:failureThreshold": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}, "f:scheme": {}}, "f:initialDelaySeconds": {}, "f:periodSeconds": {}, "f:successThreshold": {}, "f:timeoutSeconds": {}});
        containers.insert(format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:args": {}, "f:env": environment, "f:image": {}, "f:imagePullPolicy": {}, "f:livenessProbe": probe, "f:name": {},
            "f:ports": {".": {}, "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {}}},
            "f:readinessProbe": probe, "f:resources": {".": {}, "f:limits": {".": {}, "f:memory": {}}, "f:requests": {".": {}, "f:cpu": {}, "f:memory": {}}},
            "f:securityContext": {".": {}, "f:allowPrivilegeEscalation": {}, "f:capabilities": {".": {}, "f:drop": {}}, "f:readOnlyRootFilesystem": {}},
            "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {},
            "f:volumeMounts": {".": {}, "k:{\"mountPath\":\"/etc/config\"}": {".": {}, "f:mountPath": {}, "f:name": {}, "f:readOnly": {}}, "k:{\"mountPath\":\"/tmp\"}": {".": {}, "f:mountPath": {}, "f:name": {}}}}));
    }
    let condition = |kind: &str| {
        (
            format!("k:{{\"type\":\"{kind}\"}}"),
            json!({".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:observedGeneration": {}, "f:status": {}, "f:type": {}}),
        )
    };
    let conditions: serde_json::Map<String, Value> = [
        condition("ContainersReady"),
        condition("Initialized"),
        condition("PodReadyToStartContainers"),
        condition("Ready"),
    ]
    .into_iter()
    .collect();
    json!([
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T08:15:30Z", "fieldsType": "FieldsV1", "fieldsV1": {
            "f:metadata": {"f:annotations": {".": {}, "f:checksum/config": {}, "f:prometheus.io/port": {}, "f:prometheus.io/scrape": {}}, "f:generateName": {},
                "f:labels": {".": {}, "f:app.kubernetes.io/name": {}, "f:pod-template-hash": {}, "f:stage": {}, "f:team": {}}, "f:ownerReferences": {".": {}, format!("k:{{\"uid\":\"{owner}\"}}"): {}}},
            "f:spec": {"f:affinity": {".": {}, "f:podAntiAffinity": {".": {}, "f:preferredDuringSchedulingIgnoredDuringExecution": {}}}, "f:containers": containers, "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {".": {}, "f:fsGroup": {}, "f:runAsNonRoot": {}, "f:runAsUser": {}}, "f:serviceAccount": {}, "f:serviceAccountName": {}, "f:terminationGracePeriodSeconds": {}, "f:volumes": {}}}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T08:15:34Z", "fieldsType": "FieldsV1", "subresource": "status", "fieldsV1": {
            "f:status": {"f:conditions": conditions, "f:containerStatuses": {}, "f:hostIP": {}, "f:hostIPs": {}, "f:observedGeneration": {}, "f:phase": {}, "f:podIP": {}, "f:podIPs": {}, "f:startTime": {}}}},
    ])
}
