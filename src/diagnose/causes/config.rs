//! Containers that cannot be created because a ConfigMap, a Secret or one of its keys is not there.
//!
//! ## config-missing-configmap
//! **You see.** A pod stays in `CreateContainerConfigError`; it never starts, so it does not crash and has no log.
//! **Why.** The container takes its environment from a ConfigMap (`env[].valueFrom.configMapKeyRef`, `envFrom[]`) that
//! does not exist in the pod's namespace. The kubelet tries again about once a minute.
//! **How kokpit knows.** The container waits with `configmap "x" not found`, and a look-up finds no such ConfigMap.
//! The field that names it is printed, and ConfigMaps with a similar name (another hash suffix, a typo).
//! **Looks alike.** A ConfigMap in a *volume* is `volume-configmap-missing` (the pod hangs in ContainerCreating).
//! `optional: true` never blocks. If it exists by now, the pod only waits for its next try (`backoff-stale`).
//! **Mend it.** Live: create the ConfigMap. Git: correct the name in `env`/`envFrom`, or add the manifest; with
//! generators check the hash suffix; with sync waves it must come before the workload.
//!
//! ## config-missing-secret
//! **You see.** A pod stays in `CreateContainerConfigError`.
//! **Why.** The container takes its environment from a Secret that does not exist in the pod's namespace.
//! **How kokpit knows.** The container waits with `secret "x" not found`, and a look-up (metadata only, values are
//! never read) finds none. An ExternalSecret or Certificate that should produce it is looked at next.
//! **Looks alike.** `volume-secret-missing` (a Secret in a volume), `config-missing-key` (the Secret is there, the key
//! is not), `ext-secret-not-synced` (the reason behind it when an operator makes the Secret).
//! **Mend it.** Live: create the Secret, or repair what produces it. Git: correct the name in `env`/`envFrom`.
//!
//! ## config-missing-key
//! **You see.** A pod stays in `CreateContainerConfigError`.
//! **Why.** The ConfigMap or Secret exists, but not the key that `env[].valueFrom` asks for.
//! **How kokpit knows.** The kubelet says `couldn't find key k in Secret ns/x`; keys of Secrets are taken from its
//! words, never from reading the data. The object's existence is checked.
//! **Looks alike.** `config-missing-secret`, `config-missing-configmap`. Old `FailedMount` events of the start are over.
//! **Mend it.** Add the key, or name the key that exists: `env[].valueFrom.secretKeyRef.key` in the workload.
//!
//! ## config-run-as-nonroot
//! **You see.** A pod stays in `CreateContainerConfigError`.
//! **Why.** `runAsNonRoot: true`, but the image runs as root or names its user by a word, which proves nothing.
//! **How kokpit knows.** The kubelet's message says so.
//! **Looks alike.** A refusal by Pod Security admission happens before the pod exists (`rs-failed-create-psa`).
//! **Mend it.** Git: `securityContext.runAsUser` with a number other than 0, or a numeric USER in the image.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Lead, Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{Container, containers};
use crate::world::object::{ObjectRef, bool_at, list_at, name, namespace, str_at};
pub(super) use crate::world::text::distance;
use crate::world::time::human;
use serde_json::Value;
use std::collections::BTreeSet;

causes! { "config.rs";
    "config-missing-configmap" "a ConfigMap that the container's environment needs does not exist" Outage ["Pod"]
        |case, suspect| missing(case, suspect, CONFIGMAPS);
    "config-missing-secret" "a Secret that the container's environment needs does not exist" Outage ["Pod"]
        |case, suspect| missing(case, suspect, SECRETS);
    "config-missing-key" "the ConfigMap or Secret lacks the key that the container's environment needs" Outage ["Pod"]
        missing_key;
    "config-run-as-nonroot" "the container must not run as root, but its image does" Outage ["Pod"] run_as_nonroot;
}

/// Containers that wait for their configuration.
fn waiting<'a>(suspect: &Suspect<'a>) -> impl Iterator<Item = Container<'a>> {
    containers(suspect.object).into_iter().filter(|c| c.waiting() == "CreateContainerConfigError")
}

fn missing(case: &Case<'_>, suspect: &Suspect<'_>, kind: Known) -> Fact<Vec<Match>> {
    let lower = kind.kind.to_lowercase();
    let mut found = Vec::new();
    for container in waiting(suspect) {
        let Some(wanted) = quoted_before_not_found(container.waiting_message(), &lower) else { continue };
        let at = kind.at(namespace(suspect.object), wanted);
        let exists = case.get(&at)?.is_some();
        let field = reference_field(&container, kind, wanted);
        let mut m = Match::on(
            &suspect.at,
            match exists {
                false => format!("Container {} cannot be created: {at} does not exist.", container.name),
                true => format!("Container {} waited for {at}, which exists by now.", container.name),
            },
        )
        .evidence(
            &suspect.at,
            "status.containerStatuses[].state.waiting.message",
            container.waiting_message(),
            format!("CreateContainerConfigError: {}", container.waiting_message()),
        )
        .evidence(&suspect.at, &field, wanted, format!("{field} names {at}"))
        .because_cause("backoff-stale")
        .because_all(producers(case, &at)?);
        if !exists {
            m = near_names(case, kind, &at, m)?;
            m = the_others(case, &container, &at, m)?;
        }
        m = mounts_are_over(case, suspect, m)?;
        let top = kin::top_owner(case, suspect.object)?;
        let create = format!("kubectl -n {} create {lower} {wanted} …", at.namespace);
        let field = template_field(top, field.trim_end_matches(".name"));
        found.push(m.fix(case.fix(top, &field, format!("create {at}, or name an existing {}", kind.kind), create)?));
    }
    Ok(found)
}

/// Objects of a container's environment beside the one at fault that are looked up.
const MOST_OTHERS: usize = 4;

/// Evidence: whether the other ConfigMaps and Secrets that the container's environment needs exist.
fn the_others(case: &Case<'_>, container: &Container<'_>, at: &ObjectRef, m: Match) -> Fact<Match> {
    let mut needed: BTreeSet<ObjectRef> = BTreeSet::new();
    for (kind, from, key_ref) in
        [(CONFIGMAPS, "configMapRef", "configMapKeyRef"), (SECRETS, "secretRef", "secretKeyRef")]
    {
        let all = list_at(container.spec, "/envFrom").iter().filter_map(|e| e.get(from));
        let single = list_at(container.spec, "/env").iter().filter_map(|e| e.pointer(&format!("/valueFrom/{key_ref}")));
        let required = all.chain(single).filter(|r| !bool_at(r, "/optional"));
        needed.extend(required.map(|r| kind.at(&at.namespace, str_at(r, "/name"))).filter(|other| other != at));
    }
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for other in needed.into_iter().take(MOST_OTHERS) {
        match case.get(&other).known()? {
            Some(Some(_)) => there.push(other.to_string()),
            Some(None) => gone.push(other.to_string()),
            None => {}
        }
    }
    let told = [(there, "its environment needs this too, and it exists"), (gone, "does not exist either")];
    Ok(told.into_iter().filter(|(names, _)| !names.is_empty()).fold(m, |m, (names, text)| {
        let names = names.join(", ");
        m.evidence(at, "", &names, format!("{names}: {text}"))
    }))
}

/// Events of a pod's start stay for an hour. The kubelet creates a container only once its volumes are mounted, so what
/// it said of them before is over.
fn mounts_are_over(case: &Case<'_>, suspect: &Suspect<'_>, m: Match) -> Fact<Match> {
    let last = case.event_with(suspect.object, &["FailedMount", "FailedAttachVolume"], "")?;
    let age = last.map(|event| (event.reason, event.last.age(case.now()))).filter(|(_, age)| *age > MOUNTED_S);
    Ok(match age {
        Some((reason, age)) => {
            let text = format!("{reason} is {} old and over: the volumes are mounted by now", human(age));
            m.evidence(&suspect.at, "", reason, text)
        }
        None => m,
    })
}

/// The kubelet waits for volumes for up to two minutes before it says so.
const MOUNTED_S: i64 = 150;

/// The object's name in `secret "x" not found`.
fn quoted_before_not_found<'m>(message: &'m str, kind: &str) -> Option<&'m str> {
    let rest = message.split_once(kind)?.1.strip_prefix(" \"")?;
    rest.split_once("\" not found").map(|(name, _)| name)
}

/// The field of the container's spec that names a ConfigMap or Secret.
fn reference_field(container: &Container<'_>, kind: Known, wanted: &str) -> String {
    let (from, key_ref) =
        if kind == SECRETS { ("secretRef", "secretKeyRef") } else { ("configMapRef", "configMapKeyRef") };
    let env_from =
        list_at(container.spec, "/envFrom").iter().position(|e| str_at(e, &format!("/{from}/name")) == wanted);
    let env =
        list_at(container.spec, "/env").iter().find(|e| str_at(e, &format!("/valueFrom/{key_ref}/name")) == wanted);
    match (env, env_from) {
        (Some(env), _) => format!("{}.env[{}].valueFrom.{key_ref}.name", container.path, str_at(env, "/name")),
        (None, Some(n)) => format!("{}.envFrom[{n}].{from}.name", container.path),
        (None, None) => container.path.clone(),
    }
}

/// Evidence of objects whose name differs only a little.
pub(super) fn near_names(case: &Case<'_>, kind: Known, at: &ObjectRef, m: Match) -> Fact<Match> {
    let Some(others) = case.list(kind, Some(&at.namespace)).known()? else { return Ok(m) };
    let near: Vec<&str> = others.into_iter().map(name).filter(|other| is_near(other, &at.name)).collect();
    if near.is_empty() {
        return Ok(m);
    }
    let text = format!("{} with a similar name: {}", kind.kind, near.join(", "));
    Ok(m.evidence(&ObjectRef::new("", "Namespace", "", &at.namespace), "", &near.join(", "), text))
}

/// Whether two names differ in a suffix after a dash, or in one or two letters.
pub(super) fn is_near(a: &str, b: &str) -> bool {
    let stem = |s: &str| s.rsplit_once('-').map_or(s.to_owned(), |(stem, _)| stem.to_owned());
    a != b && (stem(a) == b || stem(b) == a || (stem(a) == stem(b) && a.contains('-')) || distance(a, b) <= 2)
}

/// What should make a ConfigMap or Secret: an ExternalSecret, a SealedSecret, a Certificate, an Application.
pub(super) fn producers(case: &Case<'_>, at: &ObjectRef) -> Fact<Vec<Lead>> {
    let applications = applications_listing(case, at);
    let makers = if at.kind == "Secret" { secret_makers(case, at) } else { Ok(Vec::new()) };
    let mut leads = makers?;
    leads.extend(applications?);
    Ok(leads)
}

/// The objects of operators that are to make a Secret. All lists are asked for at once.
fn secret_makers(case: &Case<'_>, at: &ObjectRef) -> Fact<Vec<Lead>> {
    let list = |kind: Known| case.list(kind, Some(&at.namespace)).known();
    let (external, sealed, certificates) = (list(EXTERNALSECRETS), list(SEALEDSECRETS), list(CERTIFICATES));
    let target = |object: &Value, field: &str| match str_at(object, field) {
        "" => name(object).to_owned(),
        target => target.to_owned(),
    };
    let makes = |field: &'static str| move |o: &&Value| target(o, field) == at.name;
    let mut makers: Vec<&Value> = external?.into_iter().flatten().filter(makes("/spec/target/name")).collect();
    makers.extend(sealed?.into_iter().flatten().filter(makes("/spec/template/metadata/name")));
    let names = |c: &&Value| str_at(c, "/spec/secretName") == at.name;
    makers.extend(certificates?.into_iter().flatten().filter(names));
    Ok(makers.into_iter().map(|maker| Lead::to(ObjectRef::of(maker))).collect())
}

/// Applications whose resources name this object.
pub(super) fn applications_listing(case: &Case<'_>, at: &ObjectRef) -> Fact<Vec<Lead>> {
    let apps = case.list(APPLICATIONS, None).known()?.unwrap_or_default();
    let lists = |app: &&Value| {
        list_at(app, "/status/resources").iter().any(|r| {
            str_at(r, "/kind") == at.kind
                && str_at(r, "/name") == at.name
                && str_at(r, "/namespace") == at.namespace
                && str_at(r, "/group") == at.group
        })
    };
    Ok(apps.into_iter().filter(lists).map(|app| Lead::to(ObjectRef::of(app))).collect())
}

fn missing_key(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in waiting(suspect) {
        let Some((key, kind, owner)) = missing_key_of(container.waiting_message()) else { continue };
        let (ns, object) = owner.split_once('/').unwrap_or((namespace(suspect.object), owner));
        let known = if kind == "Secret" { SECRETS } else { CONFIGMAPS };
        let at = known.at(ns, object);
        let state = match case.get(&at).known()? {
            Some(Some(_)) => format!("{at} exists (the {} exists, only the key is missing)", kind.to_lowercase()),
            Some(None) => format!("{at} does not exist at all"),
            None => format!("whether {at} exists could not be read"),
        };
        let env = list_at(container.spec, "/env").iter().find(|e| {
            ["secretKeyRef", "configMapKeyRef"].iter().any(|r| {
                str_at(e, &format!("/valueFrom/{r}/name")) == object && str_at(e, &format!("/valueFrom/{r}/key")) == key
            })
        });
        let variable = env.map_or("", |e| str_at(e, "/name"));
        let key_ref = if kind == "Secret" { "secretKeyRef" } else { "configMapKeyRef" };
        let field = format!("{}.env[{variable}].valueFrom.{key_ref}.key", container.path);
        let top = kin::top_owner(case, suspect.object)?;
        let m =
            Match::on(&suspect.at, format!("Container {} cannot be created: {at} has no key {key}.", container.name))
                .evidence(
                    &suspect.at,
                    "status.containerStatuses[].state.waiting.message",
                    container.waiting_message(),
                    format!("CreateContainerConfigError: {}", container.waiting_message()),
                )
                .evidence(&suspect.at, &field, key, format!("env {variable} takes key {key} of {at}"))
                .evidence(&at, "", "", state);
        let m = mounts_are_over(case, suspect, m)?;
        found.push(m.because_all(producers(case, &at)?).fix(case.fix(
            top,
            &template_field(top, &field),
            format!("add key {key} to {at}, or let env {variable} name a key it has"),
            format!(
                "kubectl -n {ns} get {} {object} -o go-template='{{{{range $k,$v := .data}}}}{{{{$k}}}} {{{{end}}}}'",
                kind.to_lowercase()
            ),
        )?));
    }
    Ok(found)
}

/// Key, kind and object of `couldn't find key k in Secret ns/x`.
fn missing_key_of(message: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = message.split_once("couldn't find key ")?.1.split_once(" in ")?;
    let mut words = rest.split_whitespace();
    Some((key, words.next()?, words.next()?))
}

fn run_as_nonroot(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    const TEXTS: &[&str] = &["runAsNonRoot and image", "runAsUser breaks non-root policy"];
    let mut found = Vec::new();
    for c in waiting(suspect).filter(|c| TEXTS.iter().any(|t| c.waiting_message().contains(t))) {
        let top = kin::top_owner(case, suspect.object)?;
        let field = template_field(top, &format!("{}.securityContext.runAsUser", c.path));
        found.push(
            Match::on(&suspect.at, format!("Container {} must not run as root, but its image does.", c.name))
                .evidence(
                    &suspect.at,
                    "status.containerStatuses[].state.waiting.message",
                    c.waiting_message(),
                    c.waiting_message(),
                )
                .fix(case.fix(
                    top,
                    &field,
                    "set runAsUser to a number other than 0, or a numeric USER in the image",
                    "",
                )?),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_sentences_are_read() {
        assert_eq!(quoted_before_not_found("secret \"db\" not found", "secret"), Some("db"));
        assert_eq!(quoted_before_not_found("configmap \"a\" not found", "secret"), None);
        assert_eq!(missing_key_of("couldn't find key K in ConfigMap app/db"), Some(("K", "ConfigMap", "app/db")));
    }

    #[test]
    fn names_that_are_close() {
        assert!(is_near("app-cfg-7h2k", "app-cfg-99xx"), "another hash");
        assert!(is_near("database", "databse"));
        assert!(!is_near("database", "frontend"));
    }
}
