//! A stand-in for Argo CD: Applications whose source is a plain directory of a git repository on this machine.
//!
//! It polls the repository's refs, renders every YAML document of the directory, compares with what lives in the
//! cluster, syncs and heals, and reports in the Application's status. Timing, texts and rules are those measured on
//! Argo CD 3.6: one automated attempt per commit, self-heal after 0, 2, 6, 18 … 300 seconds, a field that git does not
//! mention is never drift. Waves wait for health, operations can be terminated, go back to an entry of the history, and
//! are held back by the sync windows of the project. Left out: hooks, retries, rendering by Helm or kustomize.

pub mod compare;
pub mod health;
pub mod repository;
pub mod status;
pub mod sync;

use crate::sim::controllers::meta::{annotation, deleting, fnv, remove_key, set};
use crate::sim::store::{DeleteOptions, Store};
use crate::world::object::{ObjectRef, ResourceId, bool_at, list_at, name, str_at};
use crate::world::sync_window::Gate;
use crate::world::time::Time;
use compare::{Comparison, Target, Tracked};
use repository::Repositories;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// The annotation that asks for a comparison now.
pub const REFRESH: &str = "argocd.argoproj.io/refresh";
/// The annotation by which an object says which Application it is part of.
pub const TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// Its field manager.
pub const MANAGER: &str = "argocd-controller";

/// How often the refs of the repositories are looked at.
const POLL: Duration = Duration::from_secs(3);
const GATHER: Duration = Duration::from_millis(20);
/// Seconds between two comparisons that nothing asked for (`timeout.reconciliation`); `reconciledAt` moves so often.
const RECONCILE: i64 = 120;

/// The kind of Applications.
pub fn applications() -> ResourceId {
    ResourceId::new("argoproj.io", "applications")
}

/// Runs until the future is dropped.
pub async fn run(store: Store) {
    let mut agent = Agent { store: store.clone(), repositories: Repositories::default(), due: HashMap::new() };
    let mut changes = store.subscribe();
    let mut polled = std::time::Instant::now();
    let mut seen = 0;
    loop {
        changes.borrow_and_update();
        let mut moved = false;
        if polled.elapsed() >= POLL {
            moved = agent.repositories.poll().await;
            polled = std::time::Instant::now();
        }
        let before = store.version();
        if moved || before != seen || agent.due.values().any(|at| *at <= store.now()) {
            agent.pass().await;
        }
        // What the pass itself wrote wakes the next one: health follows from it.
        seen = before;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(agent.sleep(polled.elapsed())) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// One Argo CD.
struct Agent {
    store: Store,
    repositories: Repositories,
    /// By Application: when it is looked at again even if nothing changes (healing, `reconciledAt`).
    due: HashMap<String, Time>,
}

impl Agent {
    /// Until the next look at the refs, or the next Application is due.
    fn sleep(&self, since_poll: Duration) -> Duration {
        let now = self.store.now().0;
        let due = self.due.values().map(|at| (at.0 - now).max(0)).min().unwrap_or(i64::MAX);
        POLL.saturating_sub(since_poll).min(Duration::from_secs(due.unsigned_abs())).max(Duration::from_millis(100))
    }

    async fn pass(&mut self) {
        let all = self.store.list(&applications(), None);
        self.due.retain(|app, _| all.iter().any(|a| name(a) == app));
        if all.iter().any(|app| !annotation(app, REFRESH).is_empty()) {
            self.repositories.poll().await;
        }
        for app in all {
            match deleting(&app) {
                true => self.finalize(&app),
                false => self.application(&app).await,
            }
        }
    }

    /// Compares, and syncs if there is a reason to.
    async fn application(&mut self, app: &Value) {
        let now = self.store.now();
        let target = self.target(app).await;
        let comparison = target.as_ref().map(|t| Comparison::of(&self.store, app, t)).map_err(Clone::clone);
        let overdue = now.0 >= status::reconciled_at(app).0.saturating_add(RECONCILE);
        let mut new = app.clone();
        let touched = overdue || !annotation(app, REFRESH).is_empty();
        remove_key(&mut new, "metadata.annotations", REFRESH);
        let compared = status::report(&self.store, app, new, &comparison, touched);
        let next = match (&target, &comparison) {
            (Ok(target), Ok(comparison)) => self.maybe_sync(&compared, target, comparison).await,
            (Err(why), _) if runs(&compared) || compared.get("operation").is_some_and(Value::is_object) => {
                let begun = if runs(&compared) { compared.clone() } else { sync::begin(&self.store, &compared, "") };
                sync::end(&self.store, &begun, "Error", &format!("ComparisonError: {why}"));
                None
            }
            _ => None,
        };
        // Spread, so that not all of them are due in the same second.
        let again =
            Time(status::reconciled_at(&compared).0.max(now.0 - RECONCILE) + RECONCILE + (fnv(name(app)) % 7) as i64);
        self.due.insert(name(app).to_string(), next.map_or(again, |n| n.min(again)));
    }

    /// What git says, at the Application's target.
    async fn target(&mut self, app: &Value) -> Result<Target, String> {
        let source = app.pointer("/spec/source").unwrap_or(&Value::Null);
        self.rendered(app, source, str_at(source, "/targetRevision")).await
    }

    /// What git says of a source at a revision.
    async fn rendered(&mut self, app: &Value, source: &Value, revision: &str) -> Result<Target, String> {
        let (url, path) = (str_at(source, "/repoURL"), str_at(source, "/path"));
        let recurse = bool_at(source, "/directory/recurse");
        let rendered = self.repositories.render(url, revision, path, recurse).await;
        let (sha, objects) = rendered.map_err(|why| {
            format!("Failed to load target state: failed to generate manifest for source 1 of 1: {why}")
        })?;
        Ok(Target::new(&self.store, app, sha, &objects))
    }

    /// Goes on with the operation that runs, starts what is asked for in `.operation`, or what the sync policy wants. The
    /// answer is when to look again.
    async fn maybe_sync(&mut self, app: &Value, target: &Target, comparison: &Comparison) -> Option<Time> {
        let now = self.store.now();
        let mut app = app.clone();
        if !runs(&app) && app.get("operation").is_none_or(|o| !o.is_object()) {
            match sync::decide(&app, target, comparison, now) {
                sync::Decision::Nothing => return None,
                sync::Decision::Later(at) => return Some(at),
                sync::Decision::Now(request) => {
                    if let Some(shut) = self.shut(&app, false) {
                        return shut;
                    }
                    set(&mut app, "operation", request.into_operation());
                }
            }
        }
        let automated = bool_at(&app, "/operation/initiatedBy/automated");
        let chosen = match self.chosen(&app).await {
            Ok(chosen) => chosen,
            Err(why) => {
                let begun = if runs(&app) { app } else { sync::begin(&self.store, &app, "") };
                self.told(sync::end(&self.store, &begun, "Error", &format!("ComparisonError: {why}")), target);
                return None;
            }
        };
        if !runs(&app) {
            app = sync::begin(&self.store, &app, &chosen.sha);
        }
        if let Some(shut) = self.shut(&app, !automated) {
            sync::blocked(&self.store, &app);
            return shut;
        }
        let done = sync::go_on(&self.store, &app, &chosen);
        self.told(done, target);
        None
    }

    /// What the operation is to bring about: its own source and revision where it names them, as a rollback does.
    async fn chosen(&mut self, app: &Value) -> Result<Target, String> {
        let of = if runs(app) { "/status/operationState/operation" } else { "/operation" };
        let operation = app.pointer(of).unwrap_or(&Value::Null);
        let source = operation.pointer("/sync/source").or(app.pointer("/spec/source")).cloned().unwrap_or_default();
        let revision = match str_at(operation, "/sync/revision") {
            "" => str_at(&source, "/targetRevision"),
            named => named,
        };
        self.rendered(app, &source, revision).await
    }

    /// Where a sync window of the project is in the way: when that may change.
    fn shut(&self, app: &Value, manual: bool) -> Option<Option<Time>> {
        let named = match str_at(app, "/spec/project") {
            "" => "default",
            named => named,
        };
        let projects = ResourceId::new("argoproj.io", "appprojects");
        let project = self.store.get(&projects, str_at(app, "/metadata/namespace"), named)?;
        // A window that cannot be read lets nothing through.
        let Ok(gate) = Gate::of(&project, app) else { return Some(None) };
        let now = self.store.now();
        (!gate.blocking(now, manual).is_empty()).then(|| gate.flips(now, manual))
    }

    /// Reports how things stand against the `target` after an operation went on.
    fn told(&self, done: Value, target: &Target) {
        let comparison = Ok(Comparison::of(&self.store, &done, target));
        status::report(&self.store, &done, done.clone(), &comparison, !runs(&done));
    }

    /// `resources-finalizer.argocd.argoproj.io`: what belongs to the Application goes first.
    fn finalize(&self, app: &Value) {
        let finalizers = list_at(app, "/metadata/finalizers");
        let ours = |f: &Value| f.as_str().is_some_and(|f| f.starts_with("resources-finalizer.argocd.argoproj.io"));
        if !finalizers.iter().any(ours) {
            return;
        }
        for object in Tracked::of(&self.store, name(app)).0 {
            if !deleting(&object) && !compare::has_option(&object, "Delete=false") {
                delete(&self.store, &object);
            }
        }
        let mut new = app.clone();
        let left = finalizers.iter().filter(|f| !ours(f)).cloned().collect();
        set(&mut new, "metadata.finalizers", Value::Array(left));
        let _ = self.store.update(&applications(), new);
    }
}

/// Whether an operation runs, or is being terminated.
fn runs(app: &Value) -> bool {
    matches!(str_at(app, "/status/operationState/phase"), "Running" | "Terminating")
}

/// Deletes an object; its dependents follow.
fn delete(store: &Store, object: &Value) {
    let reference = ObjectRef::of(object);
    if let Some(kind) = store.kind_named(&reference.group, &reference.kind) {
        let _ = store.delete(&kind.id, &reference.namespace, &reference.name, &DeleteOptions::default());
    }
}

#[cfg(test)]
mod tests;
