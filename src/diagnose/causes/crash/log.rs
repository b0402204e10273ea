//! Crashes that a line of the log explains.
//!
//! ## crash-app-error
//! **You see.** `CrashLoopBackOff`, exit 1 or another small number.
//! **Why.** The application ended itself with an error.
//! **How kokpit knows.** Exit code 1–125; the line of the log of the run that died is shown word for word.
//! **Looks alike.** The more telling classes of this family win when the log has their words. A host that answers and
//! refuses the password is reachable: that is this cause, not `crash-missing-dependency`.
//! **Mend it.** By the line shown; what changed since the last revision that ran is listed.
//!
//! ## crash-bad-config
//! **You see.** `CrashLoopBackOff`, a short run.
//! **Why.** The application misses a setting or cannot read it.
//! **How kokpit knows.** The log speaks of a missing variable, unknown flag or invalid configuration.
//! **Looks alike.** `config-missing-key` keeps the container from starting at all; here the reference is optional, or
//! the value is wrong. If the missing object was made after the last crash, `backoff-stale` is the reason.
//! **Mend it.** Git: the variable, flag or file the line names; `kubectl rollout undo` if it came with the last revision.
//!
//! ## crash-missing-dependency
//! **You see.** Restarts; the log cannot reach some host.
//! **Why.** Another application is down, its Service is empty, its name is wrong, or DNS or a policy is in the way.
//! **How kokpit knows.** A log line of the run that died names the host; it is resolved to a Service, and whatever is
//! wrong with that Service becomes the reason.
//! **Looks alike.** `crash-bad-config` (a wrong address); when *every* name fails, DNS is down.
//! **Mend it.** Mend the dependency; the pod recovers by itself.
//!
//! ## crash-permission-denied
//! **You see.** `CrashLoopBackOff`, `permission denied` in the log.
//! **Why.** The user the container runs as may not read or write: the files belong to another user, no `fsGroup`, a
//! dropped capability, a port below 1024.
//! **How kokpit knows.** The log line; `runAsUser`, `fsGroup`, the volume mounted there and what changed since the last
//! revision are shown beside it.
//! **Looks alike.** `crash-readonly-fs` (the file system is read-only for everybody).
//! **Mend it.** Git: `securityContext.fsGroup`, `runAsUser` or `capabilities` of the pod template.
//!
//! ## crash-readonly-fs
//! **You see.** `CrashLoopBackOff`, `Read-only file system` in the log.
//! **Why.** `readOnlyRootFilesystem: true`, a read-only mount, or a ConfigMap mount (always read-only).
//! **How kokpit knows.** The log line and the container's security context.
//! **Looks alike.** Several pods of one node at once: the node's disk went read-only.
//! **Mend it.** Git: mount an emptyDir at the path.
//!
//! ## crash-exec-format
//! **You see.** `exec format error` in the log.
//! **Why.** The program in the image was built for another architecture (or a script has no `#!` line).
//! **How kokpit knows.** The log line.
//! **Looks alike.** `image-arch-mismatch` (the pull already fails).
//! **Mend it.** A multi-platform image, or a nodeSelector `kubernetes.io/arch`.
//!
//! ## crash-port-in-use
//! **You see.** `address already in use` in the log.
//! **Why.** Two containers of the pod, or two pods on the host network, take the same port.
//! **How kokpit knows.** The log line.
//! **Looks alike.** `host-port-conflict` keeps the pod from being scheduled.
//! **Mend it.** Git: another port.
//!
//! ## crash-dirty-emptydir
//! **You see.** An init container fails again and again with `File exists` or "not empty".
//! **Why.** Its first run failed half-way, and an emptyDir survives restarts of containers in the same pod.
//! **How kokpit knows.** The log line, and an emptyDir in the pod.
//! **Looks alike.** The first failure was another one; its log is gone, perhaps an event tells.
//! **Mend it.** Live: delete the pod. Git: let the init container clean up first.
//!
//! ## volume-full
//! **You see.** A database or queue crashes; `No space left on device`.
//! **Why.** Its volume is full.
//! **How kokpit knows.** The log line; the claim, its size and whether its class can be expanded are shown. The node has
//! no DiskPressure.
//! **Looks alike.** `node-disk-pressure` (many pods, node condition), `evicted-ephemeral-limit`.
//! **Mend it.** Free space, or enlarge the claim: `spec.resources.requests.storage` where the class allows it.

use super::{Scene, crashed};
use crate::diagnose::crash::code_in_words;
use crate::diagnose::facts::{Case, Fact, Knowable, NOTHING};
use crate::diagnose::finding::{Because, Match};
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::containers;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, bool_at, int_at, list_at, name, namespace, str_at};
use serde_json::Value;

causes! { "log.rs";
    "crash-app-error" "the application ends itself with an error" Outage ["Pod"] crashed, id, app_error;
    "crash-bad-config" "the application misses a setting or cannot read it" Outage ["Pod"] crashed, id, bad_config;
    "crash-missing-dependency" "the application cannot reach what it depends on" Outage ["Pod"] crashed, id, missing_dependency;
    "crash-permission-denied" "the application may not read or write what it needs" Outage ["Pod"] crashed, id, permission_denied;
    "crash-readonly-fs" "the application writes to a read-only file system" Outage ["Pod"] crashed, id, read_only;
    "crash-exec-format" "the program was built for another architecture" Outage ["Pod"] crashed, id, exec_format;
    "crash-port-in-use" "the application's port is taken" Outage ["Pod"] crashed, id, port_in_use;
    "crash-dirty-emptydir" "an init container trips over what its first run left behind" Degraded ["Pod"] crashed, id, dirty;
    "volume-full" "the application's volume is full" Outage ["Pod"] crashed, id, full;
}

fn app_error(scene: &Scene<'_>) -> Fact<Match> {
    let (c, ended) = (&scene.crash.container, code_in_words(scene.crash.code));
    let text = match scene.crash.line.as_str() {
        "" => format!("Container {c} ends with {ended} and says nothing."),
        line => format!("Container {c} ends with {ended}: {line}"),
    };
    let m = scene.found(text, Confidence::Medium);
    corrected(scene, m)
}

/// The fix where a line of the log is all there is.
fn corrected(scene: &Scene<'_>, m: Match) -> Fact<Match> {
    let undo = scene.undo()?;
    let back = if undo.is_empty() { "" } else { ", or go back a revision" };
    scene.fix(m, ".env", format!("correct what the log line names{back}"), undo)
}

fn bad_config(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} ends because of its configuration: {}", scene.crash.container, scene.crash.line);
    let m = scene.found(text, Confidence::Medium);
    corrected(scene, m)
}

fn missing_dependency(scene: &Scene<'_>) -> Fact<Match> {
    let Some(dependency) = &scene.crash.dependency else { return app_error(scene) };
    let known = if dependency.service.is_some() { Confidence::High } else { Confidence::Medium };
    let host = &dependency.host;
    let m = scene.found(format!("Container {} cannot reach {host}.", scene.crash.container), known);
    let mut m = m.evidence(&scene.suspect.at, "log", host, format!("the log names {host}: {}", dependency.line));
    if let Some((lead, _)) = &dependency.service {
        m.because.push(Because::Object(lead.clone()));
        return Ok(m);
    }
    no_such_service(scene, host, m)
}

/// Evidence about a bare name that is no Service of the pod's namespace: cluster DNS looks for it there, so one of another
/// namespace is not found by it.
fn no_such_service(scene: &Scene<'_>, host: &str, m: Match) -> Fact<Match> {
    let ns = namespace(scene.pod());
    let Some(all) = scene.case.list(SERVICES, None).known()?.filter(|_| !host.contains('.') && host != "localhost")
    else {
        return Ok(m);
    };
    let m = m.evidence(&SERVICES.at(ns, host), "", "", format!("there is no Service {host} in {ns}"));
    let Some(other) = all.into_iter().filter(|service| name(service) == host).min_by_key(|service| namespace(service))
    else {
        return Ok(m);
    };
    let (at, called) = (ObjectRef::of(other), format!("{host}.{}", namespace(other)));
    let m = m.evidence(&at, "", "", format!("{at} has that name; from {ns} it is called {called}"));
    scene.fix(m, ".env", format!("ask for {called}, if {at} is meant"), "")
}

fn permission_denied(scene: &Scene<'_>) -> Fact<Match> {
    let (pod, line) = (scene.pod(), &scene.crash.line);
    let text = format!("Container {} may not read or write what it needs: {line}", scene.crash.container);
    let mut m = scene.found(text, Confidence::High);
    if let Some((claim, text)) = claim_at(scene) {
        m = m.evidence(&claim, "", "", text);
    }
    let own = int_at(scene.container.spec, "/securityContext/runAsUser");
    let user = own.or_else(|| int_at(pod, "/spec/securityContext/runAsUser"));
    let group = int_at(pod, "/spec/securityContext/fsGroup");
    let says = |n: Option<i64>| n.map_or("not set".to_owned(), |n| n.to_string());
    let text = format!("runAsUser {}, fsGroup {}", says(user), says(group));
    m = m.evidence(&scene.suspect.at, "spec.securityContext", "", text);
    if let Some(text) = ran_as_another(scene, user)? {
        m = m.evidence(&scene.suspect.at, "spec.securityContext.runAsUser", "", text);
    }
    if line.to_lowercase().contains("bind") {
        let what = "listen on a port above 1023, or add the capability NET_BIND_SERVICE";
        return scene.fix(m, ".securityContext.capabilities.add", what, "");
    }
    let what = "set fsGroup to the group the container runs with (or run as the owner of the files)";
    scene.fix_pod(m, "spec.securityContext.fsGroup", what, "")
}

/// As whom the container ran before the last rollout, where that was somebody else.
fn ran_as_another(scene: &Scene<'_>, now: Option<i64>) -> Fact<Option<String>> {
    let Some(before) = kin::replicaset_before(scene.case, scene.pod())? else { return Ok(None) };
    let spec = before.pointer("/spec/template/spec").unwrap_or(&NOTHING);
    let container = list_at(spec, "/containers").iter().find(|c| str_at(c, "/name") == scene.crash.container);
    let own = container.and_then(|c| int_at(c, "/securityContext/runAsUser"));
    let user = own.or_else(|| int_at(spec, "/securityContext/runAsUser"));
    let words = match user {
        _ if user == now || container.is_none() => return Ok(None),
        Some(0) => "root".to_owned(),
        Some(user) => format!("user {user}"),
        None => "the user of its image: root, unless the image names another".to_owned(),
    };
    Ok(Some(format!("revision {} ran as {words}", kin::revision(before))))
}

fn read_only(scene: &Scene<'_>) -> Fact<Match> {
    let line = &scene.crash.line;
    let text = format!("Container {} writes to a read-only file system: {line}", scene.crash.container);
    let mut m = scene.found(text, Confidence::High);
    let root = bool_at(scene.container.spec, "/securityContext/readOnlyRootFilesystem");
    m = scene.field(
        m,
        ".securityContext.readOnlyRootFilesystem",
        &root.to_string(),
        format!("readOnlyRootFilesystem is {root}"),
    );
    if let Some(mount) = mount_at(scene).filter(|mount| bool_at(mount, "/readOnly")) {
        let path = str_at(mount, "/mountPath");
        m = scene.field(m, ".volumeMounts", path, format!("{path} is mounted read-only"));
    }
    scene.fix(m, ".volumeMounts", "mount an emptyDir where it writes", "")
}

fn exec_format(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("The program of container {} was built for another architecture.", scene.crash.container);
    let mut m = scene.found(text, Confidence::Certain);
    let node = NODES.at("", str_at(scene.pod(), "/spec/nodeName"));
    if let Some(object) = scene.case.get(&node).known()?.flatten() {
        let arch = str_at(object, "/metadata/labels/kubernetes.io~1arch");
        m = m.evidence(
            &node,
            "metadata.labels[kubernetes.io/arch]",
            arch,
            format!("node {} is {arch}, the image is {}", node.name, scene.container.image()),
        );
    }
    scene.fix(m, ".image", "use an image built for these nodes, or a nodeSelector kubernetes.io/arch", scene.undo()?)
}

fn port_in_use(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} cannot listen: {}", scene.crash.container, scene.crash.line);
    let mut m = scene.found(text, Confidence::High);
    for other in containers(scene.pod()).iter().filter(|c| !c.init) {
        let ports: Vec<String> = list_at(other.spec, "/ports").iter().map(super::super::probe::port_in_words).collect();
        if !ports.is_empty() {
            let text = format!("container {} declares port {}", other.name, ports.join(", "));
            m = m.evidence(&scene.suspect.at, &format!("{}.ports", other.path), "", text);
        }
    }
    if bool_at(scene.pod(), "/spec/hostNetwork") {
        let text = "the pod uses the node's network: other pods and programs of the node may hold the port";
        m = m.evidence(&scene.suspect.at, "spec.hostNetwork", "true", text);
    }
    scene.fix(m, ".ports", "let it listen on another port", "")
}

fn dirty(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Init container {} trips over its own first run: {}", scene.crash.container, scene.crash.line);
    let m = scene.found(text, Confidence::High);
    let live = format!("kubectl -n {} delete pod {}", namespace(scene.pod()), name(scene.pod()));
    scene.fix(m, ".command", "delete the pod (a new one gets a new emptyDir)", live)
}

fn full(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} has no space left on its volume: {}", scene.crash.container, scene.crash.line);
    let mut m = scene.found(text, Confidence::High);
    if let Some((claim, text)) = claim_at(scene) {
        m = claim_size(scene.case, &claim, m.evidence(&claim, "", "", text))?;
    }
    let field = "spec.volumeClaimTemplates[].spec.resources.requests.storage";
    let top = crate::diagnose::kin::top_owner(scene.case, scene.pod())?;
    Ok(m.fix(scene.case.fix(top, field, "free space on the volume, or enlarge its claim", "")?))
}

/// The mount whose path stands in the log line.
fn mount_at<'a>(scene: &Scene<'a>) -> Option<&'a Value> {
    list_at(scene.container.spec, "/volumeMounts").iter().find(|mount| {
        let path = str_at(mount, "/mountPath");
        path.len() > 1 && scene.crash.line.contains(path)
    })
}

/// The claim the log line speaks of, or the only one that is mounted, with the line that says so.
fn claim_at(scene: &Scene<'_>) -> Option<(ObjectRef, String)> {
    let claim_of = |mount: &Value| {
        list_at(scene.pod(), "/spec/volumes")
            .iter()
            .find(|v| str_at(v, "/name") == str_at(mount, "/name"))
            .map(|v| str_at(v, "/persistentVolumeClaim/claimName"))
            .filter(|c| !c.is_empty())
    };
    let any = || list_at(scene.container.spec, "/volumeMounts").iter().find(|mount| claim_of(mount).is_some());
    let mount = mount_at(scene).or_else(any)?;
    let claim = claim_of(mount)?;
    let text = format!("{} is claim {claim}", str_at(mount, "/mountPath"));
    Some((CLAIMS.at(namespace(scene.pod()), claim), text))
}

/// Evidence: how large a claim is, and whether it can grow.
fn claim_size(case: &Case<'_>, at: &ObjectRef, m: Match) -> Fact<Match> {
    let Some(claim) = case.get(at).known()?.flatten() else { return Ok(m) };
    let class = str_at(claim, "/spec/storageClassName");
    let size = match str_at(claim, "/status/capacity/storage") {
        "" => str_at(claim, "/spec/resources/requests/storage"),
        size => size,
    };
    let grows = match case.one(STORAGECLASSES, "", class).known()?.flatten() {
        Some(class) if bool_at(class, "/allowVolumeExpansion") => "can be expanded",
        _ => "cannot be expanded",
    };
    Ok(m.evidence(at, "status.capacity.storage", size, format!("{at} has {size}, class {class} {grows}")))
}
