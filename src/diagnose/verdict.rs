//! The verdict: what `kokpit why … -o json` prints (docs/why-json.md) and the why screen draws.

use crate::world::object::ObjectRef;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The answer to "why": one primary cause with its consequences, what else is true, and what could not be read.
#[derive(Clone, Debug, Serialize, Default)]
pub struct Verdict {
    /// Version of this document's shape; 1.
    pub version: u32,
    /// What was asked about.
    pub subject: Option<super::case::Subject>,
    /// Cluster (context) it was asked in; filled in by the caller.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Whether something is wrong.
    pub state: State,
    /// Nothing is wrong so far, and it is not yet what it is to be: a rollout, a pod that starts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_progress: bool,
    /// The subject's condition in a word or two with its age, as a table would show it: `Pending 41m`.
    pub headline: String,
    /// The cause that no other matched cause explains.
    pub primary: Option<Finding>,
    /// Consequences and links of the chain between primary and symptom.
    pub contributing: Vec<Finding>,
    /// True, but not the reason.
    pub also_true: Vec<Finding>,
    /// What could not be read, and what it would have decided.
    pub unreadable: Vec<Unreadable>,
    /// What changed shortly before the trouble began, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed_before: Vec<Change>,
    /// The hops of a URL, top to bottom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Hop>,
    /// The node × filter matrix of an unscheduled pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Arc<Scheduling>>,
}

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Something was found.
    Broken,
    /// Nothing is wrong.
    Fine,
    /// It could not be found out.
    #[default]
    Unknown,
}

/// How sure a finding is (causes: engine rule 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A heuristic.
    Low,
    /// A pattern with one unknown.
    Medium,
    /// Re-evaluated, or said by the controller; nothing contradicts.
    High,
    /// Re-evaluated live and the controller's own text agrees.
    Certain,
}

/// One matched cause.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Kebab-case id, as in `kokpit explain`.
    pub cause: String,
    /// The object at fault.
    pub object: ObjectRef,
    /// The cluster that it lives in, where that is another one than the subject's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// One sentence for people.
    pub summary: String,
    /// How sure.
    pub confidence: Confidence,
    /// The evidence, line by line.
    pub evidence: Vec<Evidence>,
    /// Smallest first.
    pub fixes: Vec<Fix>,
}

/// One line of evidence: what was read where.
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// The object it was read from.
    pub object: ObjectRef,
    /// The cluster that it was read in, where that is another one than the finding's: by its context's name, or as Argo
    /// CD calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Field path, `spec.taints[0]`; empty where the line speaks of the whole object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The value found there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// How long it has been so, in seconds, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<i64>,
    /// The line for people.
    pub text: String,
}

/// A way to mend it.
#[derive(Clone, Debug, Serialize, Default)]
pub struct Fix {
    /// What it does, and to what effect.
    pub summary: String,
    /// The live command, where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub live: String,
    /// Where in git, as far as it can be proven.
    pub git: Option<GitField>,
    /// Whether the effect was checked by evaluating the changed objects.
    pub verified: bool,
}

/// A field in a repository.
#[derive(Clone, Debug, Serialize, Default)]
pub struct GitField {
    /// `namespace/name` of the Argo CD Application.
    pub application: String,
    /// The cluster that the Application lives in, where that is another one than the object's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The repository's URL.
    pub repo: String,
    /// Directory or file inside it.
    pub path: String,
    /// Branch, tag or commit that the Application follows.
    pub revision: String,
    /// Field path in the manifest.
    pub field: String,
}

/// Something that changed shortly before the trouble began. It is no cause: it says where to look.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Change {
    /// The object that changed.
    pub object: ObjectRef,
    /// How long before now, in seconds.
    pub age_s: i64,
    /// The line for people.
    pub text: String,
    /// The commit, where that is what changed, cut to 7 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

/// What could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct Unreadable {
    /// `persistentvolumes`, `log shop/web-1/app (previous)` …
    pub resource: String,
    /// The server's or the network's words.
    pub reason: String,
    /// What it would have decided.
    pub would_decide: String,
}

/// One hop of a URL's way.
#[derive(Clone, Debug, Serialize)]
pub struct Hop {
    /// `DNS`, `LoadBalancer`, `Ingress`, `Controller`, `Service`, `Endpoints`, `Pods`, `NetworkPolicy`.
    pub name: String,
    /// How it stands.
    pub mark: Mark,
    /// One line for people.
    pub text: String,
    /// The object of this hop, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
}

/// How a hop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Works.
    Ok,
    /// The fault.
    Broken,
    /// Follows from a fault above, or was not looked at because of it.
    Follows,
    /// Could not be read.
    Unknown,
}

/// The scheduler's filters, evaluated by us for every node.
#[derive(Clone, Debug, Serialize, Default, PartialEq)]
pub struct Scheduling {
    /// Nodes that pass every filter.
    pub fits: Vec<String>,
    /// Plugins that refuse the pod before any node is looked at, with their text.
    pub prefilter: BTreeMap<String, String>,
    /// Every failing filter of every node that fails, with the scheduler's own reasons.
    pub nodes: BTreeMap<Arc<str>, Arc<FailingFilters>>,
    /// What the scheduler would say (`0/3 nodes are available: …`), before preemption; empty when a node fits.
    pub message: String,
    /// The matrix for people: a row per node, nearest miss first.
    pub matrix: Vec<NodeRow>,
}

/// The failing filters of a node by name, each with its reasons; nodes on which the same fails share it.
pub type FailingFilters = BTreeMap<String, Vec<String>>;

/// A cell of the matrix: column, text, whether the node passes. Cells share their texts.
pub type Cell = (Arc<str>, Arc<str>, bool);

/// One row of the matrix.
#[derive(Clone, Debug, Serialize, Default, PartialEq)]
pub struct NodeRow {
    /// The node.
    pub node: Arc<str>,
    /// (column, text, passes): `("memory", "-1.7Gi", false)`. Same columns in every row, columns where all pass with nothing to say left out.
    pub cells: Vec<Cell>,
    /// How many filters fail.
    pub away: usize,
}
