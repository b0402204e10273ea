//! What is wrong in the fleet, from the rows: grouped by kind and by the word for it, worst and most first.

use super::State;
use super::list::{ListRow, Listing};
use super::order::{columns, status_word};
use crate::kinds;
use crate::world::fleet::{ClusterId, Feed, Table};
use crate::world::object::ResourceId;
use crate::world::row::{Body, Row, Tone};
use crate::world::time::{Time, human};
use std::collections::{BTreeMap, BTreeSet};

/// Objects of one kind that stand alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Their kind.
    pub resource: ResourceId,
    /// `pods`, `nodes` …
    pub what: String,
    /// `Pending`, `OutOfSync` …
    pub word: String,
    /// How they stand.
    pub tone: Tone,
    /// How many.
    pub count: usize,
    /// Where.
    pub clusters: BTreeSet<ClusterId>,
    /// In which namespaces.
    pub namespaces: BTreeSet<String>,
    /// Since when the oldest of them, where the rows say it.
    pub since: Time,
    /// Name of the first.
    pub example: String,
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
        let mut groups: BTreeMap<(std::cmp::Reverse<Tone>, ResourceId, String), Problem> = BTreeMap::new();
        for (id, kind, table) in tables {
            if matches!(table.feed, Feed::Idle) || table.count(Tone::Bad) + table.count(Tone::Warn) == 0 {
                continue;
            }
            let columns = columns(fleet, id, &kind);
            for (_, row) in table.rows().filter(|(_, row)| matches!(row.tone, Tone::Bad | Tone::Warn)) {
                let word = status_word(row, columns);
                let group = groups
                    .entry((std::cmp::Reverse(row.tone), kind.clone(), word.clone()))
                    .or_insert_with(|| Problem::new(&kind, word, row));
                group.add(id, row);
            }
        }
        self.list = groups.into_values().collect();
        self.list.sort_by_key(|p| (std::cmp::Reverse(p.tone), std::cmp::Reverse(p.count)));
    }
}

impl Problem {
    fn new(kind: &ResourceId, word: String, row: &Row) -> Self {
        Self {
            resource: kind.clone(),
            what: kind.plural.clone(),
            word,
            tone: row.tone,
            count: 0,
            clusters: BTreeSet::new(),
            namespaces: BTreeSet::new(),
            since: Time::NEVER,
            example: row.meta.name.to_string(),
        }
    }

    fn add(&mut self, cluster: ClusterId, row: &Row) {
        self.count += 1;
        self.clusters.insert(cluster);
        self.namespaces.insert(row.meta.namespace.to_string());
        if let Body::Pod(pod) = &row.body
            && pod.unready_since.is_set()
            && (!self.since.is_set() || pod.unready_since < self.since)
        {
            self.since = pod.unready_since;
        }
    }

    /// `7 pods Pending`, `app payments OutOfSync`
    pub fn title(&self) -> String {
        match self.count {
            1 => {
                let kind = kinds::of(&self.resource).map_or_else(|| self.what.clone(), |k| k.kind.to_lowercase());
                format!("{kind} {} {}", self.example, self.word)
            }
            n => format!("{n} {} {}", self.what, self.word),
        }
    }

    /// Tells it from the others.
    pub fn key(&self) -> String {
        format!("{}|{}|{:?}", self.resource, self.word, self.tone)
    }
}

/// The list of problems.
pub fn listing(state: &State) -> Listing {
    let rows = state.problems.list.iter().map(|p| {
        let clusters: Vec<&str> = p.clusters.iter().map(|id| state.fleet.shard(*id).name.as_str()).collect();
        let namespaces: Vec<&str> = p.namespaces.iter().map(String::as_str).filter(|ns| !ns.is_empty()).collect();
        let places = match namespaces.len() {
            0 => clusters.join(", "),
            1..=2 => format!("{} {}", clusters.join(", "), namespaces.join(", ")),
            n => format!("{} {n} namespaces", clusters.join(", ")),
        };
        let since = if p.since.is_set() { human(p.since.age(state.now)) } else { "–".into() };
        let severity = if p.tone == Tone::Bad { "bad" } else { "warn" };
        ListRow::new(p.key(), vec![severity.into(), p.title(), places, since]).tone(p.tone)
    });
    Listing {
        columns: &[("SEV", false), ("WHAT", false), ("WHERE", false), ("SINCE", true)],
        rows: rows.collect(),
        empty: "nothing is wrong with the pods, nodes and Applications that could be read",
    }
}
