//! The harness itself: a terminal is driven, a repository takes commits, a server answers what it is told.

use crate::embedded::Embedded;
use crate::support::http::{Reply, Server};
use crate::support::{Home, until};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_terminal_is_driven_and_judged_by_its_screen() {
    let home = Home::new();
    let mut tui = home.terminal("sh", &["-c", "stty -echo; read line; echo \"got $line\"; stty echo"], 80, 24);
    tui.send("hello\r").wait("got hello");
    assert_eq!(tui.ended(), Some(0));
    tui.assert_restored();
}

#[test]
fn a_repository_takes_commits() {
    let home = Home::new();
    let bare = home.repository("fleet", &[("a/b.yaml", "x: 1\n")]);
    home.commit(&bare, "a/b.yaml", "x: 2\n", "Two");
    assert_eq!(home.git(&bare, &["show", "main:a/b.yaml"]), "x: 2\n");
    assert!(home.git(&bare, &["log", "--format=%an %s", "main"]).starts_with("Mara Test Two\n"));
}

#[test]
fn answers_what_it_is_told() {
    let server = Server::start(|request| match request.plain() {
        "/cut" => Reply::Cut(b"0123456789".to_vec(), 4),
        _ => Reply::status(404, "NotFound", "no"),
    });
    let get = |path: &str| {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(get("/cut?x=1").ends_with("Content-Length: 10\r\n\r\n0123"));
    assert!(get("/other").starts_with("HTTP/1.1 404"));
    assert_eq!(server.requests(), 2);
}

#[test]
fn the_embedded_shop_runs_dies_and_comes_back() {
    let mut cluster = Embedded::shop();
    until("two running pods of web", || {
        let running = |name: &String| {
            let pod = cluster.get("pods", "shop", name)?;
            (pod.pointer("/status/phase")?.as_str()? == "Running").then_some(())
        };
        (cluster.pods().iter().filter_map(running).count() == 2).then_some(())
    });
    let reached = |cluster: &Embedded| TcpStream::connect(cluster.url().trim_start_matches("http://")).is_ok();
    assert!(reached(&cluster));
    cluster.stop();
    until("a port that nobody serves", || (!reached(&cluster)).then_some(()));
    cluster.start();
    assert!(reached(&cluster));
}
