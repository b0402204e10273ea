//! Every action of the table, run in the real binary in a terminal by its key or its name.
//!
//! [`Tui::does`] types keys and fails unless the program's log says that they ran the action named; what a person sees of it
//! is waited for then. Where an action has a file of its own (argo.rs, cp.rs …) its test stands there.

mod going;
mod logs;
mod moving;
mod nodes;
mod tables;
mod texts;
mod workloads;

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::actions::{TABLE, find};
use kokpit::world::object::ResourceId;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The actions that the tests below a directory run by [`Tui::does`], or wait for by [`Tui::did`].
fn done_below(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir).expect("the tests are there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.append(&mut done_below(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: String = code.flat_map(|line| line.chars().filter(|c| !c.is_whitespace())).collect();
            let calls = code.split(".does(\"").skip(1).chain(code.split(".did(\"").skip(1));
            found.extend(calls.filter_map(|rest| rest.split_once("\",").map(|(action, _)| action.to_string())));
        }
    }
    found
}

#[test]
fn every_action_is_run_in_a_terminal_by_a_test() {
    let done = done_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it"));
    let missing: Vec<&str> = TABLE.iter().map(|action| action.name).filter(|name| !done.contains(*name)).collect();
    assert!(
        missing.is_empty(),
        "no test runs {missing:?} in a terminal: write one with `tui.does(ACTION, KEYS)` that waits for what is seen of it"
    );
    let unknown: Vec<&String> = done.iter().filter(|name| find(name).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?} are in no table of actions");
}

/// A home with the shop as its only cluster, its two pods of `web` running.
fn shop(config: &str) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    home.write("config/config.toml", config);
    until("the pods of the shop", || (running(&cluster, "web-").len() == 2).then_some(()));
    (home, cluster)
}

/// Names of the pods of namespace `shop` that begin like this and are ready, sorted.
fn running(cluster: &Embedded, prefix: &str) -> Vec<String> {
    let is_ready = |pod: &Value| {
        let conditions = kokpit::world::object::list_at(pod, "/status/conditions");
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let pods = cluster.store.list(&ResourceId::core("pods"), Some("shop"));
    let fit = pods.iter().filter(|pod| is_ready(pod) && pod["metadata"].get("deletionTimestamp").is_none());
    let mut names: Vec<String> = fit.map(|pod| kokpit::world::object::name(pod).to_string()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names
}

fn config_map(cluster: &Embedded, namespace: &str, name: &str, data: &Value) {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace}, "data": data});
    cluster.create("configmaps", object);
}

/// Waits until the cursor is on the row of this name.
fn wait_cursor(tui: &Tui, name: &str) {
    tui.wait_for(&format!("the cursor on {name}"), |screen| {
        screen.contents().lines().any(|line| line.starts_with('▸') && line.contains(name))
    });
}

/// Whether the terminal was given this text for its clipboard.
fn copied(tui: &Tui, text: &str) -> bool {
    use base64::Engine;
    let packed = base64::engine::general_purpose::STANDARD.encode(text);
    String::from_utf8_lossy(&tui.raw()).contains(&format!("\u{1b}]52;c;{packed}"))
}
