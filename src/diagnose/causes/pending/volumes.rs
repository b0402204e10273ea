//! Volumes that keep a pod from its node, seen from the pod.
//!
//! ## pvc-not-found
//! **You see.** A pod stays Pending; the scheduler says `persistentvolumeclaim "x" not found`.
//! **Why.** The pod mounts a claim that does not exist in its namespace (or one that an ephemeral volume's controller
//! has not made yet).
//! **How kokpit knows.** The claim is looked up by the name in `volumes[].persistentVolumeClaim.claimName`.
//! **Looks alike.** A claim in another namespace, a typo, a StatefulSet whose claims could not be created, a sync that
//! has not come to the claim yet.
//! **Mend it.** Live: create the claim. Git: add the claim's manifest, or correct `claimName`.
//!
//! ## pvc-unbound-immediate
//! **You see.** A pod stays Pending; the scheduler says `pod has unbound immediate PersistentVolumeClaims`.
//! **Why.** A claim whose class binds at once (or whose class does not exist, or that names a volume) is not bound yet.
//! This is never the reason itself: what keeps the claim from being bound is.
//! **How kokpit knows.** The claim names no volume or is not bound in full, and its class does not wait for a pod.
//! **Looks alike.** A claim of a class with `WaitForFirstConsumer` waits for the pod, which is normal.
//! **Mend it.** See the claim's cause.
//!
//! ## pvc-no-matching-pv
//! **You see.** A pod stays Pending; the scheduler says `didn't find available persistent volumes to bind`.
//! **Why.** An unbound claim that waits for its pod finds no free volume that fits (class, size, mode, labels, access,
//! place), and no new one can be made for these nodes: the class has no provisioner, its `allowedTopologies` leave the
//! nodes out, or an earlier choice ties the claim to another node.
//! **How kokpit knows.** Every volume of the class is compared with the claim on every node, as the scheduler does.
//! **Looks alike.** `pv-node-affinity-conflict` (the claim is bound), `csi-storage-capacity` (no room at the driver).
//! **Mend it.** Git: the claim's size, access modes or class, the class's `allowedTopologies`, or a volume that fits.
//!
//! ## pv-node-affinity-conflict
//! **You see.** A pod stays Pending; the scheduler says `didn't match PersistentVolume's node affinity`.
//! **Why.** The claim is bound to a volume that only some nodes can reach (a disk in one zone, a local disk), and those
//! nodes do not take the pod for another reason, or are gone.
//! **How kokpit knows.** The volume's `spec.nodeAffinity` is matched with every node; what keeps the pod from the nodes
//! that do reach it is named as well.
//! **Looks alike.** `volume-zone-conflict` (labels of the volume), two claims bound in different zones.
//! **Mend it.** Live: uncordon or add a node where the volume is. A local volume whose node is gone for ever is lost:
//! delete claim and pod to get a new, *empty* one. Git: `volumeBindingMode: WaitForFirstConsumer` in the class.
//!
//! ## pv-missing
//! **You see.** A pod stays Pending; the scheduler says `bound to non-existent persistentvolume`.
//! **Why.** The claim is bound to a volume that no longer exists.
//! **How kokpit knows.** `spec.volumeName` names a volume that is not in the list.
//! **Looks alike.** A claim in phase Lost is the same one step later.
//! **Mend it.** Restore the volume's manifest, or make the claim anew (its data is elsewhere or lost).
//!
//! ## pvc-terminating
//! **You see.** A pod stays Pending; the scheduler says `persistentvolumeclaim "x" is being deleted`.
//! **Why.** The claim was deleted, but a pod still uses it, so it stays, half gone, and takes no new pod.
//! **How kokpit knows.** The claim has a deletion timestamp; the pods that mount it are listed.
//! **Looks alike.** `pvc-not-found`.
//! **Mend it.** Live: delete the pods that still hold it; then it goes, and can be made anew.
//!
//! ## csi-storage-capacity
//! **You see.** A pod stays Pending; the scheduler says `did not have enough free storage`.
//! **Why.** The CSI driver publishes how much room it has, and nowhere is it enough for the claim.
//! **How kokpit knows.** The CSIStorageCapacity objects of the class are compared with the claim's request.
//! **Looks alike.** No capacity object at all means that the driver's publisher is down.
//! **Mend it.** Make room at the storage backend, or ask for less in the claim.
//!
//! ## rwop-in-use
//! **You see.** A pod stays Pending; the scheduler says that a ReadWriteOncePod claim is in use by another pod.
//! **Why.** Only one pod of the whole cluster may use such a claim. Often a rolling update that starts the new pod
//! before the old one is gone.
//! **How kokpit knows.** Another pod that is not finished mounts the same claim.
//! **Looks alike.** A ReadWriteOnce disk that is attached elsewhere fails later, when it is attached.
//! **Mend it.** Git: `strategy: Recreate`, or a StatefulSet. Live: delete the old pod.
//!
//! ## csi-volume-limit
//! **You see.** A pod stays Pending; the scheduler says `exceed max volume count`.
//! **Why.** A CSI driver can attach only so many volumes to one node.
//! **How kokpit knows.** The volumes of the pods on each node and its VolumeAttachments are counted against
//! `CSINode.spec.drivers[].allocatable.count`.
//! **Looks alike.** Attachments that no pod uses any more still count.
//! **Mend it.** Live: delete attachments that were left behind, add a node. Git: a machine type with a higher limit.
//!
//! ## volume-zone-conflict
//! **You see.** A pod stays Pending; the scheduler says `no available volume zone`.
//! **Why.** The volume has zone or region *labels*, and no usable node is there.
//! **How kokpit knows.** The volume's labels are compared with those of every node.
//! **Looks alike.** `pv-node-affinity-conflict` (the volume's `nodeAffinity`); often both say the same.
//! **Mend it.** As for `pv-node-affinity-conflict`.
//!
//! ## legacy-disk-conflict
//! **You see.** A pod stays Pending; the scheduler says `no available disk`.
//! **Why.** An in-tree disk in the pod's spec (GCE, EBS, RBD, iSCSI) is used by another pod on the node.
//! **How kokpit knows.** The disks of the pods on each node are compared.
//! **Looks alike.** `rwop-in-use`.
//! **Mend it.** Delete the pod that holds the disk, or move to claims.

use super::{Placement, names, placement};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::*;
use crate::diagnose::pods;
use crate::diagnose::scheduling::node_selector::describe_terms;
use crate::diagnose::scheduling::pod::ClaimUse;
use crate::diagnose::scheduling::storage::{Claim, Volume};
use crate::diagnose::scheduling::{Node, Pod, node_volume_limits, volume_binding, volume_restrictions, volume_zone};
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, name};
use crate::world::quantity::human_bytes;
use serde_json::Value;

const BINDING: &str = "VolumeBinding";

causes! { "volumes.rs";
    "pvc-not-found" "the pod mounts a claim that does not exist" Outage ["Pod"] not_found;
    "pvc-unbound-immediate" "a claim that should be bound already is not" Outage ["Pod"] unbound;
    "pvc-no-matching-pv" "no volume fits the claim on any usable node" Outage ["Pod"] no_volume;
    "pv-node-affinity-conflict" "the volume cannot be reached from the nodes with room" Outage ["Pod"] elsewhere;
    "pv-missing" "the claim is bound to a volume that does not exist" Outage ["Pod"] gone;
    "pvc-terminating" "the claim is being deleted" Degraded ["Pod"] terminating;
    "csi-storage-capacity" "the storage driver has no room for the claim" Degraded ["Pod"] no_space;
    "rwop-in-use" "a claim for one pod only is in use by another" Degraded ["Pod"] one_pod;
    "csi-volume-limit" "the nodes have as many volumes attached as they may" Degraded ["Pod"] limit;
    "volume-zone-conflict" "the volume is in another zone than the nodes with room" Degraded ["Pod"] zone;
    "legacy-disk-conflict" "the disk is used by another pod on the node" Nuisance ["Pod"] disk;
}

/// The pod's claims with what the snapshot knows of them.
fn claims<'p>(placement: &'p Placement, pod: &Pod<'_>) -> Vec<(String, Option<&'p Claim>)> {
    let look_up = |used: &ClaimUse| (used.claim.clone(), placement.world.rest.claim(pod.namespace, &used.claim));
    pod.claims.iter().map(look_up).collect()
}

fn claim_ref(ns: &str, name: &str) -> ObjectRef {
    CLAIMS.at(ns, name)
}

fn not_found(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    if placement.world.rest.claims.is_none() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let mut all = vec![];
    for (name, _) in claims(&placement, &pod).into_iter().filter(|(_, claim)| claim.is_none()) {
        let ns = pod.namespace;
        let mut found = Match::on(&suspect.at, format!("It mounts claim {name}, which does not exist in {ns}."))
            .evidence(
                &suspect.at,
                "spec.volumes[].persistentVolumeClaim.claimName",
                &name,
                format!("mounts claim {name}"),
            );
        let others: Vec<&str> = (placement.world.rest.claims.iter().flatten())
            .filter(|((other_ns, other), _)| other_ns == ns || *other == name)
            .map(|((other_ns, other), _)| if other_ns == ns { other.as_str() } else { other_ns.as_str() })
            .take(6)
            .collect();
        let text = match others.is_empty() {
            true => format!("no claim of that name anywhere, and {ns} has no claims"),
            false => format!("claims of {ns}, or namespaces that have one of that name: {}", others.join(", ")),
        };
        found = found.evidence(&claim_ref(ns, &name), "", "", text);
        let path = "spec.volumes[].persistentVolumeClaim.claimName";
        let field = crate::diagnose::scheduling::changes::Template::of(suspect.object).field(path);
        let text = format!("create claim {name} in {ns}, or correct claimName");
        found = found.fix(case.fix(suspect.object, &field, text, format!("kubectl -n {ns} create -f {name}.yaml"))?);
        all.push(placement.finish(case, suspect, BINDING, found)?);
    }
    Ok(all)
}

fn unbound(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    if placement.refusal(BINDING) != Some(volume_binding::UNBOUND) {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let classes = placement.world.rest.classes.as_ref();
    let waits =
        |claim: &Claim| claim.volume.is_empty() && classes.and_then(|c| c.get(&claim.class)).is_some_and(|c| c.waits);
    let open: Vec<&Claim> =
        claims(&placement, &pod).into_iter().filter_map(|(_, c)| c).filter(|c| !c.bound && !waits(c)).collect();
    let list: Vec<&str> = open.iter().map(|c| c.name.as_str()).collect();
    let mut found = Match::on(&suspect.at, format!("It waits for claim {}, which is not bound.", list.join(", ")));
    for claim in &open {
        let at = claim_ref(&claim.namespace, &claim.name);
        found = found
            .evidence(&at, "status.phase", "Pending", format!("PVC {}/{} is not bound", claim.namespace, claim.name))
            .because(at);
    }
    Ok(vec![placement.finish(case, suspect, BINDING, found)?])
}

/// Claims that find no volume, each volume of the class with the first thing that rules it out.
fn no_volume(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(volume_binding::NO_VOLUME);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let open: Vec<&Claim> = claims(&placement, &pod).into_iter().filter_map(|(_, c)| c).filter(|c| !c.bound).collect();
    let list: Vec<&str> = open.iter().map(|c| c.name.as_str()).collect();
    let on = names(nodes.iter().copied());
    let mut found =
        Match::on(&suspect.at, format!("No volume can be found or made for claim {} on {on}.", list.join(", ")))
            .evidence(&suspect.at, "", "", format!("{on}: didn't find available persistent volumes to bind"));
    for claim in open {
        let at = claim_ref(&claim.namespace, &claim.name);
        found = candidates(&placement, claim, found);
        found = found.because(at);
    }
    Ok(vec![placement.finish(case, suspect, BINDING, found)?])
}

fn candidates(placement: &Placement, claim: &Claim, mut found: Match) -> Match {
    let rest = &placement.world.rest;
    let at = claim_ref(&claim.namespace, &claim.name);
    if let Some(node) = &claim.selected_node {
        let path = "metadata.annotations[volume.kubernetes.io/selected-node]";
        return found.evidence(&at, path, node, format!("{} is tied to node {node} by an earlier choice", claim.name));
    }
    if let Some(class) = rest.classes.as_ref().and_then(|c| c.get(&claim.class)) {
        let text = match class.provisions() {
            false => format!("class {} makes no volumes; somebody must", class.name),
            true => format!("class {} may not make volumes for these nodes (allowedTopologies)", class.name),
        };
        found = found.evidence(&STORAGECLASSES.at("", &class.name), "", "", text);
    }
    let volumes = rest.volumes_of_class.get(&claim.class).into_iter().flatten();
    for volume in volumes.filter_map(|name| rest.volumes.as_ref()?.get(name)).take(6) {
        let text = format!("{}: {}", volume.name, ruled_out(claim, volume));
        found = found.evidence(&VOLUMES.at("", &volume.name), "", "", text);
    }
    found
}

/// The first thing about a volume that the claim cannot use.
fn ruled_out(claim: &Claim, volume: &Volume) -> String {
    refusal(claim, volume).unwrap_or_else(|| "cannot be reached from these nodes".into())
}

/// The first thing about a volume that the claim cannot use wherever it is; `None` for one that fits.
pub(super) fn refusal(claim: &Claim, volume: &Volume) -> Option<String> {
    let wanted = claim.request.unwrap_or_default();
    let missing = claim.access_modes.iter().find(|m| !volume.access_modes.contains(m));
    Some(match () {
        _ if volume.claim.is_some() && !volume.is_for(claim) => "belongs to another claim".into(),
        _ if volume.capacity < wanted => {
            format!("too small: {} of {}", human_bytes(volume.capacity.units()), human_bytes(wanted.units()))
        }
        _ if volume.block != claim.block => "volumeMode differs".into(),
        _ if volume.attributes_class != claim.attributes_class => "volumeAttributesClassName differs".into(),
        _ if volume.deleting => "is being deleted".into(),
        _ if volume.class != claim.class => {
            format!("storageClassName differs: {:?}, not {:?}", volume.class, claim.class)
        }
        _ if let Some(mode) = missing => format!("does not offer {mode}"),
        _ if claim.volume == volume.name => return None,
        _ if !volume.available => "is not Available".into(),
        _ if claim.selector.as_ref().is_some_and(|s| !volume.labels.matched_by(s)) => "labels do not match".into(),
        _ => return None,
    })
}

fn elsewhere(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let away = placement.with_reason(volume_binding::NODE_CONFLICT);
    if away.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let volumes = placement.world.rest.volumes.as_ref();
    let tied = claims(&placement, &pod).into_iter().filter_map(|(_, c)| c).filter_map(|claim| {
        let volume = volumes?.get(&claim.volume).filter(|v| v.affinity.is_some())?;
        Some((claim, volume))
    });
    let mut found = None;
    for (claim, volume) in tied {
        let near: Vec<&Node> = (placement.world.nodes.iter().map(AsRef::as_ref))
            .filter(|n: &&Node| volume.reachable_from(&n.labels))
            .collect();
        let where_to = match near.is_empty() {
            true => "no node can reach".to_owned(),
            false => format!("only {} can reach", names(near.iter().copied())),
        };
        let text = format!("Its volume is elsewhere: {where_to} {} (claim {}).", volume.name, claim.name);
        let m = found.take().unwrap_or_else(|| Match::on(&suspect.at, text));
        let at = claim_ref(&claim.namespace, &claim.name);
        let raw = case.get(&VOLUMES.at("", &volume.name)).known()?.flatten();
        let m = m
            .evidence(&at, "spec.volumeName", &volume.name, format!("claim {} is bound to {}", claim.name, volume.name))
            .evidence(&VOLUMES.at("", &volume.name), "spec.nodeAffinity.required", "", place(raw, volume))
            .evidence(&suspect.at, "", "", places(&away));
        found = Some(m);
    }
    found.map(|m| placement.finish(case, suspect, BINDING, m)).into_iter().collect()
}

/// Where a volume can be reached from, in its own words.
fn place(raw: Option<&Value>, volume: &Volume) -> String {
    let terms = raw.and_then(|r| r.pointer("/spec/nodeAffinity/required"));
    format!("{} needs a node with {}", volume.name, terms.map_or(String::new(), describe_terms))
}

/// `n1 n2 n3 n5 are in eu-1a/eu-1c`
fn places(nodes: &[&Node]) -> String {
    let mut zones: Vec<&str> = nodes.iter().filter_map(|n| n.labels.get("topology.kubernetes.io/zone")).collect();
    zones.sort_unstable();
    zones.dedup();
    let list = names(nodes.iter().copied());
    match zones.is_empty() {
        true => format!("{list} cannot reach it"),
        false => format!("{list} {} in {}", if nodes.len() == 1 { "is" } else { "are" }, zones.join("/")),
    }
}

fn gone(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let Some(volumes) = &placement.world.rest.volumes else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let lost = claims(&placement, &pod).into_iter().filter_map(|(_, c)| c);
    let lost = lost.filter(|c| (c.bound || c.lost) && !volumes.contains_key(&c.volume));
    let mut all = vec![];
    for claim in lost {
        let at = claim_ref(&claim.namespace, &claim.name);
        let text = format!("Claim {} is bound to volume {}, which does not exist.", claim.name, claim.volume);
        let found = Match::on(&at, text)
            .evidence(&at, "spec.volumeName", &claim.volume, format!("{at} names volume {}", claim.volume))
            .evidence(&VOLUMES.at("", &claim.volume), "", "", format!("volume {} is not there", claim.volume))
            .fix(Fix {
                summary: "restore the volume's manifest, or make the claim anew (with an empty volume)".into(),
                ..Fix::default()
            })
            .because(at);
        all.push(placement.finish(case, suspect, BINDING, found)?);
    }
    Ok(all)
}

fn terminating(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let pod = Pod::new(suspect.object);
    let mut all = vec![];
    for claim in claims(&placement, &pod).into_iter().filter_map(|(_, c)| c).filter(|c| c.deleting) {
        let at = claim_ref(&claim.namespace, &claim.name);
        let holders = holders(case, claim)?;
        let found = Match::on(&at, format!("Claim {} is being deleted and takes no new pod.", claim.name))
            .evidence(&at, "metadata.deletionTimestamp", "", format!("{at} is being deleted"))
            .evidence(
                &at,
                "",
                "",
                format!("still mounted by {}", if holders.is_empty() { "nobody".into() } else { holders.join(", ") }),
            )
            .fix(Fix {
                summary: "delete the pods that still hold the claim; then it goes and can be made anew".into(),
                live: format!("kubectl -n {} delete pod {}", claim.namespace, holders.join(" ")),
                ..Fix::default()
            });
        all.push(placement.finish(case, suspect, BINDING, found)?);
    }
    Ok(all)
}

/// Names of the pods that mount a claim and are on a node.
fn holders(case: &Case<'_>, claim: &Claim) -> Fact<Vec<String>> {
    let all = case.list(PODS, Some(&claim.namespace)).known()?.unwrap_or_default();
    let mounts = |p: &&Value| crate::diagnose::scheduling::pod::claims(p).iter().any(|u| u.claim == claim.name);
    let placed = all.into_iter().filter(|p| crate::diagnose::scheduling::snapshot::counts(p)).filter(mounts);
    Ok(placed.map(|p| name(p).to_owned()).collect())
}

fn no_space(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(volume_binding::NO_SPACE);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let mut found =
        Match::on(&suspect.at, format!("The storage driver has no room for its claim on {}.", names(nodes)));
    for claim in claims(&placement, &pod).into_iter().filter_map(|(_, c)| c).filter(|c| !c.bound) {
        let at = claim_ref(&claim.namespace, &claim.name);
        let published = placement.world.rest.capacities.iter().flatten().filter(|c| c.class == claim.class);
        let most = published.clone().filter_map(|c| c.limit).max();
        let text = match most {
            None => format!("no CSIStorageCapacity for class {}: is the driver's publisher running?", claim.class),
            Some(bytes) => format!(
                "{} asks for {}; the largest room published for class {} is {}",
                claim.name,
                human_bytes(claim.request.map_or(0, |q| q.units())),
                claim.class,
                human_bytes(bytes)
            ),
        };
        found = found.evidence(&at, "spec.resources.requests.storage", "", text);
    }
    Ok(vec![placement.finish(case, suspect, BINDING, found)?])
}

fn one_pod(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    if placement.with_reason(volume_restrictions::ONE_POD).is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let mut all = vec![];
    for claim in claims(&placement, &pod).into_iter().filter_map(|(_, c)| c).filter(|c| c.one_pod_only()) {
        let holders = holders(case, claim)?.join(", ");
        let at = claim_ref(&claim.namespace, &claim.name);
        let text = format!("Claim {} is for one pod only, and {holders} has it.", claim.name);
        let found = Match::on(&suspect.at, text)
            .evidence(&at, "spec.accessModes", "ReadWriteOncePod", format!("{at} is ReadWriteOncePod"))
            .evidence(&at, "", "", format!("in use by {holders}"));
        all.push(placement.finish(case, suspect, "VolumeRestrictions", found)?);
    }
    Ok(all)
}

fn limit(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(node_volume_limits::REASON);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let mut found = Match::on(&suspect.at, format!("{} cannot attach another volume.", names(nodes.iter().copied())));
    for node in nodes.iter().take(super::NAMED) {
        for (driver, limit) in &node.volume_limits {
            let attached = node_volume_limits::room(node, driver).map_or(0, |(n, _)| n);
            let text = format!("{}: {attached} of {limit} volumes of {driver}", node.name);
            found = found.evidence(
                &CSINODES.at("", &node.name),
                "spec.drivers[].allocatable.count",
                &limit.to_string(),
                text,
            );
        }
    }
    Ok(vec![placement.finish(case, suspect, "NodeVolumeLimits", found)?])
}

fn zone(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(volume_zone::REASON);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let pod = Pod::new(suspect.object);
    let mut found =
        Match::on(&suspect.at, format!("Its volume's zone is not that of {}.", names(nodes.iter().copied())));
    for claim in claims(&placement, &pod).into_iter().filter_map(|(_, c)| c) {
        let Some(volume) = placement.world.rest.volumes.as_ref().and_then(|v| v.get(&claim.volume)) else { continue };
        for (key, value) in volume.labels.iter().filter(|(k, _)| k.contains("zone") || k.contains("region")) {
            let at = VOLUMES.at("", &volume.name);
            found = found.evidence(&at, "metadata.labels", value, format!("{} has {key}={value}", volume.name));
        }
    }
    found = found.evidence(&suspect.at, "", "", places(&nodes));
    Ok(vec![placement.finish(case, suspect, "VolumeZone", found)?])
}

fn disk(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some(placement) = placement(case, suspect)? else { return Ok(vec![]) };
    let nodes = placement.with_reason(volume_restrictions::DISK);
    if nodes.is_empty() {
        return Ok(vec![]);
    }
    let text = format!("A disk that it mounts is in use on {}.", names(nodes.iter().copied()));
    let found = Match::on(&suspect.at, text).evidence(&suspect.at, "spec.volumes", "", pods::path(suspect.object));
    Ok(vec![placement.finish(case, suspect, "VolumeRestrictions", found)?])
}
