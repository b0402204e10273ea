//! Debug containers and pods on nodes: planned, journaled, gone into, and what is left behind.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::world::object::{ResourceId, list_at, name, str_at};

fn shop() -> (Home, Embedded, Tui) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    until("the pods to run", || {
        let pods = cluster.pods();
        let runs = |pod: &&String| {
            cluster.get("pods", "shop", pod).is_some_and(|pod| str_at(&pod, "/status/phase") == "Running")
        };
        (pods.iter().filter(runs).count() == 2).then_some(())
    });
    let tui = home.tui_sized(&["-n", "shop"], 110, 30);
    (home, cluster, tui)
}

/// Names of our pods on nodes.
fn ours(cluster: &Embedded) -> Vec<String> {
    let pods = cluster.store.list(&ResourceId::core("pods"), Some("default"));
    pods.iter().map(|pod| name(pod).to_string()).filter(|name| name.starts_with("node-debugger-")).collect()
}

/// Confirms the plan that is shown.
fn go_on(tui: &mut Tui) {
    tui.send("\t\r");
}

#[test]
fn a_container_is_added_to_a_pod_and_gone_into() {
    let (home, cluster, mut tui) = shop();
    home.write("config/config.toml", "[debug]\nimage = \"tools:7\"\n");
    tui.send(":pods /web\r").wait_for("the pods", |screen| {
        let text = screen.contents();
        text.contains("web-") && text.contains("Running") && !text.contains("big  ")
    });
    tui.does("debug", "D").wait("image to debug web-");
    tui.send("\r").wait("add the container debugger-");
    assert!(tui.text().contains("image tools:7") && tui.text().contains("cannot be removed"), "{}", tui.text());
    let before = |cluster: &Embedded| {
        let pods = cluster.pods();
        let with = |pod: &&String| {
            cluster.get("pods", "shop", pod).is_some_and(|p| !list_at(&p, "/spec/ephemeralContainers").is_empty())
        };
        pods.iter().find(with).cloned()
    };
    assert_eq!(before(&cluster), None, "nothing happens before it is confirmed");
    go_on(&mut tui);
    tui.wait("/ #");
    let pod = before(&cluster).expect("a pod with one more container");
    let pod = cluster.get("pods", "shop", &pod).expect("it is there");
    let added = &list_at(&pod, "/spec/ephemeralContainers")[0];
    assert_eq!((str_at(added, "/targetContainerName"), str_at(added, "/image")), ("app", "tools:7"));
    tui.send("exit 3\r").wait("exit status 3");
    let ran = home.run(&["ops"]);
    assert!(ran.out.contains("debug web-") && ran.out.contains("done"), "{ran:?}");
    tui.quit();
    tui.assert_restored();
}

#[test]
fn a_pod_on_a_node_is_gone_when_it_is_left() {
    let (home, cluster, mut tui) = shop();
    tui.send(":nodes /n1\r").wait_for("the node", |screen| {
        let text = screen.contents();
        text.contains("n1") && text.contains("Ready") && text.contains("1 of 3")
    });
    tui.send("D").wait("image to debug n1");
    tui.send("\r").wait("privileged");
    assert!(ours(&cluster).is_empty());
    go_on(&mut tui);
    tui.wait("/ #");
    assert_eq!(ours(&cluster).len(), 1);
    let ran = home.run(&["ops"]);
    assert!(ran.out.contains("debug node n1"), "while one is in it, it stands in the journal: {ran:?}");
    tui.send("exit\r").wait("exit status 0");
    until("the pod gone", || ours(&cluster).is_empty().then_some(()));
    until("the operation done", || {
        let ran = home.run(&["ops"]);
        (ran.out.contains("debug node n1") && ran.out.contains("done")).then_some(())
    });
    tui.quit();
}

#[test]
fn a_pod_on_a_node_that_a_crash_left_is_found_and_deleted() {
    let (home, cluster, mut tui) = shop();
    tui.send(":nodes /n1\r").wait_for("the node", |screen| {
        let text = screen.contents();
        text.contains("n1") && text.contains("Ready") && text.contains("1 of 3")
    });
    tui.send(":debug busybox\r").wait("privileged");
    go_on(&mut tui);
    tui.wait("/ #");
    tui.signal("KILL");
    tui.ended();
    assert_eq!(ours(&cluster).len(), 1, "nobody could delete it");
    let mut tui = home.tui_sized(&["-n", "shop"], 110, 30);
    tui.wait("was left open");
    let ran = home.run(&["ops"]);
    let id = ran.out.split_whitespace().find(|word| word.len() == 26).expect("an Op-Id").to_string();
    let ran = home.run(&["ops", &id, "--finish"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    until("the pod gone", || ours(&cluster).is_empty().then_some(()));
    tui.quit();
}
