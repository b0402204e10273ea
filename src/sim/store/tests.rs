use super::*;
use serde_json::json;

fn store() -> Store {
    let store = Store::new(builtin_kinds());
    store.set_clock(Clock::Fixed(Time::parse("2026-11-21T10:00:00Z").unwrap()));
    store
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"containers": [{"name": "c"}]}})
}

fn pods() -> ResourceId {
    ResourceId::core("pods")
}

#[test]
fn create_fills_in_what_a_server_fills_in() {
    let store = store();
    let made = store.create(&pods(), pod("web")).unwrap();
    assert_eq!(made["kind"], "Pod");
    assert_eq!(made["apiVersion"], "v1");
    assert_eq!(made["metadata"]["creationTimestamp"], "2026-11-21T10:00:00Z");
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["metadata"]["resourceVersion"], "2");
    assert_eq!(str_at(&made, "/metadata/uid").len(), 36);
    assert_eq!(store.create(&pods(), pod("web")).unwrap_err().reason, "AlreadyExists");

    let named = json!({"metadata": {"generateName": "web-", "namespace": "shop"}});
    let name = str_at(&store.create(&pods(), named).unwrap(), "/metadata/name").to_string();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    assert_eq!(store.create(&pods(), json!({"metadata": {}})).unwrap_err().code, 422);
}

#[test]
fn an_update_checks_its_precondition_and_keeps_the_status() {
    let store = store();
    let mut seen = (*store.create(&pods(), pod("web")).unwrap()).clone();
    store
        .update_status(
            &pods(),
            json!({"metadata": {"name": "web", "namespace": "shop"}, "status": {"phase": "Running"}}),
        )
        .unwrap();
    assert_eq!(store.update(&pods(), seen.clone()).unwrap_err().reason, "Conflict");

    seen["metadata"]["resourceVersion"] = "".into();
    seen["status"] = json!({"phase": "Lost"});
    seen["spec"]["nodeName"] = "n1".into();
    let new = store.update(&pods(), seen).unwrap();
    assert_eq!(new["status"]["phase"], "Running");
    assert_eq!(new["metadata"]["generation"], 2);
    let again = store.update(&pods(), (*new).clone()).unwrap();
    assert_eq!(again["metadata"]["resourceVersion"], new["metadata"]["resourceVersion"], "no change, no write");
}

#[test]
fn deletion_waits_for_finalizers_and_for_kubelets() {
    let store = store();
    let mut held = pod("held");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    store.create(&pods(), held).unwrap();
    let marked = store.delete(&pods(), "shop", "held", &DeleteOptions::default()).unwrap();
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-11-21T10:00:00Z");
    store.modify(&pods(), "shop", "held", |o| o["metadata"]["finalizers"] = json!([])).unwrap();
    assert!(store.get(&pods(), "shop", "held").is_none());

    let mut running = pod("running");
    running["spec"]["nodeName"] = "n1".into();
    store.create(&pods(), running).unwrap();
    let marked = store.delete(&pods(), "shop", "running", &DeleteOptions::default()).unwrap();
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-11-21T10:00:30Z");
    store.modify(&pods(), "shop", "running", |o| o["status"] = json!({"phase": "Running"})).unwrap();
    assert!(store.get(&pods(), "shop", "running").is_some(), "a status write does not end the grace period");
    store.delete(&pods(), "shop", "running", &DeleteOptions::now()).unwrap();
    assert_eq!(store.count(&pods()), 0);
    assert_eq!(store.delete(&pods(), "shop", "running", &DeleteOptions::now()).unwrap_err().code, 404);
}

#[test]
fn a_namespace_takes_its_objects_with_it() {
    let store = store();
    let namespaces = ResourceId::core("namespaces");
    store.create(&namespaces, json!({"metadata": {"name": "shop"}})).unwrap();
    store.create(&pods(), pod("web")).unwrap();
    store.delete(&namespaces, "", "shop", &DeleteOptions::default()).unwrap();
    assert_eq!(store.count(&pods()) + store.count(&namespaces), 0);
}

#[test]
fn a_dry_run_changes_nothing() {
    let store = store();
    let made = store.create_dry(&pods(), pod("web")).unwrap();
    assert!(made["metadata"].get("resourceVersion").is_none());
    assert_eq!(store.count(&pods()), 0);
    store.create(&pods(), pod("web")).unwrap();
    store.delete(&pods(), "shop", "web", &DeleteOptions { dry_run: true, ..DeleteOptions::now() }).unwrap();
    assert_eq!(store.count(&pods()), 1);
}

#[test]
fn events_are_kept_in_a_window() {
    let store = store();
    let mut latest = store.subscribe();
    latest.mark_unchanged();
    let before = store.version();
    for n in 0..4 {
        store.create(&pods(), pod(&format!("p{n}"))).unwrap();
    }
    assert!(latest.has_changed().unwrap());
    let events = store.events_since(before + 1).unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0].change, Change::Added);
    store.set_window(2);
    assert_eq!(store.events_since(before).unwrap_err().code, 410);
    assert_eq!(store.events_since(before + 2).unwrap().len(), 2);
    store.forget_history();
    assert_eq!(store.events_since(store.version()).unwrap().len(), 0);
}

#[test]
fn pages_follow_one_another() {
    let store = store();
    for name in ["a", "b", "c"] {
        store.create(&pods(), pod(name)).unwrap();
    }
    store.create(&pods(), json!({"metadata": {"name": "x", "namespace": "shop-2"}})).unwrap();
    let first = store.page(&pods(), Some("shop"), None, 2);
    assert_eq!((first.items.len(), first.remaining, first.next.as_deref()), (2, 1, Some("shop/b")));
    let second = store.page(&pods(), Some("shop"), first.next.as_deref(), 2);
    assert_eq!((second.items.len(), second.remaining, second.next), (1, 0, None));
    assert_eq!(store.list(&pods(), None).len(), 4);
}

#[test]
fn a_definition_adds_its_kind() {
    let store = store();
    let crds = ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions");
    let definition = json!({"metadata": {"name": "teams.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "teams", "kind": "Team"}, "versions": [{"name": "v1", "served": true, "storage": true}]}});
    let made = store.create(&crds, definition).unwrap();
    assert_eq!(made["status"]["conditions"][1]["type"], "Established");
    let teams = ResourceId::new("example.com", "teams");
    assert_eq!(store.kind(&teams).unwrap().singular, "team");
    store.delete(&crds, "", "teams.example.com", &DeleteOptions::default()).unwrap();
    assert!(store.kind(&teams).is_none());
}

#[test]
fn a_recording_keeps_its_versions_and_refuses_writes() {
    let store = store();
    assert!(store.load(&pods(), json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "900"}})));
    assert!(!store.load(&pods(), json!({"metadata": {}})));
    assert_eq!(store.version(), 900);
    assert_eq!(store.events_since(899).unwrap_err().reason, "Expired");
    assert!(store.events_since(900).unwrap().is_empty());
    store.set_read_only("this is a recording");
    assert_eq!(store.create(&pods(), pod("b")).unwrap_err().message, "this is a recording");
}

#[test]
fn text_and_value_are_the_same_object() {
    let store = store();
    store.load_text(&pods(), "shop", "web", 7, bytes::Bytes::from(r#"{"metadata":{"name":"web","namespace":"shop"}}"#));
    let parsed = store.get(&pods(), "shop", "web").unwrap();
    assert_eq!(parsed["kind"], "Pod");
    let stored = Stored::shared(parsed);
    assert_eq!(&stored.bytes()[..], br#"{"metadata":{"name":"web","namespace":"shop"}}"#);
}

#[test]
fn a_later_page_shows_the_moment_of_the_first() {
    let store = store();
    for name in ["a", "b", "d"] {
        store.create(&pods(), pod(name)).unwrap();
    }
    let first = store.page(&pods(), None, None, 1);
    store.create(&pods(), pod("c")).unwrap();
    store.delete(&pods(), "shop", "b", &DeleteOptions::now()).unwrap();
    let rest = store.page_at(&pods(), None, first.next.as_deref(), 9, first.version).unwrap();
    let names: Vec<String> = rest.items.iter().map(|s| str_at(&s.value(), "/metadata/name").into()).collect();
    assert_eq!(names, ["b", "d"]);
    store.forget_history();
    assert_eq!(store.page_at(&pods(), None, None, 9, first.version).unwrap_err().code, 410);
}
