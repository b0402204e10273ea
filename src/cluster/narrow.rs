//! Where the whole cluster may not be listed: the namespaces that may be.

use super::api::{Api, ApiError};
use crate::world::object::{Resource, list_at, name};
use futures::StreamExt;
use serde_json::{Value, json};

/// More namespaces than this are not asked about one by one.
const MOST: usize = 200;
/// Reviews in flight.
const AT_ONCE: usize = 4;

/// The namespaces in which a kind may be listed, among those that can be found out about: all of them where they may
/// be listed, else the context's own.
///
/// # Errors
/// Only where the way to the server broke.
pub async fn readable(api: &Api, resource: &Resource, own: &str) -> Result<Vec<String>, ApiError> {
    let own = if own.is_empty() { "default" } else { own };
    let mut candidates = match api.get("/api/v1/namespaces?limit=500").await {
        Ok(list) => list_at(&list, "/items").iter().map(|ns| name(ns).to_string()).collect(),
        Err(ApiError::Status { .. }) => vec![own.to_string()],
        Err(error) => return Err(error),
    };
    // The own namespace first: it must not fall to the limit.
    candidates.sort_by_key(|ns| ns != own);
    candidates.truncate(MOST);
    let answers = candidates.into_iter().map(|namespace| async move {
        let allowed = may_list(api, resource, &namespace).await;
        (namespace, allowed)
    });
    let answers: Vec<(String, Result<bool, ApiError>)> =
        futures::stream::iter(answers).buffered(AT_ONCE).collect().await;
    let mut found = Vec::new();
    for (namespace, allowed) in answers {
        if allowed? {
            found.push(namespace);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a `SelfSubjectRulesReview` allows listing; where the review is refused or incomplete, a list of one tells.
async fn may_list(api: &Api, resource: &Resource, namespace: &str) -> Result<bool, ApiError> {
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    match api.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).await {
        Ok(answer) if allows(&answer, resource) => return Ok(true),
        Ok(answer) if answer.pointer("/status/incomplete") == Some(&Value::Bool(false)) => return Ok(false),
        Ok(_) | Err(ApiError::Status { .. }) => {}
        Err(error) => return Err(error),
    }
    match api.get(&format!("{}?limit=1", resource.collection_path(Some(namespace)))).await {
        Ok(_) => Ok(true),
        Err(ApiError::Status { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn allows(review: &Value, resource: &Resource) -> bool {
    let has = |rule: &Value, field: &str, wanted: &str| {
        list_at(rule, field).iter().filter_map(Value::as_str).any(|entry| entry == "*" || entry == wanted)
    };
    list_at(review, "/status/resourceRules").iter().any(|rule| {
        has(rule, "/verbs", "list")
            && has(rule, "/apiGroups", &resource.id.group)
            && has(rule, "/resources", &resource.id.plural)
            && list_at(rule, "/resourceNames").is_empty()
    })
}
