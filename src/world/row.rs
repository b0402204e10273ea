//! Rows: what tables, relations and screening need of every object. The whole object stays beside it, compressed.

use super::time::Time;
use compact_str::CompactString;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A string shared by many rows (namespace, node, image …), interned by whoever decodes.
pub type Str = Arc<str>;

/// What every object has.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// `metadata.uid`; the key of a row within its table.
    pub uid: Uid,
    /// `metadata.name`, control characters removed.
    pub name: CompactString,
    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub namespace: Str,
    /// `metadata.creationTimestamp`
    pub created: Time,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.labels`, sorted by key; shared by equal sets.
    pub labels: Arc<[(Str, Str)]>,
    /// The controlling owner.
    pub owner: Option<Arc<Owner>>,
}

impl Meta {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|i| &*self.labels[i].1)
    }
}

/// The owner with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `ReplicaSet`, …
    pub kind: Str,
    /// Its name.
    pub name: Str,
}

/// A UID: 16 bytes when it is a UUID (it nearly always is), else a hash of its text, told apart by its variant bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uid(pub [u8; 16]);

impl Uid {
    /// From the text of `metadata.uid`.
    pub fn parse(text: &str) -> Self {
        hex(text.as_bytes()).map_or_else(|| Self::hashed(&[text]), Self)
    }

    /// For the few objects without a uid (metrics, component statuses): from namespace and name.
    pub fn of_name(namespace: &str, name: &str) -> Self {
        Self::hashed(&[namespace, "/", name])
    }

    /// FNV-1a, 128 bits, with the variant bits that no UUID of RFC 9562 has.
    fn hashed(parts: &[&str]) -> Self {
        let bytes = parts.iter().flat_map(|part| part.bytes());
        let hash = bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        let mut bytes = hash.to_be_bytes();
        bytes[8] |= 0xe0;
        Self(bytes)
    }
}

/// The 16 bytes of `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
fn hex(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 || [8, 13, 18, 23].iter().any(|&i| text[i] != b'-') {
        return None;
    }
    let mut out = [0; 16];
    let mut digits = text.iter().filter(|c| **c != b'-').map(|c| char::from(*c).to_digit(16));
    for byte in &mut out {
        *byte = (digits.next()?? * 16 + digits.next()??) as u8;
    }
    Some(out)
}

/// The value of one cell: what is shown, and what it sorts by.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Cell {
    /// Nothing known.
    #[default]
    Empty,
    /// Words.
    Text(CompactString),
    /// Words shared by many rows.
    Shared(Str),
    /// A number, shown as it is.
    Int(i64),
    /// A number with words after it: sorts by the number, `14 (2m)` is `Count(14, Some(time of the last))`.
    Count(i64, Option<Time>),
    /// A part of a whole, `1/2`.
    Ratio(u32, u32),
    /// A point in time, shown as its age.
    Since(Time),
    /// An amount of memory in bytes.
    Bytes(i64),
    /// An amount of CPU in thousandths.
    Cpu(i64),
}

/// How an object stands, for colour, for the faults filter, and for the fleet's counts. Words on screen say it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Tone {
    /// As it should be.
    #[default]
    Ok,
    /// Finished, nothing to expect of it.
    Done,
    /// On its way (starting, progressing, terminating).
    Busy,
    /// Not as it should be, but working.
    Warn,
    /// Broken.
    Bad,
}

/// One object of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What every object has.
    pub meta: Meta,
    /// The kind's own part.
    pub body: Body,
    /// How it stands.
    pub tone: Tone,
    /// The whole object, compressed.
    pub raw: Raw,
}

/// The kind's own part of a row.
#[derive(Clone, Debug)]
pub enum Body {
    /// A pod, decoded from the stream.
    Pod(Box<super::pod::PodRow>),
    /// Any other kind: its cells, in the order of the table's columns.
    Cells(Box<[Cell]>),
}

/// A whole object as served, compressed together with others; see `cluster::raw` for how it comes to be.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    /// `None`: not kept.
    block: Option<Arc<Block>>,
    /// Where its JSON stands in the text of the block.
    start: u32,
    len: u32,
}

/// An object of more bytes than this fills a block of its own.
const LOOSE: u32 = 64 * 1024;

/// The same bytes of the same block.
impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.block, &other.block) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same && (self.start, self.len) == (other.start, other.len)
    }
}

impl Eq for Raw {}

/// The text of several objects, compressed with zstd. Empty until it is sealed.
#[derive(Debug, Default)]
pub struct Block {
    packed: OnceLock<Packed>,
}

#[derive(Debug)]
struct Packed {
    bytes: Box<[u8]>,
    /// How many objects.
    count: u32,
    /// They came one by one: none is like its neighbours.
    apart: bool,
    by: Arc<Packing>,
}

/// What the blocks of a kind have in common.
#[derive(Debug, Default)]
pub struct Packing {
    /// The text that the compressor knew before; may be empty.
    pub dictionary: Arc<[u8]>,
    /// Stands in front of an object of a list, which comes without its `kind` and `apiVersion`:
    /// `{"kind":"Pod","apiVersion":"v1",`. Empty where every object is kept with them.
    pub head: Box<str>,
}

impl Block {
    /// Seals the block with the text of so many objects, neighbours in a list or `apart`; only the first time counts.
    pub fn fill(&self, bytes: Box<[u8]>, count: u32, apart: bool, by: Arc<Packing>) {
        let _ = self.packed.set(Packed { bytes, count, apart, by });
    }
}

impl Packed {
    /// The text from its beginning.
    fn open(&self) -> Option<impl Read> {
        zstd::stream::read::Decoder::with_dictionary(&self.bytes[..], &self.by.dictionary).ok()
    }

    /// Writes an object as it is known outside of lists.
    fn write(&self, object: &[u8], out: &mut Vec<u8>) {
        match object.strip_prefix(b"{") {
            Some(rest)
                if !self.by.head.is_empty()
                    && !rest.starts_with(b"\"kind\"")
                    && !rest.starts_with(b"\"apiVersion\"") =>
            {
                out.extend_from_slice(self.by.head.as_bytes());
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(object),
        }
    }
}

impl Raw {
    /// An object that stands in these bytes of the text of a block. Beyond 4 GiB it is not kept.
    pub fn part(block: Arc<Block>, at: Range<usize>) -> Self {
        match (u32::try_from(at.start), u32::try_from(at.len())) {
            (Ok(start), Ok(len)) => Self { block: Some(block), start, len },
            _ => Self::default(),
        }
    }

    /// Whether it would take less room elsewhere: it stands alone in its block, beside as many that are gone, or beside
    /// others that it came with by chance.
    pub fn is_loose(&self) -> bool {
        let Some(block) = &self.block else { return false };
        let Some(packed) = block.packed.get() else { return false };
        let lives = Arc::strong_count(block);
        self.len <= LOOSE && (packed.apart || packed.count <= 2 || lives * 2 <= packed.count as usize)
    }

    /// How it was compressed.
    pub fn packing(&self) -> Option<&Arc<Packing>> {
        Some(&self.block.as_ref()?.packed.get()?.by)
    }

    /// The size of the compressed block that it stands in, in bytes.
    pub fn packed_size(&self) -> usize {
        self.block.as_ref().and_then(|block| block.packed.get()).map_or(0, |packed| packed.bytes.len())
    }

    /// Whether the object was kept.
    pub fn is_kept(&self) -> bool {
        self.block.is_some()
    }

    /// An object on its own.
    pub fn alone(json: &[u8]) -> Self {
        let block = Arc::new(Block::default());
        if let Ok(bytes) = zstd::encode_all(json, 1) {
            block.fill(bytes.into(), 1, true, Arc::default());
        }
        Self::part(block, 0..json.len())
    }

    /// The object's JSON. `None` where it was not kept or cannot be read any more.
    pub fn json(&self) -> Option<Vec<u8>> {
        let packed = self.block.as_ref()?.packed.get()?;
        let mut text = packed.open()?;
        let before = u64::from(self.start);
        io::copy(&mut text.by_ref().take(before), &mut io::sink()).ok().filter(|skipped| *skipped == before)?;
        let mut object = Vec::with_capacity(self.len as usize);
        text.take(u64::from(self.len)).read_to_end(&mut object).ok()?;
        let mut out = Vec::with_capacity(object.len() + packed.by.head.len());
        packed.write(&object, &mut out);
        (object.len() == self.len as usize).then_some(out)
    }

    /// The object, parsed.
    pub fn value(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.json()?).ok()
    }
}

/// Reads objects one after the other: those that stand in the same block are unpacked once.
#[derive(Debug, Default)]
pub struct Unpacker {
    block: Option<Arc<Block>>,
    text: Vec<u8>,
    object: Vec<u8>,
}

impl Unpacker {
    /// The object's JSON. `None` where it was not kept or cannot be read any more.
    pub fn json(&mut self, raw: &Raw) -> Option<&[u8]> {
        let block = raw.block.as_ref()?;
        let packed = block.packed.get()?;
        if !self.block.as_ref().is_some_and(|known| Arc::ptr_eq(known, block)) {
            self.block = None;
            self.text.clear();
            packed.open()?.read_to_end(&mut self.text).ok()?;
            self.block = Some(block.clone());
        }
        let start = raw.start as usize;
        self.object.clear();
        packed.write(self.text.get(start..start.checked_add(raw.len as usize)?)?, &mut self.object);
        Some(&self.object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids_or_hashes() {
        let uid = Uid::parse("1d5ff7cf-a2d7-4cfe-a4c4-b335414f64da");
        assert_eq!(uid.0[..4], [0x1d, 0x5f, 0xf7, 0xcf]);
        assert_eq!(Uid::parse("mirror-1"), Uid::parse("mirror-1"));
        assert_ne!(Uid::parse("mirror-1"), Uid::parse("mirror-2"));
        assert_ne!(Uid::parse("1d5ff7cf-a2d7-4cfe-a4c4-b335414f64dx").0[8] & 0xe0, 0x80);
        assert_ne!(Uid::of_name("a", "b"), Uid::of_name("", "ab"));
    }
}
