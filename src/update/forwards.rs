//! What is heard of port-forwards.

use crate::effect::Effect;
use crate::msg::Level;
use crate::msg::forward::{ForwardMsg, ForwardView};
use crate::state::State;
use crate::state::forwards::short;
use crate::state::prompt::{Asks, Prompt};

/// Takes in a message about port-forwards.
pub fn heard(state: &mut State, msg: ForwardMsg) -> Vec<Effect> {
    state.touch();
    match msg {
        ForwardMsg::Offered { cluster, resource, object, text, note } => {
            // Something else is being typed by now: the offer would take its place.
            if state.prompt.is_none() {
                state.prompt = Some(Prompt::with(Asks::Forward { cluster, resource, object, note }, &text));
            }
        }
        ForwardMsg::Refused { wish, why, instead } => match instead.filter(|_| state.prompt.is_none()) {
            Some(instead) => {
                let asks = Asks::Forward {
                    cluster: wish.cluster,
                    resource: wish.resource,
                    object: wish.object,
                    note: String::new(),
                };
                let mut prompt = Prompt::with(asks, &instead);
                prompt.error = Some(why);
                state.prompt = Some(prompt);
            }
            None => {
                let what = short(&wish.resource, &wish.object.name);
                state.notices.add(Level::Error, format!("{what} is not forwarded: {why}"), state.now);
            }
        },
        ForwardMsg::Stands(view) => stands(state, *view),
    }
    vec![]
}

fn stands(state: &mut State, view: ForwardView) {
    let name = short(&view.wish.resource, &view.wish.object.name);
    let pod = |view: &ForwardView| view.seen.target.as_ref().map(|(pod, _)| pod.clone());
    let Some(known) = state.forwards.iter_mut().find(|known| known.id == view.id) else {
        state.say(format!("{} leads to {name}; :pf lists what is forwarded", view.url()));
        state.forwards.push(view);
        return;
    };
    let (before, after) = (pod(known), pod(&view));
    let moved = view.seen.changes > known.seen.changes;
    *known = view;
    match after {
        Some(after) if moved => state.say(format!("{name} is forwarded to {after} now")),
        None if before.is_some() => state.warn(format!("{name} waits for a pod to forward to")),
        _ => {}
    }
}
