//! Node selector terms: what node affinity of pods and of volumes is written in.
//!
//! Source: `k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go`. Terms are alternatives; a term
//! wants all of its expressions and fields; an empty term, or an empty list of terms, matches nothing.

use super::labels::Labels;
use crate::world::object::list_at;
use crate::world::selector::{Op, Requirement, Selector};
use serde_json::Value;

/// Alternatives of conditions on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTerms(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    labels: Selector,
    fields: Vec<Requirement>,
}

impl Term {
    fn from_value(term: &Value) -> Self {
        let requirements = |pointer| list_at(term, pointer).iter().map(Requirement::from_value).collect();
        Self { labels: Selector(requirements("/matchExpressions")), fields: requirements("/matchFields") }
    }

    fn is_empty(&self) -> bool {
        self.labels.0.is_empty() && self.fields.is_empty()
    }

    fn matches(&self, name: &str, labels: &Labels) -> bool {
        let field = |r: &Requirement| r.key == "metadata.name" && r.matches(Some(name));
        !self.is_empty() && labels.matched_by(&self.labels) && self.fields.iter().all(field)
    }

    /// The node names that the term's fields allow, where it speaks of names at all.
    fn names(&self) -> Option<Vec<&str>> {
        let mut names: Option<Vec<&str>> = None;
        for field in self.fields.iter().filter(|f| f.key == "metadata.name") {
            let Op::In(set) = &field.op else { continue };
            names = Some(match names {
                None => set.iter().map(String::as_str).collect(),
                Some(before) => before.into_iter().filter(|n| set.iter().any(|s| s == n)).collect(),
            });
        }
        names
    }
}

impl NodeTerms {
    /// From a `NodeSelector` object (`{nodeSelectorTerms: […]}`).
    pub fn from_value(selector: &Value) -> Self {
        Self(list_at(selector, "/nodeSelectorTerms").iter().map(Term::from_value).collect())
    }

    /// Whether any term accepts a node of this name and these labels.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.0.iter().any(|term| term.matches(name, labels))
    }

    /// The only node names that the terms allow, where every term names nodes (NodeAffinity's PreFilter).
    pub fn names(&self) -> Option<Vec<&str>> {
        let mut all = vec![];
        for term in &self.0 {
            all.extend(term.names()?);
        }
        (!self.0.is_empty()).then_some(all)
    }
}

/// What a pod demands of its node by `nodeSelector` and required node affinity: both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredNode {
    /// `spec.nodeSelector`
    pub selector: Selector,
    /// `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution`
    pub terms: Option<NodeTerms>,
}

impl RequiredNode {
    /// From a pod.
    pub fn from_pod(pod: &Value) -> Self {
        let terms = pod.pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
        Self {
            selector: pod.pointer("/spec/nodeSelector").map(Selector::from_map).unwrap_or_default(),
            terms: terms.filter(|t| !t.is_null()).map(NodeTerms::from_value),
        }
    }

    /// Whether the pod demands nothing.
    pub fn is_empty(&self) -> bool {
        self.selector.0.is_empty() && self.terms.is_none()
    }

    /// Whether a node satisfies `nodeSelector`.
    pub fn selector_matches(&self, labels: &Labels) -> bool {
        labels.matched_by(&self.selector)
    }

    /// Whether a node satisfies both.
    pub fn matches(&self, name: &str, labels: &Labels) -> bool {
        self.selector_matches(labels) && self.terms.as_ref().is_none_or(|t| t.matches(name, labels))
    }
}

/// Renders a node selector requirement for people: `topology.kubernetes.io/zone in (eu-1a, eu-1b)`.
pub fn describe(requirement: &Requirement) -> String {
    let key = &requirement.key;
    match &requirement.op {
        Op::In(values) if values.len() == 1 => format!("{key}={}", values[0]),
        Op::In(values) => format!("{key} in ({})", values.join(", ")),
        Op::NotIn(values) => format!("{key} not in ({})", values.join(", ")),
        Op::Exists => format!("{key} present"),
        Op::DoesNotExist => format!("{key} absent"),
        Op::Gt(n) => format!("{key} > {n}"),
        Op::Lt(n) => format!("{key} < {n}"),
        Op::Never => format!("{key} (a condition that nothing can meet)"),
    }
}

/// Renders a NodeSelector for people: terms are alternatives, all conditions of a term must hold.
pub fn describe_terms(selector: &Value) -> String {
    let term = |term: &Value| {
        let conditions = ["/matchExpressions", "/matchFields"].iter().flat_map(|at| list_at(term, at));
        conditions.map(|c| describe(&Requirement::from_value(c))).collect::<Vec<_>>().join(" and ")
    };
    list_at(selector, "/nodeSelectorTerms").iter().map(term).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_terms_match_nothing() {
        let labels = Labels::from_pairs([("zone", "a")]);
        assert!(!NodeTerms::from_value(&json!({"nodeSelectorTerms": []})).matches("n1", &labels));
        assert!(!NodeTerms::from_value(&json!({"nodeSelectorTerms": [{}]})).matches("n1", &labels));
        let not_in = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "NotIn", "values": ["x"]}]}]});
        assert!(NodeTerms::from_value(&not_in).matches("n1", &labels));
    }

    #[test]
    fn names_are_known_only_where_every_term_names_nodes() {
        let field = |name: &str| json!({"key": "metadata.name", "operator": "In", "values": [name]});
        let both =
            json!({"nodeSelectorTerms": [{"matchFields": [field("n1")]}, {"matchFields": [field("n2"), field("n3")]}]});
        assert_eq!(NodeTerms::from_value(&both).names(), Some(vec!["n1"]));
        let open = json!({"nodeSelectorTerms": [{"matchFields": [field("n1")]}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]});
        assert_eq!(NodeTerms::from_value(&open).names(), None);
    }
}
