//! What emptying a node means for a pod: the filters of `kubectl drain`, and what the eviction subresource answers.
//!
//! Sources: `k8s.io/kubectl/pkg/drain/filters.go` (which pods go), `pkg/registry/core/pod/storage/eviction.go` (what a
//! budget refuses), `pkg/controller/disruption/disruption.go` (how a budget counts). Why and the plan of a drain use
//! the same rules, so they cannot disagree.

use super::kin;
use super::pods::{self, Stand, condition, is_finished};
use crate::world::object::{controller, int_at, list_at, name, namespace, str_at};
use crate::world::selector::Selector;
use crate::world::time::Time;
use serde_json::Value;

/// Why a pod stays on a node that is emptied, and nobody minds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// A DaemonSet would make it again at once.
    Daemon,
    /// The kubelet runs it from a file of its own.
    Static,
}

/// Whether a pod is being deleted.
pub fn is_ending(pod: &Value) -> bool {
    !str_at(pod, "/metadata/deletionTimestamp").is_empty()
}

/// Whether a pod stays by its nature.
pub fn stays(pod: &Value) -> Option<Stays> {
    if pod.pointer("/metadata/annotations").is_some_and(|a| a.get("kubernetes.io/config.mirror").is_some()) {
        return Some(Stays::Static);
    }
    let daemon = controller(pod).is_some_and(|(_, kind, _)| kind == "DaemonSet");
    (daemon && !is_finished(pod)).then_some(Stays::Daemon)
}

/// The `emptyDir` volumes whose data an eviction loses; hostPath and local volumes do not count.
pub fn empty_dirs(pod: &Value) -> Vec<&str> {
    if is_finished(pod) {
        return Vec::new();
    }
    let volumes = list_at(pod, "/spec/volumes").iter();
    volumes.filter(|v| v.get("emptyDir").is_some_and(|e| !e.is_null())).map(|v| str_at(v, "/name")).collect()
}

/// Whether nothing would make the pod again.
pub fn is_unmanaged(pod: &Value) -> bool {
    controller(pod).is_none() && !is_finished(pod)
}

/// Whether a budget selects a pod. An empty selector selects every pod of the namespace (policy/v1), none selects none.
pub fn selects(budget: &Value, pod: &Value) -> bool {
    let selector = budget.pointer("/spec/selector").filter(|s| !s.is_null());
    namespace(budget) == namespace(pod)
        && selector.is_some_and(|s| Selector::from_value(s).matches(pod.pointer("/metadata/labels")))
}

/// What the budgets of a pod say to its eviction.
#[derive(Clone, Debug, PartialEq)]
pub enum Hold<'b> {
    /// Nothing holds it.
    Free,
    /// This budget refuses it for now (429).
    Budget(&'b Value),
    /// Several budgets select it: the subresource evicts no such pod (500).
    Several(Vec<&'b Value>),
}

/// What holds a pod back, of these budgets (of any namespace). Pending, ended and leaving pods need no budget.
pub fn hold<'b>(pod: &Value, budgets: impl IntoIterator<Item = &'b Value>) -> Hold<'b> {
    if is_finished(pod) || is_ending(pod) || str_at(pod, "/status/phase") == "Pending" {
        return Hold::Free;
    }
    let selecting: Vec<&Value> = budgets.into_iter().filter(|budget| selects(budget, pod)).collect();
    match selecting[..] {
        [] => Hold::Free,
        [one] if Count::of(one).lets_go(pods::is_true(pod, "Ready")) => Hold::Free,
        [one] => Hold::Budget(one),
        _ => Hold::Several(selecting),
    }
}

/// A budget's arithmetic, from its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count<'b> {
    /// Evictions that it allows now.
    pub allowed: i64,
    /// Pods that are Ready and stay.
    pub current: i64,
    /// Pods that must be.
    pub desired: i64,
    /// Pods that it counts on.
    pub expected: i64,
    /// `IfHealthyBudget` (also where nothing is said) or `AlwaysAllow`.
    pub policy: &'b str,
    /// `minAvailable 2`, as the spec has it.
    pub rule: String,
}

impl<'b> Count<'b> {
    /// Reads a PodDisruptionBudget.
    pub fn of(budget: &'b Value) -> Self {
        let number = |field: &str| int_at(budget, &format!("/status/{field}")).unwrap_or_default();
        let spec = |field: &str| budget.pointer(&format!("/spec/{field}")).filter(|v| !v.is_null());
        let rule = ["minAvailable", "maxUnavailable"]
            .into_iter()
            .find_map(|field| Some(format!("{field} {}", spec(field)?.to_string().replace('"', ""))));
        Self {
            allowed: number("disruptionsAllowed"),
            current: number("currentHealthy"),
            desired: number("desiredHealthy"),
            expected: number("expectedPods"),
            policy: match str_at(budget, "/spec/unhealthyPodEvictionPolicy") {
                "" => "IfHealthyBudget",
                policy => policy,
            },
            // policy/v1 counts a budget that says nothing as minAvailable 1.
            rule: rule.unwrap_or_else(|| "minAvailable 1".into()),
        }
    }

    /// Whether a pod may be evicted now.
    pub fn lets_go(&self, ready: bool) -> bool {
        let unready_may_go = self.policy == "AlwaysAllow" || (self.current >= self.desired && self.desired > 0);
        self.allowed > 0 || (!ready && unready_may_go)
    }

    /// Whether it allows nothing even when every pod is healthy.
    pub fn never_allows(&self) -> bool {
        self.expected <= self.desired
    }

    /// `1 healthy of 2 needed (disruptionsAllowed 0, currentHealthy 1, desiredHealthy 2, …)`
    pub fn in_words(&self) -> String {
        format!(
            "{} healthy of {} needed (disruptionsAllowed {}, currentHealthy {}, desiredHealthy {}, expectedPods {}; \
             unhealthyPodEvictionPolicy {})",
            self.current, self.desired, self.allowed, self.current, self.desired, self.expected, self.policy
        )
    }
}

/// Why a budget allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// All its pods are healthy and none is to spare.
    Zero,
    /// Pods of it are broken.
    Unhealthy,
    /// Pods of it have no node.
    NoRoom,
    /// Its controller could not count, or has not yet.
    NotCounted,
    /// Pods of it are starting or leaving: it will allow more by itself.
    Moving,
}

impl Why {
    /// The id of the cause that speaks of it; empty for what mends itself.
    pub fn cause(self) -> &'static str {
        match self {
            Why::Zero => "drain-pdb-zero",
            Why::Unhealthy => "drain-pdb-unhealthy",
            Why::NoRoom => "drain-pdb-no-spare-capacity",
            Why::NotCounted => "drain-pdb-syncfailed",
            Why::Moving => "",
        }
    }
}

/// Why a budget allows nothing; `selected` are the pods that it selects.
pub fn why(budget: &Value, selected: &[&Value], now: Time) -> Why {
    let count = Count::of(budget);
    let stands = |wanted: Stand| selected.iter().any(|pod| pods::stand(pod, now) == wanted);
    let homeless = |pod: &Value| str_at(pod, "/spec/nodeName").is_empty() && !is_ending(pod);
    match () {
        _ if not_counted(budget) => Why::NotCounted,
        _ if count.current >= count.expected => Why::Zero,
        _ if selected.iter().any(|pod| homeless(pod) && pods::stand(pod, now) == Stand::Ill) => Why::NoRoom,
        _ if stands(Stand::Ill) => Why::Unhealthy,
        _ if stands(Stand::Starting) || selected.iter().any(|pod| is_ending(pod)) => Why::Moving,
        _ => Why::Unhealthy,
    }
}

/// Whether the numbers of a budget cannot be trusted: its last sync failed, or it has changed since.
fn not_counted(budget: &Value) -> bool {
    let failed = condition(budget, "DisruptionAllowed").is_some_and(|c| str_at(c, "/reason") == "SyncFailed");
    failed || int_at(budget, "/status/observedGeneration") < int_at(budget, "/metadata/generation")
}

/// The smallest scale-up of a workload after which its budget allows an eviction, as the new number of replicas;
/// `None` where more replicas do not help (`maxUnavailable: 0`, `minAvailable: 100%`) or it has no replicas.
pub fn scale_that_helps(budget: &Value, workload: &Value) -> Option<i64> {
    let now = kin::replicas(workload)?;
    (now + 1..=now + 3).find(|replicas| desired(budget, *replicas).is_some_and(|desired| *replicas > desired))
}

/// Pods that must be healthy of so many expected ones; percentages round up (`GetScaledValueFromIntOrPercent`).
fn desired(budget: &Value, expected: i64) -> Option<i64> {
    let scaled = |value: &Value| match value {
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            Some((expected.checked_mul(percent)? + 99) / 100)
        }
        number => number.as_i64(),
    };
    let spec = |field: &str| budget.pointer(&format!("/spec/{field}")).filter(|v| !v.is_null());
    match (spec("maxUnavailable"), spec("minAvailable")) {
        (Some(most), _) => Some((expected - scaled(most)?).max(0)),
        (None, Some(least)) => scaled(least),
        (None, None) => Some(1),
    }
}

/// `shop/web-1`
pub fn called(pod: &Value) -> String {
    format!("{}/{}", namespace(pod), name(pod))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pdb(spec: Value, status: Value) -> Value {
        json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": spec, "status": status})
    }

    #[test]
    fn more_replicas_help_where_the_budget_is_a_number() {
        let web = json!({"kind": "Deployment", "spec": {"replicas": 2}});
        let helps = |spec: Value| scale_that_helps(&pdb(spec, json!({})), &web);
        assert_eq!(helps(json!({"minAvailable": 2})), Some(3));
        assert_eq!(helps(json!({"minAvailable": 4})), Some(5));
        assert_eq!(helps(json!({"minAvailable": "100%"})), None);
        assert_eq!(helps(json!({"minAvailable": "70%"})), Some(4), "70% of 3 and of 4 are 3, rounded up");
        assert_eq!(helps(json!({"maxUnavailable": 0})), None);
        assert_eq!(helps(json!({"maxUnavailable": "nonsense"})), None);
        assert_eq!(scale_that_helps(&pdb(json!({"minAvailable": 1}), json!({})), &json!({"kind": "DaemonSet"})), None);
    }

    #[test]
    fn a_budget_says_why_it_allows_nothing() {
        let now = Time::parse("2026-03-01T12:00:00Z").unwrap();
        let status = |current: i64| json!({"currentHealthy": current, "desiredHealthy": 2, "expectedPods": 2});
        let pod = |ready: &str, node: &str, since: &str| {
            json!({"metadata": {"creationTimestamp": since}, "spec": {"nodeName": node, "containers": []},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}]}})
        };
        let (old, young) = ("2026-03-01T11:00:00Z", "2026-03-01T11:59:55Z");
        let (well, ill) = (pod("True", "n1", old), pod("False", "n2", old));
        let full = pdb(json!({"minAvailable": 2}), status(2));
        let short = pdb(json!({"minAvailable": 2}), status(1));
        assert_eq!(why(&full, &[&well, &well], now), Why::Zero);
        assert_eq!(why(&short, &[&well, &ill], now), Why::Unhealthy);
        assert_eq!(why(&short, &[&well, &pod("False", "", old)], now), Why::NoRoom);
        assert_eq!(why(&short, &[&well, &pod("False", "n2", young)], now), Why::Moving);
        assert_eq!(why(&short, &[&well], now), Why::Unhealthy, "a pod that was never made");
        let failed = json!({"conditions": [{"type": "DisruptionAllowed", "reason": "SyncFailed"}]});
        assert_eq!(why(&pdb(json!({}), failed), &[&well], now), Why::NotCounted);
    }
}
