//! The lines of a tree, from the rows that are known: owners and what they own, what pods use, what a Service, an
//! Ingress, a node or an Application leads to, and for a ConfigMap, Secret, claim or ServiceAccount who uses it.
//!
//! Only what is unfolded is looked at, so that a node with a hundred pods costs a hundred lines and no more.

use super::kin::{Kin, is_over};
use super::{Fold, Line};
use crate::kinds::uses::{Use, pod_spec, uses};
use crate::kinds::{self, endpointslices};
use crate::state::order::columns;
use crate::state::{State, command, grid};
use crate::world::column::cell;
use crate::world::fleet::{ClusterId, Feed};
use crate::world::object::{ObjectRef, ResourceId, bool_at, list_at, str_at};
use crate::world::pod::Role;
use crate::world::row::{Body, Row, Tone};
use crate::world::time::Time;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Lines of one tree; beyond that something has to be folded.
const MOST: usize = 5_000;
/// Levels.
const DEEPEST: usize = 12;
/// Roots up to which they begin unfolded.
const FEW: usize = 5;

/// What was read from pod specs, which do not change: by pod, or by the ReplicaSet whose pods are all alike.
pub type Specs = HashMap<String, Arc<[Use]>>;

/// Kinds of which the users are looked for.
pub const USED: [&str; 4] = ["ConfigMap", "Secret", "PersistentVolumeClaim", "ServiceAccount"];

/// Makes the lines of these roots. `open` says whether a line is unfolded: by its key, and how it begins.
pub fn build(
    state: &State,
    roots: &[(ClusterId, ObjectRef)],
    specs: &mut Specs,
    open: &dyn Fn(&str, bool) -> bool,
) -> Vec<Line> {
    let several = roots.iter().any(|(cluster, _)| roots.first().is_some_and(|(first, _)| first != cluster));
    let (kin, lines, path) = (HashMap::new(), vec![], vec![]);
    let mut grove = Grove { state, specs, open, kin, lines, path, roots: roots.len(), several };
    for (cluster, object) in roots {
        grove.branch(*cluster, object, Given::default());
    }
    if grove.lines.len() >= MOST {
        grove.lines.truncate(MOST);
        grove.remark(format!("more than {MOST} lines: fold something, or filter"));
    }
    grove.lines
}

/// What a line says beside what its row says.
#[derive(Clone, Debug, Default)]
struct Given {
    /// How it comes to stand here.
    note: String,
    /// That it is not there is no harm.
    optional: bool,
    /// Below a workload that has said already what its pods use.
    told: bool,
}

impl Given {
    fn note(note: impl Into<String>) -> Self {
        Self { note: note.into(), ..Self::default() }
    }
}

struct Grove<'a> {
    state: &'a State,
    specs: &'a mut Specs,
    open: &'a dyn Fn(&str, bool) -> bool,
    kin: HashMap<ClusterId, Arc<Kin<'a>>>,
    lines: Vec<Line>,
    /// Keys from the root to here.
    path: Vec<String>,
    roots: usize,
    /// The roots are of several clusters.
    several: bool,
}

impl<'a> Grove<'a> {
    fn kin(&mut self, cluster: ClusterId) -> Arc<Kin<'a>> {
        let shard = self.state.fleet.shard(cluster);
        self.kin.entry(cluster).or_insert_with(|| Arc::new(Kin::new(shard))).clone()
    }

    fn resource(&self, cluster: ClusterId, object: &ObjectRef) -> Option<ResourceId> {
        let served = self.state.fleet.shard(cluster).catalog.iter();
        let found = served.into_iter().find(|r| r.kind == object.kind && r.id.group == object.group);
        found.map(|r| r.id.clone()).or_else(|| command::resource_of(self.state, object))
    }

    fn row(&mut self, cluster: ClusterId, object: &ObjectRef) -> Option<&'a Row> {
        let state = self.state;
        if object.kind == "Pod" {
            return self.kin(cluster).pod(&object.namespace, &object.name);
        }
        let resource = self.resource(cluster, object)?;
        state.fleet.shard(cluster).table(&resource)?.find(&object.namespace, &object.name)
    }

    /// Whether every object of this kind and namespace is known, so that one that is not there is missing.
    fn is_whole(&self, cluster: ClusterId, object: &ObjectRef) -> bool {
        let Some(resource) = self.resource(cluster, object) else { return false };
        let Some(table) = self.state.fleet.shard(cluster).table(&resource) else { return false };
        let namespace = Some(&object.namespace).filter(|ns| !ns.is_empty());
        let readable = table.narrowed.is_empty() || namespace.is_some_and(|ns| table.narrowed.contains(ns));
        table.feed == Feed::Live && readable && self.state.watches_cover(cluster, &resource, namespace)
    }

    /// A line for an object and, unfolded, what belongs to it.
    fn branch(&mut self, cluster: ClusterId, object: &ObjectRef, given: Given) {
        let row = self.row(cluster, object);
        let (status, tone) = match row {
            Some(row) => standing(self.state, cluster, object, row),
            None if !self.is_whole(cluster, object) => (String::new(), Tone::Ok),
            None if given.optional => ("not there (optional)".into(), Tone::Done),
            None => ("missing".into(), Tone::Bad),
        };
        let leads = leads(object, self.path.is_empty());
        let begins = self.begins_open(object, row);
        let created = row.map_or(Time::NEVER, |row| row.meta.created);
        let line = self.line(cluster, object, status, given.note.clone(), tone);
        let at = self.lines.len();
        let key = line.key.clone();
        self.lines.push(Line { created, ..line });
        if !leads
            || self.path.contains(&name_of(cluster, object))
            || self.path.len() >= DEEPEST
            || self.lines.len() > MOST
        {
            return;
        }
        let open = (self.open)(&key, begins);
        if open {
            self.path.push(name_of(cluster, object));
            self.children(cluster, object, row, given.told);
            self.path.pop();
        }
        let has = self.lines.len() > at + 1;
        if let Some(line) = self.lines.get_mut(at) {
            line.fold = match (open, has) {
                (true, true) => Fold::Open,
                (true, false) => Fold::Leaf,
                (false, _) => Fold::Closed,
            };
        }
    }

    /// Pods begin folded, and so does what has none any more; many roots too.
    fn begins_open(&self, object: &ObjectRef, row: Option<&Row>) -> bool {
        match (self.path.is_empty(), object.kind.as_str()) {
            (true, _) => self.roots <= FEW,
            (false, "Pod" | "Application") => false,
            (false, "ReplicaSet" | "Job") => row.is_none_or(|row| !is_over(row)),
            _ => true,
        }
    }

    fn line(&self, cluster: ClusterId, object: &ObjectRef, status: String, note: String, tone: Tone) -> Line {
        let key = self.path.iter().cloned().chain([name_of(cluster, object)]).collect::<Vec<_>>().join(" > ");
        // The namespace where it is not that of the line above.
        let above = self.path.last().and_then(|above| above.split('|').nth(2)).unwrap_or_default();
        let place =
            if object.namespace.is_empty() || object.namespace == above { "" } else { object.namespace.as_str() };
        let name = if place.is_empty() { object.name.clone() } else { format!("{place}/{}", object.name) };
        Line {
            key,
            depth: self.path.len(),
            cluster,
            object: object.clone(),
            container: None,
            text: format!("{} {name}", object.kind),
            status,
            note: self.placed(cluster, note),
            tone,
            created: Time::NEVER,
            fold: Fold::Leaf,
        }
    }

    /// With the cluster in front, where it is not that of the line above, or there are roots of several.
    fn placed(&self, cluster: ClusterId, note: String) -> String {
        let above = self.path.last().and_then(|above| above.split('|').next()?.parse().ok()).map(ClusterId);
        if above == Some(cluster) || (above.is_none() && !self.several) {
            return note;
        }
        format!("@{} {note}", self.state.fleet.shard(cluster).name).trim_end().into()
    }

    /// A line that is no object of its own: it stands for the one above.
    fn remark(&mut self, text: String) {
        let Some(parent) = self.lines.last().cloned() else { return };
        let key = format!("{} > {text}", self.path.join(" > "));
        let depth = self.path.len();
        let fold = Fold::Leaf;
        self.lines.push(Line {
            key,
            depth,
            text,
            status: String::new(),
            note: String::new(),
            tone: Tone::Done,
            fold,
            ..parent
        });
    }

    fn children(&mut self, cluster: ClusterId, object: &ObjectRef, row: Option<&'a Row>, told: bool) {
        let value = || row.and_then(|row| row.raw.value()).unwrap_or_default();
        match object.kind.as_str() {
            "Application" if object.group == "argoproj.io" => self.managed(cluster, &value()),
            "Node" => self.on_node(cluster, &object.name),
            "Ingress" => self.backends(cluster, object, &value()),
            "Service" => self.slices(cluster, object),
            "EndpointSlice" => self.endpoints(cluster, object, &value()),
            "Pod" => self.pod(cluster, object, row),
            kind if USED.contains(&kind) && object.group.is_empty() => self.users(cluster, object),
            _ => {
                self.owned(cluster, object);
                if !told {
                    self.template(cluster, object, &value());
                }
            }
        }
    }

    fn managed(&mut self, cluster: ClusterId, application: &Value) {
        let target = super::destination(self.state, cluster, application);
        for r in list_at(application, "/status/resources") {
            let object =
                ObjectRef::new(str_at(r, "/group"), str_at(r, "/kind"), str_at(r, "/namespace"), str_at(r, "/name"));
            let prune = if bool_at(r, "/requiresPruning") { "to be pruned" } else { "" };
            let said: Vec<&str> = [str_at(r, "/status"), str_at(r, "/health/status"), prune]
                .into_iter()
                .filter(|word| !word.is_empty())
                .collect();
            match target {
                Some(target) => self.branch(target, &object, Given::note(said.join(" · "))),
                // Its cluster is none of ours: what Argo CD says of it is all there is.
                None => {
                    let tone = if said.contains(&"Degraded") { Tone::Bad } else { Tone::Ok };
                    let line = self.line(cluster, &object, String::new(), said.join(" · "), tone);
                    self.lines.push(line);
                }
            }
        }
        if target.is_none() {
            self.remark("its destination is no cluster of this kubeconfig".into());
        }
    }

    fn on_node(&mut self, cluster: ClusterId, node: &str) {
        let kin = self.kin(cluster);
        for pod in kin.on_node(node) {
            self.branch(cluster, &pod_ref(pod), Given::default());
        }
    }

    fn backends(&mut self, cluster: ClusterId, ingress: &ObjectRef, value: &Value) {
        // In the order of the rules; a Service once, with all that leads to it.
        let mut services: Vec<(String, Vec<String>)> = vec![];
        let mut add = |backend: &Value, from: String| {
            let service = str_at(backend, "/service/name");
            match services.iter_mut().find(|(known, _)| known == service) {
                _ if service.is_empty() => {}
                Some((_, ways)) => ways.push(from),
                None => services.push((service.into(), vec![from])),
            }
        };
        for rule in list_at(value, "/spec/rules") {
            for path in list_at(rule, "/http/paths") {
                let from = format!("{}{}", str_at(rule, "/host"), str_at(path, "/path"));
                path.pointer("/backend").into_iter().for_each(|backend| add(backend, from.clone()));
            }
        }
        value.pointer("/spec/defaultBackend").into_iter().for_each(|backend| add(backend, "everything else".into()));
        for (service, ways) in services {
            let object = ObjectRef::new("", "Service", &ingress.namespace, &service);
            self.branch(cluster, &object, Given::note(some(&ways)));
        }
        for tls in list_at(value, "/spec/tls") {
            let (secret, hosts) = (str_at(tls, "/secretName"), list_at(tls, "/hosts"));
            let hosts: Vec<String> = hosts.iter().filter_map(Value::as_str).map(Into::into).collect();
            if !secret.is_empty() {
                let object = ObjectRef::new("", "Secret", &ingress.namespace, secret);
                self.branch(cluster, &object, Given::note(format!("tls {}", some(&hosts))));
            }
        }
    }

    fn slices(&mut self, cluster: ClusterId, service: &ObjectRef) {
        let state = self.state;
        let Some(table) = state.fleet.shard(cluster).table(&endpointslices::KIND.id()) else { return };
        let of_it = |row: &&Row| {
            *row.meta.namespace == *service.namespace
                && row.meta.label("kubernetes.io/service-name") == Some(service.name.as_str())
        };
        let mut slices: Vec<&Row> = table.rows().map(|(_, row)| row).filter(of_it).collect();
        slices.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        for slice in slices {
            let object = ObjectRef::new("discovery.k8s.io", "EndpointSlice", &slice.meta.namespace, &slice.meta.name);
            self.branch(cluster, &object, Given::default());
        }
    }

    fn endpoints(&mut self, cluster: ClusterId, slice: &ObjectRef, value: &Value) {
        for endpoint in list_at(value, "/endpoints") {
            let ready = endpoint.pointer("/conditions/ready").and_then(Value::as_bool).unwrap_or(true);
            let address = list_at(endpoint, "/addresses").first().and_then(Value::as_str).unwrap_or_default();
            let said = format!("{address} {}", if ready { "ready" } else { "not ready" });
            let name = str_at(endpoint, "/targetRef/name");
            match str_at(endpoint, "/targetRef/kind") {
                "Pod" => {
                    let pod = ObjectRef::new("", "Pod", &slice.namespace, name);
                    self.branch(cluster, &pod, Given::note(said));
                }
                _ => self.remark(format!("endpoint {said}")),
            }
        }
    }

    fn pod(&mut self, cluster: ClusterId, pod: &ObjectRef, row: Option<&'a Row>) {
        let Some(row) = row else { return };
        if let Body::Pod(body) = &row.body {
            for container in &body.containers {
                let again = if container.restarts > 0 { format!(" ×{}", container.restarts) } else { String::new() };
                let kind = match container.role {
                    Role::Init => "init container",
                    Role::Main => "container",
                    Role::Ephemeral => "ephemeral container",
                };
                let state = format!("{}{again}", container.state);
                let mut line = self.line(cluster, pod, state, container.image.to_string(), container.tone());
                line.key = format!("{} > {}", self.path.join(" > "), container.name);
                line.text = format!("{kind} {}", container.name);
                line.container = Some(container.name.to_string());
                self.lines.push(line);
            }
        }
        for used in self.uses_of(cluster, row).iter().filter(|used| !used.automatic) {
            self.used(cluster, &pod.namespace, used);
        }
    }

    fn used(&mut self, cluster: ClusterId, namespace: &str, used: &Use) {
        let given = Given { optional: used.optional, ..Given::note(used.how()) };
        self.branch(cluster, &used.object(namespace), given);
    }

    /// What a pod uses; read once, and once for all pods of a ReplicaSet.
    fn uses_of(&mut self, cluster: ClusterId, row: &Row) -> Arc<[Use]> {
        let meta = &row.meta;
        let shared = meta.owner.as_ref().filter(|owner| &*owner.kind == "ReplicaSet");
        let key = match shared {
            Some(owner) => format!("{} {}/{}", cluster.0, meta.namespace, owner.name),
            None => format!("{} {:?}", cluster.0, meta.uid),
        };
        if let Some(known) = self.specs.get(&key) {
            return known.clone();
        }
        let Some(value) = row.raw.value() else { return Arc::default() };
        let found: Arc<[Use]> = pod_spec(&value).map(|spec| uses(spec, &meta.name)).unwrap_or_default().into();
        self.specs.insert(key, found.clone());
        found
    }

    fn template(&mut self, cluster: ClusterId, object: &ObjectRef, value: &Value) {
        let found = pod_spec(value).map(|spec| uses(spec, "")).unwrap_or_default();
        for used in &found {
            self.used(cluster, &object.namespace, used);
        }
    }

    fn owned(&mut self, cluster: ClusterId, owner: &ObjectRef) {
        let kin = self.kin(cluster);
        for (resource, row) in kin.owned(&owner.namespace, &owner.kind, &owner.name) {
            let (kind, _) = command::kind_of(self.state, resource);
            let object = ObjectRef::new(&resource.group, &kind, &row.meta.namespace, &row.meta.name);
            self.branch(cluster, &object, Given { told: true, ..Given::default() });
        }
    }

    /// Who uses an object: pods under their workloads, workloads without pods, and for a Secret the Ingresses.
    fn users(&mut self, cluster: ClusterId, target: &ObjectRef) {
        let kin = self.kin(cluster);
        let finds = |all: &[Use]| all.iter().find(|u| u.kind == target.kind && u.name == target.name).map(Use::how);
        let mut workloads: BTreeMap<ObjectRef, (String, Vec<&Row>)> = BTreeMap::new();
        for (resource, row) in kin.templates(&target.namespace) {
            let (kind, _) = command::kind_of(self.state, resource);
            let object = ObjectRef::new(&resource.group, &kind, &row.meta.namespace, &row.meta.name);
            let how = row.raw.value().and_then(|value| finds(&uses(pod_spec(&value)?, "")));
            // A Job of a CronJob is told with its pods.
            if let Some(how) = how.filter(|_| row.meta.owner.is_none()) {
                workloads.insert(object, (how, vec![]));
            }
        }
        for pod in kin.pods(&target.namespace) {
            let Some(how) = finds(&self.uses_of(cluster, pod)) else { continue };
            let object = kin.top(pod).unwrap_or_else(|| pod_ref(pod));
            workloads.entry(object).or_insert_with(|| (how, vec![])).1.push(pod);
        }
        let mut any = !workloads.is_empty();
        for (object, (how, pods)) in workloads {
            self.user(cluster, &object, how, pods);
        }
        for (ingress, how) in kin.ingresses_with(&target.namespace, target) {
            any = true;
            self.branch(cluster, &ingress, Given::note(how));
        }
        if !any {
            self.remark("no pod, workload or Ingress that is known here uses it".into());
        }
    }

    /// A workload with those of its pods that use something.
    fn user(&mut self, cluster: ClusterId, object: &ObjectRef, how: String, mut pods: Vec<&'a Row>) {
        if object.kind == "Pod" {
            return self.branch(cluster, object, Given::note(how));
        }
        let row = self.row(cluster, object);
        let (status, tone) = row.map(|row| standing(self.state, cluster, object, row)).unwrap_or_default();
        let mut line = self.line(cluster, object, status, how, tone);
        line.created = row.map_or(Time::NEVER, |row| row.meta.created);
        let open = (self.open)(&line.key, true);
        line.fold = match (pods.is_empty(), open) {
            (true, _) => Fold::Leaf,
            (false, true) => Fold::Open,
            (false, false) => Fold::Closed,
        };
        self.lines.push(line);
        if !open {
            return;
        }
        self.path.push(name_of(cluster, object));
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        for pod in pods {
            self.branch(cluster, &pod_ref(pod), Given::default());
        }
        self.path.pop();
    }
}

/// `cluster|kind|namespace|name`
fn name_of(cluster: ClusterId, object: &ObjectRef) -> String {
    format!("{}|{}.{}|{}|{}", cluster.0, object.kind, object.group, object.namespace, object.name)
}

fn pod_ref(row: &Row) -> ObjectRef {
    ObjectRef::new("", "Pod", &row.meta.namespace, &row.meta.name)
}

/// Whether something may hang below an object. What is used leads to its users only where it is the root.
fn leads(object: &ObjectRef, root: bool) -> bool {
    root || !(object.group.is_empty() && USED.contains(&object.kind.as_str()))
}

/// Columns that say how an object stands, the first two that it has are shown.
const STANDING: &[&str] = &["STATUS", "SYNC", "HEALTH", "READY", "COMPLETIONS", "PHASE", "TYPE", "CLASS"];

fn standing(state: &State, cluster: ClusterId, object: &ObjectRef, row: &Row) -> (String, Tone) {
    if let Body::Pod(pod) = &row.body {
        let again = if pod.restarts > 0 { format!(" ×{}", pod.restarts) } else { String::new() };
        return (format!("{} {}/{}{again}", pod.status, pod.ready, pod.total), row.tone);
    }
    let Some(resource) = command::resource_of(state, object) else { return (String::new(), row.tone) };
    let columns = columns(&state.fleet, cluster, &resource);
    let metrics = &state.fleet.shard(cluster).metrics;
    let said = |title: &str| {
        let at = columns.iter().position(|column| column.title == title)?;
        Some(grid::text(&cell(columns, at, row, metrics), state.now)).filter(|text| text != "-")
    };
    let status = match (said("DESIRED"), said("READY")) {
        (Some(wanted), Some(ready)) => format!("{ready}/{wanted}"),
        _ => STANDING.iter().filter_map(|title| said(title)).take(2).collect::<Vec<_>>().join(" "),
    };
    let over = kinds::of(&resource).is_some_and(|kind| kind.plural == "replicasets") && is_over(row);
    (status, if over { Tone::Done } else { row.tone })
}

/// The first, and how many more.
fn some(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}
