//! Which kinds a cluster serves: aggregated discovery (two requests), or group by group where that is unknown.
//!
//! <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api>

use super::api::{Api, ApiError};
use crate::world::object::{Resource, ResourceId, bool_at, list_at, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use http::Request;
use serde_json::Value;
use std::sync::Arc;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// `gitVersion` of `/version`, and the server's clock.
///
/// # Errors
/// See [`ApiError`].
pub async fn version(api: &Api) -> Result<(String, Option<Time>), ApiError> {
    let (version, clock) = api.get_dated("/version").await?;
    match str_at(&version, "/gitVersion") {
        "" => Err(ApiError::Malformed("the answer to /version is not that of a Kubernetes API server".into())),
        text => Ok((clean(text).into_owned(), clock)),
    }
}

/// What a cluster serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// Every kind, each in the version its group prefers, core first.
    pub kinds: Arc<[Resource]>,
    /// Aggregated APIs that do not answer, `GROUP/VERSION`: their kinds may be missing.
    pub silent: Vec<String>,
}

impl Catalog {
    /// The API of a group that does not answer.
    pub fn silent_of(&self, group: &str) -> Option<&str> {
        let of = |api: &&String| api.split('/').next() == Some(group);
        self.silent.iter().find(of).map(String::as_str)
    }
}

/// Asks for everything that a cluster serves.
///
/// # Errors
/// See [`ApiError`]; a single group that does not answer is left out.
pub async fn catalog(api: &Api) -> Result<Catalog, ApiError> {
    let (mut found, mut silent) = (Vec::new(), Vec::new());
    for root in ["/api", "/apis"] {
        let document = fetch(api, root).await?;
        match str_at(&document, "/kind") {
            "APIGroupDiscoveryList" => aggregated(&document, &mut found, &mut silent),
            "APIVersions" => by_version(api, "", "v1", "/api/v1", &mut found).await?,
            "APIGroupList" => by_group(api, &document, &mut found, &mut silent).await?,
            other => {
                let other = clean(other).into_owned();
                return Err(ApiError::Malformed(format!("the answer to {root} is not discovery but \"{other}\"")));
            }
        }
    }
    Ok(Catalog { kinds: found.into(), silent })
}

async fn fetch(api: &Api, path: &str) -> Result<Value, ApiError> {
    let request = Request::get(path).header("Accept", AGGREGATED).body(vec![]);
    let bytes = api.bytes(request.map_err(|e| ApiError::Malformed(e.to_string()))?).await?;
    serde_json::from_slice(&bytes).map_err(|e| ApiError::Malformed(format!("the answer to {path} is not JSON: {e}")))
}

/// Versions stand in the group's order of preference: the first one that has a kind wins.
/// One that is stale comes from a server that is down, with what was known of it before.
fn aggregated(document: &Value, found: &mut Vec<Resource>, silent: &mut Vec<String>) {
    for group in list_at(document, "/items") {
        for version in list_at(group, "/versions") {
            if str_at(version, "/freshness") == "Stale" {
                silent.push(api_name(str_at(group, "/metadata/name"), str_at(version, "/version")));
            }
            for resource in list_at(version, "/resources") {
                push(
                    found,
                    Resource {
                        id: ResourceId::new(str_at(group, "/metadata/name"), str_at(resource, "/resource")),
                        version: str_at(version, "/version").into(),
                        kind: str_at(resource, "/responseKind/kind").into(),
                        singular: str_at(resource, "/singularResource").into(),
                        namespaced: str_at(resource, "/scope") == "Namespaced",
                        short_names: strings(resource, "/shortNames"),
                        verbs: strings(resource, "/verbs"),
                    },
                );
            }
        }
    }
}

fn api_name(group: &str, version: &str) -> String {
    clean(&format!("{group}/{version}")).into_owned()
}

async fn by_group(
    api: &Api,
    groups: &Value,
    found: &mut Vec<Resource>,
    silent: &mut Vec<String>,
) -> Result<(), ApiError> {
    for group in list_at(groups, "/groups") {
        let (name, version) = (str_at(group, "/name"), str_at(group, "/preferredVersion/version"));
        match by_version(api, name, version, &format!("/apis/{name}/{version}"), found).await {
            // An aggregated API whose server is down takes nothing else with it.
            Ok(()) => {}
            Err(ApiError::Status { code: 503, .. }) => silent.push(api_name(name, version)),
            Err(ApiError::Status { .. } | ApiError::Malformed(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn by_version(
    api: &Api,
    group: &str,
    version: &str,
    path: &str,
    found: &mut Vec<Resource>,
) -> Result<(), ApiError> {
    let list = api.get(path).await?;
    for resource in list_at(&list, "/resources") {
        let name = str_at(resource, "/name");
        if name.contains('/') {
            continue;
        }
        push(
            found,
            Resource {
                id: ResourceId::new(group, name),
                version: version.into(),
                kind: str_at(resource, "/kind").into(),
                singular: str_at(resource, "/singularName").into(),
                namespaced: bool_at(resource, "/namespaced"),
                short_names: strings(resource, "/shortNames"),
                verbs: strings(resource, "/verbs"),
            },
        );
    }
    Ok(())
}

fn push(found: &mut Vec<Resource>, resource: Resource) {
    if !resource.id.plural.is_empty() && !found.iter().any(|known| known.id == resource.id) {
        found.push(resource);
    }
}

fn strings(object: &Value, pointer: &str) -> Vec<String> {
    list_at(object, pointer).iter().filter_map(Value::as_str).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_preferred_version_wins() {
        let resource = |name: &str| json!({"resource": name, "responseKind": {"kind": "Widget"}, "scope": "Namespaced", "verbs": ["list", "watch"], "shortNames": ["wd"]});
        let document = json!({"items": [{"metadata": {"name": "acme.io"}, "versions": [
            {"version": "v2", "resources": [resource("widgets")]},
            {"version": "v1", "resources": [resource("widgets"), resource("gadgets")]}]}]});
        let (mut found, mut silent) = (vec![], vec![]);
        aggregated(&document, &mut found, &mut silent);
        let seen: Vec<String> = found.iter().map(|r| format!("{} {}", r.id, r.api_version())).collect();
        assert!(silent.is_empty());
        assert_eq!(seen, ["widgets.acme.io acme.io/v2", "gadgets.acme.io acme.io/v1"]);
        assert!(found[0].namespaced && found[0].can("watch") && found[0].short_names == ["wd"]);
    }
}
