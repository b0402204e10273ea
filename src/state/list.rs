//! Short lists made from the state as a whole: clusters, problems, containers, operations, notices, aliases, help.

use super::State;
use super::filter::Filter;
use super::grid::{self, Grid, GridColumn, GridRow};
use super::nav::{Cursor, Scope};
use super::{listings, problems};
use crate::world::fleet::ClusterId;
use crate::world::row::Tone;
use std::collections::BTreeSet;
use unicode_width::UnicodeWidthStr;

/// What a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListOf {
    /// Every cluster of the kubeconfig.
    Fleet,
    /// What is wrong, grouped.
    Problems,
    /// The namespaces known.
    Namespaces,
    /// The containers of a pod.
    Containers { cluster: ClusterId, namespace: String, pod: String },
    /// What an Argo CD Application manages.
    Managed { cluster: ClusterId, namespace: String, name: String },
    /// Every operation, newest first.
    Operations,
    /// What was said, newest first.
    Notices,
    /// Every name that can be typed after `:`.
    Aliases,
    /// Every key and action; those of the screen below first.
    Help,
}

impl ListOf {
    /// For the top line.
    pub fn title(&self) -> String {
        match self {
            Self::Fleet => "fleet".into(),
            Self::Problems => "problems".into(),
            Self::Namespaces => "namespaces".into(),
            Self::Containers { namespace, pod, .. } => format!("containers of {namespace}/{pod}"),
            Self::Managed { namespace, name, .. } => format!("resources of Application {namespace}/{name}"),
            Self::Operations => "operations".into(),
            Self::Notices => "notices".into(),
            Self::Aliases => "aliases".into(),
            Self::Help => "help".into(),
        }
    }
}

/// State of a list on screen.
#[derive(Debug)]
pub struct ListView {
    /// What.
    pub of: ListOf,
    /// What was typed after `/`.
    pub filter: Filter,
    /// Key of the row under the cursor; `None` until it was moved.
    pub selected: Option<String>,
    /// Cursor and window.
    pub cursor: Cursor,
    /// Keys of marked rows.
    pub marks: BTreeSet<String>,
}

/// A list's content.
#[derive(Debug, Default)]
pub struct Listing {
    /// Title, and whether it stands right.
    pub columns: &'static [(&'static str, bool)],
    /// The rows.
    pub rows: Vec<ListRow>,
    /// What is said where there is none.
    pub empty: &'static str,
}

/// One row of a list.
#[derive(Debug, Default)]
pub struct ListRow {
    /// Tells it from the others.
    pub key: String,
    /// As many as columns.
    pub cells: Vec<String>,
    /// How it stands.
    pub tone: Tone,
    /// Not current.
    pub stale: bool,
}

impl ListRow {
    /// A row as it should be.
    pub fn new(key: impl Into<String>, cells: Vec<String>) -> Self {
        Self { key: key.into(), cells, ..Self::default() }
    }

    /// The same, standing like this.
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl ListView {
    /// A list from its first row.
    pub fn new(of: ListOf) -> Self {
        Self { of, filter: Filter::default(), selected: None, cursor: Cursor::default(), marks: BTreeSet::new() }
    }

    /// The rows that pass the filter.
    pub fn listing(&self, state: &State, scope: &Scope) -> Listing {
        let mut listing = listing(state, &self.of, scope);
        if !self.filter.is_empty() {
            listing.rows.retain(|row| self.filter.line(&row.cells.join(" ")));
        }
        listing
    }

    /// The visible part as text, and the cursor where it must be for that.
    pub fn grid(&self, listing: Listing, width: usize, height: usize) -> (Grid, Cursor) {
        let mut cursor = self.cursor;
        cursor.at = match &self.selected {
            Some(key) => listing.rows.iter().position(|row| row.key == *key).unwrap_or(cursor.at),
            None => 0,
        };
        cursor.clamp(listing.rows.len(), height.saturating_sub(1));
        let wanted: Vec<usize> = listing
            .columns
            .iter()
            .enumerate()
            .map(|(n, (title, _))| {
                let cells = listing.rows.iter().filter_map(|row| row.cells.get(n)).map(|cell| cell.width());
                cells.max().unwrap_or(0).max(title.width())
            })
            .collect();
        let (widths, _) = grid::fit_columns(&wanted, width.saturating_sub(1), &vec![10; wanted.len()]);
        let columns = listing.columns.iter().zip(&widths).map(|((title, right), width)| GridColumn {
            title: (*title).into(),
            width: *width as u16,
            right: *right,
            ..GridColumn::default()
        });
        let columns = columns.collect();
        let empty = if listing.rows.is_empty() { vec![self.empty_text(&listing)] } else { vec![] };
        let visible = listing.rows.into_iter().enumerate().skip(cursor.top).take(height.saturating_sub(1));
        let rows = visible.map(|(n, row)| GridRow {
            selected: n == cursor.at,
            marked: self.marks.contains(&row.key),
            tone: row.tone,
            stale: row.stale,
            cells: row.cells.into_iter().take(widths.len()).collect(),
        });
        (Grid { rows: rows.collect(), columns, empty }, cursor)
    }

    fn empty_text(&self, listing: &Listing) -> String {
        if self.filter.is_empty() {
            listing.empty.into()
        } else {
            format!("nothing matches /{} (Esc clears)", self.filter.text())
        }
    }
}

/// What a list shows now.
fn listing(state: &State, of: &ListOf, scope: &Scope) -> Listing {
    match of {
        ListOf::Fleet => listings::fleet(state),
        ListOf::Problems => problems::listing(state),
        ListOf::Namespaces => listings::namespaces(state, scope),
        ListOf::Containers { cluster, namespace, pod } => listings::containers(state, *cluster, namespace, pod),
        ListOf::Managed { cluster, namespace, name } => listings::managed(state, *cluster, namespace, name),
        ListOf::Operations => listings::operations(state),
        ListOf::Notices => listings::notices(state),
        ListOf::Aliases => listings::aliases(state),
        ListOf::Help => listings::help(state),
    }
}
