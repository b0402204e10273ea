//! Backends of routes without a ready endpoint: what answers 503. It takes three tables to see one, so what each row
//! says is kept as it comes, and put together when it is asked for.

use super::Symptom;
use crate::world::object::{ObjectRef, ResourceId, list_at, str_at};
use crate::world::row::{Row, Tone, Uid};
use crate::world::time::Time;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Pods behind a Service may all be starting: this long without any is no fault yet.
const STARTING_S: i64 = 10;

/// What the routes, Services and EndpointSlices of one cluster say.
#[derive(Debug, Default)]
pub struct Backends {
    routes: HashMap<Uid, Vec<Route>>,
    services: HashMap<Uid, (Place, bool)>,
    slices: HashMap<Uid, (Place, bool)>,
    dirty: bool,
}

/// Namespace and name of a Service.
type Place = (String, String);

/// A rule of a route: the URL it answers, empty where no single one can be named, and its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    url: String,
    service: Place,
}

/// A Service behind a route that has nothing to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The Service; it may not even exist.
    pub service: ObjectRef,
    /// The first URL that leads there; empty where the routes name none.
    pub url: String,
}

/// Whether a table is one of these three.
pub fn speaks(kind: &ResourceId) -> bool {
    matches!(kind.plural.as_str(), "services" | "endpointslices" | "ingresses")
}

impl Backends {
    /// Takes in a row that came or changed.
    pub fn hear(&mut self, kind: &ResourceId, row: &Row) {
        let place = |name: &str| (row.meta.namespace.to_string(), name.to_owned());
        let uid = row.meta.uid;
        self.dirty |= match kind.plural.as_str() {
            "endpointslices" => match row.meta.label("kubernetes.io/service-name") {
                Some(service) => put(&mut self.slices, uid, (place(service), row.tone == Tone::Ok)),
                None => self.slices.remove(&uid).is_some(),
            },
            // What ExternalName names lies outside of the cluster: it has no endpoints here.
            "services" => {
                let outside = row.raw.value().is_some_and(|s| str_at(&s, "/spec/type") == "ExternalName");
                put(&mut self.services, uid, (place(&row.meta.name), outside))
            }
            "ingresses" => put(&mut self.routes, uid, row.raw.value().map(|i| routes(&i)).unwrap_or_default()),
            _ => false,
        };
    }

    /// Forgets rows that are gone.
    pub fn forget(&mut self, kind: &ResourceId, gone: impl Fn(&Uid) -> bool) {
        match kind.plural.as_str() {
            "endpointslices" => self.dirty |= drop_from(&mut self.slices, gone),
            "services" => self.dirty |= drop_from(&mut self.services, gone),
            "ingresses" => self.dirty |= drop_from(&mut self.routes, gone),
            _ => {}
        }
    }

    /// Whether anything changed since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// The Services behind routes that have no usable endpoint, each once. To be asked only when all three tables are
    /// there: what has not been listed yet is not missing.
    pub fn dead(&self) -> Vec<Dead> {
        let mut usable: HashMap<&Place, bool> = HashMap::new();
        for (place, good) in self.slices.values() {
            *usable.entry(place).or_default() |= good;
        }
        let outside: HashMap<&Place, bool> = self.services.values().map(|(place, outside)| (place, *outside)).collect();
        let mut dead: BTreeMap<&Place, &str> = BTreeMap::new();
        for route in self.routes.values().flatten() {
            let alive = usable.get(&route.service).copied().unwrap_or(false)
                || outside.get(&route.service).copied().unwrap_or(false);
            if !alive {
                let url = dead.entry(&route.service).or_insert(&route.url);
                if url.is_empty() || (!route.url.is_empty() && route.url.as_str() < *url) {
                    *url = &route.url;
                }
            }
        }
        let told = dead.into_iter().map(|((namespace, name), url)| Dead {
            service: ObjectRef::new("", "Service", namespace, name),
            url: url.to_owned(),
        });
        told.collect()
    }
}

/// Whether that changed anything.
fn put<T: PartialEq>(map: &mut HashMap<Uid, T>, uid: Uid, value: T) -> bool {
    if map.get(&uid) == Some(&value) {
        return false;
    }
    map.insert(uid, value);
    true
}

fn drop_from<T>(map: &mut HashMap<Uid, T>, gone: impl Fn(&Uid) -> bool) -> bool {
    let before = map.len();
    map.retain(|uid, _| !gone(uid));
    map.len() != before
}

/// The rules of an Ingress (networking.k8s.io/v1) with a Service behind them.
fn routes(ingress: &Value) -> Vec<Route> {
    let namespace = str_at(ingress, "/metadata/namespace");
    let secure: Vec<&str> =
        list_at(ingress, "/spec/tls").iter().flat_map(|tls| list_at(tls, "/hosts")).filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    let mut add = |url: String, service: &str| {
        if !service.is_empty() {
            found.push(Route { url, service: (namespace.into(), service.into()) });
        }
    };
    for rule in list_at(ingress, "/spec/rules") {
        let host = str_at(rule, "/host");
        let named = !host.is_empty() && !host.contains('*');
        for path in list_at(rule, "/http/paths") {
            let scheme = if secure.contains(&host) { "https" } else { "http" };
            let at = str_at(path, "/path");
            // A path that is a regular expression (ingress-nginx, use-regex) is no path that could be asked for.
            let plain = at.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.~%".contains(c));
            let url = if named && plain { format!("{scheme}://{host}{at}") } else { String::new() };
            add(url, str_at(path, "/backend/service/name"));
        }
    }
    add(String::new(), str_at(ingress, "/spec/defaultBackend/service/name"));
    found
}

impl Dead {
    /// The symptom of it, since a time; [`Time::NEVER`] where it was so before anybody looked.
    pub fn symptom(&self, since: Time) -> Symptom {
        let found = Symptom {
            object: self.service.clone(),
            uid: Uid::of_name(&self.service.namespace, &self.service.name),
            word: "has no ready endpoint".into(),
            tone: Tone::Bad,
            since,
            from: since,
            until: Time::NEVER,
            owner: self.service.clone(),
            shape: self.url.clone(),
        };
        found.after(STARTING_S)
    }
}
