//! Waiting for Argo CD to take the commit.
//!
//! Reconciled means: the revision it compared is ours or newer, and it says Synced there (docs `auto_sync.md`; the refresh
//! annotation vanishes before the sync ends, so its absence proves nothing). The live field is compared afterwards.

use super::machine::{Facts, Run};
use super::{Effect, Event, Mark, Observed, Step, SyncPlan, short};
use crate::world::time::Time;

/// The part that waits for Argo CD.
#[derive(Debug)]
pub(super) struct Sync {
    plan: SyncPlan,
    refreshed: bool,
    since: Option<Time>,
    last: Option<Observed>,
    looked: bool,
    ended: Option<(bool, Time)>,
}

impl Sync {
    pub fn new(plan: SyncPlan) -> Self {
        Self { plan, refreshed: false, since: None, last: None, looked: false, ended: None }
    }
}

impl Run for Sync {
    fn absorb(&mut self, event: &Event, facts: &mut Facts, now: Time) {
        match event {
            Event::Refreshed => self.refreshed = true,
            Event::Waited => self.looked = false,
            Event::Observed(seen) => {
                self.looked = true;
                if seen.ours && seen.sync == "Synced" {
                    self.ended = Some((true, now));
                } else if seen.ours && seen.sync == "OutOfSync" && !self.plan.automated {
                    self.ended = Some((false, now));
                    facts.unapplied = true;
                }
                self.last = Some(seen.clone());
            }
            _ => {}
        }
    }

    fn decide(&mut self, facts: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        let name = format!("{}/{}", self.plan.application.namespace, self.plan.application.name);
        let since = *self.since.get_or_insert(now);
        if let Some(seen) = &self.last {
            if seen.ours && ["Failed", "Error"].contains(&seen.phase.as_str()) && self.plan.automated {
                return Err(format!(
                    "Argo CD could not apply {} in {name}: {}. Mend the manifest, or undo this operation",
                    short(&facts.commit),
                    seen.message
                ));
            }
            if since.age(now) >= self.plan.timeout_s {
                let message = if seen.message.is_empty() { String::new() } else { format!(": {}", seen.message) };
                return Err(format!(
                    "Argo CD has not applied {} in {name} after {} s (it is at {}, {}{message}). The commit is pushed; \
                     finish this operation to go on waiting",
                    short(&facts.commit),
                    self.plan.timeout_s,
                    short(&seen.revision),
                    seen.sync
                ));
            }
        }
        Ok(vec![if !self.refreshed {
            Effect::Refresh(self.plan.clone())
        } else if self.looked {
            Effect::Wait { ms: 400 }
        } else {
            Effect::Observe { sync: self.plan.clone(), git: facts.git.clone(), commit: facts.commit.clone() }
        }])
    }

    fn done(&self) -> bool {
        self.ended.is_some()
    }

    fn touched(&self) -> bool {
        false
    }

    fn steps(&self) -> Vec<Step> {
        let app = &self.plan.application.name;
        let (text, mark, at) = match (&self.ended, &self.last) {
            (Some((true, at)), seen) => {
                let revision = seen.as_ref().map_or("", |s| short(&s.revision));
                (format!("reconciled by Argo CD: {app} at {revision}"), Mark::Done, *at)
            }
            (Some((false, at)), _) => (
                format!(
                    "{app} is OutOfSync at the new commit and does not sync by itself: sync it (argocd app sync {app})"
                ),
                Mark::Skipped,
                *at,
            ),
            (None, Some(seen)) => (
                format!("wait for Argo CD: {app} is {} at {}", seen.sync, short(&seen.revision)),
                Mark::Waiting,
                Time::NEVER,
            ),
            (None, None) => (format!("wait for Argo CD to take it into {app}"), Mark::Waiting, Time::NEVER),
        };
        vec![Step { text, mark, at }]
    }
}
