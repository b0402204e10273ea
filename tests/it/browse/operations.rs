//! Cordon from the cockpit to the commit, and operations that a `kill -9` interrupts.

use super::*;
use crate::support::kokpit;
use std::path::Path;
use std::process::Stdio;

/// A home with the shop, and the repository that belongs to it.
fn with_repository() -> (Home, Embedded, PathBuf) {
    let (home, cluster) = shop();
    let repository = home.repository("fleet", &[("README.md", "The fleet\n")]);
    let url = repository.to_string_lossy().into_owned();
    let config = format!(
        "[[repository]]\nname = \"fleet\"\nurl = {url:?}\nbranch = \"main\"\n\n[[cluster]]\ncontext = \"dev\"\nrepository = \"fleet\"\nnodes = \"clusters/{{cluster}}/nodes\"\n"
    );
    home.write("config/config.toml", config);
    (home, cluster, repository)
}

fn ledger(home: &Home, repository: &Path, node: &str) -> String {
    let mut command = home.command("git", &["show", &format!("main:clusters/dev/nodes/{node}.yaml")]);
    let output = command.current_dir(repository).output().expect("git runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn log(home: &Home, repository: &Path) -> String {
    home.git(repository, &["log", "--format=%s%n%b", "main"])
}

#[test]
fn cordon_from_the_cockpit_is_a_commit_and_on_record() {
    let (home, cluster, repository) = with_repository();
    let mut tui = home.tui_sized(&[], 120, 36);
    tui.send(":nodes\r").wait("n2");
    tui.send("/n2\r").wait_gone("n1");
    tui.does("cordon", "c").wait("reason");
    tui.send("disk errors\r").wait("Do it");
    assert!(tui.text().contains("unschedulable"), "the change is shown:\n{}", tui.text());
    assert!(!cluster.cordoned("n2"), "nothing happens before it was confirmed");
    tui.does("switch", "\t").does("confirm", "\r").wait("cordon n2");
    until("the node cordoned", || cluster.cordoned("n2").then_some(()));
    until("the commit", || log(&home, &repository).contains("disk errors").then_some(()));
    assert!(ledger(&home, &repository, "n2").contains("unschedulable: true"));
    tui.wait("done, and recorded");
    tui.send("\u{1b}").send(":operations\r").wait("cordon n2");
    tui.quit();
    let ran = home.run(&["ops"]);
    assert!(ran.out.contains("cordon n2") && ran.out.contains("done"), "{}", ran.out);
}

#[test]
fn uncordon_takes_it_back() {
    let (home, cluster, repository) = with_repository();
    let ran = home.run(&["cordon", "n1", "--reason", "disk errors", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(cluster.cordoned("n1") && ledger(&home, &repository, "n1").contains("unschedulable: true"));
    let ran = home.run(&["uncordon", "n1", "--reason", "disk replaced", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(!cluster.cordoned("n1") && !ledger(&home, &repository, "n1").contains("unschedulable: true"));
    assert!(log(&home, &repository).contains("disk replaced"));
}

/// Records in the journal so far.
fn records(home: &Home) -> usize {
    fn lines(dir: &Path) -> usize {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .map(|entry| match entry.path() {
                path if path.is_dir() => lines(&path),
                path if path.extension().is_some_and(|ext| ext == "jsonl") => {
                    std::fs::read(&path).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
                }
                _ => 0,
            })
            .sum()
    }
    lines(&home.path("state"))
}

/// The ids of operations that `kokpit ops` calls open.
fn open(home: &Home) -> Vec<String> {
    let ran = home.run(&["ops"]);
    assert_eq!(ran.code.map(|code| code < 2), Some(true), "{}{}", ran.out, ran.err);
    let lines = ran.out.lines().filter(|line| line.contains("open"));
    lines.filter_map(|line| line.split_whitespace().next().map(str::to_string)).collect()
}

#[test]
fn kill_minus_nine_at_every_step_loses_nothing() {
    // Every answer and every push takes a while, so that the kill falls between the steps.
    let slow = || Faults { delay: Duration::from_millis(40), ..Faults::default() };
    let mut finished = false;
    for step in 1..40 {
        let (home, cluster, repository) = with_repository();
        cluster.faults(slow());
        let hook = home.write("fleet.git/hooks/pre-receive", "#!/bin/sh\nsleep 0.1\n");
        std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a hook");
        let mut command = home.command(kokpit(), &["cordon", "n1", "--reason", "disk errors", "--yes"]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let ended = until("the step, or the end", || match child.try_wait().expect("a child") {
            Some(_) => Some(true),
            None => (records(&home) >= step).then_some(false),
        });
        child.kill().ok();
        child.wait().expect("it ends");
        cluster.faults(Faults::default());
        for id in open(&home) {
            let ran = home.run(&["ops", &id, "--finish"]);
            assert_eq!(ran.code, Some(0), "step {step}: {}{}", ran.out, ran.err);
        }
        assert!(open(&home).is_empty(), "step {step}: nothing is left open");
        // The first commit about a node adopts it, under the same Op-Id.
        let subjects = home.git(&repository, &["log", "--format=%s", "main"]);
        let commits = subjects.lines().filter(|subject| subject.contains("cordon n1")).count();
        // Killed before anything was done it may have been dropped; otherwise both sides agree, once.
        let done = (cluster.cordoned("n1"), ledger(&home, &repository, "n1").contains("unschedulable: true"), commits);
        assert!(
            matches!(done, (true, true, 1) | (false, false, 0)),
            "step {step}: live, git, commits: {done:?}\n{}",
            log(&home, &repository)
        );
        if ended {
            finished = true;
            break;
        }
    }
    assert!(finished, "the loop ends when the program is faster than the kill");
}

#[test]
fn the_next_start_shows_what_was_left_open() {
    let (home, cluster, _repository) = with_repository();
    let hook = home.write("fleet.git/hooks/pre-receive", "#!/bin/sh\nsleep 5\n");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a hook");
    let mut command = home.command(kokpit(), &["cordon", "n1", "--reason", "disk errors", "--yes"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("the node cordoned", || cluster.cordoned("n1").then_some(()));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    std::fs::remove_file(hook).expect("the hook goes");
    let mut tui = home.tui_sized(&[], 120, 36);
    tui.wait("cordon n1 on dev was left open");
    tui.send(":operations\r").wait_for("the open operation", |screen| {
        screen.contents().lines().any(|line| line.contains("cordon n1") && line.contains("open"))
    });
    tui.quit();
}

#[test]
fn a_pod_is_deleted_after_its_plan_was_shown_and_the_plan_can_be_changed() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 36);
    let pod = cluster.pods().into_iter().find(|name| name.starts_with("web-")).expect("a pod");
    tui.send(&format!("/{pod}\r"));
    wait_row_gone(&tui, "big ");
    tui.does("delete", "\u{4}").wait("makes a new one");
    tui.wait("Do it");
    assert!(cluster.pods().contains(&pod), "nothing happens before it was confirmed");
    tui.wait("background:");
    tui.does("propagation", "p").wait("foreground:");
    tui.does("force", "f").wait("forced: without time to end");
    tui.send("\t\r").wait("done, and recorded");
    until("a new pod in its place", || {
        let pods = cluster.pods();
        (!pods.contains(&pod) && pods.len() == 3).then_some(())
    });
    tui.quit();
    let ran = home.run(&["ops"]);
    assert!(ran.out.contains(&format!("kill pod/shop/{pod} on dev")), "{}", ran.out);
    let id = ran.out.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("an operation");
    let ran = home.run(&["ops", id, "--manifests"]);
    assert!(ran.out.contains("kind: Pod") && ran.out.contains("image: web:1"), "{}{}", ran.out, ran.err);
}

#[test]
fn read_only_deletes_and_restarts_nothing() {
    let (home, cluster) = shop();
    until("two pods of the shop", || (cluster.pods().len() == 3).then_some(()));
    let mut tui = home.tui_sized(&["--readonly", "-n", "shop"], 120, 30);
    tui.send(":pods\r").wait("big");
    tui.send("\u{4}").wait("read-only: delete is refused");
    tui.send("\u{b}").wait("read-only: kill is refused");
    tui.send(":deploy\r").wait("▸web");
    tui.send("r").wait("read-only: restart is refused");
    tui.quit();
    for words in [
        &["delete", "pod/big"][..],
        &["restart", "deployment/web"],
        &["set-image", "deployment/web", "web:2"],
        &["rollback", "deployment/web"],
    ] {
        let ran = home.run(&[&["--readonly", "-n", "shop"], words, &["--yes"]].concat());
        assert!(ran.code == Some(2) && ran.err.contains("is read-only (--readonly"), "{words:?} {}", ran.err);
    }
    assert_eq!(cluster.pods().len(), 3);
}

#[test]
fn restart_image_and_rollback_from_the_cockpit() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 120, 40);
    tui.send(":deploy\r").wait("▸web");
    tui.does("restart", "r").wait("2 pods are replaced");
    tui.wait("Do it");
    tui.send("\t\r").wait("done, and recorded");
    tui.send("\u{1b}").wait("AVAILABLE");
    tui.does("set-image", "i").wait("[CONTAINER=]IMAGE");
    tui.send("web:2 the first one leaks\r").wait("web:2");
    tui.wait("Do it");
    tui.send("\t\r").wait("done, and recorded");
    tui.send("\u{1b}").wait("AVAILABLE");
    tui.does("rollback", "\u{c}").wait("to revision");
    tui.wait("Do it");
    let first = tui.text();
    tui.does("older", "p").wait_for("the revision before that", |screen| {
        let text = screen.contents();
        text.contains("to revision 1 ") && text.contains("Do it")
    });
    assert!(first.contains("to revision 2 "), "{first}");
    tui.send("\t\r").wait("done, and recorded");
    let web = cluster.store.get(&kokpit::world::object::ResourceId::new("apps", "deployments"), "shop", "web");
    let web = web.expect("the deployment");
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "web:1");
    tui.quit();
}

#[test]
fn a_protected_cluster_is_named_before_anything_is_deleted() {
    let (home, cluster) = shop();
    home.write("config/config.toml", "[[cluster]]\ncontext = \"dev\"\nprotected = true\n");
    let ran = home.run(&["-n", "shop", "delete", "pod/big", "--yes"]);
    assert!(ran.err.contains("dev is protected: add --confirm dev"), "{}{}", ran.out, ran.err);
    assert!(cluster.pods().contains(&"big".to_string()));
    let ran = home.run(&["-n", "shop", "delete", "pod/big", "--yes", "--confirm", "dev", "--reason", "too big"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(!cluster.pods().contains(&"big".to_string()));
}
