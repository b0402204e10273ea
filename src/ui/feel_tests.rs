//! Keymaps, chords, themes, ASCII, names of every script.

use super::fixture::*;
use super::tests::{everywhere, walk};
use crate::actions;
use crate::effect::Effect;
use crate::keymap::{Keymap, SHIPPED};
use crate::msg::{Msg, OperationStatus, OperationView};
use crate::state::command::{Command, parse};
use crate::state::nav::View;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

fn with_map(name: &str) -> Stage {
    let mut stage = Stage::live(80, 24);
    stage.state.keymap = Keymap::named(name, &|_| None, None).0;
    stage
}

#[test]
fn every_action_is_reached_in_every_keymap_by_a_key_or_by_its_name() {
    let stage = Stage::live(80, 24);
    for (name, _) in SHIPPED {
        let (map, _) = Keymap::named(name, &|_| None, None);
        let bound: Vec<String> =
            map.sections().flat_map(|(_, keys)| keys.into_iter().flat_map(|(_, names)| names)).collect();
        for action in actions::TABLE {
            let typed = matches!(parse(&stage.state, action.name), Ok(Command::Action(found, _)) if found == action);
            let key = bound.iter().any(|name| name == action.name);
            assert!(typed || key, "{} has no key in {name}, and `:{}` is something else", action.name, action.name);
        }
    }
}

#[test]
fn an_escape_that_comes_together_with_the_next_key_is_still_an_escape() {
    let mut stage = with_map("default");
    stage.type_in(":pods\n");
    stage.press("d alt-:");
    assert!(stage.state.prompt.is_some(), "a command is typed");
    assert!(matches!(stage.state.nav.top().view, View::Table(_)), "the description was left");
    stage.type_in("nodes");
    stage.press("alt-enter");
    assert!(stage.state.prompt.is_none());
    let screen = stage.screen();
    assert!(screen.contains(" pods"), "what was cancelled is not entered:\n{screen}");
    // Words of a line are walked with Alt, as in a shell.
    stage.type_in(":pods shop");
    stage.press("alt-b alt-d");
    assert_eq!(stage.state.prompt.as_ref().map(|prompt| prompt.input.value()), Some("pods "));
}

#[test]
fn keys_that_wait_say_what_may_follow() {
    let mut stage = with_map("vim");
    stage.type_in(":pods\n");
    stage.press("shift-g");
    stage.press("g");
    let foot = stage.screen().lines().last().unwrap_or_default().to_string();
    assert!(foot.starts_with(" g …") && foot.contains("g top") && foot.contains("Esc none of them"), "{foot}");
    stage.press("g");
    let View::Table(table) = &stage.state.nav.top().view else { panic!("a table") };
    assert_eq!(table.cursor.at, 0);
    // Esc takes back what was begun, and nothing else; what leads nowhere says so.
    stage.press("g esc");
    assert!(stage.screen().contains("pods"), "still there");
    assert!(!stage.screen().contains("g …"));
    stage.press("g x");
    assert!(stage.screen().contains("g x leads nowhere"), "{}", stage.screen());
}

#[test]
fn hints_and_help_show_chords() {
    let mut stage = with_map("emacs");
    stage.type_in(":pods\n");
    stage.press("?");
    stage.type_in("/Ctrl-X Ctrl-C\n");
    assert!(stage.screen().contains("Leave."), "{}", stage.screen());
}

#[test]
fn themes() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":theme\n");
    stage.effects();
    stage.press("down down");
    assert_eq!(stage.effects().last(), Some(&Effect::Theme("ansi16".into())), "shown at once");
    everywhere(&mut stage, "themes");
    stage.press("esc");
    assert_eq!(stage.effects().last(), Some(&Effect::Theme("dark".into())), "not kept");
    stage.type_in(":theme\n");
    stage.press("down enter");
    assert_eq!(stage.effects().last(), Some(&Effect::Theme("light".into())));
    assert_eq!(stage.state.look.theme, "light");
    assert!(stage.screen().contains("theme light"), "{}", stage.screen());
    stage.type_in(":theme nrod\n");
    assert!(stage.screen().contains("did you mean `nord`?"), "{}", stage.screen());
}

#[test]
fn with_ascii_no_screen_has_anything_else() {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut stage = Stage::live(width, height);
        stage.state.look.ascii = true;
        stage.rows(EU, "pods", vec![pod("日本語-クラスタ", "shop", "Running", 1, 1, "ノード")]);
        let mut screens = 0;
        walk(&mut stage, &mut |stage| {
            let screen = stage.screen();
            let odd: String = screen.chars().filter(|c| !c.is_ascii()).collect();
            assert!(odd.is_empty(), "{odd}\n{screen}");
            screens += 1;
        });
        assert!(screens > 30);
    }
}

/// The column at which the status of each row stands. Character by character, as terminals count: the width of a
/// whole text takes lam and alef for one.
fn column_of(screen: &str, status: &str) -> Vec<usize> {
    let columns = |text: &str| text.chars().map(|c| c.width().unwrap_or(0)).sum();
    screen.lines().filter_map(|line| line.find(status).map(|at| columns(&line[..at]))).collect()
}

#[test]
fn names_of_every_script_keep_their_columns() {
    let mut stage = Stage::live(100, 24);
    let names = [
        "plain-web-1",
        "日本語-クラスタ",
        "مرحبا-بالعالم",
        "שלום-web",
        "e\u{301}te\u{301}-café",
        "🚀-rocket-👍",
        "한국어-파드",
    ];
    let pods = names.iter().map(|name| pod(name, "shop", "Running", 1, 1, "n1")).collect();
    stage.rows(EU, "pods", pods);
    stage.type_in(":pods shop @prod-eu\n");
    let columns = column_of(&stage.screen(), "Running");
    assert_eq!(columns.len(), names.len(), "{}", stage.screen());
    assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{columns:?}\n{}", stage.screen());
}

fn mouse(stage: &mut Stage, kind: MouseEventKind, column: u16, row: u16, double: bool) {
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    stage.tell(Msg::Mouse { event, double });
    stage.changed();
}

#[test]
fn clicks_choose_sort_and_open_and_the_wheel_moves() {
    let down = MouseEventKind::Down(MouseButton::Left);
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods shop @prod-eu\n");
    let screen = stage.screen();
    // The bar above the table names pods too.
    let row = |name: &str| screen.lines().skip(2).position(|line| line.contains(name)).unwrap() as u16 + 2;
    mouse(&mut stage, down, 10, row("web-66c8"), false);
    assert_eq!(stage.state.picked().unwrap().object.name, "web-66c8-9mxrt");
    let titles = row("NAME");
    let age = screen.lines().nth(titles.into()).unwrap().find("AGE").unwrap() as u16;
    mouse(&mut stage, down, age, titles, false);
    assert!(stage.screen().contains("AGE↑") || stage.screen().contains("AGE↓"), "{}", stage.screen());
    let screen = stage.screen();
    let cart = screen.lines().position(|line| line.contains("cart-7d9f")).unwrap() as u16;
    mouse(&mut stage, down, 10, cart, false);
    mouse(&mut stage, down, 10, cart, true);
    assert!(stage.screen().contains("containers of shop/cart-7d9f"), "{}", stage.screen());
    // A list whose rows take several lines: the line below belongs to its row.
    stage.type_in(":help\n");
    stage.screen();
    mouse(&mut stage, MouseEventKind::ScrollDown, 0, 0, false);
    assert_eq!(stage.state.painted.grid.selected(), Some(3));
    for row in 0..30 {
        mouse(&mut stage, down, 200, row, true);
    }
}

#[test]
fn the_mouse_is_released_by_a_key() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":mouse\n");
    assert!(stage.effects().contains(&Effect::Mouse(true)));
    stage.type_in(":mouse\n");
    assert!(stage.effects().contains(&Effect::Mouse(false)));
}

#[test]
fn the_desktop_is_told_of_an_end_that_nobody_sees() {
    let view = |status| {
        let view = OperationView {
            id: "01JD".into(),
            title: "drain n1".into(),
            cluster: "prod-eu".into(),
            protected: false,
            plan: vec![],
            blocked: vec![],
            steps: vec![],
            status,
            started: NOW,
        };
        Msg::Operation(Box::new(view))
    };
    let told =
        |stage: &mut Stage| stage.effects().into_iter().filter(|e| matches!(e, Effect::Notify(_))).collect::<Vec<_>>();
    let mut stage = Stage::live(80, 24);
    stage.tell(view(OperationStatus::Running));
    stage.tell(view(OperationStatus::Done));
    assert_eq!(told(&mut stage), [], "somebody looks");
    stage.tell(Msg::Focus(false));
    stage.tell(view(OperationStatus::Running));
    assert_eq!(told(&mut stage), []);
    stage.tell(view(OperationStatus::Failed));
    assert_eq!(told(&mut stage), [Effect::Notify("drain n1 on prod-eu: failed".into())]);
    stage.tell(view(OperationStatus::Failed));
    assert_eq!(told(&mut stage), [], "once");
}

#[test]
fn the_title_says_where_one_is() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu\n");
    stage.screen();
    assert_eq!(crate::state::head::title(&stage.state), "kokpit · prod-eu · pods");
    stage.state.look.ascii = true;
    assert_eq!(crate::state::head::title(&stage.state), "kokpit - prod-eu - pods");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_name_moves_a_column(name in "[a-z日本אבلا🚀é\u{301}한-]{1,30}", width in 60u16..140) {
        let mut stage = Stage::live(width, 24);
        let clean = crate::world::text::clean(&name).into_owned();
        stage.rows(EU, "pods", vec![pod("web-1", "shop", "Running", 1, 1, "n1"), pod(&clean, "shop", "Running", 1, 1, "n1")]);
        stage.type_in(":pods shop @prod-eu\n");
        let columns = column_of(&stage.screen(), "Running");
        prop_assert!(columns.len() == 2 && columns[0] == columns[1], "{:?}\n{}", columns, stage.screen());
    }
}
