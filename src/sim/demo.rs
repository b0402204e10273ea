//! The demo: two clusters, a repository that Argo CD deploys from, and five incidents that are going on.
//!
//! Everything is real but the machines: HTTP on loopback, a git repository on disk, controllers that heal what a commit
//! cures. What goes wrong is in the repository's history (and one live edit), so it can be found out and undone there.

pub mod cluster;
pub mod fleet;
pub mod manifest;
pub mod repository;

use crate::sim::controllers::meta::{annotation, set, set_key};
use crate::sim::fields::{self, Stamp};
use crate::sim::kubeconfig::{self, Context};
use crate::sim::kubelet;
use crate::sim::server::{Options, Server};
use crate::sim::store::{Store, builtin_kinds};
use crate::sim::subresources::logs::LogBook;
use crate::sim::tutorial::Tutorial;
use crate::sim::{argo, controllers};
use crate::world::object::ResourceId;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::task::JoinSet;

/// The two clusters, in the order of the kubeconfig.
pub const CLUSTERS: [&str; 2] = ["prod-eu", "prod-us"];

/// One running cluster.
pub struct DemoCluster {
    /// Its context.
    pub name: &'static str,
    /// Its API server; the objects are in `server.store()`.
    pub server: Server,
}

/// The demo, for as long as it lives: dropping it stops servers and controllers.
pub struct Demo {
    /// A kubeconfig with both contexts.
    pub kubeconfig: PathBuf,
    /// The bare repository.
    pub repo: PathBuf,
    /// The same as the Applications name it, `file:///…/fleet.git`.
    pub repo_url: String,
    /// The clusters, in the order of [`CLUSTERS`].
    pub clusters: Vec<DemoCluster>,
    /// What to try, and how far one is.
    pub tutorial: Tutorial,
    /// Controllers; aborted when the demo goes.
    _tasks: JoinSet<()>,
}

impl Demo {
    /// The objects of a cluster.
    pub fn store(&self, cluster: &str) -> Option<&Store> {
        self.clusters.iter().find(|c| c.name == cluster).map(|c| c.server.store())
    }
}

/// The directory of the repository in which the nodes of a cluster are kept.
pub fn nodes_path(cluster: &str) -> String {
    format!("clusters/{cluster}/nodes")
}

/// Starts the demo in a directory, which must exist; what an earlier demo left there is replaced.
///
/// # Errors
/// When git is missing or fails, a port cannot be had, or a file cannot be written.
pub async fn start(dir: &Path) -> Result<Demo> {
    let dir = dir.canonicalize().with_context(|| format!("demo: the directory {} cannot be used", dir.display()))?;
    let repo = repository::create(&dir).await?;
    let repo_url = format!("file://{}", repo.display());
    let mut tasks = JoinSet::new();
    let mut clusters = Vec::new();
    for name in CLUSTERS {
        let store = Store::new(builtin_kinds());
        cluster::fill(&store, name, &repo_url)
            .map_err(|failure| anyhow::anyhow!("demo: cluster {name} cannot be set up: {}", failure.message))?;
        let logs = LogBook::computed(kubelet::logs::read);
        let server = Server::start(store.clone(), Options { logs, metrics: true, ..Options::default() })
            .await
            .with_context(|| format!("demo: no port on 127.0.0.1 for {name}"))?;
        tasks.spawn(controllers::run(store.clone()));
        tasks.spawn(argo::run(store));
        clusters.push(DemoCluster { name, server });
    }
    let kubeconfig = dir.join("kubeconfig");
    let contexts: Vec<Context> = clusters.iter().map(|c| Context::new(c.name, &c.server.url)).collect();
    kubeconfig::write(&kubeconfig, &contexts)
        .with_context(|| format!("demo: {} cannot be written", kubeconfig.display()))?;
    let stores: Vec<Store> = clusters.iter().map(|c| c.server.store().clone()).collect();
    if let [_, us] = stores.as_slice() {
        tasks.spawn(live_edit(us.clone()));
    }
    let tutorial = Tutorial::new(stores);
    Ok(Demo { kubeconfig, repo, repo_url, clusters, tutorial, _tasks: tasks })
}

/// Mara's `kubectl edit`, once the Deployment is there: more memory than git gives.
async fn live_edit(store: Store) {
    let mut changes = store.subscribe();
    let deployments = ResourceId::new("apps", "deployments");
    loop {
        changes.borrow_and_update();
        let live = store.get(&deployments, "payments", "payments");
        // After the first roll-out, or the edit would become part of it.
        if live.is_some_and(|d| {
            d.pointer("/status/availableReplicas") == Some(&json!(2)) && !annotation(&d, argo::TRACKING).is_empty()
        }) {
            break;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
    // She switches automation off, as one does: the next commit to the repository would take the edit back.
    let applications = ResourceId::new("argoproj.io", "applications");
    let paused = store.modify(&applications, "argocd", "payments", |app| {
        if let Some(policy) = app.pointer_mut("/spec/syncPolicy").and_then(Value::as_object_mut) {
            policy.remove("automated");
        }
    });
    if let Err(failure) = paused {
        tracing::warn!(target: "sim", "the demo's Application was not paused: {}", failure.message);
    }
    let stamp = Stamp {
        manager: "kubectl-edit".into(),
        api_version: "apps/v1".into(),
        time: store.now(),
        subresource: String::new(),
    };
    let edited = store.modify(&deployments, "payments", "payments", |live| {
        let before = live.clone();
        if let Some(limits) = live.pointer_mut("/spec/template/spec/containers/0/resources/limits") {
            set(limits, "memory", json!("1Gi"));
        }
        set_key(live, "metadata.annotations", "kubernetes.io/change-cause", json!("mara: more memory for month-end"));
        fields::record_update(&before, live, &stamp);
    });
    if let Err(failure) = edited {
        tracing::warn!(target: "sim", "the demo's live edit did not happen: {}", failure.message);
    }
}
