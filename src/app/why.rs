//! The driver of diagnosis: gathers what it asks for, until it has a verdict.
//!
//! What the watches keep is taken from there, the rest is read from the server, several facts at once. Subjects that are
//! diagnosed together share every fact.

mod commits;
mod fetch;

use super::desk::Desk;
use super::session::Session;
use crate::cluster::api::{Api, ApiError};
use crate::cluster::hub::Hub;
use crate::diagnose::case::{Answer, CaseFile, Need, Recalled, Subject};
use crate::diagnose::ledger::Diagnosis;
use crate::diagnose::verdict::{Unreadable, Verdict};
use crate::diagnose::{Outcome, explain};
use crate::gitops::locate::redact;
use crate::kinds::{self, Resolved};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, ResourceId, str_at};
use crate::world::row::Uid;
use futures::StreamExt;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) use fetch::fetch;

/// Rounds of asking before the driver gives up; a chain from a node over a budget and a probe to a workload needs twelve.
const ROUNDS: usize = 32;
/// How long the subjects of one round may take in the background.
const LONGEST: Duration = Duration::from_secs(120);
/// Objects that a verdict in the background is held to rest on, at most.
const MOST_READ: usize = 48;

/// What a diagnosis may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Requests under way at once.
    at_once: usize,
    /// Objects of one list; a longer one stays a hole.
    list: usize,
    /// Whether logs and name servers are asked.
    far: bool,
    /// Whether repositories are asked what is new; else what their mirrors hold must do.
    git: bool,
    /// Another cluster asks: what leads into a third one is not followed.
    there: bool,
}

/// Somebody waits for the answer.
const ASKED: Budget = Budget { at_once: 8, list: usize::MAX, far: true, git: true, there: false };
/// Nobody does, and the cluster has other things to do. (Unpacked, a pod takes some ten kilobytes.)
pub const BACKGROUND: Budget = Budget { at_once: 4, list: 5_000, far: true, git: false, there: false };
/// Nothing even looks wrong.
pub const GLANCE: Budget = Budget { at_once: 2, far: false, ..BACKGROUND };

/// Where facts come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The way to the servers, and the repositories of the configuration.
    pub session: &'a Session,
    /// Which cluster is asked.
    pub cluster: ClusterId,
    /// What the watches keep; `None` where nothing is watched.
    pub desk: Option<&'a Desk>,
}

impl<'a> Source<'a> {
    fn hub(&self) -> &'a Hub {
        &self.session.hub
    }

    fn name(&self) -> &'a str {
        &self.session.context(self.cluster).name
    }
}

/// Diagnoses a subject in a live cluster (or a recording, which is served like one).
///
/// # Errors
/// When the cluster cannot be reached at all; single facts that cannot be read become holes of the verdict instead.
///
/// `progress` hears how many facts are in and what is read next.
pub async fn diagnose(
    source: Source<'_>,
    subject: Subject,
    progress: impl Fn(usize, String),
) -> Result<Verdict, ApiError> {
    let done = together(source, vec![subject], ASKED, progress).await?;
    let verdict = done.into_iter().next().map(|done| done.verdict);
    verdict.ok_or_else(|| ApiError::Malformed("the diagnosis failed; the log has details".into()))
}

/// Diagnoses subjects in the background: together, slowly, and with an answer for each in any case.
pub async fn look_into(source: Source<'_>, subjects: Vec<Subject>, budget: Budget) -> Vec<Diagnosis> {
    let work = together(source, subjects.clone(), budget, |_, _| {});
    let error = match tokio::time::timeout(LONGEST, work).await {
        Ok(Ok(done)) => {
            let told = |Done { subject, read, verdict }| Diagnosis { subject, read, verdict: Ok(Box::new(verdict)) };
            return done.into_iter().map(told).collect();
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not done within {} s", LONGEST.as_secs()),
    };
    let failed = |subject| Diagnosis { subject, verdict: Err(error.clone()), read: Vec::new() };
    subjects.into_iter().map(failed).collect()
}

/// Uids of the single objects that a verdict rests on. Pods change all the time and speak for themselves.
fn read(case: &CaseFile) -> Vec<Uid> {
    let objects = case.facts().filter_map(|(need, answer)| match (need, answer) {
        (Need::Object { resource, .. }, Answer::Object(object)) if resource.plural != "pods" => Some(object),
        _ => None,
    });
    let uids = objects.map(|object| str_at(object, "/metadata/uid")).filter(|uid| !uid.is_empty());
    uids.map(Uid::parse).take(MOST_READ).collect()
}

/// A subject that was diagnosed.
struct Done {
    subject: Subject,
    /// The objects that the verdict rests on.
    read: Vec<Uid>,
    verdict: Verdict,
}

/// Runs the diagnosis of all subjects side by side, on one case file: what was read and computed for one, the others
/// need not read and compute again.
async fn together(
    source: Source<'_>,
    subjects: Vec<Subject>,
    budget: Budget,
    progress: impl Fn(usize, String),
) -> Result<Vec<Done>, ApiError> {
    let api = source.hub().api(source.cluster).await?;
    let catalog = source.hub().catalog(source.cluster).await?;
    let mut case = CaseFile::new(Subject::Url(String::new()), source.hub().clock(source.cluster).await);
    let (mut open, mut done) = (subjects, Vec::new());
    for _ in 0..ROUNDS {
        let judged;
        (case, judged) = judge(case, open).await?;
        open = Vec::new();
        let mut needs = BTreeSet::new();
        for (subject, outcome) in judged {
            match outcome {
                Outcome::Verdict(verdict) => {
                    let verdict = Verdict { cluster: source.name().to_string(), ..*verdict };
                    done.push(Done { subject, read: read(&case), verdict });
                }
                Outcome::Needs(more) => {
                    needs.extend(more);
                    open.push(subject);
                }
            }
        }
        if open.is_empty() {
            return Ok(done);
        }
        progress(case.facts().count(), needs.first().map(describe).unwrap_or_default());
        for (need, answer) in gather(source, &api, &catalog, needs, budget).await {
            case.put(need, answer);
        }
    }
    let gave_up = |subject| Done { verdict: gave_up(source.name(), &subject), read: read(&case), subject };
    done.extend(open.into_iter().map(gave_up));
    Ok(done)
}

/// Lets diagnosis look at the subjects of a case, on a thread where it disturbs nobody.
async fn judge(mut case: CaseFile, subjects: Vec<Subject>) -> Result<(CaseFile, Vec<(Subject, Outcome)>), ApiError> {
    let look = move || {
        let outcome = |subject: Subject| {
            case.turn_to(subject.clone());
            (subject, explain(&case))
        };
        let judged = subjects.into_iter().map(outcome).collect();
        (case, judged)
    };
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|_| ApiError::Malformed("the diagnosis failed; the log has details".into()))
}

/// Answers needs: from what the watches keep, else from the server.
async fn gather(
    source: Source<'_>,
    api: &Api,
    catalog: &[Resource],
    mut needs: BTreeSet<Need>,
    budget: Budget,
) -> Vec<(Need, Answer)> {
    let mut facts = Vec::new();
    let is_far = |need: &Need| matches!(need, Need::Log { .. } | Need::Name { .. } | Need::Commits { .. });
    if !budget.far {
        facts.extend(needs.extract_if(.., |need| is_far(need)).map(|need| (need, Answer::Failed("not asked".into()))));
    }
    if let Some(desk) = source.desk {
        let asked = needs.iter().filter(|need| !is_far(need)).cloned().collect();
        let kept = desk.recall(source.cluster, asked).await;
        facts.extend(tokio::task::spawn_blocking(move || unpacked(kept, budget)).await.unwrap_or_default());
        needs.retain(|need| facts.iter().all(|(known, _)| known != need));
    }
    let ask = |need| fetch::fetch_in_fleet(source, api, catalog, budget, need);
    let mut answers = futures::stream::iter(needs.into_iter().map(ask)).buffer_unordered(budget.at_once);
    while let Some(fact) = answers.next().await {
        facts.push(fact);
    }
    facts
}

fn unpacked(kept: Vec<(Need, Recalled)>, budget: Budget) -> Vec<(Need, Answer)> {
    let unpack = |(need, kept): (Need, Recalled)| {
        let answer = match kept.len() {
            n if n > budget.list => Answer::Failed(format!("{n} objects are too many to look at in the background")),
            _ => kept.unpack()?,
        };
        Some((need, answer))
    };
    kept.into_iter().filter_map(unpack).collect()
}

/// Several questions to one cluster: what was read and computed for one serves the next.
pub struct Investigation<'s> {
    source: Source<'s>,
    api: Api,
    catalog: Arc<[Resource]>,
    case: CaseFile,
}

impl<'s> Investigation<'s> {
    /// Begins without any fact.
    ///
    /// # Errors
    /// When the cluster cannot be reached.
    pub async fn open(source: Source<'s>) -> Result<Self, ApiError> {
        let (api, catalog) = (source.hub().api(source.cluster).await?, source.hub().catalog(source.cluster).await?);
        let case = CaseFile::new(Subject::Url(String::new()), source.hub().clock(source.cluster).await);
        Ok(Self { source, api, catalog, case })
    }

    /// Diagnoses a subject, gathering what it asks for.
    pub async fn verdict(&mut self, subject: Subject) -> Verdict {
        self.case.turn_to(subject);
        for _ in 0..ROUNDS {
            let needs = match explain(&self.case) {
                Outcome::Verdict(verdict) => return Verdict { cluster: self.source.name().to_string(), ..*verdict },
                Outcome::Needs(needs) => needs.into_iter().collect(),
            };
            for (need, answer) in gather(self.source, &self.api, &self.catalog, needs, ASKED).await {
                self.case.put(need, answer);
            }
        }
        gave_up(self.source.name(), &self.case.subject)
    }

    /// A list, read once and kept as a fact.
    ///
    /// # Errors
    /// When it cannot be read, or the cluster does not serve the kind.
    pub async fn list(&mut self, resource: ResourceId, namespace: Option<&str>) -> Result<Arc<Vec<Value>>, ApiError> {
        let kind = fetch::kind(&self.catalog, &resource)
            .ok_or_else(|| ApiError::Malformed(format!("the cluster serves no {resource}")))?;
        let items = Arc::new(fetch::list(&self.api, kind, namespace).await?);
        let need = Need::List { resource, namespace: namespace.map(Into::into) };
        self.case.put(need, Answer::List(items.clone()));
        Ok(items)
    }
}

/// A need in words, for the line that says what is being read.
fn describe(need: &Need) -> String {
    match need {
        Need::Object { resource, name, .. } => format!("{resource} {name}"),
        Need::Elsewhere { cluster, resource, name, .. } => format!("{resource} {name} in {cluster}"),
        Need::List { resource, .. } => resource.to_string(),
        Need::Deployers => "Applications of the other clusters".into(),
        Need::Verdict { cluster, object } => format!("{object} in {cluster}"),
        Need::PodsOn { node } => format!("pods on node {node}"),
        Need::Log { pod, container, .. } => format!("log of {pod}/{container}"),
        Need::Name { host } => format!("name {host}"),
        Need::Commits { url, .. } => format!("commits of {}", redact(url)),
    }
}

/// A verdict that says honestly that no end was found.
fn gave_up(name: &str, subject: &Subject) -> Verdict {
    Verdict {
        version: 1,
        subject: Some(subject.clone()),
        cluster: name.to_string(),
        headline: "could not be found out".into(),
        unreadable: vec![Unreadable {
            resource: "facts".into(),
            reason: format!("diagnosis still asked for more after {ROUNDS} rounds"),
            would_decide: "the cause; please report this with a recording of the cluster".into(),
        }],
        ..Verdict::default()
    }
}

/// Reads what a person typed: a URL, or `kind/name` with any name of the kind that discovery or our table knows.
///
/// # Errors
/// A sentence saying what was not understood.
pub fn subject(catalog: &[Resource], target: &str, namespace: &str) -> Result<Subject, String> {
    if let Some((scheme, rest)) = target.split_once("://") {
        let scheme = scheme.to_lowercase();
        if !["http", "https"].contains(&scheme.as_str()) {
            return Err(format!("`{target}`: only http:// and https:// can be followed"));
        }
        if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
            return Err(format!("`{target}` names no host; write {scheme}://host/path"));
        }
        return Ok(Subject::Url(format!("{scheme}://{rest}")));
    }
    let Some((word, name)) = target.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()) else {
        return Err(format!(
            "`{target}` is neither a URL nor KIND/NAME; write pod/NAME, node/NAME, app/NAME or https://host/path"
        ));
    };
    let kind = kind_called(catalog, word).map_err(|error| match word.contains('.') {
        true => format!("{error}; if it is the host of a URL, write https://{target}"),
        false => error,
    })?;
    let namespace = if kind.namespaced { namespace } else { "" };
    Ok(Subject::Object(ObjectRef::new(&kind.id.group, &kind.kind, namespace, name)))
}

/// The kind a person means by a word.
fn kind_called<'a>(catalog: &'a [Resource], word: &str) -> Result<&'a Resource, String> {
    match kinds::resolve(catalog, word) {
        Resolved::One(kind) => Ok(kind),
        Resolved::Several(kinds) => {
            let names: Vec<String> = kinds.iter().map(|k| k.id.to_string()).collect();
            Err(format!("`{word}` may mean {}; write the full name", names.join(" or ")))
        }
        Resolved::Nothing(near) if near.is_empty() => Err(format!("this cluster has no kind called `{word}`")),
        Resolved::Nothing(near) => {
            Err(format!("this cluster has no kind called `{word}`; did you mean {}?", near.join(" or ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_objects_and_from_what_is_neither() {
        let asked = |target: &str| subject(&[], target, "");
        assert!(matches!(asked("HTTPS://a.b/X"), Ok(Subject::Url(url)) if url == "https://a.b/X"));
        assert!(asked("https://").unwrap_err().contains("names no host"));
        assert!(asked("https:///x").unwrap_err().contains("names no host"));
        assert!(asked("ftp://a.b/").unwrap_err().contains("only http:// and https://"));
        assert!(asked("shop.example.com/cart").unwrap_err().contains("write https://shop.example.com/cart"));
        assert!(asked("pods").unwrap_err().contains("KIND/NAME"));
    }
}
