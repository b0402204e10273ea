//! Cells made from fields of raw objects, shared by many kinds.

use crate::world::metrics::Reading;
use crate::world::object::{int_at, list_at, str_at};
use crate::world::row::{Cell, Row, Tone};
use crate::world::sparkline::sparkline;
use crate::world::text::clean;
use crate::world::time::Time;
use compact_str::CompactString;
use serde_json::Value;

/// Words, cleaned; empty text is an empty cell.
pub(super) fn text(words: impl AsRef<str>) -> Cell {
    match words.as_ref() {
        "" => Cell::Empty,
        words => Cell::Text(CompactString::from(clean(words))),
    }
}

/// The text at a pointer.
pub(super) fn text_at(object: &Value, pointer: &str) -> Cell {
    text(str_at(object, pointer))
}

/// The number at a pointer, 0 where there is none.
pub(super) fn count_at(object: &Value, pointer: &str) -> Cell {
    Cell::Int(int_at(object, pointer).unwrap_or_default())
}

/// Columns of a trend.
const TREND: usize = 12;

/// How the CPU was used lately.
pub(super) fn cpu_trend(_: &Row, used: &Reading) -> Cell {
    let values: Vec<i64> = used.history().iter().map(|usage| usage.cpu).collect();
    Cell::Text(CompactString::from(sparkline(&values, TREND)))
}

/// How the memory was used lately.
pub(super) fn memory_trend(_: &Row, used: &Reading) -> Cell {
    let values: Vec<i64> = used.history().iter().map(|usage| usage.memory).collect();
    Cell::Text(CompactString::from(sparkline(&values, TREND)))
}

/// The time at a pointer.
pub(super) fn since_at(object: &Value, pointer: &str) -> Cell {
    Time::parse(str_at(object, pointer)).map_or(Cell::Empty, Cell::Since)
}

/// A part of a whole from two pointers.
pub(super) fn ratio_at(object: &Value, part: &str, whole: &str, missing: i64) -> Cell {
    let number = |n: i64| n.clamp(0, i64::from(u32::MAX)) as u32;
    let (part, whole) = (int_at(object, part).unwrap_or_default(), int_at(object, whole).unwrap_or(missing));
    Cell::Ratio(number(part), number(whole))
}

/// Texts joined by commas.
pub(super) fn joined<'a>(texts: impl IntoIterator<Item = &'a str>) -> Cell {
    text(texts.into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(","))
}

/// Names of the containers of a pod template.
pub(super) fn containers(object: &Value) -> Cell {
    joined(list_at(object, "/spec/template/spec/containers").iter().map(|c| str_at(c, "/name")))
}

/// Images of the containers of a pod template.
pub(super) fn images(object: &Value) -> Cell {
    joined(list_at(object, "/spec/template/spec/containers").iter().map(|c| str_at(c, "/image")))
}

/// A map as `key=value,…`.
pub(super) fn map_at(object: &Value, pointer: &str) -> Cell {
    let pairs = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    text(pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect::<Vec<_>>().join(","))
}

/// A workload by how many of its pods are ready: none wanted is done, some missing is a warning, none ready is broken.
pub(super) fn replicas_tone(wanted: i64, ready: i64, updated: i64) -> Tone {
    match () {
        () if wanted == 0 => Tone::Done,
        () if ready >= wanted && updated >= wanted => Tone::Ok,
        () if ready >= wanted => Tone::Busy,
        () if ready == 0 => Tone::Bad,
        () => Tone::Warn,
    }
}

/// The condition of a type: its status, or empty.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    list_at(object, "/status/conditions")
        .iter()
        .find(|c| str_at(c, "/type") == kind)
        .map_or("", |c| str_at(c, "/status"))
}
