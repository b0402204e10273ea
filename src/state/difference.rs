//! Git against what lives, as lines of text: what differs first, each object leading to itself.

use super::text::TextLine;
use crate::gitops::compare::{Compared, Comparison, Standing};
use crate::theme::Meaning;

/// The whole comparison. Objects that are as git says are counted only.
pub fn lines(comparison: &Comparison) -> Vec<TextLine> {
    let mut lines = vec![
        TextLine::new(Meaning::Title, comparison.application.to_string())
            .with(Meaning::Text, format!("  {}", comparison.state))
            .to(&comparison.application),
    ];
    if !comparison.git.is_empty() {
        lines.push(TextLine::new(Meaning::Label, "git: ").with(Meaning::Text, comparison.git.clone()));
        let from = comparison.repositories.iter();
        lines.extend(from.map(|url| TextLine::new(Meaning::Muted, format!("     {url}"))));
    }
    lines.push(summary(comparison));
    lines.extend(comparison.notes.iter().map(|note| TextLine::new(Meaning::Warn, note.clone())));
    let mut told: Vec<&Compared> = comparison.objects.iter().filter(|one| one.standing != Standing::Same).collect();
    told.sort_by_key(|one| rank(&one.standing));
    for one in told {
        lines.push(TextLine::default());
        lines.extend(object(one, comparison));
    }
    lines
}

fn rank(standing: &Standing) -> u8 {
    match standing {
        Standing::Differs => 0,
        Standing::Missing => 1,
        Standing::Extra => 2,
        Standing::Unknown(_) => 3,
        Standing::Same => 4,
    }
}

/// `2 differ, 1 to be made, 11 as git says`
fn summary(comparison: &Comparison) -> TextLine {
    let same = if comparison.git.is_empty() { "as it was applied" } else { "as git says" };
    let counts = [
        (comparison.count(|s| *s == Standing::Differs), "to be changed"),
        (comparison.count(|s| *s == Standing::Missing), "to be made"),
        (comparison.count(|s| *s == Standing::Extra), "not in git any more"),
        (comparison.count(|s| matches!(s, Standing::Unknown(_))), "not known"),
        (comparison.count(|s| *s == Standing::Same), same),
    ];
    let words: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let text = if words.is_empty() { "no objects".into() } else { words.join(", ") };
    TextLine::new(if comparison.differs() { Meaning::Warn } else { Meaning::Good }, text)
}

fn object(one: &Compared, all: &Comparison) -> Vec<TextLine> {
    let stands = match &one.standing {
        Standing::Same => "as git says",
        Standing::Differs => "differs",
        Standing::Missing => "does not live; a sync makes it",
        Standing::Extra => "not in git any more; a sync with prune deletes it",
        Standing::Unknown(why) => why,
    };
    let mut head = TextLine::new(Meaning::Title, one.object.to_string())
        .with(Meaning::Warn, format!("  {stands}"))
        .to(&one.object);
    head.cluster.clone_from(&all.cluster);
    let mut lines = vec![head];
    lines.extend(one.notes.iter().map(|note| TextLine::new(Meaning::Muted, format!("  {note}"))));
    if one.diff.is_empty() {
        return lines;
    }
    let wanted = match (all.git.split(' ').next().unwrap_or_default(), one.file.as_str()) {
        ("", _) => "applied by Argo CD last".to_string(),
        (commit, file) => format!("git {commit} {file}"),
    };
    lines.push(TextLine::new(
        Meaning::Removed,
        if one.standing == Standing::Missing { "--- nothing" } else { "--- live" },
    ));
    lines.push(TextLine::new(Meaning::Added, format!("+++ {wanted}")));
    lines.extend(one.diff.iter().map(|line| {
        let meaning = match line.chars().next() {
            Some('-') => Meaning::Removed,
            Some('+') => Meaning::Added,
            Some('@') => Meaning::Muted,
            _ => Meaning::Text,
        };
        TextLine::new(meaning, line.clone())
    }));
    lines
}
