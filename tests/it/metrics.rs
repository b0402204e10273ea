//! What nodes and pods use: asked for while somebody looks, and never else; clusters that do not say it are left alone.

use crate::embedded::Embedded;
use crate::support::{Home, until};
use kokpit::cluster::hub::{Hub, HubOptions};
use kokpit::cluster::kubeconfig::Context;
use kokpit::sim::server::{Deny, Faults};
use kokpit::world::fleet::{ClusterId, Feed, Fleet, Link};
use kokpit::world::metrics::{Metrics, Of, Wanted};
use kokpit::world::object::ResourceId;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const A: ClusterId = ClusterId(0);
const OF_PODS: &str = "pods.metrics.k8s.io";
const OF_NODES: &str = "nodes.metrics.k8s.io";

/// A hub in front of one cluster.
struct Asker {
    hub: Hub,
    fleet: Arc<Mutex<Fleet>>,
    _runtime: tokio::runtime::Runtime,
}

impl Asker {
    fn of(cluster: &Embedded) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut context = Context::for_server("a", &cluster.url());
        context.request_timeout = Duration::from_secs(5);
        let fleet = Arc::new(Mutex::new(Fleet::new(["a".to_string()])));
        let into = fleet.clone();
        let sink = Arc::new(move |id, delta| into.lock().unwrap_or_else(PoisonError::into_inner).apply(id, delta));
        let options = HubOptions {
            heartbeat: Duration::from_millis(100),
            metrics: Duration::from_millis(50),
            ..HubOptions::default()
        };
        let hub = Hub::new(vec![context], options, runtime.handle().clone(), sink);
        hub.open(A);
        let asker = Self { hub, fleet, _runtime: runtime };
        let fleet = asker.fleet.clone();
        until("a live cluster", || (fleet.lock().unwrap().shard(A).link == Link::Live).then_some(()));
        asker
    }

    fn wait<T>(&self, what: &str, seen: impl Fn(&Metrics) -> Option<T>) -> T {
        until(what, || seen(&self.fleet.lock().unwrap().shard(A).metrics))
    }
}

fn all() -> Wanted {
    Wanted { nodes: true, pods: Some(vec![]) }
}

fn pods_run(cluster: &Embedded) {
    until("two running pods", || {
        let pods = cluster.store.list(&ResourceId::core("pods"), Some("shop"));
        let runs = |pod: &&Arc<serde_json::Value>| pod.pointer("/status/containerStatuses/0/state/running").is_some();
        (pods.iter().filter(runs).count() >= 2).then_some(())
    });
}

#[test]
fn it_is_asked_while_somebody_looks_and_never_else() {
    let cluster = Embedded::measured();
    pods_run(&cluster);
    let asker = Asker::of(&cluster);
    assert_eq!((cluster.listed(OF_PODS), cluster.listed(OF_NODES)), (0, 0));
    asker.hub.measure(A, Wanted { nodes: true, pods: None });
    asker.wait("the nodes", |metrics| metrics.of_node("n1").map(|node| assert!(node.now().cpu > 0)));
    assert_eq!(cluster.listed(OF_PODS), 0, "nobody looks at pods");
    asker.hub.measure(A, all());
    asker.wait("the pods", |metrics| (metrics.pods().count() == 2).then_some(()));
    let asked = cluster.listed(OF_PODS);
    until("more of it", || (cluster.listed(OF_PODS) > asked + 2).then_some(()));
    // Of the namespaces in view only.
    asker.hub.measure(A, Wanted { nodes: false, pods: Some(vec!["default".into()]) });
    asker.wait("no pods", |metrics| (metrics.pods().count() == 0).then_some(()));
    let nodes = cluster.listed(OF_NODES);
    asker.hub.measure(A, Wanted::default());
    // What is under way may still come; then nothing does.
    let settled = until("silence", || {
        let before = cluster.listed(OF_PODS);
        std::thread::park_timeout(Duration::from_millis(500));
        (cluster.listed(OF_PODS) == before).then_some(before)
    });
    assert_eq!((cluster.listed(OF_PODS), cluster.listed(OF_NODES)), (settled, nodes));
}

#[test]
fn a_cluster_without_it_is_not_asked() {
    let cluster = Embedded::shop();
    let asker = Asker::of(&cluster);
    asker.hub.measure(A, all());
    let why = asker.wait("why there is nothing", |metrics| match (metrics.feed(Of::Nodes), metrics.feed(Of::Pods)) {
        (Feed::Unknown(_), Feed::Unknown(why)) => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("has no metrics API"), "{why}");
    assert_eq!((cluster.listed(OF_PODS), cluster.listed(OF_NODES)), (0, 0));
}

#[test]
fn one_that_does_not_answer_is_told_and_comes_back() {
    let cluster = Embedded::measured();
    pods_run(&cluster);
    let asker = Asker::of(&cluster);
    cluster.faults(Faults { broken_api: Some("metrics.k8s.io/v1beta1".into()), ..Faults::default() });
    asker.hub.measure(A, all());
    asker.wait("its silence", |metrics| matches!(metrics.feed(Of::Pods), Feed::Stale { .. }).then_some(()));
    cluster.faults(Faults::default());
    asker.wait("the pods", |metrics| {
        (metrics.pods().count() == 2 && *metrics.feed(Of::Pods) == Feed::Live).then_some(())
    });
}

#[test]
fn where_only_namespaces_may_be_read_they_are() {
    let cluster = Embedded::measured();
    pods_run(&cluster);
    let deny = vec![Deny::cluster_wide("list", OF_PODS), Deny::new("list", OF_NODES)];
    cluster.faults(Faults { deny, ..Faults::default() });
    let asker = Asker::of(&cluster);
    asker.hub.measure(A, all());
    asker.wait("the pods", |metrics| (metrics.pods().count() == 2).then_some(()));
    let denied = asker.wait("what is denied", |metrics| match metrics.feed(Of::Nodes) {
        Feed::Denied(why) => Some(why.clone()),
        _ => None,
    });
    assert!(denied.contains("cannot list resource \"nodes\" in API group \"metrics.k8s.io\""), "{denied}");
    assert!(asker.wait("pods", |metrics| Some(*metrics.feed(Of::Pods) == Feed::Live)));
}

/// A pod that runs on n1, with annotations for what it uses.
fn hungry(name: &str, cpu: &str, memory: &str) -> serde_json::Value {
    let amounts = json!({"cpu": "200m", "memory": "512Mi"});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "annotations": {"sim.kokpit.dev/cpu": cpu, "sim.kokpit.dev/working-set": memory}},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "a:1", "resources": {"requests": amounts, "limits": amounts},
            "ports": [{"containerPort": 8080}], "readinessProbe": {"httpGet": {"path": "/", "port": 8081}}}]}})
}

#[test]
fn tables_show_what_is_used_and_sort_by_it() {
    let (home, cluster) = (Home::new(), Embedded::measured());
    home.kubeconfig(&[("prod", &cluster.url())]);
    cluster.store.create(&ResourceId::core("pods"), hungry("hungry", "190m", "256Mi")).expect("a pod");
    pods_run(&cluster);
    let mut tui = home.tui_sized(&[], 120, 30);
    tui.send(":nodes\r").wait("%CPU");
    tui.wait_for("what n1 uses", |screen| {
        let text = screen.contents();
        text.lines().any(|line| line.contains("n1 ") && line.contains("m ") && line.contains("Mi"))
    });
    assert_eq!(cluster.listed(OF_PODS), 0, "the table of nodes does not show what pods use");
    // 190 of 200 thousandths, 256 of 512 Mi.
    tui.send(":pods shop\r").wait("hungry");
    tui.ctrl('w').wait_for("the percents", |screen| {
        let text = screen.contents();
        let titles = text.lines().any(|line| line.contains("%CPU/L") && line.contains("%MEM/L"));
        titles && text.lines().any(|line| line.contains("hungry") && line.contains(" 95 ") && line.contains(" 256Mi "))
    });
    tui.send("C").wait_for("the hungriest first", |screen| {
        let text = screen.contents();
        let at = |name: &str| text.lines().skip(2).position(|line| line.contains(name));
        matches!((at("hungry"), at("web-")), (Some(first), Some(second)) if first < second)
    });
    tui.quit();
}

#[test]
fn a_cluster_without_it_says_so_once_and_quietly() {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("prod", &cluster.url())]);
    pods_run(&cluster);
    let mut tui = home.tui_sized(&[], 120, 30);
    // Who does not ask is not told: there are no such columns.
    tui.send(":pods shop\r").wait("big");
    assert!(!tui.text().contains("CPU"), "{}", tui.text());
    tui.ctrl('w').wait("n/a");
    tui.wait("CPU and memory in use are not shown: the cluster has no metrics API");
    // One key, and it is gone from the bottom line; the notices have it once.
    tui.send("C").send(":notices\r").wait("notices");
    tui.wait("has no metrics API");
    assert_eq!(tui.text().matches("no metrics API").count(), 1, "{}", tui.text());
    tui.quit();
}

#[test]
fn memory_at_its_limit_is_found_where_the_cluster_says_it() {
    let (home, cluster) = (Home::new(), Embedded::measured());
    home.kubeconfig(&[("prod", &cluster.url())]);
    cluster.store.create(&ResourceId::core("pods"), hungry("full", "10m", "505Mi")).expect("a pod");
    cluster.store.create(&ResourceId::core("pods"), hungry("roomy", "10m", "300Mi")).expect("a pod");
    let why = |name: &str| home.run(&["why", &format!("pod/{name}"), "-n", "shop", "-o", "json"]).out;
    until("the cause", || why("full").contains("memory-thrash-at-limit").then_some(()));
    let (full, roomy) = (why("full"), why("roomy"));
    assert!(full.contains("505Mi") && full.contains("512Mi"), "{full}");
    assert!(!roomy.contains("memory-thrash-at-limit") && roomy.contains("Running"), "{roomy}");
}
