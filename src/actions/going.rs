//! Going somewhere: commands, drilling down, back, history.

use super::perform;
use crate::effect::Effect;
use crate::kinds::Opens;
use crate::kinds::relations::Pods;
use crate::state::State;
use crate::state::command::{self, Command};
use crate::state::filter::Filter;
use crate::state::list::{ListOf, ListView};
use crate::state::nav::{Place, Scope, Screen, View};
use crate::state::operation::OperationScreen;
use crate::state::order::Within;
use crate::state::picked::Picked;
use crate::state::prompt::{Asks, Prompt};
use crate::state::pulses;
use crate::state::table::TableView;
use crate::state::text::{TextOf, TextView};
use crate::world::fleet::{ClusterId, Link};
use crate::world::object::{ObjectRef, ResourceId};

pub fn command(state: &mut State, _: &str) -> Vec<Effect> {
    state.prompt = Some(Prompt::new(Asks::Command));
    vec![]
}

pub fn filter(state: &mut State, _: &str) -> Vec<Effect> {
    let (asks, text) = match &state.nav.top().view {
        View::Table(table) => (Asks::Filter, table.filter.text().to_string()),
        View::List(list) => (Asks::Filter, list.filter.text().to_string()),
        View::Logs(logs) => (Asks::Filter, logs.filter.text().to_string()),
        View::Tree(tree) => (Asks::Filter, tree.filter.text().to_string()),
        View::Text(_) => (Asks::Search, String::new()),
        View::Operation(_) => return vec![],
    };
    state.prompt = Some(Prompt::with(asks, &text));
    vec![]
}

pub fn clear_filter(state: &mut State, _: &str) -> Vec<Effect> {
    state.set_filter("");
    vec![]
}

/// First clears what narrows the view, then goes back.
pub fn back(state: &mut State, _: &str) -> Vec<Effect> {
    let narrowed = match &state.nav.top().view {
        View::Table(table) => !table.filter.text().is_empty(),
        View::List(list) => !list.filter.text().is_empty(),
        View::Logs(logs) => !logs.filter.text().is_empty(),
        View::Tree(tree) => !tree.filter.text().is_empty(),
        View::Text(text) => text.find.is_some(),
        View::Operation(_) => false,
    };
    if matches!(&state.nav.top().view, View::Table(table) if table.grep.is_some()) {
        return state.set_grep("");
    }
    if narrowed {
        state.set_filter("");
        return vec![];
    }
    state.back()
}

pub fn help(state: &mut State, _: &str) -> Vec<Effect> {
    match &state.nav.top().view {
        View::List(list) if list.of == ListOf::Help => state.back(),
        _ => state.show_list(ListOf::Help),
    }
}

pub fn tour(state: &mut State, _: &str) -> Vec<Effect> {
    let cluster = state.nav.top().scope.clusters.first().copied().unwrap_or(ClusterId(0));
    let request = state.request();
    let mut text = TextView::new(TextOf::Tour, cluster, ObjectRef::default(), request);
    text.waiting = None;
    text.set_lines(crate::state::tour::lines(state));
    state.show(View::Text(Box::new(text)))
}

pub fn aliases(state: &mut State, _: &str) -> Vec<Effect> {
    state.show_list(ListOf::Aliases)
}

pub fn problems(state: &mut State, _: &str) -> Vec<Effect> {
    state.show_list(ListOf::Problems)
}

pub fn history_back(state: &mut State, _: &str) -> Vec<Effect> {
    visit(state, state.nav.place.checked_sub(1))
}

pub fn history_forward(state: &mut State, _: &str) -> Vec<Effect> {
    visit(state, Some(state.nav.place + 1))
}

/// Like `cd -`: to the place before; from there, back again.
pub fn last_view(state: &mut State, _: &str) -> Vec<Effect> {
    let last = state.nav.places.len().saturating_sub(1);
    let to = if state.nav.place == last { state.nav.place.checked_sub(1) } else { Some(last) };
    visit(state, to)
}

fn visit(state: &mut State, place: Option<usize>) -> Vec<Effect> {
    let Some((place, known)) = place.and_then(|n| Some((n, state.nav.places.get(n)?.clone()))) else { return vec![] };
    state.nav.place = place;
    let Place { line, scope } = known;
    match command::parse(state, &line) {
        // As it was seen then, not as the screen is that one comes from.
        Ok(command) => run(state, command, scope),
        Err(error) => {
            state.warn(error);
            vec![]
        }
    }
}

pub fn refresh(state: &mut State, _: &str) -> Vec<Effect> {
    let lost = state.fleet.iter().filter(|(_, shard)| matches!(shard.link, Link::Lost { .. }));
    lost.map(|(id, _)| Effect::Retry(id)).chain([Effect::Repaint]).collect()
}

pub fn crumbs(state: &mut State, _: &str) -> Vec<Effect> {
    state.crumbs = !state.crumbs;
    vec![]
}

pub fn tutorial(state: &mut State, _: &str) -> Vec<Effect> {
    state.tutorial_hidden = !state.tutorial_hidden;
    vec![]
}

pub fn suspend(_: &mut State, _: &str) -> Vec<Effect> {
    vec![Effect::Suspend]
}

pub fn quit(_: &mut State, _: &str) -> Vec<Effect> {
    vec![Effect::Quit]
}

/// Runs a command line and remembers it; what is wrong with it becomes the error.
///
/// # Errors
/// A sentence for the person; nothing was done then.
pub fn run_line(state: &mut State, line: &str) -> Result<Vec<Effect>, String> {
    let line = line.trim();
    let command = command::parse(state, line)?;
    let leads = !matches!(command, Command::Action(..));
    let scope = state.nav.top().scope.clone();
    let effects = run(state, command, scope);
    if leads {
        state.nav.remember(line);
    }
    Ok(effects)
}

/// Runs a command; what it does not say is as in this scope.
fn run(state: &mut State, command: Command, mut scope: Scope) -> Vec<Effect> {
    state.touch();
    match command {
        Command::Table { resource, namespaces, filter, clusters } => {
            scope.namespaces = namespaces.unwrap_or(scope.namespaces);
            scope.clusters = clusters.unwrap_or(scope.clusters);
            let mut table = new_table(state, resource);
            table.filter = Filter::parse(filter.as_deref().unwrap_or_default());
            let mut effects = looked(state, &scope);
            effects.extend(show_table(state, scope, table));
            effects
        }
        Command::List(list) => state.show_list(list),
        Command::Look(look) => {
            scope.namespaces = look.namespaces.unwrap_or(scope.namespaces);
            scope.clusters = look.clusters.unwrap_or(scope.clusters);
            let mut effects = looked(state, &scope);
            effects.extend(state.open(&scope.clusters));
            state.set_scope(scope);
            if let Some(filter) = look.filter {
                state.set_filter(&filter);
            }
            effects
        }
        Command::Xray { resource, name, look } => super::relating::xray_of(state, resource, name, look, scope),
        Command::Logs(look) => super::logging::by_labels(state, look),
        Command::Why { subject, clusters } => super::reading::ask_why(state, subject, clusters),
        Command::Action(action, args) => perform(state, action, &args),
    }
}

/// A person asked for these namespaces: they get keys, and one that nobody knows is named.
pub(super) fn looked(state: &mut State, scope: &Scope) -> Vec<Effect> {
    if let Some(sentence) = command::unheard_of(state, &scope.clusters, &scope.namespaces) {
        state.warn(sentence);
    }
    state.prefer(&scope.namespaces)
}

pub(super) fn new_table(state: &State, resource: ResourceId) -> TableView {
    let (_, namespaced) = command::kind_of(state, &resource);
    let layout = state.layouts.of(&resource);
    let mut table = TableView::new(resource, namespaced);
    if layout.is_some() {
        table.set_layout(layout);
    }
    table.sort = state.layouts.sort(&table.resource).or(table.sort);
    table.fixed = state.layouts.widths(&table.resource);
    table
}

pub(super) fn show_table(state: &mut State, scope: Scope, table: TableView) -> Vec<Effect> {
    let mut effects = state.open(&scope.clusters);
    effects.extend(state.push(Screen { scope, view: View::Table(table) }));
    effects
}

/// A table of what belongs to an object, in its cluster and namespace.
pub(super) fn drill(
    state: &mut State,
    cluster: ClusterId,
    namespace: &str,
    plural: ResourceId,
    within: Option<Within>,
) -> Vec<Effect> {
    let namespaces = if namespace.is_empty() { vec![] } else { vec![namespace.to_string()] };
    let mut table = new_table(state, plural);
    table.within = within;
    show_table(state, Scope { clusters: vec![cluster], namespaces }, table)
}

/// Enter.
pub fn open(state: &mut State, _: &str) -> Vec<Effect> {
    match &state.nav.top().view {
        View::List(list) => {
            let of = list.of.clone();
            open_list(state, of)
        }
        View::Text(text) => {
            let line = text.lines.get(text.cursor.at).cloned().unwrap_or_default();
            let Some(target) = line.target else { return vec![] };
            match line.cluster.map_or(Ok(text.cluster), |called| state.cluster_called(&called).ok_or(called)) {
                Ok(cluster) => go_to(state, cluster, &target),
                Err(called) => {
                    state.say(format!("{target} lives in {called}, which is no cluster of the fleet"));
                    vec![]
                }
            }
        }
        View::Tree(_) => super::relating::open_line(state),
        View::Table(_) => state.picked().map(|picked| open_object(state, &picked)).unwrap_or_default(),
        View::Logs(_) | View::Operation(_) => vec![],
    }
}

fn open_list(state: &mut State, of: ListOf) -> Vec<Effect> {
    let Some(key) = state.list_key() else { return vec![] };
    match of {
        ListOf::Fleet | ListOf::Problems => match state.problem().cloned() {
            Some(problem) => super::reading::why_problem(state, &problem),
            None => open_clusters(state, &key),
        },
        ListOf::Pulses => open_pulse(state, &key),
        ListOf::Namespaces => open_namespaces(state, key),
        ListOf::Containers { .. } => super::logging::logs(state, &key),
        ListOf::Managed { .. } => match state.picked() {
            Some(picked) => go_to(state, picked.cluster, &picked.object),
            None => vec![],
        },
        ListOf::Operations => {
            let title = state.operation(&key).map(|op| op.title.clone()).unwrap_or_default();
            state.show(View::Operation(OperationScreen::of(&key, &title)))
        }
        ListOf::Aliases => run_line(state, &key).unwrap_or_default(),
        ListOf::Forwards => super::forwarding::browse(state, ""),
        ListOf::Themes => {
            let effects = state.choose_theme(&key);
            state.back().into_iter().chain(effects).collect()
        }
        ListOf::Columns { .. } => super::columns::show(state, ""),
        ListOf::Notices | ListOf::Help => vec![],
    }
}

/// The namespace under the cursor, or the marked ones.
fn open_namespaces(state: &mut State, key: String) -> Vec<Effect> {
    let marks = match &mut state.nav.top_mut().view {
        View::List(list) => std::mem::take(&mut list.marks),
        _ => Default::default(),
    };
    let chosen: Vec<String> = if marks.is_empty() { vec![key] } else { marks.into_iter().collect() };
    let namespaces = if chosen.iter().any(|name| name == "all") { vec![] } else { chosen };
    let mut effects = state.prefer(&namespaces);
    effects.extend(state.back());
    state.set_namespaces(namespaces);
    effects
}

/// The opened clusters that the list of the fleet is about: the marked ones, or the one under the cursor.
pub fn clusters_listed(state: &State) -> Vec<ClusterId> {
    let View::List(list) = &state.nav.top().view else { return vec![] };
    if list.of != ListOf::Fleet {
        return vec![];
    }
    let key = if list.marks.is_empty() { state.list_key() } else { None };
    let chosen = |name: &str| list.marks.contains(name) || key.as_deref() == Some(name);
    let clusters = state.fleet.iter().filter(|(id, shard)| state.opened.contains(id) && chosen(&shard.name));
    clusters.map(|(id, _)| id).collect()
}

pub fn close_clusters(state: &mut State, _: &str) -> Vec<Effect> {
    let clusters = clusters_listed(state);
    if let View::List(list) = &mut state.nav.top_mut().view {
        list.marks.clear();
    }
    let names: Vec<&str> = clusters.iter().map(|id| state.fleet.shard(*id).name.as_str()).collect();
    state.say(format!("let go of {}; Enter opens it again", names.join(", ")));
    state.close_clusters(&clusters)
}

/// A closed cluster is opened and joins the view; an open one, or the marked ones, are gone into.
fn open_clusters(state: &mut State, key: &str) -> Vec<Effect> {
    let marks = match &mut state.nav.top_mut().view {
        View::List(list) => std::mem::take(&mut list.marks),
        _ => Default::default(),
    };
    let chosen = |name: &str| if marks.is_empty() { name == key } else { marks.contains(name) };
    let clusters: Vec<ClusterId> =
        state.fleet.iter().filter(|(_, shard)| chosen(&shard.name)).map(|(id, _)| id).collect();
    let effects = state.open(&clusters);
    if !effects.is_empty() && marks.is_empty() {
        let scope = &mut state.nav.top_mut().scope.clusters;
        scope.extend(clusters);
        scope.sort();
        scope.dedup();
        return effects;
    }
    let scope = Scope { clusters, namespaces: state.nav.top().scope.namespaces.clone() };
    let table = new_table(state, ResourceId::core("pods"));
    effects.into_iter().chain(show_table(state, scope, table)).collect()
}

/// The table with the objects that show a problem, those that are seen first.
pub fn objects(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(problem) = state.problem().cloned() else { return vec![] };
    let Some(first) = problem.subjects.first() else { return vec![] };
    let alike = || problem.subjects.iter().filter(|shown| shown.resource == first.resource);
    let within = match alike().count() {
        1 => Within::Name(first.object.name.clone()),
        _ => Within::Shown { of: problem.word.clone(), uids: alike().map(|shown| shown.uid).collect() },
    };
    let mut table = new_table(state, first.resource.clone());
    table.within = Some(within);
    let scope = Scope { clusters: problem.clusters().into_iter().collect(), namespaces: problem.namespaces() };
    show_table(state, scope, table)
}

/// From a pulse to the table behind it, or to the pod that is named.
fn open_pulse(state: &mut State, key: &str) -> Vec<Effect> {
    let Some(pulses::Target { cluster, of, pod }) = pulses::target(key) else { return vec![] };
    let Some(cluster) = state.fleet.iter().find(|(_, shard)| shard.name == cluster).map(|(id, _)| id) else {
        return vec![];
    };
    if let Some((namespace, name)) = pod {
        return go_to(state, cluster, &ObjectRef::new("", "Pod", namespace, name));
    }
    let (plural, sorted) = match of {
        "cpu" => ("nodes", Some("%CPU")),
        "memory" => ("nodes", Some("%MEM")),
        "nodes" => ("nodes", None),
        _ => ("pods", None),
    };
    let effects = drill(state, cluster, "", ResourceId::core(plural), None);
    if let (View::Table(table), Some(title)) = (&mut state.nav.top_mut().view, sorted) {
        table.sort_by(title);
    }
    effects
}

fn open_object(state: &mut State, picked: &Picked) -> Vec<Effect> {
    let object = &picked.object;
    if picked.resource == ResourceId::core("namespaces") {
        let name = object.name.clone();
        let mut effects = state.prefer(std::slice::from_ref(&name));
        effects.extend(drill(state, picked.cluster, &name, ResourceId::core("pods"), None));
        return effects;
    }
    match picked.opens() {
        Opens::Containers => {
            let (cluster, namespace, pod) = (picked.cluster, object.namespace.clone(), object.name.clone());
            let scope = Scope { clusters: vec![cluster], namespaces: vec![namespace.clone()] };
            let view = View::List(ListView::new(ListOf::Containers { cluster, namespace, pod }));
            state.push(Screen { scope, view })
        }
        Opens::PodsOnNode => {
            let pods = Pods::OnNode(object.name.clone());
            let within = Some(Within::Pods { of: format!("on {}", object.name), pods });
            drill(state, picked.cluster, "", ResourceId::core("pods"), within)
        }
        Opens::Pods => match within_of(state, picked) {
            Some(within) => drill(state, picked.cluster, &object.namespace, ResourceId::core("pods"), Some(within)),
            None => super::reading::describe(state, ""),
        },
        Opens::Resources => {
            let (cluster, namespace, name) = (picked.cluster, object.namespace.clone(), object.name.clone());
            state.show(View::List(ListView::new(ListOf::Managed { cluster, namespace, name })))
        }
        Opens::Describe => super::reading::describe(state, ""),
    }
}

/// Which pods belong to an object. `None` where its kind has none, it selects nothing, or it is not kept.
pub fn within_of(state: &State, picked: &Picked) -> Option<Within> {
    let value = picked.row(state)?.raw.value()?;
    let pods = Pods::of(&picked.resource, &value)?;
    let object = &picked.object;
    let of = match pods {
        Pods::OnNode(_) => format!("on {}", object.name),
        _ => format!("of {} {}", object.kind, object.name),
    };
    Some(Within::Pods { of, pods })
}

/// Goes to the table of an object's kind, with the cursor on it; where its kind is unknown, says so.
pub fn go_to(state: &mut State, cluster: ClusterId, object: &ObjectRef) -> Vec<Effect> {
    let Some(resource) = command::resource_of(state, object) else {
        state.warn(format!("the kind {} is not served by {}", object.kind, state.fleet.shard(cluster).name));
        return vec![];
    };
    let known = state.fleet.shard(cluster).table(&resource).and_then(|t| t.find(&object.namespace, &object.name));
    let uid = known.map(|row| row.meta.uid);
    let within = uid.is_none().then(|| Within::Name(object.name.clone()));
    let effects = drill(state, cluster, &object.namespace, resource, within);
    state.reorder();
    let fleet = &state.fleet;
    if let (View::Table(table), Some(uid)) = (&mut state.nav.top_mut().view, uid) {
        table.go_to(fleet, cluster, uid);
    }
    effects
}

pub fn owner(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let Some(owner) = picked.row(state).and_then(|row| row.meta.owner.clone()) else { return vec![] };
    // An owner lives in the namespace of what it owns, and rows keep no group: the kind's name decides.
    let id = command::resource(state, &owner.kind);
    let namespaced = id.as_ref().is_none_or(|id| command::kind_of(state, id).1);
    let namespace = if namespaced { picked.object.namespace.as_str() } else { "" };
    let group = id.map(|id| id.group).unwrap_or_default();
    go_to(state, picked.cluster, &ObjectRef::new(&group, &owner.kind, namespace, &owner.name))
}

pub fn node(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let node = picked.row(state).and_then(|row| match &row.body {
        crate::world::row::Body::Pod(pod) if !pod.node.is_empty() => Some(pod.node.to_string()),
        _ => None,
    });
    match node {
        Some(node) => go_to(state, picked.cluster, &ObjectRef::new("", "Node", "", &node)),
        None => {
            state.warn("the pod is on no node yet".into());
            vec![]
        }
    }
}
