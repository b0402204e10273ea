use super::*;
use crate::workflows::machine::Machine;
use crate::workflows::{Effect, Event, Mark};
use crate::world::time::Time;

fn now() -> Time {
    Time::parse("2026-11-21T10:00:00Z").unwrap()
}

fn on() -> Occasion<'static> {
    Occasion { id: "01JD".into(), cluster: "prod", identity: None, protected: false, now: now(), reason: "" }
}

fn app(extra: Value) -> Value {
    let mut app = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd", "uid": "u1", "resourceVersion": "7"},
        "spec": {"source": {"repoURL": "https://git/x", "path": "apps/shop", "targetRevision": "main"},
            "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true", "Replace=false"]}},
        "status": {"sync": {"status": "OutOfSync", "revision": "a".repeat(40)}, "health": {"status": "Healthy"},
            "reconciledAt": "2026-11-21T09:59:00Z",
            "resources": [
                {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "status": "OutOfSync"},
                {"kind": "ConfigMap", "namespace": "shop", "name": "old", "status": "OutOfSync", "requiresPruning": true},
                {"kind": "Service", "namespace": "shop", "name": "web", "status": "Synced"}],
            "history": [
                {"id": 3, "revision": "b".repeat(40), "deployedAt": "2026-11-20T10:00:00Z", "source": {"repoURL": "https://git/x", "path": "apps/shop", "targetRevision": "main"}},
                {"id": 4, "revision": "a".repeat(40), "deployedAt": "2026-11-21T08:00:00Z", "source": {"repoURL": "https://git/x", "path": "apps/shop", "targetRevision": "main"}}]}});
    json_patch::merge(&mut app, &extra);
    app
}

fn facts(app: Value) -> Facts {
    Facts { application: app, path: "/shop".into(), project: None, unread: None }
}

fn planned(ask: &Ask, app: Value) -> Plan {
    plan(&on(), ask, &[facts(app)]).unwrap()
}

fn request(plan: &Plan) -> Request {
    let found = plan.parts.iter().find_map(|part| match part {
        Part::Application { requests } => requests.first().cloned(),
        _ => None,
    });
    found.unwrap()
}

fn sent(app: &Value, request: &Request) -> Value {
    match begin(app, request) {
        Decision::Send(body) => body,
        other => panic!("{other:?}"),
    }
}

fn text(plan: &Plan) -> String {
    plan.lines.iter().map(|l| format!("{}|{}\n", l.label, l.text)).collect()
}

#[test]
fn a_sync_is_the_operation_that_argo_cds_server_would_write() {
    let (options, reason) = SyncOptions::parse("prune Replace=true force because it drifted");
    assert_eq!(reason, "because it drifted");
    let live = app(json!({"spec": {"syncPolicy": {"retry": {"limit": 3}}}}));
    let plan = planned(&Ask::Sync(options), live.clone());
    assert_eq!(plan.blocked, Vec::<String>::new());
    let body = sent(&live, &request(&plan));
    assert_eq!(body["metadata"], json!({"resourceVersion": "7"}));
    assert_eq!(body["status"], json!({"operationState": null}), "the result of the last one goes");
    let operation = &body["operation"];
    assert_eq!(operation["initiatedBy"], json!({"username": "kokpit"}));
    assert_eq!(operation["retry"], json!({"limit": 3}));
    assert_eq!(operation["sync"]["syncOptions"], json!(["RespectIgnoreDifferences=true", "Replace=true"]));
    assert_eq!(operation["sync"]["prune"], true);
    assert_eq!(operation["sync"]["syncStrategy"], json!({"hook": {"force": true}}));
    assert!(operation["sync"].get("revision").is_none(), "the target revision is Argo CD's to resolve");
    let text = text(&plan);
    for line in
        ["differs|Deployment shop/web", "deletes|ConfigMap shop/old", "kokpit rollback app/shop --to-revision 4"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("Service"), "{text}");
}

#[test]
fn options_with_a_word_are_switched_on_off_and_left_to_the_application() {
    let (how, reason) = SyncOptions::parse("server-side only-differing apply-only it drifted");
    assert_eq!(
        (how.options.clone(), how.apply_only),
        (vec!["ServerSideApply=true".into(), "ApplyOutOfSyncOnly=true".into()], true)
    );
    assert_eq!(reason, "it drifted");
    let mut how = SyncOptions::default();
    let mut seen = vec![];
    for _ in 0..3 {
        how.switch("replace");
        seen.push(how.options.clone());
    }
    assert_eq!(seen, [vec!["Replace=true".to_string()], vec!["Replace=false".to_string()], vec![]]);
    how.switch_on("replace");
    how.switch_on("server-side");
    let plan = planned(&Ask::Sync(how), app(json!({})));
    let body = sent(&app(json!({})), &request(&plan));
    let wanted = json!(["RespectIgnoreDifferences=true", "Replace=true", "ServerSideApply=true"]);
    assert_eq!(body["operation"]["sync"]["syncOptions"], wanted);
    let text = text(&plan);
    assert!(text.contains("what others wrote into them is lost") && text.contains("Replace=true wins"), "{text}");
}

#[test]
fn without_prune_what_git_does_not_have_stays_and_is_named() {
    let plan = planned(&Ask::Sync(SyncOptions::default()), app(json!({})));
    assert!(text(&plan).contains("stays|ConfigMap shop/old"), "{}", text(&plan));
    let only = Selected::parse("apps:Deployment:shop/web").unwrap();
    let some = SyncOptions { resources: vec![only], ..SyncOptions::default() };
    let plan = planned(&Ask::Sync(some), app(json!({})));
    assert!(!text(&plan).contains("ConfigMap"), "{}", text(&plan));
    let named = json!([{"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}]);
    assert_eq!(sent(&app(json!({})), &request(&plan))["operation"]["sync"]["resources"], named);
    let none = SyncOptions { resources: vec![Selected::parse(":Secret:x").unwrap()], ..SyncOptions::default() };
    assert!(planned(&Ask::Sync(none), app(json!({}))).blocked[0].contains("has no Secret x"));
    assert!(Selected::parse("apps/Deployment/web").unwrap_err().contains("GROUP:KIND:NAME"));
}

#[test]
fn a_sync_is_refused_while_one_runs_and_outside_windows() {
    let busy = app(json!({"operation": {"sync": {}}, "status": {"operationState": {"phase": "Running",
        "startedAt": "2026-11-21T09:50:00Z", "message": "waiting for healthy state of apps/Deployment/web",
        "operation": {"initiatedBy": {"username": "ada"}}}}}));
    let plan_busy = planned(&Ask::Sync(SyncOptions::default()), busy.clone());
    assert!(
        plan_busy.blocked[0].contains("an operation of ada runs since 2026-11-21T09:50:00Z: waiting for"),
        "{:?}",
        plan_busy.blocked
    );
    let later = request(&planned(&Ask::Sync(SyncOptions::default()), app(json!({}))));
    assert!(
        matches!(begin(&busy, &later), Decision::Refuse(why) if why.contains("is busy")),
        "also right before it is sent"
    );
    let project = json!({"spec": {"syncWindows": [{"kind": "deny", "schedule": "0 9 * * *", "duration": "2h", "applications": ["*"]}]}});
    let shut = Facts { project: Some(project.clone()), ..facts(app(json!({}))) };
    let refused = plan(&on(), &Ask::Sync(SyncOptions::default()), std::slice::from_ref(&shut)).unwrap();
    assert!(refused.blocked[0].contains("it may sync again at 2026-11-21T11:00:00Z"), "{:?}", refused.blocked);
    let mut lets = shut;
    lets.project.as_mut().unwrap()["spec"]["syncWindows"][0]["manualSync"] = json!(true);
    let lets = plan(&on(), &Ask::Sync(SyncOptions::default()), &[lets]).unwrap();
    assert_eq!(lets.blocked, Vec::<String>::new());
    assert!(text(&lets).contains("windows|deny window 0 9 * * * for 2h (UTC): active"), "{}", text(&lets));
}

#[test]
fn another_revision_is_refused_while_it_syncs_by_itself() {
    let automated = app(json!({"spec": {"syncPolicy": {"automated": {}}}}));
    let to = |revision: &str| SyncOptions { revision: revision.into(), ..SyncOptions::default() };
    assert!(planned(&Ask::Sync(to("v1")), automated.clone()).blocked[0].contains("would not stay at v1"));
    assert_eq!(planned(&Ask::Sync(to("main")), automated.clone()).blocked, Vec::<String>::new());
    let dry = SyncOptions { dry_run: true, ..to("v1") };
    assert_eq!(planned(&Ask::Sync(dry), automated).blocked, Vec::<String>::new());
}

#[test]
fn a_sync_is_known_again_and_followed_to_its_end() {
    let plan = planned(&Ask::Sync(SyncOptions::default()), app(json!({})));
    let request = request(&plan);
    let operation = sent(&app(json!({})), &request)["operation"].clone();
    let asked = app(json!({"operation": operation, "status": {"operationState": null}}));
    assert_eq!(begin(&asked, &request), Decision::Already);
    assert!(matches!(answer(&asked, &request), Answer::Waiting { .. }));
    let state = |phase: &str| {
        json!({"status": {"operationState": {"phase": phase, "message": "said", "operation": operation,
        "syncResult": {"revision": "c".repeat(40), "resources": [
            {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "status": "Synced", "message": "configured"},
            {"group": "batch", "kind": "Job", "namespace": "shop", "name": "mig", "status": "Synced", "hookType": "PreSync", "hookPhase": "Failed", "message": "limit"}]}}}})
    };
    assert_eq!(begin(&app(state("Failed")), &request), Decision::Already, "it is not asked for twice");
    let ended = answer(&app(state("Failed")), &request);
    let Answer::Ended { good: false, text, results } = &ended else { panic!("{ended:?}") };
    assert_eq!(text, "Failed: said");
    assert_eq!(results[0], (true, "Deployment shop/web: Synced, configured".into()));
    assert!(!results[1].0, "Synced does not mean good: {results:?}");
    let other = app(json!({"operation": {"sync": {}}}));
    assert!(matches!(answer(&other, &request), Answer::Ended { good: true, text, .. } if text.contains("not known")));

    let mut machine = Machine::new(&plan);
    assert_eq!(machine.step(None, now()), [Effect::Ask(request.clone())]);
    let object = request.application.clone();
    assert_eq!(machine.step(Some(Event::Asked { object: object.clone() }), now()), [Effect::Hear(request.clone())]);
    assert!(machine.irrevocable());
    let waiting = Answer::Waiting { text: "Running: x".into() };
    let event = Event::Answered { object: object.clone(), answer: waiting };
    assert!(matches!(machine.step(Some(event), now())[..], [Effect::Wait { .. }]));
    assert_eq!(machine.step(Some(Event::Waited), now()), [Effect::Hear(request)]);
    assert_eq!(machine.step(Some(Event::Answered { object, answer: ended }), now()), []);
    assert!(machine.lost() && !machine.finished());
    let marks: Vec<Mark> = machine.steps().iter().map(|s| s.mark).collect();
    assert_eq!(marks, [Mark::Failed, Mark::Done, Mark::Failed, Mark::Failed]);
}

#[test]
fn a_refresh_is_over_when_the_annotation_is_gone() {
    let plan = planned(&Ask::Refresh { hard: true }, app(json!({})));
    let request = request(&plan);
    assert_eq!(sent(&app(json!({})), &request), json!({"metadata": {"annotations": {REFRESH: "hard"}}}));
    let waiting = app(json!({"metadata": {"annotations": {REFRESH: "hard"}}}));
    assert_eq!(begin(&waiting, &request), Decision::Already);
    assert!(matches!(answer(&waiting, &request), Answer::Waiting { .. }));
    let Answer::Ended { good, text, .. } = answer(&app(json!({})), &request) else { panic!() };
    assert!(good && text == "compared 2026-11-21T09:59:00Z: OutOfSync at aaaaaaa, Healthy", "{text}");
    let invalid = app(json!({"status": {"conditions": [{"type": "InvalidSpecError", "message": "no project"}]}}));
    assert!(
        matches!(answer(&invalid, &request), Answer::Ended { good: false, text, .. } if text.contains("no project"))
    );
    let other = app(json!({"metadata": {"uid": "u2"}}));
    assert!(matches!(begin(&other, &request), Decision::Refuse(why) if why.contains("made anew")));
}

#[test]
fn only_the_operation_that_was_shown_is_terminated() {
    let running = |at: &str| {
        app(json!({"operation": {"sync": {}}, "status": {"operationState": {"phase": "Running", "startedAt": at}}}))
    };
    let shown = running("2026-11-21T09:50:00Z");
    let request = request(&planned(&Ask::Terminate, shown.clone()));
    let body = json!({"metadata": {"resourceVersion": "7"}, "status": {"operationState": {"phase": "Terminating"}}});
    assert_eq!(sent(&shown, &request), body);
    assert!(
        matches!(begin(&running("2026-11-21T09:59:00Z"), &request), Decision::Refuse(why) if why.contains("left alone"))
    );
    let ended = app(
        json!({"status": {"operationState": {"phase": "Failed", "message": "Operation terminated", "startedAt": "2026-11-21T09:50:00Z"}}}),
    );
    assert_eq!(begin(&ended, &request), Decision::Already);
    assert!(
        matches!(answer(&ended, &request), Answer::Ended { good: true, text, .. } if text.contains("Operation terminated"))
    );
    assert!(plan(&on(), &Ask::Terminate, &[facts(ended)]).unwrap_err().0.contains("nothing to terminate"));
}

#[test]
fn a_rollback_takes_the_source_of_the_history_and_wants_auto_sync_off() {
    let back = |to: Option<i64>, auto_sync_off| Ask::Rollback {
        to: to.map_or(Revision::Back(1), Revision::Number),
        auto_sync_off,
        prune: false,
    };
    let live = app(json!({}));
    let plan_back = planned(&back(None, false), live.clone());
    let operation = sent(&live, &request(&plan_back))["operation"]["sync"].clone();
    assert_eq!(operation["revision"], json!("b".repeat(40)));
    assert_eq!(operation["source"]["path"], "apps/shop");
    assert_eq!(operation["syncStrategy"], json!({"apply": {}}));
    assert_eq!(operation["syncOptions"], json!(["RespectIgnoreDifferences=true", "Replace=false"]));
    assert!(text(&plan_back).contains("→    3"), "{}", text(&plan_back));
    let automated = app(json!({"spec": {"syncPolicy": {"automated": {"prune": true}}}}));
    assert!(planned(&back(Some(3), false), automated.clone()).blocked[0].contains("switch that off first"));
    let both = planned(&back(Some(3), true), automated);
    let said = text(&both);
    assert!(said.contains("first|Application argocd/shop: spec.syncPolicy.automated goes"), "{said}");
    assert!(said.contains("then kokpit auto-sync argocd/shop on"), "{said}");
    assert!(
        both.blocked.is_empty() && matches!(both.parts[..], [Part::Live { .. }, Part::Application { .. }]),
        "{both:?}"
    );
    assert!(plan(&on(), &back(Some(9), false), &[facts(live)]).unwrap_err().0.contains("it has 3, 4"));
}

#[test]
fn auto_sync_keeps_its_flags_where_argo_cd_knows_how() {
    let off = Ask::AutoSync { on: Some(false), prune: false, self_heal: false };
    let on = Ask::AutoSync { on: Some(true), prune: false, self_heal: true };
    let automated = app(json!({"spec": {"syncPolicy": {"automated": {"prune": true}}}}));
    let fields = auto_sync(&automated, &off, true).unwrap();
    assert_eq!(
        (fields.len(), fields[0].path.to_string(), fields[0].after.clone()),
        (1, "spec.syncPolicy.automated.enabled".into(), Some(json!(false)))
    );
    let fields = auto_sync(&automated, &off, false).unwrap();
    assert_eq!(
        (fields.len(), fields[0].path.to_string(), fields[0].after.clone()),
        (1, "spec.syncPolicy.automated".into(), None)
    );
    let held = app(json!({"spec": {"syncPolicy": {"automated": {"prune": true, "enabled": false}}}}));
    let fields: Vec<(String, Option<Value>)> =
        auto_sync(&held, &on, true).unwrap().into_iter().map(|f| (f.path.to_string(), f.after)).collect();
    let wanted = [
        ("spec.syncPolicy.automated.enabled".to_string(), None),
        ("spec.syncPolicy.automated.selfHeal".to_string(), Some(json!(true))),
    ];
    assert_eq!(fields, wanted);
    assert!(auto_sync(&held, &off, true).unwrap_err().0.contains("does not sync by itself"));
    let none = auto_sync(&app(json!({})), &on, true).unwrap();
    assert_eq!(none[0].after, Some(json!({"selfHeal": true})));
}
