//! Objects in the person's own editor, on a terminal: what was typed becomes a plan, then a patch or a commit.

use super::{Scene, argo_takes_it, replicas, tracked};
use crate::support::{Tui, until};
use kokpit::world::object::ResourceId;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The shop with a ConfigMap, and an editor that runs this shell script; `$1` is the file.
fn scene(script: &str) -> Scene {
    let mut scene = Scene::new(&[("README", "fleet\n")]);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"},
        "data": {"colour": "blue"}});
    scene.cluster.store.create(&ResourceId::core("configmaps"), map).unwrap();
    editor(&mut scene, script);
    scene
}

fn editor(scene: &mut Scene, script: &str) -> PathBuf {
    let file = scene.home.write("editor", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    scene.home.set("KUBE_EDITOR", &file.display().to_string()).kubeconfig(&[("prod", &scene.cluster.url())]);
    file
}

/// The cockpit on one object, its editor just started.
fn edited(scene: &Scene, plural: &str, name: &str) -> Tui {
    let mut tui = scene.home.tui_sized(&["-n", "shop"], 100, 30);
    tui.send(&format!(":{plural} /{name}\r")).wait(&format!("▸{name}"));
    // (What is seen of it is the test's, as the editor differs.)
    let _ = tui.does("edit", "e");
    tui
}

fn colour(scene: &Scene) -> Value {
    scene.cluster.get("configmaps", "shop", "settings").expect("the ConfigMap")["data"]["colour"].clone()
}

#[test]
fn what_is_typed_is_shown_as_a_plan_first_and_recorded() {
    let scene = scene("sed -i s/blue/green/ \"$1\"");
    let mut tui = edited(&scene, "configmaps", "settings");
    tui.wait("green");
    assert_eq!(colour(&scene), "blue", "nothing happens before it was shown");
    tui.send("\t\r");
    until("the change", || (colour(&scene) == "green").then_some(()));
    tui.wait("done");
    tui.quit();
    tui.assert_restored();
    let ran = scene.home.run(&["ops"]);
    assert!(ran.out.contains("edit") && ran.out.contains("settings"), "{}{}", ran.out, ran.err);
}

#[test]
fn leaving_without_a_change_does_nothing_and_what_is_no_yaml_is_kept() {
    let mut scene = scene("true");
    let mut tui = edited(&scene, "configmaps", "settings");
    tui.wait("settings was not changed");
    tui.quit();
    editor(&mut scene, "echo 'data: [' >> \"$1\"");
    let mut tui = edited(&scene, "configmaps", "settings");
    tui.wait("the text is kept in");
    tui.quit();
    assert_eq!(colour(&scene), "blue");
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let mut scene = scene("");
    let (typed, go) = (scene.home.path("typed"), scene.home.path("go"));
    let wait = "while [ ! -e \"$GO\" ]; do sleep 0.05; done";
    editor(&mut scene, &format!("GO={}; sed -i s/blue/green/ \"$1\"; touch {}; {wait}", go.display(), typed.display()));
    let tui = edited(&scene, "configmaps", "settings");
    until("the text to be typed", || typed.exists().then_some(()));
    let change = |object: &mut Value| object["data"]["colour"] = json!("red");
    scene.cluster.store.modify(&ResourceId::core("configmaps"), "shop", "settings", change).unwrap();
    std::fs::write(&go, "").unwrap();
    tui.wait("was changed");
    tui.wait("edit it again");
    assert_eq!(colour(&scene), "red");
}

#[test]
fn what_argo_cd_tracks_becomes_a_commit() {
    let mut scene = tracked(json!({}));
    editor(&mut scene, "sed -i 's/replicas: 2/replicas: 3/' \"$1\"");
    let mut tui = edited(&scene, "deployments", "web");
    tui.wait("apps/web.yaml");
    assert_eq!(replicas(&scene), 2);
    std::thread::scope(|threads| {
        threads.spawn(|| argo_takes_it(&scene, true));
        tui.send("\t\r").wait("done");
    });
    assert!(scene.file("apps/web.yaml").contains("replicas: 3"), "{}", scene.file("apps/web.yaml"));
    assert_eq!(replicas(&scene), 3);
}
