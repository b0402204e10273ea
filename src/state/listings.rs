//! The content of each list.

use super::list::{ListRow, Listing};
use super::nav::Scope;
use super::table::{lost, thousands};
use super::{State, command, problems};
use crate::actions;
use crate::msg::{Level, OperationStatus, StepMark};
use crate::world::fleet::{ClusterId, Feed, Link, Shard, Table};
use crate::world::object::{ResourceId, list_at, str_at};
use crate::world::row::Tone;
use crate::world::time::{Time, human};

/// Every cluster: version, how much, what is wrong, how the way there stands.
pub fn fleet(state: &State) -> Listing {
    let rows = state.fleet.iter().map(|(id, shard)| {
        let wrong = state.problems.count(id);
        let (link, tone) = link_words(shard, state);
        let cells = vec![
            shard.name.clone(),
            dash(shard.version.trim_start_matches('v')),
            ready(shard.table(&ResourceId::core("nodes"))),
            tally(shard.table(&ResourceId::core("pods"))),
            tally(shard.table(&ResourceId::new("argoproj.io", "applications"))),
            match shard.link {
                Link::Live if wrong == 0 => "–".into(),
                Link::Live => wrong.to_string(),
                Link::Lost { .. } => "?".into(),
                _ => "–".into(),
            },
            link,
        ];
        let tone = if wrong > 0 { tone.max(Tone::Bad) } else { tone };
        let (stale, note) = match &shard.link {
            Link::Lost { reason, .. } => (true, Some(format!("└ {reason}"))),
            Link::Live => (false, oldest(shard).map(|(_, reason)| format!("└ {reason}"))),
            _ => (false, None),
        };
        ListRow { stale, note, ..ListRow::new(&*shard.name, cells).tone(tone) }
    });
    Listing {
        columns: &[
            ("CLUSTER", false),
            ("VERSION", false),
            ("NODES", false),
            ("PODS", false),
            ("APPS", false),
            ("PROBLEMS", true),
            ("LINK", false),
        ],
        rows: rows.collect(),
        empty: "the kubeconfig has no contexts",
        below: Some(Box::new(problems::listing(state))).filter(|below| !below.rows.is_empty()),
        ..Listing::default()
    }
}

fn dash(text: &str) -> String {
    if text.is_empty() { "–".into() } else { text.into() }
}

fn link_words(shard: &Shard, state: &State) -> (String, Tone) {
    match &shard.link {
        Link::Closed => ("not opened (Enter opens)".into(), Tone::Done),
        Link::Connecting => ("connecting".into(), Tone::Busy),
        Link::Live => match oldest(shard) {
            Some((since, _)) => (format!("data {} old", human(since.age(state.now))), Tone::Warn),
            None => ("live".into(), Tone::Ok),
        },
        Link::Lost { since, retry_at, .. } => {
            let wait = human(retry_at.0.saturating_sub(state.now.0).max(0));
            (format!("lost {}, retry in {wait}", human(since.age(state.now))), Tone::Bad)
        }
    }
}

/// Since when the table stands still that does so for longest, and why.
fn oldest(shard: &Shard) -> Option<(Time, &str)> {
    let stale = shard.tables().filter_map(|(_, table)| match &table.feed {
        Feed::Stale { since, reason } => Some((*since, reason.as_str())),
        _ => None,
    });
    stale.min_by_key(|(since, _)| *since)
}

/// `11/12`: as they should be, of all.
fn ready(table: Option<&Table>) -> String {
    match table.filter(|table| known(table)) {
        Some(table) => format!("{}/{}", table.count(Tone::Ok) + table.count(Tone::Done), table.len()),
        None => "–".into(),
    }
}

/// `1 840 ok`, `1 610, 3 bad`
fn tally(table: Option<&Table>) -> String {
    let Some(table) = table.filter(|table| known(table)) else { return "–".into() };
    let wrong = table.count(Tone::Bad) + table.count(Tone::Warn);
    match (table.len(), wrong) {
        (0, _) => "0".into(),
        (all, 0) => format!("{} ok", thousands(all)),
        (all, wrong) => format!("{}, {wrong} bad", thousands(all)),
    }
}

fn known(table: &Table) -> bool {
    !table.is_empty() || table.feed == Feed::Live
}

/// Namespaces seen on the clusters in view, with `all` first.
pub fn namespaces(state: &State, scope: &Scope) -> Listing {
    let mark = |in_scope: bool| if in_scope { "*" } else { "" }.to_string();
    let all = ListRow::new("all", vec!["all".into(), mark(scope.namespaces.is_empty()), "0".into()]);
    let rest = command::namespaces(state, &scope.clusters).into_iter().map(|name| {
        let key = state.favourites.key(&name).map(|n| n.to_string());
        let cells = vec![name.clone(), mark(scope.namespaces.contains(&name)), key.unwrap_or_default()];
        ListRow::new(name, cells)
    });
    Listing {
        columns: &[("NAME", false), ("IN VIEW", false), ("KEY", false)],
        rows: std::iter::once(all).chain(rest).collect(),
        empty: "no namespaces are known",
        ..Listing::default()
    }
}

/// What an Application manages, from `status.resources`.
pub fn managed(state: &State, cluster: ClusterId, namespace: &str, name: &str) -> Listing {
    let applications = ResourceId::new("argoproj.io", "applications");
    let row = state.fleet.shard(cluster).table(&applications).and_then(|table| table.find(namespace, name));
    let value = row.and_then(|row| row.raw.value()).unwrap_or_default();
    let rows = list_at(&value, "/status/resources").iter().map(|r| {
        let (group, kind) = (str_at(r, "/group"), str_at(r, "/kind"));
        let (ns, name) = (str_at(r, "/namespace"), str_at(r, "/name"));
        let (sync, health) = (str_at(r, "/status"), str_at(r, "/health/status"));
        let tone = match (sync, health) {
            (_, "Degraded" | "Missing") => Tone::Bad,
            ("OutOfSync", _) => Tone::Warn,
            (_, "Progressing") => Tone::Busy,
            _ => Tone::Ok,
        };
        let cells = [kind, ns, name, sync, health].map(dash).to_vec();
        ListRow::new(format!("{group}|{kind}|{ns}|{name}"), cells).tone(tone)
    });
    Listing {
        columns: &[("KIND", false), ("NAMESPACE", false), ("NAME", false), ("SYNC", false), ("HEALTH", false)],
        rows: rows.collect(),
        empty: "the Application reports no resources (status.resources is empty)",
        ..Listing::default()
    }
}

/// Operations, newest first.
pub fn operations(state: &State) -> Listing {
    let rows = state.operations.iter().rev().filter(|op| op.status != OperationStatus::Planned).map(|op| {
        let tone = match op.status {
            OperationStatus::Planned | OperationStatus::Running => Tone::Busy,
            OperationStatus::Open => Tone::Warn,
            OperationStatus::Failed => Tone::Bad,
            OperationStatus::Undone => Tone::Done,
            OperationStatus::Done => Tone::Ok,
        };
        let at = op.steps.iter().rev().find(|step| !matches!(step.mark, StepMark::Waiting | StepMark::Skipped));
        let cells = vec![
            op.status.word().into(),
            op.title.clone(),
            op.cluster.clone(),
            human(op.started.age(state.now)),
            at.map(|step| step.text.clone()).unwrap_or_default(),
            op.id.clone(),
        ];
        ListRow::new(&*op.id, cells).tone(tone)
    });
    Listing {
        columns: &[
            ("STATUS", false),
            ("WHAT", false),
            ("CLUSTER", false),
            ("AGE", true),
            ("LAST STEP", false),
            ("OP", false),
        ],
        rows: rows.collect(),
        empty: "nothing was changed yet: no operation in the journal",
        ..Listing::default()
    }
}

/// Notices, newest first.
pub fn notices(state: &State) -> Listing {
    let rows = state.notices.all().enumerate().map(|(n, notice)| {
        let (word, tone) = match notice.level {
            Level::Info => ("info", Tone::Ok),
            Level::Warn => ("warn", Tone::Warn),
            Level::Error => ("error", Tone::Bad),
        };
        let cells = vec![human(notice.at.age(state.now)), word.into(), notice.text.clone()];
        ListRow::new(n.to_string(), cells).tone(tone)
    });
    Listing {
        columns: &[("AGE", true), ("LEVEL", false), ("WHAT", false)],
        rows: rows.collect(),
        empty: "nothing to say so far",
        ..Listing::default()
    }
}

/// Every kind with the names it answers to.
pub fn aliases(state: &State) -> Listing {
    let own = state
        .names
        .aliases
        .iter()
        .map(|(alias, line)| ListRow::new(alias, vec![alias.clone(), "your alias".into(), format!(":{line}")]));
    let kinds = command::names(state)
        .into_iter()
        .map(|(id, kind, names)| ListRow::new(id.to_string(), vec![names.join(" "), kind, id.to_string()]));
    let rows = own.chain(kinds);
    Listing {
        columns: &[("NAMES", false), ("KIND", false), ("RESOURCE", false)],
        rows: rows.collect(),
        empty: "no kinds are known",
        ..Listing::default()
    }
}

/// Columns of the terminal below which help leaves the names of actions out: what they do needs the room.
const NARROW: u16 = 100;

/// Every action with its keys: those that apply to the screen that help was asked on first.
pub fn help(state: &State) -> Listing {
    let below = state.nav.screens().iter().rev().nth(1).unwrap_or(state.nav.top());
    let narrow = state.size.0 < NARROW;
    let row = |key: &str, name: &str, doc: String| {
        let cells = [key, name].into_iter().filter(|cell| !narrow || *cell == key).map(String::from);
        ListRow::new(format!("{key} {name}"), cells.chain([doc]).collect())
    };
    let applies = |name: &str| actions::find(name).is_none_or(|_| state.help_for.contains(&name));
    let (mut here, mut elsewhere, mut bound): (Vec<ListRow>, Vec<ListRow>, Vec<String>) = (vec![], vec![], vec![]);
    for (key, names) in state.keymap.bindings(&state.sections(below)) {
        // A key runs the first action that applies: on this screen it is that one only.
        let first = names.iter().find(|name| applies(name)).cloned();
        for name in names {
            if first.as_ref().is_some_and(|first| *first != name) {
                continue;
            }
            let doc = actions::find(&name).map_or_else(|| line_doc(state, &name), |action| action.doc.to_string());
            match (first.is_some(), state.help_refused.get(name.as_str())) {
                (true, Some(why)) => here.push(row(&key, &name, format!("{doc} {why}")).tone(Tone::Done)),
                (true, None) => here.push(row(&key, &name, doc)),
                (false, _) => elsewhere.push(row(&key, &name, doc).tone(Tone::Done)),
            }
            bound.push(name);
        }
    }
    let plugins = state.plugins.iter().filter(|plugin| !bound.contains(&format!(":plugin {}", plugin.name)));
    let plugins = plugins.map(|plugin| {
        let doc = format!("{} For {}.", plugin.doc, plugin.is_for());
        row(&format!(":{}", plugin.name), "plugin", doc).tone(Tone::Done)
    });
    let tour = actions::find("tour").map(|action| row(":tour", action.name, action.doc.into()));
    let unbound =
        actions::TABLE.iter().filter(|action| action.name != "tour" && !bound.iter().any(|name| name == action.name));
    let unbound =
        unbound.map(|action| row(&format!(":{}", action.name), action.name, action.doc.into()).tone(Tone::Done));
    here.extend(elsewhere);
    here.extend(plugins);
    here.extend(unbound);
    let columns: &[(&str, bool)] = match narrow {
        true => &[("KEY", false), ("WHAT IT DOES", false)],
        false => &[("KEY", false), ("ACTION", false), ("WHAT IT DOES", false)],
    };
    let rows = tour.into_iter().chain(here).collect();
    Listing { columns, rows, wraps: true, empty: "no keys", ..Listing::default() }
}

/// What a `:` line behind a key does.
fn line_doc(state: &State, line: &str) -> String {
    let plugin = line.strip_prefix(":plugin ").and_then(|name| state.plugin(name));
    plugin.map_or_else(|| format!("Run `{line}`."), |plugin| plugin.doc.clone())
}

/// The sentence for a cluster that cannot be reached, used where there is no table to say it.
pub fn unreachable(state: &State, id: ClusterId) -> Option<String> {
    let shard = state.fleet.shard(id);
    match &shard.link {
        Link::Lost { reason, retry_at, .. } => Some(lost(&shard.name, reason, *retry_at, state.now)),
        _ => None,
    }
}
