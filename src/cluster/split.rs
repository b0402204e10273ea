//! Splits a list into its objects while it streams, so that rows exist before the page is whole and memory holds one
//! incomplete object, whatever the size of the page.
//!
//! serde_json itself finds where an object ends: there is no second scan.

use super::api::ApiError;
use crate::world::object::{int_at, str_at};
use crate::world::text::clean;
use memchr::memmem;
use serde_json::Value;

/// Takes in what a list says.
pub trait Reader {
    /// What stands before the objects; called once.
    fn head(&mut self, _meta: &ListMeta) {}
    /// The object that begins there in the text.
    fn object(&mut self, text: &[u8], at: usize, meta: &ListMeta) -> Step;
    /// The text of the objects so far is about to go.
    fn done(&mut self, _text: &[u8]) {}
}

/// What a decoder made of the bytes at the beginning of an object.
pub enum Step {
    /// The object is these many bytes long.
    Used(usize),
    /// It is not whole yet.
    More,
    /// This is not JSON; nothing after it can be read.
    Broken(String),
}

/// What is said about a list outside its objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListMeta {
    /// `metadata.resourceVersion`
    pub revision: String,
    /// `metadata.continue`: the next page; empty on the last one.
    pub token: String,
    /// `metadata.remainingItemCount`
    pub remaining: Option<usize>,
    /// `columnDefinitions` of a `Table`.
    pub columns: Vec<Value>,
}

/// Heads of more than this are no lists.
const LARGEST_HEAD: usize = 4 << 20;
/// Bytes copied behind an object that was cut, to begin with: most are smaller.
const JOINT: usize = 16 * 1024;

#[derive(PartialEq)]
enum Part {
    Head,
    Items,
    Tail,
}

/// The state of one page.
pub struct Splitter {
    /// What has arrived and is not decoded yet.
    buf: Vec<u8>,
    part: Part,
    /// How full the buffer has to be before the object at its beginning is tried again.
    need: usize,
    /// How much is gathered before the next look, and from the second look on.
    want: usize,
    gather: usize,
    meta: ListMeta,
    count: usize,
}

impl Splitter {
    /// Looks at once at what comes first, and later on at so many bytes together: an object cut off is parsed again from
    /// its start.
    pub fn gathering(gather: usize) -> Self {
        Self { buf: vec![], part: Part::Head, need: 0, want: 0, gather, meta: ListMeta::default(), count: 0 }
    }

    /// Takes in the next bytes of the body and decodes what is whole.
    ///
    /// # Errors
    /// A sentence, where this cannot be a list.
    pub fn take(&mut self, chunk: &[u8], reader: &mut impl Reader) -> Result<(), ApiError> {
        if self.buf.len() + chunk.len() < self.want {
            self.buf.extend_from_slice(chunk);
            return Ok(());
        }
        self.want = self.gather;
        let mut buf = std::mem::take(&mut self.buf);
        let done = self.join(&mut buf, chunk, reader);
        self.buf = buf;
        done
    }

    /// Joins the object that was cut with what comes; those behind it are read where they stand.
    fn join(&mut self, buf: &mut Vec<u8>, mut chunk: &[u8], reader: &mut impl Reader) -> Result<(), ApiError> {
        while !buf.is_empty() && !chunk.is_empty() {
            let before = buf.len();
            let (joint, rest) = chunk.split_at(chunk.len().min(JOINT.max(self.need.saturating_sub(before))));
            buf.extend_from_slice(joint);
            let until = if rest.is_empty() { buf.len() } else { before };
            let used = self.run(buf, until, reader)?;
            if used < before || rest.is_empty() {
                buf.drain(..used);
                chunk = rest;
            } else {
                buf.clear();
                chunk = &chunk[used - before..];
            }
        }
        let used = self.run(chunk, chunk.len(), reader)?;
        buf.extend_from_slice(&chunk[used..]);
        Ok(())
    }

    /// Decodes the objects that begin before `until` and are whole; returns how much of the text that was.
    fn run(&mut self, text: &[u8], until: usize, reader: &mut impl Reader) -> Result<usize, ApiError> {
        let mut at = 0;
        if self.part == Part::Head {
            let Some(after) = self.read_head(text)? else { return Ok(0) };
            at = after;
            reader.head(&self.meta);
        }
        let mut broken = Ok(());
        while self.part == Part::Items && at < until {
            match text[at] {
                b',' | b' ' | b'\n' | b'\r' | b'\t' => at += 1,
                b']' => {
                    at += 1;
                    self.part = Part::Tail;
                }
                _ if text.len() - at < self.need => break,
                _ => match reader.object(text, at, &self.meta) {
                    Step::Used(n) => {
                        (at, self.need) = (at + n.max(1), 0);
                        self.count += 1;
                    }
                    // Tried again only when it has grown by half: a large object is not parsed once per chunk.
                    Step::More => {
                        self.need = (text.len() - at) / 2 * 3;
                        break;
                    }
                    Step::Broken(why) => {
                        broken =
                            Err(ApiError::Malformed(format!("the list is broken after {} objects: {why}", self.count)));
                        break;
                    }
                },
            }
        }
        reader.done(text);
        broken.map(|()| at)
    }

    /// The body has ended.
    ///
    /// # Errors
    /// A sentence, where it ended in the middle or was no list at all.
    pub fn finish(mut self, reader: &mut impl Reader) -> Result<ListMeta, ApiError> {
        self.need = 0;
        let text = std::mem::take(&mut self.buf);
        let rest = &text[self.run(&text, text.len(), reader)?..];
        match self.part {
            Part::Tail => {
                let tail = [&b"{\"\":null"[..], rest].concat();
                if let Ok(tail) = serde_json::from_slice::<Value>(&tail) {
                    self.meta.merge(&tail);
                    return Ok(self.meta);
                }
                Err(self.cut())
            }
            Part::Items => Err(self.cut()),
            Part::Head => {
                let whole: Value = serde_json::from_slice(rest)
                    .map_err(|_| if rest.len() < 512 { foreign(rest) } else { self.cut() })?;
                match str_at(&whole, "/kind") {
                    kind if kind.ends_with("List") || kind == "Table" => {
                        self.meta.merge(&whole);
                        reader.head(&self.meta);
                        Ok(self.meta)
                    }
                    _ => Err(foreign(rest)),
                }
            }
        }
    }

    fn cut(&self) -> ApiError {
        ApiError::Malformed(format!("the list was cut off in the middle, after {} objects", self.count))
    }

    /// Where the objects begin, once that has arrived.
    fn read_head(&mut self, text: &[u8]) -> Result<Option<usize>, ApiError> {
        let Some(first) = text.iter().position(|b| !b.is_ascii_whitespace()) else { return Ok(None) };
        if text[first] != b'{' || text.len() > LARGEST_HEAD {
            return Err(foreign(text));
        }
        let found = [&b"\"items\""[..], b"\"rows\""].map(|key| memmem::find(text, key).map(|at| (at, at + key.len())));
        let Some((key, mut at)) = found.into_iter().flatten().min() else { return Ok(None) };
        for wanted in [b':', b'['] {
            while text.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            match text.get(at) {
                Some(byte) if *byte == wanted => at += 1,
                // `"items": null`: no objects, and the rest of the body is the tail.
                Some(b'n') if text.len() >= at + 4 => {
                    at += 4;
                    self.part = Part::Tail;
                }
                Some(b'n') | None => return Ok(None),
                Some(_) => return Err(foreign(text)),
            }
        }
        if self.part == Part::Head {
            self.part = Part::Items;
        }
        let head = [&text[..key], b"\"\":null}"].concat();
        if let Ok(head) = serde_json::from_slice::<Value>(&head) {
            self.meta.merge(&head);
        }
        Ok(Some(at))
    }
}

impl ListMeta {
    fn merge(&mut self, part: &Value) {
        let take = |to: &mut String, pointer: &str| match str_at(part, pointer) {
            "" => {}
            text => *to = text.into(),
        };
        take(&mut self.revision, "/metadata/resourceVersion");
        take(&mut self.token, "/metadata/continue");
        let remaining = int_at(part, "/metadata/remainingItemCount").and_then(|n| usize::try_from(n).ok());
        self.remaining = remaining.or(self.remaining);
        if let Some(columns) = part.get("columnDefinitions").and_then(Value::as_array) {
            self.columns.clone_from(columns);
        }
    }

    /// Whether the head already said how the list goes on; custom resources say it after their objects.
    pub fn is_known(&self) -> bool {
        !self.revision.is_empty()
    }
}

fn foreign(body: &[u8]) -> ApiError {
    let start: String = String::from_utf8_lossy(&body[..body.len().min(400)]).chars().take(80).collect();
    ApiError::Malformed(format!("the answer is not a list of a Kubernetes API server: {}", clean(start.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> (Step, Option<Value>) {
        let mut it = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
        match it.next() {
            Some(Ok(value)) => (Step::Used(it.byte_offset()), Some(value)),
            Some(Err(e)) if !e.is_eof() => (Step::Broken(e.to_string()), None),
            _ => (Step::More, None),
        }
    }

    #[derive(Default)]
    struct Seen {
        items: Vec<Value>,
        early: bool,
    }

    impl Reader for Seen {
        fn head(&mut self, meta: &ListMeta) {
            self.early = meta.is_known();
        }

        fn object(&mut self, text: &[u8], at: usize, _: &ListMeta) -> Step {
            let (step, value) = decode(&text[at..]);
            self.items.extend(value);
            step
        }
    }

    fn split(body: &str, chunk: usize) -> Result<(Vec<Value>, ListMeta, bool), ApiError> {
        split_gathering(body, chunk, 0)
    }

    fn split_gathering(body: &str, chunk: usize, gather: usize) -> Result<(Vec<Value>, ListMeta, bool), ApiError> {
        let mut seen = Seen::default();
        let mut splitter = Splitter::gathering(gather);
        for part in body.as_bytes().chunks(chunk) {
            splitter.take(part, &mut seen)?;
        }
        let early = seen.early;
        let meta = splitter.finish(&mut seen)?;
        Ok((seen.items, meta, early))
    }

    const BUILTIN: &str = r#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"42","continue":"a b","remainingItemCount":7},"items":[{"a":"]}\""},
        {"b":[1,{"c":null}]} ]}"#;
    const CUSTOM: &str = r#"{ "apiVersion": "x/v1", "items" : [ {"a":1} ], "kind": "XList", "metadata": {"resourceVersion":"9","continue":""} }"#;

    #[test]
    fn every_way_of_cutting_gives_the_same() {
        for chunk in 1..BUILTIN.len() {
            let (items, meta, early) = split(BUILTIN, chunk).unwrap();
            assert_eq!(
                (items.len(), meta.revision.as_str(), meta.token.as_str(), meta.remaining, early),
                (2, "42", "a b", Some(7), true)
            );
        }
        for chunk in 1..CUSTOM.len() {
            let (items, meta, early) = split(CUSTOM, chunk).unwrap();
            assert_eq!((items.len(), meta.revision.as_str(), meta.token.as_str(), early), (1, "9", "", false));
        }
    }

    #[test]
    fn objects_smaller_and_larger_than_a_chunk_are_joined() {
        let object = |n: usize| format!(r#"{{"n":{n},"text":"{}"}}"#, "x".repeat(n * 7919 % 60_000));
        let objects: Vec<String> = (0..60).map(object).collect();
        let list =
            format!(r#"{{"kind":"PodList","metadata":{{"resourceVersion":"1"}},"items":[{}]}}"#, objects.join(","));
        for chunk in [100, 5_000, 17_000, 70_001, 400_000, list.len()] {
            for gather in [0, 10_000, 128 * 1024, usize::MAX] {
                let (items, meta, _) = split_gathering(&list, chunk, gather).unwrap();
                assert_eq!(meta.revision, "1");
                let same = items.iter().map(Value::to_string).eq(objects.iter().cloned());
                assert!(same && items.len() == 60, "{} objects, chunks of {chunk}, {gather} gathered", items.len());
            }
        }
    }

    #[test]
    fn empty_lists_have_many_forms() {
        for body in [
            r#"{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]}"#,
            r#"{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":null}"#,
            r#"{"items": null,"kind":"PodList","metadata":{"resourceVersion":"1"}}"#,
            r#"{"kind":"PodList","metadata":{"resourceVersion":"1"}}"#,
        ] {
            for chunk in [1, 7, 1000] {
                let (items, meta, _) = split(body, chunk).unwrap();
                assert_eq!((items.len(), meta.revision.as_str()), (0, "1"), "{body} by {chunk}");
            }
        }
    }

    #[test]
    fn answers_that_are_no_lists_are_named() {
        let error = |body: &str| split(body, 16).unwrap_err().to_string();
        assert!(error("<html><body>Login</body></html>").contains("<html>"));
        assert!(error(r#"{"kind":"Pod","metadata":{}}"#).contains("not a list"));
        assert!(error(&BUILTIN[..BUILTIN.len() - 9]).contains("cut off in the middle, after 1 objects"));
        assert!(error(&BUILTIN[..BUILTIN.len() - 1]).contains("cut off"));
        assert!(error(&BUILTIN.replace("null", "nil!")).contains("broken after 1 objects"));
    }
}
