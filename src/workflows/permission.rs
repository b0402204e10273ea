//! What a plan needs to be allowed in the cluster.

use super::debug::Make;
use super::{Part, Plan};
use crate::world::access::Access;

/// Everything that a plan does to the cluster itself, each kind of thing once. (That Argo CD is asked to look is left out:
/// it looks by itself too.)
pub fn needed(plan: &Plan) -> Vec<Access> {
    let mut needed: Vec<Access> = plan.parts.iter().flat_map(of).collect();
    needed.sort();
    needed.dedup();
    needed
}

fn of(part: &Part) -> Vec<Access> {
    match part {
        Part::Live { patches } => patches.iter().filter_map(|patch| Access::at("patch", &patch.path)).collect(),
        Part::Evict(evict) => {
            evict.pods.iter().map(|pod| Access::new("create", "", "pods/eviction", &pod.namespace)).collect()
        }
        Part::Delete(delete) => delete.targets.iter().filter_map(|one| Access::at("delete", &one.path)).collect(),
        Part::Create(create) => Access::at("create", &create.collection).into_iter().collect(),
        Part::Debug(debug) => match debug.make {
            Make::Ephemeral { .. } => vec![Access::new("patch", "", "pods/ephemeralcontainers", &debug.namespace)],
            _ => vec![Access::new("create", "", "pods", &debug.namespace)],
        },
        Part::Application { requests } => {
            requests.iter().filter_map(|request| Access::at("patch", &request.path)).collect()
        }
        Part::Git(_) | Part::Sync(_) | Part::Remove(_) | Part::Rollout(_) | Part::Verify { .. } => vec![],
    }
}
