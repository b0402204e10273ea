//! Labels in the form that filters look at: sorted pairs.

use crate::world::selector::Selector;
use serde_json::Value;

/// The labels of a node, a pod, a volume or a namespace, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Vec<(Box<str>, Box<str>)>);

impl Labels {
    /// From a `metadata.labels` value; values that are not strings read as empty.
    pub fn from_value(labels: Option<&Value>) -> Self {
        let map = labels.and_then(Value::as_object).into_iter().flatten();
        let mut pairs: Vec<(Box<str>, Box<str>)> =
            map.map(|(k, v)| (k.as_str().into(), v.as_str().unwrap_or_default().into())).collect();
        pairs.sort_unstable();
        Self(pairs)
    }

    /// From pairs.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut labels = Self::default();
        for (key, value) in pairs {
            labels.set(key, value);
        }
        labels
    }

    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.binary_search_by(|(k, _)| (**k).cmp(key)).ok().map(|at| &*self.0[at].1)
    }

    /// Sets a label.
    pub fn set(&mut self, key: &str, value: &str) {
        match self.0.binary_search_by(|(k, _)| (**k).cmp(key)) {
            Ok(at) => self.0[at].1 = value.into(),
            Err(at) => self.0.insert(at, (key.into(), value.into())),
        }
    }

    /// Every label, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }

    /// Whether a selector accepts these labels.
    pub fn matched_by(&self, selector: &Selector) -> bool {
        selector.matches_with(|key| self.get(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn look_up_and_set() {
        let mut labels = Labels::from_value(Some(&json!({"z": "1", "a": "2"})));
        assert_eq!((labels.get("a"), labels.get("z"), labels.get("m")), (Some("2"), Some("1"), None));
        labels.set("m", "3");
        labels.set("a", "4");
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "4"), ("m", "3"), ("z", "1")]);
        assert_eq!(labels, Labels::from_pairs([("m", "3"), ("z", "1"), ("a", "4")]));
    }
}
