//! Text with a window and a search: describe, YAML, why.

use super::filter::pattern;
use super::fold::{self, Block};
use super::nav::Cursor;
use super::{difference, why};
use crate::diagnose::case::Subject;
use crate::diagnose::verdict::Verdict;
use crate::effect::RequestId;
use crate::gitops::compare::Comparison;
use crate::kinds::describe::usage::InUse;
use crate::kinds::secret::Entry;
use crate::kinds::{describe, yaml};
use crate::theme::Meaning;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::time::Time;
use secrecy::zeroize::Zeroize;
use serde_json::Value;
use std::collections::BTreeSet;
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
    /// The values of a Secret.
    Decoded { entries: Vec<Entry> },
    /// The keys that matter.
    Tour,
    /// Git against what lives: only of some objects, where any are named; the revision asked for.
    Difference { only: Vec<ObjectRef>, revision: String, found: Option<Box<Comparison>> },
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
    /// What a description needs beside the object, or why it cannot be read.
    pub beside: Option<Result<Value, String>>,
    /// The events about it, for describe; an error in words.
    pub events: Option<Result<Vec<Value>, String>>,
    /// What it uses, for describe, and the revision of the metrics that say so.
    pub used: (u64, Vec<InUse>),
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
    /// The whole text of what can be folded.
    whole: Vec<String>,
    /// Its blocks.
    blocks: Vec<Block>,
    /// Paths of the blocks that are folded.
    folded: BTreeSet<String>,
    /// Which line of the whole text each line is.
    shown: Vec<usize>,
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
            beside: None,
            events: None,
            used: (0, vec![]),
            waiting: Some("reading".into()),
            error: None,
            lines: vec![],
            cursor: Cursor::default(),
            left: 0,
            wrap,
            find: None,
            columns: 78,
            whole: vec![],
            blocks: vec![],
            folded: BTreeSet::new(),
            shown: vec![],
        }
    }

    /// Replaces the text; the cursor stays on its line number, the search is done again.
    pub fn set_lines(&mut self, lines: Vec<TextLine>) {
        self.wipe();
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
        self.unfold_hits(&regex);
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
        !matches!(self.of, TextOf::Describe | TextOf::Tour) || self.find.is_some()
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
        if matches!(self.of, TextOf::Yaml { .. }) {
            return self.whole.iter().map(|line| format!("{line}\n")).collect();
        }
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
            (TextOf::Decoded { entries }, _) => entries.iter().flat_map(Entry::lines).map(decoded).collect(),
            (TextOf::Difference { found: Some(found), .. }, _) => difference::lines(found),
            (TextOf::Why { .. } | TextOf::Difference { .. } | TextOf::Tour, _) | (_, None) => return,
            (TextOf::Yaml { managed_fields }, Some(value)) => {
                let options = yaml::Options { managed_fields: *managed_fields, decode_secrets: false };
                self.whole = yaml::lines(value, options);
                self.blocks = fold::outline(&self.whole);
                return self.refold();
            }
            (TextOf::Describe, Some(value)) => {
                let events: &[Value] = match &self.events {
                    Some(Ok(events)) => events,
                    _ => &[],
                };
                let known = describe::Known { used: &self.used.1, beside: self.beside.as_ref() };
                let mut lines: Vec<TextLine> =
                    describe::lines_with(value, events, now, known).iter().map(described).collect();
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
            TextOf::Decoded { .. } => ("decoded", self.object.to_string()),
            TextOf::Tour => ("tour", String::new()),
            TextOf::Difference { only, revision, .. } => {
                let of = only.first().unwrap_or(&self.object);
                ("diff", if revision.is_empty() { of.to_string() } else { format!("{of}  at {revision}") })
            }
            TextOf::Why { subject: Subject::Url(url), .. } => ("why", url.clone()),
            TextOf::Why { verdict, .. } => {
                let headline = verdict.as_ref().map(|v| v.headline.as_str()).filter(|h| !h.is_empty());
                ("why", headline.map_or(self.object.to_string(), |h| format!("{}  {h}", self.object)))
            }
        }
    }
}

/// What can be folded.
impl TextView {
    /// Writes the lines that are not folded away.
    fn refold(&mut self) {
        let (mut lines, mut shown, mut n) = (vec![], vec![], 0);
        while let (Some(line), Some(block)) = (self.whole.get(n), self.blocks.get(n)) {
            shown.push(n);
            n += 1;
            let written = TextLine::keyed(line);
            if block.lines > 0 && self.folded.contains(&block.path) {
                let rest = format!(" … {} line{}", block.lines, if block.lines == 1 { "" } else { "s" });
                lines.push(written.with(Meaning::Muted, rest));
                n += block.lines;
            } else {
                lines.push(written);
            }
        }
        self.shown = shown;
        self.set_lines(lines);
    }

    /// Folds what belongs to the line under the cursor, or unfolds it; a line that has nothing folds what it belongs to.
    pub fn fold(&mut self) {
        let Some(&line) = self.shown.get(self.cursor.at) else { return };
        let has = |n: &usize| self.blocks.get(*n).is_some_and(|block| block.lines > 0 && *n + block.lines >= line);
        let Some(at) = (0..=line).rev().find(has) else { return };
        let path = self.blocks[at].path.clone();
        if !self.folded.remove(&path) {
            self.folded.insert(path);
        }
        self.cursor.at = self.shown.iter().position(|n| *n == at).unwrap_or(self.cursor.at);
        self.refold();
    }

    /// Folds everything that lies in so many blocks or more; 0 unfolds all.
    pub fn fold_to(&mut self, level: usize) {
        let here = self.shown.get(self.cursor.at).copied().unwrap_or_default();
        let deep = self.blocks.iter().filter(|block| block.lines > 0 && level > 0 && block.depth + 1 >= level);
        self.folded = deep.map(|block| block.path.clone()).collect();
        self.refold();
        self.cursor.at = self.shown.iter().rposition(|n| *n <= here).unwrap_or(0);
    }

    /// Folds to the next level: all, the first, the second, and from what is nowhere folded to all again.
    pub fn fold_on(&mut self) {
        let deepest =
            self.blocks.iter().filter(|block| block.lines > 0).map(|block| block.depth + 1).max().unwrap_or(0);
        let now = (1..=deepest).find(|level| {
            let mut deep = self.blocks.iter().filter(|block| block.lines > 0 && block.depth + 1 >= *level);
            deep.all(|block| self.folded.contains(&block.path)) && !self.folded.is_empty()
        });
        self.fold_to(now.map_or(1, |level| (level + 1) % (deepest + 1)));
    }

    /// Unfolds what hides a hit.
    fn unfold_hits(&mut self, regex: &regex::Regex) {
        if self.folded.is_empty() {
            return;
        }
        let before = self.folded.len();
        let (whole, blocks) = (&self.whole, &self.blocks);
        for (n, block) in blocks.iter().enumerate().filter(|(_, block)| block.lines > 0) {
            if whole[n + 1..=n + block.lines].iter().any(|line| regex.is_match(line)) {
                self.folded.remove(&block.path);
            }
        }
        if self.folded.len() < before {
            self.refold();
        }
    }

    /// The entry of a Secret that the cursor is on.
    pub fn entry(&self) -> Option<&Entry> {
        let TextOf::Decoded { entries } = &self.of else { return None };
        let mut line = 0;
        entries.iter().find(|entry| {
            line += entry.lines().len();
            self.cursor.at < line
        })
    }

    /// Overwrites what was shown of a Secret.
    fn wipe(&mut self) {
        if matches!(self.of, TextOf::Decoded { .. }) {
            self.lines.iter_mut().flat_map(|line| &mut line.spans).for_each(|(_, text)| text.zeroize());
        }
    }
}

impl Drop for TextView {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A line of a decoded Secret.
fn decoded((key, text): (String, String)) -> TextLine {
    TextLine::new(Meaning::Label, key).with(Meaning::Text, text)
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
