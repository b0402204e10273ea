//! The start screen with its problems, the tutorial and help: what a first look finds.

use super::fixture::*;
use crate::diagnose::case::{Answer, Need, Subject};
use crate::diagnose::ledger::Diagnosis;
use crate::diagnose::verdict::{Change, Confidence, Finding, State, Verdict};
use crate::effect::Effect;
use crate::msg::Msg;
use crate::world::fleet::{Feed, TableDelta};
use crate::world::object::ObjectRef;
use crate::world::time::Time;

#[test]
fn a_problem_of_the_fleet_is_gone_into_and_asked_why() {
    let mut stage = Stage::live(80, 24);
    stage.screen();
    // Four clusters, then the problems: the newest and worst first.
    stage.press("down down down down down");
    let screen = stage.screen();
    assert!(screen.contains("▸bad") && screen.contains("pod db-0 Pending"), "{screen}");
    stage.press("x");
    let asked = stage.effects();
    let why = asked.iter().find_map(|effect| match effect {
        Effect::Why { cluster, subject, .. } => Some((*cluster, subject.clone())),
        _ => None,
    });
    let pod = crate::world::object::ObjectRef::new("", "Pod", "db", "db-0");
    assert_eq!(why, Some((EU, crate::state::WhySubject::Object(pod))));
    stage.press("esc enter");
    assert!(stage.effects().iter().any(|effect| matches!(effect, Effect::Why { .. })), "Enter asks too");
    stage.press("esc o");
    let screen = stage.screen();
    assert!(screen.starts_with(" prod-eu  pods  ns db  db-0"), "{screen}");
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
    stage.press("! o");
    let screen = stage.screen();
    let rows: String = screen.lines().skip(2).collect();
    assert!(rows.contains("cart-1-y") && !rows.contains("web-1-x"), "{screen}");
}

/// A verdict: the pod's claim is not there.
fn claim_missing(subject: &Subject) -> Diagnosis {
    let claim = ObjectRef::new("", "PersistentVolumeClaim", "db", "data");
    let primary = Finding {
        cause: "pvc-not-found".into(),
        object: claim.clone(),
        cluster: None,
        summary: "The claim data does not exist.".into(),
        confidence: Confidence::Certain,
        evidence: vec![],
        fixes: vec![],
    };
    let commit =
        Change { object: claim, age_s: 90, text: "Application db synced 4f1c2ab".into(), revision: "4f1c2ab".into() };
    let verdict = Verdict {
        subject: Some(subject.clone()),
        state: State::Broken,
        primary: Some(primary),
        changed_before: vec![commit],
        ..Verdict::default()
    };
    Diagnosis { subject: subject.clone(), verdict: Ok(Box::new(verdict)), read: vec![] }
}

#[test]
fn what_looks_wrong_is_explained_in_the_background() {
    let mut stage = Stage::live(120, 24);
    stage.effects();
    (1..=3).for_each(|second| stage.tell(Msg::Tick(Time(NOW.0 + second))));
    let asked = stage.effects();
    let rounds: Vec<(_, _)> = asked
        .iter()
        .filter_map(|effect| match effect {
            Effect::Diagnose { cluster, subjects } => Some((*cluster, subjects.clone())),
            _ => None,
        })
        .collect();
    let (cluster, subjects) = &rounds[0];
    let db = Subject::Object(ObjectRef::new("", "Pod", "db", "db-0"));
    assert!(*cluster == EU && subjects.contains(&db) && rounds.len() == 2, "one round for each cluster: {rounds:?}");
    stage.tell(Msg::Diagnosed { cluster: EU, came: vec![claim_missing(&db)] });
    let screen = stage.screen();
    let line =
        screen.lines().find(|line| line.contains("pod db-0 Pending") && !line.starts_with('!')).unwrap_or_default();
    assert!(line.contains("S1") && line.contains("The claim data does not exist, since 4f1c2ab"), "{screen}");
    // The column WHY names it, where there is room.
    stage.type_in(":pods @prod-eu\n");
    let screen = stage.screen();
    assert!(screen.contains("WHY") && screen.contains("pvc-not-found"), "{screen}");
    stage.tell(Msg::Resize(50, 24));
    assert!(!stage.screen().contains("WHY"), "{}", stage.screen());
    // Enter shows at once what was found out, and asks again.
    stage.tell(Msg::Resize(120, 24));
    stage.press("esc !");
    stage.screen();
    stage.press("enter");
    let screen = stage.screen();
    assert!(screen.contains("● The claim data does not exist.") && screen.contains("Changed before:"), "{screen}");
    assert!(stage.effects().iter().any(|effect| matches!(effect, Effect::Why { subject, .. } if *subject == db)));
    // Well again: it is gone.
    stage.rows(EU, "pods", vec![pod("db-0", "db", "Running", 1, 1, "n1")]);
    stage.press("esc");
    assert!(!stage.screen().contains("db-0"), "{}", stage.screen());
}

/// What diagnosis finds nothing about is listed all the same after two minutes, also if nothing else happens meanwhile.
#[test]
fn what_cannot_be_explained_is_listed_in_the_end() {
    let mut stage = Stage::live(120, 24);
    (1..=3).for_each(|second| stage.tell(Msg::Tick(Time(NOW.0 + second))));
    let db = Subject::Object(ObjectRef::new("", "Pod", "db", "db-0"));
    let nothing = Verdict { subject: Some(db.clone()), state: State::Unknown, ..Verdict::default() };
    stage.tell(Msg::Diagnosed {
        cluster: EU,
        came: vec![Diagnosis { subject: db, verdict: Ok(Box::new(nothing)), read: vec![] }],
    });
    assert!(!stage.screen().contains("pod db-0 Pending"), "{}", stage.screen());
    (4..=121).for_each(|second| {
        stage.tell(Msg::Tick(Time(NOW.0 + second)));
        stage.screen();
    });
    assert!(stage.screen().contains("pod db-0 Pending"), "{}", stage.screen());
}

#[test]
fn what_watches_keep_need_not_be_read() {
    let mut stage = Stage::live(80, 24);
    let list =
        |plural: &str, ns: Option<&str>| Need::List { resource: resource(plural), namespace: ns.map(Into::into) };
    let one = |name: &str| Need::Object { resource: resource("pods"), namespace: "db".into(), name: name.into() };
    let needs =
        vec![list("pods", Some("shop")), one("db-0"), one("db-9"), list("secrets", None), list("replicasets", None)];
    stage.effects();
    stage.tell(Msg::Recall { ticket: 7, cluster: EU, needs: needs.clone() });
    let kept = |stage: &mut Stage| match stage.effects().pop() {
        Some(Effect::Recalled { ticket: 7, kept }) => kept,
        other => panic!("{other:?}"),
    };
    let found = kept(&mut stage);
    let told: Vec<(&Need, usize)> = found.iter().map(|(need, kept)| (need, kept.len())).collect();
    assert_eq!(told, [(&needs[0], 3), (&needs[1], 1), (&needs[2], 0)], "a pod that is not among all pods is not there");
    assert!(matches!(found[1].1.unpack(), Some(Answer::Object(pod)) if pod["metadata"]["name"] == "db-0"));
    // Rows that may be old are no answer.
    let stale = Feed::Stale { reason: "cut off".into(), since: NOW };
    stage.table(EU, "pods", vec![TableDelta::Feed(stale)]);
    stage.effects();
    stage.tell(Msg::Recall { ticket: 7, cluster: EU, needs });
    assert_eq!(kept(&mut stage), vec![]);
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
