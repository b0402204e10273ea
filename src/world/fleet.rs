//! The fleet: one [`Shard`] per cluster, fed by [`Delta`]s, read by everything else.

use super::loose::{Loose, Repacked, Sweep};
use super::metrics::{self, Metrics, MetricsDelta};
use super::object::{Resource, ResourceId};
use super::row::{Row, Tone, Uid};
use super::time::Time;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// Index of a cluster in the fleet, in the order of the kubeconfig's contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(pub u16);

/// How the way to a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Link {
    /// Nobody has looked at it yet.
    #[default]
    Closed,
    /// On the way: credentials, TLS, discovery.
    Connecting,
    /// Answers.
    Live,
    /// Does not answer, or refuses us: why, since when, when the next try is due.
    Lost { reason: String, since: Time, retry_at: Time },
}

/// How one table of a cluster is being kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Feed {
    /// Asked for, nothing has come yet, or the first list is under way: rows seen, and about how many there are in all.
    Loading { seen: usize, about: Option<usize> },
    /// Listed and watched.
    Live,
    /// Rows are those of `since`; the reason in words. It comes back by itself.
    Stale { reason: String, since: Time },
    /// May not be read (403); the server's sentence.
    Denied(String),
    /// The cluster does not have this kind.
    Unknown(String),
    #[default]
    /// Nobody watches it.
    Idle,
}

/// What a cluster task tells the owner of the state.
#[derive(Debug)]
pub enum Delta {
    /// The way to the cluster changed.
    Link(Link),
    /// `/version` and the kinds it serves.
    Discovered { version: String, catalog: Arc<[Resource]> },
    /// A sentence for the notices, which put the cluster's name in front (fell back to namespaces …).
    Notice(String),
    /// Something about one table.
    Table(ResourceId, TableDelta),
    /// Something about what nodes and pods use.
    Metrics(MetricsDelta),
}

/// What happened to one table.
#[derive(Debug)]
pub enum TableDelta {
    /// How it is kept now.
    Feed(Feed),
    /// Its columns, for kinds without a file of their own.
    Columns(Arc<[super::column::Column]>),
    /// Namespaces it was narrowed to, because the whole cluster may not be listed; empty: everything.
    Narrowed(Vec<String>),
    /// Rows of the running (re-)list or new versions from the watch; replaces rows of the same uid.
    Upsert(Vec<Row>),
    /// Objects that are gone.
    Gone(Vec<Uid>),
    /// Whole objects that were packed anew; their rows are what they were.
    Repacked(Vec<Repacked>),
    /// Everything that was to be packed anew has come.
    Swept,
    /// The list begins: every row not upserted until [`TableDelta::ListEnd`] will be dropped then. Old rows stay visible.
    ListStart,
    /// The list is whole.
    ListEnd,
    /// Data was confirmed to be current at this time (event, bookmark, or list).
    Heard(Time),
}

/// One cluster as we know it.
#[derive(Debug, Default)]
pub struct Shard {
    /// The context's name.
    pub name: String,
    /// The way to it.
    pub link: Link,
    /// `v1.36.2`, empty until known.
    pub version: String,
    /// The kinds it serves, empty until discovered.
    pub catalog: Arc<[Resource]>,
    /// What nodes and pods use.
    pub metrics: Metrics,
    /// The configuration says that it is not asked for them.
    pub unmeasured: bool,
    tables: HashMap<ResourceId, Table>,
}

/// One kind of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// How it is kept.
    pub feed: Feed,
    /// Columns given by the server; `None` for kinds with a file of their own.
    pub columns: Option<Arc<[super::column::Column]>>,
    /// Namespaces it was narrowed to; empty: everything.
    pub narrowed: Vec<String>,
    /// When its data was last known to be current.
    pub heard: Option<Time>,
    /// Grows with every change of its rows.
    pub revision: u64,
    rows: Vec<Option<Row>>,
    free: Vec<u32>,
    index: HashMap<Uid, u32, RandomState>,
    tones: [usize; 5],
    /// During a re-list: slots seen so far.
    seen: Option<Vec<bool>>,
    sweep: Sweep,
}

/// All clusters.
#[derive(Debug, Default)]
pub struct Fleet {
    /// In the order of the kubeconfig's contexts; [`ClusterId`] is the index.
    pub shards: Vec<Shard>,
}

impl Fleet {
    /// A fleet of closed clusters.
    pub fn new(contexts: impl IntoIterator<Item = String>) -> Self {
        Self { shards: contexts.into_iter().map(|name| Shard { name, ..Shard::default() }).collect() }
    }

    /// A copy of one kind as it is now, of some clusters, for a view that stands still.
    pub fn still(&self, resource: &ResourceId, clusters: &[ClusterId]) -> Self {
        let copy = |(id, shard): (ClusterId, &Shard)| {
            let kept = shard.tables.get(resource).filter(|_| clusters.contains(&id));
            let tables = kept.map(|table| (resource.clone(), table.clone())).into_iter().collect();
            let metrics = if kept.is_some() { shard.metrics.clone() } else { Metrics::default() };
            let catalog = shard.catalog.clone();
            Shard {
                name: shard.name.clone(),
                link: shard.link.clone(),
                unmeasured: shard.unmeasured,
                catalog,
                metrics,
                tables,
                ..Shard::default()
            }
        };
        Self { shards: self.iter().map(copy).collect() }
    }

    /// The cluster with this id. Ids come from this fleet only.
    pub fn shard(&self, id: ClusterId) -> &Shard {
        &self.shards[usize::from(id.0)]
    }

    /// Every cluster with its id.
    pub fn iter(&self) -> impl Iterator<Item = (ClusterId, &Shard)> {
        self.shards.iter().enumerate().map(|(i, shard)| (ClusterId(i as u16), shard))
    }

    /// Goes on looking for whole objects that stand loosely, and gives those of tables that were looked through.
    pub fn sweep(&mut self) -> Vec<(ClusterId, ResourceId, Vec<Loose>)> {
        let shards = self.shards.iter_mut().enumerate().map(|(i, shard)| (ClusterId(i as u16), shard));
        let tables = shards.flat_map(|(id, shard)| shard.tables.iter_mut().map(move |(kind, table)| (id, kind, table)));
        let found = tables.map(|(id, kind, table)| (id, kind, table.sweep.go_on(&table.rows)));
        found.filter_map(|(id, kind, loose)| Some((id, kind.clone(), loose?))).collect()
    }

    /// Takes in what a cluster task said. Deltas of unknown clusters are dropped.
    pub fn apply(&mut self, id: ClusterId, delta: Delta) {
        let Some(shard) = self.shards.get_mut(usize::from(id.0)) else { return };
        match delta {
            Delta::Link(link) => shard.link = link,
            Delta::Discovered { version, catalog } => (shard.version, shard.catalog) = (version, catalog),
            Delta::Notice(_) => {}
            // (A table that is gone meanwhile stays so.)
            Delta::Table(kind, TableDelta::Repacked(_) | TableDelta::Swept) if !shard.tables.contains_key(&kind) => {}
            Delta::Table(kind, delta) => shard.tables.entry(kind).or_default().apply(delta),
            Delta::Metrics(delta) => shard.metrics.apply(delta),
        }
    }
}

impl Shard {
    /// A table that is, or was, watched.
    pub fn table(&self, kind: &ResourceId) -> Option<&Table> {
        self.tables.get(kind)
    }

    /// Whether it says what nodes or pods use.
    pub fn serves_metrics(&self) -> bool {
        let kinds = [metrics::of_pods(), metrics::of_nodes()];
        !self.unmeasured && self.catalog.iter().any(|resource| kinds.contains(&resource.id))
    }

    /// Forgets a table that nobody watches any more.
    pub fn drop_table(&mut self, kind: &ResourceId) {
        self.tables.remove(kind);
    }

    /// Every table.
    pub fn tables(&self) -> impl Iterator<Item = (&ResourceId, &Table)> {
        self.tables.iter()
    }
}

impl Table {
    /// Rows with their slots. A slot stays with its object until the object is gone.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.rows.iter().enumerate().filter_map(|(i, row)| Some((i as u32, row.as_ref()?)))
    }

    /// The row in a slot.
    pub fn row(&self, slot: u32) -> Option<&Row> {
        self.rows.get(slot as usize)?.as_ref()
    }

    /// The slot of an object.
    pub fn slot(&self, uid: Uid) -> Option<u32> {
        self.index.get(&uid).copied()
    }

    /// The row of an object by name; a scan, for single look-ups.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&Row> {
        self.rows().map(|(_, row)| row).find(|row| row.meta.name == name && &*row.meta.namespace == namespace)
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many objects stand like this; kept with every change, so it costs nothing to ask.
    pub fn count(&self, tone: Tone) -> usize {
        self.tones[tone as usize]
    }

    fn apply(&mut self, delta: TableDelta) {
        match delta {
            TableDelta::Feed(feed) => self.feed = feed,
            TableDelta::Columns(columns) => self.columns = Some(columns),
            TableDelta::Narrowed(namespaces) => self.narrowed = namespaces,
            TableDelta::Heard(at) => self.heard = Some(at),
            TableDelta::ListStart => self.seen = Some(vec![false; self.rows.len()]),
            TableDelta::ListEnd => self.end_list(),
            TableDelta::Upsert(rows) => rows.into_iter().for_each(|row| self.upsert(row)),
            TableDelta::Gone(uids) => uids.iter().for_each(|uid| self.remove(*uid)),
            TableDelta::Repacked(objects) => self.repacked(objects),
            TableDelta::Swept => self.sweep.came_back(),
        }
    }

    fn repacked(&mut self, objects: Vec<Repacked>) {
        for object in objects {
            let row = self.index.get(&object.uid).and_then(|slot| self.rows.get_mut(*slot as usize)?.as_mut());
            if let Some(row) = row.filter(|row| row.raw == object.from) {
                row.raw = object.to;
            }
        }
    }

    fn upsert(&mut self, row: Row) {
        self.revision += 1;
        let uid = row.meta.uid;
        let slot = match self.index.get(&uid) {
            Some(&slot) => slot,
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.rows.push(None);
                    (self.rows.len() - 1) as u32
                });
                self.index.insert(uid, slot);
                slot
            }
        };
        self.tones[row.tone as usize] += 1;
        if let Some(old) = self.rows[slot as usize].replace(row) {
            self.tones[old.tone as usize] -= 1;
            self.sweep.changed();
        }
        if let Some(seen) = &mut self.seen {
            if seen.len() <= slot as usize {
                seen.resize(slot as usize + 1, false);
            }
            seen[slot as usize] = true;
        }
    }

    fn remove(&mut self, uid: Uid) {
        if let Some(slot) = self.index.remove(&uid) {
            self.revision += 1;
            if let Some(old) = self.rows[slot as usize].take() {
                self.tones[old.tone as usize] -= 1;
                self.sweep.changed();
            }
            self.free.push(slot);
        }
    }

    fn end_list(&mut self) {
        let Some(seen) = self.seen.take() else { return };
        let stale: Vec<Uid> = self
            .rows()
            .filter(|(slot, _)| !seen.get(*slot as usize).copied().unwrap_or(false))
            .map(|(_, row)| row.meta.uid)
            .collect();
        stale.into_iter().for_each(|uid| self.remove(uid));
        self.revision += 1;
    }
}
