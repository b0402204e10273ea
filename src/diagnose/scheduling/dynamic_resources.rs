//! DynamicResources: devices by ResourceClaim, as far as objects alone can tell.
//!
//! Source: `pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go`. A claim must exist and not be on its
//! way out; one that is allocated ties the pod to the nodes of its allocation. Whether an unallocated claim could be
//! satisfied depends on device selectors in CEL, which is left open: such a claim keeps no node away here.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::node_selector::NodeTerms;
use super::pod::Pod;
use super::snapshot::{Node, Snapshot};
use crate::world::object::{list_at, str_at};
use serde_json::Value;

/// The reason the scheduler gives.
pub const REASON: &str = "resourceclaim not available on the node";

struct DynamicResources(Vec<NodeTerms>);

/// The name of the claim behind an entry of `spec.resourceClaims`; `None` while it has not been made from its template.
fn claim_name<'a>(pod: &'a Value, entry: &'a Value) -> Option<&'a str> {
    let direct = str_at(entry, "/resourceClaimName");
    if !direct.is_empty() {
        return Some(direct);
    }
    let statuses = list_at(pod, "/status/resourceClaimStatuses");
    let made = statuses.iter().find(|s| str_at(s, "/name") == str_at(entry, "/name"))?;
    Some(str_at(made, "/resourceClaimName")).filter(|name| !name.is_empty())
}

/// Looks the pod's claims up.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let Some(known) = &world.rest.resource_claims else { return Ok(None) };
    let mut terms = vec![];
    for entry in list_at(pod.raw, "/spec/resourceClaims") {
        let Some(name) = claim_name(pod.raw, entry) else {
            return Err(format!("pod \"{}/{}\": ResourceClaim not created yet", pod.namespace, pod.name));
        };
        let key = (pod.namespace.to_owned(), name.to_owned());
        let claim = known.get(&key).ok_or_else(|| format!("resourceclaim \"{name}\" not found"))?;
        if !str_at(claim, "/metadata/deletionTimestamp").is_empty() {
            return Err(format!("resourceclaim \"{name}\" is being deleted"));
        }
        terms.extend(claim.pointer("/status/allocation/nodeSelector").map(NodeTerms::from_value));
    }
    Ok((!terms.is_empty()).then(|| Box::new(DynamicResources(terms)) as _))
}

impl Filter for DynamicResources {
    fn check(&self, node: &Node) -> Reasons {
        fail_unless(self.0.iter().all(|terms| terms.matches(&node.name, &node.labels)), REASON)
    }
}
