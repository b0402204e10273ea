//! What all filters say about one pod, node by node.
//!
//! In a large cluster the same filters fail for the same reasons on most nodes. Each such combination is kept once, and
//! for each node only which one it is.

use super::filter::{PLUGINS, Reasons};
use super::snapshot::Snapshot;
use std::collections::HashMap;

/// The filters that fail on one node, as (index in [`PLUGINS`], reasons), in order.
pub type Failing = Vec<(usize, Reasons)>;

/// What all filters say about one pod.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Plugins that refuse the pod before any node is looked at, in order: (index in [`PLUGINS`], text).
    pub refused: Vec<(usize, String)>,
    /// Every combination of what fails on a node, once.
    kinds: Vec<Failing>,
    /// For each node of the snapshot, in its order, the place of its combination.
    of_node: Vec<u32>,
    /// Places of the combinations.
    known: HashMap<Failing, u32>,
}

impl Judgement {
    /// Notes what fails on the next node.
    pub(super) fn push(&mut self, failing: &Failing) {
        let same = |kind: &u32| self.kinds.get(*kind as usize) == Some(failing);
        let kind = match self.of_node.last().copied().filter(same).or_else(|| self.known.get(failing).copied()) {
            Some(kind) => kind,
            None => self.add_kind(failing),
        };
        self.of_node.push(kind);
    }

    fn add_kind(&mut self, failing: &Failing) -> u32 {
        let kind = u32::try_from(self.kinds.len()).unwrap_or(u32::MAX);
        self.kinds.push(failing.clone());
        self.known.insert(failing.clone(), kind);
        kind
    }

    /// For each node of the snapshot, in its order, what fails there.
    pub fn nodes(&self) -> impl Iterator<Item = &Failing> {
        self.of_node.iter().filter_map(|kind| self.kinds.get(*kind as usize))
    }

    /// What fails on a node, by its place in the snapshot.
    pub fn at(&self, node: usize) -> Option<&Failing> {
        self.kinds.get(self.kind_of(node)?)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.of_node.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.of_node.is_empty()
    }

    /// Every combination of what fails on a node, once.
    pub fn kinds(&self) -> &[Failing] {
        &self.kinds
    }

    /// The place of a node's combination in [`Judgement::kinds`].
    pub fn kind_of(&self, node: usize) -> Option<usize> {
        self.of_node.get(node).map(|kind| *kind as usize)
    }

    /// Every combination with the number of its nodes.
    pub fn counted(&self) -> impl Iterator<Item = (&Failing, usize)> {
        let mut counts = vec![0; self.kinds.len()];
        self.of_node.iter().for_each(|kind| counts[*kind as usize] += 1);
        self.kinds.iter().zip(counts)
    }

    /// Names of the nodes that pass every filter; none when a plugin refuses the pod.
    pub fn fits(&self, world: &Snapshot) -> Vec<String> {
        if !self.any_fits() {
            return vec![];
        }
        let passing = world.nodes.iter().zip(self.nodes()).filter(|(_, failing)| failing.is_empty());
        passing.map(|(node, _)| node.name.clone()).collect()
    }

    /// Whether any node takes the pod.
    pub fn any_fits(&self) -> bool {
        self.refused.is_empty() && self.kinds.iter().any(Vec::is_empty)
    }

    /// Whether the filters of places leave any node: one where its owner wants the pod, and its volumes are.
    pub fn leaves_nodes(&self) -> bool {
        self.kinds.iter().any(in_place)
    }
}

/// Whether the filters of places all pass.
pub fn in_place(failing: &Failing) -> bool {
    failing.iter().all(|(at, _)| !is_place(PLUGINS[*at].name))
}

/// Whether a filter says where a pod may go at all, rather than what is in its way there. VolumeZone does not: it lets
/// every node without a zone pass.
pub fn is_place(plugin: &str) -> bool {
    ["NodeName", "NodeAffinity", "VolumeBinding"].contains(&plugin)
}

#[cfg(test)]
mod tests {
    use super::super::filter::fail;
    use super::*;

    #[test]
    fn what_fails_together_is_kept_once_and_found_for_each_node() {
        let at = |plugin: &str| PLUGINS.iter().position(|p| p.name == plugin).unwrap();
        let (full, tainted) = (vec![(at("NodeResourcesFit"), fail("full"))], vec![(at("NodeAffinity"), fail("no"))]);
        let mut judgement = Judgement::default();
        [&full, &full, &tainted, &full].into_iter().for_each(|failing| judgement.push(failing));
        assert_eq!(judgement.nodes().collect::<Vec<_>>(), [&full, &full, &tainted, &full]);
        assert_eq!(judgement.counted().collect::<Vec<_>>(), [(&full, 3), (&tainted, 1)]);
        assert_eq!((judgement.at(2), judgement.at(4), judgement.len()), (Some(&tainted), None, 4));
        assert!(judgement.leaves_nodes() && !judgement.any_fits());
        judgement.push(&vec![]);
        assert!(judgement.any_fits());
        judgement.refused.push((0, "refused".into()));
        assert!(!judgement.any_fits());
    }
}
