//! Nodes that are not emptied by mistake: the last ready one of the control plane, the last one of a zone.

use super::Options;
use crate::diagnose::pods::is_true;
use crate::world::object::{bool_at, name};
use crate::world::text::clean;
use serde_json::Value;

/// What is said against emptying a node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Guard {
    /// Refused unless allowed by name.
    pub refused: Vec<String>,
    /// Allowed, or not forbidden, and to be looked at twice.
    pub warnings: Vec<String>,
}

impl Guard {
    fn object(&mut self, allowed: bool, sentence: String, flag: &str) {
        let sentence = clean(&sentence).into_owned();
        match allowed {
            true => self.warnings.push(sentence),
            false => self.refused.push(format!("{sentence}; allow it with {flag}")),
        }
    }
}

/// Labels by which installers mark the nodes of the control plane.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/// Judges a node among all nodes.
pub(super) fn judge(node: &Value, nodes: &[Value], options: &Options) -> Guard {
    let mut guard = Guard::default();
    let others: Vec<&Value> = nodes.iter().filter(|other| name(other) != name(node)).collect();
    if nodes.is_empty() {
        let text = "the other nodes cannot be read: whether this is the last one of the control plane or of a zone is not known";
        guard.warnings.push(text.into());
        return guard;
    }
    control_plane(&mut guard, node, &others, options);
    zone(&mut guard, node, &others, options);
    guard
}

fn control_plane(guard: &mut Guard, node: &Value, others: &[&Value], options: &Options) {
    let governs = |node: &Value| CONTROL_PLANE.iter().any(|key| label(node, key).is_some());
    if !governs(node) || !is_true(node, "Ready") {
        return;
    }
    let all = 1 + others.iter().filter(|other| governs(other)).count();
    let ready = others.iter().filter(|other| governs(other) && is_true(other, "Ready")).count();
    let me = name(node);
    if ready == 0 {
        let sentence = format!("{me} is the last ready node of the control plane (of {all})");
        guard.object(options.last_control_plane, sentence, "--last-control-plane");
    } else if ready < all / 2 + 1 {
        guard.warnings.push(format!(
            "{ready} of {all} nodes of the control plane are ready besides {me}: an etcd on them has no majority once its machine stops"
        ));
    }
}

fn zone(guard: &mut Guard, node: &Value, others: &[&Value], options: &Options) {
    let Some(zone) = label(node, "topology.kubernetes.io/zone").filter(|zone| !zone.is_empty()) else { return };
    let takes_pods = |other: &&&Value| is_true(other, "Ready") && !bool_at(other, "/spec/unschedulable");
    let same = |other: &&&Value| label(other, "topology.kubernetes.io/zone") == Some(zone);
    if others.iter().filter(same).any(|other| takes_pods(&other)) {
        return;
    }
    let mates = others.iter().filter(same).count();
    let none =
        if mates == 0 { "it is the only one".to_owned() } else { format!("{mates} more are cordoned or not ready") };
    let sentence = format!(
        "{} is the last node of zone {zone} that takes pods ({none}): what is bound to the zone by its volume has nowhere to go",
        name(node)
    );
    guard.object(options.last_of_zone, sentence, "--last-of-zone");
}

fn label<'a>(node: &'a Value, key: &str) -> Option<&'a str> {
    node.pointer("/metadata/labels")?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, labels: Value, ready: &str, cordoned: bool) -> Value {
        json!({"metadata": {"name": name, "labels": labels}, "spec": {"unschedulable": cordoned},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn control(name: &str, ready: &str) -> Value {
        node(name, json!({"node-role.kubernetes.io/control-plane": ""}), ready, false)
    }

    #[test]
    fn the_last_ready_control_plane_node_is_not_emptied_by_mistake() {
        let nodes = [
            control("c1", "True"),
            control("c2", "False"),
            control("c3", "Unknown"),
            node("n1", json!({}), "True", false),
        ];
        let strict = judge(&nodes[0], &nodes, &Options::default());
        assert_eq!(strict.refused.len(), 1);
        assert!(strict.refused[0].contains("c1 is the last ready node of the control plane (of 3)"), "{strict:?}");
        assert!(strict.refused[0].ends_with("allow it with --last-control-plane"));
        let allowed = judge(&nodes[0], &nodes, &Options { last_control_plane: true, ..Options::default() });
        assert!(allowed.refused.is_empty() && allowed.warnings[0].contains("last ready"), "{allowed:?}");
        assert_eq!(judge(&nodes[1], &nodes, &Options::default()), Guard::default(), "that one is not ready anyway");
        assert_eq!(judge(&nodes[3], &nodes, &Options::default()), Guard::default());
    }

    #[test]
    fn a_majority_that_would_be_lost_is_said() {
        let nodes = [control("c1", "True"), control("c2", "True"), control("c3", "False")];
        let guard = judge(&nodes[0], &nodes, &Options::default());
        assert!(guard.refused.is_empty() && guard.warnings[0].contains("no majority"), "{guard:?}");
        let healthy = [control("c1", "True"), control("c2", "True"), control("c3", "True")];
        assert_eq!(judge(&healthy[0], &healthy, &Options::default()), Guard::default());
    }

    #[test]
    fn the_last_node_of_a_zone_is_not_emptied_by_mistake() {
        let zone = |z: &str| json!({"topology.kubernetes.io/zone": z});
        let nodes = [
            node("a1", zone("a"), "True", false),
            node("a2", zone("a"), "True", true),
            node("a3", zone("a"), "False", false),
            node("b1", zone("b"), "True", false),
            node("b2", zone("b"), "True", false),
        ];
        let guard = judge(&nodes[0], &nodes, &Options::default());
        assert!(
            guard.refused[0]
                .contains("a1 is the last node of zone a that takes pods (2 more are cordoned or not ready)")
        );
        assert!(guard.refused[0].ends_with("allow it with --last-of-zone"));
        let allowed = Options { last_of_zone: true, ..Options::default() };
        assert!(judge(&nodes[0], &nodes, &allowed).refused.is_empty());
        assert_eq!(judge(&nodes[3], &nodes, &Options::default()), Guard::default());
        assert_eq!(judge(&node("x", json!({}), "True", false), &nodes, &Options::default()), Guard::default());
    }
}
