//! How it looks and feels, in a real terminal: themes, the terminal's ground, keymaps, ASCII.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};

fn shop() -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    (home, cluster)
}

/// Whether these bytes were sent to the terminal.
fn sent(tui: &Tui, text: &str) -> bool {
    String::from_utf8_lossy(&tui.raw()).contains(text)
}

#[test]
fn a_theme_of_ones_own_is_read_again_when_it_is_saved() {
    let (mut home, _cluster) = shop();
    home.set("COLORTERM", "truecolor");
    home.write("config/config.toml", "[ui]\ntheme = \"mine\"\n");
    home.write("config/themes/mine.toml", "[style]\nhead = { bg = \"#010203\" }\n");
    let mut tui = home.tui(&[]);
    tui.wait("fleet");
    until("the colour of the theme", || sent(&tui, "48;2;1;2;3").then_some(()));
    home.write("config/themes/mine.toml", "[style]\nhead = { bg = \"#040506\" }\nbda = \"red\"\n");
    until("the new colour", || sent(&tui, "48;2;4;5;6").then_some(()));
    tui.wait("themes/mine.toml:3: there is no meaning `bda`; did you mean `bad`?");
    tui.does("theme", ":theme nord\r").wait("theme nord");
    until("nord's ground", || sent(&tui, "48;2;46;52;64").then_some(()));
    tui.quit();
    tui.assert_restored();
}

#[test]
fn a_light_terminal_gets_the_light_theme_and_no_key_is_lost() {
    let (home, _cluster) = shop();
    let mut tui = home.tui(&[]);
    tui.wait("fleet");
    until("the question for the ground", || sent(&tui, "\u{1b}]11;?").then_some(()));
    // The answer comes between keys, as it does on a slow line.
    tui.send(":theme").send("\u{1b}]11;rgb:fdfd/f6f6/e3e3\u{7}").send("\r");
    tui.wait_for("the light theme in use", |screen| {
        let text = screen.contents();
        text.lines().any(|line| line.contains("light") && line.contains('*'))
    });
    assert!(!tui.text().contains("rgb:"), "{}", tui.text());
    tui.quit();
}

#[test]
fn a_chosen_theme_asks_the_terminal_nothing() {
    let (home, _cluster) = shop();
    home.write("config/config.toml", "[ui]\ntheme = \"gruvbox\"\ncolours = \"16\"\n");
    let mut tui = home.tui(&[]);
    tui.wait("fleet");
    tui.quit();
    assert!(!sent(&tui, "\u{1b}]11;"), "the ground was asked for");
    let raw = String::from_utf8_lossy(&tui.raw()).into_owned();
    let numbers = raw.split("8;5;").skip(1).map(|rest| rest.split(['m', ';']).next().unwrap_or_default());
    let beyond: Vec<&str> = numbers.filter(|n| n.parse::<u8>().is_ok_and(|n| n > 15)).collect();
    assert!(beyond.is_empty() && !raw.contains("8;2;"), "more than 16 colours were used: {beyond:?}");
}

#[test]
fn with_ascii_nothing_else_is_sent() {
    let (home, _cluster) = shop();
    let mut tui = home.tui(&["--ascii", "-n", "shop"]);
    tui.wait("fleet");
    tui.send(":pods\r").wait("READY");
    tui.send("?").wait("WHAT IT DOES");
    tui.send("\u{1b}").wait("READY");
    tui.quit();
    let odd: Vec<u8> = tui.raw().into_iter().filter(|byte| !byte.is_ascii()).collect();
    assert!(odd.is_empty(), "{:?}", String::from_utf8_lossy(&odd));
}

#[test]
fn the_vim_map_shows_what_may_follow_and_mistakes_are_told() {
    let (home, _cluster) = shop();
    home.write("config/config.toml", "[ui]\nkeymap = \"vim\"\n");
    home.write("config/keymap.toml", "[global]\n\"z z\" = \"qiut\"\n");
    let mut tui = home.tui(&["-n", "shop"]);
    tui.wait("keymap.toml:2: `z z`: there is no action `qiut`; did you mean `quit`?");
    tui.send(":pods\r").wait("READY");
    tui.send("g").wait("none of them");
    tui.send("g").wait_gone("none of them");
    tui.send("ZZ");
    tui.ended();
    tui.assert_restored();
}

#[test]
fn a_theme_is_previewed_without_a_cluster() {
    let mut home = Home::new();
    let ran = home.run(&["theme", "preview", "nord"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("selected") && ran.out.contains("CrashLoopBackOff"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "no colours into a pipe");
    home.set("CLICOLOR_FORCE", "1").set("COLORTERM", "truecolor").set("TERM", "xterm-256color");
    let ran = home.run(&["theme", "preview", "nord"]);
    assert!(ran.out.contains("48;2;46;52;64"), "{}", ran.out);
    let ran = home.run(&["theme", "preview", "nrod"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("did you mean `nord`?"), "{}", ran.err);
    let ran = home.run(&["theme", "list"]);
    assert!(ran.out.contains("* dark") && ran.out.contains("tokyo-night"), "{}", ran.out);
}

#[test]
fn the_mouse_selects_and_opens_until_a_key_releases_it() {
    let (home, _cluster) = shop();
    home.write("config/config.toml", "[ui]\nmouse = true\n");
    let mut tui = home.tui_sized(&["-n", "shop"], 100, 30);
    tui.send(":pods\r").wait("big");
    let line = |tui: &Tui| tui.text().lines().position(|line| line.starts_with([' ', '▸']) && line.contains("big "));
    let row = until("the row", || line(&tui)) + 1;
    assert_eq!(tui.look(vt100::Screen::mouse_protocol_mode), vt100::MouseProtocolMode::ButtonMotion);
    let click = format!("\u{1b}[<0;10;{row}M\u{1b}[<0;10;{row}m");
    tui.send(&click).send(&click).wait("containers of shop/big");
    assert!(sent(&tui, "kokpit · dev · pods\u{7}"), "the title");
    tui.does("mouse", "\u{1b}m")
        .wait_for("the mouse given back", |screen| screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None);
    tui.quit();
    tui.assert_restored();
    assert!(sent(&tui, "\u{1b}[22;2t") && sent(&tui, "\u{1b}[23;2t"), "the title was not put back");
}
