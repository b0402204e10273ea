//! Containers that start and die again.
//!
//! ## crash-oom-container
//! **You see.** Restarts, `CrashLoopBackOff`, `OOMKilled`, exit 137.
//! **Why.** The container used more memory than `resources.limits.memory` allows; the kernel killed it.
//! **How kokpit knows.** `terminated.reason: OOMKilled`. Without it (detection is racy on some runtimes) exit 137 of a
//! container with a limit and no other killer is called so with medium confidence.
//! **Looks alike.** `kill-liveness` is 137 too, but the kubelet wrote a `Killing` event; `oom-node-level`: the node ran
//! out; `evicted-node-pressure`: the pod is Failed and not restarted. Probe timeouts just before are a side effect.
//! **Mend it.** Raise `resources.limits.memory` (and the request), or bound the heap (`-Xmx`, `GOMEMLIMIT`).
//!
//! ## oom-node-level
//! **You see.** Exit 137 of containers far below their own limit.
//! **Why.** The node itself ran out of memory and the kernel chose a victim.
//! **How kokpit knows.** The node has an event `SystemOOM` around the end of the run.
//! **Looks alike.** `crash-oom-container`.
//! **Mend it.** Requests that match the use, `kube-reserved` on the node.
//!
//! ## crash-sigkill
//! **You see.** Exit 137 without `OOMKilled`, without limit, without a `Killing` event.
//! **Why.** Something killed the process: by hand, by an agent on the node, or an event that has expired.
//! **How kokpit knows.** Everything else that gives 137 is ruled out; confidence is low.
//! **Looks alike.** `crash-oom-container`, `kill-liveness`, `evicted-ephemeral-limit`.
//! **Mend it.** Look at the node's kernel log around the end of the run.
//!
//! ## crash-app-error
//! **You see.** `CrashLoopBackOff`, exit 1 or another small number.
//! **Why.** The application ended itself with an error.
//! **How kokpit knows.** Exit code 1–125; the line of the log of the run that died is shown word for word.
//! **Looks alike.** The more telling classes of this family win when the log has their words.
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
//!
//! ## crash-command-not-found
//! **You see.** Exit 127.
//! **Why.** The shell did not find the command (or its dynamic loader: musl and glibc).
//! **How kokpit knows.** The exit code, and the log line.
//! **Looks alike.** `run-container-error`: the runtime itself did not find the program.
//! **Mend it.** Git: `command` and `args`.
//!
//! ## crash-not-executable
//! **You see.** Exit 126.
//! **Why.** The file is there but cannot be executed: no x bit, a noexec mount, another architecture.
//! **How kokpit knows.** The exit code, and the log line.
//! **Looks alike.** `crash-exec-format`.
//! **Mend it.** Git: `command`; `chmod +x` in the image; `defaultMode` of the ConfigMap volume.
//!
//! ## crash-segv
//! **You see.** Exit 139, 134 or another of 132–136.
//! **Why.** The process died of a signal: a native bug, a CPU without an instruction, a wrong libc, a JVM abort.
//! **How kokpit knows.** The exit code is 128 + signal.
//! **Looks alike.** Only on some nodes: CPU or kernel. Everywhere: the image.
//! **Mend it.** Another version of the image; `kubectl rollout undo`.
//!
//! ## crash-sigterm
//! **You see.** Exit 143.
//! **Why.** Something sent SIGTERM and it was no deletion of the pod.
//! **How kokpit knows.** The exit code; the kubelet's `Killing` events say nothing of a probe.
//! **Looks alike.** `kill-liveness` with a process that ends politely.
//! **Mend it.** Find who sends it: a wrapper script, an agent, `timeout`.
//!
//! ## crash-exit-zero
//! **You see.** Reason `Completed` again and again.
//! **Why.** The main process ends successfully, and `restartPolicy: Always` starts it anew: a task in a Deployment, a
//! shell that falls through, a daemon that goes to the background.
//! **How kokpit knows.** Exit code 0 and restarts.
//! **Looks alike.** A Job that is done.
//! **Mend it.** Git: make it a Job, or keep the process in the foreground.
//!
//! ## run-container-error
//! **You see.** `RunContainerError`, `StartError`, exit 128.
//! **Why.** The runtime could not execute the command: not found, not permitted, a mount that does not fit.
//! **How kokpit knows.** The reason and the runtime's message.
//! **Looks alike.** `crash-command-not-found` (a shell ran and did not find it).
//! **Mend it.** Git: `command`, `args`, `mountPath`, `subPath`.
//!
//! ## container-status-unknown
//! **You see.** Exit 137 or 255 with reason `ContainerStatusUnknown` or `Unknown`.
//! **Why.** The node rebooted or its runtime lost the container.
//! **How kokpit knows.** The reason.
//! **Looks alike.** `crash-oom-container`.
//! **Mend it.** Nothing, it was restarted; look at the node.
//!
//! ## init-crashloop
//! **You see.** `Init:CrashLoopBackOff` or `Init:Error`; the main containers never start.
//! **Why.** An init container fails.
//! **How kokpit knows.** The crash is of an init container; its own reason is analysed like any other's.
//! **Looks alike.** `init-running-long`: it does not fail, it waits.
//! **Mend it.** See the crash of the init container.
//!
//! ## backoff-stale
//! **You see.** `CrashLoopBackOff`, or `CreateContainerConfigError`, although what was missing is there now.
//! **Why.** The kubelet waits up to five minutes between tries; the cure came after the last one.
//! **How kokpit knows.** The ConfigMap or Secret that the container refers to was created after its last run ended, or
//! the Service it could not reach has ready endpoints since.
//! **Looks alike.** `crash-bad-config`, `config-missing-secret` while the object is still missing.
//! **Mend it.** Wait for the next try, or delete the pod to have it at once.

use super::{Cause, Severity};
use crate::diagnose::crash::{Crash, code_in_words, crashes};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Because, Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{condition, containers, is_true};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, int_at, list_at, name, namespace, str_at};
use crate::world::time::human;
use serde_json::Value;

const FILE: &str = include_str!("crash.rs");

macro_rules! rows {
    ($($id:literal $title:literal $severity:ident;)*) => {
        /// The family's rows.
        pub const CAUSES: &[Cause] = &[
            $(Cause {
                id: $id,
                title: $title,
                severity: Severity::$severity,
                kinds: &["Pod"],
                file: FILE,
                judge: |case, suspect| crashed(case, suspect, $id),
            },)*
            Cause {
                id: "init-crashloop",
                title: "an init container fails, so the main containers never start",
                severity: Severity::Outage,
                kinds: &["Pod"],
                file: FILE,
                judge: init_crashloop,
            },
            Cause {
                id: "backoff-stale",
                title: "what was missing is there now, the kubelet has not tried again yet",
                severity: Severity::Nuisance,
                kinds: &["Pod"],
                file: FILE,
                judge: backoff_stale,
            },
        ];
    };
}

rows! {
    "crash-oom-container" "the container is killed for using more memory than its limit" Outage;
    "oom-node-level" "the node ran out of memory and killed the container" Outage;
    "crash-sigkill" "the container is killed by something unknown" Outage;
    "crash-app-error" "the application ends itself with an error" Outage;
    "crash-bad-config" "the application misses a setting or cannot read it" Outage;
    "crash-missing-dependency" "the application cannot reach what it depends on" Outage;
    "crash-permission-denied" "the application may not read or write what it needs" Outage;
    "crash-readonly-fs" "the application writes to a read-only file system" Outage;
    "crash-exec-format" "the program was built for another architecture" Outage;
    "crash-port-in-use" "the application's port is taken" Outage;
    "crash-dirty-emptydir" "an init container trips over what its first run left behind" Degraded;
    "volume-full" "the application's volume is full" Outage;
    "crash-command-not-found" "the command does not exist in the image" Outage;
    "crash-not-executable" "the command cannot be executed" Outage;
    "crash-segv" "the process dies of a signal of its own making" Outage;
    "crash-sigterm" "something inside ends the process with SIGTERM" Degraded;
    "crash-exit-zero" "the main process ends successfully and is started again" Outage;
    "run-container-error" "the runtime cannot start the command" Outage;
    "container-status-unknown" "the node lost the container" Nuisance;
}

fn crashed(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let all = crashes(case, suspect.object)?;
    let mut found = Vec::new();
    // A run that a probe ended may still tell whom the application waited for.
    let dependency_of_kill = |c: &&Crash| id == "crash-missing-dependency" && c.dependency.is_some();
    for crash in all.iter().filter(|c| c.cause == id || dependency_of_kill(c)) {
        let mut m = Match::on(&suspect.at, sentence(crash, id))
            .confidence(confidence(crash, id))
            .because_cause("backoff-stale");
        m = ran(case, suspect, crash, m);
        m = details(case, suspect, crash, id, m)?;
        m = last_words(suspect, crash, m);
        if let Some(change) = kin::changes(case, suspect.object)? {
            m = m.evidence(&suspect.at, "", "", change);
        }
        found.push(cure(case, suspect, crash, id, m)?);
    }
    Ok(found)
}

fn confidence(crash: &Crash, id: &str) -> Confidence {
    match id {
        "crash-oom-container" if crash.guess => Confidence::Medium,
        "crash-sigkill" => Confidence::Low,
        "crash-oom-container" | "crash-exit-zero" | "crash-exec-format" | "run-container-error" => Confidence::Certain,
        "crash-app-error" | "crash-bad-config" | "crash-segv" | "crash-sigterm" => Confidence::Medium,
        "crash-missing-dependency" if crash.dependency.as_ref().is_none_or(|d| d.service.is_none()) => {
            Confidence::Medium
        }
        _ => Confidence::High,
    }
}

fn sentence(crash: &Crash, id: &str) -> String {
    let c = &crash.container;
    let host = crash.dependency.as_ref().map_or("a host", |d| d.host.as_str());
    match id {
        "crash-oom-container" if crash.guess => {
            format!("Container {c} was killed (exit 137), probably for its memory limit.")
        }
        "crash-oom-container" => format!("Container {c} is killed at its memory limit (OOMKilled)."),
        "oom-node-level" => format!("Container {c} was killed because the node ran out of memory."),
        "crash-sigkill" => format!("Container {c} was killed (exit 137) by something that left no trace."),
        "crash-bad-config" => format!("Container {c} ends because of its configuration: {}", crash.line),
        "crash-missing-dependency" => format!("Container {c} cannot reach {host}."),
        "crash-permission-denied" => format!("Container {c} may not read or write what it needs: {}", crash.line),
        "crash-readonly-fs" => format!("Container {c} writes to a read-only file system: {}", crash.line),
        "crash-exec-format" => format!("The program of container {c} was built for another architecture."),
        "crash-port-in-use" => format!("Container {c} cannot listen: {}", crash.line),
        "crash-dirty-emptydir" => format!("Init container {c} trips over its own first run: {}", crash.line),
        "volume-full" => format!("Container {c} has no space left on its volume: {}", crash.line),
        "crash-command-not-found" => format!("Container {c} runs a command that does not exist (exit 127)."),
        "crash-not-executable" => format!("Container {c} runs a file that cannot be executed (exit 126)."),
        "crash-segv" => format!("Container {c} dies of a signal: {}.", code_in_words(crash.code)),
        "crash-sigterm" => format!("Container {c} is ended by SIGTERM, and nobody deletes the pod."),
        "crash-exit-zero" => format!("Container {c} ends successfully and is started again and again."),
        "run-container-error" => format!("The runtime cannot start container {c}."),
        "container-status-unknown" => format!("The node lost container {c} ({}).", crash.reason),
        _ if crash.line.is_empty() => {
            format!("Container {c} ends with {} and says nothing.", code_in_words(crash.code))
        }
        _ => format!("Container {c} ends with {}: {}", code_in_words(crash.code), crash.line),
    }
}

/// Evidence: how the last run ended.
fn ran(case: &Case<'_>, suspect: &Suspect<'_>, crash: &Crash, m: Match) -> Match {
    let age = crash.finished.is_set().then(|| crash.finished.age(case.now()));
    let run = crash.seconds.map_or(String::new(), |s| format!(" after {}", about(s)));
    let ago = age.map_or(String::new(), |s| format!(", {} ago", human(s)));
    let text =
        format!("{}: {}{run}, {} restarts, last end{ago}", crash.reason, code_in_words(crash.code), crash.restarts);
    m.evidence_aged(&suspect.at, "status.containerStatuses[].lastState.terminated", &crash.code.to_string(), age, text)
}

/// A run's length without false precision: `1 s`, `about 40 s`.
fn about(seconds: i64) -> String {
    match seconds {
        0..20 => format!("{seconds} s"),
        20..120 => format!("about {} s", (seconds + 2) / 5 * 5),
        _ => format!("about {}", human(seconds)),
    }
}

/// Evidence: the end of the log.
fn last_words(suspect: &Suspect<'_>, crash: &Crash, mut m: Match) -> Match {
    let from = crash.log.len().saturating_sub(4);
    for line in &crash.log[from..] {
        m = m.evidence(&suspect.at, "log", line, format!("log: {line}"));
    }
    m
}

/// What belongs to the class alone.
fn details(case: &Case<'_>, suspect: &Suspect<'_>, crash: &Crash, id: &str, mut m: Match) -> Fact<Match> {
    let pod = suspect.object;
    let Some(container) = containers(pod).into_iter().find(|c| c.name == crash.container) else { return Ok(m) };
    match id {
        "crash-oom-container" => {
            let limit = str_at(container.spec, "/resources/limits/memory");
            let path = format!("{}.resources.limits.memory", crash.path);
            m = m.evidence(&suspect.at, &path, limit, format!("memory limit {limit}"));
            if let Some(threshold) = int_at(container.spec, "/livenessProbe/failureThreshold") {
                let text =
                    format!("no Killing event: the liveness probe (failureThreshold {threshold}) did not kill it");
                m = m.evidence(&suspect.at, "", "", text);
            }
        }
        "crash-missing-dependency" => {
            if let Some(dependency) = &crash.dependency {
                m = m.evidence(
                    &suspect.at,
                    "log",
                    &dependency.host,
                    format!("the log names {}: {}", dependency.host, dependency.line),
                );
                if let Some((lead, _)) = &dependency.service {
                    m.because.push(Because::Object(lead.clone()));
                }
            }
        }
        "crash-permission-denied" | "volume-full" => m = volumes(case, suspect, container.spec, &crash.line, id, m)?,
        "crash-readonly-fs" => {
            let root = container.spec.pointer("/securityContext/readOnlyRootFilesystem").and_then(Value::as_bool);
            let text = format!("readOnlyRootFilesystem is {}", root.unwrap_or_default());
            m = m.evidence(&suspect.at, &format!("{}.securityContext", crash.path), "", text);
        }
        "run-container-error" => {
            let text = container.ended().map_or("", |e| e.message);
            m = m.evidence(&suspect.at, "status.containerStatuses[].lastState.terminated.message", text, text);
        }
        "container-status-unknown" => m = m.because(NODES.at("", str_at(pod, "/spec/nodeName"))),
        _ => {}
    }
    Ok(m)
}

/// Evidence on the volume a log line speaks of, and on who may write there.
fn volumes(
    case: &Case<'_>,
    suspect: &Suspect<'_>,
    container: &Value,
    line: &str,
    id: &str,
    mut m: Match,
) -> Fact<Match> {
    let pod = suspect.object;
    let mounts = list_at(container, "/volumeMounts");
    let claim_of = |mount: &Value| {
        list_at(pod, "/spec/volumes")
            .iter()
            .find(|v| str_at(v, "/name") == str_at(mount, "/name"))
            .map(|v| str_at(v, "/persistentVolumeClaim/claimName"))
            .filter(|c| !c.is_empty())
    };
    let named = mounts.iter().find(|mount| {
        let path = str_at(mount, "/mountPath");
        path.len() > 1 && line.contains(path)
    });
    let mount = named.or_else(|| mounts.iter().find(|mount| claim_of(mount).is_some()));
    if let Some((mount, claim)) = mount.and_then(|mount| Some((mount, claim_of(mount)?))) {
        let at = CLAIMS.at(namespace(pod), claim);
        let path = str_at(mount, "/mountPath");
        m = m.evidence(&at, "", "", format!("{path} is claim {claim}"));
        if id == "volume-full" {
            m = claim_size(case, &at, m)?;
        }
    }
    if id == "crash-permission-denied" {
        let user =
            int_at(container, "/securityContext/runAsUser").or_else(|| int_at(pod, "/spec/securityContext/runAsUser"));
        let group = int_at(pod, "/spec/securityContext/fsGroup");
        let says = |n: Option<i64>| n.map_or("not set".to_owned(), |n| n.to_string());
        let text = format!("runAsUser {}, fsGroup {}", says(user), says(group));
        m = m.evidence(&suspect.at, "spec.securityContext", "", text);
    }
    Ok(m)
}

fn claim_size(case: &Case<'_>, at: &ObjectRef, m: Match) -> Fact<Match> {
    let Some(claim) = case.get(at).known()?.flatten() else { return Ok(m) };
    let class = str_at(claim, "/spec/storageClassName");
    let size = match str_at(claim, "/status/capacity/storage") {
        "" => str_at(claim, "/spec/resources/requests/storage"),
        size => size,
    };
    let grows = match case.one(STORAGECLASSES, "", class).known()?.flatten() {
        Some(class) if crate::world::object::bool_at(class, "/allowVolumeExpansion") => "can be expanded",
        _ => "cannot be expanded",
    };
    Ok(m.evidence(at, "status.capacity.storage", size, format!("{at} has {size}, class {class} {grows}")))
}

/// The smallest change.
fn cure(case: &Case<'_>, suspect: &Suspect<'_>, crash: &Crash, id: &str, m: Match) -> Fact<Match> {
    let top = kin::top_owner(case, suspect.object)?;
    let (ns, c) = (namespace(suspect.object), &crash.container);
    let workload = format!("{}/{}", str_at(top, "/kind").to_lowercase(), name(top));
    let field = |tail: &str| template_field(top, &format!("{}{tail}", crash.path));
    let undo = format!("kubectl -n {ns} rollout undo {workload}");
    let (field, what, live) = match id {
        "crash-oom-container" => (
            field(".resources.limits.memory"),
            format!("raise the memory limit of container {c}, or bound its heap below it"),
            format!("kubectl -n {ns} set resources {workload} -c {c} --limits=memory=…"),
        ),
        "crash-permission-denied" => (
            template_field(top, "spec.securityContext.fsGroup"),
            "set fsGroup to the group the container runs with (or run as the owner of the files)".into(),
            String::new(),
        ),
        "crash-readonly-fs" => (field(".volumeMounts"), "mount an emptyDir where it writes".into(), String::new()),
        "crash-missing-dependency" => {
            return Ok(m);
        }
        "volume-full" => (
            "spec.volumeClaimTemplates[].spec.resources.requests.storage".into(),
            "free space on the volume, or enlarge its claim".into(),
            String::new(),
        ),
        "crash-dirty-emptydir" => (
            field(".command"),
            "delete the pod (a new one gets a new emptyDir)".into(),
            format!("kubectl -n {ns} delete pod {}", name(suspect.object)),
        ),
        "crash-command-not-found" | "crash-not-executable" | "run-container-error" | "crash-exit-zero" => {
            (field(".command"), "correct command and args".into(), undo)
        }
        "crash-exec-format" | "crash-segv" => (field(".image"), "use an image built for these nodes".into(), undo),
        "container-status-unknown" => return Ok(m),
        _ => (field(".env"), "correct what the log line names, or go back a revision".into(), undo),
    };
    Ok(m.fix(case.fix(top, &field, what, live)?))
}

fn init_crashloop(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let all = crashes(case, suspect.object)?;
    Ok(all
        .iter()
        .filter(|crash| crash.init)
        .map(|crash| {
            let text = format!("Init container {} fails, the containers after it never start.", crash.container);
            ran(case, suspect, crash, Match::on(&suspect.at, text))
                .because_cause("crash-")
                .because_cause("volume-full")
                .because_cause("run-container")
        })
        .collect())
}

fn backoff_stale(case: &Case<'_>, suspect: &Suspect<'_>) -> Fact<Vec<Match>> {
    let pod = suspect.object;
    let mut found = Vec::new();
    for container in containers(pod) {
        let waits = matches!(container.waiting(), "CrashLoopBackOff" | "CreateContainerConfigError");
        let Some(last) =
            container.ended().map(|e| e.finished).filter(|_| waits).or_else(|| config_wait(pod, &container))
        else {
            continue;
        };
        if let Some((at, age)) = made_after(case, pod, container.spec, last)? {
            found.push(
                Match::on(
                    &suspect.at,
                    format!("{at} was created after the last crash; the kubelet retries by itself."),
                )
                .confidence(Confidence::High)
                .evidence_aged(
                    &at,
                    "metadata.creationTimestamp",
                    "",
                    Some(age),
                    format!("{at} created {} ago, after the last crash", human(age)),
                )
                .evidence(
                    &suspect.at,
                    "status.containerStatuses[].state.waiting.message",
                    container.waiting_message(),
                    container.waiting_message(),
                )
                .fix(retry(pod)),
            );
        } else if let Some(lead) = back_again(case, pod, container.name, last)? {
            found.push(
                Match::on(
                    &suspect.at,
                    format!("{lead} has ready endpoints again since the last crash; the kubelet retries by itself."),
                )
                .confidence(Confidence::High)
                .evidence(
                    &suspect.at,
                    "status.containerStatuses[].state.waiting.message",
                    container.waiting_message(),
                    container.waiting_message(),
                )
                .fix(retry(pod)),
            );
        }
    }
    Ok(found)
}

/// A container that never ran waits since the pod was scheduled.
fn config_wait(pod: &Value, container: &crate::diagnose::pods::Container<'_>) -> Option<crate::world::time::Time> {
    let since = condition(pod, "PodScheduled").map(|c| str_at(c, "/lastTransitionTime"))?;
    (container.waiting() == "CreateContainerConfigError").then(|| crate::world::time::Time::parse(since))?
}

fn retry(pod: &Value) -> crate::diagnose::verdict::Fix {
    crate::diagnose::verdict::Fix {
        summary: "wait for the next try, or delete the pod to have it at once".into(),
        live: format!("kubectl -n {} delete pod {}", namespace(pod), name(pod)),
        git: None,
        verified: false,
    }
}

/// A ConfigMap or Secret of the container's environment that is younger than the end of its last run.
fn made_after(
    case: &Case<'_>,
    pod: &Value,
    container: &Value,
    last: crate::world::time::Time,
) -> Fact<Option<(ObjectRef, i64)>> {
    let env = list_at(container, "/env").iter().flat_map(|e| {
        [
            (SECRETS, str_at(e, "/valueFrom/secretKeyRef/name")),
            (CONFIGMAPS, str_at(e, "/valueFrom/configMapKeyRef/name")),
        ]
    });
    let from = list_at(container, "/envFrom")
        .iter()
        .flat_map(|e| [(SECRETS, str_at(e, "/secretRef/name")), (CONFIGMAPS, str_at(e, "/configMapRef/name"))]);
    for (kind, wanted) in env.chain(from).filter(|(_, wanted)| !wanted.is_empty()) {
        let at = kind.at(namespace(pod), wanted);
        let Some(object) = case.get(&at).known()?.flatten() else { continue };
        let made = crate::world::time::Time::parse(str_at(object, "/metadata/creationTimestamp"));
        if let Some(made) = made.filter(|made| *made > last) {
            return Ok(Some((at, made.age(case.now()))));
        }
    }
    Ok(None)
}

/// The Service whose absence the crash blamed, if all its pods became ready after that crash.
fn back_again(
    case: &Case<'_>,
    pod: &Value,
    container: &str,
    last: crate::world::time::Time,
) -> Fact<Option<ObjectRef>> {
    let all = crashes(case, pod)?;
    let Some((lead, true)) =
        all.iter().find(|c| c.container == container).and_then(|c| c.dependency.as_ref()?.service.clone())
    else {
        return Ok(None);
    };
    let Some(service) = case.get(&lead.at)? else { return Ok(None) };
    let pods = kin::selected(case, service)?.unwrap_or_default();
    let since = |p: &Value| {
        condition(p, "Ready").and_then(|c| crate::world::time::Time::parse(str_at(c, "/lastTransitionTime")))
    };
    let ready: Vec<&&Value> = pods.iter().filter(|p| is_true(p, "Ready")).collect();
    let all_new = !ready.is_empty() && ready.iter().all(|p| since(p).is_some_and(|t| t > last));
    Ok(all_new.then_some(lead.at))
}
