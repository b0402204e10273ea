//! Logs of containers: the [`LogBook`] that holds them, and the `log` subresource that serves them.

use super::pod;
use crate::sim::http::{self as web, Body, Query};
use crate::sim::server::{Call, Cluster, Target};
use crate::sim::store::Failure;
use crate::world::object::{int_at, list_at, str_at};
use crate::world::time::Time;
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One line as the runtime keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// RFC 3339 with nanoseconds, as `timestamps=true` shows it; empty for the runtime's own words.
    stamp: String,
    text: String,
}

/// The log of one run of a container, or the sentence it is refused with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Log {
    Lines(Vec<Line>),
    Refused(String),
}

#[derive(Default)]
struct Shelf {
    current: Option<Log>,
    previous: Option<Log>,
}

/// Computes the log of a container that nothing was written down for: pod, container, whether the run before is meant,
/// now. The answer is its lines with their times, or the sentence it is refused with.
pub type Source = fn(&Value, &str, bool, Time) -> Result<Vec<(Time, String)>, String>;

/// The logs of all containers of a cluster. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct LogBook {
    shelves: Arc<Mutex<HashMap<String, Shelf>>>,
    grown: Arc<watch::Sender<u64>>,
    source: Option<Source>,
}

impl Default for LogBook {
    fn default() -> Self {
        Self { shelves: Arc::default(), grown: Arc::new(watch::Sender::new(0)), source: None }
    }
}

fn stamp(at: Time) -> String {
    at.rfc3339().replace('Z', ".000000000Z")
}

fn key(namespace: &str, pod: &str, container: &str) -> String {
    format!("{namespace}/{pod}/{container}")
}

impl LogBook {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Shelf>) -> T) -> T {
        let answer = work(&mut self.shelves.lock().unwrap_or_else(PoisonError::into_inner));
        self.grown.send_modify(|n| *n += 1);
        answer
    }

    /// Adds lines to the log of a running container.
    pub fn append(&self, namespace: &str, pod: &str, container: &str, at: Time, text: &str) {
        let stamp = stamp(at);
        let new = text.lines().map(|text| Line { stamp: stamp.clone(), text: text.into() });
        self.with(|shelves| {
            let shelf = shelves.entry(key(namespace, pod, container)).or_default();
            match &mut shelf.current {
                Some(Log::Lines(lines)) => lines.extend(new),
                other => *other = Some(Log::Lines(new.collect())),
            }
        });
    }

    /// Sets a whole log, each line with its timestamp in front (`2026-11-21T09:21:10.644183076Z listening`); a line
    /// without one is served as it is.
    pub fn set(&self, namespace: &str, pod: &str, container: &str, previous: bool, text: &str) {
        let lines = text.lines().map(|line| match line.split_once(' ') {
            Some((stamp, text)) if Time::parse(stamp).is_some() => Line { stamp: stamp.into(), text: text.into() },
            _ => Line { stamp: String::new(), text: line.into() },
        });
        self.put(key(namespace, pod, container), previous, Log::Lines(lines.collect()));
    }

    /// From now on a log is refused with 400 and this sentence.
    pub fn refuse(&self, namespace: &str, pod: &str, container: &str, previous: bool, sentence: &str) {
        self.put(key(namespace, pod, container), previous, Log::Refused(sentence.into()));
    }

    fn put(&self, key: String, previous: bool, log: Log) {
        self.with(|shelves| {
            let shelf = shelves.entry(key).or_default();
            *(if previous { &mut shelf.previous } else { &mut shelf.current }) = Some(log);
        });
    }

    /// The container starts again: its log becomes the previous one.
    pub fn restart(&self, namespace: &str, pod: &str, container: &str) {
        self.with(|shelves| {
            let shelf = shelves.entry(key(namespace, pod, container)).or_default();
            shelf.previous = shelf.current.take();
        });
    }

    /// The pod is gone, and its logs with it.
    pub fn forget(&self, namespace: &str, pod: &str) {
        let prefix = key(namespace, pod, "");
        self.with(|shelves| shelves.retain(|key, _| !key.starts_with(&prefix)));
    }

    /// What is written down for a container from now on.
    pub fn tail(&self, namespace: &str, pod: &str, container: &str) -> Tail {
        let mut tail =
            Tail { book: self.clone(), grown: self.grown.subscribe(), key: key(namespace, pod, container), seen: 0 };
        tail.seen = tail.lines().len();
        tail
    }

    /// A book whose logs are computed when they are asked for, but for those that are written into it.
    pub fn computed(source: Source) -> Self {
        Self { source: Some(source), ..Self::default() }
    }

    /// What is written down, else what can be computed.
    fn find(&self, key: &str, pod: &Value, container: &str, previous: bool, now: Time) -> Option<Log> {
        self.read(key, previous).or_else(|| {
            let computed = self.source?(pod, container, previous, now);
            Some(computed.map_or_else(Log::Refused, |lines| {
                Log::Lines(lines.into_iter().map(|(at, text)| Line { stamp: stamp(at), text }).collect())
            }))
        })
    }

    fn read(&self, key: &str, previous: bool) -> Option<Log> {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.get(key)?;
        if previous { shelf.previous.clone() } else { shelf.current.clone() }
    }
}

/// What a container writes from some moment on.
pub struct Tail {
    book: LogBook,
    grown: watch::Receiver<u64>,
    key: String,
    seen: usize,
}

impl Tail {
    fn lines(&self) -> Vec<Line> {
        match self.book.read(&self.key, false) {
            Some(Log::Lines(lines)) => lines,
            _ => vec![],
        }
    }

    /// The lines after those that were given already; waits for one. Cancelled, it loses nothing.
    pub async fn next(&mut self) -> String {
        loop {
            self.grown.mark_unchanged();
            let lines = self.lines();
            let new = lines.get(self.seen.min(lines.len())..).unwrap_or_default();
            if !new.is_empty() {
                self.seen = lines.len();
                return new.iter().map(|line| format!("{}\n", line.text)).collect();
            }
            if self.grown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// What a request wants to see of a log.
struct Ask {
    key: String,
    timestamps: bool,
    since: Option<Time>,
    left: usize,
}

impl Ask {
    fn new(query: &Query, key: String, now: Time) -> Self {
        let since = query.number::<i64>("sinceSeconds").map(|s| Time(now.0.saturating_sub(s)));
        Self {
            key,
            timestamps: query.flag("timestamps"),
            since: since.or_else(|| Time::parse(query.get("sinceTime"))),
            left: query.number("limitBytes").unwrap_or(usize::MAX),
        }
    }

    fn wants(&self, line: &Line) -> bool {
        match (self.since, Time::parse(&line.stamp)) {
            (Some(since), Some(at)) => at >= since,
            _ => true,
        }
    }

    fn text(&mut self, lines: &[Line]) -> String {
        let mut out = String::new();
        for line in lines.iter().filter(|line| self.wants(line)) {
            if self.timestamps && !line.stamp.is_empty() {
                out.push_str(&line.stamp);
                out.push(' ');
            }
            out.push_str(&line.text);
            out.push('\n');
        }
        let cut = (0..=self.left.min(out.len())).rev().find(|at| out.is_char_boundary(*at)).unwrap_or(0);
        out.truncate(cut);
        self.left -= out.len();
        out
    }
}

/// Serves a log.
///
/// # Errors
/// 400 where there is no such container, it has not started, or it never ran before; 404 for the pod.
pub fn answer(cluster: Arc<Cluster>, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let pod = pod(&cluster, target)?;
    let container = container(&pod, &target.name, call.query.get("container"))?;
    let previous = call.query.flag("previous");
    let book = cluster.options.logs.clone();
    let key = key(&target.namespace, &target.name, &container);
    let lines = match book.find(&key, &pod, &container, previous, cluster.store.now()) {
        Some(Log::Lines(lines)) => lines,
        Some(Log::Refused(sentence)) => return Err(Failure::bad_request(sentence)),
        None if previous => {
            let sentence =
                format!("previous terminated container \"{container}\" in pod \"{}\" not found", target.name);
            return Err(Failure::bad_request(sentence));
        }
        None => {
            started(&pod, &target.name, &container)?;
            vec![]
        }
    };
    let mut ask = Ask::new(&call.query, key, cluster.store.now());
    let from = call.query.number::<usize>("tailLines").map_or(0, |tail| lines.len().saturating_sub(tail));
    let text = ask.text(lines.get(from..).unwrap_or_default());
    if !call.query.flag("follow") || previous {
        return Ok(web::bytes(200, "text/plain", text));
    }
    let written = book.read(&ask.key, false).is_some();
    let last = lines.last().filter(|_| book.source.is_some() && !written).map(|line| line.stamp.clone());
    let follow = Follow {
        run: restarts(&pod, &container),
        grown: book.grown.subscribe(),
        book,
        cluster,
        target: target.clone(),
        container,
        ask,
        sent: lines.len(),
        last,
        first: Some(text),
    };
    Ok(web::stream("text/plain", stream::unfold(follow, Follow::next)))
}

/// The container whose log is meant.
fn container(pod: &Value, name: &str, asked: &str) -> Result<String, Failure> {
    let lists = ["/spec/initContainers", "/spec/containers", "/spec/ephemeralContainers"];
    let all: Vec<&str> = lists.iter().flat_map(|list| list_at(pod, list)).map(|c| str_at(c, "/name")).collect();
    let main: Vec<&str> = list_at(pod, "/spec/containers").iter().map(|c| str_at(c, "/name")).collect();
    match (asked, main.as_slice()) {
        ("", [only]) if all.len() == 1 => Ok(only.to_string()),
        ("", _) => {
            let init: Vec<&str> = list_at(pod, "/spec/initContainers").iter().map(|c| str_at(c, "/name")).collect();
            let more = if init.is_empty() {
                String::new()
            } else {
                format!(" or one of the init containers: [{}]", init.join(" "))
            };
            let sentence =
                format!("a container name must be specified for pod {name}, choose one of: [{}]{more}", main.join(" "));
            Err(Failure::bad_request(sentence))
        }
        (asked, _) if all.contains(&asked) => Ok(asked.into()),
        (asked, _) => Err(Failure::bad_request(format!("container {asked} is not valid for pod {name}"))),
    }
}

/// Whether the container has started, so that an empty log is what it has said.
fn started(pod: &Value, name: &str, container: &str) -> Result<(), Failure> {
    if str_at(pod, "/spec/nodeName").is_empty() {
        return Err(Failure::bad_request(format!("pod {name} does not have a host assigned")));
    }
    let status = status_of(pod, container);
    let waiting = status.and_then(|status| status.pointer("/state/waiting"));
    // Of one that waits to be started anew there is the log of the run before (`kubelet_pods.go`, validateContainerLogStatus).
    let ran = status.is_some_and(|status| status.pointer("/lastState/terminated").is_some());
    match (status, waiting) {
        (Some(_), None) => Ok(()),
        (Some(_), Some(_)) if ran => Ok(()),
        (_, waiting) => {
            let reason = waiting.map_or("ContainerCreating", |w| str_at(w, "/reason"));
            Err(Failure::bad_request(format!(
                "container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"
            )))
        }
    }
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let lists = ["/status/containerStatuses", "/status/initContainerStatuses", "/status/ephemeralContainerStatuses"];
    lists.iter().flat_map(|list| list_at(pod, list)).find(|status| str_at(status, "/name") == container)
}

/// How often a container was started anew: which of its runs this is.
fn restarts(pod: &Value, container: &str) -> i64 {
    status_of(pod, container).and_then(|status| int_at(status, "/restartCount")).unwrap_or(0)
}

/// A log that is followed until its run of the container ends or the pod is gone.
struct Follow {
    /// The run, as [`restarts`] counts.
    run: i64,
    cluster: Arc<Cluster>,
    book: LogBook,
    grown: watch::Receiver<u64>,
    target: Target,
    container: String,
    ask: Ask,
    sent: usize,
    /// Timestamp of the last line sent, if the log is computed.
    last: Option<String>,
    first: Option<String>,
}

impl Follow {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if let Some(text) = self.first.take().filter(|text| !text.is_empty()) {
            return Some((Ok(text.into()), self));
        }
        loop {
            self.grown.mark_unchanged();
            // Whether it is over is asked before the log is read: what comes after the end of a container is not its log.
            let pod = self.pod();
            let over = pod.as_ref().is_none_or(|pod| self.over(pod));
            if let Some(Log::Lines(lines)) = pod.and_then(|pod| self.lines(&pod)) {
                // A computed log keeps its last lines only: what was sent is told by its time.
                let sent = match &self.last {
                    Some(last) => lines.iter().rposition(|line| &line.stamp == last).map_or(0, |at| at + 1),
                    None => self.sent,
                };
                if lines.len() < sent {
                    return None;
                }
                let text = self.ask.text(lines.get(sent..).unwrap_or_default());
                self.sent = lines.len();
                if self.last.is_some() {
                    self.last = lines.last().map(|line| line.stamp.clone());
                }
                if !text.is_empty() {
                    return Some((Ok(text.into()), self));
                }
            }
            if over {
                return None;
            }
            tokio::select! {
                changed = self.grown.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
        }
    }

    fn pod(&self) -> Option<Arc<Value>> {
        self.cluster.store.get(&self.target.kind.id, &self.target.namespace, &self.target.name)
    }

    /// What there is of the run: once the next one has begun, it is the previous log.
    fn lines(&self, pod: &Value) -> Option<Log> {
        let previous = match restarts(pod, &self.container) - self.run {
            ..=0 => false,
            1 => true,
            _ => return None,
        };
        self.book.find(&self.ask.key, pod, &self.container, previous, self.cluster.store.now())
    }

    fn over(&self, pod: &Value) -> bool {
        let Some(status) = status_of(pod, &self.container) else { return false };
        let waits = status.pointer("/state/waiting").is_some() && status.pointer("/lastState/terminated").is_some();
        restarts(pod, &self.container) > self.run || waits || status.pointer("/state/terminated").is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_chosen_by_time_and_size() {
        let book = LogBook::default();
        book.set("shop", "web", "c", false, "1970-01-01T00:00:10.5Z one\n1970-01-01T00:00:20.5Z two\nruntime words");
        let Some(Log::Lines(lines)) = book.read("shop/web/c", false) else { panic!("no log") };
        let ask = |query: &str| Ask::new(&Query::parse(query), String::new(), Time(25)).text(&lines);
        assert_eq!(ask(""), "one\ntwo\nruntime words\n");
        assert_eq!(ask("sinceSeconds=10"), "two\nruntime words\n");
        assert_eq!(ask("timestamps=true&limitBytes=30"), "1970-01-01T00:00:10.5Z one\n197");
        book.append("shop", "web", "d", Time(1), "a\nb");
        book.restart("shop", "web", "d");
        assert!(matches!(book.read("shop/web/d", true), Some(Log::Lines(lines)) if lines.len() == 2));
        book.forget("shop", "web");
        assert_eq!(book.read("shop/web/c", false), None);
    }

    #[test]
    fn the_container_must_be_clear() {
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        assert_eq!(container(&pod, "web", "b").unwrap(), "b");
        let refused = container(&pod, "web", "").unwrap_err().message;
        assert_eq!(refused, "a container name must be specified for pod web, choose one of: [a b]");
        assert_eq!(container(&pod, "web", "x").unwrap_err().message, "container x is not valid for pod web");
        assert!(started(&pod, "web", "a").unwrap_err().message.contains("host assigned"));
    }
}
