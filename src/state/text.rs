//! Text with a window and a search: describe, YAML, why.

use super::filter::pattern;
use super::nav::Cursor;
use super::why;
use crate::diagnose::case::Subject;
use crate::diagnose::verdict::Verdict;
use crate::effect::RequestId;
use crate::kinds::{describe, yaml};
use crate::theme::Meaning;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::time::Time;
use serde_json::Value;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// A line of text, its parts with what they mean, and the object it speaks of.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TextLine {
    /// Left to right.
    pub spans: Vec<(Meaning, String)>,
    /// Where Enter leads from here.
    pub target: Option<ObjectRef>,
    /// The cluster that the target lives in, where that is another one than the screen's: as the fleet or Argo CD calls it.
    pub cluster: Option<String>,
}

impl TextLine {
    /// A line of one meaning.
    pub fn new(meaning: Meaning, text: impl Into<String>) -> Self {
        Self { spans: vec![(meaning, text.into())], ..Self::default() }
    }

    /// `key: value` with the key set apart; anything else as it is.
    pub fn keyed(text: &str) -> Self {
        let indent = text.len() - text.trim_start_matches([' ', '-']).len();
        let end = text[indent..].find(':').map(|at| indent + at + 1);
        match end.filter(|end| text[*end..].is_empty() || text[*end..].starts_with(' ')) {
            Some(end) => Self {
                spans: vec![(Meaning::Label, text[..end].into()), (Meaning::Text, text[end..].into())],
                ..Self::default()
            },
            None => Self::new(Meaning::Text, text),
        }
    }

    /// The same, leading to an object.
    pub fn to(mut self, target: &ObjectRef) -> Self {
        self.target = Some(target.clone());
        self
    }

    /// The same, with more text behind.
    pub fn with(mut self, meaning: Meaning, text: impl Into<String>) -> Self {
        self.spans.push((meaning, text.into()));
        self
    }

    /// The words alone.
    pub fn plain(&self) -> String {
        self.spans.iter().map(|(_, text)| text.as_str()).collect()
    }
}

/// What a text is about.
#[derive(Clone, Debug)]
pub enum TextOf {
    /// Everything known about an object, with its events.
    Describe,
    /// The object as YAML.
    Yaml { managed_fields: bool },
    /// A diagnosis.
    Why { subject: Subject, verdict: Option<Box<Verdict>> },
}

/// Text on screen.
#[derive(Debug)]
pub struct TextView {
    /// What.
    pub of: TextOf,
    /// Whose.
    pub cluster: ClusterId,
    /// The object; for a URL without a name.
    pub object: ObjectRef,
    /// The object's kind as a path names it, where it is known.
    pub resource: Option<ResourceId>,
    /// Answers to this are for us.
    pub request: RequestId,
    /// The object as last seen.
    pub value: Option<Arc<Value>>,
    /// The events about it, for describe; an error in words.
    pub events: Option<Result<Vec<Value>, String>>,
    /// What is being waited for.
    pub waiting: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// The text.
    pub lines: Vec<TextLine>,
    /// Cursor and window.
    pub cursor: Cursor,
    /// Columns scrolled out on the left.
    pub left: usize,
    /// Long lines go on in the next row.
    pub wrap: bool,
    /// What is looked for.
    pub find: Option<Find>,
    /// Columns that the text was written for.
    columns: usize,
}

/// A search in a text.
#[derive(Debug)]
pub struct Find {
    /// What was typed.
    pub text: String,
    /// It, compiled.
    pub regex: regex::Regex,
    /// Lines with a hit.
    pub hits: Vec<usize>,
}

impl TextView {
    /// A text that is still to come.
    pub fn new(of: TextOf, cluster: ClusterId, object: ObjectRef, request: RequestId) -> Self {
        let wrap = matches!(of, TextOf::Why { .. });
        Self {
            of,
            cluster,
            object,
            resource: None,
            request,
            value: None,
            events: None,
            waiting: Some("reading".into()),
            error: None,
            lines: vec![],
            cursor: Cursor::default(),
            left: 0,
            wrap,
            find: None,
            columns: 78,
        }
    }

    /// Replaces the text; the cursor stays on its line number, the search is done again.
    pub fn set_lines(&mut self, lines: Vec<TextLine>) {
        self.lines = lines;
        if let Some(find) = self.find.take() {
            self.search(&find.text);
        }
    }

    /// Looks for text from the cursor on and goes to the first hit. Empty text ends the search.
    pub fn search(&mut self, text: &str) {
        if text.is_empty() {
            self.find = None;
            return;
        }
        let regex = pattern(text);
        let hits: Vec<usize> =
            self.lines.iter().enumerate().filter(|(_, line)| regex.is_match(&line.plain())).map(|(n, _)| n).collect();
        if let Some(first) = hits.iter().find(|n| **n >= self.cursor.at).or(hits.first()) {
            self.cursor.at = *first;
        }
        self.find = Some(Find { text: text.into(), regex, hits });
    }

    /// Goes to the next hit, or the one before, around the ends.
    pub fn next_hit(&mut self, forward: bool) {
        let Some(find) = &self.find else { return };
        let at = self.cursor.at;
        let hit = if forward {
            find.hits.iter().find(|n| **n > at).or(find.hits.first())
        } else {
            find.hits.iter().rev().find(|n| **n < at).or(find.hits.last())
        };
        if let Some(hit) = hit {
            self.cursor.at = *hit;
        }
    }

    /// Moves the cursor to the next line that leads somewhere, if there is one in that direction.
    pub fn next_target(&mut self, forward: bool) {
        let leads = |n: &usize| self.lines.get(*n).is_some_and(|line| line.target.is_some());
        let found = if forward {
            (self.cursor.at + 1..self.lines.len()).find(leads)
        } else {
            (0..self.cursor.at).rev().find(leads)
        };
        if let Some(at) = found {
            self.cursor.at = at;
        }
    }

    /// Whether the cursor is shown: where lines lead somewhere, and on hits of a search.
    pub fn points(&self) -> bool {
        matches!(self.of, TextOf::Why { .. }) || self.find.is_some()
    }

    /// Moves the cursor; where none is shown, the window.
    pub fn step(&mut self, by: isize, height: usize) {
        if self.points() {
            self.cursor.step(by, self.lines.len());
            return;
        }
        let height = height.max(1);
        let last = self.lines.len().saturating_sub(height);
        self.cursor.top = self.cursor.top.saturating_add_signed(by).min(last);
        self.cursor.at = self.cursor.at.clamp(self.cursor.top, self.cursor.top + height - 1);
    }

    /// Keeps the cursor in the text and in the window.
    pub fn settle(&mut self, width: usize, height: usize, now: Time) {
        let columns = width.saturating_sub(2);
        if std::mem::replace(&mut self.columns, columns) != columns && matches!(self.of, TextOf::Why { .. }) {
            self.write(now);
        }
        self.cursor.clamp(self.lines.len(), height);
        // Wrapped lines take more than one row: move the window until the cursor's line fits.
        while self.wrap && self.cursor.top < self.cursor.at {
            let rows: usize = self.lines[self.cursor.top..=self.cursor.at].iter().map(|l| rows_of(l, width)).sum();
            if rows <= height.max(1) {
                break;
            }
            self.cursor.top += 1;
        }
    }

    /// The whole text, for the clipboard.
    pub fn plain(&self) -> String {
        self.lines.iter().map(|line| line.plain() + "\n").collect()
    }
}

/// Bytes of a text from which its columns are not counted.
const LONG: usize = 64 * 1024;

/// Rows that a wrapped line takes (at least; breaks at words may cost one more, which the next scroll mends).
fn rows_of(line: &TextLine, width: usize) -> usize {
    // Of a text of many screenfuls it need not be known exactly, and this is asked for every frame.
    let columns = |text: &str| if text.len() > LONG { text.len() } else { text.width() };
    let total: usize = line.spans.iter().map(|(_, text)| columns(text)).sum();
    total.div_ceil(width.max(1)).max(1)
}

impl TextView {
    /// Writes the text from what is known.
    pub fn write(&mut self, now: Time) {
        let lines = match (&self.of, &self.value) {
            (TextOf::Why { verdict: Some(verdict), .. }, _) => why::lines(verdict, self.columns),
            (TextOf::Why { .. }, _) | (_, None) => return,
            (TextOf::Yaml { managed_fields }, Some(value)) => {
                let options = yaml::Options { managed_fields: *managed_fields, decode_secrets: false };
                yaml::lines(value, options).iter().map(|line| TextLine::keyed(line)).collect()
            }
            (TextOf::Describe, Some(value)) => {
                let events: &[Value] = match &self.events {
                    Some(Ok(events)) => events,
                    _ => &[],
                };
                let mut lines: Vec<TextLine> = describe::lines(value, events, now).iter().map(described).collect();
                let unread = match &self.events {
                    Some(Ok(_)) => return self.set_lines(lines),
                    Some(Err(error)) => TextLine::new(Meaning::Warn, format!("  could not be read: {error}")),
                    None => TextLine::new(Meaning::Muted, "  reading …"),
                };
                // No events were read, which is not the same as that there are none.
                lines.pop_if(|last| last.plain().trim() == "none");
                lines.push(unread);
                lines
            }
        };
        self.set_lines(lines);
    }

    /// For the top line: what the text is, and of what.
    pub fn title(&self) -> (&'static str, String) {
        match &self.of {
            TextOf::Describe => ("describe", self.object.to_string()),
            TextOf::Yaml { .. } => ("yaml", self.object.to_string()),
            TextOf::Why { subject: Subject::Url(url), .. } => ("why", url.clone()),
            TextOf::Why { verdict, .. } => {
                let headline = verdict.as_ref().map(|v| v.headline.as_str()).filter(|h| !h.is_empty());
                ("why", headline.map_or(self.object.to_string(), |h| format!("{}  {h}", self.object)))
            }
        }
    }
}

/// A line of a description with its meaning.
fn described(line: &describe::Line) -> TextLine {
    match line.mark {
        describe::Mark::Plain => TextLine::keyed(&line.text),
        describe::Mark::Heading => TextLine::new(Meaning::Title, &*line.text),
        describe::Mark::Warn => TextLine::new(Meaning::Warn, &*line.text),
        describe::Mark::Bad => TextLine::new(Meaning::Bad, &*line.text),
    }
}
