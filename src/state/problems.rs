//! What is wrong in the fleet, from the rows: grouped by cluster, kind, the word for it and workload; worst and newest
//! first.

use super::State;
use super::list::{ListRow, Listing};
use super::order::{columns, status_word};
use crate::kinds;
use crate::world::fleet::{ClusterId, Feed, Table};
use crate::world::object::ResourceId;
use crate::world::row::{Body, Row, Tone};
use crate::world::time::{Time, human};
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Objects of one kind and one cluster that stand alike: those of one workload, or of many, if too many to list.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Their kind.
    pub resource: ResourceId,
    /// `Pending`, `OutOfSync` …
    pub word: String,
    /// How they stand.
    pub tone: Tone,
    /// How many.
    pub count: usize,
    /// Where.
    pub cluster: ClusterId,
    /// Their namespaces, each with what owns them there (where nothing does: their own names).
    pub owners: BTreeSet<(String, String)>,
    /// Since when the oldest of them, where the rows say it.
    pub since: Time,
    /// Namespace and name of the first.
    pub first: (String, String),
}

/// The problems, and from which version of the tables they were counted.
#[derive(Debug, Default)]
pub struct Problems {
    /// Worst first.
    pub list: Vec<Problem>,
    counted: BTreeMap<(ClusterId, ResourceId), u64>,
    at: Time,
}

/// Tables that say something about the health of a cluster and are always watched.
pub fn screened() -> [ResourceId; 3] {
    [ResourceId::core("pods"), ResourceId::core("nodes"), ResourceId::new("argoproj.io", "applications")]
}

/// How many objects of a cluster are not as they should be.
pub fn of_cluster(state: &State, id: ClusterId) -> usize {
    let shard = state.fleet.shard(id);
    screened()
        .iter()
        .filter_map(|kind| shard.table(kind))
        .map(|table| table.count(Tone::Bad) + table.count(Tone::Warn))
        .sum()
}

/// More rows than this are counted once a second only.
const LARGE: usize = 5_000;

impl Problems {
    /// Counts again where tables changed. Large tables wait for the next second.
    pub fn refresh(&mut self, fleet: &crate::world::fleet::Fleet, now: Time) {
        let mut tables: Vec<(ClusterId, ResourceId, &Table)> = vec![];
        for (id, shard) in fleet.iter() {
            let kinds = screened().into_iter();
            tables.extend(kinds.filter_map(|kind| shard.table(&kind).map(|table| (id, kind, table))));
        }
        let version = tables.iter().map(|(id, kind, t)| ((*id, kind.clone()), t.revision)).collect();
        let large = tables.iter().map(|(_, _, table)| table.len()).sum::<usize>() > LARGE;
        if version == self.counted || (large && now == self.at) {
            return;
        }
        self.counted = version;
        self.at = now;
        let mut groups: BTreeMap<Alike, BTreeMap<(String, String), Problem>> = BTreeMap::new();
        for (id, kind, table) in tables {
            if matches!(table.feed, Feed::Idle) || table.count(Tone::Bad) + table.count(Tone::Warn) == 0 {
                continue;
            }
            let columns = columns(fleet, id, &kind);
            for (_, row) in table.rows().filter(|(_, row)| matches!(row.tone, Tone::Bad | Tone::Warn)) {
                let word = status_word(row, columns);
                let group = groups.entry((id, kind.clone(), word.clone(), row.tone)).or_default();
                let one = Problem::of(id, &kind, word, row);
                match group.entry(one.place()) {
                    Entry::Occupied(mut known) => known.get_mut().merge(one),
                    Entry::Vacant(free) => drop(free.insert(one)),
                }
            }
        }
        self.list = groups.into_values().flat_map(folded).collect();
        // The newest first: what broke just now is what one came for.
        self.list.sort_by_key(|p| (Reverse(p.tone), Reverse(p.since), Reverse(p.count)));
    }

    /// One title per kind and word over all clusters, worst and most first, for the bar.
    pub fn titles(&self) -> Vec<String> {
        let mut sums: BTreeMap<(&ResourceId, &str, Tone), Problem> = BTreeMap::new();
        for problem in &self.list {
            let sum = sums.entry((&problem.resource, &problem.word, problem.tone));
            sum.and_modify(|sum| sum.merge(problem.clone())).or_insert_with(|| problem.clone());
        }
        let mut sums: Vec<Problem> = sums.into_values().collect();
        sums.sort_by_key(|p| (Reverse(p.tone), Reverse(p.count)));
        sums.iter().map(Problem::title).collect()
    }
}

/// What objects of one group have in common.
type Alike = (ClusterId, ResourceId, String, Tone);

/// Workloads of a cluster that stand alike are listed one by one up to this many; more are one line.
const APART: usize = 4;

fn folded(group: BTreeMap<(String, String), Problem>) -> Vec<Problem> {
    let mut list: Vec<Problem> = group.into_values().collect();
    if list.len() > APART {
        let rest = list.split_off(1);
        rest.into_iter().for_each(|problem| list[0].merge(problem));
    }
    list
}

/// What a row is counted under: the workload of a pod, the owner, or the object itself.
fn owner(row: &Row) -> String {
    let Some(owner) = &row.meta.owner else { return row.meta.name.to_string() };
    // The name of a ReplicaSet of a Deployment ends in the hash that its pods carry as a label.
    let hash = row.meta.label("pod-template-hash").map(|hash| format!("-{hash}"));
    let name = hash.and_then(|hash| owner.name.strip_suffix(&hash).map(String::from));
    name.unwrap_or_else(|| owner.name.to_string())
}

impl Problem {
    fn of(cluster: ClusterId, kind: &ResourceId, word: String, row: &Row) -> Self {
        let namespace = row.meta.namespace.to_string();
        // Nodes are counted together: they have no owner, and often fail together.
        let owner = if namespace.is_empty() { String::new() } else { owner(row) };
        Self {
            resource: kind.clone(),
            word,
            tone: row.tone,
            count: 1,
            cluster,
            owners: [(namespace.clone(), owner)].into(),
            since: match &row.body {
                Body::Pod(pod) => pod.unready_since,
                Body::Cells(_) => Time::NEVER,
            },
            first: (namespace, row.meta.name.to_string()),
        }
    }

    /// Namespace and owner of a problem that was not merged yet.
    fn place(&self) -> (String, String) {
        self.owners.first().cloned().unwrap_or_default()
    }

    fn merge(&mut self, other: Problem) {
        self.count += other.count;
        self.owners.extend(other.owners);
        if other.since.is_set() && (!self.since.is_set() || other.since < self.since) {
            self.since = other.since;
        }
        if other.first < self.first {
            self.first = other.first;
        }
    }

    /// `7 pods Pending`, `application payments OutOfSync`
    pub fn title(&self) -> String {
        match self.count {
            1 => {
                let kind =
                    kinds::of(&self.resource).map_or_else(|| self.resource.plural.clone(), |k| k.kind.to_lowercase());
                format!("{kind} {} {}", self.first.1, self.word)
            }
            n => format!("{n} {} {}", self.resource.plural, self.word),
        }
    }

    /// Its namespaces; empty for what lives in none.
    pub fn namespaces(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.owners.iter().map(|(ns, _)| ns).filter(|ns| !ns.is_empty()).collect();
        names.into_iter().cloned().collect()
    }

    /// `prod-us ml/recommender`, `prod-us ml, shop`, `prod-us 7 namespaces`
    fn place_words(&self, cluster: &str) -> String {
        let namespaces = self.namespaces();
        match (self.owners.len(), namespaces.as_slice()) {
            (_, []) => cluster.into(),
            (1, [namespace]) => format!("{cluster} {namespace}/{}", self.place().1),
            (_, [_] | [_, _]) => format!("{cluster} {}", namespaces.join(", ")),
            (_, many) => format!("{cluster} {} namespaces", many.len()),
        }
    }

    /// Tells it from the others.
    pub fn key(&self) -> String {
        let (namespace, owner) = if self.owners.len() == 1 { self.place() } else { Default::default() };
        format!("{}|{}|{}|{:?}|{namespace}|{owner}", self.cluster.0, self.resource, self.word, self.tone)
    }
}

/// The list of problems.
pub fn listing(state: &State) -> Listing {
    let rows = state.problems.list.iter().map(|p| {
        let places = p.place_words(&state.fleet.shard(p.cluster).name);
        let since = if p.since.is_set() { human(p.since.age(state.now)) } else { "–".into() };
        let severity = if p.tone == Tone::Bad { "bad" } else { "warn" };
        ListRow::new(p.key(), vec![severity.into(), p.title(), places, since]).tone(p.tone)
    });
    Listing {
        columns: &[("SEV", false), ("WHAT", false), ("WHERE", false), ("SINCE", true)],
        rows: rows.collect(),
        empty: "nothing is wrong with the pods, nodes and Applications that could be read",
        ..Listing::default()
    }
}
