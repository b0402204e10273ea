//! The way to a cluster as kubeconfigs describe it: TLS, credentials, impersonation, proxies; and what is said when
//! one of them is wrong. Real files, a real TLS server, real proxies.

use crate::support::Home;
use base64::Engine;
use kokpit::cluster::api::ApiError;
use kokpit::cluster::hub::{Hub, HubOptions};
use kokpit::cluster::kubeconfig::{Flags, Loaded, Places, load_from};
use kokpit::world::fleet::ClusterId;
use serde_json::{Value, json};
use server::{Authority, Pair, Seen, TlsServer};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

mod proxy;
mod server;

use proxy::{Kind, Proxy};

const CLUSTER: ClusterId = ClusterId(0);

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A home with a kubeconfig, and the runtime that servers and hub run on.
struct Place {
    home: Home,
    runtime: Runtime,
}

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Self { home: Home::new(), runtime: runtime.expect("a runtime") }
    }

    fn server(&self, pair: &Pair) -> TlsServer {
        TlsServer::start(self.runtime.handle(), pair, None)
    }

    /// Writes the kubeconfig: one context `dev` with this cluster and this user.
    fn config(&self, cluster: &Value, user: &Value) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "dev",
            "clusters": [{"name": "prod-eu", "cluster": cluster}],
            "users": [{"name": "mara", "user": user}],
            "contexts": [{"name": "dev", "context": {"cluster": "prod-eu", "user": "mara"}}],
        });
        self.home.write("kubeconfig", config.to_string())
    }

    fn load(&self, flags: Flags) -> Loaded {
        let flags =
            Flags { kubeconfig: Some(self.home.path("kubeconfig")), request_timeout: Some(LONG_ENOUGH), ..flags };
        load_from(&flags, &Places::default()).expect("a kubeconfig")
    }

    fn hub_with(&self, flags: Flags) -> Hub {
        let options = HubOptions {
            heartbeat: LONG_ENOUGH,
            retry_first: LONG_ENOUGH,
            retry_most: LONG_ENOUGH,
            ..HubOptions::default()
        };
        Hub::new(self.load(flags).contexts, options, self.runtime.handle().clone(), Arc::new(|_, _| {}))
    }

    fn hub(&self, cluster: &Value, user: &Value) -> Hub {
        self.config(cluster, user);
        self.hub_with(Flags::default())
    }

    /// Asks for pods; the answer, or why there is none.
    fn ask(&self, hub: &Hub) -> Result<Value, Box<ApiError>> {
        let asked = async { hub.api(CLUSTER).await?.get("/api/v1/pods").await };
        self.runtime.block_on(asked).map_err(Box::new)
    }

    /// Asks a server through a kubeconfig; what the server saw of the last request.
    fn reach(&self, server: &TlsServer, cluster: &Value, user: &Value) -> Seen {
        let pods = self.ask(&self.hub(cluster, user)).expect("the cluster is reached");
        assert_eq!(pods["items"][0]["metadata"]["name"], "web-1");
        server.last()
    }

    /// A kubeconfig that leads nowhere: the sentence, which has all of `parts`.
    fn refused(&self, cluster: &Value, user: &Value, parts: &[&str]) -> String {
        let error = self.ask(&self.hub(cluster, user)).expect_err("this cannot be reached").to_string();
        for part in parts {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
        error
    }

    fn path(&self, name: &str) -> String {
        self.home.path(name).to_string_lossy().into_owned()
    }
}

/// Longer than a request takes on a busy machine, so that nothing here depends on time.
const LONG_ENOUGH: Duration = Duration::from_secs(25);

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    base64::engine::general_purpose::STANDARD.decode(body.trim()).expect("PEM")
}

#[test]
fn a_ca_from_a_file_and_from_data() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["127.0.0.1"]));
    place.home.write("pki/ca.crt", &ca.pem);
    // A relative path counts from the kubeconfig, not from where kokpit was started.
    let file = json!({"server": server.url("127.0.0.1"), "certificate-authority": "pki/ca.crt"});
    let seen = place.reach(&server, &file, &json!({}));
    assert_eq!((seen.headers_of_who(), seen.sni, seen.client), (vec![], None, None));
    // Data wins over a file, which then need not even exist (client-go: `rest.TLSClientConfig`).
    let data = json!({"server": server.url("127.0.0.1"), "certificate-authority": "/gone",
        "certificate-authority-data": base64(&ca.pem)});
    place.reach(&server, &data, &json!({}));
    let both = base64(&(Authority::new().pem + &ca.pem));
    place.reach(&server, &json!({"server": server.url("127.0.0.1"), "certificate-authority-data": both}), &json!({}));
}

impl Seen {
    /// Every header that says who asks.
    fn headers_of_who(&self) -> Vec<String> {
        ["authorization", "impersonate-user", "impersonate-group", "impersonate-uid"]
            .iter()
            .flat_map(|name| self.header(name))
            .collect()
    }
}

#[test]
fn a_port_where_nobody_listens_is_named_in_few_words() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", free.local_addr().expect("its address"));
    drop(free);
    let said = place.refused(&json!({"server": url}), &json!({}), &[]);
    assert_eq!(said, format!("{url}: Connection refused"));
}

#[test]
fn an_unknown_authority_is_refused_in_a_sentence_unless_told_to_skip_it() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["127.0.0.1"]));
    let other = base64(&Authority::new().pem);
    let url = server.url("127.0.0.1");
    place.refused(
        &json!({"server": url, "certificate-authority-data": other}),
        &json!({}),
        &[&url, "not signed by an authority", "certificate-authority"],
    );
    place.refused(&json!({"server": url}), &json!({}), &[&url, "not signed by an authority"]);
    assert!(server.seen().is_empty(), "nothing may be said to a server that could be anybody");
    place.reach(&server, &json!({"server": url, "insecure-skip-tls-verify": true}), &json!({}));
}

#[test]
fn an_expired_server_certificate() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign_until(&["127.0.0.1"], 2021));
    let cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    place.refused(&cluster, &json!({}), &[&server.url("127.0.0.1"), "certificate", "expired on 2021-12-31", "clock"]);
}

#[test]
fn a_certificate_for_another_name_and_tls_server_name() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["api.kokpit.test"]));
    let mut cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    place.refused(&cluster, &json!({}), &["127.0.0.1", "api.kokpit.test", "tls-server-name"]);
    cluster["tls-server-name"] = json!("api.kokpit.test");
    assert_eq!(place.reach(&server, &cluster, &json!({})).sni.as_deref(), Some("api.kokpit.test"));
    cluster["tls-server-name"] = json!("not a name");
    place.refused(&cluster, &json!({}), &[&place.path("kubeconfig"), "dev", "server name"]);
}

#[test]
fn a_client_certificate_from_files_and_from_data() {
    let (place, ca, people) = (Place::new(), Authority::new(), Authority::new());
    let server = TlsServer::start(place.runtime.handle(), &ca.sign(&["127.0.0.1"]), Some(&people));
    let mara = people.sign(&["mara"]);
    place.home.write("mara.crt", &mara.certificate);
    place.home.write("mara.key", &mara.key);
    let cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    let files = json!({"client-certificate": "mara.crt", "client-key": "mara.key"});
    assert_eq!(place.reach(&server, &cluster, &files).client, Some(der(&mara.certificate)));
    let data = json!({"client-certificate-data": base64(&mara.certificate), "client-key-data": base64(&mara.key)});
    assert_eq!(place.reach(&server, &cluster, &data).client, Some(der(&mara.certificate)));
    // The server tells us what is wrong with ours only after the handshake.
    let before = server.seen().len();
    let old = people.sign_until(&["mara"], 2021);
    let expired = json!({"client-certificate-data": base64(&old.certificate), "client-key-data": base64(&old.key)});
    place.refused(&cluster, &expired, &["client certificate", "expired", "renew"]);
    let stranger = Authority::new().sign(&["mara"]);
    let strange =
        json!({"client-certificate-data": base64(&stranger.certificate), "client-key-data": base64(&stranger.key)});
    place.refused(&cluster, &strange, &["client certificate", "does not accept"]);
    place.refused(&cluster, &json!({}), &["client certificate", "wants"]);
    assert_eq!(server.seen().len(), before);
}

#[test]
fn files_that_are_gone_or_rubbish_are_named_with_their_context() {
    let (place, ca) = (Place::new(), Authority::new());
    let (config, mara) = (place.path("kubeconfig"), ca.sign(&["mara"]));
    place.home.write("mara.crt", &mara.certificate);
    place.home.write("rubbish", "not a certificate");
    let cluster = json!({"server": "https://127.0.0.1:9", "certificate-authority-data": base64(&ca.pem)});
    let gone = |file: &str| [config.clone(), place.path(file), "context dev".into(), "restore the file".into()];
    let refused = |cluster: &Value, user: &Value, parts: &[String]| {
        place.refused(cluster, user, &parts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    refused(
        &json!({"server": "https://127.0.0.1:9", "certificate-authority": "gone.crt"}),
        &json!({}),
        &gone("gone.crt"),
    );
    refused(&cluster, &json!({"client-certificate": "gone.crt", "client-key": "gone.key"}), &gone("gone.crt"));
    refused(&cluster, &json!({"client-certificate": "mara.crt", "client-key": "gone.key"}), &gone("gone.key"));
    refused(
        &cluster,
        &json!({"tokenFile": "gone.token"}),
        &[place.path("gone.token"), "token file".into(), "dev".into()],
    );
    let named = |what: &str| [config.clone(), "context dev".into(), what.into()];
    let rubbish = json!({"server": "https://127.0.0.1:9", "certificate-authority": "rubbish"});
    refused(&rubbish, &json!({}), &named("certificate-authority"));
    let rubbish = json!({"server": "https://127.0.0.1:9", "certificate-authority-data": "%%%"});
    refused(&rubbish, &json!({}), &named("certificate authority"));
    refused(&cluster, &json!({"client-certificate": "mara.crt", "client-key": "rubbish"}), &named("private key"));
    refused(&cluster, &json!({"client-certificate": "mara.crt"}), &named("client-key"));
}

#[test]
fn tokens_basic_auth_and_a_token_no_header_can_carry() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["127.0.0.1"]));
    let cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    let sent = |user: &Value| place.reach(&server, &cluster, user).headers_of_who();
    assert_eq!(sent(&json!({"token": "abc\n"})), ["Bearer abc"]);
    assert_eq!(sent(&json!({"username": "mara", "password": "pa:ss"})), [format!("Basic {}", base64("mara:pa:ss"))]);
    // Where both are given the file counts, and the token is what is left without it (client-go:
    // `transport.NewBearerAuthWithRefreshRoundTripper`).
    place.home.write("token", "from-file");
    assert_eq!(sent(&json!({"token": "inline", "tokenFile": "token"})), ["Bearer from-file"]);
    assert_eq!(sent(&json!({"token": "inline", "tokenFile": "gone"})), ["Bearer inline"]);
    let before = server.seen().len();
    let said = place.refused(&cluster, &json!({"token": "hun\u{1}ter2"}), &["dev", "token", "characters"]);
    assert!(!said.contains("ter2"), "{said}");
    assert_eq!(server.seen().len(), before, "nobody is asked without the credentials that were meant");
}

#[test]
fn a_token_file_that_changes_is_read_again_when_the_server_says_401() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["127.0.0.1"]));
    place.home.write("token", "first\n");
    server.demand("Bearer first");
    let cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    let hub = place.hub(&cluster, &json!({"tokenFile": "token"}));
    place.ask(&hub).expect("the first token is good");
    place.home.write("token", "second\n");
    server.demand("Bearer second");
    place.ask(&hub).expect("the second token is found");
    let sent: Vec<_> = server.seen().iter().rev().take(2).flat_map(Seen::headers_of_who).collect();
    assert_eq!(sent, ["Bearer second", "Bearer first"]);
    // Mounted tokens may vanish for a moment while they are replaced.
    std::fs::remove_file(place.home.path("token")).expect("the file was there");
    place.ask(&hub).expect("the last token stays in use");
    let asked = server.seen().len();
    server.demand("Bearer third");
    assert_eq!(place.ask(&hub).expect_err("there is no third token").code(), 401);
    assert_eq!(server.seen().len(), asked + 1, "the same token is not tried twice");
}

#[test]
fn impersonation_from_the_kubeconfig_and_from_the_command_line() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["127.0.0.1"]));
    let cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    let user = json!({"token": "t", "as": "ops", "as-uid": "u-1", "as-groups": ["sre", "night shift"],
        "as-user-extra": {"Reason/Why": ["incident"]}});
    let seen = place.reach(&server, &cluster, &user);
    assert_eq!(seen.headers_of_who(), ["Bearer t", "ops", "sre", "night shift", "u-1"]);
    assert_eq!(seen.header("impersonate-extra-reason%2fwhy"), ["incident"]);
    // Who is named on the command line has not the groups of somebody else.
    let hub = place.hub_with(Flags { user_as: Some("jane".into()), ..Flags::default() });
    place.ask(&hub).expect("the cluster is reached");
    assert_eq!(server.last().headers_of_who(), ["Bearer t", "jane"]);
    assert!(server.last().header("impersonate-extra-reason%2fwhy").is_empty());
}

#[test]
fn a_plugin_that_hands_out_a_client_certificate() {
    let (place, ca, people) = (Place::new(), Authority::new(), Authority::new());
    let server = TlsServer::start(place.runtime.handle(), &ca.sign(&["127.0.0.1"]), Some(&people));
    let mara = people.sign(&["mara"]);
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"clientCertificateData": mara.certificate, "clientKeyData": mara.key}});
    place.home.write("credential.json", credential.to_string());
    // A command with a slash counts from the kubeconfig, as in client-go.
    script(&place, "login", &format!("echo run >> '{}'; cat '{}'", place.path("runs"), place.path("credential.json")));
    let cluster = json!({"server": server.url("127.0.0.1"), "certificate-authority-data": base64(&ca.pem)});
    let seen = place.reach(&server, &cluster, &plugin("./login"));
    assert_eq!((seen.client.as_deref(), seen.headers_of_who()), (Some(&*der(&mara.certificate)), vec![]));
    assert_eq!(place.home.read("runs"), "run\n", "once is enough for version, discovery and list");
}

#[test]
fn a_plugin_that_fails_is_quoted() {
    let place = Place::new();
    script(
        &place,
        "login",
        "echo \"Error: \u{1b}[31mthe SSO session has expired\u{1b}[0m\" >&2; echo 'run: sso login' >&2; exit 3",
    );
    let cluster = json!({"server": "https://127.0.0.1:9", "insecure-skip-tls-verify": true});
    let said = place.refused(
        &cluster,
        &plugin("./login"),
        &["context dev", "login", "exit status 3", "the SSO session has expired", "run: sso login"],
    );
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let mut user = plugin("kokpit-no-such-plugin");
    user["exec"]["installHint"] = json!("Install it with: brew install it");
    place.refused(&cluster, &user, &["kokpit-no-such-plugin", "cannot be started", "brew install it"]);
    // What a plugin printed may be a secret; half a certificate is as good as none.
    script(&place, "login", "echo hunter2");
    assert!(!place.refused(&cluster, &plugin("./login"), &["ExecCredential"]).contains("hunter2"));
    script(&place, "login", r#"echo '{"kind":"ExecCredential","status":{"clientCertificateData":"hunter2"}}'"#);
    assert!(!place.refused(&cluster, &plugin("./login"), &["without a token or certificate"]).contains("hunter2"));
}

fn script(place: &Place, name: &str, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = place.home.write(name, format!("#!/bin/sh\n{body}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a file of ours");
}

fn plugin(command: &str) -> Value {
    json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never"}})
}

#[test]
fn proxies_of_the_kubeconfig() {
    let (place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["api.kokpit.test"]));
    let runtime = place.runtime.handle();
    let (http, socks) =
        (Proxy::start(runtime, Kind::Connect, server.address), Proxy::start(runtime, Kind::Socks5, server.address));
    // A name that only a proxy can resolve; TLS goes through it to the end.
    let cluster = |proxy: &str| {
        json!({"server": "https://api.kokpit.test:6443", "proxy-url": proxy,
        "certificate-authority-data": base64(&ca.pem)})
    };
    let through = format!("http://mara:p%40ss@{}", http.address);
    let seen = place.reach(&server, &cluster(&through), &json!({"token": "t"}));
    assert_eq!((seen.sni.as_deref(), seen.headers_of_who()), (Some("api.kokpit.test"), vec!["Bearer t".to_string()]));
    let asked = http.asked();
    assert_eq!(asked.len(), 1, "one connection serves every request: {asked:?}");
    assert!(asked[0].starts_with("CONNECT api.kokpit.test:6443 HTTP/1.1\r\n"), "{}", asked[0]);
    let login = format!("Proxy-Authorization: Basic {}", base64("mara:p@ss"));
    assert!(asked[0].contains(&login) && !asked[0].contains("Bearer"), "{}", asked[0]);
    for scheme in ["socks5", "socks5h"] {
        place.reach(&server, &cluster(&format!("{scheme}://{}", socks.address)), &json!({}));
    }
    assert_eq!(socks.asked(), ["api.kokpit.test:6443"; 2]);
}

#[test]
fn proxies_that_do_not_work_are_named() {
    let place = Place::new();
    let runtime = place.runtime.handle();
    let server = place.server(&Authority::new().sign(&["127.0.0.1"]));
    let cluster = |proxy: &str| json!({"server": "https://api.kokpit.test", "proxy-url": proxy});
    let proxy = Proxy::start(runtime, Kind::Refuses(403), server.address);
    let (url, with_login) = (format!("http://{}", proxy.address), format!("http://mara:hunter2@{}", proxy.address));
    let said = place.refused(&cluster(&with_login), &json!({}), &["https://api.kokpit.test", "proxy", &url]);
    assert!(!said.contains("hunter2"), "{said}");
    let proxy = Proxy::start(runtime, Kind::Refuses(407), server.address);
    let url = format!("http://{}", proxy.address);
    place.refused(&cluster(&url), &json!({}), &[&url, "proxy authorization required"]);
    place.refused(&cluster("http://127.0.0.1:1"), &json!({}), &["http://127.0.0.1:1", "refused"]);
    place.refused(&cluster("socks5://127.0.0.1:1"), &json!({}), &["socks5://127.0.0.1:1", "SOCKS"]);
    let config = place.path("kubeconfig");
    place.refused(&cluster("ftp://127.0.0.1:1"), &json!({}), &[&config, "dev", "ftp"]);
    let said = place.refused(&cluster("http://mara:hunter2@[::"), &json!({}), &[&config, "dev", "proxy-url"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn proxies_of_the_environment() {
    let (mut place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["api.kokpit.test"]));
    let proxy = Proxy::start(place.runtime.handle(), Kind::Connect, server.address);
    place.config(
        &json!({"server": "https://api.kokpit.test:6443", "certificate-authority-data": base64(&ca.pem)}),
        &json!({}),
    );
    let ask = |home: &Home| home.run(&["why", "pod/web-9", "-n", "shop"]);
    // The name cannot be resolved: what arrives came through the proxy.
    place.home.set("HTTPS_PROXY", &proxy.address.to_string());
    let ran = ask(&place.home);
    assert!(server.seen().iter().any(|seen| seen.path == "/version"), "{}{}", ran.out, ran.err);
    let (used, seen) = (proxy.asked().len(), server.seen().len());
    assert!(used > 0);
    place.home.set("NO_PROXY", "10.0.0.0/8,.kokpit.test");
    let ran = ask(&place.home);
    assert_eq!((ran.code, proxy.asked().len(), server.seen().len()), (Some(2), used, seen), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("api.kokpit.test") && !ran.err.contains("proxy"), "{}", ran.err);
    place.home.set("NO_PROXY", "other.test");
    ask(&place.home);
    assert!(proxy.asked().len() > used);
}

#[test]
fn a_machine_without_certificates_reaches_what_needs_none() {
    let (mut place, ca) = (Place::new(), Authority::new());
    let server = place.server(&ca.sign(&["127.0.0.1"]));
    place.home.set("SSL_CERT_FILE", "/nowhere").set("SSL_CERT_DIR", "/nowhere");
    let ask = |place: &Place, cluster: Value| {
        place.config(&cluster, &json!({}));
        place.home.run(&["why", "pod/web-9", "-n", "shop"])
    };
    let ran = ask(&place, json!({"server": server.url("127.0.0.1"), "insecure-skip-tls-verify": true}));
    assert!(server.seen().iter().any(|seen| seen.path == "/version"), "{}{}", ran.out, ran.err);
    let plain = crate::support::http::small_cluster(|_| None);
    let ran = ask(&place, json!({"server": plain.url()}));
    assert!(plain.requests() > 0, "{}{}", ran.out, ran.err);
    let ran = ask(&place, json!({"server": server.url("127.0.0.1")}));
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("certificate-authority"), "{}", ran.err);
}

#[test]
fn a_server_that_does_not_speak_tls() {
    let place = Place::new();
    let plain = crate::support::http::small_cluster(|_| None);
    let url = plain.url().replace("http://", "https://");
    place.refused(&json!({"server": url, "insecure-skip-tls-verify": true}), &json!({}), &[&url, "TLS", "http://"]);
}
