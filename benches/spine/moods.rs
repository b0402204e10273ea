//! Keys while one of two clusters is in a bad mood.

use crate::cockpit::{latency, moves};
use crate::embedded::Embedded;
use crate::support::Home;
use anyhow::Result;
use kokpit::sim::server::Faults;
use std::time::Duration;

/// Keys for one figure.
const KEYS: usize = 200;
/// How long a mood is felt before.
const FELT: Duration = Duration::from_secs(2);

/// What goes wrong with the other cluster, in words.
fn moods() -> Vec<(&'static str, Faults)> {
    let well = Faults::default;
    let cut = Some(Duration::from_millis(500));
    vec![
        ("every answer 5 s late", Faults { delay: Duration::from_secs(5), ..well() }),
        ("1 kB a second", Faults { trickle: Some(1024), ..well() }),
        ("every watch cut after 0.5 s", Faults { drop_watches_every: cut, break_watches: true, ..well() }),
        ("429, try again in a second", Faults { busy: Some(1), ..well() }),
        ("500", Faults { failing: Some(500), ..well() }),
        ("401", Faults { token: Some("another".into()), ..well() }),
        ("its clock an hour ahead", Faults { clock_ahead: 3600, ..well() }),
        ("an aggregated API is down", Faults { broken_api: Some("metrics.k8s.io/v1beta1".into()), ..well() }),
        ("no answer at all", Faults { silent: true, ..well() }),
        ("lists cut in the middle", Faults { cut_lists: true, ..well() }),
    ]
}

/// Measures the cockpit on two small clusters, for every mood of the second.
pub fn measure() -> Result<()> {
    for (mood, faults) in moods() {
        let (well, ill) = (Embedded::shop(), Embedded::with(faults));
        let mut home = Home::new();
        home.set("NO_COLOR", "1").kubeconfig(&[("well", &well.url()), ("ill", &ill.url())]);
        let mut tui = home.tui_sized(&["--all-contexts", "-A"], 160, 50);
        tui.send(":pods\r");
        tui.wait_for("the rows that are well", |screen| screen.contents().matches("web-").count() >= 2);
        std::thread::sleep(FELT);
        let mut times = moves(&mut tui, KEYS, |n| if n % 2 == 0 { "j" } else { "k" })?;
        latency(&format!("key to screen, {mood}"), &mut times, 16.0);
        tui.quit();
    }
    Ok(())
}
