//! Operations: planned, shown, run, recorded, finished or undone. The same for the command line and the cockpit.
//!
//! [`plan`] only reads. [`run`] writes the plan and then every step to the journal before it is done, and what came of it
//! after; [`finish`] and [`undo`] take up what an earlier run of the program left open. Right before every write the
//! cluster's identity is compared with the one that was planned for.
//!
//! Test hook: with `KOKPIT_TEST_STOP_AFTER=<step>.<moment>` the process aborts at that moment, as if it had been killed.
//! Steps: `live`, `commit`, `push`, `refresh`, `evict`, `delete`, `create`, `ask`, `debug`, `remove`; moments: `intent`
//! (journaled, not done), `effect` (done, not journaled), `outcome` (done and journaled). Without a moment it is
//! `outcome`.

mod argo;
mod deletion;
mod execute;
mod gather;
mod surroundings;
mod workload;

use super::plugin;
use super::transfers;
use crate::cluster::access::may_all;
use crate::cluster::api::Api;
use crate::config::{Config, Paths};
use crate::effect::Intent;
use crate::journal::{End, Header, Journal, Line, Record, Story};
use crate::msg::{OperationStatus, OperationView, PlanLine, StepMark, StepView};
use crate::workflows::machine::Machine;
use crate::workflows::permission;
use crate::workflows::{self, Effect, Event, Mark, Plan, drain};
use crate::world::time::Time;
use futures::StreamExt;
use serde_json::Value;

pub use argo::applications;
pub use gather::PlanError;

/// How many effects of one operation run at once (evictions).
const AT_ONCE: usize = 8;

/// One cluster and everything around it that an operation needs.
#[derive(Clone)]
pub struct Site {
    /// The connected cluster.
    pub api: Api,
    /// The context's name.
    pub cluster: String,
    /// `config.toml`
    pub config: Config,
    /// Where mirrors and journal are.
    pub paths: Paths,
    /// The time.
    pub clock: fn() -> Time,
}

/// What a person allows beyond the intent.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// For drains.
    pub drain: drain::Options,
}

/// Finds out what an operation would do, without doing it.
///
/// # Errors
/// [`PlanError::NoRepository`]: ask for one, [`crate::config::add_repository`], plan again. Everything else: a sentence.
pub async fn plan(site: &Site, intent: &Intent, options: &Options) -> Result<Plan, PlanError> {
    let mut plan = gather::plan(site, intent, options).await?;
    let answers = may_all(&site.api, permission::needed(&plan)).await;
    let lacking = answers.into_iter().filter(|(_, may)| *may == Some(false));
    plan.blocked.extend(lacking.map(|(access, _)| format!("you may not: needs {access}")));
    Ok(plan)
}

/// Whether anything may be changed in a cluster.
///
/// # Errors
/// A sentence: it is read-only.
pub fn writable(config: &Config, cluster: &str) -> Result<(), String> {
    match config.is_readonly(cluster) {
        true => Err(format!(
            "{cluster} is read-only (--readonly, or readonly in config.toml): nothing is changed, neither live nor in git"
        )),
        false => Ok(()),
    }
}

/// Runs a confirmed plan. `progress` gets the view whenever something changed; the last view is the result.
/// An operation that fails in the middle stays open in the journal.
///
/// # Errors
/// It could not be begun: the plan is blocked or empty, or the journal cannot be written. Nothing was done.
pub async fn run(site: &Site, plan: &Plan, progress: impl Fn(&OperationView)) -> Result<OperationView, String> {
    writable(&site.config, &site.cluster)?;
    if !plan.blocked.is_empty() {
        return Err(format!("not run: {}", plan.blocked.join("; ")));
    }
    if plan.is_empty() {
        return Err("there is nothing to do: the cluster and git say so already".into());
    }
    let header = Header {
        id: plan.id.clone(),
        kind: plan.kind.clone(),
        title: plan.title.clone(),
        cluster: plan.cluster.clone(),
        at: (site.clock)(),
        plan: serde_json::to_value(plan).map_err(|e| e.to_string())?,
    };
    let record = Journal::new(site.paths.journal()).create(&header).map_err(|e| format!("{e}; nothing was done"))?;
    Ok(Driver {
        site,
        plan: plan.clone(),
        machine: Machine::new(plan),
        record,
        undoing: false,
        began: header.at,
        progress,
    }
    .drive()
    .await)
}

/// Goes on with an operation that an earlier run left open (also one that was being undone).
///
/// # Errors
/// No such operation, it is closed, another process works on it, or it belongs to another cluster.
pub async fn finish(site: &Site, id: &str, progress: impl Fn(&OperationView)) -> Result<OperationView, String> {
    let (record, story) = open(site, id)?;
    if let Some((how, ..)) = story.end() {
        return Err(format!("operation {id} is closed ({how:?}); there is nothing to finish"));
    }
    let replayed = Replayed::of(&story)?;
    let (plan, mut machine, undoing) = (replayed.plan, replayed.machine, replayed.undoing);
    machine.release();
    Ok(Driver { site, plan, machine, record, undoing, began: story.header.at, progress }.drive().await)
}

/// Takes back what an operation did: live fields, and the commit by a new one. Evictions stay.
///
/// # Errors
/// As [`finish`]; or it was undone already.
pub async fn undo(site: &Site, id: &str, progress: impl Fn(&OperationView)) -> Result<OperationView, String> {
    let (mut record, story) = open(site, id)?;
    if matches!(story.end(), Some((End::Undone, ..))) {
        return Err(format!("operation {id} was undone already"));
    }
    let replayed = Replayed::of(&story)?;
    if !replayed.undoing && replayed.machine.irrevocable() {
        let asked = replayed.plan.parts.iter().any(|part| matches!(part, workflows::Part::Application { .. }));
        return Err(match asked {
            true => format!(
                "what Argo CD was asked for cannot be taken back: `kokpit ops {id} --finish` follows it to its end, \
                 `--close` closes the operation as it is"
            ),
            false => format!(
                "a deletion cannot be taken back: `kokpit ops {id} --manifests` prints what was deleted, `--close` closes \
                 the operation as it is"
            ),
        });
    }
    let (plan, machine) = if replayed.undoing {
        (replayed.plan, replayed.machine)
    } else {
        record.append(&Line::Undo { at: (site.clock)() }).map_err(|e| e.to_string())?;
        replayed.machine.undo(&replayed.plan)
    };
    Ok(Driver { site, plan, machine, record, undoing: true, began: story.header.at, progress }.drive().await)
}

/// Closes an open operation without doing or undoing anything more.
///
/// # Errors
/// No such operation, or another process works on it.
pub fn abandon(paths: &Paths, id: &str, now: Time) -> Result<(), String> {
    let (mut record, story) = Journal::new(paths.journal()).open(id).map_err(|e| e.to_string())?;
    match story.end() {
        Some((how, ..)) => Err(format!("operation {id} is closed already ({how:?})")),
        None => record
            .append(&Line::Closed { at: now, how: End::Abandoned, note: "given up; what was done stays".into() })
            .map_err(|e| e.to_string()),
    }
}

/// What an operation deleted, as it was then, without values of Secrets.
///
/// # Errors
/// No such operation, or its record cannot be read.
pub fn deleted(paths: &Paths, id: &str) -> Result<Vec<Value>, String> {
    let story = Journal::new(paths.journal()).read(id).map_err(|e| e.to_string())?;
    let plan: Plan = serde_json::from_value(story.header.plan)
        .map_err(|e| format!("the record of operation {id} is of another version of kokpit: {e}"))?;
    let kept = plan.parts.into_iter().filter_map(|part| match part {
        workflows::Part::Delete(delete) => Some(delete.kept),
        _ => None,
    });
    Ok(kept.flatten().collect())
}

/// Every operation of the journal, oldest first, and what of it could not be read.
pub fn list(paths: &Paths) -> (Vec<OperationView>, Vec<String>) {
    let journal = Journal::new(paths.journal());
    let (stories, problems) = journal.list();
    let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut views = vec![];
    for story in stories {
        if story.header.kind == plugin::KIND {
            views.push(plugin::recorded(&story, journal.busy(&story.header.id)));
            continue;
        }
        if story.header.kind == transfers::KIND {
            views.push(transfers::recorded(&story, journal.busy(&story.header.id)));
            continue;
        }
        match Replayed::of(&story) {
            Ok(replayed) => {
                let status = match story.end() {
                    Some((End::Done, ..)) => OperationStatus::Done,
                    Some((End::Undone, ..)) => OperationStatus::Undone,
                    Some((End::Abandoned, ..)) => OperationStatus::Failed,
                    None if journal.busy(&story.header.id) => OperationStatus::Running,
                    None => OperationStatus::Open,
                };
                let mut view = view(&replayed.plan, Some(&replayed.machine), status, story.header.at);
                if let Some((End::Done | End::Undone, ..)) = story.end() {
                    let waiting = |s: &&mut StepView| matches!(s.mark, StepMark::Waiting | StepMark::Running);
                    view.steps.iter_mut().filter(waiting).for_each(|s| s.mark = StepMark::Done);
                }
                if let Some((_, note, at)) = story.end().filter(|(_, note, _)| !note.is_empty()) {
                    view.steps.push(StepView { text: note.into(), mark: StepMark::Failed, at });
                }
                views.push(view);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (views, problems)
}

/// A plan as it is shown before anything is done.
pub fn planned(plan: &Plan) -> OperationView {
    view(plan, None, OperationStatus::Planned, plan.at)
}

fn open(site: &Site, id: &str) -> Result<(Record, Story), String> {
    writable(&site.config, &site.cluster)?;
    let (record, story) = Journal::new(site.paths.journal()).open(id).map_err(|e| e.to_string())?;
    if story.header.kind == plugin::KIND {
        return Err(format!(
            "{} was a plugin's run: kokpit can neither finish it nor take it back",
            story.header.title
        ));
    }
    if story.header.kind == transfers::KIND {
        return Err(format!("{} was a copy: kokpit can neither finish it nor take it back", story.header.title));
    }
    match story.header.cluster == site.cluster {
        true => Ok((record, story)),
        false => Err(format!("operation {id} belongs to {}, not to {}", story.header.cluster, site.cluster)),
    }
}

/// An operation as its record leaves it.
struct Replayed {
    plan: Plan,
    machine: Machine,
    undoing: bool,
}

impl Replayed {
    fn of(story: &Story) -> Result<Self, String> {
        let id = &story.header.id;
        let foreign =
            |e: serde_json::Error| format!("the record of operation {id} is of another version of kokpit: {e}");
        let plan: Plan = serde_json::from_value(story.header.plan.clone()).map_err(foreign)?;
        let machine = Machine::new(&plan);
        let mut replayed = Self { plan, machine, undoing: false };
        for line in &story.lines {
            match line {
                Line::Intent { data, .. } => {
                    replayed.machine.attempted(&serde_json::from_value(data.clone()).map_err(foreign)?);
                }
                Line::Outcome { data, at, .. } => {
                    replayed.machine.absorb(&serde_json::from_value(data.clone()).map_err(foreign)?, *at);
                }
                Line::Undo { .. } => {
                    (replayed.plan, replayed.machine) = replayed.machine.undo(&replayed.plan);
                    replayed.undoing = true;
                }
                Line::Closed { .. } => {}
            }
        }
        Ok(replayed)
    }
}

/// Drives a machine to its end, or to where it cannot go on.
struct Driver<'a, P> {
    site: &'a Site,
    plan: Plan,
    machine: Machine,
    record: Record,
    undoing: bool,
    began: Time,
    progress: P,
}

impl<P: Fn(&OperationView)> Driver<'_, P> {
    async fn drive(mut self) -> OperationView {
        let mut effects = self.machine.step(None, self.now());
        while !effects.is_empty() {
            (self.progress)(&self.view(OperationStatus::Running));
            effects = match self.perform(effects).await {
                Ok(next) => next,
                Err(why) => self.machine.step(Some(Event::Failed { why }), self.now()),
            };
        }
        let view = self.close();
        (self.progress)(&view);
        view
    }

    /// Journals, does, journals what came of it, and answers what to do next.
    async fn perform(&mut self, effects: Vec<Effect>) -> Result<Vec<Effect>, String> {
        for effect in &effects {
            if let Some(step) = effect.step() {
                let data = serde_json::to_value(effect).map_err(|e| e.to_string())?;
                let line = Line::Intent { step: step.into(), at: self.now(), data };
                self.record.append(&line).map_err(|e| format!("{e}; it stops here"))?;
                stop_after(step, "intent");
            }
        }
        let (site, plan) = (self.site, &self.plan);
        let mut work = futures::stream::iter(effects)
            .map(|effect| async move {
                let event = execute::run(site, plan, &effect).await;
                (effect, event)
            })
            .buffer_unordered(AT_ONCE);
        let mut next = vec![];
        while let Some((effect, event)) = work.next().await {
            let now = (site.clock)();
            if let Some(step) = outcome_of(&effect, &event) {
                stop_after(step, "effect");
                let data: Value = serde_json::to_value(&event).map_err(|e| e.to_string())?;
                let line = Line::Outcome { step: step.into(), at: now, data };
                self.record.append(&line).map_err(|e| format!("{e}; it stops here"))?;
                stop_after(step, "outcome");
            }
            next = self.machine.step(Some(event), now);
            let status = OperationStatus::Running;
            (self.progress)(&view(plan, Some(&self.machine), status, self.began));
        }
        Ok(next)
    }

    /// Writes how it ended. What failed with something done stays open.
    fn close(&mut self) -> OperationView {
        let now = self.now();
        let (how, note, status) = match (self.machine.finished(), self.machine.failure()) {
            (true, _) if self.undoing => (Some(End::Undone), String::new(), OperationStatus::Undone),
            (true, _) => (Some(End::Done), String::new(), OperationStatus::Done),
            (false, Some(why)) if !self.machine.touched() && !self.undoing => {
                (Some(End::Abandoned), format!("nothing was done: {why}"), OperationStatus::Failed)
            }
            (false, Some(_)) if self.machine.lost() => (Some(End::Abandoned), String::new(), OperationStatus::Failed),
            // Everything is done but what waits for a person to finish.
            (false, None) => (None, String::new(), OperationStatus::Open),
            _ => (None, String::new(), OperationStatus::Failed),
        };
        let mut view = self.view(status);
        if let Some(how) = how
            && let Err(e) = self.record.append(&Line::Closed { at: now, how, note })
        {
            let text = format!("{e}; the operation will be shown as open");
            view.steps.push(StepView { text, mark: StepMark::Failed, at: now });
        }
        view
    }

    fn view(&self, status: OperationStatus) -> OperationView {
        view(&self.plan, Some(&self.machine), status, self.began)
    }

    fn now(&self) -> Time {
        (self.site.clock)()
    }
}

/// Name of the step whose outcome this is, where it belongs into the journal. What changed nothing does not.
fn outcome_of(effect: &Effect, event: &Event) -> Option<&'static str> {
    match (effect, event) {
        (_, Event::Failed { .. } | Event::Blocked { .. }) => None,
        (Effect::Evict { .. }, _) => Some("evict"),
        (Effect::Hear(_), Event::Answered { answer: workflows::argo::Answer::Ended { .. }, .. }) => Some("answer"),
        (effect, _) => effect.step(),
    }
}

/// The test hook of the module's documentation.
fn stop_after(step: &str, moment: &str) {
    let Ok(wanted) = std::env::var("KOKPIT_TEST_STOP_AFTER") else { return };
    let (s, m) = wanted.split_once('.').unwrap_or((&wanted, "outcome"));
    if s == step && m == moment {
        std::process::abort();
    }
}

fn view(plan: &Plan, machine: Option<&Machine>, status: OperationStatus, started: Time) -> OperationView {
    let sign = |sign| match sign {
        workflows::Sign::Plain => crate::msg::Sign::Plain,
        workflows::Sign::Added => crate::msg::Sign::Added,
        workflows::Sign::Removed => crate::msg::Sign::Removed,
        workflows::Sign::Warning => crate::msg::Sign::Warning,
    };
    let mark = |mark| match mark {
        Mark::Waiting => StepMark::Waiting,
        Mark::Running => StepMark::Running,
        Mark::Done => StepMark::Done,
        Mark::Failed => StepMark::Failed,
        Mark::Skipped => StepMark::Skipped,
    };
    // A line of a diff carries its own sign in a plan; on screen the sign has a column and a colour.
    let text = |l: &workflows::Line| match l.sign {
        workflows::Sign::Added => l.text.strip_prefix("+ ").or(l.text.strip_prefix('+')).unwrap_or(&l.text).to_string(),
        workflows::Sign::Removed => {
            l.text.strip_prefix("- ").or(l.text.strip_prefix('-')).unwrap_or(&l.text).to_string()
        }
        workflows::Sign::Plain | workflows::Sign::Warning => l.text.clone(),
    };
    let lines = plan.lines.iter().map(|l| PlanLine { label: l.label.clone(), text: text(l), sign: sign(l.sign) });
    let steps = machine.map_or(vec![], Machine::steps);
    OperationView {
        id: plan.id.clone(),
        title: plan.title.clone(),
        cluster: plan.cluster.clone(),
        protected: plan.protected,
        plan: lines.collect(),
        blocked: plan.blocked.clone(),
        steps: steps.into_iter().map(|s| StepView { text: s.text, mark: mark(s.mark), at: s.at }).collect(),
        status,
        started,
    }
}
