//! Describe, YAML, why.

use super::brush::{Brush, row, width};
use crate::state::grid::wrapped;
use crate::state::text::{TextLine, TextView};
use crate::theme::Meaning;
use ratatui::layout::Rect;

/// Draws the visible part of a text.
pub fn draw(brush: &mut Brush, area: Rect, view: &TextView) {
    if view.lines.is_empty() {
        let (text, meaning) = match (&view.error, &view.waiting) {
            (Some(error), _) => (error.clone(), Meaning::Bad),
            (None, Some(waiting)) => (format!("{waiting} …"), Meaning::Muted),
            (None, None) => ("nothing to show".into(), Meaning::Muted),
        };
        for (n, part) in wrapped(&text, usize::from(area.width.saturating_sub(4))).iter().enumerate() {
            let line = row(area, n + 1);
            brush.line(
                Rect { x: line.x + 2.min(line.width), width: line.width.saturating_sub(2), ..line },
                part,
                meaning,
            );
        }
        return;
    }
    let mut y = 0;
    // A stale text says so: the object could not be read again.
    if let Some(error) = &view.error {
        brush.line(row(area, 0), &format!(" as last seen; {error}"), Meaning::Warn);
        y = 1;
    }
    for (n, line) in view.lines.iter().enumerate().skip(view.cursor.top) {
        if y >= usize::from(area.height) {
            break;
        }
        let on_cursor = n == view.cursor.at && view.points();
        if view.wrap {
            y += wrapped_line(brush, area, y, line, on_cursor, view);
        } else {
            let space = row(area, y);
            cut_line(brush, space, line, view);
            brush.link_urls(space, &line.plain());
            mark(brush, space, on_cursor, line);
            y += 1;
        }
    }
}

fn mark(brush: &mut Brush, space: Rect, on_cursor: bool, line: &TextLine) {
    if on_cursor {
        brush.fill(space, Meaning::Selected);
        let sign = if line.target.is_some() { "▸" } else { " " };
        let style = brush.look(Meaning::Selected);
        brush.put(Rect { width: space.width.min(1), ..space }, sign, style);
    }
}

/// A line from its `left`-th character on, hits of the search set apart.
fn cut_line(brush: &mut Brush, space: Rect, line: &TextLine, view: &TextView) {
    let mut skip = view.left;
    let mut x = 1;
    for (meaning, text) in &line.spans {
        let room = rest(space, x);
        if room.is_empty() {
            break;
        }
        // No more than there is room for: an annotation may be a megabyte long, and this is done for every frame.
        let mut chars = text.chars();
        while skip > 0 && chars.next().is_some() {
            skip -= 1;
        }
        let shown: String = chars.take(CHARS_PER_CELL * usize::from(room.width)).collect();
        x += pieces(brush, room, &shown, *meaning, view);
    }
}

/// A cell may hold a letter and the marks on it.
const CHARS_PER_CELL: usize = 4;

fn rest(space: Rect, x: u16) -> Rect {
    Rect { x: space.x + x.min(space.width), width: space.width.saturating_sub(x), ..space }
}

/// Text with what the search found set apart.
fn pieces(brush: &mut Brush, space: Rect, text: &str, meaning: Meaning, view: &TextView) -> u16 {
    let (plain, found) = (brush.look(meaning), brush.look(Meaning::Match));
    let Some(find) = &view.find else { return brush.put(space, text, plain) };
    let (mut x, mut at) = (0, 0);
    for hit in find.regex.find_iter(text).filter(|hit| !hit.is_empty()) {
        x += brush.put(rest(space, x), &text[at..hit.start()], plain);
        x += brush.put(rest(space, x), hit.as_str(), found);
        at = hit.end();
    }
    x + brush.put(rest(space, x), &text[at..], plain)
}

/// A line over as many rows as it takes; returns how many. Continuations stand under the text, not under its bullet.
fn wrapped_line(brush: &mut Brush, area: Rect, y: usize, line: &TextLine, on_cursor: bool, view: &TextView) -> usize {
    let room = usize::from(area.width.saturating_sub(2)).max(1);
    let rows = usize::from(area.height).saturating_sub(y);
    let text: String = line.plain().chars().take(CHARS_PER_CELL * room * rows.max(1)).collect();
    if width(&text) <= room {
        let space = row(area, y);
        cut_line(brush, space, line, view);
        brush.link_urls(space, &text);
        mark(brush, space, on_cursor, line);
        return 1;
    }
    let indent = (text.len() - text.trim_start().len() + 2).min(room / 2);
    let meaning = line.spans.first().map_or(Meaning::Text, |(meaning, _)| *meaning);
    let parts = wrapped(&text, room - indent);
    let mut start = 0;
    for (n, part) in parts.iter().enumerate() {
        let space = row(area, y + n);
        if space.is_empty() {
            break;
        }
        let x = if n == 0 { 1 } else { 1 + indent as u16 };
        pieces(brush, rest(space, x), part, meaning, view);
        // (The parts are the text: nothing is lost where it is broken.)
        brush.link_part(rest(space, x), &text, start..start + part.len());
        start += part.len();
        mark(brush, space, on_cursor, line);
    }
    parts.len()
}
