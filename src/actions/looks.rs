//! How the screen looks and what the terminal does.

use super::{going, moving};
use crate::effect::Effect;
use crate::state::State;
use crate::state::layout::Drag;
use crate::state::list::ListOf;
use crate::state::nav::View;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

/// Lines that one notch of the wheel moves.
const NOTCH: isize = 3;

/// The list of themes, or the one named.
pub fn theme(state: &mut State, name: &str) -> Vec<Effect> {
    if name.is_empty() { state.show_list(ListOf::Themes) } else { state.choose_theme(name) }
}

/// Takes the mouse, or leaves it to the terminal.
pub fn toggle_mouse(state: &mut State, _: &str) -> Vec<Effect> {
    state.look.mouse = !state.look.mouse;
    state.say(match state.look.mouse {
        true => "the mouse selects, sorts and scrolls here; the same again leaves it to the terminal".into(),
        false => "the mouse is the terminal's: it selects text".into(),
    });
    vec![Effect::Mouse(state.look.mouse)]
}

/// A click goes to its row, a second one opens it; on a title it sorts; the wheel moves. Buttons of a plan are not
/// pressed with the mouse: what writes is worth a key. The edge of a title is dragged; two clicks on it let the column go by
/// its content again.
pub fn mouse(state: &mut State, event: MouseEvent, double: bool) -> Vec<Effect> {
    let body = state.areas().body;
    match event.kind {
        MouseEventKind::ScrollDown => moved(state, NOTCH),
        MouseEventKind::ScrollUp => moved(state, -NOTCH),
        MouseEventKind::Drag(MouseButton::Left) => dragged(state, event.column),
        MouseEventKind::Up(MouseButton::Left) => dropped(state),
        MouseEventKind::Down(MouseButton::Left)
            if state.prompt.is_none() && body.contains(Position::new(event.column, event.row)) =>
        {
            click(state, event.column - body.x, event.row - body.y, body.width, double)
        }
        _ => vec![],
    }
}

fn moved(state: &mut State, by: isize) -> Vec<Effect> {
    state.touch();
    moving::step(state, by)
}

fn click(state: &mut State, x: u16, y: u16, width: u16, double: bool) -> Vec<Effect> {
    if !matches!(state.nav.top().view, View::Table(_) | View::List(_)) {
        return vec![];
    }
    state.touch();
    if y == 0 && grab(state, x, width) {
        return if double { reset_width(state) } else { vec![] };
    }
    let grid = &state.painted.grid;
    let Some(line) = usize::from(y).checked_sub(1) else {
        let title = grid.column_at(x, width).map(|column| column.title.clone());
        if let (View::Table(table), Some(title)) = (&mut state.nav.top_mut().view, title) {
            table.sort_by(&title);
        }
        return vec![];
    };
    let (Some(at), Some(here)) = (grid.row_at(line), grid.selected()) else { return vec![] };
    let mut effects = moving::step(state, at as isize - here as isize);
    if double {
        effects.extend(going::open(state, ""));
    }
    effects
}

/// Columns of the terminal that a dragged column has at least, and at most.
const WIDTHS: std::ops::RangeInclusive<u16> = 3..=300;

/// Takes hold of the edge of a column, where there is one under the mouse.
fn grab(state: &mut State, x: u16, width: u16) -> bool {
    let View::Table(table) = &state.nav.top().view else { return false };
    let Some(column) = state.painted.grid.edge_at(x, width) else { return false };
    let (title, width) = (column.title.clone(), column.width);
    state.drag = Some(Drag { resource: table.resource.clone(), title, from: x, width, now: width });
    true
}

/// The mouse moves while it holds an edge.
fn dragged(state: &mut State, column: u16) -> Vec<Effect> {
    let left = state.areas().body.x;
    let Some(drag) = &mut state.drag else { return vec![] };
    let moved = i32::from(column.saturating_sub(left)) - i32::from(drag.from);
    let width = (i32::from(drag.width) + moved).clamp(i32::from(*WIDTHS.start()), i32::from(*WIDTHS.end()));
    drag.now = u16::try_from(width).unwrap_or(drag.width);
    let (title, width) = (drag.title.clone(), drag.now);
    let resource = drag.resource.clone();
    if let View::Table(table) = &mut state.nav.top_mut().view
        && table.resource == resource
    {
        table.fixed.retain(|(known, _)| *known != title);
        table.fixed.push((title, width));
    }
    state.touch();
    vec![]
}

/// The mouse lets go: the width is kept, where there is a new one.
fn dropped(state: &mut State) -> Vec<Effect> {
    match state.drag.take() {
        Some(drag) if drag.now != drag.width => {
            state.layouts.drag(&drag.resource, &drag.title, Some(drag.now));
            state.layouts_changed(&drag.resource)
        }
        _ => vec![],
    }
}

/// The column goes by its content again.
fn reset_width(state: &mut State) -> Vec<Effect> {
    let Some(drag) = state.drag.take() else { return vec![] };
    state.layouts.drag(&drag.resource, &drag.title, None);
    state.layouts_changed(&drag.resource)
}
