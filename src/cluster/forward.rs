//! Port-forwards: a local port whose connections lead to a port of a pod, and to its successor when it is replaced.
//!
//! Every connection has a WebSocket of its own, so one that breaks takes no other with it. Which pod serves is decided by
//! [`ports::choose`] whenever the pods change (they are watched) and whenever a connection cannot be made.

mod connection;
mod pods;

use super::api::Api;
use crate::kinds::ports::{self, Pair};
use crate::msg::forward::Seen;
use crate::world::object::{Resource, name, str_at};
use pods::Origin;
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Counters are told at most this often; everything else at once.
const TELL: Duration = Duration::from_secs(1);
/// A pod that a connection could not be made to is passed over for this long, where there is another.
const AVOID: Duration = Duration::from_secs(10);

/// Said until the pods are known.
const LOOKING: &str = "looking for a pod";

/// What is to be forwarded.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Kind of the object.
    pub resource: Resource,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// From where to where.
    pub pair: Pair,
}

/// Why a forward could not be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody listens there already.
    #[error("port {} on {} is taken by another program", .0.port(), .0.ip())]
    Taken(SocketAddr),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// A forward that listens, but answers nobody until [`Forward::run`].
pub struct Forward {
    listener: TcpListener,
    local: SocketAddr,
    shared: Arc<Shared>,
    origin: Origin,
}

/// The pod that serves now.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pick {
    uid: String,
    name: String,
    port: u16,
}

/// What every connection of a forward shares.
struct Shared {
    api: Api,
    ask: Ask,
    object: Mutex<Value>,
    pick: watch::Sender<Option<Pick>>,
    /// UIDs of the pods that are there.
    alive: watch::Sender<Vec<String>>,
    avoided: Mutex<HashMap<String, Instant>>,
    words: Mutex<Words>,
    open: AtomicUsize,
    served: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    changes: AtomicU64,
    /// A connection failed: choose again.
    again: Notify,
    /// Something changed that is told at once.
    changed: Notify,
}

#[derive(Default)]
struct Words {
    waits: String,
    error: String,
    errors: u64,
    /// UID of the pod that served last.
    last: String,
}

/// Reads the object, finds out which pods are meant, and listens.
///
/// # Errors
/// [`Refused::Taken`], or why the object or its pods cannot be used.
pub async fn open(api: Api, ask: Ask) -> Result<Forward, Refused> {
    let what = format!("{} {}", ask.resource.kind, ask.name);
    let path = ask.resource.object_path(&ask.namespace, &ask.name);
    let mut object = api.get(&path).await.map_err(|e| match e.code() {
        404 => Refused::Other(format!("there is no {what} in namespace {}", ask.namespace)),
        _ => Refused::Other(format!("{what} cannot be read: {e}")),
    })?;
    // Answers to a GET carry their kind; a mended proxy's may not, and ports are resolved by it.
    object["kind"] = ask.resource.kind.clone().into();
    let origin = Origin::of(&api, &ask, &object).await.map_err(Refused::Other)?;
    let local = local_port(&ask.pair, &object).map_err(Refused::Other)?;
    let listener = TcpListener::bind((ask.pair.address, local)).await.map_err(|e| refused(&ask.pair, local, &e))?;
    let local = listener.local_addr().map_err(|e| Refused::Other(e.to_string()))?;
    let shared = Shared {
        api,
        ask,
        object: Mutex::new(object),
        pick: watch::Sender::new(None),
        alive: watch::Sender::new(vec![]),
        avoided: Mutex::default(),
        words: Mutex::new(Words { waits: LOOKING.into(), ..Words::default() }),
        open: AtomicUsize::new(0),
        served: AtomicU64::new(0),
        up: AtomicU64::new(0),
        down: AtomicU64::new(0),
        changes: AtomicU64::new(0),
        again: Notify::new(),
        changed: Notify::new(),
    };
    Ok(Forward { listener, local, shared: Arc::new(shared), origin })
}

/// The port to listen on: the one named, else the remote one by its number.
fn local_port(pair: &Pair, object: &Value) -> Result<u16, String> {
    match (pair.local, &pair.remote) {
        (Some(local), _) => Ok(local),
        (None, ports::Port::Number(number)) => Ok(*number),
        (None, ports::Port::Name(wanted)) => {
            let offers = ports::offers(object);
            let found = offers.iter().find(|offer| offer.name == *wanted);
            let found = found.ok_or_else(|| format!("{} names no port `{wanted}`: use its number", name(object)))?;
            Ok(found.number)
        }
    }
}

fn refused(pair: &Pair, port: u16, error: &std::io::Error) -> Refused {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::AddrInUse => Refused::Taken(SocketAddr::new(pair.address, port)),
        ErrorKind::PermissionDenied => Refused::Other(format!(
            "port {port} may not be listened on (below 1024 that is for root): take {}",
            ports::proposed(port)
        )),
        ErrorKind::AddrNotAvailable => {
            Refused::Other(format!("{} is no address of this machine: take 127.0.0.1", pair.address))
        }
        _ => Refused::Other(format!("{}:{port} cannot be listened on: {error}", pair.address)),
    }
}

/// A local port that is free at the moment: `wanted`, one of the next hundred, or any.
pub async fn free_port(address: std::net::IpAddr, wanted: u16) -> Option<u16> {
    for port in (wanted..=wanted.saturating_add(100)).chain([0]) {
        if let Ok(listener) = TcpListener::bind((address, port)).await {
            return listener.local_addr().ok().map(|at| at.port());
        }
    }
    None
}

impl Forward {
    /// Where it listens.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Serves until dropped; then everything is closed. `tell` hears whatever changes.
    pub async fn run(self, tell: impl Fn(Seen)) {
        let Self { listener, shared, origin, .. } = self;
        let (sender, mut found) = watch::channel(Err(LOOKING.into()));
        let watching = pods::follow(&shared.api, &shared.ask.namespace, &origin, sender);
        tokio::pin!(watching);
        let mut connections = JoinSet::new();
        let mut tick = tokio::time::interval(TELL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            tokio::select! {
                () = &mut watching => return,
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => drop(connections.spawn(connection::serve(shared.clone(), socket))),
                    // Out of file descriptors, or a connection that was gone again: neither ends the forward.
                    Err(e) => {
                        shared.failed(format!("a connection could not be accepted: {e}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                Ok(()) = found.changed() => {
                    let pods = found.borrow_and_update().clone();
                    shared.decide(&origin, pods).await;
                }
                () = shared.again.notified() => {
                    let pods = found.borrow().clone();
                    shared.decide(&origin, pods).await;
                }
                () = shared.changed.notified() => {}
                _ = tick.tick() => {}
            }
            let seen = shared.seen();
            if told.as_ref() != Some(&seen) {
                tell(seen.clone());
                told = Some(seen);
            }
        }
    }
}

impl Shared {
    /// Chooses the pod anew.
    async fn decide(&self, origin: &Origin, pods: Result<Vec<Value>, String>) {
        let pods = match pods {
            Ok(pods) => pods,
            // The pod that serves may well go on serving.
            Err(why) => {
                lock(&self.words).waits = why;
                return;
            }
        };
        let uids: Vec<String> = pods.iter().map(|pod| str_at(pod, "/metadata/uid").to_string()).collect();
        self.alive.send_replace(uids);
        let before = self.pick.borrow().clone();
        let now = before.as_ref().map(|pick| pick.uid.as_str());
        let (good, avoided): (Vec<Value>, Vec<Value>) = pods.into_iter().partition(|pod| !self.is_avoided(pod));
        let chosen = ports::choose(&good, &origin.wanted, now).or_else(|| ports::choose(&avoided, &origin.wanted, now));
        let Some(pod) = chosen else {
            lock(&self.words).waits = origin.nobody.clone();
            self.pick.send_replace(None);
            return;
        };
        let uid = str_at(pod, "/metadata/uid");
        let last = std::mem::replace(&mut lock(&self.words).last, uid.into());
        if !last.is_empty() && last != uid {
            self.changes.fetch_add(1, Ordering::Relaxed);
            self.refresh().await;
        }
        let port = ports::remote(&lock(&self.object), pod, &self.ask.pair.remote);
        match port {
            Ok(port) => {
                lock(&self.words).waits.clear();
                let pick = Pick { uid: uid.into(), name: name(pod).into(), port };
                self.pick.send_if_modified(|now| now.replace(pick.clone()) != Some(pick));
            }
            Err(why) => {
                lock(&self.words).waits = why;
                self.pick.send_replace(None);
            }
        }
    }

    /// A Service's ports may have changed together with its pods.
    async fn refresh(&self) {
        let path = self.ask.resource.object_path(&self.ask.namespace, &self.ask.name);
        if let Ok(mut object) = self.api.get(&path).await {
            object["kind"] = self.ask.resource.kind.clone().into();
            *lock(&self.object) = object;
        }
    }

    fn is_avoided(&self, pod: &Value) -> bool {
        let avoided = lock(&self.avoided);
        avoided.get(str_at(pod, "/metadata/uid")).is_some_and(|since| since.elapsed() < AVOID)
    }

    /// No connection to this pod could be made.
    fn avoid(&self, pick: &Pick, why: String) {
        let mut avoided = lock(&self.avoided);
        avoided.retain(|_, since| since.elapsed() < AVOID);
        avoided.insert(pick.uid.clone(), Instant::now());
        drop(avoided);
        self.failed(why);
        self.again.notify_one();
    }

    fn failed(&self, why: String) {
        let mut words = lock(&self.words);
        words.error = why;
        words.errors += 1;
        drop(words);
        self.changed.notify_one();
    }

    fn seen(&self) -> Seen {
        let words = lock(&self.words);
        Seen {
            target: self.pick.borrow().as_ref().map(|pick| (pick.name.clone(), pick.port)),
            waits: words.waits.clone(),
            open: self.open.load(Ordering::Relaxed),
            served: self.served.load(Ordering::Relaxed),
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
            error: words.error.clone(),
            errors: words.errors,
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
