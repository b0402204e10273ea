//! From one place to another and back: lists, problems, places visited, what belongs to an object.

use super::*;
use crate::support::kokpit;

/// Waits until the top line holds a text.
fn wait_head(tui: &Tui, text: &str) {
    tui.wait_for(&format!("a top line with `{text}`"), |screen| {
        screen.contents().lines().next().is_some_and(|line| line.contains(text))
    });
}

#[test]
fn places_visited_come_back() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 30);
    for place in ["pods", "nodes", "deployments"] {
        tui.send(&format!(":{place}\r"));
        wait_head(&tui, &format!("dev  {place}"));
    }
    tui.does("history-back", "[").wait("dev  nodes");
    tui.does("history-back", "[").wait("dev  pods");
    tui.does("history-forward", "]").wait("dev  nodes");
    tui.does("last-view", "-").wait("dev  deployments");
    tui.does("last-view", "-").wait("dev  nodes");
    // The way back stands in the top line, or not.
    tui.wait("‹ deployments ‹ nodes");
    tui.does("crumbs", "\u{7}").wait_gone("‹");
    tui.does("crumbs", "\u{7}").wait("‹ deployments ‹ nodes");
    tui.does("aliases", "\u{1}").wait("configmaps");
    tui.send("/deploy\r").wait_gone("configmaps");
    tui.send("\r");
    wait_head(&tui, "dev  deployments");
    tui.quit();
}

#[test]
fn what_is_wrong_leads_to_its_objects() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui_sized(&["-n", "shop"], 140, 30);
    tui.send(":nodes\r").wait("n3");
    tui.does("problems", "!").wait("WHERE");
    tui.wait_for("the pod that fits nowhere", |screen| {
        screen.contents().lines().skip(2).any(|line| line.contains("pod big Pending"))
    });
    tui.does("objects", "o").wait("dev  pods");
    wait_cursor(&tui, "big");
    assert!(!tui.text().contains("web-"), "only what shows the problem:\n{}", tui.text());
    tui.quit();
}

#[test]
fn a_lost_cluster_is_tried_again_and_the_screen_drawn_anew() {
    let (home, mut cluster) = shop("");
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 30);
    tui.send(":pods\r").wait("big ");
    cluster.stop();
    tui.wait("unreachable");
    cluster.start();
    tui.forget_raw();
    tui.does("refresh", "\u{12}").wait_gone("unreachable");
    until("every row sent again", || String::from_utf8_lossy(&tui.raw()).contains("big").then_some(()));
    tui.quit();
}

#[test]
fn what_belongs_to_an_object_is_a_key_away() {
    let (home, cluster) = shop("");
    let pod = running(&cluster, "web-").remove(0);
    let node = cluster.get("pods", "shop", &pod).expect("a pod")["spec"]["nodeName"].as_str().map(String::from);
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 30);
    tui.send(":deploy\r").wait("AVAILABLE");
    wait_cursor(&tui, "web");
    tui.does("children", "z").wait("of Deployment web");
    wait_head(&tui, "replicasets");
    tui.send(&format!(":pods /{pod}\r"));
    wait_cursor(&tui, &pod);
    tui.does("owner", "J").wait("replicasets");
    tui.send("\u{1b}");
    wait_cursor(&tui, &pod);
    tui.does("node", "o").wait("dev  nodes");
    wait_cursor(&tui, &node.expect("it runs on a node"));
    // The tree of the Deployment folds and unfolds.
    tui.send(":deploy\r").wait("AVAILABLE");
    wait_cursor(&tui, "web");
    tui.does("xray", "b").wait(&format!("Pod {pod}"));
    tui.does("fold", "\u{1b}[D").wait_gone("ReplicaSet web-");
    tui.does("unfold", "\u{1b}[C").wait("ReplicaSet web-");
    tui.quit();
}

#[test]
fn the_tutorial_of_the_demo_is_hidden_and_shown() {
    let home = Home::new();
    let dir = home.path("").display().to_string();
    let mut tui = home.terminal(kokpit(), &["demo", "--dir", &dir], 120, 40);
    tui.wait("tutorial 0/");
    tui.send(":pods\r").wait("NAMESPACE");
    tui.does("tutorial", "T").wait_gone("tutorial 0/");
    tui.does("tutorial", "T").wait("tutorial 0/");
    tui.quit();
}
