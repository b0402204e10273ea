//! A verdict as lines of text, each leading to the object it speaks of.

use super::text::TextLine;
use crate::diagnose::case::Subject;
use crate::diagnose::report::{self, Style};
use crate::diagnose::verdict::Verdict;
use crate::theme::Meaning;
use unicode_width::UnicodeWidthStr;

/// The report, wrapped at so many columns; without the headline where the top line has room for it.
pub fn lines(verdict: &Verdict, columns: usize) -> Vec<TextLine> {
    let lines =
        if in_top_line(verdict, columns) { report::body(verdict, columns) } else { report::lines(verdict, columns) };
    lines.into_iter().map(line).collect()
}

/// Whether cluster, `why`, object, headline and confidence fit into one line; of a URL the top line says the URL only.
fn in_top_line(verdict: &Verdict, columns: usize) -> bool {
    let Some(Subject::Object(object)) = &verdict.subject else { return false };
    let sure = verdict.primary.as_ref().map_or(0, |finding| report::confidence(finding.confidence).width());
    let said = [verdict.cluster.as_str(), "why", &object.to_string(), &verdict.headline].map(|text| text.width() + 2);
    said.iter().sum::<usize>() + sure <= columns
}

fn line(line: report::Line) -> TextLine {
    let spans = line.spans.into_iter().map(|(style, text)| (meaning(style), text)).collect();
    TextLine { spans, target: line.object, cluster: line.cluster }
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
