//! Which Argo CD Application of the fleet an object belongs to.

use super::State;
use super::command;
use super::picked::Picked;
use super::tree::destination;
use crate::gitops::locate::tracking;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId, bool_at, list_at, str_at};
use crate::world::row::Row;
use serde_json::Value;

/// Labels by which Argo CD tracks where it is set up so (`application.instanceLabelKey`; the first is its default).
const INSTANCE: [&str; 2] = ["app.kubernetes.io/instance", "argocd.argoproj.io/instance"];
/// Owners above a pod that are looked at for their Application.
const OWNERS: usize = 5;
fn applications() -> ResourceId {
    ResourceId::new("argoproj.io", "applications")
}

impl State {
    /// The object as it is kept beside its row.
    pub fn value_of(&self, cluster: ClusterId, object: &ObjectRef) -> Option<Value> {
        let resource = command::resource_of(self, object)?;
        let table = self.fleet.shard(cluster).table(&resource)?;
        table.find(&object.namespace, &object.name)?.raw.value()
    }

    /// The Application of an object or of what owns it: by Argo CD's tracking id, because an Application of the fleet
    /// lists it, or by its label.
    pub fn application_of(&self, picked: &Picked) -> Option<(ClusterId, ObjectRef)> {
        self.tracked(picked).map(|(cluster, application, _)| (cluster, application))
    }

    /// The same, with the object that the Application applies: the one picked, or the owner above it.
    pub fn tracked(&self, picked: &Picked) -> Option<(ClusterId, ObjectRef, ObjectRef)> {
        tracked(self, picked)
    }

    /// Whether a change of the object may become a commit: it carries Argo CD's tracking id, or what owns it does, or
    /// that is not known.
    pub fn may_be_tracked(&self, picked: &Picked) -> bool {
        let mut object = picked.object.clone();
        for _ in 0..OWNERS {
            let Some(value) = self.value_of(picked.cluster, &object) else { return true };
            if tracking(&value).is_ok() {
                return true;
            }
            match (is_owned(&value), owner_of(self, picked.cluster, &object)) {
                (false, _) => return false,
                (true, Some(owner)) => object = owner,
                (true, None) => return true,
            }
        }
        true
    }
}

fn tracked(state: &State, picked: &Picked) -> Option<(ClusterId, ObjectRef, ObjectRef)> {
    let cluster = picked.cluster;
    let mut objects = vec![picked.object.clone()];
    while let Some(owner) =
        objects.last().and_then(|last| owner_of(state, cluster, last)).filter(|_| objects.len() < OWNERS)
    {
        objects.push(owner);
    }
    for object in &objects {
        let by_id = state.value_of(cluster, object).and_then(|value| tracking(&value).ok());
        if let Some((at, found)) = by_id.and_then(|id| named(state, cluster, &id.application, id.namespace.as_deref()))
        {
            return Some((at, found, object.clone()));
        }
    }
    let with = |object: &ObjectRef, (at, found): (ClusterId, ObjectRef)| (at, found, object.clone());
    let listed = objects.iter().find_map(|object| Some(with(object, listing(state, cluster, object)?)));
    listed.or_else(|| objects.iter().find_map(|object| Some(with(object, labelled(state, cluster, object)?))))
}

fn is_owned(object: &Value) -> bool {
    list_at(object, "/metadata/ownerReferences").iter().any(|owner| bool_at(owner, "/controller"))
}

fn owner_of(state: &State, cluster: ClusterId, object: &ObjectRef) -> Option<ObjectRef> {
    let resource = command::resource_of(state, object)?;
    let row = state.fleet.shard(cluster).table(&resource)?.find(&object.namespace, &object.name)?;
    let owner = row.meta.owner.as_ref()?;
    let id = command::resource(state, &owner.kind)?;
    let namespace = if command::kind_of(state, &id).1 { object.namespace.as_str() } else { "" };
    Some(ObjectRef::new(&id.group, &owner.kind, namespace, &owner.name))
}

/// Every Application of the opened clusters, those of one cluster first.
fn all(state: &State, first: ClusterId) -> impl Iterator<Item = (ClusterId, &Row)> {
    let others = state.opened.iter().copied().filter(move |id| *id != first);
    let tables = std::iter::once(first)
        .chain(others)
        .filter_map(move |id| Some((id, state.fleet.shard(id).table(&applications())?)));
    tables.flat_map(|(id, table)| table.rows().map(move |(_, row)| (id, row)))
}

fn reference(row: &Row) -> ObjectRef {
    ObjectRef::new("argoproj.io", "Application", &row.meta.namespace, &row.meta.name)
}

/// The Application of this name; of several, the one that deploys to the object's cluster.
fn named(state: &State, cluster: ClusterId, name: &str, namespace: Option<&str>) -> Option<(ClusterId, ObjectRef)> {
    let is_it = |row: &Row| row.meta.name == name && namespace.is_none_or(|ns| *row.meta.namespace == *ns);
    let found: Vec<(ClusterId, &Row)> = all(state, cluster).filter(|(_, row)| is_it(row)).collect();
    let deploys_here = |(id, row): &&(ClusterId, &Row)| {
        row.raw.value().is_some_and(|value| destination(state, *id, &value) == Some(cluster))
    };
    let best = found.iter().find(deploys_here).or(found.first())?;
    Some((best.0, reference(best.1)))
}

/// The Application that lists an object among its resources.
fn listing(state: &State, cluster: ClusterId, object: &ObjectRef) -> Option<(ClusterId, ObjectRef)> {
    let name = memchr::memmem::Finder::new(&object.name);
    let lists = |r: &Value| {
        str_at(r, "/kind") == object.kind
            && str_at(r, "/group") == object.group
            && str_at(r, "/name") == object.name
            && str_at(r, "/namespace") == object.namespace
    };
    let found = all(state, cluster).find(|(id, row)| {
        // Most do not even hold the word.
        let text = row.raw.json().filter(|text| name.find(text).is_some());
        let value: Option<Value> = text.and_then(|text| serde_json::from_slice(&text).ok());
        value.is_some_and(|value| {
            list_at(&value, "/status/resources").iter().any(lists) && destination(state, *id, &value) == Some(cluster)
        })
    });
    found.map(|(id, row)| (id, reference(row)))
}

/// The Application that a label names, if there is one of that name that deploys here.
fn labelled(state: &State, cluster: ClusterId, object: &ObjectRef) -> Option<(ClusterId, ObjectRef)> {
    let resource = command::resource_of(state, object)?;
    let row = state.fleet.shard(cluster).table(&resource)?.find(&object.namespace, &object.name)?;
    INSTANCE.iter().filter_map(|key| row.meta.label(key)).find_map(|name| named(state, cluster, name, None))
}
