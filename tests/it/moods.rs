//! API servers in bad moods beside one that is well: its rows and keys come at once, what is wrong is named, and what
//! heals is taken up again without a hand.

use crate::embedded::Embedded;
use crate::support::{Home, Tui, until};
use kokpit::sim::server::{Faults, Stats};
use std::time::Duration;

/// For what takes its time by nature: a slow server, a pause that the server asked for.
const LONG: Duration = Duration::from_secs(150);

/// A cluster that is well and one that is not, in one table.
struct Pair {
    home: Home,
    well: Embedded,
    ill: Embedded,
}

impl Pair {
    fn new(faults: Faults) -> Self {
        let pair = Self { home: Home::new(), well: Embedded::shop(), ill: Embedded::with(faults) };
        pair.home.kubeconfig(&[("well", &pair.well.url()), ("ill", &pair.ill.url())]);
        for cluster in [&pair.well, &pair.ill] {
            until("the pods", || (cluster.pods().len() == 3).then_some(()));
        }
        pair
    }

    /// The cockpit, with the rows of the cluster that is well.
    fn open(&self) -> Tui {
        let mut tui = self.home.tui_sized(&["--all-contexts", "-A"], 150, 30);
        tui.send(":pods\r").wait_for("the rows that are well", |screen| pods(screen, "well") == 3);
        tui
    }

    /// Both are there.
    fn open_both(&self) -> Tui {
        let tui = self.open();
        wait_pods(&tui, "ill", 3);
        tui
    }
}

/// Rows of a cluster's pods: CLUSTER is the first column, and all of them have one container.
fn pods(screen: &vt100::Screen, cluster: &str) -> usize {
    let row = |line: &str| line.trim_start_matches([' ', '▸']).starts_with(cluster) && line.contains("/1 ");
    screen.contents().lines().filter(|line| row(line)).count()
}

fn wait_pods(tui: &Tui, cluster: &str, count: usize) {
    tui.wait_within(LONG, &format!("{count} pods of {cluster}"), |screen| pods(screen, cluster) == count);
}

/// Keys and the rows of the cluster that is well do not wait for the other one.
fn responsive(tui: &mut Tui, well: &Embedded) {
    tui.send(":nodes\r").wait("n3");
    tui.send("?").wait("WHAT IT DOES");
    tui.send("\u{1b}").wait_gone("WHAT IT DOES");
    tui.send(":pods\r").wait_for("its pods", |screen| pods(screen, "well") >= 2);
    if well.pods().iter().any(|pod| pod == "big") {
        well.delete_pod("big");
    }
    tui.wait_for("the pod gone", |screen| pods(screen, "well") == 2);
}

/// The screen of the clusters holds every one of these.
fn fleet_says(tui: &mut Tui, words: &[&str]) {
    tui.send(":fleet\r").wait_within(LONG, &format!("{words:?}"), |screen| {
        let text = screen.contents();
        words.iter().all(|word| text.contains(word))
    });
}

/// It is live again, and news comes through.
fn well_again(tui: &mut Tui, ill: &Embedded) {
    ill.faults(Faults::default());
    tui.send(":pods\r");
    if ill.pods().iter().any(|pod| pod == "big") {
        ill.delete_pod("big");
    }
    wait_pods(tui, "ill", 2);
    tui.wait_within(LONG, "live", |screen| {
        screen.contents().lines().next().is_some_and(|line| line.trim_end().ends_with("live"))
    });
}

/// Kinds that are watched and were listed again since.
fn listed_again(before: &Stats, cluster: &Embedded) -> Vec<String> {
    let now = cluster.stats();
    let watched = before.requests.keys().filter(|(verb, _)| verb == "watch").map(|(_, kind)| kind);
    watched.filter(|kind| now.count("list", kind) > before.count("list", kind)).cloned().collect()
}

#[test]
fn every_answer_comes_five_seconds_late() {
    let pair = Pair::new(Faults { delay: Duration::from_secs(5), ..Faults::default() });
    let mut tui = pair.open();
    responsive(&mut tui, &pair.well);
    wait_pods(&tui, "ill", 3);
    well_again(&mut tui, &pair.ill);
    tui.quit();
}

#[test]
fn a_kilobyte_a_second_is_slow_and_enough() {
    let pair = Pair::new(Faults { trickle: Some(1024), ..Faults::default() });
    let mut tui = pair.open();
    responsive(&mut tui, &pair.well);
    wait_pods(&tui, "ill", 3);
    assert!(!tui.text().contains("unreachable"), "slow is not lost:\n{}", tui.text());
    tui.quit();
}

#[test]
fn watches_that_are_cut_cost_no_list() {
    let every = Some(Duration::from_secs(2));
    let pair = Pair::new(Faults::default());
    let mut tui = pair.open_both();
    let before = pair.ill.stats();
    for break_watches in [false, true] {
        let watches = pair.ill.stats().count("watch", "pods");
        pair.ill.faults(Faults { drop_watches_every: every, break_watches, ..Faults::default() });
        until("three more watches", || (pair.ill.stats().count("watch", "pods") >= watches + 3).then_some(()));
    }
    pair.ill.delete_pod("big");
    wait_pods(&tui, "ill", 2);
    responsive(&mut tui, &pair.well);
    well_again(&mut tui, &pair.ill);
    assert_eq!(pair.ill.listed("pods"), 1);
    assert_eq!(listed_again(&before, &pair.ill), [""; 0], "a watch that is cut is taken up where it ended");
    tui.quit();
}

#[test]
fn too_many_requests_are_told_and_the_pause_is_kept() {
    const PAUSE: u32 = 4;
    let pair = Pair::new(Faults::default());
    let mut tui = pair.open_both();
    let before = pair.ill.stats();
    let every = Some(Duration::from_millis(300));
    pair.ill.faults(Faults { busy: Some(PAUSE), drop_watches_every: every, ..Faults::default() });
    fleet_says(&mut tui, &["too many requests (429)", "data "]);
    responsive(&mut tui, &pair.well);
    until("three refusals", || (pair.ill.stats().sent_away.len() >= 3).then_some(()));
    let mut times: Vec<_> =
        pair.ill.stats().sent_away.into_iter().filter(|(path, _)| path.ends_with("/pods")).collect();
    times.sort_by_key(|(_, at)| *at);
    for pair in times.windows(2) {
        let gap = pair[1].1 - pair[0].1;
        assert!(gap > Duration::from_secs(u64::from(PAUSE) - 1), "asked again after {gap:?}");
    }
    well_again(&mut tui, &pair.ill);
    assert_eq!(listed_again(&before, &pair.ill), [""; 0]);
    tui.quit();
}

#[test]
fn internal_errors_are_told_and_the_rows_stay() {
    let pair = Pair::new(Faults::default());
    let mut tui = pair.open_both();
    let before = pair.ill.stats();
    let every = Some(Duration::from_millis(300));
    pair.ill.faults(Faults { failing: Some(500), drop_watches_every: every, ..Faults::default() });
    fleet_says(&mut tui, &["etcdserver: leader changed", "lost"]);
    tui.send(":pods\r");
    wait_pods(&tui, "ill", 3);
    responsive(&mut tui, &pair.well);
    well_again(&mut tui, &pair.ill);
    assert_eq!(listed_again(&before, &pair.ill), [""; 0]);
    tui.quit();
}

#[test]
fn a_token_that_expires_is_told_and_a_new_one_taken_up() {
    let pair = Pair::new(Faults::default());
    let mut tui = pair.open_both();
    let before = pair.ill.stats();
    let every = Some(Duration::from_millis(300));
    let token = Some("another".to_string());
    pair.ill.faults(Faults { token, drop_watches_every: every, ..Faults::default() });
    fleet_says(&mut tui, &["does not accept our credentials (401)", "log in again"]);
    tui.send(":pods\r");
    wait_pods(&tui, "ill", 3);
    responsive(&mut tui, &pair.well);
    well_again(&mut tui, &pair.ill);
    assert_eq!(listed_again(&before, &pair.ill), [""; 0]);
    tui.quit();
}

#[test]
fn a_clock_that_is_wrong_is_told() {
    let pair = Pair::new(Faults { clock_ahead: 2 * 3600 + 30, ..Faults::default() });
    let mut tui = pair.open_both();
    tui.send(":notices\r").wait("ill: its clock is 120m ahead of this machine's");
    assert!(!tui.text().contains("well: its clock"), "{}", tui.text());
    responsive(&mut tui, &pair.well);
    tui.quit();
}

#[test]
fn an_aggregated_api_that_is_down_takes_only_its_kinds_along() {
    let pair = Pair::new(Faults { broken_api: Some("apps/v1".into()), ..Faults::default() });
    let mut tui = pair.open_both();
    tui.send(":notices\r").wait("ill: the aggregated API apps/v1 does not answer");
    tui.send(":deploy @ill\r").wait("the aggregated API apps/v1 does not answer");
    tui.send(":pods @*\r").wait_for("pods of both", |screen| pods(screen, "well") == 3 && pods(screen, "ill") == 3);
    responsive(&mut tui, &pair.well);
    pair.ill.faults(Faults::default());
    tui.send(":deploy @ill\r").wait_within(LONG, "the Deployment", |screen| {
        let text = screen.contents();
        text.lines().skip(2).any(|line| line.contains("web") && line.contains("2/2"))
    });
    tui.quit();
}
