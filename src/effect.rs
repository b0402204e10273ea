//! What `update` wants done outside, as data. Run by `app`, answered by a [`Msg`](crate::msg::Msg).
//!
//! Data can be compared, logged and replayed; so a test feeds messages and reads what would have happened.

pub mod export;
pub mod forward;
pub mod logs;
pub mod plugin;
pub mod terminal;
pub mod transfer;

use crate::diagnose::case::{Need, Recalled, Subject};
use crate::workflows::argo::Ask;
use crate::workflows::delete::Deletion;
use crate::workflows::rollback::Revision;
use crate::world::access::Access;
use crate::world::choice::Choice;
use crate::world::fleet::ClusterId;
use crate::world::loose::Loose;
use crate::world::metrics::Wanted;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::quantity::Amounts;
use crate::world::row::{Cell, Raw, Uid};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Ties an answer to the view that asked for it; answers nobody waits for any more are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RequestId(pub u64);

/// Whole objects as the tables keep them.
pub type Objects = Vec<(ClusterId, Uid, Raw)>;
/// Objects, and the cells that were read from them.
pub type Found = Vec<(ClusterId, Uid, Raw, Box<[Cell]>)>;

/// Something to be done outside of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask whether we may do these; answered by `Reviewed`.
    Review { cluster: ClusterId, accesses: Vec<Access> },
    /// Connect to a cluster and discover what it serves; answered by deltas.
    Open(ClusterId),
    /// Let go of a cluster: its connection and everything that is watched there.
    Close(ClusterId),
    /// Try a lost cluster again now, not when its backoff ends.
    Retry(ClusterId),
    /// List and watch a kind; answered by deltas. Replaces the watch that there may be.
    /// `namespaces` empty: all (the cluster task narrows by itself where that is forbidden).
    Watch { cluster: ClusterId, resource: ResourceId, namespaces: Vec<String> },
    /// Pack whole objects of a table together; answered by a delta.
    Repack { cluster: ClusterId, resource: ResourceId, objects: Vec<Loose> },
    /// Nobody looks at it any more.
    Unwatch { cluster: ClusterId, resource: ResourceId },
    /// Keep asking what nodes and pods of a cluster use; nothing wanted: ask no more. Answered by deltas.
    Measure { cluster: ClusterId, wanted: Wanted },
    /// GET one object; answered by [`Msg::Object`](crate::msg::Msg::Object).
    FetchObject { request: RequestId, cluster: ClusterId, resource: ResourceId, namespace: String, name: String },
    /// GET one Secret and decode it; answered by [`Msg::Revealed`](crate::msg::Msg::Revealed).
    Reveal { request: RequestId, cluster: ClusterId, namespace: String, name: String },
    /// GET what a description needs beside its object; answered by [`Msg::Beside`](crate::msg::Msg::Beside).
    FetchBeside { request: RequestId, cluster: ClusterId, resource: ResourceId, namespace: String, name: String },
    /// The events about one object; answered by [`Msg::Events`](crate::msg::Msg::Events).
    FetchEvents { request: RequestId, cluster: ClusterId, object: ObjectRef },
    /// Stream logs, beside those of the same request; answered by [`Msg::LogLines`](crate::msg::Msg::LogLines),
    /// [`Msg::LogNote`](crate::msg::Msg::LogNote) and one [`Msg::LogEnd`](crate::msg::Msg::LogEnd) per stream. Lines are
    /// asked for with timestamps.
    StartLogs { request: RequestId, logs: logs::LogRequest },
    /// Write lines into a file that is not there yet: a path as it was typed, else `name` in the state directory;
    /// answered by a notice that says where.
    SaveLog { path: Option<String>, name: String, text: String },
    /// The log view is gone.
    StopLogs(RequestId),
    /// Diagnose; answered by [`Msg::Why`](crate::msg::Msg::Why), progress first, then a verdict or an error.
    Why { request: RequestId, cluster: ClusterId, subject: Subject },
    /// Compare git with what lives: a whole Application, or `only` some of its objects, at a revision (empty: what Argo CD
    /// compared with last); answered by [`Msg::Compared`](crate::msg::Msg::Compared).
    Compare { request: RequestId, cluster: ClusterId, application: ObjectRef, only: Vec<ObjectRef>, revision: String },
    /// The why view, or that of a comparison, is gone; stop fetching facts.
    StopWhy(RequestId),
    /// Diagnose in the background, together and within a budget; answered by
    /// [`Msg::Diagnosed`](crate::msg::Msg::Diagnosed).
    Diagnose { cluster: ClusterId, subjects: Vec<Subject> },
    /// As [`Effect::Diagnose`], of what does not look wrong: neither logs nor name servers are asked.
    Glance { cluster: ClusterId, subjects: Vec<Subject> },
    /// Answer to [`Msg::Recall`](crate::msg::Msg::Recall): what the watches keep of what was asked for; the rest has to
    /// be read from the server.
    Recalled { ticket: u64, kept: Vec<(Need, Recalled)> },
    /// Find out what an operation would do, without doing it; answered by [`Msg::Planned`](crate::msg::Msg::Planned).
    /// `repository` answers [`Msg::AskRepository`](crate::msg::Msg::AskRepository): `URL` or `URL BRANCH`, remembered.
    Plan { request: RequestId, cluster: ClusterId, intent: Intent, repository: Option<String> },
    /// Confirmed: run a planned operation; answered by [`Msg::Operation`](crate::msg::Msg::Operation), step by step.
    Run { operation: String },
    /// Seen and not wanted: forget a planned operation.
    Discard { operation: String },
    /// Finish an operation that an earlier run left open.
    Finish { operation: String },
    /// Undo an operation that an earlier run left open.
    Undo { operation: String },
    /// Hand the terminal to something in a container, and take it back; answered by
    /// [`Msg::Resumed`](crate::msg::Msg::Resumed) and a notice on how it ended.
    Shell { cluster: ClusterId, namespace: String, pod: String, container: String, what: terminal::Inside },
    /// Hand the terminal to an editor with the object as YAML; answered by [`Msg::Edited`](crate::msg::Msg::Edited),
    /// or a notice where there is nothing to plan.
    Edit { cluster: ClusterId, resource: ResourceId, namespace: String, name: String },
    /// Show what a plugin would run, without running it; answered by [`Msg::Planned`](crate::msg::Msg::Planned).
    PlanPlugin { request: RequestId, call: Box<plugin::PluginCall> },
    /// Show what a copy into a container would write, without writing it; answered by
    /// [`Msg::Planned`](crate::msg::Msg::Planned).
    PlanCopy { request: RequestId, errand: Box<transfer::Errand> },
    /// Run a plugin, on the terminal or in the background; answered by a notice, and by
    /// [`Msg::Operation`](crate::msg::Msg::Operation) where it is recorded. `operation`: it was shown under this id.
    Plugin { call: Box<plugin::PluginCall>, operation: Option<String> },
    /// Something about copies from and to containers.
    Transfer(transfer::TransferEffect),
    /// Something about port-forwards.
    Forward(forward::ForwardEffect),
    /// Draw with this theme from here on.
    Theme(String),
    /// Take mouse events, or leave the mouse to the terminal.
    Mouse(bool),
    /// Tell the desktop: nobody looks at the screen.
    Notify(String),
    /// Read columns from whole objects of a kind; answered by [`Msg::Looked`](crate::msg::Msg::Looked), part by part.
    Look { request: RequestId, resource: ResourceId, paths: Vec<Choice>, objects: Objects },
    /// Write rows; answered by a notice, or [`Msg::Exported`](crate::msg::Msg::Exported) where they are for the clipboard.
    Export(Box<export::Export>),
    /// Nobody waits any more for what [`Effect::Look`] was to find.
    StopLook(RequestId),
    /// Keep the columns chosen, as lines of TOML.
    SaveColumns(Vec<String>),
    /// Put text on the clipboard (OSC 52).
    Copy(String),
    /// Keep the history of commands, newest last.
    SaveHistory(Vec<String>),
    /// Keep the namespaces visited, newest last.
    SaveNamespaces(Vec<String>),
    /// `Ctrl-Z`: restore the terminal and stop the process; answered by [`Msg::Resumed`](crate::msg::Msg::Resumed).
    Suspend,
    /// Erase and draw everything again (`Ctrl-R`, after another program wrote to the terminal).
    Repaint,
    /// Leave.
    Quit,
}

/// What somebody wants to do, before anybody has looked at what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Take nodes out of scheduling.
    Cordon { nodes: Vec<String>, reason: String },
    /// Put nodes back.
    Uncordon { nodes: Vec<String>, reason: String },
    /// Cordon a node and evict its pods.
    Drain { node: String, reason: String },
    /// Change the number of replicas.
    Scale { object: ObjectRef, replicas: u32, reason: String },
    /// Change what a container is promised and what it may use; what is not named stays as it is.
    Resources { object: ObjectRef, container: String, requests: Amounts, limits: Amounts, reason: String },
    /// Add a container to debug with to a pod, beside `container` (empty: its default one). `image` empty: as configured.
    Debug { object: ObjectRef, container: String, image: String },
    /// Make a pod to debug with on a node, as root.
    DebugNode { node: String, image: String },
    /// Delete objects of one kind.
    Delete { resource: ResourceId, objects: Vec<ObjectRef>, how: Deletion, reason: String },
    /// Replace the pods of workloads, a few at a time.
    Restart { objects: Vec<ObjectRef>, reason: String },
    /// Change images of containers, `(container, image)`; an empty container means the only one.
    SetImage { object: ObjectRef, images: Vec<(String, String)>, reason: String },
    /// Make a Job from a CronJob now; an empty name: one is made up.
    Trigger { object: ObjectRef, name: String, reason: String },
    /// Hold a CronJob or a Job back, or let it go on.
    Suspend { object: ObjectRef, suspend: bool, reason: String },
    /// Go back to an earlier pod template.
    Rollback { object: ObjectRef, to: Revision, reason: String },
    /// Ask Argo CD for something.
    Application { applications: Vec<ObjectRef>, ask: Ask, reason: String },
    /// Edited as text. `before` and `after` are the object without what the cluster owns, `path` its path on the API
    /// server; `file` keeps the text until there is a plan.
    Edit { object: ObjectRef, path: String, before: Arc<Value>, after: Arc<Value>, file: PathBuf },
}
