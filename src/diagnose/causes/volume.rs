//! Volumes that do not come to a pod on its node: what the kubelet and the attach controller complain of.
//!
//! The words are those of `pkg/volume/util/operationexecutor` (`GenerateError`): `MountVolume.SetUp failed for volume
//! "v" : <error>`, and of the attach/detach controller. A volume of the pod's own spec is named as in the spec, one
//! behind a claim by its PersistentVolume.

use crate::diagnose::events::Event;
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::kinds::{CLAIMS, VOLUMES};
use crate::diagnose::pods;
use crate::diagnose::scheduling::pod as scheduled;
use crate::world::object::{namespace, str_at};
use serde_json::Value;

pub mod attach;
pub mod driver;
pub mod missing;
pub mod mount;

/// The kubelet tries a mount again at least every two minutes (`exponentialbackoff`, 2m2s) and writes its event again at
/// least every five; an older one speaks of something that is over. The attach controller may fall silent for good.
const STALE_S: i64 = 600;

/// Words of an event, the cause they speak for; first match wins.
const WORDS: &[(&str, &[&str])] = &[
    ("volume-multi-attach", &["Multi-Attach error"]),
    ("volume-csi-driver-missing", &["found in the list of registered CSI drivers"]),
    ("volume-node-affinity-at-mount", &["MountVolume.NodeAffinity check failed"]),
    ("volume-key-missing", &["references non-existent config key", "references non-existent secret key"]),
    ("volume-attach-failed", &["AttachVolume.", "external-attacher"]),
    ("volume-slow-fsgroup", &["Setting volume ownership for"]),
];

/// Something that keeps a volume from a pod, as an event tells it.
pub struct Complaint<'a> {
    /// The volume in quotes; empty where the event names none (the kubelet's summary).
    pub volume: &'a str,
    /// The cause that the words speak for; `volume-mount-failed` where they are not those of another.
    pub cause: &'static str,
    /// Whether it is the kubelet's summary, which gives no reason: `Unable to attach or mount volumes: …`.
    pub summary: bool,
    /// The event.
    pub event: Event<'a>,
}

impl Complaint<'_> {
    /// Adds the event as evidence.
    fn tell(&self, case: &Case<'_>, suspect: &Suspect<'_>, m: Match) -> Match {
        let event = self.event;
        let times = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
        let text = format!("{}: {}{times}", event.reason, event.message);
        m.evidence_aged(&suspect.at, "", event.reason, Some(event.last.age(case.now())), text)
    }
}

/// What is complained of while a pod waits for its volumes, newest first; empty for any other pod.
pub fn complaints<'a>(case: &Case<'a>, suspect: &Suspect<'a>) -> Fact<Vec<Complaint<'a>>> {
    const REASONS: &[&str] =
        &["FailedMount", "FailedAttachVolume", "FailedMapVolume", "VolumePermissionChangeInProgress"];
    if !pods::waits_for_sandbox(suspect.object) {
        return Ok(Vec::new());
    }
    let events = case.events_of(suspect.object)?;
    let current = |e: &Event<'_>| e.reason == "FailedAttachVolume" || e.last.age(case.now()) < STALE_S;
    Ok(events.into_iter().filter(|e| REASONS.contains(&e.reason) && current(e)).map(complaint).collect())
}

fn complaint(event: Event<'_>) -> Complaint<'_> {
    let said = WORDS.iter().find(|(_, words)| words.iter().any(|w| event.message.contains(w)));
    let quoted = event.message.split_once("for volume \"").and_then(|(_, rest)| rest.split_once('"'));
    Complaint {
        volume: quoted.map_or("", |(name, _)| name),
        cause: said.map_or("volume-mount-failed", |(cause, _)| cause),
        summary: event.message.starts_with("Unable to attach or mount volumes"),
        event,
    }
}

/// Whether a pod has waited for its volumes or sandbox for too long, and no event says why (events expire, or may not
/// be read): then only the objects can tell.
fn is_silent(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<bool> {
    if !pods::waits_for_sandbox(suspect.object) || !pods::is_ill(case, suspect) {
        return Ok(false);
    }
    let told = complaints(case, suspect)?.iter().any(|c| !c.summary);
    Ok(!told && super::sandbox::refused(case, suspect.object)?.is_none())
}

/// A bound claim of a pod with its volume.
pub struct Bound<'a> {
    /// The PersistentVolumeClaim.
    pub claim: &'a Value,
    /// The PersistentVolume.
    pub volume: &'a Value,
}

/// The bound claims of a pod, as far as they can be read; each asks for two objects.
fn bound<'a>(case: &Case<'a>, pod: &Value) -> Fact<Vec<Bound<'a>>> {
    let claims = scheduled::claims(pod).into_iter().map(|used| CLAIMS.at(namespace(pod), &used.claim));
    let claims = at_once(claims.map(|at| case.get(&at)))?;
    let named = claims.iter().filter(|claim| !str_at(claim, "/spec/volumeName").is_empty());
    let pairs = named.map(|claim| (*claim, case.get(&VOLUMES.at("", str_at(claim, "/spec/volumeName")))));
    let pairs: Vec<_> = pairs.collect();
    let mut all = Vec::new();
    for (claim, volume) in pairs {
        all.extend(volume.known()?.flatten().map(|volume| Bound { claim, volume }));
    }
    Ok(all)
}

/// The objects that exist and can be read; all are asked for before the first is missed.
fn at_once<'a>(asked: impl Iterator<Item = Fact<Option<&'a Value>>>) -> Fact<Vec<&'a Value>> {
    let all: Vec<_> = asked.map(Knowable::known).collect();
    let all: Fact<Vec<_>> = all.into_iter().collect();
    Ok(all?.into_iter().flatten().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_speak_for_one_cause() {
        for (message, cause, volume) in [
            (
                r#"Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) web-1"#,
                "volume-multi-attach",
                "pvc-1",
            ),
            (
                r#"AttachVolume.Attach failed for volume "pvc-1" : rpc error: not found"#,
                "volume-attach-failed",
                "pvc-1",
            ),
            (r#"AttachVolume.FindAttachablePluginBySpec failed for volume "pvc-1""#, "volume-attach-failed", "pvc-1"),
            (
                r#"MountVolume.MountDevice failed for volume "pvc-1" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name a.b not found in the list of registered CSI drivers"#,
                "volume-csi-driver-missing",
                "pvc-1",
            ),
            (r#"MountVolume.SetUp failed for volume "v" : mount failed: exit status 32"#, "volume-mount-failed", "v"),
            (
                r#"MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: k"#,
                "volume-key-missing",
                "v",
            ),
        ] {
            let raw = json!({"message": message});
            let told = complaint(Event::of(&raw));
            assert_eq!((told.cause, told.volume), (cause, volume), "{message}");
        }
    }
}
