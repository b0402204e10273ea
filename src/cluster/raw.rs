//! Whole objects kept beside their rows, compressed with a dictionary made from the first objects of their kind.
//!
//! The dictionary is the text of a few objects, unprocessed: objects of one kind repeat each other's structure, and
//! nothing has to be trained while rows are waiting. Objects of a list are compressed in groups: neighbours are alike
//! (a list is sorted by name, so the pods of one ReplicaSet stand together), which makes a group smaller and quicker to
//! pack than its objects one by one.

use crate::world::loose::{Loose, Repacked};
use crate::world::row::{Block, Packing, Raw, Unpacker};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use zstd::bulk::Compressor;

/// zstd level: its speed is what counts, the dictionary does most of the work. Level 1 packs into little more than half
/// of the room and takes twice the time.
const LEVEL: i32 = -5;
/// The same for what stands alone in its block or is packed again: there the dictionary's start-up costs as much, and
/// the room counts.
const TIGHT: i32 = 1;
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

/// How the objects come that are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By a list, many and sorted.
    Listed,
    /// By a watch, few and without order.
    Apart,
    /// Unpacked, sorted by us.
    Sorted,
}

impl Order {
    fn level(self) -> i32 {
        if self == Order::Listed { LEVEL } else { TIGHT }
    }
}

/// Compresses the objects that one decoder reads, out of the text in which they stand: nothing is copied before.
pub struct Keeper {
    shared: Arc<Dictionary>,
    packing: Arc<Packing>,
    order: Order,
    zip: Option<Compressor<'static>>,
    packed: Vec<u8>,
    /// The group being filled: where it stands in the text, how many objects, and what their rows hold.
    group: Range<usize>,
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
    /// A keeper with a shared dictionary; `head` is what objects of a list lack: `{"kind":"Pod","apiVersion":"v1",`.
    pub fn new(shared: Arc<Dictionary>, head: String) -> Self {
        Self {
            shared,
            packing: Arc::new(Packing { head: head.into(), ..Packing::default() }),
            order: Order::Listed,
            zip: compressor(LEVEL, &[]),
            packed: vec![],
            group: 0..0,
            count: 0,
            block: Arc::default(),
        }
    }

    /// Packs what comes like this from now on.
    pub fn expect(&mut self, order: Order) {
        if order.level() != self.order.level() {
            self.zip = compressor(order.level(), &self.packing.dictionary);
        }
        self.order = order;
    }

    /// Takes the object that stands there in the text into the group, which ends before the text does: see
    /// [`Keeper::seal`].
    pub fn keep(&mut self, text: &[u8], at: Range<usize>) -> Raw {
        if at.len() > LARGEST {
            return Raw::default();
        }
        if self.packing.dictionary.is_empty() {
            self.shared.learn(&text[at.clone()]);
        }
        if self.count == 0 {
            self.group = at.clone();
        }
        let from = self.group.start;
        let raw = Raw::part(self.block.clone(), at.start - from..at.end - from);
        self.group.end = at.end;
        self.count += 1;
        if self.count == GROUP || self.group.len() >= GROUP_SIZE {
            self.seal(text);
        }
        raw
    }

    /// Whether there are objects that are not compressed yet.
    pub fn is_waiting(&self) -> bool {
        self.count > 0
    }

    /// Compresses the group as it is. To be called before rows are handed on, and before the text that its objects stand
    /// in is gone.
    pub fn seal(&mut self, text: &[u8]) {
        if self.count == 0 {
            return;
        }
        self.follow_dictionary();
        let group = text.get(self.group.clone()).unwrap_or_default();
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(group.len()));
        if let Some(zip) = &mut self.zip
            && zip.compress_to_buffer(group, &mut self.packed).is_ok()
        {
            let apart = self.order == Order::Apart;
            self.block.fill(self.packed.as_slice().into(), self.count as u32, apart, self.packing.clone());
        }
        (self.block, self.count) = (Arc::default(), 0);
        // One enormous object does not keep its room for ever.
        self.packed.shrink_to(2 * GROUP_SIZE);
    }

    fn follow_dictionary(&mut self) {
        if self.packing.dictionary.is_empty()
            && let Some(ready) = self.shared.ready.get()
        {
            self.zip = compressor(self.order.level(), ready);
            self.packing = Arc::new(Packing { dictionary: ready.clone(), head: self.packing.head.clone() });
        }
    }
}

fn compressor(level: i32, dictionary: &[u8]) -> Option<Compressor<'static>> {
    Compressor::with_dictionary(level, dictionary).ok()
}

/// Objects unpacked at once, and those handed on together: the room that they had is free from then on.
const PORTION: usize = 8 * GROUP;

/// Packs objects again, in the order of their names, and hands them on in portions. Those that cannot be read stay where
/// they are.
pub fn repack(mut objects: Vec<Loose>, mut out: impl FnMut(Vec<Repacked>)) {
    let dictionary = Arc::new(Dictionary::default());
    let known = objects.iter().filter_map(|object| object.raw.packing()).find(|packing| !packing.dictionary.is_empty());
    if let Some(packing) = known {
        let _ = dictionary.ready.set(packing.dictionary.clone());
    }
    objects.sort_unstable_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    // What is unpacked is whole, and needs no head.
    let mut keeper = Keeper::new(dictionary, String::new());
    keeper.expect(Order::Sorted);
    let (mut unpacker, mut text, mut places) = (Unpacker::default(), Vec::new(), Vec::new());
    let mut objects = objects.into_iter().peekable();
    while objects.peek().is_some() {
        text.clear();
        for object in objects.by_ref().take(PORTION) {
            let start = text.len();
            if let Some(json) = unpacker.json(&object.raw) {
                text.extend_from_slice(json);
                places.push((object, start..text.len()));
            }
        }
        let keep = |(object, at): (Loose, Range<usize>)| Repacked {
            uid: object.uid,
            from: object.raw,
            to: keeper.keep(&text, at),
        };
        let done = places.drain(..).map(keep).collect();
        keeper.seal(&text);
        out(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::world::fleet::{ClusterId, Delta, Fleet, TableDelta};
    use crate::world::object::ResourceId;
    use crate::world::row::{Body, Meta, Owner, Row, Tone, Uid};
    use crate::world::time::Time;

    const HERE: ClusterId = ClusterId(0);

    fn row(n: usize, raw: Raw) -> Row {
        let meta = Meta {
            uid: Uid::of_name("shop", &n.to_string()),
            name: format!("web-{n:04}").into(),
            namespace: "shop".into(),
            created: Time(0),
            deleting: false,
            labels: [].into(),
            owner: None,
        };
        Row { meta, body: Body::Cells([].into()), tone: Tone::Ok, raw }
    }

    fn json(n: usize) -> String {
        format!(r#"{{"kind":"Pod","metadata":{{"name":"web-{n:04}"}}}}"#)
    }

    fn tell(fleet: &mut Fleet, delta: TableDelta) {
        fleet.apply(HERE, Delta::Table(ResourceId::core("pods"), delta));
    }

    fn read(fleet: &Fleet) -> Vec<Vec<u8>> {
        let table = fleet.shard(HERE).table(&ResourceId::core("pods")).unwrap();
        table.rows().map(|(_, row)| row.raw.json().unwrap()).collect()
    }

    /// What a sweep finds by and by.
    fn sweep(fleet: &mut Fleet) -> Vec<(ClusterId, ResourceId, Vec<Loose>)> {
        (0..9).map(|_| fleet.sweep()).find(|found| !found.is_empty()).unwrap_or_default()
    }

    #[test]
    fn objects_are_packed_beside_those_of_the_same_owner() {
        let owner =
            |n: usize| Some(Arc::new(Owner { kind: "ReplicaSet".into(), name: format!("web-{}", n % 10).into() }));
        let of = |n: usize, raw: Raw| {
            let mut row = row(n, raw);
            row.meta.owner = owner(n);
            row
        };
        let texts: Vec<String> = (0..1600).map(json).collect();
        let all = texts.concat();
        let mut keeper = Keeper::new(Arc::default(), String::new());
        let at = |n: usize| n * texts[0].len()..(n + 1) * texts[0].len();
        let rows: Vec<Row> = (0..1600).map(|n| of(n, keeper.keep(all.as_bytes(), at(n)))).collect();
        keeper.seal(all.as_bytes());
        let (mut fleet, mut watched) = (Fleet::new(["one".to_string()]), Keeper::new(Arc::default(), String::new()));
        tell(&mut fleet, TableDelta::Upsert(rows));
        watched.expect(Order::Apart);
        // Of three of the ten owners, half of the objects have changed.
        for n in (0..800).filter(|n| n % 10 < 3) {
            let row = of(n, watched.keep(all.as_bytes(), at(n)));
            watched.seal(all.as_bytes());
            tell(&mut fleet, TableDelta::Upsert(vec![row]));
        }
        let found = sweep(&mut fleet);
        let [(HERE, _, loose)] = &found[..] else { panic!("{found:?}") };
        let fresh = loose.iter().filter(|object| object.raw.is_loose()).count();
        assert_eq!((loose.len(), fresh), (480, 240));
    }

    #[test]
    fn what_a_watch_brought_is_packed_together_and_what_changed_meanwhile_stays() {
        let mut fleet = Fleet::new(["one".to_string()]);
        let of =
            |from: usize, to: usize| (from..to).map(|n| row(n, Raw::alone(json(n).as_bytes()))).collect::<Vec<_>>();
        tell(&mut fleet, TableDelta::Upsert(of(0, 300)));
        assert!(sweep(&mut fleet).is_empty(), "a list is no change");
        tell(&mut fleet, TableDelta::Upsert(of(0, 128)));
        let before = read(&fleet);
        let found = sweep(&mut fleet);
        let [(HERE, kind, loose)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((kind, loose.len()), (&ResourceId::core("pods"), 300));
        tell(&mut fleet, TableDelta::Upsert(of(0, 290)));
        assert!(sweep(&mut fleet).is_empty(), "one look at a time");
        let size = |fleet: &Fleet| {
            let table = fleet.shard(HERE).table(&ResourceId::core("pods")).unwrap();
            table.rows().filter(|(_, row)| !row.raw.is_loose()).count()
        };
        assert_eq!(size(&fleet), 0);
        let mut packed = vec![];
        repack(loose.clone(), |portion| packed.push(portion));
        assert_eq!(packed.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 44]);
        packed.into_iter().for_each(|portion| tell(&mut fleet, TableDelta::Repacked(portion)));
        assert!(sweep(&mut fleet).is_empty(), "until all are back");
        tell(&mut fleet, TableDelta::Swept);
        assert_eq!((size(&fleet), read(&fleet)), (10, before), "only those that are still what they were");
        assert_eq!(sweep(&mut fleet).len(), 1, "the others are next");
    }

    #[test]
    fn objects_come_back_whole() {
        let head = r#"{"kind":"Pod","apiVersion":"v1","#;
        let mut keeper = Keeper::new(Arc::default(), head.into());
        let object = |n: usize| {
            let conditions = ["Ready", "Initialized", "ContainersReady", "PodScheduled"].map(|kind| {
                format!(r#"{{"type":"{kind}","status":"True","lastTransitionTime":"2026-11-21T10:00:00Z"}}"#)
            });
            let conditions = conditions.join(",");
            format!(r#"{{"metadata":{{"name":"web-{n}"}},"status":{{"phase":"Running","conditions":[{conditions}]}}}}"#)
        };
        let mut sizes = vec![];
        for n in 0..500 {
            let text = object(n);
            let raw = keeper.keep(text.as_bytes(), 0..text.len());
            keeper.seal(text.as_bytes());
            let value = raw.value().unwrap();
            assert_eq!((&value["kind"], &value["metadata"]["name"]), (&"Pod".into(), &format!("web-{n}").into()));
            sizes.push(raw.packed_size());
        }
        assert!(sizes[499] * 2 < sizes[0], "a dictionary must pay: {} and {}", sizes[0], sizes[499]);
        // A list: objects with something between them.
        let (mut text, mut places) = (String::from("["), vec![]);
        for n in 0..40 {
            let start = text.len();
            text += &object(n);
            places.push(start..text.len());
            text += ",\n";
        }
        let raws: Vec<Raw> = places.into_iter().map(|at| keeper.keep(text.as_bytes(), at)).collect();
        assert!(raws[15].json().is_some() && raws[39].json().is_none(), "a group is readable once it is sealed");
        keeper.seal(text.as_bytes());
        let mut unpacker = Unpacker::default();
        for (n, raw) in raws.iter().enumerate() {
            let whole = object(n).replacen('{', head, 1).into_bytes();
            assert_eq!(raw.json().as_ref(), Some(&whole));
            assert_eq!(unpacker.json(raw), Some(&whole[..]));
        }
        assert!(raws[0].packed_size() < sizes[499] * GROUP, "a group must pay");
        let vast = vec![b' '; LARGEST + 1];
        assert!(keeper.keep(&vast, 0..vast.len()).json().is_none());
    }
}
