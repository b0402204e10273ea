//! Deployments (`printers.go`, printDeployment).

use super::cells::{condition, containers, count_at, images, map_at, ratio_at, replicas_tone};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::int_at;
use crate::world::row::Tone;
use serde_json::Value;

/// Deployments.
pub static KIND: Kind = Kind {
    group: "apps",
    plural: "deployments",
    kind: "Deployment",
    short: &["deploy"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("READY", Source::Object(|d| ratio_at(d, "/status/readyReplicas", "/spec/replicas", 1))).right(),
        Column::new("UP-TO-DATE", Source::Object(|d| count_at(d, "/status/updatedReplicas"))).right(),
        Column::new("AVAILABLE", Source::Object(|d| count_at(d, "/status/availableReplicas"))).right(),
        Column::new("AGE", Source::Age).right(),
        Column::new("CONTAINERS", Source::Object(containers)).wide(),
        Column::new("IMAGES", Source::Object(images)).wide(),
        Column::new("SELECTOR", Source::Object(|d| map_at(d, "/spec/selector/matchLabels"))).wide(),
    ],
    tone,
    can: &[Can::Logs, Can::Scale, Can::Resources, Can::Roll, Can::Image, Can::Why, Can::Forward],
    opens: Opens::Pods,
};

fn tone(deployment: &Value) -> Tone {
    let status = |field: &str| int_at(deployment, &format!("/status/{field}")).unwrap_or_default();
    let wanted = int_at(deployment, "/spec/replicas").unwrap_or(1);
    match replicas_tone(wanted, status("readyReplicas"), status("updatedReplicas")) {
        Tone::Done => Tone::Done,
        // Progressing=False: the deadline passed (`ProgressDeadlineExceeded`).
        _ if condition(deployment, "Progressing") == "False" => Tone::Bad,
        tone => tone,
    }
}
