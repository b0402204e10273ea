//! Short lists made from the state as a whole: clusters, problems, containers, operations, notices, aliases, help.

use super::State;
use super::filter::Filter;
use super::grid::{self, Grid, GridColumn, GridRow};
use super::nav::{Cursor, Scope};
use super::{containers, forwards, layout, listings, look, problems, pulses};
use crate::world::fleet::ClusterId;
use crate::world::object::ResourceId;
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
    /// CPU, memory, pods and nodes of every cluster in view.
    Pulses,
    /// The namespaces known.
    Namespaces,
    /// The containers of a pod.
    Containers { cluster: ClusterId, namespace: String, pod: String },
    /// What an Argo CD Application manages.
    Managed { cluster: ClusterId, namespace: String, name: String },
    /// The columns of a kind.
    Columns { resource: ResourceId },
    /// Every operation, newest first.
    Operations,
    /// The port-forwards that run.
    Forwards,
    /// What was said, newest first.
    Notices,
    /// Every name that can be typed after `:`.
    Aliases,
    /// Every key and action; those of the screen below first.
    Help,
    /// Every theme.
    Themes,
}

impl ListOf {
    /// For the top line.
    pub fn title(&self) -> String {
        match self {
            Self::Fleet => "fleet".into(),
            Self::Problems => "problems".into(),
            Self::Pulses => "pulses".into(),
            Self::Namespaces => "namespaces".into(),
            Self::Containers { namespace, pod, .. } => format!("containers of {namespace}/{pod}"),
            Self::Managed { namespace, name, .. } => format!("resources of Application {namespace}/{name}"),
            Self::Columns { resource } => format!("columns of {resource}"),
            Self::Operations => "operations".into(),
            Self::Forwards => "port-forwards".into(),
            Self::Notices => "notices".into(),
            Self::Aliases => "aliases".into(),
            Self::Help => "help".into(),
            Self::Themes => "themes".into(),
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
    /// The last column goes on in the next lines where it is too long.
    pub wraps: bool,
    /// Another list under it, with columns of its own; the cursor goes through both.
    pub below: Option<Box<Listing>>,
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
    /// A line of its own under the row.
    pub note: Option<String>,
}

impl Listing {
    /// Every row that the cursor can be on, top to bottom.
    pub fn selectable(&self) -> impl Iterator<Item = &ListRow> {
        self.rows.iter().chain(self.below.iter().flat_map(|below| &below.rows))
    }

    /// Widths of the columns on so many columns of a terminal.
    fn widths(&self, width: usize) -> Vec<usize> {
        let wanted = self.columns.iter().enumerate().map(|(n, (title, _))| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(n)).map(|cell| cell.width());
            cells.max().unwrap_or(0).max(title.width())
        });
        let wanted: Vec<usize> = wanted.collect();
        grid::fit_columns(&wanted, width.saturating_sub(1), &vec![10; wanted.len()]).0
    }

    /// Its lines, those that the cursor can be on with their number from `first` on.
    fn lines(&self, view: &ListView, widths: &[usize], first: usize, at: usize) -> Vec<(Option<usize>, GridRow)> {
        let mut lines = vec![];
        for (n, row) in self.rows.iter().enumerate() {
            let mut cells: Vec<String> = row.cells.iter().take(widths.len()).cloned().collect();
            let mut more = vec![];
            if self.wraps
                && let (Some(last), Some(width)) = (cells.last_mut(), widths.last())
            {
                let mut parts = grid::wrapped(last, *width).into_iter();
                *last = parts.next().unwrap_or_default();
                more.extend(parts);
            }
            let line = GridRow {
                selected: first + n == at,
                marked: view.marks.contains(&row.key),
                tone: row.tone,
                stale: row.stale,
                cells,
                whole: false,
                at: None,
            };
            let blank = vec![String::new(); widths.len().saturating_sub(1)];
            lines.push((Some(first + n), line));
            lines.extend(more.into_iter().map(|part| {
                let cells = blank.iter().cloned().chain([part]).collect();
                (None, GridRow { cells, tone: row.tone, ..GridRow::default() })
            }));
            lines.extend(row.note.iter().map(|note| (None, GridRow::whole(format!(" {note}"), row.tone))));
        }
        lines
    }

    /// The lines of a list under another one: its columns are padded here, as the grid has those of the first.
    fn lines_below(&self, view: &ListView, width: usize, first: usize, at: usize) -> Vec<(Option<usize>, GridRow)> {
        let widths = self.widths(width);
        let join = |cells: &[String]| {
            let cells = cells.iter().zip(self.columns).zip(&widths).map(|((cell, (_, right)), width)| {
                let cell = grid::fit(cell, *width);
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                if *right { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
            });
            cells.collect::<Vec<_>>().join(if widths.iter().sum::<usize>() + 2 * widths.len() < width {
                "  "
            } else {
                " "
            })
        };
        let titles: Vec<String> = self.columns.iter().map(|(title, _)| (*title).into()).collect();
        let mut lines = vec![(None, GridRow::default()), (None, GridRow::whole(join(&titles), Tone::Done))];
        lines.extend(
            self.lines(view, &widths, first, at)
                .into_iter()
                .map(|(n, line)| (n, GridRow { cells: vec![join(&line.cells)], whole: true, ..line })),
        );
        lines
    }
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
            let passes = |row: &ListRow| self.filter.line(&row.cells.join(" "));
            listing.rows.retain(passes);
            if let Some(below) = &mut listing.below {
                below.rows.retain(passes);
            }
            listing.below = listing.below.filter(|below| !below.rows.is_empty());
        }
        listing
    }

    /// The visible part as text, and the cursor where it must be for that.
    pub fn grid(&self, listing: Listing, width: usize, height: usize) -> (Grid, Cursor) {
        let count = listing.selectable().count();
        let mut cursor = self.cursor;
        cursor.at = match &self.selected {
            Some(key) => listing.selectable().position(|row| row.key == *key).unwrap_or(cursor.at),
            None => 0,
        };
        cursor.at = cursor.at.min(count.saturating_sub(1));
        let widths = listing.widths(width);
        let columns = listing.columns.iter().zip(&widths).map(|((title, right), width)| GridColumn {
            title: (*title).into(),
            width: *width as u16,
            right: *right,
            ..GridColumn::default()
        });
        let columns = columns.collect();
        let empty = if count == 0 { vec![self.empty_text(&listing)] } else { vec![] };
        let mut lines = listing.lines(self, &widths, 0, cursor.at);
        if let Some(below) = &listing.below {
            lines.extend(below.lines_below(self, width, listing.rows.len(), cursor.at));
        }
        // The window counts lines, of which some belong to no row; what follows a row is shown with it.
        let line = lines.iter().position(|(n, _)| *n == Some(cursor.at)).unwrap_or(0);
        let trail = lines.iter().skip(line + 1).take_while(|(n, row)| n.is_none() && !row.cells.is_empty()).count();
        let height = height.saturating_sub(1);
        let mut window = Cursor { at: line + trail.min(height.saturating_sub(1)), top: cursor.top };
        window.clamp(lines.len(), height);
        cursor.top = window.top.min(line);
        let rows = lines.into_iter().skip(cursor.top).take(height).map(|(at, row)| GridRow { at, ..row });
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
        ListOf::Pulses => pulses::listing(state, scope),
        ListOf::Namespaces => listings::namespaces(state, scope),
        ListOf::Containers { cluster, namespace, pod } => containers::listing(state, *cluster, namespace, pod),
        ListOf::Managed { cluster, namespace, name } => listings::managed(state, *cluster, namespace, name),
        ListOf::Columns { resource } => layout::listing(state, resource),
        ListOf::Operations => listings::operations(state),
        ListOf::Forwards => forwards::listing(state),
        ListOf::Notices => listings::notices(state),
        ListOf::Aliases => listings::aliases(state),
        ListOf::Help => listings::help(state),
        ListOf::Themes => look::listing(state),
    }
}
