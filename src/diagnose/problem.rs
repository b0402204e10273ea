//! The list of what is wrong: groups of the ledger put together by root cause, over all clusters, worst first.
//!
//! One cause at one object (for a pod: its workload) is one problem, however many objects show it and wherever. What
//! stands in the same namespace under the same name in several clusters is the same thing, deployed several times.

use super::case::Subject;
use super::causes::{self, Severity};
use super::ledger::{Group, Ledger};
use super::screen::Symptom;
use super::screen::routes::is_route;
use super::verdict::{Change, Confidence, State, Verdict};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::{Tone, Uid};
use crate::world::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Workloads of a cluster with the same trouble are listed one by one up to this many; more are one line.
const APART: usize = 4;

/// One line of the list.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Tells it from the others, also after it has changed.
    pub key: String,
    /// The cause, once it is known.
    pub cause: Option<Reason>,
    /// How bad it looks.
    pub tone: Tone,
    /// `7 pods Pending`, `shop.example.com/cart answers 503`
    pub title: String,
    /// How the objects that are seen first stand, in a word.
    pub word: String,
    /// Every object that shows it.
    pub subjects: Vec<Shown>,
    /// Clusters, namespaces and workloads that it is seen at.
    pub places: BTreeSet<(ClusterId, String, String)>,
    /// Since when, the oldest of them.
    pub since: Time,
    /// Why, in a line; empty until it is known.
    pub why: String,
    /// What to ask about it, and where.
    pub ask: (ClusterId, Subject),
}

/// An object that shows a problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Whose.
    pub cluster: ClusterId,
    /// Its kind.
    pub resource: ResourceId,
    /// Its row.
    pub uid: Uid,
    /// It.
    pub object: ObjectRef,
}

/// The reason of a problem.
#[derive(Clone, Debug)]
pub struct Reason {
    /// Id of the cause.
    pub cause: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// The object at fault, in the first of the clusters.
    pub object: ObjectRef,
    /// It; where it is a pod, its workload.
    pub root: ObjectRef,
    /// The whole verdict, of the first of the clusters.
    pub verdict: Arc<Verdict>,
}

impl Problem {
    /// `S1` to `S3`; how bad it looks where the cause is not known.
    pub fn severity(&self) -> &'static str {
        match (&self.cause, self.tone) {
            (Some(reason), _) => match reason.severity {
                Severity::Outage => "S1",
                Severity::Degraded => "S2",
                Severity::Nuisance => "S3",
            },
            (None, Tone::Bad) => "bad",
            (None, Tone::Warn) => "warn",
            (None, _) => "S3",
        }
    }

    /// The clusters, in their order.
    pub fn clusters(&self) -> BTreeSet<ClusterId> {
        self.places.iter().map(|(cluster, ..)| *cluster).collect()
    }

    /// What changed shortly before, newest first.
    pub fn changed_before(&self) -> &[Change] {
        self.cause.as_ref().map_or(&[], |reason| &reason.verdict.changed_before)
    }

    fn rank(&self) -> u8 {
        match (self.cause.as_ref().map(|reason| reason.severity), self.tone) {
            (Some(Severity::Outage), _) => 5,
            (None, Tone::Bad) => 4,
            (Some(Severity::Degraded), _) => 3,
            (None, Tone::Warn) => 2,
            _ => 1,
        }
    }
}

/// A group with what it says now.
struct Item<'a> {
    cluster: ClusterId,
    group: &'a Group,
    due: Vec<&'a Symptom>,
    reason: Option<(Reason, &'a ObjectRef)>,
    ask: Subject,
}

/// What is wrong now, worst first; of equals the newest first.
pub fn problems(ledger: &Ledger, now: Time) -> Vec<Problem> {
    let mut heaps: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for (cluster, group) in ledger.groups() {
        if let Some(item) = item(ledger, cluster, group, now) {
            heaps.entry(item.key()).or_default().push(item);
        }
    }
    let mut kinds: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
    for (key, items) in heaps {
        let alike = items.first().map(Item::alike).unwrap_or_default();
        kinds.entry(alike).or_default().extend(told(key, items));
    }
    let mut list: Vec<Problem> = kinds.into_values().flat_map(folded).collect();
    list.sort_by_cached_key(|p| (Reverse(p.rank()), Reverse(p.since), Reverse(p.subjects.len()), p.key.clone()));
    list
}

fn item<'a>(ledger: &Ledger, cluster: ClusterId, group: &'a Group, now: Time) -> Option<Item<'a>> {
    let due: Vec<&Symptom> = group.due(now).collect();
    let ask = if due.is_empty() { None } else { group.subject(now) }?;
    let reason = match group.found.as_ref().map(|found| (&found.verdict, &found.root)) {
        Some((Ok(verdict), root)) => match (&verdict.primary, verdict.state) {
            (Some(primary), _) => Some((
                Reason {
                    severity: causes::find(&primary.cause).map_or(Severity::Nuisance, |cause| cause.severity),
                    cause: primary.cause.clone(),
                    confidence: primary.confidence,
                    object: primary.object.clone(),
                    root: root.clone(),
                    verdict: verdict.clone(),
                },
                root,
            )),
            (None, State::Fine) => return None,
            (None, _) if !ledger.is_overdue(group) && verdict.unreadable.is_empty() => return None,
            (None, _) => None,
        },
        // On patrol a glance is no more than a reason to look closely.
        _ if is_route(&group.resource) => return None,
        _ => None,
    };
    Some(Item { cluster, group, due, reason, ask })
}

impl Item<'_> {
    /// The same for what is one problem.
    fn key(&self) -> String {
        match &self.reason {
            Some((reason, root)) if !root.namespace.is_empty() => format!("{}|{root}", reason.cause),
            Some((reason, root)) => format!("{}|{root}|{}", reason.cause, self.cluster.0),
            None => {
                let place = self.due.first().map(|symptom| symptom.owner.to_string()).unwrap_or_default();
                let place = if self.group.resource.plural == "nodes" { String::new() } else { place };
                format!("{}|{place}", self.alike())
            }
        }
    }

    /// The same for problems that become one line where there are too many of them.
    fn alike(&self) -> String {
        match (&self.reason, self.due.first()) {
            (Some((reason, _)), _) => format!("{}|{}", reason.cause, self.cluster.0),
            (None, Some(first)) => {
                format!("?|{}|{}|{}|{:?}", self.cluster.0, self.group.resource, first.word, first.tone)
            }
            (None, None) => String::new(),
        }
    }

    fn is_url(&self) -> bool {
        matches!(self.ask, Subject::Url(_))
    }
}

/// One problem from the groups that share its cause.
fn told(key: String, mut items: Vec<Item>) -> Option<Problem> {
    // What people see first: a URL that fails, then pods, then the rest; the surest verdict of those.
    items.sort_by_key(|item| {
        let confidence = item.reason.as_ref().map(|(reason, _)| reason.confidence);
        let kind = (!item.is_url(), item.group.resource.plural != "pods");
        (kind, Reverse(confidence), item.cluster, Reverse(item.due.len()))
    });
    let first = items.first()?;
    let cause = first.reason.as_ref().map(|(reason, _)| reason.clone());
    let same = |item: &&Item| item.group.resource == first.group.resource && item.is_url() == first.is_url();
    let leading: Vec<&Symptom> = items.iter().filter(same).flat_map(|item| item.due.iter().copied()).collect();
    let word = word(&leading);
    let title = match (&first.ask, leading.as_slice()) {
        (Subject::Url(url), _) => answers(url, cause.as_ref().map(|reason| reason.verdict.headline.as_str()), &word),
        (_, [one]) => format!("{} {} {word}", one.object.kind.to_lowercase(), one.object.name),
        (_, many) => format!("{} {} {word}", many.len(), first.group.resource.plural),
    };
    let tone = items.iter().flat_map(|item| &item.due).map(|symptom| symptom.tone).max().unwrap_or_default();
    let plain = items.iter().all(|item| item.group.is_plain());
    let since =
        items.iter().flat_map(|item| &item.due).map(|symptom| symptom.since).filter(|since| since.is_set()).min();
    let shown = |item: &Item, symptom: &Symptom| Shown {
        cluster: item.cluster,
        resource: item.group.resource.clone(),
        uid: symptom.uid,
        object: symptom.object.clone(),
    };
    let place = |item: &Item, symptom: &Symptom| {
        let owner = if symptom.owner.namespace.is_empty() { String::new() } else { symptom.owner.name.clone() };
        (item.cluster, symptom.object.namespace.clone(), owner)
    };
    let each = || items.iter().flat_map(|item| item.due.iter().map(move |symptom| (item, *symptom)));
    Some(Problem {
        key,
        tone: if plain { Tone::Busy } else { tone },
        title,
        word,
        subjects: each().map(|(item, symptom)| shown(item, symptom)).collect(),
        // The workloads of what is seen first: that an Application is not healthy either says nothing new.
        places: each().filter(|(item, _)| same(item)).map(|(item, symptom)| place(item, symptom)).collect(),
        since: since.unwrap_or(Time::NEVER),
        why: if plain { "closed for new pods (spec.unschedulable)".into() } else { why(&items, cause.as_ref()) },
        ask: (first.cluster, first.ask.clone()),
        cause,
    })
}

/// The word that most of them stand for.
fn word(symptoms: &[&Symptom]) -> String {
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    symptoms.iter().for_each(|symptom| *words.entry(&symptom.word).or_default() += 1);
    words.into_iter().max_by_key(|(_, count)| *count).map_or("", |(word, _)| word).to_owned()
}

/// What a headline ends with where the certificate is what is wrong.
const REFUSED: &str = "a certificate that clients refuse";

/// What a headline says where only a share of the requests meets the trouble.
const SHARE: &str = "for a share of the requests";

/// `shop.example.com/cart answers 503`; the code as predicted by the headline `URL → 503 (predicted for …)`.
fn answers(url: &str, headline: Option<&str>, word: &str) -> String {
    let short = url.split_once("://").map_or(url, |(_, rest)| rest);
    let code =
        headline.and_then(|text| text.split_once("→ ")).map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    match code.filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit())) {
        Some(code) if headline.is_some_and(|text| text.contains(SHARE)) => format!("{short} answers {code} to some"),
        Some(code) => format!("{short} answers {code}"),
        None if headline.is_some_and(|text| text.ends_with(REFUSED)) => format!("{short} has {REFUSED}"),
        None => format!("{short} {word}"),
    }
}

/// The sentence of the cause, the commit it came with, and what is not known.
fn why(items: &[Item], cause: Option<&Reason>) -> String {
    let Some(reason) = cause else { return not_found_out(items) };
    let summary = reason.verdict.primary.as_ref().map_or("", |primary| primary.summary.trim_end_matches('.'));
    let verdicts = items.iter().filter_map(|item| item.reason.as_ref()).map(|(reason, _)| &reason.verdict);
    let commits: BTreeSet<&str> =
        verdicts.flat_map(|v| &v.changed_before).map(|c| c.revision.as_str()).filter(|r| !r.is_empty()).collect();
    match (commits.len(), commits.first()) {
        (1, Some(commit)) => format!("{summary}, since {commit}"),
        _ => summary.to_owned(),
    }
}

fn not_found_out(items: &[Item]) -> String {
    let found = items.iter().find_map(|item| item.group.found.as_ref());
    match found.map(|found| &found.verdict) {
        None => String::new(),
        Some(Err(error)) => format!("not found out: {error}"),
        Some(Ok(verdict)) => match verdict.unreadable.first() {
            Some(hole) => format!("not found out: {} could not be read: {}", hole.resource, hole.reason),
            None => "no cause found".into(),
        },
    }
}

/// Too many alike become one line.
fn folded(mut alike: Vec<Problem>) -> Vec<Problem> {
    if alike.len() <= APART {
        return alike;
    }
    alike.sort_by_key(|problem| (problem.since, problem.key.clone()));
    let rest = alike.split_off(1);
    let Some(first) = alike.first_mut() else { return rest };
    let workloads = rest.len() + 1;
    for problem in rest {
        first.subjects.extend(problem.subjects);
        first.places.extend(problem.places);
    }
    let kind = first.subjects.first().map_or_else(String::new, |shown| shown.resource.plural.clone());
    first.title = format!("{} {kind} {}", first.subjects.len(), first.word);
    if let Some(reason) = &first.cause {
        let title = causes::find(&reason.cause).map_or(reason.cause.as_str(), |cause| cause.title);
        first.why = format!("{title} ({workloads} workloads, {} first)", reason.object);
    }
    first.key = match &first.cause {
        Some(reason) => format!("all {}|{}", reason.cause, first.ask.0.0),
        None => format!("all {kind} {}|{}", first.word, first.ask.0.0),
    };
    alike
}
