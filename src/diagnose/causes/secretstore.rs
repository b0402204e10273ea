//! Secrets that an operator should make.
//!
//! ## ext-secret-not-synced
//! **You see.** A Secret is missing, and pods wait for it.
//! **Why.** The ExternalSecret that makes it cannot fetch the value: permission, a wrong key, a store that is not ready;
//! or its `creationPolicy` makes no Secret (`None`; `Merge` needs one that exists). Or a SealedSecret that was sealed
//! for another cluster.
//! **How kokpit knows.** Its target is the missing Secret, and its condition Ready (Synced of a SealedSecret) is not True,
//! or there is no status at all: its controller does not run. The provider's message and the store's state are shown.
//! **Looks alike.** `config-missing-secret` with nobody who would make the Secret.
//! **Mend it.** Mend what the provider says, then ask for another try. Git: `spec.data[].remoteRef`, `secretStoreRef`.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{condition, is_true};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{list_at, name, namespace, str_at};

causes! { "secretstore.rs";
    "ext-secret-not-synced" "what should make the Secret cannot" Outage ["ExternalSecret", "SealedSecret"] not_synced;
}

fn not_synced(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let object = suspect.object;
    if suspect.at.kind == "SealedSecret" {
        return not_unsealed(case, suspect);
    }
    if !suspect.exists() {
        return Ok(Vec::new());
    }
    if is_true(object, "Ready") {
        return not_written(case, suspect);
    }
    let keys: Vec<&str> = list_at(object, "/spec/data").iter().map(|d| str_at(d, "/remoteRef/key")).collect();
    let ready = condition(object, "Ready");
    let (reason, message) = ready
        .map_or(("", "it has no status: does its controller run?"), |c| (str_at(c, "/reason"), str_at(c, "/message")));
    let mut m = Match::on(&suspect.at, format!("{} is not synced: {message}", suspect.at))
        .confidence(Confidence::High)
        .evidence_aged(
            &suspect.at,
            "status.conditions[Ready]",
            reason,
            ready.and_then(|c| case.age(str_at(c, "/lastTransitionTime"))),
            format!("{reason}: {message}"),
        )
        .evidence(&suspect.at, "spec.data[].remoteRef.key", &keys.join(", "), format!("asks for {}", keys.join(", ")));
    if str_at(object, "/spec/target/creationPolicy") == "Merge" {
        let text = "creationPolicy Merge only adds to a Secret that exists; nobody makes it";
        m = m.evidence(&suspect.at, "spec.target.creationPolicy", "Merge", text);
    }
    if let Some(event) = case.event_with(object, &["UpdateFailed"], "")? {
        m = m.evidence_aged(&suspect.at, "", event.reason, Some(event.last.age(case.now())), event.message);
    }
    let store = match str_at(object, "/spec/secretStoreRef/kind") {
        "ClusterSecretStore" => CLUSTERSECRETSTORES.at("", str_at(object, "/spec/secretStoreRef/name")),
        _ => SECRETSTORES.at(namespace(object), str_at(object, "/spec/secretStoreRef/name")),
    };
    if let Some(found) = case.get(&store).known()? {
        let text = match found {
            None => format!("{store} does not exist"),
            Some(found) if is_true(found, "Ready") => {
                format!("{store} is Ready: {} {} is Ready", store.kind, store.name)
            }
            Some(_) => format!("{store} is not ready"),
        };
        m = m.evidence(&store, "status.conditions[Ready]", "", text);
    }
    let live =
        format!("kubectl -n {} annotate externalsecret {} force-sync=1 --overwrite", namespace(object), name(object));
    Ok(vec![m.fix(case.fix(
        object,
        "spec.data[].remoteRef",
        "mend what the provider says, then ask for another try",
        live,
    )?)])
}

/// An ExternalSecret that is content without writing a Secret: `creationPolicy: None`, and somebody waits for it.
fn not_written(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let object = suspect.object;
    let policy = str_at(object, "/spec/target/creationPolicy");
    if policy != "None" || suspect.asked {
        return Ok(Vec::new());
    }
    let m = Match::on(
        &suspect.at,
        format!("{} fetches its value, but makes no Secret: creationPolicy is None.", suspect.at),
    )
    .evidence(&suspect.at, "spec.target.creationPolicy", policy, "creationPolicy None makes no Secret");
    Ok(vec![m.fix(case.fix(object, "spec.target.creationPolicy", "set creationPolicy: Owner", "")?)])
}

/// A SealedSecret that its controller cannot decrypt (bitnami-labs/sealed-secrets, condition `Synced`).
fn not_unsealed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let object = suspect.object;
    if !suspect.exists() || is_true(object, "Synced") {
        return Ok(Vec::new());
    }
    let synced = condition(object, "Synced");
    let message = synced.map_or("it has no status: does its controller run?", |c| str_at(c, "/message"));
    let age = synced.and_then(|c| case.age(str_at(c, "/lastTransitionTime")));
    let m = Match::on(&suspect.at, format!("{} is not unsealed: {message}", suspect.at))
        .confidence(Confidence::High)
        .evidence_aged(&suspect.at, "status.conditions[Synced]", "False", age, message);
    let what = "seal the value again with this cluster's certificate";
    Ok(vec![m.fix(case.fix(object, "spec.encryptedData", what, "")?)])
}
