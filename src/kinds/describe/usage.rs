//! What a pod or a node uses, beside what it was promised and what it may use.

use super::Mark;
use super::page::Page;
use crate::world::metrics::{Usage, percent};
use crate::world::object::{list_at, name, str_at};
use crate::world::quantity::{Quantity, human_bytes, human_cpu};
use crate::world::sparkline::sparkline;
use serde_json::Value;

/// Columns of a trend.
const TREND: usize = 16;
/// From this percent of its limit on a use is worth a look.
const NEAR: i64 = 90;

/// What something uses now, and did lately, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InUse {
    /// A container; of a node nothing.
    pub name: String,
    /// Now.
    pub now: Usage,
    /// Lately.
    pub history: Vec<Usage>,
}

/// A section that says it; none where nothing is known.
pub fn section(page: &mut Page, object: &Value, used: &[InUse]) {
    if used.is_empty() {
        return;
    }
    page.section("In use");
    let of_node = str_at(object, "/kind") == "Node";
    let rows = used.iter().flat_map(|part| {
        let (promised, may) =
            if of_node { (None, part_of(object, "/status/allocatable")) } else { of_pod(object, &part.name) };
        let label = if part.name.is_empty() { name(object) } else { &part.name };
        RESOURCES.map(|(word, of, write)| {
            let now = of(&part.now);
            let share =
                |whole: Option<Usage>| match whole.and_then(|whole| Some((percent(now, of(&whole))?, of(&whole)))) {
                    Some((percent, whole)) => (percent, format!("{percent}% of {}", write(whole))),
                    None => (0, "-".into()),
                };
            let ((_, promised), (of_limit, limit)) = (share(promised), share(may));
            let mark = if of_limit >= NEAR { Mark::Warn } else { Mark::Plain };
            let values: Vec<i64> = part.history.iter().map(of).collect();
            let mut cells = vec![label.to_string(), word.to_string(), write(now)];
            if !of_node {
                cells.push(promised);
            }
            cells.extend([limit, sparkline(&values, TREND).trim_start().to_string()]);
            (mark, cells)
        })
    });
    let titles: &[&str] = match of_node {
        true => &["NODE", "OF", "USED", "ALLOCATABLE", "LATELY"],
        false => &["CONTAINER", "OF", "USED", "REQUEST", "LIMIT", "LATELY"],
    };
    page.table(titles, rows.collect());
}

type Resource = (&'static str, fn(&Usage) -> i64, fn(i64) -> String);

const RESOURCES: [Resource; 2] = [("cpu", |usage| usage.cpu, human_cpu), ("memory", |usage| usage.memory, human_bytes)];

/// Requests and limits of a container.
fn of_pod(pod: &Value, container: &str) -> (Option<Usage>, Option<Usage>) {
    let lists = ["/spec/containers", "/spec/initContainers"];
    let found = lists.into_iter().flat_map(|list| list_at(pod, list)).find(|c| str_at(c, "/name") == container);
    let of = |pointer: &str| found.and_then(|container| part_of(container, pointer));
    (of("/resources/requests"), of("/resources/limits"))
}

fn part_of(object: &Value, pointer: &str) -> Option<Usage> {
    let amounts = object.pointer(pointer)?;
    let amount = |resource: &str| Quantity::parse(str_at(amounts, resource));
    Some(Usage { cpu: amount("/cpu").map_or(0, Quantity::milli), memory: amount("/memory").map_or(0, Quantity::units) })
}

#[cfg(test)]
mod tests {
    use super::super::{Known, lines_with};
    use super::*;
    use crate::world::time::Time;
    use serde_json::json;

    #[test]
    fn what_is_used_stands_beside_what_was_promised_and_what_may_be_used() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}}]}});
        let usage = |cpu, mi: i64| Usage { cpu, memory: mi << 20 };
        let used = InUse { name: "app".into(), now: usage(250, 480), history: vec![usage(125, 480), usage(250, 480)] };
        let lines = lines_with(&pod, &[], Time(0), Known { used: &[used], ..Known::default() });
        let line =
            |word: &str| lines.iter().find(|line| line.text.contains("app ") && line.text.contains(word)).unwrap();
        let (cpu, memory) = (line(" cpu "), line(" memory "));
        assert_eq!(cpu.text.split_whitespace().collect::<Vec<_>>().join(" "), "app cpu 250m 250% of 100m - ▄█");
        assert!(memory.text.contains("188% of 256Mi") && memory.text.contains("94% of 512Mi"), "{}", memory.text);
        assert_eq!((cpu.mark, memory.mark), (Mark::Plain, Mark::Warn));
        assert!(!super::super::lines(&pod, &[], Time(0)).iter().any(|line| line.text.contains("In use")));
    }
}
