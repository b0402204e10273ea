//! Watches: a stream of frames, one a line, from the store's window of events.
//!
//! Semantics: `apiserver/pkg/storage/cacher` and KEP-3157 (streaming lists).

use crate::sim::http::{self as web, Body, Form};
use crate::sim::server::select::Select;
use crate::sim::server::{Call, Cluster, Target, read};
use crate::sim::store::{Change, Event, Failure, Stored};
use crate::sim::table::Table;
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep_until};

/// How long a watch lasts that does not say: a real server picks 30 to 60 minutes.
const LONGEST: Duration = Duration::from_secs(45 * 60);

/// A running watch.
struct Watch {
    cluster: Arc<Cluster>,
    target: Target,
    select: Select,
    form: Form,
    table: Table,
    latest: channel::Receiver<u64>,
    /// Everything up to this resource version has been sent.
    seen: u64,
    /// Frames that are ready.
    ready: Vec<u8>,
    bookmarks: bool,
    columns_sent: bool,
    next_bookmark: Instant,
    started: Instant,
    deadline: Instant,
    over: bool,
}

/// Starts to answer a watch.
///
/// # Errors
/// 400 or 422 for parameters that do not fit together.
pub fn start(cluster: Arc<Cluster>, call: &Call, target: &Target, select: Select) -> Result<Response<Body>, Failure> {
    let faults = cluster.faults();
    let mut initial = call.query.flag("sendInitialEvents");
    if initial && faults.refuse_streaming_lists {
        let sentence = "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden \
                        for watch unless the WatchList feature gate is enabled";
        return Err(Failure::new(422, "Invalid", sentence));
    }
    if initial && call.query.get("resourceVersionMatch") != "NotOlderThan" {
        let sentence = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires \
                        setting resourceVersionMatch to NotOlderThan";
        return Err(Failure::new(422, "Invalid", sentence));
    }
    initial &= !faults.ignore_initial_events;
    let text = call.query.get("resourceVersion");
    let from: u64 = match text {
        "" => 0,
        text => text.parse().map_err(|_| Failure::bad_request(format!("invalid resource version \"{text}\"")))?,
    };
    let lasts = call.query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs).min(LONGEST * 2);
    let now = Instant::now();
    let latest = cluster.store.subscribe();
    let table = Table::of(&cluster.store, &target.kind, call.query.get("includeObject"));
    let mut watch = Watch {
        next_bookmark: now + cluster.options.bookmark_every,
        target: target.clone(),
        select,
        form: call.form,
        table,
        latest,
        seen: from,
        ready: Vec::new(),
        bookmarks: call.query.flag("allowWatchBookmarks"),
        columns_sent: false,
        started: now,
        deadline: now + lasts,
        over: false,
        cluster,
    };
    // Without streaming lists a watch that names no version starts with what is there; with them faked away, it starts now.
    let legacy = from == 0 && !call.query.flag("sendInitialEvents");
    if initial || legacy {
        watch.present(initial);
    } else if from == 0 {
        watch.seen = watch.cluster.store.version();
    }
    let media = match call.form {
        Form::Plain => "application/json",
        _ => "application/json;stream=watch",
    };
    Ok(web::stream(media, stream::unfold(watch, Watch::next)))
}

impl Watch {
    /// The objects that are there, as if they had just been added.
    fn present(&mut self, streaming: bool) {
        let page = self.cluster.store.page(&self.target.kind.id, self.target.scope(), None, usize::MAX);
        for stored in page.items {
            if self.select.matches(&stored) {
                self.frame("ADDED", &stored);
            }
        }
        self.seen = page.version;
        if streaming && self.bookmarks {
            self.bookmark(json!({"k8s.io/initial-events-end": "true"}));
        }
    }

    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            if !self.ready.is_empty() {
                let frames = Bytes::from(std::mem::take(&mut self.ready));
                return Some((Ok(frames), self));
            }
            if self.over {
                return None;
            }
            self.latest.mark_unchanged();
            self.collect();
            if !self.ready.is_empty() || self.over {
                continue;
            }
            let cut = self.cluster.faults().drop_watches_every.map(|life| self.started + life);
            // Looked at again now and then, so that a fault that is set later reaches a quiet watch too.
            let look = Instant::now() + Duration::from_millis(100);
            let end = cut.map_or(self.deadline, |cut| cut.min(self.deadline));
            if Instant::now() >= end {
                self.over = true;
                if cut.is_some_and(|cut| cut <= self.deadline) && self.cluster.faults().break_watches {
                    return Some((Err(io::ErrorKind::ConnectionReset.into()), self));
                }
                if self.bookmarks && cut.is_none_or(|cut| cut > self.deadline) {
                    self.bookmark(Value::Null);
                }
                continue;
            }
            tokio::select! {
                changed = self.latest.changed() => if changed.is_err() { return None },
                () = sleep_until(end.min(look)) => {}
            }
            if self.bookmarks && Instant::now() >= self.next_bookmark {
                self.next_bookmark = Instant::now() + self.cluster.options.bookmark_every;
                self.collect();
                self.bookmark(Value::Null);
            }
        }
    }

    /// Turns the events since the last look into frames.
    fn collect(&mut self) {
        match self.cluster.store.events_of(&self.target.kind.id, self.seen) {
            Ok((version, events)) => {
                let prefix = self.target.scope().map(|ns| format!("{ns}/")).unwrap_or_default();
                for event in events.iter().filter(|event| event.key.starts_with(&prefix)) {
                    self.event(event);
                }
                self.seen = self.seen.max(version);
            }
            Err(expired) => {
                self.line("ERROR", expired.status().to_string().as_bytes());
                self.over = true;
            }
        }
    }

    /// What a selector lets through depends on what it let through before.
    fn event(&mut self, event: &Event) {
        let was = event.before.as_ref().is_some_and(|before| self.select.matches(before));
        let is = event.change != Change::Deleted && self.select.matches(&event.object);
        match (was, is) {
            (false, true) => self.frame("ADDED", &event.object),
            (true, true) => self.frame("MODIFIED", &event.object),
            (true, false) if event.change == Change::Deleted => self.frame("DELETED", &event.object),
            (true, false) => {
                // The client gets the state that it knew, with the version of the write that took it away.
                let Some(before) = &event.before else { return };
                let mut last = (*before.value()).clone();
                last["metadata"]["resourceVersion"] = event.version.to_string().into();
                self.frame("DELETED", &Stored::new(last));
            }
            (false, false) => {}
        }
    }

    fn frame(&mut self, kind: &str, stored: &Stored) {
        match self.form {
            Form::Table => {
                let value = stored.value();
                let meta = json!({"resourceVersion": value["metadata"]["resourceVersion"]});
                let document = self.table.document(meta, [&*value], !self.columns_sent);
                self.columns_sent = true;
                self.line(kind, document.to_string().as_bytes());
            }
            Form::Metadata => self.line(kind, read::metadata_only(&stored.value()).to_string().as_bytes()),
            _ => self.line(kind, &read::whole(&self.target.kind, stored)),
        }
    }

    fn bookmark(&mut self, annotations: Value) {
        let mut meta = json!({"resourceVersion": self.seen.to_string()});
        if !annotations.is_null() {
            meta["annotations"] = annotations;
        }
        let object = match self.form {
            // The row of a bookmark holds the object that carries the annotations.
            Form::Table => {
                let object = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta});
                let version = json!({"resourceVersion": self.seen.to_string()});
                let mut document = self.table.document(version, [&object], !self.columns_sent);
                self.columns_sent = true;
                if let Some(row) = document.pointer_mut("/rows/0") {
                    row["object"] = object;
                }
                document
            }
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
            }
            _ => json!({"kind": self.target.kind.kind, "apiVersion": self.target.kind.api_version(), "metadata": meta}),
        };
        self.line("BOOKMARK", object.to_string().as_bytes());
    }

    fn line(&mut self, kind: &str, object: &[u8]) {
        self.ready.extend_from_slice(format!(r#"{{"type":"{kind}","object":"#).as_bytes());
        self.ready.extend_from_slice(object);
        self.ready.extend_from_slice(b"}\n");
    }
}
