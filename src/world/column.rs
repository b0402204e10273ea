//! A column is one value: title, where its cell comes from, how it is aligned.

use super::metrics::{Metrics, Reading};
use super::pod::PodRow;
use super::row::{Body, Cell, Row, Str};
use compact_str::CompactString;
use serde_json::Value;
use std::borrow::Cow;

/// One column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Upper case.
    pub title: Cow<'static, str>,
    /// Where the cell comes from.
    pub source: Source,
    /// Numbers stand right.
    pub right: bool,
    /// Shown in wide mode only.
    pub wide: bool,
    /// Gives way where there is no room for all, before any other is cut.
    pub yields: bool,
}

/// Where a cell comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// `metadata.name`
    Name,
    /// Age, from `metadata.creationTimestamp`.
    Age,
    /// A pod's lean row.
    Pod(fn(&Row, &PodRow) -> Cell),
    /// Words of a pod's lean row.
    PodText(for<'a> fn(&'a PodRow) -> Text<'a>),
    /// Computed from the whole object when it arrives; stored in the row's cells, n-th of these.
    Object(fn(&Value) -> Cell),
    /// What the object uses, as the metrics API says.
    Used(fn(&Row, &Reading) -> Cell),
    /// Printed by the server (`Table`); stored in the row's cells, n-th of these.
    Server,
}

/// Words where they stand in a row. To look at them costs nothing; a [`Cell`] is a copy, and copies of what many rows
/// share make two cores wait for each other.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// Of this row.
    Own(&'a CompactString),
    /// Stored once for many rows.
    Shared(&'a Str),
}

impl From<Text<'_>> for Cell {
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Own(words) => Cell::Text(words.clone()),
            Text::Shared(words) => Cell::Shared(words.clone()),
        }
    }
}

impl Column {
    /// A left-aligned column of a kind with a file of its own.
    pub const fn new(title: &'static str, source: Source) -> Self {
        Self { title: Cow::Borrowed(title), source, right: false, wide: false, yields: false }
    }

    /// The same, aligned right.
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }

    /// The same, shown in wide mode only.
    pub const fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// The same, which gives way where there is no room for all.
    pub const fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// Whether it says what is used.
    pub fn is_use(&self) -> bool {
        matches!(self.source, Source::Used(_))
    }
}

/// The cell of a row in the n-th of `columns`. Stored cells are counted over the columns that store one.
pub fn cell(columns: &[Column], n: usize, row: &Row, metrics: &Metrics) -> Cell {
    let Some(column) = columns.get(n) else { return Cell::Empty };
    match (column.source, &row.body) {
        (Source::Name, _) => Cell::Text(row.meta.name.clone()),
        (Source::Age, _) => Cell::Since(row.meta.created),
        (Source::Pod(get), Body::Pod(pod)) => get(row, pod),
        (Source::PodText(get), Body::Pod(pod)) => get(pod).into(),
        (Source::Used(get), _) => metrics.of_row(row).map_or(Cell::Empty, |reading| get(row, &reading)),
        (Source::Object(_) | Source::Server, Body::Cells(cells)) => {
            stored(columns, n, cells).cloned().unwrap_or_default()
        }
        _ => Cell::Empty,
    }
}

/// The cell of a row in the n-th of `columns`, where it is words that are kept in the row.
pub fn text<'a>(columns: &[Column], n: usize, row: &'a Row) -> Option<Text<'a>> {
    match (columns.get(n)?.source, &row.body) {
        (Source::Name, _) => Some(Text::Own(&row.meta.name)),
        (Source::PodText(get), Body::Pod(pod)) => Some(get(pod)),
        (Source::Object(_) | Source::Server, Body::Cells(cells)) => match stored(columns, n, cells)? {
            Cell::Text(words) => Some(Text::Own(words)),
            Cell::Shared(words) => Some(Text::Shared(words)),
            _ => None,
        },
        _ => None,
    }
}

fn stored<'a>(columns: &[Column], n: usize, cells: &'a [Cell]) -> Option<&'a Cell> {
    cells.get(columns[..n].iter().filter(|c| matches!(c.source, Source::Object(_) | Source::Server)).count())
}
