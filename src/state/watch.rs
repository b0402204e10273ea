//! Which tables are watched: those that a view or the summary of the fleet needs. What nobody needs is dropped
//! after a while.

use super::State;
use super::list::ListOf;
use super::nav::View;
use super::prompt::Asks;
use crate::diagnose::screen;
use crate::effect::Effect;
use crate::world::fleet::{ClusterId, Feed, Link, Table};
use crate::world::glob::is_pattern;
use crate::world::object::ResourceId;
use crate::world::time::Time;
use std::collections::BTreeMap;

/// Seconds that a table is kept watched after the last view of it was left.
const KEPT: i64 = 300;

/// A watch that was asked for.
#[derive(Clone, Debug, PartialEq)]
struct Watch {
    /// Empty: all.
    namespaces: Vec<String>,
    /// When it was last needed.
    needed: Time,
    /// All namespaces were asked for once, and that may not be read.
    refused: bool,
}

impl Watch {
    /// Whether what is watched is as much as can be had of these namespaces (empty: all). What is watched beyond
    /// the namespaces in view is filtered here, without asking again.
    fn covers(&self, namespaces: &[String]) -> bool {
        let all = self.namespaces.is_empty() && !self.refused;
        match namespaces {
            [] => all || self.refused,
            some => all || some.iter().all(|ns| self.namespaces.contains(ns)),
        }
    }
}

/// Every watch that was asked for.
#[derive(Debug, Default)]
pub struct Watches(BTreeMap<(ClusterId, ResourceId), Watch>);

impl State {
    /// Asks for what is needed and not watched yet, and ends what was not needed for a while.
    pub fn sync_watches(&mut self) -> Vec<Effect> {
        let needs = self.needs();
        let mut effects = vec![];
        for ((cluster, resource), namespaces) in needs {
            let key = (cluster, resource.clone());
            let refused = self.refused(&key);
            match self.watches.0.get_mut(&key) {
                Some(watch) => {
                    watch.refused = refused;
                    watch.needed = self.now;
                    if watch.covers(&namespaces) {
                        continue;
                    }
                    watch.namespaces = match namespaces.is_empty() {
                        true => namespaces,
                        // What is watched already stays: one may come back to it.
                        false => {
                            let more = namespaces.into_iter().filter(|ns| !watch.namespaces.contains(ns));
                            watch.namespaces.iter().cloned().chain(more).collect()
                        }
                    };
                }
                None => {
                    let watch = Watch { namespaces, needed: self.now, refused: false };
                    self.watches.0.insert(key.clone(), watch);
                }
            }
            let namespaces = self.watches.0.get(&key).map(|watch| watch.namespaces.clone()).unwrap_or_default();
            effects.push(Effect::Watch { cluster, resource, namespaces });
        }
        let now = self.now;
        let idle = self.watches.0.extract_if(.., |_, watch| watch.needed.age(now) > KEPT);
        for ((cluster, resource), _) in idle {
            effects.push(Effect::Unwatch { cluster, resource: resource.clone() });
            if let Some(shard) = self.fleet.shards.get_mut(usize::from(cluster.0)) {
                shard.drop_table(&resource);
            }
            self.problems.ledger.dropped(cluster, &resource);
        }
        effects
    }

    /// Nothing is watched in a cluster any more, and its rows are forgotten.
    pub(super) fn forget_watches(&mut self, cluster: ClusterId) {
        let gone: Vec<ResourceId> =
            self.watches.0.keys().filter(|(id, _)| *id == cluster).map(|(_, r)| r.clone()).collect();
        for resource in gone {
            self.watches.0.remove(&(cluster, resource.clone()));
            if let Some(shard) = self.fleet.shards.get_mut(usize::from(cluster.0)) {
                shard.drop_table(&resource);
            }
        }
        self.forget_metering(cluster);
        self.problems.ledger.closed(cluster);
        if let Some(shard) = self.fleet.shards.get_mut(usize::from(cluster.0)) {
            shard.link = Link::Closed;
        }
    }

    /// Whether a watch was asked for that holds all objects of a namespace (`None`: of all).
    pub(super) fn watches_cover(&self, cluster: ClusterId, resource: &ResourceId, namespace: Option<&String>) -> bool {
        let watch = self.watches.0.get(&(cluster, resource.clone()));
        watch.is_some_and(|watch| {
            watch.namespaces.is_empty() || namespace.is_some_and(|ns| watch.namespaces.contains(ns))
        })
    }

    /// Whether the whole cluster was asked for and denied, or narrowed by the cluster task because of that.
    fn refused(&self, key: &(ClusterId, ResourceId)) -> bool {
        let Some(watch) = self.watches.0.get(key) else { return false };
        let narrowed = |table: &Table| matches!(table.feed, Feed::Denied(_)) || !table.narrowed.is_empty();
        watch.refused || (watch.namespaces.is_empty() && self.fleet.shard(key.0).table(&key.1).is_some_and(narrowed))
    }

    /// What the summary of the fleet and every screen of the stack need: kinds with the namespaces in view.
    fn needs(&self) -> BTreeMap<(ClusterId, ResourceId), Vec<String>> {
        let mut needs = BTreeMap::new();
        for &cluster in &self.opened {
            let catalog = &self.fleet.shard(cluster).catalog;
            for kind in screen::screened() {
                // Pods and nodes are there before anybody has said so.
                let certain = kind.group.is_empty() && matches!(kind.plural.as_str(), "pods" | "nodes");
                if certain || catalog.iter().any(|r| r.id == kind) {
                    let namespaces = if kind.plural == "nodes" { vec![] } else { asked(&self.start_namespaces) };
                    needs.insert((cluster, kind), namespaces);
                }
            }
        }
        // The screen in view last: its namespaces count.
        for screen in self.nav.screens() {
            let (resources, namespaced) = match &screen.view {
                View::Table(table) => (vec![table.resource.clone()], table.namespaced),
                View::Logs(logs) => (logs.selection.kinds(), true),
                _ => continue,
            };
            let open = screen.scope.clusters.iter().filter(|id| self.opened.contains(id));
            for key in open.flat_map(|cluster| resources.iter().map(|resource| (*cluster, resource.clone()))) {
                let namespaces = if namespaced { asked(&screen.scope.namespaces) } else { vec![] };
                // All of them is enough for some of them, where all may be read.
                if needs.get(&key).is_none_or(|known: &Vec<String>| !known.is_empty() || self.refused(&key)) {
                    needs.insert(key, namespaces);
                }
            }
        }
        for screen in self.nav.screens() {
            let View::Tree(tree) = &screen.view else { continue };
            for &cluster in screen.scope.clusters.iter().filter(|id| self.opened.contains(id)) {
                for (resource, namespaces) in tree.needs(&screen.scope) {
                    let served = self.fleet.shard(cluster).catalog.iter().any(|r| r.id == resource);
                    let key = (cluster, resource);
                    let more = needs.get(&key).is_none_or(|known: &Vec<String>| !known.is_empty());
                    if served && more {
                        needs.insert(key, asked(&namespaces));
                    }
                }
            }
        }
        // The names of namespaces: for the list of them, and for the line they are typed on.
        let listed = matches!(&self.nav.top().view, View::List(list) if list.of == ListOf::Namespaces);
        if listed || self.prompt.as_ref().is_some_and(|prompt| prompt.asks == Asks::Command) {
            for &cluster in self.nav.top().scope.clusters.iter().filter(|id| self.opened.contains(id)) {
                needs.insert((cluster, ResourceId::core("namespaces")), vec![]);
            }
        }
        needs
    }
}

/// The namespaces to ask a server for: a pattern is matched here, over all of them.
pub(super) fn asked(namespaces: &[String]) -> Vec<String> {
    if namespaces.iter().any(|name| is_pattern(name)) { vec![] } else { namespaces.to_vec() }
}
