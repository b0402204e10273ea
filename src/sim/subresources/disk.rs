//! What stands on the disks of containers: files that every container has, and those written into one of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// What stands under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File(Vec<u8>),
    /// A symbolic link.
    Link(String),
}

/// The disks of all containers of a cluster. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Places>>);

/// What was written, by `NAMESPACE/POD/CONTAINER`.
type Places = HashMap<String, BTreeMap<String, Entry>>;

/// The files of one container, by absolute path.
#[derive(Clone)]
pub struct Files {
    everywhere: BTreeMap<String, String>,
    disk: Disk,
    place: String,
}

impl Disk {
    /// The files of a container (`NAMESPACE/POD/CONTAINER`), over those that all have.
    pub fn files(&self, everywhere: &BTreeMap<String, String>, place: &str) -> Files {
        Files { everywhere: everywhere.clone(), disk: self.clone(), place: place.into() }
    }

    /// Writes into a container.
    pub fn put(&self, place: &str, path: &str, entry: Entry) {
        self.with(|places| places.entry(place.into()).or_default().insert(path.into(), entry));
    }

    /// What was written into a container.
    pub fn get(&self, place: &str, path: &str) -> Option<Entry> {
        self.with(|places| places.get(place)?.get(path).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Places) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Files {
    /// What stands under a path.
    pub fn get(&self, path: &str) -> Option<Entry> {
        let written = self.disk.get(&self.place, path);
        written.or_else(|| self.everywhere.get(path).map(|text| Entry::File(text.clone().into_bytes())))
    }

    /// Writes.
    pub fn put(&self, path: &str, entry: Entry) {
        self.disk.put(&self.place, path, entry);
    }

    /// The entry itself, or everything inside of a directory, with full paths, in order.
    pub fn under(&self, path: &str) -> Vec<(String, Entry)> {
        let mut all: BTreeMap<String, Entry> =
            self.everywhere.iter().map(|(path, text)| (path.clone(), Entry::File(text.clone().into_bytes()))).collect();
        all.extend(self.disk.with(|places| places.get(&self.place).cloned().unwrap_or_default()));
        let inside = format!("{}/", path.trim_end_matches('/'));
        all.into_iter().filter(|(at, _)| at == path || at.starts_with(&inside)).collect()
    }
}
