//! Reading what goes to a container.

use crate::world::tar::{self, Entry, Kind, stays_inside};
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What is to be sent, in its order.
pub struct Pack {
    members: Vec<(PathBuf, Entry)>,
    /// What is left out, and why.
    pub notes: Vec<String>,
}

impl Pack {
    /// Everything under a path, as `name` in the archive.
    ///
    /// # Errors
    /// A sentence, where something cannot be looked at.
    pub fn of(path: &Path, name: &str) -> Result<Self, String> {
        let mut pack = Self { members: vec![], notes: vec![] };
        pack.add(path, name, &[])?;
        Ok(pack)
    }

    /// Bytes of content.
    pub fn total(&self) -> u64 {
        self.members.iter().map(|(_, entry)| entry.size).sum()
    }

    /// How many files.
    pub fn files(&self) -> u64 {
        self.members.iter().filter(|(_, entry)| entry.kind == Kind::File).count() as u64
    }

    /// The file and its size, where it is just one.
    pub fn only_file(&self) -> Option<(PathBuf, u64)> {
        match self.members.as_slice() {
            [(path, entry)] if entry.kind == Kind::File => Some((path.clone(), entry.size)),
            _ => None,
        }
    }

    fn add(&mut self, path: &Path, name: &str, below: &[&str]) -> Result<(), String> {
        let trouble = |e: std::io::Error| format!("{} cannot be read: {e}", path.display());
        let meta = fs::symlink_metadata(path).map_err(trouble)?;
        let entry = |kind, size| Entry {
            path: name.into(),
            kind,
            size,
            mode: meta.permissions().mode() & 0o777,
            mtime: meta.mtime(),
        };
        if meta.is_file() {
            self.members.push((path.into(), entry(Kind::File, meta.len())));
        } else if meta.is_dir() {
            let mut directory = entry(Kind::Directory, 0);
            directory.path.push('/');
            self.members.push((path.into(), directory));
            let mut inside: Vec<PathBuf> = fs::read_dir(path)
                .map_err(trouble)?
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<_, _>>()
                .map_err(trouble)?;
            inside.sort();
            for one in inside {
                match one.file_name().and_then(|part| part.to_str()) {
                    Some(part) => self.add(&one, &format!("{name}/{part}"), &[below, &[part]].concat())?,
                    None => self.notes.push(format!("{} has a name that is no text", one.display())),
                }
            }
        } else {
            self.special(path, &meta, below, entry)?;
        }
        Ok(())
    }

    fn special(
        &mut self,
        path: &Path,
        meta: &Metadata,
        below: &[&str],
        entry: impl Fn(Kind, u64) -> Entry,
    ) -> Result<(), String> {
        let to = meta.is_symlink().then(|| fs::read_link(path).ok()).flatten();
        match to.as_deref().and_then(Path::to_str) {
            // (`below` is empty for what was named itself, and that was followed.)
            Some(to) if stays_inside(below, to) => self.members.push((path.into(), entry(Kind::Link(to.into()), 0))),
            Some(to) => self.notes.push(format!("link {} leads out, to {to}", path.display())),
            None => self.notes.push(format!("{} is neither file nor directory", path.display())),
        }
        Ok(())
    }

    /// Sends the archive; `progress` hears the bytes of content so far.
    ///
    /// # Errors
    /// A sentence: a file cannot be read, or is shorter than it was.
    pub async fn send(&self, to: &mut (impl AsyncWrite + Unpin), progress: impl Fn(u64)) -> Result<(), String> {
        let broken = |e: std::io::Error| format!("the connection broke: {e}");
        let (mut written, mut content, mut part) = (0, 0, vec![0; 64 * 1024]);
        for (path, entry) in &self.members {
            let header = tar::header(entry);
            to.write_all(&header).await.map_err(broken)?;
            written += header.len() as u64;
            if entry.kind != Kind::File {
                continue;
            }
            let trouble = |e: std::io::Error| format!("{} cannot be read: {e}", path.display());
            // A file that grows meanwhile is cut where its size said.
            let mut file = tokio::fs::File::open(path).await.map_err(trouble)?.take(entry.size);
            let mut left = entry.size;
            loop {
                let read = file.read(&mut part).await.map_err(trouble)?;
                if read == 0 {
                    break;
                }
                to.write_all(part.get(..read).unwrap_or_default()).await.map_err(broken)?;
                left -= read as u64;
                content += read as u64;
                progress(content);
            }
            if left > 0 {
                return Err(format!("{} became shorter while it was copied: copy it again", path.display()));
            }
            let fill = vec![0; usize::try_from(tar::padding(entry.size)).unwrap_or(0)];
            to.write_all(&fill).await.map_err(broken)?;
            written += entry.size + fill.len() as u64;
        }
        to.write_all(&tar::end(written)).await.map_err(broken)?;
        to.flush().await.map_err(broken)
    }
}
