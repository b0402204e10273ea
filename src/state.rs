//! The one state that `update` owns and `ui` draws.

mod belonging;
pub mod command;
mod containers;
pub mod difference;
pub mod favourites;
pub mod filter;
mod fold;
pub mod forwards;
pub mod grid;
pub mod head;
pub mod layout;
pub mod list;
mod listings;
pub mod logs;
pub mod look;
pub mod metering;
pub mod nav;
pub mod notices;
pub mod operation;
pub mod order;
pub mod permissions;
pub mod picked;
pub mod plugins;
pub mod problems;
pub mod prompt;
pub mod pulses;
pub mod recall;
pub mod table;
pub mod text;
pub mod tour;
pub mod transfers;
pub mod tree;
pub mod watch;
pub mod why;
mod written;

use crate::actions;
use crate::config::{Names, Plugin};
pub use crate::diagnose::case::Subject as WhySubject;
use crate::diagnose::ledger::PATIENCE;
use crate::effect::{Effect, Found, RequestId};
use crate::keymap::{Key, Keymap};
use crate::msg::forward::ForwardView;
use crate::msg::{Level, OperationStatus, OperationView, StepState};
use crate::world::choice::Choice;
use crate::world::fleet::{ClusterId, Fleet};
use crate::world::glob::shell;
use crate::world::object::ResourceId;
use crate::world::time::Time;
use favourites::Favourites;
use filter::Filter;
use grid::Grid;
use head::Head;
use layout::Layouts;
use list::{ListOf, ListView};
use logs::streams;
use look::Look;
use nav::{Nav, Scope, Screen, View};
use notices::Notices;
use problems::Problems;
use prompt::Prompt;
use ratatui::layout::Rect;
use std::collections::{BTreeSet, HashMap};
use table::TableView;

/// What the program starts with.
#[derive(Debug)]
pub struct Start {
    /// Names of the kubeconfig's contexts, in its order; `ClusterId` is the index.
    pub contexts: Vec<String>,
    /// Clusters to open at once: the current context, or those named on the command line.
    pub open: Vec<ClusterId>,
    /// Namespaces to look at; empty: all.
    pub namespaces: Vec<String>,
    /// Refuse everything that writes.
    pub readonly: bool,
    /// Patterns of contexts where everything that writes is refused.
    pub frozen: Vec<String>,
    /// Contexts where no values of Secrets are shown.
    pub sealed: Vec<String>,
    /// Contexts that are not asked what CPU and memory they use.
    pub unmeasured: Vec<String>,
    /// The time.
    pub now: Time,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// What keys do.
    pub keymap: Keymap,
    /// Commands of earlier runs, oldest first.
    pub history: Vec<String>,
    /// A command to begin with, as typed after `:`; `None`: the start screen.
    pub command: Option<String>,
    /// Groups, aliases and favourites of the configuration.
    pub names: Names,
    /// Namespaces looked at in earlier runs, the latest last.
    pub visited: Vec<String>,
    /// Which columns tables show.
    pub layouts: Layouts,
    /// Programs of the user's own.
    pub plugins: Vec<Plugin>,
    /// URLs of the clusters' servers, in the order of the contexts; may be shorter.
    pub servers: Vec<String>,
    /// Colours of clusters by name (a name of the theme, or `#rrggbb`): the top line, and the frame of what is about
    /// to be written there.
    pub accents: HashMap<String, String>,
    /// Theme and terminal.
    pub look: Look,
}

/// Everything there is.
#[derive(Debug)]
pub struct State {
    /// What we know of the clusters.
    pub fleet: Fleet,
    /// The time, as of the last tick.
    pub now: Time,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Refuse everything that writes.
    pub readonly: bool,
    /// What we may do, as far as the clusters have said.
    pub permissions: permissions::Permissions,
    /// What help says of actions that apply and are refused.
    pub help_refused: HashMap<&'static str, String>,
    /// Clusters where everything that writes is refused.
    pub frozen: BTreeSet<ClusterId>,
    /// Clusters where no values of Secrets are shown.
    pub sealed: BTreeSet<ClusterId>,
    /// Colours of clusters by name; see [`Start::accents`].
    pub accents: HashMap<String, String>,
    /// Theme and terminal.
    pub look: Look,
    /// What keys do.
    pub keymap: Keymap,
    /// Clusters that somebody looked at.
    pub opened: BTreeSet<ClusterId>,
    /// Where one is.
    pub nav: Nav,
    /// The top line names the screens below.
    pub crumbs: bool,
    /// A column whose edge is being dragged.
    pub drag: Option<layout::Drag>,
    /// What is being typed.
    pub prompt: Option<Prompt>,
    /// Keys pressed that wait for more (`g` of `g g`).
    pub pending: Vec<Key>,
    /// What was said.
    pub notices: Notices,
    /// Every operation known, oldest first.
    pub operations: Vec<OperationView>,
    /// The copies from and to containers that run.
    pub transfers: Vec<transfers::Transfer>,
    /// Every port-forward, oldest first.
    pub forwards: Vec<ForwardView>,
    /// Steps of the tutorial; empty: there is none.
    pub tutorial: Vec<StepState>,
    /// The tutorial goes on without its panel.
    pub tutorial_hidden: bool,
    /// Commands typed, oldest first.
    pub history: Vec<String>,
    /// Namespaces behind the keys 1 to 9.
    pub favourites: Favourites,
    /// Groups and aliases of the configuration.
    pub names: Names,
    /// Which columns tables show.
    pub layouts: Layouts,
    /// Programs of the user's own.
    pub plugins: Vec<Plugin>,
    /// URLs of the clusters' servers, in the order of the contexts; may be shorter.
    pub servers: Vec<String>,
    /// What is wrong.
    pub problems: Problems,
    /// What the visible part looks like; `ui` paints it.
    pub painted: Painted,
    /// Names of the actions that applied where help was asked for.
    pub help_for: Vec<&'static str>,
    start_namespaces: Vec<String>,
    watches: watch::Watches,
    metering: metering::Metering,
    pulses: pulses::Pulses,
    next_request: u64,
    touched: bool,
    first_command: Option<String>,
}

/// What is visible, as text; compared to find out whether anything must be drawn.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Painted {
    /// The top line.
    pub head: Head,
    /// The bar of problems under it; empty: there is none.
    pub bar: String,
    /// The table or list in view.
    pub grid: Grid,
    /// The bottom line: hints or a notice.
    pub foot: head::Foot,
}

/// Where the parts of the screen are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Areas {
    /// The top line.
    pub head: Rect,
    /// The bar of problems; no rows when nothing is wrong.
    pub bar: Rect,
    /// The view.
    pub body: Rect,
    /// The tutorial; empty when there is none.
    pub tutorial: Rect,
    /// The bottom line.
    pub foot: Rect,
}

impl State {
    /// The state at the start; nothing is asked of the outside yet, see [`update::start`](crate::update::start).
    pub fn new(start: Start) -> Self {
        let count = start.contexts.len();
        let opened: BTreeSet<ClusterId> = start.open.into_iter().filter(|id| usize::from(id.0) < count).collect();
        let scope = Scope { clusters: opened.iter().copied().collect(), namespaces: start.namespaces.clone() };
        let mut favourites = Favourites::new(&start.names.favourites);
        for name in start
            .namespaces
            .iter()
            .map(String::as_str)
            .chain(["default"])
            .chain(start.visited.iter().map(String::as_str))
        {
            favourites.visit(name);
        }
        let is_frozen = |name: &String| start.frozen.iter().any(|pattern| shell(pattern, name));
        let ids = (0..).map(ClusterId).zip(&start.contexts);
        let frozen = ids.filter(|(_, name)| is_frozen(name)).map(|(id, _)| id).collect();
        let ids = (0..).map(ClusterId).zip(&start.contexts);
        let sealed = ids.filter(|(_, name)| start.sealed.contains(name)).map(|(id, _)| id).collect();
        let mut fleet = Fleet::new(start.contexts);
        for shard in &mut fleet.shards {
            shard.unmeasured = start.unmeasured.contains(&shard.name);
        }
        let mut state = Self {
            permissions: permissions::Permissions::default(),
            help_refused: HashMap::new(),
            frozen,
            sealed,
            fleet,
            now: start.now,
            size: start.size,
            readonly: start.readonly,
            accents: start.accents,
            look: start.look,
            keymap: start.keymap,
            opened,
            nav: Nav::new(scope),
            crumbs: true,
            prompt: None,
            drag: None,
            pending: vec![],
            notices: Notices::default(),
            operations: vec![],
            forwards: vec![],
            transfers: vec![],
            tutorial: vec![],
            tutorial_hidden: false,
            history: start.history,
            favourites,
            names: start.names,
            layouts: start.layouts,
            plugins: start.plugins,
            servers: start.servers,
            problems: Problems::new(PATIENCE),
            painted: Painted::default(),
            help_for: vec![],
            start_namespaces: start.namespaces,
            watches: watch::Watches::default(),
            metering: metering::Metering::default(),
            pulses: pulses::Pulses::default(),
            next_request: 0,
            touched: true,
            first_command: start.command,
        };
        state.bind_plugins().into_iter().for_each(|sentence| state.warn(sentence));
        state
    }

    /// The command to begin with; once.
    pub fn take_first_command(&mut self) -> Option<String> {
        self.first_command.take()
    }

    /// A number for a request.
    pub fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// Something visible may have changed that is not part of [`Painted`]: text, logs, a prompt.
    pub fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether that was so since the last call.
    pub fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    /// Opens clusters that nobody looked at yet.
    pub fn open(&mut self, clusters: &[ClusterId]) -> Vec<Effect> {
        let new = clusters.iter().filter(|id| self.opened.insert(**id)).copied();
        new.map(Effect::Open).collect()
    }

    /// Lets go of clusters: their rows, their watches, and their place in every view.
    pub fn close_clusters(&mut self, clusters: &[ClusterId]) -> Vec<Effect> {
        let closed: Vec<ClusterId> = clusters.iter().copied().filter(|id| self.opened.remove(id)).collect();
        for &id in &closed {
            self.forget_watches(id);
        }
        for screen in self.nav.screens_mut() {
            screen.scope.clusters.retain(|id| !closed.contains(id));
        }
        self.rescoped();
        closed.into_iter().map(Effect::Close).collect()
    }

    /// Says something.
    pub fn say(&mut self, text: String) {
        self.notices.add(Level::Info, text, self.now);
    }

    /// Says that something did not go as asked.
    pub fn warn(&mut self, text: String) {
        self.notices.add(Level::Warn, text, self.now);
    }

    /// Filters or searches the view.
    pub fn set_filter(&mut self, text: &str) {
        self.touch();
        match &mut self.nav.top_mut().view {
            // `/~text` is looked for in whole objects once it is typed: see `set_grep`.
            View::Table(table) if text.starts_with('~') => table.set_filter(Filter::default()),
            View::Table(table) => table.set_filter(Filter::parse(text)),
            View::List(list) => list.filter = Filter::parse(text),
            View::Logs(logs) => logs.set_filter(Filter::parse(text)),
            View::Tree(tree) => tree.set_filter(Filter::parse(text)),
            View::Text(view) => view.search(text),
            View::Operation(_) => {}
        }
    }

    /// Looks at these namespaces from here on; empty: all.
    pub fn set_namespaces(&mut self, namespaces: Vec<String>) {
        self.nav.top_mut().scope.namespaces = namespaces;
        self.rescoped();
    }

    /// Looks at these clusters and namespaces from here on.
    pub fn set_scope(&mut self, scope: Scope) {
        self.nav.top_mut().scope = scope;
        self.rescoped();
    }

    fn rescoped(&mut self) {
        self.touch();
        if let View::Table(table) = &mut self.nav.top_mut().view {
            table.unordered = true;
            // Columns come and go with the scope: their widths are those of other rows.
            table.widths.clear();
        }
    }

    /// Puts namespaces behind the keys 1 to 9, and keeps that for the next start.
    pub fn prefer(&mut self, namespaces: &[String]) -> Vec<Effect> {
        let before = self.favourites.visited().to_vec();
        namespaces.iter().for_each(|name| self.favourites.visit(name));
        let changed = before != self.favourites.visited();
        changed.then(|| Effect::SaveNamespaces(self.favourites.visited().to_vec())).into_iter().collect()
    }

    /// Brings the order of the table in view up to date.
    pub fn reorder(&mut self) {
        let fleet = &self.fleet;
        let typing = self.prompt.as_ref().is_some_and(|prompt| prompt.asks == prompt::Asks::Filter);
        let Screen { scope, view } = self.nav.top_mut();
        if let View::Table(table) = view {
            table.reorder(fleet, scope);
            table.expect_letters(fleet, scope, typing);
        }
    }

    /// Lets the windows of logs go on with what the pods have come to, and says so where there are too many.
    pub fn look_at_logs(&mut self) -> Vec<Effect> {
        let (mut effects, mut said) = (vec![], None);
        for screen in self.nav.screens_mut() {
            if let View::Logs(logs) = &mut screen.view {
                let before = logs.streams.left_out;
                effects.extend(logs.look(&self.fleet, self.now));
                let left = logs.streams.left_out;
                said = said.or((left > before).then(|| streams::too_many(left)));
            }
        }
        said.into_iter().for_each(|sentence| self.warn(sentence));
        effects
    }

    /// Has looked at in the background what the table in view is to be sorted by.
    pub fn look_at_objects(&mut self) -> Vec<Effect> {
        let fleet = &self.fleet;
        let Screen { scope, view } = self.nav.top_mut();
        let View::Table(table) = view else { return vec![] };
        let held = table.held();
        let objects = table.take_unlooked(fleet, scope);
        let (resource, paths) = (table.resource.clone(), table.looked.paths.clone());
        let (request, searched, found) = match &mut table.grep {
            Some(grep) if grep.behind => {
                let objects = grep.ask(held.as_deref().unwrap_or(fleet), &scope.clusters, &resource);
                (grep.request, grep.paths.clone(), objects)
            }
            _ => Default::default(),
        };
        let mut effects = vec![];
        if !found.is_empty() {
            effects.push(Effect::Look { request, resource: resource.clone(), paths: searched, objects: found });
        }
        if !objects.is_empty() {
            let request = self.request();
            effects.push(Effect::Look { request, resource, paths, objects });
        }
        effects
    }

    /// Takes in what was looked at.
    pub fn looked(&mut self, resource: &ResourceId, paths: &[Choice], found: &Found) {
        self.touch();
        for screen in self.nav.screens_mut() {
            if let View::Table(table) = &mut screen.view
                && table.resource == *resource
            {
                table.unordered |= table.looked.take(paths, found);
                if let Some(grep) = &mut table.grep
                    && grep.paths == paths
                {
                    grep.take(paths, found);
                    table.unordered = true;
                }
            }
        }
    }

    /// Whether an operation waits for confirmation.
    pub fn is_planned(&self, operation: &OperationView) -> bool {
        operation.status == OperationStatus::Planned
    }

    /// Confirmed: it is on its way, whatever comes next.
    pub fn start_operation(&mut self, id: &str) {
        if let Some(operation) = self.operations.iter_mut().find(|op| op.id == id) {
            operation.status = OperationStatus::Running;
        }
    }

    /// Puts a screen on top.
    pub fn push(&mut self, screen: Screen) -> Vec<Effect> {
        self.touch();
        self.forget_secrets();
        self.nav.push(screen).map(|gone| self.close(gone)).unwrap_or_default()
    }

    /// Values of a Secret are for the moment they are looked at: they go when the screen is left, whichever way.
    fn forget_secrets(&mut self) {
        if matches!(&self.nav.top().view, View::Text(text) if matches!(text.of, text::TextOf::Decoded { .. })) {
            self.nav.pop();
        }
    }

    /// Puts a view on top, in the scope of the one below.
    pub fn show(&mut self, view: View) -> Vec<Effect> {
        let scope = self.nav.top().scope.clone();
        self.push(Screen { scope, view })
    }

    /// Shows a list, or goes on with it where it is in view already.
    pub fn show_list(&mut self, of: ListOf) -> Vec<Effect> {
        if of == ListOf::Help {
            let here: Vec<_> = actions::TABLE.iter().filter(|a| (a.when)(self)).collect();
            self.help_for = here.iter().map(|a| a.name).collect();
            self.help_refused = here.iter().filter_map(|a| Some((a.name, actions::refusal(self, a)?))).collect();
        }
        match &self.nav.top().view {
            View::List(list) if list.of == of => vec![],
            _ => {
                let mut list = ListView::new(of);
                if list.of == ListOf::Themes {
                    list.selected = Some(self.look.theme.clone());
                }
                self.show(View::List(list))
            }
        }
    }

    /// Goes back one screen.
    pub fn back(&mut self) -> Vec<Effect> {
        let Some(gone) = self.nav.pop() else { return vec![] };
        self.touch();
        if let View::Table(table) = &mut self.nav.top_mut().view {
            table.unordered = true;
        }
        self.close(gone)
    }

    /// Ends what a screen that is gone was waiting for.
    fn close(&mut self, gone: Screen) -> Vec<Effect> {
        match gone.view {
            View::Logs(logs) => vec![Effect::StopLogs(logs.request)],
            View::Table(TableView { grep: Some(grep), .. }) => vec![Effect::StopLook(grep.request)],
            View::Text(text)
                if matches!(text.of, text::TextOf::Why { .. } | text::TextOf::Difference { .. })
                    && text.waiting.is_some() =>
            {
                vec![Effect::StopWhy(text.request)]
            }
            View::Operation(screen) => self.discard(screen.id),
            // What was only looked at is not kept.
            View::List(list) if list.of == ListOf::Themes => vec![Effect::Theme(self.look.theme.clone())],
            _ => vec![],
        }
    }

    /// Forgets an operation that was planned and not confirmed.
    fn discard(&mut self, id: Option<String>) -> Vec<Effect> {
        let Some(id) = id else { return vec![] };
        let before = self.operations.len();
        self.operations.retain(|op| op.id != id || op.status != OperationStatus::Planned);
        if self.operations.len() < before { vec![Effect::Discard { operation: id }] } else { vec![] }
    }

    /// The operation with this id.
    pub fn operation(&self, id: &str) -> Option<&OperationView> {
        self.operations.iter().find(|op| op.id == id)
    }

    /// Where the parts of the screen are.
    pub fn areas(&self) -> Areas {
        let (width, height) = self.size;
        let mut rest = Rect::new(0, 0, width, height);
        let mut take = |rows: u16, bottom: bool| {
            let rows = rows.min(rest.height);
            let y = if bottom { rest.y + rest.height - rows } else { rest.y };
            let area = Rect::new(0, y, width, rows);
            rest.height -= rows;
            if !bottom {
                rest.y += rows;
            }
            area
        };
        let full = matches!(&self.nav.top().view, View::Logs(logs) if logs.full);
        let head = take(u16::from(!full), false);
        let foot = take(1, true);
        let bar = take(u16::from(!self.painted.bar.is_empty() && height >= 8 && !full), false);
        let shown = !self.tutorial.is_empty() && !self.tutorial_hidden && !full;
        let strip = shown && width < 110 && height >= 14;
        let mut tutorial = take(if strip { 5 } else { 0 }, true);
        let mut body = rest;
        if shown && width >= 110 {
            let side = 40;
            tutorial = Rect::new(body.x + body.width - side, body.y, side, body.height);
            body.width -= side;
        }
        Areas { head, bar, body, tutorial, foot }
    }

    /// The sections of the keymap that hold on a screen, the most special first.
    pub fn sections(&self, screen: &Screen) -> Vec<String> {
        let own: [&str; 2] = match &screen.view {
            View::Table(table) => [&table.resource.plural, "table"],
            View::List(list) => match list.of {
                ListOf::Fleet => ["fleet", "list"],
                ListOf::Containers { .. } => ["containers", "list"],
                ListOf::Forwards => ["forwards", "list"],
                ListOf::Managed { .. } => ["applications", "list"],
                ListOf::Columns { .. } => ["columns", "list"],
                ListOf::Pulses => ["pulses", "list"],
                _ => ["list", "list"],
            },
            View::Text(text) => match text.of {
                text::TextOf::Describe => ["describe", "text"],
                text::TextOf::Yaml { .. } => ["yaml", "text"],
                text::TextOf::Difference { .. } => ["diff", "text"],
                text::TextOf::Why { .. } => ["why", "text"],
                text::TextOf::Decoded { .. } => ["decoded", "text"],
                text::TextOf::Tour => ["tour", "text"],
            },
            View::Tree(_) => ["tree", "table"],
            View::Logs(_) => ["logs", "logs"],
            View::Operation(_) => ["operation", "operation"],
        };
        let mut sections: Vec<String> = own.iter().chain(&["global"]).map(|s| s.to_string()).collect();
        sections.dedup();
        sections
    }
}
