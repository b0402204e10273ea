//! `get`, `list` and `watch`.

use super::select::Select;
use super::{Call, Cluster, Target};
use crate::sim::http::{self as web, Body, Form};
use crate::sim::store::{Failure, Page, Stored, is_custom};
use crate::sim::table::Table;
use crate::sim::watch;
use crate::world::object::Resource;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;

/// One object, with its type in front, as JSON text.
pub fn whole(kind: &Resource, stored: &Stored) -> Vec<u8> {
    let bare = stored.bytes();
    let rest = bare.get(1..).unwrap_or(b"}");
    let comma = if rest.first() == Some(&b'}') { "" } else { "," };
    let head = format!(r#"{{"kind":"{}","apiVersion":"{}"{comma}"#, kind.kind, kind.api_version());
    let mut out = Vec::with_capacity(head.len() + rest.len());
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(rest);
    out
}

/// An object reduced to its metadata.
pub fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

pub fn get(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let kind = &target.kind;
    let found = cluster.store.get_stored(&kind.id, &target.namespace, &target.name);
    let stored = found.ok_or_else(|| Failure::not_found(kind, &target.name))?;
    Ok(written(cluster, call, kind, &stored, 200))
}

/// One object in the form the client asked for.
pub fn written(cluster: &Cluster, call: &Call, kind: &Resource, stored: &Stored, code: u16) -> Response<Body> {
    match call.form {
        Form::Table => {
            let value = stored.value();
            let table = Table::of(&cluster.store, kind, call.query.get("includeObject"));
            let version = value["metadata"]["resourceVersion"].clone();
            web::json(code, &table.document(json!({"resourceVersion": version}), [&*value], true))
        }
        Form::Metadata => web::json(code, &metadata_only(&stored.value())),
        _ => web::bytes(code, "application/json", whole(kind, stored)),
    }
}

pub fn list(cluster: &Cluster, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let select = Select::parse(&call.query, &target.kind, "")?;
    let page = read_page(cluster, call, target, &select)?;
    let mut meta = json!({"resourceVersion": page.version.to_string()});
    if let Some(key) = &page.next {
        meta["continue"] = token(page.version, key, target.scope()).into();
        if select.is_all() {
            meta["remainingItemCount"] = page.remaining.into();
        }
    }
    let body = match call.form {
        Form::Table => {
            let table = Table::of(&cluster.store, &target.kind, call.query.get("includeObject"));
            let values: Vec<_> = page.items.iter().map(Stored::value).collect();
            table.document(meta, values.iter().map(|value| &**value), true).to_string().into_bytes()
        }
        Form::Metadata => {
            let items: Vec<Value> =
                page.items.iter().map(|stored| json!({"metadata": stored.value()["metadata"]})).collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items});
            list.to_string().into_bytes()
        }
        _ => plain_list(&target.kind, &meta, &page.items),
    };
    if cluster.faults().cut_lists {
        return Ok(cut_off(body));
    }
    Ok(web::large("application/json", body, call.gzip))
}

/// The objects of the page that a request asks for, all at the moment of its first page.
pub fn read_page(cluster: &Cluster, call: &Call, target: &Target, select: &Select) -> Result<Page, Failure> {
    let (store, id) = (&cluster.store, &target.kind.id);
    let limit = match call.query.number::<usize>("limit") {
        None | Some(0) => usize::MAX,
        Some(limit) => limit,
    };
    let (mut version, mut after) = (store.version(), None);
    match call.query.get("continue") {
        "" => version = list_version(call, version)?,
        token => {
            let (at, key) = read_token(token, target.scope())?;
            version = at;
            after = Some(key);
        }
    }
    let read = |after: Option<&str>, limit| {
        store.page_at(id, target.scope(), after, limit, version).map_err(|expired| match after {
            Some(key) => Failure::expired_token(token(store.version(), key, target.scope())),
            None => expired,
        })
    };
    if select.is_all() {
        return read(after.as_deref(), limit);
    }
    let mut chosen = Page { version, ..Page::default() };
    loop {
        // Objects that do not match are passed over until the page is full.
        let missing = limit - chosen.items.len();
        let page = read(after.as_deref(), missing.clamp(1, 500))?;
        after = page.next.clone();
        chosen.items.extend(page.items.into_iter().filter(|stored| select.matches(stored)));
        if page.next.is_none() || chosen.items.len() >= limit {
            chosen.next = page.next;
            return Ok(chosen);
        }
    }
}

/// The resource version to list at: the present one, unless an exact one is asked for.
fn list_version(call: &Call, now: u64) -> Result<u64, Failure> {
    let text = call.query.get("resourceVersion");
    if matches!(text, "" | "0") {
        return Ok(now);
    }
    let asked: u64 = text.parse().map_err(|_| {
        Failure::bad_request(format!(
            "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    })?;
    if asked > now {
        let sentence = format!("Too large resource version: {asked}, current: {now}");
        return Err(Failure::new(504, "Timeout", sentence));
    }
    Ok(if call.query.get("resourceVersionMatch") == "Exact" { asked } else { now })
}

/// A continue token as `apiserver/pkg/storage/continue.go` writes it.
fn token(version: u64, key: &str, scope: Option<&str>) -> String {
    let start = match scope {
        Some(ns) => key.strip_prefix(ns).and_then(|k| k.strip_prefix('/')).unwrap_or(key).to_string(),
        None => format!("/{key}"),
    };
    let document = json!({"v": "meta.k8s.io/v1", "rv": version, "start": format!("{start}\0")});
    URL_SAFE_NO_PAD.encode(document.to_string())
}

fn read_token(text: &str, scope: Option<&str>) -> Result<(u64, String), Failure> {
    let bad = || Failure::bad_request("continue key is not valid: the token cannot be read");
    let raw = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
    let document: Value = serde_json::from_slice(&raw).map_err(|_| bad())?;
    let version = document["rv"].as_u64().ok_or_else(bad)?;
    let start = document["start"].as_str().ok_or_else(bad)?.trim_end_matches('\0').trim_start_matches('/');
    Ok((version, scope.map_or_else(|| start.to_string(), |ns| format!("{ns}/{start}"))))
}

fn plain_list(kind: &Resource, meta: &Value, items: &[Stored]) -> Vec<u8> {
    let texts: Vec<Bytes> = items.iter().map(Stored::bytes).collect();
    let typed = is_custom(&kind.id);
    let size: usize = texts.iter().map(|text| text.len() + 64).sum();
    let mut out = Vec::with_capacity(size + 256);
    let head =
        format!(r#"{{"kind":"{}List","apiVersion":"{}","metadata":{meta},"items":["#, kind.kind, kind.api_version());
    out.extend_from_slice(head.as_bytes());
    for (n, (stored, text)) in items.iter().zip(&texts).enumerate() {
        if n > 0 {
            out.push(b',');
        }
        match typed {
            true => out.extend_from_slice(&whole(kind, stored)),
            false => out.extend_from_slice(text),
        }
    }
    out.extend_from_slice(b"]}");
    out
}

/// Half of a body, then the connection breaks.
fn cut_off(mut body: Vec<u8>) -> Response<Body> {
    body.truncate(body.len() / 2);
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "cut off on purpose");
    web::stream("application/json", stream::iter([Ok(Bytes::from(body)), Err(broken)]))
}

pub fn watch(cluster: Arc<Cluster>, call: &Call, target: &Target) -> Result<Response<Body>, Failure> {
    let select = Select::parse(&call.query, &target.kind, &target.name)?;
    watch::start(cluster, call, target, select)
}
