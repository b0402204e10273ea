//! The real binary in a pseudo-terminal: how soon a key is on the screen, the first frame, what idling costs.

use crate::measure::{cpu, memory, ms, percentile};
use crate::support::{Home, Tui};
use crate::{PODS, judged, line};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Keys for one figure.
const KEYS: usize = 500;
/// Starts for one figure.
const STARTS: usize = 100;
/// How long idling is watched.
const IDLE: Duration = Duration::from_secs(10);
/// How long the background diagnosis is given to come to an end: it is work, not idling, and has a line of its own.
pub const SETTLED: Duration = Duration::from_secs(25);
/// Longest time for all rows to be there.
pub const LOADED: Duration = Duration::from_secs(60);

/// Measures the cockpit on the big cluster at `url`.
pub fn measure(url: &str) -> Result<()> {
    let mut home = Home::new();
    // Without colours the selected row is the reversed one, whatever the theme.
    home.set("NO_COLOR", "1").kubeconfig(&[("big", url)]);
    first_frame(&home);
    let mut tui = home.tui_sized(&["-A"], 160, 50);
    tui.wait("big");
    tui.send(":pods\r");
    tui.wait_within(LOADED, "every pod", |screen| counts(&screen.contents()));
    std::thread::sleep(Duration::from_secs(3));
    let pid = tui.pid();
    let before = cpu(pid);
    std::thread::sleep(SETTLED);
    line("finding out what is wrong, processor time", &ms(cpu(pid) - before));
    let before = cpu(pid);
    std::thread::sleep(IDLE);
    let share = (cpu(pid) - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    judged("idle over 10 s, of one core", &format!("{share:.1} %"), share, 0.5, " %");
    let held = memory(pid, "VmRSS");
    judged("  resident memory of the cockpit", &format!("{held:.0} MiB"), held, 100.0, " MiB");
    keys(&mut tui, "key to screen, idle", 5.0)?;
    typing(&mut tui);
    rate(url, 1_000)?;
    std::thread::sleep(Duration::from_secs(1));
    let before = (cpu(pid), Instant::now());
    keys(&mut tui, "key to screen, 1,000 events a second", 16.0)?;
    let share = (cpu(pid) - before.0).as_secs_f64() / before.1.elapsed().as_secs_f64() * 100.0;
    line("  processor time meanwhile, of one core", &format!("{share:.0} %"));
    traffic(&tui);
    rate(url, 0)?;
    tui.quit();
    Ok(())
}

/// What goes over the line while pods change of which a screenful is in view.
fn traffic(tui: &Tui) {
    const BEGIN: &[u8] = b"\x1b[?2026h";
    tui.forget_raw();
    let before = cpu(tui.pid());
    std::thread::sleep(IDLE);
    let share = (cpu(tui.pid()) - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    judged("  processor time while nobody types", &format!("{share:.1} %"), share, 10.0, " %");
    let sent = tui.raw();
    let seconds = IDLE.as_secs_f64();
    let frames: Vec<usize> =
        sent.windows(BEGIN.len()).enumerate().filter(|(_, at)| *at == BEGIN).map(|(n, _)| n).collect();
    let rate = sent.len() as f64 / seconds / 1e3;
    judged("to the terminal, 1,000 events a second, nobody types", &format!("{rate:.2} kB/s"), rate, 4.0, " kB/s");
    let often = frames.len() as f64 / seconds;
    judged("  frames", &format!("{often:.1} a second"), often, 30.0, " a second");
    let ends = frames.iter().skip(1).copied().chain([sent.len()]);
    let largest = frames.iter().zip(ends).map(|(begin, end)| end - begin).max().unwrap_or_default();
    line("  largest frame", &format!("{largest} bytes"));
}

/// Whether the top line counts every pod of the big cluster.
pub fn counts(text: &str) -> bool {
    shows(text, PODS)
}

/// Whether the top line shows a number, with or without a separator of thousands.
pub fn shows(text: &str, number: usize) -> bool {
    let digits: String = text.lines().take(3).collect::<String>().replace([' ', ',', '\u{a0}', '\u{202f}'], "");
    digits.contains(&number.to_string())
}

/// Sets the rate of the server's events.
pub fn rate(url: &str, events: u32) -> Result<()> {
    ask(url, &format!("/rate?{events}")).map(drop)
}

/// Asks the server of the benchmark something; its answer.
pub fn ask(url: &str, path: &str) -> Result<String> {
    let address = url.strip_prefix("http://").unwrap_or(url);
    let mut stream = TcpStream::connect(address).context("the server of the benchmark")?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.into()),
        _ => bail!("{path}: {answer}"),
    }
}

/// The row of the screen that is drawn reversed for most of its width.
fn selected(screen: &vt100::Screen) -> Option<u16> {
    let (rows, cols) = screen.size();
    let reversed =
        |row: u16| (0..cols.get()).filter(|col| screen.cell(row, *col).is_some_and(vt100::Cell::inverse)).count();
    (1..rows.get().saturating_sub(1)).find(|row| reversed(*row) > usize::from(cols.get()) / 2)
}

fn keys(tui: &mut Tui, what: &str, most: f64) -> Result<()> {
    let mut times = moves(tui, KEYS, |n| if n % 20 < 10 { "j" } else { "k" })?;
    latency(what, &mut times, most);
    Ok(())
}

/// Moves the cursor down and up again, by the key for each time; the time until the screen shows it.
pub fn moves(tui: &mut Tui, count: usize, key: impl Fn(usize) -> &'static str) -> Result<Vec<Duration>> {
    tui.send("g");
    tui.wait_for("a selected row", |screen| selected(screen).is_some());
    let mut times = Vec::new();
    for n in 0..count {
        let from = tui.look(selected).context("no row is selected")?;
        let start = Instant::now();
        tui.send(key(n));
        tui.wait_for("the cursor on another row", |screen| selected(screen).is_some_and(|row| row != from));
        times.push(start.elapsed());
        // Keys come at different points of whatever the program does in between.
        std::thread::sleep(Duration::from_millis(7 + (n as u64 * 13) % 17));
    }
    Ok(times)
}

/// Types `/` and words after it and takes them back, letter by letter; the time until the filter line and the rows show
/// it.
fn typing(tui: &mut Tui) {
    let start = Instant::now();
    tui.send("/");
    tui.wait_for("the filter line", |screen| screen.contents().lines().any(|line| line.trim() == "/"));
    let mut times = vec![start.elapsed()];
    for word in ["payments", "node-07", "zebra-9", "crashloop", "mail-00"] {
        for n in 1..=word.len() {
            let (typed, start) = (format!("/{}", &word[..n]), Instant::now());
            tui.send(&word[n - 1..n]);
            tui.wait_for("the letter in the filter", |screen| screen.contents().contains(&typed));
            times.push(start.elapsed());
        }
        for n in (1..=word.len()).rev() {
            let (typed, start) = (format!("/{}", &word[..n]), Instant::now());
            tui.send("\x7f");
            tui.wait_for("the letter gone from the filter", |screen| !screen.contents().contains(&typed));
            times.push(start.elapsed());
        }
    }
    tui.send("\r");
    latency("letter of a filter to screen, every row looked at", &mut times, 16.0);
}

/// Half and nearly all of the times, the latter against its target in milliseconds.
pub fn latency(what: &str, times: &mut [Duration], most: f64) {
    let (half, nearly_all) = (percentile(times, 0.5), percentile(times, 0.99));
    let measured = format!("{}, {}", ms(half), ms(nearly_all));
    judged(&format!("{what}: p50, p99"), &measured, nearly_all.as_secs_f64() * 1e3, most, " ms");
}

fn first_frame(home: &Home) {
    let mut times: Vec<Duration> = (0..STARTS)
        .map(|_| {
            let start = Instant::now();
            let mut tui = home.tui_sized(&[], 160, 50);
            tui.wait_for("a first frame", |screen| screen.alternate_screen() && !screen.contents().trim().is_empty());
            let time = start.elapsed();
            tui.quit();
            time
        })
        .collect();
    latency("start to first frame", &mut times, 50.0);
}
