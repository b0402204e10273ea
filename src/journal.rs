//! The write-ahead record of every operation: one file of JSON lines each, in the state directory.
//!
//! A step is written and synced **before** its effect, what came of it after. So after `kill -9`, a power cut, or a full
//! disk the next start knows everything that may have happened. A last line that was cut short is ignored: it was being
//! written when the power went, so its effect had not begun. The record never holds a secret value.
//!
//! The file of an operation is locked while somebody works on it; a second kokpit can read it but not go on with it.

use crate::world::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Largest record that is read; one that is larger is not ours.
const MAX_BYTES: u64 = 64 << 20;
/// How long a lock is tried for.
const PATIENCE: Duration = Duration::from_millis(250);

/// The first line of a record: what is going to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The operation's id, a ULID: the file's name, the commit's `Op-Id`, the object's `kokpit.dev/op`.
    pub id: String,
    /// Name of the workflow, `cordon`.
    pub kind: String,
    /// For people: `cordon n4 on prod-eu`.
    pub title: String,
    /// The context's name.
    pub cluster: String,
    /// When it was confirmed.
    pub at: Time,
    /// The whole plan, as the workflow wrote it.
    pub plan: Value,
}

/// One line after the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub enum Line {
    /// About to be done.
    Intent {
        /// Name of the step, `live`.
        step: String,
        /// When.
        at: Time,
        /// The effect.
        data: Value,
    },
    /// What came of it.
    Outcome {
        /// Name of the step.
        step: String,
        /// When.
        at: Time,
        /// The event.
        data: Value,
    },
    /// From here on the operation is being taken back.
    Undo {
        /// When.
        at: Time,
    },
    /// Nothing more will be done.
    Closed {
        /// When.
        at: Time,
        /// How it ended.
        how: End,
        /// A sentence, may be empty.
        note: String,
    },
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Everything was done and verified.
    Done,
    /// Everything that was done was taken back.
    Undone,
    /// Given up: what was done stays as it is.
    Abandoned,
}

/// Everything a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// What was going to be done.
    pub header: Header,
    /// What happened, in order.
    pub lines: Vec<Line>,
}

impl Story {
    /// How it ended; `None` while it is open.
    pub fn end(&self) -> Option<(End, &str, Time)> {
        // What was done can be taken back later: then it is open again.
        match self.lines.iter().rfind(|line| matches!(line, Line::Closed { .. } | Line::Undo { .. })) {
            Some(Line::Closed { at, how, note }) => Some((*how, note.as_str(), *at)),
            _ => None,
        }
    }

    /// Whether somebody asked to take it back.
    pub fn undoing(&self) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::Undo { .. }))
    }
}

/// Why a record cannot be used; each says which file.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process works on it.
    #[error("another kokpit is working on operation {0}")]
    Busy(String),
    /// There is none of this name.
    #[error("there is no operation {0}; `kokpit ops` lists them")]
    Absent(String),
    /// Disk full, no permission, …
    #[error("the journal {file} cannot be {what}: {source}")]
    Io {
        /// The file.
        file: String,
        /// `read` or `written`.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not a record.
    #[error("{file}:{line}: not a record of kokpit ({text}); move it away to get rid of this message")]
    Malformed {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        text: String,
    },
}

/// The directory of records.
#[derive(Clone, Debug)]
pub struct Journal {
    dir: PathBuf,
}

/// One record, locked by us, to be appended to.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// The journal in a directory, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The file of an operation.
    pub fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}.jsonl"))
    }

    /// Begins a record: the header is on the disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Io`], also when a record of this id exists; [`JournalError::Busy`].
    pub fn create(&self, header: &Header) -> Result<Record, JournalError> {
        let path = self.path(&header.id);
        fs::create_dir_all(&self.dir).map_err(io_error(&path, "written"))?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(io_error(&path, "written"))?;
        lock(&file, &header.id, &path)?;
        let mut record = Record { path, file };
        record.write(header)?;
        File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(io_error(&self.dir, "written"))?;
        Ok(record)
    }

    /// Opens a record to go on with it, with everything it says so far. A torn last line is cut off.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open(&self, id: &str) -> Result<(Record, Story), JournalError> {
        let path = self.path(id);
        let file = OpenOptions::new().read(true).append(true).open(&path).map_err(|e| absent(e, id, &path))?;
        lock(&file, id, &path)?;
        let text = read_all(&file, &path)?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(io_error(&path, "written"))?;
        }
        let story = parse(&text, &path)?;
        Ok((Record { path, file }, story))
    }

    /// Reads a record without locking it.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn read(&self, id: &str) -> Result<Story, JournalError> {
        let path = self.path(id);
        let file = File::open(&path).map_err(|e| absent(e, id, &path))?;
        parse(&read_all(&file, &path)?, &path)
    }

    /// Every record, oldest first (ids are ULIDs, so names sort by time), and what could not be read.
    pub fn list(&self) -> (Vec<Story>, Vec<JournalError>) {
        let mut ids: Vec<String> = match fs::read_dir(&self.dir) {
            Ok(entries) => entries
                .filter_map(|e| e.ok()?.file_name().into_string().ok()?.strip_suffix(".jsonl").map(String::from))
                .collect(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => vec![],
            Err(e) => return (vec![], vec![io_error(&self.dir, "read")(e)]),
        };
        ids.sort();
        let (mut stories, mut problems) = (vec![], vec![]);
        for id in ids {
            match self.read(&id) {
                Ok(story) => stories.push(story),
                // The header was being written: nothing had begun.
                Err(JournalError::Malformed { line: 0, .. }) => {}
                Err(problem) => problems.push(problem),
            }
        }
        (stories, problems)
    }

    /// Whether another process works on the operation right now.
    pub fn busy(&self, id: &str) -> bool {
        let file = OpenOptions::new().read(true).open(self.path(id));
        file.is_ok_and(|f| matches!(f.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

impl Record {
    /// Appends a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`JournalError::Io`]: then nothing may be done that depends on the line.
    pub fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        self.write(line)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), JournalError> {
        let mut text = serde_json::to_vec(line).map_err(|e| io_error(&self.path, "written")(e.into()))?;
        text.push(b'\n');
        let done = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        done.map_err(io_error(&self.path, "written"))
    }
}

fn io_error(path: &Path, what: &'static str) -> impl Fn(io::Error) -> JournalError {
    let file = path.display().to_string();
    move |source| JournalError::Io { file: file.clone(), what, source }
}

fn absent(error: io::Error, id: &str, path: &Path) -> JournalError {
    match error.kind() {
        io::ErrorKind::NotFound => JournalError::Absent(id.into()),
        _ => io_error(path, "read")(error),
    }
}

/// A lock lives as long as any copy of its file: a child that was just forked (git, an editor) holds one too until it
/// runs its program. So it is tried for [`PATIENCE`] before somebody else is said to be at work.
fn lock(file: &File, id: &str, path: &Path) -> Result<(), JournalError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 50),
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(id.into())),
            Err(TryLockError::Error(e)) => return Err(io_error(path, "written")(e)),
        }
    }
}

fn read_all(mut file: &File, path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut text = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(MAX_BYTES).read_to_end(&mut text));
    read.map_err(io_error(path, "read"))?;
    Ok(text)
}

/// Header and whole lines; what follows the last line break is ignored. Line 0 in the error: not even a header.
fn parse(text: &[u8], path: &Path) -> Result<Story, JournalError> {
    let malformed =
        |line: usize, text: String| JournalError::Malformed { file: path.display().to_string(), line, text };
    let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let mut rows = text[..whole].split(|b| *b == b'\n').filter(|row| !row.is_empty()).enumerate();
    let Some((_, first)) = rows.next() else { return Err(malformed(0, "it is empty".into())) };
    let header: Header = serde_json::from_slice(first).map_err(|e| malformed(1, e.to_string()))?;
    let lines: Result<Vec<Line>, JournalError> =
        rows.map(|(i, row)| serde_json::from_slice(row).map_err(|e| malformed(i + 1, e.to_string()))).collect();
    Ok(Story { header, lines: lines? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn header(id: &str) -> Header {
        Header {
            id: id.into(),
            kind: "cordon".into(),
            title: "cordon n4 on prod".into(),
            cluster: "prod".into(),
            at: Time(1),
            plan: json!({"node": "n4"}),
        }
    }

    fn intent(step: &str) -> Line {
        Line::Intent { step: step.into(), at: Time(2), data: json!({"a": "b\nc"}) }
    }

    #[test]
    fn what_is_written_is_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path().join("journal"));
        assert!(journal.list().0.is_empty());
        for id in ["02", "01"] {
            let mut record = journal.create(&header(id)).unwrap();
            record.append(&intent("live")).unwrap();
        }
        let (stories, problems) = journal.list();
        assert!(problems.is_empty());
        assert_eq!(stories.iter().map(|s| s.header.id.as_str()).collect::<Vec<_>>(), ["01", "02"]);
        assert_eq!(stories[0].lines, [intent("live")]);
        assert_eq!(stories[0].end(), None);
    }

    #[test]
    fn a_torn_line_is_ignored_and_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path());
        journal.create(&header("01")).unwrap().append(&intent("live")).unwrap();
        let whole = fs::read(journal.path("01")).unwrap();
        for cut in 1..whole.len() {
            fs::write(journal.path("01"), &whole[..cut]).unwrap();
            let header_whole = whole[..cut].contains(&b'\n');
            match journal.open("01") {
                Ok((mut record, story)) => {
                    assert!(header_whole && story.lines.is_empty(), "{cut}");
                    record.append(&intent("again")).unwrap();
                    assert_eq!(journal.read("01").unwrap().lines, [intent("again")], "{cut}");
                }
                Err(_) => assert!(!header_whole, "{cut}"),
            }
        }
        fs::write(journal.path("02"), "").unwrap();
        let (stories, problems) = journal.list();
        assert_eq!((stories.len(), problems.len()), (1, 0), "a header that never got written is not a problem");
    }

    #[test]
    fn a_second_writer_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path());
        let first = journal.create(&header("01")).unwrap();
        assert!(matches!(journal.open("01"), Err(JournalError::Busy(_))));
        assert!(journal.busy("01"));
        assert!(journal.read("01").is_ok());
        drop(first);
        assert!(!journal.busy("01"));
        assert!(journal.open("01").is_ok());
        assert!(journal.create(&header("01")).is_err(), "a record is never overwritten");
    }

    #[test]
    fn a_lock_that_is_about_to_go_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path());
        // As between the fork and the exec of a child: the file is held once more for a moment.
        let held = journal.create(&header("01")).unwrap();
        let child = held.file.try_clone().unwrap();
        drop(held);
        let other = std::thread::spawn(move || {
            std::thread::sleep(PATIENCE / 5);
            drop(child);
        });
        assert!(journal.open("01").is_ok());
        other.join().unwrap();
    }

    #[test]
    fn a_file_that_is_no_record_is_named_and_does_not_hide_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path());
        drop(journal.create(&header("02")).unwrap());
        fs::write(journal.path("01"), "hello\n").unwrap();
        let (stories, problems) = journal.list();
        assert_eq!(stories.len(), 1);
        assert!(problems[0].to_string().contains("01.jsonl:1"), "{}", problems[0]);
        assert!(matches!(journal.read("03"), Err(JournalError::Absent(_))));
    }

    #[test]
    fn the_end_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path());
        let mut record = journal.create(&header("01")).unwrap();
        record.append(&Line::Undo { at: Time(3) }).unwrap();
        record.append(&Line::Closed { at: Time(4), how: End::Undone, note: "taken back".into() }).unwrap();
        let story = journal.read("01").unwrap();
        assert!(story.undoing());
        assert_eq!(story.end(), Some((End::Undone, "taken back", Time(4))));
    }
}
