//! Tables as a person wants them: columns chosen on screen and in the configuration, over restarts.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};

fn shop(config: &str) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("prod", &cluster.url())]);
    home.write("config/config.toml", config);
    until("the pods of the shop", || (cluster.pods().len() == 3).then_some(()));
    (home, cluster)
}

/// The line with the titles of columns that fits.
fn wait_titles(tui: &Tui, wanted: &[&str]) {
    tui.wait_for(&format!("the columns {wanted:?}"), |screen| {
        // (An arrow stands at the one that the rows are sorted by.)
        let titles = |line: &str| -> Vec<String> {
            line.split_whitespace().map(|word| word.trim_end_matches(['↑', '↓']).to_string()).collect()
        };
        screen.contents().lines().any(|line| titles(line) == wanted)
    });
}

/// Whether an object has a row; the bar may name it too.
fn has_row(screen: &vt100::Screen, name: &str) -> bool {
    let rows = screen.contents();
    rows.lines().skip(1).any(|line| line.trim_start_matches([' ', '▸']).starts_with(&format!("{name} ")))
}

#[test]
fn rows_are_written_found_by_their_objects_and_frozen() {
    let (home, cluster) = shop("");
    let mut tui = home.tui_sized(&[], 120, 30);
    tui.send(":pods shop\r").wait("big");
    // A file of that name is left alone: the next free name is taken, and told.
    home.write("out.csv", "mine");
    let out = home.path("out.csv");
    tui.does("export", &format!(":export csv {}\r", out.display())).wait("out-1.csv");
    assert_eq!(home.read("out.csv"), "mine");
    let csv = home.read("out-1.csv");
    assert!(csv.starts_with("NAME,READY,STATUS,") && csv.lines().count() == 4 && csv.contains("\nbig,0/1,"), "{csv}");
    tui.send(&format!(":export json {}\r", home.path("out.json").display()));
    until("the file", || home.read("out.json").ends_with("]}\n").then_some(()));
    let json: serde_json::Value = serde_json::from_str(&home.read("out.json")).expect("JSON");
    assert_eq!(json["items"].as_array().map(Vec::len), Some(3));
    assert!(json["items"][0]["spec"]["containers"].is_array());
    // Whole objects are searched: only one asks for that much.
    tui.does("grep", ":grep replicaset\r").wait_for("those of a ReplicaSet", |screen| !has_row(screen, "big"));
    tui.send("\u{1b}").wait_for("all", |screen| has_row(screen, "big"));
    // A frozen table stands still.
    tui.does("freeze", "H").wait("frozen");
    cluster.delete_pod("big");
    until("the pod to be gone", || (!cluster.pods().contains(&"big".into())).then_some(()));
    tui.send("G").wait_for("the row that is gone", |screen| has_row(screen, "big"));
    tui.send("H").wait_for("the rows that there are", |screen| !has_row(screen, "big"));
    tui.quit();
}

#[test]
fn columns_are_chosen_and_remembered() {
    let (home, _cluster) = shop("[columns]\nnodes = [\"NAME\"]\npods = [\"NAMESPACE\", \"NAME\", \"NODEE\"]\n");
    let mut tui = home.tui_sized(&[], 120, 30);
    // What the configuration says wrong is named with its line.
    tui.wait("config.toml:3: pods have no column \"NODEE\"; did you mean NODE?");
    tui.send(":columns\r").wait("columns does not apply here");
    tui.send(":pods shop\r").wait("big");
    tui.send(":columns NAME,labels.app,.spec.containers[*].image as IMAGE,.status.phase as PHASE\r");
    wait_titles(&tui, &["NAME", "APP", "IMAGE", "PHASE"]);
    tui.wait_for("the phase of the pod that fits nowhere", |screen| {
        screen.contents().lines().any(|line| line.contains("big") && line.contains("Pending"))
    });
    // Sorted by what only the objects say: those that run come behind the one that does not.
    tui.does("sort-column", ":sort-column PHASE\r").wait_for("rows by phase", |screen| {
        let text = screen.contents();
        let at = |wanted: &str| text.lines().position(|line| line.contains(wanted));
        matches!((at("Pending"), at("Running")), (Some(pending), Some(running)) if pending < running)
    });
    // The list of columns: APP is hidden, another one added.
    tui.does("columns", "W").wait("columns of pods");
    tui.send("/app\r").send(" ").send("\u{1b}");
    tui.send("a").send(".spec.nodeName as ON\r").wait(" ON ");
    tui.send("\u{1b}");
    wait_titles(&tui, &["NAME", "IMAGE", "PHASE", "ON"]);
    tui.quit();
    // The next start has them too, and gives them up when asked to.
    let mut tui = home.tui_sized(&[], 120, 30);
    tui.send(":pods shop\r");
    wait_titles(&tui, &["NAME", "IMAGE", "PHASE", "ON"]);
    tui.send(":columns reset\r");
    wait_titles(&tui, &["NAME"]);
    tui.quit();
}
