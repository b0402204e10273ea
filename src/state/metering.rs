//! What clusters are asked to measure: what the screen in view shows of CPU and memory in use, and nothing else.

use super::State;
use super::list::ListOf;
use super::nav::View;
use super::text::TextOf;
use super::watch::asked;
use crate::effect::Effect;
use crate::kinds::describe::usage::InUse;
use crate::world::fleet::{ClusterId, Feed, Shard};
use crate::world::metrics::{Metrics, MetricsDelta, Of, Reading, Trend, Wanted};
use crate::world::object::ResourceId;
use crate::world::row::Str;
use crate::world::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds that samples are kept after the last look at them.
const KEPT: i64 = 300;
/// Why a cluster is not asked.
pub(super) const SWITCHED_OFF: &str = "switched off (metrics in config.toml)";

/// What was asked for.
#[derive(Debug, Default)]
pub struct Metering {
    asked: BTreeMap<ClusterId, (Wanted, Time)>,
    /// Clusters of which was said that nothing is to be had.
    said: BTreeSet<ClusterId>,
}

impl State {
    /// Asks for what is shown, no longer for what is not, and forgets what nobody looked at for a while.
    pub fn sync_metering(&mut self) -> Vec<Effect> {
        let (mut needs, now) = (self.measured(), self.now);
        let off = needs.extract_if(.., |id, _| self.fleet.shard(*id).unmeasured).map(|(id, _)| id).collect::<Vec<_>>();
        off.into_iter().for_each(|cluster| self.not_measured(cluster, SWITCHED_OFF));
        let mut effects = vec![];
        for (cluster, (wanted, needed)) in &mut self.metering.asked {
            let need = needs.remove(cluster).unwrap_or_default();
            if !need.is_nothing() {
                *needed = now;
            }
            if *wanted != need {
                wanted.clone_from(&need);
                effects.push(Effect::Measure { cluster: *cluster, wanted: need });
            }
        }
        for (cluster, wanted) in needs {
            self.metering.asked.insert(cluster, (wanted.clone(), now));
            effects.push(Effect::Measure { cluster, wanted });
        }
        self.forget_samples();
        effects
    }

    /// What is in view shows, cluster by cluster.
    fn measured(&self) -> BTreeMap<ClusterId, Wanted> {
        let screen = self.nav.top();
        let wanted = |cluster: &ClusterId| match &screen.view {
            View::Table(table) if table.shows_use() && screen.scope.clusters.contains(cluster) => {
                of_kind(&table.resource, || narrowed(self.fleet.shard(*cluster), &screen.scope.namespaces))
            }
            View::List(list) => match &list.of {
                ListOf::Pulses if screen.scope.clusters.contains(cluster) => {
                    Wanted { nodes: true, ..pods(narrowed(self.fleet.shard(*cluster), &[])) }
                }
                ListOf::Containers { cluster: own, namespace, .. } if own == cluster && self.is_measured(own) => {
                    pods(vec![namespace.clone()])
                }
                _ => Wanted::default(),
            },
            View::Text(text)
                if text.cluster == *cluster && matches!(text.of, TextOf::Describe) && self.is_measured(cluster) =>
            {
                match (text.object.group.as_str(), text.object.kind.as_str()) {
                    ("", "Pod") => pods(vec![text.object.namespace.clone()]),
                    ("", "Node") => Wanted { nodes: true, pods: None },
                    _ => Wanted::default(),
                }
            }
            _ => Wanted::default(),
        };
        let all = self.opened.iter().map(|cluster| (*cluster, wanted(cluster)));
        all.filter(|(_, wanted)| !wanted.is_nothing()).collect()
    }

    /// Whether a cluster says what is used; else only whoever asks for it is told that it does not.
    fn is_measured(&self, cluster: &ClusterId) -> bool {
        self.fleet.shard(*cluster).serves_metrics()
    }

    /// Forgets samples that are old, and all of a cluster that nobody looked at for a while.
    fn forget_samples(&mut self) {
        let now = self.now;
        for cluster in self.metering.asked.extract_if(.., |_, (_, needed)| needed.age(now) > KEPT).map(|(id, _)| id) {
            if let Some(shard) = self.fleet.shards.get_mut(usize::from(cluster.0)) {
                shard.metrics = Metrics::default();
            }
        }
        let mut changed = false;
        for cluster in self.metering.asked.keys() {
            let shard = self.fleet.shards.get_mut(usize::from(cluster.0));
            changed |= shard.is_some_and(|shard| shard.metrics.forget_old(now));
        }
        if changed {
            self.reorder_by_use();
        }
    }

    /// A cluster was closed: nothing of it is kept.
    pub(super) fn forget_metering(&mut self, cluster: ClusterId) {
        self.metering.asked.remove(&cluster);
        if let Some(shard) = self.fleet.shards.get_mut(usize::from(cluster.0)) {
            shard.metrics = Metrics::default();
        }
    }

    /// Samples came or went: a table that is sorted by them is sorted again.
    pub fn reorder_by_use(&mut self) {
        if let View::Table(table) = &mut self.nav.top_mut().view
            && table.sorts_by_use()
        {
            table.unordered = true;
        }
    }

    /// Brings what a description says of use up to date.
    pub fn refresh_described(&mut self) {
        let now = self.now;
        let View::Text(text) = &mut self.nav.top_mut().view else { return };
        let metrics = &self.fleet.shard(text.cluster).metrics;
        if !matches!(text.of, TextOf::Describe) || text.used.0 == metrics.revision {
            return;
        }
        let reading = match (text.object.group.as_str(), text.object.kind.as_str()) {
            ("", "Pod") => metrics.of_pod(&text.object.namespace, &text.object.name),
            ("", "Node") => metrics.of_node(&text.object.name),
            _ => None,
        };
        text.used = (metrics.revision, reading.map(in_use).unwrap_or_default());
        text.write(now);
        self.touch();
    }

    /// Says why there are no samples, once for each cluster.
    pub fn hear_of_metrics(&mut self, cluster: ClusterId, delta: &MetricsDelta) {
        let MetricsDelta::Feed(of, feed) = delta else { return };
        let what = match of {
            Of::Nodes => "nodes",
            Of::Pods => "pods",
        };
        let why = match feed {
            Feed::Unknown(reason) => reason.clone(),
            Feed::Denied(reason) => format!("you may not read what {what} use (403): {reason}"),
            Feed::Stale { reason, .. } => format!("the metrics API does not answer: {reason}"),
            _ => return,
        };
        self.not_measured(cluster, &why);
    }

    fn not_measured(&mut self, cluster: ClusterId, why: &str) {
        if self.metering.said.insert(cluster) {
            let name = &self.fleet.shard(cluster).name;
            self.say(format!("{name}: CPU and memory in use are not shown: {why}"));
        }
    }
}

fn in_use(reading: Reading) -> Vec<InUse> {
    let part = |(name, trend): (&Str, &Trend)| InUse {
        name: name.to_string(),
        now: trend.last().unwrap_or_default(),
        history: trend.samples().collect(),
    };
    reading.parts().map(part).collect()
}

fn pods(namespaces: Vec<String>) -> Wanted {
    Wanted { nodes: false, pods: Some(namespaces) }
}

/// What the table of a kind shows.
fn of_kind(resource: &ResourceId, namespaces: impl FnOnce() -> Vec<String>) -> Wanted {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => pods(namespaces()),
        ("", "nodes") => Wanted { nodes: true, pods: None },
        _ => Wanted::default(),
    }
}

/// The namespaces to ask for: where only some can be read, those.
fn narrowed(shard: &Shard, namespaces: &[String]) -> Vec<String> {
    let readable = shard.table(&ResourceId::core("pods")).map(|table| table.narrowed.clone()).unwrap_or_default();
    Some(asked(namespaces)).filter(|named| !named.is_empty()).unwrap_or(readable)
}
