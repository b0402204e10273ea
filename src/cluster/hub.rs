//! The hub: one keeper per cluster, one task per watched kind; everything they learn goes into one sink.
//!
//! A cluster is opened when somebody asks for it and kept for as long as the program runs. Nothing here is shared
//! between clusters, so that a dead, slow or forbidden one delays nobody.

use super::api::{Api, ApiError};
use super::backoff::Backoff;
use super::connect::{self, Connection};
use super::credentials::Credentials;
use super::discovery::{self, Catalog};
use super::kubeconfig::Context;
use super::metrics::Meter;
use super::throttle::Throttle;
use super::watch::{self, Job};
use super::words::in_words;
use crate::world::fleet::{ClusterId, Delta, Link};
use crate::world::metrics::Wanted;
use crate::world::object::{Resource, ResourceId, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OnceCell, watch as signal};
use tokio::task::{AbortHandle, JoinHandle};

/// Clocks that differ by more than this many seconds are told.
const MOST_SKEW: i64 = 60;

/// Where deltas go; called from many tasks, must not block.
pub type Sink = Arc<dyn Fn(ClusterId, Delta) + Send + Sync>;

/// Times of the hub.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// How long a TCP connection with TLS may take.
    pub connect_timeout: Duration,
    /// How often a quiet connection is tried with a cheap request, so that a dead one is noticed.
    pub heartbeat: Duration,
    /// First pause after a failure.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_most: Duration,
    /// Objects per page of a list.
    pub page: usize,
    /// How often at most is asked what nodes and pods use; the cluster looks itself about every 15 s.
    pub metrics: Duration,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            connect_timeout: connect::CONNECT_TIMEOUT,
            heartbeat: Duration::from_secs(30),
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(30),
            page: 500,
            metrics: Duration::from_secs(15),
        }
    }
}

/// Every cluster of the fleet. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    clusters: Arc<[Arc<Cluster>]>,
    runtime: tokio::runtime::Handle,
}

/// One cluster: its context, how the way to it stands, and who watches what.
pub(super) struct Cluster {
    pub id: ClusterId,
    pub context: Context,
    pub options: HubOptions,
    pub sink: Sink,
    credentials: Arc<Credentials>,
    throttle: Arc<Throttle>,
    state: signal::Sender<State>,
    opened: AtomicBool,
    keeper: Mutex<Option<AbortHandle>>,
    /// Try again now, and look again which kinds there are.
    wake: Notify,
    /// A watch has failed: see whether the server still answers.
    suspect: Notify,
    watches: Mutex<HashMap<ResourceId, Watching>>,
    meter: Mutex<Option<Meter>>,
    recorded: OnceCell<Option<Time>>,
}

/// How the way to a cluster stands, for the tasks that need it.
#[derive(Clone)]
pub(super) enum State {
    Opening,
    Live(Arc<Session>),
    Lost(String),
}

/// A connection that answered, and what it serves.
pub(super) struct Session {
    pub api: Api,
    pub catalog: Catalog,
    version: String,
    /// Same number: same connection, even after discovery was repeated.
    pub number: u64,
    connection: Connection,
}

struct Watching {
    namespaces: signal::Sender<Vec<String>>,
    alive: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Hub {
    /// A hub for the contexts of a kubeconfig, in their order; nothing is opened yet.
    pub fn new(contexts: Vec<Context>, options: HubOptions, runtime: tokio::runtime::Handle, sink: Sink) -> Self {
        let clusters = contexts.into_iter().enumerate().map(|(index, context)| {
            Arc::new(Cluster {
                id: ClusterId(index as u16),
                credentials: Arc::new(connect::credentials(&context)),
                throttle: Arc::default(),
                context,
                options: options.clone(),
                sink: sink.clone(),
                state: signal::Sender::new(State::Opening),
                opened: AtomicBool::new(false),
                keeper: Mutex::default(),
                wake: Notify::new(),
                suspect: Notify::new(),
                watches: Mutex::default(),
                meter: Mutex::default(),
                recorded: OnceCell::new(),
            })
        });
        Self { clusters: clusters.collect(), runtime }
    }

    /// The contexts, in the order of their ids.
    pub fn contexts(&self) -> impl Iterator<Item = (ClusterId, &Context)> {
        self.clusters.iter().map(|cluster| (cluster.id, &cluster.context))
    }

    /// Connects and discovers in the background, and keeps at it; does nothing when that is already going on.
    pub fn open(&self, id: ClusterId) {
        if let Some(cluster) = self.cluster(id)
            && !cluster.opened.swap(true, Ordering::AcqRel)
        {
            let task = self.runtime.spawn(keep(cluster.clone()));
            *cluster.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        }
    }

    /// Lets go of a cluster: everything watched there ends, and nobody connects again until somebody asks for it.
    pub fn close(&self, id: ClusterId) {
        let Some(cluster) = self.cluster(id) else { return };
        cluster.watches().drain().for_each(|(_, watching)| watching.end());
        if let Some(meter) = cluster.meter().take() {
            meter.end();
        }
        if let Some(task) = cluster.keeper.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
        cluster.state.send_replace(State::Opening);
        cluster.opened.store(false, Ordering::Release);
        cluster.say(Delta::Link(Link::Closed));
    }

    /// Whether somebody has opened a cluster.
    pub fn is_open(&self, id: ClusterId) -> bool {
        self.cluster(id).is_some_and(|cluster| cluster.opened.load(Ordering::Acquire))
    }

    /// Keeps a table of a kind: lists it and watches it. `namespaces` empty: all of them.
    /// Opens the cluster; does nothing when the same is already watched. Namespaces that are added to others are listed
    /// alone, the others go on; any other change replaces the watch.
    pub fn watch(&self, id: ClusterId, resource: ResourceId, namespaces: Vec<String>) {
        let Some(cluster) = self.cluster(id) else { return };
        self.open(id);
        let mut watches = cluster.watches();
        if let Some(known) = watches.get(&resource).filter(|w| !w.task.is_finished()) {
            let before = known.namespaces.borrow().clone();
            let grows = !before.is_empty() && before.iter().all(|ns| namespaces.contains(ns));
            if before == namespaces {
                return;
            }
            if grows {
                known.namespaces.send_replace(namespaces);
                return;
            }
        }
        if let Some(old) = watches.remove(&resource) {
            old.end();
        }
        let alive = Arc::new(AtomicBool::new(true));
        let namespaces = signal::Sender::new(namespaces);
        let job = Job::new(cluster.clone(), resource.clone(), namespaces.subscribe(), alive.clone());
        let task = self.runtime.spawn(watch::run(job));
        watches.insert(resource, Watching { namespaces, alive, task });
    }

    /// Stops keeping a table.
    pub fn unwatch(&self, id: ClusterId, resource: &ResourceId) {
        let watching = self.cluster(id).and_then(|cluster| cluster.watches().remove(resource));
        if let Some(watching) = watching {
            watching.end();
        }
    }

    /// Keeps asking what nodes and pods use, for as long as that is wanted.
    pub fn measure(&self, id: ClusterId, wanted: Wanted) {
        let Some(cluster) = self.cluster(id) else { return };
        let mut meter = cluster.meter();
        match &*meter {
            Some(meter) => meter.want(wanted),
            None if wanted.is_nothing() => {}
            None => *meter = Some(Meter::start(cluster.clone(), wanted, &self.runtime)),
        }
    }

    /// Tries a lost cluster again now; on a live one, looks again which kinds it serves.
    pub fn retry(&self, id: ClusterId) {
        if let Some(cluster) = self.cluster(id) {
            cluster.wake.notify_one();
        }
    }

    /// The way to a cluster; opens it and waits where needed.
    ///
    /// # Errors
    /// Why the cluster cannot be reached.
    pub async fn api(&self, id: ClusterId) -> Result<Api, ApiError> {
        self.session(id).await.map(|session| session.api.clone())
    }

    /// The kinds a cluster serves.
    ///
    /// # Errors
    /// As [`Hub::api`].
    pub async fn catalog(&self, id: ClusterId) -> Result<Arc<[Resource]>, ApiError> {
        self.session(id).await.map(|session| session.catalog.kinds.clone())
    }

    /// The time to judge ages against: that of the recording where the server is one, else the system's.
    pub async fn clock(&self, id: ClusterId) -> Time {
        let recorded = match (self.cluster(id), self.api(id).await) {
            (Some(cluster), Ok(api)) if is_local(&cluster.context.server) => {
                *cluster.recorded.get_or_init(|| recorded_at(api)).await
            }
            _ => None,
        };
        recorded.unwrap_or_else(now)
    }

    /// Whether a cluster's server runs on this machine.
    pub fn is_local(&self, id: ClusterId) -> bool {
        self.cluster(id).is_some_and(|cluster| is_local(&cluster.context.server))
    }

    /// What tells clusters apart whatever their contexts are called: the uid of the namespace `kube-system`.
    ///
    /// # Errors
    /// As [`Hub::api`], and what the server said.
    pub async fn identity(&self, id: ClusterId) -> Result<String, ApiError> {
        let namespace = self.api(id).await?.get("/api/v1/namespaces/kube-system").await?;
        Ok(clean(str_at(&namespace, "/metadata/uid")).into_owned())
    }

    async fn session(&self, id: ClusterId) -> Result<Arc<Session>, ApiError> {
        let cluster = self.cluster(id).ok_or_else(|| ApiError::Link("there is no such cluster".into()))?;
        self.open(id);
        let mut states = cluster.state.subscribe();
        let state = states.wait_for(|state| !matches!(state, State::Opening)).await;
        match state.as_deref() {
            Ok(State::Live(session)) => Ok(session.clone()),
            Ok(State::Lost(reason)) => Err(ApiError::Link(reason.clone())),
            _ => Err(ApiError::Link("the program is ending".into())),
        }
    }

    fn cluster(&self, id: ClusterId) -> Option<&Arc<Cluster>> {
        self.clusters.get(usize::from(id.0))
    }
}

impl Watching {
    fn end(self) {
        self.alive.store(false, Ordering::Release);
        self.task.abort();
    }
}

impl Cluster {
    fn watches(&self) -> MutexGuard<'_, HashMap<ResourceId, Watching>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meter(&self) -> MutexGuard<'_, Option<Meter>> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn say(&self, delta: Delta) {
        (self.sink)(self.id, delta);
    }

    /// Follows how the way to the cluster stands.
    pub fn states(&self) -> signal::Receiver<State> {
        self.state.subscribe()
    }

    /// A watch has failed: see soon whether the server still answers.
    pub fn suspect(&self) {
        self.suspect.notify_one();
    }

    /// A kind was not found: look again which ones there are.
    pub fn rediscover(&self) {
        self.wake.notify_one();
    }
}

/// Opens a cluster and keeps it open, for as long as the program runs.
async fn keep(cluster: Arc<Cluster>) {
    let mut backoff = Backoff::new(cluster.options.retry_first, cluster.options.retry_most);
    let (mut number, mut since) = (0, None);
    cluster.say(Delta::Link(Link::Connecting));
    loop {
        number += 1;
        let reason = match open(&cluster, number).await {
            Ok(session) => {
                (backoff, since) = (Backoff::new(cluster.options.retry_first, cluster.options.retry_most), None);
                cluster.say(Delta::Link(Link::Live));
                publish(&cluster, session.clone());
                match stay(&cluster, session).await {
                    Left::Renew => continue,
                    Left::Lost(reason) => reason,
                }
            }
            Err(reason) => reason,
        };
        let pause = backoff.pause();
        let since = *since.get_or_insert_with(now);
        let retry_at = Time(now().0 + pause.as_secs() as i64);
        cluster.state.send_replace(State::Lost(reason.clone()));
        cluster.say(Delta::Link(Link::Lost { reason, since, retry_at }));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cluster.wake.notified() => {
                backoff.reset();
                cluster.say(Delta::Link(Link::Connecting));
            }
        }
    }
}

/// Connects, asks for the version and the kinds.
async fn open(cluster: &Cluster, number: u64) -> Result<Arc<Session>, String> {
    let (context, options) = (&cluster.context, &cluster.options);
    let connecting = connect::connect(context, &cluster.credentials, &cluster.throttle, options.connect_timeout);
    let connection = connecting.await?;
    let api = Api::new(connection.client.clone(), cluster.context.request_timeout);
    let why = |error: &ApiError| in_words(&cluster.context.server, connection.proxy(), error);
    let (version, clock) = discovery::version(&api).await.map_err(|e| why(&e))?;
    if let Some(told) = clock.and_then(skew) {
        cluster.say(Delta::Notice(told));
    }
    let catalog = match discovery::catalog(&api).await {
        Ok(catalog) => catalog,
        Err(e) if e.code() == 403 => {
            let well_known = crate::kinds::well_known();
            let told = "discovery is forbidden; only the kinds known to kokpit are shown";
            cluster.say(Delta::Notice(told.into()));
            Catalog { kinds: well_known, silent: vec![] }
        }
        Err(e) => return Err(why(&e)),
    };
    Ok(Arc::new(Session { api, catalog, version, number, connection }))
}

fn publish(cluster: &Cluster, session: Arc<Session>) {
    if !session.catalog.silent.is_empty() {
        cluster.say(Delta::Notice(format!(
            "the aggregated API {} does not answer, so its kinds are missing; `:apiservices` says why",
            session.catalog.silent.join(", ")
        )));
    }
    let kinds = session.catalog.kinds.clone();
    cluster.say(Delta::Discovered { version: session.version.clone(), catalog: kinds });
    cluster.state.send_replace(State::Live(session));
}

/// Why a session ended.
enum Left {
    /// Its client certificate has to be replaced.
    Renew,
    Lost(String),
}

/// Stays with a session until the server stops answering.
async fn stay(cluster: &Cluster, mut session: Arc<Session>) -> Left {
    loop {
        let rediscover = tokio::select! {
            // An API that was silent may be back.
            () = tokio::time::sleep(cluster.options.heartbeat) => !session.catalog.silent.is_empty(),
            () = cluster.suspect.notified() => false,
            () = cluster.wake.notified() => true,
        };
        if session.connection.is_over() {
            return Left::Renew;
        }
        // The pooled connection may be the dead one: a second try takes a new one.
        let mut answer = discovery::version(&session.api).await;
        if matches!(answer, Err(ApiError::Link(_))) {
            answer = discovery::version(&session.api).await;
        }
        // Whoever asks for a little patience is there.
        if let Err(error) = answer
            && error.code() != 429
        {
            return Left::Lost(in_words(&cluster.context.server, session.connection.proxy(), &error));
        }
        // Only news is told: a table of an unknown kind asks for discovery whenever it hears of one.
        if rediscover
            && let Ok(catalog) = discovery::catalog(&session.api).await
            && catalog != session.catalog
        {
            let Session { api, version, number, connection, .. } = &*session;
            let (api, version, connection) = (api.clone(), version.clone(), connection.clone());
            session = Arc::new(Session { api, catalog, version, number: *number, connection });
            publish(cluster, session.clone());
        }
    }
}

async fn recorded_at(api: Api) -> Option<Time> {
    Time::parse(str_at(&api.get("/kokpit/recording").await.ok()?, "/recordedAt"))
}

/// What a clock that differs from ours means; nothing while nobody would notice.
fn skew(theirs: Time) -> Option<String> {
    let ahead = theirs.0.saturating_sub(now().0);
    let by = human(ahead.saturating_abs());
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    (ahead.saturating_abs() > MOST_SKEW)
        .then(|| format!("its clock is {by} {side} this machine's; ages are wrong by as much until one of them is set"))
}

/// Whether a server runs on this machine; only those are asked whether they are recordings.
fn is_local(server: &str) -> bool {
    let host = server.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_string)).unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The system's time.
pub(super) fn now() -> Time {
    Time(jiff::Timestamp::now().as_second())
}
