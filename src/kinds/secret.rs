//! Values of a Secret, for eyes that asked for them: decoded once, wiped when they are gone.

use crate::world::text::{clean, clean_log_line};
use k8s_openapi::ByteString;
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// One entry. Its `Debug` never shows the value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// What it holds.
    pub value: Decoded,
}

/// What an entry holds.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// Text, as it is.
    Text(SecretString),
    /// So many bytes that are no text.
    Binary(usize),
    /// Not what a Secret may hold.
    Broken,
}

/// The entries of a Secret, by key. The object's own copies of the values are wiped.
pub fn decode(mut secret: Value) -> Vec<Entry> {
    let data = secret.get("data").and_then(Value::as_object);
    let mut entries: Vec<Entry> = data
        .into_iter()
        .flatten()
        .map(|(key, value)| Entry { key: clean(key).into_owned(), value: decoded(value) })
        .collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    wipe(&mut secret);
    entries
}

fn decoded(value: &Value) -> Decoded {
    match serde_json::from_value::<ByteString>(value.clone()) {
        Ok(bytes) => match String::from_utf8(bytes.0) {
            Ok(text) if text.contains('\0') => {
                let bytes = text.len();
                drop(SecretString::from(text));
                Decoded::Binary(bytes)
            }
            Ok(text) => Decoded::Text(text.into()),
            Err(error) => {
                let mut bytes = error.into_bytes();
                let count = bytes.len();
                bytes.zeroize();
                Decoded::Binary(count)
            }
        },
        Err(_) => Decoded::Broken,
    }
}

/// Overwrites every text in an object.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(list) => list.iter_mut().for_each(wipe),
        Value::Object(map) => map.iter_mut().for_each(|(_, value)| wipe(value)),
        _ => {}
    }
}

impl Entry {
    /// The lines that show it: the key, and behind or below it the value without control characters.
    pub fn lines(&self) -> Vec<(String, String)> {
        let head = format!("{}:", self.key);
        let Decoded::Text(text) = &self.value else {
            let said = match &self.value {
                Decoded::Binary(1) => "1 byte that is no text".into(),
                Decoded::Binary(bytes) => format!("{bytes} bytes that are no text"),
                _ => "not base64".to_string(),
            };
            return vec![(head, format!(" ••• {said}"))];
        };
        let text = text.expose_secret();
        let shown: Vec<String> = text.split('\n').map(clean_log_line).collect();
        let mut lines = match shown.as_slice() {
            [] => vec![(head, String::new())],
            [one] => vec![(head, format!(" {one}"))],
            several => {
                let mut lines = vec![(head, String::new())];
                lines.extend(several.iter().map(|line| (String::new(), format!("  {line}"))));
                lines
            }
        };
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            lines.push((String::new(), "  (control characters are left out)".into()));
        }
        lines
    }

    /// The value as it is, for the clipboard.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Decoded::Text(text) => Some(text.expose_secret()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret() -> Value {
        json!({"kind": "Secret", "apiVersion": "v1", "data": {
            "password": "aHVudGVyMg==",
            "motd": "aGkKG1szMW1yZWQbXTA7eAc=",
            "key": "/wA=",
            "zeros": "AAAA",
            "odd": "%%%",
            "empty": "",
        }})
    }

    #[test]
    fn entries_are_shown_as_text_or_named_for_what_they_are() {
        let lines: Vec<String> =
            decode(secret()).iter().flat_map(Entry::lines).map(|(key, text)| format!("{key}{text}")).collect();
        assert_eq!(
            lines,
            [
                "empty: ",
                "key: ••• 2 bytes that are no text",
                "motd:",
                "  hi",
                "  red",
                "  (control characters are left out)",
                "odd: ••• not base64",
                "password: hunter2",
                "zeros: ••• 3 bytes that are no text",
            ]
        );
    }

    #[test]
    fn nothing_that_is_printed_for_a_developer_holds_a_value() {
        let printed = format!("{:?}", decode(secret()));
        assert!(!printed.contains("hunter2") && printed.contains("password"), "{printed}");
    }
}
