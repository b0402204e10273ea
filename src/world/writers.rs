//! Who wrote which field of an object: `metadata.managedFields`, read the way the API server keeps it
//! (structured-merge-diff, `fieldpath/serialize-pe.go`).

use super::object::{list_at, str_at};
use super::time::Time;
use serde_json::Value;
use std::fmt;

/// One step to a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A field of an object.
    Key(String),
    /// An item of a list: its position, and the item, by whose keys the API server may know it.
    Item(usize, Value),
}

/// The way to a field.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// A way through fields only: `["spec", "replicas"]`.
    pub fn keys(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).into())).collect())
    }

    /// The way to a field of what is here.
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// The way to an item of the list here.
    pub fn item(&self, index: usize, item: &Value) -> Self {
        self.with(Step::Item(index, item.clone()))
    }

    fn with(&self, step: Step) -> Self {
        let mut all = self.clone();
        all.0.push(step);
        all
    }

    /// Whether the way begins with these fields.
    pub fn starts_with(&self, keys: &[&str]) -> bool {
        self.0.len() >= keys.len()
            && self.0.iter().zip(keys).all(|(step, key)| matches!(step, Step::Key(name) if name == key))
    }

    /// The name of the last field.
    pub fn last_key(&self) -> &str {
        self.0
            .iter()
            .rev()
            .find_map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Item(..) => None,
            })
            .unwrap_or_default()
    }
}

/// `spec.template.spec.containers[app].image`, `spec.rules[0].host`
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if key.contains(['.', '/']) => write!(f, "[{key}]")?,
                Step::Key(key) if n == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(index, item) => match str_at(item, "/name") {
                    "" => write!(f, "[{index}]")?,
                    name => write!(f, "[{name}]")?,
                },
            }
        }
        Ok(())
    }
}

/// What kind of writer a field manager is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Argo CD applying what is in git.
    Argo,
    /// A person's tool, the web interface of Argo CD included.
    Person,
    /// Any other program.
    Program,
}

/// Field managers of tools that people work with; a name that begins so counts.
const TOOLS: &[&str] = &[
    "kubectl",
    "k9s",
    "kokpit",
    "argocd-server",
    "lens",
    "freelens",
    "node-fetch",
    "headlamp",
    "dashboard",
    "mozilla",
    "rancher",
    "octant",
    "oc",
    "helm",
    "curl",
    "python-requests",
    "openapi-generator",
    "terraform",
    "ansible",
];

/// What a field manager's name tells about it.
pub fn by(manager: &str) -> By {
    let lower = manager.to_lowercase();
    match () {
        _ if TOOLS
            .iter()
            .any(|tool| lower.strip_prefix(tool).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))) =>
        {
            By::Person
        }
        _ if lower.starts_with("argocd-") => By::Argo,
        _ => By::Program,
    }
}

/// One entry of `metadata.managedFields`.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager's name.
    pub manager: &'a str,
    /// `status`, `scale`, or empty.
    pub subresource: &'a str,
    /// When it last changed something; a scale leaves none.
    pub time: Option<Time>,
    fields: &'a Value,
}

/// The writers of an object.
pub fn writers(object: &Value) -> impl Iterator<Item = Writer<'_>> {
    list_at(object, "/metadata/managedFields").iter().map(|entry| Writer {
        manager: str_at(entry, "/manager"),
        subresource: str_at(entry, "/subresource"),
        time: Time::parse(str_at(entry, "/time")),
        fields: entry.get("fieldsV1").unwrap_or(&Value::Null),
    })
}

impl Writer<'_> {
    /// Whether it wrote a field, or something beneath it.
    pub fn owns(&self, path: &Path) -> bool {
        let mut at = self.fields;
        for step in &path.0 {
            if at.as_object().is_some_and(|fields| fields.is_empty()) {
                return true;
            }
            let Some(below) = child(at, step) else { return false };
            at = below;
        }
        !at.is_null()
    }

    /// Whether it wrote what people set: anything but status and bookkeeping.
    pub fn wrote_wishes(&self) -> bool {
        let top = |key: &str| self.fields.get(key).is_some();
        self.subresource != "status"
            && ["f:spec", "f:data", "f:stringData", "f:webhooks", "f:rules"].iter().any(|k| top(k))
    }

    /// The fields that it wrote, dotted, without items of lists: `spec.source.targetRevision`.
    pub fn fields(&self) -> Vec<String> {
        let (mut found, mut open) = (Vec::new(), vec![(String::new(), self.fields)]);
        while let Some((path, at)) = open.pop() {
            let below = at.as_object().into_iter().flatten();
            let below: Vec<_> = below.filter_map(|(key, value)| Some((key.strip_prefix("f:")?, value))).collect();
            if below.is_empty() && !path.is_empty() {
                found.push(path);
                continue;
            }
            open.extend(
                below.into_iter().map(|(key, value)| {
                    (if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }, value)
                }),
            );
        }
        found.sort();
        found
    }

    /// `kubectl-edit`, `kubectl (scale)`
    pub fn in_words(&self) -> String {
        match self.subresource {
            "" => self.manager.to_owned(),
            sub => format!("{} ({sub})", self.manager),
        }
    }
}

/// The part of a field set beneath a step: `f:name` for a field, `k:{…}` for an item known by keys, `v:…` for a value.
fn child<'a>(fields: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(key) => fields.get(format!("f:{key}")),
        Step::Item(index, item) => fields.as_object()?.iter().find(|(key, _)| names(key, *index, item)).map(|(_, v)| v),
    }
}

fn names(key: &str, index: usize, item: &Value) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    match key.split_once(':') {
        Some(("k", keys)) => json(keys).is_some_and(|keys| {
            keys.as_object().is_some_and(|keys| keys.iter().all(|(name, value)| item.get(name) == Some(value)))
        }),
        Some(("v", value)) => json(value).is_some_and(|value| value == *item),
        Some(("i", number)) => number.parse() == Ok(index),
        _ => false,
    }
}

/// The one who wrote a field last; Argo CD only where nobody else did.
pub fn writer_of<'a>(object: &'a Value, path: &Path) -> Option<Writer<'a>> {
    writers(object).filter(|w| w.owns(path)).max_by_key(|w| (by(w.manager) != By::Argo, w.time))
}

/// Who changed an object last, and when; its status and its scale aside.
pub fn last_change(object: &Value) -> Option<(&str, Time)> {
    let own = writers(object).filter(|w| w.subresource.is_empty());
    own.filter_map(|w| Some((w.manager, w.time?))).max_by_key(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment() -> Value {
        json!({"metadata": {"managedFields": [
            {"manager": "argocd-controller", "operation": "Apply", "time": "2026-03-01T10:00:00Z", "fieldsV1": {"f:spec": {
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}, "f:args": {}}}}}}}},
            {"manager": "kubectl", "subresource": "scale", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-03-01T11:00:00Z", "fieldsV1": {"f:spec": {
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}}},
            {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}},
        ]}})
    }

    #[test]
    fn a_field_has_its_writer() {
        let object = deployment();
        let container = Path::keys(&["spec", "template", "spec", "containers"]).item(0, &json!({"name": "app"}));
        let who = |path: &Path| writer_of(&object, path).map(|w| w.in_words());
        assert_eq!(who(&container.key("image")).as_deref(), Some("kubectl-edit"));
        assert_eq!(
            who(&container.key("args").item(0, &json!("x"))).as_deref(),
            Some("argocd-controller"),
            "atomic list"
        );
        assert_eq!(who(&Path::keys(&["spec", "replicas"])).as_deref(), Some("kubectl (scale)"));
        assert_eq!(who(&container.key("env")), None);
        assert_eq!(container.key("image").to_string(), "spec.template.spec.containers[app].image");
    }

    #[test]
    fn tools_and_controllers_are_told_apart() {
        for (manager, wanted) in [
            ("kubectl-edit", By::Person),
            ("kubectl", By::Person),
            ("argocd-server", By::Person),
            ("Mozilla", By::Person),
            ("argocd-controller", By::Argo),
            ("argocd-application-controller", By::Argo),
            ("kube-controller-manager", By::Program),
            ("ocean-controller", By::Program),
            ("vpa-recommender", By::Program),
        ] {
            assert_eq!(by(manager), wanted, "{manager}");
        }
    }
}
