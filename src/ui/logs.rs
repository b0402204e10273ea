//! Logs.

use super::brush::{Brush, row, width};
use crate::state::logs::LogsView;
use crate::theme::Meaning;
use ratatui::layout::Rect;

/// Draws the visible lines, and at the end why there are no more.
pub fn draw(brush: &mut Brush, area: Rect, view: &LogsView) {
    let mut y = 0;
    for n in view.top..view.len() {
        if y >= usize::from(area.height) {
            return;
        }
        let Some(line) = view.line(n) else { break };
        let prefix = view.prefix(line);
        if view.wrap {
            y += wrapped(brush, area, y, &prefix, &line.text);
        } else {
            let space = row(area, y);
            let used = brush.put(space, &prefix, brush.look(Meaning::Label));
            let shown: String = line.text.chars().skip(view.left).collect();
            brush.line(Rect { x: space.x + used, width: space.width - used, ..space }, &shown, Meaning::Text);
            y += 1;
        }
    }
    for reason in &view.ended {
        brush.line(row(area, y), &format!(" – {reason}"), Meaning::Muted);
        y += 1;
    }
    if view.is_empty() && view.ended.is_empty() {
        let text =
            if view.total() == 0 { " waiting for the first line" } else { " no line passes the filter (Esc clears)" };
        brush.line(row(area, 1), text, Meaning::Muted);
    }
}

/// A line over as many rows as it takes, broken at the edge: logs are columns as often as they are words.
fn wrapped(brush: &mut Brush, area: Rect, y: usize, prefix: &str, text: &str) -> usize {
    let space = row(area, y);
    let used = brush.put(space, prefix, brush.look(Meaning::Label));
    let (mut rest, mut n, mut x) = (text, 0, used);
    loop {
        let space = row(area, y + n);
        let room = usize::from(area.width.saturating_sub(x));
        let mut columns = 0;
        let end = rest.char_indices().find(|(_, c)| {
            columns += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
            columns > room
        });
        let end = end.map_or(rest.len(), |(at, _)| at);
        brush.put(
            Rect { x: space.x + x, width: space.width.saturating_sub(x), ..space },
            &rest[..end],
            brush.look(Meaning::Text),
        );
        // No room for even one character: nothing would ever be left of the rest.
        if end == 0 && x == 0 {
            return n + 1;
        }
        rest = &rest[end..];
        (n, x) = (n + 1, 0);
        if rest.is_empty() || width(rest) == 0 {
            return n;
        }
    }
}
