//! How the screen looks and what the terminal does.

use crate::effect::Effect;
use crate::state::State;
use crate::state::list::ListOf;

/// The list of themes, or the one named.
pub fn theme(state: &mut State, name: &str) -> Vec<Effect> {
    if name.is_empty() { state.show_list(ListOf::Themes) } else { state.choose_theme(name) }
}
