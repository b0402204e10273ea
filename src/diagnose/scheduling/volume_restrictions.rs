//! VolumeRestrictions: in-tree disks that one node can use once, and claims that one pod of the cluster can use.
//!
//! Source: `pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go`.

use super::filter::{Filter, Prepared, Reasons, fail, pass};
use super::node::Node;
use super::pod::Pod;
use super::snapshot::Snapshot;
use super::storage::Disk;

/// The reason the scheduler gives for a disk in use.
pub const DISK: &str = "node(s) had no available disk";
/// The reason the scheduler gives for a ReadWriteOncePod claim in use.
pub const ONE_POD: &str =
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";

struct VolumeRestrictions {
    disks: Vec<Disk>,
    claim_in_use: bool,
}

/// Looks for claims in use; refuses the pod when a claim does not exist.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let mut claim_in_use = false;
    for used in pod.claims.iter().filter(|u| !u.ephemeral && world.rest.claims.is_some()) {
        let claim = world.rest.claim(pod.namespace, &used.claim).ok_or_else(|| not_found(&used.claim))?;
        let key = (pod.namespace.to_owned(), used.claim.clone());
        claim_in_use |= claim.one_pod_only() && world.rest.used_claims.contains(&key);
    }
    let disks = Disk::of_pod(pod.raw);
    let needed = claim_in_use || !disks.is_empty();
    Ok(needed.then(|| Box::new(VolumeRestrictions { disks, claim_in_use }) as _))
}

/// What every volume plugin says of a claim that is not there.
pub fn not_found(claim: &str) -> String {
    format!("persistentvolumeclaim \"{claim}\" not found")
}

impl Filter for VolumeRestrictions {
    fn check(&self, node: &Node) -> Reasons {
        if self.disks.iter().any(|disk| node.disks.iter().any(|used| used.conflicts(disk))) {
            return fail(DISK);
        }
        if self.claim_in_use { fail(ONE_POD) } else { pass() }
    }
}
