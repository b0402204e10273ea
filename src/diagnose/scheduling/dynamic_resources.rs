//! DynamicResources: devices by ResourceClaim, as far as objects alone can tell.
//!
//! Source: `pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go`. A claim must exist and not be on its
//! way out; one that is allocated ties the pod to the nodes of its allocation; one that is not needs free devices on
//! the node. What [`devices`](super::devices) cannot evaluate keeps no node away.

use super::devices::Wish;
use super::filter::{Filter, Prepared, Reasons, fail, pass};
use super::node::Node;
use super::node_selector::NodeTerms;
use super::pod::Pod;
use super::snapshot::Snapshot;
use crate::world::object::{list_at, str_at};
use serde_json::Value;

/// The node is not one of those that an allocated claim can be used from.
pub const ELSEWHERE: &str = "resourceclaim not available on the node";
/// The node has no free devices for the claims.
pub const NONE_FREE: &str = "cannot allocate all claims";
/// So many pods may use a claim at once (`resource.ResourceClaimReservedForMaxSize`).
const MOST_USERS: usize = 256;

struct DynamicResources<'a> {
    world: &'a Snapshot,
    terms: Vec<NodeTerms>,
    wishes: Vec<Wish>,
}

/// The name of the claim behind an entry of `spec.resourceClaims`; `None` while it has not been made from its template.
pub fn claim_name<'a>(pod: &'a Value, entry: &'a Value) -> Option<&'a str> {
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
    let Some(known) = &world.rest.devices else { return Ok(None) };
    let (mut terms, mut wishes) = (vec![], vec![]);
    for entry in list_at(pod.raw, "/spec/resourceClaims") {
        let Some(name) = claim_name(pod.raw, entry) else {
            return Err(format!("pod \"{}/{}\": ResourceClaim not created yet", pod.namespace, pod.name));
        };
        let claim = known.claim(pod.namespace, name).ok_or_else(|| format!("resourceclaim \"{name}\" not found"))?;
        if !str_at(claim, "/metadata/deletionTimestamp").is_empty() {
            return Err(format!("resourceclaim \"{name}\" is being deleted"));
        }
        if claim.pointer("/status/allocation").is_none_or(Value::is_null) {
            wishes.extend(known.wishes(claim)?);
            continue;
        }
        let users = list_at(claim, "/status/reservedFor");
        let own = users.iter().any(|u| str_at(u, "/uid") == str_at(pod.raw, "/metadata/uid"));
        if users.len() >= MOST_USERS && !own {
            return Err("resourceclaim in use".into());
        }
        let selector = claim.pointer("/status/allocation/nodeSelector").filter(|s| !s.is_null());
        terms.extend(selector.map(NodeTerms::from_value));
    }
    let needed = !terms.is_empty() || !wishes.is_empty();
    Ok(needed.then(|| Box::new(DynamicResources { world, terms, wishes }) as _))
}

impl Filter for DynamicResources<'_> {
    fn check(&self, node: &Node) -> Reasons {
        let serves = self.world.rest.devices.as_ref().is_none_or(|devices| devices.may_serve(node, &self.wishes));
        if !serves {
            fail(NONE_FREE)
        } else if !self.terms.iter().all(|terms| terms.matches(&node.name, &node.labels)) {
            fail(ELSEWHERE)
        } else {
            pass()
        }
    }
}
