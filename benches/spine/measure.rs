//! Figures about processes and series of measurements.

use std::time::Duration;

/// The value below which this share of the series lies (nearest rank).
pub fn percentile(series: &mut [Duration], share: f64) -> Duration {
    series.sort_unstable();
    let rank = (series.len() as f64 * share).ceil() as usize;
    series.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// A line of `/proc/<pid>/status` in MiB (`VmHWM` the most it ever had, `VmRSS` what it has).
pub fn memory(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// CPU time of a process so far, user and system. Linux counts it in hundredths of a second (`USER_HZ`).
pub fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the fields after it are numbers.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// Milliseconds with one decimal.
pub fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
