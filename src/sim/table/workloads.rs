//! Rows of what runs: pods, nodes, and what makes pods.

use super::cells::{age, any_or, containers, joined, labels, name, number, selector, since, text_or};
use super::{Printer, pod};
use crate::world::object::{bool_at, int_at, list_at, str_at};
use crate::world::time::{Time, human};
use serde_json::{Value, json};

/// Columns and printer of a kind of this file.
pub fn of_kind(key: (&str, &str)) -> Option<(&'static [&'static str], Printer)> {
    Some(match key {
        ("", "pods") => (pod::COLUMNS, pod::print as Printer),
        ("", "nodes") => (
            &[
                "Name",
                "Status",
                "Roles",
                "Age",
                "Version",
                "*Internal-IP",
                "*External-IP",
                "*OS-Image",
                "*Kernel-Version",
                "*Container-Runtime",
            ],
            node,
        ),
        ("apps", "deployments") => {
            (&["Name", "Ready", "Up-to-date", "Available", "Age", "*Containers", "*Images", "*Selector"], deployment)
        }
        ("apps", "replicasets") | ("", "replicationcontrollers") => {
            (&["Name", "Desired", "Current", "Ready", "Age", "*Containers", "*Images", "*Selector"], replica_set)
        }
        ("apps", "statefulsets") => (&["Name", "Ready", "Age", "*Containers", "*Images"], stateful_set),
        ("apps", "daemonsets") => (
            &[
                "Name",
                "Desired",
                "Current",
                "Ready",
                "Up-to-date",
                "Available",
                "Node Selector",
                "Age",
                "*Containers",
                "*Images",
                "*Selector",
            ],
            daemon_set,
        ),
        ("batch", "jobs") => {
            (&["Name", "Status", "Completions", "Duration", "Age", "*Containers", "*Images", "*Selector"], job)
        }
        ("batch", "cronjobs") => (
            &[
                "Name",
                "Schedule",
                "Timezone",
                "Suspend",
                "Active",
                "Last Schedule",
                "Age",
                "*Containers",
                "*Images",
                "*Selector",
            ],
            cron_job,
        ),
        ("autoscaling", "horizontalpodautoscalers") => {
            (&["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"], autoscaler)
        }
        ("policy", "poddisruptionbudgets") => {
            (&["Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age"], budget)
        }
        _ => return None,
    })
}

/// The cells for containers, images and selector at the end of a row.
fn template(object: &Value) -> [Value; 3] {
    let (names, images) = containers(object, "/spec/template/spec");
    let chosen = object.pointer("/spec/selector").cloned().unwrap_or(Value::Null);
    let plain = chosen.get("matchLabels").is_none() && chosen.get("matchExpressions").is_none();
    let chosen = if plain { joined(labels(Some(&chosen)), "<none>") } else { selector(&chosen) };
    [names, images, chosen.into()]
}

fn node(node: &Value, now: Time) -> Vec<Value> {
    let ready = list_at(node, "/status/conditions").iter().find(|c| str_at(c, "/type") == "Ready");
    let mut status = match ready.map(|c| str_at(c, "/status")) {
        Some("True") => "Ready".to_string(),
        Some(_) => "NotReady".into(),
        None => "Unknown".into(),
    };
    if bool_at(node, "/spec/unschedulable") {
        status.push_str(",SchedulingDisabled");
    }
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object).into_iter().flatten();
    let mut roles: Vec<String> = labels
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role.to_string()).filter(|role| !role.is_empty()),
            None if key == "kubernetes.io/role" => value.as_str().map(Into::into),
            None => None,
        })
        .collect();
    roles.sort();
    let address = |kind: &str| {
        let found = list_at(node, "/status/addresses").iter().find(|a| str_at(a, "/type") == kind);
        found.map_or("<none>".into(), |a| text_or(a, "/address", "<none>"))
    };
    let kernel = match (str_at(node, "/status/nodeInfo/kernelVersion"), str_at(node, "/status/nodeInfo/architecture")) {
        ("", _) => "<unknown>".to_string(),
        (kernel, "") => kernel.into(),
        (kernel, arch) => format!("{kernel} ({arch})"),
    };
    vec![
        name(node),
        status.into(),
        joined(roles, "<none>").into(),
        age(node, now),
        str_at(node, "/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        text_or(node, "/status/nodeInfo/osImage", "<unknown>"),
        kernel.into(),
        text_or(node, "/status/nodeInfo/containerRuntimeVersion", "<unknown>"),
    ]
}

fn ready_of(object: &Value) -> Value {
    let ready = int_at(object, "/status/readyReplicas").unwrap_or(0);
    format!("{ready}/{}", int_at(object, "/spec/replicas").unwrap_or(0)).into()
}

fn deployment(object: &Value, now: Time) -> Vec<Value> {
    let updated = number(object, "/status/updatedReplicas");
    let available = number(object, "/status/availableReplicas");
    let mut row = vec![name(object), ready_of(object), updated, available, age(object, now)];
    row.extend(template(object));
    row
}

fn replica_set(object: &Value, now: Time) -> Vec<Value> {
    let numbers = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(|at| number(object, at));
    let mut row = vec![name(object)];
    row.extend(numbers);
    row.push(age(object, now));
    row.extend(template(object));
    row
}

fn stateful_set(object: &Value, now: Time) -> Vec<Value> {
    let (names, images) = containers(object, "/spec/template/spec");
    vec![name(object), ready_of(object), age(object, now), names, images]
}

fn daemon_set(object: &Value, now: Time) -> Vec<Value> {
    let counts = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let mut row = vec![name(object)];
    row.extend(counts.map(|count| number(object, &format!("/status/{count}"))));
    row.push(joined(labels(object.pointer("/spec/template/spec/nodeSelector")), "<none>").into());
    row.push(age(object, now));
    row.extend(template(object));
    row
}

fn job(object: &Value, now: Time) -> Vec<Value> {
    let condition = |kind: &str| {
        let found = list_at(object, "/status/conditions").iter().find(|c| str_at(c, "/type") == kind);
        found.is_some_and(|c| str_at(c, "/status") == "True")
    };
    let status = match () {
        _ if condition("Complete") => "Complete",
        _ if condition("Failed") => "Failed",
        _ if !str_at(object, "/metadata/deletionTimestamp").is_empty() => "Terminating",
        _ if condition("Suspended") => "Suspended",
        _ if condition("FailureTarget") => "FailureTarget",
        _ if condition("SuccessCriteriaMet") => "SuccessCriteriaMet",
        _ => "Running",
    };
    let done = int_at(object, "/status/succeeded").unwrap_or(0);
    let wanted = match (int_at(object, "/spec/completions"), int_at(object, "/spec/parallelism").unwrap_or(0)) {
        (Some(n), _) => format!("{done}/{n}"),
        (None, n) if n > 1 => format!("{done}/1 of {n}"),
        (None, _) => format!("{done}/1"),
    };
    let duration =
        match (Time::parse(str_at(object, "/status/startTime")), Time::parse(str_at(object, "/status/completionTime")))
        {
            (None, _) => String::new(),
            (Some(start), None) => human(start.age(now)),
            (Some(start), Some(end)) => human(start.age(end)),
        };
    let mut row = vec![name(object), status.into(), wanted.into(), duration.into(), age(object, now)];
    row.extend(template(object));
    row
}

fn cron_job(object: &Value, now: Time) -> Vec<Value> {
    let last = match str_at(object, "/status/lastScheduleTime") {
        "" => "<none>".to_string(),
        at => since(at, now),
    };
    let suspend = if bool_at(object, "/spec/suspend") { "True" } else { "False" };
    let (names, images) = containers(object, "/spec/jobTemplate/spec/template/spec");
    let chosen = object.pointer("/spec/jobTemplate/spec/selector").map_or("<none>".into(), selector);
    vec![
        name(object),
        str_at(object, "/spec/schedule").into(),
        text_or(object, "/spec/timeZone", "<none>"),
        suspend.into(),
        json!(list_at(object, "/status/active").len()),
        last.into(),
        age(object, now),
        names,
        images,
        chosen.into(),
    ]
}

fn autoscaler(object: &Value, now: Time) -> Vec<Value> {
    let target =
        format!("{}/{}", str_at(object, "/spec/scaleTargetRef/kind"), str_at(object, "/spec/scaleTargetRef/name"));
    let targets = list_at(object, "/spec/metrics").iter().map(|metric| metric_target(object, metric));
    vec![
        name(object),
        target.into(),
        joined(targets, "<none>").replace(',', ", ").into(),
        any_or(object, "/spec/minReplicas", "<unset>"),
        number(object, "/spec/maxReplicas"),
        number(object, "/status/currentReplicas"),
        age(object, now),
    ]
}

fn metric_target(object: &Value, metric: &Value) -> String {
    let resource = str_at(metric, "/resource/name");
    if resource.is_empty() {
        return format!("<unknown>/{}", str_at(metric, "/type").to_lowercase());
    }
    let current = list_at(object, "/status/currentMetrics").iter().find(|m| str_at(m, "/resource/name") == resource);
    match int_at(metric, "/resource/target/averageUtilization") {
        Some(wanted) => {
            let now = current.and_then(|m| int_at(m, "/resource/current/averageUtilization"));
            format!("{resource}: {}/{wanted}%", now.map_or("<unknown>".into(), |n| format!("{n}%")))
        }
        None => {
            let now = current.map_or("", |m| str_at(m, "/resource/current/averageValue"));
            let now = if now.is_empty() { "<unknown>" } else { now };
            format!("{resource}: {now}/{}", str_at(metric, "/resource/target/averageValue"))
        }
    }
}

fn budget(object: &Value, now: Time) -> Vec<Value> {
    vec![
        name(object),
        any_or(object, "/spec/minAvailable", "N/A"),
        any_or(object, "/spec/maxUnavailable", "N/A"),
        number(object, "/status/disruptionsAllowed"),
        age(object, now),
    ]
}
