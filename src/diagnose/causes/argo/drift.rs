//! Argo CD: objects that differ from git although the last sync succeeded.
//!
//! ## argo-drift-defaulted-fields
//! **You see.** OutOfSync for good; every sync succeeds.
//! **Why.** With ServerSideApply the defaults that a CRD fills in inside a list count as a difference.
//! **How kokpit knows.** Last sync Succeeded at this revision, `ServerSideApply=true`, and only objects of custom kinds
//! known for defaults in lists differ, without a later writer.
//! **Looks alike.** `argo-drift-selfheal-off` (somebody changed it live).
//! **Mend it.** Git: write the defaults, or `argocd.argoproj.io/compare-options: ServerSideDiff=true`.
//!
//! ## argo-drift-hpa-replicas
//! **You see.** A Deployment is OutOfSync, or its replicas flap.
//! **Why.** An autoscaler and git both set `spec.replicas`.
//! **How kokpit knows.** An HPA targets the object that differs.
//! **Looks alike.** `argo-drift-selfheal-off`.
//! **Mend it.** Git: ignoreDifferences on `/spec/replicas` with `RespectIgnoreDifferences=true`. Merely removing the
//! field drops the workload to one replica under client-side apply.
//!
//! ## argo-drift-selfheal-off
//! **You see.** OutOfSync at the revision that was synced.
//! **Why.** Somebody changed an object live, and self-heal is off.
//! **How kokpit knows.** managedFields: a writer other than Argo CD, later than the last sync.
//! **Looks alike.** `argo-drift-defaulted-fields`, `argo-drift-hpa-replicas`.
//! **Mend it.** Commit the change, or sync it away.

use super::{in_git, out_of_sync, reference};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, bool_at, list_at, str_at};
use crate::world::time::Time;
use serde_json::Value;

causes! { "drift.rs";
    "argo-drift-defaulted-fields" "defaults that the API fills in count as a difference" Nuisance ["Application"] |c, s| drift(c, s, "argo-drift-defaulted-fields");
    "argo-drift-hpa-replicas" "an autoscaler and git both set the replicas" Nuisance ["Application"] |c, s| drift(c, s, "argo-drift-hpa-replicas");
    "argo-drift-selfheal-off" "somebody changed an object live, and self-heal is off" Degraded ["Application"] |c, s| drift(c, s, "argo-drift-selfheal-off");
}

/// Custom kinds with defaults inside lists (argo-cd#22151, external-secrets#6398), and the fields.
const DEFAULTED: &[(&str, &str)] = &[
    ("ExternalSecret", "spec.data[].remoteRef conversionStrategy, decodingStrategy, metadataPolicy, nullBytePolicy"),
    ("ClusterExternalSecret", "spec.externalSecretSpec.data[].remoteRef"),
    ("HTTPRoute", "parentRefs[] group, kind and backendRefs[] group, kind, weight"),
    ("GRPCRoute", "parentRefs[] group, kind and backendRefs[] group, kind, weight"),
];

fn drift(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let operation = app.pointer("/status/operationState").unwrap_or(&Value::Null);
    let same = str_at(operation, "/syncResult/revision") == str_at(app, "/status/sync/revision");
    if str_at(operation, "/phase") != "Succeeded" || !same {
        return Ok(Vec::new());
    }
    let finished = Time::parse(str_at(operation, "/finishedAt")).unwrap_or(Time::NEVER);
    let options = list_at(app, "/spec/syncPolicy/syncOptions");
    let ssa = options.iter().any(|o| o == "ServerSideApply=true");
    let mut found = Vec::new();
    let bad = out_of_sync(app);
    for resource in bad.iter().filter(|r| !bool_at(r, "/requiresPruning")) {
        let at = reference(resource);
        let Some(object) = case.get(&at)? else { continue };
        let hpa = scaler(case, &at)?;
        let late = late_writer(object, finished);
        let defaulted = DEFAULTED.iter().find(|(kind, _)| *kind == at.kind).map(|(_, fields)| *fields).filter(|_| ssa);
        let is = match (&hpa, &late, defaulted) {
            (Some(_), ..) => "argo-drift-hpa-replicas",
            (_, Some(_), _) => "argo-drift-selfheal-off",
            (_, _, Some(_)) => "argo-drift-defaulted-fields",
            _ => continue,
        };
        if is != id {
            continue;
        }
        let only = if bad.len() == 1 { "only " } else { "" };
        let mut m = Match::on(
            &at,
            match id {
                "argo-drift-hpa-replicas" => format!("{at} differs: its autoscaler and git both set spec.replicas."),
                "argo-drift-selfheal-off" => format!(
                    "{at} was changed live by {}, and self-heal is off.",
                    late.as_ref().map_or("somebody", |l| l.0.as_str())
                ),
                _ => format!("{at} differs only by defaults that its CRD fills in inside lists."),
            },
        )
        .confidence(Confidence::High)
        .evidence(
            &suspect.at,
            "status.resources[]",
            "OutOfSync",
            format!("{only}{at} is OutOfSync; the last sync Succeeded at the same revision"),
        );
        if let Some(hpa) = hpa {
            m = m.evidence(&hpa, "spec.scaleTargetRef", "", format!("{hpa} targets it"));
        }
        if let Some((manager, time)) = late.filter(|_| id == "argo-drift-selfheal-off") {
            m = m.evidence_aged(
                &at,
                "metadata.managedFields",
                &manager,
                case.age(&time),
                format!("{manager} wrote after the last sync"),
            );
        }
        if id == "argo-drift-defaulted-fields" {
            m = m
                .evidence(
                    &suspect.at,
                    "spec.syncPolicy.syncOptions",
                    "ServerSideApply=true",
                    "ServerSideApply=true: lists are compared whole",
                )
                .evidence(&at, "spec", "", format!("defaulted: {}", defaulted.unwrap_or_default()));
        }
        if str_at(app, "/status/health/status") == "Healthy" {
            m = m.evidence(&suspect.at, "status.health.status", "Healthy", "the Application is healthy");
        }
        let what = match id {
            "argo-drift-hpa-replicas" => "ignoreDifferences on /spec/replicas with RespectIgnoreDifferences=true",
            "argo-drift-selfheal-off" => "commit the change, or sync it away",
            _ => "write the defaults into git, or compare-options: ServerSideDiff=true",
        };
        found.push(m.fix(in_git(app, what, "", "")));
    }
    Ok(found)
}

/// The autoscaler of an object.
fn scaler(case: &Case<'_>, at: &ObjectRef) -> Fact<Option<ObjectRef>> {
    if !matches!(at.kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet" | "Rollout") {
        return Ok(None);
    }
    let all = case.list(HPAS, Some(&at.namespace)).known()?.unwrap_or_default();
    let mine = |h: &&Value| {
        str_at(h, "/spec/scaleTargetRef/kind") == at.kind && str_at(h, "/spec/scaleTargetRef/name") == at.name
    };
    Ok(all.into_iter().find(mine).map(ObjectRef::of))
}

/// A person's or another tool's write to an object after a time: manager and when. Controllers that write status only
/// do not count.
fn late_writer(object: &Value, after: Time) -> Option<(String, String)> {
    list_at(object, "/metadata/managedFields")
        .iter()
        .filter(|e| !str_at(e, "/manager").contains("argocd") && str_at(e, "/subresource") != "status")
        .filter(|e| e.pointer("/fieldsV1/f:spec").is_some() || e.pointer("/fieldsV1/f:data").is_some())
        .find(|e| Time::parse(str_at(e, "/time")).is_some_and(|t| t > after))
        .map(|e| (str_at(e, "/manager").to_owned(), str_at(e, "/time").to_owned()))
}
