//! Memory over a day: pods of the big cluster are replaced, one here and one there, a hundred thousand of them in a
//! minute.

use crate::cockpit::{self, LOADED, SETTLED};
use crate::measure::memory;
use crate::support::Home;
use crate::{judged, line};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Pods that are replaced.
const REPLACED: u32 = 100_000;
/// Longest time for that.
const LIMIT: Duration = Duration::from_secs(600);
/// How long what is left to do afterwards may take.
const REST: Duration = Duration::from_secs(10);

/// Measures the cockpit on the big cluster at `url`.
pub fn measure(url: &str) -> Result<()> {
    let mut home = Home::new();
    home.set("NO_COLOR", "1").kubeconfig(&[("big", url)]);
    let mut tui = home.tui_sized(&["-A"], 160, 50);
    tui.wait("big");
    tui.send(":pods\r");
    tui.wait_within(LOADED, "every pod", |screen| cockpit::counts(&screen.contents()));
    std::thread::sleep(SETTLED);
    let held = || memory(tui.pid(), "VmRSS");
    let (before, start) = (held(), Instant::now());
    let (mut most, mut halfway) = (before, before);
    cockpit::ask(url, &format!("/churn?{REPLACED}"))?;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        most = most.max(held());
        let left: u32 = cockpit::ask(url, "/churn")?.trim().parse()?;
        if left >= REPLACED / 2 {
            halfway = held();
        }
        if left == 0 {
            break;
        }
        if start.elapsed() > LIMIT {
            bail!("{left} of {REPLACED} pods were not replaced within {} s", LIMIT.as_secs());
        }
    }
    let took = start.elapsed();
    std::thread::sleep(REST);
    let after = held();
    line(&format!("{REPLACED} pods replaced at random, in"), &format!("{:.0} s", took.as_secs_f64()));
    let figures = [before, halfway, most].map(|mib| format!("{mib:.0}")).join(", ");
    line("  resident memory before, halfway, most", &format!("{figures} MiB"));
    let grown = (after / before - 1.0) * 100.0;
    judged("  afterwards", &format!("{after:.0} MiB, {grown:+.1} %"), grown.abs(), 5.0, " %");
    tui.quit();
    Ok(())
}
