//! The words of the rows of a view, written out one after the other while somebody types a filter: what is looked for
//! then, letter by letter, is not fetched from all over the memory each time.

use super::order::{Entry, Parts, lanes, words};

/// Where a row's words stand: in the text of which part, from where, how many bytes. Nothing where they have changed.
type Span = Option<(u8, u32, u32)>;

/// The words of rows, in lower case.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// One of each thread that wrote.
    texts: Vec<Vec<u8>>,
    /// By cluster and slot.
    spans: Vec<Vec<Span>>,
    rows: usize,
    stale: usize,
}

/// Bytes of a row's words, as a guess.
const GUESS: usize = 112;

impl Written {
    /// Writes down the words of these rows.
    pub fn new(parts: &Parts, rows: &[Entry]) -> Self {
        let mut written = Self { rows: rows.len(), ..Self::default() };
        for (n, (text, places)) in (0..=u8::MAX).zip(lanes(rows, |some| write(parts, some))) {
            written.texts.push(text);
            for (entry, start, len) in places {
                *place(&mut written.spans, entry) = Some((n, start, len));
            }
        }
        written
    }

    /// The words of a row, a line each; `None` where they are to be asked of the row.
    pub fn words(&self, entry: Entry) -> Option<&[u8]> {
        let (part, start, len) = (*self.spans.get(usize::from(entry.cluster.0))?.get(entry.slot as usize)?)?;
        let text = self.texts.get(usize::from(part))?;
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

/// The words of some rows, and where each row's stand. (Beyond 4 GiB they are asked of their rows.)
fn write(parts: &Parts, rows: &[Entry]) -> (Vec<u8>, Vec<(Entry, u32, u32)>) {
    let (mut text, mut places) = (Vec::with_capacity(rows.len() * GUESS), Vec::with_capacity(rows.len()));
    for &entry in rows {
        let start = text.len();
        if let Some((of, row)) = parts.get(entry) {
            words(of, row, &mut |word| {
                text.extend_from_slice(word.text().as_bytes());
                text.push(b'\n');
                false
            });
        }
        if let (Ok(start), Ok(len)) = (u32::try_from(start), u32::try_from(text.len() - start)) {
            places.push((entry, start, len));
        }
    }
    text.make_ascii_lowercase();
    (text, places)
}
