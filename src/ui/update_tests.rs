//! Messages in, effects out.

use super::fixture::*;
use crate::diagnose::case::Subject;
use crate::effect::logs::{LogFrom, LogRequest, LogStream};
use crate::effect::terminal::Inside;
use crate::effect::{Effect, Intent, RequestId};
use crate::msg::*;
use crate::state::nav::View;
use crate::world::fleet::{Delta, Feed, Link, TableDelta};
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::quantity::Amounts;
use crate::world::time::Time;
use serde_json::json;
use std::sync::Arc;

fn watch(cluster: crate::world::fleet::ClusterId, plural: &str, namespaces: &[&str]) -> Effect {
    let namespaces = namespaces.iter().map(|ns| ns.to_string()).collect();
    Effect::Watch { cluster, resource: resource(plural), namespaces }
}

fn under_cursor(stage: &Stage) -> String {
    stage.state.picked().map(|picked| picked.object.name).unwrap_or_default()
}

#[test]
fn the_start_opens_and_watches_what_the_summary_needs() {
    let mut stage = Stage::silent(80, 24);
    let asked = stage.effects();
    assert!(asked.starts_with(&[Effect::Open(EU), Effect::Open(US)]), "{asked:?}");
    for effect in [watch(EU, "pods", &[]), watch(EU, "nodes", &[]), watch(US, "pods", &[])] {
        assert!(asked.contains(&effect), "{effect:?} not in {asked:?}");
    }
    assert!(!asked.iter().any(|e| matches!(e, Effect::Open(id) if *id == EDGE)));
    // Everything else that tells trouble, where the cluster serves it.
    stage.connect(EU);
    let asked = stage.effects();
    for plural in ["applications", "deployments", "persistentvolumeclaims", "services", "endpointslices", "ingresses"] {
        assert!(asked.contains(&watch(EU, plural, &[])), "{plural}: {asked:?}");
    }
    assert!(!asked.contains(&watch(EU, "events", &[])), "{asked:?}");
}

#[test]
fn a_command_of_the_command_line_is_run_first_and_a_wrong_one_said() {
    let mut stage = Stage::started(80, 24, |start| start.command = Some("deploy shop".into()));
    assert!(stage.effects().contains(&watch(EU, "deployments", &["shop"])));
    let mut stage = Stage::started(80, 24, |start| start.command = Some("nonsense".into()));
    assert!(stage.screen().contains("no kind, screen or action `nonsense`"));
}

#[test]
fn what_nobody_looks_at_any_more_is_dropped_after_a_while() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":rs\n");
    stage.rows(EU, "replicasets", vec![]);
    stage.press("esc");
    stage.effects();
    stage.tell(Msg::Tick(Time(NOW.0 + 200)));
    assert!(!stage.effects().iter().any(|effect| matches!(effect, Effect::Unwatch { .. })));
    stage.tell(Msg::Tick(Time(NOW.0 + 400)));
    let unwatch = |cluster| Effect::Unwatch { cluster, resource: resource("replicasets") };
    let mut asked = stage.effects();
    // (The names of namespaces were needed while the line was typed.)
    asked.retain(|effect| matches!(effect, Effect::Unwatch { resource, .. } if resource.plural != "namespaces"));
    assert_eq!(asked, [unwatch(EU), unwatch(US)]);
    assert!(stage.state.fleet.shard(EU).table(&resource("replicasets")).is_none());
    stage.type_in(":rs\n");
    assert!(stage.effects().contains(&watch(EU, "replicasets", &[])));
}

#[test]
fn where_all_may_not_be_listed_a_namespace_is_asked_for_by_name() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.effects();
    stage.type_in(":pods shop @prod-eu\n");
    let asked = stage.effects();
    assert!(!asked.iter().any(|e| matches!(e, Effect::Watch { .. })), "all are watched already: {asked:?}");
    stage.table(EU, "pods", vec![TableDelta::Feed(Feed::Denied("forbidden".into()))]);
    assert_eq!(stage.effects(), [watch(EU, "pods", &["shop"])]);
    // And back on the fleet it is not asked for everything again, to be refused again.
    stage.table(EU, "pods", vec![TableDelta::Feed(Feed::Live)]);
    stage.press("esc esc");
    assert_eq!(stage.effects(), []);
    stage.type_in(":pods db @prod-eu\n");
    assert!(stage.effects().contains(&watch(EU, "pods", &["shop", "db"])));
}

#[test]
fn escape_comes_back_to_the_same_row() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods\n");
    stage.press("down down");
    let row = under_cursor(&stage);
    assert_eq!(row, "cart-7d9f-x2k4q");
    stage.press("enter");
    assert!(stage.screen().contains("containers of shop/cart-7d9f-x2k4q"));
    stage.rows(
        EU,
        "pods",
        vec![pod("a-new-one", "a", "Running", 1, 1, "n1"), pod("cart-7d9f-x2k4q", "shop", "Running", 1, 1, "n2")],
    );
    stage.press("esc");
    assert_eq!(under_cursor(&stage), row);
}

#[test]
fn rows_that_come_above_do_not_move_the_cursor_to_another_object_nor_down_the_screen() {
    let mut stage = Stage::live(80, 24);
    let many = |range: std::ops::Range<u32>| {
        range.map(|n| pod(&format!("web-{n:04}"), "shop", "Running", 1, 1, "n1")).collect::<Vec<_>>()
    };
    stage.rows(EU, "pods", many(100..200));
    stage.type_in(":pods @prod-eu\n");
    for _ in 0..30 {
        stage.press("j");
    }
    let line_of = |screen: &str| screen.lines().position(|line| line.starts_with('▸'));
    let (name, line) = (under_cursor(&stage), line_of(&stage.screen()));
    stage.table(EU, "pods", vec![TableDelta::Upsert(many(0..50))]);
    assert_eq!((under_cursor(&stage), line_of(&stage.screen())), (name.clone(), line));
    // When its object goes, the cursor stays where it was.
    stage.table(EU, "pods", vec![TableDelta::Gone(vec![pod(&name, "shop", "Running", 1, 1, "").meta.uid])]);
    assert_eq!(line_of(&stage.screen()), line);
    assert_ne!(under_cursor(&stage), name);
}

#[test]
fn nothing_is_drawn_when_nothing_visible_changed() {
    let mut stage = Stage::live(80, 24);
    let many: Vec<_> = (0..200).map(|n| pod(&format!("web-{n:04}"), "shop", "Running", 1, 1, "n1")).collect();
    stage.rows(EU, "pods", many);
    stage.type_in(":pods @prod-eu\n");
    assert!(stage.changed());
    assert!(!stage.changed());
    // A row below the window.
    stage.table(EU, "pods", vec![TableDelta::Upsert(vec![pod("web-0150", "shop", "Running", 1, 1, "n9")])]);
    assert!(!stage.changed());
    // A second later, with ages in days.
    stage.tell(Msg::Tick(Time(NOW.0 + 1)));
    assert!(!stage.changed());
    // A row in the window.
    stage.table(EU, "pods", vec![TableDelta::Upsert(vec![pod("web-0003", "shop", "Running", 1, 1, "n9")])]);
    assert!(stage.changed());
    // Ages that have changed.
    stage.tell(Msg::Tick(Time(NOW.0 + 86_400)));
    assert!(stage.changed());
}

#[test]
fn read_only_refuses_in_one_place() {
    let mut stage = Stage::started(80, 24, |start| start.readonly = true);
    stage.connect(EU);
    stage.rows(EU, "nodes", vec![node("n1", true, false)]);
    stage.type_in(":nodes\n");
    stage.effects();
    stage.press("c");
    assert!(stage.screen().ends_with(" read-only: cordon is refused (started with --readonly)"));
    stage.type_in(":drain because\n");
    assert!(stage.effects().iter().all(|e| !matches!(e, Effect::Plan { .. })));
    for action in crate::actions::TABLE.iter().filter(|a| a.risk != crate::actions::Risk::Read) {
        stage.type_in(&format!(":{} x\n", action.name));
        assert!(
            !stage
                .effects()
                .iter()
                .any(|e| matches!(e, Effect::Plan { .. } | Effect::Shell { .. } | Effect::Run { .. }))
        );
    }
}

#[test]
fn a_cluster_may_be_read_only_by_pattern() {
    let mut stage = Stage::started(100, 24, |start| start.frozen = vec!["prod-e*".into()]);
    for cluster in [EU, US] {
        stage.connect(cluster);
        stage.rows(cluster, "nodes", vec![node("n1", true, false)]);
    }
    stage.type_in(":nodes @prod-eu\n");
    stage.press("c");
    assert!(stage.screen().contains("prod-eu is read-only: cordon is refused (readonly in config.toml)"));
    stage.type_in(":nodes @prod-us\n");
    stage.press("c");
    assert!(stage.state.prompt.is_some(), "the other cluster is not meant");
}

#[test]
fn what_one_may_not_do_is_asked_shown_and_refused() {
    use crate::world::access::Access;
    let mut stage = Stage::started(120, 40, |_| {});
    stage.connect(EU);
    stage.rows(EU, "nodes", vec![node("n1", true, false)]);
    stage.type_in(":nodes @prod-eu\n");
    stage.effects();
    stage.tell(Msg::Tick(Time(NOW.0 + 1)));
    let asked = |effects: Vec<Effect>| -> Vec<Access> {
        let of = |effect| match effect {
            Effect::Review { cluster: EU, accesses } => accesses,
            _ => vec![],
        };
        effects.into_iter().flat_map(of).collect()
    };
    let patch = Access::new("patch", "", "nodes", "");
    assert!(asked(stage.effects()).contains(&patch));
    stage.tell(Msg::Tick(Time(NOW.0 + 2)));
    assert_eq!(asked(stage.effects()), vec![], "what was asked is not asked again");
    // Not knowing never blocks.
    stage.press("c");
    assert!(stage.state.prompt.is_some());
    stage.press("esc");
    stage.tell(Msg::Reviewed { cluster: EU, answers: vec![(patch.clone(), Some(false))] });
    stage.type_in(":cordo");
    assert!(stage.screen().contains("you may not: needs patch on nodes (cordon, prod-eu)"), "{}", stage.screen());
    stage.press("esc");
    stage.press("?");
    assert!(stage.state.help_refused.get("cordon").is_some_and(|why| why.contains("patch on nodes")));
    stage.press("esc");
    stage.press("c");
    assert!(stage.state.prompt.is_none());
    assert!(stage.screen().contains("you may not: needs patch on nodes (cordon, prod-eu)"), "{}", stage.screen());
    // Rights may have been granted meanwhile: it is asked again.
    stage.effects();
    stage.tell(Msg::Tick(Time(NOW.0 + 3)));
    assert!(asked(stage.effects()).contains(&patch));
}

/// What is tracked becomes a commit, which the cluster need not allow; what is not known is not refused.
#[test]
fn what_becomes_a_commit_needs_no_right_in_the_cluster() {
    use crate::world::access::Access;
    let workload = |name: &str, more: serde_json::Value| {
        let mut value = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"replicas": 2},
        });
        value["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object("deployments", value)
    };
    let id = serde_json::json!({"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/tracked"});
    let owner = serde_json::json!([{"kind": "Shop", "name": "a", "controller": true}]);
    let mut stage = Stage::started(120, 40, |_| {});
    stage.connect(EU);
    let rows = vec![
        workload("bare", serde_json::json!({})),
        workload("owned", serde_json::json!({"ownerReferences": owner})),
        workload("tracked", serde_json::json!({"annotations": id})),
    ];
    stage.rows(EU, "deployments", rows);
    stage.type_in(":deployments shop @prod-eu\n");
    let patch = Access::new("patch", "apps", "deployments", "shop");
    stage.tell(Msg::Reviewed { cluster: EU, answers: vec![(patch, Some(false))] });
    let actions = ["scale", "limits", "set-image", "edit", "rollback", "restart"];
    let refused = |stage: &Stage| -> Vec<&str> {
        let find = |name: &&str| crate::actions::find(name).unwrap();
        let said = |name: &&str| crate::actions::refusal(&stage.state, find(name));
        actions.into_iter().filter(|name| said(name).is_some_and(|why| why.contains("needs patch on"))).collect()
    };
    assert_eq!(refused(&stage), actions, "bare");
    stage.press("j");
    assert_eq!(refused(&stage), ["restart"], "its owner is not known");
    stage.press("j");
    assert_eq!(refused(&stage), ["restart"], "tracked");
}

#[test]
fn what_an_action_needs_is_said() {
    let mut stage = Stage::live(100, 24);
    stage.type_in(":pods\n:follow\n");
    assert!(stage.screen().contains("follow does not apply here: it is for logs"));
    let mut silent = Stage::silent(100, 24);
    silent.type_in(":ctx\n");
    let mute: Vec<&str> = crate::actions::TABLE
        .iter()
        .filter(|action| crate::actions::refusal(&silent.state, action).is_some_and(|why| why.ends_with("here")))
        .map(|action| action.name)
        .collect();
    assert_eq!(mute, Vec::<&str>::new(), "say in actions/reasons.rs what these need");
}

fn view(protected: bool) -> OperationView {
    OperationView {
        id: "01OP".into(),
        title: "cordon n1".into(),
        cluster: "prod-eu".into(),
        protected,
        plan: vec![],
        blocked: vec![],
        steps: vec![],
        status: OperationStatus::Planned,
        started: NOW,
    }
}

/// Types a reason for cordoning the first node and answers the plan.
fn cordon(stage: &mut Stage, view: OperationView) {
    stage.type_in(":nodes\n");
    stage.press("c");
    stage.type_in("disk errors\n");
    let request = stage.effects().iter().find_map(|effect| match effect {
        Effect::Plan { request, .. } => Some(*request),
        _ => None,
    });
    stage.tell(Msg::Planned { request: request.unwrap(), answer: Ok(view.into()) });
}

#[test]
fn cordon_asks_for_a_reason_shows_a_plan_and_cancels_by_default() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":nodes\n");
    stage.effects();
    stage.press("c enter");
    assert!(stage.screen().contains("a reason is needed"));
    stage.type_in("disk errors\n");
    let intent = Intent::Cordon { nodes: vec!["n1".into()], reason: "disk errors".into() };
    let asked = stage.effects();
    let Some(Effect::Plan { request, cluster: EU, intent: found, .. }) = asked.last() else { panic!("{asked:?}") };
    assert_eq!(*found, intent);
    stage.tell(Msg::Planned { request: *request, answer: Ok(view(false).into()) });
    stage.press("enter");
    assert_eq!(stage.effects(), [Effect::Discard { operation: "01OP".into() }]);
    assert!(stage.state.operations.is_empty());
    assert!(stage.screen().contains(" nodes "));
}

#[test]
fn the_other_button_runs_it_and_leaving_does_not_stop_it() {
    let mut stage = Stage::live(80, 24);
    cordon(&mut stage, view(false));
    stage.press("tab enter");
    assert_eq!(stage.effects(), [Effect::Run { operation: "01OP".into() }]);
    stage.press("enter enter");
    assert_eq!(stage.effects(), [], "it is run once");
    stage.press("esc");
    assert_eq!(stage.effects(), []);
    assert_eq!(stage.state.operations.len(), 1);
}

#[test]
fn a_protected_cluster_wants_its_name() {
    let mut stage = Stage::live(80, 24);
    cordon(&mut stage, view(true));
    stage.press("tab");
    stage.type_in("prod-us\n");
    assert_eq!(stage.effects(), []);
    assert!(stage.screen().contains("`prod-us` is not the name of the cluster (prod-eu)"));
    stage.press("backspace backspace");
    stage.type_in("eu\n");
    assert_eq!(stage.effects(), [Effect::Run { operation: "01OP".into() }]);
}

#[test]
fn what_is_blocked_cannot_be_run() {
    let mut stage = Stage::live(80, 24);
    cordon(&mut stage, OperationView { blocked: vec!["PDB shop/web allows no eviction".into()], ..view(false) });
    assert!(stage.screen().contains("PDB shop/web allows no eviction"));
    stage.press("tab enter");
    assert_eq!(stage.effects(), [Effect::Discard { operation: "01OP".into() }]);
}

#[test]
fn a_plan_that_nobody_waits_for_is_discarded() {
    let mut stage = Stage::live(80, 24);
    stage.effects();
    stage.tell(Msg::Planned { request: RequestId(999), answer: Ok(view(false).into()) });
    assert_eq!(stage.effects(), [Effect::Discard { operation: "01OP".into() }]);
}

#[test]
fn marked_nodes_are_cordoned_together_and_of_one_cluster_only() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":nodes @prod-eu\n");
    stage.press("space space c");
    stage.type_in("old\n");
    let asked = stage.effects();
    let nodes = vec!["n1".to_string(), "n2".into()];
    assert!(
        matches!(asked.last(), Some(Effect::Plan { intent: Intent::Cordon { nodes: found, .. }, .. }) if *found == nodes)
    );
    stage.press("esc");
    stage.type_in(":nodes @*\n");
    stage.press("space shift-g space c");
    assert!(stage.screen().contains("one cluster at a time"));
}

#[test]
fn scale_and_limits_ask_step_by_step() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":deploy @prod-eu\n");
    stage.rows(EU, "deployments", vec![deployment("web", "shop")]);
    stage.press("s");
    stage.type_in("many\n");
    assert!(stage.screen().contains("`many` is not a number of replicas"));
    stage.press("ctrl-u");
    stage.type_in("5\nblack friday\n");
    let object = ObjectRef::new("apps", "Deployment", "shop", "web");
    let scale = Intent::Scale { object: object.clone(), replicas: 5, reason: "black friday".into() };
    assert!(matches!(stage.effects().last(), Some(Effect::Plan { intent, .. }) if *intent == scale));
    stage.press("esc");
    stage.type_in(":limits app memory=1Gi request.memory=512Mi\n\n");
    let memory = |amount: &str| Amounts { cpu: None, memory: Some(amount.into()) };
    let limits = Intent::Resources {
        object,
        container: "app".into(),
        requests: memory("512Mi"),
        limits: memory("1Gi"),
        reason: String::new(),
    };
    assert!(matches!(stage.effects().last(), Some(Effect::Plan { intent, .. }) if *intent == limits));
}

#[test]
fn an_edit_lends_the_terminal_and_what_changed_is_planned() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":deploy @prod-eu\n");
    stage.rows(EU, "deployments", vec![deployment("web", "shop")]);
    stage.press("e");
    let resource = ResourceId::new("apps", "deployments");
    let edit = Effect::Edit { cluster: EU, resource, namespace: "shop".into(), name: "web".into() };
    assert_eq!(stage.effects().last(), Some(&edit));
    let intent = Intent::Edit {
        object: ObjectRef::new("apps", "Deployment", "shop", "web"),
        path: "/x".into(),
        before: Arc::new(json!({"spec": {"replicas": 1}})),
        after: Arc::new(json!({"spec": {"replicas": 2}})),
        file: "/tmp/x.yaml".into(),
    };
    stage.tell(Msg::Edited { cluster: EU, intent: intent.clone() });
    assert!(matches!(stage.effects().last(), Some(Effect::Plan { intent: planned, .. }) if *planned == intent));
    assert!(stage.screen().contains("edit web"), "{}", stage.screen());
}

#[test]
fn secrets_are_not_edited() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":secrets @prod-eu\n");
    stage.rows(EU, "secrets", vec![deployment("token", "shop")]);
    stage.press("e");
    assert!(!stage.effects().iter().any(|effect| matches!(effect, Effect::Edit { .. })));
    assert!(stage.screen().contains("Secrets are not edited"), "{}", stage.screen());
}

#[test]
fn commands_have_a_history() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods shop\n");
    assert!(stage.effects().contains(&Effect::SaveHistory(vec!["nodes".into(), "pods shop".into()])));
    stage.press(": up up down");
    assert!(stage.screen().ends_with(" :pods shop"));
    stage.press("up enter");
    assert!(stage.screen().starts_with(" prod-eu · prod-us  nodes"));
}

#[test]
fn tab_takes_the_offer_and_enter_takes_it_where_the_typed_word_means_nothing() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":depl");
    stage.press("tab");
    assert!(stage.screen().ends_with(" :deployments"), "{}", stage.screen());
    stage.press("esc");
    stage.type_in(":statef\n");
    assert!(stage.screen().contains("statefulsets"));
    stage.type_in(":pods @prod-e");
    assert!(stage.screen().ends_with(" :pods @prod-eu"));
}

#[test]
fn history_keys_walk_the_places() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods\n:nodes\n:apps\n");
    let title = |stage: &mut Stage| stage.screen().lines().next().unwrap().to_string();
    stage.press("[");
    assert!(title(&mut stage).contains("nodes"));
    stage.press("[");
    assert!(title(&mut stage).contains("pods"));
    stage.press("]");
    assert!(title(&mut stage).contains("nodes"));
    stage.press("] -");
    assert!(title(&mut stage).contains("nodes"));
    stage.press("-");
    assert!(title(&mut stage).contains("applications"));
}

#[test]
fn why_of_a_row_of_a_url_and_of_a_name() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-us\n");
    stage.press("x");
    let subject = |stage: &mut Stage| match stage.effects().pop() {
        Some(Effect::Why { cluster, subject, .. }) => (cluster, subject),
        other => panic!("{other:?}"),
    };
    let pod = Subject::Object(ObjectRef::new("", "Pod", "shop", "web-66c8-kkgnx"));
    assert_eq!(subject(&mut stage), (US, pod.clone()));
    stage.press("esc");
    assert!(matches!(stage.effects().as_slice(), [Effect::StopWhy(_)]));
    stage.type_in(":why https://shop.example.com/cart @prod-us");
    stage.press("enter");
    stage.effects().retain(|e| !matches!(e, Effect::SaveHistory(_)));
    stage.press("esc");
    stage.effects();
    // The namespace is found where the name is unique.
    stage.type_in(":why pod/web-66c8-kkgnx @prod-us\n");
    let why = stage.effects().into_iter().find_map(|e| match e {
        Effect::Why { cluster, subject, .. } => Some((cluster, subject)),
        _ => None,
    });
    assert_eq!(why, Some((US, pod)));
    stage.type_in(":why node/u2 @prod-us\n");
    assert!(stage.effects().iter().any(
        |e| matches!(e, Effect::Why { subject: Subject::Object(o), .. } if o.kind == "Node" && o.namespace.is_empty())
    ));
    stage.type_in(":why pods\n");
    assert!(stage.screen().contains("why what?"));
}

#[test]
fn logs_follow_restart_and_stop() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods shop @prod-eu\n");
    stage.effects();
    stage.press("l");
    let asked = stage.effects();
    let [Effect::StartLogs { request, logs }] = asked.as_slice() else { panic!("{asked:?}") };
    let streams = |names: &[&str]| -> Vec<LogStream> {
        let source = |name: &&str| log_source(EU, "shop", "api-5f7d-aaaaa", name);
        names.iter().map(|n| LogStream { source: source(n), from: LogFrom::Asked, note: String::new() }).collect()
    };
    let expected =
        LogRequest { streams: streams(&["app", "side1"]), previous: false, tail: Some(500), since_seconds: None };
    assert_eq!(*logs, expected);
    let first = *request;
    stage.press("tab");
    let asked = stage.effects();
    let [Effect::StopLogs(stopped), Effect::StartLogs { request, logs, .. }] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!((*stopped, &logs.streams), (first, &streams(&["app"])));
    // Lines of the stream before are not for this one.
    stage.log(first, "api-5f7d-aaaaa", "app", &["late"]);
    assert!(!stage.screen().contains("late"));
    stage.log(*request, "api-5f7d-aaaaa", "app", &["late"]);
    assert!(stage.screen().contains("late"));
    stage.press("5");
    assert!(matches!(stage.effects().last(), Some(Effect::StartLogs { logs, .. }) if logs.since_seconds == Some(1800)));
    stage.press("p");
    assert!(matches!(stage.effects().last(), Some(Effect::StartLogs { logs, .. }) if logs.previous));
    stage.press("esc");
    assert!(matches!(stage.effects().as_slice(), [Effect::StopLogs(_)]));
}

#[test]
fn a_deployment_leads_to_its_pods_and_their_logs() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":deploy @prod-eu\n");
    stage.rows(EU, "deployments", vec![deployment("web", "shop")]);
    stage.press("enter");
    let screen = stage.screen();
    assert!(screen.starts_with(" prod-eu  pods  ns shop  of Deployment web  1 of 4"), "{screen}");
    assert!(screen.contains("web-66c8-9mxrt") && !screen.contains("cart"));
    stage.press("esc l");
    assert!(
        matches!(stage.effects().last(), Some(Effect::StartLogs { logs, .. }) if logs.streams.len() == 1 && logs.streams[0].source.to_string() == "web-66c8-9mxrt/app")
    );
}

#[test]
fn an_applications_logs_are_those_of_its_workloads_where_it_deploys_to() {
    let mut stage = Stage::live(80, 24);
    let mut web = owned(pod("web-66c8-kkgnx", "shop", "Running", 1, 1, "u1"), "ReplicaSet", "web-66c8");
    web.meta.labels = [("pod-template-hash".into(), "66c8".into())].into();
    stage.rows(US, "pods", vec![web, pod("cart-1-x", "shop", "Running", 1, 1, "u1")]);
    let there = json!({"destination": {"name": "prod-us", "namespace": "shop"}});
    stage.rows(EU, "applications", vec![with_spec(application("shop", "Synced"), there)]);
    stage.type_in(":applications @prod-eu\n");
    stage.effects();
    stage.press("l");
    let asked = stage.effects();
    let Some(Effect::StartLogs { logs, .. }) = asked.last() else { panic!("{asked:?}") };
    let sources: Vec<_> = logs.streams.iter().map(|stream| (*stream.source).clone()).collect();
    assert_eq!(sources, [(*log_source(US, "shop", "web-66c8-kkgnx", "app")).clone()]);
    let far = json!({"destination": {"server": "https://nowhere:6443"}});
    stage.rows(EU, "applications", vec![with_spec(application("shop", "Synced"), far)]);
    stage.press("esc l");
    assert!(stage.screen().contains("https://nowhere:6443, which no context"), "{}", stage.screen());
}

#[test]
fn logs_of_marked_pods_and_of_labels() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.press("space down space");
    stage.effects();
    stage.press("l");
    let asked = stage.effects();
    let Some(Effect::StartLogs { logs, .. }) = asked.last() else { panic!("{asked:?}") };
    let pods: Vec<&str> = logs.streams.iter().map(|stream| stream.source.pod.as_str()).collect();
    assert_eq!(pods.len(), 2, "{pods:?}");
    assert!(stage.screen().contains("2 pods"), "{}", stage.screen());
    stage.type_in(":logs app=cart shop @prod-eu /error\n");
    assert!(stage.screen().contains("-l app=cart  /error"), "{}", stage.screen());
    stage.type_in(":logs -l 'app in x'\n");
    assert!(stage.screen().contains("parentheses"), "{}", stage.screen());
}

#[test]
fn a_shell_needs_one_container() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods shop @prod-eu\n");
    stage.effects();
    stage.press("s");
    assert_eq!(stage.effects(), [], "two containers: choose");
    stage.press("down s");
    let shell = |pod: &str, container: &str| Effect::Shell {
        cluster: EU,
        namespace: "shop".into(),
        pod: pod.into(),
        container: container.into(),
        what: Inside::Shell,
    };
    assert_eq!(stage.effects(), [shell("api-5f7d-aaaaa", "side1")]);
    stage.press("esc down s");
    assert_eq!(stage.effects(), [shell("cart-7d9f-x2k4q", "app")]);
}

#[test]
fn describe_shows_what_is_known_at_once_and_then_what_was_read() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.effects();
    stage.press("y");
    let asked = stage.effects();
    let [Effect::FetchObject { request, resource, name, .. }] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((resource, name.as_str()), (&ResourceId::core("pods"), "db-0"));
    assert!(stage.screen().contains("kind: Pod") && !stage.screen().contains("managedFields"));
    stage.tell(Msg::Object { request: *request, answer: Err("edge is unreachable".into()) });
    assert!(stage.screen().contains("as last seen; edge is unreachable"));
    let value = json!({"kind": "Pod", "metadata": {"name": "db-0", "managedFields": [{"manager": "argocd"}]}});
    stage.tell(Msg::Object { request: *request, answer: Ok(Arc::new(value)) });
    stage.press("m");
    assert!(stage.screen().contains("manager: argocd"));
}

#[test]
fn sorting_reverses_and_columns_are_chosen() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.press("shift-n");
    assert_eq!(under_cursor(&stage), "api-5f7d-aaaaa");
    stage.press("shift-n");
    assert_eq!(under_cursor(&stage), "web-66c8-9mxrt");
    assert!(stage.screen().contains("NAME↓"));
    for _ in 0..10 {
        stage.press("shift-right");
    }
    assert!(stage.screen().contains("NODE↑"), "{}", stage.screen());
    stage.press("shift-o");
    assert!(stage.screen().contains("NODE↓"));
}

#[test]
fn digits_switch_namespaces() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods\n:ns shop\n");
    assert!(stage.screen().contains("pods  ns shop  4"));
    stage.press("0");
    assert!(stage.screen().contains("pods  all namespaces  5"));
    stage.press("2");
    assert!(stage.screen().contains("pods  ns shop  4"));
    stage.press("9");
    assert!(stage.screen().contains("no favourite namespace 9 yet"));
}

#[test]
fn filters_by_label_survive_and_escape_clears_them_first() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods -l app=web\n");
    assert!(stage.screen().contains("/-l app=web  2 of 5"));
    stage.press("esc");
    assert!(stage.screen().contains("pods  all namespaces  5"));
    stage.type_in("/!web\n");
    assert!(stage.screen().contains("/!web  3 of 5"));
    stage.type_in("/cart");
    assert!(stage.screen().contains("/!webcart  5 "), "{}", stage.screen());
    stage.press("esc");
    assert!(stage.screen().contains("/!web  3 of 5"), "typing was cancelled");
}

#[test]
fn command_lines_are_understood_as_a_whole() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":po shop /web @prod-us\n");
    assert!(stage.screen().starts_with(" prod-us  pods  ns shop  /web  1"), "{}", stage.screen());
    stage.type_in(":deployments.apps kube-system @us\n");
    assert!(stage.screen().starts_with(" prod-us  deployments  ns kube-system"));
    stage.type_in(":wd all @*\n");
    assert!(stage.screen().starts_with(" prod-eu · prod-us  widgets  all namespaces"));
    stage.type_in(":pods @prod\n");
    assert!(stage.screen().contains("@prod is more than one context: prod-eu, prod-us"));
    stage.press("esc");
    stage.type_in(":pods @prdo-eu\n");
    assert!(stage.screen().contains("did you mean `prod-eu`"));
}

#[test]
fn enter_on_a_closed_cluster_opens_it_and_it_joins_the_view() {
    let mut stage = Stage::live(80, 24);
    stage.effects();
    stage.press("down down enter");
    assert_eq!(stage.effects(), [Effect::Open(EDGE), watch(EDGE, "nodes", &[]), watch(EDGE, "pods", &[])]);
    stage.type_in(":pods\n");
    assert!(stage.screen().starts_with(" prod-eu · prod-us · edge  pods"));
}

#[test]
fn a_closed_cluster_takes_its_rows_and_problems_along() {
    let mut stage = Stage::live(120, 30);
    for second in 1..10 {
        stage.tell(Msg::Tick(Time(NOW.0 + second)));
    }
    assert!(stage.screen().contains("web-66c8-9mxrt") && stage.screen().contains("u2 NotReady"), "{}", stage.screen());
    stage.effects();
    stage.press("ctrl-d");
    assert_eq!(stage.effects(), [Effect::Close(EU)]);
    stage.tell(Msg::Tick(Time(NOW.0 + 10)));
    assert!(!stage.screen().contains("web-66c8-9mxrt") && stage.screen().contains("u2 NotReady"), "{}", stage.screen());
    // What was on its way comes too late.
    stage.rows(EU, "pods", vec![pod("late", "shop", "Running", 1, 1, "n1")]);
    assert!(stage.state.fleet.shard(EU).table(&resource("pods")).is_none());
    stage.type_in(":pods\n");
    assert!(stage.screen().starts_with(" prod-us  pods"), "{}", stage.screen());
    // Opened again it is watched again.
    stage.type_in(":pods @prod-eu\n");
    let asked = stage.effects();
    assert!(asked.contains(&Effect::Open(EU)) && asked.contains(&watch(EU, "pods", &[])), "{asked:?}");
}

#[test]
fn namespaces_of_several_lines_are_watched_side_by_side() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":configmaps shop @prod-eu\n");
    assert!(stage.effects().contains(&watch(EU, "configmaps", &["shop"])));
    stage.type_in(":configmaps db @prod-eu\n");
    assert!(stage.effects().contains(&watch(EU, "configmaps", &["shop", "db"])));
    stage.type_in(":configmaps shop @prod-eu\n");
    assert!(!stage.effects().iter().any(|e| matches!(e, Effect::Watch { .. })));
    // A pattern is matched here.
    stage.type_in(":configmaps team-* @prod-eu\n");
    assert!(stage.effects().contains(&watch(EU, "configmaps", &[])));
}

#[test]
fn a_lost_cluster_keeps_its_rows_and_is_retried_by_hand() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-us\n");
    let lost = Link::Lost { reason: "reset".into(), since: Time(NOW.0 - 192), retry_at: Time(NOW.0 + 5) };
    stage.tell(Msg::World(vec![(US, Delta::Link(lost))]));
    let screen = stage.screen();
    assert!(screen.contains("web-66c8-kkgnx") && screen.contains("prod-us lost 3m12s"), "{screen}");
    stage.effects();
    stage.press("ctrl-r");
    assert_eq!(stage.effects(), [Effect::Retry(US), Effect::Repaint]);
}

#[test]
fn a_why_line_leads_to_its_object_and_back() {
    let mut stage = Stage::live(80, 24);
    let finding = crate::diagnose::verdict::Finding {
        cause: "node-not-ready".into(),
        object: ObjectRef::new("", "Node", "", "u2"),
        cluster: None,
        summary: "u2 is not ready".into(),
        confidence: crate::diagnose::verdict::Confidence::High,
        evidence: vec![],
        fixes: vec![],
    };
    stage.type_in(":pods @prod-us\n");
    stage.press("x");
    let Some(Effect::Why { request, .. }) = stage.effects().pop() else { panic!() };
    let verdict = crate::diagnose::verdict::Verdict { primary: Some(finding), ..Default::default() };
    stage.tell(Msg::Why { request, answer: WhyAnswer::Verdict(verdict.into()) });
    stage.press("enter");
    assert_eq!(under_cursor(&stage), "u2");
    stage.press("esc c");
    let copied = stage.effects();
    assert!(matches!(copied.as_slice(), [Effect::Copy(text)] if text.contains("u2 is not ready")), "{copied:?}");
}

#[test]
fn a_why_line_leads_into_another_cluster() {
    use crate::diagnose::finding::evidence;
    let mut stage = Stage::live(80, 24);
    let node = ObjectRef::new("", "Node", "", "u2");
    let read_there = |cluster: &str| {
        let mut line = evidence(&node, "status", "", None, "u2 is not ready");
        line.cluster = Some(cluster.into());
        line
    };
    let finding = crate::diagnose::verdict::Finding {
        cause: "argo-health-degraded-child".into(),
        object: ObjectRef::new("", "Pod", "shop", "web-66c8-kkgnx"),
        cluster: None,
        summary: "what it deploys is not well".into(),
        confidence: crate::diagnose::verdict::Confidence::High,
        evidence: vec![read_there("prod-us"), read_there("https://nowhere:6443")],
        fixes: vec![],
    };
    stage.type_in(":pods @prod-eu\n");
    stage.press("x");
    let Some(Effect::Why { request, .. }) = stage.effects().pop() else { panic!() };
    let verdict = crate::diagnose::verdict::Verdict { primary: Some(finding), ..Default::default() };
    stage.tell(Msg::Why { request, answer: WhyAnswer::Verdict(verdict.into()) });
    let to_evidence = |stage: &mut Stage, nth: usize| {
        let View::Text(text) = &mut stage.state.nav.top_mut().view else { panic!() };
        let lines = text.lines.iter().enumerate().filter(|(_, line)| line.plain().contains("u2 is not ready"));
        text.cursor.at = lines.map(|(at, _)| at).nth(nth).expect("a line");
    };
    to_evidence(&mut stage, 0);
    stage.press("enter");
    assert_eq!(under_cursor(&stage), "u2");
    assert_eq!(stage.state.picked().map(|picked| picked.cluster), Some(US));
    stage.press("esc");
    to_evidence(&mut stage, 1);
    stage.press("enter");
    assert!(stage.screen().contains("lives in https://nowhere:6443, which is no cluster of the fleet"));
}

#[test]
fn keys_that_come_faster_than_frames_act_on_what_they_were_meant_for() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.screen();
    stage.effects();
    stage.type_in("/cart\n");
    stage.press("d");
    let asked = stage.effects();
    let cart = |effect: &Effect| matches!(effect, Effect::FetchObject { name, .. } if name.starts_with("cart"));
    assert!(asked.iter().any(cart), "{asked:?}");
}

#[test]
fn pasted_text_presses_no_keys() {
    let mut stage = Stage::live(80, 24);
    stage.effects();
    stage.tell(Msg::Paste("q\nctrl-c".into()));
    assert_eq!(stage.effects(), []);
    stage.press(":");
    stage.tell(Msg::Paste("why https://x\u{1b}[31m\nrm".into()));
    assert!(matches!(&stage.state.prompt, Some(prompt) if prompt.input.value() == "why https://x[31m rm"));
}

#[test]
fn messages_about_unknown_clusters_and_requests_are_dropped() {
    let mut stage = Stage::live(80, 24);
    stage.effects();
    let far = crate::world::fleet::ClusterId(99);
    stage.tell(Msg::World(vec![(far, Delta::Notice("x".into())), (far, Delta::Link(Link::Live))]));
    stage.tell(Msg::Object { request: RequestId(77), answer: Err("x".into()) });
    stage.tell(Msg::LogEnd { request: RequestId(77), source: log_source(far, "a", "p", "c"), reason: None });
    assert_eq!(stage.effects(), []);
    assert!(matches!(stage.state.nav.top().view, View::List(_)));
}
