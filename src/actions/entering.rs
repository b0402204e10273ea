//! Going into containers: a shell, a command, or their own process on the terminal.

use crate::effect::Effect;
use crate::effect::terminal::Inside;
use crate::state::State;
use crate::state::list::ListOf;
use crate::state::nav::View;
use crate::world::pod::Role;
use crate::world::row::Body;

/// `:shell`, `:shell CONTAINER`, `:shell CONTAINER -- COMMAND…`
pub fn shell(state: &mut State, args: &str) -> Vec<Effect> {
    let words = crate::world::text::split(args);
    let dashes = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let command: Vec<String> = words.iter().skip(dashes + 1).cloned().collect();
    let named = words.first().filter(|_| dashes > 0).cloned();
    let what = if command.is_empty() { Inside::Shell } else { Inside::Command(command) };
    enter(state, named, what)
}

pub fn attach(state: &mut State, container: &str) -> Vec<Effect> {
    let named = Some(container.to_string()).filter(|name| !name.is_empty());
    enter(state, named, Inside::Attach)
}

fn enter(state: &mut State, named: Option<String>, what: Inside) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    match container(state, named) {
        Some(container) => {
            let (cluster, namespace, pod) = (picked.cluster, picked.object.namespace, picked.object.name);
            vec![Effect::Shell { cluster, namespace, pod, container, what }]
        }
        None => {
            state.say("choose a container, then the same key again".into());
            super::going::open(state, "")
        }
    }
}

/// The container named, the one under the cursor, or the only one there is.
pub fn container(state: &State, named: Option<String>) -> Option<String> {
    let on_list = matches!(&state.nav.top().view, View::List(list) if matches!(list.of, ListOf::Containers { .. }));
    let in_tree = match &state.nav.top().view {
        View::Tree(tree) => tree.line().and_then(|line| line.container.clone()),
        _ => None,
    };
    let named = named.or(in_tree);
    if named.is_some() || on_list {
        return named.or_else(|| state.list_key());
    }
    let picked = state.picked()?;
    let containers: Vec<String> = match picked.row(state).map(|row| &row.body) {
        Some(Body::Pod(pod)) => {
            pod.containers.iter().filter(|c| c.role == Role::Main).map(|c| c.name.to_string()).collect()
        }
        _ => vec![],
    };
    match containers.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}
