//! Drawing: reads the state, changes nothing.

use crate::state::State;
use crate::theme::Theme;
use ratatui::Frame;

/// Draws the whole screen. Call after [`settle`](crate::update::settle).
pub fn draw(state: &State, theme: &Theme, frame: &mut Frame) {
    let _ = (state, theme, frame);
}
