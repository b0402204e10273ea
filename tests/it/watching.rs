//! Clusters are listed in pages, watched, resumed, narrowed and survived, whatever their servers do.

use crate::support::http::{Chunks, Reply, Request, Server, pod, small_cluster};
use crate::support::until;
use kokpit::cluster::api::ApiError;
use kokpit::cluster::hub::{Hub, HubOptions};
use kokpit::cluster::kubeconfig::{Context, Flags, Places, load_from};
use kokpit::cluster::logs::{LogReader, LogRequest};
use kokpit::world::fleet::{ClusterId, Delta, Feed, Fleet, Link, Shard, Table};
use kokpit::world::object::ResourceId;
use kokpit::world::row::{Body, Cell};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const A: ClusterId = ClusterId(0);
const B: ClusterId = ClusterId(1);

/// A hub and what it has said.
struct Watcher {
    hub: Hub,
    seen: Arc<Mutex<Seen>>,
    runtime: tokio::runtime::Runtime,
}

struct Seen {
    fleet: Fleet,
    notices: Vec<String>,
    links: Vec<Link>,
}

impl Watcher {
    fn new(contexts: Vec<Context>) -> Self {
        Self::with_heartbeat(contexts, Duration::from_millis(300))
    }

    fn with_heartbeat(contexts: Vec<Context>, heartbeat: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let fleet = Fleet::new(contexts.iter().map(|c| c.name.clone()));
        let seen = Arc::new(Mutex::new(Seen { fleet, notices: vec![], links: vec![] }));
        let into = seen.clone();
        let sink = Arc::new(move |id, delta: Delta| {
            let mut seen = lock(&into);
            match &delta {
                Delta::Notice(notice) => seen.notices.push(notice.clone()),
                Delta::Link(link) => seen.links.push(link.clone()),
                _ => {}
            }
            seen.fleet.apply(id, delta);
        });
        let options = HubOptions {
            connect_timeout: Duration::from_secs(2),
            heartbeat,
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_millis(200),
            page: 2,
            metrics: Duration::from_millis(50),
        };
        Self { hub: Hub::new(contexts, options, runtime.handle().clone(), sink), seen, runtime }
    }

    fn of(servers: &[&Server]) -> Self {
        let context = |(n, server): (usize, &&Server)| {
            let mut context = Context::for_server(["a", "b"][n], &server.url());
            context.request_timeout = Duration::from_secs(1);
            context
        };
        Self::new(servers.iter().enumerate().map(context).collect())
    }

    fn watch(&self, id: ClusterId, kind: &ResourceId) -> &Self {
        self.hub.watch(id, kind.clone(), vec![]);
        self
    }

    /// Waits until a table is as wanted.
    fn wait(&self, what: &str, id: ClusterId, kind: &ResourceId, wanted: impl Fn(&Table) -> bool) {
        until(what, || lock(&self.seen).fleet.shard(id).table(kind).filter(|table| wanted(table)).map(drop));
    }

    fn wait_link(&self, what: &str, id: ClusterId, wanted: impl Fn(&Shard) -> bool) {
        until(what, || Some(()).filter(|()| wanted(lock(&self.seen).fleet.shard(id))));
    }

    fn wait_notice(&self, words: &[&str]) -> String {
        until(&format!("a notice with {words:?}"), || {
            let seen = lock(&self.seen);
            seen.notices.iter().find(|notice| words.iter().all(|word| notice.contains(word))).cloned()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pods() -> ResourceId {
    ResourceId::core("pods")
}

fn names(table: &Table) -> Vec<String> {
    let mut names: Vec<String> = table.rows().map(|(_, row)| row.meta.name.to_string()).collect();
    names.sort();
    names
}

fn is_live(table: &Table) -> bool {
    table.feed == Feed::Live
}

fn stale_reason(table: &Table) -> &str {
    match &table.feed {
        Feed::Stale { reason, .. } => reason,
        _ => "",
    }
}

fn list(items: &[Value], metadata: Value) -> Reply {
    Reply::json(&json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}))
}

fn event(kind: &str, object: &Value) -> Vec<u8> {
    format!("{}\n", json!({"type": kind, "object": object})).into_bytes()
}

fn versioned(name: &str, revision: &str) -> Value {
    let mut pod = pod(name);
    pod["metadata"]["resourceVersion"] = revision.into();
    pod
}

fn bookmark(revision: &str) -> Vec<u8> {
    event("BOOKMARK", &json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": revision}}))
}

/// The requests for a path, with their queries.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn note(&self, request: &Request) {
        lock(&self.0).push(request.path.clone());
    }

    fn lists(&self) -> Vec<String> {
        lock(&self.0)
            .iter()
            .filter(|path| path.starts_with("/api/v1/pods?") && !path.contains("watch="))
            .cloned()
            .collect()
    }

    fn watches(&self) -> Vec<String> {
        lock(&self.0)
            .iter()
            .filter(|path| path.starts_with("/api/v1/pods?") && path.contains("watch="))
            .cloned()
            .collect()
    }
}

/// A watch that sends these lines, holds until told, and ends.
fn stream(lines: Vec<Vec<u8>>, hold: Arc<AtomicBool>) -> Reply {
    Reply::Stream(Box::new(move |chunks: &mut Chunks<'_>| {
        for line in lines {
            chunks.send(&line)?;
        }
        until("the end of a held watch", || Some(()).filter(|()| !hold.load(Ordering::SeqCst)));
        Ok(())
    }))
}

#[test]
fn pages_events_and_bookmarks_make_a_table_and_a_watch_resumes_without_a_list() {
    let (asked, hold) = (Asked::default(), Arc::new(AtomicBool::new(true)));
    let (noted, held, turn) = (asked.clone(), hold.clone(), AtomicUsize::new(0));
    let server = small_cluster(move |request| {
        noted.note(request);
        if request.plain() != "/api/v1/pods" {
            return None;
        }
        if !request.watches() {
            return Some(match request.path.split("continue=").nth(1) {
                None => list(
                    &[pod("a"), pod("b")],
                    json!({"resourceVersion": "10", "continue": "to+ken/2=", "remainingItemCount": 3}),
                ),
                Some("to%2Bken%2F2%3D") => list(
                    &[pod("c"), pod("d")],
                    json!({"resourceVersion": "10", "continue": "3", "remainingItemCount": 1}),
                ),
                Some(_) => list(&[pod("e")], json!({"resourceVersion": "10"})),
            });
        }
        Some(match turn.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let mut changed = versioned("b", "12");
                changed["spec"]["nodeName"] = "n9".into();
                let lines = vec![
                    event("ADDED", &versioned("f", "11")),
                    event("MODIFIED", &changed),
                    event("DELETED", &versioned("a", "13")),
                    bookmark("20"),
                ];
                stream(lines, held.clone())
            }
            1 => stream(vec![event("ADDED", &versioned("g", "21"))], Arc::new(AtomicBool::new(false))),
            _ => Reply::Open(vec![]),
        })
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    watcher.wait("all pages and events", A, &pods(), |t| names(t) == ["b", "c", "d", "e", "f"] && is_live(t));
    {
        let seen = lock(&watcher.seen);
        let table = seen.fleet.shard(A).table(&pods()).unwrap();
        let row = table.find("shop", "b").unwrap();
        assert!(matches!(&row.body, Body::Pod(pod) if &*pod.node == "n9" && &*pod.status == "Running"));
        let whole = row.raw.value().unwrap();
        assert_eq!((&whole["kind"], &whole["spec"]["nodeName"]), (&json!("Pod"), &json!("n9")));
        assert!(table.heard.is_some());
    }
    hold.store(false, Ordering::SeqCst);
    watcher.wait("the event of the second watch", A, &pods(), |t| names(t) == ["b", "c", "d", "e", "f", "g"]);
    assert_eq!(asked.lists().len(), 3, "{:?}", asked.lists());
    let watches = until("three watches", || Some(asked.watches()).filter(|w| w.len() >= 3));
    for (watch, revision) in watches.iter().zip(["10", "20", "21"]) {
        assert!(
            watch.contains(&format!("resourceVersion={revision}")) && watch.contains("allowWatchBookmarks=true"),
            "{watch}"
        );
    }
}

#[test]
fn a_watch_that_breaks_in_the_middle_of_an_event_loses_nothing() {
    let (asked, turn) = (Asked::default(), AtomicUsize::new(0));
    let noted = asked.clone();
    let server = small_cluster(move |request| {
        noted.note(request);
        if request.plain() != "/api/v1/pods" || !request.watches() {
            return None;
        }
        Some(match turn.fetch_add(1, Ordering::SeqCst) {
            0 => {
                let whole = [event("ADDED", &versioned("x", "11")), event("ADDED", &versioned("y", "12"))].concat();
                let cut = whole.len() - 40;
                Reply::Cut(whole, cut)
            }
            1 => stream(vec![event("ADDED", &versioned("y", "12"))], Arc::new(AtomicBool::new(false))),
            _ => Reply::Open(vec![]),
        })
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    watcher.wait("the event that was cut", A, &pods(), |t| names(t) == ["web-1", "x", "y"]);
    assert_eq!(asked.lists().len(), 1);
    assert!(asked.watches()[1].contains("resourceVersion=11"), "{:?}", asked.watches());
}

#[test]
fn a_revision_that_is_gone_lists_again_without_emptying_the_table() {
    let (asked, gate) = (Asked::default(), Arc::new(AtomicBool::new(true)));
    let (noted, closed, turn) = (asked.clone(), gate.clone(), AtomicUsize::new(0));
    let server = small_cluster(move |request| {
        noted.note(request);
        if request.plain() != "/api/v1/pods" {
            return None;
        }
        if request.watches() {
            let expired = json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old resource version: 10 (99)"});
            return Some(match turn.fetch_add(1, Ordering::SeqCst) {
                0 => stream(vec![event("ERROR", &expired)], Arc::new(AtomicBool::new(false))),
                _ => Reply::Open(vec![]),
            });
        }
        if noted.lists().len() == 1 {
            return Some(list(&[pod("old"), pod("kept")], json!({"resourceVersion": "10"})));
        }
        until("the gate", || Some(()).filter(|()| !closed.load(Ordering::SeqCst)));
        Some(list(&[pod("kept"), pod("new")], json!({"resourceVersion": "99"})))
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    until("the second list", || Some(()).filter(|()| asked.lists().len() == 2));
    watcher.wait("the old rows while the new list is under way", A, &pods(), |t| names(t) == ["kept", "old"]);
    gate.store(false, Ordering::SeqCst);
    watcher.wait("the new rows", A, &pods(), |t| names(t) == ["kept", "new"] && is_live(t));
    until("the watch from the new revision", || {
        asked.watches().iter().any(|w| w.contains("resourceVersion=99")).then_some(())
    });
}

#[test]
fn a_forbidden_cluster_falls_back_to_the_readable_namespaces() {
    let server = small_cluster(|request| {
        let forbidden = |what: &str| {
            Some(Reply::status(403, "Forbidden", &format!("{what} is forbidden: User \"viewer\" cannot list")))
        };
        match request.plain() {
            "/api/v1/pods" => forbidden("pods"),
            "/api/v1/namespaces" => Some(Reply::json(&json!({"kind": "NamespaceList", "metadata": {}, "items": [
                {"metadata": {"name": "shop"}}, {"metadata": {"name": "closed"}}]}))),
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" => {
                Some(Reply::json(&json!({"status": {"incomplete": true, "resourceRules": []}})))
            }
            "/api/v1/namespaces/closed/pods" => forbidden("pods"),
            "/api/v1/namespaces/shop/pods" if !request.watches() => {
                Some(list(&[pod("web-1")], json!({"resourceVersion": "10"})))
            }
            "/api/v1/nodes" => forbidden("nodes"),
            _ => None,
        }
    });
    let watcher = Watcher::of(&[&server]);
    let nodes = ResourceId::core("nodes");
    watcher.watch(A, &pods()).watch(A, &nodes);
    watcher
        .wait("the readable namespace", A, &pods(), |t| is_live(t) && t.narrowed == ["shop"] && names(t) == ["web-1"]);
    watcher.wait_notice(&["pods may not be listed", "403", "shop"]);
    watcher.wait(
        "the refusal",
        A,
        &nodes,
        |t| matches!(&t.feed, Feed::Denied(why) if why.contains("nodes is forbidden")),
    );
}

#[test]
fn a_server_that_dies_and_comes_back_keeps_its_rows() {
    let down = Arc::new(AtomicBool::new(false));
    let dead = down.clone();
    let server = small_cluster(move |request| {
        if dead.load(Ordering::SeqCst) {
            return Some(Reply::Close);
        }
        let dead = dead.clone();
        request.watches().then(|| {
            Reply::Stream(Box::new(move |_: &mut Chunks<'_>| {
                until("the death of the server", || Some(()).filter(|()| dead.load(Ordering::SeqCst)));
                Err(std::io::ErrorKind::BrokenPipe.into())
            }))
        })
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    watcher.wait("rows", A, &pods(), |t| is_live(t) && names(t) == ["web-1"]);
    down.store(true, Ordering::SeqCst);
    watcher.wait("rows that say why they stand still", A, &pods(), |t| {
        !stale_reason(t).is_empty() && names(t) == ["web-1"]
    });
    watcher.wait_link(
        "the loss",
        A,
        |shard| matches!(&shard.link, Link::Lost { reason, .. } if reason.contains("127.0.0.1")),
    );
    down.store(false, Ordering::SeqCst);
    watcher.wait_link("the return", A, |shard| shard.link == Link::Live);
    watcher.wait("live rows", A, &pods(), |t| is_live(t) && names(t) == ["web-1"]);
}

#[test]
fn a_server_that_never_answers_delays_nobody() {
    let (mute, good) = (Server::start(|_| Reply::Silence), small_cluster(|_| None));
    let watcher = Watcher::of(&[&mute, &good]);
    let start = Instant::now();
    watcher.watch(A, &pods()).watch(B, &pods());
    watcher.wait("the other cluster", B, &pods(), is_live);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    watcher.wait_link(
        "a word about the silent one",
        A,
        |shard| matches!(&shard.link, Link::Lost { reason, .. } if reason.contains("no answer within 1 s")),
    );
    let error = watcher.runtime.block_on(watcher.hub.api(A)).map(drop).unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
}

#[test]
fn broken_answers_get_a_sentence_and_are_tried_again() {
    let (turn, whole) = (
        AtomicUsize::new(0),
        json!({"kind": "PodList", "metadata": {"resourceVersion": "10"}, "items": [pod("a"), pod("b")]}).to_string(),
    );
    let server = small_cluster(move |request| {
        if request.plain() != "/api/v1/pods" || request.watches() {
            return None;
        }
        Some(match turn.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Whole(200, "text/html", b"<html>\x1b[31mPlease log in</html>".to_vec()),
            1 => Reply::Whole(200, "application/json", whole.as_bytes()[..whole.len() - 30].to_vec()),
            2 => Reply::Cut(whole.clone().into_bytes(), whole.len() / 2),
            3 => Reply::Whole(502, "text/html", b"<h1>Bad Gateway</h1>".to_vec()),
            _ => Reply::Whole(200, "application/json", whole.clone().into_bytes()),
        })
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    watcher.wait("what the page says", A, &pods(), |t| {
        stale_reason(t).contains("<html>[31mPlease") || stale_reason(t).contains("<html>Please")
    });
    watcher.wait("the whole list in the end", A, &pods(), |t| is_live(t) && names(t) == ["a", "b"]);
}

#[test]
fn bad_objects_are_skipped_and_named_and_large_ones_survive() {
    let mut strange = pod("strange\u{1b}[31m\u{202e}name");
    strange["spec"]["containers"] = json!(null);
    let mut wrong = pod("wrong");
    wrong["spec"]["containers"] = json!("none");
    let mut large = pod("large");
    large["metadata"]["annotations"] = json!({"blob": "x".repeat(60 << 20)});
    let mut body = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"10"},"items":["#.to_vec();
    for object in [&strange, &wrong, &large] {
        body.extend(object.to_string().into_bytes());
        body.push(b',');
    }
    body.extend(pod("not-utf8-XX").to_string().replace("XX", "\u{fffd}").into_bytes());
    body.extend(b"]}");
    let at = memchr::memmem::find(&body, "\u{fffd}".as_bytes()).unwrap();
    body.splice(at..at + 3, [0xff, 0xfe]);
    let server = small_cluster(move |request| {
        (request.plain() == "/api/v1/pods" && !request.watches())
            .then(|| Reply::Whole(200, "application/json", body.clone()))
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    watcher.wait("the good rows", A, &pods(), |t| {
        is_live(t) && names(t) == ["large", "not-utf8-\u{fffd}\u{fffd}", "strange[31mname"]
    });
    watcher.wait_notice(&["shop/wrong could not be read", "large", "whole object is not kept"]);
}

#[test]
fn any_kind_shows_through_the_servers_table() {
    let widgets = ResourceId::new("acme.io", "widgets");
    let definitions = json!([{"name": "Name", "type": "string", "format": "name", "priority": 0}, {"name": "Size", "type": "integer", "priority": 0},
        {"name": "Age", "type": "date", "priority": 0}, {"name": "Note", "type": "string", "priority": 1}]);
    let row = |name: &str, size: i64| {
        json!({"cells": [name, size, "5d", "\u{1b}[31mred"], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("u-{name}"), "resourceVersion": "7", "creationTimestamp": "2026-11-21T09:00:00Z"}}})
    };
    let server = small_cluster(move |request| {
        let table = |columns: Value, rows: Value| json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "9"}, "columnDefinitions": columns, "rows": rows});
        match request.plain() {
            "/apis" => Some(Reply::json(
                &json!({"kind": "APIGroupList", "groups": [{"name": "acme.io", "preferredVersion": {"version": "v2"}}]}),
            )),
            "/apis/acme.io/v2" => Some(Reply::json(&json!({"kind": "APIResourceList", "resources": [
                {"name": "widgets", "kind": "Widget", "namespaced": true, "verbs": ["list", "watch"]}]}))),
            "/apis/acme.io/v2/widgets" => {
                let accept = request.headers.iter().find(|(name, _)| name == "accept").map(|(_, value)| value.clone());
                assert!(accept.is_some_and(|value| value.contains("as=Table")));
                let added = event("ADDED", &table(definitions.clone(), json!([row("two", 2)])));
                let gone = event("DELETED", &table(json!(null), json!([row("one", 1)])));
                Some(match request.watches() {
                    true => Reply::Open([added, gone].concat()),
                    false => Reply::json(&table(definitions.clone(), json!([row("one", 1)]))),
                })
            }
            _ => None,
        }
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &widgets);
    watcher.wait("the rows of the watch", A, &widgets, |t| names(t) == ["two"]);
    let seen = lock(&watcher.seen);
    let table = seen.fleet.shard(A).table(&widgets).unwrap();
    let columns = table.columns.as_ref().unwrap();
    let titles: Vec<(&str, bool, bool)> = columns.iter().map(|c| (&*c.title, c.right, c.wide)).collect();
    assert_eq!(titles, [("NAME", false, false), ("SIZE", true, false), ("AGE", true, false), ("NOTE", false, true)]);
    let (_, row) = table.rows().next().unwrap();
    let cells: Vec<Cell> = (0..4).map(|n| kokpit::world::column::cell(columns, n, row, &Default::default())).collect();
    assert_eq!((&cells[1], &cells[3]), (&Cell::Int(2), &Cell::Text("[31mred".into())));
    assert!(matches!(cells[2], Cell::Since(time) if time.rfc3339() == "2026-11-21T09:00:00Z"));
}

/// A kubeconfig whose user runs a plugin that counts its runs and hands out `token-<run>`.
fn with_plugin(dir: &std::path::Path, server: &str, script: &str) -> Context {
    use std::os::unix::fs::PermissionsExt;
    let plugin = dir.join("plugin");
    std::fs::write(&plugin, format!("#!/bin/sh\necho run >> {}\n{script}\n", dir.join("runs").display())).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": server}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "users": [{"name": "a", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "IfAvailable"}}}]});
    let file = dir.join("kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    let flags = Flags { kubeconfig: Some(file), ..Flags::default() };
    load_from(&flags, &Places::default()).unwrap().contexts.remove(0)
}

#[test]
fn a_plugin_runs_once_and_again_after_401() {
    let dir = tempfile::tempdir().unwrap();
    let (valid, inner) = (Arc::new(AtomicUsize::new(1)), small_cluster(|_| None));
    let accepted = valid.clone();
    let server = small_cluster(move |request| {
        let wanted = format!("Bearer token-{}", accepted.load(Ordering::SeqCst));
        let sent = request.headers.iter().any(|(name, value)| name == "authorization" && *value == wanted);
        (!sent).then(|| Reply::status(401, "Unauthorized", "Unauthorized"))
    });
    drop(inner);
    let runs = || std::fs::read_to_string(dir.path().join("runs")).unwrap_or_default().lines().count();
    let script = format!(
        "read line && exit 9\nn=$(wc -l < {} | tr -d ' ')\necho '{{\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"token-'$n'\",\"expirationTimestamp\":\"2099-01-01T00:00:00Z\"}}}}'",
        dir.path().join("runs").display()
    );
    let watcher = Watcher::new(vec![with_plugin(dir.path(), &server.url(), &script)]);
    watcher.watch(A, &pods()).watch(A, &ResourceId::core("nodes"));
    watcher.wait("pods", A, &pods(), is_live);
    watcher.wait("nodes", A, &ResourceId::core("nodes"), is_live);
    assert_eq!(runs(), 1, "one run for every request of the context");
    valid.store(2, Ordering::SeqCst);
    let api = watcher.runtime.block_on(watcher.hub.api(A)).unwrap();
    let many = (0..8).map(|_| api.get("/api/v1/pods"));
    let answers = watcher.runtime.block_on(futures::future::join_all(many));
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(runs(), 2, "one more run after the token was refused, whoever noticed");
    valid.store(99, Ordering::SeqCst);
    watcher.wait_link("the refusal", A, |s| matches!(&s.link, Link::Lost { reason, .. } if reason.contains("401")));
    assert_eq!(runs(), 2, "a plugin that just ran is not asked again and again");
}

#[test]
fn a_plugin_that_fails_is_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let server = small_cluster(|_| None);
    let context = with_plugin(
        dir.path(),
        &server.url(),
        "echo 'Error: your \u{1b}[31msession has expired, run acme login' >&2; exit 3",
    );
    let watcher = Watcher::new(vec![context]);
    watcher.hub.open(A);
    watcher.wait_link("the plugin's words", A, |s| {
        matches!(&s.link, Link::Lost { reason, .. } if reason.contains("exit status 3: Error: your session has expired, run acme login"))
    });
    assert_eq!(server.requests(), 0);
}

#[test]
fn what_nobody_watches_says_nothing_and_namespaces_replace_each_other() {
    let server = small_cluster(|request| {
        let lists = request.plain() == "/api/v1/namespaces/shop/pods" && !request.watches();
        lists.then(|| list(&[pod("in-shop")], json!({"resourceVersion": "10"})))
    });
    let watcher = Watcher::of(&[&server]);
    watcher.watch(A, &pods());
    watcher.wait("everything", A, &pods(), |t| names(t) == ["web-1"] && is_live(t));
    watcher.hub.watch(A, pods(), vec!["shop".into()]);
    watcher.wait("one namespace", A, &pods(), |t| names(t) == ["in-shop"] && is_live(t));
    let before = server.requests();
    watcher.hub.watch(A, pods(), vec!["shop".into()]);
    watcher.hub.unwatch(A, &pods());
    watcher.hub.unwatch(A, &pods());
    watcher.watch(A, &ResourceId::core("nodes"));
    watcher.wait("nodes", A, &ResourceId::core("nodes"), is_live);
    assert!(server.requests() - before <= 8, "heartbeats and nodes only");
}

#[test]
fn logs_come_in_lines_and_end_with_a_reason() {
    let server = small_cluster(|request| match request.plain() {
        "/api/v1/namespaces/shop/pods/web-1/log" => {
            Some(Reply::Whole(200, "text/plain", b"one\n\x1b[31mtwo\x1b[0m\nlast".to_vec()))
        }
        path if path.ends_with("/log") => Some(Reply::status(
            400,
            "BadRequest",
            "container \"x\" in pod \"web-2\" is waiting to start: ContainerCreating",
        )),
        _ => None,
    });
    let watcher = Watcher::of(&[&server]);
    let api = watcher.runtime.block_on(watcher.hub.api(A)).unwrap();
    let read = |pod: &str| {
        let request = LogRequest { namespace: "shop".into(), pod: pod.into(), tail: Some(10), ..LogRequest::default() };
        let mut lines = vec![];
        let ended = watcher.runtime.block_on(async {
            let mut reader = LogReader::open(&api, &request, Duration::from_secs(2)).await?;
            while let Some(more) = reader.next().await? {
                lines.extend(more);
            }
            Ok(())
        });
        (lines, ended.map_err(|e: ApiError| e.to_string()))
    };
    assert_eq!(read("web-1"), (["one", "two", "last"].map(String::from).into(), Ok(())));
    assert!(read("web-2").1.unwrap_err().contains("waiting to start: ContainerCreating"));
}

#[test]
fn lean_rows_agree_with_the_typed_objects_of_every_recording() {
    use k8s_openapi::api::core::v1::Pod;
    use kokpit::cluster::decode::Decoder;
    let resource = kokpit::kinds::well_known().iter().find(|r| r.id == pods()).cloned().unwrap();
    let mut decoder = Decoder::new(&resource, Arc::default());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !entry.to_string_lossy().ends_with(".json.gz") {
            continue;
        }
        let recording: Value =
            serde_json::from_reader(flate2::read::GzDecoder::new(std::fs::File::open(&entry).unwrap())).unwrap();
        let lists = recording["resources"].as_array().into_iter().flatten();
        for item in lists.filter(|r| r["resource"] == "pods").flat_map(|r| r["items"].as_array().into_iter().flatten())
        {
            let row = decoder.whole(item.to_string().as_bytes()).expect("every recorded pod decodes");
            decoder.pack();
            let pod: Pod = serde_json::from_value(item.clone()).unwrap();
            same(&row, &pod);
            assert_eq!(row.raw.value().as_ref(), Some(&with_type(item)), "the whole object comes back");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} pods compared");
}

fn with_type(item: &Value) -> Value {
    let mut item = item.clone();
    let fields = item.as_object_mut().unwrap();
    fields.entry("kind").or_insert("Pod".into());
    fields.entry("apiVersion").or_insert("v1".into());
    item
}

fn same(row: &kokpit::world::row::Row, pod: &k8s_openapi::api::core::v1::Pod) {
    let Body::Pod(lean) = &row.body else { panic!("a pod has a pod's row") };
    let (meta, spec) = (&pod.metadata, pod.spec.as_ref().unwrap());
    let status = pod.status.clone().unwrap_or_default();
    assert_eq!(Some(row.meta.name.as_str()), meta.name.as_deref());
    assert_eq!(Some(&*row.meta.namespace), meta.namespace.as_deref());
    assert_eq!(row.meta.uid, kokpit::world::row::Uid::parse(meta.uid.as_deref().unwrap()));
    assert_eq!(row.meta.created.0, meta.creation_timestamp.as_ref().unwrap().0.as_second());
    assert_eq!(row.meta.deleting, meta.deletion_timestamp.is_some());
    let labels: Vec<(&str, &str)> = meta.labels.iter().flatten().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(row.meta.labels.iter().map(|(k, v)| (&**k, &**v)).collect::<Vec<_>>(), labels);
    let owner = meta.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    assert_eq!(
        row.meta.owner.as_ref().map(|o| (&*o.kind, &*o.name)),
        owner.map(|o| (o.kind.as_str(), o.name.as_str()))
    );
    assert_eq!(
        (&*lean.node, lean.ip.as_str()),
        (spec.node_name.as_deref().unwrap_or_default(), status.pod_ip.as_deref().unwrap_or_default())
    );
    assert_eq!(&*lean.qos, status.qos_class.as_deref().unwrap_or_default());
    let inits = spec.init_containers.iter().flatten().map(|c| (c, status.init_container_statuses.iter().flatten()));
    let plain = spec.containers.iter().map(|c| (c, status.container_statuses.iter().flatten()));
    let mut count = 0;
    for ((container, mut statuses), lean) in inits.chain(plain).zip(&lean.containers) {
        let status = statuses.find(|s| s.name == container.name);
        let last = status.and_then(|s| s.last_state.as_ref()?.terminated.as_ref());
        assert_eq!(
            (&*lean.name, &*lean.image),
            (container.name.as_str(), container.image.as_deref().unwrap_or_default())
        );
        assert_eq!((lean.restarts as i32, lean.ready), status.map_or((0, false), |s| (s.restart_count, s.ready)));
        assert_eq!(
            (lean.last_exit, &*lean.last_reason),
            (last.map(|t| t.exit_code), last.and_then(|t| t.reason.as_deref()).unwrap_or_default())
        );
        count += 1;
    }
    assert_eq!(count, lean.containers.len());
}

#[test]
fn a_kind_that_is_not_there_does_not_keep_discovery_busy() {
    let (versions, discoveries) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (versioned, discovered) = (versions.clone(), discoveries.clone());
    let server = small_cluster(move |request| {
        match request.plain() {
            "/version" => versioned.fetch_add(1, Ordering::SeqCst),
            "/apis" => discovered.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        None
    });
    let watcher = Watcher::of(&[&server]);
    let unknown = ResourceId::new("argoproj.io", "applications");
    watcher.watch(A, &unknown).wait("an unknown kind", A, &unknown, |table| matches!(table.feed, Feed::Unknown(_)));
    // The heart beats on; discovery was asked for when the cluster was opened and once for the unknown kind.
    let before = versions.load(Ordering::SeqCst);
    until("some heartbeats", || (versions.load(Ordering::SeqCst) > before + 5).then_some(()));
    assert!(discoveries.load(Ordering::SeqCst) <= 2, "{} discoveries", discoveries.load(Ordering::SeqCst));
}

#[test]
fn a_server_that_falls_silent_when_a_watch_ends_is_lost_before_the_next_heartbeat() {
    let (silent, hold) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    let (fell, held) = (silent.clone(), hold.clone());
    let server = small_cluster(move |request| match request.plain() {
        _ if fell.load(Ordering::SeqCst) => Some(Reply::Silence),
        "/api/v1/pods" if request.watches() => Some(stream(vec![], held.clone())),
        _ => None,
    });
    let mut context = Context::for_server("a", &server.url());
    // Longer than what counts as a good watch: waiting in vain is none.
    context.request_timeout = Duration::from_secs(6);
    let watcher = Watcher::with_heartbeat(vec![context], Duration::from_secs(600));
    watcher.watch(A, &pods()).wait("rows", A, &pods(), |table| table.len() == 1);
    silent.store(true, Ordering::SeqCst);
    hold.store(false, Ordering::SeqCst);
    watcher.wait_link("a lost link", A, |shard| matches!(shard.link, Link::Lost { .. }));
}
