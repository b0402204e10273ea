//! An API server on loopback over a [`Store`]: [`Server::start`], what can go wrong on purpose ([`Faults`]), and what
//! was asked ([`Stats`]).

mod access;
mod faults;
pub(in crate::sim) mod read;
mod route;
pub(in crate::sim) mod select;
mod validate;
mod write;

pub use faults::{Deny, Faults, Raw};
pub use route::Target;

use crate::sim::http::{self as web, Body, Form, Query};
use crate::sim::store::{Failure, Store};
use crate::sim::subresources::disk::Disk;
use crate::sim::subresources::logs::LogBook;
use crate::sim::{discovery, metrics, subresources};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The largest request body, as etcd's limit makes a real server refuse more.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// What a server is started with.
#[derive(Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one. A server that is to come back keeps its port.
    pub port: u16,
    /// Who the client is said to be.
    pub user: String,
    /// `/version`; `None` means that of Kubernetes 1.36.2.
    pub version: Option<Value>,
    /// Logs of the containers.
    pub logs: LogBook,
    /// Files of every container, by absolute path, for `cat` and `ls` in its shell.
    pub files: BTreeMap<String, String>,
    /// What was written into containers.
    pub disk: Disk,
    /// How often a watch that wants bookmarks gets one (a real server: about once a minute).
    pub bookmark_every: Duration,
    /// Whether it serves `metrics.k8s.io`, as a cluster with metrics-server.
    pub metrics: bool,
    /// Whether large answers are compressed for clients that accept it.
    pub gzip: bool,
    /// What goes wrong from the start.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            user: "kubernetes-admin".into(),
            version: None,
            logs: LogBook::default(),
            files: BTreeMap::new(),
            disk: Disk::default(),
            bookmark_every: Duration::from_secs(60),
            metrics: false,
            gzip: true,
            faults: Faults::default(),
        }
    }
}

/// What a server was asked so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests by verb and resource as RBAC names them: `("list", "pods")`, `("create", "pods/eviction")`.
    pub requests: BTreeMap<(String, String), u64>,
    /// Requests of any kind, also for paths that are not resources.
    pub total: u64,
    /// Reads that were answered with 429: the path, and when.
    pub sent_away: Vec<(String, Instant)>,
}

impl Stats {
    /// How often a verb was asked of a resource.
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.requests.get(&(verb.to_string(), resource.to_string())).copied().unwrap_or(0)
    }
}

/// What every request of one server shares.
pub struct Cluster {
    /// The objects.
    pub store: Store,
    /// What the server was started with.
    pub options: Options,
    faults: RwLock<Faults>,
    stats: Mutex<Stats>,
    open: AtomicUsize,
    stop: watch::Sender<bool>,
}

impl Cluster {
    /// What goes wrong at the moment.
    pub fn faults(&self) -> Faults {
        self.faults.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Comes to an end when the server is stopped.
    pub async fn stopped(&self) {
        stopped(&mut self.stop.subscribe()).await;
    }

    fn sent_away(&self, path: &str) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.sent_away.push((path.into(), Instant::now()));
    }

    fn count(&self, verb: &str, resource: String) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        *stats.requests.entry((verb.into(), resource)).or_default() += 1;
    }
}

/// A running server. Dropping it stops it and breaks every connection off.
pub struct Server {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    cluster: Arc<Cluster>,
}

impl Server {
    /// Starts to serve a store on 127.0.0.1, on the runtime that this is called from.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn start(store: Store, options: Options) -> io::Result<Server> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        if options.metrics {
            store.serve(metrics::kinds());
        }
        let cluster = Arc::new(Cluster {
            store,
            faults: RwLock::new(options.faults.clone()),
            options,
            stats: Mutex::default(),
            open: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
        });
        tokio::spawn(accept(listener, cluster.clone()));
        Ok(Server { url, cluster })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0)
    }

    /// The objects.
    pub fn store(&self) -> &Store {
        &self.cluster.store
    }

    /// The logs it serves.
    pub fn logs(&self) -> &LogBook {
        &self.cluster.options.logs
    }

    /// Changes what goes wrong from the next request on (streams that run already go on, but for a shorter life of
    /// watches, which reaches them too).
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.cluster.faults.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was asked so far.
    pub fn stats(&self) -> Stats {
        self.cluster.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.cluster.open.load(Ordering::Relaxed)
    }

    /// Stops listening and breaks every connection off, as a server that is killed.
    pub fn stop(&self) {
        self.cluster.stop.send_replace(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(listener: TcpListener, cluster: Arc<Cluster>) {
    let mut stop = cluster.stop.subscribe();
    loop {
        let socket = tokio::select! {
            () = stopped(&mut stop) => return,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                // Out of file descriptors, or a connection that was gone again: neither ends the server.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        tokio::spawn(connection(socket, cluster.clone()));
    }
}

async fn connection(socket: TcpStream, cluster: Arc<Cluster>) {
    let _ = socket.set_nodelay(true);
    cluster.open.fetch_add(1, Ordering::Relaxed);
    let mut stop = cluster.stop.subscribe();
    let shared = cluster.clone();
    let service = service_fn(move |request| {
        let cluster = shared.clone();
        async move { Ok::<_, Infallible>(answer(cluster, request).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .max_buf_size(1024 * 1024)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    tokio::select! {
        () = stopped(&mut stop) => {}
        _ = serving => {}
    }
    cluster.open.fetch_sub(1, Ordering::Relaxed);
}

/// One request, its body read.
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path without the query, still percent-encoded.
    pub path: String,
    /// Its parameters.
    pub query: Query,
    /// How objects are to be written.
    pub form: Form,
    /// Whether the answer may be compressed.
    pub gzip: bool,
    /// Media type of the body, without parameters.
    pub media: String,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Who asks.
    pub user: String,
    /// The body.
    pub body: Bytes,
    /// Turns the connection into a stream of our own, where the client asks for that.
    pub upgrade: Option<OnUpgrade>,
}

impl Call {
    /// The name under which this write owns fields: `fieldManager`, or the client's program.
    pub fn manager(&self) -> String {
        let agent = web::header_text(&self.headers, "user-agent").split(['/', ' ']).next().unwrap_or_default();
        match (self.query.get("fieldManager"), agent) {
            ("", "") => "unknown".into(),
            ("", agent) => agent.into(),
            (named, _) => named.into(),
        }
    }

    /// Whether nothing is to be changed.
    pub fn dry_run(&self) -> bool {
        self.query.get("dryRun") == "All"
    }
}

async fn answer(cluster: Arc<Cluster>, request: Request<Incoming>) -> Response<Body> {
    cluster.stats.lock().unwrap_or_else(PoisonError::into_inner).total += 1;
    let faults = cluster.faults();
    if faults.silent {
        std::future::pending::<()>().await;
    }
    if !faults.delay.is_zero() {
        tokio::time::sleep(faults.delay).await;
    }
    if let Some(made_up) = faults.made_up(request.uri().path()) {
        if made_up.status() == 429 && request.method() == Method::GET {
            cluster.sent_away(request.uri().path());
        }
        return made_up;
    }
    if !faults.knows(web::header_text(request.headers(), "authorization")) {
        return web::failure(&Failure::new(401, "Unauthorized", "Unauthorized"));
    }
    let mut answer = match read_call(&cluster, request).await {
        Ok(call) => respond(cluster, call).await.unwrap_or_else(|refused| web::failure(&refused)),
        Err(refused) => web::failure(&refused),
    };
    if faults.clock_ahead != 0 {
        web::date(&mut answer, faults.clock_ahead);
    }
    match faults.trickle {
        Some(rate) => web::trickle(answer, rate),
        None => answer,
    }
}

async fn read_call(cluster: &Cluster, mut request: Request<Incoming>) -> Result<Call, Failure> {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, body) = request.into_parts();
    let form = web::accepted(&parts.headers).ok_or_else(|| {
        Failure::new(406, "NotAcceptable", "only the following media types are accepted: application/json")
    })?;
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| Failure::new(413, "RequestEntityTooLarge", format!("limit is {BODY_LIMIT}")))?;
    let media =
        web::header_text(&parts.headers, "content-type").split(';').next().unwrap_or_default().trim().to_string();
    let user = match web::header_text(&parts.headers, "impersonate-user") {
        "" => cluster.options.user.clone(),
        named => named.to_string(),
    };
    Ok(Call {
        method: parts.method,
        path: parts.uri.path().to_string(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        form,
        gzip: cluster.options.gzip && web::header_text(&parts.headers, "accept-encoding").contains("gzip"),
        media,
        headers: parts.headers,
        user,
        body: body.to_bytes(),
        upgrade,
    })
}

async fn respond(cluster: Arc<Cluster>, call: Call) -> Result<Response<Body>, Failure> {
    if let Some(answer) = discovery::answer(&cluster, &call) {
        return Ok(answer);
    }
    if let Some(answer) = access::review(&cluster, &call) {
        return answer;
    }
    let target = route::resolve(&cluster.store, &call.path)?;
    let verb = route::verb(&call, &target)?;
    cluster.count(verb, target.counted());
    access::authorise(&cluster, &call, &target, verb)?;
    if cluster.options.metrics && target.kind.id.group == metrics::GROUP {
        return metrics::answer(&cluster, &call, &target);
    }
    if !target.sub.is_empty() && target.sub != "status" {
        return subresources::answer(cluster, call, target).await;
    }
    match verb {
        "get" => read::get(&cluster, &call, &target),
        "list" => read::list(&cluster, &call, &target),
        "watch" => read::watch(cluster, &call, &target),
        "create" => write::create(&cluster, &call, &target),
        "update" => write::update(&cluster, &call, &target),
        "patch" => write::patch(&cluster, &call, &target),
        "delete" => write::delete(&cluster, &call, &target),
        "deletecollection" => write::delete_collection(&cluster, &call, &target),
        _ => Err(Failure::method_not_allowed()),
    }
}

pub use write::{commit_patch, parse_body};
