//! The driver of diagnosis: gathers what it asks for, until it has a verdict.
//!
//! What the watches keep is taken from there, the rest is read from the server, several facts at once. Subjects that are
//! diagnosed together share every fact.

use super::desk::Desk;
use crate::cluster::api::{Api, ApiError, encode};
use crate::cluster::hub::Hub;
use crate::cluster::kubeconfig::Context;
use crate::diagnose::case::{Answer, CaseFile, Need, Recalled, Subject};
use crate::diagnose::ledger::Diagnosis;
use crate::diagnose::verdict::{Unreadable, Verdict};
use crate::diagnose::{Outcome, explain};
use crate::kinds::{self, Resolved};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, ResourceId, str_at};
use crate::world::row::Uid;
use crate::world::text::clean_log_line;
use futures::StreamExt;
use http::Request;
use serde_json::Value;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Rounds of asking before the driver gives up; a chain from a node over a budget and a probe to a workload needs twelve.
const ROUNDS: usize = 32;
/// A name server that is silent for longer has no answer.
const RESOLVE: Duration = Duration::from_secs(3);
/// Lines of a log that diagnosis is shown.
const LOG_LINES: usize = 60;
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
    /// Another cluster asks: what leads into a third one is not followed.
    there: bool,
}

/// Somebody waits for the answer.
const ASKED: Budget = Budget { at_once: 8, list: usize::MAX, far: true, there: false };
/// Nobody does, and the cluster has other things to do. (Unpacked, a pod takes some ten kilobytes.)
pub const BACKGROUND: Budget = Budget { at_once: 4, list: 5_000, far: true, there: false };
/// Nothing even looks wrong.
pub const GLANCE: Budget = Budget { at_once: 2, far: false, ..BACKGROUND };

/// Where facts come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The way to the servers.
    pub hub: &'a Hub,
    /// Which of them.
    pub cluster: ClusterId,
    /// Its name.
    pub name: &'a str,
    /// What the watches keep; `None` where nothing is watched.
    pub desk: Option<&'a Desk>,
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
    let api = source.hub.api(source.cluster).await?;
    let catalog = source.hub.catalog(source.cluster).await?;
    let mut case = CaseFile::new(Subject::Url(String::new()), source.hub.clock(source.cluster).await);
    let (mut open, mut done) = (subjects, Vec::new());
    for _ in 0..ROUNDS {
        let judged;
        (case, judged) = judge(case, open).await?;
        open = Vec::new();
        let mut needs = BTreeSet::new();
        for (subject, outcome) in judged {
            match outcome {
                Outcome::Verdict(verdict) => {
                    let verdict = Verdict { cluster: source.name.to_string(), ..*verdict };
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
    let gave_up = |subject| Done { verdict: gave_up(source.name, &subject), read: read(&case), subject };
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
    let is_far = |need: &Need| matches!(need, Need::Log { .. } | Need::Name { .. });
    if !budget.far {
        facts.extend(needs.extract_if(.., |need| is_far(need)).map(|need| (need, Answer::Failed("not asked".into()))));
    }
    if let Some(desk) = source.desk {
        let asked = needs.iter().filter(|need| !is_far(need)).cloned().collect();
        let kept = desk.recall(source.cluster, asked).await;
        facts.extend(tokio::task::spawn_blocking(move || unpacked(kept, budget)).await.unwrap_or_default());
        needs.retain(|need| facts.iter().all(|(known, _)| known != need));
    }
    let ask = |need| fetch_in_fleet(source, api, catalog, budget, need);
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
        let (api, catalog) = (source.hub.api(source.cluster).await?, source.hub.catalog(source.cluster).await?);
        let case = CaseFile::new(Subject::Url(String::new()), source.hub.clock(source.cluster).await);
        Ok(Self { source, api, catalog, case })
    }

    /// Diagnoses a subject, gathering what it asks for.
    pub async fn verdict(&mut self, subject: Subject) -> Verdict {
        self.case.turn_to(subject);
        for _ in 0..ROUNDS {
            let needs = match explain(&self.case) {
                Outcome::Verdict(verdict) => return Verdict { cluster: self.source.name.to_string(), ..*verdict },
                Outcome::Needs(needs) => needs.into_iter().collect(),
            };
            for (need, answer) in gather(self.source, &self.api, &self.catalog, needs, ASKED).await {
                self.case.put(need, answer);
            }
        }
        gave_up(self.source.name, &self.case.subject)
    }

    /// A list, read once and kept as a fact.
    ///
    /// # Errors
    /// When it cannot be read, or the cluster does not serve the kind.
    pub async fn list(&mut self, resource: ResourceId, namespace: Option<&str>) -> Result<Arc<Vec<Value>>, ApiError> {
        let kind = kind(&self.catalog, &resource)
            .ok_or_else(|| ApiError::Malformed(format!("the cluster serves no {resource}")))?;
        let items = Arc::new(list(&self.api, kind, namespace).await?);
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

/// Fetches one fact, from another cluster of the fleet where it names one. The hosts of a cluster on this machine (a
/// recording, the demo) mean nothing to the world's name servers.
async fn fetch_in_fleet(
    source: Source<'_>,
    api: &Api,
    catalog: &[Resource],
    budget: Budget,
    need: Need,
) -> (Need, Answer) {
    let hub = source.hub;
    let answer = match &need {
        Need::Deployers => deployers(source).await,
        Need::Verdict { .. } if budget.there => Answer::Failed("asked from another cluster already".into()),
        Need::Verdict { cluster, object } => match elsewhere(hub, cluster) {
            None => Answer::Failed(format!("{cluster} is no open cluster of the fleet")),
            Some((id, name)) => verdict_of(Source { cluster: id, name, ..source }, object.clone(), budget).await,
        },
        Need::Name { .. } if hub.is_local(source.cluster) => {
            Answer::Failed("not asked: the cluster is on this machine".into())
        }
        Need::Elsewhere { cluster, resource, namespace, name } => match elsewhere(hub, cluster) {
            None => Answer::Failed(format!("{cluster} is no open cluster of the fleet")),
            Some((id, _)) => {
                let need =
                    Need::Object { resource: resource.clone(), namespace: namespace.clone(), name: name.clone() };
                fetch_in(hub, id, need).await.unwrap_or_else(refused)
            }
        },
        _ => return fetch(api, catalog, need).await,
    };
    (need, answer)
}

/// Fetches one fact of a cluster.
pub(super) async fn fetch(api: &Api, catalog: &[Resource], need: Need) -> (Need, Answer) {
    let answer = match &need {
        Need::Object { resource, namespace, name } => match kind(catalog, resource) {
            None => Ok(Answer::Absent),
            Some(kind) => object(api, kind, namespace, name).await.map(|o| Answer::Object(Arc::new(o))),
        },
        Need::List { resource, namespace } => match kind(catalog, resource) {
            None => Ok(Answer::Absent),
            Some(kind) => list(api, kind, namespace.as_deref()).await.map(|l| Answer::List(Arc::new(l))),
        },
        Need::Elsewhere { .. } | Need::Deployers | Need::Verdict { .. } => {
            Ok(Answer::Failed("that lives in another cluster".into()))
        }
        Need::PodsOn { node } => match kind(catalog, &ResourceId::core("pods")) {
            None => Ok(Answer::Absent),
            Some(pods) => {
                let query = format!("fieldSelector={}", encode(&format!("spec.nodeName={node}")));
                api.list(pods, None, &query).await.map(|l| Answer::List(Arc::new(l)))
            }
        },
        Need::Log { namespace, pod, container, previous } => {
            log(api, namespace, pod, container, *previous).await.map(|text| Answer::Log(text.into()))
        }
        Need::Name { host } => Ok(resolve(host).await),
    };
    (need, answer.unwrap_or_else(refused))
}

/// The open cluster that Argo CD calls so: by the URL of its API server, else by the name of its context or cluster.
/// A cluster that nobody has opened stays closed.
fn elsewhere<'h>(hub: &'h Hub, called: &str) -> Option<(ClusterId, &'h str)> {
    let open: Vec<_> = hub.contexts().filter(|(id, _)| hub.is_open(*id)).collect();
    let by_url = open.iter().find(|(_, context)| is_server(context, called));
    let by_name = || open.iter().find(|(_, context)| is_named(context, called));
    by_url.or_else(by_name).map(|(id, context)| (*id, context.name.as_str()))
}

fn is_server(context: &Context, called: &str) -> bool {
    let plain = |url: &str| url.trim_end_matches('/').trim_end_matches(":443").to_lowercase();
    plain(&context.server) == plain(called)
}

fn is_named(context: &Context, called: &str) -> bool {
    [&context.name, &context.cluster].iter().any(|name| *name == called)
}

/// How long a cluster that only may know something is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Applications of the other open clusters that deploy to this one, by their destination's server or name. A cluster
/// that does not answer knows nothing.
async fn deployers(source: Source<'_>) -> Answer {
    let Some((_, here)) = source.hub.contexts().find(|(id, _)| *id == source.cluster) else { return Answer::Absent };
    let is_here = |app: &Value| match str_at(app, "/spec/destination/server") {
        // Each Argo CD calls its own cluster so.
        "" if str_at(app, "/spec/destination/name") == "in-cluster" => false,
        "" => is_named(here, str_at(app, "/spec/destination/name")),
        server => is_server(here, server) || is_named(here, server),
    };
    let need = Need::List { resource: ResourceId::new("argoproj.io", "applications"), namespace: None };
    let mut found = Vec::new();
    for (id, context) in source.hub.contexts().filter(|(id, _)| *id != source.cluster && source.hub.is_open(*id)) {
        let kept = match source.desk {
            Some(desk) => desk.recall(id, vec![need.clone()]).await.first().and_then(|(_, kept)| kept.unpack()),
            None => None,
        };
        let answer = match kept {
            Some(answer) => answer,
            None => match tokio::time::timeout(PATIENCE, fetch_in(source.hub, id, need.clone())).await {
                Ok(Ok(answer)) => answer,
                _ => continue,
            },
        };
        if let Answer::List(apps) = answer {
            found.extend(apps.iter().filter(|app| is_here(app)).map(|app| (context.name.clone(), app.clone())));
        }
    }
    Answer::Fleet(Arc::new(found))
}

/// What is wrong with an object of another cluster, diagnosed there. Boxed, since that diagnosis asks for facts too.
fn verdict_of(
    source: Source<'_>,
    object: ObjectRef,
    budget: Budget,
) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
    Box::pin(async move {
        let budget = Budget { there: true, ..budget };
        match together(source, vec![Subject::Object(object)], budget, |_, _| {}).await {
            Ok(done) => match done.into_iter().next() {
                Some(Done { verdict, .. }) => Answer::Verdict(Arc::new(verdict)),
                None => Answer::Failed("no end was found there".into()),
            },
            Err(error) => refused(error),
        }
    })
}

/// Fetches one fact of a cluster that is not the one asked.
async fn fetch_in(hub: &Hub, id: ClusterId, need: Need) -> Result<Answer, ApiError> {
    let (api, catalog) = (hub.api(id).await?, hub.catalog(id).await?);
    Ok(fetch(&api, &catalog, need).await.1)
}

/// Asks this machine's resolver. Only its own words tell "no such name" from "no answer" (glibc, musl, macOS).
async fn resolve(host: &str) -> Answer {
    const NO_SUCH_NAME: &[&str] = &[
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
    ];
    match tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host, 443))).await {
        Ok(Ok(all)) => Answer::Addresses(all.map(|socket| socket.ip().to_string()).collect()),
        Ok(Err(error)) if NO_SUCH_NAME.iter().any(|words| error.to_string().contains(words)) => Answer::Absent,
        Ok(Err(error)) => Answer::Failed(error.to_string()),
        Err(_) => Answer::Failed("the name server did not answer in time".into()),
    }
}

fn kind<'a>(catalog: &'a [Resource], id: &ResourceId) -> Option<&'a Resource> {
    catalog.iter().find(|kind| kind.id == *id)
}

fn is_secret(kind: &Resource) -> bool {
    kind.id.group.is_empty() && kind.id.plural == "secrets"
}

/// Accept header for metadata without the object: a Secret's values never leave the server.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

async fn object(api: &Api, kind: &Resource, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let path = kind.object_path(namespace, &encode(name));
    if is_secret(kind) {
        return metadata(api, &path, METADATA, kind).await;
    }
    api.get(&path).await
}

async fn list(api: &Api, kind: &Resource, namespace: Option<&str>) -> Result<Vec<Value>, ApiError> {
    if !is_secret(kind) {
        return api.list(kind, namespace, "").await;
    }
    let mut list = metadata(api, &kind.collection_path(namespace), METADATA_LIST, kind).await?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items.into_iter().map(|item| named(item, kind)).collect()),
        _ => Ok(Vec::new()),
    }
}

async fn metadata(api: &Api, path: &str, accept: &str, kind: &Resource) -> Result<Value, ApiError> {
    let request = Request::get(path)
        .header("Accept", accept)
        .body(Vec::new())
        .map_err(|e| ApiError::Malformed(format!("request for {path}: {e}")))?;
    let bytes = api.bytes(request).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| ApiError::Malformed(format!("the answer to {path} is not JSON: {e}")))?;
    Ok(named(value, kind))
}

/// Metadata speaks of itself as `PartialObjectMetadata`; diagnosis wants the object's own kind, and never its data.
fn named(mut value: Value, kind: &Resource) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.remove("data");
        map.remove("stringData");
        if !map.contains_key("items") {
            map.insert("kind".into(), kind.kind.clone().into());
            map.insert("apiVersion".into(), kind.api_version().into());
        }
    }
    value
}

async fn log(api: &Api, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<String, ApiError> {
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{}/log?container={}&tailLines={LOG_LINES}&previous={previous}",
        encode(pod),
        encode(container)
    );
    let request =
        Request::get(&path).body(Vec::new()).map_err(|e| ApiError::Malformed(format!("request for {path}: {e}")))?;
    let bytes = api.bytes(request).await?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(clean_log_line).collect::<Vec<_>>().join("\n"))
}

/// An error as a fact: what is missing, what may not be read, what could not be fetched.
fn refused(error: ApiError) -> Answer {
    match error.code() {
        404 | 410 => Answer::Absent,
        401 | 403 => Answer::Denied(error.to_string()),
        _ => Answer::Failed(error.to_string()),
    }
}

/// Reads what a person typed: a URL, or `kind/name` with any name of the kind that discovery or our table knows.
///
/// # Errors
/// A sentence saying what was not understood.
pub fn subject(catalog: &[Resource], target: &str, namespace: &str) -> Result<Subject, String> {
    if target.starts_with("http://") || target.starts_with("https://") {
        return Ok(Subject::Url(target.to_string()));
    }
    let Some((word, name)) = target.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()) else {
        return Err(format!(
            "`{target}` is neither a URL nor KIND/NAME; write pod/NAME, node/NAME, app/NAME or https://host/path"
        ));
    };
    let kind = kind_called(catalog, word)?;
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
