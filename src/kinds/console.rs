//! What a terminal finds in a pod: which container is meant, what it runs on, which shells to try.

use crate::world::object::{bool_at, list_at, str_at};
use serde_json::Value;

/// Names the container that is meant where none is named (`kubectl` reads it too).
const DEFAULT: &str = "/metadata/annotations/kubectl.kubernetes.io~1default-container";

/// How a container's process is connected, from its spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// The container.
    pub container: String,
    /// It reads what is typed.
    pub stdin: bool,
    /// It has a terminal.
    pub tty: bool,
}

/// The container of this name; where none is named, the default one, else the first. `None`: the pod has no such.
pub fn of(pod: &Value, named: &str) -> Option<Console> {
    let lists = ["/spec/containers", "/spec/ephemeralContainers", "/spec/initContainers"];
    let mut all = lists.iter().flat_map(|list| list_at(pod, list));
    let first = || list_at(pod, "/spec/containers").first().map_or("", |c| str_at(c, "/name"));
    let wanted = match (named, str_at(pod, DEFAULT)) {
        ("", "") => first(),
        ("", default) => default,
        (named, _) => named,
    };
    let container = all.find(|c| str_at(c, "/name") == wanted)?;
    Some(Console { container: wanted.into(), stdin: bool_at(container, "/stdin"), tty: bool_at(container, "/tty") })
}

/// Whether a pod runs Windows: it says so itself, or it is sent to such nodes.
pub fn is_windows(pod: &Value) -> bool {
    str_at(pod, "/spec/os/name") == "windows"
        || ["kubernetes.io~1os", "beta.kubernetes.io~1os"]
            .iter()
            .any(|label| str_at(pod, &format!("/spec/nodeSelector/{label}")) == "windows")
}

/// The commands that open a shell, in the order in which they are tried. The first finds the better one of two where
/// there are both.
pub fn shells(windows: bool) -> Vec<Vec<String>> {
    let commands: &[&[&str]] = match windows {
        true => &[&["powershell"], &["cmd"]],
        false => &[&["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash || exec sh"], &["bash"], &["ash"]],
    };
    commands.iter().map(|words| words.iter().map(|word| word.to_string()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_that_is_meant() {
        let mut pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "stdin": true, "tty": true}],
                                      "ephemeralContainers": [{"name": "debug", "stdin": true}]}});
        let name = |pod: &Value, named: &str| of(pod, named).map(|console| console.container);
        assert_eq!(name(&pod, "").as_deref(), Some("a"));
        assert_eq!(of(&pod, "b"), Some(Console { container: "b".into(), stdin: true, tty: true }));
        assert_eq!(of(&pod, "debug"), Some(Console { container: "debug".into(), stdin: true, tty: false }));
        assert_eq!(name(&pod, "c"), None);
        pod["metadata"] = json!({"annotations": {"kubectl.kubernetes.io/default-container": "b"}});
        assert_eq!(name(&pod, "").as_deref(), Some("b"));
    }

    #[test]
    fn windows_is_seen_and_has_other_shells() {
        assert!(is_windows(&json!({"spec": {"os": {"name": "windows"}}})));
        assert!(is_windows(&json!({"spec": {"nodeSelector": {"kubernetes.io/os": "windows"}}})));
        assert!(!is_windows(&json!({"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}})));
        assert_eq!(shells(true)[0], ["powershell"]);
        assert_eq!(shells(false)[2], ["ash"]);
    }
}
