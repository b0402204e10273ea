//! Reads logs and hands their lines on in batches, no faster than they are taken in.

use super::inbox::Sender;
use super::session::Session;
use crate::cluster::api::{Api, ApiError};
use crate::cluster::logs::{LogReader, LogRequest as Ask};
use crate::effect::RequestId;
use crate::effect::logs::{LogFrom, LogPlace, LogRequest, LogSource, LogStream};
use crate::msg::Msg;
use crate::msg::logs::LogLine;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Lines that are handed on at once: a log of 50,000 lines a second must not become as many messages, and no message
/// may keep the loop from a key.
const BATCH: usize = 1_000;
/// How long lines are collected; not long enough to be seen.
const COLLECT: Duration = Duration::from_millis(20);
/// How long a log may take to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads one stream to its end and says how it ended.
pub async fn stream(session: Arc<Session>, sender: Sender, request: RequestId, wanted: LogRequest, stream: LogStream) {
    let source = stream.source.clone();
    let ended = async {
        let api = session.hub.api(source.cluster).await?;
        read(&api, &sender, request, &wanted, stream).await
    };
    let reason = ended.await.err().map(|e: ApiError| e.to_string());
    sender.send(Msg::LogEnd { request, source, reason });
}

async fn read(
    api: &Api,
    sender: &Sender,
    request: RequestId,
    wanted: &LogRequest,
    LogStream { source, from, note }: LogStream,
) -> Result<(), ApiError> {
    let ask = ask(&source, &from, wanted);
    let mut skip = Skip::default();
    if let LogFrom::After { place, missed } = from {
        skip = Skip { place: Some(place), seen: 0 };
        if missed {
            // The run before may be forgotten already; then nothing can be missed that could still be had.
            let before = Ask { previous: true, follow: false, ..ask.clone() };
            let _ = pump(api, sender, request, &source, &before, &mut skip).await;
        }
    }
    if !note.is_empty() {
        sender.send(Msg::LogNote { request, source: source.clone(), text: note });
    }
    pump(api, sender, request, &source, &ask, &mut skip).await
}

fn ask(source: &LogSource, from: &LogFrom, wanted: &LogRequest) -> Ask {
    let asked = *from == LogFrom::Asked;
    Ask {
        namespace: source.namespace.clone(),
        pod: source.pod.clone(),
        container: source.container.clone(),
        previous: wanted.previous,
        follow: !wanted.previous,
        tail: wanted.tail.filter(|_| asked).map(Into::into),
        since_seconds: wanted.since_seconds.filter(|_| asked).and_then(|s| s.try_into().ok()),
        since_time: match from {
            LogFrom::After { place, .. } => Some(place.at.clone()),
            LogFrom::Asked | LogFrom::Start => None,
        },
        timestamps: true,
    }
}

/// From the server to the loop. While the loop has enough to do nothing is read: the server waits, nothing is lost.
async fn pump(
    api: &Api,
    sender: &Sender,
    request: RequestId,
    source: &Arc<LogSource>,
    ask: &Ask,
    skip: &mut Skip,
) -> Result<(), ApiError> {
    let mut reader = LogReader::open(api, ask, PATIENCE).await?;
    let (mut batch, mut end) = (Vec::new(), None);
    while end.is_none() {
        match reader.next().await {
            Ok(Some(lines)) => batch.extend(lines),
            Ok(None) => end = Some(Ok(())),
            Err(e) => end = Some(Err(e)),
        }
        let until = tokio::time::Instant::now() + COLLECT;
        while end.is_none() && batch.len() < BATCH {
            match tokio::time::timeout_at(until, reader.next()).await {
                Err(_) => break,
                Ok(Ok(Some(lines))) => batch.extend(lines),
                Ok(Ok(None)) => end = Some(Ok(())),
                Ok(Err(e)) => end = Some(Err(e)),
            }
        }
        let mut lines = batch.drain(..).map(LogLine::new).filter(|line| !skip.was_read(line)).peekable();
        while lines.peek().is_some() {
            let lines: Vec<LogLine> = lines.by_ref().take(BATCH).collect();
            sender.send_lines(request, source, lines).await;
        }
    }
    end.unwrap_or(Ok(()))
}

/// Leaves out what was read before a break: servers go back to the beginning of a second.
#[derive(Default)]
struct Skip {
    place: Option<LogPlace>,
    /// Lines with the timestamp of that place so far.
    seen: u32,
}

impl Skip {
    fn was_read(&mut self, line: &LogLine) -> bool {
        let Some(place) = &self.place else { return false };
        let at = line.at();
        if at.is_empty() {
            return false;
        }
        match moment(at).cmp(&moment(&place.at)) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => {
                self.seen += 1;
                self.seen <= place.lines
            }
            std::cmp::Ordering::Greater => {
                self.place = None;
                false
            }
        }
    }
}

/// A timestamp in parts that compare as the times do: the digits of a fraction may be fewer in one than in the other. The
/// zone is that of the node and the same for all of its lines.
fn moment(at: &str) -> (&str, &str) {
    let (second, rest) = at.split_at_checked(19).unwrap_or((at, ""));
    let fraction = rest.strip_prefix('.').unwrap_or_default();
    let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    (second, fraction.get(..end).unwrap_or_default().trim_end_matches('0'))
}

/// Saves a text as `name` in a directory, or under a path of its own; a file that is there stays as it is.
///
/// # Errors
/// A sentence with the path.
pub fn save(path: Option<&str>, dir: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let failed = |file: &Path, e: std::io::Error| format!("the log could not be saved to {}: {e}", file.display());
    let Some(path) = path else {
        std::fs::create_dir_all(dir).map_err(|e| failed(dir, e))?;
        let (stem, end) = name.rsplit_once('.').unwrap_or((name, "log"));
        // Saved twice in a second: the second gets a number.
        for n in 1..100 {
            let file = dir.join(if n == 1 { name.to_string() } else { format!("{stem}-{n}.{end}") });
            match write_new(&file, text) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
                written => return written.map(|()| file.clone()).map_err(|e| failed(&file, e)),
            }
        }
        return Err(format!("{} is full of logs of this second: name a path, `:save PATH`", dir.display()));
    };
    let file = match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    };
    let file = std::path::absolute(&file).unwrap_or(file);
    match write_new(&file, text) {
        Ok(()) => Ok(file),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(format!("{} is there already and stays as it is: name another path", file.display()))
        }
        Err(e) => Err(failed(&file, e)),
    }
}

fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut open = std::fs::OpenOptions::new();
    // Logs may hold what is nobody else's business.
    open.write(true).create_new(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_break_no_line_comes_twice_and_none_is_lost() {
        let line = |at: &str, text: &str| LogLine::new(format!("2026-11-21T09:21:{at}Z {text}"));
        let place = LogPlace { at: "2026-11-21T09:21:10.25Z".into(), lines: 2 };
        let mut skip = Skip { place: Some(place), seen: 0 };
        let again = [
            line("10.1", "old"),
            line("10.250000000", "read"),
            line("10.25", "read too"),
            line("10.25", "of the same moment"),
            line("10.3", "new"),
            line("10.25", "a clock set back"),
        ];
        let kept: Vec<&str> = again.iter().filter(|line| !skip.was_read(line)).map(LogLine::text).collect();
        assert_eq!(kept, ["of the same moment", "new", "a clock set back"]);
    }

    #[test]
    fn a_log_is_saved_and_no_file_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        let first = save(None, &logs, "web.log", "one\n").unwrap();
        let second = save(None, &logs, "web.log", "two\n").unwrap();
        assert_eq!(first, logs.join("web.log"));
        assert_eq!(second, logs.join("web-2.log"));
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "one\n");
        let named = first.to_string_lossy().into_owned();
        let refused = save(Some(&named), &logs, "x", "three\n").unwrap_err();
        assert!(refused.contains("web.log is there already"), "{refused}");
        assert_eq!(std::fs::read_to_string(&first).unwrap(), "one\n");
        assert!(save(Some("/no/such/dir/x.log"), &logs, "x", "y").unwrap_err().contains("/no/such/dir/x.log"));
    }

    #[test]
    fn moments_compare_whatever_their_digits() {
        assert!(moment("2026-11-21T09:21:10.5Z") > moment("2026-11-21T09:21:10.45Z"));
        assert!(moment("2026-11-21T09:21:10Z") < moment("2026-11-21T09:21:10.1+01:00"));
        assert!(moment("2026-11-21T09:21:11Z") > moment("2026-11-21T09:21:10.999Z"));
    }
}
