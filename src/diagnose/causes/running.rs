//! Pods that run, and yet not as they should.
//!
//! ## cpu-throttled
//! **You see.** Slow answers, probe timeouts, long starts; nothing fails outright.
//! **Why.** The container uses all the CPU its limit allows; the kernel makes it wait for the rest of each period.
//! **How kokpit knows.** The metrics API says that it uses nine tenths of `limits.cpu` or more. Usage is an average over
//! some seconds, so confidence is medium. Without a metrics API this cannot be seen.
//! **Looks alike.** A slow dependency: CPU use is low then. `probe-too-tight` follows from it.
//! **Mend it.** Git: raise or remove `limits.cpu`.
//!
//! ## memory-thrash-at-limit
//! **You see.** A container is slow and its probes time out; it is not killed.
//! **Why.** Its memory stands at the limit: the kernel throws out pages that are needed again at once.
//! **How kokpit knows.** The metrics API says that its working set is 95 % of `limits.memory` or more, while it is not
//! ready. Confidence is low: some programs fill their memory by design.
//! **Looks alike.** `crash-oom-container`: there the limit was passed and the container killed. `cpu-throttled`.
//! **Mend it.** Git: raise `limits.memory`.
//!
//! ## stale-config
//! **You see.** A changed ConfigMap or Secret has no effect; or the application turns unready after a change.
//! **Why.** Environment variables and `subPath` mounts are read when the container starts and never again.
//! **How kokpit knows.** An object that the container takes by `env`, `envFrom` or `subPath` was changed after the
//! container started. Where it turned unready soon after, this is taken for the reason with medium confidence.
//! **Looks alike.** A mounted volume without `subPath` follows the object within about a minute.
//! **Mend it.** Live: `kubectl rollout restart`. Git: a checksum of the object as an annotation of the pod template.
//!
//! ## resize-pending
//! **You see.** A pod's resources were changed in place, and the change does not arrive.
//! **Why.** Its node has no room for it now (Deferred) or never will (Infeasible), or the kubelet fails to apply it.
//! **How kokpit knows.** Condition PodResizePending is True, or PodResizeInProgress has reason Error.
//! **Looks alike.** PodResizeInProgress without an error is on its way.
//! **Mend it.** Ask for less, make room on the node, or let the pod be made anew elsewhere.

use crate::diagnose::facts::{Case, Fact};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{Container, condition, containers, is_ill, is_true};
use crate::diagnose::usage::usage;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, list_at, name, namespace, str_at};
use crate::world::quantity::{Quantity, human_bytes, human_cpu};
use crate::world::time::{Time, human};
use crate::world::writers::last_change;
use serde_json::Value;

causes! { "running.rs";
    "cpu-throttled" "the container uses all the CPU that its limit allows" Degraded ["Pod"] throttled;
    "memory-thrash-at-limit" "the container's memory stands at its limit" Degraded ["Pod"] thrashing;
    "stale-config" "the container still runs with an older ConfigMap or Secret" Degraded ["Pod"] stale;
    "resize-pending" "the pod's resources were changed in place, and the node cannot follow" Nuisance ["Pod"] resize;
}

/// Running containers of a pod that is ill or was asked about: for others nobody wants to know.
fn running<'a>(case: &Case<'_>, suspect: &Suspect<'a>) -> Vec<Container<'a>> {
    if !suspect.asked && !is_ill(case, suspect) {
        return Vec::new();
    }
    containers(suspect.object).into_iter().filter(|c| c.running_since().is_some()).collect()
}

/// The limit of a container, or of its whole pod where only that has one; with the path of the field.
fn limit(pod: &Value, container: &Container<'_>, resource: &str) -> Option<(Quantity, String)> {
    let of_container = (str_at(container.spec, &format!("/resources/limits/{resource}")), container.path.as_str());
    let of_pod = (str_at(pod, &format!("/spec/resources/limits/{resource}")), "spec");
    let (text, path) = [of_container, of_pod].into_iter().find(|(text, _)| !text.is_empty())?;
    Some((Quantity::parse(text)?, format!("{path}.resources.limits.{resource}")))
}

fn throttled(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in running(case, suspect) {
        let Some((limit, field)) = limit(suspect.object, &container, "cpu") else { continue };
        let Some(now) = usage(case, suspect.object, container.name)? else { continue };
        let limit = limit.milli();
        if limit <= 0 || now.cpu_milli.saturating_mul(10) < limit.saturating_mul(9) {
            continue;
        }
        let (uses, may) = (human_cpu(now.cpu_milli), human_cpu(limit));
        let text =
            format!("Container {} uses {uses} of the {may} CPU that its limit allows, so it waits.", container.name);
        let m = Match::on(&suspect.at, text).confidence(Confidence::Medium).evidence(
            &suspect.at,
            &field,
            &may,
            format!("CPU limit {may}, used {uses}"),
        );
        found.push(at_limit(case, suspect, m, &field, "raise the CPU limit, or remove it")?);
    }
    Ok(found)
}

fn thrashing(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in running(case, suspect).into_iter().filter(|c| !c.ready()) {
        let Some((limit, field)) = limit(suspect.object, &container, "memory") else { continue };
        let Some(now) = usage(case, suspect.object, container.name)? else { continue };
        let limit = limit.units();
        if limit <= 0 || now.memory < limit.saturating_sub(limit / 20) {
            continue;
        }
        let (uses, may) = (human_bytes(now.memory), human_bytes(limit));
        let text =
            format!("Container {} uses {uses} of the {may} memory it may use, and is not ready.", container.name);
        let m = Match::on(&suspect.at, text).confidence(Confidence::Low).evidence(
            &suspect.at,
            &field,
            &may,
            format!("memory limit {may}, working set {uses}"),
        );
        found.push(at_limit(case, suspect, m, &field, "raise the memory limit")?);
    }
    Ok(found)
}

/// The fix of a limit; a pod that is well has no trouble to explain.
fn at_limit(case: &Case<'_>, suspect: &Suspect<'_>, m: Match, field: &str, what: &str) -> Fact<Match> {
    let top = kin::top_owner(case, suspect.object)?;
    let m = m.fix(case.fix(top, &template_field(top, field), what, "")?);
    Ok(if is_ill(case, suspect) { m } else { m.aside() })
}

/// How soon after a change a container must have turned unready for the change to be taken for the reason.
const SOON_S: i64 = 900;

fn stale(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let mut found = Vec::new();
    for container in running(case, suspect) {
        let Some(started) = container.running_since() else { continue };
        for (at, how) in read_once(suspect.object, &container) {
            // Whoever may not read it learns nothing; that is no hole, the pod may be well.
            let Some(object) = case.optional(&at)? else { continue };
            let Some((by, changed)) = last_change(object).filter(|(_, changed)| *changed > started) else { continue };
            let age = changed.age(case.now());
            let text = format!("Container {} still runs with what {at} said before it was changed.", container.name);
            let m = Match::on(&suspect.at, text)
                .evidence_aged(
                    &at,
                    "metadata.managedFields",
                    by,
                    Some(age),
                    format!("{at} was changed {} ago by {by}", human(age)),
                )
                .evidence(
                    &suspect.at,
                    "status.containerStatuses[].state.running.startedAt",
                    "",
                    format!(
                        "container {} runs since {} and takes it by {how}",
                        container.name,
                        human(started.age(case.now()))
                    ),
                );
            let top = kin::top_owner(case, suspect.object)?;
            let (kind, ns) = (str_at(top, "/kind").to_lowercase(), namespace(top));
            let live = match kind.as_str() {
                "deployment" | "statefulset" | "daemonset" => {
                    format!("kubectl -n {ns} rollout restart {kind}/{}", name(top))
                }
                // What kubectl cannot restart makes its pod anew when that is gone.
                _ => format!("kubectl -n {ns} delete pod {}", suspect.at.name),
            };
            let field = template_field(top, "metadata.annotations");
            let what = "start the containers anew; in git, a checksum of the object as an annotation does so by itself";
            let m = m.fix(case.fix(top, &field, what, live)?);
            found.push(match turned_unready_after(suspect.object, &container, changed) {
                true => m.confidence(Confidence::Medium),
                false => m.confidence(Confidence::Low).aside(),
            });
        }
    }
    Ok(found)
}

/// The ConfigMaps and Secrets that a container reads at its start only, and how.
fn read_once(pod: &Value, container: &Container<'_>) -> Vec<(ObjectRef, &'static str)> {
    let ns = namespace(pod);
    let mut found = Vec::new();
    let mut add = |kind: Known, wanted: &str, how| {
        let at = kind.at(ns, wanted);
        if !wanted.is_empty() && !found.iter().any(|(there, _)| *there == at) {
            found.push((at, how));
        }
    };
    for env in list_at(container.spec, "/env") {
        add(CONFIGMAPS, str_at(env, "/valueFrom/configMapKeyRef/name"), "env");
        add(SECRETS, str_at(env, "/valueFrom/secretKeyRef/name"), "env");
    }
    for from in list_at(container.spec, "/envFrom") {
        add(CONFIGMAPS, str_at(from, "/configMapRef/name"), "envFrom");
        add(SECRETS, str_at(from, "/secretRef/name"), "envFrom");
    }
    for mount in list_at(container.spec, "/volumeMounts").iter().filter(|m| !str_at(m, "/subPath").is_empty()) {
        let volume = list_at(pod, "/spec/volumes").iter().find(|v| str_at(v, "/name") == str_at(mount, "/name"));
        let Some(volume) = volume else { continue };
        add(CONFIGMAPS, str_at(volume, "/configMap/name"), "subPath");
        add(SECRETS, str_at(volume, "/secret/secretName"), "subPath");
    }
    found
}

fn turned_unready_after(pod: &Value, container: &Container<'_>, changed: Time) -> bool {
    let turned = condition(pod, "Ready").and_then(|c| Time::parse(str_at(c, "/lastTransitionTime")));
    let soon = turned.is_some_and(|t| (0..SOON_S).contains(&changed.age(t)));
    !container.ready() && !is_true(pod, "Ready") && soon
}

fn resize(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pending = condition(suspect.object, "PodResizePending").filter(|c| str_at(c, "/status") == "True");
    let failing = condition(suspect.object, "PodResizeInProgress").filter(|c| str_at(c, "/reason") == "Error");
    let Some(c) = pending.or(failing) else { return Ok(Vec::new()) };
    let (kind, reason, message) = (str_at(c, "/type"), str_at(c, "/reason"), str_at(c, "/message"));
    let text = match reason {
        "Infeasible" => "Its node can never give the resources it was resized to",
        "Deferred" => "Its node has no room now for the resources it was resized to",
        _ => "The kubelet cannot apply the resources it was resized to",
    };
    let m = Match::on(&suspect.at, format!("{text}: {message}")).evidence_aged(
        &suspect.at,
        &format!("status.conditions[{kind}]"),
        reason,
        case.age(str_at(c, "/lastTransitionTime")),
        format!("{kind} {reason}: {message}"),
    );
    let top = kin::top_owner(case, suspect.object)?;
    let field = template_field(top, "spec.containers[].resources");
    let m = m.fix(case.fix(top, &field, "take the resize back, or let the pod be made anew on a larger node", "")?);
    // It runs on with what it has: no trouble of others follows from it.
    Ok(vec![if suspect.asked { m } else { m.aside() }])
}
