//! Operations end to end against an embedded cluster and real repositories, killed at every step.
//!
//! Every operation runs in a process of its own (this test binary again, as [`child`]), so that it can be killed: the
//! journal, the cluster and git are then looked at from outside.

mod editing;
mod objects;

use crate::embedded::Embedded;
use crate::support::{Home, Ran, finish, until};
use kokpit::app::operate::{self, Options, Site};
use kokpit::cluster::api::Api;
use kokpit::config::{self, Paths};
use kokpit::effect::Intent;
use kokpit::journal::{End, Journal};
use kokpit::msg::{OperationStatus, Sign};
use kokpit::world::object::{ObjectRef, ResourceId};
use kokpit::world::time::Time;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Time(since.as_secs() as i64)
}

/// Not a test of its own: the process that an operation runs in. `KOKPIT_TEST_DO` says what: `cordon n1`, `uncordon n1`,
/// `drain n1 [--last-of-zone]`, `scale web 3`, `finish ID`, `undo ID`, and what [`objects::intent`] knows.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let Ok(wanted) = std::env::var("KOKPIT_TEST_DO") else { return };
    let server = std::env::var("KOKPIT_TEST_SERVER").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let words: Vec<&str> = wanted.split(' ').collect();
    let done = runtime.block_on(async {
        let client = kube::Client::try_from(kube::Config::new(server.parse().unwrap())).unwrap();
        let paths = Paths::from_env().unwrap();
        let loaded = config::load(&paths.config_file());
        assert_eq!(loaded.problems, vec![]);
        let api = Api::new(client, Duration::from_secs(10));
        let site = Site { api, cluster: "prod".into(), config: loaded.config, paths, clock: now };
        let silent = |_: &kokpit::msg::OperationView| {};
        let (nodes, reason) = (vec![words[1].to_string()], "disk errors on sda: keep evidence".to_string());
        let intent = match words[0] {
            "finish" => return operate::finish(&site, words[1], silent).await,
            "undo" => return operate::undo(&site, words[1], silent).await,
            "cordon" => Intent::Cordon { nodes, reason },
            "uncordon" => Intent::Uncordon { nodes, reason },
            "drain" => Intent::Drain { node: words[1].into(), reason },
            "scale" => Intent::Scale {
                object: ObjectRef::new("apps", "Deployment", "shop", words[1]),
                replicas: words[2].parse().unwrap(),
                reason,
            },
            _ => objects::intent(&words),
        };
        let mut options = Options::default();
        options.drain.last_of_zone = words.contains(&"--last-of-zone");
        let plan = operate::plan(&site, &intent, &options).await.map_err(|e| e.to_string())?;
        operate::run(&site, &plan, silent).await
    });
    match done {
        Ok(view) => {
            println!("\nended {}", view.status.word());
            view.steps.iter().for_each(|s| println!("step {:?} {}", s.mark, s.text));
            view.plan.iter().for_each(|l| println!("plan {} {}{}", l.label, sign(l.sign), l.text));
        }
        Err(why) => println!("\nrefused {why}"),
    }
}

fn sign(sign: Sign) -> &'static str {
    match sign {
        Sign::Added => "+ ",
        Sign::Removed => "- ",
        Sign::Plain | Sign::Warning => "",
    }
}

/// A cluster, a home whose config.toml knows its repository, and that repository.
struct Scene {
    cluster: Embedded,
    home: Home,
    bare: PathBuf,
}

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let scene = Self::homeless(files);
        let fleet = format!("{:?}", scene.bare.display().to_string());
        scene.home.write(
            "config/config.toml",
            format!("[[cluster]]\ncontext = \"prod\"\nrepository = \"fleet\"\n[[repository]]\nname = \"fleet\"\nurl = {fleet}\n"),
        );
        scene
    }

    /// Without config.toml.
    fn homeless(files: &[(&str, &str)]) -> Self {
        let home = Home::new();
        let bare = home.repository("fleet", files);
        Self { cluster: Embedded::shop(), home, bare }
    }

    fn run(&self, what: &str, stop_after: &str) -> Ran {
        let me = std::env::current_exe().unwrap();
        let mut command =
            self.home.command(&me.display().to_string(), &["operations::child", "--exact", "--ignored", "--nocapture"]);
        command.env("KOKPIT_TEST_DO", what).env("KOKPIT_TEST_SERVER", self.cluster.url());
        command.env("KOKPIT_TEST_STOP_AFTER", stop_after);
        finish(command, what)
    }

    /// Runs to its end; fails unless it ends like this.
    fn ends(&self, what: &str, status: &str) -> String {
        let ran = self.run(what, "");
        assert!(ran.out.contains(&format!("\nended {status}")), "{what}:\n{}\n{}", ran.out, ran.err);
        ran.out
    }

    /// Runs and is killed; answers the id of the operation that is left open.
    fn killed(&self, what: &str, at: &str) -> String {
        let ran = self.run(what, at);
        assert_eq!(ran.code, None, "{what} was to be killed at {at}:\n{}\n{}", ran.out, ran.err);
        let (views, problems) = operate::list(&self.paths());
        assert!(problems.is_empty(), "{problems:?}");
        let open: Vec<_> = views.iter().filter(|v| v.status == OperationStatus::Open).collect();
        assert_eq!(open.len(), 1, "{what} killed at {at}: one open operation");
        open[0].id.clone()
    }

    fn paths(&self) -> Paths {
        Paths::below(&self.home.path(""))
    }

    fn git(&self, args: &[&str]) -> String {
        self.home.git(&self.bare, args).trim_end().to_string()
    }

    fn file(&self, path: &str) -> String {
        self.git(&["show", &format!("main:{path}")])
    }

    /// How many commits carry this Op-Id.
    fn commits(&self, op: &str) -> usize {
        let all = self.git(&["log", "--format=%(trailers:key=Op-Id,valueonly,separator=%x2C)", "main"]);
        all.lines().filter(|l| *l == op).count()
    }

    fn end(&self, id: &str) -> Option<End> {
        Journal::new(self.paths().journal()).read(id).unwrap().end().map(|(how, ..)| how)
    }

    fn last(&self) -> String {
        operate::list(&self.paths()).0.last().unwrap().id.clone()
    }

    fn node(&self, name: &str) -> Value {
        (*self.cluster.get("nodes", "", name).unwrap()).clone()
    }

    fn annotate(&self, node: &str, key: &str, value: &str) {
        let change = |object: &mut Value| object["metadata"]["annotations"][key] = json!(value);
        self.cluster.store.modify(&ResourceId::core("nodes"), "", node, change).unwrap();
    }
}

const FILE: &str = "clusters/prod/nodes/n1.yaml";
const POINTS: [&str; 9] = [
    "live.intent",
    "live.effect",
    "live.outcome",
    "commit.intent",
    "commit.effect",
    "commit.outcome",
    "push.intent",
    "push.effect",
    "push.outcome",
];

#[test]
fn a_cordon_is_live_and_in_git_and_an_uncordon_gives_the_baseline_back() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let out = scene.ends("cordon n1", "done");
    for line in
        ["plan live nodes/n1  spec.unschedulable: true", "+   unschedulable: true", "plan undo kokpit uncordon n1"]
    {
        assert!(out.contains(line), "{line}\n{out}");
    }
    assert!(scene.cluster.cordoned("n1"));
    let id = scene.last();
    assert_eq!(scene.node("n1").pointer("/metadata/annotations/kokpit.dev~1op"), Some(&json!(id)));
    let text = scene.file(FILE);
    assert!(text.contains("unschedulable: true") && text.contains("disk errors on sda: keep evidence"), "{text}");
    assert!(text.contains("Mara Test <mara@example.com>") && text.contains(&id), "{text}");
    let log = scene.git(&["log", "--format=%s|%an", "main"]);
    assert!(log.starts_with("ops(node): cordon n1 on prod|Mara Test\nchore(nodes): adopt n1 on prod|"), "{log}");

    scene.ends("uncordon n1", "done");
    assert!(!scene.cluster.cordoned("n1"));
    assert_eq!(scene.node("n1").pointer("/spec/unschedulable"), None, "the field is gone, nobody owns false");
    assert_eq!(scene.file(FILE), scene.git(&["show", &format!("main~2:{FILE}")]), "as it was adopted");
    let again = scene.run("uncordon n1", "").out;
    assert!(again.contains("nothing to do"), "{again}");
    let views = operate::list(&scene.paths()).0;
    assert_eq!(views.iter().map(|v| v.status).collect::<Vec<_>>(), [OperationStatus::Done; 2]);
}

#[test]
fn a_cordon_killed_anywhere_is_finished_once() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    for point in POINTS {
        let id = scene.killed("cordon n1", point);
        scene.ends(&format!("finish {id}"), "done");
        assert!(scene.cluster.cordoned("n1"), "{point}");
        assert!(scene.file(FILE).contains(&id), "{point}");
        assert_eq!(scene.end(&id), Some(End::Done), "{point}");
        let flips = scene.git(&["log", "--format=%s", "main", "--grep", &format!("Op-Id: {id}")]);
        assert_eq!(flips.lines().filter(|l| l.contains("cordon n1")).count(), 1, "{point}: {flips}");
        scene.ends("uncordon n1", "done");
    }
}

#[test]
fn a_cordon_killed_anywhere_is_taken_back() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    for point in POINTS {
        let id = scene.killed("cordon n1", point);
        scene.ends(&format!("undo {id}"), "undone");
        assert!(!scene.cluster.cordoned("n1"), "{point}");
        let annotations = scene.node("n1").pointer("/metadata/annotations").cloned().unwrap_or(json!({}));
        assert!(annotations.get("kokpit.dev/op").is_none(), "{point}: {annotations}");
        let in_git = scene.git(&["log", "--format=%s", "main", "--", FILE]);
        assert!(in_git.is_empty() || !scene.file(FILE).contains("unschedulable"), "{point}");
        assert_eq!(scene.end(&id), Some(End::Undone), "{point}");
    }
}

#[test]
fn an_uncordon_killed_anywhere_is_finished() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    for point in POINTS {
        scene.ends("cordon n1", "done");
        let id = scene.killed("uncordon n1", point);
        scene.ends(&format!("finish {id}"), "done");
        assert!(!scene.cluster.cordoned("n1"), "{point}");
        assert!(!scene.file(FILE).contains("unschedulable"), "{point}");
        assert_eq!(scene.commits(&id), 1, "{point}");
    }
}

#[test]
fn what_somebody_else_decided_since_is_not_overwritten() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let id = scene.killed("cordon n1", "live.intent");
    scene.annotate("n1", "kokpit.dev/op", "01SOMEBODYELSE");
    let out = scene.ends(&format!("finish {id}"), "failed");
    assert!(out.contains("somebody changed it since"), "{out}");
    assert!(!scene.cluster.cordoned("n1"));
    assert_eq!(scene.end(&id), None, "it may have been done: it stays open until somebody decides");
    operate::abandon(&scene.paths(), &id, now()).unwrap();
    assert_eq!(scene.end(&id), Some(End::Abandoned));

    scene.annotate("n2", "kokpit.dev/op", "");
    let id = scene.killed("cordon n2", "commit.outcome");
    scene.home.commit(
        &scene.bare,
        "clusters/prod/nodes/n2.yaml",
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: n2\nspec:\n  unschedulable: false\n",
        "Keep n2",
    );
    let out = scene.ends(&format!("finish {id}"), "failed");
    assert!(out.contains("somebody decided otherwise since") && out.contains("Mara Test: Keep n2"), "{out}");
    assert!(scene.file("clusters/prod/nodes/n2.yaml").contains("false"));
    scene.ends(&format!("undo {id}"), "undone");
    assert!(!scene.cluster.cordoned("n2"), "the live half is taken back");
}

#[test]
fn other_commits_meanwhile_are_kept() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let id = scene.killed("cordon n1", "commit.outcome");
    scene.home.commit(&scene.bare, "other.yaml", "a: 1\n", "Something else");
    scene.ends(&format!("finish {id}"), "done");
    assert_eq!(scene.file("other.yaml"), "a: 1");
    assert!(scene.file(FILE).contains("unschedulable: true"));
}

#[test]
fn a_push_that_is_refused_leaves_the_operation_open_with_the_reason() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let hook = scene.home.write("fleet.git/hooks/pre-receive", "#!/bin/sh\necho 'ask the platform team' >&2\nexit 1\n");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let out = scene.ends("cordon n1", "failed");
    assert!(out.contains("ask the platform team"), "{out}");
    assert!(scene.cluster.cordoned("n1"), "the evidence is safe");
    let id = scene.last();
    assert_eq!(scene.end(&id), None);
    std::fs::remove_file(hook).unwrap();
    scene.ends(&format!("finish {id}"), "done");
    assert!(scene.file(FILE).contains("unschedulable: true"));
}

#[test]
fn without_a_repository_nothing_is_done_and_it_is_asked_for() {
    let scene = Scene::homeless(&[]);
    let out = scene.run("cordon n1", "").out;
    assert!(out.contains("refused config.toml names no git repository for prod"), "{out}");
    assert!(!scene.cluster.cordoned("n1"));
    scene.home.write(
        "config/config.toml",
        "[[cluster]]\ncontext = \"prod\"\nrepository = \"fleet\"\n[[repository]]\nname = \"fleet\"\nurl = \"/gone.git\"\n",
    );
    let out = scene.run("cordon n1", "").out;
    assert!(out.contains("refused the repository /gone.git cannot be reached"), "{out}");
    assert!(!scene.cluster.cordoned("n1"));
}

#[test]
fn a_manifest_that_is_not_yaml_stops_before_anything_is_done() {
    let scene = Scene::new(&[(FILE, "metadata: [\n")]);
    let out = scene.run("cordon n1", "").out;
    assert!(out.contains(&format!("refused {FILE} is not YAML")), "{out}");
    assert!(!scene.cluster.cordoned("n1"));
}

/// Waits until the two pods of `web` run, and names the node of one.
fn settled(scene: &Scene) -> String {
    until("two running pods", || {
        let pods = scene.cluster.store.list(&ResourceId::core("pods"), Some("shop"));
        let running: Vec<_> = pods
            .iter()
            .filter(|p| p["metadata"]["labels"]["app"] == "web" && p["status"]["phase"] == "Running")
            .filter(|p| {
                p["status"]["conditions"]
                    .as_array()
                    .is_some_and(|c| c.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
            })
            .collect();
        (running.len() == 2).then(|| running[0]["spec"]["nodeName"].as_str().unwrap_or_default().to_string())
    })
}

fn pods_on(scene: &Scene, node: &str) -> usize {
    let pods = scene.cluster.store.list(&ResourceId::core("pods"), Some("shop"));
    pods.iter().filter(|p| p["spec"]["nodeName"] == node).count()
}

#[test]
fn a_drain_respects_the_budget_and_survives_being_killed() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let node = settled(&scene);
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}});
    scene.cluster.store.create(&ResourceId::new("policy", "poddisruptionbudgets"), budget).unwrap();
    until("the budget is counted", || {
        let pdb = scene.cluster.store.get(&ResourceId::new("policy", "poddisruptionbudgets"), "shop", "web")?;
        (pdb["status"]["disruptionsAllowed"] == 1).then_some(())
    });
    let id = scene.killed(&format!("drain {node}"), "evict.effect");
    assert!(scene.cluster.cordoned(&node));
    let file = format!("clusters/prod/nodes/{node}.yaml");
    assert!(scene.file(&file).contains("unschedulable: true"), "the intent is on record before the first eviction");
    scene.ends(&format!("finish {id}"), "done");
    assert_eq!(pods_on(&scene, &node), 0);
    until("two running pods elsewhere", || (settled(&scene) != node).then_some(()));
}

#[test]
fn the_last_node_of_a_zone_is_drained_only_when_it_is_said_so_and_who_finds_no_room_is_named() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let node = settled(&scene);
    let zone = |object: &mut Value| object["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!("eu-1a");
    scene.cluster.store.modify(&ResourceId::core("nodes"), "", &node, zone).unwrap();
    let labels = json!({"app": "pinned"});
    let pinned = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "pinned", "namespace": "shop"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"nodeSelector": {"kubernetes.io/hostname": node}, "containers": [{"name": "app", "image": "web:1"}]}}}});
    scene.cluster.store.create(&ResourceId::new("apps", "deployments"), pinned).unwrap();
    until("the pinned pod runs", || {
        let pods = scene.cluster.store.list(&ResourceId::core("pods"), Some("shop"));
        let mut own = pods.iter().filter(|p| p["metadata"]["labels"]["app"] == "pinned");
        own.any(|p| p["spec"]["nodeName"] == node.as_str() && p["status"]["phase"] == "Running").then_some(())
    });
    let refused = scene.run(&format!("drain {node}"), "").out;
    let sentence = format!("{node} is the last node of zone eu-1a that takes pods");
    assert!(refused.contains("refused not run: ") && refused.contains(&sentence), "{refused}");
    assert!(!scene.cluster.cordoned(&node), "nothing was done");
    let out = scene.ends(&format!("drain {node} --last-of-zone"), "done");
    let line = out.lines().find(|l| l.contains("would stay Pending")).unwrap_or_default();
    assert!(line.contains("shop/pinned-") && line.contains("0/3 nodes are available"), "{out}");
    assert!(scene.cluster.cordoned(&node));
}

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web # the shop\nspec:\n  replicas: 2\n";

/// The shop with `web` tracked by an Application that reads `apps/` of the repository.
fn tracked(automated: Value) -> Scene {
    tracked_as(WEB, automated)
}

/// The same with another manifest.
fn tracked_as(web: &str, automated: Value) -> Scene {
    let scene = Scene::new(&[("apps/web.yaml", web)]);
    settled(&scene);
    let tip = scene.git(&["rev-parse", "main"]);
    let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": {"source": {"repoURL": scene.bare.display().to_string(), "path": "apps", "targetRevision": "main"},
            "syncPolicy": {"automated": automated}},
        "status": {"sourceType": "Directory", "sync": {"status": "Synced", "revision": tip}}});
    let store = &scene.cluster.store;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
    store.create(&ResourceId::core("namespaces"), namespace).unwrap();
    let id = ResourceId::new("argoproj.io", "applications");
    store.create(&id, app.clone()).unwrap();
    store.modify(&id, "argocd", "shop", |object| object["status"] = app["status"].clone()).unwrap();
    let track = |object: &mut Value| {
        object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!("shop:apps/Deployment:shop/web");
    };
    store.modify(&ResourceId::new("apps", "deployments"), "shop", "web", track).unwrap();
    scene
}

/// Takes the tip of the branch as Argo CD does when it is asked to refresh.
fn argo_takes_it(scene: &Scene, apply: bool) {
    let id = ResourceId::new("argoproj.io", "applications");
    until("a refresh", || {
        let app = scene.cluster.store.get(&id, "argocd", "shop")?;
        app.pointer("/metadata/annotations/argocd.argoproj.io~1refresh").map(|_| ())
    });
    let tip = scene.git(&["rev-parse", "main"]);
    let text = scene.file("apps/web.yaml");
    let replicas: i64 = text.split("replicas: ").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap();
    if apply {
        let image = text.split("image: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let set = |object: &mut Value| {
            object["spec"]["replicas"] = json!(replicas);
            if let Some(image) = image {
                object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            }
        };
        scene.cluster.store.modify(&ResourceId::new("apps", "deployments"), "shop", "web", set).unwrap();
    }
    let status = |object: &mut Value| {
        object["status"]["sync"] = json!({"status": if apply { "Synced" } else { "OutOfSync" }, "revision": tip});
        object["metadata"]["annotations"] = json!({});
    };
    scene.cluster.store.modify(&id, "argocd", "shop", status).unwrap();
}

fn replicas(scene: &Scene) -> Value {
    let web = scene.cluster.store.get(&ResourceId::new("apps", "deployments"), "shop", "web").unwrap();
    web["spec"]["replicas"].clone()
}

#[test]
fn a_scale_is_one_line_in_git_and_arrives_by_argo() {
    let scene = tracked(json!({}));
    let out = std::thread::scope(|threads| {
        let run = threads.spawn(|| scene.ends("scale web 3", "done"));
        argo_takes_it(&scene, true);
        run.join().unwrap()
    });
    assert!(out.contains("reconciled by Argo CD: shop") && out.contains("verified live"), "{out}");
    assert_eq!(scene.file("apps/web.yaml") + "\n", WEB.replace("replicas: 2", "replicas: 3"));
    assert_eq!(replicas(&scene), 3);
    let message = scene.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("Object: apps/Deployment/shop/web\nArgocd-App: argocd/shop"), "{message}");
}

#[test]
fn a_scale_killed_anywhere_is_finished_once_and_can_be_undone() {
    for point in ["commit.effect", "commit.outcome", "push.intent", "push.effect", "push.outcome", "refresh.intent"] {
        let scene = tracked(json!({}));
        let id = scene.killed("scale web 3", point);
        assert_eq!(replicas(&scene), 2, "no live write of our own");
        std::thread::scope(|threads| {
            let run = threads.spawn(|| scene.ends(&format!("finish {id}"), "done"));
            argo_takes_it(&scene, true);
            run.join().unwrap();
        });
        assert_eq!((replicas(&scene), scene.commits(&id)), (json!(3), 1), "{point}");
        if point == "push.effect" {
            std::thread::scope(|threads| {
                let run = threads.spawn(|| scene.ends(&format!("undo {id}"), "undone"));
                argo_takes_it(&scene, true);
                run.join().unwrap();
            });
            assert_eq!(scene.file("apps/web.yaml") + "\n", WEB);
            assert_eq!(replicas(&scene), 2);
        }
    }
}

#[test]
fn an_application_that_does_not_sync_by_itself_is_said_so() {
    let scene = tracked(Value::Null);
    let out = std::thread::scope(|threads| {
        let run = threads.spawn(|| scene.ends("scale web 3", "done"));
        argo_takes_it(&scene, false);
        run.join().unwrap()
    });
    assert!(out.contains("does not sync by itself: sync it (argocd app sync shop)"), "{out}");
    assert_eq!(replicas(&scene), 2);
}

#[test]
fn what_is_not_ours_to_change_is_refused_by_name() {
    let scene = tracked(json!({}));
    let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"minReplicas": 2, "maxReplicas": 9, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    scene.cluster.store.create(&ResourceId::new("autoscaling", "horizontalpodautoscalers"), hpa).unwrap();
    let out = scene.run("scale web 3", "").out;
    assert!(out.contains("refused the HorizontalPodAutoscaler web owns the replicas"), "{out}");
    let out = scene.run("scale nothing 3", "").out;
    assert!(out.contains("refused there is no Deployment shop/nothing on prod"), "{out}");
    assert!(operate::list(&scene.paths()).0.is_empty(), "nothing was begun");
}
