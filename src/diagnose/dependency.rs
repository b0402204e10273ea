//! What a log says an application waits for: host and port, and the Service behind them.

use super::facts::{Case, Fact};
use super::finding::Lead;
use super::kinds::SERVICES;
use crate::world::object::{namespace, str_at};
use serde_json::Value;

/// Something an application needs and did not get.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    /// Host as the log has it.
    pub host: String,
    /// Port, empty where the log names none.
    pub port: String,
    /// The log line.
    pub line: String,
    /// The Service in the cluster, whether it exists, if the name can mean one.
    pub service: Option<(Lead, bool)>,
}

/// Words in which programs complain about somebody they cannot reach.
const COMPLAINTS: &[&str] = &[
    "connection refused",
    "econnrefused",
    "no such host",
    "i/o timeout",
    "etimedout",
    "connection timed out",
    "enotfound",
    "eai_again",
    "name or service not known",
    "temporary failure in name resolution",
    "could not translate host name",
    "could not connect",
    "cannot connect",
    "can't connect",
    "failed to connect",
    "unable to connect",
    "dial tcp",
    "waiting for ",
    "no route to host",
    "host is unreachable",
    "bad address",
    "unreachable",
];

/// The newest line that complains about a host, and what that host is.
pub fn named_in(case: &Case<'_>, pod: &Value, lines: &[String]) -> Fact<Option<Dependency>> {
    for line in lines.iter().rev() {
        let lower = line.to_lowercase();
        if !COMPLAINTS.iter().any(|words| lower.contains(words)) {
            continue;
        }
        for (host, port) in hosts(line) {
            if let Some(service) = service_of(case, namespace(pod), &host, &port)? {
                return Ok(Some(Dependency { host, port, line: line.clone(), service: Some(service) }));
            }
        }
        if let Some((host, port)) = hosts(line).into_iter().next() {
            return Ok(Some(Dependency { host, port, line: line.clone(), service: None }));
        }
    }
    Ok(None)
}

/// Every `host:port` of a line, and the name after `lookup `, `host `, `waiting for `.
pub fn hosts(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || "\"'`()[]{},;=<>@".contains(c)).filter(|w| !w.is_empty()).collect();
    for (n, word) in words.iter().enumerate() {
        let word = word.rsplit_once("://").map_or(*word, |(_, rest)| rest);
        let authority = word.split('/').next().unwrap_or_default().trim_end_matches(['.', ':']);
        let after = n.checked_sub(1).and_then(|p| words.get(p)).map_or("", |w| *w).to_lowercase();
        match authority.rsplit_once(':') {
            Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok() => {
                found.push((host.to_owned(), port.to_owned()));
            }
            None if matches!(after.as_str(), "lookup" | "host" | "address" | "for" | "getaddrinfo" | "enotfound")
                && is_host(authority) =>
            {
                found.push((authority.to_owned(), String::new()));
            }
            _ => {}
        }
    }
    found
}

fn is_host(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    // A time of day (`09:18:39`) looks like host and port; a host begins with a letter or is an IPv4 address.
    let address = text.split('.').count() == 4 && text.split('.').all(|p| p.parse::<u8>().is_ok());
    text.split('.').all(label) && (address || text.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// The Service a host means to a pod of this namespace, and whether it exists. A single label that is no Service
/// may mean anything; `x.ns` and `x.ns.svc…` can only mean a Service when the namespace exists.
fn service_of(case: &Case<'_>, ns: &str, host: &str, port: &str) -> Fact<Option<(Lead, bool)>> {
    let labels: Vec<&str> = host.split('.').collect();
    if host.parse::<std::net::IpAddr>().is_ok() {
        let all = case.list(SERVICES, None)?;
        let hit = all.into_iter().find(|s| str_at(s, "/spec/clusterIP") == host);
        return Ok(hit.map(|s| (Lead::to_port(crate::world::object::ObjectRef::of(s), port), true)));
    }
    // A headless Service gives its pods names: pod.service.ns.svc.
    let svc = labels.iter().position(|l| *l == "svc");
    let (name, ns, sure) = match (labels.as_slice(), svc) {
        ([name], _) => (*name, ns, false),
        (all, Some(at)) if at >= 2 => (all[at - 2], all[at - 1], true),
        ([name, ns], _) => (*name, *ns, false),
        _ => return Ok(None),
    };
    let at = SERVICES.at(ns, name);
    let exists = case.get(&at)?.is_some();
    Ok((exists || sure).then(|| (Lead::to_port(at, port), exists)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_complaints() {
        let first = |line: &str| hosts(line).into_iter().next().map(|(h, p)| format!("{h}:{p}"));
        assert_eq!(first("dial tcp: lookup db.shop on 10.0.0.10:53: no such host").as_deref(), Some("db.shop:"));
        assert_eq!(first("waiting for postgres:5432").as_deref(), Some("postgres:5432"));
        assert_eq!(
            first("2026-11-21 09:13:19 SELECT 1: dial tcp db.shop.svc.cluster.local:5432: i/o timeout").as_deref(),
            Some("db.shop.svc.cluster.local:5432")
        );
        assert_eq!(first("connect ECONNREFUSED 10.96.0.7:6379").as_deref(), Some("10.96.0.7:6379"));
        assert_eq!(first("postgres://shop@pg:5432/shop refused").as_deref(), Some("pg:5432"));
        assert_eq!(first("at 09:18:39 nothing happened"), None);
    }
}
