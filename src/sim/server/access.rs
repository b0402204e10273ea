//! Who may do what: the deny rules of [`Faults`](super::Faults) as 403s and as answers to access reviews.

use super::route::counted;
use super::{Call, Cluster, Target};
use crate::sim::http::{self as web, Body};
use crate::sim::store::Failure;
use crate::world::object::{ResourceId, str_at};
use http::{Method, Response};
use serde_json::{Value, json};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/";

/// Refuses what a deny rule covers, in the words of a real server.
///
/// # Errors
/// 403.
pub fn authorise(cluster: &Cluster, call: &Call, target: &Target, verb: &str) -> Result<(), Failure> {
    let resource = target.resource();
    let everywhere = target.kind.namespaced && target.namespace.is_empty();
    if !cluster.faults().deny.iter().any(|rule| rule.covers(verb, &target.counted(), everywhere)) {
        return Ok(());
    }
    let place = match target.namespace.as_str() {
        "" => "at the cluster scope".to_string(),
        ns => format!("in the namespace \"{ns}\""),
    };
    let why = format!(
        "User \"{}\" cannot {verb} resource \"{resource}\" in API group \"{}\" {place}",
        call.user, target.kind.id.group
    );
    Err(Failure::forbidden(&target.kind, &target.name, &why))
}

/// Answers the reviews that a client asks about itself; `None` for any other path.
pub fn review(cluster: &Cluster, call: &Call) -> Option<Result<Response<Body>, Failure>> {
    let what = match call.path.strip_prefix(REVIEWS) {
        Some(what @ ("selfsubjectaccessreviews" | "selfsubjectrulesreviews")) => what,
        _ if call.path == "/apis/authentication.k8s.io/v1/selfsubjectreviews" => "selfsubjectreviews",
        _ => return None,
    };
    if call.method != Method::POST {
        return Some(Err(Failure::method_not_allowed()));
    }
    let answer = super::parse_body(call).map(|mut review| {
        match what {
            "selfsubjectaccessreviews" => review["status"] = json!({"allowed": allowed(cluster, &review)}),
            "selfsubjectrulesreviews" => review["status"] = rules(cluster, str_at(&review, "/spec/namespace")),
            _ => review["status"] = json!({"userInfo": {"username": call.user, "groups": ["system:authenticated"]}}),
        }
        web::json(201, &review)
    });
    Some(answer)
}

fn allowed(cluster: &Cluster, review: &Value) -> bool {
    let attribute = |name: &str| str_at(review, &format!("/spec/resourceAttributes/{name}")).to_string();
    let (resource, sub) = (attribute("resource"), attribute("subresource"));
    if resource.is_empty() {
        return true;
    }
    let kind = cluster.store.kind(&ResourceId::new(&attribute("group"), &resource));
    let everywhere = attribute("namespace").is_empty() && kind.is_none_or(|kind| kind.namespaced);
    let resource = if sub.is_empty() { resource } else { format!("{resource}/{sub}") };
    !cluster.faults().deny.iter().any(|rule| rule.covers(&attribute("verb"), &resource, everywhere))
}

/// The rules of one namespace: all verbs on everything, or, where something is denied, each kind with what is left.
fn rules(cluster: &Cluster, namespace: &str) -> Value {
    let deny = cluster.faults().deny;
    let everything = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    let rules = if deny.is_empty() {
        everything
    } else {
        let kinds = cluster.store.kinds();
        let left = kinds.iter().map(|kind| {
            let open = kind.verbs.iter().filter(|verb| {
                !deny.iter().any(|rule| rule.covers(verb, &counted(kind, &kind.id.plural), namespace.is_empty()))
            });
            json!({"verbs": open.collect::<Vec<_>>(), "apiGroups": [kind.id.group], "resources": [kind.id.plural]})
        });
        left.collect()
    };
    let paths = json!([{"verbs": ["get"], "nonResourceURLs": ["*"]}]);
    json!({"resourceRules": rules, "nonResourceRules": paths, "incomplete": false})
}
