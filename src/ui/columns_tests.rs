//! Columns that a person chose: shown, hidden, ordered, taken from labels and paths, sorted by, remembered.

use super::fixture::*;
use crate::effect::Effect;
use crate::msg::Msg;
use crate::state::layout::Layouts;
use crate::world::choice::{Choice, evaluate};
use crate::world::fleet::TableDelta;
use crate::world::row::{Row, Unpacker};
use serde_json::json;

fn titles(stage: &mut Stage) -> Vec<String> {
    stage.screen();
    stage.state.painted.grid.columns.iter().map(|column| column.title.clone()).collect()
}

fn column(stage: &mut Stage, title: &str) -> Vec<String> {
    stage.screen();
    let grid = &stage.state.painted.grid;
    let at = grid.columns.iter().position(|column| column.title == title).unwrap_or_else(|| panic!("no {title}"));
    grid.rows.iter().map(|row| row.cells[at].clone()).collect()
}

fn saved(stage: &mut Stage) -> Option<Vec<String>> {
    stage.effects().into_iter().rev().find_map(|effect| match effect {
        Effect::SaveColumns(lines) => Some(lines),
        _ => None,
    })
}

/// Pods on nodes of which only the object says the rank.
fn ranked(name: &str, rank: i64) -> Row {
    with_spec(pod(name, "shop", "Running", 1, 1, "n1"), json!({"priority": rank}))
}

fn ranks() -> Stage {
    let mut stage = Stage::silent(120, 30);
    stage.connect(EU);
    stage.rows(EU, "pods", vec![ranked("a-1", 30), ranked("b-1", 4), ranked("c-1", 100)]);
    stage.type_in(":pods @prod-eu\n");
    stage
}

#[test]
fn columns_are_chosen_ordered_and_remembered() {
    let mut stage = ranks();
    stage.type_in(":columns NAMESPACE,NAME,labels.app,.spec.priority as RANK\n");
    assert_eq!(titles(&mut stage), ["NAMESPACE", "NAME", "APP", "RANK"]);
    assert_eq!(column(&mut stage, "APP"), ["a", "b", "c"]);
    assert_eq!(column(&mut stage, "RANK"), ["30", "4", "100"]);
    assert_eq!(
        saved(&mut stage).unwrap(),
        ["[columns]", r#""pods" = ["NAMESPACE", "NAME", "labels.app", ".spec.priority as RANK"]"#]
    );
    stage.type_in(":columns -app\n");
    stage.type_in(":columns +ip\n");
    assert_eq!(titles(&mut stage), ["NAMESPACE", "NAME", "RANK", "IP"]);
    // Another table of the kind has them too; the wide mode has the others behind them.
    stage.type_in(":pods shop\n");
    assert_eq!(titles(&mut stage), ["NAME", "RANK", "IP"]);
    stage.press("ctrl-w");
    assert!(titles(&mut stage).starts_with(&["NAME".into(), "RANK".into(), "IP".into(), "READY".into()]));
    stage.press("ctrl-w");
    stage.type_in(":columns reset\n");
    assert!(titles(&mut stage).starts_with(&["NAME".into(), "READY".into()]));
    assert_eq!(saved(&mut stage).unwrap(), ["[columns]"]);
}

#[test]
fn the_chooser_shows_hides_and_moves() {
    let mut stage = ranks();
    stage.press("shift-w");
    let screen = stage.screen();
    assert!(screen.contains("columns of pods") && screen.contains("RESTARTS"), "{screen}");
    // CLUSTER and NAMESPACE come first; READY goes behind STATUS, then RESTARTS is hidden.
    stage.press("down down down shift-j down space");
    stage.press("a");
    stage.type_in("labels.app\n");
    stage.press("esc");
    assert_eq!(titles(&mut stage), ["NAMESPACE", "NAME", "STATUS", "READY", "AGE", "NODE", "APP"]);
    stage.press("shift-w a");
    stage.type_in(".spec..x\n");
    assert!(stage.screen().contains("dot without a field"), "{}", stage.screen());
}

#[test]
fn what_cannot_be_a_column_is_said() {
    let mut stage = ranks();
    for (line, said) in [
        (":columns NAME,STATUZ\n", "pods have no column STATUZ"),
        (":columns NAME,labels.app,.spec.app\n", "would both be called APP"),
        (":columns -NOPE\n", "no column NOPE"),
    ] {
        stage.type_in(line);
        let screen = stage.screen();
        assert!(screen.contains(said), "{line} {screen}");
        assert!(saved(&mut stage).is_none());
    }
}

#[test]
fn sorting_by_a_path_looks_at_every_object_in_the_background() {
    let mut stage = ranks();
    stage.type_in(":columns NAME,.spec.priority as RANK\n");
    stage.effects();
    stage.type_in(":sort-column rank\n");
    let looks: Vec<_> = stage.effects().into_iter().filter(|effect| matches!(effect, Effect::Look { .. })).collect();
    let [Effect::Look { resource, paths, objects }] = looks.as_slice() else { panic!("{looks:?}") };
    assert_eq!(objects.len(), 3);
    let mut unpacker = Unpacker::default();
    let read =
        objects.iter().map(|(cluster, uid, raw)| (*cluster, *uid, raw.clone(), evaluate(paths, &mut unpacker, raw)));
    let found = read.collect();
    stage.tell(Msg::Looked { resource: resource.clone(), paths: paths.clone(), found });
    assert_eq!(column(&mut stage, "RANK"), ["4", "30", "100"]);
    assert!(!stage.effects().iter().any(|effect| matches!(effect, Effect::Look { .. })), "once is enough");
    // What changes finds its place at once.
    stage.table(EU, "pods", vec![TableDelta::Upsert(vec![ranked("b-1", 50), ranked("d-1", 1)])]);
    assert_eq!(column(&mut stage, "RANK"), ["1", "30", "50", "100"]);
    assert_eq!(column(&mut stage, "NAME"), ["d-1", "a-1", "b-1", "c-1"]);
}

#[test]
fn the_configuration_says_columns_and_what_was_made_on_screen_wins() {
    let choices = |texts: &[&str]| texts.iter().map(|text| Choice::parse(text).unwrap()).collect::<Vec<_>>();
    let configured = [("pods".to_string(), choices(&["NAME", "NODE"])), ("nodes".to_string(), choices(&["NAME"]))];
    let made = [("pods".to_string(), choices(&["NAME", "STATUS"]))];
    let mut stage = Stage::started(120, 30, |start| start.layouts = Layouts::new(&configured, &made));
    stage.connect(EU);
    stage.rows(EU, "pods", vec![ranked("a-1", 1)]);
    stage.rows(EU, "nodes", vec![node("n1", true, false)]);
    stage.type_in(":pods @prod-eu\n");
    assert_eq!(titles(&mut stage), ["NAME", "STATUS"]);
    stage.type_in(":columns reset\n");
    assert_eq!(titles(&mut stage), ["NAME", "NODE"]);
    // Rows of several clusters are told apart in any case.
    stage.type_in(":nodes @prod-eu,prod-us\n");
    stage.type_in(":@prod-eu @prod-us\n");
    assert_eq!(titles(&mut stage), ["CLUSTER", "NAME"]);
}
