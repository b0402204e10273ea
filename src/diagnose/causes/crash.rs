//! Containers that start and die again. [`crash`](crate::diagnose::crash) tells which class a crash is of; the rows of
//! this folder tell it to people.
//!
//! | file | classes |
//! |---|---|
//! | [`memory`] | killed with SIGKILL: out of memory, or nobody knows |
//! | [`code`] | the exit code or the runtime's reason decides |
//! | [`log`] | a line of the log decides |
//! | [`restarts`] | what lies around crashes: init containers, back-off, many at once |

use crate::diagnose::crash::{Crash, crashes};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::pods::{Container, containers};
use crate::diagnose::verdict::Confidence;
use crate::world::time::human;
use serde_json::Value;

pub(super) mod code;
pub(super) mod log;
pub(super) mod memory;
pub(super) mod restarts;

/// A crash with the pod it happened in: what a row of this family tells from.
struct Scene<'a> {
    case: &'a Case<'a>,
    suspect: &'a Suspect<'a>,
    crash: &'a Crash,
    container: Container<'a>,
}

impl<'a> Scene<'a> {
    fn pod(&self) -> &'a Value {
        self.suspect.object
    }

    /// A match with how the last run ended.
    fn found(&self, summary: String, confidence: Confidence) -> Match {
        let mut m = Match::on(&self.suspect.at, summary).confidence(confidence);
        for upstream in ["backoff-stale", "sandbox-recreated", "hook-poststart-failed"] {
            m = m.because_cause(upstream);
        }
        ran(self.case, self.suspect, self.crash, m)
    }

    /// A line of evidence on a field of the container.
    fn field(&self, m: Match, tail: &str, value: &str, text: impl AsRef<str>) -> Match {
        m.evidence(&self.suspect.at, &format!("{}{tail}", self.crash.path), value, text)
    }

    /// A fix of a field of the container.
    fn fix(&self, m: Match, tail: &str, what: impl Into<String>, live: impl Into<String>) -> Fact<Match> {
        self.fix_pod(m, &format!("{}{tail}", self.crash.path), what, live)
    }

    /// A fix of a field of the pod (of its template, where a workload made it).
    fn fix_pod(&self, m: Match, field: &str, what: impl Into<String>, live: impl Into<String>) -> Fact<Match> {
        let top = kin::top_owner(self.case, self.pod())?;
        Ok(m.fix(self.case.fix(top, &template_field(top, field), what, live)?))
    }

    /// See [`kin::undo`].
    fn undo(&self) -> Fact<String> {
        kin::undo(self.case, kin::top_owner(self.case, self.pod())?)
    }
}

/// The matches of one class: every crash of it, told, with the last words and what changed since it ran.
fn crashed(case: &Case<'_>, suspect: &Suspect<'_>, id: &str, tell: fn(&Scene<'_>) -> Fact<Match>) -> Fact<Vec<Match>> {
    let all = crashes(case, suspect.object)?;
    // A run that a probe ended may still tell whom the application waited for.
    let waited = |crash: &Crash| id == "crash-missing-dependency" && crash.dependency.is_some();
    let mut found = Vec::new();
    for crash in all.iter().filter(|c| c.cause == id || waited(c)) {
        let Some(container) = containers(suspect.object).into_iter().find(|c| c.name == crash.container) else {
            continue;
        };
        let mut m = last_words(suspect, crash, tell(&Scene { case, suspect, crash, container })?);
        if let Some(change) = kin::changes(case, suspect.object)? {
            m = m.evidence(&suspect.at, "", "", change);
        }
        found.push(m);
    }
    Ok(found)
}

/// Evidence: how the last run ended.
fn ran(case: &Case<'_>, suspect: &Suspect<'_>, crash: &Crash, m: Match) -> Match {
    let age = crash.finished.is_set().then(|| crash.finished.age(case.now()));
    let ago = age.map_or(String::new(), |s| format!(", last end {} ago", human(s)));
    let text = format!("{}: {}{ago}", crash.reason, crash.end_in_words());
    m.evidence_aged(&suspect.at, "status.containerStatuses[].lastState.terminated", &crash.code.to_string(), age, text)
}

/// Lines of the log that a finding shows.
const LAST_WORDS: usize = 5;

/// Evidence: the end of the log.
fn last_words(suspect: &Suspect<'_>, crash: &Crash, mut m: Match) -> Match {
    let from = crash.log.len().saturating_sub(LAST_WORDS);
    for line in &crash.log[from..] {
        m = m.evidence(&suspect.at, "log", line, format!("log: {line}"));
    }
    m
}
