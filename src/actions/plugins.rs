//! Programs of the user's own.

use crate::effect::Effect;
use crate::state::State;
use crate::state::nav::{Scope, Screen, View};
use crate::state::operation::OperationScreen;
use crate::world::text::closest;

/// Whether there are any.
pub fn any(state: &State) -> bool {
    !state.plugins.is_empty()
}

/// `plugin NAME`
pub fn run(state: &mut State, name: &str) -> Vec<Effect> {
    let name = name.trim();
    let Some(plugin) = state.plugin(name).cloned() else {
        state.warn(unknown(state, name));
        return vec![];
    };
    if !state.takes(&plugin) {
        state.warn(format!("{name} does not apply here: it is for {}", plugin.is_for()));
        return vec![];
    }
    let Some(call) = state.plugin_call(&plugin) else { return vec![] };
    if !plugin.asks() {
        return vec![Effect::Plugin { call: Box::new(call), operation: None }];
    }
    let request = state.request();
    let scope = Scope { clusters: vec![call.cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    let view = View::Operation(OperationScreen::planning(format!("{name} on {}", call.object), request));
    let mut effects = state.push(Screen { scope, view });
    effects.push(Effect::PlanPlugin { request, call: Box::new(call) });
    effects
}

fn unknown(state: &State, name: &str) -> String {
    let known: Vec<&str> = state.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    match (name, closest(name, known.iter().copied())) {
        ("", _) => format!("which one? `:plugin NAME`: {}", known.join(", ")),
        (_, Some(near)) => format!("there is no plugin {name}; did you mean {near}?"),
        (_, None) => format!("there is no plugin {name} (there are: {})", known.join(", ")),
    }
}
