//! What a container does, read from its own spec: there is no process, so its command is taken at its word.
//!
//! * `exit N` in command or args: it ends with that code; `sleep N` before it says when (1 s otherwise);
//! * under `restartPolicy` `Never` or `OnFailure` a container without `exit` ends with 0 after its sleeps (2 s otherwise);
//! * the annotation [`WORKING_SET`] says what memory it needs: with a smaller limit it is killed, 137, `OOMKilled`;
//! * a readiness or liveness probe on a port that no container declares is refused the connection;
//! * `echo` prints lines.

use crate::sim::controllers::meta::annotation;
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::quantity::Quantity;
use serde_json::Value;

/// What the process needs of memory, as a quantity. With `.<container>` appended it is meant for that container.
pub const WORKING_SET: &str = "sim.kokpit.dev/working-set";

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Seconds after its start.
    pub after: i64,
    /// Exit code.
    pub code: i64,
    /// `Error`, `Completed` or `OOMKilled`.
    pub reason: &'static str,
}

/// Command and arguments as one text.
pub fn script(container: &Value) -> String {
    let words = list_at(container, "/command").iter().chain(list_at(container, "/args"));
    words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// How and when a run of the container ends; `None` for one that runs on. `main` is false for init containers.
pub fn end(pod: &Value, container: &Value, main: bool) -> Option<End> {
    if out_of_memory(pod, container) {
        return Some(End { after: 4, code: 137, reason: "OOMKilled" });
    }
    let script = script(container);
    let slept = numbers_after(&script, "sleep").sum::<i64>();
    // A shell that waits to be typed at.
    if script.contains("sleep infinity") || (bool_at(container, "/stdin") && bool_at(container, "/tty")) {
        return None;
    }
    if let Some(code) = numbers_after(&script, "exit").last() {
        let reason = if code == 0 { "Completed" } else { "Error" };
        return Some(End { after: slept.max(1), code, reason });
    }
    let ends = !main || str_at(pod, "/spec/restartPolicy") != "Always";
    ends.then_some(End { after: if slept > 0 { slept } else { 2 }, code: 0, reason: "Completed" })
}

fn out_of_memory(pod: &Value, container: &Value) -> bool {
    let own = annotation(pod, &format!("{WORKING_SET}.{}", str_at(container, "/name")));
    let needed = if own.is_empty() { annotation(pod, WORKING_SET) } else { own };
    let limit = Quantity::parse(str_at(container, "/resources/limits/memory"));
    Quantity::parse(needed).zip(limit).is_some_and(|(needed, limit)| needed > limit)
}

/// The whole numbers that follow a word.
fn numbers_after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = i64> + 'a {
    let mut words = text.split([' ', ';', '\n', '&', '|', ')', '(']).filter(|w| !w.is_empty()).peekable();
    std::iter::from_fn(move || {
        loop {
            if words.next()? == word
                && let Some(n) = words.peek().and_then(|w| w.parse().ok())
            {
                return Some(n);
            }
        }
    })
}

/// The lines that `echo` prints, in order.
pub fn echoes(container: &Value) -> Vec<String> {
    let script = script(container);
    script
        .split("echo ")
        .skip(1)
        .map(|rest| {
            let rest = rest.trim_start();
            match rest.chars().next() {
                Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next().unwrap_or_default().to_string(),
                _ => rest.split([';', '&', '\n', '|']).next().unwrap_or_default().trim().to_string(),
            }
        })
        .collect()
}

/// What a probe would say, `None` when it succeeds: the connection is refused on a port that no container declares.
pub fn probe_failure(pod: &Value, probe: &Value, ip: &str) -> Option<String> {
    let declared: Vec<&Value> = list_at(pod, "/spec/containers").iter().flat_map(|c| list_at(c, "/ports")).collect();
    for kind in ["httpGet", "tcpSocket"] {
        let Some(port) = probe.pointer(&format!("/{kind}/port")) else { continue };
        let number = match port {
            Value::String(name) => {
                declared.iter().find(|p| str_at(p, "/name") == name).and_then(|p| int_at(p, "/containerPort"))
            }
            other => other.as_i64(),
        };
        let Some(number) = number else { return Some("couldn't find port for probe".into()) };
        if declared.is_empty() || declared.iter().any(|p| int_at(p, "/containerPort") == Some(number)) {
            return None;
        }
        let dial = format!("dial tcp {ip}:{number}: connect: connection refused");
        let path = str_at(probe, "/httpGet/path");
        return Some(if kind == "httpGet" { format!("Get \"http://{ip}:{number}{path}\": {dial}") } else { dial });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_command_is_taken_at_its_word() {
        let pod = json!({"spec": {"restartPolicy": "Always"}});
        let shell = |script: &str| json!({"name": "c", "command": ["sh", "-c", script]});
        assert_eq!(
            end(&pod, &shell("echo hi; sleep 3; exit 7"), true),
            Some(End { after: 3, code: 7, reason: "Error" })
        );
        assert_eq!(end(&pod, &shell("exec app"), true), None);
        assert_eq!(end(&pod, &shell("exec app"), false), Some(End { after: 2, code: 0, reason: "Completed" }));
        assert_eq!(echoes(&shell("echo \"a; b\"; echo plain && exit 1")), ["a; b", "plain"]);
    }

    #[test]
    fn memory_is_measured_against_the_limit() {
        let pod = json!({"metadata": {"annotations": {WORKING_SET: "700Mi"}}, "spec": {}});
        let with = |limit: &str| json!({"name": "c", "resources": {"limits": {"memory": limit}}, "command": ["sleep infinity"]});
        assert_eq!(end(&pod, &with("512Mi"), true).map(|e| e.reason), Some("OOMKilled"));
        assert_eq!(end(&pod, &with("1Gi"), true), None);
    }
}
