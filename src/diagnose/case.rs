//! The case file: the subject, the time, and the facts fetched so far.

use super::index::{Index, Listed};
use super::verdict::Verdict;
use crate::world::commit::Commit;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::Raw;
use crate::world::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// An object: a pod, a node, an Application, a workload, a claim, a Service, an Ingress …
    Object(ObjectRef),
    /// A URL that does not answer as it should.
    Url(String),
}

/// A fact that diagnosis wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// One object. Secrets are answered as metadata only.
    Object { resource: ResourceId, namespace: String, name: String },
    /// All objects of a kind, in one namespace or (`None`) everywhere. Secrets are answered as metadata only.
    List { resource: ResourceId, namespace: Option<String> },
    /// One object of another cluster of the fleet, named by the URL of its API server or as Argo CD calls it.
    Elsewhere { cluster: String, resource: ResourceId, namespace: String, name: String },
    /// The Argo CD Applications of the other open clusters that deploy to this one; answered as [`Answer::Fleet`].
    Deployers,
    /// What is wrong with an object of another cluster of the fleet, named as in [`Need::Elsewhere`]; answered as
    /// [`Answer::Verdict`].
    Verdict { cluster: String, object: ObjectRef },
    /// The pods of one node; answered as [`Answer::List`].
    PodsOn { node: String },
    /// The end of a container's log; `previous` is the run before the current one.
    Log { namespace: String, pod: String, container: String, previous: bool },
    /// The addresses of a host, as the machine that kokpit runs on resolves it.
    Name { host: String },
    /// The commits of a repository's branch (empty: its default) that touch a directory and are not yet in the commit
    /// `after`. The repository is named as Argo CD names it. Answered as [`Answer::Commits`].
    Commits { url: String, branch: String, path: String, after: String },
}

/// What came back for a [`Need`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// The object, as served, `metadata.managedFields` included.
    Object(Arc<Value>),
    /// The objects, as served (`apiVersion` and `kind` filled in).
    List(Arc<Vec<Value>>),
    /// Log text, last lines, escape sequences removed.
    Log(Arc<str>),
    /// The addresses of a host.
    Addresses(Arc<[String]>),
    /// Commits, newest first.
    Commits(Arc<[Commit]>),
    /// Objects of other clusters, each with the name of its cluster.
    Fleet(Arc<Vec<(String, Value)>>),
    /// What diagnosis says in another cluster; [`Verdict::cluster`] is its name.
    Verdict(Arc<Verdict>),
    /// 404: the object is not there, or the cluster does not know the kind at all; a host that does not resolve.
    Absent,
    /// 401 or 403: may not be read; the server's sentence.
    Denied(String),
    /// Could not be fetched (network, time-out, 5xx); the error in words.
    Failed(String),
}

/// What a watch keeps of the answer to a [`Need`], still packed: whoever asked unpacks it where there is time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// The object.
    Object(Raw),
    /// All of them are known, and it is not among them.
    Absent,
    /// The objects.
    List(Vec<Raw>),
}

impl Recalled {
    /// The answer; `None` where an object was not kept after all.
    pub fn unpack(&self) -> Option<Answer> {
        Some(match self {
            Self::Absent => Answer::Absent,
            Self::Object(raw) => Answer::Object(Arc::new(raw.value()?)),
            Self::List(raws) => Answer::List(Arc::new(raws.iter().map(Raw::value).collect::<Option<Vec<_>>>()?)),
        })
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Object(_) => 1,
            Self::List(raws) => raws.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The subject, the time, and every fact fetched so far.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// What is asked about.
    pub subject: Subject,
    /// The time to judge ages against (a recording brings its own).
    pub now: Time,
    facts: HashMap<Need, Known>,
    derived: Derived,
}

/// A fact, with where its objects stand should it be a list. Another answer brings another index.
#[derive(Clone, Debug)]
struct Known {
    answer: Answer,
    index: Index,
}

/// What was computed from the facts and is worth keeping, with the needs among them that had no answer to read.
pub(super) type Kept = (Arc<dyn Any + Send + Sync>, Arc<[Need]>);

/// Results kept from round to round and from subject to subject: a snapshot of a large cluster takes longer than all
/// else. A copy of a case file starts without them, since it may be given other facts.
#[derive(Default)]
struct Derived(Mutex<HashMap<(TypeId, String), Kept>>);

impl Clone for Derived {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Derived")
    }
}

impl CaseFile {
    /// A case without any fact yet.
    pub fn new(subject: Subject, now: Time) -> Self {
        Self { subject, now, facts: HashMap::new(), derived: Derived::default() }
    }

    /// Turns to another subject of the same cluster; what was fetched and computed so far is kept.
    pub fn turn_to(&mut self, subject: Subject) {
        self.subject = subject;
    }

    /// Adds (or replaces) a fact.
    pub fn put(&mut self, need: Need, answer: Answer) {
        if self.facts.insert(need, Known { answer, index: Index::default() }).is_some() {
            self.derived = Derived::default();
        }
    }

    /// A result kept under a type and a key.
    pub(super) fn kept(&self, slot: &(TypeId, String)) -> Option<Kept> {
        self.derived.0.lock().unwrap_or_else(PoisonError::into_inner).get(slot).cloned()
    }

    /// Keeps a result.
    pub(super) fn keep(&self, slot: (TypeId, String), value: Kept) {
        self.derived.0.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, value);
    }

    /// The answer to a need, if it has been fetched.
    pub fn answer(&self, need: &Need) -> Option<&Answer> {
        self.facts.get(need).map(|known| &known.answer)
    }

    /// The list that answers a need, if it has been fetched and is one.
    pub(super) fn list(&self, need: &Need) -> Option<Listed<'_>> {
        match self.facts.get(need)? {
            Known { answer: Answer::List(items), index } => Some(Listed { items, index }),
            _ => None,
        }
    }

    /// Every fact, for reports of what could not be read.
    pub fn facts(&self) -> impl Iterator<Item = (&Need, &Answer)> {
        self.facts.iter().map(|(need, known)| (need, &known.answer))
    }
}
