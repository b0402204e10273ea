//! Objects as they come over the wire, reduced to what rows need: borrowed from the bytes they stand in, everything
//! else skipped without an allocation, `null` taken as absent.

use serde::Deserialize as Derive;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::fmt;

/// Text that borrows wherever it holds no escape, also inside collections; `null` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsText;
        impl<'de> Visitor<'de> for AsText {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.into())))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(AsText)
    }
}

/// A map of texts, in the order of the wire; `null` is empty.
#[derive(Clone, Debug, Default)]
pub struct Pairs<'a>(pub SmallVec<[(Text<'a>, Text<'a>); 8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsPairs<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for AsPairs<'a> {
            type Value = Pairs<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of texts")
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Pairs::default();
                while let Some(entry) = map.next_entry()? {
                    pairs.0.push(entry);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_any(AsPairs(std::marker::PhantomData))
    }
}

/// `null` as the default.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An object of which only the metadata matters.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
pub struct Partial<'a> {
    /// `metadata`
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Meta<'a>,
}

/// `metadata`
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)] // the fields of ObjectMeta
pub struct Meta<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub namespace: Text<'a>,
    #[serde(borrow)]
    pub uid: Text<'a>,
    #[serde(borrow)]
    pub resource_version: Text<'a>,
    #[serde(borrow)]
    pub creation_timestamp: Text<'a>,
    #[serde(borrow)]
    pub deletion_timestamp: Text<'a>,
    #[serde(borrow)]
    pub labels: Pairs<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub owner_references: SmallVec<[Owner<'a>; 1]>,
}

/// One of `metadata.ownerReferences`.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Owner<'a> {
    #[serde(borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub controller: bool,
}

/// A pod.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Pod<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub metadata: Meta<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub spec: PodSpec<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub status: PodStatus<'a>,
}

/// `spec` of a pod.
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct PodSpec<'a> {
    #[serde(borrow)]
    pub node_name: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub init_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub ephemeral_containers: Vec<Container<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub resources: Resources<'a>,
}

/// A container of a pod's `spec`.
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Container<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub image: Text<'a>,
    #[serde(borrow)]
    pub restart_policy: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub resources: Resources<'a>,
}

/// `resources` of a container.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Resources<'a> {
    #[serde(borrow, deserialize_with = "nullable")]
    pub requests: Requests<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub limits: Requests<'a>,
}

/// The amounts that rows show.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Requests<'a> {
    #[serde(borrow)]
    pub cpu: Quantity<'a>,
    #[serde(borrow)]
    pub memory: Quantity<'a>,
}

/// A quantity: text, or a bare number as YAML authors like to write.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Quantity<'a> {
    Text(Text<'a>),
    Number(f64),
}

impl Default for Quantity<'_> {
    fn default() -> Self {
        Quantity::Text(Text::default())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Quantity<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsQuantity;
        impl<'de> Visitor<'de> for AsQuantity {
            type Value = Quantity<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Quantity::Text(Text(Cow::Borrowed(text))))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Quantity::Text(Text(Cow::Owned(text.into()))))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Quantity::Number(number as f64))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Quantity::Number(number as f64))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Quantity::Number(number))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Quantity::default())
            }
        }
        deserializer.deserialize_any(AsQuantity)
    }
}

/// `status` of a pod.
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct PodStatus<'a> {
    #[serde(borrow)]
    pub phase: Text<'a>,
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(rename = "podIP", borrow)]
    pub pod_ip: Text<'a>,
    #[serde(borrow)]
    pub qos_class: Text<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub conditions: Vec<Condition<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub init_container_statuses: Vec<ContainerStatus<'a>>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub ephemeral_container_statuses: Vec<ContainerStatus<'a>>,
}

/// A condition.
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Condition<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(borrow)]
    pub last_transition_time: Text<'a>,
}

/// How a container is.
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct ContainerStatus<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub ready: bool,
    #[serde(deserialize_with = "nullable")]
    pub started: bool,
    #[serde(deserialize_with = "nullable")]
    pub restart_count: i64,
    #[serde(borrow, deserialize_with = "nullable")]
    pub state: ContainerState<'a>,
    #[serde(borrow, deserialize_with = "nullable")]
    pub last_state: ContainerState<'a>,
}

/// What a container does, or did.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ContainerState<'a> {
    #[serde(borrow)]
    pub waiting: Option<Waiting<'a>>,
    pub running: Option<Running>,
    #[serde(borrow)]
    pub terminated: Option<Terminated<'a>>,
}

/// A container that waits.
#[derive(Derive, Clone, Debug, Default)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Waiting<'a> {
    #[serde(borrow)]
    pub reason: Text<'a>,
}

/// A container that runs.
#[derive(Derive, Clone, Copy, Debug, Default)]
pub struct Running {}

/// A container that has ended.
#[derive(Derive, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Terminated<'a> {
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(deserialize_with = "nullable")]
    pub exit_code: i32,
    #[serde(deserialize_with = "nullable")]
    pub signal: i32,
    #[serde(borrow)]
    pub finished_at: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_borrow_unless_escaped() {
        let json = r#"{"metadata": {"name": "web", "labels": {"a": "b", "c\u0041": "d\n"}, "ownerReferences": [{"kind": "Job"}]}}"#;
        let partial: Partial = serde_json::from_str(json).unwrap();
        let (labels, owners) = (&partial.metadata.labels.0, &partial.metadata.owner_references);
        assert!(matches!(partial.metadata.name.0, Cow::Borrowed("web")));
        assert!(matches!(labels[0].0.0, Cow::Borrowed("a")) && matches!(labels[0].1.0, Cow::Borrowed("b")));
        assert!(matches!(&labels[1].0.0, Cow::Owned(key) if key == "cA"));
        assert!(matches!(owners[0].kind.0, Cow::Borrowed("Job")));
    }

    #[test]
    fn null_is_absent_everywhere() {
        let json = r#"{"metadata": {"name": null, "labels": null, "ownerReferences": null}, "spec": {"containers": null, "initContainers": null},
            "status": {"conditions": null, "containerStatuses": [{"name": "a", "started": null, "state": null, "lastState": {"terminated": null}}]}}"#;
        let pod: Pod = serde_json::from_str(json).unwrap();
        assert!(pod.spec.containers.is_empty() && pod.metadata.name.is_empty());
        assert!(serde_json::from_str::<Pod>(r#"{"metadata": null, "spec": null, "status": null}"#).is_ok());
    }
}
