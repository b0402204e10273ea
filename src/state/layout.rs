//! Which columns a person wants to see of a kind, in which order; and the cells of those that are not the kind's own.
//!
//! Labels stand in the rows. Annotations and paths are read from the whole objects, which are kept compressed: of the
//! rows on screen when they are drawn, of all rows only when somebody sorts by one, and that in the background.

use super::list::{ListRow, Listing};
use super::nav::View;
use super::order::{Entry, Sort};
use super::table::{ViewColumn, WHY};
use super::{State, command};
use crate::effect::{Effect, Found, Objects, RequestId};
use crate::world::choice::{Choice, From, evaluate};
use crate::world::column::Column;
use crate::world::fleet::{ClusterId, Fleet};
use crate::world::object::ResourceId;
use crate::world::row::{Cell, Raw, Row, Tone, Uid, Unpacker};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;

/// Objects looked at in between; more are looked at in the background.
const AT_ONCE: usize = 64;
/// Objects remembered in any case.
const MANY: usize = 1024;

/// The columns of a kind as a person wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Left to right, and whether each is shown.
    pub columns: Vec<(Choice, bool)>,
}

impl Layout {
    /// A layout that shows these.
    pub fn new(choices: Vec<Choice>) -> Self {
        Self { columns: choices.into_iter().map(|choice| (choice, true)).collect() }
    }

    /// The usual columns of a kind, those of the wide mode hidden.
    pub fn usual(kind: &[Column], namespaced: bool) -> Self {
        let front = [Some("CLUSTER"), namespaced.then_some("NAMESPACE")].into_iter().flatten();
        let mut columns: Vec<_> = front.map(|title| (Choice::own(title), true)).collect();
        columns.extend(kind.iter().map(|column| (Choice::own(&column.title), !column.wide)));
        columns.push((Choice::own(WHY), true));
        Self { columns }
    }

    /// This layout with everything else that the kind has behind it, hidden: what can be chosen from.
    pub fn with_hidden(&self, kind: &[Column], namespaced: bool) -> Self {
        let mut all = self.clone();
        for (choice, _) in Self::usual(kind, namespaced).columns {
            if all.columns.iter().any(|(known, _)| known.title == choice.title) {
                continue;
            }
            match choice.title.as_str() {
                // It is there whenever rows of several clusters must be told apart.
                "CLUSTER" => all.columns.insert(0, (choice, true)),
                _ => all.columns.push((choice, false)),
            }
        }
        all
    }

    /// The columns shown, left to right.
    pub fn shown(&self) -> impl Iterator<Item = &Choice> {
        self.columns.iter().filter(|(_, shown)| *shown).map(|(choice, _)| choice)
    }

    /// The columns shown that need the whole object.
    pub fn paths(&self) -> Vec<Choice> {
        self.shown().filter(|choice| matches!(choice.from, From::Path(_))).cloned().collect()
    }

    /// The columns as a view has them. `cluster`, `namespace`, `why`: whether these have anything to tell.
    pub fn place(
        &self,
        kind: &[Column],
        cluster: bool,
        namespace: bool,
        why: bool,
        wide: bool,
    ) -> Vec<(ViewColumn, String, bool)> {
        let mut placed: Vec<(ViewColumn, String, bool)> = vec![];
        for (n, (choice, _)) in self.columns.iter().enumerate().filter(|(_, (_, shown))| *shown) {
            let own = match (&choice.from, choice.title.as_str()) {
                (From::Own, "CLUSTER") => cluster.then_some((ViewColumn::Cluster, false)),
                (From::Own, "NAMESPACE") => namespace.then_some((ViewColumn::Namespace, false)),
                (From::Own, WHY) => why.then_some((ViewColumn::Why, false)),
                (From::Own, title) => {
                    kind.iter().position(|c| c.title == title).map(|at| (ViewColumn::Kind(at), kind[at].right))
                }
                _ => Some((ViewColumn::Chosen(n), false)),
            };
            placed.extend(own.map(|(column, right)| (column, choice.title.clone(), right)));
        }
        if cluster && !placed.iter().any(|(column, ..)| *column == ViewColumn::Cluster) {
            placed.insert(0, (ViewColumn::Cluster, "CLUSTER".into(), false));
        }
        if wide {
            for (at, column) in kind.iter().enumerate() {
                if !placed.iter().any(|(_, title, _)| *title == *column.title) {
                    placed.push((ViewColumn::Kind(at), column.title.to_string(), column.right));
                }
            }
        }
        placed
    }
}

/// The layouts of all kinds: those of the configuration, and over them those that were made on screen.
#[derive(Clone, Debug, Default)]
pub struct Layouts {
    configured: Vec<(String, Arc<Layout>)>,
    made: Vec<(String, Arc<Layout>)>,
    sorts: Vec<(String, Sort)>,
    /// Those of the configuration.
    widths: Vec<(String, Widths)>,
    /// Those that were made on screen, which win column by column.
    dragged: Vec<(String, Widths)>,
}

/// A column whose edge is being dragged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drag {
    /// The kind of the table.
    pub resource: ResourceId,
    /// The column.
    pub title: String,
    /// Where on the screen it began.
    pub from: u16,
    /// How wide the column was then.
    pub width: u16,
    /// How wide it is now.
    pub now: u16,
}

/// Columns by title, with the width that a person gave them.
pub type Widths = Vec<(String, u16)>;

/// The entry of a kind, by its whole name first, then by its plural.
fn entry<'a, T>(all: &'a [(String, T)], resource: &ResourceId) -> Option<&'a T> {
    let (whole, plural) = (resource.to_string(), resource.plural.as_str());
    let find = |name: &str| all.iter().find(|(kind, _)| kind == name).map(|(_, value)| value);
    find(&whole).or_else(|| find(plural))
}

impl Layouts {
    /// From the configuration, and from earlier runs: kinds as plural or `plural.group`, each with its columns.
    pub fn new(configured: &[(String, Vec<Choice>)], made: &[(String, Vec<Choice>)]) -> Self {
        let layouts = |all: &[(String, Vec<Choice>)]| {
            all.iter().map(|(kind, choices)| (kind.clone(), Arc::new(Layout::new(choices.clone())))).collect()
        };
        Self { configured: layouts(configured), made: layouts(made), ..Self::default() }
    }

    /// The same, with the order and the widths of the configuration, and the widths of earlier runs.
    pub fn with(
        mut self,
        sorts: &[(String, String, bool)],
        widths: &[(String, Widths)],
        dragged: &[(String, Widths)],
    ) -> Self {
        let sort = |column: &String, reverse: &bool| Sort { column: column.clone(), reverse: *reverse };
        self.sorts = sorts.iter().map(|(kind, column, reverse)| (kind.clone(), sort(column, reverse))).collect();
        (self.widths, self.dragged) = (widths.to_vec(), dragged.to_vec());
        self
    }

    /// What tables of a kind are sorted by at first, where somebody said so.
    pub fn sort(&self, resource: &ResourceId) -> Option<Sort> {
        entry(&self.sorts, resource).cloned()
    }

    /// The widths that a person gave to columns of a kind.
    pub fn widths(&self, resource: &ResourceId) -> Widths {
        let mut widths = entry(&self.dragged, resource).cloned().unwrap_or_default();
        for (title, width) in entry(&self.widths, resource).into_iter().flatten() {
            if !widths.iter().any(|(known, _)| known == title) {
                widths.push((title.clone(), *width));
            }
        }
        widths
    }

    /// Keeps the width that a column was given on screen; `None`: it goes by its content again.
    pub fn drag(&mut self, resource: &ResourceId, title: &str, width: Option<u16>) {
        let kind = resource.to_string();
        if !self.dragged.iter().any(|(known, _)| *known == kind) {
            self.dragged.push((kind.clone(), vec![]));
        }
        for (_, widths) in self.dragged.iter_mut().filter(|(known, _)| *known == kind) {
            widths.retain(|(known, _)| known != title);
            widths.extend(width.map(|width| (title.to_string(), width)));
        }
        self.dragged.retain(|(_, widths)| !widths.is_empty());
    }

    /// The layout of a kind; `None`: the usual columns.
    pub fn of(&self, resource: &ResourceId) -> Option<Arc<Layout>> {
        let (whole, plural) = (resource.to_string(), resource.plural.as_str());
        let find = |all: &[(String, Arc<Layout>)], name: &str| {
            all.iter().find(|(kind, _)| kind == name).map(|(_, layout)| layout.clone())
        };
        let configured = || find(&self.configured, &whole).or_else(|| find(&self.configured, plural));
        find(&self.made, &whole).or_else(configured)
    }

    /// Keeps what was made on screen.
    pub fn make(&mut self, resource: &ResourceId, layout: Layout) {
        self.made.retain(|(kind, _)| *kind != resource.to_string());
        self.made.push((resource.to_string(), Arc::new(layout)));
    }

    /// Forgets what was made on screen; whether there was something.
    pub fn forget(&mut self, resource: &ResourceId) -> bool {
        let name = resource.to_string();
        let before = self.made.len() + self.dragged.len();
        self.made.retain(|(kind, _)| *kind != name);
        self.dragged.retain(|(kind, _)| *kind != name);
        self.made.len() + self.dragged.len() < before
    }

    /// What was made on screen, as lines that config.toml takes too.
    pub fn lines(&self) -> Vec<String> {
        let quoted = |text: &str| toml::Value::String(text.into()).to_string();
        let line = |(kind, layout): &(String, Arc<Layout>)| {
            let columns: Vec<String> = layout.shown().map(|choice| quoted(&choice.text)).collect();
            format!("{} = [{}]", quoted(kind), columns.join(", "))
        };
        let mut lines: Vec<String> =
            std::iter::once("[columns]".to_string()).chain(self.made.iter().map(line)).collect();
        if !self.dragged.is_empty() {
            lines.push("[widths]".into());
            lines.extend(self.dragged.iter().map(|(kind, widths)| {
                let widths: Vec<String> =
                    widths.iter().map(|(title, width)| quoted(&format!("{title} {width}"))).collect();
                format!("{} = [{}]", quoted(kind), widths.join(", "))
            }));
        }
        lines
    }
}

/// A text looked for in whole objects.
#[derive(Debug)]
pub struct Grep {
    /// The text.
    pub text: String,
    /// The request that looks for it.
    pub request: RequestId,
    looked: Looked,
    column: Choice,
}

impl Grep {
    /// Nothing found yet.
    pub fn new(text: &str, request: RequestId) -> Self {
        let column = Choice { text: format!("~{text}"), title: String::new(), from: From::Text(text.into()) };
        let looked = Looked { behind: true, ..Looked::new(vec![column.clone()]) };
        Self { text: text.into(), request, looked, column }
    }

    /// Whether the object of a row contains it, as far as is known.
    pub fn has(&self, cluster: ClusterId, row: &Row) -> bool {
        self.looked.cell(cluster, row, &self.column) != Cell::Empty
    }

    /// For the top line: what is looked for, and how many objects are still to be read.
    pub fn title(&self) -> String {
        match self.looked.waiting {
            0 => format!("~{}", self.text),
            left => format!("~{} ({} to read)", self.text, super::table::thousands(left)),
        }
    }
}

impl std::ops::Deref for Grep {
    type Target = Looked;

    fn deref(&self) -> &Looked {
        &self.looked
    }
}

impl std::ops::DerefMut for Grep {
    fn deref_mut(&mut self) -> &mut Looked {
        &mut self.looked
    }
}

impl State {
    /// Shows only rows whose objects contain a text; empty: all rows again.
    pub fn set_grep(&mut self, text: &str) -> Vec<Effect> {
        self.touch();
        let request = self.request();
        let View::Table(table) = &mut self.nav.top_mut().view else { return vec![] };
        let before = std::mem::replace(&mut table.grep, (!text.is_empty()).then(|| Grep::new(text, request)));
        table.unordered = true;
        before.map(|grep| Effect::StopLook(grep.request)).into_iter().collect()
    }

    /// Everything that can be shown of a kind: the columns as they are, and behind them those that are hidden.
    pub fn columns_of(&self, resource: &ResourceId) -> Layout {
        let (_, namespaced) = command::kind_of(self, resource);
        let kind = self.nav.screens().iter().rev().find_map(|screen| match &screen.view {
            View::Table(table) if table.resource == *resource => Some(table.kind_columns(&self.fleet, &screen.scope)),
            _ => None,
        });
        let kind = kind.unwrap_or_default();
        match self.layouts.of(resource) {
            Some(layout) => layout.with_hidden(kind, namespaced),
            None => Layout::usual(kind, namespaced),
        }
    }

    /// Shows these columns of a kind from here on, and keeps that for the next start.
    pub fn set_columns(&mut self, resource: &ResourceId, layout: Layout) -> Vec<Effect> {
        self.layouts.make(resource, layout);
        self.layouts_changed(resource)
    }

    /// Brings the tables of a kind up to date with its layout, and keeps that for the next start.
    pub fn layouts_changed(&mut self, resource: &ResourceId) -> Vec<Effect> {
        self.touch();
        let layout = self.layouts.of(resource);
        let widths = self.layouts.widths(resource);
        for screen in self.nav.screens_mut() {
            if let View::Table(table) = &mut screen.view
                && table.resource == *resource
            {
                table.set_layout(layout.clone());
                table.fixed = widths.clone();
            }
        }
        vec![Effect::SaveColumns(self.layouts.lines())]
    }
}

/// The columns of a kind: shown or not, in their order.
pub fn listing(state: &State, resource: &ResourceId) -> Listing {
    let rows = state.columns_of(resource).columns.into_iter().map(|(choice, shown)| {
        let mark = if shown { "x" } else { "" };
        let cells = vec![mark.into(), choice.title.clone(), choice.source()];
        let row = ListRow::new(choice.title, cells);
        if shown { row } else { row.tone(Tone::Done) }
    });
    Listing {
        columns: &[("SHOWN", false), ("COLUMN", false), ("FROM", false)],
        rows: rows.collect(),
        empty: "no columns are known",
        ..Listing::default()
    }
}

/// Cells by object, and the version of the object that they were read from.
type Known = HashMap<(ClusterId, Uid), (Raw, Box<[Cell]>), RandomState>;

/// What was read of whole objects, each as long as its row does not change.
#[derive(Debug, Default)]
pub struct Looked {
    /// The columns it was read for.
    pub paths: Vec<Choice>,
    /// There may be rows to sort that nobody has looked at.
    pub behind: bool,
    /// Objects that are being looked at in the background.
    pub waiting: usize,
    known: Known,
}

impl Looked {
    /// Nothing yet, for these columns.
    pub fn new(paths: Vec<Choice>) -> Self {
        Self { paths, ..Self::default() }
    }

    /// The cell of a row; empty where nobody has looked yet.
    pub fn cell(&self, cluster: ClusterId, row: &Row, choice: &Choice) -> Cell {
        if let Some(cell) = choice.of_row(row) {
            return cell;
        }
        let n = self.paths.iter().position(|path| path.title == choice.title);
        let known = self.known.get(&(cluster, row.meta.uid));
        n.zip(known).and_then(|(n, (_, cells))| cells.get(n)).cloned().unwrap_or_default()
    }

    fn is_known(&self, cluster: ClusterId, row: &Row) -> bool {
        !row.raw.is_kept() || self.known.get(&(cluster, row.meta.uid)).is_some_and(|(raw, _)| *raw == row.raw)
    }

    /// Looks at the objects of a few rows.
    pub fn look(&mut self, fleet: &Fleet, resource: &ResourceId, entries: &[Entry]) {
        if self.paths.is_empty() {
            return;
        }
        let mut unpacker = Unpacker::default();
        for entry in entries {
            let row = fleet.shard(entry.cluster).table(resource).and_then(|table| table.row(entry.slot));
            if let Some(row) = row.filter(|row| !self.is_known(entry.cluster, row)) {
                let cells = evaluate(&self.paths, &mut unpacker, &row.raw);
                self.known.insert((entry.cluster, row.meta.uid), (row.raw.clone(), cells));
            }
        }
    }

    /// Rows changed: looks at them, or remembers that somebody has to.
    pub fn follow(&mut self, fleet: &Fleet, resource: &ResourceId, changed: &[Entry]) {
        match changed.len() <= AT_ONCE {
            true => self.look(fleet, resource, changed),
            false => self.behind = true,
        }
    }

    /// The objects that somebody has to look at in the background, once; nothing while others are on their way.
    pub fn ask(&mut self, fleet: &Fleet, clusters: &[ClusterId], resource: &ResourceId) -> Objects {
        if self.waiting > 0 {
            return vec![];
        }
        self.behind = false;
        let tables = clusters.iter().filter_map(|id| Some((*id, fleet.shard(*id).table(resource)?)));
        let rows = tables.flat_map(|(id, table)| table.rows().map(move |(_, row)| (id, row)));
        let unknown = rows.filter(|(id, row)| !self.is_known(*id, row));
        let unknown: Objects = unknown.map(|(id, row)| (id, row.meta.uid, row.raw.clone())).collect();
        self.waiting = unknown.len();
        unknown
    }

    /// Takes in what was found in the background. Answers for other columns are dropped.
    /// Whether everything that was asked for is in now.
    pub fn take(&mut self, paths: &[Choice], found: &Found) -> bool {
        if self.paths != paths {
            return false;
        }
        let cells = found.iter().map(|(cluster, uid, raw, cells)| ((*cluster, *uid), (raw.clone(), cells.clone())));
        self.known.extend(cells);
        self.waiting = self.waiting.saturating_sub(found.len());
        self.waiting == 0
    }

    /// Forgets objects that are gone, once they are many.
    pub fn prune(&mut self, fleet: &Fleet, resource: &ResourceId, rows: usize) {
        if self.known.len() > 2 * rows.max(MANY) {
            let is = |(cluster, uid): &(ClusterId, Uid)| {
                fleet.shard(*cluster).table(resource).is_some_and(|table| table.slot(*uid).is_some())
            };
            self.known.retain(|key, _| is(key));
        }
    }
}
