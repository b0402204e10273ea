//! One table: listed, then watched, for as long as somebody wants it.
//!
//! A watch that ends is resumed at the last revision; 410 lists again while the old rows stay; a way to the server
//! that is broken is waited for. Rows keep their age, and errors are told in words.

use super::api::ApiError;
use super::backoff::Backoff;
use super::decode::Decoder;
use super::hub::{Cluster, Session, State, now};
use super::list::{List, Progress};
use super::narrow;
use super::raw::Dictionary;
use crate::world::fleet::{Delta, Feed, TableDelta};
use crate::world::object::{Resource, ResourceId};
use crate::world::text::clean;
use crate::world::time::Time;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch::Receiver;

mod stream;

/// A table that is denied or unknown is tried again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// A kind that cannot be watched is listed again this often.
const LIST_AGAIN: Duration = Duration::from_secs(30);
/// A watch that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(5);
/// Sentences about single objects, per batch.
const MOST_NOTES: usize = 3;

/// Where a table's deltas go; says nothing any more once nobody wants the table.
#[derive(Clone)]
pub struct Out {
    cluster: Arc<Cluster>,
    id: ResourceId,
    alive: Arc<AtomicBool>,
    said: Arc<Mutex<Said>>,
}

/// What was said last, so that nothing is said twice.
#[derive(Default)]
struct Said {
    feed: Feed,
    heard: Time,
    /// Whether a list has been whole: "loading" is over then.
    listed: bool,
    /// Since when a watch has been answered without a failure.
    watching: Option<Instant>,
}

impl Out {
    /// Something about the table.
    pub fn table(&self, delta: TableDelta) {
        if self.alive.load(Ordering::Acquire) {
            self.cluster.say(Delta::Table(self.id.clone(), delta));
        }
    }

    /// How far the first list has come.
    pub fn loading(&self, seen: usize, about: Option<usize>) {
        if !self.said().listed {
            self.feed(Feed::Loading { seen, about });
        }
    }

    /// Sentences about objects.
    pub fn notes(&self, notes: &[String]) {
        if notes.is_empty() || !self.alive.load(Ordering::Acquire) {
            return;
        }
        let more = notes.len().saturating_sub(MOST_NOTES);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let told = notes.iter().take(MOST_NOTES).map(String::as_str).collect::<Vec<_>>().join("; ");
        self.cluster.say(Delta::Notice(format!("{told}{more}")));
    }

    fn feed(&self, feed: Feed) {
        let mut said = self.said();
        if said.feed != feed {
            said.feed = feed.clone();
            drop(said);
            self.table(TableDelta::Feed(feed));
        }
    }

    /// The data is current as of now.
    fn heard(&self) {
        let mut said = self.said();
        if said.heard != now() {
            said.heard = now();
            drop(said);
            self.table(TableDelta::Heard(now()));
        }
    }

    fn stale(&self, reason: &str) {
        let since = {
            let said = self.said();
            match &said.feed {
                Feed::Stale { since, .. } => *since,
                _ if said.heard.0 > 0 => said.heard,
                _ => now(),
            }
        };
        self.feed(Feed::Stale { reason: reason.into(), since });
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work of keeping one table.
pub(super) struct Job {
    cluster: Arc<Cluster>,
    id: ResourceId,
    /// Empty: all. More may come while it runs, none goes.
    namespaces: Receiver<Vec<String>>,
    out: Out,
    dictionary: Arc<Dictionary>,
    /// What is being watched; empty before the first list and after 410.
    scopes: Vec<Scope>,
    /// Namespaces that may not be listed.
    refused: Vec<String>,
}

/// One watch: everything, or one namespace.
struct Scope {
    namespace: Option<String>,
    revision: String,
    decoder: Decoder,
}

/// Why keeping a table came to a stop.
enum Stop {
    /// List again.
    Expired,
    /// The cluster does not have the kind (any more).
    Unknown(String),
    Denied(String),
    Failed(Box<ApiError>),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        match &error {
            ApiError::Status { code: 410, .. } => Stop::Expired,
            ApiError::Status { code: 403, message, .. } => Stop::Denied(message.clone()),
            ApiError::Status { code: 404 | 405, message, .. } => Stop::Unknown(message.clone()),
            _ => Stop::Failed(Box::new(error)),
        }
    }
}

impl Job {
    pub fn new(
        cluster: Arc<Cluster>,
        id: ResourceId,
        namespaces: Receiver<Vec<String>>,
        alive: Arc<AtomicBool>,
    ) -> Self {
        let out = Out { cluster: cluster.clone(), id: id.clone(), alive, said: Arc::default() };
        Self { cluster, id, namespaces, out, dictionary: Arc::default(), scopes: vec![], refused: vec![] }
    }
}

/// Keeps a table until the task is aborted.
pub(super) async fn run(mut job: Job) {
    let options = job.cluster.options.clone();
    let mut states = job.cluster.states();
    let mut backoff = Backoff::new(options.retry_first, options.retry_most);
    let mut failures = 0;
    job.out.feed(Feed::Loading { seen: 0, about: None });
    loop {
        let session = job.session(&mut states).await;
        job.out.said().watching = None;
        let stop = tokio::select! {
            stop = job.keep(&session) => stop,
            () = left(states.clone(), session.number) => continue,
        };
        // Counted from when the server agreed: a connection that takes long to fail has not been a good one.
        if job.out.said().watching.is_some_and(|since| since.elapsed() > GOOD) {
            failures = 0;
            backoff.reset();
        }
        let pause = match stop {
            Stop::Expired => {
                job.scopes.clear();
                failures += 1;
                if failures > 1 { backoff.pause() } else { Duration::ZERO }
            }
            Stop::Unknown(why) => {
                job.scopes.clear();
                job.out.feed(Feed::Unknown(why));
                job.cluster.rediscover();
                LOOK_AGAIN
            }
            Stop::Denied(why) => {
                job.scopes.clear();
                job.out.feed(Feed::Denied(why));
                LOOK_AGAIN
            }
            Stop::Failed(error) => {
                failures += 1;
                job.cluster.suspect();
                // A connection that merely broke is taken up again at once; only a second failure is worth a word.
                if failures > 1 || job.scopes.is_empty() {
                    job.out.stale(&error.to_string());
                    backoff.pause()
                } else {
                    Duration::ZERO
                }
            }
        };
        // A changed state (discovered again, lost, live again) is a reason to look again at once.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = states.changed(), if pause == LOOK_AGAIN => {}
        }
    }
}

/// Waits until the session with this number is no more.
pub(super) async fn left(mut states: Receiver<State>, number: u64) {
    let gone = |state: &State| !matches!(state, State::Live(session) if session.number == number);
    if states.wait_for(gone).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Job {
    /// The session, once there is one; meanwhile the table says why its rows stand still.
    async fn session(&self, states: &mut Receiver<State>) -> Arc<Session> {
        loop {
            let state = states.borrow_and_update().clone();
            match state {
                State::Live(session) => return session,
                State::Lost(reason) => self.out.stale(&reason),
                State::Opening => {}
            }
            if states.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Lists where needed, then watches; returns why it cannot go on.
    async fn keep(&mut self, session: &Session) -> Stop {
        let catalog = &session.catalog;
        let Some(resource) = catalog.kinds.iter().find(|resource| resource.id == self.id).cloned() else {
            return Stop::Unknown(match catalog.silent_of(&self.id.group) {
                Some(api) => format!("the aggregated API {api} does not answer"),
                None => format!("{} has no kind {}", clean(&self.cluster.context.name), self.id),
            });
        };
        if !resource.can("list") {
            return Stop::Unknown(format!("{} cannot be listed", self.id));
        }
        if self.scopes.is_empty()
            && let Err(error) = self.list(session, &resource).await
        {
            return error.into();
        }
        if !resource.can("watch") {
            tokio::time::sleep(LIST_AGAIN).await;
            return Stop::Expired;
        }
        loop {
            if let Err(error) = self.list_added(session, &resource).await {
                return error.into();
            }
            let mut watches: FuturesUnordered<_> =
                self.scopes.iter_mut().map(|scope| stream::follow(&self.out, session, &resource, scope)).collect();
            let mut wanted = self.namespaces.clone();
            tokio::select! {
                stop = watches.next() => return stop.unwrap_or(Stop::Expired),
                // A watch that is dropped loses nothing: those that go on do so at their last revision.
                Ok(()) = wanted.changed() => {}
            }
        }
    }

    /// Lists the namespaces that were asked for since; the rows of the others stay as they are.
    async fn list_added(&mut self, session: &Session, resource: &Resource) -> Result<(), ApiError> {
        let wanted = self.namespaces.borrow_and_update().clone();
        let watched = |ns: &String| self.scopes.iter().any(|scope| scope.namespace.as_ref() == Some(ns));
        let added: Vec<Option<String>> =
            wanted.iter().filter(|ns| !self.refused.contains(ns) && !watched(ns)).cloned().map(Some).collect();
        if added.is_empty() {
            return Ok(());
        }
        // Until their rows are here the table is not whole.
        self.out.feed(Feed::Loading { seen: 0, about: None });
        match self.list_scopes(session, resource, added, false).await {
            Ok(more) => self.scopes.extend(more),
            // The others are there.
            Err(error) if error.code() == 403 => {
                self.out.notes(&[error.to_string()]);
                self.out.feed(Feed::Live);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Lists everything, or what may be listed; old rows stay until the new list is whole.
    async fn list(&mut self, session: &Session, resource: &Resource) -> Result<(), ApiError> {
        let own = self.namespaces.borrow_and_update().clone();
        self.refused.clear();
        let wanted: Vec<Option<String>> = match own.as_slice() {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        match self.list_scopes(session, resource, wanted, true).await {
            Err(error) if error.code() == 403 && own.is_empty() && resource.namespaced => {
                let readable = narrow::readable(&session.api, resource, &self.cluster.context.namespace).await?;
                if readable.is_empty() {
                    return Err(error);
                }
                self.narrowed(&readable);
                let wanted = readable.into_iter().map(Some).collect();
                self.scopes = self.list_scopes(session, resource, wanted, true).await?;
            }
            Ok(scopes) => {
                if own.is_empty() {
                    self.out.table(TableDelta::Narrowed(vec![]));
                }
                self.scopes = scopes;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn narrowed(&self, namespaces: &[String]) {
        let count = namespaces.len();
        let few = namespaces.iter().take(5).map(|ns| clean(ns)).collect::<Vec<_>>().join(", ");
        let dots = if count > 5 { format!(" and {} more", count - 5) } else { String::new() };
        self.out.table(TableDelta::Narrowed(namespaces.to_vec()));
        self.cluster.say(Delta::Notice(format!(
            "{} may not be listed for the whole cluster (403); showing the readable namespaces: {few}{dots}",
            self.id
        )));
    }

    /// `whole`: rows that these lists do not have are gone.
    async fn list_scopes(
        &mut self,
        session: &Session,
        resource: &Resource,
        wanted: Vec<Option<String>>,
        whole: bool,
    ) -> Result<Vec<Scope>, ApiError> {
        let lanes = if self.id == ResourceId::core("pods") { lanes() } else { 1 };
        let decoder = || Decoder::new(resource, self.dictionary.clone());
        let mut decoders: Vec<Decoder> = std::iter::repeat_with(decoder).take(lanes).collect();
        let progress = Arc::new(Progress::default());
        let mut scopes: Vec<(Option<String>, String)> = vec![];
        if whole {
            self.out.table(TableDelta::ListStart);
        }
        let mut denied = None;
        for namespace in wanted {
            let list = List {
                api: &session.api,
                resource,
                namespace: namespace.as_deref(),
                page: self.cluster.options.page,
                patience: self.cluster.context.request_timeout,
                out: &self.out,
                progress: &progress,
            };
            let revision = match list.run(&mut decoders).await {
                // A continue token that has expired: once more from the start.
                Err(error) if error.code() == 410 => {
                    decoders.resize_with(lanes, decoder);
                    list.run(&mut decoders).await
                }
                other => other,
            };
            match revision {
                Ok(revision) => scopes.push((namespace, revision)),
                // One namespace of several that is closed leaves the others open.
                Err(error) if error.code() == 403 && namespace.is_some() => {
                    self.refused.extend(namespace);
                    denied = Some(error);
                    decoders.resize_with(lanes, decoder);
                }
                Err(error) => return Err(error),
            }
        }
        match denied {
            Some(error) if scopes.is_empty() => return Err(error),
            Some(error) => self.out.notes(&[format!("{error}; the other namespaces are shown")]),
            None => {}
        }
        self.out.table(TableDelta::ListEnd);
        self.out.said().listed = true;
        self.out.heard();
        self.out.feed(Feed::Live);
        let open = scopes.into_iter().map(|(namespace, revision)| {
            let decoder = decoders.pop().unwrap_or_else(decoder);
            Scope { namespace, revision, decoder }
        });
        Ok(open.collect())
    }
}

/// Pages in flight for the large kind: each costs the server memory and us a thread.
fn lanes() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 2)
}
