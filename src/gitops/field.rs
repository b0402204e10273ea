//! Field paths: where in an object a value stands, the same for the live object and for its manifest.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    /// The value of a key.
    Key(String),
    /// The list item whose `name` is this (`containers`, `env`, `volumes` … are lists keyed by name).
    Item {
        /// Value of the item's `name`.
        name: String,
    },
    /// The list item at a position, from 0.
    Index(usize),
}

/// A path from the root of an object to a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct FieldPath(pub Vec<Segment>);

impl FieldPath {
    /// A path of keys.
    pub fn keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(|k| Segment::Key(k.into())).collect())
    }

    /// This path and one more key.
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    /// This path and the item of this name.
    pub fn item(mut self, name: &str) -> Self {
        self.0.push(Segment::Item { name: name.into() });
        self
    }

    /// An annotation.
    pub fn annotation(key: &str) -> Self {
        Self::keys(["metadata", "annotations", key])
    }

    /// The value at this path.
    pub fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, segment| segment.of(value))
    }

    /// Puts a value at this path, making the mappings on the way that are missing. `false` when a list item is missing
    /// or something on the way is not a mapping.
    pub fn set(&self, object: &mut Value, new: Value) -> bool {
        let Some((last, way)) = self.0.split_last() else { return false };
        let mut place = object;
        for segment in way {
            let next = match segment {
                Segment::Key(key) => {
                    let Some(map) = mapping(place) else { return false };
                    Some(map.entry(key.as_str()).or_insert(Value::Null))
                }
                item => item.of_mut(place),
            };
            let Some(next) = next else { return false };
            place = next;
        }
        match last {
            Segment::Key(key) => mapping(place).map(|map| map.insert(key.clone(), new)).is_some(),
            item => item.of_mut(place).map(|value| *value = new).is_some(),
        }
    }

    /// Takes the value at this path out, together with the mappings that would be left empty. `false` when there is none.
    pub fn remove(&self, object: &mut Value) -> bool {
        if self.get(object).is_none() {
            return false;
        }
        let path = self.pruned(object);
        let Some((Segment::Key(key), way)) = path.0.split_last() else { return false };
        let mut place = object;
        for segment in way {
            let Some(next) = segment.of_mut(place) else { return false };
            place = next;
        }
        place.as_object_mut().is_some_and(|map| map.shift_remove(key).is_some())
    }

    /// The path to take out so that no empty mapping is left: an empty `spec:` would be null to Kubernetes.
    pub fn pruned(&self, object: &Value) -> FieldPath {
        let mut path = self.0.clone();
        while path.len() > 1 {
            let parent = FieldPath(path[..path.len() - 1].to_vec());
            let alone = parent.get(object).and_then(Value::as_object).is_some_and(|map| map.len() == 1);
            if !alone || !matches!(parent.0.last(), Some(Segment::Key(_))) {
                break;
            }
            path = parent.0;
        }
        FieldPath(path)
    }

    /// A JSON merge patch (RFC 7396) that sets this field; `None` when the path goes through a list, which a merge patch
    /// cannot address.
    pub fn merge_patch(&self, new: Value) -> Option<Value> {
        self.0.iter().rev().try_fold(new, |value, segment| match segment {
            Segment::Key(key) => Some(Value::Object(Map::from_iter([(key.clone(), value)]))),
            _ => None,
        })
    }
}

/// The mapping in a value; null becomes one.
fn mapping(value: &mut Value) -> Option<&mut Map<String, Value>> {
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut()
}

impl Segment {
    fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Segment::Key(key) => value.as_object()?.get(key),
            Segment::Index(i) => value.as_array()?.get(*i),
            Segment::Item { .. } => value.as_array()?.get(self.position(value)?),
        }
    }

    fn of_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Segment::Key(key) => value.as_object_mut()?.get_mut(key),
            Segment::Index(i) => value.as_array_mut()?.get_mut(*i),
            Segment::Item { .. } => {
                let i = self.position(value)?;
                value.as_array_mut()?.get_mut(i)
            }
        }
    }

    /// The position in a list that this segment names.
    pub fn position(&self, list: &Value) -> Option<usize> {
        match self {
            Segment::Key(_) => None,
            Segment::Index(i) => Some(*i),
            Segment::Item { name } => {
                list.as_array()?.iter().position(|item| item.get("name").and_then(Value::as_str) == Some(name))
            }
        }
    }
}

/// `spec.template.spec.containers[web].resources.limits.memory`, `metadata.annotations["kokpit.dev/op"]`.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if key.contains(['.', '/']) => write!(f, "[{key:?}]")?,
                Segment::Key(key) if i == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Item { name } => write!(f, "[{name}]")?,
                Segment::Index(i) => write!(f, "[{i}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn limits() -> FieldPath {
        FieldPath::keys(["spec", "containers"]).item("web").key("limits").key("memory")
    }

    #[test]
    fn paths_print_as_people_write_them() {
        assert_eq!(limits().to_string(), "spec.containers[web].limits.memory");
        assert_eq!(FieldPath::annotation("kokpit.dev/op").to_string(), "metadata.annotations[\"kokpit.dev/op\"]");
    }

    #[test]
    fn values_are_read_set_and_removed() {
        let mut object = json!({"spec": {"containers": [{"name": "side"}, {"name": "web", "limits": null}]}});
        assert_eq!(limits().get(&object), None);
        assert!(limits().set(&mut object, json!("1Gi")));
        assert_eq!(limits().get(&object), Some(&json!("1Gi")));
        assert!(limits().remove(&mut object));
        assert_eq!(
            object,
            json!({"spec": {"containers": [{"name": "side"}, {"name": "web"}]}}),
            "no empty limits left"
        );
        assert!(!limits().remove(&mut object));
        assert!(!FieldPath::keys(["spec", "containers"]).item("gone").key("x").set(&mut object, json!(1)));
    }

    #[test]
    fn only_mappings_that_would_be_empty_go() {
        let mut object = json!({"metadata": {"name": "n"}, "spec": {"unschedulable": true}});
        assert!(FieldPath::keys(["spec", "unschedulable"]).remove(&mut object));
        assert_eq!(object, json!({"metadata": {"name": "n"}}));
    }

    #[test]
    fn paths_survive_the_journal() {
        let text = serde_json::to_string(&limits()).unwrap();
        assert_eq!(serde_json::from_str::<FieldPath>(&text).unwrap(), limits());
    }

    #[test]
    fn merge_patches_nest() {
        let patch = FieldPath::keys(["spec", "unschedulable"]).merge_patch(Value::Null);
        assert_eq!(patch, Some(json!({"spec": {"unschedulable": null}})));
        assert_eq!(limits().merge_patch(json!(1)), None);
    }
}
