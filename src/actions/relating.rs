//! From one object to others: what it owns, its Application, the tree of what belongs together.

use super::going::{drill, go_to, looked};
use crate::effect::Effect;
use crate::kinds::relations::Pods;
use crate::state::State;
use crate::state::command::{self, Look};
use crate::state::list::{ListOf, ListView};
use crate::state::nav::{Scope, Screen, View};
use crate::state::order::Within;
use crate::state::picked::Picked;
use crate::state::tree::{Fold, Roots, TreeView, USED, destination};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId, list_at, str_at};
use crate::world::row::Row;
use std::collections::BTreeSet;

/// Namespaces of an Application whose ConfigMaps and Secrets are looked at.
const NAMESPACES: usize = 10;

pub fn is_used(state: &State) -> bool {
    state.picked().is_some_and(|picked| picked.object.group.is_empty() && USED.contains(&picked.object.kind.as_str()))
}

/// The tree of the object under the cursor.
pub fn xray(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(Picked { cluster, object, .. }) = state.picked() else { return vec![] };
    show_tree(state, vec![cluster], Roots::Object(cluster, object))
}

/// `:xray KIND`, `:xray KIND/NAME`
pub fn xray_of(
    state: &mut State,
    resource: ResourceId,
    name: Option<String>,
    look: Look,
    mut scope: Scope,
) -> Vec<Effect> {
    scope.namespaces = look.namespaces.unwrap_or(scope.namespaces);
    scope.clusters = look.clusters.unwrap_or(scope.clusters);
    let mut effects = looked(state, &scope);
    let roots = match name {
        Some(name) => match find(state, &resource, &name, &scope) {
            Ok((cluster, object)) => {
                scope.clusters = vec![cluster];
                Roots::Object(cluster, object)
            }
            Err(sentence) => {
                state.warn(sentence);
                return effects;
            }
        },
        None => Roots::Kind(resource),
    };
    let filter = look.filter.unwrap_or_default();
    let namespaces = scope.namespaces.clone();
    effects.extend(show_tree(state, scope.clusters, roots));
    if matches!(&state.nav.top().view, View::Tree(tree) if matches!(tree.roots, Roots::Kind(_))) {
        state.nav.top_mut().scope.namespaces = namespaces;
    }
    if !filter.is_empty() {
        state.set_filter(&filter);
    }
    effects
}

/// The object of this name in the clusters and namespaces in view.
fn find(state: &State, resource: &ResourceId, name: &str, scope: &Scope) -> Result<(ClusterId, ObjectRef), String> {
    let (kind, namespaced) = command::kind_of(state, resource);
    let here = |row: &&Row| {
        let ns = &row.meta.namespace;
        row.meta.name == name
            && (!namespaced
                || scope.namespaces.is_empty()
                || scope.namespaces.iter().any(|pattern| crate::world::glob::shell(pattern, ns)))
    };
    let tables = scope.clusters.iter().filter_map(|id| Some((*id, state.fleet.shard(*id).table(resource)?)));
    let found: Vec<(ClusterId, &Row)> = tables
        .flat_map(|(id, table)| table.rows().map(|(_, row)| row).filter(here).map(move |row| (id, row)))
        .collect();
    let object = |namespace: &str| ObjectRef::new(&resource.group, &kind, namespace, name);
    match (found.as_slice(), scope.clusters.as_slice(), scope.one_namespace()) {
        ([(cluster, row)], ..) => Ok((*cluster, object(&row.meta.namespace))),
        // Not watched, but said in full.
        ([], [cluster], Some(namespace)) if namespaced => Ok((*cluster, object(namespace))),
        ([], [cluster], _) if !namespaced => Ok((*cluster, object(""))),
        ([], ..) => Err(format!(
            "no {kind} {name} is known here: name its namespace and cluster, `:xray {}/{name} NAMESPACE @CONTEXT`",
            resource.plural
        )),
        _ => Err(format!("{kind} {name} is in more than one place: name its namespace or cluster")),
    }
}

fn show_tree(state: &mut State, clusters: Vec<ClusterId>, roots: Roots) -> Vec<Effect> {
    let mut clusters = clusters;
    let mut namespaces = vec![];
    if let Roots::Object(cluster, object) = &roots {
        if !object.namespace.is_empty() {
            namespaces.push(object.namespace.clone());
        }
        if let Some(application) = state.value_of(*cluster, object).filter(|_| object.kind == "Application") {
            clusters.extend(destination(state, *cluster, &application).filter(|id| !clusters.contains(id)));
            let managed = list_at(&application, "/status/resources").iter().map(|r| str_at(r, "/namespace"));
            let all: BTreeSet<&str> = managed.filter(|ns| !ns.is_empty()).collect();
            namespaces = all.into_iter().take(NAMESPACES).map(Into::into).collect();
        }
    }
    let mut effects = state.open(&clusters);
    let scope = Scope { clusters, namespaces: namespaces.clone() };
    let view = View::Tree(Box::new(TreeView::new(roots, namespaces)));
    effects.extend(state.push(Screen { scope, view }));
    effects
}

/// Enter on a line: unfolds or folds it; without anything below it, goes to its object, or to a container's log.
pub fn open_line(state: &mut State) -> Vec<Effect> {
    let View::Tree(tree) = &mut state.nav.top_mut().view else { return vec![] };
    match tree.line() {
        Some(line) if line.fold != Fold::Leaf => {
            tree.fold(None);
            vec![]
        }
        Some(line) if line.container.is_some() => super::logging::logs(state, ""),
        Some(_) => in_table(state, ""),
        None => vec![],
    }
}

/// Folds the line; one that is folded or has nothing below leads to the line above that it hangs on.
pub fn fold(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Tree(tree) = &mut state.nav.top_mut().view {
        match tree.line().map(|line| line.fold) {
            Some(Fold::Open) => tree.fold(Some(false)),
            _ => tree.up(),
        }
    }
    vec![]
}

pub fn unfold(state: &mut State, _: &str) -> Vec<Effect> {
    if let View::Tree(tree) = &mut state.nav.top_mut().view {
        tree.fold(Some(true));
    }
    vec![]
}

pub fn fold_all(state: &mut State, level: &str) -> Vec<Effect> {
    match &mut state.nav.top_mut().view {
        View::Tree(tree) => tree.fold_all(),
        View::Text(text) => match level.trim().parse() {
            Ok(level) => text.fold_to(level),
            Err(_) => text.fold_on(),
        },
        _ => {}
    }
    vec![]
}

pub fn in_table(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    go_to(state, picked.cluster, &picked.object)
}

/// The next step down: ReplicaSets of a Deployment, Jobs of a CronJob, slices of a Service, pods of the rest.
pub fn children(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    let Picked { cluster, resource, object } = picked.clone();
    let owned = |plural: ResourceId| {
        let pods =
            Pods::OwnedBy { namespace: object.namespace.clone(), kind: object.kind.clone(), name: object.name.clone() };
        Some((plural, Within::Pods { of: format!("of {} {}", object.kind, object.name), pods }))
    };
    let next = match (resource.group.as_str(), resource.plural.as_str()) {
        ("argoproj.io", "applications") => {
            let (namespace, name) = (object.namespace, object.name);
            return state.show(View::List(ListView::new(ListOf::Managed { cluster, namespace, name })));
        }
        ("apps", "deployments") | ("argoproj.io", "rollouts") => owned(ResourceId::new("apps", "replicasets")),
        ("batch", "cronjobs") => owned(ResourceId::new("batch", "jobs")),
        ("", "services") => owned(ResourceId::new("discovery.k8s.io", "endpointslices")),
        ("", "nodes") | ("apps", _) | ("batch", "jobs") => {
            super::within_of(state, &picked).map(|within| (ResourceId::core("pods"), within))
        }
        _ => None,
    };
    match next {
        Some((plural, within)) => drill(state, cluster, &object.namespace, plural, Some(within)),
        // What it leads to is of several kinds.
        None => xray(state, ""),
    }
}

/// Goes to the Application of the object or of what owns it: by Argo CD's tracking id, by its label, or because an
/// Application of the fleet lists it.
pub fn application(state: &mut State, _: &str) -> Vec<Effect> {
    let Some(picked) = state.picked() else { return vec![] };
    match state.application_of(&picked) {
        Some((cluster, application)) => go_to(state, cluster, &application),
        None => {
            state.warn(format!("no Argo CD Application of the opened clusters manages {}", picked.object));
            vec![]
        }
    }
}
