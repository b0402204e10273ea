//! The demo: its incidents show, a commit cures each, nodes can be emptied, live edits are healed.

use kokpit::app::operate::{self, Options, Site};
use kokpit::cluster::api::Api;
use kokpit::config::{self, Paths};
use kokpit::effect::Intent;
use kokpit::msg::OperationStatus;
use kokpit::sim::argo;
use kokpit::sim::demo::{self, Demo, fleet};
use kokpit::sim::store::Store;
use kokpit::workflows::edit;
use kokpit::world::object::{ObjectRef, ResourceId, bool_at, int_at, list_at, name, str_at};
use kokpit::world::quantity::Amounts;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far more than anything here needs; the tests share the machine.
const LIMIT: Duration = Duration::from_secs(90);

struct World {
    demo: Demo,
    dir: TempDir,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("kokpit-demo-").tempdir().unwrap();
        Self { demo: demo::start(dir.path()).await.unwrap(), dir }
    }

    fn store(&self, cluster: &str) -> &Store {
        self.demo.store(cluster).unwrap()
    }

    fn deployment(&self, cluster: &str, ns: &str, wanted: &str) -> Value {
        let found = self.store(cluster).get(&ResourceId::new("apps", "deployments"), ns, wanted);
        found.map(|d| (*d).clone()).unwrap_or_default()
    }

    fn pods(&self, cluster: &str, ns: &str, app: &str) -> Vec<Arc<Value>> {
        let all = self.store(cluster).list(&ResourceId::core("pods"), Some(ns));
        all.into_iter().filter(|p| str_at(p, "/metadata/labels/app") == app).collect()
    }

    fn app(&self, cluster: &str, wanted: &str) -> Value {
        self.store(cluster).get(&argo::applications(), "argocd", wanted).map(|a| (*a).clone()).unwrap_or_default()
    }

    /// `Synced/Healthy`
    fn state(&self, cluster: &str, wanted: &str) -> String {
        let app = self.app(cluster, wanted);
        format!("{}/{}", str_at(&app, "/status/sync/status"), str_at(&app, "/status/health/status"))
    }

    /// What the scheduler says of every pod of an application.
    fn verdicts(&self, cluster: &str, ns: &str, app: &str) -> Vec<String> {
        let scheduled = |p: &Value| {
            let all = list_at(p, "/status/conditions").iter();
            all.filter(|c| str_at(c, "/type") == "PodScheduled").map(|c| str_at(c, "/message").to_string()).next()
        };
        self.pods(cluster, ns, app).iter().filter_map(|p| scheduled(p)).collect()
    }

    /// Commits an edit of one file, as a person would: clone, change, push; then asks for a refresh.
    fn commit(&self, path: &str, from: &str, to: &str) {
        let clone = self.dir.path().join("clone");
        if !clone.exists() {
            self.git(&["clone", "-q", &self.demo.repo_url, "clone"], self.dir.path());
        }
        self.git(&["pull", "-q", "--ff-only"], &clone);
        let file = clone.join(path);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
        self.git(&["commit", "-q", "-a", "-m", "cure"], &clone);
        self.git(&["push", "-q"], &clone);
    }

    fn git(&self, arguments: &[&str], at: &std::path::Path) {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").current_dir(at);
        let done = git.args(["-c", "user.name=T", "-c", "user.email=t@example.com"]).args(arguments).output().unwrap();
        assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn done(&self, title: &str) -> bool {
        self.demo.tutorial.progress().iter().any(|s| s.title.starts_with(title) && s.done)
    }

    fn slice(&self, cluster: &str, ns: &str, service: &str) -> Value {
        let all = self.store(cluster).list(&ResourceId::new("discovery.k8s.io", "endpointslices"), Some(ns));
        let mine = |s: &&Arc<Value>| s["metadata"]["labels"]["kubernetes.io/service-name"] == *service;
        all.iter().find(mine).map(|s| (**s).clone()).unwrap_or_default()
    }

    fn cordon(&self, cluster: &str, node: &str, yes: bool) {
        let change = |n: &mut Value| n["spec"]["unschedulable"] = json!(yes);
        self.store(cluster).modify(&ResourceId::core("nodes"), "", node, change).unwrap();
    }

    /// Asks the API server to evict a pod; the status code of its answer.
    async fn evict(&self, cluster: &str, pod: &Value) -> u16 {
        let server = self.demo.clusters.iter().find(|c| c.name == cluster).unwrap();
        let (ns, own) = (str_at(pod, "/metadata/namespace"), name(pod));
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": own, "namespace": ns}})
            .to_string();
        let path = format!("/api/v1/namespaces/{ns}/pods/{own}/eviction");
        let address = server.server.url.trim_start_matches("http://").to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap()
    }
}

/// Waits for a condition over the stores; `show` is printed when it never comes.
async fn wait(what: &str, ready: impl Fn() -> bool, show: impl Fn() -> String) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < LIMIT, "never: {what}\n{}", show());
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn ready(deployment: &Value) -> bool {
    let wanted = int_at(deployment, "/spec/replicas");
    let current = int_at(deployment, "/status/observedGeneration") == int_at(deployment, "/metadata/generation");
    let counts = ["updatedReplicas", "availableReplicas", "replicas"];
    wanted.is_some() && current && counts.iter().all(|k| int_at(deployment, &format!("/status/{k}")) == wanted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_incidents_and_five_commits_that_cure_them() {
    let w = World::start().await;
    let (eu, us) = ("prod-eu", "prod-us");

    // The symptoms, word for word.
    let full = "0/4 nodes are available: 4 Insufficient memory. no new claims to deallocate, preemption: 0/4 nodes are available: 4 No preemption victims found for incoming pod.";
    let recommender = || w.verdicts(us, "ml", "recommender");
    wait("recommender finds no memory", || recommender() == [full, full], || format!("{:?}", recommender())).await;
    let taint = "0/5 nodes are available: 2 node(s) had untolerated taint(s), 3 Insufficient memory.";
    let reports = || w.verdicts(eu, "analytics", "reports");
    wait(
        "reports meets the taint",
        || reports().len() == 2 && reports().iter().all(|v| v.starts_with(taint)),
        || format!("{:?}", reports()),
    )
    .await;
    let selector = "0/5 nodes are available: 2 node(s) had untolerated taint(s), 3 node(s) didn't match Pod's node affinity/selector.";
    let search = || w.verdicts(eu, "search", "search");
    wait(
        "search finds no such node",
        || search().len() == 2 && search().iter().all(|v| v.starts_with(selector)),
        || format!("{:?}", search()),
    )
    .await;
    let cart = || w.slice(eu, "shop", "cart");
    wait(
        "cart runs behind a Service without endpoints",
        || {
            ready(&w.deployment(eu, "shop", "cart"))
                && cart()["endpoints"].is_null()
                && cart()["kind"] == "EndpointSlice"
        },
        || cart().to_string(),
    )
    .await;
    wait("payments is edited", || w.state(us, "payments") == "OutOfSync/Healthy", || w.app(us, "payments").to_string())
        .await;
    let edited = w.deployment(us, "payments", "payments");
    let writers: Vec<&str> =
        list_at(&edited, "/metadata/managedFields").iter().map(|e| str_at(e, "/manager")).collect();
    assert!(writers.contains(&"kubectl-edit") && writers.contains(&argo::MANAGER), "{writers:?}");

    // Everything else is well.
    for app in fleet::apps() {
        let sick = ["recommender", "reports", "search", "payments"].contains(&app.name);
        if !sick {
            let what = format!("{} {} is well", app.cluster, app.name);
            wait(
                &what,
                || w.state(app.cluster, app.name) == "Synced/Healthy",
                || w.app(app.cluster, app.name).to_string(),
            )
            .await;
        }
    }
    assert!(w.demo.tutorial.progress().iter().all(|s| !s.done), "{:?}", w.demo.tutorial.progress());

    // The cures.
    w.commit("apps/prod-us/recommender/deployment.yaml", "memory: 7Gi", "memory: 2Gi");
    w.commit(
        "apps/prod-eu/reports/deployment.yaml",
        "    spec:\n",
        "    spec:\n      tolerations:\n        - key: dedicated\n          value: db\n",
    );
    w.commit("apps/prod-eu/search/deployment.yaml", "disktype: nvme", "disktype: ssd");
    w.commit("apps/prod-eu/cart/service.yaml", "app: cart2", "app: cart");
    w.commit(
        "apps/prod-us/payments/deployment.yaml",
        "    memory: 512Mi\n            limits:\n              memory: 512Mi",
        "    memory: 512Mi\n            limits:\n              memory: 1Gi",
    );
    for (cluster, ns, app) in [(us, "ml", "recommender"), (eu, "analytics", "reports"), (eu, "search", "search")] {
        wait(
            &format!("{app} runs"),
            || ready(&w.deployment(cluster, ns, app)) && w.state(cluster, app) == "Synced/Healthy",
            || w.app(cluster, app).to_string(),
        )
        .await;
    }
    let on: Vec<String> =
        w.pods(eu, "analytics", "reports").iter().map(|p| str_at(p, "/spec/nodeName").to_string()).collect();
    assert!(on.iter().all(|n| n == "n4" || n == "n5"), "{on:?}");
    wait("cart has endpoints", || list_at(&cart(), "/endpoints").len() == 3, || cart().to_string()).await;
    wait("payments is synced", || w.state(us, "payments") == "Synced/Healthy", || w.app(us, "payments").to_string())
        .await;
    let limit = |d: &Value| str_at(d, "/spec/template/spec/containers/0/resources/limits/memory").to_string();
    assert_eq!(limit(&w.deployment(us, "payments", "payments")), "1Gi", "the commit kept the edit");
    for step in ["Pending: no node has", "Pending: a taint", "Pending: no node of", "503", "Drift"] {
        wait(step, || w.done(step), || format!("{:?}", w.demo.tutorial.progress())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_emptied_as_budgets_allow_and_pods_come_back() {
    let w = World::start().await;
    let us = "prod-us";
    let web = || w.deployment(us, "shop", "web");
    wait("web runs", || ready(&web()), || web().to_string()).await;

    // A cordon brings its taint; a pod that is deleted is replaced, elsewhere.
    let first = w.pods(us, "shop", "web").remove(0);
    let node = str_at(&first, "/spec/nodeName").to_string();
    w.cordon(us, &node, true);
    let taint = || {
        w.store(us)
            .get(&ResourceId::core("nodes"), "", &node)
            .map(|n| n["spec"]["taints"].to_string())
            .unwrap_or_default()
    };
    wait("the taint of a cordon", || taint().contains("node.kubernetes.io/unschedulable"), taint).await;
    wait("the budget of web is known", || budget(&w, us, "web") == Some(1), || format!("{:?}", budget(&w, us, "web")))
        .await;
    assert!(w.done("Cordon a node"));

    // The first eviction is granted, the second has to wait until its replacement is ready.
    let pods = w.pods(us, "shop", "web");
    assert_eq!(w.evict(us, &pods[0]).await, 201);
    assert_eq!(w.evict(us, &pods[1]).await, 429, "minAvailable: 2 of 3");
    let fresh = || {
        let now = w.pods(us, "shop", "web");
        now.len() == 3 && ready(&web()) && now.iter().all(|p| name(p) != name(&pods[0]))
    };
    wait("an evicted pod is replaced", fresh, || web().to_string()).await;
    let newest = w.pods(us, "shop", "web").into_iter().find(|p| pods.iter().all(|old| name(old) != name(p))).unwrap();
    assert_ne!(str_at(&newest, "/spec/nodeName"), node, "not on the cordoned node");
    wait("the next may go", || budget(&w, us, "web") == Some(1), || format!("{:?}", budget(&w, us, "web"))).await;
    assert_eq!(w.evict(us, &pods[1]).await, 201);

    w.cordon(us, &node, false);
    wait("the taint goes", || !taint().contains("unschedulable"), taint).await;
    assert!(w.done("And take it back"));
}

/// An operation of kokpit itself against one of the demo's clusters, confirmed at once.
async fn operate(w: &World, cluster: &str, intent: Intent) {
    let server = w.demo.clusters.iter().find(|c| c.name == cluster).unwrap();
    let client = kube::Client::try_from(kube::Config::new(server.server.url.parse().unwrap())).unwrap();
    let paths = Paths::below(w.dir.path());
    let file = paths.config_file();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let url = &w.demo.repo_url;
    let text = format!(
        "[[repository]]\nname = \"fleet\"\nurl = \"{url}\"\nbranch = \"main\"\nauthor = \"T <t@example.com>\"\n\n[[cluster]]\ncontext = \"*\"\nrepository = \"fleet\"\n"
    );
    std::fs::write(file, text).unwrap();
    let loaded = config::load(&paths.config_file());
    assert_eq!(loaded.problems, vec![]);
    let clock = kokpit::app::clock;
    let api = Api::new(client, Duration::from_secs(10));
    let site = Site { api, cluster: cluster.into(), config: loaded.config, paths, clock };
    let plan = operate::plan(&site, &intent, &Options::default()).await.unwrap();
    let done = operate::run(&site, &plan, |_| {}).await.unwrap();
    assert_eq!(done.status, OperationStatus::Done, "{:?}", done.steps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_operation_on_request_and_limit_makes_pending_pods_run() {
    let w = World::start().await;
    for (cluster, ns, name, amount) in
        [("prod-us", "ml", "recommender", "2Gi"), ("prod-eu", "analytics", "reports", "1Gi")]
    {
        let pending = || w.verdicts(cluster, ns, name).len() == 2;
        wait(&format!("{name} waits"), pending, || format!("{:?}", w.verdicts(cluster, ns, name))).await;
        let memory = Amounts { cpu: None, memory: Some(amount.into()) };
        let object = ObjectRef::new("apps", "Deployment", ns, name);
        let reason = "as before the model grew".to_string();
        let container = String::new();
        operate(&w, cluster, Intent::Resources { object, container, requests: memory.clone(), limits: memory, reason })
            .await;
        wait(
            &format!("{name} runs"),
            || ready(&w.deployment(cluster, ns, name)) && w.state(cluster, name) == "Synced/Healthy",
            || format!("{}\n{:?}", w.deployment(cluster, ns, name), w.pods(cluster, ns, name)),
        )
        .await;
        let resources =
            w.deployment(cluster, ns, name)["spec"]["template"]["spec"]["containers"][0]["resources"].take();
        assert_eq!(
            (&resources["requests"]["memory"], &resources["limits"]["memory"]),
            (&json!(amount), &json!(amount))
        );
    }
}

/// What an edit in the editor comes to: `change` on the live object as it is offered.
async fn edited(w: &World, cluster: &str, path: String, live: Value, change: impl Fn(&mut Value)) {
    let before = edit::editable(&live);
    let mut after = before.clone();
    change(&mut after);
    let file = w.dir.path().join("edited.yaml");
    std::fs::write(&file, "the text").unwrap();
    let object = ObjectRef::of(&before);
    let (before, after) = (Arc::new(before), Arc::new(after));
    operate(w, cluster, Intent::Edit { object, path, before, after, file: file.clone() }).await;
    assert!(!file.exists(), "the plan has everything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_committed_where_argo_tracks_and_live_where_nothing_does() {
    let w = World::start().await;
    let us = "prod-us";
    let checkout = || w.deployment(us, "shop", "checkout");
    wait("checkout runs", || ready(&checkout()), || checkout().to_string()).await;
    let path = "/apis/apps/v1/namespaces/shop/deployments/checkout".to_string();
    edited(&w, us, path, checkout(), |d| d["spec"]["replicas"] = json!(3)).await;
    assert_eq!(int_at(&checkout(), "/spec/replicas"), Some(3));
    let log = Command::new("git")
        .args(["-C", w.demo.repo_url.trim_start_matches("file://"), "log", "-1", "--format=%s", "main"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&log.stdout).trim().to_string();
    assert_eq!(said, "ops(edit): deployment/shop/checkout replicas 3");

    // A ConfigMap of nobody: live, with a journaled operation.
    let id = ResourceId::core("configmaps");
    let own = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "namespace": "shop"},
        "data": {"mode": "slow", "old": "x"}});
    w.store(us).create(&id, own).unwrap();
    let live = || w.store(us).get(&id, "shop", "own").map(|c| (*c).clone()).unwrap();
    edited(&w, us, "/api/v1/namespaces/shop/configmaps/own".into(), live(), |c| c["data"] = json!({"mode": "fast"}))
        .await;
    assert_eq!(live()["data"], json!({"mode": "fast"}));
}

fn budget(w: &World, cluster: &str, wanted: &str) -> Option<i64> {
    let found = w.store(cluster).get(&ResourceId::new("policy", "poddisruptionbudgets"), "shop", wanted)?;
    int_at(&found, "/status/disruptionsAllowed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_healed_and_idle_clusters_are_idle() {
    let w = World::start().await;
    let us = "prod-us";
    let scale = |n: i64| {
        let change = |d: &mut Value| d["spec"]["replicas"] = json!(n);
        w.store(us).modify(&ResourceId::new("apps", "deployments"), "shop", "checkout", change).unwrap();
    };
    let checkout = || w.deployment(us, "shop", "checkout");
    wait(
        "checkout runs",
        || ready(&checkout()) && w.state(us, "checkout") == "Synced/Healthy",
        || w.app(us, "checkout").to_string(),
    )
    .await;
    scale(5);
    wait("the scale is undone", || int_at(&checkout(), "/spec/replicas") == Some(2), || checkout().to_string()).await;
    wait(
        "and told",
        || int_at(&w.app(us, "checkout"), "/status/operationState/operation/sync/autoHealAttemptsCount") == Some(1),
        || w.app(us, "checkout").to_string(),
    )
    .await;

    // Refresh is answered by its disappearance.
    let refresh = |a: &mut Value| a["metadata"]["annotations"] = json!({argo::REFRESH: "normal"});
    w.store(us).modify(&argo::applications(), "argocd", "checkout", refresh).unwrap();
    wait(
        "the refresh annotation goes",
        || !w.app(us, "checkout").to_string().contains("argoproj.io/refresh"),
        || w.app(us, "checkout").to_string(),
    )
    .await;

    // Once everything has settled, only leases are written.
    wait(
        "all pods of shop run",
        || {
            w.store(us)
                .list(&ResourceId::core("pods"), Some("shop"))
                .iter()
                .all(|p| str_at(p, "/status/phase") == "Running" && !bool_at(p, "/metadata/deletionTimestamp"))
        },
        String::new,
    )
    .await;
    wait("payments is edited", || w.state(us, "payments") == "OutOfSync/Healthy", || w.app(us, "payments").to_string())
        .await;
    let quiet = || async {
        let before = w.store(us).version();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let events = w.store(us).events_since(before).unwrap();
        events.iter().map(|e| e.id.to_string()).filter(|id| id != "leases.coordination.k8s.io").collect::<Vec<_>>()
    };
    let start = Instant::now();
    loop {
        let written = quiet().await;
        if written.is_empty() {
            break;
        }
        assert!(start.elapsed() < LIMIT, "still writing {written:?}");
    }
}
