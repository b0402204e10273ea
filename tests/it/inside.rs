//! Terminals inside of containers: shells, processes, keys, sizes, and what is said afterwards.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::world::object::{ResourceId, str_at};
use kokpit::world::time::Time;
use serde_json::{Value, json};

/// A home with the shop, and one more pod `box` with this spec for its container and these annotations.
fn with_box(container: Value, annotations: Value, spec: Value) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    let mut own = json!({"name": "app", "image": "box:1"});
    own.as_object_mut().expect("an object").extend(container.as_object().cloned().unwrap_or_default());
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "box", "namespace": "shop", "annotations": annotations}, "spec": {"containers": [own]}});
    pod["spec"].as_object_mut().expect("an object").extend(spec.as_object().cloned().unwrap_or_default());
    cluster.store.create(&ResourceId::core("pods"), pod).expect("valid");
    until("the pod to run", || {
        let pod = cluster.get("pods", "shop", "box")?;
        (str_at(&pod, "/status/phase") == "Running").then_some(())
    });
    (home, cluster)
}

/// The cockpit on that pod.
fn on_box(home: &Home) -> Tui {
    let mut tui = home.tui_sized(&["-n", "shop"], 100, 24);
    tui.send(":pods /box\r").wait_for("the pod", |screen| {
        let text = screen.contents();
        text.contains("box") && text.contains("Running") && !text.contains("web-")
    });
    tui
}

#[test]
fn a_shell_hears_of_keys_and_sizes_and_its_end_is_told() {
    let (home, _cluster) = with_box(json!({}), json!({}), json!({}));
    let mut tui = on_box(&home);
    tui.send("s").wait("/ #");
    tui.send("stty size\r").wait("24 100");
    tui.resize(90, 20);
    // (The new size takes a moment to get there.)
    until("the new size inside", || {
        tui.send("stty size\r");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        tui.text().contains("20 90").then_some(())
    });
    // Ctrl-C is for what runs inside.
    tui.send("half a line");
    tui.ctrl('c').wait("half a line^C");
    tui.send("exit 3\r").wait("shell in app ended, exit status 3");
    tui.quit();
    tui.assert_restored();
}

#[test]
fn shells_are_tried_in_order() {
    let (home, _cluster) = with_box(json!({}), json!({"sim.kokpit.dev/programs": "ash,hostname"}), json!({}));
    let mut tui = on_box(&home);
    tui.send("s").wait("/ #");
    tui.send("hostname\r").wait_for("the name", |screen| screen.contents().lines().any(|line| line.trim() == "box"));
    tui.send("\u{4}").wait("exit status 0");
    tui.send(":shell app -- hostname\r").wait("hostname in app ended, exit status 0");
    tui.quit();
}

#[test]
fn a_container_without_a_shell_says_what_to_do() {
    let (home, _cluster) = with_box(json!({}), json!({"sim.kokpit.dev/programs": "app"}), json!({}));
    let mut tui = on_box(&home);
    tui.send("s").wait("has no shell");
    assert!(tui.text().contains("debug"), "{}", tui.text());
    tui.quit();
    tui.assert_restored();
}

#[test]
fn windows_has_shells_of_its_own() {
    let (home, _cluster) = with_box(json!({}), json!({}), json!({"os": {"name": "windows"}}));
    let mut tui = on_box(&home);
    tui.send("s").wait("/ #");
    tui.send("exit\r").wait("exit status 0");
    tui.quit();
}

#[test]
fn a_process_with_a_terminal_is_attached_to_and_left() {
    let (home, _cluster) = with_box(json!({"stdin": true, "tty": true}), json!({}), json!({}));
    let mut tui = on_box(&home);
    tui.does("attach", "a").wait("Ctrl-P Ctrl-Q leaves");
    tui.wait("/ #");
    tui.send("echo in$((1))side; echo inside\r").wait("\ninside");
    tui.send("\u{10}\u{11}").wait("left app; it goes on");
    tui.quit();
    tui.assert_restored();
}

#[test]
fn a_process_without_a_terminal_is_watched() {
    let (home, cluster) = with_box(json!({}), json!({}), json!({}));
    let mut tui = on_box(&home);
    tui.send("a").wait("no terminal to type on");
    let now = Time::parse("2026-11-21T10:00:00Z").expect("a time");
    // What it says from the moment on when one is there.
    until("a line", || {
        cluster.logs().append("shop", "box", "app", now, "one\ntwo");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        tui.text().lines().any(|line| line.trim_end() == "two").then_some(())
    });
    tui.ctrl('c').wait("left app; it goes on");
    // It was the watching that ended, not the cockpit.
    tui.send(":nodes\r").wait("n3");
    tui.quit();
    tui.assert_restored();
}
