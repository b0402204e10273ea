//! Plain requests to one API server: [`Api`] wraps a connected client, [`ApiError`] says what went wrong in words.
//!
//! Everything a person waits for goes through here with a timeout of our own and without kube's silent retries
//! (kube's client would retry 429 and 5xx for minutes).

use crate::world::object::{Resource, str_at};
use crate::world::text::clean;
use crate::world::time::Time;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;

/// Media type of a JSON merge patch (RFC 7396).
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// Media type of a JSON patch (RFC 6902).
pub const JSON_PATCH: &str = "application/json-patch+json";
/// Media type of a strategic merge patch.
pub const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
/// Media type of server-side apply.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// Our name in `metadata.managedFields`.
pub const FIELD_MANAGER: &str = "kokpit";

/// What an API server, or the way to it, answered instead of a result.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ApiError {
    /// The server said no: a `Status` body or what could be made of one.
    #[error("{message}")]
    Status {
        /// HTTP status code.
        code: u16,
        /// Machine-readable reason of the `Status` (`NotFound`, `Conflict`, `Expired` …), may be empty.
        reason: String,
        /// The server's sentence.
        message: String,
        /// `details` of the `Status`, or null.
        details: Value,
    },
    /// No usable answer: refused, reset, TLS, DNS, credentials.
    #[error("{0}")]
    Link(String),
    /// No answer in time.
    #[error("no answer within {0} s")]
    Timeout(u64),
    /// An answer that is not what an API server sends (HTML, broken JSON, cut off).
    #[error("{0}")]
    Malformed(String),
}

impl ApiError {
    /// The HTTP status, 0 where there was none.
    pub fn code(&self) -> u16 {
        match self {
            ApiError::Status { code, .. } => *code,
            _ => 0,
        }
    }

    /// Made from a status line and a body: a `Status` object, or the start of whatever came instead.
    pub fn from_body(code: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(status) if str_at(&status, "/kind") == "Status" => ApiError::Status {
                code,
                reason: str_at(&status, "/reason").into(),
                message: clean(str_at(&status, "/message")).into_owned(),
                details: status.get("details").cloned().unwrap_or(Value::Null),
            },
            _ => {
                let start: String = String::from_utf8_lossy(body).chars().take(120).collect();
                ApiError::Status {
                    code,
                    reason: String::new(),
                    message: format!("HTTP {code}, not from a Kubernetes API server: {}", clean(start.trim())),
                    details: Value::Null,
                }
            }
        }
    }
}

/// One API server, reached as one user. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
    timeout: Duration,
}

impl Api {
    /// Wraps a connected client; `timeout` bounds every plain request.
    pub fn new(client: kube::Client, timeout: Duration) -> Self {
        Self { client, timeout }
    }

    /// How long a plain request may stay silent.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The client, for streams (watch, logs, exec).
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Sends one request and reads the whole JSON answer. `path` carries its query, percent-encoded.
    /// `content` is the media type of `body`; an empty body sends none.
    ///
    /// # Errors
    /// See [`ApiError`]; every status of 400 and above is one.
    pub async fn send(&self, method: Method, path: &str, content: &str, body: Vec<u8>) -> Result<Value, ApiError> {
        let mut request = Request::builder().method(method).uri(path).header("Accept", "application/json");
        if !body.is_empty() {
            request = request.header("Content-Type", content);
        }
        let request = request.body(body).map_err(|e| ApiError::Malformed(format!("request for {path}: {e}")))?;
        let bytes = self.bytes(request).await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| ApiError::Malformed(format!("the answer to {path} is not JSON: {e}")))
    }

    /// Sends one request and reads the whole answer as bytes.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn bytes(&self, request: Request<Vec<u8>>) -> Result<Vec<u8>, ApiError> {
        self.answer(request).await.map(|(_, body)| body)
    }

    /// The timeout bounds every silence, not the whole: a long answer over a slow line takes its time.
    async fn answer(&self, request: Request<Vec<u8>>) -> Result<(HeaderMap, Vec<u8>), ApiError> {
        let timeout = |_| ApiError::Timeout(self.timeout.as_secs());
        let sent = self.client.send(request.map(kube::client::Body::from));
        let answer = tokio::time::timeout(self.timeout, sent).await.map_err(timeout)?.map_err(link_error)?;
        let (head, mut rest) = answer.into_parts();
        let mut body = vec![];
        while let Some(frame) = tokio::time::timeout(self.timeout, rest.frame()).await.map_err(timeout)? {
            body.extend_from_slice(&frame.map_err(link_error)?.into_data().unwrap_or_default());
        }
        match head.status.as_u16() {
            code @ 400.. => Err(ApiError::from_body(code, &body)),
            _ => Ok((head.headers, body)),
        }
    }

    /// GET of a path, with the server's clock.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn get_dated(&self, path: &str) -> Result<(Value, Option<Time>), ApiError> {
        let request = Request::get(path).header("Accept", "application/json").body(vec![]);
        let (headers, body) = self.answer(request.map_err(|e| ApiError::Malformed(e.to_string()))?).await?;
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        let value = serde_json::from_slice(&body)
            .map_err(|e| ApiError::Malformed(format!("the answer to {path} is not JSON: {e}")))?;
        Ok((value, date.map(|date| Time(date.as_second()))))
    }

    /// GET of a path.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn get(&self, path: &str) -> Result<Value, ApiError> {
        self.send(Method::GET, path, "", vec![]).await
    }

    /// All objects of a kind, in pages of 500, with `apiVersion` and `kind` filled in as items of a list lack them.
    /// `query` is extra (`labelSelector=…`), percent-encoded, may be empty.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &str,
    ) -> Result<Vec<Value>, ApiError> {
        self.list_lean(resource, namespace, query, |_| {}).await
    }

    /// As [`Api::list`]; `keep` drops from each object what is not needed, before the next page comes.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn list_lean(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &str,
        keep: impl Fn(&mut Value),
    ) -> Result<Vec<Value>, ApiError> {
        let base = resource.collection_path(namespace);
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            let more = if token.is_empty() { String::new() } else { format!("&continue={}", encode(&token)) };
            let extra = if query.is_empty() { String::new() } else { format!("&{query}") };
            let mut page = self.get(&format!("{base}?limit=500{extra}{more}")).await?;
            token = str_at(&page, "/metadata/continue").to_string();
            if let Some(Value::Array(mut list)) = page.get_mut("items").map(Value::take) {
                list.iter_mut().for_each(&keep);
                items.extend(list);
            }
            if token.is_empty() {
                break;
            }
        }
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.entry("apiVersion").or_insert_with(|| resource.api_version().into());
            item.entry("kind").or_insert_with(|| resource.kind.clone().into());
        }
        Ok(items)
    }

    /// PATCH of a path (with query) with one of the patch media types.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn patch(&self, path: &str, media: &str, patch: &Value) -> Result<Value, ApiError> {
        self.send(Method::PATCH, path, media, patch.to_string().into_bytes()).await
    }

    /// POST of a JSON body.
    ///
    /// # Errors
    /// As [`Api::send`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.send(Method::POST, path, "application/json", body.to_string().into_bytes()).await
    }
}

/// What went wrong on the way to the server.
pub(crate) fn link_error(error: impl std::error::Error) -> ApiError {
    ApiError::Link(chain(&error))
}

/// Layers of an error (hyper-util's) that say no more than that a connection failed, which what they wrap says better.
const HOLLOW: [&str; 2] = ["client error (Connect)", "tcp connect error"];

/// An error and its causes in one line, for people; layers that only wrap the next one are left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        let own = own.split_once(" (os error ").map_or(own.as_str(), |(words, _number)| words);
        next = error.source();
        let wraps = next.is_some_and(|inner| own.ends_with(&inner.to_string()) || HOLLOW.contains(&own));
        if !wraps && !text.contains(own) {
            text = if text.is_empty() { own.into() } else { format!("{text}: {own}") };
        }
    }
    clean(&text).into_owned()
}

/// Percent-encodes one query value (RFC 3986 unreserved characters stay).
pub fn encode(value: &str) -> String {
    value.bytes().fold(String::with_capacity(value.len()), |mut out, b| {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(b.into()),
            _ => out.push_str(&format!("%{b:02X}")),
        }
        out
    })
}
