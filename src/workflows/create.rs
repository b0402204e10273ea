//! Creating an object: a Job from a CronJob, as `kubectl create job --from` does.
//!
//! The object carries the Op-Id, so that it is found again after a crash, made once, and taken back by deleting it.

use super::delete::{DeletePlan, Deletion, Doomed};
use super::machine::{Facts, Run};
use super::{Effect, Event, Line, Mark, Occasion, Part, Plan, Step, annotation};
use crate::gitops::Refusal;
use crate::world::object::{ObjectRef, bool_at, list_at, name, namespace, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is created where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreatePlan {
    /// The object.
    pub object: ObjectRef,
    /// Path of the collection on the API server.
    pub collection: String,
    /// The manifest; it carries the Op-Id.
    pub manifest: Value,
    /// Op-Id.
    pub op: String,
}

impl CreatePlan {
    /// Its path once it is there.
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection, self.object.name)
    }

    /// Whether an object is the one that this made.
    pub fn made(&self, live: &Value) -> bool {
        live.pointer("/metadata/annotations").and_then(|a| a.get(annotation::OP)) == Some(&json!(self.op))
    }

    /// What takes it back.
    pub fn undo(&self) -> DeletePlan {
        let target = Doomed {
            object: self.object.clone(),
            path: self.path(),
            uid: String::new(),
            generation: None,
            op: self.op.clone(),
        };
        DeletePlan { targets: vec![target], how: Deletion::default(), patience_s: 60, kept: vec![] }
    }
}

/// The part that creates.
#[derive(Debug)]
pub(super) struct Create {
    plan: CreatePlan,
    made: Option<Time>,
    attempted: bool,
}

impl Create {
    pub fn new(plan: CreatePlan) -> Self {
        Self { plan, made: None, attempted: false }
    }
}

impl Run for Create {
    fn absorb(&mut self, event: &Event, _: &mut Facts, now: Time) {
        if let Event::Created { object } = event
            && *object == self.plan.object
        {
            self.made = Some(now);
        }
    }

    fn attempted(&mut self, effect: &Effect) {
        self.attempted |= matches!(effect, Effect::Create(_));
    }

    fn decide(&mut self, _: &Facts, _: Time) -> Result<Vec<Effect>, String> {
        Ok(vec![Effect::Create(self.plan.clone())])
    }

    fn done(&self) -> bool {
        self.made.is_some()
    }

    fn touched(&self) -> bool {
        self.made.is_some() || self.attempted
    }

    fn steps(&self) -> Vec<Step> {
        let (text, mark) = match self.made {
            Some(_) => (format!("created {}", self.plan.object), Mark::Done),
            None => (format!("create {}", self.plan.object), Mark::Waiting),
        };
        vec![Step { text, mark, at: self.made.unwrap_or(Time::NEVER) }]
    }
}

/// Longest name of a Job: it becomes the value of a label.
const NAME: usize = 63;

/// Plans a run of a CronJob now.
///
/// # Errors
/// It is no CronJob, or it is being deleted.
pub fn trigger(on: &Occasion<'_>, cron: &Value, wanted: &str) -> Result<Plan, Refusal> {
    let me = ObjectRef::of(cron);
    if me.group != "batch" || me.kind != "CronJob" {
        return Err(Refusal(format!("{me} has no job to run: only CronJobs do")));
    }
    if cron.pointer("/metadata/deletionTimestamp").is_some() {
        return Err(Refusal(format!("{me} is being deleted")));
    }
    let job = match wanted {
        "" => {
            let tail = format!("-manual-{}", on.id.chars().rev().take(5).collect::<String>().to_lowercase());
            let stem: String = name(cron).chars().take(NAME.saturating_sub(tail.len())).collect();
            format!("{}{tail}", stem.trim_end_matches(['-', '.']))
        }
        named => named.to_string(),
    };
    let template = cron.pointer("/spec/jobTemplate").cloned().unwrap_or(json!({}));
    let mut annotations =
        template.pointer("/metadata/annotations").cloned().filter(Value::is_object).unwrap_or(json!({}));
    annotations["cronjob.kubernetes.io/instantiate"] = json!("manual");
    annotations[annotation::OP] = json!(on.id);
    let reason = clean(on.reason.trim()).into_owned();
    if !reason.is_empty() {
        annotations[annotation::REASON] = json!(reason);
    }
    // (Without blockOwnerDeletion, which would need rights on the CronJob's finalizers.)
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": name(cron),
        "uid": str_at(cron, "/metadata/uid"), "controller": true});
    let manifest = json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": job, "namespace": namespace(cron), "annotations": annotations,
            "labels": template.pointer("/metadata/labels").cloned().unwrap_or(json!({})), "ownerReferences": [owner]},
        "spec": template.get("spec").cloned().unwrap_or(json!({}))});
    let mut lines = vec![Line::new("live", format!("Job {}/{job} is made from {me}", namespace(cron)))];
    let images = list_at(cron, "/spec/jobTemplate/spec/template/spec/containers").iter();
    lines.push(Line::new(
        "",
        images.map(|c| format!("{} runs {}", str_at(c, "/name"), str_at(c, "/image"))).collect::<Vec<_>>().join(", "),
    ));
    lines.push(Line::new("git", "no commit: the Job belongs to the CronJob, Argo CD does not compare it"));
    lines.push(Line::new("undo", format!("kokpit ops {} --undo  ·  deletes the Job and its pods", on.id)));
    if !reason.is_empty() {
        lines.push(Line::new("reason", reason));
    }
    if bool_at(cron, "/spec/suspend") {
        lines.push(Line::warning("the CronJob is suspended; that does not hold a run by hand back"));
    }
    let active = list_at(cron, "/status/active").len();
    if active > 0 {
        let policy = str_at(cron, "/spec/concurrencyPolicy");
        lines.push(Line::warning(format!(
            "{active} of its jobs run already; concurrencyPolicy {policy} does not hold this one back"
        )));
    }
    lines.iter_mut().for_each(|line| line.text = clean(&line.text).into_owned());
    let object = ObjectRef::new("batch", "Job", namespace(cron), &job);
    let collection = format!("/apis/batch/v1/namespaces/{}/jobs", namespace(cron));
    Ok(Plan {
        parts: vec![Part::Create(CreatePlan { object, collection, manifest, op: on.id.clone() })],
        lines,
        ..on.draft("trigger", format!("trigger cronjob/{}/{} on {}", namespace(cron), name(cron), on.cluster))
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::Machine;
    use super::*;

    fn on() -> Occasion<'static> {
        Occasion {
            id: "01JDABCDE".into(),
            cluster: "prod",
            identity: None,
            protected: false,
            now: Time(0),
            reason: "missed",
        }
    }

    fn cron(extra: Value) -> Value {
        let mut cron = json!({"apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "backup", "namespace": "shop", "uid": "u1"},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"metadata": {"labels": {"app": "backup"}},
                "spec": {"template": {"spec": {"containers": [{"name": "b", "image": "backup:1"}], "restartPolicy": "Never"}}}}}});
        json_patch::merge(&mut cron, &extra);
        cron
    }

    fn create(plan: &Plan) -> &CreatePlan {
        let [Part::Create(create)] = &plan.parts[..] else { panic!("{:?}", plan.parts) };
        create
    }

    #[test]
    fn the_job_is_what_kubectl_would_make() {
        let plan = trigger(&on(), &cron(json!({})), "").unwrap();
        let made = create(&plan);
        let job = &made.manifest;
        assert_eq!(
            (made.object.name.as_str(), made.path().as_str()),
            ("backup-manual-edcba", "/apis/batch/v1/namespaces/shop/jobs/backup-manual-edcba")
        );
        assert_eq!(job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
        assert_eq!(job["metadata"]["labels"], json!({"app": "backup"}));
        assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "u1");
        assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["image"], "backup:1");
        assert!(made.made(job));
    }

    #[test]
    fn names_fit_and_what_runs_already_is_said() {
        let long = "x".repeat(60);
        let busy = json!({"metadata": {"name": long}, "spec": {"suspend": true, "concurrencyPolicy": "Forbid"},
            "status": {"active": [{"name": "backup-1"}]}});
        let plan = trigger(&on(), &cron(busy), "").unwrap();
        assert_eq!(create(&plan).object.name.len(), NAME);
        let text: Vec<&str> = plan.lines.iter().map(|l| l.text.as_str()).collect();
        assert!(
            text.iter().any(|t| t.contains("is suspended")) && text.iter().any(|t| t.contains("Forbid")),
            "{text:?}"
        );
        assert_eq!(create(&trigger(&on(), &cron(json!({})), "now").unwrap()).object.name, "now");
        assert!(trigger(&on(), &cron(json!({"kind": "Job"})), "").is_err());
    }

    #[test]
    fn it_is_taken_back_by_deleting_what_carries_the_op_id() {
        let plan = trigger(&on(), &cron(json!({})), "").unwrap();
        let mut machine = Machine::new(&plan);
        let first = machine.step(None, Time(0));
        assert!(matches!(first[..], [Effect::Create(_)]));
        let mut crashed = Machine::new(&plan);
        crashed.attempted(&first[0]);
        let (undo, _) = crashed.undo(&plan);
        let [Part::Delete(delete)] = &undo.parts[..] else { panic!("{:?}", undo.parts) };
        assert_eq!((delete.targets[0].op.as_str(), delete.targets[0].uid.as_str()), ("01JDABCDE", ""));
        let object = create(&plan).object.clone();
        assert!(machine.step(Some(Event::Created { object }), Time(1)).is_empty());
        assert!(machine.finished());
    }
}
