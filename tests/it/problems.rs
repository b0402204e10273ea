//! What is wrong is found in the background: on the start screen of the real binary, and by `kokpit why` without an
//! argument.

use crate::embedded::Embedded;
use crate::recordings;
use crate::support::{Home, Ran, Tui, kokpit, until};
use kokpit::sim::demo::{self, Demo};
use kokpit::sim::server::{Deny, Faults};
use kokpit::world::object::ResourceId;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Far more than it takes; the tests share the machine.
const LONG: Duration = Duration::from_secs(150);

/// The demo in a directory of a home.
struct Stage {
    home: Home,
    demo: Demo,
    _runtime: Runtime,
}

fn demo_in_a_home() -> Stage {
    let home = Home::new();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let dir = home.path("demo");
    std::fs::create_dir_all(&dir).expect("a directory");
    let demo = runtime.block_on(demo::start(&dir)).expect("the demo starts");
    let urls: Vec<(&str, &str)> = demo.clusters.iter().map(|c| (c.name, c.server.url.as_str())).collect();
    home.kubeconfig(&urls);
    Stage { home, demo, _runtime: runtime }
}

impl Stage {
    /// Commits a cure as a person would.
    fn cure(&self, path: &str, from: &str, to: &str) {
        let text = self.home.git(&self.demo.repo, &["show", &format!("main:{path}")]);
        assert!(text.contains(from), "{path} has no {from}");
        self.home.commit(&self.demo.repo, path, &text.replace(from, to), "Cure");
    }
}

/// The line of the list (below the bar) that holds every one of these words.
fn line(screen: &str, words: &[&str]) -> Option<String> {
    let found = screen.lines().skip(2).find(|line| words.iter().all(|word| line.contains(word)));
    found.map(str::to_string)
}

fn wait_line(tui: &Tui, words: &[&str]) {
    tui.wait_within(LONG, &format!("{words:?}"), |screen| line(&screen.contents(), words).is_some());
}

fn document(ran: &Ran) -> Value {
    let value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
    recordings::holds("problems", &value);
    value
}

fn causes(document: &Value) -> Vec<&str> {
    document["problems"].as_array().into_iter().flatten().filter_map(|p| p["cause"].as_str()).collect()
}

#[test]
fn the_demos_incidents_are_on_the_start_screen_with_their_causes_until_they_are_cured() {
    let stage = demo_in_a_home();
    let mut tui = stage.home.tui_sized(&["--all-contexts"], 170, 40);
    for words in [
        ["S1", "shop.example.com/cart answers 503", "prod-eu", "app=cart2, which matches no pod"],
        ["S1", "2 pods Pending", "prod-us ml/recommender", "7Gi memory"],
        ["S1", "2 pods Pending", "prod-eu search/search", "disktype=nvme"],
        ["S1", "2 pods Pending", "prod-eu analytics/reports", "dedicated=db"],
        ["S2", "application payments OutOfSync", "prod-us", "kubectl-edit"],
    ] {
        wait_line(&tui, &words);
    }
    // Nothing else is wrong, and the bar and the column WHY say the same.
    let screen = tui.text();
    assert!(screen.contains("! 5 problems: 2 pods Pending (") || screen.contains("! 5 problems: shop"), "{screen}");
    tui.send(":pods analytics @prod-eu\r").wait("taint-untolerated (2 alike)");
    tui.send("\u{1b}");
    stage.cure("apps/prod-eu/cart/service.yaml", "app: cart2", "app: cart");
    stage.cure("apps/prod-eu/search/deployment.yaml", "disktype: nvme", "disktype: ssd");
    tui.wait_within(LONG, "the cured ones gone", |screen| {
        let text = screen.contents();
        !text.contains("answers 503") && !text.contains("disktype=nvme") && text.contains("recommender")
    });
    // Enter on a problem opens why.
    tui.send(":problems\r").wait("WHERE");
    tui.send("\r").wait("Changed before:");
    tui.quit();
}

#[test]
fn one_dead_cluster_of_three_slows_no_other() {
    let (home, a, b) = (Home::new(), Embedded::shop(), Embedded::shop());
    let mut dead = Embedded::shop();
    let url = dead.url();
    dead.stop();
    home.kubeconfig(&[("one", &a.url()), ("dead", &url), ("two", &b.url())]);
    let mut tui = home.tui_sized(&["--all-contexts"], 150, 30);
    // The same pod in both: one problem in two clusters.
    wait_line(&tui, &["S1", "2 pods Pending", "one, two shop/big", "64 cpu"]);
    assert!(tui.text().contains("dead unreachable"), "{}", tui.text());
    a.delete_pod("big");
    wait_line(&tui, &["S1", "pod big Pending", "two shop/big"]);
    tui.quit();
    let ran = home.run(&["why", "--all-contexts", "-o", "json"]);
    let told = document(&ran);
    assert_eq!((ran.code, told["unreadable"][0]["cluster"].as_str()), (Some(1), Some("dead")), "{told}");
    assert_eq!(told["problems"][0]["clusters"], json!(["two"]), "{told}");
    b.delete_pod("big");
    let ran = home.run(&["why", "--all-contexts"]);
    assert_eq!(ran.code, Some(2), "{}", ran.out);
    assert!(ran.out.contains("nothing is wrong with what could be read"), "{}", ran.out);
    assert_eq!(home.run(&["why", "--context", "one"]).code, Some(0));
}

#[test]
fn what_may_not_be_read_is_said() {
    let home = Home::new();
    let deny = vec![Deny::new("*", "nodes"), Deny::new("*", "persistentvolumeclaims")];
    let cluster = Embedded::with(Faults { deny, ..Faults::default() });
    home.kubeconfig(&[("closed", &cluster.url())]);
    let mut tui = home.tui_sized(&[], 150, 30);
    wait_line(&tui, &["pod big Pending", "closed shop/big"]);
    tui.wait("partly denied");
    tui.quit();
    let ran = home.run(&["why", "-o", "json"]);
    let told = document(&ran);
    let holes: Vec<&str> =
        told["unreadable"].as_array().into_iter().flatten().filter_map(|hole| hole["resource"].as_str()).collect();
    assert_eq!((ran.code, holes), (Some(1), vec!["nodes", "persistentvolumeclaims"]), "{told}");
    assert_ne!(told["problems"][0]["confidence"], json!("certain"), "{told}");
}

#[test]
fn the_list_is_printed_and_watched_until_all_is_well() {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    // Another pod may just be leaving: it counts once it has lasted.
    let ran = until("a problem", || Some(home.run(&["why"])).filter(|ran| ran.code == Some(1)));
    assert!(ran.out.starts_with("S1  pod big Pending  dev shop/big  "), "{}", ran.out);
    let told = document(&home.run(&["why", "-o", "json"]));
    assert_eq!(told["problems"][0]["subjects"][0]["object"]["name"], "big", "{told}");
    assert_eq!(told["problems"][0]["ask"]["subject"]["object"]["kind"], "Pod", "{told}");

    let watch = |args: &[&str]| {
        let mut command = home.command(kokpit(), args);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kokpit");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        (child, lines)
    };
    let (mut list, mut lines) = watch(&["why", "-w", "-o", "json"]);
    let (mut one, mut verdicts) = watch(&["why", "-w", "pod/big", "-n", "shop"]);
    assert!(lines.next().is_some_and(|line| line.is_ok_and(|text| text.contains("pod big Pending"))));
    assert!(verdicts.next().is_some_and(|line| line.is_ok_and(|text| text.contains("big"))));
    cluster.delete_pod("big");
    let last = lines.map_while(Result::ok).last().unwrap_or_default();
    let change: Value = serde_json::from_str(&last).expect("a line of JSON");
    recordings::holds("change_of_list", &change);
    assert_eq!(change["change"], "solved");
    assert_eq!(list.wait().expect("it ends").code(), Some(0));
    verdicts.for_each(drop);
    assert_eq!(one.wait().expect("it ends").code(), Some(0));
}

/// Recordings by the beginning of their names.
fn recorded(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings");
    let ids = recordings::ids().into_iter().filter(|id| wanted(id));
    ids.map(|id| (id.clone(), folder.join(format!("{id}.json.gz")).to_string_lossy().into_owned())).collect()
}

#[test]
fn nothing_is_wrong_with_what_is_healthy() {
    let home = Home::new();
    for (id, file) in recorded(|id| id.starts_with("healthy-")) {
        let ran = home.run(&["why", "-o", "json", "--from", &file]);
        let told = document(&ran);
        let loud: Vec<&Value> =
            told["problems"].as_array().into_iter().flatten().filter(|p| p["severity"] != "S3").collect();
        assert!(loud.is_empty(), "{id}: {loud:?}");
    }
}

#[test]
fn recorded_incidents_are_found_without_being_asked_for() {
    let home = Home::new();
    let must = recordings::must_pass();
    let all = recorded(|id| must.iter().any(|known| known == id) && !id.starts_with("healthy-"));
    let mut missed = Vec::new();
    for (id, file) in &all {
        let ran = home.run(&["why", "-o", "json", "--from", file]);
        let told = document(&ran);
        let wanted = recordings::load(id).primary();
        let found = causes(&told);
        println!("{id:<8} {wanted:<32} {found:?}");
        if !found.contains(&wanted.as_str()) {
            missed.push(id.as_str());
        }
    }
    assert_eq!(missed, NOT_SEEN, "the list of what screening misses is not up to date");
}

/// Recorded incidents that have to be asked for: they were recorded a moment after they began, when it might have passed.
const NOT_SEEN: &[&str] = &["S30", "S50"];

/// Changes a Deployment of the shop.
fn change(cluster: &Embedded, with: impl Fn(&mut Value)) {
    let id = ResourceId::new("apps", "deployments");
    cluster.store.modify(&id, "shop", "web", with).expect("it can be changed");
}

#[test]
fn a_normal_rollout_is_no_incident() {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    until("a problem", || Some(home.run(&["why"])).filter(|ran| ran.code == Some(1)));
    let mut command = home.command(kokpit(), &["why", "-w", "-o", "json"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("kokpit");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // It watches; from here on nothing but the pod that fits nowhere may be told.
    lines.next().expect("a list").expect("a line");
    for round in 0..6 {
        change(&cluster, |web| {
            web["spec"]["replicas"] = json!(2 + round % 3);
            web["spec"]["template"]["metadata"]["annotations"]["round"] = json!(round.to_string());
        });
        std::thread::park_timeout(Duration::from_secs(4));
    }
    cluster.delete_pod("big");
    let told: Vec<String> = lines.map_while(Result::ok).filter(|line| !line.contains("pod big Pending")).collect();
    assert!(told.is_empty(), "{told:#?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
