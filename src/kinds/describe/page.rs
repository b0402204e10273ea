//! The lines of a description while they are put together: fields of one block aligned, tables aligned, text made safe.

use super::{Line, Mark, scalar};
use crate::kinds::yaml;
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// Spaces per level.
const STEP: usize = 2;

/// A description in the making.
pub struct Page {
    lines: Vec<Line>,
    /// Fields waiting for their block to end, so that their values line up.
    block: Vec<Field>,
    level: usize,
    now: Time,
}

struct Field {
    label: String,
    value: String,
    mark: Mark,
}

/// The rows of a table with their marks.
pub type Rows = Vec<(Mark, Vec<String>)>;

impl Page {
    /// An empty page; ages are counted to `now`.
    pub fn new(now: Time) -> Self {
        Self { lines: Vec::new(), block: Vec::new(), level: 0, now }
    }

    /// What ages are counted to.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The finished lines.
    pub fn finish(mut self) -> Vec<Line> {
        self.flush();
        self.lines
    }

    /// `Label:  value`, aligned with its neighbours.
    pub fn field(&mut self, label: &str, value: impl Into<String>) {
        self.marked(Mark::Plain, label, value);
    }

    /// A field that is worth a look.
    pub fn warn(&mut self, label: &str, value: impl Into<String>) {
        self.marked(Mark::Warn, label, value);
    }

    /// A field with a mark.
    pub fn marked(&mut self, mark: Mark, label: &str, value: impl Into<String>) {
        let label = if label.is_empty() { String::new() } else { format!("{}:", clean(label)) };
        self.block.push(Field { label, value: value.into(), mark });
    }

    /// A field that is left out when its value is empty.
    pub fn some(&mut self, label: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.field(label, value);
        }
    }

    /// A field for the scalar at a JSON pointer, left out when there is none.
    pub fn at(&mut self, label: &str, object: &Value, pointer: &str) {
        self.some(label, object.pointer(pointer).map(scalar).unwrap_or_default());
    }

    /// A point in time with its age, left out when it is not one.
    pub fn when(&mut self, label: &str, rfc3339: &str) {
        if let Some(time) = Time::parse(rfc3339) {
            self.field(label, format!("{rfc3339} ({} ago)", human(time.age(self.now))));
        }
    }

    /// Several values under one label; `none` when there are none.
    pub fn list(&mut self, label: &str, values: impl IntoIterator<Item = String>, none: &str) {
        let mut label = label;
        for value in values {
            self.field(label, value);
            label = "";
        }
        if !label.is_empty() && !none.is_empty() {
            self.field(label, none);
        }
    }

    /// The entries of a map, one a line, left out when there are none.
    pub fn pairs(&mut self, label: &str, map: Option<&Value>, between: &str) {
        let entries = map.and_then(Value::as_object).into_iter().flatten();
        let mut texts: Vec<String> = entries.map(|(k, v)| format!("{k}{between}{}", scalar(v))).collect();
        texts.sort_unstable();
        self.list(label, texts, "");
    }

    /// A heading at the left edge with an empty line before it.
    pub fn section(&mut self, title: &str) {
        self.flush();
        self.level = 0;
        self.push(Mark::Plain, "");
        let mut title = title.to_string();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.push(Mark::Heading, &title);
        self.level = 1;
    }

    /// A heading inside a section; what `inner` writes is one level deeper.
    pub fn nested(&mut self, mark: Mark, title: &str, inner: impl FnOnce(&mut Self)) {
        self.flush();
        self.push(mark, title);
        self.level += 1;
        inner(self);
        self.flush();
        self.level -= 1;
    }

    /// Free text; line breaks are kept.
    pub fn text(&mut self, mark: Mark, text: &str) {
        self.flush();
        text.lines().for_each(|line| self.push(mark, line));
    }

    /// A value as YAML.
    pub fn yaml(&mut self, value: &Value) {
        self.flush();
        for line in yaml::lines(value, yaml::Options::default()) {
            self.push(Mark::Plain, &line);
        }
    }

    /// An aligned table; the last column is not padded.
    pub fn table(&mut self, heads: &[&str], rows: Rows) {
        self.flush();
        let rows: Rows =
            rows.into_iter().map(|(mark, row)| (mark, row.iter().map(|c| one_line(c)).collect())).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|(_, row)| row.get(column)).map(|cell| cell.width());
            cells.chain(heads.get(column).map(|head| head.width())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let heads: Vec<String> = heads.iter().map(|head| head.to_string()).collect();
        self.push(Mark::Heading, &aligned(&heads, &widths));
        for (mark, row) in &rows {
            self.push(*mark, &aligned(row, &widths));
        }
    }

    fn flush(&mut self) {
        let block = std::mem::take(&mut self.block);
        let width = block.iter().map(|field| field.label.width()).max().unwrap_or(0);
        for Field { label, value, mark } in block {
            let lead = format!("{label}{}", " ".repeat(width.saturating_sub(label.width()) + STEP));
            let mut lines = value.lines();
            self.push(mark, &format!("{lead}{}", lines.next().unwrap_or_default()));
            for line in lines {
                self.push(mark, &format!("{}{line}", " ".repeat(width + STEP)));
            }
        }
    }

    fn push(&mut self, mark: Mark, text: &str) {
        let text = format!("{}{}", " ".repeat(self.level * STEP), clean(text).trim_end());
        self.lines.push(Line { text: if text.trim().is_empty() { String::new() } else { text }, mark });
    }
}

fn one_line(cell: &str) -> String {
    clean(cell.trim_end()).into_owned()
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        out.push_str(cell);
        out.push_str(&" ".repeat(width.saturating_sub(cell.width()) + STEP));
    }
    out.trim_end().to_string()
}
