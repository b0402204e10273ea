//! Containers killed with SIGKILL: out of memory, or nobody knows.
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

use super::{Scene, crashed};
use crate::diagnose::facts::Fact;
use crate::diagnose::finding::Match;
use crate::diagnose::kin;
use crate::diagnose::kinds::NODES;
use crate::diagnose::usage::usage;
use crate::diagnose::verdict::Confidence;
use crate::world::object::{int_at, list_at, name, namespace, str_at};
use crate::world::quantity::human_bytes;
use serde_json::Value;

causes! { "memory.rs";
    "crash-oom-container" "the container is killed for using more memory than its limit" Outage ["Pod"] crashed, id, over_its_limit;
    "oom-node-level" "the node ran out of memory and killed the container" Outage ["Pod"] crashed, id, by_the_node;
    "crash-sigkill" "the container is killed by something unknown" Outage ["Pod"] crashed, id, by_nobody;
}

fn over_its_limit(scene: &Scene<'_>) -> Fact<Match> {
    let (crash, c) = (scene.crash, &scene.crash.container);
    let mut m = match crash.guess {
        true => scene
            .found(format!("Container {c} was killed (exit 137), probably for its memory limit."), Confidence::Medium),
        false => scene.found(format!("Container {c} is killed at its memory limit (OOMKilled)."), Confidence::Certain),
    };
    let of_container = str_at(scene.container.spec, "/resources/limits/memory");
    m = match of_container {
        "" => {
            let limit = str_at(scene.pod(), "/spec/resources/limits/memory");
            let text = format!("memory limit of the whole pod {}", if limit.is_empty() { "not set" } else { limit });
            m.evidence(&scene.suspect.at, "spec.resources.limits.memory", limit, text)
        }
        limit => scene.field(m, ".resources.limits.memory", limit, format!("memory limit {limit}")),
    };
    m = counted_too(scene, m);
    if let Some(now) = usage(scene.case, scene.pod(), c)? {
        let text = format!("uses {} now, after the restart", human_bytes(now.memory));
        m = m.evidence(&scene.suspect.at, "metrics", &human_bytes(now.memory), text);
    }
    if let Some(threshold) = int_at(scene.container.spec, "/livenessProbe/failureThreshold") {
        let text = format!("no Killing event: the liveness probe (failureThreshold {threshold}) did not kill it");
        m = m.evidence(&scene.suspect.at, "", "", text);
    }
    let top = kin::top_owner(scene.case, scene.pod())?;
    let live = match str_at(top, "/kind") {
        "Pod" => String::new(),
        kind => format!(
            "kubectl -n {} set resources {}/{} -c {c} --limits=memory=…",
            namespace(top),
            kind.to_lowercase(),
            name(top)
        ),
    };
    let what = format!("raise the memory limit of container {c}, or bound its heap below it");
    scene.fix(m, ".resources.limits.memory", what, live)
}

/// Evidence: where the limit comes from if no manifest has it, and memory that is easily overlooked.
fn counted_too(scene: &Scene<'_>, mut m: Match) -> Match {
    let (at, c) = (&scene.suspect.at, scene.container.name);
    let note = str_at(scene.pod(), "/metadata/annotations/kubernetes.io~1limit-ranger");
    let set = |part: &str| part.contains("memory") && part.ends_with(&format!("limit for container {c}"));
    if note.split("; ").any(set) {
        let text = "a LimitRange of the namespace set this limit, not the manifest";
        m = m.evidence(at, "metadata.annotations[kubernetes.io/limit-ranger]", note, text);
    }
    for volume in list_at(scene.pod(), "/spec/volumes").iter().filter(|v| str_at(v, "/emptyDir/medium") == "Memory") {
        let mounted = |mount: &Value| str_at(mount, "/name") == str_at(volume, "/name");
        if let Some(mount) = list_at(scene.container.spec, "/volumeMounts").iter().find(|mount| mounted(mount)) {
            let path = str_at(mount, "/mountPath");
            m = m.evidence(
                at,
                "spec.volumes[].emptyDir.medium",
                path,
                format!("files in {path} are memory and count too"),
            );
        }
    }
    m
}

fn by_the_node(scene: &Scene<'_>) -> Fact<Match> {
    let text = format!("Container {} was killed because the node ran out of memory.", scene.crash.container);
    let m = scene.found(text, Confidence::High).because(NODES.at("", str_at(scene.pod(), "/spec/nodeName")));
    scene.fix(m, ".resources.requests.memory", "request as much memory as it uses", "")
}

fn by_nobody(scene: &Scene<'_>) -> Fact<Match> {
    let c = &scene.crash.container;
    let by = match scene.case.events_are_known(scene.pod())? {
        true => "by something that left no trace",
        false => "by the kernel, a probe or something else: only its events would tell",
    };
    Ok(scene.found(format!("Container {c} was killed (exit 137) {by}."), Confidence::Low))
}
