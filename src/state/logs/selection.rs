//! Which containers a log window reads: found anew whenever pods change, so that new ones join.

use crate::effect::logs::LogSource;
use crate::kinds::relations::Pods;
use crate::world::fleet::{ClusterId, Fleet, Shard};
use crate::world::glob::shell;
use crate::world::object::ResourceId;
use crate::world::pod::{ContainerRow, Role};
use crate::world::row::{Body, Owner, Row};
use crate::world::selector::Selector;
use std::collections::HashMap;

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

/// The Jobs of a cluster, by namespace and name, and the CronJob that made each (empty: none).
type Runs<'a> = HashMap<(&'a str, &'a str), &'a str>;

impl Pick {
    fn has(&self, row: &Row, runs: &Runs) -> bool {
        let home = &*row.meta.namespace;
        match self {
            Self::Pod { namespace, name } => row.meta.name == **name && home == namespace,
            Self::Pods(pods) => pods.has(row),
            Self::Workload { namespace, kind, name } => home == namespace && is_of(row, kind, name, runs),
            Self::Labels { namespaces, selector } => {
                (namespaces.is_empty() || namespaces.iter().any(|pattern| shell(pattern, home)))
                    && selector.matches_with(|key| row.meta.label(key))
            }
        }
    }

    /// Whether its pods belong to Jobs that come and go.
    fn is_cron_job(&self) -> bool {
        matches!(self, Self::Workload { kind, .. } if kind == "CronJob")
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
/// the hash of the template, a CronJob's Jobs after it and the minute, unless the Jobs themselves are known, which may
/// have been begun by hand under any name.
fn is_of(row: &Row, kind: &str, name: &str, runs: &Runs) -> bool {
    if kind == "Pod" {
        return row.meta.name == name;
    }
    let Some(owner) = &row.meta.owner else { return false };
    if *owner.kind == *kind {
        return *owner.name == *name;
    }
    if let ("CronJob", "Job", Some(cron)) = (kind, &*owner.kind, runs.get(&(&*row.meta.namespace, &*owner.name))) {
        return *cron == name;
    }
    let Some(rest) = owner.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-')) else { return false };
    match (kind, &*owner.kind) {
        ("Deployment" | "Rollout", "ReplicaSet") => HASHES.iter().any(|key| row.meta.label(key) == Some(rest)),
        ("CronJob", "Job") => !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

/// The Jobs that are known of a cluster.
fn runs(shard: &Shard) -> Runs<'_> {
    let table = shard.table(&ResourceId::new("batch", "jobs"));
    let jobs = table.into_iter().flat_map(|table| table.rows()).map(|(_, row)| &row.meta);
    let cron = |owner: &'_ Owner| *owner.kind == *"CronJob";
    jobs.map(|job| {
        let owner = job.owner.as_deref().filter(|owner| cron(owner)).map_or("", |owner| &*owner.name);
        ((&*job.namespace, &*job.name), owner)
    })
    .collect()
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

    /// The kinds that say which pods there are.
    pub fn kinds(&self) -> Vec<ResourceId> {
        let jobs = self.picks.iter().any(|(_, pick)| pick.is_cron_job());
        let jobs = jobs.then(|| ResourceId::new("batch", "jobs"));
        std::iter::once(ResourceId::core("pods")).chain(jobs).collect()
    }

    /// The containers there are now: by cluster and pod, application containers first.
    pub fn containers<'a>(&self, fleet: &'a Fleet) -> Vec<Found<'a>> {
        let mut found = vec![];
        for cluster in self.clusters() {
            let Some(shard) = fleet.shards.get(usize::from(cluster.0)) else { continue };
            let Some(table) = shard.table(&ResourceId::core("pods")) else { continue };
            let picks: Vec<&Pick> = self.picks.iter().filter(|(id, _)| *id == cluster).map(|(_, pick)| pick).collect();
            let runs = if picks.iter().any(|pick| pick.is_cron_job()) { runs(shard) } else { Runs::new() };
            let has = |row: &&Row| picks.iter().any(|pick| pick.has(row, &runs));
            let mut rows: Vec<&Row> = table.rows().map(|(_, row)| row).filter(has).collect();
            rows.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
            found.extend(rows.into_iter().flat_map(|row| of_pod(cluster, row)));
        }
        found.retain(|one| self.container.as_ref().is_none_or(|name| *name == one.source.container));
        found
    }
}

/// Application containers first: they are what one wants to read; what prepared them last.
fn of_pod(cluster: ClusterId, row: &Row) -> Vec<Found<'_>> {
    let Body::Pod(pod) = &row.body else { return vec![] };
    let (init, others): (Vec<_>, Vec<_>) = pod.containers.iter().partition(|c| c.role == Role::Init);
    let source = |name: &str| LogSource {
        cluster,
        namespace: row.meta.namespace.to_string(),
        pod: row.meta.name.to_string(),
        container: name.to_string(),
    };
    others.into_iter().chain(init).map(|c| Found { source: source(&c.name), row, container: c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixture::{EU, Stage, US, owned, pod, printed};
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
        let is_of = |row: &Row, kind: &str, name: &str| is_of(row, kind, name, &Runs::new());
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
    fn the_pods_of_a_cron_job_are_those_of_its_jobs() {
        let mut stage = Stage::silent(80, 24);
        stage.connect(EU);
        let run = |job: &str| owned(pod(&format!("{job}-x"), "db", "Completed", 0, 1, "n1"), "Job", job);
        stage.rows(EU, "pods", ["backup-28912345", "by-hand", "backup-7", "other"].map(run).into());
        let job = |name: &str| printed("Job", name, "db");
        let jobs =
            vec![owned(job("by-hand"), "CronJob", "backup"), job("backup-7"), owned(job("other"), "CronJob", "x")];
        stage.rows(EU, "jobs", jobs);
        let pick = Pick::Workload { namespace: "db".into(), kind: "CronJob".into(), name: "backup".into() };
        let selection = Selection { picks: vec![(EU, pick)], container: None };
        let found = selection.containers(&stage.state.fleet);
        let pods: Vec<&str> = found.iter().map(|one| one.source.pod.as_str()).collect();
        assert_eq!(pods, ["backup-28912345-x", "by-hand-x"], "its Job is gone, and begun by hand");
        assert_eq!(selection.kinds().len(), 2);
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
