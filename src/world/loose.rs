//! Whole objects that stand loosely: as a watch brings them, or beside others that are gone, whose bytes stay as long as
//! one of the block lives. They are found a slice at a time, packed in the background together with those that they are
//! like (`cluster::raw::repack`), and put back where they still are what they were; so memory stays flat over days.

use super::row::{Raw, Row, Str, Uid};
use compact_str::CompactString;
use foldhash::fast::RandomState;
use std::collections::HashSet;
use std::hash::BuildHasher;

/// Rows looked at in one go.
const SLICE: usize = 24 * 1024;
/// Fewer changes of a table than this are not worth a look, nor are fewer loose objects worth packing.
const LEAST: usize = 128;
/// A look is due when this part of the rows has changed (one of so many) …
const PART: usize = 4;
/// … or so many calls after the last change.
const CALM: u32 = 1;

/// An object that stands loosely, and by what its neighbours are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// Of the row.
    pub uid: Uid,
    /// `metadata.namespace`
    pub namespace: Str,
    /// `metadata.name`
    pub name: CompactString,
    /// Where it stands.
    pub raw: Raw,
}

/// An object that was packed anew: where it stood, and where it stands.
#[derive(Debug)]
pub struct Repacked {
    /// Of the row.
    pub uid: Uid,
    /// Where it stood: what has changed since then stays as it is.
    pub from: Raw,
    /// Where it stands.
    pub to: Raw,
}

/// The search for loose objects in one table.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// Rows changed since the last look began.
    changes: usize,
    /// Calls since the last change.
    calm: u32,
    stage: Stage,
    /// The slot at which it goes on.
    at: usize,
    /// How many are loose, and the families of those.
    loose: usize,
    families: HashSet<u64, RandomState>,
    found: Vec<Loose>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Rest,
    /// Which families have loose objects?
    Look,
    /// Which objects are of these families?
    Gather,
    /// What was found is being packed.
    Away,
}

impl Sweep {
    /// A row was replaced or is gone.
    pub fn changed(&mut self) {
        self.changes += 1;
        self.calm = 0;
    }

    /// All that was found came back.
    pub fn came_back(&mut self) {
        self.stage = Stage::Rest;
    }

    /// Looks at the next slice, where a look is due; gives what was found once all rows were looked at: the loose objects
    /// and those of the same owners, which they are like.
    pub fn go_on(&mut self, rows: &[Option<Row>]) -> Option<Vec<Loose>> {
        if self.stage == Stage::Rest && self.is_due(rows.len()) {
            (self.changes, self.stage) = (0, Stage::Look);
        }
        let slice = rows.iter().skip(self.at).take(SLICE).flatten();
        match self.stage {
            Stage::Rest | Stage::Away => return None,
            Stage::Look => {
                for row in slice.filter(|row| row.raw.is_loose()) {
                    self.loose += 1;
                    self.families.insert(family(self.families.hasher(), row));
                }
            }
            Stage::Gather => {
                let wanted = slice.filter(|row| self.families.contains(&family(self.families.hasher(), row)));
                self.found.extend(wanted.map(Loose::of));
            }
        }
        self.at += SLICE;
        if self.at >= rows.len() { self.turn() } else { None }
    }

    /// All rows have been looked at.
    fn turn(&mut self) -> Option<Vec<Loose>> {
        self.at = 0;
        if self.stage == Stage::Look && self.loose >= LEAST {
            self.stage = Stage::Gather;
            return None;
        }
        let found = std::mem::take(&mut self.found);
        (self.loose, self.families) = (0, HashSet::default());
        self.stage = if found.is_empty() { Stage::Rest } else { Stage::Away };
        (!found.is_empty()).then_some(found)
    }

    fn is_due(&mut self, rows: usize) -> bool {
        self.calm = self.calm.saturating_add(1);
        self.changes >= if self.calm > CALM { LEAST } else { LEAST.max(rows / PART) }
    }
}

/// Objects of one owner are alike; one without an owner is like no other.
fn family(hasher: &RandomState, row: &Row) -> u64 {
    let meta = &row.meta;
    match &meta.owner {
        Some(owner) => hasher.hash_one((&meta.namespace, owner)),
        None => hasher.hash_one(meta.uid),
    }
}

impl Loose {
    fn of(row: &Row) -> Self {
        let meta = &row.meta;
        Self { uid: meta.uid, namespace: meta.namespace.clone(), name: meta.name.clone(), raw: row.raw.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::row::Block;
    use std::sync::Arc;

    #[test]
    fn those_that_are_left_in_a_block_are_loose_and_large_ones_are_not() {
        let block = Arc::new(Block::default());
        let text: Vec<String> = (0..4).map(|n| format!(r#"{{"metadata":{{"name":"web-{n}"}}}}"#)).collect();
        let all = text.concat();
        let raw = |n: usize| Raw::part(block.clone(), n * text[0].len()..(n + 1) * text[0].len());
        let mut raws: Vec<Raw> = (0..4).map(raw).collect();
        assert!(!raws[0].is_loose(), "nothing is known of a block that is not sealed");
        block.fill(zstd::encode_all(all.as_bytes(), 1).unwrap().into(), 4, false, Arc::default());
        drop(block);
        assert!(!raws[0].is_loose());
        raws.truncate(2);
        assert!(raws[0].is_loose(), "half of them are gone");
        assert!(Raw::alone(b"{}").is_loose() && !Raw::alone(&[b' '; 100_000]).is_loose());
    }
}
