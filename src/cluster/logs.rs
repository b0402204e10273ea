//! Logs of one container, line by line, cleaned and bounded.

use super::api::{Api, ApiError, encode, link_error};
use super::list::check;
use crate::world::text::clean_log_line;
use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use std::time::Duration;

/// Longer lines are cut; the rest of the line is dropped as it arrives.
const LONGEST: usize = 16 * 1024;

/// Which log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; empty where the pod has only one.
    pub container: String,
    /// The run before the current one.
    pub previous: bool,
    /// Go on as lines are written.
    pub follow: bool,
    /// Only the last lines.
    pub tail: Option<u64>,
    /// Only lines of the last seconds.
    pub since_seconds: Option<u64>,
    /// Only lines written at this time (RFC 3339) or later; servers take it by the second.
    pub since_time: Option<String>,
    /// RFC 3339 in front of every line.
    pub timestamps: bool,
}

impl LogRequest {
    /// The path with its query.
    fn path(&self) -> String {
        let Self { namespace, pod, container, .. } = self;
        let mut query: Vec<String> = vec![];
        if !container.is_empty() {
            query.push(format!("container={}", encode(container)));
        }
        let flags = [("previous", self.previous), ("follow", self.follow), ("timestamps", self.timestamps)];
        query.extend(flags.iter().filter(|(_, on)| *on).map(|(name, _)| format!("{name}=true")));
        query.extend(self.tail.map(|n| format!("tailLines={n}")));
        query.extend(self.since_seconds.map(|n| format!("sinceSeconds={n}")));
        query.extend(self.since_time.as_ref().map(|at| format!("sinceTime={}", encode(at))));
        format!("/api/v1/namespaces/{}/pods/{}/log?{}", encode(namespace), encode(pod), query.join("&"))
    }
}

/// A log on its way. Dropped, it ends.
pub struct LogReader {
    body: Body,
    cutter: Cutter,
    over: bool,
}

impl LogReader {
    /// Asks for a log; `patience` bounds the wait for the answer, not for lines.
    ///
    /// # Errors
    /// When the cluster cannot be reached or refuses.
    pub async fn open(api: &Api, request: &LogRequest, patience: Duration) -> Result<Self, ApiError> {
        let path = request.path();
        let asked = Request::get(&path)
            .header("Accept-Encoding", "identity")
            .body(Body::empty())
            .map_err(|e| ApiError::Malformed(format!("{path}: {e}")))?;
        let sent = tokio::time::timeout(patience, api.client().send(asked)).await;
        let answer = sent.map_err(|_| ApiError::Timeout(patience.as_secs()))?.map_err(link_error)?;
        Ok(Self { body: check(answer, patience).await?, cutter: Cutter::default(), over: false })
    }

    /// The next lines, cleaned; `None` at the end. Cancelled, it loses nothing.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>, ApiError> {
        while !self.over {
            let lines = match self.body.frame().await {
                Some(frame) => self.cutter.take(&frame.map_err(link_error)?.into_data().unwrap_or_default()),
                None => {
                    self.over = true;
                    std::mem::take(&mut self.cutter).rest()
                }
            };
            if !lines.is_empty() {
                return Ok(Some(lines));
            }
        }
        Ok(None)
    }
}

/// Cuts bytes into lines; a line that is too long loses its end, not its neighbours.
#[derive(Default)]
struct Cutter {
    line: Vec<u8>,
    cut: bool,
}

impl Cutter {
    fn take(&mut self, data: &[u8]) -> Vec<String> {
        let mut lines = vec![];
        let mut parts = data.split(|b| *b == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = LONGEST - self.line.len();
            self.cut |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if parts.peek().is_some() {
                lines.push(self.finish());
            }
        }
        lines
    }

    fn finish(&mut self) -> String {
        let mut text = clean_log_line(String::from_utf8_lossy(&self.line).trim_end_matches('\r'));
        if std::mem::take(&mut self.cut) {
            text.push('…');
        }
        self.line.clear();
        text
    }

    fn rest(mut self) -> Vec<String> {
        if self.line.is_empty() { vec![] } else { vec![self.finish()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_clean_and_bounded() {
        let mut cutter = Cutter::default();
        assert_eq!(cutter.take(b"one\r\n\x1b[31mtw"), ["one"]);
        assert_eq!(cutter.take(b"o\x1b[0m\n\xff\n\nlast"), ["two", "\u{fffd}", ""]);
        assert_eq!(cutter.take(&vec![b'x'; LONGEST * 2]), [""; 0]);
        let lines = cutter.take(b"yyy\nnext\n");
        assert!(lines[0].starts_with("lastxxx") && lines[0].ends_with("x…") && lines[0].len() <= LONGEST + 3);
        assert_eq!(lines[1], "next");
        assert_eq!(cutter.take(b"end"), [""; 0]);
        assert_eq!(cutter.rest(), ["end"]);
    }

    #[test]
    fn the_query_says_what_was_asked() {
        let request = LogRequest {
            namespace: "shop".into(),
            pod: "web-1".into(),
            container: "app".into(),
            previous: true,
            tail: Some(50),
            ..LogRequest::default()
        };
        assert_eq!(request.path(), "/api/v1/namespaces/shop/pods/web-1/log?container=app&previous=true&tailLines=50");
        let since = LogRequest { since_time: Some("2026-11-21T09:21:10+01:00".into()), follow: true, ..request };
        assert!(since.path().ends_with("&sinceTime=2026-11-21T09%3A21%3A10%2B01%3A00"), "{}", since.path());
    }
}
