//! What git wants against what lives.

use super::health::{self, Health};
use super::{MANAGER, TRACKING};
use crate::sim::controllers::meta::{annotation, deleting, remove_key, set, set_key};
use crate::sim::fields::{self, Stamp};
use crate::sim::store::Store;
use crate::world::merge::three_way;
use crate::world::object::{ObjectRef, list_at, name, str_at};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The annotation of a client-side apply.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What git wants of one Application.
pub struct Target {
    /// The commit.
    pub sha: String,
    /// The objects, with namespace and tracking id, in the order of waves and kinds.
    pub objects: Vec<Value>,
}

impl Target {
    /// Completes the rendered objects for an Application.
    pub fn new(store: &Store, app: &Value, sha: String, rendered: &[Value]) -> Self {
        let mut objects: Vec<Value> = rendered.iter().map(|o| complete(store, app, o)).collect();
        objects.sort_by_key(|o| (wave(o), weight(str_at(o, "/kind")), name(o).to_string()));
        Self { sha, objects }
    }
}

fn complete(store: &Store, app: &Value, object: &Value) -> Value {
    let mut object = object.clone();
    let reference = ObjectRef::of(&object);
    let namespaced = store.kind_named(&reference.group, &reference.kind).is_none_or(|k| k.namespaced);
    let destination = str_at(app, "/spec/destination/namespace");
    let ns = if reference.namespace.is_empty() { destination } else { &reference.namespace };
    if namespaced {
        set(&mut object, "metadata.namespace", json!(ns));
    }
    let ObjectRef { group, kind, name: own, .. } = &reference;
    set_key(&mut object, "metadata.annotations", TRACKING, json!(format!("{}:{group}/{kind}:{ns}/{own}", name(app))));
    object
}

/// `argocd.argoproj.io/sync-wave`
pub fn wave(object: &Value) -> i64 {
    annotation(object, "argocd.argoproj.io/sync-wave").parse().unwrap_or(0)
}

/// The order of kinds within a wave (`gitops-engine/pkg/sync/sync_tasks.go`).
fn weight(kind: &str) -> usize {
    const ORDER: [&str; 12] = [
        "Namespace",
        "ResourceQuota",
        "LimitRange",
        "PodDisruptionBudget",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "StorageClass",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "CustomResourceDefinition",
        "Service",
    ];
    ORDER.iter().position(|k| *k == kind).unwrap_or(ORDER.len())
}

/// Whether `argocd.argoproj.io/sync-options` of an object holds an option.
pub fn has_option(object: &Value, option: &str) -> bool {
    annotation(object, "argocd.argoproj.io/sync-options").split(',').any(|o| o.trim() == option)
}

/// Whether a sync option is set for the Application.
pub fn app_option(app: &Value, option: &str) -> bool {
    list_at(app, "/spec/syncPolicy/syncOptions").iter().any(|o| o == option)
}

/// Whether an object is applied server-side.
pub fn server_side(app: &Value, object: &Value) -> bool {
    app_option(app, "ServerSideApply=true") || has_option(object, "ServerSideApply=true")
}

/// Objects that carry the tracking id of an Application, and it is their own.
pub struct Tracked(pub Vec<Arc<Value>>);

impl Tracked {
    /// Looks through every kind that a manifest could name.
    pub fn of(store: &Store, app: &str) -> Self {
        let derived = ["pods", "replicasets", "endpointslices", "endpoints", "events", "leases", "applications"];
        let kinds = store.kinds();
        let named = kinds.iter().filter(|k| !derived.contains(&k.id.plural.as_str()));
        Self(named.flat_map(|k| store.list(&k.id, None)).filter(|o| is_tracked(o, app)).collect())
    }
}

/// A copied annotation does not count; the namespace part of a cluster-scoped object is the destination's.
fn is_tracked(object: &Value, app: &str) -> bool {
    let rest = annotation(object, TRACKING).strip_prefix(app).and_then(|r| r.strip_prefix(':'));
    let reference = ObjectRef::of(object);
    let kind = format!("{}/{}:", reference.group, reference.kind);
    rest.and_then(|r| r.strip_prefix(&kind)).is_some_and(|r| r.rsplit('/').next() == Some(&reference.name))
}

/// One object of an Application.
pub struct Item {
    /// As git wants it, or as it lives when git knows nothing of it.
    pub object: Value,
    /// Whether it is as git wants it.
    pub synced: bool,
    /// Its health, if its kind has one.
    pub health: Option<Health>,
    /// It lives, but git has dropped it.
    pub superfluous: bool,
}

/// All of them.
pub struct Comparison {
    /// The commit compared with.
    pub sha: String,
    /// The objects.
    pub items: Vec<Item>,
    /// Images of the live pod templates.
    pub images: BTreeSet<String>,
}

impl Comparison {
    /// Compares an Application's target with the cluster.
    pub fn of(store: &Store, app: &Value, target: &Target) -> Self {
        let mut items = Vec::new();
        let mut images = BTreeSet::new();
        for wanted in &target.objects {
            let live = live(store, wanted);
            let containers = live.as_deref().map(|o| list_at(o, "/spec/template/spec/containers")).unwrap_or_default();
            images.extend(containers.iter().map(|c| str_at(c, "/image").to_string()));
            let synced = live.as_ref().is_some_and(|l| !differs(store, app, l, wanted));
            let health = live.as_deref().map_or(Some(Health::Missing), health::of);
            items.push(Item { object: wanted.clone(), synced, health, superfluous: false });
        }
        for object in Tracked::of(store, name(app)).0 {
            let known = target.objects.iter().any(|o| ObjectRef::of(o) == ObjectRef::of(&object));
            if !known && !deleting(&object) {
                let health = health::of(&object);
                items.push(Item { object: (*object).clone(), synced: false, health, superfluous: true });
            }
        }
        Self { sha: target.sha.clone(), items, images }
    }

    /// Whether everything is as git wants it.
    pub fn synced(&self) -> bool {
        self.items.iter().all(|i| i.synced)
    }

    /// The worst health of all objects.
    pub fn health(&self) -> Health {
        self.items.iter().filter_map(|i| i.health).max().unwrap_or(Health::Healthy)
    }
}

/// The live object behind a manifest.
pub fn live(store: &Store, wanted: &Value) -> Option<Arc<Value>> {
    let reference = ObjectRef::of(wanted);
    let kind = store.kind_named(&reference.group, &reference.kind)?;
    let ns = if kind.namespaced { reference.namespace.as_str() } else { "" };
    store.get(&kind.id, ns, &reference.name)
}

/// Whether applying would change something that counts.
pub fn differs(store: &Store, app: &Value, live: &Value, wanted: &Value) -> bool {
    // An empty boolean is dropped when an object is read as its type: `unschedulable: false` is no wish.
    let typed = |object: &Value| {
        let mut object = object.clone();
        if str_at(&object, "/kind") == "Node" && object.pointer("/spec/unschedulable") == Some(&json!(false)) {
            remove_key(&mut object, "spec", "unschedulable");
        }
        if object.pointer("/spec").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            take(&mut object, "/spec");
        }
        object
    };
    let wanted = typed(wanted);
    let plain = |object: &Value| {
        let mut object = typed(object);
        for (at, key) in [("metadata", "managedFields"), ("metadata.annotations", LAST_APPLIED)] {
            remove_key(&mut object, at, key);
        }
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        for pointer in ignored_pointers(app, &wanted) {
            take(&mut object, pointer);
        }
        object
    };
    plain(live) != plain(&applied(store, app, live, &wanted))
}

/// What the object would be after an apply.
pub fn applied(store: &Store, app: &Value, live: &Value, wanted: &Value) -> Value {
    if server_side(app, wanted) {
        let stamp = stamp(store, wanted);
        return fields::apply(live, wanted, &stamp, true).unwrap_or_else(|_| live.clone());
    }
    let last: Value = serde_json::from_str(annotation(live, LAST_APPLIED)).unwrap_or_default();
    let mut new = live.clone();
    three_way(&mut new, Some(&last), wanted);
    new
}

/// The mark of this manager.
pub fn stamp(store: &Store, object: &Value) -> Stamp {
    Stamp {
        manager: MANAGER.into(),
        api_version: str_at(object, "/apiVersion").into(),
        time: store.now(),
        subresource: String::new(),
    }
}

/// Takes out what a JSON pointer names.
pub fn take(object: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = pointer.rsplit_once('/')?;
    let map = object.pointer_mut(parent)?.as_object_mut()?;
    map.remove(&key.replace("~1", "/").replace("~0", "~"))
}

/// The JSON pointers that `spec.ignoreDifferences` names for an object.
pub fn ignored_pointers<'a>(app: &'a Value, object: &Value) -> Vec<&'a str> {
    let reference = ObjectRef::of(object);
    let fits = |rule: &&Value| {
        let is = |at: &str, value: &str| matches!(str_at(rule, at), "" | "*") || str_at(rule, at) == value;
        str_at(rule, "/kind") == reference.kind
            && str_at(rule, "/group") == reference.group
            && is("/name", &reference.name)
            && is("/namespace", &reference.namespace)
    };
    let rules = list_at(app, "/spec/ignoreDifferences").iter().filter(fits);
    rules.flat_map(|rule| list_at(rule, "/jsonPointers")).filter_map(Value::as_str).collect()
}
