//! NodeVolumeLimits: a CSI driver can attach only so many volumes to a node.
//!
//! Source: `pkg/scheduler/framework/plugins/nodevolumelimits/csi.go`. Volumes count once, however many pods share them;
//! volumes that are attached although no pod uses them count as well.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::pod::Pod;
use super::snapshot::{Node, Snapshot};
use std::collections::HashSet;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) exceed max volume count";

struct NodeVolumeLimits {
    wanted: HashSet<(String, String)>,
}

/// Finds the CSI volumes behind the pod's claims. A claim that is missing ends the look-up before anything is counted
/// (filterAttachableVolumes returns at once); VolumeRestrictions and VolumeBinding have refused the pod for it.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let claims = pod.claims.iter().map(|used| world.rest.claim(pod.namespace, &used.claim));
    let Some(claims) = claims.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let wanted: HashSet<_> = claims.into_iter().filter_map(|claim| world.rest.csi_volume(claim)).collect();
    Ok((!wanted.is_empty()).then(|| Box::new(NodeVolumeLimits { wanted }) as _))
}

/// For a driver: how many volumes are attached to the node, and how many it may have.
pub fn room(node: &Node, driver: &str) -> Option<(i64, i64)> {
    let (_, limit) = node.volume_limits.iter().find(|(name, _)| name == driver)?;
    let attached = node.attached.iter().filter(|(name, _)| name == driver).count();
    Some((i64::try_from(attached).unwrap_or(i64::MAX), *limit))
}

impl Filter for NodeVolumeLimits {
    fn check(&self, node: &Node) -> Reasons {
        let fits = |driver: &str| {
            let new = self.wanted.iter().filter(|v| v.0 == driver && !node.attached.contains(v)).count();
            let new = i64::try_from(new).unwrap_or(i64::MAX);
            new == 0 || room(node, driver).is_none_or(|(attached, limit)| attached + new <= limit)
        };
        fail_unless(self.wanted.iter().all(|(driver, _)| fits(driver)), REASON)
    }
}
