//! Whether we may do something, asked of the cluster itself.

use super::api::Api;
use crate::world::access::Access;
use futures::StreamExt;
use serde_json::{Value, json};

/// How many questions are under way at once.
const AT_ONCE: usize = 4;

/// Asks a `SelfSubjectAccessReview`; `None` where the server does not say (reviews forbidden, an authorizer that failed,
/// no answer). <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access>
pub async fn may(api: &Api, access: &Access) -> Option<bool> {
    let (resource, part) = access.resource.split_once('/').unwrap_or((&access.resource, ""));
    let attributes = json!({"verb": access.verb, "group": access.group, "resource": resource, "subresource": part,
        "namespace": access.namespace});
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes}});
    let answer = api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await.ok()?;
    verdict(&answer)
}

/// Asks about several, in their order.
pub async fn may_all(api: &Api, accesses: Vec<Access>) -> Vec<(Access, Option<bool>)> {
    let ask = |access: Access| async move {
        let answer = may(api, &access).await;
        (access, answer)
    };
    futures::stream::iter(accesses).map(ask).buffered(AT_ONCE).collect().await
}

/// `allowed: false` beside an error means that an authorizer could not be asked, not that it said no.
fn verdict(review: &Value) -> Option<bool> {
    match review.pointer("/status/allowed")?.as_bool()? {
        true => Some(true),
        false => {
            let failed = review.pointer("/status/evaluationError").and_then(Value::as_str).unwrap_or_default();
            let denied = review.pointer("/status/denied").and_then(Value::as_bool).unwrap_or_default();
            (failed.is_empty() || denied).then_some(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorizer_that_failed_says_nothing() {
        let of = |status: Value| verdict(&json!({"status": status}));
        assert_eq!(of(json!({"allowed": true})), Some(true));
        assert_eq!(of(json!({"allowed": false, "reason": "no RBAC"})), Some(false));
        assert_eq!(of(json!({"allowed": false, "evaluationError": "webhook: timeout"})), None);
        assert_eq!(of(json!({"allowed": false, "denied": true, "evaluationError": "x"})), Some(false));
        assert_eq!(of(json!({})), None);
    }
}
