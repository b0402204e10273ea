//! Bytes of an object in, [`Row`] out: pods straight into lean rows, kinds with a file of their own into their
//! columns, everything else from the server's `Table`.

use super::intern::Interner;
use super::raw::{Dictionary, Keeper, LARGEST, Order};
use super::skim::Skimmed;
use super::split::Step;
use crate::kinds::Kind;
use crate::world::column::{Column, Source};
use crate::world::metrics::Usage;
use crate::world::object::{Resource, str_at};
use crate::world::pod::{self, ContainerRow, PodRow, Role};
use crate::world::quantity::Quantity;
use crate::world::row::{Body, Cell, Meta, Row, Str, Tone, Uid};
use crate::world::text::clean;
use crate::world::time::Time;
use crate::world::wire;
use compact_str::CompactString;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::ops::Range;
use std::sync::Arc;

/// How the rows of a kind come to be.
#[derive(Clone, Copy)]
enum Shape {
    Pods,
    Objects(&'static Kind),
    Table,
}

/// Decodes the objects of one kind; one per thread that decodes.
pub struct Decoder {
    shape: Shape,
    plural: String,
    names: Interner,
    keeper: Keeper,
    /// The text of objects that came one by one and are not packed yet.
    gathered: Vec<u8>,
    /// A pod without what rows do not need, and how many bytes are looked at for it.
    skimmed: Skimmed,
    window: usize,
    definitions: Vec<Value>,
    columns: Arc<[Column]>,
    notes: Vec<String>,
}

/// What became of the bytes of an object.
enum Outcome {
    Row(Row, usize),
    /// Whole, but unreadable: skipped and noted.
    Skipped(usize),
    More,
    Broken(String),
}

impl Decoder {
    /// A decoder for a kind; `dictionary` is shared by all of them.
    pub fn new(resource: &Resource, dictionary: Arc<Dictionary>) -> Self {
        let shape = match crate::kinds::of(&resource.id) {
            Some(kind) if kind.plural == "pods" => Shape::Pods,
            Some(kind) => Shape::Objects(kind),
            None => Shape::Table,
        };
        let head = format!("{{\"kind\":\"{}\",\"apiVersion\":\"{}\",", resource.kind, resource.api_version());
        Self {
            shape,
            plural: clean(&resource.id.plural).into_owned(),
            names: Interner::default(),
            keeper: Keeper::new(dictionary, head),
            gathered: vec![],
            skimmed: Skimmed::default(),
            window: WINDOW,
            definitions: vec![],
            columns: Arc::from([]),
            notes: vec![],
        }
    }

    /// Whether rows come from the server's `Table`.
    pub fn is_table(&self) -> bool {
        matches!(self.shape, Shape::Table)
    }

    /// What to ask for.
    pub fn accept(&self) -> &'static str {
        match self.shape {
            Shape::Table => "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            _ => "application/json",
        }
    }

    /// The columns of a `Table`, when the server has just named them (or never will: name and age then).
    pub fn take_columns(&mut self, definitions: &[Value]) -> Option<Arc<[Column]>> {
        if !self.is_table() || (!self.columns.is_empty() && (definitions.is_empty() || definitions == self.definitions))
        {
            return None;
        }
        self.definitions = definitions.to_vec();
        self.columns = columns(definitions).into();
        Some(self.columns.clone())
    }

    /// Sentences about objects that could not be read or kept, since the last call.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Makes the whole objects of the rows so far readable, which stand in this text; to be called before rows are handed
    /// on, and before the text is gone.
    pub fn seal(&mut self, text: &[u8]) {
        self.keeper.seal(text);
    }

    /// Makes the objects that came one by one readable; to be called before their rows are handed on.
    pub fn pack(&mut self) {
        self.keeper.seal(&self.gathered);
        self.gathered.clear();
        // One enormous object does not keep its room for ever.
        self.gathered.shrink_to(1 << 20);
    }

    /// Decodes the object that begins there in the text; hands its row to `out`.
    pub fn step(&mut self, text: &[u8], at: usize, out: impl FnOnce(Row)) -> Step {
        self.keeper.expect(Order::Listed);
        match self.first(text, at) {
            Outcome::Row(row, used) => {
                out(row);
                Step::Used(used)
            }
            Outcome::Skipped(used) => Step::Used(used),
            Outcome::More => Step::More,
            Outcome::Broken(why) => Step::Broken(why),
        }
    }

    /// Decodes one whole object; `None` where it cannot be read, which is noted. It can be unpacked after the next
    /// [`Decoder::pack`]: objects that come soon after one another share a block.
    pub fn whole(&mut self, bytes: &[u8]) -> Option<Row> {
        self.keeper.expect(Order::Apart);
        let mut text = std::mem::take(&mut self.gathered);
        let at = text.len();
        text.extend_from_slice(bytes);
        let outcome = self.first(&text, at);
        self.gathered = text;
        if !self.keeper.is_waiting() {
            self.pack();
        }
        match outcome {
            Outcome::Row(row, _) => Some(row),
            Outcome::Skipped(_) => None,
            Outcome::More | Outcome::Broken(_) => {
                self.notes.push(format!("an object of kind {} could not be read: it is not JSON", self.plural));
                None
            }
        }
    }

    fn first(&mut self, text: &[u8], at: usize) -> Outcome {
        match self.decode(text, at) {
            Ok(Some((row, used))) => {
                if used > LARGEST {
                    let (name, size) = (&row.meta.name, crate::world::quantity::human_bytes(used as i64));
                    self.notes.push(format!("{} {name} has {size}; the whole object is not kept", self.plural));
                }
                Outcome::Row(row, used)
            }
            Ok(None) => Outcome::More,
            Err(error) if error.is_eof() => Outcome::More,
            Err(error) => self.around(text, at, &error),
        }
    }

    /// The object is not as it should be: find its end, mend its text where that is what is wrong, else skip it.
    fn around(&mut self, text: &[u8], at: usize, error: &serde_json::Error) -> Outcome {
        let bytes = &text[at..];
        let mut it = serde_json::Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
        let used = match it.next() {
            Some(Ok(_)) => it.byte_offset(),
            Some(Err(e)) if !e.is_eof() => return Outcome::Broken(e.to_string()),
            _ => return Outcome::More,
        };
        let readable = String::from_utf8_lossy(&bytes[..used]);
        if let std::borrow::Cow::Owned(mended) = &readable {
            // It is kept out of a text of its own.
            self.seal(text);
            let decoded = self.decode(mended.as_bytes(), 0);
            self.seal(mended.as_bytes());
            if let Ok(Some((row, _))) = decoded {
                return Outcome::Row(row, used);
            }
        }
        let partial: wire::Partial = serde_json::from_str(&readable).unwrap_or_default();
        let name = match clean(&partial.metadata.name) {
            name if name.is_empty() => "one without a name".into(),
            name => format!("{}/{name}", clean(&partial.metadata.namespace)),
        };
        self.notes.push(format!("{}: {name} could not be read and is not shown ({error})", self.plural));
        Outcome::Skipped(used)
    }

    fn decode(&mut self, text: &[u8], at: usize) -> Result<Option<(Row, usize)>, serde_json::Error> {
        let bytes = &text[at..];
        let de = serde_json::Deserializer::from_slice(bytes);
        match self.shape {
            Shape::Pods => {
                if let Some(done) = self.pod_skimmed(text, at) {
                    return Ok(done);
                }
                let mut it = de.into_iter::<wire::Pod>();
                let Some(pod) = it.next().transpose()? else { return Ok(None) };
                let used = it.byte_offset();
                Ok(Some((self.pod(&pod, text, at..at + used), used)))
            }
            Shape::Objects(kind) => {
                let mut it = de.into_iter::<Value>();
                let Some(object) = it.next().transpose()? else { return Ok(None) };
                let used = it.byte_offset();
                Ok(Some((self.object(kind, &object, text, at..at + used)?, used)))
            }
            Shape::Table => {
                let mut it = de.into_iter::<TableRow>();
                let Some(row) = it.next().transpose()? else { return Ok(None) };
                Ok(Some((self.table_row(&row), it.byte_offset())))
            }
        }
    }

    /// A pod read without what no row needs. `None` where that cannot be done (it is broken, or larger than the one
    /// before): then it is read in full.
    fn pod_skimmed(&mut self, text: &[u8], at: usize) -> Option<Option<(Row, usize)>> {
        let bytes = &text[at..];
        let mut skimmed = std::mem::take(&mut self.skimmed);
        let window = &bytes[..bytes.len().min(self.window)];
        skimmed.read(window);
        let done = self.read_skimmed(&skimmed, window.len() == bytes.len(), text, at);
        self.skimmed = skimmed;
        done
    }

    /// `Some(None)`: cut off.
    fn read_skimmed(&mut self, skimmed: &Skimmed, all: bool, text: &[u8], at: usize) -> Option<Option<(Row, usize)>> {
        // Checked as a whole, which is quicker than string by string.
        let left = valid(skimmed.text());
        let mut it = serde_json::Deserializer::from_str(left).into_iter::<wire::Pod>();
        let pod = match it.next()? {
            Ok(pod) => pod,
            Err(error) => {
                self.window = WINDOW;
                let whole = left.len() == skimmed.text().len();
                return (all && whole && error.is_eof()).then_some(None);
            }
        };
        let used = skimmed.place(it.byte_offset());
        self.window = used + SLACK;
        Some(Some((self.pod(&pod, text, at..at + used), used)))
    }

    fn pod(&mut self, pod: &wire::Pod, text: &[u8], at: Range<usize>) -> Row {
        let judged = pod::judge(pod);
        let (requests, limits) = (requests(pod), limits(pod));
        let body = PodRow {
            node: self.text(&pod.spec.node_name),
            status: self.text(&judged.status),
            ip: CompactString::from(clean(&pod.status.pod_ip)),
            ready: judged.ready,
            total: judged.total,
            restarts: judged.restarts,
            last_restart: judged.last_restart,
            unready_since: judged.unready_since,
            qos: self.text(&pod.status.qos_class),
            cpu: requests.cpu,
            memory: requests.memory,
            cpu_limit: limits.cpu,
            memory_limit: limits.memory,
            containers: self.containers(pod),
        };
        let meta = self.meta(&pod.metadata);
        let raw = self.keeper.keep(text, at);
        Row { meta, body: Body::Pod(Box::new(body)), tone: judged.tone, raw }
    }

    fn containers(&mut self, pod: &wire::Pod) -> Box<[ContainerRow]> {
        let (spec, status) = (&pod.spec, &pod.status);
        let lists = [
            (Role::Init, &spec.init_containers, &status.init_container_statuses),
            (Role::Main, &spec.containers, &status.container_statuses),
            (Role::Ephemeral, &spec.ephemeral_containers, &status.ephemeral_container_statuses),
        ];
        let all = lists.into_iter().flat_map(|(role, specs, statuses)| specs.iter().map(move |c| (role, c, statuses)));
        all.map(|(role, container, statuses)| {
            let status = statuses.iter().find(|s| s.name == container.name);
            let last = status.and_then(|s| s.last_state.terminated.as_ref());
            ContainerRow {
                name: self.text(&container.name),
                image: self.text(&container.image),
                role,
                ready: status.is_some_and(|s| s.ready),
                restarts: status.map_or(0, pod::restarts),
                state: self.text(&status.map_or("Waiting".into(), |s| pod::state_word(&s.state))),
                last_exit: last.map(|ended| ended.exit_code),
                last_reason: self.text(last.map_or("", |ended| &ended.reason)),
            }
        })
        .collect()
    }

    fn object(&mut self, kind: &Kind, object: &Value, text: &[u8], at: Range<usize>) -> Result<Row, serde_json::Error> {
        let partial = wire::Partial::deserialize(object)?;
        let stored = kind.columns.iter().filter_map(|column| match column.source {
            Source::Object(get) => Some(get(object)),
            _ => None,
        });
        let cells: Box<[Cell]> = stored.map(|cell| self.share(cell)).collect();
        let tone = match object.pointer("/metadata/deletionTimestamp") {
            Some(time) if !time.is_null() => Tone::Busy,
            _ => (kind.tone)(object),
        };
        let raw = self.keeper.keep(text, at);
        Ok(Row { meta: self.meta(&partial.metadata), body: Body::Cells(cells), tone, raw })
    }

    fn table_row(&mut self, row: &TableRow) -> Row {
        let cells = self.definitions.iter().zip(&row.cells).filter(|(definition, _)| is_stored(definition));
        let cells: Vec<Cell> = cells.map(|(_, cell)| server_cell(cell)).collect();
        let cells = cells.into_iter().map(|cell| self.share(cell)).collect();
        let metadata = if row.cells.is_empty() { &row.metadata } else { &row.object.metadata };
        let meta = self.meta(metadata);
        let tone = if meta.deleting { Tone::Busy } else { Tone::Ok };
        Row { meta, body: Body::Cells(cells), tone, raw: Default::default() }
    }

    fn meta(&mut self, meta: &wire::Meta) -> Meta {
        let uid = match &*meta.uid {
            "" => Uid::of_name(&meta.namespace, &meta.name),
            uid => Uid::parse(uid),
        };
        let labels = meta.labels.0.iter().map(|(key, value)| (clean(key), clean(value)));
        let owner = meta.owner_references.iter().find(|owner| owner.controller);
        Meta {
            uid,
            name: CompactString::from(clean(&meta.name)),
            namespace: self.text(&meta.namespace),
            created: Time::parse(&meta.creation_timestamp).unwrap_or(Time::NEVER),
            deleting: !meta.deletion_timestamp.is_empty(),
            labels: self.names.labels(labels),
            owner: owner.map(|owner| self.names.owner(&clean(&owner.kind), &clean(&owner.name))),
        }
    }

    fn text(&mut self, text: &str) -> Str {
        self.names.text(&clean(text))
    }

    /// Words that are long enough to need memory of their own are shared; most repeat.
    fn share(&mut self, cell: Cell) -> Cell {
        match cell {
            Cell::Text(words) if words.is_heap_allocated() => Cell::Shared(self.names.text(&words)),
            other => other,
        }
    }
}

/// Bytes that are looked at for a pod to begin with; later on as many as the pod before had, and some more: neighbours
/// are alike.
const WINDOW: usize = 32 * 1024;
const SLACK: usize = 1024;

/// The beginning that is UTF-8.
fn valid(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|e| std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default())
}

/// A quantity as text or number; `None` where there is none.
fn quantity(quantity: &wire::Quantity) -> Option<Quantity> {
    match quantity {
        wire::Quantity::Text(text) if text.is_empty() => None,
        wire::Quantity::Text(text) => Quantity::parse(text),
        wire::Quantity::Number(number) => Quantity::parse(&number.to_string()),
    }
}

/// Containers and sidecars: what runs at the same time.
fn together<'p, 'a>(pod: &'p wire::Pod<'a>) -> impl Iterator<Item = &'p wire::Container<'a>> {
    pod.spec.containers.iter().chain(pod.spec.init_containers.iter().filter(|c| pod::is_sidecar(c)))
}

/// What the containers and sidecars request, where the pod as a whole does not say it.
fn requests(pod: &wire::Pod) -> Usage {
    let whole = &pod.spec.resources.requests;
    let sum = |own: &wire::Quantity, of: fn(&wire::Container) -> Option<Quantity>, unit: fn(Quantity) -> i64| {
        quantity(own).map_or_else(|| together(pod).filter_map(of).map(unit).fold(0, i64::saturating_add), unit)
    };
    Usage {
        cpu: sum(&whole.cpu, |c| quantity(&c.resources.requests.cpu), Quantity::milli),
        memory: sum(&whole.memory, |c| quantity(&c.resources.requests.memory), Quantity::units),
    }
}

/// What they may use: nothing is the limit where one of them has none, and the pod as a whole has none.
fn limits(pod: &wire::Pod) -> Usage {
    let whole = &pod.spec.resources.limits;
    let sum = |own: &wire::Quantity, of: fn(&wire::Container) -> Option<Quantity>, unit: fn(Quantity) -> i64| {
        let all = || together(pod).map(of).try_fold(0, |sum: i64, one| Some(sum.saturating_add(unit(one?))));
        quantity(own).map(unit).or_else(all).unwrap_or(0)
    };
    Usage {
        cpu: sum(&whole.cpu, |c| quantity(&c.resources.limits.cpu), Quantity::milli),
        memory: sum(&whole.memory, |c| quantity(&c.resources.limits.memory), Quantity::units),
    }
}

/// A row of a `Table`, or a plain object where a server does not speak `Table`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct TableRow<'a> {
    cells: Vec<Value>,
    #[serde(borrow)]
    object: wire::Partial<'a>,
    #[serde(borrow)]
    metadata: wire::Meta<'a>,
}

/// The columns that a `Table` names. The name and the age are drawn by ourselves: the server's age stands still.
fn columns(definitions: &[Value]) -> Vec<Column> {
    if definitions.is_empty() {
        return vec![Column::new("NAME", Source::Name), Column::new("AGE", Source::Age).right()];
    }
    let column = |definition: &Value| Column {
        title: clean(&str_at(definition, "/name").to_uppercase()).into_owned().into(),
        source: match () {
            () if is_name(definition) => Source::Name,
            () if is_age(definition) => Source::Age,
            () => Source::Server,
        },
        right: matches!(str_at(definition, "/type"), "integer" | "number") || is_age(definition),
        yields: false,
        wide: definition.get("priority").and_then(Value::as_i64).unwrap_or_default() > 0,
    };
    definitions.iter().map(column).collect()
}

fn is_name(definition: &Value) -> bool {
    str_at(definition, "/format") == "name"
}

fn is_age(definition: &Value) -> bool {
    str_at(definition, "/name") == "Age"
}

fn is_stored(definition: &Value) -> bool {
    !is_name(definition) && !is_age(definition)
}

fn server_cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Empty,
        Value::String(text) if text.is_empty() => Cell::Empty,
        Value::String(text) => Cell::Text(CompactString::from(clean(text))),
        Value::Number(number) => number.as_i64().map_or_else(|| Cell::Text(number.to_string().into()), Cell::Int),
        other => Cell::Text(CompactString::from(clean(&other.to_string()))),
    }
}

/// One line of a watch.
#[derive(Deserialize)]
pub struct Event<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`
    #[serde(rename = "type", borrow)]
    pub kind: wire::Text<'a>,
    /// The object, unread.
    #[serde(borrow)]
    pub object: &'a serde_json::value::RawValue,
}

/// A change, the revision it brings (may be empty), and new columns of a `Table`.
pub type Decoded = (Change, String, Option<Arc<[Column]>>);

/// What an event brought.
pub enum Change {
    /// A new version, or nothing where it could not be read.
    Upsert(Option<Row>),
    /// The object is gone.
    Gone(Uid),
    /// Nothing but a newer revision.
    Bookmark,
    /// The server's `Status`.
    Error(Value),
}

impl Decoder {
    /// Decodes one line of a watch into a change, the revision it brings (may be empty), and new columns of a `Table`.
    ///
    /// # Errors
    /// A sentence, where the line is no event.
    pub fn event(&mut self, line: &[u8]) -> Result<Decoded, String> {
        let mended;
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(_) => {
                mended = String::from_utf8_lossy(line).into_owned();
                serde_json::from_str(&mended).map_err(|e| {
                    let start: String = mended.chars().take(80).collect();
                    format!("the watch sent something that is no event ({e}): {}", clean(start.trim()))
                })?
            }
        };
        let object = event.object.get();
        if &*event.kind == "ERROR" {
            return Ok((Change::Error(serde_json::from_str(object).unwrap_or_default()), String::new(), None));
        }
        let partial: wire::Partial = serde_json::from_str(object).unwrap_or_default();
        let mut revision = partial.metadata.resource_version.to_string();
        let (mut columns, mut row, mut metadata) = (None, object, partial);
        let table: Table =
            if self.is_table() { serde_json::from_str(object).unwrap_or_default() } else { Table::default() };
        if &*table.kind == "Table" {
            columns = self.take_columns(&table.column_definitions);
            let Some(first) = table.rows.first() else { return Ok((Change::Bookmark, revision, columns)) };
            row = first.get();
            metadata = serde_json::from_str::<TableRow>(row).unwrap_or_default().object;
            if revision.is_empty() {
                revision = metadata.metadata.resource_version.to_string();
            }
        }
        let change = match &*event.kind {
            "BOOKMARK" => Change::Bookmark,
            "DELETED" => Change::Gone(self.meta(&metadata.metadata).uid),
            _ => Change::Upsert(self.whole(row.as_bytes())),
        };
        Ok((change, revision, columns))
    }
}

/// The object of an event of a watch for `Table`s.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Table<'a> {
    #[serde(borrow)]
    kind: wire::Text<'a>,
    #[serde(deserialize_with = "null_as_empty")]
    column_definitions: Vec<Value>,
    #[serde(borrow)]
    rows: Vec<&'a serde_json::value::RawValue>,
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    Option::<Vec<Value>>::deserialize(deserializer).map(Option::unwrap_or_default)
}
