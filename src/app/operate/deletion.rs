//! Deleting: what a deletion is planned from, and the deletion itself.

use super::Site;
use super::gather::{self, PlanError};
use crate::cluster::api::{Api, ApiError, encode};
use crate::cluster::discovery;
use crate::gitops::locate;
use crate::kinds;
use crate::workflows::delete::plan::{Argo, Facts, Found, OWNED, Takes, mounted_by};
use crate::workflows::delete::{Decision, Deletion, Doomed, decide, held};
use crate::workflows::{Event, Occasion, Plan, delete, edit};
use crate::world::object::{ObjectRef, Resource, ResourceId, bool_at, list_at, name, namespace, str_at};
use futures::StreamExt;
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Objects in one operation; more are better deleted by what makes them.
const MOST: usize = 200;
/// Kinds that are looked through for what an object of any other kind owns.
const KINDS: usize = 150;
/// Pages of 500 objects of one kind.
const PAGES: usize = 4;
/// Bytes of manifests that the journal keeps of one operation.
const KEPT: usize = 16 << 20;
/// Lists read at once.
const AT_ONCE: usize = 8;
/// How often a deletion that lost against another writer is decided anew.
const CONFLICTS: usize = 6;

/// Plans a deletion.
pub(super) async fn plan(
    site: &Site,
    on: &Occasion<'_>,
    resource: &ResourceId,
    objects: &[ObjectRef],
    how: &Deletion,
) -> Result<Plan, PlanError> {
    if objects.is_empty() || objects.len() > MOST {
        return Err(PlanError::Refused(format!(
            "{} objects are meant: 1 to {MOST} are deleted at once",
            objects.len()
        )));
    }
    let catalog = catalog(site).await?;
    let kind = find(&catalog, resource, &site.cluster)?;
    let mut found = vec![];
    for object in objects {
        found.push(one(site, kind, object, how).await?);
    }
    let lives: Vec<&Value> = found.iter().map(|found| &found.live).collect();
    let (takes, warnings) = (takes(site, &catalog, kind, &lives).await, warnings(site, kind, &lives).await);
    let (mut kept, mut bytes) = (vec![], 0);
    for live in &lives {
        let manifest = edit::editable(live);
        bytes += manifest.to_string().len();
        kept.extend((bytes <= KEPT).then_some(manifest));
    }
    let mut facts = Facts { plural: kind.id.plural.clone(), objects: vec![], takes, warnings };
    if kept.len() < lives.len() {
        facts.warnings.push(format!("the journal keeps only {} of the manifests: they are too large", kept.len()));
    }
    if is_secret(kind) {
        facts
            .warnings
            .push("values of Secrets are not kept: what is deleted here cannot be read from the journal".into());
    }
    facts.objects = found;
    Ok(delete::plan::plan(on, &facts, how, kept))
}

/// The kinds of the cluster; the well-known ones where it does not tell.
pub(super) async fn catalog(site: &Site) -> Result<Vec<Resource>, PlanError> {
    match discovery::catalog(&site.api).await {
        Ok(catalog) => Ok(catalog.kinds.to_vec()),
        Err(e) if matches!(e.code(), 401 | 403) => Ok(kinds::well_known().to_vec()),
        Err(e) => Err(PlanError::Refused(format!("{} does not say which kinds it has: {e}", site.cluster))),
    }
}

fn find<'a>(catalog: &'a [Resource], id: &ResourceId, cluster: &str) -> Result<&'a Resource, PlanError> {
    let found = catalog.iter().find(|kind| kind.id == *id);
    found.ok_or_else(|| PlanError::Refused(format!("{cluster} has no {id}")))
}

fn is_secret(kind: &Resource) -> bool {
    kind.id == ResourceId::core("secrets")
}

/// The object as it is, tried out, with what Argo CD has to do with it.
async fn one(site: &Site, kind: &Resource, object: &ObjectRef, how: &Deletion) -> Result<Found, PlanError> {
    let path = kind.object_path(&encode(&object.namespace), &encode(&object.name));
    let live = match is_secret(kind) {
        // Its values never leave the server.
        true => metadata(&site.api, &path, "PartialObjectMetadata", kind)
            .await
            .map_err(|e| PlanError::Refused(format!("{object} on {} cannot be read: {e}", site.cluster)))?,
        false => gather::get(site, &path, object).await?,
    };
    let mut options = how.options(&live);
    options["dryRun"] = json!(["All"]);
    match site.api.send(Method::DELETE, &path, "application/json", options.to_string().into_bytes()).await {
        Ok(_) => {}
        Err(e) if e.code() == 409 => {}
        Err(e) => return Err(PlanError::Refused(format!("{} does not delete {object}: {e}", site.cluster))),
    }
    let argo = match locate::tracking(&live) {
        Ok(tracking) => Some(argo(site, &live, tracking.application).await),
        Err(_) => None,
    };
    Ok(Found { live, path, argo })
}

/// What the Application that tracks an object will do, and where the manifest stands, as far as that can be found out.
async fn argo(site: &Site, live: &Value, application: String) -> Argo {
    let unknown =
        |place: String| Argo { application: application.clone(), automated: false, heals: false, prunes: false, place };
    let app = match gather::tracking_application(site, live).await {
        Ok(app) => app,
        Err(e) => return unknown(format!("its repository ({e})")),
    };
    let place = match locate::source(&app) {
        Ok(source) => match gather::place(site, &source, &ObjectRef::of(live)).await {
            Ok(place) => format!("{} of {} {}", place.file, place.target.repository, place.target.branch),
            Err(_) => format!("{} of {}", source.path, locate::redact(&source.url)),
        },
        Err(refusal) => format!("its repository ({})", refusal.0),
    };
    let automated = app.pointer("/spec/syncPolicy/automated").filter(|a| !a.is_null());
    Argo {
        automated: automated.is_some_and(|a| a.get("enabled").and_then(Value::as_bool) != Some(false)),
        heals: automated.is_some_and(|a| bool_at(a, "/selfHeal")),
        prunes: automated.is_some_and(|a| bool_at(a, "/prune")),
        ..unknown(place)
    }
}

/// What goes with the objects.
async fn takes(site: &Site, catalog: &[Resource], kind: &Resource, lives: &[&Value]) -> Takes {
    let listed =
        |kind: &&Resource| kind.namespaced && kind.can("list") && kind.can("delete") && kind.id.plural != "events";
    match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "namespaces") => {
            let inside: Vec<&Resource> = catalog.iter().filter(listed).collect();
            let names: Vec<&str> = lives.iter().map(|live| name(live)).collect();
            let read = Lists::read(site, &inside, &names).await;
            read.takes(&|_| true, if lives.len() == 1 { "in it" } else { "in them" })
        }
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            let all: Vec<Resource> = lives.iter().map(|live| defined(live)).collect();
            let read = Lists::read(site, &all.iter().collect::<Vec<_>>(), &[]).await;
            read.takes(&|_| true, "of its kind")
        }
        _ => {
            let owned = children(catalog, kind, listed);
            let mut namespaces: Vec<&str> =
                lives.iter().map(|live| namespace(live)).filter(|ns| !ns.is_empty()).collect();
            namespaces.sort_unstable();
            namespaces.dedup();
            let read = Lists::read(site, &owned, &namespaces).await;
            let mut doomed: HashSet<String> = lives.iter().map(|l| str_at(l, "/metadata/uid").to_string()).collect();
            // Who belongs to somebody that goes, goes, and takes its own with it.
            loop {
                let more: Vec<String> = read
                    .objects()
                    .filter(|o| goes(o, &doomed))
                    .map(|o| str_at(o, "/metadata/uid").to_string())
                    .collect();
                let before = doomed.len();
                doomed.extend(more);
                if doomed.len() == before {
                    break;
                }
            }
            read.takes(&|object| goes(object, &doomed), OWNED)
        }
    }
}

/// Whether all owners of an object go (`ownerReferences`; garbage collection).
fn goes(object: &Value, doomed: &HashSet<String>) -> bool {
    let owners = list_at(object, "/metadata/ownerReferences");
    !owners.is_empty() && owners.iter().all(|owner| doomed.contains(str_at(owner, "/uid")))
}

/// The kinds whose objects an object of a kind may own: known for what Kubernetes brings, any for the rest.
fn children<'a>(catalog: &'a [Resource], kind: &Resource, listed: impl Fn(&&Resource) -> bool) -> Vec<&'a Resource> {
    let known: &[&str] = match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("apps", "deployments") => &["replicasets", "pods"],
        ("apps", "statefulsets") => &["pods", "controllerrevisions", "persistentvolumeclaims"],
        ("apps", "daemonsets") => &["pods", "controllerrevisions"],
        ("apps", "replicasets") | ("", "replicationcontrollers") | ("batch", "jobs") => &["pods"],
        ("batch", "cronjobs") => &["jobs", "pods"],
        ("", "services") => &["endpointslices"],
        ("", "pods") => &["persistentvolumeclaims", "resourceclaims"],
        ("", "events" | "endpoints" | "persistentvolumeclaims" | "limitranges" | "resourcequotas") => return vec![],
        ("rbac.authorization.k8s.io" | "discovery.k8s.io" | "coordination.k8s.io", _) => return vec![],
        _ => return catalog.iter().filter(listed).take(KINDS).collect(),
    };
    catalog.iter().filter(|r| known.contains(&r.id.plural.as_str()) && r.namespaced && r.can("list")).collect()
}

/// The kind that a CustomResourceDefinition defines.
fn defined(crd: &Value) -> Resource {
    let versions = list_at(crd, "/spec/versions");
    let served = versions.iter().find(|v| bool_at(v, "/storage")).or(versions.first());
    Resource {
        id: ResourceId::new(str_at(crd, "/spec/group"), str_at(crd, "/spec/names/plural")),
        version: served.map_or("", |v| str_at(v, "/name")).into(),
        kind: str_at(crd, "/spec/names/kind").into(),
        singular: String::new(),
        namespaced: str_at(crd, "/spec/scope") == "Namespaced",
        short_names: vec![],
        verbs: vec!["list".into()],
    }
}

/// Metadata of objects of several kinds, in pages, within bounds.
#[derive(Default)]
struct Lists {
    all: Vec<Value>,
    unsure: BTreeSet<String>,
}

impl Lists {
    /// Reads the kinds in these namespaces (none: everywhere).
    async fn read(site: &Site, kinds: &[&Resource], namespaces: &[&str]) -> Self {
        let everywhere = [""];
        let places = if namespaces.is_empty() { &everywhere[..] } else { namespaces };
        let wanted: Vec<(Resource, String)> =
            kinds.iter().flat_map(|kind| places.iter().map(|ns| ((*kind).clone(), ns.to_string()))).collect();
        let mut answers = futures::stream::iter(wanted)
            .map(|(kind, ns)| async move {
                let read = pages(&site.api, &kind, &ns).await;
                (kind, read)
            })
            .buffer_unordered(AT_ONCE);
        let mut lists = Self::default();
        while let Some((kind, read)) = answers.next().await {
            match read {
                Ok((items, whole)) => {
                    lists.all.extend(items);
                    if !whole {
                        lists.unsure.insert(format!("there are too many {}: some were not looked at", kind.id));
                    }
                }
                Err(e) if matches!(e.code(), 404 | 405) => {}
                Err(e) => drop(lists.unsure.insert(format!("{} cannot be read, so some may go too: {e}", kind.id))),
            }
        }
        lists
    }

    fn objects(&self) -> impl Iterator<Item = &Value> {
        self.all.iter()
    }

    fn takes(&self, goes: &dyn Fn(&Value) -> bool, because: &str) -> Takes {
        let mut by_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in self.all.iter().filter(|object| goes(object)) {
            by_kind.entry(str_at(object, "/kind").into()).or_default().push(name(object).into());
        }
        by_kind.values_mut().for_each(|names| names.sort());
        Takes { by_kind, because: because.into(), unsure: self.unsure.iter().take(5).cloned().collect() }
    }
}

/// Up to [`PAGES`] pages of metadata, and whether that was all.
async fn pages(api: &Api, kind: &Resource, ns: &str) -> Result<(Vec<Value>, bool), ApiError> {
    let base = kind.collection_path(Some(ns));
    let (mut items, mut token) = (vec![], String::new());
    for _ in 0..PAGES {
        let more = if token.is_empty() { String::new() } else { format!("&continue={}", encode(&token)) };
        let mut page = metadata(api, &format!("{base}?limit=500{more}"), "PartialObjectMetadataList", kind).await?;
        token = str_at(&page, "/metadata/continue").to_string();
        if let Some(Value::Array(list)) = page.get_mut("items").map(Value::take) {
            items.extend(list.into_iter().map(|item| named(item, kind)));
        }
        if token.is_empty() {
            return Ok((items, true));
        }
    }
    Ok((items, false))
}

/// Metadata only: `form` is `PartialObjectMetadata` or `PartialObjectMetadataList`.
async fn metadata(api: &Api, path: &str, form: &str, kind: &Resource) -> Result<Value, ApiError> {
    let request = http::Request::get(path)
        .header("Accept", format!("application/json;as={form};g=meta.k8s.io;v=v1"))
        .body(vec![])
        .map_err(|e| ApiError::Malformed(format!("request for {path}: {e}")))?;
    let bytes = api.bytes(request).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|e| ApiError::Malformed(format!("the answer to {path} is not JSON: {e}")))?;
    Ok(if value.get("items").is_some() { value } else { named(value, kind) })
}

/// Metadata speaks of itself as `PartialObjectMetadata`; here it is told its own kind, and never has data.
fn named(mut value: Value, kind: &Resource) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|key, _| key == "metadata");
        map.insert("kind".into(), kind.kind.clone().into());
        map.insert("apiVersion".into(), kind.api_version().into());
    }
    value
}

/// What else is worth knowing about objects of some kinds.
async fn warnings(site: &Site, kind: &Resource, lives: &[&Value]) -> Vec<String> {
    let mut said = vec![];
    match (kind.id.group.as_str(), kind.id.plural.as_str()) {
        ("", "persistentvolumeclaims") => {
            for live in lives {
                claim(site, live, &mut said).await;
            }
        }
        ("", "persistentvolumes") => said.extend(lives.iter().filter(|l| str_at(l, "/status/phase") == "Bound").map(|l| {
            let claim = format!("{}/{}", str_at(l, "/spec/claimRef/namespace"), str_at(l, "/spec/claimRef/name"));
            format!("{} is bound to the claim {claim}: it stays until that claim is gone", name(l))
        })),
        ("", "nodes") => said.push(
            "a Node object that is deleted does not come back until its kubelet is restarted; its pods are thrown away. \
             To empty a node, drain it"
                .into(),
        ),
        ("", "pods") => said.push("a deletion does not ask PodDisruptionBudgets; a drain does".into()),
        ("argoproj.io", "applications") => said.extend(lives.iter().map(|live| application(live))),
        _ => {}
    }
    for live in lives {
        let finalizers: Vec<&str> = list_at(live, "/metadata/finalizers").iter().filter_map(Value::as_str).collect();
        if !finalizers.is_empty() && kind.id.plural != "applications" {
            said.push(format!(
                "{} goes when its finalizers are released: {}",
                ObjectRef::of(live),
                finalizers.join(", ")
            ));
        }
    }
    said.truncate(12);
    said
}

/// Who mounts a claim, and what becomes of its data.
async fn claim(site: &Site, claim: &Value, said: &mut Vec<String>) {
    let ns = namespace(claim);
    match gather::list(site, "", "v1", "Pod", Some(ns), "").await {
        Ok(pods) => {
            let users = mounted_by(&pods, claim);
            if !users.is_empty() {
                said.push(format!("{} is mounted by {}: it stays until they are gone", name(claim), users.join(", ")));
            }
        }
        Err(e) => {
            said.push(format!("the pods of {ns} cannot be read, so who mounts {} is not known: {e}", name(claim)))
        }
    }
    let volume = str_at(claim, "/spec/volumeName");
    if volume.is_empty() {
        return;
    }
    said.push(match site.api.get(&format!("/api/v1/persistentvolumes/{}", encode(volume))).await {
        Ok(pv) => match str_at(&pv, "/spec/persistentVolumeReclaimPolicy") {
            "Retain" => format!("its volume {volume} and the data stay (reclaim policy Retain)"),
            policy => format!("its volume {volume} goes with all DATA on it (reclaim policy {policy})"),
        },
        Err(e) => format!("whether the data of its volume {volume} goes is not known: {e}"),
    });
}

fn application(live: &Value) -> String {
    let cascades = list_at(live, "/metadata/finalizers")
        .iter()
        .filter_map(Value::as_str)
        .any(|f| f.starts_with("resources-finalizer.argocd.argoproj.io"));
    let n = list_at(live, "/status/resources").len();
    match cascades {
        true => format!("{} deletes the {n} objects that it manages before it goes (resources-finalizer)", name(live)),
        false => format!("the {n} objects that {} manages stay, and nobody manages them any more", name(live)),
    }
}

/// Deletes an object, if it is still the one that was shown.
pub(super) async fn delete(site: &Site, target: &Doomed, how: &Deletion) -> Result<Event, String> {
    let object = target.object.clone();
    for _ in 0..CONFLICTS {
        let live = match site.api.get(&target.path).await {
            Ok(live) => live,
            Err(e) if e.code() == 404 => return Ok(Event::Deleted { object }),
            Err(e) if e.code() == 403 => {
                return Ok(Event::Kept { why: format!("{object} cannot be read: {e}"), object });
            }
            Err(e) => return Err(format!("{object} cannot be read: {e}")),
        };
        let options = match decide(&live, target, how) {
            Decision::Gone => return Ok(Event::Deleted { object }),
            Decision::Ending(held) => return Ok(Event::Ending { object, held }),
            Decision::Changed(why) => return Ok(Event::Kept { object, why }),
            Decision::Send(options) => options,
        };
        match site.api.send(Method::DELETE, &target.path, "application/json", options.to_string().into_bytes()).await {
            Ok(_) => return Ok(look(site, target).await),
            Err(e) if e.code() == 404 => return Ok(Event::Deleted { object }),
            // Written meanwhile (its status, usually), or nobody knows whether it arrived: look, then decide anew.
            Err(e) if matches!(e.code(), 0 | 409 | 500..) => {}
            Err(e) => return Ok(Event::Kept { why: format!("{object} cannot be deleted: {e}"), object }),
        }
    }
    Err(format!("{object} could not be deleted in {CONFLICTS} attempts; finish it when the cluster is calmer"))
}

/// Whether a deleted object is gone.
pub(super) async fn look(site: &Site, target: &Doomed) -> Event {
    let object = target.object.clone();
    match site.api.get(&target.path).await {
        Ok(live) => match decide(&live, target, &Deletion::default()) {
            Decision::Gone => Event::Deleted { object },
            _ => Event::Ending { object, held: held(&live) },
        },
        Err(e) if e.code() == 404 => Event::Deleted { object },
        Err(e) => Event::Ending { held: format!("cannot be read: {e}"), object },
    }
}
