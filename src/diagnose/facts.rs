//! Facts as causes read them: [`Case`] answers from the case file, and writes down what it could not answer.
//!
//! Every question returns a [`Fact`]: with `?` a cause says "without this I cannot judge". A fact nobody has fetched
//! yet becomes a need of this round; one that may not be read is a hole, listed in the verdict together with the
//! causes that wanted it, and no cause that met a hole is ever certain.

use super::case::{Answer, CaseFile, Need};
use super::git::field_of;
use super::index::{By, Listed, key_of};
use super::kinds::{self, Known};
use super::verdict::{Unreadable, Verdict};
use crate::world::commit::Commit;
use crate::world::object::{ObjectRef, ResourceId, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::Value;
use std::any::TypeId;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a question to the case returns.
pub type Fact<T> = Result<T, Gap>;

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Nobody has fetched it yet: it is asked for, the cause runs again in the next round.
    Need,
    /// It cannot be read (forbidden, failed); it stays a hole.
    Hole,
}

/// For causes that can go on without a fact.
pub trait Knowable<T> {
    /// `None` for what cannot be read; still `Err` for what has not been fetched yet.
    fn known(self) -> Fact<Option<T>>;
}

impl<T> Knowable<T> for Fact<T> {
    fn known(self) -> Fact<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Gap::Hole) => Ok(None),
            Err(Gap::Need) => Err(Gap::Need),
        }
    }
}

/// The object of something that is not there.
pub static NOTHING: Value = Value::Null;

/// One round over a case file.
pub struct Case<'a> {
    file: &'a CaseFile,
    asked: RefCell<BTreeSet<Need>>,
    /// How often something unknown was asked for.
    asks: Cell<usize>,
    holes: RefCell<BTreeMap<Need, (String, BTreeSet<&'static str>)>>,
    cause: Cell<Option<&'static str>>,
    touched_hole: Cell<bool>,
    /// Every hole met so far, in order, repeats included: tells which of them a kept result rests on.
    met: RefCell<Vec<Need>>,
    /// Objects that the cause at work read in other clusters, and where.
    afar: RefCell<BTreeMap<ObjectRef, String>>,
}

impl<'a> Case<'a> {
    /// A round over what is known so far.
    pub fn new(file: &'a CaseFile) -> Self {
        Self {
            file,
            asked: RefCell::default(),
            asks: Cell::new(0),
            holes: RefCell::default(),
            cause: Cell::new(None),
            touched_hole: Cell::new(false),
            met: RefCell::default(),
            afar: RefCell::default(),
        }
    }

    /// The case file itself.
    pub fn file(&self) -> &'a CaseFile {
        self.file
    }

    /// The time to judge ages against.
    pub fn now(&self) -> Time {
        self.file.now
    }

    /// Seconds since an RFC 3339 time; `None` for what is not one.
    pub fn age(&self, time: &str) -> Option<i64> {
        Time::parse(time).map(|t| t.age(self.file.now))
    }

    /// Seconds since an object's creation, 0 where that is unknown.
    pub fn age_of(&self, object: &Value) -> i64 {
        self.age(str_at(object, "/metadata/creationTimestamp")).unwrap_or_default()
    }

    /// One object by reference; `None` when it is not there.
    pub fn get(&self, at: &ObjectRef) -> Fact<Option<&'a Value>> {
        self.object(kinds::resource_of(at), &at.namespace, &at.name)
    }

    /// One object of a known kind; `None` when it is not there. `ns` is empty for cluster-scoped kinds.
    pub fn one(&self, kind: Known, ns: &str, name: &str) -> Fact<Option<&'a Value>> {
        self.object(kind.id(), ns, name)
    }

    /// One object by reference, in another cluster of the fleet where one is named.
    pub fn get_in(&self, cluster: Option<&str>, at: &ObjectRef) -> Fact<Option<&'a Value>> {
        let Some(cluster) = cluster else { return self.get(at) };
        self.afar.borrow_mut().insert(at.clone(), cluster.into());
        let need = Need::Elsewhere {
            cluster: cluster.into(),
            resource: kinds::resource_of(at),
            namespace: at.namespace.clone(),
            name: at.name.clone(),
        };
        match self.file.answer(&need) {
            Some(Answer::Object(object)) => Ok(Some(object)),
            Some(Answer::Absent) => Ok(None),
            Some(other) => self.hole(need, other),
            None => self.ask(need),
        }
    }

    /// What was read in other clusters since this was asked last: each object with its cluster.
    pub(super) fn read_afar(&self) -> BTreeMap<ObjectRef, String> {
        self.afar.take()
    }

    fn object(&self, resource: ResourceId, ns: &str, wanted: &str) -> Fact<Option<&'a Value>> {
        let need = Need::Object { resource: resource.clone(), namespace: ns.into(), name: wanted.into() };
        match self.file.answer(&need) {
            Some(Answer::Object(object)) => return Ok(Some(object)),
            Some(Answer::Absent) => return Ok(None),
            Some(other) => return self.hole(need, other),
            None => {}
        }
        for scope in [Some(ns.to_owned()), None] {
            let list = Need::List { resource: resource.clone(), namespace: scope };
            if let Some(list) = self.file.list(&list) {
                return Ok(list.named(ns, wanted));
            }
        }
        self.ask(need)
    }

    /// As [`Case::get`], for what a cluster need not have: whatever keeps it from being read counts as its absence and
    /// is no hole.
    pub fn optional(&self, at: &ObjectRef) -> Fact<Option<&'a Value>> {
        let (resource, namespace, name) = (kinds::resource_of(at), at.namespace.clone(), at.name.clone());
        let need = Need::Object { resource, namespace, name };
        match self.file.answer(&need) {
            Some(Answer::Object(object)) => Ok(Some(object)),
            Some(_) => Ok(None),
            None => self.ask(need),
        }
    }

    /// All objects of a kind in a namespace, or everywhere with `None`. A kind the cluster does not know is empty.
    pub fn list(&self, kind: Known, ns: Option<&str>) -> Fact<Vec<&'a Value>> {
        Ok(self.within(kind, ns)?.map_or_else(Vec::new, Within::all))
    }

    /// Those of [`Case::list`] that have this key, in the same order.
    pub fn list_by(&self, kind: Known, ns: Option<&str>, by: By, key: &str) -> Fact<Vec<&'a Value>> {
        self.list_by_any(kind, ns, by, [key])
    }

    /// Those of [`Case::list`] that have one of these keys, in the same order.
    pub fn list_by_any(
        &self,
        kind: Known,
        ns: Option<&str>,
        by: By,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Fact<Vec<&'a Value>> {
        Ok(self.within(kind, ns)?.map_or_else(Vec::new, |within| within.with_any(by, keys)))
    }

    /// One of the objects of [`Case::list`]; `ns` is empty for cluster-scoped kinds.
    pub fn listed(&self, kind: Known, ns: &str, name: &str) -> Fact<Option<&'a Value>> {
        let found = self.list_by(kind, Some(ns), By::Name, &key_of(ns, name))?;
        Ok(found.into_iter().next())
    }

    /// The list that has the objects of a namespace; `None` for a kind the cluster does not know.
    fn within(&self, kind: Known, ns: Option<&str>) -> Fact<Option<Within<'a>>> {
        let ns = ns.filter(|ns| !ns.is_empty());
        let everywhere = Need::List { resource: kind.id(), namespace: None };
        if let (Some(ns), Some(list)) = (ns, self.file.list(&everywhere)) {
            return Ok(Some(Within { list, only: Some(ns.to_owned()) }));
        }
        let need = Need::List { resource: kind.id(), namespace: ns.map(Into::into) };
        if let Some(list) = self.file.list(&need) {
            return Ok(Some(Within { list, only: None }));
        }
        match self.file.answer(&need) {
            Some(Answer::Absent) => Ok(None),
            Some(other) => self.hole(need, other),
            None => self.ask(need),
        }
    }

    /// The pods that are bound to a node, ended ones included; asks for no other pod of the cluster.
    pub fn pods_on(&self, node: &str) -> Fact<Vec<&'a Value>> {
        let everywhere = Need::List { resource: kinds::PODS.id(), namespace: None };
        if let Some(list) = self.file.list(&everywhere) {
            return Ok(list.with(By::Node, node));
        }
        let need = Need::PodsOn { node: node.into() };
        match self.file.answer(&need) {
            Some(Answer::List(pods)) => Ok(pods.iter().collect()),
            Some(Answer::Absent) => Ok(Vec::new()),
            Some(other) => self.hole(need, other),
            None => self.ask(need),
        }
    }

    /// The end of a container's log; empty where there is none.
    pub fn log(&self, pod: &Value, container: &str, previous: bool) -> Fact<&'a str> {
        let need = Need::Log {
            namespace: namespace(pod).into(),
            pod: name(pod).into(),
            container: container.into(),
            previous,
        };
        match self.file.answer(&need) {
            Some(Answer::Log(text)) => Ok(text),
            Some(Answer::Absent | Answer::Failed(_)) => Ok(""),
            Some(other) => self.hole(need, other),
            None => self.ask(need),
        }
    }

    /// The Applications of the other open clusters that deploy to this one, each with the name of its cluster; none where
    /// nobody could say.
    pub fn deployers(&self) -> Fact<&'a [(String, Value)]> {
        match self.file.answer(&Need::Deployers) {
            Some(Answer::Fleet(all)) => Ok(all),
            Some(_) => Ok(&[]),
            None => self.ask(Need::Deployers),
        }
    }

    /// What diagnosis says of an object in another cluster; `None` where it cannot be asked there.
    pub fn verdict_in(&self, cluster: &str, at: &ObjectRef) -> Fact<Option<&'a Verdict>> {
        let need = Need::Verdict { cluster: cluster.into(), object: at.clone() };
        match self.file.answer(&need) {
            Some(Answer::Verdict(verdict)) => Ok(Some(verdict)),
            Some(_) => Ok(None),
            None => self.ask(need),
        }
    }

    /// The addresses that a host resolves to, none where there is no such name; `None` where nobody could say.
    pub fn addresses(&self, host: &str) -> Fact<Option<&'a [String]>> {
        let need = Need::Name { host: host.into() };
        match self.file.answer(&need) {
            Some(Answer::Addresses(all)) => Ok(Some(all)),
            Some(Answer::Absent) => Ok(Some(&[])),
            Some(_) => Ok(None),
            None => self.ask(need),
        }
    }

    /// The commits that an Application's source has and the comparison with `after` did not see, newest first; none where
    /// nobody could say: a repository is configured or it is not.
    pub fn commits_after(&self, app: &Value, after: &str) -> Fact<&'a [Commit]> {
        let source = field_of(app, "");
        let branch = Some(source.revision).filter(|revision| revision != "HEAD").unwrap_or_default();
        let need = Need::Commits { url: source.repo, branch, path: source.path, after: after.into() };
        match self.file.answer(&need) {
            Some(Answer::Commits(all)) => Ok(all),
            Some(_) => Ok(&[]),
            None => self.ask(need),
        }
    }

    fn ask<T>(&self, need: Need) -> Fact<T> {
        self.asked.borrow_mut().insert(need);
        self.asks.set(self.asks.get() + 1);
        Err(Gap::Need)
    }

    fn hole<T>(&self, need: Need, answer: &Answer) -> Fact<T> {
        let reason = match answer {
            Answer::Denied(text) => text.clone(),
            Answer::Failed(text) => text.clone(),
            _ => "an answer of another shape".to_owned(),
        };
        self.touched_hole.set(true);
        self.met.borrow_mut().push(need.clone());
        let mut holes = self.holes.borrow_mut();
        let entry = holes.entry(need).or_insert_with(|| (reason, BTreeSet::new()));
        entry.1.extend(self.cause.get().filter(|cause| !cause.is_empty()));
        Err(Gap::Hole)
    }

    /// Runs a judgement under a cause's name; the flag tells whether it met a hole.
    pub(super) fn under<T>(&self, cause: &'static str, judge: impl FnOnce() -> T) -> (T, bool) {
        self.cause.set(Some(cause));
        self.touched_hole.set(false);
        let result = judge();
        self.cause.set(None);
        (result, self.touched_hole.get())
    }

    /// Computes something once per case file; `key` tells apart what is computed of the same type. The holes that
    /// were met while computing are met again by everybody who uses the result.
    pub fn memo<T: Send + Sync + 'static>(&self, key: &str, compute: impl FnOnce() -> Fact<T>) -> Fact<Arc<T>> {
        let slot = (TypeId::of::<T>(), key.to_owned());
        if let Some((any, holes)) = self.file.kept(&slot)
            && let Ok(found) = any.downcast::<T>()
        {
            for need in holes.iter() {
                if let Some(answer) = self.file.answer(need) {
                    let _: Fact<()> = self.hole(need.clone(), answer);
                }
            }
            return Ok(found);
        }
        let (met, asks) = (self.met.borrow().len(), self.asks.get());
        let value = Arc::new(compute()?);
        // What went on without a fact that is still to come is worth nothing in the next round.
        if asks == self.asks.get() {
            let holes = self.met.borrow().get(met..).unwrap_or_default().into();
            self.file.keep(slot, (value.clone(), holes));
        }
        Ok(value)
    }

    /// What was asked for in this round and not known.
    pub(super) fn needs(&self) -> Vec<Need> {
        self.asked.borrow().iter().cloned().collect()
    }

    /// The holes that were met, with the causes they would have decided.
    pub(super) fn unreadable(&self) -> Vec<Unreadable> {
        let holes = self.holes.borrow();
        holes
            .iter()
            .map(|(need, (reason, causes))| Unreadable {
                resource: need_in_words(need),
                reason: crate::world::text::clean(reason).into_owned(),
                would_decide: match causes.len() {
                    0 => "how it stands".to_owned(),
                    1..=4 => causes.iter().copied().collect::<Vec<_>>().join(", "),
                    n => format!(
                        "{} and {} more causes",
                        causes.iter().take(3).copied().collect::<Vec<_>>().join(", "),
                        n - 3
                    ),
                },
            })
            .collect()
    }
}

/// The objects of one namespace, or all, in a list that may have more.
struct Within<'a> {
    list: Listed<'a>,
    only: Option<String>,
}

impl<'a> Within<'a> {
    fn all(self) -> Vec<&'a Value> {
        match self.only {
            Some(ns) => self.list.with(By::Namespace, &ns),
            None => self.list.items.iter().collect(),
        }
    }

    fn with_any(self, by: By, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<&'a Value> {
        let mut found = self.list.with_any(by, keys);
        if let Some(ns) = self.only {
            found.retain(|object| namespace(object) == ns);
        }
        found
    }
}

/// `pods in shop`, `secret shop/db`, `log shop/web-1/app (previous)`.
fn need_in_words(need: &Need) -> String {
    match need {
        Need::Object { resource, namespace, name } if namespace.is_empty() => format!("{resource} {name}"),
        Need::Object { resource, namespace, name } => format!("{resource} {namespace}/{name}"),
        Need::Elsewhere { cluster, resource, namespace, name } => {
            format!("{resource} {namespace}/{name} in cluster {cluster}")
        }
        Need::List { resource, namespace: None } => resource.to_string(),
        Need::List { resource, namespace: Some(ns) } => format!("{resource} in {ns}"),
        Need::Deployers => "Applications of other clusters".to_owned(),
        Need::Verdict { cluster, object } => format!("{object} in cluster {cluster}"),
        Need::PodsOn { node } => format!("pods on node {node}"),
        Need::Name { host } => format!("name {host}"),
        Need::Commits { url, .. } => format!("commits of {url}"),
        Need::Log { namespace, pod, container, previous } => {
            format!("log {namespace}/{pod}/{container}{}", if *previous { " (previous)" } else { "" })
        }
    }
}
