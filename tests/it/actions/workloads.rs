//! Workloads changed from the cockpit: in git where Argo CD deploys them, back to an earlier revision, CronJobs.

use super::*;
use crate::argo::Scene;

const API: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\nspec:\n  replicas: 1 # quiet hours\n  selector: {matchLabels: {app: api}}\n  template:\n    metadata: {labels: {app: api}}\n    spec:\n      containers:\n      - name: app\n        image: api:1\n        resources:\n          limits:\n            memory: 64Mi\n";

const BACKUP: &str = "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: backup\nspec:\n  schedule: \"0 3 * * *\"\n  suspend: false # at night\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          restartPolicy: Never\n          containers:\n          - {name: backup, image: \"backup:1\"}\n";

/// What Argo CD deploys by itself from `apps/shop`, and the cockpit on one of its objects.
fn deployed(kind: &str, name: &str) -> (Scene, Tui) {
    let scene = Scene::new(json!({"automated": {}}), &[("apps/shop/api.yaml", API), ("apps/shop/backup.yaml", BACKUP)]);
    until("both deployed", || {
        let of = |group: &str, plural: &str, name: &str| {
            scene.cluster.store.get(&ResourceId::new(group, plural), "shop", name)
        };
        of("apps", "deployments", "api").and(of("batch", "cronjobs", "backup")).map(|_| ())
    });
    let mut tui = scene.home.tui_sized(&["-n", "shop"], 120, 40);
    tui.send(&format!(":{kind} /{name}\r"));
    wait_cursor(&tui, name);
    (scene, tui)
}

fn file(scene: &Scene, path: &str) -> String {
    scene.home.git(&scene.bare, &["show", &format!("main:apps/shop/{path}")])
}

/// Confirms the plan, waits for its end, and goes back.
fn go_on(tui: &mut Tui) {
    tui.wait("Do it");
    tui.send("\t\r").wait("done, and recorded");
    tui.send("\u{1b}").wait_gone("done, and recorded");
}

#[test]
fn replicas_and_limits_are_changed_in_git_and_arrive() {
    let (scene, mut tui) = deployed("deploy", "api");
    let live =
        || (*scene.cluster.store.get(&ResourceId::new("apps", "deployments"), "shop", "api").expect("it")).clone();
    tui.does("scale", "s").wait("replicas");
    tui.send("3\r").wait("reason");
    tui.send("campaign\r").wait("replicas: 3 # quiet hours");
    assert_eq!(file(&scene, "api.yaml"), API, "nothing happens before it was confirmed");
    go_on(&mut tui);
    assert_eq!(file(&scene, "api.yaml"), API.replace("replicas: 1", "replicas: 3"));
    assert_eq!(live()["spec"]["replicas"], 3);
    tui.does("limits", "R").wait("limits");
    tui.send("app memory=128Mi\r").wait("reason");
    tui.send("it grew\r").wait("memory: 128Mi");
    go_on(&mut tui);
    assert!(file(&scene, "api.yaml").contains("memory: 128Mi"));
    let container = live()["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(container["resources"]["limits"]["memory"], "128Mi");
    tui.quit();
    let log = scene.home.git(&scene.bare, &["log", "--format=%B", "main"]);
    assert!(log.contains("campaign") && log.contains("it grew"), "{log}");
}

#[test]
fn a_cron_job_is_suspended_and_resumed_in_git_and_run_by_hand() {
    let (scene, mut tui) = deployed("cronjobs", "backup");
    let cron =
        || (*scene.cluster.store.get(&ResourceId::new("batch", "cronjobs"), "shop", "backup").expect("it")).clone();
    tui.does("suspend-job", "s").wait("suspend: true # at night");
    assert_eq!(file(&scene, "backup.yaml"), BACKUP, "nothing happens before it was confirmed");
    go_on(&mut tui);
    assert_eq!(file(&scene, "backup.yaml"), BACKUP.replace("suspend: false", "suspend: true"));
    assert_eq!(cron()["spec"]["suspend"], true);
    tui.wait_for("that it is suspended", |screen| {
        screen.contents().lines().any(|line| line.contains("backup") && line.contains("True"))
    });
    tui.does("resume-job", "s").wait("suspend: false # at night");
    go_on(&mut tui);
    assert_eq!((file(&scene, "backup.yaml"), &cron()["spec"]["suspend"]), (BACKUP.into(), &json!(false)));
    // A run by hand is a Job of the CronJob.
    tui.does("trigger", "t").wait("backup-manual-");
    go_on(&mut tui);
    let jobs = scene.cluster.store.list(&ResourceId::new("batch", "jobs"), Some("shop"));
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].pointer("/metadata/ownerReferences/0/name"), Some(&json!("backup")));
    tui.quit();
}

/// The revisions that are kept of `store`.
fn kept(cluster: &Embedded) -> Vec<i64> {
    let all = cluster.store.list(&ResourceId::new("apps", "controllerrevisions"), Some("shop"));
    let mut numbers: Vec<i64> = all.iter().filter_map(|kept| kept["revision"].as_i64()).collect();
    numbers.sort_unstable();
    numbers
}

/// A workload with one pod and three templates so far, the last one live: `store:1` to `store:3`.
fn with_history(cluster: &Embedded, kind: &str, plural: &str, spec: &Value, node: &Value) {
    let labels = json!({"app": "store"});
    let pod = json!({"nodeSelector": node, "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": "store:1"}]});
    let mut spec = spec.clone();
    spec["selector"] = json!({"matchLabels": labels});
    spec["template"] = json!({"metadata": {"labels": labels}, "spec": pod});
    let id = ResourceId::new("apps", plural);
    let metadata = json!({"name": "store", "namespace": "shop"});
    let object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec});
    cluster.store.create(&id, object).expect("valid");
    for number in 1..=3 {
        let image = format!("store:{number}");
        let change = |object: &mut Value| object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        cluster.store.modify(&id, "shop", "store", change).expect("it is there");
        until("its revision", || (kept(cluster).len() == number).then_some(()));
    }
    until("its pod", || (image(cluster)? == "store:3").then_some(()));
}

/// What the only pod of `store` runs.
fn image(cluster: &Embedded) -> Option<String> {
    let pods = running(cluster, "store-");
    let [pod] = pods.as_slice() else { return None };
    cluster.get("pods", "shop", pod)?["spec"]["containers"][0]["image"].as_str().map(String::from)
}

/// From revision 3 to the first and back by a step, then confirmed, and followed until the pod is as before.
fn rolled_back(kind: &str, plural: &str, spec: &Value, node: &Value) {
    let (home, cluster) = shop("");
    with_history(&cluster, kind, plural, spec, node);
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 40);
    tui.send(&format!(":{plural} /store\r"));
    wait_cursor(&tui, "store");
    tui.does("rollback", "\u{c}").wait("to revision 2");
    tui.wait("Do it");
    tui.does("older", "p").wait("to revision 1");
    tui.wait("Do it");
    tui.does("newer", "n").wait("to revision 2");
    tui.wait("Do it");
    tui.does("older", "p").wait("to revision 1");
    assert_eq!(image(&cluster).as_deref(), Some("store:3"), "nothing happens before it was confirmed");
    go_on(&mut tui);
    assert_eq!(image(&cluster).as_deref(), Some("store:1"), "it is followed to its end");
    assert_eq!(kept(&cluster), [2, 3, 4], "the first is taken up again as the newest");
    tui.quit();
    let ops = home.run(&["ops"]).out;
    assert!(ops.lines().any(|line| line.contains("store") && line.contains("done")), "{ops}");
}

#[test]
fn a_stateful_set_goes_back_to_an_earlier_revision() {
    rolled_back("StatefulSet", "statefulsets", &json!({"replicas": 1, "serviceName": "store"}), &json!({}));
}

#[test]
fn a_daemon_set_goes_back_to_an_earlier_revision() {
    rolled_back("DaemonSet", "daemonsets", &json!({}), &json!({"kubernetes.io/hostname": "n1"}));
}
