//! tar in the containers of an embedded cluster.

use super::disk::{Entry, Files};
use crate::world::tar::{self, Kind, Piece, Reader};

/// `tar cf - -C DIRECTORY NAME`: the archive, and what could not be found.
pub fn create(files: &Files, directory: &str, name: &str) -> Result<Vec<u8>, String> {
    let name = name.trim_start_matches("./");
    let root = match (directory.trim_end_matches('/'), name) {
        (directory, "." | "") => directory.to_string(),
        (directory, name) => format!("{directory}/{name}"),
    };
    let found = files.under(if root.is_empty() { "/" } else { &root });
    if found.is_empty() {
        return Err(format!("tar: {name}: Cannot stat: No such file or directory\n"));
    }
    let mut out = Vec::new();
    let prefix = format!("{}/", directory.trim_end_matches('/'));
    for (path, entry) in found {
        let path = format!("./{}", path.strip_prefix(&prefix).unwrap_or(&path));
        let (kind, content) = match entry {
            Entry::File(content) => (Kind::File, content),
            Entry::Link(to) => (Kind::Link(to), vec![]),
        };
        let size = content.len() as u64;
        out.extend(tar::header(&tar::Entry { path, kind, size, mode: 0o644, mtime: 1_700_000_000 }));
        out.extend(content);
        out.resize(out.len() + tar::padding(size) as usize, 0);
    }
    let written = out.len() as u64;
    out.extend(tar::end(written));
    Ok(out)
}

/// `tar xmf - -C DIRECTORY` of what came so far.
pub struct Extract {
    files: Files,
    directory: String,
    reader: Reader,
    current: Option<(String, Vec<u8>, u64)>,
}

impl Extract {
    /// Into a directory.
    pub fn new(files: Files, directory: &str) -> Self {
        Self { files, directory: directory.trim_end_matches('/').into(), reader: Reader::default(), current: None }
    }

    /// Takes the next bytes; whether the archive is at its end.
    ///
    /// # Errors
    /// tar's words.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, String> {
        for piece in self.reader.feed(bytes).map_err(|e| format!("tar: {e}\n"))? {
            match piece {
                Piece::Entry(entry) => {
                    let path = format!("{}/{}", self.directory, entry.path.trim_start_matches("./"));
                    match entry.kind {
                        Kind::File => self.current = Some((path, vec![], entry.size)),
                        Kind::Link(to) => self.files.put(&path, Entry::Link(to)),
                        _ => {}
                    }
                }
                Piece::Data(data) => {
                    if let Some((_, content, _)) = &mut self.current {
                        content.extend(data);
                    }
                }
            }
            if let Some((path, content, _)) = self.current.take_if(|(_, content, size)| content.len() as u64 >= *size) {
                self.files.put(&path, Entry::File(content));
            }
        }
        Ok(self.reader.ended())
    }
}
