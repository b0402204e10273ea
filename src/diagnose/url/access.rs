//! What the controller's log says of one backend: ingress-nginx' error and access lines, Envoy's access lines.
//!
//! Only asked for when every hop works, for then only the log can tell. Log text is a stranger's: a line is believed as
//! far as it names the host, the backend's name in ingress-nginx, or an address of one of its pods.
//!
//! Formats: ingress-nginx `docs/user-guide/nginx-configuration/log-format.md`; Envoy's default text format and the JSON
//! of Envoy Gateway, whose `response_flags` are those of Envoy's access log documentation.

use super::flavor::Flavor;
use super::{Arrival, policy};
use crate::diagnose::facts::{Case, Fact, Knowable};
use crate::diagnose::pods::{containers, log_lines};
use crate::world::object::{ObjectRef, name, namespace, str_at};
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Controller pods whose log is read.
const MOST_PODS: usize = 2;

/// What a line says happened between controller and application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The application took too long to answer.
    Slow,
    /// The application could not be connected to in time.
    Unreachable,
    /// The application hung up.
    Reset,
    /// The application spoke something that is no HTTP, or TLS where none was meant.
    Garbled,
    /// The controller refused the request: too many.
    Limited,
    /// The application answered with a 5xx of its own.
    Failed(u16),
    /// The controller could not load its new configuration.
    NotReloaded,
}

/// A line with what it says.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it says.
    pub said: Said,
    /// The line.
    pub line: String,
    /// The controller pod that wrote it.
    pub pod: ObjectRef,
}

/// What the log of the controller says of what a URL arrives at; empty while a hop is broken.
pub fn heard(case: &Case<'_>, arrival: &Arrival<'_>, host: &str) -> Fact<Vec<Heard>> {
    if arrival.ready.is_empty() || !works(case, arrival)? {
        return Ok(Vec::new());
    }
    let mine = marks(arrival, host);
    let mut all = Vec::new();
    for pod in arrival.control.ready.iter().take(MOST_PODS) {
        let container = containers(pod).into_iter().find(|c| !c.init && speaks(c.name)).map(|c| c.name);
        let first = containers(pod).into_iter().find(|c| !c.init).map(|c| c.name);
        let Some(container) = container.or(first) else { continue };
        let log = case.log(pod, container, false).known()?.unwrap_or_default();
        all.extend(log_lines(log).into_iter().filter_map(|line| {
            let said = read(arrival.rule.flavor, &line, &mine)?;
            Some(Heard { said, line, pod: ObjectRef::of(pod) })
        }));
    }
    Ok(all)
}

/// Whether the endpoints are usable and no policy stands in the way.
fn works(case: &Case<'_>, arrival: &Arrival<'_>) -> Fact<bool> {
    if super::usable(case, arrival.rule.flavor, &arrival.rule.backend)? == 0 {
        return Ok(false);
    }
    let (Some(to), Some(port)) = (arrival.ready.first(), arrival.target()) else { return Ok(false) };
    for flow in policy::flows(arrival.rule.flavor, &arrival.control.ready, to, port).iter().take(1) {
        if policy::refused(case, flow)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Containers that log requests.
fn speaks(container: &str) -> bool {
    matches!(container, "controller" | "envoy" | "istio-proxy" | "cilium-envoy")
}

/// Texts of which a line must hold one to be about this backend.
fn marks(arrival: &Arrival<'_>, host: &str) -> Vec<String> {
    let rule = &arrival.rule;
    let mut marks = vec![
        format!("host: \"{host}\""),
        format!("\"{host}\""),
        format!("[{}-{}-{}]", namespace(arrival.service), name(arrival.service), rule.backend.port),
    ];
    if let Some(port) = arrival.target() {
        marks.extend(arrival.pods.iter().map(|pod| format!("{}:{port}", str_at(pod, "/status/podIP"))));
    }
    marks.retain(|m| m != "\"\"" && !m.starts_with(':'));
    marks
}

/// What a line says, if it is about this backend.
fn read(flavor: Flavor, line: &str, mine: &[String]) -> Option<Said> {
    if flavor == Flavor::Nginx
        && ["Unexpected failure reloading the backend", "[emerg]"].iter().any(|t| line.contains(t))
    {
        return Some(Said::NotReloaded);
    }
    if !mine.iter().any(|mark| line.contains(mark.as_str())) {
        return None;
    }
    match flavor {
        Flavor::Nginx => nginx_error(line).or_else(|| nginx_access(line)),
        Flavor::NginxInc => nginx_error(line),
        Flavor::EnvoyGateway | Flavor::Contour | Flavor::Istio | Flavor::Cilium => envoy(line),
        _ => None,
    }
}

/// nginx' own words of its proxy, limit_req and limit_conn modules.
fn nginx_error(line: &str) -> Option<Said> {
    const WORDS: &[(&[&str], Said)] = &[
        (&["upstream timed out", "while connecting"], Said::Unreachable),
        (&["upstream timed out"], Said::Slow),
        (&["upstream prematurely closed connection"], Said::Reset),
        (&["Connection reset by peer", "upstream"], Said::Reset),
        (&["upstream sent no valid HTTP"], Said::Garbled),
        (&["upstream sent invalid header"], Said::Garbled),
        (&["SSL_do_handshake() failed", "upstream"], Said::Garbled),
        (&["limiting requests, excess"], Said::Limited),
        (&["limiting connections by zone"], Said::Limited),
    ];
    if !line.contains("[error]") && !line.contains("[warn]") {
        return None;
    }
    WORDS.iter().find(|(words, _)| words.iter().all(|w| line.contains(w))).map(|(_, said)| *said)
}

/// `… "GET / HTTP/1.1" 502 150 "-" "curl" 80 0.1 [shop-web-80] [] 10.0.0.5:8080 150 0.1 502 <id>`: the application's own
/// status stands last but one, `-` where it was never asked.
fn nginx_access(line: &str) -> Option<Said> {
    let words: Vec<&str> = line.rsplit_once('"')?.1.split_whitespace().collect();
    let upstream: u16 = words.get(words.len().checked_sub(2)?)?.parse().ok()?;
    // 502 and 504 are what nginx notes where the application gave no answer at all.
    (upstream >= 500 && !matches!(upstream, 502 | 504)).then_some(Said::Failed(upstream))
}

/// Envoy's access line: JSON with `response_code` and `response_flags`, or the default text.
fn envoy(line: &str) -> Option<Said> {
    static TEXT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"" (\d{3}) ([A-Z,]+|-) "#).ok());
    let (code, flags) = match serde_json::from_str::<Value>(line) {
        Ok(json) => {
            let code = json.get("response_code").map(|c| c.to_string().replace('"', ""))?;
            (code.parse().ok()?, str_at(&json, "/response_flags").to_owned())
        }
        Err(_) => {
            let found = TEXT.as_ref()?.captures(line)?;
            (found.get(1)?.as_str().parse().ok()?, found.get(2)?.as_str().to_owned())
        }
    };
    of_flags(code, &flags)
}

fn of_flags(code: u16, flags: &str) -> Option<Said> {
    let has = |flag: &str| flags.split(',').any(|f| f == flag);
    match () {
        () if has("UT") => Some(Said::Slow),
        () if has("UC") || has("UR") => Some(Said::Reset),
        () if has("UPE") => Some(Said::Garbled),
        () if has("RL") => Some(Said::Limited),
        () if matches!(flags, "-" | "") && code >= 500 => Some(Said::Failed(code)),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_lines_are_read() {
        let mine = ["host: \"shop.example.com\"".to_owned(), "[shop-web-80]".to_owned()];
        let read = |line: &str| read(Flavor::Nginx, line, &mine);
        let error = |words: &str| {
            format!("2026/03/01 11:59:00 [error] 31#31: *7 {words}, server: x, host: \"shop.example.com\"")
        };
        assert_eq!(
            read(&error("upstream timed out (110: Operation timed out) while reading response header from upstream")),
            Some(Said::Slow)
        );
        assert_eq!(
            read(&error("upstream timed out (110: Operation timed out) while connecting to upstream")),
            Some(Said::Unreachable)
        );
        assert_eq!(
            read(&error("upstream prematurely closed connection while reading response header from upstream")),
            Some(Said::Reset)
        );
        assert_eq!(read(&error("limiting requests, excess: 5.960 by zone \"x\"")), Some(Said::Limited));
        let access = |status: &str| {
            format!(
                "10.0.0.1 - - [01/Mar/2026:11:59:00 +0000] \"GET / HTTP/1.1\" 500 12 \"-\" \"curl\" 80 0.1 [shop-web-80] [] 10.0.0.5:8080 12 0.1 {status} 4f1c"
            )
        };
        assert_eq!(read(&access("500")), Some(Said::Failed(500)));
        assert_eq!((read(&access("200")), read(&access("-")), read(&access("502"))), (None, None, None));
        assert_eq!(read(&error("upstream timed out").replace("shop.", "other.")), None, "another host");
    }

    #[test]
    fn envoys_lines_are_read() {
        let mine = ["\"shop.example.com\"".to_owned()];
        let read = |line: &str| read(Flavor::EnvoyGateway, line, &mine);
        let json = |code: u16, flags: &str| {
            format!("{{\":authority\":\"shop.example.com\",\"response_code\":{code},\"response_flags\":\"{flags}\"}}")
        };
        assert_eq!(read(&json(504, "UT")), Some(Said::Slow));
        assert_eq!(read(&json(503, "UC")), Some(Said::Reset));
        assert_eq!(read(&json(500, "-")), Some(Said::Failed(500)));
        assert_eq!(read(&json(200, "-")), None);
        let text = "[2026-03-01T11:59:00Z] \"GET / HTTP/1.1\" 503 UC 0 95 1 - \"-\" \"curl\" \"id\" \"shop.example.com\" \"10.0.0.5:8080\"";
        assert_eq!(read(text), Some(Said::Reset));
    }
}
