//! Logs: of what is selected, and what can be done while reading them.

use super::going::within_of;
use crate::effect::Effect;
use crate::state::State;
use crate::state::command::Look;
use crate::state::list::ListOf;
use crate::state::logs::selection::{Pick, Selection, is_workload};
use crate::state::logs::{LogsView, TAIL};
use crate::state::nav::{Scope, Screen, View};
use crate::state::order::Within;
use crate::state::picked::Picked;
use crate::state::tree::destination;
use crate::world::fleet::ClusterId;
use crate::world::object::{list_at, str_at};
use crate::world::selector::Selector;

/// Lines shown around those that pass the filter, one after the other.
const CONTEXT: [usize; 3] = [0, 3, 10];

pub fn logs(state: &mut State, container: &str) -> Vec<Effect> {
    show(state, container, false)
}

pub fn logs_previous(state: &mut State, container: &str) -> Vec<Effect> {
    show(state, container, true)
}

/// The container under the cursor, or all of the marked pods and workloads.
fn show(state: &mut State, container: &str, previous: bool) -> Vec<Effect> {
    let picked = state.picked_all();
    let Some(first) = picked.first() else { return vec![] };
    let chosen = match &state.nav.top().view {
        View::List(list) if matches!(list.of, ListOf::Containers { .. }) => state.list_key().unwrap_or_default(),
        View::Tree(tree) if container.is_empty() => {
            tree.line().and_then(|line| line.container.clone()).unwrap_or_default()
        }
        _ => container.to_string(),
    };
    let what = match picked.as_slice() {
        [one] => one.object.to_string(),
        all => format!("{} {}", all.len(), first.resource.plural),
    };
    let mut picks = vec![];
    for one in &picked {
        match picks_of(state, one) {
            Ok(more) => picks.extend(more),
            Err(sentence) => {
                state.warn(sentence);
                return vec![];
            }
        }
    }
    let selection = Selection { picks, container: Some(chosen.clone()).filter(|name| !name.is_empty()) };
    // An Application's pods may come as soon as the cluster that it deploys to is open, a CronJob's with its next run.
    let waits = matches!(&*first.object.kind, "Application" | "CronJob") && !selection.picks.is_empty();
    if !waits && selection.containers(&state.fleet).is_empty() {
        state.warn(format!("no containers of {what} are known"));
        return vec![];
    }
    let title = if chosen.is_empty() { what } else { format!("{what} {chosen}") };
    open(state, title, selection, previous)
}

/// `:logs -l app=web [NAMESPACE] [@CLUSTER] [/TEXT]`
pub fn by_labels(state: &mut State, look: Look) -> Vec<Effect> {
    let here = state.nav.top().scope.clone();
    let namespaces = look.namespaces.unwrap_or(here.namespaces);
    let clusters = look.clusters.unwrap_or(here.clusters);
    let filter = look.filter.unwrap_or_default();
    let (labels, text) = filter.split_once(" /").map_or((filter.as_str(), ""), |(labels, text)| (labels, text));
    let labels = labels.trim_start_matches("-l").trim();
    if clusters.is_empty() {
        state.warn("no cluster is in view: `:logs -l app=web @CONTEXT` names one".into());
        return vec![];
    }
    let selector = match Selector::parse(labels) {
        Ok(selector) => selector,
        Err(sentence) => {
            state.warn(sentence);
            return vec![];
        }
    };
    let pick = Pick::Labels { namespaces, selector };
    let picks = clusters.iter().map(|cluster| (*cluster, pick.clone())).collect();
    let effects = open(state, format!("-l {labels}"), Selection { picks, container: None }, false);
    if !text.is_empty() {
        state.set_filter(text);
    }
    effects
}

fn open(state: &mut State, title: String, selection: Selection, previous: bool) -> Vec<Effect> {
    let (clusters, namespaces) = (selection.clusters(), selection.namespaces());
    let mut effects = state.open(&clusters);
    let request = state.request();
    let view = LogsView::new(title, selection, previous, request, state.now);
    effects.extend(state.push(Screen { scope: Scope { clusters, namespaces }, view: View::Logs(Box::new(view)) }));
    effects.extend(state.look_at_logs());
    effects
}

/// The pods whose logs are those of an object.
fn picks_of(state: &State, picked: &Picked) -> Result<Vec<(ClusterId, Pick)>, String> {
    let (cluster, object) = (picked.cluster, &picked.object);
    let (namespace, kind, name) = (object.namespace.clone(), object.kind.clone(), object.name.clone());
    if kind == "Application" {
        return application(state, picked);
    }
    if kind == "Pod" {
        return Ok(vec![(cluster, Pick::Pod { namespace, name })]);
    }
    Ok(match within_of(state, picked) {
        Some(Within::Pods { pods, .. }) => vec![(cluster, Pick::Pods(pods))],
        _ if is_workload(&kind) => vec![(cluster, Pick::Workload { namespace, kind, name })],
        _ => vec![],
    })
}

/// The pods of the workloads that an Application lists, in the cluster that it deploys to.
fn application(state: &State, picked: &Picked) -> Result<Vec<(ClusterId, Pick)>, String> {
    let name = &picked.object.name;
    let value = state.value_of(picked.cluster, &picked.object);
    let value = value.ok_or_else(|| format!("the Application {name} was not read yet: try again in a moment"))?;
    let there = destination(state, picked.cluster, &value).ok_or_else(|| {
        let (server, cluster) = (str_at(&value, "/spec/destination/server"), str_at(&value, "/spec/destination/name"));
        format!(
            "{name} deploys to {server}{cluster}, which no context of the kubeconfig leads to: add one to read its logs"
        )
    })?;
    let resources = list_at(&value, "/status/resources").iter();
    let picks: Vec<(ClusterId, Pick)> = resources
        .filter(|resource| is_workload(str_at(resource, "/kind")))
        .map(|resource| {
            let text = |path| str_at(resource, path).to_string();
            let pick = Pick::Workload { namespace: text("/namespace"), kind: text("/kind"), name: text("/name") };
            (there, pick)
        })
        .collect();
    match picks.is_empty() {
        true => Err(format!("the Application {name} lists no workload: there is nothing that writes logs")),
        false => Ok(picks),
    }
}

fn change(state: &mut State, change: impl FnOnce(&mut LogsView)) -> Vec<Effect> {
    if let View::Logs(logs) = &mut state.nav.top_mut().view {
        change(logs);
    }
    vec![]
}

pub fn follow(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, |logs| logs.follow = !logs.follow)
}

pub fn timestamps(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, |logs| logs.timestamps = !logs.timestamps)
}

pub fn sources(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, |logs| logs.sources = !logs.sources)
}

pub fn raw(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, |logs| logs.raw = !logs.raw)
}

pub fn full(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, |logs| logs.full = !logs.full)
}

pub fn clear(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, LogsView::clear)
}

pub fn mark(state: &mut State, _: &str) -> Vec<Effect> {
    let now = state.now;
    change(state, |logs| logs.mark(now))
}

pub fn hide(state: &mut State, _: &str) -> Vec<Effect> {
    change(state, |logs| logs.set_hiding(!logs.hides, logs.context))
}

/// More of what stands around the hits, then none again.
pub fn context(state: &mut State, _: &str) -> Vec<Effect> {
    let mut said = String::new();
    change(state, |logs| {
        let at = CONTEXT.iter().position(|n| *n == logs.context).map_or(0, |at| at + 1);
        let lines = CONTEXT.get(at).copied().unwrap_or(0);
        logs.set_hiding(true, lines);
        said = match lines {
            0 => "only the lines that pass the filter".into(),
            n => format!("{n} lines before and after each that passes the filter"),
        };
    });
    state.say(said);
    vec![]
}

/// To the next or previous line that passes the filter.
pub fn next_hit(state: &mut State, forward: bool) -> Vec<Effect> {
    let mut found = true;
    change(state, |logs| found = logs.next_hit(forward));
    if !found {
        state.say(if forward { "no hit below" } else { "no hit above" }.into());
    }
    vec![]
}

/// Changes what is read and begins again.
fn restart(state: &mut State, change: impl FnOnce(&mut LogsView)) -> Vec<Effect> {
    let (request, now) = (state.request(), state.now);
    let View::Logs(logs) = &mut state.nav.top_mut().view else { return vec![] };
    change(logs);
    let stop = logs.restart(request, now);
    std::iter::once(stop).chain(state.look_at_logs()).collect()
}

pub fn previous_run(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| view.previous = !view.previous)
}

pub fn all_containers(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| view.selection.container = None)
}

/// The next container by itself; after the last, all of them.
pub fn next_container(state: &mut State, _: &str) -> Vec<Effect> {
    let View::Logs(logs) = &state.nav.top().view else { return vec![] };
    let all = Selection { container: None, ..logs.selection.clone() };
    let mut names: Vec<String> = all.containers(&state.fleet).into_iter().map(|found| found.source.container).collect();
    names.sort();
    names.dedup();
    restart(state, |view| {
        let next = match &view.selection.container {
            None => names.into_iter().next(),
            Some(shown) => names.into_iter().find(|name| name > shown),
        };
        view.selection.container = next;
    })
}

/// From how long ago, in seconds; 0: from the beginning; negative: the last lines.
pub fn since<const SECONDS: i64>(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| {
        view.tail = (SECONDS < 0).then_some(TAIL);
        view.since_seconds = (SECONDS > 0).then_some(SECONDS);
    })
}

/// Writes what is shown into a file: a new one in the state directory, or the one named.
pub fn save(state: &mut State, path: &str) -> Vec<Effect> {
    let View::Logs(logs) = &state.nav.top().view else { return vec![] };
    let text = logs.plain();
    if text.is_empty() {
        state.warn("there is no line to save".into());
        return vec![];
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '-' };
    let title: String = logs.title.chars().take(60).map(plain).collect();
    let at: String = state.now.rfc3339().chars().filter(char::is_ascii_alphanumeric).collect();
    let name = format!("{}-{at}.log", title.trim_matches('-'));
    let path = Some(path.trim().to_string()).filter(|path| !path.is_empty());
    vec![Effect::SaveLog { path, name, text }]
}
