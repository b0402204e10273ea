//! What a node still has: cpu, memory, pods, other resources, host ports.

use super::filters::Refusal;
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts by resource: cpu in thousandths, everything else in whole units.
pub type Amounts = BTreeMap<String, i64>;

/// What a node has and what its pods have asked for.
#[derive(Debug)]
pub struct Room {
    allocatable: Amounts,
    asked: Amounts,
    pods: i64,
    ports: Vec<(String, String, i64)>,
}

impl Room {
    /// An empty node.
    pub fn of(node: &Value) -> Self {
        let allocatable = node.pointer("/status/allocatable").map(amounts).unwrap_or_default();
        Self { allocatable, asked: Amounts::new(), pods: 0, ports: Vec::new() }
    }

    /// Takes a pod in.
    pub fn take(&mut self, pod: &Value) {
        add(&mut self.asked, &requests(pod));
        self.pods += 1;
        self.ports.extend(host_ports(pod));
    }

    /// `NodeResourcesFit`: every resource that is short is named.
    pub fn fits(&self, pod: &Value) -> Result<(), Refusal> {
        let has = |r: &str| self.allocatable.get(r).copied().unwrap_or(0);
        if self.pods + 1 > has("pods") {
            return Err(Refusal::soft("Too many pods"));
        }
        let need = requests(pod);
        let free = |r: &str| has(r) - self.asked.get(r).copied().unwrap_or(0);
        let short: Vec<&String> = need.iter().filter(|(r, n)| **n > 0 && **n > free(r)).map(|(r, _)| r).collect();
        if short.is_empty() {
            return Ok(());
        }
        let resolvable = short.iter().all(|r| need[*r] <= has(r));
        Err(Refusal { reasons: short.into_iter().map(|r| format!("Insufficient {r}")).collect(), resolvable })
    }

    /// `NodePorts`: 0.0.0.0 collides with every address.
    pub fn ports_free(&self, pod: &Value) -> Result<(), Refusal> {
        let any = |ip: &str| ip == "0.0.0.0";
        let taken = |(ip, protocol, port): &(String, String, i64)| {
            self.ports.iter().any(|(i, pr, p)| p == port && pr == protocol && (i == ip || any(i) || any(ip)))
        };
        match host_ports(pod).iter().any(taken) {
            true => Err(Refusal::soft("node(s) didn't have free ports for the requested pod ports")),
            false => Ok(()),
        }
    }

    /// The smaller share of cpu and memory that is left once the pod is here, in percent.
    pub fn left_percent(&self, pod: &Value) -> i64 {
        let need = requests(pod);
        let left = |r: &str| {
            let has = self.allocatable.get(r).copied().unwrap_or(0).max(1);
            let asked = self.asked.get(r).copied().unwrap_or(0) + need.get(r).copied().unwrap_or(0);
            ((has - asked) as f64 / has as f64 * 100.0) as i64
        };
        left("cpu").min(left("memory"))
    }
}

/// A map of quantities as amounts.
fn amounts(map: &Value) -> Amounts {
    let read = |r: &str, v: &Value| {
        let text = v.as_str().map_or_else(|| v.to_string(), str::to_string);
        let quantity = Quantity::parse(&text)?;
        Some(if r == "cpu" { quantity.milli() } else { quantity.units() })
    };
    map.as_object().into_iter().flatten().filter_map(|(r, v)| Some((r.clone(), read(r, v)?))).collect()
}

fn add(to: &mut Amounts, more: &Amounts) {
    for (resource, n) in more {
        *to.entry(resource.clone()).or_default() += n;
    }
}

fn max(to: &mut Amounts, other: &Amounts) {
    for (resource, n) in other {
        let at = to.entry(resource.clone()).or_default();
        *at = (*at).max(*n);
    }
}

/// What a pod asks for: containers and sidecars together, or the largest init step if that is more, plus overhead
/// (`component-helpers/resource/helpers.go`, PodRequests).
pub fn requests(pod: &Value) -> Amounts {
    let of = |c: &Value| c.pointer("/resources/requests").map(amounts).unwrap_or_default();
    let mut sum = Amounts::new();
    list_at(pod, "/spec/containers").iter().for_each(|c| add(&mut sum, &of(c)));
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for init in list_at(pod, "/spec/initContainers") {
        let mut step = sidecars.clone();
        add(&mut step, &of(init));
        if str_at(init, "/restartPolicy") == "Always" {
            add(&mut sum, &of(init));
            sidecars = step.clone();
        }
        max(&mut peak, &step);
    }
    max(&mut sum, &peak);
    if let Some(overhead) = pod.pointer("/spec/overhead") {
        add(&mut sum, &amounts(overhead));
    }
    sum
}

fn host_ports(pod: &Value) -> Vec<(String, String, i64)> {
    let host_network = bool_at(pod, "/spec/hostNetwork");
    let ports = list_at(pod, "/spec/containers").iter().flat_map(|c| list_at(c, "/ports"));
    let or = |text: &str, default: &str| if text.is_empty() { default.to_string() } else { text.to_string() };
    ports
        .filter_map(|p| {
            let port = int_at(p, "/hostPort").or(int_at(p, "/containerPort").filter(|_| host_network))?;
            (port > 0).then(|| (or(str_at(p, "/hostIP"), "0.0.0.0"), or(str_at(p, "/protocol"), "TCP"), port))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn init_containers_count_by_their_peak() {
        let c = |m: &str| json!({"resources": {"requests": {"memory": m}}});
        let mut sidecar = c("1Gi");
        sidecar["restartPolicy"] = json!("Always");
        let pod = json!({"spec": {"containers": [c("2Gi")], "initContainers": [sidecar, c("4Gi")], "overhead": {"memory": "1Gi"}}});
        assert_eq!(
            requests(&pod)["memory"],
            6 << 30,
            "sidecar 1 + init 4, more than sidecar 1 + app 2; plus overhead 1"
        );
    }
}
