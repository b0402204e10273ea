//! What is never edited, each with a sentence that says why.

use super::super::Refusal;
use super::super::field::FieldPath;
use serde_json::Value;
use yaml_edit::{Mapping, Scalar, YamlNode};

/// Refuses whole files: templates, encrypted or secret ones, pointers of Git LFS. `file` is the path in the repository.
///
/// # Errors
/// A sentence that begins with the file's name.
pub fn refuse_file(file: &str, text: &str) -> Result<(), Refusal> {
    let why = if file.split('/').any(|part| part == "templates") {
        "is a template of a Helm chart: its values are the place to edit"
    } else if text.contains("{{") {
        "holds {{ … }}: it is a template, not a manifest"
    } else if file.split('.').any(|part| part == "enc") {
        "is encrypted"
    } else if text.starts_with("version https://git-lfs") {
        "is kept in Git LFS"
    } else if has_line(text, "sops:") {
        "is encrypted with SOPS"
    } else if has_line(text, "kind: Secret") || has_line(text, "kind: SealedSecret") {
        "holds a Secret: kokpit does not write files with secrets"
    } else {
        return Ok(());
    };
    Err(Refusal(format!("{file} {why}")))
}

/// Whether a line of the file, without its end and quotes, is this (top-level keys only).
fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line.split(" #").next().unwrap_or_default().replace(['"', '\''], "").trim_end() == wanted)
}

/// Refuses mappings that the way must not pass.
pub(super) fn mapping(map: &Mapping, path: &FieldPath) -> Result<(), Refusal> {
    if map.is_flow_style() && map.to_string().trim_end().contains('\n') {
        return Err(Refusal(format!("writes {path} inside braces over several lines: edit it by hand")));
    }
    Ok(())
}

/// Refuses aliases and tags.
pub(super) fn node(node: Option<&YamlNode>, path: &FieldPath) -> Result<(), Refusal> {
    match node {
        Some(node) if node.is_alias() => {
            Err(Refusal(format!("has an alias on the way to {path}: the anchor's other users would change too")))
        }
        Some(node) if node.is_tagged() => Err(Refusal(format!("has a tag on the way to {path}: edit it by hand"))),
        _ => Ok(()),
    }
}

/// Refuses entries with explicit `?` keys, repeated keys, aliases and tags.
pub(super) fn entry(map: &Mapping, key: &str, path: &FieldPath) -> Result<(), Refusal> {
    if map.find_all_entries_by_key(key).count() > 1 {
        return Err(Refusal(format!("has the key {key} twice on the way to {path}: keep one")));
    }
    let Some(entry) = map.find_entry_by_key(key) else { return Ok(()) };
    if entry.to_string().trim_start().starts_with('?') {
        return Err(Refusal(format!("has a `?` key on the way to {path}: edit it by hand")));
    }
    node(entry.value_node().as_ref(), path)
}

/// Refuses a key that a merge key (`<<`) brings in: setting it here would hide the merged one, removing it would not work.
pub(super) fn merged(map: &Mapping, value: &Value, key: &str, path: &FieldPath) -> Result<(), Refusal> {
    if map.get(key).is_none() && value.get(key).is_some() {
        return Err(Refusal(format!("takes {path} from an anchor through a merge key (<<): edit the anchor by hand")));
    }
    Ok(())
}

/// The scalar that would be replaced, if there is one; refuses everything but single-line scalars without an anchor.
pub(super) fn replaceable(map: &Mapping, key: &str, path: &FieldPath) -> Result<Option<Scalar>, Refusal> {
    entry(map, key, path)?;
    let Some(found) = map.get(key) else { return Ok(None) };
    match found.as_scalar() {
        Some(scalar) if scalar.is_block() || scalar.to_string().trim_end().contains('\n') => {
            Err(Refusal(format!("writes {path} over several lines: edit it by hand")))
        }
        Some(scalar) => Ok(Some(scalar.clone())),
        None => Err(Refusal(format!("has a mapping or a list at {path}, not a single value"))),
    }
}
