//! The end of every operation: the live fields, read back.

use super::machine::{Facts, Run};
use super::{Effect, Event, Mark, Patch, Step};
use crate::world::object::ObjectRef;
use crate::world::time::Time;

/// Seconds that a controller gets to bring the fields to the intent.
const PATIENCE: i64 = 30;

/// The part that compares.
#[derive(Debug)]
pub(super) struct Verify {
    patches: Vec<Patch>,
    seen: Vec<ObjectRef>,
    since: Option<Time>,
    differs: Option<String>,
    skipped: bool,
    at: Time,
}

impl Verify {
    pub fn new(patches: Vec<Patch>) -> Self {
        Self { patches, seen: vec![], since: None, differs: None, skipped: false, at: Time::NEVER }
    }
}

impl Run for Verify {
    fn begin(&mut self, facts: &Facts) {
        self.skipped = facts.unapplied;
    }

    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        match event {
            Event::Seen { object, differs: None } => {
                self.seen.push(object.clone());
                (self.differs, self.at) = (None, now);
            }
            Event::Seen { differs, .. } => self.differs = differs.clone(),
            Event::Waited => self.differs = None,
            _ => {}
        }
    }

    fn decide(&mut self, _: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        let since = *self.since.get_or_insert(now);
        match &self.differs {
            Some(text) if since.age(now) >= PATIENCE => Err(format!(
                "the cluster does not show what was intended: {text}. Look who changes it, then finish or undo"
            )),
            Some(_) => Ok(vec![Effect::Wait { ms: 400 }]),
            None => {
                let open = self.patches.iter().find(|p| !self.seen.contains(&p.object));
                Ok(open.map(|p| Effect::Read(p.clone())).into_iter().collect())
            }
        }
    }

    fn done(&self) -> bool {
        self.skipped || self.patches.iter().all(|p| self.seen.contains(&p.object))
    }

    fn touched(&self) -> bool {
        false
    }

    fn steps(&self) -> Vec<Step> {
        let (text, mark) = match () {
            _ if self.skipped => ("not verified: it is not applied yet".into(), Mark::Skipped),
            _ if self.done() => ("verified live".into(), Mark::Done),
            _ => (self.differs.clone().unwrap_or_else(|| "verify live".into()), Mark::Waiting),
        };
        vec![Step { text, mark, at: self.at }]
    }
}
