//! The rows of one cluster by who owns them, by name, by node: made once for a tree, in one pass.

use crate::kinds::{self, ingresses};
use crate::world::fleet::{Shard, Table};
use crate::world::object::{ObjectRef, ResourceId, list_at, str_at};
use crate::world::row::{Body, Cell, Row, Tone};
use std::collections::HashMap;

/// Kinds with a pod template.
const TEMPLATES: [(&str, &str); 5] = [
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];

/// Namespace, kind and name of an owner.
type Owner<'a> = (&'a str, &'a str, &'a str);

/// What belongs to what.
pub struct Kin<'a> {
    shard: &'a Shard,
    owned: HashMap<Owner<'a>, Vec<(&'a ResourceId, &'a Row)>>,
    pods: HashMap<(&'a str, &'a str), &'a Row>,
}

impl<'a> Kin<'a> {
    /// Looks at every row once.
    pub fn new(shard: &'a Shard) -> Self {
        let mut kin = Self { shard, owned: HashMap::new(), pods: HashMap::new() };
        for (id, table) in shard.tables() {
            let pods = *id == ResourceId::core("pods");
            for (_, row) in table.rows() {
                if let Some(owner) = &row.meta.owner {
                    let key = (&*row.meta.namespace, &*owner.kind, &*owner.name);
                    kin.owned.entry(key).or_default().push((id, row));
                }
                if pods {
                    kin.pods.insert((&*row.meta.namespace, row.meta.name.as_str()), row);
                }
            }
        }
        kin
    }

    /// What an object owns: kind by kind, ReplicaSets and Jobs newest first (those that are over last), the rest by
    /// name.
    pub fn owned(&self, namespace: &str, kind: &str, name: &str) -> Vec<(&'a ResourceId, &'a Row)> {
        let mut found = self.owned.get(&(namespace, kind, name)).cloned().unwrap_or_default();
        found.sort_by(|(a, x), (b, y)| {
            let newest = matches!(a.plural.as_str(), "replicasets" | "jobs");
            let age = if newest { y.meta.created.cmp(&x.meta.created) } else { std::cmp::Ordering::Equal };
            let over = |row: &Row| newest && is_over(row);
            a.cmp(b).then(over(x).cmp(&over(y))).then(age).then_with(|| x.meta.name.cmp(&y.meta.name))
        });
        found
    }

    /// A pod by name.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&'a Row> {
        self.pods.get(&(namespace, name)).copied()
    }

    /// The pods of a namespace.
    pub fn pods(&self, namespace: &str) -> Vec<&'a Row> {
        let mut found: Vec<&Row> =
            self.pods.iter().filter(|((ns, _), _)| *ns == namespace).map(|(_, row)| *row).collect();
        found.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        found
    }

    /// The pods on a node.
    pub fn on_node(&self, node: &str) -> Vec<&'a Row> {
        let here = |row: &&Row| matches!(&row.body, Body::Pod(pod) if *pod.node == *node);
        let mut found: Vec<&Row> = self.pods.values().copied().filter(here).collect();
        found.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
        found
    }

    /// The topmost owner of a row that is known: of a pod its Deployment, not its ReplicaSet.
    pub fn top(&self, row: &Row) -> Option<ObjectRef> {
        let namespace = &row.meta.namespace;
        let mut owner = row.meta.owner.clone()?;
        for middle in ["replicasets", "jobs"] {
            let table = self
                .table(middle)
                .filter(|_| kinds::TABLE.iter().any(|k| k.plural == middle && *k.kind == *owner.kind));
            if let Some(above) =
                table.and_then(|t| t.find(namespace, &owner.name)).and_then(|row| row.meta.owner.clone())
            {
                owner = above;
            }
        }
        let served = self.shard.catalog.iter().find(|r| r.kind == *owner.kind).map(|r| r.id.group.as_str());
        let own = || kinds::TABLE.iter().find(|kind| kind.kind == &*owner.kind).map(|kind| kind.group);
        let group = served.or_else(own).unwrap_or_default();
        let namespace = if &*owner.kind == "Node" { "" } else { &**namespace };
        Some(ObjectRef::new(group, &owner.kind, namespace, &owner.name))
    }

    /// Every object with a pod template in a namespace.
    pub fn templates(&self, namespace: &str) -> Vec<(&'a ResourceId, &'a Row)> {
        let tables = self.shard.tables().filter(|(id, _)| TEMPLATES.contains(&(id.group.as_str(), id.plural.as_str())));
        let rows = tables.flat_map(|(id, table)| table.rows().map(move |(_, row)| (id, row)));
        rows.filter(|(_, row)| *row.meta.namespace == *namespace).collect()
    }

    /// The Ingresses that take their certificate from a Secret, and for which hosts.
    pub fn ingresses_with(&self, namespace: &str, secret: &ObjectRef) -> Vec<(ObjectRef, String)> {
        let Some(table) = self.shard.table(&ingresses::KIND.id()).filter(|_| secret.kind == "Secret") else {
            return vec![];
        };
        let mut found = vec![];
        for (_, row) in table.rows().filter(|(_, row)| *row.meta.namespace == *namespace) {
            let value = row.raw.value().unwrap_or_default();
            let uses = list_at(&value, "/spec/tls").iter().any(|tls| str_at(tls, "/secretName") == secret.name);
            if uses {
                let object = ObjectRef::new("networking.k8s.io", "Ingress", namespace, &row.meta.name);
                found.push((object, "tls".to_string()));
            }
        }
        found.sort();
        found
    }

    fn table(&self, plural: &str) -> Option<&'a Table> {
        let kind = kinds::TABLE.iter().find(|kind| kind.plural == plural)?;
        self.shard.table(&kind.id())
    }
}

/// Scaled to nothing, or finished.
pub fn is_over(row: &Row) -> bool {
    let none = matches!(&row.body, Body::Cells(cells) if cells.first() == Some(&Cell::Int(0)));
    none || row.tone == Tone::Done
}
