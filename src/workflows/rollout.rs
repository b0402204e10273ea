//! Waiting until a workload has rolled out, as `kubectl rollout status` judges it
//! (`kubectl/pkg/polymorphichelpers/rollout_status.go`).

use super::machine::{Facts, Run};
use super::{Effect, Event, Mark, Step};
use crate::world::object::{ObjectRef, int_at, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::{Time, human};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Workloads that are followed until their pods are the new ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutPlan {
    /// The objects and their paths on the API server.
    pub objects: Vec<(ObjectRef, String)>,
    /// Seconds until it is not waited for any longer.
    pub patience_s: i64,
}

impl RolloutPlan {
    /// For these objects.
    pub fn new(objects: Vec<(ObjectRef, String)>) -> Self {
        Self { objects, patience_s: 15 * 60 }
    }
}

/// How far a workload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stand", content = "text", rename_all = "lowercase")]
pub enum Stand {
    /// All its pods are the new ones, and available.
    Done,
    /// On its way, how far.
    Rolling(String),
    /// It does not get on: why.
    Stuck(String),
}

/// Whether a workload replaces its pods by itself after its template was changed.
pub fn rolls(object: &Value) -> bool {
    let known = matches!(str_at(object, "/kind"), "Deployment" | "StatefulSet" | "DaemonSet");
    known && str_at(object, "/spec/updateStrategy/type") != "OnDelete"
}

/// How far a workload is, from what its controller reports.
pub fn stand(object: &Value) -> Stand {
    let status = |field: &str| int_at(object, &format!("/status/{field}")).unwrap_or(0);
    if status("observedGeneration") < int_at(object, "/metadata/generation").unwrap_or(0) {
        return Stand::Rolling("its controller has not seen the change yet".into());
    }
    let wanted = int_at(object, "/spec/replicas").unwrap_or(1);
    let (updated, available) = (status("updatedReplicas"), status("availableReplicas"));
    match str_at(object, "/kind") {
        "Deployment" => {
            let progress = list_at(object, "/status/conditions").iter().find(|c| str_at(c, "/type") == "Progressing");
            match status("replicas") - updated {
                _ if progress.is_some_and(|c| str_at(c, "/reason") == "ProgressDeadlineExceeded") => {
                    let said = progress.map_or("", |c| str_at(c, "/message"));
                    Stand::Stuck(format!("it makes no progress ({said})"))
                }
                _ if updated < wanted => Stand::Rolling(format!("{updated} of {wanted} new pods are made")),
                old if old > 0 => Stand::Rolling(format!("{old} old pods are still there")),
                _ if available < updated => Stand::Rolling(format!("{available} of {updated} new pods are available")),
                _ => Stand::Done,
            }
        }
        "DaemonSet" => {
            let (wanted, updated) = (status("desiredNumberScheduled"), status("updatedNumberScheduled"));
            match status("numberAvailable") {
                _ if updated < wanted => Stand::Rolling(format!("{updated} of {wanted} new pods are made")),
                n if n < wanted => Stand::Rolling(format!("{n} of {wanted} pods are available")),
                _ => Stand::Done,
            }
        }
        "StatefulSet" => {
            let kept = int_at(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
            let (ready, current) = (status("readyReplicas"), str_at(object, "/status/currentRevision"));
            match wanted - kept {
                _ if ready < wanted => Stand::Rolling(format!("{ready} of {wanted} pods are ready")),
                part if kept > 0 && updated < part => Stand::Rolling(format!("{updated} of {part} new pods are made")),
                _ if kept == 0 && current != str_at(object, "/status/updateRevision") => {
                    Stand::Rolling(format!("{updated} of {wanted} new pods are made"))
                }
                _ => Stand::Done,
            }
        }
        _ => Stand::Done,
    }
}

/// The part that follows.
#[derive(Debug)]
pub(super) struct Rollout {
    plan: RolloutPlan,
    stands: Vec<Option<Stand>>,
    since: Option<Time>,
    rested: bool,
    skipped: bool,
    at: Time,
}

impl Rollout {
    pub fn new(plan: RolloutPlan) -> Self {
        let stands = vec![None; plan.objects.len()];
        Self { plan, stands, since: None, rested: true, skipped: false, at: Time::NEVER }
    }
}

impl Run for Rollout {
    fn begin(&mut self, facts: &Facts) {
        self.skipped = facts.unapplied;
    }

    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        match event {
            Event::Stands { object, stand } => {
                self.at = now;
                let all = self.plan.objects.iter().zip(&mut self.stands);
                all.filter(|((one, _), _)| one == object).for_each(|(_, s)| *s = Some(stand.clone()));
            }
            Event::Waited => self.rested = true,
            _ => {}
        }
    }

    fn decide(&mut self, _: &Facts, now: Time) -> Result<Vec<Effect>, String> {
        let since = *self.since.get_or_insert(now);
        let all = || self.plan.objects.iter().zip(&self.stands);
        let late = since.age(now) >= self.plan.patience_s;
        let ill: Vec<String> = all()
            .filter_map(|((object, _), stand)| match stand {
                Some(Stand::Stuck(why)) => Some(format!("{object}: {why}")),
                Some(Stand::Rolling(text)) if late => Some(format!("{object} after {}: {text}", human(since.age(now)))),
                _ => None,
            })
            .collect();
        if !ill.is_empty() {
            return Err(clean(&format!(
                "not rolled out. {}. Ask why, mend it and finish this operation, or undo it",
                ill.join("; ")
            ))
            .into_owned());
        }
        if !self.rested {
            return Ok(vec![Effect::Wait { ms: 500 }]);
        }
        self.rested = false;
        let open = all().filter(|(_, stand)| **stand != Some(Stand::Done));
        Ok(open.map(|((object, path), _)| Effect::Follow { object: object.clone(), path: path.clone() }).collect())
    }

    fn done(&self) -> bool {
        self.skipped || self.stands.iter().all(|stand| *stand == Some(Stand::Done))
    }

    fn touched(&self) -> bool {
        false
    }

    fn steps(&self) -> Vec<Step> {
        let step = |((object, _), stand): (&(ObjectRef, String), &Option<Stand>)| {
            let (text, mark) = match stand {
                _ if self.skipped => ("not rolled out: it is not applied yet".into(), Mark::Skipped),
                Some(Stand::Done) => (format!("rolled out {object}"), Mark::Done),
                Some(Stand::Rolling(how) | Stand::Stuck(how)) => (format!("roll out {object}: {how}"), Mark::Waiting),
                None => (format!("roll out {object}"), Mark::Waiting),
            };
            Step { text: clean(&text).into_owned(), mark, at: if mark == Mark::Done { self.at } else { Time::NEVER } }
        };
        self.plan.objects.iter().zip(&self.stands).map(step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(status: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 2},
            "status": status})
    }

    #[test]
    fn a_deployment_is_judged_as_kubectl_does() {
        let rolling = |status: Value| match stand(&deployment(status)) {
            Stand::Rolling(text) => text,
            other => panic!("{other:?}"),
        };
        assert!(rolling(json!({"observedGeneration": 1})).contains("not seen"));
        assert_eq!(rolling(json!({"observedGeneration": 2, "updatedReplicas": 1})), "1 of 2 new pods are made");
        let old = json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3});
        assert_eq!(rolling(old), "1 old pods are still there");
        let unready = json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1});
        assert_eq!(rolling(unready), "1 of 2 new pods are available");
        let done = json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2});
        assert_eq!(stand(&deployment(done)), Stand::Done);
        let late = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]});
        assert!(matches!(stand(&deployment(late)), Stand::Stuck(_)));
    }

    #[test]
    fn stateful_and_daemon_sets_too() {
        let set = |status: Value, partition: i64| {
            json!({"kind": "StatefulSet", "metadata": {"generation": 1}, "spec": {"replicas": 3,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}}, "status": status})
        };
        let status = json!({"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 1,
            "currentRevision": "a", "updateRevision": "b"});
        assert!(matches!(stand(&set(status.clone(), 0)), Stand::Rolling(_)));
        assert_eq!(stand(&set(status, 2)), Stand::Done, "only the last one is meant to be new");
        let daemon = |n: i64| {
            json!({"kind": "DaemonSet", "status": {"desiredNumberScheduled": 3,
            "updatedNumberScheduled": 3, "numberAvailable": n}})
        };
        assert!(matches!(stand(&daemon(2)), Stand::Rolling(_)));
        assert_eq!(stand(&daemon(3)), Stand::Done);
        assert!(!rolls(&json!({"kind": "DaemonSet", "spec": {"updateStrategy": {"type": "OnDelete"}}})));
    }
}
