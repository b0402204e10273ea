//! Commit and push, again and again until nobody was faster.

use super::machine::{Facts, Run};
use super::{Effect, Event, GitPlan, Mark, Step, short};
use crate::world::time::Time;

/// Attempts before it is given up; the operation stays open.
const ATTEMPTS: u32 = 10;

/// The part that commits.
#[derive(Debug)]
pub(super) struct Git {
    plan: GitPlan,
    attempt: u32,
    rested: bool,
    pushing: bool,
    committed: Option<(String, String, Time)>,
    ended: Option<(Ended, Time)>,
}

#[derive(Debug, PartialEq)]
enum Ended {
    Pushed { commit: String, said: String },
    Already,
}

impl Git {
    pub fn new(plan: GitPlan) -> Self {
        Self { plan, attempt: 1, rested: true, pushing: false, committed: None, ended: None }
    }

    /// Milliseconds to wait before an attempt: 200 × 1.5ⁿ, up to 10 s, spread by up to half so that two kokpits that met
    /// once do not meet again. Taken from the Op-Id, which is random, because this is pure.
    fn pause(&self) -> u64 {
        let base = (200.0 * 1.5f64.powi(self.attempt as i32)).min(10_000.0);
        let dice = self.plan.op.bytes().fold(self.attempt, |h, b| h.wrapping_mul(31).wrapping_add(b.into())) % 100;
        (base * (0.5 + f64::from(dice) / 100.0)) as u64
    }
}

impl Run for Git {
    fn absorb(&mut self, event: &Event, facts: &mut Facts, now: Time) {
        match event {
            Event::Committed { commit, parent } => self.committed = Some((commit.clone(), parent.clone(), now)),
            Event::Stale { .. } => {
                self.pushing = false;
                self.committed = None;
                self.attempt += 1;
                self.rested = false;
            }
            Event::Waited => self.rested = true,
            Event::Pushed { commit, said } => {
                self.ended = Some((Ended::Pushed { commit: commit.clone(), said: said.clone() }, now));
                (facts.commit, facts.git) = (commit.clone(), Some(self.plan.clone()));
            }
            Event::Already { tip } => {
                self.ended = Some((Ended::Already, now));
                (facts.commit, facts.git) = (tip.clone(), Some(self.plan.clone()));
            }
            _ => {}
        }
    }

    fn attempted(&mut self, effect: &Effect) {
        self.pushing |= matches!(effect, Effect::Push { .. });
    }

    fn decide(&mut self, _: &Facts, _: Time) -> Result<Vec<Effect>, String> {
        Ok(vec![match &self.committed {
            _ if self.attempt > ATTEMPTS => {
                return Err(format!(
                    "the branch {} of {} moved {ATTEMPTS} times while this was being pushed; finish it when it is calmer",
                    self.plan.branch, self.plan.repository
                ));
            }
            _ if !self.rested => Effect::Wait { ms: self.pause() },
            Some((commit, parent, _)) => {
                Effect::Push { git: self.plan.clone(), commit: commit.clone(), parent: parent.clone() }
            }
            None => Effect::Commit(self.plan.clone()),
        }])
    }

    fn done(&self) -> bool {
        self.ended.is_some()
    }

    fn touched(&self) -> bool {
        matches!(self.ended, Some((Ended::Pushed { .. }, _))) || (self.pushing && self.ended.is_none())
    }

    fn steps(&self) -> Vec<Step> {
        let step = |text: String, mark, at| Step { text, mark, at };
        let place = format!("{} {}", self.plan.repository, self.plan.branch);
        let again = if self.attempt > 1 { format!(", attempt {}", self.attempt) } else { String::new() };
        match (&self.ended, &self.committed) {
            (Some((Ended::Already, at)), _) => vec![step(format!("{place} says so already"), Mark::Skipped, *at)],
            (Some((Ended::Pushed { commit, said }, at)), made) => {
                let made = made.as_ref().map_or(*at, |(_, _, at)| *at);
                let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
                vec![
                    step(format!("committed {}", short(commit)), Mark::Done, made),
                    step(format!("pushed to {place}{said}"), Mark::Done, *at),
                ]
            }
            (None, Some((commit, _, at))) => vec![
                step(format!("committed {}", short(commit)), Mark::Done, *at),
                step(format!("push to {place}{again}"), Mark::Waiting, Time::NEVER),
            ],
            (None, None) => vec![
                step(format!("commit{again}"), Mark::Waiting, Time::NEVER),
                step(format!("push to {place}"), Mark::Waiting, Time::NEVER),
            ],
        }
    }
}
