//! The pod to be placed, and what filters compare of pods that are placed already.

use super::labels::Labels;
use super::node_selector::RequiredNode;
use super::requests::{self, Resources};
use crate::world::object::{int_at, list_at, str_at};
use crate::world::selector::Selector;
use serde_json::Value;

/// A pod as filters see it.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    /// The object itself, for what only one filter reads.
    pub raw: &'a Value,
    /// `metadata.namespace`
    pub namespace: &'a str,
    /// `metadata.name`
    pub name: &'a str,
    /// `metadata.labels`
    pub labels: Labels,
    /// `spec.tolerations`
    pub tolerations: Vec<Toleration>,
    /// Node selector and required node affinity.
    pub required_node: RequiredNode,
    /// Effective requests.
    pub requests: Resources,
    /// Ports wanted on the node itself.
    pub ports: Vec<HostPort>,
    /// Claims by name, in the order of `spec.volumes`.
    pub claims: Vec<ClaimUse<'a>>,
    /// Required pod affinity.
    pub affinity: Vec<AffinityTerm>,
    /// Required pod anti-affinity.
    pub anti_affinity: Vec<AffinityTerm>,
}

impl<'a> Pod<'a> {
    /// Reads a pod object.
    pub fn new(raw: &'a Value) -> Self {
        let namespace = str_at(raw, "/metadata/namespace");
        Self {
            raw,
            namespace,
            name: str_at(raw, "/metadata/name"),
            labels: Labels::from_value(raw.pointer("/metadata/labels")),
            tolerations: list_at(raw, "/spec/tolerations").iter().map(Toleration::from_value).collect(),
            required_node: RequiredNode::from_pod(raw),
            requests: requests::of_new_pod(raw),
            ports: host_ports(raw),
            claims: claims(raw),
            affinity: terms(raw, "/spec/affinity/podAffinity", namespace),
            anti_affinity: terms(raw, "/spec/affinity/podAntiAffinity", namespace),
        }
    }
}

/// Everything of an unplaced pod that decides where it fits and what would help, as text: pods of one shape are judged
/// once.
pub fn shape(pod: &Value) -> String {
    let text = |pointer| pod.pointer(pointer).map(Value::to_string).unwrap_or_default();
    let mut shape = format!(
        "{}\n{}\n{}\n{}\n{}",
        str_at(pod, "/metadata/namespace"),
        text("/metadata/labels"),
        text("/metadata/ownerReferences"),
        text("/spec"),
        text("/status/resourceClaimStatuses")
    );
    // A volume made for the pod bears its name; a nomination closes no room to itself.
    let ephemeral = list_at(pod, "/spec/volumes").iter().any(|v| v.get("ephemeral").is_some_and(|e| !e.is_null()));
    if ephemeral || !str_at(pod, "/status/nominatedNodeName").is_empty() {
        shape.push_str(&format!("\n{}\n{}", str_at(pod, "/metadata/name"), str_at(pod, "/metadata/uid")));
    }
    shape
}

/// How a pod uses a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimUse<'a> {
    /// The volume in the pod.
    pub volume: &'a str,
    /// The claim's name, in the pod's namespace.
    pub claim: String,
    /// Whether the claim is made for this pod (`volumes[].ephemeral`).
    pub ephemeral: bool,
}

/// The claims of a pod. An ephemeral volume's claim is named `<pod>-<volume>` (`component-helpers/storage/ephemeral`).
pub fn claims(pod: &Value) -> Vec<ClaimUse<'_>> {
    let claim = |volume: &'_ Value| -> Option<(String, bool)> {
        let name = str_at(volume, "/name");
        if let Some(claim) = volume.get("persistentVolumeClaim").filter(|c| !c.is_null()) {
            return Some((str_at(claim, "/claimName").to_owned(), false));
        }
        volume.get("ephemeral").filter(|e| !e.is_null())?;
        Some((format!("{}-{name}", str_at(pod, "/metadata/name")), true))
    };
    list_at(pod, "/spec/volumes")
        .iter()
        .filter_map(|v| claim(v).map(|(claim, ephemeral)| ClaimUse { volume: str_at(v, "/name"), claim, ephemeral }))
        .collect()
}

/// A toleration (`k8s.io/api/core/v1/toleration.go`). `tolerationSeconds` plays no part in filtering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    key: String,
    exists: bool,
    known_operator: bool,
    value: String,
    effect: String,
}

impl Toleration {
    /// From an entry of `spec.tolerations`.
    pub fn from_value(toleration: &Value) -> Self {
        let operator = str_at(toleration, "/operator");
        Self {
            key: str_at(toleration, "/key").into(),
            exists: operator == "Exists",
            known_operator: matches!(operator, "" | "Equal" | "Exists"),
            value: str_at(toleration, "/value").into(),
            effect: str_at(toleration, "/effect").into(),
        }
    }

    /// Whether a taint is tolerated. The operators `Gt` and `Lt` are alpha and tolerate nothing here.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && self.known_operator
            && (self.exists || self.value == taint.value)
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// `dedicated`
    pub key: String,
    /// `db`; may be empty.
    pub value: String,
    /// `NoSchedule`, `NoExecute` or `PreferNoSchedule`.
    pub effect: String,
}

impl Taint {
    /// From an entry of `spec.taints`.
    pub fn from_value(taint: &Value) -> Self {
        let text = |pointer| str_at(taint, pointer).to_owned();
        Self { key: text("/key"), value: text("/value"), effect: text("/effect") }
    }

    /// Whether it keeps pods away (`PreferNoSchedule` only makes the node less liked).
    pub fn filters(&self) -> bool {
        matches!(self.effect.as_str(), "NoSchedule" | "NoExecute")
    }
}

/// `dedicated=db:NoSchedule`, as kubectl writes taints.
impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.value.as_str() {
            "" => write!(f, "{}:{}", self.key, self.effect),
            value => write!(f, "{}={value}:{}", self.key, self.effect),
        }
    }
}

/// The first taint that keeps a pod away (`FindMatchingUntoleratedTaint`).
pub fn untolerated<'t>(taints: &'t [Taint], tolerations: &[Toleration]) -> Option<&'t Taint> {
    taints.iter().find(|taint| taint.filters() && !tolerations.iter().any(|t| t.tolerates(taint)))
}

/// A port on the node itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// `0.0.0.0` stands for every address.
    pub ip: Box<str>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Box<str>,
    /// The number, above 0.
    pub port: i64,
}

impl HostPort {
    /// Whether two pods on one node cannot both have these (`framework/types.go` HostPortInfo.CheckConflict).
    pub fn conflicts(&self, other: &HostPort) -> bool {
        const ANY: &str = "0.0.0.0";
        let ip = *self.ip == *ANY || *other.ip == *ANY || self.ip == other.ip;
        ip && self.protocol == other.protocol && self.port == other.port
    }
}

/// The host ports of a pod: of its containers and sidecars, not of plain init containers (`scheduler/util` GetHostPorts).
pub fn host_ports(pod: &Value) -> Vec<HostPort> {
    let sidecars = list_at(pod, "/spec/initContainers").iter().filter(|c| requests::is_sidecar(c));
    let ports = list_at(pod, "/spec/containers").iter().chain(sidecars).flat_map(|c| list_at(c, "/ports"));
    let or = |text: &str, default: &str| if text.is_empty() { default.into() } else { text.into() };
    ports
        .filter_map(|p| int_at(p, "/hostPort").filter(|port| *port > 0).map(|port| (p, port)))
        .map(|(p, port)| HostPort {
            ip: or(str_at(p, "/hostIP"), "0.0.0.0"),
            protocol: or(str_at(p, "/protocol"), "TCP"),
            port,
        })
        .collect()
}

/// One required term of pod affinity or anti-affinity (`framework/types.go` AffinityTerm).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffinityTerm {
    /// Namespaces by name.
    pub namespaces: Vec<String>,
    /// Namespaces by label; `None` selects none.
    pub namespace_selector: Option<Selector>,
    /// Pods by label; `None` selects none.
    pub selector: Option<Selector>,
    /// The node label whose values are the domains.
    pub topology_key: String,
}

impl AffinityTerm {
    /// Whether a pod in a namespace (whose labels a look-up gives) is meant.
    /// The look-up is asked only where a selector of namespaces demands something.
    pub fn matches<'l>(
        &self,
        namespace: &str,
        namespace_labels: impl FnOnce() -> Option<&'l Labels>,
        labels: &Labels,
    ) -> bool {
        let by_name = self.namespaces.iter().any(|n| n == namespace);
        let by_label = || {
            self.namespace_selector
                .as_ref()
                .is_some_and(|s| s.0.is_empty() || namespace_labels().is_some_and(|l| l.matched_by(s)))
        };
        (by_name || by_label()) && self.selector.as_ref().is_some_and(|s| labels.matched_by(s))
    }
}

/// Required terms under `spec.affinity.podAffinity` or `…podAntiAffinity`.
pub fn terms(pod: &Value, pointer: &str, own_namespace: &str) -> Vec<AffinityTerm> {
    let Some(affinity) = pod.pointer(pointer) else { return vec![] };
    let selector = |v: Option<&Value>| v.filter(|v| !v.is_null()).map(Selector::from_value);
    list_at(affinity, "/requiredDuringSchedulingIgnoredDuringExecution")
        .iter()
        .map(|term| {
            let named = list_at(term, "/namespaces").iter().filter_map(Value::as_str).map(Into::into);
            let mut namespaces: Vec<String> = named.collect();
            let namespace_selector = selector(term.get("namespaceSelector"));
            if namespaces.is_empty() && namespace_selector.is_none() {
                namespaces.push(own_namespace.into());
            }
            AffinityTerm {
                namespaces,
                namespace_selector,
                selector: selector(term.get("labelSelector")),
                topology_key: str_at(term, "/topologyKey").into(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_follow_the_api() {
        let taint = Taint { key: "dedicated".into(), value: "db".into(), effect: "NoSchedule".into() };
        let tolerates = |t: Value| Toleration::from_value(&t).tolerates(&taint);
        assert!(tolerates(json!({"key": "dedicated", "value": "db"})));
        assert!(tolerates(json!({"operator": "Exists"})));
        assert!(tolerates(json!({"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"})));
        assert!(!tolerates(json!({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"})));
        assert!(!tolerates(json!({"key": "dedicated", "value": "web"})));
        assert!(!tolerates(json!({"key": "dedicated", "operator": "Gt", "value": "db"})));
        assert_eq!(taint.to_string(), "dedicated=db:NoSchedule");
    }

    #[test]
    fn host_ports_conflict_by_address_protocol_and_number() {
        let port = |ip: &str, protocol: &str, port| HostPort { ip: ip.into(), protocol: protocol.into(), port };
        let any = port("0.0.0.0", "TCP", 80);
        assert!(any.conflicts(&port("10.0.0.1", "TCP", 80)) && port("10.0.0.1", "TCP", 80).conflicts(&any));
        assert!(!port("10.0.0.2", "TCP", 80).conflicts(&port("10.0.0.1", "TCP", 80)));
        assert!(!any.conflicts(&port("0.0.0.0", "UDP", 80)));
    }
}
