//! `aliases.yaml`: a word for a kind or a whole command.

use super::{Found, Source};
use crate::config;

/// Screens of k9s that kokpit does not have.
const FOREIGN: &[&str] = &[
    "pulses",
    "pulse",
    "pu",
    "hz",
    "popeye",
    "pop",
    "dir",
    "dirs",
    "d",
    "ls",
    "helm",
    "charts",
    "chart",
    "hm",
    "workloads",
    "workload",
    "wk",
    "screendumps",
    "screendump",
    "sd",
    "benchmarks",
    "benchmark",
    "bench",
    "be",
    "vulnerabilities",
    "vul",
    "scans",
    "users",
    "usr",
    "groups",
    "grp",
    "policy",
    "pol",
    "dump",
];

pub fn read(source: &Source, found: &mut Found) {
    for (name, value) in source.entries("aliases") {
        let line = value.as_str().ok_or_else(|| "its command is no text".to_string()).and_then(command);
        match line.and_then(|line| check(&name, &line).map(|()| line)) {
            Ok(line) => found.aliases.push((name, line)),
            Err(why) => found.left.push(source.left(&name, &why)),
        }
    }
}

/// What the reader of config.toml says to it.
fn check(name: &str, line: &str) -> Result<(), String> {
    let text = format!("[aliases]\n{} = {}\n", super::merge::key(name), super::merge::quoted(line));
    config::parse("config.toml", &text).problems.first().map_or(Ok(()), |problem| Err(problem.text.clone()))
}

/// A command of k9s as the `:` line takes it.
pub fn command(line: &str) -> Result<String, String> {
    let line = line.trim().trim_start_matches(':').trim();
    if line.contains('$') {
        return Err("its command has a variable, which only plugins know here".into());
    }
    let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
    if head.is_empty() {
        return Err("it has no command".into());
    }
    if FOREIGN.contains(&head.to_lowercase().as_str()) {
        return Err(format!("kokpit has no screen {head}"));
    }
    let head = kind(head).unwrap_or_else(|| head.into());
    Ok(format!("{head} {}", rest.trim()).trim().to_string())
}

/// `v1/pods` and `apps/v1/deployments` as kokpit writes kinds.
pub fn kind(gvr: &str) -> Option<String> {
    let parts: Vec<&str> = gvr.split('/').collect();
    let is_version = |part: &str| part.starts_with('v') && part[1..].starts_with(|c: char| c.is_ascii_digit());
    match parts.as_slice() {
        [version, plural] if is_version(version) => Some((*plural).into()),
        [group, version, plural] if is_version(version) => Some(format!("{plural}.{group}")),
        _ => None,
    }
}
