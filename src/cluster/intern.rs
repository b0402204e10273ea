//! Strings, label sets and owners that many rows share are stored once.

use crate::world::row::{Owner, Str};
use foldhash::fast::RandomState;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// One decoder's shared values. What no row uses any more is dropped when the set has doubled.
#[derive(Default)]
pub struct Interner {
    texts: Pool<str>,
    labels: Pool<[(Str, Str)]>,
    owners: Pool<Owner>,
}

struct Pool<T: ?Sized> {
    set: HashSet<Arc<T>, RandomState>,
    purge_at: usize,
}

impl<T: ?Sized + Hash + Eq> Pool<T> {
    fn get(&mut self, key: &T, make: impl FnOnce() -> Arc<T>) -> Arc<T>
    where
        Arc<T>: Borrow<T>,
    {
        if let Some(known) = self.set.get(key) {
            return known.clone();
        }
        if self.set.len() >= self.purge_at {
            self.set.retain(|value| Arc::strong_count(value) > 1);
            self.purge_at = (self.set.len() * 2).max(4096);
        }
        let made = make();
        self.set.insert(made.clone());
        made
    }
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self { set: HashSet::default(), purge_at: 4096 }
    }
}

impl Interner {
    /// A shared string.
    pub fn text(&mut self, text: &str) -> Str {
        self.texts.get(text, || text.into())
    }

    /// A shared label set; `labels` must be sorted by key.
    pub fn labels(&mut self, labels: &[(Str, Str)]) -> Arc<[(Str, Str)]> {
        self.labels.get(labels, || labels.into())
    }

    /// A shared owner.
    pub fn owner(&mut self, kind: &str, name: &str) -> Arc<Owner> {
        let owner = Owner { kind: self.text(kind), name: self.text(name) };
        self.owners.get(&owner, || Arc::new(owner.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_unused_ones_go() {
        let mut interner = Interner::default();
        let kept = interner.text("kept");
        assert!(Arc::ptr_eq(&kept, &interner.text("kept")));
        assert!(Arc::ptr_eq(&interner.owner("Job", "a"), &interner.owner("Job", "a")));
        for n in 0..20_000 {
            interner.text(&format!("gone-{n}"));
        }
        assert!(interner.texts.set.len() <= 4096, "{}", interner.texts.set.len());
        assert!(Arc::ptr_eq(&kept, &interner.text("kept")));
    }
}
