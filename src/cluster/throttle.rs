//! A server that has too many requests in flight says when it wants to be asked again (429 with `Retry-After`): until
//! then nothing is read from it. What a person does is sent all the same; its 429 is an answer of its own (an eviction
//! that a budget forbids).

use http::{Method, Response, header};
use kube::client::Body;
use serde_json::json;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longer than this nobody is kept waiting, whatever the server says.
const LONGEST: Duration = Duration::from_secs(60);

/// Until when one server is left alone.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Option<Instant>>);

impl Throttle {
    /// The server's own answer once more, where a read would come too early.
    pub fn too_early(&self, method: &Method) -> Option<Response<Body>> {
        let until = (*self.0.lock().unwrap_or_else(PoisonError::into_inner)).filter(|_| method == Method::GET)?;
        let left = until.checked_duration_since(Instant::now())?;
        Some(refusal(left))
    }

    /// Takes note of a 429, and puts it in words where the server did not.
    pub fn heed(&self, method: &Method, answer: Response<Body>) -> Response<Body> {
        if method != Method::GET || answer.status() != 429 {
            return answer;
        }
        let headers = answer.headers();
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let seconds = text(header::RETRY_AFTER).and_then(|text| text.trim().parse().ok()).unwrap_or(1);
        let wait = Duration::from_secs(seconds).min(LONGEST);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
        match text(header::CONTENT_TYPE) {
            Some(media) if media.contains("json") => answer,
            _ => refusal(wait),
        }
    }
}

fn refusal(wait: Duration) -> Response<Body> {
    let seconds = wait.as_secs_f32().ceil();
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429, "reason": "TooManyRequests",
        "message": format!("the server has too many requests (429) and wants to be asked again in {seconds} s")});
    let mut answer = Response::new(Body::from(status.to_string().into_bytes()));
    *answer.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, headers: &[(&'static str, &'static str)]) -> Response<Body> {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = http::StatusCode::from_u16(code).unwrap();
        for (name, value) in headers {
            answer.headers_mut().insert(*name, http::HeaderValue::from_static(value));
        }
        answer
    }

    #[test]
    fn reads_wait_for_as_long_as_the_server_says() {
        let throttle = Throttle::default();
        throttle.heed(&Method::GET, answer(200, &[("retry-after", "9")]));
        throttle.heed(&Method::POST, answer(429, &[("retry-after", "9")]));
        assert!(throttle.too_early(&Method::GET).is_none());
        throttle.heed(&Method::GET, answer(429, &[("retry-after", "9"), ("content-type", "text/plain")]));
        assert!(throttle.too_early(&Method::GET).is_some_and(|answer| answer.status() == 429));
        assert!(throttle.too_early(&Method::PATCH).is_none());
        throttle.heed(&Method::GET, answer(429, &[("retry-after", "0")]));
        assert!(throttle.too_early(&Method::GET).is_none());
    }
}
