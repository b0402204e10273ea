//! Where the objects of a list stand, by what they are looked for.
//!
//! Thousands of subjects share the lists of one case file, and each asks for a few of 150,000 pods: a list is walked
//! once for each way of asking, not once for each question.

use crate::world::object::{controller, list_at, name, namespace, str_at};
use serde_json::Value;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

/// What objects are looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `namespace/name`, see [`key_of`].
    Name,
    /// The namespace.
    Namespace,
    /// The uid of the object itself.
    Uid,
    /// The uid of an owner, be it the controller or not.
    Owner,
    /// The name of the controller.
    Controller,
    /// The node that a pod is bound to; empty for none.
    Node,
    /// The name of the object that an event is about.
    Involved,
}

/// How many ways there are.
const WAYS: usize = By::Involved as usize + 1;

impl By {
    /// Hands over every key that an object is found under.
    fn each_key(self, object: &Value, mut found: impl FnMut(&str)) {
        match self {
            Self::Name => found(&key_of(namespace(object), name(object))),
            Self::Namespace => found(namespace(object)),
            Self::Uid => found(str_at(object, "/metadata/uid")),
            Self::Owner => {
                let owners = list_at(object, "/metadata/ownerReferences").iter();
                owners.map(|owner| str_at(owner, "/uid")).filter(|uid| !uid.is_empty()).for_each(found);
            }
            Self::Controller => {
                if let Some((_, _, owner)) = controller(object) {
                    found(owner);
                }
            }
            Self::Node => found(str_at(object, "/spec/nodeName")),
            Self::Involved => found(str_at(object, "/involvedObject/name")),
        }
    }
}

/// The key of an object for [`By::Name`]; the namespace is empty for cluster-scoped objects.
pub fn key_of(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// Most keys stand for one object or two. A place is a position in the list.
type Places = HashMap<Box<str>, SmallVec<[u32; 4]>>;

/// The indices of one list, each made when it is first asked for. A copy starts without any.
#[derive(Default)]
pub struct Index([OnceLock<Places>; WAYS]);

impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}

impl Index {
    fn places(&self, by: By, items: &[Value]) -> Option<&Places> {
        Some(self.0.get(by as usize)?.get_or_init(|| {
            let mut places = Places::new();
            for (item, place) in items.iter().zip(0u32..) {
                by.each_key(item, |key| match places.get_mut(key) {
                    Some(there) => there.push(place),
                    None => drop(places.insert(key.into(), SmallVec::from_elem(place, 1))),
                });
            }
            places
        }))
    }
}

/// A list that was read, with its indices.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The objects, in the order in which they came.
    pub items: &'a [Value],
    /// The indices of that very list.
    pub index: &'a Index,
}

impl<'a> Listed<'a> {
    /// The objects that have one of these keys, each once, in the order of the list.
    pub fn with_any(self, by: By, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<&'a Value> {
        let Some(all) = self.index.places(by, self.items) else { return Vec::new() };
        let mut places: Vec<u32> = Vec::new();
        for key in keys {
            places.extend(all.get(key.as_ref()).map_or(&[][..], SmallVec::as_slice));
        }
        // Sorted already where there was one key.
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.items.get(usize::try_from(place).ok()?)).collect()
    }

    /// The objects that have this key, in the order of the list.
    pub fn with(self, by: By, key: &str) -> Vec<&'a Value> {
        self.with_any(by, [key])
    }

    /// The first object of this name; the namespace is empty for cluster-scoped objects.
    pub fn named(self, ns: &str, wanted: &str) -> Option<&'a Value> {
        self.with(By::Name, &key_of(ns, wanted)).into_iter().find(|o| name(o) == wanted && namespace(o) == ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(found: Vec<&Value>) -> Vec<&str> {
        found.into_iter().map(name).collect()
    }

    #[test]
    fn objects_are_found_by_each_key_in_the_order_of_the_list() {
        let pod = |ns: &str, name: &str, node: &str, owners: &[&str]| {
            let owners: Vec<Value> =
                owners.iter().map(|uid| json!({"uid": uid, "name": format!("of-{uid}"), "controller": true})).collect();
            json!({"metadata": {"namespace": ns, "name": name, "uid": format!("{ns}-{name}"), "ownerReferences": owners},
                "spec": {"nodeName": node}})
        };
        let items = [
            pod("shop", "c", "n1", &["a", "b"]),
            pod("shop", "a", "n2", &["a", "a"]),
            pod("bank", "c", "n1", &["b", ""]),
            json!({"metadata": {"name": "n1"}, "involvedObject": {"name": "c"}}),
        ];
        let index = Index::default();
        let list = Listed { items: &items, index: &index };
        assert_eq!(names(list.with(By::Namespace, "shop")), ["c", "a"]);
        assert_eq!(names(list.with(By::Namespace, "")), ["n1"]);
        assert_eq!(names(list.with(By::Node, "n1")), ["c", "c"]);
        assert_eq!(names(list.with(By::Node, "")), ["n1"]);
        assert_eq!(names(list.with(By::Owner, "a")), ["c", "a"]);
        assert_eq!(names(list.with_any(By::Owner, ["b", "a", "none"])), ["c", "a", "c"]);
        assert!(list.with(By::Owner, "").is_empty(), "an owner without a uid is nobody's");
        assert_eq!(names(list.with(By::Controller, "of-a")), ["c", "a"]);
        assert_eq!(names(list.with(By::Uid, "bank-c")), ["c"]);
        assert_eq!(names(list.with(By::Involved, "c")), ["n1"]);
        assert_eq!(list.named("bank", "c").map(namespace), Some("bank"));
        assert_eq!(list.named("", "n1").map(name), Some("n1"));
        assert!(list.named("bank", "a").is_none() && list.named("", "c").is_none());
    }

    #[test]
    fn of_two_objects_of_one_name_the_first_is_found_and_a_slash_leads_nobody_astray() {
        let object = |ns: &str, name: &str, n: i64| json!({"metadata": {"namespace": ns, "name": name}, "n": n});
        let items = [object("a/b", "c", 0), object("a", "b/c", 1), object("a", "b/c", 2)];
        let index = Index::default();
        let found = Listed { items: &items, index: &index }.named("a", "b/c");
        assert_eq!(found.and_then(|o| o.get("n")).and_then(Value::as_i64), Some(1));
    }
}
