//! The objects that a plain directory renders to (docs `directory.md`).

use crate::gitops::Refusal;
use crate::gitops::locate::{Source, belongs, built};
use crate::gitops::yaml::documents;
use crate::world::object::{ObjectRef, list_at, str_at};
use serde_json::{Value, json};

/// A file with this in it is no manifest.
const SKIP: &str = "+argocd:skip-file-rendering";

/// An object as a file of the repository has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// It.
    pub object: Value,
    /// The file, inside the repository.
    pub file: String,
}

/// Every object in the files of a source, from (path, text) of all that lie there. Hooks are left out: Argo CD does not
/// compare them. Of one that stands there twice the last counts.
///
/// # Errors
/// The directory is built with something else, or a file is not what Argo CD could read.
pub fn read(source: &Source, files: &[(String, String)]) -> Result<Vec<Manifest>, Refusal> {
    if let Some(why) = built(source, files) {
        return Err(Refusal(why));
    }
    let mut all: Vec<Manifest> = vec![];
    for (file, text) in files.iter().filter(|(file, text)| belongs(source, file) && !text.contains(SKIP)) {
        let documents = documents(text).map_err(|refusal| Refusal(format!("{file} {}", refusal.0)))?;
        for object in documents.into_iter().flat_map(items) {
            let me = ObjectRef::of(&object);
            if me.kind.is_empty() || (me.name.is_empty() && str_at(&object, "/metadata/generateName").is_empty()) {
                return Err(Refusal(format!("{file} holds something without a kind or a name, which Argo CD refuses")));
            }
            if is_hook(&object) || me.name.is_empty() {
                continue;
            }
            all.retain(|known| ObjectRef::of(&known.object) != me);
            all.push(Manifest { object, file: file.clone() });
        }
    }
    Ok(all)
}

/// The items of a List, else the document itself.
fn items(document: Value) -> Vec<Value> {
    let list = str_at(&document, "/kind").ends_with("List") && document.get("items").is_some_and(Value::is_array);
    if list { list_at(&document, "/items").to_vec() } else { vec![document] }
}

fn is_hook(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    ["argocd.argoproj.io/hook", "helm.sh/hook"].iter().any(|key| annotations.is_some_and(|a| a.get(key).is_some()))
}

/// Gives an object the namespace that it is applied to.
pub fn complete(object: &mut Value, namespaced: bool, destination: &str) {
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if !namespaced {
        meta.shift_remove("namespace");
    } else if meta.get("namespace").and_then(Value::as_str).unwrap_or_default().is_empty() {
        meta.insert("namespace".into(), json!(destination));
    }
}
