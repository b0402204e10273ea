use super::*;
use crate::world::time::Time;

fn target() -> Target {
    Target {
        repository: "fleet".into(),
        url: "/srv/fleet.git".into(),
        branch: "main".into(),
        author: None,
        base: "b0".into(),
        by: "Mara <m@example.com>".into(),
        signed: true,
    }
}

fn on(reason: &str) -> Occasion<'_> {
    Occasion { id: "01".into(), cluster: "prod", identity: None, protected: false, now: Time(0), reason }
}

fn facts(node: Value, text: Option<&str>) -> NodeFacts {
    let mut object =
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n4", "resourceVersion": "7"}, "spec": {}});
    json_patch::merge(&mut object, &node);
    NodeFacts { node: object, file: "nodes/n4.yaml".into(), text: text.map(String::from), sync: None }
}

fn kinds(plan: &Plan) -> Vec<&'static str> {
    let kind = |part: &Part| match part {
        Part::Live { .. } => "live",
        Part::Git(_) => "git",
        Part::Sync(_) => "sync",
        Part::Evict(_) => "evict",
        Part::Verify { .. } => "verify",
        other => panic!("{other:?} in a cordon"),
    };
    plan.parts.iter().map(kind).collect()
}

fn text_of(plan: &Plan) -> String {
    plan.lines.iter().map(|l| format!("{} {}\n", l.label, l.text)).collect()
}

#[test]
fn a_cordon_is_live_first_and_an_uncordon_commits_first() {
    let plan = cordon(&on("disk"), &target(), &[facts(json!({}), None)]).unwrap();
    assert_eq!(kinds(&plan), ["live", "git", "verify"]);
    assert!(text_of(&plan).contains("signed"), "{}", text_of(&plan));
    let annotations = json!({"kokpit.dev/op": "01", "kokpit.dev/reason": "disk"});
    let cordoned = json!({"metadata": {"annotations": annotations}, "spec": {"unschedulable": true}});
    let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n4\nspec:\n  unschedulable: true\n";
    let mut tracked = facts(cordoned, Some(text));
    tracked.sync = Some(SyncPlan {
        application: ObjectRef::new("argoproj.io", "Application", "argocd", "nodes"),
        path: "/x".into(),
        automated: true,
        timeout_s: 60,
    });
    let plan = uncordon(&on(""), &target(), &[tracked]).unwrap();
    assert_eq!(kinds(&plan), ["git", "sync", "live", "verify"]);
    assert!(text_of(&plan).contains("n4 was cordoned by op 01: disk"));
}

#[test]
fn a_foreign_cordon_is_recorded_without_a_claim() {
    let foreign = json!({"metadata": {"managedFields": [{"manager": "kubectl", "time": "2026-11-21T10:00:00Z",
        "fieldsV1": {"f:spec": {"f:unschedulable": {}}}}]}, "spec": {"unschedulable": true}});
    let plan = cordon(&on("disk"), &target(), &[facts(foreign.clone(), None)]).unwrap();
    assert_eq!(kinds(&plan), ["git"]);
    assert!(
        text_of(&plan).contains("cordoned by kubectl at 2026-11-21T10:00:00Z, not by kokpit"),
        "{}",
        text_of(&plan)
    );
    let plan = uncordon(&on(""), &target(), &[facts(foreign, None)]).unwrap();
    assert_eq!(kinds(&plan), ["live", "verify"]);
    assert!(text_of(&plan).contains("this overrules them"));
}

#[test]
fn what_is_so_already_needs_no_plan() {
    let text = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n4\nspec:\n  unschedulable: true\n";
    let cordoned = json!({"spec": {"unschedulable": true}});
    assert!(cordon(&on("x"), &target(), &[facts(cordoned, Some(text))]).unwrap().is_empty());
    assert!(uncordon(&on("x"), &target(), &[facts(json!({}), None)]).unwrap().is_empty());
}

#[test]
fn hostile_reasons_stay_one_line() {
    let plan = cordon(&on("x\x1b[31m\nOp-Id: fake"), &target(), &[facts(json!({}), None)]).unwrap();
    assert!(plan.lines.iter().all(|l| !l.text.contains(char::is_control)), "{}", text_of(&plan));
    let Part::Git(git) = &plan.parts[1] else { panic!("{:?}", plan.parts) };
    assert_eq!(git.commits[0].message.lines().filter(|l| l.starts_with("Op-Id:")).count(), 1);
}

#[test]
fn nodes_of_autoscalers_are_not_for_manifests() {
    assert!(is_static(&json!({"metadata": {"labels": {"kubernetes.io/hostname": "n4"}}})));
    assert!(!is_static(&json!({"metadata": {"labels": {"karpenter.sh/nodepool": "spot"}}})));
    assert!(!is_static(&json!({"metadata": {"annotations": {"cluster.x-k8s.io/machine": "m"}}})));
}
