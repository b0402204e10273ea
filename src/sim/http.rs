//! The HTTP side of an embedded server: bodies, answers, query strings and the `Accept` header.

use crate::sim::store::Failure;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::Stream;
use http::{HeaderMap, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;
use std::convert::Infallible;
use std::io::{self, Write};
use std::time::Duration;

/// What every answer is sent as.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Bodies above this are compressed for clients that accept it, as a real server does
/// (`apiserver/pkg/endpoints/handlers/responsewriters/writers.go`).
const GZIP_FROM: usize = 128 * 1024;

/// An answer with a body that is known.
pub fn bytes(code: u16, media: &str, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync();
    finish(code, media, body)
}

/// An answer whose body comes in pieces; an error in the stream breaks the connection off.
pub fn stream(media: &str, pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Response<Body> {
    use futures::StreamExt;
    finish(200, media, BodyExt::boxed_unsync(StreamBody::new(pieces.map(|piece| piece.map(Frame::data)))))
}

fn finish(code: u16, media: &str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    if let Ok(media) = header::HeaderValue::from_str(media) {
        headers.insert(header::CONTENT_TYPE, media);
    }
    answer
}

/// A JSON answer.
pub fn json(code: u16, value: &Value) -> Response<Body> {
    bytes(code, "application/json", value.to_string())
}

/// The `Status` of a refusal.
pub fn failure(failure: &Failure) -> Response<Body> {
    json(failure.code, &failure.status())
}

/// A large body, compressed if the client accepts it.
pub fn large(media: &str, body: Vec<u8>, gzip: bool) -> Response<Body> {
    if !gzip || body.len() < GZIP_FROM {
        return bytes(200, media, body);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(packed) => {
            let mut answer = bytes(200, media, packed);
            answer.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
            answer.headers_mut().insert(header::VARY, header::HeaderValue::from_static("Accept-Encoding"));
            answer
        }
        Err(_) => bytes(200, media, body),
    }
}

/// Sets the `Date` of an answer to that of a clock that is ahead by so many seconds.
pub fn date(answer: &mut Response<Body>, ahead: i64) {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
    let text = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = header::HeaderValue::from_str(&text) {
        answer.headers_mut().insert(header::DATE, value);
    }
}

/// The same answer, its body at so many bytes a second.
pub fn trickle(answer: Response<Body>, rate: u32) -> Response<Body> {
    use futures::StreamExt;
    let (parts, body) = answer.into_parts();
    let piece = (rate as usize / 10).max(1);
    let pieces = body.into_data_stream().flat_map(move |data| {
        let parts: Vec<io::Result<Bytes>> = match data {
            Ok(data) => data.chunks(piece).map(|part| Ok(Bytes::copy_from_slice(part))).collect(),
            Err(error) => vec![Err(error)],
        };
        futures::stream::iter(parts)
    });
    let slow = pieces.then(|part| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        part
    });
    Response::from_parts(parts, BodyExt::boxed_unsync(StreamBody::new(slow.map(|part| part.map(Frame::data)))))
}

/// Adds one `Warning` header as an API server writes it (RFC 7234, code 299).
pub fn warn(answer: &mut Response<Body>, sentence: &str) {
    let quoted = sentence.replace('\\', "\\\\").replace('"', "\\\"");
    if let Ok(value) = header::HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
        answer.headers_mut().append(header::WARNING, value);
    }
}

/// The parameters of a request, decoded, in their order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    /// The first value of a parameter, `""` where it is absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true` or `1`.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    /// A parameter as a number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).parse().ok()
    }
}

/// Undoes percent-encoding; `+` is a space.
pub fn decode(text: &str) -> String {
    let raw = text.as_bytes();
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        let hex = raw.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How objects are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Plain,
    /// As rows of a `Table`.
    Table,
    /// `metadata` alone.
    Metadata,
    /// A discovery document in one piece.
    Discovery,
}

/// What the `Accept` header asks for first among what this server can write; `None` where there is nothing.
pub fn accepted(headers: &HeaderMap) -> Option<Form> {
    let accept = header_text(headers, "accept");
    if accept.trim().is_empty() {
        return Some(Form::Plain);
    }
    accept.split(',').find_map(clause)
}

fn clause(text: &str) -> Option<Form> {
    let mut parts = text.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*" | "text/plain") {
        return None;
    }
    let (mut shape, mut group, mut version) = ("", "", "");
    for (key, value) in parts.filter_map(|part| part.split_once('=')) {
        match key.trim() {
            "as" => shape = value,
            "g" => group = value,
            "v" => version = value,
            _ => {}
        }
    }
    match (shape, group, version) {
        ("", _, _) => Some(Form::Plain),
        ("Table", "meta.k8s.io", "v1") => Some(Form::Table),
        ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => Some(Form::Metadata),
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Form::Discovery),
        _ => None,
    }
}

/// A header as text, `""` where it is absent or not text.
pub fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse("labelSelector=app%3Dweb%2Cx&limit=5&watch=1&a=b+c&cut=%4&all=1&all=2");
        assert_eq!(query.get("labelSelector"), "app=web,x");
        assert_eq!(query.number::<usize>("limit"), Some(5));
        assert!(query.flag("watch") && !query.flag("nothing"));
        assert_eq!((query.get("a"), query.get("cut")), ("b c", "%4"));
        assert_eq!(query.all("all").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn accept_names_the_first_form_that_can_be_written() {
        let form = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            accepted(&headers)
        };
        assert_eq!(form("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Some(Form::Table));
        assert_eq!(form("application/json;as=Table;v=v9;g=meta.k8s.io,application/json"), Some(Form::Plain));
        assert_eq!(form("application/vnd.kubernetes.protobuf, */*"), Some(Form::Plain));
        assert_eq!(form("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"), Some(Form::Metadata));
        assert_eq!(form("application/vnd.kubernetes.protobuf"), None);
    }
}
