//! What a table shows: its order, its columns, its namespaces, what is wrong.

use super::*;

/// Waits until a title has the arrow of the column that the rows are sorted by.
fn wait_sorted(tui: &Tui, title: &str) {
    tui.wait_for(&format!("rows sorted: {title}"), |screen| {
        screen.contents().lines().any(|line| line.contains("NAME") && line.contains(title))
    });
}

/// The cockpit on the pods of all namespaces.
fn on_pods(home: &Home) -> Tui {
    let mut tui = home.tui_sized(&["-A"], 140, 24);
    tui.send(":pods\r").wait_for("the pods", |screen| {
        let text = screen.contents();
        text.contains("NAMESPACE") && text.contains("big ") && text.contains("web-")
    });
    tui
}

#[test]
fn rows_are_sorted_by_any_column() {
    let (home, _cluster) = shop("");
    let mut tui = on_pods(&home);
    tui.does("sort-age", "A").wait("AGE↑");
    tui.does("sort-age", "A").wait("AGE↓");
    tui.does("sort-name", "N").wait(" NAME↑");
    tui.does("sort-name", "N").wait_for("the last name first", |screen| {
        let text = screen.contents();
        let place = |name: &str| text.lines().skip(2).position(|line| line.contains(name));
        place("web-") < place(" big ")
    });
    tui.does("sort-namespace", "P").wait("NAMESPACE↑");
    tui.does("sort-status", "S").wait("STATUS↑");
    let titles = |tui: &Tui| tui.row_with("NAMESPACE").unwrap_or_default();
    let row = titles(&tui);
    let all: Vec<&str> = row.split_whitespace().collect();
    let here = all.iter().position(|title| *title == "STATUS↑").expect("sorted by STATUS");
    tui.does("column-right", "\u{1b}[1;2C").wait(&format!("{}↑", all[here + 1]));
    tui.does("column-left", "\u{1b}[1;2D").wait("STATUS↑");
    tui.does("sort-column", "O").wait("STATUS↓");
    wait_sorted(&tui, "STATUS↓");
    tui.quit();
}

#[test]
fn only_what_is_wrong_and_more_columns_on_request() {
    let (home, cluster) = shop("");
    let web = running(&cluster, "web-").remove(0);
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 24);
    tui.send(":pods\r").wait(&web);
    tui.does("faults", "Z").wait_gone(&web);
    assert!(tui.text().contains("big "), "{}", tui.text());
    tui.does("faults", "Z").wait(&web);
    let titles = |tui: &Tui| tui.row_with("NAME").unwrap_or_default();
    assert!(!titles(&tui).contains("QOS"), "{}", tui.text());
    tui.does("wide", "\u{17}").wait("QOS");
    tui.does("wide", "\u{17}").wait_gone("QOS");
    tui.quit();
}

#[test]
fn columns_change_places_and_another_joins() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 24);
    tui.send(":pods\r").wait("big ");
    let row =
        |screen: &vt100::Screen, title: &str| screen.contents().lines().skip(3).position(|line| line.contains(title));
    let titles = |screen: &vt100::Screen| {
        screen.contents().lines().find(|line| line.contains("RESTARTS")).map(str::to_string).unwrap_or_default()
    };
    let place = |screen: &vt100::Screen, title: &str| titles(screen).find(title);
    tui.wait_for("the usual order", |screen| place(screen, "READY") < place(screen, "STATUS"));
    tui.does("columns", "W").wait("columns of pods");
    while !tui.text().lines().any(|line| line.starts_with('▸') && line.contains(" STATUS")) {
        let before = tui.text();
        tui.does("row-down", "j").wait_for("the next row", |screen| screen.contents() != before);
    }
    tui.does("column-earlier", "K").wait_for("STATUS above", |screen| row(screen, " STATUS") < row(screen, " READY"));
    tui.does("column-later", "J").wait_for("STATUS below", |screen| row(screen, " READY") < row(screen, " STATUS"));
    tui.send("K\u{1b}").wait_for("STATUS first", |screen| place(screen, "STATUS") < place(screen, "READY"));
    tui.send("W/status\r");
    wait_cursor(&tui, "STATUS");
    tui.does("column-show", " ").wait_for("no sign before it", |screen| {
        screen.contents().lines().any(|line| line.starts_with("▸ ") && line.contains("STATUS"))
    });
    tui.send("\u{1b}").wait("READY");
    tui.does("column-add", "a").wait("labels.");
    tui.send("labels.app as WHOSE\r").wait("WHOSE");
    tui.send("\u{1b}")
        .wait_for("the columns chosen", |screen| place(screen, "WHOSE").is_some() && place(screen, "STATUS").is_none());
    tui.quit();
}

#[test]
fn favourite_namespaces_have_keys() {
    const NAMES: [&str; 9] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let (home, cluster) = shop(&format!("[namespaces]\nfavourites = {NAMES:?}\n"));
    for name in NAMES {
        cluster.create("namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        config_map(&cluster, name, &format!("of-{name}"), &json!({}));
    }
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 30);
    tui.send(":cm\r").wait("configmaps  ns shop");
    tui.does("namespace-all", "0").wait("of-nine");
    tui.send("/of-four\r").wait_gone("of-nine");
    tui.does("row-namespace", "w").wait("ns four");
    tui.does("clear-filter", "\u{15}").wait_gone("/of-four");
    tui.does("namespace-1", "1").wait("of-one");
    tui.does("namespace-2", "2").wait("of-two");
    tui.does("namespace-3", "3").wait("of-three");
    tui.does("namespace-4", "4").wait("of-four");
    tui.does("namespace-5", "5").wait("of-five");
    tui.does("namespace-6", "6").wait("of-six");
    tui.does("namespace-7", "7").wait("of-seven");
    tui.does("namespace-8", "8").wait("of-eight");
    tui.does("namespace-9", "9").wait("of-nine");
    assert!(!tui.text().contains("of-eight"), "{}", tui.text());
    tui.quit();
}
