//! What answers requests: routes, Gateways, Services, EndpointSlices, policies. It takes several tables to see what is
//! wrong here, so what each row says is kept as it comes, and put together when it is asked for.
//!
//! Two things come of it: backends without a ready endpoint, which answer 503; and the URLs whose way is worth being
//! looked at though no row says that anything is wrong (see [`super::patrol`]).

use super::Symptom;
use super::patrol::Stop;
use super::routes::{self, Gates, Place, Route};
use crate::diagnose::case::Subject;
use crate::diagnose::kinds::{
    GATEWAYS, HTTPROUTES, INGRESSES, INGRESSROUTES, Known, NETWORKPOLICIES, SERVICES, SLICES,
};
use crate::world::object::{ObjectRef, ResourceId, str_at};
use crate::world::row::{Row, Tone, Uid};
use crate::world::time::Time;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Pods behind a Service may all be starting: this long without any is no fault yet.
const STARTING_S: i64 = 10;
/// URLs of one route that are looked at unasked.
const MOST_URLS: usize = 20;

/// What the routes, Services and EndpointSlices of one cluster say.
#[derive(Debug, Default)]
pub struct Backends {
    routes: HashMap<Uid, Route>,
    gates: HashMap<Uid, (Place, routes::Gate)>,
    services: HashMap<Uid, (Place, Service)>,
    slices: HashMap<Uid, (Place, bool)>,
    /// The namespace of every policy, and what it says.
    policies: HashMap<Uid, (String, u64)>,
    dirty: bool,
    /// Anything but an EndpointSlice changed: they come and go all the time, and lead nowhere else.
    moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Service {
    /// What it stands for lies outside of the cluster.
    outside: bool,
    state: u64,
}

/// A Service behind a route that has nothing to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The Service; it may not even exist.
    pub service: ObjectRef,
    /// The first URL that leads there; empty where the routes name none.
    pub url: String,
}

/// Those without which nothing can be said here.
const ESSENTIAL: &[Known] = &[SERVICES, SLICES];
/// Those that a cluster need not have, or that need not be readable.
const WELCOME: &[Known] = &[INGRESSES, HTTPROUTES, INGRESSROUTES, GATEWAYS, NETWORKPOLICIES];

/// Whether a table is one of these.
pub fn speaks(kind: &ResourceId) -> bool {
    is_essential(kind) || WELCOME.iter().any(|known| known.plural == kind.plural && known.group == kind.group)
}

/// Whether nothing can be said without a table.
pub fn is_essential(kind: &ResourceId) -> bool {
    ESSENTIAL.iter().any(|known| known.plural == kind.plural && known.group == kind.group)
}

impl Backends {
    /// Takes in a row that came or changed.
    pub fn hear(&mut self, kind: &ResourceId, row: &Row) {
        let place = |name: &str| (row.meta.namespace.to_string(), name.to_owned());
        let (uid, own) = (row.meta.uid, || place(&row.meta.name));
        let changed = match kind.plural.as_str() {
            "endpointslices" => match row.meta.label("kubernetes.io/service-name") {
                Some(service) => put(&mut self.slices, uid, (place(service), row.tone == Tone::Ok)),
                None => self.slices.remove(&uid).is_some(),
            },
            _ => match (kind.plural.as_str(), row.raw.value()) {
                (_, None) => false,
                ("services", Some(service)) => {
                    // What ExternalName names lies outside of the cluster: it has no endpoints here.
                    let outside = str_at(&service, "/spec/type") == "ExternalName";
                    let state = routes::state(&service, &[]);
                    put(&mut self.services, uid, (own(), Service { outside, state }))
                }
                ("gateways", Some(gateway)) => put(&mut self.gates, uid, (own(), routes::gate(&gateway))),
                ("networkpolicies", Some(policy)) => {
                    let said = (row.meta.namespace.to_string(), routes::state(&policy, &[]));
                    put(&mut self.policies, uid, said)
                }
                (_, Some(route)) if routes::is_route(kind) => put(&mut self.routes, uid, routes::read(kind, &route)),
                _ => false,
            },
        };
        self.note(kind, changed);
    }

    fn note(&mut self, kind: &ResourceId, changed: bool) {
        self.dirty |= changed;
        self.moved |= changed && kind.plural != SLICES.plural;
    }

    /// Forgets rows that are gone.
    pub fn forget(&mut self, kind: &ResourceId, gone: impl Fn(&Uid) -> bool) {
        let changed = match kind.plural.as_str() {
            "endpointslices" => drop_from(&mut self.slices, gone),
            "services" => drop_from(&mut self.services, gone),
            "gateways" => drop_from(&mut self.gates, gone),
            "networkpolicies" => drop_from(&mut self.policies, gone),
            // Their uids are not those of other kinds of routes.
            _ if routes::is_route(kind) => {
                let of_kind = |at: &ObjectRef| crate::diagnose::kinds::resource_of(at) == *kind;
                let before = self.routes.len();
                self.routes.retain(|uid, route| !(of_kind(&route.at) && gone(uid)));
                self.routes.len() != before
            }
            _ => false,
        };
        self.note(kind, changed);
    }

    /// Whether anything changed since the last call.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Whether the ways changed since the last call: routes, Gateways, Services or policies.
    pub fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn gates(&self) -> Gates {
        self.gates.values().cloned().collect()
    }

    /// The Services behind routes that have no usable endpoint, each once. To be asked only when all tables are there:
    /// what has not been listed yet is not missing.
    pub fn dead(&self) -> Vec<Dead> {
        let mut usable: HashMap<&Place, bool> = HashMap::new();
        for (place, good) in self.slices.values() {
            *usable.entry(place).or_default() |= good;
        }
        let outside: HashMap<&Place, bool> =
            self.services.values().map(|(place, service)| (place, service.outside)).collect();
        let is = |set: &HashMap<&Place, bool>, place: &Place| set.get(place).copied().unwrap_or(false);
        let gates = self.gates();
        let mut dead: BTreeMap<&Place, String> = BTreeMap::new();
        for (url, services) in self.routes.values().flat_map(|route| route.urls(&gates)) {
            for service in services.iter().filter(|place| !is(&usable, place) && !is(&outside, place)) {
                let first = dead.entry(service).or_insert_with(|| url.clone());
                if first.is_empty() || (!url.is_empty() && url < *first) {
                    first.clone_from(&url);
                }
            }
        }
        let told = dead
            .into_iter()
            .map(|((namespace, name), url)| Dead { service: ObjectRef::new("", "Service", namespace, name), url });
        told.collect()
    }

    /// The ways worth being looked at: of every route one URL for each host and backend, the route itself where it names
    /// none. Keyed by what is asked about.
    pub fn stops(&self) -> BTreeMap<String, Stop> {
        let gates = self.gates();
        let services: HashMap<&Place, u64> = self.services.values().map(|(place, s)| (place, s.state)).collect();
        let mut policies: HashMap<&str, u64> = HashMap::new();
        for (namespace, state) in self.policies.values() {
            // Sums do not ask for an order.
            let sum = policies.entry(namespace).or_default();
            *sum = sum.wrapping_add(*state);
        }
        let mut stops = BTreeMap::new();
        // Always in the same order: of two routes for one URL the first is asked about.
        let mut routes: Vec<&Route> = self.routes.values().collect();
        routes.sort_by(|a, b| a.at.cmp(&b.at));
        for route in routes {
            let mut ways: BTreeMap<(String, &[Place]), String> = BTreeMap::new();
            for (url, behind) in route.urls(&gates).filter(|(url, _)| !url.is_empty()) {
                let host = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
                let first = ways.entry((host, behind)).or_insert_with(|| url.clone());
                if url < *first {
                    *first = url;
                }
            }
            let mut add = |key: String, subject: Subject, behind: &[Place]| {
                let mut hash = DefaultHasher::new();
                route.state.hash(&mut hash);
                route
                    .parents
                    .iter()
                    .map(|(gateway, _)| gates.get(gateway).map(|g| g.state))
                    .for_each(|s| s.hash(&mut hash));
                for place in behind {
                    (services.get(place), policies.get(place.0.as_str())).hash(&mut hash);
                }
                let stop = || Stop::new(subject, route.at.clone(), route.created, hash.finish());
                stops.entry(key).or_insert_with(stop);
            };
            if ways.is_empty() {
                let behind: BTreeSet<&Place> = route.rules.iter().flat_map(|rule| &rule.services).collect();
                let behind: Vec<Place> = behind.into_iter().cloned().collect();
                add(route.at.to_string(), Subject::Object(route.at.clone()), &behind);
            }
            for ((_, behind), url) in ways.into_iter().take(MOST_URLS) {
                add(url.clone(), Subject::Url(url), behind);
            }
        }
        stops
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
