//! The two lines of frame: where one is and how current it is; what can be done here.

use super::list::ListOf;
use super::nav::{Scope, View};
use super::operation::is_open;
use super::problems::Problem;
use super::table::thousands;
use super::text::TextOf;
use super::{State, forwards, listings, pulses, transfers};
use crate::actions;
use crate::diagnose::verdict::Confidence;
use crate::keymap::written;
use crate::msg::Level;
use crate::theme::Meaning;
use crate::world::fleet::{ClusterId, Feed, Link};
use crate::world::row::Tone;
use crate::world::time::human;
use unicode_width::UnicodeWidthStr;

/// The top line.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Head {
    /// Where one is.
    pub left: Vec<(Meaning, String)>,
    /// How current it is.
    pub right: (Meaning, String),
}

/// The bottom line.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Foot {
    /// A notice, or keys and what they do.
    pub spans: Vec<(Meaning, String)>,
}

/// The top line for the screen in view.
pub fn head(state: &State) -> Head {
    let screen = state.nav.top();
    let mut left = vec![];
    match &screen.view {
        View::Table(table) => {
            left.push((Meaning::Cluster, clusters(state, &screen.scope)));
            left.push((Meaning::Title, table.resource.plural.clone()));
            if table.namespaced {
                let namespaces = match screen.scope.namespaces.as_slice() {
                    [] => "all namespaces".into(),
                    some => format!("ns {}", some.join(",")),
                };
                left.push((Meaning::Text, namespaces));
            }
            left.extend(table.within.as_ref().map(|within| (Meaning::Text, within.title())));
            if table.faults {
                left.push((Meaning::Warn, "faults only".into()));
            }
            left.extend(filter_span(&table.filter));
            left.extend(table.grep.as_ref().map(|grep| (Meaning::Match, grep.title())));
            left.push((Meaning::Muted, count(table, &state.fleet, &screen.scope)));
            if !table.marks.is_empty() {
                left.push((Meaning::Warn, format!("{} marked", table.marks.len())));
            }
        }
        View::List(list) => {
            left.push((Meaning::Title, list.of.title()));
            match list.of {
                ListOf::Fleet => {
                    let n = state.fleet.shards.len();
                    left.push((Meaning::Text, format!("{n} cluster{}", if n == 1 { "" } else { "s" })));
                }
                ListOf::Containers { cluster, .. } | ListOf::Managed { cluster, .. } => {
                    left.insert(0, (Meaning::Cluster, state.fleet.shard(cluster).name.clone()));
                }
                _ => {}
            }
            left.extend(filter_span(&list.filter));
        }
        View::Text(text) if matches!(text.of, TextOf::Tour) => left.push((Meaning::Title, "tour".into())),
        View::Text(text) => {
            left.push((Meaning::Cluster, state.fleet.shard(text.cluster).name.clone()));
            let (what, of) = text.title();
            left.push((Meaning::Title, what.into()));
            left.push((Meaning::Text, of));
            if matches!(&text.of, TextOf::Decoded { entries } if !entries.is_empty()) {
                left.push((Meaning::Warn, "values shown".into()));
            }
            if let Some(find) = &text.find {
                let at = find.hits.iter().position(|n| *n == text.cursor.at).map_or(0, |n| n + 1);
                left.push((Meaning::Match, format!("/{} {at} of {}", find.text, find.hits.len())));
            }
        }
        View::Tree(tree) => {
            left.push((Meaning::Cluster, clusters(state, &screen.scope)));
            left.push((Meaning::Title, "xray".into()));
            left.push((Meaning::Text, tree.title()));
            left.extend(filter_span(&tree.filter));
        }
        View::Logs(logs) => {
            left.push((Meaning::Cluster, clusters(state, &screen.scope)));
            left.push((Meaning::Title, if logs.previous { "previous logs" } else { "logs" }.into()));
            left.push((Meaning::Text, logs.title.clone()));
            left.extend(filter_span(&logs.filter));
            let lines = if logs.len() == logs.total() {
                format!("{} lines", thousands(logs.total()))
            } else {
                format!("{} of {} lines", thousands(logs.len()), thousands(logs.total()))
            };
            left.push((Meaning::Muted, lines));
            if logs.dropped > 0 {
                left.push((Meaning::Muted, format!("{} older dropped", thousands(logs.dropped))));
            }
            if logs.streams.left_out > 0 {
                left.push((Meaning::Warn, format!("{} containers left out", logs.streams.left_out)));
            }
        }
        View::Operation(operation) => {
            left.push((Meaning::Title, "operation".into()));
            left.push((Meaning::Text, operation.title.clone()));
        }
    }
    left.extend(forwards::span(state));
    left.extend(transfers::span(state));
    let right = right(state);
    let crumbs = crumbs(state, &left, &right.1);
    left.extend(crumbs);
    Head { left, right }
}

/// Screens below that are named.
const CRUMBS: usize = 4;

/// The way back: the screens that Esc leads to, the nearest first, as many as there is room for. The fleet is always the
/// last of them and is not named.
fn crumbs(state: &State, left: &[(Meaning, String)], right: &str) -> Option<(Meaning, String)> {
    if !state.crumbs {
        return None;
    }
    let used = left.iter().map(|(_, text)| text.width() + 2).sum::<usize>() + right.width() + 4;
    let mut room = usize::from(state.size.0).checked_sub(used)?;
    let mut shown: Vec<String> = vec![];
    let mut last = crumb(&state.nav.top().view);
    for screen in state.nav.screens().iter().skip(1).rev().skip(1) {
        // The same again, of another place, is one step in mind.
        let word = crumb(&screen.view);
        if word == last || shown.len() == CRUMBS {
            continue;
        }
        last.clone_from(&word);
        let crumb = format!("‹ {word}");
        let Some(rest) = room.checked_sub(crumb.width() + 1) else { break };
        room = rest;
        shown.push(crumb);
    }
    (!shown.is_empty()).then(|| (Meaning::Muted, shown.join(" ")))
}

/// A screen in a word or two.
fn crumb(view: &View) -> String {
    match view {
        View::Table(table) => match &table.within {
            Some(within) => format!("{} {}", table.resource.plural, within.title()),
            None => table.resource.plural.clone(),
        },
        View::List(list) => list.of.title(),
        View::Tree(tree) => format!("xray {}", tree.title()),
        View::Text(text) => text.title().0.into(),
        View::Logs(_) => "logs".into(),
        View::Operation(_) => "operation".into(),
    }
}

fn filter_span(filter: &super::filter::Filter) -> Option<(Meaning, String)> {
    match (filter.error(), filter.text()) {
        (Some(error), _) => Some((Meaning::Warn, error.into())),
        (None, "") => None,
        (None, text) => Some((Meaning::Match, format!("/{text}"))),
    }
}

fn clusters(state: &State, scope: &Scope) -> String {
    match scope.clusters.as_slice() {
        [] => "no cluster".into(),
        ids if ids.len() > 4 => format!("{} clusters", ids.len()),
        ids => ids.iter().map(|id| state.fleet.shard(*id).name.as_str()).collect::<Vec<_>>().join(" · "),
    }
}

/// `214`, or `3 of 214` where something is hidden.
fn count(table: &super::table::TableView, fleet: &crate::world::fleet::Fleet, scope: &Scope) -> String {
    let shown = table.order.entries.len();
    let fleet = table.source(fleet);
    let narrowed = !table.filter.is_empty() || table.faults || table.within.is_some() || table.grep.is_some();
    let all: usize =
        scope.clusters.iter().filter_map(|id| fleet.shard(*id).table(&table.resource)).map(|t| t.len()).sum();
    if narrowed && all != shown { format!("{} of {}", thousands(shown), thousands(all)) } else { thousands(shown) }
}

fn right(state: &State) -> (Meaning, String) {
    let screen = state.nav.top();
    let text = match &screen.view {
        View::Table(table) => table.freshness(&state.fleet, &screen.scope, state.now),
        View::List(list) if list.of == ListOf::Fleet => quiet(state),
        View::List(list) if list.of == ListOf::Pulses => pulses::freshness(state, &screen.scope).into(),
        View::List(list) => match &list.of {
            ListOf::Containers { cluster, .. } | ListOf::Managed { cluster, .. } => link(state, Some(*cluster)),
            _ => String::new(),
        },
        View::Text(text) => match (&text.waiting, &text.error, &text.of) {
            (Some(waiting), _, _) => format!("{waiting} …"),
            (_, Some(_), _) => "failed".into(),
            (_, _, TextOf::Why { verdict: Some(verdict), .. }) => {
                verdict.primary.as_ref().map(|finding| confidence(finding.confidence)).unwrap_or_default().into()
            }
            (_, _, TextOf::Tour) => String::new(),
            _ => link(state, Some(text.cluster)),
        },
        View::Tree(_) => {
            let not_live = |id: &&ClusterId| state.fleet.shard(**id).link != Link::Live;
            link(state, screen.scope.clusters.iter().find(not_live).or(screen.scope.clusters.first()).copied())
        }
        View::Logs(logs) => match (logs.streams.over(), logs.follow) {
            (true, _) => "ended".into(),
            (_, true) => "following".into(),
            (_, false) => "paused".into(),
        },
        View::Operation(_) => String::new(),
    };
    let calm = matches!(text.as_str(), "live" | "following" | "all quiet" | "certain");
    (if calm { Meaning::Good } else { Meaning::Warn }, text)
}

/// Sure in a word.
fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::High => "nearly certain",
        Confidence::Medium => "likely",
        Confidence::Low => "a guess",
    }
}

fn link(state: &State, cluster: Option<ClusterId>) -> String {
    let Some(cluster) = cluster else { return String::new() };
    match &state.fleet.shard(cluster).link {
        Link::Live => "live".into(),
        Link::Lost { since, .. } => format!("lost {}", human(since.age(state.now))),
        Link::Connecting => "connecting".into(),
        Link::Closed => "not opened".into(),
    }
}

/// For the fleet: `all quiet` only when everything that was opened could be read and is well.
fn quiet(state: &State) -> String {
    let count = |test: &dyn Fn(ClusterId) -> bool| state.opened.iter().filter(|id| test(**id)).count();
    let lost = count(&|id| matches!(state.fleet.shard(id).link, Link::Lost { .. }));
    let loading = count(&|id| {
        let shard = state.fleet.shard(id);
        matches!(shard.link, Link::Connecting | Link::Closed)
            || shard.tables().any(|(_, table)| matches!(table.feed, Feed::Loading { .. }))
    });
    let denied = count(&|id| state.fleet.shard(id).tables().any(|(_, table)| matches!(table.feed, Feed::Denied(_))));
    let problems = state.problems.list.len();
    let mut said = vec![];
    if problems > 0 {
        said.push(format!("{problems} problem{}", if problems == 1 { "" } else { "s" }));
    }
    for (n, word) in [(lost, "lost"), (loading, "loading"), (denied, "partly denied")] {
        if n > 0 {
            said.push(format!("{n} {word}"));
        }
    }
    match (said.is_empty(), state.opened.is_empty()) {
        (_, true) => "nothing opened".into(),
        (true, _) => "all quiet".into(),
        (false, _) => said.join(" · "),
    }
}

/// Problems named in the bar; there is no room for more on any screen.
const TITLES: usize = 12;

/// The bar under the top line: what is wrong, most first; empty when nothing is.
pub fn bar(state: &State) -> String {
    if matches!(&state.nav.top().view, View::List(list) if list.of == ListOf::Problems) {
        return String::new();
    }
    let mut said: Vec<String> = state
        .operations
        .iter()
        .filter(|operation| is_open(operation))
        .map(|operation| format!("{} was left open (:operations)", operation.title))
        .collect();
    for &id in &state.opened {
        if listings::unreachable(state, id).is_some() {
            said.push(format!("{} unreachable", state.fleet.shard(id).name));
        }
    }
    let others = said.len();
    said.extend(state.problems.list.iter().take(TITLES).map(Problem::headline));
    match said.len() {
        0 => String::new(),
        1 => format!("! {}", said[0]),
        _ => {
            let n = others + state.problems.list.len();
            let bad = if state.problems.list.iter().any(|p| p.tone == Tone::Bad) || others > 0 {
                "problems"
            } else {
                "warnings"
            };
            format!("! {n} {bad}: {}", said.join(" · "))
        }
    }
}

/// For the terminal's title: the clusters and the screen.
pub fn title(state: &State) -> String {
    let named = |wanted: Meaning| state.painted.head.left.iter().find(|(meaning, _)| *meaning == wanted);
    let parts = [named(Meaning::Cluster), named(Meaning::Title)].into_iter().flatten();
    let title = parts.fold(String::from("kokpit"), |title, (_, part)| format!("{title} · {part}"));
    if state.look.ascii { crate::world::ascii::same_width(&title.replace('·', "-")) } else { title }
}

/// Actions worth a hint, the most useful first; those that do not apply here are left out.
const HINTS: &[&str] = &[
    "open",
    "confirm",
    "switch",
    "finish",
    "undo",
    "prune",
    "dry-run",
    "force",
    "apply-only",
    "server-side",
    "replace",
    "only-differing",
    "auto-sync-off",
    "propagation",
    "older",
    "newer",
    "open-url",
    "stop-forward",
    "copy-url",
    "logs",
    "describe",
    "yaml",
    "why",
    "sync",
    "shell",
    "cordon",
    "uncordon",
    "drain",
    "scale",
    "limits",
    "edit",
    "follow",
    "previous",
    "next-container",
    "wrap",
    "timestamps",
    "log-raw",
    "log-mark",
    "save",
    "next-hit",
    "copy",
    "managed-fields",
    "filter",
    "command",
    "back",
    "help",
];

/// These are always there, at the end.
const ALWAYS: &[&str] = &["filter", "command", "help"];

/// The bottom line: the newest notice for a while, else hints that fit.
pub fn foot(state: &State) -> Foot {
    if !state.pending.is_empty() {
        return pending(state);
    }
    if let Some(notice) = state.notices.current(state.now) {
        let meaning = match notice.level {
            Level::Info => Meaning::Good,
            Level::Warn => Meaning::Warn,
            Level::Error => Meaning::Bad,
        };
        return Foot { spans: vec![(meaning, notice.text.clone())] };
    }
    let sections = state.sections(state.nav.top());
    let hint = |name: &&str| -> Option<(String, String)> {
        let action = actions::find(name).filter(|action| actions::is_open(state, action))?;
        // Only the action that its key would run now.
        let key = state.keymap.key_for(&sections, name, |other| other == *name || !applies(state, other))?;
        Some((key, action.label.to_string()))
    };
    let width = |(key, label): &(String, String)| key.width() + label.width() + 3;
    let last: Vec<_> = ALWAYS.iter().filter_map(hint).collect();
    let mut left = usize::from(state.size.0).saturating_sub(2 + last.iter().map(width).sum::<usize>());
    let mut shown = vec![];
    for found in HINTS.iter().filter(|name| !ALWAYS.contains(name)).filter_map(hint) {
        if width(&found) > left {
            break;
        }
        left -= width(&found);
        shown.push(found);
    }
    let mut spans = vec![];
    for (key, label) in shown.into_iter().chain(last) {
        spans.push((Meaning::Key, key));
        spans.push((Meaning::Muted, format!(" {label}  ")));
    }
    if let Some((_, label)) = spans.last_mut() {
        label.truncate(label.trim_end().len());
    }
    Foot { spans }
}

/// The keys that wait for more, and what may follow.
fn pending(state: &State) -> Foot {
    let sections = state.sections(state.nav.top());
    let mut spans = vec![(Meaning::Prompt, format!("{} …  ", written(&state.pending)))];
    for (keys, name) in state.keymap.follow(&sections, &state.pending, |name| applies(state, name)) {
        let label = actions::find(name).map_or(name, |action| action.label);
        spans.push((Meaning::Key, keys));
        spans.push((Meaning::Muted, format!(" {label}  ")));
    }
    spans.push((Meaning::Key, "Esc".into()));
    spans.push((Meaning::Muted, " none of them".into()));
    Foot { spans }
}

/// Whether an action would run now.
pub fn applies(state: &State, name: &str) -> bool {
    name.starts_with(':') || actions::find(name).is_some_and(|action| (action.when)(state))
}
