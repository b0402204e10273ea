use super::*;
use crate::gitops::locate::directories;
use serde_json::json;

fn now() -> Time {
    Time::parse("2026-11-21T10:00:00Z").unwrap()
}

fn application(extra: Value) -> Value {
    let mut app = json!({"metadata": {"name": "shop", "namespace": "argocd"}, "spec": {
        "source": {"repoURL": "https://git/x", "path": "apps/shop"}, "destination": {"namespace": "shop"}}});
    json_patch::merge(&mut app, &extra);
    app
}

fn compared(app: Value, wanted: Value, live: Option<Value>) -> Compared {
    let rules = Rules::of(&app, None);
    let judge = Judge { application: &app, rules: &rules, now: now() };
    judge.compare(&Manifest { object: wanted, file: "apps/shop/web.yaml".into() }, live.as_ref())
}

/// As `kubectl apply` and the API server leave it: last applied, defaults, bookkeeping.
fn applied(wanted: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut live = wanted.clone();
    live["metadata"]["annotations"][yaml::LAST_APPLIED] = json!(wanted.to_string());
    live["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!("shop:apps/Deployment:shop/web");
    for (key, value) in [("uid", json!("u1")), ("resourceVersion", json!("7")), ("generation", json!(3))] {
        live["metadata"][key] = value;
    }
    live["status"] = json!({"replicas": 2});
    change(&mut live);
    live
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "paused": false, "template": {"spec": {"containers": [
            {"name": "app", "image": "web:1", "env": [], "resources": {"limits": {"cpu": "1000m"}}}]}}}})
}

fn with_defaults(live: &mut Value) {
    live["spec"]["strategy"] = json!({"type": "RollingUpdate"});
    live["spec"].as_object_mut().unwrap().shift_remove("paused");
    let container = &mut live["spec"]["template"]["spec"]["containers"][0];
    *container =
        json!({"name": "app", "image": "web:1", "imagePullPolicy": "Always", "resources": {"limits": {"cpu": "1"}}});
}

#[test]
fn what_the_server_adds_and_what_others_add_is_no_difference() {
    let live = applied(&deployment(), |live| {
        with_defaults(live);
        live["metadata"]["labels"] = json!({"tier": "x"});
        live["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = json!("now");
        let all = live["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap();
        all.push(json!({"name": "istio-proxy", "image": "proxy:1"}));
    });
    let found = compared(application(json!({})), deployment(), Some(live));
    assert_eq!((found.standing, found.diff), (Standing::Same, vec![]));
}

#[test]
fn a_live_edit_is_shown_with_who_made_it() {
    let live = applied(&deployment(), |live| {
        with_defaults(live);
        live["spec"]["replicas"] = json!(5);
        live["metadata"]["managedFields"] = json!([{"manager": "kubectl-scale", "operation": "Update",
            "time": "2026-11-21T09:57:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]);
    });
    let found = compared(application(json!({})), deployment(), Some(live.clone()));
    assert_eq!(found.standing, Standing::Differs);
    assert_eq!(found.notes, ["written by kubectl-scale 3m ago: spec.replicas"]);
    let changed: Vec<&str> = found.diff.iter().filter(|l| l.starts_with(['-', '+'])).map(String::as_str).collect();
    assert_eq!(changed, ["-  replicas: 5", "+  replicas: 2"], "{:#?}", found.diff);
    assert!(found.diff[0].starts_with("@@ -"), "{:?}", found.diff);
    assert!(found.diff.iter().all(|l| !l.contains("uid") && !l.contains("last-applied")), "{:?}", found.diff);
    let ignores = |how: Value| {
        let mut rule = json!({"group": "apps", "kind": "Deployment"});
        json_patch::merge(&mut rule, &how);
        application(json!({"spec": {"ignoreDifferences": [rule]}}))
    };
    for how in [
        json!({"jsonPointers": ["/spec/replicas"]}),
        json!({"jqPathExpressions": [".spec.replicas"]}),
        json!({"managedFieldsManagers": ["kubectl-scale"]}),
    ] {
        assert_eq!(compared(ignores(how.clone()), deployment(), Some(live.clone())).standing, Standing::Same, "{how}");
    }
    let elsewhere = ignores(json!({"jsonPointers": ["/spec/replicas"], "name": "other"}));
    assert_eq!(compared(elsewhere, deployment(), Some(live)).standing, Standing::Differs);
}

#[test]
fn what_git_dropped_goes_if_it_was_applied_and_stays_if_somebody_else_set_it() {
    let mut before = deployment();
    before["metadata"]["labels"] = json!({"team": "a", "app": "web"});
    let live = applied(&before, |live| {
        with_defaults(live);
        live["metadata"]["labels"]["other"] = json!("b");
    });
    let gone = |wanted: Value| -> Vec<String> {
        let found = compared(application(json!({})), wanted, Some(live.clone()));
        found.diff.into_iter().filter(|l| l.starts_with('-')).collect()
    };
    let mut wanted = deployment();
    wanted["metadata"]["labels"] = json!({"app": "web"});
    assert_eq!(gone(wanted), ["-    team: a"]);
    // As it was measured: where the last label leaves git, a client-side apply takes all of them.
    assert_eq!(gone(deployment()), ["-  labels:", "-    app: web", "-    other: b", "-    team: a"]);
}

#[test]
fn with_server_side_apply_the_managers_say_what_goes() {
    let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop",
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:/ConfigMap:shop/c"},
        "managedFields": [
            {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {
                "f:data": {"f:mine": {}, "f:both": {}, "f:kept": {}},
                "f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}, "f:finalizers": {"v:\"a/b\"": {}}}}},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {"f:both": {}, "f:theirs": {}}}}],
        "finalizers": ["a/b", "c/d"]},
        "data": {"mine": "1", "both": "2", "kept": "3", "theirs": "4"}});
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": {"kept": "3"}});
    let app = application(json!({"spec": {"syncPolicy": {"syncOptions": ["ServerSideApply=true"]}}}));
    let found = compared(app.clone(), wanted.clone(), Some(live.clone()));
    let gone: Vec<&str> = found.diff.iter().filter(|l| l.starts_with('-')).map(String::as_str).collect();
    assert_eq!(gone, ["-  mine: \"1\"", "-  - a/b"], "{:?}", found.diff);
    let mut own = wanted;
    own["metadata"]["annotations"] = json!({"argocd.argoproj.io/sync-options": "ServerSideApply=false"});
    let found = compared(app, own, Some(live));
    assert!(!found.diff.iter().any(|l| l.contains("mine") && l.starts_with('-')), "{:?}", found.diff);
}

#[test]
fn values_of_secrets_are_masked_and_plain_ones_are_encoded() {
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"}, "data": data});
    let live = secret(json!({"a": "aHVudGVyMg==", "b": "c2FtZQ=="}));
    let mut wanted = secret(json!({"b": "c2FtZQ=="}));
    wanted["stringData"] = json!({"a": "hunter3"});
    let found = compared(application(json!({})), wanted.clone(), Some(live.clone()));
    let all = found.diff.join("\n");
    assert!(all.contains("-  a: •••\n+  a: ••• another value") && all.contains("   b: •••"), "{all}");
    assert!(!all.contains("hunter") && !all.contains("aHVudGVy"), "{all}");
    wanted["stringData"] = json!({"a": "hunter2"});
    assert_eq!(compared(application(json!({})), wanted.clone(), Some(live)).standing, Standing::Same);
    let new = compared(application(json!({})), wanted, None);
    assert_eq!(new.standing, Standing::Missing);
    assert!(new.diff.iter().any(|l| l == "+  a: •••"), "{:?}", new.diff);
    let last = applied(&secret(json!({"a": "b2xk"})), |live| live["data"]["a"] = json!("bmV3"));
    let found = compared(application(json!({})), secret(json!({"a": "b2xk"})), Some(last));
    assert!(!found.diff.join("\n").contains("b2xk"), "{:?}", found.diff);
}

#[test]
fn lists_of_custom_resources_are_whole_and_defaults_in_them_do_not_count() {
    let custom = |data: Value| {
        json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "e", "namespace": "shop"}, "spec": {"data": data}})
    };
    let live = custom(json!([{"key": "a", "strategy": "Default"}]));
    let same = compared(application(json!({})), custom(json!([{"key": "a"}])), Some(live.clone()));
    assert_eq!(same.standing, Standing::Same);
    let found = compared(application(json!({})), custom(json!([{"key": "b"}])), Some(live));
    assert_eq!(found.standing, Standing::Differs);
}

#[test]
fn an_application_that_cannot_be_rendered_is_compared_with_what_was_applied_last() {
    let app = application(json!({"spec": {"source": {"helm": {}}}}));
    assert!(directories(&app).unwrap_err().0.ends_with("renders a Helm chart"));
    let rules = Rules::of(&app, None);
    let judge = Judge { application: &app, rules: &rules, now: now() };
    let live = applied(&deployment(), |live| {
        with_defaults(live);
        live["spec"]["replicas"] = json!(5);
    });
    assert!(judge.against_last_applied(&live).diff.iter().any(|l| l == "-  replicas: 5"));
    let server_side = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "managedFields": [
        {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-21T09:00:00Z", "fieldsV1": {"f:spec": {"f:paused": {}}}}]}});
    let found = judge.against_last_applied(&server_side);
    assert!(matches!(found.standing, Standing::Unknown(_)));
    assert_eq!(found.notes, ["kubectl-edit wrote spec.paused, 60m ago"]);
}

#[test]
fn a_directory_gives_its_objects_and_nothing_else() {
    let source = |directory: Value| {
        let app = application(json!({"spec": {"source": {"directory": directory}}}));
        directories(&app).unwrap().remove(0).1
    };
    let plain = source(json!(null));
    let file = |name: &str, text: &str| (format!("apps/shop/{name}"), text.to_string());
    let config = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let files = [
        file("a.yaml", &format!("{}---\n---\n{}", config("a"), config("b"))),
        file("list.yml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n"),
        file(
            "hook.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {argocd.argoproj.io/hook: PreSync}}\n",
        ),
        file("twice.yaml", &config("a")),
        file("skip.yaml", &format!("# +argocd:skip-file-rendering\n{}", config("x"))),
        file("sub/deep.yaml", &config("deep")),
    ];
    let names = |source: &crate::gitops::locate::Source| -> Vec<String> {
        let all = read(source, &files).unwrap();
        all.iter()
            .map(|m| format!("{} {}", ObjectRef::of(&m.object).name, m.file.rsplit('/').next().unwrap()))
            .collect()
    };
    assert_eq!(names(&plain), ["b a.yaml", "s list.yml", "a twice.yaml"]);
    assert!(names(&source(json!({"recurse": true}))).contains(&"deep deep.yaml".to_string()));
    assert_eq!(names(&source(json!({"include": "{list,twice}.*", "exclude": "twice*"}))), ["s list.yml"]);
    let built = [file("kustomization.yaml", "resources: []"), files[0].clone()];
    assert!(read(&plain, &built).unwrap_err().0.contains("is built with Kustomize"));
    assert!(read(&source(json!({})), &files[..1]).is_ok());
    let broken = [file("x.yaml", "kind: A\n")];
    assert!(read(&plain, &broken).unwrap_err().0.contains("x.yaml holds something without"));
    let mut object = json!({"metadata": {"name": "a"}});
    complete(&mut object, true, "shop");
    assert_eq!(object["metadata"]["namespace"], "shop");
    complete(&mut object, false, "shop");
    assert!(object["metadata"].get("namespace").is_none());
}
