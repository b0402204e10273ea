//! Deleting, restarting, rolling back, images, CronJobs: killed at every step, and what is left then.

use super::*;
use kokpit::sim::store::DeleteOptions;
use kokpit::workflows::delete::{Cascade, Deletion};
use kokpit::workflows::rollback::Revision;

/// `delete KIND NAME [orphan|foreground] [force]`, `restart NAME`, `rollback NAME`, `set-image NAME IMAGE`,
/// `trigger NAME`, `suspend NAME`, `resume NAME`.
pub fn intent(words: &[&str]) -> Intent {
    let reason = "because it must".to_string();
    let deployment = || ObjectRef::new("apps", "Deployment", "shop", words[1]);
    let cron = || ObjectRef::new("batch", "CronJob", "shop", words[1]);
    match words[0] {
        "delete" => {
            let (group, plural) = match words[1] {
                "Deployment" => ("apps", "deployments"),
                "ConfigMap" => ("", "configmaps"),
                "Secret" => ("", "secrets"),
                "Namespace" => ("", "namespaces"),
                other => panic!("{other}?"),
            };
            let home = if words[1] == "Namespace" { "" } else { "shop" };
            let cascade = words.iter().skip(3).find_map(|word| Cascade::parse(word)).unwrap_or_default();
            let how = Deletion { cascade, force: words.contains(&"force") };
            let objects = vec![ObjectRef::new(group, words[1], home, words[2])];
            Intent::Delete { resource: ResourceId::new(group, plural), objects, how, reason }
        }
        "restart" => Intent::Restart { objects: vec![deployment()], reason },
        "rollback" => Intent::Rollback { object: deployment(), to: Revision::Back(1), reason },
        "set-image" => {
            Intent::SetImage { object: deployment(), images: vec![(String::new(), words[2].into())], reason }
        }
        "trigger" => Intent::Trigger { object: cron(), name: String::new(), reason },
        "suspend" | "resume" => Intent::Suspend { object: cron(), suspend: words[0] == "suspend", reason },
        other => panic!("{other}?"),
    }
}

fn deployments() -> ResourceId {
    ResourceId::new("apps", "deployments")
}

fn config(scene: &Scene, name: &str) -> Value {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"},
        "data": {"mode": "on"}});
    (*scene.cluster.store.create(&ResourceId::core("configmaps"), object).unwrap()).clone()
}

fn has(scene: &Scene, plural: &str, name: &str) -> bool {
    scene.cluster.get(plural, "shop", name).is_some()
}

fn untracked() -> Scene {
    let scene = Scene::new(&[("README", "fleet\n")]);
    settled(&scene);
    scene
}

#[test]
fn a_deletion_killed_anywhere_is_finished_and_never_meant_for_another_object() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    for point in ["delete.intent", "delete.effect", "delete.outcome"] {
        config(&scene, "settings");
        let id = scene.killed("delete ConfigMap settings", point);
        assert_eq!(has(&scene, "configmaps", "settings"), point == "delete.intent");
        if point == "delete.intent" {
            scene
                .cluster
                .store
                .delete(&ResourceId::core("configmaps"), "shop", "settings", &DeleteOptions::now())
                .unwrap();
        }
        let other = config(&scene, "settings");
        scene.ends(&format!("finish {id}"), "done");
        let found = scene.cluster.get("configmaps", "shop", "settings").expect("the new one stays");
        assert_eq!(found["metadata"]["uid"], other["metadata"]["uid"], "{point}");
        let kept = operate::deleted(&scene.paths(), &id).unwrap();
        assert_eq!((kept.len(), &kept[0]["data"]["mode"]), (1, &json!("on")), "{point}: it can be made again");
        let refused = scene.run(&format!("undo {id}"), "").out;
        assert!(refused.contains("refused a deletion cannot be taken back"), "{refused}");
        scene.cluster.store.delete(&ResourceId::core("configmaps"), "shop", "settings", &DeleteOptions::now()).unwrap();
    }
}

#[test]
fn what_an_object_owns_is_shown_and_goes_or_stays() {
    let scene = untracked();
    let sets = || scene.cluster.store.list(&ResourceId::new("apps", "replicasets"), Some("shop"));
    let out = scene.ends("delete Deployment web orphan", "done");
    assert!(out.contains("3 objects owned by it stay, without an owner"), "{out}");
    assert_eq!(scene.cluster.pods().iter().filter(|name| name.starts_with("web-")).count(), 2);
    until("the ReplicaSet belongs to nobody", || {
        let left = sets();
        (left.len() == 1 && left[0].pointer("/metadata/ownerReferences/0").is_none()).then_some(())
    });
    let scene = untracked();
    let out = scene.ends("delete Deployment web foreground", "done");
    assert!(out.contains("3 objects owned by it go with it") && out.contains("plan  1 ReplicaSet: web-"), "{out}");
    assert!(out.contains("plan after nothing makes it again"), "{out}");
    until("the pods are gone", || scene.cluster.pods().iter().all(|name| !name.starts_with("web-")).then_some(()));
}

#[test]
fn what_was_changed_since_it_was_shown_stays() {
    let scene = untracked();
    let id = scene.killed("delete Deployment web", "delete.intent");
    let scaled = |object: &mut Value| object["spec"]["replicas"] = json!(3);
    scene.cluster.store.modify(&deployments(), "shop", "web", scaled).unwrap();
    let out = scene.ends(&format!("finish {id}"), "failed");
    assert!(out.contains("was changed since this was planned"), "{out}");
    assert!(scene.cluster.store.get(&deployments(), "shop", "web").is_some());
}

#[test]
fn the_record_of_a_deleted_secret_holds_no_value() {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "shop"},
        "data": {"password": "aHVudGVyMg=="}});
    scene.cluster.store.create(&ResourceId::core("secrets"), secret).unwrap();
    scene.ends("delete Secret key", "done");
    assert!(!has(&scene, "secrets", "key"));
    let id = scene.last();
    let story = format!("{:?}", Journal::new(scene.paths().journal()).read(&id).unwrap());
    assert!(story.contains("key") && !story.contains("aHVudGVyMg"), "{story}");
}

#[test]
fn a_namespace_says_what_is_in_it_and_argo_cd_brings_back_what_it_tracks() {
    let scene = tracked(json!({"selfHeal": true, "prune": true}));
    let out = scene.run("delete Deployment web", "delete.intent").out;
    assert!(!out.contains("refused"), "{out}");
    let view = operate::list(&scene.paths()).0.pop().unwrap();
    let text: Vec<&str> = view.plan.iter().map(|line| line.text.as_str()).collect();
    assert!(text.iter().any(|t| t.contains("shop heals itself, so it is made again within seconds")), "{text:#?}");
    assert!(
        text.iter().any(|t| t.contains("take it out of apps/web.yaml of fleet main; Argo CD prunes it")),
        "{text:#?}"
    );
    scene.run("delete Namespace shop", "delete.intent");
    let view = operate::list(&scene.paths()).0.pop().unwrap();
    let text: Vec<&str> = view.plan.iter().map(|line| line.text.as_str()).collect();
    assert!(text.iter().any(|t| t.contains("in it go with it")), "{text:#?}");
    assert!(text.iter().any(|t| t.starts_with("1 Deployment: web")), "{text:#?}");
}

fn images(scene: &Scene) -> Vec<String> {
    let pods = scene.cluster.store.list(&ResourceId::core("pods"), Some("shop"));
    let web =
        pods.iter().filter(|p| p["metadata"]["labels"]["app"] == "web" && p["metadata"]["deletionTimestamp"].is_null());
    web.filter_map(|p| p["spec"]["containers"][0]["image"].as_str().map(String::from)).collect()
}

fn image(scene: &Scene) -> Value {
    let web = scene.cluster.store.get(&deployments(), "shop", "web").unwrap();
    web["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

#[test]
fn a_restart_killed_anywhere_is_finished_and_followed() {
    let scene = untracked();
    for point in ["live.intent", "live.effect", "live.outcome"] {
        let before: Vec<String> = scene.cluster.pods();
        let id = scene.killed("restart web", point);
        let out = scene.ends(&format!("finish {id}"), "done");
        assert!(out.contains("step Done rolled out Deployment shop/web"), "{point}: {out}");
        let old = |name: &String| name.starts_with("web-") && before.contains(name);
        until("none of the old pods is left", || (!scene.cluster.pods().iter().any(old)).then_some(()));
        assert_eq!(scene.end(&id), Some(End::Done), "{point}");
    }
}

#[test]
fn an_image_changes_live_where_nothing_tracks_it_and_a_rollback_brings_the_one_before() {
    let scene = untracked();
    let out = scene.ends("set-image web web:2", "done");
    assert!(out.contains("plan live Deployment shop/web") && out.contains("nothing is committed"), "{out}");
    assert_eq!(images(&scene), ["web:2", "web:2"]);
    let out = scene.ends("rollback web", "done");
    assert!(out.contains("plan revision * 2  web:2") && out.contains("plan  → 1  web:1"), "{out}");
    assert_eq!(image(&scene), "web:1");
    let id = scene.last();
    scene.ends(&format!("undo {id}"), "undone");
    assert_eq!(image(&scene), "web:2");
    let id = scene.killed("set-image web web:3", "live.effect");
    scene.ends(&format!("undo {id}"), "undone");
    assert_eq!(image(&scene), "web:2");
}

const WEB_WITH_IMAGE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  template:\n    spec:\n      containers:\n      - name: app\n        image: web:1 # pinned\n";

#[test]
fn where_argo_cd_tracks_it_an_image_is_a_commit_and_so_is_the_way_back() {
    let scene = tracked_as(WEB_WITH_IMAGE, json!({}));
    for (what, wanted) in [("set-image web web:2", "web:2"), ("rollback web", "web:1")] {
        let out = std::thread::scope(|threads| {
            let run = threads.spawn(|| scene.ends(what, "done"));
            argo_takes_it(&scene, true);
            run.join().unwrap()
        });
        assert!(out.contains("reconciled by Argo CD: shop"), "{out}");
        assert_eq!(scene.file("apps/web.yaml") + "\n", WEB_WITH_IMAGE.replace("web:1", wanted));
        assert_eq!(image(&scene), wanted);
    }
}

fn with_backup() -> Scene {
    let scene = Scene::new(&[("README", "fleet\n")]);
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "b", "image": "backup:1"}]});
    let backup = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup", "namespace": "shop"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
    scene.cluster.store.create(&ResourceId::new("batch", "cronjobs"), backup).unwrap();
    scene
}

#[test]
fn a_run_by_hand_is_made_once_and_taken_back() {
    let scene = with_backup();
    let jobs = ResourceId::new("batch", "jobs");
    for (n, point) in ["create.intent", "create.effect", "create.outcome"].iter().enumerate() {
        let id = scene.killed("trigger backup", point);
        scene.ends(&format!("finish {id}"), "done");
        let all = scene.cluster.store.list(&jobs, Some("shop"));
        assert_eq!(all.len(), 1, "{point}");
        assert_eq!(all[0].pointer("/metadata/annotations/cronjob.kubernetes.io~1instantiate"), Some(&json!("manual")));
        assert_eq!(all[0].pointer("/metadata/ownerReferences/0/name"), Some(&json!("backup")));
        scene.ends(&format!("undo {id}"), "undone");
        assert!(scene.cluster.store.list(&jobs, Some("shop")).is_empty(), "{n}");
    }
    let id = scene.killed("trigger backup", "create.effect");
    scene.ends(&format!("undo {id}"), "undone");
    assert!(scene.cluster.store.list(&jobs, Some("shop")).is_empty(), "what may have been made is looked for");
}

#[test]
fn a_cron_job_is_held_back_and_let_go_on() {
    let scene = with_backup();
    let suspended = || {
        let cron = scene.cluster.store.get(&ResourceId::new("batch", "cronjobs"), "shop", "backup").unwrap();
        cron["spec"]["suspend"].as_bool().unwrap_or_default()
    };
    scene.ends("suspend backup", "done");
    assert!(suspended());
    scene.ends("resume backup", "done");
    assert!(!suspended());
    let out = scene.run("resume backup", "").out;
    assert!(out.contains("refused CronJob shop/backup is so already"), "{out}");
}
