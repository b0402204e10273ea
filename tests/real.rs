//! What people do most, against a server that is not ours: browse, follow, why, the same with few rights, logs, a shell, a
//! port-forward, scale, edit, delete, cordon with a commit, drain with a PodDisruptionBudget.
//!
//! `KOKPIT_TEST_KUBECONFIG=FILE cargo test --test real -- --ignored`; docs/testing.md says what it does to the cluster.

#[path = "it/support.rs"]
mod support;

use kokpit::cluster::api::{Api, MERGE_PATCH};
use kokpit::cluster::{connect, kubeconfig};
use kokpit::diagnose::scheduling::message;
use kokpit::world::object::{bool_at, list_at, name, str_at};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::{Home, Ran, Served, until};
use tokio::runtime::Runtime;

/// Where the pods of the tests come from; any image whose program keeps running.
const IMAGE: &str = "registry.k8s.io/pause:3.10";
/// A server of HTTP that says so in its log and has a shell.
const SERVER: &str = "registry.k8s.io/e2e-test-images/agnhost:2.47";
/// A user without any rights but those that the test gives.
const NOBODY: &str = "kokpit-test-nobody";

/// The cluster under test, and a namespace of our own that is deleted at the end.
struct Cluster {
    runtime: Runtime,
    api: Api,
    kubeconfig: PathBuf,
    namespace: String,
    /// The node that is cordoned and drained.
    node: String,
}

impl Cluster {
    fn open() -> Self {
        let kubeconfig: PathBuf = std::env::var_os("KOKPIT_TEST_KUBECONFIG")
            .expect("set KOKPIT_TEST_KUBECONFIG to the kubeconfig of a cluster that may be disturbed")
            .into();
        let kubeconfig = std::fs::canonicalize(&kubeconfig).expect("KOKPIT_TEST_KUBECONFIG names a file");
        let runtime = Runtime::new().expect("a runtime");
        let flags = kubeconfig::Flags { kubeconfig: Some(kubeconfig.clone()), ..Default::default() };
        let loaded = kubeconfig::load(&flags).expect("the kubeconfig can be read");
        let context = loaded.contexts[loaded.current.expect("the kubeconfig has a current context")].clone();
        let credentials = Arc::new(connect::credentials(&context));
        let timeout = Duration::from_secs(20);
        let connection = runtime
            .block_on(connect::connect(&context, &credentials, &Default::default(), timeout))
            .expect("a connection");
        let api = Api::new(connection.client, timeout);
        let namespace = format!("kokpit-test-{}", std::process::id());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        runtime.block_on(api.post("/api/v1/namespaces", &object)).expect("a namespace can be made");
        // No pod may be made before a controller has made the account that it runs under.
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
        until("the namespace's service account", || runtime.block_on(api.get(&account)).ok());
        let mut cluster = Self { runtime, api, kubeconfig, namespace, node: String::new() };
        cluster.node = cluster.pick_node();
        cluster
    }

    /// `KOKPIT_TEST_NODE`, or the last node that is ready, takes pods, and is not a control plane.
    fn pick_node(&self) -> String {
        if let Ok(node) = std::env::var("KOKPIT_TEST_NODE") {
            return node;
        }
        let nodes = self.get("/api/v1/nodes");
        let mut usable = list_at(&nodes, "/items").iter().filter(|node| {
            let ready = list_at(node, "/status/conditions")
                .iter()
                .any(|c| str_at(c, "/type") == "Ready" && str_at(c, "/status") == "True");
            ready && !bool_at(node, "/spec/unschedulable") && list_at(node, "/spec/taints").is_empty()
        });
        name(usable.next_back().expect("a ready node without taints; or set KOKPIT_TEST_NODE")).to_string()
    }

    fn get(&self, path: &str) -> Value {
        self.runtime.block_on(self.api.get(path)).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    fn make(&self, plural: &str, group: &str, object: &Value) {
        let path = format!("/{group}/namespaces/{}/{plural}", self.namespace);
        self.runtime.block_on(self.api.post(&path, object)).unwrap_or_else(|e| panic!("POST {path}: {e}"));
    }

    fn delete(&self, path: &str) {
        let gone = self.runtime.block_on(self.api.send(http::Method::DELETE, path, "", vec![]));
        gone.unwrap_or_else(|e| panic!("DELETE {path}: {e}"));
    }

    fn cordoned(&self) -> bool {
        bool_at(&self.get(&format!("/api/v1/nodes/{}", self.node)), "/spec/unschedulable")
    }

    /// The pods of our Deployment as (name, node).
    fn pods(&self) -> Vec<(String, String)> {
        let list = self.get(&format!("/api/v1/namespaces/{}/pods?labelSelector=app%3Dguarded", self.namespace));
        let pods = list_at(&list, "/items").iter().filter(|pod| str_at(pod, "/status/phase") == "Running");
        pods.map(|pod| (name(pod).to_string(), str_at(pod, "/spec/nodeName").to_string())).collect()
    }

    /// Runs kokpit against the cluster.
    fn kokpit(&self, home: &Home, args: &[&str]) -> Ran {
        let file = self.kubeconfig.to_string_lossy().into_owned();
        home.run(&[args, &["--kubeconfig", &file]].concat())
    }
}

/// Whatever happens, the node takes pods again and the namespace goes.
impl Drop for Cluster {
    fn drop(&mut self) {
        let node = format!("/api/v1/nodes/{}", self.node);
        let _ = self.runtime.block_on(self.api.patch(&node, MERGE_PATCH, &json!({"spec": {"unschedulable": null}})));
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let _ = self.runtime.block_on(self.api.send(http::Method::DELETE, &path, "", vec![]));
    }
}

/// A pod that no node can take.
fn giant() -> Value {
    let mut pod = small("giant");
    pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "5000"}});
    pod
}

fn small(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": IMAGE}]}})
}

/// The right to read pods and events of the namespace, given to nobody else.
fn reader() -> (Value, Value) {
    let group = "rbac.authorization.k8s.io";
    let rules = json!([{"apiGroups": [""], "resources": ["pods", "events"], "verbs": ["get", "list", "watch"]}]);
    let role =
        json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": {"name": "reader"}, "rules": rules});
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": NOBODY}]});
    (role, binding)
}

/// A Deployment of one pod that may run on the node alone, and a budget that does not let it go.
fn guarded(node: &str) -> (Value, Value) {
    let labels = json!({"app": "guarded"});
    let here = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [node]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}}});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "guarded"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"affinity": affinity, "terminationGracePeriodSeconds": 1, "containers": [{"name": "app", "image": IMAGE}]}}}});
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "guarded"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}});
    (deployment, budget)
}

fn commits(home: &Home, repository: &Path) -> String {
    home.git(repository, &["log", "--format=%an: %s%n%b", "main"])
}

/// One test, because each part leaves the cluster to the next.
#[test]
#[ignore = "needs a cluster: KOKPIT_TEST_KUBECONFIG=FILE cargo test --test real -- --ignored"]
fn the_spine_on_a_real_cluster() {
    let cluster = Cluster::open();
    let mut home = Home::new();
    home.set("KUBE_EDITOR", "sed -i s/blue/green/");
    browse(&cluster, &home);
    follow(&cluster, &home);
    why(&cluster, &home);
    few_rights(&cluster, &home);
    go_inside(&cluster, &home);
    change(&cluster, &home);
    let repository = home.repository("fleet", &[("README.md", "The fleet\n")]);
    cordon(&cluster, &home, &repository);
    drain(&cluster, &home, &repository);
}

fn browse(cluster: &Cluster, home: &Home) {
    let file = cluster.kubeconfig.to_string_lossy().into_owned();
    let mut tui = home.tui_sized(&["--kubeconfig", &file, "-A"], 140, 40);
    tui.wait("fleet");
    tui.send(":nodes\r").wait(&cluster.node);
    tui.send(":pods kube-system\r").wait("kube-system");
    let system = cluster.get("/api/v1/namespaces/kube-system/pods");
    let pod = name(list_at(&system, "/items").first().expect("kube-system has pods")).to_string();
    tui.send(&format!("/{pod}\r")).wait(&format!("▸{pod}"));
    tui.send("d").wait("Containers");
    tui.send("\u{1b}").send("y").wait("apiVersion: v1");
    tui.quit();
    tui.assert_restored();
}

/// What appears and goes is on the screen without a key.
fn follow(cluster: &Cluster, home: &Home) {
    let file = cluster.kubeconfig.to_string_lossy().into_owned();
    let mut tui = home.tui_sized(&["--kubeconfig", &file, "-n", &cluster.namespace], 140, 40);
    tui.send(":pods\r").wait("no pods in");
    cluster.make("pods", "api/v1", &small("passing"));
    tui.wait("passing");
    cluster.delete(&format!("/api/v1/namespaces/{}/pods/passing", cluster.namespace));
    tui.wait_gone("passing");
    tui.quit();
}

fn why(cluster: &Cluster, home: &Home) {
    cluster.make("pods", "api/v1", &giant());
    let pod = format!("/api/v1/namespaces/{}/pods/giant", cluster.namespace);
    let said = until("the scheduler's verdict", || {
        let pod = cluster.get(&pod);
        let refused = list_at(&pod, "/status/conditions").iter().find(|c| str_at(c, "/status") == "False")?;
        Some(str_at(refused, "/message").to_string())
    });
    let ran = cluster.kokpit(home, &["why", "pod/giant", "-n", &cluster.namespace]);
    assert_eq!(ran.code, Some(1), "something was found: {}{}", ran.out, ran.err);
    assert!(ran.out.contains("cpu"), "the resource that is short is named:\n{}", ran.out);
    assert!(ran.out.contains(&cluster.node), "every node is judged:\n{}", ran.out);
    let ran = cluster.kokpit(home, &["why", "pod/giant", "-n", &cluster.namespace, "-o", "json"]);
    let verdict: Value = serde_json::from_str(&ran.out).expect("one document");
    let ours = str_at(&verdict, "/scheduling/message");
    assert!(message::agrees(ours, &said), "ours:          {ours}\nthe scheduler: {said}");
}

/// With the rights of a namespace alone, the scheduler's words are all there is; impersonated, so that the server judges.
fn few_rights(cluster: &Cluster, home: &Home) {
    let (role, binding) = reader();
    cluster.make("roles", "apis/rbac.authorization.k8s.io/v1", &role);
    cluster.make("rolebindings", "apis/rbac.authorization.k8s.io/v1", &binding);
    let args = ["why", "pod/giant", "-n", &cluster.namespace, "--as", NOBODY];
    let ran = until("the rights to be in force", || {
        let ran = cluster.kokpit(home, &args);
        (!ran.out.contains("could not be read")).then_some(ran)
    });
    assert!(ran.out.contains("scheduler-refuses") && ran.out.contains("cpu"), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("Not readable") && ran.out.contains("nodes is forbidden"), "{}", ran.out);
    let file = cluster.kubeconfig.to_string_lossy().into_owned();
    let args = ["--kubeconfig", &file, "-n", &cluster.namespace, "--as", NOBODY];
    let mut tui = home.tui_sized(&args, 140, 40);
    tui.send(":pods\r").wait("giant");
    tui.send(":nodes\r").wait("you may not list nodes");
    tui.quit();
}

/// A Deployment of one server on port 8080.
fn server() -> Value {
    let labels = json!({"app": "server"});
    let container = json!({"name": "app", "image": SERVER, "args": ["netexec", "--http-port=8080"],
        "ports": [{"name": "http", "containerPort": 8080}]});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "server"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}}})
}

/// The log of a container, a shell in it, and a local port that leads to it.
fn go_inside(cluster: &Cluster, home: &Home) {
    cluster.make("deployments", "apis/apps/v1", &server());
    let file = cluster.kubeconfig.to_string_lossy().into_owned();
    let place = ["--kubeconfig", &file, "-n", &cluster.namespace];
    let mut tui = home.tui_sized(&place, 140, 40);
    tui.send(":pods /server-\r").wait_within(Duration::from_secs(180), "the server", |screen| {
        let text = screen.contents();
        text.contains("server-") && text.contains("Running") && text.contains("1/1")
    });
    tui.send("d").wait("Containers");
    tui.send("\u{1b}").wait("▸server-");
    tui.send("l").wait("Started HTTP server on port 8080");
    tui.send("\u{1b}").wait("▸server-");
    tui.send("s").wait("exit or Ctrl-D leaves it");
    // What is typed before a shell listens is lost.
    until("an answer from the shell", || {
        tui.send("echo in-$((40+2))\r");
        std::thread::park_timeout(Duration::from_millis(200));
        tui.text().contains("in-42").then_some(())
    });
    tui.send("exit\r").wait("ended");
    tui.quit();
    tui.assert_restored();
    let args = [&["port-forward", "deploy/server", ":http"], &place[..]].concat();
    let forward = Served::start(home.command(support::kokpit(), &args), |line| line.contains(" -> "));
    let line = forward.lines.last().expect("a line").clone();
    let local = line.split(" -> ").next().and_then(|local| local.rsplit_once(':')).expect("a local port").1.to_string();
    let answer = until("an answer through the forward", || get(&format!("127.0.0.1:{local}"), "/hostname"));
    assert!(answer.contains(" 200 "), "{answer}");
}

/// The head of what answers to one request.
fn get(address: &str, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(socket, "GET {path} HTTP/1.0\r\nhost: here\r\n\r\n").ok()?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// Scaled, edited, deleted: each shown first, done, and on record.
fn change(cluster: &Cluster, home: &Home) {
    let ns = &cluster.namespace;
    let ran = cluster
        .kokpit(home, &["scale", "deployment/server", "--replicas", "2", "-n", ns, "--reason", "a test", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let deployment = cluster.get(&format!("/apis/apps/v1/namespaces/{ns}/deployments/server"));
    assert_eq!(deployment.pointer("/spec/replicas"), Some(&json!(2)));
    let settings =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "blue"}});
    cluster.make("configmaps", "api/v1", &settings);
    let path = format!("/api/v1/namespaces/{ns}/configmaps/settings");
    let file = cluster.kubeconfig.to_string_lossy().into_owned();
    let mut tui = home.tui_sized(&["--kubeconfig", &file, "-n", ns], 140, 40);
    tui.send(":configmaps /settings\r").wait("▸settings");
    tui.send("e").wait("green");
    assert_eq!(cluster.get(&path).pointer("/data/colour"), Some(&json!("blue")), "nothing happens before it was shown");
    tui.send("\t\r");
    until("the edit", || (cluster.get(&path).pointer("/data/colour")? == "green").then_some(()));
    tui.wait("done");
    tui.quit();
    let ran = cluster.kokpit(home, &["delete", "cm/settings", "-n", ns, "--reason", "a test", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    until("the ConfigMap gone", || cluster.runtime.block_on(cluster.api.get(&path)).is_err().then_some(()));
    let ran = cluster.kokpit(home, &["ops"]);
    assert!(["scale", "edit", "delete"].iter().all(|done| ran.out.contains(done)), "all are on record:\n{}", ran.out);
}

fn cordon(cluster: &Cluster, home: &Home, repository: &Path) {
    let url = repository.to_string_lossy().into_owned();
    let ran = cluster.kokpit(home, &["cordon", &cluster.node, "--reason", "a test of kokpit", "--yes", "--repo", &url]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(cluster.cordoned(), "the node is cordoned on the cluster");
    let log = commits(home, repository);
    assert!(log.contains(&cluster.node) && log.contains("a test of kokpit"), "the commit says what and why:\n{log}");
    let ran = cluster.kokpit(home, &["uncordon", &cluster.node, "--reason", "the test is over", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(!cluster.cordoned(), "the node takes pods again");
    let ran = cluster.kokpit(home, &["ops"]);
    assert!(ran.out.contains("cordon") && ran.out.contains("uncordon"), "both are on record:\n{}", ran.out);
}

fn drain(cluster: &Cluster, home: &Home, repository: &Path) {
    let (deployment, budget) = guarded(&cluster.node);
    cluster.make("deployments", "apis/apps/v1", &deployment);
    cluster.make("poddisruptionbudgets", "apis/policy/v1", &budget);
    let here = || cluster.pods().into_iter().find(|(_, node)| *node == cluster.node);
    let (pod, _) = until("the guarded pod on the node", here);
    let base = [
        "drain",
        &cluster.node,
        "--reason",
        "a test of kokpit",
        "--yes",
        "--force",
        "--delete-emptydir-data",
        "--last-of-zone",
        "--last-control-plane",
    ];
    let ran = cluster.kokpit(home, &[&base[..], &["--timeout", "10s"]].concat());
    let said = format!("{}{}", ran.out, ran.err);
    assert_ne!(ran.code, Some(0), "the budget blocks the drain:\n{said}");
    assert!(said.contains("guarded"), "what blocks is named:\n{said}");
    assert!(cluster.pods().iter().any(|(name, _)| *name == pod), "the guarded pod was not evicted");
    let path = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets/guarded", cluster.namespace);
    let looser = json!({"spec": {"minAvailable": 0}});
    cluster.runtime.block_on(cluster.api.patch(&path, MERGE_PATCH, &looser)).expect("the budget can be changed");
    until("a budget that allows it", || {
        (cluster.get(&path).pointer("/status/disruptionsAllowed")?.as_i64()? > 0).then_some(())
    });
    let ran = cluster.kokpit(home, &[&base[..], &["--timeout", "120s"]].concat());
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    until("the pod gone from the node", || here().is_none().then_some(()));
    assert!(cluster.cordoned(), "a drained node stays cordoned");
    let log = commits(home, repository);
    let cordons = log.matches(&format!(": cordon {} ", cluster.node)).count();
    assert!(cordons >= 2, "the cordon of the drain is a commit of its own:\n{log}");
    let ran = cluster.kokpit(home, &["uncordon", &cluster.node, "--reason", "the test is over", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
}
