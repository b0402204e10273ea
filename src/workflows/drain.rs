//! Drain: what would be evicted, what stays, what blocks; then the cordon, its commit, and the evictions.
//!
//! Which pods are evicted follows `kubectl drain --ignore-daemonsets` (`pkg/drain/filters.go`); which budget holds one back
//! follows the eviction subresource (`registry/core/pod/storage/eviction.go`).

use super::{EvictPlan, Line, Part, Plan, PodRef};
use crate::world::object::{bool_at, controller, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use crate::world::text::clean;
use serde_json::Value;

/// What a person allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Evict pods although their `emptyDir` volumes are lost.
    pub delete_emptydir_data: bool,
    /// Evict pods that nothing will make again.
    pub force: bool,
    /// Seconds until it is given up.
    pub timeout_s: i64,
    /// Seconds that pods get to end; `None`: as they say themselves.
    pub grace_s: Option<i64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { delete_emptydir_data: false, force: false, timeout_s: 15 * 60, grace_s: None }
    }
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is evicted.
    Evict,
    /// It is evicted as soon as the budget allows: name and what it says.
    Wait(String),
    /// It stays: a DaemonSet would make it again at once, or the kubelet runs it by itself.
    Stay(&'static str),
    /// It holds the drain up until a person decides: why, and what allows it.
    Refuse(String),
}

/// What becomes of a pod on the node. `budgets` are all PodDisruptionBudgets.
pub fn fate(pod: &Value, budgets: &[Value], options: &Options) -> Fate {
    let finished = ["Succeeded", "Failed"].contains(&str_at(pod, "/status/phase"));
    let owner = controller(pod).map(|(_, kind, _)| kind);
    if pod.pointer("/metadata/annotations").is_some_and(|a| a.get("kubernetes.io/config.mirror").is_some()) {
        return Fate::Stay("static pod of the kubelet");
    }
    if owner == Some("DaemonSet") && !finished {
        return Fate::Stay("DaemonSet");
    }
    if list_at(pod, "/spec/volumes").iter().any(|v| v.get("emptyDir").is_some())
        && !finished
        && !options.delete_emptydir_data
    {
        return Fate::Refuse("has an emptyDir whose data would be lost; allow it with --delete-emptydir-data".into());
    }
    if owner.is_none() && !finished && !options.force {
        return Fate::Refuse("is owned by nothing and would not come back; allow it with --force".into());
    }
    let exempt =
        finished || str_at(pod, "/status/phase") == "Pending" || pod.pointer("/metadata/deletionTimestamp").is_some();
    if exempt { Fate::Evict } else { budget(pod, budgets) }
}

/// What the budgets that select a pod say.
fn budget(pod: &Value, budgets: &[Value]) -> Fate {
    // An empty selector selects every pod of the namespace (policy/v1).
    let selects = |b: &&Value| {
        namespace(b) == namespace(pod)
            && b.pointer("/spec/selector")
                .is_some_and(|s| Selector::from_value(s).matches(pod.pointer("/metadata/labels")))
    };
    let one = match budgets.iter().filter(selects).collect::<Vec<_>>()[..] {
        [] => return Fate::Evict,
        [one] => one,
        _ => {
            return Fate::Refuse(
                "is covered by several PodDisruptionBudgets; the API server evicts no such pod".into(),
            );
        }
    };
    let ready = list_at(pod, "/status/conditions")
        .iter()
        .any(|c| str_at(c, "/type") == "Ready" && str_at(c, "/status") == "True");
    let number = |field: &str| int_at(one, &format!("/status/{field}")).unwrap_or(0);
    let unready_may_go = str_at(one, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow"
        || (number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0);
    if number("disruptionsAllowed") > 0 || (!ready && unready_may_go) {
        return Fate::Evict;
    }
    Fate::Wait(format!(
        "budget {} allows 0 more ({} healthy of {} needed)",
        name(one),
        number("currentHealthy"),
        number("desiredHealthy")
    ))
}

/// Makes a drain of the cordon of a node: adds the evictions, and shows the pods.
pub fn plan(mut plan: Plan, node: &Value, pods: &[Value], budgets: &[Value], options: &Options) -> Plan {
    let fates: Vec<(&Value, Fate)> = pods
        .iter()
        .filter(|pod| str_at(pod, "/spec/nodeName") == name(node))
        .map(|pod| (pod, fate(pod, budgets, options)))
        .collect();
    let going: Vec<PodRef> = fates
        .iter()
        .filter(|(_, fate)| matches!(fate, Fate::Evict | Fate::Wait(_)))
        .map(|(pod, _)| PodRef {
            namespace: namespace(pod).into(),
            name: name(pod).into(),
            uid: str_at(pod, "/metadata/uid").into(),
        })
        .collect();
    plan.lines.retain(|line| !(line.label.is_empty() && line.text.starts_with("nothing to do")));
    plan.lines.splice(0..0, lines(&fates, going.len()));
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
            plan.blocked.push(clean(&format!("{}/{} {why}", namespace(pod), name(pod))).into_owned());
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
        let text = clean(&format!("{}/{}  {text}", namespace(pod), name(pod))).into_owned();
        lines.push(if warn { Line::warning(text) } else { Line::new("", text) });
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
        fate(pod, budgets, &Options::default())
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
        assert_eq!(fate(&scratch, &[], &allowed), Fate::Evict);
        assert_eq!(fate(&bare, &[], &allowed), Fate::Evict);
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
