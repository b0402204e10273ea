//! `portforward` over WebSocket, protocol `v4.channel.k8s.io` (`kubelet/pkg/cri/streaming/portforward/websocket.go`): two
//! channels per port, data and error, each begun by the port's number in two bytes, little endian.
//!
//! Behind every port that a container declares stands a small server: to HTTP it answers who it is and what it was
//! asked, anything else it sends back. Ports that no container declares refuse the connection.

use super::pod;
use super::socket::{self, Sent, Socket};
use crate::sim::http::Body;
use crate::sim::server::{Call, Cluster, Target};
use crate::sim::store::Failure;
use crate::world::object::{int_at, list_at, str_at};
use futures::StreamExt;
use http::Response;
use serde_json::Value;
use std::sync::Arc;
use tokio_tungstenite::tungstenite::Message;

/// Turns the connection into the streams of ports.
///
/// # Errors
/// 400 without ports, or for a request that is no WebSocket; 404 and 400 where there is no such pod, or it does not run.
pub fn answer(cluster: Arc<Cluster>, call: Call, target: &Target) -> Result<Response<Body>, Failure> {
    let pod = pod(&cluster, target)?;
    let asked = call.query.all("ports").flat_map(|list| list.split(','));
    let ports: Vec<u16> = asked
        .map(|port| port.parse().ok().filter(|port| *port > 0))
        .collect::<Option<_>>()
        .filter(|ports: &Vec<u16>| !ports.is_empty())
        .ok_or_else(|| Failure::bad_request("query parameter \"ports\" is required"))?;
    if str_at(&pod, "/status/phase") != "Running" {
        let phase = str_at(&pod, "/status/phase");
        return Err(Failure::bad_request(format!(
            "unable to forward port because pod is not running. Current status={phase}"
        )));
    }
    let (shared, target) = (cluster.clone(), target.clone());
    socket::accept(cluster, call, &["v4.channel.k8s.io"], move |socket| async move {
        let served = serve(socket, &pod, &ports);
        tokio::select! {
            sent = served => sent,
            // The network of a pod goes with it, and no goodbye is said.
            () = gone(&shared, &target, &pod) => Ok(()),
        }
    })
}

/// Comes to an end when the pod is gone.
async fn gone(cluster: &Cluster, target: &Target, pod: &Value) {
    let mut changes = cluster.store.subscribe();
    let lives = || {
        let now = cluster.store.get(&target.kind.id, &target.namespace, &target.name);
        now.is_some_and(|now| str_at(&now, "/metadata/uid") == str_at(pod, "/metadata/uid"))
    };
    while lives() {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn serve(mut socket: Socket, pod: &Value, ports: &[u16]) -> Sent {
    let mut servers: Vec<Application> = Vec::new();
    for (n, port) in ports.iter().enumerate() {
        let (data, error) = (2 * n as u8, 2 * n as u8 + 1);
        for channel in [data, error] {
            socket::send(&mut socket, channel, &port.to_le_bytes()).await?;
        }
        if !declared(pod, *port) {
            let (name, uid) = (str_at(pod, "/metadata/name"), str_at(pod, "/metadata/uid"));
            let sentence = format!(
                "error forwarding port {port} to pod {name}, uid {uid}: failed to execute portforward in network namespace: \
                 failed to connect to localhost:{port} inside namespace: connection refused"
            );
            socket::send(&mut socket, error, sentence.as_bytes()).await?;
        }
        servers.push(Application { pod: str_at(pod, "/metadata/name").into(), port: *port, heard: vec![] });
    }
    while let Some(message) = socket.next().await {
        let data = match message? {
            Message::Binary(data) => data,
            Message::Close(_) => break,
            _ => continue,
        };
        let Some((&channel, bytes)) = data.split_first() else { continue };
        let Some(server) = servers.get_mut(usize::from(channel / 2)).filter(|_| channel % 2 == 0) else { continue };
        let answer = server.hear(bytes);
        if !answer.is_empty() {
            socket::send(&mut socket, channel, &answer).await?;
        }
    }
    Ok(())
}

fn declared(pod: &Value, port: u16) -> bool {
    let ports = list_at(pod, "/spec/containers").iter().flat_map(|c| list_at(c, "/ports"));
    ports.into_iter().any(|p| int_at(p, "/containerPort") == Some(port.into()))
}

/// What listens on a port.
struct Application {
    pod: String,
    port: u16,
    /// The request so far.
    heard: Vec<u8>,
}

impl Application {
    /// The answer to what came, empty while a request is not complete.
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.heard.extend_from_slice(bytes);
        let mut answers = Vec::new();
        loop {
            if !is_http(&self.heard) {
                answers.append(&mut self.heard);
                return answers;
            }
            let Some((request, end)) = request(&self.heard) else { return answers };
            let body = format!("{} {} {request}", self.pod, self.port);
            self.heard.drain(..end);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            answers.extend_from_slice(head.as_bytes());
            answers.extend_from_slice(body.as_bytes());
        }
    }
}

/// Whether bytes begin, or may go on to begin, like a request.
fn is_http(heard: &[u8]) -> bool {
    ["GET /", "POST /", "PUT /", "HEAD /"].iter().any(|begin| {
        let n = heard.len().min(begin.len());
        heard.get(..n) == begin.as_bytes().get(..n)
    })
}

/// The first request (its first two words, a line break, its body) and where it ends.
fn request(heard: &[u8]) -> Option<(String, usize)> {
    let head = heard.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(heard.get(..head)?).into_owned();
    let length =
        text.lines().filter_map(|line| line.split_once(':')).find(|(k, _)| k.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    let body = heard.get(head..head.checked_add(length)?)?;
    let words: Vec<&str> = text.split_whitespace().take(2).collect();
    Some((format!("{}\n{}", words.join(" "), String::from_utf8_lossy(body)), head + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Application {
        Application { pod: "web-1".into(), port: 80, heard: vec![] }
    }

    #[test]
    fn requests_are_answered_whole_and_one_by_one() {
        let mut app = app();
        assert!(app.hear(b"GET /a HTTP/1.1\r\nhost").is_empty());
        let answer =
            String::from_utf8(app.hear(b": x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")).unwrap();
        let bodies: Vec<&str> = answer.split("\r\n\r\n").skip(1).collect();
        assert_eq!(bodies.len(), 2);
        assert!(bodies[0].starts_with("web-1 80 GET /a\n") && bodies[1] == "web-1 80 POST /b\nabc", "{answer}");
    }

    #[test]
    fn other_bytes_come_back() {
        assert_eq!(app().hear(b"G\0"), b"G\0");
        assert_eq!(app().hear(b"\x16\x03"), b"\x16\x03");
    }
}
