//! Port-forwards: begin, list, stop, look at.

use crate::effect::Effect;
use crate::effect::forward::{ForwardEffect, Wish};
use crate::kinds::ports::Pair;
use crate::state::State;
use crate::state::list::ListOf;
use crate::state::picked::Picked;
use crate::state::prompt::Asks;

/// Asks for the ports, with what the object offers; ports that came with the command are taken at once.
pub fn port_forward(state: &mut State, ports: &str) -> Vec<Effect> {
    let Some(Picked { cluster, resource, object }) = state.picked() else { return vec![] };
    if ports.is_empty() {
        return vec![Effect::Forward(ForwardEffect::Offer { cluster, resource, object })];
    }
    match Pair::parse_all(ports) {
        Ok(pairs) => begin(&Wish { cluster, resource, object, pair: pairs[0].clone() }, pairs),
        Err(why) => {
            state.warn(why);
            vec![]
        }
    }
}

fn begin(wish: &Wish, pairs: Vec<Pair>) -> Vec<Effect> {
    let wishes = pairs.into_iter().map(|pair| Wish { pair, ..wish.clone() });
    wishes.map(|wish| Effect::Forward(ForwardEffect::Begin(wish))).collect()
}

/// Takes the ports typed in the prompt.
pub fn answered(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    let Asks::Forward { cluster, resource, object, .. } = prompt.asks.clone() else { return vec![] };
    match Pair::parse_all(prompt.input.value()) {
        Ok(pairs) => {
            let wish = Wish { cluster, resource, object, pair: pairs[0].clone() };
            state.prompt = None;
            begin(&wish, pairs)
        }
        Err(why) => {
            prompt.error = Some(why);
            vec![]
        }
    }
}

pub fn forwards(state: &mut State, _: &str) -> Vec<Effect> {
    state.show_list(ListOf::Forwards)
}

pub fn stop(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(id) = state.forward().map(|forward| forward.id) else { return vec![] };
    state.forwards.retain(|forward| forward.id != id);
    vec![Effect::Forward(ForwardEffect::Stop(id))]
}

pub fn browse(state: &mut State, _: &str) -> Vec<Effect> {
    let url = state.forward().map(|forward| forward.url());
    url.map(|url| Effect::Forward(ForwardEffect::Browse(url))).into_iter().collect()
}

pub fn copy_url(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(url) = state.forward().map(|forward| forward.url()) else { return vec![] };
    state.say(format!("copied {url}"));
    vec![Effect::Copy(url)]
}
