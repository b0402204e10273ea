//! What is in a demo cluster that does not come from the repository: nodes, classes, the platform's own workloads, and
//! the Applications.

use super::fleet::{App, apps};
use crate::sim::argo;
use crate::sim::argo::sync::namespace;
use crate::sim::store::{Failure, Store};
use crate::world::object::ResourceId;
use crate::world::time::Time;
use serde_json::{Value, json};

const NAMESPACES: [&str; 5] = ["default", "kube-system", "kube-node-lease", "ingress-nginx", "argocd"];

/// Fills a store with one of the clusters.
///
/// # Errors
/// When the store refuses an object.
pub fn fill(store: &Store, cluster: &str, repo_url: &str) -> Result<(), Failure> {
    let apps: Vec<App> = apps().into_iter().filter(|a| a.cluster == cluster).collect();
    let mut names: Vec<&str> = NAMESPACES.into_iter().chain(apps.iter().map(|a| a.namespace)).collect();
    names.sort_unstable();
    names.dedup();
    for own in names {
        store.create(&ResourceId::core("namespaces"), namespace(own))?;
    }
    for node in nodes(cluster, store.now()) {
        store.create(&ResourceId::core("nodes"), node)?;
    }
    for (group, plural, object) in platform() {
        store.create(&ResourceId::new(group, plural), object)?;
    }
    for app in &apps {
        store.create(&argo::applications(), application(app, repo_url))?;
    }
    Ok(())
}

/// Three general nodes and two for databases in `prod-eu`, four general ones in `prod-us`.
fn nodes(cluster: &str, now: Time) -> Vec<Value> {
    let (zones, count) = match cluster {
        "prod-eu" => (["eu-1a", "eu-1b", "eu-1c"], 5),
        _ => (["us-1a", "us-1b", "us-1c"], 4),
    };
    let node = |i: usize| {
        let database = cluster == "prod-eu" && i >= 3;
        let own = format!("n{}", i + 1);
        let (cpu, memory) = if database { ("8", "32Gi") } else { ("4", "7680Mi") };
        let address = format!("10.0.{}.{}", if cluster == "prod-eu" { 1 } else { 2 }, i + 11);
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": own, "labels": {
                "kubernetes.io/hostname": own, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": zones[i % 3], "disktype": "ssd", "pool": if database { "db" } else { "general" },
            }},
            "spec": {"providerID": format!("demo://{cluster}/{own}")},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": own}],
                "capacity": {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "100Gi"},
                "allocatable": {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "100Gi"},
                "conditions": conditions(now),
                "nodeInfo": {
                    "kubeletVersion": "v1.36.2", "kubeProxyVersion": "", "osImage": "Debian GNU/Linux 13 (trixie)",
                    "kernelVersion": "6.12.41", "containerRuntimeVersion": "containerd://2.1.4", "architecture": "amd64",
                    "operatingSystem": "linux", "bootID": format!("boot-{own}"), "machineID": own, "systemUUID": own,
                },
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            },
        });
        if database {
            node["spec"]["taints"] = json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]);
        }
        node
    };
    (0..count).map(node).collect()
}

fn conditions(now: Time) -> Value {
    let one = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now.rfc3339(), "lastTransitionTime": now.rfc3339()})
    };
    json!([
        one("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        one("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        one("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        one("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ])
}

/// Group, plural and object of everything that the platform brings along.
fn platform() -> Vec<(&'static str, &'static str, Value)> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "csi.demo.example", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    });
    let ingress_class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "nginx", "labels": {"app.kubernetes.io/name": "ingress-nginx"}},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    });
    let front = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress-nginx", "labels": {"app.kubernetes.io/name": "ingress-nginx"}},
        "spec": {"type": "LoadBalancer", "selector": {"app.kubernetes.io/name": "ingress-nginx"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"},
                      {"name": "https", "port": 443, "targetPort": "https", "nodePort": 30443, "protocol": "TCP"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    });
    let dns = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "selector": {"app.kubernetes.io/name": "coredns"},
            "ports": [{"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]},
    });
    let nginx_args =
        json!(["/nginx-ingress-controller", "--ingress-class=nginx", "--controller-class=k8s.io/ingress-nginx"]);
    let nginx_ports = json!([{"name": "http", "containerPort": 80}, {"name": "https", "containerPort": 443}]);
    let mut nginx = workload(
        "Deployment",
        "ingress-nginx",
        "ingress-nginx-controller",
        "ingress-nginx",
        "registry.k8s.io/ingress-nginx/controller:v1.15.1",
        2,
    );
    nginx["spec"]["template"]["spec"]["containers"][0]["args"] = nginx_args;
    nginx["spec"]["template"]["spec"]["containers"][0]["ports"] = nginx_ports;
    let mut all = vec![
        ("storage.k8s.io", "storageclasses", class),
        ("networking.k8s.io", "ingressclasses", ingress_class),
        ("", "services", front),
        ("", "services", dns),
        ("apps", "deployments", nginx),
        (
            "apps",
            "deployments",
            workload("Deployment", "kube-system", "coredns", "coredns", "registry.k8s.io/coredns/coredns:v1.12.4", 2),
        ),
        (
            "apps",
            "deployments",
            workload(
                "Deployment",
                "kube-system",
                "metrics-server",
                "metrics-server",
                "registry.k8s.io/metrics-server/metrics-server:v0.8.0",
                1,
            ),
        ),
        (
            "apps",
            "statefulsets",
            workload(
                "StatefulSet",
                "argocd",
                "argocd-application-controller",
                "argocd-application-controller",
                "quay.io/argoproj/argocd:v3.6.0",
                1,
            ),
        ),
    ];
    for (own, image) in [
        ("argocd-repo-server", "quay.io/argoproj/argocd:v3.6.0"),
        ("argocd-server", "quay.io/argoproj/argocd:v3.6.0"),
        ("argocd-redis", "docker.io/library/redis:8.2.1"),
    ] {
        all.push(("apps", "deployments", workload("Deployment", "argocd", own, own, image, 1)));
    }
    all
}

fn workload(kind: &str, ns: &str, own: &str, label: &str, image: &str, replicas: u32) -> Value {
    let labels = json!({ "app.kubernetes.io/name": label });
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": own, "namespace": ns, "labels": labels},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{
                "name": own, "image": image, "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
            }]}},
        },
    });
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = json!(own);
    }
    object
}

fn application(app: &App, repo_url: &str) -> Value {
    let mut automated = json!({"prune": true});
    if app.self_heal {
        automated["selfHeal"] = json!(true);
    }
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": app.name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": repo_url, "path": app.path(), "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": app.namespace},
            "syncPolicy": {"automated": automated},
        },
    })
}
