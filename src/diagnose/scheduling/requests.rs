//! What a pod asks for and what a node has, in the units that the scheduler compares.
//!
//! Source: `k8s.io/component-helpers/resource/helpers.go` (PodRequests, AggregateContainerRequests) and
//! `pkg/scheduler/framework/types.go` (Resource.Add, PodInfo.CalculateResource) of Kubernetes 1.36.

use crate::world::object::{list_at, str_at};
use crate::world::quantity::{Quantity, human_bytes, human_cpu};
use serde_json::Value;
use smallvec::SmallVec;

/// Amounts of resources. CPU in thousandths of a core, memory and ephemeral storage in bytes, the rest in whole units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral: i64,
    /// `pods`, of a node's allocatable only.
    pub pods: i64,
    /// Extended resources, huge pages and attachable volumes, by name.
    pub scalar: Vec<(Box<str>, i64)>,
}

impl Resources {
    /// From a map of quantities as in `status.allocatable`.
    pub fn from_value(map: Option<&Value>) -> Self {
        let mut sum = Sum::default();
        sum.add(map);
        sum.resources()
    }

    /// The amount of a resource by its name; 0 where it is not there.
    pub fn get(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral,
            "pods" => self.pods,
            _ => self.scalar.iter().find(|(n, _)| **n == *name).map_or(0, |(_, amount)| *amount),
        }
    }

    /// Adds another set of amounts to this one.
    pub fn add(&mut self, other: &Resources) {
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.memory = self.memory.saturating_add(other.memory);
        self.ephemeral = self.ephemeral.saturating_add(other.ephemeral);
        for (name, amount) in &other.scalar {
            match self.scalar.iter_mut().find(|(n, _)| n == name) {
                Some((_, sum)) => *sum = sum.saturating_add(*amount),
                None => self.scalar.push((name.clone(), *amount)),
            }
        }
    }

    /// Takes another set of amounts away from this one.
    pub fn subtract(&mut self, other: &Resources) {
        self.cpu = self.cpu.saturating_sub(other.cpu);
        self.memory = self.memory.saturating_sub(other.memory);
        self.ephemeral = self.ephemeral.saturating_sub(other.ephemeral);
        for (name, amount) in &other.scalar {
            if let Some((_, sum)) = self.scalar.iter_mut().find(|(n, _)| n == name) {
                *sum = sum.saturating_sub(*amount);
            }
        }
    }

    /// The names of what is asked for, in the scheduler's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let base = [("cpu", self.cpu), ("memory", self.memory), ("ephemeral-storage", self.ephemeral)];
        let scalar = self.scalar.iter().map(|(name, amount)| (&**name, *amount));
        base.into_iter().chain(scalar).filter(|(_, amount)| *amount != 0).map(|(name, _)| name)
    }
}

/// An amount of a resource for people: `500m`, `1.2Gi`, `2`.
pub fn human(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" => human_cpu(amount),
        "memory" | "ephemeral-storage" => human_bytes(amount),
        name if name.starts_with("hugepages-") => human_bytes(amount),
        _ => amount.to_string(),
    }
}

/// Exact sums of quantities by name.
#[derive(Clone, Default)]
struct Sum<'a>(SmallVec<[(&'a str, i128); 4]>);

impl<'a> Sum<'a> {
    fn slot(&mut self, name: &'a str) -> &mut i128 {
        let at = self.0.iter().position(|(n, _)| *n == name).unwrap_or_else(|| {
            self.0.push((name, 0));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    fn add(&mut self, map: Option<&'a Value>) {
        for (name, amount) in quantities(map) {
            *self.slot(name) += amount;
        }
    }

    fn add_sum(&mut self, other: &Sum<'a>) {
        for (name, amount) in &other.0 {
            *self.slot(name) += amount;
        }
    }

    fn max(&mut self, other: &Sum<'a>) {
        for (name, amount) in &other.0 {
            let slot = self.slot(name);
            *slot = (*slot).max(*amount);
        }
    }

    fn max_map(&mut self, map: Option<&'a Value>) {
        let mut other = Sum::default();
        other.add(map);
        self.max(&other);
    }

    fn resources(self) -> Resources {
        let mut out = Resources::default();
        for (name, amount) in self.0 {
            let quantity = Quantity(amount);
            match name {
                "cpu" => out.cpu = quantity.milli(),
                "memory" => out.memory = quantity.units(),
                "ephemeral-storage" => out.ephemeral = quantity.units(),
                "pods" => out.pods = quantity.units(),
                _ if is_scalar(name) => out.scalar.push((name.into(), quantity.units())),
                _ => {}
            }
        }
        out
    }
}

/// `pkg/scheduler/util/utils.go` IsScalarResourceName.
fn is_scalar(name: &str) -> bool {
    name.contains('/') || name.starts_with("hugepages-") || name.starts_with("attachable-volumes-")
}

/// Resources that `spec.resources` of a pod may set (`resource.IsSupportedPodLevelResource`).
fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || name.starts_with("hugepages-")
}

fn quantities(map: Option<&Value>) -> impl Iterator<Item = (&str, i128)> {
    map.and_then(Value::as_object).into_iter().flatten().filter_map(|(name, value)| {
        let quantity = match value {
            Value::String(text) => Quantity::parse(text),
            Value::Number(number) => Quantity::parse(&number.to_string()),
            _ => None,
        };
        Some((name.as_str(), quantity?.0))
    })
}

/// What a pod needs in order to be placed, from its spec alone.
pub fn of_new_pod(pod: &Value) -> Resources {
    pod_requests(pod, false)
}

/// What a placed pod occupies: during a resize the larger of what it asks, what it was allocated and what runs.
pub fn of_running_pod(pod: &Value) -> Resources {
    pod_requests(pod, true)
}

fn pod_requests(pod: &Value, use_status: bool) -> Resources {
    let mut all = Sum::default();
    for container in list_at(pod, "/spec/containers") {
        all.add_sum(&container_requests(pod, container, "/status/containerStatuses", use_status));
    }
    let (mut sidecars, mut peak) = (Sum::default(), Sum::default());
    for init in list_at(pod, "/spec/initContainers") {
        let sidecar = is_sidecar(init);
        let mut own = container_requests(pod, init, "/status/initContainerStatuses", use_status && sidecar);
        if sidecar {
            all.add_sum(&own);
            sidecars.add_sum(&own);
            peak.max(&sidecars);
        } else {
            own.add_sum(&sidecars);
            peak.max(&own);
        }
    }
    all.max(&peak);
    for (name, amount) in quantities(pod.pointer("/spec/resources/requests")).filter(|(name, _)| is_pod_level(name)) {
        *all.slot(name) = amount;
    }
    all.add(pod.pointer("/spec/overhead"));
    all.resources()
}

/// Whether an init container keeps running beside the others.
pub fn is_sidecar(init: &Value) -> bool {
    str_at(init, "/restartPolicy") == "Always"
}

fn container_requests<'a>(pod: &'a Value, container: &'a Value, statuses: &str, use_status: bool) -> Sum<'a> {
    let mut sum = Sum::default();
    let status = use_status
        .then(|| list_at(pod, statuses).iter().find(|s| str_at(s, "/name") == str_at(container, "/name")))
        .flatten()
        .filter(|status| status.get("resources").is_some_and(|r| !r.is_null()));
    let Some(status) = status else {
        sum.add(container.pointer("/resources/requests"));
        return sum;
    };
    if !resize_infeasible(pod) {
        sum.add(container.pointer("/resources/requests"));
    }
    sum.max_map(status.pointer("/resources/requests"));
    sum.max_map(status.get("allocatedResources"));
    sum
}

fn resize_infeasible(pod: &Value) -> bool {
    list_at(pod, "/status/conditions")
        .iter()
        .any(|c| str_at(c, "/type") == "PodResizePending" && str_at(c, "/reason") == "Infeasible")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sidecar_counts_for_the_sum_and_for_later_init_containers() {
        let pod = json!({"spec": {
            "initContainers": [
                {"name": "a", "resources": {"requests": {"cpu": "900m"}}},
                {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "200m"}}},
                {"name": "b", "resources": {"requests": {"cpu": "1"}}}],
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "300m", "memory": "1Gi"}}}],
            "overhead": {"memory": "1Ki"}}});
        let need = of_new_pod(&pod);
        assert_eq!((need.cpu, need.memory), (1_200, (1 << 30) + 1_024));
    }

    #[test]
    fn pod_level_requests_replace_and_overhead_adds() {
        let pod = json!({"spec": {"resources": {"requests": {"cpu": "2"}}, "overhead": {"cpu": "100m"},
            "containers": [{"resources": {"requests": {"cpu": "5", "example.com/fpga": 2}}}]}});
        let need = of_new_pod(&pod);
        assert_eq!((need.cpu, need.get("example.com/fpga")), (2_100, 2));
    }

    #[test]
    fn a_resize_counts_the_largest_unless_it_is_infeasible() {
        let mut pod = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]},
            "status": {"containerStatuses": [{"name": "c", "resources": {"requests": {"cpu": "1"}}, "allocatedResources": {"cpu": "2"}}]}});
        assert_eq!(of_running_pod(&pod).cpu, 3_000);
        pod["status"]["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
        assert_eq!(of_running_pod(&pod).cpu, 2_000);
        assert_eq!(of_new_pod(&pod).cpu, 3_000);
    }
}
