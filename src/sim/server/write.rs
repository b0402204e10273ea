//! `create`, `update`, `patch` and `delete` of objects and of their status.

use super::{Call, Cluster, Target, read, validate};
use crate::sim::fields;
use crate::sim::http::{self as web, Body};
use crate::sim::patch;
use crate::sim::server::select::Select;
use crate::sim::store::{DeleteOptions, Failure, Propagation, Stored};
use crate::world::object::{Resource, ResourceId, int_at, name, namespace, str_at};
use http::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// How often a patch starts over when somebody else wrote in between (`rest/patch.go`, MaxRetryWhenPatchConflicts).
const PATCH_RETRIES: usize = 5;

/// The body as an object.
///
/// # Errors
/// 415 for another media type, 400 for what cannot be read or is not an object.
pub fn parse_body(call: &Call) -> Result<Value, Failure> {
    if !matches!(call.media.as_str(), "" | "application/json" | "application/yaml" | "application/apply-patch+yaml") {
        let sentence = format!(
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml (got {})",
            call.media
        );
        return Err(Failure::new(415, "UnsupportedMediaType", sentence));
    }
    let object: Value = match serde_json::from_slice(&call.body) {
        Ok(object) => object,
        Err(_) if call.media.ends_with("yaml") => {
            let text = String::from_utf8_lossy(&call.body);
            serde_saphyr::from_str(&text).map_err(|e| Failure::bad_request(format!("error decoding YAML: {e}")))?
        }
        Err(e) => return Err(Failure::bad_request(format!("couldn't get version/kind; json parse error: {e}"))),
    };
    match object {
        Value::Object(_) => Ok(object),
        _ => Err(Failure::bad_request("the object provided is not a JSON object")),
    }
}

/// The body as an object of the target's kind, in its namespace and with its name, unknown fields dropped and named.
fn typed_body(call: &Call, target: &Target) -> Result<(Value, Vec<String>), Failure> {
    let mut object = parse_body(call)?;
    let kind = &target.kind;
    let (api, named) = (str_at(&object, "/apiVersion").to_string(), str_at(&object, "/kind").to_string());
    if (!api.is_empty() && api != kind.api_version()) || (!named.is_empty() && named != kind.kind) {
        return Err(Failure::bad_request(format!(
            "{named} in version \"{api}\" cannot be handled as a {}: converting {api}, Kind={named} to {}, Kind={} is not supported",
            kind.kind,
            kind.api_version(),
            kind.kind
        )));
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    if kind.namespaced {
        match namespace(&object) {
            "" => object["metadata"]["namespace"] = target.namespace.clone().into(),
            ns if ns == target.namespace => {}
            _ => {
                return Err(Failure::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
        }
    }
    let unknown = validate::decode(kind, &mut object)?;
    Ok((object, judge(call, kind, unknown)?))
}

/// What becomes of fields that the kind does not have (`fieldValidation`): refused, named in warnings, or passed over.
fn judge(call: &Call, kind: &Resource, unknown: Vec<String>) -> Result<Vec<String>, Failure> {
    match call.query.get("fieldValidation") {
        "Strict" if !unknown.is_empty() => {
            let list: Vec<String> = unknown.iter().map(|field| format!("unknown field \"{field}\"")).collect();
            Err(Failure::bad_request(format!(
                "{0} in version \"{1}\" cannot be handled as a {0}: strict decoding error: {2}",
                kind.kind,
                kind.version,
                list.join(", ")
            )))
        }
        "Ignore" => Ok(vec![]),
        _ => Ok(unknown),
    }
}

fn answered(
    cluster: &Cluster,
    call: &Call,
    kind: &Resource,
    object: Arc<Value>,
    code: u16,
    unknown: &[String],
) -> Response<Body> {
    let mut answer = read::written(cluster, call, kind, &Stored::shared(object), code);
    for field in unknown {
        web::warn(&mut answer, &format!("unknown field \"{field}\""));
    }
    answer
}

pub fn create(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let (object, unknown) = typed_body(call, target)?;
    let made = create_object(cluster, call, target, object)?;
    Ok(answered(cluster, call, &target.kind, made, 201, &unknown))
}

fn create_object(cluster: &Cluster, call: &Call, target: &Target, mut object: Value) -> Result<Arc<Value>, Failure> {
    let (store, kind) = (&cluster.store, &target.kind);
    if kind.namespaced && target.namespace.is_empty() {
        return Err(Failure::bad_request("an empty namespace may not be set during creation"));
    }
    let namespaces = store.kind(&ResourceId::core("namespaces"));
    if let Some(namespaces) = namespaces.filter(|_| kind.namespaced) {
        let home = store.get(&namespaces.id, "", &target.namespace);
        let home = home.ok_or_else(|| Failure::not_found(&namespaces, &target.namespace))?;
        if !str_at(&home, "/metadata/deletionTimestamp").is_empty() {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                target.namespace
            );
            return Err(Failure::forbidden(kind, name(&object), &why));
        }
    }
    // A node brings its status along when its kubelet registers it; nobody else may.
    if store.has_status(&kind.id) && kind.id != ResourceId::core("nodes") {
        object.as_object_mut().map(|map| map.shift_remove("status"));
    }
    validate::create(kind, &object)?;
    if call.media != "application/apply-patch+yaml" {
        fields::record_update(&Value::Null, &mut object, &stamp(cluster, call, target));
    }
    if call.dry_run() { store.create_dry(&kind.id, object) } else { store.create(&kind.id, object) }
}

fn stamp(cluster: &Cluster, call: &Call, target: &Target) -> fields::Stamp {
    fields::Stamp {
        manager: call.manager(),
        api_version: target.kind.api_version(),
        time: cluster.store.now(),
        subresource: target.sub.clone(),
    }
}

pub fn update(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let (object, unknown) = typed_body(call, target)?;
    if name(&object) != target.name {
        let sentence =
            format!("the name of the object ({}) does not match the name on the URL ({})", name(&object), target.name);
        return Err(Failure::bad_request(sentence));
    }
    if cluster.store.get(&target.kind.id, &target.namespace, &target.name).is_none() {
        return Err(Failure::not_found(&target.kind, &target.name));
    }
    let new = commit(cluster, call, target, |_| Ok(object.clone()))?;
    Ok(answered(cluster, call, &target.kind, new, 200, &unknown))
}

/// Reads, changes, validates and writes, starting over while somebody else writes in between.
fn commit(
    cluster: &Cluster,
    call: &Call,
    target: &Target,
    change: impl Fn(&Value) -> Result<Value, Failure>,
) -> Result<Arc<Value>, Failure> {
    let (store, kind) = (&cluster.store, &target.kind);
    let mut last = Failure::modified(kind, &target.name);
    for _ in 0..PATCH_RETRIES {
        let found = store.get(&kind.id, &target.namespace, &target.name);
        let old = found.ok_or_else(|| Failure::not_found(kind, &target.name))?;
        let mut new = change(&old)?;
        let wanted = str_at(&new, "/metadata/resourceVersion").to_string();
        if !wanted.is_empty() && wanted != str_at(&old, "/metadata/resourceVersion") {
            return Err(Failure::modified(kind, &target.name));
        }
        if str_at(&new, "/metadata/name") != target.name || (kind.namespaced && namespace(&new) != target.namespace) {
            return Err(Failure::bad_request("metadata.name and metadata.namespace cannot be changed"));
        }
        let status = target.sub == "status";
        if status {
            let mut kept = (*old).clone();
            kept["status"] = new["status"].take();
            new = kept;
        } else {
            if store.has_status(&kind.id) {
                new["status"] = old["status"].clone();
                if new["status"].is_null() {
                    new.as_object_mut().map(|map| map.shift_remove("status"));
                }
            }
            validate::update(kind, &new, &old)?;
        }
        if call.media != "application/apply-patch+yaml" {
            fields::record_update(&old, &mut new, &stamp(cluster, call, target));
        }
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"].clone();
        match store.replace(&kind.id, new, status, call.dry_run()) {
            Err(conflict) if conflict.code == 409 => last = conflict,
            done => return done,
        }
    }
    Err(last)
}

pub fn patch(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    if call.media == "application/apply-patch+yaml" {
        return apply(cluster, call, target);
    }
    let (new, unknown) = commit_patch(cluster, call, target, &|object| object.clone(), &|object, _| object)?;
    Ok(answered(cluster, call, &target.kind, new, 200, &unknown))
}

/// Applies a JSON, merge or strategic patch to a view of the object (the object itself, or its scale), and writes what
/// comes out of it. The second answer names the fields that the kind does not know.
///
/// # Errors
/// 415 for another media type, 400 and 422 for a patch that cannot be applied, and those of a write.
pub fn commit_patch(
    cluster: &Cluster,
    call: &Call,
    target: &Target,
    view: &dyn Fn(&Value) -> Value,
    back: &dyn Fn(Value, &Value) -> Value,
) -> Result<(Arc<Value>, Vec<String>), Failure> {
    let unknown = std::cell::RefCell::new(Vec::new());
    let new = commit(cluster, call, target, |old| {
        let mut patched = view(old);
        patch::apply(&call.media, &call.body, &mut patched, &target.kind)?;
        if !patched["metadata"].is_object() {
            return Err(Failure::bad_request("metadata is not a JSON object"));
        }
        let mut object = back(patched, old);
        *unknown.borrow_mut() = judge(call, &target.kind, validate::decode(&target.kind, &mut object)?)?;
        Ok(object)
    })?;
    Ok((new, unknown.into_inner()))
}

/// Server-side apply: creates the object or merges the configuration into it.
fn apply(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let (store, kind) = (&cluster.store, &target.kind);
    if call.query.get("fieldManager").is_empty() {
        let sentence =
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
        return Err(Failure::new(422, "Invalid", sentence));
    }
    let (mut config, unknown) = typed_body(call, target)?;
    match name(&config) {
        "" => config["metadata"]["name"] = target.name.clone().into(),
        named if named == target.name => {}
        _ => return Err(Failure::bad_request("the name of the object does not match the name on the URL")),
    }
    config["metadata"].as_object_mut().map(|meta| meta.shift_remove("managedFields"));
    let stamp = stamp(cluster, call, target);
    if store.get(&kind.id, &target.namespace, &target.name).is_none() {
        if !target.sub.is_empty() {
            return Err(Failure::not_found(kind, &target.name));
        }
        let mut object = config.clone();
        fields::record_apply(&mut object, &config, &stamp);
        let made = create_object(cluster, call, target, object)?;
        return Ok(answered(cluster, call, kind, made, 201, &unknown));
    }
    let force = call.query.flag("force");
    let new = commit(cluster, call, target, |old| fields::apply(old, &config, &stamp, force))?;
    Ok(answered(cluster, call, kind, new, 200, &unknown))
}

/// `DeleteOptions` from body and parameters.
pub fn delete_options(call: &Call) -> Result<DeleteOptions, Failure> {
    let body = if call.body.is_empty() { json!({}) } else { parse_body(call)? };
    let propagation = match (str_at(&body, "/propagationPolicy"), call.query.get("propagationPolicy")) {
        ("Foreground", _) | ("", "Foreground") => Propagation::Foreground,
        ("Orphan", _) | ("", "Orphan") => Propagation::Orphan,
        _ => Propagation::Background,
    };
    let some = |pointer| Some(str_at(&body, pointer).to_string()).filter(|text| !text.is_empty());
    let dry_body = body["dryRun"].as_array().is_some_and(|list| list.iter().any(|entry| entry == "All"));
    Ok(DeleteOptions {
        grace: int_at(&body, "/gracePeriodSeconds").or(call.query.number("gracePeriodSeconds")),
        uid: some("/preconditions/uid"),
        version: some("/preconditions/resourceVersion"),
        propagation,
        dry_run: call.dry_run() || dry_body,
    })
}

pub fn delete(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let (store, kind) = (&cluster.store, &target.kind);
    let options = delete_options(call)?;
    let left = store.delete(&kind.id, &target.namespace, &target.name, &options)?;
    // What still waits is answered with the object, what is gone with a `Status` (pods and namespaces: the object too).
    let waits = !str_at(&left, "/metadata/deletionTimestamp").is_empty();
    if waits || kind.id == ResourceId::core("pods") {
        return Ok(read::written(cluster, call, kind, &Stored::shared(left), 200));
    }
    let mut details = json!({"name": target.name, "kind": kind.id.plural, "uid": left["metadata"]["uid"]});
    if !kind.id.group.is_empty() {
        details["group"] = kind.id.group.clone().into();
    }
    Ok(web::json(
        200,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
    ))
}

pub fn delete_collection(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let (store, kind) = (&cluster.store, &target.kind);
    let select = Select::parse(&call.query, kind, "")?;
    let options = delete_options(call)?;
    let page = read::read_page(cluster, call, target, &select)?;
    let mut items = Vec::new();
    for stored in page.items {
        let object = stored.value();
        match store.delete(&kind.id, namespace(&object), name(&object), &options) {
            Ok(left) => items.push((*left).clone()),
            Err(gone) if gone.code == 404 => {}
            Err(refused) => return Err(refused),
        }
    }
    let version = json!({"resourceVersion": store.version().to_string()});
    let list = json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": version, "items": items});
    Ok(web::json(200, &list))
}
