//! One watch as a stream of lines: each event is decoded, rows are gathered for a moment and handed on with the
//! revision they came from.

use super::{GOOD, Out, Scope, Stop};
use crate::cluster::api::{self, ApiError};
use crate::cluster::backoff::{Backoff, random};
use crate::cluster::decode::Change;
use crate::cluster::hub::Session;
use crate::cluster::list::{BATCH, check};
use crate::world::fleet::{Feed, TableDelta};
use crate::world::object::{Resource, int_at, str_at};
use crate::world::row::{Row, Uid};
use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use std::time::{Duration, Instant};

/// How long rows of a watch are collected before they are handed on.
const GATHER: Duration = Duration::from_millis(50);
/// A line of a watch longer than this ends it.
const LONGEST_LINE: usize = 256 << 20;

/// Watches one scope, again and again from the last revision, until that does not work any more.
pub(super) async fn follow(out: &Out, session: &Session, resource: &Resource, scope: &mut Scope) -> Stop {
    let mut pause = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        let began = Instant::now();
        match watch(out, session, resource, scope).await {
            // The server ends every watch after a while: the next one goes on where it stopped.
            Ok(()) if began.elapsed() > GOOD => pause.reset(),
            Ok(()) => tokio::time::sleep(pause.pause()).await,
            Err(stop) => return stop,
        }
    }
}

/// Rows and losses that have not been handed on yet.
#[derive(Default)]
struct Pending {
    rows: Vec<Row>,
    gone: Vec<Uid>,
    revision: String,
    since: Option<tokio::time::Instant>,
}

impl Pending {
    /// Hands everything on; only now the revision counts as seen, so that a watch that is dropped loses nothing.
    fn flush(&mut self, out: &Out, scope: &mut Scope) {
        scope.decoder.pack();
        if !self.rows.is_empty() {
            out.table(TableDelta::Upsert(std::mem::take(&mut self.rows)));
        }
        if !self.gone.is_empty() {
            out.table(TableDelta::Gone(std::mem::take(&mut self.gone)));
        }
        if !self.revision.is_empty() {
            scope.revision = std::mem::take(&mut self.revision);
            out.heard();
        }
        self.since = None;
    }

    fn take(&mut self, change: Change, revision: String) -> Result<(), Stop> {
        match change {
            Change::Upsert(Some(row)) => {
                // The order of a delta is rows, then losses: an object that comes back under its uid is no loss.
                self.gone.retain(|uid| *uid != row.meta.uid);
                self.rows.push(row);
            }
            Change::Upsert(None) | Change::Bookmark => {}
            Change::Gone(uid) => {
                self.rows.retain(|row| row.meta.uid != uid);
                self.gone.push(uid);
            }
            Change::Error(status) => return Err(status_stop(&status)),
        }
        if !revision.is_empty() {
            self.revision = revision;
        }
        self.since.get_or_insert_with(tokio::time::Instant::now);
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.rows.len() + self.gone.len() >= BATCH
    }
}

fn status_stop(status: &serde_json::Value) -> Stop {
    let code = int_at(status, "/code").and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    if matches!(str_at(status, "/reason"), "Expired" | "Gone") {
        return Stop::Expired;
    }
    ApiError::from_body(code, status.to_string().as_bytes()).into()
}

/// One watch, until the server ends it.
async fn watch(out: &Out, session: &Session, resource: &Resource, scope: &mut Scope) -> Result<(), Stop> {
    let patience = out.cluster.context.request_timeout;
    let lasts = 240 + u64::from(random() % 60);
    let request = request(resource, scope, lasts)?;
    let sent = tokio::time::timeout(patience, session.api.client().send(request)).await;
    let answer = sent.map_err(|_| ApiError::Timeout(patience.as_secs()))?.map_err(api::link_error)?;
    let mut body = check(answer, patience).await?;
    out.said().watching.get_or_insert_with(Instant::now);
    out.feed(Feed::Live);
    out.heard();
    let ends = tokio::time::sleep(Duration::from_secs(lasts) + patience);
    tokio::pin!(ends);
    let (mut lines, mut pending) = (Lines::default(), Pending::default());
    let ended = loop {
        let due = pending.since.map(|since| since + GATHER);
        let frame = tokio::select! {
            biased;
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                pending.flush(out, scope);
                continue;
            }
            frame = body.frame() => frame,
            () = &mut ends => break Err(ApiError::Timeout(lasts).into()),
        };
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => break Err(api::link_error(error).into()),
            None => break Ok(()),
        };
        if let Err(stop) = lines.take(&data, |line| event(line, out, scope, &mut pending)) {
            break Err(stop);
        }
    };
    pending.flush(out, scope);
    ended
}

fn request(resource: &Resource, scope: &Scope, lasts: u64) -> Result<Request<Body>, Stop> {
    let path = format!(
        "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={lasts}&resourceVersion={}",
        resource.collection_path(scope.namespace.as_deref()),
        api::encode(&scope.revision)
    );
    // Compressed watches come as one gzip member per event from Kubernetes 1.37 on, which the client's layer cuts
    // off after the first.
    Request::get(path)
        .header("Accept", scope.decoder.accept())
        .header("Accept-Encoding", "identity")
        .body(Body::empty())
        .map_err(|e| Stop::from(ApiError::Malformed(format!("watch of {}: {e}", resource.id))))
}

fn event(line: &[u8], out: &Out, scope: &mut Scope, pending: &mut Pending) -> Result<(), Stop> {
    let decoded = scope.decoder.event(line).map_err(|why| Stop::from(ApiError::Malformed(why)))?;
    let (change, revision, columns) = decoded;
    if let Some(columns) = columns {
        out.table(TableDelta::Columns(columns));
    }
    out.notes(&scope.decoder.notes());
    pending.take(change, revision)?;
    if pending.is_due() {
        pending.flush(out, scope);
    }
    Ok(())
}

/// Splits a stream into lines.
#[derive(Default)]
struct Lines {
    buf: Vec<u8>,
    /// Where to look for the next line break.
    from: usize,
}

impl Lines {
    fn take(&mut self, data: &[u8], mut on_line: impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
        self.buf.extend_from_slice(data);
        let mut start = 0;
        while let Some(end) = memchr::memchr(b'\n', &self.buf[self.from..]).map(|at| self.from + at) {
            let line = self.buf[start..end].trim_ascii();
            if !line.is_empty() {
                on_line(line)?;
            }
            (start, self.from) = (end + 1, end + 1);
        }
        self.buf.drain(..start);
        self.from = self.buf.len();
        if self.buf.len() > LONGEST_LINE {
            return Err(Stop::from(ApiError::Malformed("the watch sent a line without an end".into())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_any_cut() {
        for chunk in 1..12 {
            let (mut lines, mut seen) = (Lines::default(), vec![]);
            for part in b"one\n\ntwo\r\nthree\nrest".chunks(chunk) {
                let taken = lines.take(part, |line| {
                    seen.push(String::from_utf8_lossy(line).into_owned());
                    Ok(())
                });
                assert!(taken.is_ok());
            }
            assert_eq!(seen, ["one", "two", "three"]);
        }
    }
}
