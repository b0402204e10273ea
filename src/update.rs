//! The one place where the state changes: a message in, effects out.

mod forwards;
mod keys;
mod logs;
mod world;

use crate::actions;
use crate::diagnose::screen;
use crate::effect::terminal::Inside;
use crate::effect::transfer::TransferEffect;
use crate::effect::{Effect, Intent, RequestId};
use crate::gitops::compare::Comparison;
use crate::kinds::describe;
use crate::kinds::secret::Entry;
use crate::msg::{Level, Msg, OperationStatus, OperationView, WhyAnswer};
use crate::state::nav::View;
use crate::state::prompt::{Asks, Prompt};
use crate::state::text::{TextOf, TextView};
use crate::state::{Painted, State, head};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use serde_json::Value;
use std::sync::Arc;

/// What must be done outside before the first message: clusters to open, tables to watch, the first command.
pub fn start(state: &mut State) -> Vec<Effect> {
    let mut effects: Vec<Effect> = state.opened.iter().copied().map(Effect::Open).collect();
    if let Some(line) = state.take_first_command() {
        match actions::run_line(state, &line) {
            Ok(more) => effects.extend(more),
            Err(error) => state.notices.add(Level::Error, error, state.now),
        }
    }
    state.reorder();
    state.grow();
    effects.extend(state.sync_watches());
    effects
}

/// Takes in a message. Synchronous, total, and cheap: the caller may feed many before it draws once.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut watches_may_change = true;
    let mut effects = match msg {
        Msg::Key(event) => keys::key(state, event),
        Msg::Mouse { event, double } => actions::mouse(state, event, double),
        Msg::Focus(focused) => {
            state.look.away = !focused;
            vec![]
        }
        Msg::Paste(text) => keys::paste(state, &text),
        Msg::Resize(width, height) => {
            state.size = (width, height);
            state.touch();
            vec![]
        }
        Msg::Tick(now) => {
            state.now = now;
            let mut effects = state.diagnose();
            effects.extend(state.ask_permissions());
            effects.extend(state.look_at_logs());
            let loose = state.fleet.sweep().into_iter();
            effects.extend(loose.map(|(cluster, resource, objects)| Effect::Repack { cluster, resource, objects }));
            effects
        }
        Msg::Reviewed { cluster, answers } => {
            state.permissions.learn(cluster, answers);
            vec![]
        }
        Msg::World(deltas) => {
            watches_may_change = world::apply(state, deltas);
            state.look_at_logs()
        }
        Msg::Object { request, answer } => object(state, request, answer),
        Msg::Revealed { request, answer } => revealed(state, request, answer),
        Msg::Beside { request, answer } => beside(state, request, answer),
        Msg::Events { request, answer } => events(state, request, answer),
        Msg::LogLines { request, source, lines } => {
            watches_may_change = false;
            logs::lines(state, request, &source, lines)
        }
        Msg::LogNote { request, text, .. } => logs::note(state, request, &text),
        Msg::LogEnd { request, source, reason } => logs::end(state, request, &source, reason),
        Msg::Why { request, answer } => why(state, request, answer),
        Msg::Compared { request, answer } => compared(state, request, answer),
        Msg::Diagnosed { cluster, came } => {
            let pods = state.fleet.shard(cluster).table(&ResourceId::core("pods"));
            let row = |at: &ObjectRef| pods.and_then(|pods| pods.find(&at.namespace, &at.name));
            let now = state.now;
            state.problems.ledger.found(cluster, came, now, |pod| row(pod).and_then(screen::pods::workload));
            vec![]
        }
        Msg::Recall { ticket, cluster, needs } => {
            let kept = state.recall(cluster, needs);
            vec![Effect::Recalled { ticket, kept }]
        }
        Msg::Edited { cluster, intent } => {
            state.touch();
            actions::plan_edit(state, cluster, intent)
        }
        Msg::Planned { request, answer } => planned(state, request, answer),
        Msg::AskRepository { request, cluster, intent, url } => ask_repository(state, request, cluster, intent, url),
        Msg::Operation(view) => operation(state, *view),
        Msg::Operations(views) => views.into_iter().flat_map(|view| operation(state, view)).collect(),
        Msg::Exported { text, said } => {
            state.say(said);
            vec![Effect::Copy(text)]
        }
        Msg::Looked { resource, paths, found } => {
            state.looked(&resource, &paths, &found);
            vec![]
        }
        Msg::Notice(level, text) => {
            state.notices.add(level, text, state.now);
            vec![]
        }
        Msg::Enter { cluster, namespace, pod, container, operation } => {
            let what = Inside::Debug(operation);
            vec![Effect::Shell { cluster, namespace, pod, container, what }]
        }
        Msg::PluginConfirmed { call, operation } => vec![Effect::Plugin { call, operation: Some(operation) }],
        Msg::CopyConfirmed { errand, operation } => {
            vec![Effect::Transfer(TransferEffect::Begin(*errand, Some(operation)))]
        }
        Msg::Left(operation) => vec![Effect::Finish { operation }],
        Msg::Forward(msg) => forwards::heard(state, msg),
        Msg::Transfer(msg) => {
            state.transferred(msg);
            vec![]
        }
        Msg::Tutorial(steps) => {
            state.tutorial = steps;
            state.touch();
            vec![]
        }
        Msg::Themed { theme, own } => {
            (state.look.theme, state.look.own) = (theme, own);
            state.touch();
            vec![]
        }
        Msg::Resumed => {
            state.touch();
            vec![Effect::Repaint]
        }
        Msg::Terminate => vec![Effect::Quit],
    };
    state.reorder();
    state.refresh_pulses();
    state.refresh_described();
    effects.extend(state.look_at_objects());
    state.grow();
    if watches_may_change {
        effects.extend(state.sync_watches());
        effects.extend(state.sync_metering());
    }
    effects
}

/// Brings what is visible up to date and says whether it changed, so that the caller draws only then.
pub fn settle(state: &mut State) -> bool {
    state.problems.refresh(state.now);
    let mut painted = Painted { bar: head::bar(state), ..Painted::default() };
    // The bar takes a row from the view, so it must be known before the rest is laid out.
    let touched = state.take_touched() | (painted.bar != state.painted.bar);
    state.painted.bar.clone_from(&painted.bar);
    let body = state.areas().body;
    let (width, height) = (usize::from(body.width), usize::from(body.height));
    painted.grid = grid(state, width, height);
    painted.head = head::head(state);
    painted.foot = head::foot(state);
    let changed = touched || painted != state.painted;
    state.painted = painted;
    changed
}

fn grid(state: &mut State, width: usize, height: usize) -> crate::state::grid::Grid {
    let screen = state.nav.top();
    if let View::List(list) = &screen.view {
        let (grid, cursor) = list.grid(list.listing(state, &screen.scope), width, height);
        if let View::List(list) = &mut state.nav.top_mut().view {
            list.cursor = cursor;
        }
        return grid;
    }
    let (fleet, problems, now) = (&state.fleet, &state.problems, state.now);
    let screen = state.nav.top_mut();
    match &mut screen.view {
        View::Table(table) => return table.grid(fleet, problems, &screen.scope, now, (width, height)),
        View::Tree(tree) => return tree.grid(now, width, height),
        View::Text(text) => text.settle(width, height, now),
        View::Logs(logs) => logs.settle(height, width),
        View::List(_) | View::Operation(_) => {}
    }
    Default::default()
}

/// Every text that waits for this answer (the stack may hold it below another screen).
fn texts(state: &mut State, request: RequestId) -> impl Iterator<Item = &mut TextView> {
    state.touch();
    state.nav.screens_mut().iter_mut().filter_map(move |screen| match &mut screen.view {
        View::Text(text) if text.request == request => Some(&mut **text),
        _ => None,
    })
}

fn object(state: &mut State, request: RequestId, answer: Result<Arc<Value>, String>) -> Vec<Effect> {
    let now = state.now;
    for text in texts(state, request) {
        text.waiting = None;
        match &answer {
            Ok(value) => {
                text.error = None;
                text.value = Some(value.clone());
                text.write(now);
            }
            Err(error) => text.error = Some(error.clone()),
        }
    }
    // What it needs beside is known once the object is.
    let mut asks = texts(state, request).filter(|text| matches!(text.of, TextOf::Describe) && text.beside.is_none());
    let ask = asks.next().and_then(|text| Some((text.cluster, describe::beside(text.value.as_deref()?)?)));
    let fetch =
        |(cluster, (resource, namespace, name))| Effect::FetchBeside { request, cluster, resource, namespace, name };
    ask.map(fetch).into_iter().collect()
}

fn beside(state: &mut State, request: RequestId, answer: Result<Arc<Value>, String>) -> Vec<Effect> {
    let now = state.now;
    if let Some(text) = texts(state, request).next() {
        text.beside = Some(answer.map(Arc::unwrap_or_clone));
        text.write(now);
    }
    vec![]
}

/// Values of a Secret for the screen that asked. Where that was left meanwhile they are dropped, and wiped with that.
fn revealed(state: &mut State, request: RequestId, answer: Result<Vec<Entry>, String>) -> Vec<Effect> {
    let now = state.now;
    let Some(text) = texts(state, request).next() else { return vec![] };
    text.waiting = None;
    let said = match answer {
        Ok(found) => {
            let said = (text.cluster, text.object.to_string());
            text.of = TextOf::Decoded { entries: found };
            text.write(now);
            said
        }
        Err(error) => {
            text.error = Some(error);
            return vec![];
        }
    };
    let cluster = state.fleet.shard(said.0).name.clone();
    state.say(format!("the values of {} on {cluster} are shown; leaving the screen forgets them", said.1));
    vec![]
}

fn events(state: &mut State, request: RequestId, answer: Result<Vec<Value>, String>) -> Vec<Effect> {
    let now = state.now;
    if let Some(text) = texts(state, request).next() {
        text.events = Some(answer);
        text.write(now);
    }
    vec![]
}

fn why(state: &mut State, request: RequestId, answer: WhyAnswer) -> Vec<Effect> {
    let now = state.now;
    let Some(text) = texts(state, request).next() else { return vec![] };
    match answer {
        WhyAnswer::Reading { facts, now } => text.waiting = Some(format!("{facts} facts, reading {now}")),
        WhyAnswer::Failed(error) => (text.waiting, text.error) = (None, Some(error)),
        WhyAnswer::Verdict(found) => {
            text.waiting = None;
            if let TextOf::Why { verdict, .. } = &mut text.of {
                *verdict = Some(found);
            }
            text.write(now);
            // From the headline to what is wrong.
            if text.lines.first().is_some_and(|line| line.target.is_none()) {
                text.next_target(true);
            }
        }
    }
    vec![]
}

fn compared(state: &mut State, request: RequestId, answer: Result<Box<Comparison>, String>) -> Vec<Effect> {
    let now = state.now;
    let Some(text) = texts(state, request).next() else { return vec![] };
    text.waiting = None;
    match answer {
        Ok(comparison) => {
            if let TextOf::Difference { found, .. } = &mut text.of {
                *found = Some(comparison);
            }
            text.write(now);
        }
        Err(error) => text.error = Some(error),
    }
    vec![]
}

fn planned(state: &mut State, request: RequestId, answer: Result<Box<OperationView>, String>) -> Vec<Effect> {
    state.touch();
    let waiting = state.nav.screens_mut().iter_mut().find_map(|screen| match &mut screen.view {
        View::Operation(operation) if operation.request == request && operation.id.is_none() => Some(operation),
        _ => None,
    });
    match (waiting, answer) {
        (Some(screen), Ok(view)) => {
            screen.id = Some(view.id.clone());
            screen.title.clone_from(&view.title);
            operation(state, *view)
        }
        (Some(screen), Err(error)) => {
            screen.error = Some(error);
            vec![]
        }
        // Its screen was left: what nobody will see is not kept.
        (None, Ok(view)) => vec![Effect::Discard { operation: view.id }],
        (None, Err(_)) => vec![],
    }
}

/// The plan needs a repository: asks for it on the screen that waits for the plan.
fn ask_repository(
    state: &mut State,
    request: RequestId,
    cluster: ClusterId,
    intent: Intent,
    url: Option<String>,
) -> Vec<Effect> {
    state.touch();
    let name = state.fleet.shard(cluster).name.clone();
    match &mut state.nav.top_mut().view {
        View::Operation(screen) if screen.request == request => {
            screen.error = Some(format!(
                "config.toml names no git repository for {name}. The push URL is asked for once and kept there; nothing was done."
            ));
            state.prompt = Some(Prompt::with(Asks::Repository { request, cluster, intent }, &url.unwrap_or_default()));
        }
        // Its screen was left.
        _ => {}
    }
    vec![]
}

fn operation(state: &mut State, view: OperationView) -> Vec<Effect> {
    state.touch();
    let ended = state.look.away
        && !matches!(view.status, OperationStatus::Planned | OperationStatus::Running)
        && state.operation(&view.id).is_some_and(|known| known.status == OperationStatus::Running);
    let told = ended.then(|| Effect::Notify(format!("{} on {}: {}", view.title, view.cluster, view.status.word())));
    match state.operations.iter_mut().find(|known| known.id == view.id) {
        Some(known) => *known = view,
        None => state.operations.push(view),
    }
    told.into_iter().collect()
}
