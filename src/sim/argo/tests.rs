use super::sync::{Decision, decide, heal_delay};
use super::*;
use crate::sim::store::builtin_kinds;
use crate::world::object::int_at;
use serde_json::json;
use std::path::Path;
use std::process::Command;

fn git(at: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"];
    let done = Command::new("git").arg("-C").arg(at).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A repository with one file of one application, a cluster, and its agent.
struct World {
    dir: tempfile::TempDir,
    agent: Agent,
}

impl World {
    fn new(policy: Value, options: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q", "-b", "main"]);
        let store = Store::new(builtin_kinds());
        store.create(&ResourceId::core("namespaces"), sync::namespace("shop")).unwrap();
        let mut app = json!({"metadata": {"name": "web", "namespace": "argocd"}, "spec": {
            "source": {"repoURL": format!("file://{}", dir.path().display()), "path": "apps/web", "targetRevision": "main"},
            "destination": {"namespace": "shop"}, "syncPolicy": {"syncOptions": options}}});
        if !policy.is_null() {
            app["spec"]["syncPolicy"]["automated"] = policy;
        }
        store.create(&applications(), app).unwrap();
        Self { agent: Agent { store, repositories: Repositories::default(), due: HashMap::new() }, dir }
    }

    fn commit(&self, file: &str, text: &str) {
        let path = self.dir.path().join("apps/web").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        git(self.dir.path(), &["add", "-A"]);
        git(self.dir.path(), &["commit", "-q", "-m", "change"]);
    }

    async fn pass(&mut self) -> Value {
        self.agent.repositories.poll().await;
        self.agent.pass().await;
        self.app()
    }

    fn app(&self) -> Value {
        (*self.agent.store.get(&applications(), "argocd", "web").unwrap()).clone()
    }

    fn live(&self, plural: &str, name: &str) -> Option<Value> {
        let group = if plural == "deployments" { "apps" } else { "" };
        let ns = if plural == "nodes" { "" } else { "shop" };
        self.agent.store.get(&ResourceId::new(group, plural), ns, name).map(|o| (*o).clone())
    }

    fn edit(&self, plural: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let group = if plural == "deployments" { "apps" } else { "" };
        let ns = if plural == "nodes" { "" } else { "shop" };
        let stamp = crate::sim::fields::Stamp {
            manager: "kubectl-edit".into(),
            api_version: if group.is_empty() { "v1".into() } else { "apps/v1".into() },
            time: Time(0),
            subresource: String::new(),
        };
        let recorded = |live: &mut Value| {
            let before = live.clone();
            change(live);
            crate::sim::fields::record_update(&before, live, &stamp);
        };
        self.agent.store.modify(&ResourceId::new(group, plural), ns, name, recorded).unwrap();
    }
}

fn deployment(replicas: i64) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n      - name: web\n        image: r.io/web:1\n"
    )
}

#[tokio::test]
async fn a_commit_is_applied_once_and_told() {
    let mut w = World::new(json!({}), json!([]));
    w.commit("d.yaml", &deployment(2));
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced", "{app:#}");
    assert_eq!(str_at(&app, "/status/operationState/phase"), "Succeeded");
    assert_eq!(str_at(&app, "/status/operationState/syncResult/resources/0/message"), "deployment.apps/web created");
    assert_eq!(str_at(&app, "/status/health/status"), "Progressing");
    assert_eq!(annotation(&w.live("deployments", "web").unwrap(), TRACKING), "web:apps/Deployment:shop/web");
    let version = w.agent.store.version();
    w.pass().await;
    assert_eq!(w.agent.store.version(), version, "nothing changes, nothing is written");
    w.commit("d.yaml", &deployment(3));
    let app = w.pass().await;
    assert_eq!(w.live("deployments", "web").unwrap()["spec"]["replicas"], 3);
    assert_eq!(list_at(&app, "/status/history").len(), 2);
}

#[tokio::test]
async fn drift_shows_and_is_healed_only_with_self_heal() {
    let mut w = World::new(json!({}), json!([]));
    w.commit("d.yaml", &deployment(2));
    w.pass().await;
    w.edit("deployments", "web", |d| {
        d["spec"]["replicas"] = json!(5);
        d["spec"]["template"]["spec"]["nodeSelector"] = json!({"a": "b"});
    });
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/sync/status"), "OutOfSync");
    assert_eq!(str_at(&app, "/status/resources/0/status"), "OutOfSync");
    assert_eq!(w.live("deployments", "web").unwrap()["spec"]["replicas"], 5);
    w.agent
        .store
        .modify(&applications(), "argocd", "web", |a| a["spec"]["syncPolicy"]["automated"]["selfHeal"] = json!(true))
        .unwrap();
    let app = w.pass().await;
    let live = w.live("deployments", "web").unwrap();
    assert_eq!(live["spec"]["replicas"], 2);
    assert_eq!(live["spec"]["template"]["spec"]["nodeSelector"], json!({"a": "b"}), "git does not mention it");
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced");
    assert_eq!(int_at(&app, "/status/operationState/operation/sync/autoHealAttemptsCount"), Some(1));
    assert_eq!(list_at(&app, "/status/history").len(), 1, "a heal makes no history");
}

#[tokio::test]
async fn what_cannot_be_read_is_unknown_and_says_why() {
    let mut w = World::new(json!({}), json!([]));
    let app = w.pass().await;
    assert!(
        str_at(&app, "/status/conditions/0/message")
            .ends_with("unable to resolve 'main' to a commit SHA: revision not found"),
        "{app:#}"
    );
    w.commit("../other/x.yaml", "kind: A");
    let app = w.pass().await;
    assert!(str_at(&app, "/status/conditions/0/message").ends_with("apps/web: app path does not exist"));
    w.commit("d.yaml", "a: [\n");
    let app = w.pass().await;
    assert_eq!((str_at(&app, "/status/sync/status"), str_at(&app, "/status/health/status")), ("Unknown", "Healthy"));
    assert!(str_at(&app, "/status/conditions/0/message").contains("Failed to unmarshal \"d.yaml\""));
    w.commit("d.yaml", &deployment(1));
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced");
    assert!(list_at(&app, "/status/conditions").is_empty());
}

#[tokio::test]
async fn a_failed_commit_is_not_tried_again() {
    let mut w = World::new(json!({"selfHeal": true}), json!([]));
    w.commit("d.yaml", &deployment(1).replace("name: web\nspec", "name: web\n  namespace: nowhere\nspec"));
    let app = w.pass().await;
    assert_eq!(
        str_at(&app, "/status/operationState/message"),
        "one or more objects failed to apply, reason: namespaces \"nowhere\" not found"
    );
    let finished = str_at(&app, "/status/operationState/startedAt").to_string();
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/operationState/startedAt"), finished);
    assert!(str_at(&app, "/status/conditions/0/message").starts_with("Failed last sync attempt to ["));
}

#[tokio::test]
async fn manual_operations_and_pruning() {
    let mut w = World::new(Value::Null, json!([]));
    w.commit("d.yaml", &deployment(1));
    w.commit("c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg}\ndata: {a: b}\n");
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/sync/status"), "OutOfSync");
    assert!(w.live("configmaps", "cfg").is_none());
    let ask = |w: &World, prune: bool| {
        let operation = json!({"initiatedBy": {"username": "ada"}, "sync": {"prune": prune}});
        w.agent.store.modify(&applications(), "argocd", "web", |a| a["operation"] = operation).unwrap();
    };
    ask(&w, false);
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced", "{app:#}");
    assert!(app.get("operation").is_none());
    assert_eq!(str_at(&app, "/status/history/0/initiatedBy/username"), "ada");
    std::fs::remove_file(w.dir.path().join("apps/web/c.yaml")).unwrap();
    w.commit("d.yaml", &deployment(1));
    let app = w.pass().await;
    let superfluous = list_at(&app, "/status/resources").iter().find(|r| str_at(r, "/kind") == "ConfigMap").unwrap();
    assert_eq!(superfluous["requiresPruning"], true);
    ask(&w, true);
    let app = w.pass().await;
    assert!(w.live("configmaps", "cfg").is_none());
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced");
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let mut w = World::new(Value::Null, json!([]));
    w.commit("d.yaml", &deployment(1));
    w.pass().await;
    let operation = json!({"initiatedBy": {"username": "ada"}, "sync": {"dryRun": true}});
    w.agent.store.modify(&applications(), "argocd", "web", |a| a["operation"] = operation).unwrap();
    let app = w.pass().await;
    assert!(w.live("deployments", "web").is_none());
    assert_eq!(str_at(&app, "/status/sync/status"), "OutOfSync");
    let said = str_at(&app, "/status/operationState/syncResult/resources/0/message");
    assert_eq!(said, "deployment.apps/web created (dry run)");
    assert!(list_at(&app, "/status/history").is_empty());
}

fn ask(w: &World, operation: Value) {
    let operation = json!({"initiatedBy": {"username": "ada"}, "sync": operation});
    w.agent.store.modify(&applications(), "argocd", "web", |a| a["operation"] = operation).unwrap();
}

fn state<'a>(app: &'a Value, at: &str) -> &'a str {
    str_at(app, &format!("/status/operationState/{at}"))
}

fn config(name: &str, wave: i64, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{argocd.argoproj.io/sync-wave: \"{wave}\"}}}}\ndata: {{a: {value}}}\n"
    )
}

/// A Deployment in front, a ConfigMap behind: the second waits for the first.
async fn waiting() -> World {
    let mut w = World::new(Value::Null, json!([]));
    w.commit("d.yaml", &deployment(1));
    w.commit("late.yaml", &config("late", 5, "b"));
    ask(&w, json!({}));
    let app = w.pass().await;
    assert_eq!(state(&app, "phase"), "Running", "{app:#}");
    assert_eq!(state(&app, "message"), "waiting for healthy state of apps/Deployment/web");
    assert!(app.get("operation").is_some(), "it stays while it runs");
    assert!(w.live("deployments", "web").is_some() && w.live("configmaps", "late").is_none());
    w
}

#[tokio::test]
async fn a_wave_waits_for_the_health_of_the_one_before() {
    let mut w = waiting().await;
    let version = w.agent.store.version();
    w.pass().await;
    assert_eq!(w.agent.store.version(), version, "while it waits nothing is written");
    let healthy = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
    w.edit("deployments", "web", |d| d["status"] = healthy);
    let app = w.pass().await;
    assert_eq!((state(&app, "phase"), state(&app, "message")), ("Succeeded", "successfully synced (all tasks run)"));
    assert!(w.live("configmaps", "late").is_some() && app.get("operation").is_none());
    assert_eq!(list_at(&app, "/status/history").len(), 1);
}

#[tokio::test]
async fn an_operation_that_waits_is_terminated() {
    let mut w = waiting().await;
    let phase = |a: &mut Value| a["status"]["operationState"]["phase"] = json!("Terminating");
    w.agent.store.modify(&applications(), "argocd", "web", phase).unwrap();
    let app = w.pass().await;
    assert_eq!((state(&app, "phase"), state(&app, "message")), ("Failed", "Operation terminated"));
    assert!(app.get("operation").is_none() && list_at(&app, "/status/history").is_empty());
    assert!(w.live("deployments", "web").is_some(), "what was applied stays");
    assert!(w.live("configmaps", "late").is_none());
    ask(&w, json!({"resources": [{"kind": "ConfigMap", "name": "late"}]}));
    let app = w.pass().await;
    assert_eq!(state(&app, "phase"), "Succeeded", "another one may follow");
    assert!(w.live("configmaps", "late").is_some());
    assert!(list_at(&app, "/status/history").is_empty(), "a part makes no history");
    assert_eq!(list_at(&app, "/status/operationState/syncResult/resources").len(), 1, "{app:#}");
}

#[tokio::test]
async fn a_rollback_takes_source_and_revision_of_the_history() {
    let mut w = World::new(Value::Null, json!([]));
    for replicas in [1, 2] {
        w.commit("d.yaml", &deployment(replicas));
        ask(&w, json!({}));
        w.pass().await;
    }
    let first = w.app()["status"]["history"][0].clone();
    ask(&w, json!({"revision": first["revision"], "source": first["source"], "syncStrategy": {"apply": {}}}));
    let app = w.pass().await;
    assert_eq!(w.live("deployments", "web").unwrap()["spec"]["replicas"], 1);
    assert_eq!(str_at(&app, "/status/sync/status"), "OutOfSync", "git still says what it says");
    let last = list_at(&app, "/status/history").last().unwrap();
    assert_eq!((int_at(last, "/id"), &last["revision"]), (Some(2), &first["revision"]));
    ask(&w, json!({"revision": "no-such-branch"}));
    let app = w.pass().await;
    assert_eq!(state(&app, "phase"), "Error");
    assert!(state(&app, "message").contains("unable to resolve 'no-such-branch'"), "{app:#}");
    assert_eq!(w.live("deployments", "web").unwrap()["spec"]["replicas"], 1, "nothing was done");
}

#[tokio::test]
async fn sync_windows_hold_back_what_they_do_not_let_through() {
    let mut w = World::new(json!({}), json!([]));
    let project = |by_hand: bool| {
        json!({"metadata": {"name": "default", "namespace": "argocd"}, "spec": {"syncWindows": [
            {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"], "manualSync": by_hand}]}})
    };
    let projects = ResourceId::new("argoproj.io", "appprojects");
    w.agent.store.create(&projects, project(false)).unwrap();
    w.commit("d.yaml", &deployment(1));
    let app = w.pass().await;
    assert!(app.pointer("/status/operationState").is_none(), "automated syncs are not begun: {app:#}");
    assert!(list_at(&app, "/status/conditions").is_empty());
    ask(&w, json!({}));
    let app = w.pass().await;
    assert_eq!((state(&app, "phase"), state(&app, "message")), ("Running", "Sync operation blocked by sync window"));
    assert!(w.live("deployments", "web").is_none());
    let freed = |p: &mut Value| p["spec"]["syncWindows"][0]["manualSync"] = json!(true);
    w.agent.store.modify(&projects, "argocd", "default", freed).unwrap();
    let app = w.pass().await;
    assert_eq!(state(&app, "phase"), "Succeeded");
    assert!(w.live("deployments", "web").is_some());
}

#[tokio::test]
async fn options_of_an_operation_are_its_own() {
    let mut w = World::new(Value::Null, json!([]));
    w.commit("c.yaml", &config("c", 0, "b"));
    w.commit("other.yaml", &config("other", 0, "b"));
    ask(&w, json!({}));
    w.pass().await;
    w.edit("configmaps", "c", |c| c["data"]["extra"] = json!("x"));
    ask(&w, json!({"syncOptions": ["Replace=true"], "resources": [{"kind": "ConfigMap", "name": "c"}]}));
    let app = w.pass().await;
    assert_eq!(str_at(&app, "/status/operationState/syncResult/resources/0/message"), "configmap/c replaced");
    assert_eq!(w.live("configmaps", "c").unwrap()["data"], json!({"a": "b"}));
    w.commit("c.yaml", &config("c", 0, "changed"));
    ask(&w, json!({"syncOptions": ["ApplyOutOfSyncOnly=true"]}));
    let app = w.pass().await;
    let done = list_at(&app, "/status/operationState/syncResult/resources");
    assert_eq!(done.iter().map(|r| str_at(r, "/name")).collect::<Vec<_>>(), ["c"]);
    ask(&w, json!({"syncOptions": ["ApplyOutOfSyncOnly=true"]}));
    let app = w.pass().await;
    assert_eq!(state(&app, "message"), "successfully synced (no more tasks)");
}

fn node(flag: &str, op: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  annotations:\n    kokpit.dev/op: \"{op}\"\nspec:\n  unschedulable: {flag}\n"
    )
}

fn ledger(options: Value) -> World {
    let w = World::new(json!({}), options);
    let n1 = json!({"metadata": {"name": "n1", "labels": {"os": "linux"}}, "spec": {}});
    w.agent.store.create(&ResourceId::core("nodes"), n1).unwrap();
    w
}

fn cordoned(w: &World) -> bool {
    w.live("nodes", "n1").unwrap()["spec"]["unschedulable"] == json!(true)
}

/// The orders of live cordons and commits that were tried on a real Argo CD, with server-side apply.
#[tokio::test]
async fn a_node_ledger_behaves_as_it_was_measured() {
    let mut w = ledger(json!(["ServerSideApply=true"]));
    w.commit("n.yaml", &node("false", "1"));
    w.pass().await;
    w.edit("nodes", "n1", |n| n["spec"]["unschedulable"] = json!(true));
    let app = w.pass().await;
    assert!(cordoned(&w), "a live cordon stays");
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced", "and is no drift");
    w.commit("n.yaml", &node("true", "1"));
    w.pass().await;
    w.commit("n.yaml", &node("false", "1"));
    let app = w.pass().await;
    assert!(cordoned(&w), "the flag alone does not uncordon what somebody else cordoned");
    assert_eq!(str_at(&app, "/status/sync/status"), "Synced");
    w.commit("n.yaml", &node("true", "2"));
    w.pass().await;
    w.commit("n.yaml", &node("false", "3"));
    w.pass().await;
    assert!(!cordoned(&w), "with a changed annotation beside it, it does");
    w.commit("n.yaml", &node("true", "4"));
    w.pass().await;
    assert!(cordoned(&w));
    w.commit("n.yaml", &node("false", "4"));
    w.pass().await;
    assert!(!cordoned(&w), "what Argo CD itself set, it takes back");
}

#[tokio::test]
async fn without_server_side_apply_a_live_cordon_is_drift() {
    let mut w = ledger(json!([]));
    w.commit("n.yaml", &node("false", "1"));
    w.pass().await;
    w.edit("nodes", "n1", |n| n["spec"]["unschedulable"] = json!(true));
    assert_eq!(str_at(&w.pass().await, "/status/sync/status"), "OutOfSync", "the last apply wrote the field");
}

#[test]
fn heals_wait_longer_each_time() {
    assert_eq!((0..8).map(heal_delay).collect::<Vec<_>>(), [0, 2, 6, 18, 54, 162, 300, 300]);
    let target = Target { sha: "a".into(), objects: vec![] };
    let found = Comparison { sha: "a".into(), items: vec![], images: Default::default() };
    assert!(matches!(decide(&json!({}), &target, &found, Time(0)), Decision::Nothing));
}
