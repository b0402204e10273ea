//! A TLS server that answers like a small API server and remembers who asked, and the authority that signs for it.

use crate::connect::lock;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A certificate authority of a test.
pub struct Authority {
    /// Its certificate, PEM.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, both PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// A new authority that nobody trusts yet.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for these host names and addresses.
    pub fn sign(&self, names: &[&str]) -> Pair {
        self.sign_until(names, 2090)
    }

    /// A certificate that is valid until the end of a year.
    pub fn sign_until(&self, names: &[&str], year: i32) -> Pair {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// What the server saw of one request.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    /// Server name indication.
    pub sni: Option<String>,
    /// The client's certificate, DER.
    pub client: Option<Vec<u8>>,
    headers: http::HeaderMap,
}

impl Seen {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect()
    }
}

/// The server; it ends with the runtime it was started on.
pub struct TlsServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    wanted: Arc<Mutex<Option<String>>>,
}

impl TlsServer {
    /// Starts a server with a certificate; clients may show one of `clients` (`None`: nobody is asked for one).
    pub fn start(runtime: &Handle, pair: &Pair, clients: Option<&Authority>) -> Self {
        let config = ServerConfig::builder();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("PEM")).expect("a root");
                let verifier = WebPkiClientVerifier::builder(roots.into()).build().expect("a verifier");
                config.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
        let config = config.with_single_cert(chain, key).expect("a certificate that fits its key");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let server =
            Self { address: listener.local_addr().expect("an address"), seen: Arc::default(), wanted: Arc::default() };
        let (seen, wanted) = (server.seen.clone(), server.wanted.clone());
        runtime.spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), seen, wanted));
        server
    }

    /// From now on only requests with this `Authorization` are let in; the others get 401.
    pub fn demand(&self, authorization: &str) {
        *lock(&self.wanted) = Some(authorization.into());
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// The latest request.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the server was asked something")
    }

    /// `https://<host>:<port>`
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Vec<Seen>>>,
    wanted: Arc<Mutex<Option<String>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen, wanted) = (acceptor.clone(), seen.clone(), wanted.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let session = stream.get_ref().1;
            let sni = session.server_name().map(str::to_string);
            let client = session.peer_certificates().and_then(|chain| chain.first()).map(|c| c.to_vec());
            let service = service_fn(move |request: Request<Incoming>| {
                let one = Seen {
                    path: request.uri().path().to_string(),
                    sni: sni.clone(),
                    client: client.clone(),
                    headers: request.headers().clone(),
                };
                let allowed = lock(&wanted).as_ref().is_none_or(|w| one.header("authorization") == [w.clone()]);
                let answer = answer(&one.path, allowed);
                lock(&seen).push(one);
                async move { Ok::<_, Infallible>(answer) }
            });
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(path: &str, allowed: bool) -> Response<Full<Bytes>> {
    let status =
        |code: u16, reason: &str| (code, json!({"kind": "Status", "code": code, "reason": reason, "message": reason}));
    let (code, body) = match path {
        _ if !allowed => status(401, "Unauthorized"),
        "/version" => (200, json!({"gitVersion": "v1.36.2"})),
        "/api" => (200, json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => (200, json!({"kind": "APIGroupList", "groups": []})),
        "/api/v1" => (
            200,
            json!({"kind": "APIResourceList", "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get", "list"]}]}),
        ),
        "/api/v1/pods" => (
            200,
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
            "items": [crate::support::http::pod("web-1")]}),
        ),
        _ => status(404, "NotFound"),
    };
    let answer = Response::builder().status(code).header("Content-Type", "application/json");
    answer.body(Full::new(Bytes::from(body.to_string()))).expect("an answer")
}
