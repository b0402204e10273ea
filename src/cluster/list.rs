//! Lists in pages, decoded on blocking threads while they stream; the next page is asked for as soon as the head of
//! the current one has named it.

use super::api::{Api, ApiError, encode, link_error};
use super::decode::Decoder;
use super::split::{ListMeta, Splitter, Step};
use super::watch::Out;
use crate::world::fleet::TableDelta;
use crate::world::object::Resource;
use crate::world::row::Row;
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Rows per delta.
pub const BATCH: usize = 512;
/// Bytes collected before decoding, when they are there anyway: an object cut off is parsed again from its start.
const CHUNK: usize = 64 * 1024;
/// Chunks on their way to a decoding thread.
const AHEAD: usize = 16;

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
    let (chunks, waiting) = mpsc::channel::<Bytes>(AHEAD);
    let decoding = tokio::task::spawn_blocking(move || {
        decode_page(job.decoder, waiting, job.head, &job.out, &job.progress, job.page)
    });
    let mut failed = None;
    loop {
        match tokio::time::timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                if chunks.send(data).await.is_err() {
                    break;
                }
            }
            Ok(Some(Err(error))) => {
                failed = Some(link_error(error));
                break;
            }
            Ok(None) => break,
            Err(_) => {
                failed = Some(timeout());
                break;
            }
        }
    }
    drop(chunks);
    let mut page = decoding.await.map_err(|_| ApiError::Malformed("decoding a page failed".into()))?;
    if let Some(error) = failed {
        page.end = Err(error);
    }
    Ok(page)
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

/// Decodes the chunks of a page into batches of rows; runs on a blocking thread until the page has ended.
fn decode_page(
    mut decoder: Decoder,
    mut chunks: mpsc::Receiver<Bytes>,
    head: oneshot::Sender<ListMeta>,
    out: &Out,
    progress: &Progress,
    page: usize,
) -> Page {
    let (mut splitter, mut batch, mut head) = (Splitter::default(), Vec::with_capacity(BATCH), Some(head));
    let mut first = true;
    let end = loop {
        let open = match chunks.blocking_recv() {
            Some(chunk) => {
                splitter.push(&chunk);
                // The first rows go out at once; later on larger chunks save work.
                while !first && splitter.waiting() < CHUNK {
                    match chunks.try_recv() {
                        Ok(chunk) => splitter.push(&chunk),
                        Err(_) => break,
                    }
                }
                first = false;
                true
            }
            None => false,
        };
        let mut on_head = |meta: &ListMeta| {
            progress.about(meta, page);
            if let Some(head) = head.take() {
                let _ = head.send(meta.clone());
            }
        };
        let mut columns_known = false;
        let mut on_object = |bytes: &[u8], meta: &ListMeta| -> Step {
            if !columns_known {
                columns_known = true;
                if let Some(columns) = decoder.take_columns(&meta.columns) {
                    out.table(TableDelta::Columns(columns));
                }
            }
            let step = decoder.step(bytes, |row| batch.push(row));
            if batch.len() >= BATCH {
                hand_on(&mut batch, out, progress);
            }
            step
        };
        if !open {
            break splitter.finish(&mut on_head, &mut on_object);
        }
        if let Err(error) = splitter.run(&mut on_head, &mut on_object) {
            break Err(error);
        }
    };
    // An empty table has columns too.
    if let Some(columns) = end.as_ref().ok().and_then(|meta| decoder.take_columns(&meta.columns)) {
        out.table(TableDelta::Columns(columns));
    }
    hand_on(&mut batch, out, progress);
    out.notes(&decoder.notes());
    Page { decoder, end }
}

fn hand_on(batch: &mut Vec<Row>, out: &Out, progress: &Progress) {
    if batch.is_empty() {
        return;
    }
    let seen = progress.seen.fetch_add(batch.len(), Ordering::Relaxed) + batch.len();
    out.table(TableDelta::Upsert(std::mem::replace(batch, Vec::with_capacity(BATCH))));
    let all = progress.all.load(Ordering::Relaxed);
    out.loading(seen, Some(all).filter(|all| *all > 0));
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
