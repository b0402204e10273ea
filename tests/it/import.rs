//! `kokpit import k9s`, as it is typed.

use crate::support::{Home, kokpit};

fn example() -> String {
    format!("{}/tests/data/k9s", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn it_shows_asks_and_writes() {
    let mut home = Home::new();
    home.set("K9S_CONFIG_DIR", &example());
    home.write("config/config.toml", "# mine\n[ui]\nmouse = true\n");
    let ran = home.run(&["import", "k9s", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in
        ["config.toml gets:", "keymap.toml is made:", "themes/harbour.toml is made:", "left out:", "hotkeys.yaml:9:"]
    {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    assert_eq!(home.read("config/config.toml"), "# mine\n[ui]\nmouse = true\n", "a dry run writes nothing");
    let ran = home.run(&["import", "k9s"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--yes"), "{}", ran.err);
    // Asked on a terminal; anything but yes is no.
    let mut tui = home.terminal(kokpit(), &["import", "k9s", &example()], 120, 60);
    tui.wait("go on? [y/N]");
    tui.send("n\r").wait("nothing was written");
    tui.ended();
    assert!(!home.path("config/keymap.toml").exists());
    let ran = home.run(&["import", "k9s", "--yes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(home.read("config/config.toml").starts_with("# mine\n[ui]\nmouse = true\n"));
    let ran = home.run(&["config", "check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.out);
    let ran = home.run(&["theme", "preview", "harbour"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = home.run(&["import", "k9s", "/nowhere"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("/nowhere is no directory"), "{}", ran.err);
}
