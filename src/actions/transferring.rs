//! Copies from and to containers.

use super::entering::container;
use crate::effect::Effect;
use crate::effect::transfer::{Errand, TransferEffect};
use crate::state::State;
use crate::state::nav::{Scope, Screen, View};
use crate::state::operation::OperationScreen;
use crate::state::prompt::{Asks, Prompt};
use crate::world::text::split;
use std::path::PathBuf;

pub fn copy_from(state: &mut State, paths: &str) -> Vec<Effect> {
    ask(state, true, paths)
}

pub fn copy_to(state: &mut State, paths: &str) -> Vec<Effect> {
    ask(state, false, paths)
}

pub fn stop(state: &mut State, _: &str) -> Vec<Effect> {
    let stopped = match state.transfers.len() {
        1 => "1 copy".to_string(),
        n => format!("{n} copies"),
    };
    state.transfers.clear();
    state.say(format!("{stopped} stopped; files that were complete stay"));
    vec![Effect::Transfer(TransferEffect::StopAll)]
}

/// Asks for the two paths; those that came with the command are taken at once.
fn ask(state: &mut State, out: bool, paths: &str) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let Some(container) = container(state, None) else {
        state.say("choose a container, then the same key again".into());
        return super::going::open(state, "");
    };
    let (cluster, namespace, pod) = (picked.cluster, picked.object.namespace, picked.object.name);
    let asks = Asks::Copy { cluster, namespace, pod, container, out };
    state.prompt = Some(Prompt::with(asks, paths));
    if paths.is_empty() { vec![] } else { answered(state) }
}

/// Takes the paths typed in the prompt.
pub fn answered(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    let Asks::Copy { cluster, namespace, pod, container, out } = prompt.asks.clone() else { return vec![] };
    let words = split(prompt.input.value());
    let (there, here) = match (out, words.as_slice()) {
        (true, [there]) => (there.clone(), "."),
        (true, [there, here]) => (there.clone(), here.as_str()),
        (false, [here, there]) => (there.clone(), here.as_str()),
        (true, _) => {
            prompt.error = Some("write PATH-IN-CONTAINER [PATH-HERE]; quotes hold a path with spaces together".into());
            return vec![];
        }
        (false, _) => {
            prompt.error = Some("write PATH-HERE PATH-IN-CONTAINER; quotes hold a path with spaces together".into());
            return vec![];
        }
    };
    let here = PathBuf::from(here);
    state.prompt = None;
    let title = format!("copy to {namespace}/{pod}");
    let errand = Errand { cluster, namespace, pod, container, there, here, out };
    if out {
        return vec![Effect::Transfer(TransferEffect::Begin(errand, None))];
    }
    let request = state.request();
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    let view = View::Operation(OperationScreen::planning(title, request));
    let mut effects = state.push(Screen { scope, view });
    effects.push(Effect::PlanCopy { request, errand: Box::new(errand) });
    effects
}
