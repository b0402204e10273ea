//! A log that is written as fast as anybody reads it: how many lines a second the cockpit takes in and shows, how soon a
//! key is on the screen meanwhile, and how long the picture stands still.

use crate::cockpit::latency;
use crate::measure::{cpu, memory, ms};
use crate::support::http::Chunks;
use crate::support::{Home, Tui};
use crate::{judged, line, reached};
use anyhow::{Context, Result};
use std::io;
use std::time::{Duration, Instant};

/// Lines of a chunk.
const CHUNK: u64 = 128;
/// Nanoseconds between two lines by their timestamps.
const STEP: u64 = 10_000;
/// Keys for one figure.
const KEYS: usize = 300;
/// How long the picture is watched.
const WATCHED: Duration = Duration::from_secs(5);
/// Digits of the number that ends a line.
const DIGITS: usize = 10;
/// What stands before it.
const NUMBER: &str = "seq=";

/// The ways in which programs write: the text of a line without its number.
const TEXTS: [&str; 4] = [
    r#"10.244.3.17 - - "GET /api/v2/orders/81723 HTTP/1.1" 200 5124 "-" "Go-http-client/2.0" rt=0.012 upstream=10.244.9.4:8080 "#,
    r#"I1121 10:00:00.123456       1 controller.go:231] "Finished syncing" logger="endpointslice" service="shop/cart" took="1.7ms" "#,
    r#"{"level":"info","ts":"2026-11-21T10:00:00.123Z","logger":"http","msg":"request served","path":"/cart","status":200,"ms":12.5} "#,
    r#"level=warn ts=2026-11-21T10:00:00.123Z caller=retry.go:88 msg="trying again" attempt=2 err="connection refused" peer=10.0.4.9 "#,
];

/// Writes so many chunks of lines, or until the reader goes; the time it takes is the reader's.
pub fn write(chunks: usize, out: &mut Chunks<'_>) -> io::Result<()> {
    let mut number = 0u64;
    let mut chunk = String::with_capacity(CHUNK as usize * 256);
    for _ in 0..chunks {
        chunk.clear();
        for _ in 0..CHUNK {
            number += 1;
            one(number, &mut chunk);
        }
        out.send(chunk.as_bytes())?;
    }
    Ok(())
}

fn one(number: u64, out: &mut String) {
    use std::fmt::Write;
    let nanos = number * STEP;
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let text = TEXTS[number as usize % TEXTS.len()];
    let (minute, second) = (seconds / 60 % 60, seconds % 60);
    // Writing into a string does not fail.
    let _ = writeln!(out, "2026-11-21T10:{minute:02}:{second:02}.{rest:09}Z {text}{NUMBER}{number:0DIGITS$}");
}

/// Measures the cockpit on the log of a pod of the cluster at `url`.
pub fn measure(url: &str) -> Result<()> {
    let mut home = Home::new();
    home.set("NO_COLOR", "1").kubeconfig(&[("small", url)]);
    let mut tui = home.tui_sized(&["-A"], 200, 50);
    tui.wait("small");
    tui.send(":pods\r");
    tui.wait_for("a pod", |screen| screen.contents().contains("team-"));
    tui.send(":logs app\r");
    tui.wait_for("a line of the log", |screen| last(screen).is_some());
    // Raw, for the number to be where it was written.
    tui.send("r");
    run(&mut tui, "a log written at full speed", "")?;
    tui.send("/warn|error\r");
    tui.wait_for("the filter", |screen| screen.contents().contains("/warn|error"));
    run(&mut tui, "the same through a filter that lets a quarter pass", " (filtered)")?;
    line("  resident memory of the cockpit", &format!("{:.0} MiB", memory(tui.pid(), "VmRSS")));
    tui.quit();
    Ok(())
}

fn run(tui: &mut Tui, what: &str, which: &str) -> Result<()> {
    let pid = tui.pid();
    // The first hundred thousand lines are cheaper: none of them has to go.
    let begin = number(tui)?;
    tui.wait_for("what is kept to be full", |screen| last(screen).is_some_and(|n| n > begin + 200_000));
    let (from, before, start) = (number(tui)?, cpu(pid), Instant::now());
    let still = gaps(tui);
    let mut times = keys(tui)?;
    let (lines, time, busy) = (number(tui)? - from, start.elapsed(), cpu(pid) - before);
    let rate = lines as f64 / time.as_secs_f64();
    reached(&format!("{what}, lines a second"), &format!("{rate:.0}"), rate, 50_000.0);
    line("  processor time of a line", &format!("{:.1} µs", busy.as_secs_f64() * 1e6 / lines as f64));
    latency(&format!("  key to screen meanwhile{which}"), &mut times, 16.0);
    judged(&format!("  longest standstill of the picture{which}"), &ms(still), still.as_secs_f64() * 1e3, 100.0, " ms");
    Ok(())
}

/// The number of the last line that is shown whole.
fn last(screen: &vt100::Screen) -> Option<u64> {
    let text = screen.contents();
    let at = text.rfind(NUMBER)? + NUMBER.len();
    text.get(at..at + DIGITS)?.parse().ok()
}

fn number(tui: &Tui) -> Result<u64> {
    tui.look(last).context("no line of the log is shown")
}

/// The longest time between two pictures.
fn gaps(tui: &Tui) -> Duration {
    let (start, mut most) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < WATCHED {
        let now = tui.look(last);
        most = most.max(tui.wait_for("newer lines", |screen| last(screen) != now));
    }
    most
}

/// Takes the top line away and brings it back; the time until the screen shows it.
fn keys(tui: &mut Tui) -> Result<Vec<Duration>> {
    let titled = |screen: &vt100::Screen| screen.contents().lines().next().is_some_and(|line| line.contains("logs"));
    let mut times = Vec::new();
    for n in 0..KEYS {
        let (was, start) = (tui.look(titled), Instant::now());
        tui.send("f");
        tui.wait_for("the top line gone or back", |screen| titled(screen) != was);
        times.push(start.elapsed());
        std::thread::sleep(Duration::from_millis(7 + (n as u64 * 13) % 17));
    }
    Ok(times)
}
