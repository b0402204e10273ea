//! What may not be done: read-only mode, read-only contexts, and what the account lacks. Writes are counted at the server.

use crate::embedded::Embedded;
use crate::support::{Home, until};
use kokpit::sim::server::{Deny, Faults};

/// Two contexts of one cluster, `prod-eu` and `lab`.
fn two_names(config: &str) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("prod-eu", &cluster.url()), ("lab", &cluster.url())]);
    home.write("config/config.toml", config);
    (home, cluster)
}

#[test]
fn nothing_is_written_in_a_read_only_context() {
    let (home, cluster) = two_names("readonly = [\"prod-*\"]\n");
    for command in [
        &["cordon", "n1", "--reason", "disk", "--yes", "--repo", "/nowhere.git"][..],
        &["uncordon", "n1", "--yes"],
        &["drain", "n1", "--reason", "disk", "--yes"],
        &["scale", "web", "-n", "shop", "--replicas", "3", "--yes"],
        &["delete", "pod/big", "-n", "shop", "--yes"],
        &["restart", "deployment/web", "-n", "shop", "--yes"],
    ] {
        let ran = home.run(command);
        assert_eq!(ran.code, Some(2), "{command:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("prod-eu is read-only"), "{command:?}: {}", ran.err);
    }
    let mut tui = home.tui(&["--context", "prod-eu"]);
    tui.send(":nodes\r").wait("n3");
    tui.send("c").wait("prod-eu is read-only: cordon is refused (readonly in config.toml)");
    for line in ["cordon disk", "drain disk", "edit", "debug"] {
        tui.send(&format!(":{line}\r"));
        tui.wait(&format!("{} is refused", line.split(' ').next().unwrap_or_default()));
    }
    tui.send(":pods shop\r").wait("big");
    for line in ["shell", "delete", "kill"] {
        tui.send(&format!(":{line}\r")).wait(&format!("{line} is refused"));
    }
    tui.quit();
    assert_eq!(cluster.writes(), 0, "nothing leaves in read-only mode");
    assert!(!cluster.cordoned("n1"));
    // The same cluster by another name is not meant.
    let ran = home.run(&["cordon", "n1", "--reason", "disk", "--yes", "--context", "lab"]);
    assert!(ran.err.contains("names no git repository"), "{}", ran.err);
    let ran = home.run(&["cordon", "n1", "--reason", "disk", "--yes", "--context", "lab", "--readonly"]);
    assert!(ran.err.contains("lab is read-only"), "{}", ran.err);
}

#[test]
fn what_the_account_may_not_is_said_before_anything_is_begun() {
    let (home, cluster) = two_names("");
    let bare = home.repository("fleet", &[]);
    home.write(
        "config/config.toml",
        format!(
            "[[cluster]]\ncontext = \"*\"\nrepository = \"fleet\"\n[[repository]]\nname = \"fleet\"\nurl = {:?}\n",
            bare
        ),
    );
    cluster.faults(Faults { deny: vec![Deny::new("patch", "nodes")], ..Faults::default() });
    let ran = home.run(&["cordon", "n1", "--reason", "disk", "--yes", "--context", "lab"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("you may not: needs patch on nodes"), "{}", ran.out);
    assert_eq!(cluster.writes(), 0);
    let mut tui = home.tui(&["--context", "lab"]);
    tui.send(":nodes\r").wait("n3");
    // Not known yet: it goes on; known: it is refused.
    until("the refusal", || {
        tui.send(":cordon\r");
        tui.wait_for("an answer", |screen| {
            let text = screen.contents();
            text.contains("you may not: needs patch on nodes (cordon, lab)") || text.to_lowercase().contains("reason")
        });
        let refused = tui.text().contains("you may not: needs patch on nodes (cordon, lab)");
        if !refused {
            tui.send("\u{1b}");
        }
        refused.then_some(())
    });
    tui.quit();
    assert_eq!(cluster.writes(), 0);
    assert!(!cluster.cordoned("n1"));
}
