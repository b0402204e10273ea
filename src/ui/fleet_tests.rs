//! The start screen with its problems, the tutorial and help: what a first look finds.

use super::fixture::*;
use crate::effect::Effect;
use crate::msg::Msg;

#[test]
fn a_problem_of_the_fleet_is_gone_into_and_asked_why() {
    let mut stage = Stage::live(80, 24);
    stage.screen();
    // Four clusters, then the problems: the newest and worst first.
    stage.press("down down down down down");
    let screen = stage.screen();
    assert!(screen.contains("▸bad   pod db-0 Pending"), "{screen}");
    stage.press("x");
    let asked = stage.effects();
    let why = asked.iter().find_map(|effect| match effect {
        Effect::Why { cluster, subject, .. } => Some((*cluster, subject.clone())),
        _ => None,
    });
    let pod = crate::world::object::ObjectRef::new("", "Pod", "db", "db-0");
    assert_eq!(why, Some((EU, crate::state::WhySubject::Object(pod))));
    stage.press("esc enter");
    let screen = stage.screen();
    assert!(screen.starts_with(" prod-eu  pods  ns db  Pending"), "{screen}");
    assert!(screen.contains("▸db-0"), "{screen}");
}

#[test]
fn many_workloads_that_stand_alike_are_one_problem() {
    let mut stage = Stage::live(80, 24);
    let pods = ["a", "b", "c", "d", "e"].map(|app| pod(&format!("{app}-1-x"), app, "Pending", 0, 1, ""));
    stage.rows(EU, "pods", pods.into());
    stage.press("!");
    let screen = stage.screen();
    assert!(screen.contains("5 pods Pending") && screen.contains("prod-eu 5 namespaces"), "{screen}");
    let rows = |n| ["a", "b", "c", "d"].map(|app| pod(&format!("{app}-{n}-x"), app, "Pending", 0, 1, "")).into();
    stage.rows(EU, "pods", rows(1));
    let screen = stage.screen();
    assert!(screen.contains("prod-eu a/a-1") && screen.contains("prod-eu d/d-1"), "{screen}");
}

#[test]
fn workloads_of_one_namespace_that_stand_alike_are_told_apart() {
    let mut stage = Stage::live(80, 24);
    let pods = ["cart-1-x", "cart-1-y", "web-1-x"].map(|name| pod(name, "shop", "Pending", 0, 1, ""));
    stage.rows(EU, "pods", pods.into());
    stage.screen();
    stage.press("! enter");
    let screen = stage.screen();
    assert!(screen.contains("cart-1-y") && !screen.contains("web-1-x"), "{screen}");
}

#[test]
fn the_tutorial_is_hidden_and_shown_again() {
    let mut stage = Stage::live(80, 24);
    let step = crate::msg::StepState { title: "Ask why".into(), text: "Press x.".into(), done: false };
    stage.tell(Msg::Tutorial(vec![step]));
    assert!(stage.screen().contains("tutorial 0/1  Ask why") && stage.screen().contains("Shift-T hides"));
    stage.press("shift-t");
    assert!(!stage.screen().contains("tutorial"));
    stage.type_in(":tutorial\n");
    assert!(stage.screen().contains("tutorial 0/1  Ask why"));
}

#[test]
fn help_lists_a_key_once_for_a_screen() {
    let mut stage = Stage::live(80, 60);
    stage.type_in(":pods\n");
    stage.press("?");
    let screen = stage.screen();
    assert_eq!(screen.lines().filter(|line| line.trim_start_matches('▸').trim_start().starts_with("l ")).count(), 1);
    assert!(screen.contains("Follow the logs of the container"), "{screen}");
}
