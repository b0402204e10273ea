//! Minimal edits of a manifest: one field is set or taken out, every other byte stays.
//!
//! `yaml-edit` makes the edit; the guard then reads the result with another parser and accepts it only if the difference
//! is exactly the one intended ([`guard`]). What cannot be edited safely is refused, never tried.

mod guard;
mod quoting;
mod refuse;

use super::Refusal;
use super::field::{FieldPath, Segment};
use crate::world::object::ObjectRef;
use serde_json::Value;
use yaml_edit::{Mapping, ScalarStyle, ScalarValue, YamlFile, YamlNode};

pub use quoting::ambiguous;
pub use refuse::refuse_file;

/// One edit of one document.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Puts a scalar at a path, making the mappings on the way that are missing.
    Set(FieldPath, Value),
    /// Takes a key out, and its parents if they would be left empty.
    Remove(FieldPath),
}

impl Edit {
    /// The field.
    pub fn path(&self) -> &FieldPath {
        match self {
            Edit::Set(path, _) | Edit::Remove(path) => path,
        }
    }
}

/// Every document of a file, as values; empty documents are left out.
///
/// # Errors
/// The parser's sentence, with line and column.
pub fn documents(text: &str) -> Result<Vec<Value>, Refusal> {
    serde_saphyr::from_multiple::<Value>(text.trim_start_matches('\u{feff}'))
        .map(|all| all.into_iter().filter(|v| !v.is_null()).collect())
        .map_err(|e| Refusal(format!("is not YAML: {}", first_line(&e.to_string()))))
}

/// Whether a document is the manifest of this object. A document without a namespace takes the one it is applied to.
/// The version of the API does not matter: a live `autoscaling/v2` may stand in git as `autoscaling/v1`.
pub fn names(document: &Value, object: &ObjectRef) -> bool {
    let found = ObjectRef::of(document);
    found.group == object.group
        && found.kind == object.kind
        && found.name == object.name
        && (found.namespace == object.namespace || found.namespace.is_empty())
}

/// The value of a field in the manifest of an object; `None` where the manifest does not have it.
///
/// # Errors
/// Not YAML; no document, or more than one, is this object's manifest.
pub fn read(text: &str, object: &ObjectRef, path: &FieldPath) -> Result<Option<Value>, Refusal> {
    let all = documents(text)?;
    let index = choose(&all, object)?;
    Ok(all.get(index).and_then(|doc| path.get(doc)).cloned())
}

/// Applies the edits to the manifest of an object in a file, one after the other, each behind the guard.
/// `file` is the path inside the repository. An edit that changes nothing is skipped.
///
/// # Errors
/// Why the file, the document or the field is not edited; see `refuse.rs` for the rules.
pub fn apply(file: &str, text: &str, object: &ObjectRef, edits: &[Edit]) -> Result<String, Refusal> {
    let at = |refusal: Refusal| Refusal(format!("{file} {}", refusal.0));
    refuse_file(file, text)?;
    let mut now = text.to_string();
    for edit in edits {
        now = apply_one(&now, object, edit).map_err(at)?;
    }
    Ok(now)
}

fn apply_one(text: &str, object: &ObjectRef, edit: &Edit) -> Result<String, Refusal> {
    let before = documents(text)?;
    let index = choose(&before, object)?;
    let (mut expected, found) = (before.clone(), before.get(index).and_then(|doc| edit.path().get(doc)));
    let changed = match edit {
        Edit::Set(_, value) if found == Some(value) => return Ok(text.to_string()),
        Edit::Set(_, value) if value.is_object() || value.is_array() => {
            return Err(Refusal(format!("{}: only single values are written", edit.path())));
        }
        Edit::Set(path, value) => expected.get_mut(index).is_some_and(|doc| path.set(doc, value.clone())),
        Edit::Remove(_) if found.is_none() => return Ok(text.to_string()),
        Edit::Remove(path) => expected.get_mut(index).is_some_and(|doc| path.remove(doc)),
    };
    if !changed {
        return Err(Refusal(format!("has no place for {}: something on the way is missing", edit.path())));
    }
    let (bom, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let parsed = YamlFile::parse(body);
    if let Some(error) = parsed.errors().first() {
        return Err(Refusal(format!("is not YAML that can be edited: {}", first_line(error))));
    }
    let tree = parsed.tree();
    let root = root_of(&tree, object)?;
    let doc = before.get(index).unwrap_or(&Value::Null);
    let bound = match edit {
        Edit::Set(path, value) => set(&root, doc, path, value)?,
        Edit::Remove(path) => remove(&root, doc, &path.pruned(doc))?,
    };
    let after = format!("{bom}{}", keep_line_ends(body, tree.to_string()));
    guard::check(text, &after, &expected, &bound)?;
    check_token(&after, object, edit)?;
    Ok(after)
}

/// The one document that is the object's manifest.
fn choose(all: &[Value], object: &ObjectRef) -> Result<usize, Refusal> {
    let mut matching = all.iter().enumerate().filter(|(_, doc)| names(doc, object));
    match (matching.next(), matching.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => Err(Refusal(format!("holds {object} twice: keep one of the documents"))),
        (None, _) if all.iter().any(|doc| ObjectRef::of(doc).kind.ends_with("List")) => {
            Err(Refusal(format!("does not hold {object} as a document of its own, and items of a List are not edited")))
        }
        (None, _) => Err(Refusal(format!("does not hold {object}"))),
    }
}

/// The same document in the tree of the editor, by the same names.
fn root_of(tree: &YamlFile, object: &ObjectRef) -> Result<Mapping, Refusal> {
    let text =
        |map: &Mapping, key: &str| map.get(key).and_then(|n| n.as_scalar().map(|s| s.as_string())).unwrap_or_default();
    let mut matching = tree.documents().filter_map(|doc| doc.as_mapping()).filter(|map| {
        let meta = map.get_mapping("metadata");
        let of_meta = |key: &str| meta.as_ref().map_or(String::new(), |m| text(m, key));
        let api = text(map, "apiVersion");
        let found = ObjectRef::new(
            api.split_once('/').map_or("", |(group, _)| group),
            &text(map, "kind"),
            &of_meta("namespace"),
            &of_meta("name"),
        );
        found.group == object.group
            && found.kind == object.kind
            && found.name == object.name
            && (found.namespace == object.namespace || found.namespace.is_empty())
    });
    match (matching.next(), matching.next()) {
        (Some(root), None) => Ok(root),
        _ => Err(Refusal(format!("names {object} in a way that cannot be edited (alias, tag or repetition)"))),
    }
}

/// Puts a scalar at a path of the tree. Answers how many lines may change.
fn set(root: &Mapping, doc: &Value, path: &FieldPath, value: &Value) -> Result<guard::Bound, Refusal> {
    let (map, missing) = walk(root, doc, path)?;
    let flow = map.is_flow_style();
    let Some((first, rest)) = missing.split_first() else {
        return Err(Refusal(format!("{path}: an item of a list is not replaced as a whole")));
    };
    let Segment::Key(key) = first else {
        return Err(Refusal(format!("has no such list item: {path}")));
    };
    if rest.is_empty() {
        let old = refuse::replaceable(&map, key, path)?;
        let style = old.as_ref().map(ScalarValue::from_scalar).map(|s| s.style());
        put(&map, key, value, style);
        return Ok(if old.is_some() { guard::Bound::set() } else { guard::Bound::add(1, flow) });
    }
    let nested = if flow { Mapping::new_flow() } else { Mapping::new_pending_block() };
    let mut chain: Vec<&str> = vec![];
    for segment in rest {
        let Segment::Key(key) = segment else { return Err(Refusal(format!("has no such list item: {path}"))) };
        chain.push(key);
    }
    let Some((leaf, way)) = chain.split_last() else { return Err(Refusal(format!("{path} is empty"))) };
    map.set(key.as_str(), nested);
    let mut place = map.get_mapping(key.as_str());
    for key in way {
        let next = if flow { Mapping::new_flow() } else { Mapping::new_pending_block() };
        if let Some(map) = &place {
            map.set(*key, next);
        }
        place = place.and_then(|map| map.get_mapping(*key));
    }
    let Some(place) = place else { return Err(Refusal(format!("{path} could not be added"))) };
    put(&place, leaf, value, None);
    Ok(guard::Bound::add(1 + rest.len(), flow))
}

/// Takes an entry out of the tree. Answers how many lines may change.
fn remove(root: &Mapping, doc: &Value, path: &FieldPath) -> Result<guard::Bound, Refusal> {
    let (map, rest) = walk(root, doc, path)?;
    let [Segment::Key(key)] = rest else { return Err(Refusal(format!("does not have {path} as a key"))) };
    refuse::entry(&map, key, path)?;
    let flow = map.is_flow_style();
    match map.remove(key.as_str()) {
        Some(entry) => Ok(guard::Bound::remove(entry.to_string().lines().count(), flow)),
        None => Err(Refusal(format!("does not have {path}"))),
    }
}

/// Follows a path as far as there are mappings; answers the last one and what is left of the path (at least one
/// segment). Refuses what must not be passed: aliases, tags, merged keys, `?` keys, flow over several lines.
fn walk<'p>(root: &Mapping, doc: &Value, path: &'p FieldPath) -> Result<(Mapping, &'p [Segment]), Refusal> {
    let (mut map, mut value, mut i) = (root.clone(), doc, 0);
    while i < path.0.len() {
        refuse::mapping(&map, path)?;
        let Some(Segment::Key(key)) = path.0.get(i) else { break };
        let below = value.get(key).unwrap_or(&Value::Null);
        if i + 1 == path.0.len() || map.get(key.as_str()).is_none() {
            refuse::merged(&map, value, key, path)?;
            return Ok((map, path.0.get(i..).unwrap_or_default()));
        }
        refuse::entry(&map, key, path)?;
        let node = map.get(key.as_str());
        let (node, below, steps) = through_lists(node, below, path, i + 1)?;
        i += 1 + steps;
        value = below;
        match node.as_ref().and_then(YamlNode::as_mapping) {
            Some(next) => map = next.clone(),
            None => return Err(Refusal(format!("has something else than a mapping on the way to {path}"))),
        }
    }
    Ok((map, &[]))
}

/// From a node through any list items that follow in the path.
fn through_lists<'v>(
    mut node: Option<YamlNode>,
    mut value: &'v Value,
    path: &FieldPath,
    from: usize,
) -> Result<(Option<YamlNode>, &'v Value, usize), Refusal> {
    let mut steps = 0;
    while let Some(segment @ (Segment::Item { .. } | Segment::Index(_))) = path.0.get(from + steps) {
        refuse::node(node.as_ref(), path)?;
        let position = segment.position(value).ok_or_else(|| Refusal(format!("has no such list item: {path}")))?;
        node = node.as_ref().and_then(YamlNode::as_sequence).and_then(|list| list.get(position));
        value = value.get(position).unwrap_or(&Value::Null);
        steps += 1;
    }
    refuse::node(node.as_ref(), path)?;
    Ok((node, value, steps))
}

/// Writes a scalar, in the quotes of the one it replaces.
fn put(map: &Mapping, key: &str, value: &Value, style: Option<ScalarStyle>) {
    match value {
        Value::Bool(flag) => map.set(key, *flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => map.set(key, whole),
            None => map.set(key, number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => map.set(key, quoting::scalar(text, style)),
        _ => map.set(key, ScalarValue::null()),
    }
}

/// A CRLF file stays one (the editor writes LF into lines that it adds), and so does a file without a final line break.
fn keep_line_ends(before: &str, mut after: String) -> String {
    if !before.ends_with('\n') {
        after.truncate(after.trim_end_matches(['\r', '\n']).len());
    }
    let crlf = before.matches("\r\n").count();
    if crlf == 0 || crlf < before.matches('\n').count() {
        return after;
    }
    after.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The written token, seen as YAML 1.1 sees it: Kubernetes and Helm read `on` as a boolean, and the guard's parser not.
fn check_token(after: &str, object: &ObjectRef, edit: &Edit) -> Result<(), Refusal> {
    let Edit::Set(path, Value::String(text)) = edit else { return Ok(()) };
    let parsed = YamlFile::parse(after.trim_start_matches('\u{feff}'));
    let root = root_of(&parsed.tree(), object)?;
    let value = choose(&documents(after)?, object).and_then(|i| Ok(documents(after)?.swap_remove(i)))?;
    let (map, rest) = walk(&root, &value, path)?;
    let quoted = match rest {
        [Segment::Key(key)] => map.get(key.as_str()).and_then(|n| n.as_scalar().map(|s| s.is_quoted())),
        _ => None,
    };
    match quoted {
        Some(quoted) if quoted || !ambiguous(text) => Ok(()),
        _ => Err(Refusal(format!("{path} would be read as something else than the text {text:?}"))),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
