//! What a controller sees ([`Snapshot`]) and what it wants done ([`Plan`]).
//!
//! A controller is a pure function from one to the other. It is run again after every change, so it writes nothing
//! when what it wants is already there.

use super::meta::{fnv, safe_name};
use crate::world::object::{name, namespace};
use crate::world::time::Time;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The objects of a cluster at one moment, by plural (`pods`), and the time.
#[derive(Default)]
pub struct Snapshot {
    /// The clock.
    pub now: Time,
    /// The store's version: grows with every write, so names made from it are never used twice.
    pub version: u64,
    objects: HashMap<&'static str, Vec<Arc<Value>>>,
}

impl Snapshot {
    /// A snapshot without objects.
    pub fn new(now: Time, version: u64) -> Self {
        Self { now, version, objects: HashMap::new() }
    }

    /// Adds the objects of a kind.
    pub fn put(&mut self, plural: &'static str, objects: Vec<Arc<Value>>) {
        self.objects.insert(plural, objects);
    }

    /// All objects of a kind.
    pub fn of(&self, plural: &str) -> &[Arc<Value>] {
        self.objects.get(plural).map_or(&[], Vec::as_slice)
    }

    /// The objects of a kind in a namespace.
    pub fn within<'a>(&'a self, plural: &str, ns: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        self.of(plural).iter().map(Arc::as_ref).filter(move |o| namespace(o) == ns)
    }

    /// One object; `ns` is empty for cluster-scoped kinds.
    pub fn get(&self, plural: &str, ns: &str, wanted: &str) -> Option<&Value> {
        self.of(plural).iter().map(Arc::as_ref).find(|o| name(o) == wanted && namespace(o) == ns)
    }

    /// A suffix of five characters for a generated name, different for every call with another `salt`.
    pub fn suffix(&self, salt: &str) -> String {
        safe_name(fnv(&format!("{}/{salt}", self.version)), 5)
    }
}

/// An event to record. Equal ones (object, reason, message, reporter) are counted, not repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct EventNote {
    /// The object it is about.
    pub about: Value,
    /// `Warning` or `Normal`.
    pub warning: bool,
    /// `FailedScheduling`, …
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
    /// `default-scheduler`, `kubelet`, …
    pub reporter: &'static str,
    /// The node, for the kubelet's.
    pub host: String,
    /// `spec.containers{web}`, or empty.
    pub field: String,
    /// Seconds before an equal event counts again; 0 counts every time.
    pub every: i64,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Write {
    /// Make an object.
    Create(Value),
    /// Write everything but the status.
    Update(Value),
    /// Write the status alone.
    Status(Value),
    /// Delete, with the object's own grace.
    Delete(Value),
    /// Take out of the store now: what the kubelet does once the containers are gone.
    Remove(Value),
    /// Bind a pod to a node.
    Bind(Value, String),
    /// Record an event.
    Event(EventNote),
}

/// What a controller wants.
#[derive(Default)]
pub struct Plan {
    /// In this order. A write that comes too late (conflict, object gone) is dropped: the next run sees the new state.
    pub writes: Vec<Write>,
    /// When to run again even if nothing changes.
    pub wake: Option<Time>,
}

impl Plan {
    /// Adds a write.
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Writes the status if it differs from what is there.
    pub fn status_if_changed(&mut self, old: &Value, new: Value) {
        if old.get("status") != new.get("status") {
            self.push(Write::Status(new));
        }
    }

    /// Asks to be run at `at` at the latest.
    pub fn wake_at(&mut self, at: Time) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    /// An event of a controller that is not a kubelet.
    pub fn event(
        &mut self,
        reporter: &'static str,
        about: &Value,
        warning: bool,
        reason: &'static str,
        message: String,
    ) {
        self.note(EventNote {
            about: about.clone(),
            warning,
            reason,
            message,
            reporter,
            host: String::new(),
            field: String::new(),
            every: 0,
        });
    }

    /// An event with all its parts.
    pub fn note(&mut self, event: EventNote) {
        self.push(Write::Event(event));
    }
}
