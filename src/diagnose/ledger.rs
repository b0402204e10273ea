//! The ledger of the fleet's trouble: symptoms grouped by what stands alike, and what was found out about each group.
//!
//! It says what to diagnose next, within a budget, and is told what came of it. It knows no clock: time is handed in,
//! and patience is counted in beats, one a second.

use super::case::Subject;
use super::kinds::resource_of;
use super::screen::backends::{self, Backends};
use super::screen::patrol::{self, Patrol};
use super::screen::{CORDONED, Symptom, routes, symptom};
use super::verdict::{State, Verdict};
use crate::world::fleet::{ClusterId, Table, TableDelta};
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::{Row, Tone, Uid};
use crate::world::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Subjects diagnosed together: they share what is read for them.
const TOGETHER: usize = 6;
/// Groups of one cluster that are diagnosed at all; who has more trouble than this needs no longer list.
const MOST: usize = 120;
/// Beats after which a verdict is looked at again: nothing that it named has changed; something has; it found no fault
/// in what still looks wrong; it could not be had.
const OLD: u64 = 300;
const CHANGED: u64 = 15;
const DOUBTED: u64 = 60;
const FAILED: u64 = 30;
/// Beats after which something that could not be explained is told all the same.
const UNEXPLAINED: u64 = 120;
/// Beats that a symptom must stay before it is looked into.
pub const PATIENCE: u64 = 2;

/// Everything that looks wrong, cluster by cluster.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: BTreeMap<ClusterId, Page>,
    beat: u64,
    /// Beats that a symptom must stay; see [`PATIENCE`].
    patience: u64,
    /// Grows with every change of what there is to tell.
    pub revision: u64,
}

/// One cluster's page.
#[derive(Debug, Default)]
struct Page {
    groups: HashMap<Arc<str>, Group>,
    /// The group of every object that has a symptom, table by table.
    places: HashMap<ResourceId, HashMap<Uid, Arc<str>>>,
    backends: Backends,
    patrol: Patrol,
    /// Services without endpoints behind routes, since when.
    dead: BTreeMap<ObjectRef, Time>,
    /// The tables of backends were whole once.
    begun: bool,
    /// Groups whose verdicts rest on an object.
    readers: HashMap<Uid, BTreeSet<Arc<str>>>,
    /// Subjects that are being diagnosed.
    busy: bool,
}

/// Objects of one kind that stand alike: those of one workload, in the same way.
#[derive(Debug)]
pub struct Group {
    /// Their kind.
    pub resource: ResourceId,
    /// The symptoms of each.
    pub members: BTreeMap<Uid, Symptom>,
    /// What was found out, if anything yet.
    pub found: Option<Found>,
    /// The beat it was first seen.
    first: u64,
    /// The subject that stands for all.
    asked: Option<Subject>,
}

/// What came of a diagnosis.
#[derive(Debug)]
pub struct Found {
    /// The verdict, or why there is none.
    pub verdict: Result<Arc<Verdict>, String>,
    /// The object that the reason is counted under: the one at fault, for a pod its workload.
    pub root: ObjectRef,
    /// The beat it came.
    at: u64,
    /// Something that it rests on has changed since.
    changed: bool,
}

/// Subjects to be diagnosed together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Where.
    pub cluster: ClusterId,
    /// What to ask about.
    pub subjects: Vec<Subject>,
    /// Nothing looks wrong with them: a glance is enough, see [`patrol`].
    pub glance: bool,
}

/// What came of one subject of a round.
#[derive(Debug)]
pub struct Diagnosis {
    /// What was asked about.
    pub subject: Subject,
    /// The verdict, or why there is none.
    pub verdict: Result<Box<Verdict>, String>,
    /// Uids of the objects it rests on, pods left out: they change all the time, and speak for themselves.
    pub read: Vec<Uid>,
}

impl Group {
    /// The symptoms that count now.
    pub fn due(&self, now: Time) -> impl Iterator<Item = &Symptom> {
        self.members.values().filter(move |symptom| symptom.is_due(now))
    }

    /// What stands for all of them: the URL of a backend, or the first object that counts.
    pub fn subject(&self, now: Time) -> Option<Subject> {
        let due = |at: &ObjectRef| self.due(now).any(|symptom| symptom.object == *at);
        match &self.asked {
            // The same one as before, as long as it is one of them.
            Some(Subject::Object(at)) if due(at) => self.asked.clone(),
            Some(Subject::Url(_)) => self.asked.clone(),
            _ => {
                let first = self.due(now).min_by(|a, b| a.object.cmp(&b.object))?;
                let url = backends::speaks(&self.resource) && !first.shape.is_empty();
                Some(if url { Subject::Url(first.shape.clone()) } else { Subject::Object(first.object.clone()) })
            }
        }
    }

    /// Nothing to find out: the row says it all.
    pub fn is_plain(&self) -> bool {
        self.members.values().all(|symptom| symptom.word == CORDONED)
    }

    /// Whether it is about a way: a URL, or a route.
    fn is_about(&self, way: &Subject) -> bool {
        let of_member = |symptom: &Symptom| match way {
            Subject::Url(url) => symptom.shape == *url,
            Subject::Object(at) => symptom.shape.is_empty() && symptom.object == *at,
        };
        backends::speaks(&self.resource) && self.members.values().any(of_member)
    }

    /// Whether its verdict, if any, should be looked for (again).
    fn wants(&self, beat: u64, patience: u64) -> bool {
        let Some(found) = &self.found else { return beat.saturating_sub(self.first) >= patience };
        let age = beat.saturating_sub(found.at);
        let patience = match &found.verdict {
            _ if found.changed => CHANGED,
            Err(_) => FAILED,
            Ok(verdict) if verdict.state != State::Broken => DOUBTED,
            Ok(_) => OLD,
        };
        age >= patience
    }
}

impl Ledger {
    /// An empty one; what looks wrong is looked into once it has done so for so many beats.
    pub fn new(patience: u64) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Takes in what a table's watch said, before the table does.
    pub fn hear(&mut self, cluster: ClusterId, kind: &ResourceId, delta: &TableDelta, now: Time) {
        match delta {
            TableDelta::Upsert(rows) => self.rows(cluster, kind, rows, now),
            TableDelta::Gone(uids) => {
                let Some(page) = self.pages.get_mut(&cluster) else { return };
                let gone: BTreeSet<&Uid> = uids.iter().collect();
                if backends::speaks(kind) {
                    page.backends.forget(kind, |uid| gone.contains(uid));
                }
                uids.iter().for_each(|uid| page.changed(uid));
                let left = uids.iter().filter(|uid| page.leave(kind, **uid)).count();
                self.revision += left as u64;
            }
            _ => {}
        }
    }

    fn rows(&mut self, cluster: ClusterId, kind: &ResourceId, rows: &[Row], now: Time) {
        let page = self.pages.entry(cluster).or_default();
        let (beat, backend) = (self.beat, backends::speaks(kind));
        let mut changes = 0;
        for row in rows {
            if !page.readers.is_empty() {
                page.changed(&row.meta.uid);
            }
            if backend {
                page.backends.hear(kind, row);
                continue;
            }
            changes += u64::from(match symptom(kind, row, now) {
                None => page.leave(kind, row.meta.uid),
                Some(symptom) => page.join(kind, symptom, beat),
            });
        }
        self.revision += changes;
    }

    /// A list is whole: what is no longer there is forgotten.
    pub fn listed(&mut self, cluster: ClusterId, kind: &ResourceId, table: &Table) {
        self.forget(cluster, kind, |uid| table.slot(*uid).is_none());
    }

    /// A table is no longer watched: what it said is forgotten.
    pub fn dropped(&mut self, cluster: ClusterId, kind: &ResourceId) {
        self.forget(cluster, kind, |_| true);
    }

    /// A cluster was closed: nothing of it is told any more.
    pub fn closed(&mut self, cluster: ClusterId) {
        self.revision += u64::from(self.pages.remove(&cluster).is_some());
    }

    fn forget(&mut self, cluster: ClusterId, kind: &ResourceId, gone: impl Fn(&Uid) -> bool) {
        let Some(page) = self.pages.get_mut(&cluster) else { return };
        if backends::speaks(kind) {
            page.backends.forget(kind, &gone);
            return;
        }
        let left: Vec<Uid> =
            page.places.get(kind).into_iter().flat_map(|uids| uids.keys()).filter(|uid| gone(uid)).copied().collect();
        self.revision += left.into_iter().filter(|uid| page.leave(kind, *uid)).count() as u64;
    }

    /// One more second. `whole` says of which clusters routes, Services and EndpointSlices are all there.
    pub fn beat(&mut self, now: Time, whole: impl Fn(ClusterId) -> bool) {
        self.beat += 1;
        // There is something new to tell though nothing happened.
        let overdue = self.groups().any(|(_, group)| self.beat == group.first + UNEXPLAINED);
        self.revision += u64::from(overdue);
        self.look_at_backends(now, whole);
    }

    /// Puts together which backends are dead, where that may have changed.
    pub fn look_at_backends(&mut self, now: Time, whole: impl Fn(ClusterId) -> bool) {
        for (cluster, page) in &mut self.pages {
            if whole(*cluster) && (page.backends.take_dirty() || !page.begun) {
                page.look_at_backends(now, self.beat);
                self.revision += 1;
            }
        }
    }

    /// What to diagnose now: at most one round per cluster at a time, the worst first. `open` says which clusters answer.
    pub fn rounds(&mut self, now: Time, open: impl Fn(ClusterId) -> bool) -> Vec<Round> {
        let (beat, patience) = (self.beat, self.patience);
        let waiting = self.pages.iter_mut().filter(|(cluster, page)| !page.busy && open(**cluster));
        waiting.filter_map(|(cluster, page)| page.round(*cluster, now, beat, patience)).collect()
    }

    /// Whether everything that looks wrong in a cluster has been looked into, as far as it will be.
    pub fn is_settled(&self, cluster: ClusterId, now: Time) -> bool {
        let Some(page) = self.pages.get(&cluster) else { return true };
        let open = |group: &&Group| group.found.is_none() && !group.is_plain() && group.due(now).next().is_some();
        let (open, known) = (page.groups.values().filter(open).count(), page.diagnosed());
        !page.busy
            && (open == 0 || known >= MOST)
            && page.patrol.is_done(now, self.patience == 0, |subject| page.asks(subject))
    }

    /// Takes in what came of a round. `workload` names what a pod belongs to.
    pub fn found(
        &mut self,
        cluster: ClusterId,
        came: Vec<Diagnosis>,
        now: Time,
        workload: impl Fn(&ObjectRef) -> Option<ObjectRef>,
    ) {
        let Some(page) = self.pages.get_mut(&cluster) else { return };
        page.busy = false;
        self.revision += 1;
        for Diagnosis { subject, verdict, read } in came {
            let asked = |(_, group): &(&Arc<str>, &mut Group)| group.asked.as_ref() == Some(&subject);
            let Some((key, group)) = page.groups.iter_mut().find(asked) else {
                page.glanced(&subject, verdict.as_deref().ok(), now, self.beat, self.patience == 0);
                continue;
            };
            let verdict = verdict.map(Arc::from);
            let fault = verdict.as_ref().ok().and_then(|v: &Arc<Verdict>| v.primary.as_ref()).map(|p| p.object.clone());
            let root = match fault {
                Some(at) if at.kind == "Pod" => match group.members.values().find(|member| member.object == at) {
                    Some(member) => member.owner.clone(),
                    None => workload(&at).unwrap_or(at),
                },
                Some(at) => at,
                None => ObjectRef::default(),
            };
            group.found = Some(Found { verdict, root, at: self.beat, changed: false });
            let key = key.clone();
            for uid in read {
                page.readers.entry(uid).or_default().insert(key.clone());
            }
            page.stood(&key, &subject, now, self.beat);
        }
        let Page { readers, groups, .. } = page;
        readers.retain(|_, keys| {
            keys.retain(|key| groups.contains_key(key));
            !keys.is_empty()
        });
    }

    /// The next time at which a symptom begins or ceases to count though nothing happens; far away where none does.
    pub fn turns(&self, now: Time) -> Time {
        let all = self.groups().flat_map(|(_, group)| group.members.values());
        all.flat_map(|symptom| [symptom.from, symptom.until]).filter(|at| *at > now).min().unwrap_or(Time(i64::MAX))
    }

    /// Every group of every cluster.
    pub fn groups(&self) -> impl Iterator<Item = (ClusterId, &Group)> {
        self.pages.iter().flat_map(|(cluster, page)| page.groups.values().map(|group| (*cluster, group)))
    }

    /// The group that an object belongs to.
    pub fn group_of(&self, cluster: ClusterId, kind: &ResourceId, uid: Uid) -> Option<&Group> {
        let page = self.pages.get(&cluster)?;
        page.groups.get(page.places.get(kind)?.get(&uid)?)
    }

    /// Whether a group has been there for so long that it is told also without an explanation.
    pub fn is_overdue(&self, group: &Group) -> bool {
        self.beat.saturating_sub(group.first) >= UNEXPLAINED
    }
}

impl Page {
    /// An object is well. Whether it was not before.
    fn leave(&mut self, kind: &ResourceId, uid: Uid) -> bool {
        let Some(places) = self.places.get_mut(kind).filter(|places| !places.is_empty()) else { return false };
        let Some(key) = places.remove(&uid) else { return false };
        if let Some(group) = self.groups.get_mut(&key) {
            group.members.remove(&uid);
            if group.members.is_empty() {
                self.groups.remove(&key);
            }
        }
        true
    }

    /// An object has a symptom. Whether that is anything new.
    fn join(&mut self, kind: &ResourceId, symptom: Symptom, beat: u64) -> bool {
        let owner = &symptom.owner;
        let key = format!("{kind}|{}|{}/{}|{}", symptom.object.namespace, owner.kind, owner.name, symptom.shape);
        let known = self.places.get(kind).and_then(|places| places.get(&symptom.uid)).cloned();
        let key: Arc<str> = match known {
            Some(known) if *known == *key => known,
            Some(_) => {
                self.leave(kind, symptom.uid);
                key.into()
            }
            None => key.into(),
        };
        self.places.entry(kind.clone()).or_default().insert(symptom.uid, key.clone());
        let group = self.groups.entry(key).or_insert_with(|| Group {
            resource: kind.clone(),
            members: BTreeMap::new(),
            found: None,
            first: beat,
            asked: None,
        });
        group.members.insert(symptom.uid, symptom.clone()).as_ref() != Some(&symptom)
    }

    /// An object was changed: what rests on it is to be looked at again.
    fn changed(&mut self, uid: &Uid) {
        for key in self.readers.get(uid).into_iter().flatten() {
            if let Some(found) = self.groups.get_mut(key).and_then(|group| group.found.as_mut()) {
                found.changed = true;
            }
        }
    }

    fn look_at_backends(&mut self, now: Time, beat: u64) {
        let kind = ResourceId::core("services");
        // What is so at the first look has been so for an unknown time.
        let since = if std::mem::replace(&mut self.begun, true) { now } else { Time::NEVER };
        let dead = self.backends.dead();
        let gone: Vec<Uid> = self.places.get(&kind).into_iter().flat_map(|places| places.keys()).copied().collect();
        let symptoms: Vec<Symptom> =
            dead.iter().map(|d| d.symptom(self.dead.get(&d.service).copied().unwrap_or(since))).collect();
        self.dead = symptoms.iter().map(|symptom| (symptom.object.clone(), symptom.since)).collect();
        for uid in gone.into_iter().filter(|uid| symptoms.iter().all(|symptom| symptom.uid != *uid)) {
            self.leave(&kind, uid);
        }
        for symptom in symptoms {
            self.join(&kind, symptom, beat);
        }
        if !self.backends.take_moved() {
            return;
        }
        self.patrol.set(self.backends.stops(), beat);
        for (kind, uid) in self.on_patrol().filter(|(_, uid)| !self.patrol.has(*uid)).collect::<Vec<_>>() {
            self.leave(&kind, uid);
        }
    }

    /// What was found on patrol and is looked at since.
    fn on_patrol(&self) -> impl Iterator<Item = (ResourceId, Uid)> {
        let kinds = self.places.iter().filter(|(kind, _)| routes::is_route(kind));
        kinds.flat_map(|(kind, uids)| uids.keys().map(|uid| (kind.clone(), *uid)))
    }

    /// Whether a subject stands for a group.
    fn asks(&self, subject: &Subject) -> bool {
        self.groups.values().any(|group| group.is_about(subject))
    }

    /// Takes in what a glance saw.
    fn glanced(&mut self, subject: &Subject, verdict: Option<&Verdict>, now: Time, beat: u64, hurry: bool) {
        if let Some(symptom) = self.patrol.walked(subject, verdict, now, beat, hurry) {
            self.join(&resource_of(&symptom.object), symptom, beat);
        }
    }

    /// What was found on patrol and does not hold when it is looked at closely is let go.
    fn stood(&mut self, key: &Arc<str>, subject: &Subject, now: Time, beat: u64) {
        let Some(group) = self.groups.get(key).filter(|group| routes::is_route(&group.resource)) else { return };
        let Some(Ok(verdict)) = group.found.as_ref().map(|found| found.verdict.clone()) else { return };
        if !patrol::counts(&verdict) {
            let (kind, uids) = (group.resource.clone(), group.members.keys().copied().collect::<Vec<_>>());
            self.patrol.walked(subject, Some(&verdict), now, beat, false);
            for uid in uids {
                self.leave(&kind, uid);
            }
        }
    }

    fn diagnosed(&self) -> usize {
        self.groups.values().filter(|group| group.found.is_some()).count()
    }

    fn round(&mut self, cluster: ClusterId, now: Time, beat: u64, patience: u64) -> Option<Round> {
        let room = MOST.saturating_sub(self.diagnosed());
        let mut wanting: Vec<(Urgency, Arc<str>)> = Vec::new();
        for (key, group) in &self.groups {
            if group.is_plain() || !group.wants(beat, patience) || group.due(now).next().is_none() {
                continue;
            }
            wanting.push((urgency(group), key.clone()));
        }
        let late = patience > 0 && self.patrol.is_late(beat);
        wanting.retain(|_| !late);
        wanting.sort_unstable();
        let mut fresh = 0;
        wanting.retain(|((known, ..), _)| {
            fresh += usize::from(!known);
            *known || fresh <= room
        });
        let mut subjects = Vec::new();
        for (_, key) in wanting.into_iter().take(TOGETHER) {
            let Some(group) = self.groups.get_mut(&key) else { continue };
            group.asked = group.subject(now);
            subjects.extend(group.asked.clone());
        }
        let glance = subjects.is_empty();
        if glance {
            let groups = &self.groups;
            let known = |subject: &Subject| groups.values().any(|group| group.is_about(subject));
            subjects = self.patrol.troop(now, beat, patience == 0, known);
        }
        self.busy = !subjects.is_empty();
        self.busy.then_some(Round { cluster, subjects, glance })
    }
}

/// Known already, not bad, fewer objects, its name: what comes later.
type Urgency = (bool, bool, Reverse<usize>, Option<ObjectRef>);

fn urgency(group: &Group) -> Urgency {
    let bad = group.members.values().any(|symptom| symptom.tone == Tone::Bad);
    let first = group.members.values().next().map(|symptom| symptom.object.clone());
    (group.found.is_some(), !bad, Reverse(group.members.len()), first)
}

#[cfg(test)]
mod tests;
