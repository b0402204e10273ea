//! The line one types on, and what is wrong with what was typed, above it.

use super::brush::{Brush, inset, width};
use crate::state::command::Offer;
use crate::state::grid::{fit, wrapped};
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
    } else if prompt.asks == Asks::Command {
        offers(brush, body, prompt);
    }
    let x = prompt.input.visual_cursor().max(scroll) - scroll;
    Position::new(rest.x.saturating_add(x as u16).min(foot.x + foot.width.saturating_sub(1)), foot.y)
}

/// Offers shown at once, where the screen has the room.
const OFFERS: usize = 8;

/// What it could become, one in a line with its help, the best nearest to the line that is typed.
fn offers(brush: &mut Brush, body: Rect, prompt: &Prompt) {
    let room = OFFERS.min(usize::from(body.height) / 2);
    let first = (prompt.offer + 1).saturating_sub(room);
    let shown: Vec<(usize, &Offer)> = prompt.offers.iter().enumerate().skip(first).take(room).collect();
    let words = shown.iter().map(|(_, offer)| width(&offer.word)).max().unwrap_or(0).min(usize::from(body.width) / 2);
    for (row, (n, offer)) in shown.iter().enumerate() {
        let y = body.y + body.height.saturating_sub(1 + row as u16);
        let space = Rect { y, height: 1, ..body };
        brush.clear(space);
        let here = *n == prompt.offer;
        let sign = if here && prompt.chosen { "▸" } else { " " };
        let word = fit(&offer.word, words);
        let pad = " ".repeat(words.saturating_sub(width(&word)));
        let look = if here { Meaning::Key } else { Meaning::Text };
        brush.spans(space, &[(look, format!("{sign}{word}{pad}  ")), (Meaning::Muted, offer.help.clone())]);
    }
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
