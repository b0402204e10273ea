//! The pods that a forward may lead to: which ones are meant, and how they change.

use super::Ask;
use crate::cluster::api::{Api, ApiError, encode};
use crate::cluster::backoff::Backoff;
use crate::kinds::ports::Wanted;
use crate::world::object::{controller, str_at};
use crate::world::selector::Selector;
use futures::TryStreamExt;
use http::Request;
use kube::core::WatchEvent;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// A pod that may not be listed is looked at this often.
const LOOK: Duration = Duration::from_secs(5);

/// Which pods are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Query of the list with `&` at its end, empty for all of the namespace.
    pub query: String,
    /// Which of them.
    pub wanted: Wanted,
    /// What is said when none may serve.
    pub nobody: String,
}

impl Origin {
    /// Finds out which pods an object means.
    pub async fn of(api: &Api, ask: &Ask, object: &Value) -> Result<Self, String> {
        let kind = ask.resource.kind.as_str();
        let nobody = format!("no ready pod of {kind} {}", ask.name);
        let uid = str_at(object, "/metadata/uid").to_string();
        let selected = |pointer: &str| object.pointer(pointer).filter(|s| s.as_object().is_some_and(|s| !s.is_empty()));
        let of_all = |selector: Selector| Self {
            query: labelled(&selector),
            wanted: Wanted { name: None, owner: None },
            nobody: nobody.clone(),
        };
        match (ask.resource.id.group.as_str(), kind) {
            ("", "Pod") => Ok(of_pod(api, ask, object).await),
            ("", "Service") => match selected("/spec/selector") {
                Some(labels) => Ok(of_all(Selector::from_map(labels))),
                None => Err(format!("Service {} selects no pods, so there is nothing to forward to", ask.name)),
            },
            ("apps", "Deployment") => match selected("/spec/selector") {
                Some(selector) => Ok(of_all(Selector::from_value(selector))),
                None => Err(format!("Deployment {} has no selector", ask.name)),
            },
            _ => match selected("/spec/selector") {
                Some(selector) => {
                    let wanted = Wanted { name: None, owner: Some(uid) };
                    Ok(Self { query: labelled(&Selector::from_value(selector)), wanted, nobody })
                }
                None => Err(format!("{kind} {} has no pods of its own, so there is nothing to forward to", ask.name)),
            },
        }
    }
}

/// A pod, and who may take its place: the pods of its controller, of a Deployment those of every revision.
async fn of_pod(api: &Api, ask: &Ask, pod: &Value) -> Origin {
    let origin = |query: String, owner: Option<String>, successors: bool| Origin {
        query,
        nobody: match successors {
            true => format!("pod {} is gone or does not run, and no pod of its owner is ready", ask.name),
            false => format!("pod {} is gone or does not run", ask.name),
        },
        wanted: Wanted { name: Some(ask.name.clone()), owner },
    };
    // Nobody replaces it, but somebody may make it again under the same name.
    let alone = || origin(format!("fieldSelector=metadata.name%3D{}&", encode(&ask.name)), Some(String::new()), false);
    let read = |kind: &str, name: &str| {
        let plural = format!("{}s", kind.to_lowercase());
        let path = format!("/apis/apps/v1/namespaces/{}/{plural}/{}", encode(&ask.namespace), encode(name));
        async move { api.get(&path).await.ok() }
    };
    let Some(("apps/v1", kind @ ("ReplicaSet" | "StatefulSet" | "DaemonSet"), name)) = controller(pod) else {
        return alone();
    };
    let Some(owner) = read(kind, name).await else { return alone() };
    let deployment = match controller(&owner) {
        Some(("apps/v1", "Deployment", name)) => read("Deployment", name).await,
        _ => None,
    };
    let of_owner = deployment.is_none().then(|| str_at(&owner, "/metadata/uid").to_string());
    match deployment.as_ref().unwrap_or(&owner).pointer("/spec/selector") {
        Some(selector) => origin(labelled(&Selector::from_value(selector)), of_owner, true),
        None => alone(),
    }
}

/// The query for pods that a selector matches.
fn labelled(selector: &Selector) -> String {
    match selector.0.is_empty() {
        true => String::new(),
        false => format!("labelSelector={}&", encode(&selector.to_string())),
    }
}

/// Lists and watches the pods, for ever; every change is handed on whole.
pub async fn follow(api: &Api, namespace: &str, origin: &Origin, found: watch::Sender<Result<Vec<Value>, String>>) {
    let path = format!("/api/v1/namespaces/{}/pods", encode(namespace));
    let query = &origin.query;
    let mut pause = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    loop {
        match list(api, &path, query).await {
            Ok((mut pods, mut revision)) => {
                pause.reset();
                let _ = found.send_replace(Ok(pods.values().cloned().collect()));
                while watch_on(api, &path, query, &mut pods, &mut revision, &found).await.is_ok() {
                    tokio::time::sleep(pause.pause()).await;
                }
            }
            Err(e) => match (e.code(), &origin.wanted.name) {
                (401 | 403, Some(pod)) => one(api, &format!("{path}/{}", encode(pod)), &found).await,
                _ => drop(found.send_replace(Err(format!("the pods cannot be listed: {e}")))),
            },
        }
        tokio::time::sleep(pause.pause()).await;
    }
}

/// Looks at one pod again and again, where pods may not be listed; ends when that does not work either.
async fn one(api: &Api, path: &str, found: &watch::Sender<Result<Vec<Value>, String>>) {
    loop {
        match api.get(path).await {
            Ok(pod) => drop(found.send_replace(Ok(vec![pod]))),
            Err(e) if e.code() == 404 => drop(found.send_replace(Ok(vec![]))),
            Err(e) => {
                let _ = found.send_replace(Err(format!("the pod cannot be read: {e}")));
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// By UID.
type Pods = BTreeMap<String, Value>;

async fn list(api: &Api, path: &str, query: &str) -> Result<(Pods, String), ApiError> {
    let mut answer = api.get(&format!("{path}?{}", query.trim_end_matches('&'))).await?;
    let revision = str_at(&answer, "/metadata/resourceVersion").to_string();
    let items = match answer.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![],
    };
    Ok((items.into_iter().map(|pod| (str_at(&pod, "/metadata/uid").to_string(), pod)).collect(), revision))
}

/// One watch; `Ok` when the server has ended it in good order, so that the next goes on where it stopped.
async fn watch_on(
    api: &Api,
    path: &str,
    query: &str,
    pods: &mut Pods,
    revision: &mut String,
    found: &watch::Sender<Result<Vec<Value>, String>>,
) -> Result<(), ()> {
    let uri = format!("{path}?{query}watch=1&allowWatchBookmarks=true&resourceVersion={}", encode(revision));
    let request = Request::builder().uri(uri).header("Accept", "application/json").body(vec![]).map_err(drop)?;
    let events = api.client().request_events::<Value>(request).await.map_err(drop)?;
    tokio::pin!(events);
    while let Some(event) = events.try_next().await.map_err(drop)? {
        match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                *revision = str_at(&pod, "/metadata/resourceVersion").into();
                pods.insert(str_at(&pod, "/metadata/uid").into(), pod);
            }
            WatchEvent::Deleted(pod) => {
                *revision = str_at(&pod, "/metadata/resourceVersion").into();
                pods.remove(str_at(&pod, "/metadata/uid"));
            }
            WatchEvent::Bookmark(mark) => {
                *revision = mark.metadata.resource_version;
                continue;
            }
            WatchEvent::Error(_) => return Err(()),
        }
        let _ = found.send_replace(Ok(pods.values().cloned().collect()));
    }
    Ok(())
}
