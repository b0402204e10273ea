use super::*;

fn stamp(manager: &str) -> Stamp {
    Stamp { manager: manager.into(), api_version: "v1".into(), time: Time(0), subresource: String::new() }
}

fn created(manager: &str, config: Value) -> Value {
    let mut object = config.clone();
    record_apply(&mut object, &config, &stamp(manager));
    object
}

#[test]
fn an_update_takes_the_fields_that_it_changes() {
    let mut object = json!({"metadata": {"name": "a"}, "data": {"k": "v", "l": "w"}});
    record_update(&Value::Null, &mut object, &stamp("one"));
    assert_eq!(object["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:data": {"f:k": {}, "f:l": {}}}));
    let mut changed = object.clone();
    changed["data"]["k"] = "x".into();
    record_update(&object, &mut changed, &stamp("two"));
    let owners = changed["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(owners[0]["fieldsV1"], json!({"f:data": {"f:l": {}}}));
    assert_eq!((&owners[1]["manager"], &owners[1]["fieldsV1"]), (&json!("two"), &json!({"f:data": {"f:k": {}}})));
}

#[test]
fn apply_conflicts_name_manager_and_field() {
    let object = created("one", json!({"metadata": {"name": "a"}, "data": {"k": "1"}}));
    let config = json!({"metadata": {"name": "a"}, "data": {"k": "2"}});
    let refused = apply(&object, &config, &stamp("two"), false).unwrap_err();
    assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    assert_eq!(refused.details["causes"][0]["field"], ".data.k");
    let forced = apply(&object, &config, &stamp("two"), true).unwrap();
    assert_eq!(forced["data"]["k"], "2");
    assert_eq!(forced["metadata"]["managedFields"].as_array().unwrap().len(), 1);
    assert_eq!(forced["metadata"]["managedFields"][0]["manager"], "two");
}

#[test]
fn a_field_that_is_no_longer_applied_goes() {
    let object = created("one", json!({"metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "1"}}));
    let new = apply(&object, &json!({"metadata": {"name": "a"}, "data": {"k": "1"}}), &stamp("one"), false).unwrap();
    assert!(new.pointer("/metadata/labels").is_none());
    assert_eq!(
        apply(&new, &json!({"metadata": {"name": "a"}, "data": {"k": "1"}}), &stamp("one"), false).unwrap(),
        new
    );
}

#[test]
fn lists_with_keys_are_merged() {
    let object = created(
        "one",
        json!({"metadata": {"name": "a"}, "spec": {"containers": [
        {"name": "web", "image": "a", "ports": [{"containerPort": 80}]}, {"name": "side", "image": "b"}]}}),
    );
    let config = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "web", "env": [{"name": "X", "value": "1"}]}]}});
    let new = apply(&object, &config, &stamp("two"), false).unwrap();
    assert_eq!(new["spec"]["containers"].as_array().unwrap().len(), 2);
    assert_eq!(new["spec"]["containers"][0]["image"], "a");
    assert_eq!(new["spec"]["containers"][0]["env"][0]["value"], "1");
    let refused =
        apply(&object, &json!({"spec": {"containers": [{"name": "web", "image": "c"}]}}), &stamp("two"), false)
            .unwrap_err();
    assert_eq!(refused.details["causes"][0]["field"], ".spec.containers[name=\"web\"].image");
    let without =
        apply(&object, &json!({"spec": {"containers": [{"name": "web", "image": "a"}]}}), &stamp("one"), false)
            .unwrap();
    assert_eq!(without["spec"]["containers"], json!([{"name": "web", "image": "a"}]));
}
