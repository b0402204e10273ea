//! Images that cannot be pulled, by the class of the runtime's error (containerd's words, as the kubelet passes them on).
//!
//! ## image-not-found
//! **You see.** `ErrImagePull`, then `ImagePullBackOff`.
//! **Why.** The registry answered and has no such repository, tag or digest: a typo, a tag not pushed yet, or deleted.
//! **How kokpit knows.** The pull error says `not found`, `manifest unknown` or `NAME_UNKNOWN`. Other pods that run the
//! same repository with another tag are listed.
//! **Looks alike.** `image-auth`: some registries answer "denied" for private repositories that do not exist. A
//! `FailedToRetrieveImagePullSecret` event beside "not found" is not the reason: the pull got as far as an answer.
//! **Mend it.** Live: `kubectl rollout undo`. Git: the tag in `containers[].image`; or push the tag.
//!
//! ## image-auth
//! **You see.** `ErrImagePull`, then `ImagePullBackOff`.
//! **Why.** The registry wants credentials, or refuses these.
//! **How kokpit knows.** `pull access denied`, `401`, `403`, `no basic auth credentials`, `insufficient_scope` in the error.
//! **Looks alike.** `image-not-found` (Docker Hub answers "denied" for repositories that do not exist: that is why the
//! confidence is medium), `image-pull-secret-missing` (the reason behind it).
//! **Mend it.** Git: `imagePullSecrets` of the pod or its ServiceAccount; renew the registry token.
//!
//! ## image-rate-limited
//! **You see.** `ImagePullBackOff` on nodes that do not have the image yet.
//! **Why.** The registry limits pulls per address or account.
//! **How kokpit knows.** `toomanyrequests`, `429 Too Many Requests` in the error.
//! **Looks alike.** `image-auth`; here the answer is 429.
//! **Mend it.** Pull with credentials or through a mirror; `imagePullPolicy: IfNotPresent`.
//!
//! ## image-registry-unreachable
//! **You see.** `ErrImagePull` with an error of the network.
//! **Why.** The node cannot resolve or reach the registry, or the registry is down.
//! **How kokpit knows.** `no such host`, `i/o timeout`, `connection refused`, `context deadline exceeded`, 502/503 in the
//! error. Whether the same image runs on other nodes tells a node's fault from the registry's.
//! **Looks alike.** `image-tls` (reached, but not trusted).
//! **Mend it.** One node: repair its DNS, route or proxy, cordon it meanwhile. All nodes: the registry, egress, DNS.
//!
//! ## image-tls
//! **You see.** `ErrImagePull` with `x509` or `http: server gave HTTP response to HTTPS client`.
//! **Why.** The node does not trust the registry's certificate, or the registry speaks plain HTTP.
//! **How kokpit knows.** The words of the error.
//! **Looks alike.** `image-registry-unreachable`.
//! **Mend it.** The runtime's `certs.d` on the nodes, or the registry's certificate.
//!
//! ## image-arch-mismatch
//! **You see.** `ErrImagePull` with `no match for platform in manifest`.
//! **Why.** The image was not built for the node's architecture.
//! **How kokpit knows.** The words of the error, beside the node's label `kubernetes.io/arch`.
//! **Looks alike.** `crash-exec-format` (the pull went well, the start did not).
//! **Mend it.** Build for several platforms, or a nodeSelector `kubernetes.io/arch`.
//!
//! ## image-invalid-name
//! **You see.** `InvalidImageName`.
//! **Why.** The reference cannot be parsed: upper case, `https://`, an empty variable (`repo:`).
//! **How kokpit knows.** The waiting reason.
//! **Looks alike.** `image-not-found` needs an answer of the registry; here nobody was asked.
//! **Mend it.** Git: the string in `containers[].image`.
//!
//! ## image-never-pull
//! **You see.** `ErrImageNeverPull`.
//! **Why.** `imagePullPolicy: Never` and the image is not on this node (or the pod may not use it).
//! **How kokpit knows.** The waiting reason.
//! **Looks alike.** `image-not-found`.
//! **Mend it.** Git: `imagePullPolicy`, or load the image on the nodes.
//!
//! ## image-disk-full
//! **You see.** `ErrImagePull` with `no space left on device`.
//! **Why.** The node's image file system is full.
//! **How kokpit knows.** The words of the error; the node's pressure conditions are looked at next.
//! **Looks alike.** `volume-full` (the application's own volume).
//! **Mend it.** Prune images, a bigger disk; see `node-disk-pressure`.
//!
//! ## image-manifest-unsupported
//! **You see.** `ErrImagePull` with `unexpected media type`.
//! **Why.** Something else than a registry answered (a proxy's or a login page), or the manifest's format is too old.
//! **How kokpit knows.** The words of the error.
//! **Looks alike.** `image-auth`.
//! **Mend it.** The registry's URL, the proxy, or push the image anew.

use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::finding::{Match, Suspect};
use crate::diagnose::git::template_field;
use crate::diagnose::kin;
use crate::diagnose::kinds::*;
use crate::diagnose::pods::{Container, containers, is_true};
use crate::diagnose::verdict::Confidence;
use crate::world::object::{ObjectRef, namespace, str_at};
use serde_json::Value;

pub mod secret;
pub mod slow;

causes! { "image.rs";
    "image-not-found" "the registry has no such image" Outage ["Pod"] pull_failed, id;
    "image-auth" "the registry refuses the pull without (other) credentials" Outage ["Pod"] pull_failed, id;
    "image-rate-limited" "the registry limits how often images are pulled" Outage ["Pod"] pull_failed, id;
    "image-registry-unreachable" "the node cannot reach the registry" Outage ["Pod"] pull_failed, id;
    "image-tls" "the node does not trust the registry" Degraded ["Pod"] pull_failed, id;
    "image-arch-mismatch" "the image was not built for the node's architecture" Outage ["Pod"] pull_failed, id;
    "image-invalid-name" "the image's name cannot be parsed" Outage ["Pod"] pull_failed, id;
    "image-never-pull" "the image is not on the node and may not be pulled" Degraded ["Pod"] pull_failed, id;
    "image-disk-full" "the node has no room for the image" Outage ["Pod"] pull_failed, id;
    "image-manifest-unsupported" "what the registry sent is not an image" Degraded ["Pod"] pull_failed, id;
}

/// Words of an error, the cause they speak for; first match wins.
const WORDS: &[(&str, &[&str])] = &[
    ("image-rate-limited", &["toomanyrequests", "429 too many requests", "pull rate limit"]),
    ("image-tls", &["x509:", "server gave http response to https client", "tls: "]),
    (
        "image-registry-unreachable",
        &[
            "no such host",
            "i/o timeout",
            "connection refused",
            "context deadline exceeded",
            "registryunavailable",
            "502 bad gateway",
            "503 service unavailable",
            "no route to host",
            "connection reset",
            "server misbehaving",
            "network is unreachable",
        ],
    ),
    ("image-arch-mismatch", &["no match for platform"]),
    ("image-disk-full", &["no space left on device"]),
    ("image-manifest-unsupported", &["unexpected media type", "schema 1", "unsupported manifest"]),
    (
        "image-auth",
        &[
            "pull access denied",
            "insufficient_scope",
            "401 unauthorized",
            "403 forbidden",
            "failed to fetch anonymous token",
            "failed to fetch oauth token",
            "no basic auth credentials",
            "authorization failed",
            "unauthorized:",
            "authentication required",
            "denied:",
        ],
    ),
    ("image-not-found", &["not found", "manifest unknown", "name_unknown", "manifest_unknown"]),
];

/// A container whose image could not be pulled.
struct Failed<'a> {
    container: Container<'a>,
    error: String,
    cause: &'static str,
}

/// The containers whose image does not come, with the class of their error.
fn failed<'a>(case: &Case<'a>, suspect: &Suspect<'a>) -> Fact<Vec<Failed<'a>>> {
    const REASONS: &[&str] = &[
        "ErrImagePull",
        "ImagePullBackOff",
        "RegistryUnavailable",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
    ];
    let mut all = Vec::new();
    for container in containers(suspect.object).into_iter().filter(|c| REASONS.contains(&c.waiting())) {
        let by_reason = match container.waiting() {
            "InvalidImageName" => Some("image-invalid-name"),
            "ErrImageNeverPull" => Some("image-never-pull"),
            "RegistryUnavailable" => Some("image-registry-unreachable"),
            _ => None,
        };
        let mut error = container.waiting_message().to_owned();
        let mut cause = by_reason.or_else(|| class_of(&error, container.image()));
        if cause.is_none() {
            let wanted = format!("Failed to pull image \"{}\"", container.image());
            let event = case.event_with(suspect.object, &["Failed"], &wanted)?;
            error = event.map_or(error, |e| e.message.to_owned());
            cause = class_of(&error, container.image());
        }
        if let Some(cause) = cause {
            all.push(Failed { container, error, cause });
        }
    }
    Ok(all)
}

/// The class of a pull error; the image's own name is no evidence.
fn class_of(error: &str, image: &str) -> Option<&'static str> {
    let text = error.replace(image, "").to_lowercase();
    WORDS.iter().find(|(_, words)| words.iter().any(|w| text.contains(w))).map(|(cause, _)| *cause)
}

/// The registry of an image reference (`docker.io` where none is named).
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains('.') || host.contains(':') || host == "localhost" => host,
        _ => "docker.io",
    }
}

/// The reference without tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(repo, _)| repo);
    match image.rsplit_once(':') {
        Some((repo, tag)) if !tag.contains('/') => repo,
        _ => image,
    }
}

fn pull_failed(case: &Case<'_>, suspect: &Suspect<'_>, id: &'static str) -> Fact<Vec<Match>> {
    let all = failed(case, suspect)?;
    let Some(one) = all.iter().find(|f| f.cause == id) else { return Ok(Vec::new()) };
    let image = one.container.image();
    let top = kin::top_owner(case, suspect.object)?;
    // The image is a field of the workload: it is at fault unless somebody asked about this very pod.
    let at = if suspect.asked { suspect.at.clone() } else { ObjectRef::of(top) };
    let node = str_at(suspect.object, "/spec/nodeName");
    let mut m = Match::on(&at, sentence(id, image, node, &one.container))
        .evidence(
            &suspect.at,
            "status.containerStatuses[].state.waiting.message",
            &one.error,
            format!("{}: {}", one.container.waiting(), one.error),
        )
        .evidence(&suspect.at, &format!("{}.image", one.container.path), image, format!("image {image} on node {node}"))
        .because_cause("image-pull-secret-missing");
    if id == "image-auth" {
        m = m.confidence(Confidence::Medium);
    }
    if matches!(id, "image-disk-full" | "image-registry-unreachable") && !node.is_empty() {
        m = m.because(NODES.at("", node));
    }
    m = where_it_runs(case, suspect, image, m)?;
    let field = template_field(top, &format!("{}.image", one.container.path));
    let (what, live) = cure(case, id, image, node, top)?;
    Ok(vec![m.fix(case.fix(top, &field, what, live)?)])
}

fn sentence(id: &str, image: &str, node: &str, container: &Container<'_>) -> String {
    let host = registry(image);
    match id {
        "image-not-found" => format!("Image {image} does not exist in {host}."),
        "image-auth" => format!("Registry {host} refuses to hand out {image} with these credentials."),
        "image-rate-limited" => format!("Registry {host} answers 429: too many pulls (toomanyrequests)."),
        "image-registry-unreachable" => format!("Node {node} cannot reach registry {host}."),
        "image-tls" => format!("Node {node} does not trust registry {host}."),
        "image-arch-mismatch" => format!("Image {image} has no variant for the architecture of node {node}."),
        "image-invalid-name" => format!("`{image}` of container {} is no valid image name.", container.name),
        "image-never-pull" => format!("Image {image} is not on node {node}, and imagePullPolicy is Never."),
        "image-disk-full" => format!("Node {node} has no room for image {image}."),
        _ => format!("What {host} sent for {image} is not an image."),
    }
}

/// The smallest change, and a live command where there is one.
fn cure(case: &Case<'_>, id: &str, image: &str, node: &str, top: &Value) -> Fact<(String, String)> {
    let undo = match id {
        "image-not-found" | "image-invalid-name" | "image-arch-mismatch" => kin::undo(case, top)?,
        _ => String::new(),
    };
    // Where no other node has the image either, keeping pods off this one helps nobody.
    let (mut elsewhere, mut cordon) = ("the registry, its DNS name and the way to it".to_owned(), String::new());
    if id == "image-registry-unreachable" && runs_elsewhere(case, top, image, node)? {
        elsewhere = format!("DNS, route or proxy of node {node}; cordon it until then");
        cordon = format!("kubectl cordon {node}");
    }
    Ok(match id {
        "image-not-found" | "image-invalid-name" => {
            (format!("name an image that exists instead of {image}, or push it"), undo)
        }
        "image-auth" => {
            ("give the pod (or its ServiceAccount) a pull secret that may read this repository".into(), String::new())
        }
        "image-rate-limited" => (format!("pull {image} with credentials or through a mirror"), String::new()),
        "image-registry-unreachable" => (format!("repair {elsewhere}"), cordon),
        "image-tls" => ("let the nodes trust the registry's certificate (certs.d)".into(), String::new()),
        "image-arch-mismatch" => ("build for this architecture, or select nodes of the image's".into(), undo),
        "image-never-pull" => ("set imagePullPolicy: IfNotPresent".into(), String::new()),
        "image-disk-full" => (format!("free the image file system of node {node}"), format!("kubectl cordon {node}")),
        _ => ("check what answers at the registry's address".into(), String::new()),
    })
}

fn runs_elsewhere(case: &Case<'_>, near: &Value, image: &str, node: &str) -> Fact<bool> {
    let pods = case.list(PODS, Some(namespace(near))).known()?.unwrap_or_default();
    Ok(pods.iter().any(|p| is_true(p, "Ready") && str_at(p, "/spec/nodeName") != node && uses(p, image)))
}

fn uses(pod: &Value, image: &str) -> bool {
    containers(pod).iter().any(|c| c.image() == image)
}

/// Evidence of the same image, or another tag of it, that runs.
fn where_it_runs(case: &Case<'_>, suspect: &Suspect<'_>, image: &str, mut m: Match) -> Fact<Match> {
    let pods = case.list(PODS, Some(namespace(suspect.object))).known()?.unwrap_or_default();
    let ready: Vec<&Value> = pods.iter().copied().filter(|p| is_true(p, "Ready")).collect();
    let mut nodes: Vec<&str> = ready.iter().filter(|p| uses(p, image)).map(|p| str_at(p, "/spec/nodeName")).collect();
    let running = nodes.len();
    nodes.sort_unstable();
    nodes.dedup();
    if running > 0 {
        let all = pods.iter().filter(|p| uses(p, image)).count();
        let text = format!("the same image runs on {} ({running} of {all} ready)", nodes.join(" "));
        m = m.evidence(&suspect.at, "", &nodes.join(" "), text);
    }
    let account = str_at(suspect.object, "/spec/serviceAccountName");
    let kin = |c: &Container<'_>| repository(c.image()) == repository(image) && c.image() != image;
    let sibling = ready.into_iter().find_map(|other| Some((other, containers(other).into_iter().find(kin)?)));
    let Some((other, c)) = sibling else { return Ok(m) };
    let same = ready_with(&pods, c.image());
    let account = match str_at(other, "/spec/serviceAccountName") == account {
        true => format!(", same ServiceAccount {account}"),
        false => String::new(),
    };
    let text = format!("{} runs ({same} pods{account})", c.image());
    Ok(m.evidence(&ObjectRef::of(other), &format!("{}.image", c.path), c.image(), text))
}

fn ready_with(pods: &[&Value], image: &str) -> usize {
    pods.iter().filter(|p| is_true(p, "Ready") && uses(p, image)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_one_class() {
        for (error, cause) in [
            ("failed to resolve reference \"r.io/a:1\": r.io/a:1: not found", Some("image-not-found")),
            ("dial tcp: lookup r.io on 10.0.0.2:53: no such host", Some("image-registry-unreachable")),
            ("pull access denied, repository does not exist or may require authorization", Some("image-auth")),
            ("unexpected status code http://x/manifests/1: 429 Too Many Requests", Some("image-rate-limited")),
            ("x509: certificate signed by unknown authority", Some("image-tls")),
            ("no match for platform in manifest: not found", Some("image-arch-mismatch")),
            ("something new", None),
        ] {
            assert_eq!(class_of(error, "r.io/a:1"), cause, "{error}");
        }
        assert_eq!(
            class_of("weird error for r.io/not found/a:1", "r.io/not found/a:1"),
            None,
            "the name is no evidence"
        );
    }

    #[test]
    fn references_are_taken_apart() {
        assert_eq!(registry("nginx:1"), "docker.io");
        assert_eq!(registry("team/app"), "docker.io");
        assert_eq!(registry("r.io:5000/team/app:1"), "r.io:5000");
        assert_eq!(repository("r.io:5000/team/app:1"), "r.io:5000/team/app");
        assert_eq!(repository("r.io:5000/team/app@sha256:00"), "r.io:5000/team/app");
    }
}
