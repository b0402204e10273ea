//! Lists in pages, decoded while they stream; the next page is asked for as soon as the head of the current one has
//! named it.
//!
//! A page is decoded by the task that reads it: a chunk is a fraction of a millisecond of work, and its bytes are still
//! in the cache of the core that received them. The screen has a thread of its own.

use super::api::{Api, ApiError, encode, link_error};
use super::decode::Decoder;
use super::split::{ListMeta, Reader, Splitter, Step};
use super::watch::Out;
use crate::world::fleet::TableDelta;
use crate::world::object::Resource;
use crate::world::row::Row;
use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Rows per delta.
pub const BATCH: usize = 512;
/// Bytes decoded together, once the first rows are out.
const CHUNK: usize = 128 * 1024;

/// A list of one kind, in one namespace or (`None`) everywhere.
pub struct List<'a> {
    /// Where from.
    pub api: &'a Api,
    /// Of what.
    pub resource: &'a Resource,
    /// In which namespace.
    pub namespace: Option<&'a str>,
    /// Objects per page.
    pub page: usize,
    /// How long the server may keep silent.
    pub patience: Duration,
    /// Where rows go.
    pub out: &'a Out,
    /// Rows seen so far and how many there are, over all lists of a table.
    pub progress: &'a Arc<Progress>,
}

/// How far a table's lists have come.
#[derive(Default)]
pub struct Progress {
    seen: AtomicUsize,
    all: AtomicUsize,
}

/// What the decoding of a page gives back.
struct Page {
    decoder: Decoder,
    end: Result<ListMeta, ApiError>,
}

impl List<'_> {
    /// Reads every page; as many are in flight as there are decoders. Returns the revision to watch from.
    ///
    /// # Errors
    /// See [`ApiError`]; the rows that came before it have been handed on. The decoders are back in any case, except
    /// those of pages that were still in flight.
    pub async fn run(&self, decoders: &mut Vec<Decoder>) -> Result<String, ApiError> {
        let mut pages: JoinSet<Result<Page, ApiError>> = JoinSet::new();
        let (mut next, mut revision) = (Some(String::new()), String::new());
        while let Some(token) = next.take() {
            if decoders.is_empty() {
                take_back(pages.join_next().await, decoders)?;
            }
            let Some(decoder) = decoders.pop() else {
                return Err(ApiError::Malformed("there is nothing to decode the list with".into()));
            };
            let (tell, head) = oneshot::channel();
            pages.spawn(page(self.request(&token, &decoder)?, self.job(decoder, tell)));
            let meta = match head.await {
                Ok(meta) if meta.is_known() => meta,
                // Custom resources name the next page after their objects; a page that fails says so at its end.
                _ => take_back(pages.join_next().await, decoders)?,
            };
            if revision.is_empty() {
                revision = meta.revision;
            }
            next = Some(meta.token).filter(|token| !token.is_empty());
        }
        while let Some(done) = pages.join_next().await {
            take_back(Some(done), decoders)?;
        }
        Ok(revision)
    }

    fn request(&self, token: &str, decoder: &Decoder) -> Result<Request<Body>, ApiError> {
        let more = if token.is_empty() { String::new() } else { format!("&continue={}", encode(token)) };
        let path = format!("{}?limit={}{more}", self.resource.collection_path(self.namespace), self.page);
        Request::get(path)
            .header("Accept", decoder.accept())
            .body(Body::empty())
            .map_err(|e| ApiError::Malformed(format!("list of {}: {e}", self.resource.id)))
    }

    fn job(&self, decoder: Decoder, head: oneshot::Sender<ListMeta>) -> PageJob {
        PageJob {
            api: self.api.clone(),
            patience: self.patience,
            page: self.page,
            out: self.out.clone(),
            progress: self.progress.clone(),
            decoder,
            head,
        }
    }
}

fn take_back(
    done: Option<Result<Result<Page, ApiError>, tokio::task::JoinError>>,
    decoders: &mut Vec<Decoder>,
) -> Result<ListMeta, ApiError> {
    match done {
        Some(Ok(Ok(page))) => {
            decoders.push(page.decoder);
            page.end
        }
        Some(Ok(Err(error))) => Err(error),
        Some(Err(_)) | None => Err(ApiError::Malformed("decoding a page failed; the log has details".into())),
    }
}

struct PageJob {
    api: Api,
    patience: Duration,
    page: usize,
    out: Out,
    progress: Arc<Progress>,
    decoder: Decoder,
    head: oneshot::Sender<ListMeta>,
}

/// Asks for a page and feeds it to a decoding thread.
async fn page(request: Request<Body>, job: PageJob) -> Result<Page, ApiError> {
    let patience = job.patience;
    let timeout = || ApiError::Timeout(patience.as_secs());
    let sent = tokio::time::timeout(patience, job.api.client().send(request)).await;
    let answer = sent.map_err(|_| timeout())?.map_err(link_error)?;
    let mut body = check(answer, patience).await?;
    let mut reading = Reading::new(job);
    let end = loop {
        match tokio::time::timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                if let Err(error) = reading.splitter.take(&data, &mut reading.rows) {
                    break Err(error);
                }
            }
            Ok(Some(Err(error))) => break Err(link_error(error)),
            Ok(None) => break Ok(()),
            Err(_) => break Err(timeout()),
        }
    };
    Ok(reading.end(end))
}

/// The body of a good answer; a bad one becomes its error.
pub async fn check(answer: http::Response<Body>, patience: Duration) -> Result<Body, ApiError> {
    let code = answer.status().as_u16();
    let body = answer.into_body();
    if code < 400 {
        return Ok(body);
    }
    let collected = tokio::time::timeout(patience, http_body_util::Limited::new(body, 1 << 20).collect()).await;
    let bytes = collected.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Err(ApiError::from_body(code, &bytes))
}

/// A page on its way from bytes to rows.
struct Reading {
    splitter: Splitter,
    rows: Rows,
}

/// Rows that have not been handed on yet, and where they go.
struct Rows {
    decoder: Decoder,
    batch: Vec<Row>,
    columns_known: bool,
    out: Out,
    progress: Arc<Progress>,
    head: Option<oneshot::Sender<ListMeta>>,
    page: usize,
}

impl Reading {
    fn new(job: PageJob) -> Self {
        let PageJob { decoder, head, out, progress, page, .. } = job;
        let batch = Vec::with_capacity(BATCH);
        let rows = Rows { decoder, batch, columns_known: false, out, progress, head: Some(head), page };
        Self { splitter: Splitter::gathering(CHUNK), rows }
    }

    /// Nothing more comes; what has come is kept even where it ended badly.
    fn end(self, end: Result<(), ApiError>) -> Page {
        let Self { splitter, mut rows, .. } = self;
        let end = end.and_then(|()| splitter.finish(&mut rows));
        // An empty table has columns too.
        if let Ok(meta) = &end {
            rows.columns(meta);
        }
        rows.hand_on(&[]);
        rows.out.notes(&rows.decoder.notes());
        Page { decoder: rows.decoder, end }
    }
}

impl Reader for Rows {
    /// The next page may be asked for.
    fn head(&mut self, meta: &ListMeta) {
        self.progress.about(meta, self.page);
        if let Some(head) = self.head.take() {
            let _ = head.send(meta.clone());
        }
    }

    fn object(&mut self, text: &[u8], at: usize, meta: &ListMeta) -> Step {
        if !std::mem::replace(&mut self.columns_known, true) {
            self.columns(meta);
        }
        let batch = &mut self.batch;
        let step = self.decoder.step(text, at, |row| batch.push(row));
        if self.batch.len() >= BATCH {
            self.hand_on(text);
        }
        step
    }

    fn done(&mut self, text: &[u8]) {
        self.decoder.seal(text);
    }
}

impl Rows {
    fn columns(&mut self, meta: &ListMeta) {
        if let Some(columns) = self.decoder.take_columns(&meta.columns) {
            self.out.table(TableDelta::Columns(columns));
        }
    }

    /// `text`: what the objects stand in that have not been kept yet.
    fn hand_on(&mut self, text: &[u8]) {
        if self.batch.is_empty() {
            return;
        }
        self.decoder.seal(text);
        let seen = self.progress.seen.fetch_add(self.batch.len(), Ordering::Relaxed) + self.batch.len();
        self.out.table(TableDelta::Upsert(std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH))));
        let all = self.progress.all.load(Ordering::Relaxed);
        self.out.loading(seen, Some(all).filter(|all| *all > 0));
    }
}

impl Progress {
    /// The first page says how many follow it; what later pages say is the same sum.
    fn about(&self, meta: &ListMeta, page: usize) {
        if let Some(remaining) = meta.remaining {
            let all = page + remaining;
            let _ = self.all.compare_exchange(0, all, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}
