//! What is wrong in the fleet: the ledger that diagnosis keeps, and its list as people read it.

use super::State;
use super::list::{ListRow, Listing};
use crate::diagnose::case::Subject;
use crate::diagnose::ledger::{Ledger, Round};
pub use crate::diagnose::problem::Problem;
use crate::diagnose::{problem, screen};
use crate::effect::Effect;
use crate::world::fleet::{ClusterId, Feed, Fleet, Link};
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::time::{Time, human};
use std::collections::{BTreeSet, HashMap};

/// The problems, and what they are made of.
#[derive(Debug, Default)]
pub struct Problems {
    /// Worst first.
    pub list: Vec<Problem>,
    /// What looks wrong and what was found out about it.
    pub ledger: Ledger,
    /// The problem that an object belongs to, as an index of the list.
    of: HashMap<(ClusterId, ObjectRef), usize>,
    /// Kinds and groups of those objects whose problem has a known cause.
    kinds: BTreeSet<(String, String)>,
    /// The ledger's revision and the time of the list, and when the list becomes another one though nothing happens.
    told: (u64, Time),
    turns: Time,
}

/// With more problems than this the list is made once a second only.
const MANY: usize = 100;

impl Problems {
    /// None so far; what looks wrong is looked into once it has done so for so many seconds.
    pub fn new(patience: u64) -> Self {
        Self { ledger: Ledger::new(patience), ..Self::default() }
    }

    /// Makes the list anew where something may have changed: the ledger, or the time (what was on its way is late now).
    pub fn refresh(&mut self, now: Time) {
        let same = self.ledger.revision == self.told.0 && now >= self.told.1 && now < self.turns;
        if same || (self.list.len() > MANY && now == self.told.1) {
            return;
        }
        self.told = (self.ledger.revision, now);
        self.turns = self.ledger.turns(now);
        self.list = problem::problems(&self.ledger, now);
        self.of.clear();
        self.kinds.clear();
        // The worst problem of an object is the one that its row names.
        for (n, problem) in self.list.iter().enumerate().rev() {
            for (cluster, object) in objects(problem) {
                if problem.cause.is_some() {
                    self.kinds.insert((object.kind.clone(), object.group.clone()));
                }
                self.of.insert((cluster, object), n);
            }
        }
    }

    /// The problem that an object shows or is at the root of.
    pub fn of(&self, cluster: ClusterId, object: ObjectRef) -> Option<&Problem> {
        self.list.get(*self.of.get(&(cluster, object))?)
    }

    /// Whether rows of a kind may belong to a problem with a known cause.
    pub fn explains(&self, kind: &str, group: &str) -> bool {
        self.kinds.iter().any(|(known, of)| known == kind && of == group)
    }

    /// How many of them a cluster has.
    pub fn count(&self, cluster: ClusterId) -> usize {
        self.list.iter().filter(|problem| problem.places.iter().any(|(at, ..)| *at == cluster)).count()
    }
}

/// Every object that a problem speaks of: those that show it, the one at fault, and the chain between them.
fn objects(problem: &Problem) -> BTreeSet<(ClusterId, ObjectRef)> {
    let mut all: BTreeSet<_> = problem.subjects.iter().map(|shown| (shown.cluster, shown.object.clone())).collect();
    if let Some(reason) = &problem.cause {
        let chain = reason.verdict.contributing.iter().map(|finding| finding.object.clone());
        let clusters = problem.clusters();
        for object in chain.chain([reason.object.clone(), reason.root.clone()]) {
            all.extend(clusters.iter().map(|cluster| (*cluster, object.clone())));
        }
    }
    all
}

impl Problem {
    /// For the bar, where there is no room for a sentence: `2 pods Pending (taint-untolerated)`.
    pub fn headline(&self) -> String {
        match &self.cause {
            // The code says it.
            Some(_) if matches!(self.ask.1, Subject::Url(_)) => self.title.clone(),
            Some(reason) => format!("{} ({})", self.title, reason.cause),
            None => self.title.clone(),
        }
    }

    /// What the column WHY says: the cause, and how many stand alike.
    pub fn brief(&self) -> String {
        match (&self.cause, self.subjects.len()) {
            (None, _) => String::new(),
            (Some(reason), 1) => reason.cause.clone(),
            (Some(reason), n) => format!("{} ({n} alike)", reason.cause),
        }
    }

    /// Its namespaces; empty for what lives in none.
    pub fn namespaces(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.places.iter().map(|(_, ns, _)| ns).filter(|ns| !ns.is_empty()).collect();
        names.into_iter().cloned().collect()
    }

    /// `prod-us ml/recommender`, `prod-eu, prod-us shop`, `3 of 5 clusters`, `prod-us 7 namespaces`
    pub fn place_words(&self, fleet: &Fleet) -> String {
        let ids = self.clusters();
        let names: Vec<&str> = ids.iter().map(|id| fleet.shard(*id).name.as_str()).collect();
        let opened = fleet.shards.iter().filter(|shard| shard.link != Link::Closed).count();
        let clusters = match names.as_slice() {
            few @ ([_] | [_, _]) => few.join(", "),
            many => format!("{} of {opened} clusters", many.len()),
        };
        let owners: BTreeSet<(&str, &str)> = self.places.iter().map(|(_, ns, owner)| (&**ns, &**owner)).collect();
        let namespaces = self.namespaces();
        match (owners.first(), namespaces.as_slice()) {
            (_, []) => clusters,
            (Some((ns, owner)), _) if owners.len() == 1 => format!("{clusters} {ns}/{owner}"),
            (_, [_] | [_, _]) => format!("{clusters} {}", namespaces.join(", ")),
            (_, many) => format!("{clusters} {} namespaces", many.len()),
        }
    }
}

impl State {
    /// One more second for the ledger: what is to be diagnosed now.
    pub fn diagnose(&mut self) -> Vec<Effect> {
        let (now, fleet) = (self.now, &self.fleet);
        let ledger = &mut self.problems.ledger;
        ledger.beat(now, |id| backends_are_whole(fleet, id));
        let rounds = ledger.rounds(now, |id| fleet.shard(id).link == Link::Live);
        let told = rounds.into_iter().map(|Round { cluster, subjects, glance }| match glance {
            true => Effect::Glance { cluster, subjects },
            false => Effect::Diagnose { cluster, subjects },
        });
        told.collect()
    }

    /// What could not be read of a cluster and may hide trouble: the kind, and why. Empty: all of it.
    pub fn blind_spots(&self, id: ClusterId) -> Vec<(String, String)> {
        let shard = self.fleet.shard(id);
        if let Link::Lost { reason, .. } = &shard.link {
            return vec![("everything".into(), reason.clone())];
        }
        let blind = |kind: ResourceId| match &shard.table(&kind)?.feed {
            Feed::Denied(reason) | Feed::Stale { reason, .. } => Some((kind.to_string(), reason.clone())),
            _ => None,
        };
        screen::screened().into_iter().filter_map(blind).collect()
    }

    /// Whether everything that can be found out about a cluster has been found out.
    pub fn is_settled(&self, id: ClusterId) -> bool {
        let shard = self.fleet.shard(id);
        let catalog = &shard.catalog;
        let there = |kind: &ResourceId| match shard.table(kind).map(|table| &table.feed) {
            Some(Feed::Live | Feed::Denied(_) | Feed::Unknown(_) | Feed::Stale { .. }) => true,
            Some(Feed::Loading { .. } | Feed::Idle) => false,
            None => !catalog.iter().any(|resource| resource.id == *kind),
        };
        match shard.link {
            Link::Lost { .. } => true,
            Link::Live => {
                !catalog.is_empty()
                    && screen::screened().iter().all(there)
                    && self.problems.ledger.is_settled(id, self.now)
            }
            Link::Closed | Link::Connecting => false,
        }
    }
}

/// Whether what is missing from routes, Services and EndpointSlices is really missing.
fn backends_are_whole(fleet: &Fleet, id: ClusterId) -> bool {
    let shard = fleet.shard(id);
    let mut tables = screen::screened().into_iter().filter(screen::backends::speaks);
    let whole = |kind: ResourceId| match shard.table(&kind).map(|table| &table.feed) {
        Some(Feed::Live) => true,
        _ if screen::backends::is_essential(&kind) => false,
        Some(Feed::Denied(_) | Feed::Unknown(_)) => true,
        Some(_) => false,
        None => !shard.catalog.is_empty() && shard.catalog.iter().all(|resource| resource.id != kind),
    };
    shard.link == Link::Live && tables.all(whole)
}

/// Narrower screens have no room for a sentence; the id of the cause says more than half of one.
const WIDE: u16 = 110;

fn why(problem: &Problem, width: u16) -> String {
    match &problem.cause {
        Some(reason) if width < WIDE => reason.cause.clone(),
        _ => problem.why.clone(),
    }
}

/// The list of problems.
pub fn listing(state: &State) -> Listing {
    let rows = state.problems.list.iter().map(|p| {
        let since = if p.since.is_set() { human(p.since.age(state.now)) } else { "–".into() };
        let cells =
            vec![p.severity().into(), p.title.clone(), p.place_words(&state.fleet), since, why(p, state.size.0)];
        ListRow::new(&*p.key, cells).tone(p.tone)
    });
    Listing {
        columns: &[("SEV", false), ("WHAT", false), ("WHERE", false), ("SINCE", true), ("WHY", false)],
        rows: rows.collect(),
        empty: "nothing is wrong with what could be read",
        ..Listing::default()
    }
}
