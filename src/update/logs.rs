//! What is heard of logs.

use crate::effect::logs::LogSource;
use crate::effect::{Effect, RequestId};
use crate::msg::logs::LogLine;
use crate::state::State;
use crate::state::logs::LogsView;
use crate::state::nav::View;

/// The window that waits for this.
fn window(state: &mut State, request: RequestId) -> Option<&mut LogsView> {
    state.touch();
    state.nav.screens_mut().iter_mut().find_map(|screen| match &mut screen.view {
        View::Logs(logs) if logs.request == request => Some(&mut **logs),
        _ => None,
    })
}

/// Lines of a source.
pub fn lines(state: &mut State, request: RequestId, source: &LogSource, lines: Vec<LogLine>) -> Vec<Effect> {
    if let Some(logs) = window(state, request) {
        logs.append(source, lines);
    }
    vec![]
}

/// Something to be said between them.
pub fn note(state: &mut State, request: RequestId, text: &str) -> Vec<Effect> {
    if let Some(logs) = window(state, request) {
        logs.say(text);
    }
    vec![]
}

/// A stream has ended.
pub fn end(state: &mut State, request: RequestId, source: &LogSource, reason: Option<String>) -> Vec<Effect> {
    let now = state.now;
    if let Some(logs) = window(state, request) {
        logs.end(source, reason, now);
    }
    state.look_at_logs()
}
