//! The embedded API server answers as a real one does: requests recorded at a real server (tests/data/api, each with its
//! answer) are sent to it again, and the answers compared.

use kokpit::sim::recording::Recording;
use kokpit::sim::server::{Deny, Options, Raw, Server};
use kokpit::sim::store::{Clock, Store, builtin_kinds};
use kokpit::world::object::ResourceId;
use kokpit::world::time::Time;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long to wait for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// A request and its answer.
#[derive(Clone, Debug, Default)]
struct Exchange {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    code: u16,
    answer_headers: Vec<(String, String)>,
    answer: Vec<u8>,
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

fn split(line: &str) -> (String, String) {
    let (key, value) = line.split_once(": ").unwrap_or((line, ""));
    (key.into(), value.into())
}

impl Exchange {
    fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), ..Self::default() }
    }

    /// Reads one that was recorded: `>>>` lines are the request.
    fn recorded(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/api").join(format!("{name}.http"));
        let text = std::fs::read_to_string(file).unwrap();
        let mut exchange = Self::default();
        let (head, answer) = text.split_once("\n\n").unwrap();
        for line in head.lines() {
            match line.strip_prefix(">>> ") {
                Some(line) if exchange.method.is_empty() => {
                    let (method, path) = line.split_once(' ').unwrap();
                    (exchange.method, exchange.path) = (method.into(), path.into());
                }
                Some(line) if line.starts_with('{') => exchange.body = line.into(),
                Some(line) => exchange.headers.push(split(line)),
                None if line.starts_with("HTTP/1.1 ") => exchange.code = line[9..12].parse().unwrap(),
                None => exchange.answer_headers.push(split(line)),
            }
        }
        exchange.answer = answer.as_bytes().to_vec();
        exchange
    }

    fn with(mut self, header: &str, value: &str) -> Self {
        self.headers.push((header.into(), value.into()));
        self
    }

    fn body(mut self, body: Value) -> Self {
        self.body = body.to_string();
        self.with("Content-Type", "application/json")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.answer)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.answer)))
    }

    fn frames(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.answer);
        text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A connection with a request on its way.
fn open(url: &str, request: &Exchange) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let headers: String = request.headers.iter().map(|(key, value)| format!("{key}: {value}\r\n")).collect();
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: sim\r\nUser-Agent: curl/8\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        request.method,
        request.path,
        request.body.len()
    );
    (&stream).write_all(head.as_bytes()).unwrap();
    (&stream).write_all(request.body.as_bytes()).unwrap();
    BufReader::new(stream)
}

/// Sends a request and reads the whole answer; `None` where the connection broke before its end.
fn try_send(url: &str, request: &Exchange) -> Option<Exchange> {
    let mut from = open(url, request);
    let mut answer = Exchange::default();
    let mut line = String::new();
    from.read_line(&mut line).ok()?;
    answer.code = line.get(9..12)?.parse().ok()?;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => answer.answer_headers.push(split(line)),
        }
    }
    if header(&answer.answer_headers, "transfer-encoding") == "chunked" {
        while let Some(piece) = chunk(&mut from)? {
            answer.answer.extend(piece);
        }
    } else {
        from.read_to_end(&mut answer.answer).ok()?;
    }
    Some(answer)
}

/// The next chunk; `Some(None)` is the end, `None` a broken connection.
fn chunk(from: &mut impl BufRead) -> Option<Option<Vec<u8>>> {
    let mut size = String::new();
    from.read_line(&mut size).ok()?;
    let size = usize::from_str_radix(size.trim(), 16).ok()?;
    let mut piece = vec![0; size + 2];
    from.read_exact(&mut piece).ok()?;
    piece.truncate(size);
    Some((size > 0).then_some(piece))
}

struct World {
    server: Server,
    runtime: Runtime,
}

fn items(exchange: &str) -> Vec<Value> {
    Exchange::recorded(exchange).json()["items"].as_array().unwrap().clone()
}

impl World {
    fn serve(store: Store, options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(store, options)).unwrap();
        Self { server, runtime }
    }

    /// The cluster of the recorded exchanges, as far as they show it, at their time.
    fn recorded() -> Self {
        let store = Store::new(builtin_kinds());
        store.set_clock(Clock::Fixed(Time::parse("2026-11-21T08:47:04Z").unwrap()));
        let core = |plural| ResourceId::core(plural);
        // The last state of every pod that a watch showed, and two of them as a list had them.
        for frame in Exchange::recorded("watch-too-old").frames() {
            store.load(&core("pods"), frame["object"].clone());
        }
        for pod in items("list-page1") {
            store.load(&core("pods"), pod);
        }
        for map in items("list-rv0") {
            store.load(&core("configmaps"), map);
        }
        store.load(&core("namespaces"), json!({"metadata": {"name": "shop", "resourceVersion": "240"}}));
        store.load(&core("nodes"), Exchange::recorded("cordon-strategic").json());
        let meta = Exchange::recorded("table-deployments").json()["rows"][0]["object"]["metadata"].clone();
        let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "nginx", "image": "nginx"}]}}});
        let status = json!({"replicas": 3, "readyReplicas": 3, "updatedReplicas": 3, "availableReplicas": 3});
        store.load(&ResourceId::new("apps", "deployments"), json!({"metadata": meta, "spec": spec, "status": status}));
        let budget = json!({"metadata": {"name": "web", "namespace": "shop", "generation": 1, "resourceVersion": "284"},
            "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}},
            "status": {"observedGeneration": 1, "currentHealthy": 3, "desiredHealthy": 3, "disruptionsAllowed": 0, "expectedPods": 3}});
        store.load(&ResourceId::new("policy", "poddisruptionbudgets"), budget);
        Self::serve(store, Options { user: "viewer".into(), ..Options::default() })
    }

    fn send(&self, request: &Exchange) -> Exchange {
        try_send(&self.server.url, request).expect("an answer")
    }

    /// Sends a recorded request; the recorded exchange and our answer.
    fn again(&self, name: &str) -> (Exchange, Exchange) {
        let recorded = Exchange::recorded(name);
        let ours = self.send(&recorded);
        assert_eq!(ours.code, recorded.code, "{name}: {}", String::from_utf8_lossy(&ours.answer));
        (recorded, ours)
    }

    fn get(&self, path: &str) -> Exchange {
        self.send(&Exchange::new("GET", path))
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

#[test]
fn refusals_are_the_same_word_for_word() {
    let world = World::recorded();
    for name in
        ["not-found", "bad-field-selector", "invalid-422", "patch-conflict", "eviction-blocked", "eviction-wrong-uid"]
    {
        let (recorded, ours) = world.again(name);
        assert_eq!(ours.json(), recorded.json(), "{name}");
    }
    world.server.set_faults(|faults| faults.deny.push(Deny::cluster_wide("list", "pods")));
    let (recorded, ours) = world.again("forbidden-list");
    assert_eq!(ours.json(), recorded.json());
    assert_eq!(world.get("/api/v1/namespaces/shop/pods").code, 200, "single namespaces stay open");
    world.server.set_faults(|faults| faults.token = Some("secret".into()));
    let (recorded, ours) = world.again("unauthorized");
    assert_eq!(ours.json(), recorded.json());
    let with_token = Exchange::new("GET", "/api/v1/nodes").with("Authorization", "Bearer secret");
    assert_eq!(world.send(&with_token).code, 200);
}

#[test]
fn other_refusals() {
    let world = World::recorded();
    let reason = |exchange: &Exchange| {
        (world.send(exchange).code, world.send(exchange).json()["reason"].as_str().unwrap_or_default().to_string())
    };
    assert_eq!(reason(&Exchange::new("GET", "/apis/nothing/v1/things")), (404, "NotFound".into()));
    assert_eq!(reason(&Exchange::new("PUT", "/api/v1/nodes")), (405, "MethodNotAllowed".into()));
    assert_eq!(
        reason(&Exchange::new("GET", "/api/v1/pods").with("Accept", "application/xml")),
        (406, "NotAcceptable".into())
    );
    let patch = Exchange::new("PATCH", "/api/v1/nodes/n1").with("Content-Type", "text/plain");
    assert_eq!(reason(&patch), (415, "UnsupportedMediaType".into()));
    let made = Exchange::new("POST", "/api/v1/namespaces/shop/configmaps").body(json!({"metadata": {"name": "a"}}));
    assert_eq!(reason(&made), (409, "AlreadyExists".into()));
    let nowhere =
        Exchange::new("POST", "/api/v1/namespaces/nowhere/configmaps").body(json!({"metadata": {"name": "a"}}));
    assert_eq!(world.send(&nowhere).json()["message"], "namespaces \"nowhere\" not found");
    let fixed = Exchange::new("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web")
        .with("Content-Type", "application/merge-patch+json");
    let fixed = Exchange { body: json!({"spec": {"selector": {"matchLabels": {"app": "x"}}}}).to_string(), ..fixed };
    assert_eq!(reason(&fixed), (422, "Invalid".into()));
}

#[test]
fn lists_come_in_pages_of_one_moment() {
    let world = World::recorded();
    let (recorded, ours) = world.again("list-page1");
    let (recorded, ours) = (recorded.json(), ours.json());
    assert_eq!(ours["items"], recorded["items"]);
    assert_eq!(keys(&ours), keys(&recorded));
    assert_eq!(keys(&ours["metadata"]), keys(&recorded["metadata"]));
    assert_eq!(ours["metadata"]["remainingItemCount"], 1);
    let token = ours["metadata"]["continue"].as_str().unwrap();
    let store = world.server.store();
    store.create(&ResourceId::core("pods"), json!({"metadata": {"name": "zz", "namespace": "shop"}})).unwrap();
    let rest = world.get(&format!("/api/v1/pods?limit=2&continue={token}")).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "what came since is not on a later page");
    assert_eq!(rest["metadata"]["resourceVersion"], ours["metadata"]["resourceVersion"]);
    assert!(rest["metadata"].get("continue").is_none());

    store.forget_history();
    let gone = world.get(&format!("/api/v1/pods?limit=2&continue={token}"));
    assert_eq!((gone.code, &gone.json()["reason"]), (410, &json!("Expired")));
    let resume = gone.json()["metadata"]["continue"].as_str().unwrap().to_string();
    assert_eq!(world.get(&format!("/api/v1/pods?limit=2&continue={resume}")).code, 200);
    assert_eq!(world.send(&Exchange::recorded("gone-continue")).code, 410, "a token from before everything");
    assert_eq!(world.get("/api/v1/pods?continue=nonsense").code, 400);
}

#[test]
fn lists_are_selected_and_shaped() {
    let world = World::recorded();
    let (recorded, ours) = world.again("field-selector");
    assert_eq!(
        keys(&ours.json()["metadata"]),
        keys(&recorded.json()["metadata"]),
        "no count of what is left with a selector"
    );
    let name = |list: &Exchange| list.json()["items"][0]["metadata"]["name"].clone();
    assert_eq!(name(&ours), name(&recorded));
    let (recorded, ours) = world.again("list-rv0");
    assert_eq!(ours.json()["items"], recorded.json()["items"]);
    let (recorded, ours) = world.again("metadata-only");
    assert_eq!(ours.json()["kind"], recorded.json()["kind"]);
    let metadata = Exchange::new("GET", "/api/v1/pods").with("Accept", header(&recorded.headers, "accept"));
    assert_eq!(keys(&world.send(&metadata).json()["items"][0]), BTreeSet::from(["metadata".to_string()]));
}

#[test]
fn tables_have_the_same_columns_and_cells() {
    let world = World::recorded();
    for name in
        ["table-pods", "table-nodes", "table-deployments", "table-services", "table-events", "table-include-object"]
    {
        let (recorded, ours) = world.again(name);
        let columns = |table: &Value| -> Vec<Value> {
            let all = table["columnDefinitions"].as_array().unwrap().iter();
            all.map(|c| json!([c["name"], c["type"], c["format"], c["priority"]])).collect()
        };
        let (recorded, ours) = (recorded.json(), ours.json());
        assert_eq!(columns(&ours), columns(&recorded), "{name}");
        for row in ours["rows"].as_array().unwrap() {
            let same = recorded["rows"].as_array().unwrap().iter().find(|r| r["cells"][0] == row["cells"][0]).unwrap();
            assert_eq!(row["object"]["kind"], same["object"]["kind"], "{name}");
            if name != "table-nodes" {
                assert_eq!(row["cells"], same["cells"], "{name}");
            }
        }
    }
    let none = Exchange::new("GET", "/api/v1/pods?includeObject=None")
        .with("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    assert_eq!(world.send(&none).json()["rows"][0]["object"], Value::Null);
}

/// Reads a watch in the background; its frames as they come.
fn follow(world: &World, path: &str, accept: &str) -> mpsc::Receiver<Value> {
    let mut from = open(&world.server.url, &Exchange::new("GET", path).with("Accept", accept));
    let (to, frames) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        while line.trim_end() != "" || line.is_empty() {
            line.clear();
            if from.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
        }
        let mut rest = Vec::new();
        while let Some(Some(piece)) = chunk(&mut from) {
            rest.extend(piece);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if to.send(serde_json::from_slice(&line).unwrap()).is_err() {
                    return;
                }
            }
        }
    });
    frames
}

fn take(frames: &mpsc::Receiver<Value>) -> Value {
    frames.recv_timeout(LIMIT).expect("another frame")
}

#[test]
fn watches_send_what_happens() {
    let world = World::recorded();
    let (store, maps) = (world.server.store(), ResourceId::core("configmaps"));
    let path = format!(
        "/api/v1/namespaces/shop/configmaps?watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds=3",
        store.version()
    );
    let frames = follow(&world, &path, "application/json");
    store.create(&maps, json!({"metadata": {"name": "w1", "namespace": "shop"}, "data": {"a": "b"}})).unwrap();
    store.create(&maps, json!({"metadata": {"name": "other", "namespace": "elsewhere"}})).unwrap();
    store.modify(&maps, "shop", "w1", |map| map["data"]["a"] = "c".into()).unwrap();
    store.delete(&maps, "shop", "w1", &Default::default()).unwrap();
    let recorded = Exchange::recorded("watch-events").frames();
    for theirs in &recorded {
        let ours = take(&frames);
        assert_eq!(ours["type"], theirs["type"]);
        assert_eq!(keys(&ours["object"]), keys(&theirs["object"]));
    }
    assert!(frames.recv_timeout(LIMIT).is_err(), "the stream ends after its time");
}

#[test]
fn a_streaming_list_ends_its_first_part_with_a_bookmark() {
    let world = World::recorded();
    let recorded = Exchange::recorded("watch-list-stream");
    let frames = follow(&world, &recorded.path, "application/json");
    for theirs in recorded.frames() {
        let ours = take(&frames);
        assert_eq!(ours["type"], theirs["type"]);
        match theirs["type"] == "BOOKMARK" {
            true => assert_eq!(ours["object"]["metadata"]["annotations"], theirs["object"]["metadata"]["annotations"]),
            false => assert_eq!(ours, theirs),
        }
    }
    world.server.set_faults(|faults| faults.ignore_initial_events = true);
    let frames = follow(&world, &recorded.path, "application/json");
    let map = json!({"metadata": {"name": "later", "namespace": "shop"}});
    while world.server.stats().count("watch", "configmaps") < 2 {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    world.server.store().create(&ResourceId::core("configmaps"), map).unwrap();
    assert_eq!(take(&frames)["object"]["metadata"]["name"], "later");
    world.server.set_faults(|faults| faults.refuse_streaming_lists = true);
    assert_eq!(world.get(&recorded.path).code, 422);
}

#[test]
fn a_watch_of_tables_sends_its_columns_once() {
    let world = World::recorded();
    let recorded = Exchange::recorded("watch-table");
    let path =
        recorded.path.replace("resourceVersion=300", &format!("resourceVersion={}", world.server.store().version()));
    let frames = follow(&world, &path, header(&recorded.headers, "accept"));
    let pods = ResourceId::core("pods");
    for pod in world.server.store().list(&pods, Some("shop")) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        world.server.store().modify(&pods, "shop", name, |pod| pod["metadata"]["labels"]["seen"] = "y".into()).unwrap();
    }
    for theirs in recorded.frames() {
        let ours = take(&frames);
        assert_eq!(ours["type"], theirs["type"]);
        assert_eq!(ours["object"]["columnDefinitions"].is_null(), theirs["object"]["columnDefinitions"].is_null());
        assert_eq!(keys(&ours["object"]), keys(&theirs["object"]));
    }
}

#[test]
fn a_watch_follows_its_selector_and_ends_when_it_is_too_old() {
    let world = World::recorded();
    let (store, pods) = (world.server.store(), ResourceId::core("pods"));
    let before = store.version();
    let made = json!({"metadata": {"name": "s", "namespace": "shop", "labels": {"app": "x"}}});
    store.create(&pods, made).unwrap();
    store.modify(&pods, "shop", "s", |pod| pod["metadata"]["labels"]["app"] = "web".into()).unwrap();
    store.modify(&pods, "shop", "s", |pod| pod["metadata"]["labels"]["app"] = "x".into()).unwrap();
    let frames = follow(
        &world,
        &format!("/api/v1/pods?watch=1&labelSelector=app%3Dweb&resourceVersion={before}"),
        "application/json",
    );
    assert_eq!(take(&frames)["type"], "ADDED");
    assert_eq!(take(&frames)["type"], "DELETED");
    store.forget_history();
    let frames = follow(&world, &format!("/api/v1/pods?watch=1&resourceVersion={before}"), "application/json");
    let error = take(&frames);
    assert_eq!(
        (&error["type"], &error["object"]["code"], &error["object"]["reason"]),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    assert!(frames.recv_timeout(LIMIT).is_err(), "nothing follows");
    let path = Exchange::recorded("watch-too-old").path.replace("resourceVersion=1", "resourceVersion=0");
    assert_eq!(take(&follow(&world, &path, "application/json"))["type"], "ADDED");
}

#[test]
fn bookmarks_come_by_themselves() {
    let store = Store::new(builtin_kinds());
    let world = World::serve(store, Options { bookmark_every: Duration::from_millis(50), ..Options::default() });
    let frames = follow(&world, "/api/v1/pods?watch=1&allowWatchBookmarks=true", "application/json");
    world.server.store().create(&ResourceId::core("nodes"), json!({"metadata": {"name": "n"}})).unwrap();
    let version = world.server.store().version().to_string();
    let moved = std::iter::repeat_with(|| take(&frames))
        .take(20)
        .any(|frame| frame["object"]["metadata"]["resourceVersion"] == *version);
    assert!(moved, "a bookmark moves on with other kinds");
}

#[test]
fn writes_answer_alike() {
    let world = World::recorded();
    let (recorded, ours) = world.again("apply-ok");
    let (mut recorded, mut ours) = (recorded.json(), ours.json());
    for object in [&mut recorded, &mut ours] {
        for field in ["uid", "resourceVersion", "creationTimestamp"] {
            assert!(object["metadata"][field].is_string());
            object["metadata"][field] = Value::Null;
        }
        object["metadata"]["managedFields"][0]["time"] = Value::Null;
    }
    assert_eq!(ours, recorded);
    let (recorded, ours) = world.again("apply-conflict");
    assert_eq!(ours.json(), recorded.json());
    let (recorded, ours) = world.again("cordon-strategic");
    assert_eq!(ours.json()["spec"], recorded.json()["spec"]);
    let (recorded, ours) = world.again("scale-get");
    assert_eq!(ours.json(), recorded.json());
    let (recorded, ours) = world.again("unknown-field-warning");
    assert_eq!(header(&ours.answer_headers, "warning"), header(&recorded.answer_headers, "warning"));
    assert!(ours.json().get("dat").is_none());
    let (_, ours) = world.again("ssrr");
    assert!(ours.json()["status"]["resourceRules"].is_array());
    world.server.set_faults(|faults| faults.deny.push(Deny::new("patch", "nodes")));
    let (recorded, ours) = world.again("ssar");
    assert_eq!(ours.json()["status"], recorded.json()["status"]);
    let blocked = world.server.store().list(&ResourceId::new("policy", "poddisruptionbudgets"), None)[0].clone();
    assert_eq!(blocked["status"]["disruptionsAllowed"], 0);
}

#[test]
fn evictions_spend_a_budget() {
    let world = World::recorded();
    let (store, budgets) = (world.server.store(), ResourceId::new("policy", "poddisruptionbudgets"));
    store.modify(&budgets, "shop", "web", |budget| budget["status"]["disruptionsAllowed"] = 1.into()).unwrap();
    let (recorded, ours) = world.again("eviction-ok-dryrun");
    assert_eq!(ours.json(), recorded.json());
    assert_eq!(
        store.get(&budgets, "shop", "web").unwrap()["status"]["disruptionsAllowed"],
        1,
        "a dry run spends nothing"
    );
    let mut evict = Exchange::recorded("eviction-blocked");
    assert_eq!(world.send(&evict).code, 201);
    let pod = store.get(&ResourceId::core("pods"), "shop", "web-7887448d46-68nlm").unwrap();
    assert!(pod["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(store.get(&budgets, "shop", "web").unwrap()["status"]["disruptionsAllowed"], 0);
    evict.path = evict.path.replace("68nlm", "9mxrt");
    assert_eq!(world.send(&evict).code, 429);
    let more = json!({"metadata": {"name": "more", "namespace": "shop"}, "spec": {"selector": {}}});
    store.create(&budgets, more).unwrap();
    let several = world.send(&evict);
    assert_eq!(several.code, 500);
    assert!(several.json()["message"].as_str().unwrap().contains("more than one PodDisruptionBudget"));
}

#[test]
fn discovery_says_of_each_kind_what_a_real_server_says() {
    let world = World::recorded();
    let mut compared = 0;
    for name in ["discovery-core-aggregated", "discovery-aggregated"] {
        let (recorded, ours) = world.again(name);
        assert_eq!(header(&ours.answer_headers, "content-type"), header(&recorded.answer_headers, "content-type"));
        let all = |document: &Value| -> Vec<(Value, Value, Value)> {
            let groups = document["items"].as_array().unwrap().iter();
            let versions = groups.flat_map(|g| {
                g["versions"].as_array().unwrap().iter().map(move |v| (g["metadata"]["name"].clone(), v))
            });
            versions
                .flat_map(|(g, v)| {
                    v["resources"].as_array().unwrap().iter().map(move |r| (g.clone(), v["version"].clone(), r.clone()))
                })
                .collect()
        };
        let theirs = all(&recorded.json());
        for (group, version, ours) in all(&ours.json()) {
            let same =
                |(g, v, r): &&(Value, Value, Value)| g == &group && v == &version && r["resource"] == ours["resource"];
            let Some((_, _, theirs)) = theirs.iter().find(same) else { continue };
            for field in ["responseKind", "scope", "singularResource", "verbs", "shortNames", "categories"] {
                assert_eq!(ours.get(field), theirs.get(field), "{field} of {}", ours["resource"]);
            }
            for sub in ours["subresources"].as_array().into_iter().flatten() {
                let subs = theirs["subresources"].as_array().unwrap();
                assert!(subs.contains(sub), "{} of {}: {sub}", sub["subresource"], ours["resource"]);
            }
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
    let legacy = world.get("/apis/apps/v1").json();
    assert!(
        legacy["resources"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["name"] == "deployments/scale" && r["group"] == "autoscaling")
    );
    assert_eq!(keys(&world.get("/version").json()), keys(&Exchange::recorded("version").json()));
    let live = World::serve(Store::new(builtin_kinds()), Options::default());
    assert_eq!(live.get("/kokpit/recording").code, 404, "a live cluster has no recorded time");
    assert_eq!(world.get("/readyz").answer, b"ok");
}

#[test]
fn what_goes_wrong_on_purpose() {
    let world = World::recorded();
    let server = &world.server;
    server.set_faults(|faults| faults.cut_lists = true);
    assert!(try_send(&server.url, &Exchange::new("GET", "/api/v1/pods")).is_none(), "cut in the middle");
    server.set_faults(|faults| (faults.cut_lists, faults.html) = (false, true));
    assert!(world.get("/api/v1/pods").answer.starts_with(b"<!DOCTYPE html>"));
    let raw = Raw {
        path: "/api/v1/pods".into(),
        code: 200,
        media: "application/json".into(),
        body: vec![b'{', 0xff, b'}'].into(),
    };
    server.set_faults(|faults| (faults.html, faults.raw) = (false, vec![raw]));
    assert_eq!(world.get("/api/v1/pods").answer, [b'{', 0xff, b'}']);
    server.set_faults(|faults| faults.drop_watches_every = Some(Duration::from_millis(50)));
    let frames = follow(&world, "/api/v1/nodes?watch=1", "application/json");
    while take(&frames)["type"] != "ADDED" {}
    assert!(frames.recv_timeout(LIMIT).is_err(), "the watch was dropped");
    server.set_faults(|faults| faults.silent = true);
    let silent = open(&server.url, &Exchange::new("GET", "/version"));
    silent.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(silent.bytes().next().unwrap().is_err(), "never answered");
    assert_eq!(server.stats().count("watch", "nodes"), 1);

    let (port, store) = (server.port(), server.store().clone());
    server.stop();
    let mut refused = 0;
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        refused += 1;
        assert!(refused < 3_000, "the port was never given up");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let back = world.runtime.block_on(Server::start(store, Options { port, ..Options::default() })).unwrap();
    assert_eq!(try_send(&back.url, &Exchange::new("GET", "/version")).unwrap().code, 200, "it comes back on its port");
}

#[test]
fn large_lists_are_packed_for_those_who_can_unpack_them() {
    let store = Store::new(builtin_kinds());
    for n in 0..200 {
        let text = json!({"metadata": {"name": format!("p{n}"), "namespace": "shop", "annotations": {"filler": "x".repeat(2_000)}}});
        assert!(store.load_text(&ResourceId::core("pods"), "shop", &format!("p{n}"), n + 1, text.to_string().into()));
    }
    let world = World::serve(store, Options::default());
    let plain = world.get("/api/v1/pods");
    let packed = world.send(&Exchange::new("GET", "/api/v1/pods").with("Accept-Encoding", "gzip"));
    assert_eq!(header(&packed.answer_headers, "content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(packed.answer.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.answer);
    assert_eq!(plain.json()["items"].as_array().unwrap().len(), 200);
}

#[test]
fn a_recording_is_served_read_only_with_its_clock_and_its_logs() {
    let pod = json!({"metadata": {"name": "web", "namespace": "shop", "resourceVersion": "812", "creationTimestamp": "2026-11-21T09:00:00Z"},
                     "spec": {"nodeName": "n1", "containers": [{"name": "c"}]}});
    let resource = json!({"group": "", "version": "v1", "resource": "pods", "kind": "Pod", "namespaced": true,
                          "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"], "items": [pod]});
    let log = json!({"current": "2026-11-21T09:21:10.644183076Z fatal: missing env\n",
                     "previousError": "Error from server (BadRequest): previous terminated container \"c\" in pod \"web\" not found"});
    let text = json!({"recordedAt": "2026-11-21T09:30:00Z", "version": {"gitVersion": "v9"}, "resources": [resource], "logs": {"shop/web/c": log}});
    let recording = Recording::parse("incident", text.to_string().as_bytes()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(recording.serve(Options::default())).unwrap();
    let world = World { server, runtime };
    assert_eq!(world.get("/kokpit/recording").json(), json!({"recordedAt": "2026-11-21T09:30:00Z"}));
    assert_eq!(world.get("/version").json()["gitVersion"], "v9");
    let table = Exchange::new("GET", "/api/v1/pods").with("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    assert_eq!(world.send(&table).json()["rows"][0]["cells"][4], "30m");
    assert_eq!(world.get("/api/v1/namespaces/shop/pods/web/log").answer, b"fatal: missing env\n");
    let stamped = world.get("/api/v1/namespaces/shop/pods/web/log?timestamps=true").answer;
    assert!(stamped.starts_with(b"2026-11-21T09:21:10.644183076Z fatal"));
    let before = world.get("/api/v1/namespaces/shop/pods/web/log?previous=true");
    assert_eq!(
        (before.code, &before.json()["message"]),
        (400, &json!("previous terminated container \"c\" in pod \"web\" not found"))
    );
    let refused = world.send(&Exchange::new("DELETE", "/api/v1/namespaces/shop/pods/web"));
    assert_eq!(refused.code, 405);
    assert!(refused.json()["message"].as_str().unwrap().contains("recording"));
}

#[test]
fn every_recorded_incident_opens_with_all_its_objects() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut opened = 0;
    for file in files.filter(|file| file.to_string_lossy().ends_with(".json.gz")) {
        let recording = Recording::open(&file).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(&file).unwrap()).read_to_string(&mut text).unwrap();
        let capture: Value = serde_json::from_str(&text).unwrap();
        for resource in capture["resources"].as_array().unwrap() {
            let text = |field: &str| resource[field].as_str().unwrap().to_string();
            let id = ResourceId::new(&text("group"), &text("resource"));
            let items = resource["items"].as_array().map_or(0, Vec::len);
            assert_eq!(recording.store.count(&id), items, "{id} of {}", file.display());
        }
        assert_eq!(
            recording.store.now().rfc3339(),
            Time::parse(capture["recordedAt"].as_str().unwrap()).unwrap().rfc3339()
        );
        opened += 1;
    }
    assert!(opened > 0, "there are recordings");
}
