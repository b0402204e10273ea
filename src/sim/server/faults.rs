//! What can be made to go wrong on purpose, at run time: [`Faults`].

use crate::sim::http::{self as web, Body};
use crate::sim::store::Failure;
use bytes::Bytes;
use http::{Response, header};
use std::time::Duration;

/// Something that nobody may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// `list`, `create`, … or `*`.
    pub verb: String,
    /// `pods`, `pods/eviction`, `deployments`, … or `*`.
    pub resource: String,
    /// Only over all namespaces at once; single namespaces stay open.
    pub cluster_wide_only: bool,
}

impl Deny {
    /// Denies a verb on a resource everywhere.
    pub fn new(verb: &str, resource: &str) -> Self {
        Self { verb: verb.into(), resource: resource.into(), cluster_wide_only: false }
    }

    /// Denies a verb on a resource over all namespaces at once.
    pub fn cluster_wide(verb: &str, resource: &str) -> Self {
        Self { cluster_wide_only: true, ..Self::new(verb, resource) }
    }

    /// Whether this rule speaks of a request; `everywhere` means all namespaces of a namespaced kind.
    pub fn covers(&self, verb: &str, resource: &str, everywhere: bool) -> bool {
        let fits = |rule: &str, value: &str| rule == "*" || rule == value;
        fits(&self.verb, verb) && fits(&self.resource, resource) && (everywhere || !self.cluster_wide_only)
    }
}

/// An answer of one's own for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// The path without its query.
    pub path: String,
    /// HTTP status code.
    pub code: u16,
    /// `Content-Type`.
    pub media: String,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// What goes wrong. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Requests without this bearer token get 401.
    pub token: Option<String>,
    /// What gets 403.
    pub deny: Vec<Deny>,
    /// Every answer starts this late.
    pub delay: Duration,
    /// No request is ever answered.
    pub silent: bool,
    /// Every watch ends after this time, without a word.
    pub drop_watches_every: Option<Duration>,
    /// With [`Faults::drop_watches_every`]: the connection breaks, where otherwise the server ends the stream.
    pub break_watches: bool,
    /// Bodies are sent this slowly, in bytes a second.
    pub trickle: Option<u32>,
    /// Every request gets this status and a `Status` that says so; not 429.
    pub failing: Option<u16>,
    /// Every request gets 429 with this `Retry-After`, in seconds, as from a server that limits what is in flight
    /// (`apiserver/pkg/server/filters/maxinflight.go`).
    pub busy: Option<u32>,
    /// How far its clock is ahead, in seconds: the `Date` of its answers.
    pub clock_ahead: i64,
    /// `GROUP/VERSION` of an aggregated API whose own server is down: not discovered, and 503.
    pub broken_api: Option<String>,
    /// A watch with `sendInitialEvents` gets 422, as servers before 1.27 answer.
    pub refuse_streaming_lists: bool,
    /// `sendInitialEvents` is not understood: the watch starts without the present objects and their bookmark.
    pub ignore_initial_events: bool,
    /// Every answer is a page of HTML, as from a captive portal.
    pub html: bool,
    /// The connection breaks in the middle of every list.
    pub cut_lists: bool,
    /// Answers of one's own, by path.
    pub raw: Vec<Raw>,
}

impl Faults {
    /// The answer that stands in for the real one, if any.
    pub fn made_up(&self, path: &str) -> Option<Response<Body>> {
        if let Some(seconds) = self.busy {
            let text = "Too many requests, please try again later.\n";
            let mut answer = web::bytes(429, "text/plain; charset=utf-8", text);
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            return Some(answer);
        }
        if let Some(code) = self.failing {
            let text = "Internal error occurred: etcdserver: leader changed";
            return Some(web::failure(&Failure::new(code, "InternalError", text)));
        }
        if self.broken_api.as_ref().is_some_and(|api| path.starts_with(&format!("/apis/{api}"))) {
            return Some(web::bytes(503, "text/plain; charset=utf-8", "service unavailable\n"));
        }
        if self.html {
            let page =
                "<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>";
            return Some(web::bytes(200, "text/html; charset=utf-8", page));
        }
        let raw = self.raw.iter().find(|raw| raw.path == path)?;
        Some(web::bytes(raw.code, &raw.media, raw.body.clone()))
    }

    /// Whether an `Authorization` header will do.
    pub fn knows(&self, authorization: &str) -> bool {
        let token = authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match &self.token {
            Some(wanted) => token.is_some_and(|(_, token)| token.trim() == wanted),
            None => true,
        }
    }
}
