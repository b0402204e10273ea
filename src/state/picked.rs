//! The objects that an action is about: what is marked, or under the cursor, or what the screen is about.

use super::State;
use super::command::kind_of;
use super::list::ListOf;
use super::nav::View;
use super::problems::Problem;
use crate::kinds::{self, Can, Opens};
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, ResourceId};
use crate::world::row::Row;

/// One object, with what is needed to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Whose.
    pub cluster: ClusterId,
    /// Its kind as a path names it.
    pub resource: ResourceId,
    /// It.
    pub object: ObjectRef,
}

impl Picked {
    /// Whether something can be done to its kind.
    pub fn can(&self, can: Can) -> bool {
        kinds::of(&self.resource).is_some_and(|kind| kind.can.contains(&can))
    }

    /// Where Enter leads.
    pub fn opens(&self) -> Opens {
        kinds::of(&self.resource).map_or(Opens::Describe, |kind| kind.opens)
    }

    /// Its row.
    pub fn row<'a>(&self, state: &'a State) -> Option<&'a Row> {
        state.fleet.shard(self.cluster).table(&self.resource)?.find(&self.object.namespace, &self.object.name)
    }
}

impl State {
    /// The object under the cursor, or the one the screen is about.
    pub fn picked(&self) -> Option<Picked> {
        let screen = self.nav.top();
        match &screen.view {
            View::Table(table) => {
                let (cluster, row) = table.row(&self.fleet)?;
                Some(self.pick_row(cluster, &table.resource, row))
            }
            View::List(list) => match &list.of {
                ListOf::Containers { cluster, namespace, pod } => Some(Picked {
                    cluster: *cluster,
                    resource: ResourceId::core("pods"),
                    object: ObjectRef::new("", "Pod", namespace, pod),
                }),
                ListOf::Managed { cluster, .. } => {
                    let key = self.list_key()?;
                    let mut parts = key.split('|');
                    let mut part = || parts.next().unwrap_or_default();
                    let (group, kind, namespace, name) = (part(), part(), part(), part());
                    let object = ObjectRef::new(group, kind, namespace, name);
                    let resource = super::command::resource_of(self, &object)?;
                    Some(Picked { cluster: *cluster, resource, object })
                }
                _ => None,
            },
            View::Tree(tree) => {
                let line = tree.line()?;
                let resource = super::command::resource_of(self, &line.object)?;
                Some(Picked { cluster: line.cluster, resource, object: line.object.clone() })
            }
            View::Text(text) => {
                Some(Picked { cluster: text.cluster, resource: text.resource.clone()?, object: text.object.clone() })
            }
            View::Logs(_) | View::Operation(_) => None,
        }
    }

    /// The marked objects, or the one under the cursor.
    pub fn picked_all(&self) -> Vec<Picked> {
        if let View::Table(table) = &self.nav.top().view
            && !table.marks.is_empty()
        {
            // In the order of the table; marked rows that the filter hides come last.
            let mut rows: Vec<(ClusterId, &Row)> = table
                .marks
                .iter()
                .filter_map(|(cluster, uid)| {
                    let rows = self.fleet.shard(*cluster).table(&table.resource)?;
                    Some((*cluster, rows.row(rows.slot(*uid)?)?))
                })
                .collect();
            rows.sort_by(|(a, x), (b, y)| {
                (a, &x.meta.namespace, &x.meta.name).cmp(&(b, &y.meta.namespace, &y.meta.name))
            });
            return rows.into_iter().map(|(cluster, row)| self.pick_row(cluster, &table.resource, row)).collect();
        }
        self.picked().into_iter().collect()
    }

    /// Key of the row under the cursor of the list in view.
    pub fn list_key(&self) -> Option<String> {
        let screen = self.nav.top();
        let View::List(list) = &screen.view else { return None };
        let listing = list.listing(self, &screen.scope);
        let at = match &list.selected {
            Some(key) => listing.selectable().position(|row| row.key == *key).unwrap_or(list.cursor.at),
            None => 0,
        };
        let last = listing.selectable().count().saturating_sub(1);
        listing.selectable().nth(at.min(last)).map(|row| row.key.clone())
    }

    /// The problem under the cursor, on the lists that have any.
    pub fn problem(&self) -> Option<&Problem> {
        let View::List(list) = &self.nav.top().view else { return None };
        if !matches!(list.of, ListOf::Fleet | ListOf::Problems) {
            return None;
        }
        let key = self.list_key()?;
        self.problems.list.iter().find(|problem| problem.key == key)
    }

    fn pick_row(&self, cluster: ClusterId, resource: &ResourceId, row: &Row) -> Picked {
        let (kind, _) = kind_of(self, resource);
        let object = ObjectRef::new(&resource.group, &kind, &row.meta.namespace, &row.meta.name);
        Picked { cluster, resource: resource.clone(), object }
    }
}
