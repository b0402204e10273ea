//! The terminal comes back whatever happens.

use super::*;
use std::path::Path;

#[test]
fn after_leaving() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 100, 30);
    assert!(tui.look(|screen| screen.alternate_screen()), "the cockpit has a screen of its own");
    let ended = tui.does("quit", ":quit\r").ended();
    assert_eq!(ended, Some(0));
    tui.assert_restored();
}

#[test]
fn after_ctrl_c() {
    let (home, cluster) = shop();
    let mut tui = on_pods(&home, &cluster, 100, 30);
    tui.ctrl('c');
    assert_eq!(tui.ended(), Some(0));
    tui.assert_restored();
}

#[test]
fn after_signals() {
    let (home, cluster) = shop();
    for signal in ["TERM", "HUP"] {
        let mut tui = on_pods(&home, &cluster, 100, 30);
        tui.signal(signal);
        tui.ended();
        tui.assert_restored();
    }
}

#[test]
fn around_ctrl_z() {
    let (home, cluster) = shop();
    until("the pods", || (cluster.pods().len() == 3).then_some(()));
    // Only a shell with job control can take a stopped program back.
    let mut tui = home.terminal("sh", &["-i"], 100, 30);
    tui.send(&format!("PS1='ready> '; {} -n shop\r", crate::support::kokpit()));
    tui.wait_for("the cockpit", |screen| screen.alternate_screen());
    tui.send(":pods\r").wait("big");
    tui.ctrl('z')
        .wait_for("the shell again", |screen| !screen.alternate_screen() && screen.contents().contains("topped"));
    tui.send("echo in-the-$((40+2))-shell\r").wait("in-the-42-shell");
    tui.send("fg\r");
    // (What was still to be written into the log is, now that it goes on.)
    tui.did("suspend", 0)
        .wait_for("the cockpit again", |screen| screen.alternate_screen() && screen.contents().contains("big"));
    // Until the shell asks for the next command, what is typed may still be read by the program that is leaving.
    tui.send(":quit\r").wait_for("the shell's prompt at the end", |screen| {
        let text = screen.contents();
        !screen.alternate_screen()
            && text.lines().rfind(|line| !line.trim().is_empty()).is_some_and(|line| line.trim() == "ready>")
    });
    tui.send("exit\r");
    tui.ended();
}

#[test]
fn after_a_panic() {
    let home = Home::new();
    let test: PathBuf = std::env::current_exe().expect("the path of this program");
    let test: &Path = &test;
    let name = "browse::terminal::panics_with_the_terminal_in_hand";
    let mut tui = home.terminal(&test.to_string_lossy(), &["--exact", name, "--ignored", "--nocapture"], 100, 30);
    tui.ended();
    assert!(tui.text().contains("a defect for the test"), "the message is readable:\n{}", tui.text());
    tui.assert_restored();
    let raw = String::from_utf8_lossy(&tui.raw()).into_owned();
    assert!(raw.contains("\u{1b}[?1049h"), "the alternate screen had been entered");
}

/// Run by [`after_a_panic`] in a terminal of its own.
#[test]
#[ignore = "panics on purpose, for the test that runs it"]
fn panics_with_the_terminal_in_hand() {
    let _screen = kokpit::terminal::Screen::take().expect("a terminal");
    panic!("a defect for the test");
}
