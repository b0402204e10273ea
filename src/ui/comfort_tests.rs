//! Values of Secrets, folds of YAML, the tour, links and widths by mouse.

use super::fixture::*;
use super::tests::everywhere;
use crate::config::Secrets;
use crate::effect::{Effect, RequestId};
use crate::kinds::secret;
use crate::msg::Msg;
use crate::state::layout::Layouts;
use crate::state::nav::View;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};
use std::sync::Arc;

fn secret() -> Value {
    json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db", "namespace": "shop"},
        "data": {"password": "aHVudGVyMg==", "key": "/wA="}})
}

/// A table of Secrets with one in it.
fn secrets(change: impl FnOnce(&mut crate::state::Start)) -> Stage {
    let mut stage = Stage::started(100, 30, change);
    stage.connect(EU);
    stage.rows(EU, "secrets", vec![printed("Secret", "db", "shop")]);
    stage.type_in(":secrets shop @prod-eu\n");
    stage.effects();
    stage
}

fn asked(stage: &mut Stage) -> Option<RequestId> {
    stage.effects().into_iter().find_map(|effect| match effect {
        Effect::Reveal { request, namespace, name, .. } => {
            assert_eq!((namespace.as_str(), name.as_str()), ("shop", "db"));
            Some(request)
        }
        _ => None,
    })
}

fn revealed(stage: &mut Stage) -> RequestId {
    stage.press("x");
    let request = asked(stage).expect("the Secret is read anew");
    stage.tell(Msg::Revealed { request, answer: Ok(secret::decode(secret())) });
    request
}

/// Whether anything that the state keeps holds the value.
fn known(stage: &Stage) -> bool {
    format!("{:?}", stage.state).contains("hunter2")
}

#[test]
fn values_of_a_secret_are_shown_on_request_and_forgotten() {
    let mut stage = secrets(|_| {});
    revealed(&mut stage);
    let screen = stage.screen();
    assert!(screen.contains("password: hunter2"), "{screen}");
    assert!(screen.contains("key: ••• 2 bytes that are no text") && screen.contains("values shown"), "{screen}");
    let said: Vec<String> = stage.state.notices.all().map(|notice| notice.text.clone()).collect();
    assert!(said[0].starts_with("the values of Secret shop/db on prod-eu are shown"), "{said:?}");
    stage.press("esc");
    assert!(!known(&stage), "leaving the screen forgets the values");
    // Any other way that leads away does too, and none leads back.
    for away in [":pods\n", ":ops\n"] {
        let mut stage = secrets(|_| {});
        revealed(&mut stage);
        assert!(known(&stage));
        stage.type_in(away);
        assert!(!known(&stage), "{away}");
        stage.press("esc");
        assert!(!stage.screen().contains("hunter2"), "{}", stage.screen());
    }
}

#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let mut stage = secrets(|_| {});
    stage.press("x");
    let request = asked(&mut stage).unwrap();
    stage.press("esc");
    stage.tell(Msg::Revealed { request, answer: Ok(secret::decode(secret())) });
    assert!(!known(&stage) && !stage.screen().contains("hunter2"));
    stage.press("x");
    let request = asked(&mut stage).unwrap();
    stage.tell(Msg::Revealed { request, answer: Err("secrets \"db\" is forbidden".into()) });
    assert!(stage.screen().contains("is forbidden"), "{}", stage.screen());
}

#[test]
fn copying_a_value_names_its_key_only() {
    let mut stage = secrets(|_| {});
    revealed(&mut stage);
    stage.press("c");
    assert!(stage.screen().contains("key is no text that could be copied"), "{}", stage.screen());
    stage.press("down c");
    assert!(stage.effects().contains(&Effect::Copy("hunter2".into())));
    let said: Vec<String> = stage.state.notices.all().map(|notice| notice.text.clone()).collect();
    assert!(said[0].starts_with("copied the value of password") && !said.join(" ").contains("hunter2"), "{said:?}");
}

#[test]
fn the_configuration_may_keep_values_to_itself_and_only_secrets_have_any() {
    let mut stage = secrets(|start| start.sealed = vec!["prod-eu".into()]);
    stage.press("x");
    assert!(asked(&mut stage).is_none());
    assert!(stage.screen().contains("values of Secrets on prod-eu are not shown"), "{}", stage.screen());
    assert_eq!(Secrets::default(), Secrets::Always);
    // Read-only changes nothing, and neither does reading.
    let mut stage = secrets(|start| start.readonly = true);
    stage.press("x");
    assert!(asked(&mut stage).is_some());
    let mut stage = Stage::live(100, 30);
    stage.type_in(":pods @prod-eu\n");
    stage.press("x");
    assert!(asked(&mut stage).is_none(), "on pods it asks why");
}

fn yaml(object: Value) -> Stage {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods @prod-eu shop\n");
    stage.press("y");
    let request = stage.effects().iter().find_map(|effect| match effect {
        Effect::FetchObject { request, .. } => Some(*request),
        _ => None,
    });
    stage.tell(Msg::Object { request: request.unwrap(), answer: Ok(Arc::new(object)) });
    stage
}

fn example() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}},
        "spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}, {"name": "side"}], "nodeName": "n1"}})
}

fn body(stage: &mut Stage) -> Vec<String> {
    let screen = stage.screen();
    let lines = screen.lines().skip(1).take_while(|line| !line.trim().is_empty());
    lines
        .map(|line| line.trim_start_matches([' ', '▸', '!']).to_string())
        .filter(|line| !line.contains("problem"))
        .collect()
}

#[test]
fn yaml_folds_by_line_and_to_a_level() {
    let mut stage = yaml(example());
    stage.press("down down enter");
    assert!(stage.screen().contains("metadata: … 4 lines"), "{}", stage.screen());
    assert!(!stage.screen().contains("tier: front"));
    stage.press("enter");
    assert!(stage.screen().contains("tier: front"));
    stage.press("1");
    let folded = body(&mut stage);
    assert!(folded.iter().any(|line| line == "spec: … 7 lines"), "{folded:?}");
    stage.press("2");
    let folded = body(&mut stage);
    assert!(folded.iter().any(|line| line == "containers: … 5 lines"), "{folded:?}");
    assert!(folded.iter().any(|line| line == "nodeName: n1"), "{folded:?}");
    // What is read anew stays folded; a search finds what is folded away.
    stage.type_in("/value\n");
    assert!(stage.screen().contains("value: \"1\""), "{}", stage.screen());
    assert!(stage.screen().contains("labels: … 2 lines"), "only what hides a hit opens: {}", stage.screen());
    stage.press("esc 0");
    assert!(stage.screen().contains("tier: front"));
    // Line by line through every level and back.
    stage.press("z");
    assert!(body(&mut stage).iter().any(|line| line == "spec: … 7 lines"));
    for _ in 0..8 {
        stage.press("z");
    }
    everywhere(&mut stage, "yaml_folded");
}

#[test]
fn copying_takes_what_is_folded_along() {
    let mut stage = yaml(example());
    stage.press("1 c");
    let copied = stage.effects().into_iter().find_map(|effect| match effect {
        Effect::Copy(text) => Some(text),
        _ => None,
    });
    assert!(copied.unwrap().contains("tier: front\n"));
}

#[test]
fn the_tour_fits_on_a_small_screen_and_names_the_keys_in_use() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":tour\n");
    everywhere(&mut stage, "tour");
    let longest = match &stage.state.nav.top().view {
        View::Text(text) => text.lines.iter().map(|line| line.plain().chars().count()).max(),
        _ => None,
    };
    assert!(longest.is_some_and(|longest| longest <= 78), "{longest:?}");
    stage.press("esc ?");
    let screen = stage.screen();
    let first = screen.lines().skip_while(|line| !line.contains("WHAT IT DOES")).nth(1);
    assert!(first.is_some_and(|line| line.contains(":tour")), "{screen}");
    let mut stage =
        Stage::started(80, 24, |start| start.keymap = crate::keymap::Keymap::named("vim", &|_| None, None).0);
    stage.type_in(":tour\n");
    let screen = stage.screen();
    assert!(screen.contains("Shift-L") && screen.lines().count() <= 24, "{screen}");
}

/// Where the links on the screen lead, and the cells that carry them.
fn links(stage: &mut Stage) -> Vec<(String, String)> {
    stage.screen();
    let (width, height) = stage.state.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let (state, theme, mut links) = (&stage.state, crate::theme::Theme::plain(), vec![]);
    terminal.draw(|frame| links = crate::ui::draw_linked(state, &theme, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let cells = |number| buffer.content.iter().filter(move |cell| cell.underline_color == number);
    links.iter().map(|(number, url)| (cells(*number).map(|cell| cell.symbol()).collect(), url.clone())).collect()
}

#[test]
fn urls_are_links_where_the_terminal_takes_them() {
    let annotated = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations":
        {"link": "https://argo.example.com/app/web?view=tree", "evil": "https://x.example/\u{1b}]8;;http://y\u{7}"}}});
    let mut stage = yaml(annotated.clone());
    assert_eq!(links(&mut stage), vec![], "no terminal gets what it does not know");
    let mut stage = yaml(annotated);
    stage.state.look.links = true;
    let found = links(&mut stage);
    let url = "https://argo.example.com/app/web?view=tree".to_string();
    assert!(found.contains(&(url.clone(), url)), "{found:?}");
    assert!(found.iter().all(|(_, url)| url.chars().all(|c| c.is_ascii_graphic())), "{found:?}");
}

#[test]
fn a_url_that_wraps_is_one_link_in_all_of_its_rows() {
    let url = format!("https://argo.example.com/applications/{}?view=tree", "shop-".repeat(40));
    let mut stage = yaml(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations":
        {"link": format!("{url} and more")}}}));
    stage.state.look.links = true;
    let cut = links(&mut stage);
    assert!(cut.iter().any(|(shown, to)| *to == url && shown.len() < url.len()), "{cut:?}");
    stage.type_in(":wrap\n");
    assert_eq!(links(&mut stage), [(url.clone(), url)]);
}

#[test]
fn hosts_of_an_ingress_are_links() {
    let mut stage = Stage::live(120, 30);
    stage.state.look.links = true;
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"rules": [{"host": "shop.example.com"}, {"host": "*.example.com"}, {"host": "www.example.com"}]}});
    stage.rows(EU, "ingresses", vec![object("ingresses", ingress)]);
    stage.type_in(":ingresses @prod-eu\n");
    let found = links(&mut stage);
    let urls: Vec<&str> = found.iter().map(|(_, url)| url.as_str()).collect();
    assert_eq!(urls, ["https://shop.example.com", "https://www.example.com"], "{}", stage.drawn);
    assert_eq!(found[1].0, "www.example.com");
}

fn mouse(stage: &mut Stage, kind: MouseEventKind, x: u16, y: u16, double: bool) {
    let event = MouseEvent { kind, column: x, row: y, modifiers: KeyModifiers::NONE };
    stage.tell(Msg::Mouse { event, double });
}

fn width(stage: &mut Stage, title: &str) -> u16 {
    stage.screen();
    stage.state.painted.grid.columns.iter().find(|column| column.title == title).unwrap().width
}

/// The screen column right behind a column of the table.
fn edge(stage: &mut Stage, title: &str) -> (u16, u16) {
    stage.screen();
    let (grid, body) = (&stage.state.painted.grid, stage.state.areas().body);
    let at = grid.columns.iter().position(|column| column.title == title).unwrap();
    let before: u16 = grid.columns[..at].iter().map(|column| column.width + grid.gap(body.width)).sum();
    (body.x + 1 + before + grid.columns[at].width, body.y)
}

#[test]
fn a_column_is_dragged_kept_and_let_go() {
    let mut stage = Stage::live(120, 30);
    stage.type_in(":pods @prod-eu\n");
    let (before, (x, y)) = (width(&mut stage, "NAME"), edge(&mut stage, "NAME"));
    let button = MouseButton::Left;
    mouse(&mut stage, MouseEventKind::Down(button), x, y, false);
    mouse(&mut stage, MouseEventKind::Drag(button), x - 5, y, false);
    assert_eq!(width(&mut stage, "NAME"), before - 5, "it is seen while it moves");
    mouse(&mut stage, MouseEventKind::Drag(button), x + 7, y + 3, false);
    mouse(&mut stage, MouseEventKind::Up(button), x + 7, y + 3, false);
    assert_eq!(width(&mut stage, "NAME"), before + 7);
    let lines = stage.effects().into_iter().rev().find_map(|effect| match effect {
        Effect::SaveColumns(lines) => Some(lines),
        _ => None,
    });
    let lines = lines.expect("the width is kept");
    assert_eq!(lines, ["[columns]".to_string(), "[widths]".into(), format!("\"pods\" = [\"NAME {}\"]", before + 7)]);
    assert!(stage.state.painted.grid.columns.iter().all(|column| column.sorted.is_none()), "dragging does not sort");
    // The next start, and the next table of the kind.
    let kept = crate::config::parse("columns.toml", &lines.join("\n"));
    assert_eq!(kept.problems, vec![]);
    let layouts = Layouts::default().with(&[], &[("pods".into(), vec![("NAME".into(), 9)])], &kept.config.widths);
    assert_eq!(layouts.widths(&resource("pods")), [("NAME".to_string(), before + 7)], "what was dragged wins");
    stage.type_in(":pods shop @prod-eu\n");
    assert_eq!(width(&mut stage, "NAME"), before + 7);
    // Two clicks let it go by its content again.
    let (x, y) = edge(&mut stage, "NAME");
    for double in [false, true] {
        mouse(&mut stage, MouseEventKind::Down(button), x, y, double);
        mouse(&mut stage, MouseEventKind::Up(button), x, y, double);
    }
    assert!(width(&mut stage, "NAME") < before + 7);
    assert!(stage.state.layouts.widths(&resource("pods")).is_empty());
}

#[test]
fn tables_begin_as_the_configuration_says() {
    let sorts = [("pods".to_string(), "STATUS".to_string(), true)];
    let mut stage = Stage::started(120, 30, |start| {
        start.layouts = Layouts::default().with(&sorts, &[("pods".into(), vec![("STATUS".into(), 30)])], &[]);
    });
    stage.connect(EU);
    let rows = vec![pod("a-1", "shop", "Completed", 0, 1, "n1"), pod("b-1", "shop", "Running", 1, 1, "n1")];
    stage.rows(EU, "pods", rows);
    stage.type_in(":pods @prod-eu\n");
    assert_eq!(width(&mut stage, "STATUS"), 30);
    let screen = stage.screen();
    assert!(screen.find("b-1").unwrap() < screen.find("a-1").unwrap(), "{screen}");
}
