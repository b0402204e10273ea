//! The table of actions: what keys, the `:` line, the help screen, the hints and docs/actions.md are made from.
//!
//! A new action is one row here, one function in a file of [`actions`](self), and the words for its condition in
//! `reasons`. Whether it may run is asked in one place, [`refusal`]: read-only mode by its risk, its condition.

mod argo;
mod columns;
mod comparing;
mod entering;
mod exporting;
mod forwarding;
mod going;
mod logging;
mod looks;
mod moving;
mod need;
mod objects;
mod plugins;
mod reading;
mod reasons;
mod refusal;
mod relating;
mod sorting;
mod transferring;
mod writing;

pub use columns::answered as column_answered;
pub use going::{run_line, within_of};
pub use looks::mouse;
pub use need::Need;
pub use plugins::answered as input_answered;
pub use reading::ask_why;
pub use refusal::{denied, is_offered, is_open, refusal, refusal_of};
pub use writing::{answered, plan_edit};

use crate::effect::Effect;
use crate::kinds::Can;
use crate::state::State;
use crate::state::list::ListOf;
use crate::state::nav::View;
use crate::state::text::TextOf;

/// One row of the table.
#[derive(Debug)]
pub struct Action {
    /// Kebab-case; what keymaps and the `:` line call it.
    pub name: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// One or two words for the hints in the bottom line.
    pub label: &'static str,
    /// What it may do to the world.
    pub risk: Risk,
    /// Whether it makes sense now.
    pub when: fn(&State) -> bool,
    /// What must be allowed in the cluster.
    pub needs: &'static [Need],
    /// Does it; the text is what followed its name on the `:` line.
    pub run: fn(&mut State, &str) -> Vec<Effect>,
}

/// Rows are data; two are the same when they have the same name.
impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What an action may do to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Risk {
    /// Looks, changes nothing.
    Read,
    /// Changes a cluster or a repository, after its plan was confirmed.
    Write,
    /// Takes something away that does not come back by itself (evicted pods), after its plan was confirmed.
    Destructive,
}

impl Risk {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Risk::Read => "read",
            Risk::Write => "write",
            Risk::Destructive => "destructive",
        }
    }
}

impl Action {
    const fn read(
        name: &'static str,
        label: &'static str,
        doc: &'static str,
        run: fn(&mut State, &str) -> Vec<Effect>,
    ) -> Self {
        Self { name, doc, label, risk: Risk::Read, when: always, needs: &[], run }
    }

    const fn write(
        name: &'static str,
        label: &'static str,
        doc: &'static str,
        run: fn(&mut State, &str) -> Vec<Effect>,
    ) -> Self {
        Self { risk: Risk::Write, ..Self::read(name, label, doc, run) }
    }

    const fn destructive(
        name: &'static str,
        label: &'static str,
        doc: &'static str,
        run: fn(&mut State, &str) -> Vec<Effect>,
    ) -> Self {
        Self { risk: Risk::Destructive, ..Self::read(name, label, doc, run) }
    }

    const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    const fn when(mut self, when: fn(&State) -> bool) -> Self {
        self.when = when;
        self
    }
}

/// Every action, in the order of docs/actions.md.
pub static TABLE: &[Action] = &[
    // Everywhere
    Action::read("command", "go", "Type a command: a kind, a screen, or an action.", going::command),
    Action::read("filter", "filter", "Filter the rows, or search the text.", going::filter).when(can_filter),
    Action::read("clear-filter", "clear filter", "Show all rows again.", going::clear_filter),
    Action::read("back", "back", "Clear the filter; else go back to the screen before.", going::back),
    Action::read("help", "keys", "Show the keys of this screen and every action.", going::help),
    Action::read("tour", "tour", "Show the ten keys that matter, on one page.", going::tour),
    Action::read("aliases", "aliases", "List every kind with the names it answers to.", going::aliases),
    Action::read("problems", "problems", "List what is wrong in the fleet, grouped.", going::problems),
    Action::read("objects", "objects", "Show the objects that a problem is seen at.", going::objects).when(on_problem),
    Action::read("history-back", "back", "Go to the place visited before.", going::history_back),
    Action::read("history-forward", "forward", "Go forward again in the places visited.", going::history_forward),
    Action::read("last-view", "last", "Switch to the place visited last, and back again.", going::last_view),
    Action::read(
        "close-cluster",
        "close",
        "Let go of the cluster, or of the marked ones: rows, watches and connection.",
        going::close_clusters,
    )
    .when(on_open_cluster),
    Action::read("refresh", "refresh", "Draw everything again, and retry lost clusters now.", going::refresh),
    Action::read("crumbs", "crumbs", "Name the screens below in the top line, or leave them out.", going::crumbs),
    Action::read("tutorial", "tutorial", "Hide the tutorial, or show it again.", going::tutorial).when(has_tutorial),
    Action::read("theme", "theme", "Choose the colours; the theme under the cursor is shown at once.", looks::theme),
    Action::read(
        "mouse",
        "mouse",
        "Take the mouse, or leave it to the terminal so that it can select text.",
        looks::toggle_mouse,
    ),
    Action::read("suspend", "suspend", "Stop the program and go to the shell (fg comes back).", going::suspend),
    Action::read("quit", "quit", "Leave.", going::quit),
    // Moving
    Action::read("row-down", "down", "Move down.", moving::down),
    Action::read("row-up", "up", "Move up.", moving::up),
    Action::read("row-first", "top", "Go to the first line.", moving::first),
    Action::read("row-last", "bottom", "Go to the last line.", moving::last),
    Action::read("page-down", "page down", "Move down a screenful.", moving::page_down),
    Action::read("page-up", "page up", "Move up a screenful.", moving::page_up),
    Action::read("half-page-down", "half down", "Move down half a screenful.", moving::half_page_down),
    Action::read("half-page-up", "half up", "Move up half a screenful.", moving::half_page_up),
    Action::read("scroll-left", "left", "Scroll to the left.", moving::left),
    Action::read("scroll-right", "right", "Scroll to the right.", moving::right),
    // Rows
    Action::read("open", "open", "Go into what is under the cursor.", going::open).when(can_open),
    Action::read("mark", "mark", "Mark the row, or take the mark away.", moving::mark).when(has_row),
    Action::read("mark-range", "mark range", "Mark the rows from the last mark to here.", moving::mark_range)
        .when(on_table),
    Action::read("mark-none", "unmark", "Take away all marks.", moving::mark_none).when(on_table),
    Action::read("copy", "copy", "Copy the name of the row, or the whole text.", reading::copy),
    Action::read("copy-namespace", "copy ns", "Copy the namespace of the row.", reading::copy_namespace)
        .when(has_object),
    Action::read("owner", "owner", "Go to the controller that owns the object.", going::owner).when(has_owner),
    Action::read("node", "node", "Go to the node that the pod runs on.", going::node).when(on_pods),
    Action::read("children", "owned", "Go to what the object owns or leads to.", relating::children).when(has_object),
    Action::read(
        "application",
        "application",
        "Go to the Argo CD Application that the object belongs to.",
        relating::application,
    )
    .when(has_object),
    Action::read(
        "used-by",
        "used by",
        "Show the workloads and pods that use the ConfigMap, Secret, claim or ServiceAccount.",
        relating::xray,
    )
    .when(relating::is_used),
    Action::read(
        "xray",
        "tree",
        "Show the object as a tree: what it owns, what its pods use, where it leads; or who uses it.",
        relating::xray,
    )
    .when(has_object),
    Action::read("fold", "fold", "Fold the line, or go to the one it hangs on.", relating::fold).when(on_tree),
    Action::read("unfold", "unfold", "Unfold the line.", relating::unfold).when(on_tree),
    Action::read(
        "fold-all",
        "fold all",
        "Unfold every line, or fold all again; YAML to a level, 0 for none: `:fold-all 2`.",
        relating::fold_all,
    )
    .when(on_tree_or_yaml),
    Action::read("in-table", "in table", "Go to the object in the table of its kind.", relating::in_table)
        .when(on_tree),
    Action::read("wide", "wide", "Show all columns, or the usual ones.", sorting::wide).when(on_table),
    Action::read(
        "columns",
        "columns",
        "Choose the columns of the table: show, hide, order; with words: NAME,labels.app  +.spec.nodeName  -IP  reset.",
        columns::columns,
    )
    .when(columns::has_columns),
    Action::read(
        "export",
        "export",
        "Write the marked rows, or all that are shown: csv, json or yaml, and a file, or - for the clipboard.",
        exporting::export,
    )
    .when(on_table),
    Action::read("freeze", "freeze", "Let the table stand still while data goes on coming, or go on.", sorting::freeze)
        .when(on_table),
    Action::read(
        "grep",
        "grep",
        "Show only rows whose whole object contains a text; the same as /~TEXT, nothing shows all again.",
        sorting::grep,
    )
    .when(on_table),
    Action::read("column-show", "show, hide", "Show the column, or hide it.", columns::show).when(columns::on_columns),
    Action::read("column-earlier", "left", "Move the column to the left.", columns::earlier).when(columns::on_columns),
    Action::read("column-later", "right", "Move the column to the right.", columns::later).when(columns::on_columns),
    Action::read(
        "column-add",
        "add",
        "Add a label, an annotation or a path of the object as a column: labels.app, .spec.nodeName as NODE.",
        columns::ask,
    )
    .when(columns::has_columns),
    Action::read("faults", "faults", "Show only what is not as it should be.", sorting::faults).when(on_table),
    Action::read("sort-name", "by name", "Sort by name; again reverses.", sorting::by_name).when(on_table),
    Action::read("sort-age", "by age", "Sort by age; again reverses.", sorting::by_age).when(on_table),
    Action::read("sort-namespace", "by ns", "Sort by namespace; again reverses.", sorting::by_namespace).when(on_table),
    Action::read("sort-status", "by status", "Sort by status; again reverses.", sorting::by_status).when(on_table),
    Action::read("sort-column", "by column", "Sort by the chosen column; again reverses.", sorting::by_chosen)
        .when(on_table),
    Action::read("column-left", "column", "Choose the column to the left.", sorting::column_left).when(on_table),
    Action::read("column-right", "column", "Choose the column to the right.", sorting::column_right).when(on_table),
    Action::read("namespace-all", "all ns", "Look at all namespaces.", sorting::namespace::<0>),
    Action::read("namespace-1", "ns 1", "Look at the first favourite namespace.", sorting::namespace::<1>),
    Action::read("namespace-2", "ns 2", "Look at the second favourite namespace.", sorting::namespace::<2>),
    Action::read("namespace-3", "ns 3", "Look at the third favourite namespace.", sorting::namespace::<3>),
    Action::read("namespace-4", "ns 4", "Look at the fourth favourite namespace.", sorting::namespace::<4>),
    Action::read("namespace-5", "ns 5", "Look at the fifth favourite namespace.", sorting::namespace::<5>),
    Action::read("namespace-6", "ns 6", "Look at the sixth favourite namespace.", sorting::namespace::<6>),
    Action::read("namespace-7", "ns 7", "Look at the seventh favourite namespace.", sorting::namespace::<7>),
    Action::read("namespace-8", "ns 8", "Look at the eighth favourite namespace.", sorting::namespace::<8>),
    Action::read("namespace-9", "ns 9", "Look at the ninth favourite namespace.", sorting::namespace::<9>),
    Action::read("row-namespace", "its ns", "Look at the namespace of the row only.", sorting::row_namespace)
        .when(has_object),
    // Objects
    Action::read("describe", "describe", "Show everything known about the object, with its events.", reading::describe)
        .when(has_object),
    Action::read("yaml", "yaml", "Show the object as YAML.", reading::yaml).when(has_object),
    Action::read("why", "why", "Explain what is wrong with the object, or with a URL.", reading::why).when(can_why),
    Action::read(
        "logs",
        "logs",
        "Follow the logs of the container, the pods, workloads, Services or Applications; `:logs -l app=web [NAMESPACE]`.",
        logging::logs,
    )
    .when(can_logs)
    .needs(need::LOGS),
    Action::read("logs-previous", "previous", "Show the logs of the run before.", logging::logs_previous)
        .when(can_logs)
        .needs(need::LOGS),
    Action::write("shell", "shell", "Open a shell in a container, or `:shell CONTAINER -- COMMAND`.", entering::shell)
        .when(can_exec)
        .needs(need::EXEC),
    Action::write("attach", "attach", "Connect the terminal with a container's own process.", entering::attach)
        .when(can_exec)
        .needs(need::ATTACH),
    Action::read(
        "copy-from",
        "copy from",
        "Copy a file or directory from a container to this machine.",
        transferring::copy_from,
    )
    .when(can_exec)
    .needs(need::EXEC),
    Action::write(
        "copy-to",
        "copy to",
        "Copy a file or directory of this machine into a container.",
        transferring::copy_to,
    )
    .when(can_exec)
    .needs(need::EXEC),
    Action::read("stop-copies", "stop copies", "Stop every copy that runs.", transferring::stop).when(copies),
    // Port-forwards
    Action::read(
        "port-forward",
        "forward",
        "Forward a local port to the pod, or to a ready pod of the service or workload.",
        forwarding::port_forward,
    )
    .when(can_forward)
    .needs(need::FORWARD),
    Action::read("forwards", "forwards", "List the port-forwards that run.", forwarding::forwards),
    Action::read("stop-forward", "stop", "End the port-forward.", forwarding::stop).when(on_forward),
    Action::read("open-url", "open", "Open the port-forward in the browser.", forwarding::browse).when(on_forward),
    Action::read("copy-url", "copy URL", "Copy the URL of the port-forward.", forwarding::copy_url).when(on_forward),
    // Texts
    Action::read("next-hit", "next", "Go to the next hit of the search.", reading::next_hit).when(has_find),
    Action::read("previous-hit", "previous", "Go to the hit before.", reading::previous_hit).when(has_find),
    Action::read("next-link", "next object", "Go to the next line that leads to an object.", reading::next_link)
        .when(on_text),
    Action::read(
        "previous-link",
        "previous object",
        "Go to the line before that leads to an object.",
        reading::previous_link,
    )
    .when(on_text),
    Action::read("wrap", "wrap", "Let long lines go on in the next row, or cut them.", reading::wrap)
        .when(on_text_or_logs),
    Action::read(
        "managed-fields",
        "managedFields",
        "Show metadata.managedFields, or hide it.",
        reading::managed_fields,
    )
    .when(on_yaml),
    Action::read(
        "fold-line",
        "fold",
        "Fold what belongs to the line, or unfold it.",
        reading::fold_line,
    )
    .when(on_yaml),
    Action::read(
        "decode",
        "decode",
        "Show the values of the Secret, read anew; nothing keeps them when the screen is left.",
        reading::decode,
    )
    .when(of_secret)
    .needs(need::GET_SECRET),
    // Logs
    Action::read("follow", "follow", "Stay at the end of the log as lines come, or stop doing so.", logging::follow)
        .when(on_logs),
    Action::read("timestamps", "time", "Show when each line was written.", logging::timestamps).when(on_logs),
    Action::read("log-sources", "pods", "Name pod and container before each line, or leave them out.", logging::sources)
        .when(on_logs),
    Action::read("log-raw", "raw", "Show JSON as it was written, or its time, level and message first.", logging::raw)
        .when(on_logs),
    Action::read("log-full", "full", "Give the whole screen to the log, or part of it.", logging::full).when(on_logs),
    Action::read("log-mark", "mark", "Draw a line with the time under what came so far.", logging::mark).when(on_logs),
    Action::read("log-hide", "hide", "Hide the lines that do not pass the filter, or only mark those that do.", logging::hide)
        .when(on_logs),
    Action::read("log-context", "context", "Show lines around those that pass the filter: 3, 10, none.", logging::context)
        .when(on_logs),
    Action::read("save", "save", "Write the lines shown into a new file, or `:save PATH`.", logging::save).when(on_logs),
    Action::read("previous", "previous", "Switch between the run before and the current one.", logging::previous_run)
        .when(on_logs),
    Action::read("next-container", "container", "Show the next container, then all of them.", logging::next_container)
        .when(on_logs),
    Action::read("all-containers", "all", "Show all containers.", logging::all_containers).when(on_logs),
    Action::read("clear", "clear", "Forget the lines so far.", logging::clear).when(on_logs),
    Action::read("logs-tail", "tail", "Begin with the last 500 lines.", logging::since::<-1>).when(on_logs),
    Action::read("logs-head", "head", "Begin with the first line.", logging::since::<0>).when(on_logs),
    Action::read("logs-1m", "1m", "Begin one minute ago.", logging::since::<60>).when(on_logs),
    Action::read("logs-5m", "5m", "Begin five minutes ago.", logging::since::<300>).when(on_logs),
    Action::read("logs-15m", "15m", "Begin 15 minutes ago.", logging::since::<900>).when(on_logs),
    Action::read("logs-30m", "30m", "Begin 30 minutes ago.", logging::since::<1800>).when(on_logs),
    Action::read("logs-1h", "1h", "Begin an hour ago.", logging::since::<3600>).when(on_logs),
    // Changing things
    Action::write("cordon", "cordon", "Take nodes out of scheduling, with a reason, live and in git.", writing::cordon)
        .when(can_cordon)
        .needs(need::PATCH_NODE),
    Action::write("uncordon", "uncordon", "Put nodes back into scheduling, in git and live.", writing::uncordon)
        .when(can_cordon)
        .needs(need::PATCH_NODE),
    Action::destructive(
        "drain",
        "drain",
        "Cordon a node and evict its pods, after showing what that means.",
        writing::drain,
    )
    .when(can_cordon)
    .needs(need::PATCH_NODE),
    Action::write("scale", "scale", "Change the number of replicas, in git.", writing::scale)
        .when(can_scale)
        .needs(need::PATCH_UNTRACKED),
    Action::write(
        "limits",
        "limits",
        "Change CPU and memory of a container, limits and requests, in git.",
        writing::limits,
    )
    .when(can_limit)
    .needs(need::PATCH_UNTRACKED),
    Action::write(
        "edit",
        "edit",
        "Edit the object in $EDITOR; the changes become a plan, in git where it is tracked.",
        writing::edit,
    )
    .when(has_object)
    .needs(need::PATCH_UNTRACKED),
    Action::write(
        "debug",
        "debug",
        "Add a debug container to the pod, or go onto the node with a privileged pod that is deleted afterwards.",
        writing::debug,
    )
    .when(can_debug)
    .needs(need::DEBUG),
    Action::write(
        "restart",
        "restart",
        "Replace the pods of the workload, some at a time, and follow it.",
        objects::restart,
    )
    .when(can_roll)
    .needs(need::PATCH),
    Action::write(
        "rollback",
        "roll back",
        "Go back to an earlier revision of the workload or Application; the plan lists them.",
        objects::rollback,
    )
    .when(can_roll_back)
    .needs(need::PATCH_UNTRACKED),
    Action::write(
        "set-image",
        "image",
        "Change images, in git where the object is tracked, else live.",
        objects::set_image,
    )
    .when(can_image)
    .needs(need::PATCH_UNTRACKED),
    Action::write("trigger", "run now", "Make a Job from the CronJob now.", objects::trigger)
        .when(can_trigger)
        .needs(need::CREATE_JOB),
    Action::write(
        "suspend-job",
        "hold back",
        "Suspend the CronJob or Job, in git where it is tracked.",
        objects::suspend,
    )
    .when(can_suspend)
    .needs(need::PATCH_UNTRACKED),
    Action::write("resume-job", "let go on", "Resume the CronJob or Job, in git where it is tracked.", objects::resume)
        .when(can_resume)
        .needs(need::PATCH_UNTRACKED),
    Action::destructive(
        "delete",
        "delete",
        "Delete what is marked, or the object; the plan says what goes with it and what comes back.",
        objects::delete,
    )
    .when(has_object)
    .needs(need::DELETE),
    Action::destructive("kill", "kill", "Delete pods at once, without their time to end.", objects::kill)
        .when(of_pods)
        .needs(need::DELETE_POD),
    Action::read(
        "propagation",
        "what it owns",
        "Delete in background, foreground, or leave orphans.",
        objects::cascade,
    )
    .when(on_planned_delete),
    Action::read("force", "at once", "Delete or sync by force, or without.", objects::force).when(can_force),
    Action::write(
        "plugin",
        "plugin",
        "Run a program of config.toml on the object: `:plugin NAME`, or just its name.",
        plugins::run,
    )
    .when(plugins::any),
    // Argo CD
    Action::write(
        "sync",
        "sync",
        "Apply what git says: the Applications marked, or of one what is marked in it; the plan says what differs.",
        argo::sync,
    )
    .when(argo::on_application)
    .needs(need::PATCH_APPLICATION),
    Action::write(
        "refresh-app",
        "compare",
        "Let Argo CD compare the Application, or those marked, with git now.",
        argo::refresh,
    )
    .when(argo::on_application)
    .needs(need::PATCH_APPLICATION),
    Action::write("hard-refresh", "render anew", "The same, with the manifests rendered anew.", argo::hard_refresh)
        .when(argo::on_application)
        .needs(need::PATCH_APPLICATION),
    Action::write("terminate", "terminate", "End the operation of the Application that runs.", argo::terminate)
        .when(argo::on_application)
        .needs(need::PATCH_APPLICATION),
    Action::write(
        "auto-sync",
        "auto-sync",
        "Let the Application sync by itself, or not: the other way round, or `:auto-sync on prune self-heal`.",
        argo::auto_sync,
    )
    .when(argo::on_application)
    .needs(need::PATCH_APPLICATION),
    Action::read(
        "diff",
        "diff",
        "Compare what lives with git: of the Application, or of the object; a revision may follow.",
        comparing::diff,
    )
    .when(can_compare),
    Action::read("prune", "prune", "Sync or roll back with deleting what git does not have, or without.", argo::prune)
        .when(argo::on_planned_prune),
    Action::read("dry-run", "dry run", "Plan a dry run of the sync, or the sync itself.", argo::dry_run)
        .when(argo::on_planned_sync),
    Action::read("apply-only", "no hooks", "Plan the sync without hooks, or with them.", argo::apply_only)
        .when(argo::on_planned_sync),
    Action::read(
        "server-side",
        "server-side",
        "Plan the sync with server-side apply, without, or as the Application has it.",
        argo::server_side,
    )
    .when(argo::on_planned_sync),
    Action::read(
        "replace",
        "replace",
        "Plan the sync to replace objects, not to, or as the Application has it.",
        argo::replace,
    )
    .when(argo::on_planned_sync),
    Action::read(
        "only-differing",
        "what differs",
        "Plan to apply only what differs, everything, or as the Application has it.",
        argo::only_differing,
    )
    .when(argo::on_planned_sync),
    Action::read(
        "auto-sync-off",
        "switch auto-sync off",
        "Plan to switch auto-sync off before rolling back, or not to.",
        argo::auto_sync_off,
    )
    .when(argo::on_planned_rollback),
    Action::read("older", "older", "Plan to go back one revision more.", objects::older).when(on_planned_rollback),
    Action::read("newer", "newer", "Plan to go back one revision less.", objects::newer).when(on_planned_rollback),
    Action::read("confirm", "go on", "Press the button under the cursor; Cancel is the first.", writing::confirm)
        .when(on_planned),
    Action::read("switch", "switch", "Go to the other button.", writing::switch).when(on_planned),
    Action::write("finish", "finish", "Finish the operation that was left open.", writing::finish)
        .when(on_open_operation),
    Action::write("undo", "undo", "Undo the operation that was left open.", writing::undo).when(on_open_operation),
];

/// The action with this name.
pub fn find(name: &str) -> Option<&'static Action> {
    TABLE.iter().find(|action| action.name == name)
}

/// Runs an action, if it may run: the one place where [`refusal`] is asked.
pub fn perform(state: &mut State, action: &Action, args: &str) -> Vec<Effect> {
    if let Some(why) = refusal_of(state, action, args) {
        if denied(state, action).is_some() {
            state.permissions.doubt();
        }
        state.warn(why);
        return vec![];
    }
    // (What followed the name may be anything that somebody types, so it is not written down.)
    tracing::debug!("runs {}", action.name);
    state.touch();
    (action.run)(state, args)
}

fn always(_: &State) -> bool {
    true
}

fn has_tutorial(state: &State) -> bool {
    !state.tutorial.is_empty()
}

fn on_problem(state: &State) -> bool {
    state.problem().is_some()
}

fn on_open_cluster(state: &State) -> bool {
    !going::clusters_listed(state).is_empty()
}

fn on_table(state: &State) -> bool {
    matches!(state.nav.top().view, View::Table(_))
}

fn on_pods(state: &State) -> bool {
    match &state.nav.top().view {
        View::Table(table) => table.resource.plural == "pods",
        View::Tree(tree) => tree.line().is_some_and(|line| line.object.kind == "Pod"),
        _ => false,
    }
}

fn on_tree(state: &State) -> bool {
    matches!(state.nav.top().view, View::Tree(_))
}

fn on_text(state: &State) -> bool {
    matches!(state.nav.top().view, View::Text(_))
}

fn on_yaml(state: &State) -> bool {
    matches!(&state.nav.top().view, View::Text(text) if matches!(text.of, TextOf::Yaml { .. }))
}

fn on_tree_or_yaml(state: &State) -> bool {
    on_tree(state) || on_yaml(state)
}

fn of_secret(state: &State) -> bool {
    let shown = matches!(&state.nav.top().view, View::Text(text) if matches!(text.of, TextOf::Decoded { .. }));
    !shown && state.picked().is_some_and(|picked| picked.resource == crate::world::object::ResourceId::core("secrets"))
}

fn on_logs(state: &State) -> bool {
    matches!(state.nav.top().view, View::Logs(_))
}

fn on_text_or_logs(state: &State) -> bool {
    on_text(state) || on_logs(state)
}

fn on_operation(state: &State) -> bool {
    matches!(state.nav.top().view, View::Operation(_))
}

fn on_planned(state: &State) -> bool {
    let View::Operation(screen) = &state.nav.top().view else { return false };
    let operation = screen.id.as_ref().and_then(|id| state.operation(id));
    operation.is_some_and(|operation| state.is_planned(operation))
}

/// What was asked for on a screen that shows its plan.
fn asked(state: &State) -> Option<&crate::effect::Intent> {
    let View::Operation(screen) = &state.nav.top().view else { return None };
    on_planned(state).then_some(screen.asked.as_ref().map(|(_, intent)| intent)).flatten()
}

fn on_planned_delete(state: &State) -> bool {
    matches!(asked(state), Some(crate::effect::Intent::Delete { .. }))
}

fn on_planned_rollback(state: &State) -> bool {
    matches!(asked(state), Some(crate::effect::Intent::Rollback { .. })) || argo::on_planned_rollback(state)
}

fn can_force(state: &State) -> bool {
    on_planned_delete(state) || argo::on_planned_sync(state)
}

fn has_find(state: &State) -> bool {
    match &state.nav.top().view {
        View::Text(text) => text.find.is_some(),
        View::Logs(logs) => !logs.filter.is_empty(),
        _ => false,
    }
}

fn on_open_operation(state: &State) -> bool {
    use crate::state::operation::is_open;
    let View::Operation(screen) = &state.nav.top().view else { return false };
    screen.id.as_ref().and_then(|id| state.operation(id)).is_some_and(is_open)
}

fn can_filter(state: &State) -> bool {
    !on_operation(state)
}

fn can_open(state: &State) -> bool {
    match &state.nav.top().view {
        View::Table(table) => !table.order.entries.is_empty(),
        View::List(_) => state.list_key().is_some(),
        View::Text(text) => text.lines.get(text.cursor.at).is_some_and(|line| line.target.is_some()),
        View::Tree(tree) => tree.line().is_some(),
        View::Logs(_) | View::Operation(_) => false,
    }
}

fn has_row(state: &State) -> bool {
    match &state.nav.top().view {
        View::Table(table) => !table.order.entries.is_empty(),
        View::List(list) => matches!(list.of, ListOf::Fleet | ListOf::Namespaces | ListOf::Managed { .. }),
        _ => false,
    }
}

fn has_object(state: &State) -> bool {
    state.picked().is_some()
}

fn can_compare(state: &State) -> bool {
    has_object(state) || argo::on_application(state)
}

fn has_owner(state: &State) -> bool {
    state.picked().is_some_and(|picked| picked.row(state).is_some_and(|row| row.meta.owner.is_some()))
}

fn picked_can(state: &State, can: Can) -> bool {
    state.picked().is_some_and(|picked| picked.can(can))
}

fn can_why(state: &State) -> bool {
    state.picked().is_none_or(|picked| picked.can(Can::Why))
}

fn can_logs(state: &State) -> bool {
    picked_can(state, Can::Logs)
}

fn can_exec(state: &State) -> bool {
    picked_can(state, Can::Exec)
}

fn can_debug(state: &State) -> bool {
    picked_can(state, Can::Exec) || picked_can(state, Can::Cordon)
}

fn can_forward(state: &State) -> bool {
    picked_can(state, Can::Forward)
}

fn copies(state: &State) -> bool {
    !state.transfers.is_empty()
}

fn on_forward(state: &State) -> bool {
    state.forward().is_some()
}

fn can_cordon(state: &State) -> bool {
    picked_can(state, Can::Cordon)
}

fn can_scale(state: &State) -> bool {
    picked_can(state, Can::Scale)
}

fn can_limit(state: &State) -> bool {
    picked_can(state, Can::Resources)
}

fn can_roll(state: &State) -> bool {
    picked_can(state, Can::Roll)
}

fn can_roll_back(state: &State) -> bool {
    can_roll(state) || argo::on_application(state)
}

fn can_image(state: &State) -> bool {
    picked_can(state, Can::Image)
}

fn can_trigger(state: &State) -> bool {
    picked_can(state, Can::Trigger)
}

/// Whether the row says that nothing is to be expected of it any more: suspended, or a Job that has ended.
fn at_rest(state: &State) -> bool {
    state.picked().is_some_and(|picked| picked.row(state).is_some_and(|row| row.tone == crate::world::row::Tone::Done))
}

fn can_suspend(state: &State) -> bool {
    picked_can(state, Can::Suspend) && !at_rest(state)
}

fn can_resume(state: &State) -> bool {
    picked_can(state, Can::Suspend) && at_rest(state)
}

fn of_pods(state: &State) -> bool {
    state.picked().is_some_and(|picked| picked.resource == crate::world::object::ResourceId::core("pods"))
}
