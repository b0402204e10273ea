//! Whole objects kept beside their rows, compressed with a dictionary made from the first objects of their kind.
//!
//! The dictionary is the text of a few objects, unprocessed: objects of one kind repeat each other's structure, and
//! nothing has to be trained while rows are waiting.

use crate::world::row::Raw;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zstd::bulk::Compressor;

/// zstd level: its speed is what counts, the dictionary does most of the work.
const LEVEL: i32 = 1;
/// Size of a dictionary.
const DICTIONARY: usize = 48 * 1024;
/// Objects that go into it, taken some apart, as neighbours in a list belong together.
const SAMPLES: usize = 6;
const APART: usize = 24;
/// Larger objects are not kept: they can be fetched when somebody looks at them.
pub const LARGEST: usize = 8 << 20;

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
    out: Vec<u8>,
    whole: Vec<u8>,
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
        Self { shared, dictionary: None, zip: Compressor::new(LEVEL).ok(), out: vec![], whole: vec![] }
    }

    /// Compresses an object. `head` is put in front of an item of a list, which lacks its `kind` and `apiVersion`:
    /// `{"kind":"Pod","apiVersion":"v1",`.
    pub fn keep(&mut self, object: &[u8], head: &str) -> Raw {
        if object.len() > LARGEST {
            return Raw::default();
        }
        self.follow_dictionary(object);
        let object = match object.strip_prefix(b"{") {
            Some(rest) if !rest.starts_with(b"\"kind\"") && !rest.starts_with(b"\"apiVersion\"") => {
                self.whole.clear();
                self.whole.extend_from_slice(head.as_bytes());
                self.whole.extend_from_slice(rest);
                &self.whole
            }
            _ => object,
        };
        let Some(zip) = &mut self.zip else { return Raw::default() };
        self.out.clear();
        self.out.reserve(zstd::zstd_safe::compress_bound(object.len()));
        match zip.compress_to_buffer(object, &mut self.out) {
            Ok(_) => Raw { bytes: self.out.as_slice().into(), dict: self.dictionary.clone() },
            Err(_) => Raw::default(),
        }
    }

    fn follow_dictionary(&mut self, object: &[u8]) {
        if self.dictionary.is_some() {
            return;
        }
        match self.shared.ready.get() {
            None => self.shared.learn(object),
            Some(ready) => {
                self.zip = Compressor::with_dictionary(LEVEL, ready).ok();
                self.dictionary = Some(ready.clone());
            }
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
            let value = raw.value().unwrap();
            assert_eq!((&value["kind"], &value["metadata"]["name"]), (&"Pod".into(), &format!("web-{n}").into()));
            sizes.push(raw.bytes.len());
        }
        assert!(sizes[499] * 2 < sizes[0], "a dictionary must pay: {} and {}", sizes[0], sizes[499]);
        assert!(keeper.keep(&vec![b' '; LARGEST + 1], "{").json().is_none());
    }
}
