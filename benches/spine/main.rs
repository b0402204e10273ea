//! `cargo bench`: the figures that docs/performance.md names, measured on this machine in one run.
//!
//! The server of 50,000 pods, the floor and every sync run in processes of their own (this binary, started again with
//! another word), so that memory and processor time belong to what is measured. The cockpit is the real binary in a
//! pseudo-terminal.

#[path = "../../src/allocator.rs"]
mod allocator;
mod churn;
mod cockpit;
mod data;
// (The tests use more of it.)
#[allow(dead_code)]
#[path = "../../tests/it/embedded.rs"]
mod embedded;
mod fleet;
mod floor;
mod logs;
mod measure;
mod moods;
mod screening;
mod server;
#[path = "../../tests/it/support.rs"]
mod support;
mod sync;

use anyhow::{Context, Result, bail};
use floor::Work;
use measure::{ms, percentile};
use std::process::Command;
use std::time::Duration;
use support::Served;

/// Objects of the big cluster.
const PODS: usize = 50_000;
/// Runs of what takes a second; the median counts.
const RUNS: usize = 7;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", pods, first] => serve(pods.parse()?, first.parse()?),
        ["discard", url] => report_floor(url, Work::Discard),
        ["skip", url] => report_floor(url, Work::Skip),
        ["sync", url, pods] => sync::report(url, pods.parse()?),
        ["screen", url, pods] => screening::report(url, pods.parse()?),
        // One part alone: `cargo bench --bench spine -- logs`.
        ["logs", "--bench"] => of_logs(),
        ["churn", "--bench"] => of_churn(),
        ["fleet", "--bench"] => of_fleet(),
        ["moods", "--bench"] => moods::measure(),
        // `cargo test --benches` runs this as well; only `cargo bench` passes the word.
        _ if args.iter().any(|arg| arg == "--bench") => bench(),
        _ => Ok(()),
    }
}

/// Serves until the parent ends it.
fn serve(pods: usize, first: usize) -> Result<()> {
    let server = server::start(pods, first);
    println!("{}", server.url());
    loop {
        std::thread::park();
    }
}

fn report_floor(url: &str, work: Work) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (time, bytes) = runtime.block_on(floor::read(url, work))?;
    println!("{} {bytes} {}", time.as_micros(), measure::memory(std::process::id(), "VmHWM"));
    Ok(())
}

/// Runs this binary again with other words; the numbers that it prints.
fn again(args: &[&str]) -> Result<Vec<f64>> {
    let output = Command::new(std::env::current_exe()?).args(args).output()?;
    if !output.status.success() {
        bail!("{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().map(|n| n.parse().with_context(|| format!("{args:?} printed {text}"))).collect()
}

/// Several runs of several measurements, in turns, so that whatever else the machine does meets all of them alike: of
/// each the median time, and the numbers of its last run.
fn in_turns<const N: usize>(jobs: [&[&str]; N]) -> Result<[(Duration, Vec<f64>); N]> {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    let mut last: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..RUNS {
        for (n, job) in jobs.iter().enumerate() {
            last[n] = again(job)?;
            times[n].push(Duration::from_micros(last[n].first().copied().unwrap_or_default() as u64));
        }
    }
    Ok(std::array::from_fn(|n| (percentile(&mut times[n], 0.5), std::mem::take(&mut last[n]))))
}

fn bench() -> Result<()> {
    heading();
    let (server, url) = served(PODS, 0)?;
    loading(&url)?;
    screening(&url)?;
    cockpit::measure(&url)?;
    drop(server);
    of_logs()?;
    of_churn()?;
    of_fleet()?;
    moods::measure()
}

fn heading() {
    println!("{:<58} {:>22}   {:<13} verdict", "", "measured", "target");
}

/// A server of so many pods, from a number on, and where it listens.
fn served(pods: usize, first: usize) -> Result<(Served, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", &pods.to_string(), &first.to_string()]);
    let server = Served::start(command, |line| line.starts_with("http"));
    let url = server.lines.last().cloned().unwrap_or_default();
    Ok((server, url))
}

fn of_logs() -> Result<()> {
    // (Number 0 crashes.)
    let (_server, url) = served(1, 1)?;
    logs::measure(&url)
}

fn of_churn() -> Result<()> {
    let (_server, url) = served(PODS, 0)?;
    churn::measure(&url)
}

fn of_fleet() -> Result<()> {
    let each = (0..fleet::CLUSTERS).map(|n| served(fleet::EACH, n * fleet::EACH));
    let (_servers, urls): (Vec<Served>, Vec<String>) = each.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    fleet::measure(&urls)
}

/// One line of the table that has no target.
pub fn line(what: &str, measured: &str) {
    println!("{what:<58} {measured:>22}");
}

/// One line of the table: what was measured, in words and as the number that has to stay at or below `most`, in `unit`.
pub fn judged(what: &str, measured: &str, number: f64, most: f64, unit: &str) {
    let verdict = if number <= most { "met" } else { "missed" };
    println!("{what:<58} {measured:>22}   {:<13} {verdict}", format!("<= {most}{unit}"));
}

/// As [`judged`], of a number that has to reach `least`.
pub fn reached(what: &str, measured: &str, number: f64, least: f64) {
    let verdict = if number >= least { "met" } else { "missed" };
    println!("{what:<58} {measured:>22}   {:<13} {verdict}", format!(">= {least}"));
}

fn screening(url: &str) -> Result<()> {
    let numbers = again(&["screen", url, &PODS.to_string()])?;
    let at = |n: usize| numbers.get(n).copied().unwrap_or(f64::NAN);
    let what = "1,000 events a second taken in, screened and listed";
    judged(what, &format!("{:.1} %", at(0)), at(0), 10.0, " %");
    line("  rows screened, lines listed", &format!("{:.0}, {:.0}", at(1), at(2)));
    Ok(())
}

fn loading(url: &str) -> Result<()> {
    let pods = PODS.to_string();
    let [(discard, numbers), (skip, _), (synced, sync)] =
        in_turns([&["discard", url], &["skip", url], &["sync", url, &pods]])?;
    let megabytes = numbers.get(1).copied().unwrap_or_default() / 1e6;
    line(&format!("{PODS} pods, {megabytes:.0} MB in pages of 500: read, discarded"), &ms(discard));
    line("the same, parsed and discarded", &ms(skip));
    let at = |n: usize| sync.get(n).copied().unwrap_or(f64::NAN);
    line("synced, every raw object kept", &ms(synced));
    let ratio = |floor: Duration| synced.as_secs_f64() / floor.as_secs_f64();
    judged("  as a ratio to read and discarded, the floor", &format!("{:.2}", ratio(discard)), ratio(discard), 2.0, "");
    line("  as a ratio to parsed and discarded", &format!("{:.2}", ratio(skip)));
    line("  first rows", &ms(Duration::from_micros(at(1) as u64)));
    line("  processor time", &ms(Duration::from_micros(at(2) as u64)));
    judged("  resident memory, most", &format!("{:.0} MiB", at(3)), at(3), 100.0, " MiB");
    judged("  resident memory, two seconds later", &format!("{:.0} MiB", at(4)), at(4), 100.0, " MiB");
    Ok(())
}
