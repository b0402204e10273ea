//! Logs of one or several containers, in one window.

use super::filter::Filter;
use crate::effect::{LogRequest, RequestId};
use crate::msg::LogLine;
use crate::world::fleet::ClusterId;
use std::collections::VecDeque;

/// Lines kept; the oldest go first.
const KEPT: usize = 20_000;

/// Logs on screen.
#[derive(Debug)]
pub struct LogsView {
    /// Whose.
    pub cluster: ClusterId,
    /// What is streamed.
    pub logs: LogRequest,
    /// Every container that could be shown: (pod, container).
    pub available: Vec<(String, String)>,
    /// For the top line.
    pub title: String,
    /// Answers to this are for us.
    pub request: RequestId,
    /// Sources that ended, with the reason where there is one.
    pub ended: Vec<String>,
    /// Stay at the end as lines come.
    pub follow: bool,
    /// Long lines go on in the next row.
    pub wrap: bool,
    /// Show the server's timestamps.
    pub timestamps: bool,
    /// Which lines are shown.
    pub filter: Filter,
    /// First visible among the shown lines.
    pub top: usize,
    /// Columns scrolled out on the left.
    pub left: usize,
    lines: VecDeque<LogLine>,
    /// Indexes of the shown lines, counted from the first line ever received.
    shown: VecDeque<usize>,
    dropped: usize,
}

impl LogsView {
    /// A window without lines yet.
    pub fn new(cluster: ClusterId, title: String, logs: LogRequest, request: RequestId) -> Self {
        Self {
            cluster,
            available: logs.sources.clone(),
            logs,
            title,
            request,
            ended: vec![],
            follow: true,
            wrap: false,
            timestamps: false,
            filter: Filter::default(),
            top: 0,
            left: 0,
            lines: VecDeque::new(),
            shown: VecDeque::new(),
            dropped: 0,
        }
    }

    /// Takes in lines.
    pub fn append(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
                self.dropped += 1;
                if self.shown.front().is_some_and(|n| *n < self.dropped) {
                    self.shown.pop_front();
                    self.top = self.top.saturating_sub(1);
                }
            }
            if self.filter.line(&line.text) {
                self.shown.push_back(self.dropped + self.lines.len());
            }
            self.lines.push_back(line);
        }
    }

    /// Forgets every line (a new stream begins, or asked for).
    pub fn clear(&mut self) {
        self.dropped += self.lines.len();
        self.lines.clear();
        self.shown.clear();
        self.top = 0;
    }

    /// Shows only what passes.
    pub fn set_filter(&mut self, filter: Filter) {
        let keep = |(n, line): (usize, &LogLine)| filter.line(&line.text).then_some(self.dropped + n);
        self.shown = self.lines.iter().enumerate().filter_map(keep).collect();
        self.filter = filter;
    }

    /// How many lines pass the filter.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// How many lines there are in all.
    pub fn total(&self) -> usize {
        self.lines.len()
    }

    /// The n-th line that passes.
    pub fn line(&self, n: usize) -> Option<&LogLine> {
        self.lines.get(self.shown.get(n)?.checked_sub(self.dropped)?)
    }

    /// Scrolls; upwards ends following, reaching the end begins it again.
    pub fn scroll(&mut self, by: isize, height: usize) {
        let last = self.len().saturating_sub(height.max(1));
        self.top = self.top.min(last).saturating_add_signed(by).min(last);
        self.follow = by > 0 && self.top == last;
    }

    /// Puts the window where it belongs. `rows` says how many rows a line takes.
    pub fn settle(&mut self, height: usize, rows: impl Fn(&Self, usize) -> usize) {
        if !self.follow {
            self.top = self.top.min(self.len().saturating_sub(1));
            return;
        }
        let (mut used, mut top) = (0, self.len());
        while top > 0 {
            used += rows(self, top - 1);
            if used > height && top < self.len() {
                break;
            }
            top -= 1;
        }
        self.top = top;
    }

    /// What stands before a line: the source where there are several, the time where asked for.
    pub fn prefix(&self, line: &LogLine) -> String {
        let mut out = String::new();
        if self.timestamps && !line.at.is_empty() {
            out.push_str(&line.at);
            out.push(' ');
        }
        let pods = self.logs.sources.iter().any(|(pod, _)| *pod != self.logs.sources[0].0);
        let containers = self.logs.sources.iter().any(|(_, c)| *c != self.logs.sources[0].1);
        match (pods, containers) {
            (true, true) => out.push_str(&format!("{}/{} ", line.pod, line.container)),
            (true, false) => out.push_str(&format!("{} ", line.pod)),
            (false, true) => out.push_str(&format!("{} ", line.container)),
            (false, false) => {}
        }
        out
    }

    /// Every shown line, for the clipboard.
    pub fn plain(&self) -> String {
        (0..self.len()).filter_map(|n| self.line(n)).map(|line| self.prefix(line) + &line.text + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> LogsView {
        let logs = LogRequest {
            namespace: "shop".into(),
            sources: vec![("web-1".into(), "app".into())],
            previous: false,
            tail: Some(500),
            since_seconds: None,
        };
        LogsView::new(ClusterId(0), "web-1".into(), logs, RequestId(1))
    }

    fn lines(from: usize, to: usize) -> Vec<LogLine> {
        let line =
            |n| LogLine { pod: "web-1".into(), container: "app".into(), at: String::new(), text: format!("line {n}") };
        (from..to).map(line).collect()
    }

    #[test]
    fn following_stays_at_the_end_until_scrolled_up() {
        let mut view = view();
        view.append(lines(0, 100));
        view.settle(10, |_, _| 1);
        assert_eq!(view.top, 90);
        view.scroll(-5, 10);
        view.append(lines(100, 110));
        view.settle(10, |_, _| 1);
        assert_eq!((view.top, view.follow), (85, false));
        view.scroll(1000, 10);
        assert!(view.follow);
    }

    #[test]
    fn memory_is_bounded_and_the_window_stays_on_its_lines() {
        let mut view = view();
        view.append(lines(0, KEPT));
        view.scroll(-(KEPT as isize), 10);
        view.scroll(500, 10);
        view.follow = false;
        let before = view.line(view.top).unwrap().text.clone();
        view.append(lines(KEPT, KEPT + 300));
        assert_eq!(view.total(), KEPT);
        assert_eq!(view.line(view.top).unwrap().text, before);
    }

    #[test]
    fn a_filter_applies_to_old_and_new_lines() {
        let mut view = view();
        view.append(lines(0, 30));
        view.set_filter(Filter::parse("9$"));
        view.append(lines(30, 50));
        assert_eq!(view.len(), 5);
        assert_eq!(view.line(4).unwrap().text, "line 49");
        view.set_filter(Filter::default());
        assert_eq!(view.len(), 50);
    }

    #[test]
    fn wrapped_lines_count_for_what_they_take() {
        let mut view = view();
        view.append(lines(0, 20));
        view.settle(10, |_, _| 3);
        assert_eq!(view.top, 17);
        view.settle(2, |_, _| 3);
        assert_eq!(view.top, 19);
    }
}
