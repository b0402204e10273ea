//! The order in which a StatefulSet makes its pods.
//!
//! ## statefulset-ordered-wait
//! **You see.** web-1 and the following pods are missing; or an update of a StatefulSet stands still.
//! **Why.** Pods of a StatefulSet are made one after the other: each waits until all before it are ready. An update goes
//! from the highest ordinal down and stops at the first pod that is not ready.
//! **How kokpit knows.** `podManagementPolicy` is not Parallel, and a pod of a lower ordinal is not ready (for an update: the
//! pod that was updated last). Whatever is wrong with that pod is the reason.
//! **Looks alike.** `rs-failed-create-quota` and its kin: the pod is refused, not waited for. A `partition` keeps lower
//! ordinals at the old revision on purpose.
//! **Mend it.** Mend the pod that is not ready. A pod made from a broken template is not replaced when the template is
//! changed: delete it by hand.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::pods::{Stand, stand};
use crate::world::object::{ObjectRef, int_at, name, namespace, str_at};
use serde_json::Value;
use std::collections::BTreeMap;

causes! { "statefulset.rs";
    "statefulset-ordered-wait" "the StatefulSet waits for a pod before it goes on with the others" Degraded ["StatefulSet"] waits;
}

/// Label with the revision that a pod was made from.
const REVISION: &str = "/metadata/labels/controller-revision-hash";

fn waits(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (set, at) = (suspect.object, &suspect.at);
    if !suspect.exists() || kin::replicas(set) == Some(0) {
        return Ok(Vec::new());
    }
    let all = kin::pods_of(case, set)?;
    let pods: BTreeMap<i64, &Value> = all.into_iter().filter_map(|pod| Some((ordinal(name(pod))?, pod))).collect();
    let newest = str_at(set, "/status/updateRevision");
    let ordered = str_at(set, "/spec/podManagementPolicy") != "Parallel";
    let missing = if ordered { missing(set, &pods) } else { Vec::new() };
    let outdated = outdated(set, &pods, newest);
    let Some((number, pod)) = pods.iter().find(|(number, pod)| {
        let is_old = outdated.contains(number);
        // In order, any pod that is not ready holds up everything; else an update waits for those already updated.
        let holds = if ordered {
            missing.iter().any(|m| m > *number) || !outdated.is_empty()
        } else {
            !outdated.is_empty() && !is_old
        };
        holds && stand(pod, case.now()) == Stand::Ill
    }) else {
        return Ok(Vec::new());
    };
    let blocker = ObjectRef::of(pod);
    let later: Vec<String> = missing.iter().filter(|m| *m > number).map(|m| format!("{}-{m}", at.name)).collect();
    let text = match later.is_empty() {
        true => format!("The update of {at} waits until {} is ready.", blocker.name),
        false => format!("{} not made until {} is ready.", are(&later), blocker.name),
    };
    let policy = if ordered { "OrderedReady" } else { "Parallel" };
    let mut m = Match::on(at, text)
        .evidence(&blocker, "status.conditions[Ready]", "", format!("{blocker} is not ready"))
        .evidence(at, "spec.podManagementPolicy", policy, format!("podManagementPolicy {policy}"));
    if !outdated.is_empty() {
        let old: Vec<String> = outdated.iter().map(|n| format!("{}-{n}", at.name)).collect();
        let text = format!("not yet at revision {newest}: {}", old.join(", "));
        m = m.evidence(at, "status.updateRevision", newest, text);
    }
    let revision = str_at(pod, REVISION);
    let trapped = ordered && !newest.is_empty() && !revision.is_empty() && revision != newest;
    if trapped {
        let text = format!(
            "{} is of revision {revision}; the controller does not replace it although the template has changed since",
            blocker.name
        );
        m = m.evidence(&blocker, "metadata.labels[controller-revision-hash]", revision, text);
    }
    // A pod of an older template may be ill of what has been mended since: then its staying is the reason.
    m = if trapped { m.explains(blocker.clone()) } else { m.because(blocker.clone()) };
    let delete = format!("kubectl -n {} delete pod {}", namespace(pod), blocker.name);
    Ok(vec![match trapped {
        true => {
            let what = format!("delete {} by hand: it is made anew from the newest template", blocker.name);
            m.fix(case.fix(set, "spec.template", what, delete)?)
        }
        false => m.fix(case.fix(
            set,
            "spec.template",
            format!("mend {}; the others follow by themselves", blocker.name),
            "",
        )?),
    }])
}

/// `web-1 is`, `web-1 and 2 more are`.
fn are(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("{one} is"),
        [first, rest @ ..] => format!("{first} and {} more are", rest.len()),
    }
}

/// The number at the end of a pod's name.
pub(crate) fn ordinal(pod: &str) -> Option<i64> {
    pod.rsplit_once('-')?.1.parse().ok()
}

/// Ordinals that should have a pod and have none.
fn missing(set: &Value, pods: &BTreeMap<i64, &Value>) -> Vec<i64> {
    let start = int_at(set, "/spec/ordinals/start").unwrap_or_default();
    let end = start.saturating_add(kin::replicas(set).unwrap_or_default());
    (start..end).filter(|number| !pods.contains_key(number)).collect()
}

/// Ordinals whose pods an update under way has still to replace.
fn outdated(set: &Value, pods: &BTreeMap<i64, &Value>, newest: &str) -> Vec<i64> {
    let by_hand = str_at(set, "/spec/updateStrategy/type") == "OnDelete";
    if by_hand || newest.is_empty() || newest == str_at(set, "/status/currentRevision") {
        return Vec::new();
    }
    let partition = int_at(set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or_default();
    let old = |number: i64, pod: &Value| number >= partition && str_at(pod, REVISION) != newest;
    pods.iter().filter(|(number, pod)| old(**number, pod)).map(|(number, _)| *number).collect()
}
