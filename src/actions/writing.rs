//! What changes clusters and repositories. Nothing here does: a question, then a plan, and only what was shown and
//! confirmed is run.

use crate::effect::{Effect, Intent, RequestId};
use crate::kinds::Can;
use crate::state::State;
use crate::state::nav::{Scope, Screen, View};
use crate::state::operation::OperationScreen;
use crate::state::picked::Picked;
use crate::state::prompt::{Asks, Prompt, ResourcesChange};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};

/// Asks. An answer that came with the command (`:cordon disk errors`) is taken at once.
pub(super) fn ask(state: &mut State, asks: Asks, answer: &str) -> Vec<Effect> {
    state.prompt = Some(Prompt::with(asks, answer));
    if answer.is_empty() { vec![] } else { answered(state) }
}

/// The nodes meant, all of one cluster.
fn nodes(state: &mut State) -> Option<(ClusterId, Vec<String>)> {
    let picked: Vec<Picked> = state.picked_all().into_iter().filter(|p| p.can(Can::Cordon)).collect();
    let cluster = picked.first()?.cluster;
    if picked.iter().any(|p| p.cluster != cluster) {
        state.warn("the marked nodes are in several clusters: one cluster at a time".into());
        return None;
    }
    Some((cluster, picked.into_iter().map(|p| p.object.name).collect()))
}

pub fn cordon(state: &mut State, reason: &str) -> Vec<Effect> {
    let Some((cluster, nodes)) = nodes(state) else { return vec![] };
    ask(state, Asks::CordonReason { cluster, nodes }, reason)
}

pub fn uncordon(state: &mut State, reason: &str) -> Vec<Effect> {
    let Some((cluster, nodes)) = nodes(state) else { return vec![] };
    ask(state, Asks::UncordonReason { cluster, nodes }, reason)
}

pub fn drain(state: &mut State, reason: &str) -> Vec<Effect> {
    let Some((cluster, mut nodes)) = nodes(state) else { return vec![] };
    if nodes.len() > 1 {
        state.warn("one node at a time is drained: take away the marks".into());
        return vec![];
    }
    let node = nodes.remove(0);
    ask(state, Asks::DrainReason { cluster, node }, reason)
}

pub(super) fn workload(state: &State) -> Option<(ClusterId, ObjectRef)> {
    state.picked().map(|picked| (picked.cluster, picked.object))
}

pub fn scale(state: &mut State, replicas: &str) -> Vec<Effect> {
    let Some((cluster, object)) = workload(state) else { return vec![] };
    ask(state, Asks::Replicas { cluster, object }, replicas)
}

/// An editor on the object under the cursor; what was changed in it becomes a plan.
pub fn edit(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(Picked { cluster, resource, object }) = state.picked() else { return vec![] };
    if resource == ResourceId::core("secrets") {
        state.warn("Secrets are not edited here: their values would stand in the record of the operation".into());
        return vec![];
    }
    vec![Effect::Edit { cluster, resource, namespace: object.namespace, name: object.name }]
}

/// Something was changed in the editor.
pub fn plan_edit(state: &mut State, cluster: ClusterId, intent: Intent) -> Vec<Effect> {
    let title = match &intent {
        Intent::Edit { object, .. } => format!("edit {}", object.name),
        _ => "edit".into(),
    };
    plan(state, cluster, title, intent)
}

/// A container to debug a pod with, or a pod on a node.
pub fn debug(state: &mut State, image: &str) -> Vec<Effect> {
    let Some(Picked { cluster, object, .. }) = state.picked() else { return vec![] };
    let container = super::entering::container(state, None).unwrap_or_default();
    ask(state, Asks::DebugImage { cluster, object, container }, image)
}

pub fn limits(state: &mut State, change: &str) -> Vec<Effect> {
    let Some((cluster, object)) = workload(state) else { return vec![] };
    ask(state, Asks::Limits { cluster, object }, change)
}

/// Takes the answer in the prompt: the next question, a plan, or what is wrong with it (the prompt stays then).
pub fn answered(state: &mut State) -> Vec<Effect> {
    let Some(prompt) = &mut state.prompt else { return vec![] };
    if matches!(prompt.asks, Asks::Forward { .. }) {
        return super::forwarding::answered(state);
    }
    if matches!(prompt.asks, Asks::Copy { .. }) {
        return super::transferring::answered(state);
    }
    let text = prompt.input.value().trim().to_string();
    match step(prompt.asks.clone(), text) {
        Err(error) => {
            prompt.error = Some(error);
            vec![]
        }
        Ok(Next::Ask(asks)) => {
            state.prompt = Some(Prompt::new(asks));
            vec![]
        }
        Ok(Next::Plan(cluster, title, intent)) => {
            state.prompt = None;
            plan(state, cluster, title, intent)
        }
        Ok(Next::Again(request, cluster, intent, repository)) => {
            state.prompt = None;
            if let View::Operation(screen) = &mut state.nav.top_mut().view {
                screen.error = None;
            }
            vec![Effect::Plan { request, cluster, intent, repository: Some(repository) }]
        }
    }
}

enum Next {
    Ask(Asks),
    Plan(ClusterId, String, Intent),
    /// The same plan again, now that the repository is known.
    Again(RequestId, ClusterId, Intent, String),
}

fn step(asks: Asks, text: String) -> Result<Next, String> {
    let needed = |reason: String| {
        if reason.is_empty() {
            Err("a reason is needed: it is what the next person reads".to_string())
        } else {
            Ok(reason)
        }
    };
    Ok(match asks {
        Asks::CordonReason { cluster, nodes } => {
            let title = format!("cordon {}", nodes.join(" "));
            Next::Plan(cluster, title, Intent::Cordon { nodes, reason: needed(text)? })
        }
        Asks::UncordonReason { cluster, nodes } => {
            let title = format!("uncordon {}", nodes.join(" "));
            Next::Plan(cluster, title, Intent::Uncordon { nodes, reason: text })
        }
        Asks::DrainReason { cluster, node } => {
            Next::Plan(cluster, format!("drain {node}"), Intent::Drain { node, reason: needed(text)? })
        }
        Asks::Replicas { cluster, object } => {
            let replicas = text.parse().map_err(|_| format!("`{text}` is not a number of replicas"))?;
            Next::Ask(Asks::ScaleReason { cluster, object, replicas })
        }
        Asks::ScaleReason { cluster, object, replicas } => {
            let title = format!("scale {} to {replicas}", object.name);
            Next::Plan(cluster, title, Intent::Scale { object, replicas, reason: text })
        }
        Asks::Limits { cluster, object } => {
            Next::Ask(Asks::LimitsReason { cluster, object, change: ResourcesChange::parse(&text)? })
        }
        Asks::LimitsReason { cluster, object, change } => {
            let ResourcesChange { container, requests, limits } = change;
            let title = format!("resources of {}", object.name);
            Next::Plan(cluster, title, Intent::Resources { object, container, requests, limits, reason: text })
        }
        Asks::DebugImage { cluster, object, container } => {
            let title = format!("debug {}", object.name);
            let intent = match object.kind.as_str() {
                "Node" => Intent::DebugNode { node: object.name, image: text },
                _ => Intent::Debug { object, container, image: text },
            };
            Next::Plan(cluster, title, intent)
        }
        Asks::Image { cluster, object } => {
            let (images, reason) = crate::workflows::image::parse(&text)?;
            let title = format!("set-image {}", object.name);
            Next::Plan(cluster, title, Intent::SetImage { object, images, reason })
        }
        Asks::Repository { .. } if text.is_empty() => {
            return Err("a URL is needed, such as git@git.example.com:ops/fleet.git".into());
        }
        Asks::Repository { request, cluster, intent } => Next::Again(request, cluster, intent, text),
        Asks::Command
        | Asks::Filter
        | Asks::Search
        | Asks::WhyUrl
        | Asks::Column { .. }
        | Asks::Input { .. }
        | Asks::Forward { .. }
        | Asks::Copy { .. } => {
            return Err("nothing was asked".into());
        }
    })
}

/// Shows the screen that the plan will come to.
pub(super) fn plan(state: &mut State, cluster: ClusterId, title: String, intent: Intent) -> Vec<Effect> {
    let request = state.request();
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    let asked = Some((cluster, intent.clone()));
    let view = View::Operation(OperationScreen { asked, ..OperationScreen::planning(title, request) });
    let mut effects = state.push(Screen { scope, view });
    effects.push(Effect::Plan { request, cluster, intent, repository: None });
    effects
}

pub fn switch(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Operation(screen) = &mut state.nav.top_mut().view {
        screen.go = !screen.go;
    }
    vec![]
}

/// Enter on an operation: the button under the cursor; where the cluster is protected, the typed name.
pub fn confirm(state: &mut State, _: &str) -> Vec<Effect> {
    let View::Operation(screen) = &state.nav.top().view else { return vec![] };
    let (go, typed) = (screen.go, screen.typed.value().trim().to_string());
    let id = screen.id.clone().unwrap_or_default();
    let Some(operation) = state.operation(&id) else { return state.back() };
    if !state.is_planned(operation) {
        return state.back();
    }
    if !operation.blocked.is_empty() {
        return state.back();
    }
    if operation.protected && typed != operation.cluster {
        let name = operation.cluster.clone();
        return match typed.as_str() {
            "" => state.back(),
            _ => {
                state.warn(format!("`{typed}` is not the name of the cluster ({name})"));
                vec![]
            }
        };
    }
    if !operation.protected && !go {
        return state.back();
    }
    state.start_operation(&id);
    vec![Effect::Run { operation: id }]
}

fn open_id(state: &State) -> Option<String> {
    match &state.nav.top().view {
        View::Operation(screen) => screen.id.clone(),
        _ => None,
    }
}

pub fn finish(state: &mut State, _: &str) -> Vec<Effect> {
    open_id(state).map(|operation| Effect::Finish { operation }).into_iter().collect()
}

pub fn undo(state: &mut State, _: &str) -> Vec<Effect> {
    open_id(state).map(|operation| Effect::Undo { operation }).into_iter().collect()
}
