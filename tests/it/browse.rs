//! The real binary in a terminal, on embedded clusters: browse, filter, why, cordon, crashes, and giving the terminal back.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::sim::server::Faults;
use kokpit::world::time::Time;
use std::path::PathBuf;
use std::time::Duration;

mod operations;
mod terminal;

/// A home with the shop as its only cluster.
fn shop() -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    (home, cluster)
}

/// Waits until no row of the table holds a text; the bar under the top line may.
fn wait_row_gone(tui: &Tui, text: &str) {
    tui.wait_for(&format!("no row with `{text}`"), |screen| {
        let text = |line: &str| !line.starts_with('!') && line.contains(text);
        !screen.contents().lines().skip(1).any(text)
    });
}

/// The row of the table that holds a text.
fn row_of(tui: &Tui, text: &str) -> String {
    let row = tui.text().lines().skip(2).find(|line| line.contains(text)).map(str::to_string);
    row.unwrap_or_default()
}

/// The cockpit on the shop's pods.
fn on_pods(home: &Home, cluster: &Embedded, cols: u16, rows: u16) -> Tui {
    until("two pods of the shop", || (cluster.pods().len() == 3).then_some(()));
    let mut tui = home.tui_sized(&["-n", "shop"], cols, rows);
    tui.send(":pods\r");
    tui.wait_for("the pods", |screen| {
        let text = screen.contents();
        text.contains("web-") && text.contains("big") && text.contains("Running")
    });
    tui
}

#[test]
fn browse_filter_describe_and_yaml() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 30);
    tui.does("filter", "/big\r").wait_gone("web-");
    assert!(row_of(&tui, "big ").contains("Pending"), "{}", tui.text());
    tui.does("describe", "d").wait("Placement");
    assert!(tui.text().contains("Pending"), "{}", tui.text());
    tui.does("back", "\u{1b}").wait("READY");
    tui.does("yaml", "y").wait("apiVersion: v1");
    assert!(!tui.text().contains("managedFields:"), "{}", tui.text());
    // Back at the table the filter still holds; a second Esc takes it away.
    tui.send("\u{1b}").wait("READY");
    assert!(!tui.text().contains("web-"), "{}", tui.text());
    tui.send("\u{1b}").wait("web-");
    tui.send("/!big\r");
    wait_row_gone(&tui, "big ");
    tui.quit();
    tui.assert_restored();
}

#[test]
fn commands_lead_to_every_kind() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 30);
    tui.does("command", ":nodes\r").wait("n3");
    tui.send(":deploy\r").wait("web");
    tui.send(":configmaps\r").wait("configmaps");
    tui.send(":nosuchkind\r").wait("nosuchkind");
    tui.send("\u{1b}").does("help", "?").wait("WHAT IT DOES");
    tui.quit();
}

#[test]
fn a_pod_changes_before_ones_eyes() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 30);
    cluster.delete_pod("big");
    wait_row_gone(&tui, "big");
    tui.quit();
}

#[test]
fn logs_are_followed() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 30);
    let pod = cluster.pods().into_iter().find(|name| name.starts_with("web-")).expect("a pod");
    let now = Time::parse("2026-11-21T10:00:00Z").expect("a time");
    cluster.logs().append("shop", &pod, "app", now, "listening on 8080");
    tui.send(&format!("/{pod}\r"));
    wait_row_gone(&tui, "big ");
    tui.does("logs", "l").wait("listening on 8080");
    cluster.logs().append("shop", &pod, "app", now, "\u{1b}[31mfirst request\u{1b}[0m");
    tui.wait("first request");
    tui.send("\u{1b}").wait("READY");
    tui.quit();
}

#[test]
fn why_a_pod_is_pending() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 40);
    tui.send("/big\r").wait_gone("web-");
    tui.does("why", "x").wait("cpu");
    tui.wait_for("every node", |screen| ["n1", "n2", "n3"].iter().all(|node| screen.contents().contains(node)));
    tui.wait("dedicated=db");
    tui.send("\u{1b}").wait("READY");
    tui.quit();
}

#[test]
fn a_screen_of_80_by_24_is_enough() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 80, 24);
    for column in ["NAME", "READY", "STATUS", "AGE"] {
        assert!(tui.text().contains(column), "{column} is missing:\n{}", tui.text());
    }
    tui.send("/big\r").wait_gone("web-");
    tui.send("x").wait("cpu");
    tui.send("\u{1b}").wait("READY");
    tui.send(":nodes\r").wait("n1");
    tui.resize(60, 12);
    tui.wait("n1");
    tui.resize(160, 50);
    tui.wait("n3");
    tui.quit();
}

#[test]
fn without_colours_nothing_is_coloured() {
    let (mut home, cluster) = shop();
    home.set("NO_COLOR", "1");
    let mut tui = on_pods(&home, &cluster, 100, 30);
    tui.send("?").wait("WHAT IT DOES");
    tui.send("\u{1b}").send(":nodes\r").wait("n3");
    tui.look(|screen| {
        let (rows, cols) = screen.size();
        for (row, col) in (0..rows.get()).flat_map(|row| (0..cols.get()).map(move |col| (row, col))) {
            let Some(cell) = screen.cell(row, col) else { continue };
            assert_eq!((cell.fgcolor(), cell.bgcolor()), Default::default(), "row {row}, column {col}");
        }
    });
    let raw = String::from_utf8_lossy(&tui.raw()).into_owned();
    for sequence in raw.split("\u{1b}[").skip(1) {
        let Some(codes) = sequence.split_once('m').map(|(codes, _)| codes) else { continue };
        let colour =
            |code: &str| code.parse::<u8>().is_ok_and(|code| (30..=38).contains(&code) || (40..=48).contains(&code));
        let plain = codes.chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(!plain || !codes.split(';').any(colour), "a colour was sent: ESC[{codes}m");
    }
    tui.quit();
}

#[test]
fn a_server_that_dies_keeps_its_rows_and_comes_back() {
    let (home, mut cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 30);
    cluster.stop();
    tui.wait_for("the age of the rows", |screen| {
        let text = screen.contents();
        text.contains("unreachable") && !text.lines().next().is_some_and(|line| line.trim_end().ends_with("live"))
    });
    assert!(tui.text().contains("web-") && tui.text().contains("big"), "the rows stay:\n{}", tui.text());
    cluster.start();
    cluster.delete_pod("big");
    tui.wait_gone("big");
    tui.wait("live");
    tui.quit();
}

#[test]
fn a_forbidden_cluster_delays_no_other() {
    let (home, good) = (Home::new(), Embedded::shop());
    let bad = Embedded::with(Faults { silent: true, ..Faults::default() });
    home.kubeconfig(&[("good", &good.url()), ("silent", &bad.url())]);
    let mut tui = home.tui_sized(&["--all-contexts", "-n", "shop"], 120, 30);
    tui.send(":pods\r").wait_within(Duration::from_secs(5), "the pods of the other cluster", |screen| {
        screen.contents().contains("big")
    });
    // It may heal at any time.
    bad.faults(Faults::default());
    tui.wait_for("pods of both", |screen| screen.contents().matches("big").count() >= 2);
    tui.quit();
}

#[test]
fn a_shell_has_the_whole_terminal_and_gives_it_back() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 100, 24);
    tui.send("/web\r");
    wait_row_gone(&tui, "big ");
    tui.does("shell", "s").wait("/ #");
    tui.send("echo to and fro | true; echo said so\r");
    tui.wait_for("the echo", |screen| screen.contents().lines().any(|line| line.trim() == "said so"));
    // Keys typed right after the shell has ended belong to the cockpit.
    tui.send("\u{4}").wait("READY");
    tui.send(":nodes\r").wait("n3");
    tui.quit();
    tui.assert_restored();
}
