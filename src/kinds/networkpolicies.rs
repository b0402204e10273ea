//! NetworkPolicies (`printers.go`, printNetworkPolicy).

use super::cells::{joined, text};
use super::{Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{list_at, str_at};
use crate::world::row::{Cell, Tone};
use serde_json::Value;

/// NetworkPolicies.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    plural: "networkpolicies",
    kind: "NetworkPolicy",
    short: &["netpol"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("POD-SELECTOR", Source::Object(selector)),
        Column::new(
            "TYPES",
            Source::Object(|policy| joined(list_at(policy, "/spec/policyTypes").iter().filter_map(Value::as_str))),
        ),
        Column::new("AGE", Source::Age).right(),
    ],
    tone: |_| Tone::Ok,
    can: &[],
    opens: Opens::Describe,
};

/// As `metav1.FormatLabelSelector` writes it; a policy without a selector is for every pod of its namespace.
fn selector(policy: &Value) -> Cell {
    let labels = policy.pointer("/spec/podSelector/matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<String> = labels.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    for expression in list_at(policy, "/spec/podSelector/matchExpressions") {
        let values: Vec<&str> = list_at(expression, "/values").iter().filter_map(Value::as_str).collect();
        let (key, values) = (str_at(expression, "/key"), values.join(","));
        parts.push(match str_at(expression, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            other => format!("{key} {other} {values}"),
        });
    }
    text(if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") })
}
