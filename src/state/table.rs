//! A table of objects of one kind, over one or several clusters.

use super::filter::Filter;
use super::grid::{self, Grid, GridColumn, GridRow};
use super::layout::{Grep, Layout, Looked, Widths};
use super::nav::{Cursor, Scope};
use super::order::{self, Entry, Order, Rules, Sort, Within};
use super::problems::{Problem, Problems};
use crate::effect::Objects;
use crate::effect::export::ExportRow;
use crate::kinds;
use crate::world::choice::{Choice, From};
use crate::world::column::{Column, cell};
use crate::world::fleet::{ClusterId, Feed, Fleet, Link};
use crate::world::metrics::{Metrics, Of};
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::{Body, Cell, Row, Uid};
use crate::world::time::{Time, human};
use std::collections::HashSet;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Columns below which names, and other cells, are not cut.
const NAME_LEAST: usize = 24;
const CELL_LEAST: usize = 12;
/// The column that names causes.
pub const WHY: &str = "WHY";
/// No name pushes others aside beyond this many columns.
const NAME_MOST: usize = 63;

/// State of a table on screen.
#[derive(Debug)]
pub struct TableView {
    /// The kind.
    pub resource: ResourceId,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What was typed after `/`.
    pub filter: Filter,
    /// Where one drilled down from.
    pub within: Option<Within>,
    /// Only what is not as it should be.
    pub faults: bool,
    /// All columns.
    pub wide: bool,
    /// `None`: cluster, namespace, name.
    pub sort: Option<Sort>,
    /// Title of the column chosen with Shift-arrows.
    pub chosen: Option<String>,
    /// Columns scrolled out on the left.
    pub left: usize,
    /// Rows marked with Space.
    pub marks: HashSet<(ClusterId, Uid)>,
    /// Where the last mark was set, for marking a range.
    pub anchor: Option<(ClusterId, Uid)>,
    /// The object the cursor is on; `None` until the cursor was moved: then the first row.
    pub selected: Option<(ClusterId, Uid)>,
    /// Cursor and window.
    pub cursor: Cursor,
    /// The rows in view.
    pub order: Order,
    /// The order must be built anew.
    pub unordered: bool,
    /// The order must be filtered anew.
    pub unfiltered: bool,
    /// The widest that each column was, by title; columns only grow, so that they do not jump while scrolling.
    pub widths: Vec<(String, usize)>,
    /// Widths that a person gave to columns, by title; these neither grow nor shrink.
    pub fixed: Widths,
    /// Which columns a person wants to see; `None`: those of the kind.
    pub layout: Option<Arc<Layout>>,
    /// What was read of whole objects for columns that are not the kind's own.
    pub looked: Looked,
    /// Only rows whose objects contain a text.
    pub grep: Option<Grep>,
    /// There is no room for the columns that give way.
    cramped: bool,
    /// Columns in view say what is used.
    uses: bool,
    /// Stands still since then, and what it shows meanwhile.
    frozen: Option<(Time, Arc<Fleet>)>,
}

/// One column of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewColumn {
    /// The cluster's name.
    Cluster,
    /// The namespace.
    Namespace,
    /// The n-th of the kind.
    Kind(usize),
    /// The cause of the problem that the object belongs to; only where some object of the kind has one.
    Why,
    /// The n-th of the layout: a label, an annotation or a path.
    Chosen(usize),
}

impl TableView {
    /// A table with nothing hidden.
    pub fn new(resource: ResourceId, namespaced: bool) -> Self {
        // Events are read newest first.
        let newest = resource.plural == "events";
        Self {
            resource,
            namespaced,
            filter: Filter::default(),
            within: None,
            faults: false,
            wide: false,
            sort: newest.then(|| Sort { column: "LAST SEEN".into(), reverse: false }),
            chosen: None,
            left: 0,
            marks: HashSet::new(),
            anchor: None,
            selected: None,
            cursor: Cursor::default(),
            order: Order::default(),
            unordered: true,
            unfiltered: false,
            widths: vec![],
            fixed: vec![],
            layout: None,
            looked: Looked::default(),
            grep: None,
            cramped: false,
            uses: false,
            frozen: None,
        }
    }

    /// Stands still from here on, or goes on.
    pub fn freeze(&mut self, fleet: &Fleet, scope: &Scope, now: Time) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some((now, Arc::new(fleet.still(&self.resource, &scope.clusters)))),
        };
        self.unordered = true;
    }

    /// What it shows: the fleet, or what was kept of it when the view was told to stand still.
    pub fn source<'a>(&'a self, fleet: &'a Fleet) -> &'a Fleet {
        self.frozen.as_ref().map_or(fleet, |(_, still)| still)
    }

    /// As [`TableView::source`], for what changes the view.
    pub fn held(&self) -> Option<Arc<Fleet>> {
        self.frozen.as_ref().map(|(_, still)| still.clone())
    }

    /// Shows these columns from here on.
    pub fn set_layout(&mut self, layout: Option<Arc<Layout>>) {
        let paths = layout.as_ref().map(|layout| layout.paths()).unwrap_or_default();
        if *self.looked.paths != paths {
            self.looked = Looked::new(paths);
        }
        self.layout = layout;
        self.widths.clear();
        self.unordered = true;
    }

    /// The column that the view sorts by where that is none of the kind's own.
    fn sorted_choice(&self) -> Option<&Choice> {
        let sort = self.sort.as_ref()?;
        self.layout.as_ref()?.shown().find(|choice| choice.title == sort.column && choice.from != From::Own)
    }

    /// The objects that must be looked at before the rows can be sorted: too many to do it in between.
    pub fn take_unlooked(&mut self, fleet: &Fleet, scope: &Scope) -> Objects {
        let held = self.held();
        let fleet = held.as_deref().unwrap_or(fleet);
        let by_path = self.sorted_choice().is_some_and(|choice| matches!(choice.from, From::Path(_)));
        match self.looked.behind && by_path {
            true => self.looked.ask(fleet, &scope.clusters, &self.resource),
            false => vec![],
        }
    }

    /// What decides the rows of this view.
    pub fn rules<'a>(&'a self, fleet: &'a Fleet, scope: &'a Scope) -> Rules<'a> {
        Rules {
            fleet: self.source(fleet),
            resource: &self.resource,
            clusters: &scope.clusters,
            namespaces: if self.namespaced { &scope.namespaces } else { &[] },
            filter: &self.filter,
            within: self.within.as_ref(),
            faults: self.faults,
            sort: self.sort.as_ref(),
            chosen: self.sorted_choice().map(|choice| (choice, &self.looked)),
            grep: self.grep.as_ref(),
        }
    }

    /// Shows what passes this filter.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.unfiltered = true;
    }

    /// Makes ready for a filter that is being typed, or forgets what that took.
    pub fn expect_letters(&mut self, fleet: &Fleet, scope: &Scope, typing: bool) {
        if !typing {
            return self.order.expect_no_letters();
        }
        let held = self.held();
        let mut order = std::mem::take(&mut self.order);
        order.expect_letters(&self.rules(held.as_deref().unwrap_or(fleet), scope));
        self.order = order;
    }

    /// Brings the order up to date where that is due.
    pub fn reorder(&mut self, fleet: &Fleet, scope: &Scope) {
        let (unordered, unfiltered) = (std::mem::take(&mut self.unordered), std::mem::take(&mut self.unfiltered));
        if !unordered && !unfiltered {
            return;
        }
        let held = self.held();
        let fleet = held.as_deref().unwrap_or(fleet);
        let mut order = std::mem::take(&mut self.order);
        let rules = self.rules(fleet, scope);
        if unordered {
            order.rebuild(&rules);
            self.looked.behind = true;
            self.looked.prune(fleet, &self.resource, order.entries.len());
            if let Some(grep) = &mut self.grep {
                grep.behind = true;
            }
        } else {
            order.refilter(&rules)
        }
        self.order = order;
        self.follow(fleet);
    }

    /// Takes in changed rows. Without effect while a rebuild is due anyway.
    pub fn absorb(&mut self, fleet: &Fleet, scope: &Scope, changed: &[Entry]) {
        self.unordered |= self.unfiltered;
        if self.unordered || changed.is_empty() || self.frozen.is_some() {
            return;
        }
        if let Some(grep) = &mut self.grep {
            grep.follow(fleet, &self.resource, changed);
        }
        if self.sorted_choice().is_some() {
            self.looked.follow(fleet, &self.resource, changed);
        }
        let mut order = std::mem::take(&mut self.order);
        order.absorb(&self.rules(fleet, scope), changed);
        self.order = order;
        self.follow(fleet);
    }

    /// Puts the cursor back on its object; where that is gone, on what took its place.
    fn follow(&mut self, fleet: &Fleet) {
        let held = self.held();
        let fleet = held.as_deref().unwrap_or(fleet);
        let Some((cluster, uid)) = self.selected else {
            self.cursor.at = 0;
            return;
        };
        let slot = fleet.shard(cluster).table(&self.resource).and_then(|table| table.slot(uid));
        let found = slot.and_then(|slot| self.order.entries.iter().position(|e| *e == Entry { cluster, slot }));
        match found {
            Some(at) => {
                // The window moves with its object: rows that come above do not push it down the screen.
                self.cursor.top = (self.cursor.top + at).saturating_sub(self.cursor.at);
                self.cursor.at = at;
            }
            None => {
                self.cursor.at = self.cursor.at.min(self.order.entries.len().saturating_sub(1));
                self.select_here(fleet);
            }
        }
    }

    /// Remembers the object under the cursor.
    fn select_here(&mut self, fleet: &Fleet) {
        self.selected = self.key_at(fleet, self.cursor.at);
    }

    /// Cluster and uid of the n-th row in view.
    pub fn key_at(&self, fleet: &Fleet, at: usize) -> Option<(ClusterId, Uid)> {
        let (cluster, row) = self.row_at(fleet, at)?;
        Some((cluster, row.meta.uid))
    }

    /// The n-th row in view.
    pub fn row_at<'a>(&'a self, fleet: &'a Fleet, at: usize) -> Option<(ClusterId, &'a Row)> {
        let fleet = self.source(fleet);
        let entry = self.order.entries.get(at)?;
        let row = fleet.shard(entry.cluster).table(&self.resource)?.row(entry.slot)?;
        Some((entry.cluster, row))
    }

    /// The row under the cursor.
    pub fn row<'a>(&'a self, fleet: &'a Fleet) -> Option<(ClusterId, &'a Row)> {
        self.row_at(fleet, self.cursor.at)
    }

    /// Moves the cursor.
    pub fn step(&mut self, fleet: &Fleet, by: isize) {
        self.cursor.step(by, self.order.entries.len());
        self.select_here(fleet);
    }

    /// Sets the cursor on an object, if it is in view.
    pub fn go_to(&mut self, fleet: &Fleet, cluster: ClusterId, uid: Uid) {
        self.selected = Some((cluster, uid));
        self.follow(fleet);
    }

    /// Sorts by a column; again: the other way round.
    pub fn sort_by(&mut self, title: &str) {
        let before = self.sort.as_ref().filter(|sort| sort.column == title);
        // Whoever asks for use looks for the largest.
        let reverse = before.map_or_else(|| self.is_use(title), |sort| !sort.reverse);
        self.sort = Some(Sort { column: title.into(), reverse });
        self.unordered = true;
    }

    /// Whether a column of the kind says what is used.
    fn is_use(&self, title: &str) -> bool {
        let columns = kinds::of(&self.resource).map_or(&[][..], |kind| kind.columns);
        columns.iter().any(|column| column.title == title && column.is_use())
    }

    /// Whether it needs to know what is used: to show it, or to sort by it.
    pub fn shows_use(&self) -> bool {
        self.frozen.is_none() && (self.uses || self.sorts_by_use())
    }

    /// Whether it sorts by what is used.
    pub fn sorts_by_use(&self) -> bool {
        self.sort.as_ref().is_some_and(|sort| self.is_use(&sort.column))
    }

    /// The columns of the view, left to right.
    pub fn columns(&self, fleet: &Fleet, scope: &Scope) -> Vec<(ViewColumn, String, bool)> {
        self.all_columns(fleet, scope, false, !self.cramped)
    }

    /// Whether a column is shown that gives way where there is no room: not where no cluster has anything to say there,
    /// always where the view is sorted by it.
    fn has_way(&self, fleet: &Fleet, scope: &Scope, column: &Column, room: bool) -> bool {
        let served = |id: &ClusterId| fleet.shard(*id).serves_metrics();
        !column.yields
            || self.wide
            || self.sort.as_ref().is_some_and(|sort| sort.column == column.title)
            || (room && scope.clusters.iter().any(served))
    }

    /// The same, with the column that names causes where there are any; `room`: also for those that give way.
    fn all_columns(&self, fleet: &Fleet, scope: &Scope, why: bool, room: bool) -> Vec<(ViewColumn, String, bool)> {
        let kind = self.kind_columns(fleet, scope);
        if let Some(layout) = &self.layout {
            let namespaces = self.namespaced && scope.one_namespace().is_none();
            let mut placed = layout.place(kind, scope.clusters.len() > 1, namespaces, why, self.wide);
            placed.retain(|(column, ..)| match column {
                ViewColumn::Kind(n) => kind.get(*n).is_none_or(|column| self.has_way(fleet, scope, column, room)),
                _ => true,
            });
            return placed;
        }
        let cluster = (scope.clusters.len() > 1).then(|| (ViewColumn::Cluster, "CLUSTER".to_string(), false));
        let namespace = (self.namespaced && scope.one_namespace().is_none())
            .then(|| (ViewColumn::Namespace, "NAMESPACE".to_string(), false));
        let shown = kind.iter().enumerate().filter(|(_, column)| self.wide || !column.wide);
        let shown = shown.filter(|(_, column)| self.has_way(fleet, scope, column, room));
        let kind = shown.map(|(n, column)| (ViewColumn::Kind(n), column.title.to_string(), column.right));
        let why = why.then(|| (ViewColumn::Why, WHY.to_string(), false));
        cluster.into_iter().chain(namespace).chain(kind).chain(why).collect()
    }

    /// The columns of the kind, as the first cluster prints them that has said so.
    pub fn kind_columns<'a>(&self, fleet: &'a Fleet, scope: &Scope) -> &'a [Column] {
        let ready = scope.clusters.iter().copied().find(|id| {
            kinds::of(&self.resource).is_some()
                || fleet.shard(*id).table(&self.resource).is_some_and(|t| t.columns.is_some())
        });
        match ready.or(scope.clusters.first().copied()) {
            Some(id) => order::columns(fleet, id, &self.resource),
            None => &[],
        }
    }

    /// The visible part as text. `width` and `height` are those of the body, header line included.
    pub fn grid(
        &mut self,
        fleet: &Fleet,
        problems: &Problems,
        scope: &Scope,
        now: Time,
        (width, height): (usize, usize),
    ) -> Grid {
        let held = self.held();
        let fleet = held.as_deref().unwrap_or(fleet);
        let now = self.frozen.as_ref().map_or(now, |(at, _)| *at);
        self.cursor.clamp(self.order.entries.len(), height.saturating_sub(1));
        let kind = kinds::of(&self.resource).map_or("", |kind| kind.kind);
        let why = problems.explains(kind, &self.resource.group);
        let mut columns: Vec<_> = scrolled(self.all_columns(fleet, scope, why, true), self.left);
        let end = (self.cursor.top + height.saturating_sub(1)).min(self.order.entries.len());
        if columns.iter().any(|(column, ..)| matches!(column, ViewColumn::Chosen(_))) {
            let visible = self.order.entries.get(self.cursor.top..end).unwrap_or_default();
            self.looked.look(fleet, &self.resource, visible);
        }
        let mut rows: Vec<GridRow> =
            (self.cursor.top..end).filter_map(|at| self.grid_row(fleet, problems, &columns, now, at)).collect();
        let mut wanted = self.wanted(&columns, &rows);
        let total = wanted.iter().sum::<usize>() + wanted.len().saturating_sub(1);
        self.cramped = total > width.saturating_sub(1);
        if self.cramped {
            let least = scrolled(self.all_columns(fleet, scope, why, false), self.left);
            let stays: Vec<bool> = columns.iter().map(|column| least.contains(column)).collect();
            keep(&mut columns, &stays);
            keep(&mut wanted, &stays);
            rows.iter_mut().for_each(|row| keep(&mut row.cells, &stays));
        }
        let fixed: Vec<bool> = columns.iter().map(|(_, title, _)| self.fixed(title).is_some()).collect();
        let widths = name_first(&columns, &wanted, &fixed, width.saturating_sub(1));
        rows.iter_mut().for_each(|row| row.cells.truncate(widths.len()));
        self.uses = columns.iter().take(widths.len()).any(|(_, title, _)| self.is_use(title));
        let heads = columns.iter().zip(&widths).map(|((_, title, right), width)| GridColumn {
            title: title.clone(),
            width: *width as u16,
            right: *right,
            sorted: self.sort.as_ref().filter(|sort| sort.column == *title).map(|sort| sort.reverse),
            chosen: self.chosen.as_ref() == Some(title),
        });
        let empty = if rows.is_empty() { self.why_empty(fleet, scope, now) } else { vec![] };
        Grid { columns: heads.collect(), rows, empty }
    }

    fn grid_row(
        &self,
        fleet: &Fleet,
        problems: &Problems,
        columns: &[(ViewColumn, String, bool)],
        now: Time,
        at: usize,
    ) -> Option<GridRow> {
        let (cluster, row) = self.row_at(fleet, at)?;
        let shard = fleet.shard(cluster);
        let cells =
            columns.iter().map(|column| match (&column.0, self.cell_of(fleet, problems, column, cluster, row)) {
                // Where nothing is wrong, nothing is said.
                (ViewColumn::Why, Cell::Empty) => String::new(),
                (ViewColumn::Kind(_), Cell::Empty) if self.is_use(&column.1) => unmeasured(&shard.metrics, row).into(),
                (_, cell) => grid::text(&cell, now),
            });
        let feed = shard.table(&self.resource).map(|table| &table.feed);
        Some(GridRow {
            cells: cells.collect(),
            tone: row.tone,
            selected: at == self.cursor.at,
            marked: self.marks.contains(&(cluster, row.meta.uid)),
            whole: false,
            at: Some(at),
            stale: matches!(shard.link, Link::Lost { .. }) || matches!(feed, Some(Feed::Stale { .. })),
        })
    }

    /// Every column of the row under the cursor, hidden ones too, with what stands in it; nothing known is empty.
    pub fn cells(
        &self,
        fleet: &Fleet,
        problems: &Problems,
        scope: &Scope,
        now: Time,
        (cluster, row): (ClusterId, &Row),
    ) -> Vec<(String, String)> {
        let kind = self.kind_columns(fleet, scope).iter().enumerate();
        let mut columns = self.all_columns(fleet, scope, true, !self.cramped);
        for (n, column) in kind {
            if !columns.iter().any(|(_, title, _)| *title == *column.title) {
                columns.push((ViewColumn::Kind(n), column.title.to_string(), column.right));
            }
        }
        let text = |column: &(ViewColumn, String, bool)| match self.cell_of(fleet, problems, column, cluster, row) {
            Cell::Empty => String::new(),
            cell => grid::text(&cell, now),
        };
        columns.iter().map(|column| (column.1.clone(), text(column))).collect()
    }

    /// The rows for a file: titles, the columns that must be read from the objects, and the marked rows, or all in view.
    pub fn export_rows(
        &self,
        fleet: &Fleet,
        problems: &Problems,
        scope: &Scope,
        with_cells: bool,
    ) -> (Vec<String>, Vec<(usize, Choice)>, Vec<ExportRow>) {
        let fleet = self.source(fleet);
        let kind = kinds::of(&self.resource).map_or("", |kind| kind.kind);
        let columns = match with_cells {
            true => self.all_columns(fleet, scope, problems.explains(kind, &self.resource.group), !self.cramped),
            false => vec![],
        };
        let choice = |column: &ViewColumn| match column {
            ViewColumn::Chosen(n) => self.layout.as_ref()?.columns.get(*n).map(|(choice, _)| choice.clone()),
            _ => None,
        };
        let paths = columns.iter().enumerate().filter_map(|(at, (column, ..))| Some((at, choice(column)?)));
        let paths = paths.filter(|(_, choice)| matches!(choice.from, From::Path(_))).collect();
        let of = |cluster: ClusterId, row: &Row| ExportRow {
            cluster,
            namespace: row.meta.namespace.clone(),
            name: row.meta.name.to_string(),
            cells: columns.iter().map(|column| self.cell_of(fleet, problems, column, cluster, row)).collect(),
            raw: row.raw.clone(),
        };
        let shown = (0..self.order.entries.len()).filter_map(|at| self.row_at(fleet, at));
        let marked = |cluster: ClusterId, row: &Row| self.marks.contains(&(cluster, row.meta.uid));
        let mut rows: Vec<ExportRow> = vec![];
        let mut seen = HashSet::new();
        for (cluster, row) in shown.filter(|(cluster, row)| self.marks.is_empty() || marked(*cluster, row)) {
            seen.insert((cluster, row.meta.uid));
            rows.push(of(cluster, row));
        }
        // Marked rows that the filter hides are meant too.
        for (cluster, uid) in self.marks.iter().filter(|mark| !seen.contains(*mark)) {
            let table = fleet.shard(*cluster).table(&self.resource);
            let row = table.and_then(|table| table.row(table.slot(*uid)?));
            rows.extend(row.map(|row| of(*cluster, row)));
        }
        (columns.into_iter().map(|(_, title, _)| title).collect(), paths, rows)
    }

    /// One cell of a row.
    fn cell_of(
        &self,
        fleet: &Fleet,
        problems: &Problems,
        (column, title, _): &(ViewColumn, String, bool),
        cluster: ClusterId,
        row: &Row,
    ) -> Cell {
        let kind = order::columns(fleet, cluster, &self.resource);
        let metrics = &fleet.shard(cluster).metrics;
        match column {
            ViewColumn::Cluster => Cell::Text(fleet.shard(cluster).name.as_str().into()),
            ViewColumn::Namespace => Cell::Shared(row.meta.namespace.clone()),
            ViewColumn::Why => {
                let kind = kinds::of(&self.resource).map_or("", |kind| kind.kind);
                let object = ObjectRef::new(&self.resource.group, kind, &row.meta.namespace, &row.meta.name);
                problems.of(cluster, object).map_or(Cell::Empty, |problem| Cell::Text(Problem::brief(problem).into()))
            }
            ViewColumn::Chosen(n) => {
                let choice = self.layout.as_ref().and_then(|layout| layout.columns.get(*n));
                choice.map_or(Cell::Empty, |(choice, _)| self.looked.cell(cluster, row, choice))
            }
            // Clusters of different versions may print different columns.
            ViewColumn::Kind(n) => match kind.get(*n).is_some_and(|c| c.title == *title) {
                true => cell(kind, *n, row, metrics),
                false => {
                    kind.iter().position(|c| c.title == *title).map_or(Cell::Empty, |n| cell(kind, n, row, metrics))
                }
            },
        }
    }

    fn fixed(&self, title: &str) -> Option<usize> {
        self.fixed.iter().find(|(known, _)| known == title).map(|(_, width)| usize::from(*width))
    }

    fn wanted(&mut self, columns: &[(ViewColumn, String, bool)], rows: &[GridRow]) -> Vec<usize> {
        let mut wanted = Vec::with_capacity(columns.len());
        for (n, (_, title, _)) in columns.iter().enumerate() {
            if let Some(width) = self.fixed(title) {
                wanted.push(width);
                continue;
            }
            let widest = rows.iter().filter_map(|row| row.cells.get(n)).map(|text| text.width()).max().unwrap_or(0);
            let arrow = usize::from(self.sort.as_ref().is_some_and(|sort| sort.column == *title));
            let mut width = widest.max(title.width() + arrow);
            match self.widths.iter_mut().find(|(known, _)| known == title) {
                Some((_, before)) => {
                    width = width.max(*before);
                    *before = width;
                }
                None => self.widths.push((title.clone(), width)),
            }
            wanted.push(width);
        }
        wanted
    }

    /// Why there is nothing to see, cluster by cluster.
    fn why_empty(&self, fleet: &Fleet, scope: &Scope, now: Time) -> Vec<String> {
        let what = self.resource.plural.as_str();
        let place = match (self.namespaced, scope.namespaces.as_slice()) {
            (true, [one]) => format!(" in {one}"),
            (true, [_, ..]) => format!(" in {}", scope.namespaces.join(", ")),
            _ => String::new(),
        };
        let mut lines = vec![];
        for &id in &scope.clusters {
            let shard = fleet.shard(id);
            let table = shard.table(&self.resource);
            let held = table.map_or(0, |table| table.len());
            lines.push(match (&shard.link, table.map(|table| &table.feed)) {
                (Link::Closed, _) => format!("{} is not opened (:fleet, then Enter on it)", shard.name),
                (Link::Lost { reason, retry_at, .. }, _) => lost(&shard.name, reason, *retry_at, now),
                (_, Some(Feed::Denied(reason))) => {
                    let hint = match (self.namespaced, scope.namespaces.is_empty()) {
                        (true, true) => format!("; try a namespace: `:{what} NAME`"),
                        (true, false) => format!("; try another namespace: `:{what} NAME`"),
                        (false, _) => String::new(),
                    };
                    format!("you may not list {what} on {} (403): {reason}{hint}", shard.name)
                }
                (_, Some(Feed::Unknown(reason))) => format!("{} has no {what}: {reason}", shard.name),
                (_, Some(Feed::Stale { reason, since })) => {
                    format!("{what} on {} are {} old: {reason}", shard.name, human(since.age(now)))
                }
                (Link::Connecting, _) => format!("connecting to {}", shard.name),
                (_, Some(Feed::Loading { seen, about })) => format!("loading {}", loading(&shard.name, *seen, *about)),
                (_, None | Some(Feed::Idle)) => format!("asking {} for {what}", shard.name),
                (_, Some(Feed::Live)) if held > 0 && !self.filter.is_empty() => {
                    format!(
                        "no {what}{place} on {} match /{} ({held} hidden; Esc clears)",
                        shard.name,
                        self.filter.text()
                    )
                }
                (_, Some(Feed::Live)) if held > 0 && self.grep.is_some() => {
                    let text = self.grep.as_ref().map(Grep::title).unwrap_or_default();
                    format!(
                        "no object of the {what}{place} on {} contains {text} ({held} hidden; Esc clears)",
                        shard.name
                    )
                }
                (_, Some(Feed::Live)) if held > 0 && self.faults => {
                    format!("nothing is wrong with the {what}{place} on {}", shard.name)
                }
                (_, Some(Feed::Live)) => match &self.within {
                    Some(within) => format!("no {what} {} on {}", within.title(), shard.name),
                    None if !place.is_empty() && held > 0 => {
                        format!(
                            "no {what}{place} on {}; {} elsewhere: 0 shows all namespaces",
                            shard.name,
                            thousands(held)
                        )
                    }
                    None if !place.is_empty() => {
                        format!("no {what}{place} on {}; 0 shows all namespaces", shard.name)
                    }
                    None => format!("no {what}{place} on {}", shard.name),
                },
            });
        }
        if lines.is_empty() {
            lines.push("no cluster is opened: `:fleet`, then Enter on one".into());
        }
        lines
    }

    /// How current the rows are, for the top line: `live`, or what is not.
    pub fn freshness(&self, fleet: &Fleet, scope: &Scope, now: Time) -> String {
        if let Some((at, _)) = &self.frozen {
            return format!("frozen {}", human(at.age(now)));
        }
        let mut said = vec![];
        for &id in &scope.clusters {
            let shard = fleet.shard(id);
            match (&shard.link, shard.table(&self.resource).map(|table| &table.feed)) {
                (Link::Lost { since, .. }, _) => said.push(format!("{} lost {}", shard.name, human(since.age(now)))),
                (Link::Connecting, _) => said.push(format!("{} connecting", shard.name)),
                (_, Some(Feed::Stale { since, .. })) => {
                    said.push(format!("{} {} old", shard.name, human(since.age(now))));
                }
                (_, Some(Feed::Loading { seen, about })) => {
                    said.push(format!("loading {}", loading(&shard.name, *seen, *about)));
                }
                (_, Some(Feed::Denied(_))) => said.push(format!("{} denied", shard.name)),
                _ => {}
            }
            if let Some(narrowed) = shard.table(&self.resource).map(|t| &t.narrowed).filter(|n| !n.is_empty()) {
                said.push(format!("{} only ns {}", shard.name, narrowed.join(",")));
            }
        }
        if said.is_empty() { "live".into() } else { said.join(" · ") }
    }
}

/// What stands where nothing is known of the use of an object: nothing as long as it may still come.
fn unmeasured(metrics: &Metrics, row: &Row) -> &'static str {
    let of = if matches!(row.body, Body::Pod(_)) { Of::Pods } else { Of::Nodes };
    if matches!(metrics.feed(of), Feed::Idle | Feed::Loading { .. }) { "" } else { "n/a" }
}

/// Keeps what stays.
fn keep<T>(all: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    all.retain(|_| stays.next().copied().unwrap_or(true));
}

/// Widths of columns: a name tells the row, so it is cut only when everything else is as short as it may be.
/// Those that a person gave a width keep it.
fn name_first(columns: &[(ViewColumn, String, bool)], wanted: &[usize], fixed: &[bool], width: usize) -> Vec<usize> {
    let name = columns.iter().zip(fixed).position(|((_, title, _), fixed)| title == "NAME" && !fixed);
    let fit = |least_name: usize| {
        let least: Vec<usize> = (0..columns.len())
            .map(|n| match n {
                n if fixed.get(n) == Some(&true) => wanted.get(n).copied().unwrap_or(CELL_LEAST),
                n if Some(n) == name => least_name,
                _ => CELL_LEAST,
            })
            .collect();
        grid::fit_columns(wanted, width, &least).0
    };
    let short = fit(NAME_LEAST);
    let wish = name.and_then(|n| wanted.get(n)).copied().unwrap_or(0).min(NAME_MOST);
    let longer = (NAME_LEAST + 1..=wish).rev().map(fit).find(|widths| widths.len() == short.len());
    longer.unwrap_or(short)
}

/// The first columns (up to NAME) stay, `left` of the others are scrolled out.
fn scrolled(all: Vec<(ViewColumn, String, bool)>, left: usize) -> Vec<(ViewColumn, String, bool)> {
    let fixed = all.iter().position(|(_, title, _)| title == "NAME").map_or(0, |n| n + 1);
    let left = left.min(all.len().saturating_sub(fixed + 1));
    all.into_iter().enumerate().filter(|(n, _)| *n < fixed || *n >= fixed + left).map(|(_, column)| column).collect()
}

/// `edge is unreachable: dial tcp … (retry in 12s, Ctrl-R retries now)`
pub fn lost(name: &str, reason: &str, retry_at: Time, now: Time) -> String {
    let wait = human(retry_at.0.saturating_sub(now.0).max(0));
    format!("{name} is unreachable: {reason} (retry in {wait}, Ctrl-R retries now)")
}

/// `prod-us: 12 000 of about 50 000`
fn loading(name: &str, seen: usize, about: Option<usize>) -> String {
    match about {
        Some(about) => format!("{name}: {} of about {}", thousands(seen), thousands(about.max(seen))),
        None => format!("{name}: {} so far", thousands(seen)),
    }
}

/// A number with a space before every third digit.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}
