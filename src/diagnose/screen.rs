//! Screening: what looks wrong in a row, cheaply enough to be asked of every row that changes. Only what looks wrong is
//! diagnosed; whether it is wrong says the diagnosis.
//!
//! A row that stands as it should costs a comparison of its tone. What takes time by itself (images, probes, rollouts)
//! is a [`Symptom`] with the time from which it counts.

pub mod backends;
mod objects;
pub mod patrol;
pub mod pods;
pub mod routes;

pub use objects::CORDONED;

use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::{Row, Tone, Uid};
use crate::world::time::Time;

/// Something about an object that looks wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Symptom {
    /// The object.
    pub object: ObjectRef,
    /// Its row.
    pub uid: Uid,
    /// How it stands, in a word: `Pending`, `OutOfSync` …
    pub word: String,
    /// How bad it looks.
    pub tone: Tone,
    /// Since when, where the row says it.
    pub since: Time,
    /// From when on it counts; before that it is on its way.
    pub from: Time,
    /// Until when it counts, for what passes by itself; [`Time::NEVER`] where nothing does.
    pub until: Time,
    /// What it belongs to: the workload of a pod; else the object itself.
    pub owner: ObjectRef,
    /// The same for objects that stand alike: one of them is diagnosed for all.
    pub shape: String,
}

impl Symptom {
    /// Whether it counts now.
    pub fn is_due(&self, now: Time) -> bool {
        self.from <= now && (!self.until.is_set() || now < self.until)
    }

    fn new(object: ObjectRef, row: &Row, word: impl Into<String>, since: Time) -> Self {
        let word = word.into();
        Self {
            uid: row.meta.uid,
            tone: if row.tone == Tone::Bad { Tone::Bad } else { Tone::Warn },
            since,
            from: since,
            until: Time::NEVER,
            owner: object.clone(),
            shape: word.clone(),
            word,
            object,
        }
    }

    /// The same, on its way for so many seconds.
    fn after(mut self, seconds: i64) -> Self {
        self.from = if self.since.is_set() { Time(self.since.0.saturating_add(seconds)) } else { self.since };
        self
    }

    fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

/// The tables that are screened, those that say most first.
pub fn screened() -> Vec<ResourceId> {
    let own = [("", "pods"), ("", "nodes"), ("argoproj.io", "applications"), ("", "persistentvolumeclaims")];
    let work = ["deployments", "statefulsets", "daemonsets"].map(|plural| ("apps", plural));
    let ways = [("", "services"), ("discovery.k8s.io", "endpointslices")];
    let routes = ["httproutes", "gateways"].map(|plural| ("gateway.networking.k8s.io", plural));
    let routes = routes.into_iter().chain([("traefik.io", "ingressroutes")]);
    let net = ["ingresses", "networkpolicies"].map(|plural| ("networking.k8s.io", plural));
    let all = own.into_iter().chain(work).chain([("batch", "jobs")]).chain(ways).chain(net).chain(routes);
    all.map(|(group, plural)| ResourceId::new(group, plural)).collect()
}

/// What looks wrong in a row; `None` for nearly every row.
///
/// Services, EndpointSlices, policies and routes say nothing one by one: see [`backends`] and [`patrol`].
pub fn symptom(kind: &ResourceId, row: &Row, now: Time) -> Option<Symptom> {
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("", "pods") => pods::symptom(row, now),
        _ if matches!(row.tone, Tone::Ok | Tone::Done) => None,
        ("", "nodes") => objects::node(row),
        ("", "persistentvolumeclaims") => objects::claim(row),
        ("argoproj.io", "applications") => objects::application(row),
        ("apps", "deployments") => objects::deployment(row),
        ("apps", "statefulsets") => objects::stateful_set(row),
        ("apps", "daemonsets") => objects::daemon_set(row),
        ("batch", "jobs") => objects::job(row),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
