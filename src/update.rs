//! The one place where the state changes: a message in, effects out.

use crate::effect::Effect;
use crate::msg::Msg;
use crate::state::State;

/// What must be done outside before the first message: clusters to open, the first command.
pub fn start(state: &mut State) -> Vec<Effect> {
    let _ = state;
    vec![]
}

/// Takes in a message. Synchronous, total, and cheap: the caller may feed many before it draws once.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let _ = (state, msg);
    vec![]
}

/// Brings what is visible up to date and says whether it changed, so that the caller draws only then.
pub fn settle(state: &mut State) -> bool {
    let _ = state;
    true
}
