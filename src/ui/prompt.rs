//! The line one types on, and what is wrong with what was typed, above it.

use super::brush::{Brush, inset, width};
use crate::state::grid::wrapped;
use crate::state::prompt::{Asks, Prompt};
use crate::theme::Meaning;
use ratatui::layout::{Position, Rect};

/// Draws the prompt in the bottom line; returns where the cursor stands.
pub fn draw(brush: &mut Brush, foot: Rect, body: Rect, prompt: &Prompt) -> Position {
    brush.clear(foot);
    let area = inset(foot);
    let label = prompt.label();
    let used = brush.put(area, &label, brush.look(Meaning::Prompt));
    let rest = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
    let scroll = prompt.input.visual_scroll(usize::from(rest.width.saturating_sub(1)));
    let shown = skip_columns(prompt.input.value(), scroll);
    let used = brush.put(rest, shown, brush.look(Meaning::Text));
    let ghost = Rect { x: rest.x + used, width: rest.width.saturating_sub(used), ..rest };
    brush.line(ghost, prompt.ghost(), Meaning::Ghost);
    if let Some(error) = &prompt.error {
        let lines = wrapped(error, usize::from(body.width.saturating_sub(2)).max(1));
        let height = (lines.len() as u16).min(body.height);
        let top = body.y + body.height - height;
        for (n, line) in lines.iter().take(height.into()).enumerate() {
            let space = Rect { y: top + n as u16, height: 1, ..body };
            brush.clear(space);
            brush.line(inset(space), line, Meaning::Bad);
        }
    } else if prompt.asks == Asks::Command && prompt.offers.len() > 1 {
        let space = Rect { y: body.y + body.height.saturating_sub(1), height: body.height.min(1), ..body };
        brush.clear(space);
        brush.spans(inset(space), &offers(prompt));
    }
    let x = prompt.input.visual_cursor().max(scroll) - scroll;
    Position::new(rest.x.saturating_add(x as u16).min(foot.x + foot.width.saturating_sub(1)), foot.y)
}

/// What it could become, the one that Tab takes set apart.
fn offers(prompt: &Prompt) -> Vec<(Meaning, String)> {
    let first = prompt.offer.saturating_sub(2);
    let shown = prompt.offers.iter().enumerate().skip(first).take(20);
    shown
        .map(|(n, offer)| {
            let word = offer.rsplit(' ').next().unwrap_or_default();
            (if n == prompt.offer { Meaning::Key } else { Meaning::Muted }, format!("{word}  "))
        })
        .collect()
}

/// The text without its first so many columns.
fn skip_columns(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let start = text.char_indices().find(|(_, c)| {
        let here = used;
        used += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
        here >= columns
    });
    let start = start.map_or(if width(text) <= columns { text.len() } else { 0 }, |(at, _)| at);
    &text[start..]
}
