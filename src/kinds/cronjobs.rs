//! CronJobs (`printers.go`, printCronJob).

use super::cells::text;
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{bool_at, list_at, str_at};
use crate::world::row::{Cell, Tone};
use crate::world::time::Time;
use serde_json::Value;

/// CronJobs.
pub static KIND: Kind = Kind {
    group: "batch",
    plural: "cronjobs",
    kind: "CronJob",
    short: &["cj"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("SCHEDULE", Source::Object(|cron| text(str_at(cron, "/spec/schedule")))),
        Column::new("TIMEZONE", Source::Object(|cron| text(zone(cron)))),
        Column::new("SUSPEND", Source::Object(|cron| text(if suspended(cron) { "True" } else { "False" }))),
        Column::new("ACTIVE", Source::Object(|cron| Cell::Int(list_at(cron, "/status/active").len() as i64))).right(),
        Column::new("LAST-SCHEDULE", Source::Object(last)).right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("IMAGES", Source::Object(images)).wide(),
    ],
    // (Suspended means: nothing is to be expected of it.)
    tone: |cron| if suspended(cron) { Tone::Done } else { Tone::Ok },
    can: &[Can::Logs, Can::Trigger, Can::Suspend, Can::Image],
    opens: Opens::Describe,
};

fn suspended(cron: &Value) -> bool {
    bool_at(cron, "/spec/suspend")
}

fn zone(cron: &Value) -> &str {
    match str_at(cron, "/spec/timeZone") {
        "" => "<none>",
        zone => zone,
    }
}

fn last(cron: &Value) -> Cell {
    Time::parse(str_at(cron, "/status/lastScheduleTime")).map_or(Cell::Empty, Cell::Since)
}

fn images(cron: &Value) -> Cell {
    let all = list_at(cron, "/spec/jobTemplate/spec/template/spec/containers").iter();
    text(all.map(|c| str_at(c, "/image")).collect::<Vec<_>>().join(","))
}
