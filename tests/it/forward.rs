//! Port-forwards end to end: the real binary, an embedded cluster whose pods answer HTTP, connections that break.

use crate::embedded::Embedded;
use crate::support::{Home, Served, Tui, until};
use kokpit::sim::server::{Deny, Faults};
use kokpit::world::object::{ResourceId, name};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// A home with a cluster on which Deployment `api` (one pod, port `http`) stands behind Service `api` (port 80).
fn api(port: u16) -> (Home, Embedded) {
    let (home, cluster) = (Home::new(), Embedded::shop());
    home.kubeconfig(&[("dev", &cluster.url())]);
    let labels = json!({"app": "api"});
    let container = json!({"name": "app", "image": "api:1", "ports": [{"name": "http", "containerPort": port}]});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"selector": labels, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}});
    cluster.store.create(&ResourceId::new("apps", "deployments"), deployment).expect("valid");
    cluster.store.create(&ResourceId::core("services"), service).expect("valid");
    until("a ready pod", || ready(&cluster));
    (home, cluster)
}

/// The name of the ready pod of `api` that is not going.
fn ready(cluster: &Embedded) -> Option<String> {
    let pods = cluster.store.list(&ResourceId::core("pods"), Some("shop"));
    let fits = |pod: &Value| {
        let ready = kokpit::world::object::list_at(pod, "/status/conditions")
            .iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True");
        name(pod).starts_with("api-") && ready && pod["metadata"].get("deletionTimestamp").is_none()
    };
    pods.iter().find(|pod| fits(pod)).map(|pod| name(pod).to_string())
}

/// What answers on a local port, `None` while nobody does.
fn get(port: u16, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    write!(socket, "GET {path} HTTP/1.1\r\nhost: here\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while !answer.ends_with(b"\n") {
        match socket.read(&mut part) {
            Ok(n) if n > 0 => answer.extend_from_slice(&part[..n]),
            _ => return None,
        }
    }
    let text = String::from_utf8(answer).expect("text");
    text.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_string())
}

/// `kokpit port-forward` in the background, and the local port that it printed.
fn forwarded(home: &Home, args: &[&str]) -> (Served, u16) {
    let args = [&["port-forward", "-n", "shop"], args].concat();
    let served = Served::start(home.command(crate::support::kokpit(), &args), |line| line.contains(" -> "));
    let line = served.lines.last().expect("a line").clone();
    let port = line.split(" -> ").next().and_then(|local| local.rsplit(':').next()?.parse().ok());
    (served, port.unwrap_or_else(|| panic!("no port in `{line}`")))
}

#[test]
fn a_forward_follows_the_pod_that_is_replaced() {
    let (home, cluster) = api(8080);
    let first = ready(&cluster).expect("a pod");
    let (served, port) = forwarded(&home, &["svc/api", ":80"]);
    assert!(served.lines.last().expect("a line").ends_with(&format!("-> {first}:8080")), "{:?}", served.lines);
    assert_eq!(get(port, "/a"), Some(format!("{first} 8080 GET /a")));
    // A connection that is open when its pod goes is closed, not left hanging.
    let mut open = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    open.write_all(b"\0echo").expect("it takes bytes");
    let mut back = [0; 5];
    open.read_exact(&mut back).expect("they come back");
    assert_eq!(&back, b"\0echo");
    cluster.delete_pod(&first);
    open.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    assert!(matches!(open.read(&mut back), Ok(0) | Err(_)), "the end of the old connection");
    let second = until("another ready pod", || ready(&cluster).filter(|pod| *pod != first));
    // Asked while there is no pod, a program waits for the next one.
    assert_eq!(get(port, "/b"), Some(format!("{second} 8080 GET /b")));
}

#[test]
fn a_pod_is_forwarded_to_and_its_successor_after_it() {
    let (home, cluster) = api(8080);
    let first = ready(&cluster).expect("a pod");
    let (_served, port) = forwarded(&home, &[&first, ":http"]);
    assert_eq!(get(port, "/"), Some(format!("{first} 8080 GET /")));
    cluster.delete_pod(&first);
    let second = until("another ready pod", || ready(&cluster).filter(|pod| *pod != first));
    assert_eq!(get(port, "/"), Some(format!("{second} 8080 GET /")));
}

#[test]
fn a_server_that_was_away_is_found_again() {
    let (home, mut cluster) = api(8080);
    let (_served, port) = forwarded(&home, &["deploy/api", ":http"]);
    cluster.stop();
    // (A listener takes a moment to go, and what it takes in that moment is lost with it.)
    let server = cluster.url().rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).expect("a port");
    until("the server gone", || TcpStream::connect(("127.0.0.1", server)).is_err().then_some(()));
    let mut open = TcpStream::connect(("127.0.0.1", port)).expect("it listens on");
    write!(open, "GET /late HTTP/1.1\r\n\r\n").expect("it takes bytes");
    cluster.start();
    let mut answer = [0; 15];
    open.set_read_timeout(Some(Duration::from_secs(25))).expect("a time");
    open.read_exact(&mut answer).expect("an answer after the server is back");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[test]
fn what_cannot_be_forwarded_is_said() {
    let (home, cluster) = api(8080);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let ran = home.run(&["port-forward", "-n", "shop", "svc/api", &format!("{port}:80")]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains(&format!("port {port} on 127.0.0.1 is taken")) && ran.err.contains("is free"), "{ran:?}");
    for (args, said) in [
        (["svc/nothing", "1:80"], "there is no Service nothing in namespace shop"),
        (["svc/api", "x:80"], "no local port"),
        (["node/n1", ":80"], "nothing to forward to"),
    ] {
        let ran = home.run(&["port-forward", "-n", "shop", args[0], args[1]]);
        assert!(ran.code == Some(2) && ran.err.contains(said), "{args:?}: {ran:?}");
    }
    // A port that nobody listens on in the pod: the program is disconnected, and told why.
    let mut command = home.command(crate::support::kokpit(), &["port-forward", "-n", "shop", "deploy/api", ":81"]);
    let errors = home.path("errors");
    command.stderr(std::fs::File::create(&errors).expect("a file"));
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    let port = line.split(" -> ").next().and_then(|local| local.rsplit(':').next()?.parse().ok()).expect("a port");
    assert_eq!(get(port, "/"), None);
    until("the reason", || home.read("errors").contains("connection refused").then_some(()));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    drop(cluster);
}

#[test]
fn a_pod_that_may_be_read_but_not_listed_is_forwarded_to() {
    let (home, cluster) = api(8080);
    let pod = ready(&cluster).expect("a pod");
    let deny = ["list", "watch"].map(|verb| Deny::new(verb, "pods"));
    cluster.faults(Faults { deny: deny.into(), ..Faults::default() });
    let (_served, port) = forwarded(&home, &[&pod, ":8080"]);
    assert_eq!(get(port, "/x"), Some(format!("{pod} 8080 GET /x")));
}

/// The cockpit on the pod of `api`.
fn on_pod(home: &Home) -> Tui {
    let mut tui = home.tui_sized(&["-n", "shop"], 120, 30);
    tui.send(":pods /api\r").wait_for("the pod", |screen| {
        let text = screen.contents();
        text.contains("api-") && text.contains("Running") && !text.contains("web-")
    });
    tui
}

#[test]
fn forwards_are_asked_for_listed_and_stopped_in_the_cockpit() {
    // The port that the container declares is taken here.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = taken.local_addr().expect("its address").port();
    let (mut home, cluster) = api(busy);
    let browser = home.write("browser", "#!/bin/sh\necho \"$1\" > opened\n");
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a program");
    home.set("BROWSER", &browser.display().to_string());
    let mut tui = on_pod(&home);
    tui.does("port-forward", "F").wait(&format!("{busy} http; {busy} is taken here"));
    // What is proposed is free; insisting on the taken port brings another proposal, with the reason.
    tui.ctrl('u').send(&format!("{busy}:http\r")).wait("is taken by another program");
    tui.send("\r").wait("leads to po/api-");
    let text = tui.text();
    let url = text.split("http://127.0.0.1:").nth(1).expect("a URL");
    let port: u16 = url.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    let first = ready(&cluster).expect("a pod");
    assert_eq!(get(port, "/x"), Some(format!("{first} {busy} GET /x")));
    tui.send("j").wait("pf 1");
    cluster.delete_pod(&first);
    let second = until("another ready pod", || ready(&cluster).filter(|pod| *pod != first));
    tui.wait(&format!("is forwarded to {second} now"));
    assert_eq!(get(port, "/y"), Some(format!("{second} {busy} GET /y")));
    tui.does("forwards", "f").wait_for("the list", |screen| {
        let text = screen.contents();
        text.contains("port-forwards") && text.contains("serving") && text.contains(&format!("{second}:{busy}"))
    });
    tui.wait("0/2");
    let url = format!("http://127.0.0.1:{port}");
    tui.does("copy-url", "c").wait(&format!("copied {url}"));
    tui.does("open-url", "o").wait("serving");
    until("the browser opened", || home.read("opened").starts_with(&url).then_some(()));
    tui.does("stop-forward", "\u{4}").wait("nothing is forwarded");
    until("the port closed", || TcpStream::connect(("127.0.0.1", port)).is_err().then_some(()));
    tui.quit();
}

#[test]
fn leaving_the_cockpit_closes_every_port() {
    let (home, _cluster) = api(8080);
    let mut tui = on_pod(&home);
    tui.send(":port-forward :http\r").wait("leads to po/api-");
    let text = tui.text();
    let url = text.split("http://127.0.0.1:").nth(1).expect("a URL");
    let port: u16 = url.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    assert!(get(port, "/").is_some());
    tui.quit();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
