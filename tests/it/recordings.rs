//! Incidents recorded on real clusters: each must be explained by the cause that its truth file names.

mod wording;

use flate2::read::GzDecoder;
use kokpit::diagnose::case::{Answer, CaseFile, Need, Subject};
use kokpit::diagnose::verdict::{Confidence, State, Verdict};
use kokpit::diagnose::{Outcome, explain, report};
use kokpit::gitops::mirror::{Mirror, Remote};
use kokpit::world::object::{ObjectRef, name, namespace, str_at};
use kokpit::world::time::Time;
use serde::Deserialize;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is true about a recording.
#[derive(Deserialize)]
struct Truth {
    ask: Value,
    primary: Option<String>,
    primary_object: Option<Value>,
    #[serde(default)]
    contributing: Vec<String>,
    #[serde(default)]
    distractors: Vec<String>,
    #[serde(default)]
    must_show: Vec<String>,
}

/// A recording with its truth.
pub struct Recording {
    id: String,
    data: Value,
    truth: Truth,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings")
}

pub fn load(id: &str) -> Recording {
    let file = File::open(folder().join(format!("{id}.json.gz"))).expect("recording");
    let data = serde_json::from_reader(GzDecoder::new(file)).expect("recording is JSON");
    let truth = std::fs::read_to_string(folder().join(format!("{id}.yaml"))).expect("truth");
    Recording { id: id.into(), data, truth: serde_saphyr::from_str(&truth).expect("truth is YAML") }
}

/// Names of every recording.
pub fn ids() -> Vec<String> {
    let mut ids: Vec<String> = std::fs::read_dir(folder())
        .expect("recordings")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".json.gz").map(Into::into))
        .collect();
    ids.sort();
    ids
}

impl Recording {
    fn resources(&self) -> impl Iterator<Item = &Value> {
        self.data["resources"].as_array().into_iter().flatten()
    }

    fn subject(&self) -> Subject {
        match self.truth.ask.get("url").and_then(Value::as_str) {
            Some(url) => Subject::Url(url.into()),
            None => Subject::Object(self.reference(&self.truth.ask)),
        }
    }

    /// A `{kind, namespace, name}` of a truth file, with its group.
    fn reference(&self, at: &Value) -> ObjectRef {
        let kind = str_at(at, "/kind");
        let resource = self.resources().find(|r| r["kind"] == kind);
        let group = resource.map_or("", |r| str_at(r, "/group"));
        ObjectRef::new(group, kind, str_at(at, "/namespace"), str_at(at, "/name"))
    }

    /// Answers a need the way an API server with these objects would.
    fn answer(&self, need: &Need) -> Answer {
        let items = |group: &str, plural: &str| -> Option<Vec<Value>> {
            let r = self.resources().find(|r| r["group"] == group && r["resource"] == plural)?;
            let api = match group {
                "" => str_at(r, "/version").to_owned(),
                group => format!("{group}/{}", str_at(r, "/version")),
            };
            let mut items = r["items"].as_array().cloned().unwrap_or_default();
            for item in &mut items {
                item["apiVersion"] = json!(api);
                item["kind"] = r["kind"].clone();
                if plural == "secrets" {
                    item.as_object_mut().map(|o| o.remove("data"));
                }
            }
            Some(items)
        };
        match need {
            Need::Object { resource, namespace: ns, name: wanted } => {
                let found = items(&resource.group, &resource.plural)
                    .and_then(|items| items.into_iter().find(|o| name(o) == wanted && namespace(o) == ns));
                found.map_or(Answer::Absent, |object| Answer::Object(Arc::new(object)))
            }
            Need::List { resource, namespace: ns } => match items(&resource.group, &resource.plural) {
                Some(mut items) => {
                    items.retain(|o| ns.as_ref().is_none_or(|ns| namespace(o) == ns));
                    Answer::List(Arc::new(items))
                }
                None => Answer::Absent,
            },
            Need::Elsewhere { cluster, .. } | Need::Verdict { cluster, .. } => {
                Answer::Failed(format!("{cluster} was not recorded"))
            }
            Need::Deployers => Answer::Failed("the other clusters were not recorded".into()),
            Need::PodsOn { node } => {
                let mut pods = items("", "pods").unwrap_or_default();
                pods.retain(|pod| str_at(pod, "/spec/nodeName") == node);
                Answer::List(Arc::new(pods))
            }
            Need::Name { .. } => Answer::Failed("a recording has no name server".into()),
            Need::Commits { path, after, .. } => self.commits(path, after),
            Need::Log { namespace, pod, container, previous } => {
                let log = &self.data["logs"][format!("{namespace}/{pod}/{container}")];
                match log[if *previous { "previous" } else { "current" }].as_str() {
                    Some(text) => Answer::Log(text.into()),
                    None => Answer::Absent,
                }
            }
        }
    }

    /// The repository that Argo CD deployed from, where it was recorded too.
    fn commits(&self, path: &str, after: &str) -> Answer {
        let bundle = folder().join(format!("{}.git.bundle", self.id));
        if !bundle.exists() {
            return Answer::Absent;
        }
        let cache = tempfile::tempdir().expect("a directory");
        let remote = Remote { url: bundle.display().to_string(), branch: "main".into(), author: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let commits = runtime.block_on(async {
            let mirror = Mirror::open(cache.path(), remote).await?;
            mirror.fetch().await?;
            mirror.commits_after(after, path, 20).await
        });
        commits.expect("git").map_or(Answer::Absent, |all| Answer::Commits(all.into()))
    }

    fn now(&self) -> Time {
        Time::parse(str_at(&self.data, "/recordedAt")).expect("recordedAt")
    }

    /// Runs to the verdict; `change` may forbid or falsify answers.
    fn diagnose(&self, change: impl Fn(&Need, Answer) -> Answer) -> (Verdict, usize) {
        let mut case = CaseFile::new(self.subject(), self.now());
        for round in 1..=40 {
            match explain(&case) {
                Outcome::Verdict(verdict) => return (*verdict, round),
                Outcome::Needs(needs) => {
                    assert!(!needs.is_empty(), "{}: asks for nothing", self.id);
                    for need in needs {
                        assert!(case.answer(&need).is_none(), "{}: asks again for {need:?}", self.id);
                        let answer = change(&need, self.answer(&need));
                        case.put(need, answer);
                    }
                }
            }
        }
        panic!("{}: no verdict after 40 rounds", self.id);
    }

    /// What is wrong with a verdict, hardest first; `shown` are the missing facts of `must_show`.
    fn faults(&self, verdict: &Verdict) -> Vec<String> {
        let mut faults = Vec::new();
        let primary = verdict.primary.as_ref().map(|p| p.cause.as_str());
        if primary != self.truth.primary.as_deref() {
            faults.push(format!("primary {} instead of {}", primary.unwrap_or("none"), self.expected()));
        }
        if let (Some(found), Some(wanted)) = (&verdict.primary, &self.truth.primary_object) {
            let wanted = self.reference(wanted);
            if found.object != wanted {
                faults.push(format!("on {} instead of {wanted}", found.object));
            }
        }
        let contributing: Vec<&str> = verdict.contributing.iter().map(|f| f.cause.as_str()).collect();
        for wanted in self.truth.contributing.iter().filter(|c| !contributing.contains(&c.as_str())) {
            faults.push(format!("{wanted} is not among the consequences {contributing:?}"));
        }
        if let Some(primary) = primary.filter(|p| self.truth.distractors.iter().any(|d| d == p)) {
            faults.push(format!("{primary} is a distractor"));
        }
        if self.truth.primary.is_none() && verdict.state != State::Fine {
            faults.push(format!("state {:?} where nothing is wrong ({})", verdict.state, verdict.headline));
        }
        faults
    }

    /// The cause that it must be explained by; empty where nothing is wrong.
    pub fn primary(&self) -> String {
        self.truth.primary.clone().unwrap_or_default()
    }

    fn expected(&self) -> &str {
        self.truth.primary.as_deref().unwrap_or("none")
    }

    /// The facts of `must_show` that the text for people does not contain: neither so nor in other words.
    fn not_shown(&self, verdict: &Verdict) -> Vec<&str> {
        let text = report::plain(verdict).to_lowercase();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let unbroken: Vec<String> = report::lines(verdict, UNBROKEN).iter().map(report::Line::text).collect();
        let said = |fact: &str| {
            text.contains(&fact.to_lowercase()) || wording::says(unbroken.iter().map(String::as_str), fact)
        };
        self.truth.must_show.iter().map(String::as_str).filter(|fact| !said(fact)).collect()
    }
}

/// Columns in which every statement is one line.
const UNBROKEN: usize = 4_000;

/// Those that are explained.
pub fn must_pass() -> Vec<String> {
    let list = std::fs::read_to_string(folder().join("must-pass.txt")).expect("must-pass.txt");
    list.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(Into::into).collect()
}

#[test]
fn recorded_incidents_are_explained() {
    let (demanded, mut broken, mut passed) = (must_pass(), Vec::new(), 0);
    println!("{:<20} {:<28} {:<28} rounds  shown  verdict", "recording", "expected", "found");
    for id in ids() {
        let recording = load(&id);
        let (verdict, rounds) = recording.diagnose(|_, answer| answer);
        let faults = recording.faults(&verdict);
        let missing = recording.not_shown(&verdict);
        let all = recording.truth.must_show.len();
        let found = verdict.primary.as_ref().map_or("none", |p| p.cause.as_str());
        let mark = if faults.is_empty() { "ok".to_owned() } else { faults.join("; ") };
        println!(
            "{id:<20} {:<28} {found:<28} {rounds:>6}  {:>2}/{all:<2}  {mark}",
            recording.expected(),
            all - missing.len()
        );
        if std::env::var_os("KOKPIT_SHOW_RECORDINGS").is_some_and(|wanted| wanted == "all" || wanted == id.as_str()) {
            println!("{}\nnot shown: {missing:#?}\n", report::plain(&verdict));
        }
        passed += usize::from(faults.is_empty());
        if demanded.contains(&id) && !faults.is_empty() {
            broken.push(format!("{id}: {mark}"));
        }
        broken.extend(missing.iter().map(|fact| format!("{id} does not show: {fact}")));
    }
    println!("{passed} of {} explained", ids().len());
    assert!(broken.is_empty(), "recordings that must pass:\n{}", broken.join("\n"));
}

/// Holds a value against the part of JSON Schema that docs/why-json.schema.json uses.
fn violations(schema: &Value, root: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("$ref leads somewhere");
        return violations(target, root, value, at, out);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = |s: &Value| {
            let mut inner = Vec::new();
            violations(s, root, value, at, &mut inner);
            inner.is_empty()
        };
        if !any.iter().any(fits) {
            out.push(format!("{at}: fits none of anyOf: {value}"));
        }
        return;
    }
    let is = match schema["type"].as_str().expect("every schema here has a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other} is not handled"),
    };
    if !is {
        return out.push(format!("{at}: not of type {}: {value}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        out.push(format!("{at}: {value} is not one of {}", schema["enum"]));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(required).is_none() {
            out.push(format!("{at}: {required} is missing"));
        }
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => violations(schema, root, inner, &format!("{at}.{key}"), out),
            None if schema["additionalProperties"] == json!(false) => {
                out.push(format!("{at}: {key} is not in the schema"))
            }
            None => {}
        }
    }
    for (n, inner) in value.as_array().into_iter().flatten().enumerate().filter(|_| schema.get("items").is_some()) {
        violations(&schema["items"], root, inner, &format!("{at}[{n}]"), out);
    }
}

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/why-json.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("schema")).expect("schema is JSON")
}

/// Holds a document to a part of the schema.
pub fn holds(part: &str, value: &Value) {
    let (schema, mut out) = (schema(), Vec::new());
    violations(&schema["$defs"][part], &schema, value, part, &mut out);
    assert!(out.is_empty(), "{}", out.join("\n"));
}

#[test]
fn the_json_is_what_its_schema_says() {
    let schema = schema();
    let mut seen = (false, false);
    for id in ["S01", "S17", "S36", "S48", "healthy-shop"] {
        let (verdict, _) = load(id).diagnose(|_, answer| answer);
        seen = (seen.0 | !verdict.chain.is_empty(), seen.1 | verdict.scheduling.is_some());
        let json = serde_json::to_value(&verdict).expect("verdict");
        let mut out = Vec::new();
        violations(&schema, &schema, &json, id, &mut out);
        assert!(out.is_empty(), "{}", out.join("\n"));
        for wrong in [json!({"version": 1}), json!([]), json!({"version": 2})] {
            let mut out = Vec::new();
            violations(&schema, &schema, &wrong, id, &mut out);
            assert!(!out.is_empty(), "the schema lets {wrong} pass");
        }
    }
    assert_eq!(seen, (true, true), "a chain and a matrix are among them");
}

/// The kind of objects that a need asks this cluster for.
fn kind_of(need: &Need) -> Option<String> {
    match need {
        Need::Object { resource, .. } | Need::List { resource, .. } => Some(resource.to_string()),
        Need::PodsOn { .. } => Some("pods".into()),
        Need::Elsewhere { .. } | Need::Deployers | Need::Verdict { .. } => None,
        Need::Log { .. } | Need::Name { .. } | Need::Commits { .. } => None,
    }
}

/// The kinds that a diagnosis asked for.
fn asked_for(recording: &Recording) -> BTreeSet<String> {
    let kinds = RefCell::new(BTreeSet::new());
    recording.diagnose(|need, answer| {
        kinds.borrow_mut().extend(kind_of(need));
        answer
    });
    kinds.into_inner()
}

/// Whatever one kind that may not be read does to a verdict: it does not crash, names the hole, claims nothing certain
/// that needed it, takes a distractor for a guess at most, and does not call fine what is broken.
#[test]
fn what_may_not_be_read_is_named_and_never_certain() {
    let mut wrong = Vec::new();
    for id in ids() {
        let recording = load(&id);
        // Metrics are welcome where there are any; without them nothing is missing.
        for kind in asked_for(&recording).into_iter().filter(|kind| !kind.ends_with("metrics.k8s.io")) {
            let asked = Cell::new(false);
            let (verdict, _) = recording.diagnose(|need, answer| match kind_of(need).as_ref() == Some(&kind) {
                true => {
                    asked.set(true);
                    Answer::Denied(format!("{kind} is forbidden: User \"x\" cannot list resource \"{kind}\""))
                }
                false => answer,
            });
            let hole = verdict.unreadable.iter().find(|u| u.resource.starts_with(&kind));
            if hole.is_some() != asked.get() {
                wrong.push(format!("{id} without {kind}: unreadable {:?}", verdict.unreadable));
            }
            match &verdict.primary {
                Some(primary) => {
                    let distractor = recording.truth.distractors.contains(&primary.cause);
                    if distractor && primary.confidence > Confidence::Medium {
                        wrong.push(format!(
                            "{id} without {kind}: the distractor {} is more than a guess",
                            primary.cause
                        ));
                    }
                    let needed = hole.is_some_and(|hole| hole.would_decide.split(", ").any(|c| c == primary.cause));
                    let right = recording.truth.primary.as_ref() == Some(&primary.cause);
                    if primary.confidence == Confidence::Certain && (needed || !right) {
                        wrong.push(format!("{id} without {kind}: {} is certain", primary.cause));
                    }
                }
                None if verdict.state == State::Fine && recording.truth.primary.is_some() => {
                    wrong.push(format!("{id} without {kind}: called fine"));
                }
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

/// A cluster is never read at one moment: objects vanish between two requests. Any part of a recording may be missing;
/// there is always a verdict, in the shape that is promised.
#[test]
fn objects_that_vanish_never_break_a_diagnosis() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/why-json.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("schema")).expect("schema is JSON");
    for id in ids() {
        let recording = load(&id);
        for seed in 0..6u64 {
            // The same object is missing in every answer of one run.
            let gone = |object: &Value| {
                let mut hash = DefaultHasher::new();
                (seed, str_at(object, "/kind"), namespace(object), name(object)).hash(&mut hash);
                hash.finish() % 8 <= seed / 2
            };
            let (verdict, _) = recording.diagnose(|_, answer| match answer {
                Answer::Object(object) if gone(&object) => Answer::Absent,
                Answer::List(items) => Answer::List(Arc::new(items.iter().filter(|o| !gone(o)).cloned().collect())),
                other => other,
            });
            let mut out = Vec::new();
            violations(&schema, &schema, &serde_json::to_value(&verdict).expect("verdict"), &id, &mut out);
            assert!(out.is_empty(), "{id}, seed {seed}: {}", out.join("\n"));
            assert!(!report::plain(&verdict).is_empty());
        }
    }
}
