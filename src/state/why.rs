//! A verdict as lines of text, each leading to the object it speaks of.

use super::text::TextLine;
use crate::diagnose::report::{self, Style};
use crate::diagnose::verdict::Verdict;
use crate::theme::Meaning;

/// The report, wrapped at so many columns.
pub fn lines(verdict: &Verdict, columns: usize) -> Vec<TextLine> {
    report::lines(verdict, columns).into_iter().map(line).collect()
}

fn line(line: report::Line) -> TextLine {
    let spans = line.spans.into_iter().map(|(style, text)| (meaning(style), text)).collect();
    TextLine { spans, target: line.object }
}

fn meaning(style: Style) -> Meaning {
    match style {
        Style::Plain => Meaning::Text,
        Style::Title => Meaning::Title,
        Style::Bad => Meaning::Bad,
        Style::Good => Meaning::Good,
        Style::Warn => Meaning::Warn,
        Style::Dim => Meaning::Muted,
        Style::Command => Meaning::Label,
    }
}
