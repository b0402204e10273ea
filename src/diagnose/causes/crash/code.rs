//! Crashes that the exit code or the runtime's reason explains.
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
//! **How kokpit knows.** The exit code is 128 + signal. On which nodes its replicas die and on which they run is shown.
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
//! **Looks alike.** `crash-command-not-found` (a shell ran and did not find it). Exit 128 without such a reason is the
//! program's own (git ends so): `crash-app-error`.
//! **Mend it.** Git: `command`, `args`, `mountPath`, `subPath`.
//!
//! ## container-status-unknown
//! **You see.** Exit 137 or 255 with reason `ContainerStatusUnknown` or `Unknown`.
//! **Why.** The node rebooted or its runtime lost the container.
//! **How kokpit knows.** The reason.
//! **Looks alike.** `crash-oom-container`.
//! **Mend it.** Nothing, it was restarted; look at the node.

use super::{Scene, crashed};
use crate::diagnose::crash::code_in_words;
use crate::diagnose::facts::{Fact, Knowable};
use crate::diagnose::finding::Match;
use crate::diagnose::kin;
use crate::diagnose::kinds::NODES;
use crate::diagnose::pods::containers;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{list_at, str_at};
use serde_json::Value;
use std::collections::BTreeSet;

causes! { "code.rs";
    "crash-command-not-found" "the command does not exist in the image" Outage ["Pod"] crashed, id, no_such_command;
    "crash-not-executable" "the command cannot be executed" Outage ["Pod"] crashed, id, no_such_command;
    "crash-segv" "the process dies of a signal of its own making" Outage ["Pod"] crashed, id, signal;
    "crash-sigterm" "something inside ends the process with SIGTERM" Degraded ["Pod"] crashed, id, terminated;
    "crash-exit-zero" "the main process ends successfully and is started again" Outage ["Pod"] crashed, id, done;
    "run-container-error" "the runtime cannot start the command" Outage ["Pod"] crashed, id, not_started;
    "container-status-unknown" "the node lost the container" Nuisance ["Pod"] crashed, id, lost;
}

fn no_such_command(scene: &Scene<'_>) -> Fact<Match> {
    let (c, code) = (&scene.crash.container, scene.crash.code);
    let what = if code == 127 { "a command that does not exist" } else { "a file that cannot be executed" };
    let m = scene.found(format!("Container {c} runs {what} (exit {code})."), Confidence::High);
    let m = command(scene, m);
    scene.fix(m, ".command", "correct command and args", scene.undo()?)
}

/// Evidence: what the container runs.
fn command(scene: &Scene<'_>, m: Match) -> Match {
    let words =
        |field: &str| -> Vec<&str> { list_at(scene.container.spec, field).iter().filter_map(Value::as_str).collect() };
    let all = [words("/command"), words("/args")].concat().join(" ");
    match all.is_empty() {
        true => scene.field(m, ".command", "", "command and args are not set: the image's own entry point runs"),
        false => scene.field(m, ".command", &all, format!("runs: {all}")),
    }
}

fn signal(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} dies of a signal: {}.", scene.crash.container, code_in_words(scene.crash.code));
    let m = by_node(scene, scene.found(text, Confidence::Medium))?;
    scene.fix(m, ".image", "use another version of the image, built for these nodes", scene.undo()?)
}

/// Evidence: the nodes on which replicas have died of it, and those on which they run.
fn by_node(scene: &Scene<'_>, m: Match) -> Fact<Match> {
    let top = kin::top_owner(scene.case, scene.pod())?;
    let replicas = kin::pods_of(scene.case, top).known()?.unwrap_or_default();
    let (mut dies, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for pod in replicas {
        let node = str_at(pod, "/spec/nodeName");
        let died = containers(pod).iter().any(|c| c.ended().is_some_and(|e| e.code == scene.crash.code));
        if died {
            dies.insert(node)
        } else {
            runs.insert(node)
        };
    }
    let only: Vec<&str> = runs.difference(&dies).copied().filter(|n| !n.is_empty()).collect();
    if dies.is_empty() || only.is_empty() {
        return Ok(m);
    }
    let dies = dies.into_iter().collect::<Vec<_>>().join(", ");
    let text = format!("dies on {dies}; runs on {}: compare CPU, kernel and architecture", only.join(", "));
    Ok(m.evidence(&scene.suspect.at, "spec.nodeName", &dies, text))
}

fn terminated(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} is ended by SIGTERM, and nobody deletes the pod.", scene.crash.container);
    let m = scene.found(text, Confidence::Medium);
    scene.fix(m, ".command", "find what sends SIGTERM inside the container: a wrapper script, `timeout`, an agent", "")
}

fn done(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} ends successfully and is started again and again.", scene.crash.container);
    let m = command(scene, scene.found(text, Confidence::Certain));
    let what = "keep the process in the foreground, or make it a Job if it is a task that ends";
    scene.fix(m, ".command", what, scene.undo()?)
}

fn not_started(scene: &Scene<'_>) -> Fact<Match> {
    let m = scene.found(format!("The runtime cannot start container {}.", scene.crash.container), Confidence::Certain);
    let text = scene.container.ended().map_or("", |e| e.message);
    let m = m.evidence(&scene.suspect.at, "status.containerStatuses[].lastState.terminated.message", text, text);
    scene.fix(m, ".command", "correct command and args, or the mount that the message names", scene.undo()?)
}

fn lost(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("The node lost container {} ({}).", scene.crash.container, scene.crash.reason);
    Ok(scene.found(text, Confidence::High).because(NODES.at("", str_at(scene.pod(), "/spec/nodeName"))))
}
