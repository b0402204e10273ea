//! From a context to a client that answers: TLS, proxies, credentials, timeouts of our own.
//!
//! kube's client is built without its credentials and without its silent retries; [`Credentials`] stand around it,
//! so that a plugin runs once and a 401 is answered with fresh credentials once.

use super::credentials::{Credential, Credentials};
use super::kubeconfig::{Context, Entries};
use super::throttle::Throttle;
use crate::world::text::clean;
use base64::Engine;
use futures::FutureExt;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use kube::client::Body;
use kube::config::{
    AuthInfo, Cluster, Config, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use secrecy::ExposeSecret;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tower::BoxError;

/// How long a TCP connection and TLS may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a credentials plugin may take; it may open a login page.
pub const PLUGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A client and the credential its connection was built with.
#[derive(Clone)]
pub struct Connection {
    /// Sends requests, authenticated.
    pub client: kube::Client,
    credential: Credential,
    proxy: Option<String>,
}

impl Connection {
    /// Whether the client certificate it was built with has to be replaced.
    pub fn is_over(&self) -> bool {
        self.credential.is_over()
    }

    /// The proxy it goes through, without its login.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }
}

/// The credentials of a context, to be kept for the life of the program.
pub fn credentials(context: &Context) -> Credentials {
    let cluster = context.entries.cluster.as_ref().map(|(cluster, _)| cluster);
    Credentials::new(&context.name, &context.entries.user.0, cluster, PLUGIN_TIMEOUT)
}

/// Builds the client of a context. Nothing is asked of the server yet.
///
/// # Errors
/// A sentence: a file that is gone, a URL that is none, a plugin that failed.
pub async fn connect(
    context: &Context,
    credentials: &Arc<Credentials>,
    throttle: &Arc<Throttle>,
    timeout: Duration,
) -> Result<Connection, String> {
    let credential = credentials.get().await?;
    let (context, identity) = (context.clone(), credential.identity.clone());
    // Files, certificates and DNS settings are read while a client is built: off the async workers.
    let (inner, proxy) = tokio::task::spawn_blocking(move || {
        let (cluster, mut user) = entries(&context)?;
        let proxy = cluster.proxy_url.as_deref().map(without_login);
        if let Some(identity) = identity {
            let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
            user.client_certificate_data = Some(encode(&identity.certificate));
            user.client_key_data = Some(encode(&identity.key).into());
        }
        Ok::<_, String>((build(&context, cluster, user, timeout)?, proxy))
    })
    .await
    .map_err(|_| "building the connection failed; the log has details".to_string())??;
    let client = authorized(inner, credentials.clone(), throttle.clone());
    Ok(Connection { client, credential, proxy })
}

/// The cluster and the user, without what [`Credentials`] take care of; every file they name can be read.
fn entries(context: &Context) -> Result<(Cluster, AuthInfo), String> {
    let Entries { cluster, user: (user, user_file) } = &*context.entries;
    let Some((cluster, file)) = cluster else {
        return Err(format!(
            "{} names the cluster \"{}\", which is not there; correct the context",
            place(&context.file, context),
            clean(&context.cluster)
        ));
    };
    if cluster.server.as_deref().unwrap_or_default().is_empty() {
        let name = clean(&context.cluster);
        return Err(format!("{}: cluster \"{name}\" has no `server`; add its URL", place(file, context)));
    }
    // An empty entry is none (client-go treats both alike).
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let mut cluster = cluster.clone();
    cluster.proxy_url = proxy(&cluster, &|name| std::env::var(name).ok());
    cluster.certificate_authority_data = given(&cluster.certificate_authority_data);
    cluster.certificate_authority = given(&cluster.certificate_authority);
    if cluster.certificate_authority_data.is_none() {
        let at = format!("{}: certificate-authority of cluster \"{}\"", place(file, context), clean(&context.cluster));
        readable(&at, cluster.certificate_authority.as_deref())?;
    }
    let user = AuthInfo {
        token: None,
        token_file: None,
        exec: None,
        username: None,
        password: None,
        client_certificate_data: given(&user.client_certificate_data),
        client_certificate: given(&user.client_certificate),
        client_key_data: user.client_key_data.clone().filter(|key| !key.expose_secret().is_empty()),
        client_key: given(&user.client_key),
        ..user.clone()
    };
    identity(&format!("{}: user \"{}\"", place(user_file, context), clean(&context.user)), &user)?;
    Ok((cluster, user))
}

/// Where something stands: the file, and the context that leads there.
fn place(file: &Path, context: &Context) -> String {
    format!("kubeconfig {}, context {}", file.display(), clean(&context.name))
}

/// A client certificate has a key, and where they are files, both can be read.
fn identity(at: &str, user: &AuthInfo) -> Result<(), String> {
    let (data, file) = (user.client_certificate_data.is_some(), user.client_certificate.as_deref());
    let (key_data, key_file) = (user.client_key_data.is_some(), user.client_key.as_deref());
    if !data {
        readable(&format!("{at}: client-certificate"), file)?;
    }
    if !key_data {
        readable(&format!("{at}: client-key"), key_file)?;
    }
    match (data || file.is_some(), key_data || key_file.is_some()) {
        (true, false) => Err(format!("{at} has a client-certificate without a client-key; add the key")),
        (false, true) => Err(format!("{at} has a client-key without a client-certificate; add the certificate")),
        _ => Ok(()),
    }
}

fn readable(at: &str, path: Option<&str>) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    std::fs::File::open(path).map(drop).map_err(|e| {
        format!("{at} is {}, which cannot be read ({e}); restore the file or correct the entry", clean(path))
    })
}

/// A URL without user and password.
fn without_login(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
        None => url.rsplit('@').next().unwrap_or_default().into(),
    }
}

fn build(context: &Context, cluster: Cluster, user: AuthInfo, timeout: Duration) -> Result<kube::Client, String> {
    let name = String::from("it");
    let proxy_url = cluster.proxy_url.clone();
    let named = cluster.certificate_authority.is_some() || cluster.certificate_authority_data.is_some();
    let kubeconfig = Kubeconfig {
        clusters: vec![NamedCluster { name: name.clone(), cluster: Some(cluster), ..NamedCluster::default() }],
        auth_infos: vec![NamedAuthInfo { name: name.clone(), auth_info: Some(user), ..NamedAuthInfo::default() }],
        contexts: vec![NamedContext {
            name: name.clone(),
            context: Some(kube::config::Context {
                cluster: name.clone(),
                user: Some(name.clone()),
                namespace: Some(context.namespace.clone()).filter(|ns| !ns.is_empty()),
                ..kube::config::Context::default()
            }),
            ..NamedContext::default()
        }],
        current_context: Some(name),
        ..Kubeconfig::default()
    };
    let wrong = |what: &dyn std::fmt::Display| {
        let text = what.to_string();
        // Errors about a URL quote it.
        let login = proxy_url.as_deref().and_then(|url| url.rsplit_once('@')?.0.split("://").last());
        let text = login.map(|login| text.replace(&format!("{login}@"), "")).unwrap_or(text);
        format!("{}: {}", place(&context.file, context), clean(&text))
    };
    let proxy = match &proxy_url {
        Some(url) => {
            Some(url.parse().map_err(|e| wrong(&format!("proxy-url {} is not a URL ({e})", without_login(url))))?)
        }
        None => None,
    };
    let options = KubeConfigOptions::default();
    // An `async fn` that never waits.
    let loading = Config::from_custom_kubeconfig(kubeconfig, &options).now_or_never();
    let mut config = loading.unwrap_or(Err(kube::config::KubeconfigError::FindPath)).map_err(|e| wrong(&e))?;
    config.proxy_url = proxy;
    match &config.root_cert {
        Some(roots) if roots.is_empty() && named => {
            return Err(wrong(&"there is no certificate in certificate-authority; correct the cluster"));
        }
        // The system's certificates are looked at only where they count: a machine may have none.
        None if config.accept_invalid_certs || config.cluster_url.scheme_str() == Some("http") => {
            config.root_cert = Some(vec![]);
        }
        _ => {}
    }
    config.connect_timeout = Some(timeout);
    config.default_retry = false;
    kube::Client::try_from(config).map_err(|e| match super::api::chain(&e) {
        text if text.contains("invalid dns name") => {
            wrong(&"`tls-server-name` is not a server name; correct the cluster")
        }
        text if text.contains("No CA certificates were loaded") => {
            wrong(&"this machine trusts no authority; name the cluster's with `certificate-authority`")
        }
        text => wrong(&text),
    })
}

/// Puts credentials around a client: a header on every request, and one try with fresh ones after 401. A server that
/// wants to be left alone for a while is.
fn authorized(inner: kube::Client, credentials: Arc<Credentials>, throttle: Arc<Throttle>) -> kube::Client {
    let namespace = inner.default_namespace().to_string();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, credentials, throttle) = (inner.clone(), credentials.clone(), throttle.clone());
        async move {
            let method = request.method().clone();
            match throttle.too_early(&method) {
                Some(refusal) => Ok(refusal),
                None => send(&client, &credentials, request).await.map(|answer| throttle.heed(&method, answer)),
            }
        }
    });
    kube::Client::new(service, namespace)
}

async fn send(
    client: &kube::Client,
    credentials: &Credentials,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let credential = credentials.get().await?;
    let again = body.try_clone();
    let answer = ask(client, sign(Request::from_parts(parts.clone(), body), &credential)).await?;
    let Some(body) = again.filter(|_| answer.status() == StatusCode::UNAUTHORIZED) else { return Ok(answer) };
    match credentials.after_401(&credential).await? {
        Some(newer) => Ok(ask(client, sign(Request::from_parts(parts, body), &newer)).await?),
        None => Ok(answer),
    }
}

/// How often a request is handed to a new connection that ends before it could be sent.
const UNSENT_TRIES: usize = 3;

/// Sends a request; again where its connection ended before anything was sent. A server that refuses our certificate
/// says so only after the handshake (RFC 8446, 4.4.2): whether the request or the alert comes first is chance, and
/// only the alert names the reason.
async fn ask(client: &kube::Client, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
    let (parts, mut body) = request.into_parts();
    let mut tries = 1;
    loop {
        let again = body.try_clone();
        match (client.send(Request::from_parts(parts.clone(), body)).await, again) {
            (Err(error), Some(same)) if tries < UNSENT_TRIES && was_not_sent(&error) => body = same,
            (answer, _) => return answer,
        }
        tries += 1;
    }
}

/// Whether hyper took a request back because its connection was gone.
fn was_not_sent(error: &kube::Error) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.filter_map(|error| error.downcast_ref::<hyper::Error>()).any(hyper::Error::is_canceled)
}

fn sign(mut request: Request<Body>, credential: &Credential) -> Request<Body> {
    if let Some(header) = &credential.header {
        request.headers_mut().insert(AUTHORIZATION, header.clone());
    }
    request
}

/// The proxy to use: the cluster's own, else the environment's unless `NO_PROXY` names the host.
/// Loopback is never proxied (Go: `httpproxy.Config.ProxyFunc`, which client-go uses).
fn proxy(cluster: &Cluster, var: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let own = cluster.proxy_url.clone().filter(|url| !url.is_empty());
    own.or_else(|| {
        let server: http::Uri = cluster.server.as_deref()?.parse().ok()?;
        let host = server.host()?.trim_matches(['[', ']']).to_lowercase();
        let get = |name: &str| var(name).or_else(|| var(&name.to_lowercase())).filter(|v| !v.is_empty());
        let url = get(if server.scheme_str() == Some("http") { "HTTP_PROXY" } else { "HTTPS_PROXY" })?;
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        (!local && !excluded(&host, &get("NO_PROXY").unwrap_or_default()))
            .then(|| if url.contains("://") { url } else { format!("http://{url}") })
    })
    // The proxy resolves names in both forms here.
    .map(|url| url.replacen("socks5h://", "socks5://", 1))
}

/// Whether a `NO_PROXY` list names a host: `*`, a domain and what is below it, an address, a network.
fn excluded(host: &str, list: &str) -> bool {
    let ip = host.parse::<IpAddr>().ok();
    list.split(',').map(|entry| entry.trim().to_lowercase()).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" || entry == host {
            return true;
        }
        if let Some((net, bits)) = entry.split_once('/') {
            return ip.is_some_and(|ip| in_network(ip, net, bits));
        }
        let domain = entry.trim_start_matches("*").trim_start_matches('.');
        ip.is_none() && (host == domain && !entry.starts_with('.') || host.ends_with(&format!(".{domain}")))
    })
}

fn in_network(ip: IpAddr, net: &str, bits: &str) -> bool {
    let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (ip, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) if bits <= 32 => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) if bits <= 128 => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_left_out() {
        assert_eq!(without_login("http://mara:p@ss@proxy:3128"), "http://proxy:3128");
        assert_eq!(without_login("socks5://proxy"), "socks5://proxy");
        assert_eq!(without_login("mara@proxy"), "proxy");
    }

    #[test]
    fn proxies_come_from_the_cluster_or_the_environment() {
        let env = |name: &str| match name {
            "HTTPS_PROXY" => Some("proxy:3128".to_string()),
            "no_proxy" => Some("10.0.0.0/8, .corp.example,exact.org".to_string()),
            _ => None,
        };
        let of = |server: &str, own: Option<&str>| {
            let (server, proxy_url) = (Some(server.to_string()), own.map(String::from));
            proxy(&Cluster { server, proxy_url, ..Cluster::default() }, &env)
        };
        assert_eq!(of("https://api.example.com", None).as_deref(), Some("http://proxy:3128"));
        assert_eq!(of("https://10.1.2.3:6443", None), None);
        assert_eq!(of("https://k.corp.example", None), None);
        assert_eq!(of("https://a.exact.org", None), None);
        assert_eq!(of("https://127.0.0.1:6443", None), None);
        assert_eq!(of("http://api.example.com", None), None);
        assert_eq!(of("https://10.1.2.3", Some("socks5h://s:1080")).as_deref(), Some("socks5://s:1080"));
    }
}
