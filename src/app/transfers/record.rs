//! The record of a copy into a container: the plan that is shown first, and what came of it.

use crate::app::recorded::{self, step};
use crate::app::transfer::{self, Done};
use crate::effect::transfer::Errand;
use crate::journal::{End, Header, Journal, Line, Record, Story};
use crate::msg::{OperationStatus, OperationView, PlanLine, Sign, StepView};
use crate::world::text::clean;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The workflow of records in the journal.
pub const KIND: &str = "copy";

/// What would be copied where. Nothing is written.
///
/// # Errors
/// A sentence, when what is to be copied cannot be read.
pub fn header(cluster: &str, errand: &Errand) -> Result<Header, String> {
    let size = transfer::size(&errand.here)?;
    let Errand { namespace, pod, container, there, here, .. } = errand;
    let from = here.canonicalize().unwrap_or_else(|_| here.clone());
    Ok(Header {
        id: ulid::Ulid::new().to_string(),
        kind: KIND.into(),
        title: format!("copy to {namespace}/{pod}"),
        cluster: cluster.into(),
        at: crate::app::clock(),
        plan: json!({
            "from": from.display().to_string(), "files": size.files, "bytes": size.bytes, "left": size.notes,
            "pod": format!("{namespace}/{pod}"), "container": container, "to": there,
        }),
    })
}

/// A copy that is being recorded.
pub struct Recorded {
    header: Header,
    record: Record,
}

impl Recorded {
    /// Writes what is about to be done.
    ///
    /// # Errors
    /// A sentence, when the journal cannot be written: then nothing may be done.
    pub fn begin(journal: PathBuf, header: Header) -> Result<Self, String> {
        let nothing = |e| format!("{e}; nothing was copied");
        let mut record = Journal::new(journal).create(&header).map_err(nothing)?;
        let line = Line::Intent { step: KIND.into(), at: crate::app::clock(), data: Value::Null };
        record.append(&line).map_err(nothing)?;
        Ok(Self { header, record })
    }

    /// As it is shown while it runs.
    pub fn running(&self) -> OperationView {
        view(&self.header, OperationStatus::Running, vec![])
    }

    /// Writes how it ended.
    pub fn close(mut self, result: &Result<Done, String>) -> OperationView {
        let (at, ok) = (crate::app::clock(), result.is_ok());
        let how = result.as_ref().map_or_else(Clone::clone, Done::sentence);
        let end = if ok { End::Done } else { End::Abandoned };
        let written = self
            .record
            .append(&Line::Outcome { step: KIND.into(), at, data: json!(how) })
            .and_then(|()| self.record.append(&Line::Closed { at, how: end, note: String::new() }));
        let mut steps = vec![step(&how, at, ok)];
        steps.extend(written.err().map(|e| step(&e.to_string(), at, false)));
        view(&self.header, if ok { OperationStatus::Done } else { OperationStatus::Failed }, steps)
    }
}

/// A copy as the journal has it. One that was never closed is not open: nobody can go on with it.
pub fn recorded(story: &Story, busy: bool) -> OperationView {
    let ended = |line: &Line| match line {
        Line::Outcome { at, data, .. } => Some((data.as_str().unwrap_or_default().to_string(), *at)),
        _ => None,
    };
    let done = matches!(story.end(), Some((End::Done, ..)));
    let (status, steps) = match (story.lines.iter().find_map(ended), busy) {
        (Some((how, at)), _) if done => (OperationStatus::Done, vec![step(&how, at, true)]),
        (Some((how, at)), _) => (OperationStatus::Failed, vec![step(&how, at, false)]),
        (None, true) => (OperationStatus::Running, vec![]),
        (None, false) => {
            let lost = "it was stopped, or kokpit ended: files that were complete by then are there";
            (OperationStatus::Failed, vec![step(lost, story.header.at, false)])
        }
    };
    view(&story.header, status, steps)
}

/// The copy as it is shown.
pub fn view(header: &Header, status: OperationStatus, steps: Vec<StepView>) -> OperationView {
    let text = |key: &str| clean(header.plan[key].as_str().unwrap_or_default()).into_owned();
    let number = |key: &str| header.plan[key].as_u64().unwrap_or_default();
    let line = |label: &str, text: String, sign: Sign| PlanLine { label: label.into(), text, sign };
    let files = transfer::files(number("files"));
    let container = match text("container") {
        container if container.is_empty() => "its default container".into(),
        container => format!("container {container}"),
    };
    let mut plan = vec![
        line("copy", format!("{} ({files}, {} bytes)", text("from"), number("bytes")), Sign::Plain),
        line("to", text("to"), Sign::Plain),
        line("in", format!("pod {}, {container}", text("pod")), Sign::Plain),
    ];
    let left = header.plan["left"].as_array().map_or(0, Vec::len);
    if left > 0 {
        plan.push(line(
            "note",
            format!("{left} left out: {}", clean(header.plan["left"][0].as_str().unwrap_or_default())),
            Sign::Warning,
        ));
    }
    if status == OperationStatus::Planned {
        let lost = "what is there under the same name is overwritten, and kokpit cannot bring it back";
        plan.push(line("note", lost.into(), Sign::Warning));
    }
    recorded::view(header, plan, status, steps)
}
