//! The tutorial of the demo: steps as data, ticked off by looking at the clusters themselves.

use crate::sim::controllers::meta::{deleting, is_ready, time_at};
use crate::sim::store::Store;
use crate::world::object::{ResourceId, bool_at, int_at, list_at, str_at};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// What the steps are judged by.
pub struct Clusters {
    /// `prod-eu`
    pub eu: Store,
    /// `prod-us`
    pub us: Store,
}

/// One step.
pub struct Step {
    /// A few words.
    pub title: &'static str,
    /// What to try: at most three lines of 60 columns.
    pub text: &'static str,
    /// Whether the clusters show that it was done.
    pub done: fn(&Clusters) -> bool,
}

/// A step as the panel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepState {
    /// A few words.
    pub title: &'static str,
    /// At most three lines of 60 columns.
    pub text: &'static str,
    /// Ticked off; a step that was done once stays done.
    pub done: bool,
}

/// The steps, in the order in which they are easiest.
pub const STEPS: [Step; 7] = [
    Step {
        title: "Pending: no node has the memory",
        text: "prod-us: :pods ml, x says why. Then :deploy ml and Shift-R:\nrecommender request.memory=1Gi memory=1Gi\nThe commit changes apps/prod-us/recommender.",
        done: |c| all_ready(&c.us, "ml", "recommender"),
    },
    Step {
        title: "Pending: a taint is in the way",
        text: "prod-eu: :pods analytics, x. n4 and n5 have room, but are\ndedicated=db. Less memory (Shift-R), or a toleration, in\napps/prod-eu/reports/deployment.yaml.",
        done: |c| all_ready(&c.eu, "analytics", "reports"),
    },
    Step {
        title: "Pending: no node of that kind",
        text: "prod-eu: :pods search, x. Which label do the nodes have?\nCorrect nodeSelector by a commit to\napps/prod-eu/search/deployment.yaml.",
        done: |c| all_ready(&c.eu, "search", "search"),
    },
    Step {
        title: "503: a Service that selects nothing",
        text: ":why http://shop.example.com/cart walks the way of a\nrequest. Correct the selector in\napps/prod-eu/cart/service.yaml and push.",
        done: |c| endpoints_ready(&c.eu, "shop", "cart"),
    },
    Step {
        title: "Drift: somebody edited by hand",
        text: "prod-us: :app, then x on payments, which is OutOfSync.\nKeep mara's change by committing the same limit to\napps/prod-us/payments, or take it back by a sync.",
        done: |c| synced(&c.us, "payments"),
    },
    Step {
        title: "Cordon a node, with a reason",
        text: ":nodes, choose one, c. The node is cordoned live, and the\ncommit that says why is in clusters/<cluster>/nodes.",
        done: |c| cordoned(c) > 0,
    },
    Step {
        title: "And take it back",
        text: "u on the cordoned node uncordons it: commit first, then\nlive. New pods are placed there again.",
        done: |c| cordoned(c) == 0,
    },
];

/// How far somebody is in the tutorial.
pub struct Tutorial {
    clusters: Option<Clusters>,
    reached: Arc<Mutex<Vec<bool>>>,
}

impl Tutorial {
    /// A tutorial over `prod-eu` and `prod-us`, in this order.
    pub fn new(stores: Vec<Store>) -> Self {
        let mut stores = stores.into_iter();
        let clusters = stores.next().zip(stores.next()).map(|(eu, us)| Clusters { eu, us });
        Self { clusters, reached: Arc::new(Mutex::new(vec![false; STEPS.len()])) }
    }

    /// Every step with its state now. Looks at the clusters; cheap enough for every frame that follows a change.
    pub fn progress(&self) -> Vec<StepState> {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        for (i, step) in STEPS.iter().enumerate() {
            // A node can only be taken back after it was cordoned.
            let open = i + 1 < STEPS.len() || i.checked_sub(1).and_then(|before| reached.get(before)) == Some(&true);
            let done = open && self.clusters.as_ref().is_some_and(step.done);
            if let Some(slot) = reached.get_mut(i) {
                *slot |= done;
            }
        }
        let state = |(step, done): (&Step, &bool)| StepState { title: step.title, text: step.text, done: *done };
        STEPS.iter().zip(reached.iter()).map(state).collect()
    }
}

/// Whether a Deployment has all its pods, of its present template, ready, and no others.
fn all_ready(store: &Store, ns: &str, wanted: &str) -> bool {
    let Some(deployment) = store.get(&ResourceId::new("apps", "deployments"), ns, wanted) else { return false };
    let replicas = int_at(&deployment, "/spec/replicas").unwrap_or(1);
    let n = |key: &str| int_at(&deployment, &format!("/status/{key}")).unwrap_or(0);
    let pods = store.list(&ResourceId::core("pods"), Some(ns));
    let mine = |p: &&Arc<Value>| str_at(p, "/metadata/labels/app") == wanted && !deleting(p);
    let fresh = n("observedGeneration") == int_at(&deployment, "/metadata/generation").unwrap_or(0);
    fresh
        && replicas > 0
        && n("updatedReplicas") == replicas
        && pods.iter().filter(mine).all(|p| is_ready(p))
        && n("availableReplicas") == replicas
}

fn endpoints_ready(store: &Store, ns: &str, service: &str) -> bool {
    let slices = store.list(&ResourceId::new("discovery.k8s.io", "endpointslices"), Some(ns));
    slices
        .iter()
        .filter(|s| s.pointer("/metadata/labels/kubernetes.io~1service-name").and_then(Value::as_str) == Some(service))
        .flat_map(|s| list_at(s, "/endpoints"))
        .any(|e| bool_at(e, "/conditions/ready"))
}

/// Whether an Application is as git wants it, in a comparison made after the last live edit of its Deployment: the
/// status follows its objects by a moment, and what was true before the edit does not count.
fn synced(store: &Store, app: &str) -> bool {
    let Some(deployment) = store.get(&ResourceId::new("apps", "deployments"), app, app) else { return false };
    let edits =
        list_at(&deployment, "/metadata/managedFields").iter().filter(|e| str_at(e, "/manager") == "kubectl-edit");
    let Some(edited) = edits.map(|e| time_at(e, "/time")).max() else { return false };
    store.get(&crate::sim::argo::applications(), "argocd", app).is_some_and(|found| {
        str_at(&found, "/status/sync/status") == "Synced" && time_at(&found, "/status/reconciledAt") > edited
    })
}

fn cordoned(clusters: &Clusters) -> usize {
    let count = |store: &Store| {
        store.list(&ResourceId::core("nodes"), None).iter().filter(|n| bool_at(n, "/spec/unschedulable")).count()
    };
    count(&clusters.eu) + count(&clusters.us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_fits_the_panel() {
        for step in &STEPS {
            assert!(step.text.lines().count() <= 3, "{}", step.title);
            assert!(step.text.lines().all(|l| l.chars().count() <= 60), "{}", step.title);
            assert!(step.title.chars().count() <= 60);
        }
    }
}
