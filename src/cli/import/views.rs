//! `views.yaml`: columns and order by kind.

use super::{Found, Source, aliases, text};
use crate::kinds::{self, Kind};
use crate::world::choice::Choice;
use serde_json::Value;

pub fn read(source: &Source, found: &mut Found) {
    for (key, view) in source.entries("views") {
        let (gvr, namespace) = key.split_once('@').map_or((key.as_str(), None), |(gvr, ns)| (gvr, Some(ns)));
        if let Some(namespace) = namespace {
            let why = format!("columns hold for every namespace here, not only for {namespace}");
            found.left.push(source.left(&key, &why));
            continue;
        }
        let name = aliases::kind(gvr).unwrap_or_else(|| gvr.to_lowercase());
        let kind = kinds::TABLE.iter().copied().find(|kind| kind.id().to_string() == name || kind.plural == name);
        let mut columns = vec![];
        for column in view.get("columns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            match self::column(column, kind) {
                Ok(Some(column)) => columns.push(column),
                Ok(None) => {}
                Err(why) => found.left.push(source.left(&key, &format!("column {column}: {why}"))),
            }
        }
        if !columns.is_empty() {
            found.columns.push((name.clone(), columns));
        }
        if let Some(sort) = text(&view, "sortColumn") {
            match sorted(sort) {
                Some(by) => found.sorts.push((name, by)),
                None => {
                    found.left.push(source.left(&key, &format!("sortColumn {sort} is not COLUMN:asc or COLUMN:desc")))
                }
            }
        }
    }
}

/// `AGE:desc`
fn sorted(text: &str) -> Option<String> {
    let (column, how) = text.rsplit_once(':')?;
    let column = column.trim().to_uppercase();
    match how.trim() {
        "asc" => Some(column),
        "desc" => Some(format!("{column} desc")),
        _ => None,
    }
}

/// `TITLE`, `TITLE:path`, each with attributes behind `|`. `None`: it is hidden there, and so it is here.
fn column(text: &str, kind: Option<&Kind>) -> Result<Option<String>, String> {
    let (body, attributes) = match text.rsplit_once('|') {
        Some((body, last)) if last.chars().all(|c| "NTWSLRH".contains(c)) => (body, last),
        _ => (text, ""),
    };
    let (title, path) = body.split_once(':').map_or((body, None), |(title, path)| (title, Some(path.trim())));
    let title = title.trim().to_uppercase();
    if attributes.contains('H') {
        return Ok(None);
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        let known = |kind: &Kind| {
            ["NAMESPACE", "CLUSTER", "WHY"].contains(&title.as_str()) || kind.columns.iter().any(|c| *c.title == title)
        };
        return match kind {
            Some(kind) if !known(kind) => Err(format!("kokpit's {} have none of that name", kind.plural)),
            // The wide mode has it anyway.
            Some(_) if attributes.contains('W') => Ok(None),
            _ => Ok(Some(title)),
        };
    };
    let path = if path.starts_with(['.', '{', '$', '[']) { path.to_string() } else { format!(".{path}") };
    let choice = format!("{path} as {title}");
    Choice::parse(&choice).map_err(|why| format!("its path is none here: {why}"))?;
    match attributes.contains('W') {
        true => Err("columns of one's own are shown or not, there is none for the wide mode only".into()),
        false => Ok(Some(choice)),
    }
}
