use super::*;
use crate::world::time::Time;

const TEXT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  template:\n    spec:\n      \
containers:\n        - name: app\n          resources:\n            requests:\n              memory: 256Mi\n";

fn facts() -> FieldFacts {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "app", "resources": {"requests": {"memory": "256Mi"}}}]}}}});
    FieldFacts {
        object,
        path: "/apis/apps/v1/namespaces/shop/deployments/web".into(),
        application: json!({"metadata": {"name": "shop"}}),
        sync: SyncPlan {
            application: ObjectRef::new("argoproj.io", "Application", "argocd", "shop"),
            path: "/x".into(),
            automated: true,
            timeout_s: 60,
        },
        autoscalers: vec![],
        file: "apps/web.yaml".into(),
        text: TEXT.into(),
        deployed: Some(TEXT.into()),
        ahead: None,
    }
}

fn planned(facts: &FieldFacts, want: &Want) -> Result<Plan, Refusal> {
    let target = Target {
        repository: "fleet".into(),
        url: "/srv/fleet.git".into(),
        branch: "main".into(),
        author: None,
        base: "b0".into(),
        by: "Mara <m@example.com>".into(),
        signed: false,
    };
    let on = Occasion {
        id: "01".into(),
        cluster: "prod",
        identity: None,
        protected: false,
        now: Time(0),
        reason: "more traffic",
    };
    plan(&on, &target, facts, want)
}

fn refused(facts: &FieldFacts, want: &Want) -> String {
    planned(facts, want).expect_err("must be refused").0
}

fn memory(amount: &str) -> Want {
    limited(Amounts { cpu: None, memory: Some(amount.into()) })
}

fn limited(limits: Amounts) -> Want {
    Want::Resources { container: String::new(), requests: Amounts::default(), limits }
}

fn both(request: &str, limit: &str) -> Want {
    let memory = |amount: &str| Amounts { cpu: None, memory: Some(amount.into()) };
    Want::Resources { container: String::new(), requests: memory(request), limits: memory(limit) }
}

#[test]
fn a_scale_commits_first_and_writes_nothing_live() {
    let plan = planned(&facts(), &Want::Replicas(5)).unwrap();
    assert!(matches!(plan.parts[..], [Part::Git(_), Part::Sync(_), Part::Verify { .. }]), "{:?}", plan.parts);
    let text: Vec<String> = plan.lines.iter().map(|l| format!("{} {}", l.label, l.text)).collect();
    assert!(text.contains(&"live shop/web  spec.replicas: 2 → 5".to_string()), "{text:#?}");
    assert!(
        text.contains(&" -   replicas: 2".to_string()) && text.contains(&" +   replicas: 5".to_string()),
        "{text:#?}"
    );
    assert!(planned(&facts(), &Want::Replicas(2)).unwrap().is_empty(), "it is so already");
}

#[test]
fn limits_are_added_where_there_are_none() {
    let plan = planned(&facts(), &memory("512Mi")).unwrap();
    let Part::Git(git) = &plan.parts[0] else { panic!("{:?}", plan.parts) };
    let Applied::Texts(texts) = git.commits[0].change.apply(Some(TEXT)).unwrap() else { panic!("a change") };
    assert!(texts[0].ends_with("memory: 256Mi\n            limits:\n              memory: 512Mi\n"), "{}", texts[0]);
    assert!(git.commits[0].message.starts_with("ops(resources): deployment/shop/web limits.memory 512Mi\n"));
    assert_eq!(
        dry_run_patch(&fields(&facts().object, &memory("512Mi")).unwrap()),
        json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "resources": {"limits": {"memory": "512Mi"}}}]}}}})
    );
}

#[test]
fn request_and_limit_change_together() {
    let plan = planned(&facts(), &both("1Gi", "2Gi")).unwrap();
    let Part::Git(git) = &plan.parts[0] else { panic!("{:?}", plan.parts) };
    let Applied::Texts(texts) = git.commits[0].change.apply(Some(TEXT)).unwrap() else { panic!("a change") };
    assert!(texts[0].ends_with("memory: 1Gi\n            limits:\n              memory: 2Gi\n"), "{}", texts[0]);
    let message = &git.commits[0].message;
    assert!(message.starts_with("ops(resources): deployment/shop/web requests.memory 1Gi, limits.memory 2Gi\n"));
    // The limit that is there already counts: a request alone may not pass it.
    let mut limited = facts();
    limited.object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = json!({"memory": "512Mi"});
    let request = Amounts { cpu: None, memory: Some("600Mi".into()) };
    let alone = Want::Resources { container: String::new(), requests: request, limits: Amounts::default() };
    assert!(fields(&limited.object, &alone).unwrap_err().0.contains("above the limit of 512Mi: change both"));
    assert!(fields(&limited.object, &both("600Mi", "700Mi")).is_ok());
}

#[test]
fn nonsense_is_refused_before_anything_is_read_from_git() {
    for (want, why) in [
        (memory("128Mi"), "request of 256Mi memory would be above the limit of 128Mi"),
        (memory("lots"), "not an amount of memory"),
        (memory("0"), "not an amount of memory"),
        (
            Want::Resources {
                container: "side".into(),
                requests: Amounts::default(),
                limits: Amounts { cpu: Some("1".into()), memory: None },
            },
            "no container \"side\"; it has app",
        ),
        (limited(Amounts::default()), "no request and no limit was named"),
        (both("1Gi", "512Mi"), "request of 1Gi memory would be above the limit of 512Mi"),
    ] {
        assert!(refused(&facts(), &want).contains(why), "{want:?}");
    }
    let daemon = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "namespace": "shop"}});
    assert!(fields(&daemon, &Want::Replicas(1)).unwrap_err().0.contains("has no replicas"));
}

#[test]
fn owners_and_rules_of_the_field_are_respected() {
    let hpa = json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}});
    let scaled = FieldFacts { autoscalers: vec![hpa], ..facts() };
    assert!(refused(&scaled, &Want::Replicas(5)).contains("HorizontalPodAutoscaler web owns the replicas"));
    assert!(planned(&scaled, &memory("1Gi")).is_ok(), "limits are not the autoscaler's");
    let rule = json!({"metadata": {"name": "shop"}, "spec": {"ignoreDifferences": [
        {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]}});
    let ignoring = FieldFacts { application: rule, ..facts() };
    assert!(refused(&ignoring, &Want::Replicas(5)).contains("ignoreDifferences"));
    let ahead = FieldFacts {
        deployed: Some(TEXT.replace("replicas: 2", "replicas: 1")),
        ahead: Some("4f1c2ab by Jo: scale".into()),
        ..facts()
    };
    let why = refused(&ahead, &Want::Replicas(5));
    assert!(why.contains("git is ahead") && why.contains("4f1c2ab by Jo: scale"), "{why}");
}

#[test]
fn drift_is_shown() {
    let mut drifted = facts();
    drifted.object["spec"]["replicas"] = json!(7);
    let plan = planned(&drifted, &Want::Replicas(5)).unwrap();
    assert!(
        plan.lines.iter().any(|l| l.text.contains("live it is 7") && l.text.contains("git says 2")),
        "{:?}",
        plan.lines
    );
}

#[test]
fn an_edited_text_goes_the_same_way() {
    let template = ["spec", "template", "spec", "containers"];
    let path = FieldPath::keys(template).item("app").key("resources").key("requests").key("memory");
    let change = FieldChange::new(path, Some(json!("256Mi")), Some(json!("300Mi")));
    let replicas = FieldChange::new(FieldPath::keys(["spec", "replicas"]), Some(json!(2)), Some(json!(3)));
    let plan = planned(&facts(), &Want::Fields(vec![change.clone(), replicas.clone()])).unwrap();
    let Part::Git(git) = &plan.parts[0] else { panic!("{:?}", plan.parts) };
    let Applied::Texts(texts) = git.commits[0].change.apply(Some(TEXT)).unwrap() else { panic!("a change") };
    assert!(texts[0].contains("replicas: 3\n") && texts[0].contains("memory: 300Mi\n"), "{}", texts[0]);
    assert!(git.commits[0].message.starts_with("ops(edit): deployment/shop/web requests.memory 300Mi, replicas 3\n"));

    let stale = FieldChange { before: Some(json!("200Mi")), ..change };
    assert!(refused(&facts(), &Want::Fields(vec![stale])).contains("was changed while it was being edited"));
    let mut defaulted = facts();
    defaulted.object["spec"]["paused"] = json!(true);
    let gone = FieldChange::new(FieldPath::keys(["spec", "paused"]), Some(json!(true)), None);
    assert!(refused(&defaulted, &Want::Fields(vec![gone])).contains("apps/web.yaml does not set spec.paused"));
    let hpa = json!({"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}});
    let scaled = FieldFacts { autoscalers: vec![hpa], ..facts() };
    assert!(refused(&scaled, &Want::Fields(vec![replicas])).contains("owns the replicas"));
}
