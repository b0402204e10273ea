//! Whole objects that stand loosely: alone in their block, as a watch brings them, or beside others that are gone, whose
//! bytes stay as long as one of the block lives. They are found a slice at a time, packed together in the background
//! (`cluster::raw::repack`), and put back where they still are what they were; so memory stays flat over days.

use super::row::{Raw, Row, Str, Uid};
use compact_str::CompactString;

/// Rows looked at in one go.
const SLICE: usize = 8192;
/// Fewer changes of a table than this are not worth a look, nor are fewer loose objects worth packing.
const LEAST: usize = 128;
/// A look is due when this part of the rows has changed (one of so many).
const PART: usize = 4;

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
    /// The slot at which the look goes on.
    at: usize,
    found: Vec<Loose>,
    /// What was found is being packed.
    away: bool,
}

impl Sweep {
    /// A row was replaced or is gone.
    pub fn changed(&mut self) {
        self.changes += 1;
    }

    /// What was found came back.
    pub fn came_back(&mut self) {
        self.away = false;
    }

    /// Looks at the next slice, where one is due; gives what was found once all rows were looked at.
    pub fn go_on(&mut self, rows: &[Option<Row>]) -> Option<Vec<Loose>> {
        if self.away || (self.at == 0 && self.changes < LEAST.max(rows.len() / PART)) {
            return None;
        }
        if self.at == 0 {
            self.changes = 0;
        }
        let slice = rows.iter().skip(self.at).take(SLICE).flatten();
        self.found.extend(slice.filter(|row| row.raw.is_loose()).map(Loose::of));
        self.at += SLICE;
        if self.at < rows.len() {
            return None;
        }
        self.at = 0;
        let found = std::mem::take(&mut self.found);
        self.away = found.len() >= LEAST;
        self.away.then_some(found)
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
        block.fill(zstd::encode_all(all.as_bytes(), 1).unwrap().into(), 4, Arc::default());
        drop(block);
        assert!(!raws[0].is_loose());
        raws.truncate(2);
        assert!(raws[0].is_loose(), "half of them are gone");
        assert!(Raw::alone(b"{}").is_loose() && !Raw::alone(&[b' '; 100_000]).is_loose());
    }
}
