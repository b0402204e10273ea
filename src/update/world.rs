//! What the cluster tasks said: into the fleet, and into the order of the table in view.

use crate::msg::Level;
use crate::state::State;
use crate::state::nav::View;
use crate::state::order::Entry;
use crate::world::fleet::{ClusterId, Delta, Feed, TableDelta};
use crate::world::metrics::MetricsDelta;
use crate::world::object::ResourceId;
use crate::world::row::Uid;

/// Takes in deltas. Says whether something came that may change which tables must be watched.
pub fn apply(state: &mut State, deltas: Vec<(ClusterId, Delta)>) -> bool {
    let viewed: Option<(ResourceId, Vec<ClusterId>)> = match &state.nav.top().view {
        View::Table(table) if !table.unordered => {
            Some((table.resource.clone(), state.nav.top().scope.clusters.clone()))
        }
        _ => None,
    };
    let mut watches_may_change = false;
    let mut changed = Changed::default();
    for (cluster, delta) in deltas {
        if usize::from(cluster.0) >= state.fleet.shards.len() {
            continue;
        }
        // What was on its way when the cluster was closed. (Whoever asks a closed cluster hears how the way there stands.)
        if matches!(delta, Delta::Table(..) | Delta::Metrics(_)) && !state.opened.contains(&cluster) {
            continue;
        }
        match &delta {
            Delta::Notice(text) => {
                let text = format!("{}: {text}", state.fleet.shard(cluster).name);
                state.notices.add(Level::Info, text, state.now);
            }
            Delta::Link(_) | Delta::Discovered { .. } => watches_may_change = true,
            Delta::Table(_, TableDelta::Feed(Feed::Denied(_)) | TableDelta::Narrowed(_)) => watches_may_change = true,
            Delta::Table(..) => {}
            Delta::Metrics(delta) => {
                state.hear_of_metrics(cluster, delta);
                if matches!(delta, MetricsDelta::End(..)) {
                    state.reorder_by_use();
                }
            }
        }
        let mine = match (&delta, &viewed) {
            (Delta::Table(kind, delta), Some((resource, clusters))) => {
                (kind == resource && clusters.contains(&cluster)).then_some(delta)
            }
            _ => None,
        };
        if let Delta::Table(kind, delta) = &delta {
            state.problems.ledger.hear(cluster, kind, delta, state.now);
        }
        let listed = match &delta {
            Delta::Table(kind, TableDelta::ListEnd) => Some(kind.clone()),
            _ => None,
        };
        let touched = mine.map(|delta| changed.before(state, cluster, &viewed, delta)).unwrap_or_default();
        state.fleet.apply(cluster, delta);
        if let Some(kind) = listed
            && let Some(table) = state.fleet.shard(cluster).table(&kind)
        {
            state.problems.ledger.listed(cluster, &kind, table);
        }
        changed.after(state, cluster, &viewed, &touched);
    }
    finish(state, changed);
    watches_may_change
}

/// The rows of the table in view that were touched.
#[derive(Default)]
struct Changed {
    entries: Vec<Entry>,
    /// More than rows changed: build the order anew.
    all: bool,
}

impl Changed {
    /// Before a delta is applied: slots that rows will leave; and the uids whose slots are known only afterwards.
    fn before(
        &mut self,
        state: &State,
        cluster: ClusterId,
        viewed: &Option<(ResourceId, Vec<ClusterId>)>,
        delta: &TableDelta,
    ) -> Vec<Uid> {
        match delta {
            TableDelta::Upsert(rows) => rows.iter().map(|row| row.meta.uid).collect(),
            TableDelta::Gone(uids) => {
                self.slots(state, cluster, viewed, uids);
                vec![]
            }
            // Rows that the new list did not have are gone without a word.
            TableDelta::ListEnd | TableDelta::Columns(_) => {
                self.all = true;
                vec![]
            }
            TableDelta::Feed(_)
            | TableDelta::Narrowed(_)
            | TableDelta::ListStart
            | TableDelta::Heard(_)
            | TableDelta::Repacked(_)
            | TableDelta::Swept => vec![],
        }
    }

    fn after(
        &mut self,
        state: &State,
        cluster: ClusterId,
        viewed: &Option<(ResourceId, Vec<ClusterId>)>,
        uids: &[Uid],
    ) {
        self.slots(state, cluster, viewed, uids);
    }

    fn slots(
        &mut self,
        state: &State,
        cluster: ClusterId,
        viewed: &Option<(ResourceId, Vec<ClusterId>)>,
        uids: &[Uid],
    ) {
        let Some(table) = viewed.as_ref().and_then(|(kind, _)| state.fleet.shard(cluster).table(kind)) else { return };
        self.entries.extend(uids.iter().filter_map(|uid| table.slot(*uid)).map(|slot| Entry { cluster, slot }));
    }
}

fn finish(state: &mut State, changed: Changed) {
    let fleet = &state.fleet;
    let screen = state.nav.top_mut();
    if let View::Table(table) = &mut screen.view {
        if changed.all {
            table.unordered = true;
        } else {
            table.absorb(fleet, &screen.scope, &changed.entries);
        }
    }
}
