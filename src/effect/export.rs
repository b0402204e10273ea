//! Rows written to a file or put on the clipboard.

use crate::world::choice::Choice;
use crate::world::fleet::ClusterId;
use crate::world::object::ResourceId;
use crate::world::row::{Cell, Raw, Str};
use crate::world::time::Time;
use std::path::PathBuf;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The columns shown, a line for each row.
    Csv,
    /// Whole objects, one `List`.
    Json,
    /// Whole objects, one document each.
    Yaml,
}

impl Format {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name.to_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file of this name, or the next free one like it; relative to the working directory.
    File(PathBuf),
    /// The clipboard.
    Clipboard,
}

/// Rows to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// How.
    pub format: Format,
    /// Where to.
    pub target: Target,
    /// The kind.
    pub resource: ResourceId,
    /// Titles of the columns.
    pub titles: Vec<String>,
    /// Columns whose cells must be read from the objects, by their place among the titles.
    pub paths: Vec<(usize, Choice)>,
    /// The rows, in their order.
    pub rows: Vec<ExportRow>,
    /// For ages.
    pub now: Time,
}

/// One row to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRow {
    /// Whose.
    pub cluster: ClusterId,
    /// Its namespace.
    pub namespace: Str,
    /// Its name.
    pub name: String,
    /// As many as titles; empty where objects are written.
    pub cells: Vec<Cell>,
    /// The whole object, where it is kept.
    pub raw: Raw,
}
