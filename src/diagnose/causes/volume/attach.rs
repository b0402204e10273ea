//! Volumes that cannot be attached to the pod's node.
//!
//! ## volume-multi-attach
//! **You see.** A new pod stays in `ContainerCreating`; an event says `Multi-Attach error for volume`.
//! **Why.** A volume that one node at a time may have (`ReadWriteOnce`) is still attached to another node: a rolling
//! update waits for the new pod while the old one keeps the volume, or the old node is gone, or the old pod does not end.
//! **How kokpit knows.** The VolumeAttachments of the volume, the pods that mount the same claim, their nodes, and the
//! Deployment's strategy. The event may be long gone: the attach controller writes it once.
//! **Looks alike.** `rwop-in-use` (ReadWriteOncePod: the scheduler refuses), `volume-attach-failed` (no other node has
//! it). Right after a pod moved, the old attachment goes away by itself.
//! **Mend it.** Live: delete the old pod, or scale to 0 and up again. If the old node is really off: the taint
//! `node.kubernetes.io/out-of-service`. Git: `strategy.type: Recreate`, a StatefulSet, or a ReadWriteMany volume.
//!
//! ## volume-attach-failed
//! **You see.** A pod stays in `ContainerCreating`; an event says `AttachVolume.Attach failed`.
//! **Why.** The storage refuses to attach the volume (permission, volume deleted, other zone, too many volumes), or
//! nothing attaches: the driver's controller is down.
//! **How kokpit knows.** `status.attachError` of the VolumeAttachment for the pod's node, and the event.
//! **Looks alike.** `volume-multi-attach` (another node has it), `csi-volume-limit` (the scheduler knows already).
//! **Mend it.** By the storage's words; if the external-attacher is silent, bring the driver's controller back.

use super::{Bound, Complaint, bound, complaints, is_silent};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{self, is_true};
use crate::diagnose::scheduling::{pod as scheduled, snapshot::counts};
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{ObjectRef, bool_at, list_at, name, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

causes! { "attach.rs";
    "volume-multi-attach" "another node has the volume" Outage ["Pod"] multi_attach;
    "volume-attach-failed" "the volume cannot be attached to the node" Outage ["Pod"] attach_failed;
}

/// Whether only one node at a time may have a volume.
fn is_for_one_node(volume: &Value) -> bool {
    let modes = list_at(volume, "/spec/accessModes");
    !modes.is_empty() && modes.iter().all(|m| matches!(m.as_str(), Some("ReadWriteOnce" | "ReadWriteOncePod")))
}

/// The VolumeAttachments of a volume.
fn attachments<'a>(case: &Case<'a>, volume: &str) -> Fact<Vec<&'a Value>> {
    let all = case.list(ATTACHMENTS, None).known()?.unwrap_or_default();
    Ok(all.into_iter().filter(|a| str_at(a, "/spec/source/persistentVolumeName") == volume).collect())
}

fn multi_attach(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    if !pods::waits_for_sandbox(pod) || !pods::is_ill(case, suspect) || scheduled::claims(pod).is_empty() {
        return Ok(vec![]);
    }
    let (all, silent) = (complaints(case, suspect)?, is_silent(case, suspect)?);
    let said: Vec<&Complaint<'_>> = all.iter().filter(|c| c.cause == "volume-multi-attach").collect();
    if said.is_empty() && !silent {
        return Ok(vec![]);
    }
    let node = str_at(pod, "/spec/nodeName");
    // Asked for ahead of their use: every turn is a round trip.
    let _ahead = (case.list(ATTACHMENTS, None), case.list(PODS, Some(namespace(pod))), kin::top_owner(case, pod));
    let claims = bound(case, pod)?;
    let mut found = by_words(case, suspect, &claims, &said);
    for held in claims.iter().filter(|b| is_for_one_node(b.volume)) {
        let said = said.iter().find(|c| c.volume == name(held.volume));
        let elsewhere = attachments(case, name(held.volume))?;
        let elsewhere =
            elsewhere.into_iter().find(|a| bool_at(a, "/status/attached") && str_at(a, "/spec/nodeName") != node);
        if said.is_some() || elsewhere.is_some() {
            let m = held_elsewhere(case, suspect, held, elsewhere)?;
            let sure = if said.is_some() && elsewhere.is_some() { Confidence::Certain } else { Confidence::High };
            let m = m.confidence(sure);
            found.push(match said {
                Some(said) => said.tell(case, suspect, m),
                None => m,
            });
        }
    }
    Ok(found)
}

/// The match for a volume that another node has: where, who mounts it there, why it does not let go.
fn held_elsewhere(case: &Case<'_>, suspect: &Suspect<'_>, held: &Bound<'_>, attachment: Option<&Value>) -> Fact<Match> {
    let (volume, claim) = (name(held.volume), name(held.claim));
    let holder = holder(case, suspect, claim, attachment.map(|a| str_at(a, "/spec/nodeName")))?;
    let node = match (attachment, holder) {
        (Some(attachment), _) => str_at(attachment, "/spec/nodeName"),
        (None, Some(holder)) => str_at(holder, "/spec/nodeName"),
        _ => "another node",
    };
    let who = holder.map_or(String::new(), |p| format!(", where pod {} mounts it", name(p)));
    let text =
        format!("Volume {volume} (claim {claim}) is attached to {node}{who}; only one node at a time may have it.");
    let modes: Vec<&str> = list_at(held.volume, "/spec/accessModes").iter().filter_map(Value::as_str).collect();
    let mut m = Match::on(&suspect.at, text).evidence(
        &ObjectRef::of(held.volume),
        "spec.accessModes",
        &modes.join(", "),
        format!("{volume} is {}: one node at a time", modes.join(", ")),
    );
    if let Some(attachment) = attachment {
        let age = case.age_of(attachment);
        let text = format!("attached to {node} for {}", human(age));
        m = m.evidence_aged(&ObjectRef::of(attachment), "status.attached", "true", Some(age), text);
    }
    m = node_of_holder(case, node, m)?;
    match holder {
        Some(holder) => let_go(case, suspect, holder, node, m),
        None => Ok(m.fix(Fix {
            summary: format!("no pod of the namespace mounts {claim} on {node}; if nothing there uses the volume, delete the attachment"),
            live: attachment.map_or(String::new(), |a| format!("kubectl delete volumeattachment {}", name(a))),
            ..Fix::default()
        })),
    }
}

/// Another pod that mounts the claim and is not finished, on the node that has the volume if that is known.
fn holder<'a>(case: &Case<'a>, suspect: &Suspect<'_>, claim: &str, node: Option<&str>) -> Fact<Option<&'a Value>> {
    let all = case.list(PODS, Some(&suspect.at.namespace)).known()?.unwrap_or_default();
    let own_node = str_at(suspect.object, "/spec/nodeName");
    let there = |pod: &Value| match (str_at(pod, "/spec/nodeName"), node) {
        (at, Some(node)) => at == node,
        (at, None) => at != own_node,
    };
    let mounts = |pod: &Value| scheduled::claims(pod).iter().any(|used| used.claim == claim);
    Ok(all.into_iter().find(|p| name(p) != suspect.at.name && counts(p) && there(p) && mounts(p)))
}

/// Evidence on the node that has the volume, whose trouble is the reason if it has one.
fn node_of_holder(case: &Case<'_>, node: &str, m: Match) -> Fact<Match> {
    let at = NODES.at("", node);
    Ok(match case.get(&at).known()? {
        Some(Some(object)) if is_true(object, "Ready") => {
            m.evidence(&at, "status.conditions[Ready]", "True", format!("{node} is Ready"))
        }
        Some(Some(_)) => m
            .evidence(&at, "status.conditions[Ready]", "", format!("{node} is not Ready, so nobody there lets go"))
            .because(at.clone())
            .fix(Fix {
                summary: format!("if {node} is really off: mark it so, then its volumes are detached by force"),
                live: format!("kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"),
                ..Fix::default()
            }),
        _ => m,
    })
}

/// Why the pod that has the volume keeps it, and how it lets go.
fn let_go<'a>(case: &Case<'a>, suspect: &Suspect<'a>, holder: &'a Value, node: &str, mut m: Match) -> Fact<Match> {
    let (at, ns) = (ObjectRef::of(holder), namespace(holder));
    let leaving = !str_at(holder, "/metadata/deletionTimestamp").is_empty();
    m = m.evidence(&at, "spec.volumes", "", format!("pod {} on {node} mounts the same claim", at.name));
    if leaving {
        return Ok(m
            .evidence(&at, "metadata.deletionTimestamp", "", format!("{} is being deleted", at.name))
            .because(at));
    }
    let (top, other) = (kin::top_owner(case, suspect.object)?, kin::top_owner(case, holder)?);
    m = m.fix(Fix {
        summary: format!("delete pod {}, so that {node} lets go of the volume", at.name),
        live: format!("kubectl -n {ns} delete pod {}", at.name),
        ..Fix::default()
    });
    let same = str_at(top, "/metadata/uid") == str_at(other, "/metadata/uid");
    if !same || str_at(top, "/kind") != "Deployment" || str_at(top, "/spec/strategy/type") == "Recreate" {
        return Ok(m);
    }
    let top_at = ObjectRef::of(top);
    let text = "strategy is RollingUpdate, not Recreate: the old pod stays until the new one is ready, and the new one \
                waits for its volume";
    m = m.evidence(&top_at, "spec.strategy.type", "RollingUpdate", text).explains(top_at);
    Ok(m.fix(case.fix(
        top,
        "spec.strategy.type",
        "set strategy.type to Recreate (or use a ReadWriteMany volume)",
        "",
    )?))
}

fn attach_failed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    if !pods::waits_for_sandbox(pod) || !pods::is_ill(case, suspect) || scheduled::claims(pod).is_empty() {
        return Ok(vec![]);
    }
    let (all, silent) = (complaints(case, suspect)?, is_silent(case, suspect)?);
    let said: Vec<&Complaint<'_>> = all.iter().filter(|c| c.cause == "volume-attach-failed").collect();
    if said.is_empty() && !silent {
        return Ok(vec![]);
    }
    let claims = bound(case, pod)?;
    let mut found = by_words(case, suspect, &claims, &said);
    for wanted in &claims {
        let said = said.iter().find(|c| c.volume == name(wanted.volume));
        let own = attachments(case, name(wanted.volume))?;
        let own = own.into_iter().find(|a| str_at(a, "/spec/nodeName") == str_at(pod, "/spec/nodeName"));
        found.extend(not_attached(case, suspect, wanted, own, said.copied()));
    }
    Ok(found)
}

/// The match for a volume that does not get attached to the pod's node, by its attachment there and the event.
fn not_attached(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    wanted: &Bound<'_>,
    own: Option<&Value>,
    said: Option<&Complaint<'_>>,
) -> Option<Match> {
    let error = own.map_or("", |a| str_at(a, "/status/attachError/message"));
    // An attachment that came after all makes the event old news.
    if own.is_some_and(|a| bool_at(a, "/status/attached")) || (said.is_none() && error.is_empty()) {
        return None;
    }
    let (volume, driver) = (name(wanted.volume), str_at(wanted.volume, "/spec/csi/driver"));
    let node = str_at(suspect.object, "/spec/nodeName");
    let nobody = error.is_empty() && said.is_some_and(|c| c.event.message.contains("external-attacher"));
    let (text, advice) = match nobody {
        true => (
            format!("Volume {volume} is not attached to {node}: the external-attacher of {driver} does not answer."),
            format!("bring the controller of {driver} back"),
        ),
        false => (
            format!("Volume {volume} (claim {}) cannot be attached to {node}.", name(wanted.claim)),
            "mend what the storage complains of: permissions, the volume itself, its zone, a limit".to_owned(),
        ),
    };
    let mut m = Match::on(&suspect.at, text).confidence(Confidence::High).because_cause("volume-csi-driver-missing");
    if let Some(own) = own.filter(|_| !error.is_empty()) {
        let age = case.age(str_at(own, "/status/attachError/time"));
        m = m.evidence_aged(&ObjectRef::of(own), "status.attachError.message", error, age, error);
    }
    if let Some(said) = said {
        m = said.tell(case, suspect, m);
    }
    let handle = str_at(wanted.volume, "/spec/csi/volumeHandle");
    let text = format!("{volume} is {handle} of {driver}");
    m = m.evidence(&ObjectRef::of(wanted.volume), "spec.csi.volumeHandle", handle, text);
    Some(m.fix(Fix { summary: advice, ..Fix::default() }))
}

/// Matches for volumes that events complain of and that may not be read: their words are all there is.
fn by_words(case: &Case<'_>, suspect: &Suspect<'_>, claims: &[Bound<'_>], said: &[&Complaint<'_>]) -> Vec<Match> {
    let unread = said.iter().filter(|c| !claims.iter().any(|b| name(b.volume) == c.volume));
    let newest = unread.take(1);
    newest
        .map(|c| {
            let node = str_at(suspect.object, "/spec/nodeName");
            let m = Match::on(&suspect.at, format!("Volume {} cannot be attached to {node}.", c.volume));
            c.tell(case, suspect, m.confidence(Confidence::High))
        })
        .collect()
}
