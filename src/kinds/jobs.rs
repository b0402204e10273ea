//! Jobs (`printers.go`, printJob).

use super::cells::{condition, containers, images, ratio_at, text};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{bool_at, int_at, str_at};
use crate::world::row::{Cell, Tone};
use crate::world::time::{Time, human};
use serde_json::Value;

/// Jobs.
pub static KIND: Kind = Kind {
    group: "batch",
    plural: "jobs",
    kind: "Job",
    short: &[],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("STATUS", Source::Object(|job| text(status(job)))),
        Column::new("COMPLETIONS", Source::Object(completions)).right(),
        Column::new("DURATION", Source::Object(duration)).right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("CONTAINERS", Source::Object(containers)).wide(),
        Column::new("IMAGES", Source::Object(images)).wide(),
    ],
    tone: |job| match status(job) {
        "Complete" => Tone::Done,
        "Failed" | "FailureTarget" => Tone::Bad,
        "Suspended" => Tone::Done,
        _ if int_at(job, "/status/failed").unwrap_or_default() > 0 => Tone::Warn,
        _ => Tone::Busy,
    },
    can: &[Can::Logs, Can::Suspend, Can::Why],
    opens: Opens::Pods,
};

fn status(job: &Value) -> &'static str {
    let ended = ["Complete", "Failed"].into_iter().find(|kind| condition(job, kind) == "True");
    let deleting = !str_at(job, "/metadata/deletionTimestamp").is_empty();
    let later =
        || ["Suspended", "FailureTarget", "SuccessCriteriaMet"].into_iter().find(|kind| condition(job, kind) == "True");
    match ended {
        Some(ended) => ended,
        None if deleting => "Terminating",
        None if bool_at(job, "/spec/suspend") => "Suspended",
        None => later().unwrap_or("Running"),
    }
}

/// `succeeded/completions`; work queues have no number of completions but a parallelism.
fn completions(job: &Value) -> Cell {
    let parallel = int_at(job, "/spec/parallelism").unwrap_or(1);
    if int_at(job, "/spec/completions").is_none() && parallel > 1 {
        let succeeded = int_at(job, "/status/succeeded").unwrap_or_default();
        return text(format!("{succeeded}/1 of {parallel}"));
    }
    ratio_at(job, "/status/succeeded", "/spec/completions", 1)
}

fn duration(job: &Value) -> Cell {
    let time = |field: &str| Time::parse(str_at(job, &format!("/status/{field}")));
    match (time("startTime"), time("completionTime")) {
        (Some(start), Some(end)) => text(human(start.age(end))),
        (Some(start), None) => Cell::Since(start),
        _ => Cell::Empty,
    }
}
