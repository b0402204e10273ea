//! Cordon, uncordon, drain, field change, deletion …: pure state machines.
//!
//! A workflow is a [`Plan`]: data that is shown, confirmed, and written to the journal as it stands. It consists of
//! [`Part`]s that are done one after the other; their order is the workflow's kind (a cordon is live first, everything
//! else commits first). A [`Machine`](machine::Machine) turns the plan into [`Effect`]s and learns from [`Event`]s.
//!
//! Every effect can be done twice with the same result, because each looks first: a patch at the live fields, a commit for
//! its `Op-Id` in the branch, an eviction at the pod's UID. So an operation is taken up after a crash by absorbing the
//! events of its journal and going on.

pub mod argo;
pub mod cordon;
pub mod create;
pub mod debug;
pub mod delete;
pub mod drain;
pub mod edit;
mod evict;
pub mod field;
mod git;
pub mod image;
pub mod live;
pub mod machine;
pub mod message;
pub mod permission;
pub mod plugin;
pub mod restart;
pub mod rollback;
pub mod rollout;
mod sync;
mod verify;

use crate::gitops::change::{Change, FieldChange};
use crate::world::object::ObjectRef;
use crate::world::time::Time;
use debug::DebugPlan;
use serde::{Deserialize, Serialize};

/// Annotations of ours on live objects and in manifests.
pub mod annotation {
    /// The operation that last touched the object.
    pub const OP: &str = "kokpit.dev/op";
    /// Why.
    pub const REASON: &str = "kokpit.dev/reason";
    /// Who.
    pub const BY: &str = "kokpit.dev/by";
}

/// One operation, planned: what is shown before anything is done, and all that is needed to do, finish or undo it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Op-Id, a ULID.
    pub id: String,
    /// `cordon`, `uncordon`, `drain`, `scale`, `resources`, `edit`, `delete` …
    pub kind: String,
    /// `cordon n4 on prod-eu`.
    pub title: String,
    /// The context's name.
    pub cluster: String,
    /// UID of the namespace kube-system: which cluster the plan was made for. `None`: it may not be read.
    pub identity: Option<String>,
    /// The cluster's name must be typed.
    pub protected: bool,
    /// When it was planned.
    pub at: Time,
    /// What happens, in order.
    pub parts: Vec<Part>,
    /// What is shown.
    pub lines: Vec<Line>,
    /// Why it cannot be run as it stands; empty: it can.
    pub blocked: Vec<String>,
}

impl Plan {
    /// Whether there is nothing to do: everything is as wanted already.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// A part of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "lowercase")]
pub enum Part {
    /// Live objects are patched.
    Live {
        /// One patch per object.
        patches: Vec<Patch>,
    },
    /// A commit is made and pushed.
    Git(GitPlan),
    /// Argo CD is asked to look, and takes the commit.
    Sync(SyncPlan),
    /// Pods are evicted.
    Evict(EvictPlan),
    /// Something to debug with is made.
    Debug(DebugPlan),
    /// It is taken away again.
    Remove(DebugPlan),
    /// Objects are deleted.
    Delete(delete::DeletePlan),
    /// An object is created.
    Create(create::CreatePlan),
    /// Workloads are followed until they have rolled out.
    Rollout(rollout::RolloutPlan),
    /// Argo CD is asked for something, and followed to the end of it.
    Application {
        /// Of each Application.
        requests: Vec<argo::Request>,
    },
    /// Live objects are compared with what was intended.
    Verify {
        /// The fields, `after` is the intent.
        patches: Vec<Patch>,
    },
}

/// Fields of one live object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// The object.
    pub object: ObjectRef,
    /// Its path on the API server.
    pub path: String,
    /// The fields, before and after.
    pub fields: Vec<FieldChange>,
}

impl Patch {
    /// The same the other way round.
    pub fn reversed(&self) -> Self {
        Self { fields: self.fields.iter().map(FieldChange::reversed).collect(), ..self.clone() }
    }
}

/// What is committed where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GitPlan {
    /// Name of the repository in config.toml.
    pub repository: String,
    /// Push URL.
    pub url: String,
    /// Branch.
    pub branch: String,
    /// `Name <mail>`, where config.toml names one.
    pub author: Option<String>,
    /// Tip of the branch when it was planned.
    pub base: String,
    /// Trailer `Op-Id` of the commits.
    pub op: String,
    /// The commits, pushed together.
    pub commits: Vec<CommitPlan>,
}

/// Where commits of an operation go, and by whom: facts for planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the repository in config.toml.
    pub repository: String,
    /// Push URL.
    pub url: String,
    /// Branch.
    pub branch: String,
    /// `Name <mail>`, where config.toml names one.
    pub author: Option<String>,
    /// Tip of the branch.
    pub base: String,
    /// Who commits, `Name <mail>`.
    pub by: String,
    /// Whether commits are signed.
    pub signed: bool,
}

impl Target {
    /// The git part of a plan.
    pub fn plan(&self, op: &str, commits: Vec<CommitPlan>) -> GitPlan {
        GitPlan {
            repository: self.repository.clone(),
            url: self.url.clone(),
            branch: self.branch.clone(),
            author: self.author.clone(),
            base: self.base.clone(),
            op: op.into(),
            commits,
        }
    }
}

/// What every plan is made from.
#[derive(Clone, Debug)]
pub struct Occasion<'a> {
    /// Op-Id.
    pub id: String,
    /// The context's name.
    pub cluster: &'a str,
    /// UID of kube-system.
    pub identity: Option<String>,
    /// The cluster's name must be typed.
    pub protected: bool,
    /// The time.
    pub now: Time,
    /// Why, in the person's words; may be empty.
    pub reason: &'a str,
}

impl Occasion<'_> {
    /// A plan of this occasion that does nothing yet.
    fn draft(&self, kind: impl Into<String>, title: String) -> Plan {
        Plan {
            id: self.id.clone(),
            kind: kind.into(),
            title,
            cluster: self.cluster.into(),
            identity: self.identity.clone(),
            protected: self.protected,
            at: self.now,
            parts: vec![],
            lines: vec![],
            blocked: vec![],
        }
    }
}

/// One commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommitPlan {
    /// What it does.
    pub change: Change,
    /// Its message.
    pub message: String,
    /// Message of the commit before it that makes the file, where there is none yet.
    pub adopt: String,
}

/// Which Application takes the commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SyncPlan {
    /// The Application.
    pub application: ObjectRef,
    /// Its path on the API server.
    pub path: String,
    /// Whether it applies commits by itself.
    pub automated: bool,
    /// Seconds to wait for it.
    pub timeout_s: i64,
}

/// Which pods are evicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvictPlan {
    /// The node.
    pub node: String,
    /// The pods, by identity: a new pod of the same name is not meant.
    pub pods: Vec<PodRef>,
    /// Seconds until it is given up; the node stays cordoned.
    pub timeout_s: i64,
    /// Seconds that pods get to end; `None`: as they say themselves.
    pub grace_s: Option<i64>,
}

/// One pod, by identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PodRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID: the precondition of its eviction.
    pub uid: String,
}

/// One line of the plan as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// `live`, `git`, `order`, `undo`, `reason`; empty: belongs to the line above.
    pub label: String,
    /// The text, cleaned.
    pub text: String,
    /// What kind of line.
    pub sign: Sign,
}

/// What a line of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// A fact.
    Plain,
    /// A line that a diff adds.
    Added,
    /// A line that a diff removes.
    Removed,
    /// Something to look at twice.
    Warning,
}

impl Line {
    /// A line with a label.
    pub fn new(label: &str, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into(), sign: Sign::Plain }
    }

    /// Something to look at twice.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { label: String::new(), text: text.into(), sign: Sign::Warning }
    }

    /// The lines of a diff as made by [`crate::gitops::change::diff`].
    pub fn diff(lines: Vec<String>) -> Vec<Self> {
        let sign = |text: &str| match text.as_bytes().first() {
            Some(b'+') => Sign::Added,
            Some(b'-') => Sign::Removed,
            _ => Sign::Plain,
        };
        lines.into_iter().map(|text| Self { label: String::new(), sign: sign(&text), text }).collect()
    }
}

/// Something to be done outside. Each can be done twice with the same result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Effect {
    /// Bring the fields of a live object from `before` to `after`, if they are still at `before`. → [`Event::Patched`]
    Patch(Patch),
    /// Fetch, apply the changes to the tip, make the commits; nothing is pushed.
    /// → [`Event::Committed`], [`Event::Already`], [`Event::Pushed`]
    Commit(GitPlan),
    /// Push a commit if the branch is still at `parent`. → [`Event::Pushed`], [`Event::Stale`]
    Push {
        /// Where to.
        git: GitPlan,
        /// The newest of our commits.
        commit: String,
        /// The branch must be here.
        parent: String,
    },
    /// Ask Argo CD to compare now. → [`Event::Refreshed`]
    Refresh(SyncPlan),
    /// Look how far Argo CD is. → [`Event::Observed`]
    Observe {
        /// The Application.
        sync: SyncPlan,
        /// Its repository, to tell what is an ancestor of what.
        git: Option<GitPlan>,
        /// The commit to wait for.
        commit: String,
    },
    /// Evict a pod. → [`Event::Evicted`], [`Event::Blocked`], [`Event::Gone`], [`Event::Stuck`]
    Evict {
        /// The pod.
        pod: PodRef,
        /// Seconds to end; `None`: as it says itself.
        grace_s: Option<i64>,
        /// From 1; repeated attempts are not journaled again.
        attempt: u32,
    },
    /// Look whether a pod is gone. → [`Event::Gone`], [`Event::Evicted`] while it is still there
    Look(PodRef),
    /// Delete an object, if it is still the one that was shown. → [`Event::Deleted`], [`Event::Ending`], [`Event::Kept`]
    Delete {
        /// The object.
        target: delete::Doomed,
        /// How.
        how: delete::Deletion,
    },
    /// Create an object, if it is not there yet. → [`Event::Created`]
    Create(create::CreatePlan),
    /// Look how far a workload is. → [`Event::Stands`]
    Follow {
        /// The workload.
        object: ObjectRef,
        /// Its path on the API server.
        path: String,
    },
    /// Look whether a deleted object is gone. → [`Event::Deleted`], [`Event::Ending`]
    Await(delete::Doomed),
    /// Compare live fields with `after`. → [`Event::Seen`]
    Read(Patch),
    /// Make what one debugs with, unless it is there. → [`Event::Debugging`]
    Debug(DebugPlan),
    /// Look whether it runs. → [`Event::Standing`]
    Stand(DebugPlan),
    /// Take it away, if it is there and ours. → [`Event::Removed`]
    Remove(DebugPlan),
    /// Ask an Application for something, if it was not asked yet. → [`Event::Asked`], or [`Event::Answered`] where it
    /// cannot be asked
    Ask(argo::Request),
    /// Look how far it is. → [`Event::Answered`]
    Hear(argo::Request),
    /// Wait. → [`Event::Waited`]
    Wait {
        /// Milliseconds.
        ms: u64,
    },
}

impl Effect {
    /// Name of the step in the journal; `None` for effects that change nothing and are not journaled.
    pub fn step(&self) -> Option<&'static str> {
        match self {
            Effect::Patch(_) => Some("live"),
            Effect::Commit(_) => Some("commit"),
            Effect::Push { .. } => Some("push"),
            Effect::Refresh(_) => Some("refresh"),
            Effect::Evict { attempt: 1, .. } => Some("evict"),
            Effect::Debug(_) => Some("debug"),
            Effect::Remove(_) => Some("remove"),
            Effect::Delete { .. } => Some("delete"),
            Effect::Create(_) => Some("create"),
            Effect::Ask(_) => Some("ask"),
            Effect::Evict { .. }
            | Effect::Observe { .. }
            | Effect::Look(_)
            | Effect::Stand(_)
            | Effect::Await(_)
            | Effect::Follow { .. }
            | Effect::Hear(_)
            | Effect::Read(_)
            | Effect::Wait { .. } => None,
        }
    }
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The fields of an object are as intended.
    Patched {
        /// Whose.
        object: ObjectRef,
        /// They were so before.
        already: bool,
    },
    /// Commits were made in the mirror.
    Committed {
        /// The newest.
        commit: String,
        /// Tip of the branch they stand on.
        parent: String,
    },
    /// git says it already; there is nothing to commit.
    Already {
        /// Tip of the branch.
        tip: String,
    },
    /// The branch holds our commit.
    Pushed {
        /// The newest of our commits.
        commit: String,
        /// What the server said besides, may be empty.
        said: String,
    },
    /// Somebody was faster.
    Stale {
        /// The server's words.
        said: String,
    },
    /// Argo CD was asked to compare.
    Refreshed,
    /// How far Argo CD is.
    Observed(Observed),
    /// The eviction was accepted; the pod is ending.
    Evicted {
        /// UID.
        uid: String,
    },
    /// The eviction was refused for now (429).
    Blocked {
        /// UID.
        uid: String,
        /// The server's sentence.
        why: String,
    },
    /// The pod is gone.
    Gone {
        /// UID.
        uid: String,
    },
    /// The eviction was refused for good.
    Stuck {
        /// UID.
        uid: String,
        /// The server's sentence.
        why: String,
    },
    /// An object is gone.
    Deleted {
        /// Which.
        object: ObjectRef,
    },
    /// An object is marked for deletion and not gone yet.
    Ending {
        /// Which.
        object: ObjectRef,
        /// What it waits for.
        held: String,
    },
    /// An object is there, and made by this operation.
    Created {
        /// Which.
        object: ObjectRef,
    },
    /// How far a workload is.
    Stands {
        /// Which.
        object: ObjectRef,
        /// How far.
        stand: rollout::Stand,
    },
    /// An Application was asked, or had been.
    Asked {
        /// Which.
        object: ObjectRef,
    },
    /// How far an Application is with what it was asked for.
    Answered {
        /// Which.
        object: ObjectRef,
        /// How far.
        answer: argo::Answer,
    },
    /// An object was not deleted.
    Kept {
        /// Which.
        object: ObjectRef,
        /// Why.
        why: String,
    },
    /// Live fields were compared with the intent.
    Seen {
        /// Whose.
        object: ObjectRef,
        /// What differs; `None`: nothing.
        differs: Option<String>,
    },
    /// What one debugs with is made.
    Debugging,
    /// How it stands.
    Standing {
        /// One can go into it.
        runs: bool,
        /// Why not, may be empty.
        why: String,
    },
    /// It is gone.
    Removed,
    /// Time has passed.
    Waited,
    /// The effect did not work. Nothing more is done until somebody decides.
    Failed {
        /// What, where, what to do.
        why: String,
    },
}

/// How far an Application is.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// `status.sync.revision`
    pub revision: String,
    /// That revision is our commit or newer.
    pub ours: bool,
    /// `status.sync.status`
    pub sync: String,
    /// `status.operationState.phase`, if that operation was for our commit or newer; empty otherwise.
    pub phase: String,
    /// `status.operationState.message` or the message of an error condition.
    pub message: String,
}

/// One step as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `committed 4f1c2ab`
    pub text: String,
    /// How it stands.
    pub mark: Mark,
    /// When it reached that; [`Time::NEVER`] before.
    pub at: Time,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Not begun.
    Waiting,
    /// Being done.
    Running,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Not needed.
    Skipped,
}

/// The first seven characters of a commit's hash.
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}
