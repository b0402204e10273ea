//! The volume binder: claims get volumes, from those that are there or made by a provisioner
//! (`pkg/controller/volume/persistentvolume`).

use super::meta::{annotation, deleting, set, set_key, uid};
use super::plan::{EventNote, Plan, Snapshot, Write};
use crate::sim::scheduler::filters::matches_term;
use crate::sim::scheduler::volumes::{SELECTED_NODE, reachable};
use crate::world::object::{list_at, name, namespace, str_at};
use crate::world::quantity::Quantity;
use serde_json::{Value, json};

const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
const BOUND: &str = "pv.kubernetes.io/bind-completed";

/// Whether a claim has its volume.
pub fn is_bound(claim: &Value) -> bool {
    !str_at(claim, "/spec/volumeName").is_empty() && !annotation(claim, BOUND).is_empty()
}

/// The class a claim names, if it exists. A claim without `storageClassName` takes the default class.
pub fn class_of<'a>(s: &'a Snapshot, claim: &Value) -> Option<&'a Value> {
    match claim.pointer("/spec/storageClassName").and_then(Value::as_str) {
        Some(wanted) => s.get("storageclasses", "", wanted),
        None => s.of("storageclasses").iter().map(AsRef::as_ref).find(|c| is_default(c)),
    }
}

fn is_default(class: &Value) -> bool {
    annotation(class, "storageclass.kubernetes.io/is-default-class") == "true"
}

/// Whether the claim is left alone until a pod that uses it is placed.
pub fn waits_for_consumer(s: &Snapshot, claim: &Value) -> bool {
    class_of(s, claim).is_some_and(|c| str_at(c, "/volumeBindingMode") == "WaitForFirstConsumer")
}

/// Whether the class can make a volume, on a given node if one is given.
pub fn can_provision(class: &Value, node: Option<&Value>) -> bool {
    let provisioner = str_at(class, "/provisioner");
    let topologies = list_at(class, "/allowedTopologies");
    let term = |t: &Value| json!({"matchExpressions": list_at(t, "/matchLabelExpressions").iter().map(|e| json!({"key": str_at(e, "/key"), "operator": "In", "values": list_at(e, "/values")})).collect::<Vec<_>>()});
    let here = topologies.is_empty() || node.is_none_or(|n| topologies.iter().any(|t| matches_term(&term(t), n)));
    !provisioner.is_empty() && provisioner != NO_PROVISIONER && here
}

/// The smallest free volume that satisfies the claim, near a node if one is given.
pub fn find_volume<'a>(s: &'a Snapshot, claim: &Value, node: Option<&Value>) -> Option<&'a Value> {
    let size = |o: &Value, at: &str| Quantity::parse(str_at(o, at)).unwrap_or_default();
    let need = size(claim, "/spec/resources/requests/storage");
    let named = str_at(claim, "/spec/volumeName");
    let modes = list_at(claim, "/spec/accessModes");
    s.of("persistentvolumes")
        .iter()
        .map(AsRef::as_ref)
        .filter(|v| !deleting(v) && free_for(v, claim))
        .filter(|v| named.is_empty() || name(v) == named)
        .filter(|v| str_at(v, "/spec/storageClassName") == str_at(claim, "/spec/storageClassName"))
        .filter(|v| size(v, "/spec/capacity/storage") >= need)
        .filter(|v| modes.iter().all(|m| list_at(v, "/spec/accessModes").contains(m)))
        .filter(|v| node.is_none_or(|n| reachable(v, n)))
        .min_by_key(|v| size(v, "/spec/capacity/storage"))
}

fn free_for(volume: &Value, claim: &Value) -> bool {
    let holder = volume.pointer("/spec/claimRef");
    holder.is_none_or(|h| {
        str_at(h, "/name") == name(claim)
            && str_at(h, "/namespace") == namespace(claim)
            && (str_at(h, "/uid").is_empty() || str_at(h, "/uid") == uid(claim))
    })
}

/// Binds claims, makes volumes, says what is missing.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for claim in s.of("persistentvolumeclaims").iter().filter(|c| !deleting(c)) {
        match is_bound(claim) {
            true => settle(s, claim, &mut plan),
            false => one(s, claim, &mut plan),
        }
    }
    release(s, &mut plan);
    plan
}

fn one(s: &Snapshot, claim: &Value, plan: &mut Plan) {
    let selected = annotation(claim, SELECTED_NODE);
    let node = s.get("nodes", "", selected);
    let delayed = waits_for_consumer(s, claim);
    if delayed && node.is_none() {
        return note(
            claim,
            false,
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding".into(),
            plan,
        );
    }
    if let Some(volume) = find_volume(s, claim, node) {
        return bind(claim, volume, plan);
    }
    let wanted = claim.pointer("/spec/storageClassName").and_then(Value::as_str);
    match class_of(s, claim) {
        Some(class) if can_provision(class, node) => provision(s, claim, class, node, plan),
        Some(_) => note(
            claim,
            false,
            "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set".into(),
            plan,
        ),
        None if wanted.unwrap_or_default().is_empty() => {
            note(
                claim,
                false,
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set".into(),
                plan,
            );
        }
        None => {
            let text = format!("storageclass.storage.k8s.io \"{}\" not found", wanted.unwrap_or_default());
            note(claim, true, "ProvisioningFailed", text, plan);
        }
    }
    if claim.get("status").is_none() {
        let mut new = claim.clone();
        set(&mut new, "status", json!({"phase": "Pending"}));
        plan.push(Write::Status(new));
    }
}

/// The real controller repeats itself every 15 s; the event counts.
fn note(claim: &Value, warning: bool, reason: &'static str, message: String, plan: &mut Plan) {
    plan.note(EventNote {
        about: claim.clone(),
        warning,
        reason,
        message,
        reporter: "persistentvolume-controller",
        host: String::new(),
        field: String::new(),
        every: 15,
    });
}

fn bind(claim: &Value, volume: &Value, plan: &mut Plan) {
    let mut held = volume.clone();
    set(&mut held, "spec.claimRef", reference(claim));
    plan.push(Write::Update(held));
    let mut new = claim.clone();
    set(&mut new, "spec.volumeName", json!(name(volume)));
    set_key(&mut new, "metadata.annotations", BOUND, json!("yes"));
    set_key(&mut new, "metadata.annotations", "pv.kubernetes.io/bound-by-controller", json!("yes"));
    plan.push(Write::Update(new));
}

fn reference(claim: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace(claim), "name": name(claim), "uid": uid(claim)})
}

/// Makes a volume in the zone of the chosen node, as a zonal disk would be.
fn provision(s: &Snapshot, claim: &Value, class: &Value, node: Option<&Value>, plan: &mut Plan) {
    let volume_name = format!("pvc-{}", uid(claim));
    if s.get("persistentvolumes", "", &volume_name).is_some() {
        return;
    }
    let zone = node.and_then(|n| n.pointer("/metadata/labels")?.get("topology.kubernetes.io/zone")?.as_str());
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": volume_name, "annotations": {"pv.kubernetes.io/provisioned-by": str_at(class, "/provisioner")}},
        "spec": {
            "accessModes": list_at(claim, "/spec/accessModes"), "storageClassName": name(class),
            "capacity": {"storage": str_at(claim, "/spec/resources/requests/storage")}, "claimRef": reference(claim),
            "csi": {"driver": str_at(class, "/provisioner"), "fsType": "ext4", "volumeHandle": format!("vol-{}", uid(claim))},
            "persistentVolumeReclaimPolicy": match str_at(class, "/reclaimPolicy") { "" => "Delete", p => p }, "volumeMode": "Filesystem",
        },
        "status": {"phase": "Available"},
    });
    if let Some(zone) = zone {
        let term =
            json!({"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}]});
        set(&mut volume, "spec.nodeAffinity", json!({"required": {"nodeSelectorTerms": [term]}}));
    }
    plan.push(Write::Create(volume));
    let text = format!("Successfully provisioned volume {volume_name}");
    plan.event("csi-provisioner", claim, false, "ProvisioningSucceeded", text);
}

/// Brings the statuses of a bound pair up to date.
fn settle(s: &Snapshot, claim: &Value, plan: &mut Plan) {
    let volume = s.get("persistentvolumes", "", str_at(claim, "/spec/volumeName"));
    let mut new = claim.clone();
    match volume {
        Some(volume) => {
            set(
                &mut new,
                "status",
                json!({"phase": "Bound", "accessModes": list_at(volume, "/spec/accessModes"), "capacity": volume.pointer("/spec/capacity").cloned().unwrap_or_default()}),
            );
            let mut held = volume.clone();
            set(&mut held, "status.phase", json!("Bound"));
            plan.status_if_changed(volume, held);
        }
        None => set(&mut new, "status", json!({"phase": "Lost"})),
    }
    plan.status_if_changed(claim, new);
}

/// A volume whose claim is gone goes too, or waits for somebody to look at it.
fn release(s: &Snapshot, plan: &mut Plan) {
    for volume in s.of("persistentvolumes").iter().filter(|v| v.pointer("/spec/claimRef/uid").is_some()) {
        let holder = &volume["spec"]["claimRef"];
        let claim = s.get("persistentvolumeclaims", str_at(holder, "/namespace"), str_at(holder, "/name"));
        if claim.is_some_and(|c| uid(c) == str_at(holder, "/uid")) {
            continue;
        }
        if str_at(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
            plan.push(Write::Delete((**volume).clone()));
        } else {
            let mut new = (**volume).clone();
            set(&mut new, "status.phase", json!("Released"));
            plan.status_if_changed(volume, new);
        }
    }
}
