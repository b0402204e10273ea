//! The floor: the same pages over the same client, read and thrown away. What kokpit needs is compared with that.

use anyhow::{Context, Result};
use bytes::Buf;
use http_body_util::BodyExt;
use std::time::{Duration, Instant};

/// What is done with the bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing.
    Discard,
    /// Every page is parsed and nothing of it kept: what any JSON reader must do at least.
    Skip,
}

/// Reads every page of 500 pods, one after the other; the time it took, and the bytes.
pub async fn read(url: &str, work: Work) -> Result<(Duration, usize)> {
    let client = kube::Client::try_from(kube::Config::new(url.parse().context("the URL of the server")?))?;
    let (start, mut bytes, mut token) = (Instant::now(), 0, String::new());
    loop {
        let path = if token.is_empty() { String::new() } else { format!("&continue={token}") };
        let request = http::Request::get(format!("/api/v1/pods?limit=500{path}")).body(kube::client::Body::empty())?;
        let mut body = client.send(request).await?.into_body();
        let (mut head, mut page) = (Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(mut data) = frame?.into_data() else { continue };
            bytes += data.remaining();
            if head.len() < 256 {
                head.extend_from_slice(&data[..data.len().min(256)]);
            }
            if work == Work::Skip {
                page.extend_from_slice(&data);
            }
            data.advance(data.remaining());
        }
        if work == Work::Skip {
            let _: serde::de::IgnoredAny = serde_json::from_slice(&page)?;
        }
        match next(&head) {
            Some(next) => token = next,
            None => return Ok((start.elapsed(), bytes)),
        }
    }
}

/// The `continue` token from the start of a page.
fn next(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let rest = text.split_once("\"continue\":\"")?.1;
    rest.split_once('"').map(|(token, _)| token.to_string())
}
