//! Secrets with the registry's credentials.
//!
//! ## image-pull-secret-missing
//! **You see.** `ImagePullBackOff` and an event `FailedToRetrieveImagePullSecret`.
//! **Why.** A Secret named in `imagePullSecrets` does not exist in the pod's namespace.
//! **How kokpit knows.** The Secret is looked up by name (metadata only). It is the reason only if the registry refused
//! the pull; when the image was not found, or pulls anyway, it is listed as true but not the reason.
//! **Looks alike.** `image-auth` with a Secret that exists but holds the wrong credentials.
//! **Mend it.** Create or sync the Secret in the pod's namespace, or take its name out of `imagePullSecrets`.

use super::failed;
use crate::diagnose::causes::config::producers;
use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::SECRETS;
use crate::world::object::{list_at, namespace, str_at};

causes! { "secret.rs";
    "image-pull-secret-missing" "a Secret named in imagePullSecrets does not exist" Outage ["Pod"] pull_secret_missing;
}

fn pull_secret_missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let event = case.event_with(suspect.object, &["FailedToRetrieveImagePullSecret"], "")?;
    let failed = failed(case, suspect)?;
    if event.is_none() && failed.is_empty() {
        return Ok(Vec::new());
    }
    let refused = failed.iter().any(|f| f.cause == "image-auth");
    let ns = namespace(suspect.object);
    let mut found = Vec::new();
    for wanted in list_at(suspect.object, "/spec/imagePullSecrets").iter().map(|s| str_at(s, "/name")) {
        let at = SECRETS.at(ns, wanted);
        if wanted.is_empty() || case.get(&at)?.is_some() {
            continue;
        }
        let mut m = Match::on(
            &suspect.at,
            match refused {
                true => format!("Pull secret {wanted} does not exist in namespace {ns}."),
                false => format!(
                    "Pull secret {wanted} is missing but does not matter: the registry did not refuse the pull."
                ),
            },
        )
        .evidence(
            &suspect.at,
            "spec.imagePullSecrets",
            wanted,
            format!("imagePullSecrets names {at}, which does not exist"),
        )
        .because_all(producers(case, &at)?)
        .fix(case.fix(
            kin::top_owner(case, suspect.object)?,
            "spec.template.spec.imagePullSecrets",
            format!("create {at}, or take it out of imagePullSecrets"),
            format!("kubectl -n {ns} create secret docker-registry {wanted} …"),
        )?);
        if let Some(event) = event {
            m = m.evidence_aged(&suspect.at, "", event.reason, Some(event.last.age(case.now())), event.message);
        }
        found.push(if refused { m } else { m.aside() });
    }
    Ok(found)
}
