//! A verdict as lines of text, each leading to the object it speaks of.

use super::text::TextLine;
use crate::diagnose::verdict::{Evidence, Finding, Fix, Hop, Mark, Scheduling, State, Verdict};
use crate::theme::Meaning;
use crate::world::object::ObjectRef;
use crate::world::time::human;

/// The report.
pub fn lines(verdict: &Verdict) -> Vec<TextLine> {
    let mut out = vec![];
    match (&verdict.primary, verdict.state) {
        (Some(primary), _) => finding(&mut out, primary, true),
        (None, State::Fine) => out.push(TextLine::new(Meaning::Good, "Nothing is wrong.")),
        (None, _) => out.push(TextLine::new(Meaning::Warn, "The reason could not be found out.")),
    }
    section(&mut out, "The way, top to bottom", verdict.chain.iter().map(hop));
    if let Some(scheduling) = &verdict.scheduling {
        matrix(&mut out, scheduling);
    }
    if let Some(primary) = &verdict.primary {
        fixes(&mut out, &primary.fixes);
    }
    let also = |findings: &[Finding]| -> Vec<TextLine> { findings.iter().flat_map(short).collect() };
    section(&mut out, "What follows from it", also(&verdict.contributing).into_iter());
    section(&mut out, "Also true, not the reason", also(&verdict.also_true).into_iter());
    let unreadable = verdict.unreadable.iter().map(|u| {
        let decided = if u.would_decide.is_empty() { String::new() } else { format!(" – {}", u.would_decide) };
        TextLine::new(Meaning::Warn, format!("  {}: {}{decided}", u.resource, u.reason))
    });
    section(&mut out, "Not readable", unreadable);
    out
}

fn section(out: &mut Vec<TextLine>, title: &str, lines: impl Iterator<Item = TextLine>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        out.push(TextLine::default());
        out.push(TextLine::new(Meaning::Title, title));
        out.extend(lines);
    }
}

fn finding(out: &mut Vec<TextLine>, finding: &Finding, primary: bool) {
    let bullet = if primary { "● " } else { "  " };
    out.push(TextLine::new(Meaning::Bad, format!("{bullet}{}", finding.summary)).to(&finding.object));
    out.push(TextLine::new(Meaning::Muted, format!("  {}  on {}", finding.cause, finding.object)).to(&finding.object));
    out.extend(finding.evidence.iter().map(evidence));
}

fn short(finding: &Finding) -> Vec<TextLine> {
    let head = TextLine::new(Meaning::Text, format!("  {}", finding.summary)).to(&finding.object);
    std::iter::once(head.with(Meaning::Muted, format!("  {}", finding.cause))).collect()
}

fn evidence(e: &Evidence) -> TextLine {
    let line = TextLine::new(Meaning::Text, format!("    {}", e.text)).to(&e.object);
    match e.age_s {
        Some(age) => line.with(Meaning::Muted, format!("  for {}", human(age))),
        None => line,
    }
}

fn hop(hop: &Hop) -> TextLine {
    let (mark, meaning) = match hop.mark {
        Mark::Ok => ("✓", Meaning::Good),
        Mark::Broken => ("✗", Meaning::Bad),
        Mark::Follows => ("·", Meaning::Muted),
        Mark::Unknown => ("?", Meaning::Warn),
    };
    let line = TextLine::new(meaning, format!("  {mark} {:<14}", hop.name)).with(Meaning::Text, hop.text.clone());
    TextLine { target: hop.object.clone(), ..line }
}

fn matrix(out: &mut Vec<TextLine>, scheduling: &Scheduling) {
    let Some(first) = scheduling.matrix.first() else { return };
    let mut rows: Vec<Vec<String>> = vec![
        ["NODE"].into_iter().chain(first.cells.iter().map(|(title, _, _)| title.as_str())).map(String::from).collect(),
    ];
    rows[0].push("verdict".into());
    for row in &scheduling.matrix {
        let cells = row.cells.iter().map(|(_, text, ok)| if *ok { text.clone() } else { format!("✗ {text}") });
        let verdict = if row.away == 0 { "fits".into() } else { format!("{} away", row.away) };
        rows.push(std::iter::once(row.node.clone()).chain(cells).chain([verdict]).collect());
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let text = |row: &[String]| -> String {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("  {}", cells.collect::<String>().trim_end())
    };
    out.push(TextLine::default());
    out.push(TextLine::new(Meaning::Label, text(&rows[0])));
    for (row, node) in rows[1..].iter().zip(&scheduling.matrix) {
        let meaning = if node.away == 0 { Meaning::Good } else { Meaning::Text };
        out.push(TextLine::new(meaning, text(row)).to(&ObjectRef::new("", "Node", "", &node.node)));
    }
}

fn fixes(out: &mut Vec<TextLine>, fixes: &[Fix]) {
    if fixes.is_empty() {
        return;
    }
    out.push(TextLine::default());
    out.push(TextLine::new(Meaning::Title, "What mends it, smallest first"));
    for (n, fix) in fixes.iter().enumerate() {
        let line = TextLine::new(Meaning::Text, format!("  {}  {}", n + 1, fix.summary));
        out.push(if fix.verified { line.with(Meaning::Good, "  (checked by re-evaluating)") } else { line });
        if !fix.live.is_empty() {
            out.push(TextLine::new(Meaning::Muted, format!("     live  {}", fix.live)));
        }
        if let Some(git) = &fix.git {
            let place = format!("     git   {} {} {}  {}", git.repo, git.revision, git.path, git.field);
            out.push(TextLine::new(Meaning::Muted, place));
        }
    }
}
