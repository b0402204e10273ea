//! tar archives as they come from and go to containers: ustar with the extensions of GNU and pax for long names and
//! large files. Nothing here touches a disk.

/// Everything is in blocks of this many bytes.
pub const BLOCK: usize = 512;
/// Names and pax records longer than this are nobody's: an archive that claims them is broken.
const LONGEST: u64 = 1 << 20;

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, as the archive says it.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes of content that follow; 0 for anything but files.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// When it was changed, in seconds.
    pub mtime: i64,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, and where it leads.
    Link(String),
    /// Another name of a file that came before.
    Hard(String),
    /// A device, a pipe …
    Other,
}

/// What comes out of an archive, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A member begins.
    Entry(Entry),
    /// Content of the member that began last.
    Data(Vec<u8>),
}

/// Reads an archive that comes in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    waiting: Vec<u8>,
    /// Content of the current member that is still to come, and what belongs to nobody behind it.
    content: u64,
    padding: u64,
    /// The content is a name or a record for the next member.
    extension: Option<(u8, Vec<u8>)>,
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    ended: bool,
}

impl Reader {
    /// Takes the next bytes and gives what is complete.
    ///
    /// # Errors
    /// A sentence, where this is no tar archive, or a broken one.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Piece>, String> {
        self.waiting.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        let mut at = 0;
        loop {
            let rest = self.waiting.get(at..).unwrap_or_default();
            if rest.is_empty() || self.ended {
                break;
            }
            if self.content > 0 {
                let take = rest.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
                let data = rest.get(..take).unwrap_or_default().to_vec();
                self.content -= take as u64;
                at += take;
                match &mut self.extension {
                    Some((_, text)) => text.extend(data),
                    None => pieces.push(Piece::Data(data)),
                }
            } else if self.padding > 0 {
                let take = rest.len().min(usize::try_from(self.padding).unwrap_or(usize::MAX));
                self.padding -= take as u64;
                at += take;
            } else {
                let Some(block) = rest.get(..BLOCK) else { break };
                let block = block.to_vec();
                at += BLOCK;
                pieces.extend(self.header(&block)?);
            }
            if self.content == 0
                && let Some((kind, text)) = self.extension.take()
            {
                self.extend(kind, &text)?;
            }
        }
        self.waiting.drain(..at);
        Ok(pieces)
    }

    /// Whether the archive came to its end; one that breaks off before was cut.
    pub fn ended(&self) -> bool {
        self.ended
    }

    fn header(&mut self, block: &[u8]) -> Result<Option<Piece>, String> {
        if block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(None);
        }
        let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let sum: u64 =
            block.iter().enumerate().map(|(n, byte)| if (148..156).contains(&n) { 32 } else { u64::from(*byte) }).sum();
        if number(field(148, 8)) != Some(sum) {
            return Err("this is no tar archive, or a broken one (checksum)".into());
        }
        let own = number(field(124, 12)).ok_or("a member of the archive has no size")?;
        let kind = block.get(156).copied().unwrap_or_default();
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            if own > LONGEST {
                return Err("a name in the archive is longer than any name is".into());
            }
            (self.content, self.padding) = (own, padding(own));
            self.extension = Some((kind, Vec::new()));
            return Ok(None);
        }
        let size = self.size.take().unwrap_or(own);
        let name = match (field(257, 5) == b"ustar", text(field(345, 155))) {
            // GNU's own format keeps times where the prefix would be.
            (true, prefix) if !prefix.is_empty() && field(257, 8) == b"ustar\x0000" => {
                format!("{prefix}/{}", text(field(0, 100)))
            }
            _ => text(field(0, 100)),
        };
        let link = self.link.take().unwrap_or_else(|| text(field(157, 100)));
        let path = self.path.take().unwrap_or(name);
        let kind = match kind {
            b'0' | 0 | b'7' if path.ends_with('/') => Kind::Directory,
            b'0' | 0 | b'7' => Kind::File,
            b'1' => Kind::Hard(link),
            b'2' => Kind::Link(link),
            b'5' => Kind::Directory,
            _ => Kind::Other,
        };
        // Links and directories have no content, whatever their size says; of what is not known it is skipped.
        let follows = if matches!(kind, Kind::File | Kind::Other) { size } else { 0 };
        (self.content, self.padding) = (follows, padding(follows));
        if kind == Kind::Other {
            (self.content, self.padding) = (0, follows + padding(follows));
        }
        let size = if kind == Kind::File { size } else { 0 };
        let mode = u32::try_from(number(field(100, 8)).unwrap_or(0o644) & 0o7777).unwrap_or(0o644);
        let mtime = number(field(136, 12)).and_then(|t| i64::try_from(t).ok()).unwrap_or(0);
        Ok(Some(Piece::Entry(Entry { path, kind, size, mode, mtime })))
    }

    fn extend(&mut self, kind: u8, bytes: &[u8]) -> Result<(), String> {
        match kind {
            b'L' => self.path = Some(text(bytes)),
            b'K' => self.link = Some(text(bytes)),
            b'x' => {
                for (key, value) in records(bytes).ok_or("a pax record of the archive is broken")? {
                    match key.as_str() {
                        "path" => self.path = Some(value),
                        "linkpath" => self.link = Some(value),
                        "size" => self.size = value.parse().ok(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// `LENGTH KEY=VALUE\n`, one after another.
fn records(mut bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(bytes.get(..space)?).ok()?.parse().ok()?;
        let record = bytes.get(space + 1..length.checked_sub(1)?)?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        all.push((String::from_utf8_lossy(key).into_owned(), String::from_utf8_lossy(value).into_owned()));
        bytes = bytes.get(length..)?;
    }
    Some(all)
}

/// Octal digits, or, with the highest bit set, the number itself.
fn number(field: &[u8]) -> Option<u64> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            let (high, low) = field.split_at(field.len().saturating_sub(8));
            let empty = high.iter().enumerate().all(|(n, byte)| if n == 0 { byte & 0x7f == 0 } else { *byte == 0 });
            empty.then(|| low.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
        }
        _ => {
            let digits = text(field);
            let digits = digits.trim();
            if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
        }
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
}

/// Bytes that fill the last block of a content.
pub fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

/// The header of a member, with what a long name or a large size needs before it. Content and [`padding`] follow.
pub fn header(entry: &Entry) -> Vec<u8> {
    let link = match &entry.kind {
        Kind::Link(to) | Kind::Hard(to) => to.as_str(),
        _ => "",
    };
    let mut out = Vec::new();
    for (kind, value) in [(b'L', entry.path.as_str()), (b'K', link)] {
        if value.len() > 100 {
            let mut content = value.as_bytes().to_vec();
            content.push(0);
            out.extend(block("././@LongLink", "", kind, content.len() as u64, 0o644, 0));
            out.extend(&content);
            out.resize(out.len() + padding(content.len() as u64) as usize, 0);
        }
    }
    let kind = match entry.kind {
        Kind::Directory => b'5',
        Kind::Link(_) => b'2',
        Kind::Hard(_) => b'1',
        Kind::File | Kind::Other => b'0',
    };
    out.extend(block(&entry.path, link, kind, entry.size, entry.mode, entry.mtime));
    out
}

fn block(path: &str, link: &str, kind: u8, size: u64, mode: u32, mtime: i64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, path.as_bytes().get(..path.len().min(100)).unwrap_or_default());
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    match size < 1 << 33 {
        true => put(124, format!("{size:011o}").as_bytes()),
        false => {
            put(124, &[0x80, 0, 0, 0]);
            put(128, &size.to_be_bytes());
        }
    }
    put(136, format!("{:011o}", mtime.max(0)).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes().get(..link.len().min(100)).unwrap_or_default());
    put(257, b"ustar  ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (to, from) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").as_bytes()) {
        *to = *from;
    }
    block
}

/// What ends an archive of so many bytes: two empty blocks, and as many as fill the record of 20 that some programs read
/// at once.
pub fn end(written: u64) -> Vec<u8> {
    let record = 20 * BLOCK as u64;
    let least = 2 * BLOCK as u64;
    let fill = (record - (written + least) % record) % record;
    vec![0; (least + fill) as usize]
}

/// The parts of a member's path below the place it is unpacked to, `.` and leading `/` left out.
///
/// # Errors
/// Where it leads out of that place (`..`), or is no path at all.
pub fn inside(path: &str) -> Result<Vec<&str>, String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    match parts.contains(&"..") || path.contains('\0') {
        true => Err(format!("`{path}` leads out of the directory")),
        false => Ok(parts),
    }
}

/// Whether a symbolic link at a path (its parts) stays inside of the place that the path begins in.
pub fn stays_inside(at: &[&str], to: &str) -> bool {
    if to.starts_with('/') || to.is_empty() {
        return false;
    }
    // Every step counts: what goes out and comes back in depends on names that are none of ours.
    let mut depth = at.len().saturating_sub(1);
    to.split('/').filter(|part| !part.is_empty() && *part != ".").all(|part| match part {
        ".." => depth.checked_sub(1).map(|less| depth = less).is_some(),
        _ => {
            depth += 1;
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, kind: Kind, size: u64) -> Entry {
        Entry { path: path.into(), kind, size, mode: 0o640, mtime: 1_700_000_000 }
    }

    fn archive(members: &[(Entry, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (entry, content) in members {
            out.extend(header(entry));
            out.extend(*content);
            out.resize(out.len() + padding(content.len() as u64) as usize, 0);
        }
        let written = out.len() as u64;
        out.extend(end(written));
        out
    }

    fn read(bytes: &[u8], step: usize) -> (Vec<Entry>, Vec<u8>, bool) {
        let (mut reader, mut entries, mut data) = (Reader::default(), vec![], vec![]);
        for part in bytes.chunks(step) {
            for piece in reader.feed(part).unwrap() {
                match piece {
                    Piece::Entry(entry) => entries.push(entry),
                    Piece::Data(more) => data.extend(more),
                }
            }
        }
        (entries, data, reader.ended())
    }

    #[test]
    fn what_is_written_is_read_whatever_the_pieces() {
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        let members = [
            (entry("dir/", Kind::Directory, 0), b"".as_slice()),
            (entry("dir/a", Kind::File, 3), b"abc"),
            (entry(&long, Kind::File, 1), b"x"),
            (entry("dir/l", Kind::Link("t".repeat(120)), 0), b""),
            (entry("dir/h", Kind::Hard("dir/a".into()), 0), b""),
        ];
        let bytes = archive(&members);
        assert_eq!(bytes.len() % (20 * BLOCK), 0);
        for step in [1, 7, 512, 100_000] {
            let (entries, data, ended) = read(&bytes, step);
            assert_eq!(entries, members.iter().map(|(e, _)| e.clone()).collect::<Vec<_>>(), "{step}");
            assert_eq!((data.as_slice(), ended), (b"abcx".as_slice(), true));
        }
        assert!(!read(&bytes[..1500], 512).2, "cut off");
        let huge = entry("huge", Kind::File, 9 << 33);
        let mut reader = Reader::default();
        assert_eq!(reader.feed(&header(&huge)).unwrap(), [Piece::Entry(huge)]);
    }

    #[test]
    fn real_tar_agrees() {
        let dir = tempfile::tempdir().unwrap();
        let name = "n".repeat(130);
        std::fs::write(dir.path().join(&name), "content").unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("link")).unwrap();
        for format in ["gnu", "pax", "ustar"] {
            // ustar cannot name a file of 130 characters without a directory.
            let what = if format == "ustar" { "link" } else { "." };
            let flag = format!("--format={format}");
            let out =
                std::process::Command::new("tar").args([&flag, "-cf", "-", "-C"]).arg(dir.path()).arg(what).output();
            let Ok(out) = out else { return };
            let (entries, data, ended) = read(&out.stdout, 777);
            assert!(ended && entries.iter().any(|e| e.kind == Kind::Link("gone".into())), "{format}: {entries:?}");
            if what == "." {
                assert!(entries.iter().any(|e| e.path == format!("./{name}") && e.size == 7), "{format}: {entries:?}");
                assert_eq!(data, b"content");
            }
        }
        let bytes = archive(&[(entry(&format!("a/{name}"), Kind::File, 2), b"hi")]);
        let list = dir.path().join("list.tar");
        std::fs::write(&list, bytes).unwrap();
        let out = std::process::Command::new("tar").arg("-tvf").arg(&list).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success() && text.contains(&format!("a/{name}")) && text.contains("-rw-r-----"), "{out:?}");
    }

    #[test]
    fn garbage_is_refused_and_never_panics() {
        assert!(Reader::default().feed(&[b'x'; 512]).is_err());
        let mut bytes = archive(&[(entry("a", Kind::File, 3), b"abc")]);
        bytes[0] = b'b';
        assert!(Reader::default().feed(&bytes).unwrap_err().contains("checksum"));
        let bad = block("x", "", b'x', 10, 0, 0);
        let mut reader = Reader::default();
        reader.feed(&bad).unwrap();
        assert!(reader.feed(b"9999 a=b\n\0").is_err());
        assert!(Reader::default().feed(&block("x", "", b'L', 1 << 40, 0, 0)).is_err());
    }

    #[test]
    fn paths_stay_inside() {
        assert_eq!(inside("./a//b/."), Ok(vec!["a", "b"]));
        assert_eq!(inside("/etc/passwd"), Ok(vec!["etc", "passwd"]));
        for path in ["../a", "a/../../b", "a/..", ".."] {
            assert!(inside(path).is_err(), "{path}");
        }
        assert!(stays_inside(&["a", "l"], "../b/c") && stays_inside(&["l"], "b"));
        for to in ["..", "/etc", "b/../../c", ""] {
            assert!(!stays_inside(&["l"], to), "{to}");
        }
    }
}
