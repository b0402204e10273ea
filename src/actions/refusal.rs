//! Why an action is refused: the one place where read-only mode, conditions and permissions are asked.

use super::{Action, Risk, reasons};
use crate::state::State;
use crate::state::nav::View;
use crate::world::fleet::ClusterId;

/// Why an action may not run now, in one sentence; `None`: it may.
pub fn refusal(state: &State, action: &Action) -> Option<String> {
    refusal_of(state, action, "")
}

/// The same, with what followed the action's name on the `:` line: it may say what the risk is.
pub fn refusal_of(state: &State, action: &Action, args: &str) -> Option<String> {
    let read_only = || read_only(state, action, args);
    read_only().or_else(|| not_here(state, action)).or_else(|| denied(state, action))
}

/// Whether an action is offered: it applies, and nothing that is known speaks against it.
pub fn is_open(state: &State, action: &Action) -> bool {
    refusal(state, action).is_none()
}

/// Whether an action is named at all: also one that applies and may not be done, so that one learns why.
pub fn is_offered(state: &State, action: &Action) -> bool {
    (action.when)(state) && read_only(state, action, "").is_none()
}

/// What the account lacks for an action here, as far as the cluster has said; not knowing never blocks.
pub fn denied(state: &State, action: &Action) -> Option<String> {
    let (cluster, access) = state.lacking(action.needs)?;
    Some(format!("you may not: needs {access} ({}, {})", action.name, state.fleet.shard(cluster).name))
}

/// Read-only mode: of the whole program, or of a cluster that the action is about.
fn read_only(state: &State, action: &Action, args: &str) -> Option<String> {
    let plugin = (action.name == "plugin").then(|| state.plugin(args.trim())).flatten();
    // A program of one's own changes something unless its owner says that it does not.
    if action.risk == Risk::Read || plugin.is_some_and(|plugin| !plugin.changes) {
        return None;
    }
    let what = plugin.map_or(action.name, |plugin| &plugin.name);
    if state.readonly {
        return Some(format!("read-only: {what} is refused (started with --readonly)"));
    }
    let frozen = clusters(state).into_iter().find(|id| state.frozen.contains(id))?;
    let name = &state.fleet.shard(frozen).name;
    Some(format!("{name} is read-only: {what} is refused (readonly in config.toml)"))
}

/// Its condition.
fn not_here(state: &State, action: &Action) -> Option<String> {
    if (action.when)(state) {
        return None;
    }
    let why = reasons::of(action.name).map_or(String::new(), |why| format!(": {why}"));
    Some(format!("{} does not apply here{why}", action.name))
}

/// The clusters that an action would work on from here.
fn clusters(state: &State) -> Vec<ClusterId> {
    if let View::Operation(screen) = &state.nav.top().view {
        let operation = screen.id.as_ref().and_then(|id| state.operation(id));
        let is_it = |name: &String| operation.is_some_and(|operation| operation.cluster == *name);
        return state.fleet.iter().filter(|(_, shard)| is_it(&shard.name)).map(|(id, _)| id).collect();
    }
    let mut clusters: Vec<ClusterId> = state.picked_all().into_iter().map(|picked| picked.cluster).collect();
    clusters.dedup();
    clusters
}
