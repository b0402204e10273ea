//! The objects of one embedded cluster: [`Store`], its writes, its resource versions and its window of events.
//!
//! Everything here is synchronous and quick: one lock, no I/O. Controllers and the HTTP server share it; whoever wants
//! to know about changes subscribes to the latest resource version and asks for the events since the last one seen.

mod defaults;
mod failure;
mod kinds;
mod stored;
mod write;

pub use failure::{Cause, Failure};
pub use kinds::{builtin_kinds, is_custom};
pub use stored::Stored;

use crate::world::object::{Resource, ResourceId, str_at};
use crate::world::time::Time;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

/// How many events a watch can go back, as the watch cache of a real API server keeps a bounded window.
pub const WINDOW: usize = 10_000;

/// Where a store takes the time from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Always this moment: that of a recording, or of a test.
    Fixed(Time),
}

/// What happened to an object; the `type` of a watch frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was written.
    Modified,
    /// It is gone; the event carries its last state with the resource version of the deletion.
    Deleted,
}

/// One write, as watches see it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Resource version of the write.
    pub version: u64,
    /// What happened.
    pub change: Change,
    /// Kind of the object.
    pub id: ResourceId,
    /// `namespace/name`, or the name alone for cluster-scoped kinds.
    pub key: String,
    /// The object after the write (its last state if deleted).
    pub object: Stored,
    /// The object before the write: a watch with a selector needs it to know what its client has seen.
    pub before: Option<Stored>,
}

/// How the dependents of a deleted object go (`DeleteOptions.propagationPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Propagation {
    /// The garbage collector removes them afterwards.
    #[default]
    Background,
    /// The object waits, with the finalizer `foregroundDeletion`, until they are gone.
    Foreground,
    /// They stay, without the owner; the object waits with the finalizer `orphan`.
    Orphan,
}

/// `DeleteOptions`, as far as they change what happens.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Seconds a pod on a node gets to stop; `None` means its own `terminationGracePeriodSeconds`, 0 removes at once.
    pub grace: Option<i64>,
    /// Only if the object has this UID.
    pub uid: Option<String>,
    /// Only if the object has this resource version.
    pub version: Option<String>,
    /// What becomes of dependents.
    pub propagation: Propagation,
    /// Answer as if, but change nothing.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Removes at once, without a grace period: what a kubelet does when the containers have stopped.
    pub fn now() -> Self {
        Self { grace: Some(0), ..Self::default() }
    }
}

/// The objects of one cluster. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    state: RwLock<State>,
    latest: watch::Sender<u64>,
}

type Table = BTreeMap<String, Stored>;

struct State {
    kinds: Arc<[Resource]>,
    base: Vec<Resource>,
    custom_status: HashSet<ResourceId>,
    tables: HashMap<ResourceId, Table>,
    events: VecDeque<Event>,
    window: usize,
    /// Resource version of the newest event that was dropped from the window.
    compacted: u64,
    version: u64,
    clock: Clock,
    read_only: Option<String>,
    /// How many cluster addresses were given out.
    addresses: u32,
}

/// One page of a list: see [`Store::page`].
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The objects, in order of namespace and name.
    pub items: Vec<Stored>,
    /// Key of the last object looked at, if more follow.
    pub next: Option<String>,
    /// How many objects follow.
    pub remaining: usize,
    /// The store's resource version when the page was read.
    pub version: u64,
}

impl Store {
    /// An empty store that serves these kinds ([`builtin_kinds`] and what else is wanted).
    pub fn new(kinds: Vec<Resource>) -> Self {
        let tables = kinds.iter().map(|kind| (kind.id.clone(), Table::new())).collect();
        let state = State {
            kinds: kinds.clone().into(),
            base: kinds,
            custom_status: HashSet::new(),
            tables,
            events: VecDeque::new(),
            window: WINDOW,
            compacted: 0,
            version: 1,
            clock: Clock::System,
            read_only: None,
            addresses: 0,
        };
        Self { inner: Arc::new(Inner { state: RwLock::new(state), latest: watch::Sender::new(1) }) }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.inner.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds it serves now, custom ones included.
    pub fn kinds(&self) -> Arc<[Resource]> {
        self.read().kinds.clone()
    }

    /// Serves these kinds too, where they are not served yet.
    pub fn serve(&self, kinds: Vec<Resource>) {
        let mut state = self.write();
        let new: Vec<Resource> = kinds.into_iter().filter(|kind| state.kind(&kind.id).is_none()).collect();
        state.kinds = state.kinds.iter().chain(&new).cloned().collect();
        state.tables.extend(new.iter().map(|kind| (kind.id.clone(), Table::new())));
        state.base.extend(new);
    }

    /// One kind by group and plural.
    pub fn kind(&self, id: &ResourceId) -> Option<Resource> {
        self.read().kinds.iter().find(|kind| &kind.id == id).cloned()
    }

    /// One kind by group and CamelCase kind, as an `ownerReference` or a manifest names it.
    pub fn kind_named(&self, group: &str, kind: &str) -> Option<Resource> {
        self.read().kinds.iter().find(|k| k.id.group == group && k.kind == kind).cloned()
    }

    /// The time of this cluster.
    pub fn now(&self) -> Time {
        self.read().now()
    }

    /// Sets the clock.
    pub fn set_clock(&self, clock: Clock) {
        self.write().clock = clock;
    }

    /// The moment of a clock that stands still (a recording's), `None` where time runs.
    pub fn fixed_time(&self) -> Option<Time> {
        match self.read().clock {
            Clock::Fixed(time) => Some(time),
            Clock::System => None,
        }
    }

    /// From now on every write is refused with this sentence.
    pub fn set_read_only(&self, sentence: &str) {
        self.write().read_only = Some(sentence.into());
    }

    /// Sets how many events are kept, at least one.
    pub fn set_window(&self, events: usize) {
        let mut state = self.write();
        state.window = events.max(1);
        state.trim();
    }

    /// Drops every event that was kept: watches and continue tokens from before now are `410 Expired`.
    pub fn forget_history(&self) {
        let mut state = self.write();
        state.events.clear();
        state.compacted = state.version;
    }

    /// The latest resource version.
    pub fn version(&self) -> u64 {
        self.read().version
    }

    /// A receiver of the latest resource version; it wakes after every write.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.latest.subscribe()
    }

    /// Every event with a resource version above `version`, oldest first.
    ///
    /// # Errors
    /// `410 Expired` when some of them are no longer kept.
    pub fn events_since(&self, version: u64) -> Result<Vec<Event>, Failure> {
        let state = self.read();
        if version < state.compacted {
            return Err(Failure::expired(version, state.compacted));
        }
        let from = state.events.partition_point(|event| event.version <= version);
        Ok(state.events.range(from..).cloned().collect())
    }

    /// Every event of one kind with a resource version above `version`, oldest first, and the version they reach.
    ///
    /// # Errors
    /// As [`events_since`](Self::events_since).
    pub fn events_of(&self, id: &ResourceId, version: u64) -> Result<(u64, Vec<Event>), Failure> {
        let state = self.read();
        if version < state.compacted {
            return Err(Failure::expired(version, state.compacted));
        }
        let from = state.events.partition_point(|event| event.version <= version);
        Ok((state.version, state.events.range(from..).filter(|event| &event.id == id).cloned().collect()))
    }

    /// Whether a kind has a status subresource, so that writing an object leaves its status alone.
    pub fn has_status(&self, id: &ResourceId) -> bool {
        self.read().has_status(id)
    }

    /// One object; `namespace` is `""` for cluster-scoped kinds.
    pub fn get(&self, id: &ResourceId, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.get_stored(id, namespace, name).map(|stored| stored.value())
    }

    /// One object with its serialised form.
    pub fn get_stored(&self, id: &ResourceId, namespace: &str, name: &str) -> Option<Stored> {
        self.read().tables.get(id)?.get(&key(namespace, name)).cloned()
    }

    /// All objects of a kind, or those of one namespace, in order of namespace and name.
    pub fn list(&self, id: &ResourceId, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.page(id, namespace, None, usize::MAX).items.iter().map(Stored::value).collect()
    }

    /// How many objects of a kind there are.
    pub fn count(&self, id: &ResourceId) -> usize {
        self.read().tables.get(id).map_or(0, BTreeMap::len)
    }

    /// Up to `limit` objects after the key `after`, of one namespace or of all, as they are now.
    pub fn page(&self, id: &ResourceId, namespace: Option<&str>, after: Option<&str>, limit: usize) -> Page {
        let state = self.read();
        state.page(id, namespace, after, limit, state.version)
    }

    /// As [`page`](Self::page), but as the objects were at a resource version, so that pages fit together.
    ///
    /// # Errors
    /// `410 Expired` when the window no longer reaches back that far.
    pub fn page_at(
        &self,
        id: &ResourceId,
        namespace: Option<&str>,
        after: Option<&str>,
        limit: usize,
        version: u64,
    ) -> Result<Page, Failure> {
        let state = self.read();
        if version < state.compacted {
            return Err(Failure::expired(version, state.compacted));
        }
        Ok(state.page(id, namespace, after, limit, version))
    }

    /// Creates an object: fills in `apiVersion`, `kind`, `uid`, `creationTimestamp`, `resourceVersion`, `generation`
    /// a name from `generateName`, and the defaults of its kind.
    ///
    /// # Errors
    /// 409 where it exists, 422 without a name, 404 for an unknown kind, 405 for a recording.
    pub fn create(&self, id: &ResourceId, object: Value) -> Result<Arc<Value>, Failure> {
        self.commit(id, false, |state, kind| state.create(kind, object))
    }

    /// As [`create`](Self::create), answering as if, but changing nothing.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_dry(&self, id: &ResourceId, object: Value) -> Result<Arc<Value>, Failure> {
        self.commit(id, true, |state, kind| state.create(kind, object))
    }

    /// Replaces an object. A `resourceVersion` or `uid` that it carries is a precondition; `status` stays as it was for
    /// kinds with a status subresource; `generation` grows when `spec` changes; an object that waits for deletion goes
    /// when its last finalizer does. Nothing is written when nothing changes.
    ///
    /// # Errors
    /// 404 where it does not exist, 409 for a failed precondition, 405 for a recording.
    pub fn update(&self, id: &ResourceId, object: Value) -> Result<Arc<Value>, Failure> {
        self.commit(id, false, |state, kind| state.update(kind, object, write::Part::Main))
    }

    /// Replaces the `status` of an object and nothing else.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn update_status(&self, id: &ResourceId, object: Value) -> Result<Arc<Value>, Failure> {
        self.commit(id, false, |state, kind| state.update(kind, object, write::Part::Status))
    }

    /// [`update`](Self::update) or [`update_status`](Self::update_status) by `status`, possibly answering as if only.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn replace(&self, id: &ResourceId, object: Value, status: bool, dry: bool) -> Result<Arc<Value>, Failure> {
        let part = if status { write::Part::Status } else { write::Part::Main };
        self.commit(id, dry, |state, kind| state.update(kind, object, part))
    }

    /// Reads an object, changes it, and writes both its main part and its status: for controllers that own both.
    /// The closure may run again when somebody else wrote in between; it must not call the store.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn modify(
        &self,
        id: &ResourceId,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Arc<Value>, Failure> {
        self.commit(id, false, |state, kind| {
            let mut object = (*state.current(kind, namespace, name)?.value()).clone();
            change(&mut object);
            state.update(kind, object, write::Part::Both)
        })
    }

    /// Deletes an object, or marks it: with finalizers it waits for them; a pod that runs on a node gets its grace
    /// period and waits for its kubelet, which deletes it again with [`DeleteOptions::now`]. The objects of a deleted
    /// namespace go with it. The answer is the object as it was left.
    ///
    /// # Errors
    /// 404 where it does not exist, 409 for a failed precondition, 405 for a recording.
    pub fn delete(
        &self,
        id: &ResourceId,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Failure> {
        self.commit(id, options.dry_run, |state, kind| state.delete(kind, namespace, name, options))
    }

    /// Puts an object in as it is (a recording's): its resource version is kept, no event is sent. Objects without a
    /// name or of unknown kinds are left out; `false` says so.
    pub fn load(&self, id: &ResourceId, mut object: Value) -> bool {
        let mut state = self.write();
        let Some(kind) = state.kind(id) else { return false };
        let name = str_at(&object, "/metadata/name").to_string();
        if name.is_empty() {
            return false;
        }
        let namespace =
            if kind.namespaced { str_at(&object, "/metadata/namespace").to_string() } else { String::new() };
        write::name_kind(&mut object, &kind);
        let version = str_at(&object, "/metadata/resourceVersion").parse().unwrap_or(0);
        state.put(id, key(&namespace, &name), Stored::new(object), version);
        drop(state);
        self.announce();
        true
    }

    /// Puts an object in by its JSON text, which is kept instead of a parsed value: a fifth of the memory, for the many
    /// objects of a load test. `text` must be one JSON object without `apiVersion` and `kind`.
    pub fn load_text(&self, id: &ResourceId, namespace: &str, name: &str, version: u64, text: bytes::Bytes) -> bool {
        let mut state = self.write();
        let Some(kind) = state.kind(id) else { return false };
        state.put(id, key(namespace, name), Stored::text(text, &kind), version);
        drop(state);
        self.announce();
        true
    }

    /// Runs one write under the lock, on a trial basis if `dry`, and wakes those who watch.
    fn commit<T>(
        &self,
        id: &ResourceId,
        dry: bool,
        work: impl FnOnce(&mut write::Writer<'_>, &Resource) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut state = self.write();
        if let Some(sentence) = &state.read_only {
            return Err(Failure::read_only(sentence));
        }
        let kind = state.kind(id).ok_or_else(Failure::no_such_path)?;
        let answer = work(&mut write::Writer { state: &mut state, dry }, &kind);
        drop(state);
        self.announce();
        answer
    }

    fn announce(&self) {
        let version = self.version();
        self.inner.latest.send_if_modified(|latest| std::mem::replace(latest, version) != version);
    }
}

impl State {
    fn now(&self) -> Time {
        match self.clock {
            Clock::Fixed(time) => time,
            Clock::System => Time(jiff::Timestamp::now().as_second()),
        }
    }

    fn kind(&self, id: &ResourceId) -> Option<Resource> {
        self.kinds.iter().find(|kind| &kind.id == id).cloned()
    }

    fn has_status(&self, id: &ResourceId) -> bool {
        kinds::has_status(id) || self.custom_status.contains(id)
    }

    fn page(&self, id: &ResourceId, namespace: Option<&str>, after: Option<&str>, limit: usize, version: u64) -> Page {
        let mut page = Page { version, ..Page::default() };
        let Some(table) = self.tables.get(id) else { return page };
        let prefix = namespace.filter(|ns| !ns.is_empty()).map(|ns| format!("{ns}/")).unwrap_or_default();
        let start = || match after {
            Some(key) => Bound::Excluded(key.to_string()),
            None => Bound::Included(prefix.clone()),
        };
        let past = self.changed_since(id, version);
        let now = table.range((start(), Bound::Unbounded)).take_while(|(key, _)| key.starts_with(&prefix));
        let mut now = now.filter(|(key, _)| !past.contains_key(*key)).peekable();
        let then = past.range((start(), Bound::Unbounded)).take_while(|(key, _)| key.starts_with(&prefix));
        let mut then = then.filter_map(|(key, before)| Some((key, before.as_ref()?))).peekable();
        let mut last = None;
        while page.items.len() < limit {
            let from_now = match (now.peek(), then.peek()) {
                (Some((a, _)), Some((b, _))) => a < b,
                (a, _) => a.is_some(),
            };
            let Some((key, stored)) = (if from_now { now.next() } else { then.next() }) else { break };
            last = Some(key);
            page.items.push(stored.clone());
        }
        page.remaining = now.count() + then.count();
        page.next = last.filter(|_| page.remaining > 0).cloned();
        page
    }

    /// What stood at every key of a kind that was written after `version` (nothing, where it was created since).
    fn changed_since(&self, id: &ResourceId, version: u64) -> BTreeMap<String, Option<Stored>> {
        let from = self.events.partition_point(|event| event.version <= version);
        let mut past = BTreeMap::new();
        for event in self.events.range(from..).filter(|event| &event.id == id) {
            past.entry(event.key.clone()).or_insert_with(|| event.before.clone());
        }
        past
    }

    fn put(&mut self, id: &ResourceId, key: String, stored: Stored, version: u64) {
        self.version = self.version.max(version);
        self.compacted = self.version;
        self.tables.entry(id.clone()).or_default().insert(key, stored);
        self.refresh_kinds(id);
    }

    fn trim(&mut self) {
        while self.events.len() > self.window {
            if let Some(event) = self.events.pop_front() {
                self.compacted = event.version;
            }
        }
    }

    /// Custom kinds follow their definitions.
    fn refresh_kinds(&mut self, written: &ResourceId) {
        if written.plural != "customresourcedefinitions" {
            return;
        }
        let mut all = self.base.clone();
        let definitions = self.tables.get(written).into_iter().flat_map(BTreeMap::values);
        self.custom_status.clear();
        for (kind, status) in definitions.filter_map(|stored| kinds::of_definition(&stored.value())) {
            if status {
                self.custom_status.insert(kind.id.clone());
            }
            if !all.iter().any(|known| known.id == kind.id) {
                all.push(kind);
            }
        }
        for kind in &all {
            self.tables.entry(kind.id.clone()).or_default();
        }
        self.kinds = all.into();
    }
}

/// Objects are kept in the order of etcd's keys.
pub(super) fn key(namespace: &str, name: &str) -> String {
    match namespace {
        "" => name.to_string(),
        ns => format!("{ns}/{name}"),
    }
}

#[cfg(test)]
mod tests;
