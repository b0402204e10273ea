//! Job: pods that run to their end (`pkg/controller/job`): parallelism, completions, backoffLimit.

use super::template::pod_from;
use crate::sim::controllers::meta::{
    condition, controlled_by, deleting, is_ready, is_terminal, new_condition, set, set_condition,
};
use crate::sim::controllers::plan::{Plan, Snapshot, Write};
use crate::world::object::{bool_at, int_at, list_at, name, namespace, str_at};
use crate::world::time::Time;
use serde_json::{Value, json};

const REPORTER: &str = "job-controller";

/// Makes pods, counts them, ends the job.
pub fn reconcile(s: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    for job in s.of("jobs").iter().filter(|j| !deleting(j) && !finished(j)) {
        one(s, job, &mut plan);
    }
    plan
}

fn finished(job: &Value) -> bool {
    ["Complete", "Failed"].iter().any(|kind| condition(job, kind).is_some())
}

fn one(s: &Snapshot, job: &Value, plan: &mut Plan) {
    let pods: Vec<&Value> = s.within("pods", namespace(job)).filter(|p| controlled_by(p, job)).collect();
    let count = |phase: &str| pods.iter().filter(|p| str_at(p, "/status/phase") == phase).count() as i64;
    let active: Vec<&&Value> = pods.iter().filter(|p| !is_terminal(p) && !deleting(p)).collect();
    let (succeeded, failed) = (count("Succeeded"), count("Failed"));
    let parallelism = int_at(job, "/spec/parallelism").unwrap_or(1);
    let completions = int_at(job, "/spec/completions").unwrap_or(1);
    let limit = int_at(job, "/spec/backoffLimit").unwrap_or(6);
    let mut new = job.clone();
    let mut status = json!({});
    if active.is_empty() && !bool_at(job, "/spec/suspend") {
        tally(&mut status, 0, 0, succeeded, failed);
    } else {
        let ready = active.iter().filter(|p| is_ready(p)).count() as i64;
        tally(&mut status, active.len() as i64, ready, succeeded, failed);
    }
    let started = str_at(job, "/status/startTime");
    set(&mut status, "startTime", json!(if started.is_empty() { s.now.rfc3339() } else { started.into() }));
    set(&mut status, "conditions", json!(list_at(job, "/status/conditions")));
    set(&mut new, "status", status);
    if succeeded >= completions {
        complete(&mut new, s.now);
        plan.event(REPORTER, job, false, "Completed", "Job completed".into());
    } else if failed > limit {
        let text = "Job has reached the specified backoff limit";
        set_condition(&mut new, new_condition("Failed", true, "BackoffLimitExceeded", text), s.now);
        plan.event(REPORTER, job, true, "BackoffLimitExceeded", text.into());
    } else if !bool_at(job, "/spec/suspend") {
        let wanted = parallelism.min(completions - succeeded) - active.len() as i64;
        (0..wanted).for_each(|i| start(s, job, i, plan));
    }
    plan.status_if_changed(job, new);
}

fn tally(status: &mut Value, active: i64, ready: i64, succeeded: i64, failed: i64) {
    set(status, "ready", json!(ready));
    for (key, n) in
        [("active", active), ("succeeded", succeeded), ("failed", failed)].into_iter().filter(|(_, n)| *n > 0)
    {
        set(status, key, json!(n));
    }
}

fn complete(job: &mut Value, now: Time) {
    set(job, "status.completionTime", json!(now.rfc3339()));
    set_condition(
        job,
        new_condition("Complete", true, "CompletionsReached", "Reached expected number of succeeded pods"),
        now,
    );
}

fn start(s: &Snapshot, job: &Value, i: i64, plan: &mut Plan) {
    let pod_name = format!("{}-{}", name(job), s.suffix(&format!("{}/{i}", name(job))));
    let labels = [("batch.kubernetes.io/job-name", name(job)), ("job-name", name(job))];
    plan.push(Write::Create(pod_from(job, &pod_name, &labels)));
    plan.event(REPORTER, job, false, "SuccessfulCreate", format!("Created pod: {pod_name}"));
}
