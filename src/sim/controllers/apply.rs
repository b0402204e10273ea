//! Doing what a plan says.

use super::meta::{fnv, set, time_at, uid};
use super::plan::{EventNote, Write};
use crate::sim::nodes::micro;
use crate::sim::store::{DeleteOptions, Failure, Store};
use crate::world::object::{ResourceId, int_at, name, namespace, str_at};
use serde_json::{Value, json};

/// Does the writes in order. One that comes too late (conflict, object gone or there already) is dropped: the
/// controller sees the new state in its next run.
pub fn all(store: &Store, writes: Vec<Write>) {
    for write in writes {
        if let Err(failure) = one(store, write) {
            tracing::debug!(target: "sim", "a controller's write was dropped: {}", failure.message);
        }
    }
}

fn one(store: &Store, write: Write) -> Result<(), Failure> {
    match write {
        Write::Create(object) => drop(store.create(&kind(store, &object), object)?),
        Write::Update(object) => drop(store.update(&kind(store, &object), object)?),
        Write::Status(object) => drop(store.update_status(&kind(store, &object), object)?),
        Write::Delete(object) => delete(store, &object, None)?,
        Write::Remove(object) => delete(store, &object, Some(0))?,
        Write::Bind(pod, node) => bind(store, &pod, &node)?,
        Write::Event(note) => event(store, note)?,
    }
    Ok(())
}

fn kind(store: &Store, object: &Value) -> ResourceId {
    let api = str_at(object, "/apiVersion");
    let group = api.split_once('/').map_or("", |(group, _)| group);
    store.kind_named(group, str_at(object, "/kind")).map_or_else(|| ResourceId::new(group, ""), |r| r.id)
}

fn delete(store: &Store, object: &Value, grace: Option<i64>) -> Result<(), Failure> {
    let options = DeleteOptions { grace, uid: Some(uid(object).into()), ..DeleteOptions::default() };
    store.delete(&kind(store, object), namespace(object), name(object), &options).map(drop)
}

/// The `binding` subresource: the node and the condition in one write.
fn bind(store: &Store, pod: &Value, node: &str) -> Result<(), Failure> {
    let now = store.now();
    store
        .modify(&ResourceId::core("pods"), namespace(pod), name(pod), |live| {
            if str_at(live, "/spec/nodeName").is_empty() && uid(live) == uid(pod) {
                set(live, "spec.nodeName", json!(node));
                super::meta::set_condition(live, super::meta::new_condition("PodScheduled", true, "", ""), now);
            }
        })
        .map(drop)
}

/// Records an event, or counts the one that is there.
///
/// The scheduler's are in the form of `events.k8s.io` (`eventTime`, `series`), the others in that of `core/v1`.
fn event(store: &Store, note: EventNote) -> Result<(), Failure> {
    let id = ResourceId::core("events");
    let about = &note.about;
    let ns = if namespace(about).is_empty() { "default" } else { namespace(about) };
    let key = fnv(&format!("{}/{}/{}/{}/{}", uid(about), note.reason, note.message, note.reporter, note.field));
    let event_name = format!("{}.{key:016x}", name(about));
    let now = store.now();
    let modern = note.reporter == crate::sim::scheduler::NAME;
    if let Some(old) = store.get(&id, ns, &event_name) {
        let last = if modern {
            time_at(&old, "/series/lastObservedTime").max(time_at(&old, "/eventTime"))
        } else {
            time_at(&old, "/lastTimestamp")
        };
        if now.0 < last.0.saturating_add(note.every) {
            return Ok(());
        }
        let mut new = (*old).clone();
        if modern {
            let count = int_at(&old, "/series/count").unwrap_or(1) + 1;
            set(&mut new, "series", json!({"count": count, "lastObservedTime": micro(now)}));
        } else {
            set(&mut new, "count", json!(int_at(&old, "/count").unwrap_or(1) + 1));
            set(&mut new, "lastTimestamp", json!(now.rfc3339()));
        }
        return store.update(&id, new).map(drop);
    }
    store.create(&id, new_event(&note, ns, &event_name, modern, &now)).map(drop)
}

fn new_event(note: &EventNote, ns: &str, event_name: &str, modern: bool, now: &crate::world::time::Time) -> Value {
    let about = &note.about;
    let mut involved = json!({
        "apiVersion": str_at(about, "/apiVersion"), "kind": str_at(about, "/kind"), "name": name(about),
        "uid": uid(about), "resourceVersion": str_at(about, "/metadata/resourceVersion"),
    });
    if !namespace(about).is_empty() {
        set(&mut involved, "namespace", json!(namespace(about)));
    }
    if !note.field.is_empty() {
        set(&mut involved, "fieldPath", json!(note.field));
    }
    let mut event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": event_name, "namespace": ns},
        "involvedObject": involved, "reason": note.reason, "message": note.message,
        "type": if note.warning { "Warning" } else { "Normal" },
        "reportingComponent": note.reporter, "reportingInstance": note.host,
    });
    let times = if modern {
        let action = if note.warning { "Scheduling" } else { "Binding" };
        json!({"action": action, "eventTime": micro(*now), "firstTimestamp": null, "lastTimestamp": null, "source": {}})
    } else {
        let mut source = json!({"component": note.reporter});
        if !note.host.is_empty() {
            set(&mut source, "host", json!(note.host));
        }
        json!({"count": 1, "eventTime": null, "firstTimestamp": now.rfc3339(), "lastTimestamp": now.rfc3339(), "source": source})
    };
    if let (Some(all), Value::Object(times)) = (event.as_object_mut(), times) {
        all.extend(times);
    }
    event
}
