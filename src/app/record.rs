//! `kokpit record`: what diagnosis can read of a cluster, at one moment, in one document that `--from` opens.

use super::why::fetch;
use crate::cluster::api::ApiError;
use crate::cluster::hub::Hub;
use crate::diagnose::case::{Answer, Need};
use crate::diagnose::kinds::ALL;
use crate::kinds::redact;
use crate::world::fleet::ClusterId;
use crate::world::object::{Resource, int_at, list_at, name, namespace, str_at};
use futures::StreamExt;
use serde_json::{Map, Value, json};

/// Requests under way at once.
const AT_ONCE: usize = 6;
/// Containers whose logs are taken at most.
const LOGS: usize = 200;

/// A recording, and what is to be said about it.
pub struct Recorded {
    /// The document: see `sim::recording`.
    pub document: Value,
    /// Objects in it.
    pub objects: usize,
    /// Logs in it.
    pub logs: usize,
    /// Values that looked like secrets and were replaced.
    pub redacted: usize,
    /// Kinds that could not be read, with the server's sentence.
    pub unreadable: Vec<(String, String)>,
}

/// Records every kind that diagnosis reads, in one namespace or (`None`) everywhere, and the logs of containers that
/// are not well. Values of Secrets never leave the server; what else looks like a secret is replaced.
///
/// # Errors
/// When the cluster cannot be reached. A kind that may not be read is noted in the recording instead.
pub async fn record(hub: &Hub, cluster: ClusterId, ns: Option<&str>) -> Result<Recorded, ApiError> {
    let api = hub.api(cluster).await?;
    let catalog = hub.catalog(cluster).await?;
    let version = api.get("/version").await.unwrap_or(Value::Null);
    let kinds: Vec<&Resource> = catalog.iter().filter(|kind| ALL.iter().any(|known| known.id() == kind.id)).collect();
    let needs = kinds.iter().map(|kind| {
        let namespace = ns.filter(|_| kind.namespaced).map(Into::into);
        fetch(&api, &catalog, Need::List { resource: kind.id.clone(), namespace })
    });
    let answers: Vec<(Need, Answer)> = futures::stream::iter(needs).buffered(AT_ONCE).collect().await;
    let mut recorded = Recorded { document: Value::Null, objects: 0, logs: 0, redacted: 0, unreadable: Vec::new() };
    let resources: Vec<Value> =
        kinds.iter().zip(answers).map(|(kind, (_, answer))| resource(kind, answer, &mut recorded)).collect();
    let pods = resources.iter().find(|r| r["kind"] == "Pod" && r["group"] == "");
    let wanted: Vec<Need> = pods.map(|pods| list_at(pods, "/items")).into_iter().flatten().flat_map(logs_of).collect();
    let wanted = wanted.into_iter().take(LOGS).map(|need| fetch(&api, &catalog, need));
    let answers: Vec<(Need, Answer)> = futures::stream::iter(wanted).buffered(AT_ONCE).collect().await;
    let logs = logs(answers);
    recorded.logs = logs.len();
    recorded.document = json!({
        "recordedAt": hub.clock(cluster).await.rfc3339(), "version": version, "resources": resources, "logs": logs,
    });
    Ok(recorded)
}

/// One kind with its objects, or with the reason why there are none.
fn resource(kind: &Resource, answer: Answer, recorded: &mut Recorded) -> Value {
    let mut entry = json!({
        "group": kind.id.group, "version": kind.version, "resource": kind.id.plural, "kind": kind.kind,
        "namespaced": kind.namespaced, "verbs": kind.verbs, "shortNames": kind.short_names, "items": [],
    });
    match answer {
        Answer::List(items) => {
            let mut items: Vec<Value> = items.iter().filter(|o| !redact::is_left_out(o)).cloned().collect();
            recorded.objects += items.len();
            recorded.redacted += items.iter_mut().map(redact::object).sum::<usize>();
            entry["items"] = items.into();
        }
        Answer::Denied(why) | Answer::Failed(why) => {
            entry["unreadable"] = why.clone().into();
            recorded.unreadable.push((kind.id.to_string(), why));
        }
        _ => {}
    }
    entry
}

/// The logs that tell something: of containers that are not ready or were started again.
fn logs_of(pod: &Value) -> impl Iterator<Item = Need> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let over = str_at(pod, "/status/phase") == "Succeeded";
    let all = statuses.into_iter().flat_map(|at| list_at(pod, at)).filter(move |_| !over);
    all.flat_map(|status| {
        let restarted = int_at(status, "/restartCount").unwrap_or_default() > 0;
        let started = status.pointer("/state/waiting").is_none();
        let unwell = status["ready"] != true && status.pointer("/state/terminated/exitCode") != Some(&json!(0));
        let log = |previous| Need::Log {
            namespace: namespace(pod).into(),
            pod: name(pod).into(),
            container: str_at(status, "/name").into(),
            previous,
        };
        let current = (started && (restarted || unwell)).then(|| log(false));
        current.into_iter().chain(restarted.then(|| log(true)))
    })
}

fn logs(answers: Vec<(Need, Answer)>) -> Map<String, Value> {
    let mut logs = Map::new();
    for (need, answer) in answers {
        let (Need::Log { namespace, pod, container, previous }, Answer::Log(text)) = (need, answer) else { continue };
        let entry = logs.entry(format!("{namespace}/{pod}/{container}")).or_insert_with(|| json!({}));
        entry[if previous { "previous" } else { "current" }] = redact::log(&text).into();
    }
    logs
}
