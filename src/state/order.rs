//! The virtual table: which rows a view shows, in which order, as (cluster, slot). Rows stay in the fleet.
//!
//! A change of a few rows moves only those ([`Order::absorb`]), a new filter leaves the rest sorted
//! ([`Order::refilter`]), a new sort builds it anew ([`Order::rebuild`]). Drawing touches the visible entries only.

use super::filter::{Filter, Sieve, Word};
use super::layout::{Grep, Looked};
use super::written::Written;
use crate::kinds;
use crate::kinds::relations::Pods;
use crate::world::choice::Choice;
use crate::world::column::{Column, Source, Text, cell, text};
use crate::world::fleet::{ClusterId, Fleet, Table};
use crate::world::glob::shell;
use crate::world::metrics::Metrics;
use crate::world::object::ResourceId;
use crate::world::row::{Cell, Row, Tone, Uid};
use memchr::memmem::Finder;
use std::cmp::Ordering;
use std::collections::HashSet;

/// One row of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Whose.
    pub cluster: ClusterId,
    /// Slot in the cluster's table.
    pub slot: u32,
}

/// The entries of a view, sorted.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// In display order.
    pub entries: Vec<Entry>,
    /// While there is a filter: what would be shown without it, so that nothing is sorted while it is being typed.
    all: Option<Vec<Entry>>,
    /// The filter that the entries passed.
    passed: Filter,
    /// The words of all rows, while a filter is being typed.
    written: Option<Box<Written>>,
}

/// A narrowing that comes from where one drilled down, not from the filter line.
#[derive(Clone, Debug, PartialEq)]
pub enum Within {
    /// The pods that belong to an object, and how that is called.
    Pods { of: String, pods: Pods },
    /// One namespace and one name.
    Name(String),
    /// The objects that show a problem, and the word for how they stand.
    Shown { of: String, uids: HashSet<Uid> },
}

impl Within {
    /// For the top line: `on n4`, `of Deployment web`.
    pub fn title(&self) -> String {
        match self {
            Self::Pods { of, .. } => of.clone(),
            Self::Name(name) => name.clone(),
            Self::Shown { of, .. } => of.clone(),
        }
    }

    /// Whether a row belongs.
    pub fn accepts(&self, row: &Row) -> bool {
        match self {
            Self::Pods { pods, .. } => pods.has(row),
            Self::Name(name) => row.meta.name == **name,
            Self::Shown { uids, .. } => uids.contains(&row.meta.uid),
        }
    }
}

/// What a view sorts by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// Title of the column; also `CLUSTER` and `NAMESPACE`.
    pub column: String,
    /// Largest first.
    pub reverse: bool,
}

/// Everything that decides which rows a view shows and in which order.
pub struct Rules<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The kind.
    pub resource: &'a ResourceId,
    /// Clusters in view.
    pub clusters: &'a [ClusterId],
    /// Namespaces in view; empty: all.
    pub namespaces: &'a [String],
    /// What was typed after `/`.
    pub filter: &'a Filter,
    /// Where one drilled down from.
    pub within: Option<&'a Within>,
    /// Only what is not as it should be.
    pub faults: bool,
    /// `None`: cluster, namespace, name.
    pub sort: Option<&'a Sort>,
    /// The column that it sorts by where that is none of the kind's own, and its cells.
    pub chosen: Option<(&'a Choice, &'a Looked)>,
    /// Only rows whose objects contain a text, where one is looked for.
    pub grep: Option<&'a Grep>,
}

/// The columns of a kind in a cluster: its own, or those the server gave.
pub fn columns<'a>(fleet: &'a Fleet, cluster: ClusterId, resource: &ResourceId) -> &'a [Column] {
    match kinds::of(resource) {
        Some(kind) => kind.columns,
        None => {
            fleet.shard(cluster).table(resource).and_then(|table| table.columns.as_deref()).unwrap_or(&FALLBACK_COLUMNS)
        }
    }
}

/// Until the server has said what it prints.
static FALLBACK_COLUMNS: [Column; 2] = [Column::new("NAME", Source::Name), Column::new("AGE", Source::Age)];

/// The part of [`Rules`] that belongs to one cluster, looked up once.
pub(super) struct Part<'a> {
    table: &'a Table,
    metrics: &'a Metrics,
    columns: &'a [Column],
    name: &'a str,
    sorted_by: Option<usize>,
}

/// [`Part`]s, by cluster.
pub(super) struct Parts<'a>(Vec<Option<Part<'a>>>);

impl<'a> Parts<'a> {
    fn new(rules: &Rules<'a>) -> Self {
        let mut parts: Vec<Option<Part<'a>>> = rules.fleet.shards.iter().map(|_| None).collect();
        for &id in rules.clusters {
            let Some(shard) = rules.fleet.shards.get(usize::from(id.0)) else { continue };
            let Some(table) = shard.table(rules.resource) else { continue };
            let columns = columns(rules.fleet, id, rules.resource);
            let sorted_by = rules.sort.and_then(|sort| columns.iter().position(|c| c.title == sort.column));
            parts[usize::from(id.0)] =
                Some(Part { table, metrics: &shard.metrics, columns, name: &shard.name, sorted_by });
        }
        Self(parts)
    }

    /// A row, and what is known of its cluster.
    pub(super) fn get(&self, entry: Entry) -> Option<(&Part<'a>, &'a Row)> {
        let part = self.0.get(usize::from(entry.cluster.0))?.as_ref()?;
        Some((part, part.table.row(entry.slot)?))
    }
}

/// A row with what it sorts by, looked up once.
struct Keyed<'a> {
    entry: Entry,
    cell: Cell,
    row: &'a Row,
}

impl<'a> Rules<'a> {
    /// Whether a row is one of this view, filter aside.
    fn belongs(&self, cluster: ClusterId, row: &Row) -> bool {
        self.grep.is_none_or(|grep| grep.has(cluster, row))
            && (self.namespaces.is_empty()
                || row.meta.namespace.is_empty()
                || self.namespaces.iter().any(|ns| shell(ns, &row.meta.namespace)))
            && !(self.faults && matches!(row.tone, Tone::Ok | Tone::Done))
            && self.within.is_none_or(|within| within.accepts(row))
    }

    /// The entries that pass the filter.
    fn passing(&self, parts: &Parts<'a>, written: Option<&Written>, all: &[Entry]) -> Vec<Entry> {
        let plain = self.filter.plain().zip(written);
        let plain = plain.map(|((wanted, inverse), written)| (Finder::new(wanted), inverse, written));
        let sift = |some: &[Entry]| -> Vec<Entry> {
            let mut sieve = self.filter.sieve();
            let at_once = |entry: Entry| {
                let (wanted, inverse, written) = plain.as_ref()?;
                Some(wanted.find(written.words(entry)?).is_some() != *inverse)
            };
            let passes = |entry: &Entry| at_once(*entry).unwrap_or_else(|| passes(&mut sieve, parts, *entry));
            some.iter().copied().filter(passes).collect()
        };
        lanes(all, sift).concat()
    }

    fn keyed(&self, parts: &Parts<'a>, entry: Entry) -> Option<Keyed<'a>> {
        let (part, row) = parts.get(entry)?;
        let cell = match (self.chosen, part.sorted_by) {
            (Some((choice, looked)), _) => looked.cell(entry.cluster, row, choice),
            (None, Some(n)) => cell(part.columns, n, row, part.metrics),
            (None, None) => Cell::Empty,
        };
        Some(Keyed { entry, cell, row })
    }

    fn compare(&self, a: &Keyed, b: &Keyed) -> Ordering {
        let chosen = match self.sort {
            None => Ordering::Equal,
            Some(sort) => {
                let by = match sort.column.as_str() {
                    _ if self.chosen.is_some() => compare_cells(&a.cell, &b.cell),
                    "CLUSTER" => a.entry.cluster.cmp(&b.entry.cluster),
                    "NAMESPACE" => compare_str(&a.row.meta.namespace, &b.row.meta.namespace),
                    _ => compare_cells(&a.cell, &b.cell),
                };
                // What has nothing there stands last either way.
                let nothing = (a.cell == Cell::Empty) != (b.cell == Cell::Empty);
                if sort.reverse && !nothing { by.reverse() } else { by }
            }
        };
        chosen
            .then_with(|| a.entry.cluster.cmp(&b.entry.cluster))
            .then_with(|| compare_str(&a.row.meta.namespace, &b.row.meta.namespace))
            .then_with(|| a.row.meta.name.as_str().cmp(b.row.meta.name.as_str()))
            .then_with(|| a.entry.slot.cmp(&b.entry.slot))
    }
}

fn passes(sieve: &mut Sieve, parts: &Parts, entry: Entry) -> bool {
    parts.get(entry).is_some_and(|(part, row)| sieve.row(row, |test| words(part, row, test)))
}

/// The words of a row that the filter looks at: namespace, name, cluster, and every cell that is text.
pub(super) fn words(part: &Part, row: &Row, test: &mut dyn FnMut(Word) -> bool) {
    if test(Word::Own(&row.meta.name)) || test(Word::Shared(&row.meta.namespace)) || test(Word::Shared(part.name)) {
        return;
    }
    for (n, column) in part.columns.iter().enumerate() {
        if matches!(column.source, Source::Name) {
            continue;
        }
        let stop = match text(part.columns, n, row) {
            Some(Text::Own(words)) => test(Word::Own(words)),
            Some(Text::Shared(words)) => test(Word::Shared(words)),
            None => false,
        };
        if stop {
            return;
        }
    }
}

/// Rows from which a thread more pays: it takes some 50 µs to start, in which one looks at 200 rows.
const LANE_PAYS: usize = 4096;
/// Threads at most: the memory does not answer more of them any faster.
const LANES: usize = 4;

/// Does something for all rows, a part of them per thread; the answers in the order of the rows. What takes the time is
/// fetching the words of the rows from all over the memory, which two cores do in half of it.
pub(super) fn lanes<T: Send>(all: &[Entry], work: impl Fn(&[Entry]) -> T + Sync) -> Vec<T> {
    let lanes = std::thread::available_parallelism().map_or(1, usize::from).min(LANES);
    if all.len() < LANE_PAYS || lanes == 1 {
        return vec![work(all)];
    }
    std::thread::scope(|scope| {
        let (own, others) = all.split_at(all.len() / lanes);
        let size = others.len().div_ceil(lanes - 1);
        let work = &work;
        let others: Vec<_> = others.chunks(size).map(|some| (some, scope.spawn(move || work(some)))).collect();
        let mut done = vec![work(own)];
        done.extend(others.into_iter().map(|(some, other)| other.join().unwrap_or_else(|_| work(some))));
        done
    })
}

/// Interned strings are often the same allocation.
fn compare_str(a: &str, b: &str) -> Ordering {
    if std::ptr::eq(a, b) { Ordering::Equal } else { a.cmp(b) }
}

/// Cells of one column: numbers by size, ages youngest first, text by bytes, nothing last.
pub fn compare_cells(a: &Cell, b: &Cell) -> Ordering {
    use Cell::*;
    let text = |cell: &Cell| match cell {
        Text(text) => Some(text.to_string()),
        Shared(text) => Some(text.to_string()),
        _ => None,
    };
    match (a, b) {
        (Empty, Empty) => Ordering::Equal,
        (Empty, _) => Ordering::Greater,
        (_, Empty) => Ordering::Less,
        (Text(a), Text(b)) => a.cmp(b),
        (Shared(a), Shared(b)) => compare_str(a, b),
        (Int(a), Int(b)) | (Bytes(a), Bytes(b)) | (Cpu(a), Cpu(b)) => a.cmp(b),
        (Count(a, since_a), Count(b, since_b)) => a.cmp(b).then_with(|| since_a.cmp(since_b)),
        (Ratio(a, of_a), Ratio(b, of_b)) => {
            let product = |x: &u32, y: &u32| u64::from(*x) * u64::from(*y);
            product(a, of_b).cmp(&product(b, of_a)).then_with(|| of_a.cmp(of_b))
        }
        (Since(a), Since(b)) => b.cmp(a),
        _ => match (text(a), text(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (left, right) => right.is_some().cmp(&left.is_some()),
        },
    }
}

impl Order {
    /// Finds and sorts the rows from scratch.
    pub fn rebuild(&mut self, rules: &Rules) {
        let parts = Parts::new(rules);
        self.written = None;
        let mut keyed: Vec<Keyed> = Vec::new();
        for &cluster in rules.clusters {
            let Some(part) = parts.0.get(usize::from(cluster.0)).and_then(Option::as_ref) else { continue };
            let belonging = part.table.rows().filter(|(_, row)| rules.belongs(cluster, row));
            keyed.extend(belonging.filter_map(|(slot, _)| rules.keyed(&parts, Entry { cluster, slot })));
        }
        keyed.sort_by(|a, b| rules.compare(a, b));
        self.show(rules, &parts, keyed.iter().map(|k| k.entry).collect());
    }

    /// Takes in a new filter. Everything else must be unchanged since the last call.
    pub fn refilter(&mut self, rules: &Rules) {
        if self.all.is_some() && rules.filter.narrows(&self.passed) {
            self.entries = rules.passing(&Parts::new(rules), self.written.as_deref(), &self.entries);
            self.passed = rules.filter.clone();
            return;
        }
        let all = self.all.take().unwrap_or_else(|| std::mem::take(&mut self.entries));
        self.show(rules, &Parts::new(rules), all);
    }

    fn show(&mut self, rules: &Rules, parts: &Parts, all: Vec<Entry>) {
        self.passed = rules.filter.clone();
        (self.entries, self.all) = match rules.filter.is_empty() {
            true => (all, None),
            false => (rules.passing(parts, self.written.as_deref(), &all), Some(all)),
        };
    }

    /// Makes ready for a filter that somebody types.
    pub fn expect_letters(&mut self, rules: &Rules) {
        let all = self.all.as_ref().unwrap_or(&self.entries);
        if self.written.is_none() {
            self.written = Some(Box::new(Written::new(&Parts::new(rules), all)));
        }
    }

    /// Nobody types any more.
    pub fn expect_no_letters(&mut self) {
        self.written = None;
    }

    /// Takes in rows that came, changed or went, by their slots. The rest must be unchanged since the last call.
    pub fn absorb(&mut self, rules: &Rules, changed: &[Entry]) {
        let known = self.all.as_ref().unwrap_or(&self.entries).len();
        if changed.len() > 64 && changed.len() > known / 4 {
            return self.rebuild(rules);
        }
        if let Some(written) = &mut self.written {
            written.forget(changed);
        }
        self.written.take_if(|written| !written.is_good());
        let mut touched: Vec<Vec<bool>> = vec![Vec::new(); rules.fleet.shards.len()];
        let mut fresh_slots = Vec::with_capacity(changed.len());
        for &entry in changed {
            let Some(flags) = touched.get_mut(usize::from(entry.cluster.0)) else { continue };
            let slot = entry.slot as usize;
            if flags.len() <= slot {
                flags.resize(slot + 1, false);
            }
            if !std::mem::replace(&mut flags[slot], true) {
                fresh_slots.push(entry);
            }
        }
        let stays = |e: &Entry| !touched[usize::from(e.cluster.0)].get(e.slot as usize).copied().unwrap_or(false);
        self.entries.retain(stays);

        let parts = Parts::new(rules);
        let mut fresh: Vec<Keyed> = fresh_slots
            .into_iter()
            .filter(|entry| parts.get(*entry).is_some_and(|(_, row)| rules.belongs(entry.cluster, row)))
            .filter_map(|entry| rules.keyed(&parts, entry))
            .collect();
        fresh.sort_by(|a, b| rules.compare(a, b));
        if let Some(all) = &mut self.all {
            all.retain(stays);
            merge(all, rules, &parts, &fresh);
            let mut sieve = rules.filter.sieve();
            fresh.retain(|new| passes(&mut sieve, &parts, new.entry));
        }
        merge(&mut self.entries, rules, &parts, &fresh);
    }
}

/// Puts sorted rows into the sorted rest.
fn merge<'a>(entries: &mut Vec<Entry>, rules: &Rules<'a>, parts: &Parts<'a>, fresh: &[Keyed]) {
    if fresh.is_empty() {
        return;
    }
    let mut merged = Vec::with_capacity(entries.len() + fresh.len());
    let mut rest = &entries[..];
    for new in fresh {
        let before = rest.partition_point(|old| {
            rules.keyed(parts, *old).is_some_and(|old| rules.compare(&old, new) == Ordering::Less)
        });
        merged.extend_from_slice(&rest[..before]);
        merged.push(new.entry);
        rest = &rest[before..];
    }
    merged.extend_from_slice(rest);
    *entries = merged;
}
