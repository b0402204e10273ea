//! Every object of the recorded clusters as a description and as YAML: nothing breaks, nothing leaks, nothing is lost.

use flate2::read::GzDecoder;
use kokpit::kinds::{describe, yaml};
use kokpit::world::object::{ObjectRef, list_at, name, str_at};
use kokpit::world::time::Time;
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

fn recordings() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings");
    let files = std::fs::read_dir(&dir).expect("recordings are there").flatten().map(|entry| entry.path());
    files.filter(|path| path.to_string_lossy().ends_with(".json.gz")).collect()
}

fn read(path: &Path) -> Value {
    serde_json::from_reader(GzDecoder::new(File::open(path).expect("it can be opened"))).expect("it is JSON")
}

/// The objects of a recording, with the type that items of a list lack.
fn objects(recording: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for resource in list_at(recording, "/resources") {
        let (group, version) = (str_at(resource, "/group"), str_at(resource, "/version"));
        let api = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
        for item in list_at(resource, "/items") {
            let mut item = item.clone();
            item["apiVersion"] = api.clone().into();
            item["kind"] = str_at(resource, "/kind").into();
            all.push(item);
        }
    }
    all
}

#[test]
fn every_recorded_object_is_described_and_shown() {
    let mut seen = 0;
    for (file, path) in recordings().into_iter().enumerate() {
        let recording = read(&path);
        let now = Time::parse(str_at(&recording, "/recordedAt")).expect("a recording has a clock");
        let all = objects(&recording);
        let mut events: HashMap<&str, Vec<Value>> = HashMap::new();
        for event in all.iter().filter(|object| str_at(object, "/kind") == "Event") {
            let uid = ["/involvedObject/uid", "/regarding/uid"].map(|at| str_at(event, at)).concat();
            let about = all.iter().find(|object| str_at(object, "/metadata/uid") == uid);
            if let Some(object) = about {
                events.entry(str_at(object, "/metadata/uid")).or_default().push(event.clone());
            }
        }
        for (n, object) in all.iter().enumerate() {
            let who = || format!("{} in {}", ObjectRef::of(object), path.display());
            let mine = events.get(str_at(object, "/metadata/uid")).map_or(&[][..], Vec::as_slice);
            let lines = describe::lines(object, mine, now);
            assert!(lines.iter().any(|line| line.text.contains(name(object))), "{} lacks its name", who());
            assert!(lines.iter().all(|line| !line.text.chars().any(char::is_control)), "{}", who());
            for event in mine {
                let reason = str_at(event, "/reason");
                assert!(lines.iter().any(|line| line.text.contains(reason)), "{} lacks the event {reason}", who());
            }
            // Reading YAML takes longest: each recording begins at another object.
            if (n + file) % 8 == 0 {
                shown_whole(object, &who());
            }
            seen += 1;
        }
    }
    assert!(seen > 5_000, "only {seen} objects were seen");
}

/// The YAML, read again, is the object as it may be shown.
fn shown_whole(object: &Value, who: &str) {
    let options = yaml::Options { managed_fields: true, ..yaml::Options::default() };
    let text = yaml::lines(object, options).join("\n") + "\n";
    let back: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{who}: {e}\n{text}"));
    assert_eq!(back, yaml::shown(object, options), "{who}");
}
