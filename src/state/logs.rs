//! Logs of several containers, of several clusters, in one window.

pub mod dress;
pub mod selection;
pub mod streams;

use super::filter::Filter;
use crate::effect::logs::{LogRequest, LogSource};
use crate::effect::{Effect, RequestId};
use crate::msg::logs::LogLine;
use crate::theme::Meaning;
use crate::world::fleet::{ClusterId, Fleet};
use crate::world::object::ResourceId;
use crate::world::time::Time;
use dress::Dressed;
use selection::Selection;
use std::collections::VecDeque;
use streams::{Standing, Streams};
use unicode_width::UnicodeWidthChar;

/// Lines kept; the oldest go first.
const KEPT: usize = 100_000;
/// Bytes of lines kept.
const BYTES: usize = 48 << 20;
/// With more pods than this in the clusters that are read, new ones are looked for once a second.
const MANY: usize = 2_000;

/// Logs on screen.
#[derive(Debug)]
pub struct LogsView {
    /// Whose.
    pub selection: Selection,
    /// The run before the current one.
    pub previous: bool,
    /// Last lines of each source to begin with; `None`: from the beginning.
    pub tail: Option<u32>,
    /// Only what was written in the last so many seconds.
    pub since_seconds: Option<i64>,
    /// For the top line.
    pub title: String,
    /// Answers to this are for us.
    pub request: RequestId,
    /// What is read, and how that stands.
    pub streams: Streams,
    /// Stay at the end as lines come.
    pub follow: bool,
    /// Long lines go on in the next row.
    pub wrap: bool,
    /// Show the server's timestamps.
    pub timestamps: bool,
    /// Show pod and container before each line, where there are several.
    pub sources: bool,
    /// Show JSON as it was written.
    pub raw: bool,
    /// Nothing but the log and the bottom line.
    pub full: bool,
    /// What is looked for.
    pub filter: Filter,
    /// Lines that do not pass the filter are not shown.
    pub hides: bool,
    /// Lines shown before and after each that passes.
    pub context: usize,
    /// First visible among the shown lines.
    pub top: usize,
    /// Columns scrolled out on the left.
    pub left: usize,
    /// Lines that had to go, because there were too many.
    pub dropped: usize,
    /// The line that `n` went to last, counted from the first ever received.
    hit: Option<usize>,
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines that are gone from the front.
    gone: usize,
    /// Indexes of the shown lines, counted from the first line ever received.
    shown: VecDeque<usize>,
    /// Lines still to show behind the last that passed.
    after: usize,
    /// What stands before the lines of each stream.
    labels: Vec<String>,
    opened: Time,
    /// The pods as they were looked at last, and when.
    looked: Option<(u64, Time)>,
    /// A stream has ended since: the pods may have told already what comes next.
    ended: bool,
}

/// A line of the window.
#[derive(Debug)]
struct Line {
    line: LogLine,
    of: Of,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// A stream.
    Stream(u32),
    /// From us: what became of a stream.
    Note,
    /// From the person.
    Mark,
}

impl LogsView {
    /// A window without lines yet.
    pub fn new(title: String, selection: Selection, previous: bool, request: RequestId, now: Time) -> Self {
        Self {
            selection,
            previous,
            tail: Some(TAIL),
            since_seconds: None,
            title,
            request,
            streams: Streams::default(),
            follow: true,
            wrap: false,
            timestamps: false,
            sources: true,
            raw: false,
            full: false,
            filter: Filter::default(),
            hides: true,
            context: 0,
            top: 0,
            left: 0,
            dropped: 0,
            hit: None,
            lines: VecDeque::new(),
            bytes: 0,
            gone: 0,
            shown: VecDeque::new(),
            after: 0,
            labels: vec![],
            opened: now,
            looked: None,
            ended: false,
        }
    }

    /// A stream has ended; why, where it was an error.
    pub fn end(&mut self, source: &LogSource, reason: Option<String>, now: Time) {
        if let Some(at) = self.streams.at(source) {
            self.streams.ended(at, reason, now);
            self.ended = true;
        }
    }

    /// Looks at the pods, where they have changed: what must be read now. Cheap where nothing has.
    pub fn look(&mut self, fleet: &Fleet, now: Time) -> Option<Effect> {
        let pods = ResourceId::core("pods");
        let clusters = self.selection.clusters();
        let tables = || clusters.iter().filter_map(|id| fleet.shards.get(usize::from(id.0))?.table(&pods));
        let revision: u64 = tables().map(|table| table.revision + 1).sum();
        let many = tables().map(|table| table.len()).sum::<usize>() > MANY;
        // A stream may be due again although nothing has changed.
        let waits =
            self.streams.list().iter().any(|s| matches!(&s.standing, Standing::Ended { again, .. } if *again <= now));
        let due = match self.looked {
            None => true,
            Some((known, at)) => {
                let news = known != revision || self.ended;
                (news && !(many && at == now)) || (waits && at != now)
            }
        };
        if !due {
            return None;
        }
        (self.looked, self.ended) = (Some((revision, now)), false);
        let todo = self.streams.look(fleet, &self.selection, !self.previous, self.opened, now);
        self.label(fleet);
        for (_, note) in todo.notes {
            self.say(&note);
        }
        if todo.begin.is_empty() {
            return None;
        }
        let Self { previous, tail, since_seconds, .. } = *self;
        let logs = LogRequest { streams: todo.begin, previous, tail, since_seconds };
        Some(Effect::StartLogs { request: self.request, logs })
    }

    /// Reads anew, under another number.
    pub fn restart(&mut self, request: RequestId, now: Time) -> Effect {
        let before = std::mem::replace(&mut self.request, request);
        self.clear();
        self.streams = Streams::default();
        (self.labels, self.looked, self.follow, self.opened) = (vec![], None, true, now);
        Effect::StopLogs(before)
    }

    /// What stands before the lines: as much as tells them apart.
    fn label(&mut self, fleet: &Fleet) {
        let list = self.streams.list();
        let Some(first) = list.first().map(|stream| &stream.source) else { return };
        let differ = |test: &dyn Fn(&LogSource) -> bool| list.iter().any(|stream| test(&stream.source));
        let clusters = differ(&|s| s.cluster != first.cluster);
        let pods = differ(&|s| (s.cluster, &s.namespace, &s.pod) != (first.cluster, &first.namespace, &first.pod));
        let containers = differ(&|s| s.container != first.container);
        let label = |source: &LogSource| {
            let mut parts: Vec<&str> = vec![];
            if clusters {
                parts.push(&fleet.shard(source.cluster).name);
            }
            if pods {
                parts.push(&source.pod);
            }
            if containers {
                parts.push(&source.container);
            }
            parts.join("/")
        };
        self.labels = list.iter().map(|stream| label(&stream.source)).collect();
    }

    /// Takes in lines of a source.
    pub fn append(&mut self, source: &LogSource, lines: Vec<LogLine>) {
        let Some(at) = self.streams.at(source) else { return };
        self.streams.heard(at, &lines);
        for line in lines {
            self.push(Line { line, of: Of::Stream(at as u32) });
        }
    }

    /// Says something between the lines.
    pub fn say(&mut self, text: &str) {
        self.push(Line { line: LogLine::new(format!("— {text} —")), of: Of::Note });
    }

    /// Draws a line under what came so far.
    pub fn mark(&mut self, now: Time) {
        let at = now.rfc3339();
        self.push(Line { line: LogLine::new(format!("──── {at} ────")), of: Of::Mark });
    }

    fn push(&mut self, line: Line) {
        self.bytes += line.line.size();
        let n = self.gone + self.lines.len();
        if !self.narrowed() || line.of != Of::Note && line.of != Of::Mark && self.filter.line(line.line.text()) {
            if self.narrowed() && self.context > 0 {
                let known = self.shown.back().map_or(self.gone, |last| last + 1);
                self.shown.extend(known.max(n.saturating_sub(self.context)).max(self.gone)..n);
                self.after = self.context;
            }
            self.shown.push_back(n);
        } else if matches!(line.of, Of::Note | Of::Mark) {
            self.shown.push_back(n);
        } else if self.after > 0 {
            self.after -= 1;
            self.shown.push_back(n);
        }
        self.lines.push_back(line);
        while self.lines.len() > KEPT || self.bytes > BYTES && self.lines.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(line) = self.lines.pop_front() else { return };
        self.bytes -= line.line.size();
        self.gone += 1;
        self.dropped += 1;
        if self.shown.front().is_some_and(|n| *n < self.gone) {
            self.shown.pop_front();
            self.top = self.top.saturating_sub(1);
        }
    }

    /// Forgets every line (a new stream begins, or asked for).
    pub fn clear(&mut self) {
        self.gone += self.lines.len();
        self.lines.clear();
        self.shown.clear();
        (self.bytes, self.dropped, self.top, self.after, self.hit) = (0, 0, 0, 0, None);
    }

    /// Whether lines are hidden.
    fn narrowed(&self) -> bool {
        self.hides && !self.filter.is_empty()
    }

    /// Looks for something; others are hidden or not.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.hit = None;
        self.refilter();
    }

    /// Hides lines that do not pass, or shows them again; the line on top stays.
    pub fn set_hiding(&mut self, hides: bool, context: usize) {
        let top = self.shown.get(self.top).copied();
        (self.hides, self.context) = (hides, context);
        self.refilter();
        if let Some(top) = top {
            self.top = self.shown.partition_point(|n| *n < top);
        }
    }

    fn refilter(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        (self.bytes, self.after) = (0, 0);
        self.shown.clear();
        self.lines.reserve(lines.len());
        lines.into_iter().for_each(|line| self.push(line));
    }

    /// Goes to the next line that passes, or the one before.
    pub fn next_hit(&mut self, forward: bool) -> bool {
        let is_hit = |n: &usize| {
            let line = n.checked_sub(self.gone).and_then(|at| self.lines.get(at));
            line.is_some_and(|line| matches!(line.of, Of::Stream(_)) && self.filter.line(line.line.text()))
        };
        let here = match self.hit {
            Some(hit) => self.shown.partition_point(|n| *n < hit),
            // From the end upwards, from the top of the screen downwards.
            None if self.follow && !forward => self.shown.len(),
            None => self.top,
        };
        let known = self.hit.is_some();
        let found = match forward {
            true => (here + usize::from(known)..self.shown.len()).find(|at| self.shown.get(*at).is_some_and(is_hit)),
            false => (0..here).rev().find(|at| self.shown.get(*at).is_some_and(is_hit)),
        };
        let Some(at) = found else { return false };
        self.hit = self.shown.get(at).copied();
        (self.follow, self.top) = (false, at.saturating_sub(3));
        true
    }

    /// Whether the n-th shown line is the one that was gone to.
    pub fn is_hit(&self, n: usize) -> bool {
        self.hit.is_some() && self.shown.get(n).copied() == self.hit
    }

    /// How many lines are shown.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// How many lines there are in all.
    pub fn total(&self) -> usize {
        self.lines.len()
    }

    fn at(&self, n: usize) -> Option<&Line> {
        self.lines.get(self.shown.get(n)?.checked_sub(self.gone)?)
    }

    /// Text of the n-th shown line as it was written.
    pub fn text(&self, n: usize) -> Option<&str> {
        self.at(n).map(|line| line.line.text())
    }

    /// The n-th shown line, ready to be painted.
    pub fn dressed(&self, n: usize) -> Option<Dressed> {
        let line = self.at(n)?;
        let mut dressed = Dressed::default();
        let at = match line.of {
            Of::Note | Of::Mark => {
                let meaning = if line.of == Of::Note { Meaning::Muted } else { Meaning::Marked };
                dressed.push(meaning, line.line.text());
                return Some(dressed);
            }
            Of::Stream(at) => at as usize,
        };
        if self.timestamps && !line.line.at().is_empty() {
            dressed.push(Meaning::Muted, line.line.at());
            dressed.push(Meaning::Muted, " ");
        }
        if let Some(label) = self.labels.get(at).filter(|label| self.sources && !label.is_empty()) {
            dressed.push(SOURCES[self.pod_number(at) % SOURCES.len()], label);
            dressed.push(Meaning::Text, " ");
        }
        dressed.body = dressed.text.len();
        dressed.line(line.line.text(), self.raw);
        Some(dressed)
    }

    /// The pods are told apart by colour, containers of one are alike.
    fn pod_number(&self, at: usize) -> usize {
        let Some(own) = self.streams.get(at).map(|stream| &stream.source) else { return 0 };
        let same = |s: &LogSource| (s.cluster, &s.namespace, &s.pod) == (own.cluster, &own.namespace, &own.pod);
        self.streams.list().iter().position(|stream| same(&stream.source)).unwrap_or(0)
    }

    /// Scrolls; upwards ends following, reaching the end begins it again.
    pub fn scroll(&mut self, by: isize, height: usize) {
        let last = self.len().saturating_sub(height.max(1));
        self.top = self.top.min(last).saturating_add_signed(by).min(last);
        self.follow = by > 0 && self.top == last;
        self.hit = None;
    }

    /// Rows that the n-th shown line takes.
    fn rows(&self, n: usize, width: usize) -> usize {
        if !self.wrap {
            return 1;
        }
        self.dressed(n).map_or(1, |dressed| breaks(&dressed.text, width).len())
    }

    /// Puts the window where it belongs.
    pub fn settle(&mut self, height: usize, width: usize) {
        if !self.follow {
            self.top = self.top.min(self.len().saturating_sub(1));
            return;
        }
        let mut used = self.endings().len();
        let mut top = self.len();
        while top > 0 {
            used += self.rows(top - 1, width);
            if used > height && top < self.len() {
                break;
            }
            top -= 1;
        }
        self.top = top;
    }

    /// Below the last line: which streams have ended, and why; the first few.
    pub fn endings(&self) -> Vec<String> {
        let mut all: Vec<String> = self.streams.endings().take(ENDINGS + 1).collect();
        if all.len() > ENDINGS {
            all.truncate(ENDINGS);
            let more = self.streams.endings().count() - ENDINGS;
            all.push(format!("and {more} more have ended"));
        }
        all
    }

    /// Clusters that are read.
    pub fn clusters(&self) -> Vec<ClusterId> {
        self.selection.clusters()
    }

    /// Every shown line as it was written, for the clipboard and for files.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for line in (0..self.len()).filter_map(|n| self.at(n)) {
            if let Of::Stream(at) = line.of {
                let label = self.labels.get(at as usize).filter(|label| self.sources && !label.is_empty());
                let at = Some(line.line.at()).filter(|at| self.timestamps && !at.is_empty());
                for part in [at, label.map(String::as_str)].into_iter().flatten() {
                    out.push_str(part);
                    out.push(' ');
                }
            }
            out.push_str(line.line.text());
            out.push('\n');
        }
        out
    }
}

/// Lines of each source to begin with.
pub const TAIL: u32 = 500;
/// Streams that are named when they have ended.
const ENDINGS: usize = 3;
/// Looks of the names of pods, one after the other.
const SOURCES: [Meaning; 5] = [Meaning::Label, Meaning::Cluster, Meaning::Key, Meaning::Busy, Meaning::Prompt];

/// Where a text is broken at the edge: the end of each row. Logs are columns as often as they are words.
pub fn breaks(text: &str, width: usize) -> Vec<usize> {
    let (mut ends, mut used) = (vec![], 0);
    for (at, c) in text.char_indices() {
        let columns = c.width().unwrap_or(0);
        if used + columns > width && at > ends.last().copied().unwrap_or(0) {
            ends.push(at);
            used = 0;
        }
        used += columns;
    }
    ends.push(text.len());
    ends
}

#[cfg(test)]
mod tests;
