//! What Argo CD's Applications have of their own: the difference to git, the project beside a description.

use super::fixture::*;
use crate::effect::Effect;
use crate::gitops::compare::{Compared, Comparison, Standing};
use crate::msg::Msg;
use crate::world::object::ObjectRef;
use insta::assert_snapshot;
use serde_json::json;
use std::sync::Arc;

fn payments() -> ObjectRef {
    ObjectRef::new("argoproj.io", "Application", "argocd", "payments")
}

fn web() -> ObjectRef {
    ObjectRef::new("apps", "Deployment", "shop", "web")
}

/// The comparison that was asked for last: of which Application, of which objects of it, at which revision.
fn asked(stage: &mut Stage) -> (ObjectRef, Vec<ObjectRef>, String) {
    let effects = stage.effects();
    let found = effects.iter().rev().find_map(|effect| match effect {
        Effect::Compare { cluster: EU, application, only, revision, .. } => {
            Some((application.clone(), only.clone(), revision.clone()))
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{effects:?}"))
}

fn found() -> Comparison {
    let one = |object: ObjectRef, standing: Standing, diff: &[&str]| Compared {
        object,
        file: "apps/payments/web.yaml".into(),
        standing,
        notes: vec![],
        diff: diff.iter().map(|line| line.to_string()).collect(),
    };
    let config = |name: &str| ObjectRef::new("", "ConfigMap", "shop", name);
    let mut differs = one(web(), Standing::Differs, &["@@ -3,3 +3,3 @@", " spec:", "-  replicas: 5", "+  replicas: 2"]);
    differs.notes.push("written by kubectl-scale 3m ago: spec.replicas".into());
    Comparison {
        application: payments(),
        state: "OutOfSync at 4f1c2ab, Healthy".into(),
        git: "4f1c2ab of main, apps/payments".into(),
        repositories: vec!["https://git.example.com/fleet.git".into()],
        cluster: None,
        notes: vec!["main is at 5e5e5e5 by now".into()],
        objects: vec![
            one(config("same"), Standing::Same, &[]),
            one(config("old"), Standing::Extra, &[]),
            one(config("new"), Standing::Missing, &["@@ -0,0 +1,1 @@", "+kind: ConfigMap"]),
            differs,
        ],
    }
}

fn answer(stage: &mut Stage, answer: Result<Box<Comparison>, String>) {
    let request = match &stage.state.nav.top().view {
        crate::state::nav::View::Text(text) => text.request,
        _ => panic!("no text"),
    };
    stage.tell(Msg::Compared { request, answer });
}

#[test]
fn the_difference_of_an_application_is_shown_and_made_anew() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":apps @prod-eu\n");
    stage.press("shift-d");
    assert_eq!(asked(&mut stage), (payments(), vec![], String::new()));
    assert!(stage.screen().contains("reading git and what lives"));
    answer(&mut stage, Ok(Box::new(found())));
    assert_snapshot!(stage.screen());
    stage.type_in(":diff main\n");
    assert_eq!(asked(&mut stage).2, "main");
    stage.press("shift-d");
    assert_eq!(asked(&mut stage).2, "main", "the same again");
    answer(&mut stage, Err("the repository cannot be reached".into()));
    assert!(stage.screen().contains("the repository cannot be reached"));
    stage.press("esc");
    assert!(stage.screen().contains("applications"), "one screen for all of them");
}

#[test]
fn the_difference_of_one_object_is_asked_from_wherever_it_stands() {
    for line in [":apps @prod-eu\n", ":deploy @prod-eu\n"] {
        let mut stage = Stage::live(80, 24);
        stage.type_in(line);
        if line.contains("apps") {
            stage.press("enter");
        } else {
            stage.rows(EU, "deployments", vec![deployment("web", "shop")]);
        }
        stage.press("shift-d");
        let (application, only, _) = asked(&mut stage);
        assert_eq!(only, [web()], "{line}");
        // Two of them list it; in the list of one, that one is meant.
        assert!(!line.contains("apps") || application == payments(), "{application}");
        assert!(stage.screen().contains("diff  Deployment shop/web"));
    }
    let mut stage = Stage::live(80, 24);
    stage.type_in(":nodes @prod-eu\n");
    stage.type_in(":diff\n");
    assert!(stage.screen().contains("belongs to no Application"), "{}", stage.screen());
}

#[test]
fn lines_of_a_difference_lead_to_their_objects() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":apps @prod-eu\n");
    stage.press("shift-d");
    answer(&mut stage, Ok(Box::new(found())));
    stage.press("tab enter");
    assert!(stage.screen().contains("deployments"), "{}", stage.screen());
}

#[test]
fn a_description_asks_for_the_project_once() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":apps @prod-eu\n");
    stage.press("d");
    let request = match stage.effects().as_slice() {
        [.., Effect::FetchObject { request, .. }, Effect::FetchEvents { .. }] => *request,
        other => panic!("{other:?}"),
    };
    let app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "payments", "namespace": "argocd"}, "spec": {"project": "shop"}});
    stage.tell(Msg::Object { request, answer: Ok(Arc::new(app.clone())) });
    let effects = stage.effects();
    let beside = |e: &&Effect| matches!(e, Effect::FetchBeside { name, namespace, .. } if name == "shop" && namespace == "argocd");
    assert_eq!(effects.iter().filter(beside).count(), 1, "{effects:?}");
    let window = json!({"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]});
    let project = json!({"metadata": {"name": "shop"}, "spec": {"syncWindows": [window]}});
    stage.tell(Msg::Beside { request, answer: Ok(Arc::new(project)) });
    stage.press("shift-g");
    assert!(stage.screen().contains("Sync windows of project shop"), "{}", stage.screen());
    stage.tell(Msg::Object { request, answer: Ok(Arc::new(app)) });
    assert!(stage.effects().iter().all(|e| !matches!(e, Effect::FetchBeside { .. })), "it is known");
}
