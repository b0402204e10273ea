//! Logs of several pods in two clusters: new pods join, and what is shown is saved.

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
    tui.ctrl('s').wait("lines saved to");
    tui.quit();
    let dir = home.path("state/logs");
    let file = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).next().expect("a file");
    let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
    assert!(text.contains("hello from the new one") && !text.contains("from afar"), "{text}");
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
        let end = format!("{pod} {line}");
        assert_eq!(tui.text().lines().filter(|row| row.trim_end().ends_with(&end)).count(), 1, "{}", tui.text());
    }
    tui.quit();
}
