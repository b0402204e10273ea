//! Writing what a container sends, inside of the place that was named and nowhere else.
//!
//! A member whose path leads out (`..`) ends the copy: nobody makes such an archive by accident. Nothing is written
//! through a symbolic link; those that stay inside are made at the very end, the others are left out and named.

use super::Done;
use crate::world::tar::{Entry, Kind, Piece, inside, stays_inside};
use crate::world::text::clean;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// A file that appears under its name when it is whole, and never otherwise.
pub struct Whole(NamedTempFile);

impl Whole {
    /// Begins a file beside the one it will be.
    ///
    /// # Errors
    /// A sentence.
    pub fn create(target: &Path) -> Result<Self, String> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::Builder::new()
            .prefix(".kokpit-")
            .tempfile_in(parent)
            .map(Self)
            .map_err(|e| format!("nothing can be written in {}: {e}", parent.display()))
    }

    /// Adds to it.
    ///
    /// # Errors
    /// A sentence: the disk is full, most likely.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.write_all(bytes).map_err(|e| format!("it cannot be written: {e}"))
    }

    /// Gives it its name. What stood there, a link too, is replaced, not written through.
    ///
    /// # Errors
    /// A sentence.
    pub fn keep(self, target: &Path, mode: u32, mtime: Option<i64>) -> Result<(), String> {
        let trouble = |e: &dyn std::fmt::Display| format!("{} cannot be written: {e}", target.display());
        let file = self.0.as_file();
        // Never setuid and the like: what ran as root there must not do so here.
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777)).map_err(|e| trouble(&e))?;
        if let Some(seconds) = mtime.and_then(|t| u64::try_from(t).ok()) {
            // A time that the disk cannot keep is no reason to lose the file.
            let _ = file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        }
        self.0.persist(target).map(drop).map_err(|e| trouble(&e.error))
    }
}

/// The file that is being written.
struct Current {
    file: Whole,
    at: PathBuf,
    entry: Entry,
    left: u64,
}

/// Takes the members of an archive and writes them.
pub struct Unpack {
    /// What stands for the archive's `base`.
    target: PathBuf,
    base: String,
    current: Option<Current>,
    /// Links to be made at the end: the parts of their path, and where they lead.
    links: Vec<(Vec<String>, String)>,
    members: u64,
    first: Option<Entry>,
    done: Done,
}

impl Unpack {
    /// `base` is what the archive calls that which is to become `target`; `.`: it names what is inside.
    pub fn new(target: &Path, base: &str) -> Self {
        Self {
            target: target.into(),
            base: base.into(),
            current: None,
            links: vec![],
            members: 0,
            first: None,
            done: Done { to: target.display().to_string(), ..Done::default() },
        }
    }

    /// Content so far.
    pub fn bytes(&self) -> u64 {
        self.done.bytes
    }

    /// Nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// The size of the file, where what was asked for is one.
    pub fn only_file(&self) -> Option<u64> {
        self.first.as_ref().filter(|first| first.kind == Kind::File && self.members == 1).map(|first| first.size)
    }

    /// What was asked for is a symbolic link.
    pub fn is_only_link(&self) -> bool {
        let own = |path: &str| inside(path).is_ok_and(|parts| parts == [self.base.as_str()]);
        let link = |first: &Entry| matches!(first.kind, Kind::Link(_)) && own(&first.path);
        self.members == 1 && self.first.as_ref().is_some_and(link)
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// A sentence: a path that leads out, or a disk that takes no more.
    pub fn take(&mut self, piece: Piece) -> Result<(), String> {
        match piece {
            Piece::Entry(entry) => self.begin(entry),
            Piece::Data(data) => {
                let Some(current) = &mut self.current else { return Ok(()) };
                current.file.write(&data)?;
                current.left = current.left.saturating_sub(data.len() as u64);
                self.done.bytes += data.len() as u64;
                self.complete()
            }
        }
    }

    /// Makes the links.
    ///
    /// # Errors
    /// As [`Unpack::take`].
    pub fn finish(mut self) -> Result<Done, String> {
        for (parts, to) in std::mem::take(&mut self.links) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let at = self.place(&parts)?;
            // What stands there already stays: replacing it by a link would surprise more.
            if let Err(e) = std::os::unix::fs::symlink(&to, &at) {
                self.done.notes.push(format!("link {}: {e}", shown(&at)));
            }
        }
        Ok(self.done)
    }

    fn begin(&mut self, entry: Entry) -> Result<(), String> {
        self.members += 1;
        if self.first.is_none() {
            self.first = Some(entry.clone());
        }
        let path = entry.path.clone();
        let all = inside(&path).map_err(|e| clean(&e).into_owned())?;
        let parts = match (self.base.as_str(), all.split_first()) {
            (".", _) => all.as_slice(),
            (base, Some((first, rest))) if *first == base => rest,
            _ => return Err(format!("the container sent {}, which nobody asked for", clean(&path))),
        };
        match &entry.kind {
            Kind::Directory => {
                let at = self.place(parts)?;
                fs::create_dir_all(&at).map_err(|e| format!("{} cannot be made: {e}", shown(&at)))
            }
            Kind::File => {
                let at = self.place(parts)?;
                let file = Whole::create(&at)?;
                self.current = Some(Current { file, at, left: entry.size, entry });
                self.complete()
            }
            Kind::Link(to) => {
                match stays_inside(parts, to) {
                    // What was asked for is a link itself: its content is fetched another way.
                    _ if parts.is_empty() => {}
                    true => self.links.push((parts.iter().map(|part| part.to_string()).collect(), to.clone())),
                    false => self.done.notes.push(format!("link {} leads out, to {}", clean(&path), clean(to))),
                }
                Ok(())
            }
            Kind::Hard(to) => self.again(parts, to, &path),
            Kind::Other => {
                self.done.notes.push(format!("{} is neither file nor directory", clean(&path)));
                Ok(())
            }
        }
    }

    /// Another name of a file that came before: a copy of it.
    fn again(&mut self, parts: &[&str], to: &str, path: &str) -> Result<(), String> {
        let from = inside(to).map_err(|e| clean(&e).into_owned())?;
        let from = if self.base == "." { from.as_slice() } else { from.get(1..).unwrap_or_default() };
        let (from, at) = (self.place(from)?, self.place(parts)?);
        let plain = fs::symlink_metadata(&from).is_ok_and(|meta| meta.is_file());
        match plain.then(|| fs::copy(&from, &at)) {
            Some(Ok(bytes)) => {
                self.done.files += 1;
                self.done.bytes += bytes;
            }
            _ => self.done.notes.push(format!("{} is another name of {}, which is not there", clean(path), clean(to))),
        }
        Ok(())
    }

    /// A file that has everything gets its name.
    fn complete(&mut self) -> Result<(), String> {
        match self.current.take_if(|current| current.left == 0) {
            Some(Current { file, at, entry, .. }) => {
                self.done.files += 1;
                file.keep(&at, entry.mode, Some(entry.mtime))
            }
            None => Ok(()),
        }
    }

    /// Where a member goes, its directories made; refuses to pass a symbolic link on the way.
    fn place(&self, parts: &[&str]) -> Result<PathBuf, String> {
        let mut at = self.target.clone();
        for (n, part) in parts.iter().enumerate() {
            if n > 0 || !parts.is_empty() {
                let link = fs::symlink_metadata(&at).is_ok_and(|meta| meta.is_symlink());
                // The target itself is the user's own choice.
                if link && n > 0 {
                    return Err(format!("{} is a link here: nothing is written through it", shown(&at)));
                }
                if !at.exists() {
                    fs::create_dir_all(&at).map_err(|e| format!("{} cannot be made: {e}", shown(&at)))?;
                }
            }
            at.push(part);
        }
        Ok(at)
    }
}

fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind, size: u64) -> Piece {
        Piece::Entry(Entry { path: path.into(), kind, size, mode: 0o4755, mtime: 1_700_000_000 })
    }

    fn file(unpack: &mut Unpack, path: &str, content: &str) -> Result<(), String> {
        unpack.take(entry(path, Kind::File, content.len() as u64))?;
        unpack.take(Piece::Data(content.into()))
    }

    #[test]
    fn a_tree_arrives_with_what_belongs_inside() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("copy");
        let mut unpack = Unpack::new(&target, "log");
        unpack.take(entry("./log/", Kind::Directory, 0)).unwrap();
        file(&mut unpack, "./log/a/b", "hello").unwrap();
        unpack.take(entry("./log/empty", Kind::File, 0)).unwrap();
        unpack.take(entry("./log/hard", Kind::Hard("./log/a/b".into()), 0)).unwrap();
        unpack.take(entry("./log/a/in", Kind::Link("../empty".into()), 0)).unwrap();
        unpack.take(entry("./log/out", Kind::Link("/etc/passwd".into()), 0)).unwrap();
        unpack.take(entry("./log/pipe", Kind::Other, 0)).unwrap();
        let done = unpack.finish().unwrap();
        assert_eq!((done.files, done.bytes), (3, 10));
        assert_eq!(fs::read_to_string(target.join("a/b")).unwrap(), "hello");
        assert_eq!(fs::read_to_string(target.join("hard")).unwrap(), "hello");
        assert_eq!(fs::read_link(target.join("a/in")).unwrap(), Path::new("../empty"));
        assert!(!target.join("out").exists() && done.notes.len() == 2, "{:?}", done.notes);
        let meta = fs::metadata(target.join("a/b")).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o755, "no setuid");
    }

    #[test]
    fn nothing_is_written_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (target, outside) = (dir.path().join("copy"), dir.path().join("outside"));
        fs::create_dir_all(&outside).unwrap();
        let fresh = || Unpack::new(&target, "log");
        assert!(file(&mut fresh(), "./log/../../outside/x", "x").is_err());
        assert!(file(&mut fresh(), "./other/x", "x").unwrap_err().contains("nobody asked"));
        // A link that the archive brings is not there yet when something is to be written through it.
        let mut unpack = fresh();
        unpack.take(entry("./log/", Kind::Directory, 0)).unwrap();
        unpack.take(entry("./log/d", Kind::Link("../outside".into()), 0)).unwrap();
        file(&mut unpack, "./log/d/x", "x").unwrap();
        unpack.finish().unwrap();
        // One that stands here is not passed.
        std::os::unix::fs::symlink(&outside, target.join("here")).unwrap();
        assert!(file(&mut fresh(), "./log/here/x", "x").unwrap_err().contains("link"));
        // One in the place of a file is replaced.
        fs::write(outside.join("secret"), "mine").unwrap();
        std::os::unix::fs::symlink(outside.join("secret"), target.join("f")).unwrap();
        file(&mut fresh(), "./log/f", "theirs").unwrap();
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(target.join("f")).unwrap(), "theirs");
        // The first member is no exception.
        let mut unpack = fresh();
        unpack.take(entry("./log/first", Kind::Link("/etc/passwd".into()), 0)).unwrap();
        file(&mut unpack, "./log/second", "x").unwrap();
        assert_eq!(unpack.finish().unwrap().notes.len(), 1);
        assert!(target.join("first").symlink_metadata().is_err());
        // A hard link to something outside takes nothing from there.
        let mut unpack = fresh();
        assert!(unpack.take(entry("./log/h", Kind::Hard("../outside/secret".into()), 0)).is_err());
        let mut unpack = fresh();
        unpack.take(entry("./log/h", Kind::Hard("./log/here/secret".into()), 0)).unwrap_err();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn what_breaks_off_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        let mut unpack = Unpack::new(&target, "f");
        unpack.take(entry("./f", Kind::File, 10)).unwrap();
        unpack.take(Piece::Data(b"abc".to_vec())).unwrap();
        assert_eq!(unpack.only_file(), Some(10));
        drop(unpack);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
