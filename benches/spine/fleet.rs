//! Ten clusters in one table: what the cockpit holds of 200,000 pods.

use crate::cockpit::{self, LOADED, SETTLED};
use crate::judged;
use crate::measure::memory;
use crate::support::Home;
use anyhow::Result;

/// Clusters.
pub const CLUSTERS: usize = 10;
/// Pods of each.
pub const EACH: usize = 20_000;

/// Measures the cockpit on the clusters at these addresses.
pub fn measure(urls: &[String]) -> Result<()> {
    let names: Vec<String> = (0..urls.len()).map(|n| format!("c{n}")).collect();
    let contexts: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(urls.iter().map(String::as_str)).collect();
    let mut home = Home::new();
    home.set("NO_COLOR", "1").kubeconfig(&contexts);
    let mut tui = home.tui_sized(&["-A", "--all-contexts"], 160, 50);
    tui.wait("c0");
    tui.send(":pods\r");
    let all = CLUSTERS * EACH;
    tui.wait_within(LOADED, "every pod", |screen| cockpit::shows(&screen.contents(), all));
    std::thread::sleep(SETTLED);
    let held = memory(tui.pid(), "VmRSS");
    judged(&format!("{all} pods in {CLUSTERS} clusters, resident"), &format!("{held:.0} MiB"), held, 400.0, " MiB");
    let most = memory(tui.pid(), "VmHWM");
    judged("  the most it had", &format!("{most:.0} MiB"), most, 400.0, " MiB");
    crate::line("  of a pod", &format!("{:.0} bytes", held * 1024.0 * 1024.0 / all as f64));
    tui.quit();
    Ok(())
}
