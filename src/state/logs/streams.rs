//! The streams of a log window: begun for what is selected, gone on with after a container was started anew or a
//! connection broke, ended with their pods.

use super::selection::{Found, Selection};
use crate::effect::logs::{LogFrom, LogPlace, LogSource, LogStream};
use crate::msg::logs::LogLine;
use crate::world::fleet::{ClusterId, Feed, Fleet};
use crate::world::object::ResourceId;
use crate::world::pod::ContainerRow;
use crate::world::row::Uid;
use crate::world::time::Time;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Streams of one cluster at once: each is a connection to its API server.
pub const MOST: usize = 50;
/// Whoever ends a stream in order has told of the container's end by then, in seconds.
const TOLD: i64 = 3;
/// Longest wait before a stream is tried again, in seconds.
const LONGEST: i64 = 30;

/// One container's stream.
#[derive(Debug)]
pub struct Stream {
    /// The container.
    pub source: Arc<LogSource>,
    /// How it stands.
    pub standing: Standing,
    /// The last line that was read.
    place: Option<LogPlace>,
    /// The pod that was read.
    uid: Uid,
    /// Restarts of the container when the stream began.
    restarts: u32,
    /// Attempts without a line since the last one.
    tries: u32,
    /// It ended in order, and was begun again before anybody said that the container was: it was, most probably.
    unsure: bool,
}

/// How a stream stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Lines come.
    Reading,
    /// The server has ended it; why, where it was an error. Tried again at that time, if the container runs.
    Ended { reason: Option<String>, again: Time },
    /// The pod is gone.
    Gone,
}

/// What there is to do after a look at the pods.
#[derive(Debug, Default)]
pub struct Todo {
    /// Streams to begin.
    pub begin: Vec<LogStream>,
    /// What to say in the window.
    pub notes: Vec<(Option<usize>, String)>,
    /// Containers that are not read, because there are too many in a cluster.
    pub left_out: usize,
}

/// The streams of a window.
#[derive(Debug, Default)]
pub struct Streams {
    list: Vec<Stream>,
    /// Where each stands in the list; by address of the cluster, pod and container.
    index: HashMap<Arc<LogSource>, usize>,
    /// The pods were looked at once.
    begun: bool,
    /// Containers that are not read, because there are too many in a cluster.
    pub left_out: usize,
}

impl Streams {
    /// Every stream, in the order they came.
    pub fn list(&self) -> &[Stream] {
        &self.list
    }

    /// The n-th.
    pub fn get(&self, n: usize) -> Option<&Stream> {
        self.list.get(n)
    }

    /// Where a source stands.
    pub fn at(&self, source: &LogSource) -> Option<usize> {
        self.index.get(source).copied()
    }

    /// Whether none reads or will.
    pub fn over(&self) -> bool {
        !self.list.is_empty() && self.list.iter().all(|stream| stream.standing != Standing::Reading)
    }

    /// Lines of a stream have come.
    pub fn heard(&mut self, at: usize, lines: &[LogLine]) {
        let Some(stream) = self.list.get_mut(at) else { return };
        stream.tries = 0;
        let Some(last) = lines.iter().rev().map(LogLine::at).find(|at| !at.is_empty()) else { return };
        let same = lines.iter().rev().filter(|line| !line.at().is_empty()).take_while(|line| line.at() == last).count();
        let stamped = lines.iter().filter(|line| !line.at().is_empty()).count();
        match &mut stream.place {
            // All of them belong to the line before.
            Some(place) if place.at == last && same == stamped => place.lines += same as u32,
            place => *place = Some(LogPlace { at: last.into(), lines: same as u32 }),
        }
    }

    /// A stream has ended.
    pub fn ended(&mut self, at: usize, reason: Option<String>, now: Time) {
        let Some(stream) = self.list.get_mut(at) else { return };
        // A log ends when its container does, which the pod says a moment later.
        let least = if reason.is_none() { TOLD } else { 1 };
        let wait = 1_i64.checked_shl(stream.tries).unwrap_or(LONGEST).clamp(least, LONGEST);
        stream.tries = (stream.tries + 1).min(8);
        stream.standing = Standing::Ended { reason, again: Time(now.0 + wait) };
    }

    /// Compares with the pods there are. `follow`: what has ended is gone on with, and what is new joins; `opened`: when
    /// the window was.
    pub fn look(&mut self, fleet: &Fleet, selection: &Selection, follow: bool, opened: Time, now: Time) -> Todo {
        let mut todo = Todo::default();
        let first = !std::mem::replace(&mut self.begun, true);
        if !first && !follow {
            return todo;
        }
        let found = selection.containers(fleet);
        let mut reading: HashMap<ClusterId, usize> = HashMap::new();
        for stream in self.list.iter().filter(|stream| stream.standing == Standing::Reading) {
            *reading.entry(stream.source.cluster).or_default() += 1;
        }
        let mut seen = HashSet::new();
        for one in &found {
            let known = self.at(&one.source);
            if let Some(at) = known {
                seen.insert(at);
                todo.notes.extend(self.late(at, one).map(|note| (Some(at), note)));
            }
            let room = reading.entry(one.source.cluster).or_default();
            let wanted = match known {
                Some(at) => self.resume(at, one, now),
                None => self.join(one, first, opened),
            };
            let Some(stream) = wanted else { continue };
            if *room >= MOST {
                todo.left_out += 1;
                continue;
            }
            *room += 1;
            let at = self.begin(&stream, one);
            seen.insert(at);
            if known.is_none() && !first && one.row.meta.created >= opened {
                todo.notes.push((Some(at), format!("{} joined", one.source)));
            }
            todo.begin.push(stream);
        }
        self.bury(fleet, &seen, &mut todo);
        self.left_out = todo.left_out;
        todo
    }

    /// A container that is not read yet. At the beginning all are asked for, so that the server says why one cannot be
    /// read; later those that have something to say.
    fn join(&self, one: &Found, first: bool, opened: Time) -> Option<LogStream> {
        let young = one.row.meta.created >= opened && !first;
        let from = if young { LogFrom::Start } else { LogFrom::Asked };
        let source = Arc::new(one.source.clone());
        (first || has_run(one.container)).then(|| LogStream { source, from, note: String::new() })
    }

    /// A stream that has ended is gone on with as soon as its container runs.
    fn resume(&self, at: usize, one: &Found, now: Time) -> Option<LogStream> {
        let stream = self.list.get(at)?;
        let Standing::Ended { reason, again } = &stream.standing else {
            // A pod of the same name came back.
            let back = stream.standing == Standing::Gone && has_run(one.container);
            let note = format!("{} is back", one.source);
            return back.then(|| LogStream { source: stream.source.clone(), from: LogFrom::Start, note });
        };
        let replaced = one.row.meta.uid != stream.uid;
        let anew = one.container.restarts > stream.restarts;
        // One that crashes at once is never seen running, but its count grows; one that could not be read before it
        // started may be over by now.
        let has_more =
            *one.container.state == *"Running" || anew || replaced || (reason.is_some() && stream.place.is_none());
        let due = *again <= now || replaced || anew;
        if !due || !has_more || !has_run(one.container) {
            return None;
        }
        let name = &one.source;
        let (from, note) = match (&stream.place, replaced, anew) {
            (_, true, _) => (LogFrom::Start, format!("{name} was replaced by a pod of the same name")),
            (None, _, true) => (LogFrom::Start, restarted(name, one.container)),
            (Some(place), _, true) => {
                (LogFrom::After { place: place.clone(), missed: true }, restarted(name, one.container))
            }
            (None, ..) => (LogFrom::Asked, String::new()),
            (Some(place), ..) => {
                let note = reason.as_ref().map_or_else(String::new, |why| format!("{name} is read on after: {why}"));
                (LogFrom::After { place: place.clone(), missed: false }, note)
            }
        };
        Some(LogStream { source: stream.source.clone(), from, note })
    }

    /// What to say of a container that is read on already, once its pod tells that it was started anew.
    fn late(&mut self, at: usize, one: &Found) -> Option<String> {
        let stream = self.list.get_mut(at)?;
        let anew = one.container.restarts > stream.restarts && one.row.meta.uid == stream.uid;
        if !anew || !stream.unsure || stream.standing != Standing::Reading {
            return None;
        }
        (stream.unsure, stream.restarts) = (false, one.container.restarts);
        Some(restarted(&one.source, one.container))
    }

    fn begin(&mut self, stream: &LogStream, one: &Found) -> usize {
        let (uid, restarts) = (one.row.meta.uid, one.container.restarts);
        match self.at(&stream.source) {
            Some(at) => {
                if let Some(known) = self.list.get_mut(at) {
                    known.unsure = stream.note.is_empty() && known.place.is_some();
                    (known.uid, known.restarts, known.standing) = (uid, restarts, Standing::Reading);
                    if stream.from == LogFrom::Start {
                        known.place = None;
                    }
                }
                at
            }
            None => {
                let source = stream.source.clone();
                self.index.insert(source.clone(), self.list.len());
                let standing = Standing::Reading;
                self.list.push(Stream { source, standing, place: None, uid, restarts, tries: 0, unsure: false });
                self.list.len() - 1
            }
        }
    }

    /// Names those whose pods are gone, where that is certain: the list of pods is whole and current.
    fn bury(&mut self, fleet: &Fleet, seen: &HashSet<usize>, todo: &mut Todo) {
        for (at, stream) in self.list.iter_mut().enumerate() {
            let ended = matches!(stream.standing, Standing::Ended { .. });
            if ended && !seen.contains(&at) && is_current(fleet, stream.source.cluster) {
                stream.standing = Standing::Gone;
                todo.notes.push((Some(at), format!("{} is gone", stream.source)));
            }
        }
    }

    /// Why lines do not come, for those that have ended.
    pub fn endings(&self) -> impl Iterator<Item = String> + '_ {
        self.list.iter().filter_map(|stream| match &stream.standing {
            Standing::Ended { reason, .. } => {
                Some(format!("{}: {}", stream.source, reason.as_deref().unwrap_or("the log ended")))
            }
            _ => None,
        })
    }
}

fn is_current(fleet: &Fleet, cluster: ClusterId) -> bool {
    let table = fleet.shards.get(usize::from(cluster.0)).and_then(|shard| shard.table(&ResourceId::core("pods")));
    table.is_some_and(|table| matches!(table.feed, Feed::Live))
}

/// Whether a container has written, or may have.
fn has_run(container: &ContainerRow) -> bool {
    let state = &*container.state;
    container.restarts > 0
        || container.last_exit.is_some()
        || matches!(state, "Running" | "Completed" | "Error" | "OOMKilled" | "DeadlineExceeded")
        || state.starts_with("ExitCode:")
        || state.starts_with("Signal:")
}

/// For the person, when not everything is read.
pub fn too_many(left_out: usize) -> String {
    format!(
        "{MOST} logs of a cluster are read at once, {left_out} containers are left out: choose fewer pods, or one container with Tab"
    )
}

/// `web-1/app restarted (exit 137, OOMKilled)`
fn restarted(source: &LogSource, container: &ContainerRow) -> String {
    let reason = match &*container.last_reason {
        "" | "Error" | "Completed" => String::new(),
        reason => format!(", {reason}"),
    };
    match container.last_exit {
        Some(code) => format!("{source} restarted (exit {code}{reason})"),
        None => format!("{source} restarted"),
    }
}
