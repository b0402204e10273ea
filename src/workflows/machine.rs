//! The machine: a plan's parts, one after the other.

use super::argo::Follow;
use super::create::Create;
use super::debug::Debug;
use super::delete::Delete;
use super::evict::Evict;
use super::git::Git;
use super::live::Live;
use super::rollout::Rollout;
use super::sync::Sync;
use super::verify::Verify;
use super::{Effect, Event, GitPlan, Mark, Part, Plan, Step, message};
use crate::world::time::Time;

/// What later parts need to know of earlier ones.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The commit that must be live.
    pub commit: String,
    /// Where it was pushed to.
    pub git: Option<GitPlan>,
    /// The commit is pushed, and nobody applies it by itself.
    pub unapplied: bool,
}

/// One part at work: what it has learned, and what follows from that.
pub(super) trait Run: std::fmt::Debug + Send {
    /// The parts before are done.
    fn begin(&mut self, _: &Facts) {}
    /// Learns.
    fn absorb(&mut self, event: &Event, facts: &mut Facts, now: Time);
    /// Learns from the journal that an effect was begun, and not what came of it.
    fn attempted(&mut self, _: &Effect) {}
    /// Whatever it holds on to until somebody is done with it, they are.
    fn release(&mut self) {}
    /// What to do next; only asked when everything asked for before was answered, and it is not done. `Err`: it cannot
    /// go on, in words.
    fn decide(&mut self, facts: &Facts, now: Time) -> Result<Vec<Effect>, String>;
    /// Nothing is left to do.
    fn done(&self) -> bool;
    /// Something was changed by us, or may have been, that would have to be taken back.
    fn touched(&self) -> bool;
    /// Something was done that nothing takes back.
    fn irrevocable(&self) -> bool {
        false
    }
    /// It did not work, and there is nothing to finish.
    fn lost(&self) -> bool {
        false
    }
    /// How it stands, for people.
    fn steps(&self) -> Vec<Step>;
}

/// An operation at work.
#[derive(Debug)]
pub struct Machine {
    parts: Vec<Box<dyn Run>>,
    current: usize,
    open: usize,
    facts: Facts,
    failed: Option<String>,
    running: bool,
}

impl Machine {
    /// A machine for a plan, with nothing done yet.
    pub fn new(plan: &Plan) -> Self {
        Self::of(&plan.parts)
    }

    fn of(parts: &[Part]) -> Self {
        let parts = parts.iter().map(|part| -> Box<dyn Run> {
            match part.clone() {
                Part::Live { patches } => Box::new(Live::new(patches)),
                Part::Git(git) => Box::new(Git::new(git)),
                Part::Sync(sync) => Box::new(Sync::new(sync)),
                Part::Evict(evict) => Box::new(Evict::new(evict)),
                Part::Debug(debug) => Box::new(Debug::new(debug)),
                Part::Remove(debug) => Box::new(Debug::removing(debug)),
                Part::Delete(delete) => Box::new(Delete::new(delete)),
                Part::Create(create) => Box::new(Create::new(create)),
                Part::Rollout(rollout) => Box::new(Rollout::new(rollout)),
                Part::Application { requests } => Box::new(Follow::new(requests)),
                Part::Verify { patches } => Box::new(Verify::new(patches)),
            }
        });
        let facts = Facts::default();
        Self { parts: parts.collect(), current: 0, open: 0, facts, failed: None, running: false }
    }

    /// A machine that takes back what another one did, part by part: live fields get their old values, the commit is
    /// reversed by a new one, what was created is deleted. Evictions and deletions cannot be taken back. What was not done is not undone.
    pub fn undo(&self, plan: &Plan) -> (Plan, Self) {
        let mut parts = vec![];
        for (part, run) in plan.parts.iter().zip(&self.parts) {
            match part {
                Part::Live { patches } if run.touched() => {
                    parts.push(Part::Live { patches: patches.iter().map(super::Patch::reversed).collect() });
                }
                Part::Git(git) if run.touched() => parts.push(Part::Git(reversed(git))),
                Part::Debug(debug) if run.touched() => parts.push(Part::Remove(debug.clone())),
                Part::Create(create) if run.touched() => parts.push(Part::Delete(create.undo())),
                Part::Rollout(_) if !parts.is_empty() => parts.push(part.clone()),
                Part::Sync(_) if parts.iter().any(|p| matches!(p, Part::Git(_))) => parts.push(part.clone()),
                Part::Verify { patches } if !parts.is_empty() => {
                    parts.push(Part::Verify { patches: patches.iter().map(super::Patch::reversed).collect() });
                }
                _ => {}
            }
        }
        let undo = Plan { parts, ..plan.clone() };
        let machine = Self::of(&undo.parts);
        (undo, machine)
    }

    /// Learns an event of the journal, without asking for anything.
    pub fn absorb(&mut self, event: &Event, now: Time) {
        self.skip_done();
        if let Some(part) = self.parts.get_mut(self.current) {
            part.absorb(event, &mut self.facts, now);
        }
        self.skip_done();
    }

    /// Learns from the journal that an effect was begun; what came of it follows as an event, or never.
    pub fn attempted(&mut self, effect: &Effect) {
        self.skip_done();
        if let Some(part) = self.parts.get_mut(self.current) {
            part.attempted(effect);
        }
    }

    /// Nobody needs any more what a part holds on to (a pod for debugging, while somebody is in it).
    pub fn release(&mut self) {
        self.parts.iter_mut().for_each(|part| part.release());
    }

    /// Learns an event (`None`: begin, or go on after a restart) and answers what to do now. Nothing, while earlier
    /// effects are not answered yet, when it is finished, and after a failure.
    pub fn step(&mut self, event: Option<Event>, now: Time) -> Vec<Effect> {
        self.running = true;
        if let Some(event) = event {
            self.open = self.open.saturating_sub(1);
            match event {
                Event::Failed { why } => self.failed = Some(why),
                event => self.absorb(&event, now),
            }
        }
        if self.open > 0 || self.failed.is_some() {
            return vec![];
        }
        self.skip_done();
        let Some(part) = self.parts.get_mut(self.current) else { return vec![] };
        match part.decide(&self.facts, now) {
            Ok(effects) => {
                self.open = effects.len();
                effects
            }
            Err(why) => {
                self.failed = Some(why);
                vec![]
            }
        }
    }

    fn skip_done(&mut self) {
        while let Some(part) = self.parts.get_mut(self.current) {
            part.begin(&self.facts);
            if !part.done() {
                return;
            }
            self.current += 1;
        }
    }

    /// Everything is done.
    pub fn finished(&self) -> bool {
        self.current >= self.parts.len()
    }

    /// Why it cannot go on.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Whether anything was changed that would have to be taken back.
    pub fn touched(&self) -> bool {
        self.parts.iter().any(|p| p.touched())
    }

    /// Whether anything was done that nothing takes back, so that there is no undo (a deletion).
    pub fn irrevocable(&self) -> bool {
        self.parts.iter().any(|p| p.irrevocable())
    }

    /// It failed for good: what was asked for is over, so there is nothing to finish or to undo.
    pub fn lost(&self) -> bool {
        self.failed.is_some() && self.parts.get(self.current).is_some_and(|part| part.lost())
    }

    /// Every step and how it stands.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = vec![];
        for (i, part) in self.parts.iter().enumerate() {
            let mut own = part.steps();
            if i == self.current
                && let Some(first) = own.iter_mut().find(|s| s.mark == Mark::Waiting)
            {
                match (&self.failed, self.running) {
                    (Some(_), _) => first.mark = Mark::Failed,
                    (None, true) => first.mark = Mark::Running,
                    (None, false) => {}
                }
            }
            steps.extend(own);
        }
        if let Some(why) = &self.failed {
            steps.push(Step { text: why.clone(), mark: Mark::Failed, at: Time::NEVER });
        }
        steps
    }
}

/// The commits that take others back, newest first, with an Op-Id of their own.
fn reversed(git: &GitPlan) -> GitPlan {
    let commits = git.commits.iter().rev().map(|c| super::CommitPlan {
        change: c.change.reversed(),
        message: message::revert(&c.message, &git.op),
        adopt: String::new(),
    });
    GitPlan { op: message::undo_id(&git.op), commits: commits.collect(), ..git.clone() }
}

#[cfg(test)]
mod tests;
