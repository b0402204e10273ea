//! What no row shows: a route that is not taken, a middleware that is missing, a policy in the way, a port that nobody
//! listens on. So every way is walked from time to time though nothing looks wrong: its URL is diagnosed at a glance
//! (what the watches keep and the API server knows; no logs, no name server), in troops, at a pace. What a glance finds
//! is a [`Symptom`], and is then diagnosed as any other one.
//!
//! Only what that close look is sure of is told, and only what does not speak for itself: that pods are not ready, a node
//! is gone or an Application is out of sync their own rows say, in their own time.

use super::{Symptom, screened};
use crate::diagnose::case::Subject;
use crate::diagnose::causes::{self, Severity};
use crate::diagnose::kinds::{SERVICES, SLICES, resource_of};
use crate::diagnose::screen::routes;
use crate::diagnose::verdict::{Confidence, Verdict};
use crate::world::object::ObjectRef;
use crate::world::row::{Tone, Uid};
use crate::world::time::Time;
use std::collections::BTreeMap;

/// Ways that are walked together: they share what is read for them.
const TROOP: usize = 48;
/// Beats between two troops, and until a way is walked again though nothing changed on it.
const PACE: u64 = 10;
const AGAIN: u64 = 900;
/// Beats after which a troop no longer waits for everything else.
const LATE: u64 = 60;
/// Beats that a change on the way is left alone, and after which a walk that came to nothing is tried again.
const CALM: u64 = 15;
const FAILED: u64 = 60;
/// A route that is new may not be taken yet, and its certificate not issued; who watches does not hurry to look at it.
const NEW_S: i64 = 120;
/// What is found to be wrong all of a sudden may pass.
const PASSING_S: i64 = 15;

/// A way that is walked.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    subject: Subject,
    route: ObjectRef,
    created: Time,
    /// Another one when anything on the way says something else.
    state: u64,
    /// The beat of the last walk.
    walked: Option<u64>,
    /// The beat from which on it should be walked again.
    due: u64,
}

impl Stop {
    /// One that was never walked.
    pub fn new(subject: Subject, route: ObjectRef, created: Time, state: u64) -> Self {
        Self { subject, route, created, state, walked: None, due: 0 }
    }

    fn is_new(&self, now: Time) -> bool {
        self.created.is_set() && self.created.age(now) < NEW_S
    }

    /// Its number among the symptoms of its kind.
    pub fn uid(&self) -> Uid {
        match &self.subject {
            Subject::Url(url) => Uid::of_name(&self.route.to_string(), url),
            Subject::Object(at) => Uid::of_name(&at.to_string(), ""),
        }
    }

    /// Something is wrong on the way; seen before anybody knew it otherwise, if `before`.
    fn symptom(&self, now: Time, before: bool) -> Symptom {
        let since = if before { Time::NEVER } else { now };
        let found = Symptom {
            object: self.route.clone(),
            uid: self.uid(),
            word: "does not answer".into(),
            tone: Tone::Bad,
            since,
            from: since,
            until: Time::NEVER,
            owner: self.route.clone(),
            shape: match &self.subject {
                Subject::Url(url) => url.clone(),
                Subject::Object(_) => String::new(),
            },
        };
        found.after(PASSING_S)
    }
}

/// The ways of one cluster, and how far they have been walked.
#[derive(Debug, Default)]
pub struct Patrol {
    stops: BTreeMap<String, Stop>,
    /// The beat of the last troop.
    last: Option<u64>,
}

impl Patrol {
    /// Takes in the ways that there are now. What changed is walked again, once it had time to settle.
    pub fn set(&mut self, mut stops: BTreeMap<String, Stop>, beat: u64) {
        for (key, stop) in &mut stops {
            let Some(known) = self.stops.get(key) else { continue };
            (stop.walked, stop.due) = (known.walked, known.due);
            if known.state != stop.state {
                stop.due = beat + CALM;
            }
        }
        self.stops = stops;
    }

    /// The ways to walk now: first those that nobody has walked yet, then those that changed, then the oldest.
    /// `known` says what is being looked at anyway; `hurry`: somebody waits, there is no pace, and
    /// nothing is too new.
    pub fn troop(&mut self, now: Time, beat: u64, hurry: bool, known: impl Fn(&Subject) -> bool) -> Vec<Subject> {
        if !hurry && self.last.is_some_and(|last| beat < last + PACE) {
            return Vec::new();
        }
        let open = |stop: &&mut Stop| stop.due <= beat && (hurry || !stop.is_new(now)) && !known(&stop.subject);
        let mut wanting: Vec<&mut Stop> = self.stops.values_mut().filter(open).collect();
        wanting.sort_by_key(|stop| (stop.walked.is_some(), stop.due));
        wanting.truncate(TROOP);
        let troop = wanting.into_iter().map(|stop| {
            // Should no answer come it is not asked again at once.
            stop.due = beat + AGAIN;
            stop.subject.clone()
        });
        let troop: Vec<Subject> = troop.collect();
        if !troop.is_empty() {
            self.last = Some(beat);
        }
        troop
    }

    /// Whether the next troop waits so long that it comes before what looks wrong: there may always be something.
    pub fn is_late(&self, beat: u64) -> bool {
        beat >= self.last.unwrap_or_default() + LATE && self.stops.values().any(|stop| stop.due <= beat)
    }

    /// Whether every way has been walked that can be.
    pub fn is_done(&self, now: Time, hurry: bool, known: impl Fn(&Subject) -> bool) -> bool {
        let left = |stop: &Stop| stop.walked.is_none() && (hurry || !stop.is_new(now)) && !known(&stop.subject);
        !self.stops.values().any(left)
    }

    /// Takes in what came of a walk; a symptom where it is worth one. `hurry` as in [`Patrol::troop`].
    pub fn walked(
        &mut self,
        subject: &Subject,
        verdict: Option<&Verdict>,
        now: Time,
        beat: u64,
        hurry: bool,
    ) -> Option<Symptom> {
        let stop = self.stops.values_mut().find(|stop| stop.subject == *subject)?;
        let before = stop.walked.replace(beat).is_none();
        stop.due = beat + if verdict.is_some() { AGAIN } else { FAILED };
        // Of a new route only an outage is told, a certificate may be on its way; who waits is told what is so now.
        let old = hurry || !stop.is_new(now);
        let suspect = |verdict: &Verdict| is_matter(verdict, Confidence::Medium) && (old || is_outage(verdict));
        verdict.is_some_and(suspect).then(|| stop.symptom(now, before))
    }

    /// Whether there still is such a way.
    pub fn has(&self, uid: Uid) -> bool {
        self.stops.values().any(|stop| stop.uid() == uid)
    }
}

/// Whether what a close look found on a way is told.
pub fn counts(verdict: &Verdict) -> bool {
    is_matter(verdict, Confidence::High)
}

/// Whether a way has trouble of its own, and how sure that has to be.
fn is_matter(verdict: &Verdict, least: Confidence) -> bool {
    let Some(primary) = &verdict.primary else { return false };
    let grave = causes::find(&primary.cause).is_some_and(|cause| cause.severity >= Severity::Degraded);
    grave && primary.confidence >= least && !speaks_for_itself(&primary.object)
}

fn is_outage(verdict: &Verdict) -> bool {
    let cause = verdict.primary.as_ref().and_then(|primary| causes::find(&primary.cause));
    cause.is_some_and(|cause| cause.severity == Severity::Outage)
}

/// Whether the rows of a kind are screened one by one.
fn speaks_for_itself(at: &ObjectRef) -> bool {
    let kind = resource_of(at);
    let silent =
        kind == SERVICES.id() || kind == SLICES.id() || super::backends::speaks(&kind) || routes::is_route(&kind);
    !silent && screened().contains(&kind)
}
