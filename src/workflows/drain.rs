//! Drain: what would be evicted, what stays, what blocks, and whether the others have room; then the cordon, its
//! commit, and the evictions.
//!
//! Which pods are evicted and which budget holds one back are the rules of [`eviction`], which the causes `drain-*` use
//! too; where the evicted pods could go is judged by the scheduler's filters ([`relocation`]).

mod guard;

use super::{EvictPlan, Line, Part, Plan, PodRef};
use crate::diagnose::eviction::{self, Count, Hold, Stays, called};
use crate::diagnose::pods;
use crate::diagnose::scheduling::{Objects, relocation};
use crate::world::object::{bool_at, controller, name, namespace, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use serde_json::Value;

/// What a person allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Evict pods although their `emptyDir` volumes are lost.
    pub delete_emptydir_data: bool,
    /// Evict pods that nothing will make again.
    pub force: bool,
    /// Empty the last ready control-plane node.
    pub last_control_plane: bool,
    /// Empty the last node of a zone.
    pub last_of_zone: bool,
    /// Seconds until it is given up.
    pub timeout_s: i64,
    /// Seconds that pods get to end; `None`: as they say themselves.
    pub grace_s: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delete_emptydir_data: false,
            force: false,
            last_control_plane: false,
            last_of_zone: false,
            timeout_s: 15 * 60,
            grace_s: None,
        }
    }
}

/// What is known when a drain is planned.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The node.
    pub node: &'a Value,
    /// The pods on it, ended ones included.
    pub pods: &'a [Value],
    /// The PodDisruptionBudgets of all namespaces.
    pub budgets: &'a [Value],
    /// Every node; empty where they could not be read.
    pub nodes: &'a [Value],
    /// The cluster as the scheduler sees it; `None` where pods or nodes could not be read.
    pub cluster: Option<Objects<'a>>,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is evicted.
    Evict,
    /// It is evicted as soon as the budget allows: the budget, and what it says.
    Wait(String),
    /// It stays: a DaemonSet would make it again at once, or the kubelet runs it by itself.
    Stay(&'static str),
    /// It holds the drain up until a person decides: why, and what allows it.
    Refuse(String),
}

/// What becomes of a pod on the node.
pub fn fate(pod: &Value, facts: &Facts<'_>, options: &Options, now: Time) -> Fate {
    match eviction::stays(pod) {
        Some(Stays::Static) => return Fate::Stay("static pod of the kubelet"),
        Some(Stays::Daemon) => return Fate::Stay("DaemonSet"),
        None => {}
    }
    if !eviction::empty_dirs(pod).is_empty() && !options.delete_emptydir_data {
        return Fate::Refuse("has an emptyDir whose data would be lost; allow it with --delete-emptydir-data".into());
    }
    if eviction::is_unmanaged(pod) && !options.force {
        return Fate::Refuse("is owned by nothing and would not come back; allow it with --force".into());
    }
    match eviction::hold(pod, facts.budgets) {
        Hold::Free => Fate::Evict,
        Hold::Budget(budget) => Fate::Wait(held(budget, facts, now)),
        Hold::Several(_) => {
            Fate::Refuse("is covered by several PodDisruptionBudgets; the API server evicts no such pod".into())
        }
    }
}

/// `budget web allows 0 more: minAvailable 2, 1 healthy of 2 needed (…), drain-pdb-unhealthy`
fn held(budget: &Value, facts: &Facts<'_>, now: Time) -> String {
    let count = Count::of(budget);
    let everywhere: Vec<&Value> = match &facts.cluster {
        Some(cluster) => cluster.pods.clone(),
        None => facts.pods.iter().collect(),
    };
    let selected: Vec<&Value> = everywhere.into_iter().filter(|pod| eviction::selects(budget, pod)).collect();
    let cause = match eviction::why(budget, &selected, now).cause() {
        "" => "its other pods are on their way".to_owned(),
        id => format!("kokpit explain {id}"),
    };
    format!("budget {} allows 0 more: {}, {}; {cause}", name(budget), count.rule, count.in_words())
}

/// Makes a drain of the cordon of a node: adds the evictions, shows the pods, and refuses what is refused.
pub fn plan(mut plan: Plan, facts: &Facts<'_>, options: &Options) -> Plan {
    let node = facts.node;
    let fates: Vec<(&Value, Fate)> = facts
        .pods
        .iter()
        .filter(|pod| str_at(pod, "/spec/nodeName") == name(node))
        .map(|pod| (pod, fate(pod, facts, options, plan.at)))
        .collect();
    let goes = |fate: &Fate| matches!(fate, Fate::Evict | Fate::Wait(_));
    let going: Vec<PodRef> = fates
        .iter()
        .filter(|(_, fate)| goes(fate))
        .map(|(pod, _)| PodRef {
            namespace: namespace(pod).into(),
            name: name(pod).into(),
            uid: str_at(pod, "/metadata/uid").into(),
        })
        .collect();
    plan.lines.retain(|line| !(line.label.is_empty() && line.text.starts_with("nothing to do")));
    let mut shown = lines(&fates, going.len());
    let leaving: Vec<&Value> = fates.iter().filter(|(_, fate)| goes(fate)).map(|(pod, _)| *pod).collect();
    shown.extend(room(facts, &leaving));
    let guard = guard::judge(node, facts.nodes, options);
    shown.extend(guard.warnings.into_iter().map(Line::warning));
    plan.blocked.extend(guard.refused);
    plan.lines.splice(0..0, shown);
    for line in plan.lines.iter_mut().filter(|l| ["order", "undo"].contains(&l.label.as_str())) {
        line.text = match line.label.as_str() {
            "order" => "cordon live, commit and push it, then evict".into(),
            _ => format!(
                "kokpit uncordon {}  ·  evicted pods do not come back by themselves  ·  op {}",
                name(node),
                plan.id
            ),
        };
    }
    for (pod, fate) in &fates {
        if let Fate::Refuse(why) = fate {
            plan.blocked.push(clean(&format!("{} {why}", called(pod))).into_owned());
        }
    }
    plan.parts.retain(|part| !matches!(part, Part::Verify { .. }));
    if !going.is_empty() {
        let (timeout_s, grace_s) = (options.timeout_s, options.grace_s);
        plan.parts.push(Part::Evict(EvictPlan { node: name(node).into(), pods: going, timeout_s, grace_s }));
    }
    plan.kind = "drain".into();
    plan.title = format!("drain {} on {}", name(node), plan.cluster);
    if !bool_at(node, "/spec/unschedulable") && plan.parts.iter().any(|p| matches!(p, Part::Evict(_))) {
        plan.lines.push(Line::new("", "if it stops, the node stays cordoned and says so"));
    }
    plan
}

fn lines(fates: &[(&Value, Fate)], going: usize) -> Vec<Line> {
    let stay = fates.iter().filter(|(_, f)| matches!(f, Fate::Stay(_))).count();
    let mut lines = vec![Line::new("evict", format!("{going} of {} pods, {stay} stay", fates.len()))];
    for (pod, fate) in fates {
        let (text, warn) = match fate {
            Fate::Evict => ("evicted".into(), false),
            Fate::Wait(why) => (format!("evicted when its {why}"), true),
            Fate::Stay(why) => (format!("stays: {why}"), false),
            Fate::Refuse(why) => (why.clone(), true),
        };
        let text = clean(&format!("{}  {text}", called(pod))).into_owned();
        lines.push(if warn { Line::warning(text) } else { Line::new("", text) });
    }
    lines
}

/// Whether the other nodes have room for what leaves and is made again, and what would stay Pending and why.
fn room(facts: &Facts<'_>, leaving: &[&Value]) -> Vec<Line> {
    let come_back = |pod: &&&Value| controller(pod).is_some() && !pods::is_finished(pod);
    let made_again: Vec<&Value> = leaving.iter().filter(come_back).copied().collect();
    let Some(cluster) = facts.cluster.as_ref().filter(|_| !made_again.is_empty()) else { return vec![] };
    // Pods that are not made again leave too, and give their room back; they lie on this node, where nothing is placed.
    let moves = relocation::relocate(cluster, name(facts.node), &made_again);
    let homeless: Vec<_> = moves.iter().filter(|m| m.to.is_none()).collect();
    let fit = moves.len() - homeless.len();
    let mut lines = vec![Line::new(
        "room",
        format!("{fit} of {} evicted pods fit on other nodes, by the scheduler's filters", moves.len()),
    )];
    for one in homeless {
        let nearest = if one.nearest.is_empty() { String::new() } else { format!(" (nearest {})", one.nearest) };
        let text = format!("{}  would stay Pending: {}{nearest}", called(one.pod), one.message);
        lines.push(Line::warning(clean(&text).into_owned()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(extra: Value) -> Value {
        let mut pod = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": true}]},
            "spec": {"nodeName": "n4"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        json_patch::merge(&mut pod, &extra);
        pod
    }

    fn pdb(allowed: i64, extra: Value) -> Value {
        let mut pdb = json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 2}});
        json_patch::merge(&mut pdb, &extra);
        pdb
    }

    fn judge(pod: &Value, budgets: &[Value]) -> Fate {
        under(pod, budgets, &Options::default())
    }

    fn under(pod: &Value, budgets: &[Value], options: &Options) -> Fate {
        let nothing = Value::Null;
        let facts = Facts { node: &nothing, pods: &[], budgets, nodes: &[], cluster: None };
        fate(pod, &facts, options, Time(0))
    }

    /// A plan that cordons n4, as the cordon would have it.
    fn cordon() -> Plan {
        Plan {
            id: "01JD".into(),
            kind: "cordon".into(),
            title: "cordon n4 on prod".into(),
            cluster: "prod".into(),
            identity: None,
            protected: false,
            at: Time(0),
            parts: vec![],
            lines: vec![Line::new("order", "live first"), Line::new("undo", "kokpit uncordon n4")],
            blocked: vec![],
        }
    }

    #[test]
    fn the_plan_says_who_would_find_no_room_and_refuses_the_last_of_a_zone() {
        let node = |name: &str, cpu: &str, zone: &str| {
            json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
                "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
                    "conditions": [{"type": "Ready", "status": "True"}]}})
        };
        let nodes = [node("n4", "4", "a"), node("n5", "1", "b")];
        let asks = |uid: &str, cpu: &str| {
            let containers = json!([{"name": "c", "resources": {"requests": {"cpu": cpu}}}]);
            pod(json!({"metadata": {"name": uid, "uid": uid}, "spec": {"containers": containers}}))
        };
        let pods = [asks("small", "500m"), asks("large", "2")];
        let cluster = Objects { nodes: nodes.iter().collect(), pods: pods.iter().collect(), ..Objects::default() };
        let facts = Facts { node: &nodes[0], pods: &pods, budgets: &[], nodes: &nodes, cluster: Some(cluster) };
        let refused = plan(cordon(), &facts, &Options::default());
        let text: Vec<&str> = refused.lines.iter().map(|l| l.text.as_str()).collect();
        assert!(text.contains(&"1 of 2 evicted pods fit on other nodes, by the scheduler's filters"), "{text:#?}");
        let pending = text.iter().find(|t| t.contains("would stay Pending")).expect("a line for the large one");
        assert!(pending.starts_with("shop/large") && pending.contains("1 Insufficient cpu"), "{pending}");
        assert!(pending.contains("nearest n5: cpu"), "{pending}");
        assert_eq!(refused.blocked.len(), 1, "room is a warning, the zone is a refusal: {:?}", refused.blocked);
        let allowed = plan(cordon(), &facts, &Options { last_of_zone: true, ..Options::default() });
        assert!(allowed.blocked.is_empty());
        assert!(
            allowed
                .lines
                .iter()
                .any(|l| l.sign == super::super::Sign::Warning && l.text.contains("last node of zone a"))
        );
    }

    #[test]
    fn a_budget_is_named_with_its_arithmetic_and_its_cause() {
        let web = pod(json!({}));
        let full = pdb(0, json!({"spec": {"minAvailable": 2}, "status": {"expectedPods": 2}}));
        let Fate::Wait(why) = judge(&web, std::slice::from_ref(&full)) else { panic!("it waits") };
        for part in
            ["minAvailable 2", "2 healthy of 2 needed", "disruptionsAllowed 0", "IfHealthyBudget", "drain-pdb-zero"]
        {
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn pods_are_judged_as_kubectl_drain_does() {
        assert_eq!(judge(&pod(json!({})), &[]), Fate::Evict);
        let daemon =
            pod(json!({"metadata": {"ownerReferences": [{"kind": "DaemonSet", "name": "d", "controller": true}]}}));
        assert_eq!(judge(&daemon, &[]), Fate::Stay("DaemonSet"));
        let mirror = pod(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}));
        assert_eq!(judge(&mirror, &[]), Fate::Stay("static pod of the kubelet"));
        let scratch = pod(json!({"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}]}}));
        assert!(matches!(judge(&scratch, &[]), Fate::Refuse(why) if why.contains("--delete-emptydir-data")));
        let bare = pod(json!({"metadata": {"ownerReferences": null}}));
        assert!(matches!(judge(&bare, &[]), Fate::Refuse(why) if why.contains("--force")));
        let finished = pod(json!({"metadata": {"ownerReferences": null}, "status": {"phase": "Succeeded"}}));
        assert_eq!(judge(&finished, &[pdb(0, json!({}))]), Fate::Evict);
        let allowed = Options { delete_emptydir_data: true, force: true, ..Options::default() };
        assert_eq!(under(&scratch, &[], &allowed), Fate::Evict);
        assert_eq!(under(&bare, &[], &allowed), Fate::Evict);
    }

    #[test]
    fn budgets_hold_back_what_they_select() {
        let web = pod(json!({}));
        assert_eq!(judge(&web, &[pdb(1, json!({}))]), Fate::Evict);
        assert!(matches!(judge(&web, &[pdb(0, json!({}))]), Fate::Wait(why) if why.contains("budget web allows 0")));
        assert_eq!(judge(&web, &[pdb(0, json!({"metadata": {"namespace": "else"}}))]), Fate::Evict);
        assert!(
            matches!(judge(&web, &[pdb(1, json!({})), pdb(1, json!({}))]), Fate::Refuse(why) if why.contains("several"))
        );
        let unready = pod(json!({"status": {"conditions": []}}));
        assert_eq!(judge(&unready, &[pdb(0, json!({}))]), Fate::Evict, "IfHealthyBudget: enough others are healthy");
        let sick = pdb(0, json!({"status": {"currentHealthy": 1}}));
        assert!(matches!(judge(&unready, std::slice::from_ref(&sick)), Fate::Wait(_)));
        let always =
            pdb(0, json!({"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}, "status": {"currentHealthy": 1}}));
        assert_eq!(judge(&unready, &[always]), Fate::Evict);
        assert!(matches!(judge(&web, &[pdb(0, json!({"spec": {"selector": {"matchLabels": null}}}))]), Fate::Wait(_)));
    }
}
