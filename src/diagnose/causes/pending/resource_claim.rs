//! Pods that the scheduler does not look at before their ResourceClaims are there.
//!
//! ## resource-claim-missing
//! **You see.** A pod with `resourceClaims` stays Pending; there is neither a PodScheduled condition nor an event of the
//! scheduler.
//! **Why.** The scheduler keeps the pod out of its queue until each of its ResourceClaims exists: one is missing, is
//! being deleted, or was never made from its ResourceClaimTemplate.
//! **How kokpit knows.** The claims and templates that the pod names are looked up.
//! **Looks alike.** `no-scheduler-verdict` (the scheduler is silent about every pod); a pod whose claim is there but
//! finds no devices has a PodScheduled condition.
//! **Mend it.** Live: make the claim. Git: `spec.template.spec.resourceClaims`, or add the claim or the template.

use super::is_unplaced;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::{RESOURCECLAIMS, RESOURCECLAIMTEMPLATES};
use crate::diagnose::scheduling::changes::Template;
use crate::diagnose::scheduling::dynamic_resources::claim_name;
use crate::world::object::{ObjectRef, list_at, str_at};
use serde_json::Value;

causes! { "resource_claim.rs";
    "resource-claim-missing" "the scheduler waits for its ResourceClaim" Outage ["Pod"] judge;
}

fn judge(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if !is_unplaced(suspect.object) {
        return Ok(vec![]);
    }
    let Some((at, lack)) = awaited(case, suspect.object)? else { return Ok(vec![]) };
    let mut found = Match::on(&suspect.at, format!("The scheduler does not look at it yet: its {lack}."))
        .evidence(&at, "", "", &lack)
        .evidence(&suspect.at, "spec.resourceClaims", "", "a pod is scheduled only when its ResourceClaims exist");
    if let Some(event) = case.event_with(suspect.object, &["FailedResourceClaimCreation"], "")? {
        let age = event.last.is_set().then(|| event.last.age(case.now()));
        found = found.evidence_aged(&suspect.at, "", event.reason, age, format!("{}: {}", event.reason, event.message));
    }
    let field = Template::of(suspect.object).field("spec.resourceClaims");
    let fix = case.fix(suspect.object, &field, format!("make {} {}, or name one that exists", at.kind, at.name), "")?;
    Ok(vec![found.fix(fix)])
}

/// The first claim that the scheduler waits for before it puts the pod into its queue, and what is wrong with it
/// (`PreEnqueue` in `pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go`).
pub fn awaited(case: &Case<'_>, pod: &Value) -> Fact<Option<(ObjectRef, String)>> {
    for entry in list_at(pod, "/spec/resourceClaims") {
        let lack = match claim_name(pod, entry) {
            Some(claim) => lacking(case, pod, claim)?,
            None => unmade(case, pod, entry)?,
        };
        if lack.is_some() {
            return Ok(lack);
        }
    }
    Ok(None)
}

fn lacking(case: &Case<'_>, pod: &Value, claim: &str) -> Fact<Option<(ObjectRef, String)>> {
    let at = RESOURCECLAIMS.at(str_at(pod, "/metadata/namespace"), claim);
    let Some(found) = case.get(&at).known()? else { return Ok(None) };
    let lack = match found {
        None => format!("ResourceClaim {claim} does not exist"),
        Some(found) if !str_at(found, "/metadata/deletionTimestamp").is_empty() => {
            format!("ResourceClaim {claim} is being deleted")
        }
        Some(_) => return Ok(None),
    };
    Ok(Some((at, lack)))
}

/// A claim that should have been made from a template and was not.
fn unmade(case: &Case<'_>, pod: &Value, entry: &Value) -> Fact<Option<(ObjectRef, String)>> {
    let template = str_at(entry, "/resourceClaimTemplateName");
    let at = RESOURCECLAIMTEMPLATES.at(str_at(pod, "/metadata/namespace"), template);
    // A template that needs no claim is recorded with its name alone.
    let recorded =
        list_at(pod, "/status/resourceClaimStatuses").iter().any(|s| str_at(s, "/name") == str_at(entry, "/name"));
    if template.is_empty() || recorded {
        return Ok(None);
    }
    let lack = match case.get(&at).known()? {
        Some(None) => format!("ResourceClaimTemplate {template} does not exist"),
        _ => format!("ResourceClaim has not been made from ResourceClaimTemplate {template} yet"),
    };
    Ok(Some((at, lack)))
}
