//! Devices by ResourceClaim (`resource.k8s.io`).
//!
//! ## dra-unallocatable
//! **You see.** A pod stays Pending; the scheduler says `cannot allocate all claims`, `resourceclaim not available on the
//! node`, or names a claim or a device class that is not there.
//! **Why.** The pod's ResourceClaim is missing, in use, tied to other nodes, or asks for devices that no usable node has
//! free: the driver publishes none there, or all are taken.
//! **How kokpit knows.** The claim, its class and the devices in ResourceSlices are read and counted per node.
//! Selectors in CEL are evaluated only where they name the driver; the others are named as not evaluated, so at most
//! *medium*.
//! **Looks alike.** `fit-extended-resource-absent` (devices as extended resources).
//! **Mend it.** Live: bring the driver's pods back, free a device. Git: the claim's template or class.

use super::{NAMED, Placement, node_ref, placement, said};
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::RESOURCECLAIMS;
use crate::diagnose::scheduling::devices::{Devices, Wish};
use crate::diagnose::scheduling::dynamic_resources::{ELSEWHERE, NONE_FREE, claim_name};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::list_at;
use crate::world::text::clean;
use serde_json::Value;

causes! { "devices.rs";
    "dra-unallocatable" "no usable node has the devices that its claims ask for" Outage ["Pod"] judge;
}

const PLUGIN: &str = "DynamicResources";

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if list_at(suspect.object, "/spec/resourceClaims").is_empty() {
        return Ok(vec![]);
    }
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let words = said(suspect.object);
    let closed = placement.failing(PLUGIN).len();
    let refusal = placement.refusal(PLUGIN).map(|text| clean(text).into_owned());
    let only_said = closed == 0 && refusal.is_none();
    if only_said && ![ELSEWHERE, NONE_FREE].iter().any(|text| words.contains(text)) {
        return Ok(vec![]);
    }
    let text = match &refusal {
        Some(text) => format!("Its devices cannot be allocated: {text}."),
        None if only_said => {
            "The scheduler finds no devices for its claims; what it counts is not all known here.".into()
        }
        None => format!("{closed} of {} nodes have no devices for its claims.", placement.world.nodes.len()),
    };
    let mut found = Match::on(&suspect.at, text);
    if let Some(devices) = &placement.world.rest.devices {
        found = claims(suspect, &placement, devices, found);
    }
    found = match only_said {
        true => found.scheduling(placement.scheduling.clone()),
        false => placement.finish(case, suspect, PLUGIN, found)?,
    };
    let summary = "bring the driver's pods back where they publish no devices, or free a device".into();
    Ok(vec![found.confidence(Confidence::Medium).fix(Fix {
        summary,
        live: "kubectl get resourceslices".into(),
        ..Fix::default()
    })])
}

/// Every claim of the pod: what it asks for, and what each node has of it.
fn claims(suspect: &Suspect<'_>, placement: &Placement, devices: &Devices, mut found: Match) -> Match {
    for entry in list_at(suspect.object, "/spec/resourceClaims") {
        let Some(name) = claim_name(suspect.object, entry) else { continue };
        let at = RESOURCECLAIMS.at(&suspect.at.namespace, name);
        let Some(claim) = devices.claim(&at.namespace, name) else {
            found = found.evidence(&at, "", "", format!("ResourceClaim {} is not there", clean(name)));
            continue;
        };
        if claim.pointer("/status/allocation").is_some_and(|a| !a.is_null()) {
            let text = format!("ResourceClaim {} is allocated, and can be used from its own nodes only", clean(name));
            found = found.evidence(&at, "status.allocation", "", text);
            continue;
        }
        for wish in devices.wishes(claim).unwrap_or_default() {
            found = counts(placement, devices, claim, &wish, found);
        }
    }
    found
}

fn counts(placement: &Placement, devices: &Devices, claim: &Value, wish: &Wish, mut found: Match) -> Match {
    let at = crate::world::object::ObjectRef::of(claim);
    let text = format!("request {} wants {} of class {}", wish.request, wish.count(), wish.classes.join(" or "));
    found = found.evidence(&at, "spec.devices.requests", &wish.request, text);
    if !devices.counted() {
        return found.evidence(&at, "", "", "ResourceSlices or DeviceClasses could not be read: nothing was counted");
    }
    for node in placement.world.nodes.iter().take(NAMED) {
        let text = match devices.on(node, wish) {
            (0, _) => format!("{}: no such device is published", node.name),
            (all, free) => format!("{}: {all} such devices, {free} free", node.name),
        };
        found = found.evidence(&node_ref(&node.name), "", "", text);
    }
    for part in wish.not_evaluated.iter().take(3) {
        found = found.evidence(&at, "spec.devices", part, format!("not evaluated: {part}"));
    }
    found
}
