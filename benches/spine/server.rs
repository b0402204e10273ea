//! The server of the benchmark: an API server whose pods were serialised before the first request, so that serving them
//! hardly disturbs the client on the same cores. It runs in a process of its own.

use crate::support::http::{Chunks, Reply, Request, Server, small_cluster};
use crate::{data, logs};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Objects per chunk of a list.
const CHUNK: usize = 8;

/// Pods replaced at once, every ten milliseconds.
const BURST: u64 = 25;

/// What the server keeps.
struct Cluster {
    /// Number of the first pod.
    first: usize,
    pods: RwLock<Vec<Arc<Vec<u8>>>>,
    /// MODIFIED events a second.
    rate: AtomicU64,
    /// Pods still to be replaced.
    churn: AtomicU64,
}

impl Cluster {
    fn pod(&self, at: usize) -> Arc<Vec<u8>> {
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        pods[at % pods.len()].clone()
    }

    fn pods(&self) -> Vec<Arc<Vec<u8>>> {
        self.pods.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts a cluster of so many pods, from a number on. `GET /rate?N` sets the rate of its events, `GET /churn?N` has
/// pods replaced as quickly as the watch takes it, `GET /churn` says how many of them are left.
pub fn start(pods: usize, first: usize) -> Server {
    let pods = (first..first + pods).map(|n| Arc::new(data::pod(n).text)).collect();
    let cluster = Cluster { first, pods: RwLock::new(pods), rate: AtomicU64::new(0), churn: AtomicU64::new(0) };
    let cluster = Arc::new(cluster);
    small_cluster(move |request| answer(&cluster, request))
}

fn answer(cluster: &Arc<Cluster>, request: &Request) -> Option<Reply> {
    let cluster = cluster.clone();
    match request.plain() {
        "/rate" => {
            let rate = request.path.rsplit('?').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            cluster.rate.store(rate, Ordering::SeqCst);
            Some(Reply::Whole(200, "text/plain", b"ok".to_vec()))
        }
        "/churn" => {
            if let Some(wanted) = request.path.split_once('?').and_then(|(_, n)| n.parse().ok()) {
                cluster.churn.store(wanted, Ordering::SeqCst);
            }
            let left = cluster.churn.load(Ordering::SeqCst).to_string();
            Some(Reply::Whole(200, "text/plain", left.into_bytes()))
        }
        // A streaming list would not come in pages.
        "/api/v1/pods" if request.path.contains("sendInitialEvents") => {
            Some(Reply::status(422, "Invalid", "sendInitialEvents is forbidden for watch"))
        }
        "/api/v1/pods" if request.watches() => Some(Reply::Stream(Box::new(move |out| events(&cluster, out)))),
        "/api/v1/pods" => {
            let number = |key: &str| parameter(&request.path, key).and_then(|n| n.parse().ok());
            let from = number("continue").unwrap_or(0);
            let limit = number("limit").filter(|n| *n > 0).unwrap_or(usize::MAX);
            Some(Reply::Stream(Box::new(move |out| page(&cluster.pods(), from, limit, out))))
        }
        path if path.ends_with("/log") => {
            let chunks = if request.path.contains("follow=true") { usize::MAX } else { 1 };
            Some(Reply::Stream(Box::new(move |out| logs::write(chunks, out))))
        }
        _ => None,
    }
}

fn parameter<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let query = path.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key)).map(|(_, value)| value)
}

fn page(pods: &[Arc<Vec<u8>>], from: usize, limit: usize, out: &mut Chunks<'_>) -> io::Result<()> {
    let to = from.saturating_add(limit).min(pods.len());
    let more = match pods.len() - to {
        0 => String::new(),
        left => format!(",\"continue\":\"{to}\",\"remainingItemCount\":{left}"),
    };
    let version = data::VERSION;
    let mut chunk =
        format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{version}\"{more}}},\"items\":[").into_bytes();
    for (n, pod) in pods[from.min(to)..to].iter().enumerate() {
        if n > 0 {
            chunk.push(b',');
        }
        chunk.extend_from_slice(pod);
        if n % CHUNK == CHUNK - 1 {
            out.send(&chunk)?;
            chunk.clear();
        }
    }
    chunk.extend_from_slice(b"]}\n");
    out.send(&chunk)
}

/// Events at the set rate, in bursts of ten milliseconds; a bookmark a minute while there are none.
fn events(cluster: &Cluster, out: &mut Chunks<'_>) -> io::Result<()> {
    let (mut sent, mut version) = (0u64, 0u64);
    let (mut began, mut rate) = (Instant::now(), 0);
    let mut spoke = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(10));
        let now = cluster.rate.load(Ordering::SeqCst);
        if now != rate {
            (rate, sent, began) = (now, 0, Instant::now());
        }
        let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
        let mut burst = Vec::new();
        while sent < due {
            sent += 1;
            version += 1;
            event("MODIFIED", &cluster.pod((version * 7919) as usize), version, &mut burst);
        }
        for _ in 0..cluster.churn.load(Ordering::SeqCst).min(BURST) {
            replace(cluster, &mut version, &mut burst);
            cluster.churn.fetch_sub(1, Ordering::SeqCst);
        }
        if spoke.elapsed() > Duration::from_secs(60) {
            let at = 1_000_000_000 + version;
            burst.extend_from_slice(
                format!("{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{at}\"}}}}}}\n").as_bytes(),
            );
        }
        if !burst.is_empty() {
            spoke = Instant::now();
            out.send(&burst)?;
        }
    }
}

/// One pod goes and another of its workload comes.
fn replace(cluster: &Cluster, version: &mut u64, out: &mut Vec<u8>) {
    let mut pods = cluster.pods.write().unwrap_or_else(PoisonError::into_inner);
    // (Any multiplier without a pattern will do.)
    let at = (version.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize % pods.len();
    *version += 1;
    event("DELETED", &pods[at], *version, out);
    pods[at] = Arc::new(data::successor(cluster.first + at, *version).text);
    *version += 1;
    event("ADDED", &pods[at], *version, out);
}

/// A pod with its resource version and a restart count changed, as one line of a watch.
fn event(kind: &str, pod: &[u8], version: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!("{{\"type\":\"{kind}\",\"object\":{{\"kind\":\"Pod\",\"apiVersion\":\"v1\",").as_bytes(),
    );
    let start = out.len();
    out.extend_from_slice(&pod[1..]);
    let mut put = |before: &[u8], text: &[u8]| {
        if let Some(at) = memchr::memmem::find(&out[start..], before) {
            let at = start + at + before.len();
            out[at..at + text.len()].copy_from_slice(text);
        }
    };
    put(b"\"resourceVersion\":\"", (1_000_000_000 + version).to_string().as_bytes());
    // (The first digit of several may not be a nought.)
    put(b"\"restartCount\":", (1 + version % 9).to_string().as_bytes());
    out.extend_from_slice(b"}\n");
}
