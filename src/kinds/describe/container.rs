//! The containers of a pod or of a pod template: what they run, how they stand, what they are given.

use super::page::Page;
use super::{Mark, scalar, yes};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

/// Init, ordinary and ephemeral containers of a pod spec; `status` is the pod's, `None` for a template.
pub fn all(page: &mut Page, spec: &Value, status: Option<&Value>) {
    for (title, containers, statuses) in [
        ("Init containers", "/initContainers", "/initContainerStatuses"),
        ("Containers", "/containers", "/containerStatuses"),
        ("Ephemeral containers", "/ephemeralContainers", "/ephemeralContainerStatuses"),
    ] {
        let list = list_at(spec, containers);
        if list.is_empty() {
            continue;
        }
        page.section(title);
        for container in list {
            let name = str_at(container, "/name");
            let found = status.and_then(|s| list_at(s, statuses).iter().find(|s| str_at(s, "/name") == name));
            page.nested(Mark::Heading, name, |page| one(page, container, found));
        }
    }
}

fn one(page: &mut Page, container: &Value, status: Option<&Value>) {
    if let Some(status) = status {
        state(page, "State", status.pointer("/state"));
        if status.pointer("/lastState").is_some_and(|last| last.as_object().is_some_and(|l| !l.is_empty())) {
            state(page, "Last state", status.pointer("/lastState"));
        }
        page.field("Ready", yes(status, "/ready"));
        let restarts = int_at(status, "/restartCount").unwrap_or(0);
        page.marked(if restarts > 0 { Mark::Warn } else { Mark::Plain }, "Restarts", restarts.to_string());
    }
    page.at("Image", container, "/image");
    page.some("Image ID", status.map(|s| str_at(s, "/imageID")).unwrap_or_default());
    page.at("Restart policy", container, "/restartPolicy");
    page.list("Ports", list_at(container, "/ports").iter().map(port), "");
    page.some("Command", joined_words(container, "/command"));
    page.some("Args", joined_words(container, "/args"));
    amounts(page, "Requests", container.pointer("/resources/requests"));
    amounts(page, "Limits", container.pointer("/resources/limits"));
    for (label, pointer) in
        [("Liveness", "/livenessProbe"), ("Readiness", "/readinessProbe"), ("Startup", "/startupProbe")]
    {
        page.some(label, container.pointer(pointer).map(probe).unwrap_or_default());
    }
    page.list("Environment from", list_at(container, "/envFrom").iter().map(env_from), "");
    page.list("Environment", list_at(container, "/env").iter().map(env), "");
    page.list("Mounts", list_at(container, "/volumeMounts").iter().map(mount), "");
    page.list("Devices", list_at(container, "/volumeDevices").iter().map(device), "");
}

/// `Running since 3m`, `Waiting: CrashLoopBackOff`, `Terminated: Error, exit code 1, 2m ago after 4s`.
fn state(page: &mut Page, label: &str, state: Option<&Value>) {
    let Some((kind, detail)) = state.and_then(Value::as_object).and_then(|map| map.iter().next()) else {
        page.field(label, "unknown");
        return;
    };
    let reason = str_at(detail, "/reason");
    let time = |pointer: &str| Time::parse(str_at(detail, pointer));
    let (mark, text) = match kind.as_str() {
        "running" => {
            let since = time("/startedAt").map_or(String::new(), |at| format!(" since {}", human(at.age(page.now()))));
            (Mark::Plain, format!("Running{since}"))
        }
        "waiting" => {
            let quiet = matches!(reason, "ContainerCreating" | "PodInitializing" | "");
            (if quiet { Mark::Warn } else { Mark::Bad }, with("Waiting", reason))
        }
        "terminated" => terminated(detail, reason, time("/startedAt"), time("/finishedAt"), page.now()),
        other => (Mark::Plain, other.to_string()),
    };
    page.marked(mark, label, text);
    page.some("", str_at(detail, "/message").trim_end());
}

fn terminated(
    detail: &Value,
    reason: &str,
    started: Option<Time>,
    finished: Option<Time>,
    now: Time,
) -> (Mark, String) {
    let code = int_at(detail, "/exitCode").unwrap_or(0);
    let mut text = format!("{}, exit code {code}", with("Terminated", reason));
    if let Some(signal) = int_at(detail, "/signal").filter(|signal| *signal != 0) {
        text.push_str(&format!(", signal {signal}"));
    }
    if let Some(finished) = finished.filter(|time| time.0 > 0) {
        text.push_str(&format!(", {} ago", human(finished.age(now))));
        if let Some(started) = started.filter(|time| time.0 > 0) {
            text.push_str(&format!(" after {}", human(started.age(finished))));
        }
    }
    (if code == 0 { Mark::Plain } else { Mark::Bad }, text)
}

fn with(word: &str, reason: &str) -> String {
    if reason.is_empty() { word.into() } else { format!("{word}: {reason}") }
}

/// `http 8080/TCP`, with the host port where there is one.
fn port(port: &Value) -> String {
    let name = str_at(port, "/name");
    let number = int_at(port, "/containerPort").unwrap_or_default();
    let protocol = str_at(port, "/protocol");
    let host = int_at(port, "/hostPort").map_or(String::new(), |host| format!(" on host port {host}"));
    let protocol = if protocol.is_empty() { "TCP" } else { protocol };
    format!("{number}/{protocol}{}{host}", if name.is_empty() { String::new() } else { format!(" ({name})") })
}

/// Words as a shell would need them, so that an empty or spaced argument can be told apart.
fn joined_words(container: &Value, pointer: &str) -> String {
    let words = list_at(container, pointer).iter().map(|word| {
        let word = scalar(word);
        if word.is_empty() || word.contains([' ', '"']) && !word.contains('\n') { format!("{word:?}") } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `cpu 250m, memory 1Gi`
fn amounts(page: &mut Page, label: &str, map: Option<&Value>) {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    let texts: Vec<String> = entries.map(|(name, amount)| format!("{name} {}", scalar(amount))).collect();
    page.some(label, texts.join(", "));
}

/// What a probe does and its times, with the defaults of the API (`pkg/apis/core/v1/defaults.go`).
fn probe(probe: &Value) -> String {
    let port = |pointer: &str| probe.pointer(pointer).map(scalar).unwrap_or_default();
    let what = if probe.get("httpGet").is_some() {
        let scheme = str_at(probe, "/httpGet/scheme").to_lowercase();
        let scheme = if scheme.is_empty() { "http".into() } else { scheme };
        let path = str_at(probe, "/httpGet/path");
        format!("{scheme}://{}:{}{path}", str_at(probe, "/httpGet/host"), port("/httpGet/port"))
    } else if probe.get("tcpSocket").is_some() {
        format!("tcp {}:{}", str_at(probe, "/tcpSocket/host"), port("/tcpSocket/port"))
    } else if probe.get("grpc").is_some() {
        format!("grpc :{} {}", port("/grpc/port"), str_at(probe, "/grpc/service"))
    } else {
        format!("exec [{}]", joined_words(probe, "/exec/command"))
    };
    let n = |pointer: &str, default: i64| int_at(probe, pointer).unwrap_or(default);
    format!(
        "{} delay {}s, timeout {}s, every {}s, {} to succeed, {} to fail",
        what.trim_end(),
        n("/initialDelaySeconds", 0),
        n("/timeoutSeconds", 1),
        n("/periodSeconds", 10),
        n("/successThreshold", 1),
        n("/failureThreshold", 3)
    )
}

fn optional(source: &Value) -> &'static str {
    if bool_at(source, "/optional") { " (optional)" } else { "" }
}

/// One environment variable. A value from a Secret is named, never shown: the object holds only the reference.
fn env(variable: &Value) -> String {
    let name = str_at(variable, "/name");
    let Some(from) = variable.get("valueFrom") else {
        return format!("{name}={}", str_at(variable, "/value").replace('\n', "\\n"));
    };
    let key = |kind: &str, source: &Value| {
        format!("<key {} of {kind} {}{}>", str_at(source, "/key"), str_at(source, "/name"), optional(source))
    };
    let source = match from.as_object().and_then(|map| map.iter().next()) {
        Some((kind, source)) => match kind.as_str() {
            "secretKeyRef" => key("secret", source),
            "configMapKeyRef" => key("configmap", source),
            "fieldRef" => format!("<field {}>", str_at(source, "/fieldPath")),
            "resourceFieldRef" => {
                format!("<resource {} {}>", str_at(source, "/containerName"), str_at(source, "/resource"))
            }
            other => format!("<{other} {source}>"),
        },
        None => "<nothing>".into(),
    };
    format!("{name}={source}")
}

fn env_from(source: &Value) -> String {
    let prefix = match str_at(source, "/prefix") {
        "" => String::new(),
        prefix => format!(", each name with the prefix {prefix}"),
    };
    let named = |kind: &str, from: &Value| format!("{kind} {}{}{prefix}", str_at(from, "/name"), optional(from));
    match (source.get("secretRef"), source.get("configMapRef")) {
        (Some(from), _) => named("secret", from),
        (None, Some(from)) => named("configmap", from),
        (None, None) => source.to_string(),
    }
}

/// `/etc/conf from conf (read-only, path a/b)`
fn mount(mount: &Value) -> String {
    let mut notes = Vec::new();
    if bool_at(mount, "/readOnly") {
        notes.push("read-only".to_string());
    }
    for pointer in ["/subPath", "/subPathExpr"] {
        match str_at(mount, pointer) {
            "" => {}
            path => notes.push(format!("path {path}")),
        }
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("{} from {}{notes}", str_at(mount, "/mountPath"), str_at(mount, "/name"))
}

fn device(device: &Value) -> String {
    format!("{} from {}", str_at(device, "/devicePath"), str_at(device, "/name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_named_not_shown() {
        let from =
            json!({"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password", "optional": true}}});
        assert_eq!(env(&from), "PW=<key password of secret db (optional)>");
        assert_eq!(env(&json!({"name": "A", "value": "b"})), "A=b");
    }

    #[test]
    fn probes_have_the_defaults_of_the_api() {
        assert_eq!(
            probe(&json!({"httpGet": {"path": "/ok", "port": "web"}, "periodSeconds": 5})),
            "http://:web/ok delay 0s, timeout 1s, every 5s, 1 to succeed, 3 to fail"
        );
    }

    #[test]
    fn words_can_be_told_apart() {
        assert_eq!(joined_words(&json!({"args": ["-c", "a b", ""]}), "/args"), "-c \"a b\" \"\"");
    }
}
