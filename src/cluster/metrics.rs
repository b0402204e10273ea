//! What nodes and pods use: `metrics.k8s.io` knows no watch, so it is asked again and again, while somebody looks.
//!
//! One request at a time, none that nobody waits for; the longer an answer takes the longer the pause before the next.
//! A cluster without the API is not asked at all, until discovery finds it.

use super::api::{Api, ApiError, encode, link_error};
use super::backoff::Backoff;
use super::hub::{Cluster, Session, State, now};
use super::intern::Interner;
use super::list::{BATCH, check};
use super::narrow;
use super::split::{ListMeta, Reader, Splitter, Step};
use super::watch::left;
use crate::world::fleet::{Delta, Feed};
use crate::world::metrics::{Measured, MetricsDelta, Of, Usage, Wanted};
use crate::world::object::Resource;
use crate::world::quantity::Quantity;
use crate::world::text::clean;
use crate::world::time::Time;
use crate::world::wire;
use compact_str::CompactString;
use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinHandle;

/// The longest pause between two good answers, however long they take.
const RARELY: Duration = Duration::from_secs(60);
/// How often an API that is not there, or is denied, or does not answer is tried again at most.
const SELDOM: Duration = Duration::from_secs(300);
/// The part of the time that may be spent with asking: a tenth.
const SHARE: u32 = 10;
/// Wishes that follow each other faster than this are taken together.
const HASTE: Duration = Duration::from_millis(300);
/// A cluster that may only be read namespace by namespace is asked about this many.
const NAMESPACES: usize = 40;

/// The task that asks one cluster.
pub(super) struct Meter {
    wanted: Sender<Wanted>,
    task: JoinHandle<()>,
}

impl Meter {
    /// Begins to ask.
    pub fn start(cluster: Arc<Cluster>, wanted: Wanted, runtime: &tokio::runtime::Handle) -> Self {
        let wanted = Sender::new(wanted);
        let task = runtime.spawn(run(cluster, wanted.subscribe()));
        Self { wanted, task }
    }

    /// Something else is wanted from here on, or nothing.
    pub fn want(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|before| std::mem::replace(before, wanted.clone()) != wanted);
    }

    /// Asks no more.
    pub fn end(self) {
        self.task.abort();
    }
}

/// Asks for as long as the task lives.
async fn run(cluster: Arc<Cluster>, mut wanted: Receiver<Wanted>) {
    let mut states = cluster.states();
    let mut job = Job::new(cluster);
    loop {
        let Ok(want) = wanted.wait_for(|wanted| !wanted.is_nothing()).await.map(|wanted| wanted.clone()) else {
            return;
        };
        let Ok(State::Live(session)) = states.wait_for(|s| matches!(s, State::Live(_))).await.map(|s| s.clone()) else {
            return;
        };
        let other = |wanted: &Wanted| *wanted != want;
        let pause = tokio::select! {
            pause = job.ask(&session, &want) => pause,
            () = left(states.clone(), session.number) => HASTE,
            // What was on its way is for nobody any more.
            _ = wanted.wait_for(other) => HASTE,
        };
        let until = tokio::time::Instant::now() + pause;
        tokio::time::sleep(HASTE.min(pause)).await;
        let catalog = session.catalog.kinds.clone();
        let found = |state: &State| matches!(state, State::Live(new) if !Arc::ptr_eq(&new.catalog.kinds, &catalog));
        // Whoever only stops looking, or comes back to what was asked for, waits for the next turn.
        let more = |wanted: &Wanted| !wanted.is_nothing() && *wanted != want;
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            _ = wanted.wait_for(more) => {}
            _ = states.wait_for(found) => {}
        }
    }
}

struct Job {
    cluster: Arc<Cluster>,
    names: Interner,
    /// What was said last of nodes and of pods, so that nothing is said twice.
    said: [Feed; 2],
    /// Since when nodes, and pods, are as they are known.
    good: [Option<Time>; 2],
    /// The namespaces that may be read, where not all may be, and for which session.
    narrowed: Option<(u64, Vec<String>)>,
    /// When each may be asked for again, where that was in vain.
    again: [Option<Instant>; 2],
    backoff: [Backoff; 2],
    /// What was wanted when it was asked last.
    asked: Wanted,
    /// What the cluster served then.
    catalog: Option<Arc<[Resource]>>,
}

impl Job {
    fn new(cluster: Arc<Cluster>) -> Self {
        let backoff = || Backoff::new(cluster.options.metrics, SELDOM);
        Self {
            backoff: [backoff(), backoff()],
            cluster,
            names: Interner::default(),
            said: Default::default(),
            good: [None; 2],
            narrowed: None,
            again: [None; 2],
            asked: Wanted::default(),
            catalog: None,
        }
    }

    /// Asks once for everything that is wanted; how long to wait before the next time.
    async fn ask(&mut self, session: &Session, want: &Wanted) -> Duration {
        let catalog = &session.catalog.kinds;
        if !self.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, catalog)) {
            (self.catalog, self.again) = (Some(catalog.clone()), [None; 2]);
        }
        // Other namespaces may be open.
        if self.asked.pods != want.pods && matches!(self.said[Of::Pods as usize], Feed::Denied(_)) {
            self.again[Of::Pods as usize] = None;
        }
        self.asked.clone_from(want);
        let everywhere: &[String] = &[];
        let nodes = want.nodes.then_some((Of::Nodes, everywhere));
        let pods = want.pods.as_ref().map(|namespaces| (Of::Pods, namespaces.as_slice()));
        let begun = Instant::now();
        let mut pause = SELDOM;
        for (of, namespaces) in nodes.into_iter().chain(pods) {
            let n = of as usize;
            // What is not to be had does not keep the other one waiting, nor is it asked for as often.
            let wait = self.again[n].and_then(|at| at.checked_duration_since(begun)).filter(|wait| !wait.is_zero());
            pause = pause.min(match wait {
                Some(wait) => wait,
                None if self.of(of, session, namespaces).await => {
                    self.backoff[n].reset();
                    self.again[n] = None;
                    self.cluster.options.metrics.max((begun.elapsed() * SHARE).min(RARELY))
                }
                None => {
                    let pause = self.backoff[n].pause();
                    self.again[n] = Some(Instant::now() + pause);
                    pause
                }
            });
        }
        pause
    }

    /// Asks for those of nodes, or of pods, and says how that went; whether it went well.
    async fn of(&mut self, of: Of, session: &Session, namespaces: &[String]) -> bool {
        let catalog = &session.catalog;
        let kind = of.kind();
        let feed = match catalog.kinds.iter().find(|resource| resource.id == kind) {
            Some(resource) => match self.lists(of, session, resource, namespaces).await {
                Ok(()) => {
                    self.good[of as usize] = Some(now());
                    self.cluster.say(Delta::Metrics(MetricsDelta::End(of, now())));
                    Feed::Live
                }
                Err(ApiError::Status { code: 403, message, .. }) => Feed::Denied(message),
                Err(ApiError::Status { code: 404, message, .. }) => Feed::Unknown(message),
                Err(error) => Feed::Stale { reason: error.to_string(), since: self.since(of) },
            },
            None => Feed::Unknown(match catalog.silent_of(&kind.group) {
                Some(api) => format!("the aggregated API {api} does not answer"),
                None => "the cluster has no metrics API (metrics-server serves it)".into(),
            }),
        };
        let good = feed == Feed::Live;
        let said = &mut self.said[of as usize];
        if *said != feed {
            *said = feed.clone();
            self.cluster.say(Delta::Metrics(MetricsDelta::Feed(of, feed)));
        }
        good
    }

    /// Since when what is known stands still.
    fn since(&self, of: Of) -> Time {
        match &self.said[of as usize] {
            Feed::Stale { since, .. } => *since,
            _ => self.good[of as usize].unwrap_or_else(now),
        }
    }

    async fn lists(
        &mut self,
        of: Of,
        session: &Session,
        resource: &Resource,
        wanted: &[String],
    ) -> Result<(), ApiError> {
        let narrowed = self.narrowed.as_ref().filter(|(number, _)| *number == session.number && wanted.is_empty());
        let mut namespaces = narrowed.map_or_else(|| wanted.to_vec(), |(_, readable)| readable.clone());
        if namespaces.is_empty() {
            match self.list(of, &session.api, resource, None).await {
                Err(error) if error.code() == 403 && resource.namespaced => {
                    namespaces = narrow::readable(&session.api, resource, &self.cluster.context.namespace).await?;
                    namespaces.truncate(NAMESPACES);
                    if namespaces.is_empty() {
                        return Err(error);
                    }
                    self.narrowed = Some((session.number, namespaces.clone()));
                }
                done => return done,
            }
        }
        let (mut read, mut refused) = (false, None);
        for namespace in &namespaces {
            match self.list(of, &session.api, resource, Some(namespace)).await {
                // One that is closed leaves the others open.
                Err(error) if error.code() == 403 => refused = Some(error),
                Err(error) => return Err(error),
                Ok(()) => read = true,
            }
        }
        refused.filter(|_| !read).map_or(Ok(()), Err)
    }

    /// Reads one list, page by page (metrics-server knows no pages), object by object as the bytes come.
    async fn list(&mut self, of: Of, api: &Api, resource: &Resource, namespace: Option<&str>) -> Result<(), ApiError> {
        let patience = self.cluster.context.request_timeout;
        let timeout = || ApiError::Timeout(patience.as_secs());
        let mut token = String::new();
        loop {
            let more = if token.is_empty() { String::new() } else { format!("&continue={}", encode(&token)) };
            let path = format!("{}?limit={}{more}", resource.collection_path(namespace), self.cluster.options.page);
            let request = Request::get(path).header("Accept", "application/json").body(Body::empty());
            let request = request.map_err(|e| ApiError::Malformed(format!("list of {}: {e}", resource.id)))?;
            let sent = tokio::time::timeout(patience, api.client().send(request)).await;
            let mut body = check(sent.map_err(|_| timeout())?.map_err(link_error)?, patience).await?;
            let mut splitter = Splitter::gathering(0);
            let mut read = Reading { job: self, samples: vec![] };
            while let Some(frame) = tokio::time::timeout(patience, body.frame()).await.map_err(|_| timeout())? {
                splitter.take(&frame.map_err(link_error)?.into_data().unwrap_or_default(), &mut read)?;
                read.hand_on(of, BATCH);
            }
            token = splitter.finish(&mut read)?.token;
            read.hand_on(of, 1);
            if token.is_empty() {
                return Ok(());
            }
        }
    }

    fn measured(&mut self, item: &Item) -> Option<Measured> {
        let containers = item.containers.as_deref().unwrap_or_default();
        let mut parts = Vec::with_capacity(containers.len().max(1));
        for container in containers {
            parts.extend(usage(&container.usage).map(|usage| (self.names.text(&clean(&container.name)), usage)));
        }
        parts.extend(usage(&item.usage).map(|usage| (self.names.text(""), usage)));
        (!parts.is_empty() && !item.metadata.name.is_empty()).then(|| Measured {
            namespace: self.names.text(&clean(&item.metadata.namespace)),
            name: CompactString::from(clean(&item.metadata.name)),
            at: Time::parse(&item.timestamp).unwrap_or_else(now),
            parts,
        })
    }
}

/// A list on its way to samples.
struct Reading<'a> {
    job: &'a mut Job,
    samples: Vec<Measured>,
}

impl Reading<'_> {
    fn hand_on(&mut self, of: Of, from: usize) {
        if self.samples.len() >= from {
            let samples = std::mem::take(&mut self.samples);
            self.job.cluster.say(Delta::Metrics(MetricsDelta::Samples(of, samples)));
        }
    }
}

impl Reader for Reading<'_> {
    /// An object that makes no sense is passed over.
    fn object(&mut self, text: &[u8], at: usize, _: &ListMeta) -> Step {
        let bytes = &text[at..];
        let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter::<Item>();
        match objects.next() {
            None => Step::More,
            Some(Ok(item)) => {
                self.samples.extend(self.job.measured(&item));
                Step::Used(objects.byte_offset())
            }
            Some(Err(error)) if error.is_eof() => Step::More,
            Some(Err(_)) => {
                let mut any = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
                match any.next() {
                    Some(Ok(_)) => Step::Used(any.byte_offset()),
                    Some(Err(error)) if !error.is_eof() => Step::Broken(error.to_string()),
                    _ => Step::More,
                }
            }
        }
    }
}

fn usage(amounts: &wire::Requests) -> Option<Usage> {
    let parse = |amount: &wire::Quantity| match amount {
        wire::Quantity::Text(text) => Quantity::parse(text),
        wire::Quantity::Number(number) => Quantity::parse(&number.to_string()),
    };
    Some(Usage { cpu: parse(&amounts.cpu)?.milli(), memory: parse(&amounts.memory)?.units() })
}

/// `NodeMetrics` or `PodMetrics`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    metadata: wire::Meta<'a>,
    #[serde(borrow)]
    timestamp: wire::Text<'a>,
    #[serde(borrow)]
    usage: wire::Requests<'a>,
    #[serde(borrow)]
    containers: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    name: wire::Text<'a>,
    #[serde(borrow)]
    usage: wire::Requests<'a>,
}
