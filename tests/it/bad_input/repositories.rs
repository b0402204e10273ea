//! Repositories that cannot be reached, refuse, have moved, or hold something else than manifests.

use super::*;
use crate::embedded::Embedded;
use crate::support::until;

const CORDON: [&str; 5] = ["cordon", "n1", "--reason", "disk errors", "--yes"];

fn configured(home: &Home, url: &str) -> Embedded {
    let cluster = Embedded::shop();
    home.kubeconfig(&[("dev", &cluster.url())]);
    let config = format!(
        "[[repository]]\nname = \"fleet\"\nurl = {url:?}\nbranch = \"main\"\n\n[[cluster]]\ncontext = \"dev\"\nrepository = \"fleet\"\nnodes = \"clusters/{{cluster}}/nodes\"\n"
    );
    home.write("config/config.toml", config);
    until("the nodes", || cluster.get("nodes", "", "n1").map(drop));
    cluster
}

#[test]
fn a_repository_that_cannot_be_reached() {
    let home = Home::new();
    let gone = home.path("gone.git").to_string_lossy().into_owned();
    let cluster = configured(&home, &gone);
    let ran = home.run(&CORDON);
    let said = format!("{}{}", ran.out, ran.err);
    assert_ne!(ran.code, Some(0), "{said}");
    assert!(said.contains(&gone), "the repository is named: {said}");
    // What was done live is on record and can be finished when the repository is back.
    if cluster.cordoned("n1") {
        let ops = home.run(&["ops"]);
        assert!(ops.out.contains("cordon n1"), "{}", ops.out);
    }
}

#[test]
fn a_repository_that_rejects_the_push() {
    let home = Home::new();
    let bare = home.repository("fleet", &[("README.md", "The fleet\n")]);
    let hook =
        home.write("fleet.git/hooks/pre-receive", "#!/bin/sh\necho 'policy: changes need a review' >&2\nexit 1\n");
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a hook");
    let _cluster = configured(&home, &bare.to_string_lossy());
    let ran = home.run(&CORDON);
    let said = format!("{}{}", ran.out, ran.err);
    assert_ne!(ran.code, Some(0), "{said}");
    assert!(said.contains("policy: changes need a review"), "the server's own words: {said}");
    assert!(home.run(&["ops"]).out.contains("cordon n1"), "it is on record");
    assert_eq!(home.git(&bare, &["rev-list", "--count", "main"]).trim(), "1", "nothing was pushed");
}

#[test]
fn a_branch_that_was_rewritten() {
    let home = Home::new();
    let bare = home.repository("fleet", &[("README.md", "The fleet\n")]);
    let cluster = configured(&home, &bare.to_string_lossy());
    assert_eq!(home.run(&CORDON).code, Some(0));
    // Somebody rewrites history: what our mirror knows is no ancestor any more.
    let work = home.path("fleet-work");
    std::fs::write(work.join("README.md"), "Another fleet\n").expect("files can be written");
    home.git(&work, &["commit", "--quiet", "--all", "--amend", "-m", "Begin again"]);
    home.git(&work, &["push", "--quiet", "--force", &bare.to_string_lossy(), "main"]);
    let ran = home.run(&["cordon", "n2", "--reason", "fan", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(cluster.cordoned("n2"));
    let log = home.git(&bare, &["log", "--format=%s", "main"]);
    assert!(log.contains("Begin again") && log.contains("n2"), "on top of what is there now: {log}");
}

#[test]
fn somebody_else_pushes_in_between() {
    let home = Home::new();
    let bare = home.repository("fleet", &[("README.md", "The fleet\n")]);
    let _cluster = configured(&home, &bare.to_string_lossy());
    assert_eq!(home.run(&CORDON).code, Some(0));
    home.commit(&bare, "other.yaml", "x: 1\n", "Another change");
    let ran = home.run(&["cordon", "n2", "--reason", "fan", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let log = home.git(&bare, &["log", "--format=%s", "main"]);
    assert!(log.contains("Another change"), "nothing is lost: {log}");
    assert!(home.git(&bare, &["ls-tree", "-r", "--name-only", "main"]).contains("other.yaml"));
}

#[test]
fn a_manifest_that_is_not_yaml() {
    let home = Home::new();
    let broken = "apiVersion: v1\nkind: Node\nmetadata: {name: n1\n  <<<<<<< HEAD\n";
    let path = "clusters/dev/nodes/n1.yaml";
    let bare = home.repository("fleet", &[(path, broken)]);
    let _cluster = configured(&home, &bare.to_string_lossy());
    let ran = home.run(&CORDON);
    let said = format!("{}{}", ran.out, ran.err);
    assert_ne!(ran.code, Some(0), "{said}");
    assert!(said.contains(path), "the file is named: {said}");
    assert_eq!(home.git(&bare, &["show", &format!("main:{path}")]), broken, "it is left as it is");
}
