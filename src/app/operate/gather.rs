//! Reading everything that a plan is made from. Nothing here writes, except into the cache.

use super::{Options, Site, argo, deletion, surroundings, workload};
use crate::app::repositories;
use crate::cluster::api::{ApiError, FIELD_MANAGER, MERGE_PATCH, STRATEGIC_PATCH, encode};
use crate::config::Repository;
use crate::effect::Intent;
use crate::gitops::Refusal;
use crate::gitops::locate::{self, Source};
use crate::gitops::mirror::{GitError, Mirror};
use crate::kinds::{self, console};
use crate::workflows::cordon::{self, NodeFacts};
use crate::workflows::debug;
use crate::workflows::edit::{self, EditFacts};
use crate::workflows::field::{self, FieldFacts, Want};
use crate::workflows::{Line, Occasion, Plan, SyncPlan, Target};
use crate::world::object::{ObjectRef, Resource, ResourceId, controller, name, namespace, str_at};
use serde_json::Value;

/// Seconds that Argo CD gets to take a commit.
const SYNC_TIMEOUT_S: i64 = 180;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// config.toml does not say where to commit: ask, write it ([`crate::config::add_repository`],
    /// [`crate::config::add_cluster`]), and plan again.
    #[error("config.toml names no git repository for {cluster}{}", .url.as_ref().map_or(String::new(), |u| format!(" (Argo CD reads {u})")))]
    NoRepository {
        /// The context's name.
        cluster: String,
        /// The URL that the Application reads, where one is known.
        url: Option<String>,
    },
    /// Anything else: what, where, what to do.
    #[error("{0}")]
    Refused(String),
}

impl From<Refusal> for PlanError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.0)
    }
}

impl From<GitError> for PlanError {
    fn from(error: GitError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Plans an intent.
pub(super) async fn plan(site: &Site, intent: &Intent, options: &Options) -> Result<Plan, PlanError> {
    let reason = match intent {
        Intent::Cordon { reason, .. }
        | Intent::Uncordon { reason, .. }
        | Intent::Drain { reason, .. }
        | Intent::Scale { reason, .. }
        | Intent::Resources { reason, .. }
        | Intent::Delete { reason, .. }
        | Intent::Restart { reason, .. }
        | Intent::SetImage { reason, .. }
        | Intent::Trigger { reason, .. }
        | Intent::Suspend { reason, .. }
        | Intent::Rollback { reason, .. }
        | Intent::Application { reason, .. } => reason,
        Intent::Edit { .. } | Intent::Debug { .. } | Intent::DebugNode { .. } => "",
    };
    let identity = identity(site).await?;
    let on = Occasion {
        id: ulid::Ulid::new().to_string(),
        cluster: &site.cluster,
        protected: site.config.settings(&site.cluster).protected || identity.is_none(),
        identity,
        now: (site.clock)(),
        reason,
    };
    let mut plan = match intent {
        Intent::Cordon { nodes, .. } => {
            let (target, nodes) = nodes_facts(site, nodes).await?;
            cordon::cordon(&on, &target, &nodes)?
        }
        Intent::Uncordon { nodes, .. } => {
            let (target, nodes) = nodes_facts(site, nodes).await?;
            cordon::uncordon(&on, &target, &nodes)?
        }
        Intent::Drain { node, .. } => drain(site, &on, node, options).await?,
        Intent::Scale { object, replicas, .. } => change(site, &on, object, &Want::Replicas(*replicas)).await?,
        Intent::Resources { object, container, requests, limits, .. } => {
            let (container, requests, limits) = (container.clone(), requests.clone(), limits.clone());
            let want = Want::Resources { container, requests, limits };
            change(site, &on, object, &want).await?
        }
        Intent::Debug { object, container, image } => {
            let path = format!("/api/v1/namespaces/{}/pods/{}", object.namespace, object.name);
            let pod = get(site, &path, object).await?;
            let seen = console::of(&pod, container)
                .ok_or_else(|| PlanError::Refused(format!("{object} has no container {container}")))?;
            debug::pod(&on, &pod, &seen.container, &debug_image(site, image))
        }
        Intent::DebugNode { node, image } => {
            let path = format!("/api/v1/nodes/{}", encode(node));
            let found = get(site, &path, &ObjectRef::new("", "Node", "", node)).await?;
            let namespace = site.config.debug.namespace.as_deref().unwrap_or("default");
            debug::node(&on, &found, namespace, &debug_image(site, image))
        }
        Intent::Delete { resource, objects, how, .. } => deletion::plan(site, &on, resource, objects, how).await?,
        Intent::Restart { objects, .. } => workload::restart(site, &on, objects).await?,
        Intent::SetImage { object, images, .. } => change(site, &on, object, &Want::Images(images.clone())).await?,
        Intent::Trigger { object, name, .. } => workload::trigger(site, &on, object, name).await?,
        Intent::Suspend { object, suspend, .. } => change(site, &on, object, &Want::Suspend(*suspend)).await?,
        Intent::Rollback { object, to, .. } => workload::rollback(site, &on, object, *to).await?,
        Intent::Application { applications, ask, .. } => argo::plan(site, &on, applications, ask).await?,
        Intent::Edit { object, path, before, after, file } => {
            let planned = edit(site, &on, object, path, (before, after)).await.map_err(|e| match e {
                PlanError::Refused(why) => {
                    PlanError::Refused(format!("{why}; the edited text is in {}", file.display()))
                }
                asked => asked,
            })?;
            // The plan holds everything from here on; a text that stays behind does no harm.
            let _ = std::fs::remove_file(file);
            planned
        }
    };
    if on.identity.is_none() {
        let text = "the namespace kube-system may not be read, so the cluster cannot be told apart from another: \
                    treated as protected";
        plan.lines.push(Line::warning(text));
    }
    Ok(plan)
}

/// The image named, or the one of the configuration, or the usual one.
fn debug_image(site: &Site, named: &str) -> String {
    match (named, &site.config.debug.image) {
        ("", Some(image)) => image.clone(),
        ("", None) => debug::IMAGE.into(),
        (named, _) => named.into(),
    }
}

/// UID of kube-system; `None` where it may not be read.
pub(super) async fn identity(site: &Site) -> Result<Option<String>, PlanError> {
    match site.api.get("/api/v1/namespaces/kube-system").await {
        Ok(namespace) => Ok(Some(str_at(&namespace, "/metadata/uid").to_string()).filter(|uid| !uid.is_empty())),
        Err(ApiError::Status { code: 401 | 403 | 404, .. }) => Ok(None),
        Err(e) => Err(PlanError::Refused(format!("{} does not answer: {e}", site.cluster))),
    }
}

pub(super) async fn get(site: &Site, path: &str, what: &ObjectRef) -> Result<Value, PlanError> {
    site.api.get(path).await.map_err(|e| {
        PlanError::Refused(match e.code() {
            404 => format!("there is no {what} on {}", site.cluster),
            _ => format!("{what} on {} cannot be read: {e}", site.cluster),
        })
    })
}

/// The repository of this cluster, fetched.
async fn cluster_repository(site: &Site) -> Result<(Mirror, Target), PlanError> {
    let missing = || PlanError::NoRepository { cluster: site.cluster.clone(), url: None };
    let name = site.config.settings(&site.cluster).repository.ok_or_else(missing)?;
    let repository = site.config.repository(&name).ok_or_else(|| {
        PlanError::Refused(format!(
            "config.toml gives {} the repository {name:?}, which it does not define",
            site.cluster
        ))
    })?;
    fetched(site, repository).await
}

async fn fetched(site: &Site, repository: &Repository) -> Result<(Mirror, Target), PlanError> {
    let mirror = repositories::mirror(&site.paths, repository).await?;
    let tip = mirror.fetch().await?;
    let target = Target {
        repository: repository.name.clone(),
        url: repository.url.clone(),
        branch: repository.branch.clone(),
        author: repository.author.clone(),
        base: tip.sha,
        by: mirror.identity().await?,
        signed: mirror.signs().await,
    };
    Ok((mirror, target))
}

async fn nodes_facts(site: &Site, names: &[String]) -> Result<(Target, Vec<NodeFacts>), PlanError> {
    let settings = site.config.settings(&site.cluster);
    let mut live = vec![];
    for name in names {
        let object = ObjectRef::new("", "Node", "", name);
        live.push(get(site, &format!("/api/v1/nodes/{}", encode(name)), &object).await?);
    }
    let (mirror, target) = cluster_repository(site).await?;
    let mut nodes = vec![];
    for node in live {
        let dir = if cordon::is_static(&node) { &settings.nodes } else { &settings.ledger };
        let file = format!("{dir}/{}.yaml", name(&node));
        let text = mirror.read(&target.base, &file).await?;
        let sync = applied_by(site, &node, &target, &file).await;
        nodes.push(NodeFacts { node, file, text, sync });
    }
    Ok((target, nodes))
}

/// The Application that applies a node's file, where one does.
async fn applied_by(site: &Site, node: &Value, target: &Target, file: &str) -> Option<SyncPlan> {
    locate::tracking(node).ok()?;
    let (application, source) = application_of(site, node).await.ok()?;
    let same = locate::normalise(&source.url) == locate::normalise(&target.url)
        || site
            .config
            .repository(&target.repository)
            .is_some_and(|r| r.argo_urls.iter().any(|url| locate::normalise(url) == locate::normalise(&source.url)));
    (same && locate::belongs(&source, file)).then(|| sync_plan(&application, &source))
}

fn sync_plan(application: &Value, source: &Source) -> SyncPlan {
    let (ns, name) = (namespace(application), name(application));
    SyncPlan {
        application: ObjectRef::new("argoproj.io", "Application", ns, name),
        path: format!("/apis/argoproj.io/v1alpha1/namespaces/{ns}/applications/{name}"),
        automated: source.automated,
        timeout_s: SYNC_TIMEOUT_S,
    }
}

/// The Application that tracks an object, and its source.
async fn application_of(site: &Site, object: &Value) -> Result<(Value, Source), PlanError> {
    let application = tracking_application(site, object).await?;
    let source = locate::source(&application)?;
    Ok((application, source))
}

/// The Application that tracks an object.
pub(super) async fn tracking_application(site: &Site, object: &Value) -> Result<Value, PlanError> {
    let tracking = locate::tracking(object)?;
    let all = list(site, "argoproj.io", "v1alpha1", "Application", None, "").await.map_err(|e| {
        PlanError::Refused(match e.code() {
            404 => format!("{} has no Argo CD, so no repository holds {}", site.cluster, ObjectRef::of(object)),
            _ => format!("the Applications of {} cannot be read: {e}", site.cluster),
        })
    })?;
    let mut found = all.into_iter().filter(|app| tracking.is(app));
    match (found.next(), found.next()) {
        (Some(app), None) => Ok(app),
        (None, _) => Err(PlanError::Refused(format!(
            "{} says that the Application {} tracks it, and {} has none of that name",
            ObjectRef::of(object),
            tracking.application,
            site.cluster
        ))),
        (Some(_), Some(_)) => Err(PlanError::Refused(format!(
            "{} has several Applications named {}; which one tracks {} is not known",
            site.cluster,
            tracking.application,
            ObjectRef::of(object)
        ))),
    }
}

pub(super) async fn list(
    site: &Site,
    group: &str,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
    query: &str,
) -> Result<Vec<Value>, ApiError> {
    site.api.list(&resource(group, version, kind), namespace, query).await
}

/// A kind whose plural is regular, namespaced.
fn resource(group: &str, version: &str, kind: &str) -> Resource {
    Resource {
        id: ResourceId::new(group, &format!("{}s", kind.to_lowercase())),
        version: version.into(),
        kind: kind.into(),
        singular: kind.to_lowercase(),
        namespaced: true,
        short_names: vec![],
        verbs: vec![],
    }
}

async fn drain(site: &Site, on: &Occasion<'_>, node: &str, options: &Options) -> Result<Plan, PlanError> {
    let (target, nodes) = nodes_facts(site, &[node.to_string()]).await?;
    let cordon = cordon::cordon(on, &target, &nodes)?;
    let node = nodes.first().map_or(&Value::Null, |n| &n.node);
    surroundings::drain(site, cordon, node, &options.drain).await
}

/// A change of fields: in git where Argo CD tracks the object (or, for what pods are made of, an owner above it), else live.
async fn change(site: &Site, on: &Occasion<'_>, object: &ObjectRef, want: &Want) -> Result<Plan, PlanError> {
    let climbs = matches!(want, Want::Replicas(_) | Want::Resources { .. });
    let found = if climbs { tracked(site, object).await } else { Err(PlanError::Refused(String::new())) };
    let (object, path) = match found {
        Ok(found) => found,
        Err(refused) => {
            let (own, path) = fetched_object(site, object).await?;
            match (locate::tracking(&own), controller(&own)) {
                (Ok(_), _) => (own, path),
                (Err(_), Some(_)) if climbs => return Err(refused),
                (Err(untracked), _) => return workload::live(site, on, own, path, want, untracked).await,
            }
        }
    };
    let rejected = dry_run(site, &path, &object, want).await?;
    commit(site, on, (object, path), want, rejected).await
}

/// An object of a kind whose plural is regular, and its path.
pub(super) async fn fetched_object(site: &Site, object: &ObjectRef) -> Result<(Value, String), PlanError> {
    let kind = resource(&object.group, "v1", &object.kind);
    let path = kind.object_path(&encode(&object.namespace), &encode(&object.name));
    Ok((get(site, &path, object).await?, path))
}

/// An object edited as text: in git where Argo CD tracks it, else live.
async fn edit(
    site: &Site,
    on: &Occasion<'_>,
    object: &ObjectRef,
    path: &str,
    (before, after): (&Value, &Value),
) -> Result<Plan, PlanError> {
    if object.group.is_empty() && object.kind == "Secret" {
        return Err(Refusal::new(
            "Secrets are not edited here: their values would stand in the record of the operation",
        )
        .into());
    }
    let live = get(site, path, object).await?;
    let fields = edit::live_fields(before, after);
    edit::unchanged(&live, &fields)?;
    let (stored, untried) = match try_out(site, path, MERGE_PATCH, &edit::merge_patch(&fields)).await? {
        Ok(stored) => (Some(stored), None),
        Err(untried) => (None, Some(untried)),
    };
    let mut plan = match locate::tracking(&live) {
        Ok(_) => {
            let want = Want::Fields(edit::git_fields(before, after)?);
            return commit(site, on, (live, path.into()), &want, untried).await;
        }
        Err(untracked) => {
            let text = |object: &Value| kinds::yaml::lines(object, kinds::yaml::Options::default()).join("\n") + "\n";
            let facts = EditFacts {
                path: path.into(),
                fields: match stored {
                    Some(stored) => edit::as_stored(fields, &stored),
                    None => fields,
                },
                untracked: untracked.0,
                before: text(before),
                after: text(after),
                object: live,
            };
            edit::plan(on, &facts)?
        }
    };
    plan.lines.extend(untried);
    Ok(plan)
}

/// A change of an object that an Application tracks, as a commit.
pub(super) async fn commit(
    site: &Site,
    on: &Occasion<'_>,
    (object, path): (Value, String),
    want: &Want,
    rejected: Option<Line>,
) -> Result<Plan, PlanError> {
    let me = ObjectRef::of(&object);
    let (application, source) = application_of(site, &object).await?;
    let place = place(site, &source, &me).await?;
    let Place { mirror, target, file, text } = place;
    let revision = str_at(&application, "/status/sync/revision");
    let (mut deployed, mut ahead) = (None, None);
    if mirror.contains(revision, &target.base).await? {
        deployed = mirror.read(revision, &file).await?;
        ahead = mirror.last_change(revision, &target.base, &file).await?;
    }
    let autoscalers = list(site, "autoscaling", "v2", "HorizontalPodAutoscaler", Some(&me.namespace), "").await;
    let unread =
        autoscalers.as_ref().err().filter(|e| e.code() != 404).map(|e| {
            Line::warning(format!("HorizontalPodAutoscalers cannot be read, so one may own the replicas: {e}"))
        });
    let sync = sync_plan(&application, &source);
    let autoscalers = autoscalers.unwrap_or_default();
    let facts = FieldFacts { object, path, application, sync, autoscalers, file, text, deployed, ahead };
    let mut plan = field::plan(on, &target, &facts, want)?;
    plan.lines.extend(unread.into_iter().chain(rejected));
    Ok(plan)
}

/// Where an object's manifest stands.
pub(super) struct Place {
    mirror: Mirror,
    /// The repository and its branch.
    pub target: Target,
    /// The file.
    pub file: String,
    text: String,
}

/// The file of a configured repository that holds an object's manifest.
pub(super) async fn place(site: &Site, source: &Source, me: &ObjectRef) -> Result<Place, PlanError> {
    let known = &site.config.repositories;
    let candidates = repositories::candidates(known);
    if candidates.is_empty() {
        return Err(PlanError::NoRepository { cluster: site.cluster.clone(), url: Some(locate::redact(&source.url)) });
    }
    let index = locate::repository(&source.url, &source.revision, &candidates)?;
    let Some(repository) = known.get(index) else { return Err(Refusal::new("no such repository").into()) };
    let (mirror, target) = fetched(site, repository).await?;
    let files = mirror.manifests(&target.base, &source.path, source.recurse).await?;
    let file = locate::pick(source, &files, me)?.to_string();
    let text = files.into_iter().find(|(f, _)| *f == file).map(|(_, t)| t).unwrap_or_default();
    Ok(Place { mirror, target, file, text })
}

/// The object, or the owner above it, that carries a tracking id; with its path. (A pod is made by a ReplicaSet that is made
/// by the Deployment that stands in git.)
async fn tracked(site: &Site, object: &ObjectRef) -> Result<(Value, String), PlanError> {
    let mut me = object.clone();
    loop {
        let path = resource(&me.group, "v1", &me.kind).object_path(&encode(&me.namespace), &encode(&me.name));
        let found = get(site, &path, &me).await?;
        let owner = controller(&found).map(|(api, kind, name)| {
            ObjectRef::new(api.split_once('/').map_or("", |(group, _)| group), kind, &me.namespace, name)
        });
        match (locate::tracking(&found), owner) {
            (Ok(_), _) => return Ok((found, path)),
            (Err(_), Some(owner)) if owner != me => me = owner,
            (Err(refusal), _) => return Err(refusal.into()),
        }
    }
}

/// Asks the server whether it would take the change; its refusal is final, a warning where we may not ask.
pub(super) async fn dry_run(site: &Site, path: &str, object: &Value, want: &Want) -> Result<Option<Line>, PlanError> {
    let patch = field::dry_run_patch(&field::fields(object, want)?);
    Ok(try_out(site, path, STRATEGIC_PATCH, &patch).await?.err())
}

/// The object as the server would store it; a warning where we may not ask.
pub(super) async fn try_out(
    site: &Site,
    path: &str,
    how: &str,
    patch: &Value,
) -> Result<Result<Value, Line>, PlanError> {
    let path = format!("{path}?dryRun=All&fieldManager={FIELD_MANAGER}");
    match site.api.patch(&path, how, patch).await {
        Ok(stored) => Ok(Ok(stored)),
        Err(e) if e.code() == 403 => Ok(Err(Line::warning(format!("the server did not try it out for us: {e}")))),
        Err(e) => Err(PlanError::Refused(format!("{} refuses the change: {e}", site.cluster))),
    }
}
