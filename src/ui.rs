//! Drawing: reads the state, changes nothing.
//!
//! What tables and lists look like was worked out by [`settle`](crate::update::settle); here it gets its place and its
//! colours. Every writer cuts at the edge of its area, so that any size of terminal is safe.

mod brush;
mod grid;
mod logs;
mod operation;
mod prompt;
mod text;
mod tutorial;

#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod fleet_tests;
#[cfg(test)]
mod into_pods_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;
#[cfg(test)]
mod update_tests;

use crate::state::State;
use crate::state::nav::View;
use crate::theme::{Meaning, Theme};
use brush::Brush;
use ratatui::Frame;

/// Draws the whole screen. Call after [`settle`](crate::update::settle).
pub fn draw(state: &State, theme: &Theme, frame: &mut Frame) {
    // The terminal may have changed since the last message; what does not fit is left out until its message is here.
    let whole = frame.area();
    let mut areas = state.areas();
    for area in [&mut areas.head, &mut areas.bar, &mut areas.body, &mut areas.tutorial, &mut areas.foot] {
        *area = area.intersection(whole);
    }
    let mut brush = Brush::new(frame.buffer_mut(), theme);
    brush.fill(whole, Meaning::Text);
    head(&mut brush, areas.head, state);
    brush.line(areas.bar, &state.painted.bar, Meaning::Warn);
    match &state.nav.top().view {
        View::Table(_) | View::List(_) | View::Tree(_) => grid::draw(&mut brush, areas.body, &state.painted.grid),
        View::Text(view) => text::draw(&mut brush, areas.body, view),
        View::Logs(view) => logs::draw(&mut brush, areas.body, view),
        View::Operation(view) => operation::draw(&mut brush, areas.body, state, view),
    }
    tutorial::draw(&mut brush, areas.tutorial, state);
    let cursor = match &state.prompt {
        Some(typed) => Some(prompt::draw(&mut brush, areas.foot, areas.body, typed)),
        None => {
            brush.fill(areas.foot, Meaning::Head);
            brush.spans(brush::inset(areas.foot), &state.painted.foot.spans);
            operation::cursor(areas.body, state)
        }
    };
    if let Some(at) = cursor.filter(|at| whole.contains(*at)) {
        frame.set_cursor_position(at);
    }
}

/// Where one is on the left, how current it is on the right; the right side keeps its room.
fn head(brush: &mut Brush, area: ratatui::layout::Rect, state: &State) {
    brush.fill(area, Meaning::Head);
    let area = brush::inset(area);
    let head = &state.painted.head;
    let right = brush::width(&head.right.1).min(usize::from(area.width) * 2 / 3);
    let mut left = area;
    left.width = area.width.saturating_sub(right as u16 + u16::from(right > 0));
    let spaced: Vec<(Meaning, String)> =
        head.left.iter().map(|(meaning, text)| (*meaning, format!("{text}  "))).collect();
    brush.spans(left, &spaced);
    let mut end = area;
    end.x = area.x + area.width.saturating_sub(right as u16);
    end.width = right as u16;
    brush.line(end, &head.right.1, head.right.0);
}
