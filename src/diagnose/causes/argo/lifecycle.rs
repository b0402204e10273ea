//! Argo CD: Applications that are to be deleted and stay.
//!
//! ## argo-deletion-stuck
//! **You see.** An Application that was deleted is still there.
//! **Why.** Its finalizer lets it go only when every object it manages is gone; one of them stays: it has a finalizer of
//! its own (a Namespace, an object whose operator was removed), waits for `Delete=confirm`, or its project is gone.
//! **How kokpit knows.** `deletionTimestamp` and finalizers of the Application; condition DeletionError, where there is
//! one; objects of `status.resources` that are being deleted, with their finalizers.
//! **Looks alike.** A deletion that takes a while: it is given five minutes. `argo-controller-stale`.
//! **Mend it.** Mend what keeps the object. The last resort is to remove the Application's finalizer: its objects stay.

use super::{component, condition, elsewhere, project_of, reference};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{bool_at, list_at, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "lifecycle.rs";
    "argo-deletion-stuck" "the Application is to be deleted and stays" Degraded ["Application"] deletion_stuck;
}

/// Seconds for which a deletion may take.
const PATIENCE_S: i64 = 300;
/// Objects that are looked at; a request each.
const MOST: usize = 20;

fn finalizers(object: &Value) -> Vec<&str> {
    list_at(object, "/metadata/finalizers").iter().filter_map(Value::as_str).collect()
}

fn deletion_stuck(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let app = suspect.object;
    let Some(since) = case.age(str_at(app, "/metadata/deletionTimestamp")) else { return Ok(Vec::new()) };
    let kept = finalizers(app);
    let error = condition(app, "DeletionError");
    if kept.is_empty() || since < PATIENCE_S && error.is_none() {
        return Ok(Vec::new());
    }
    let mut m =
        Match::on(&suspect.at, format!("It is being deleted since {} and waits for what it manages.", human(since)))
            .evidence_aged(
                &suspect.at,
                "metadata.finalizers",
                &kept.join(", "),
                Some(since),
                format!("deleted, kept by {}", kept.join(", ")),
            );
    let mut reasons = 0;
    if let Some(error) = error {
        let message = str_at(error, "/message");
        m = m.evidence(&suspect.at, "status.conditions[DeletionError]", message, format!("DeletionError: {message}"));
        reasons += 1;
    }
    let project = project_of(app);
    if case.get(&project).known()? == Some(None) {
        m = m.evidence(&project, "", "", format!("{project} does not exist: Argo CD cannot delete without it"));
        reasons += 1;
    }
    let asks = list_at(app, "/status/resources").iter().filter(|r| bool_at(r, "/requiresDeletionConfirmation"));
    let asks: Vec<String> = asks.take(5).map(|r| reference(r).to_string()).collect();
    if !asks.is_empty() {
        let text = format!("waits until somebody agrees (argocd.argoproj.io/deletion-approved): {}", asks.join(", "));
        m = m.evidence(&suspect.at, "status.resources[].requiresDeletionConfirmation", "true", text);
        reasons += 1;
    }
    let far = elsewhere(app);
    for at in list_at(app, "/status/resources").iter().map(reference).take(MOST) {
        let Some(Some(object)) = case.get_in(far, &at).known()? else { continue };
        let Some(age) = case.age(str_at(object, "/metadata/deletionTimestamp")) else { continue };
        let own = finalizers(object).into_iter().map(str::to_owned);
        let own: Vec<String> =
            own.chain(list_at(object, "/spec/finalizers").iter().filter_map(|f| f.as_str().map(Into::into))).collect();
        let text = format!("{at} is being deleted too, kept by {}", own.join(", "));
        m = m.evidence_aged(&at, "metadata.finalizers", &own.join(", "), Some(age), text);
        reasons += 1;
        if far.is_none() {
            m = m.because(at);
        }
    }
    if reasons == 0 {
        m = m.confidence(Confidence::Medium).because_all(component(case, app, "application-controller")?);
    }
    let orphan = format!(
        "kubectl -n {} patch applications.argoproj.io {} --type merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
        suspect.at.namespace, suspect.at.name
    );
    Ok(vec![
        m.because_cause("argo-controller-stale")
            .fix(Fix { summary: "mend what keeps the objects named above".into(), ..Fix::default() })
            .fix(Fix {
                summary: "last resort: let it go without them; its objects stay".into(),
                live: orphan,
                ..Fix::default()
            }),
    ])
}
