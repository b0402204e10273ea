//! Everything that can happen to the state.
//!
//! All text in here comes cleaned (`world::text`): whoever makes a message from outside cleans it.

pub mod forward;
pub mod logs;
pub mod transfer;

use crate::diagnose::case::Need;
use crate::diagnose::ledger::Diagnosis;
use crate::diagnose::verdict::Verdict;
use crate::effect::logs::LogSource;
use crate::effect::plugin::PluginCall;
use crate::effect::transfer::Errand;
use crate::effect::{Found, Intent, RequestId};
use crate::gitops::compare::Comparison;
use crate::kinds::secret::Entry;
use crate::world::access::Access;
use crate::world::choice::Choice;
use crate::world::fleet::{ClusterId, Delta};
use crate::world::object::ResourceId;
use crate::world::time::Time;
use crossterm::event::{KeyEvent, MouseEvent};
use logs::LogLine;
use serde_json::Value;
use std::sync::Arc;

/// Something happened.
#[derive(Debug)]
pub enum Msg {
    /// What we may do; `None`: the cluster does not say.
    Reviewed { cluster: ClusterId, answers: Vec<(Access, Option<bool>)> },
    /// A key was pressed (or repeats); releases are not sent.
    Key(KeyEvent),
    /// A button or the wheel of the mouse; `double`: the second of two clicks at the same place.
    Mouse { event: MouseEvent, double: bool },
    /// The terminal's window got the focus, or lost it.
    Focus(bool),
    /// Text was pasted (bracketed paste).
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The time; sent once a second.
    Tick(Time),
    /// What the cluster tasks said since the last message, in order.
    World(Vec<(ClusterId, Delta)>),
    /// Answer to [`Effect::FetchObject`](crate::effect::Effect::FetchObject): the object, or why not, in words.
    Object { request: RequestId, answer: Result<Arc<Value>, String> },
    /// Answer to [`Effect::Reveal`](crate::effect::Effect::Reveal): the entries of the Secret, or why not. Printed for a
    /// developer it shows no value.
    Revealed { request: RequestId, answer: Result<Vec<Entry>, String> },
    /// Answer to [`Effect::FetchBeside`](crate::effect::Effect::FetchBeside).
    Beside { request: RequestId, answer: Result<Arc<Value>, String> },
    /// Answer to [`Effect::FetchEvents`](crate::effect::Effect::FetchEvents): event objects, or why not.
    Events { request: RequestId, answer: Result<Vec<Value>, String> },
    /// Log lines, in the order they came.
    LogLines { request: RequestId, source: Arc<LogSource>, lines: Vec<LogLine> },
    /// Something to be said between the lines of a source.
    LogNote { request: RequestId, source: Arc<LogSource>, text: String },
    /// A stream ended or could not be read; `None`: it simply ended.
    LogEnd { request: RequestId, source: Arc<LogSource>, reason: Option<String> },
    /// Answer to [`Effect::Why`](crate::effect::Effect::Why).
    Why { request: RequestId, answer: WhyAnswer },
    /// Answer to [`Effect::Compare`](crate::effect::Effect::Compare), or why it cannot be said.
    Compared { request: RequestId, answer: Result<Box<Comparison>, String> },
    /// Answer to [`Effect::Diagnose`](crate::effect::Effect::Diagnose): one for each subject.
    Diagnosed { cluster: ClusterId, came: Vec<Diagnosis> },
    /// A diagnosis asks for facts that watches may keep; answered by
    /// [`Effect::Recalled`](crate::effect::Effect::Recalled).
    Recall { ticket: u64, cluster: ClusterId, needs: Vec<Need> },
    /// Answer to [`Effect::Edit`](crate::effect::Effect::Edit): something was changed in the editor, plan it.
    Edited { cluster: ClusterId, intent: Intent },
    /// Answer to [`Effect::Plan`](crate::effect::Effect::Plan): what would be done, or why it cannot be.
    Planned { request: RequestId, answer: Result<Box<OperationView>, String> },
    /// Instead of a plan: the configuration names no repository for the cluster. `url` is what Argo CD reads, where known.
    AskRepository { request: RequestId, cluster: ClusterId, intent: Intent, url: Option<String> },
    /// How an operation stands now; new or replacing the one with the same id.
    Operation(Box<OperationView>),
    /// Every operation of the journal, oldest first (sent after start).
    Operations(Vec<OperationView>),
    /// Answer to [`Effect::Export`](crate::effect::Effect::Export): text for the clipboard, and what to say.
    Exported { text: String, said: String },
    /// Answer to [`Effect::Look`](crate::effect::Effect::Look): a part of the objects with what was read from them.
    Looked { resource: ResourceId, paths: Vec<Choice>, found: Found },
    /// A sentence for the person.
    Notice(Level, String),
    /// A container to debug with runs: go into it, and finish the operation, where one is named, after that.
    Enter { cluster: ClusterId, namespace: String, pod: String, container: String, operation: Option<String> },
    /// The person has left what was made for this operation.
    Left(String),
    /// A plugin was shown under this id and confirmed.
    PluginConfirmed { call: Box<PluginCall>, operation: String },
    /// A copy into a container was shown under this id and confirmed.
    CopyConfirmed { errand: Box<Errand>, operation: String },
    /// Something about copies from and to containers.
    Transfer(transfer::TransferMsg),
    /// Something about port-forwards.
    Forward(forward::ForwardMsg),
    /// Where the tutorial stands (`kokpit demo`).
    Tutorial(Vec<StepState>),
    /// The theme was read again, or the terminal said more about itself: its name now, and those of the user's own.
    Themed { theme: String, own: Vec<String> },
    /// The terminal is ours again (after a shell, `Ctrl-Z`, or a signal): everything must be drawn.
    Resumed,
    /// SIGTERM or SIGHUP: leave in good order.
    Terminate,
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something was done, or is worth knowing.
    Info,
    /// Something did not go as asked, and nothing is lost.
    Warn,
    /// Something failed.
    Error,
}

/// How far a diagnosis is.
#[derive(Debug)]
pub enum WhyAnswer {
    /// Fetching facts: how many are in, and what is being read now.
    Reading { facts: usize, now: String },
    /// Done.
    Verdict(Box<Verdict>),
    /// It could not be found out; the error in words.
    Failed(String),
}

/// An operation as a person sees it: the plan before, the steps while it runs and for ever after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationView {
    /// Its Op-Id.
    pub id: String,
    /// `cordon n4`
    pub title: String,
    /// Name of the cluster (context) it was planned for.
    pub cluster: String,
    /// The cluster is protected: its name must be typed to go on.
    pub protected: bool,
    /// What will happen, line by line: live, git, order, undo …
    pub plan: Vec<PlanLine>,
    /// Why it cannot be run as planned; empty: it can.
    pub blocked: Vec<String>,
    /// The steps and how they stand; empty while it is only planned.
    pub steps: Vec<StepView>,
    /// How it stands as a whole.
    pub status: OperationStatus,
    /// When it was planned or begun.
    pub started: Time,
}

/// How an operation stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationStatus {
    /// Shown, not confirmed; nothing was done.
    Planned,
    /// On its way.
    Running,
    /// An earlier run of the program left it in the middle: finish or undo.
    Open,
    /// Everything done and verified.
    Done,
    /// A step failed; the steps say which.
    Failed,
    /// Taken back.
    Undone,
}

impl OperationStatus {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PlanLine {
    /// `live`, `git`, `order`, `undo`, `reason`; empty: belongs to the line above.
    pub label: String,
    /// The text.
    pub text: String,
    /// What kind of line.
    pub sign: Sign,
}

/// What a line of a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sign {
    /// A fact.
    #[default]
    Plain,
    /// A line that a diff adds.
    Added,
    /// A line that a diff removes.
    Removed,
    /// Something to look at twice.
    Warning,
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepView {
    /// `committed 4f1c2ab`
    pub text: String,
    /// How it stands.
    pub mark: StepMark,
    /// When it reached that; [`Time::NEVER`] before.
    pub at: Time,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepMark {
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

/// One step of the tutorial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepState {
    /// Short.
    pub title: String,
    /// What to try, in a sentence or two.
    pub text: String,
    /// The cluster shows that it was done.
    pub done: bool,
}
