//! The order of a table under random changes.

use super::fixture::{EU, Stage, US, pod};
use crate::state::order::*;
use crate::world::fleet::ClusterId;
use crate::world::fleet::TableDelta;
use crate::world::row::{Body, Cell, Row};
use proptest::prelude::*;
use std::cmp::Ordering;

/// What happens to the pod with this number.
#[derive(Clone, Debug)]
enum Step {
    Put { us: bool, pod: u8, running: bool, restarts: u32 },
    Gone { us: bool, pod: u8 },
    Relist { us: bool, pods: Vec<u8> },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), 0u8..40, any::<bool>(), 0u32..5)
            .prop_map(|(us, pod, running, restarts)| Step::Put { us, pod, running, restarts }),
        3 => (any::<bool>(), 0u8..40).prop_map(|(us, pod)| Step::Gone { us, pod }),
        1 => (any::<bool>(), prop::collection::vec(0u8..40, 0..20)).prop_map(|(us, pods)| Step::Relist { us, pods }),
    ]
}

fn row(n: u8, running: bool, restarts: u32) -> Row {
    let status = if running { "Running" } else { "CrashLoopBackOff" };
    let mut row = pod(&format!("web-{n}"), ["shop", "db"][usize::from(n) % 2], status, 1, 1, "n1");
    if let Body::Pod(pod) = &mut row.body {
        pod.restarts = restarts;
    }
    row
}

fn delta(step: Step) -> (bool, Vec<TableDelta>) {
    match step {
        Step::Put { us, pod, running, restarts } => (us, vec![TableDelta::Upsert(vec![row(pod, running, restarts)])]),
        Step::Gone { us, pod } => (us, vec![TableDelta::Gone(vec![row(pod, true, 0).meta.uid])]),
        Step::Relist { us, pods } => {
            let rows = pods.into_iter().map(|n| row(n, true, 0)).collect();
            (us, vec![TableDelta::ListStart, TableDelta::Upsert(rows), TableDelta::ListEnd])
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Taking in changes one by one gives what building the order from scratch gives, and the cursor stays on
    /// its object for as long as that is in view.
    #[test]
    fn changes_one_by_one_equal_a_rebuild(
        steps in prop::collection::vec(step(), 1..60),
        sort in prop::sample::select(vec!["", "shift-n", "shift-a", "shift-s", "shift-p"]),
        filter in prop::sample::select(vec!["", "/1\n", "/!Running\n", "/-l app=web\n", "/1", "/crash"]),
        filters in prop::collection::vec(prop::sample::select(vec!["", "/2\n", "/crash\n", "/ \n", "/r", "/!n", "/w"]), 0..20),
    ) {
        let mut stage = Stage::live(80, 24);
        stage.type_in(":pods\n");
        stage.type_in(filter);
        if !sort.is_empty() {
            stage.press(sort);
        }
        stage.press("down down");
        let mut more = filters.into_iter();
        for step in steps {
            let before = selected(&stage);
            let (us, deltas) = delta(step);
            stage.table(if us { US } else { EU }, "pods", deltas);
            if let Some(filter) = more.next() {
                stage.type_in(filter);
            }
            let order = entries(&stage);
            prop_assert_eq!(&order, &rebuilt(&stage));
            let after = selected(&stage);
            if let Some(before) = before.filter(|before| in_view(&stage, *before)) {
                prop_assert_eq!(after, Some(before));
            }
        }
    }
}

fn table(stage: &Stage) -> &crate::state::table::TableView {
    match &stage.state.nav.top().view {
        crate::state::nav::View::Table(table) => table,
        _ => panic!("no table in view"),
    }
}

fn entries(stage: &Stage) -> Vec<Entry> {
    table(stage).order.entries.clone()
}

/// The object that the cursor was put on; none before it was moved, or where the table was empty since.
fn selected(stage: &Stage) -> Option<(ClusterId, crate::world::row::Uid)> {
    table(stage).selected
}

fn in_view(stage: &Stage, key: (ClusterId, crate::world::row::Uid)) -> bool {
    let table = table(stage);
    (0..table.order.entries.len()).any(|at| table.key_at(&stage.state.fleet, at) == Some(key))
}

fn rebuilt(stage: &Stage) -> Vec<Entry> {
    let mut order = Order::default();
    order.rebuild(&table(stage).rules(&stage.state.fleet, &stage.state.nav.top().scope));
    order.entries
}

#[test]
fn letters_find_what_has_changed_since_one_began_to_type() {
    let mut stage = Stage::live(80, 24);
    stage.type_in(":pods\n");
    let put = |running| vec![TableDelta::Upsert((0..40).map(|n| row(n, running || n > 9, 0)).collect())];
    stage.table(US, "pods", put(true));
    stage.type_in("/crash");
    let before = entries(&stage).len();
    assert_eq!(entries(&stage), rebuilt(&stage));
    stage.table(US, "pods", put(false));
    assert_eq!((entries(&stage).len(), entries(&stage)), (before + 10, rebuilt(&stage)));
    stage.press("backspace backspace backspace");
    assert_eq!(entries(&stage), rebuilt(&stage));
    stage.type_in("ASHL");
    assert_eq!(entries(&stage).len(), 0, "upper case matters");
    stage.press("ctrl-u");
    stage.type_in("web-1");
    assert!(entries(&stage).len() >= 11);
    assert_eq!(entries(&stage), rebuilt(&stage));
}

#[test]
fn cells_sort_as_people_expect() {
    use Cell::*;
    let less = |a: Cell, b: Cell| compare_cells(&a, &b) == Ordering::Less;
    assert!(less(Int(9), Int(10)));
    assert!(less(Ratio(1, 3), Ratio(1, 2)));
    assert!(less(Ratio(0, 1), Ratio(1, 1)));
    assert!(less(Since(crate::world::time::Time(9)), Since(crate::world::time::Time(1))), "youngest first");
    assert!(less(Text("a".into()), Empty), "nothing last");
    assert!(less(Text("a".into()), Shared("b".into())));
}
