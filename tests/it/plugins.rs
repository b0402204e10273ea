//! Programs of the user's own, run by the real binary: on the terminal, in the background, recorded, told the cluster.

use crate::embedded::Embedded;
use crate::support::{Home, until};

const CONFIG: &str = r#"
[[plugin]]
name = "greet"
key = "shift-q"
kinds = ["pods"]
command = "sh"
args = ["-c", "echo hello '$NAME' of $NAMESPACE, ${COL-STATUS}; cat \"${KUBECONFIG%%:*}\""]
changes = false
wait = true

[[plugin]]
name = "bump"
kinds = ["pods"]
command = "touch"
args = ["bumped-$NAME"]

[[plugin]]
name = "quiet"
kinds = ["pods"]
command = "sh"
args = ["-c", "echo one; echo two for $NAME"]
background = true
changes = false

[[plugin]]
name = "stuck"
kinds = ["pods"]
command = "sh"
args = ["-c", "trap 'exit 7' INT; echo caught-''yet; while :; do sleep 0.05; done"]
changes = false
"#;

fn shop(more: &str) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url()), ("prod", &cluster.url())]);
    home.write("config/config.toml", format!("{more}{CONFIG}"));
    (home, cluster)
}

#[test]
fn a_plugin_has_the_terminal_and_knows_the_cluster() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui(&["--context", "prod", "-n", "shop"]);
    tui.send(":pods\r").wait("big");
    tui.send("/big\r").wait_gone("web-");
    tui.send("Q").wait("hello big of shop, Pending");
    // So that kubectl alone acts on no other cluster.
    tui.wait("\"current-context\":\"prod\"");
    tui.wait("greet ended; Enter goes back to kokpit");
    tui.look(|screen| assert!(!screen.alternate_screen()));
    tui.send("\r").wait("greet on pods shop/big ended");
    tui.look(|screen| assert!(screen.alternate_screen()));
    // What it changed nothing with is not recorded.
    assert!(home.run(&["ops"]).out.lines().all(|line| !line.contains("greet")));
    tui.send(":quiet\r").wait("quiet on pods shop/big ended: two for big");
    tui.quit();
    tui.assert_restored();
}

#[test]
fn ctrl_c_ends_the_plugin_and_not_the_cockpit() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui(&["--context", "dev", "-n", "shop"]);
    tui.send(":pods\r").wait("big");
    tui.send(":stuck\r").wait("caught-yet");
    tui.send("\u{3}").wait("stuck ended with exit status 7; Enter goes back to kokpit");
    tui.send("\r").wait("big");
    assert!(tui.runs());
    tui.quit();
    tui.assert_restored();
}

#[test]
fn what_may_change_something_is_shown_confirmed_and_recorded() {
    let (home, _cluster) = shop("[[cluster]]\ncontext = \"prod\"\nprotected = true\n");
    let mut tui = home.tui(&["--context", "dev", "-n", "shop"]);
    tui.send(":pods\r").wait("big");
    tui.send("/big\r").wait_gone("web-");
    tui.send(":bump\r").wait("touch bumped-big");
    tui.wait("kokpit records that it ran, and cannot take it back");
    assert!(!home.path("bumped-big").exists(), "nothing runs before it is confirmed");
    tui.send("\t\r");
    until("the plugin's file", || home.path("bumped-big").exists().then_some(()));
    tui.wait("bump on pods shop/big ended");
    tui.send("\u{1b}").send(":ops\r").wait("bump on pods shop/big");
    // A protected cluster wants its name.
    tui.send(":pods @prod /big\r").wait_for("the pod on prod", |screen| {
        let text = screen.contents();
        text.contains("prod  pods") && text.contains("1 of 3")
    });
    tui.send(":bump\r").wait("prod is protected: type its name");
    tui.send("\u{1b}").wait_gone("is protected");
    tui.quit();
    let recorded = home.run(&["ops"]).out;
    let lines: Vec<&str> = recorded.lines().filter(|line| line.contains("bump on pods shop/big")).collect();
    assert!(matches!(lines.as_slice(), [line] if line.contains("done")), "{recorded}");
}

#[test]
fn nothing_that_may_change_something_runs_read_only() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui(&["--context", "dev", "-n", "shop", "--readonly"]);
    tui.send(":pods\r").wait("big");
    tui.send(":bump\r").wait("read-only: bump is refused");
    tui.quit();
    assert!(!home.read("state/journal").contains("bump"));
}
