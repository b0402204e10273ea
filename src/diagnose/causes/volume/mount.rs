//! Volumes that are there and cannot be mounted, or take long.
//!
//! ## volume-node-affinity-at-mount
//! **You see.** A pod stays in `ContainerCreating`; an event says `MountVolume.NodeAffinity check failed`.
//! **Why.** The pod is on a node that cannot reach its volume: `spec.nodeName` or a static pod went past the scheduler.
//! **How kokpit knows.** `spec.nodeAffinity` of the volume is matched with the labels of the pod's node.
//! **Looks alike.** `pv-node-affinity-conflict`: the scheduler refuses, the pod has no node.
//! **Mend it.** Live: delete the pod. Git: remove `nodeName`, use a nodeSelector.
//!
//! ## volume-mount-failed
//! **You see.** A pod stays in `ContainerCreating`; an event says `MountVolume.SetUp failed`.
//! **Why.** The mount itself fails: an NFS server refuses or is silent, a file system is damaged, a host path is of
//! another type, a subPath cannot be made.
//! **How kokpit knows.** The kubelet's newest `FailedMount`, in its own words, while the pod still waits. Events older
//! than ten minutes are over: the kubelet repeats them more often.
//! **Looks alike.** The more telling causes of this family win when the event has their words. The kubelet's summary
//! `Unable to attach or mount volumes` gives no reason; the volumes it calls *unmounted* are the ones to look at.
//! **Mend it.** By the words: the export and the server for NFS, a repair of the file system, the path or its type.
//!
//! ## volume-slow-fsgroup
//! **You see.** A pod stays in `ContainerCreating` for minutes, then starts.
//! **Why.** `fsGroup` makes the kubelet change the owner of every file of the volume, one by one, at every start.
//! **How kokpit knows.** The event `VolumePermissionChangeInProgress`; without it only a guess: the volumes are attached,
//! nothing complains, the pod has `fsGroup` and no `fsGroupChangePolicy: OnRootMismatch`.
//! **Looks alike.** `volume-mount-failed`, `volume-attach-failed`: they say so.
//! **Mend it.** Git: `securityContext.fsGroupChangePolicy: OnRootMismatch`.

use super::{Bound, bound, complaints, is_silent};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{self, containers};
use crate::diagnose::scheduling::labels::Labels;
use crate::diagnose::scheduling::node_selector::{NodeTerms, describe_terms};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, str_at};
use serde_json::Value;

causes! { "mount.rs";
    "volume-node-affinity-at-mount" "the pod's node cannot reach the volume" Degraded ["Pod"] out_of_reach;
    "volume-mount-failed" "the volume cannot be mounted" Outage ["Pod"] mount_failed;
    "volume-slow-fsgroup" "the kubelet changes the owner of every file of the volume" Nuisance ["Pod"] slow_owner;
}

fn out_of_reach(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let all = complaints(case, suspect)?;
    let said = all.iter().find(|c| c.cause == "volume-node-affinity-at-mount");
    if said.is_none() && !is_silent(case, suspect)? {
        return Ok(vec![]);
    }
    let node = NODES.at("", str_at(suspect.object, "/spec/nodeName"));
    let object = case.get(&node).known()?.flatten();
    let (claims, mut found) = (bound(case, suspect.object)?, vec![]);
    if let Some(said) = said.filter(|c| !claims.iter().any(|b| name(b.volume) == c.volume)) {
        let text = format!("Node {} cannot reach volume {}.", node.name, said.volume);
        found.push(said.tell(case, suspect, Match::on(&suspect.at, text).confidence(Confidence::High)));
    }
    for Bound { claim, volume } in claims {
        let said = said.filter(|c| c.volume == name(volume));
        let away = object.map(|o| !reaches(volume, o));
        if away == Some(false) || (said.is_none() && away.is_none()) {
            continue;
        }
        let sure = if said.is_some() && away.is_some() { Confidence::Certain } else { Confidence::High };
        let text = format!("Node {} cannot reach volume {} (claim {}).", node.name, name(volume), name(claim));
        let terms = volume.pointer("/spec/nodeAffinity/required").map_or(String::new(), describe_terms);
        let at = ObjectRef::of(volume);
        let mut m = Match::on(&suspect.at, text)
            .confidence(sure)
            .evidence(&at, "spec.nodeAffinity.required", &terms, format!("{} needs a node with {terms}", at.name))
            .evidence(&suspect.at, "spec.nodeName", &node.name, "the pod was put on its node past the scheduler");
        if let Some(said) = said {
            m = said.tell(case, suspect, m);
        }
        let top = kin::top_owner(case, suspect.object)?;
        let what = "remove nodeName, so that the scheduler chooses a node that reaches the volume";
        found.push(m.fix(case.fix(top, &template_field(top, "spec.nodeName"), what, "")?));
    }
    Ok(found)
}

/// Whether a node can reach a volume (`spec.nodeAffinity.required`; none: every node can).
fn reaches(volume: &Value, node: &Value) -> bool {
    let terms = volume.pointer("/spec/nodeAffinity/required").filter(|t| !t.is_null());
    let labels = Labels::from_value(node.pointer("/metadata/labels"));
    terms.is_none_or(|terms| NodeTerms::from_value(terms).matches(name(node), &labels))
}

/// Words of a failed mount, what they mean, what to do; first match wins.
const WORDS: &[(&str, &str, &str)] = &[
    ("access denied by server", "the NFS server refuses this node", "allow the node in the server's exports"),
    (
        "stale file handle",
        "the NFS server no longer knows the directory",
        "restart the pods that mount it, on this node",
    ),
    ("wrong fs type", "the file system is not what the mount expects", "correct fsType or the mount options"),
    ("fsck", "the file system is damaged", "repair the file system with no pod using it"),
    ("hostpath type check failed", "the host path is not of the type that hostPath.type asks for", "correct hostPath"),
    ("subpath", "the subPath cannot be prepared", "correct subPath, or make the directory in the volume"),
    ("connection timed out", "the storage server does not answer", "check the server and the way to it from this node"),
    ("no route to host", "the storage server cannot be reached", "check the server and the way to it from this node"),
    ("connection refused", "the storage server refuses the connection", "check the server and its port"),
    (
        "failed to sync",
        "the kubelet cannot read the object from the API server",
        "look at the node's way to the API server",
    ),
    ("not registered", "the kubelet has not read the object yet", "look at the node's way to the API server"),
    ("permission denied", "the node may not mount it", "correct the storage's permissions"),
    ("exit status 32", "the mount command fails", "mend what the mount command says"),
];

/// What a mount's error means, and what to do.
fn meaning(message: &str) -> Option<(&'static str, &'static str)> {
    let text = message.to_lowercase();
    WORDS.iter().find(|(words, ..)| text.contains(words)).map(|(_, means, advice)| (*means, *advice))
}

fn mount_failed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    if let Some(m) = sub_path(case, suspect)? {
        return Ok(vec![m]);
    }
    if !pods::is_ill(case, suspect) {
        return Ok(vec![]);
    }
    let all = complaints(case, suspect)?;
    let lone_summary = all.iter().all(|c| c.summary);
    let wanted = |summary: bool| all.iter().find(|c| c.cause == "volume-mount-failed" && c.summary == summary);
    // The summary has no reason of its own; whoever complains of something else is the one to hear.
    let Some(said) = wanted(false).or_else(|| wanted(true).filter(|_| lone_summary)) else { return Ok(vec![]) };
    if missing_by_name(said.event.message) {
        return Ok(vec![]);
    }
    let (means, advice) = meaning(said.event.message).unwrap_or(("", "mend what the kubelet says"));
    let volume = if said.summary { unmounted(said.event.message) } else { said.volume };
    let why = if means.is_empty() { String::new() } else { format!(": {means}") };
    let sure = if means.is_empty() { Confidence::Medium } else { Confidence::High };
    let m = Match::on(&suspect.at, format!("Volume {volume} cannot be mounted{why}.")).confidence(sure);
    let mut m = source(suspect, volume, said.tell(case, suspect, m));
    if said.summary {
        m = m.because_cause("volume-");
    }
    let top = kin::top_owner(case, suspect.object)?;
    Ok(vec![m.fix(case.fix(top, &template_field(top, &format!("spec.volumes[{volume}]")), advice, "")?)])
}

/// Whether the error is that a ConfigMap or Secret is not there, which has causes of its own.
fn missing_by_name(message: &str) -> bool {
    ["configmap \"", "secret \""].iter().any(|kind| message.contains(kind)) && message.contains("\" not found")
}

/// The volumes that the kubelet's summary calls unmounted; the long list of unattached ones says nothing.
fn unmounted(message: &str) -> &str {
    let list = message.split_once("unmounted volumes=[").and_then(|(_, rest)| rest.split_once(']'));
    list.map_or("", |(names, _)| names)
}

/// Evidence: what the volume is in the pod's spec.
fn source(suspect: &Suspect<'_>, volume: &str, m: Match) -> Match {
    let Some(spec) = list_at(suspect.object, "/spec/volumes").iter().find(|v| str_at(v, "/name") == volume) else {
        return m;
    };
    let kind = spec.as_object().into_iter().flatten().find(|(key, _)| *key != "name");
    match kind {
        Some((kind, source)) => {
            let path = format!("spec.volumes[{volume}].{kind}");
            m.evidence(&suspect.at, &path, "", format!("volume {volume} is {kind} {source}"))
        }
        None => m,
    }
}

/// A container whose subPath cannot be prepared: its sandbox is made, it waits with the error.
fn sub_path(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Option<Match>> {
    let waiting =
        containers(suspect.object).into_iter().find(|c| c.waiting_message().contains("failed to prepare subPath"));
    let Some(container) = waiting else { return Ok(None) };
    let top = kin::top_owner(case, suspect.object)?;
    let field = template_field(top, &format!("{}.volumeMounts", container.path));
    let text = format!("A subPath of container {} cannot be prepared.", container.name);
    let m = Match::on(&suspect.at, text).confidence(Confidence::High).evidence(
        &suspect.at,
        "status.containerStatuses[].state.waiting.message",
        container.waiting_message(),
        container.waiting_message(),
    );
    Ok(Some(m.fix(case.fix(top, &field, "correct subPath, or make the directory in the volume", "")?)))
}

fn slow_owner(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let context = |field: &str| str_at(pod, &format!("/spec/securityContext/{field}"));
    let group = int_at(pod, "/spec/securityContext/fsGroup");
    if group.is_none() || context("fsGroupChangePolicy") == "OnRootMismatch" || !pods::waits_for_sandbox(pod) {
        return Ok(vec![]);
    }
    let all = complaints(case, suspect)?;
    let said = all.iter().find(|c| c.cause == "volume-slow-fsgroup");
    if said.is_none() && !is_silent(case, suspect)? {
        return Ok(vec![]);
    }
    let (group, mut at_work) = (group.unwrap_or_default(), vec![]);
    for wanted in bound(case, pod)? {
        if said.is_some() || is_attached(case, wanted.volume, str_at(pod, "/spec/nodeName"))? {
            at_work.push(wanted);
        }
    }
    if said.is_none() && at_work.is_empty() {
        return Ok(vec![]);
    }
    let text = format!("The kubelet gives every file of the pod's volumes to group {group} (fsGroup), one by one.");
    let sure = if said.is_some() { Confidence::Medium } else { Confidence::Low };
    let path = "spec.securityContext.fsGroup";
    let text_of_group = format!("fsGroup {group}, fsGroupChangePolicy is not OnRootMismatch");
    let mut m =
        Match::on(&suspect.at, text).confidence(sure).evidence(&suspect.at, path, &group.to_string(), text_of_group);
    for Bound { claim, volume } in at_work {
        let size = str_at(volume, "/spec/capacity/storage");
        m = m.evidence(
            &ObjectRef::of(claim),
            "status.capacity.storage",
            size,
            format!("claim {} has {size}", name(claim)),
        );
    }
    if let Some(said) = said {
        m = said.tell(case, suspect, m);
    }
    let top = kin::top_owner(case, pod)?;
    let field = template_field(top, "spec.securityContext.fsGroupChangePolicy");
    let what = "set fsGroupChangePolicy: OnRootMismatch; until then wait";
    Ok(vec![m.fix(case.fix(top, &field, what, "")?)])
}

/// Whether the pod's node has the volume attached (a volume that is never attached counts as well).
fn is_attached(case: &Case<'_>, volume: &Value, node: &str) -> Fact<bool> {
    let all = case.list(ATTACHMENTS, None).known()?.unwrap_or_default();
    let own = |a: &&Value| str_at(a, "/spec/source/persistentVolumeName") == name(volume);
    let mut of_volume = all.into_iter().filter(own).peekable();
    Ok(of_volume.peek().is_none() || of_volume.any(|a| str_at(a, "/spec/nodeName") == node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_the_unmounted_volumes() {
        let text = "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data tmp kube-api]: \
                    timed out waiting for the condition";
        assert_eq!(unmounted(text), "data");
        assert_eq!(unmounted("something else"), "");
    }

    #[test]
    fn errors_have_a_meaning() {
        assert!(
            meaning("mount.nfs: access denied by server while mounting").is_some_and(|(m, _)| m.contains("refuses"))
        );
        assert!(meaning("hostPath type check failed: /x is not a directory").is_some_and(|(m, _)| m.contains("type")));
        assert_eq!(meaning("something new"), None);
    }
}
