//! Values of Secrets, the tour, folds, links and dragged columns, in a real terminal.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use serde_json::json;
use std::path::Path;

fn shop(config: &str) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    home.write("config/config.toml", config);
    cluster.create(
        "secrets",
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
            "data": {"password": "aHVudGVyMg==", "key": "/wA="}}),
    );
    cluster.create(
        "configmaps",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "where", "namespace": "shop"},
            "data": {"url": "https://shop.example.com/cart?x=1"}}),
    );
    (home, cluster)
}

/// Every file below a directory that holds a text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn sent(tui: &Tui, text: &str) -> bool {
    String::from_utf8_lossy(&tui.raw()).contains(text)
}

#[test]
fn a_secret_is_decoded_on_request_and_left_nowhere() {
    let (mut home, _cluster) = shop("");
    home.set("KOKPIT_LOG", "debug");
    let mut tui = home.tui(&["-n", "shop"]);
    tui.send(":secrets\r").wait("db");
    assert!(!sent(&tui, "hunter2"));
    tui.send("y").wait("password: ••• 7 bytes");
    tui.does("decode", "x").wait("password: hunter2");
    assert!(tui.text().contains("key: ••• 2 bytes that are no text") && tui.text().contains("values shown"));
    tui.send("/hunter\r").wait("1 of 1");
    tui.send("\u{1b}").wait("password: hunter2");
    tui.send("\u{1b}").wait("password: ••• 7 bytes");
    tui.send(":notices\r").wait("the values of Secret shop/db on dev are shown");
    tui.send("\u{1b}").send(":secrets\r").wait("db");
    tui.send(":export yaml out.yaml\r").wait("out.yaml");
    tui.quit();
    for value in ["hunter2", "aHVudGVyMg"] {
        assert_eq!(holding(&home.path(""), value), Vec::<String>::new(), "{value} is kept");
    }
}

#[test]
fn values_stay_hidden_where_the_configuration_says_so() {
    let (home, cluster) = shop("readonly = [\"dev\"]\n[secrets]\ndecode = \"unprotected\"\n");
    let mut tui = home.tui(&["-n", "shop"]);
    tui.send(":secrets\r").wait("db");
    let before = cluster.stats().count("get", "secrets");
    tui.send("x").wait("values of Secrets on dev are not shown");
    tui.quit();
    assert_eq!(cluster.stats().count("get", "secrets"), before, "nothing was read");
    assert!(!sent(&tui, "hunter2"));
}

#[test]
fn the_tour_is_offered_at_first_use_and_yaml_folds() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui_sized(&["-n", "shop"], 80, 24);
    tui.wait("new here? :tour has the ten keys that matter");
    tui.does("tour", ":tour\r").wait("Ten keys are enough");
    tui.wait("what is wrong in all clusters");
    tui.send("\u{1b}").send(":cm\r").wait("where");
    tui.send("y").wait("url: https://shop.example.com");
    tui.does("fold-all", "1").wait("metadata: … ");
    tui.send("0").wait("namespace: shop");
    tui.quit();
    let mut tui = home.tui(&["-n", "shop"]);
    tui.send(":pods\r").wait("big");
    assert!(!sent(&tui, "new here?"), "once is enough");
    tui.quit();
}

#[test]
fn links_are_sent_to_terminals_that_take_them_only() {
    for (config, taken) in [("[ui]\nlinks = \"on\"\n", true), ("", false)] {
        let (home, _cluster) = shop(config);
        let mut tui = home.tui(&["-n", "shop"]);
        tui.send(":cm\r").wait("where");
        tui.send("y").wait("url: https://shop.example.com/cart?x=1");
        let is_link = |tui: &Tui| {
            let raw = String::from_utf8_lossy(&tui.raw()).into_owned();
            raw.contains(";https://shop.example.com/cart?x=1\u{1b}\\") && raw.contains("\u{1b}]8;;\u{1b}\\")
        };
        assert_eq!(is_link(&tui), taken);
        assert_eq!(sent(&tui, "\u{1b}]8;"), taken);
        tui.quit();
        tui.assert_restored();
    }
}

#[test]
fn a_dragged_column_keeps_its_width_for_the_next_start() {
    let (home, _cluster) = shop("[ui]\nmouse = true\n");
    let titles =
        |tui: &Tui| tui.text().lines().find(|line| line.contains("NAME ") && line.contains("READY")).map(String::from);
    let at = |tui: &Tui, title: &str| until("the titles", || titles(tui)?.find(title));
    let mut tui = home.tui_sized(&["-n", "shop"], 100, 30);
    tui.send(":pods\r").wait("big");
    let (ready, row) = (at(&tui, "READY"), tui.text().lines().position(|line| line.contains("READY")).unwrap_or(0) + 1);
    // (Columns count from 1, and the space before a title is the edge of the one to its left.)
    let edge = ready;
    tui.send(&format!("\u{1b}[<0;{edge};{row}M\u{1b}[<32;{};{row}M\u{1b}[<0;{};{row}m", edge + 9, edge + 9));
    tui.wait_for("a wider column", |screen| {
        screen.contents().lines().any(|line| line.contains("NAME ") && line.find("READY") == Some(ready + 9))
    });
    until("the width kept", || home.read("state/columns.toml").contains("[widths]").then_some(()));
    tui.quit();
    let mut tui = home.tui_sized(&["-n", "shop"], 100, 30);
    tui.send(":pods\r").wait("big");
    assert_eq!(at(&tui, "READY"), ready + 9);
    tui.quit();
    tui.assert_restored();
}
