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
name = "each"
kinds = ["pods"]
command = "sh"
args = ["-c", "echo \"$INPUT_WORD for $NAME\"; case $NAME in web*) exit 4; esac"]
pipes = ["sed s/for/to/", "tee -a said"]

[[plugin.inputs]]
name = "word"
required = true
default = "hello there"

[[plugin]]
name = "stuck"
kinds = ["pods"]
command = "sh"
args = ["-c", "trap 'exit 7' INT; trap 'echo went''-on' CONT; echo caught-''yet; while :; do sleep 0.05; done"]
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
    tui.does("plugin", ":quiet\r").wait("quiet on pods shop/big ended: two for big");
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
fn with_inputs_and_pipes_on_marked_rows_until_one_fails() {
    let (home, cluster) = shop("");
    let pods = until("the pods", || Some(cluster.pods()).filter(|pods| pods.len() == 3));
    let mut tui = home.tui(&["--context", "dev", "-n", "shop"]);
    tui.send(":pods\r").wait("big");
    tui.send("   ").wait("3 marked");
    tui.send(":each\r").wait("each, word: hello there");
    tui.send(", $(id)\r").wait("INPUT_WORD=hello there, $(id)");
    tui.wait("| sed s/for/to/ | tee -a said");
    assert!(!home.path("said").exists(), "nothing runs before it is confirmed");
    tui.send("\t\r");
    tui.wait("each ended with exit status 4 in sh on pods shop/web-");
    tui.wait("1 more not begun; Enter goes back to kokpit");
    tui.send("\r").wait("✗ pods shop/web-");
    tui.quit();
    let wanted: String = pods[..2].iter().map(|pod| format!("hello there, $(id) to {pod}\n")).collect();
    assert_eq!(home.read("said"), wanted);
    let recorded = home.run(&["ops"]).out;
    assert!(recorded.lines().any(|line| line.contains("each on 3 pods")), "{recorded}");
}

#[test]
fn ctrl_z_stops_the_plugin_and_the_cockpit_and_fg_goes_on_with_both() {
    let (home, cluster) = shop("");
    until("the pods", || (cluster.pods().len() == 3).then_some(()));
    // Only a shell with job control can take a stopped program back.
    let mut tui = home.terminal("sh", &["-i"], 100, 30);
    tui.send(&format!("PS1='ready> '; {} -n shop --context dev\r", crate::support::kokpit()));
    tui.wait_for("the cockpit", |screen| screen.alternate_screen());
    tui.send(":pods\r").wait("big");
    tui.send(":stuck\r").wait("caught-yet");
    tui.ctrl('z');
    tui.wait("topped");
    tui.send("echo in-the-$((40+2))-shell\r").wait("in-the-42-shell");
    tui.send("fg\r");
    tui.wait("went-on");
    tui.ctrl('c');
    tui.wait("stuck ended with exit status 7; Enter goes back to kokpit");
    tui.send("\r").wait_for("the cockpit again", |screen| screen.alternate_screen());
    tui.send(":quit\r").wait_for("the shell", |screen| !screen.alternate_screen());
    tui.send("exit\r");
    tui.ended();
}

/// Without a shell that could bring it back, nothing may stop.
#[test]
fn ctrl_z_stops_nothing_where_nobody_could_go_on_with_it() {
    let (home, _cluster) = shop("");
    let mut tui = home.tui(&["--context", "dev", "-n", "shop"]);
    tui.send(":pods\r").wait("big");
    tui.send(":stuck\r").wait("caught-yet");
    tui.ctrl('z');
    tui.ctrl('c');
    tui.wait("stuck ended with exit status 7; Enter goes back to kokpit");
    tui.send("\r").wait("big");
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
