//! A server that answers exactly what a test tells it to: broken pages, silence, closed connections.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Writes the chunks of an answer.
type Writer = Box<dyn FnOnce(&mut Chunks<'_>) -> io::Result<()> + Send>;

/// What happens to a request.
pub enum Reply {
    /// An answer with its status and media type.
    Whole(u16, &'static str, Vec<u8>),
    /// An answer that promises its whole length and ends after so many bytes.
    Cut(Vec<u8>, usize),
    /// An answer whose body goes on for as long as the server lives: these bytes, then silence.
    Open(Vec<u8>),
    /// An answer with status 200 that is written bit by bit, each write a chunk.
    Stream(Writer),
    /// No answer, the connection stays open.
    Silence,
    /// The connection is closed without a word.
    Close,
}

impl Reply {
    /// A JSON answer with status 200.
    pub fn json(value: &serde_json::Value) -> Self {
        Reply::Whole(200, "application/json", value.to_string().into_bytes())
    }

    /// The `Status` of a request that failed.
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code});
        Reply::Whole(code, "application/json", status.to_string().into_bytes())
    }
}

/// One request, as far as a test wants to know.
pub struct Request {
    /// `GET`
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The path without its query.
    pub fn plain(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Whether this is a watch.
    pub fn watches(&self) -> bool {
        self.path.contains("watch=true") || self.path.contains("watch=1")
    }
}

/// Writes the chunks of an answer whose length nobody knows before (`Transfer-Encoding: chunked`).
pub struct Chunks<'a>(&'a mut TcpStream);

impl Chunks<'_> {
    /// Sends one chunk; an empty one is left out, for it would be the end.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let head = format!("{:x}\r\n", bytes.len());
        self.0.write_all(&[head.as_bytes(), bytes, b"\r\n"].concat())
    }
}

/// A server on loopback, gone when dropped.
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server that answers with what `reply` says.
    pub fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted, reply) = (stop.clone(), count.clone(), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (stopped, counted, reply) = (stopped.clone(), counted.clone(), reply.clone());
                std::thread::spawn(move || serve(stream, &stopped, &counted, &*reply));
            }
        });
        Self { address, stop, count }
    }

    /// `http://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, stopped: &AtomicBool, counted: &AtomicUsize, reply: &dyn Fn(&Request) -> Reply) {
    let Ok(mut out) = stream.try_clone() else { return };
    // Heads and bodies are written apart; waiting to join them would add 40 ms to each answer.
    let _ = out.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        // A server that is gone answers nobody, whatever connections are still open.
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        let head = |code: u16, media: &str, length: &str| {
            format!("HTTP/1.1 {code} X\r\nContent-Type: {media}\r\n{length}\r\n\r\n").into_bytes()
        };
        let sent = match reply(&request) {
            Reply::Whole(code, media, body) => {
                let head = head(code, media, &format!("Content-Length: {}", body.len()));
                out.write_all(&head).and_then(|()| out.write_all(&body))
            }
            Reply::Cut(body, at) => {
                let head = head(200, "application/json", &format!("Content-Length: {}", body.len()));
                let _ = out.write_all(&head).and_then(|()| out.write_all(&body[..at.min(body.len())]));
                return;
            }
            Reply::Open(body) => {
                let head = head(200, "application/json", "Transfer-Encoding: chunked");
                let _ = out.write_all(&head).and_then(|()| Chunks(&mut out).send(&body));
                return quiet(stopped);
            }
            Reply::Stream(write) => {
                let head = head(200, "application/json", "Transfer-Encoding: chunked");
                out.write_all(&head)
                    .and_then(|()| write(&mut Chunks(&mut out)))
                    .and_then(|()| out.write_all(b"0\r\n\r\n"))
            }
            Reply::Silence => return quiet(stopped),
            Reply::Close => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Holds the connection until the server is dropped.
fn quiet(stopped: &AtomicBool) {
    while !stopped.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace().map(str::to_string);
    let (method, path) = (words.next()?, words.next()?);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_lowercase(), value.trim().to_string());
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        headers.push((name, value));
    }
    let mut body = vec![0; length];
    std::io::Read::read_exact(reader, &mut body).ok()?;
    Some(Request { method, path, headers })
}

/// A small API server that works: discovery of pods, nodes and namespaces, one page each, watches that stay silent.
/// `other` is asked first and may answer anything.
pub fn small_cluster(other: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Server {
    Server::start(move |request| other(request).unwrap_or_else(|| works(request)))
}

fn works(request: &Request) -> Reply {
    use serde_json::json;
    if request.watches() {
        return Reply::Open(Vec::new());
    }
    let verbs = json!(["get", "list", "watch"]);
    let list = |kind: &str, items: serde_json::Value| {
        Reply::json(&json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "10"}, "items": items}))
    };
    match request.plain() {
        "/version" => Reply::json(&json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})),
        "/api" => Reply::json(&json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => Reply::json(&json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})),
        "/api/v1" => Reply::json(&json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": verbs, "shortNames": ["po"]},
            {"name": "nodes", "singularName": "node", "namespaced": false, "kind": "Node", "verbs": verbs, "shortNames": ["no"]},
            {"name": "events", "singularName": "event", "namespaced": true, "kind": "Event", "verbs": verbs, "shortNames": ["ev"]},
            {"name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace", "verbs": verbs, "shortNames": ["ns"]}]})),
        "/api/v1/pods" => list("PodList", json!([pod("web-1")])),
        "/api/v1/nodes" => list("NodeList", json!([])),
        "/api/v1/namespaces" => list("NamespaceList", json!([{"metadata": {"name": "shop", "uid": "u-shop"}}])),
        "/api/v1/namespaces/kube-system" => Reply::json(
            &json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "u-kube-system"}}),
        ),
        "/api/v1/events" => list("EventList", json!([])),
        path => Reply::status(404, "NotFound", &format!("the server could not find the requested resource ({path})")),
    }
}

/// A running pod of namespace `shop`.
pub fn pod(name: &str) -> serde_json::Value {
    serde_json::json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("u-{name}"), "resourceVersion": "5", "creationTimestamp": "2026-11-21T09:00:00Z"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "web:1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "image": "web:1", "imageID": "", "state": {"running": {"startedAt": "2026-11-21T09:00:01Z"}}}]}
    })
}
