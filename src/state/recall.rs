//! Facts that the watches keep: what diagnosis need not ask the server for.

use super::State;
use crate::diagnose::case::{Need, Recalled};
use crate::world::fleet::{ClusterId, Feed, Table};
use crate::world::object::ResourceId;
use crate::world::row::{Raw, Row};

impl State {
    /// What the watches keep of these facts, each as the server would answer it now.
    pub fn recall(&self, cluster: ClusterId, needs: Vec<Need>) -> Vec<(Need, Recalled)> {
        let known = needs.into_iter().map(|need| (self.recalled(cluster, &need), need));
        known.filter_map(|(kept, need)| Some((need, kept?))).collect()
    }

    fn recalled(&self, cluster: ClusterId, need: &Need) -> Option<Recalled> {
        match need {
            Need::Object { resource, namespace, name } => {
                let table = self.whole(cluster, resource, Some(namespace).filter(|ns| !ns.is_empty()))?;
                match table.find(namespace, name) {
                    Some(row) => row.raw.is_kept().then(|| Recalled::Object(row.raw.clone())),
                    None => Some(Recalled::Absent),
                }
            }
            Need::List { resource, namespace } => {
                let table = self.whole(cluster, resource, namespace.as_ref())?;
                let wanted = |row: &&Row| namespace.as_ref().is_none_or(|ns| *row.meta.namespace == **ns);
                let rows = table.rows().map(|(_, row)| row).filter(wanted);
                let raws: Option<Vec<Raw>> = rows.map(|row| row.raw.is_kept().then(|| row.raw.clone())).collect();
                raws.map(Recalled::List)
            }
            Need::Elsewhere { .. } | Need::Deployers | Need::Verdict { .. } => None,
            Need::PodsOn { .. } | Need::Log { .. } | Need::Name { .. } | Need::Commits { .. } => None,
        }
    }

    /// A table that is current and holds every object of a namespace, or of all of them.
    fn whole(&self, cluster: ClusterId, resource: &ResourceId, namespace: Option<&String>) -> Option<&Table> {
        // Rows that the server printed come without their objects; what may be secret is not kept at all.
        crate::kinds::of(resource)?;
        let table = self.fleet.shards.get(usize::from(cluster.0))?.table(resource)?;
        let whole = table.narrowed.is_empty() || namespace.is_some_and(|ns| table.narrowed.contains(ns));
        (table.feed == Feed::Live && whole && self.watches_cover(cluster, resource, namespace)).then_some(table)
    }
}
