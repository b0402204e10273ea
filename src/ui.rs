//! Drawing: reads the state, changes nothing.
//!
//! What tables and lists look like was worked out by [`settle`](crate::update::settle); here it gets its place and its
//! colours. Every writer cuts at the edge of its area, so that any size of terminal is safe.

mod ascii;
mod brush;
mod grid;
mod link;
mod logs;
mod operation;
mod prompt;
mod text;
mod themes;
mod tutorial;

#[cfg(test)]
mod argo_tests;
#[cfg(test)]
mod columns_tests;
#[cfg(test)]
mod comfort_tests;
#[cfg(test)]
mod feel_tests;
#[cfg(test)]
pub mod fixture;
#[cfg(test)]
mod fleet_tests;
#[cfg(test)]
mod into_pods_tests;
#[cfg(test)]
mod metrics_tests;
#[cfg(test)]
mod monkey_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod plugins_tests;
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

pub use link::Links;

/// Draws the whole screen. Call after [`settle`](crate::update::settle).
pub fn draw(state: &State, theme: &Theme, frame: &mut Frame) {
    draw_linked(state, theme, frame);
}

/// The same; gives where the cells of links lead. There are none where the terminal does not take them.
pub fn draw_linked(state: &State, theme: &Theme, frame: &mut Frame) -> Links {
    // The terminal may have changed since the last message; what does not fit is left out until its message is here.
    let whole = frame.area();
    let mut areas = state.areas();
    for area in [&mut areas.head, &mut areas.bar, &mut areas.body, &mut areas.tutorial, &mut areas.foot] {
        *area = area.intersection(whole);
    }
    let mut brush = Brush::new(frame.buffer_mut(), theme, state.look.links);
    brush.fill(whole, Meaning::Text);
    head(&mut brush, areas.head, state);
    brush.line(areas.bar, &state.painted.bar, Meaning::Warn);
    match &state.nav.top().view {
        View::Table(_) | View::List(_) | View::Tree(_) => grid::draw(&mut brush, areas.body, &state.painted.grid),
        View::Text(view) => text::draw(&mut brush, areas.body, view),
        View::Logs(view) => logs::draw(&mut brush, areas.body, view),
        View::Operation(view) => operation::draw(&mut brush, areas.body, state, view),
    }
    themes::beside(&mut brush, areas.body, state);
    tutorial::draw(&mut brush, areas.tutorial, state);
    let cursor = match &state.prompt {
        Some(typed) => Some(prompt::draw(&mut brush, areas.foot, areas.body, typed)),
        None => {
            brush.fill(areas.foot, Meaning::Head);
            brush.spans(brush::inset(areas.foot), &state.painted.foot.spans);
            operation::cursor(areas.body, state)
        }
    };
    let links = brush.links();
    if state.look.ascii {
        ascii::wash(frame.buffer_mut());
    }
    if let Some(at) = cursor.filter(|at| whole.contains(*at)) {
        frame.set_cursor_position(at);
    }
    links
}

/// Where one is on the left, how current it is on the right; the right side keeps its room.
fn head(brush: &mut Brush, area: ratatui::layout::Rect, state: &State) {
    brush.fill(area, Meaning::Head);
    let area = brush::inset(area);
    let head = &state.painted.head;
    let right = brush::width(&head.right.1).min(usize::from(area.width) * 2 / 3);
    let mut left = area;
    left.width = area.width.saturating_sub(right as u16 + u16::from(right > 0));
    for (meaning, text) in &head.left {
        let used = match meaning {
            Meaning::Cluster => clusters(brush, left, text, state),
            _ => brush.spans(left, &[(*meaning, text.clone())]),
        };
        let used = used.saturating_add(2).min(left.width);
        (left.x, left.width) = (left.x + used, left.width - used);
    }
    let mut end = area;
    end.x = area.x + area.width.saturating_sub(right as u16);
    end.width = right as u16;
    brush.line(end, &head.right.1, head.right.0);
}

/// The names of clusters, each on its accent.
fn clusters(brush: &mut Brush, area: ratatui::layout::Rect, names: &str, state: &State) -> u16 {
    let mut rest = area;
    for (n, name) in names.split(" · ").enumerate() {
        let between = if n > 0 { brush.spans(rest, &[(Meaning::Muted, " · ".into())]) } else { 0 };
        (rest.x, rest.width) = (rest.x + between, rest.width - between);
        let style = brush.badge(Meaning::Cluster, state.accents.get(name));
        let used = brush.put(rest, &crate::state::grid::fit(name, rest.width.into()), style);
        (rest.x, rest.width) = (rest.x + used, rest.width - used);
    }
    area.width - rest.width
}
