//! Pods that name a node which does not exist.
//!
//! ## node-name-missing
//! **You see.** A pod stays Pending without any event, and after a while it is gone and made anew.
//! **Why.** `spec.nodeName` is set by hand (in the template), so no scheduler looks at the pod, and the node does not
//! exist, so no kubelet does. After some 40 s the pod garbage collector deletes it, and its controller makes the next.
//! **How kokpit knows.** The node is not there, and the pod was never bound: it has no condition PodScheduled, which the
//! API server sets when a scheduler binds a pod.
//! **Looks alike.** The node was deleted after the pod was scheduled: then its pods are simply made anew elsewhere.
//! **Mend it.** Git: take `spec.template.spec.nodeName` out; a nodeSelector says where a pod should go.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::NODES;
use crate::diagnose::pods::{condition, is_true};
use crate::world::object::{ObjectRef, name, str_at};
use crate::world::text::closest;

causes! { "node_name.rs";
    "node-name-missing" "the pod names a node that does not exist" Degraded ["Pod"] missing;
}

fn missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let (pod, node) = (suspect.object, str_at(suspect.object, "/spec/nodeName"));
    let collected = condition(pod, "DisruptionTarget").filter(|c| str_at(c, "/reason") == "DeletionByPodGC");
    let waits = str_at(pod, "/status/phase") == "Pending" || collected.is_some();
    if node.is_empty() || !waits || is_true(pod, "PodScheduled") || case.one(NODES, "", node)?.is_some() {
        return Ok(Vec::new());
    }
    if case.events_of(pod)?.iter().any(|e| e.reason == "Scheduled") {
        return Ok(Vec::new());
    }
    let at = NODES.at("", node);
    let mut m = Match::on(&suspect.at, format!("It names node {node}, which does not exist, so nobody runs it."))
        .evidence(&suspect.at, "spec.nodeName", node, format!("spec.nodeName {node}; no scheduler set it"))
        .evidence(&at, "", "", format!("{at} does not exist"));
    if let Some(c) = collected {
        let age = case.age(str_at(c, "/lastTransitionTime"));
        m = m.evidence_aged(
            &suspect.at,
            "status.conditions[DisruptionTarget]",
            str_at(c, "/reason"),
            age,
            str_at(c, "/message"),
        );
    }
    let all = case.list(NODES, None).known()?.unwrap_or_default();
    if let Some(near) = closest(node, all.iter().map(|n| name(n))) {
        m = m.evidence(&NODES.at("", near), "", near, format!("a node of a similar name exists: {near}"));
    }
    let top = kin::top_owner(case, pod)?;
    let field = template_field(top, "spec.nodeName");
    if str_at(top, "/spec/template/spec/nodeName") == node {
        m = m.evidence(&ObjectRef::of(top), &field, node, format!("{} sets it", ObjectRef::of(top)));
    }
    let what = "take nodeName out, and use a nodeSelector if the pod belongs on certain nodes";
    Ok(vec![m.fix(case.fix(top, &field, what, "")?)])
}
