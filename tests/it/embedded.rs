//! An embedded cluster of the tests: an API server on loopback with controllers, that can die and come back.

use kokpit::sim::controllers;
use kokpit::sim::server::{Faults, Options, Server, Stats};
use kokpit::sim::store::{DeleteOptions, Store, builtin_kinds};
use kokpit::sim::subresources::disk::Disk;
use kokpit::sim::subresources::logs::LogBook;
use kokpit::world::object::ResourceId;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A cluster of three nodes with a shop on it; gone when dropped.
pub struct Embedded {
    runtime: Runtime,
    /// The objects.
    pub store: Store,
    server: Option<Server>,
    options: Options,
}

impl Embedded {
    /// Starts the shop: nodes n1 to n3 (n3 tainted for databases), Deployment `web` with two pods, and `big`, which fits
    /// nowhere.
    pub fn shop() -> Self {
        Self::with(Faults::default())
    }

    /// As [`Embedded::shop`], with what goes wrong from the start.
    pub fn with(faults: Faults) -> Self {
        Self::serving(Options { faults, ..Options::default() })
    }

    /// As [`Embedded::shop`], and it says what nodes and pods use.
    pub fn measured() -> Self {
        Self::serving(Options { metrics: true, ..Options::default() })
    }

    fn serving(options: Options) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let store = Store::new(builtin_kinds());
        for (id, object) in objects() {
            store.create(&id, object).expect("the object is valid");
        }
        runtime.spawn(controllers::run(store.clone()));
        let mut cluster = Self { runtime, store, server: None, options };
        cluster.start();
        cluster.options.port = cluster.server.as_ref().map_or(0, Server::port);
        cluster
    }

    /// Runs the stand-in for Argo CD beside it.
    pub fn argo(&self) {
        self.runtime.spawn(kokpit::sim::argo::run(self.store.clone()));
    }

    /// Serves (again), at the same address.
    pub fn start(&mut self) {
        // (A server that was stopped just now takes a moment to let go of its port.)
        let start = || self.runtime.block_on(Server::start(self.store.clone(), self.options.clone())).ok();
        self.server = Some(crate::support::until("the port free", start));
    }

    /// Dies: every connection breaks, nobody listens any more.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Changes what goes wrong.
    pub fn faults(&self, faults: Faults) {
        self.server.as_ref().expect("a running server").set_faults(|now| *now = faults);
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.options.port)
    }

    /// An object.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.store.get(&ResourceId::core(plural), namespace, name)
    }

    /// What was asked of the server that runs now.
    pub fn stats(&self) -> Stats {
        self.server.as_ref().map(Server::stats).unwrap_or_default()
    }

    /// How often a resource was listed.
    pub fn listed(&self, resource: &str) -> u64 {
        self.server.as_ref().map_or(0, |server| server.stats().count("list", resource))
    }

    /// How many requests asked to change something.
    pub fn writes(&self) -> u64 {
        let changes = |verb: &str| ["create", "update", "patch", "delete", "deletecollection"].contains(&verb);
        let asked = self.server.as_ref().map(|server| server.stats().requests).unwrap_or_default();
        asked.iter().filter(|((verb, _), _)| changes(verb)).map(|(_, count)| count).sum()
    }

    /// Makes an object of the core group.
    pub fn create(&self, plural: &str, object: Value) {
        self.store.create(&ResourceId::core(plural), object).expect("the object is valid");
    }

    /// Deletes a pod of namespace `shop` at once.
    pub fn delete_pod(&self, name: &str) {
        let id = ResourceId::core("pods");
        self.store.delete(&id, "shop", name, &DeleteOptions::now()).expect("it can be deleted");
    }

    /// The logs of its containers.
    pub fn logs(&self) -> &LogBook {
        &self.options.logs
    }

    /// What was written into its containers.
    pub fn disk(&self) -> &Disk {
        &self.options.disk
    }

    /// Whether a node takes no new pods.
    pub fn cordoned(&self, node: &str) -> bool {
        self.get("nodes", "", node).is_some_and(|node| node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)))
    }

    /// Names of the pods of namespace `shop`.
    pub fn pods(&self) -> Vec<String> {
        let list = self.store.list(&ResourceId::core("pods"), Some("shop"));
        list.iter().map(|pod| kokpit::world::object::name(pod).to_string()).collect()
    }
}

fn objects() -> Vec<(ResourceId, Value)> {
    let core = ResourceId::core;
    let mut list = Vec::new();
    for name in ["default", "kube-system", "kube-node-lease", "shop"] {
        list.push((core("namespaces"), json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})));
    }
    list.extend(["n1", "n2", "n3"].map(|name| (core("nodes"), node(name))));
    list.push((ResourceId::new("apps", "deployments"), web()));
    let container = json!({"name": "app", "image": "big:1", "resources": {"requests": {"cpu": "64"}}});
    let big = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big", "namespace": "shop"}, "spec": {"containers": [container]}});
    list.push((core("pods"), big));
    list
}

fn node(name: &str) -> Value {
    let amounts = json!({"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"});
    let taints =
        if name == "n3" { json!([{"key": "dedicated", "value": "db", "effect": "NoSchedule"}]) } else { json!([]) };
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {"taints": taints}, "status": {"capacity": amounts, "allocatable": amounts, "nodeInfo": {"kubeletVersion": "v1.36.2"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}})
}

fn web() -> Value {
    let labels = json!({"app": "web"});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": "web:1", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}})
}
