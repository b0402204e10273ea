//! How the screen looks and what the terminal does.

use super::{going, moving};
use crate::effect::Effect;
use crate::state::State;
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
/// pressed with the mouse: what writes is worth a key.
pub fn mouse(state: &mut State, event: MouseEvent, double: bool) -> Vec<Effect> {
    let body = state.areas().body;
    match event.kind {
        MouseEventKind::ScrollDown => moved(state, NOTCH),
        MouseEventKind::ScrollUp => moved(state, -NOTCH),
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
