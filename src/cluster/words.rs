//! What an error on the way to a server means, and what to do about it, in a sentence.
//!
//! The causes come as text from the libraries below (rustls and hyper-util keep their errors inside each other);
//! tests/it/connect.rs provokes each of them, so that an update that changes a text is noticed.

use super::api::ApiError;
use crate::world::text::clean;

/// An error with the server's name, the proxy's where there is one, and the remedy where there is one.
pub(super) fn in_words(server: &str, proxy: Option<&str>, error: &ApiError) -> String {
    let server = clean(server);
    match error {
        ApiError::Status { code: 401, .. } => {
            format!("{server} does not accept our credentials (401); log in again or renew them")
        }
        ApiError::Link(text) => {
            let through = proxy.map(|proxy| format!(" through the proxy {}", clean(proxy))).unwrap_or_default();
            format!("{server}{through}: {}", meaning(text).unwrap_or_else(|| text.clone()))
        }
        other => format!("{server}: {other}"),
    }
}

fn meaning(text: &str) -> Option<String> {
    if let Some((_, why)) = text.split_once("invalid peer certificate: ") {
        return server_certificate(why);
    }
    if let Some((_, alert)) = text.split_once("received fatal alert: ") {
        return client_certificate(alert);
    }
    let no_tls = ["tls handshake eof", "InvalidContentType", "corrupt message"];
    if no_tls.iter().any(|sign| text.contains(sign)) {
        return Some(format!("it does not seem to speak TLS ({text}); a plain server's URL begins with http://"));
    }
    text.contains("tunnel error: unsuccessful").then(|| "the proxy refuses to connect to this server".into())
}

/// What is wrong with the server's certificate (`rustls::CertificateError`).
fn server_certificate(why: &str) -> Option<String> {
    let authority = "correct `certificate-authority` or `certificate-authority-data` of the cluster";
    if let Some((_, after)) = why.split_once("certificate is not valid after ") {
        let seconds = after.split(' ').next().and_then(|n| n.parse().ok());
        let on = seconds
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .map(|at| format!(" on {}", at.strftime("%Y-%m-%d")))
            .unwrap_or_default();
        return Some(format!("its certificate expired{on}; have it renewed, or correct the clock of this machine"));
    }
    if why.contains("not valid for name") {
        return Some(format!("its {why}; correct `server`, or name the right one with `tls-server-name`"));
    }
    // An authority of the same name with another key shows as a bad signature: many clusters call theirs "kubernetes".
    let unknown = why.starts_with("UnknownIssuer") || why.starts_with("BadSignature");
    unknown.then(|| format!("its certificate is not signed by an authority that we trust; {authority}"))
}

/// What the server thinks of our certificate (RFC 8446, 6.2).
fn client_certificate(alert: &str) -> Option<String> {
    let renew = "renew `client-certificate` and `client-key` of the user, or log in again";
    let alert = alert.split([':', ' ']).next().unwrap_or_default();
    match alert {
        "CertificateRequired" => Some(format!("it wants a client certificate, and the user has none; {renew}")),
        "CertificateExpired" => Some(format!("our client certificate has expired; {renew}")),
        "BadCertificate"
        | "UnsupportedCertificate"
        | "CertificateRevoked"
        | "CertificateUnknown"
        | "UnknownCA"
        | "AccessDenied"
        | "DecryptError" => Some(format!("it does not accept our client certificate ({alert}); {renew}")),
        _ => None,
    }
}
