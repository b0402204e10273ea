//! VolumeZone: a volume with zone or region labels fits only nodes with the same.
//!
//! Source: `pkg/scheduler/framework/plugins/volumezone/volume_zone.go`. A node without any zone or region label always
//! passes; a label of the volume may hold several zones, joined by `__`.

use super::filter::{Filter, Prepared, Reasons, fail_unless};
use super::labels::Labels;
use super::node::Node;
use super::pod::Pod;
use super::snapshot::Snapshot;
use super::volume_restrictions::not_found;

/// The reason the scheduler gives.
pub const REASON: &str = "node(s) had no available volume zone";

/// The labels that speak of a place, with the name each has today.
const PLACES: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// A label that must have one of some values.
struct Place<'a> {
    key: &'static str,
    today: &'static str,
    values: Vec<&'a str>,
}

struct VolumeZone<'a>(Vec<Place<'a>>);

/// Collects the places of the pod's bound volumes; refuses the pod when a claim, class or volume is missing.
pub fn prepare<'a>(world: &'a Snapshot, pod: &'a Pod<'a>) -> Prepared<'a> {
    let rest = &world.rest;
    let (Some(_), Some(volumes), Some(classes)) = (&rest.claims, &rest.volumes, &rest.classes) else { return Ok(None) };
    let mut places = vec![];
    for used in pod.claims.iter().filter(|u| !u.ephemeral) {
        let claim = rest.claim(pod.namespace, &used.claim).ok_or_else(|| not_found(&used.claim))?;
        if claim.volume.is_empty() {
            if claim.class.is_empty() {
                return Err("PersistentVolumeClaim had no pv name and storageClass name".into());
            }
            let missing = || format!("storageclass.storage.k8s.io \"{}\" not found", claim.class);
            if classes.get(&claim.class).ok_or_else(missing)?.waits {
                continue;
            }
            return Err("PersistentVolume had no name".into());
        }
        let missing = || format!("persistentvolume \"{}\" not found", claim.volume);
        places.extend(places_of(&volumes.get(&claim.volume).ok_or_else(missing)?.labels));
    }
    Ok((!places.is_empty()).then(|| Box::new(VolumeZone(places)) as _))
}

fn places_of(labels: &Labels) -> impl Iterator<Item = Place<'_>> {
    PLACES.iter().filter_map(|&(key, today)| {
        let values: Vec<&str> = labels.get(key)?.split("__").map(str::trim).collect();
        values.iter().all(|v| !v.is_empty()).then_some(Place { key, today, values })
    })
}

impl Filter for VolumeZone<'_> {
    fn check(&self, node: &Node) -> Reasons {
        let has_place = PLACES.iter().any(|(key, _)| node.labels.get(key).is_some());
        let at = |place: &Place| {
            let value = node.labels.get(place.key).or_else(|| node.labels.get(place.today));
            value.is_some_and(|v| place.values.contains(&v))
        };
        fail_unless(!has_place || self.0.iter().all(at), REASON)
    }
}
