//! `kokpit record`: what it writes opens again, explains the same, and holds no secret.

use crate::support::Home;
use serde_json::{Value, json};
use std::path::Path;

/// Incidents, and what is asked about them.
const TARGETS: [(&str, &[&str]); 2] =
    [("S17", &["-n", "team", "pod/app-74d9df8f5-lhqdl"]), ("S36", &["https://shop.example.com/"])];

fn recording(id: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/recordings/{id}.json.gz")).display().to_string()
}

/// Primary cause and unreadable kinds of a verdict.
fn verdict(home: &Home, from: &str, target: &[&str]) -> (Value, Value) {
    let ran = home.run(&[&["why", "-o", "json", "--from", from][..], target].concat());
    let verdict: Value =
        serde_json::from_str(ran.out.trim()).unwrap_or_else(|e| panic!("{e}: {} {}", ran.out, ran.err));
    (verdict["primary"]["cause"].clone(), verdict["unreadable"].clone())
}

#[test]
fn a_recording_of_a_cluster_explains_what_the_cluster_explains() {
    let home = Home::new();
    for (id, target) in TARGETS {
        let (original, copy) = (recording(id), home.path(&format!("{id}-copy.json.gz")).display().to_string());
        let ran = home.run(&["record", "--from", &original, "-o", &copy]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains(" objects, "), "{}", ran.out);
        let before = verdict(&home, &original, target);
        assert!(before.0.is_string(), "{id} has a cause");
        assert_eq!(verdict(&home, &copy, target), before, "{id}");
    }
}

#[test]
fn what_could_not_be_read_stays_unreadable() {
    let home = Home::new();
    let (id, target) = TARGETS[0];
    let copy = home.path("copy.json").display().to_string();
    home.run(&["record", "--from", &recording(id), "-o", &copy]);
    let mut document: Value = serde_json::from_str(&home.read("copy.json")).expect("a recording is JSON");
    let pods = document["resources"].as_array_mut().into_iter().flatten().find(|r| r["resource"] == "pods");
    let pods = pods.expect("pods are recorded");
    pods["items"] = json!([]);
    pods["unreadable"] = json!("pods is forbidden");
    home.write("copy.json", document.to_string());
    let (cause, unreadable) = verdict(&home, &copy, target);
    assert!(cause.is_null() && unreadable.to_string().contains("pods"), "{cause} {unreadable}");
    let again = home.run(&["record", "--from", &copy, "-o", &home.path("again.json").display().to_string()]);
    assert!(again.out.contains("not in it: pods"), "{}", again.out);
}

#[test]
fn no_secret_gets_into_a_recording() {
    let home = Home::new();
    let manifest = home.write(
        "cluster.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\ndata: {password: aHVudGVyMg==}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec:\n  containers:\n  - name: app\n    \
         image: app\n    args: [--token, hunter2]\n    env: [{name: DB_PASSWORD, value: hunter2}]\n",
    );
    let ran = home.run(&["record", "--from", &manifest.display().to_string(), "-o", "-"]);
    assert!(ran.out.contains("\"DB_PASSWORD\"") && ran.out.contains("\"name\":\"db\""), "{}{}", ran.out, ran.err);
    assert!(!ran.out.contains("hunter2") && !ran.out.contains("aHVudGVyMg"), "{}", ran.out);
}
