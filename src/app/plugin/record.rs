//! The record of a plugin's run in the journal: what was started on what, and how each ended.

use super::pipeline::How;
use super::{Prepared, Run, shown};
use crate::app::clock;
use crate::app::recorded::{self, step};
use crate::app::session::Session;
use crate::effect::plugin::PluginCall;
use crate::journal::{End, Header, Journal, Line, Record, Story};
use crate::msg::{OperationStatus, OperationView, PlanLine, Sign, StepMark, StepView};
use crate::world::text::clean;
use crate::world::time::Time;
use serde_json::{Value, json};

/// The workflow of records in the journal.
pub const KIND: &str = "plugin";

/// A run that is being recorded.
pub struct Recorded {
    header: Header,
    record: Record,
    steps: Vec<StepView>,
}

impl Recorded {
    /// Writes what will be run.
    pub fn begin(session: &Session, header: Header) -> Result<Self, String> {
        let record = Journal::new(session.paths.journal()).create(&header).map_err(nothing)?;
        Ok(Self { header, record, steps: vec![] })
    }

    /// Writes that it starts on an object.
    pub fn starts(&mut self, run: &Run) -> Result<(), String> {
        let line = Line::Intent { step: KIND.into(), at: clock(), data: json!({"object": run.object}) };
        self.record.append(&line).map_err(nothing)
    }

    /// Writes how it ended there.
    pub fn ended(&mut self, run: &Run, how: &How) {
        let (at, data) = (clock(), json!({"object": run.object, "how": how.text, "ok": how.ok}));
        self.steps.push(step_of(&self.header, &data, at));
        self.append(&Line::Outcome { step: KIND.into(), at, data });
    }

    /// Writes that it is over.
    pub fn close(mut self, ok: bool) -> OperationView {
        let end = if ok { End::Done } else { End::Abandoned };
        self.append(&Line::Closed { at: clock(), how: end, note: String::new() });
        let failed = self.steps.iter().any(|step| step.mark == StepMark::Failed);
        let status = if ok && !failed { OperationStatus::Done } else { OperationStatus::Failed };
        view(&self.header, status, self.steps)
    }

    /// What cannot be written any more is seen at least.
    fn append(&mut self, line: &Line) {
        let failed = self.record.append(line).err();
        self.steps.extend(failed.map(|e| step(&e.to_string(), clock(), false)));
    }
}

fn nothing(error: impl std::fmt::Display) -> String {
    format!("{error}; nothing was done")
}

/// What stands at the head of the record.
pub fn header(session: &Session, call: &PluginCall, prepared: &Prepared, id: String) -> Header {
    let name = &call.plugin.name;
    let run = |run: &Run| json!({"object": run.object, "line": shown(&run.line)});
    let runs: Vec<Value> = prepared.runs.iter().map(run).collect();
    Header {
        id,
        kind: KIND.into(),
        title: format!("{name} on {}", call.object()),
        cluster: session.context(call.cluster).name.clone(),
        at: clock(),
        plan: json!({"plugin": name, "inputs": call.inputs, "runs": runs}),
    }
}

/// A run as the journal has it. One that was never closed is not open: nobody can go on with it.
pub fn recorded(story: &Story, busy: bool) -> OperationView {
    let ended = |line: &Line| match line {
        Line::Outcome { at, data, .. } => Some(step_of(&story.header, data, *at)),
        _ => None,
    };
    let mut steps: Vec<StepView> = story.lines.iter().filter_map(ended).collect();
    let status = match story.end() {
        Some((End::Done, ..)) => OperationStatus::Done,
        Some(_) => OperationStatus::Failed,
        None if busy => OperationStatus::Running,
        None => {
            let lost = "kokpit ended while it ran: what came of it is not known";
            steps.push(step(lost, story.header.at, false));
            OperationStatus::Failed
        }
    };
    view(&story.header, status, steps)
}

fn runs(header: &Header) -> &[Value] {
    header.plan["runs"].as_array().map_or(&[], Vec::as_slice)
}

/// How it ended on an object, which is named where there are several.
fn step_of(header: &Header, data: &Value, at: Time) -> StepView {
    let text = |key: &str| data[key].as_str().unwrap_or_default();
    let said = match runs(header) {
        [_, _, ..] => format!("{} {}", text("object"), text("how")),
        _ => text("how").to_string(),
    };
    step(&said, at, data["ok"].as_bool().unwrap_or_default())
}

/// The operation as it is shown: one line for each command line, with what it is for.
pub fn view(header: &Header, status: OperationStatus, steps: Vec<StepView>) -> OperationView {
    let line =
        |label: &str, text: &str| PlanLine { label: label.into(), text: clean(text).into_owned(), sign: Sign::Plain };
    let text = |run: &Value, key: &str| run[key].as_str().unwrap_or_default().to_string();
    let mut plan = vec![];
    let mut before = String::new();
    for run in runs(header) {
        let shown = text(run, "line");
        // A script is the same for every object.
        if shown != before {
            plan.push(line("run", &shown));
        }
        plan.push(line("for", &text(run, "object")));
        before = shown;
    }
    // A shell finds them in its environment, so that its command line does not show them.
    let inputs: Vec<(String, String)> = serde_json::from_value(header.plan["inputs"].clone()).unwrap_or_default();
    plan.extend(inputs.iter().map(|(name, value)| line("with", &format!("{name}={value}"))));
    recorded::view(header, plan, status, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(objects: &[&str]) -> Story {
        let runs: Vec<Value> = objects.iter().map(|object| json!({"object": object, "line": "bump"})).collect();
        let header = Header {
            id: "1".into(),
            kind: KIND.into(),
            title: "bump on pods shop/web".into(),
            cluster: "prod".into(),
            at: Time(1),
            plan: json!({"plugin": "bump", "inputs": [["INPUT_N", "3"]], "runs": runs}),
        };
        Story { header, lines: vec![] }
    }

    #[test]
    fn a_run_that_nobody_closed_is_not_left_open() {
        let story = story(&["pods shop/web"]);
        let view = recorded(&story, false);
        assert_eq!(view.status, OperationStatus::Failed);
        assert!(view.steps[0].text.contains("is not known"));
        assert_eq!(recorded(&story, true).status, OperationStatus::Running);
    }

    #[test]
    fn of_several_objects_each_is_told() {
        let mut story = story(&["pods shop/a", "pods shop/b", "pods shop/c"]);
        for (object, how, ok) in [("pods shop/a", "ended", true), ("pods shop/b", "ended with exit status 1", false)] {
            let data = json!({"object": object, "how": how, "ok": ok});
            story.lines.push(Line::Outcome { step: KIND.into(), at: Time(2), data });
        }
        story.lines.push(Line::Closed { at: Time(3), how: End::Abandoned, note: String::new() });
        let view = recorded(&story, false);
        let steps: Vec<&str> = view.steps.iter().map(|step| step.text.as_str()).collect();
        assert_eq!(steps, ["pods shop/a ended", "pods shop/b ended with exit status 1"]);
        assert_eq!(view.status, OperationStatus::Failed);
        let plan: Vec<String> = view.plan.iter().map(|line| format!("{} {}", line.label, line.text)).collect();
        let wanted = ["run bump", "for pods shop/a", "for pods shop/b", "for pods shop/c", "with INPUT_N=3"];
        assert_eq!(plan, wanted);
    }
}
