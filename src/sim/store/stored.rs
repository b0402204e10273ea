//! One object as it is kept: parsed, serialised, or both.

use crate::world::object::Resource;
use bytes::Bytes;
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// An immutable object: its value, and its JSON text without `apiVersion` and `kind`, made once when first asked for
/// (lists of built-in kinds leave those two out; everything else puts them in front). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stored(Arc<Form>);

#[derive(Debug)]
enum Form {
    Parsed { value: Arc<Value>, text: OnceLock<Bytes> },
    Text { text: Bytes, api_version: String, kind: String },
}

impl Stored {
    /// Keeps a parsed object.
    pub fn new(value: Value) -> Self {
        Self::shared(Arc::new(value))
    }

    /// Keeps an object that somebody else holds too.
    pub fn shared(value: Arc<Value>) -> Self {
        Self(Arc::new(Form::Parsed { value, text: OnceLock::new() }))
    }

    /// Keeps JSON text only; the value is parsed each time it is asked for.
    pub fn text(text: Bytes, kind: &Resource) -> Self {
        Self(Arc::new(Form::Text { text, api_version: kind.api_version(), kind: kind.kind.clone() }))
    }

    /// The object, with `apiVersion` and `kind`.
    pub fn value(&self) -> Arc<Value> {
        match &*self.0 {
            Form::Parsed { value, .. } => value.clone(),
            Form::Text { text, api_version, kind } => {
                let mut object = serde_json::Map::new();
                object.insert("kind".into(), kind.clone().into());
                object.insert("apiVersion".into(), api_version.clone().into());
                if let Ok(Value::Object(rest)) = serde_json::from_slice(text) {
                    object.extend(rest);
                }
                Arc::new(Value::Object(object))
            }
        }
    }

    /// The JSON text without `apiVersion` and `kind`.
    pub fn bytes(&self) -> Bytes {
        match &*self.0 {
            Form::Parsed { value, text } => text
                .get_or_init(|| serde_json::to_vec(&Bare(value)).map(Bytes::from).unwrap_or_else(|_| Bytes::from("{}")))
                .clone(),
            Form::Text { text, .. } => text.clone(),
        }
    }
}

/// An object without its type, which every list item of a built-in kind lacks.
struct Bare<'a>(&'a Value);

impl Serialize for Bare<'_> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Some(object) = self.0.as_object() else { return self.0.serialize(out) };
        let mut map = out.serialize_map(None)?;
        for (key, value) in object.iter().filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind")) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
