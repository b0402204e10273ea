//! Recordings: what an API server served at one moment, opened as a cluster that stands still.
//!
//! ```text
//! {"recordedAt": "…Z", "version": {…},
//!  "resources": [{"group", "version", "resource", "kind", "namespaced", "verbs", "shortNames", "items": [objects],
//!                 "unreadable": "why, where the kind could not be read"}],
//!  "logs": {"ns/pod/container": {"current", "previous", "currentError", "previousError"}}}
//! ```
//!
//! Read too: a world, `{"name", "objects": {"pods": [objects], …}}`, and what `kubectl get -o json|yaml` prints (a `List`
//! or single objects, several documents).

use crate::sim::server::{Deny, Options, Server};
use crate::sim::store::{Clock, Store, builtin_kinds};
use crate::sim::subresources::logs::LogBook;
use crate::world::object::{Resource, ResourceId, bool_at, list_at, str_at};
use crate::world::time::Time;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why every write to a recording is refused.
pub const READ_ONLY: &str = "this cluster is a recording: it shows what was, nothing in it can be changed";

/// A recording that cannot be opened, with what is wrong and where.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("{path}: cannot read the recording")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The content is not a recording.
    #[error("{name}: not a recording: {why}")]
    Malformed {
        /// File or name of the recording.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// An opened recording.
pub struct Recording {
    /// Its name: that of the file without its ending.
    pub name: String,
    /// The moment it shows.
    pub recorded_at: Time,
    /// Its objects, with the clock at that moment and every write refused.
    pub store: Store,
    /// Its logs.
    pub logs: LogBook,
    /// Kinds that could not be read when it was made: they are refused as they were then.
    pub denied: Vec<Deny>,
    /// `/version` of the server it comes from.
    pub version: Option<Value>,
}

impl Recording {
    /// Opens a file: `.json`, `.json.gz`, `.yaml`, `.yml`, gzip recognised by its first bytes.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let read = |source| RecordingError::Read { path: path.into(), source };
        let mut bytes = std::fs::read(path).map_err(read)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).map_err(read)?;
            bytes = unpacked;
        }
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let endings = [".json.gz", ".yaml.gz", ".json", ".yaml", ".yml"];
        let name = endings.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(&file);
        Self::parse(name, &bytes).map_err(|error| match error {
            RecordingError::Malformed { why, .. } => {
                RecordingError::Malformed { name: path.display().to_string(), why }
            }
            other => other,
        })
    }

    /// Reads the text of a recording, JSON or YAML.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self, RecordingError> {
        let bad = |why: String| RecordingError::Malformed { name: name.into(), why };
        let documents = documents(text).map_err(bad)?;
        match documents.as_slice() {
            [one] if one.get("resources").is_some() => Self::from_capture(name, one),
            [one] if one.get("objects").is_some() => Self::from_world(name, one),
            many => Self::from_objects(name, many),
        }
        .map_err(bad)
    }

    fn from_capture(name: &str, capture: &Value) -> Result<Self, String> {
        let text = str_at(capture, "/recordedAt");
        let at = Time::parse(text).ok_or_else(|| format!("`recordedAt` is not a time: \"{text}\""))?;
        let resources = list_at(capture, "/resources");
        let kinds: Vec<Resource> = resources.iter().map(kind).collect();
        if let Some(nameless) = kinds.iter().position(|kind| kind.id.plural.is_empty() || kind.kind.is_empty()) {
            return Err(format!("resources[{nameless}] has no `resource` or no `kind`"));
        }
        let mut recording = Self::empty(name, at, kinds, capture.get("version").cloned());
        let unreadable = resources.iter().filter(|resource| resource.get("unreadable").is_some());
        recording.denied = unreadable.map(|resource| Deny::new("*", str_at(resource, "/resource"))).collect();
        for resource in resources {
            recording.load(&kind(resource).id, list_at(resource, "/items"));
        }
        recording.load_logs(capture.get("logs"));
        Ok(recording.sealed())
    }

    fn from_world(name: &str, world: &Value) -> Result<Self, String> {
        let objects = world.get("objects").and_then(Value::as_object).ok_or("`objects` is not a map of lists")?;
        let all: Vec<Value> = objects.values().filter_map(Value::as_array).flatten().cloned().collect();
        let name = if str_at(world, "/name").is_empty() { name } else { str_at(world, "/name") };
        let kinds = builtin_kinds();
        let recording = Self::empty(name, latest(&all), kinds.clone(), None);
        for (plural, items) in objects {
            let kind = kinds.iter().find(|kind| &kind.id.plural == plural);
            let kind = kind.ok_or_else(|| format!("`objects.{plural}` is no kind that is known here"))?;
            recording.load(&kind.id, items.as_array().map(Vec::as_slice).unwrap_or_default());
        }
        Ok(recording.sealed())
    }

    fn from_objects(name: &str, documents: &[Value]) -> Result<Self, String> {
        let each = documents.iter().flat_map(|document| match document.get("items").and_then(Value::as_array) {
            Some(items) => items.clone(),
            None => vec![document.clone()],
        });
        let all: Vec<Value> = each.filter(|object| !object.is_null()).collect();
        let kinds = builtin_kinds();
        let recording = Self::empty(name, latest(&all), kinds.clone(), None);
        // Definitions first: they bring the kinds of other objects.
        let (definitions, others): (Vec<Value>, Vec<Value>) =
            all.into_iter().partition(|o| str_at(o, "/kind") == "CustomResourceDefinition");
        for object in definitions.iter().chain(&others) {
            let api = str_at(object, "/apiVersion");
            let group = api.split_once('/').map_or("", |(group, _)| group);
            let (named, of) = (str_at(object, "/kind"), str_at(object, "/metadata/name"));
            let kind = recording.store.kind_named(group, named).ok_or_else(|| {
                format!("neither a recording (`recordedAt`, `resources`) nor objects of known kinds: {named} \"{of}\" of \"{api}\"")
            })?;
            recording.load(&kind.id, std::slice::from_ref(object));
        }
        if recording.store.version() <= 1 && definitions.is_empty() && others.is_empty() {
            return Err("it holds no objects".into());
        }
        Ok(recording.sealed())
    }

    fn empty(name: &str, at: Time, kinds: Vec<Resource>, version: Option<Value>) -> Self {
        Self {
            name: name.into(),
            recorded_at: at,
            store: Store::new(kinds),
            logs: LogBook::default(),
            denied: Vec::new(),
            version,
        }
    }

    fn load(&self, id: &ResourceId, items: &[Value]) {
        for item in items {
            self.store.load(id, item.clone());
        }
    }

    fn sealed(self) -> Self {
        self.store.set_clock(Clock::Fixed(self.recorded_at));
        self.store.set_read_only(READ_ONLY);
        self
    }

    fn load_logs(&self, logs: Option<&Value>) {
        for (key, log) in logs.and_then(Value::as_object).into_iter().flatten() {
            let mut parts = key.splitn(3, '/');
            let (Some(ns), Some(pod), Some(container)) = (parts.next(), parts.next(), parts.next()) else { continue };
            for (field, previous) in [("current", false), ("previous", true)] {
                if let Some(text) = log.get(field).and_then(Value::as_str) {
                    self.logs.set(ns, pod, container, previous, text);
                } else if let Some(error) = log.get(format!("{field}Error")).and_then(Value::as_str) {
                    // As kubectl printed it: `Error from server (BadRequest): …`.
                    let sentence = error.strip_prefix("Error from server").map_or(error, |rest| {
                        rest.split_once("): ").or_else(|| rest.split_once(": ")).map_or(rest, |(_, sentence)| sentence)
                    });
                    self.logs.refuse(ns, pod, container, previous, sentence.trim());
                }
            }
        }
    }

    /// Serves the recording on loopback; the rest of the options is kept.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serve(&self, options: Options) -> io::Result<Server> {
        let mut options = Options { logs: self.logs.clone(), version: self.version.clone(), ..options };
        options.faults.deny.extend(self.denied.iter().cloned());
        Server::start(self.store.clone(), options).await
    }
}

/// JSON, or YAML of one or several documents.
fn documents(text: &[u8]) -> Result<Vec<Value>, String> {
    let json_error = match serde_json::from_slice::<Value>(text) {
        Ok(document) => return Ok(vec![document]),
        Err(error) => error,
    };
    let text = std::str::from_utf8(text).map_err(|_| "neither JSON nor YAML: it is not UTF-8 text".to_string())?;
    if text.trim_start().starts_with('{') {
        return Err(json_error.to_string());
    }
    let parts = text.split("\n---").map(|part| part.trim_start_matches("---")).filter(|part| !part.trim().is_empty());
    let parsed: Result<Vec<Value>, _> = parts.map(serde_saphyr::from_str::<Value>).collect();
    let documents = parsed.map_err(|error| error.to_string())?;
    match documents.iter().find(|document| !document.is_object() && !document.is_null()) {
        Some(_) => Err("a document of it is no object".into()),
        None => Ok(documents),
    }
}

fn kind(resource: &Value) -> Resource {
    let texts = |field: &str| {
        list_at(resource, field).iter().filter_map(Value::as_str).map(Into::into).collect::<Vec<String>>()
    };
    let kind = str_at(resource, "/kind");
    Resource {
        id: ResourceId::new(str_at(resource, "/group"), str_at(resource, "/resource")),
        version: str_at(resource, "/version").into(),
        kind: kind.into(),
        singular: kind.to_lowercase(),
        namespaced: bool_at(resource, "/namespaced"),
        short_names: texts("/shortNames"),
        verbs: texts("/verbs"),
    }
}

/// The newest moment that objects without a recorded time speak of: when the last of them was made.
fn latest(objects: &[Value]) -> Time {
    let times = objects.iter().filter_map(|object| Time::parse(str_at(object, "/metadata/creationTimestamp")));
    times.max().unwrap_or(Time(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn capture() -> Value {
        json!({"recordedAt": "2026-11-21T09:30:00Z", "version": {"gitVersion": "v1.36.2"}, "resources": [
            {"group": "", "version": "v1", "resource": "pods", "kind": "Pod", "namespaced": true, "verbs": ["get", "list", "watch"],
             "items": [{"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "812"}}]},
            {"group": "example.com", "version": "v1", "resource": "teams", "kind": "Team", "namespaced": false,
             "verbs": ["get", "list"], "shortNames": ["tm"], "items": []}],
            "logs": {"shop/web/c": {"current": "2026-11-21T09:21:10.6Z up\n",
                "previousError": "Error from server (BadRequest): previous terminated container \"c\" in pod \"web\" not found"}}})
    }

    #[test]
    fn a_recording_stands_still() {
        let recording = Recording::parse("S1", capture().to_string().as_bytes()).unwrap();
        assert_eq!(recording.store.now().rfc3339(), "2026-11-21T09:30:00Z");
        assert_eq!(recording.store.version(), 812);
        assert_eq!(recording.store.kind(&ResourceId::new("example.com", "teams")).unwrap().short_names, ["tm"]);
        let refused =
            recording.store.create(&ResourceId::core("pods"), json!({"metadata": {"name": "x"}})).unwrap_err();
        assert_eq!((refused.code, refused.message.as_str()), (405, READ_ONLY));
    }

    #[test]
    fn worlds_and_manifests_are_read_too() {
        let world = json!({"name": "w1", "objects": {"nodes": [{"metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z"}}]}});
        let recording = Recording::parse("line", world.to_string().as_bytes()).unwrap();
        assert_eq!((recording.name.as_str(), recording.store.count(&ResourceId::core("nodes"))), ("w1", 1));
        assert_eq!(recording.recorded_at.rfc3339(), "2026-01-01T00:00:00Z");
        let yaml = "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: p, namespace: shop}\n";
        let recording = Recording::parse("y", yaml.as_bytes()).unwrap();
        assert_eq!(recording.store.count(&ResourceId::core("pods")), 1);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let why = |text: &str| Recording::parse("x.json", text.as_bytes()).err().unwrap().to_string();
        assert!(why("{\"resources\": []}").contains("recordedAt"));
        assert!(why("{\"resources\": ").contains("EOF"), "{}", why("{\"resources\": "));
        assert!(why("{\"a\": 1}").contains("neither a recording"));
        assert!(why("just words").contains("no object"));
        assert!(why("{\"objects\": {\"gizmos\": []}}").contains("gizmos"));
        let gone = Recording::open(Path::new("/nothing/here.json")).err().unwrap().to_string();
        assert!(gone.starts_with("/nothing/here.json: cannot read"), "{gone}");
    }
}
