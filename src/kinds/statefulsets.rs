//! StatefulSets (`printers.go`, printStatefulSet).

use super::cells::{containers, images, ratio_at, replicas_tone, text_at};
use super::{Can, Kind, Opens};
use crate::world::column::{Column, Source};
use crate::world::object::{int_at, str_at};

/// StatefulSets.
pub static KIND: Kind = Kind {
    group: "apps",
    plural: "statefulsets",
    kind: "StatefulSet",
    short: &["sts"],
    namespaced: true,
    columns: &[
        Column::new("NAME", Source::Name),
        Column::new("READY", Source::Object(|s| ratio_at(s, "/status/readyReplicas", "/spec/replicas", 1))).right(),
        Column::new("SERVICE", Source::Object(|s| text_at(s, "/spec/serviceName"))),
        Column::new("AGE", Source::Age).right(),
        Column::new("CONTAINERS", Source::Object(containers)).wide(),
        Column::new("IMAGES", Source::Object(images)).wide(),
    ],
    tone: |s| {
        let count = |field: &str| int_at(s, &format!("/status/{field}")).unwrap_or_default();
        let wanted = int_at(s, "/spec/replicas").unwrap_or(1);
        // `updatedReplicas` counts pods of the new revision only while there is one under way.
        let settled = str_at(s, "/status/currentRevision") == str_at(s, "/status/updateRevision");
        replicas_tone(wanted, count("readyReplicas"), if settled { wanted } else { count("updatedReplicas") })
    },
    can: &[Can::Logs, Can::Scale, Can::Resources, Can::Roll, Can::Image, Can::Why, Can::Forward],
    opens: Opens::Pods,
};
