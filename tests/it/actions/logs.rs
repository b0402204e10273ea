//! Everything that a key does on a log: where it begins, what stands before its lines, hits, marks, containers, runs.

use super::*;
use kokpit::world::time::Time;

fn now() -> Time {
    kokpit::app::clock()
}

/// A pod `talk` with two containers that run, `app` started anew once, with what each said.
fn talking(cluster: &Embedded) {
    let container = |name: &str| json!({"name": name, "image": "talk:1"});
    cluster.create(
        "pods",
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talk", "namespace": "shop"},
        "spec": {"containers": [container("app"), container("beside")]}}),
    );
    until("it runs", || (running(cluster, "talk").len() == 1).then_some(()));
    let ago = |seconds: i64| Time(now().0 - seconds);
    for n in 0..510 {
        cluster.logs().append("shop", "talk", "app", ago(10_000), &format!("line {n:03}"));
    }
    for (age, text) in [
        (7_200, "hours old"),
        (2_400, "40m old"),
        (1_200, "20m old"),
        (600, "10m old"),
        (180, "3m old"),
        (30, "30s old"),
    ] {
        cluster.logs().append("shop", "talk", "app", ago(age), text);
    }
    cluster.logs().append(
        "shop",
        "talk",
        "app",
        ago(20),
        r#"{"level":"warn","ts":"2026-11-21T10:00:00Z","msg":"as JSON"}"#,
    );
    cluster.logs().set("shop", "talk", "app", true, "2026-11-21T09:00:00.000000000Z last words");
}

/// The cockpit on the log of one of its containers, or of both.
fn on_log(home: &Home, keys: &str) -> Tui {
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 30);
    tui.send(":pods /talk\r").wait("1 of 4");
    wait_cursor(&tui, "talk");
    tui.send(keys).wait("as JSON");
    tui
}

#[test]
fn a_log_begins_where_it_is_told_to() {
    let (home, cluster) = shop("");
    talking(&cluster);
    let mut tui = on_log(&home, ":logs app\r");
    tui.wait("500 lines");
    tui.does("logs-head", "1").wait("517 lines");
    tui.does("logs-1m", "2").wait("2 lines");
    assert!(tui.text().contains("30s old") && !tui.text().contains("3m old"), "{}", tui.text());
    tui.does("logs-5m", "3").wait("3m old");
    tui.does("logs-15m", "4").wait("10m old");
    tui.does("logs-30m", "5").wait("20m old");
    tui.does("logs-1h", "6").wait("40m old");
    assert!(!tui.text().contains("hours old"), "{}", tui.text());
    tui.does("logs-tail", "0").wait("500 lines");
    tui.does("follow", "s").wait("paused");
    tui.does("follow", "s").wait("following");
    tui.does("clear", "C").wait_gone("30s old");
    cluster.logs().append("shop", "talk", "app", now(), "after that");
    tui.wait("after that");
    tui.quit();
}

#[test]
fn lines_are_dressed_marked_and_found() {
    let (home, cluster) = shop("");
    talking(&cluster);
    let mut tui = on_log(&home, ":logs app\r");
    tui.does("log-raw", "r").wait("{\"level\":\"warn\"");
    tui.does("log-raw", "r").wait_gone("{\"level\"");
    tui.does("timestamps", "t").wait("Z line 509");
    tui.does("timestamps", "t").wait_gone("Z line 509");
    tui.does("log-mark", "m").wait("──── ");
    // Filter: only the hits, then all of them with the hits marked, then with what stands around them.
    tui.send("/m old\r").wait_gone("hours old");
    tui.does("log-hide", "H").wait("hours old");
    tui.does("previous-hit", "N").wait("paused");
    tui.does("next-hit", "n").wait("no hit below");
    tui.does("log-hide", "H").wait_gone("hours old");
    tui.does("log-context", "X").wait("3 lines before and after");
    tui.send("g").wait("hours old");
    tui.send("\u{1b}").send("G").wait("following");
    cluster.logs().append("shop", "talk", "app", now(), &format!("{}the-end", "0123456789".repeat(20)));
    tui.wait("0123456789");
    assert!(!tui.text().contains("the-end"), "the line is cut:\n{}", tui.text());
    tui.does("wrap", "w").wait("the-end");
    let rows = |tui: &Tui| tui.text().lines().filter(|line| line.contains("line ")).count();
    let before = rows(&tui);
    tui.does("log-full", "f").wait_for("more lines", |screen| {
        screen.contents().lines().filter(|line| line.contains("line ")).count() > before
    });
    tui.quit();
}

#[test]
fn containers_and_runs_are_switched() {
    let (home, cluster) = shop("");
    talking(&cluster);
    let mut tui = on_log(&home, "l");
    cluster.logs().append("shop", "talk", "beside", now(), "from beside");
    tui.wait("beside from beside");
    tui.does("log-sources", "P").wait_gone("beside from beside");
    tui.does("log-sources", "P").wait("beside from beside");
    tui.does("next-container", "\t").wait_gone("from beside");
    tui.does("next-container", "\t").wait_gone("as JSON");
    tui.wait("from beside");
    tui.does("all-containers", "a").wait("as JSON");
    // (Which of the two is read first is not said.)
    cluster.logs().append("shop", "talk", "beside", now(), "once more");
    tui.wait("beside once more");
    tui.does("previous", "p").wait("last words");
    tui.does("previous", "p").wait("as JSON");
    tui.send("\u{1b}");
    wait_cursor(&tui, "talk");
    tui.does("logs-previous", "p").wait("last words");
    assert!(tui.text().contains("previous logs"), "{}", tui.text());
    tui.quit();
}
