//! Deleting objects: what goes with them and what brings them back, then the deletions, and waiting until they are gone.
//!
//! An object is deleted by its UID and at the version that was read right before; one that was changed or made anew
//! since it was shown stays. What the API server has accepted cannot be taken back, so there is nothing to undo: the
//! plan, and with it the journal, keeps what the objects looked like.

pub mod plan;

use super::machine::{Facts, Run};
use super::{Effect, Event, Mark, Step};
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What becomes of the objects that the deleted one owns (`propagationPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cascade {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

impl Cascade {
    /// The value of `propagationPolicy`.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }

    /// The next one, round and round.
    pub fn next(self) -> Self {
        match self {
            Self::Background => Self::Foreground,
            Self::Foreground => Self::Orphan,
            Self::Orphan => Self::Background,
        }
    }

    /// Reads `background`, `foreground` or `orphan`.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Background, Self::Foreground, Self::Orphan];
        all.into_iter().find(|cascade| cascade.policy().eq_ignore_ascii_case(word))
    }
}

/// How objects are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deletion {
    /// What becomes of what they own.
    pub cascade: Cascade,
    /// At once, without the time that pods have to end (`gracePeriodSeconds: 0`).
    pub force: bool,
}

impl Deletion {
    /// Reads the words in front of a reason: `foreground force disk is full`.
    pub fn parse(text: &str) -> (Self, String) {
        let mut how = Self::default();
        let mut rest = text.trim();
        loop {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            match Cascade::parse(word) {
                Some(cascade) => how.cascade = cascade,
                None if word.eq_ignore_ascii_case("force") => how.force = true,
                None => return (how, rest.to_string()),
            }
            rest = after.trim_start();
        }
    }

    /// The `DeleteOptions` for an object as it was read.
    pub fn options(&self, live: &Value) -> Value {
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": self.cascade.policy(),
            "preconditions": {"uid": str_at(live, "/metadata/uid"),
                "resourceVersion": str_at(live, "/metadata/resourceVersion")}});
        if let (true, Some(map)) = (self.force, options.as_object_mut()) {
            map.insert("gracePeriodSeconds".into(), json!(0));
        }
        options
    }
}

/// Which objects are deleted, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeletePlan {
    /// The objects.
    pub targets: Vec<Doomed>,
    /// How.
    pub how: Deletion,
    /// Seconds until it is not waited for any longer.
    pub patience_s: i64,
    /// What they looked like, without values of Secrets; for whoever wants one back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<Value>,
}

/// One object, by identity: a new one of the same name is not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doomed {
    /// The object.
    pub object: ObjectRef,
    /// Its path on the API server.
    pub path: String,
    /// Its UID; empty where only the operation is known that made it.
    #[serde(default)]
    pub uid: String,
    /// `metadata.generation` as it was shown, where the kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The Op-Id that it must carry where the UID is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub op: String,
}

/// What to do with an object as it is now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is not there any more, or another one of its name is.
    Gone,
    /// It is ending already: what it waits for.
    Ending(String),
    /// Send these `DeleteOptions`.
    Send(Value),
    /// It is not any more what was shown.
    Changed(String),
}

/// Compares a live object with the one that was planned for.
pub fn decide(live: &Value, target: &Doomed, how: &Deletion) -> Decision {
    let mine = match target.uid.as_str() {
        "" => {
            live.pointer("/metadata/annotations").and_then(|a| a.get(super::annotation::OP)) == Some(&json!(target.op))
        }
        uid => str_at(live, "/metadata/uid") == uid,
    };
    if !mine {
        return Decision::Gone;
    }
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        // One that takes its time can still be told not to.
        let patient = int_at(live, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) > 0;
        return if how.force && patient { Decision::Send(how.options(live)) } else { Decision::Ending(held(live)) };
    }
    match (target.generation, int_at(live, "/metadata/generation")) {
        (Some(shown), Some(now)) if shown != now => Decision::Changed(format!(
            "{} was changed since this was planned (generation {now}, shown was {shown}): it stays. Look at it, then plan again",
            target.object
        )),
        _ => Decision::Send(how.options(live)),
    }
}

/// What an object that is marked for deletion waits for.
pub fn held(live: &Value) -> String {
    let finalizers: Vec<&str> = list_at(live, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    let text = match (finalizers.as_slice(), int_at(live, "/metadata/deletionGracePeriodSeconds")) {
        ([], Some(seconds)) if seconds > 0 => format!("has {seconds}s to end"),
        ([], _) => "ending".into(),
        (all, _) => format!("waits for {}", all.join(", ")),
    };
    clean(&text).into_owned()
}

/// The part that deletes.
#[derive(Debug)]
pub(super) struct Delete {
    plan: DeletePlan,
    states: Vec<State>,
    attempted: Vec<ObjectRef>,
    since: Option<Time>,
    rested: bool,
    over: bool,
    at: Time,
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Here,
    Ending(String),
    Gone,
    Stuck(String),
}

impl Delete {
    pub fn new(plan: DeletePlan) -> Self {
        let states = vec![State::Here; plan.targets.len()];
        Self { plan, states, attempted: vec![], since: None, rested: true, over: false, at: Time::NEVER }
    }

    fn set(&mut self, object: &ObjectRef, state: State, now: Time) {
        self.at = now;
        let targets = self.plan.targets.iter().zip(&mut self.states);
        targets.filter(|(target, _)| target.object == *object).for_each(|(_, s)| *s = state.clone());
    }

    fn count(&self, wanted: impl Fn(&State) -> bool) -> usize {
        self.states.iter().filter(|state| wanted(state)).count()
    }
}

impl Run for Delete {
    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        match event {
            Event::Deleted { object } => self.set(object, State::Gone, now),
            Event::Ending { object, held } => self.set(object, State::Ending(held.clone()), now),
            Event::Kept { object, why } => self.set(object, State::Stuck(why.clone()), now),
            Event::Waited => {
                self.rested = true;
                self.over = self.since.is_some_and(|since| since.age(now) >= self.plan.patience_s);
            }
            _ => {}
        }
    }

    fn attempted(&mut self, effect: &Effect) {
        if let Effect::Delete { target, .. } = effect {
            self.attempted.push(target.object.clone());
        }
    }

    fn decide(&mut self, _: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        self.since.get_or_insert(now);
        if self.count(|s| matches!(s, State::Here | State::Ending(_))) == 0 {
            let stuck =
                self.states.iter().filter_map(|s| if let State::Stuck(why) = s { Some(why.as_str()) } else { None });
            return Err(stuck.collect::<Vec<_>>().join("; "));
        }
        if !self.rested {
            return Ok(vec![Effect::Wait { ms: 400 }]);
        }
        self.rested = false;
        let how = self.plan.how;
        let effect = |(target, state): (&Doomed, &State)| match state {
            State::Here => Some(Effect::Delete { target: target.clone(), how }),
            State::Ending(_) => Some(Effect::Await(target.clone())),
            State::Gone | State::Stuck(_) => None,
        };
        Ok(self.plan.targets.iter().zip(&self.states).filter_map(effect).collect())
    }

    fn done(&self) -> bool {
        // What waits for a finalizer is deleted as far as anybody can; it is said so and not waited for without end.
        self.states.iter().all(|s| *s == State::Gone || (self.over && matches!(s, State::Ending(_))))
    }

    fn touched(&self) -> bool {
        let began = |(target, state): (&Doomed, &State)| match state {
            State::Gone | State::Ending(_) => true,
            State::Here => self.attempted.contains(&target.object),
            State::Stuck(_) => false,
        };
        self.plan.targets.iter().zip(&self.states).any(began)
    }

    fn irrevocable(&self) -> bool {
        self.touched()
    }

    fn steps(&self) -> Vec<Step> {
        let (gone, all) = (self.count(|s| *s == State::Gone), self.states.len());
        let text = match self.plan.targets.as_slice() {
            [one] if gone == 1 => format!("deleted {}", one.object),
            [one] => format!("delete {}", one.object),
            _ => format!("delete: {gone} of {all} are gone"),
        };
        let mark = if self.done() { Mark::Done } else { Mark::Waiting };
        let mut steps = vec![Step { text, mark, at: self.at }];
        for (target, state) in self.plan.targets.iter().zip(&self.states) {
            let (text, mark) = match state {
                State::Ending(held) if self.over => {
                    (format!("is marked for deletion and not gone yet: it {held}"), Mark::Skipped)
                }
                State::Ending(held) => (held.clone(), Mark::Running),
                State::Stuck(why) => (why.clone(), Mark::Failed),
                State::Here | State::Gone => continue,
            };
            steps.push(Step { text: format!("  {}: {text}", target.object), mark, at: self.at });
        }
        steps
    }
}

#[cfg(test)]
mod tests;
