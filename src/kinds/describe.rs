//! An object described for people, like `kubectl describe`: what it is, how it stands, its parts, its events.
//!
//! A kind adds a function to [`describer`]; every other kind shows its metadata and its fields as YAML.
//! Secret values never appear, and no control character reaches a line.

mod argo;
mod batch;
mod container;
mod event;
mod network;
mod node;
mod page;
mod pod;
mod storage;
mod template;
pub mod usage;
mod workload;

use super::yaml;
use crate::world::object::{self, ObjectRef, ResourceId, bool_at, int_at, list_at, str_at};
use crate::world::time::{Time, human};
use page::Page;
use serde_json::Value;
use usage::InUse;

/// One line of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text, indented, without control characters and without a line break.
    pub text: String,
    /// What kind of line it is.
    pub mark: Mark,
}

/// How a line stands out. The words of the line say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mark {
    /// An ordinary line.
    #[default]
    Plain,
    /// The head of a section or of a table.
    Heading,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
}

/// Writes the part of a description that is special to a kind.
type Describer = fn(&mut Page, &Value);

/// Describes an object. `events` are the Events about it (core/v1 or events.k8s.io/v1) in any order;
/// `now` is what ages are counted to.
pub fn lines(object: &Value, events: &[Value], now: Time) -> Vec<Line> {
    lines_with(object, events, now, Known::default())
}

/// What else is known for a description.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// What the object uses.
    pub used: &'a [InUse],
    /// The object of [`beside`], or why it cannot be read; `None`: it was not read yet.
    pub beside: Option<&'a Result<Value, String>>,
}

/// As [`lines`], with what else is known.
pub fn lines_with(object: &Value, events: &[Value], now: Time, known: Known<'_>) -> Vec<Line> {
    let mut page = Page::new(now);
    metadata(&mut page, object);
    describer(object)(&mut page, object);
    usage::section(&mut page, object, known.used);
    if let Some(project) = known.beside {
        argo::windows(&mut page, object, project);
    }
    if str_at(object, "/kind") != "Event" {
        event::table(&mut page, events);
    }
    page.finish()
}

/// What a description needs to know beside the object itself, as resource, namespace and name: of an Application its
/// project, whose sync windows hold for it.
pub fn beside(object: &Value) -> Option<(ResourceId, String, String)> {
    if ObjectRef::of(object).group != "argoproj.io" || str_at(object, "/kind") != "Application" {
        return None;
    }
    let project = match str_at(object, "/spec/project") {
        "" => "default",
        named => named,
    };
    // Projects live where Argo CD lives; an Application may live elsewhere.
    let home = match str_at(object, "/status/controllerNamespace") {
        "" => object::namespace(object),
        home => home,
    };
    Some((ResourceId::new("argoproj.io", "appprojects"), home.into(), project.into()))
}

/// The function for an object's kind; [`generic`] where there is none.
fn describer(object: &Value) -> Describer {
    let api = str_at(object, "/apiVersion");
    let group = api.split_once('/').map_or("", |(group, _)| group);
    match (group, str_at(object, "/kind")) {
        ("", "Pod") => pod::describe,
        ("", "Node") => node::describe,
        ("", "Service") => network::service,
        ("", "PersistentVolumeClaim") => storage::claim,
        ("" | "events.k8s.io", "Event") => event::describe,
        ("apps", "Deployment") => workload::deployment,
        ("apps", "ReplicaSet") => workload::replica_set,
        ("apps", "StatefulSet") => workload::stateful_set,
        ("apps", "DaemonSet") => workload::daemon_set,
        ("batch", "Job") => batch::job,
        ("discovery.k8s.io", "EndpointSlice") => network::endpoint_slice,
        ("networking.k8s.io", "Ingress") => network::ingress,
        ("argoproj.io", "Application") => argo::application,
        _ => generic,
    }
}

/// Name, namespace, labels, annotations, owner, age: what every object has.
fn metadata(page: &mut Page, object: &Value) {
    page.field("Name", object::name(object));
    page.some("Namespace", object::namespace(object));
    page.field("Kind", format!("{} ({})", str_at(object, "/kind"), str_at(object, "/apiVersion")));
    page.when("Created", str_at(object, "/metadata/creationTimestamp"));
    page.pairs("Labels", object.pointer("/metadata/labels"), "=");
    annotations(page, object);
    if let Some((_, kind, name)) = object::controller(object) {
        page.field("Controlled by", format!("{kind}/{name}"));
    }
    if let Some(deleted) = Time::parse(str_at(object, "/metadata/deletionTimestamp")) {
        // The stamp of a pod lies its grace period after the request (`registry/rest/delete.go`).
        let asked = Time(deleted.0 - int_at(object, "/metadata/deletionGracePeriodSeconds").unwrap_or(0));
        page.warn("Terminating", format!("since {}", human(asked.age(page.now()))));
        let finalizers: Vec<&str> = list_at(object, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
        if !finalizers.is_empty() {
            page.warn("Held by", format!("finalizers {}", finalizers.join(", ")));
        }
    }
}

/// Annotations, without the copy of the whole object that `kubectl apply` leaves.
fn annotations(page: &mut Page, object: &Value) {
    let Some(mut map) = object.pointer("/metadata/annotations").cloned() else { return };
    if let Some(map) = map.as_object_mut() {
        map.shift_remove(yaml::LAST_APPLIED);
    }
    page.pairs("Annotations", Some(&map), ": ");
}

/// Every field of a kind without a function of its own, as YAML; Secret values masked.
fn generic(page: &mut Page, object: &Value) {
    let shown = yaml::shown(object, yaml::Options::default());
    for (key, value) in shown.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
            page.section(key);
            page.yaml(value);
        }
    }
}

/// `status.conditions` as a table. `good` says which status is the good one for a type.
fn conditions(page: &mut Page, object: &Value, good: fn(&str) -> &'static str) {
    let list = list_at(object, "/status/conditions");
    if list.is_empty() {
        return;
    }
    page.section("Conditions");
    let rows = list.iter().map(|condition| {
        let (kind, status) = (str_at(condition, "/type"), str_at(condition, "/status"));
        let since = Time::parse(str_at(condition, "/lastTransitionTime"));
        let mark = if status == good(kind) { Mark::Plain } else { Mark::Warn };
        let cells = vec![
            kind.to_string(),
            status.to_string(),
            since.map_or("-".into(), |time| human(time.age(page.now()))),
            dash(str_at(condition, "/reason")),
            str_at(condition, "/message").to_string(),
        ];
        (mark, cells)
    });
    let rows = rows.collect();
    page.table(&["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"], rows);
}

/// `-` for nothing, as kubectl's tables have it.
fn dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

/// A scalar as people write it; objects and lists as JSON.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// `Yes` or `No`.
fn yes(object: &Value, pointer: &str) -> &'static str {
    if bool_at(object, pointer) { "Yes" } else { "No" }
}

/// The strings of a list, joined by `, `.
fn joined(object: &Value, pointer: &str) -> String {
    let texts: Vec<String> = list_at(object, pointer).iter().map(scalar).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
