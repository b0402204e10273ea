//! The words of the rows of a view, written out one after the other while somebody types a filter: what is looked for
//! then, letter by letter, is not fetched from all over the memory each time.

use super::order::{Entry, Parts, lanes, words};

/// Where a row's words stand: in the text of which part, from where, how many bytes. Nothing where they have changed.
type Span = Option<(u8, u32, u32)>;

/// The words of rows, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Written {
    parts: Vec<Part>,
    /// By cluster and slot.
    spans: Vec<Vec<Span>>,
    rows: usize,
    stale: usize,
}

/// What one thread has written.
#[derive(Clone, Debug)]
struct Part {
    text: Vec<u8>,
    ends: Vec<u32>,
}

/// Bytes of a row's words, as a guess.
const GUESS: usize = 112;

impl Written {
    /// Writes down the words of these rows.
    pub fn new(parts: &Parts, rows: &[Entry]) -> Self {
        let mut written = Self { rows: rows.len(), ..Self::default() };
        written.parts = lanes(rows, |some| Part::new(parts, some));
        let mut left = rows.iter();
        for (n, part) in written.parts.iter_mut().enumerate() {
            let mut start = 0;
            for (end, entry) in std::mem::take(&mut part.ends).into_iter().zip(left.by_ref()) {
                let place = place(&mut written.spans, *entry);
                *place = u8::try_from(n).ok().map(|n| (n, start, end - start));
                start = end;
            }
        }
        written
    }

    /// The words of a row, a line each; `None` where they are to be asked of the row.
    pub fn words(&self, entry: Entry) -> Option<&[u8]> {
        let (part, start, len) = (*self.spans.get(usize::from(entry.cluster.0))?.get(entry.slot as usize)?)?;
        let text = &self.parts.get(usize::from(part))?.text;
        text.get(start as usize..)?.get(..len as usize)
    }

    /// These rows are no longer what they were.
    pub fn forget(&mut self, changed: &[Entry]) {
        for entry in changed {
            let spans = self.spans.get_mut(usize::from(entry.cluster.0));
            if let Some(span) = spans.and_then(|spans| spans.get_mut(entry.slot as usize)) {
                self.stale += usize::from(span.take().is_some());
            }
        }
    }

    /// Whether most of it still stands.
    pub fn is_good(&self) -> bool {
        self.stale <= self.rows / 4
    }
}

/// Where the span of a row is kept.
fn place(spans: &mut Vec<Vec<Span>>, entry: Entry) -> &mut Span {
    let (cluster, slot) = (usize::from(entry.cluster.0), entry.slot as usize);
    if spans.len() <= cluster {
        spans.resize(cluster + 1, vec![]);
    }
    let spans = &mut spans[cluster];
    if spans.len() <= slot {
        spans.resize(slot + 1, None);
    }
    &mut spans[slot]
}

impl Part {
    fn new(parts: &Parts, rows: &[Entry]) -> Self {
        let mut part = Self { text: Vec::with_capacity(rows.len() * GUESS), ends: Vec::with_capacity(rows.len()) };
        for entry in rows {
            if let Some((of, row)) = parts.get(*entry) {
                words(of, row, &mut |word| {
                    part.text.extend_from_slice(word.text().as_bytes());
                    part.text.push(b'\n');
                    false
                });
            }
            // (4 GiB of words: those behind are asked of their rows.)
            part.ends.extend(u32::try_from(part.text.len()).ok());
        }
        part.text.make_ascii_lowercase();
        part
    }
}
