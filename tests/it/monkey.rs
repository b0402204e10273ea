//! A monkey at the keyboard of the real binary, in read-only mode, on two embedded clusters: it does not crash, it does
//! not hang, it writes nothing, and it gives the terminal back.

use crate::embedded::Embedded;
use crate::support::{Home, until};
use std::time::{Duration, Instant};

/// How long it types; `KOKPIT_MONKEY_SECONDS` says otherwise (60 for a thorough walk).
const TYPES_FOR: Duration = Duration::from_secs(10);

/// What leads somewhere, so that walks get deep.
const PHRASES: &[&str] = &[
    ":pods\r",
    ":nodes\r",
    ":deploy\r",
    ":events\r",
    ":cm\r",
    ":fleet\r",
    ":ops\r",
    ":pf\r",
    ":notices\r",
    ":aliases\r",
    ":problems\r",
    ":xray deploy\r",
    ":theme\r",
    ":ns\r",
    ":pods @*\r",
    ":pods shop @one\r",
    ":why pods/big\r",
    ":help\r",
    "/web\r",
    "/!big\r",
    "d",
    "y",
    "x",
    "l",
    "w",
    "t",
    "\r",
    "\r",
    "\u{1b}",
    "\u{1b}[A",
    "\u{1b}[B",
    "\u{1b}[5~",
    "\u{1b}[6~",
    "\u{1b}[H",
    "\u{1b}[F",
    "\u{1b}[Z",
    "\t",
    " ",
    "0",
    "[",
    "]",
    "-",
    "?",
    "n",
    "N",
    "f",
    "p",
    "r",
    "c",
    "u",
    "C",
    "D",
    "S",
    "\u{1b}[200~pasted\ntext \u{1b}[31m\u{1b}[201~",
    "\u{1b}[<0;10;5M\u{1b}[<0;10;5m",
    "\u{1b}[<64;3;3M",
    "\u{1b}[I",
    "\u{1b}[O",
    "日本語",
    "👍",
    ":drain\r",
    ":scale 0\r",
    ":delete\r",
    ":edit\r",
    ":kill\r",
    ":restart\r",
    ":shell\r",
    ":cordon x\r",
    ":debug\r",
    ":copy-to a b\r",
    ":set-image web:2\r",
    ":rollback\r",
    ":attach\r",
];

/// Random numbers that are the same everywhere (splitmix64).
fn roll(state: &mut u64, n: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % n as u64) as usize
}

/// One key or phrase; never Ctrl-C, Ctrl-Z or `Q` in front of a person's back: they leave, as they should.
fn next(dice: &mut u64) -> String {
    if roll(dice, 3) > 0 {
        return PHRASES[roll(dice, PHRASES.len())].to_string();
    }
    let code = 1 + roll(dice, 126) as u8;
    match code {
        // Ctrl-C, Ctrl-Q and Ctrl-Z; a lone Ctrl-J or Ctrl-M is Enter and may confirm leaving.
        3 | 17 | 26 => "\u{1b}".into(),
        _ => char::from(code).to_string(),
    }
}

#[test]
fn in_read_only_mode_it_breaks_and_changes_nothing() {
    let home = Home::new();
    home.write("config/config.toml", "[ui]\nmouse = true\n");
    let clusters = [Embedded::shop(), Embedded::shop()];
    home.kubeconfig(&[("one", &clusters[0].url()), ("two", &clusters[1].url())]);
    for cluster in &clusters {
        until("the pods", || (cluster.pods().len() == 3).then_some(()));
    }
    let before: Vec<_> = clusters.iter().map(|cluster| (cluster.pods(), cluster.cordoned("n1"))).collect();
    let mut tui = home.tui_sized(&["--readonly", "--all-contexts", "-n", "shop"], 100, 30);
    tui.send(":pods\r").wait("big");
    let seed = std::env::var("KOKPIT_MONKEY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let seconds = std::env::var("KOKPIT_MONKEY_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let ends = Instant::now() + seconds.map_or(TYPES_FOR, Duration::from_secs);
    let (mut dice, mut typed) = (seed, Vec::new());
    while Instant::now() < ends {
        assert!(tui.runs(), "KOKPIT_MONKEY_SEED={seed}: it ended after {:?}:\n{}", last(&typed), tui.text());
        for _ in 0..12 {
            let keys = next(&mut dice);
            tui.send(&keys);
            typed.push(keys);
        }
        if roll(&mut dice, 8) == 0 {
            tui.resize(20 + roll(&mut dice, 160) as u16, 4 + roll(&mut dice, 50) as u16);
        }
        // Every key so far is answered before the next ones come: a prompt opens and goes again.
        tui.send("\u{1b}").send("\u{1b}").send("\u{1b}").send(":fleet\r");
        let mark = format!("no-such-{}", typed.len());
        tui.resize(100, 30);
        tui.send(&format!(":{mark}"));
        tui.wait_for(&format!("an answer (KOKPIT_MONKEY_SEED={seed}, typed last: {:?})", last(&typed)), |screen| {
            screen.contents().contains(&mark)
        });
        tui.send("\u{1b}").wait_gone(&mark);
    }
    tui.send(":pods -A @one @two\r").wait("web-");
    tui.quit();
    tui.assert_restored();
    assert!(!String::from_utf8_lossy(&tui.raw()).contains("panicked"), "KOKPIT_MONKEY_SEED={seed}");
    for (cluster, before) in clusters.iter().zip(before) {
        let requests = cluster.stats().requests;
        // Ports are forwarded and files copied out by `create` on a stream: nothing changes by that.
        let streams = ["pods/portforward", "pods/exec"];
        let writes: Vec<_> = requests
            .iter()
            .filter(|((verb, resource), _)| {
                !matches!(verb.as_str(), "get" | "list" | "watch") && !streams.contains(&resource.as_str())
            })
            .collect();
        assert!(writes.is_empty(), "KOKPIT_MONKEY_SEED={seed}: {writes:?}");
        assert_eq!((cluster.pods(), cluster.cordoned("n1")), before, "KOKPIT_MONKEY_SEED={seed}");
    }
    assert!(home.run(&["ops"]).out.lines().all(|line| !line.contains("open")), "nothing is on record");
}

fn last(typed: &[String]) -> &[String] {
    &typed[typed.len().saturating_sub(12)..]
}
