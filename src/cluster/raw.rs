//! Whole objects kept beside their rows, compressed with a dictionary made from the first objects of their kind.
//!
//! The dictionary is the text of a few objects, unprocessed: objects of one kind repeat each other's structure, and
//! nothing has to be trained while rows are waiting. Objects of a list are compressed in groups: neighbours are alike
//! (a list is sorted by name, so the pods of one ReplicaSet stand together), which makes a group smaller and quicker to
//! pack than its objects one by one.

use crate::world::row::{Block, Raw};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zstd::bulk::Compressor;

/// zstd level: its speed is what counts, the dictionary does most of the work. Level 1 packs into little more than half
/// of the room and takes twice the time.
const LEVEL: i32 = -5;
/// Size of a dictionary.
const DICTIONARY: usize = 48 * 1024;
/// Objects that go into it, taken some apart, as neighbours in a list belong together.
const SAMPLES: usize = 6;
const APART: usize = 24;
/// Larger objects are not kept: they can be fetched when somebody looks at them.
pub const LARGEST: usize = 8 << 20;
/// Objects compressed together, and the size at which a group is full before that: to look at one, the group is
/// unpacked up to it.
const GROUP: usize = 16;
const GROUP_SIZE: usize = 256 * 1024;

/// The dictionary of one kind in one cluster, shared by every decoder of it.
#[derive(Default)]
pub struct Dictionary {
    ready: OnceLock<Arc<[u8]>>,
    samples: Mutex<Samples>,
}

#[derive(Default)]
struct Samples {
    seen: usize,
    taken: usize,
    text: Vec<u8>,
}

/// Compresses the objects that one decoder reads.
pub struct Keeper {
    shared: Arc<Dictionary>,
    dictionary: Option<Arc<[u8]>>,
    zip: Option<Compressor<'static>>,
    packed: Vec<u8>,
    /// The group being filled: its text, how many objects, and what their rows hold.
    text: Vec<u8>,
    count: usize,
    block: Arc<Block>,
}

impl Dictionary {
    /// Takes an object into account until there is a dictionary.
    fn learn(&self, object: &[u8]) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.seen += 1;
        if !(samples.seen - 1).is_multiple_of(APART) || self.ready.get().is_some() {
            return;
        }
        samples.taken += 1;
        let share = object.len().min(DICTIONARY / SAMPLES);
        samples.text.extend_from_slice(&object[..share]);
        if samples.taken == SAMPLES {
            let _ = self.ready.set(std::mem::take(&mut samples.text).into());
        }
    }
}

impl Keeper {
    /// A keeper with a shared dictionary.
    pub fn new(shared: Arc<Dictionary>) -> Self {
        Self {
            shared,
            dictionary: None,
            zip: Compressor::new(LEVEL).ok(),
            packed: vec![],
            text: vec![],
            count: 0,
            block: Arc::default(),
        }
    }

    /// Takes an object into the group; it can be read once the group is sealed. `head` is put in front of an item of a
    /// list, which lacks its `kind` and `apiVersion`: `{"kind":"Pod","apiVersion":"v1",`.
    pub fn keep(&mut self, object: &[u8], head: &str) -> Raw {
        if object.len() > LARGEST {
            return Raw::default();
        }
        if self.dictionary.is_none() {
            self.shared.learn(object);
        }
        let start = self.text.len();
        match object.strip_prefix(b"{") {
            Some(rest) if !rest.starts_with(b"\"kind\"") && !rest.starts_with(b"\"apiVersion\"") => {
                self.text.extend_from_slice(head.as_bytes());
                self.text.extend_from_slice(rest);
            }
            _ => self.text.extend_from_slice(object),
        }
        let raw = Raw::part(self.block.clone(), start..self.text.len());
        self.count += 1;
        if self.count == GROUP || self.text.len() >= GROUP_SIZE {
            self.seal();
        }
        raw
    }

    /// Compresses the group as it is. To be called before rows are handed on.
    pub fn seal(&mut self) {
        if self.count == 0 {
            return;
        }
        self.follow_dictionary();
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(self.text.len()));
        if let Some(zip) = &mut self.zip
            && zip.compress_to_buffer(&self.text, &mut self.packed).is_ok()
        {
            self.block.fill(self.packed.as_slice().into(), self.dictionary.clone());
        }
        (self.block, self.count) = (Arc::default(), 0);
        self.text.clear();
        // One enormous object does not keep its room for ever.
        self.text.shrink_to(2 * GROUP_SIZE);
        self.packed.shrink_to(2 * GROUP_SIZE);
    }

    fn follow_dictionary(&mut self) {
        if self.dictionary.is_none()
            && let Some(ready) = self.shared.ready.get()
        {
            self.zip = Compressor::with_dictionary(LEVEL, ready).ok();
            self.dictionary = Some(ready.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_back_whole() {
        let mut keeper = Keeper::new(Arc::default());
        let object = |n: usize| {
            let conditions = ["Ready", "Initialized", "ContainersReady", "PodScheduled"].map(|kind| {
                format!(r#"{{"type":"{kind}","status":"True","lastTransitionTime":"2026-11-21T10:00:00Z"}}"#)
            });
            let conditions = conditions.join(",");
            format!(r#"{{"metadata":{{"name":"web-{n}"}},"status":{{"phase":"Running","conditions":[{conditions}]}}}}"#)
        };
        let mut sizes = vec![];
        for n in 0..500 {
            let raw = keeper.keep(object(n).as_bytes(), r#"{"kind":"Pod","apiVersion":"v1","#);
            keeper.seal();
            let value = raw.value().unwrap();
            assert_eq!((&value["kind"], &value["metadata"]["name"]), (&"Pod".into(), &format!("web-{n}").into()));
            sizes.push(raw.packed_size());
        }
        assert!(sizes[499] * 2 < sizes[0], "a dictionary must pay: {} and {}", sizes[0], sizes[499]);
        let raws: Vec<Raw> = (0..40).map(|n| keeper.keep(object(n).as_bytes(), "{")).collect();
        assert!(raws[15].json().is_some() && raws[39].json().is_none(), "a group is readable once it is sealed");
        keeper.seal();
        for (n, raw) in raws.iter().enumerate() {
            assert_eq!(raw.json().unwrap(), object(n).into_bytes());
        }
        assert!(raws[0].packed_size() < sizes[499] * GROUP, "a group must pay");
        assert!(keeper.keep(&vec![b' '; LARGEST + 1], "{").json().is_none());
    }
}
