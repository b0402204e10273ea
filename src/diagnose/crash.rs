//! Why a container died: exit-code arithmetic (causes B.1), then what the log of that run says.
//!
//! Read by the crash family of causes; each of its rows asks for the crashes of its own class.

use super::dependency::{self, Dependency};
use super::facts::{Case, Fact};
use super::pods::{Container, Ended, condition, containers, crash_log};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::text::clean_log_line;
use crate::world::time::{Time, human};
use serde_json::Value;

/// One container that keeps dying, classified.
#[derive(Clone, Debug)]
pub struct Crash {
    /// The container.
    pub container: String,
    /// Field path of its spec.
    pub path: String,
    /// Whether it is an init container.
    pub init: bool,
    /// The class: id of a cause.
    pub cause: &'static str,
    /// `terminated.reason`.
    pub reason: String,
    /// Exit code.
    pub code: i64,
    /// Length of the run in seconds.
    pub seconds: Option<i64>,
    /// End of the run.
    pub finished: Time,
    /// Restarts so far.
    pub restarts: i64,
    /// The line of the log that decided, empty where the exit code did.
    pub line: String,
    /// The end of the log of the run that died.
    pub log: Vec<String>,
    /// Whom it could not reach.
    pub dependency: Option<Dependency>,
    /// A heuristic decided (no reason, no event, no line).
    pub guess: bool,
}

impl Crash {
    /// How the last run ended: `exit 137 (SIGKILL) after about 40 s, 3 restarts`.
    pub fn end_in_words(&self) -> String {
        let run = self.seconds.map_or(String::new(), |s| format!(" after {}", about(s)));
        let s = if self.restarts == 1 { "" } else { "s" };
        format!("{}{run}, {} restart{s}", code_in_words(self.code), self.restarts)
    }
}

/// A run's length without false precision: `1 s`, `about 40 s`.
fn about(seconds: i64) -> String {
    match seconds {
        0..20 => format!("{seconds} s"),
        20..120 => format!("about {} s", (seconds + 2) / 5 * 5),
        _ => format!("about {}", human(seconds)),
    }
}

/// Every crashing container of a pod, classified; empty for pods that do not crash.
pub fn crashes(case: &Case<'_>, pod: &Value) -> Fact<Vec<Crash>> {
    let key = format!("{} {}", super::pods::path(pod), str_at(pod, "/metadata/uid"));
    Ok(case.memo(&key, || classify_all(case, pod))?.as_ref().clone())
}

fn classify_all(case: &Case<'_>, pod: &Value) -> Fact<Vec<Crash>> {
    let mut all = Vec::new();
    // Evicted: the containers were killed with the pod (look at the pod's reason before judging a 137).
    if !str_at(pod, "/status/reason").is_empty() {
        return Ok(all);
    }
    for container in containers(pod).iter().filter(|c| c.crashes(pod, case.now())) {
        let Some(ended) = container.ended() else { continue };
        if !ended_on_purpose(case, pod, container.name, &ended)? {
            all.push(classify(case, pod, container, &ended)?);
        }
    }
    Ok(all)
}

/// Whether a run was ended with the pod, or to start a changed container: neither is a crash, whatever its exit code.
fn ended_on_purpose(case: &Case<'_>, pod: &Value, container: &str, ended: &Ended<'_>) -> Fact<bool> {
    // The deletion's time stands at the end of its grace period.
    let grace = int_at(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or_default();
    let deleted = Time::parse(str_at(pod, "/metadata/deletionTimestamp")).map(|end| end.0 - grace);
    let disrupted = condition(pod, "DisruptionTarget")
        .filter(|c| str_at(c, "/status") == "True")
        .and_then(|c| Time::parse(str_at(c, "/lastTransitionTime")))
        .map(|since| since.0);
    // Clocks of node and API server may differ a little.
    if [deleted, disrupted].into_iter().flatten().any(|since| ended.finished.0 >= since - 5) {
        return Ok(true);
    }
    if !matches!(ended.code, 137 | 143) {
        return Ok(false);
    }
    let words = [format!("Stopping container {container}"), format!("ontainer {container} definition changed")];
    Ok(killing(case, pod, ended)?.iter().any(|message| words.iter().any(|w| message.contains(w))))
}

/// The kubelet's `Killing` events around the end of a run.
fn killing<'a>(case: &Case<'a>, pod: &Value, ended: &Ended<'_>) -> Fact<Vec<&'a str>> {
    let grace = int_at(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
    let near = |first: Time, last: Time| ended.finished.0 >= first.0 - 5 && ended.finished.0 <= last.0 + grace + 30;
    let events = case.events_of(pod)?;
    Ok(events.iter().filter(|e| e.reason == "Killing" && near(e.first, e.last)).map(|e| e.message).collect())
}

fn classify(case: &Case<'_>, pod: &Value, container: &Container<'_>, ended: &Ended<'_>) -> Fact<Crash> {
    let mut log: Vec<String> = match ended.reason {
        "StartError" | "ContainerCannotRun" => Vec::new(),
        _ => crash_log(case, pod, container, ended)?.iter().map(|l| without_time(l).to_owned()).collect(),
    };
    // What a container left as its last word outlives its log (`terminationMessagePolicy: FallbackToLogsOnError`).
    if !matches!(ended.reason, "StartError" | "ContainerCannotRun") {
        log.extend(ended.message.lines().map(clean_log_line).filter(|line| !log.contains(line)).collect::<Vec<_>>());
    }
    let mut crash = Crash {
        container: container.name.to_owned(),
        path: container.path.clone(),
        init: container.init,
        cause: "crash-app-error",
        reason: ended.reason.to_owned(),
        code: ended.code,
        seconds: ended.seconds(),
        finished: ended.finished,
        restarts: container.restarts(),
        line: String::new(),
        dependency: None,
        guess: false,
        log,
    };
    match by_code(case, pod, container, ended, &crash.log)? {
        Some((cause, guess)) => (crash.cause, crash.guess) = (cause, guess),
        None => by_log(case, pod, &mut crash)?,
    }
    if matches!(crash.cause, "kill-liveness" | "kill-startup") {
        crash.dependency = dependency::named_in(case, pod, &crash.log)?;
    }
    Ok(crash)
}

/// What reason, exit code and events decide alone: the cause, and whether it is a guess.
fn by_code(
    case: &Case<'_>,
    pod: &Value,
    container: &Container<'_>,
    ended: &Ended<'_>,
    log: &[String],
) -> Fact<Option<(&'static str, bool)>> {
    let sure = |cause| Ok(Some((cause, false)));
    match (ended.reason, ended.code) {
        ("OOMKilled", _) => return sure("crash-oom-container"),
        ("ContainerStatusUnknown", _) | ("Unknown", 255) => return sure("container-status-unknown"),
        // 128 alone is no sign of the runtime: programs end with it too (git does).
        ("StartError" | "ContainerCannotRun", _) => return sure("run-container-error"),
        _ => {}
    }
    if let Some(cause) = probe_kill(case, pod, container.name, ended)? {
        return sure(cause);
    }
    Ok(match ended.code {
        0 if !container.init => Some(("crash-exit-zero", false)),
        126 if !said_exec_format(log) => Some(("crash-not-executable", false)),
        127 => Some(("crash-command-not-found", false)),
        132..=136 | 139 => Some(("crash-segv", false)),
        143 => Some(("crash-sigterm", false)),
        137 if node_oom(case, pod, ended)? => Some(("oom-node-level", false)),
        137 if has_memory_limit(pod, container) && case.events_are_known(pod)? => Some(("crash-oom-container", true)),
        137 => Some(("crash-sigkill", true)),
        _ => None,
    })
}

/// The probe whose failure killed this run, by the kubelet's `Killing` event around its end.
fn probe_kill(case: &Case<'_>, pod: &Value, container: &str, ended: &Ended<'_>) -> Fact<Option<&'static str>> {
    for message in killing(case, pod, ended)? {
        for (words, cause) in [("failed liveness probe", "kill-liveness"), ("failed startup probe", "kill-startup")] {
            if message.contains(&format!("ontainer {container} {words}")) {
                return Ok(Some(cause));
            }
        }
    }
    Ok(None)
}

/// A script without `#!`, or a program of another architecture, comes back from a shell as 126.
fn said_exec_format(log: &[String]) -> bool {
    log.iter().any(|line| line.to_lowercase().contains(EXEC_FORMAT))
}

/// Whether memory is limited: of the container, or of the whole pod (pod-level resources, beta since 1.34).
fn has_memory_limit(pod: &Value, container: &Container<'_>) -> bool {
    let pointer = "/resources/limits/memory";
    !str_at(container.spec, pointer).is_empty() || !str_at(pod, &format!("/spec{pointer}")).is_empty()
}

/// Whether the pod's node ran out of memory around the end of this run.
fn node_oom(case: &Case<'_>, pod: &Value, ended: &Ended<'_>) -> Fact<bool> {
    let node = super::kinds::NODES.at("", str_at(pod, "/spec/nodeName"));
    let events = case.events(&node, "")?;
    Ok(events.iter().any(|e| e.reason == "SystemOOM" && (e.last.0 - ended.finished.0).abs() < 60))
}

const EXEC_FORMAT: &str = "exec format error";

/// Words of a host that answered, and refused who asked: it is reachable, the credentials are wrong.
const REFUSED: &[&str] = &["password authentication failed", "access denied for user", "authentication failed"];

/// Words of a log, and the class they speak for; first match wins, newest line first.
const WORDS: &[(&str, &[&str])] = &[
    ("volume-full", &["no space left on device", "enospc", "could not extend file", "disk quota exceeded"]),
    ("crash-exec-format", &[EXEC_FORMAT]),
    ("crash-readonly-fs", &["read-only file system", "erofs"]),
    ("crash-port-in-use", &["address already in use", "eaddrinuse"]),
    ("crash-permission-denied", &["permission denied", "eacces", "operation not permitted"]),
];

/// Words of a configuration that is missing or wrong.
const CONFIG_WORDS: &[&str] = &[
    "missing env",
    "missing required",
    "environment variable",
    "env var",
    "unknown flag",
    "flag provided but not defined",
    "invalid configuration",
    "invalid config",
    "unrecognized option",
    "unknown option",
    "unrecognized argument",
    "is not set",
    "must be set",
    "required variable",
    "could not parse config",
    "failed to parse config",
    "error parsing",
    "yaml: ",
    "missing configuration",
    "no such option",
    "unknown command",
    "config error",
    "invalid value",
];

fn by_log(case: &Case<'_>, pod: &Value, crash: &mut Crash) -> Fact<()> {
    let lines = crash.log.clone();
    let says = |line: &str, words: &[&str]| words.iter().any(|w| line.to_lowercase().contains(w));
    if let Some(line) = lines.iter().rev().find(|l| says(l, REFUSED)) {
        crash.line = line.clone();
        return Ok(());
    }
    for line in lines.iter().rev() {
        if let Some((cause, _)) = WORDS.iter().find(|(_, words)| says(line, words)) {
            (crash.cause, crash.line) = (cause, line.clone());
            return Ok(());
        }
    }
    if crash.init && has_empty_dir(pod) {
        const DIRTY: &[&str] = &["file exists", "already exists", "is not empty", "not an empty directory"];
        if let Some(line) = lines.iter().rev().find(|l| says(l, DIRTY)) {
            (crash.cause, crash.line) = ("crash-dirty-emptydir", line.clone());
            return Ok(());
        }
    }
    if let Some(dependency) = dependency::named_in(case, pod, &lines)? {
        (crash.cause, crash.line) = ("crash-missing-dependency", dependency.line.clone());
        crash.dependency = Some(dependency);
        return Ok(());
    }
    if let Some(line) = lines.iter().rev().find(|l| says(l, CONFIG_WORDS)) {
        (crash.cause, crash.line) = ("crash-bad-config", line.clone());
        return Ok(());
    }
    const ERRORS: &[&str] = &["panic", "fatal", "exception", "error", "traceback", "failed"];
    let worst = lines.iter().rev().find(|l| says(l, ERRORS));
    crash.line = worst.or(lines.last()).cloned().unwrap_or_default();
    Ok(())
}

fn has_empty_dir(pod: &Value) -> bool {
    list_at(pod, "/spec/volumes").iter().any(|v| v.get("emptyDir").is_some())
}

/// A log line without the timestamp that `timestamps=true` puts in front.
pub fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((first, rest)) if first.len() >= 20 && first.ends_with('Z') && Time::parse(first).is_some() => rest,
        _ => line,
    }
}

/// What a class means, for the sentence: `exit 137`, `exit 139 (SIGSEGV)`.
pub fn code_in_words(code: i64) -> String {
    let signal = match code {
        130 => "SIGINT",
        132 => "SIGILL",
        133 => "SIGTRAP",
        134 => "SIGABRT",
        135 => "SIGBUS",
        136 => "SIGFPE",
        137 => "SIGKILL",
        139 => "SIGSEGV",
        143 => "SIGTERM",
        _ => return format!("exit {code}"),
    };
    format!("exit {code} ({signal})")
}
