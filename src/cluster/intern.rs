//! Strings, label sets and owners that many rows share are stored once.

use crate::world::row::{Owner, Str};
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Key and value.
type Label = (Str, Str);

/// One decoder's shared values. What no row uses any more is dropped when the set has doubled.
pub struct Interner {
    texts: Pool<str>,
    labels: Pool<[(Str, Str)]>,
    owners: Pool<Owner>,
    /// The labels of the object before, in the order of the wire, and what became of them: neighbours in a list are
    /// alike, and comparing is quicker than looking up.
    last: (Vec<Label>, Arc<[Label]>),
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

impl Default for Interner {
    fn default() -> Self {
        let none: Arc<[(Str, Str)]> = Arc::from([]);
        Self { texts: Pool::default(), labels: Pool::default(), owners: Pool::default(), last: (vec![], none) }
    }
}

impl Interner {
    /// A shared string.
    pub fn text(&mut self, text: &str) -> Str {
        self.texts.get(text, || text.into())
    }

    /// A shared label set, sorted by key; `labels` are as they came, made safe.
    pub fn labels<T: AsRef<str>>(
        &mut self,
        labels: impl ExactSizeIterator<Item = (T, T)> + Clone,
    ) -> Arc<[(Str, Str)]> {
        let same = |(was, is): (&(Str, Str), (T, T))| *was.0 == *is.0.as_ref() && *was.1 == *is.1.as_ref();
        if labels.len() == self.last.0.len() && self.last.0.iter().zip(labels.clone()).all(same) {
            return self.last.1.clone();
        }
        self.last.0.clear();
        for (key, value) in labels {
            let pair = (self.text(key.as_ref()), self.text(value.as_ref()));
            self.last.0.push(pair);
        }
        let mut sorted: SmallVec<[(Str, Str); 10]> = self.last.0.iter().cloned().collect();
        sorted.sort_unstable();
        self.last.1 = self.labels.get(&sorted[..], || sorted[..].into());
        self.last.1.clone()
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
        let (one, other) = ([("b", "1"), ("a", "2")], [("b", "1"), ("a", "3")]);
        let first = interner.labels(one.into_iter());
        assert_eq!(first.iter().map(|(key, value)| (&**key, &**value)).collect::<Vec<_>>(), [("a", "2"), ("b", "1")]);
        assert!(Arc::ptr_eq(&first, &interner.labels(one.into_iter())));
        assert_eq!(&*interner.labels(other.into_iter())[0].1, "3");
        assert!(Arc::ptr_eq(&first, &interner.labels(one.into_iter())), "also when others came in between");
        assert!(interner.labels([("a", "2")].into_iter()).len() == 1);
        for n in 0..20_000 {
            interner.text(&format!("gone-{n}"));
        }
        assert!(interner.texts.set.len() <= 4096, "{}", interner.texts.set.len());
        assert!(Arc::ptr_eq(&kept, &interner.text("kept")));
    }
}
