//! Logs.

use super::brush::{Brush, row, width};
use crate::state::logs::dress::Dressed;
use crate::state::logs::{LogsView, breaks};
use crate::theme::Meaning;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// Draws the visible lines, and at the end why there are no more.
pub fn draw(brush: &mut Brush, area: Rect, view: &LogsView) {
    let mut y = 0;
    for n in view.top..view.len() {
        if y >= usize::from(area.height) {
            return;
        }
        let Some(line) = view.dressed(n) else { break };
        let text = line.text.get(line.body..).unwrap_or_default();
        let hits: Vec<Range<usize>> =
            view.filter.places(text).into_iter().map(|r| r.start + line.body..r.end + line.body).collect();
        let whole = view.is_hit(n);
        match view.wrap {
            true => {
                let mut from = 0;
                for end in breaks(&line.text, area.width.into()) {
                    piece(brush, row(area, y), &line, &hits, whole, from..end);
                    (from, y) = (end, y + 1);
                }
            }
            false => {
                cut(brush, row(area, y), &line, &hits, whole, view.left);
                y += 1;
            }
        }
    }
    for reason in view.endings() {
        brush.line(row(area, y), &format!(" – {reason}"), Meaning::Muted);
        y += 1;
    }
    if view.is_empty() && y == 0 {
        let text = match (view.total(), view.streams.list().is_empty()) {
            (0, true) => " no pod of this selection is known yet; lines come as soon as there is one",
            (0, false) => " waiting for the first line",
            _ => " no line passes the filter (Esc clears)",
        };
        brush.line(row(area, 1), text, Meaning::Muted);
    }
}

/// One row: time and source stay, the line itself is scrolled.
fn cut(brush: &mut Brush, area: Rect, line: &Dressed, hits: &[Range<usize>], whole: bool, left: usize) {
    let used = piece(brush, area, line, hits, whole, 0..line.body);
    let rest = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
    let text = line.text.get(line.body..).unwrap_or_default();
    let from = text.char_indices().nth(left).map_or(line.text.len(), |(at, _)| line.body + at);
    piece(brush, rest, line, hits, whole, from..line.text.len());
    if width(line.text.get(from..).unwrap_or_default()) > usize::from(rest.width) && rest.width > 0 {
        let last = Rect { x: rest.x + rest.width - 1, width: 1, ..rest };
        // A wide character may stand half in it.
        brush.put(last, " ", brush.look(Meaning::Text));
        brush.put(last, "…", brush.look(Meaning::Muted));
    }
}

/// A part of a line with its colours, as far as there is room; returns the columns used.
fn piece(brush: &mut Brush, area: Rect, line: &Dressed, hits: &[Range<usize>], whole: bool, part: Range<usize>) -> u16 {
    let mut used = 0;
    let (mut run, mut style) = (String::new(), Style::default());
    let mut room = usize::from(area.width);
    let flush = |brush: &mut Brush, run: &mut String, style: Style, used: &mut u16| {
        let rest = Rect { x: area.x + *used, width: area.width.saturating_sub(*used), ..area };
        *used += brush.put(rest, run, style);
        run.clear();
    };
    let text = line.text.get(part.clone()).unwrap_or_default();
    for (at, c) in text.char_indices().map(|(at, c)| (at + part.start, c)) {
        let columns = c.width().unwrap_or(0);
        if columns > room {
            break;
        }
        room -= columns;
        let of = line.runs.partition_point(|(end, _)| *end <= at);
        let meaning = line.runs.get(of).map_or(Meaning::Text, |(_, meaning)| *meaning);
        let mut look = brush.look(meaning);
        if whole && at >= line.body {
            look = look.patch(brush.look(Meaning::Selected));
        }
        if hits.iter().any(|hit| hit.contains(&at)) {
            look = look.patch(brush.look(Meaning::Match));
        }
        if look != style && !run.is_empty() {
            flush(brush, &mut run, style, &mut used);
        }
        style = look;
        run.push(c);
    }
    flush(brush, &mut run, style, &mut used);
    used
}
