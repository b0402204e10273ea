use super::*;
use crate::effect::logs::{LogFrom, LogPlace, LogStream};
use crate::state::logs::selection::Pick;
use crate::ui::fixture::{EU, NOW, Stage, pod};
use crate::world::pod::PodRow;
use crate::world::row::{Body, Row, Uid};

fn selection(app: &str) -> Selection {
    let selector = crate::world::selector::Selector::parse(&format!("app={app}")).unwrap();
    Selection { picks: vec![(EU, Pick::Labels { namespaces: vec![], selector })], container: None }
}

/// A window on `web-1`, which is read.
fn view() -> (Stage, LogsView) {
    let mut stage = Stage::silent(80, 24);
    stage.connect(EU);
    stage.rows(EU, "pods", vec![pod("web-1", "shop", "Running", 1, 1, "n1")]);
    let mut view = LogsView::new("web".into(), selection("web"), false, RequestId(1), NOW);
    let begun = begun(view.look(&stage.state.fleet, NOW));
    assert_eq!(begun.len(), 1);
    (stage, view)
}

fn begun(effect: Option<Effect>) -> Vec<LogStream> {
    match effect {
        Some(Effect::StartLogs { logs, .. }) => logs.streams,
        None => vec![],
        other => panic!("{other:?}"),
    }
}

fn source(pod: &str) -> LogSource {
    LogSource { cluster: EU, namespace: "shop".into(), pod: pod.into(), container: "app".into() }
}

fn lines(from: usize, to: usize) -> Vec<LogLine> {
    (from..to).map(|n| LogLine::new(format!("line {n}"))).collect()
}

fn texts(view: &LogsView) -> Vec<String> {
    (0..view.len()).map(|n| view.text(n).unwrap().to_string()).collect()
}

fn changed(mut row: Row, change: impl FnOnce(&mut PodRow)) -> Row {
    if let Body::Pod(pod) = &mut row.body {
        change(pod);
    }
    row
}

#[test]
fn following_stays_at_the_end_until_scrolled_up() {
    let (_, mut view) = view();
    view.append(&source("web-1"), lines(0, 100));
    view.settle(10, 80);
    assert_eq!(view.top, 90);
    view.scroll(-5, 10);
    view.append(&source("web-1"), lines(100, 110));
    view.settle(10, 80);
    assert_eq!((view.top, view.follow), (85, false));
    view.scroll(1000, 10);
    assert!(view.follow);
}

#[test]
fn memory_is_bounded_and_the_window_stays_on_its_lines() {
    let (_, mut view) = view();
    view.append(&source("web-1"), lines(0, KEPT));
    view.scroll(-(KEPT as isize), 10);
    view.scroll(500, 10);
    view.follow = false;
    let before = view.text(view.top).unwrap().to_string();
    view.append(&source("web-1"), lines(KEPT, KEPT + 300));
    assert_eq!((view.total(), view.dropped), (KEPT, 300));
    assert_eq!(view.text(view.top).unwrap(), before);
    let long = "x".repeat(BYTES / 4);
    view.append(&source("web-1"), (0..6).map(|_| LogLine::new(long.clone())).collect());
    assert_eq!(view.total(), 3, "bytes are bounded too");
}

#[test]
fn a_filter_applies_to_old_and_new_lines() {
    let (_, mut view) = view();
    view.append(&source("web-1"), lines(0, 30));
    view.set_filter(Filter::parse("9$"));
    view.append(&source("web-1"), lines(30, 50));
    assert_eq!(view.len(), 5);
    assert_eq!(view.text(4).unwrap(), "line 49");
    view.set_filter(Filter::default());
    assert_eq!(view.len(), 50);
}

#[test]
fn lines_around_hits_are_shown_once() {
    let (_, mut view) = view();
    view.append(&source("web-1"), lines(0, 20));
    view.set_filter(Filter::parse("line (5|7|15)$"));
    view.set_hiding(true, 2);
    let expected: Vec<String> = (3..=9).chain(13..=17).map(|n| format!("line {n}")).collect();
    assert_eq!(texts(&view), expected);
    view.set_hiding(false, 0);
    assert_eq!(view.len(), 20);
    assert!(view.next_hit(false), "from the end upwards");
    assert!((0..20).any(|n| view.is_hit(n) && view.text(n) == Some("line 15")));
    assert!(view.next_hit(false) && view.next_hit(false) && !view.next_hit(false));
    assert!(view.next_hit(true));
    assert!((0..20).any(|n| view.is_hit(n) && view.text(n) == Some("line 7")));
}

#[test]
fn wrapped_lines_count_for_what_they_take() {
    let (_, mut view) = view();
    view.append(&source("web-1"), (0..20).map(|_| LogLine::new("x".repeat(30))).collect());
    view.wrap = true;
    view.settle(10, 10);
    assert_eq!(view.top, 17);
    view.settle(2, 10);
    assert_eq!(view.top, 19);
    assert_eq!(breaks("日本語", 4), [6, 9], "a wide character is not cut in two");
    assert_eq!(breaks("", 4), [0]);
    assert_eq!(breaks("日本", 1), [3, 6], "no room is no endless loop");
}

#[test]
fn marks_and_notes_are_shown_whatever_the_filter() {
    let (_, mut view) = view();
    view.set_filter(Filter::parse("nothing"));
    view.append(&source("web-1"), lines(0, 3));
    view.mark(NOW);
    view.say("web-1/app restarted");
    assert_eq!(texts(&view), ["──── 2026-11-21T10:00:00Z ────", "— web-1/app restarted —"]);
}

#[test]
fn a_restarted_container_is_read_on_from_its_last_line() {
    let (mut stage, mut view) = view();
    let at = "2026-11-21T09:59:58.25Z";
    view.append(&source("web-1"), vec![LogLine::new(format!("{at} one")), LogLine::new(format!("{at} two"))]);
    view.append(&source("web-1"), vec![LogLine::new(format!("{at} three"))]);
    view.end(&source("web-1"), None, NOW);
    // It has died and waits: nothing to read.
    let dead = |pod: &mut PodRow| (pod.containers[0].state, pod.containers[0].restarts) = ("Error".into(), 0);
    stage.rows(EU, "pods", vec![changed(pod("web-1", "shop", "Error", 0, 1, "n1"), dead)]);
    assert_eq!(begun(view.look(&stage.state.fleet, Time(NOW.0 + 5))), []);
    let back = |pod: &mut PodRow| {
        let app = &mut pod.containers[0];
        (app.restarts, app.last_exit, app.last_reason) = (1, Some(137), "OOMKilled".into());
    };
    stage.rows(EU, "pods", vec![changed(pod("web-1", "shop", "Running", 1, 1, "n1"), back)]);
    let streams = begun(view.look(&stage.state.fleet, Time(NOW.0 + 5)));
    assert_eq!(streams[0].note, "web-1/app restarted (exit 137, OOMKilled)");
    let place = LogPlace { at: at.into(), lines: 3 };
    assert_eq!(streams[0].from, LogFrom::After { place, missed: true });
    assert!(!view.streams.over());
}

#[test]
fn a_restart_that_is_told_late_is_marked_late() {
    let (mut stage, mut view) = view();
    view.append(&source("web-1"), vec![LogLine::new("2026-11-21T09:59:58Z one".into())]);
    view.end(&source("web-1"), None, NOW);
    assert_eq!(begun(view.look(&stage.state.fleet, Time(NOW.0 + 2))), [], "the pod has a moment to tell why");
    let again = begun(view.look(&stage.state.fleet, Time(NOW.0 + 3)));
    assert!(matches!(&again[0].from, LogFrom::After { missed: false, .. }) && again[0].note.is_empty());
    view.append(&source("web-1"), vec![LogLine::new("2026-11-21T10:00:02Z two".into())]);
    for restarts in [1, 1, 2] {
        let anew = |pod: &mut PodRow| (pod.containers[0].restarts, pod.containers[0].last_exit) = (restarts, Some(1));
        stage.rows(EU, "pods", vec![changed(pod("web-1", "shop", "Running", 1, 1, "n1"), anew)]);
        assert_eq!(begun(view.look(&stage.state.fleet, Time(NOW.0 + 4))), []);
    }
    assert_eq!(
        &texts(&view)[2..],
        ["— web-1/app restarted (exit 1) —"],
        "once: of the second the end of the log tells"
    );
}

#[test]
fn a_broken_connection_is_taken_up_again_later_and_later() {
    let (stage, mut view) = view();
    view.append(&source("web-1"), vec![LogLine::new("2026-11-21T09:59:58Z one".into())]);
    let fleet = &stage.state.fleet;
    view.end(&source("web-1"), Some("connection reset".into()), NOW);
    assert_eq!(view.endings(), ["web-1/app: connection reset"]);
    assert_eq!(begun(view.look(fleet, NOW)), [], "not at once");
    let again = begun(view.look(fleet, Time(NOW.0 + 1)));
    assert_eq!(again[0].note, "web-1/app is read on after: connection reset");
    assert!(matches!(&again[0].from, LogFrom::After { missed: false, .. }));
    view.end(&source("web-1"), Some("connection reset".into()), Time(NOW.0 + 1));
    assert_eq!(begun(view.look(fleet, Time(NOW.0 + 2))), []);
    assert_eq!(begun(view.look(fleet, Time(NOW.0 + 3))).len(), 1);
}

#[test]
fn new_pods_join_and_those_that_are_gone_are_named() {
    let (mut stage, mut view) = view();
    let mut young = pod("web-2", "shop", "Running", 1, 1, "n1");
    young.meta.created = Time(NOW.0 + 3);
    let starting = |pod: &mut PodRow| pod.containers[0].state = "ContainerCreating".into();
    let old = || pod("web-1", "shop", "Running", 1, 1, "n1");
    stage.rows(EU, "pods", vec![old(), changed(young.clone(), starting)]);
    assert_eq!(begun(view.look(&stage.state.fleet, Time(NOW.0 + 4))), [], "it has nothing to say yet");
    stage.rows(EU, "pods", vec![old(), young.clone()]);
    let joined = begun(view.look(&stage.state.fleet, Time(NOW.0 + 5)));
    assert_eq!((joined[0].source.pod.as_str(), &joined[0].from), ("web-2", &LogFrom::Start));
    stage.rows(EU, "pods", vec![young]);
    view.look(&stage.state.fleet, Time(NOW.0 + 6));
    assert_eq!(texts(&view), ["— web-2/app joined —"], "the other still reads what is left");
    view.end(&source("web-1"), None, Time(NOW.0 + 6));
    view.look(&stage.state.fleet, Time(NOW.0 + 8));
    assert_eq!(texts(&view), ["— web-2/app joined —", "— web-1/app is gone —"]);
    assert_eq!(view.endings(), Vec::<String>::new());
}

#[test]
fn a_pod_of_the_same_name_is_read_from_its_beginning() {
    let (mut stage, mut view) = view();
    view.append(&source("web-1"), vec![LogLine::new("2026-11-21T09:59:58Z one".into())]);
    view.end(&source("web-1"), None, NOW);
    let mut other = pod("web-1", "shop", "Running", 1, 1, "n1");
    other.meta.uid = Uid::of_name("shop", "another");
    stage.rows(EU, "pods", vec![other]);
    let again = begun(view.look(&stage.state.fleet, Time(NOW.0 + 1)));
    assert_eq!(again[0].from, LogFrom::Start);
    assert_eq!(again[0].note, "web-1/app was replaced by a pod of the same name");
}

#[test]
fn the_streams_of_a_cluster_are_bounded() {
    let mut stage = Stage::silent(80, 24);
    stage.connect(EU);
    let pods = (0..60).map(|n| pod(&format!("web-{n}"), "shop", "Running", 1, 1, "n1")).collect();
    stage.rows(EU, "pods", pods);
    let mut view = LogsView::new("web".into(), selection("web"), false, RequestId(1), NOW);
    assert_eq!(begun(view.look(&stage.state.fleet, NOW)).len(), streams::MOST);
    assert_eq!(view.streams.left_out, 10);
    // One ends for good: there is room for another.
    let dead = |pod: &mut PodRow| pod.containers[0].state = "Completed".into();
    let first = view.streams.list()[0].source.pod.clone();
    view.end(&source(&first), None, NOW);
    let rest = (0..60).map(|n| pod(&format!("web-{n}"), "shop", "Running", 1, 1, "n1"));
    let rows = rest.map(|row| if row.meta.name == first { changed(row, dead) } else { row }).collect();
    stage.rows(EU, "pods", rows);
    assert_eq!(begun(view.look(&stage.state.fleet, Time(NOW.0 + 1))).len(), 1);
    assert_eq!(view.streams.left_out, 9);
}
