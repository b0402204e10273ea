//! Claims and volumes that somebody makes by hand, and claims that lost their volume.
//!
//! ## pvc-static-mismatch
//! **You see.** A claim stays Pending; an event says `Cannot bind to requested volume`, `no volume plugin matched name:
//! kubernetes.io/no-provisioner`, or nothing at all.
//! **Why.** The claim names a volume (`spec.volumeName`) that it cannot have: too small, another class, mode or access
//! mode, taken by another claim, or not there. Or its class makes no volumes, and none of those that exist fits.
//! **How kokpit knows.** The volume (or every volume of the class) is compared with the claim, in the order of the
//! controller (`persistentvolume/pv_controller.go`, checkVolumeSatisfyClaim). A volume that does not exist gives no event.
//! **Looks alike.** `pvc-class-missing`, `pvc-provisioner-down` (somebody else makes the volumes), `pv-released`.
//! **Mend it.** Git: the field that differs, in the claim or in the volume. Most fields of a claim cannot be changed: make
//! it anew.
//!
//! ## pv-released
//! **You see.** A claim that was made anew under its old name stays Pending; its old volume is `Released`.
//! **Why.** A volume with `persistentVolumeReclaimPolicy: Retain` still belongs to the deleted claim (`claimRef.uid`).
//! **How kokpit knows.** The volume's `claimRef` has the claim's name and another uid.
//! **Looks alike.** `pvc-static-mismatch` (the volume belongs to a claim of another name).
//! **Mend it.** Live: remove `claimRef` from the volume; the new claim then gets the old data.
//!
//! ## pvc-lost
//! **You see.** A claim is `Lost`.
//! **Why.** Its volume was deleted under it, or belongs to another claim.
//! **How kokpit knows.** The claim's phase; the volume that it names is looked up.
//! **Looks alike.** `pv-missing` is the same seen from a pod that waits.
//! **Mend it.** Make a PersistentVolume of the same name with a `claimRef` to the claim, or make the claim anew (empty).

use super::claim::{GATE_S, open, said};
use super::volumes::refusal;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect, evidence};
use crate::diagnose::kinds::{STORAGECLASSES, VOLUMES};
use crate::diagnose::scheduling::storage::{Claim, Class, Volume};
use crate::diagnose::verdict::Fix;
use crate::world::object::{ObjectRef, name, str_at};
use crate::world::quantity::human_bytes;
use serde_json::Value;

causes! { "static_volume.rs";
    "pvc-static-mismatch" "no volume that exists fits the claim" Degraded ["PersistentVolumeClaim"] mismatch;
    "pv-released" "the volume still belongs to a claim that was deleted" Degraded ["PersistentVolumeClaim"] released;
    "pvc-lost" "the claim has lost its volume" Outage ["PersistentVolumeClaim"] lost;
}

/// How many volumes are told about.
const TOLD: usize = 6;

/// An open claim, old enough to be bound by now, that only a volume made by hand can satisfy; with the volumes in
/// question.
fn by_hand<'a>(case: &Case<'a>, suspect: &Suspect<'_>) -> Fact<Option<(Claim, Vec<&'a Value>)>> {
    let old = case.age_of(suspect.object) >= GATE_S;
    let Some(claim) = open(suspect).filter(|c| old && !c.lost) else { return Ok(None) };
    if !claim.volume.is_empty() {
        let named = case.get(&VOLUMES.at("", &claim.volume))?;
        return Ok(Some((claim, named.into_iter().collect())));
    }
    if !makes_none(case, suspect.object, &claim)? {
        return Ok(None);
    }
    let mut all = case.list(VOLUMES, None)?;
    all.retain(|v| Volume::new(v).class == claim.class);
    Ok(Some((claim, all)))
}

/// Whether a claim's class binds at once and makes no volumes (`""` asks for volumes made by hand).
fn makes_none(case: &Case<'_>, object: &Value, claim: &Claim) -> Fact<bool> {
    if claim.class.is_empty() {
        return Ok(object.pointer("/spec/storageClassName").is_some_and(|c| !c.is_null()));
    }
    let class = case.one(STORAGECLASSES, "", &claim.class)?.map(Class::new);
    Ok(class.is_some_and(|class| !class.waits && !class.provisions()))
}

/// Whether a volume belonged to a claim of this name that was deleted.
fn is_left_behind(claim: &Claim, raw: &Value) -> bool {
    let owner = |field: &str| str_at(raw, &format!("/spec/claimRef/{field}"));
    let same_name = owner("namespace") == claim.namespace && owner("name") == claim.name;
    same_name && !owner("uid").is_empty() && owner("uid") != claim.uid
}

fn mismatch(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some((claim, volumes)) = by_hand(case, suspect)? else { return Ok(vec![]) };
    let mut told = vec![];
    for raw in &volumes {
        let at = ObjectRef::of(raw);
        let Some(why) = refusal(&claim, &Volume::new(raw)) else { return Ok(vec![]) };
        told.push(evidence(&at, "spec", "", None, &format!("{}: {why}", at.name)));
    }
    let (size, modes) = (claim.request.map_or(0, |q| q.units()), claim.access_modes.join(" "));
    let asks = format!("asks for {}, {modes}, class {:?}", human_bytes(size), claim.class);
    let mut m = Match::on(&suspect.at, sentence(&claim, volumes.is_empty()))
        .evidence(&suspect.at, "spec", "", asks)
        .because_cause("pv-released");
    if !claim.volume.is_empty() {
        m = m.evidence(&suspect.at, "spec.volumeName", &claim.volume, format!("names volume {}", claim.volume));
    }
    m.finding.evidence.extend(told.into_iter().take(TOLD));
    m = said(case, suspect, &["VolumeMismatch", "FailedBinding", "ProvisioningFailed"], "", m)?;
    let what =
        "let claim and volume agree in size, class, mode and access modes (make the claim anew), or make such a volume";
    Ok(vec![m.fix(case.fix(suspect.object, "spec", what, "")?)])
}

fn sentence(claim: &Claim, nothing_there: bool) -> String {
    let (who, volume) = (format!("PVC {}/{}", claim.namespace, claim.name), &claim.volume);
    match (volume.is_empty(), nothing_there) {
        (false, true) => format!("{who} names volume {volume}, which does not exist."),
        (false, false) => format!("{who} names volume {volume}, which it cannot have."),
        (true, true) => format!("{who} waits for a volume made by hand, and there is none of its class."),
        (true, false) => format!("{who} waits for a volume made by hand, and none that exists fits."),
    }
}

fn released(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let Some((claim, volumes)) = by_hand(case, suspect)? else { return Ok(vec![]) };
    let Some(raw) = volumes.into_iter().find(|v| is_left_behind(&claim, v)) else { return Ok(vec![]) };
    let (at, uid) = (ObjectRef::of(raw), str_at(raw, "/spec/claimRef/uid"));
    let (ns, claim_name) = (&claim.namespace, &claim.name);
    let text = format!(
        "Volume {} still belongs to a claim {ns}/{claim_name} that was deleted; the new one is another.",
        at.name
    );
    let policy = str_at(raw, "/spec/persistentVolumeReclaimPolicy");
    Ok(vec![
        Match::on(&at, text)
            .evidence(&at, "spec.claimRef.uid", uid, format!("claimRef has uid {uid}, the claim has {}", claim.uid))
            .evidence(
                &at,
                "status.phase",
                str_at(raw, "/status/phase"),
                format!("{} is {}, {policy}", at.name, str_at(raw, "/status/phase")),
            )
            .fix(Fix {
                summary: "remove claimRef: the new claim then gets this volume and the data on it".into(),
                live: format!(
                    "kubectl patch pv {} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/spec/claimRef\"}}]'",
                    at.name
                ),
                ..Fix::default()
            }),
    ])
}

fn lost(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let claim = Claim::new(suspect.object);
    if !claim.lost {
        return Ok(vec![]);
    }
    let at = VOLUMES.at("", &claim.volume);
    let state = match case.get(&at).known()? {
        Some(None) => format!("volume {} does not exist", claim.volume),
        Some(Some(raw)) => format!("volume {} belongs to claim {}", name(raw), owner_of(raw)),
        None => format!("volume {} could not be read", claim.volume),
    };
    let m =
        Match::on(&suspect.at, format!("PVC {}/{} has lost its volume {}.", claim.namespace, claim.name, claim.volume))
            .evidence(&suspect.at, "status.phase", "Lost", "phase Lost")
            .evidence(&at, "", "", state);
    let m = said(case, suspect, &["ClaimLost", "ClaimMisbound"], "", m)?;
    Ok(vec![m.fix(Fix {
        summary: format!(
            "make volume {} anew with a claimRef to the claim; or make the claim anew, empty",
            claim.volume
        ),
        ..Fix::default()
    })])
}

fn owner_of(volume: &Value) -> String {
    format!("{}/{}", str_at(volume, "/spec/claimRef/namespace"), str_at(volume, "/spec/claimRef/name"))
}
