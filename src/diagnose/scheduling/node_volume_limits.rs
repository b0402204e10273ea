//! NodeVolumeLimits: a CSI driver can attach only so many volumes to a node.
//!
//! Source: `pkg/scheduler/framework/plugins/nodevolumelimits/csi.go`. Volumes count once, however many pods share them;
//! volumes that are attached although no pod uses them count as well. In-tree volumes count for the CSI driver that
//! took them over, on nodes where it did.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node::{Attachable, Node, inline_volumes};
use super::pod::Pod;
use super::snapshot::Snapshot;
use std::collections::HashSet;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) exceed max volume count";

struct NodeVolumeLimits {
    wanted: HashSet<Attachable>,
}

/// Finds the CSI volumes behind the pod's claims. A claim that is missing ends the look-up before anything is counted
/// (filterAttachableVolumes returns at once); VolumeRestrictions and VolumeBinding have refused the pod for it.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let claims = pod.claims.iter().map(|used| world.rest.claim(pod.namespace, &used.claim));
    let Some(claims) = claims.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let mut wanted: HashSet<_> = claims.into_iter().filter_map(|claim| world.rest.attachable(claim)).collect();
    wanted.extend(inline_volumes(pod.raw));
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
        let new: Vec<&(String, String)> = (self.wanted.iter())
            .filter(|wanted| wanted.counts_on(node) && !node.attached.contains(&wanted.volume))
            .map(|wanted| &wanted.volume)
            .collect();
        let fits = |driver: &str| {
            let count = i64::try_from(new.iter().filter(|(d, _)| d == driver).count()).unwrap_or(i64::MAX);
            room(node, driver).is_none_or(|(attached, limit)| attached + count <= limit)
        };
        fail_unless(new.iter().all(|(driver, _)| fits(driver)), REASON)
    }
}
