//! The cursor, what is marked, and what is copied.

use super::*;

/// Rows of the table, the bar and the titles aside.
fn rows(tui: &Tui) -> usize {
    tui.text().lines().filter(|line| line.contains("cm-")).count()
}

/// The cockpit on sixty ConfigMaps, the cursor on the first.
fn on_many(home: &Home, cluster: &Embedded) -> Tui {
    let data = json!({"line": "0123456789".repeat(20)});
    (0..60).for_each(|n| config_map(cluster, "shop", &format!("cm-{n:02}"), &data));
    let mut tui = home.tui_sized(&["-n", "shop"], 100, 24);
    tui.send(":cm\r").wait_for("all of them", |screen| screen.contents().contains("  60"));
    wait_cursor(&tui, "cm-00");
    tui
}

#[test]
fn the_cursor_moves_by_lines_halves_and_screens() {
    let (home, cluster) = shop("");
    let mut tui = on_many(&home, &cluster);
    let page = rows(&tui);
    let at = |n: usize| format!("▸cm-{n:02}");
    tui.does("row-down", "j").wait(&at(1));
    tui.does("row-up", "k").wait(&at(0));
    tui.does("page-down", "\u{6}").wait(&at(page));
    tui.does("page-up", "\u{2}").wait(&at(0));
    tui.does("half-page-down", ":half-page-down\r").wait(&at(page.div_ceil(2)));
    tui.does("half-page-up", ":half-page-up\r").wait(&at(0));
    tui.does("row-last", "G").wait(&at(59));
    tui.does("row-first", "g").wait(&at(0));
    // Sideways: a text by characters.
    tui.send("y").wait("apiVersion: v1");
    tui.does("scroll-right", "\u{1b}[C").wait_gone("apiVersion: v1");
    assert!(tui.text().contains("on: v1"), "eight characters are gone:\n{}", tui.text());
    tui.does("scroll-left", "h").wait("apiVersion: v1");
    tui.quit();
}

#[test]
fn rows_are_marked_and_copied() {
    let (home, cluster) = shop("");
    let mut tui = on_many(&home, &cluster);
    tui.does("copy", "c").wait("copied cm-00");
    until("the name in the clipboard", || copied(&tui, "cm-00").then_some(()));
    tui.does("copy-namespace", "n").wait("copied shop");
    until("the namespace in the clipboard", || copied(&tui, "shop").then_some(()));
    tui.does("mark", " ").wait("*cm-00");
    tui.send("jjj");
    tui.does("mark-range", "v").wait("*cm-04");
    assert!((0..5).all(|n| tui.text().contains(&format!("*cm-{n:02}"))), "{}", tui.text());
    tui.send("c").wait("copied 5 lines");
    until("all names in the clipboard", || copied(&tui, "cm-00\ncm-01\ncm-02\ncm-03\ncm-04").then_some(()));
    tui.does("mark-none", "\u{1c}").wait_gone("*cm-");
    tui.quit();
}
