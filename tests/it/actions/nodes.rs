//! Nodes and what runs on them: several at once, drained, and operations that an earlier run left open.

use super::*;
use crate::support::kokpit;
use kokpit::world::object::list_at;
use std::path::PathBuf;
use std::process::Stdio;

/// A home with the shop, and the repository that belongs to it.
fn with_repository() -> (Home, Embedded, PathBuf) {
    let (home, cluster) = shop("");
    let bare = home.repository("fleet", &[("README", "The fleet\n")]);
    let url = bare.display().to_string();
    home.write(
        "config/config.toml",
        format!(
            "[[cluster]]\ncontext = \"dev\"\nrepository = \"fleet\"\n[[repository]]\nname = \"fleet\"\nurl = {url:?}\n"
        ),
    );
    (home, cluster, bare)
}

/// Whether git says that a node takes no pods.
fn cordoned_in_git(home: &Home, bare: &Path, node: &str) -> bool {
    let mut show = home.command("git", &["show", &format!("main:clusters/dev/nodes/{node}.yaml")]);
    let text = show.current_dir(bare).output().expect("git runs").stdout;
    String::from_utf8_lossy(&text).contains("unschedulable: true")
}

#[test]
fn marked_nodes_are_cordoned_together_and_put_back() {
    let (home, cluster, bare) = with_repository();
    let mut tui = home.tui_sized(&[], 120, 40);
    tui.send(":nodes\r").wait("n3");
    wait_cursor(&tui, "n1");
    tui.send("  ").wait("*n2");
    tui.does("cordon", "c").wait("reason");
    tui.send("disk errors\r").wait("cordon n1 n2");
    tui.wait("Do it");
    assert!(!cluster.cordoned("n1") && !cluster.cordoned("n2"), "nothing happens before it was confirmed");
    tui.send("\t\r").wait("done, and recorded");
    for node in ["n1", "n2"] {
        assert!(cluster.cordoned(node) && cordoned_in_git(&home, &bare, node), "{node}");
    }
    tui.send("\u{1b}").wait("*n2");
    tui.does("uncordon", "u").wait("reason to uncordon n1 and 1 more");
    tui.send("disks replaced\r").wait("uncordon n1 n2");
    tui.wait("Do it");
    tui.send("\t\r").wait("done, and recorded");
    for node in ["n1", "n2"] {
        assert!(!cluster.cordoned(node) && !cordoned_in_git(&home, &bare, node), "{node}");
    }
    tui.quit();
    let ops = home.run(&["ops"]).out;
    assert!(ops.contains("uncordon n1") && ops.lines().filter(|line| line.contains("done")).count() >= 2, "{ops}");
}

#[test]
fn a_node_is_drained_after_its_plan_was_shown() {
    let (home, cluster, bare) = with_repository();
    let node =
        |pod: &str| cluster.get("pods", "shop", pod).and_then(|p| p["spec"]["nodeName"].as_str().map(String::from));
    let full = node(&running(&cluster, "web-")[0]).expect("it runs on a node");
    let mut tui = home.tui_sized(&[], 120, 40);
    tui.send(&format!(":nodes /{full}\r")).wait("1 of 3");
    wait_cursor(&tui, &full);
    tui.does("drain", "r").wait("reason");
    tui.send("a new kernel\r").wait("Do it");
    assert!(tui.text().contains("web-") && !cluster.cordoned(&full), "{}", tui.text());
    tui.send("\t\r").wait("done, and recorded");
    assert!(cluster.cordoned(&full) && cordoned_in_git(&home, &bare, &full));
    until("its pods run elsewhere", || {
        let pods = running(&cluster, "web-");
        (pods.len() == 2 && pods.iter().all(|pod| node(pod).as_deref() != Some(full.as_str()))).then_some(())
    });
    tui.quit();
    let ops = home.run(&["ops"]).out;
    assert!(ops.lines().any(|line| line.contains(&format!("drain {full}")) && line.contains("done")), "{ops}");
}

/// A cordon that is killed while its commit is pushed.
fn left_open(home: &Home, cluster: &Embedded, node: &str) {
    // What was being pushed then is refused in the end.
    let hook = home.write("fleet.git/hooks/pre-receive", "#!/bin/sh\nsleep 5\nexit 1\n");
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a hook");
    let mut command = home.command(kokpit(), &["cordon", node, "--reason", "disk errors", "--yes"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    until("the node cordoned", || cluster.cordoned(node).then_some(()));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    std::fs::remove_file(hook).expect("the hook goes");
}

#[test]
fn what_was_left_open_is_finished_or_undone() {
    let (home, cluster, bare) = with_repository();
    left_open(&home, &cluster, "n1");
    left_open(&home, &cluster, "n2");
    let mut tui = home.tui_sized(&[], 120, 40);
    tui.send(":operations\r").wait("cordon n2");
    tui.send("/n1\r");
    wait_cursor(&tui, "cordon n1");
    tui.send("\r").wait("left open by an earlier run");
    tui.does("finish", "f").wait("done, and recorded");
    assert!(cluster.cordoned("n1") && cordoned_in_git(&home, &bare, "n1"));
    tui.send("\u{1b}");
    wait_cursor(&tui, "cordon n1");
    tui.send("\u{1b}").send("/n2\r");
    wait_cursor(&tui, "cordon n2");
    tui.send("\r").wait("left open by an earlier run");
    tui.does("undo", "u").wait_gone("left open by an earlier run");
    until("the node in use again", || (!cluster.cordoned("n2")).then_some(()));
    tui.wait("undone");
    assert!(!cordoned_in_git(&home, &bare, "n2"));
    tui.quit();
}

#[test]
fn marked_pods_are_killed_and_marked_workloads_restarted() {
    let (home, cluster) = shop("");
    let labels = json!({"app": "api"});
    let api = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": "api:1"}]}}}});
    cluster.store.create(&ResourceId::new("apps", "deployments"), api).expect("valid");
    until("its pod", || (running(&cluster, "api-").len() == 1).then_some(()));
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 40);
    let before = running(&cluster, "web-");
    tui.send(":pods /web-\r").wait("2 of 4");
    wait_cursor(&tui, &before[0]);
    tui.send("  ").wait(&format!("*{}", before[1]));
    tui.does("kill", "\u{b}").wait("delete 2 objects");
    tui.wait("forced: without time to end");
    tui.wait("Do it");
    assert_eq!(running(&cluster, "web-"), before, "nothing happens before it was confirmed");
    tui.send("\t\r").wait("done, and recorded");
    until("two new pods", || {
        let now = running(&cluster, "web-");
        (now.len() == 2 && now.iter().all(|pod| !before.contains(pod))).then_some(())
    });
    // Both Deployments get new pods in one operation.
    let before = [running(&cluster, "web-"), running(&cluster, "api-")].concat();
    tui.send(":deploy\r").wait("AVAILABLE");
    wait_cursor(&tui, "api");
    tui.send("  ").wait("*web");
    tui.does("restart", "r").wait("restart 2 objects");
    tui.wait("Do it");
    tui.send("\t\r").wait("done, and recorded");
    let now = [running(&cluster, "web-"), running(&cluster, "api-")].concat();
    assert!(now.len() == 3 && now.iter().all(|pod| !before.contains(pod)), "{before:?} {now:?}");
    for name in ["web", "api"] {
        let object = cluster.store.get(&ResourceId::new("apps", "deployments"), "shop", name).expect("it is there");
        assert!(list_at(&object, "/spec/template/spec/containers").len() == 1);
        assert!(object.pointer("/spec/template/metadata/annotations").is_some(), "{name} says when it was restarted");
    }
    tui.quit();
    let ops = home.run(&["ops"]).out;
    assert_eq!(ops.lines().filter(|line| line.contains("done")).count(), 2, "{ops}");
}
