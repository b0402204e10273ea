//! Which containers a log window reads: found anew whenever pods change, so that new ones join.

use crate::effect::logs::LogSource;
use crate::kinds::relations::Pods;
use crate::world::fleet::{ClusterId, Fleet};
use crate::world::glob::shell;
use crate::world::object::ResourceId;
use crate::world::pod::ContainerRow;
use crate::world::row::{Body, Row};
use crate::world::selector::Selector;

/// Labels that end the name of a ReplicaSet behind the name of what owns it (Deployments; Argo Rollouts).
const HASHES: [&str; 2] = ["pod-template-hash", "rollouts-pod-template-hash"];

/// A test for the pods of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// One pod.
    Pod { namespace: String, name: String },
    /// Those that belong to an object that is kept.
    Pods(Pods),
    /// Those of a workload that is known by name only (an Application's resource): told by their owner.
    Workload { namespace: String, kind: String, name: String },
    /// Those with labels, in namespaces (names or patterns; empty: all).
    Labels { namespaces: Vec<String>, selector: Selector },
}

impl Pick {
    fn has(&self, row: &Row) -> bool {
        let home = &*row.meta.namespace;
        match self {
            Self::Pod { namespace, name } => row.meta.name == **name && home == namespace,
            Self::Pods(pods) => pods.has(row),
            Self::Workload { namespace, kind, name } => home == namespace && is_of(row, kind, name),
            Self::Labels { namespaces, selector } => {
                (namespaces.is_empty() || namespaces.iter().any(|pattern| shell(pattern, home)))
                    && selector.matches_with(|key| row.meta.label(key))
            }
        }
    }

    /// The namespaces to look into; empty: all.
    pub fn namespaces(&self) -> Vec<String> {
        match self {
            Self::Pod { namespace, .. } | Self::Workload { namespace, .. } => vec![namespace.clone()],
            Self::Pods(Pods::Selected { namespace, .. } | Pods::OwnedBy { namespace, .. }) => vec![namespace.clone()],
            Self::Pods(Pods::OnNode(_)) => vec![],
            Self::Labels { namespaces, .. } => namespaces.clone(),
        }
    }
}

/// Whether a pod belongs to a workload, told by the name of its owner: a Deployment's ReplicaSets are called after it and
/// the hash of the template, a CronJob's Jobs after it and the minute.
fn is_of(row: &Row, kind: &str, name: &str) -> bool {
    if kind == "Pod" {
        return row.meta.name == name;
    }
    let Some(owner) = &row.meta.owner else { return false };
    if *owner.kind == *kind {
        return *owner.name == *name;
    }
    let Some(rest) = owner.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')) else { return false };
    match (kind, &*owner.kind) {
        ("Deployment" | "Rollout", "ReplicaSet") => HASHES.iter().any(|key| row.meta.label(key) == Some(rest)),
        ("CronJob", "Job") => !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// Whether pods of this kind of object can be told by its name.
pub fn is_workload(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" | "Rollout" | "Pod")
}

/// What a window reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The pods, cluster by cluster; one that several of these name is read once.
    pub picks: Vec<(ClusterId, Pick)>,
    /// Only the container of this name.
    pub container: Option<String>,
}

/// A container of the selection as it stands.
pub struct Found<'a> {
    /// It.
    pub source: LogSource,
    /// Its pod.
    pub row: &'a Row,
    /// Itself.
    pub container: &'a ContainerRow,
}

impl Selection {
    /// Clusters that are read.
    pub fn clusters(&self) -> Vec<ClusterId> {
        let mut all: Vec<ClusterId> = self.picks.iter().map(|(cluster, _)| *cluster).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Namespaces that are read; empty: all.
    pub fn namespaces(&self) -> Vec<String> {
        let each: Vec<Vec<String>> = self.picks.iter().map(|(_, pick)| pick.namespaces()).collect();
        if each.iter().any(Vec::is_empty) {
            return vec![];
        }
        let mut all: Vec<String> = each.into_iter().flatten().collect();
        all.sort();
        all.dedup();
        all
    }

    /// The containers there are now: by cluster and pod, application containers first.
    pub fn containers<'a>(&self, fleet: &'a Fleet) -> Vec<Found<'a>> {
        let mut found = vec![];
        for cluster in self.clusters() {
            let Some(table) = fleet.shards.get(usize::from(cluster.0)).and_then(|s| s.table(&ResourceId::core("pods")))
            else {
                continue;
            };
            let picks: Vec<&Pick> = self.picks.iter().filter(|(id, _)| *id == cluster).map(|(_, pick)| pick).collect();
            let mut rows: Vec<&Row> =
                table.rows().map(|(_, row)| row).filter(|row| picks.iter().any(|pick| pick.has(row))).collect();
            rows.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
            found.extend(rows.into_iter().flat_map(|row| of_pod(cluster, row)));
        }
        found.retain(|one| self.container.as_ref().is_none_or(|name| *name == one.source.container));
        found
    }
}

/// Application containers first: they are what one wants to read.
fn of_pod(cluster: ClusterId, row: &Row) -> Vec<Found<'_>> {
    let Body::Pod(pod) = &row.body else { return vec![] };
    let (init, main): (Vec<_>, Vec<_>) = pod.containers.iter().partition(|c| c.init);
    let source = |name: &str| LogSource {
        cluster,
        namespace: row.meta.namespace.to_string(),
        pod: row.meta.name.to_string(),
        container: name.to_string(),
    };
    main.into_iter().chain(init).map(|c| Found { source: source(&c.name), row, container: c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixture::{EU, Stage, US, owned, pod};
    use std::sync::Arc;

    fn labelled(mut row: Row, labels: &[(&str, &str)]) -> Row {
        let mut labels: Vec<_> = labels.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v))).collect();
        labels.sort();
        row.meta.labels = labels.into();
        row
    }

    #[test]
    fn workloads_are_told_by_owners() {
        let web = labelled(pod("web-66c8-x", "shop", "Running", 1, 1, "n1"), &[("pod-template-hash", "66c8")]);
        assert!(is_of(&web, "Deployment", "web"));
        assert!(!is_of(&web, "Deployment", "we") && !is_of(&web, "StatefulSet", "web"));
        let other = labelled(pod("web-api-66c8-x", "shop", "Running", 1, 1, "n1"), &[("pod-template-hash", "66c8")]);
        assert!(!is_of(&other, "Deployment", "web"), "a longer name is another workload");
        let db = owned(pod("db-0", "db", "Running", 1, 1, "n1"), "StatefulSet", "db");
        assert!(is_of(&db, "StatefulSet", "db"));
        let run = owned(pod("backup-28912345-x", "db", "Completed", 0, 1, "n1"), "Job", "backup-28912345");
        assert!(is_of(&run, "CronJob", "backup") && is_of(&run, "Job", "backup-28912345"));
        assert!(is_of(&db, "Pod", "db-0"));
    }

    #[test]
    fn a_selection_reads_pods_of_several_clusters_once() {
        let stage = Stage::live(80, 24);
        let labels = Pick::Labels { namespaces: vec!["sh*".into()], selector: Selector::parse("app=web").unwrap() };
        let one = Pick::Pod { namespace: "shop".into(), name: "web-66c8-9mxrt".into() };
        let picks = vec![(EU, labels.clone()), (US, labels), (EU, one)];
        let selection = Selection { picks, container: None };
        let names: Vec<String> =
            selection.containers(&stage.state.fleet).iter().map(|found| found.source.to_string()).collect();
        assert_eq!(names, ["web-66c8-9mxrt/app", "web-66c8-kkgnx/app"]);
        assert_eq!(selection.namespaces(), ["sh*", "shop"]);
        let none = Selection { container: Some("sidecar".into()), ..selection };
        assert!(none.containers(&stage.state.fleet).is_empty());
    }
}
