//! Writes: what the store fills in, checks and keeps when an object is created, replaced or deleted.
//!
//! Semantics: `apiserver/pkg/registry/generic/registry/store.go` and `apiserver/pkg/registry/rest/{create,update,delete}.go`.

use super::{Change, DeleteOptions, Event, Failure, Propagation, State, Stored, defaults, key, kinds};
use crate::world::object::{Resource, ResourceId, int_at, list_at, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Which part of an object a write replaces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status, where that is a subresource.
    Main,
    /// The status alone.
    Status,
    /// Everything: a controller of this process.
    Both,
}

/// One write under the store's lock.
pub struct Writer<'a> {
    pub state: &'a mut State,
    /// Answer as if, but change nothing.
    pub dry: bool,
}

impl Writer<'_> {
    /// The object as it stands.
    pub fn current(&self, kind: &Resource, namespace: &str, name: &str) -> Result<Stored, Failure> {
        let table = self.state.tables.get(&kind.id);
        table.and_then(|t| t.get(&key(namespace, name))).cloned().ok_or_else(|| Failure::not_found(kind, name))
    }

    pub fn create(&mut self, kind: &Resource, mut object: Value) -> Result<Arc<Value>, Failure> {
        name_kind(&mut object, kind);
        let meta = meta_mut(&mut object)?;
        if meta.get("name").and_then(Value::as_str).unwrap_or_default().is_empty() {
            let Some(prefix) = meta.get("generateName").and_then(Value::as_str).filter(|p| !p.is_empty()) else {
                let cause = super::Cause {
                    message: "Required value: name or generateName is required".into(),
                    ..super::Cause::required("metadata.name")
                };
                return Err(Failure::invalid(kind, "", &[cause]));
            };
            let generated = format!("{prefix}{}", suffix());
            meta.insert("name".into(), generated.into());
        }
        if !kind.namespaced {
            meta.shift_remove("namespace");
        }
        meta.insert("uid".into(), uid().into());
        meta.insert("creationTimestamp".into(), self.state.now().rfc3339().into());
        meta.shift_remove("resourceVersion");
        meta.shift_remove("deletionTimestamp");
        meta.shift_remove("deletionGracePeriodSeconds");
        meta.shift_remove("selfLink");
        match kinds::has_generation(&kind.id) {
            true => meta.insert("generation".into(), 1.into()),
            false => meta.shift_remove("generation"),
        };
        defaults::fill(kind, &mut object);
        defaults::first_status(kind, &mut object);
        if kind.id == ResourceId::core("services") {
            self.give_address(&mut object);
        }
        if kind.id.plural == "customresourcedefinitions" {
            establish(&mut object, self.state.now());
        }
        let (ns, name) = (namespace(&object).to_string(), name(&object).to_string());
        if self.current(kind, &ns, &name).is_ok() {
            return Err(Failure::already_exists(kind, &name));
        }
        Ok(self.record(kind, key(&ns, &name), Change::Added, object, None))
    }

    pub fn update(&mut self, kind: &Resource, mut object: Value, part: Part) -> Result<Arc<Value>, Failure> {
        let (ns, name) =
            (if kind.namespaced { namespace(&object).to_string() } else { String::new() }, name(&object).to_string());
        let before = self.current(kind, &ns, &name)?;
        let old = before.value();
        preconditions(
            kind,
            &name,
            &old,
            str_at(&object, "/metadata/uid"),
            str_at(&object, "/metadata/resourceVersion"),
        )?;
        name_kind(&mut object, kind);
        keep_server_fields(&mut object, &old)?;
        defaults::fill(kind, &mut object);
        if kind.id == ResourceId::core("services") {
            keep_address(&mut object, &old);
        }
        let mut new = match part {
            Part::Both => object,
            Part::Main if self.state.has_status(&kind.id) => with_status_of(object, &old),
            Part::Main => object,
            Part::Status => status_into(&old, &object),
        };
        if kinds::has_generation(&kind.id) && part != Part::Status && differs_beyond_status(&new, &old) {
            let generation = int_at(&old, "/metadata/generation").unwrap_or(0) + 1;
            new["metadata"]["generation"] = generation.into();
        }
        if new == *old {
            return Ok(old);
        }
        let key = key(&ns, &name);
        if str_at(&new, "/metadata/deletionTimestamp").is_empty() || !may_go(&new, kind) {
            return Ok(self.record(kind, key, Change::Modified, new, Some(before)));
        }
        Ok(self.record(kind, key, Change::Deleted, new, Some(before)))
    }

    pub fn delete(
        &mut self,
        kind: &Resource,
        ns: &str,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Arc<Value>, Failure> {
        let ns = if kind.namespaced { ns } else { "" };
        let before = self.current(kind, ns, name)?;
        let mut object = (*before.value()).clone();
        let (uid, version) =
            (options.uid.as_deref().unwrap_or_default(), options.version.as_deref().unwrap_or_default());
        preconditions(kind, name, &object, uid, version)?;
        let marked = !str_at(&object, "/metadata/deletionTimestamp").is_empty();
        let grace = grace_period(kind, &object, options);
        let finalizers_added = !marked && add_finalizer(&mut object, options.propagation);
        let waits = !list_at(&object, "/metadata/finalizers").is_empty();
        if grace == 0 && !waits {
            if kind.id == ResourceId::core("namespaces") {
                self.empty_namespace(name);
            }
            return Ok(self.record(kind, key(ns, name), Change::Deleted, object, Some(before)));
        }
        let left = int_at(&object, "/metadata/deletionGracePeriodSeconds").unwrap_or(i64::MAX);
        if marked && grace >= left && !finalizers_added {
            return Ok(before.value());
        }
        let at = Time(self.state.now().0.saturating_add(grace));
        object["metadata"]["deletionTimestamp"] = at.rfc3339().into();
        object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        if kind.id == ResourceId::core("namespaces") {
            object["status"] = json!({"phase": "Terminating"});
        }
        if kinds::has_generation(&kind.id) {
            object["metadata"]["generation"] = (int_at(&object, "/metadata/generation").unwrap_or(0) + 1).into();
        }
        Ok(self.record(kind, key(ns, name), Change::Modified, object, Some(before)))
    }

    /// A service gets an address of 10.96.0.0/16, as the allocator of a real server gives it one.
    fn give_address(&mut self, service: &mut Value) {
        let wants = str_at(service, "/spec/type") != "ExternalName" && str_at(service, "/spec/clusterIP").is_empty();
        let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut).filter(|_| wants) else { return };
        if !self.dry {
            self.state.addresses += 1;
        }
        let n = self.state.addresses + 9;
        let address = format!("10.96.{}.{}", n / 250 % 256, n % 250 + 1);
        spec.insert("clusterIPs".into(), json!([address]));
        spec.insert("clusterIP".into(), address.into());
    }

    /// Everything in a namespace goes with it.
    fn empty_namespace(&mut self, name: &str) {
        let prefix = format!("{name}/");
        let kinds = self.state.kinds.clone();
        for kind in kinds.iter().filter(|kind| kind.namespaced) {
            let table = self.state.tables.get(&kind.id).into_iter().flatten();
            let inside: Vec<(String, Stored)> =
                table.filter(|(key, _)| key.starts_with(&prefix)).map(|(k, s)| (k.clone(), s.clone())).collect();
            for (key, stored) in inside {
                let last = (*stored.value()).clone();
                self.record(kind, key, Change::Deleted, last, Some(stored));
            }
        }
    }

    /// Gives the write its resource version, keeps it, and adds it to the window.
    fn record(
        &mut self,
        kind: &Resource,
        key: String,
        change: Change,
        mut object: Value,
        before: Option<Stored>,
    ) -> Arc<Value> {
        if self.dry {
            return Arc::new(object);
        }
        let state = &mut *self.state;
        state.version += 1;
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        let value = Arc::new(object);
        let stored = Stored::shared(value.clone());
        let table = state.tables.entry(kind.id.clone()).or_default();
        match change {
            Change::Deleted => table.remove(&key),
            _ => table.insert(key.clone(), stored.clone()),
        };
        state.events.push_back(Event {
            version: state.version,
            change,
            id: kind.id.clone(),
            key,
            object: stored,
            before,
        });
        state.trim();
        state.refresh_kinds(&kind.id);
        value
    }
}

/// Puts `kind` and `apiVersion` first, as the API server writes them.
pub fn name_kind(object: &mut Value, kind: &Resource) {
    let Some(map) = object.as_object_mut() else { return };
    map.shift_remove("kind");
    map.shift_remove("apiVersion");
    map.shift_insert(0, "apiVersion".into(), kind.api_version().into());
    map.shift_insert(0, "kind".into(), kind.kind.clone().into());
}

fn meta_mut(object: &mut Value) -> Result<&mut Map<String, Value>, Failure> {
    let map = object.as_object_mut().ok_or_else(|| Failure::bad_request("the object provided is not a JSON object"))?;
    let meta = map.entry("metadata").or_insert_with(|| json!({}));
    meta.as_object_mut().ok_or_else(|| Failure::bad_request("metadata is not a JSON object"))
}

fn preconditions(kind: &Resource, name: &str, old: &Value, uid: &str, version: &str) -> Result<(), Failure> {
    let have = str_at(old, "/metadata/uid");
    if !uid.is_empty() && uid != have {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {have}");
        return Err(Failure::conflict(kind, name, &why));
    }
    match version {
        "" => Ok(()),
        v if v == str_at(old, "/metadata/resourceVersion") => Ok(()),
        _ => Err(Failure::modified(kind, name)),
    }
}

/// Fields of `metadata` that no client can change.
fn keep_server_fields(object: &mut Value, old: &Value) -> Result<(), Failure> {
    let meta = meta_mut(object)?;
    for field in
        ["uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"]
    {
        match old["metadata"].get(field) {
            Some(value) => meta.insert(field.into(), value.clone()),
            None => meta.shift_remove(field),
        };
    }
    Ok(())
}

/// The address of a service stays when a write does not mention it.
fn keep_address(service: &mut Value, old: &Value) {
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for field in ["clusterIP", "clusterIPs"] {
        if let (None, Some(value)) = (spec.get(field), old.pointer(&format!("/spec/{field}"))) {
            spec.insert(field.into(), value.clone());
        }
    }
}

fn with_status_of(mut object: Value, old: &Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        match old.get("status") {
            Some(status) => map.insert("status".into(), status.clone()),
            None => map.shift_remove("status"),
        };
    }
    object
}

fn status_into(old: &Value, object: &Value) -> Value {
    let mut new = old.clone();
    if let Some(map) = new.as_object_mut() {
        match object.get("status") {
            Some(status) => map.insert("status".into(), status.clone()),
            None => map.shift_remove("status"),
        };
    }
    if let (Some(meta), Some(fields)) = (new["metadata"].as_object_mut(), object["metadata"].get("managedFields")) {
        meta.insert("managedFields".into(), fields.clone());
    }
    new
}

fn differs_beyond_status(new: &Value, old: &Value) -> bool {
    let rest = |object: &Value| {
        let mut map = object.as_object().cloned().unwrap_or_default();
        map.shift_remove("status");
        map.shift_remove("metadata");
        map
    };
    rest(new) != rest(old)
}

/// Whether an object that is marked for deletion waits for nothing: no finalizer, and no kubelet.
fn may_go(object: &Value, kind: &Resource) -> bool {
    let waits = !list_at(object, "/metadata/finalizers").is_empty();
    !waits && (kind.id != ResourceId::core("pods") || int_at(object, "/metadata/deletionGracePeriodSeconds") == Some(0))
}

/// Seconds until a pod on a node is gone; 0 for everything else (`pkg/registry/core/pod/strategy.go`, CheckGracefulDelete).
fn grace_period(kind: &Resource, object: &Value, options: &DeleteOptions) -> i64 {
    if kind.id != ResourceId::core("pods") {
        return 0;
    }
    let finished = matches!(str_at(object, "/status/phase"), "Succeeded" | "Failed");
    if str_at(object, "/spec/nodeName").is_empty() || finished {
        return 0;
    }
    options.grace.or(int_at(object, "/spec/terminationGracePeriodSeconds")).unwrap_or(30).max(0)
}

/// The finalizer that makes a deletion wait for the garbage collector; whether one was added.
fn add_finalizer(object: &mut Value, propagation: Propagation) -> bool {
    let finalizer = match propagation {
        Propagation::Background => return false,
        Propagation::Foreground => "foregroundDeletion",
        Propagation::Orphan => "orphan",
    };
    let meta = &mut object["metadata"];
    if !meta["finalizers"].is_array() {
        meta["finalizers"] = json!([]);
    }
    match meta["finalizers"].as_array_mut() {
        Some(list) if !list.iter().any(|f| f == finalizer) => {
            list.push(finalizer.into());
            true
        }
        _ => false,
    }
}

/// What the controllers of `apiextensions-apiserver` write into a new definition.
fn establish(definition: &mut Value, now: Time) {
    let names = definition["spec"]["names"].clone();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now.rfc3339(), "reason": reason, "message": message});
    let stored: Vec<&str> = list_at(definition, "/spec/versions")
        .iter()
        .filter(|v| v["storage"] == true)
        .map(|v| str_at(v, "/name"))
        .collect();
    let stored = json!(stored);
    definition["status"] = json!({
        "conditions": [condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                       condition("Established", "InitialNamesAccepted", "the initial names have been accepted")],
        "acceptedNames": names, "storedVersions": stored});
}

/// A random UID (UUID version 4).
fn uid() -> String {
    let (a, b) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 48 & 0x3fff | 0x8000,
        b & 0xffff_ffff_ffff
    )
}

/// Five characters as `apimachinery/pkg/util/rand` makes them: no vowels, nothing that looks like another.
fn suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut n = random();
    (0..5)
        .map(|_| {
            let c = ALPHABET[(n % ALPHABET.len() as u64) as usize];
            n /= ALPHABET.len() as u64;
            char::from(c)
        })
        .collect()
}

/// 64 random bits, from the keys that the standard library draws for each hasher.
fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}
