//! Claims that are not bound.
//!
//! ## pvc-no-default-class
//! **You see.** A claim stays Pending, and with it every pod that mounts it.
//! **Why.** The claim names no StorageClass, and no class of the cluster is marked as the default one. (`""` as the
//! class is another matter: it asks for volumes made by hand.)
//! **How kokpit knows.** `spec.storageClassName` is absent and no class has the annotation
//! `storageclass.kubernetes.io/is-default-class: "true"`. A default that is set later is applied to the claim.
//! **Looks alike.** `pvc-class-missing`, `pvc-provisioner-down`.
//! **Mend it.** Live: mark a class as default. Git: `spec.storageClassName` in the claim.
//!
//! ## pvc-class-missing
//! **You see.** A claim stays Pending; an event says `storageclass.storage.k8s.io "x" not found`.
//! **Why.** The claim names a StorageClass that does not exist.
//! **How kokpit knows.** The class is looked up; classes with a similar name are printed.
//! **Looks alike.** The scheduler calls such a claim "unbound immediate" (`pvc-unbound-immediate`).
//! **Mend it.** The class of a claim cannot be changed: delete the claim and make it anew with a class that exists, or
//! create the class. Git: `spec.storageClassName`.
//!
//! ## pvc-wffc-waiting
//! **You see.** A claim is Pending; an event says `waiting for first consumer to be created before binding`.
//! **Why.** Its class binds only when a pod that mounts the claim gets a node (`WaitForFirstConsumer`). That is normal.
//! **How kokpit knows.** `volumeBindingMode` of the class; the pods that mount the claim are listed. It is never the
//! reason: if such a pod waits, what keeps the pod from a node is.
//! **Looks alike.** `pvc-no-matching-pv`, `pvc-selected-node-stuck`, `pvc-provisioning-failed`: there the pod is ready to go.
//! **Mend it.** Nothing. Without a pod: start one that mounts the claim, or delete the claim.
//!
//! ## pvc-selected-node-stuck
//! **You see.** A claim stays Pending; its pod finds volumes on no node but one, and that one does not take it.
//! **Why.** The scheduler once chose a node for the claim (annotation `volume.kubernetes.io/selected-node`), and the
//! volume was never made. The choice ties the claim to a node that is gone, closed or full now.
//! **How kokpit knows.** The claim is unbound and carries the annotation; the node does not exist, or fails another
//! filter for the pod.
//! **Looks alike.** A provisioner that is down leaves the annotation for a while too, but on a node that takes the pod.
//! **Mend it.** Live: remove the annotation; the scheduler chooses anew. Git: nothing.
//!
//! ## pvc-provisioner-down
//! **You see.** A claim stays Pending; the only event is `Waiting for a volume to be created either by the external
//! provisioner …`.
//! **Why.** The class names a provisioner, and nothing of that name works on the claim.
//! **How kokpit knows.** The event repeats and the provisioner itself never said `Provisioning`.
//! **Looks alike.** `pvc-provisioning-failed` (it runs and fails), `pvc-selected-node-stuck`.
//! **Mend it.** Live: bring the driver's controller back.
//!
//! ## pvc-provisioning-failed
//! **You see.** A claim stays Pending; an event says `failed to provision volume with StorageClass`.
//! **Why.** The provisioner runs, but the storage refuses: quota, permissions, parameters, no topology.
//! **How kokpit knows.** The newest `ProvisioningFailed` event with the storage's own words.
//! **Looks alike.** `pvc-class-missing` uses the same reason for another sentence.
//! **Mend it.** As the storage's words say: quota, permissions of the driver, the class's parameters, the claim's size.

use super::{evaluated, node_ref};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kin;
use crate::diagnose::kinds::{NODES, STORAGECLASSES};
use crate::diagnose::scheduling::storage::Claim;
use crate::diagnose::verdict::{Confidence, Fix};
use crate::world::object::{name, namespace, str_at};
use serde_json::Value;

const SELECTED_NODE: &str = "metadata.annotations[volume.kubernetes.io/selected-node]";
/// How long a provisioner may take before its silence means anything (engine rule 5).
pub(super) const GATE_S: i64 = 60;

causes! { "claim.rs";
    "pvc-no-default-class" "the claim names no StorageClass and none is the default" Outage ["PersistentVolumeClaim"] no_default;
    "pvc-class-missing" "the claim's StorageClass does not exist" Outage ["PersistentVolumeClaim"] class_missing;
    "pvc-wffc-waiting" "the claim waits for its first pod" Nuisance ["PersistentVolumeClaim"] waits;
    "pvc-selected-node-stuck" "the claim is tied to a node that cannot take the pod" Outage ["PersistentVolumeClaim"] stuck;
    "pvc-provisioner-down" "nothing works on making the claim's volume" Outage ["PersistentVolumeClaim"] provisioner_down;
    "pvc-provisioning-failed" "making the claim's volume fails" Outage ["PersistentVolumeClaim"] provisioning_failed;
}

/// The claim, if it exists and is not bound.
pub(super) fn open(suspect: &Suspect<'_>) -> Option<Claim> {
    let claim = Claim::new(suspect.object);
    let waits =
        suspect.exists() && !claim.bound && !claim.deleting && str_at(suspect.object, "/status/phase") != "Bound";
    waits.then_some(claim)
}

fn is_default(class: &Value) -> bool {
    let annotation =
        |key: &str| class.pointer("/metadata/annotations").and_then(|a| a.get(key)).and_then(Value::as_str);
    annotation("storageclass.kubernetes.io/is-default-class") == Some("true")
        || annotation("storageclass.beta.kubernetes.io/is-default-class") == Some("true")
}

fn no_default(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(claim) = open(suspect) else { return Ok(vec![]) };
    let named = suspect.object.pointer("/spec/storageClassName").is_some_and(|c| !c.is_null());
    if named || !claim.class.is_empty() || !claim.volume.is_empty() {
        return Ok(vec![]);
    }
    let classes = case.list(STORAGECLASSES, None)?;
    if classes.iter().any(|c| is_default(c)) {
        return Ok(vec![]);
    }
    let names: Vec<&str> = classes.iter().map(|c| name(c)).collect();
    let (ns, claim) = (namespace(suspect.object), name(suspect.object));
    let known = match names[..] {
        [] => "the cluster has no classes at all".to_owned(),
        [one] => format!("class {one} exists, but is not the default"),
        _ => format!("classes {} exist, none is default", names.join(" and ")),
    };
    let mut found =
        Match::on(&suspect.at, format!("PVC {ns}/{claim} names no storage class, and no class is the default."))
            .evidence(&suspect.at, "spec.storageClassName", "", format!("PVC {ns}/{claim} has no storageClassName"))
            .evidence(&suspect.at, "", "", known);
    found = said(case, suspect, &["FailedBinding"], "no storage class is set", found)?;
    if let Some(first) = names.first() {
        let live = format!(
            "kubectl annotate storageclass {first} storageclass.kubernetes.io/is-default-class=true --overwrite"
        );
        found = found.fix(Fix { summary: format!("make {first} the default class"), live, ..Fix::default() });
    }
    let set = case.fix(suspect.object, "spec.storageClassName", "name a class in the claim", "")?;
    Ok(vec![found.fix(set)])
}

fn class_missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(claim) = open(suspect).filter(|c| !c.class.is_empty() && c.volume.is_empty()) else { return Ok(vec![]) };
    let classes = case.list(STORAGECLASSES, None)?;
    if classes.iter().any(|c| name(c) == claim.class) {
        return Ok(vec![]);
    }
    let mut names: Vec<&str> = classes.iter().map(|c| name(c)).collect();
    names.sort_by_key(|n| (common_prefix(n, &claim.class) == 0, std::cmp::Reverse(common_prefix(n, &claim.class))));
    let (ns, claim_name, class) = (&claim.namespace, &claim.name, &claim.class);
    let known = if names.is_empty() { "there are no classes".into() } else { format!("classes: {}", names.join(", ")) };
    let text = format!("PVC {ns}/{claim_name} asks for storage class {class}, which does not exist.");
    let mut found = Match::on(&suspect.at, text)
        .evidence(&suspect.at, "spec.storageClassName", class, format!("{claim_name} asks for class {class}"))
        .evidence(&STORAGECLASSES.at("", class), "", "", known);
    found = said(case, suspect, &["ProvisioningFailed"], "not found", found)?;
    let likely = names.first().copied().unwrap_or("a class that exists");
    let summary = format!("delete the claim and make it anew with storageClassName {likely} (the field is immutable)");
    let live = format!("kubectl -n {ns} delete pvc {claim_name} && kubectl -n {ns} create -f {claim_name}.yaml");
    Ok(vec![found.fix(case.fix(suspect.object, "spec.storageClassName", summary, live)?)])
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count()
}

/// The newest event with some words, as evidence.
pub(super) fn said(case: &Case<'_>, suspect: &Suspect<'_>, reasons: &[&str], text: &str, found: Match) -> Fact<Match> {
    Ok(match case.event_with(suspect.object, reasons, text)? {
        Some(event) => {
            let age = event.last.is_set().then(|| event.last.age(case.now()));
            found.evidence_aged(&suspect.at, "", event.reason, age, format!("{}: {}", event.reason, event.message))
        }
        None => found,
    })
}

/// A claim that waits for its pod, as its class wants it; never a reason, so it always stands aside.
fn waits(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(claim) = open(suspect).filter(|c| c.selected_node.is_none()) else { return Ok(vec![]) };
    if !kin::waits_for_pod(case, suspect.object)? {
        return Ok(vec![]);
    }
    let pods: Vec<&str> = kin::waiting_for(case, suspect.object)?.into_iter().map(name).collect();
    let (ns, claim_name) = (&claim.namespace, &claim.name);
    let text = match pods.is_empty() {
        true => format!("PVC {ns}/{claim_name} waits for its first pod, and no pod mounts it. That is normal."),
        false => format!("PVC {ns}/{claim_name} waits until {} has a node. That is normal.", pods.join(", ")),
    };
    let at = STORAGECLASSES.at("", &claim.class);
    let mode = format!("class {} binds when the first pod comes", claim.class);
    let found = Match::on(&suspect.at, text).evidence(&at, "volumeBindingMode", "WaitForFirstConsumer", mode);
    Ok(vec![said(case, suspect, &["WaitForFirstConsumer", "WaitForPodScheduled"], "", found)?.aside()])
}

fn stuck(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(claim) = open(suspect) else { return Ok(vec![]) };
    let Some(node) = &claim.selected_node else { return Ok(vec![]) };
    let exists = case.listed(NODES, "", node)?.is_some();
    let mut obstacles = vec![];
    if exists {
        for pod in kin::waiting_for(case, suspect.object)? {
            let placement = evaluated(case, pod)?;
            let failing = placement.scheduling.nodes.get(node.as_str()).into_iter().flat_map(|f| f.iter());
            obstacles.extend(failing.filter(|(plugin, _)| *plugin != "VolumeBinding").flat_map(|(_, r)| r.clone()));
        }
        if obstacles.is_empty() {
            return Ok(vec![]);
        }
        obstacles.sort();
        obstacles.dedup();
    }
    let (ns, claim_name) = (&claim.namespace, &claim.name);
    let why =
        if exists { format!("does not take its pod ({})", obstacles.join(", ")) } else { "does not exist".into() };
    let found = Match::on(&suspect.at, format!("PVC {ns}/{claim_name} is tied to node {node}, which {why}."))
        .evidence(
            &suspect.at,
            SELECTED_NODE,
            node,
            format!("{claim_name} has volume.kubernetes.io/selected-node: {node}"),
        )
        .evidence(&node_ref(node), "", "", format!("node {node} {why}"))
        .confidence(if exists { Confidence::High } else { Confidence::Certain })
        .fix(Fix {
            summary: "remove the choice, so that the scheduler makes a new one".into(),
            live: format!("kubectl -n {ns} annotate pvc {claim_name} volume.kubernetes.io/selected-node-"),
            ..Fix::default()
        });
    Ok(vec![found])
}

fn provisioner_down(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(claim) = open(suspect) else { return Ok(vec![]) };
    if case.age_of(suspect.object) < GATE_S {
        return Ok(vec![]);
    }
    let events = case.events_of(suspect.object)?;
    let waits = events.iter().find(|e| e.reason == "ExternalProvisioning");
    let worked = events.iter().any(|e| e.reason == "Provisioning" || e.reason == "ProvisioningFailed");
    let Some(waits) = waits.filter(|_| !worked) else { return Ok(vec![]) };
    let class = case.list(STORAGECLASSES, None).known()?.unwrap_or_default();
    let class = class.into_iter().find(|c| name(c) == claim.class);
    let provisioner = class.map_or("its provisioner", |c| str_at(c, "/provisioner"));
    let text = format!("Nothing works on PVC {}/{}: {provisioner} is silent.", claim.namespace, claim.name);
    let found = Match::on(&suspect.at, text)
        .evidence_aged(
            &suspect.at,
            "",
            waits.reason,
            Some(waits.last.age(case.now())),
            format!("{} ({} times)", waits.message, waits.count),
        )
        .evidence(&suspect.at, "", "", format!("no Provisioning event of {provisioner}"))
        .confidence(Confidence::High)
        .because_cause("pvc-selected-node-stuck");
    Ok(vec![found.fix(Fix { summary: format!("bring the controller of {provisioner} back"), ..Fix::default() })])
}

fn provisioning_failed(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(claim) = open(suspect) else { return Ok(vec![]) };
    let Some(event) = case.event_with(suspect.object, &["ProvisioningFailed"], "failed to provision volume")? else {
        return Ok(vec![]);
    };
    let text = format!("Making a volume for PVC {}/{} fails.", claim.namespace, claim.name);
    let age = Some(event.last.age(case.now()));
    let found = Match::on(&suspect.at, text)
        .evidence_aged(&suspect.at, "", event.reason, age, event.message)
        .confidence(Confidence::High)
        .because_cause("pvc-class-missing");
    let advice =
        "mend what the storage complains of: quota, the driver's permissions, the class's parameters, the size";
    Ok(vec![found.fix(Fix { summary: advice.into(), ..Fix::default() })])
}
