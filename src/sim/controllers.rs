//! The controllers of an embedded cluster: pure functions over its objects, run by one task, woken by every change.
//!
//! A pass runs each [`Controller`] on a fresh [`Snapshot`](plan::Snapshot) and does what its [`Plan`](plan::Plan) says.
//! Writes wake the task again, so it comes to rest when nobody wants anything more; then it sleeps until the next
//! change or the next moment somebody asked for.

mod apply;
pub mod meta;
pub mod plan;
pub mod volumes;

use crate::sim::store::Store;
use crate::sim::{endpoints, kubelet, nodes, scheduler, workloads};
use crate::world::object::ResourceId;
use crate::world::time::Time;
use plan::{Plan, Snapshot};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A controller: what it sees, what it wants.
pub type Controller = fn(&Snapshot) -> Plan;

/// Causes before effects, so that one pass takes a change all the way.
const CONTROLLERS: [Controller; 13] = [
    nodes::reconcile,
    workloads::garbage::reconcile,
    workloads::deployment::reconcile,
    workloads::replicaset::reconcile,
    workloads::statefulset::reconcile,
    workloads::daemonset::reconcile,
    workloads::revision::reconcile,
    workloads::job::reconcile,
    volumes::reconcile,
    scheduler::reconcile,
    kubelet::reconcile,
    endpoints::reconcile,
    workloads::budget::reconcile,
];

/// Group and plural of every kind that some controller reads.
const KINDS: [(&str, &str); 24] = [
    ("", "nodes"),
    ("", "pods"),
    ("", "services"),
    ("", "configmaps"),
    ("", "secrets"),
    ("", "events"),
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "namespaces"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "controllerrevisions"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
    ("coordination.k8s.io", "leases"),
    ("discovery.k8s.io", "endpointslices"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "ingressclasses"),
    ("policy", "poddisruptionbudgets"),
    ("storage.k8s.io", "storageclasses"),
    ("storage.k8s.io", "csinodes"),
    ("scheduling.k8s.io", "priorityclasses"),
];

/// Bursts of changes are taken together.
const GATHER: Duration = Duration::from_millis(10);
/// The longest sleep: the clock of the machine may have been set.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs the controllers until the future is dropped.
pub async fn run(store: Store) {
    let mut changes = store.subscribe();
    loop {
        changes.borrow_and_update();
        let wake = pass(&store);
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(until(wake)) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Runs every controller once; returns when one of them wants to run again whatever happens.
pub fn pass(store: &Store) -> Option<Time> {
    let mut wake = None;
    for controller in CONTROLLERS {
        let plan = controller(&snapshot(store));
        wake = [wake, plan.wake].into_iter().flatten().min();
        apply::all(store, plan.writes);
    }
    wake
}

/// Everything the controllers read.
pub fn snapshot(store: &Store) -> Snapshot {
    let mut snapshot = Snapshot::new(store.now(), store.version());
    for (group, plural) in KINDS {
        snapshot.put(plural, store.list(&ResourceId::new(group, plural), None));
    }
    snapshot
}

/// How long to sleep until a second begins.
fn until(wake: Option<Time>) -> Duration {
    let Some(wake) = wake else { return LONGEST };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Duration::from_secs(wake.0.max(0).unsigned_abs());
    at.saturating_sub(now).clamp(Duration::from_millis(20), LONGEST)
}

/// Records an event for a component that is not one of the controllers here.
pub fn record(
    store: &Store,
    reporter: &'static str,
    about: &serde_json::Value,
    warning: bool,
    reason: &'static str,
    message: String,
) {
    let mut plan = Plan::default();
    plan.event(reporter, about, warning, reason, message);
    apply::all(store, plan.writes);
}
