//! Names of kinds and objects: [`ResourceId`], [`Resource`], [`ObjectRef`], and reading fields of raw objects.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A kind of object as the API path names it: group (empty for core) and plural, without a version.
///
/// Printed and parsed the way `kubectl` does: `pods`, `deployments.apps`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural, lower case, as in the URL: `pods`.
    pub plural: String,
}

impl ResourceId {
    /// A resource of a named group (`""` for core).
    pub fn new(group: &str, plural: &str) -> Self {
        Self { group: group.into(), plural: plural.into() }
    }

    /// A resource of the core group.
    pub fn core(plural: &str) -> Self {
        Self::new("", plural)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.plural),
            group => write!(f, "{}.{group}", self.plural),
        }
    }
}

/// A kind as discovery describes it (`APIResource` of `meta/v1` and the aggregated discovery document).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Group and plural.
    pub id: ResourceId,
    /// Preferred version, `v1`.
    pub version: String,
    /// Kind in CamelCase, `Pod`.
    pub kind: String,
    /// `pod`; may be empty in old discovery documents.
    pub singular: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// `po`, …
    pub short_names: Vec<String>,
    /// `get`, `list`, `watch`, …
    pub verbs: Vec<String>,
}

impl Resource {
    /// `v1` for core, `apps/v1` otherwise: the value of `apiVersion`.
    pub fn api_version(&self) -> String {
        match self.id.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The URL path of the collection: `/api/v1/namespaces/shop/pods`, without a query.
    /// `namespace` is ignored for cluster-scoped kinds; `None` means all namespaces.
    pub fn collection_path(&self, namespace: Option<&str>) -> String {
        let root = match self.id.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            Some(ns) if self.namespaced && !ns.is_empty() => format!("{root}/namespaces/{ns}/{}", self.id.plural),
            _ => format!("{root}/{}", self.id.plural),
        }
    }

    /// The URL path of one object. `namespace` is ignored for cluster-scoped kinds.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(Some(namespace)))
    }

    /// Whether discovery lists the verb.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// One object, by kind and name; what evidence lines, fixes and journal records point at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub struct ObjectRef {
    /// API group; empty for core.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// `Pod`, `Deployment`, …
    pub kind: String,
    /// Empty for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
}

impl ObjectRef {
    /// A reference from its parts; `namespace` empty for cluster-scoped objects.
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    /// The reference to a raw object, from its `apiVersion`, `kind` and `metadata`.
    pub fn of(object: &Value) -> Self {
        let api = str_at(object, "/apiVersion");
        let group = api.split_once('/').map_or("", |(group, _)| group);
        Self::new(
            group,
            str_at(object, "/kind"),
            str_at(object, "/metadata/namespace"),
            str_at(object, "/metadata/name"),
        )
    }
}

/// `Pod shop/web-1`, `Node n4`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            ns => write!(f, "{} {ns}/{}", self.kind, self.name),
        }
    }
}

/// The value at a JSON pointer (RFC 6901). Finds what [`Value::pointer`] finds, which makes two strings for each step on
/// the way.
pub fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return object.pointer(pointer);
    }
    let mut steps = pointer.split('/');
    // Whatever does not begin with a slash is no pointer; the empty one points at the whole.
    steps.next().filter(|before| before.is_empty())?;
    steps.try_fold(object, |value, step| match value {
        Value::Object(map) => map.get(step),
        // `+1` and `01` are numbers to `parse`, and no index.
        Value::Array(_) if step.starts_with('+') || (step.len() > 1 && step.starts_with('0')) => None,
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The string at a JSON pointer, `""` where there is none.
pub fn str_at<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The array at a JSON pointer, empty where there is none or it is null.
pub fn list_at<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The integer at a JSON pointer.
pub fn int_at(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// The boolean at a JSON pointer, `false` where there is none.
pub fn bool_at(object: &Value, pointer: &str) -> bool {
    at(object, pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// `metadata.name`
pub fn name(object: &Value) -> &str {
    str_at(object, "/metadata/name")
}

/// `metadata.namespace`, empty for cluster-scoped objects.
pub fn namespace(object: &Value) -> &str {
    str_at(object, "/metadata/namespace")
}

/// The owner with `controller: true`, as (apiVersion, kind, name).
pub fn controller(object: &Value) -> Option<(&str, &str, &str)> {
    list_at(object, "/metadata/ownerReferences")
        .iter()
        .find(|owner| bool_at(owner, "/controller"))
        .map(|owner| (str_at(owner, "/apiVersion"), str_at(owner, "/kind"), str_at(owner, "/name")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_follow_group_and_scope() {
        let deploy = Resource {
            id: ResourceId::new("apps", "deployments"),
            version: "v1".into(),
            kind: "Deployment".into(),
            singular: "deployment".into(),
            namespaced: true,
            short_names: vec!["deploy".into()],
            verbs: vec!["list".into()],
        };
        assert_eq!(deploy.collection_path(Some("shop")), "/apis/apps/v1/namespaces/shop/deployments");
        assert_eq!(deploy.collection_path(None), "/apis/apps/v1/deployments");
        assert_eq!(deploy.object_path("shop", "web"), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(deploy.api_version(), "apps/v1");
        assert_eq!(deploy.id.to_string(), "deployments.apps");
    }

    #[test]
    fn a_pointer_finds_what_the_library_finds() {
        let object = json!({"a": {"b/c": 1, "m~n": 2, "": 3, "0": 4}, "l": [{"x": 5}, 6], "s": "t", "": {"": 7}});
        let pointers = [
            "",
            "/",
            "//",
            "/a",
            "a",
            "/a/",
            "/a/0",
            "/a/b~1c",
            "/a/m~0n",
            "/l/0/x",
            "/l/1",
            "/l/2",
            "/l/-",
            "/l/+1",
            "/l/01",
            "/l/00",
            "/l/",
            "/s/t",
            "/s",
            "/s/",
            "/a/none/x",
            "l/0",
        ];
        for pointer in pointers {
            assert_eq!(at(&object, pointer), object.pointer(pointer), "{pointer}");
        }
        assert_eq!(at(&object, "/l/0/x").and_then(Value::as_i64), Some(5));
    }

    #[test]
    fn references_come_from_raw_objects() {
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}});
        assert_eq!(ObjectRef::of(&object).to_string(), "Deployment shop/web");
        assert_eq!(ObjectRef::of(&object).group, "apps");
    }
}
