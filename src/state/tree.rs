//! A tree on screen (XRay): an object, or every object of a kind, with what belongs to it, live.

mod build;
mod kin;

pub use build::USED;

use super::State;
use super::filter::Filter;
use super::grid::{Grid, GridColumn, GridRow};
use super::nav::{Cursor, Scope, View};
use crate::gitops::locate::{self, Destination};
use crate::world::fleet::ClusterId;
use crate::world::glob::shell;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::Tone;
use crate::world::time::{Time, human};
use build::{Specs, build};
use serde_json::Value;
use std::collections::HashMap;
use unicode_width::UnicodeWidthStr;

/// Pods of the clusters in view beyond which the tree is made anew once a second and not with every change.
const MANY: usize = 5_000;
/// Roots of a tree of a whole kind.
const MOST_ROOTS: usize = 500;

/// What a tree begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// One object.
    Object(ClusterId, ObjectRef),
    /// Every object of a kind in view.
    Kind(ResourceId),
}

/// Whether lines hang below a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// None.
    Leaf,
    /// They are shown.
    Open,
    /// They are not.
    Closed,
}

/// One line of a tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Tells it from the others: the way from the root.
    pub key: String,
    /// Levels below the root.
    pub depth: usize,
    /// Whose.
    pub cluster: ClusterId,
    /// The object; of a container its pod.
    pub object: ObjectRef,
    /// The container.
    pub container: Option<String>,
    /// `Deployment web`
    pub text: String,
    /// How it stands.
    pub status: String,
    /// How it comes to stand here: `env LOG_LEVEL`, an address, what Argo CD says.
    pub note: String,
    /// The colour of that.
    pub tone: Tone,
    /// When it was made; [`Time::NEVER`] where that is not known.
    pub created: Time,
    /// Whether lines hang below it.
    pub fold: Fold,
}

/// State of a tree on screen.
#[derive(Debug)]
pub struct TreeView {
    /// What it begins with.
    pub roots: Roots,
    /// Namespaces whose ConfigMaps, Secrets and accounts are looked at.
    pub namespaces: Vec<String>,
    /// What was typed after `/`.
    pub filter: Filter,
    /// The lines in view.
    pub lines: Vec<Line>,
    /// Key of the line under the cursor; `None` until it was moved.
    pub selected: Option<String>,
    /// Cursor and window.
    pub cursor: Cursor,
    /// Lines that were folded or unfolded by hand.
    folds: HashMap<String, bool>,
    /// All that can be folded begins folded (`Some(false)`) or unfolded.
    all: Option<bool>,
    specs: Specs,
    /// Sum of the revisions that the lines were made from, and when.
    made: Option<(u64, Time)>,
}

impl TreeView {
    /// A tree that is still to grow.
    pub fn new(roots: Roots, namespaces: Vec<String>) -> Self {
        Self {
            roots,
            namespaces,
            filter: Filter::default(),
            lines: vec![],
            selected: None,
            cursor: Cursor::default(),
            folds: HashMap::new(),
            all: None,
            specs: Specs::new(),
            made: None,
        }
    }

    /// The kinds that it is made from beside those that are watched in any case, and of which namespaces (empty: all).
    /// What pods use is looked at only where it is known of which namespaces.
    pub fn needs(&self, scope: &Scope) -> Vec<(ResourceId, Vec<String>)> {
        let own = match &self.roots {
            Roots::Kind(resource) => Some((resource.clone(), scope.namespaces.clone())),
            Roots::Object(..) => None,
        };
        let middle = [("apps", "replicasets"), ("batch", "cronjobs")]
            .map(|(group, plural)| (ResourceId::new(group, plural), vec![]));
        let used = ["configmaps", "secrets", "serviceaccounts"]
            .map(|plural| (ResourceId::core(plural), self.namespaces.clone()));
        let used = used.into_iter().filter(|_| !self.namespaces.is_empty());
        own.into_iter().chain(middle).chain(used).collect()
    }

    /// For the top line: what it is a tree of.
    pub fn title(&self) -> String {
        match &self.roots {
            Roots::Object(_, object) => object.to_string(),
            Roots::Kind(resource) => resource.plural.clone(),
        }
    }

    /// The line under the cursor.
    pub fn line(&self) -> Option<&Line> {
        self.lines.get(self.cursor.at)
    }

    /// Moves the cursor.
    pub fn step(&mut self, by: isize) {
        self.cursor.step(by, self.lines.len());
        self.selected = self.line().map(|line| line.key.clone());
    }

    /// Unfolds or folds the line under the cursor; `None`: the other way round.
    pub fn fold(&mut self, open: Option<bool>) {
        let Some(line) = self.line() else { return };
        let is_open = match line.fold {
            Fold::Leaf => return,
            fold => fold == Fold::Open,
        };
        let key = line.key.clone();
        self.selected = Some(key.clone());
        self.folds.insert(key, open.unwrap_or(!is_open));
        self.made = None;
    }

    /// Goes to the line above that this one hangs on.
    pub fn up(&mut self) {
        let Some(depth) = self.line().map(|line| line.depth) else { return };
        let above = self.lines.iter().take(self.cursor.at).rposition(|line| line.depth < depth);
        if let Some(at) = above {
            self.step(at as isize - self.cursor.at as isize);
        }
    }

    /// Unfolds everything, or folds it again.
    pub fn fold_all(&mut self) {
        let any_closed = self.lines.iter().any(|line| line.fold == Fold::Closed);
        self.all = Some(any_closed);
        self.folds.clear();
        self.made = None;
    }

    /// Shows what passes this filter, and what leads to it.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.made = None;
    }

    /// Puts the cursor back on its line; where that is gone, on what took its place.
    fn follow(&mut self) {
        let found = self.selected.as_ref().and_then(|key| self.lines.iter().position(|line| line.key == *key));
        match found {
            Some(at) => {
                self.cursor.top = (self.cursor.top + at).saturating_sub(self.cursor.at);
                self.cursor.at = at;
            }
            None => self.cursor.at = self.cursor.at.min(self.lines.len().saturating_sub(1)),
        }
    }

    /// The visible part as text; brings the window to the cursor.
    pub fn grid(&mut self, now: Time, width: usize, height: usize) -> Grid {
        let height = height.saturating_sub(1);
        self.cursor.clamp(self.lines.len(), height);
        let shown = self.lines.iter().enumerate().skip(self.cursor.top).take(height);
        let cells: Vec<(usize, [String; 4])> = shown.map(|(n, line)| (n, cells(line, now))).collect();
        let titles = ["OBJECT", "STATUS", "AGE", "HOW"];
        let widest = |column: usize| {
            let of = cells.iter().filter_map(|(_, cells)| cells.get(column)).map(|cell| cell.width());
            of.max().unwrap_or(0).max(titles[column].len())
        };
        let (status, age) = (widest(1).min(24), widest(2));
        // The object first; what is left belongs to how it comes here.
        let room = width.saturating_sub(status + age + 8);
        let object = widest(0).min(room.saturating_sub(6).max(room / 2));
        let how = widest(3).min(room.saturating_sub(object));
        let widths = [object, status, age, how];
        let columns = titles.iter().zip(widths).filter(|(_, width)| *width > 0);
        let columns: Vec<GridColumn> = columns
            .map(|(title, width)| GridColumn {
                title: (*title).into(),
                width: width as u16,
                right: *title == "AGE",
                ..GridColumn::default()
            })
            .collect();
        let rows = cells.into_iter().map(|(n, cells)| GridRow {
            cells: cells.into_iter().take(columns.len()).collect(),
            tone: self.lines.get(n).map(|line| line.tone).unwrap_or_default(),
            selected: n == self.cursor.at,
            ..GridRow::default()
        });
        let rows: Vec<GridRow> = rows.collect();
        let empty = match (rows.is_empty(), self.filter.is_empty()) {
            (false, _) => vec![],
            (true, false) => vec![format!("nothing matches /{} (Esc clears)", self.filter.text())],
            (true, true) => vec![format!("no {} in view", self.title())],
        };
        Grid { columns, rows, empty }
    }
}

fn cells(line: &Line, now: Time) -> [String; 4] {
    let sign = match line.fold {
        Fold::Open => "▾",
        Fold::Closed => "▸",
        Fold::Leaf => "·",
    };
    let age = if line.created.is_set() { human(line.created.age(now)) } else { String::new() };
    [format!("{}{sign} {}", "  ".repeat(line.depth), line.text), line.status.clone(), age, line.note.clone()]
}

/// Leaves the lines that pass, and those that they hang on.
fn sift(lines: Vec<Line>, filter: &Filter) -> Vec<Line> {
    if filter.is_empty() {
        return lines;
    }
    // From the last line up: the depth of a line that must have its parents.
    let mut wanted: Option<usize> = None;
    let mut kept: Vec<Line> = vec![];
    for line in lines.into_iter().rev() {
        let leads = wanted.is_some_and(|depth| line.depth < depth);
        if leads || filter.line(format!("{} {} {}", line.text, line.status, line.note).trim_end()) {
            wanted = Some(line.depth);
            kept.push(line);
        }
    }
    kept.reverse();
    kept
}

/// The cluster that an Application deploys to: its own, or the one of the fleet that its destination names.
pub fn destination(state: &State, cluster: ClusterId, application: &Value) -> Option<ClusterId> {
    match locate::destination(application) {
        Destination::Here => Some(cluster),
        Destination::There { name, server } => state.cluster_called(name).or_else(|| state.cluster_called(server)),
    }
}

impl State {
    /// The cluster of the fleet that is called so: by the name of its context, or by the URL of its API server.
    pub fn cluster_called(&self, called: &str) -> Option<ClusterId> {
        let by_name = || self.fleet.iter().find(|(_, shard)| shard.name == called).map(|(id, _)| id);
        let by_server = || {
            let at = self.servers.iter().position(|known| locate::same_server(known, called))?;
            u16::try_from(at).ok().map(ClusterId)
        };
        (!called.is_empty()).then(|| by_name().or_else(by_server)).flatten()
    }

    /// Makes the tree in view anew where that is due.
    pub fn grow(&mut self) {
        let screen = self.nav.top();
        let View::Tree(tree) = &screen.view else { return };
        let shards = || screen.scope.clusters.iter().map(|id| self.fleet.shard(*id));
        let revision: u64 = shards().flat_map(|shard| shard.tables()).map(|(_, table)| table.revision + 1).sum();
        let pods: usize = shards().filter_map(|shard| shard.table(&ResourceId::core("pods"))).map(|t| t.len()).sum();
        let due = tree.made.is_none_or(|(known, at)| known != revision && (pods <= MANY || at != self.now));
        if !due {
            return;
        }
        let roots = self.roots(&tree.roots, &screen.scope);
        let (mut specs, folds, all) = match &mut self.nav.top_mut().view {
            View::Tree(tree) => (std::mem::take(&mut tree.specs), std::mem::take(&mut tree.folds), tree.all),
            _ => return,
        };
        let open = |key: &str, begins: bool| folds.get(key).copied().or(all).unwrap_or(begins);
        let lines = build(self, &roots, &mut specs, &open);
        let now = self.now;
        self.touch();
        if let View::Tree(tree) = &mut self.nav.top_mut().view {
            tree.lines = sift(lines, &tree.filter);
            (tree.specs, tree.folds, tree.made) = (specs, folds, Some((revision, now)));
            tree.follow();
        }
    }

    fn roots(&self, roots: &Roots, scope: &Scope) -> Vec<(ClusterId, ObjectRef)> {
        let resource = match roots {
            Roots::Object(cluster, object) => return vec![(*cluster, object.clone())],
            Roots::Kind(resource) => resource,
        };
        let (kind, namespaced) = super::command::kind_of(self, resource);
        let mut found = vec![];
        for &cluster in &scope.clusters {
            let Some(table) = self.fleet.shard(cluster).table(resource) else { continue };
            let here =
                |ns: &str| !namespaced || scope.namespaces.is_empty() || scope.namespaces.iter().any(|p| shell(p, ns));
            let rows = table.rows().filter(|(_, row)| here(&row.meta.namespace));
            let objects =
                rows.map(|(_, row)| ObjectRef::new(&resource.group, &kind, &row.meta.namespace, &row.meta.name));
            found.extend(objects.map(|object| (cluster, object)));
        }
        found.sort();
        found.truncate(MOST_ROOTS);
        found
    }
}

#[cfg(test)]
mod tests;
