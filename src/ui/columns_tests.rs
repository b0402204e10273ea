//! Columns that a person chose: shown, hidden, ordered, taken from labels and paths, sorted by, remembered.

use super::fixture::*;
use crate::effect::Effect;
use crate::msg::Msg;
use crate::state::layout::Layouts;
use crate::world::choice::{Choice, evaluate};
use crate::world::fleet::TableDelta;
use crate::world::row::{Row, Unpacker};
use crate::world::time::Time;
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
    let [Effect::Look { resource, paths, objects, .. }] = looks.as_slice() else { panic!("{looks:?}") };
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

/// Answers what was asked to be looked at, as the program does in the background.
fn answer_looks(stage: &mut Stage) -> usize {
    let mut count = 0;
    for effect in stage.effects() {
        let Effect::Look { resource, paths, objects, .. } = effect else { continue };
        count += objects.len();
        let mut unpacker = Unpacker::default();
        let found = objects.into_iter().map(|(cluster, uid, raw)| {
            let cells = evaluate(&paths, &mut unpacker, &raw);
            (cluster, uid, raw, cells)
        });
        let found = found.collect();
        stage.tell(Msg::Looked { resource, paths, found });
    }
    count
}

#[test]
fn a_text_is_looked_for_in_whole_objects_and_new_ones_too() {
    let mut stage = ranks();
    stage.effects();
    stage.type_in("/~\"priority\":30\n");
    assert_eq!(answer_looks(&mut stage), 3);
    assert_eq!(column(&mut stage, "NAME"), ["a-1"]);
    stage.type_in(":grep nobody-wrote-this\n");
    answer_looks(&mut stage);
    assert!(stage.screen().contains("contains ~nobody-wrote-this"), "{}", stage.screen());
    stage.type_in(":grep PRIORITY\n");
    assert!(stage.screen().contains("~PRIORITY (3 to read)"), "{}", stage.screen());
    answer_looks(&mut stage);
    assert_eq!(column(&mut stage, "NAME"), ["a-1", "b-1", "c-1"]);
    stage.table(
        EU,
        "pods",
        vec![TableDelta::Upsert(vec![pod("plain", "shop", "Running", 1, 1, "n1"), ranked("d-1", 1)])],
    );
    assert_eq!(column(&mut stage, "NAME"), ["a-1", "b-1", "c-1", "d-1"]);
    stage.press("esc");
    assert_eq!(column(&mut stage, "NAME").len(), 5);
    // What the server prints has no objects to search.
    stage.type_in(":widgets\n");
    stage.type_in(":grep x\n");
    assert!(stage.screen().contains("are not kept"), "{}", stage.screen());
}

#[test]
fn leaving_stops_the_search() {
    let mut stage = ranks();
    stage.type_in(":grep x\n");
    stage.effects();
    stage.press("esc");
    assert!(stage.effects().iter().any(|effect| matches!(effect, Effect::StopLook(_))));
}

#[test]
fn a_frozen_table_stands_still_and_can_still_be_sorted_and_filtered() {
    let mut stage = ranks();
    stage.screen();
    stage.press("shift-h");
    stage.table(EU, "pods", vec![TableDelta::Upsert(vec![ranked("d-1", 1)])]);
    stage.rows(EU, "pods", vec![ranked("e-1", 5)]);
    stage.tell(Msg::Tick(Time(NOW.0 + 12)));
    assert_eq!(column(&mut stage, "NAME"), ["a-1", "b-1", "c-1"]);
    assert!(stage.screen().contains("frozen 12s"), "{}", stage.screen());
    stage.press("shift-n shift-n");
    assert_eq!(column(&mut stage, "NAME"), ["c-1", "b-1", "a-1"]);
    stage.type_in("/b-\n");
    assert_eq!(column(&mut stage, "NAME"), ["b-1"]);
    stage.press("esc shift-h");
    assert_eq!(column(&mut stage, "NAME"), ["e-1"]);
}

#[test]
fn marked_rows_or_all_are_written_with_the_columns_shown() {
    let mut stage = ranks();
    stage.type_in(":columns NAME,labels.app,.spec.priority as RANK\n");
    stage.press("down space");
    stage.effects();
    stage.type_in(":export csv /tmp/x.csv\n");
    let export = stage.effects().into_iter().find_map(|effect| match effect {
        Effect::Export(export) => Some(*export),
        _ => None,
    });
    let export = export.unwrap();
    assert_eq!(export.titles, ["NAME", "APP", "RANK"]);
    assert_eq!(export.paths.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [2]);
    assert_eq!(export.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["b-1"]);
    stage.type_in(":export xls\n");
    assert!(stage.screen().contains("export how?"), "{}", stage.screen());
}

#[test]
fn a_column_that_is_not_shown_sorts_and_says_so() {
    let mut stage = ranks();
    stage.press("shift-i");
    assert!(stage.screen().contains("sorted by IP, which is not shown"), "{}", stage.screen());
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
