//! Workloads of which nothing is wanted: scaled to zero, paused, suspended.
//!
//! ## workload-scaled-to-zero
//! **You see.** No pods, no endpoints, and nothing that fails.
//! **Why.** `spec.replicas` is 0: by hand, by an autoscaler, or in git.
//! **How kokpit knows.** The field, and who set it last. A `kubectl scale` to 0 leaves no owner of the field, which is
//! itself a hint.
//! **Looks alike.** `rs-failed-create-quota` and its kin: pods are wanted, but refused.
//! **Mend it.** Live: `kubectl scale`. Git: `spec.replicas`, or the autoscaler's minimum.
//!
//! ## workload-paused-suspended
//! **You see.** A change of a Deployment does not arrive; a Job or CronJob starts nothing.
//! **Why.** `spec.paused` of the Deployment, or `spec.suspend` of the Job or CronJob, is set: by hand, by a queue (Kueue
//! suspends Jobs until it admits them), or in git.
//! **How kokpit knows.** The field, and who set it last. A paused Deployment whose pods all have the newest template is
//! merely true.
//! **Looks alike.** `workload-scaled-to-zero`; a rollout that is merely slow.
//! **Mend it.** Live: `kubectl rollout resume`, or set `spec.suspend` to false. Git: `spec.paused`, `spec.suspend`.

use super::set_by;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::is_true;
use crate::world::object::{ObjectRef, bool_at, int_at, str_at};
use serde_json::Value;

causes! { "replicas.rs";
    "workload-scaled-to-zero" "the workload is scaled to zero" Outage ["Deployment", "StatefulSet", "Rollout"] scaled_to_zero;
    "workload-paused-suspended" "the workload is paused or suspended" Degraded ["Deployment", "Job", "CronJob"] paused;
}

fn scaled_to_zero(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let object = suspect.object;
    if kin::replicas(object) != Some(0) || !suspect.exists() {
        return Ok(Vec::new());
    }
    let at = &suspect.at;
    let who = set_by(case, object, &["spec", "replicas"])
        .unwrap_or_else(|| "nobody owns spec.replicas, as after `kubectl scale --replicas=0`".to_owned());
    let mut m = Match::on(at, format!("{at} is scaled to 0, so it has no pods."))
        .evidence(at, "spec.replicas", "0", format!("{at} replicas 0"))
        .evidence(at, "metadata.managedFields", "", who);
    if let Some(hpa) = kin::autoscaler_of(case, object).known()?.flatten() {
        let hpa = ObjectRef::of(hpa);
        let text = format!("{hpa} does nothing while replicas is 0");
        m = m.evidence(&hpa, "spec.scaleTargetRef", &at.name, text);
    }
    let (kind, ns, name) = (at.kind.to_lowercase(), &at.namespace, &at.name);
    let live = format!("kubectl -n {ns} scale {kind}/{name} --replicas=1");
    Ok(vec![m.fix(case.fix(object, "spec.replicas", "scale it up", live)?)])
}

fn paused(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (object, at) = (suspect.object, &suspect.at);
    let over = is_true(object, "Complete") || is_true(object, "Failed");
    let (field, ns, name) = (if at.kind == "Deployment" { "paused" } else { "suspend" }, &at.namespace, &at.name);
    if over || !bool_at(object, &format!("/spec/{field}")) {
        return Ok(Vec::new());
    }
    let (text, live) = match at.kind.as_str() {
        "Deployment" => (
            format!("{at} is paused: changes of its template are not rolled out."),
            format!("kubectl -n {ns} rollout resume deployment/{name}"),
        ),
        kind => (
            format!("{at} is suspended: it starts no {}.", if kind == "Job" { "pods" } else { "Jobs" }),
            format!("kubectl -n {ns} patch {}/{name} -p '{{\"spec\":{{\"suspend\":false}}}}'", kind.to_lowercase()),
        ),
    };
    let path = format!("spec.{field}");
    let mut m = Match::on(at, text).evidence(at, &path, "true", format!("{path} is true"));
    if let Some(who) = set_by(case, object, &["spec", field]) {
        m = m.evidence(at, "metadata.managedFields", "", who);
    }
    let queue = str_at(object, "/metadata/labels/kueue.x-k8s.io~1queue-name");
    if !queue.is_empty() {
        let text = format!("queue {queue} of Kueue suspends it until it has room");
        m = m.evidence(at, "metadata.labels[kueue.x-k8s.io/queue-name]", queue, text);
    }
    let m = m.fix(case.fix(object, &path, "let it go on", live)?);
    // A paused Deployment that has nothing to roll out lacks nothing.
    let waiting = at.kind != "Deployment" || !up_to_date(object);
    Ok(vec![if waiting { m } else { m.aside() }])
}

fn up_to_date(deployment: &Value) -> bool {
    int_at(deployment, "/status/updatedReplicas").unwrap_or_default() >= kin::replicas(deployment).unwrap_or_default()
}
