//! `kokpit why` without an argument: the list of what is wrong; and `-w`, which watches until it is solved.

use super::args::{Args, Output, Why};
use super::why::{clusters, print, subjects};
use super::{FOUND, TROUBLE};
use crate::app::headless::Headless;
use crate::app::why::{Investigation, Source};
use crate::diagnose::problem::Problem;
use crate::diagnose::status::NOT_FOUND;
use crate::diagnose::verdict::{State as Standing, Verdict};
use crate::effect::{Effect, RequestId};
use crate::msg::{Msg, WhyAnswer};
use crate::state::State;
use crate::world::fleet::{ClusterId, Delta, TableDelta};
use crate::world::time::{Time, human};
use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

/// How often a list that is to be printed once is looked at: nobody waits for symptoms to last.
const QUICK: Duration = Duration::from_millis(100);
/// How often one that is watched is.
const CALM: Duration = Duration::from_secs(1);
/// How soon after a change of its cluster a subject is diagnosed again, and how long without one.
const SOON: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(30);

/// Prints what is wrong in the clusters named: exit status 0 nothing, 1 something, 2 nothing that could be seen, and not
/// everything could.
///
/// # Errors
/// When the kubeconfig cannot be read or names no such context.
pub async fn list(args: &Args, why: &Why) -> Result<ExitCode> {
    let mut cockpit = Headless::start(&args.global, if why.watch { CALM } else { QUICK }).await?;
    cockpit.session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let clusters = clusters(&cockpit.session, args)?;
    cockpit.open(&clusters, if why.watch { crate::diagnose::ledger::PATIENCE } else { 0 });
    settle(&mut cockpit, &clusters)?;
    write_list(&cockpit.state, &clusters, why.output)?;
    if !why.watch {
        return Ok(status(&cockpit.state, &clusters));
    }
    let mut told = told(&cockpit.state);
    while !(told.is_empty() && blind(&cockpit.state, &clusters).is_empty()) {
        cockpit.turn(|_| {})?;
        write_changes(&cockpit.state, &mut told, why.output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits until every cluster has been looked at, or cannot be reached.
fn settle(cockpit: &mut Headless, clusters: &[ClusterId]) -> Result<()> {
    // Twice, so that what came last has been screened too.
    let mut settled = 0;
    while settled < 2 {
        cockpit.turn(|_| {})?;
        let all = clusters.iter().all(|id| cockpit.state.is_settled(*id));
        settled = if all { settled + 1 } else { 0 };
    }
    Ok(())
}

/// What could not be read: cluster, kind, why.
fn blind(state: &State, clusters: &[ClusterId]) -> Vec<(String, String, String)> {
    let of = |id: &ClusterId| {
        let name = state.fleet.shard(*id).name.clone();
        state.blind_spots(*id).into_iter().map(move |(kind, reason)| (name.clone(), kind, reason))
    };
    clusters.iter().flat_map(of).collect()
}

fn status(state: &State, clusters: &[ClusterId]) -> ExitCode {
    match (state.problems.list.is_empty(), blind(state, clusters).is_empty()) {
        (false, _) => ExitCode::from(FOUND),
        (true, false) => ExitCode::from(TROUBLE),
        (true, true) => ExitCode::SUCCESS,
    }
}

fn write_list(state: &State, clusters: &[ClusterId], output: Output) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", document(state, clusters))?,
        Output::Text => out.write_all(text(state, clusters).as_bytes())?,
    }
    Ok(())
}

/// The list as one document, docs/why-json.md.
fn document(state: &State, clusters: &[ClusterId]) -> Value {
    let problems: Vec<Value> = state.problems.list.iter().map(|problem| as_json(state, problem)).collect();
    let unreadable: Vec<Value> = blind(state, clusters)
        .into_iter()
        .map(|(cluster, resource, reason)| json!({"cluster": cluster, "resource": resource, "reason": reason}))
        .collect();
    let asked: Vec<&str> = clusters.iter().map(|id| state.fleet.shard(*id).name.as_str()).collect();
    json!({"version": 1, "clusters": asked, "problems": problems, "unreadable": unreadable})
}

fn as_json(state: &State, problem: &Problem) -> Value {
    let name = |id: &ClusterId| state.fleet.shard(*id).name.clone();
    let reason = problem.cause.as_ref();
    let severity = problem.severity();
    let subjects: Vec<Value> =
        problem.subjects.iter().map(|shown| json!({"cluster": name(&shown.cluster), "object": shown.object})).collect();
    let mut told = json!({
        "title": problem.title,
        "severity": severity.starts_with('S').then_some(severity),
        "cause": reason.map(|reason| &reason.cause),
        "confidence": reason.map(|reason| reason.confidence),
        "object": reason.map(|reason| &reason.object),
        "why": problem.why,
        "clusters": problem.clusters().iter().map(name).collect::<Vec<_>>(),
        "subjects": subjects,
        "changed_before": problem.changed_before(),
        "ask": {"cluster": name(&problem.ask.0), "subject": problem.ask.1},
    });
    if problem.since.is_set() {
        told["since"] = problem.since.rfc3339().into();
        told["age_s"] = problem.since.age(state.now).into();
    }
    told
}

/// The list for people: the columns of the screen, and under each line what changed before.
fn text(state: &State, clusters: &[ClusterId]) -> String {
    let mut out = String::new();
    let rows: Vec<[String; 4]> = state.problems.list.iter().map(|problem| cells(state, problem)).collect();
    let width = |n: usize| rows.iter().map(|row| row[n].width()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    for (row, problem) in rows.iter().zip(&state.problems.list) {
        let columns = row.iter().zip(widths).map(|(cell, width)| padded(cell, width)).collect::<Vec<_>>();
        out.push_str(format!("{}  {}", columns.join("  "), problem.why).trim_end());
        out.push('\n');
        for change in problem.changed_before() {
            out.push_str(&format!("    changed before: {} ({} ago)\n", change.text, human(change.age_s)));
        }
    }
    let blind = blind(state, clusters);
    if rows.is_empty() {
        out.push_str(if blind.is_empty() {
            "nothing is wrong\n"
        } else {
            "nothing is wrong with what could be read\n"
        });
    }
    for (cluster, kind, reason) in blind {
        out.push_str(&format!("not readable: {cluster}: {kind}: {reason}\n"));
    }
    out
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

fn cells(state: &State, problem: &Problem) -> [String; 4] {
    let since = if problem.since.is_set() { human(problem.since.age(state.now)) } else { "-".into() };
    [problem.severity().into(), problem.title.clone(), problem.place_words(&state.fleet), since]
}

/// What was said about each problem.
type Told = BTreeMap<String, (String, Value)>;

/// A problem as it was told: its line without ages, which change by themselves.
fn told(state: &State) -> Told {
    let line = |p: &Problem| {
        let [severity, title, place, _] = cells(state, p);
        let line = [&severity, &title, &place, &p.why].map(String::as_str).join("  ");
        (p.key.clone(), (line.trim_end().to_owned(), as_json(state, p)))
    };
    state.problems.list.iter().map(line).collect()
}

/// Prints what is new, different or solved since it was told last.
fn write_changes(state: &State, before: &mut Told, output: Output) -> Result<()> {
    let now = told(state);
    let mut changes: Vec<(&str, &(String, Value))> = Vec::new();
    for (key, told) in &now {
        match before.get(key) {
            None => changes.push(("new", told)),
            Some(known) if known.0 != told.0 => changes.push(("changed", told)),
            Some(_) => {}
        }
    }
    changes.extend(before.iter().filter(|(key, _)| !now.contains_key(*key)).map(|(_, told)| ("solved", told)));
    let mut out = std::io::stdout().lock();
    for (change, (line, problem)) in changes {
        match output {
            Output::Text => writeln!(out, "{}  {change:7}  {line}", clock(state.now))?,
            Output::Json => {
                let at = state.now.rfc3339();
                writeln!(out, "{}", json!({"version": 1, "at": at, "change": change, "problem": problem}))?;
            }
        }
    }
    out.flush()?;
    *before = now;
    Ok(())
}

/// `10:31:02`, UTC.
fn clock(now: Time) -> String {
    now.rfc3339().get(11..19).unwrap_or_default().to_owned()
}

/// Prints the verdict of one subject whenever it changes, until nothing is wrong with it any more.
///
/// # Errors
/// When the target is not understood, or its cluster cannot be reached at the start.
pub async fn follow(args: &Args, why: &Why, target: &str) -> Result<ExitCode> {
    let mut cockpit = Headless::start(&args.global, Duration::from_millis(250)).await?;
    cockpit.session.notices.iter().for_each(|notice| eprintln!("kokpit: {notice}"));
    let session = cockpit.session.clone();
    let cluster = match clusters(&session, args)?.as_slice() {
        [one] => *one,
        _ => bail!("-w {target} watches one cluster: name it with --context"),
    };
    let source = Source { session: &session, cluster, desk: None };
    let mut investigation = Investigation::open(source).await?;
    let subject = subjects(&session, cluster, args, why, &mut investigation).await?.into_iter().next();
    let subject = subject.ok_or_else(|| anyhow!("there is no {target}"))?;
    cockpit.open(&[cluster], crate::diagnose::ledger::PATIENCE);
    let (mut shown, mut asked, mut dirty) = (None::<String>, None::<(RequestId, Instant)>, true);
    let mut waiting = false;
    loop {
        let age = asked.map(|(_, at)| at.elapsed());
        if !waiting && age.is_none_or(|age| age >= LATE || (dirty && age >= SOON)) {
            let request = cockpit.state.request();
            cockpit.run([Effect::Why { request, cluster, subject: subject.clone() }]);
            (asked, dirty, waiting) = (Some((request, Instant::now())), false, true);
        }
        let mut answer = None;
        cockpit.turn(|msg| match msg {
            Msg::Why { request, answer: WhyAnswer::Verdict(verdict) } if asked.is_some_and(|(r, _)| r == *request) => {
                answer = Some(Ok(verdict.clone()));
            }
            Msg::Why { request, answer: WhyAnswer::Failed(error) } if asked.is_some_and(|(r, _)| r == *request) => {
                answer = Some(Err(error.clone()));
            }
            Msg::World(deltas) => dirty |= deltas.iter().any(|(id, delta)| *id == cluster && tells(delta)),
            _ => {}
        })?;
        match answer {
            None => continue,
            Some(Err(error)) if shown.is_none() => bail!("{}: {error}", session.context(cluster).name),
            Some(Err(error)) => eprintln!("kokpit: {}: {error}", session.context(cluster).name),
            Some(Ok(verdict)) => {
                if let Some(code) = tell(&verdict, &mut shown, why.output)? {
                    return Ok(code);
                }
            }
        }
        waiting = false;
    }
}

/// Whether objects came, changed or went.
fn tells(delta: &Delta) -> bool {
    matches!(delta, Delta::Table(_, TableDelta::Upsert(_) | TableDelta::Gone(_) | TableDelta::ListEnd))
}

/// Prints a verdict that says something else than the one before. The exit status, once there is nothing to wait for.
fn tell(verdict: &Verdict, shown: &mut Option<String>, output: Output) -> Result<Option<ExitCode>> {
    let reason = verdict.primary.as_ref().map(|primary| (&primary.cause, &primary.object, primary.confidence));
    let gone = verdict.headline == NOT_FOUND;
    let says = format!("{:?} {reason:?} {gone} {}", verdict.state, verdict.in_progress);
    let first = shown.is_none();
    if shown.as_ref() != Some(&says) {
        print(verdict, output)?;
        *shown = Some(says);
    }
    Ok(match verdict.state {
        // What starts may still fail.
        Standing::Fine if verdict.in_progress => None,
        Standing::Fine => Some(ExitCode::SUCCESS),
        // A pod that was replaced by a better one; what never was there cannot be waited for.
        Standing::Unknown if gone => Some(if first { ExitCode::from(TROUBLE) } else { ExitCode::SUCCESS }),
        _ => None,
    })
}
