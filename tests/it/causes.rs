//! Every cause against fixtures of its own: tests/data/causes/FAMILY.yaml.
//!
//! ```yaml
//! from: nginx           # optional: the objects of tests/data/causes/worlds/nginx.yaml come first
//! world:                # objects that every case of the file starts from; apiVersion may be left out
//! - kind: Pod
//!   metadata: { namespace: shop, name: web-1, creationTimestamp: now-5m }
//! cases:
//! - case: what is going on, in words
//!   ask: Pod shop/web-1               # or `Node n1`, or a URL
//!   objects:                          # added; laid over the object of the same kind and name as a JSON merge patch
//!   - kind: Pod
//!     metadata: { namespace: shop, name: web-1 }
//!     status: { phase: Pending }
//!   absent: [ConfigMap shop/app]      # taken away again
//!   logs: { shop/web-1/app: { previous: "panic: …" } }
//!   elsewhere: { "https://10.0.0.1:6443": [{ kind: Deployment, … }] }   # objects of the fleet's other clusters
//!   dns: { web.example.com: [] }      # what hosts resolve to; an empty list where there is no such name
//!   commits: { "https://git.example.com/fleet.git": [4f1c2ab…] }   # what a repository has newer, newest first
//!   forbidden: [secrets]              # plurals that may not be read
//!   finds: config-missing-key         # the primary cause; `none` where nothing is wrong; `any` to leave it open
//!   on: Pod shop/web-1                # the object at fault
//!   contributing: [rollout-deadline]  # must be among the consequences
//!   also: [some-cause]                # must stand under "also true"
//!   not: [config-missing-secret]      # look-alikes that must not match at all
//!   shows: ["key DB_URL"]             # must be in the text for people (spaces and case do not matter)
//!   hides: ["rollout undo"]           # must not be in it
//!   confidence: certain
//! ```
//!
//! A string `now` or `now-90s`, `now-5m`, `now-3h`, `now-2d`, `now+1h` stands for that time. The clock is
//! 2026-03-01T12:00:00Z.

use kokpit::diagnose::case::{Answer, CaseFile, Need, Subject};
use kokpit::diagnose::verdict::{State, Verdict};
use kokpit::diagnose::{Outcome, causes, explain, kinds, report};
use kokpit::world::commit::Commit;
use kokpit::world::object::{ObjectRef, ResourceId, name, namespace, str_at};
use kokpit::world::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NOW: &str = "2026-03-01T12:00:00Z";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    from: Option<String>,
    #[serde(default)]
    world: Vec<Value>,
    cases: Vec<Fixture>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    case: String,
    ask: String,
    #[serde(default)]
    objects: Vec<Value>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    logs: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    dns: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    commits: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    forbidden: Vec<String>,
    #[serde(default)]
    elsewhere: BTreeMap<String, Vec<Value>>,
    finds: String,
    on: Option<String>,
    #[serde(default)]
    contributing: Vec<String>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    not: Vec<String>,
    #[serde(default)]
    shows: Vec<String>,
    #[serde(default)]
    hides: Vec<String>,
    confidence: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/causes")
}

/// A commit made twenty seconds ago.
fn commit(id: &str) -> Commit {
    let time = Time(Time::parse(NOW).expect("a time").0 - 20);
    Commit { id: id.into(), time, author: "Mara".into(), subject: "web 1.4.2".into() }
}

/// The families with their file names.
fn families() -> Vec<(String, Family)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("tests/data/causes")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("fixture");
        let mut family: Family = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if let Some(world) = &family.from {
            let path = folder().join("worlds").join(format!("{world}.yaml"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let first: Vec<Value> = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            family.world.splice(..0, first);
        }
        (path.file_stem().expect("a file name").to_string_lossy().into_owned(), family)
    };
    files.into_iter().map(read).collect()
}

/// `Kind namespace/name` or `Kind name`, with the group of the known kind, or of an object of this kind in the case.
fn reference(text: &str, objects: &[Value]) -> ObjectRef {
    let (kind, rest) = text.split_once(' ').unwrap_or_else(|| panic!("{text:?} is not `Kind namespace/name`"));
    let (ns, name) = rest.split_once('/').unwrap_or(("", rest));
    let there = objects.iter().find(|o| o["kind"] == kind);
    ObjectRef::new(there.map_or_else(|| group_of_kind(kind), group_of), kind, ns, name)
}

fn group_of_kind(kind: &str) -> &str {
    kinds::ALL.iter().find(|known| known.kind == kind).map_or("", |known| known.group)
}

fn group_of(object: &Value) -> &str {
    str_at(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group)
}

fn reference_of(object: &Value) -> ObjectRef {
    ObjectRef::new(group_of(object), str_at(object, "/kind"), namespace(object), name(object))
}

/// Fills in apiVersion and the times.
fn complete(object: &mut Value) {
    if object.get("apiVersion").is_none() {
        let group = group_of_kind(str_at(object, "/kind"));
        object["apiVersion"] = json!(if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") });
    }
    set_times(object);
}

fn set_times(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(time) = time_of(text) {
                *text = time;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(set_times),
        Value::Object(all) => all.values_mut().for_each(set_times),
        _ => {}
    }
}

/// `now-5m` as a timestamp.
fn time_of(text: &str) -> Option<String> {
    let rest = text.strip_prefix("now")?;
    let now = Time::parse(NOW).expect("the clock");
    let seconds = match rest.strip_prefix(['-', '+']) {
        None if rest.is_empty() => 0,
        None => return None,
        Some(span) => {
            let unit = match span.chars().last()? {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86400,
                _ => return None,
            };
            let count: i64 = span[..span.len() - 1].parse().ok()?;
            count * unit * if rest.starts_with('-') { -1 } else { 1 }
        }
    };
    Some(Time(now.0 + seconds).rfc3339())
}

/// The objects and logs of a case, answering as an API server would.
struct World<'a> {
    objects: Vec<Value>,
    fixture: &'a Fixture,
}

impl<'a> World<'a> {
    fn of(family: &Family, fixture: &'a Fixture) -> Self {
        let mut objects: Vec<Value> = family.world.clone();
        objects.iter_mut().for_each(complete);
        for added in &fixture.objects {
            let mut added = added.clone();
            complete(&mut added);
            match objects.iter_mut().find(|o| reference_of(o) == reference_of(&added)) {
                Some(there) => json_patch::merge(there, &added),
                None => objects.push(added),
            }
        }
        for gone in &fixture.absent {
            let gone = reference(gone, &objects);
            let before = objects.len();
            objects.retain(|o| reference_of(o) != gone);
            assert!(objects.len() < before, "{}: {gone} is absent anyway", fixture.case);
        }
        Self { objects, fixture }
    }

    fn of_kind(&self, resource: &ResourceId) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(|o| kinds::resource_of(&reference_of(o)) == *resource)
    }

    fn answer(&self, need: &Need) -> Answer {
        let served = |object: &Value| {
            let mut object = object.clone();
            if object["kind"] == "Secret" {
                object.as_object_mut().map(|o| o.remove("data"));
            }
            object
        };
        match need {
            Need::Object { resource, .. } | Need::List { resource, .. }
                if self.fixture.forbidden.contains(&resource.plural) =>
            {
                Answer::Denied(format!("{resource} is forbidden: User \"dev\" cannot list resource"))
            }
            Need::Object { resource, namespace: ns, name: wanted } => {
                let found = self.of_kind(resource).find(|o| name(o) == wanted && namespace(o) == ns);
                found.map_or(Answer::Absent, |object| Answer::Object(Arc::new(served(object))))
            }
            Need::List { resource, namespace: ns } => {
                let all: Vec<Value> = self
                    .of_kind(resource)
                    .filter(|o| ns.as_ref().is_none_or(|ns| namespace(o) == ns))
                    .map(served)
                    .collect();
                let built_in = !resource.group.contains('.') || resource.group.ends_with(".k8s.io");
                let custom = resource.group.starts_with("gateway.") || !built_in;
                if all.is_empty() && custom { Answer::Absent } else { Answer::List(Arc::new(all)) }
            }
            Need::Elsewhere { cluster, resource, namespace: ns, name: wanted } => {
                let Some(objects) = self.fixture.elsewhere.get(cluster) else {
                    return Answer::Failed(format!("{cluster} is no open cluster of the fleet"));
                };
                let mut objects = objects.clone();
                objects.iter_mut().for_each(complete);
                let here = |o: &Value| kinds::resource_of(&reference_of(o)) == *resource;
                let found = objects.iter().find(|o| here(o) && name(o) == wanted && namespace(o) == ns);
                found.map_or(Answer::Absent, |object| Answer::Object(Arc::new(served(object))))
            }
            Need::Deployers => Answer::Failed("no other cluster is open".into()),
            Need::Verdict { cluster, object } => match self.fixture.elsewhere.get(cluster) {
                Some(objects) => Answer::Verdict(Arc::new(self.there(cluster, objects, object))),
                None => Answer::Failed(format!("{cluster} is no open cluster of the fleet")),
            },
            Need::PodsOn { .. } if self.fixture.forbidden.iter().any(|kind| kind == "pods") => {
                Answer::Denied("pods is forbidden: User \"dev\" cannot list resource".into())
            }
            Need::PodsOn { node } => {
                let pods = self.objects.iter().filter(|o| o["kind"] == "Pod" && str_at(o, "/spec/nodeName") == node);
                Answer::List(Arc::new(pods.cloned().collect()))
            }
            Need::Name { host } => match self.fixture.dns.get(host).map(Vec::as_slice) {
                None => Answer::Failed("no name server".into()),
                Some([]) => Answer::Absent,
                Some(all) => Answer::Addresses(all.into()),
            },
            Need::Commits { url, .. } => match self.fixture.commits.get(url) {
                Some(all) => Answer::Commits(all.iter().map(|id| commit(id)).collect()),
                None => Answer::Absent,
            },
            Need::Log { namespace, pod, container, previous } => {
                let run = if *previous { "previous" } else { "current" };
                let log = self.fixture.logs.get(&format!("{namespace}/{pod}/{container}"));
                log.and_then(|log| log.get(run)).map_or(Answer::Absent, |text| Answer::Log(text.as_str().into()))
            }
        }
    }

    fn verdict(&self) -> Verdict {
        let subject = match self.fixture.ask.contains("://") {
            true => Subject::Url(self.fixture.ask.clone()),
            false => Subject::Object(reference(&self.fixture.ask, &self.objects)),
        };
        self.diagnose(subject)
    }

    /// What is wrong with an object of another cluster.
    fn there(&self, cluster: &str, objects: &[Value], at: &ObjectRef) -> Verdict {
        let mut objects = objects.to_vec();
        objects.iter_mut().for_each(complete);
        let there = World { objects, fixture: self.fixture };
        Verdict { cluster: cluster.into(), ..there.diagnose(Subject::Object(at.clone())) }
    }

    fn diagnose(&self, subject: Subject) -> Verdict {
        let mut case = CaseFile::new(subject, Time::parse(NOW).expect("the clock"));
        for _ in 0..40 {
            match explain(&case) {
                Outcome::Verdict(verdict) => return *verdict,
                Outcome::Needs(needs) => {
                    for need in needs {
                        let answer = self.answer(&need);
                        case.put(need, answer);
                    }
                }
            }
        }
        panic!("{}: no verdict after 40 rounds", self.fixture.case);
    }
}

/// Spaces and case aside.
fn flat(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with a verdict.
fn faults(world: &World<'_>, verdict: &Verdict) -> Vec<String> {
    let (fixture, mut faults) = (world.fixture, Vec::new());
    let found = verdict.primary.as_ref().map_or("none", |p| p.cause.as_str());
    if fixture.finds != "any" && found != fixture.finds {
        faults.push(format!("finds {found} instead of {}", fixture.finds));
    }
    if fixture.finds == "none" && verdict.state == State::Broken {
        faults.push(format!("is broken: {}", verdict.headline));
    }
    if let (Some(on), Some(primary)) = (&fixture.on, &verdict.primary) {
        let on = reference(on, &world.objects);
        if primary.object != on {
            faults.push(format!("on {} instead of {on}", primary.object));
        }
    }
    let of = |all: &[kokpit::diagnose::verdict::Finding]| all.iter().map(|f| f.cause.clone()).collect::<Vec<_>>();
    let (below, aside) = (of(&verdict.contributing), of(&verdict.also_true));
    faults.extend(fixture.contributing.iter().filter(|c| !below.contains(c)).map(|c| format!("{c} not in {below:?}")));
    faults.extend(fixture.also.iter().filter(|c| !aside.contains(c)).map(|c| format!("{c} not in also {aside:?}")));
    let matched = |id: &String| found == id || below.contains(id) || aside.contains(id);
    faults.extend(fixture.not.iter().filter(|id| matched(id)).map(|id| format!("{id} matches")));
    let text = report::plain(verdict);
    let shown = flat(&text);
    faults.extend(fixture.hides.iter().filter(|s| shown.contains(&flat(s))).map(|s| format!("shows {s:?}")));
    faults.extend(fixture.shows.iter().filter(|s| !shown.contains(&flat(s))).map(|s| format!("does not show {s:?}")));
    if let (Some(wanted), Some(primary)) = (&fixture.confidence, &verdict.primary) {
        let sure = json!(primary.confidence);
        if sure != json!(wanted) {
            faults.push(format!("is {sure} instead of {wanted}"));
        }
    }
    if !faults.is_empty() {
        faults.push(text);
    }
    faults
}

#[test]
fn causes_match_their_fixtures_and_not_their_look_alikes() {
    let mut broken = Vec::new();
    for (file, family) in families() {
        for fixture in &family.cases {
            let world = World::of(&family, fixture);
            let faults = faults(&world, &world.verdict());
            if !faults.is_empty() {
                broken.push(format!("{file}: {}: {}", fixture.case, faults.join("\n  ")));
            }
        }
    }
    assert!(broken.is_empty(), "{} cases:\n{}", broken.len(), broken.join("\n\n"));
}

#[test]
fn every_cause_has_a_fixture_and_a_look_alike() {
    let (mut found, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for (file, family) in families() {
        for fixture in family.cases {
            let ids = fixture.not.iter().chain(&fixture.contributing).chain(&fixture.also);
            for id in ids.chain([&fixture.finds].into_iter().filter(|id| !["none", "any"].contains(&id.as_str()))) {
                assert!(causes::find(id).is_some(), "{file}: {}: there is no cause {id}", fixture.case);
            }
            refused.extend(fixture.not);
            found.extend(fixture.contributing.into_iter().chain(fixture.also).chain([fixture.finds]));
        }
    }
    let ids: BTreeSet<&str> = causes::all().map(|(id, _)| id).collect();
    let bare: BTreeSet<&str> = ids.into_iter().filter(|id| !found.contains(*id) || !refused.contains(*id)).collect();
    assert!(bare.is_empty(), "without a fixture or without a look-alike: {bare:?}");
}
