//! Argo CD in the cockpit, end to end: what is asked of an Application through its object, on a terminal and on the command
//! line, with the stand-in for its controller.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::sim::argo::applications;
use kokpit::world::object::{ResourceId, bool_at, list_at, str_at};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A cluster with an Application `shop` that reads `apps/shop` of a repository.
pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) cluster: Embedded,
    pub(crate) bare: PathBuf,
}

fn settings(mode: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  mode: \"{mode}\"\n")
}

impl Scene {
    /// `policy` is the sync policy; more files lie beside `settings.yaml`.
    pub(crate) fn new(policy: Value, more: &[(&str, &str)]) -> Self {
        let (home, cluster) = (Home::new(), Embedded::shop());
        let first = settings("first");
        let mut files = vec![("apps/shop/settings.yaml", first.as_str())];
        files.extend_from_slice(more);
        let bare = home.repository("fleet", &files);
        home.kubeconfig(&[("prod", &cluster.url())]);
        let url = bare.display().to_string();
        home.write(
            "config/config.toml",
            format!("[[cluster]]\ncontext = \"prod\"\nrepository = \"fleet\"\n[[repository]]\nname = \"fleet\"\nurl = {url:?}\n"),
        );
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
        cluster.store.create(&ResourceId::core("namespaces"), namespace).unwrap();
        let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "argocd"}, "spec": {"project": "default",
                "source": {"repoURL": format!("file://{url}"), "path": "apps/shop", "targetRevision": "main"},
                "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"}, "syncPolicy": policy}});
        cluster.store.create(&applications(), app).unwrap();
        cluster.argo();
        let scene = Self { home, cluster, bare };
        scene.until("a comparison", |app| !str_at(app, "/status/reconciledAt").is_empty());
        scene
    }

    fn app(&self) -> Value {
        (*self.cluster.store.get(&applications(), "argocd", "shop").unwrap()).clone()
    }

    fn until(&self, what: &str, ready: impl Fn(&Value) -> bool) {
        until(what, || ready(&self.app()).then_some(()));
    }

    fn mode(&self) -> Option<String> {
        let live = self.cluster.get("configmaps", "shop", "settings")?;
        Some(str_at(&live, "/data/mode").to_string())
    }

    fn commit(&self, mode: &str) {
        self.home.commit(&self.bare, "apps/shop/settings.yaml", &settings(mode), mode);
    }

    /// The cockpit on the Application.
    fn cockpit(&self) -> Tui {
        let mut tui = self.home.tui_sized(&["-A"], 120, 40);
        tui.send(":applications\r").wait_for("the Application", |screen| {
            let text = screen.contents();
            text.contains("applications") && text.contains("shop")
        });
        tui
    }

    fn state(&self, at: &str) -> String {
        str_at(&self.app(), &format!("/status/operationState/{at}")).to_string()
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        self.cluster.store.modify(&ResourceId::core("configmaps"), "shop", "settings", change).unwrap();
    }
}

#[test]
fn a_refresh_and_a_hard_refresh_are_asked_for_and_waited_for() {
    let scene = Scene::new(json!({}), &[]);
    let mut tui = scene.cockpit();
    let before = str_at(&scene.app(), "/status/sync/revision").to_string();
    let compared = |tui: &mut Tui, title: &str| {
        tui.wait("git is compared with what lives");
        // A comparison changes nothing: going on is the first button.
        tui.send("\r").wait("shop: compared");
        assert!(scene.app().pointer("/metadata/annotations/argocd.argoproj.io~1refresh").is_none());
        tui.send("\u{1b}").wait_gone(title);
    };
    scene.commit("second");
    tui.does("refresh-app", "r").wait("refresh shop");
    compared(&mut tui, "refresh shop");
    scene.commit("third");
    tui.does("hard-refresh", "R").wait("hard refresh shop");
    compared(&mut tui, "hard refresh shop");
    assert_ne!(str_at(&scene.app(), "/status/sync/revision"), before);
    assert_eq!(scene.mode(), None, "nothing is deployed by a comparison");
    let ran = scene.home.run(&["refresh", "shop", "--hard", "--yes"]);
    assert!(ran.code == Some(0) && ran.out.contains("hard refresh shop"), "{ran:?}");
    tui.quit();
}

#[test]
fn a_sync_is_tried_out_then_done_with_its_options() {
    let old = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: old\ndata: {}\n";
    let scene = Scene::new(json!({"syncOptions": ["RespectIgnoreDifferences=true"]}), &[("apps/shop/old.yaml", old)]);
    let mut tui = scene.cockpit();
    tui.does("sync", "s").wait("ConfigMap shop/settings");
    tui.does("dry-run", "d").wait("sync dry run shop");
    tui.send("\t\r").wait("dry run: successfully synced");
    tui.wait("configmap/settings created (dry run)");
    assert_eq!(scene.mode(), None);
    tui.send("\u{1b}").wait_gone("dry run:");
    let ran = scene.home.run(&["sync", "shop", "--yes", "--resource", ":ConfigMap:settings"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(scene.mode().as_deref(), Some("first"));
    assert!(scene.cluster.get("configmaps", "shop", "old").is_none(), "only what was selected");
    let ran = scene.home.run(&["sync", "shop", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(scene.cluster.get("configmaps", "shop", "old").is_some());

    scene.home.commit(&scene.bare, "apps/shop/old.yaml", "", "old goes");
    scene.edit(|live| live["data"]["theirs"] = json!("x"));
    let ran = scene.home.run(&["refresh", "shop", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    tui.send("s").wait("deleted only with prune");
    tui.does("prune", "p").wait("deletes");
    tui.does("replace", "r").wait("Replace=true");
    tui.does("apply-only", "h").wait("without hooks");
    tui.does("server-side", "v").wait("Replace=true wins");
    tui.send("v").wait("ServerSideApply=false");
    tui.send("v").wait_for("the plan without it", |screen| {
        let text = screen.contents();
        text.contains("Do it") && !text.contains("ServerSideApply")
    });
    tui.does("only-differing", "o").wait("ApplyOutOfSyncOnly=true");
    tui.send("o").wait("ApplyOutOfSyncOnly=false");
    tui.send("o").wait_for("the plan as before", |screen| {
        let text = screen.contents();
        text.contains("Do it") && !text.contains("ApplyOutOfSyncOnly")
    });
    tui.send("\t\r").wait("synced to");
    let app = scene.app();
    let sync = &app["status"]["operationState"]["operation"]["sync"];
    assert_eq!((bool_at(sync, "/prune"), &sync["syncStrategy"]), (true, &json!({"apply": {}})));
    assert_eq!(sync["syncOptions"], json!(["RespectIgnoreDifferences=true", "Replace=true"]));
    assert!(scene.cluster.get("configmaps", "shop", "old").is_none(), "it is pruned");
    let live = scene.cluster.get("configmaps", "shop", "settings").unwrap();
    assert_eq!(live["data"], json!({"mode": "first"}), "it is replaced");
    tui.quit();
}

/// A Deployment that never gets ready, and behind it something that waits for it.
const STUCK: [(&str, &str); 2] = [
    (
        "apps/shop/a.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: stuck\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: stuck}}\n  template:\n    metadata: {labels: {app: stuck}}\n    spec:\n      containers:\n      - {name: app, image: \"big:1\", resources: {requests: {cpu: \"64\"}}}\n",
    ),
    (
        "apps/shop/late.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: late\n  annotations: {argocd.argoproj.io/sync-wave: \"1\"}\ndata: {}\n",
    ),
];

#[test]
fn an_operation_that_hangs_is_terminated() {
    let scene = Scene::new(json!({}), &STUCK);
    let mut tui = scene.cockpit();
    tui.send("t").wait("there is nothing to terminate");
    tui.send("\u{1b}").wait_gone("nothing to terminate");
    tui.send("s").wait("differs");
    tui.send("\t\r").wait("waiting for healthy state of apps/Deployment/stuck");
    tui.send("\u{1b}").wait_for("the table", |screen| screen.contents().contains("SYNC"));
    tui.does("terminate", "t").wait("status.operationState.phase: Terminating");
    assert_eq!(scene.state("phase"), "Running");
    tui.send("\t\r").wait("Failed: Operation terminated");
    assert_eq!((scene.state("phase"), scene.state("message")), ("Failed".into(), "Operation terminated".into()));
    assert!(scene.cluster.get("configmaps", "shop", "late").is_none());
    let deployments = ResourceId::new("apps", "deployments");
    assert!(scene.cluster.store.get(&deployments, "shop", "stuck").is_some(), "what was applied stays");
    tui.quit();
}

#[test]
fn a_rollback_switches_auto_sync_off_first_and_it_goes_on_again() {
    let scene = Scene::new(json!({"automated": {"prune": true}}), &[]);
    scene.until("the first sync", |app| list_at(app, "/status/history").len() == 1);
    scene.commit("second");
    let ran = scene.home.run(&["refresh", "shop", "--yes"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    scene.until("the second sync", |app| list_at(app, "/status/history").len() == 2);
    let mut tui = scene.cockpit();
    tui.ctrl('l').wait("switch that off first");
    tui.does("auto-sync-off", "a").wait_for("the plan that does so", |screen| {
        let text = screen.contents();
        text.contains("Do it") && !text.contains("switch that off first")
    });
    tui.send("\t\r").wait("synced to");
    assert_eq!(scene.mode().as_deref(), Some("first"));
    assert!(scene.app().pointer("/spec/syncPolicy/automated").is_none());
    scene.until("it is not as git says", |app| str_at(app, "/status/sync/status") == "OutOfSync");
    tui.send("\u{1b}").wait_for("the table", |screen| screen.contents().contains("OutOfSync"));

    tui.does("auto-sync", "a").wait("auto-sync on shop");
    tui.wait("it will sync as soon as this is on");
    tui.send("\t\r");
    scene.until("it syncs by itself", |app| str_at(app, "/status/sync/status") == "Synced");
    assert_eq!(scene.mode().as_deref(), Some("second"));
    tui.wait("done");
    tui.send("\u{1b}").wait_for("the table", |screen| screen.contents().contains("Synced"));
    tui.send("a").wait("auto-sync off shop");
    tui.send("\t\r").wait("done");
    let policy = scene.app().pointer("/spec/syncPolicy/automated").cloned();
    assert!(policy.is_none_or(|p| p["enabled"] == json!(false)), "off");
    tui.quit();
}

#[test]
fn a_sync_window_that_is_shut_is_said_and_not_run_into() {
    let scene = Scene::new(json!({}), &[]);
    let project = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default", "namespace": "argocd"},
        "spec": {"syncWindows": [{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}]}});
    scene.cluster.store.create(&ResourceId::new("argoproj.io", "appprojects"), project).unwrap();
    let mut tui = scene.cockpit();
    tui.send("s").wait("the deny window * * * * * for 1h (UTC) is active, also for syncs by hand");
    tui.send("\u{1b}").wait_gone("also for syncs by hand");
    tui.send("d").wait("Sync windows of project default");
    tui.wait("blocked");
    tui.quit();
    let ran = scene.home.run(&["sync", "shop", "--yes"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(scene.app().get("operation").is_none() && scene.mode().is_none());
}

#[test]
fn what_differs_from_git_is_shown_line_by_line() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\nstringData:\n  password: hunter2\n";
    let scene = Scene::new(json!({}), &[("apps/shop/key.yaml", secret)]);
    let diff = |args: &[&str]| scene.home.run(&[&["diff"], args].concat());
    let new = diff(&["app/shop"]);
    assert_eq!(new.code, Some(1), "{new:?}");
    assert!(
        new.out.contains("ConfigMap shop/settings  does not live; a sync makes it")
            && new.out.contains("+  mode: first"),
        "{}",
        new.out
    );
    assert!(
        new.out.contains("+  password: •••") && !new.out.contains("hunter2") && !new.out.contains("aHVudGVyMg"),
        "{}",
        new.out
    );
    assert_eq!(scene.home.run(&["sync", "shop", "--yes"]).code, Some(0));
    let same = diff(&["app/shop"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(same.out.contains("2 as git says"), "{}", same.out);

    scene.edit(|live| live["data"] = json!({"mode": "by hand", "theirs": "stays"}));
    let edited = diff(&["cm/settings", "-n", "shop"]);
    assert_eq!(edited.code, Some(1), "{edited:?}");
    assert!(
        edited.out.contains("-  mode: by hand\n+  mode: first\n") && !edited.out.contains("-  theirs"),
        "{}",
        edited.out
    );
    scene.commit("second");
    let main = diff(&["app/shop", "--revision", "main", "-o", "json"]);
    let json: Value = serde_json::from_str(&main.out).unwrap();
    assert!(list_at(&json, "/objects").iter().any(|o| str_at(o, "/standing") == "differs"), "{json:#}");
    assert!(main.out.contains("+  mode: second"), "{}", main.out);
    assert_eq!(diff(&["app/nothing"]).code, Some(2));
    assert_eq!(diff(&["app/shop", "--revision", "no-such"]).code, Some(2));

    let mut tui = scene.cockpit();
    scene.until("it is known to differ", |app| str_at(app, "/status/sync/status") == "OutOfSync");
    tui.does("diff", "D").wait("-  mode: by hand");
    tui.wait("1 to be changed, 1 as git says");
    tui.send(":diff main\r").wait("+  mode: second");
    // To the line that leads to an object, from above and from below, and into it.
    tui.does("next-link", "\t").wait("▸ConfigMap shop/settings");
    tui.send("G").wait_gone("▸");
    tui.does("previous-link", "\u{1b}[Z").wait("▸ConfigMap shop/settings");
    tui.send("\r").wait_for("the ConfigMap in its table", |screen| {
        let text = screen.contents();
        text.contains("configmaps") && text.contains("▸settings")
    });
    tui.does("diff", "D").wait("-  mode: by hand");
    tui.send("\u{1b}").wait("▸settings");
    tui.does("application", "B").wait("applications");
    tui.wait("▸shop");
    tui.quit();
}

#[test]
fn what_cannot_be_rendered_is_compared_with_what_was_applied_last() {
    let scene = Scene::new(json!({}), &[]);
    assert_eq!(scene.home.run(&["sync", "shop", "--yes"]).code, Some(0));
    let kustomized = |app: &mut Value| app["spec"]["source"]["kustomize"] = json!({"namePrefix": "x-"});
    scene.cluster.store.modify(&applications(), "argocd", "shop", kustomized).unwrap();
    scene.edit(|live| live["data"]["mode"] = json!("by hand"));
    scene.until("it is known to differ", |app| str_at(app, "/status/sync/status") == "OutOfSync");
    let ran = scene.home.run(&["diff", "app/shop"]);
    assert!(ran.out.contains("Application argocd/shop is built with Kustomize"), "{ran:?}");
    assert!(
        ran.out.contains("+++ applied by Argo CD last") && ran.out.contains("-  mode: by hand\n+  mode: first"),
        "{ran:?}"
    );
    assert_eq!(ran.code, Some(1));
    scene.home.write("config/config.toml", "");
    let plain = |app: &mut Value| drop(app["spec"]["source"].as_object_mut().unwrap().remove("kustomize"));
    scene.cluster.store.modify(&applications(), "argocd", "shop", plain).unwrap();
    let ran = scene.home.run(&["diff", "app/shop"]);
    assert!(
        ran.out.contains("no [[repository]] of config.toml is file://") && ran.out.contains("-  mode: by hand"),
        "{ran:?}"
    );
}
