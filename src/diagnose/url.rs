//! The way of a URL: DNS, route, controller, Service, endpoints, pods, policies.

use super::facts::{Case, Fact};
use super::finding::{Lead, Suspect};
use super::kinds::SLICES;
use super::verdict::{Hop, Verdict};
use crate::world::object::{list_at, name, namespace, str_at};
use serde_json::Value;

/// The objects a URL's trouble may come from.
pub fn leads(_case: &Case<'_>, _url: &str) -> Fact<Vec<Lead>> {
    Ok(Vec::new())
}

/// The objects a Service's trouble may come from.
pub fn service_leads(_case: &Case<'_>, _suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    Ok(Vec::new())
}

/// The objects an Ingress' trouble may come from.
pub fn ingress_leads(_case: &Case<'_>, _suspect: &Suspect<'_>) -> Fact<Vec<Lead>> {
    Ok(Vec::new())
}

/// Ready endpoints and all endpoints of a Service.
pub fn endpoint_count(case: &Case<'_>, service: &Value) -> Fact<(usize, usize)> {
    let slices = case.list(SLICES, Some(namespace(service)))?;
    let mine = slices
        .into_iter()
        .filter(|s| str_at(s, "/metadata/labels/kubernetes.io~1service-name") == name(service))
        .flat_map(|s| list_at(s, "/endpoints"));
    let (mut ready, mut all) = (0, 0);
    for endpoint in mine {
        all += 1;
        ready += usize::from(endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true));
    }
    Ok((ready, all))
}

/// The hops of a URL and its headline.
pub fn chain(_case: &Case<'_>, url: &str, _verdict: &Verdict) -> Fact<(Vec<Hop>, String)> {
    Ok((Vec::new(), url.to_owned()))
}
