//! The pulse of every cluster in view: CPU and memory used, requested and to be had, how nodes and pods stand, and which
//! pods use most. Counted over all pods, so it is done once a second at most, and only while somebody looks.

use super::grid::{bytes, text};
use super::list::{ListOf, ListRow, Listing};
use super::metering::SWITCHED_OFF;
use super::nav::{Scope, View};
use super::table::thousands;
use super::{State, listings};
use crate::kinds::nodes::can_give;
use crate::world::fleet::{ClusterId, Feed, Fleet, Link, Shard, Table};
use crate::world::metrics::{self, Of, Usage, percent};
use crate::world::object::ResourceId;
use crate::world::row::{Body, Cell, Row, Str, Tone};
use crate::world::sparkline::{gauge, sparkline};
use crate::world::time::Time;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// Pods that are named for using most, of CPU and of memory each.
const TOP: usize = 5;
/// Columns of the trend, and of the bar.
const TREND: usize = 12;
const BAR: usize = 16;
/// Between the parts of a key: no name has it.
const BETWEEN: &str = "\u{1f}";

/// One pod with what it uses.
type Heavy = (Usage, Str, CompactString);

/// What was counted of one cluster.
#[derive(Debug, Default)]
struct Pulse {
    /// Revisions of pods, nodes and metrics that it was counted from.
    of: [u64; 3],
    counted: Time,
    requested: Usage,
    capacity: Usage,
    /// By CPU and by memory, largest first.
    top: [Vec<Heavy>; 2],
    /// What all pods use.
    pods: Usage,
}

/// What was counted of every cluster that somebody looked at.
#[derive(Debug, Default)]
pub struct Pulses(BTreeMap<ClusterId, Pulse>);

impl Pulses {
    /// Counts what has changed, at most once a second.
    pub fn refresh(&mut self, fleet: &Fleet, clusters: &[ClusterId], now: Time) {
        self.0.retain(|id, _| clusters.contains(id));
        for &id in clusters {
            let shard = fleet.shard(id);
            let revision = |plural| shard.table(&ResourceId::core(plural)).map_or(0, |table| table.revision + 1);
            let of = [revision("pods"), revision("nodes"), shard.metrics.revision];
            let known = self.0.get(&id).is_some_and(|pulse| pulse.of == of || pulse.counted == now);
            if !known {
                self.0.insert(id, Pulse { of, counted: now, ..count(shard) });
            }
        }
    }
}

fn count(shard: &Shard) -> Pulse {
    let rows = |plural| shard.table(&ResourceId::core(plural)).into_iter().flat_map(Table::rows).map(|(_, row)| row);
    let mut pulse = Pulse {
        requested: rows("pods").filter_map(holds).sum(),
        capacity: rows("nodes").map(can_give).sum(),
        ..Pulse::default()
    };
    for (namespace, name, reading) in shard.metrics.pods() {
        let used = reading.now();
        pulse.pods = pulse.pods + used;
        for (top, by) in pulse.top.iter_mut().zip(BY) {
            let at = top.partition_point(|(known, ..)| by(known) >= by(&used));
            if at < TOP {
                top.insert(at, (used, namespace.clone(), name.clone()));
                top.truncate(TOP);
            }
        }
    }
    pulse
}

/// What is compared, resource by resource.
const BY: [fn(&Usage) -> i64; 2] = [|usage| usage.cpu, |usage| usage.memory];

/// What a pod holds of its node. One that has finished holds nothing: it is done, or it failed and waits for nothing.
fn holds(row: &Row) -> Option<Usage> {
    let Body::Pod(pod) = &row.body else { return None };
    let over = row.tone == Tone::Done || (row.tone == Tone::Bad && !pod.unready_since.is_set());
    (!pod.node.is_empty() && !over).then_some(Usage { cpu: pod.cpu, memory: pod.memory })
}

impl State {
    /// Counts, where the pulses are in view.
    pub fn refresh_pulses(&mut self) {
        let screen = self.nav.top();
        if matches!(&screen.view, View::List(list) if list.of == ListOf::Pulses) {
            self.pulses.refresh(&self.fleet, &clusters(self, &screen.scope), self.now);
        }
    }
}

/// The clusters that have a pulse: those in view that are opened.
pub fn clusters(state: &State, scope: &Scope) -> Vec<ClusterId> {
    scope.clusters.iter().copied().filter(|id| state.opened.contains(id)).collect()
}

/// The rows of every cluster, and below them the pods that use most.
pub fn listing(state: &State, scope: &Scope) -> Listing {
    let clusters = clusters(state, scope);
    let known = clusters.iter().filter_map(|id| Some((*id, state.pulses.0.get(id)?)));
    Listing {
        columns: &[
            ("CLUSTER", false),
            ("OF", false),
            ("USED", true),
            ("%", true),
            ("LATELY", false),
            ("REQUESTED", true),
            ("%", true),
            ("ALLOCATABLE", true),
            ("", false),
        ],
        rows: known.clone().flat_map(|(id, pulse)| of_cluster(state, id, pulse)).collect(),
        empty: "no cluster is opened: `:fleet`, then Enter on one",
        below: Some(Box::new(heaviest(state, known))).filter(|below| !below.rows.is_empty()),
        ..Listing::default()
    }
}

/// CPU, memory, pods and nodes of one cluster.
fn of_cluster(state: &State, id: ClusterId, pulse: &Pulse) -> Vec<ListRow> {
    let shard = state.fleet.shard(id);
    let lost = listings::unreachable(state, id);
    let mut rows: Vec<ListRow> = vec![
        amount(state, shard, pulse, ("cpu", BY[0], |n| text(&Cell::Cpu(n), Time(0)))),
        amount(state, shard, pulse, ("memory", BY[1], bytes)),
        standing(shard, "pods"),
        standing(shard, "nodes"),
    ];
    for row in &mut rows {
        row.stale = lost.is_some();
        row.key = [&*shard.name, &*row.key].join(BETWEEN);
        row.cells.insert(0, shard.name.clone());
    }
    let unmeasured = || unmeasured(shard).map(|why| format!("CPU and memory in use are not known: {why}"));
    rows[1].note = lost.or_else(unmeasured).map(|why| format!("└ {why}"));
    rows
}

/// Why nothing is known of what is used.
fn unmeasured(shard: &Shard) -> Option<String> {
    if shard.unmeasured {
        return Some(SWITCHED_OFF.into());
    }
    match (shard.metrics.feed(Of::Nodes), shard.metrics.feed(Of::Pods)) {
        (Feed::Live, _) | (_, Feed::Live) => None,
        (Feed::Unknown(why) | Feed::Denied(why) | Feed::Stale { reason: why, .. }, _) => Some(why.clone()),
        (_, Feed::Unknown(why) | Feed::Denied(why) | Feed::Stale { reason: why, .. }) => Some(why.clone()),
        _ => None,
    }
}

/// A resource: its name, what of a usage it is, and how it is written.
type Resource = (&'static str, fn(&Usage) -> i64, fn(i64) -> String);

fn amount(state: &State, shard: &Shard, pulse: &Pulse, (name, of, write): Resource) -> ListRow {
    let whole = of(&pulse.capacity);
    let trend: Vec<i64> = shard.metrics.whole().samples().map(|usage| of(&usage)).collect();
    let known = *shard.metrics.feed(Of::Pods) == Feed::Live;
    let (used, written) = match (trend.last(), of(&pulse.pods)) {
        (Some(used), _) => (Some(*used), write(*used)),
        // Where nodes may not be read: what their pods use is the least of it.
        (None, pods) if known => (Some(pods), format!("≥{}", write(pods))),
        (None, _) => (None, if unmeasured(shard).is_some() { "n/a".into() } else { String::new() }),
    };
    let share = |part: Option<i64>| part.and_then(|part| percent(part, whole));
    let requested = of(&pulse.requested);
    let (of_used, of_requested) = (share(used), share(Some(requested)));
    let number = |percent: Option<i64>| percent.map(|n| n.to_string()).unwrap_or_default();
    let tone = of_used.map_or(Tone::Ok, metrics::tone);
    let bar = if state.size.0 < 100 { BAR / 2 } else { BAR };
    let cells = vec![
        name.into(),
        written,
        number(of_used),
        sparkline(&trend, TREND),
        write(requested),
        number(of_requested),
        if whole > 0 { write(whole) } else { String::new() },
        gauge(used.unwrap_or(0), requested, whole, bar),
    ];
    ListRow::new(name, cells).tone(tone)
}

/// How many there are, and how they stand, in words.
fn standing(shard: &Shard, plural: &'static str) -> ListRow {
    let table = shard.table(&ResourceId::core(plural));
    let of = |tone| table.map_or(0, |table| table.count(tone));
    let words =
        [(Tone::Bad, "bad"), (Tone::Warn, "warn"), (Tone::Busy, "busy"), (Tone::Ok, "ok"), (Tone::Done, "done")];
    let said = words.into_iter().filter(|(tone, _)| of(*tone) > 0);
    let said: Vec<String> = said.map(|(tone, word)| format!("{} {word}", thousands(of(tone)))).collect();
    let all = table.map_or(String::new(), |table| thousands(table.len()));
    let tone = [Tone::Bad, Tone::Warn].into_iter().find(|tone| of(*tone) > 0).unwrap_or(Tone::Ok);
    let mut cells = vec![plural.into(), all];
    cells.resize(7, String::new());
    cells.push(said.join(" · "));
    ListRow::new(plural, cells).tone(tone)
}

/// The pods that use most of all clusters in view: first by CPU, then by memory.
fn heaviest<'a>(state: &State, pulses: impl Iterator<Item = (ClusterId, &'a Pulse)> + Clone) -> Listing {
    let mut rows = vec![];
    for (n, (word, by)) in ["cpu", "memory"].into_iter().zip(BY).enumerate() {
        let all = pulses.clone().flat_map(|(id, pulse)| pulse.top[n].iter().map(move |pod| (id, pod)));
        let mut all: Vec<(ClusterId, &Heavy)> = all.collect();
        all.sort_by_key(|(_, (used, ..))| std::cmp::Reverse(by(used)));
        rows.extend(all.into_iter().take(TOP).map(|(id, (used, namespace, name))| {
            let cluster = &state.fleet.shard(id).name;
            let cells = vec![
                word.into(),
                text(&Cell::Cpu(used.cpu), state.now),
                bytes(used.memory),
                cluster.clone(),
                namespace.to_string(),
                name.to_string(),
            ];
            ListRow::new([&**cluster, word, &**namespace, &**name].join(BETWEEN), cells)
        }));
    }
    Listing {
        columns: &[
            ("MOST", false),
            ("CPU", true),
            ("MEM", true),
            ("CLUSTER", false),
            ("NAMESPACE", false),
            ("NAME", false),
        ],
        rows,
        ..Listing::default()
    }
}

/// How current it is, for the top line.
pub fn freshness(state: &State, scope: &Scope) -> &'static str {
    let lost = |id: &ClusterId| matches!(state.fleet.shard(*id).link, Link::Lost { .. });
    if clusters(state, scope).iter().any(lost) { "not all live" } else { "live" }
}

/// What a row leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// `cpu`, `memory`, `pods` or `nodes`.
    pub of: &'a str,
    /// Namespace and name of the pod that it names.
    pub pod: Option<(&'a str, &'a str)>,
}

/// What the row with this key leads to.
pub fn target(key: &str) -> Option<Target<'_>> {
    let mut parts = key.split(BETWEEN);
    Some(Target { cluster: parts.next()?, of: parts.next()?, pod: parts.next().zip(parts.next()) })
}
