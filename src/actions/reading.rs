//! Looking at one object: describe, YAML, logs, why, a shell; and what can be done in those views.

use super::going::within_of;
use crate::effect::{Effect, LogRequest};
use crate::state::list::ListOf;
use crate::state::logs::LogsView;
use crate::state::nav::{Scope, Screen, View};
use crate::state::order::Within;
use crate::state::picked::Picked;
use crate::state::problems::Problem;
use crate::state::prompt::{Asks, Prompt};
use crate::state::text::{TextOf, TextView};
use crate::state::{State, WhySubject};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::{Body, Row};
use std::sync::Arc;

/// Sources streamed at once.
const MOST_SOURCES: usize = 40;
/// Lines of each source to begin with.
const TAIL: u32 = 500;

pub fn describe(state: &mut State, _: &str) -> Vec<Effect> {
    show_object(state, TextOf::Describe)
}

pub fn yaml(state: &mut State, _: &str) -> Vec<Effect> {
    show_object(state, TextOf::Yaml { managed_fields: false })
}

/// Shows at once what the row keeps of the object, and asks for it as it is now.
fn show_object(state: &mut State, of: TextOf) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let request = state.request();
    let Picked { cluster, resource, object } = picked.clone();
    let mut effects = vec![Effect::FetchObject {
        request,
        cluster,
        resource: resource.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }];
    let mut text = TextView::new(of, cluster, object.clone(), request);
    if matches!(text.of, TextOf::Describe) {
        effects.push(Effect::FetchEvents { request, cluster, object: object.clone() });
    }
    text.value = picked.row(state).and_then(|row| row.raw.value()).map(Arc::new);
    text.resource = Some(resource);
    text.write(state.now);
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    effects.extend(state.push(Screen { scope, view: View::Text(Box::new(text)) }));
    effects
}

/// On an object or a problem: why it stands as it does. Elsewhere: asks for a URL.
pub fn why(state: &mut State, _: &str) -> Vec<Effect> {
    if let Some(problem) = state.problem().cloned() {
        return why_problem(state, &problem);
    }
    match state.picked() {
        Some(picked) => ask_why(state, WhySubject::Object(picked.object), Some(vec![picked.cluster])),
        None => {
            state.prompt = Some(Prompt::new(Asks::WhyUrl));
            vec![]
        }
    }
}

/// Why there is a problem: what was found out in the background at once, and asked again as it is now.
pub fn why_problem(state: &mut State, problem: &Problem) -> Vec<Effect> {
    let (cluster, subject) = problem.ask.clone();
    let effects = ask_why(state, subject, Some(vec![cluster]));
    let now = state.now;
    if let (View::Text(text), Some(reason)) = (&mut state.nav.top_mut().view, &problem.cause)
        && let TextOf::Why { verdict, .. } = &mut text.of
    {
        *verdict = Some(Box::new((*reason.verdict).clone()));
        text.write(now);
    }
    effects
}

/// Diagnoses; a URL in the first cluster in view where none is named.
pub fn ask_why(state: &mut State, subject: WhySubject, clusters: Option<Vec<ClusterId>>) -> Vec<Effect> {
    let clusters = clusters.unwrap_or_else(|| state.nav.top().scope.clusters.clone());
    let Some(&cluster) = clusters.first() else {
        state.warn("no cluster is opened to ask: `:fleet`, then Enter on one".into());
        return vec![];
    };
    if clusters.len() > 1 {
        let name = state.fleet.shard(cluster).name.clone();
        state.say(format!("asking {name}; @NAME behind the command asks another cluster"));
    }
    let mut effects = state.open(&[cluster]);
    let request = state.request();
    let object = match &subject {
        WhySubject::Object(object) => object.clone(),
        WhySubject::Url(_) => ObjectRef::default(),
    };
    let resource = crate::state::command::resource_of(state, &object);
    let of = TextOf::Why { subject: subject.clone(), verdict: None };
    let mut text = TextView::new(of, cluster, object, request);
    text.resource = resource;
    let scope = Scope { clusters: vec![cluster], namespaces: state.nav.top().scope.namespaces.clone() };
    effects.extend(state.push(Screen { scope, view: View::Text(Box::new(text)) }));
    effects.push(Effect::Why { request, cluster, subject });
    effects
}

pub fn logs(state: &mut State, container: &str) -> Vec<Effect> {
    show_logs(state, container, false)
}

pub fn logs_previous(state: &mut State, container: &str) -> Vec<Effect> {
    show_logs(state, container, true)
}

/// The container under the cursor, all of a pod, or all pods of a workload.
fn show_logs(state: &mut State, container: &str, previous: bool) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let chosen = match &state.nav.top().view {
        View::List(list) if matches!(list.of, ListOf::Containers { .. }) => state.list_key().unwrap_or_default(),
        View::Tree(tree) if container.is_empty() => {
            tree.line().and_then(|line| line.container.clone()).unwrap_or_default()
        }
        _ => container.to_string(),
    };
    let mut sources = sources_of(state, &picked);
    if !chosen.is_empty() {
        sources.retain(|(_, name)| *name == chosen);
    }
    if sources.is_empty() {
        state.warn(format!("no containers of {} are known", picked.object));
        return vec![];
    }
    if sources.len() > MOST_SOURCES {
        state.say(format!("showing the first {MOST_SOURCES} of {} containers", sources.len()));
        sources.truncate(MOST_SOURCES);
    }
    let title = match chosen.as_str() {
        "" => picked.object.to_string(),
        container => format!("{} {container}", picked.object),
    };
    let namespace = picked.object.namespace.clone();
    let tail = Some(TAIL);
    let logs = LogRequest { namespace: namespace.clone(), sources, previous, tail, since_seconds: None };
    let request = state.request();
    let view = LogsView::new(picked.cluster, title, logs.clone(), request);
    let scope = Scope { clusters: vec![picked.cluster], namespaces: vec![namespace] };
    let mut effects = state.push(Screen { scope, view: View::Logs(Box::new(view)) });
    effects.push(Effect::StartLogs { request, cluster: picked.cluster, logs });
    effects
}

/// (pod, container) of a pod, or of all pods that belong to an object.
fn sources_of(state: &State, picked: &Picked) -> Vec<(String, String)> {
    let Some(pods) = state.fleet.shard(picked.cluster).table(&ResourceId::core("pods")) else { return vec![] };
    let within = if picked.object.kind == "Pod" {
        Some(Within::Name(picked.object.name.clone()))
    } else {
        within_of(state, picked)
    };
    let Some(within) = within else { return vec![] };
    let mut rows: Vec<&Row> = pods
        .rows()
        .map(|(_, row)| row)
        .filter(|row| *row.meta.namespace == *picked.object.namespace && within.accepts(row))
        .collect();
    rows.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    rows.iter().flat_map(|row| containers(row)).collect()
}

/// Application containers first: they are what one wants to read.
fn containers(row: &Row) -> Vec<(String, String)> {
    let Body::Pod(pod) = &row.body else { return vec![] };
    let (init, main): (Vec<_>, Vec<_>) = pod.containers.iter().partition(|c| c.init);
    main.into_iter().chain(init).map(|c| (row.meta.name.to_string(), c.name.to_string())).collect()
}

/// Names of the marked rows or the one under the cursor; the whole text of a text.
pub fn copy(state: &mut State, _: &str) -> Vec<Effect> {
    let text = match &state.nav.top().view {
        View::Text(text) => text.plain(),
        View::Logs(logs) => logs.plain(),
        View::List(list) if !matches!(list.of, ListOf::Managed { .. }) => state.list_key().unwrap_or_default(),
        View::Operation(_) => return vec![],
        _ => {
            let names: Vec<String> = state.picked_all().into_iter().map(|picked| picked.object.name).collect();
            names.join("\n")
        }
    };
    copied(state, text)
}

pub fn copy_namespace(state: &mut State, _: &str) -> Vec<Effect> {
    let mut names: Vec<String> = state.picked_all().into_iter().map(|picked| picked.object.namespace).collect();
    names.dedup();
    copied(state, names.join("\n"))
}

fn copied(state: &mut State, text: String) -> Vec<Effect> {
    if text.is_empty() {
        state.warn("nothing to copy here".into());
        return vec![];
    }
    match text.trim_end().lines().count() {
        1 => state.say(format!("copied {}", text.trim_end())),
        n => state.say(format!("copied {n} lines")),
    }
    vec![Effect::Copy(text)]
}

fn text(state: &mut State, change: impl FnOnce(&mut TextView)) -> Vec<Effect> {
    if let View::Text(text) = &mut state.nav.top_mut().view {
        change(text);
    }
    vec![]
}

pub fn next_hit(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, |text| text.next_hit(true))
}

pub fn previous_hit(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, |text| text.next_hit(false))
}

pub fn next_link(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, |text| text.next_target(true))
}

pub fn previous_link(state: &mut State, _: &str) -> Vec<Effect> {
    text(state, |text| text.next_target(false))
}

pub fn wrap(state: &mut State, _: &str) -> Vec<Effect> {
    match &mut state.nav.top_mut().view {
        View::Text(text) => text.wrap = !text.wrap,
        View::Logs(logs) => logs.wrap = !logs.wrap,
        _ => {}
    }
    vec![]
}

pub fn managed_fields(state: &mut State, _: &str) -> Vec<Effect> {
    let now = state.now;
    text(state, |text| {
        if let TextOf::Yaml { managed_fields } = &mut text.of {
            *managed_fields = !*managed_fields;
            text.write(now);
        }
    })
}

pub fn follow(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Logs(logs) = &mut state.nav.top_mut().view {
        logs.follow = !logs.follow;
    }
    vec![]
}

pub fn timestamps(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Logs(logs) = &mut state.nav.top_mut().view {
        logs.timestamps = !logs.timestamps;
    }
    vec![]
}

pub fn clear(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Logs(logs) = &mut state.nav.top_mut().view {
        logs.clear();
    }
    vec![]
}

/// Changes what is streamed and begins again.
fn restart(state: &mut State, change: impl FnOnce(&mut LogsView)) -> Vec<Effect> {
    let request = state.request();
    let View::Logs(logs) = &mut state.nav.top_mut().view else { return vec![] };
    change(logs);
    let stop = Effect::StopLogs(std::mem::replace(&mut logs.request, request));
    logs.clear();
    logs.ended.clear();
    logs.follow = true;
    vec![stop, Effect::StartLogs { request, cluster: logs.cluster, logs: logs.logs.clone() }]
}

pub fn previous_run(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| view.logs.previous = !view.logs.previous)
}

pub fn all_containers(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| view.logs.sources = view.available.clone())
}

/// The next container by itself; after the last, all of them.
pub fn next_container(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| {
        let mut names: Vec<String> = view.available.iter().map(|(_, container)| container.clone()).collect();
        names.sort();
        names.dedup();
        let all = view.logs.sources.len() == view.available.len() && names.len() > 1;
        let shown = view.logs.sources.first().map(|(_, container)| container.clone()).unwrap_or_default();
        let next = if all { names.first() } else { names.iter().find(|name| **name > shown) };
        let keep = |(_, name): &&(String, String)| next.is_none_or(|next| name == next);
        view.logs.sources = view.available.iter().filter(keep).cloned().collect();
    })
}

/// From how long ago, in seconds; 0: from the beginning; negative: the last lines.
pub fn since<const SECONDS: i64>(state: &mut State, _: &str) -> Vec<Effect> {
    restart(state, |view| {
        view.logs.tail = (SECONDS < 0).then_some(TAIL);
        view.logs.since_seconds = (SECONDS > 0).then_some(SECONDS);
    })
}
