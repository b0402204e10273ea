//! Servers that answer rubbish, too much, half, or not at all.

use super::*;

/// A healthy cluster beside a broken one: what is wrong with one must not be felt on the other.
fn beside(home: &Home, broken: &Server) -> Server {
    let healthy = small_cluster(|_| None);
    home.kubeconfig(&[("healthy", &healthy.url()), ("broken", &broken.url())]);
    healthy
}

/// Runs `why` against a server that a case breaks, within a limit.
fn why(broken: &Server, extra: &[&str]) -> crate::support::Ran {
    let home = Home::new();
    home.kubeconfig(&[("broken", &broken.url())]);
    let start = Instant::now();
    let ran = home.run(&[&["why", "pod/web-1", "-n", "shop", "--request-timeout", "2s"], extra].concat());
    assert!(start.elapsed() < LIMIT, "it took {} s", start.elapsed().as_secs());
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

fn is_list(request: &Request) -> bool {
    request.plain() == "/api/v1/pods" && !request.watches()
}

#[test]
fn a_server_that_answers_html() {
    let page = b"<html><head><title>Sign in</title></head></html>".to_vec();
    let server = Server::start(move |_| Reply::Whole(200, "text/html", page.clone()));
    let ran = why(&server, &[]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("broken") && ran.err.contains("JSON"), "{}", ran.err);
    let home = Home::new();
    let _healthy = beside(&home, &server);
    let mut tui = home.tui(&["--all-contexts", "-A"]);
    tui.send(":pods\r").wait("web-1");
    assert!(tui.text().contains("broken unreachable"), "{}", tui.text());
    tui.quit();
    tui.assert_restored();
}

#[test]
fn a_server_that_says_unauthorized() {
    let server = Server::start(|_| Reply::status(401, "Unauthorized", "Unauthorized"));
    let ran = why(&server, &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("401") && ran.err.contains("log in again"), "{}", ran.err);
}

#[test]
fn a_server_that_never_answers() {
    let server = Server::start(|_| Reply::Silence);
    let ran = why(&server, &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("broken") && ran.err.contains("2 s"), "the wait is named: {}", ran.err);
    let home = Home::new();
    let _healthy = beside(&home, &server);
    let mut tui = home.tui(&["--all-contexts", "-A", "--request-timeout", "2s"]);
    tui.send(":pods\r").wait_within(Duration::from_secs(5), "the pods of the other cluster", |screen| {
        screen.contents().contains("web-1")
    });
    tui.send(":fleet\r").wait("broken unreachable");
    tui.quit();
}

#[test]
fn a_page_that_is_cut_comes_whole_later() {
    let healed = Arc::new(AtomicBool::new(false));
    let now = healed.clone();
    let server = small_cluster(move |request| {
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [pod("web-1"), pod("web-2"), pod("web-3")]});
        let body = list.to_string().into_bytes();
        match (is_list(request), now.load(Ordering::SeqCst)) {
            (true, false) => Some(Reply::Cut(body.clone(), body.len() - 300)),
            (true, true) => Some(Reply::Whole(200, "application/json", body)),
            _ => None,
        }
    });
    let home = Home::new();
    home.kubeconfig(&[("broken", &server.url())]);
    let mut tui = home.tui(&["-A"]);
    tui.send(":pods\r").wait("web-1");
    healed.store(true, Ordering::SeqCst);
    tui.wait("web-3");
    tui.wait("live");
    tui.quit();
}

#[test]
fn an_object_of_sixty_megabytes() {
    let mut giant = pod("giant");
    giant["metadata"]["annotations"] = json!({"blob": "x".repeat(60_000_000)});
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [pod("web-1"), giant, pod("web-2")]});
    let body = list.to_string().into_bytes();
    let server =
        small_cluster(move |request| is_list(request).then(|| Reply::Whole(200, "application/json", body.clone())));
    let home = Home::new();
    home.kubeconfig(&[("big", &server.url())]);
    let mut tui = home.tui(&["-A"]);
    tui.send(":pods\r").wait("web-1");
    tui.wait("web-2");
    tui.wait("giant");
    // The keyboard answers whatever the list holds.
    tui.send("/web-2\r").wait_gone("giant");
    tui.quit();
}

#[test]
fn bytes_that_are_not_utf8() {
    let good = |name: &str| pod(name).to_string().into_bytes();
    let bad = String::from_utf8(good("web-2")).unwrap().replace("web:1", "web:\u{1}x");
    let mut bad = bad.into_bytes();
    bad.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xff);
    let head = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":["#.to_vec();
    let body = [head, good("web-1"), b",".to_vec(), bad, b",".to_vec(), good("web-3"), b"]}".to_vec()].concat();
    let server =
        small_cluster(move |request| is_list(request).then(|| Reply::Whole(200, "application/json", body.clone())));
    let home = Home::new();
    home.kubeconfig(&[("odd", &server.url())]);
    let mut tui = home.tui(&["-A"]);
    // One object that cannot be read takes no other with it.
    tui.send(":pods\r").wait("web-1");
    tui.wait("web-3");
    tui.quit();
}

#[test]
fn names_with_escape_sequences() {
    let evil = "evil\u{1b}]0;owned\u{7}\u{1b}[31mred\u{202e}";
    let mut one = pod("x");
    one["metadata"]["name"] = json!(evil);
    one["status"]["reason"] = json!(evil);
    one["spec"]["nodeName"] = json!(evil);
    let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [one, pod("web-1")]});
    let server = small_cluster(move |request| match request.plain() {
        "/api/v1/pods" if !request.watches() => Some(Reply::json(&list)),
        "/version" => Some(Reply::json(&json!({"gitVersion": format!("v1.36.2{evil}")}))),
        _ => None,
    });
    let home = Home::new();
    home.kubeconfig(&[("odd", &server.url())]);
    let mut tui = home.tui(&["-A"]);
    tui.send(":pods\r").wait("evil");
    tui.wait("web-1");
    tui.send("/evil\r").wait_gone("web-1");
    tui.send("d").wait("Containers");
    tui.send("\u{1b}").send("y").wait("kind: Pod");
    let raw = String::from_utf8_lossy(&tui.raw()).into_owned();
    assert!(!raw.contains("\u{1b}]0;owned"), "no title of theirs");
    assert!(!raw.contains('\u{202e}'), "no bidi override");
    tui.quit();
}

#[test]
fn a_log_without_an_end_is_read_as_far_as_it_was_asked_for() {
    let ended = serde_json::json!({"terminated": {"exitCode": 3, "reason": "Error", "startedAt": "2026-11-21T09:00:00Z", "finishedAt": "2026-11-21T09:00:01Z"}});
    let server = small_cluster(move |request| match request.plain() {
        "/api/v1/namespaces/shop/pods/web-1" => {
            let mut pod = pod("web-1");
            let status = &mut pod["status"]["containerStatuses"][0];
            (status["ready"], status["restartCount"]) = (false.into(), 4.into());
            status["state"] = serde_json::json!({"waiting": {"reason": "CrashLoopBackOff"}});
            status["lastState"] = ended.clone();
            pod["status"]["conditions"][0]["status"] = "False".into();
            Some(Reply::json(&pod))
        }
        path if path.ends_with("/log") => Some(Reply::Stream(Box::new(|out| {
            loop {
                out.send(b"panic: no DATABASE_URL\n")?;
            }
        }))),
        _ => None,
    });
    let ran = why(&server, &[]);
    assert!(ran.out.contains("no DATABASE_URL"), "{}{}", ran.out, ran.err);
}

#[test]
fn a_connection_that_is_closed_without_a_word() {
    let server = Server::start(|_| Reply::Close);
    let ran = why(&server, &[]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("broken"), "the cluster is named: {}", ran.err);
}
