//! Files between this machine and containers: tar through exec, as `kubectl cp` does it, and where a container has no
//! tar, single files through `cat` and `head`.
//!
//! Nothing that a container sends is written outside of the place that was named: see [`unpack`].

mod pack;
mod unpack;

use crate::cluster::api::Api;
use crate::cluster::exec::{self, Ended, Pipe};
use crate::world::tar::Reader;
use crate::world::text::clean;
use pack::Pack;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unpack::Unpack;

/// How long a command may take to begin, or to answer a question about a path.
const PATIENCE: Duration = Duration::from_secs(15);

/// Servers before Kubernetes 1.30 cannot say that standard input is at its end, and GNU tar waits for that. So long
/// after everything was sent it has done its work.
const DEAF: Duration = Duration::from_secs(30);

/// How long tar gets to end by itself after the end of the archive.
const OWN_END: Duration = Duration::from_secs(1);

/// A container.
#[derive(Clone)]
pub struct Place {
    /// The connected cluster.
    pub api: Api,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; empty: the pod's only or default one.
    pub container: String,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of content so far.
    pub bytes: u64,
    /// Of how many, where that is known; for directories in a container it is what `du` says.
    pub total: Option<u64>,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Where to.
    pub to: String,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl Done {
    /// What was copied, without the notes.
    pub fn copied(&self) -> String {
        format!("{}, {} bytes copied to {}", files(self.files), self.bytes, self.to)
    }

    /// The same in one sentence with the notes.
    pub fn sentence(&self) -> String {
        let left = match self.notes.len() {
            0 => String::new(),
            n => format!("; {n} left out: {}", self.notes.first().map_or("", String::as_str)),
        };
        format!("{}{left}", self.copied())
    }
}

/// `1 file`, `2 files`
pub fn files(count: u64) -> String {
    if count == 1 { "1 file".into() } else { format!("{count} files") }
}

/// Copies a file or directory of a container to this machine: into `to` where that is a directory, else under that name.
///
/// # Errors
/// A sentence. Files that are complete by then stay; one that is not leaves nothing behind.
pub async fn from_container(place: &Place, from: &str, to: &Path, progress: impl Fn(Progress)) -> Result<Done, String> {
    let (directory, base) = split(from)?;
    let target = match (to.is_dir(), base) {
        (true, ".") => to.to_path_buf(),
        (true, base) => to.join(base),
        (false, _) => to.to_path_buf(),
    };
    let total = usage(place, from).await;
    let came = untar(place, directory, base, &target, total, &progress).await?;
    match came {
        Came::All(done) => Ok(done),
        Came::NoTar => concatenate(place, from, &target, &progress).await,
        // What was named is a link itself (every file of a mounted ConfigMap is one): what it leads to is meant.
        Came::Link if is_directory(place, from).await => {
            match untar(place, from, ".", &target, total, &progress).await? {
                Came::All(done) => Ok(done),
                _ => Err(format!("{from} is a link to a directory that tar cannot read")),
            }
        }
        Came::Link => concatenate(place, from, &target, &progress).await,
    }
}

/// What came of asking for an archive.
enum Came {
    All(Done),
    NoTar,
    /// Only a symbolic link.
    Link,
}

async fn untar(
    place: &Place,
    directory: &str,
    base: &str,
    target: &Path,
    total: Option<u64>,
    progress: &impl Fn(Progress),
) -> Result<Came, String> {
    let what = if base == "." { ".".to_string() } else { format!("./{base}") };
    let mut pipe = open(place, &["tar", "cf", "-", "-C", directory, &what], false).await?;
    let mut unpack = Unpack::new(target, base);
    let (mut reader, mut part, mut told) = (Reader::default(), vec![0; 64 * 1024], 0);
    loop {
        let read = pipe.out.read(&mut part).await.map_err(|e| format!("the connection broke: {e}"))?;
        if read == 0 {
            break;
        }
        for piece in reader.feed(part.get(..read).unwrap_or_default())? {
            unpack.take(piece)?;
        }
        if unpack.bytes() != told {
            told = unpack.bytes();
            // A single file says its size itself.
            progress(Progress { bytes: told, total: unpack.only_file().or(total.map(|total| total.max(told))) });
        }
    }
    let ended = pipe.ended().await;
    if !reader.ended() {
        if unpack.is_empty() && ended.missing_program() {
            return Ok(Came::NoTar);
        }
        return Err(match (ended.words().as_str(), ended.code) {
            ("", None | Some(0)) => "the connection broke in the middle: the rest is missing".into(),
            (words, _) => words.into(),
        });
    }
    if unpack.is_only_link() {
        return Ok(Came::Link);
    }
    let mut done = unpack.finish()?;
    if ended.code != Some(0) {
        // tar goes on after files that it may not read, and says so at the end.
        done.notes.extend(ended.words().lines().map(String::from));
    }
    Ok(Came::All(done))
}

/// Without tar: the content of one file.
async fn concatenate(place: &Place, from: &str, target: &Path, progress: &impl Fn(Progress)) -> Result<Done, String> {
    let mut pipe = open(place, &["cat", from], false).await?;
    let mut file = unpack::Whole::create(target)?;
    let (mut part, mut bytes) = (vec![0; 64 * 1024], 0);
    loop {
        let read = pipe.out.read(&mut part).await.map_err(|e| format!("the connection broke: {e}"))?;
        if read == 0 {
            break;
        }
        file.write(part.get(..read).unwrap_or_default())?;
        bytes += read as u64;
        progress(Progress { bytes, total: None });
    }
    let ended = pipe.ended().await;
    if ended.missing_program() {
        return Err("the container has neither tar nor cat; a debug container has both".into());
    }
    if ended.code != Some(0) {
        let words = ended.words();
        let words = if words.is_empty() { "the connection broke in the middle".into() } else { words };
        return Err(format!("{words} (the container has no tar, so only single files can be copied)"));
    }
    file.keep(target, 0o644, None)?;
    Ok(Done { files: 1, bytes, to: target.display().to_string(), notes: vec![] })
}

/// Copies a file or directory of this machine into a container: into `to` where that is a directory there, else under
/// that name.
///
/// # Errors
/// A sentence; what was written by then stays.
pub async fn into_container(place: &Place, from: &Path, to: &str, progress: impl Fn(Progress)) -> Result<Done, String> {
    let own = from.canonicalize().map_err(|e| format!("{} cannot be read: {e}", from.display()))?;
    let own_name = own.file_name().and_then(|name| name.to_str()).ok_or("what is copied needs a name")?.to_string();
    let (directory, name) = match to.ends_with('/') || is_directory(place, to).await {
        true => (to.to_string(), own_name),
        false => {
            let (directory, base) = split(to)?;
            (directory.to_string(), base.to_string())
        }
    };
    let pack = Pack::of(&own, &name)?;
    let total = Some(pack.total());
    let to = format!("{}/{name}", directory.trim_end_matches('/'));
    // Asked first: what is sent to a command that is not there hides the server's words on that.
    if open(place, &["tar", "--version"], false).await?.ended().await.missing_program() {
        return write_one(place, &pack, &to, &progress).await;
    }
    let mut pipe = open(place, &["tar", "xmf", "-", "-C", &directory], true).await?;
    let over = pipe.over();
    let sent = tokio::select! {
        biased;
        sent = pack.send(&mut pipe.input, |bytes| progress(Progress { bytes, total })) => sent,
        () = over => Err("the connection broke in the middle".into()),
    };
    // Many a tar ends with the archive; to end the input would on old servers end the connection with it.
    let own_end = tokio::time::timeout(OWN_END, pipe.over()).await.is_ok();
    if !own_end {
        let _ = pipe.input.shutdown().await;
    }
    let mut said = Vec::new();
    if tokio::time::timeout(DEAF, pipe.out.read_to_end(&mut said)).await.is_err() {
        sent?;
        let note =
            "the server did not tell tar the end (Kubernetes before 1.30): look whether everything is there".into();
        let notes = pack.notes.iter().cloned().chain([note]).collect();
        return Ok(Done { files: pack.files(), bytes: pack.total(), to, notes });
    }
    let ended = pipe.ended().await;
    match (ended.code, sent) {
        (None, Ok(())) if !own_end => {
            let note = "the server cannot say how tar ended (Kubernetes before 1.30): look whether everything is there";
            let notes = pack.notes.iter().cloned().chain([note.into()]).collect();
            Ok(Done { files: pack.files(), bytes: pack.total(), to, notes })
        }
        // It has seen the whole archive, whatever of the empty end behind it was still on its way.
        (Some(0), _) => Ok(Done { files: pack.files(), bytes: pack.total(), to, notes: pack.notes }),
        (_, Err(why)) if ended.words().is_empty() => Err(why),
        _ => Err(ended.words()),
    }
}

/// What would be copied from here, without copying it.
///
/// # Errors
/// A sentence, when it cannot be read.
pub fn size(from: &Path) -> Result<Done, String> {
    let own = from.canonicalize().map_err(|e| format!("{} cannot be read: {e}", from.display()))?;
    let pack = Pack::of(&own, "it")?;
    Ok(Done { files: pack.files(), bytes: pack.total(), to: String::new(), notes: pack.notes })
}

/// Without tar: one file, through a shell. How long it is, is said: not every server tells the end of standard input.
async fn write_one(place: &Place, pack: &Pack, to: &str, progress: &impl Fn(Progress)) -> Result<Done, String> {
    let Some((file, size)) = pack.only_file() else {
        return Err("the container has no tar, so only single files can be copied".into());
    };
    let script = "head -c \"$1\" > \"$0\"";
    let mut pipe = open(place, &["sh", "-c", script, to, &size.to_string()], true).await?;
    let mut content = tokio::fs::File::open(&file).await.map_err(|e| format!("{}: {e}", file.display()))?.take(size);
    let (mut part, mut bytes) = (vec![0; 64 * 1024], 0);
    loop {
        let read = content.read(&mut part).await.map_err(|e| format!("{}: {e}", file.display()))?;
        if read == 0 || pipe.input.write_all(part.get(..read).unwrap_or_default()).await.is_err() {
            break;
        }
        bytes += read as u64;
        progress(Progress { bytes, total: Some(size) });
    }
    let _ = pipe.input.shutdown().await;
    let mut said = Vec::new();
    let _ = pipe.out.read_to_end(&mut said).await;
    let ended = pipe.ended().await;
    match (ended.missing_program(), ended.code) {
        (true, _) => Err("the container has neither tar nor a shell; a debug container has both".into()),
        (_, Some(0)) if bytes == size => Ok(Done { files: 1, bytes, to: to.into(), notes: vec![] }),
        _ if ended.words().is_empty() => Err("the connection broke in the middle".into()),
        _ => Err(ended.words()),
    }
}

async fn open(place: &Place, command: &[&str], stdin: bool) -> Result<Pipe, String> {
    let command: Vec<String> = command.iter().map(|word| word.to_string()).collect();
    let (namespace, pod, container) = (&place.namespace, &place.pod, &place.container);
    exec::pipe(&place.api, (namespace, pod, container), &command, stdin, PATIENCE).await.map_err(|e| e.to_string())
}

/// Runs a short command; what it printed, where it ended well.
async fn ask(place: &Place, command: &[&str]) -> Option<String> {
    let answer = async {
        let mut pipe = open(place, command, false).await.ok()?;
        let mut out = Vec::new();
        (&mut pipe.out).take(4096).read_to_end(&mut out).await.ok()?;
        let ended: Ended = pipe.ended().await;
        (ended.code == Some(0)).then(|| clean(&String::from_utf8_lossy(&out)).into_owned())
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

async fn is_directory(place: &Place, path: &str) -> bool {
    ask(place, &["test", "-d", path]).await.is_some()
}

/// About how many bytes stand under a path.
async fn usage(place: &Place, path: &str) -> Option<u64> {
    let said = ask(place, &["du", "-sk", path]).await?;
    let kilobytes: u64 = said.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// The directory that a path of a container is in, and its last part.
fn split(path: &str) -> Result<(&str, &str), String> {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        _ if path.is_empty() => Err("a path in the container is needed".into()),
        _ if trimmed.is_empty() => Ok(("/", ".")),
        Some((_, "..")) | None if trimmed == ".." || trimmed.ends_with("/..") => Ok((path, ".")),
        Some((directory, ".")) => Ok((if directory.is_empty() { "/" } else { directory }, ".")),
        Some(("", base)) => Ok(("/", base)),
        Some((directory, base)) => Ok((directory, base)),
        None => Ok((".", trimmed)),
    }
}

/// One side of a copy as typed: `POD:/path`, `NAMESPACE/POD:/path`, or a path of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// On this machine.
    Here(PathBuf),
    /// In a container.
    There {
        /// Namespace, where one is named.
        namespace: Option<String>,
        /// The pod.
        pod: String,
        /// The path.
        path: String,
    },
}

impl Side {
    /// Reads one side. A path of this machine that has a colon in it begins with `./` or `/`.
    pub fn parse(text: &str) -> Self {
        let (place, path) = match text.split_once(':') {
            Some((place, path)) if !place.is_empty() && !place.starts_with(['.', '/']) => (place, path),
            _ => return Self::Here(text.into()),
        };
        let (namespace, pod) = match place.split_once('/') {
            Some((namespace, pod)) => (Some(namespace.to_string()), pod),
            None => (None, place),
        };
        Self::There { namespace, pod: pod.into(), path: path.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_where_the_last_name_begins() {
        for (path, expected) in [
            ("/var/log/app", ("/var/log", "app")),
            ("/var/log/", ("/var", "log")),
            ("/etc", ("/", "etc")),
            ("/", ("/", ".")),
            ("/srv/.", ("/srv", ".")),
            ("file", (".", "file")),
            ("/a/..", ("/a/..", ".")),
        ] {
            assert_eq!(split(path), Ok(expected), "{path}");
        }
        assert!(split("").is_err());
    }

    #[test]
    fn sides_are_told_apart() {
        let there = |namespace: Option<&str>, path: &str| Side::There {
            namespace: namespace.map(Into::into),
            pod: "web".into(),
            path: path.into(),
        };
        assert_eq!(Side::parse("web:/etc/x"), there(None, "/etc/x"));
        assert_eq!(Side::parse("shop/web:a:b"), there(Some("shop"), "a:b"));
        assert_eq!(Side::parse("./web:x"), Side::Here("./web:x".into()));
        assert_eq!(Side::parse("/tmp/a:b"), Side::Here("/tmp/a:b".into()));
        assert_eq!(Side::parse("dir"), Side::Here("dir".into()));
    }
}
