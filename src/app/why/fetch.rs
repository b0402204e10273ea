//! Fetching one fact: from the cluster, another one of the fleet, a name server, a repository.

use super::{Budget, Done, Source, commits, together};
use crate::cluster::api::{Api, ApiError, encode};
use crate::cluster::hub::Hub;
use crate::cluster::kubeconfig::Context;
use crate::cluster::logs::{LogReader, LogRequest};
use crate::diagnose::case::{Answer, Need, Subject};
use crate::gitops::locate::same_server;
use crate::world::fleet::ClusterId;
use crate::world::object::{ObjectRef, Resource, ResourceId, str_at};
use http::Request;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A name server that is silent for longer has no answer.
const RESOLVE: Duration = Duration::from_secs(3);
/// Lines of a log that diagnosis is shown.
const LOG_LINES: usize = 60;

/// Fetches one fact, from another cluster of the fleet where it names one. The hosts of a cluster on this machine (a
/// recording, the demo) mean nothing to the world's name servers.
pub(super) async fn fetch_in_fleet(
    source: Source<'_>,
    api: &Api,
    catalog: &[Resource],
    budget: Budget,
    need: Need,
) -> (Need, Answer) {
    let hub = source.hub();
    let answer = match &need {
        Need::Deployers => deployers(source).await,
        Need::Verdict { .. } if budget.there => Answer::Failed("asked from another cluster already".into()),
        Need::Verdict { cluster, object } => match elsewhere(hub, cluster) {
            None => Answer::Failed(format!("{cluster} is no open cluster of the fleet")),
            Some((id, _)) => verdict_of(Source { cluster: id, ..source }, object.clone(), budget).await,
        },
        Need::Name { .. } if hub.is_local(source.cluster) => {
            Answer::Failed("not asked: the cluster is on this machine".into())
        }
        Need::Elsewhere { cluster, resource, namespace, name } => match elsewhere(hub, cluster) {
            None => Answer::Failed(format!("{cluster} is no open cluster of the fleet")),
            Some((id, _)) => {
                let need =
                    Need::Object { resource: resource.clone(), namespace: namespace.clone(), name: name.clone() };
                fetch_in(hub, id, need).await.unwrap_or_else(refused)
            }
        },
        Need::Commits { url, branch, path, after } => {
            commits::since(source.session, budget.git, url, branch, path, after).await
        }
        _ => return fetch(api, catalog, need).await,
    };
    (need, answer)
}

/// Fetches one fact of a cluster.
pub(in crate::app) async fn fetch(api: &Api, catalog: &[Resource], need: Need) -> (Need, Answer) {
    let answer = match &need {
        Need::Object { resource, namespace, name } => match kind(catalog, resource) {
            None => Ok(Answer::Absent),
            Some(kind) => object(api, kind, namespace, name).await.map(|o| Answer::Object(Arc::new(o))),
        },
        Need::List { resource, namespace } => match kind(catalog, resource) {
            None => Ok(Answer::Absent),
            Some(kind) => list(api, kind, namespace.as_deref()).await.map(|l| Answer::List(Arc::new(l))),
        },
        Need::Elsewhere { .. } | Need::Deployers | Need::Verdict { .. } => {
            Ok(Answer::Failed("that lives in another cluster".into()))
        }
        Need::PodsOn { node } => match kind(catalog, &ResourceId::core("pods")) {
            None => Ok(Answer::Absent),
            Some(pods) => {
                let query = format!("fieldSelector={}", encode(&format!("spec.nodeName={node}")));
                api.list(pods, None, &query).await.map(|l| Answer::List(Arc::new(l)))
            }
        },
        Need::Log { namespace, pod, container, previous } => {
            log(api, namespace, pod, container, *previous).await.map(|text| Answer::Log(text.into()))
        }
        Need::Name { host } => Ok(resolve(host).await),
        Need::Commits { .. } => Ok(Answer::Failed("no repository is asked here".into())),
    };
    (need, answer.unwrap_or_else(refused))
}

/// The open cluster that Argo CD calls so: by the URL of its API server, else by the name of its context or cluster.
/// A cluster that nobody has opened stays closed.
fn elsewhere<'h>(hub: &'h Hub, called: &str) -> Option<(ClusterId, &'h str)> {
    let open: Vec<_> = hub.contexts().filter(|(id, _)| hub.is_open(*id)).collect();
    let by_url = open.iter().find(|(_, context)| same_server(&context.server, called));
    let by_name = || open.iter().find(|(_, context)| is_named(context, called));
    by_url.or_else(by_name).map(|(id, context)| (*id, context.name.as_str()))
}

fn is_named(context: &Context, called: &str) -> bool {
    [&context.name, &context.cluster].iter().any(|name| *name == called)
}

/// How long a cluster that only may know something is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The Applications of the other open clusters that deploy to this one, by their destination's server or name. A cluster
/// that does not answer knows nothing.
async fn deployers(source: Source<'_>) -> Answer {
    let Some((_, here)) = source.hub().contexts().find(|(id, _)| *id == source.cluster) else { return Answer::Absent };
    let is_here = |app: &Value| match str_at(app, "/spec/destination/server") {
        // Each Argo CD calls its own cluster so.
        "" if str_at(app, "/spec/destination/name") == "in-cluster" => false,
        "" => is_named(here, str_at(app, "/spec/destination/name")),
        server => same_server(&here.server, server) || is_named(here, server),
    };
    let need = Need::List { resource: ResourceId::new("argoproj.io", "applications"), namespace: None };
    let mut found = Vec::new();
    for (id, context) in source.hub().contexts().filter(|(id, _)| *id != source.cluster && source.hub().is_open(*id)) {
        let kept = match source.desk {
            Some(desk) => desk.recall(id, vec![need.clone()]).await.first().and_then(|(_, kept)| kept.unpack()),
            None => None,
        };
        let answer = match kept {
            Some(answer) => answer,
            None => match tokio::time::timeout(PATIENCE, fetch_in(source.hub(), id, need.clone())).await {
                Ok(Ok(answer)) => answer,
                _ => continue,
            },
        };
        if let Answer::List(apps) = answer {
            found.extend(apps.iter().filter(|app| is_here(app)).map(|app| (context.name.clone(), app.clone())));
        }
    }
    Answer::Fleet(Arc::new(found))
}

/// What is wrong with an object of another cluster, diagnosed there. Boxed, since that diagnosis asks for facts too.
fn verdict_of(
    source: Source<'_>,
    object: ObjectRef,
    budget: Budget,
) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
    Box::pin(async move {
        let budget = Budget { there: true, ..budget };
        match together(source, vec![Subject::Object(object)], budget, |_, _| {}).await {
            Ok(done) => match done.into_iter().next() {
                Some(Done { verdict, .. }) => Answer::Verdict(Arc::new(verdict)),
                None => Answer::Failed("no end was found there".into()),
            },
            Err(error) => refused(error),
        }
    })
}

/// Fetches one fact of a cluster that is not the one asked.
async fn fetch_in(hub: &Hub, id: ClusterId, need: Need) -> Result<Answer, ApiError> {
    let (api, catalog) = (hub.api(id).await?, hub.catalog(id).await?);
    Ok(fetch(&api, &catalog, need).await.1)
}

/// Asks this machine's resolver. Only its own words tell "no such name" from "no answer" (glibc, musl, macOS).
async fn resolve(host: &str) -> Answer {
    const NO_SUCH_NAME: &[&str] = &[
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "nodename nor servname provided",
    ];
    match tokio::time::timeout(RESOLVE, tokio::net::lookup_host((host, 443))).await {
        Ok(Ok(all)) => Answer::Addresses(all.map(|socket| socket.ip().to_string()).collect()),
        Ok(Err(error)) if NO_SUCH_NAME.iter().any(|words| error.to_string().contains(words)) => Answer::Absent,
        Ok(Err(error)) => Answer::Failed(error.to_string()),
        Err(_) => Answer::Failed("the name server did not answer in time".into()),
    }
}

pub(super) fn kind<'a>(catalog: &'a [Resource], id: &ResourceId) -> Option<&'a Resource> {
    catalog.iter().find(|kind| kind.id == *id)
}

fn is_secret(kind: &Resource) -> bool {
    kind.id.group.is_empty() && kind.id.plural == "secrets"
}

/// Accept header for metadata without the object: a Secret's values never leave the server.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

async fn object(api: &Api, kind: &Resource, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let path = kind.object_path(namespace, &encode(name));
    if is_secret(kind) {
        return metadata(api, &path, METADATA, kind).await;
    }
    api.get(&path).await
}

pub(super) async fn list(api: &Api, kind: &Resource, namespace: Option<&str>) -> Result<Vec<Value>, ApiError> {
    if !is_secret(kind) {
        return api.list(kind, namespace, "").await;
    }
    let mut list = metadata(api, &kind.collection_path(namespace), METADATA_LIST, kind).await?;
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Ok(items.into_iter().map(|item| named(item, kind)).collect()),
        _ => Ok(Vec::new()),
    }
}

async fn metadata(api: &Api, path: &str, accept: &str, kind: &Resource) -> Result<Value, ApiError> {
    let request = Request::get(path)
        .header("Accept", accept)
        .body(Vec::new())
        .map_err(|e| ApiError::Malformed(format!("request for {path}: {e}")))?;
    let bytes = api.bytes(request).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| ApiError::Malformed(format!("the answer to {path} is not JSON: {e}")))?;
    Ok(named(value, kind))
}

/// Metadata speaks of itself as `PartialObjectMetadata`; diagnosis wants the object's own kind, and never its data.
fn named(mut value: Value, kind: &Resource) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.remove("data");
        map.remove("stringData");
        if !map.contains_key("items") {
            map.insert("kind".into(), kind.kind.clone().into());
            map.insert("apiVersion".into(), kind.api_version().into());
        }
    }
    value
}

async fn log(api: &Api, namespace: &str, pod: &str, container: &str, previous: bool) -> Result<String, ApiError> {
    let (namespace, pod, container) = (namespace.to_string(), pod.to_string(), container.to_string());
    let tail = Some(LOG_LINES as u64);
    let ask = LogRequest { namespace, pod, container, previous, tail, ..LogRequest::default() };
    let patience = api.timeout();
    let silent = |_| ApiError::Timeout(patience.as_secs());
    let mut reader = LogReader::open(api, &ask, patience).await?;
    let mut lines = vec![];
    // A server that does not care how many were asked for neither fills the memory nor keeps anybody waiting.
    while lines.len() < LOG_LINES
        && let Some(more) = tokio::time::timeout(patience, reader.next()).await.map_err(silent)??
    {
        lines.extend(more);
    }
    lines.truncate(LOG_LINES);
    Ok(lines.join("\n"))
}

/// An error as a fact: what is missing, what may not be read, what could not be fetched.
fn refused(error: ApiError) -> Answer {
    match error.code() {
        404 | 410 => Answer::Absent,
        401 | 403 => Answer::Denied(error.to_string()),
        _ => Answer::Failed(error.to_string()),
    }
}
