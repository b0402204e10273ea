//! A Job: how much of it is done, and when it gives up.

use super::page::Page;
use super::{Mark, conditions, template, workload};
use crate::world::object::{bool_at, int_at, str_at};
use crate::world::time::{Time, human};
use serde_json::Value;

/// The part of a description that is special to a Job.
pub fn job(page: &mut Page, job: &Value) {
    workload::selector(page, job);
    let n = |pointer: &str| int_at(job, pointer).unwrap_or(0);
    let failed = n("/status/failed");
    page.marked(
        if failed > 0 { Mark::Warn } else { Mark::Plain },
        "Pods",
        format!(
            "{} active ({} ready), {} succeeded, {failed} failed",
            n("/status/active"),
            n("/status/ready"),
            n("/status/succeeded")
        ),
    );
    if bool_at(job, "/spec/suspend") {
        page.warn("Suspended", "Yes");
    }
    page.at("Completions", job, "/spec/completions");
    page.at("Parallelism", job, "/spec/parallelism");
    page.at("Completion mode", job, "/spec/completionMode");
    page.at("Backoff limit", job, "/spec/backoffLimit");
    page.at("Deadline seconds", job, "/spec/activeDeadlineSeconds");
    page.at("Kept after the end", job, "/spec/ttlSecondsAfterFinished");
    let (started, ended) = (str_at(job, "/status/startTime"), str_at(job, "/status/completionTime"));
    page.when("Started", started);
    page.when("Completed", ended);
    if let (Some(started), Some(ended)) = (Time::parse(started), Time::parse(ended)) {
        page.field("Took", human(started.age(ended)));
    }
    conditions(page, job, |kind| if matches!(kind, "Failed" | "FailureTarget") { "False" } else { "True" });
    if let Some(pods) = job.pointer("/spec/template") {
        template::describe(page, pods);
    }
}
