//! Paths that are no resources: versions, health, discovery (legacy and aggregated), the bit of OpenAPI that clients
//! need, and the clock of a recording.

use crate::sim::http::{self as web, Body, Form};
use crate::sim::server::{Call, Cluster};
use crate::sim::store::Store;
use crate::world::object::{Resource, ResourceId};
use http::{HeaderValue, Method, Response, header};
use serde_json::{Value, json};

/// Where a client learns the time of a cluster whose clock stands still: `{"recordedAt": "…"}`; 404 on a live one.
pub const RECORDING_PATH: &str = "/kokpit/recording";

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The answer for a path of this file; `None` for every other one.
pub fn answer(cluster: &Cluster, call: &Call) -> Option<Response<Body>> {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return None;
    }
    let store = &cluster.store;
    let parts: Vec<&str> = call.path.split('/').filter(|part| !part.is_empty()).collect();
    let document = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Some(web::bytes(200, "text/plain; charset=utf-8", "ok")),
        ["version"] => cluster.options.version.clone().unwrap_or_else(version),
        ["kokpit", "recording"] => json!({"recordedAt": store.fixed_time()?.rfc3339()}),
        [] => {
            json!({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
        }
        ["api"] if call.form == Form::Discovery => return Some(aggregated(cluster, true)),
        ["apis"] if call.form == Form::Discovery => return Some(aggregated(cluster, false)),
        ["api"] => {
            let all = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": web::header_text(&call.headers, "host")}]);
            json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": all})
        }
        ["apis"] => {
            let groups: Vec<Value> =
                groups(store).iter().filter(|g| !g.0.is_empty()).map(|(name, version)| group(name, version)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] => {
            let (name, version) = groups(store).into_iter().find(|(group, _)| group == name)?;
            let mut document = group(&name, &version);
            document["kind"] = "APIGroup".into();
            document["apiVersion"] = "v1".into();
            document
        }
        ["api", version] => resource_list(store, "", version)?,
        ["apis", group, version] => resource_list(store, group, version)?,
        ["openapi", "v2"] => {
            json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": {}, "definitions": {}})
        }
        ["openapi", "v3"] => openapi_index(store),
        ["openapi", "v3", "api", version] => openapi(store, "", version)?,
        ["openapi", "v3", "apis", group, version] => openapi(store, group, version)?,
        _ => return None,
    };
    Some(web::json(200, &document))
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
           "minCompatibilityMinor": "35", "gitVersion": "v1.36.2", "gitCommit": "", "gitTreeState": "",
           "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64"})
}

/// Groups with their one version, in order of first appearance; those of access reviews come last.
fn groups(store: &Store) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for kind in store.kinds().iter() {
        if !all.iter().any(|(group, _)| group == &kind.id.group) {
            all.push((kind.id.group.clone(), kind.version.clone()));
        }
    }
    all.push(("authentication.k8s.io".into(), "v1".into()));
    all.push(("authorization.k8s.io".into(), "v1".into()));
    all
}

fn group(name: &str, version: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

/// The kinds that can only be created, to ask what one may do.
fn reviews(group: &str) -> Vec<Resource> {
    let kinds: &[(&str, &str)] = match group {
        "authorization.k8s.io" => &[
            ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            ("selfsubjectrulesreviews", "SelfSubjectRulesReview"),
        ],
        "authentication.k8s.io" => &[("selfsubjectreviews", "SelfSubjectReview")],
        _ => &[],
    };
    let one = |(plural, kind): &(&str, &str)| Resource {
        id: ResourceId::new(group, plural),
        version: "v1".into(),
        kind: kind.to_string(),
        singular: kind.to_lowercase(),
        namespaced: false,
        short_names: vec![],
        verbs: vec!["create".into()],
    };
    kinds.iter().map(one).collect()
}

fn kinds_of(store: &Store, group: &str, version: &str) -> Vec<Resource> {
    let kinds = store.kinds();
    let served = kinds.iter().filter(|kind| kind.id.group == group && kind.version == version).cloned();
    served.chain(reviews(group)).collect()
}

/// Name, kind and verbs of the subresources that are served.
fn subresources(store: &Store, id: &ResourceId) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    const WRITE: &[&str] = &["get", "patch", "update"];
    let mut all: Vec<(&str, &str, &[&str])> = match (id.group.as_str(), id.plural.as_str()) {
        ("", "pods") => vec![
            ("attach", "PodAttachOptions", &["create", "get"]),
            ("binding", "Binding", &["create"]),
            ("ephemeralcontainers", "Pod", &["get", "patch", "update"]),
            ("eviction", "Eviction", &["create"]),
            ("exec", "PodExecOptions", &["create", "get"]),
            ("log", "Pod", &["get"]),
            ("portforward", "PodPortForwardOptions", &["create", "get"]),
        ],
        ("", "replicationcontrollers") | ("apps", "deployments" | "replicasets" | "statefulsets") => {
            vec![("scale", "Scale", WRITE)]
        }
        _ => vec![],
    };
    if store.has_status(id) {
        all.push(("status", "", WRITE));
    }
    all
}

fn categories(id: &ResourceId) -> &'static [&'static str] {
    match (id.group.as_str(), id.plural.as_str()) {
        ("", "pods" | "services" | "replicationcontrollers")
        | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs" | "cronjobs")
        | ("autoscaling", "horizontalpodautoscalers") => &["all"],
        ("apiextensions.k8s.io" | "admissionregistration.k8s.io", _) => &["api-extensions"],
        _ => &[],
    }
}

fn resource_list(store: &Store, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in kinds_of(store, group, version) {
        let mut one = json!({"name": kind.id.plural, "singularName": kind.singular, "namespaced": kind.namespaced,
                             "kind": kind.kind, "verbs": kind.verbs});
        if !kind.short_names.is_empty() {
            one["shortNames"] = json!(kind.short_names);
        }
        if !categories(&kind.id).is_empty() {
            one["categories"] = json!(categories(&kind.id));
        }
        resources.push(one);
        for (name, of, verbs) in subresources(store, &kind.id) {
            let of = if of.is_empty() { kind.kind.as_str() } else { of };
            let mut sub = json!({"name": format!("{}/{name}", kind.id.plural), "singularName": "", "namespaced": kind.namespaced,
                                 "kind": of, "verbs": verbs});
            if let Some((group, version)) = foreign(of) {
                sub["group"] = group.into();
                sub["version"] = version.into();
            }
            resources.push(sub);
        }
    }
    let group_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    let list =
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources});
    (!resources.is_empty()).then_some(list)
}

/// Group and version of subresources that speak another group's language.
fn foreign(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "Scale" => Some(("autoscaling", "v1")),
        "Eviction" => Some(("policy", "v1")),
        _ => None,
    }
}

/// An API whose own server does not answer is stale, with what was known of it: here nothing
/// (`kube-aggregator/pkg/apiserver/handler_discovery.go`).
fn aggregated(cluster: &Cluster, core: bool) -> Response<Body> {
    let (store, broken) = (&cluster.store, cluster.faults().broken_api);
    let all = groups(store).into_iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = all
        .map(|(group, version)| {
            let meta = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            if broken.as_ref().is_some_and(|api| *api == format!("{group}/{version}")) {
                return json!({"metadata": meta, "versions": [{"version": version, "freshness": "Stale"}]});
            }
            let kinds = kinds_of(store, &group, &version);
            let resources: Vec<Value> = kinds.iter().map(|kind| aggregated_kind(store, kind)).collect();
            json!({"metadata": meta, "versions": [{"version": version, "resources": resources, "freshness": "Current"}]})
        })
        .collect();
    let document = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let mut answer = web::json(200, &document);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    answer
}

fn aggregated_kind(store: &Store, kind: &Resource) -> Value {
    let response = |named: &str| {
        let (group, version) = foreign(named).unwrap_or(("", ""));
        json!({"group": group, "version": version, "kind": if named.is_empty() { kind.kind.as_str() } else { named }})
    };
    let mut one = json!({"resource": kind.id.plural, "responseKind": response(""),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular, "verbs": kind.verbs});
    if !kind.short_names.is_empty() {
        one["shortNames"] = json!(kind.short_names);
    }
    if !categories(&kind.id).is_empty() {
        one["categories"] = json!(categories(&kind.id));
    }
    let subs = subresources(store, &kind.id);
    if !subs.is_empty() {
        let subs = subs
            .iter()
            .map(|(name, of, verbs)| json!({"subresource": name, "responseKind": response(of), "verbs": verbs}));
        one["subresources"] = subs.collect();
    }
    one
}

fn openapi_index(store: &Store) -> Value {
    let mut paths = json!({});
    for (group, version) in groups(store) {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        paths[&path] = json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=kokpit")});
    }
    json!({"paths": paths})
}

/// What `kubectl` reads before it writes: that patches take `fieldValidation` and `dryRun`, so that the server is left to
/// judge fields (`k8s.io/cli-runtime/pkg/resource/query_param_verifier_v3.go`). No schemas.
fn openapi(store: &Store, group: &str, version: &str) -> Option<Value> {
    let mut paths = json!({});
    for kind in kinds_of(store, group, version).iter().filter(|kind| kind.can("patch")) {
        let parameter =
            |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let parameters: Vec<Value> =
            ["dryRun", "fieldManager", "fieldValidation", "force"].iter().map(|name| parameter(name)).collect();
        let named = json!({"group": group, "version": version, "kind": kind.kind});
        let operation = json!({"parameters": parameters, "responses": {"200": {"description": "OK"}},
                               "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": named});
        paths[kind.object_path("{namespace}", "{name}")] = json!({"patch": operation});
    }
    let info = json!({"title": "Kubernetes", "version": "v1.36.2"});
    Some(json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}))
}
