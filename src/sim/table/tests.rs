use super::*;
use crate::sim::store::{Clock, builtin_kinds};
use crate::world::object::{ResourceId, str_at};

fn cells(plural: &str, object: Value) -> Value {
    let store = Store::new(builtin_kinds());
    store.set_clock(Clock::Fixed(Time::parse("2026-11-21T10:00:00Z").unwrap()));
    let kind = builtin_kinds().into_iter().find(|kind| kind.id.plural == plural).unwrap();
    let table = Table::of(&store, &kind, "None").document(json!({}), [&object], true);
    let columns = table["columnDefinitions"].as_array().unwrap().len();
    let row = table["rows"][0]["cells"].clone();
    assert_eq!(row.as_array().unwrap().len(), columns, "{plural}: as many cells as columns");
    row
}

#[test]
fn every_kind_prints_an_empty_object() {
    for kind in builtin_kinds() {
        assert_eq!(
            cells(&kind.id.plural, json!({"metadata": {"name": "x"}}))
                .as_array()
                .unwrap()
                .iter()
                .filter(|c| **c == "x")
                .count(),
            1
        );
    }
}

#[test]
fn pods_are_summed_up_as_kubectl_shows_them() {
    let show = |spec: Value, status: Value| {
        let row = cells("pods", json!({"metadata": {"name": "p"}, "spec": spec, "status": status}));
        ["1", "2", "3"].map(|n| str_at(&row, &format!("/{n}")).to_string()).join(" ")
    };
    let one = json!({"containers": [{"name": "c"}]});
    assert_eq!(show(one.clone(), json!({"phase": "Pending"})), "0/1 Pending 0");
    let crash = json!({"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 4, "ready": false,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"finishedAt": "2026-11-21T09:58:00Z"}}}]});
    assert_eq!(show(one.clone(), crash), "0/1 CrashLoopBackOff 4 (2m ago)");
    let dead =
        json!({"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 3}}}]});
    assert_eq!(show(one.clone(), dead), "0/1 ExitCode:3 0");
    let init = json!({"initContainers": [{"name": "i"}, {"name": "j"}], "containers": [{"name": "c"}]});
    let at_work = json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}},
        {"name": "j", "restartCount": 1, "state": {"running": {}}}]});
    assert_eq!(show(init, at_work), "0/1 Init:1/2 1");
    let sidecar = json!({"initContainers": [{"name": "i", "restartPolicy": "Always"}], "containers": [{"name": "c"}]});
    let up = json!({"phase": "Running", "initContainerStatuses": [{"name": "i", "started": true, "ready": true, "restartCount": 2, "state": {"running": {}}}],
        "containerStatuses": [{"name": "c", "ready": true, "state": {"running": {}}}]});
    assert_eq!(show(sidecar, up), "2/2 Running 2");
}

#[test]
fn nodes_say_that_they_are_cordoned() {
    let node = json!({"metadata": {"name": "n1", "creationTimestamp": "2026-11-18T10:00:00Z", "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let row = cells("nodes", node);
    assert_eq!((&row[1], &row[2], &row[3]), (&json!("Ready,SchedulingDisabled"), &json!("worker"), &json!("3d")));
}

#[test]
fn a_definition_brings_its_columns() {
    let store = Store::new(builtin_kinds());
    let definition = json!({"metadata": {"name": "teams.example.com"}, "spec": {"group": "example.com", "scope": "Cluster",
        "names": {"plural": "teams", "kind": "Team"}, "versions": [{"name": "v1", "served": true, "storage": true,
            "additionalPrinterColumns": [{"name": "Lead", "type": "string", "jsonPath": ".spec.lead"}]}]}});
    store.create(&ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions"), definition).unwrap();
    let kind = store.kind(&ResourceId::new("example.com", "teams")).unwrap();
    let team = json!({"metadata": {"name": "blue"}, "spec": {"lead": "ada"}});
    let table = Table::of(&store, &kind, "").document(json!({}), [&team], true);
    assert_eq!(table["columnDefinitions"][1]["name"], "Lead");
    assert_eq!(table["rows"][0]["cells"], json!(["blue", "ada"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}
