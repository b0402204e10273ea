//! Label and field selectors of lists and watches.

use crate::sim::http::Query;
use crate::sim::store::{Failure, Stored};
use crate::world::object::Resource;
use crate::world::selector::Selector;
use serde_json::Value;

/// Which objects a list or watch is about.
#[derive(Clone, Debug, Default)]
pub struct Select {
    labels: Option<Selector>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug)]
struct FieldTerm {
    pointer: String,
    equal: bool,
    value: String,
}

impl Select {
    /// Reads `labelSelector` and `fieldSelector`; `name` is that of a watch on one object, or `""`.
    ///
    /// # Errors
    /// 400 for a selector that cannot be read, or a field that the kind does not support.
    pub fn parse(query: &Query, kind: &Resource, name: &str) -> Result<Self, Failure> {
        let labels = match query.get("labelSelector") {
            "" => None,
            text => Some(
                Selector::parse(text)
                    .map_err(|why| Failure::bad_request(format!("unable to parse requirement: {why}")))?,
            ),
        };
        let terms = split_terms(query.get("fieldSelector"));
        let mut fields = terms.iter().map(|term| field_term(term, kind)).collect::<Result<Vec<_>, _>>()?;
        if !name.is_empty() {
            fields.push(FieldTerm { pointer: "/metadata/name".into(), equal: true, value: name.into() });
        }
        Ok(Self { labels, fields })
    }

    /// Whether it lets everything through.
    pub fn is_all(&self) -> bool {
        self.labels.is_none() && self.fields.is_empty()
    }

    /// Whether an object is meant.
    pub fn matches(&self, stored: &Stored) -> bool {
        self.is_all() || self.matches_value(&stored.value())
    }

    /// Whether an object is meant that is not kept.
    pub fn matches_value(&self, object: &Value) -> bool {
        self.labels.as_ref().is_none_or(|labels| labels.matches(object.pointer("/metadata/labels")))
            && self.fields.iter().all(|term| (field(object, &term.pointer) == term.value) == term.equal)
    }
}

fn split_terms(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|term| !term.is_empty()).map(Into::into).collect()
}

fn field_term(term: &str, kind: &Resource) -> Result<FieldTerm, Failure> {
    let split = term
        .split_once("!=")
        .map(|(path, value)| (path, false, value))
        .or_else(|| term.split_once("==").or_else(|| term.split_once('=')).map(|(path, value)| (path, true, value)));
    let (path, equal, value) =
        split.ok_or_else(|| Failure::bad_request(format!("invalid selector: '{term}'; can't understand '{term}'")))?;
    if !supported(kind, path) {
        return Err(Failure::bad_request(format!("field label not supported: {path}")));
    }
    Ok(FieldTerm { pointer: format!("/{}", path.replace('.', "/")), equal, value: value.replace('\\', "") })
}

/// Which fields a kind can be selected by (`pkg/apis/*/v1/conversion.go`, AddFieldLabelConversionsFor…).
fn supported(kind: &Resource, path: &str) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return true;
    }
    let more: &[&str] = match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    };
    more.contains(&path)
}

/// A field as the selector compares it: text, with false for a boolean that is not set.
fn field(object: &Value, pointer: &str) -> String {
    let found = match pointer {
        "/status/successful" => object.pointer("/status/succeeded"),
        "/source" => object.pointer("/source/component"),
        "/status/podIPs" => object.pointer("/status/podIPs/0/ip"),
        _ => object.pointer(pointer),
    };
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => match pointer {
            "/spec/unschedulable" | "/spec/hostNetwork" => "false".into(),
            "/status/replicas" | "/status/successful" => "0".into(),
            _ => String::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::store::builtin_kinds;
    use serde_json::json;

    fn select(plural: &str, query: &str) -> Result<Select, Failure> {
        let kind = builtin_kinds().into_iter().find(|kind| kind.id.plural == plural).unwrap();
        Select::parse(&Query::parse(query), &kind, "")
    }

    #[test]
    fn fields_are_compared_as_text() {
        let pod = Stored::new(
            json!({"metadata": {"name": "web"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}),
        );
        let matches = |query| select("pods", query).unwrap().matches(&pod);
        assert!(matches("fieldSelector=spec.nodeName%3Dn1,status.phase!%3DFailed"));
        assert!(!matches("fieldSelector=spec.nodeName==n2"));
        assert!(matches("fieldSelector=spec.hostNetwork=false"));
        assert!(matches("labelSelector=!app") && !matches("labelSelector=app"));
    }

    #[test]
    fn unsupported_fields_are_refused() {
        let refused = select("pods", "fieldSelector=spec.foo%3Dn1").unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (400, "field label not supported: spec.foo"));
        assert_eq!(select("pods", "fieldSelector=spec").unwrap_err().code, 400);
        assert_eq!(select("pods", "labelSelector=a%20in%20b").unwrap_err().code, 400);
    }
}
