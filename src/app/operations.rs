//! The operations of the cockpit: plans, runs, recovers, and tells the screen.

use super::inbox::Sender;
use super::operate::{self, Options, PlanError, Site};
use super::session::Session;
use crate::config::{self, Cluster, Paths, Repository};
use crate::effect::plugin::PluginCall;
use crate::effect::transfer::Errand;
use crate::effect::{Effect, Intent, RequestId};
use crate::msg::{Level, Msg, OperationStatus, OperationView};
use crate::workflows::{Part, Plan};
use crate::world::fleet::ClusterId;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

/// Runs the effects that plan and run operations.
pub struct Operations {
    inner: Arc<Inner>,
    runtime: Handle,
}

struct Inner {
    session: Arc<Session>,
    sender: Sender,
    /// Planned and shown, not confirmed yet.
    planned: Mutex<HashMap<String, Planned>>,
    running: AtomicUsize,
}

/// What waits to be confirmed.
enum Planned {
    Operation(ClusterId, Box<Plan>),
    Plugin(Box<PluginCall>),
    /// A copy into a container.
    Copy(Box<Errand>),
}

/// What is asked for where.
struct Asked {
    request: RequestId,
    cluster: ClusterId,
    intent: Intent,
    repository: Option<String>,
}

impl Operations {
    /// Answers through `sender`; what the journal holds is told at once.
    pub fn new(session: Arc<Session>, sender: Sender, runtime: Handle) -> Self {
        let inner = Arc::new(Inner { session, sender, planned: Mutex::default(), running: AtomicUsize::new(0) });
        let told = inner.clone();
        runtime.spawn_blocking(move || told.tell_journal());
        Self { inner, runtime }
    }

    /// Whether an operation is running.
    pub fn busy(&self) -> bool {
        self.inner.running.load(Ordering::SeqCst) > 0
    }

    /// Runs one effect; effects that are not about operations are none of ours.
    pub fn run(&mut self, effect: Effect) {
        let inner = self.inner.clone();
        match effect {
            Effect::Plan { request, cluster, intent, repository } => {
                let asked = Asked { request, cluster, intent, repository };
                self.runtime.spawn(async move { inner.plan(asked).await });
            }
            Effect::PlanPlugin { request, call } => {
                self.runtime.spawn_blocking(move || {
                    let view = super::plugin::planned(&inner.session, &call);
                    inner.show(request, view, Planned::Plugin(call));
                });
            }
            Effect::Run { operation } => self.start(operation, |inner, id| async move { inner.confirmed(&id).await }),
            Effect::PlanCopy { request, errand } => {
                self.runtime.spawn_blocking(move || {
                    let view = super::transfers::planned(&inner.session, &errand);
                    inner.show(request, view, Planned::Copy(errand));
                });
            }
            Effect::Discard { operation } => drop(inner.planned().remove(&operation)),
            Effect::Finish { operation } => {
                self.start(operation, |inner, id| async move { inner.recover(&id, true).await })
            }
            Effect::Undo { operation } => {
                self.start(operation, |inner, id| async move { inner.recover(&id, false).await })
            }
            other => tracing::error!("nobody runs {other:?}"),
        }
    }

    /// Starts a task that counts as running until it has ended; its error becomes a notice.
    fn start<F>(&self, id: String, task: impl FnOnce(Arc<Inner>, String) -> F)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let inner = self.inner.clone();
        inner.running.fetch_add(1, Ordering::SeqCst);
        let work = task(inner.clone(), id);
        self.runtime.spawn(async move {
            if let Err(error) = work.await {
                inner.sender.send(Msg::Notice(Level::Error, error));
            }
            inner.running.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Inner {
    fn tell_journal(&self) {
        let (views, problems) = operate::list(&self.session.paths);
        if !views.is_empty() {
            self.sender.send(Msg::Operations(views));
        }
        for problem in problems {
            self.sender.send(Msg::Notice(Level::Warn, problem));
        }
    }

    async fn plan(&self, asked: Asked) {
        let Asked { request, cluster, intent, repository } = asked;
        let answer = match self.try_plan(cluster, &intent, repository).await {
            Ok(plan) => {
                let view = operate::planned(&plan);
                self.planned().insert(plan.id.clone(), Planned::Operation(cluster, Box::new(plan)));
                Ok(Box::new(view))
            }
            Err(PlanError::NoRepository { url, .. }) => {
                self.sender.send(Msg::AskRepository { request, cluster, intent, url });
                return;
            }
            Err(PlanError::Refused(why)) => Err(why),
        };
        self.sender.send(Msg::Planned { request, answer });
    }

    async fn try_plan(
        &self,
        cluster: ClusterId,
        intent: &Intent,
        repository: Option<String>,
    ) -> Result<Plan, PlanError> {
        if let Some(line) = repository {
            let name = &self.session.context(cluster).name;
            remember_repository(&self.session.paths, name, &line).map_err(PlanError::Refused)?;
        }
        let site = self.site(cluster).await.map_err(PlanError::Refused)?;
        operate::plan(&site, intent, &Options::default()).await
    }

    async fn confirmed(&self, id: &str) -> Result<(), String> {
        let planned = self.planned().remove(id).ok_or_else(|| format!("operation {id} was not planned in this run"))?;
        let (cluster, plan) = match planned {
            Planned::Operation(cluster, plan) => (cluster, plan),
            Planned::Plugin(call) => {
                self.sender.send(Msg::PluginConfirmed { call, operation: id.into() });
                return Ok(());
            }
            Planned::Copy(errand) => {
                self.sender.send(Msg::CopyConfirmed { errand, operation: id.into() });
                return Ok(());
            }
        };
        let site = self.site(cluster).await?;
        let view = operate::run(&site, &plan, |view| self.tell(view)).await?;
        if let Some(msg) = visit(cluster, &plan, view.status) {
            self.sender.send(msg);
        }
        Ok(())
    }

    /// Keeps what was planned until it is confirmed, and shows it.
    fn show(&self, request: RequestId, view: Result<OperationView, String>, planned: Planned) {
        let answer = view.map(|view| {
            self.planned().insert(view.id.clone(), planned);
            Box::new(view)
        });
        self.sender.send(Msg::Planned { request, answer });
    }

    async fn recover(&self, id: &str, finish: bool) -> Result<(), String> {
        let (views, _) = operate::list(&self.session.paths);
        let view =
            views.into_iter().find(|v| v.id == id).ok_or_else(|| format!("the journal has no operation {id}"))?;
        let site = self.site(cluster_called(&self.session, &view.cluster)?).await?;
        let tell = |view: &OperationView| self.tell(view);
        match finish {
            true => operate::finish(&site, id, tell).await.map(drop),
            false => operate::undo(&site, id, tell).await.map(drop),
        }
    }

    async fn site(&self, cluster: ClusterId) -> Result<Site, String> {
        site(&self.session, cluster).await
    }

    fn tell(&self, view: &OperationView) {
        self.sender.send(Msg::Operation(Box::new(view.clone())));
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, HashMap<String, Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was made to go into: there one goes.
fn visit(cluster: ClusterId, plan: &Plan, status: OperationStatus) -> Option<Msg> {
    let Some(Part::Debug(made)) = plan.parts.first() else { return None };
    let operation = match status {
        OperationStatus::Done => None,
        OperationStatus::Open => Some(plan.id.clone()),
        _ => return None,
    };
    let (namespace, pod, container) = (made.namespace.clone(), made.pod.clone(), made.container.clone());
    Some(Msg::Enter { cluster, namespace, pod, container, operation })
}

/// The cluster of the fleet with this context name.
///
/// # Errors
/// When the kubeconfig has no such context.
pub fn cluster_called(session: &Session, name: &str) -> Result<ClusterId, String> {
    let at = session.contexts.iter().position(|c| c.name == name);
    at.map(|i| ClusterId(i as u16))
        .ok_or_else(|| format!("the kubeconfig has no context {name}, where this operation was begun"))
}

/// The configuration for something that changes a cluster, read anew: it may just have been written.
///
/// # Errors
/// When the cluster is read-only.
pub fn configuration(session: &Session, cluster: ClusterId) -> Result<config::Config, String> {
    let mut config = config::load(&session.paths.config_file()).config;
    if session.readonly {
        config.readonly.push("*".into());
    }
    operate::writable(&config, &session.context(cluster).name).map(|()| config)
}

/// Everything that is needed to look around in a cluster; nothing is changed through it.
///
/// # Errors
/// When it cannot be reached.
pub async fn look(session: &Session, cluster: ClusterId) -> Result<Site, String> {
    let name = session.context(cluster).name.clone();
    let config = config::load(&session.paths.config_file()).config;
    let api = session.hub.api(cluster).await.map_err(|e| format!("{name}: {e}"))?;
    Ok(Site { api, cluster: name, config, paths: session.paths.clone(), clock: super::clock })
}

/// Everything that an operation on a cluster needs.
///
/// # Errors
/// When the cluster is read-only, or cannot be reached.
pub async fn site(session: &Session, cluster: ClusterId) -> Result<Site, String> {
    let config = configuration(session, cluster)?;
    Ok(Site { config, ..look(session, cluster).await? })
}

/// Writes into config.toml which repository belongs to a cluster. `line` is what a person answers:
/// `URL`, or `URL BRANCH` (default `main`).
///
/// # Errors
/// A sentence, when the answer or the file is of no use.
pub fn remember_repository(paths: &Paths, context: &str, line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let url = words.next().ok_or("a URL is needed, such as git@git.example.com:ops/fleet.git")?;
    let branch = words.next().unwrap_or("main");
    let file = paths.config_file();
    let config = config::load(&file).config;
    let name = match config.repositories.iter().find(|r| r.url == url && r.branch == branch) {
        Some(known) => known.name.clone(),
        None => {
            let name = free_name(&config, url);
            let (url, branch) = (url.to_string(), branch.to_string());
            let repository = Repository { name: name.clone(), url, branch, argo_urls: vec![], author: None };
            config::add_repository(&file, &repository)?;
            name
        }
    };
    config::add_cluster(
        &file,
        &Cluster {
            context: context.into(),
            repository: Some(name),
            nodes: Some(config::NODES.into()),
            protected: None,
            ledger: None,
            accent: None,
            metrics: None,
        },
    )
}

/// A name for a repository: the last part of its URL, numbered where it is taken.
fn free_name(config: &config::Config, url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("fleet");
    let stem = last.strip_suffix(".git").unwrap_or(last).to_string();
    let mut name = stem.clone();
    let mut n = 2;
    while config.repository(&name).is_some() {
        name = format!("{stem}-{n}");
        n += 1;
    }
    name
}
