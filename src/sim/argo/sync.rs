//! Syncs: when, and how.

use super::compare::{self, Comparison, LAST_APPLIED, Target, Tracked, applied, has_option, live};
use super::health::{self, Health};
use super::{applications, delete, status};
use crate::sim::controllers::meta::{deleting, remove_key, set, set_key, time_at};
use crate::sim::fields;
use crate::sim::store::Store;
use crate::world::object::{ObjectRef, ResourceId, bool_at, int_at, list_at, name, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

/// A sync to do.
pub struct Request {
    /// The `operation`, as it will stand in `operationState`.
    operation: Value,
    /// Only these objects; empty means all.
    only: Vec<ObjectRef>,
    prune: bool,
}

/// What the sync policy says.
pub enum Decision {
    /// Nothing to do, or nothing that may be done.
    Nothing,
    /// A heal that has to wait.
    Later(Time),
    /// Sync.
    Now(Request),
}

/// Seconds before heal number `count + 1` of a revision: 0, 2, 6, 18 … 300.
pub fn heal_delay(count: i64) -> i64 {
    match count {
        ..=0 => 0,
        n => 2i64.saturating_mul(3i64.saturating_pow((n - 1).clamp(0, 10) as u32)).min(300),
    }
}

/// The rules of automated sync: one attempt per commit; after a success, heals if the policy says so.
pub fn decide(app: &Value, target: &Target, found: &Comparison, now: Time) -> Decision {
    let Some(policy) = app.pointer("/spec/syncPolicy/automated").filter(|p| p.is_object()) else {
        return Decision::Nothing;
    };
    let prune = bool_at(policy, "/prune");
    let curable = found.items.iter().filter(|i| !i.synced).any(|i| !i.superfluous || prune);
    if found.synced() || policy.get("enabled") == Some(&json!(false)) {
        return Decision::Nothing;
    }
    let last = app.pointer("/status/operationState").unwrap_or(&Value::Null);
    let tried =
        [str_at(last, "/operation/sync/revision"), str_at(last, "/syncResult/revision")].contains(&target.sha.as_str());
    if !tried {
        // "auto-sync will wipe out all resources": an emptied directory is not pruned by itself.
        return if target.objects.is_empty() {
            Decision::Nothing
        } else {
            Decision::Now(Request::automated(app, target, prune))
        };
    }
    if !bool_at(policy, "/selfHeal") || str_at(last, "/phase") != "Succeeded" || !curable {
        return Decision::Nothing;
    }
    let count = int_at(last, "/operation/sync/autoHealAttemptsCount").unwrap_or(0);
    let due = Time(time_at(last, "/finishedAt").0.saturating_add(heal_delay(count)));
    if now < due {
        return Decision::Later(due);
    }
    let only = found.items.iter().filter(|i| !i.synced).map(|i| ObjectRef::of(&i.object)).collect();
    Decision::Now(Request::heal(app, target, prune, only, count + 1))
}

impl Request {
    fn automated(app: &Value, target: &Target, prune: bool) -> Self {
        let mut operation = json!({"initiatedBy": {"automated": true}, "sync": {"revision": target.sha}});
        if let Some(retry) = app.pointer("/spec/syncPolicy/retry") {
            set(&mut operation, "retry", retry.clone());
        }
        if prune {
            set(&mut operation, "sync.prune", json!(true));
        }
        if let Some(options) = app.pointer("/spec/syncPolicy/syncOptions") {
            set(&mut operation, "sync.syncOptions", options.clone());
        }
        Self { operation, only: Vec::new(), prune }
    }

    fn heal(app: &Value, target: &Target, prune: bool, only: Vec<ObjectRef>, attempt: i64) -> Self {
        let mut request = Self::automated(app, target, prune);
        let names: Vec<Value> = only
            .iter()
            .map(|o| json!({"group": o.group, "kind": o.kind, "namespace": o.namespace, "name": o.name}))
            .collect();
        set(&mut request.operation, "sync.resources", Value::Array(names));
        set(&mut request.operation, "sync.autoHealAttemptsCount", json!(attempt));
        request.only = only;
        request
    }

    /// What an `operation` asks for.
    pub fn of(operation: &Value) -> Self {
        let only = list_at(operation, "/sync/resources")
            .iter()
            .map(|r| {
                ObjectRef::new(str_at(r, "/group"), str_at(r, "/kind"), str_at(r, "/namespace"), str_at(r, "/name"))
            })
            .collect();
        Self { operation: operation.clone(), only, prune: bool_at(operation, "/sync/prune") }
    }

    /// The field `operation` of the Application.
    pub fn into_operation(self) -> Value {
        self.operation
    }

    /// Only what would be done is said.
    fn dry(&self) -> bool {
        bool_at(&self.operation, "/sync/dryRun")
    }

    fn wants(&self, object: &Value) -> bool {
        let reference = ObjectRef::of(object);
        let same = |o: &ObjectRef| {
            o.group == reference.group
                && o.kind == reference.kind
                && o.name == reference.name
                && (o.namespace.is_empty() || o.namespace == reference.namespace)
        };
        self.only.is_empty() || self.only.iter().any(same)
    }
}

/// Takes up the operation that the Application is asked for.
pub fn begin(store: &Store, app: &Value, sha: &str) -> Value {
    let mut new = app.clone();
    let mut operation = app.get("operation").cloned().unwrap_or_default();
    set(&mut operation, "sync.revision", json!(sha));
    let source = operation.pointer("/sync/source").or(app.pointer("/spec/source")).cloned().unwrap_or_default();
    let automated = bool_at(&operation, "/initiatedBy/automated");
    let who = if automated { "automated" } else { str_at(&operation, "/initiatedBy/username") };
    status::event(store, app, false, "OperationStarted", format!("Initiated {who} sync to '{sha}'"));
    let state = json!({"operation": operation, "phase": "Running", "startedAt": store.now().rfc3339(),
        "message": "waiting for completion of sync", "syncResult": {"revision": sha, "source": source, "resources": []}});
    set(&mut new, "status.operationState", state);
    write(store, new)
}

/// A sync window lets nothing through: the operation waits, also one that is to be terminated.
pub fn blocked(store: &Store, app: &Value) -> Value {
    let mut new = app.clone();
    if str_at(app, "/status/operationState/phase") == "Running" {
        set(&mut new, "status.operationState.message", json!("Sync operation blocked by sync window"));
    }
    if new == *app { new } else { write(store, new) }
}

/// Goes on with the operation that runs: ends it where it is to be terminated, else applies waves until one has to be
/// waited for or all are done.
pub fn go_on(store: &Store, app: &Value, target: &Target) -> Value {
    let state = app.pointer("/status/operationState").cloned().unwrap_or_default();
    if str_at(&state, "/phase") == "Terminating" {
        return end(store, app, "Failed", "Operation terminated");
    }
    let request = Request::of(state.get("operation").unwrap_or(&Value::Null));
    let mut results = list_at(&state, "/syncResult/resources").to_vec();
    let step = waves(store, &with_options(app, &request), target, &request, &mut results);
    let mut new = app.clone();
    set(&mut new, "status.operationState.syncResult.resources", Value::Array(results));
    match step {
        Step::Waits(message) => {
            set(&mut new, "status.operationState.message", json!(message));
            if new == *app { new } else { write(store, new) }
        }
        Step::Done(message) => end(store, &new, "Succeeded", &message),
        Step::Failed(message) => end(store, &new, "Failed", &message),
    }
}

/// Ends the operation that runs.
pub fn end(store: &Store, app: &Value, phase: &str, message: &str) -> Value {
    let mut new = app.clone();
    if let Some(map) = new.as_object_mut() {
        map.remove("operation");
    }
    let finished = store.now();
    for (key, value) in
        [("phase", json!(phase)), ("message", json!(message)), ("finishedAt", json!(finished.rfc3339()))]
    {
        set(&mut new, &format!("status.operationState.{key}"), value);
    }
    let state = new.pointer("/status/operationState").cloned().unwrap_or_default();
    let request = Request::of(state.get("operation").unwrap_or(&Value::Null));
    if phase == "Succeeded" && request.only.is_empty() && !request.dry() {
        history(&mut new, &state, finished);
    }
    let sha = str_at(&state, "/syncResult/revision");
    let opening = if request.only.is_empty() { "Sync" } else { "Partial sync" };
    let good = phase == "Succeeded";
    let text = match good {
        true => format!("{opening} operation to {sha} succeeded"),
        false => format!("{opening} operation to {sha} failed: {message}"),
    };
    status::event(store, app, !good, "OperationCompleted", text);
    write(store, new)
}

/// The Application with the sync options of the operation: it does not inherit those of the Application.
fn with_options(app: &Value, request: &Request) -> Value {
    let mut app = app.clone();
    let options = request.operation.pointer("/sync/syncOptions").cloned().unwrap_or_else(|| json!([]));
    if app.pointer("/spec/syncPolicy/syncOptions") != Some(&options) {
        set(&mut app, "spec.syncPolicy.syncOptions", options);
    }
    app
}

/// The store's new version, or the same object when somebody else was faster.
fn write(store: &Store, app: Value) -> Value {
    let written = store.update(&applications(), app.clone());
    written.map_or_else(
        |_| {
            // The status is ours alone: put it over what was written in between. But who asks for an end is heard.
            let status = app.get("status").cloned().unwrap_or_default();
            let (ns, own) = (str_at(&app, "/metadata/namespace"), name(&app));
            let ended = app.get("operation").is_none();
            let merged = store.modify(&applications(), ns, own, |live| {
                let terminates = str_at(live, "/status/operationState/phase") == "Terminating";
                set(live, "status", status);
                if terminates && str_at(live, "/status/operationState/phase") == "Running" {
                    set(live, "status.operationState.phase", json!("Terminating"));
                }
                if let (true, Some(map)) = (ended, live.as_object_mut()) {
                    map.remove("operation");
                }
            });
            merged.map_or_else(|_| app.clone(), |o| (*o).clone())
        },
        |o| (*o).clone(),
    )
}

fn history(app: &mut Value, state: &Value, finished: Time) {
    let mut all = list_at(app, "/status/history").to_vec();
    let id = all.last().and_then(|h| int_at(h, "/id")).map_or(0, |n| n + 1);
    all.push(json!({
        "id": id, "revision": str_at(state, "/syncResult/revision"), "source": state.pointer("/syncResult/source"),
        "deployStartedAt": str_at(state, "/startedAt"), "deployedAt": finished.rfc3339(),
        "initiatedBy": state.pointer("/operation/initiatedBy").cloned().unwrap_or_else(|| json!({})),
    }));
    let limit = int_at(app, "/spec/revisionHistoryLimit").unwrap_or(10).max(0) as usize;
    let from = all.len().saturating_sub(limit);
    set(app, "status.history", Value::Array(all.split_off(from)));
}

/// How far an operation is.
enum Step {
    /// A wave is not healthy yet.
    Waits(String),
    Done(String),
    Failed(String),
}

/// Applies wave after wave; one is waited for if another follows (`sync_context.go`: with a single wave a sync does not
/// wait for health). One result per object.
fn waves(store: &Store, app: &Value, target: &Target, request: &Request, results: &mut Vec<Value>) -> Step {
    let dry = request.dry();
    if compare::app_option(app, "CreateNamespace=true") && !dry {
        let ns = str_at(app, "/spec/destination/namespace");
        let _ = store.create(&ResourceId::core("namespaces"), namespace(ns));
    }
    let only_differing = compare::app_option(app, "ApplyOutOfSyncOnly=true");
    let differs = |o: &Value| live(store, o).is_none_or(|l| compare::differs(store, app, &l, o));
    let done = |o: &Value, results: &[Value]| results.iter().any(|r| is_of(r, o));
    let wanted: Vec<&Value> = target
        .objects
        .iter()
        .filter(|o| request.wants(o) && (done(o, results) || !only_differing || differs(o)))
        .collect();
    let mut numbers: Vec<i64> = wanted.iter().map(|o| compare::wave(o)).collect();
    numbers.dedup();
    for (n, number) in numbers.iter().enumerate() {
        let wave: Vec<&Value> = wanted.iter().filter(|o| compare::wave(o) == *number).copied().collect();
        let last = n + 1 == numbers.len();
        if !wave.iter().any(|o| done(o, results)) {
            results.extend(wave.iter().map(|o| result(o, apply(store, app, o, dry), "Synced")));
            if let Err(why) = verdict(results) {
                return Step::Failed(why);
            }
        }
        if !last
            && !dry
            && let Some(step) = wait(store, &wave, results)
        {
            return step;
        }
    }
    let before = results.len();
    prune(store, app, target, request, results);
    let nothing = wanted.is_empty() && results.len() == before;
    Step::Done(
        if nothing { "successfully synced (no more tasks)" } else { "successfully synced (all tasks run)" }.into(),
    )
}

/// Whether a result is that of an object.
fn is_of(result: &Value, object: &Value) -> bool {
    let o = ObjectRef::of(object);
    let same = |at: &str, value: &str| str_at(result, at) == value;
    same("/group", &o.group) && same("/kind", &o.kind) && same("/name", &o.name) && same("/namespace", &o.namespace)
}

/// The health of what was applied goes into its result; `None`: the wave is healthy.
fn wait(store: &Store, wave: &[&Value], results: &mut [Value]) -> Option<Step> {
    let (mut waiting, mut broken) = (vec![], false);
    for object in wave {
        let live = live(store, object);
        let health = live.as_deref().map_or(Some(Health::Missing), health::of);
        let Some(result) = results.iter_mut().find(|r| is_of(r, object)) else { continue };
        match health {
            None | Some(Health::Healthy) => set(result, "hookPhase", json!("Succeeded")),
            Some(Health::Degraded) => {
                broken = true;
                set(result, "hookPhase", json!("Failed"));
                let text = format!("{} \"{}\" exceeded its progress deadline", str_at(object, "/kind"), name(object));
                set(result, "message", json!(text));
            }
            Some(_) => {
                set(result, "hookPhase", json!("Running"));
                let o = ObjectRef::of(object);
                waiting.push(format!("{}/{}/{}", o.group, o.kind, o.name));
            }
        }
    }
    if broken {
        return Some(Step::Failed("one or more synchronization tasks completed unsuccessfully".into()));
    }
    let first = waiting.first()?;
    let more = match waiting.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more resources"),
    };
    Some(Step::Waits(format!("waiting for healthy state of {first}{more}")))
}

/// What git has dropped goes, or is said to stay.
fn prune(store: &Store, app: &Value, target: &Target, request: &Request, results: &mut Vec<Value>) {
    let dry = request.dry();
    for object in Tracked::of(store, name(app)).0 {
        let known = target.objects.iter().any(|o| ObjectRef::of(o) == ObjectRef::of(&object));
        if known || deleting(&object) || !request.wants(&object) {
            continue;
        }
        if request.prune && !has_option(&object, "Prune=false") {
            if !dry {
                delete(store, &object);
            }
            results.push(result(&object, Ok(if dry { "pruned (dry run)" } else { "pruned" }.into()), "Pruned"));
        } else {
            let why = if request.prune { "ignored (no prune)" } else { "ignored (requires pruning)" };
            results.push(result(&object, Ok(why.into()), "PruneSkipped"));
        }
    }
}

/// A namespace as the API server leaves it.
pub fn namespace(own: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own, "labels": {"kubernetes.io/metadata.name": own}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
}

fn result(object: &Value, outcome: Result<String, String>, good: &str) -> Value {
    let reference = ObjectRef::of(object);
    let version = str_at(object, "/apiVersion").rsplit('/').next().unwrap_or_default();
    let (status, phase) = if outcome.is_ok() { (good, "Succeeded") } else { ("SyncFailed", "Failed") };
    let mut result = json!({
        "group": reference.group, "version": version, "kind": reference.kind, "namespace": reference.namespace,
        "name": reference.name, "status": status, "hookPhase": phase, "syncPhase": "Sync",
        "message": outcome.unwrap_or_else(|why| why),
    });
    let images: Vec<&str> =
        list_at(object, "/spec/template/spec/containers").iter().map(|c| str_at(c, "/image")).collect();
    if !images.is_empty() {
        set(&mut result, "images", json!(images));
    }
    result
}

/// The two openings of a failure: every object of the round failed, or only some did.
fn verdict(results: &[Value]) -> Result<(), String> {
    let failed: Vec<&str> =
        results.iter().filter(|r| str_at(r, "/status") == "SyncFailed").map(|r| str_at(r, "/message")).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let opening = match failed.len() == results.len() {
        true => "one or more objects failed to apply",
        false => "one or more synchronization tasks completed unsuccessfully",
    };
    Err(format!("{opening}, reason: {}", failed.join(",")))
}

/// Applies one object: `deployment.apps/web configured`, or the API server's refusal.
fn apply(store: &Store, app: &Value, wanted: &Value, dry: bool) -> Result<String, String> {
    let reference = ObjectRef::of(wanted);
    let ObjectRef { group, kind, namespace: ns, name: own } = &reference;
    let Some(resource) = store.kind_named(group, kind) else {
        return Err(format!(
            "The Kubernetes API could not find {group}/{kind} for requested resource {ns}/{own}. Make sure the \"{kind}\" CRD is installed on the destination cluster."
        ));
    };
    if resource.namespaced && store.get(&ResourceId::core("namespaces"), "", ns).is_none() {
        return Err(format!("namespaces \"{ns}\" not found"));
    }
    let server_side = compare::server_side(app, wanted);
    let stamp = compare::stamp(store, wanted);
    let title = match group.is_empty() {
        true => format!("{}/{own}", kind.to_lowercase()),
        false => format!("{}.{group}/{own}", kind.to_lowercase()),
    };
    let note = if dry { " (dry run)" } else { "" };
    let done = |verb: &str| format!("{title} {}{note}", if server_side { "serverside-applied" } else { verb });
    let Some(live) = live(store, wanted) else {
        if dry {
            return Ok(done("created"));
        }
        let mut new = wanted.clone();
        if server_side {
            fields::record_apply(&mut new, wanted, &stamp);
        } else {
            remember(&mut new, wanted);
            fields::record_update(&json!({}), &mut new, &stamp);
        }
        return store.create(&resource.id, new).map(|_| done("created")).map_err(|f| f.message);
    };
    let mut wanted = wanted.clone();
    if compare::app_option(app, "RespectIgnoreDifferences=true") {
        let pointers: Vec<String> = compare::ignored_pointers(app, &wanted).into_iter().map(str::to_string).collect();
        pointers.iter().for_each(|p| drop(compare::take(&mut wanted, p)));
    }
    let replaced = compare::app_option(app, "Replace=true") || has_option(&wanted, "Replace=true");
    if replaced {
        return replace(store, &resource.id, &live, &wanted, dry).map(|()| format!("{title} replaced{note}"));
    }
    let mut new = applied(store, app, &live, &wanted);
    if !server_side {
        remember(&mut new, &wanted);
        fields::record_update(&live, &mut new, &stamp);
    }
    if dry {
        return Ok(done(if compare::differs(store, app, &live, &wanted) { "configured" } else { "unchanged" }));
    }
    remove_key(&mut new, "metadata", "resourceVersion");
    let before = str_at(&live, "/metadata/resourceVersion").to_string();
    let stored = store.update(&resource.id, new).map_err(|f| f.message)?;
    Ok(done(if str_at(&stored, "/metadata/resourceVersion") == before { "unchanged" } else { "configured" }))
}

/// Puts what git says in the place of what lives, with the live object's identity; what others wrote is gone.
fn replace(store: &Store, id: &ResourceId, live: &Value, wanted: &Value, dry: bool) -> Result<(), String> {
    let mut new = wanted.clone();
    for key in ["uid", "creationTimestamp", "finalizers", "ownerReferences"] {
        if let Some(value) = live.pointer(&format!("/metadata/{key}")) {
            set(&mut new, &format!("metadata.{key}"), value.clone());
        }
    }
    if let Some(status) = live.get("status") {
        set(&mut new, "status", status.clone());
    }
    remember(&mut new, wanted);
    fields::record_update(live, &mut new, &compare::stamp(store, wanted));
    if dry {
        return Ok(());
    }
    store.update(id, new).map(drop).map_err(|f| f.message)
}

/// Writes the annotation of a client-side apply.
fn remember(object: &mut Value, wanted: &Value) {
    let mut config = wanted.clone();
    remove_key(&mut config, "metadata.annotations", LAST_APPLIED);
    set_key(object, "metadata.annotations", LAST_APPLIED, json!(config.to_string()));
}
