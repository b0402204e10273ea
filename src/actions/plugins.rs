//! Programs of the user's own.

use crate::effect::Effect;
use crate::effect::plugin::PluginCall;
use crate::state::State;
use crate::state::nav::{Scope, Screen, View};
use crate::state::operation::OperationScreen;
use crate::state::prompt::{Asks, Prompt};
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
    match state.plugin_call(&plugin) {
        Ok(call) => go_on(state, call),
        Err(why) => {
            state.warn(format!("{name}: {why}"));
            vec![]
        }
    }
}

/// Takes the answer to one of its questions.
pub fn answered(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    let Asks::Input { call } = &prompt.asks else { return vec![] };
    let Some(input) = call.waiting() else { return vec![] };
    match input.take(prompt.input.value().trim()) {
        Err(why) => {
            prompt.error = Some(why);
            vec![]
        }
        Ok(answer) => {
            let mut call = call.as_ref().clone();
            call.inputs.push((input.variable(), answer));
            state.prompt = None;
            go_on(state, call)
        }
    }
}

/// The next question; then it is shown, or run at once.
fn go_on(state: &mut State, call: PluginCall) -> Vec<Effect> {
    if let Some(input) = call.waiting() {
        let default = input.default.clone();
        state.prompt = Some(Prompt::with(Asks::Input { call: Box::new(call) }, &default));
        return vec![];
    }
    if !call.plugin.asks() {
        return vec![Effect::Plugin { call: Box::new(call), operation: None }];
    }
    let name = &call.plugin.name;
    let request = state.request();
    let scope = Scope { clusters: vec![call.cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    let view = View::Operation(OperationScreen::planning(format!("{name} on {}", call.object()), request));
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
