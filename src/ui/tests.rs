//! Every screen as text. `INSTA_UPDATE=always cargo test --lib ui::` writes the snapshots anew; look at what changed.

use super::fixture::*;
use crate::diagnose::case::Subject;
use crate::diagnose::verdict::*;
use crate::effect::{Effect, RequestId};
use crate::msg::logs::LogLine;
use crate::msg::*;
use crate::world::fleet::{Delta, Feed, Link, TableDelta};
use crate::world::object::ObjectRef;
use crate::world::time::Time;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// The request of the newest effect that has one.
fn request(stage: &mut Stage) -> RequestId {
    let asked = stage.effects();
    let found = asked.iter().rev().find_map(|effect| match effect {
        Effect::FetchObject { request, .. } | Effect::StartLogs { request, .. } => Some(*request),
        Effect::Why { request, .. } | Effect::Plan { request, .. } => Some(*request),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing was asked: {asked:?}"))
}

/// The terminals that every screen is looked at in, besides 80x24.
const LARGER: [(u16, u16); 2] = [(120, 40), (200, 60)];

/// Snapshots of a screen in its own size and two larger ones, without colours and with them. Colours say nothing that the
/// text does not say.
pub fn everywhere(stage: &mut Stage, name: &str) {
    let size = stage.state.size;
    assert_snapshot!(name, stage.screen());
    let mut styles = vec![];
    for (width, height) in [size].into_iter().chain(LARGER) {
        stage.tell(Msg::Resize(width, height));
        let plain = stage.screen();
        if (width, height) != size {
            assert_snapshot!(format!("{name}_{width}x{height}"), plain);
        }
        let (text, painted) = stage.coloured();
        assert_eq!(text, plain, "{name} says something else in colour");
        styles.push(format!("{width}x{height}\n{painted}"));
    }
    assert_snapshot!(format!("{name}_colours"), styles.join("\n\n"));
    stage.tell(Msg::Resize(size.0, size.1));
}

pub fn plan(protected: bool) -> OperationView {
    let line = |label: &str, text: &str, sign| PlanLine { label: label.into(), text: text.into(), sign };
    OperationView {
        id: "01JD3M5Y6Z".into(),
        title: "cordon n1".into(),
        cluster: "prod-eu".into(),
        protected,
        plan: vec![
            line("live", "nodes/n1  spec.unschedulable: true", Sign::Plain),
            line("git", "fleet.git main  clusters/prod-eu/nodes/n1.yaml", Sign::Plain),
            line("", "spec:", Sign::Plain),
            line("", "  unschedulable: true", Sign::Added),
            line("order", "live first, commit in the same operation (evidence must not wait)", Sign::Plain),
            line("note", "3 pods stay on it", Sign::Warning),
            line("undo", "kokpit uncordon n1", Sign::Plain),
        ],
        blocked: vec![],
        steps: vec![],
        status: OperationStatus::Planned,
        started: NOW,
    }
}

fn planned(stage: &mut Stage, view: OperationView) {
    stage.type_in(":nodes\n");
    stage.press("c");
    stage.type_in("disk errors on sda\n");
    let request = request(stage);
    stage.tell(Msg::Planned { request, answer: Ok(view.into()) });
}

pub fn verdict() -> Verdict {
    let pod = ObjectRef::new("", "Pod", "shop", "web-66c8-kkgnx");
    let node = ObjectRef::new("", "Node", "", "n4");
    let cells = |cpu: &str, memory: &str, taint: (&str, bool)| {
        vec![
            ("cpu".into(), cpu.into(), true),
            ("memory".into(), memory.into(), memory == "ok"),
            ("taint".into(), taint.0.into(), taint.1),
        ]
    };
    Verdict {
        version: 1,
        subject: Some(Subject::Object(pod.clone())),
        state: State::Broken,
        headline: "Pending 41m".into(),
        primary: Some(Finding {
            cause: "taint-untolerated".into(),
            object: pod.clone(),
            cluster: None,
            summary: "No node accepts it: the taint dedicated=db is on the only node with room.".into(),
            confidence: Confidence::Certain,
            evidence: vec![Evidence {
                cluster: None,
                object: node.clone(),
                path: "spec.taints[0]".into(),
                value: "dedicated=db:NoSchedule".into(),
                age_s: Some(7200),
                text: "n4 has room, taint dedicated=db:NoSchedule".into(),
            }],
            fixes: vec![Fix {
                summary: "a toleration for dedicated=db: fits n4".into(),
                live: String::new(),
                git: Some(GitField {
                    application: "argocd/shop".into(),
                    cluster: None,
                    repo: "fleet.git".into(),
                    path: "shop/web".into(),
                    revision: "main".into(),
                    field: "spec.template.spec.tolerations".into(),
                }),
                verified: true,
            }],
        }),
        unreadable: vec![Unreadable {
            resource: "persistentvolumes".into(),
            reason: "403".into(),
            would_decide: "volumes are judged from the claim alone".into(),
        }],
        scheduling: Some(Arc::new(Scheduling {
            matrix: vec![
                NodeRow { node: "n4".into(), cells: cells("ok", "ok", ("dedicated=db", false)), away: 1 },
                NodeRow { node: "n1".into(), cells: cells("ok", "-1.7Gi", ("ok", true)), away: 1 },
            ],
            ..Scheduling::default()
        })),
        ..Verdict::default()
    }
}

#[test]
fn fleet() {
    let mut stage = Stage::live(80, 24);
    stage.press("down down");
    everywhere(&mut stage, "fleet");
}

#[test]
fn fleet_with_a_lost_cluster() {
    let mut stage = Stage::live(80, 24);
    let reason = "dial tcp 10.1.2.3:6443: connection refused".to_string();
    let lost = Link::Lost { reason, since: Time(NOW.0 - 192), retry_at: Time(NOW.0 + 12) };
    stage.tell(Msg::World(vec![(US, Delta::Link(lost))]));
    everywhere(&mut stage, "fleet_with_a_lost_cluster");
}

#[test]
fn pods_of_two_clusters() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods\n");
    stage.press("down space");
    everywhere(&mut stage, "pods_of_two_clusters");
}

#[test]
fn pods_wide_with_the_tutorial_beside() {
    let mut stage = Stage::live(120, 40);
    stage.tell(Msg::Tutorial(tutorial()));
    stage.type_in(":pods\n");
    stage.press("ctrl-w");
    assert_snapshot!(stage.screen());
}

pub fn tutorial() -> Vec<StepState> {
    let step = |title: &str, text: &str, done| StepState { title: title.into(), text: text.into(), done };
    vec![
        step("Look around", "Type :pods and press Enter.", true),
        step(
            "Ask why",
            "Put the cursor on a Pending pod and press x. The matrix shows which node refuses it, and why.",
            false,
        ),
        step("Heal it", "Cordon is a commit.", false),
    ]
}

#[test]
fn pods_filtered_in_one_namespace_with_the_tutorial_below() {
    let mut stage = Stage::live(80, 24);
    stage.tell(Msg::Tutorial(tutorial()));
    stage.type_in(":pods shop /web\n");
    assert_snapshot!(stage.screen());
}

#[test]
fn tables_say_why_they_are_empty() {
    let mut stage = Stage::silent(80, 24);
    stage.connect(EU);
    stage.type_in(":pods @*\n");
    stage.table(EU, "pods", vec![TableDelta::Feed(Feed::Loading { seen: 0, about: Some(50_000) })]);
    let refused = Link::Lost { reason: "no route to host".into(), since: NOW, retry_at: Time(NOW.0 + 12) };
    stage.tell(Msg::World(vec![(US, Delta::Link(refused))]));
    let mut screens = stage.screen();
    stage.type_in(":pods shop @prod-eu\n");
    stage.table(EU, "pods", vec![TableDelta::Feed(Feed::Denied("pods is forbidden: User \"dev\" cannot list".into()))]);
    screens += &stage.screen();
    stage.table(EU, "pods", vec![TableDelta::Feed(Feed::Live)]);
    screens += &stage.screen();
    stage.rows(EU, "pods", vec![pod("web-1", "shop", "Running", 1, 1, "n1")]);
    stage.type_in("/nothing\n");
    screens += &stage.screen();
    stage.type_in(":pods @lab\n");
    let asked = stage.effects();
    assert!(asked.contains(&Effect::Open(crate::world::fleet::ClusterId(3))), "{asked:?}");
    screens += &stage.screen();
    // A namespace is no way out for what has none.
    stage.type_in(":nodes @prod-eu\n");
    stage.table(EU, "nodes", vec![TableDelta::Feed(Feed::Denied("nodes is forbidden".into()))]);
    screens += &stage.screen();
    let said: Vec<&str> = screens.lines().filter(|line| line.starts_with("  ") && line.len() > 10).collect();
    assert_snapshot!(said.join("\n"));
}

#[test]
fn nodes() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":no\n");
    everywhere(&mut stage, "nodes");
}

#[test]
fn describe() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.press("d");
    let request = request(&mut stage);
    stage.tell(Msg::Events { request, answer: Err("events is forbidden".into()) });
    everywhere(&mut stage, "describe");
}

#[test]
fn yaml_with_a_search() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.press("y");
    let request = request(&mut stage);
    let value = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "managedFields": [{"manager": "x"}]},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/web:1.4.2"}]}});
    stage.tell(Msg::Object { request, answer: Ok(Arc::new(value)) });
    stage.type_in("/name\n");
    stage.press("n");
    everywhere(&mut stage, "yaml_with_a_search");
}

#[test]
fn a_line_of_a_megabyte_is_read_from_any_place() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.press("y");
    let request = request(&mut stage);
    let long: String = (0..100_000).map(|n| format!("{n:09}|")).collect();
    let value = json!({"kind": "Pod", "metadata": {"name": "db-0", "annotations": {"notes": long}}});
    stage.tell(Msg::Object { request, answer: Ok(Arc::new(value)) });
    let cut = stage.screen();
    assert!(cut.contains("000000003|") && !cut.contains("000000020|"), "{cut}");
    for _ in 0..20 {
        stage.press("right");
    }
    let scrolled = stage.screen();
    assert!(!scrolled.contains("000000000|") && scrolled.contains('|'), "{scrolled}");
    stage.press("w");
    let wrapped = stage.screen();
    assert!(wrapped.lines().filter(|line| line.contains('|')).count() > 15, "{wrapped}");
}

#[test]
fn logs_of_two_containers() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("l");
    let request = request(&mut stage);
    let long = "a line that is much longer than eighty columns, ".repeat(3);
    stage.log(request, "api-5f7d-aaaaa", "app", &["2026-11-21T09:59:58Z listening on :8080"]);
    stage.log(request, "api-5f7d-aaaaa", "side1", &["2026-11-21T09:59:58Z ready"]);
    stage.log(request, "api-5f7d-aaaaa", "app", &[&format!("2026-11-21T09:59:58Z {long}")]);
    stage.press("w t");
    let source = log_source(EU, "shop", "api-5f7d-aaaaa", "side1");
    stage.tell(Msg::LogEnd { request, source, reason: None });
    everywhere(&mut stage, "logs_of_two_containers");
}

#[test]
fn logs_in_json_with_levels_a_mark_and_hits() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":logs -l app=web\n");
    let asked = stage.effects();
    let started = asked.iter().find_map(|effect| match effect {
        Effect::StartLogs { request, logs } => Some((*request, logs.streams.len())),
        _ => None,
    });
    let Some((request, 2)) = started else { panic!("not one of each cluster: {asked:?}") };
    stage.log(
        request,
        "web-66c8-9mxrt",
        "app",
        &[
            r#"2026-11-21T09:59:58Z {"ts":"2026-11-21T09:59:58Z","level":"info","msg":"listening","port":8080}"#,
            r#"2026-11-21T09:59:58Z {"level":"error","msg":"no database","err":"dial tcp: refused"}"#,
            "2026-11-21T09:59:58Z W1121 09:59:58.1 1 pool.go:3] database slow",
        ],
    );
    stage.press("m");
    let source = log_source(US, "shop", "web-66c8-kkgnx", "app");
    let text = "web-66c8-kkgnx/app restarted (exit 137, OOMKilled)".into();
    stage.tell(Msg::LogNote { request, source: source.clone(), text });
    let lines = vec![LogLine::new("2026-11-21T09:59:59Z level=debug msg=\"database up\"".into())];
    stage.tell(Msg::LogLines { request, source, lines });
    stage.type_in("/database\n");
    stage.press("shift-H n");
    everywhere(&mut stage, "logs_in_json_with_levels_a_mark_and_hits");
    stage.press("f r shift-P");
    everywhere(&mut stage, "logs_raw_on_the_whole_screen");
    stage.press("ctrl-s");
    let saved = stage.effects();
    let Some(Effect::SaveLog { path: None, name, text }) = saved.last() else { panic!("{saved:?}") };
    assert_eq!(name, "l-app-web-20261121T100000Z.log");
    assert_eq!(text.lines().count(), 6);
    stage.type_in(":save /tmp/x y.log\n");
    let saved = stage.effects();
    let named = |effect: &Effect| matches!(effect, Effect::SaveLog { path: Some(path), .. } if path == "/tmp/x y.log");
    assert!(saved.iter().any(named), "{saved:?}");
}

#[test]
fn why() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-us\n");
    stage.press("x");
    let request = request(&mut stage);
    stage.tell(Msg::Why { request, answer: WhyAnswer::Reading { facts: 14, now: "nodes".into() } });
    assert!(stage.screen().contains("14 facts, reading nodes"));
    stage.tell(Msg::Why { request, answer: WhyAnswer::Verdict(verdict().into()) });
    everywhere(&mut stage, "why");
}

#[test]
fn operation_planned() {
    let mut stage = Stage::live(80, 24);
    planned(&mut stage, plan(false));
    everywhere(&mut stage, "operation_planned");
}

#[test]
fn operation_on_a_protected_cluster() {
    let mut stage = Stage::live(80, 24);
    planned(&mut stage, plan(true));
    stage.type_in("prod");
    everywhere(&mut stage, "operation_on_a_protected_cluster");
}

#[test]
fn operation_running() {
    let mut stage = Stage::live(80, 24);
    planned(&mut stage, plan(false));
    stage.press("tab enter");
    let step = |text: &str, mark, ago| StepView { text: text.into(), mark, at: Time(NOW.0 - ago) };
    let steps = vec![
        step("live", StepMark::Done, 6),
        step("committed 4f1c2ab", StepMark::Done, 4),
        step("push", StepMark::Running, 3),
        StepView { text: "verified".into(), mark: StepMark::Waiting, at: Time::NEVER },
    ];
    let view = OperationView { steps, status: OperationStatus::Running, ..plan(false) };
    stage.tell(Msg::Operation(view.into()));
    everywhere(&mut stage, "operation_running");
}

#[test]
fn operations() {
    let mut stage = Stage::live(80, 24);
    let steps = vec![StepView { text: "committed 4f1c2ab".into(), mark: StepMark::Done, at: NOW }];
    let open = OperationView { steps, status: OperationStatus::Open, started: Time(NOW.0 - 7200), ..plan(true) };
    let done = OperationView { id: "01JD2".into(), status: OperationStatus::Done, ..plan(false) };
    stage.tell(Msg::Operations(vec![done, open]));
    stage.type_in(":ops\n");
    everywhere(&mut stage, "operations");
    stage.press("enter");
    assert!(stage.screen().contains("left open by an earlier run: f finishes it, u undoes it"));
    stage.press("f");
    assert!(stage.effects().contains(&Effect::Finish { operation: "01JD3M5Y6Z".into() }));
}

#[test]
fn problems() {
    let mut stage = Stage::live(80, 24);
    stage.press("!");
    everywhere(&mut stage, "problems");
}

#[test]
fn help_on_nodes() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":nodes\n");
    stage.press("?");
    everywhere(&mut stage, "help_on_nodes");
}

#[test]
fn containers() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods shop @prod-eu\n");
    stage.press("enter");
    everywhere(&mut stage, "containers");
}

#[test]
fn managed_resources_of_an_application() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":apps @prod-eu\n");
    stage.press("enter");
    everywhere(&mut stage, "managed_resources_of_an_application");
}

#[test]
fn prompt_with_offers() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":no");
    everywhere(&mut stage, "prompt_with_offers");
}

#[test]
fn prompt_with_an_error() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pdos\n");
    everywhere(&mut stage, "prompt_with_an_error");
}

#[test]
fn notices() {
    let mut stage = Stage::live(80, 24);
    stage.tell(Msg::Notice(Level::Info, "copied web".into()));
    stage.tell(Msg::Notice(Level::Error, "git push was rejected: main moved on; trying again".into()));
    assert!(stage.screen().ends_with(" git push was rejected: main moved on; trying again"));
    stage.type_in(":notices\n");
    everywhere(&mut stage, "notices");
}

#[test]
fn hostile_names_and_wide_characters_keep_their_columns() {
    let mut stage = Stage::live(80, 24);
    let long = format!("a-{}", "very-long-name-".repeat(20));
    stage.rows(
        EU,
        "pods",
        vec![
            pod("日本語-クラスタ-ポッド", "shop", "Running", 1, 1, "ノード"),
            pod(&long, "shop", "Running", 1, 1, "n1"),
        ],
    );
    stage.type_in(":pods shop @prod-eu\n");
    everywhere(&mut stage, "hostile_names_and_wide_characters_keep_their_columns");
}

/// Walks through every kind of screen, drawing each at this size.
fn tour(width: u16, height: u16) {
    walk(&mut Stage::live(width, height), &mut |stage| drop(stage.screen()));
}

/// Walks through every kind of screen; `look` is called on each, and after moving about on it.
pub fn walk(stage: &mut Stage, look: &mut dyn FnMut(&mut Stage)) {
    stage.tell(Msg::Tutorial(tutorial()));
    stage.rows(EU, "deployments", vec![deployment("web", "shop")]);
    let lists = ["ops", "notices", "aliases", "help", "problems", "ns", "theme"];
    for line in ["pods", "nodes", "apps", "deploy", "events", "wd"].iter().chain(&lists) {
        stage.type_in(&format!(":{line}\n"));
        look(stage);
        stage.press("down shift-g ctrl-f right shift-right left");
        look(stage);
    }
    stage.type_in(":pods\n");
    for key in ["d", "y", "x", "l", "enter"] {
        stage.press(key);
        look(stage);
        stage.press("w right shift-g");
        look(stage);
        stage.press("esc");
    }
    planned(stage, plan(true));
    stage.type_in("日本語");
    look(stage);
    stage.press("esc");
    stage.type_in(":日本語-no-such-thing-at-all-in-any-cluster\n");
    look(stage);
}

#[test]
fn the_smallest_terminals_are_survived() {
    for (width, height) in [(1, 1), (2, 2), (3, 1), (1, 30), (10, 3), (300, 1), (300, 100), (0, 0), (4, 5)] {
        tour(width, height);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_size_is_survived(width in 0u16..=300, height in 0u16..=100) {
        tour(width, height);
    }

    #[test]
    fn any_resize_on_any_screen_is_survived(sizes in prop::collection::vec((0u16..=300, 0u16..=100), 1..60)) {
        let mut next = sizes.iter().cycle();
        walk(&mut Stage::live(80, 24), &mut |stage| {
            let (width, height) = *next.next().unwrap();
            stage.tell(Msg::Resize(width, height));
            stage.screen();
        });
    }

    #[test]
    fn a_resize_between_settle_and_draw_is_survived(width in 1u16..140, height in 1u16..50) {
        let mut stage = Stage::live(80, 24);
        stage.type_in(":pods\n");
        stage.screen();
        let mut terminal = ratatui::Terminal::new(ratatui::backend::TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| crate::ui::draw(&stage.state, &crate::theme::Theme::default(), frame)).unwrap();
    }
}
