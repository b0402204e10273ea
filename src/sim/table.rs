//! Server-side printing: objects as rows of a `Table` (`meta.k8s.io/v1`), with the columns that a real server prints.
//!
//! Columns and cells: `pkg/printers/internalversion/printers.go`; custom kinds: `additionalPrinterColumns` of their
//! definition (`apiextensions-apiserver/pkg/registry/customresource/tableconvertor`).

mod cells;
mod config;
mod custom;
mod pod;
mod workloads;

use crate::sim::server::read::metadata_only;
use crate::sim::store::Store;
use crate::world::object::Resource;
use crate::world::time::Time;
use serde_json::{Value, json};

/// One column of a kind: its name and its priority (0 is always shown, more only in `-o wide`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    name: String,
    kind: String,
    format: &'static str,
    description: String,
    priority: i64,
}

impl Column {
    /// A column of text; `Name` is the one that names the object.
    fn text(name: &str, priority: i64) -> Self {
        let (format, description) = match name {
            "Name" => ("name", "Name must be unique within a namespace."),
            "Age" => {
                ("", "CreationTimestamp is a timestamp representing the server time when this object was created.")
            }
            _ => ("", ""),
        };
        Self { name: name.into(), kind: "string".into(), format, description: description.into(), priority }
    }

    fn definition(&self) -> Value {
        json!({"name": self.name, "type": self.kind, "format": self.format, "description": self.description, "priority": self.priority})
    }
}

/// Prints one object: as many cells as the kind has columns.
type Printer = fn(&Value, Time) -> Vec<Value>;

enum Rows {
    Builtin(Printer),
    Custom(Vec<custom::Cell>),
}

/// What goes along with each row (`includeObject`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Include {
    Nothing,
    Metadata,
    Object,
}

/// How one kind is printed for one request.
pub struct Table {
    store: Store,
    columns: Vec<Column>,
    rows: Rows,
    include: Include,
}

impl Table {
    /// The table of a kind; `include` is the parameter `includeObject`.
    pub fn of(store: &Store, kind: &Resource, include: &str) -> Self {
        let include = match include {
            "None" => Include::Nothing,
            "Object" => Include::Object,
            _ => Include::Metadata,
        };
        let (columns, rows) = custom::of_kind(store, kind).or_else(|| builtin(kind)).unwrap_or_else(name_and_age);
        Self { store: store.clone(), columns, rows, include }
    }

    /// A `Table` with one row for each object.
    pub fn document<'a>(&self, meta: Value, objects: impl IntoIterator<Item = &'a Value>, with_columns: bool) -> Value {
        let now = self.store.now();
        let columns: Value = match with_columns {
            true => self.columns.iter().map(Column::definition).collect(),
            false => Value::Null,
        };
        let rows: Vec<Value> = objects.into_iter().map(|object| self.row(object, now)).collect();
        json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": columns, "rows": rows})
    }

    fn row(&self, object: &Value, now: Time) -> Value {
        let cells = match &self.rows {
            Rows::Builtin(print) => print(object, now),
            Rows::Custom(cells) => cells.iter().map(|cell| cell.print(object, now)).collect(),
        };
        let along = match self.include {
            Include::Nothing => Value::Null,
            Include::Metadata => metadata_only(object),
            Include::Object => object.clone(),
        };
        json!({"cells": cells, "object": along})
    }
}

/// Names of columns; a `*` in front means that only `-o wide` shows it.
fn columns(names: &[&str]) -> Vec<Column> {
    names
        .iter()
        .map(|name| match name.strip_prefix('*') {
            Some(wide) => Column::text(wide, 1),
            None => Column::text(name, 0),
        })
        .collect()
}

fn builtin(kind: &Resource) -> Option<(Vec<Column>, Rows)> {
    let key = (kind.id.group.as_str(), kind.id.plural.as_str());
    let (names, print) = workloads::of_kind(key).or_else(|| config::of_kind(key))?;
    Some((columns(names), Rows::Builtin(print)))
}

fn name_and_age() -> (Vec<Column>, Rows) {
    (columns(&["Name", "Age"]), Rows::Builtin(|object, now| vec![cells::name(object), cells::age(object, now)]))
}

#[cfg(test)]
mod tests;
