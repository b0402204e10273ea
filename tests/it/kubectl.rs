//! A real `kubectl` works against the embedded API server. Skipped, and said so, where it is not installed.

use kokpit::sim::controllers;
use kokpit::sim::kubeconfig::{self, Context};
use kokpit::sim::server::{Options, Server};
use kokpit::sim::store::{Store, builtin_kinds};
use kokpit::world::object::ResourceId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LIMIT: Duration = Duration::from_secs(60);

/// A cluster of two nodes with its controllers, and a kubeconfig for it.
struct World {
    server: Server,
    config: PathBuf,
    _dir: TempDir,
    _runtime: Runtime,
}

/// What a run of `kubectl` said.
#[derive(Debug)]
struct Said {
    ok: bool,
    out: String,
    err: String,
}

fn installed() -> bool {
    let found =
        Command::new("kubectl").args(["version", "--client"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: kubectl is not installed here");
    }
    there
}

fn node(name: &str) -> Value {
    let room = json!({"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"});
    json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {}, "status": {
        "capacity": room, "allocatable": room, "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
                        "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "nodeInfo": {"kubeletVersion": "v1.36.2", "osImage": "Linux", "kernelVersion": "6.12", "architecture": "amd64",
                     "containerRuntimeVersion": "containerd://2.1", "machineID": "", "systemUUID": "", "bootID": "",
                     "kubeProxyVersion": "", "operatingSystem": "linux"}}})
}

impl World {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = Store::new(builtin_kinds());
        for name in ["n1", "n2"] {
            store.create(&ResourceId::core("nodes"), node(name)).unwrap();
        }
        for name in ["default", "kube-system", "shop"] {
            store.create(&ResourceId::core("namespaces"), json!({"metadata": {"name": name}})).unwrap();
        }
        let files = BTreeMap::from([("/etc/app/config".to_string(), "port=8080\n".to_string())]);
        let options = Options { files, metrics: true, ..Options::default() };
        let server = runtime.block_on(Server::start(store.clone(), options)).unwrap();
        runtime.spawn(controllers::run(store));
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("kubeconfig");
        kubeconfig::write(&config, &[Context::new("east", &server.url)]).unwrap();
        Self { server, config, _dir: dir, _runtime: runtime }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(args).env("KUBECONFIG", &self.config).env("HOME", self._dir.path()).env("NO_COLOR", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str], stdin: &str) -> Said {
        let mut child = self.command(args).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let out = std::thread::spawn(move || read_all(&mut out));
        let err = std::thread::spawn(move || read_all(&mut err));
        let ok = wait(&mut child, args);
        Said { ok, out: out.join().unwrap(), err: err.join().unwrap() }
    }

    /// Runs `kubectl`, which must succeed.
    fn kubectl(&self, args: &[&str]) -> String {
        self.fed(args, "")
    }

    fn fed(&self, args: &[&str], stdin: &str) -> String {
        let said = self.run(args, stdin);
        assert!(said.ok, "kubectl {args:?} failed:\n{}\n{}", said.out, said.err);
        said.out
    }

    /// A deployment that has come up.
    fn with_web(self, replicas: usize) -> Self {
        self.fed(&["apply", "-f", "-"], &deployment(replicas).to_string());
        self.kubectl(&["rollout", "status", "deployment/web", "-n", "shop", "--timeout=50s"]);
        self
    }

    fn pods(&self) -> Vec<String> {
        let names = self.kubectl(&["get", "pods", "-n", "shop", "-o", "name"]);
        names.lines().map(|line| line.trim_start_matches("pod/").to_string()).collect()
    }
}

fn read_all(from: &mut impl Read) -> String {
    let mut text = Vec::new();
    let _ = from.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn wait(child: &mut Child, what: &[&str]) -> bool {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.success();
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            panic!("kubectl {what:?} did not end");
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn deployment(replicas: usize) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "web", "image": "registry.example.com/web:1.0", "env": [{"name": "GREETING", "value": "hello"}],
             "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]}}}})
}

#[test]
fn reads() {
    if !installed() {
        return;
    }
    let world = World::start().with_web(2);
    let pods = world.kubectl(&["get", "pods", "-A", "-o", "wide"]);
    assert!(pods.lines().next().unwrap().contains("NOMINATED NODE"), "{pods}");
    assert_eq!(pods.matches("Running").count(), 2, "{pods}");
    let nodes = world.kubectl(&["get", "no", "-o", "wide"]);
    assert!(nodes.contains("containerd://2.1") && nodes.contains("6.12 (amd64)"), "{nodes}");
    let all = world.kubectl(&["get", "all", "-n", "shop"]);
    assert!(all.contains("deployment.apps/web") && all.contains("replicaset.apps/web-"), "{all}");
    let pod = &world.pods()[0];
    let described = world.kubectl(&["describe", "pod", pod, "-n", "shop"]);
    assert!(
        described.contains("registry.example.com/web:1.0") && described.contains("GREETING:  hello"),
        "{described}"
    );
    let described = world.kubectl(&["describe", "node", "n1"]);
    assert!(described.contains("Allocated resources"), "{described}");
    let described = world.kubectl(&["describe", "deployment", "web", "-n", "shop"]);
    assert!(described.contains("RollingUpdateStrategy:  25% max unavailable"), "{described}");
    let resources = world.kubectl(&["api-resources"]);
    assert!(resources.contains("applications") && resources.contains("deploy "), "{resources}");
    let gone = world.run(&["get", "pod", "nothere", "-n", "shop"], "");
    assert_eq!(gone.err.trim(), "Error from server (NotFound): pods \"nothere\" not found");
    let labelled = world.kubectl(&[
        "get",
        "pods",
        "-n",
        "shop",
        "-l",
        "app=web",
        "--field-selector",
        "status.phase=Running",
        "-o",
        "name",
    ]);
    assert_eq!(labelled.lines().count(), 2);
    let paged = world.kubectl(&["get", "pods", "-A", "--chunk-size=1", "-o", "name"]);
    assert_eq!(paged.lines().count(), 2);
}

#[test]
fn top() {
    if !installed() {
        return;
    }
    let world = World::start().with_web(2);
    let nodes = world.kubectl(&["top", "nodes"]);
    assert!(nodes.lines().nth(1).is_some_and(|line| line.starts_with("n1 ") && line.contains('%')), "{nodes}");
    let pods = world.kubectl(&["top", "pods", "-n", "shop", "-l", "app=web", "--containers"]);
    assert_eq!(
        pods.lines().filter(|line| line.starts_with("web-") && line.trim_end().ends_with("Mi")).count(),
        2,
        "{pods}"
    );
    let table = world.kubectl(&["get", "pods.metrics.k8s.io", "-n", "shop"]);
    assert!(table.starts_with("NAME") && table.contains("CPU") && table.lines().count() == 3, "{table}");
    let one = world.pods().remove(0);
    let one = world.kubectl(&["get", "--raw", &format!("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods/{one}")]);
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!((&one["kind"], &one["window"]), (&json!("PodMetrics"), &json!("15s")));
    let gone = world.run(&["get", "pods.metrics.k8s.io", "nobody", "-n", "shop"], "");
    assert!(!gone.ok && gone.err.contains("NotFound"), "{}", gone.err);
}

#[test]
fn writes() {
    if !installed() {
        return;
    }
    let world = World::start().with_web(1);
    let get =
        |path: &str| world.kubectl(&["get", "deployment", "web", "-n", "shop", "-o", &format!("jsonpath={{{path}}}")]);
    let mut changed = deployment(1);
    changed["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "LOUD", "value": "1"}]);
    assert!(world.fed(&["apply", "-f", "-"], &changed.to_string()).contains("configured"));
    assert_eq!(get(".spec.template.spec.containers[0].env[*].name"), "LOUD", "an applied removal removes");
    assert!(world.fed(&["apply", "-f", "-"], &changed.to_string()).contains("unchanged"));
    world.kubectl(&["scale", "deployment/web", "-n", "shop", "--replicas=3"]);
    assert_eq!(get(".spec.replicas"), "3");
    world.kubectl(&["set", "image", "deployment/web", "-n", "shop", "web=registry.example.com/web:1.1"]);
    world.kubectl(&["rollout", "status", "deployment/web", "-n", "shop", "--timeout=50s"]);
    for (kind, patch) in [
        (
            "strategic",
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"registry.example.com/web:1.2"}]}}}}"#,
        ),
        ("merge", r#"{"metadata":{"annotations":{"note":"two"}}}"#),
        ("json", r#"[{"op":"replace","path":"/spec/replicas","value":2}]"#),
    ] {
        world.kubectl(&["patch", "deployment", "web", "-n", "shop", "--type", kind, "-p", patch]);
    }
    assert_eq!(get(".spec.replicas"), "2");
    assert_eq!(get(".metadata.annotations.note"), "two");
    assert_eq!(get(".spec.template.spec.containers[*].image"), "registry.example.com/web:1.2");
    world.kubectl(&["label", "deployment", "web", "-n", "shop", "team=blue"]);
    assert_eq!(get(".metadata.labels.team"), "blue");

    let map = |value: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"}, "data": {"k": value}}).to_string()
    };
    world.fed(&["apply", "--server-side", "--field-manager=one", "-f", "-"], &map("1"));
    let refused = world.run(&["apply", "--server-side", "--field-manager=two", "-f", "-"], &map("2"));
    assert!(!refused.ok && refused.err.contains("conflict with \"one\": .data.k"), "{refused:?}");
    world.fed(&["apply", "--server-side", "--force-conflicts", "--field-manager=two", "-f", "-"], &map("2"));
    let wrong = world.run(&["apply", "-f", "-"], &deployment(1).to_string().replace("\"env\"", "\"envi\""));
    assert!(!wrong.ok && wrong.err.contains("envi"), "{wrong:?}");
    let dry = deployment(9).to_string();
    world.fed(&["apply", "--dry-run=server", "-f", "-"], &dry);
    assert_eq!(get(".spec.replicas"), "2", "a dry run changes nothing");
    world.kubectl(&["delete", "deployment", "web", "-n", "shop", "--timeout=50s"]);
    world.kubectl(&["wait", "--for=delete", "pod", "-l", "app=web", "-n", "shop", "--timeout=50s"]);
}

#[test]
fn cordon_and_drain_with_a_budget() {
    if !installed() {
        return;
    }
    let world = World::start().with_web(2);
    world.kubectl(&["cordon", "n1"]);
    assert!(world.kubectl(&["get", "node", "n1"]).contains("Ready,SchedulingDisabled"));
    world.kubectl(&["uncordon", "n1"]);
    assert!(!world.kubectl(&["get", "node", "n1"]).contains("SchedulingDisabled"));

    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": "shop"},
                        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}});
    world.fed(&["apply", "-f", "-"], &budget.to_string());
    world.kubectl(&["wait", "pdb/web", "-n", "shop", "--for=jsonpath={.status.currentHealthy}=2", "--timeout=50s"]);
    let pod = world.pods()[0].clone();
    let node = world.kubectl(&["get", "pod", &pod, "-n", "shop", "-o", "jsonpath={.spec.nodeName}"]);
    let refused = world.run(&["drain", &node, "--ignore-daemonsets", "--timeout=3s"], "");
    assert!(!refused.ok && refused.err.contains("violate the pod's disruption budget"), "{refused:?}");
    world.kubectl(&["patch", "pdb", "web", "-n", "shop", "--type=merge", "-p", r#"{"spec":{"minAvailable":1}}"#]);
    world.kubectl(&["drain", &node, "--ignore-daemonsets", "--timeout=50s"]);
    let left = world.kubectl(&[
        "get",
        "pods",
        "-n",
        "shop",
        "-o",
        "name",
        "--field-selector",
        &format!("spec.nodeName={node}"),
    ]);
    assert_eq!(left, "", "nothing is left on {node}");
}

#[test]
fn watches() {
    if !installed() {
        return;
    }
    let world = World::start();
    let mut child = world.command(&["get", "configmaps", "-n", "shop", "-w", "--output-watch-events"]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "first", "namespace": "shop"}, "data": {"a": "b"}});
    world.fed(&["apply", "-f", "-"], &first.to_string());
    let seen = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for line in lines.map_while(Result::ok) {
            let over = line.starts_with("DELETED");
            seen.push(line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
            if over {
                break;
            }
        }
        seen
    });
    world.kubectl(&["label", "configmap", "first", "-n", "shop", "x=y"]);
    let start = Instant::now();
    while world.server.stats().count("watch", "configmaps") == 0 {
        assert!(start.elapsed() < LIMIT, "kubectl never watched");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    world.kubectl(&["delete", "configmap", "first", "-n", "shop"]);
    let seen = seen.join().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(seen.last().map(String::as_str), Some("DELETED first"), "{seen:?}");
}

#[test]
fn logs_and_exec() {
    if !installed() {
        return;
    }
    let world = World::start().with_web(1);
    let pod = world.pods()[0].clone();
    let now = world.server.store().now();
    world.server.logs().append("shop", &pod, "web", now, "listening on :8080\nready");
    assert_eq!(world.kubectl(&["logs", &pod, "-n", "shop"]), "listening on :8080\nready\n");
    assert_eq!(world.kubectl(&["logs", "deployment/web", "-n", "shop", "--tail=1"]), "ready\n");
    let before = world.run(&["logs", &pod, "-n", "shop", "--previous"], "");
    assert!(before.err.contains("previous terminated container \"web\""), "{before:?}");

    let mut follower = world.command(&["logs", "-f", &pod, "-n", "shop"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "listening on :8080");
    world.server.logs().append("shop", &pod, "web", now, "one more");
    assert_eq!(lines.nth(1).unwrap().unwrap(), "one more");
    let _ = follower.kill();
    let _ = follower.wait();

    assert_eq!(world.kubectl(&["exec", &pod, "-n", "shop", "--", "echo", "hi"]), "hi\n");
    assert_eq!(world.kubectl(&["exec", &pod, "-n", "shop", "--", "cat", "/etc/app/config"]), "port=8080\n");
    assert_eq!(world.fed(&["exec", "-i", &pod, "-n", "shop", "--", "sh"], "hostname\nexit 0\n"), format!("{pod}\n"));
    let ended = world.run(&["exec", &pod, "-n", "shop", "--", "sh", "-c", "exit 7"], "");
    assert!(!ended.ok && ended.err.contains("exit code 7"), "{ended:?}");
    let missing = world.run(&["exec", &pod, "-n", "shop", "--", "vim"], "");
    assert!(!missing.ok && missing.err.contains("executable file not found"), "{missing:?}");
}
