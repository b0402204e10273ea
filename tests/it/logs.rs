//! Logs of several pods in two clusters: new pods, runs and containers join, what breaks is read on, and what is shown is
//! saved.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::world::object::ResourceId;
use kokpit::world::time::Time;
use serde_json::{Value, json};

/// What the kubelet says of the only container of a pod.
fn status(cluster: &Embedded, pod: &str, state: Value, last: Value, restarts: u32) {
    let status = json!([{"name": "app", "image": "web:1", "imageID": "", "ready": true, "restartCount": restarts,
        "state": state, "lastState": last}]);
    let changed = cluster.store.modify(&ResourceId::core("pods"), "shop", pod, |pod| {
        pod["status"]["containerStatuses"] = status;
    });
    changed.expect("the pod is there");
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-21T10:00:00Z"}})
}

fn webs(cluster: &Embedded) -> Vec<String> {
    cluster.pods().into_iter().filter(|name| name.starts_with("web-")).collect()
}

fn write(cluster: &Embedded, pod: &str, text: &str) {
    let now = Time::parse("2026-11-21T10:00:00Z").expect("a time");
    cluster.logs().append("shop", pod, "app", now, text);
}

/// Two shops whose pods run, and the cockpit on the logs of `web` in both.
fn on_logs(home: &Home, eu: &Embedded, us: &Embedded) -> Tui {
    home.kubeconfig(&[("eu", &eu.url()), ("us", &us.url())]);
    for cluster in [eu, us] {
        until("two pods of web", || (webs(cluster).len() == 2).then_some(()));
        webs(cluster).iter().for_each(|pod| status(cluster, pod, running(), json!({}), 0));
    }
    let mut tui = home.tui_sized(&[], 120, 40);
    tui.send(":pods shop @eu @us\r");
    tui.wait_for("the pods of both", |screen| screen.contents().matches("web-").count() >= 4);
    tui.send(":logs -l app=web\r").wait("-l app=web");
    tui
}

#[test]
fn logs_of_two_clusters_take_new_pods_in() {
    let (home, eu, us) = (Home::new(), Embedded::shop(), Embedded::shop());
    let mut tui = on_logs(&home, &eu, &us);
    let (first, far) = (webs(&eu).remove(0), webs(&us).remove(0));
    write(&eu, &first, "before the end");
    write(&us, &far, "\u{1b}[31mfrom afar\u{1b}[0m");
    tui.wait(&format!("eu/{first} before the end"));
    tui.wait(&format!("us/{far} from afar"));
    // The pod is replaced by another.
    let known = webs(&eu);
    eu.delete_pod(&first);
    let new = until("another pod", || webs(&eu).into_iter().find(|name| !known.contains(name)));
    write(&eu, &new, "hello from the new one");
    status(&eu, &new, running(), json!({}), 0);
    tui.wait("hello from the new one");
    tui.wait(&format!("{first}/app is gone"));
    // Filter, then save what is shown.
    tui.send("/hello\r").wait_gone("from afar");
    tui.does("save", "\u{13}").wait("lines saved to");
    tui.quit();
    let dir = home.path("state/logs");
    let file = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).next().expect("a file");
    let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
    assert!(text.contains("hello from the new one") && !text.contains("from afar"), "{text}");
}

/// How many lines of the screen end with a text.
fn ending_with(tui: &Tui, end: &str) -> usize {
    tui.text().lines().filter(|row| row.trim_end().ends_with(end)).count()
}

#[test]
fn a_container_that_is_started_anew_is_read_on_under_a_mark() {
    let (home, eu, us) = (Home::new(), Embedded::shop(), Embedded::shop());
    let mut tui = on_logs(&home, &eu, &us);
    let pod = webs(&eu).remove(0);
    write(&eu, &pod, "before");
    tui.wait(&format!("{pod} before"));
    // Nobody has read its last words when it is dead; the kubelet starts it anew at once.
    eu.logs().restart("shop", &pod, "app");
    let ended = json!({"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-21T09:00:00Z", "finishedAt": "2026-11-21T10:00:01Z"});
    let log = "2026-11-21T10:00:00.000000000Z before\n2026-11-21T10:00:01.000000000Z last words";
    eu.logs().set("shop", &pod, "app", true, log);
    eu.logs().set("shop", &pod, "app", false, "2026-11-21T10:00:02.000000000Z up again");
    status(&eu, &pod, json!({"terminated": ended}), json!({}), 0);
    tui.wait(&format!("{pod}/app restarted (exit 137, OOMKilled)"));
    tui.wait(&format!("{pod} up again"));
    let order = ["before", "last words", "restarted (exit 137, OOMKilled) —", "up again"];
    let ends: Vec<String> = order.iter().map(|end| format!(" {end}")).collect();
    for end in &ends {
        assert_eq!(ending_with(&tui, end), 1, "{end}:\n{}", tui.text());
    }
    let text = tui.text();
    let places: Vec<Option<usize>> = ends.iter().map(|end| text.find(end.as_str())).collect();
    assert!(places.is_sorted(), "{text}");
    // It is followed, not only read.
    eu.logs().append("shop", &pod, "app", Time::parse("2026-11-21T10:00:03Z").expect("a time"), "still there");
    tui.wait(&format!("{pod} still there"));
    tui.quit();
}

#[test]
fn an_ephemeral_container_joins_and_has_a_log_of_its_own() {
    let (home, eu, us) = (Home::new(), Embedded::shop(), Embedded::shop());
    let mut tui = on_logs(&home, &eu, &us);
    let pod = webs(&eu).remove(0);
    let debugger = json!([{"name": "debugger-1", "image": "busybox:1", "command": ["sleep", "infinity"]}]);
    let added = eu.store.modify(&ResourceId::core("pods"), "shop", &pod, |pod| {
        pod["spec"]["ephemeralContainers"] = debugger;
    });
    added.expect("the pod is there");
    let now = Time::parse("2026-11-21T10:00:00Z").expect("a time");
    eu.logs().append("shop", &pod, "debugger-1", now, "looking around");
    tui.wait(&format!("{pod}/debugger-1 looking around"));
    // By itself, from the list of the pod's containers.
    write(&eu, &pod, "from the application");
    tui.wait("from the application");
    tui.send(&format!(":pods shop @eu /{pod}\r")).wait_for("only this pod", |screen| {
        let text = screen.contents();
        text.contains(&pod) && text.matches("web-").count() < 4
    });
    tui.send("\r").wait_for("the containers", |screen| {
        screen.contents().lines().any(|line| line.contains("debugger-1") && line.contains("ephemeral"))
    });
    tui.send("/debugger\r").wait_gone("web:1");
    tui.send("l").wait("looking around");
    assert!(!tui.text().contains("from the application"), "{}", tui.text());
    tui.quit();
}

#[test]
fn the_runs_of_a_cron_job_join_whoever_began_them() {
    let (home, eu) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("eu", &eu.url())]);
    let template = json!({"spec": {"restartPolicy": "Never",
        "containers": [{"name": "app", "image": "backup:1", "command": ["sleep", "infinity"]}]}});
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup", "namespace": "shop"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}});
    let made = eu.store.create(&ResourceId::new("batch", "cronjobs"), cron).expect("the CronJob is valid");
    let owner = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "controller": true,
        "uid": made["metadata"]["uid"]}]);
    let run = |name: &str| {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template},
            "metadata": {"name": name, "namespace": "shop", "ownerReferences": owner}});
        eu.store.create(&ResourceId::new("batch", "jobs"), job).expect("the Job is valid");
        let pod = until("its pod", || eu.pods().into_iter().find(|pod| pod.starts_with(name)));
        write(&eu, &pod, &format!("{name} speaks"));
    };
    let mut tui = home.tui_sized(&[], 120, 40);
    tui.send(":cj shop\r").wait("backup");
    // There is no run yet: it is waited for.
    tui.send("l").wait("no pod of this selection is known yet");
    run("backup-29400000");
    tui.wait("backup-29400000 speaks");
    run("by-hand");
    tui.wait("by-hand speaks");
    tui.quit();
}

#[test]
fn a_broken_connection_loses_no_line() {
    let (home, mut eu, us) = (Home::new(), Embedded::shop(), Embedded::shop());
    let mut tui = on_logs(&home, &eu, &us);
    let pod = webs(&eu).remove(0);
    write(&eu, &pod, "one\ntwo");
    tui.wait("two");
    eu.stop();
    write(&eu, &pod, "three");
    eu.start();
    tui.wait("three");
    for line in ["one", "two", "three"] {
        assert_eq!(ending_with(&tui, &format!("{pod} {line}")), 1, "{}", tui.text());
    }
    tui.quit();
}
