//! VolumeBinding: bound volumes must be reachable from the node; unbound claims must find or be able to get a volume.
//!
//! Source: `pkg/scheduler/framework/plugins/volumebinding/{volume_binding,binder}.go` and
//! `k8s.io/component-helpers/storage/volume` (FindMatchingVolume, IsDelayBindingMode).

use super::filter::{Filter, Prepared, Reasons, pass};
use super::node::Node;
use super::pod::{ClaimUse, Pod};
use super::snapshot::{Rest, Snapshot};
use super::storage::{Claim, Class, Volume};
use super::volume_restrictions::not_found;
use crate::world::object::str_at;
use std::collections::{HashMap, HashSet};

/// A bound volume cannot be reached from the node.
pub const NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
/// No volume fits an unbound claim, and none can be made for the node.
pub const NO_VOLUME: &str = "node(s) didn't find available persistent volumes to bind";
/// The driver has no room for a new volume there.
pub const NO_SPACE: &str = "node(s) did not have enough free storage";
/// A bound claim names a volume that is gone.
pub const VOLUME_GONE: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
/// Said of a pod whose claims should have been bound before it is scheduled.
pub const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims";

struct VolumeBinding<'a> {
    rest: &'a Rest,
    volumes: &'a HashMap<String, Volume>,
    bound: Vec<&'a Claim>,
    /// Smallest first.
    waiting: Vec<&'a Claim>,
}

/// Sorts the pod's claims; refuses the pod when one is missing, lost, being deleted or should be bound already.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let rest = &*world.rest;
    let (Some(_), Some(volumes), Some(classes)) = (&rest.claims, &rest.volumes, &rest.classes) else { return Ok(None) };
    let claims = pod.claims.iter().map(|used| usable(rest, pod, used)).collect::<Result<Vec<_>, _>>()?;
    if claims.is_empty() {
        return Ok(None);
    }
    let (bound, unbound): (Vec<&Claim>, Vec<&Claim>) = claims.into_iter().partition(|claim| claim.bound);
    let waits = |claim: &&Claim| claim.volume.is_empty() && classes.get(&claim.class).is_some_and(|c| c.waits);
    if !unbound.iter().all(waits) {
        return Err(UNBOUND.into());
    }
    let mut waiting = unbound;
    waiting.sort_by_key(|claim| claim.request);
    Ok(Some(Box::new(VolumeBinding { rest, volumes, bound, waiting })))
}

/// The claim behind a pod's volume, or why the pod cannot be scheduled (podHasPVCs).
fn usable<'a>(rest: &'a Rest, pod: &Pod, used: &ClaimUse) -> Result<&'a Claim, String> {
    let name = &used.claim;
    let missing = || match used.ephemeral {
        true => format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\""),
        false => not_found(name),
    };
    let claim = rest.claim(pod.namespace, name).ok_or_else(missing)?;
    if claim.lost {
        let volume = &claim.volume;
        return Err(format!("persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\""));
    }
    if claim.deleting {
        return Err(format!("persistentvolumeclaim \"{name}\" is being deleted"));
    }
    if used.ephemeral && claim.controller.as_deref() != Some(str_at(pod.raw, "/metadata/uid")) {
        let (ns, pod) = (pod.namespace, pod.name);
        return Err(format!("PVC {ns}/{name} was not created for pod {ns}/{pod} (pod is not owner)"));
    }
    Ok(claim)
}

impl Filter for VolumeBinding<'_> {
    fn check(&self, node: &Node) -> Reasons {
        let mut reasons = pass();
        reasons.extend(self.bound_problem(node).map(Into::into));
        reasons.extend(self.waiting_problem(node).map(Into::into));
        // The scheduler appends its reasons in this order.
        reasons.sort_by_key(|r| [NODE_CONFLICT, NO_VOLUME, NO_SPACE, VOLUME_GONE].iter().position(|k| k == r));
        reasons
    }
}

impl VolumeBinding<'_> {
    fn bound_problem(&self, node: &Node) -> Option<&'static str> {
        self.bound.iter().find_map(|claim| match self.volumes.get(&claim.volume) {
            None => Some(VOLUME_GONE),
            Some(volume) if !volume.reachable_on(node) => Some(NODE_CONFLICT),
            Some(_) => None,
        })
    }

    fn waiting_problem(&self, node: &Node) -> Option<&'static str> {
        let (pinned, free): (Vec<&Claim>, Vec<&Claim>) = self.waiting.iter().partition(|c| c.selected_node.is_some());
        if pinned.iter().any(|claim| claim.selected_node.as_deref() != Some(node.name.as_str())) {
            return Some(NO_VOLUME);
        }
        let mut chosen = HashSet::new();
        let mut to_make = pinned;
        for claim in free {
            match self.find_volume(claim, node, &chosen) {
                Some(volume) => drop(chosen.insert(volume.name.as_str())),
                None => to_make.push(claim),
            }
        }
        to_make.into_iter().find_map(|claim| self.cannot_make(claim, node))
    }

    /// The smallest volume that fits a claim on the node, one made for it first.
    fn find_volume(&self, claim: &Claim, node: &Node, chosen: &HashSet<&str>) -> Option<&Volume> {
        let candidates = self.rest.volumes_of_class.get(&claim.class)?;
        let mut best: Option<&Volume> = None;
        for volume in
            candidates.iter().filter(|name| !chosen.contains(name.as_str())).filter_map(|n| self.volumes.get(n))
        {
            let meant = volume.is_for(claim);
            if (volume.claim.is_some() && !meant) || mismatch(claim, volume) {
                continue;
            }
            let reachable = volume.reachable_from(&node.labels);
            if meant {
                return reachable.then_some(volume);
            }
            if reachable && suits(claim, volume) && best.is_none_or(|b| volume.capacity < b.capacity) {
                best = Some(volume);
            }
        }
        best
    }

    /// Why no volume can be made for a claim on the node (checkVolumeProvisions).
    fn cannot_make(&self, claim: &Claim, node: &Node) -> Option<&'static str> {
        let class = self.rest.classes.as_ref()?.get(&claim.class)?;
        if !class.provisions() || !class.allows(&node.labels) {
            return Some(NO_VOLUME);
        }
        (!self.has_capacity(claim, class, node)).then_some(NO_SPACE)
    }

    /// Only drivers that publish their capacity are asked (hasEnoughCapacity).
    fn has_capacity(&self, claim: &Claim, class: &Class, node: &Node) -> bool {
        let (Some(request), Some(capacities)) = (claim.request, &self.rest.capacities) else { return true };
        !self.rest.capacity_drivers.contains(&class.provisioner)
            || capacities.iter().filter(|c| c.class == class.name).any(|c| {
                c.limit.is_some_and(|limit| limit >= request.units())
                    && c.topology.as_ref().is_some_and(|t| node.labels.matched_by(t))
            })
    }
}

/// What rules a volume out before anybody asks whom it is for: size, mode, attributes class, deletion.
pub fn mismatch(claim: &Claim, volume: &Volume) -> bool {
    volume.capacity < claim.request.unwrap_or_default()
        || volume.block != claim.block
        || volume.attributes_class != claim.attributes_class
        || volume.deleting
}

/// What an unclaimed volume must offer besides: availability, labels, class, access modes.
pub fn suits(claim: &Claim, volume: &Volume) -> bool {
    volume.available
        && claim.selector.as_ref().is_none_or(|s| volume.labels.matched_by(s))
        && volume.class == claim.class
        && claim.access_modes.iter().all(|mode| volume.access_modes.contains(mode))
}
