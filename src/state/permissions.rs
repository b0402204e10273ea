//! What we know of what we may do: asked about the object under the cursor when the cursor rests, kept for the run.

use super::State;
use crate::actions::{self, Need};
use crate::effect::Effect;
use crate::world::access::Access;
use crate::world::fleet::{ClusterId, Link};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Questions that one look may ask of a cluster.
const AT_ONCE: usize = 24;

/// Answers so far.
#[derive(Debug, Default)]
pub struct Permissions {
    /// `None`: asked, and not known.
    known: HashMap<(ClusterId, Access), Option<bool>>,
    /// Something was denied.
    denied: bool,
}

impl Permissions {
    /// Whether something is known to be denied: false only where the cluster said so.
    pub fn denies(&self, cluster: ClusterId, access: &Access) -> bool {
        self.denied && self.known.get(&(cluster, access.clone())) == Some(&Some(false))
    }

    /// Takes in answers.
    pub fn learn(&mut self, cluster: ClusterId, answers: Vec<(Access, Option<bool>)>) {
        for (access, answer) in answers {
            self.denied |= answer == Some(false);
            self.known.insert((cluster, access), answer);
        }
    }

    /// Forgets what was denied, so that it is asked again: rights are granted while we run.
    pub fn doubt(&mut self) {
        self.known.retain(|_, answer| *answer != Some(false));
        self.denied = false;
    }
}

impl State {
    /// Asks about what the actions on the picked objects need and is not known yet.
    pub fn ask_permissions(&mut self) -> Vec<Effect> {
        let mut wanted: BTreeMap<ClusterId, BTreeSet<Access>> = BTreeMap::new();
        let picked = self.picked_all();
        for action in actions::TABLE.iter().filter(|action| !action.needs.is_empty()) {
            if picked.is_empty() || !(action.when)(self) {
                continue;
            }
            for one in picked.iter().filter(|one| self.fleet.shard(one.cluster).link == Link::Live) {
                let accesses = action.needs.iter().flat_map(|need| need.accesses(one));
                let new =
                    accesses.filter(|access| !self.permissions.known.contains_key(&(one.cluster, access.clone())));
                let list = wanted.entry(one.cluster).or_default();
                list.extend(new);
            }
        }
        let mut effects = vec![];
        for (cluster, accesses) in wanted {
            let accesses: Vec<Access> = accesses.into_iter().take(AT_ONCE).collect();
            if accesses.is_empty() {
                continue;
            }
            self.permissions.learn(cluster, accesses.iter().map(|access| (access.clone(), None)).collect());
            effects.push(Effect::Review { cluster, accesses });
        }
        effects
    }

    /// What is lacking for an action on the picked objects: the cluster, and what it needs there.
    pub fn lacking(&self, needs: &[Need]) -> Option<(ClusterId, Access)> {
        if needs.is_empty() || !self.permissions.denied {
            return None;
        }
        self.picked_all().iter().find_map(|picked| {
            let lacks = |need: &Need| {
                let mut accesses = need.accesses(picked);
                let all = accesses.iter().all(|access| self.permissions.denies(picked.cluster, access));
                let lacking = all && !accesses.is_empty() && !(need.untracked && self.may_be_tracked(picked));
                lacking.then(|| accesses.remove(0))
            };
            needs.iter().find_map(lacks).map(|access| (picked.cluster, access))
        })
    }
}
