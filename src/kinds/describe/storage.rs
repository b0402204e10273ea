//! A PersistentVolumeClaim: what was asked for, and what it got.

use super::page::Page;
use super::{Mark, conditions, joined};
use crate::world::object::str_at;
use serde_json::Value;

/// The part of a description that is special to a PersistentVolumeClaim.
pub fn claim(page: &mut Page, claim: &Value) {
    let phase = str_at(claim, "/status/phase");
    let mark = match phase {
        "Bound" => Mark::Plain,
        "Lost" => Mark::Bad,
        _ => Mark::Warn,
    };
    page.marked(mark, "Status", phase);
    page.at("Volume", claim, "/spec/volumeName");
    match claim.pointer("/spec/storageClassName").and_then(serde_json::Value::as_str) {
        // An empty name asks for no dynamic provisioning; a missing one for the default class.
        Some("") => page.field("Storage class", "\"\" (only volumes without a class)"),
        Some(class) => page.field("Storage class", class),
        None => page.field("Storage class", "none named (the default class, if there is one)"),
    }
    page.at("Requested", claim, "/spec/resources/requests/storage");
    page.at("Capacity", claim, "/status/capacity/storage");
    page.some("Access modes", joined(claim, "/spec/accessModes"));
    page.at("Volume mode", claim, "/spec/volumeMode");
    if let Some(source) = claim.pointer("/spec/dataSource") {
        page.field("Data from", format!("{} {}", str_at(source, "/kind"), str_at(source, "/name")));
    }
    conditions(page, claim, |_| "False");
}
