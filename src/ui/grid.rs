//! Tables and lists.

use super::brush::{Brush, row, width};
use crate::state::grid::{self, Grid, GridColumn, GridRow, wrapped};
use crate::theme::Meaning;
use crate::world::metrics;
use crate::world::row::Tone;
use ratatui::layout::Rect;

/// The look of how something stands.
pub fn tone(tone: Tone) -> Meaning {
    match tone {
        Tone::Ok => Meaning::Text,
        Tone::Done => Meaning::Done,
        Tone::Busy => Meaning::Busy,
        Tone::Warn => Meaning::Warn,
        Tone::Bad => Meaning::Bad,
    }
}

/// Draws a grid: a line of titles, the rows, or why there are none.
pub fn draw(brush: &mut Brush, area: Rect, grid: &Grid) {
    let gap = grid.gap(area.width);
    heads(brush, row(area, 0), &grid.columns, gap);
    for (n, line) in grid.rows.iter().enumerate() {
        draw_row(brush, row(area, n + 1), &grid.columns, line, gap);
    }
    let mut y = 2;
    for text in &grid.empty {
        for part in wrapped(text, usize::from(area.width.saturating_sub(4)).max(1)) {
            let line = row(area, y);
            brush.line(
                Rect { x: line.x + 2.min(line.width), width: line.width.saturating_sub(2), ..line },
                &part,
                Meaning::Muted,
            );
            y += 1;
        }
    }
}

fn heads(brush: &mut Brush, area: Rect, columns: &[GridColumn], gap: u16) {
    let mut x = area.x + 1;
    for column in columns {
        let arrow = match column.sorted {
            Some(true) => "↓",
            Some(false) => "↑",
            None => "",
        };
        let text = format!("{}{arrow}", column.title);
        let meaning = if column.chosen { Meaning::Match } else { Meaning::Label };
        cell(brush, Rect { x, ..area }, area, column, &text, meaning);
        x += column.width + gap;
    }
}

fn draw_row(brush: &mut Brush, area: Rect, columns: &[GridColumn], line: &GridRow, gap: u16) {
    if area.is_empty() {
        return;
    }
    let meaning = match (line.stale, line.marked) {
        (_, true) => Meaning::Marked,
        (true, _) => Meaning::Stale,
        _ => tone(line.tone),
    };
    let mut x = area.x + 1;
    let whole = [GridColumn { width: area.width.saturating_sub(1), ..GridColumn::default() }];
    let columns = if line.whole { &whole } else { columns };
    let plain = !line.stale && !line.marked;
    for (column, text) in columns.iter().zip(&line.cells) {
        let meaning = match share(column, text) {
            Some(share) if plain && share > line.tone => tone(share),
            _ => meaning,
        };
        cell(brush, Rect { x, ..area }, area, column, text, meaning);
        x += column.width + gap;
    }
    if line.selected {
        brush.fill(area, Meaning::Selected);
    }
    // Not by colour alone: what is marked and where the cursor is.
    let sign = match (line.marked, line.selected) {
        (true, _) => "*",
        (false, true) => "▸",
        (false, false) => return,
    };
    let style = brush.look(if line.marked { Meaning::Marked } else { Meaning::Selected });
    brush.put(Rect { width: area.width.min(1), ..area }, sign, style);
}

/// How much a cell says is used of a request, a limit or a node.
fn share(column: &GridColumn, text: &str) -> Option<Tone> {
    let is_share = column.title.starts_with("%CPU") || column.title.starts_with("%MEM");
    text.parse().ok().filter(|_| is_share).map(metrics::tone)
}

/// One cell at the x of `at`, cut to its column and to the row.
fn cell(brush: &mut Brush, at: Rect, area: Rect, column: &GridColumn, text: &str, meaning: Meaning) {
    let right = area.x.saturating_add(area.width);
    if at.x >= right {
        return;
    }
    let room = column.width.min(right - at.x);
    let whole = text;
    let text = match column.title.as_str() {
        // The end of a name tells pods of one ReplicaSet apart.
        "NAME" => grid::fit_middle(text, room.into()),
        _ => grid::fit(text, room.into()),
    };
    let indent = if column.right { room.saturating_sub(width(&text) as u16) } else { 0 };
    let space = Rect { x: at.x + indent, width: room - indent, height: at.height.min(1), ..at };
    brush.line(space, &text, meaning);
    hosts(brush, space, column, whole);
}

/// A host of an Ingress or a route leads to its page, where all of it can be seen.
fn hosts(brush: &mut Brush, space: Rect, column: &GridColumn, text: &str) {
    if !matches!(column.title.as_str(), "HOSTS" | "HOSTNAMES") {
        return;
    }
    let mut at = 0;
    for host in text.split(',') {
        let name = host.trim();
        let start = at + host.len() - host.trim_start().len();
        at += host.len() + 1;
        let is_name = name.contains('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        if is_name && start + name.len() <= usize::from(space.width) {
            let area = Rect { x: space.x + start as u16, width: name.len() as u16, ..space };
            brush.link(area, &format!("https://{name}"));
        }
    }
}
