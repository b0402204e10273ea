//! ConfigMaps, Secrets and their keys that a volume is made of.
//!
//! ## volume-configmap-missing
//! **You see.** A pod stays in `ContainerCreating`; an event says `configmap "x" not found`.
//! **Why.** A volume takes its files from a ConfigMap that does not exist in the pod's namespace.
//! **How kokpit knows.** Every ConfigMap of the pod's volumes that is not `optional` is looked up. The field that names it
//! is printed, and ConfigMaps with a similar name (another hash suffix, a typo).
//! **Looks alike.** `config-missing-configmap`: the environment needs it (`CreateContainerConfigError`). `failed to sync
//! configmap cache` and `object … not registered` are passing troubles between kubelet and API server.
//! **Mend it.** Live: create the ConfigMap; the kubelet tries again within two minutes. Git: correct the name in
//! `volumes[].configMap`, or add the manifest; with generators check the hash suffix, with sync waves the order.
//!
//! ## volume-secret-missing
//! **You see.** A pod stays in `ContainerCreating`; an event says `secret "x" not found`.
//! **Why.** A volume takes its files from a Secret that does not exist in the pod's namespace.
//! **How kokpit knows.** Every Secret of the pod's volumes that is not `optional` is looked up (metadata only, values are
//! never read). What should produce it is looked at next.
//! **Looks alike.** `config-missing-secret` (the environment needs it), `ext-secret-not-synced` (the reason behind it when
//! an operator makes the Secret).
//! **Mend it.** Live: create the Secret, or repair what produces it. Git: correct the name in `volumes[].secret`.
//!
//! ## volume-key-missing
//! **You see.** A pod stays in `ContainerCreating`; an event says `references non-existent config key`.
//! **Why.** `items` of a volume names a key that the ConfigMap or Secret does not have.
//! **How kokpit knows.** The kubelet's words; the keys of a ConfigMap are compared as well, those of a Secret never.
//! **Looks alike.** `volume-configmap-missing`, `volume-secret-missing`; `config-missing-key` (the environment needs it).
//! **Mend it.** Add the key, or name one that exists in `volumes[].…items[].key`.

use super::{Complaint, complaints, is_silent};
use crate::diagnose::causes::config::{near_names, producers};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{bool_at, list_at, namespace, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

causes! { "missing.rs";
    "volume-configmap-missing" "a ConfigMap that a volume needs does not exist" Outage ["Pod"]
        |case, suspect| missing(case, suspect, CONFIGMAPS);
    "volume-secret-missing" "a Secret that a volume needs does not exist" Outage ["Pod"]
        |case, suspect| missing(case, suspect, SECRETS);
    "volume-key-missing" "the ConfigMap or Secret of a volume lacks a key" Outage ["Pod"] key_missing;
}

/// A ConfigMap or Secret that a volume takes files from.
struct Source<'a> {
    /// The volume in the pod's spec.
    volume: &'a str,
    /// Where the source stands: `spec.volumes[conf].configMap`.
    path: String,
    /// Field of the name below it.
    name_field: &'static str,
    kind: Known,
    /// Its name.
    name: &'a str,
    items: &'a [Value],
    optional: bool,
}

/// What the volumes of a pod are made of (`configMap`, `secret`, and both in `projected`).
fn sources(pod: &Value) -> Vec<Source<'_>> {
    let of_volume = |v| {
        let volume = str_at(v, "/name");
        let path = format!("spec.volumes[{volume}]");
        let mut all = Vec::from_iter(source(volume, &path, v, "secretName"));
        for (n, part) in list_at(v, "/projected/sources").iter().enumerate() {
            all.extend(source(volume, &format!("{path}.projected.sources[{n}]"), part, "name"));
        }
        all
    };
    list_at(pod, "/spec/volumes").iter().flat_map(of_volume).collect()
}

fn source<'a>(volume: &'a str, path: &str, holder: &'a Value, secret_field: &'static str) -> Option<Source<'a>> {
    let (key, kind, name_field) = match holder.get("configMap") {
        Some(from) if from.is_object() => ("configMap", CONFIGMAPS, "name"),
        _ => ("secret", SECRETS, secret_field),
    };
    let from = holder.get(key).filter(|from| from.is_object())?;
    Some(Source {
        volume,
        path: format!("{path}.{key}"),
        name_field,
        kind,
        name: from.get(name_field)?.as_str()?,
        items: list_at(from, "/items"),
        optional: bool_at(from, "/optional"),
    })
}

fn missing(case: &Case<'_>, suspect: &Suspect<'_>, kind: Known) -> Fact<Vec<Match>> {
    let mut needed: Vec<Source<'_>> =
        sources(suspect.object).into_iter().filter(|s| s.kind == kind && !s.optional).collect();
    needed.dedup_by_key(|s| s.name);
    if needed.is_empty() {
        return Ok(vec![]);
    }
    let (complaints, silent) = (complaints(case, suspect)?, is_silent(case, suspect)?);
    let mut found = vec![];
    for source in needed {
        let said = complaints.iter().find(|c| names(c, suspect, &source));
        if said.is_some() || silent {
            found.extend(absent(case, suspect, &source, said)?);
        }
    }
    Ok(found)
}

/// Whether a complaint is that this object is not there: `secret "x" not found`, `object "ns"/"x" not registered`.
fn names(complaint: &Complaint<'_>, suspect: &Suspect<'_>, source: &Source<'_>) -> bool {
    let (text, wanted) = (complaint.event.message, source.name);
    text.contains(&format!("{} \"{wanted}\" not found", source.kind.kind.to_lowercase()))
        || text.contains(&format!("object \"{}\"/\"{wanted}\" not registered", namespace(suspect.object)))
}

fn absent(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    source: &Source<'_>,
    said: Option<&Complaint<'_>>,
) -> Fact<Option<Match>> {
    let at = source.kind.at(namespace(suspect.object), source.name);
    let (sure, text) = match (case.get(&at).known()?, said) {
        (Some(None), said) => {
            let sure = if said.is_some() { Confidence::Certain } else { Confidence::High };
            (sure, format!("Volume {} cannot be mounted: {at} does not exist.", source.volume))
        }
        (None, Some(_)) => {
            let text = format!("Volume {} cannot be mounted: the kubelet does not find {at}.", source.volume);
            (Confidence::Medium, text)
        }
        (Some(Some(object)), Some(said)) => {
            let made = Time::parse(str_at(object, "/metadata/creationTimestamp"));
            let Some(made) = made.filter(|made| *made > said.event.last) else { return Ok(None) };
            let ago = human(made.age(case.now()));
            let text = format!(
                "Volume {} waited for {at}, which exists since {ago}; the kubelet tries again within two minutes.",
                source.volume
            );
            (Confidence::High, text)
        }
        _ => return Ok(None),
    };
    let (name, path) = (source.name, format!("{}.{}", source.path, source.name_field));
    let mut m =
        Match::on(&suspect.at, text).confidence(sure).evidence(&suspect.at, &path, name, format!("{path} names {at}"));
    if let Some(said) = said {
        m = said.tell(case, suspect, m);
    }
    m = near_names(case, source.kind, &at, m)?.because_all(producers(case, &at)?);
    let top = kin::top_owner(case, suspect.object)?;
    let lower = source.kind.kind.to_lowercase();
    let what = format!("create {at}, or name an existing {}", source.kind.kind);
    let live = format!("kubectl -n {} create {lower} {name} …", at.namespace);
    Ok(Some(m.fix(case.fix(top, &template_field(top, &path), what, live)?)))
}

fn key_missing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let all: Vec<Source<'_>> =
        sources(suspect.object).into_iter().filter(|s| !s.items.is_empty() && !s.optional).collect();
    if all.is_empty() {
        return Ok(vec![]);
    }
    let (complaints, silent) = (complaints(case, suspect)?, is_silent(case, suspect)?);
    let mut found = vec![];
    for source in &all {
        for key in source.items.iter().map(|item| str_at(item, "/key")) {
            let said = complaints.iter().find(|c| names_key(c, source, key));
            if said.is_some() || (silent && source.kind == CONFIGMAPS) {
                found.extend(without_key(case, suspect, source, key, said)?);
            }
        }
    }
    Ok(found)
}

/// Whether a complaint is that this key is not there.
fn names_key(complaint: &Complaint<'_>, source: &Source<'_>, key: &str) -> bool {
    let kind = if source.kind == SECRETS { "secret" } else { "config" };
    let rest = complaint.event.message.split_once(&format!("references non-existent {kind} key: "));
    let said = rest.and_then(|(_, rest)| rest.split([',', ']', ' ']).next());
    said == Some(key) && (complaint.volume.is_empty() || complaint.volume == source.volume)
}

fn without_key(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    source: &Source<'_>,
    key: &str,
    said: Option<&Complaint<'_>>,
) -> Fact<Option<Match>> {
    let at = source.kind.at(namespace(suspect.object), source.name);
    let object = match case.get(&at).known()? {
        Some(None) => return Ok(None),
        Some(object) => object,
        None => None,
    };
    // The keys of a Secret are not known here: only the kubelet's words tell.
    let keys = object.filter(|_| source.kind == CONFIGMAPS).map(keys_of);
    if keys.as_ref().is_some_and(|keys| keys.contains(&key)) {
        return Ok(None);
    }
    let path = format!("{}.items[{key}].key", source.path);
    let text = format!("Volume {} cannot be mounted: {at} has no key {key}.", source.volume);
    let sure = match (said, source.kind == SECRETS || keys.is_some()) {
        (Some(_), true) => Confidence::Certain,
        (None, true) => Confidence::High,
        _ => Confidence::Medium,
    };
    let mut m =
        Match::on(&suspect.at, text).confidence(sure).evidence(&suspect.at, &path, key, format!("{path} wants {key}"));
    if let Some(keys) = keys {
        m = m.evidence(&at, "data", &keys.join(", "), format!("{at} has the keys {}", keys.join(", ")));
    } else if object.is_some() {
        m = m.evidence(&at, "", "", format!("{at} exists, only the key is missing"));
    }
    if let Some(said) = said {
        m = said.tell(case, suspect, m);
    }
    let top = kin::top_owner(case, suspect.object)?;
    let what = format!("add key {key} to {at}, or name a key that it has");
    let fix = case.fix(top, &template_field(top, &path), what, "")?;
    Ok(Some(m.because_all(producers(case, &at)?).fix(fix)))
}

fn keys_of(configmap: &Value) -> Vec<&str> {
    let parts = ["data", "binaryData"].iter().filter_map(|part| configmap.get(part)?.as_object());
    parts.flat_map(|part| part.keys().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_source_of_a_volume_is_found_with_its_field() {
        let pod = json!({"spec": {"volumes": [
            {"name": "conf", "configMap": {"name": "app", "items": [{"key": "a"}]}},
            {"name": "tls", "secret": {"secretName": "cert", "optional": true}},
            {"name": "all", "projected": {"sources": [{"serviceAccountToken": {}}, {"secret": {"name": "db"}}]}},
            {"name": "tmp", "emptyDir": {}},
        ]}});
        let all: Vec<_> = sources(&pod).iter().map(|s| (s.path.clone(), s.name, s.optional, s.items.len())).collect();
        assert_eq!(
            all,
            [
                ("spec.volumes[conf].configMap".to_owned(), "app", false, 1),
                ("spec.volumes[tls].secret".to_owned(), "cert", true, 0),
                ("spec.volumes[all].projected.sources[1].secret".to_owned(), "db", false, 0),
            ]
        );
    }
}
