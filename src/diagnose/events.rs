//! Events of an object, newest first, whichever of the two forms they were written in.
//!
//! Repeats stand in `count`/`lastTimestamp` or in `series`; all may be null, then `eventTime` and the creation
//! time speak (core/v1 and events.k8s.io/v1 share one store). The API server drops events after an hour, so
//! "no event" proves nothing about what is older.

use super::facts::{Case, Fact, Knowable};
use super::index::By;
use super::kinds::EVENTS;
use crate::world::object::{ObjectRef, int_at, str_at};
use crate::world::time::Time;
use serde_json::Value;

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// `BackOff`, `Failed`, `Unhealthy` …
    pub reason: &'a str,
    /// The text.
    pub message: &'a str,
    /// Who wrote it: `kubelet`, `default-scheduler`, `karpenter` …
    pub source: &'a str,
    /// The container it speaks of, where it names one (`involvedObject.fieldPath: spec.containers{app}`).
    pub container: &'a str,
    /// How often.
    pub count: i64,
    /// First time.
    pub first: Time,
    /// Last time.
    pub last: Time,
}

impl<'a> Event<'a> {
    /// Reads a raw event.
    pub fn of(raw: &'a Value) -> Self {
        let time = |pointers: &[&str]| pointers.iter().find_map(|p| Time::parse(str_at(raw, p))).unwrap_or(Time::NEVER);
        let source = match str_at(raw, "/source/component") {
            "" => str_at(raw, "/reportingComponent"),
            component => component,
        };
        Self {
            reason: str_at(raw, "/reason"),
            message: str_at(raw, "/message"),
            source,
            container: container_of(str_at(raw, "/involvedObject/fieldPath")),
            count: int_at(raw, "/series/count").or_else(|| int_at(raw, "/count")).unwrap_or(1),
            first: time(&["/firstTimestamp", "/eventTime", "/metadata/creationTimestamp"]),
            last: time(&["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]),
        }
    }
}

/// `app` of `spec.containers{app}`.
fn container_of(field: &str) -> &str {
    field.split_once('{').and_then(|(_, rest)| rest.strip_suffix('}')).unwrap_or_default()
}

impl<'a> Case<'a> {
    /// The events of an object, newest first. Events that may not be read count as none (the hole is noted).
    pub fn events(&self, at: &ObjectRef, uid: &str) -> Fact<Vec<Event<'a>>> {
        let ns = if at.namespace.is_empty() { "default" } else { &at.namespace };
        let Some(all) = self.list_by(EVENTS, Some(ns), By::Involved, &at.name).known()? else { return Ok(Vec::new()) };
        let mut events: Vec<Event<'a>> = all.into_iter().filter(|raw| concerns(raw, at, uid)).map(Event::of).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last));
        Ok(events)
    }

    /// The events of a raw object, newest first.
    pub fn events_of(&self, object: &Value) -> Fact<Vec<Event<'a>>> {
        self.events(&ObjectRef::of(object), str_at(object, "/metadata/uid"))
    }

    /// Whether the events of an object can be read at all: only then "no event" means something.
    pub fn events_are_known(&self, object: &Value) -> Fact<bool> {
        let ns = ObjectRef::of(object).namespace;
        let ns = if ns.is_empty() { "default" } else { &ns };
        Ok(self.list_by(EVENTS, Some(ns), By::Involved, "").known()?.is_some())
    }

    /// The newest event of an object with one of these reasons and this text in its message.
    pub fn event_with(&self, object: &Value, reasons: &[&str], text: &str) -> Fact<Option<Event<'a>>> {
        let events = self.events_of(object)?;
        Ok(events.into_iter().find(|e| reasons.contains(&e.reason) && e.message.contains(text)))
    }
}

/// Whether an event is about the object. An object that was made anew under its old name has another uid;
/// the kubelet writes a node's name where its uid belongs.
fn concerns(raw: &Value, at: &ObjectRef, uid: &str) -> bool {
    str_at(raw, "/involvedObject/name") == at.name
        && str_at(raw, "/involvedObject/kind") == at.kind
        && str_at(raw, "/involvedObject/namespace") == at.namespace
        && (uid.is_empty() || at.kind == "Node" || ["", uid].contains(&str_at(raw, "/involvedObject/uid")))
}
